//! The table of a verify, and what holds for all users together.

use std::io::{self, Write};
use std::path::Path;

use super::VerifyReport;
use crate::report::figures::{count, downloaded_again, things};
use crate::report::{Exit, Gathered};
use crate::text::printable;
use crate::verify::{Finding, Verdict};

pub(super) const HEAD: [&str; 6] = [
    "<user",
    "folders",
    "messages",
    "read",
    "differences",
    "<verdict",
];

/// So many differences of a user are shown, the rest is in `verify.csv`.
const SHOWN: usize = 20;

/// What is summed over the users.
#[derive(Debug, Default)]
pub(super) struct Sums {
    folders: u64,
    messages: u64,
    content_checked: u64,
    differences: u64,
    again_messages: u64,
    again_bytes: u64,
}

impl Sums {
    pub fn add(&mut self, user: &Finding) {
        self.folders += user.folders;
        self.messages += user.messages;
        self.content_checked += user.content_checked;
        self.differences += user.count();
        self.again_messages += user.risk.messages;
        self.again_bytes += user.risk.octets;
    }
}

impl Gathered<VerifyReport> {
    /// Writes a line for each user, the totals, and where the rest is told: in `dir`, if there is a report.
    ///
    /// # Errors
    /// Those of `out`; the results cannot be read back.
    pub fn tell(&self, dir: Option<&Path>, out: &mut dyn Write) -> io::Result<()> {
        let of = &self.tally;
        of.looks.tell(self.rows().map(|row| Ok(row?.told)), out)?;
        of.totals(out)?;
        if of.exit() == Exit::Ok {
            return Ok(());
        }
        let file = |dir: &Path, name| printable(&dir.join(name).to_string_lossy());
        match dir {
            Some(dir) => writeln!(
                out,
                "{} has a row for each difference; once it is mended, verify again with --only-failed {} and \
                 another --report",
                file(dir, "verify.csv"),
                file(dir, "verified.csv")
            ),
            None if of.all => {
                writeln!(out, "--report DIR writes all differences to DIR/verify.csv")
            }
            None => writeln!(
                out,
                "-v tells the first differences of each user, --report DIR writes all of them to DIR/verify.csv"
            ),
        }
    }
}

impl VerifyReport {
    fn totals(&self, out: &mut dyn Write) -> io::Result<()> {
        let sums = &self.sums;
        writeln!(
            out,
            "messages: {} in {}; {} were read on both sides; {}",
            count(sums.messages),
            things(sums.folders, "folder"),
            count(sums.content_checked),
            things(sums.differences, "difference")
        )?;
        let again = downloaded_again(sums.again_messages, sums.again_bytes);
        match self.looks.failed() {
            0 => writeln!(out, "{again}"),
            failed => writeln!(
                out,
                "{again}, not counting {} that could not be looked at",
                things(failed, "user")
            ),
        }
    }
}

/// What stands below the line of a user: its trouble, and with `all` its first differences.
pub(super) fn below(user: &Finding, all: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let trouble = user.trouble();
    if !trouble.is_empty() {
        lines.push(printable(&trouble));
    }
    if all {
        let shown = user.differences.iter().take(SHOWN);
        lines.extend(shown.map(ToString::to_string));
        let more = user.count().saturating_sub(SHOWN as u64);
        if more > 0 {
            lines.push(format!("and {} more", count(more)));
        }
    }
    lines
}

/// The line of a user.
pub(super) fn cells(user: &Finding) -> [String; 6] {
    [
        printable(&user.user),
        count(user.folders),
        count(user.messages),
        count(user.content_checked),
        count(user.count()),
        printable(&Verdict::of(user).to_string()),
    ]
}
