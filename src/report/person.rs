//! The result for a person: who is not done and why, and the totals.

use std::io::{self, Write};

use indicatif::BinaryBytes;

use super::figures::{count, duration, things};
use super::table::Table;
use super::{ExportReport, Gathered, Skip, Status, Totals, UserReport};
use crate::text::printable;

/// Reasons and problems told for one user; the files of `--report` hold all.
const TOLD: usize = 5;

const HEAD: [&str; 9] = [
    "<user", "<status", "folders", "messages", "added", "kept", "skipped", "size", "time",
];

/// Whose line is told, and how wide the columns are for them.
#[derive(Debug)]
pub(super) struct Lines {
    all: bool,
    told: u64,
    table: Table<9>,
}

impl Lines {
    /// Lines for each user that is not done, or for `all`.
    pub fn new(all: bool) -> Self {
        Self {
            all,
            told: 0,
            table: Table::of_none(HEAD),
        }
    }

    fn tells(&self, user: &UserReport) -> bool {
        self.all || user.status() != Status::Ok
    }

    /// Makes room for the line of `user`.
    pub fn fit(&mut self, user: &UserReport) {
        if self.tells(user) {
            self.told += 1;
            self.table.fit(&row(user));
        }
    }
}

/// Writes the plans; a line for each user that is not done (for all, when asked), what went wrong
/// with it; the totals.
///
/// # Errors
/// Those of `out`; the results cannot be read back.
pub fn tell(run: &Gathered<ExportReport>, out: &mut dyn Write) -> io::Result<()> {
    let of = &run.tally;
    if of.dry_run {
        for row in run.rows() {
            let (report, plan) = row?.parts()?;
            if !plan.is_empty() {
                writeln!(out, "{}", printable(&report.user))?;
            }
            plan.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
    }
    if of.lines.told > 0 {
        of.lines.table.head(out)?;
        for told in run.rows() {
            let (user, _) = told?.parts()?;
            if of.lines.tells(&user) {
                of.lines.table.row(out, &row(&user))?;
                reasons(out, &user)?;
            }
        }
        writeln!(out)?;
    }
    let took = of.finished.duration_since(of.started).as_secs_f64();
    totals(&of.totals, took, of.dry_run, out)
}

/// A line for each user, what went wrong with it below; an empty line after them.
pub(super) fn users(told: &[&UserReport], out: &mut dyn Write) -> io::Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let rows: Vec<[String; 9]> = told.iter().map(|user| row(user)).collect();
    let table = Table::new(HEAD, &rows);
    table.head(out)?;
    for (user, row) in told.iter().zip(&rows) {
        table.row(out, row)?;
        reasons(out, user)?;
    }
    writeln!(out)
}

fn row(user: &UserReport) -> [String; 9] {
    [
        printable(&user.user),
        user.status().word().to_owned(),
        count(user.folders),
        count(user.messages),
        count(user.added),
        count(user.kept),
        count(user.skipped()),
        BinaryBytes(user.bytes).to_string(),
        duration(user.seconds),
    ]
}

fn reasons(out: &mut dyn Write, user: &UserReport) -> io::Result<()> {
    for problem in user.problems.iter().take(TOLD) {
        writeln!(out, "    {}: {problem}", problem.kind.word())?;
    }
    if user.problems.len() > TOLD {
        let more = (user.problems.len() - TOLD) as u64;
        writeln!(out, "    and {}", things(more, "more problem"))?;
    }
    let alike = alike(&user.skips);
    for group in alike.iter().take(TOLD) {
        skipped(out, group)?;
    }
    let rest: usize = alike.iter().skip(TOLD).map(|group| group.len()).sum();
    if rest > 0 {
        writeln!(
            out,
            "    and {} (--report DIR lists them all)",
            things(rest as u64, "more message")
        )?;
    }
    for note in user.notes.iter().take(TOLD) {
        writeln!(out, "    note: {}", printable(note))?;
    }
    if user.notes.len() > TOLD {
        let more = (user.notes.len() - TOLD) as u64;
        writeln!(out, "    and {}", things(more, "more note"))?;
    }
    Ok(())
}

/// Runs of messages of one folder that were not exported for one reason.
fn alike(skips: &[Skip]) -> Vec<&[Skip]> {
    skips
        .chunk_by(|a, b| a.folder == b.folder && a.reason == b.reason)
        .collect()
}

fn skipped(out: &mut dyn Write, group: &[Skip]) -> io::Result<()> {
    let Some(first) = group.first() else {
        return Ok(());
    };
    write!(out, "    not exported: {}", printable(&first.folder))?;
    if group.len() > 1 {
        write!(out, ", {}", things(group.len() as u64, "message"))?;
    } else {
        if let Some(uid) = first.uid {
            write!(out, " UID {uid}")?;
        }
        if let Some(uidl) = &first.uidl {
            write!(out, " UIDL {}", printable(uidl))?;
        }
    }
    writeln!(out, ": {}", printable(&first.reason))
}

/// The sums, after `took` seconds.
pub(super) fn totals(
    totals: &Totals,
    took: f64,
    dry_run: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "users: {}, of these {} ok, {} partial, {} failed",
        count(totals.users),
        count(totals.ok),
        count(totals.partial),
        count(totals.failed)
    )?;
    if totals.source_deleted > 0 {
        let verb = if dry_run { "to delete" } else { "deleted" };
        let deleted = things(totals.source_deleted, "message");
        writeln!(out, "{verb} at the source: {deleted}")?;
    }
    writeln!(
        out,
        "messages: {} ({}), of these {} {}, {} kept, {} skipped; took {}",
        count(totals.messages),
        BinaryBytes(totals.bytes),
        count(totals.added),
        if dry_run { "to fetch" } else { "added" },
        count(totals.kept),
        count(totals.skipped),
        duration(took.max(0.0))
    )?;
    let changes = [
        (totals.changed, "with changed flags"),
        (totals.deleted, "deleted from the target"),
        (
            totals.left_deleted,
            "deleted on the target by their owners, and left so",
        ),
    ];
    let changes: Vec<String> = changes
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(*number)))
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "changes: {}", changes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Kind, Problem, Reach};
    use crate::user::Outcome;

    #[test]
    fn a_person_sees_who_is_not_done_and_why() {
        let partial = || {
            let mut partial = UserReport {
                folders: 12,
                messages: 1208,
                added: 1201,
                bytes: 31 << 20,
                seconds: 61.4,
                ..UserReport::new("日本@d\x1b")
            };
            for (folder, uid) in [(1, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)] {
                partial.skips.push(Skip {
                    folder: format!("A/{folder}").into(),
                    uid: Some(uid),
                    uidl: None,
                    size: None,
                    reason: "the server would not give it".into(),
                });
            }
            partial
        };
        let failed = || {
            let mut failed = UserReport::new("bob@example.com");
            failed
                .problems
                .push(Problem::new(Kind::Auth, Reach::User, "refused").with_hint("look"));
            failed
        };
        let of = |all| {
            let mut of = ExportReport::of_nobody();
            of.finished = jiff::Timestamp::from_second(3723).expect("a time");
            of.lines = Lines::new(all);
            of
        };
        let told = |all| {
            let users = [UserReport::new("fine@d"), partial(), failed()].map(Outcome::without_plan);
            let mut out = Vec::new();
            tell(&Gathered::of(of(all), users), &mut out).expect("written");
            String::from_utf8(out).expect("UTF-8")
        };
        let skips: String = (2..=5)
            .map(|folder| (folder, folder + 1))
            .map(|(folder, uid)| {
                format!("    not exported: A/{folder} UID {uid}: the server would not give it\n")
            })
            .collect();
        let want = format!(
            "user             status   folders  messages  added  kept  skipped       size   time\n\
             日本@d\\u{{1b}}     partial       12     1,208  1,201     0        7  31.00 MiB  1m01s\n    \
             not exported: A/1, 2 messages: the server would not give it\n\
             {skips}    and 1 more message (--report DIR lists them all)\n\
             bob@example.com  failed         0         0      0     0        0        0 B   0.0s\n    \
             auth: refused (hint: look)\n\
             \n\
             users: 3, of these 1 ok, 1 partial, 1 failed\n\
             messages: 1,208 (31.00 MiB), of these 1,201 added, 0 kept, 7 skipped; took 1h02m\n"
        );
        assert_eq!(told(false), want);
        assert!(told(true).contains("fine@d           ok"));
    }
}
