//! A whole IMAP session with a server that says anything. The first byte chooses how it begins and in
//! what pieces it comes.

use std::io::BufReader;

use mailseed::mail::{Uid, UidSet, UidValidity};
use mailseed::problem::Problem;
use mailseed::source::imap::{Attribute, Foreseen, Session, Then};
use mailseed::source::net::{Connection, Protocol};
use mailseed::source::{ListedFolder, Since};

use super::stream::{SECRET, Sink, Stream, check, endpoint, login};

const GREETING: &[u8] = b"* OK [CAPABILITY IMAP4REV1 NAMESPACE AUTH=PLAIN] hi\r\n\xff OK [CAPABILITY IMAP4REV1 \
    NAMESPACE ID LIST-STATUS SPECIAL-USE LIST-EXTENDED CONDSTORE QRESYNC ENABLE ESEARCH UIDPLUS OBJECTID \
    X-GM-EXT-1 COMPRESS=DEFLATE STATUS=SIZE LITERAL+] in\r\n";
const PLAIN: &[u8] =
    b"* OK [CAPABILITY IMAP4REV1 AUTH=PLAIN] hi\r\n\xff OK [CAPABILITY IMAP4REV1] in\r\n";

pub fn run(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else {
        return;
    };
    let piece = [1, 7, 100, 4096][usize::from(how >> 2) % 4];
    let first: &[u8] = match how & 3 {
        0 | 1 => GREETING,
        2 => PLAIN,
        _ => b"",
    };
    let stream = Stream::new(first, bytes, piece);
    let connection = Connection {
        stream: BufReader::new(Box::new(stream.clone())),
        greeting: None,
        line: Default::default(),
    };
    let outcome = talk(connection, how >> 4);
    let heard = stream.heard();
    if let Err(problem) = outcome {
        check(&problem, &heard);
    }
    let mut lines = heard.split(|byte| *byte == b'\n');
    assert_eq!(lines.next_back(), Some(&b""[..]), "half a command");
    // Nothing that a server says makes a command.
    for line in lines {
        let words = line.strip_suffix(b"\r").expect("commands end in CRLF");
        assert!(!words.iter().any(|byte| b"\0\r".contains(byte)));
    }
}

fn talk(connection: Connection, what: u8) -> Result<(), Problem> {
    let mut session = Session::open(connection, &login(), &endpoint(Protocol::Imap))?;
    let outcome = converse(&mut session, what);
    for warning in session.take_warnings() {
        assert!(!warning.contains(SECRET), "{warning}");
        assert!(!warning.chars().any(char::is_control), "{warning:?}");
    }
    session.logout();
    outcome
}

fn converse(session: &mut Session, what: u8) -> Result<(), Problem> {
    if what & 1 == 0 {
        session.software()?;
    }
    let list = session.list_folders(what & 2 == 0)?;
    let folders: Vec<&ListedFolder> = list.folders.iter().filter(|it| it.selectable).collect();
    for folder in &list.folders {
        assert!(!folder.wire_name.contains(['\0', '\r', '\n']));
        assert!(folder.path.parts().iter().all(|part| !part.is_empty()));
    }
    if what & 4 == 0 {
        session.status(&folders)?;
    }
    for folder in folders.iter().take(2) {
        if what & 8 == 0 {
            let foreseen = [Foreseen {
                folder,
                then: Then::List,
            }];
            session.foresee(&[], &foreseen)?;
        }
        let examined = match session.examine(folder) {
            Err(problem) if problem.folder.is_some() => {
                check(&problem, b"PASS");
                continue;
            }
            examined => examined?,
        };
        let listed = session.list_messages(examined.exists)?;
        assert!(
            listed
                .entries
                .is_sorted_by(|one, other| one.uid < other.uid)
        );
        let wanted: Vec<(Uid, u64)> = listed
            .entries
            .iter()
            .take(4)
            .map(|it| (it.uid, it.size))
            .collect();
        let uids: Vec<Uid> = wanted.iter().map(|(uid, _)| *uid).collect();
        let mut sink = Sink::new(uids.iter().map(|uid| uid.value()));
        let outcome = session.fetch_bodies(&wanted, &mut sink);
        sink.close(&outcome);
        outcome?;
        let mut sink = Sink::new(uids.iter().map(|uid| uid.value()));
        let outcome = session.fetch_headers(&uids, &mut sink);
        sink.close(&outcome);
        outcome?;
        for attribute in [Attribute::XGuid, Attribute::EmailId, Attribute::MessageId] {
            session.fetch_attributes(attribute, &uids)?;
        }
        let found = session.search("UNSEEN", &listed.entries)?;
        assert!(
            found
                .iter()
                .all(|uid| listed.entries.iter().any(|it| it.uid == uid))
        );
        let known: UidSet = listed.entries.iter().map(|it| it.uid).collect();
        let since = Since {
            uid_validity: UidValidity::new(1).expect("one is more than zero"),
            highest_modseq: Some(5),
            known: &known,
            uid_next: known
                .last()
                .map_or(1, |last| last.value().saturating_add(1)),
        };
        session.changes(folder, &since)?;
        session.list_some(&known)?;
    }
    Ok(())
}
