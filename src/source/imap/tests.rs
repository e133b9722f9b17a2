//! Whole sessions against transcripts.

use super::script::{Keep, Script, anna, endpoint};
use super::*;
use crate::mail::{Flags, FolderPath};
use crate::source::login::{Login, Mechanism, Secret};
use crate::source::net::Security;

const LOGIN: &[u8] = b"\
S: * OK hello
C: a1 CAPABILITY
S: * CAPABILITY IMAP4rev1
S: a1 OK
C: a2 LOGIN \"anna\" \"s3cret-word\"
S: a2 OK in
C: a3 CAPABILITY
S: * CAPABILITY IMAP4rev1 NAMESPACE
S: a3 OK
";

const WHOLE: &[u8] = include_bytes!("../../../fixtures/imap/session.txt");

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn wanted(uids: &[(u32, u64)]) -> Vec<(Uid, u64)> {
    uids.iter().map(|(value, size)| (uid(*value), *size)).collect()
}

/// Plays `transcript` after a login, in whole lines and byte by byte, and checks that `act` does
/// what it says.
fn play(transcript: &[u8], act: impl Fn(&mut Session)) {
    for chunk in [usize::MAX, 1] {
        let script = Script::new(&[LOGIN, transcript].concat(), chunk);
        let mut session = Session::open(
            script.connection(None),
            &anna(),
            &endpoint(Security::Tls),
        )
        .unwrap();
        act(&mut session);
        script.finish();
    }
}

fn folder(wire_name: &str) -> ListedFolder {
    ListedFolder {
        wire_name: wire_name.to_owned(),
        path: FolderPath::new(vec![wire_name.to_owned()]),
        selectable: true,
        repaired: false,
    }
}

/// All that a session can be asked, in the order of `WHOLE`.
fn whole_session(script: &Script, sink: &mut Keep) -> Result<(), Problem> {
    let mut session = Session::open(script.connection(None), &anna(), &endpoint(Security::Tls))?;
    let folders = session.list_folders()?;
    let sent = folders
        .folders
        .iter()
        .find(|folder| folder.path.parts() == ["Gesendete Objekte"])
        .cloned()
        .unwrap_or_else(|| folder("INBOX.Gesendete Objekte"));
    let examined = session.examine(&sent)?;
    let list = session.list_messages(examined.exists)?;
    let sizes: Vec<_> = list.entries.iter().map(|entry| (entry.uid, entry.size)).collect();
    session.fetch_bodies(&sizes, sink)?;
    session.fetch_headers(&[uid(7), uid(11)], sink)?;
    session.fetch_guids(&[uid(7), uid(8), uid(11)])?;
    session.logout();
    Ok(())
}

const HOSTILE_BODY: &[u8] = b"x5 OK Fetch completed.\r\n* BYE not really\r\na){3}\r\n";

fn expected_messages() -> Vec<(u32, Vec<u8>)> {
    vec![
        (7, b"A: b\r\n\r\nx".to_vec()),
        (8, HOSTILE_BODY[..47].to_vec()),
        (11, b"C:\r\n".to_vec()),
        (7, b"A: b\r\n\r\n".to_vec()),
        (11, b"C:\r\n".to_vec()),
    ]
}
