//! How fast it goes at present.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time that is looked back on.
const SPAN: Duration = Duration::from_secs(60);

/// What had been done at each of the last moments.
#[derive(Debug)]
pub(super) struct Pace {
    samples: VecDeque<(Instant, u64)>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            samples: VecDeque::from([(now, 0)]),
        }
    }

    /// Notes what is done by now.
    pub(super) fn sample(&mut self, now: Instant, done: u64) {
        self.samples.push_back((now, done));
        let is_old = |sample: Option<&(Instant, u64)>| {
            sample.is_some_and(|(then, _)| now.saturating_duration_since(*then) >= SPAN)
        };
        // The oldest that is kept spans the whole minute.
        while is_old(self.samples.get(1)) {
            self.samples.pop_front();
        }
    }

    /// So much a second, over the last minute or as long as it has run.
    pub(super) fn per_second(&self) -> u64 {
        let (Some((first, before)), Some((last, after))) =
            (self.samples.front(), self.samples.back())
        else {
            return 0;
        };
        let millis = last.saturating_duration_since(*first).as_millis();
        let rate = (u128::from(after.saturating_sub(*before)) * 1000).checked_div(millis);
        rate.map_or(0, |rate| u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_counts() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        assert_eq!(pace.per_second(), 0);
        let mut told = Vec::new();
        for (second, done) in [
            (1, 100),
            (10, 1000),
            (59, 5900),
            (70, 5900),
            (130, 6500),
            (200, 6500),
        ] {
            pace.sample(begin + Duration::from_secs(second), done);
            told.push(pace.per_second());
        }
        // From 0 s, 0 s, 0 s, 10 s, 70 s and 130 s on.
        assert_eq!(told, [100, 100, 100, 81, 10, 0]);
    }
}
