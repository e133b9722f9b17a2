//! What a server knows of each message that its POP3 side may have made a UIDL of: `UID FETCH` of
//! one short text a message.

use super::Talk;
use super::bodies::set_of;
use super::items::{self, Item};
use super::reader::{Fault, Response};
use super::reply::{Reply, Status};
use crate::mail::Uid;

/// The most messages of one command.
const BATCH: usize = 1000;
/// A value longer than this is none that a UIDL of 70 bytes could have been made of; Message-ID,
/// which may have been hashed, has to fit a line of 998 (RFC 5322 section 2.1.1).
const VALUE_LIMIT: usize = 998;

/// A text that a server has for each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Dovecot's X-GUID: for a message in a Maildir the base name of its file.
    XGuid,
    /// Gmail's X-GM-MSGID, a decimal number.
    GmailId,
    /// EMAILID (RFC 8474).
    EmailId,
    /// The header field X-UIDL.
    XUidl,
    /// The header field Message-ID, as it stands there.
    MessageId,
}

impl Attribute {
    /// The item to ask for. PEEK leaves \Seen alone.
    pub(super) fn asked(self) -> &'static str {
        match self {
            Attribute::XGuid => "X-GUID",
            Attribute::GmailId => "X-GM-MSGID",
            Attribute::EmailId => "EMAILID",
            Attribute::XUidl => "BODY.PEEK[HEADER.FIELDS (X-UIDL)]",
            Attribute::MessageId => "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]",
        }
    }

    /// What has to stand in CAPABILITY (upper case) before it is asked for. X-GUID is announced
    /// by nobody.
    pub(super) fn capability(self) -> Option<&'static str> {
        match self {
            Attribute::GmailId => Some("X-GM-EXT-1"),
            Attribute::EmailId => Some("OBJECTID"),
            Attribute::XGuid | Attribute::XUidl | Attribute::MessageId => None,
        }
    }
}

/// The attribute of those of `uids` that have it. A server that refuses it says so once and is
/// not asked on.
pub fn fetch(
    talk: &mut Talk<'_>,
    attribute: Attribute,
    uids: &[Uid],
) -> Result<Vec<(Uid, String)>, Fault> {
    let mut values = Vec::new();
    let mut uids: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
    uids.sort_unstable();
    uids.dedup();
    let mut rest = uids.as_slice();
    while !rest.is_empty() {
        let (set, count) = set_of(rest.iter().copied(), BATCH);
        let (batch, after) = rest.split_at(count);
        let reply = some(talk, attribute, &set, batch, &mut values)?;
        if reply.status != Status::Ok {
            if values.is_empty() {
                break;
            }
            let item = attribute.asked();
            talk.warnings.add(format!("{item}: {}", reply.shown()));
        }
        rest = after;
    }
    Ok(values)
}

fn some(
    talk: &mut Talk<'_>,
    attribute: Attribute,
    set: &str,
    batch: &[u32],
    values: &mut Vec<(Uid, String)>,
) -> Result<Reply, Fault> {
    let item = attribute.asked();
    let tags = talk.send(&[&format!("UID FETCH {set} (UID {item})")])?;
    let mut answered = vec![false; batch.len()];
    loop {
        match talk.next()? {
            Response::Tagged(tag, reply) if tags.contains(&tag) => return Ok(reply),
            Response::Tagged(..) => {
                return Err(Fault::never_sent());
            }
            Response::Fetch => match read(talk, attribute) {
                Ok((Some(uid), Some(value))) => {
                    let at = batch.binary_search(&uid.value()).ok();
                    let open = at.and_then(|at| answered.get_mut(at)).filter(|it| !**it);
                    if let Some(open) = open {
                        *open = true;
                        values.push((uid, value));
                        continue;
                    }
                }
                Ok(_) => {}
                Err(Fault::Nonsense(why)) => talk.warnings.add(format!("{item}: {why}")),
                Err(fault) => return Err(fault),
            },
            _ => {}
        }
        talk.reader.unasked()?;
    }
}

fn read(talk: &mut Talk<'_>, attribute: Attribute) -> Result<(Option<Uid>, Option<String>), Fault> {
    let (mut uid, mut value) = (None, None);
    items::open(&mut talk.reader)?;
    while let Some(item) = items::next(&mut talk.reader)? {
        match item {
            Item::Uid(of) => uid = Some(of),
            Item::Attribute(of, raw) if of == attribute => value = text(raw, attribute),
            _ => {}
        }
    }
    Ok((uid, value))
}

fn text(raw: Vec<u8>, attribute: Attribute) -> Option<String> {
    let field = match attribute {
        Attribute::XUidl => only_field(&raw, b"x-uidl")?,
        Attribute::MessageId => only_field(&raw, b"message-id")?,
        Attribute::XGuid | Attribute::GmailId | Attribute::EmailId => raw,
    };
    let text = String::from_utf8(field).ok()?;
    (!text.is_empty() && text.len() <= VALUE_LIMIT).then_some(text)
}

/// The value of the field `name` (lower case), unfolded, without white space around it. `None`
/// where it is not there, or more than once: which one counts, nobody knows.
fn only_field(raw: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut value: Option<Vec<u8>> = None;
    let mut inside = false;
    for line in raw.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let (true, Some(value)) = (inside, &mut value) {
                value.extend(line);
            }
            continue;
        }
        let colon = memchr::memchr(b':', line);
        let (before, after) = line.split_at(colon.unwrap_or(line.len()));
        inside = before.trim_ascii().eq_ignore_ascii_case(name) && colon.is_some();
        if inside {
            if value.is_some() {
                return None;
            }
            value = Some(after.strip_prefix(b":").unwrap_or(after).to_vec());
        }
    }
    Some(value?.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_counts_if_it_is_the_only_one() {
        for (raw, want) in [
            (&b"X-UIDL: abc\r\n\r\n"[..], Some("abc")),
            (b"x-uidl :abc", Some("abc")),
            (b"X-UIDL:\r\n abc\r\n", Some("abc")),
            (b"X-UIDL: a\n b\n", Some("a b")),
            (b"X-UIDL: a\r\nX-UIDL: a\r\n", None),
            (b"X-UIDL2: a\r\n b\r\nX-UIDL: c\r\n", Some("c")),
            (b"X-UIDL", None),
            (b"X-UIDL: \r\n", None),
            (b"", None),
            (b"X-UIDL: caf\xe9\r\n", None),
        ] {
            assert_eq!(
                text(raw.to_vec(), Attribute::XUidl).as_deref(),
                want,
                "{raw:?}"
            );
        }
        let long = [b"X-UIDL: ".as_slice(), &[b'a'; 999]].concat();
        assert!(text(long[..long.len() - 1].to_vec(), Attribute::XUidl).is_some());
        assert_eq!(text(long, Attribute::XUidl), None);
    }
}
