//! Very many users with little mail each, by one process: it takes no more for the last than for the first;
//! killed in the middle it is finished by a second run, and the report says what is left until then.
//!
//! `scripts/test` does it with few users; `scripts/many` sets how many.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::migration::{Source, Target};
use crate::support::corpus;
use crate::support::course::{Course, watched};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::program;
use crate::support::report::summary;
use crate::support::tree::TempTree;

const JOBS: u64 = 8;
/// How often it is looked what the program takes.
const SAMPLED: Duration = Duration::from_millis(200);
/// Messages of each user.
const EACH: usize = 5;
/// Memory of the program with users at work, in KiB, generously: what a short run is held to, which has no
/// beginning to compare with.
const AT_WORK: u64 = 48 * 1024;
/// Likewise its open files: those of a user at work, and others.
const FILES: u64 = 24 * JOBS + 40;
/// What the program remembers of a user, in bytes: its place in the list and in the journal, its hash, its name and
/// its size for the order.
const BYTES_A_USER: u64 = 100;

#[test]
fn many_users_take_no_more_than_few_and_a_kill_costs_only_time() {
    let count =
        std::env::var("MAILSEED_MANY_USERS").map_or(60, |text| text.parse().expect("a number"));
    let users: Vec<String> = (0..count).map(|number| format!("u{number:06}")).collect();
    let server = Dovecot::start(DovecotOptions {
        any_password: true,
        ..DovecotOptions::default()
    });
    for user in &users {
        let names = (0..EACH).map(|at| format!("13000000{at:02}.M{at}.old:2,S"));
        let names: Vec<String> = names.collect();
        let texts: Vec<String> = (0..EACH)
            .map(|at| {
                format!(
                    "From: {user}@a.example\nSubject: {user} {at}\n\n{}\n",
                    "x".repeat(at * 100)
                )
            })
            .collect();
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .zip(&texts)
            .map(|(name, text)| (name.as_str(), text.as_bytes()))
            .collect();
        corpus::bare(&server.mail_dir(user), &files);
    }
    let scratch = TempTree::new();
    let list = scratch.path().join("users.csv");
    let rows: String = users.iter().map(|user| format!("{user},pw\n")).collect();
    fs::write(&list, format!("user,password\n{rows}")).expect("it is ours");
    fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let (list, jobs) = (list.display().to_string(), JOBS.to_string());
    let target = Target::new();
    let source = Source::of(&server);
    let command = |command: &str, report: &Path, more: &[&str]| {
        let mut command = target.command(command, &source, more);
        command.env_remove("MAILSEED_PASSWORD");
        command
            .args(["--users", &list, "-j", &jobs, "--report"])
            .arg(report);
        command
    };
    let log = scratch.path().join("log");

    // Killed when half of the users are done.
    let killed = scratch.path().join("killed");
    let export = command("export", &killed, &["--fsync", "never"]);
    let at_half = |child: &mut Child| {
        let journal = fs::read_to_string(killed.join("journal.jsonl")).unwrap_or_default();
        let done = journal.lines().filter(|line| line.contains("\"status\":"));
        if done.count() * 2 >= users.len() {
            child.kill().expect("the child is ours");
        }
    };
    // Looked for so often that few can have come to their end in between, however fast the machine is.
    let first = watched(export, &log, (Duration::from_millis(10), at_half));
    assert_eq!(
        first.code,
        None,
        "{}",
        fs::read_to_string(&log).unwrap_or_default()
    );
    let mut report = program::mailseed_command();
    report.arg("report").arg(&killed).args(["--csv", "-"]);
    let report = program::run(report, Duration::from_secs(300));
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    let left = report
        .stdout
        .lines()
        .filter(|row| row.contains("left:"))
        .count();
    assert_eq!(
        report.stdout.lines().count(),
        1 + users.len(),
        "who is left is named, too"
    );
    assert!(
        left > 0 && left * 2 <= users.len(),
        "{left} of {} are left",
        users.len()
    );

    let whole = scratch.path().join("whole");
    let second = watched(
        command("export", &whole, &["--fsync", "never"]),
        &log,
        (SAMPLED, |_| ()),
    );
    assert_eq!(
        second.code,
        Some(0),
        "{}",
        fs::read_to_string(&log).unwrap_or_default()
    );
    let rows = summary(&whole);
    assert_eq!(rows.len(), users.len());
    for (row, user) in rows.iter().zip(&users) {
        assert_eq!(
            (row.text("user"), row.text("status")),
            (user.as_str(), "ok")
        );
        assert_eq!(
            row.number("added") + row.number("kept"),
            EACH as u64,
            "{user}"
        );
        assert_eq!(row.number("uidls"), EACH as u64, "{user}");
    }
    let proof = scratch.path().join("proof");
    let third = watched(
        command("verify", &proof, &["--content", "all"]),
        &log,
        (SAMPLED, |_| ()),
    );
    assert_eq!(
        third.code,
        Some(0),
        "{}",
        fs::read_to_string(&log).unwrap_or_default()
    );

    eprintln!("{count} users of {EACH} messages, {left} left after the kill");
    for (name, course) in [
        ("export, killed", &first),
        ("export", &second),
        ("verify", &third),
    ] {
        tell(name, course);
        let (first, last) = course.ends();
        // The allocator keeps some of what users at work have had.
        let more = 2 * 1024 + BYTES_A_USER * users.len() as u64 / 1024;
        assert!(
            last.rss_kib <= first.rss_kib.max(AT_WORK) + more,
            "{name}: {first:?} {last:?}"
        );
        assert!(
            last.files <= first.files.max(FILES),
            "{name}: {first:?} {last:?}"
        );
        assert!(
            last.threads <= first.threads.max(8 * JOBS),
            "{name}: {first:?} {last:?}"
        );
    }
}

fn tell(name: &str, course: &Course) {
    let (first, last) = course.ends();
    eprintln!(
        "{name}: {:.0} s; first tenth {} KiB, {} files, {} threads; last tenth {} KiB, {} files, {} threads",
        course.seconds,
        first.rss_kib,
        first.files,
        first.threads,
        last.rss_kib,
        last.files,
        last.threads
    );
}
