//! What happens to a staged mailbox while the old host is still in use, case by case as
//! `doveadm backup` and `doveadm sync -1` were seen to fail at it: INBOX left empty and every later
//! run failing, both of two mails renumbered, flags not carried over.

use super::both::Both;
use super::mail::{FIRST_UID_NEXT, LATER, count, message, the_one};
use crate::support::mail_user::Store;
use crate::support::tree::listing;

/// `doveadm backup`: "UID=20 is missing locally", INBOX emptied, exit code 65 for ever.
#[test]
fn a_mail_that_its_user_has_deleted_comes_back_in_a_mirror_and_stays_away_in_a_merge() {
    let mut both = Both::after_first_run();
    both.at_destination(|client| client.expunge("INBOX", 8));
    let (mirror, merge, (after, _)) = both.run();
    assert_eq!(count(&after, "INBOX", "inbox-8"), 0);
    assert_eq!(mirror.row("mirror").number("added"), 1);
    assert_eq!(merge.row("merge").number("added"), 0);
    merge.assert_no_download();
    // Nor does it in any later run.
    let (_, merge, (after, _)) = both.run();
    assert_eq!(count(&after, "INBOX", "inbox-8"), 0);
    merge.assert_no_download();
}

/// `doveadm backup`: one delivery was enough to lose the staged INBOX.
#[test]
fn a_mail_that_was_delivered_is_kept_by_a_merge_and_costs_a_mirror_nothing_but_itself() {
    let mut both = Both::after_first_run();
    both.deliver("INBOX", "local-1");
    both.at_destination(|client| client.select_each());
    let refused = both
        .pair
        .export(&["mirror"], &["--mirror", "--max-delete", "100"]);
    refused.assert_not_done("mirror", "--delete-local");
    let (after, _) = both.pair.destination_views("mirror");
    the_one(&after, "INBOX", "local-1");
    the_one(&after, "INBOX", "inbox-8");
    let (_, _, (after, pop3)) = both.run();
    let local = the_one(&after, "INBOX", "local-1");
    assert_eq!(local.uid, FIRST_UID_NEXT);
    assert_eq!(pop3.last().map(|entry| entry.hash), Some(Some(local.hash)));
}

/// `doveadm backup`: "UID=500 already exists locally for a different mail", INBOX emptied.
/// `doveadm sync -1` renumbers both.
#[test]
fn a_uid_given_to_two_mails_is_settled_for_good() {
    let mut both = Both::after_first_run();
    both.deliver("INBOX", "local-1");
    both.at_destination(|client| client.select_each());
    both.at_source(|client| {
        client.append("INBOX", &["\\Seen"], LATER, &message("new-1"));
        client.append("INBOX", &[], LATER, &message("new-2"));
    });
    let (_, _, (after, pop3)) = both.run();
    let uids = |view| ["local-1", "new-1", "new-2"].map(|token| the_one(view, "INBOX", token).uid);
    let first = uids(&after);
    assert!(!first.contains(&FIRST_UID_NEXT), "{first:?}");
    let (_, merge, (after, pop3_again)) = both.run();
    assert_eq!(uids(&after), first);
    assert_eq!(pop3_again, pop3);
    merge.assert_no_download();
    // What has another number here is still known as the source's.
    both.at_source(|client| {
        client.store("INBOX", FIRST_UID_NEXT, Store::Clear, &["\\Seen"]);
        client.store("INBOX", FIRST_UID_NEXT, Store::Set, &["\\Answered"]);
    });
    let (_, _, (after, _)) = both.run();
    assert_eq!(uids(&after), first);
    assert_eq!(the_one(&after, "INBOX", "new-1").flags, ["\\Answered"]);
    both.at_source(|client| client.expunge("INBOX", FIRST_UID_NEXT));
    let (_, _, (after, _)) = both.run();
    assert_eq!(count(&after, "INBOX", "new-1"), 0);
    the_one(&after, "INBOX", "local-1");
}

/// A local mail that no server has shown yet gives way.
#[test]
fn a_mail_that_nobody_has_seen_leaves_the_uid_to_the_source() {
    let mut both = Both::after_first_run();
    both.deliver("INBOX", "local-1");
    both.at_source(|client| client.append("INBOX", &[], LATER, &message("new-1")));
    let (_, _, (after, _)) = both.run();
    assert_eq!(the_one(&after, "INBOX", "new-1").uid, FIRST_UID_NEXT);
    assert_eq!(the_one(&after, "INBOX", "local-1").uid, FIRST_UID_NEXT + 1);
}

/// A UID that a deleted local mail had is not given to another.
#[test]
fn a_uid_is_not_used_again_although_its_mail_is_gone() {
    let mut both = Both::after_first_run();
    both.deliver("INBOX", "local-1");
    both.at_destination(|client| {
        client.select_each();
        client.expunge("INBOX", FIRST_UID_NEXT);
    });
    both.at_source(|client| client.append("INBOX", &[], LATER, &message("new-1")));
    let (_, _, (after, _)) = both.run();
    assert_ne!(the_one(&after, "INBOX", "new-1").uid, FIRST_UID_NEXT);
}

/// `doveadm sync -1` does not carry these over, `-f` or not, without modseq.
#[test]
fn flags_changed_at_the_source_alone_are_carried_over() {
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        client.store(
            "INBOX",
            5,
            Store::Set,
            &["\\Seen", "\\Flagged", "newly-made"],
        );
        client.store("INBOX", 6, Store::Clear, &["\\Flagged", "todo"]);
        client.store("Work", 2, Store::Clear, &["\\Seen", "todo"]);
    });
    let (mirror, merge, (after, _)) = both.run();
    for (row, user) in [
        (mirror.row("mirror"), "mirror"),
        (merge.row("merge"), "merge"),
    ] {
        assert_eq!(row.number("changed"), 3, "{user}");
        assert_eq!(row.number("added") + row.number("deleted"), 0, "{user}");
    }
    mirror.assert_no_download();
    let flags = |folder, token| the_one(&after, folder, token).flags.clone();
    assert_eq!(
        flags("INBOX", "inbox-5"),
        ["\\Flagged", "\\Seen", "newly-made"]
    );
    assert_eq!(flags("INBOX", "inbox-6"), ["\\Seen"]);
    assert!(flags("Work", "work-2").is_empty());
}

/// Each flag by itself: changes of both sides on one message meet.
#[test]
fn flags_changed_on_both_sides_meet_in_a_merge() {
    let mut both = Both::after_first_run();
    // It has \Flagged, \Seen and todo.
    both.at_source(|client| {
        client.store("INBOX", 6, Store::Set, &["\\Answered", "$Forwarded"]);
        client.store("INBOX", 6, Store::Clear, &["\\Flagged"]);
    });
    both.at_destination(|client| {
        client.store("INBOX", 6, Store::Set, &["\\Draft", "mine"]);
        client.store("INBOX", 6, Store::Clear, &["\\Seen", "todo"]);
    });
    let (_, _, (after, _)) = both.run();
    let expected = ["$Forwarded", "\\Answered", "\\Draft", "mine"];
    assert_eq!(the_one(&after, "INBOX", "inbox-6").flags, expected);
    // What was set here only is not taken for the source's later.
    let (_, _, (after, _)) = both.run();
    assert_eq!(the_one(&after, "INBOX", "inbox-6").flags, expected);
}

/// Deleted at the source, but marked at the destination meanwhile: its user still wants it.
#[test]
fn a_merge_keeps_what_the_source_deletes_if_its_user_has_marked_it() {
    let mut both = Both::after_first_run();
    both.at_destination(|client| client.store("INBOX", 5, Store::Set, &["\\Flagged"]));
    both.at_source(|client| {
        client.expunge("INBOX", 5);
        client.expunge("INBOX", 6);
    });
    let (mirror, merge, (after, _)) = both.run();
    assert_eq!(mirror.row("mirror").number("deleted"), 2);
    assert_eq!(merge.row("merge").number("deleted"), 1);
    assert_eq!(the_one(&after, "INBOX", "inbox-5").uid, 5);
    assert_eq!(count(&after, "INBOX", "inbox-6"), 0);
    both.run();
}

/// `--keep-deleted`: a merge deletes nothing at all.
#[test]
fn a_merge_that_keeps_deleted_mail_deletes_none() {
    let both = Both::after_first_run();
    both.at_source(|client| {
        client.expunge("INBOX", 5);
        client.delete("Keep");
    });
    let run = both.pair.export_ok(&["merge"], &["--keep-deleted"]);
    assert_eq!(run.row("merge").number("deleted"), 0);
    let (after, pop3) = both.pair.destination_views("merge");
    assert_eq!(the_one(&after, "INBOX", "inbox-5").uid, 5);
    the_one(&after, "Keep", "keep-1");
    assert!(pop3.iter().any(|entry| entry.uidl == "old-inbox-5"));
}

/// A mail that is moved at the destination is one deleted there and one of its own elsewhere.
#[test]
fn a_mail_moved_at_the_destination_stays_where_its_user_has_put_it() {
    let mut both = Both::after_first_run();
    both.at_destination(|client| client.move_to("INBOX", 6, "Work"));
    let (_, merge, (after, _)) = both.run();
    merge.assert_no_download();
    assert_eq!(count(&after, "INBOX", "inbox-6"), 0);
    the_one(&after, "Work", "inbox-6");
    // The source has lost its interest in it.
    both.at_source(|client| client.expunge("INBOX", 6));
    let (_, _, (after, _)) = both.run();
    the_one(&after, "Work", "inbox-6");
}

/// A mail that comes back from a backup of the old host has an old UID: below all that the new host
/// has ever given.
#[test]
fn a_mail_that_appears_below_uidnext_is_taken() {
    let mut both = Both::after_first_run();
    for user in ["mirror", "merge"] {
        let maildir = both.pair.source_maildir(user);
        super::mail::restore(&maildir, 7, "restored-7");
    }
    let (mirror, _, (after, _)) = both.run();
    assert_eq!(mirror.row("mirror").number("added"), 1);
    the_one(&after, "INBOX", "restored-7");
}

/// UIDs that the source has given and taken back are spent: a client may have seen what they meant.
#[test]
fn uidnext_follows_the_source_though_no_mail_is_left() {
    let mut both = Both::after_first_run();
    both.at_source(|client| {
        client.append("Empty", &[], LATER, &message("gone-1"));
        client.expunge("Empty", 1);
        client.create("Fresh");
        client.append("Fresh", &[], LATER, &message("gone-2"));
        client.expunge("Fresh", 1);
        client.append("Work", &[], LATER, &message("gone-3"));
        client.expunge("Work", 4);
    });
    let (_, _, (after, _)) = both.run();
    for (folder, next) in [("Empty", 2), ("Fresh", 2), ("Work", 5)] {
        assert_eq!(after.folders[folder].uid_next, next, "{folder}");
    }
}

/// The second of two runs writes nothing, in any mode.
#[test]
fn a_run_without_a_change_changes_nothing() {
    let both = Both::after_first_run();
    for (user, more) in [
        ("merge", &[][..]),
        ("mirror", &["--mirror"][..]),
        ("mirror", &["--mirror", "--delete-local"][..]),
        ("merge", &["--after-cutover"][..]),
    ] {
        let maildir = both.pair.maildir(user);
        let before = listing(&maildir);
        let run = both.pair.export_ok(&[user], more);
        assert_eq!(listing(&maildir), before, "{more:?}");
        run.assert_no_download();
        let row = run.row(user);
        assert_eq!(row.number("kept"), row.number("messages"));
        assert_eq!(row.number("changed") + row.number("deleted"), 0);
    }
}

/// Whatever has been done to the target, one run makes it the source.
#[test]
fn a_mirror_converges_in_one_run_from_any_state() {
    let both = Both::after_first_run();
    let pair = &both.pair;
    pair.deliver("mirror", "INBOX", "local-1");
    pair.deliver("mirror", "Work", "local-2");
    {
        let mut client = pair.at_destination("mirror");
        client.select_each();
        client.expunge("INBOX", 3);
        client.expunge("INBOX", 12);
        client.store("INBOX", 5, Store::Set, &["\\Deleted", "mine"]);
        client.move_to("INBOX", 6, "Work");
        client.copy_to("INBOX", 8, "INBOX");
        client.delete("Keep");
        client.rename("Empty", "Elsewhere");
        client.create("Mine/too");
        client.append("Mine/too", &[], LATER, &message("local-3"));
        client.subscribe("Mine/too");
        client.unsubscribe("Work");
    }
    pair.deliver("mirror", "INBOX", "local-4");
    {
        let mut client = pair.at_source("mirror");
        client.append("INBOX", &["\\Seen"], LATER, &message("new-1"));
        client.append("Work", &[], LATER, &message("new-2"));
        client.expunge("INBOX", 9);
        client.create("Fresh");
        client.move_to("Work", 1, "Fresh");
    }
    super::mail::lose_validity(&pair.source_maildir("mirror"), "INBOX");
    super::mail::lose_validity(&pair.source_maildir("mirror"), "Work");
    let more = ["--mirror", "--delete-local", "--max-delete", "100"];
    pair.export_ok(&["mirror"], &more);
    pair.assert_equal("mirror");
}
