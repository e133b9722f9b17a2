//! How a run is watched while it is at work: the signal USR1, `mailseed status`, the file of metrics.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::program::{Output, mailseed, mailseed_command, patience, run};
use crate::support::tree::TempTree;

/// The values of `file`, as Prometheus' own client reads its format: `name{label=value,…} value`, sorted.
fn metrics(file: &Path) -> Vec<String> {
    const READ: &str = r#"
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    assert family.documentation and family.type in ("counter", "gauge"), family
    for sample in family.samples:
        labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
        print(f"{sample.name}{{{labels}}} {sample.value:.0f}")
"#;
    // Debian's own, for which scripts/install-deps has the module.
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", READ]).arg(file);
    let read = run(python, Duration::from_secs(30));
    assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "{read:?}");
    let mut lines: Vec<String> = read.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        let limit = patience(Duration::from_secs(60));
        assert!(begun.elapsed() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn status(dir: &Path) -> Output {
    mailseed(["status".as_ref(), dir.as_os_str()])
}

fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    kill.args(["-s", name, &child.id().to_string()]);
    assert_eq!(run(kill, Duration::from_secs(10)).code, Some(0));
}

/// Two users of a server that takes connections and says nothing: one is at work, one waits.
#[test]
fn a_run_is_watched_while_it_is_at_work_and_after_it_was_killed() {
    let scratch = TempTree::new();
    let at = |name: &str| scratch.path().join(name);
    // An address of its own: nobody else is given the port when it is free again.
    let silent = TcpListener::bind("127.6.6.7:0").expect("loopback has free ports");
    let address = silent.local_addr().expect("it is bound");
    fs::write(at("users.csv"), "user\nann\nbob\n").expect("scratch is writable");
    let job = format!(
        "imap = \"imap+plain://{address}\"\nusers = {:?}\nmaildir = {:?}\nreport = {:?}\n\
         metrics = {:?}\njobs = 1\nquiet = true\npassword-command = \"echo hunter2\"\nretries = 0\n",
        at("users.csv"),
        at("mail/{user}"),
        at("report"),
        at("mailseed.prom"),
    );
    fs::write(at("job.toml"), job).expect("scratch is writable");
    let command = || {
        let mut command = mailseed_command();
        command.args(["export", "--job"]).arg(at("job.toml"));
        command
    };
    let told = || fs::read_to_string(at("stderr")).expect("it is there");
    let mut child = command()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(at("stderr")).expect("scratch is writable"))
        .spawn()
        .expect("mailseed is built");

    until("a user at work", || {
        status(&at("report")).stdout.contains("at work   ann for")
    });
    let now = status(&at("report"));
    assert_eq!(
        (now.code, now.stderr.as_str()),
        (Some(0), ""),
        "{}",
        now.stdout
    );
    let head = format!("at work as process {} on ", child.id());
    for words in [&*head, "users     0 of 2 done", "1 at work, 1 to come"] {
        assert!(now.stdout.contains(words), "{words}\n{}", now.stdout);
    }
    // Also with -q, and it goes on.
    signal(&child, "USR1");
    until("an answer to the signal", || {
        told().contains("at work   ann for")
    });
    assert!(told().contains("users     0 of 2 done"), "{}", told());
    assert!(child.try_wait().expect("it is ours").is_none());
    let there = metrics(&at("mailseed.prom"));
    for line in ["mailseed_users_at_work{} 1", "mailseed_users_listed{} 2"] {
        assert!(
            there.iter().any(|there| there == line),
            "{line}\n{there:#?}"
        );
    }
    assert!(
        !there.iter().any(|line| line.starts_with("mailseed_last")),
        "{there:#?}"
    );

    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let cut = status(&at("report"));
    assert_eq!(cut.code, Some(1), "{}", cut.stdout);
    let words = format!("cut: process {} is gone", child.id());
    assert!(cut.stdout.contains(&words), "{}", cut.stdout);
    assert!(cut.stdout.contains("goes on from there"), "{}", cut.stdout);

    // Nobody is there any more: an end with failures.
    drop(silent);
    let ended = run(command(), Duration::from_secs(60));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let over = status(&at("report"));
    assert_eq!(over.code, Some(1), "{}", over.stdout);
    let again = format!("--only-failed {}", at("report/summary.csv").display());
    for words in [
        "exit status 1",
        "2 of 2 done (0 ok, 0 partial, 2 failed)",
        "2 network",
        &again,
    ] {
        assert!(over.stdout.contains(words), "{words}\n{}", over.stdout);
    }
    let there = metrics(&at("mailseed.prom"));
    for line in [
        "mailseed_last_run_exit_status{} 1",
        "mailseed_run_info{command=export,version=0.1.0} 1",
        "mailseed_user_failures_total{class=network} 2",
        "mailseed_users_at_work{} 0",
        "mailseed_users_total{status=failed} 2",
    ] {
        assert!(
            there.iter().any(|there| there == line),
            "{line}\n{there:#?}"
        );
    }
    let all = fs::read_to_string(at("mailseed.prom")).expect("it is there");
    assert!(!all.contains("ann") && !all.contains("bob"), "{all}");
    let nothing = status(&at("mail"));
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(2), ""));
}
