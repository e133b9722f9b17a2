//! Many users moved by one process in bad weather, again and again, with their mail changing: no message is
//! wrong, nothing leaks, and once the weather is good all is there.
//!
//! `scripts/test` does a short one; `scripts/soak` sets how long and how many.

mod mailboxes;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use mailboxes::{Changes, Mailboxes};

use crate::migration::{Source, Target};
use crate::support::course::{Course, Taken, watched};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::far_away::{Fate, Fault, Line, start_with};
use crate::support::program;
use crate::support::report::run_json;
use crate::support::tree::TempTree;
use crate::support::weather::Weather;

/// Users at once.
const JOBS: u64 = 12;
/// Connections, folders and files that a user at work has open, generously, and what the program has
/// besides.
const FILES_A_USER: u64 = 24;
const FILES: u64 = 40;
/// Threads of a user at work, and others.
const THREADS_A_USER: u64 = 6;
const THREADS: u64 = 8;

#[test]
fn in_bad_weather_nothing_is_wrong_nothing_leaks_and_in_the_end_all_is_there() {
    let count = number("MAILSEED_SOAK_USERS", 40) as usize;
    let seed = number("MAILSEED_SOAK_SEED", 1);
    let time = Duration::from_secs(number("MAILSEED_SOAK_SECONDS", 5));
    let users: Vec<(String, String)> = (0..count)
        .map(|number| (format!("u{number:04}"), format!("pass {number}")))
        .collect();
    let server = Dovecot::start(DovecotOptions {
        users: users.clone(),
        ..DovecotOptions::default()
    });
    let names: Vec<String> = users.iter().map(|user| user.0.clone()).collect();
    let mut mailboxes = Mailboxes::make(&server, &names, seed);
    let weather = Weather::default();
    let imap = weather.before(server.imap_port(), seed);
    let pop3 = weather.before(server.pop3_port(), seed + 1);
    let source = Source {
        imap: Some(format!("imap+plain://127.0.0.1:{imap}")),
        pop3: None,
    };
    let scratch = TempTree::new();
    let list = scratch.path().join("users.csv");
    // UIDLs are kept for every third.
    let rows = users.iter().enumerate().map(|(at, (user, password))| {
        let pop3 = format!("pop3+plain://127.0.0.1:{pop3}");
        let pop3 = if at % 3 == 0 { &pop3 } else { "" };
        format!("{user},{password},{pop3}\n")
    });
    let rows: String = rows.collect();
    fs::write(&list, format!("user,password,pop3\n{rows}")).expect("it is ours");
    fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let list = list.display().to_string();
    let report = scratch.path().join("report");
    let log = scratch.path().join("log");
    let target = Target::new();
    let maildir = |user: &str| target.maildir(user);
    let jobs = JOBS.to_string();
    let export = |more: &[&str]| {
        let mut export = target.command("export", &source, more);
        export.env_remove("MAILSEED_PASSWORD");
        export.args([
            "--users",
            &list,
            "-j",
            &jobs,
            "--mirror",
            "--max-delete=100",
        ]);
        export.arg("--report").arg(&report);
        export
    };

    let mut told = Told::default();
    let started = Instant::now();
    while told.runs.is_empty() || started.elapsed() < time {
        let command = export(&["--timeout", "3", "--fsync", "never"]);
        let beside = |_: &mut _| told.meanwhile(mailboxes.change(1));
        let course = watched(command, &log, (Duration::from_millis(200), beside));
        if !matches!(course.code, Some(0 | 1)) {
            let said = fs::read_to_string(&log).unwrap_or_default();
            panic!("seed {seed}: {:?}\n{said}", course.code);
        }
        told.run(course, &run_json(&report));
        let wrong = mailboxes.wrong(maildir);
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        told.meanwhile(mailboxes.change(count / 5));
    }
    told.print(&weather, count, seed, mailboxes.messages());
    assert!(weather.faults() > 0);

    weather.calm();
    let limit = Duration::from_secs(60 + count as u64);
    let output = program::run(export(&["--delete-local"]), limit);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let mut verify = target.command("verify", &source, &["--content", "all"]);
    verify.env_remove("MAILSEED_PASSWORD");
    verify.args(["--users", &list, "-j", &jobs]);
    let output = program::run(verify, limit);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let wrong = mailboxes.wrong(maildir);
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    eprintln!("in good weather: one more run, and verify found nothing");
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let set = env::var(variable).ok();
    set.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// What is told at the end, and what must not grow.
#[derive(Default)]
struct Told {
    runs: Vec<Course>,
    changes: Changes,
    /// By status, and by the kind of what went wrong.
    outcomes: BTreeMap<String, u64>,
    attempts: u64,
}

impl Told {
    fn meanwhile(&mut self, changes: Changes) {
        self.changes.new += changes.new;
        self.changes.marked += changes.marked;
        self.changes.deleted += changes.deleted;
    }

    fn run(&mut self, course: Course, report: &serde_json::Value) {
        let users = report["users"].as_array().expect("a report has users");
        for user in users {
            let mut count = |what: &serde_json::Value| {
                let what = what.as_str().expect("a word").to_owned();
                *self.outcomes.entry(what).or_default() += 1;
            };
            count(&user["status"]);
            for problem in user["problems"].as_array().expect("a list") {
                count(&problem["kind"]);
            }
            self.attempts += user["attempts"].as_u64().expect("a number");
        }
        let Taken { files, threads, .. } = course.most();
        assert!(files <= FILES + JOBS * FILES_A_USER, "{files} files");
        assert!(
            threads <= THREADS + JOBS * THREADS_A_USER,
            "{threads} threads"
        );
        let (first, last) = course.ends();
        // What is remembered of each user for the report, and what the allocator keeps.
        let more = 16 * 1024 + 8 * users.len() as u64;
        assert!(last.rss_kib <= first.rss_kib + more, "{first:?} {last:?}");
        self.runs.push(course);
    }

    fn print(&self, weather: &Weather, users: usize, seed: u64, messages: u64) {
        eprintln!("{users} users, {messages} messages, seed {seed}; {weather}");
        eprintln!(
            "meanwhile: {:?}; outcomes: {:?}",
            self.changes, self.outcomes
        );
        eprintln!("attempts: {} in {} runs", self.attempts, self.runs.len());
        eprintln!("run  seconds  first tenth: KiB files threads  last tenth: KiB files threads");
        for (number, run) in self.runs.iter().enumerate() {
            let (first, last) = run.ends();
            eprintln!(
                "{:3}  {:7.0}  {:16} {:5} {:7}  {:15} {:5} {:7}",
                number + 1,
                run.seconds,
                first.rss_kib,
                first.files,
                first.threads,
                last.rss_kib,
                last.files,
                last.threads,
            );
        }
    }
}

/// What comes of a server that says `0123456789` over a line with `fault`, and why it ends there.
fn heard(fault: Fault) -> (String, Option<std::io::ErrorKind>) {
    let server = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let port = server.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for client in server.incoming().flatten() {
            let _ = (&client).write_all(b"0123456789");
            thread::spawn(move || (&client).read(&mut [0]));
        }
    });
    let round_trip = Duration::from_millis(2);
    let mut faults = vec![fault].into_iter();
    let port = start_with("127.0.0.1", port, move || Fate {
        line: Line {
            round_trip,
            rate: None,
        },
        fault: faults.next(),
    });
    let port = port.expect("loopback has free ports");
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    if matches!(fault, Fault::Away(_)) {
        // Until the proxy has gone, which is no sooner than the machine has time for it.
        let refused = || TcpStream::connect(("127.0.0.1", port)).err();
        let mut refusals = std::iter::repeat_with(refused).take(100);
        let refusal = refusals.find_map(|refused| {
            thread::sleep(Duration::from_millis(100));
            refused
        });
        return (String::new(), refusal.map(|error| error.kind()));
    }
    // Where nothing more is to come; all else comes when the machine has time for it.
    let is_open = matches!(fault, Fault::Stall(_) | Fault::Trickle(..));
    let patience = Duration::from_secs(if is_open { 3 } else { 60 });
    client.set_read_timeout(Some(patience)).expect("a timeout");
    let mut heard = String::new();
    let error = client.read_to_string(&mut heard).err();
    (heard, error.map(|error| error.kind()))
}

/// Otherwise the weather would be fine.
#[test]
fn each_fault_is_what_it_is_called() {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, WouldBlock};
    let away = heard(Fault::Away(Duration::from_secs(20)));
    assert_eq!(away, (String::new(), Some(ConnectionRefused)));
    assert_eq!(
        heard(Fault::Refused),
        (String::new(), Some(ConnectionReset))
    );
    assert_eq!(heard(Fault::Cut(4)), ("0123".to_owned(), None));
    assert_eq!(heard(Fault::Reset(0)).1, Some(ConnectionReset));
    assert_eq!(
        heard(Fault::Stall(4)),
        ("0123".to_owned(), Some(WouldBlock))
    );
    let started = Instant::now();
    let trickle = heard(Fault::Trickle(4, Duration::from_millis(100)));
    assert_eq!(trickle, ("0123456789".to_owned(), Some(WouldBlock)));
    assert!(started.elapsed() >= Duration::from_millis(600));
}
