//! The table of a verify, and what holds for all users together.

use std::io::{self, Write};
use std::path::Path;

use indicatif::{BinaryBytes, HumanCount};

use super::VerifyReport;
use crate::report::looks;
use crate::report::table::Table;
use crate::report::{Exit, Status};
use crate::text::printable;
use crate::verify::{Finding, Verdict};

const HEAD: [&str; 6] = [
    "<user",
    "folders",
    "messages",
    "read",
    "differences",
    "<verdict",
];

/// So many differences of a user are shown, the rest is in `verify.csv`.
const SHOWN: usize = 20;

impl VerifyReport {
    /// Writes a line for each user (with `all` also the first differences), the totals, and where the rest is
    /// told: in `dir`, if there is a report.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn tell(&self, all: bool, dir: Option<&Path>, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<_> = self.users.iter().map(row).collect();
        let table = Table::new(HEAD, &rows);
        table.head(out)?;
        for (user, row) in self.users.iter().zip(&rows) {
            table.row(out, row)?;
            let trouble = user.trouble();
            if !trouble.is_empty() {
                writeln!(out, "    {}", printable(&trouble))?;
            }
            let shown = if all { SHOWN } else { 0 };
            for difference in user.differences.iter().take(shown) {
                writeln!(out, "    {difference}")?;
            }
            let more = user.count().saturating_sub(shown as u64);
            if all && more > 0 {
                writeln!(out, "    and {} more", count(more))?;
            }
        }
        writeln!(out)?;
        self.totals(out)?;
        if self.exit() == Exit::Ok {
            return Ok(());
        }
        match dir.map(|dir| printable(&dir.to_string_lossy())) {
            Some(dir) => writeln!(
                out,
                "{dir}/verify.csv has a row for each difference; once it is mended, verify again with \
                 --only-failed {dir}/verified.csv"
            ),
            None if all => writeln!(out, "--report DIR writes all differences to DIR/verify.csv"),
            None => writeln!(
                out,
                "-v tells the first differences of each user, --report DIR writes all of them to DIR/verify.csv"
            ),
        }
    }

    fn totals(&self, out: &mut dyn Write) -> io::Result<()> {
        let statuses: Vec<Status> = self.users.iter().map(|it| Verdict::of(it).status).collect();
        looks::tell_users(&statuses, out)?;
        let sum = |of: fn(&Finding) -> u64| self.users.iter().map(of).sum::<u64>();
        writeln!(
            out,
            "messages: {} in {} folders; {} were read on both sides; {} differences",
            count(sum(|it| it.messages)),
            count(sum(|it| it.folders)),
            count(sum(|it| it.content_checked)),
            count(sum(Finding::count))
        )?;
        writeln!(
            out,
            "POP3 clients that leave mail on the server would download {} messages ({}) again",
            count(sum(|it| it.risk.messages)),
            BinaryBytes(sum(|it| it.risk.octets))
        )
    }
}

fn row(user: &Finding) -> [String; 6] {
    [
        printable(&user.user),
        count(user.folders),
        count(user.messages),
        count(user.content_checked),
        count(user.count()),
        printable(&Verdict::of(user).to_string()),
    ]
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}
