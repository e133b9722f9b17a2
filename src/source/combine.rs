//! What is known of a folder and what has changed since, as one listing: pure.

use super::{Changes, MessageList};
use crate::mail::{Entry, Flags, UidSet};

/// Room is made for so many messages at once, and for more when they are there: a record that is not ours
/// may speak of any number.
const LIKELY: u64 = 1 << 20;

/// The listing of a folder of which `known` was last seen, by sets of flags and keywords, and then
/// `changes`. Of a known message only UID, flags and keywords are known: it has no date and the
/// size 0. A UID in more than one of the sets has the flags of one of them.
pub fn combine<'k>(
    known: impl IntoIterator<Item = (&'k UidSet, Flags, Vec<&'k str>)>,
    changes: Changes,
) -> MessageList {
    let Changes {
        vanished,
        flags: changed,
        fresh,
    } = changes;
    let mut list = fresh;
    let known: Vec<_> = known.into_iter().collect();
    let count: u64 = known.iter().map(|(uids, ..)| uids.len()).sum();
    list.entries
        .reserve_exact(usize::try_from(count.min(LIKELY)).unwrap_or(0));
    for (uids, flags, keywords) in known {
        // A folder with too many keywords lost those of some messages when it was listed, too.
        let keywords = list.keywords.intern(keywords).unwrap_or_default();
        let left = uids.difference(&vanished);
        list.entries.extend(left.iter().map(|uid| {
            let news = changed.binary_search_by_key(&uid, |(uid, ..)| *uid);
            let (flags, keywords) = match news.ok().and_then(|at| changed.get(at)) {
                Some((_, flags, keywords)) => (*flags, *keywords),
                None => (flags, keywords),
            };
            Entry {
                uid,
                flags,
                keywords,
                internal_date: None,
                size: 0,
            }
        }));
    }
    // Stable: a fresh message comes before what is known by the same UID, and stays.
    list.entries.sort_by_key(|entry| entry.uid);
    list.entries.dedup_by_key(|entry| entry.uid);
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{KeywordTable, Uid};

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn set(text: &str) -> UidSet {
        text.parse().unwrap()
    }

    /// `UID letters keywords date size`, for each message.
    fn rows(list: &MessageList) -> Vec<String> {
        let row = |entry: &Entry| {
            let letters: String = entry.flags.maildir_letters().collect();
            let keywords: Vec<_> = list
                .keywords
                .members(entry.keywords)
                .iter()
                .map(|index| list.keywords.names()[usize::from(*index)].as_str())
                .collect();
            let date = entry.date().map_or("-".to_owned(), |date| date.to_string());
            let (uid, keywords, size) = (entry.uid, keywords.join(","), entry.size);
            format!("{uid} {letters} {keywords} {date} {size}")
        };
        list.entries.iter().map(row).collect()
    }

    #[test]
    fn known_and_changed_and_fresh_make_a_listing() {
        let (seen, unseen, labelled) = (set("1:3,7"), set("4:5"), set("6"));
        let known = || {
            [
                (&seen, Flags::SEEN, vec![]),
                (&labelled, Flags::SEEN, vec!["$Label1", "todo"]),
                (&unseen, Flags::empty(), vec!["todo"]),
            ]
        };
        let same = combine(known(), Changes::default());
        assert_eq!(
            rows(&same),
            [
                "1 S  - 0",
                "2 S  - 0",
                "3 S  - 0",
                "4  todo - 0",
                "5  todo - 0",
                "6 S $Label1,todo - 0",
                "7 S  - 0",
            ]
        );

        let mut keywords = KeywordTable::default();
        let (new, both) = (["$New"], ["TODO", "$New"]);
        let new = keywords.intern(new).unwrap();
        let both = keywords.intern(both).unwrap();
        let changes = Changes {
            vanished: set("2:4,9"),
            flags: vec![
                (uid(5), Flags::DELETED, both),
                (uid(7), Flags::empty(), Default::default()),
                // Not known by any set: nothing is made of it.
                (uid(8), Flags::SEEN, new),
            ],
            fresh: MessageList {
                entries: vec![Entry {
                    uid: uid(12),
                    flags: Flags::FLAGGED,
                    keywords: new,
                    internal_date: Some(5.into()),
                    size: 17,
                }],
                keywords,
                unreadable: Vec::new(),
            },
        };
        assert_eq!(
            rows(&combine(known(), changes)),
            [
                "1 S  - 0",
                "5 T $New,TODO - 0",
                "6 S TODO,$Label1 - 0",
                "7   - 0",
                "12 F $New 5 17",
            ]
        );
    }

    #[test]
    fn a_uid_counts_once() {
        let (one, other) = (set("1:3"), set("3:4"));
        let known = [
            (&one, Flags::SEEN, vec![]),
            (&other, Flags::empty(), vec![]),
        ];
        let uids: Vec<_> = combine(known, Changes::default())
            .entries
            .iter()
            .map(|entry| entry.uid.value())
            .collect();
        assert_eq!(uids, [1, 2, 3, 4]);
    }
}
