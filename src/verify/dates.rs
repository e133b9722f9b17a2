//! Whether the dates of qmail's INBOX, which carry the POP3 order, are those of the messages as far
//! as that order lets them. Pure.

use std::collections::HashSet;

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
/// second that was free.
pub fn unexplained(messages: &[Dated], now: i64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..messages.len())
        .filter(|at| messages[*at].position.is_some())
        .collect();
    order.sort_by_key(|at| messages[*at].position);
    let used: HashSet<i64> = messages.iter().filter_map(|it| it.on_disk).collect();
    let on_disk = |place: Option<usize>| messages[*order.get(place?)?].on_disk;
    let mut wrong = vec![false; messages.len()];
    for (place, at) in order.iter().enumerate() {
        let (Some(date), Some(is)) = (messages[*at].date, messages[*at].on_disk) else {
            continue;
        };
        let before = on_disk(place.checked_sub(1));
        let next = on_disk(Some(place + 1));
        wrong[*at] = match is.cmp(&date) {
            std::cmp::Ordering::Equal => false,
            std::cmp::Ordering::Greater => before.is_none_or(|it| it.saturating_add(1) != is),
            std::cmp::Ordering::Less => {
                let joins = next.is_some_and(|it| is.saturating_add(1) == it);
                !joins && date.abs_diff(is) > PRESENT && date <= now
            }
        };
    }
    for (at, message) in messages.iter().enumerate() {
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

    fn message(position: u32, date: i64, on_disk: i64) -> Dated {
        Dated {
            position: (position > 0).then_some(position),
            date: Some(date),
            on_disk: Some(on_disk),
        }
    }

    #[test]
    fn what_an_export_arranges_is_explained_and_other_dates_are_not() {
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
            let wrong = unexplained(&messages, 1000);
            assert!(!wrong.contains(&true), "{messages:?} {wrong:?}");
        }
        for (messages, want) in [
            (
                vec![message(1, 10, 10), message(2, 20, 21)],
                vec![false, true],
            ),
            (
                vec![message(1, 10, 7), message(2, 20, 20)],
                vec![true, false],
            ),
            (
                vec![message(1, 10, 10), message(2, 20, 17)],
                vec![false, true],
            ),
            (
                vec![message(1, 10, 12), message(2, 11, 13)],
                vec![true, false],
            ),
            (
                vec![message(0, 10, 9), message(1, 10, 10)],
                vec![false, false],
            ),
            (
                vec![message(0, 10, 8), message(1, 10, 10)],
                vec![true, false],
            ),
        ] {
            assert_eq!(unexplained(&messages, 1000), want, "{messages:?}");
        }
    }
}
