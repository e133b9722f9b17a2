//! The commands of the manual are run, as they stand, against a real server: only its name, the place of
//! the mail and who is to own it are those of the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mailseed::help::{TOPICS, Topic};

use super::options::examples;
use super::{blocks, joined};
use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::mail_user::Client;
use crate::support::program::{self, Output};
use crate::support::tree::TempTree;
use crate::support::{give_to_mail_owner, mail_owner};

const PASSWORD: &str = "secret";
const MASTER: &str = "master-secret";

/// The users of a move: those whom the manual names, and others.
fn users(count: usize) -> Vec<String> {
    let named = ["ann", "bob"].map(str::to_owned);
    let others = (named.len()..count).map(|number| format!("user{number}"));
    let names = named.into_iter().chain(others);
    names.map(|name| name + "@example.com").collect()
}

/// The old host, and a directory with what the manual says that is there.
struct Place {
    server: Dovecot,
    dir: TempTree,
}

impl Place {
    fn new(users: &[String]) -> Self {
        let logins: Vec<_> = users.iter().map(|user| (user.as_str(), PASSWORD)).collect();
        let server = Dovecot::start(DovecotOptions {
            master: Some(("migrate".to_owned(), MASTER.to_owned())),
            // UIDLs that every target can hold, and in this order.
            uidl_format: "UID%u-%v".to_owned(),
            ..DovecotOptions::with_users(&logins)
        });
        for (number, user) in users.iter().enumerate() {
            let maildir = server.mail_dir(user);
            let names = [1, 2, 3].map(|at| format!("130000000{at}.M{number}.old:2,S"));
            let text = |at: usize| format!("From: a@b.example\nSubject: {user} {at}\n\nHello\n");
            let texts = [1, 2, 3].map(text);
            let files: Vec<(&str, &[u8])> = names
                .iter()
                .zip(&texts)
                .map(|(name, text)| (name.as_str(), text.as_bytes()))
                .collect();
            corpus::bare(&maildir, &files);
            give_to_mail_owner(&maildir);
            let mut client = Client::login(server.imap_port(), user, PASSWORD);
            client.create("Sent");
            client.append(
                "Sent",
                &["\\Seen"],
                1_400_000_000,
                "Subject: sent\n\nHello\n",
            );
        }
        let dir = TempTree::new();
        let place = Self { server, dir };
        let list = |columns: &str, row: &dyn Fn(&str) -> String| {
            let rows = users.iter().map(|user| row(user) + "\n");
            format!("{columns}\n{}", rows.collect::<String>())
        };
        place.put("users.csv", &list("user", &|user| user.to_owned()));
        place.put("pilot.csv", "user\nbob@example.com\n");
        place.put(
            "passwords.csv",
            &list("user,password", &|user| format!("{user},{PASSWORD}")),
        );
        place.put("master.password", MASTER);
        place.put("ann.password", PASSWORD);
        let ca = fs::read_to_string(place.server.ca_pem()).expect("the server's authority");
        place.put("appliance.pem", &ca);
        let token = |user: &String| format!("{user}) echo {} ;;\n", place.server.token(user));
        let tokens: String = users.iter().map(token).collect();
        place.put("token", &format!("#!/bin/sh\ncase $1 in\n{}esac\n", tokens));
        let token = place.dir.path().join("token");
        fs::set_permissions(token, fs::Permissions::from_mode(0o700)).expect("ours");
        place
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    }

    /// `text` with the names of the manual replaced by those of the test; mail goes below `root`.
    fn here(&self, text: &str, root: &str) -> String {
        let host = self.server.host();
        let owner = mail_owner().unwrap_or_else(|| {
            let gid = rustix::process::getegid().as_raw();
            (rustix::process::geteuid().as_raw(), gid)
        });
        let owner = format!("{}:{}", owner.0, owner.1);
        let mail = self.dir.path().join(root);
        let mail = mail.to_str().expect("a plain path");
        let names = [
            (
                "imaps://old.example.com",
                format!("imaps://{host}:{}", self.server.imaps_port()),
            ),
            (
                "pop3s://old.example.com",
                format!("pop3s://{host}:{}", self.server.pop3s_port()),
            ),
            ("--master-user cyrus", "--master-user migrate".to_owned()),
            ("vmail:vmail", owner.clone()),
            ("vpopmail:vchkpw", owner),
            ("/var/vmail", mail.to_owned()),
            ("/home/vpopmail/domains", mail.to_owned()),
            ("reports/", format!("{root}-reports/")),
            ("/usr/local/share/man", format!("{root}-man")),
            ("/etc/bash_completion.d/", String::new()),
        ];
        names.iter().fold(text.to_owned(), |text, (told, here)| {
            text.replace(told, here)
        })
    }

    /// What the shell makes of `command`.
    fn run(&self, command: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_mailseed"));
        let bin = program
            .parent()
            .expect("a directory")
            .to_str()
            .expect("a plain path");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        shell
            .args(["-eu", "-c", command])
            .current_dir(self.dir.path())
            .env("PATH", format!("{bin}:{path}"))
            .env("SSL_CERT_FILE", self.server.ca_pem());
        program::run(shell, Duration::from_secs(120))
    }

    fn must(&self, command: &str) {
        let out = self.run(command);
        assert_eq!(out.code, Some(0), "{command}\n{}{}", out.stdout, out.stderr);
    }
}

fn topic(name: &str) -> &'static Topic {
    let mut topics = TOPICS.iter();
    topics.find(|topic| topic.name == name).expect("a topic")
}

#[test]
fn the_runbook_ends_with_a_verified_move() {
    let users = users(40);
    let place = Place::new(&users);
    for (kind, text) in blocks(topic("runbook").text) {
        let text = place.here(text, "runbook");
        match kind {
            "csv" => assert!(text.starts_with("user\nann@example.com\n"), "{text}"),
            "toml" => place.put("mailseed.toml", &text),
            "sh" => place.must(&text),
            other => panic!("a block of {other:?}"),
        }
    }
    let moved = place.dir.path().join("runbook/example.com");
    assert_eq!(fs::read_dir(moved).expect("the mail").count(), users.len());
    let proof = place.dir.path().join("runbook-reports/proof/verified.csv");
    let proof = fs::read_to_string(proof).expect("the proof");
    assert_eq!(proof.matches(",ok,").count(), users.len(), "{proof}");
    assert!(place.dir.path().join("migration.html").exists());
}

/// Topics whose commands belong together, in the order of the text; one job file is theirs.
const IN_ORDER: [&str; 6] = [
    "user-list",
    "many-users",
    "selection",
    "checking",
    "reports",
    // Deletes at the source what has arrived in the last day.
    "again",
];

/// Each of its commands has mail of its own.
const RECIPES: [&str; 2] = ["sources", "targets"];

#[test]
fn the_commands_of_the_other_topics_work_in_their_order() {
    let place = Place::new(&users(4));
    let mut jobs = blocks(topic("many-users").text).filter(|(kind, _)| *kind == "toml");
    let (_, job) = jobs.next().expect("a job file");
    for name in IN_ORDER {
        place.put("mailseed.toml", &place.here(job, name));
        if name == "checking" {
            // What verify, uidl and explain look at.
            place.must("mailseed export --job mailseed.toml");
        }
        for (_, block) in blocks(topic(name).text).filter(|(kind, _)| *kind == "sh") {
            place.must(&place.here(block, name));
        }
    }
}

/// In the order of a migration; `man` and `help` need nothing.
const EXAMPLES: [&str; 12] = [
    "help",
    "man",
    "completions",
    "check",
    "plan",
    "export",
    "verify",
    "explain",
    "uidl",
    "status",
    "report",
    "retarget",
];

#[test]
fn the_examples_of_every_help_work() {
    let place = Place::new(&users(2));
    let mut jobs = blocks(topic("many-users").text).filter(|(kind, _)| *kind == "toml");
    let (_, job) = jobs.next().expect("a job file");
    place.put("mailseed.toml", &place.here(job, "examples"));
    for command in EXAMPLES {
        let help = place.run(&format!("mailseed {command} --help")).stdout;
        for example in examples(&help) {
            place.must(&place.here(&example, "examples"));
        }
    }
}

/// Blocks of the README that are no work for this test, and where else what they say is run.
const ELSEWHERE: [(&str, &str, &str); 10] = [
    (
        "sudo apt-get install --yes build-essential pkg-config libssl-dev",
        "scripts/install-deps",
        "apt-get install",
    ),
    (
        "cargo install --locked --path .",
        "scripts/package",
        "cargo build --locked",
    ),
    (
        "sudo install ~/.cargo/bin/mailseed /usr/local/bin/",
        "scripts/package",
        "install -D -m 0755 \"$binary\"",
    ),
    ("scripts/demo", "scripts/test", "    scripts/demo >"),
    ("scripts/test", ".ci/run", "scripts/test"),
    ("scripts/fuzz", "tests/all/fuzz.rs", "scripts/fuzz"),
    ("scripts/soak", "tests/all/soak.rs", "scripts/soak"),
    ("scripts/many", "tests/all/many.rs", "scripts/many"),
    (
        "scripts/package",
        "tests/all/packaged.rs",
        "scripts/package",
    ),
    ("scripts/bench", "tests/all/benchmark.rs", "scripts/bench"),
];

#[test]
fn the_commands_of_the_readme_work_in_their_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |name: &str| fs::read_to_string(root.join(name)).expect(name);
    let place = Place::new(&users(2));
    let readme = file("README.md");
    let (mut run, mut not_here) = (0, Vec::new());
    for (kind, text) in blocks(&readme) {
        let here = place.here(text, "readme");
        let is_ours = |line: &str| line.starts_with("mailseed ") || line.starts_with(' ');
        match kind {
            "csv" => place.put("users.csv", &here),
            "toml" => place.put("mailseed.toml", &here),
            "sh" if text.lines().all(is_ours) => {
                place.must(&here);
                run += 1;
            }
            "sh" => not_here.extend(text.lines()),
            _ => {}
        }
    }
    assert!(run >= 4, "{run} blocks were run");
    assert_eq!(not_here.len(), ELSEWHERE.len(), "{not_here:?}");
    for (line, (told, place, words)) in not_here.iter().zip(ELSEWHERE) {
        // What it does stands behind it, as a comment.
        let command = line.split(" #").next().unwrap_or(line).trim_end();
        assert_eq!(command, told);
        assert!(file(place).contains(words), "{place} does not run {told}");
    }
}

/// No block is passed over, because nobody thought of its topic.
#[test]
fn every_block_of_commands_is_in_a_topic_that_is_run() {
    for topic in TOPICS {
        let is_run = [&IN_ORDER[..], &RECIPES, &["runbook"]].concat();
        let has_commands = blocks(topic.text).any(|(kind, _)| kind == "sh");
        assert_eq!(has_commands, is_run.contains(&topic.name), "{}", topic.name);
    }
}

#[test]
fn every_recipe_for_a_kind_of_server_works() {
    let place = Place::new(&users(4));
    for name in RECIPES {
        let commands = blocks(topic(name).text).filter(|(kind, _)| *kind == "sh");
        for (at, (_, block)) in commands.enumerate() {
            for command in joined(block) {
                // Each with mail of its own; what needs a tree has the first one.
                let root = match command.starts_with("mailseed export") {
                    true => format!("{name}-{at}"),
                    false => format!("{name}-0"),
                };
                place.must(&place.here(&command, &root));
            }
        }
    }
}
