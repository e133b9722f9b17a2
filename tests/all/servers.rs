//! The harness itself: the real servers run, the corpora are what they claim, the readers see it
//! and the comparison finds what differs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::corpus::{self, PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fake_server::{FakeServer, Step, expect, send};
use crate::support::imap_view::ImapView;
use crate::support::qmail::qmail_listing;
use crate::support::tree::{TempTree, hash_of_file, listing};
use crate::support::{Layout, compare, pop3_view, program};

/// What Dovecot shows of the whole corpus is what was written, in both layouts and under another
/// separator and prefix, and Dovecot has nothing to complain of.
#[test]
fn dovecot_shows_the_full_corpus_as_written() {
    for (layout, separator, prefix) in [
        (Layout::MaildirPlusPlus, '/', ""),
        (Layout::MaildirPlusPlus, '.', "INBOX."),
        (Layout::Fs, '/', ""),
    ] {
        let server = Dovecot::start(DovecotOptions {
            layout,
            separator,
            prefix: prefix.to_owned(),
            ..DovecotOptions::with_users(&[("ann", "a \"b\\c:d")])
        });
        let written = corpus::full(&server.mail_dir("ann"), corpus::Options::plain(layout));
        assert!(written.message_count() >= 600);

        let view = ImapView::read(server.imap_port(), "ann", "a \"b\\c:d").without_prefix(prefix);
        assert_eq!(view.message_count(), written.message_count());
        for folder in &written.folders {
            let name = corpus::modified_utf7(&folder.name);
            let shown = view
                .folders
                .get(&name)
                .unwrap_or_else(|| panic!("{name} is not shown: {:?}", view.folders.keys()));
            assert!(shown.selectable, "{name}");
            assert_eq!(shown.uid_validity, folder.uid_validity, "{name}");
            assert_eq!(shown.uid_next, folder.uid_next, "{name}");
            assert_eq!(shown.messages.len(), folder.messages.len(), "{name}");
            for (shown, message) in shown.messages.iter().zip(&folder.messages) {
                assert_eq!(shown.uid, message.uid, "{name}");
                assert_eq!(shown.internal_date, message.date, "{name} {}", message.uid);
                assert_eq!(shown.size, shown.length, "{name} {}", message.uid);
                assert!(shown.size >= message.length, "{name} {}", message.uid);
                assert_eq!(
                    shown.flags,
                    message.flags(&folder.keywords),
                    "{name} {}",
                    message.uid
                );
            }
        }
        assert!(!view.folders["Archive"].selectable);
        let subscribed = written
            .subscriptions
            .iter()
            .map(|name| corpus::modified_utf7(name));
        assert_eq!(view.subscribed, subscribed.collect());
        assert_eq!(server.complaints(), Vec::<String>::new());
    }
}

#[test]
fn pop3_shows_the_stored_uidls_in_the_stored_order() {
    for uidls in [Uidls::Opaque, Uidls::OpaqueQmailSafe] {
        let server = Dovecot::start(DovecotOptions::with_users(&[("ann", "secret")]));
        let written = corpus::full(
            &server.mail_dir("ann"),
            corpus::Options {
                layout: Layout::MaildirPlusPlus,
                pop_order: PopOrder::Shuffled,
                uidls,
            },
        );
        let inbox = &written.folders[0];
        let mut expected: Vec<_> = inbox
            .messages
            .iter()
            .map(|message| (message.pop_order, message.uidl.clone()))
            .collect();
        expected.sort();
        let by_uid: Vec<_> = inbox
            .messages
            .iter()
            .map(|message| message.uidl.clone())
            .collect();
        let expected: Vec<_> = expected.into_iter().map(|(_, uidl)| uidl).collect();
        assert_ne!(expected, by_uid, "the order is another one");

        let shown = pop3_view::read(server.pop3_port(), "ann", "secret", true);
        let again = pop3_view::read(server.pop3_port(), "ann", "secret", true);
        compare::assert_none(&compare::pop3(&shown, &again));
        let shown: Vec<_> = shown.into_iter().map(|entry| Some(entry.uidl)).collect();
        assert_eq!(shown, expected);
        assert_eq!(server.complaints(), Vec::<String>::new());
    }
}

#[test]
fn uidl_formats_and_content_over_pop3() {
    for (format, wanted) in [
        ("%08Xu%08Xv", "000000094e95f500"),
        ("%v.%u", "1318450432.9"),
        ("%08Xv%08Xu", "4e95f50000000009"),
        ("%u", "9"),
        ("%f", "1.a"),
    ] {
        let server = Dovecot::start(DovecotOptions {
            uidl_format: format.to_owned(),
            ..DovecotOptions::with_users(&[("ann", "secret")])
        });
        let maildir = server.mail_dir("ann");
        corpus::bare(&maildir, &[("1.a:2,S", b"A: b\n\n.dot\n..\nlast")]);
        let list = "3 V1318450432 N10 G00000000000000000000000000000001\n9 :1.a\n";
        fs::write(maildir.join("dovecot-uidlist"), list).expect("it is ours");
        give(&maildir);
        let shown = pop3_view::read(server.pop3_port(), "ann", "secret", true);
        let [entry] = shown.as_slice() else {
            panic!("{shown:?}");
        };
        assert_eq!((entry.number, entry.uidl.as_str()), (1, wanted), "{format}");
        assert_eq!(entry.size, 22);
        // RETR adds the last line end, LIST does not count it.
        assert_eq!(
            entry.hash,
            Some(blake3::hash(b"A: b\r\n\r\n.dot\r\n..\r\nlast\r\n"))
        );
    }
}

fn give(maildir: &std::path::Path) {
    crate::support::give_to_mail_owner(maildir);
}

/// A copy of the files, served by a destination, is the same mailbox; a changed one is not.
#[test]
fn the_comparison_finds_what_was_changed() {
    let tree = TempTree::new();
    let maildir = tree.path().join("ann/Maildir");
    fs::create_dir(tree.path().join("ann")).expect("the tree is ours");
    let written = corpus::simple(&maildir, 30, 1);
    assert_eq!(written.message_count(), 36);
    let server = Dovecot::start(DovecotOptions::reading(text(&tree.path().join("%u"))));
    let view = |port| ImapView::read(port, "ann", "anything");
    let before = view(server.imap_port());
    let pop_before = pop3_view::read(server.pop3_port(), "ann", "anything", true);
    compare::assert_none(&compare::imap(&before, &view(server.imap_port())));

    let set = |arguments: &[&str]| {
        server.doveadm(&[&["-o", "stats_writer_socket_path="], arguments].concat())
    };
    set(&[
        "flags",
        "add",
        "-u",
        "ann",
        "\\Flagged kw",
        "mailbox",
        "INBOX",
        "uid",
        "3",
    ]);
    set(&["expunge", "-u", "ann", "mailbox", "INBOX", "uid", "30"]);
    set(&["mailbox", "subscribe", "-u", "ann", "Sent"]);
    set(&["mailbox", "create", "-u", "ann", "New"]);
    let found = compare::imap(&before, &view(server.imap_port()));
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.folder.as_str(), one.message, one.what))
        .collect();
    assert_eq!(
        found,
        [
            ("INBOX", Some(3), "flags"),
            ("INBOX", Some(30), "message"),
            ("New", None, "folder"),
            ("Sent", None, "subscription"),
        ]
    );
    let pop_after = pop3_view::read(server.pop3_port(), "ann", "anything", true);
    let found = compare::pop3(&pop_before, &pop_after);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].to_string(), "POP3: count: 30 became 29");
}

#[test]
fn every_login_that_the_server_offers() {
    let server = Dovecot::start(DovecotOptions {
        master: Some(("admin".to_owned(), "top secret".to_owned())),
        ..DovecotOptions::with_users(&[("ann", "secret"), ("bob", "hidden")])
    });
    let token = server.token("ann");
    let plain = |text: &str| STANDARD.encode(text.replace('|', "\0"));
    let bearer =
        |user: &str| STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"));
    let oauth = |user: &str| STANDARD.encode(format!("n,a={user},\x01auth=Bearer {token}\x01\x01"));
    let port = server.imap_port();
    for (line, succeeds) in [
        ("LOGIN ann secret".to_owned(), true),
        ("LOGIN ann hidden".to_owned(), false),
        ("LOGIN ann*admin \"top secret\"".to_owned(), true),
        ("LOGIN ann*admin secret".to_owned(), false),
        (
            format!("AUTHENTICATE PLAIN {}", plain("ann|admin|top secret")),
            true,
        ),
        (
            format!("AUTHENTICATE PLAIN {}", plain("ann|bob|hidden")),
            false,
        ),
        (format!("AUTHENTICATE XOAUTH2 {}", bearer("ann")), true),
        (format!("AUTHENTICATE OAUTHBEARER {}", oauth("ann")), true),
        (format!("AUTHENTICATE XOAUTH2 {}", bearer("bob")), false),
    ] {
        let mut client = Client::connect("127.0.0.1", port);
        client.line();
        client.say(&format!("a {line}"));
        let mut reply = client.line();
        if reply.starts_with("+ ") {
            // The reason of a failure, to be answered by an empty line.
            client.say("");
            reply = client.line();
        }
        assert_eq!(reply.starts_with("a OK"), succeeds, "{line}: {reply}");
    }

    let mut client = Client::connect("127.0.0.1", port);
    client.line();
    client.say("a AUTHENTICATE CRAM-MD5");
    let challenge = client.line();
    let challenge = STANDARD
        .decode(challenge.trim_start_matches("+ "))
        .expect("the challenge is base64");
    client.say(&STANDARD.encode(format!("ann {}", hmac_md5(b"secret", &challenge))));
    let reply = client.line();
    assert!(reply.starts_with("a OK"), "{reply}");

    let mut client = Client::connect("127.0.0.1", server.pop3_port());
    let greeting = client.line();
    let stamp = &greeting[greeting.find('<').expect("APOP is offered")..];
    let digest = openssl_md5(format!("{stamp}secret").as_bytes());
    client.say(&format!("APOP ann {digest}"));
    let reply = client.line();
    assert!(reply.starts_with("+OK"), "{reply}");
}

#[test]
fn tls_in_three_forms_and_required() {
    let server = Dovecot::start(DovecotOptions {
        require_tls: true,
        ..DovecotOptions::with_users(&[("ann", "secret")])
    });
    let host = server.host();
    let certificate = fs::read(server.ca_pem()).expect("the server made it");
    let trusting = native_tls::TlsConnector::builder()
        .add_root_certificate(native_tls::Certificate::from_pem(&certificate).expect("PEM"))
        .build()
        .expect("TLS is there");

    let mut client = Client::connect(&host, server.imap_port());
    client.line();
    client.say("a LOGIN ann secret");
    assert!(client.line().contains("BAD") || client.line().contains("PRIVACYREQUIRED"));
    client.say("b STARTTLS");
    while !client.line().starts_with("b OK") {}
    let stream = client.stream.into_inner();
    let mut stream = trusting.connect(&host, stream).expect("STARTTLS");
    stream.write_all(b"c LOGIN ann secret\r\n").expect("sent");
    assert!(read_some(&mut stream).starts_with("c OK"));

    let mut client = Client::connect(&host, server.pop3_port());
    client.line();
    client.say("STLS");
    assert!(client.line().starts_with("+OK"));
    let mut stream = trusting
        .connect("localhost", client.stream.into_inner())
        .expect("STLS");
    stream.write_all(b"USER ann\r\n").expect("sent");
    assert!(read_some(&mut stream).starts_with("+OK"));

    for (port, greeting) in [(server.imaps_port(), "* OK"), (server.pop3s_port(), "+OK")] {
        let stream = TcpStream::connect((host.as_str(), port)).expect("it listens");
        let mut stream = trusting.connect("localhost", stream).expect("TLS");
        assert!(read_some(&mut stream).starts_with(greeting));
        let stream = TcpStream::connect((host.as_str(), port)).expect("it listens");
        assert!(trusting.connect("wrong.example", stream).is_err());
        let stream = TcpStream::connect((host.as_str(), port)).expect("it listens");
        let distrusting = native_tls::TlsConnector::new().expect("TLS is there");
        assert!(distrusting.connect("localhost", stream).is_err());
    }
}

/// Two users, UIDLs of the three forms, and 8-bit headers unharmed.
#[test]
fn courier_shows_two_users() {
    let server = Courier::start(&[("ann", "secret"), ("bob", "p w\"2")]);
    let ann = server.mail_dir("ann");
    let eight_bit = b"Subject: \xC3\xA9t\xC3\xA9\n\nbody\n";
    corpus::bare(
        &ann,
        &[
            ("1500000002.M2.h:2,S", b"Subject: two\n\n2\n"),
            ("1500000001.M1.h:2,FS", eight_bit),
            ("1500000003.by-name=1:2,", b"Subject: three\n\n3\n"),
        ],
    );
    let list = "/3 40 1234567890\n\
                1500000001.M1.h:2, 24 7:1100000000:1\n\
                1500000002.M2.h:2, 17 9:0:0\n\
                1500000003.by-name=1:2, 19 0:0:0\n";
    fs::write(ann.join("courierpop3dsizelist"), list).expect("it is ours");
    give(&ann);
    corpus::bare(&server.mail_dir("bob"), &[("1.b:2,", b"Subject: b\n\nb\n")]);

    let shown = pop3_view::read(server.pop3_port(), "ann", "secret", true);
    let uidls: Vec<_> = shown.iter().map(|entry| entry.uidl.as_str()).collect();
    assert_eq!(uidls, ["UID7-1100000000", "UID9", "1500000003.by-name=1"]);
    let eight_bit = b"Subject: \xC3\xA9t\xC3\xA9\r\n\r\nbody\r\n";
    assert_eq!(shown[0].hash, Some(blake3::hash(eight_bit)));

    for (user, password, count) in [("ann", "secret", 3), ("bob", "p w\"2", 1)] {
        let port = server.imap_port();
        ImapView::select_each_folder(port, user, password);
        let view = ImapView::read(port, user, password);
        assert_eq!(view.message_count(), count);
        assert_eq!(view.separator, '.');
        compare::assert_none(&compare::imap(&view, &ImapView::read(port, user, password)));
    }
}

/// By qmail's rules; each thing that makes its listing unstable or wrong is told.
#[test]
fn the_qmail_checker_knows_the_rules() {
    let names = |files: &[(&str, i64)]| {
        let tree = TempTree::new();
        let maildir = tree.path().join("Maildir");
        corpus::bare(&maildir, &[]);
        for (name, date) in files {
            let path = maildir.join(name);
            fs::write(&path, name).expect("the tree is ours");
            filetime::set_file_mtime(&path, filetime::FileTime::from_unix_time(*date, 999))
                .expect("the file is ours");
        }
        qmail_listing(&maildir)
    };
    assert_eq!(
        names(&[
            ("cur/b.1,S=5:2,S", 1000),
            ("new/z", -5),
            ("cur/a:x:2,", 1001),
            ("cur/.hidden", 1001),
            ("tmp/t", 2000),
        ]),
        Ok(vec![
            ("z".to_owned(), 5),
            ("b.1,S=5".to_owned(), 15),
            ("a".to_owned(), 10),
        ])
    );
    for (files, complaint) in [
        (&[("cur/a", 7), ("new/b", 7)], "no stable order"),
        (&[("cur/a", 7), ("new/b", 32_503_680_000)], "not listed"),
        (&[("cur/a", 7), ("new/a:2,S", 8)], "twice"),
        (&[("cur/a", 7), ("new/b c", 8)], "no UIDL"),
    ] {
        let error = names(files).expect_err(complaint);
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn corpora_are_the_same_in_every_run() {
    let trees = [TempTree::new(), TempTree::new()];
    let listings = trees.each_ref().map(|tree| {
        for seed in [1, 2] {
            corpus::simple(&tree.path().join(format!("simple{seed}")), 20, seed);
        }
        corpus::large(&tree.path().join("large"), 3, 100_000, 300_000);
        tree.listing()
    });
    assert_eq!(listings[0], listings[1]);
    let path = trees[0].path();
    assert_ne!(
        listing(&path.join("simple1")),
        listing(&path.join("simple2"))
    );
    let large = listing(&path.join("large/cur"));
    assert_eq!(large.len(), 3);
    for line in large {
        let size: u64 = line
            .split(' ')
            .nth(2)
            .and_then(|size| size.parse().ok())
            .expect("a listing line has a size");
        assert!((100_000..=300_000).contains(&size), "{line}");
    }
    fs::write(path.join("one"), "1").expect("the tree is ours");
    assert_eq!(hash_of_file(&path.join("one")), blake3::hash(b"1"));
}

#[test]
fn the_scripted_server_plays_and_records() {
    let server = FakeServer::start(vec![
        vec![
            send("* OK hello\r\n"),
            expect("{tag} LOGIN ann"),
            send("{tag} OK in\r\n"),
            Step::Wait(Duration::from_millis(1)),
            Step::Flood(b"* FLOOD\r\n".to_vec(), 2),
            Step::Close,
        ],
        vec![send("+OK\r\n"), expect("STAT")],
    ]);
    let mut client = Client::connect("127.0.0.1", server.port());
    assert_eq!(client.line(), "* OK hello");
    client.say("x7 login ann secret");
    assert_eq!(client.line(), "x7 OK in");
    assert_eq!(client.line(), "* FLOOD");
    assert_eq!(client.line(), "* FLOOD");
    assert_eq!(client.stream.read(&mut [0]).expect("hung up"), 0);
    assert_eq!(server.complaint(), None);

    let mut client = Client::connect("127.0.0.1", server.port());
    assert_eq!(client.line(), "+OK");
    client.say("DELE 1");
    assert_eq!(client.stream.read(&mut [0]).expect("hung up"), 0);
    assert_eq!(server.commands(), ["x7 login ann secret", "DELE 1"]);
    // Said before the connection was closed.
    while server.complaint().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(
        server.complaint().as_deref(),
        Some("expected STAT, got DELE 1")
    );
}

#[test]
fn the_runner_returns_code_and_outputs() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo out; echo err >&2; sleep 0.1; exit 3"]);
    let output = program::run(command, Duration::from_secs(10));
    assert_eq!(output.code, Some(3));
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert!(output.peak_rss_kib > 100);

    let hung = std::panic::catch_unwind(|| {
        let mut command = std::process::Command::new("sleep");
        command.arg("60");
        program::run(command, Duration::from_millis(50))
    });
    assert!(hung.is_err());

    let output = program::mailseed(["--version"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

/// A few lines over TCP.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(host: &str, port: u16) -> Self {
        let stream = TcpStream::connect((host, port)).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout that is not zero");
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line in time");
        assert!(line.ends_with('\n'), "hung up after {line:?}");
        line.trim_end().to_owned()
    }

    fn say(&mut self, line: &str) {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .expect("sent");
    }
}

fn read_some(stream: &mut impl Read) -> String {
    let mut buffer = [0; 1024];
    let length = stream.read(&mut buffer).expect("an answer in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn openssl_md5(data: &[u8]) -> String {
    hex(&openssl::hash::hash(openssl::hash::MessageDigest::md5(), data).expect("MD5 is there"))
}

fn hmac_md5(key: &[u8], data: &[u8]) -> String {
    let key = openssl::pkey::PKey::hmac(key).expect("any key will do");
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::md5(), &key)
        .expect("MD5 is there");
    hex(&signer.sign_oneshot_to_vec(data).expect("HMAC signs"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("scratch paths are ASCII")
}
