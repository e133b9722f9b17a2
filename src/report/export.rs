//! The report of an export or a plan in the making.

use std::io;

use serde::{Deserialize, Serialize};

use super::person::Lines;
use super::{Exit, Status, Tally, Totals, UserReport, json};
#[cfg(test)]
use super::{Gathered, RunReport};
use crate::problem::{Kind, Problem, Reach};
use crate::user::Outcome;

/// What is known of a run without its users.
#[derive(Debug)]
pub struct ExportReport {
    /// When it began.
    pub started: jiff::Timestamp,
    /// When it ended.
    pub finished: jiff::Timestamp,
    /// What was typed, without secrets: [`crate::config::Config::options`].
    pub options: serde_json::Value,
    /// Nothing was written: what is counted as added would be.
    pub dry_run: bool,
    /// The sums over the users so far.
    pub totals: Totals,
    ending: Ending,
    pub(super) lines: Lines,
}

/// What is put away of a user.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub(super) report: json::User,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    plan: Vec<String>,
}

impl Row {
    /// The report and the lines of the plan.
    pub(super) fn parts(self) -> io::Result<(UserReport, Vec<String>)> {
        let report = json::user(self.report).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok((report, self.plan))
    }
}

/// What decides how the process ends.
#[derive(Debug, Clone, Copy, Default)]
struct Ending {
    interrupted: bool,
    target_failed_all: bool,
    not_done: bool,
    /// Users whose Maildir failed.
    without_target: u64,
}

impl ExportReport {
    /// A run that has just `started`. For `all` users a line is told to a person, else for those not done.
    pub fn begin(
        started: jiff::Timestamp,
        options: serde_json::Value,
        dry_run: bool,
        all: bool,
    ) -> Self {
        Self {
            started,
            finished: started,
            options,
            dry_run,
            totals: Totals::default(),
            ending: Ending::default(),
            lines: Lines::new(all),
        }
    }

    /// How the process should end. Being interrupted outweighs a target that failed, and that
    /// outweighs users that are not done. A target that fails for every user is not about one Maildir.
    pub fn exit(&self) -> Exit {
        let ending = self.ending;
        let nobody_could_write =
            self.totals.users > 0 && ending.without_target == self.totals.users;
        if ending.interrupted {
            Exit::Interrupted
        } else if ending.target_failed_all || nobody_could_write {
            Exit::Target
        } else if ending.not_done {
            Exit::Some
        } else {
            Exit::Ok
        }
    }
}

impl Tally for ExportReport {
    type Of = Outcome;
    type Row = Row;

    fn take(&mut self, of: Outcome) -> (String, Status, Row) {
        let Outcome { report, plan } = of;
        let any = |is: fn(&Problem) -> bool| report.problems.iter().any(is);
        let ending = &mut self.ending;
        ending.interrupted |= any(|it| it.kind == Kind::Interrupted);
        ending.target_failed_all |= any(|it| it.kind == Kind::Target && it.reach == Reach::Run);
        ending.without_target += u64::from(any(|it| it.kind == Kind::Target));
        ending.not_done |= report.status() != Status::Ok;
        self.totals.add(&report);
        self.lines.fit(&report);
        let report = json::User::from(report);
        (
            report.name().to_owned(),
            report.status(),
            Row { report, plan },
        )
    }
}

#[cfg(test)]
impl Gathered<ExportReport> {
    /// What it was before it was read back.
    pub fn of_run(run: RunReport) -> Self {
        let of = ExportReport {
            finished: run.finished,
            ..ExportReport::begin(run.started, run.options, run.dry_run, false)
        };
        Self::of(of, run.users.into_iter().map(Outcome::without_plan))
    }
}

#[cfg(test)]
impl ExportReport {
    /// A run without users at the beginning of time.
    pub fn of_nobody() -> Self {
        let started = jiff::Timestamp::UNIX_EPOCH;
        Self::begin(started, serde_json::Value::Null, false, false)
    }
}
