//! `--all-mail link` on a real Cyrus, which has EMAILID: what a folder shows of others is one file with
//! them on the target, and its bytes come once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, Target};
use crate::support::cyrus::{Cyrus, Names};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_client::ImapClient;
use crate::support::imap_view::ImapView;
use crate::support::proxy::{Fault, Proxy};
use crate::support::wiretap::Wiretap;
use crate::support::{Layout, compare};

const ANN: (&str, &str) = ("ann", PASSWORD);
const LINK: [&str; 3] = ["--all-mail", "link", "-v"];
/// Bytes of a message here, about.
const SIZE: usize = 20_000;

fn append(client: &mut ImapClient, folder: &str, word: &str, day: u32) -> u32 {
    let line = format!("{word} {}\r\n", "x".repeat(64));
    let lines = line.repeat(SIZE / line.len());
    let message = format!("Subject: {word}\r\nMessage-ID: <{word}@old>\r\n\r\n{lines}");
    let date = format!("(\\Seen) \"{day:02}-Mar-2020 10:00:00 +0000\" ");
    let reply = client.append(folder, &date, message.as_bytes());
    reply.expect("APPEND").expect("it takes the message")
}

fn run(client: &mut ImapClient, commands: &[&str]) {
    client.run(commands).expect("it does as it is told");
}

/// INBOX 1-4, Work 1-2, and a message that lies nowhere but in All (UID 7), which shows all of them; of
/// which Important shows three.
fn labelled() -> (Cyrus, ImapClient) {
    let cyrus = Cyrus::start(&[ANN], "cyrus", Names::Modern);
    let mut client = ImapClient::login(cyrus.imap_port(), ANN).expect("login");
    let create = [
        "CREATE All (USE (\\All))",
        "CREATE Important (USE (\\Important))",
        "CREATE Work",
    ];
    run(&mut client, &create);
    for (word, day) in ["one", "two", "three", "four"].into_iter().zip(1..) {
        append(&mut client, "INBOX", word, day);
    }
    append(&mut client, "Work", "five", 5);
    append(&mut client, "Work", "six", 6);
    let copy = [
        "SELECT INBOX",
        "UID COPY 1:4 All",
        "SELECT Work",
        "UID COPY 1:2 All",
    ];
    run(&mut client, &copy);
    assert_eq!(append(&mut client, "All", "alone", 7), 7);
    let some = ["SELECT All", "UID COPY 2,5,7 Important", "UNSELECT"];
    run(&mut client, &some);
    (cyrus, client)
}

fn source(port: u16) -> Source {
    Source::both(port, port).imap_only()
}

fn view(cyrus: &Cyrus) -> ImapView {
    ImapView::read(cyrus.imap_port(), ANN.0, ANN.1)
}

/// By folder the UIDs, each with its file's inode and number of links.
fn files(target: &Target, folder: &str) -> BTreeMap<u32, (u64, u64)> {
    let cur = target.maildir("ann").join(folder).join("cur");
    let files = fs::read_dir(cur).expect("a folder");
    let files = files.map(|file| {
        let file = file.expect("an entry");
        let name = file.file_name().into_string().expect("a name of ours");
        let uid = name.split(['.', 'M']).nth(2).map(str::parse);
        let uid = uid.and_then(Result::ok).expect("the UID is in the name");
        let metadata = file.metadata().expect("it is there");
        (uid, (metadata.ino(), metadata.nlink()))
    });
    files.collect()
}

/// The UIDs in `folder` and how many links the file of each has.
fn counted(target: &Target, folder: &str) -> Vec<(u32, u64)> {
    let files = files(target, folder).into_iter();
    files.map(|(uid, (_, links))| (uid, links)).collect()
}

fn assert_like(before: &ImapView, destination: &Dovecot) {
    let after = ImapView::read(destination.imap_port(), "ann", "any");
    compare::assert_none(&compare::imap(before, &after));
    assert_eq!(destination.complaints(), Vec::<String>::new());
}

fn assert_tmp_is_empty(target: &Target) {
    let listing = target.listing();
    let left = listing.iter().find(|line| line.contains("tmp/mailseed"));
    assert_eq!(left, None);
}

#[test]
fn what_all_mail_shows_is_fetched_and_stored_once() {
    let (cyrus, _client) = labelled();
    let before = view(&cyrus);
    let tap = Wiretap::start(cyrus.imap_port());
    let mut received = Vec::new();
    for fsync in ["batch", "always", "never"] {
        let target = Target::new();
        let options = [&LINK[..], &["--fsync", fsync]].concat();
        let output = target.export_ok(&source(tap.port()), "ann", &options);
        let heard = tap.take();
        received.push(heard.received);
        // Of the two virtual folders, of INBOX and Work for both, of All for Important.
        assert_eq!(heard.sent.matches("(UID EMAILID)").count(), 5);
        for line in [
            "folder All: 6 messages linked to files of other folders",
            "folder Important: 3 messages linked to files of other folders",
        ] {
            assert!(output.stderr.contains(line), "{}", output.stderr);
        }
        assert_eq!(counted(&target, ""), [(1, 2), (2, 3), (3, 2), (4, 2)]);
        assert_eq!(counted(&target, ".Work"), [(1, 3), (2, 2)]);
        assert_eq!(counted(&target, ".Important"), [(1, 3), (2, 3), (3, 2)]);
        let (inbox, work) = (files(&target, ""), files(&target, ".Work"));
        let (all, important) = (files(&target, ".All"), files(&target, ".Important"));
        for uid in 1..=4 {
            assert_eq!(all[&uid], inbox[&uid]);
        }
        assert_eq!((all[&5], all[&6]), (work[&1], work[&2]));
        let shown = [all[&2], all[&5], all[&7]];
        assert_eq!([1, 2, 3].map(|uid| important[&uid]), shown);
        assert_tmp_is_empty(&target);
        assert_like(&before, &target.serve(Layout::MaildirPlusPlus));
        assert_nothing_left(&target, &source(tap.port()), "ann", &LINK);
        assert!(!tap.take().sent.contains("EMAILID"));
    }
    // Seven bodies, of sixteen messages.
    let bodies = 7 * SIZE as u64;
    for bytes in received {
        assert!(
            bytes > bodies * 9 / 10 && bytes < bodies * 12 / 10,
            "{bytes}"
        );
    }
}

/// Into a Maildir that a Dovecot is serving, over several runs.
#[test]
fn links_go_with_their_own_folder() {
    let (cyrus, mut client) = labelled();
    let only_imap = source(cyrus.imap_port());
    let target = Target::new();
    // A file that is there already is linked to as one that has just come.
    target.export_ok(&only_imap, "ann", &["--all-mail", "skip"]);
    assert_eq!(counted(&target, ""), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    let destination = target.serve(Layout::MaildirPlusPlus);
    ImapView::select_each_folder(destination.imap_port(), "ann", "any");
    let output = target.export_ok(&only_imap, "ann", &LINK);
    let line = "folder All: 6 messages linked to files";
    assert!(output.stderr.contains(line), "{}", output.stderr);
    assert_like(&view(&cyrus), &destination);

    // One more comes; one is copied with another date, which a link cannot have.
    assert_eq!(append(&mut client, "INBOX", "new", 8), 5);
    run(&mut client, &["SELECT INBOX", "UID COPY 5 All", "UNSELECT"]);
    append(&mut client, "Work", "moved", 9);
    append(&mut client, "All", "moved", 10);
    let output = target.export_ok(&only_imap, "ann", &LINK);
    let line = "folder All: 1 message linked to files of other folders";
    assert!(output.stderr.contains(line), "{}", output.stderr);
    let (inbox, all) = (files(&target, ""), files(&target, ".All"));
    assert_eq!(all[&8], inbox[&5]);
    assert_eq!((all[&8].1, all[&9].1), (2, 1));
    assert_eq!(files(&target, ".Work")[&3].1, 1);
    assert_tmp_is_empty(&target);
    assert_like(&view(&cyrus), &destination);

    // One is deleted in its folder and marked in All.
    let delete = [
        "SELECT INBOX",
        "UID STORE 1 +FLAGS.SILENT (\\Deleted)",
        "UID EXPUNGE 1",
        "SELECT All",
        "UID STORE 1 +FLAGS.SILENT (\\Flagged)",
        "UID STORE 2 -FLAGS.SILENT (\\Seen)",
        "UNSELECT",
    ];
    run(&mut client, &delete);
    target.export_ok(&only_imap, "ann", &LINK);
    assert_eq!(files(&target, "").keys().min(), Some(&2));
    assert_eq!(files(&target, ".All")[&1], (all[&1].0, 1));
    assert_like(&view(&cyrus), &destination);
    drop(destination);
    assert_nothing_left(&target, &only_imap, "ann", &LINK);
}

/// The connection breaks while it is asked which message is which, and around that.
#[test]
fn a_connection_cut_meanwhile_costs_nothing() {
    let (cyrus, _client) = labelled();
    let before = view(&cyrus);
    let proxy = Proxy::start(cyrus.imap_port(), Fault::None);
    let first = Target::new();
    first.export_ok(&source(proxy.port()), "ann", &LINK);
    let whole = proxy.passed()[0];
    let alone = SIZE as u64;
    // The last bodies are that of All, and before it what Work has.
    let cuts = (whole - 2 * alone..whole - alone / 2).step_by(1500);
    for after in cuts.chain((whole - 1500..whole).step_by(150)) {
        let fault = Fault::Cut {
            connection: 0,
            after,
        };
        let proxy = Proxy::start(cyrus.imap_port(), fault);
        let target = Target::new();
        target.export_ok(&source(proxy.port()), "ann", &LINK);
        assert!(proxy.passed().len() > 1 || after + 300 > whole, "{after}");
        for folder in ["", ".Work", ".All", ".Important"] {
            let want = counted(&first, folder);
            assert_eq!(
                counted(&target, folder),
                want,
                "{folder}, cut after {after}"
            );
        }
        assert_tmp_is_empty(&target);
    }
    assert_like(&before, &first.serve(Layout::MaildirPlusPlus));
}

/// What is deleted at the source is compared in each folder.
#[test]
fn what_is_linked_can_be_deleted_at_the_source() {
    let (cyrus, _client) = labelled();
    let before = view(&cyrus);
    let target = Target::new();
    let options = [&LINK[..], &["--delete-source=all"]].concat();
    target.export_ok(&source(cyrus.imap_port()), "ann", &options);
    assert_eq!(view(&cyrus).message_count(), 0);
    assert_eq!(counted(&target, ".Work"), [(1, 3), (2, 2)]);
    assert_like(&before, &target.serve(Layout::MaildirPlusPlus));
}

/// The dates of qmail's INBOX make the POP3 order, and may change with every run: nothing is linked to it.
#[test]
fn nothing_is_linked_to_an_inbox_that_has_dates_of_its_own() {
    let (cyrus, _client) = labelled();
    let before = view(&cyrus);
    let target = Target::new();
    let both = Source::both(cyrus.imap_port(), cyrus.pop3_port());
    let options = [&LINK[..], &["--target", "qmail,dovecot"]].concat();
    let output = target.export_ok(&both, "ann", &options);
    let line = "folder All: 2 messages linked to files of other folders";
    assert!(output.stderr.contains(line), "{}", output.stderr);
    let all = [(1, 1), (2, 2), (3, 1), (4, 1), (5, 3), (6, 2), (7, 2)];
    assert_eq!(counted(&target, ".All"), all);
    assert_like(&before, &target.serve(Layout::MaildirPlusPlus));
    assert_nothing_left(&target, &both, "ann", &options);
}

/// A Dovecot 2.3 does not tell which messages are the same.
#[test]
fn without_ids_all_is_fetched_and_a_note_says_so() {
    let server = Dovecot::start(DovecotOptions {
        special_uses: vec!["All Mail=All".to_owned()],
        ..DovecotOptions::with_users(&[ANN])
    });
    let mut client = ImapClient::login(server.imap_port(), ANN).expect("login");
    append(&mut client, "INBOX", "one", 1);
    let copy = [
        "CREATE \"All Mail\"",
        "SELECT INBOX",
        "UID COPY 1 \"All Mail\"",
    ];
    run(&mut client, &copy);
    let target = Target::new();
    let output = target.export_ok(&Source::of(&server).imap_only(), "ann", &LINK);
    let note = "nothing is linked, all of it is fetched: the server does not tell which messages of All Mail";
    assert!(output.stderr.contains(note), "{}", output.stderr);
    assert_eq!(counted(&target, ".All Mail"), [(1, 1)]);
    let before = ImapView::read(server.imap_port(), ANN.0, ANN.1);
    assert_like(&before, &target.serve(Layout::MaildirPlusPlus));
}
