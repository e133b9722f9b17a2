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
    let mut found = Comparison {
        old,
        met: vec![false; old.len()],
        order: Vec::with_capacity(new.len()),
        differences: Vec::new(),
        risk: Risk::default(),
    };
    for (number, is) in (1..).zip(new) {
        match known.get(is.uidl) {
            Some(at) => found.known(*at, number, is, sizes),
            None => found.unknown(number, is),
        }
    }
    found.gone();
    found.moved();
    (found.differences, found.risk)
}

/// The old list against the new one, as far as that has been looked at. Places are from 0, numbers from 1.
struct Comparison<'c, 'a> {
    old: &'c [Announced<'a>],
    /// Which of the old messages the new side has.
    met: Vec<bool>,
    /// Of those that both have, the new side's order in places of the old one.
    order: Vec<usize>,
    differences: Vec<Difference>,
    risk: Risk,
}

impl Comparison<'_, '_> {
    fn add(&mut self, what: What, uidl: &[u8], old: String, new: String) {
        self.differences.push(Difference {
            uidl: Some(printable_bytes(uidl, SHOWN)),
            ..Difference::new(Some(&FolderPath::inbox()), what, old, new)
        });
    }

    /// The new side's message `number`, whose UIDL is that of the old one at place `at`.
    fn known(&mut self, at: usize, number: usize, is: &Announced<'_>, sizes: bool) {
        if std::mem::replace(&mut self.met[at], true) {
            let was = number_at(at);
            self.add(What::Doubled, is.uidl, was, format!("number {number}"));
            return;
        }
        self.order.push(at);
        let was = self.old[at].octets;
        if sizes && was != is.octets {
            self.add(
                What::PopSize,
                is.uidl,
                was.to_string(),
                is.octets.to_string(),
            );
        }
    }

    /// The new side's message `number`, whose UIDL the old one does not have.
    fn unknown(&mut self, number: usize, is: &Announced<'_>) {
        self.risk.messages += 1;
        self.risk.octets += is.octets;
        let is_at = format!("number {number}");
        self.add(What::Uidl, is.uidl, String::new(), is_at);
    }

    /// Those of the old messages that the new side does not have.
    fn gone(&mut self) {
        let met = self.met.iter().enumerate();
        let gone: Vec<usize> = met.filter(|(_, met)| !**met).map(|(at, _)| at).collect();
        for at in &gone {
            self.add(
                What::Uidl,
                self.old[*at].uidl,
                number_at(*at),
                String::new(),
            );
        }
        self.risk.fresh = self.risk.messages.saturating_sub(gone.len() as u64);
    }

    /// Clients show mail in the order in which it comes: what moved is told by the least number of moves.
    fn moved(&mut self) {
        let order = std::mem::take(&mut self.order);
        let stays = longest_ascent(&order);
        for (place, at) in order.iter().enumerate().filter(|(place, _)| !stays[*place]) {
            let after = match place.checked_sub(1) {
                Some(before) => format!("after {}", number_at(order[before])),
                None => "first".to_owned(),
            };
            self.add(What::Order, self.old[*at].uidl, number_at(*at), after);
        }
    }
}

/// The number of a message at place `at`, in words.
fn number_at(at: usize) -> String {
    format!("number {}", at + 1)
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
