use std::fs;

use super::*;
use crate::report::{Gathered, ReportDir, Skip, UserReport};

fn report() -> RunReport {
    let mut partial = UserReport {
        messages: 3,
        added: 1,
        added_bytes: 411,
        kept: 1,
        seconds: 1.235,
        attempts: 1,
        notes: vec!["a note".to_owned()],
        uidls_unholdable: 1,
        order_breaks: 2,
        ..UserReport::new("-b,\"@d\n")
    };
    partial.skips.push(Skip {
        folder: "<b>".into(),
        uid: Some(7),
        uidl: Some("u".to_owned()),
        size: None,
        reason: "r".into(),
    });
    let mut failed = UserReport::new("c");
    let problem = Problem::new(Kind::Auth, Reach::User, "no").caused_by(io::Error::other("why"));
    let problem = problem.in_folder("A").at_message("UID 3").with_hint("do");
    failed.problems.push(problem);
    failed
        .problems
        .push(Problem::new(Kind::Busy, Reach::Folder, "later"));
    RunReport {
        users: vec![UserReport::new("a"), partial, failed],
        started: Timestamp::UNIX_EPOCH,
        finished: Timestamp::from_second(60).unwrap(),
        options: serde_json::json!({"dry-run": false}),
        dry_run: false,
    }
}

fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let place = ReportDir::prepare(dir.path()).unwrap();
    place.write(&Gathered::of_run(report())).unwrap();
    dir
}

#[test]
fn what_was_read_is_written_as_it_was() {
    let (dir, run) = (written(), report());
    let found = read(dir.path()).unwrap();
    let back = found.run.unwrap();
    assert_eq!(back.totals(), run.totals());
    assert_eq!((back.started, back.finished), (run.started, run.finished));
    assert_eq!(
        (back.users[1].uidls_unholdable, back.users[1].order_breaks),
        (1, 2)
    );
    let error = "auth: folder A: UID 3: no: why (hint: do) (and 1 more)";
    assert_eq!(back.users[2].error(), error);
    let again = tempfile::tempdir().unwrap();
    ReportDir::prepare(again.path())
        .unwrap()
        .write(&Gathered::of_run(back))
        .unwrap();
    for name in ["summary.csv", "skipped.csv", "run.json"] {
        let [before, after] =
            [dir.path(), again.path()].map(|dir| fs::read(dir.join(name)).unwrap());
        assert!(before == after, "{name}");
    }
}

/// A `verify.csv` as an earlier version wrote it, and its `verified.csv`.
const ROWS: &str = "user,folder,uid,uidl,what,old,new\na,INBOX,,,count,3,2\n";
const USERS: &str = "\
user,status,verdict,folders,messages,content_checked,differences,again_messages,again_bytes,seconds,error
a,partial,not transparent because 1 count,3,40,20,1,2,900,0.100,
c,ok,transparent,1,5,5,0,0,0,0.100,
";

#[test]
fn what_is_no_report_is_refused_in_clear_words() {
    type Harm = fn(&Path);
    let cases: [(Harm, &str); 16] = [
        (
            |dir| fs::remove_dir_all(dir).unwrap(),
            ": it is no directory (hint:",
        ),
        (
            |dir| {
                for name in ["run.json", "summary.csv", "skipped.csv"] {
                    fs::remove_file(dir.join(name)).unwrap();
                }
            },
            ": it is no report: there is no run.json, check.csv or verified.csv in it (hint:",
        ),
        (
            |dir| fs::remove_file(dir.join("run.json")).unwrap(),
            ": it has a summary.csv, but no run.json (hint:",
        ),
        (
            |dir| fs::write(dir.join("run.json"), "{\"a\": 1}").unwrap(),
            "/run.json: it is no report of mailseed: missing field `version`",
        ),
        (
            |dir| cut(dir, "run.json"),
            "/run.json: it is no report of mailseed: EOF",
        ),
        (
            |dir| change(dir, "run.json", env!("CARGO_PKG_VERSION"), "999.0.0"),
            "/run.json: it was written by mailseed 999.0.0, which is newer than this one (hint:",
        ),
        (
            |dir| change(dir, "run.json", "\"messages\": 3", "\"messages\": 4"),
            "not the sums of its users",
        ),
        (
            |dir| {
                change(
                    dir,
                    "run.json",
                    "\"status\": \"failed\"",
                    "\"status\": \"ok\"",
                )
            },
            "the status of user \"c\" is not what its problems make it",
        ),
        (
            |dir| {
                let path = dir.join("run.json");
                let whole = fs::read_to_string(&path).unwrap();
                fs::write(path, whole.replace("\"skipped\": 1", "\"skipped\": 2")).unwrap();
            },
            "not all that was skipped of user \"-b,\\\"@d\\n\" is listed",
        ),
        (
            |dir| cut(dir, "summary.csv"),
            "/summary.csv: it is no whole CSV file: CSV error: record 3",
        ),
        (
            |dir| change(dir, "summary.csv", "c,failed", "c,partial"),
            ": summary.csv and run.json do not agree",
        ),
        (
            |dir| fs::write(dir.join("skipped.csv"), "user\n").unwrap(),
            ": skipped.csv and run.json do not agree",
        ),
        (
            |dir| fs::write(dir.join("verify.csv"), "user,what\na,flags\nb\n").unwrap(),
            "/verify.csv: it is no report of mailseed, or not whole: CSV",
        ),
        (
            |dir| fs::write(dir.join("verify.csv"), ROWS).unwrap(),
            ": it has a verify.csv, but no verified.csv",
        ),
        (
            |dir| {
                fs::write(dir.join("verify.csv"), ROWS).unwrap();
                fs::write(
                    dir.join("verified.csv"),
                    USERS.replace("a,partial", "b,partial"),
                )
                .unwrap();
            },
            ": verify.csv and verified.csv do not agree",
        ),
        (
            |dir| {
                fs::write(dir.join("verify.csv"), ROWS).unwrap();
                fs::write(
                    dir.join("verified.csv"),
                    USERS.replace(",1,2,900", ",0,2,900"),
                )
                .unwrap();
            },
            ": verify.csv and verified.csv do not agree",
        ),
    ];
    for (harm, words) in cases {
        let dir = written();
        harm(dir.path());
        let problem = read(dir.path()).unwrap_err();
        assert_eq!((problem.kind, problem.reach), (Kind::Input, Reach::Run));
        assert!(
            problem.to_string().contains(words),
            "{problem}\nis not {words}"
        );
    }
}

/// Takes the last few bytes off a file.
fn cut(dir: &Path, name: &str) {
    let whole = fs::read(dir.join(name)).unwrap();
    fs::write(dir.join(name), &whole[..whole.len() - 12]).unwrap();
}

fn change(dir: &Path, name: &str, from: &str, to: &str) {
    let whole = fs::read_to_string(dir.join(name)).unwrap();
    assert!(whole.contains(from), "{whole}");
    // The first is that of the totals or the header, where there is one.
    fs::write(dir.join(name), whole.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_check_and_a_verify_are_found_by_the_names_of_their_columns() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put(
        "check.csv",
        "user,status,verdict,more\na,ok,transparent,1\n",
    );
    put("verify.csv", ROWS);
    put("verified.csv", USERS);
    let found = read(dir.path()).unwrap();
    assert!(found.run.is_none());
    let check = found.check.unwrap();
    assert_eq!(check.rows[0].verdict, "transparent");
    let verify = found.verify.unwrap();
    let [(a, rows), (c, none)] = &verify.users[..] else {
        panic!("not two users: {verify:?}");
    };
    assert_eq!((rows[0].what.as_str(), rows[0].uid.as_str()), ("count", ""));
    assert_eq!((a.user.as_str(), a.again_bytes), ("a", 900));
    assert_eq!((c.status, none.len()), (Status::Ok, 0));
    assert!(verify.written > Timestamp::UNIX_EPOCH);
}
