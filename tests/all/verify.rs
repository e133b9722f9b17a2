//! `mailseed verify`: an untouched tree has no difference, and of each way of spoiling it is said what
//! it is.

mod courier;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use self::courier::{COURIER, COURIER_ALONE, COURIER_OF_ROOT, COURIER_POP3_ONLY};
use self::tree::{ANY, DOVECOT, Maildir, OF_ROOT, POP3_ONLY, QMAIL, Spoiling};
use crate::migration::{PASSWORD, Source, Target};
use crate::support::corpus::{PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::mail_user::{Client, Store};
use crate::support::program::{self, Output};
use crate::support::tree::{TempTree, assert_untouched, stamps};
use crate::support::{Layout, corpus, give_to_mail_owner, mail_owner};

/// The user of whom the others are copies.
const FIRST: &str = "first";

/// A server that shows one mailbox to whoever logs in: INBOX in another POP3 order than that of its
/// UIDs, with keywords, and with UIDs that have been given and are gone.
fn source(home: &Path) -> Dovecot {
    source_with(home, |uidl, _| uidl.to_owned())
}

/// The same with other UIDLs, each made of what it was and of its number.
fn source_with(home: &Path, uidl: impl Fn(&str, usize) -> String) -> Dovecot {
    let maildir = home.join("Maildir");
    fs::create_dir_all(home).expect("scratch directories are writable");
    corpus::simple(&maildir, 30, 7);
    let list = maildir.join("dovecot-uidlist");
    let text = fs::read_to_string(&list).expect("the corpus has a list");
    let lines = text.lines().enumerate().map(|(at, line)| match at {
        0 => format!("{line}\n"),
        at => {
            let mut words = line.split(' ');
            let was = words
                .find_map(|word| word.strip_prefix('P'))
                .expect("a UIDL");
            let line = line.replace(was, &uidl(was, at));
            line.replace(" :", &format!(" O{} :", 31 - at)) + "\n"
        }
    });
    fs::write(&list, lines.collect::<String>()).expect("written");
    give_to_mail_owner(home);
    let server = Dovecot::start(DovecotOptions::reading(home.to_str().expect("ASCII")));
    let mut client = Client::login(server.imap_port(), FIRST, PASSWORD);
    client.store("INBOX", 3, Store::Set, &["Work", "\\Flagged"]);
    client.expunge("INBOX", 30);
    client.subscribe("Sent");
    server
}

/// Verifies `user` byte by byte, and finds nothing.
pub fn assert_transparent(target: &Target, source: &Source, user: &str, more: &[&str]) {
    let mut command = target.command("verify", source, more);
    command.args(["--user", user, "--content", "all", "-v"]);
    let Output { code, stdout, .. } = program::run(command, Duration::from_secs(120));
    assert_eq!(code, Some(0), "{stdout}");
}

struct Verified {
    output: Output,
    /// What differs of each user, `what folder uid` each.
    rows: BTreeMap<String, BTreeSet<String>>,
    /// Which servers show what differs of each user.
    servers: BTreeMap<String, BTreeSet<String>>,
    /// `verified.csv`, by user and column.
    users: BTreeMap<String, BTreeMap<String, String>>,
}

fn rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    let mut file = csv::Reader::from_path(file).expect("a report was written");
    let rows = file.deserialize();
    rows.map(|row| row.expect("CSV")).collect()
}

/// Verifies `users`, all in one run.
fn verify(source: &Source, target: &Target, users: &[&str], more: &[&str]) -> Verified {
    let report = TempTree::new();
    let mut list = "user\n".to_owned();
    for user in users {
        writeln!(list, "{user}").expect("a string");
    }
    let file = report.path().join("users.csv");
    fs::write(&file, list).expect("written");
    let mut command = target.command("verify", source, more);
    command.args(["-j", "8", "-v", "--users"]).arg(file);
    command.arg("--report").arg(report.path());
    let output = program::run(command, Duration::from_secs(120));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut servers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&report.path().join("verify.csv")) {
        let uid = if row["uid"].is_empty() {
            "-"
        } else {
            &row["uid"]
        };
        let line = format!("{} {} {uid}", row["what"], row["folder"]);
        found.entry(row["user"].clone()).or_default().insert(line);
        let shown_by = servers.entry(row["user"].clone()).or_default();
        shown_by.insert(row["servers"].clone());
    }
    let users = rows(&report.path().join("verified.csv")).into_iter();
    Verified {
        output,
        rows: found,
        servers,
        users: users.map(|row| (row["user"].clone(), row)).collect(),
    }
}

/// Whether exactly `wanted` was found; a `*` stands for any UIDs.
fn is_as_wanted(wanted: &[&str], found: &BTreeSet<String>) -> bool {
    let fits = |wanted: &str, line: &str| match wanted.strip_suffix('*') {
        Some(start) => line.starts_with(start),
        None => line == wanted,
    };
    wanted
        .iter()
        .all(|wanted| found.iter().any(|line| fits(wanted, line)))
        && found
            .iter()
            .all(|line| wanted.iter().any(|wanted| fits(wanted, line)))
}

/// Exports for `servers`, spoils a copy in each of the ways, and verifies them all. `shown_by` is the
/// server of whose files all of them are, if it is not the only one.
fn spoilt(source: &Source, servers: &str, shown_by: &str, ways: &[&[Spoiling]]) -> String {
    let target = Target::new();
    let more = ["--target", servers];
    target.export_ok(source, FIRST, &more);
    let more = ["--target", servers, "--content", "all"];
    let ways: Vec<&Spoiling> = ways.iter().copied().flatten().collect();
    let users: Vec<String> = (0..ways.len()).map(|at| format!("u{at:02}")).collect();
    for (user, (_, spoil, _)) in users.iter().zip(&ways) {
        let copy = Maildir::copied(&target.maildir(FIRST), target.maildir(user));
        spoil(&copy);
    }
    let root = target.maildir(FIRST);
    let root = root
        .parent()
        .and_then(Path::parent)
        .expect("below the root");
    let before = stamps(root);
    let everyone = users.iter().map(String::as_str).chain([FIRST]);
    let everyone: Vec<&str> = everyone.collect();
    let verified = verify(source, &target, &everyone, &more);
    assert_untouched(&before, root);
    let Output {
        code,
        stdout,
        stderr,
        ..
    } = &verified.output;
    assert_eq!(*code, Some(1), "{stdout}\n{stderr}");
    assert_eq!(
        verified.rows.get(FIRST),
        None,
        "{servers}: {:#?}",
        verified.rows.get(FIRST)
    );
    assert_eq!(
        verified.users[FIRST]["verdict"], "transparent",
        "{stdout}\n{stderr}"
    );
    let mut wrong = String::new();
    for (user, (name, _, wanted)) in users.iter().zip(&ways) {
        let found = verified.rows.get(user).cloned().unwrap_or_default();
        let row = &verified.users[user];
        if !is_as_wanted(wanted, &found) || row["status"] != "partial" {
            let error = &row["error"];
            writeln!(
                wrong,
                "{servers}: {name}: want {wanted:?}, found {found:?} {error}"
            )
            .expect("a string");
        }
        let named = &verified.servers[user];
        if !shown_by.is_empty() && !named.iter().eq([shown_by]) {
            writeln!(wrong, "{servers}: {name}: shown by {named:?}").expect("a string");
        }
    }
    wrong
}

#[test]
fn every_way_of_spoiling_a_tree_is_named() {
    let home = TempTree::new();
    let server = source(&home.path().join("old"));
    let both = Source::of(&server);
    let of_root = mail_owner().map_or(&[][..], |_| OF_ROOT);
    let mut wrong = spoilt(&both, "dovecot", "", &[ANY, DOVECOT, of_root]);
    wrong += &spoilt(&both, "qmail,dovecot", "", &[ANY, QMAIL, of_root]);
    wrong += &spoilt(&both, "qmail", "", &[ANY, QMAIL, of_root]);
    wrong += &spoilt(&both.pop3_only(), "dovecot", "", &[POP3_ONLY, of_root]);
    assert!(wrong.is_empty(), "{wrong}");
}

/// The same of trees for Courier, alone and beside others: then it is said that Courier alone shows it.
#[test]
fn every_way_of_spoiling_couriers_files_is_named() {
    let home = TempTree::new();
    let server = source_with(&home.path().join("old"), |_, number| {
        format!("UID{}-1350000000", number + 100)
    });
    let both = Source::of(&server);
    let of_root = mail_owner().map_or(&[][..], |_| OF_ROOT);
    let couriers = mail_owner().map_or(&[][..], |_| COURIER_OF_ROOT);
    let alone = [ANY, COURIER, COURIER_ALONE, of_root, couriers];
    let mut wrong = spoilt(&both, "courier", "", &alone);
    wrong += &spoilt(&both, "dovecot,courier", "courier", &[COURIER]);
    wrong += &spoilt(&both.pop3_only(), "courier", "", &[COURIER_POP3_ONLY]);
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where Dovecot makes the UIDLs by its setting, and no line has one.
#[test]
fn uidls_that_dovecot_makes_are_told_by_its_format() {
    let home = TempTree::new();
    let server = source_with(&home.path().join("old"), |_, number| {
        format!("1400000000.{number}")
    });
    let source = Source::of(&server);
    let target = Target::new();
    target.export_ok(&source, FIRST, &[]);
    let copy = Maildir::copied(&target.maildir(FIRST), target.maildir("second"));
    copy.relist("INBOX", |lines| {
        for line in lines.iter_mut().skip(1) {
            let words = line.split(' ').filter(|word| !word.starts_with('P'));
            *line = words.collect::<Vec<_>>().join(" ");
        }
    });
    let verified = verify(&source, &target, &["second"], &[]);
    assert_eq!(verified.output.code, Some(1));
    assert!(is_as_wanted(&["uidl INBOX *"], &verified.rows["second"]));
    assert_eq!(verified.users["second"]["again_messages"], "29");
    let format = ["--pop3-uidl-format", "%v.%u"];
    let verified = verify(&source, &target, &["second"], &format);
    assert_eq!(verified.output.code, Some(0), "{:?}", verified.rows);
}

#[test]
fn a_sample_is_read_and_what_cannot_be_looked_at_is_no_pass() {
    let home = TempTree::new();
    let server = source(&home.path().join("old"));
    let source = Source::of(&server);
    let target = Target::new();
    target.export_ok(&source, FIRST, &[]);
    for (content, read) in [("sample", "26"), ("all", "35"), ("none", "0")] {
        let verified = verify(&source, &target, &[FIRST], &["--content", content]);
        assert_eq!(verified.output.code, Some(0), "{}", verified.output.stdout);
        let row = &verified.users[FIRST];
        assert_eq!(row["content_checked"], read, "{content}");
        assert_eq!((&*row["folders"], &*row["messages"]), ("3", "35"));
        assert_eq!((&*row["verdict"], &*row["error"]), ("transparent", ""));
    }
    // Of one user there is nothing at all; of one INBOX cannot be read, but the rest can; and the same server
    // is no POP3 server.
    let copy = Maildir::copied(&target.maildir(FIRST), target.maildir("third"));
    fs::remove_dir_all(copy.root.join("cur")).expect("removed");
    fs::write(copy.root.join("cur"), "").expect("written");
    let verified = verify(&source, &target, &["second", "third"], &[]);
    assert_eq!(verified.output.code, Some(1));
    let row = &verified.users["second"];
    let gone = format!(
        "target: there is no Maildir {}",
        target.maildir("second").display()
    );
    assert!(row["error"].starts_with(&gone), "{row:?}");
    assert_eq!((&*row["status"], &*row["folders"]), ("failed", "0"));
    let row = &verified.users["third"];
    assert_eq!((&*row["status"], &*row["folders"]), ("partial", "3"));
    assert!(
        is_as_wanted(&["doubt INBOX -"], &verified.rows["third"]),
        "{:?}",
        verified.rows
    );
    let wrong = Source::both(server.imap_port(), server.imap_port());
    let verified = verify(&wrong, &target, &[FIRST], &["--retries", "0"]);
    assert_eq!(verified.output.code, Some(1));
    let row = &verified.users[FIRST];
    assert_eq!(row["status"], "failed");
    assert!(row["error"].starts_with("protocol: "), "{row:?}");
    let nowhere = Source::both(1, 1);
    let verified = verify(&nowhere, &target, &[FIRST], &["--retries", "0"]);
    assert_eq!(verified.output.code, Some(1));
    let row = &verified.users[FIRST];
    let why = "not transparent because it could not be looked at (network)";
    assert_eq!((&*row["status"], &*row["verdict"]), ("failed", why));
    // With another selection what is not taken is no difference, here or there.
    let only = ["--folder", "Sent", "--since", "2011-03-20"];
    let verified = verify(&source, &target, &[FIRST], &only);
    assert_eq!(verified.output.code, Some(0), "{}", verified.output.stdout);
    assert_eq!(verified.users[FIRST]["folders"], "1");
    // All is there, but POP3 clients will find nothing of it.
    let target = Target::new();
    let moved = ["--map", "INBOX=Old"];
    target.export_ok(&source, FIRST, &moved);
    let verified = verify(&source, &target, &[FIRST], &moved);
    assert_eq!(verified.output.code, Some(1));
    let doubt = is_as_wanted(&["doubt INBOX -"], &verified.rows[FIRST]);
    assert!(doubt, "{:?}", verified.rows);
}

/// Every kind of name, flag, date and content: an export of it has no difference, byte by byte.
#[test]
fn the_full_corpus_is_transparent() {
    for (layout, layout_name, uidls, servers) in [
        (
            Layout::MaildirPlusPlus,
            "maildir++",
            Uidls::OpaqueQmailSafe,
            "qmail,dovecot",
        ),
        (Layout::Fs, "fs", Uidls::Opaque, "dovecot"),
    ] {
        let server = Dovecot::start(DovecotOptions {
            layout,
            ..DovecotOptions::with_users(&[(FIRST, PASSWORD)])
        });
        let options = corpus::Options {
            layout,
            pop_order: PopOrder::Shuffled,
            uidls,
        };
        corpus::full(&server.mail_dir(FIRST), options);
        let target = Target::new();
        let more = ["--target", servers, "--layout", layout_name];
        target.export_ok(&Source::of(&server), FIRST, &more);
        let new = target.serve(layout);
        let imap = format!("imap+plain://127.0.0.1:{}", new.imap_port());
        let pop3 = format!("pop3+plain://127.0.0.1:{}", new.pop3_port());
        let live = ["--content", "all", "--new", &imap, &pop3];
        for more in [more.to_vec(), [&more[..], &live].concat()] {
            let verified = verify(&Source::of(&server), &target, &[FIRST], &more);
            assert_eq!(verified.output.code, Some(0), "{}", verified.output.stdout);
        }
    }
}

#[test]
fn the_new_server_is_compared_live() {
    let home = TempTree::new();
    let server = source(&home.path().join("old"));
    let source = Source::of(&server);
    let target = Target::new();
    target.export_ok(&source, FIRST, &[]);
    let copy = Maildir::copied(&target.maildir(FIRST), target.maildir("second"));
    copy.rewrite("INBOX", 5, |bytes| {
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
    });
    copy.reline(6, |line| line.replace(" P", " Pother"));
    copy.rename(7, |name| name.replace(":2,S", ":2,"));
    let new = target.serve(Layout::MaildirPlusPlus);
    let (imap, pop3) = (
        format!("imap+plain://127.0.0.1:{}", new.imap_port()),
        format!("pop3+plain://127.0.0.1:{}", new.pop3_port()),
    );
    // One of them is enough beside a Maildir, and has to be there.
    let verified = verify(&source, &target, &[FIRST], &["--new", &pop3]);
    assert_eq!(verified.output.code, Some(0), "{}", verified.output.stdout);
    let gone = ["--new", "pop3+plain://127.0.0.1:1", "--retries", "0"];
    let verified = verify(&source, &target, &[FIRST], &gone);
    assert_eq!(verified.output.code, Some(1));
    assert!(verified.users[FIRST]["error"].starts_with("network: "));
    let more = ["--new", &imap, &pop3, "--content", "all"];
    let verified = verify(&source, &target, &[FIRST, "second"], &more);
    let Output {
        code,
        stdout,
        stderr,
        ..
    } = &verified.output;
    assert_eq!(*code, Some(1), "{stdout}\n{stderr}");
    assert_eq!(verified.rows.get(FIRST), None, "{stdout}");
    let wanted = [
        "content INBOX 5",
        "flags INBOX 7",
        "uidl INBOX 6",
        "uidl INBOX -",
    ];
    assert!(
        is_as_wanted(&wanted, &verified.rows["second"]),
        "{:?}",
        verified.rows
    );
    assert_eq!(verified.users["second"]["again_messages"], "1");
    assert_eq!(new.complaints(), Vec::<String>::new());
}

/// Courier makes up a UIDVALIDITY each time until a client selects the folder: nobody has seen the one that
/// we have. Once it is fixed, it is another, and clients have seen that.
#[test]
fn a_uidvalidity_that_nobody_has_seen_is_no_difference() {
    let courier = Courier::start(&[("ann", PASSWORD)]);
    let files: Vec<(String, String)> = (1..=5)
        .map(|number| {
            let name = format!("16000000{number:02}.M1P1_{number}.old:2,S");
            (name, format!("Subject: {number}\n\nof POP3 alone\n"))
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_bytes()))
        .collect();
    corpus::bare(&courier.mail_dir("ann"), &files);
    let source = Source::both(courier.imap_port(), courier.pop3_port());
    let target = Target::new();
    target.export_ok(&source, "ann", &[]);
    // Its clock counts seconds.
    std::thread::sleep(Duration::from_millis(1100));
    assert_transparent(&target, &source, "ann", &[]);
    ImapView::select_each_folder(courier.imap_port(), "ann", PASSWORD);
    let verified = verify(&source, &target, &["ann"], &[]);
    let wanted = BTreeSet::from(["uidvalidity INBOX -".to_owned()]);
    assert_eq!(verified.rows["ann"], wanted, "{}", verified.output.stdout);
}
