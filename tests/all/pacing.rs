//! How much a run takes of the servers: each limit by the figures that it has produced.

use std::time::{Instant, SystemTime};

use crate::support::busy::{self, Busy};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::odd_server::{Mailbox, OddServer, Speaks};
use crate::support::{corpus, give_to_mail_owner, report};
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
        // A machine at work has other things to do, but hardly each time.
        let is_used = (0..4).any(|_| {
            let speed = speed(3, &options);
            // Each may have read one piece before it had to wait.
            assert!(speed < most * 1.05, "{options:?}: {speed}");
            speed > most * 0.2
        });
        assert!(is_used, "{options:?}");
    }
    let both = speed(1, &["--rate", "1G", "--host-rate", "50K"]);
    assert!(both < RATE * 1.05, "{both}");
}

/// A server that would refuse the third never sees it, and another host has as many besides.
#[test]
fn no_host_has_more_users_than_it_is_to_have() {
    for speaks in [Speaks::Imap, Speaks::Pop3] {
        let narrow = OddServer::narrow(speaks, messages(20, 1000), 2);
        let other = OddServer::narrow(speaks, messages(20, 1000), 2);
        let mut run = Run::new();
        for at in 0..12 {
            run.add(&format!("n{at}"), &narrow);
            run.add(&format!("o{at}"), &other);
        }
        let output = run.command("export", &["--jobs", "8", "--host-jobs", "2"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(!output.stderr.contains("trying again"), "{}", output.stderr);
        for server in [&narrow, &other] {
            assert_eq!(server.most_at_once(), 2);
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
    const USERS: usize = 24;
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

    // All would take 24 seconds at least.
    let options = [&WINDOW[..], &["--jobs", "2", "--rate", "100K"]].concat();
    let night = run.command_in("export", &options, &zone_before_six(12));
    assert_eq!(night.code, Some(130), "{}", night.stderr);
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

/// The zones in which it is yesterday, today and tomorrow.
const DAYS: [&str; 3] = ["XYZ24", "XYZ0", "XYZ-24"];

/// What has been counted for a user today.
fn counted(run: &Run, user: &str) -> u64 {
    let bytes = report::fetched_today(&run.maildir(user));
    assert!(bytes > 0, "nothing is counted");
    bytes
}

/// Three messages fit into a day, whatever happens on it.
#[test]
fn a_cap_holds_for_a_day_and_the_next_goes_on() {
    const CAP: [&str; 2] = ["--daily-cap", "90K"];
    let server = OddServer::start(Speaks::Imap, messages(8, 25_000), None);
    let mut run = Run::new();
    run.add("ann", &server);

    // Killed while messages are on their way: what has come counts.
    let slow = [&CAP[..], &["--rate", "15K"]].concat();
    run.killed_with_a_message("ann", &slow, DAYS[0]);
    let after_kill = run.messages("ann");
    let before = counted(&run, "ann");
    assert!(before >= after_kill * 24_900, "{before} {after_kill}");
    eprintln!("killed with {after_kill} messages, {before} bytes counted");

    let mut done = after_kill;
    for (day, most) in [(0, 3), (0, 3), (1, 6), (1, 6)] {
        let output = run.command_in("export", &CAP, DAYS[day]);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        let rows = run.rows();
        let row = &rows[0];
        assert_eq!(row.text("status"), "partial");
        let (added, left) = (row.number("added"), row.number("skipped"));
        assert_eq!(row.number("kept"), done);
        done += added;
        assert!(done <= most && left == 8 - done, "{done} {left}");
        let told = "capped: folder INBOX: daily cap of 90.00 KiB reached: ";
        assert!(row.text("error").starts_with(told), "{}", row.text("error"));
        let told = format!(" in {left} messages are left for the next days");
        assert!(row.text("error").contains(&told), "{}", row.text("error"));
        let counted = counted(&run, "ann");
        eprintln!("day {day}: {done} messages, {counted} bytes counted");
        assert!(counted <= 90 << 10, "{counted}");
        assert_eq!(run.messages("ann"), done);
    }
    // What was on its way when the run was killed has counted.
    assert!((5..=6).contains(&done), "{done}");
    let output = run.command_in("export", &CAP, DAYS[2]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(run.rows()[0].number("added"), 8 - done);
}

/// All connections of a user share the day.
#[test]
fn a_cap_holds_for_all_connections_of_a_user() {
    const MESSAGES: u32 = 2200;
    const CAP: u64 = 700 << 10;
    let server = OddServer::start(Speaks::Imap, messages(MESSAGES, 400), None);
    let mut run = Run::new();
    run.add("ann", &server);
    let options = ["--daily-cap", "700K", "--connections", "4"];
    let mut done = 0;
    for day in DAYS {
        let output = run.command_in("export", &options, day);
        let row = &run.rows()[0];
        assert_eq!(row.number("kept"), done);
        done += row.number("added");
        assert!(row.number("added") > 0, "{}", output.stdout);
        let counted = counted(&run, "ann");
        eprintln!("{done} messages, {counted} bytes counted");
        assert!(counted <= CAP, "{counted}");
        let is_all = done == u64::from(MESSAGES);
        assert_eq!(output.code, Some(i32::from(!is_all)), "{}", output.stderr);
    }
    assert_eq!(done, u64::from(MESSAGES));
    assert_eq!(run.messages("ann"), done);
}

/// A message larger than any day's cap comes first on a day, and alone.
#[test]
fn a_message_larger_than_the_cap_is_not_in_the_way_for_ever() {
    let mut mailbox = messages(3, 10_000);
    mailbox.extend(messages(1, 150_000));
    let server = OddServer::start(Speaks::Pop3, mailbox, None);
    let mut run = Run::new();
    run.add("ann", &server);
    for (day, code, added, left) in [(0, 1, 1, 2), (0, 1, 0, 2), (1, 0, 2, 0)] {
        let output = run.command_in("export", &["--daily-cap", "100K"], DAYS[day]);
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        let row = &run.rows()[0];
        assert_eq!((row.number("added"), row.number("skipped")), (added, left));
    }
}

/// Dovecot lets ten in, and the more there are beyond six the less all get. How fast that is in
/// comparison is for `scripts/auto-jobs`.
#[test]
fn auto_settles_where_a_server_does_best_and_nobody_fails() {
    let server = Dovecot::start(DovecotOptions {
        one_mailbox: Some(("all".to_owned(), 10)),
        ..DovecotOptions::default()
    });
    let body = "words of no meaning\n".repeat(250);
    let files: Vec<(String, String)> = (1..=20)
        .map(|number| {
            let head = format!("Date: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: {number}\n");
            (format!("message-{number}:2,S"), format!("{head}\n{body}"))
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_bytes()))
        .collect();
    corpus::bare(&server.mail_dir("all"), &files);
    give_to_mail_owner(&server.mail_dir("all"));
    let busy = Busy {
        alone: 100_000,
        knee: 6,
        fall: 8,
    };
    let port = busy::start("127.0.0.1", server.imap_port(), busy).expect("a port");
    let mut run = Run::new();
    for at in 0..100 {
        run.add_at(
            &format!("u{at}"),
            &format!("imap+plain://127.0.0.1:{port}"),
            "",
        );
    }
    let output = run.command("export", &["--jobs", "auto", "--fsync", "never", "-v"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(run.rows().iter().all(|row| row.number("added") == 20));
    let told = " users at once in the end (--jobs auto)";
    let share = output.stderr.split_once(told).expect("it is told").0;
    let share = share
        .rsplit(' ')
        .next()
        .and_then(|share| share.parse().ok());
    let share: usize = share.expect("a number");
    eprintln!("{share} in the end");
    // How few do best is a matter of the machine, too.
    assert!(share <= 10, "{share}\n{}", output.stderr);
    // It begins with four, and on a busy machine all may be over before it tries another number.
    assert!(
        share == 4 || output.stderr.contains(" users at once now"),
        "{}",
        output.stderr
    );
}
