//! Mail of which each message has a word of its own in it, its token, so that what is lost and what is
//! doubled is found by content; and what befalls the mail of an old host.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::imap_view::{FolderView, ImapView, MessageView};
use crate::support::pop3_view::Pop3Entry;
use crate::support::{Layout, corpus, give_to_mail_owner};

/// UIDVALIDITY of INBOX of the first mail; each further folder has one more.
pub const FIRST_VALIDITY: u32 = 1_300_000_000;
/// UIDs of the first mail of INBOX, with gaps as years leave them.
pub const FIRST_UIDS: [u32; 6] = [3, 5, 6, 8, 9, 12];
/// UIDNEXT of INBOX of the first mail.
pub const FIRST_UID_NEXT: u32 = 20;
/// The date of mail that comes later, in seconds since 1970.
pub const LATER: i64 = 1_600_000_000;

/// A message with a token, LF line ends.
pub fn message(token: &str) -> String {
    // Lengths differ too, for what pairs by size.
    let filler = "words of no meaning\n".repeat(1 + token.len() % 7);
    format!(
        "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\n\
         Date: Mon, 1 Jan 2018 00:00:00 +0000\nMessage-ID: <{token}@example.org>\n\
         Subject: About {token}\n\nThe token is {token}.\n{filler}"
    )
}

/// The hash of a token's message as IMAP and POP3 send it.
pub fn hash(token: &str) -> blake3::Hash {
    blake3::hash(message(token).replace('\n', "\r\n").as_bytes())
}

/// The messages of a folder that hold a token.
pub fn with_token<'v>(folder: &'v FolderView, token: &str) -> Vec<&'v MessageView> {
    let hash = hash(token);
    let messages = folder.messages.iter();
    messages.filter(|message| message.hash == hash).collect()
}

/// The one message of a folder that holds a token.
pub fn the_one<'v>(view: &'v ImapView, folder: &str, token: &str) -> &'v MessageView {
    let there = view
        .folders
        .get(folder)
        .unwrap_or_else(|| panic!("there is no {folder}"));
    match with_token(there, token).as_slice() {
        [one] => one,
        several => panic!("{folder} holds {token} {} times", several.len()),
    }
}

/// How often a token is in a folder.
pub fn count(view: &ImapView, folder: &str, token: &str) -> usize {
    let folder = view.folders.get(folder);
    folder.map_or(0, |folder| with_token(folder, token).len())
}

/// The UIDL of a token's message.
pub fn uidl_of(listing: &[Pop3Entry], token: &str) -> String {
    let hash = hash(token);
    let mut found = listing.iter().filter(|entry| entry.hash == Some(hash));
    match (found.next(), found.next()) {
        (Some(one), None) => one.uidl.clone(),
        (None, _) => panic!("POP3 does not list {token}"),
        _ => panic!("POP3 lists {token} more than once"),
    }
}

/// Mail as years have left it: INBOX with six messages (`inbox-3` to `inbox-12`, by their UIDs) in
/// a POP3 order of its own and with stored UIDLs, `Work` with three (`work-1` to `work-3`), `Keep`
/// with two, `Empty` with none.
pub fn first_mail(maildir: &Path) {
    let inbox: Vec<(u32, String, &str)> = FIRST_UIDS
        .iter()
        .zip(["S", "", "FSa", "RS", "b", "S"])
        .map(|(uid, letters)| (*uid, format!("inbox-{uid}"), letters))
        .collect();
    folder(maildir, "INBOX", FIRST_VALIDITY, FIRST_UID_NEXT, &inbox);
    let numbered = |name: &str, count: u32| -> Vec<(u32, String, &str)> {
        (1..=count)
            .map(|uid| {
                (
                    uid,
                    format!("{name}-{uid}"),
                    if uid == 2 { "Sa" } else { "" },
                )
            })
            .collect()
    };
    let (work, keep) = (numbered("work", 3), numbered("keep", 2));
    folder(maildir, "Work", FIRST_VALIDITY + 1, 4, &work);
    folder(maildir, "Keep", FIRST_VALIDITY + 2, 3, &keep);
    folder(maildir, "Empty", FIRST_VALIDITY + 3, 1, &[]);
    fs::write(maildir.join("subscriptions"), "V\t2\n\nINBOX\nWork\nGone\n")
        .expect("scratch directories are writable");
    give_to_mail_owner(maildir);
}

/// A folder with messages of these UIDs, tokens and letters, as Dovecot keeps it. Those of INBOX
/// have UIDLs and are listed in reverse.
pub fn folder(
    maildir: &Path,
    name: &str,
    uid_validity: u32,
    uid_next: u32,
    messages: &[(u32, String, &str)],
) -> PathBuf {
    let directory = corpus::directory(maildir, Layout::MaildirPlusPlus, name);
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(directory.join(part)).expect("scratch directories are writable");
    }
    let mut list = format!("3 V{uid_validity} N{uid_next}\n");
    for (position, (uid, token, letters)) in messages.iter().enumerate() {
        let date = 1_400_000_000 + i64::from(*uid) * 3601;
        let base_name = format!("{date}.M{uid}P1.{token}");
        let path = directory
            .join("cur")
            .join(format!("{base_name}:2,{letters}"));
        fs::write(&path, message(token)).expect("scratch directories are writable");
        let time = filetime::FileTime::from_unix_time(date, 0);
        filetime::set_file_mtime(&path, time).expect("the file was just written");
        let stored = if name == "INBOX" {
            let order = messages.len() - position;
            format!(" Pold-{token} O{order}")
        } else {
            String::new()
        };
        list.push_str(&format!("{uid}{stored} :{base_name}\n"));
    }
    fs::write(directory.join("dovecot-uidlist"), list).expect("scratch directories are writable");
    fs::write(directory.join("dovecot-keywords"), "0 todo\n1 $Forwarded\n")
        .expect("scratch directories are writable");
    directory
}

/// Gives a folder of the old host another UIDVALIDITY and its messages other UIDs, as a server does
/// that has lost its list. UIDLs stay. A folder that was never opened has no numbers yet.
pub fn lose_validity(maildir: &Path, name: &str) {
    let directory = corpus::directory(maildir, Layout::MaildirPlusPlus, name);
    let path = directory.join("dovecot-uidlist");
    let Ok(list) = fs::read_to_string(&path) else {
        return;
    };
    let (header, lines) = list.split_once('\n').expect("a list has a header");
    let mut messages = String::new();
    let mut next = 1;
    let there: HashSet<String> = ["cur", "new"]
        .iter()
        .flat_map(|part| fs::read_dir(directory.join(part)).expect("it is there"))
        .map(|entry| entry.expect("it stands still").file_name())
        .map(|name| {
            name.to_string_lossy()
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    for line in lines.lines() {
        let (_, rest) = line.split_once(' ').expect("a line has a UID and a name");
        // Dovecot forgets the lines of what is gone when it likes.
        let (_, name) = rest.split_once(':').expect("a line has a UID and a name");
        if !there.contains(name) {
            continue;
        }
        messages.push_str(&format!("{next} {rest}\n"));
        next += 1;
    }
    let fields: Vec<String> = header
        .split(' ')
        .map(|field| match field.split_at(1) {
            ("V", validity) => {
                let validity: u32 = validity.parse().expect("a number");
                format!("V{}", validity + 1000)
            }
            ("N", _) => format!("N{next}"),
            _ => field.to_owned(),
        })
        .collect();
    let changed = format!("{}\n{messages}", fields.join(" "));
    fs::write(&path, changed).expect("the list is ours");
    give_to_mail_owner(&path);
    remove_indexes(maildir, &directory);
}

/// Gives a message of INBOX of the old host another UIDL.
pub fn change_uidl(maildir: &Path, from: &str, to: &str) {
    let path = maildir.join("dovecot-uidlist");
    let list = fs::read_to_string(&path).expect("Dovecot has a list");
    let changed = list.replace(&format!(" P{from} "), &format!(" P{to} "));
    assert_ne!(changed, list);
    fs::write(&path, changed).expect("the list is ours");
    give_to_mail_owner(&path);
    remove_indexes(maildir, maildir);
}

/// Removes what Dovecot remembers of a folder, and of all folders.
fn remove_indexes(maildir: &Path, folder: &Path) {
    remove_files(folder, "dovecot.index");
    forget_folders(maildir);
}

/// Removes what Dovecot remembers of which folders there are.
pub fn forget_folders(maildir: &Path) {
    remove_files(maildir, "dovecot.list.index");
}

fn remove_files(directory: &Path, prefix: &str) {
    for entry in fs::read_dir(directory).expect("it is there") {
        let entry = entry.expect("it stands still");
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_file(entry.path()).expect("the index is ours");
        }
    }
}

/// Puts a message with an old UID back into INBOX of the old host, as a restored backup does.
pub fn restore(maildir: &Path, uid: u32, token: &str) {
    let path = maildir.join("dovecot-uidlist");
    let list = fs::read_to_string(&path).expect("Dovecot has a list");
    let name = format!("1400000000.M{uid}P2.{token}");
    let file = maildir.join("cur").join(format!("{name}:2,"));
    fs::write(&file, message(token)).expect("scratch directories are writable");
    let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
    let place = lines
        .iter()
        .skip(1)
        .position(|line| line.split(' ').next().and_then(|uid| uid.parse().ok()) > Some(uid))
        .map_or(lines.len(), |place| place + 1);
    lines.insert(place, format!("{uid} Pold-{token} :{name}"));
    fs::write(&path, format!("{}\n", lines.join("\n"))).expect("the list is ours");
    remove_indexes(maildir, maildir);
    give_to_mail_owner(maildir);
}
