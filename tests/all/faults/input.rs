//! What tired admins type and list.

use std::fs;
use std::time::Duration;

use crate::support::fake_server::send;
use crate::support::mail_owner;
use crate::support::odd_server::{OddServer, Speaks, Twist, mailbox};
use crate::support::program::{self, Output};
use crate::support::report::summary;
use crate::support::tree::TempTree;

fn export(tree: &TempTree, list: &str, maildir: &str, url: &str) -> Output {
    let users = tree.path().join("users.csv");
    fs::write(&users, list).expect("scratch directories are writable");
    let mut command = program::mailseed_command();
    command
        .args(["export", "--imap", url])
        .arg("--users")
        .arg(&users);
    command.arg("--maildir").arg(tree.path().join(maildir));
    command.arg("--report").arg(tree.path().join("report"));
    if let Some((uid, gid)) = mail_owner() {
        command.args(["--owner", &format!("{uid}:{gid}")]);
    }
    command.env("MAILSEED_PASSWORD", "secret-word");
    program::run(command, Duration::from_secs(60))
}

#[test]
fn a_long_list_with_one_bad_row_starts_nothing() {
    let tree = TempTree::new();
    let mut list = "user,password\n".to_owned();
    for number in 0..200_000 {
        list.push_str(&format!("user{number}@example.org,p{number}\n"));
    }
    list.push_str("user7@example.org,again\n");
    let output = export(&tree, &list, "mail/{user}", "imaps://127.0.0.1:9");
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("line 200002"), "{}", output.stderr);
    assert!(!tree.path().join("mail").exists() && !tree.path().join("report").exists());
    assert!(
        output.peak_rss_kib < 400 << 10,
        "{} KiB",
        output.peak_rss_kib
    );
}

#[test]
fn a_user_whose_name_is_a_formula_is_a_text_in_reports() {
    let server = OddServer::start(
        Speaks::Imap,
        mailbox(1),
        Some(Twist {
            at: "LOGIN",
            steps: vec![send("{tag} NO =cmd|' /C calc'!A0\r\n")],
            times: 0,
        }),
    );
    let tree = TempTree::new();
    let users = ["=1+1", "+1", "-2", "@x"];
    let list = format!("user\n{}\n", users.join("\n"));
    let output = export(&tree, &list, "mail/{user}", &server.url());
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let rows = summary(&tree.path().join("report"));
    assert_eq!(rows.len(), 4);
    for row in rows {
        for column in ["user", "error"] {
            let text = row.text(column);
            // A user's name stays what it is: the report is itself a list of users.
            assert!(
                column == "user" || !text.starts_with(['=', '+', '-', '@']),
                "{text}"
            );
        }
    }
}

#[test]
fn a_user_name_leads_nowhere() {
    let server = OddServer::start(Speaks::Imap, mailbox(1), None);
    let tree = TempTree::new();
    for name in ["../up", "..", ".", "a/../../b", "/etc/cron.d/x", "a/b", ""] {
        let list = format!("user\nann\n\"{name}\"\n");
        let output = export(&tree, &list, "mail/{user}", &server.url());
        assert_eq!(output.code, Some(2), "{name}: {}", output.stderr);
        assert!(
            output.stderr.contains("line 3"),
            "{name}: {}",
            output.stderr
        );
    }
    for template in ["mail/../{user}", "{user}/../../x"] {
        let output = export(&tree, "user\nann\n", template, &server.url());
        assert_eq!(output.code, Some(2), "{template}: {}", output.stderr);
    }
    assert!(server.heard().is_empty(), "nothing was started");
    assert!(!tree.path().join("mail").exists());
}
