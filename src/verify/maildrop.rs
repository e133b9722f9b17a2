//! The maildrop on both sides, as POP3 clients see it, and what they would download again. Pure.

use std::collections::HashMap;

use super::difference::{Difference, What};
use crate::mail::FolderPath;
use crate::text::printable_bytes;

/// The most characters of a UIDL in a report: all of one that RFC 1939 allows.
pub const SHOWN: usize = 100;

/// One message as POP3 announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced<'a> {
    /// Its UIDL, raw.
    pub uidl: &'a [u8],
    /// Its octets.
    pub octets: u64,
}

/// What POP3 clients that leave mail on the server would download again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Risk {
    /// Messages whose UIDLs they have never seen.
    pub messages: u64,
    /// Octets of these.
    pub octets: u64,
    /// Of these, messages that the old server did not announce at all: new to the client, and no
    /// second copy.
    pub fresh: u64,
}

/// The differences between the lists, and the risk. `sizes`: octets are compared too.
pub fn compare(
    old: &[Announced<'_>],
    new: &[Announced<'_>],
    sizes: bool,
) -> (Vec<Difference>, Risk) {
    let known: HashMap<&[u8], usize> = old.iter().map(|it| it.uidl).zip(0..).collect();
    let mut met = vec![false; old.len()];
    let mut differences = Vec::new();
    let mut risk = Risk::default();
    let mut add = |what, uidl: &[u8], old: String, new: String| {
        differences.push(Difference {
            uidl: Some(printable_bytes(uidl, SHOWN)),
            ..Difference::new(Some(&FolderPath::inbox()), what, old, new)
        });
    };
    // Of those that both have, the new side's order in numbers of the old one. Clients show mail in the
    // order in which it comes: one that moved is told by the least number of moves.
    let mut order = Vec::with_capacity(new.len());
    for (number, is) in (1..).zip(new) {
        let number: usize = number;
        match known.get(is.uidl) {
            Some(at) if !std::mem::replace(&mut met[*at], true) => {
                order.push(*at);
                if sizes && old[*at].octets != is.octets {
                    let (was, is) = (old[*at].octets.to_string(), is.octets.to_string());
                    add(What::PopSize, new[number - 1].uidl, was, is);
                }
            }
            Some(at) => add(
                What::Doubled,
                is.uidl,
                format!("number {}", at + 1),
                format!("number {number}"),
            ),
            None => {
                risk.messages += 1;
                risk.octets += is.octets;
                add(
                    What::Uidl,
                    is.uidl,
                    String::new(),
                    format!("number {number}"),
                );
            }
        }
    }
    for (at, was) in old.iter().enumerate().filter(|(at, _)| !met[*at]) {
        add(
            What::Uidl,
            was.uidl,
            format!("number {}", at + 1),
            String::new(),
        );
    }
    let gone = met.iter().filter(|met| !**met).count() as u64;
    risk.fresh = risk.messages.saturating_sub(gone);
    let stays = longest_ascent(&order);
    for (place, at) in order.iter().enumerate().filter(|(place, _)| !stays[*place]) {
        let after = match place.checked_sub(1) {
            Some(before) => format!("after number {}", order[before] + 1),
            None => "first".to_owned(),
        };
        add(
            What::Order,
            old[*at].uidl,
            format!("number {}", at + 1),
            after,
        );
    }
    (differences, risk)
}

/// Which of `numbers`, all different, belong to a longest ascending part of them.
fn longest_ascent(numbers: &[usize]) -> Vec<bool> {
    // By length, the place of the least number that such a part ends with (patience sorting).
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (place, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut belongs = vec![false; numbers.len()];
    let mut at = ends.last().copied();
    while let Some(place) = at {
        belongs[place] = true;
        at = before[place];
    }
    belongs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Announced<'_>> {
        let words = text.split_whitespace();
        let announced = words.map(|word| {
            let (uidl, octets) = word.split_once('=').unwrap_or((word, "10"));
            Announced {
                uidl: uidl.as_bytes(),
                octets: octets.parse().expect("a number"),
            }
        });
        announced.collect()
    }

    #[test]
    fn what_differs_is_named_by_the_fewest_words() {
        for (old, new, want, risk) in [
            ("a b c", "a b c", "", (0, 0, 0)),
            ("", "", "", (0, 0, 0)),
            // Two swapped: one has moved.
            ("a b c", "b a c", "order b: number 2 -> first", (0, 0, 0)),
            (
                "a b c d",
                "d a b c",
                "order d: number 4 -> first",
                (0, 0, 0),
            ),
            ("a b c", "a c", "uidl b: number 2 -> ", (0, 0, 0)),
            (
                "a b c",
                "a x=77 c",
                "uidl x:  -> number 2; uidl b: number 2 -> ",
                (1, 77, 0),
            ),
            ("a", "a b=5", "uidl b:  -> number 2", (1, 5, 1)),
            ("a b", "a b a", "doubled a: number 1 -> number 3", (0, 0, 0)),
            ("a=1 b", "a=2 b", "pop3_size a: 1 -> 2", (0, 0, 0)),
        ] {
            let (differences, found) = compare(&list(old), &list(new), true);
            let lines = differences.iter().map(|it| {
                let uidl = it.uidl.as_deref().unwrap_or_default();
                format!("{} {uidl}: {} -> {}", it.what, it.old, it.new)
            });
            assert_eq!(lines.collect::<Vec<_>>().join("; "), want, "{old} | {new}");
            let (messages, octets, fresh) = risk;
            let want = Risk {
                messages,
                octets,
                fresh,
            };
            assert_eq!(found, want, "{old} | {new}");
        }
    }

    #[test]
    fn what_stays_in_order_is_a_longest_ascent() {
        let ascent = |numbers: &[usize]| -> Vec<usize> {
            let belongs = longest_ascent(numbers);
            let kept = numbers.iter().zip(belongs).filter(|(_, belongs)| *belongs);
            kept.map(|(number, _)| *number).collect()
        };
        for (numbers, length) in [
            (vec![], 0),
            (vec![4], 1),
            (vec![2, 1, 0], 1),
            (
                vec![0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
                6,
            ),
        ] {
            let kept = ascent(&numbers);
            assert!(kept.is_sorted());
            assert_eq!(kept.len(), length, "{numbers:?}");
        }
    }
}
