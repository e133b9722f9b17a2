//! What `scripts/bench` relies on: that a server made to be far away is, and that a result with mail
//! missing, changed or under another UIDL is not taken for a result.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::far_away::{self, Line};
use crate::support::tree::TempTree;

/// The port of a server that says all back.
fn echo() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let port = listener
        .local_addr()
        .expect("a bound listener has an address")
        .port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &client, &mut &client));
        }
    });
    port
}

fn echo_at(round_trip: Duration, rate: Option<u64>) -> TcpStream {
    let port = far_away::start("127.0.0.1", echo(), Line { round_trip, rate })
        .expect("loopback has free ports");
    TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens")
}

/// Never an upper bound: a busy machine delays too.
#[test]
fn each_question_and_the_handshake_take_a_round_trip() {
    let round_trip = Duration::from_millis(60);
    let started = Instant::now();
    let mut server = echo_at(round_trip, None);
    for question in 1..=4 {
        server.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        let least = round_trip * (question + 1);
        assert!(started.elapsed() >= least, "question {question}");
    }
}

#[test]
fn all_bytes_come_through_and_no_faster_than_the_rate() {
    let sent: Vec<u8> = (0..500_000_u32).map(|n| (n / 7) as u8).collect();
    let rate = 2_000_000;
    let started = Instant::now();
    let mut server = echo_at(Duration::from_millis(10), Some(rate));
    let writer = server.try_clone().unwrap();
    let to_send = sent.clone();
    thread::spawn(move || {
        (&writer).write_all(&to_send).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    server.read_to_end(&mut got).unwrap();
    assert!(got == sent, "the bytes differ");
    assert!(started.elapsed() >= Duration::from_millis(250));
}

const UIDVALIDITY: u32 = 1_500_000_000;

/// A Maildir of three messages with Dovecot's list, as in the source or, `with_uidls`, as a client
/// leaves it.
fn maildir(at: &Path, with_uidls: bool) -> PathBuf {
    let mut list = format!("3 V{UIDVALIDITY} N4 G0123456789abcdef0123456789abcdef\n");
    fs::create_dir_all(at.join("cur")).expect("scratch directories are writable");
    fs::create_dir_all(at.join("new")).expect("scratch directories are writable");
    for uid in 1..=3 {
        let name = format!("150000000{uid}.M{uid}.host");
        let extensions = if with_uidls {
            format!(" P{uid:08x}{UIDVALIDITY:08x} O{uid}")
        } else {
            String::new()
        };
        list.push_str(&format!("{uid}{extensions} :{name}\n"));
        let content = format!("Subject: {uid}\n\nText of {uid}.\n");
        fs::write(at.join(format!("cur/{name}:2,S")), content)
            .expect("scratch directories are writable");
    }
    fs::write(at.join("dovecot-uidlist"), list).expect("scratch directories are writable");
    at.to_owned()
}

/// Whether the benchmark's check finds nothing wrong, and what it says.
fn check(source: &Path, result: &Path, options: &[&str]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/check.py");
    let output = Command::new("/usr/bin/python3")
        .args(["-B".as_ref(), script.as_os_str()])
        .args([source, result])
        .args(options)
        .output()
        .expect("python3 is there: run scripts/install-deps");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.is_empty(), "{error}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said)
}

#[test]
fn the_check_notices_what_is_missing_changed_doubled_or_under_another_uidl() {
    let scratch = TempTree::new();
    let source = maildir(&scratch.path().join("source"), false);
    let second = "cur/1500000002.M2.host:2,S";
    let content = |body: &str| format!("Subject: 2\n\n{body}\n");
    let list = |result: &Path, from: &str, to: &str| {
        let list = fs::read_to_string(result.join("dovecot-uidlist")).unwrap();
        assert!(list.contains(from), "{list}");
        fs::write(result.join("dovecot-uidlist"), list.replace(from, to)).unwrap();
    };
    let swapped = |result: &Path| {
        list(result, " P00000001", " Px");
        list(result, " P00000002", " P00000001");
        list(result, " Px", " P00000002");
    };
    type Damage<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Damage<'_>, &[&str], bool); 12] = [
        ("nothing", &|_| (), &["--uidls"], true),
        (
            "CRLF, another name and folder",
            &|result| {
                fs::remove_file(result.join(second)).unwrap();
                let same = "Subject: 2\r\n\r\nText of 2.\r\n";
                fs::write(result.join("new/x"), same).unwrap();
            },
            &[],
            true,
        ),
        (
            "missing",
            &|result| fs::remove_file(result.join(second)).unwrap(),
            &[],
            false,
        ),
        (
            "changed",
            &|result| fs::write(result.join(second), content("Text of 3.")).unwrap(),
            &[],
            false,
        ),
        (
            "changed, and a header more that is left out",
            &|result| {
                let changed = "X-Added: y\n z\n".to_owned() + &content("Text of 3.");
                fs::write(result.join(second), changed).unwrap();
            },
            &["--without", "x-added"],
            false,
        ),
        (
            "a header more that is left out",
            &|result| {
                let more = "X-Added: y\n z\n".to_owned() + &content("Text of 2.");
                fs::write(result.join(second), more).unwrap();
            },
            &["--without", "x-added"],
            true,
        ),
        (
            "a header more",
            &|result| {
                let more = "X-Added: y\n".to_owned() + &content("Text of 2.");
                fs::write(result.join(second), more).unwrap();
            },
            &[],
            false,
        ),
        (
            "doubled",
            &|result| {
                fs::copy(result.join(second), result.join("new/x")).unwrap();
            },
            &[],
            false,
        ),
        ("UIDLs exchanged", &swapped, &["--uidls"], false),
        (
            "no UIDL",
            &|result| list(result, &format!(" P00000002{UIDVALIDITY:08x}"), ""),
            &["--uidls"],
            false,
        ),
        (
            "another order",
            &|result| list(result, " O1 ", " O7 "),
            &["--uidls"],
            false,
        ),
        (
            "another UIDVALIDITY",
            &|result| list(result, " V1500000000", " V1500000001"),
            &["--uidls"],
            false,
        ),
    ];
    for (number, (what, damage, options, complete)) in cases.into_iter().enumerate() {
        let result = maildir(&scratch.path().join(number.to_string()), true);
        damage(&result);
        let (found_complete, said) = check(&source, &result, options);
        assert_eq!(found_complete, complete, "{what}: {said}");
        assert_eq!(said.is_empty(), complete, "{what}");
    }
}
