//! The sum for a person, as text.

use std::io::{self, Write};

use indicatif::BinaryBytes;

use super::{Class, Run, Standing, Sum, rate};
use crate::report::figures::{count, duration};
use crate::report::person;
use crate::report::table::Table;
use crate::report::{Status, UserReport};
use crate::text::printable;

const RUNS: [&str; 8] = [
    "<run",
    "<began (UTC)",
    "time",
    "users",
    "ok",
    "added",
    "messages/s",
    "MiB/s",
];
const DOMAINS: [&str; 8] = [
    "<domain",
    "users",
    "transparent",
    "accepted",
    "not transparent",
    "not done",
    "messages",
    "size",
];
/// Domains and users told; `--html` and `--csv` hold all.
const TOLD: usize = 20;

/// Writes the runs, the users that are not done, the domains, and the sums.
///
/// # Errors
/// Those of `out`.
pub fn tell(sum: &Sum, out: &mut dyn Write) -> io::Result<()> {
    for note in &sum.notes {
        writeln!(out, "note: {}", printable(note))?;
    }
    let rows: Vec<_> = sum.runs.iter().map(run).collect();
    lines(RUNS, &rows, out)?;
    let users = sum.users.iter().map(|user| &user.report);
    let told: Vec<&UserReport> = users.filter(|it| it.status() != Status::Ok).collect();
    person::users(&told, out)?;
    verified(sum, out)?;
    domains(sum, out)?;
    for (class, users) in Class::ALL.iter().zip(sum.classes()) {
        if users > 0 {
            writeln!(
                out,
                "{}: {} ({})",
                class.word(),
                count(users),
                class.meaning()
            )?;
        }
    }
    if let Some(looks) = sum.looks() {
        writeln!(out, "verified: {}", looks.words())?;
    }
    person::totals(&sum.totals(), sum.seconds(), false, out)
}

fn lines<const N: usize>(
    head: [&'static str; N],
    rows: &[[String; N]],
    out: &mut dyn Write,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let table = Table::new(head, rows);
    table.head(out)?;
    for row in rows {
        table.row(out, row)?;
    }
    writeln!(out)
}

/// The users of whom a verify says what their runs do not.
fn verified(sum: &Sum, out: &mut dyn Write) -> io::Result<()> {
    let found = sum.users.iter().filter(|user| {
        let looked = user.look().is_some() && !user.is_verified();
        looked && user.report.status() == Status::Ok
    });
    let found: Vec<&Standing> = found.collect();
    for user in found.iter().take(TOLD) {
        let (name, verdict) = (printable(&user.report.user), sum.verdict(user).words);
        writeln!(out, "{name}: {}", printable(&verdict))?;
    }
    match found.len() {
        0 => return Ok(()),
        all if all > TOLD => writeln!(out, "and {} more (--html FILE shows them all)", all - TOLD)?,
        _ => {}
    }
    writeln!(out)
}

fn run(run: &Run) -> [String; 8] {
    let speed = |speed: Option<f64>| speed.map_or("-".to_owned(), rate);
    [
        printable(&run.dir.to_string_lossy()),
        moment(run.started),
        duration(run.seconds()),
        count(run.totals.users),
        count(run.totals.ok),
        count(run.totals.added),
        speed(run.messages_a_second()),
        speed(run.bytes_a_second().map(|bytes| bytes / MIB)),
    ]
}

/// Octets of a MiB.
pub(in crate::report) const MIB: f64 = 1_048_576.0;

/// A time to the minute, UTC.
pub(in crate::report) fn moment(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

fn domains(sum: &Sum, out: &mut dyn Write) -> io::Result<()> {
    let domains = sum.domains();
    if domains.len() < 2 {
        return Ok(());
    }
    let rows: Vec<_> = domains
        .iter()
        .take(TOLD)
        .map(|domain| {
            let [transparent, accepted, not, failed, waiting] = domain.classes;
            [
                match domain.name.as_str() {
                    "" => "(none)".to_owned(),
                    name => printable(name),
                },
                count(domain.totals.users),
                count(transparent),
                count(accepted),
                count(not),
                count(failed + waiting),
                count(domain.totals.messages),
                BinaryBytes(domain.totals.bytes).to_string(),
            ]
        })
        .collect();
    lines(DOMAINS, &rows, out)?;
    if domains.len() > TOLD {
        let more = domains.len() - TOLD;
        writeln!(
            out,
            "and {more} more domains (--html FILE shows them all)\n"
        )?;
    }
    Ok(())
}
