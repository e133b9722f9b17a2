//! What Courier's IMAP server makes of `courierimapuiddb`, against how it is read here: verify rests on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mailseed::mail::courier::uiddb::AsRead;

use crate::support::courier::Courier;
use crate::support::give_to_mail_owner;
use crate::support::imap_view::ImapView;

/// A list, the files of `cur` and `new`, each with the UID that it is to have; 0: a new one, from UIDNEXT on.
type Case = (&'static str, &'static [(&'static str, u32)]);

const CASES: &[Case] = &[
    (
        "1 700 50\n3 a\n9 b,S=3\n",
        &[("cur/a:2,S", 3), ("cur/b,S=3:2,", 9), ("cur/c:2,", 0)],
    ),
    // In any order, with flags, without a flag on disk.
    (
        "1 700 50\n9 b\n3 a:2,S\n",
        &[("cur/a:2,FS", 3), ("cur/b", 9)],
    ),
    // What lies in new gets a new UID, listed or not.
    (
        "1 700 50\n3 a\n9 b\n",
        &[("cur/a:2,", 3), ("new/b", 0), ("new/c:2,S", 0)],
    ),
    // Lines that make no sense are passed over.
    (
        "1 700 50\nx\n\n4\n3 a\n",
        &[("cur/a:2,", 3), ("cur/b:2,", 0)],
    ),
    // A last line without its LF is not there.
    ("1 700 50\n3 a\n5 b", &[("cur/a:2,", 3), ("cur/b:2,", 0)]),
    // Two messages of one UID.
    ("1 700 50\n3 a\n3 b\n", &[("cur/a:2,", 3), ("cur/b:2,", 3)]),
    // UIDNEXT below a UID is given again.
    ("1 700 3\n3 a\n", &[("cur/a:2,", 3), ("cur/b:2,", 0)]),
];

/// Lists with which Courier begins anew.
const BROKEN: &[&str] = &[
    "2 700 50\n3 a\n",
    "nonsense\n3 a\n",
    "1 700\n3 a\n",
    "",
    "\n1 700 50\n3 a\n",
];

fn put(maildir: &Path, list: &str, files: &[&str]) {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part)).expect("made");
    }
    for (at, file) in files.iter().enumerate() {
        let text = format!("Subject: {at}\n\n{}\n", "x".repeat(at));
        fs::write(maildir.join(file), text).expect("written");
    }
    fs::write(maildir.join("courierimapuiddb"), list).expect("written");
    give_to_mail_owner(maildir);
}

/// The UID of each file, by its size; and the UIDVALIDITY.
fn shown(server: &Courier, user: &str) -> (u32, BTreeMap<u64, u32>) {
    ImapView::select_each_folder(server.imap_port(), user, "pw");
    let view = ImapView::read(server.imap_port(), user, "pw");
    let inbox = &view.folders["INBOX"];
    let messages = inbox.messages.iter().map(|it| (it.length, it.uid));
    (inbox.uid_validity, messages.collect())
}

#[test]
fn courier_gives_the_uids_that_are_read_from_its_list() {
    let users: Vec<String> = (0..CASES.len() + BROKEN.len())
        .map(|at| format!("u{at}"))
        .collect();
    let users: Vec<(&str, &str)> = users.iter().map(|user| (user.as_str(), "pw")).collect();
    let server = Courier::start(&users);
    let mut wrong = Vec::new();
    for ((user, _), (list, files)) in users.iter().zip(CASES) {
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        put(&server.mail_dir(user), list, &names);
        let read = AsRead::of(list.as_bytes());
        let (validity, next) = read.head.expect("a head");
        let by_name: BTreeMap<&str, u32> = read
            .lines
            .iter()
            .map(|(uid, name)| (*name, uid.value()))
            .collect();
        let (is_validity, is) = shown(&server, user);
        if is_validity != validity.value() {
            wrong.push(format!("{list:?}: UIDVALIDITY {is_validity}"));
        }
        for (at, (name, want)) in files.iter().enumerate() {
            let size = format!("Subject: {at}\r\n\r\n{}\r\n", "x".repeat(at)).len() as u64;
            let is = is.get(&size).copied().unwrap_or_default();
            let base = name[4..].split(':').next().expect("a base");
            let foretold = match name.starts_with("cur") {
                true => by_name.get(base).copied().unwrap_or_default(),
                false => 0,
            };
            if foretold != *want || (*want == 0 && is < next) || (*want > 0 && is != *want) {
                wrong.push(format!(
                    "{list:?}: {name}: read {foretold}, shown {is}, wanted {want}"
                ));
            }
        }
    }
    for ((user, _), list) in users[CASES.len()..].iter().zip(BROKEN) {
        put(&server.mail_dir(user), list, &["cur/a:2,"]);
        let (validity, _) = shown(&server, user);
        if AsRead::of(list.as_bytes()).head.is_some() || validity == 700 {
            wrong.push(format!("{list:?}: UIDVALIDITY {validity}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
