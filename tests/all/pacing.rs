//! How much a run takes of the servers: each limit by the figures that it has produced.

use std::time::{Duration, Instant, SystemTime};

use crate::support::odd_server::{Mailbox, OddServer, Speaks};
use crate::throttling::Run;

/// `count` messages of about so many bytes each.
fn messages(count: u32, bytes: usize) -> Mailbox {
    let body = "words of no meaning, many times over\r\n".repeat(bytes / 38);
    let message = |uid: u32| {
        format!(
            "Message-ID: <{uid}@odd.example>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nSubject: {uid}\r\n\r\n\
             {body}"
        )
    };
    let numbered = (1..=count).map(|uid| (uid, message(uid).into_bytes()));
    numbered.collect()
}

/// Bytes a second of a run of `users` at each of two servers.
fn speed(users: usize, options: &[&str]) -> f64 {
    let imap = OddServer::start(Speaks::Imap, messages(4, 25_000), None);
    let pop3 = OddServer::start(Speaks::Pop3, messages(4, 25_000), None);
    let mut run = Run::new();
    for at in 0..users {
        run.add(&format!("i{at}"), &imap);
        run.add(&format!("p{at}"), &pop3);
    }
    let start = Instant::now();
    let output = run.command("export", &[&["--jobs", "8"], options].concat());
    let took = start.elapsed();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let bytes: u64 = run.rows().iter().map(|row| row.number("added_bytes")).sum();
    assert!(bytes > 2 * users as u64 * 99_000, "{bytes}");
    let speed = bytes as f64 / took.as_secs_f64();
    eprintln!("{options:?}: {bytes} bytes in {took:?}, {speed:.0} a second");
    speed
}

/// No faster than that, and where the machine has time not much slower either: the limits of two hosts add
/// up, and one for all does not.
#[test]
fn what_is_read_stays_below_the_rate() {
    const RATE: f64 = 100.0 * 1024.0;
    for (options, most) in [
        (["--rate", "100K"], RATE),
        (["--host-rate", "100K"], 2.0 * RATE),
    ] {
        let speed = speed(3, &options);
        // Each may have read one piece before it had to wait.
        assert!(speed < most * 1.05, "{options:?}: {speed}");
        assert!(speed > most * 0.5, "{options:?}: {speed}");
    }
    let both = speed(1, &["--rate", "1G", "--host-rate", "50K"]);
    assert!(both < RATE * 1.05, "{both}");
}

/// A server that would refuse the fourth never sees it, and another host has as many besides.
#[test]
fn no_host_has_more_users_than_it_is_to_have() {
    for speaks in [Speaks::Imap, Speaks::Pop3] {
        // One that has just been left may still be about to notice.
        let narrow = OddServer::narrow(speaks, messages(20, 1000), 3);
        let other = OddServer::narrow(speaks, messages(20, 1000), 3);
        let mut run = Run::new();
        for at in 0..12 {
            run.add(&format!("n{at}"), &narrow);
            run.add(&format!("o{at}"), &other);
        }
        let output = run.command("export", &["--jobs", "8", "--host-jobs", "2"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(!output.stderr.contains("trying again"), "{}", output.stderr);
        for server in [&narrow, &other] {
            assert!(server.most_at_once() >= 2, "{}", server.most_at_once());
        }
    }
}

/// The limit holds for the further connections of a user, too; nobody waits for one.
#[test]
fn further_connections_count_where_hosts_are_limited() {
    let narrow = OddServer::narrow(Speaks::Imap, messages(2200, 200), 3);
    let mut run = Run::new();
    run.add("a", &narrow);
    let options = ["--connections", "8", "--host-jobs", "3"];
    let output = run.command("export", &options);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(narrow.most_at_once(), 3);
    assert!(!output.stderr.contains("connections"), "{}", output.stderr);
    assert_eq!(run.rows()[0].number("added"), 2200);
}

/// A value of `TZ` by which it is now so many `seconds` before 06:00.
fn zone_before_six(seconds: i64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
    let of_day = now.as_secs().cast_signed() % 86_400;
    // What is to be added to UTC; POSIX says what is to be added to local time.
    let east = (6 * 3600 - seconds - of_day).rem_euclid(86_400);
    let west = if east > 43_200 { 86_400 - east } else { -east };
    let (sign, west) = (if west < 0 { "-" } else { "" }, west.abs());
    format!(
        "XYZ{sign}{}:{:02}:{:02}",
        west / 3600,
        west / 60 % 60,
        west % 60
    )
}

/// A night that ends while the run works, the day after, and the next night.
#[test]
fn a_run_ends_with_its_window_and_goes_on_in_the_next() {
    const WINDOW: [&str; 2] = ["--window", "22:00-06:00"];
    const USERS: usize = 12;
    let server = OddServer::start(Speaks::Imap, messages(4, 25_000), None);
    let mut run = Run::new();
    for at in 0..USERS {
        run.add(&format!("u{at}"), &server);
    }
    let all = USERS as u64 * 4;
    let day = run.command_in("export", &WINDOW, &zone_before_six(-7200));
    assert_eq!(day.code, Some(130), "{}", day.stderr);
    assert!(day.stderr.contains("it opens at "), "{}", day.stderr);
    assert!(server.heard().is_empty() && !run.has_report());

    let start = Instant::now();
    let options = [&WINDOW[..], &["--jobs", "2", "--rate", "100K"]].concat();
    let night = run.command_in("export", &options, &zone_before_six(6));
    assert_eq!(night.code, Some(130), "{}", night.stderr);
    assert!(
        start.elapsed() < Duration::from_secs(11),
        "{:?}",
        start.elapsed()
    );
    let told = "the window 22:00-06:00 is over: the run stops; run it again at ";
    assert!(night.stderr.contains(told), "{}", night.stderr);
    assert!(night.stderr.contains(" 22:00 to go on"), "{}", night.stderr);
    let sum = |column| run.rows().iter().map(|row| row.number(column)).sum::<u64>();
    let (first, rows) = (sum("added"), run.rows());
    assert!((1..all).contains(&first), "{first}");
    let done = rows.iter().filter(|row| row.text("status") == "ok").count();
    let not_begun = rows
        .iter()
        .filter(|row| row.text("error").contains("not begun"));
    assert!(done >= 1 && not_begun.count() >= 1, "{}", night.stdout);

    let next = run.command_in("export", &WINDOW, &zone_before_six(3600));
    assert_eq!(next.code, Some(0), "{}", next.stderr);
    assert_eq!((sum("added"), sum("kept")), (all - first, first));
}
