//! POP3 servers that show more than INBOX: IMAP from one user of a real Dovecot, POP3 from another
//! one whose INBOX holds the messages of several of the first one's folders.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::pop3_view;
use crate::support::program::{self, Output};
use crate::support::report;
use crate::support::tree::TempTree;
use crate::support::{give_to_mail_owner, mail_owner};

pub const PASSWORD: &str = "any";

pub fn content(subject: &str, body: &str) -> String {
    format!(
        "From: a@example.org\nMessage-ID: <{subject}@example.org>\n\
         Date: Mon, 5 Jan 2015 10:00:00 +0000\nSubject: {subject}\n\n{body}\n"
    )
}

/// A folder with `messages`: the UID, the UIDL that is stored, the content.
fn write_folder(
    maildir: &Path,
    folder: &str,
    validity: u32,
    messages: &[(u32, Option<&str>, String)],
) {
    let directory = maildir.join(folder);
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(directory.join(part)).expect("scratch directories are writable");
    }
    let mut list = format!("3 V{validity} N900 G{validity:032x}\n");
    for (uid, uidl, content) in messages {
        let size = content.len();
        let virtual_size = size + content.matches('\n').count();
        let name = format!("{uid}.old,S={size},W={virtual_size}");
        fs::write(directory.join("cur").join(format!("{name}:2,S")), content)
            .expect("scratch directories are writable");
        let uidl = uidl.map_or(String::new(), |uidl| format!(" P{uidl}"));
        list.push_str(&format!("{uid}{uidl} :{name}\n"));
    }
    fs::write(directory.join("dovecot-uidlist"), list).expect("it is ours");
    give_to_mail_owner(maildir);
}

/// A server with ann's folders, and what POP3 shows of them as the INBOX of `ann-pop3`.
pub struct Source {
    pub server: Dovecot,
    pub target: TempTree,
    pub report: TempTree,
}

impl Source {
    pub fn new() -> Self {
        let server = Dovecot::start(DovecotOptions {
            any_password: true,
            ..DovecotOptions::default()
        });
        Self {
            server,
            target: TempTree::new(),
            report: TempTree::new(),
        }
    }

    pub fn folder(&self, folder: &str, validity: u32, messages: &[(u32, &str)]) {
        let messages: Vec<_> = messages
            .iter()
            .map(|(uid, subject)| (*uid, None, content(subject, subject)))
            .collect();
        write_folder(&self.server.mail_dir("ann"), folder, validity, &messages);
    }

    /// What POP3 shows: UIDLs and the messages that have them.
    pub fn pop3(&self, messages: &[(&str, String)]) {
        let messages: Vec<_> = (1..)
            .zip(messages)
            .map(|(uid, (uidl, content))| (uid, Some(*uidl), content.clone()))
            .collect();
        write_folder(&self.server.mail_dir("ann-pop3"), "", 77, &messages);
    }

    pub fn mailseed(&self, command: &str, more: &[&str]) -> Output {
        let users = self.report.path().join("users.csv");
        fs::write(&users, "user,pop3_user\nann,ann-pop3\n").expect("it is ours");
        let mut mailseed = program::mailseed_command();
        mailseed
            .arg(command)
            .arg("--users")
            .arg(&users)
            .arg("--imap")
            .arg(format!(
                "imap+plain://127.0.0.1:{}",
                self.server.imap_port()
            ))
            .arg("--pop3")
            .arg(format!(
                "pop3+plain://127.0.0.1:{}",
                self.server.pop3_port()
            ))
            .arg("--maildir")
            .arg(self.target.path().join("Maildir"))
            .arg("--report")
            .arg(self.report.path())
            .args(more)
            .env("MAILSEED_PASSWORD", PASSWORD);
        if let (Some((uid, gid)), true) = (mail_owner(), command != "check") {
            mailseed.args(["--owner", &format!("{uid}:{gid}")]);
        }
        program::run(mailseed, Duration::from_secs(60))
    }

    /// [`Source::mailseed`] that must end so.
    pub fn ends(&self, command: &str, more: &[&str], code: i32) -> Output {
        let output = self.mailseed(command, more);
        let shown = (&output.stdout, &output.stderr);
        assert_eq!(output.code, Some(code), "{command} {more:?}: {shown:#?}");
        output
    }

    pub fn explain(&self, message: &str) -> String {
        let maildir = self.target.path().join("Maildir").display().to_string();
        let output = program::mailseed(["explain", "ann", message, "--maildir", &maildir]);
        assert_eq!(output.code, Some(0), "{message}: {}", output.stdout);
        output.stdout
    }

    /// The UIDLs that the new POP3 server announces.
    pub fn announced(&self) -> Vec<String> {
        let home = self.target.path().display().to_string();
        give_to_mail_owner(self.target.path());
        let new = Dovecot::start(DovecotOptions::reading(&home));
        let listing = pop3_view::read(new.pop3_port(), "ann", PASSWORD, false);
        listing.into_iter().map(|entry| entry.uidl).collect()
    }

    pub fn check_row(&self) -> std::collections::HashMap<String, String> {
        let path = self.report.path().join("check.csv");
        let mut reader = csv::Reader::from_path(path).expect("it was written");
        let mut rows = reader.deserialize();
        rows.next().expect("a row").expect("it is whole")
    }
}

const FLAG: &str = "--pop3-all-mailboxes";

/// Opaque UIDLs, all in another order: found by header, told of, and found again.
#[test]
fn uidls_of_other_folders_are_found_and_told_of() {
    let source = Source::new();
    source.folder("", 1_318_450_431, &[(3, "a"), (5, "b")]);
    source.folder(
        ".Sent",
        1_318_450_432,
        &[(7, "c"), (9, "d"), (11, "not shown")],
    );
    source.folder(".Archive.Old", 1_318_450_433, &[(1, "e")]);
    // A copy of one in INBOX, which POP3 shows once.
    source.folder(".Trash", 1_318_450_434, &[(4, "a")]);
    source.pop3(&["e", "c", "b", "d", "a"].map(|name| {
        let uidl = ["ua", "ub", "uc", "ud", "ue"][usize::from(name.as_bytes()[0] - b'a')];
        (uidl, content(name, name))
    }));

    let output = source.ends("export", &[], 1);
    for told in ["3 UIDLs have no message in INBOX", FLAG] {
        assert!(output.stdout.contains(told), "{}", output.stdout);
    }
    let before = source.target.listing();
    source.ends("check", &[], 1);
    assert_eq!(source.check_row()["uidls_elsewhere"], "0");
    source.ends("check", &[FLAG], 0);
    let row = source.check_row();
    let cell = |name: &str| row[name].as_str();
    assert_eq!(
        [
            "uidls_kept",
            "uidls_extra",
            "uidls_elsewhere",
            "folders_elsewhere"
        ]
        .map(cell),
        ["2", "0", "3", "Archive/Old=1; Sent=2"]
    );
    let verdict = "transparent, but for what is accepted: 3 UIDLs are of messages in other folders \
                   than INBOX (Archive/Old 1, Sent 2); the new POP3 server will not show them";
    assert_eq!(cell("verdict"), verdict);
    source.ends("plan", &[FLAG], 0);
    assert_eq!(source.target.listing(), before);

    let output = source.ends("export", &[FLAG, "-v"], 0);
    let note = "3 UIDLs are of messages in other folders than INBOX (Archive/Old 1, Sent 2)";
    for told in [
        note,
        "UIDLs paired: 2 by header ",
        "UIDL uc (POP3 message 2): in folder Sent, UID 7",
    ] {
        assert!(output.stderr.contains(told), "{told}:\n{}", output.stderr);
    }
    let row = &report::summary(source.report.path())[0];
    let figures = [
        "messages",
        "added",
        "uidls",
        "uidls_extra",
        "uidls_elsewhere",
    ];
    assert_eq!(figures.map(|column| row.number(column)), [7, 2, 2, 0, 3]);
    // What pairing has read in whatever folder is not fetched again: two were exported.
    let imap = source.server.sessions("imap", "ann", 5);
    assert_eq!(imap[4]["body_count"], 5, "{imap:?}");
    let json = report::run_json(source.report.path());
    let notes = json["users"][0]["notes"].to_string();
    assert!(notes.contains(note), "{notes}");
    assert_eq!(json["totals"]["uidls_elsewhere"], 3);

    let told = source.explain("uc");
    for line in [
        "ann, folder INBOX, UIDL uc, POP3 position 2 of 5\n",
        "  message   in folder Sent, UID 7, found by header (",
        "  noticed   the new POP3 server will not show it",
    ] {
        assert!(told.contains(line), "{line}:\n{told}");
    }
    let told = source.explain("Sent:7");
    assert!(
        told.contains("  UIDL      uc, found by header; the new"),
        "{told}"
    );
    assert!(!source.explain("Sent:11").contains("UIDL"));

    // What the first run has found the second one does not read again.
    source.server.sessions("pop3", "ann-pop3", 7);
    let before = source.target.listing();
    let output = source.ends("export", &[FLAG, "-v"], 0);
    let known = "UIDL uc (POP3 message 2): in folder Sent, UID 7, by known";
    assert!(output.stderr.contains(known), "{}", output.stderr);
    assert_eq!(source.target.listing(), before);
    let sessions = source.server.sessions("pop3", "ann-pop3", 8);
    assert_eq!((sessions[7]["top"], sessions[7]["retr"]), (0, 0));
    assert!(source.explain("uc").contains("found by header"));
    assert_eq!(source.announced(), ["ub", "ua"]);
}

/// One UIDL is that of no message at all, one of a message whose twin is elsewhere: with the
/// flag as without it they stop the user.
#[test]
fn uidls_without_a_message_in_any_folder_still_stop_the_user() {
    let source = Source::new();
    source.folder("", 1_318_450_431, &[(3, "a")]);
    source.folder(".Sent", 1_318_450_432, &[(7, "c"), (8, "twin")]);
    source.pop3(&[
        ("ua", content("a", "a")),
        ("uc", content("c", "c")),
        ("ux", content("x", "x")),
        ("uy", content("twin", "of another body")),
    ]);
    let output = source.ends("export", &[FLAG], 1);
    for told in [
        "2 UIDLs have no message in INBOX",
        "ux: no such message in any folder",
        "uy: the messages with its header have another body",
    ] {
        assert!(output.stdout.contains(told), "{told}: {}", output.stdout);
    }
    assert!(!output.stdout.contains(FLAG), "{}", output.stdout);
    // Sent was exported all the same, from what had been read to match it.
    let imap = source.server.sessions("imap", "ann", 1);
    assert_eq!(imap[0]["body_count"], 3, "{imap:?}");
    let row = &report::summary(source.report.path())[0];
    let figures = ["uidls_extra", "uidls_elsewhere"];
    assert_eq!(row.text("status"), "failed");
    source.ends("check", &[FLAG], 1);
    let row = source.check_row();
    assert_eq!(figures.map(|column| row[column].as_str()), ["2", "1"]);
    assert!(
        row["verdict"].starts_with("not transparent: because 2 UIDLs"),
        "{row:?}"
    );

    source.ends("export", &[FLAG, "--ignore-extra-uidls"], 0);
    let row = &report::summary(source.report.path())[0];
    assert_eq!(figures.map(|column| row.number(column)), [2, 1]);
    assert_eq!(source.announced(), ["ua"]);
}

/// Each folder's UIDVALIDITY and UIDs: a few headers of each are read, however many there are, and
/// none of folders that POP3 does not show.
#[test]
fn the_servers_own_rule_costs_a_few_headers_a_folder() {
    let source = Source::new();
    let names: Vec<String> = (0..720).map(|n| format!("n{n:03}")).collect();
    let mut shown: Vec<(String, String)> = Vec::new();
    // The server lists folders by name: Zoo, which POP3 does not show, is behind the others.
    for (folder, validity, range) in [
        ("", 1_318_450_431, 0..180),
        (".A", 1_318_450_432, 180..360),
        (".B", 1_318_450_433, 360..540),
        (".Zoo", 1_318_450_434, 540..720),
    ] {
        let messages: Vec<(u32, &str)> =
            (1..).zip(names[range].iter().map(String::as_str)).collect();
        source.folder(folder, validity, &messages);
        if folder != ".Zoo" {
            let uidl = |uid: u32| format!("{validity}.{uid}");
            shown.extend(
                messages
                    .iter()
                    .map(|(uid, name)| (uidl(*uid), content(name, name))),
            );
        }
    }
    let shown: Vec<(&str, String)> = shown
        .iter()
        .map(|(uidl, content)| (uidl.as_str(), content.clone()))
        .collect();
    source.pop3(&shown);
    let output = source.ends("plan", &[FLAG, "-v"], 0);
    let note = "360 UIDLs are of messages in other folders than INBOX (A 180, B 180)";
    assert!(output.stderr.contains(note), "{}", output.stderr);
    let pop3 = &source.server.sessions("pop3", "ann-pop3", 1)[0];
    let imap = &source.server.sessions("imap", "ann", 1)[0];
    // Five of each, but for INBOX: the UIDLs of others are the most, which is reason for doubt.
    assert_eq!((pop3["top"], pop3["retr"]), (180 + 5 + 5, 0), "{pop3:?}");
    let bodies = imap["body_count"];
    assert_eq!((imap["hdr_count"], bodies), (190, 0), "{imap:?}");
}
