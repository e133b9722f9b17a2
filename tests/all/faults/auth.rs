//! Names, passwords and tokens that are awkward to send or to keep to oneself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fake_server::{Step, send};
use crate::support::odd_server::{OddServer, Speaks, Twist, mailbox};
use crate::support::program::{self, Output};
use crate::support::tree::TempTree;
use crate::support::{corpus, mail_owner};

fn export(tree: &TempTree, arguments: &[&str]) -> Output {
    let mut command = program::mailseed_command();
    command.args(["export", "--timeout", "20"]).args(arguments);
    let maildir = match arguments.contains(&"--pop3") {
        true => "by-pop3/{user}",
        false => "by-imap/{user}",
    };
    command.arg("--maildir").arg(tree.path().join(maildir));
    command.arg("--report").arg(tree.path().join("report"));
    if let Some((uid, gid)) = mail_owner() {
        command.args(["--owner", &format!("{uid}:{gid}")]);
    }
    program::run(command, Duration::from_secs(60))
}

fn file(tree: &TempTree, name: &str, content: &str) -> String {
    let path = tree.path().join(name);
    fs::write(&path, content).expect("scratch directories are writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    path.display().to_string()
}

/// A real server takes what a CSV has, in both protocols and by each way that a server may leave us.
#[test]
fn names_and_passwords_of_every_kind_arrive_as_they_are() {
    let users = [
        ("ann", "#begins-like-a-comment"),
        ("bob", "=1+1"),
        ("cat", "a\"b\\c d%*"),
        ("dan", "käse 漢字"),
        ("eve", " spaces around "),
    ];
    let server = Dovecot::start(DovecotOptions::with_users(&users));
    let tree = TempTree::new();
    let mut list = csv::Writer::from_writer(Vec::new());
    list.write_record(["user", "password"])
        .expect("memory takes it");
    for (user, password) in users {
        corpus::simple(&server.mail_dir(user), 2, 1);
        list.write_record([user, password])
            .expect("memory takes it");
    }
    let list = String::from_utf8(list.into_inner().expect("memory takes it")).expect("it is text");
    let list = file(&tree, "users.csv", &list);
    let imap = format!("imap+plain://127.0.0.1:{}", server.imap_port());
    let pop3 = format!("pop3+plain://127.0.0.1:{}", server.pop3_port());
    let mut told = Vec::new();
    for auth in ["login", "plain"] {
        for (option, url) in [("--imap", &imap), ("--pop3", &pop3)] {
            let output = export(&tree, &["--users", &list, option, url, "--auth", auth]);
            for line in output.stderr.lines() {
                told.push(format!("{auth} {option}: {line}"));
            }
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));

    // Dovecot knows no such names; others do, and for none of them is it a pattern.
    for (speaks, option, at) in [
        (Speaks::Imap, "--imap", "LOGIN"),
        (Speaks::Pop3, "--pop3", "USER"),
    ] {
        let server = OddServer::start(speaks, mailbox(1), None);
        for name in ["per%cent", "st*r", "q\"u\\ote", "semi;colon@x"] {
            let secret = file(&tree, "secret", "p%*w");
            let user = ["--user", name, "--password-file", &secret];
            let url = server.url();
            let output = export(&tree, &[&user[..], &[option, &url]].concat());
            assert_eq!(output.code, Some(0), "{name}: {}", output.stderr);
            let heard = server.heard().into_iter().rev().map(|(_, line)| line);
            let line = heard.into_iter().find(|line| line.starts_with(at));
            let want = match speaks {
                Speaks::Imap => {
                    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
                    format!("LOGIN \"{quoted}\" \"p%*w\"")
                }
                Speaks::Pop3 => format!("USER {name}"),
            };
            assert_eq!(line.as_deref(), Some(want.as_str()));
        }
    }
}

/// Servers have room for so much in one command; a token may be longer.
#[test]
fn a_long_token_goes_in_a_line_of_its_own() {
    let tree = TempTree::new();
    let token = "t0k3n".repeat(1200);
    let path = file(&tree, "token", &token);
    for (speaks, hello, at) in [
        (
            Speaks::Imap,
            "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi\r\n",
            "AUTHENTICATE XOAUTH2",
        ),
        (Speaks::Pop3, "+OK hi\r\n", "AUTH XOAUTH2"),
    ] {
        let twist = Twist {
            at,
            steps: vec![send("+ \r\n")],
            times: 0,
        };
        let server = OddServer::start_greeting(speaks, mailbox(1), twist, hello);
        let option = if speaks == Speaks::Imap {
            "--imap"
        } else {
            "--pop3"
        };
        let url = server.url();
        let command = format!("cat {path}");
        let output = export(
            &tree,
            &[
                "--user",
                "ann",
                option,
                &url,
                "--auth",
                "xoauth2",
                "--password-command",
                &command,
            ],
        );
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let heard = server.heard();
        let at = heard
            .iter()
            .position(|(_, line)| line.starts_with(at))
            .expect("it was asked");
        assert!(heard[at].1.len() < 300, "{}", heard[at].1.len());
        // The base64 of user, token and what goes between.
        assert!(heard[at + 1].1.len() > 4096, "{}", heard[at + 1].1.len());
    }
}

#[test]
fn a_token_is_asked_for_anew_with_each_attempt() {
    let tree = TempTree::new();
    let count = tree.path().join("count");
    let command = format!("echo x >>{0}; wc -l <{0}", count.display());
    let server = OddServer::start(
        Speaks::Imap,
        mailbox(3),
        Some(Twist {
            at: "UID FETCH 1:3 (UID BODY",
            steps: vec![Step::Close],
            times: 1,
        }),
    );
    let url = server.url();
    let output = export(
        &tree,
        &[
            "--user",
            "ann",
            "--imap",
            &url,
            "--password-command",
            &command,
            "--retries",
            "3",
        ],
    );
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let logins: Vec<String> = server
        .heard()
        .into_iter()
        .map(|(_, line)| line)
        .filter(|line| line.starts_with("LOGIN"))
        .collect();
    let want = [1, 2].map(|number| format!("LOGIN \"ann\" \"{number}\""));
    assert_eq!(logins, want);
}

/// A server may repeat what it was told anywhere, not only where it refuses it.
#[test]
fn a_password_that_a_listing_repeats_is_not_told() {
    const SECRET: &str = "Xq7vLm2pTz9wKd4RbN";
    let tree = TempTree::new();
    let list = file(
        &tree,
        "users.csv",
        &format!("user,password\nann,{SECRET}\n"),
    );
    for (speaks, at, words) in [
        (Speaks::Pop3, "LIST", format!("+OK\r\n1 {SECRET}\r\n.\r\n")),
        (
            Speaks::Pop3,
            "UIDL",
            format!("+OK\r\n1 {SECRET} {SECRET}\r\n2 b\r\n3 c\r\n.\r\n"),
        ),
        (Speaks::Pop3, "STAT", format!("-ERR {SECRET}\r\n")),
        (Speaks::Pop3, "RETR 2", format!("-ERR {SECRET}\r\n")),
        (
            Speaks::Imap,
            "LIST",
            format!("* NO {SECRET}\r\n{{tag}} NO {SECRET}\r\n"),
        ),
        (Speaks::Imap, "EXAMINE", format!("* BYE {SECRET}\r\n")),
        (
            Speaks::Imap,
            "UID FETCH",
            format!("{SECRET}\r\n* {SECRET} (\r\n{{tag}} BAD {SECRET}\r\n"),
        ),
    ] {
        let twist = Twist {
            at,
            steps: vec![send(words)],
            times: 0,
        };
        let server = OddServer::start(speaks, mailbox(3), Some(twist));
        let option = if speaks == Speaks::Imap {
            "--imap"
        } else {
            "--pop3"
        };
        let output = export(
            &tree,
            &[
                "--users",
                &list,
                option,
                &server.url(),
                "--retries",
                "0",
                "-vv",
            ],
        );
        let mut told = vec![output.stdout, output.stderr];
        for entry in walkdir::WalkDir::new(tree.path().join("report")) {
            let entry = entry.expect("it stands still");
            if entry.file_type().is_file() {
                told.push(fs::read_to_string(entry.path()).expect("reports are UTF-8"));
            }
        }
        for text in &told {
            assert!(!text.contains(SECRET), "{at}:\n{text}");
        }
    }
}
