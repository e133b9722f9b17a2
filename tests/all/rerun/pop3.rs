//! UIDLs and POP3 positions over several runs, for Dovecot and for qmail-pop3d.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::both::Both;
use super::mail::{FIRST_UID_NEXT, LATER, change_uidl, count, hash, message, uidl_of};
use super::pair::Pair;
use crate::support::mail_user::{Client, Store};
use crate::support::pop3_view::Pop3Entry;
use crate::support::qmail::qmail_listing;

fn uidls(listing: &[Pop3Entry]) -> Vec<&str> {
    listing.iter().map(|entry| entry.uidl.as_str()).collect()
}

/// Known mail keeps its UIDL, new mail has the source's, positions are those of the new listing, and
/// what the source does not list comes last.
#[test]
fn known_mail_keeps_its_uidl_and_positions_are_those_of_the_new_listing() {
    let mut both = Both::after_first_run();
    both.deliver("INBOX", "local-1");
    both.at_destination(|client| {
        client.select_each();
        client.store("INBOX", 9, Store::Set, &["mine"]);
    });
    both.at_source(|client| {
        client.append("INBOX", &[], LATER, &message("new-1"));
        client.expunge("INBOX", 12);
        // Its mark at the destination keeps it there.
        client.expunge("INBOX", 9);
    });
    let (_, _, (_, pop3)) = both.run();
    let (_, source) = both.pair.source_views("merge");
    assert_eq!(uidl_of(&pop3, "new-1"), uidl_of(&source, "new-1"));
    assert_eq!(uidl_of(&pop3, "inbox-9"), "old-inbox-9");
    let mut expected = uidls(&source);
    let rest = &uidls(&pop3)[expected.len()..];
    assert_eq!(rest.len(), 2);
    expected.extend(rest);
    assert_eq!(uidls(&pop3), expected);
    assert!(pop3.iter().any(|entry| entry.hash == Some(hash("local-1"))));
}

/// The old host gives a known mail another UIDL: a mirror follows, a merge keeps the one that clients
/// know, and nothing is read for it.
#[test]
fn a_uidl_that_changes_is_followed_by_a_mirror_and_kept_by_a_merge() {
    let both = Both::after_first_run();
    for user in ["mirror", "merge"] {
        let maildir = both.pair.source_maildir(user);
        change_uidl(&maildir, "old-inbox-5", "renewed-5");
    }
    both.pair.export_ok(&["mirror"], &["--mirror"]);
    both.pair.assert_equal("mirror");
    both.pair.export_ok(&["merge"], &[]);
    let (after, pop3) = both.pair.destination_views("merge");
    assert_eq!(uidl_of(&pop3, "inbox-5"), "old-inbox-5");
    assert_eq!(after.folders["INBOX"].messages.len(), 6);
    let before = both.pair.listing("merge");
    both.pair.export_ok(&["merge"], &[]);
    assert_eq!(both.pair.listing("merge"), before);
}

/// A mail that goes from INBOX and comes back at the old host has the UIDL that it had. Its former self,
/// which its user has marked and so keeps, must not have it too; nor what comes after the cutover.
#[test]
fn no_uidl_is_there_twice_when_a_mail_comes_back() {
    for mode in [&["--max-delete", "100"][..], &["--after-cutover"]] {
        let pair = Pair::new(&["ann"]);
        let append = |client: &mut Client| {
            client.append("INBOX", &[], LATER, &message("new-1"));
            client.append("INBOX", &[], LATER, &message("new-2"));
        };
        append(&mut pair.at_source("ann"));
        pair.export_ok(&["ann"], &[]);
        let uid = FIRST_UID_NEXT;
        pair.at_destination("ann")
            .store("INBOX", uid, Store::Set, &["\\Flagged"]);
        let (_, before) = pair.source_views("ann");
        {
            let mut client = pair.at_source("ann");
            client.move_to("INBOX", uid, "Work");
            client.move_to("Work", 4, "INBOX");
        }
        let (_, source) = pair.source_views("ann");
        assert_eq!(uidl_of(&source, "new-1"), uidl_of(&before, "new-1"));
        pair.export_ok(&["ann"], mode);
        let (after, pop3) = pair.destination_views("ann");
        assert_eq!(count(&after, "INBOX", "new-1"), 2);
        let mut different = uidls(&pop3);
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), pop3.len(), "{mode:?}");
    }
}

/// qmail-pop3d goes by name and mtime: what comes in a later run is listed after all that was there,
/// though it may be older, and nothing that was there changes its place, its name or its date.
#[test]
fn qmail_lists_later_mail_after_earlier_mail() {
    for targets in ["qmail", "qmail,dovecot"] {
        for mode in [&["--mirror"][..], &[]] {
            let pair = Pair::new(&["ann"]);
            let more = [mode, &["--target", targets, "--max-delete", "100"]].concat();
            pair.export_ok(&["ann"], &more[more.len() - 4..more.len() - 2]);
            let maildir = pair.maildir("ann");
            let dates = dates(&maildir);
            {
                let mut client = pair.at_source("ann");
                // Older than all that is there.
                client.append("INBOX", &[], 1_000_000_000, &message("new-1"));
                client.append("INBOX", &["\\Seen"], LATER, &message("new-2"));
                client.append("INBOX", &[], 1_000_000_000, &message("new-3"));
                client.expunge("INBOX", 6);
                client.store("INBOX", 5, Store::Set, &["\\Seen"]);
            }
            let run = pair.export_ok(&["ann"], &more);
            assert_eq!(run.row("ann").number("added"), 3);
            assert_eq!(run.row("ann").number("deleted"), 1);
            let (_, source) = pair.source_views("ann");
            let served = qmail_listing(&maildir).expect("the order is certain");
            let served: Vec<&str> = served.iter().map(|(uidl, _)| uidl.as_str()).collect();
            assert_eq!(served, uidls(&source), "{more:?}");
            let now = self::dates(&maildir);
            for (name, date) in &dates {
                if name != "old-inbox-6" {
                    assert_eq!(now.get(name), Some(date), "{more:?}: {name}");
                }
            }
            if targets == "qmail,dovecot" {
                let after = pair.destination_views("ann");
                assert_eq!(uidls(&after.1), uidls(&source), "{more:?}");
            }
            // And a third run has nothing to do.
            let before = pair.listing("ann");
            pair.export_ok(&["ann"], &more);
            let after = pair.listing("ann");
            assert_eq!(after, before, "{more:?}");
        }
    }
}

/// A merge for qmail: what its user has deleted stays away, what was delivered stays.
#[test]
fn a_merge_for_qmail_keeps_to_the_table_too() {
    let pair = Pair::new(&["ann"]);
    let more = ["--target", "qmail", "--max-delete", "100"];
    pair.export_ok(&["ann"], &more);
    let maildir = pair.maildir("ann");
    let cur = maildir.join("cur");
    // As qmail-pop3d does at DELE.
    let deleted = file_of(&cur, "old-inbox-8");
    fs::remove_file(cur.join(deleted)).expect("it is there");
    pair.deliver("ann", "INBOX", "local-1");
    {
        let mut client = pair.at_source("ann");
        client.append("INBOX", &[], LATER, &message("new-1"));
        client.expunge("INBOX", 3);
    }
    let run = pair.export_ok(&["ann"], &more);
    assert_eq!(run.row("ann").number("deleted"), 1);
    let (_, source) = pair.source_views("ann");
    let served = qmail_listing(&maildir).expect("the order is certain");
    let served: Vec<&str> = served
        .iter()
        .map(|(uidl, _)| uidl.as_str())
        .filter(|uidl| !uidl.ends_with(".lda"))
        .collect();
    let expected: Vec<&str> = uidls(&source)
        .into_iter()
        .filter(|uidl| *uidl != "old-inbox-8")
        .collect();
    assert_eq!(served, expected);
    assert_eq!(
        qmail_listing(&maildir).map(|list| list.len()),
        Ok(expected.len() + 1)
    );
}

/// The file of a message without its flags in the name.
fn file_of(directory: &Path, base_name: &str) -> String {
    fs::read_dir(directory)
        .expect("it is there")
        .map(|entry| entry.expect("it stands still").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .find(|name| name.split(':').next() == Some(base_name))
        .unwrap_or_else(|| panic!("there is no {base_name}"))
}

/// The dates of all files of INBOX, by base name.
fn dates(maildir: &Path) -> BTreeMap<String, i64> {
    fs::read_dir(maildir.join("cur"))
        .expect("it is there")
        .map(|entry| {
            let entry = entry.expect("it stands still");
            let name = entry.file_name().to_string_lossy().into_owned();
            let base_name = name.split(':').next().unwrap_or_default().to_owned();
            (base_name, entry.metadata().expect("just seen").mtime())
        })
        .collect()
}
