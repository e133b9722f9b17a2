//! `--max-delete`: a source that is suddenly empty is rather broken than emptied.

use super::both::Both;
use super::mail::{FIRST_VALIDITY, LATER, count, folder, message, the_one};
use super::model::Merged;
use super::pair::Pair;
use crate::support::disk_view::DiskView;
use crate::support::give_to_mail_owner;
use crate::support::mail_user::Store;

const MODES: [(&str, &[&str]); 2] = [("mirror", &["--mirror"]), ("merge", &[])];

/// INBOX of the source is empty: nothing is deleted, everything else is done, and the flag is named
/// that lets it on.
#[test]
fn an_empty_source_empties_nothing_until_that_is_wanted() {
    let both = Both::after_first_run();
    both.at_source(|client| {
        for uid in client.uids("INBOX") {
            client.expunge("INBOX", uid);
        }
        client.append("Work", &[], LATER, &message("new-1"));
        client.store("Work", 1, Store::Set, &["\\Flagged"]);
        client.create("Fresh");
        client.subscribe("Fresh");
    });
    for (user, more) in MODES {
        let before = both.pair.on_disk(user);
        let run = both.pair.export(&[user], more);
        run.assert_not_done(user, "--max-delete");
        assert_eq!(run.row(user).number("deleted"), 0);
        let (after, pop3) = both.pair.destination_views(user);
        assert_eq!(after.folders["INBOX"].messages.len(), 6, "{user}");
        assert_eq!(pop3.len(), 6);
        assert!(pop3.iter().all(|entry| entry.uidl.starts_with("old-")));
        the_one(&after, "Work", "new-1");
        assert_eq!(the_one(&after, "Work", "work-1").flags, ["\\Flagged"]);
        assert!(after.folders.contains_key("Fresh"));
        assert!(after.subscribed.contains("Fresh"));
        assert_eq!(
            before.folders["INBOX"],
            both.pair.on_disk(user).folders["INBOX"]
        );
        // It says so again each time.
        let run = both.pair.export(&[user], more);
        run.assert_not_done(user, "--max-delete");
    }
    for (user, more) in MODES {
        let run = both
            .pair
            .export_ok(&[user], &[more, &["--max-delete", "100"]].concat());
        assert_eq!(run.row(user).number("deleted"), 6, "{user}");
        let (after, _) = both.pair.destination_views(user);
        assert!(after.folders["INBOX"].messages.is_empty());
    }
    both.pair.assert_equal("mirror");
    both.pair.assert_equal("merge");
    both.at_source(|client| client.append("INBOX", &[], LATER, &message("new-2")));
    both.pair.export_ok(&["mirror"], &["--mirror"]);
    both.pair.export_ok(&["merge"], &[]);
    both.pair.assert_equal("merge");
}

/// The limit is a share of all of a user's mail, in all folders together: one of eleven is within
/// ten in a hundred, two are not.
#[test]
fn the_limit_counts_all_folders_of_a_user() {
    let both = Both::after_first_run();
    both.at_source(|client| client.expunge("INBOX", 6));
    for (user, more) in MODES {
        let run = both.pair.export_ok(&[user], more);
        assert_eq!(run.row(user).number("deleted"), 1, "{user}");
        both.pair.assert_equal(user);
    }
    both.at_source(|client| {
        client.expunge("INBOX", 5);
        client.expunge("Work", 1);
    });
    for (user, more) in MODES {
        let run = both.pair.export(&[user], more);
        run.assert_not_done(user, "--max-delete");
        let (after, _) = both.pair.destination_views(user);
        the_one(&after, "INBOX", "inbox-5");
        the_one(&after, "Work", "work-1");
        // Two of ten.
        both.pair
            .export_ok(&[user], &[more, &["--max-delete", "20"]].concat());
        both.pair.assert_equal(user);
    }
}

/// As many as the limit says are allowed; none with 0.
#[test]
fn the_limit_itself_is_allowed() {
    let both = Both::with(|maildir| {
        let messages: Vec<_> = (1..=10)
            .map(|uid| (uid, format!("inbox-{uid}"), "S"))
            .collect();
        folder(maildir, "INBOX", FIRST_VALIDITY, 11, &messages);
        give_to_mail_owner(maildir);
    });
    both.at_source(|client| client.expunge("INBOX", 4));
    for (user, more) in MODES {
        let run = both
            .pair
            .export(&[user], &[more, &["--max-delete", "0"]].concat());
        run.assert_not_done(user, "--max-delete");
        both.pair.export_ok(&[user], more);
        both.pair.assert_equal(user);
    }
}

/// A folder that has vanished counts with all its mail.
#[test]
fn a_vanished_folder_counts_too() {
    let both = Both::after_first_run();
    both.at_source(|client| client.delete("Work"));
    for (user, more) in MODES {
        let run = both.pair.export(&[user], more);
        run.assert_not_done(user, "--max-delete");
        let (after, _) = both.pair.destination_views(user);
        assert_eq!(after.folders["Work"].messages.len(), 3, "{user}");
        let more = [more, &["--max-delete", "100"]].concat();
        both.pair.export_ok(&[user], &more);
        let (after, _) = both.pair.destination_views(user);
        assert!(!after.folders.contains_key("Work"), "{user}");
    }
}

/// Local mail that a mirror removes is the user's mail too.
#[test]
fn local_mail_counts_too() {
    let both = Both::after_first_run();
    for number in 1..=3 {
        both.deliver("INBOX", &format!("local-{number}"));
    }
    let more = ["--mirror", "--delete-local"];
    let run = both.pair.export(&["mirror"], &more);
    run.assert_not_done("mirror", "--max-delete");
    let (after, _) = both.pair.destination_views("mirror");
    assert_eq!(count(&after, "INBOX", "local-2"), 1);
    let more = ["--mirror", "--delete-local", "--max-delete", "25"];
    both.pair.export_ok(&["mirror"], &more);
    both.pair.assert_equal("mirror");
}

/// A run for many: the broken one is named, the others are done.
#[test]
fn one_users_limit_does_not_stop_the_others() {
    let users = ["ann", "bob", "cid"];
    let pair = Pair::new(&users);
    pair.export_ok(&users, &[]);
    let mut model = Merged::default();
    model.assert(&pair, "cid", &DiskView::nothing());
    let mut client = pair.at_source("bob");
    for uid in client.uids("INBOX") {
        client.expunge("INBOX", uid);
    }
    drop(client);
    for user in ["ann", "cid"] {
        let mut client = pair.at_source(user);
        client.expunge("INBOX", 5);
        client.append("INBOX", &[], LATER, &message("new-1"));
    }
    let before = pair.on_disk("cid");
    let run = pair.export(&users, &[]);
    run.assert_not_done("bob", "--max-delete");
    assert_eq!(run.row("ann").text("status"), "ok");
    pair.assert_equal("ann");
    model.assert(&pair, "cid", &before);
}
