use super::find::{Hit, Key, hits};
use super::*;
use crate::mail::{FolderPath, Uid, UidList, Uidl};
use crate::matching::{Elsewhere, Pairing, Stage};
use crate::plan::on_disk::DiskFile;
use crate::state::{Extra, Paired, Skipped};

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn file(base: &str, mtime: i64) -> DiskFile {
    DiskFile {
        base: base.into(),
        suffix: ":2,S".into(),
        in_new: false,
        mtime: Some(mtime),
    }
}

#[test]
fn a_text_is_everything_that_it_may_be() {
    for (text, base, uid, message_id) in [
        ("429", "429", Some((None, 429)), None),
        ("A/B:429", "B", Some((Some("A/B"), 429)), None),
        ("a:b:7", "a", Some((Some("a:b"), 7)), None),
        ("0", "0", None, None),
        ("+7", "+7", None, None),
        ("A:4294967296", "A", None, None),
        ("12.M1.x,S=3:2,FS", "12.M1.x,S=3", None, None),
        ("/v/ann/cur/12.M1.x:2,", "12.M1.x", None, None),
        ("ab/cd==", "cd==", None, None),
        ("<a@b>", "<a@b>", None, Some("a@b")),
        (" <a@b> ", " <a@b> ", None, Some("a@b")),
        ("a@b", "a@b", None, Some("a@b")),
        ("<no-at>", "<no-at>", None, Some("no-at")),
        ("UID429-1", "UID429-1", None, None),
    ] {
        let key = Key::new(text);
        let told = key.uid.map(|(folder, uid)| (folder, uid.value()));
        assert_eq!((key.text, key.base), (text, base));
        assert_eq!((told, key.message_id), (uid, message_id), "{text}");
    }
}

/// A recorded INBOX: UIDs 1 to 5 are listed, of 4 the file is gone; 6 has a file without a line; 8
/// was skipped and 9 has no UIDL.
fn inbox_record() -> Record {
    let mut record = Record::new("ann");
    let inbox = record.folder(&FolderPath::inbox());
    inbox.uid_validity = Some(77);
    inbox.wire_name = Some("Inbox".to_owned());
    inbox.directory = Some(".".to_owned());
    let skipped = |uid, uidl: &str| Skipped {
        uid,
        uidl: Some(uidl.to_owned()),
        size: Some(1),
        reason: "refused".to_owned(),
    };
    inbox.skipped = vec![skipped(Some(8), "skipped"), skipped(None, "skipped-too")];
    inbox.paired = Some(Paired {
        listed: 7,
        missing: [uid(9)].into_iter().collect(),
        extra: vec![Extra {
            number: 3,
            uidl: Some("extra".to_owned()),
            size: 1,
            why: "no such message".to_owned(),
        }],
        ..Paired::default()
    });
    let elsewhere = vec![Elsewhere {
        number: 5,
        position: 5,
        uidl: Uidl::parse(b"sent").unwrap(),
        size: 1,
        folder: FolderPath::new(vec!["Sent".to_owned()]),
        uid_validity: None,
        uid: uid(2),
        stage: Stage::Header,
    }];
    let pairing = Pairing {
        elsewhere,
        ..Pairing::default()
    };
    let mut shown = state::Folder::default();
    shown.pair(&pairing, Vec::new());
    let paired = record.folder(&FolderPath::inbox()).paired.as_mut();
    paired.unwrap().elsewhere = shown.paired.unwrap().elsewhere;
    record
}

fn inbox(record: &Record) -> View<'_> {
    let list = "3 V77 N20\n1 Pp/1 O3 :a\n2 P O1 :b,S=1\n3 Px:3 O2 :c\n4 Pgone :d\n5 :5\n";
    View {
        name: "INBOX".to_owned(),
        folder: Some(MaildirFolder::root()),
        record: record.folders().first(),
        takes_plain_uids: true,
        disk: OnDisk {
            files: [
                file("a", 30),
                file("b,S=1", 10),
                file("c", 20),
                file("5", 20),
                file("77.M0000000006.mailseed,S=1,W=1", 40),
                file("78.M0000000007.mailseed", 50),
                file("foreign@host", 99),
            ]
            .into_iter()
            .collect(),
            uidlist: Some(UidList::parse(list.as_bytes()).unwrap()),
            ..OnDisk::default()
        },
        dovecot_reads_list: true,
    }
}

#[test]
fn messages_are_found_by_all_their_names() {
    let record = inbox_record();
    let view = inbox(&record);
    let message = |value, file| Hit::Message(Some(uid(value)), file);
    for (text, want) in [
        ("1", vec![message(1, Some(0))]),
        ("INBOX:1", vec![message(1, Some(0))]),
        ("inbox:1", vec![message(1, Some(0))]),
        ("Inbox:1", vec![message(1, Some(0))]),
        ("Other:1", vec![]),
        ("p/1", vec![message(1, Some(0))]),
        ("/v/cur/a:2,F", vec![message(1, Some(0))]),
        // A lone P makes the name the UIDL.
        ("b,S=1", vec![message(2, Some(1))]),
        ("x:3", vec![message(3, Some(2))]),
        ("gone", vec![message(4, None)]),
        ("4", vec![message(4, None)]),
        // A UID and the name of a file: one message, once.
        ("5", vec![message(5, Some(3))]),
        ("6", vec![message(6, Some(4))]),
        // The file is one of another UIDVALIDITY.
        ("7", vec![]),
        ("78.M0000000007.mailseed", vec![Hit::Message(None, Some(5))]),
        ("foreign@host", vec![Hit::Message(None, Some(6))]),
        ("8", vec![message(8, None)]),
        ("skipped", vec![message(8, None)]),
        ("skipped-too", vec![Hit::Skipped(1)]),
        ("9", vec![message(9, None)]),
        ("10", vec![]),
        ("extra", vec![Hit::Extra(0)]),
        ("EXTRA", vec![]),
        ("sent", vec![Hit::Elsewhere("sent".to_owned())]),
    ] {
        assert_eq!(hits(&Key::new(text), &view), want, "{text}");
    }
    let other = View {
        name: "Other".to_owned(),
        takes_plain_uids: false,
        ..inbox(&record)
    };
    assert_eq!(hits(&Key::new("1"), &other), []);
    assert_eq!(hits(&Key::new("Other:1"), &other), [message(1, Some(0))]);
}

#[test]
fn the_uids_of_the_record_are_those_of_the_old_server() {
    let mut record = inbox_record();
    let folder = record.folder(&FolderPath::inbox());
    // After the cutover the target has given 5 to mail of its own, and the old server's 5 is 19 here.
    folder.renumbered = [(5, 19)].into();
    folder.foreign = [uid(5)].into_iter().collect();
    let paired = folder.paired.as_mut().unwrap();
    let found = [uid(4), uid(5)].into_iter().collect();
    paired.stages.insert("header".to_owned(), found);
    let view = inbox(&record);
    for (here, there, is_recorded) in [
        (3, Some(3), false),
        (4, Some(4), true),
        (5, None, false),
        (8, Some(8), true),
        (19, Some(5), true),
    ] {
        assert_eq!(view.source_uid(uid(here)), there.map(uid), "{here}");
        assert_eq!(view.has_recorded(uid(here)), is_recorded, "{here}");
    }
}
