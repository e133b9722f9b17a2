//! One folder on both sides, as IMAP clients see it. Pure.

use std::collections::BTreeSet;

use super::difference::{Difference, What};
use crate::mail::{Entry, FolderPath, KeywordSet, KeywordTable, Uid, UidValidity};

/// A folder as IMAP shows it, or will.
#[derive(Debug, Clone, Copy)]
pub struct View<'v> {
    /// UIDVALIDITY.
    pub validity: Option<UidValidity>,
    /// UIDNEXT, where it is known.
    pub uid_next: Option<u32>,
    /// The messages, ascending by UID; a UID that stands twice is a message that is doubled.
    pub entries: &'v [Entry],
    /// Their keywords.
    pub keywords: &'v KeywordTable,
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether the new side holds keywords.
    pub keywords: bool,
    /// Seconds by which a date may differ: where the POP3 order hangs on it, it may be another.
    /// `None`: dates are not compared.
    pub date_tolerance: Option<u64>,
    /// Whether sizes are comparable: not every old server tells the truth about them.
    pub sizes: bool,
}

/// The differences between `old` and `new`, in the order of the UIDs.
pub fn compare(path: &FolderPath, old: &View<'_>, new: &View<'_>, rules: Rules) -> Vec<Difference> {
    let mut found = Found {
        path,
        differences: Vec::new(),
    };
    found.numbering(old, new);
    let mut left = old.entries.iter().peekable();
    let mut right = new.entries.iter().peekable();
    let mut before: Option<Uid> = None;
    loop {
        let (was, is) = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => (left.next(), None),
            (None, Some(_)) => (None, right.next()),
            (Some(was), Some(is)) => match was.uid.cmp(&is.uid) {
                std::cmp::Ordering::Less => (left.next(), None),
                std::cmp::Ordering::Greater => (None, right.next()),
                std::cmp::Ordering::Equal => (left.next(), right.next()),
            },
        };
        match (was, is) {
            (Some(was), Some(is)) => {
                found.message((was, old.keywords), (is, new.keywords), rules);
                before = Some(is.uid);
            }
            (Some(was), None) => {
                found.add(
                    Some(was.uid),
                    What::Missing,
                    format!("{} octets", was.size),
                    String::new(),
                );
            }
            (None, Some(is)) => {
                let what = match before == Some(is.uid) {
                    true => What::Doubled,
                    false => What::Extra,
                };
                found.add(
                    Some(is.uid),
                    what,
                    String::new(),
                    format!("{} octets", is.size),
                );
                before = Some(is.uid);
            }
            (None, None) => {}
        }
    }
    found.differences
}

struct Found<'f> {
    path: &'f FolderPath,
    differences: Vec<Difference>,
}

impl Found<'_> {
    fn add(&mut self, uid: Option<Uid>, what: What, old: String, new: String) {
        let difference = Difference::new(Some(self.path), what, old, new);
        self.differences.push(difference.at(uid));
    }

    /// UIDVALIDITY, and whether the UIDs that come next are new.
    fn numbering(&mut self, old: &View<'_>, new: &View<'_>) {
        if old.validity != new.validity {
            let shown =
                |validity: Option<UidValidity>| validity.map_or(String::new(), |it| it.to_string());
            let (was, is) = (shown(old.validity), shown(new.validity));
            self.add(None, What::UidValidity, was, is);
        }
        let last = old.entries.last().map_or(0, |entry| entry.uid.value());
        let given = last.max(old.uid_next.map_or(0, |next| next.saturating_sub(1)));
        if let Some(next) = new.uid_next.filter(|next| *next <= given) {
            let least = u64::from(given) + 1;
            self.add(None, What::UidNext, least.to_string(), next.to_string());
        }
    }

    fn message(
        &mut self,
        (was, was_keywords): (&Entry, &KeywordTable),
        (is, is_keywords): (&Entry, &KeywordTable),
        rules: Rules,
    ) {
        let uid = Some(was.uid);
        if was.flags != is.flags {
            let shown = |entry: &Entry| entry.flags.maildir_letters().collect();
            self.add(uid, What::Flags, shown(was), shown(is));
        }
        if rules.keywords {
            let old = names(was_keywords, was.keywords);
            let new = names(is_keywords, is.keywords);
            let folded = |names: &[&str]| -> BTreeSet<String> {
                names.iter().map(|name| name.to_lowercase()).collect()
            };
            if folded(&old) != folded(&new) {
                self.add(uid, What::Keywords, old.join(" "), new.join(" "));
            }
        }
        if let (Some(tolerance), Some(old), Some(new)) =
            (rules.date_tolerance, was.internal_date, is.internal_date)
            && i64::from(old).abs_diff(new.into()) > tolerance
        {
            self.add(
                uid,
                What::Date,
                shown_date(old.into()),
                shown_date(new.into()),
            );
        }
        if rules.sizes && was.size != is.size {
            self.add(uid, What::Size, was.size.to_string(), is.size.to_string());
        }
    }
}

fn names(table: &KeywordTable, set: KeywordSet) -> Vec<&str> {
    let members = table.members(set).iter();
    let named = members.filter_map(|keyword| table.names().get(usize::from(*keyword)));
    named.map(String::as_str).collect()
}

/// A date as people read it, UTC.
pub fn shown_date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Flags;

    const STRICT: Rules = Rules {
        keywords: true,
        date_tolerance: Some(0),
        sizes: true,
    };

    fn entry(uid: u32) -> Entry {
        Entry {
            uid: Uid::new(uid).expect("not 0"),
            flags: Flags::SEEN,
            keywords: KeywordSet::default(),
            internal_date: Some(1_000_000_000.into()),
            size: 100,
        }
    }

    fn told(old: &[Entry], new: &[Entry], rules: Rules) -> Vec<String> {
        let mut table = KeywordTable::default();
        table.intern(["Work", "$Forwarded"]).expect("room");
        let view = |entries| View {
            validity: UidValidity::new(7),
            uid_next: Some(100),
            entries,
            keywords: &table,
        };
        let found = compare(&FolderPath::inbox(), &view(old), &view(new), rules);
        let line = |it: Difference| {
            let uid = it.uid.map_or(0, Uid::value);
            format!("{uid} {}: {} -> {}", it.what, it.old, it.new)
        };
        found.into_iter().map(line).collect()
    }

    #[test]
    fn each_difference_is_named_once_and_equal_folders_have_none() {
        let mut table = KeywordTable::default();
        let both = table.intern(["Work", "$Forwarded"]).expect("room");
        let was = [entry(3), entry(5), entry(9)];
        let with = |at: usize, change: &dyn Fn(&mut Entry)| {
            let mut new = was.to_vec();
            change(&mut new[at]);
            new
        };
        let nothing: Vec<String> = Vec::new();
        assert_eq!(told(&was, &was, STRICT), nothing);
        for (new, want) in [
            (was[1..].to_vec(), "3 missing: 100 octets -> "),
            (was[..2].to_vec(), "9 missing: 100 octets -> "),
            (
                vec![was[0], was[1], entry(7), was[2]],
                "7 extra:  -> 100 octets",
            ),
            (
                vec![was[0], was[1], was[1], was[2]],
                "5 doubled:  -> 100 octets",
            ),
            (
                with(1, &|it| it.flags = Flags::FLAGGED.with(Flags::SEEN)),
                "5 flags: S -> FS",
            ),
            (
                with(2, &|it| it.keywords = both),
                "9 keywords:  -> Work $Forwarded",
            ),
            (
                with(0, &|it| it.internal_date = Some(1_000_000_001.into())),
                "3 date: 2001-09-09T01:46:40Z -> 2001-09-09T01:46:41Z",
            ),
            (with(0, &|it| it.size = 99), "3 size: 100 -> 99"),
        ] {
            assert_eq!(told(&was, &new, STRICT), [want]);
        }
        let late = with(0, &|it| it.internal_date = Some(1_000_000_060.into()));
        let rules = Rules {
            date_tolerance: Some(60),
            ..STRICT
        };
        assert_eq!(told(&was, &late, rules), nothing);
    }

    #[test]
    fn uids_must_be_valid_and_what_comes_next_must_be_new() {
        let table = KeywordTable::default();
        let entries = [entry(9)];
        let view = |validity, uid_next| View {
            validity: UidValidity::new(validity),
            uid_next,
            entries: &entries,
            keywords: &table,
        };
        let old = view(7, Some(12));
        for (new, want) in [
            (view(7, Some(12)), vec![]),
            (view(7, Some(20)), vec![]),
            (view(7, None), vec![]),
            (view(8, Some(12)), vec![What::UidValidity]),
            // UIDs 10 and 11 have been given, and their messages deleted.
            (view(7, Some(11)), vec![What::UidNext]),
            (view(7, Some(9)), vec![What::UidNext]),
            (view(0, Some(3)), vec![What::UidValidity, What::UidNext]),
        ] {
            let found = compare(&FolderPath::inbox(), &old, &new, STRICT);
            let whats: Vec<What> = found.into_iter().map(|it| it.what).collect();
            assert_eq!(whats, want);
        }
    }
}
