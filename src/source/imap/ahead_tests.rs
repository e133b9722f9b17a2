//! What is asked ahead, against transcripts. A step `C:` has to have been sent when the server comes to
//! it, so that one before an answer shows what did not wait for that answer.

use super::script::{Keep, Script, folder};
use super::*;

const LOGIN: &str = "S: * OK [CAPABILITY IMAP4rev1] hello\nC: a1 LOGIN \"anna\" \"s3cret-word\"\n\
                     S: a1 OK [CAPABILITY IMAP4rev1] in\n";

/// Plays `transcript` after a login, in whole lines and byte by byte.
fn play(transcript: &str, act: impl Fn(&mut Session)) {
    for chunk in [usize::MAX, 1] {
        let script = Script::new(format!("{LOGIN}{transcript}").as_bytes(), chunk);
        let mut session = script.open().unwrap();
        act(&mut session);
        script.finish();
    }
}

fn wanted(uids: &[u32]) -> Vec<(Uid, u64)> {
    uids.iter()
        .map(|uid| (Uid::new(*uid).unwrap(), 1))
        .collect()
}

fn foresee(session: &mut Session, folders: &[(&str, Option<&[u32]>)]) {
    let folders: Vec<_> = folders
        .iter()
        .map(|(name, uids)| (folder(name), uids.map(wanted)))
        .collect();
    let foreseen: Vec<Foreseen<'_>> = folders
        .iter()
        .map(|(folder, uids)| Foreseen {
            folder,
            then: match uids {
                None => Then::List,
                Some(uids) => Then::Fetch(uids),
            },
        })
        .collect();
    session.foresee(&[], &foreseen).unwrap();
}

/// Opens a folder and lists it; returns its UIDs.
fn look(session: &mut Session, name: &str) -> Result<Vec<u32>, Problem> {
    let examined = session.examine(&folder(name))?;
    let list = session.list_messages(examined.exists)?;
    Ok(list.entries.iter().map(|entry| entry.uid.value()).collect())
}

/// Fetches messages of the folder that is open; returns them as `1 body, 2 body`.
fn fetch(session: &mut Session, uids: &[u32]) -> Result<String, Problem> {
    let mut sink = Keep::default();
    session.fetch_bodies(&wanted(uids), &mut sink)?;
    let messages = sink.messages.iter();
    let told: Vec<String> = messages
        .map(|(uid, body)| format!("{uid} {}", String::from_utf8_lossy(body)))
        .collect();
    Ok(told.join(", "))
}

/// UID 2, whose body looks like the end of its command.
const HOSTILE: &str = "S: * 1 FETCH (UID 2 BODY[] {14}\nS: y2 OK\nS: * BYE\nS: )\n";

const LIST: &str = "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)";

/// What a server says of a folder.
fn opened(tag: &str, exists: u32, validity: u32) -> String {
    format!("S: * {exists} EXISTS\nS: * OK [UIDVALIDITY {validity}] x\nS: {tag} OK\n")
}

fn line(uid: u32) -> String {
    format!(
        "S: * 1 FETCH (UID {uid} FLAGS () INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE 1)\n"
    )
}

fn body(uid: u32, body: &str) -> String {
    let length = body.len();
    format!("S: * 1 FETCH (UID {uid} BODY[] {{{length}}}\nS- {body}\nS: )\n")
}

#[test]
fn folders_are_looked_at_in_one_go() {
    let transcript = [
        format!("C: y1 EXAMINE \"A\"\nC: y2 {LIST}\nC: y3 EXAMINE \"B\"\nC: y4 {LIST}\n"),
        format!("C: y5 EXAMINE \"C\"\nC: y6 {LIST}\n"),
        opened("y1", 1, 7) + &line(4) + "S: y2 OK\n",
        // Of an empty folder nothing is asked in its turn: that answer is passed over.
        opened("y3", 0, 8) + "S: y4 OK\n",
        opened("y5", 1, 9) + &line(5) + "S: y6 OK\n",
    ]
    .concat();
    play(&transcript, |session| {
        foresee(session, &[("A", None), ("B", None), ("C", None)]);
        assert_eq!(look(session, "A").unwrap(), [4]);
        assert_eq!(look(session, "B").unwrap(), [0; 0]);
        assert_eq!(look(session, "C").unwrap(), [5]);
    });
}

/// Lists the folders, and looks at INBOX as is expected.
fn list_and_look(session: &mut Session) -> (usize, Result<Vec<u32>, Problem>) {
    let folders = session.list_folders_before_inbox().unwrap().folders;
    (folders.len(), look(session, "INBOX"))
}

#[test]
fn inbox_is_looked_at_while_the_folders_are_listed() {
    let transcript = [
        "C: x1 LIST \"\" \"*\"\nC: x2 LSUB \"\" \"*\"\n".to_owned(),
        format!("C: y3 EXAMINE \"INBOX\"\nC: y4 {LIST}\n"),
        "S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" A\nS: x1 OK\nS: x2 OK\n".to_owned(),
        // It goes on from there.
        format!("C: y5 EXAMINE \"A\"\nC: y6 {LIST}\n"),
        opened("y3", 1, 7) + &line(4) + "S: y4 OK\n",
        opened("y5", 1, 8) + &line(9) + "S: y6 OK\n",
    ]
    .concat();
    play(&transcript, |session| {
        let folders = session.list_folders_before_inbox().unwrap().folders;
        assert_eq!(folders.len(), 2);
        foresee(session, &[("INBOX", None), ("A", None)]);
        assert_eq!(look(session, "INBOX").unwrap(), [4]);
        assert_eq!(look(session, "A").unwrap(), [9]);
    });
}

#[test]
fn inbox_is_looked_at_once_more_where_its_answers_come_before_the_list_is_whole() {
    let again = || {
        let listing = format!("C: x6 {LIST}\n");
        "C: x5 EXAMINE \"INBOX\"\n".to_owned() + &opened("x5", 1, 7) + &listing + &line(4)
    };
    for answers in [
        opened("y3", 1, 7) + &line(4) + "S: x2 OK\nS: y4 OK\nS: x1 OK\n",
        "S: * 1 EXISTS\nS: x1 OK\nS: x2 OK\nS: * OK [UIDVALIDITY 7] x\nS: y3 OK\nS: y4 OK\n"
            .to_owned(),
        "S: x2 OK\nS: y3 NO\nS: x1 OK\nS: y4 BAD\n".to_owned(),
    ] {
        let transcript = [
            "C: x1 LIST \"\" \"*\"\nC: x2 LSUB \"\" \"*\"\n".to_owned(),
            format!("C: y3 EXAMINE \"INBOX\"\nC: y4 {LIST}\n"),
            "S: * LIST () \"/\" INBOX\n".to_owned() + &answers,
            again() + "S: x6 OK\n",
        ]
        .concat();
        play(&transcript, |session| {
            let (folders, looked) = list_and_look(session);
            assert_eq!((folders, looked.unwrap()), (1, vec![4]));
        });
    }
}

#[test]
fn messages_of_the_next_folder_are_asked_for_before_its_turn() {
    let transcript = [
        "C: y1 EXAMINE \"A\"\nC: y2 UID FETCH 1:2 (UID BODY.PEEK[])\n".to_owned(),
        "C: y3 EXAMINE \"B\"\nC: y4 UID FETCH 1 (UID BODY.PEEK[])\n".to_owned(),
        opened("y1", 2, 7) + &body(1, "a") + &body(2, "y4 OK") + "S: y2 OK\n",
        opened("y3", 1, 8) + &body(1, "b") + "S: y4 OK\n",
    ]
    .concat();
    play(&transcript, |session| {
        foresee(session, &[("A", Some(&[1, 2])), ("B", Some(&[1]))]);
        session.examine(&folder("A")).unwrap();
        assert_eq!(fetch(session, &[1, 2]).unwrap(), "1 a, 2 y4 OK");
        session.examine(&folder("B")).unwrap();
        assert_eq!(fetch(session, &[1]).unwrap(), "1 b");
    });
}

/// Dovecot begins a FETCH while the one before it waits for the line.
#[test]
fn answers_to_what_was_asked_ahead_may_come_between_those_in_turn() {
    const LAST: u32 = 4501;
    let tags = (0..=8).map(|at| format!("y{}", at + 2));
    let begins = |at: u32| 125 * at * (at + 1) / 2 + 1;
    let ranges = (0..=8).map(|at| match at {
        8 => LAST.to_string(),
        at => format!("{}:{}", begins(at), begins(at + 1) - 1),
    });
    let commands = tags.clone().zip(ranges);
    let commands =
        commands.map(|(tag, set)| format!("C: {tag} UID FETCH {set} (UID BODY.PEEK[])\n"));
    let bodies = (1..LAST).map(|uid| body(uid, "a"));
    let transcript = [
        "C: y1 EXAMINE \"A\"\n".to_owned(),
        commands.collect(),
        opened("y1", LAST, 7),
        body(LAST, "last"),
        bodies.collect(),
        tags.map(|tag| format!("S: {tag} OK\n")).collect(),
    ]
    .concat();
    let all: Vec<u32> = (1..=LAST).collect();
    play(&transcript, |session| {
        foresee(session, &[("A", Some(&all))]);
        session.examine(&folder("A")).unwrap();
        let fetched = fetch(session, &all).unwrap();
        assert!(fetched.starts_with("4501 last, 1 a, 2 a, "));
        assert_eq!(fetched.split(", ").count(), all.len());
        assert_eq!(session.take_warnings(), [""; 0]);
    });
}

#[test]
fn what_is_thrown_away_may_come_in_any_order() {
    let uids: Vec<u32> = (0..126).map(|at| 2 * at + 1).collect();
    let first: Vec<String> = uids[..125].iter().map(u32::to_string).collect();
    let transcript = [
        "C: y1 EXAMINE \"A\"\n".to_owned(),
        format!("C: y2 UID FETCH {} (UID BODY.PEEK[])\n", first.join(",")),
        "C: y3 UID FETCH 251 (UID BODY.PEEK[])\n".to_owned(),
        opened("y1", 126, 7) + &body(1, "a") + &body(251, "b") + "S: y3 OK\n",
        body(3, "c") + "S: y2 OK\nC: x4 EXAMINE \"C\"\n" + &opened("x4", 0, 9),
    ]
    .concat();
    play(&transcript, |session| {
        foresee(session, &[("A", Some(&uids))]);
        session.examine(&folder("A")).unwrap();
        session.examine(&folder("C")).unwrap();
    });
}

/// The next folder has a message of the same UID, asked for by the same words.
#[test]
fn what_was_foreseen_wrongly_is_thrown_away_and_the_folder_opened_again() {
    let ahead = [
        "C: y1 EXAMINE \"A\"\nC: y2 UID FETCH 1:2 (UID BODY.PEEK[])\n".to_owned(),
        "C: y3 EXAMINE \"B\"\nC: y4 UID FETCH 1 (UID BODY.PEEK[])\n".to_owned(),
        opened("y1", 2, 7) + &body(1, "a") + HOSTILE + "S: y2 OK\n",
        opened("y3", 1, 8) + &body(1, "b") + "S: y4 OK\nC: x5 EXAMINE \"A\"\n",
    ]
    .concat();
    let same = opened("x5", 2, 7)
        + "C: x6 UID FETCH 1 (UID BODY.PEEK[])\n"
        + &body(1, "a")
        + "S: x6 OK\nC: x7 EXAMINE \"B\"\n"
        + &opened("x7", 1, 8);
    play(&format!("{ahead}{same}"), |session| {
        foresee(session, &[("A", Some(&[1, 2])), ("B", Some(&[1]))]);
        session.examine(&folder("A")).unwrap();
        assert_eq!(fetch(session, &[1]).unwrap(), "1 a");
        session.examine(&folder("B")).unwrap();
    });
    for again in [
        opened("x5", 2, 9),
        "S: x5 NO gone\n".to_owned(),
        "S: * 2 EXISTS\nS: x5 OK\n".to_owned(),
    ] {
        play(&format!("{ahead}{again}"), |session| {
            foresee(session, &[("A", Some(&[1, 2])), ("B", Some(&[1]))]);
            session.examine(&folder("A")).unwrap();
            let problem = fetch(session, &[1]).unwrap_err();
            assert_eq!((problem.kind, problem.reach), (Kind::Protocol, Reach::User));
            assert!(problem.retry, "{problem}");
        });
    }
}

#[test]
fn a_message_that_does_not_come_is_asked_for_again_in_its_own_folder() {
    let transcript = [
        "C: y1 EXAMINE \"A\"\nC: y2 UID FETCH 1:2 (UID BODY.PEEK[])\n".to_owned(),
        "C: y3 EXAMINE \"B\"\nC: y4 UID FETCH 2 (UID BODY.PEEK[])\n".to_owned(),
        opened("y1", 2, 7) + &body(1, "a") + "S: y2 NO [SERVERBUG] not that one\n",
        opened("y3", 1, 8) + &body(2, "b") + "S: y4 OK\nC: x5 EXAMINE \"A\"\n",
        opened("x5", 2, 7) + "C: x6 UID FETCH 2 (UID BODY.PEEK[])\n",
        body(2, "aa") + "S: x6 OK\n",
        "C: x7 EXAMINE \"B\"\n".to_owned() + &opened("x7", 1, 8),
    ]
    .concat();
    play(&transcript, |session| {
        foresee(session, &[("A", Some(&[1, 2])), ("B", Some(&[2]))]);
        session.examine(&folder("A")).unwrap();
        assert_eq!(fetch(session, &[1, 2]).unwrap(), "1 a, 2 aa");
        session.examine(&folder("B")).unwrap();
    });
}

#[test]
fn a_refusal_ahead_of_the_turn_is_asked_once_more_in_turn() {
    let ahead = format!(
        "C: y1 EXAMINE \"A\"\nC: y2 {LIST}\nC: y3 EXAMINE \"B\"\nC: y4 {LIST}\n\
         S: y1 NO not now\nS: y2 BAD nothing is open\n"
    ) + &opened("y3", 1, 8)
        + &line(5)
        + "S: y4 OK\nC: x5 EXAMINE \"A\"\n";
    // Refused it is, and what is foreseen next is asked ahead.
    let refused = format!(
        "{ahead}S: x5 NO no access\nC: y6 EXAMINE \"B\"\nC: y7 {LIST}\n{}",
        opened("y6", 1, 8) + &line(5) + "S: y7 OK\n"
    );
    play(&refused, |session| {
        foresee(session, &[("A", None), ("B", None)]);
        let problem = look(session, "A").unwrap_err();
        assert_eq!(
            (problem.kind, problem.reach),
            (Kind::Refused, Reach::Folder)
        );
        foresee(session, &[("B", None)]);
        assert_eq!(look(session, "B").unwrap(), [5]);
    });
    // The server did not like the haste: that was the last of it.
    let done = format!(
        "{ahead}{}C: x6 {LIST}\n{}C: x7 EXAMINE \"B\"\n{}",
        opened("x5", 1, 7),
        line(4) + "S: x6 OK\n",
        opened("x7", 0, 8),
    );
    play(&done, |session| {
        foresee(session, &[("A", None), ("B", None)]);
        assert_eq!(look(session, "A").unwrap(), [4]);
        foresee(session, &[("B", None)]);
        assert_eq!(look(session, "B").unwrap(), [0; 0]);
    });
}

#[test]
fn half_a_listing_ahead_of_the_turn_is_asked_once_more_in_turn() {
    let transcript = [
        format!("C: y1 EXAMINE \"A\"\nC: y2 {LIST}\nC: y3 EXAMINE \"B\"\nC: y4 {LIST}\n"),
        opened("y1", 2, 7) + &line(4) + "S: y2 OK\n",
        opened("y3", 1, 8) + &line(9) + "S: y4 OK\nC: x5 EXAMINE \"A\"\n",
        opened("x5", 2, 7) + &format!("C: x6 {LIST}\n") + &line(4) + &line(5) + "S: x6 OK\n",
    ]
    .concat();
    play(&transcript, |session| {
        foresee(session, &[("A", None), ("B", None)]);
        assert_eq!(look(session, "A").unwrap(), [4, 5]);
    });
}

#[test]
fn a_server_that_hangs_up_or_falls_out_of_step_may_be_tried_again() {
    let ahead = format!("C: y1 EXAMINE \"A\"\nC: y2 {LIST}\n");
    for (answer, kind) in [
        ("S: * BYE shutting down\n", Kind::Network),
        ("S: y2 OK\n", Kind::Protocol),
        ("S: x9 OK\n", Kind::Protocol),
    ] {
        play(&format!("{ahead}{answer}"), |session| {
            foresee(session, &[("A", None)]);
            let problem = look(session, "A").unwrap_err();
            assert_eq!((problem.kind, problem.retry), (kind, true), "{answer}");
        });
    }
    // While answers are thrown away.
    for (answer, kind) in [
        ("S: * BYE shutting down\n", Kind::Network),
        ("S: y9 OK\n", Kind::Protocol),
    ] {
        play(&format!("{ahead}{answer}"), |session| {
            foresee(session, &[("A", None)]);
            let problem = look(session, "B").unwrap_err();
            assert_eq!((problem.kind, problem.retry), (kind, true), "{answer}");
        });
    }
}

#[test]
fn what_is_under_way_at_the_end_is_read_before_the_good_bye() {
    let transcript = "C: y1 EXAMINE \"A\"\nC: y2 UID FETCH 1 (UID BODY.PEEK[])\n".to_owned()
        + &opened("y1", 1, 7)
        + &body(1, "a2 OK")
        + "S: y2 OK\nC: a2 LOGOUT\nS: * BYE\n";
    for chunk in [usize::MAX, 1] {
        let script = Script::new(format!("{LOGIN}{transcript}").as_bytes(), chunk);
        let mut session = script.open().unwrap();
        foresee(&mut session, &[("A", Some(&[1]))]);
        session.logout();
        script.finish();
    }
}

#[test]
fn no_more_is_asked_ahead_than_there_is_room_for() {
    let large: Vec<(Uid, u64)> = (1..=3)
        .map(|uid| (Uid::new(uid).unwrap(), ahead::BYTES / 2))
        .collect();
    let (first, next) = (folder("A"), folder("B"));
    let foreseen = [
        Foreseen {
            folder: &first,
            then: Then::Fetch(&large),
        },
        Foreseen {
            folder: &next,
            then: Then::Nothing,
        },
    ];
    // 48 MiB are one command, and fill all the room there is until their turn has come.
    let transcript = "C: y1 EXAMINE \"A\"\nC: y2 UID FETCH 1:3 (UID BODY.PEEK[])\n".to_owned()
        + &opened("y1", 3, 7);
    play(&transcript, |session| {
        session.foresee(&[], &foreseen).unwrap();
        session.examine(&first).unwrap();
    });
    let many: Vec<ListedFolder> = (0..100).map(|at| folder(&format!("{at}"))).collect();
    let foreseen: Vec<Foreseen<'_>> = many
        .iter()
        .map(|folder| Foreseen {
            folder,
            then: Then::List,
        })
        .collect();
    let asked: String = (0..32)
        .map(|at| {
            format!(
                "C: y{} EXAMINE \"{at}\"\nC: y{} {LIST}\n",
                2 * at + 1,
                2 * at + 2
            )
        })
        .collect();
    // The answer to a listing makes room for one more.
    let transcript = asked
        + &opened("y1", 1, 7)
        + &format!("C: y65 EXAMINE \"32\"\nC: y66 {LIST}\n")
        + &line(4)
        + "S: y2 OK\n";
    play(&transcript, |session| {
        session.foresee(&[], &foreseen).unwrap();
        assert_eq!(look(session, "0").unwrap(), [4]);
    });
}
