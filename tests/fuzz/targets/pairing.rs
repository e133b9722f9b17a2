//! Pairing: two servers of a mailbox that the bytes describe, of which the truth is known. Whatever they
//! show, no message gets the UIDL of another one, each is in one bucket, and it is the same each time.

use std::collections::{HashMap, HashSet};

use mailseed::mail::{Entry, Flags, KeywordSet, PopEntry, PopNumber, Uid, UidValidity, Uidl};
use mailseed::matching::{
    Attribute, ContentDigest, ContentHasher, Evidence, HeaderDigest, ImapSide, Pairing, Policy,
    pair,
};
use mailseed::problem::Problem;
use mailseed::source::Maildrop;

/// So many messages are all read whole: what the servers show decides, and nothing may be wrong.
const MOST: usize = 60;

/// One server's messages, by what they are asked by.
type Shown<K> = HashMap<K, (u8, ContentDigest)>;

#[derive(Default)]
struct Servers {
    pop: Shown<PopNumber>,
    imap: Shown<Uid>,
    attributes: HashMap<(Attribute, Uid), String>,
    /// What is not to be had: TOP, headers and bodies of some messages.
    no_top: bool,
    withheld: u8,
}

impl Servers {
    fn pick<K: Copy + Eq + std::hash::Hash, T>(
        &self,
        keys: &[K],
        from: &Shown<K>,
        part: impl Fn(&ContentDigest) -> T,
    ) -> Vec<(K, T)> {
        let found = keys.iter().rev().filter_map(|key| {
            let (kind, content) = from.get(key)?;
            self.gives(*kind).then(|| (*key, part(content)))
        });
        found.collect()
    }

    fn gives(&self, kind: u8) -> bool {
        self.withheld == 0 || kind % 16 != self.withheld
    }
}

impl Evidence for Servers {
    fn pop_headers(&mut self, k: &[PopNumber]) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem> {
        let k = if self.no_top { &[] } else { k };
        Ok(self.pick(k, &self.pop, |content| content.header))
    }

    fn imap_headers(&mut self, k: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
        Ok(self.pick(k, &self.imap, |content| content.header))
    }

    fn pop_contents(
        &mut self,
        k: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem> {
        Ok(self.pick(k, &self.pop, |content| *content))
    }

    fn imap_contents(&mut self, k: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
        Ok(self.pick(k, &self.imap, |content| *content))
    }

    fn imap_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem> {
        let known = uids
            .iter()
            .filter_map(|uid| Some((*uid, self.attributes.get(&(attribute, *uid))?.clone())));
        Ok(known.collect())
    }
}

pub fn run(data: &[u8]) {
    let Some((&[options, validity, withheld, ..], rest)) = data.split_at_checked(4) else {
        return;
    };
    let (entries, maildrop, mut servers) = mailbox(options, rest);
    servers.withheld = withheld % 16;
    let side = ImapSide {
        // One that is as small as a counter is a case of its own.
        uid_validity: UidValidity::new(match validity {
            0 => 0,
            1..128 => u32::from(validity),
            _ => 1_294_690_616,
        }),
        entries: &entries,
    };
    let policy = Policy::default();
    let paired = pair(policy, &side, &maildrop, [], &mut servers).expect("a sound listing");
    let mut uidls = HashSet::new();
    for found in &paired.pairs {
        let entry = maildrop
            .entries
            .get(found.place.index())
            .expect("it is listed");
        let (pop, imap) = (servers.pop[&entry.number].0, servers.imap[&found.uid].0);
        // What a server does not give cannot be compared; a rule that holds for all others may take it in.
        let is_known = servers.gives(pop) && servers.gives(imap);
        assert!(pop == imap || !is_known, "wrong pair {found:?}");
        let uidl = entry.uidl.expect("what has none is in no pair");
        assert!(uidls.insert(uidl), "a UIDL in two pairs: {found:?}");
    }
    assert_eq!(paired.pairs.len() + paired.missing.len(), entries.len());
    assert_eq!(
        paired.pairs.len() + paired.extra.len(),
        maildrop.entries.len()
    );
    let again = pair(policy, &side, &maildrop, [], &mut servers).expect("a sound listing");
    assert_eq!(told(&again), told(&paired));
}

fn told(pairing: &Pairing) -> String {
    format!(
        "{:?} {:?} {:?}",
        pairing.pairs, pairing.missing, pairing.extra
    )
}

/// Four bytes for each message: what it is, where it shows, which size POP3 says, whose UIDL it has.
fn mailbox(options: u8, rest: &[u8]) -> (Vec<Entry>, Maildrop, Servers) {
    let mut servers = Servers {
        no_top: options & 1 != 0,
        ..Servers::default()
    };
    let mut entries = Vec::new();
    let mut shown = Vec::new();
    for (at, message) in rest.chunks_exact(4).take(MOST).enumerate() {
        let &[kind, place, size, scheme] = message else {
            continue;
        };
        let uid = at as u32 * (1 + u32::from(options >> 6)) + 1;
        let uid = Uid::new(uid).expect("more than zero");
        let text = text(kind, place & 4 != 0);
        if place & 1 == 0 {
            entries.push(Entry {
                uid,
                flags: Flags::empty(),
                keywords: KeywordSet::default(),
                internal_date: None,
                size: text.len() as u64,
            });
            servers.imap.insert(uid, (kind, digest(&text)));
            servers.attributes.insert(
                (Attribute::XGuid, uid),
                format!("guid-{}.host.example", scheme >> 3),
            );
            servers
                .attributes
                .insert((Attribute::EmailId, uid), format!("M{:012}", at));
        }
        if place & 2 == 0 {
            let size = match size % 4 {
                0 | 1 => text.len() as u64,
                2 => text.len() as u64 + u64::from(size / 4),
                _ => u64::from(size),
            };
            shown.push((place >> 3, at, kind, size, scheme));
        }
    }
    // In POP3's own order.
    shown.sort_by_key(|(order, at, ..)| (*order, *at));
    let mut maildrop = Maildrop {
        has_uidls: true,
        ..Maildrop::default()
    };
    for (position, (_, at, kind, size, scheme)) in shown.into_iter().enumerate() {
        let number = position as u32 + 1;
        // Mostly its own, by the rule of the mailbox; sometimes another's.
        let of = match scheme & 7 {
            0..=4 => at,
            5 => position,
            6 => usize::from(scheme >> 3),
            _ => at + 1,
        };
        let uid = of as u32 * (1 + u32::from(options >> 6)) + 1;
        let uidl = match options >> 1 & 7 {
            0 => format!("{:08x}{uid:08x}", 1_294_690_616),
            1 => format!("{uid:08x}{:08x}", 1_294_690_616),
            2 => format!("UID{uid}-1294690616"),
            3 => format!("{uid}"),
            4 => format!("guid-{}.host.example", scheme >> 3),
            5 => format!("M{of:012}"),
            6 => format!("opaque{}", of * 7919 % 1000),
            _ => format!("{kind}@example.org"),
        };
        maildrop.entries.push(&PopEntry {
            number,
            size,
            uidl: Uidl::parse(uidl.as_bytes()).ok(),
        });
        servers
            .pop
            .insert(number, (kind, digest(&text(kind, false))));
    }
    (entries, maildrop, servers)
}

/// Messages of one kind are copies of one another; four kinds have one header.
fn text(kind: u8, rebuilt: bool) -> String {
    let header = kind >> 2;
    let mut fields = vec![
        format!("Date: Mon, 1 Jan 2024 10:00:{:02} +0100", header % 60),
        format!("From: Someone <s{}@example.org>", header % 3),
        format!("Subject: number {header}"),
    ];
    if !header.is_multiple_of(4) {
        fields.push(format!("Message-ID: <{header}@example.org>"));
    }
    if rebuilt {
        fields.reverse();
    }
    let body = char::from(b'a' + kind % 4).to_string().repeat(30);
    format!("{}\r\n\r\n{body}\r\n", fields.join("\r\n"))
}

fn digest(text: &str) -> ContentDigest {
    let mut hasher = ContentHasher::new();
    hasher.update(text.as_bytes());
    hasher.finish()
}
