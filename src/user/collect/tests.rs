//! Copies as values: what becomes of those that cannot be found.

use super::*;
use crate::mail::{Flags, Place, PopEntry, Uidl};
use crate::matching::{Extra, Pair, Stage};
use crate::plan::seen::Marked;

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn uidl(text: &str) -> Uidl {
    Uidl::parse(text.as_bytes()).unwrap()
}

fn extra(number: PopNumber, text: &str, reason: Why) -> Extra {
    Extra {
        number,
        place: Place::new(number - 1).unwrap(),
        uidl: Uidl::parse(text.as_bytes()).ok(),
        size: 30,
        reason,
    }
}

/// POP3 shows, by the numbers from 1: `a` of INBOX, `a` again, `b` of no folder, `c` of Sent,
/// one without a UIDL, `d` of no folder.
fn pairing() -> Pairing {
    let pairs = vec![Pair {
        uid: uid(3),
        place: Place::new(0).unwrap(),
        stage: Stage::Header,
    }];
    let extra = vec![
        extra(2, "a", Why::DuplicateUidl(1)),
        extra(3, "b", Why::Nowhere),
        extra(5, "", Why::NoUidl),
        extra(6, "d", Why::Nowhere),
    ];
    let elsewhere = vec![Elsewhere {
        number: 4,
        position: 4,
        uidl: uidl("c"),
        size: 30,
        folder: FolderPath::new(vec!["Sent".to_owned()]),
        uid_validity: UidValidity::new(9),
        uid: uid(7),
        stage: Stage::Header,
    }];
    Pairing {
        pairs,
        extra,
        elsewhere,
        ..Pairing::default()
    }
}

#[test]
fn what_pop3_shows_and_no_folder_lists_has_its_position() {
    let told = |refused: &[(PopNumber, String)]| -> Vec<(PopNumber, u32, String)> {
        let unlisted = unlisted(&pairing(), refused).into_iter();
        let told = unlisted.map(|(number, it, _)| (number, it.position, it.uidl.to_string()));
        told.collect()
    };
    let (b, d) = ((3, 3, "b".to_owned()), (6, 6, "d".to_owned()));
    assert_eq!(told(&[]), [b.clone(), d.clone()]);
    assert_eq!(told(&[(4, String::new())]), [b, d, (4, 4, "c".to_owned())]);
}

#[test]
fn copies_of_what_cannot_be_found_stay_as_they_were() {
    let remembered = Remembered {
        validity: UidValidity::new(7),
        uids: [(1_000_900, "d"), (1_000_901, "c"), (1_000_902, "gone")]
            .map(|(value, text)| (uid(value), UidlDigest::of(&uidl(text))))
            .to_vec(),
        ..Remembered::default()
    };
    let seen = Seen {
        validity: UidValidity::new(7).unwrap(),
        marked: vec![Marked {
            uids: UidSet::from_ranges([(1_000_900, 1_000_902)]),
            flags: Flags::FLAGGED,
            keywords: vec!["$Label1".to_owned()],
        }],
        pending: UidSet::default(),
        renumbered: crate::plan::seen::Renumbered::default(),
        written_next: None,
        foreign: UidSet::default(),
        writing: None,
        paired: UidSet::default(),
        collected: UidSet::default(),
        deleted_at_source: UidSet::default(),
    };
    let mut copies = Copies {
        refused: vec![(4, "in use".to_owned())],
        ..Copies::default()
    };
    let listing = PopEntries::from_iter([PopEntry {
        number: 1,
        size: 30,
        uidl: Some(uidl("a")),
    }]);
    let (pairing, remembered) = (pairing(), &remembered);
    copies.add_remembered((&pairing, &listing), remembered, &seen, false);
    assert!(copies.refused.is_empty());
    let mut list = MessageList {
        entries: vec![Entry {
            uid: uid(3),
            flags: Flags::empty(),
            keywords: KeywordTable::default().intern([]).unwrap(),
            internal_date: None,
            size: 30,
        }],
        keywords: KeywordTable::default(),
        unreadable: Vec::new(),
    };
    let mut selected = Some(UidSet::default());
    let mut announced = Announcements::from_iter([None]);
    let marks = (UidValidity::new(7).unwrap(), None);
    let target = (&OnDisk::default(), remembered);
    let joined = copies.join(&mut list, &mut selected, &mut announced, marks, target);
    let collected = joined.unwrap();
    let told: Vec<(u32, Flags, u32)> = list.entries[1..]
        .iter()
        .zip(announced.iter().flatten())
        .map(|(entry, it)| (entry.uid.value(), entry.flags, it.position))
        .collect();
    assert_eq!(
        told,
        [
            (1_000_900, Flags::FLAGGED, 6),
            (1_000_901, Flags::FLAGGED, 4)
        ]
    );
    assert_eq!(list.keywords.names(), ["$Label1"]);
    assert_eq!(selected.unwrap().to_string(), "1000900:1000901");
    // They are kept; there is nothing that they could be fetched from.
    assert!(collected.has(1_000_900) && !collected.has(3));
    assert_eq!(collected.digests.len(), 2);
    // Where something was deleted at the source by --delete-source, POP3 need not show it.
    let mut copies = Copies {
        refused: vec![(4, "in use".to_owned())],
        ..Copies::default()
    };
    copies.add_remembered((&pairing, &listing), remembered, &seen, true);
    let gone = copies.copies.last().unwrap();
    assert_eq!((copies.copies.len(), gone.entry.uid), (3, uid(1_000_902)));
    assert!(gone.announced.is_none());
}
