//! How long an export will take that has been planned, and how long the last run before the cutover: from
//! what the plan has counted, how long it took itself, and what earlier runs have left. Each number is
//! told with what it is based on.

pub mod history;
#[cfg(test)]
mod tests;

use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount, HumanDuration};
use jiff::Timestamp;

use crate::text::counted;

pub use history::Past;

/// Bytes a second for each user at once where nothing is known: what the author of imapsync has measured as
/// the mean of many migrations.
const ASSUMED: u64 = 340_000;
/// A run that brought less says nothing of how fast it goes.
const TELLING: u64 = 1 << 20;
const DAY: f64 = 86_400.0;

/// What a plan has found.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Users that could be looked at.
    pub users: u64,
    /// Messages to fetch.
    pub messages: u64,
    /// Octets of them.
    pub bytes: u64,
    /// How long it took to look at all of them, which an export does as well.
    pub looked: Duration,
    /// Users at once.
    pub jobs: usize,
}

/// Bytes a second, and how they are known.
struct Rate {
    per_second: f64,
    basis: String,
}

/// Lines for a person; none where there is nothing to fetch and no history.
pub fn lines(job: &Job, history: &[Past]) -> Vec<String> {
    let rate = rate(job, history);
    let mut lines = Vec::new();
    if job.bytes > 0 {
        let took = job.looked.saturating_add(transfer(job.bytes as f64, &rate));
        lines.push(format!(
            "to fetch: {} in {} messages, in about {} (basis: {}, and {} to look at {} users, as now)",
            BinaryBytes(job.bytes),
            HumanCount(job.messages),
            HumanDuration(took),
            rate.basis,
            HumanDuration(job.looked),
            HumanCount(job.users),
        ));
    }
    if !history.is_empty() {
        lines.push(format!("last delta: {}", delta(job, history, &rate)));
    }
    lines
}

fn transfer(bytes: f64, rate: &Rate) -> Duration {
    Duration::try_from_secs_f64(bytes / rate.per_second).unwrap_or(Duration::MAX)
}

fn rate(job: &Job, history: &[Past]) -> Rate {
    let telling = history.iter().filter(|run| run.added_bytes >= TELLING);
    let (mut runs, mut bytes, mut seconds) = (0_u64, 0_u64, 0.0);
    for run in telling {
        runs += 1;
        bytes = bytes.saturating_add(run.added_bytes);
        seconds += run.seconds();
    }
    if runs > 0 && seconds > 0.0 {
        let per_second = bytes as f64 / seconds;
        return Rate {
            per_second,
            basis: format!(
                "{}/s over {} of --history",
                shown(per_second),
                counted(runs, "run")
            ),
        };
    }
    let at_once = (job.jobs as u64).min(job.users).max(1);
    let per_second = ASSUMED.saturating_mul(at_once);
    Rate {
        per_second: per_second as f64,
        basis: format!(
            "340 kB/s assumed for each of {} at once, which --history with earlier runs would know",
            counted(at_once, "user")
        ),
    }
}

/// What comes from one run to the next, and what a last run a day after the one before would take.
fn delta(job: &Job, history: &[Past], rate: &Rate) -> String {
    let nights = nights(history);
    let (mut bytes, mut days, mut users, mut runs) = (0.0, 0.0, 0_u64, 0_u64);
    for pair in nights.windows(2) {
        let [before, night] = pair else {
            continue;
        };
        let between = seconds(before.started, night.started) / DAY;
        if night.again_users == 0 || between <= 0.0 {
            continue;
        }
        // As if all users had been there again.
        let all = job.users.max(night.again_users) as f64;
        bytes += night.again_bytes as f64 * all / night.again_users as f64;
        days += between;
        users = users.max(night.again_users);
        runs += 1;
    }
    if runs == 0 {
        return "not known before a second run of the same users is in --history".to_owned();
    }
    let a_day = bytes / days;
    let took = job.looked.saturating_add(transfer(a_day, rate));
    format!(
        "about {} come in a day; a run a day after the one before takes about {} (basis: what {} brought of {} users that were there already, {:.1} days in all; and as above)",
        shown(a_day),
        HumanDuration(took),
        counted(runs, "run"),
        HumanCount(users),
        days
    )
}

/// Runs that overlap, such as shards, are one; in the order of time.
fn nights(history: &[Past]) -> Vec<Past> {
    let mut runs = history.to_vec();
    runs.sort_by_key(|run| run.started);
    let mut nights: Vec<Past> = Vec::new();
    for run in runs {
        match nights.last_mut() {
            Some(night) if run.started < night.finished => {
                night.finished = night.finished.max(run.finished);
                night.added_bytes = night.added_bytes.saturating_add(run.added_bytes);
                night.again_users += run.again_users;
                night.again_bytes = night.again_bytes.saturating_add(run.again_bytes);
            }
            _ => nights.push(run),
        }
    }
    nights
}

fn seconds(first: Timestamp, last: Timestamp) -> f64 {
    last.duration_since(first).as_secs_f64()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a quotient of positive numbers, and for the eye"
)]
fn shown(bytes: f64) -> BinaryBytes {
    BinaryBytes(bytes as u64)
}
