//! Names that make Courier's POP3 order. A message whose UIDL is its name has its place by that; the
//! others are fitted in by a [`Rank`] before their names, and by none where their own names, which are
//! in the order of UIDs, do.

use std::cmp::Ordering;

use crate::mail::courier::order::{compare, number};
use crate::naming::Rank;

/// A message of INBOX that POP3 shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The name that is given: its UIDL, or after the cutover the one that it has.
    pub given: Option<String>,
    /// Else the name that it has on disk.
    pub current: Option<String>,
    /// Else its own name without a rank.
    pub own: String,
}

/// What a message is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// As is given, or as it is called.
    Stays,
    /// By its own name.
    Own,
    /// By its own name with this before it.
    Ranked(Rank),
}

/// Names for `shown`, which is in POP3 order, and how many neighbours they do not keep in order. What is
/// on disk keeps its name unless the order needs another. New mail of the target begins with `now`, and
/// comes last.
pub fn arrange(shown: &[Shown], now: i64) -> (Vec<Choice>, u64) {
    let lazily = lay(shown, true, now);
    let is_needed = lazily.1 > 0
        && shown
            .iter()
            .any(|it| it.given.is_none() && it.current.is_some());
    if !is_needed {
        return lazily;
    }
    let anew = lay(shown, false, now);
    if anew.1 < lazily.1 { anew } else { lazily }
}

fn lay(shown: &[Shown], keep: bool, now: i64) -> (Vec<Choice>, u64) {
    let known = |it: &Shown| -> Option<String> {
        let current = it.current.clone().filter(|_| keep);
        it.given.clone().or(current)
    };
    // The next name that is known, for each message.
    let mut ahead: Vec<Option<String>> = vec![None; shown.len()];
    let mut next = None;
    for (slot, it) in ahead.iter_mut().zip(shown).rev() {
        slot.clone_from(&next);
        next = known(it).or(next);
    }
    let mut before: Option<String> = None;
    let mut breaks = 0;
    let mut choices = Vec::with_capacity(shown.len());
    for (it, ahead) in shown.iter().zip(&ahead) {
        let (name, choice) = match known(it) {
            Some(name) => (name, Choice::Stays),
            None => fitted(it, before.as_deref(), ahead.as_deref(), now),
        };
        let is_after = |before: &String| compare(before, &name) == Ordering::Less;
        if !before.as_ref().is_none_or(is_after) {
            breaks += 1;
        }
        before = Some(name);
        choices.push(choice);
    }
    (choices, breaks)
}

/// A name between two others, where there is one.
fn fitted(it: &Shown, before: Option<&str>, ahead: Option<&str>, now: i64) -> (String, Choice) {
    let fits = |name: &str| {
        let first = before.is_none_or(|before| compare(before, name) == Ordering::Less);
        let last = ahead.is_none_or(|ahead| compare(name, ahead) == Ordering::Less);
        // Where all that comes before is later than now, nothing can be done about it.
        let latest = before.map_or(0, number).max(now);
        first && last && number(name) <= latest
    };
    if fits(&it.own) {
        return (it.own.clone(), Choice::Own);
    }
    let own_name = |rank: &Rank| format!("{rank}{}", it.own);
    for rank in ranks(before, ahead) {
        let name = own_name(&rank);
        if fits(&name) {
            return (name, Choice::Ranked(rank));
        }
    }
    (it.own.clone(), Choice::Own)
}

/// Ranks that may fit between two names, the plainest first.
fn ranks(before: Option<&str>, ahead: Option<&str>) -> Vec<Rank> {
    let rank = |number: String, separator, place| Rank {
        number: number.into(),
        separator,
        place,
    };
    let mut ranks = Vec::new();
    if let Some((last, _)) = before.and_then(Rank::split) {
        ranks.push(Rank {
            place: last.place.saturating_add(1),
            ..last.clone()
        });
        ranks.push(last);
    }
    let low = before.map_or(0, number).max(0);
    ranks.push(rank(low.to_string(), '.', 1));
    ranks.push(rank(low.saturating_add(1).to_string(), '.', 1));
    ranks.push(rank(low.to_string(), '~', 1));
    if let Some(high) = ahead.map(number).filter(|high| *high >= 0) {
        ranks.push(rank(format!("0{high}"), '.', 1));
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `=name`: given; `name/own`: on disk; `own`: new.
    fn shown(words: &str) -> Vec<Shown> {
        let shown = words.split(' ').map(|word| match word.strip_prefix('=') {
            Some(given) => Shown {
                given: Some(given.to_owned()),
                current: None,
                own: String::new(),
            },
            None => {
                let (current, own) = match word.split_once('/') {
                    Some((current, own)) => (Some(current.to_owned()), own),
                    None => (None, word),
                };
                Shown {
                    given: None,
                    current,
                    own: own.to_owned(),
                }
            }
        });
        shown.collect()
    }

    fn told(words: &str, now: i64) -> (String, u64) {
        let shown = shown(words);
        let (choices, breaks) = arrange(&shown, now);
        let names = shown.iter().zip(choices).map(|(it, choice)| match choice {
            Choice::Stays => it.given.clone().or(it.current.clone()).unwrap(),
            Choice::Own => it.own.clone(),
            Choice::Ranked(rank) => format!("{rank}{}", it.own).replace("R0000000", "R"),
        });
        (names.collect::<Vec<_>>().join(" "), breaks)
    }

    #[test]
    fn names_are_fitted_between_those_that_are_given() {
        for (words, want, breaks) in [
            // In the order of UIDs the names do by themselves.
            ("50.M1 50.M2 50.M3", "50.M1 50.M2 50.M3", 0),
            ("50.M2 50.M1", "50.M2 50.R001-50.M1", 0),
            ("50.M3 50.M1 50.M2", "50.M3 50.R001-50.M1 50.R002-50.M2", 0),
            // Between UIDLs.
            ("=9.z 50.M1 =10.a", "=9.z 10.R001-50.M1 =10.a", 0),
            ("=9.z 50.M1 =10.A", "=9.z 9~R001-50.M1 =10.A", 0),
            ("=9.~~ 50.M1 =10.A", "=9.~~ 9~R001-50.M1 =10.A", 0),
            ("=9~z 50.M1 =10.A", "=9~z 010.R001-50.M1 =10.A", 0),
            (
                "=9.z 50.M1 50.M2 =20.a",
                "=9.z 10.R001-50.M1 10.R002-50.M2 =20.a",
                0,
            ),
            ("50.M1 =10.a", "0.R001-50.M1 =10.a", 0),
            ("50.M1 =abc", "0.R001-50.M1 =abc", 0),
            ("=abc 50.M1 50.M2", "=abc 50.M1 50.M2", 0),
            // There is no room.
            ("=50.M5 50.M1 =50.M7", "=50.M5 50.M1 =50.M7", 1),
            // What is given contradicts the order.
            ("=10.a =9.z", "=10.a =9.z", 1),
            ("=UID9-7 =UID10-7 50.M1", "=UID9-7 =UID10-7 50.M1", 1),
            ("=10.a 50.M1 =9.z", "=10.a 50.M1 =9.z", 1),
            // Later than now, new mail would come before it.
            ("999.M1 999.M2", "0.R001-999.M1 0.R002-999.M2", 0),
            ("=999.x 999.M1", "=999.x 999~R001-999.M1", 0),
            // What is on disk stays, and what is new comes after it.
            (
                "50.M2/50.M2 50.R0000000001-50.M1/50.M1 50.M3",
                "50.M2 50.R001-50.M1 50.R002-50.M3",
                0,
            ),
            ("x1/50.M1 x2/50.M2 50.M3", "x1 x2 50.M3", 0),
            ("50.M1/50.M1 50.M2 50.M3/50.M3", "50.M1 50.M2 50.M3", 0),
            // Unless it is out of order.
            ("50.M2/50.M2 50.M1/50.M1", "50.M2 50.R001-50.M1", 0),
            ("x2/50.M1 x1/50.M2", "50.M1 50.M2", 0),
            ("=10.a =9.z x1/50.M1", "=10.a =9.z 50.M1", 1),
        ] {
            let want = want.replace('=', "");
            let (got, count) = told(words, 100);
            let got = got.replace("R0000000", "R");
            assert_eq!((got, count), (want, breaks), "{words}");
        }
    }
}
