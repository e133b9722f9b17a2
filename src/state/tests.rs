use super::*;
use crate::mail::{Place, Uid, UidSet, UidValidity, Uidl};
use crate::matching::{self, Pair, Pairing, Stage, Template, Why};
use crate::naming::message::UidlDigest;

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn path(name: &str) -> FolderPath {
    FolderPath::new(name.split('/').map(str::to_owned).collect())
}

fn pairing(stages: &[(u32, Stage)]) -> Pairing {
    let mut pairing = Pairing::default();
    for (position, (value, stage)) in (0..).zip(stages) {
        pairing.pairs.push(Pair {
            uid: uid(*value),
            place: Place::new(position).unwrap(),
            stage: *stage,
        });
    }
    pairing
}

fn elsewhere(position: u32, folder: &str, stage: Stage) -> matching::Elsewhere {
    matching::Elsewhere {
        number: position,
        position,
        uidl: Uidl::parse(format!("e{position}").as_bytes()).unwrap(),
        size: 5,
        folder: path(folder),
        uid_validity: UidValidity::new(78),
        uid: uid(position + 100),
        stage,
    }
}

fn told(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    write(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn line_of(record: &Record, name: &str) -> String {
    told(|out| record.known(&path(name)).unwrap().write_to(out))
}

fn written(record: &Record) -> String {
    told(|out| record.write_to(out))
}

fn full() -> Record {
    let mut record = Record::new("ann@example.org");
    record.head.imap = Some("imaps://old.example.com".to_owned());
    record.head.pop3 = Some("pop3s://old.example.com:1995".to_owned());
    let inbox = record.folder(&path("INBOX"));
    inbox.wire_name = Some("INBOX".to_owned());
    inbox.directory = Some(".".to_owned());
    inbox.examined(Some(77), Some(900));
    let mut found = pairing(&[
        (1, Stage::Template(Template::V_DOT_U)),
        (2, Stage::Template(Template::V_DOT_U)),
        (3, Stage::Header),
        (5, Stage::Template(Template::V_DOT_U)),
    ]);
    found.missing = vec![uid(4), uid(6)];
    found.elsewhere = [(8, "Sent"), (9, "A/b"), (10, "Sent")]
        .into_iter()
        .map(|(position, folder)| elsewhere(position, folder, Stage::Header))
        .collect();
    let extra = Extra {
        number: 9,
        uidl: Some("odd\u{1b}[2J".to_owned()),
        size: 12,
        why: Why::NoMessage.to_string(),
    };
    inbox.pair(&found, vec![extra]);
    // Names that a hostile server, or the owner of the Maildir, may choose.
    for (name, directory) in [
        ("../../etc", Some("../../etc")),
        ("\u{202e}gnp\"\\\n", None),
        ("v1.2", None),
    ] {
        let folder = record.folder(&path(name));
        folder.wire_name = Some(name.to_owned());
        folder.directory = directory.map(str::to_owned);
        folder.problem = Some("cannot".to_owned());
        folder.left = Some(Left {
            reason: "not reached".to_owned(),
            uids: [uid(7), uid(9)].into_iter().collect(),
            octets: vec![70, 90],
        });
        folder.skipped.push(Skipped {
            uid: None,
            uidl: Some("x".to_owned()),
            size: None,
            reason: "refused".to_owned(),
        });
    }
    record
}

#[test]
fn a_record_comes_back_as_it_was() {
    let record = full();
    let text = written(&record);
    assert!(text.starts_with("{\"head\":{\"version\":2,"), "{text}");
    assert!(text.contains("\"template(v.u)\":\"1:2,5\""), "{text}");
    let whole = Parsed {
        record: record.clone(),
        is_compact: true,
        is_whole: true,
    };
    assert_eq!(Record::parse(text.as_bytes()).unwrap(), whole);
    let paths: Vec<_> = record.folders().iter().map(Folder::path).collect();
    assert!(paths.is_sorted());
    // Written in another order, and with what a later version may add.
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let other = lines
        .join("\n")
        .replace("\"path\"", "\"later\":[1],\"path\"")
        + "\n";
    assert_eq!(Record::parse(other.as_bytes()).unwrap(), whole);
}

#[test]
fn later_lines_take_the_place_of_earlier_ones_and_half_a_line_does_not_count() {
    let mut record = full();
    let mut text = written(&record);
    record.folder(&path("INBOX")).uid_next = Some(901);
    record.forget(&path("v1.2"));
    record.rename(&path("../../etc"), &path("A/B"));
    record.head.imap = None;
    for line in [
        line_of(&record, "INBOX"),
        told(|out| forget(&path("v1.2"), out)),
        told(|out| forget(&path("../../etc"), out)),
        line_of(&record, "A/B"),
        told(|out| record.head.write_to(out)),
    ] {
        text.push_str(&line);
    }
    let parsed = Record::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.record, record);
    assert!(parsed.is_whole && !parsed.is_compact);
    let again = Record::parse(written(&record).as_bytes()).unwrap();
    assert!(again.is_whole && again.is_compact);
    // Cut anywhere in the last line, it is as if that had not been begun.
    let last = line_of(&record, "INBOX");
    for cut in [1, 10, last.len() - 1] {
        let torn = format!("{text}{}", &last[..cut]);
        let parsed = Record::parse(torn.as_bytes()).unwrap();
        assert_eq!(parsed.record, record, "{cut}");
        assert!(!parsed.is_whole && !parsed.is_compact);
    }
}

#[test]
fn what_is_no_record_is_told_apart() {
    for (text, newer) in [
        ("{\"head\": {\"version\": 3, \"user\": 3}}\n", true),
        ("{\"head\": {\"version\": 4294967295}}\nwhatever\n", true),
        ("", false),
        ("null\n", false),
        ("{}\n", false),
        ("{\"version\": 1, \"user\": \"a\"}\n", false),
        ("{\"head\": {\"version\": 2}}\n", false),
        ("{\"head\": {\"version\": -1, \"user\": \"a\"}}\n", false),
        ("{\"head\": {\"version\": 2, \"user\": \"a\"}} x\n", false),
        ("{\"head\": {\"version\": 2, \"user\": \"a\"}}", false),
        (
            "{\"head\": {\"version\": 2, \"user\": \"a\"}}\n{\"folder\": {\"path\": [\"A\"], \
             \"pending\": \"3:1\"}}\n",
            false,
        ),
        (&format!("{}\n", "[".repeat(100_000)), false),
    ] {
        let shown = &text[..text.len().min(40)];
        match Record::parse(text.as_bytes()) {
            Err(Fault::Newer(_)) => assert!(newer, "{shown}"),
            Err(Fault::Damaged(..) | Fault::Headless) => assert!(!newer, "{shown}"),
            Ok(record) => panic!("{shown} is {record:?}"),
        }
    }
}

#[test]
fn ranges_without_end_are_not_spelled_out() {
    let text = "{\"head\": {\"version\": 2, \"user\": \"a\"}}\n{\"folder\": {\"path\": [\"A\"], \
                \"seen_validity\": 7, \"seen\": {\"S\": \"1:4294967295\"}}}\n";
    let parsed = Record::parse(text.as_bytes()).unwrap();
    let past = parsed.record.folders()[0].past().unwrap();
    assert!(past.exported(uid(4_294_967_295)));
    assert_eq!(past.uids().len(), 4_294_967_295);
}

#[test]
fn what_was_known_keeps_its_stage() {
    let mut folder = Folder::default();
    folder.examined(Some(77), None);
    folder.pair(
        &pairing(&[(1, Stage::XGuid), (2, Stage::Header), (3, Stage::Header)]),
        Vec::new(),
    );
    folder.pair(
        &pairing(&[
            (1, Stage::Known),
            (2, Stage::Known),
            (3, Stage::Content),
            (4, Stage::Known),
        ]),
        Vec::new(),
    );
    let stages = |folder: &Folder| -> Vec<String> {
        let paired = folder.paired.clone().unwrap_or_default();
        let told = paired.stages.iter();
        told.map(|(stage, uids)| format!("{stage} {uids}"))
            .collect()
    };
    assert_eq!(
        stages(&folder),
        ["content 3", "header 2", "known 4", "x-guid 1"]
    );
    // Under another UIDVALIDITY UID 1 is another message.
    folder.examined(Some(78), None);
    assert_eq!(folder.paired, None);
    folder.pair(&pairing(&[(1, Stage::Known)]), Vec::new());
    assert_eq!(stages(&folder), ["known 1"]);
}

#[test]
fn what_pop3_shows_of_other_folders_is_found_by_its_uidl() {
    let mut folder = Folder::default();
    let with = |all: &[(u32, &str, Stage)]| {
        let mut pairing = pairing(&[(1, Stage::Header)]);
        let all = all.iter();
        pairing.elsewhere = all
            .map(|(position, folder, stage)| elsewhere(*position, folder, *stage))
            .collect();
        pairing
    };
    let first = [
        (2, "Sent", Stage::Header),
        (3, "A/b", Stage::XGuid),
        (4, "Sent", Stage::Content),
    ];
    folder.pair(&with(&first), Vec::new());
    let second = [(2, "Sent", Stage::Known), (5, "Sent", Stage::Known)];
    let before = folder.paired.clone().unwrap();
    folder.pair(&with(&second), Vec::new());
    let after = folder.paired.clone().unwrap();
    assert_eq!((before.listed, after.listed), (4, 3));
    let paths = before.elsewhere.iter().map(Elsewhere::path);
    assert_eq!(paths.collect::<Vec<_>>(), [path("Sent"), path("A/b")]);
    let told = |paired: &Paired, uidl| {
        let (folder, shown) = paired.elsewhere(uidl)?;
        let (validity, stage) = (folder.uid_validity, shown.stage.clone());
        Some((folder.path().to_string(), validity, shown.uid, stage))
    };
    for (paired, uidl, want) in [
        (&before, "e3", Some(("A/b", 103, "x-guid"))),
        (&before, "e4", Some(("Sent", 104, "content"))),
        (&before, "u1", None),
        (&after, "e2", Some(("Sent", 102, "header"))),
        (&after, "e5", Some(("Sent", 105, "known"))),
        (&after, "e4", None),
    ] {
        let want = want.map(|(path, uid, stage)| {
            let (path, stage) = (path.to_owned(), stage.to_owned());
            (path, Some(78), uid, stage)
        });
        assert_eq!(told(paired, uidl), want, "{uidl}");
    }
}

#[test]
fn a_million_messages_are_a_few_lines() {
    let mut record = Record::new("ann");
    let template = Stage::Template(Template::U8V8);
    let all: Vec<_> = (1..=1_000_000).map(|value| (value, template)).collect();
    let inbox = record.folder(&FolderPath::inbox());
    inbox.pair(&pairing(&all), Vec::new());
    assert!(written(&record).len() < 400, "{}", written(&record));
    let paired = record.folders()[0].paired.clone().unwrap();
    assert_eq!(
        (paired.listed, paired.stages["template(u8v8)"].len()),
        (1_000_000, 1_000_000)
    );
}

#[test]
fn copies_are_known_by_their_uidls() {
    let mut record = Record::new("ann");
    let inbox = record.folder(&FolderPath::inbox());
    (inbox.uid_validity, inbox.seen_validity) = (Some(7), Some(7));
    inbox.listed = Some((1, 30));
    inbox.seen = BTreeMap::from([(
        "S".to_owned(),
        UidSet::from_ranges([(1_000_900, 1_000_900)]),
    )]);
    assert!(inbox.is_done());
    inbox.writing = Some((1_000_901, UidSet::default()));
    assert!(!inbox.is_done(), "a run was cut");
    inbox.writing = None;
    let digest = UidlDigest::of(&Uidl::parse(b"ua").unwrap());
    inbox.collected = [(uid(1_000_900), digest)].into_iter().collect();
    let text = written(&record);
    let record = Record::parse(text.as_bytes()).unwrap().record;
    let inbox = record.known(&FolderPath::inbox()).unwrap();
    assert!(!inbox.is_done(), "what it is a copy of may have changed");
    assert_eq!(inbox.copy_of("ua"), Some(1_000_900));
    assert_eq!(inbox.copy_of("ub"), None);
    let copies = inbox.copies();
    assert_eq!(copies.validity, UidValidity::new(7));
    assert_eq!(copies.uids, [(Uid::new(1_000_900).unwrap(), digest)]);
    assert_eq!(inbox.past().unwrap().collected.to_string(), "1000900");
    // The target may have given it another.
    let mut inbox = inbox.clone();
    inbox.renumbered.insert(1_000_900, 5);
    assert_eq!(inbox.copy_of("ua"), Some(5));
}

#[test]
fn what_was_seen_goes_with_the_place_it_was_put() {
    let mut folder = Folder {
        path: vec!["INBOX".to_owned()],
        wire_name: Some("INBOX".to_owned()),
        uid_validity: Some(7),
        seen_validity: Some(7),
        ..Folder::default()
    };
    let place = |name: &str| Some(name.to_owned());
    folder.lies_in(place(".INBOX_backup"));
    assert_eq!(folder.seen_validity, Some(7), "it was not known where");
    folder.lies_in(place(".INBOX_backup"));
    assert_eq!(folder.seen_validity, Some(7));
    folder.lies_in(place("."));
    assert_eq!((folder.seen_validity, folder.uid_validity), (None, None));
    assert_eq!(folder.path(), FolderPath::inbox());
    assert_eq!(
        (folder.wire_name, folder.directory),
        (place("INBOX"), place("."))
    );
}

#[test]
fn users_of_one_maildir_have_files_of_their_own() {
    assert_eq!(file_name(None), FILE);
    let names = ["Old", "Old/A", "Older"].map(FolderPath::from_display);
    let names = names.map(|path| file_name(Some(&path)));
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    for name in &names {
        let digest = name
            .strip_prefix("mailseed.state.")
            .expect("it begins as all do");
        assert!(
            digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{name}"
        );
    }
}

#[test]
fn what_is_deleted_at_the_source_is_seen_no_more_until_it_is_taken_back() {
    let set = |text: &str| text.parse::<UidSet>().unwrap();
    let mut record = Record::new("ann");
    let folder = record.folder(&path("INBOX"));
    folder.seen_validity = Some(7);
    folder.seen = BTreeMap::from([("S".to_owned(), set("1:5")), (String::new(), set("6"))]);
    folder.lets_go(&set("3:4,6"));
    let before = folder.past().unwrap();
    assert_eq!(before.uids(), set("1:2,5"));
    assert_eq!(before.deleted_at_source, set("3:4,6"));
    let parsed = Record::parse(written(&record).as_bytes()).unwrap();
    assert_eq!(parsed.record, record);
    let folder = record.folder(&path("INBOX"));
    folder.takes_back(BTreeMap::from([
        ("S".to_owned(), set("4")),
        ("FS".to_owned(), set("6")),
    ]));
    assert_eq!(folder.deleted_at_source, set("3"));
    let seen = folder
        .seen
        .iter()
        .map(|(words, uids)| format!("{words}={uids}"));
    assert_eq!(seen.collect::<Vec<_>>(), ["FS=6", "S=1:2,4:5"]);
}
