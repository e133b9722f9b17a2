//! Opening a folder read-only: EXAMINE, with what CONDSTORE and QRESYNC (RFC 7162) add to it.

use super::Talk;
use super::ahead::Ahead;
use super::extensions::{Extensions, Qresync};
use super::heard::Heard;
use super::reader::{Fault, Response};
use super::reply::{Reply, Status};
use crate::mail::UidValidity;
use crate::problem::{Kind, Problem, Reach};
use crate::source::{Examined, Since};

/// The longest MAILBOXID (RFC 8474 section 7).
const ID_LIMIT: usize = 255;
/// The most bytes of known UIDs in a command, which all in all may have 8,000 (RFC 7162 section 4).
const KNOWN_LIMIT: usize = 4000;

const ENABLE: &str = "ENABLE QRESYNC";

/// A folder that is open.
#[derive(Debug)]
pub struct Opened {
    /// What was said of it.
    pub examined: Examined,
    /// The server was asked by QRESYNC, and took the question.
    pub resynced: bool,
}

/// What to ask for with EXAMINE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    /// The changes since.
    Resync,
    /// HIGHESTMODSEQ.
    Condstore,
    /// Nothing.
    None,
}

/// Opens the folder `name`; what is said by the way goes to `heard`. With `since`, the changes are
/// asked for too where the server has QRESYNC. The inner error is a refusal of the folder.
pub fn open(
    talk: &mut Talk<'_>,
    name: &str,
    since: Option<&Since<'_>>,
    heard: &mut Heard<'_>,
) -> Result<Result<Opened, Problem>, Fault> {
    let Some(name) = quoted(name) else {
        return Ok(Err(Problem::new(
            Kind::Refused,
            Reach::Folder,
            "the folder's name cannot be said to the server",
        )));
    };
    let mut unwelcome = Vec::new();
    let (extra, outcome) = loop {
        let (extra, text) = extra(talk.extensions, since, &unwelcome);
        match attempt(talk, &format!("EXAMINE {name}{text}"), heard)? {
            Err(reply) if extra != Extra::None && !reply.is_busy() => unwelcome.push(extra),
            outcome => break (extra, outcome),
        }
    };
    talk.ahead.opened(None);
    let mut examined = match outcome {
        Ok(examined) => examined,
        Err(reply) => return Ok(Err(reply.refusal("to open the folder", Reach::Folder))),
    };
    // Without it the folder opens, so it was not for the folder's sake.
    for extra in unwelcome {
        match extra {
            Extra::Resync => talk.extensions.qresync = Qresync::Absent,
            Extra::Condstore => talk.extensions.condstore = false,
            Extra::None => {}
        }
    }
    let Some(exists) = heard.exists else {
        // Taken for 0, it would be the end of all that was there.
        return Ok(Err(Problem::new(
            Kind::Protocol,
            Reach::Folder,
            "the server opened the folder and did not say how many messages it has",
        )));
    };
    examined.exists = exists;
    talk.ahead.opened(Some((&name, examined.uid_validity)));
    let resynced = extra == Extra::Resync && talk.extensions.qresync == Qresync::Enabled;
    Ok(Ok(Opened { examined, resynced }))
}

/// The commands by which [`open`] opens the folder `name`, to be asked ahead; `since` as there,
/// `is_first`: none has been opened before. `None`: there are none.
pub fn commands(
    extensions: &Extensions,
    name: &str,
    since: Option<&Since<'_>>,
    is_first: bool,
) -> Option<Vec<String>> {
    let (_, text) = extra(extensions, since, &[]);
    let mut commands = vec![format!("EXAMINE {}{text}", quoted(name)?)];
    if is_first && extensions.qresync == Qresync::Offered {
        commands.insert(0, ENABLE.to_owned());
    }
    Some(commands)
}

/// What to ask for with EXAMINE, with the words for it; never what is `unwelcome`.
fn extra(
    extensions: &Extensions,
    since: Option<&Since<'_>>,
    unwelcome: &[Extra],
) -> (Extra, String) {
    let refused = |extra| unwelcome.contains(&extra);
    let resync = since.and_then(resync).filter(|_| !refused(Extra::Resync));
    match resync {
        Some(text) if extensions.qresync != Qresync::Absent => (Extra::Resync, text),
        _ if extensions.condstore && !refused(Extra::Condstore) => {
            (Extra::Condstore, " (CONDSTORE)".to_owned())
        }
        _ => (Extra::None, String::new()),
    }
}

/// Has a folder opened. A refusal is believed only of a command that came in its turn. The inner error
/// is what the server says instead of OK.
fn attempt(
    talk: &mut Talk<'_>,
    command: &str,
    heard: &mut Heard<'_>,
) -> Result<Result<Examined, Reply>, Fault> {
    let (outcome, was_ahead) = once(talk, command, heard)?;
    match outcome {
        Err(reply) if was_ahead && !reply.is_busy() => {
            let (alone, _) = once(talk, command, heard)?;
            if alone.is_ok() {
                talk.ahead.stumbled();
            }
            Ok(alone)
        }
        outcome => Ok(outcome),
    }
}

/// One EXAMINE, with ENABLE before it where that is due, and whether it was asked ahead.
fn once(
    talk: &mut Talk<'_>,
    command: &str,
    heard: &mut Heard<'_>,
) -> Result<(Result<Examined, Reply>, bool), Fault> {
    let mut commands = vec![command];
    if talk.extensions.qresync == Qresync::Offered {
        commands.insert(0, ENABLE);
        // Until the server says otherwise.
        talk.extensions.qresync = Qresync::Absent;
    }
    let mut tags = talk.send(&commands)?;
    let was_ahead = tags.last().is_some_and(|tag| Ahead::is_of(tag));
    let mut examined = Examined::default();
    heard.forget();
    let reply = loop {
        match talk.hear()? {
            Response::Tagged(tag, reply) if tags.last() == Some(&tag) => break reply,
            Response::Tagged(tag, _) => {
                let at = tags.iter().position(|sent| *sent == tag);
                tags.remove(at.ok_or_else(Fault::never_sent)?);
            }
            Response::Status(reply) => {
                talk.reader.unasked()?;
                let is_closed = |code: &str| code.eq_ignore_ascii_case("CLOSED");
                if reply.code().is_some_and(|(code, _)| is_closed(code)) {
                    // All until here was about the folder that was open before.
                    heard.forget();
                    examined = Examined::default();
                }
                take_code(&mut examined, &reply);
            }
            Response::Data if talk.reader.text().eq_ignore_ascii_case(b"ENABLED") => {
                let words = talk.reader.rest().to_ascii_uppercase();
                if words
                    .split(|byte| *byte == b' ')
                    .any(|word| word == b"QRESYNC")
                {
                    talk.extensions.qresync = Qresync::Enabled;
                }
                talk.reader.unasked()?;
            }
            response => heard.take(talk, response)?,
        }
    };
    if reply.status != Status::Ok {
        return Ok((Err(reply), was_ahead));
    }
    // Some servers say it only here.
    take_code(&mut examined, &reply);
    Ok((Ok(examined), was_ahead))
}

/// Takes in a response code, if it is one that tells of the folder.
pub fn take_code(examined: &mut Examined, reply: &Reply) {
    let Some((code, value)) = reply.code() else {
        return;
    };
    let value = value.trim();
    match code.to_ascii_uppercase().as_str() {
        "UIDVALIDITY" => examined.uid_validity = value.parse().ok().and_then(UidValidity::new),
        "UIDNEXT" => examined.uid_next = value.parse().ok(),
        "HIGHESTMODSEQ" => {
            examined.highest_modseq = value.parse().ok().filter(|modseq| *modseq > 0);
        }
        "NOMODSEQ" => examined.highest_modseq = None,
        "MAILBOXID" => {
            let id = value.trim_start_matches('(').trim_end_matches(')');
            examined.mailbox_id = mailbox_id(id);
        }
        _ => {}
    }
}

/// `text` as a MAILBOXID.
fn mailbox_id(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = !text.is_empty() && text.len() <= ID_LIMIT && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}

/// ` (QRESYNC (67890007 90060115194045001 41:211))`; `None` where there is nothing to ask by.
pub fn resync(since: &Since<'_>) -> Option<String> {
    let modseq = since.highest_modseq.filter(|modseq| *modseq > 0)?;
    if since.known.is_empty() {
        return None;
    }
    let known = since.known.to_string();
    // Without them it tells of all UIDs that have gone, known or not.
    let known = match known.len() <= KNOWN_LIMIT {
        true => format!(" {known}"),
        false => String::new(),
    };
    let validity = since.uid_validity;
    Some(format!(" (QRESYNC ({validity} {modseq}{known}))"))
}

/// `name` as a quoted string (RFC 3501 section 9), 8-bit bytes as they are; `None` for what no such
/// string can hold.
pub fn quoted(name: &str) -> Option<String> {
    if name.contains(['\r', '\n', '\0']) {
        return None;
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{escaped}\""))
}
