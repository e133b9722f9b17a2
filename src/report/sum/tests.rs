use super::*;
use crate::problem::{Kind, Problem, Reach};
use crate::report::read::{Found, Rows, Verified};
use crate::report::{RunReport, Skip, Status};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ok(name: &str, messages: u64) -> UserReport {
    UserReport {
        messages,
        bytes: messages * 1000,
        added: messages,
        added_bytes: messages * 1000,
        uidls: messages,
        seconds: 2.0,
        ..UserReport::new(name)
    }
}

fn failed(name: &str) -> UserReport {
    let mut user = UserReport::new(name);
    let problem = Problem::new(Kind::Auth, Reach::User, "no");
    user.problems.push(problem);
    user
}

fn partial(name: &str, messages: u64) -> UserReport {
    let mut user = ok(name, messages);
    user.added -= 1;
    user.added_bytes -= 10;
    user.skips.push(Skip {
        folder: "A".into(),
        uid: Some(7),
        uidl: None,
        size: Some(10),
        reason: "it is too large".into(),
    });
    user
}

fn run(dir: &str, started: i64, finished: i64, users: Vec<UserReport>) -> Found {
    Found {
        dir: dir.into(),
        cut: None,
        run: Some(RunReport {
            users,
            started: at(started),
            finished: at(finished),
            options: serde_json::json!({"pop3-collect": null}),
            dry_run: false,
        }),
        check: None,
        verify: None,
    }
}

fn difference(user: &str, what: &str) -> Difference {
    Difference {
        user: user.to_owned(),
        folder: "INBOX".to_owned(),
        uid: "7".to_owned(),
        uidl: String::new(),
        what: what.to_owned(),
        old: "a".to_owned(),
        new: "b".to_owned(),
        servers: String::new(),
    }
}

/// A verify that found `rows` of one user.
fn verify(written: i64, user: &str, verdict: &str, rows: Vec<Difference>) -> Found {
    let of = VerifiedUser {
        user: user.to_owned(),
        status: match (verdict, rows.len()) {
            ("transparent", 0) => Status::Ok,
            (_, 0) => Status::Failed,
            _ => Status::Partial,
        },
        verdict: verdict.to_owned(),
        folders: 2,
        messages: 5,
        differences: rows.len() as u64,
        again_messages: 1,
        again_bytes: 1000,
        error: match (verdict, rows.len()) {
            ("transparent", _) | (_, 1..) => String::new(),
            _ => "auth: no".to_owned(),
        },
    };
    Found {
        dir: "v".into(),
        run: None,
        cut: None,
        check: None,
        verify: Some(Verified {
            written: at(written),
            users: vec![(of, rows)],
        }),
    }
}

fn standing(sum: &Sum) -> Vec<(&str, &str, u32)> {
    let users = sum.users.iter();
    users
        .map(|it| (it.report.user.as_str(), it.report.status().word(), it.runs))
        .collect()
}

#[test]
fn shards_sum_to_what_one_run_has() {
    let users = || vec![ok("a@x", 5), failed("b@x"), partial("c@y", 9), ok("d@X", 1)];
    let whole = Sum::of(vec![run("r", 0, 100, users())]).unwrap();
    let mut halves = users();
    let other = halves.split_off(2);
    // In whatever order they are named.
    let shards = [run("2", 10, 90, other), run("1", 0, 100, halves)];
    let shards = Sum::of(shards.into()).unwrap();
    assert_eq!(shards.totals(), whole.totals());
    assert_eq!(shards.classes(), whole.classes());
    assert_eq!(shards.classes(), [2, 0, 1, 1, 0]);
    let domains = |sum: &Sum| -> Vec<_> {
        let domains = sum.domains().into_iter();
        domains.map(|it| (it.name, it.totals, it.classes)).collect()
    };
    assert_eq!(domains(&shards), domains(&whole));
    let users = domains(&whole).into_iter().map(|it| (it.0, it.1.users));
    assert_eq!(
        users.collect::<Vec<_>>(),
        [("x".to_owned(), 3), ("y".to_owned(), 1)]
    );
    assert_eq!(shards.troubles().len(), whole.troubles().len());
    assert_eq!(shards.progress.last(), whole.progress.last());
    assert_eq!((shards.seconds(), whole.seconds()), (100.0, 100.0));
    assert_eq!(shards.notes, [""; 0]);
}

#[test]
fn the_latest_run_of_a_user_counts() {
    let first = run("1", 0, 50, vec![ok("a", 5), failed("b"), failed("c")]);
    let again = run("2", 100, 150, vec![ok("b", 3), failed("c")]);
    let last = run("3", 200, 250, vec![partial("a", 6)]);
    let sum = Sum::of(vec![last, first, again]).unwrap();
    assert_eq!(
        standing(&sum),
        [("a", "partial", 2), ("b", "ok", 2), ("c", "failed", 2)]
    );
    let points = sum.progress.iter();
    let points: Vec<_> = points
        .map(|it| (it.ok, it.partial, it.failed, it.to_come))
        .collect();
    assert_eq!(points, [(1, 0, 2, 0), (2, 0, 1, 0), (1, 1, 1, 0)]);
    assert_eq!(sum.seconds(), 150.0);
    // Each row in the sums is one of the latest.
    assert_eq!(sum.totals().messages, 9);
    assert_eq!(sum.runs.iter().map(|it| it.totals.added).sum::<u64>(), 13);
}

#[test]
fn a_long_run_that_ends_late_does_not_undo_a_later_one() {
    let long = run("long", 0, 1000, vec![failed("a"), ok("b", 1)]);
    let short = run("short", 500, 600, vec![ok("a", 5)]);
    let sum = Sum::of(vec![long, short]).unwrap();
    assert_eq!(standing(&sum)[0], ("a", "ok", 2));
    let points: Vec<_> = sum
        .progress
        .iter()
        .map(|it| (it.ok, it.failed, it.to_come))
        .collect();
    assert_eq!(points, [(1, 0, 1), (2, 0, 0)]);
    assert_eq!(sum.notes.len(), 1);
    assert!(sum.notes[0].starts_with("1 users are in two runs at the same time (the first is a)"));
    assert_eq!(sum.seconds(), 1000.0);
}

#[test]
fn one_run_twice_and_dry_runs_are_no_sum() {
    let same = || run("d", 0, 10, vec![ok("a", 1)]);
    let problems = Sum::of(vec![same(), same()]).unwrap_err();
    assert!(
        problems[0]
            .to_string()
            .contains("are of one run: both have user \"a\"")
    );
    // Shards that began and ended in one second are two.
    let other = run("e", 0, 10, vec![ok("b", 1)]);
    assert_eq!(Sum::of(vec![same(), other]).unwrap().totals().users, 2);

    let dry = || {
        let mut found = same();
        let run = found.run.iter_mut();
        run.for_each(|run| run.dry_run = true);
        found
    };
    let problems = Sum::of(vec![dry()]).unwrap_err();
    assert!(problems[0].to_string().contains("d is of a dry run"));
    let sum = Sum::of(vec![dry(), run("e", 0, 10, vec![failed("a")])]).unwrap();
    assert_eq!(standing(&sum), [("a", "failed", 1)]);
    assert_eq!(sum.notes.len(), 1);
}

#[test]
fn every_user_has_one_verdict() {
    let of = |user: UserReport| run("r", 0, 10, vec![user]);
    let lost = UserReport {
        uidls_missing: 2,
        uidls_extra: 1,
        ..ok("a", 5)
    };
    let elsewhere = || UserReport {
        uidls_elsewhere: 4,
        ..ok("a", 5)
    };
    let mut collected = of(elsewhere());
    if let Some(run) = &mut collected.run {
        run.options = serde_json::json!({"pop3-collect": "inbox"});
    }
    let mut broken = partial("a", 5);
    let problem = Problem::new(Kind::Unholdable, Reach::Folder, "a dot");
    broken
        .problems
        .push(problem.in_folder("A.B").with_hint("h"));
    let check = Found {
        dir: "c".into(),
        run: None,
        cut: None,
        check: Some(Rows {
            written: at(5),
            rows: vec![Checked {
                user: "a".to_owned(),
                status: Status::Partial,
                verdict: "not transparent: because x".to_owned(),
            }],
        }),
        verify: None,
    };
    let two = || {
        vec![
            difference("a", "flags"),
            difference("a", "flags"),
            difference("a", "uidl"),
        ]
    };
    let why = "not transparent because 2 flags, 1 uidl";
    let cases: Vec<(Vec<Found>, Class, &str)> = vec![
        (vec![of(ok("a", 5))], Class::Transparent, "transparent"),
        (
            vec![of(UserReport {
                uidls: 0,
                ..ok("a", 5)
            })],
            Class::Transparent,
            "transparent (no UIDLs)",
        ),
        (
            vec![of(lost)],
            Class::Accepted,
            "transparent, but for what is accepted: 2 messages of INBOX have no UIDL (and 1 more)",
        ),
        (
            vec![of(elsewhere())],
            Class::Accepted,
            "transparent, but for what is accepted: 4 UIDLs are of messages in other folders, \
             which POP3 will not show",
        ),
        (vec![collected], Class::Transparent, "transparent"),
        // What --unholdable report lets pass.
        (
            vec![of(UserReport {
                uidls_unholdable: 2,
                order_breaks: 1,
                ..ok("a", 5)
            })],
            Class::Accepted,
            "transparent, but for what is accepted: 2 UIDLs cannot be held by a server of the target \
             (and 1 more)",
        ),
        (
            vec![of(partial("a", 5))],
            Class::NotTransparent,
            "not transparent: because 1 messages are skipped",
        ),
        (
            vec![of(broken)],
            Class::NotTransparent,
            "not transparent: because unholdable: folder A.B: a dot (and 1 more)",
        ),
        (
            vec![of(failed("a"))],
            Class::NotDone,
            "not done: because auth: no",
        ),
        (
            vec![of(ok("a", 5)), verify(20, "a", why, two())],
            Class::NotTransparent,
            "not transparent: because verify finds 3 differences: 2 flags, 1 uidl",
        ),
        // The run may have mended them.
        (
            vec![of(ok("a", 5)), verify(9, "a", why, two())],
            Class::Transparent,
            "transparent",
        ),
        // A later verify counts, whatever an earlier one has found.
        (
            vec![
                of(ok("a", 5)),
                verify(30, "a", "transparent", vec![]),
                verify(20, "a", why, two()),
            ],
            Class::Transparent,
            "transparent, verified",
        ),
        (
            vec![
                of(ok("a", 5)),
                verify(20, "a", "not transparent because the login fails", vec![]),
            ],
            Class::NotTransparent,
            "not transparent: because verify: auth: no",
        ),
        (
            vec![of(failed("a")), verify(20, "a", "transparent", vec![])],
            Class::NotDone,
            "not done: because auth: no",
        ),
        // Whose run is not told of.
        (
            vec![verify(20, "a", "transparent", vec![])],
            Class::Transparent,
            "transparent, verified",
        ),
        (
            vec![verify(20, "a", why, two())],
            Class::NotTransparent,
            "not transparent: because verify finds 3 differences: 2 flags, 1 uidl",
        ),
        (
            vec![check],
            Class::NotExported,
            "not exported yet; check: not transparent: because x",
        ),
    ];
    for (found, class, words) in cases {
        let sum = Sum::of(found).unwrap();
        assert_eq!(sum.users.len(), 1);
        let verdict = sum.verdict(&sum.users[0]);
        assert_eq!((verdict.class, verdict.words.as_str()), (class, words));
        assert_eq!(sum.classes()[class as usize], 1);
        assert_eq!(sum.classes().iter().sum::<u64>(), 1);
    }
}

#[test]
fn octets_that_were_written_are_told_where_a_report_tells_them() {
    let kept = UserReport {
        kept: 1,
        messages: 6,
        ..ok("d", 5)
    };
    let users = vec![ok("a", 5), partial("b", 5), failed("c"), kept];
    let sum = Sum::of(vec![run("r", 0, 10, users)]).unwrap();
    assert_eq!(sum.runs[0].bytes_a_second(), Some(1499.0));
    assert_eq!(sum.runs[0].messages_a_second(), Some(1.4));
    let loads = sum.loads.iter();
    let loads: Vec<_> = loads.map(|it| (it.user.as_str(), it.bytes)).collect();
    assert_eq!(loads, [("a", 5000), ("b", 4990)]);
    let untold = UserReport {
        added_bytes: 0,
        ..ok("a", 5)
    };
    let sum = Sum::of(vec![run("r", 0, 10, vec![untold])]).unwrap();
    assert_eq!(sum.runs[0].bytes_a_second(), None);
    let sum = Sum::of(vec![run("r", 0, 10, vec![failed("a")])]).unwrap();
    assert_eq!(sum.runs[0].bytes_a_second(), Some(0.0));
}

#[test]
fn users_of_one_trouble_are_together_with_the_way_on() {
    let pairing = |name: &str| {
        let mut user = ok(name, 3);
        user.added = 0;
        let problem = Problem::new(Kind::Pairing, Reach::User, "3 left").with_hint("--ignore-it");
        user.problems.push(problem);
        for uid in 1..=3 {
            user.skips.push(Skip {
                folder: "INBOX".into(),
                uid: Some(uid),
                uidl: None,
                size: None,
                reason: "not reached: 3 left".into(),
            });
        }
        user
    };
    let users = vec![
        failed("a"),
        pairing("b"),
        pairing("c"),
        partial("d", 2),
        ok("e", 1),
    ];
    let sum = Sum::of(vec![run("r", 0, 10, users)]).unwrap();
    let troubles = sum.troubles();
    let told: Vec<_> = troubles
        .iter()
        .map(|it| (it.what.as_str(), it.users.as_slice(), it.example.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("UIDLs in doubt", &[1, 2][..], "pairing: 3 left"),
            ("login refused", &[0], "auth: no"),
            ("messages skipped: it is too large", &[3], "A, UID 7"),
        ]
    );
    assert_eq!(troubles[0].advice, "--ignore-it");
    assert!(
        troubles[1]
            .advice
            .starts_with("Check login name and password")
    );
}

#[test]
fn the_csv_is_a_summary_with_more_columns() {
    let users = vec![ok("=a", 5), failed("b"), partial("c", 2)];
    let why = "not transparent because 1 flags";
    let sum = Sum::of(vec![
        run("-d", 0, 10, users),
        verify(20, "=a", why, vec![difference("=a", "flags")]),
        verify(20, "new", why, vec![difference("new", "flags")]),
        verify(5, "c", "transparent", vec![]),
    ]);
    let mut out = Vec::new();
    csv::write(&sum.unwrap(), &mut out).unwrap();
    let rows: Vec<String> = String::from_utf8(out.clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(rows[0].starts_with("user,status,folders,"));
    let columns = ",source_deleted,added_bytes,class,verdict,differences,runs,started,report,verified,\
                   verify_verdict,again_messages,again_bytes";
    assert!(rows[0].ends_with(columns), "{}", rows[0]);
    assert_eq!(
        rows[1],
        "=a,ok,0,5,5000,5,0,0,0,0,5,0,0,0,2.000,0,,0,0,0,5000,not transparent,not transparent: \
         because verify finds 1 difference: 1 flags,1,1,1970-01-01T00:00:00Z,'-d,partial,not transparent \
         because 1 flags,1,1000"
    );
    assert!(rows[2].ends_with(",'-d,,,,"), "{}", rows[2]);
    assert!(rows[3].ends_with(",'-d,outdated,,,"), "{}", rows[3]);
    let new = ",1,0,,,partial,not transparent because 1 flags,1,1000";
    assert!(
        rows[4].starts_with("new,failed,") && rows[4].ends_with(new),
        "{}",
        rows[4]
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), out).unwrap();
    let failed = crate::userlist::failed_users(file.path()).unwrap();
    // The run of the first is done, but a verify has found a difference.
    assert_eq!(failed, ["=a", "b", "c", "new"].map(str::to_owned).into());
}

#[test]
fn a_person_sees_the_runs_the_troubled_and_the_sums() {
    let why = "not transparent because flags of 1 message";
    let sum = Sum::of(vec![
        run("night1", 0, 3600, vec![ok("a@x", 7200), failed("b@y\x1b")]),
        run("night2", 86_400, 86_460, vec![partial("b@y\x1b", 3)]),
        verify(90_000, "a@x", "transparent", vec![]),
        verify(95_000, "a@x", why, vec![difference("a@x", "flags")]),
    ]);
    let mut out = Vec::new();
    person::tell(&sum.unwrap(), &mut out).unwrap();
    let want = "\
run     began (UTC)        time  users  ok  added  messages/s  MiB/s
night1  1970-01-01 00:00  1h00m      2   1  7,200        2.00   0.00
night2  1970-01-02 00:00  1m00s      1   0      2        0.03   0.00

user       status   folders  messages  added  kept  skipped      size  time
b@y\\u{1b}  partial        0         3      2     0        1  2.93 KiB  2.0s
    not exported: A UID 7: it is too large

a@x: not transparent: because verify finds 1 difference: flags of 1 message

domain   users  transparent  accepted  not transparent  not done  messages      size
x            1            0         0                1         0     7,200  6.87 MiB
y\\u{1b}      1            0         0                1         0         3  2.93 KiB

not transparent: 2 (moved in part, or a verify found differences)
verified: 0 transparent, 1 not, 1 never; POP3 clients that leave mail on the server would download 1 message (1000 B) again
users: 2, of these 1 ok, 1 partial, 0 failed
messages: 7,203 (6.87 MiB), of these 7,202 added, 0 kept, 1 skipped; took 1h01m
";
    assert_eq!(String::from_utf8(out).unwrap(), want);
}
