//! The sum as CSV: a row a user, with the columns of `summary.csv` and some more.

use std::io::{self, Write};

use super::Sum;
use crate::report::files::{SUMMARY_COLUMNS, defused, summary_fields};
use crate::text::printable;

/// The columns that follow those of `summary.csv`: others script against them, new ones come last.
pub const MORE_COLUMNS: [&str; 10] = [
    "class",
    "verdict",
    "differences",
    "runs",
    "started",
    "report",
    "verified",
    "verify_verdict",
    "again_messages",
    "again_bytes",
];

/// Writes the sum. Like `summary.csv` it is itself a user list for `--only-failed`, which goes by the class too: a
/// user whose run is `ok` may have differences that a verify found. Whoever nothing has begun with is `failed`.
///
/// # Errors
/// Those of `out`.
pub fn write(sum: &Sum, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(SUMMARY_COLUMNS.iter().chain(&MORE_COLUMNS))?;
    for user in &sum.users {
        let verdict = sum.verdict(user);
        let run = user.run.and_then(|run| sum.runs.get(run));
        summary_fields(&mut csv, &user.report)?;
        csv.write_field(verdict.class.word())?;
        csv.write_field(defused(&printable(&verdict.words)).as_ref())?;
        let look = user.look().map(|look| &look.of);
        csv.write_field(look.map_or(0, |it| it.differences).to_string())?;
        csv.write_field(user.runs.to_string())?;
        csv.write_field(run.map_or(String::new(), |run| run.started.to_string()))?;
        let dir = run.map_or(String::new(), |run| printable(&run.dir.to_string_lossy()));
        csv.write_field(defused(&dir).as_ref())?;
        let status = match &user.verified {
            Some(look) if look.is_outdated => "outdated",
            Some(look) => look.of.status.word(),
            None => "",
        };
        csv.write_field(status)?;
        let verdict = look.map_or("", |it| &it.verdict);
        csv.write_field(defused(&printable(verdict)).as_ref())?;
        let number = |number: Option<u64>| number.map_or(String::new(), |it| it.to_string());
        csv.write_field(number(look.map(|it| it.again_messages)))?;
        csv.write_field(number(look.map(|it| it.again_bytes)))?;
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}
