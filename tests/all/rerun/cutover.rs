//! The day of the change: repeated mirrors until then, and `--after-cutover` from then on, when the
//! new host is live.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::mail::{FIRST_UID_NEXT, LATER, count, message, the_one, uidl_of};
use super::pair::Pair;
use crate::support::mail_user::Store;
use crate::support::tree::{Stamp, assert_untouched, stamps};

/// Method of the ISPs that imapsync's FAQ describes: mirror as often as one likes, change the MX, then
/// only add. Each mirror also undoes what a tester has done to the target.
#[test]
fn mirrors_until_the_change_then_only_additions() {
    let users = ["ann", "bob"];
    let pair = Pair::new(&users);
    let mirror = ["--mirror", "--delete-local", "--max-delete", "100"];
    for day in 1..=3 {
        for user in users {
            let mut client = pair.at_source(user);
            client.append("INBOX", &[], LATER + day, &message(&format!("day-{day}")));
            client.append(
                "Work",
                &["todo"],
                LATER,
                &message(&format!("work-day-{day}")),
            );
            let oldest = client.uids("INBOX")[0];
            client.expunge("INBOX", oldest);
            let newest = *client.uids("INBOX").last().expect("just appended");
            client.store("INBOX", newest - 1, Store::Set, &["\\Seen", "\\Answered"]);
        }
        pair.export_ok(&users, &mirror);
        for user in users {
            pair.assert_equal(user);
            pair.deliver(user, "INBOX", &format!("test-{day}"));
            pair.at_destination(user).select_each();
        }
    }
    pair.export_ok(&users, &mirror);

    // The MX points to the new host; a few senders still go to the old one.
    for user in users {
        pair.assert_equal(user);
        pair.deliver(user, "INBOX", "first-at-new");
        let mut client = pair.at_destination(user);
        client.select_each();
        client.expunge("INBOX", 12);
        drop(client);
        let mut client = pair.at_source(user);
        client.append("INBOX", &[], LATER + 9, &message("late-at-old"));
        client.expunge("INBOX", 9);
    }
    let run = pair.export_ok(&users, &["--after-cutover"]);
    for user in users {
        assert_eq!(run.row(user).number("added"), 1);
        let (after, pop3) = pair.destination_views(user);
        the_one(&after, "INBOX", "first-at-new");
        the_one(&after, "INBOX", "late-at-old");
        assert_eq!(count(&after, "INBOX", "inbox-12"), 0);
        assert_eq!(the_one(&after, "INBOX", "inbox-9").uid, 9);
        let (_, source) = pair.source_views(user);
        assert_eq!(
            uidl_of(&pop3, "late-at-old"),
            uidl_of(&source, "late-at-old")
        );
    }
    let before = stamps(&pair.maildir("ann"));
    pair.export_ok(&users, &["--after-cutover"]);
    assert_untouched(&before, &pair.maildir("ann"));
}

/// The other method: from the change on what still arrives at the old host is moved over, in runs that
/// take the last day's mail of INBOX alone and delete there what has been written here.
#[test]
fn mirrors_until_the_change_then_late_mail_is_moved_over() {
    let users = ["ann", "bob"];
    let pair = Pair::new(&users);
    let mirror = ["--mirror", "--delete-local", "--max-delete", "100"];
    pair.export_ok(&users, &mirror);
    for user in users {
        let mut client = pair.at_source(user);
        client.append("INBOX", &[], LATER, &message("last-mirrored"));
        client.expunge("INBOX", 3);
    }
    pair.export_ok(&users, &mirror);
    let moving = [
        "--after-cutover",
        "--folder",
        "INBOX",
        "--skip-empty",
        "--max-age",
        "1",
        "--delete-source",
    ];
    let now = jiff::Timestamp::now().as_second();
    for day in 1..=3 {
        for user in users {
            pair.deliver(user, "INBOX", &format!("at-new-{day}"));
            let mut client = pair.at_destination(user);
            client.select_each();
            if day == 1 {
                client.expunge("INBOX", 12);
            }
            drop(client);
            let mut client = pair.at_source(user);
            client.append("INBOX", &[], now - 600, &message(&format!("late-{day}")));
            client.append("INBOX", &[], LATER, &message(&format!("old-{day}")));
            client.append(
                "Work",
                &[],
                now - 600,
                &message(&format!("elsewhere-{day}")),
            );
        }
        let announced: Vec<_> = users
            .map(|user| uidl_of(&pair.source_views(user).1, &format!("late-{day}")))
            .into();
        let run = pair.export_ok(&users, &moving);
        for (user, uidl) in users.iter().zip(announced) {
            assert_eq!(run.row(user).number("added"), 1);
            let (after, pop3) = pair.destination_views(user);
            for token in [format!("late-{day}"), format!("at-new-{day}")] {
                the_one(&after, "INBOX", &token);
            }
            assert_eq!(uidl_of(&pop3, &format!("late-{day}")), uidl);
            assert_eq!(count(&after, "INBOX", "inbox-12"), 0);
            assert_eq!(count(&after, "INBOX", &format!("old-{day}")), 0);
            assert_eq!(count(&after, "Work", &format!("elsewhere-{day}")), 0);
            // What is older than a day, or elsewhere, is where it was at the old host too.
            let (source, _) = pair.source_views(user);
            assert_eq!(count(&source, "INBOX", &format!("late-{day}")), 0);
            for token in ["inbox-12".to_owned(), format!("old-{day}")] {
                the_one(&source, "INBOX", &token);
            }
            the_one(&source, "Work", &format!("elsewhere-{day}"));
        }
    }
    // The next run sees that what it has deleted is gone, and the one after it has nothing to do.
    pair.export_ok(&users, &moving);
    let before = stamps(&pair.maildir("ann"));
    pair.export_ok(&users, &moving);
    assert_untouched(&before, &pair.maildir("ann"));
}

/// On a live destination only what is new at the source is added, above every UID that was ever
/// given; no file of before changes its name, date or inode, no message its UID, flags or UIDL.
#[test]
fn after_the_cutover_nothing_that_is_there_is_touched() {
    let pair = Pair::new(&["ann"]);
    pair.export_ok(&["ann"], &[]);
    {
        let mut client = pair.at_destination("ann");
        client.select_each();
        client.store("INBOX", 5, Store::Set, &["\\Seen", "\\Flagged", "mine"]);
        client.store("INBOX", 6, Store::Clear, &["\\Flagged"]);
        client.expunge("INBOX", 8);
        client.move_to("INBOX", 9, "Work");
        client.create("Mine");
        client.append("Mine", &[], LATER, &message("local-3"));
        client.delete("Empty");
        client.unsubscribe("Work");
    }
    pair.deliver("ann", "INBOX", "local-1");
    pair.at_destination("ann").select_each();
    pair.deliver("ann", "INBOX", "local-2");
    {
        let mut client = pair.at_source("ann");
        client.append("INBOX", &["\\Flagged", "todo"], LATER, &message("new-1"));
        client.append("INBOX", &[], LATER + 1, &message("new-2"));
        client.append("Work", &["\\Seen"], LATER, &message("new-3"));
        client.create("Fresh");
        client.append("Fresh", &["$Forwarded"], LATER, &message("new-4"));
        client.store("INBOX", 3, Store::Set, &["\\Answered", "todo"]);
        client.store("INBOX", 12, Store::Clear, &["\\Seen"]);
        client.expunge("INBOX", 5);
        client.expunge("Work", 2);
        client.delete("Keep");
        client.unsubscribe("INBOX");
    }
    let files = messages(&pair.maildir("ann"));
    let disk = pair.on_disk("ann");

    let run = pair.export_ok(&["ann"], &["--after-cutover"]);
    assert_eq!(run.row("ann").number("added"), 4);
    assert_eq!(run.row("ann").number("deleted"), 0);
    assert_eq!(run.row("ann").number("changed"), 0);

    let now = messages(&pair.maildir("ann"));
    for (path, file) in &files {
        assert_eq!(now.get(path), Some(file), "{}", path.display());
    }
    assert_eq!(now.len(), files.len() + 4);
    let (after, pop3) = pair.destination_views("ann");
    for (folder, before) in &disk.folders {
        let there = &after.folders[folder];
        assert_eq!(Some(there.uid_validity), before.uid_validity, "{folder}");
        assert!(there.uid_next >= before.uid_next, "{folder}");
        for message in &before.messages {
            let found = there.messages.iter().find(|one| one.hash == message.hash);
            let found = found.unwrap_or_else(|| panic!("{folder}: lost {message:?}"));
            assert_eq!(found.flags, message.flags, "{folder}");
            if let Some(uid) = message.uid {
                assert_eq!(found.uid, uid, "{folder}");
            }
        }
    }
    for (folder, token, flags) in [
        ("INBOX", "new-1", &["\\Flagged", "todo"][..]),
        ("INBOX", "new-2", &[]),
        ("Work", "new-3", &["\\Seen"]),
        ("Fresh", "new-4", &["$Forwarded"]),
    ] {
        let found = the_one(&after, folder, token);
        assert_eq!(found.flags, flags, "{token}");
        let next = disk.folders.get(folder).map_or(0, |folder| folder.uid_next);
        assert!(found.uid >= next, "{token}: UID {}", found.uid);
    }
    assert!(the_one(&after, "INBOX", "new-1").uid > FIRST_UID_NEXT);
    for token in ["inbox-8", "inbox-9"] {
        assert_eq!(count(&after, "INBOX", token), 0);
    }
    let (_, source) = pair.source_views("ann");
    for token in ["new-1", "new-2"] {
        assert_eq!(uidl_of(&pop3, token), uidl_of(&source, token));
    }
    for uid in [3, 5, 6, 12] {
        let uidl = uidl_of(&pop3, &format!("inbox-{uid}"));
        assert_eq!(uidl, format!("old-inbox-{uid}"));
    }
    let subscribed: Vec<&String> = after.subscribed.iter().collect();
    assert_eq!(subscribed, ["Gone", "INBOX"]);

    // A second run has nothing to add.
    let before = stamps(&pair.maildir("ann"));
    pair.export_ok(&["ann"], &["--after-cutover"]);
    assert_untouched(&before, &pair.maildir("ann"));
}

/// Clients and deliveries are at work while mail is added: every UID that a client has seen means
/// the same message after it, and nothing is lost or doubled.
#[test]
fn mail_is_added_beside_clients_and_deliveries_at_work() {
    const NEW: u32 = 150;
    let pair = Pair::new(&["ann"]);
    pair.export_ok(&["ann"], &[]);
    {
        let mut client = pair.at_source("ann");
        for number in 0..NEW {
            client.append("INBOX", &[], LATER, &message(&format!("new-{number}")));
        }
    }
    let done = AtomicBool::new(false);
    let (seen, delivered) = std::thread::scope(|scope| {
        let live = scope.spawn(|| {
            let mut seen: HashMap<u32, blake3::Hash> = HashMap::new();
            let mut delivered = 0;
            let mut client = pair.at_destination("ann");
            while !done.load(Ordering::SeqCst) {
                pair.deliver("ann", "INBOX", &format!("delivered-{delivered}"));
                let uid = *client.uids("INBOX").last().expect("there is mail");
                client.append(
                    "INBOX",
                    &[],
                    LATER,
                    &message(&format!("appended-{delivered}")),
                );
                client.store("INBOX", uid, Store::Set, &["\\Seen"]);
                delivered += 1;
                let (view, _) = pair.destination_views("ann");
                for message in &view.folders["INBOX"].messages {
                    let known = *seen.entry(message.uid).or_insert(message.hash);
                    assert_eq!(known, message.hash, "UID {}", message.uid);
                }
            }
            (seen, delivered)
        });
        let run = pair.export(&["ann"], &["--after-cutover"]);
        done.store(true, Ordering::SeqCst);
        let live = live.join().expect("the client is not disturbed");
        assert_eq!(run.output.code, Some(0), "{}", run.output.stdout);
        assert_eq!(run.row("ann").number("added"), u64::from(NEW));
        live
    });
    let (after, pop3) = pair.destination_views("ann");
    let inbox = &after.folders["INBOX"].messages;
    for (uid, hash) in &seen {
        let now = inbox.iter().find(|message| message.uid == *uid);
        assert_eq!(now.map(|message| message.hash), Some(*hash), "UID {uid}");
    }
    assert_eq!(inbox.len() as u32, 6 + NEW + 2 * delivered);
    let (_, source) = pair.source_views("ann");
    for number in 0..NEW {
        let token = format!("new-{number}");
        the_one(&after, "INBOX", &token);
        assert_eq!(uidl_of(&pop3, &token), uidl_of(&source, &token));
    }
    for number in 0..delivered {
        the_one(&after, "INBOX", &format!("delivered-{number}"));
        the_one(&after, "INBOX", &format!("appended-{number}"));
    }
}

/// The message files, with their inodes and dates.
fn messages(maildir: &Path) -> BTreeMap<PathBuf, (u64, i64)> {
    let is_message = |path: &Path| {
        let parent = path.parent().and_then(Path::file_name);
        parent.is_some_and(|parent| parent == "cur" || parent == "new")
    };
    stamps(maildir)
        .into_iter()
        .filter(|(path, _)| is_message(path))
        .map(|(path, Stamp { inode, written, .. })| (path, (inode, written)))
        .collect()
}
