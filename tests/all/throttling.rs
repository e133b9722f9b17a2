//! Servers that have enough of us: what they say counts for all users of the host and for nobody else's.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::fake_server::send;
use crate::support::mail_owner;
use crate::support::odd_server::{OddServer, Speaks, Twist, mailbox};
use crate::support::program::{self, Output};
use crate::support::report::{Row, summary};
use crate::support::tree::TempTree;

pub(crate) struct Run {
    tree: TempTree,
    list: String,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self {
            tree: TempTree::new(),
            list: "user,imap,pop3,password\n".to_owned(),
        }
    }

    pub(crate) fn add(&mut self, user: &str, server: &OddServer) {
        let url = server.url();
        let (imap, pop3) = match url.starts_with("imap") {
            true => (url.as_str(), ""),
            false => ("", url.as_str()),
        };
        self.add_at(user, imap, pop3);
    }

    pub(crate) fn add_at(&mut self, user: &str, imap: &str, pop3: &str) {
        self.list
            .push_str(&format!("{user},{imap},{pop3},Xq7vLm2pTz9wKd4RbN\n"));
    }

    pub(crate) fn maildir(&self, user: &str) -> PathBuf {
        self.tree.path().join("mail").join(user)
    }

    /// How many messages a user has.
    pub(crate) fn messages(&self, user: &str) -> u64 {
        let files = fs::read_dir(self.maildir(user).join("cur"));
        files.map_or(0, |files| files.count() as u64)
    }

    pub(crate) fn command(&self, command: &str, more: &[&str]) -> Output {
        self.command_in(command, more, "UTC")
    }

    /// The same in the time zone `zone`, as `TZ` spells it.
    pub(crate) fn command_in(&self, command: &str, more: &[&str], zone: &str) -> Output {
        program::run(self.prepared(command, more, zone), Duration::from_secs(60))
    }

    /// An export that is killed when `user` has a message.
    pub(crate) fn killed_with_a_message(&self, user: &str, more: &[&str], zone: &str) {
        let mut mailseed = self.prepared("export", more, zone);
        mailseed.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = mailseed.spawn().expect("it is there");
        while self.messages(user) == 0 {
            let ended = child.try_wait().expect("it is ours");
            assert_eq!(ended, None, "nothing has come");
            thread::sleep(Duration::from_millis(10));
        }
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }

    fn prepared(&self, command: &str, more: &[&str], zone: &str) -> Command {
        let path = self.tree.path();
        let users = path.join("users.csv");
        fs::write(&users, &self.list).expect("scratch directories are writable");
        let mut mailseed = program::mailseed_command();
        mailseed.env("TZ", zone);
        mailseed.arg(command).arg("--users").arg(&users);
        mailseed.arg("--report").arg(path.join("report")).args(more);
        if command == "export" {
            mailseed.arg("--maildir").arg(path.join("mail/{user}"));
            if let Some((uid, gid)) = mail_owner() {
                mailseed.args(["--owner", &format!("{uid}:{gid}")]);
            }
        }
        mailseed
    }

    pub(crate) fn has_report(&self) -> bool {
        self.tree.path().join("report").exists()
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        summary(&self.tree.path().join("report"))
    }
}

fn twist(at: &'static str, words: &str, times: usize) -> Option<Twist> {
    Some(Twist {
        at,
        steps: vec![send(words)],
        times,
    })
}

/// When commands that begin so came to a server, since `start`.
fn times(server: &OddServer, command: &str, start: Instant) -> Vec<Duration> {
    let heard = server.heard();
    let heard = heard.iter().filter(|(_, line)| line.starts_with(command));
    heard.map(|(when, _)| when.duration_since(start)).collect()
}

/// One user is told to wait: all of its host do, and those of another host do not.
#[test]
fn a_back_off_holds_for_all_users_of_the_host_and_for_no_other() {
    const WORDS: &str = "Request is throttled. Suggested Backoff Time: 3500 milliseconds";
    for (speaks, login, words) in [
        (Speaks::Imap, "LOGIN", format!("{{tag}} NO {WORDS}\r\n")),
        (Speaks::Pop3, "PASS", format!("-ERR {WORDS}\r\n")),
    ] {
        let throttled = OddServer::start(speaks, mailbox(1), twist(login, &words, 1));
        let other = OddServer::start(speaks, mailbox(1), None);
        let mut run = Run::new();
        (0..4).for_each(|at| run.add(&format!("t{at}"), &throttled));
        (0..6).for_each(|at| run.add(&format!("o{at}"), &other));
        let start = Instant::now();
        let output = run.command("export", &["--jobs", "1"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let told = format!("{} is left alone for 4 s, till ", throttled.host());
        assert_eq!(output.stderr.matches(&told).count(), 1, "{}", output.stderr);
        let logins = times(&throttled, login, start);
        let (first, second) = (logins[0], logins[1]);
        assert!(second - first >= Duration::from_millis(3900), "{logins:?}");
        assert_eq!(
            logins.len(),
            5,
            "a login for each user, and the one that was refused"
        );
        // The only job was not left idle meanwhile; how much it got done is a matter of the machine.
        let others = times(&other, login, start);
        let meanwhile = others.iter().filter(|when| **when < second).count();
        assert!(meanwhile >= 1, "{others:?} {second:?}");
    }
}

/// What is said of one user is that user's own wait.
#[test]
fn a_maildrop_in_use_holds_up_nobody_else() {
    let server = OddServer::start(
        Speaks::Pop3,
        mailbox(1),
        twist("PASS", "-ERR [IN-USE] locked\r\n", 1),
    );
    let mut run = Run::new();
    (0..6).for_each(|at| run.add(&format!("u{at}"), &server));
    let output = run.command("export", &["--jobs", "2"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(!output.stderr.contains("left alone"), "{}", output.stderr);
    let heard = server.heard();
    let users = heard.iter().filter(|(_, line)| line.starts_with("USER "));
    let users: Vec<&String> = users.map(|(_, line)| line).collect();
    assert_eq!(users.len(), 7);
    let of = |user: &String| users.iter().filter(|it| **it == user).count();
    let places: Vec<usize> = (0..7).filter(|at| of(users[*at]) == 2).collect();
    // While the one waits the others come.
    assert!(places.len() == 2 && places[1] - places[0] > 1, "{users:?}");
}

/// A server that takes two connections gets two, and all users come through.
#[test]
fn a_host_that_refuses_connections_gets_fewer() {
    for speaks in [Speaks::Imap, Speaks::Pop3] {
        let narrow = OddServer::narrow(speaks, mailbox(40), 2);
        let mut run = Run::new();
        (0..12).for_each(|at| run.add(&format!("u{at}"), &narrow));
        let output = run.command("export", &["--jobs", "6"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(narrow.most_at_once(), 2);
        assert!(run.rows().iter().all(|row| row.number("messages") == 40));
        // Turned away were those of the beginning, and then only who came while another one's good-bye was
        // still under way.
        let away = output.stderr.matches("trying again").count();
        assert!((1..12).contains(&away), "{away}\n{}", output.stderr);
    }
}

/// Each wrong password is tried once; after twenty in a row nobody else's is, of that host.
#[test]
fn twenty_wrong_passwords_in_a_row_stop_the_host() {
    for (speaks, login, words, command) in [
        (
            Speaks::Imap,
            "LOGIN",
            "{tag} NO [AUTHENTICATIONFAILED] wrong\r\n",
            "export",
        ),
        (Speaks::Pop3, "PASS", "-ERR wrong\r\n", "export"),
        (Speaks::Imap, "LOGIN", "{tag} NO wrong\r\n", "check"),
    ] {
        let wrong = OddServer::start(speaks, mailbox(1), twist(login, words, 0));
        let sound = OddServer::start(speaks, mailbox(1), None);
        let mut run = Run::new();
        (0..30).for_each(|at| run.add(&format!("w{at}"), &wrong));
        (0..3).for_each(|at| run.add(&format!("s{at}"), &sound));
        let output = run.command(command, &["--jobs", "1"]);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert_eq!(
            times(&wrong, login, Instant::now() - Duration::from_secs(60)).len(),
            20
        );
        let told = format!("{}: the logins of 20 users in a row failed", wrong.host());
        assert_eq!(output.stderr.matches(&told).count(), 1, "{}", output.stderr);
        if command == "check" {
            continue;
        }
        let rows = run.rows();
        let failed = |words: &str| {
            let rows = rows.iter().filter(|row| row.text("status") == "failed");
            rows.filter(|row| row.text("error").contains(words)).count()
        };
        assert_eq!((failed("auth:"), failed("not begun")), (20, 10));
        assert_eq!(
            rows.iter().filter(|row| row.text("status") == "ok").count(),
            3
        );
    }
}

/// One right password among wrong ones: they are slips, and all are tried.
#[test]
fn wrong_passwords_here_and_there_stop_nobody() {
    let wrong = OddServer::start(
        Speaks::Imap,
        mailbox(1),
        Some(Twist {
            at: "LOGIN \"w",
            steps: vec![send("{tag} NO wrong\r\n")],
            times: 0,
        }),
    );
    let mut run = Run::new();
    for at in 0..45 {
        let name = if at % 15 == 14 { "right" } else { "w" };
        run.add(&format!("{name}{at}"), &wrong);
    }
    let output = run.command("export", &["--jobs", "1"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_eq!(
        times(&wrong, "LOGIN", Instant::now() - Duration::from_secs(60)).len(),
        45
    );
}
