//! Marks and changes against transcripts.

use super::script::{Script, folder, logged_in};
use super::*;
use crate::mail::{Flags, UidValidity};

const CONDSTORE: &str = "CONDSTORE";
const ESEARCH: &str = "CONDSTORE ESEARCH";
const QRESYNC: &str = "ENABLE QRESYNC CONDSTORE ESEARCH";

/// Plays `transcript` after a login at a server that has `extensions`, in whole lines and byte by
/// byte, and checks that `act` does what it says.
fn play(extensions: &str, transcript: &str, act: impl Fn(&mut Session)) {
    for chunk in [usize::MAX, 1] {
        play_in(chunk, extensions, transcript, &act);
    }
}

fn play_in(chunk: usize, extensions: &str, transcript: &str, act: impl Fn(&mut Session)) {
    let transcript = logged_in(extensions) + transcript;
    let script = Script::new(transcript.as_bytes(), chunk);
    let mut session = script.open().unwrap();
    act(&mut session);
    script.finish();
}

/// A folder last seen under UIDVALIDITY 7 and HIGHESTMODSEQ 50.
fn since(known: &UidSet, uid_next: u32) -> Since<'_> {
    Since {
        uid_validity: UidValidity::new(7).unwrap(),
        highest_modseq: Some(50),
        known,
        uid_next,
    }
}

fn set(text: &str) -> UidSet {
    text.parse().unwrap()
}

fn keywords(list: &MessageList, set: crate::mail::KeywordSet) -> String {
    let members = list.keywords.members(set).iter();
    let names: Vec<_> = members
        .map(|index| list.keywords.names()[usize::from(*index)].as_str())
        .collect();
    names.join(",")
}

/// `gone UIDS; UID letters keywords, ...; fresh UID letters keywords date size, ...`
fn told(news: &News) -> String {
    let changes = match news {
        News::Changes(changes) => changes,
        News::Unsure(why) => return format!("unsure: {why}"),
    };
    let letters = |flags: Flags| flags.maildir_letters().collect::<String>();
    let flags: Vec<_> = changes
        .flags
        .iter()
        .map(|(uid, flags, set)| {
            let keywords = keywords(&changes.fresh, *set);
            format!("{uid} {} {keywords}", letters(*flags))
        })
        .collect();
    let fresh: Vec<_> = changes
        .fresh
        .entries
        .iter()
        .map(|entry| {
            let keywords = keywords(&changes.fresh, entry.keywords);
            let (uid, flags, size) = (entry.uid, letters(entry.flags), entry.size);
            format!("{uid} {flags} {keywords} {:?} {size}", entry.date())
        })
        .collect();
    let (gone, flags, fresh) = (&changes.vanished, flags.join(", "), fresh.join(", "));
    format!("gone {gone}; {flags}; fresh {fresh}")
}

/// What `EXAMINE` says of a folder that is as it was but for these three.
fn examined(exists: u32, uid_next: u32, modseq: u64) -> String {
    format!(
        "S: * {exists} EXISTS\nS: * OK [UIDVALIDITY 7]\nS: * OK [UIDNEXT {uid_next}]\n\
         S: * OK [HIGHESTMODSEQ {modseq}]\n"
    )
}

const DATE: &str = "INTERNALDATE \"01-Jan-1970 00:00:05 +0000\" RFC822.SIZE 10";

/// Each way, and what servers make of it: extensions, transcript, known, UIDNEXT, what is told.
#[test]
fn changes_in_each_way() {
    let resync = |known: &str| {
        format!("C: x1 ENABLE QRESYNC\nC: x2 EXAMINE \"A\" (QRESYNC (7 50{known}))\n")
    };
    const ENABLED: &str = "S: * ENABLED QRESYNC\nS: x1 OK\n";
    let details =
        |tag: &str| format!("C: {tag} UID FETCH 10:* (UID FLAGS INTERNALDATE RFC822.SIZE)\n");
    for (name, extensions, transcript, known, want) in [
        (
            "QRESYNC: all in the answer to EXAMINE",
            QRESYNC,
            resync(" 1:9")
                + ENABLED
                + &examined(6, 10, 60)
                + "S: * VANISHED (EARLIER) 1:2,5\n\
                   S: * 1 FETCH (UID 3 FLAGS (\\Seen $x) MODSEQ (55))\n\
                   S: * 3 FETCH (MODSEQ (56) UID 6 FLAGS ())\nS: x2 OK [READ-ONLY]\n",
            "1:9",
            "gone 1:2,5; 3 S $x, 6  ; fresh ",
        ),
        (
            "QRESYNC: nothing has changed",
            QRESYNC,
            resync(" 1:9") + ENABLED + &examined(9, 10, 50) + "S: x2 OK [READ-ONLY]\n",
            "1:9",
            "gone ; ; fresh ",
        ),
        (
            "QRESYNC: new mail, of which EXAMINE tells the flags too; a word about another message",
            QRESYNC,
            resync(" 1:9")
                + ENABLED
                + &examined(9, 12, 60)
                + "S: * VANISHED (EARLIER) 9,400:4000\nS: * 9 FETCH (UID 11 FLAGS () MODSEQ (55))\nS: x2 OK\n"
                + &details("x3")
                + &format!(
                    "S: * 9 FETCH (UID 11 FLAGS ($y) {DATE} MODSEQ (55))\n\
                     S: * 2 FETCH (UID 2 FLAGS (\\Deleted) MODSEQ (61))\nS: x3 OK\n"
                ),
            "1:9",
            "gone 9; 2 T ; fresh 11  $y Some(5) 10",
        ),
        (
            "QRESYNC: what is said of the folder before",
            QRESYNC,
            resync(" 1:9").as_str().to_owned()
                + ENABLED
                + "S: * 3 EXISTS\nS: * VANISHED 1:3\nS: * 4 FETCH (UID 4 FLAGS (\\Seen))\n\
                   S: * OK [UIDVALIDITY 9]\nS: * OK [CLOSED]\n"
                + &examined(9, 10, 50)
                + "S: x2 OK\n",
            "1:9",
            "gone ; ; fresh ",
        ),
        (
            "QRESYNC: one goes while we ask",
            QRESYNC,
            resync(" 1:9")
                + ENABLED
                + &examined(9, 11, 60)
                + "S: x2 OK\n"
                + &details("x3")
                + "S: * VANISHED 9\nS: * 8 FETCH (UID 8 FLAGS (\\Seen))\nS: x3 OK\n",
            "1:9",
            "gone 9; 8 S ; fresh ",
        ),
        (
            "QRESYNC: all UIDs are gone, says the server",
            QRESYNC,
            resync(" 1:9")
                + ENABLED
                + &examined(0, 4_294_967_295, 60)
                + "S: * VANISHED (EARLIER) 1:4294967295\nS: x2 OK\n",
            "1:9",
            "gone 1:9; ; fresh ",
        ),
        (
            "QRESYNC: empty, without a word about the messages",
            QRESYNC,
            resync(" 1:9") + ENABLED + &examined(0, 10, 60) + "S: x2 OK\n",
            "1:9",
            "gone 1:9; ; fresh ",
        ),
        (
            "QRESYNC: a vanished message too few",
            QRESYNC,
            resync(" 1:9")
                + ENABLED
                + &examined(6, 10, 60)
                + "S: * VANISHED (EARLIER) 1:2\nS: x2 OK\n",
            "1:9",
            "unsure: the changes do not add up to the number of messages",
        ),
        (
            "QRESYNC: it has forgotten, and counts from anew",
            QRESYNC,
            resync(" 1:9")
                + ENABLED
                + &examined(8, 10, 49)
                + "S: x2 OK\nC: x3 UID FETCH 1:9 (UID FLAGS)\n"
                + &(1..=8)
                    .map(|n| format!("S: * {n} FETCH (UID {n} FLAGS ())\n"))
                    .collect::<String>()
                + "S: x3 OK\n",
            "1:9",
            "gone 9; 1  , 2  , 3  , 4  , 5  , 6  , 7  , 8  ; fresh ",
        ),
        (
            "QRESYNC: ENABLE is not understood, nor is its parameter",
            QRESYNC,
            resync(" 1:9")
                + "S: x1 BAD ?\nS: x2 BAD ?\nC: x3 EXAMINE \"A\" (CONDSTORE)\n"
                + &examined(9, 10, 50)
                + "S: x3 OK\n",
            "1:9",
            "gone ; ; fresh ",
        ),
        (
            "QRESYNC: ENABLE is refused, the parameter ignored",
            QRESYNC,
            resync(" 1:9")
                + "S: x1 NO\n"
                + &examined(9, 10, 51)
                + "S: x2 OK\nC: x3 UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 50)\n\
                   S: * 1 FETCH (UID 1 FLAGS () MODSEQ (51))\nS: x3 OK\n",
            "1:9",
            "gone ; 1  ; fresh ",
        ),
        (
            "QRESYNC: enabled, and then neither parameter is taken",
            QRESYNC,
            resync(" 1,9")
                + ENABLED
                + "S: x2 BAD ?\nC: x3 EXAMINE \"A\" (CONDSTORE)\nS: x3 NO ?\nC: x4 EXAMINE \"A\"\n"
                + &examined(1, 10, 50)
                + "S: x4 OK\nC: x5 UID FETCH 1:9 (UID FLAGS)\nS: * 1 FETCH (UID 9 FLAGS ())\nS: x5 OK\n",
            "1,9",
            "gone 1; 9  ; fresh ",
        ),
        (
            "CONDSTORE: flags and new mail and a hole",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + &examined(9, 12, 60)
                + "S: x1 OK\nC: x2 UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 50)\n\
                   C: x3 UID SEARCH UID 1:9\n"
                + &details("x4")
                + "S: * 2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ (51))\nS: x2 OK\n\
                   S: * SEARCH 1 3 4 5 6 7 8 9\nS: x3 OK\n"
                + &format!("S: * 9 FETCH (UID 10 FLAGS () {DATE})\nS: x4 OK\n"),
            "1:9",
            "gone 2; 3 F ; fresh 10   Some(5) 10",
        ),
        (
            "CONDSTORE: only gone, told in short",
            ESEARCH,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + &examined(7, 10, 50)
                + "S: x1 OK\nC: x2 UID SEARCH RETURN (ALL) UID 1:9\n\
                   S: * ESEARCH (TAG \"x2\") UID ALL 1:3,6:9\nS: x2 OK\n",
            "1:9",
            "gone 4:5; ; fresh ",
        ),
        (
            "CONDSTORE: a search that found nothing, and a folder that has nothing",
            ESEARCH,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + &examined(1, 12, 50)
                + "S: x1 OK\nC: x2 UID SEARCH RETURN (ALL) UID 1:9\n"
                + &details("x3")
                + "S: * ESEARCH (TAG \"x2\") UID\nS: x2 OK\n"
                + &format!("S: * 1 FETCH (UID 11 {DATE})\nS: x3 OK\n"),
            "1:9",
            "gone 1:9; ; fresh 11   Some(5) 10",
        ),
        (
            "CONDSTORE: `n:*` is the last message, known",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\nS: * 3 EXISTS\nS: x1 OK [UIDVALIDITY 7]\n".to_owned()
                + "C: x2 UID FETCH 1:3 (UID FLAGS)\n"
                + &details("x3")
                + "S: * 1 FETCH (UID 1 FLAGS ())\nS: * 2 FETCH (UID 2 FLAGS ())\n\
                   S: * 3 FETCH (UID 3 FLAGS ())\nS: x2 OK\n"
                + &format!("S: * 3 FETCH (UID 3 FLAGS (\\Seen) {DATE})\nS: x3 OK\n"),
            "1:3",
            "gone ; 1  , 2  , 3 S ; fresh ",
        ),
        (
            "CONDSTORE: NOMODSEQ is none",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\nS: * 1 EXISTS\nS: * OK [NOMODSEQ]\n\
             S: x1 OK [UIDVALIDITY 7]\nC: x2 UID FETCH 9 (UID FLAGS)\n"
                .replace("FETCH 9 ", "FETCH 9:9 ")
                + &details("x3")
                + "S: * 1 FETCH (UID 9 FLAGS ())\nS: x2 OK\nS: x3 OK\n",
            "9",
            "gone ; 9  ; fresh ",
        ),
        (
            "CONDSTORE: HIGHESTMODSEQ 0 is none",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + &examined(1, 10, 0)
                + "S: x1 OK\nC: x2 UID FETCH 9:9 (UID FLAGS)\nS: * 1 FETCH (UID 9 FLAGS ())\nS: x2 OK\n",
            "9",
            "gone ; 9  ; fresh ",
        ),
        (
            "CONDSTORE: not understood after all",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\nS: x1 BAD ?\nC: x2 EXAMINE \"A\"\n".to_owned()
                + &examined(1, 10, 50)
                + "S: x2 OK\nC: x3 UID FETCH 9:9 (UID FLAGS)\nS: * 1 FETCH (UID 9 FLAGS ())\nS: x3 OK\n",
            "9",
            "gone ; 9  ; fresh ",
        ),
        (
            "CONDSTORE: CHANGEDSINCE is refused",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + &examined(9, 10, 51)
                + "S: x1 OK\nC: x2 UID FETCH 1:9 (UID FLAGS) (CHANGEDSINCE 50)\nS: x2 BAD what?\n",
            "1:9",
            "unsure: the server refused to tell the changes",
        ),
        (
            "CONDSTORE: new mail and a message less at the same number",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + &examined(1, 11, 50)
                + "S: x1 OK\nC: x2 UID SEARCH UID 9:9\n"
                + &details("x3")
                + "S: * SEARCH\nS: x2 OK\n"
                + &format!("S: * 1 FETCH (UID 10 FLAGS () {DATE})\nS: x3 OK\n"),
            "9",
            "gone 9; ; fresh 10   Some(5) 10",
        ),
        (
            "CONDSTORE: mail that comes while we ask is for the next time",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + &examined(8, 10, 50)
                + "S: x1 OK\nC: x2 UID SEARCH UID 1:9\nS: * SEARCH 1 2 3 4 5 6 7 8\n\
                   S: * 9 EXISTS\nS: x2 OK\n",
            "1:9",
            "unsure: the changes do not add up to the number of messages",
        ),
        (
            "neither: flags of all",
            "",
            "C: x1 EXAMINE \"A\"\n".to_owned()
                + "S: * 3 EXISTS\nS: * OK [UIDVALIDITY 7]\nS: * OK [UIDNEXT 11]\nS: x1 OK\n\
                   C: x2 UID FETCH 4:9 (UID FLAGS)\n"
                + &details("x3")
                + "S: * 1 FETCH (UID 4 FLAGS (\\Seen))\nS: * 2 FETCH (UID 9 FLAGS ($z))\nS: x2 OK\n"
                + &format!("S: * 3 FETCH (UID 10 FLAGS () {DATE})\nS: x3 OK\n"),
            "4,6,9",
            "gone 6; 4 S , 9  $z; fresh 10   Some(5) 10",
        ),
        (
            "neither: a line that makes no sense",
            "",
            "C: x1 EXAMINE \"A\"\nS: * 1 EXISTS\nS: * OK [UIDNEXT 10]\nS: x1 OK [UIDVALIDITY 7]\n\
             C: x2 UID FETCH 9:9 (UID FLAGS)\nS: * 1 FETCH (UID 9 FLAGS (\nS: x2 OK\n"
                .to_owned(),
            "9",
            "unsure: a line about a message makes no sense",
        ),
        (
            "nothing known: the fresh are all there is",
            QRESYNC,
            "C: x1 ENABLE QRESYNC\nC: x2 EXAMINE \"A\" (CONDSTORE)\n".to_owned()
                + ENABLED
                + &examined(1, 11, 60)
                + "S: x2 OK\n"
                + &details("x3")
                + &format!("S: * 1 FETCH (UID 10 FLAGS () {DATE})\nS: x3 OK\n"),
            "",
            "gone ; ; fresh 10   Some(5) 10",
        ),
        (
            "another UIDVALIDITY",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\nS: * 1 EXISTS\nS: x1 OK [UIDVALIDITY 8]\n".to_owned(),
            "9",
            "unsure: the folder has another UIDVALIDITY",
        ),
        (
            "no UIDVALIDITY",
            "",
            "C: x1 EXAMINE \"A\"\nS: * 1 EXISTS\nS: x1 OK\n".to_owned(),
            "9",
            "unsure: the server gives no UIDVALIDITY",
        ),
        (
            "UIDNEXT goes back",
            CONDSTORE,
            "C: x1 EXAMINE \"A\" (CONDSTORE)\n".to_owned() + &examined(1, 9, 50) + "S: x1 OK\n",
            "8",
            "unsure: the folder's UIDNEXT has gone back",
        ),
    ] {
        play(extensions, &transcript, |session| {
            let known = set(known);
            let (_, news) = session.changes(&folder("A"), &since(&known, 10)).unwrap();
            assert_eq!(told(&news), want, "{name}");
            assert!(session.alive().is_ok(), "{name}");
        });
    }
}

#[test]
fn what_a_session_has_learnt_it_keeps() {
    let transcript = "C: x1 ENABLE QRESYNC\nC: x2 EXAMINE \"A\" (CONDSTORE)\nS: * ENABLED QRESYNC\n\
                      S: x1 OK\nS: * 2 EXISTS\nS: * OK [UIDVALIDITY 7]\nS: * OK [UIDNEXT 11]\n\
                      S: * OK [HIGHESTMODSEQ 9223372036854775807]\n\
                      S: * OK [MAILBOXID (F2212ea87)] Ok\nS: x2 OK\n\
                      C: x3 EXAMINE \"B\" (QRESYNC (7 50 1:3))\nS: * OK [CLOSED]\nS: * 0 EXISTS\n\
                      S: x3 OK [UIDVALIDITY 7]\n\
                      C: x4 EXAMINE \"C\" (QRESYNC (7 50 1:3))\nS: x4 NO no such folder\n\
                      C: x5 EXAMINE \"C\" (CONDSTORE)\nS: x5 NO no such folder\n\
                      C: x6 EXAMINE \"C\"\nS: x6 NO no such folder\n\
                      C: x7 EXAMINE \"D\" (QRESYNC (7 50 1:3))\nS: x7 NO [INUSE] later\n\
                      C: x8 EXAMINE \"E\" (QRESYNC (7 50 1:3))\nS: x8 BAD what?\n\
                      C: x9 EXAMINE \"E\" (CONDSTORE)\nS: * 3 EXISTS\n\
                      S: * OK [HIGHESTMODSEQ 50]\nS: * OK [UIDNEXT 10]\nS: x9 OK [UIDVALIDITY 7]\n\
                      C: x10 EXAMINE \"F\" (CONDSTORE)\nS: * 3 EXISTS\n\
                      S: * OK [HIGHESTMODSEQ 50]\nS: * OK [UIDNEXT 10]\nS: x10 OK [UIDVALIDITY 7]\n";
    play(QRESYNC, transcript, |session| {
        let known = set("1:3");
        let ask = |session: &mut Session, name| {
            let told = session.changes(&folder(name), &since(&known, 10));
            told.map(|(examined, news)| (examined.exists, self::told(&news)))
        };
        let a = session.examine(&folder("A")).unwrap();
        let want = Examined {
            uid_validity: UidValidity::new(7),
            uid_next: Some(11),
            exists: 2,
            highest_modseq: Some(i64::MAX as u64),
            mailbox_id: Some("F2212ea87".to_owned()),
        };
        assert_eq!(a, want);
        let (exists, news) = ask(session, "B").unwrap();
        assert_eq!((exists, news.as_str()), (0, "gone 1:3; ; fresh "));
        // For the folder's own sake: the parameters are tried again with the next.
        let c = ask(session, "C").unwrap_err();
        assert_eq!((c.kind, c.reach), (Kind::Refused, Reach::Folder));
        assert_eq!(c.folder.as_deref(), Some("C"));
        // Who asks for patience is not asked once more.
        assert_eq!(ask(session, "D").unwrap_err().kind, Kind::Busy);
        for name in ["E", "F"] {
            let (exists, news) = ask(session, name).unwrap();
            assert_eq!((exists, news.as_str()), (3, "gone ; ; fresh "));
        }
    });
}

#[test]
fn marks_by_list() {
    let transcript = "C: x1 LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))\n\
                      C: x2 LSUB \"\" \"*\"\n\
                      S: * LIST () \"/\" INBOX\nS: * STATUS \"inbox\" (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 50)\n\
                      S: * LIST () \"/\" \"a \\\"b\\\"\"\nS: * STATUS {5}\nS: a \"b\" (MESSAGES 0)\n\
                      S: * LIST (\\Noselect) \"/\" x\nS: * STATUS x (MESSAGES 4)\n\
                      S: * LIST () \"/\" y\nS: * NO y is broken\n\
                      S: * STATUS elsewhere (MESSAGES 1)\nS: * STATUS\nS: x1 OK\nS: x2 OK\n";
    play("LIST-STATUS CONDSTORE", transcript, |session| {
        let list = session.list_folders(true).unwrap();
        let marks: Vec<_> = list
            .folders
            .iter()
            .map(|folder| (folder.path.to_string(), folder.marks))
            .collect();
        let inbox = Marks {
            uid_validity: UidValidity::new(7),
            uid_next: Some(9),
            messages: Some(3),
            highest_modseq: Some(50),
        };
        let empty = Marks {
            messages: Some(0),
            ..Marks::default()
        };
        assert_eq!(
            marks,
            [
                ("INBOX".to_owned(), Some(inbox)),
                ("a \"b\"".to_owned(), Some(empty)),
                ("x".to_owned(), None),
                ("y".to_owned(), None),
            ]
        );
        let warnings = session.take_warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    });
    // The whole of it is refused: once more, as everybody knows it.
    for refusal in ["NO [SERVERBUG] y is broken", "BAD what?"] {
        let transcript = format!(
            "C: x1 LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY))\nC: x2 LSUB \"\" \"*\"\n\
             S: * LIST () \"/\" INBOX\nS: * STATUS INBOX (MESSAGES 3)\nS: x1 {refusal}\nS: x2 OK\n\
             C: x3 LIST \"\" \"*\"\nC: x4 LSUB \"\" \"*\"\n\
             S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" y\nS: x3 OK\nS: x4 OK\n"
        );
        play("LIST-STATUS", &transcript, |session| {
            let list = session.list_folders(true).unwrap();
            assert_eq!(list.folders.len(), 2);
            assert!(list.folders.iter().all(|folder| folder.marks.is_none()));
            assert_eq!(session.take_warnings().len(), 1);
        });
    }
}

#[test]
fn marks_by_status() {
    // 32 at once, and one more for each answer.
    let ask = |n: u32| format!("C: x{n} STATUS \"f{n}\" (MESSAGES UIDNEXT UIDVALIDITY)\n");
    let mut transcript: String = (1..=32).map(ask).collect();
    for n in 1..=40 {
        transcript += &match n {
            3 => "S: x3 NO [NOPERM] not yours\n".to_owned(),
            4 => "S: x4 OK\n".to_owned(),
            _ => format!("S: * STATUS f{n} (UIDNEXT {n})\nS: x{n} OK\n"),
        };
        if n <= 8 {
            transcript += &ask(n + 32);
        }
    }
    let mut folders: Vec<ListedFolder> = (1..=40).map(|n| folder(&format!("f{n}"))).collect();
    folders.push(folder("not\rsayable"));
    folders.push(ListedFolder {
        selectable: false,
        ..folder("no place for mail")
    });
    let folders: Vec<_> = folders.iter().collect();
    play("", &transcript, |session| {
        let marks = session.status(&folders).unwrap();
        for (n, marks) in (1..).zip(marks) {
            let next = marks.and_then(|marks| marks.uid_next);
            let known = n != 3 && n != 4 && n <= 40;
            assert_eq!(next, known.then_some(n), "{n}");
        }
    });
    // Answers may come in any order, and of who does not know it, no more is asked.
    let mut transcript: String = (1..=32).map(ask).collect();
    transcript += "S: * STATUS f2 (MESSAGES 2)\nS: * STATUS f1 (MESSAGES 1)\nS: x2 BAD what?\n";
    for n in (1..=32).filter(|n| *n != 2) {
        transcript += &format!("S: x{n} OK\n");
    }
    play("", &transcript, |session| {
        let marks = session.status(&folders).unwrap();
        assert_eq!(marks.len(), folders.len());
        let told: Vec<_> = marks.iter().flatten().collect();
        assert_eq!(told.len(), 1);
        assert_eq!(marks[0].as_ref().and_then(|marks| marks.messages), Some(1));
    });
    play("", "", |session| {
        assert_eq!(session.status(&[]).unwrap(), [])
    });
}

#[test]
fn details_of_some() {
    let many: UidSet = (0..400).filter_map(|n| Uid::new(n * 2 + 1)).collect();
    let pieces: Vec<UidSet> = many
        .ranges()
        .chunks(350)
        .map(|ranges| UidSet::from_ranges(ranges.iter().copied()))
        .collect();
    let transcript = format!(
        "C: x1 UID FETCH 3:5,9 (UID FLAGS INTERNALDATE RFC822.SIZE)\n\
         S: * 2 FETCH (UID 4 FLAGS (\\Seen $x) {DATE})\nS: * 3 FETCH (UID 5 {DATE} FLAGS (\n\
         S: * 9 FETCH (UID 7 FLAGS ())\nS: * 1 FETCH (FLAGS ())\nS: x1 OK\n\
         C: x2 UID FETCH {} (UID FLAGS INTERNALDATE RFC822.SIZE)\n\
         C: x3 UID FETCH {} (UID FLAGS INTERNALDATE RFC822.SIZE)\n\
         S: x2 NO [SERVERBUG] not all\nS: * 1 FETCH (UID 701 FLAGS () {DATE})\nS: x3 OK\n\
         C: x4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)\nS: x4 NO gone\n",
        pieces[0], pieces[1]
    );
    play("", &transcript, |session| {
        let list = session.list_some(&set("3:5,9")).unwrap();
        let [entry] = list.entries.as_slice() else {
            panic!("{:?}", list.entries);
        };
        assert_eq!(
            (entry.uid.value(), entry.date(), entry.size),
            (4, Some(5), 10)
        );
        assert_eq!(keywords(&list, entry.keywords), "$x");
        assert_eq!(list.unreadable.len(), 1);
        assert_eq!(list.unreadable[0].0, Uid::new(5));
        assert_eq!(session.list_some(&many).unwrap().entries.len(), 1);
        let refused = session.list_some(&set("1")).unwrap_err();
        assert_eq!(
            (refused.kind, refused.reach),
            (Kind::Refused, Reach::Folder)
        );
        assert_eq!(session.list_some(&UidSet::default()).unwrap().entries, []);
    });
}

/// A line that names each of a hundred thousand messages, and too many holes for one command.
#[test]
fn long_sets() {
    let known: UidSet = (1..=150_000).filter_map(|n| Uid::new(n * 20_000)).collect();
    let listed: Vec<String> = known.iter().skip(1).map(|uid| uid.to_string()).collect();
    let (first, last, next) = (20_000, 3_000_000_000u32, 3_000_000_001u32);
    let opened = format!(
        "S: * 149999 EXISTS\nS: * OK [UIDVALIDITY 7]\nS: * OK [UIDNEXT {next}]\n\
         S: * OK [HIGHESTMODSEQ 50]\n"
    );
    let searched = format!(
        "C: x1 EXAMINE \"A\" (CONDSTORE)\n{opened}S: x1 OK\nC: x2 UID SEARCH UID {first}:{last}\n\
         S: * SEARCH {}\nS: x2 OK\n",
        listed.join(" ")
    );
    assert!(searched.len() > reader::LINE_LIMIT);
    let vanished = format!(
        "C: x1 ENABLE QRESYNC\nC: x2 EXAMINE \"A\" (QRESYNC (7 50))\nS: * ENABLED QRESYNC\nS: x1 OK\n\
         S: * 1 EXISTS\nS: * OK [UIDVALIDITY 7]\nS: * OK [UIDNEXT {next}]\n\
         S: * OK [HIGHESTMODSEQ 60]\nS: * VANISHED (EARLIER) {}\nS: x2 OK\n",
        listed.join(",")
    );
    for (extensions, transcript, gone) in [(CONDSTORE, searched, 1), (QRESYNC, vanished, 149_999)] {
        play_in(usize::MAX, extensions, &transcript, |session| {
            let (_, news) = session.changes(&folder("A"), &since(&known, next)).unwrap();
            let News::Changes(changes) = news else {
                panic!("{news:?}");
            };
            assert_eq!(changes.vanished.len(), gone);
        });
    }
}

#[test]
fn floods_end_here_too() {
    let opened = "S: * 3 EXISTS\nS: * OK [UIDVALIDITY 7]\nS: * OK [UIDNEXT 10]\nS: * OK [HIGHESTMODSEQ 60]\n";
    for (line, times) in [
        ("S: * VANISHED (EARLIER) 1:4294967295\n", 100_001),
        ("S: * VANISHED (EARLIER) 1,3\n", 100_001),
        ("S: * VANISHED x\n", 100_001),
        ("S: * SEARCH 1 2 3\n", 100_001),
        ("S: * 7 EXISTS\n", 100_001),
        ("S: * OK [UIDNEXT 5]\n", 100_001),
        ("S: * ENABLED QRESYNC\n", 100_001),
        ("S: * 1 FETCH (UID 1 FLAGS ())\n", 10_007),
        ("S: * 1 FETCH (UID 1 FLAGS (\n", 10_007),
    ] {
        let flood = line.repeat(times);
        let transcript = logged_in(QRESYNC) + opened + &flood;
        let script = Script::new(transcript.as_bytes(), usize::MAX);
        let mut session = script.open().unwrap();
        let known = set("1:3");
        let problem = session
            .changes(&folder("A"), &since(&known, 10))
            .unwrap_err();
        assert_eq!(problem.kind, Kind::Protocol, "{line}: {problem}");
        assert!(session.alive().is_err());
        assert!(session.take_warnings().len() <= 101);
    }
}

/// A second look at two folders, one by QRESYNC, one by flags.
const SECOND_LOOK: &[u8] = b"\
S: * OK hello
C: a1 CAPABILITY
S: * CAPABILITY IMAP4rev1
S: a1 OK
C: a2 LOGIN \"anna\" \"s3cret-word\"
S: a2 OK in
C: a3 CAPABILITY
S: * CAPABILITY IMAP4rev1 ENABLE QRESYNC LIST-STATUS ESEARCH
S: a3 OK
C: x1 LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))
S: * LIST () \".\" INBOX
S: * STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 60)
S: x1 OK
C: x2 LSUB \"\" \"*\"
S: x2 OK
C: x3 ENABLE QRESYNC
S: * ENABLED QRESYNC
S: x3 OK
C: x4 EXAMINE \"INBOX\" (QRESYNC (7 50 1:7))
S: * OK [CLOSED]
S: * 7 EXISTS
S: * OK [UIDVALIDITY 7]
S: * OK [UIDNEXT 9]
S: * OK [HIGHESTMODSEQ 60]
S: * VANISHED (EARLIER) 2
S: * 1 FETCH (UID 1 FLAGS (\\Seen $x) MODSEQ (55))
S: x4 OK
C: x5 UID FETCH 8:* (UID FLAGS INTERNALDATE RFC822.SIZE)
S: * 7 FETCH (UID 8 FLAGS () INTERNALDATE \"01-Jan-1970 00:00:05 +0000\" RFC822.SIZE 10 MODSEQ (56))
S: x5 OK
C: x6 EXAMINE \"B\" (QRESYNC (7 50 1:7))
S: * 6 EXISTS
S: * OK [UIDVALIDITY 7]
S: * OK [UIDNEXT 8]
S: * OK [HIGHESTMODSEQ 49]
S: x6 OK
C: x7 UID FETCH 1:7 (UID FLAGS)
S: * 1 FETCH (UID 1 FLAGS ())
S: * 2 FETCH (UID 3 FLAGS ())
S: * 3 FETCH (UID 4 FLAGS ())
S: * 4 FETCH (UID 5 FLAGS ())
S: * 5 FETCH (UID 6 FLAGS ())
S: * 6 FETCH (UID 7 FLAGS ())
S: x7 OK
";

fn second_look(script: &Script) -> Result<Vec<News>, Problem> {
    let mut session = script.open()?;
    session.list_folders(true)?;
    let known = set("1:7");
    ["INBOX", "B"]
        .iter()
        .map(|name| {
            let told = session.changes(&folder(name), &since(&known, 8));
            told.map(|(_, news)| news)
        })
        .collect()
}

/// Whatever goes wrong on the line: no panic, and never a sum that does not close.
#[test]
fn a_second_look_on_a_bad_line() {
    let script = Script::new(SECOND_LOOK, usize::MAX);
    let news: Vec<_> = second_look(&script).unwrap().iter().map(told).collect();
    script.finish();
    assert_eq!(
        news,
        [
            "gone 2; 1 S $x; fresh 8   Some(5) 10",
            "gone 2; 1  , 3  , 4  , 5  , 6  , 7  ; fresh "
        ]
    );
    let bytes = Script::server_bytes(SECOND_LOOK);
    for cut in 0..bytes.len() {
        let problem = second_look(&Script::deaf(&bytes[..cut])).unwrap_err();
        assert_eq!(problem.kind, Kind::Network, "cut at {cut}: {problem}");
    }
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let (mut sure, mut unsure) = (0, 0);
    for _ in 0..5000 {
        let mut mutated = bytes.clone();
        let at = next() as usize % mutated.len();
        match next() % 4 {
            0 => mutated[at] = next() as u8,
            1 => drop(mutated.remove(at)),
            2 => mutated.insert(at, b"(){}\"\\\r\n* x09[]~+\0\xff:,"[next() as usize % 21]),
            _ => {
                let end = mutated.len().min(at + next() as usize % 80);
                drop(mutated.drain(at..end));
            }
        }
        for news in second_look(&Script::deaf(&mutated)).unwrap_or_default() {
            let News::Changes(changes) = news else {
                unsure += 1;
                continue;
            };
            sure += 1;
            let known = set("1:7");
            assert!(changes.vanished.difference(&known).is_empty());
            for (uid, ..) in &changes.flags {
                assert!(known.contains(*uid) && !changes.vanished.contains(*uid));
            }
            for entry in &changes.fresh.entries {
                assert!(entry.uid.value() >= 8);
            }
        }
    }
    assert!(sure > 1000 && unsure > 100, "{sure} {unsure}");
}
