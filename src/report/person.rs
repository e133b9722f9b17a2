//! The result for a person: who is not done and why, and the totals.

use std::io::{self, Write};

use indicatif::{BinaryBytes, HumanCount};

use super::table::Table;
use super::{RunReport, Skip, Status, Totals, UserReport};
use crate::text::printable;

/// Reasons and problems told for one user; the files of `--report` hold all.
const TOLD: usize = 5;

const HEAD: [&str; 9] = [
    "<user", "<status", "folders", "messages", "added", "kept", "skipped", "size", "time",
];

/// Writes a line for each user that is not done (for `all` users, when asked), what went wrong
/// with it, and the totals.
///
/// # Errors
/// Those of `out`.
pub fn tell(run: &RunReport, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let told: Vec<&UserReport> = run
        .users
        .iter()
        .filter(|user| all || user.status() != Status::Ok)
        .collect();
    users(&told, out)?;
    let took = run.finished.duration_since(run.started).as_secs_f64();
    totals(&run.totals(), took, run.dry_run, out)
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
    let count = |number: u64| HumanCount(number).to_string();
    [
        printable(&user.user),
        user.status().word().to_owned(),
        count(user.folders),
        count(user.messages),
        count(user.added),
        count(user.kept),
        count(user.skipped),
        BinaryBytes(user.bytes).to_string(),
        duration(user.seconds),
    ]
}

fn reasons(out: &mut dyn Write, user: &UserReport) -> io::Result<()> {
    for problem in user.problems.iter().take(TOLD) {
        writeln!(out, "    {}: {problem}", problem.kind.word())?;
    }
    if user.problems.len() > TOLD {
        writeln!(out, "    and {} more problems", user.problems.len() - TOLD)?;
    }
    let alike = alike(&user.skips);
    for group in alike.iter().take(TOLD) {
        skipped(out, group)?;
    }
    let rest: usize = alike.iter().skip(TOLD).map(|group| group.len()).sum();
    if rest > 0 {
        writeln!(
            out,
            "    and {rest} more messages (--report DIR lists them all)"
        )?;
    }
    for note in user.notes.iter().take(TOLD) {
        writeln!(out, "    note: {}", printable(note))?;
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
        write!(out, ", {} messages", HumanCount(group.len() as u64))?;
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
    let count = |number: u64| HumanCount(number).to_string();
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
        let deleted = count(totals.source_deleted);
        writeln!(out, "{verb} at the source: {deleted} messages")?;
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
        (totals.left_deleted, "deleted there by their owners"),
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

/// A duration with as much detail as it deserves.
pub(super) fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and is for the eye"
    )]
    let whole = seconds.round() as u64;
    if seconds < 59.95 {
        format!("{seconds:.1}s")
    } else if whole < 3600 {
        format!("{}m{:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h{:02}m", whole / 3600, whole % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Kind, Problem, Reach};

    #[test]
    fn a_person_sees_who_is_not_done_and_why() {
        let mut partial = UserReport {
            folders: 12,
            messages: 1208,
            added: 1201,
            bytes: 31 << 20,
            seconds: 61.4,
            ..UserReport::new("日本@d\x1b")
        };
        for (folder, uid) in [(1, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)] {
            partial.skip(Skip {
                folder: format!("A/{folder}"),
                uid: Some(uid),
                uidl: None,
                size: None,
                reason: "the server would not give it".into(),
            });
        }
        let mut failed = UserReport::new("bob@example.com");
        failed
            .problems
            .push(Problem::new(Kind::Auth, Reach::User, "refused").with_hint("look"));
        let run = RunReport {
            users: vec![UserReport::new("fine@d"), partial, failed],
            started: jiff::Timestamp::UNIX_EPOCH,
            finished: jiff::Timestamp::from_second(3723).expect("a time"),
            options: serde_json::Value::Null,
            dry_run: false,
        };
        let mut out = Vec::new();
        tell(&run, false, &mut out).expect("written");
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
             {skips}    and 1 more messages (--report DIR lists them all)\n\
             bob@example.com  failed         0         0      0     0        0        0 B   0.0s\n    \
             auth: refused (hint: look)\n\
             \n\
             users: 3, of these 1 ok, 1 partial, 1 failed\n\
             messages: 1,208 (31.00 MiB), of these 1,201 added, 0 kept, 7 skipped; took 1h02m\n"
        );
        assert_eq!(String::from_utf8(out).expect("UTF-8"), want);
        let mut out = Vec::new();
        tell(&run, true, &mut out).expect("written");
        assert!(String::from_utf8(out).is_ok_and(|text| text.contains("fine@d           ok")));
    }

    #[test]
    fn durations() {
        for (seconds, want) in [
            (0.0, "0.0s"),
            (59.94, "59.9s"),
            (59.96, "1m00s"),
            (3599.4, "59m59s"),
            (3599.6, "1h00m"),
            (360_000.0, "100h00m"),
        ] {
            assert_eq!(duration(seconds), want);
        }
    }
}
