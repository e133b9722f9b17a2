//! What a folder holds: `UID FETCH` of flags, dates and sizes, of all messages or of some.

use std::collections::VecDeque;

use super::Talk;
use super::ahead::Ahead;
use super::bodies::RANGE_LIMIT;
use super::gather::{Gathered, most};
use super::reader::{Fault, Response};
use super::reply::{Reply, Status};
use super::sets::{self, Collected};
use crate::mail::UidSet;
use crate::problem::{Problem, Reach};
use crate::source::MessageList;

/// What is asked of each message.
pub const DETAILS: &str = "(UID FLAGS INTERNALDATE RFC822.SIZE)";
/// The command that lists a folder.
pub const COMMAND: &str = "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)";
/// Commands under way.
const IN_FLIGHT: usize = 2;

/// Lists the folder. The inner error is a refusal of the whole.
pub fn list(talk: &mut Talk<'_>, exists: u32) -> Result<Result<MessageList, Problem>, Fault> {
    if exists == 0 {
        return Ok(Ok(MessageList::default()));
    }
    let tags = talk.send(&[COMMAND])?;
    let mut gathered = Gathered::default();
    let mut expunged = 0u64;
    let mut vanished = Collected::default();
    let reply = loop {
        match talk.next()? {
            Response::Tagged(tag, reply) if tags.contains(&tag) => break reply,
            Response::Tagged(..) => return Err(Fault::never_sent()),
            Response::Fetch => gathered.take(talk, most(u64::from(exists)))?,
            Response::Expunge => expunged += 1,
            Response::Data if talk.reader.text().eq_ignore_ascii_case(b"VANISHED") => {
                // Where QRESYNC is on: in place of EXPUNGE (RFC 7162 section 3.2.10).
                match sets::vanished(&mut talk.reader) {
                    Ok(gone) => vanished.add(&gone.uids, most(u64::from(exists)))?,
                    Err(Fault::Nonsense(why)) => talk.warnings.add(why),
                    Err(fault) => return Err(fault),
                }
                talk.reader.unasked()?;
            }
            _ => talk.reader.unasked()?,
        }
    };
    let mut list = gathered.into_list(talk, |_| true);
    let listed: UidSet = list.entries.iter().map(|entry| entry.uid).collect();
    let expunged = expunged.saturating_add(vanished.set().difference(&listed).len());
    let told = list.entries.len() as u64 + list.unreadable.len() as u64;
    let missing = u64::from(exists).saturating_sub(told.saturating_add(expunged));
    let is_whole = reply.status == Status::Ok && missing == 0;
    if !is_whole && tags.iter().any(|tag| Ahead::is_of(tag)) && !reply.is_throttling() {
        // Perhaps it came too early for the server: only what is said in its turn is believed.
        talk.ahead.stumbled();
        return self::list(talk, exists);
    }
    if reply.status != Status::Ok {
        let problem = refused(&reply);
        if list.entries.is_empty() || reply.is_throttling() {
            return Ok(Err(problem));
        }
        talk.warnings.add(problem.to_string());
    }
    if missing > 0 {
        let mut why = format!("the server left {missing} of {exists} messages out of its listing");
        if reply.status != Status::Ok {
            why = format!("{why}: {}", reply.shown());
        }
        list.unreadable.push((None, why));
    }
    Ok(Ok(list))
}

/// Lists those of `uids` that there are. The inner error is a refusal.
pub fn list_some(
    talk: &mut Talk<'_>,
    uids: &UidSet,
) -> Result<Result<MessageList, Problem>, Fault> {
    let mut pieces = uids.ranges().chunks(RANGE_LIMIT);
    let mut flight: VecDeque<String> = VecDeque::new();
    let mut gathered = Gathered::default();
    let (mut refusal, mut throttled) = (None, false);
    loop {
        // What is left would be more of what a throttling server asks us not to do.
        while flight.len() < IN_FLIGHT
            && !throttled
            && let Some(piece) = pieces.next()
        {
            let piece = UidSet::from_ranges(piece.iter().copied());
            let tags = talk.send(&[&format!("UID FETCH {piece} {DETAILS}")])?;
            flight.extend(tags);
        }
        if flight.is_empty() {
            break;
        }
        match talk.next()? {
            Response::Tagged(tag, reply) => {
                let at = flight.iter().position(|sent| *sent == tag);
                at.and_then(|at| flight.remove(at))
                    .ok_or_else(Fault::never_sent)?;
                if reply.status != Status::Ok {
                    let problem = refused(&reply);
                    throttled |= reply.is_throttling();
                    talk.warnings.add(problem.to_string());
                    refusal = Some(problem);
                }
            }
            Response::Fetch => gathered.take(talk, most(uids.len()))?,
            _ => talk.reader.unasked()?,
        }
    }
    let list = gathered.into_list(talk, |uid| uids.contains(uid));
    match refusal {
        Some(problem) if list.entries.is_empty() || throttled => Ok(Err(problem)),
        _ => Ok(Ok(list)),
    }
}

fn refused(reply: &Reply) -> Problem {
    reply.refusal("to list the folder's messages", Reach::Folder)
}
