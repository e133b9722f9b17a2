use super::*;
use crate::progress::stand::{Amount, AtWork, HostStand, Users};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn stand() -> Stand {
    Stand {
        version: "0.1.0".to_owned(),
        command: "export".to_owned(),
        writer: Writer {
            machine: "mx1".to_owned(),
            pid: 1234,
            ticks: 77,
        },
        started: time("2026-11-25T22:00:00Z"),
        at: time("2026-11-25T22:10:00Z"),
        ended: None,
        exit: None,
        users: Users {
            all: 10_000,
            ok: 400,
            partial: 2,
            failed: 10,
        },
        failures: [(Kind::Auth, 7), (Kind::Network, 3)].into(),
        messages: Amount {
            done: 120_311,
            expected: 3_000_000,
        },
        bytes: Amount {
            done: 12 << 30,
            expected: 300 << 30,
        },
        bytes_per_second: 40 << 20,
        at_work: vec![AtWork {
            user: "an\u{1b}n".to_owned(),
            since: time("2026-11-25T22:08:00Z"),
            messages: Amount {
                done: 5,
                expected: 40,
            },
            bytes: Amount {
                done: 0,
                expected: 1 << 20,
            },
        }],
        hosts: vec![HostStand {
            host: "old.example.com".to_owned(),
            rests_until: Some(time("2026-11-25T22:10:12Z")),
            users_at_most: Some(3),
            closed: false,
        }],
    }
}

#[test]
fn whether_it_lives_is_told_from_its_process_or_its_silence() {
    let alone = |pid: u32| (pid == 1234).then_some(77);
    let another = |_| Some(78);
    let none = |_| None;
    type Ticks = fn(u32) -> Option<u64>;
    let cases: [(Option<&str>, &str, &str, Ticks, Life); 7] = [
        (None, "mx1", "22:10:01", alone, Life::AtWork),
        // However long it has not written: it may have been stopped, or its disk is slow.
        (None, "mx1", "23:10:01", alone, Life::AtWork),
        (None, "mx1", "22:10:01", another, Life::Cut),
        (None, "mx1", "22:10:01", none, Life::Cut),
        (None, "mx2", "22:10:30", none, Life::AtWork),
        (None, "mx2", "22:11:30", alone, Life::Silent),
        (
            Some("2026-11-25T22:10:00Z"),
            "mx1",
            "22:10:01",
            none,
            Life::Ended,
        ),
    ];
    for (ended, here, now, ticks, want) in cases {
        let stand = Stand {
            ended: ended.map(time),
            ..stand()
        };
        let now = time(&format!("2026-11-25T{now}Z"));
        assert_eq!(
            life(&stand, here, now, ticks),
            want,
            "{ended:?} {here} {now}"
        );
    }
    let own = Writer::this_process();
    assert_eq!(stand::ticks(own.pid), Some(own.ticks));
    assert!(own.ticks > 0);
}

#[test]
fn it_is_told_with_what_to_do_about_it() {
    let now = time("2026-11-25T22:10:03Z");
    let lines = words(Path::new("/r"), &stand(), Life::AtWork, now);
    let want = [
        "/r: export, begun 2026-11-25T22:00:00Z, at work as process 1234 on mx1, 3 seconds ago:",
        "  users     412 of 10,000 done (400 ok, 2 partial, 10 failed), 1 at work, 9,587 to come",
        "  messages  120,311 of about 3,000,000",
        "  bytes     12.00 GiB of about 300.00 GiB, 40.00 MiB/s",
        "  left      about 4 hours, till 2026-11-26T02:02:43Z",
        "  not done  7 auth, 3 network",
        "  host      old.example.com: left alone till 2026-11-25T22:10:12Z (12 s), 3 users at once at most",
        "  at work   an\\u{1b}n for 2 minutes: 5 of 40 messages, 0 B of 1.00 MiB",
        "  again     when it has ended, with --only-failed /r/summary.csv and another --report",
    ];
    assert_eq!(lines, want);
    let again = |life, command: &str, failed| {
        let stand = Stand {
            command: command.to_owned(),
            users: Users {
                partial: 0,
                failed,
                ..stand().users
            },
            ..stand()
        };
        again(&stand, life, Path::new("/r"))
    };
    assert_eq!(again(Life::Ended, "export", 0), None);
    assert_eq!(again(Life::AtWork, "export", 0), None);
    let command = again(Life::Ended, "verify", 1);
    assert!(command.is_some_and(|words| words.contains("--only-failed /r/verified.csv")));
    let command = again(Life::Cut, "export", 0);
    assert!(command.is_some_and(|words| words.contains("goes on from there")));
}

#[test]
fn shards_are_summed() {
    let other = Stand {
        started: time("2026-11-25T21:00:00Z"),
        failures: [(Kind::Auth, 1), (Kind::Busy, 2)].into(),
        ..stand()
    };
    let (one, sum) = (stand(), stand().and(&other));
    assert_eq!((sum.users.all, sum.users.failed), (20_000, 20));
    assert_eq!(sum.messages.done, 2 * one.messages.done);
    assert_eq!(sum.bytes.expected, 2 * one.bytes.expected);
    assert_eq!(sum.bytes_per_second, 2 * one.bytes_per_second);
    let failures = [(Kind::Auth, 8), (Kind::Network, 3), (Kind::Busy, 2)];
    assert_eq!(sum.failures, failures.into());
    // The end of one is not that of all, and a host of two counts once for each.
    assert_eq!((sum.started, sum.ended), (other.started, None));
    assert_eq!((sum.at_work.len(), sum.hosts.len()), (2, 2));
}

#[test]
fn a_directory_without_a_run_is_refused() {
    let dir = tempfile::tempdir().expect("a place");
    let mut out = Vec::new();
    let dirs = [dir.path().to_owned(), dir.path().join("gone")];
    let problems = tell(&dirs, &mut out).expect_err("nothing is there");
    assert_eq!((problems.len(), out.len()), (2, 0));
    std::fs::write(dir.path().join(STATUS_FILE), "{}").expect("it can be written");
    let problems = tell(&dirs[..1], &mut out).expect_err("nothing is there");
    assert!(
        problems[0].to_string().contains("missing field"),
        "{problems:?}"
    );
}
