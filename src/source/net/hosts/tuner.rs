//! How many users at once a host serves best, found by trying (`-j auto`): more while that gets more done by
//! more than noise, then back to what was best. From time to time it is tried whether one more would now be of
//! use, or one less do as well. No clock and no waiting here.
//!
//! What is done is measured while the host has as many users as it may and others wait. It is the bytes that
//! come, and for what small users cost, mostly round trips, each answer as if it were [`ANSWER`] of them. It is
//! taken in slices: how far these differ says how long to measure.

use std::time::{Duration, Instant};

use super::super::meter::Reading;

/// With how many it begins.
const FIRST: usize = 4;
/// What an answer counts, in bytes.
const ANSWER: u64 = 8 << 10;
/// After a change what is under way is let settle.
const SETTLING: Duration = Duration::from_millis(400);
/// A slice, how many are taken at least and at most, and after how many what is clear is believed.
const SLICE: Duration = Duration::from_millis(200);
const FEWEST: usize = 5;
const MOST: usize = 15;
const SOON: usize = 4;
/// The mean is known well enough when its standard error is such a part of it.
const PRECISE: f64 = 0.04;
/// Nobody looked for so long: there were too few users meanwhile.
const GAP: Duration = Duration::from_millis(500);
/// Of what more users would get done if each were as fast, they must get such a part; a larger one where
/// answers take twice as long.
const GAIN: f64 = 0.4;
const GAIN_IF_SLOW: f64 = 0.7;
/// Of what fewer users would get done less if each were as fast, they may lose such a part, but no more than
/// that of all.
const LOSS: f64 = 0.3;
const MOST_LOST: f64 = 0.05;
/// After that long it is tried again, and later and later as long as that changes nothing.
const FIRST_HOLD: Duration = Duration::from_secs(15);
const LONGEST_HOLD: Duration = Duration::from_secs(120);
/// So long a number of users that was refused is not tried again.
const REFUSED: Duration = Duration::from_secs(300);

/// What was measured with so many users.
#[derive(Debug, Clone, Copy)]
struct Measured {
    users: usize,
    /// Bytes a second, answers counted in.
    rate: f64,
    /// Seconds until an answer begins.
    latency: f64,
}

impl Measured {
    /// What `users` would get done more, as a part of it, if each were as fast.
    fn expected(&self, users: usize) -> f64 {
        users as f64 / self.users as f64 - 1.0
    }
}

/// The measuring that is under way.
#[derive(Debug)]
struct Slices {
    /// When the slice at hand began, and what had been done then.
    since: (Instant, Reading),
    first: Reading,
    /// Bytes a second of those before.
    rates: Vec<f64>,
    /// Users that have gone since it began.
    gone: usize,
}

/// What is being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// How well the share does that is held.
    Base,
    More,
    Fewer,
    /// Nothing, until then.
    Hold(Instant),
}

/// The share of one host.
#[derive(Debug)]
pub struct Tuner {
    /// The most that it may be.
    most: usize,
    share: usize,
    trial: Trial,
    base: Option<Measured>,
    /// So many are too many.
    too_many: Option<usize>,
    refused: Option<(usize, Instant)>,
    hold: Duration,
    /// What is tried after the next hold.
    fewer_next: bool,
    changed: Option<Instant>,
    looked: Option<Instant>,
    slices: Option<Slices>,
}

impl Tuner {
    /// Begins with few; there are never more than `most`.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            share: FIRST.min(most.max(1)),
            trial: Trial::Base,
            base: None,
            too_many: None,
            refused: None,
            hold: FIRST_HOLD,
            fewer_next: true,
            changed: None,
            looked: None,
            slices: None,
        }
    }

    /// The most users at once now.
    pub fn share(&self) -> usize {
        self.share
    }

    /// A user has gone.
    pub fn left(&mut self) {
        if let Some(slices) = &mut self.slices {
            slices.gone += 1;
        }
    }

    /// The host has refused someone while so many were there.
    pub fn refused(&mut self, users: usize, now: Instant) {
        let known = self.refused_of_late(now).unwrap_or(usize::MAX);
        self.refused = Some((users.min(known).max(2), now));
        let share = users.saturating_sub(1).min(self.share).max(1);
        if share < self.share {
            self.base = None;
            self.too_many = Some(share + 1);
            self.turn_to(Trial::Base, share, now);
        }
    }

    /// Looks at what has been done in all, while `users` are there and others wait for the host. True: the
    /// share has changed.
    pub(in super::super) fn look(&mut self, done: Reading, users: usize, now: Instant) -> bool {
        let before = self.share;
        let is_gap = self.looked.is_some_and(|then| now - then > GAP);
        self.looked = Some(now);
        let has_settled = self.changed.is_none_or(|then| now - then >= SETTLING);
        if let Trial::Hold(until) = self.trial {
            if now >= until {
                self.turn_to(Trial::Base, self.share, now);
            }
        } else if is_gap || users > self.share || !has_settled {
            self.slices = None;
        } else if let Some(measured) = self.measure(done, now) {
            self.judge(measured, now);
        }
        self.share != before
    }

    fn turn_to(&mut self, trial: Trial, share: usize, now: Instant) {
        if share != self.share {
            self.changed = Some(now);
        }
        (self.trial, self.share, self.slices) = (trial, share, None);
    }

    /// What has been measured, when it is enough.
    fn measure(&mut self, done: Reading, now: Instant) -> Option<Measured> {
        let slices = self.slices.get_or_insert_with(|| Slices {
            since: (now, done),
            first: done,
            rates: Vec::new(),
            gone: 0,
        });
        let (since, before) = slices.since;
        let time = now.saturating_duration_since(since);
        if time < SLICE {
            return None;
        }
        let answers = done.answers.saturating_sub(before.answers);
        let work = done.received.saturating_sub(before.received) + ANSWER * answers;
        slices.rates.push(work as f64 / time.as_secs_f64());
        slices.since = (now, done);
        let count = slices.rates.len() as f64;
        let mean = slices.rates.iter().sum::<f64>() / count;
        let squares = slices.rates.iter().map(|rate| (rate - mean).powi(2));
        let error = (squares.sum::<f64>() / (count - 1.0).max(1.0) / count).sqrt();
        let is_precise = slices.rates.len() >= FEWEST && error <= PRECISE * mean;
        let is_clear = slices.rates.len() >= SOON
            && self.trial == Trial::More
            && self.base.is_some_and(|base| {
                let enough = base.rate * (1.0 + GAIN_IF_SLOW * base.expected(self.share));
                mean + 2.0 * error < base.rate || mean - 2.0 * error > enough
            });
        if !is_precise && !is_clear && slices.rates.len() < MOST {
            return None;
        }
        let answers = done.answers.saturating_sub(slices.first.answers).max(1);
        let waited = done.waited.saturating_sub(slices.first.waited);
        Some(Measured {
            users: self.share,
            rate: mean,
            latency: waited.as_secs_f64() / answers as f64,
        })
    }

    fn judge(&mut self, new: Measured, now: Instant) {
        let large_steps = self
            .slices
            .as_ref()
            .is_some_and(|slices| slices.gone * 2 >= new.users);
        let base = self.base;
        match (self.trial, base) {
            (Trial::More, Some(base)) => {
                let gain = new.rate / base.rate.max(1.0) - 1.0;
                let is_slow = new.latency > 2.0 * base.latency;
                let part = if is_slow { GAIN_IF_SLOW } else { GAIN };
                if gain >= part * base.expected(new.users) {
                    (self.base, self.hold) = (Some(new), FIRST_HOLD);
                } else {
                    self.too_many = Some(new.users);
                }
                self.try_more(large_steps, now);
            }
            (Trial::Fewer, Some(base)) => {
                let loss = 1.0 - new.rate / base.rate.max(1.0);
                let expected = -base.expected(new.users);
                if loss <= (LOSS * expected).min(MOST_LOST) {
                    (self.base, self.hold) = (Some(new), FIRST_HOLD);
                    self.try_fewer(now);
                } else {
                    self.hold(now);
                }
            }
            // The first look, or the one after a hold.
            _ => {
                let is_first = base.is_none();
                self.base = Some(new);
                match (is_first, self.fewer_next) {
                    (true, _) => self.try_more(large_steps, now),
                    (false, true) => {
                        self.fewer_next = false;
                        self.try_fewer(now);
                    }
                    (false, false) => {
                        self.fewer_next = true;
                        self.too_many = None;
                        self.try_more(false, now);
                    }
                }
            }
        }
    }

    /// Tries more than the best so far, halfway to what is too many; or holds.
    fn try_more(&mut self, large_steps: bool, now: Instant) {
        let Some(Measured { users: best, .. }) = self.base else {
            return;
        };
        // With users that take long what is too many stays too many for long.
        let step = if large_steps { best / 2 } else { best / 6 };
        let limits = [self.too_many, self.refused_of_late(now)];
        let limit = limits.into_iter().flatten().min().unwrap_or(usize::MAX);
        let next = match limit {
            usize::MAX => best + step.max(1),
            limit => (best + step.max(1)).min(best + limit.saturating_sub(best) / 2),
        };
        let next = next.min(self.most);
        match next > best {
            true => self.turn_to(Trial::More, next, now),
            false => self.hold(now),
        }
    }

    /// The number of users that was refused, as long as it is not to be tried again.
    fn refused_of_late(&self, now: Instant) -> Option<usize> {
        let (users, then) = self.refused?;
        (now - then < REFUSED).then_some(users)
    }

    fn try_fewer(&mut self, now: Instant) {
        let best = self.base.map_or(self.share, |base| base.users);
        match best - (best / 5).max(1).min(best) {
            0 => self.hold(now),
            fewer => self.turn_to(Trial::Fewer, fewer, now),
        }
    }

    fn hold(&mut self, now: Instant) {
        let best = self.base.map_or(self.share, |base| base.users);
        self.turn_to(Trial::Hold(now + self.hold), best, now);
        self.hold = (self.hold * 2).min(LONGEST_HOLD);
    }
}

#[cfg(test)]
#[path = "tuner_tests.rs"]
mod tests;
