//! A source without IMAP: its INBOX is the POP3 listing, and UIDs are given in POP3 order.
//!
//! What was numbered in an earlier run keeps its UID: it is found again by the `P` of its line in
//! `dovecot-uidlist`, by the digest in its file name, or by what that run has remembered.

use std::collections::{HashMap, HashSet};

use super::on_disk::OnDisk;
use super::seen::Renumbered;
use super::{Announced, Announcements};
use crate::mail::pop_entries::ByUidl;
use crate::mail::{
    Entry, Flags, KeywordSet, KeywordTable, Place, PopEntries, PopEntry, Uid, UidSet, UidValidity,
};
use crate::naming::Identity;
use crate::naming::message::UidlDigest;
use crate::problem::{Kind, Problem, Reach};
use crate::source::Maildrop;

/// The POP3 listing as an IMAP folder.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// UIDVALIDITY: that of the target, or a new one.
    pub validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: u32,
    /// The messages, ascending by UID.
    pub entries: Vec<Entry>,
    /// No keywords: POP3 has none.
    pub keywords: KeywordTable,
    /// For each entry what POP3 announces.
    pub uidls: Announcements,
    /// For each entry what stands for it in file names.
    pub digests: Vec<UidlDigest>,
    /// For each entry its number in this POP3 session.
    pub numbers: Vec<u32>,
    /// Messages without a UIDL of their own: empty, outside RFC 1939, or one that an earlier
    /// message has.
    pub without_uidl: Vec<(Uid, String)>,
    /// Messages that are neither small enough to be taken nor on the target. They get no UID.
    pub left_out: u64,
}

/// What the last run has numbered: also what has been deleted on the target since.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// The UIDVALIDITY of the numbers.
    pub validity: Option<UidValidity>,
    /// The UIDs of messages, and what stands for them in file names.
    pub uids: Vec<(Uid, UidlDigest)>,
    /// Those of them that the target has under another UID, since a server had given theirs to other mail.
    pub renumbered: Renumbered,
}

impl Remembered {
    /// The number of a message that a list of this UIDVALIDITY has as `uid`.
    fn number_of(&self, validity: UidValidity, uid: Uid) -> Option<Uid> {
        match self.validity == Some(validity) {
            true => self.renumbered.source_uid(uid),
            false => Some(uid),
        }
    }
}

/// Numbers `maildrop` for a target that holds `disk`. `now` (seconds since 1970) becomes the
/// UIDVALIDITY of a new INBOX. Messages of more than `max_size` octets are taken only if they are
/// there already.
///
/// # Errors
/// The server has no UIDLs: messages cannot be told apart, so a second run would double them.
pub fn number(
    maildrop: &Maildrop,
    disk: &OnDisk,
    remembered: &Remembered,
    max_size: Option<u64>,
    now: i64,
) -> Result<Numbered, Problem> {
    if !maildrop.has_uidls {
        return Err(Problem::new(
            Kind::Refused,
            Reach::User,
            "the POP3 server gives no UIDLs, so its messages cannot be told apart from one run to the next",
        )
        .with_hint("give --imap as well"));
    }
    let listing = &maildrop.entries;
    let by_uidl = listing.by_uidl();
    let repeated: HashSet<usize> = by_uidl.repeated().into_iter().map(|it| it.1).collect();
    let digests = digests(maildrop, &repeated);
    let known = Known::of(disk, remembered, &by_uidl, &digests, &repeated);
    drop(by_uidl);
    let validity = known
        .validity
        .or_else(|| UidValidity::new(u32::try_from(now).unwrap_or(u32::MAX)))
        .or_else(|| UidValidity::new(1))
        .ok_or_else(|| Problem::new(Kind::Internal, Reach::User, "no UIDVALIDITY"))?;
    let Given {
        rows,
        next,
        left_out,
    } = known.give(listing, max_size)?;
    let above = |uid: Uid| uid.value().saturating_add(1);
    let mut numbered = Numbered {
        validity,
        uid_next: known.uids.last().map_or(next, |last| above(last).max(next)),
        entries: Vec::with_capacity(rows.len()),
        keywords: KeywordTable::default(),
        uidls: Announcements::default(),
        digests: Vec::with_capacity(rows.len()),
        numbers: Vec::with_capacity(rows.len()),
        without_uidl: Vec::new(),
        left_out,
    };
    for (uid, place) in rows {
        let listed = listing.get(place.index());
        if let Some((listed, digest)) = listed.zip(digests.get(place.index())) {
            let is_repeated = repeated.contains(&place.index());
            numbered.push(uid, place, listed, is_repeated);
            numbered.digests.push(*digest);
        }
    }
    Ok(numbered)
}

impl Numbered {
    /// Adds a message as POP3 lists it at `place`, but for its digest.
    fn push(&mut self, uid: Uid, place: Place, listed: PopEntry, is_repeated: bool) {
        let PopEntry { number, size, uidl } = listed;
        let why = match &uidl {
            Some(uidl) if is_repeated => {
                Some(format!("an earlier message has the same UIDL {uidl}"))
            }
            Some(_) => None,
            None => Some("its UIDL is empty or breaks RFC 1939".to_owned()),
        };
        let announced = uidl.filter(|_| !is_repeated).map(|uidl| Announced {
            position: place.at() + 1,
            uidl,
        });
        self.without_uidl.extend(why.map(|why| (uid, why)));
        self.entries.push(Entry {
            uid,
            flags: Flags::empty(),
            keywords: KeywordSet::default(),
            internal_date: None,
            size,
        });
        self.uidls.push(announced.as_ref());
        self.numbers.push(number);
    }
}

fn used_up() -> Problem {
    let what = "the UIDs of INBOX are used up";
    Problem::new(Kind::Unholdable, Reach::User, what)
}

/// What stands for each message of the listing. `repeated` are those whose UIDL an earlier one has.
fn digests(maildrop: &Maildrop, repeated: &HashSet<usize>) -> Vec<UidlDigest> {
    let mut taken = HashMap::new();
    let mut digests = Vec::with_capacity(maildrop.entries.len());
    digests.extend(maildrop.entries.iter().enumerate().map(|(at, listed)| {
        let text = match &listed.uidl {
            Some(uidl) if !repeated.contains(&at) => return UidlDigest::of(uidl),
            Some(repeated) => repeated.as_str(),
            None => faulty(maildrop, listed.number),
        };
        UidlDigest::of_nth(text, nth(&mut taken, text))
    }));
    digests
}

/// How often `text` has stood for a message now.
fn nth(taken: &mut HashMap<String, u32>, text: &str) -> u32 {
    let count = taken.entry(text.to_owned()).or_default();
    *count += 1;
    *count
}

fn faulty(maildrop: &Maildrop, number: u32) -> &str {
    let faulty = &maildrop.faulty;
    let at = faulty.binary_search_by_key(&number, |(number, ..)| *number);
    let found = at.ok().and_then(|at| faulty.get(at));
    found.map_or("", |(_, shown, _)| shown)
}

/// What the target remembers of earlier runs.
#[derive(Default)]
struct Known {
    validity: Option<UidValidity>,
    /// Above all UIDs that the list has ever shown.
    next_uid: u32,
    /// All that are given, also those beyond `next_uid`: by a run that was cut.
    uids: UidSet,
    /// For each place of the listing the UID that its message has.
    by_place: Vec<Option<Uid>>,
}

/// The UIDs of a listing.
struct Given {
    /// Ascending by UID, each with its place in the listing.
    rows: Vec<(Uid, Place)>,
    /// The lowest that has not been tried.
    next: u32,
    /// Messages that get none.
    left_out: u64,
}

impl Known {
    /// Gives each message of `listing` its UID: the one that it has, or a new one in POP3 order.
    fn give(&self, listing: &PopEntries, max_size: Option<u64>) -> Result<Given, Problem> {
        let mut given = Given {
            rows: Vec::with_capacity(listing.len()),
            next: self.next_uid,
            left_out: 0,
        };
        for (at, size) in listing.sizes().enumerate() {
            let uid = match self.by_place.get(at).copied().flatten() {
                Some(uid) => uid,
                None if max_size.is_some_and(|most| size > most) => {
                    given.left_out += 1;
                    continue;
                }
                None => loop {
                    let uid = Uid::new(given.next).ok_or_else(used_up)?;
                    given.next = given.next.wrapping_add(1);
                    if !self.uids.contains(uid) {
                        break uid;
                    }
                },
            };
            given.rows.push((uid, Place::of(at).ok_or_else(used_up)?));
        }
        given.rows.sort_by_key(|row| row.0);
        Ok(given)
    }

    fn of(
        disk: &OnDisk,
        remembered: &Remembered,
        by_uidl: &ByUidl<'_>,
        digests: &[UidlDigest],
        repeated: &HashSet<usize>,
    ) -> Self {
        let mut known = Known {
            next_uid: 1,
            by_place: vec![None; digests.len()],
            ..Known::default()
        };
        let mut uids = UidSet::default();
        let mut named_validity = None;
        if let Some(list) = &disk.uidlist {
            let present = disk.files.by_base();
            known.validity = Some(list.validity);
            known.next_uid = list.next_uid.max(1);
            uids = list.lines.uids().iter().copied().collect();
            for line in list.lines.iter() {
                let uidl = line.field('P');
                let uidl = uidl.filter(|_| present.get(&line.name).is_some());
                let places = uidl.into_iter().flat_map(|uidl| by_uidl.get(uidl));
                for place in places.filter(|place| !repeated.contains(place)) {
                    // The list may have it under another number than we have given it.
                    known.by_place[place] = match Identity::parse(&line.name) {
                        Some(Identity::Pop3(_, uid, digest)) if digest == digests[place] => {
                            Some(uid)
                        }
                        _ => remembered.number_of(list.validity, line.uid),
                    };
                }
            }
        }
        // Hardly ever needed for more than what is new.
        let open = known.by_place.iter().zip(digests).zip(0..);
        let open = open.filter(|((uid, _), _)| uid.is_none());
        let mut open: Vec<(UidlDigest, u32)> = open.map(|((_, it), at)| (*it, at)).collect();
        open.sort_unstable();
        let give = |digest: UidlDigest, uid: Uid, by_place: &mut [Option<Uid>], over: bool| {
            let first = open.partition_point(|(known, _)| *known < digest);
            let alike = open[first..]
                .iter()
                .take_while(|(known, _)| *known == digest);
            for (_, at) in alike {
                if let Some(slot) = by_place.get_mut(*at as usize)
                    && (over || slot.is_none())
                {
                    *slot = Some(uid);
                }
            }
        };
        let mut named = Vec::new();
        for file in disk.files.iter() {
            if let Some(Identity::Pop3(validity, uid, digest)) = Identity::parse(&file.base) {
                named_validity.get_or_insert(validity);
                give(digest, uid, &mut known.by_place, true);
                named.push(uid);
            }
        }
        known.validity = known.validity.or(named_validity);
        uids = uids.union(&named.into_iter().collect());
        if known.validity.is_none() || known.validity == remembered.validity {
            known.validity = remembered.validity;
            for (uid, digest) in &remembered.uids {
                give(*digest, *uid, &mut known.by_place, false);
            }
            uids = uids.union(&remembered.uids.iter().map(|(uid, _)| *uid).collect());
        }
        known.uids = uids;
        known
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Rerun, Servers, UidlPolicy};
    use crate::mail::{FolderPath, UidList, Uidl};
    use crate::plan::on_disk::DiskFile;
    use crate::plan::seen::{self, Seen};
    use crate::plan::{Past, Policy, SourceFolder, plan};

    fn maildrop(uidls: &[Option<&str>]) -> Maildrop {
        let entries = (1..).zip(uidls).map(|(number, uidl)| PopEntry {
            number,
            size: 10,
            uidl: uidl.map(|text| Uidl::parse(text.as_bytes()).unwrap()),
        });
        Maildrop {
            entries: entries.collect(),
            faulty: Vec::new(),
            has_uidls: true,
        }
    }

    fn told(numbered: &Numbered) -> Vec<(u32, u32, Option<String>)> {
        (0..numbered.entries.len())
            .map(|index| {
                let announced = numbered.uidls.get(index);
                (
                    numbered.entries[index].uid.value(),
                    numbered.numbers[index],
                    announced.map(|announced| announced.uidl.to_string()),
                )
            })
            .collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_new_inbox_is_numbered_in_pop3_order() {
        let numbered = number(
            &maildrop(&[Some("b"), Some("a"), Some("b"), None, None]),
            &OnDisk::default(),
            &Remembered::default(),
            None,
            77,
        )
        .unwrap();
        assert_eq!(
            told(&numbered),
            [
                (1, 1, some("b")),
                (2, 2, some("a")),
                (3, 3, None),
                (4, 4, None),
                (5, 5, None)
            ]
        );
        assert_eq!((numbered.validity.value(), numbered.uid_next), (77, 6));
        assert_eq!(numbered.without_uidl.len(), 3);
        let distinct: HashSet<_> = numbered.digests.iter().collect();
        assert_eq!(distinct.len(), 5);
    }

    #[test]
    fn known_messages_keep_their_uids_and_gone_ones_are_not_reused() {
        let disk = OnDisk {
            exists: true,
            files: [
                DiskFile {
                    base: "x".into(),
                    suffix: ":2,S".into(),
                    in_new: false,
                    mtime: None,
                },
                DiskFile {
                    base: Identity::Pop3(
                        UidValidity::new(5).unwrap(),
                        Uid::new(12).unwrap(),
                        UidlDigest::of(&Uidl::parse(b"d").unwrap()),
                    )
                    .base_name(1, 1)
                    .as_str()
                    .into(),
                    suffix: ":2,".into(),
                    in_new: false,
                    mtime: None,
                },
            ]
            .into_iter()
            .collect(),
            uidlist: Some(UidList::parse(b"3 V5 N9\n3 Pa O1 :x\n4 Pgone O2 :y\n").unwrap()),
            ..OnDisk::default()
        };
        let numbered = number(
            &maildrop(&[Some("d"), Some("gone"), Some("a")]),
            &disk,
            &Remembered::default(),
            None,
            77,
        )
        .unwrap();
        assert_eq!(
            told(&numbered),
            [(3, 3, some("a")), (9, 2, some("gone")), (12, 1, some("d"))]
        );
        assert_eq!((numbered.validity.value(), numbered.uid_next), (5, 13));
    }

    #[test]
    fn what_is_too_large_gets_no_uid_unless_it_is_there() {
        let mut drop = maildrop(&[Some("a"), Some("b"), Some("c")]);
        let sized = drop.entries.iter().zip([10, 11, 10]);
        drop.entries = sized
            .map(|(entry, size)| PopEntry { size, ..entry })
            .collect();
        let numbered = number(
            &drop,
            &OnDisk::default(),
            &Remembered::default(),
            Some(10),
            77,
        )
        .unwrap();
        let told: Vec<_> = numbered.numbers.iter().zip(&numbered.entries).collect();
        assert_eq!(
            (told.len(), numbered.left_out, numbered.uid_next),
            (2, 1, 3)
        );
        assert_eq!((*told[1].0, told[1].1.uid.value()), (3, 2));
        let validity = numbered.validity;
        let digest = UidlDigest::of(&drop.entries.uidl(1).unwrap());
        let uid = Uid::new(1).unwrap();
        let name = Identity::Pop3(validity, uid, digest).base_name(1, 1);
        let disk = OnDisk {
            exists: true,
            files: std::iter::once(DiskFile {
                base: name.as_str().into(),
                suffix: "".into(),
                in_new: false,
                mtime: None,
            })
            .collect(),
            ..OnDisk::default()
        };
        let numbered = number(&drop, &disk, &Remembered::default(), Some(10), 77).unwrap();
        assert_eq!(
            (numbered.numbers.as_slice(), numbered.left_out),
            (&[2, 1, 3][..], 0)
        );
    }

    #[test]
    fn a_server_without_uidls_is_refused() {
        let mut drop = maildrop(&[None]);
        drop.has_uidls = false;
        assert!(number(&drop, &OnDisk::default(), &Remembered::default(), None, 77).is_err());
    }

    #[test]
    fn what_was_deleted_on_the_target_keeps_its_number() {
        let remembered = Remembered {
            validity: UidValidity::new(77),
            uids: [(3, "a"), (4, "b")]
                .map(|(uid, uidl)| {
                    let uidl = Uidl::parse(uidl.as_bytes()).unwrap();
                    (Uid::new(uid).unwrap(), UidlDigest::of(&uidl))
                })
                .to_vec(),
            ..Remembered::default()
        };
        let maildrop = maildrop(&[Some("b"), Some("c"), Some("a")]);
        let disk = OnDisk {
            uidlist: Some(UidList::parse(b"3 V77 N5\n").unwrap()),
            ..OnDisk::default()
        };
        let numbered = number(&maildrop, &disk, &remembered, None, 1).unwrap();
        assert_eq!(
            told(&numbered),
            [(3, 3, some("a")), (4, 1, some("b")), (5, 2, some("c"))]
        );
        // Under another UIDVALIDITY the numbers are others.
        let other = OnDisk {
            uidlist: Some(UidList::parse(b"3 V78 N5\n").unwrap()),
            ..OnDisk::default()
        };
        let numbered = number(&maildrop, &other, &remembered, None, 1).unwrap();
        let uids: Vec<u32> = told(&numbered).iter().map(|row| row.0).collect();
        assert_eq!(uids, [5, 6, 7]);
    }

    /// A server had given the number of a message to other mail, so that the target has it under another
    /// UID: it keeps its number, or it would be taken for another message, and fetched once more.
    #[test]
    fn what_the_target_has_under_another_uid_keeps_its_number() {
        let validity = UidValidity::new(77).unwrap();
        let digest = |uidl: &str| UidlDigest::of(&Uidl::parse(uidl.as_bytes()).unwrap());
        let uid = |uid| Uid::new(uid).unwrap();
        let own = Identity::Pop3(validity, uid(5), digest("b")).base_name(8, 10);
        let renumbered = BTreeMap::from([(5, 106)]);
        let remembered = Remembered {
            validity: Some(validity),
            uids: vec![(uid(4), digest("a")), (uid(5), digest("b"))],
            renumbered: renumbered.clone().into(),
        };
        let seen = Seen {
            validity,
            marked: seen::marked(&BTreeMap::from([(
                String::new(),
                UidSet::from_ranges([(4, 5)]),
            )])),
            pending: UidSet::default(),
            renumbered: renumbered.into(),
            written_next: Some(107),
            foreign: UidSet::from_ranges([(5, 5)]),
            writing: None,
            paired: UidSet::default(),
            collected: UidSet::default(),
            deleted_at_source: UidSet::default(),
        };
        // (name of the file, what is remembered)
        for (name, remembered, seen) in [
            (own.as_str(), &remembered, Some(&seen)),
            (own.as_str(), &Remembered::default(), None),
            ("b", &remembered, Some(&seen)),
        ] {
            let list = format!("3 V77 N107\n4 Pa :a\n5 :local\n106 Pb :{name}\n");
            let files = ["a", "local", name].map(|name| DiskFile::named(name, false, None));
            let disk = OnDisk {
                exists: true,
                files: files.into_iter().collect(),
                uidlist: Some(UidList::parse(list.as_bytes()).unwrap()),
                ..OnDisk::default()
            };
            let listing = maildrop(&[Some("a"), Some("b"), Some("c")]);
            let numbered = number(&listing, &disk, remembered, None, 1).unwrap();
            let uids: Vec<u32> = told(&numbered).iter().map(|row| row.0).collect();
            assert_eq!(uids, [4, 5, 107], "{name}");

            let servers = Servers {
                dovecot: true,
                qmail: false,
                courier: false,
            };
            let policy = Policy {
                servers,
                listed: servers,
                uidls: UidlPolicy::default(),
                rerun: Rerun::default(),
            };
            let source = SourceFolder {
                owner: "ann",
                path: &FolderPath::inbox(),
                validity,
                uid_next: numbered.uid_next,
                in_root: true,
                entries: &numbered.entries,
                selected: None,
                keywords: &numbered.keywords,
                uidls: Some(&numbered.uidls),
                digests: Some(&numbered.digests),
                collected: None,
                is_whole: true,
            };
            let past = Past {
                seen,
                rematched: None,
            };
            let plan = plan(&source, &past, &disk, &policy, 1).unwrap();
            let on_target = plan.uids.iter().map(|uid| uid.map(Uid::value));
            assert!(on_target.eq([Some(4), Some(106), Some(107)]), "{name}");
            assert_eq!((plan.deliveries, plan.removals.len()), (1, 0), "{name}");
        }
    }
}
