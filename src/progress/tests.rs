use std::time::{Duration, Instant};

use indicatif::{InMemoryTerm, ProgressDrawTarget};

use super::metrics::{Earlier, text};
use super::*;

#[test]
fn users_not_yet_begun_count_as_average() {
    let progress = Progress::start(Mode::None, "export", 4);
    assert_eq!(progress.stand().bytes.expected, 0);
    let ann = progress.user_begun("ann");
    ann.expect(1, 2 << 20);
    ann.expect(2, 1 << 20);
    let stand = progress.stand();
    assert_eq!(
        (stand.bytes.expected, stand.messages.expected),
        (12 << 20, 12)
    );
    let bob = progress.user_begun("bob");
    bob.expect(1, 1 << 20);
    let stand = progress.stand();
    assert_eq!(
        (stand.bytes.expected, stand.messages.expected),
        (8 << 20, 8)
    );
    let names: Vec<_> = stand.at_work.iter().map(|user| &*user.user).collect();
    assert_eq!(names, ["ann", "bob"]);
    ann.message_done(2 << 20);
    let of_ann = progress.stand().at_work[0].bytes;
    assert_eq!((of_ann.done, of_ann.expected), (2 << 20, 3 << 20));
    drop(ann);
    progress.user_done(Status::Failed, Some(Kind::Auth));
    progress.user_done(Status::Failed, Some(Kind::Stopped));
    let stand = progress.stand();
    assert_eq!(
        (stand.users.done(), stand.users.failed, stand.at_work.len()),
        (2, 2, 1)
    );
    assert_eq!(stand.failures, [(Kind::Auth, 1), (Kind::Stopped, 1)].into());
    bob.expect(0, u64::MAX / 2);
    assert_eq!(progress.stand().bytes.expected, u64::MAX);
    progress.finish();
}

#[test]
fn what_an_attempt_did_not_get_is_not_counted_twice() {
    let progress = Progress::start(Mode::None, "export", 1);
    let user = progress.user_begun("ann");
    for (expects, gets) in [((10, 100), 4), ((6, 60), 6)] {
        user.attempt();
        user.expect(expects.0, expects.1);
        (0..gets).for_each(|_| user.message_done(10));
    }
    let stand = progress.stand();
    assert_eq!((stand.bytes.done, stand.bytes.expected), (100, 100));
    assert_eq!((stand.messages.done, stand.messages.expected), (10, 10));
}

/// A user whose task panics is no longer at work.
#[test]
fn who_is_dropped_is_gone() {
    let progress = Progress::start(Mode::None, "export", 1);
    drop(progress.user_begun("ann"));
    assert!(progress.stand().at_work.is_empty());
}

#[test]
fn the_time_left_goes_by_bytes_and_by_users() {
    let begun: jiff::Timestamp = "2026-11-25T22:00:00Z".parse().expect("a time");
    // After 100 s: users done of 10, bytes done and expected, speed; and what is left, in seconds.
    let cases = [
        ((0, 0, 0, 0), None),
        ((5, 0, 0, 0), Some(100)),
        ((0, 100, 300, 2), Some(100)),
        ((5, 100, 300, 1), Some(200)),
        ((5, 100, 110, 1), Some(100)),
        // It rests just now: by what it has done so far.
        ((0, 100, 300, 0), Some(200)),
        ((0, 0, 300, 0), None),
        ((10, 300, 300, 3), None),
    ];
    for ((done, bytes, expected, speed), want) in cases {
        let progress = Progress::start(Mode::None, "export", 10);
        let mut stand = progress.stand();
        (stand.started, stand.at) = (begun, begun + Duration::from_secs(100));
        stand.users.ok = done;
        (stand.bytes.done, stand.bytes.expected) = (bytes, expected);
        stand.bytes_per_second = speed;
        let left = stand.left().map(|left| left.as_secs());
        assert_eq!(
            left, want,
            "{done} users, {bytes} of {expected} at {speed}/s"
        );
    }
}

#[test]
fn a_line_never_divides_by_nothing() {
    let progress = Progress::start(Mode::None, "export", 0);
    assert_eq!(
        progress.stand().line(),
        "0 of 0 users, 0 messages, 0 B of 0 B, 0 B/s"
    );
}

#[test]
fn all_threads_count_together_and_finish_ends_the_lines() {
    let progress = Progress::start(Mode::Plain, "export", 8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let progress = progress.clone();
            scope.spawn(move || {
                let user = progress.user_begun(&number.to_string());
                for _ in 0..100 {
                    user.message_done(1);
                }
                progress.user_done(Status::Ok, None);
            });
        }
    });
    let stand = progress.stand();
    assert_eq!(
        (stand.messages.done, stand.bytes.done, stand.users.ok),
        (800, 800, 8)
    );
    let begun = Instant::now();
    progress.finish();
    progress.clone().finish();
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert!(progress.ticker.lock().is_ok_and(|ticker| ticker.is_none()));
}

#[test]
fn there_are_as_many_bars_as_the_terminal_has_lines_for() {
    let screen = InMemoryTerm::new(6, 60);
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let bars = Bars::on(target, || 6);
    let progress = Progress::start(Mode::None, "export", 9);
    let users: Vec<_> = (0..8)
        .map(|n| progress.user_begun(&format!("user{n}")))
        .collect();
    let shown = || -> Vec<String> {
        bars.show(&progress.stand());
        // Past the limit on how often it is drawn.
        std::thread::sleep(Duration::from_millis(120));
        bars.show(&progress.stand());
        let words = |line: &str| {
            line.split_whitespace()
                .skip(1)
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
        };
        screen.contents().lines().map(words).collect()
    };
    assert_eq!(
        shown(),
        ["0 of 9", "user0 0 B", "user1 0 B", "user2 0 B", "user3 0 B"]
    );
    let mut users = users.into_iter();
    drop(users.next());
    progress.user_done(Status::Ok, None);
    assert_eq!(
        shown(),
        ["1 of 9", "user1 0 B", "user2 0 B", "user3 0 B", "user4 0 B"]
    );
    users.by_ref().take(5).for_each(drop);
    assert_eq!(shown(), ["1 of 9", "user6 0 B", "user7 0 B"]);
    bars.clear();
    assert_eq!(screen.contents(), "");
}

#[test]
fn what_is_kept_is_whole_private_and_at_once_there() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a place");
    let metrics = dir.path().join("mailseed.prom");
    let progress = Progress::start(Mode::None, "export", 2);
    progress
        .keep(Some(dir.path()), Some(&metrics))
        .expect("both can be written");
    let read = || -> Stand {
        let bytes = std::fs::read(dir.path().join(STATUS_FILE)).expect("it is there");
        serde_json::from_slice(&bytes).expect("it is one")
    };
    assert_eq!(read().ended, None);
    progress.user_done(Status::Ok, None);
    progress.ended(1);
    let stand = read();
    assert_eq!(
        (stand.users.ok, stand.exit, stand.ended.is_some()),
        (1, Some(1), true)
    );
    let mut there: Vec<_> = std::fs::read_dir(dir.path())
        .expect("it is there")
        .map(|entry| {
            let entry = entry.expect("it is there");
            let mode = entry.metadata().expect("it is there").permissions().mode() & 0o777;
            (entry.file_name().into_string().expect("UTF-8"), mode)
        })
        .collect();
    there.sort();
    let want = [
        ("mailseed.prom".to_owned(), 0o644),
        ("status.json".to_owned(), 0o600),
    ];
    assert_eq!(there, want);
    let gone = dir.path().join("gone/x.prom");
    let refused = progress
        .keep(None, Some(&gone))
        .expect_err("no such directory");
    assert!(refused.to_string().contains("gone/x.prom"), "{refused}");
}

#[test]
fn the_last_end_is_remembered_until_the_next() {
    let progress = Progress::start(Mode::None, "export", 1);
    let mut stand = progress.stand();
    let after = |stand: &Stand, before: &str| {
        let dir = tempfile::tempdir().expect("a place");
        let file = dir.path().join("x.prom");
        std::fs::write(&file, before).expect("it can be written");
        let text = text(stand, &Earlier::read(&file));
        let last: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("mailseed_last"))
            .map(str::to_owned)
            .collect();
        (text, last)
    };
    let (running, last) = after(&stand, "anything else 1\n");
    assert!(last.is_empty());
    stand.started = "2026-11-25T22:00:00Z".parse().expect("a time");
    stand.ended = Some("2026-11-25T22:01:00Z".parse().expect("a time"));
    stand.exit = Some(0);
    let (ended, last) = after(&stand, &running);
    let of_success = [
        "mailseed_last_run_end_timestamp_seconds 1795644060",
        "mailseed_last_run_exit_status 0",
        "mailseed_last_run_duration_seconds 60",
        "mailseed_last_success_timestamp_seconds 1795644060",
    ];
    assert_eq!(last, of_success);
    (stand.ended, stand.exit) = (None, None);
    assert_eq!(after(&stand, &ended).1, of_success);
    stand.ended = Some("2026-11-25T22:02:00Z".parse().expect("a time"));
    stand.exit = Some(1);
    let of_failure = [
        "mailseed_last_run_end_timestamp_seconds 1795644120",
        "mailseed_last_run_exit_status 1",
        "mailseed_last_run_duration_seconds 120",
        "mailseed_last_success_timestamp_seconds 1795644060",
    ];
    assert_eq!(after(&stand, &ended).1, of_failure);
}

#[test]
fn labels_are_escaped_and_no_user_is_named() {
    let progress = Progress::start(Mode::None, "export", 1);
    let _user = progress.user_begun("ann");
    progress.ask_hosts(|| {
        vec![HostStand {
            host: "a\"b\\c\nd".to_owned(),
            rests_until: Some("2026-11-25T22:01:00Z".parse().expect("a time")),
            users_at_most: Some(2),
            closed: false,
        }]
    });
    let text = text(&progress.stand(), &Earlier::default());
    let label = r#"{host="a\"b\\c\nd"}"#;
    for line in [
        format!("mailseed_host_rest_end_timestamp_seconds{label} 1795644060"),
        format!("mailseed_host_users_limit{label} 2"),
        "mailseed_users_at_work 1".to_owned(),
        "mailseed_user_failures_total{class=\"auth\"} 0".to_owned(),
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
    assert!(!text.contains("ann"), "{text}");
}
