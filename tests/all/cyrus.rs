//! Cyrus 3.6 as a source: another mail store, other names, other UIDLs, other logins.

use std::collections::{BTreeMap, BTreeSet};

use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus::{self, Options};
use crate::support::cyrus::{Cyrus, Names, PROXY, Refused};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::{self, Pop3Entry};
use crate::support::tree::TempTree;
use crate::support::{Layout, compare};

const ANN: (&str, &str) = ("ann", PASSWORD);
const BOB: (&str, &str) = ("bob", PASSWORD);

/// Gives ann the full corpus; returns what Cyrus would not take of it.
fn fill_ann(cyrus: &Cyrus, layout: Layout) -> Refused {
    let tree = TempTree::new();
    let maildir = tree.path().join("Maildir");
    let corpus = corpus::full(&maildir, Options::plain(layout));
    cyrus.fill(ANN, &corpus, &maildir, layout)
}

/// A Cyrus takes no such names, and no message with a line in its header that is none: the kinds
/// without a header, with an mbox line, with a line without a colon.
fn refusals(folders: &[&str], messages: usize) -> Refused {
    Refused {
        folders: folders.iter().map(|name| (*name).to_owned()).collect(),
        messages: BTreeMap::from([("NO Message contains invalid header".to_owned(), messages)]),
    }
}

fn source_of(cyrus: &Cyrus) -> Source {
    Source::both(cyrus.imap_port(), cyrus.pop3_port())
}

fn source_views(cyrus: &Cyrus, user: &str) -> (ImapView, Vec<Pop3Entry>) {
    (
        ImapView::read(cyrus.imap_port(), user, PASSWORD),
        pop3_view::read(cyrus.pop3_port(), user, PASSWORD, true),
    )
}

/// A destination with a format of its own, so that each UIDL must come from the tree.
fn serve(target: &Target, layout: Layout) -> Dovecot {
    Dovecot::start(DovecotOptions {
        uidl_format: "new-%v-%u".to_owned(),
        ..target.options(layout)
    })
}

/// Every folder, UIDVALIDITY, UIDNEXT, UID, flag, keyword, date, subscription, byte, UIDL and POP3
/// position. Nothing is excepted but what Cyrus itself refuses to hold.
#[test]
fn a_full_mailbox_comes_through_whole() {
    let cyrus = Cyrus::start(&[ANN], "cyrus", Names::Modern);
    let refused = fill_ann(&cyrus, Layout::Fs);
    let names = ["100% *done*", "Say \"cheese\"", "back\\slash"];
    assert_eq!(refused, refusals(&names, 29));
    let before = source_views(&cyrus, "ann");
    assert_eq!(
        (before.0.folders.len(), before.0.message_count()),
        (26, 579)
    );
    let gaps = |name: &str| {
        let folder = &before.0.folders[name];
        folder.uid_next - 1 > folder.messages.last().expect("it has mail").uid
            && folder.uid_next > folder.messages.len() as u32 + 10
    };
    assert!(gaps("INBOX") && gaps("Sent"), "the UIDs are no mere count");

    let target = Target::new();
    let more = ["--layout", "fs", "-v"];
    let output = target.export_ok(&source_of(&cyrus), "ann", &more);
    let paired = "UIDLs paired: 245 by template(v.u) ";
    assert!(output.stderr.contains(paired), "{}", output.stderr);
    let destination = serve(&target, Layout::Fs);
    let after = views(&destination, "ann", "any");
    compare::assert_none(&compare::imap(&before.0, &after.0));
    compare::assert_none(&compare::pop3(&before.1, &after.1));
    assert_eq!(destination.complaints(), Vec::<String>::new());
    drop(destination);
    assert_nothing_left(&target, &source_of(&cyrus), "ann", &["--layout", "fs"]);

    // The source is as it was: \Seen was not set, nothing was deleted.
    let left = source_views(&cyrus, "ann");
    compare::assert_none(&compare::imap(&before.0, &left.0));
    compare::assert_none(&compare::pop3(&before.1, &left.1));

    // Without IMAP: UIDs 1..n in POP3 order, all UIDLs, all bytes.
    let only_pop3 = source_of(&cyrus).pop3_only();
    let target = Target::new();
    target.export_ok(&only_pop3, "ann", &[]);
    let destination = serve(&target, Layout::MaildirPlusPlus);
    let after = views(&destination, "ann", "any");
    let telling = |view: &[Pop3Entry]| -> Vec<_> {
        // RETR ends with CRLF where the message had none, so LIST may say two octets more.
        let entries = view.iter();
        entries.map(|one| (one.uidl.clone(), one.hash)).collect()
    };
    assert_eq!(telling(&after.1), telling(&before.1));
    let uids: Vec<u32> = after.0.folders["INBOX"]
        .messages
        .iter()
        .map(|message| message.uid)
        .collect();
    assert_eq!(uids, (1..=before.1.len() as u32).collect::<Vec<_>>());
    drop(destination);
    assert_nothing_left(&target, &only_pop3, "ann", &[]);
}

/// Each `uidl_format` is recognised, and mail that comes later gets the next UIDL of its kind.
#[test]
fn each_uidl_format_is_recognised() {
    let cyrus = Cyrus::start(&[BOB], "cyrus", Names::Modern);
    let tree = TempTree::new();
    let maildir = tree.path().join("Maildir");
    let corpus = corpus::simple(&maildir, 300, 7);
    let refused = cyrus.fill(BOB, &corpus, &maildir, Layout::MaildirPlusPlus);
    assert_eq!(refused, Refused::default());
    for (count, (format, template)) in (300..).zip([
        ("cyrus", "v.u"),
        ("dovecot", "u8v8"),
        ("courier", "v-u"),
        ("uidonly", "u"),
    ]) {
        cyrus.restart(format);
        let before = source_views(&cyrus, "bob");
        let target = Target::new();
        let output = target.export_ok(&source_of(&cyrus), "bob", &["-v", "--fsync", "never"]);
        let paired = format!("UIDLs paired: {count} by template({template}) ");
        assert!(output.stderr.contains(&paired), "{}", output.stderr);

        cyrus.append(BOB, format!("Subject: {format}\r\n\r\nnew\r\n").as_bytes());
        let grown = source_views(&cyrus, "bob");
        assert_eq!(grown.1.len(), before.1.len() + 1);
        let output = target.export_ok(&source_of(&cyrus), "bob", &["-v", "--fsync", "never"]);
        let added = format!("folder INBOX: 1 added, {count} were there");
        assert!(output.stderr.contains(&added), "{}", output.stderr);

        let destination = serve(&target, Layout::MaildirPlusPlus);
        let after = views(&destination, "bob", "any");
        compare::assert_none(&compare::imap(&grown.0, &after.0));
        compare::assert_none(&compare::pop3(&grown.1, &after.1));
    }
}

/// Everything below `INBOX.`, dots between levels, read by a proxy on behalf of the user.
#[test]
fn old_names_by_a_proxy_login() {
    let cyrus = Cyrus::start(&[ANN], "cyrus", Names::Old);
    let refused = fill_ann(&cyrus, Layout::MaildirPlusPlus);
    let names = [
        "100% *done*",
        "Say \"cheese\"",
        "back\\slash",
        "semi;colon, comma",
    ];
    assert_eq!(refused.folders, BTreeSet::from(names.map(str::to_owned)));
    let mut before = source_views(&cyrus, "ann");
    assert_eq!(before.0.separator, '.');
    before.0 = before.0.without_prefix("INBOX.");

    let source = source_of(&cyrus);
    let target = Target::new();
    let (proxy, password) = PROXY;
    let login = ["--user", "ann", "--master-user", proxy, "--auth", "plain"];
    let mut command = target.command("export", &source, &login);
    command.env("MAILSEED_PASSWORD", password);
    let output = crate::support::program::run(command, std::time::Duration::from_secs(60));
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);

    let destination = serve(&target, Layout::MaildirPlusPlus);
    let after = views(&destination, "ann", "any");
    compare::assert_none(&compare::imap(&before.0, &after.0));
    compare::assert_none(&compare::pop3(&before.1, &after.1));
    drop(destination);
    // By the user's own login there is nothing left to do.
    assert_nothing_left(&target, &source, "ann", &[]);

    // A wrong password is told, and tried once; the user's own is not the proxy's.
    let refused = Target::new().export(&source, "ann", &login[2..]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(!refused.stderr.contains(PASSWORD) && !refused.stdout.contains(PASSWORD));
}
