//! POP3 servers that show more than INBOX: tables, and a generator that means harm.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::elsewhere::{Folders, Listed, find};
use super::super::*;
use super::properties::cases;
use super::world::{Message, digest, message};
use crate::mail::{Flags, KeywordSet, PopEntry, UidlFault};

/// INBOX and so many more.
const FOLDERS: usize = 4;
const V: u32 = 1_294_690_616;

/// Where UIDLs come from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scheme {
    Opaque,
    /// Each folder's UIDVALIDITY and UIDs.
    Template(Template),
    /// The same, off by one message.
    Shifted(Template),
    /// INBOX's UIDVALIDITY and a number that goes through all folders.
    Through(Template),
    /// Half by the template.
    Half(Template),
    /// Made of an attribute; copies have one of their own each, or share that of the first.
    Made(Attribute, bool),
}

#[derive(Debug, Clone)]
struct World {
    /// With the folder in which each is, and whether its UIDL breaks RFC 1939 or is that of the
    /// entry before.
    messages: Vec<(Message, usize, Fault)>,
    pop_order: Vec<u16>,
    scheme: Scheme,
    /// All folders have one UIDVALIDITY.
    one_validity: bool,
    validity: u32,
    policy: Policy,
    /// What an earlier run has found is known.
    known: bool,
    /// The server refuses to open this folder.
    refused: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Invalid,
    Double,
}

fn world(messages: &[(Message, usize)], scheme: Scheme) -> World {
    let messages = messages.iter().cloned();
    World {
        messages: messages
            .map(|(m, folder)| (m, folder, Fault::None))
            .collect(),
        pop_order: Vec::new(),
        scheme,
        one_validity: false,
        validity: V,
        policy: Policy::default(),
        known: false,
        refused: None,
    }
}

/// The servers, and what was asked of them. A folder that is refused closes the one before.
#[derive(Default)]
struct Servers {
    pop: HashMap<PopNumber, (usize, ContentDigest)>,
    /// By folder and UID.
    imap: HashMap<(usize, Uid), (usize, ContentDigest)>,
    attributes: HashMap<(Attribute, usize, Uid), String>,
    folders: Vec<Option<Listed>>,
    open: usize,
    listings: usize,
    pop_headers: Vec<PopNumber>,
    imap_headers: usize,
    contents: (usize, usize),
}

impl Servers {
    fn imap<T>(&self, uids: &[Uid], of: impl Fn(&ContentDigest) -> T) -> Vec<(Uid, T)> {
        let found = uids.iter().rev();
        found
            .filter_map(|uid| Some((*uid, of(&self.imap.get(&(self.open, *uid))?.1))))
            .collect()
    }
}

impl Evidence for Servers {
    fn pop_headers(&mut self, k: &[PopNumber]) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem> {
        self.pop_headers.extend(k);
        Ok(super::world::pick(k, &self.pop, |content| content.header))
    }
    fn imap_headers(&mut self, k: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
        self.imap_headers += k.len();
        Ok(self.imap(k, |content| content.header))
    }
    fn pop_contents(
        &mut self,
        k: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem> {
        self.contents.0 += k.len();
        Ok(super::world::pick(k, &self.pop, |content| *content))
    }
    fn imap_contents(&mut self, k: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
        self.contents.1 += k.len();
        Ok(self.imap(k, |content| *content))
    }
    fn imap_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem> {
        let value = |uid: &Uid| self.attributes.get(&(attribute, self.open, *uid)).cloned();
        Ok(uids
            .iter()
            .filter_map(|uid| Some((*uid, value(uid)?)))
            .collect())
    }
}

/// Folder 0 is INBOX and not one of them.
impl Folders for Servers {
    fn count(&self) -> usize {
        FOLDERS
    }
    fn list(&mut self, folder: usize) -> Result<Option<Listed>, Problem> {
        self.listings += 1;
        self.open = folder + 1;
        Ok(self.folders[folder + 1].clone())
    }
    fn open(&mut self, folder: usize) -> Result<(), Problem> {
        self.open = folder + 1;
        Ok(())
    }
}

fn path(folder: usize) -> FolderPath {
    FolderPath::new(vec![format!("folder {folder}")])
}

impl World {
    fn validity(&self, folder: usize) -> Option<UidValidity> {
        let more = if self.one_validity { 0 } else { folder as u32 };
        UidValidity::new(self.validity + more)
    }

    /// The UID of a message: folders count by themselves.
    fn uid(&self, at: usize) -> Uid {
        let folder = self.messages[at].1;
        let before = self.messages[..at].iter();
        let before = before.filter(|(_, other, _)| *other == folder).count();
        Uid::new(before as u32 * 2 + 3).unwrap()
    }

    fn value(&self, attribute: Attribute, at: usize) -> Option<String> {
        match attribute {
            Attribute::MessageId => {
                let fields = self.messages[at].0.fields();
                let mut ids = fields.iter().filter_map(|f| f.strip_prefix("Message-ID: "));
                ids.next().map(str::to_owned)
            }
            _ => {
                let of_first = || {
                    let class = self.messages[at].0.class();
                    let mut all = self.messages.iter();
                    all.position(|(message, ..)| message.class() == class)
                };
                let shared = self.scheme == Scheme::Made(attribute, true);
                let from = if shared { of_first()? } else { at };
                Some(format!("{attribute:?}-{from:012}"))
            }
        }
    }

    fn uidl(&self, at: usize) -> String {
        let opaque = || format!("opaque-{}-{at}", at * 7919 % 1000);
        let write = |template: Template, folder: usize, uid: Uid| {
            let mut text = String::new();
            let form = template.form(self.validity(folder)).unwrap();
            form.write(&mut text, uid);
            text
        };
        let folder = self.messages[at].1;
        match self.scheme {
            Scheme::Opaque => opaque(),
            Scheme::Template(template) => write(template, folder, self.uid(at)),
            Scheme::Shifted(template) => {
                let next = self.uid(at).value() + 2;
                write(template, folder, Uid::new(next).unwrap())
            }
            Scheme::Through(template) => write(template, 0, Uid::new(at as u32 + 1).unwrap()),
            Scheme::Half(template) if at.is_multiple_of(2) => write(template, folder, self.uid(at)),
            Scheme::Half(_) => opaque(),
            Scheme::Made(attribute, _) => self
                .value(attribute, at)
                .map_or_else(opaque, |value| value.trim_matches(['<', '>']).to_owned()),
        }
    }

    fn build(&self) -> (Vec<Entry>, Maildrop, Servers) {
        let mut servers = Servers::default();
        let mut listed: Vec<Listed> = (0..=FOLDERS)
            .map(|folder| Listed {
                path: path(folder),
                uid_validity: self.validity(folder),
                entries: Vec::new(),
                known: Vec::new(),
            })
            .collect();
        let mut maildrop = Maildrop {
            has_uidls: true,
            ..Maildrop::default()
        };
        let mut order: Vec<usize> = (0..self.messages.len()).collect();
        order.sort_by_key(|at| self.pop_order.get(*at).copied().unwrap_or_default());
        for at in order {
            let (message, folder, fault) = &self.messages[at];
            if !message.in_pop {
                continue;
            }
            let count = maildrop.entries.len();
            let before = count
                .checked_sub(1)
                .and_then(|at| maildrop.entries.uidl(at));
            let uidl = match fault {
                Fault::None => Uidl::parse(self.uidl(at).as_bytes()).ok(),
                Fault::Invalid => None,
                Fault::Double => before,
            };
            let number = maildrop.entries.len() as u32 + 1;
            if uidl.is_none() {
                maildrop
                    .faulty
                    .push((number, String::new(), UidlFault::Empty));
            }
            if self.known
                && message.in_imap
                && let Some(uidl) = uidl.clone()
            {
                let uid = self.uid(at);
                listed[*folder].known.push(Known {
                    uid,
                    uidl,
                    position: None,
                });
            }
            let size = message.over_imap(false).len() as u64;
            maildrop.entries.push(&PopEntry {
                number,
                size: message.pop_size.unwrap_or(size),
                uidl,
            });
            let content = digest(&message.over_pop());
            servers.pop.insert(number, (at, content));
        }
        for (at, (message, folder, _)) in self.messages.iter().enumerate() {
            if !message.in_imap {
                continue;
            }
            let text = message.over_imap(false);
            let uid = self.uid(at);
            listed[*folder].entries.push(Entry {
                uid,
                flags: Flags::empty(),
                keywords: KeywordSet::default(),
                internal_date: None,
                size: text.len() as u64,
            });
            servers.imap.insert((*folder, uid), (at, digest(&text)));
            if let Scheme::Made(attribute, _) = self.scheme
                && let Some(value) = self.value(attribute, at)
            {
                servers.attributes.insert((attribute, *folder, uid), value);
            }
        }
        let inbox = listed[0].entries.clone();
        servers.folders = listed.into_iter().map(Some).collect();
        if let Some(refused) = self.refused {
            servers.folders[refused] = None;
        }
        (inbox, maildrop, servers)
    }

    /// The pairing of all, after the truth of each pair has been checked.
    fn paired(&self) -> (Pairing, Servers) {
        let (inbox, maildrop, mut servers) = self.build();
        let side = ImapSide {
            uid_validity: self.validity(0),
            entries: &inbox,
        };
        let mut pairing = pair(self.policy, &side, &maildrop, [], &mut servers).unwrap();
        let inbox_alone = pairing.clone();
        // What is counted from here on is the search.
        (servers.imap_headers, servers.contents) = (0, (0, 0));
        servers.pop_headers.clear();
        find(self.policy, &maildrop, &mut pairing, &mut servers).unwrap();
        let mut again = servers.pop_headers.clone();
        let all = again.len();
        again.sort_unstable();
        again.dedup();
        assert_eq!(again.len(), all, "a header was asked for twice");
        assert_eq!(pairing.pairs, inbox_alone.pairs, "INBOX keeps what it has");

        let class = |at: usize| self.messages[at].0.class();
        for pair in &pairing.pairs {
            let imap = servers.imap[&(0, pair.uid)].0;
            let number = maildrop.entries.number(pair.place.index()).unwrap();
            assert_eq!(class(servers.pop[&number].0), class(imap), "{pair:?}");
        }
        let mut messages = std::collections::HashSet::new();
        let pairs = pairing.pairs.iter();
        let mut uidls: std::collections::HashSet<Uidl> = pairs
            .map(|pair| maildrop.entries.uidl(pair.place.index()).unwrap())
            .collect();
        for found in &pairing.elsewhere {
            let folder = (1..=FOLDERS).find(|n| path(*n) == found.folder).unwrap();
            let imap = servers.imap[&(folder, found.uid)].0;
            assert_eq!(
                class(servers.pop[&found.number].0),
                class(imap),
                "{found:?}"
            );
            assert_eq!(found.uid_validity, self.validity(folder));
            let entry = maildrop.entries.get(found.position as usize - 1).unwrap();
            assert_eq!(
                (entry.number, entry.size, entry.uidl.as_ref()),
                (found.number, found.size, Some(&found.uidl))
            );
            assert!(messages.insert((folder, found.uid)), "{found:?}");
            assert!(uidls.insert(found.uidl.clone()), "{found:?}");
        }
        assert!(
            pairing
                .elsewhere
                .is_sorted_by(|a, b| a.position < b.position)
        );
        assert_eq!(
            pairing.pairs.len() + pairing.elsewhere.len() + pairing.extra.len(),
            maildrop.entries.len()
        );
        (pairing, servers)
    }

    /// How many UIDLs find a message for one who knows all that the servers show.
    fn possible(&self) -> usize {
        let mut sides: HashMap<(u8, u8), (usize, usize)> = HashMap::new();
        for (message, folder, _) in &self.messages {
            let (pops, imaps) = sides.entry(message.class()).or_default();
            *pops += usize::from(message.in_pop);
            *imaps += usize::from(message.in_imap && Some(*folder) != self.refused);
        }
        sides.values().map(|(pops, imaps)| *pops.min(imaps)).sum()
    }
}

/// Folder, UID and stage of all that was found elsewhere, in POP3 order.
fn told(pairing: &Pairing) -> Vec<String> {
    let found = pairing.elsewhere.iter();
    found
        .map(|it| format!("{} {} {}", it.folder, it.uid, it.stage))
        .collect()
}

#[test]
fn what_inbox_leaves_open_is_found_where_it_is() {
    let v_u = Template::V_DOT_U;
    let mail = |n: u8| message(n, n);
    let pop_only = |m: Message| Message {
        in_imap: false,
        ..m
    };
    let imap_only = |m: Message| Message { in_pop: false, ..m };
    type Row = (&'static str, World, Vec<&'static str>, Vec<Why>);
    let three = [(mail(1), 0), (mail(2), 1), (mail(3), 3)];
    let opaque = |messages: &[(Message, usize)]| world(messages, Scheme::Opaque);
    let rows: Vec<Row> = vec![
        (
            "each folder has its own UIDVALIDITY",
            world(&three, Scheme::Template(v_u)),
            vec!["folder 1 3 template(v.u)", "folder 3 3 template(v.u)"],
            vec![],
        ),
        (
            "opaque UIDLs",
            opaque(&three),
            vec!["folder 1 3 header", "folder 3 3 header"],
            vec![],
        ),
        (
            "an attribute",
            world(&three, Scheme::Made(Attribute::XGuid, false)),
            vec!["folder 1 3 x-guid", "folder 3 3 x-guid"],
            vec![],
        ),
        (
            "one id in two folders",
            world(
                &[(mail(3), 0), (mail(1), 1), (imap_only(mail(1)), 2)],
                Scheme::Made(Attribute::EmailId, true),
            ),
            vec!["folder 1 3 email-id"],
            vec![],
        ),
        (
            "found by an earlier run",
            World {
                known: true,
                ..opaque(&three)
            },
            vec!["folder 1 3 known", "folder 3 3 known"],
            vec![],
        ),
        (
            "nothing has it",
            opaque(&[(mail(1), 0), (pop_only(mail(2)), 1)]),
            vec![],
            vec![Why::Nowhere],
        ),
        (
            "a folder that cannot be opened",
            World {
                refused: Some(1),
                ..opaque(&three)
            },
            vec!["folder 3 3 header"],
            vec![Why::Nowhere],
        ),
        (
            "the copy in INBOX wins",
            opaque(&[(mail(1), 2), (mail(1), 0), (mail(3), 0)]),
            vec!["folder 2 3 header"],
            vec![],
        ),
        (
            "a copy in INBOX that POP3 shows once",
            opaque(&[(imap_only(mail(1)), 2), (mail(1), 0), (mail(3), 0)]),
            vec![],
            vec![],
        ),
        (
            "copies in two folders and one UIDL",
            opaque(&[(mail(1), 1), (imap_only(mail(1)), 2), (mail(3), 0)]),
            vec!["folder 1 3 identical"],
            vec![],
        ),
        (
            "one header, another body, in INBOX",
            opaque(&[(imap_only(message(1, 1)), 0), (message(1, 2), 2)]),
            vec!["folder 2 3 header"],
            vec![],
        ),
        (
            "one header, another body, elsewhere",
            opaque(&[
                (imap_only(message(1, 1)), 1),
                (pop_only(message(1, 2)), 2),
                (mail(3), 0),
            ]),
            vec![],
            vec![Why::OtherBody],
        ),
        (
            "no UIDL of its own",
            World {
                messages: vec![
                    (mail(1), 0, Fault::None),
                    (mail(2), 0, Fault::Invalid),
                    (mail(3), 1, Fault::None),
                    (mail(5), 1, Fault::Double),
                    (mail(6), 1, Fault::Invalid),
                ],
                ..opaque(&[])
            },
            vec!["folder 1 3 header"],
            vec![Why::NoUidl, Why::DuplicateUidl(3), Why::NoUidl],
        ),
    ];
    for (what, world, found, left) in rows {
        let (pairing, _) = world.paired();
        assert_eq!(told(&pairing), found, "{what}");
        let reasons: Vec<Why> = pairing.extra.iter().map(|extra| extra.reason).collect();
        assert_eq!(reasons, left, "{what}");
    }
    let (pairing, _) = opaque(&[(mail(1), 3), (mail(2), 1), (mail(3), 3)]).paired();
    assert_eq!(pairing.folders_elsewhere(), [(&path(3), 2), (&path(1), 1)]);
}

/// Where nothing is open nothing is asked, and no folder after the last UIDL is found by template.
#[test]
fn a_search_costs_what_is_open() {
    let mut messages: Vec<(Message, usize)> = (0..250).map(|n| (message(n, n), 0)).collect();
    let (pairing, servers) = world(&messages, Scheme::Template(Template::V_DOT_U)).paired();
    assert_eq!((pairing.pairs.len(), servers.listings), (250, 0));

    for (at, (_, folder)) in messages.iter_mut().enumerate() {
        *folder = at % 3;
    }
    let (pairing, servers) = world(&messages, Scheme::Template(Template::V_DOT_U)).paired();
    assert_eq!(pairing.elsewhere.len(), 166);
    assert_eq!(servers.listings, 2);
    // All of up to a hundred: that is what a small mailbox costs.
    assert!(servers.imap_headers <= 250, "{}", servers.imap_headers);

    // A thousand messages that POP3 does not show are in the way of opaque UIDLs only.
    let hidden = |n: usize| Message {
        in_pop: false,
        ..message((n % 250) as u8, 100 + (n % 100) as u8)
    };
    messages.extend((0..1000).map(|n| (hidden(n), 4)));
    let (_, by_template) = world(&messages, Scheme::Template(Template::V_DOT_U)).paired();
    assert_eq!(by_template.listings, 2);
    let (_, known) = World {
        known: true,
        ..world(&messages, Scheme::Opaque)
    }
    .paired();
    assert_eq!(
        (known.listings, known.imap_headers, known.contents),
        (2, 0, (0, 0))
    );
}

fn any_template() -> impl Strategy<Value = Template> {
    proptest::sample::select(Template::usual().collect::<Vec<_>>())
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    let t = any_template;
    let attributes = vec![
        Attribute::XGuid,
        Attribute::EmailId,
        Attribute::XUidl,
        Attribute::MessageId,
    ];
    prop_oneof![
        4 => Just(Scheme::Opaque),
        3 => t().prop_map(Scheme::Template),
        2 => t().prop_map(Scheme::Shifted),
        2 => t().prop_map(Scheme::Through),
        1 => t().prop_map(Scheme::Half),
        3 => (proptest::sample::select(attributes), any::<bool>())
            .prop_map(|(attribute, shared)| Scheme::Made(attribute, shared)),
    ]
}

prop_compose! {
    fn any_message(headers: u8)(
        header in 0..headers,
        body in 0u8..3,
        (in_pop, in_imap) in prop_oneof![
            6 => Just((true, true)), 1 => Just((true, false)), 1 => Just((false, true))],
        status in proptest::bool::weighted(0.1),
        pop_size in proptest::option::weighted(0.05, 0u64..2000),
        folder in 0..=FOLDERS,
        fault in prop_oneof![
            40 => Just(Fault::None), 1 => Just(Fault::Invalid), 1 => Just(Fault::Double)],
    ) -> (Message, usize, Fault) {
        (Message { header, body, in_pop, in_imap, status, pop_size }, folder, fault)
    }
}

prop_compose! {
    fn any_world(headers: u8, most: usize)(
        mut messages in proptest::collection::vec(any_message(headers), 0..most),
        pop_order in prop_oneof![
            Just(Vec::new()), proptest::collection::vec(0u16..9, most)],
        scheme in any_scheme(),
        (one_validity, validity) in (
            any::<bool>(), prop_oneof![4 => Just(V), 1 => Just(1)]),
        (skip_sizes, sound) in (proptest::bool::weighted(0.1), any::<bool>()),
        template in proptest::option::weighted(0.1, any_template()),
        refused in proptest::option::weighted(0.1, 1..=FOLDERS),
    ) -> World {
        // Half of all mailboxes have no UIDL that is wrong by itself.
        if sound {
            messages.iter_mut().for_each(|(_, _, fault)| *fault = Fault::None);
        }
        let policy = Policy { skip_sizes, template };
        World {
            messages, pop_order, scheme, one_validity, validity, policy, known: false, refused,
        }
    }
}

fn run(what: &str, cases: u32, worlds: impl Strategy<Value = World>) {
    let (found, possible, elsewhere) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let config = ProptestConfig {
        cases,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&worlds, |world| {
        let (pairing, _) = world.paired();
        elsewhere.set(elsewhere.get() + pairing.elsewhere.len());
        let mut reasons = pairing.extra.iter().map(|extra| extra.reason);
        // As for INBOX alone: what is there twice is given out once.
        if reasons.all(|why| !matches!(why, Why::NoUidl | Why::DuplicateUidl(_))) {
            found.set(found.get() + pairing.pairs.len() + pairing.elsewhere.len());
            possible.set(possible.get() + world.possible());
            prop_assert_eq!(
                pairing.pairs.len() + pairing.elsewhere.len(),
                world.possible()
            );
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{what}: {failure}");
    }
    let (found, possible) = (found.get(), possible.get());
    eprintln!(
        "{what}: {cases} mailboxes, {} found elsewhere, none wrong; {found} of {possible} \
         decidable UIDLs have their message",
        elsewhere.get()
    );
    assert!(found * 100 >= possible * 99, "{found} of {possible}");
}

/// Few kinds of headers and bodies: nearly everything has a twin or a copy, in whatever folder.
#[test]
fn no_folders_of_twins_and_copies_get_a_wrong_uidl() {
    run("folders, twins and copies", cases(), any_world(4, 12));
}

#[test]
fn no_folders_get_a_wrong_uidl() {
    run("folders, small", cases(), any_world(30, 40));
}

#[test]
fn no_large_folders_get_a_wrong_uidl() {
    run("folders, large", cases().div_ceil(50), any_world(250, 500));
}
