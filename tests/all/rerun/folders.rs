//! Folders that come, go, change their names, and subscriptions.

use super::both::Both;
use super::mail::{FIRST_VALIDITY, LATER, count, folder, forget_folders, message, the_one};
use super::pair::Pair;
use crate::support::give_to_mail_owner;
use crate::support::mail_user::Store;

fn names(pair: &Pair, user: &str) -> Vec<String> {
    pair.at_destination(user).folders()
}

fn has(pair: &Pair, user: &str, folder: &str) -> bool {
    names(pair, user).iter().any(|name| name == folder)
}

/// A folder made at the source, empty or not, and one below a folder that is not there.
#[test]
fn a_new_folder_comes() {
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        client.create("Fresh");
        client.create("No parent/child");
        client.append("No parent/child", &["todo"], LATER, &message("new-1"));
    });
    both.run();
    assert!(has(&both.pair, "merge", "Fresh"));
}

/// A merge removes a folder that has vanished at the source if nothing in it is its user's own; else
/// what is stays, and nothing more.
#[test]
fn a_vanished_folder_goes_and_leaves_what_its_user_owns() {
    let mut both = Both::after_first_run();
    both.deliver("Work", "local-1");
    both.at_destination(|client| {
        client.select_each();
        client.store("Work", 2, Store::Set, &["\\Flagged"]);
    });
    both.at_source(|client| {
        client.delete("Work");
        client.delete("Keep");
        client.delete("Empty");
    });
    let (mirror, merge, (after, _)) = both.run();
    assert_eq!(names(&both.pair, "mirror"), ["INBOX"]);
    assert_eq!(names(&both.pair, "merge"), ["INBOX", "Work"]);
    assert_eq!(after.folders["Work"].messages.len(), 2);
    the_one(&after, "Work", "local-1");
    the_one(&after, "Work", "work-2");
    // work-1, work-3, keep-1 and keep-2; in the mirror also work-2 and the local one.
    assert_eq!(merge.row("merge").number("deleted"), 4);
    assert!(mirror.row("mirror").number("deleted") >= 5);
    // What is left is local now, whatever comes later.
    let (_, _, (after, _)) = both.run();
    assert_eq!(after.folders["Work"].messages.len(), 2);
}

/// A folder's name at the source changes: its mail is not read again.
#[test]
fn a_renamed_folder_is_not_downloaded_again() {
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        client.rename("Work", "Business/old");
        client.append("Business/old", &[], LATER, &message("new-1"));
        client.store("Business/old", 1, Store::Set, &["\\Answered"]);
    });
    both.renamed("Work", "Business/old");
    let (mirror, merge, _) = both.run();
    for (run, user) in [(mirror, "mirror"), (merge, "merge")] {
        assert_eq!(run.row(user).number("added"), 1, "{user}");
        assert!(!has(&both.pair, user, "Work"), "{user}");
    }
}

/// The same with folders below it, and without a word of any message.
#[test]
fn a_renamed_parent_takes_its_children_along() {
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        client.create("Work/Sub");
        client.append("Work/Sub", &["\\Seen"], LATER, &message("new-1"));
    });
    both.run();
    both.at_destination(|client| client.select_each());
    both.at_source(|client| client.rename("Work", "Business"));
    both.renamed("Work", "Business");
    let (mirror, merge, _) = both.run();
    mirror.assert_no_download();
    merge.assert_no_download();
    assert!(!has(&both.pair, "merge", "Work/Sub"));
}

/// The old name goes on to be listed, for it has folders below, but cannot be opened any more.
#[test]
fn a_folder_of_which_only_the_name_is_left_has_vanished() {
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        client.rename("Work", "Business");
        client.create("Work/Sub");
        client.delete("Keep");
        client.create("Keep/Sub");
    });
    both.renamed("Work", "Business");
    for user in ["mirror", "merge"] {
        // Dovecot goes on for a while to say that they can be opened.
        forget_folders(&both.pair.source_maildir(user));
    }
    let (mirror, merge, (after, _)) = both.run();
    mirror.assert_no_download();
    merge.assert_no_download();
    assert!(!after.folders["Work"].selectable);
    assert!(!after.folders["Keep"].selectable);
}

/// What a user has done in a folder is not lost when the source renames it.
#[test]
fn a_rename_at_the_source_loses_nothing_of_the_destination() {
    let mut both = Both::after_first_run();
    both.deliver("Work", "local-1");
    both.at_destination(|client| {
        client.select_each();
        client.store("Work", 1, Store::Set, &["\\Flagged"]);
    });
    both.at_source(|client| client.rename("Work", "Business"));
    both.renamed("Work", "Business");
    let (_, _, (after, _)) = both.run();
    let places: usize = ["Work", "Business"]
        .iter()
        .map(|folder| count(&after, folder, "local-1"))
        .sum();
    assert_eq!(places, 1);
    for token in ["work-1", "work-2", "work-3"] {
        the_one(&after, "Business", token);
    }
}

/// A folder made at the destination is a merge's user's own. A mirror removes it; where mail is in
/// it, only with that consent.
#[test]
fn a_local_folder_is_kept_by_a_merge_and_removed_by_a_mirror() {
    let mut both = Both::after_first_run();
    both.at_destination(|client| {
        client.create("Mine");
        client.append("Mine", &["mine"], LATER, &message("local-1"));
        client.create("Hollow");
    });
    let pair = &both.pair;
    let run = pair.export(&["mirror"], &["--mirror", "--max-delete", "100"]);
    run.assert_not_done("mirror", "--delete-local");
    let (after, _) = pair.destination_views("mirror");
    the_one(&after, "Mine", "local-1");
    assert!(!has(pair, "mirror", "Hollow"));
    let before = pair.listing("merge");
    pair.export_ok(&["merge"], &[]);
    assert_eq!(pair.listing("merge"), before);
    both.run();
}

/// A folder that its user has removed at the destination: a mirror brings it back, a merge only what
/// comes into it from then on.
#[test]
fn a_folder_removed_at_the_destination_does_not_come_back_in_a_merge() {
    let mut both = Both::after_first_run();
    both.at_destination(|client| client.delete("Work"));
    let (_, merge, (after, _)) = both.run();
    merge.assert_no_download();
    assert!(
        after
            .folders
            .get("Work")
            .is_none_or(|folder| folder.messages.is_empty())
    );
    both.at_source(|client| client.append("Work", &[], LATER, &message("new-1")));
    let (_, _, (after, _)) = both.run();
    assert_eq!(after.folders["Work"].messages.len(), 1);
    the_one(&after, "Work", "new-1");
}

/// Both sides have made a folder of one name.
#[test]
fn a_folder_made_on_both_sides_holds_the_mail_of_both() {
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        client.create("Lists");
        client.append("Lists", &["\\Seen"], LATER, &message("new-1"));
    });
    both.at_destination(|client| {
        client.create("Lists");
        client.append("Lists", &["mine"], LATER, &message("local-1"));
    });
    let (_, _, (after, _)) = both.run();
    the_one(&after, "Lists", "new-1");
    the_one(&after, "Lists", "local-1");
    both.run();
}

/// Many servers give all folders of one second the same UIDVALIDITY. Dovecot does not give a file
/// another name when it moves it, so that the name says a UID that is another message's in its new
/// folder.
#[test]
fn folders_of_one_uidvalidity_are_not_mistaken_for_one_another() {
    let mut both = Both::with(|maildir| {
        let mail = |name: &str| -> Vec<_> {
            (1..=4)
                .map(|uid| (uid, format!("{name}-{uid}"), "S"))
                .collect()
        };
        folder(maildir, "INBOX", FIRST_VALIDITY, 5, &mail("inbox"));
        folder(maildir, "Work", FIRST_VALIDITY, 5, &mail("work"));
        folder(maildir, "Keep", FIRST_VALIDITY, 5, &mail("keep"));
        give_to_mail_owner(maildir);
    });
    both.at_destination(|client| {
        // Beside the message of that UID, in place of one that goes, and of one that is gone.
        client.move_to("Work", 1, "Keep");
        client.move_to("Work", 2, "Keep");
        client.expunge("Keep", 2);
        client.move_to("Work", 3, "Keep");
        client.move_to("INBOX", 4, "Work");
    });
    both.at_source(|client| {
        client.expunge("Keep", 3);
        client.store("Keep", 1, Store::Set, &["\\Flagged"]);
        client.store("Keep", 2, Store::Set, &["\\Flagged"]);
    });
    let (_, merge, (after, _)) = both.run();
    merge.assert_no_download();
    let flagged = ["\\Flagged", "\\Seen"];
    assert_eq!(the_one(&after, "Keep", "keep-1").flags, flagged);
    for token in ["work-1", "work-2", "work-3"] {
        assert_eq!(the_one(&after, "Keep", token).flags, ["\\Seen"]);
    }
    the_one(&after, "Work", "inbox-4");
    assert_eq!(
        count(&after, "Keep", "keep-2") + count(&after, "Keep", "keep-3"),
        0
    );
    both.run();
}

/// Subscriptions: the source's changes are taken, the destination's kept; a mirror has the source's.
#[test]
fn subscriptions_meet_in_a_merge() {
    let mut both = Both::after_first_run();
    // INBOX, Work and Gone are subscribed.
    both.at_source(|client| {
        client.subscribe("Keep");
        client.unsubscribe("Work");
        client.unsubscribe("Gone");
    });
    both.at_destination(|client| {
        client.subscribe("Empty");
        client.unsubscribe("INBOX");
    });
    let (_, _, (after, _)) = both.run();
    let subscribed: Vec<&String> = after.subscribed.iter().collect();
    assert_eq!(subscribed, ["Empty", "Keep"]);
    // None of it is undone by the next run.
    let (_, _, (after, _)) = both.run();
    assert_eq!(after.subscribed.len(), 2);
}
