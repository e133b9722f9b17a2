//! How much a run takes of the servers: each limit by the figures that it has produced.

use std::time::Instant;

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
    println!("{options:?}: {bytes} bytes in {took:?}, {speed:.0} a second");
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
