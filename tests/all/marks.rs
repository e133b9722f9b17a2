//! A second look at a mailbox: marks and changes, as real servers tell them in each of the ways,
//! and with how few bytes.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use mailseed::mail::{Entry, Flags, Uid, UidSet};
use mailseed::source::combine::combine;
use mailseed::source::imap::Session;
use mailseed::source::login::{Login, Secret};
use mailseed::source::net::{Dialer, Endpoint, Protocol, TlsPolicy};
use mailseed::source::{
    Changes, Examined, FolderList, ListedFolder, Marks, MessageList, News, Since,
};

use crate::migration::PASSWORD;
use crate::support::corpus;
use crate::support::courier::Courier;
use crate::support::cyrus::{Cyrus, Names};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_client::ImapClient;
use crate::support::proxy::{Fault, Proxy};

const ANN: (&str, &str) = ("ann", PASSWORD);

fn open(port: u16) -> Session {
    let dialer = Dialer::new(&TlsPolicy::default(), Duration::from_secs(30)).expect("no CA file");
    let url = format!("imap+plain://127.0.0.1:{port}");
    let endpoint = Endpoint::parse(&url, Protocol::Imap).expect("a good URL");
    let login = Login {
        name: "ann".to_owned(),
        authzid: None,
        of_master: false,
        secret: Secret::new(PASSWORD.to_owned()),
        mechanism: None,
    };
    let connection = dialer.connect(&endpoint).expect("the server answers");
    Session::open(connection, &login, &endpoint).expect("a good login")
}

/// The folder that ends so: Courier has all below `INBOX.`.
fn named<'l>(list: &'l FolderList, name: &str) -> &'l ListedFolder {
    let found = list
        .folders
        .iter()
        .find(|folder| folder.path.to_string() == name);
    found.unwrap_or_else(|| panic!("no {name}: {list:?}"))
}

/// A folder as it was seen last, the way a caller may keep it.
struct Seen {
    examined: Examined,
    by_flags: BTreeMap<(u8, String), (Flags, Vec<String>, UidSet)>,
    known: UidSet,
    uid_next: u32,
}

impl Seen {
    fn of(examined: Examined, list: &MessageList) -> Self {
        assert_eq!(list.unreadable, []);
        let mut by_flags = BTreeMap::new();
        for entry in &list.entries {
            let keywords = keywords(list, entry);
            let letters = entry.flags.maildir_letters();
            let bits = letters.fold(0, |bits, letter| bits * 7 + letter as u8 % 7);
            let (.., uids) = by_flags
                .entry((bits, keywords.join(" ")))
                .or_insert_with(|| (entry.flags, keywords, UidSet::default()));
            uids.insert(entry.uid);
        }
        let known: UidSet = list.entries.iter().map(|entry| entry.uid).collect();
        let above = known.last().map_or(1, |last| last.value() + 1);
        Self {
            uid_next: examined.uid_next.unwrap_or(above),
            examined,
            by_flags,
            known,
        }
    }

    fn since(&self) -> Since<'_> {
        Since {
            uid_validity: self
                .examined
                .uid_validity
                .expect("all servers here have it"),
            highest_modseq: self.examined.highest_modseq,
            known: &self.known,
            uid_next: self.uid_next,
        }
    }

    /// What is there now.
    fn with(&self, changes: Changes) -> MessageList {
        let known = self.by_flags.values().map(|(flags, keywords, uids)| {
            (uids, *flags, keywords.iter().map(String::as_str).collect())
        });
        combine(known, changes)
    }
}

fn keywords(list: &MessageList, entry: &Entry) -> Vec<String> {
    let members = list.keywords.members(entry.keywords).iter();
    let mut names: Vec<_> = members
        .map(|index| list.keywords.names()[usize::from(*index)].clone())
        .collect();
    names.sort();
    names
}

fn look(session: &mut Session, folder: &ListedFolder) -> Seen {
    let examined = session.examine(folder).expect("EXAMINE");
    let list = session.list_messages(examined.exists).expect("FETCH");
    Seen::of(examined, &list)
}

fn changes(session: &mut Session, folder: &ListedFolder, seen: &Seen) -> (Examined, Changes) {
    let (examined, news) = session.changes(folder, &seen.since()).expect("EXAMINE");
    match news {
        News::Changes(changes) => (examined, *changes),
        News::Unsure(why) => panic!("{}: {why}", folder.path),
    }
}

/// UID, flags and keywords of all messages.
fn plain(list: &MessageList) -> Vec<(Uid, Flags, Vec<String>)> {
    let row = |entry: &Entry| (entry.uid, entry.flags, keywords(list, entry));
    list.entries.iter().map(row).collect()
}

fn set(text: &str) -> UidSet {
    text.parse().expect("ascending ranges")
}

/// How a server is to be looked at.
struct Case {
    /// For the client that changes the mailbox.
    server: u16,
    /// For mailseed.
    shown: u16,
    /// Where other folders are.
    prefix: &'static str,
    by_list: bool,
    modseqs: bool,
    /// Of unchanged messages, no flags are told.
    sparing: bool,
}

/// Twenty messages and a folder, looked at; then three go, three change, two come; then all go, and
/// the folder is made anew.
fn second_looks(case: &Case) {
    let mut client = ImapClient::login(case.server, ANN).expect("login");
    let work = format!("{}Work", case.prefix);
    client.run(&[&format!("CREATE {work}")]).expect("CREATE");
    for n in 1..=20 {
        let flags = ["()", "(\\Seen)", "(\\Seen \\Answered todo)"][n % 3];
        let date = format!("{flags} \"01-Jan-2018 00:00:{n:02} +0000\" ");
        let content = format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(n));
        for folder in ["INBOX", &work] {
            let uid = client.append(folder, &date, content.as_bytes());
            uid.expect("APPEND").expect("it takes the message");
        }
    }

    let mut session = open(case.shown);
    let before = session.list_folders(true).expect("LIST");
    let (inbox, folder) = (named(&before, "INBOX"), named(&before, "Work"));
    let folders = [inbox, folder];
    let asked = session.status(&folders).expect("STATUS");
    let warnings = session.take_warnings();
    // Of Courier about the test machine.
    let about_marks = |text: &String| !text.contains("Filesystem notification");
    assert!(!warnings.iter().any(about_marks), "{warnings:?}");
    for (folder, asked) in folders.iter().zip(&asked) {
        let told = asked.as_ref().expect("STATUS is answered");
        assert_eq!(told.messages, Some(20));
        assert_eq!(told.highest_modseq.is_some(), case.modseqs);
        assert!(told.uid_validity.is_some() && told.uid_next == Some(21));
        match case.by_list {
            true => assert_eq!(folder.marks, *asked),
            false => assert_eq!(folder.marks, None),
        }
    }
    let seen = look(&mut session, inbox);
    let seen_work = look(&mut session, folder);
    for (folder, seen, asked) in [
        (inbox, &seen, &asked[0]),
        (folder, &seen_work, &asked[1]),
        (inbox, &seen, &asked[0]),
    ] {
        let marks = asked.as_ref().expect("STATUS is answered");
        let examined = &seen.examined;
        assert_eq!(examined.uid_validity, marks.uid_validity);
        if case.modseqs {
            assert_eq!(examined.highest_modseq, marks.highest_modseq);
        }
        let (again, nothing) = changes(&mut session, folder, seen);
        assert_eq!(again, seen.examined);
        assert!(nothing.vanished.is_empty() && nothing.fresh.entries.is_empty());
        let told = if case.sparing { 0 } else { 20 };
        assert_eq!(nothing.flags.len(), told);
        assert_eq!(plain(&seen.with(nothing)).len(), 20);
    }

    client
        .run(&[
            "SELECT INBOX",
            "UID STORE 3,9,20 +FLAGS (\\Deleted)",
            "EXPUNGE",
            "UID STORE 5 -FLAGS (\\Seen \\Answered todo)",
            "UID STORE 6 +FLAGS (\\Flagged later)",
            "UID STORE 19 +FLAGS (\\Deleted)",
        ])
        .expect("changes");
    for n in [21, 22] {
        let content = format!("Subject: {n}\r\n\r\nlate\r\n");
        let flags = "(\\Seen) \"01-Jan-2018 00:00:59 +0000\" ";
        let uid = client.append("INBOX", flags, content.as_bytes());
        uid.expect("APPEND").expect("it takes the message");
    }
    client.run(&["NOOP"]).expect("NOOP");

    // The session that was open, and one for which it is the first folder.
    for mut session in [session, open(case.shown)] {
        let (examined, told) = changes(&mut session, inbox, &seen);
        assert_eq!(examined.exists, 19);
        assert_eq!(told.vanished, set("3,9,20"));
        let changed: Vec<u32> = told.flags.iter().map(|(uid, ..)| uid.value()).collect();
        if case.sparing {
            assert_eq!(changed, [5, 6, 19]);
        } else {
            assert_eq!(changed.len(), 17);
        }
        let fresh: Vec<_> = told.fresh.entries.clone();
        assert_eq!(fresh.len(), 2);

        let whole = session.list_messages(examined.exists).expect("FETCH");
        assert_eq!(plain(&seen.with(told)), plain(&whole));
        let details = |list: &[Entry]| -> Vec<_> {
            let details = |entry: &Entry| (entry.uid, entry.internal_date, entry.size);
            list.iter().map(details).collect()
        };
        let at = |uid: u32| {
            let found = whole.entries.iter().find(|entry| entry.uid.value() == uid);
            *found.expect("it is there")
        };
        assert_eq!(details(&fresh), details(&[at(21), at(22)]));
        let some = session.list_some(&set("2:4,21,4000")).expect("FETCH");
        assert_eq!(details(&some.entries), details(&[at(2), at(4), at(21)]));

        let (examined, nothing) = changes(&mut session, folder, &seen_work);
        assert_eq!(examined, seen_work.examined);
        assert!(nothing.vanished.is_empty() && nothing.fresh.entries.is_empty());
    }
    let mut session = open(case.shown);
    let after = session.list_folders(true).expect("LIST");
    let now: Vec<Option<Marks>> = match case.by_list {
        true => ["INBOX", "Work"]
            .map(|name| named(&after, name).marks)
            .to_vec(),
        false => session.status(&folders).expect("STATUS"),
    };
    assert_ne!(now[0], asked[0]);
    assert_eq!(now[1], asked[1]);

    client
        .run(&[
            "SELECT INBOX",
            "UID STORE 1:* +FLAGS (\\Deleted)",
            "EXPUNGE",
            "CLOSE",
            &format!("DELETE {work}"),
        ])
        .expect("changes");
    // A UIDVALIDITY may be a time in seconds.
    thread::sleep(Duration::from_millis(1100));
    client.run(&[&format!("CREATE {work}")]).expect("CREATE");
    let (examined, told) = changes(&mut session, inbox, &seen);
    assert_eq!((examined.exists, told.vanished), (0, seen.known.clone()));
    let (examined, news) = session
        .changes(folder, &seen_work.since())
        .expect("EXAMINE");
    assert_ne!(examined.uid_validity, seen_work.examined.uid_validity);
    assert!(matches!(news, News::Unsure(_)), "{news:?}");
}

fn dovecot() -> Dovecot {
    let server = Dovecot::start(DovecotOptions::with_users(&[ANN]));
    server.mail_dir("ann");
    server
}

#[test]
fn dovecot_tells_changes_in_each_way() {
    for (hidden, by_list, modseqs) in [
        (&[][..], true, true),
        (&["QRESYNC"], true, true),
        (&["QRESYNC", "ESEARCH", "LIST-STATUS"], false, true),
        (&["QRESYNC", "CONDSTORE", "LIST-STATUS"], false, false),
    ] {
        let server = dovecot();
        let proxy = Proxy::start(server.imap_port(), Fault::Hide(hidden));
        second_looks(&Case {
            server: server.imap_port(),
            shown: proxy.port(),
            prefix: "",
            by_list,
            modseqs,
            sparing: modseqs,
        });
        assert_eq!(server.complaints(), Vec::<String>::new());
    }
}

#[test]
fn cyrus_tells_changes_in_each_way() {
    for (hidden, modseqs) in [
        (&[][..], true),
        (&["QRESYNC"], true),
        (&["QRESYNC", "CONDSTORE"], false),
    ] {
        let server = Cyrus::start(&[ANN], "cyrus", Names::Modern);
        let proxy = Proxy::start(server.imap_port(), Fault::Hide(hidden));
        second_looks(&Case {
            server: server.imap_port(),
            shown: proxy.port(),
            prefix: "",
            by_list: true,
            modseqs,
            sparing: modseqs,
        });
    }
}

#[test]
fn courier_tells_changes_by_flags_alone() {
    let server = Courier::start(&[ANN]);
    corpus::bare(&server.mail_dir("ann"), &[]);
    second_looks(&Case {
        server: server.imap_port(),
        shown: server.imap_port(),
        prefix: "INBOX.",
        by_list: false,
        modseqs: false,
        sparing: false,
    });
}

/// Bytes from the server, of a first look and of a second one when nothing has changed.
#[test]
fn a_second_look_costs_little() {
    let server = dovecot();
    corpus::simple(&server.mail_dir("ann"), 3000, 7);
    let names = ["INBOX", "Sent", "Archive"];
    for (hidden, most) in [
        // Login, LIST with marks, and three times EXAMINE.
        (&[][..], 4_000),
        (&["QRESYNC", "ESEARCH"], 4_000),
        // And a hundred bytes less for each message than a listing takes.
        (&["QRESYNC", "CONDSTORE"], 200_000),
    ] {
        let proxy = Proxy::start(server.imap_port(), Fault::Hide(hidden));
        let mut session = open(proxy.port());
        let list = session.list_folders(true).expect("LIST");
        let folders = names.map(|name| named(&list, name));
        let seen = folders.map(|folder| look(&mut session, folder));
        let mut session = open(proxy.port());
        session.list_folders(true).expect("LIST");
        for (folder, seen) in folders.iter().zip(&seen) {
            let (_, told) = changes(&mut session, folder, seen);
            assert!(told.vanished.is_empty() && told.fresh.entries.is_empty());
        }
        let passed = proxy.passed();
        let [first, second] = passed.as_slice() else {
            panic!("{passed:?}");
        };
        assert!(*first > 300_000 && *second < most, "{hidden:?}: {passed:?}");
    }
}
