//! UIDLs that are the UID plus a constant, as where a server was once rebuilt and counts on. Nothing
//! is paired by it: only every header could prove the constant, and the headers find the pairs
//! without it. But who has the pairs can name the rule.

use super::{Pair, Stage};
use crate::mail::PopEntries;

/// A rule is named if it holds for at least so many.
const ENOUGH: usize = 8;

/// The rule, as `uid+5` or with what is around it `x{uid-3}.pop`, and how many pairs follow it.
/// `None` unless all do: copies of one message apart, of which any may have the UIDL of another.
pub fn rule(pairs: &[Pair], listing: &PopEntries) -> Option<(String, u64)> {
    let uidl = |pair: &Pair| listing.uidl(pair.place.index());
    let first = pairs.iter().find(|pair| pair.stage != Stage::Identical)?;
    numbers(uidl(first)?.as_str()).find_map(|(before, after)| {
        let offset = |pair: &Pair| {
            let uidl = uidl(pair)?;
            let rest = uidl.as_str().strip_prefix(before)?;
            let digits = rest.strip_suffix(after)?;
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let number: i64 = digits.parse().ok().filter(|_| is_number)?;
            number.checked_sub(pair.uid.value().into())
        };
        let constant = offset(first).filter(|constant| *constant != 0)?;
        let follows = |pair: &&Pair| offset(pair) == Some(constant);
        let counted = pairs.iter().filter(|pair| pair.stage != Stage::Identical);
        let holds = counted.clone().all(|pair| follows(&pair)) && counted.count() >= ENOUGH;
        let name = match (before, after) {
            ("", "") => format!("uid{constant:+}"),
            _ => format!("{before}{{uid{constant:+}}}{after}"),
        };
        let hits = pairs.iter().filter(follows).count();
        holds.then_some((name, hits as u64))
    })
}

/// What stands before and after each run of digits.
fn numbers(uidl: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut end = 0;
    let runs = uidl
        .as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    runs.filter_map(move |run| {
        let start = end;
        end += run.len();
        let is_number = run.first()?.is_ascii_digit();
        is_number.then_some((uidl.get(..start)?, uidl.get(end..)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::pop_entries::listing_of;
    use crate::mail::{Place, Uid};

    /// Pairs, and the listing that has their UIDLs.
    type Listed = (Vec<Pair>, PopEntries);

    fn pairs(uidls: &[(u32, &str, Stage)]) -> Listed {
        let places = (0..).map(|at| Place::new(at).unwrap());
        let pairs = uidls
            .iter()
            .zip(places)
            .map(|((uid, _, stage), place)| Pair {
                uid: Uid::new(*uid).unwrap(),
                place,
                stage: *stage,
            });
        let texts: Vec<&str> = uidls.iter().map(|(_, uidl, _)| *uidl).collect();
        (pairs.collect(), listing_of(&texts))
    }

    fn rule_of((pairs, listing): &Listed) -> Option<(String, u64)> {
        rule(pairs, listing)
    }

    /// UIDLs by `write` of the UIDs 3, 6, 9 and so on.
    fn some(count: u32, write: impl Fn(u32) -> String, more: &[(u32, &str, Stage)]) -> Listed {
        let uidls: Vec<(u32, String)> = (1..=count).map(|n| (n * 3, write(n * 3))).collect();
        let uidls = uidls
            .iter()
            .map(|(uid, uidl)| (*uid, uidl.as_str(), Stage::Header));
        pairs(&uidls.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    #[test]
    fn a_constant_that_all_agree_on_is_named() {
        type Write = fn(u32) -> String;
        let rows: [(Write, Option<&str>); 9] = [
            (|uid| (uid + 1000).to_string(), Some("uid+1000")),
            (|uid| format!("{:05}", uid - 2), Some("uid-2")),
            (|uid| format!("x7.{}.pop", uid + 5), Some("x7.{uid+5}.pop")),
            (
                |uid| format!("1294690616.{}", uid + 5),
                Some("1294690616.{uid+5}"),
            ),
            (|uid| uid.to_string(), None),
            (|uid| (uid * 2).to_string(), None),
            (|uid| (uid + uid / 30).to_string(), None),
            (|uid| format!("{:x}", uid + 1000), None),
            (|uid| format!("{}x", "a".repeat(uid as usize)), None),
        ];
        for (write, want) in rows {
            let named = rule_of(&some(10, write, &[]));
            let want = want.map(|name| (name.to_owned(), 10));
            assert_eq!(named, want, "{}", write(3));
        }
        assert_eq!(rule_of(&pairs(&[])), None);
        let few = some(7, |uid| (uid + 9).to_string(), &[]);
        assert_eq!(rule_of(&few), None);
    }

    #[test]
    fn copies_have_no_say() {
        let write = |uid: u32| (uid + 7).to_string();
        let copies = [
            (50, "58", Stage::Identical),
            (51, "57", Stage::Identical),
            (52, "59", Stage::Identical),
        ];
        let all = some(10, write, &copies);
        assert_eq!(rule_of(&all), Some(("uid+7".to_owned(), 11)));
        let other = (60, "68", Stage::Content);
        let all = some(10, write, &[&copies[..], &[other]].concat());
        assert_eq!(rule_of(&all), None);
    }
}
