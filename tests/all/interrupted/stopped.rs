//! Stopped by a signal, by another run at the same user, by a full disk.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{State, golden, skipped, source, state_of, summary};
use crate::migration::{PASSWORD, Source, Target};
use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::mail_user::Client;
use crate::support::program;
use crate::support::proxy::{Fault, Proxy};
use crate::support::small_disk::SmallDisk;
use crate::support::tree::TempTree;

/// About four messages a second, thirteen seconds for all: a machine at work may be seconds late to look.
fn slowly(server: &Dovecot) -> Proxy {
    let fault = Fault::Slow(300, Duration::from_millis(50));
    Proxy::start(server.imap_port(), fault)
}

/// Starts an export through `proxy` and returns when some messages have arrived.
fn begin(target: &Target, server: &Dovecot, proxy: &Proxy, more: &[&str]) -> Child {
    let source = Source::both(proxy.port(), server.pop3_port());
    let mut command = target.command("export", &source, more);
    command.args(["--user", "ann"]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("mailseed was built");
    let since = Instant::now();
    let cur = target.maildir("ann").join("cur");
    while std::fs::read_dir(&cur).map_or(0, Iterator::count) < 3 {
        assert!(since.elapsed() < Duration::from_secs(60), "nothing arrives");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_signal_stops_the_run_and_the_next_goes_on() {
    let server = source(60);
    let whole = golden(&Source::of(&server), &[]);
    for signal in [Signal::INT, Signal::TERM] {
        let proxy = slowly(&server);
        let target = Target::new();
        let report = TempTree::new();
        let report_dir = report.path().display().to_string();
        let child = begin(&target, &server, &proxy, &["--report", &report_dir]);
        let pid = Pid::from_child(&child);
        kill_process(pid, signal).expect("the child is ours");
        let output = child.wait_with_output().expect("the child is ours");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(130), "{stdout}");
        assert!(stdout.contains("interrupted"), "{stdout}");

        let state = state_of(&target, &Source::of(&server));
        // Within INBOX: not only between folders.
        assert!(state.messages() < 60, "{stdout}");
        assert_eq!(state.temporary(), 0);
        if let Some(fault) = state.fault(&whole, false) {
            panic!("{fault}");
        }
        // INBOX is begun, so each of its messages is written or named.
        let rows = skipped(report.path());
        let summary = summary(report.path());
        assert_eq!(summary["added"], state.messages().to_string());
        assert_eq!(summary["messages"], "60", "{summary:?}");
        assert_eq!(rows.len() + state.messages(), 60);
        assert!(
            rows.iter()
                .all(|(_, _, _, why)| why.contains("interrupted"))
        );

        target.export_ok(&Source::of(&server), "ann", &[]);
        state_of(&target, &Source::of(&server)).assert_is(&whole, "the second run");
    }
}

#[test]
fn a_second_run_leaves_a_user_at_work_alone() {
    let server = source(60);
    let whole = golden(&Source::of(&server), &[]);
    let proxy = slowly(&server);
    let target = Target::new();
    let first = begin(&target, &server, &proxy, &[]);
    let second = target.export(&Source::of(&server), "ann", &[]);
    assert_eq!(second.code, Some(1), "{}\n{}", second.stdout, second.stderr);
    assert!(
        second.stdout.contains("another run is working on"),
        "{}",
        second.stdout
    );
    let first = first.wait_with_output().expect("the child is ours");
    assert_eq!(first.status.code(), Some(0));
    state_of(&target, &Source::of(&server)).assert_is(&whole, "the first run");
}

/// The run stops with a status of its own, names the disk and the way on, and leaves only whole
/// messages; the next run goes on.
#[test]
fn a_full_disk_stops_the_run_and_the_next_goes_on() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    corpus::large(&server.mail_dir("ann"), 12, 150_000, 200_000);
    let source = Source::of(&server);
    let whole = golden(&source, &[]);
    let disk = SmallDisk::new("1m");
    let output = export_to(&disk, &source);
    assert_full(&output, &disk, &whole);
    assert!((3..7).contains(&state_on(&disk).messages()));
    disk.resize("64m");
    let output = export_to(&disk, &source);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    state_on(&disk).assert_is(&whole, "after space was made");
}

/// One page more each time, so that each file in turn is the one that finds no room.
#[test]
fn a_disk_that_is_full_at_any_file_stops_the_run() {
    let server = source(4);
    let source = Source::of(&server);
    let whole = golden(&source, &[]);
    let disk = SmallDisk::new("4k");
    let mut stops = 0;
    for pages in 2.. {
        let output = export_to(&disk, &source);
        if output.code == Some(0) {
            break;
        }
        assert_full(&output, &disk, &whole);
        stops += 1;
        disk.resize(&format!("{}k", 4 * pages));
    }
    // Six messages, two lists, two tables of keywords, subscriptions; the first had room.
    assert!(stops >= 10, "{stops}");
    state_on(&disk).assert_is(&whole, "after space was made");
}

/// As the system leaves a disk after an error.
#[test]
fn a_disk_that_can_only_be_read_stops_the_run_and_the_next_goes_on() {
    let server = source(4);
    let source = Source::of(&server);
    let whole = golden(&source, &[]);
    let disk = SmallDisk::new("64m");
    for is_new in [true, false] {
        disk.mount(&["-o", "remount,ro"]);
        let before = (!is_new).then(|| state_on(&disk));
        if !is_new {
            let mut at_source = Client::login(server.imap_port(), "ann", PASSWORD);
            at_source.append("INBOX", &[], 1_600_000_100, "Subject: 5\n\n5\n");
        }
        let output = export_to(&disk, &source);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.code, Some(3), "{said}");
        let root = disk.path().display().to_string();
        for words in ["Read-only file system", &root] {
            assert!(said.contains(words), "{words}: {said}");
        }
        if let Some(before) = before {
            state_on(&disk).assert_is(&before, "it could not be written");
        }
        disk.mount(&["-o", "remount,rw"]);
        let output = export_to(&disk, &source);
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
        if is_new {
            state_on(&disk).assert_is(&whole, "after it could be written");
        }
    }
    assert_eq!(state_on(&disk).messages(), whole.messages() + 1);
}

fn maildir(disk: &SmallDisk) -> PathBuf {
    disk.path().join("ann/Maildir")
}

fn state_on(disk: &SmallDisk) -> State {
    State::of(&maildir(disk))
}

fn export_to(disk: &SmallDisk, source: &Source) -> program::Output {
    let template = format!("{}/{{user}}/Maildir", disk.path().display());
    let mut command = program::mailseed_command();
    command.arg("export").args(source.arguments());
    command.args([
        "--user",
        "ann",
        "--maildir",
        &template,
        "--owner",
        "5000:5000",
        // Else it is not begun.
        "--min-free",
        "0",
    ]);
    command.env("MAILSEED_PASSWORD", PASSWORD);
    program::run(command, Duration::from_secs(60))
}

/// Ann's mail has no room, or no inodes, bob's has: she fails by herself, with nothing written, and a plan
/// says so before.
#[test]
fn a_user_that_does_not_fit_is_not_begun_and_the_others_come() {
    let server = Dovecot::start(DovecotOptions::with_users(&[
        ("ann", PASSWORD),
        ("bob", PASSWORD),
    ]));
    corpus::large(&server.mail_dir("ann"), 12, 150_000, 200_000);
    corpus::large(&server.mail_dir("bob"), 3, 1_000, 20_000);
    let source = Source::of(&server);
    let disk = SmallDisk::new("1m");
    let scratch = TempTree::new();
    let list = scratch.path().join("users.csv");
    std::fs::write(&list, "user\nann\nbob\n").expect("scratch is writable");
    let run = |task: &str, report: &Path| {
        let mut command = program::mailseed_command();
        command.arg(task).args(source.arguments());
        command
            .arg("--users")
            .arg(&list)
            .arg("--report")
            .arg(report);
        command
            .arg("--maildir")
            .arg(disk.path().join("{user}/Maildir"));
        command.env("MAILSEED_PASSWORD", PASSWORD);
        program::run(command, Duration::from_secs(60))
    };
    let report = |name: &str| scratch.path().join(name);
    for (at, size, lacking) in [
        (1, "1m", "needed, "),
        (2, "64m,nr_inodes=34", "inodes needed, "),
    ] {
        disk.resize(size);
        let plan = run("plan", &report("plan"));
        assert_eq!(plan.code, Some(0), "{}\n{}", plan.stdout, plan.stderr);
        assert!(plan.stdout.contains("IT DOES NOT FIT"), "{}", plan.stdout);
        let output = run("export", &report(&at.to_string()));
        assert_eq!(output.code, Some(1), "{}\n{}", output.stdout, output.stderr);
        let rows = crate::support::report::summary(&report(&at.to_string()));
        let told: Vec<_> = rows.iter().map(|row| row.text("status")).collect();
        assert_eq!(told, ["failed", "ok"], "{}", output.stdout);
        let error = rows[0].text("error");
        assert!(
            error.starts_with("space: ") && error.contains(lacking),
            "{error}"
        );
        assert_eq!(state_on(&disk).messages(), 0);
    }
    disk.resize("64m,nr_inodes=0");
    // Estimates go by what the runs before have left.
    let mut plan = program::mailseed_command();
    plan.arg("plan")
        .args(source.arguments())
        .arg("--users")
        .arg(&list);
    plan.arg("--maildir")
        .arg(disk.path().join("{user}/Maildir"));
    plan.arg("--history")
        .arg(report("1"))
        .arg("--history")
        .arg(report("2"));
    plan.env("MAILSEED_PASSWORD", PASSWORD);
    let plan = program::run(plan, Duration::from_secs(60));
    assert_eq!(plan.code, Some(0), "{}\n{}", plan.stdout, plan.stderr);
    for words in [
        "to fetch: ",
        " in 12 messages, ",
        "last delta: about 0 B come in a day",
        "it fits",
    ] {
        assert!(plan.stdout.contains(words), "{words}\n{}", plan.stdout);
    }
    let output = run("export", &report("3"));
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert_eq!(state_on(&disk).messages(), 12);
}

fn assert_full(output: &program::Output, disk: &SmallDisk, whole: &State) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, Some(3), "{said}");
    let maildir = maildir(disk).display().to_string();
    for words in ["No space left on device", "make space", &maildir] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let state = state_on(disk);
    assert_eq!(state.temporary(), 0, "{state:?}");
    if let Some(fault) = state.fault(whole, false) {
        panic!("{fault}");
    }
}
