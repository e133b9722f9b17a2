//! `mailseed explain`: what it says servers announce is what they announce; and the record that it
//! reads is written when there is something new in it, and only then.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::migration::{PASSWORD, Source, Target};
use crate::support::corpus::{self, Corpus, PopOrder, Uidls};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::pop3_view::{self, Pop3Entry};
use crate::support::program::{Output, mailseed};
use crate::support::qmail::qmail_listing;
use crate::support::{Layout, mail_owner};

const STATE: &str = "mailseed.state";

fn explain(target: &Target, message: &str, more: &[&str]) -> Output {
    let template = target.template();
    let arguments = ["explain", "ann", message, "--maildir", &template];
    mailseed(arguments.iter().chain(more))
}

/// [`explain`] that must find something.
fn explained(target: &Target, message: &str, more: &[&str]) -> String {
    let output = explain(target, message, more);
    assert_eq!(output.code, Some(0), "{message}: {}", output.stdout);
    assert_eq!(output.stderr, "", "{message}");
    output.stdout
}

/// What follows `label` on its line.
fn told<'t>(text: &'t str, label: &str) -> &'t str {
    let mut lines = text.lines();
    lines
        .find_map(|line| line.strip_prefix(&format!("  {label:<9} ")))
        .unwrap_or_else(|| panic!("no {label} in:\n{text}"))
}

fn source_with(options: corpus::Options) -> (Dovecot, Corpus) {
    let server = Dovecot::start(DovecotOptions {
        layout: options.layout,
        ..DovecotOptions::with_users(&[("ann", PASSWORD)])
    });
    let corpus = corpus::full(&server.mail_dir("ann"), options);
    (server, corpus)
}

fn folder<'c>(corpus: &'c Corpus, name: &str) -> &'c corpus::Folder {
    let mut folders = corpus.folders.iter();
    folders
        .find(|folder| folder.name == name)
        .expect("a folder of the corpus")
}

/// The Message-ID of a file, read by the test's own means.
fn message_id_of(file: &str) -> Option<String> {
    let bytes = fs::read(file).expect("explain names a file that is there");
    let text = String::from_utf8_lossy(&bytes);
    let header = text.split("\n\n").next()?.to_owned();
    let line = header
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("message-id: <"))?
        .to_owned();
    let id = line.split_once(' ')?.1.trim().to_owned();
    id.ends_with('>').then_some(id)
}

/// One export of a mailbox with opaque UIDLs in an order of their own, for qmail and Dovecot. By
/// whatever name a message is asked for, the answer is the same, and the numbers, UIDLs and octets
/// in it are those that the servers give. The source is long gone.
#[test]
fn every_key_tells_what_the_servers_announce() {
    let (source, corpus) = source_with(corpus::Options {
        layout: Layout::MaildirPlusPlus,
        pop_order: PopOrder::Shuffled,
        uidls: Uidls::OpaqueQmailSafe,
    });
    let target = Target::new();
    let more = ["--target", "qmail,dovecot"];
    target.export_ok(&Source::of(&source), "ann", &more);
    let before = target.listing();
    assert!(before.iter().any(|line| line.contains(STATE)));
    target.export_ok(&Source::of(&source), "ann", &more);
    assert_eq!(target.listing(), before);
    drop(source);

    let destination = target.serve(Layout::MaildirPlusPlus);
    let dovecot = pop3_view::read(destination.pop3_port(), "ann", "any", false);
    drop(destination);
    let qmail = qmail_listing(&target.maildir("ann")).expect("the order is certain");
    let inbox = folder(&corpus, "INBOX");
    let (mut checked, mut ids) = (0, 0);
    for message in inbox
        .messages
        .iter()
        .step_by(41)
        .chain(&inbox.messages[249..])
    {
        let uidl = message.uidl.as_deref().expect("stored");
        let text = explained(&target, uidl, &more);
        if !text.starts_with(&format!("ann, folder INBOX, UID {}\n", message.uid)) {
            // Copies of one message are interchangeable.
            let copy = explained(&target, &message.uid.to_string(), &more);
            let content = |text: &str| fs::read(told(text, "file")).expect("it is there");
            assert!(content(&text) == content(&copy), "{text}\nnot\n{copy}");
            continue;
        }
        checked += 1;
        let position = message.pop_order.expect("stored");
        let how = told(&text, "UIDL");
        let want = format!(
            "{uidl}, position {position} of {}, paired by ",
            dovecot.len()
        );
        assert!(how.starts_with(&want), "{how}");
        let served = entry(&dovecot, uidl);
        assert_eq!(
            told(&text, "Dovecot"),
            format!(
                "POP3 number {}, UIDL {uidl}, {} octets; IMAP UID {}",
                served.number, served.size, message.uid
            )
        );
        let at = qmail.iter().position(|(name, _)| name == uidl);
        let at = at.expect("qmail has it");
        assert_eq!(
            told(&text, "qmail"),
            format!("number {}, UIDL {uidl}, {} octets", at + 1, qmail[at].1)
        );
        assert!(told(&text, "from").ends_with(&format!("UIDVALIDITY {}", inbox.uid_validity)));
        assert!(told(&text, "on disk").starts_with(&format!("{} bytes (", message.length)));

        let file = told(&text, "file");
        let name = Path::new(file).file_name().and_then(|name| name.to_str());
        let name = name.expect("an ASCII name");
        let mut keys = vec![
            message.uid.to_string(),
            format!("INBOX:{}", message.uid),
            file.to_owned(),
            name.to_owned(),
        ];
        if let Some(id) = message_id_of(file) {
            ids += 1;
            keys.push(id);
        }
        for key in keys {
            let same = explained(&target, &key, &more);
            // Copies of one message have one Message-ID.
            assert!(same.contains(&text), "{key}:\n{same}\nnot\n{text}");
        }
    }
    assert!(
        checked > 4 && ids > 2,
        "{checked} messages, {ids} Message-IDs"
    );

    // Another folder: no POP3.
    let sent = folder(&corpus, "Sent");
    let message = &sent.messages[3];
    let text = explained(&target, &format!("Sent:{}", message.uid), &more);
    assert_eq!(told(&text, "Dovecot"), format!("IMAP UID {}", message.uid));
    assert_eq!(
        explained(
            &target,
            &message.uid.to_string(),
            &[&more[..], &["--folder", "Sent"]].concat()
        ),
        text
    );
    let id = message_id_of(told(&text, "file")).expect("the messages of Sent have one");
    assert!(explained(&target, &id, &more).contains(&text));
    assert!(explained(&target, id.trim_matches(['<', '>']), &more).contains(&text));
}

fn entry<'e>(listing: &'e [Pop3Entry], uidl: &str) -> &'e Pop3Entry {
    let mut entries = listing.iter();
    entries
        .find(|entry| entry.uidl == uidl)
        .expect("the server has it")
}

/// The record names the stage, also when later runs find the pair in the Maildir; where it is lost
/// or of no use, nothing is lost but that.
#[test]
fn the_record_may_be_lost() {
    let (source, corpus) = source_with(corpus::Options::plain(Layout::MaildirPlusPlus));
    let target = Target::new();
    target.export_ok(&Source::of(&source), "ann", &[]);
    let state = target.maildir("ann").join(STATE);
    let metadata = fs::metadata(&state).expect("it is there");
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    if let Some(owner) = mail_owner() {
        assert_eq!((metadata.uid(), metadata.gid()), owner);
    }
    assert!(metadata.len() < 20_000, "{} bytes", metadata.len());
    let inbox = folder(&corpus, "INBOX");
    let last = inbox.messages.last().expect("there are messages");
    let key = last.uid.to_string();
    let whole = explained(&target, &key, &[]);
    assert!(
        told(&whole, "UIDL").ends_with("paired by template(u8v8)"),
        "{whole}"
    );

    // Deleted: the Maildir tells the rest.
    let saved = fs::read(&state).expect("it is there");
    fs::remove_file(&state).expect("it is there");
    let rest = explained(&target, &key, &[]);
    assert!(rest.contains("mailseed.state is not there"), "{rest}");
    for label in ["file", "on disk", "Dovecot"] {
        assert_eq!(told(&rest, label), told(&whole, label));
    }
    let uidl = told(&whole, "UIDL").split(',').next().expect("a UIDL");
    assert!(told(&rest, "UIDL").starts_with(uidl));
    assert!(explained(&target, uidl, &[]).contains(told(&whole, "file")));

    // Written anew, from what is seen; damaged, the same.
    for damaged in [None, Some("{\"version\": 1, \"user\"")] {
        if let Some(text) = damaged {
            fs::write(&state, text).expect("the directory is ours");
            assert!(explained(&target, &key, &[]).contains("damaged"));
        }
        target.export_ok(&Source::of(&source), "ann", &[]);
        let anew = explained(&target, &key, &[]);
        assert!(
            told(&anew, "UIDL").contains("how it was paired is not recorded"),
            "{anew}"
        );
        assert_eq!(told(&anew, "from"), told(&whole, "from"));
    }

    // What an earlier run recorded stays.
    fs::write(&state, &saved).expect("the directory is ours");
    target.export_ok(&Source::of(&source), "ann", &[]);
    assert_eq!(fs::read(&state).expect("it is there"), saved);
    assert_eq!(explained(&target, &key, &[]), whole);

    // Of a newer version: what it knows must not be lost, so nothing is done for the user.
    let newer = "{\"head\":{\"version\":3,\"of\":{}}}\n";
    fs::write(&state, newer).expect("the directory is ours");
    let output = target.export(&Source::of(&source), "ann", &[]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("of version 3"), "{}", output.stderr);
    assert_eq!(fs::read(&state).expect("it is there"), newer.as_bytes());
    let output = explain(&target, &key, &[]);
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("of version 3"), "{}", output.stderr);
}

/// A folder that the layout cannot hold: each of its messages says why it is not there.
#[test]
fn a_skipped_message_says_why() {
    let (source, corpus) = source_with(corpus::Options::plain(Layout::Fs));
    let target = Target::new();
    for _ in 0..2 {
        let before = target.listing();
        let output = target.export(&Source::of(&source), "ann", &[]);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(before.is_empty() || target.listing() == before);
    }
    let url = format!("imap+plain://127.0.0.1:{}", source.imap_port());
    drop(source);
    for name in ["v1.2", "example.org/a.b.c"] {
        let dotted = folder(&corpus, name);
        for message in [&dotted.messages[0], &dotted.messages[19]] {
            let key = format!("{name}:{}", message.uid);
            let text = explained(&target, &key, &[]);
            assert!(text.starts_with(&format!("ann, folder {name}, UID {}\n", message.uid)));
            let from = format!("{url}, UIDVALIDITY {}", dotted.uid_validity);
            assert_eq!(told(&text, "from"), from);
            assert!(told(&text, "file").starts_with("none"));
            let why = told(&text, "skipped");
            assert!(why.contains("--layout fs"), "{why}");
            assert!(why.ends_with(" octets)"), "{why}");
        }
    }
    let output = explain(&target, "v1.2:1", &[]);
    assert_eq!(output.code, Some(1), "{}", output.stdout);
}

/// IMAP and POP3 that do not show the same messages: the one without a UIDL and the UIDL without a
/// message are explained, before INBOX is published and after.
#[test]
fn leftovers_of_the_pairing_are_explained() {
    let mail = |name: &str| -> (String, Vec<u8>) {
        let text = format!(
            "From: {name}@example.org\nSubject: {name}\nMessage-ID: <{name}@example.org>\n\
             Date: Tue, 01 Jan 2019 00:00:00 +0000\n\nThis is {name}.\n"
        );
        (format!("1.{name}:2,S"), text.into_bytes())
    };
    let serve = |names: &[&str]| {
        let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
        let files: Vec<_> = names.iter().map(|name| mail(name)).collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_slice()))
            .collect();
        corpus::bare(&server.mail_dir("ann"), &files);
        server
    };
    let imap = serve(&["a", "b", "c"]);
    let pop3 = serve(&["b", "c", "d"]);
    let uidl_of_d = pop3_view::read(pop3.pop3_port(), "ann", PASSWORD, false)
        .pop()
        .expect("three messages")
        .uidl;
    let source = Source::both(imap.imap_port(), pop3.pop3_port());
    let target = Target::new();
    let check = |published: bool| {
        let extra = explained(&target, &uidl_of_d, &[]);
        assert!(extra.starts_with(&format!(
            "ann, folder INBOX, UIDL {uidl_of_d}, POP3 message 3\n"
        )));
        let why = told(&extra, "message");
        assert!(why.starts_with("none: no such message in INBOX ("), "{why}");
        let missing = explained(&target, "1", &[]);
        assert!(told(&missing, "UIDL").starts_with("none: no POP3 message"));
        assert_eq!(told(&missing, "file").starts_with("none"), !published);
        if published {
            assert!(told(&missing, "Dovecot").contains("the server's own format"));
        } else {
            let why = told(&missing, "skipped");
            assert!(why.contains("INBOX was not published"), "{why}");
        }
    };
    let output = target.export(&source, "ann", &[]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    check(false);
    let lenient = ["--ignore-missing-uidls", "--ignore-extra-uidls"];
    target.export_ok(&source, "ann", &lenient);
    check(true);
    let before = target.listing();
    target.export_ok(&source, "ann", &lenient);
    assert_eq!(target.listing(), before);
}

/// Where there is nothing to tell, that is told, each way with its exit status.
#[test]
fn what_is_not_there_is_not_found() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    corpus::simple(&server.mail_dir("ann"), 20, 1);
    let target = Target::new();
    let output = explain(&target, "1", &[]);
    assert_eq!(output.code, Some(3), "{}", output.stdout);
    target.export_ok(&Source::of(&server).pop3_only(), "ann", &[]);
    let text = explained(&target, "20", &[]);
    let how = told(&text, "UIDL");
    assert!(
        how.contains("position 20 of 20, the message's own"),
        "{how}"
    );
    for (key, more, code, words) in [
        ("21", &[][..], 1, "in folder INBOX of "),
        ("Nowhere:1", &[], 1, "nothing is called Nowhere:1"),
        ("<not@there>", &[], 1, "Message-ID"),
        ("\u{1b}[2J", &[], 1, "\\u{1b}"),
        ("1", &["--folder", "Sent"], 1, "no folder of that name"),
        ("", &[], 2, "it is empty"),
    ] {
        let output = explain(&target, key, more);
        assert_eq!(output.code, Some(code), "{key}: {}", output.stdout);
        let said = output.stdout + &output.stderr;
        assert!(said.contains(words), "{key}: {said}");
        assert!(!said.contains('\u{1b}'));
    }
    // The user list says where the Maildir is.
    let list = target.maildir("ann").with_file_name("users.csv");
    let row = format!("user,maildir\nann,{}\n", target.maildir("ann").display());
    fs::write(&list, row).expect("the directory is ours");
    let list = list.display().to_string();
    let output = mailseed(["explain", "ann", "20", "--users", &list]);
    assert_eq!((output.code, output.stdout), (Some(0), text));
    let output = mailseed(["explain", "bob", "20", "--users", &list]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
}
