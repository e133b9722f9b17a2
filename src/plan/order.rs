//! POP3 order as file dates, for qmail: the messages are served by mtime, in whole seconds, and a
//! file dated now or later is not served at all (qmail-pop3d, `maildir_scan`).

use std::collections::HashMap;

/// A message of INBOX with what is known of its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// Its place in the POP3 order; `None`: POP3 does not show it.
    pub position: Option<u32>,
    /// Its date, in seconds since 1970; `None`: not known yet.
    pub date: Option<i64>,
    /// The date of its file, where it has one.
    pub on_disk: Option<i64>,
}

/// A date for each message, so that dates ascend strictly along the POP3 order and lie before
/// `now`. Files keep the dates they have where those are in order already. A message whose date is
/// not known gets `None`, and the rest is arranged without it.
pub fn arrange(messages: &[Dated], now: i64) -> Vec<Option<i64>> {
    let mut order: Vec<usize> = (0..messages.len())
        .filter(|index| messages[*index].position.is_some() && messages[*index].date.is_some())
        .collect();
    order.sort_by_key(|index| messages[*index].position);
    let wished: Vec<i64> = order
        .iter()
        .filter_map(|index| messages[*index].date)
        .collect();
    let ideal = ascending(&wished, now);
    // What lies there keeps its date, and what is new goes on above it.
    let mut lazily: Vec<i64> = Vec::with_capacity(order.len());
    for index in &order {
        let message = &messages[*index];
        let least = lazily
            .last()
            .map_or(i64::MIN, |last: &i64| last.saturating_add(1));
        let date = message.date.unwrap_or(least).max(least).min(now - 2);
        lazily.push(message.on_disk.unwrap_or(date));
    }
    let in_order =
        lazily.is_sorted_by(|a, b| a < b) && lazily.last().is_none_or(|last| *last < now);
    let chosen = if in_order { lazily } else { ideal };

    let mut times: Vec<Option<i64>> = messages.iter().map(|message| message.date).collect();
    for (index, time) in order.iter().zip(&chosen) {
        times[*index] = Some(*time);
    }
    // What POP3 did not show so far will be shown by qmail: at its own date, in a second of its own.
    let others = messages.iter().zip(&mut times);
    let others = others.filter_map(|(message, time)| match message.position {
        None => Some((message, time.as_mut()?)),
        Some(_) => None,
    });
    let mut others = others.peekable();
    if others.peek().is_some() {
        let mut seconds = Seconds::without(&chosen);
        for (message, time) in others {
            *time = seconds.take(message.on_disk.unwrap_or(*time).min(now - 2));
        }
    }
    times
}

/// Which seconds have a message. Of each that has, one at or above the next that may be free: many
/// messages may have one date.
struct Seconds(HashMap<i64, i64>);

impl Seconds {
    /// With all free but for those.
    fn without(taken: &[i64]) -> Self {
        Self(taken.iter().map(|second| (*second, second - 1)).collect())
    }

    /// Takes the latest free second that is not later than `wanted`.
    fn take(&mut self, wanted: i64) -> i64 {
        let mut free = wanted;
        while let Some(next) = self.0.get(&free) {
            free = *next;
        }
        // All that were looked at lead below it from now on.
        let mut at = wanted;
        while at > free {
            at = self.0.insert(at, free - 1).unwrap_or(free);
        }
        self.0.insert(free, free - 1);
        free
    }
}

/// Dates for messages that come after the cutover: each of those without a file above `last`, the
/// latest date that any file has, in the order of POP3 and before `now`.
pub fn append(messages: &[Dated], last: Option<i64>, now: i64) -> Vec<Option<i64>> {
    let mut times: Vec<Option<i64>> = messages.iter().map(|message| message.on_disk).collect();
    let mut new: Vec<usize> = (0..messages.len())
        .filter(|index| messages[*index].on_disk.is_none() && messages[*index].date.is_some())
        .collect();
    new.sort_by_key(|index| (messages[*index].position.unwrap_or(u32::MAX), *index));
    let mut least = last.map_or(i64::MIN, |last| last.saturating_add(1));
    for index in new {
        let date = messages[index].date.unwrap_or(now).max(least).min(now - 2);
        times[index] = Some(date);
        least = date.saturating_add(1);
    }
    times
}

/// The largest distance between a message's date and the date it got, in seconds.
pub fn max_shift(messages: &[Dated], times: &[Option<i64>]) -> u64 {
    messages
        .iter()
        .zip(times)
        .filter_map(|(message, time)| Some(message.date?.abs_diff((*time)?)))
        .max()
        .unwrap_or(0)
}

/// How often, along the POP3 order, a message is not dated after the one before it.
pub fn breaks(messages: &[Dated]) -> u64 {
    let mut shown: Vec<&Dated> = messages
        .iter()
        .filter(|message| message.position.is_some())
        .collect();
    shown.sort_by_key(|message| message.position);
    shown
        .windows(2)
        .filter(|pair| pair[1].date <= pair[0].date)
        .count() as u64
}

/// The least change that makes `dates` ascend strictly and end before `now - 1`: forward, each
/// at least a second after the one before; then back from the end where that ran into the present.
fn ascending(dates: &[i64], now: i64) -> Vec<i64> {
    let mut times = dates.to_vec();
    for index in 1..times.len() {
        times[index] = times[index].max(times[index - 1].saturating_add(1));
    }
    let mut limit = now - 2;
    for time in times.iter_mut().rev() {
        if *time <= limit {
            break;
        }
        *time = limit;
        limit -= 1;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_ascend_with_the_least_change_and_end_before_now() {
        for (dates, want) in [
            (&[10, 20, 30][..], &[10, 20, 30][..]),
            (&[10, 10, 10, 11, 50], &[10, 11, 12, 13, 50]),
            (&[100, 20, 30], &[100, 101, 102]),
            (&[-5, -5], &[-5, -4]),
            (&[10, 999, 1000, 5000], &[10, 996, 997, 998]),
            (&[998, 998], &[997, 998]),
            (&[1, 2_000, 3], &[1, 997, 998]),
            (&[], &[]),
        ] {
            assert_eq!(ascending(dates, 1000), want, "{dates:?}");
        }
    }

    fn message(position: Option<u32>, date: i64, on_disk: Option<i64>) -> Dated {
        Dated {
            position,
            date: Some(date),
            on_disk,
        }
    }

    #[test]
    fn files_in_order_keep_their_dates_and_new_mail_goes_on_above() {
        let first = [message(Some(2), 50, None), message(Some(1), 50, None)];
        assert_eq!(arrange(&first, 1000), [Some(51), Some(50)]);
        let again = [
            message(Some(2), 50, Some(51)),
            message(Some(1), 50, Some(50)),
            message(Some(3), 40, None),
        ];
        assert_eq!(arrange(&again, 1000), [Some(51), Some(50), Some(52)]);
        // One in the middle has gone, and one has come: the others stay as they are.
        let after_a_deletion = [
            message(Some(1), 50, Some(50)),
            message(Some(2), 50, Some(52)),
            message(Some(3), 40, None),
        ];
        assert_eq!(
            arrange(&after_a_deletion, 1000),
            [Some(50), Some(52), Some(53)]
        );
        // Dates clamped by an earlier run, when `now` was earlier, are left alone.
        let clamped = [
            message(Some(1), 2000, Some(900)),
            message(Some(2), 2000, Some(901)),
        ];
        assert_eq!(arrange(&clamped, 1000), [Some(900), Some(901)]);
        // Out of order on disk: all are arranged anew.
        let broken = [
            message(Some(1), 50, Some(60)),
            message(Some(2), 55, Some(55)),
        ];
        assert_eq!(arrange(&broken, 1000), [Some(50), Some(55)]);
    }

    #[test]
    fn messages_without_a_position_get_a_second_of_their_own() {
        let mixed = [
            message(Some(1), 50, None),
            message(None, 50, None),
            message(None, 5000, None),
        ];
        let times = arrange(&mixed, 1000);
        assert_eq!(times, [Some(50), Some(49), Some(998)]);
        assert_eq!(max_shift(&mixed, &times), 4002);
        assert_eq!(
            breaks(&[message(Some(1), 9, None), message(Some(2), 9, None)]),
            1
        );
        // A whole mailbox of one date, or nearly.
        let mut many = vec![message(None, 50, None); 5000];
        many[0] = message(Some(1), 40, None);
        many[4999] = message(None, 60, None);
        let times = arrange(&many, 1000);
        let want = (-4949..=50).rev().filter(|time| *time != 40).map(Some);
        assert_eq!((times[0], times[4999]), (Some(40), Some(60)));
        assert!(times[1..4999].iter().copied().eq(want.take(4998)));
    }
}
