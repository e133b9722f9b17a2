//! What is remembered between runs is lost, or goes along to another place.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::both::Both;
use super::mail::{LATER, count, message, the_one, uidl_of};
use super::pair::Pair;
use crate::support::mail_user::Store;

const MODES: [(&str, &[&str]); 2] = [("mirror", &["--mirror"]), ("merge", &[])];

fn remove_state(maildir: &Path) {
    let state = maildir.join("mailseed.state");
    fs::remove_file(&state).unwrap_or_else(|error| panic!("{}: {error}", state.display()));
}

/// Removes every `dovecot-uidlist`; Dovecot's indexes stay.
fn remove_lists(maildir: &Path) {
    let mut removed = 0;
    for entry in walkdir::WalkDir::new(maildir) {
        let entry = entry.expect("it stands still");
        if entry.file_name() == "dovecot-uidlist" {
            fs::remove_file(entry.path()).expect("the list is ours");
            removed += 1;
        }
    }
    assert_eq!(removed, 4);
}

/// `mailseed.state` is gone: nothing is read again, nothing is doubled, and what the source does
/// from then on is taken over.
#[test]
fn without_the_state_nothing_is_downloaded_again() {
    let both = Both::after_first_run();
    for (user, more) in MODES {
        remove_state(&both.pair.maildir(user));
        let run = both.pair.export_ok(&[user], more);
        run.assert_no_download();
        both.pair.assert_equal(user);
    }
    goes_on(&both);
}

/// The lists of UIDs too: file names tell which message a file is. UIDLs that were kept nowhere else
/// are paired once more.
#[test]
fn without_state_and_lists_nothing_is_downloaded_again() {
    let both = Both::after_first_run();
    for (user, more) in MODES {
        remove_state(&both.pair.maildir(user));
        remove_lists(&both.pair.maildir(user));
        let run = both.pair.export_ok(&[user], more);
        assert_eq!(run.row(user).number("added"), 0);
        both.pair.assert_equal(user);
    }
    goes_on(&both);
}

/// The lists are lost, and Dovecot has made them anew with UIDs of its own before mailseed runs again.
#[test]
fn without_lists_and_with_new_ones_of_the_server_nothing_is_doubled() {
    let both = Both::after_first_run();
    for (user, more) in MODES {
        remove_lists(&both.pair.maildir(user));
        both.pair.at_destination(user).select_each();
        let run = both.pair.export_ok(&[user], more);
        assert_eq!(run.row(user).number("added"), 0, "{user}");
        let (after, pop3) = both.pair.destination_views(user);
        assert_eq!(after.message_count(), 11);
        assert_eq!(uidl_of(&pop3, "inbox-5"), "old-inbox-5");
    }
    both.pair.assert_equal("mirror");
}

/// The same with Dovecot's indexes gone: a tree from a backup of the mail alone.
#[test]
fn without_anything_but_the_mail_nothing_is_downloaded_again() {
    let both = Both::after_first_run();
    for (user, more) in MODES {
        let maildir = both.pair.maildir(user);
        remove_state(&maildir);
        for entry in walkdir::WalkDir::new(&maildir) {
            let entry = entry.expect("it stands still");
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("dovecot") && name != "dovecot-keywords" {
                fs::remove_file(entry.path()).expect("the file is ours");
            }
        }
        let run = both.pair.export_ok(&[user], more);
        assert_eq!(run.row(user).number("added"), 0);
        both.pair.assert_equal(user);
    }
    goes_on(&both);
}

/// Without its record a merge takes what differs for its user's doing: flags stay as they are. Mail
/// that only the destination has stays in any case.
#[test]
fn without_the_state_a_merge_keeps_what_the_destination_has() {
    let both = Both::after_first_run();
    both.deliver("INBOX", "local-1");
    both.at_destination(|client| {
        client.select_each();
        client.store("INBOX", 5, Store::Set, &["\\Flagged"]);
    });
    remove_state(&both.pair.maildir("merge"));
    let run = both.pair.export_ok(&["merge"], &[]);
    run.assert_no_download();
    let (after, _) = both.pair.destination_views("merge");
    assert_eq!(the_one(&after, "INBOX", "inbox-5").flags, ["\\Flagged"]);
    the_one(&after, "INBOX", "local-1");
    assert_eq!(after.folders["INBOX"].messages.len(), 7);
}

/// After a loss: new mail, flags and deletions of the source come through.
fn goes_on(both: &Both) {
    both.at_source(|client| {
        client.append("INBOX", &["todo"], LATER, &message("new-1"));
        client.store("INBOX", 5, Store::Set, &["\\Flagged"]);
        client.expunge("INBOX", 8);
    });
    for (user, more) in MODES {
        let run = both
            .pair
            .export_ok(&[user], &[more, &["--max-delete", "100"]].concat());
        assert_eq!(run.row(user).number("added"), 1);
        both.pair.assert_equal(user);
    }
}

/// The tree is copied to another host and goes on there: what is remembered is in it, and no path.
#[test]
fn a_copied_tree_goes_on_at_its_new_place() {
    let pair = Pair::new(&["ann"]);
    pair.export_ok(&["ann"], &[]);
    pair.at_destination("ann").expunge("INBOX", 8);
    let home = |pair: &Pair| {
        let maildir = pair.maildir("ann");
        maildir
            .parent()
            .expect("a Maildir lies in a home")
            .to_owned()
    };
    let old = home(&pair);
    let pair = pair.into_another();
    let copied = Command::new("cp")
        .arg("-a")
        .args([old, home(&pair)])
        .status()
        .expect("cp is everywhere");
    assert!(copied.success());
    {
        let mut client = pair.at_source("ann");
        client.store("INBOX", 6, Store::Clear, &["\\Flagged"]);
        client.expunge("INBOX", 5);
    }
    let run = pair.export_ok(&["ann"], &[]);
    run.assert_no_download();
    assert_eq!(run.row("ann").number("changed"), 1);
    assert_eq!(run.row("ann").number("deleted"), 1);
    let (after, _) = pair.destination_views("ann");
    // Deleted here before the tree moved, and at the source since.
    assert_eq!(count(&after, "INBOX", "inbox-8"), 0);
    assert_eq!(count(&after, "INBOX", "inbox-5"), 0);
    assert_eq!(
        the_one(&after, "INBOX", "inbox-6").flags,
        ["\\Seen", "todo"]
    );
}
