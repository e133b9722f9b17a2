//! Report directories made by the program's own writer, for more users than a test can export.

use std::path::{Path, PathBuf};

use mailseed::mail::FolderPath;
use mailseed::problem::{Kind, Problem, Reach};
use mailseed::report::{
    ExportReport, Gathered, Journal, ReportDir, Skip, Tally, UserReport, VerifyReport, journal,
};
use mailseed::user::Outcome;
use mailseed::verify::{Difference, Finding, What};

/// What a hostile name looks like.
pub const SCRIPT: &str = "<script>alert(1)</script>";

/// The second of the first run's beginning.
const BEGIN: i64 = 1_795_212_000;

/// Writes the report of `users` into `parent/name`; it began `hour` hours after the first one could, and
/// took so many seconds.
pub fn write(
    parent: &Path,
    name: &str,
    hour: i64,
    seconds: i64,
    users: Vec<UserReport>,
) -> PathBuf {
    let dir = parent.join(name);
    let at = |second: i64| jiff::Timestamp::from_second(BEGIN + second).expect("a time");
    let options = serde_json::json!({"dry-run": false, "pop3-collect": null});
    let mut report = ExportReport::begin(at(hour * 3600), options, false, false);
    report.finished = at(hour * 3600 + seconds);
    let place = ReportDir::prepare(&dir).expect("scratch directories are writable");
    let run = gathered(report, users.into_iter().map(Outcome::without_plan));
    place.write(&run).expect("written");
    dir
}

/// The results of users.
fn gathered<T: Tally>(report: T, users: impl ExactSizeIterator<Item = T::Of>) -> Gathered<T> {
    let head = journal::Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "export".to_owned(),
        started: jiff::Timestamp::UNIX_EPOCH,
        users: users.len(),
        shard: None,
        options: serde_json::Value::Null,
    };
    let journal = Journal::begin(None, &head).expect("a temporary file");
    let mut gathered = Gathered::new(report, journal);
    for (at, user) in users.enumerate() {
        gathered.add(at, user).expect("room");
    }
    gathered
}

/// Writes what a verify found of users 0 to 5 into `parent/verify`, `hour` hours after the first run could
/// begin: 1 differs in a hostile way, 2 could not be looked at, of the others nothing differs.
pub fn verified(parent: &Path, hour: i64) -> PathBuf {
    let dir = parent.join("verify");
    let of = |n: usize| {
        let mut finding = Finding {
            folders: 3,
            messages: 20,
            ..Finding::new(name(n))
        };
        match n {
            1 => {
                let folder = FolderPath::new(vec![SCRIPT.to_owned()]);
                finding.differences = vec![Difference {
                    servers: vec!["courier"],
                    ..Difference::new(Some(&folder), What::Keywords, SCRIPT, "Work")
                }];
                finding.counts = [(What::Keywords, 1)].into();
                finding.risk.messages = 1234;
            }
            2 => {
                let what = format!("the server said {SCRIPT}");
                finding.ended_by = Some(Problem::new(Kind::Auth, Reach::User, what));
            }
            _ => {}
        }
        finding
    };
    let report = gathered(VerifyReport::new(false), (0..6).map(of));
    let place = ReportDir::prepare(&dir).expect("scratch directories are writable");
    place.write_verify(&report).expect("written");
    let time = filetime::FileTime::from_unix_time(BEGIN + hour * 3600, 0);
    filetime::set_file_mtime(dir.join("verified.csv"), time).expect("dated");
    dir
}

/// User number `n`: one name in a hundred is hostile.
pub fn name(n: usize) -> String {
    let domain = [
        "example.com",
        "example.org",
        "post.example.net",
        "kunden.example.de",
        "Example.COM",
    ];
    match n {
        7 => format!("{SCRIPT}@example.org"),
        n if n % 100 == 50 => format!("\"o'neil\" & söhne {n}@example.net"),
        n => format!("user{n:04}@{}", domain[n * n % 5]),
    }
}

/// A number below `below` that looks random and is not.
fn some(n: usize, below: u64) -> u64 {
    let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) % below
}

/// The report of user `n` in its run number `run`: fewer have failed with each.
pub fn user(n: usize, run: usize) -> UserReport {
    let mut user = UserReport {
        folders: 3 + some(n, 15),
        // Few have much.
        messages: 20 + (some(n, 4096) >> some(n + 5, 7)),
        attempts: 1,
        ..UserReport::new(name(n))
    };
    user.bytes = user.messages * (8_000 + some(n + 7, 65_536));
    user.uidls = user.messages / 2;
    let bytes = user.bytes as f64;
    user.seconds = match run {
        0 => 0.4 + bytes / 3e6 * (1.0 + some(n + 3, 70) as f64 / 40.0),
        _ => 0.2 + some(n + 3, 20) as f64 / 10.0,
    };
    let problem = |kind, reach, what: &str| Problem::new(kind, reach, what);
    match n % 40 {
        3 if run < 2 => {
            user = UserReport {
                attempts: 1,
                seconds: 0.2,
                ..UserReport::new(name(n))
            };
            let what = "the server refused the login: authentication failed";
            user.problems.push(problem(Kind::Auth, Reach::User, what));
        }
        7 if run < 3 || n == 7 => {
            let what = format!("3 INBOX messages have no UIDL ({SCRIPT}); INBOX was not published");
            let pairing = problem(Kind::Pairing, Reach::User, &what).in_folder("INBOX");
            let way_on = "--ignore-missing-uidls exports the user all the same";
            user.problems.push(pairing.with_hint(way_on));
            skip(&mut user, 7..10, "INBOX", &format!("not reached: {what}"));
        }
        12 => {
            let dot = problem(
                Kind::Unholdable,
                Reach::Folder,
                "a dot inside a folder name",
            );
            let way_on = "use --layout fs, or give it another name with --map";
            user.problems
                .push(dot.in_folder("Old.Mail 2019").with_hint(way_on));
        }
        20 if n == 20 => skip(&mut user, 41..42, &format!("Lists/{SCRIPT}"), SCRIPT),
        20 => skip(
            &mut user,
            41..42,
            "INBOX",
            "the server would not give it: NO [SERVERBUG]",
        ),
        27 => user.uidls_missing = 2,
        33 if run < 1 => {
            let what = "the connection broke: timed out after 60 s";
            user.problems
                .push(problem(Kind::Network, Reach::User, what));
            skip(&mut user, 1..20, "INBOX", &format!("not reached: {what}"));
        }
        _ => {}
    }
    let come = user.messages - user.skipped();
    user.added = if run == 0 {
        come
    } else {
        some(n + run, 9) % (come + 1)
    };
    user.added_bytes = (user.bytes * user.added)
        .checked_div(user.messages)
        .unwrap_or(0);
    user.kept = come - user.added;
    user
}

fn skip(user: &mut UserReport, uids: std::ops::Range<u32>, folder: &str, reason: &str) {
    for uid in uids {
        user.skips.push(Skip {
            folder: folder.into(),
            uid: Some(uid),
            uidl: None,
            size: Some(1_000),
            reason: reason.to_owned().into(),
        });
    }
}
