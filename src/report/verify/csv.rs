//! `verify.csv`, a row a difference, and `verified.csv`, a row a user.

use std::io::{self, Write};

use super::{Row, VerifyReport};
use crate::problem::Problem;
use crate::report::files::defused;
use crate::report::{Gathered, ReportDir};
use crate::text::printable;
use crate::verify::{Difference, Finding, Verdict};

/// The columns of `verify.csv`: others script against them, new ones come last.
pub const VERIFY_COLUMNS: [&str; 8] = [
    "user", "folder", "uid", "uidl", "what", "old", "new", "servers",
];

/// The columns of `verified.csv`: others script against them, new ones come last.
pub const VERIFIED_COLUMNS: [&str; 11] = [
    "user",
    "status",
    "verdict",
    "folders",
    "messages",
    "content_checked",
    "differences",
    "again_messages",
    "again_bytes",
    "seconds",
    "error",
];

const DIFFERENCES: &str = "verify.csv";
const USERS: &str = "verified.csv";

impl ReportDir {
    /// Writes `verify.csv` and `verified.csv`, replacing those of an earlier run.
    ///
    /// # Errors
    /// One of them could not be written (reach Run, kind Target).
    pub fn write_verify(&self, report: &Gathered<VerifyReport>) -> Result<(), Problem> {
        self.replace(DIFFERENCES, |out| differences(report, out))
            .map_err(|error| self.not_written(DIFFERENCES, error))?;
        self.replace(USERS, |out| users(report, out))
            .map_err(|error| self.not_written(USERS, error))
    }
}

fn differences(report: &Gathered<VerifyReport>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(VERIFY_COLUMNS)?;
    for row in report.rows() {
        let Row { differences, .. } = row?;
        differences.iter().try_for_each(|it| csv.write_record(it))?;
    }
    csv.flush()
}

/// The rows of `user` in `verify.csv`.
pub(super) fn difference_rows(user: &Finding) -> Vec<[String; 8]> {
    let told = user.differences.iter();
    let mut rows: Vec<_> = told.map(|it| difference_row(user, it)).collect();
    let untold = user.count() - user.differences.len() as u64;
    if untold > 0 {
        let told = format!("{untold} more differences, which are not told one by one");
        let row = [user.user.as_str(), "", "", "", "doubt", "", &told, ""];
        rows.push(row.map(str::to_owned));
    }
    rows
}

fn difference_row(user: &Finding, difference: &Difference) -> [String; 8] {
    let folder = difference.folder.as_ref();
    [
        user.user.clone(),
        free(&folder.map_or(String::new(), ToString::to_string)),
        difference.uid.map_or(String::new(), |uid| uid.to_string()),
        free(difference.uidl.as_deref().unwrap_or_default()),
        difference.what.word().to_owned(),
        free(&difference.old),
        free(&difference.new),
        difference.servers.join(" "),
    ]
}

fn users(report: &Gathered<VerifyReport>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(VERIFIED_COLUMNS)?;
    for row in report.rows() {
        csv.write_record(row?.verified)?;
    }
    csv.flush()
}

/// The row of `user` in `verified.csv`.
pub(super) fn user_row(user: &Finding) -> [String; 11] {
    let verdict = Verdict::of(user);
    [
        // The name as it is in the user list: --only-failed looks it up there.
        user.user.clone(),
        verdict.status.word().to_owned(),
        free(&verdict.to_string()),
        user.folders.to_string(),
        user.messages.to_string(),
        user.content_checked.to_string(),
        user.count().to_string(),
        user.risk.messages.to_string(),
        user.risk.octets.to_string(),
        format!("{:.3}", user.seconds),
        free(&user.trouble()),
    ]
}

fn free(text: &str) -> String {
    let text = printable(text);
    defused(&text).into_owned()
}
