//! A target that a Courier, or a Courier and a Dovecot, have been serving since the last run.

use std::collections::BTreeMap;
use std::fs;

use super::{courier_views, message, target_of, uidls};
use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::courier::Courier;
use crate::support::delivery::deliver;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::{ImapView, MessageView};
use crate::support::mail_user::{Client, Store};
use crate::support::{Layout, corpus, pop3_view};

const LATER: i64 = 1_700_000_000;

/// Old mail of Courier's form, five messages.
fn old_courier() -> Courier {
    let old = Courier::start(&[("ann", PASSWORD)]);
    let contents: Vec<(String, String)> = (1..=5)
        .map(|number| {
            (
                format!("16000000{number:02}.M1P1_{number}.old:2,"),
                message(&format!("inbox-{number}")),
            )
        })
        .collect();
    let files: Vec<(&str, &[u8])> = contents
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_bytes()))
        .collect();
    corpus::bare(&old.mail_dir("ann"), &files);
    ImapView::select_each_folder(old.imap_port(), "ann", PASSWORD);
    let mut client = Client::login(old.imap_port(), "ann", PASSWORD);
    client.store("INBOX", 1, Store::Set, &["Work"]);
    client.store("INBOX", 2, Store::Set, &["Work", "\\Seen"]);
    drop(client);
    old
}

fn inbox(view: &ImapView) -> BTreeMap<u32, &MessageView> {
    let messages = view.folders["INBOX"].messages.iter();
    messages.map(|message| (message.uid, message)).collect()
}

/// By content the UID and the UIDL that a server has for each message.
fn names(view: &ImapView, listing: &[pop3_view::Pop3Entry]) -> BTreeMap<String, (u32, String)> {
    // Both are read with their line ends; POP3 sends these messages as IMAP does.
    let uidls: BTreeMap<String, String> = listing
        .iter()
        .map(|entry| (entry.hash.expect("read").to_string(), entry.uidl.clone()))
        .collect();
    let messages = view.folders["INBOX"].messages.iter();
    messages
        .map(|message| {
            let hash = message.hash.to_string();
            let uidl = uidls.get(&hash).cloned().unwrap_or_default();
            (hash, (message.uid, uidl))
        })
        .collect()
}

/// The owner works, mail is delivered, and Courier gives it numbers; mail comes at the source with the
/// same UID; then the next run.
#[test]
fn what_a_live_courier_has_given_is_spent() {
    let old = old_courier();
    let source = Source::both(old.imap_port(), old.pop3_port());
    let server = Courier::start(&[("ann", PASSWORD)]);
    let target = target_of(&server);
    let more = ["--target", "courier"];
    target.export_ok(&source, "ann", &more);
    let first = pop3_view::read(server.pop3_port(), "ann", PASSWORD, false);
    assert_eq!(uidls(&first).len(), 5);
    // Delivered to the new server, which gives it UID 6; then marks, keywords and a deletion.
    deliver(&target.maildir("ann"), "INBOX", LATER, &message("local"));
    ImapView::select_each_folder(server.imap_port(), "ann", PASSWORD);
    {
        let mut client = Client::login(server.imap_port(), "ann", PASSWORD);
        client.store("INBOX", 3, Store::Set, &["Mine", "\\Flagged"]);
        client.store("INBOX", 1, Store::Clear, &["Work"]);
        client.expunge("INBOX", 5);
    }
    let between = courier_views(&server, "ann");
    let between = names(&between.0, &between.1);
    // At the source: another message of UID 6, and other marks.
    deliver(&old.mail_dir("ann"), "INBOX", LATER, &message("new"));
    ImapView::select_each_folder(old.imap_port(), "ann", PASSWORD);
    {
        let mut client = Client::login(old.imap_port(), "ann", PASSWORD);
        client.store("INBOX", 2, Store::Set, &["Urgent"]);
        client.store("INBOX", 4, Store::Set, &["\\Seen", "Work"]);
    }
    target.export_ok(&source, "ann", &more);
    let after = courier_views(&server, "ann");
    let now = names(&after.0, &after.1);
    // What was exported has its numbers; of the two of UID 6 none has it, as at Dovecot, and what was
    // delivered keeps its UIDL.
    for (message, (uid, uidl)) in &between {
        let (new_uid, new_uidl) = &now[message];
        assert_eq!(new_uidl, uidl);
        assert_eq!(new_uid == uid, *uid < 6, "{uid} {new_uid}");
    }
    let listed = inbox(&after.0);
    let new: Vec<u32> = listed
        .keys()
        .copied()
        .filter(|uid| *uid > 100_000)
        .collect();
    assert_eq!(new.len(), 2, "above all that the source will give soon");
    let keywords: Vec<(u32, String)> = listed
        .iter()
        .map(|(uid, message)| (*uid, message.flags.join(" ")))
        .collect();
    // The one that was delivered here has been read, the one that has come has not.
    let flags_of_new: Vec<String> = new.iter().map(|uid| listed[uid].flags.join(" ")).collect();
    let mut sorted = flags_of_new.clone();
    sorted.sort();
    assert_eq!(sorted, ["", "\\Seen"]);
    let keywords: Vec<(u32, &str)> = keywords
        .iter()
        .map(|(uid, flags)| (*uid, flags.as_str()))
        .collect();
    assert_eq!(
        keywords,
        [
            // Its owner has taken Work away; RETR has marked all as seen that were there.
            (1, "\\Seen"),
            (2, "Urgent Work \\Seen"),
            (3, "Mine \\Flagged \\Seen"),
            (4, "Work \\Seen"),
            (new[0], &flags_of_new[0]),
            (new[1], &flags_of_new[1]),
        ]
    );
    // Its UIDL is that of the source, and no UIDL comes twice.
    let at_source = pop3_view::read(old.pop3_port(), "ann", PASSWORD, false);
    let last = at_source.last().expect("there is mail");
    assert!(uidls(&after.1).contains(&last.uidl.as_str()));
    let mut all = uidls(&after.1);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6);
    assert_nothing_left(&target, &source, "ann", &more);
}

/// Two servers have numbered different mail alike: neither number holds for it, and both agree.
#[test]
fn two_live_servers_that_disagree_are_brought_together() {
    let old = old_courier();
    let source = Source::both(old.imap_port(), old.pop3_port());
    let courier = Courier::start_open(&[("ann", PASSWORD)]);
    let target: Target = target_of(&courier);
    let more = ["--target", "dovecot,courier"];
    target.export_ok(&source, "ann", &more);
    let dovecot = Dovecot::start(DovecotOptions {
        utf8: true,
        ..target.options(Layout::MaildirPlusPlus)
    });
    let maildir = target.maildir("ann");
    // Dovecot sees one message first, Courier another.
    deliver(&maildir, "INBOX", LATER, &message("first"));
    Client::login(dovecot.imap_port(), "ann", "any").select("INBOX");
    let moved = hide(&maildir, "first");
    deliver(&maildir, "INBOX", LATER, &message("second"));
    ImapView::select_each_folder(courier.imap_port(), "ann", PASSWORD);
    fs::rename(&moved.1, &moved.0).expect("it is ours");
    let agreed = |message: &MessageView, other: &ImapView| {
        let others = other.folders["INBOX"].messages.iter();
        others
            .filter(|it| it.hash == message.hash)
            .any(|it| it.uid == message.uid)
    };
    ImapView::select_each_folder(courier.imap_port(), "ann", PASSWORD);
    Client::login(dovecot.imap_port(), "ann", "any").select("INBOX");
    let before = (
        views(&dovecot, "ann", "any"),
        courier_views(&courier, "ann"),
    );
    let messages = |view: &ImapView| view.folders["INBOX"].messages.clone();
    let disputed = messages(&before.0.0)
        .iter()
        .filter(|it| !agreed(it, &before.1.0))
        .count();
    assert_eq!(disputed, 2, "the servers are to disagree");

    target.export_ok(&source, "ann", &more);
    let after = (
        views(&dovecot, "ann", "any"),
        courier_views(&courier, "ann"),
    );
    super::assert_alike(&after.0.0, &after.1.0);
    let spent: Vec<u32> = messages(&before.0.0)
        .iter()
        .map(|it| it.uid)
        .filter(|uid| *uid > 5)
        .collect();
    assert!(
        messages(&after.0.0)
            .iter()
            .all(|it| !spent.contains(&it.uid))
    );
    // Exported mail is listed alike.
    assert_eq!(uidls(&after.0.1)[..5], uidls(&after.1.1)[..5]);
    drop(dovecot);
    assert_nothing_left(&target, &source, "ann", &more);
}

/// Moves the message of this subject out of the folder: where it was, and where it is.
fn hide(maildir: &std::path::Path, subject: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let files = fs::read_dir(maildir.join("cur")).expect("it is ours");
    for file in files {
        let path = file.expect("it is ours").path();
        let text = fs::read_to_string(&path).expect("it is ours");
        if text.contains(&format!("Subject: {subject}\n")) {
            let away = maildir.join("hidden");
            fs::rename(&path, &away).expect("it is ours");
            return (path, away);
        }
    }
    panic!("no message {subject}");
}
