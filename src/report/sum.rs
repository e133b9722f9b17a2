//! Run reports of shards and of successive runs, summed: how each user stands now, and how it went
//! over time. Pure: [`super::read`] reads, [`person`], [`csv`] and [`super::html`] write.

pub mod advice;
pub mod csv;
pub mod domains;
mod files;
mod history;
pub mod person;
mod progress;
pub mod verdict;
mod verified;

use std::path::PathBuf;

use indicatif::HumanFloatCount;
use jiff::Timestamp;

use super::read::{Checked, Difference, VerifiedUser};
use super::{Status, Totals, UserReport};

pub use files::{read, write};
pub use verdict::{Class, Verdict};
pub use verified::Looks;

/// Run reports, summed.
#[derive(Debug, Default)]
pub struct Sum {
    /// The runs, the one that began first before the others.
    pub runs: Vec<Run>,
    /// The users, in the order in which the runs name them first.
    pub users: Vec<Standing>,
    /// How the users stood at the end of each run, in the order of these ends.
    pub progress: Vec<Point>,
    /// How long it took to bring a whole mailbox, for each user that a run has begun with.
    pub loads: Vec<Load>,
    /// What a person should know of the reports themselves.
    pub notes: Vec<String>,
}

/// A run, without its users.
#[derive(Debug)]
pub struct Run {
    /// Its report directory.
    pub dir: PathBuf,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// The sums over its users.
    pub totals: Totals,
    /// Whether messages that POP3 shows and INBOX has not were put into INBOX.
    pub collects: bool,
}

impl Run {
    /// How long it took, in seconds.
    pub fn seconds(&self) -> f64 {
        let took = self.finished.duration_since(self.started);
        took.as_secs_f64().max(0.0)
    }

    /// Messages written a second; nothing for a run that took no time.
    pub fn messages_a_second(&self) -> Option<f64> {
        per_second(self.totals.added, self.seconds())
    }

    /// Octets written a second; nothing for a run that took no time, or whose report does not tell them.
    pub fn bytes_a_second(&self) -> Option<f64> {
        let Totals {
            added, added_bytes, ..
        } = self.totals;
        let is_told = added == 0 || added_bytes > 0;
        per_second(added_bytes, self.seconds()).filter(|_| is_told)
    }
}

/// `count` by `seconds`; nothing where those are none.
pub fn per_second(count: u64, seconds: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a rate is for the eye")]
    let count = count as f64;
    (seconds > 0.0).then(|| count / seconds)
}

/// A rate with as many digits as it deserves.
pub fn rate(rate: f64) -> String {
    match rate {
        _ if rate >= 100.0 => HumanFloatCount(rate.round()).to_string(),
        _ if rate >= 10.0 => format!("{rate:.1}"),
        _ => format!("{rate:.2}"),
    }
}

/// How one user stands.
#[derive(Debug)]
pub struct Standing {
    /// What the latest run with this user did. A user that no run has is not done, for that reason.
    pub report: UserReport,
    /// The place of that run in [`Sum::runs`].
    pub run: Option<usize>,
    /// How many runs have this user.
    pub runs: u32,
    /// What the latest check says, for a user that no run has.
    pub checked: Option<Checked>,
    /// What the latest verify that names this user says.
    pub verified: Option<Look>,
}

/// What a verify says of a user.
#[derive(Debug)]
pub struct Look {
    /// Its row of `verified.csv`.
    pub of: VerifiedUser,
    /// Its rows of `verify.csv`.
    pub differences: Vec<Difference>,
    /// When that was written.
    pub at: Timestamp,
    /// A run came after it, which may have mended what it found, or changed what was right.
    pub is_outdated: bool,
}

impl Standing {
    /// What the latest verify says, if no run came after it.
    pub fn look(&self) -> Option<&Look> {
        self.verified.as_ref().filter(|look| !look.is_outdated)
    }

    /// Whether a verify has found, after the latest run, that nothing differs.
    pub fn is_verified(&self) -> bool {
        self.look().is_some_and(|look| look.of.status == Status::Ok)
    }
}

/// How the users stood at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When that was.
    pub at: Timestamp,
    /// Users that were ok.
    pub ok: u64,
    /// Users that were partial.
    pub partial: u64,
    /// Users that had failed.
    pub failed: u64,
    /// Users that no run had begun with.
    pub to_come: u64,
}

/// The bringing of a mailbox of which nothing had been there.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The user.
    pub user: String,
    /// Octets written.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Sum {
    /// The sums over all users, of the latest run of each.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for user in &self.users {
            totals.add(&user.report);
        }
        totals
    }

    /// How many users are of each class, in the order of [`Class::ALL`].
    pub fn classes(&self) -> [u64; Class::ALL.len()] {
        let mut counts = [0; Class::ALL.len()];
        for user in &self.users {
            counts[self.verdict(user).class as usize] += 1;
        }
        counts
    }

    /// Whether the clients of `user` will notice the move.
    pub fn verdict(&self, user: &Standing) -> Verdict {
        let collects = user.run.and_then(|run| self.runs.get(run));
        Verdict::of(user, collects.is_some_and(|run| run.collects))
    }

    /// How long runs were at work, in seconds; time in which several were counts once.
    pub fn seconds(&self) -> f64 {
        let mut seconds = 0.0;
        let mut until = Timestamp::MIN;
        for run in &self.runs {
            let begin = run.started.max(until);
            if run.finished > begin {
                seconds += run.finished.duration_since(begin).as_secs_f64();
                until = run.finished;
            }
        }
        seconds
    }
}

#[cfg(test)]
mod tests;
