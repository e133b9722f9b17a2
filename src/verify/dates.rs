//! Whether the dates of qmail's INBOX, which carry the POP3 order, are those of the messages as far
//! as that order lets them. Pure.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::mail::Uid;
use crate::plan::order::Dated;

/// Files are dated at least so many seconds before the present.
const PRESENT: u64 = 2;

/// Which of `messages` have a date on disk that nothing explains: it is neither the message's own nor
/// one that [`crate::plan::order`] gives. Of a message whose date is not known nothing is said.
///
/// A date may lie above the message's own where it is the second after that of the message before it
/// in the POP3 order, and below it where it is the second before that of the next (the row ran into
/// the present), where the message came in the seconds in which it was exported, or where its own date
/// is later than `now` (seconds since 1970). What POP3 does not show may have gone back to the first
/// second that was free. Where UIDs show that there may have been another message in between, which
/// has been deleted since, any date may be its work: dates that are in order are left as they are.
pub fn unexplained(messages: &[(Uid, Dated)], now: i64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..messages.len())
        .filter(|at| messages[*at].1.position.is_some())
        .collect();
    order.sort_by_key(|at| messages[*at].1.position);
    let used: HashSet<i64> = messages.iter().filter_map(|(_, it)| it.on_disk).collect();
    let mut wrong = vec![false; messages.len()];
    for (place, at) in order.iter().enumerate() {
        let (uid, message) = &messages[*at];
        let (Some(date), Some(is)) = (message.date, message.on_disk) else {
            continue;
        };
        // The date of a neighbour; `None` where another message may have been there.
        let neighbour = |place: Option<usize>| {
            let (other, dated) = &messages[*order.get(place?)?];
            let is_next = other.value().abs_diff(uid.value()) <= 1;
            dated.on_disk.filter(|_| is_next)
        };
        wrong[*at] = match is.cmp(&date) {
            Ordering::Equal => false,
            Ordering::Greater => match neighbour(place.checked_sub(1)) {
                Some(before) => before.saturating_add(1) != is,
                // Nothing has ever been before the first.
                None => place == 0 && uid.value() == 1,
            },
            Ordering::Less => {
                let is_free = match neighbour(Some(place + 1)) {
                    Some(next) => is.saturating_add(1) != next,
                    None => place + 1 == order.len(),
                };
                is_free && date.abs_diff(is) > PRESENT && date <= now
            }
        };
    }
    for (at, (_, message)) in messages.iter().enumerate() {
        if let (None, Some(date), Some(is)) = (message.position, message.date, message.on_disk) {
            let is_free = |second: i64| !used.contains(&second);
            wrong[at] = is > date || date <= now && (is.saturating_add(1)..=date).any(is_free);
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::order::arrange;

    fn message(uid: u32, position: u32, date: i64, on_disk: i64) -> (Uid, Dated) {
        let dated = Dated {
            position: (position > 0).then_some(position),
            date: Some(date),
            on_disk: Some(on_disk),
        };
        (Uid::new(uid).expect("not 0"), dated)
    }

    #[test]
    fn what_an_export_arranges_is_explained() {
        for dates in [
            &[10, 20, 30][..],
            &[10, 10, 10, 11, 50],
            &[100, 20, 30],
            &[10, 998, 999, 5000],
            &[5],
        ] {
            let wished = dates.iter().zip(1..).map(|(date, position)| Dated {
                position: (position != 2).then_some(position),
                date: Some(*date),
                on_disk: None,
            });
            let mut messages: Vec<Dated> = wished.collect();
            let times = arrange(&messages, 1000);
            for (message, time) in messages.iter_mut().zip(times) {
                message.on_disk = time;
            }
            let uids = (1..).filter_map(Uid::new);
            let messages: Vec<(Uid, Dated)> = uids.zip(messages).collect();
            let wrong = unexplained(&messages, 1000);
            assert!(!wrong.contains(&true), "{messages:?} {wrong:?}");
        }
    }

    #[test]
    fn other_dates_are_not() {
        for (messages, want) in [
            (
                vec![message(1, 1, 10, 10), message(2, 2, 20, 21)],
                vec![false, true],
            ),
            // There may have been one in between.
            (
                vec![message(1, 1, 10, 10), message(3, 2, 20, 21)],
                vec![false, false],
            ),
            (
                vec![message(1, 1, 10, 7), message(2, 2, 20, 20)],
                vec![true, false],
            ),
            (
                vec![message(1, 1, 10, 10), message(2, 2, 20, 17)],
                vec![false, true],
            ),
            (
                vec![message(1, 1, 10, 12), message(2, 2, 11, 13)],
                vec![true, false],
            ),
            (
                vec![message(9, 1, 10, 12), message(10, 2, 11, 13)],
                vec![false, false],
            ),
            (
                vec![message(1, 0, 10, 9), message(2, 1, 10, 10)],
                vec![false, false],
            ),
            (
                vec![message(1, 0, 10, 8), message(2, 1, 10, 10)],
                vec![true, false],
            ),
            // A date to come is dated back.
            (vec![message(1, 1, 2_000, 998)], vec![false]),
        ] {
            assert_eq!(unexplained(&messages, 1000), want, "{messages:?}");
        }
    }
}
