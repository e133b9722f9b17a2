//! Many users side by side, and large messages in little memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::odd_server::{OddServer, Speaks};
use crate::support::program::{self, Output};
use crate::support::report::{self, Row};
use crate::support::tree::{TempTree, hash_of_file};
use crate::support::{Layout, compare, corpus, give_to_mail_owner, on_two_cores};
use crate::throttling::Run;

/// A user list, and runs of mailseed over it.
struct Batch {
    scratch: TempTree,
    target: Target,
    source: Source,
}

impl Batch {
    fn new(source: Source) -> Self {
        Self {
            scratch: TempTree::new(),
            target: Target::new(),
            source,
        }
    }

    /// Writes the user list.
    fn list(&self, rows: impl IntoIterator<Item = String>) {
        let rows: String = rows.into_iter().collect();
        let list = self.scratch.path().join("users.csv");
        fs::write(list, format!("user,password\n{rows}")).expect("scratch is writable");
    }

    /// `mailseed export` of the list with a report of that name.
    fn run(&self, name: &str, more: &[&str]) -> (Output, PathBuf) {
        let mut command = self.target.command("export", &self.source, more);
        let report = self.scratch.path().join(name);
        command.arg("--report").arg(&report);
        let list = self.scratch.path().join("users.csv");
        command
            .arg("--users")
            .arg(list)
            .args(["--progress", "none"]);
        (program::run(command, Duration::from_secs(170)), report)
    }
}

/// The sums of each user close, and those of the run are the sums over the users.
fn assert_sums_close(report: &Path) {
    let rows = report::summary(report);
    for row in &rows {
        let parts = row.number("added") + row.number("kept") + row.number("skipped");
        assert_eq!(row.number("messages"), parts, "{row:?}");
    }
    let run = report::run_json(report);
    for column in [
        "folders", "messages", "bytes", "added", "kept", "skipped", "uidls",
    ] {
        let sum: u64 = rows.iter().map(|row| row.number(column)).sum();
        assert_eq!(run["totals"][column], sum, "{column}");
        for (row, user) in rows.iter().zip(run["users"].as_array().expect("an array")) {
            assert_eq!(user["user"], row.text("user"));
            assert_eq!(user[column], row.number(column), "{column} of {user}");
        }
    }
    for (count, status) in [("ok", "ok"), ("partial", "partial"), ("failed", "failed")] {
        let those = rows.iter().filter(|row| row.text("status") == status);
        assert_eq!(run["totals"][count], those.count(), "{count}");
    }
    assert_eq!(run["totals"]["users"], rows.len());
    let skipped = csv::Reader::from_path(report.join("skipped.csv")).expect("written");
    let skips = skipped.into_records().count() as u64;
    assert_eq!(run["totals"]["skipped"], skips);
}

fn total(rows: &[Row], column: &str) -> u64 {
    rows.iter().map(|row| row.number(column)).sum()
}

/// Two of forty users cannot log in: the others come through whole, the two are named, a second run
/// finds nothing to do, and `--only-failed` finds just those two.
#[test]
fn forty_users_at_once_and_two_that_fail() {
    const INBOX: u32 = 418;
    const EACH: u64 = 500;
    let users: Vec<String> = (1..=40)
        .map(|n| format!("user{n:02}@example.org"))
        .collect();
    let (absent, mistyped) = (&users[13], &users[26]);
    let present: Vec<(String, String)> = users
        .iter()
        .filter(|user| *user != absent)
        .map(|user| (user.clone(), format!("of {user}")))
        .collect();
    let server = Dovecot::start(DovecotOptions {
        users: present.clone(),
        ..DovecotOptions::default()
    });
    on_two_cores(&present, |(user, _)| {
        let seed = user
            .bytes()
            .fold(7, |seed, byte| (seed * 31 + u64::from(byte)) % 1_000_003);
        let corpus = corpus::simple(&server.mail_dir(user), INBOX, seed);
        assert_eq!(corpus.message_count() as u64, EACH);
    });

    let batch = Batch::new(Source::of(&server));
    batch.list(users.iter().map(|user| match user {
        _ if user == mistyped => format!("{user},of another\n"),
        _ => format!("{user},of {user}\n"),
    }));
    let (output, report) = batch.run("first", &["-j", "8"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let rows = report::summary(&report);
    let named: Vec<&str> = rows.iter().map(|row| row.text("user")).collect();
    assert_eq!(named, users.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &rows {
        let user = row.text("user");
        if user == absent || user == mistyped {
            assert_eq!(row.text("status"), "failed", "{row:?}");
            assert!(row.text("error").starts_with("auth: "), "{row:?}");
            assert_eq!(row.number("attempts"), 1, "{row:?}");
            assert_eq!(row.number("messages"), 0, "{row:?}");
            let told = output.stdout.lines().find(|line| line.starts_with(user));
            assert!(
                told.is_some_and(|line| line.contains("failed")),
                "{}",
                output.stdout
            );
        } else {
            assert_eq!(
                (row.text("status"), row.text("error")),
                ("ok", ""),
                "{row:?}"
            );
            assert_eq!(row.number("folders"), 3, "{row:?}");
            assert_eq!(
                (row.number("messages"), row.number("added")),
                (EACH, EACH),
                "{row:?}"
            );
            assert_eq!(row.number("uidls"), u64::from(INBOX), "{row:?}");
            assert!(!output.stdout.contains(user), "{}", output.stdout);
        }
    }
    assert_sums_close(&report);

    // Nothing is left to do, and nothing is touched.
    let before = batch.target.listing();
    let (output, second) = batch.run("second", &["-j", "8"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let rows = report::summary(&second);
    assert_eq!(
        (total(&rows, "added"), total(&rows, "kept")),
        (0, 38 * EACH)
    );
    assert_sums_close(&second);
    assert!(
        batch.target.listing() == before,
        "the second run changed the tree"
    );

    // One of the two has been put right.
    batch.list(users.iter().map(|user| format!("{user},of {user}\n")));
    let of_first = report.join("summary.csv").display().to_string();
    let (output, third) = batch.run("third", &["--only-failed", &of_first]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let rows = report::summary(&third);
    let done: Vec<_> = rows
        .iter()
        .map(|row| (row.text("user"), row.text("status")))
        .collect();
    let want = [(absent.as_str(), "failed"), (mistyped.as_str(), "ok")];
    assert_eq!(done, want);
    assert_eq!(
        (total(&rows, "messages"), total(&rows, "added")),
        (EACH, EACH)
    );
    assert_sums_close(&third);

    let destination = batch.target.serve(Layout::MaildirPlusPlus);
    on_two_cores(&present, |(user, password)| {
        let (before, after) = (
            views(&server, user, password),
            views(&destination, user, "any"),
        );
        assert_eq!(before.0.message_count() as u64, EACH);
        compare::assert_none(&compare::imap(&before.0, &after.0));
        compare::assert_none(&compare::pop3(&before.1, &after.1));
    });
    assert_eq!(destination.complaints(), Vec::<String>::new());
}

const LIMIT_KIB: u64 = 48_000_000 / 1024;

/// 200 messages of 1 to 25 MB, four users at once, and over POP3 alone a quarter of them (it goes
/// through all data byte by byte, which a build without optimization takes a minute for). However
/// large a message, only pieces of it are in memory.
#[test]
fn large_messages_need_little_memory() {
    const USERS: [&str; 4] = ["one", "two", "three", "four"];
    let server = Dovecot::start(DovecotOptions::with_users(
        &USERS.map(|user| (user, PASSWORD)),
    ));
    // A Maildir like the first, without its bytes once more on disk.
    let first = server.mail_dir(USERS[0]);
    let messages = corpus::large(&first, 50, 1_000_000, 25_000_000).message_count();
    for user in &USERS[1..] {
        link_tree(&first, &server.mail_dir(user));
    }
    let quarter = Dovecot::start(DovecotOptions::with_users(
        &USERS.map(|user| (user, PASSWORD)),
    ));
    let largest = (first.join("cur"), messages / 4);
    for user in USERS {
        link_largest(&largest.0, &quarter.mail_dir(user), largest.1);
    }

    for (source, each, whole) in [
        (Source::of(&server), messages, true),
        (Source::of(&quarter).pop3_only(), largest.1, false),
    ] {
        let batch = Batch::new(source);
        batch.list(USERS.iter().map(|user| format!("{user},\n")));
        let (output, report) = batch.run("report", &["-j", "4"]);
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
        let rows = report::summary(&report);
        assert_eq!(total(&rows, "added"), (4 * each) as u64);
        assert!(total(&rows, "bytes") > (4 * each) as u64 * 10_000_000);
        assert!(
            output.peak_rss_kib > 1000 && output.peak_rss_kib < LIMIT_KIB,
            "{} KiB",
            output.peak_rss_kib
        );
        // One mailbox to the byte, the others by their sizes: they are the same.
        for user in USERS {
            let cur = batch.target.maildir(user).join("cur");
            let sizes = sorted(&cur, |path| fs::metadata(path).expect("listed").len());
            let mut want = sorted(&largest.0, |path| fs::metadata(path).expect("listed").len());
            want.drain(..want.len() - each);
            if !whole {
                // The messages end without a line end, which RETR cannot show.
                want.iter_mut().for_each(|size| *size += 1);
            }
            assert_eq!(sizes, want, "{user}");
        }
        if whole {
            let cur = batch.target.maildir(USERS[3]).join("cur");
            let hash = |path: &Path| *hash_of_file(path).as_bytes();
            assert_eq!(sorted(&cur, hash), sorted(&largest.0, hash));
        }
    }
}

/// A message more in a folder costs little memory, whether it is new, known or beside what has changed:
/// a folder of a million has to fit (40 MB and 100 bytes a message). Held against a small folder, so
/// that it does not matter what a debug build needs for itself.
#[test]
fn a_message_of_a_large_folder_needs_few_bytes() {
    const FEW: u32 = 1_000;
    const MANY: u32 = 41_000;
    /// Before names were kept in little room it was from 300 to 1,000.
    const LIMIT: u64 = 200;
    let users = [("few", PASSWORD), ("many", PASSWORD)];
    let server = Dovecot::start(DovecotOptions::with_users(&users));
    for (user, count) in [("few", FEW), ("many", MANY)] {
        make_links(&server.mail_dir(user), count);
    }
    let target = Target::new();
    let source = Source::of(&server).imap_only();
    for run in [
        "the first run",
        "one that changes nothing",
        "a small change",
    ] {
        let [few, many] = ["few", "many"].map(|user| {
            if run == "a small change" {
                let one = ["mailbox", "INBOX", "uid"];
                server.doveadm(&[&["expunge", "-u", user], &one[..], &["7"]].concat());
                let flagged = ["flags", "add", "-u", user, "\\Flagged"];
                server.doveadm(&[&flagged, &one[..], &["9"]].concat());
                let copied = ["copy", "-u", user, "INBOX"];
                server.doveadm(&[&copied, &one[..], &["11"]].concat());
            }
            target.export_ok(&source, user, &[]).peak_rss_kib
        });
        let bytes = many.saturating_sub(few) * 1024 / u64::from(MANY - FEW);
        assert!(
            few > 1000 && bytes < LIMIT,
            "{run}: {bytes} bytes a message"
        );
    }
}

/// An INBOX of `count` messages that are links to one.
fn make_links(maildir: &Path, count: u32) {
    for directory in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(directory)).expect("it is new");
    }
    let name = |n: u32| maildir.join(format!("cur/{}.M{n}.old:2,S", 1_700_000_000 + n));
    fs::write(name(0), "Subject: one of many\n\ntext\n").expect("it is new");
    for n in 1..count {
        fs::hard_link(name(0), name(n)).expect("one file system");
    }
    give_to_mail_owner(maildir);
}

fn sorted<T: Ord>(directory: &Path, of: impl Fn(&Path) -> T) -> Vec<T> {
    let entries = fs::read_dir(directory).expect("it was written");
    let mut all: Vec<T> = entries
        .map(|entry| of(&entry.expect("it stands still").path()))
        .collect();
    all.sort();
    all
}

/// `to` as a copy of `from` in which the messages are links.
fn link_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("it stands still");
        let below = entry
            .path()
            .strip_prefix(from)
            .expect("walkdir stays below its root");
        let copy = to.join(below);
        if entry.file_type().is_dir() {
            fs::create_dir(&copy).expect("it is new");
        } else if below.starts_with("cur") {
            fs::hard_link(entry.path(), &copy).expect("one file system");
        } else {
            fs::copy(entry.path(), &copy).expect("one file system");
        }
    }
    give_to_mail_owner(to);
}

/// `to` as a Maildir of which only INBOX is there, with the `count` largest of the files in `cur`.
fn link_largest(cur: &Path, to: &Path, count: usize) {
    for directory in ["cur", "new", "tmp"] {
        fs::create_dir_all(to.join(directory)).expect("it is new");
    }
    let mut files = sorted(cur, |path| {
        (fs::metadata(path).expect("listed").len(), path.to_owned())
    });
    for (_, file) in files.drain(files.len() - count..) {
        let name = file.file_name().expect("a file has a name");
        fs::hard_link(&file, to.join("cur").join(name)).expect("one file system");
    }
    give_to_mail_owner(to);
}

/// Each of its messages has a row in the reports, and they share the names that are the same.
#[test]
fn a_large_folder_that_has_no_room_is_told_of_in_little_memory() {
    const MESSAGES: u32 = 100_000;
    let numbered = (1..=MESSAGES).map(|uid| (uid, b"Subject: small\r\n\r\nIt is.\r\n".to_vec()));
    let server = OddServer::start(Speaks::Imap, numbered.collect(), None);
    let mut run = Run::new();
    run.add("ann", &server);
    let output = run.command("export", &["--min-free", "1000000T"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let row = &run.rows()[0];
    assert_eq!(row.number("skipped"), u64::from(MESSAGES));
    eprintln!("{} KiB", output.peak_rss_kib);
    assert!(
        (1 << 10..50 << 10).contains(&output.peak_rss_kib),
        "{} KiB",
        output.peak_rss_kib
    );
}
