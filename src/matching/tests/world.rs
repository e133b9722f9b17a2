//! Mailboxes of which the truth is known, and the two servers that show them.

use super::super::*;
use crate::mail::{Flags, KeywordSet, PopEntry, UidlFault};

pub(super) const V: u32 = 1_294_690_616;

/// One message: what it is, and how the two servers show it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// Messages of one header kind have the same header.
    pub(super) header: u8,
    pub(super) body: u8,
    pub(super) in_pop: bool,
    pub(super) in_imap: bool,
    /// POP3 adds mbox fields.
    pub(super) status: bool,
    pub(super) pop_size: Option<u64>,
}

impl Message {
    /// Its class: copies of one class are one message to the user.
    pub(super) fn class(&self) -> (u8, u8) {
        (self.header, self.body)
    }

    pub(super) fn fields(&self) -> Vec<String> {
        let kind = self.header;
        let mut fields = vec![
            format!("Received: from host{kind} by here"),
            format!("Date: Mon, 1 Jan 2024 10:00:{:02} +0100", kind % 60),
            format!("From: Someone <s{}@example.org>", kind % 3),
            format!("Subject: =?utf-8?q?number=20{kind}?="),
        ];
        if !kind.is_multiple_of(4) {
            fields.push(format!("Message-ID: <{kind}@example.org>"));
        }
        fields
    }

    pub(super) fn body(&self) -> String {
        format!(
            "\r\n{}\r\nend\r\n",
            char::from(b'a' + self.body % 26).to_string().repeat(60)
        )
    }

    pub(super) fn over_pop(&self) -> String {
        let mut fields = self.fields();
        if self.status {
            fields.insert(1, "Status: RO\r\nX-UID: 17".to_owned());
        }
        format!("{}\r\n{}\r\n", fields.join("\r\n"), self.body())
    }

    pub(super) fn over_imap(&self, rebuilt: bool) -> String {
        let mut fields = self.fields();
        if rebuilt {
            fields.remove(0);
            fields.reverse();
            for field in &mut fields {
                *field = field.replace("10:00:", "09:00:").replace("+0100", "+0000");
                *field = field.replace("=?utf-8?q?number=20", "=?us-ascii?q?number_");
            }
        }
        format!("{}\r\n{}", fields.join("\r\n"), self.body())
    }
}

pub(super) fn message(header: u8, body: u8) -> Message {
    Message {
        header,
        body,
        in_pop: true,
        in_imap: true,
        status: false,
        pop_size: None,
    }
}

/// Where UIDLs come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scheme {
    Opaque,
    True(Template),
    /// The template over the place in the POP3 listing: right only by chance.
    Counter(Template),
    /// The template over the UID of another message, so many further.
    Shifted(Template, usize),
    /// The right template with the UIDLs of two messages exchanged.
    Swapped(Template, usize, usize),
    Mixed(Template, Template),
    /// Half by the template, half opaque.
    Half(Template),
    /// Made of an attribute, plainly or by MD5.
    Made(Attribute, bool, Trap),
}

/// What is wrong with an attribute that IMAP shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Trap {
    None,
    /// The second message shows that of the first, as one that was forwarded with its header.
    Copied(usize, usize),
    /// The two show each other's.
    Swapped(usize, usize),
}

/// What LIST says instead of RFC822.SIZE, where a message has no size of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sizes {
    Equal,
    /// Line ends count as one byte.
    Lines,
    /// What the server adds to each message.
    Plus(u64),
    Zero,
    /// Whole blocks.
    Blocks(u64),
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) messages: Vec<Message>,
    /// Keys by which the POP3 listing is sorted; empty for UID order.
    pub(super) pop_order: Vec<u16>,
    pub(super) scheme: Scheme,
    pub(super) validity: Option<u32>,
    pub(super) rebuilt: bool,
    pub(super) top: bool,
    pub(super) sizes: Sizes,
    /// POP3 positions that repeat the UIDL before them.
    pub(super) duplicates: Vec<usize>,
    /// POP3 positions without a valid UIDL.
    pub(super) faulty: Vec<usize>,
    pub(super) known: Vec<usize>,
    pub(super) policy: Policy,
}

pub(super) fn world(messages: Vec<Message>, scheme: Scheme) -> World {
    World {
        messages,
        pop_order: Vec::new(),
        scheme,
        validity: Some(V),
        rebuilt: false,
        top: true,
        sizes: Sizes::Equal,
        duplicates: Vec::new(),
        faulty: Vec::new(),
        known: Vec::new(),
        policy: Policy::default(),
    }
}

/// Both servers, and a count of what was asked of them.
#[derive(Default)]
pub(super) struct Servers {
    pub(super) pop: HashMap<PopNumber, (usize, ContentDigest)>,
    pub(super) imap: HashMap<Uid, (usize, ContentDigest)>,
    pub(super) known: HashMap<(Attribute, Uid), String>,
    /// Messages of which an attribute was asked.
    pub(super) attributes: usize,
    pub(super) top: bool,
    pub(super) headers: (usize, usize),
    pub(super) contents: (usize, usize),
    pub(super) calls: usize,
}

pub(super) fn pick<K: Copy + Eq + std::hash::Hash, T>(
    keys: &[K],
    from: &HashMap<K, (usize, ContentDigest)>,
    part: impl Fn(&ContentDigest) -> T,
) -> Vec<(K, T)> {
    // Backwards: a server answers in any order.
    let found = keys.iter().rev();
    found
        .filter_map(|key| Some((*key, part(&from.get(key)?.1))))
        .collect()
}

impl Evidence for Servers {
    fn pop_headers(&mut self, k: &[PopNumber]) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem> {
        self.calls += 1;
        self.headers.0 += k.len();
        let k = if self.top { k } else { &[] };
        Ok(pick(k, &self.pop, |content| content.header))
    }
    fn imap_headers(&mut self, k: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
        self.calls += 1;
        self.headers.1 += k.len();
        Ok(pick(k, &self.imap, |content| content.header))
    }
    fn pop_contents(
        &mut self,
        k: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem> {
        self.calls += 1;
        self.contents.0 += k.len();
        Ok(pick(k, &self.pop, |content| *content))
    }
    fn imap_contents(&mut self, k: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
        self.calls += 1;
        self.contents.1 += k.len();
        Ok(pick(k, &self.imap, |content| *content))
    }
    fn imap_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem> {
        self.calls += 1;
        self.attributes += uids.len();
        let known = uids
            .iter()
            .filter_map(|uid| Some((*uid, self.known.get(&(attribute, *uid))?.clone())));
        Ok(known.collect())
    }
}

pub(super) fn digest(text: &str) -> ContentDigest {
    let mut hasher = ContentHasher::new();
    hasher.update(text.as_bytes());
    hasher.finish()
}

pub(super) fn uid(at: usize) -> Uid {
    Uid::new(u32::try_from(at * 3 + 1).unwrap()).unwrap()
}

pub(super) fn guid(at: usize) -> String {
    format!("{}.M{at}P1.host", 1_700_000_000 + at)
}

impl World {
    pub(super) fn build(&self) -> (Vec<Entry>, Maildrop, Servers, Vec<Known>) {
        let mut servers = Servers {
            top: self.top,
            ..Servers::default()
        };
        let mut entries = Vec::new();
        for (at, message) in self.messages.iter().enumerate().filter(|(_, m)| m.in_imap) {
            let text = message.over_imap(self.rebuilt);
            entries.push(Entry {
                uid: uid(at),
                flags: Flags::empty(),
                keywords: KeywordSet::default(),
                internal_date: None,
                size: text.len() as u64,
            });
            servers.imap.insert(uid(at), (at, digest(&text)));
            if let Scheme::Made(attribute, _, trap) = self.scheme {
                let shown = match trap {
                    Trap::Copied(from, to) if at == to => from,
                    Trap::Swapped(a, b) if at == a => b,
                    Trap::Swapped(a, b) if at == b => a,
                    _ => at,
                };
                let value = self.value(attribute, shown);
                let known = value.map(|value| ((attribute, uid(at)), value));
                servers.known.extend(known);
            }
        }
        let mut order: Vec<usize> = (0..self.messages.len()).collect();
        order.sort_by_key(|at| self.pop_order.get(*at).copied().unwrap_or_default());
        order.retain(|at| self.messages[*at].in_pop);
        let mut drop = Maildrop {
            has_uidls: true,
            ..Maildrop::default()
        };
        let mut uidls: Vec<Option<Uidl>> = Vec::new();
        for (place, at) in order.iter().enumerate() {
            let uidl = Uidl::parse(self.uidl(place, *at).as_bytes()).unwrap();
            uidls.push(match uidls.last() {
                _ if self.faulty.contains(&place) => None,
                Some(before) if self.duplicates.contains(&place) => before.clone(),
                _ => Some(uidl),
            });
        }
        let mut known = Vec::new();
        for (place, (at, uidl)) in order.iter().zip(uidls).enumerate() {
            let message = &self.messages[*at];
            let text = message.over_pop();
            let number = u32::try_from(place).unwrap() + 1;
            // As RFC822.SIZE is without what POP3 adds.
            let size = message.over_imap(self.rebuilt).len() as u64;
            let lines = message.over_imap(self.rebuilt).lines().count() as u64;
            if let Some(uidl) = uidl.clone().filter(|_| self.known.contains(at)) {
                known.push(Known {
                    uid: uid(*at),
                    uidl,
                    position: Some(number),
                });
            }
            if uidl.is_none() {
                drop.faulty.push((number, String::new(), UidlFault::Empty));
            }
            drop.entries.push(&PopEntry {
                number,
                size: message.pop_size.unwrap_or(match self.sizes {
                    Sizes::Equal => size,
                    Sizes::Lines => size - lines,
                    Sizes::Plus(more) => size + more,
                    Sizes::Zero => 0,
                    Sizes::Blocks(block) => size.next_multiple_of(block),
                }),
                uidl,
            });
            servers.pop.insert(number, (*at, digest(&text)));
        }
        (entries, drop, servers, known)
    }

    pub(super) fn uidl(&self, place: usize, at: usize) -> String {
        let write = |template: Template, at: usize| {
            let mut text = String::new();
            let v = UidValidity::new(self.validity.unwrap_or(V));
            template.form(v).unwrap().write(&mut text, uid(at));
            text
        };
        let opaque = || format!("opaque-{}-{at}", at * 7919 % 1000);
        match self.scheme {
            Scheme::Opaque => opaque(),
            Scheme::True(template) => write(template, at),
            Scheme::Counter(template) => write(template, place),
            Scheme::Shifted(template, by) => write(template, at + by),
            Scheme::Swapped(template, a, b) if at == a => write(template, b),
            Scheme::Swapped(template, a, b) if at == b => write(template, a),
            Scheme::Swapped(template, ..) => write(template, at),
            Scheme::Mixed(even, odd) => write(if at.is_multiple_of(2) { even } else { odd }, at),
            Scheme::Half(template) if at.is_multiple_of(2) => write(template, at),
            Scheme::Half(_) => opaque(),
            Scheme::Made(attribute, hashed, _) => match self.value(attribute, at) {
                None => opaque(),
                Some(value) => {
                    let bare = value.trim_matches(['<', '>']);
                    match attribute {
                        _ if hashed => {
                            use md5::Digest as _;
                            let hash = md5::Md5::digest(bare.as_bytes());
                            hash.iter().map(|byte| format!("{byte:02x}")).collect()
                        }
                        Attribute::GmailId => {
                            format!("GmailId{:x}", bare.parse::<u64>().unwrap())
                        }
                        _ => bare.to_owned(),
                    }
                }
            },
        }
    }

    /// The attribute of a message: its own, but for Message-ID, which all of one header have.
    fn value(&self, attribute: Attribute, at: usize) -> Option<String> {
        let message = self.messages.get(at)?;
        match attribute {
            Attribute::XGuid => Some(guid(at)),
            Attribute::GmailId => Some((1_278_455_344_230_334_865 + at as u64).to_string()),
            Attribute::EmailId | Attribute::XUidl => Some(format!("{attribute:?}-{at:012}")),
            Attribute::MessageId => {
                let fields = message.fields();
                let id = fields.iter().find_map(|f| f.strip_prefix("Message-ID: "));
                id.map(str::to_owned)
            }
        }
    }

    /// The pairing, after every promise that needs no truth, and the truth, have been checked.
    pub(super) fn paired(&self) -> (Pairing, Servers) {
        let (entries, drop, mut servers, known) = self.build();
        let side = ImapSide {
            uid_validity: self.validity.and_then(UidValidity::new),
            entries: &entries,
        };
        let pairing = pair(self.policy, &side, &drop, known, &mut servers).unwrap();
        let by_uid = pairing.by_uid();
        for pair in &pairing.pairs {
            let entry = drop.entries.get(pair.place.index()).unwrap();
            let at_pop = servers.pop[&entry.number].0;
            let at_imap = servers.imap[&pair.uid].0;
            assert_eq!(
                self.messages[at_pop].class(),
                self.messages[at_imap].class(),
                "wrong pair {pair:?}"
            );
            assert_eq!(by_uid.get(pair.uid), Some(*pair));
        }
        assert!(pairing.missing.iter().all(|uid| by_uid.get(*uid).is_none()));
        assert!(pairing.pairs.is_sorted_by(|a, b| a.place < b.place));
        let uidls = pairing
            .pairs
            .iter()
            .map(|pair| drop.entries.uidl(pair.place.index()));
        let uidls: std::collections::HashSet<Uidl> = uidls.map(Option::unwrap).collect();
        assert_eq!(uidls.len(), pairing.pairs.len());
        assert_eq!(pairing.pairs.len() + pairing.missing.len(), entries.len());
        assert_eq!(
            pairing.pairs.len() + pairing.extra.len(),
            drop.entries.len()
        );
        (pairing, servers)
    }

    /// How many pairs there are for one who knows all that the servers show.
    pub(super) fn possible(&self) -> usize {
        let mut sides: HashMap<(u8, u8), (usize, usize)> = HashMap::new();
        for message in &self.messages {
            // Where headers are written anew, nothing is left of one without Message-ID.
            if self.rebuilt && message.header.is_multiple_of(4) {
                continue;
            }
            let (pops, imaps) = sides.entry(message.class()).or_default();
            *pops += usize::from(message.in_pop);
            *imaps += usize::from(message.in_imap);
        }
        sides.values().map(|(pops, imaps)| *pops.min(imaps)).sum()
    }
}
