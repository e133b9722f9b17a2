//! `--pop3-collect inbox`: IMAP from one user of a real Dovecot, POP3 from another one whose INBOX
//! holds the messages of several of the first one's folders; the target's POP3 is to show the same.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime};

use crate::elsewhere::{PASSWORD, Source, content};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::give_to_mail_owner;
use crate::support::imap_view::ImapView;
use crate::support::pop3_view;
use crate::support::qmail::qmail_listing;
use crate::support::report;

const FLAGS: [&str; 2] = ["--pop3-collect", "inbox"];

/// Five messages in three folders, and POP3 in another order than that of UIDs; one that POP3 does
/// not show.
fn five() -> Source {
    let source = Source::new();
    source.folder("", 1_318_450_431, &[(3, "a"), (5, "b")]);
    source.folder(
        ".Sent",
        1_318_450_432,
        &[(7, "c"), (9, "d"), (11, "not shown")],
    );
    source.folder(".Archive.Old", 1_318_450_433, &[(1, "e")]);
    source.pop3(&["e", "c", "b", "d", "a"].map(|name| {
        let uidl = ["ua", "ub", "uc", "ud", "ue"][usize::from(name.as_bytes()[0] - b'a')];
        (uidl, content(name, name))
    }));
    source
}

impl Source {
    /// The UIDLs that the old POP3 server announces.
    fn shown(&self) -> Vec<String> {
        let listing = pop3_view::read(self.server.pop3_port(), "ann-pop3", PASSWORD, false);
        listing.into_iter().map(|entry| entry.uidl).collect()
    }

    /// The target through a Dovecot: `FOLDER: UID flags hash` of each message.
    fn read(&self) -> Vec<String> {
        let home = self.target.path().display().to_string();
        give_to_mail_owner(self.target.path());
        let new = Dovecot::start(DovecotOptions::reading(&home));
        told(&ImapView::read(new.imap_port(), "ann", PASSWORD))
    }

    fn old(&self) -> Vec<String> {
        told(&ImapView::read(self.server.imap_port(), "ann", PASSWORD))
    }

    fn export(&self, more: &[&str]) -> Vec<u64> {
        self.ends("export", &[&FLAGS[..], more].concat(), 0);
        let row = &report::summary(self.report.path())[0];
        [
            "added",
            "kept",
            "changed",
            "deleted",
            "uidls",
            "uidls_elsewhere",
        ]
        .map(|column| row.number(column))
        .to_vec()
    }

    /// A mail comes into the user's INBOX.
    fn deliver(&self, user: &str, name: &str) {
        let maildir = self.server.mail_dir(user);
        let path = maildir
            .join("new")
            .join(format!("1500000000.M1P1_{name}.old"));
        fs::write(path, content(name, name)).expect("it is ours");
        give_to_mail_owner(&maildir);
    }

    /// Does this with a message of the user, by its Message-ID.
    fn doveadm(&self, verb: &str, what: Option<&str>, user: &str, folder: &str, name: &str) {
        let id = format!("<{name}@example.org>");
        let mut arguments: Vec<&str> = verb.split(' ').chain(["-u", user]).collect();
        arguments.extend(what);
        arguments.extend(["mailbox", folder, "header", "message-id", &id]);
        self.server.doveadm(&arguments);
    }
}

fn told(view: &ImapView) -> Vec<String> {
    let folders = view.folders.iter();
    let messages = folders.flat_map(|(folder, view)| {
        view.messages.iter().map(move |message| {
            let flags = message.flags.join(" ");
            let hash = &message.hash.to_hex()[..8];
            format!("{folder}: {} {flags} {hash}", message.uid)
        })
    });
    messages.collect()
}

/// The UIDs of a folder.
fn uids(told: &[String], folder: &str) -> Vec<u32> {
    let prefix = format!("{folder}: ");
    let uids = told.iter().filter_map(|line| line.strip_prefix(&prefix));
    let uids = uids.filter_map(|rest| rest.split(' ').next()?.parse().ok());
    uids.collect()
}

/// The first UID that is given to a copy: the source's UIDNEXT is 900.
const COPY: u32 = 1_000_900;

#[test]
fn the_new_pop3_server_shows_what_the_old_one_does() {
    let source = five();
    source.ends("check", &FLAGS, 0);
    let row = source.check_row();
    let cell = |name: &str| row[name].as_str();
    assert_eq!(
        ["verdict", "messages", "uidls_kept", "uidls_elsewhere"].map(cell),
        ["transparent", "6", "5", "3"]
    );
    source.ends("plan", &FLAGS, 0);
    assert_eq!(source.target.listing(), [""; 0]);

    assert_eq!(source.export(&[]), [9, 0, 0, 0, 5, 3]);
    let json = report::run_json(source.report.path());
    let notes = json["users"][0]["notes"].to_string();
    let note = "3 messages that POP3 shows are in other folders (Archive/Old 1, Sent 2); INBOX has \
                copies of them";
    assert!(notes.contains(note), "{notes}");
    assert!(!notes.contains("will not show"), "{notes}");
    let before = source.target.listing();
    assert_eq!(source.export(&[]), [0, 9, 0, 0, 5, 3]);
    assert_eq!(source.target.listing(), before);

    assert_eq!(source.announced(), ["ue", "uc", "ub", "ud", "ua"]);
    let (old, new) = (source.old(), source.read());
    assert_eq!(uids(&new, "INBOX"), [3, 5, COPY, COPY + 1, COPY + 2]);
    let own = new.iter().filter(|line| !line.contains(": 10009"));
    assert_eq!(own.collect::<Vec<_>>(), old.iter().collect::<Vec<_>>());
    // Copies are new in POP3 order, and are what their messages are.
    for (copy, original) in [(COPY, "Archive/Old: 1 "), (COPY + 1, "Sent: 7 ")] {
        let copy = format!("INBOX: {copy} ");
        let rest = |prefix: &str| {
            new.iter()
                .find_map(|line| line.strip_prefix(prefix)?.into())
        };
        let (copy, original): (Option<&str>, Option<&str>) = (rest(&copy), rest(original));
        assert!(copy.is_some() && copy == original, "{new:?}");
    }

    let told = source.explain("uc");
    for line in [
        "ann, folder INBOX, UID 1000901\n",
        "  UIDL      uc, position 2 of 5",
        "  copy of   the message in folder Sent, UID 7, found by header",
    ] {
        assert!(told.contains(line), "{line}:\n{told}");
    }
    assert!(!told.contains("noticed"), "{told}");
    let told = source.explain("Sent:7");
    let noticed =
        "UIDL      uc, found by header; the new POP3 server shows its copy in INBOX, UID 1000901";
    assert!(told.contains(noticed), "{told}");
}

/// Each body crosses the wire once for the folder and its copies together.
#[test]
fn what_is_fetched_for_a_copy_is_not_fetched_again() {
    let source = five();
    source.export(&[]);
    let imap = &source.server.sessions("imap", "ann", 1)[0];
    assert_eq!(imap["body_count"], 6, "{imap:?}");
}

/// A Dovecot has opened the target, and mail comes, goes and moves at the source.
#[test]
fn copies_follow_the_source() {
    let source = five();
    source.export(&[]);
    assert_eq!(source.announced(), source.shown());
    source.read();

    // Mail comes into INBOX, above it and below the copies; another is flagged in its own folder.
    source.deliver("ann", "f");
    source.deliver("ann-pop3", "f");
    source.doveadm("flags add", Some("\\Flagged"), "ann", "Sent", "d");
    assert_eq!(source.export(&[]), [1, 9, 2, 0, 6, 3]);
    assert_eq!(source.announced(), source.shown());
    let new = source.read();
    assert_eq!(uids(&new, "INBOX"), [3, 5, 900, COPY, COPY + 1, COPY + 2]);
    let flagged = format!("INBOX: {} \\Flagged", COPY + 2);
    assert!(new.iter().any(|line| line.starts_with(&flagged)), "{new:?}");

    // One is deleted where it is.
    source.doveadm("expunge", None, "ann", "Sent", "c");
    source.doveadm("expunge", None, "ann-pop3", "INBOX", "c");
    assert_eq!(source.export(&["--max-delete", "30"]), [0, 8, 0, 2, 5, 2]);
    assert_eq!(source.announced(), source.shown());
    assert_eq!(uids(&source.read(), "INBOX"), [3, 5, 900, COPY, COPY + 2]);

    // One is moved into INBOX: it is there already, and has the UID that it has got there.
    source.doveadm("move", Some("INBOX"), "ann", "Sent", "d");
    assert_eq!(source.export(&["--max-delete", "30"])[..2], [0, 7]);
    assert_eq!(source.announced(), source.shown());
    assert_eq!(uids(&source.read(), "INBOX"), [3, 5, 900, 901, COPY]);
    // And another out of it, which stays what it was for clients.
    source.doveadm("move", Some("Sent"), "ann", "INBOX", "a");
    assert_eq!(source.export(&["--max-delete", "30"])[..2], [1, 7]);
    assert_eq!(source.announced(), source.shown());
    let new = source.read();
    assert_eq!(uids(&new, "INBOX"), [3, 5, 900, 901, COPY]);
    let before = source.target.listing();
    assert_eq!(source.export(&[])[..4], [0, 8, 0, 0]);
    assert_eq!(source.target.listing(), before);
}

/// A day that ends anywhere: between a message and its copy, too.
#[test]
fn what_a_daily_cap_has_left_is_collected_later() {
    let source = five();
    let mut stages = BTreeSet::new();
    // The day has used all of it each time, and gets a little more.
    for round in 0.. {
        assert!(round < 20, "it never ends: {stages:?}");
        // What a listing takes, and a message or two.
        let maildir = source.target.path().join("Maildir");
        let cap = (report::fetched_today(&maildir) + 6_500).to_string();
        let output = source.mailseed("export", &[&FLAGS[..], &["--daily-cap", &cap]].concat());
        let row = &report::summary(source.report.path())[0];
        stages.insert(row.number("added") + row.number("kept"));
        if output.code == Some(0) {
            break;
        }
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(
            row.text("error").starts_with("capped: "),
            "{}",
            output.stdout
        );
        let told: Vec<String> = source.read();
        let copies = uids(&told, "INBOX").into_iter().filter(|uid| *uid >= COPY);
        let others = ["Sent", "Archive/Old"].map(|folder| uids(&told, folder).len());
        assert!(
            copies.count() <= 3 && others.iter().sum::<usize>() <= 4,
            "{told:?}"
        );
    }
    // Neither all at once nor nothing till the end.
    assert!(stages.len() >= 3, "{stages:?}");
    assert_eq!(source.announced(), source.shown());
    let new = source.read();
    let own = new.iter().filter(|line| !line.contains(": 10009"));
    let old = source.old();
    assert_eq!(own.collect::<Vec<_>>(), old.iter().collect::<Vec<_>>());
}

/// What was deleted on the target stays deleted, and what was collected stays without the option.
#[test]
fn the_owner_and_the_admin_change_their_minds() {
    let source = five();
    source.export(&[]);
    source.announced();
    let cur = source.target.path().join("Maildir/cur");
    let files = fs::read_dir(&cur).expect("it is there").flatten();
    let mut copies: Vec<_> = files
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains(".M00010009"))
        .collect();
    copies.sort();
    assert_eq!(copies.len(), 3);
    fs::remove_file(&copies[0]).expect("it is ours");
    assert_eq!(source.export(&[])[..4], [0, 8, 0, 0]);
    assert_eq!(source.announced(), ["uc", "ub", "ud", "ua"]);

    source.ends("export", &["--pop3-all-mailboxes"], 0);
    let json = report::run_json(source.report.path());
    let notes = json["users"][0]["notes"].to_string();
    for note in [
        "folder INBOX: 2 messages are copies that --pop3-collect has put there; without it they stay",
        "3 UIDLs are of messages in other folders",
    ] {
        assert!(notes.contains(note), "{notes}");
    }
    let mut announced = source.announced();
    announced.sort();
    assert_eq!(announced, ["ua", "ub", "uc", "ud"]);
    // Again with it: they are the same.
    assert_eq!(source.export(&[])[..4], [0, 8, 0, 0]);
    assert_eq!(source.announced(), ["uc", "ub", "ud", "ua"]);
    assert_eq!(uids(&source.read(), "INBOX"), [3, 5, COPY + 1, COPY + 2]);
    // A mirror is like the source, which without the option has no copies.
    let mirror = ["--pop3-all-mailboxes", "--mirror", "--max-delete", "30"];
    source.ends("export", &mirror, 0);
    assert_eq!(source.announced(), ["ub", "ua"]);
}

/// Where the record is lost, names and lists tell which copy is whose.
#[test]
fn copies_are_known_without_the_record() {
    for target in ["dovecot", "qmail"] {
        let source = five();
        let more = ["--target", target];
        source.export(&more);
        let before = source.target.listing();
        let record = source.target.path().join("Maildir/mailseed.state");
        fs::remove_file(record).expect("it was written");
        assert_eq!(source.export(&more), [0, 9, 0, 0, 5, 3], "{target}");
        let messages = |listing: &[String]| -> Vec<String> {
            let lines = listing.iter();
            lines
                .filter(|line| !line.contains("mailseed.state"))
                .cloned()
                .collect()
        };
        let after = source.target.listing();
        assert_eq!(messages(&after), messages(&before), "{target}");
    }
}

/// After the cutover a copy comes like other late mail: below all that clients have seen.
#[test]
fn late_copies_are_only_added() {
    let source = five();
    source.export(&[]);
    source.announced();
    let before = source.read();
    source.folder(".Late", 1_318_450_435, &[(1, "late")]);
    source.deliver("ann-pop3", "late");
    source.export(&["--after-cutover"]);
    let shown = source.shown();
    assert_eq!((source.announced(), shown.len()), (shown, 6));
    let mut after = source.read();
    after.retain(|line| !line.starts_with("Late: "));
    let late = format!("INBOX: {} ", COPY + 3);
    assert!(
        after.iter().any(|line| line.starts_with(&late)),
        "{after:?}"
    );
    after.retain(|line| !line.starts_with(&late));
    assert_eq!(after, before);
}

/// What mailseed itself has deleted at the source POP3 does not show any more: that is no deletion.
#[test]
fn what_was_deleted_at_the_source_keeps_its_copies() {
    let source = five();
    source.export(&[]);
    source.ends("export", &["--delete-source", "--folder", "Sent"], 0);
    assert_eq!(uids(&source.old(), "Sent"), [0; 0]);
    for name in ["c", "d"] {
        source.doveadm("expunge", None, "ann-pop3", "INBOX", name);
    }
    let before = source.read();
    let max = ["--max-delete", "100"];
    assert_eq!(source.export(&max)[..4], [0, 6, 0, 0]);
    assert_eq!(source.read(), before);
    let mut announced = source.announced();
    announced.sort();
    assert_eq!(announced, ["ua", "ub", "uc", "ud", "ue"]);
    source.ends(
        "export",
        &[&FLAGS[..], &["--delete-source=all"]].concat(),
        2,
    );
}

/// A folder that cannot be read now is no reason to take the copies of its messages away.
#[test]
fn a_folder_that_cannot_be_read_keeps_its_copies() {
    let source = five();
    source.export(&[]);
    let sent = source.server.mail_dir("ann").join(".Sent");
    let away = source.server.mail_dir("ann").join("dovecot-hidden");
    fs::rename(&sent, &away).expect("it is ours");
    let ignoring = "--ignore-extra-uidls";
    source.ends(
        "export",
        &[&FLAGS[..], &[ignoring, "--max-delete", "100"]].concat(),
        0,
    );
    let json = report::run_json(source.report.path());
    let notes = json["users"][0]["notes"].to_string();
    let note =
        "2 messages that earlier runs have copied into INBOX were not found in their folders";
    assert!(notes.contains(note), "{notes}");
    assert_eq!(source.announced(), source.shown());
}

#[test]
fn qmail_shows_what_the_old_server_does() {
    let source = five();
    let more = ["--target", "qmail"];
    let maildir = source.target.path().join("Maildir");
    assert_eq!(source.export(&more), [9, 0, 0, 0, 5, 3]);
    let listed = || -> Vec<String> {
        let listing = qmail_listing(&maildir).expect("qmail serves it");
        listing.into_iter().map(|(uidl, _)| uidl).collect()
    };
    assert_eq!(listed(), source.shown());
    let before = source.target.listing();
    assert_eq!(source.export(&more), [0, 9, 0, 0, 5, 3]);
    assert_eq!(source.target.listing(), before);

    source.deliver("ann", "f");
    source.deliver("ann-pop3", "f");
    source.doveadm("expunge", None, "ann", "Sent", "c");
    source.doveadm("expunge", None, "ann-pop3", "INBOX", "c");
    source.doveadm("move", Some("INBOX"), "ann", "Archive/Old", "e");
    let more = ["--target", "qmail", "--max-delete", "50"];
    // The new one has a date of this moment, which qmail does not show before it has passed.
    assert_eq!(source.export(&more)[..2], [1, 6]);
    let soon = SystemTime::now() + Duration::from_secs(60);
    while listed() != source.shown() {
        assert!(
            SystemTime::now() < soon,
            "{:?} {:?}",
            listed(),
            source.shown()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let before = source.target.listing();
    assert_eq!(source.export(&more)[..4], [0, 7, 0, 0]);
    assert_eq!(source.target.listing(), before);
}
