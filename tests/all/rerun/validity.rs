//! The old host loses its UIDs: UIDVALIDITY changes. Mail is recognised by what is in it, not read
//! again; dsync leaves INBOX empty in that case.

use std::fs;

use super::both::Both;
use super::mail::{FIRST_VALIDITY, LATER, count, folder, message, the_one, uidl_of, with_token};
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::mail_user::{Client, Store};
use crate::support::{Layout, compare, give_to_mail_owner};

/// INBOX and another folder: the new UIDVALIDITY and UIDs are taken, flags and UIDLs are right, no
/// message is read.
#[test]
fn another_uidvalidity_costs_no_download() {
    let mut both = Both::after_first_run();
    both.lose_validity("INBOX");
    both.lose_validity("Work");
    both.at_source(|client| client.store("INBOX", 3, Store::Set, &["\\Answered"]));
    let (mirror, merge, (after, pop3)) = both.run();
    mirror.assert_no_download();
    merge.assert_no_download();
    assert_eq!(merge.row("merge").number("added"), 0);
    let inbox = &after.folders["INBOX"];
    assert_eq!(inbox.uid_validity, FIRST_VALIDITY + 1000);
    let uids: Vec<u32> = inbox.messages.iter().map(|message| message.uid).collect();
    assert_eq!(uids, [1, 2, 3, 4, 5, 6]);
    assert_eq!(uidl_of(&pop3, "inbox-12"), "old-inbox-12");
    both.pair.assert_equal("merge");
    let (mirror, merge, _) = both.run();
    assert_eq!(mirror.row("mirror").number("kept"), 11);
    assert_eq!(merge.row("merge").number("kept"), 11);
}

/// Flags that change after it are seen: the marks by which a server tells of changes have begun anew too.
#[test]
fn changes_are_seen_after_another_uidvalidity() {
    let mut both = Both::after_first_run();
    // Other messages get the UIDs of those that go.
    both.at_source(|client| {
        client.expunge("INBOX", 5);
        client.expunge("Work", 1);
    });
    both.lose_validity("INBOX");
    both.lose_validity("Work");
    both.run();
    for (folder, uid, flag) in [("INBOX", 5, "\\Draft"), ("Work", 1, "\\Answered")] {
        both.at_source(|client| client.store(folder, uid, Store::Set, &[flag]));
        let (mirror, merge, _) = both.run();
        assert_eq!(mirror.row("mirror").number("changed"), 1);
        assert_eq!(merge.row("merge").number("changed"), 1);
    }
}

/// With everything else that can happen at the same time.
#[test]
fn another_uidvalidity_beside_new_and_local_mail() {
    let mut both = Both::after_first_run();
    both.deliver("INBOX", "local-1");
    both.at_destination(|client| {
        client.select_each();
        client.store("INBOX", 5, Store::Set, &["\\Flagged"]);
        client.store("INBOX", 6, Store::Clear, &["\\Seen"]);
    });
    both.deliver("INBOX", "local-2");
    both.at_source(|client| {
        client.append("INBOX", &["todo"], LATER, &message("new-1"));
        client.store("INBOX", 6, Store::Clear, &["\\Flagged"]);
    });
    both.lose_validity("INBOX");
    let (mirror, merge, (after, _)) = both.run();
    assert_eq!(mirror.row("mirror").number("added"), 1);
    assert_eq!(merge.row("merge").number("added"), 1);
    assert_eq!(the_one(&after, "INBOX", "inbox-5").flags, ["\\Flagged"]);
    assert_eq!(the_one(&after, "INBOX", "inbox-6").flags, ["todo"]);
    let next = after.folders["INBOX"].uid_next;
    for token in ["local-1", "local-2"] {
        let uid = the_one(&after, "INBOX", token).uid;
        assert!((8..next).contains(&uid), "{token} has UID {uid}");
    }
    both.run();
}

/// Equal headers and equal size, another body: a guess would give one the other's number.
#[test]
fn messages_with_equal_headers_are_not_mistaken_for_one_another() {
    let twin = |word: &str| format!("Subject: twin\nMessage-ID: <twin@x>\n\nThis is {word}.\n");
    let words = ["one", "two", "six", "ten"];
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        for word in words {
            client.append("Keep", &[], LATER, &twin(word));
        }
    });
    both.run();
    both.at_destination(|client| client.select_each());
    // The first of them goes, so that each other one gets the number of the one before it.
    both.at_source(|client| client.expunge("Keep", 3));
    both.lose_validity("Keep");
    let (_, _, (after, _)) = both.run();
    let source = both.pair.source_views("merge").0;
    let of = |view: &crate::support::imap_view::ImapView, word: &str| -> Vec<u32> {
        let hash = blake3::hash(twin(word).replace('\n', "\r\n").as_bytes());
        let messages = view.folders["Keep"].messages.iter();
        messages
            .filter(|message| message.hash == hash)
            .map(|message| message.uid)
            .collect()
    };
    for word in &words[1..] {
        assert_eq!(of(&after, word), of(&source, word), "{word}");
    }
}

/// Two identical copies stay two.
#[test]
fn identical_copies_stay_as_many_as_they_are() {
    let both = Both::after_first_run();
    both.at_source(|client| {
        client.append("Keep", &["\\Seen"], LATER, &message("double"));
        client.append("Keep", &["\\Flagged"], LATER + 9, &message("double"));
    });
    both.pair.export_ok(&["mirror"], &["--mirror"]);
    both.lose_validity("Keep");
    both.pair
        .export_ok(&["mirror"], &["--mirror", "--max-delete", "100"]);
    both.pair.assert_equal("mirror");
    let (after, _) = both.pair.destination_views("mirror");
    assert_eq!(with_token(&after.folders["Keep"], "double").len(), 2);
    assert_eq!(count(&after, "Keep", "keep-1"), 1);
}

/// Where the old host's UIDLs are made of UIDVALIDITY and UID, they change with it, and are followed.
#[test]
fn uidls_that_change_with_uidvalidity_are_followed() {
    let source = Dovecot::start(DovecotOptions::with_users(&[
        ("mirror", PASSWORD),
        ("merge", PASSWORD),
    ]));
    for user in ["mirror", "merge"] {
        let maildir = source.mail_dir(user);
        let messages: Vec<_> = [4, 7, 9]
            .map(|uid| (uid, format!("inbox-{uid}"), ""))
            .into();
        folder(&maildir, "INBOX", FIRST_VALIDITY, 10, &messages);
        let path = maildir.join("dovecot-uidlist");
        let list = fs::read_to_string(&path).expect("just written");
        let list: String = list
            .lines()
            .map(|line| {
                let fields = line.split(' ').filter(|field| !field.starts_with("Pold"));
                fields.collect::<Vec<_>>().join(" ") + "\n"
            })
            .collect();
        fs::write(&path, list).expect("scratch directories are writable");
        give_to_mail_owner(&maildir);
    }
    let target = Target::new();
    let destination = Dovecot::start(DovecotOptions {
        uidl_format: "new-%v-%u".to_owned(),
        ..target.options(Layout::MaildirPlusPlus)
    });
    let from = Source::of(&source);
    for user in ["mirror", "merge"] {
        target.export_ok(&from, user, &[]);
        Client::login(destination.imap_port(), user, "any").select_each();
        super::mail::lose_validity(&source.mail_dir(user), "INBOX");
    }
    target.export_ok(&from, "mirror", &["--mirror"]);
    target.export_ok(&from, "merge", &[]);
    for user in ["mirror", "merge"] {
        let now = views(&source, user, PASSWORD);
        let after = views(&destination, user, "any");
        compare::assert_none(&compare::imap(&now.0, &after.0));
        compare::assert_none(&compare::pop3(&now.1, &after.1));
    }
}
