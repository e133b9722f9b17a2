//! Messages by UID FETCH, streamed: large commands, several of them under way, and what one of them
//! does not bring asked for again, message by message.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;

use super::Talk;
use super::ahead::{self, Load, Question};
use super::items::{self, Item, Section};
use super::reader::{Fault, Response};
use super::reply::{Reply, Status};
use crate::mail::Uid;
use crate::problem::Reach;
use crate::source::{BodySink, Refused, most_octets};
use crate::text::printable_bytes;

/// The most messages of one command, and the most of their bytes.
const BATCH_COUNT: usize = 1000;
/// The first command asks for so many messages, each one after it for so many more. A Dovecot answers
/// commands side by side while it waits for the line: if all were as long, all would end at once, and
/// the line would be empty until the next ones have reached the server.
const BATCH_GROWTH: usize = 125;
const BATCH_BYTES: u64 = 64 << 20;
/// The most ranges of one command: 350 of at most 22 characters stay below the 8,000 that all
/// servers take (RFC 7162 section 4).
pub const RANGE_LIMIT: usize = 350;
/// Commands under way: the server begins the next while the last bytes of one are on the line.
const IN_FLIGHT: usize = 2;
/// The most of them where they ask for little, and the most octets that they have: while the server waits for
/// us to read it need not read, so that they have to fit the buffers between.
const SMALL_IN_FLIGHT: usize = 8;
const SMALL_COMMANDS: usize = 16 << 10;

/// The most characters of why a message does not come: it may be as many as there are messages.
const WHY_LENGTH: usize = 300;

/// The beginning of the ascending `uids` as a sequence set of at most `most` messages, and how
/// many it names. A range stands only for UIDs that are all asked for.
pub fn set_of(uids: impl Iterator<Item = u32>, most: usize) -> (String, usize) {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut count = 0;
    for uid in uids.take(most) {
        let full = ranges.len() == RANGE_LIMIT;
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            _ if full => break,
            _ => ranges.push((uid, uid)),
        }
        count += 1;
    }
    let mut set = String::new();
    for (first, last) in ranges {
        if !set.is_empty() {
            set.push(',');
        }
        let _ = match first == last {
            true => write!(set, "{first}"),
            false => write!(set, "{first}:{last}"),
        };
    }
    (set, count)
}

/// A message that is asked for.
struct Wanted {
    uid: u32,
    announced: u64,
    done: bool,
    /// Why it is not, as far as its own answer tells.
    why: Option<String>,
}

/// A command under way.
struct Batch {
    tag: String,
    /// Ascending by UID.
    messages: Vec<Wanted>,
    /// Octets of all of them, as announced, and of the command.
    load: Load,
    /// One message, asked for the second time.
    again: bool,
}

/// A command that is to be sent.
struct Next {
    command: String,
    messages: Vec<(u32, u64)>,
    again: bool,
}

/// What to ask for next.
struct Agenda<'w> {
    /// Ascending by UID.
    fresh: &'w [(Uid, u64)],
    again: VecDeque<(u32, u64)>,
    /// The most messages that the next command asks for.
    most: usize,
}

/// Streams the messages of `wanted` to `sink`; returns those that cannot be had.
pub fn fetch(
    talk: &mut Talk<'_>,
    section: Section,
    wanted: &[(Uid, u64)],
    sink: &mut dyn BodySink,
) -> Result<Refused, Fault> {
    let fresh = ascending(wanted);
    let mut agenda = Agenda::of(&fresh);
    let mut waiting = None;
    let mut flight: VecDeque<Batch> = VecDeque::new();
    let mut refused = Refused::new();
    loop {
        if flight.is_empty() && talk.compresses_next() {
            talk.compress()?;
        }
        while let Some(next) = waiting.take().or_else(|| agenda.next(section)) {
            // What has been asked ahead may be answered at any time: Dovecot begins a FETCH while the
            // one before it waits for the line.
            let may_send =
                has_room(&flight, next.command.len()) || talk.ahead.has_asked(&next.command);
            let may_send = may_send && !talk.compresses_next();
            if !may_send || (!flight.is_empty() && !talk.ahead.is_next(&next.command)) {
                waiting = Some(next);
                break;
            }
            talk.ahead.under_way = load(&flight).with(octets(&next.messages), next.command.len());
            flight.push_back(next.send(talk)?);
        }
        if flight.is_empty() {
            if waiting.is_some() {
                // Compression comes first; another connection may just have found the line slow.
                continue;
            }
            return Ok(refused);
        }
        match talk.next()? {
            Response::Fetch => take_message(talk, section, &mut flight, sink)?,
            Response::Tagged(tag, reply) => {
                let batch = flight
                    .iter()
                    .position(|batch| batch.tag == tag)
                    .and_then(|at| flight.remove(at))
                    .ok_or_else(Fault::never_sent)?;
                settle(batch, &reply, &mut agenda, &mut refused)?;
                talk.ahead.under_way = load(&flight);
                talk.ask_ahead()?;
            }
            _ => talk.reader.unasked()?,
        }
    }
}

/// The commands by which [`fetch`] asks for `wanted`, to be asked ahead.
pub fn questions(section: Section, wanted: &[(Uid, u64)]) -> Vec<Question> {
    let fresh = ascending(wanted);
    let mut agenda = Agenda::of(&fresh);
    let mut questions = Vec::new();
    while let Some(next) = agenda.next(section) {
        let bytes = octets(&next.messages);
        questions.push(Question::fetch(next.command, bytes));
    }
    questions
}

/// `wanted` by UID, each once. Mostly it is so already, and then not held a second time: it may be a
/// million messages.
fn ascending(wanted: &[(Uid, u64)]) -> Cow<'_, [(Uid, u64)]> {
    if wanted.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Cow::Borrowed(wanted);
    }
    let mut fresh = wanted.to_vec();
    fresh.sort_unstable_by_key(|(uid, _)| *uid);
    fresh.dedup_by_key(|(uid, _)| *uid);
    Cow::Owned(fresh)
}

fn octets(messages: &[(u32, u64)]) -> u64 {
    let sizes = messages.iter().map(|(_, announced)| *announced);
    sizes.fold(0, u64::saturating_add)
}

/// What the commands under way take in all.
fn load(flight: &VecDeque<Batch>) -> Load {
    let none = Load::default();
    flight.iter().fold(none, |sum, Batch { load, .. }| {
        sum.with(load.bytes, load.commands)
    })
}

/// Whether a command of so many octets may be sent beside those under way: some are at any rate, and more
/// where they ask for too little to fill a long line.
fn has_room(flight: &VecDeque<Batch>, octets: usize) -> bool {
    let is_small = || {
        let Load { bytes, commands } = load(flight);
        bytes < ahead::BYTES && commands + octets <= SMALL_COMMANDS
    };
    flight.len() < IN_FLIGHT || (flight.len() < SMALL_IN_FLIGHT && is_small())
}

impl Next {
    fn send(self, talk: &mut Talk<'_>) -> Result<Batch, Fault> {
        let tag = talk.send(&[&self.command])?.concat();
        let load = Load::default().with(octets(&self.messages), self.command.len());
        let messages = self.messages.into_iter().map(|(uid, announced)| Wanted {
            uid,
            announced,
            done: false,
            why: None,
        });
        Ok(Batch {
            tag,
            messages: messages.collect(),
            load,
            again: self.again,
        })
    }
}

impl<'w> Agenda<'w> {
    fn of(fresh: &'w [(Uid, u64)]) -> Self {
        Self {
            fresh,
            again: VecDeque::new(),
            most: BATCH_GROWTH,
        }
    }

    fn next(&mut self, section: Section) -> Option<Next> {
        let (messages, again) = match self.again.pop_front() {
            Some(message) if self.fresh.is_empty() => (vec![message], true),
            once_more => {
                if let Some(message) = once_more {
                    self.again.push_front(message);
                }
                let (batch, rest) = self.fresh.split_at(self.next_count());
                self.fresh = rest;
                self.most = (self.most + BATCH_GROWTH).min(BATCH_COUNT);
                let batch = batch
                    .iter()
                    .map(|(uid, announced)| (uid.value(), *announced));
                (batch.collect(), false)
            }
        };
        if messages.is_empty() {
            return None;
        }
        let (set, _) = set_of(messages.iter().map(|(uid, _)| *uid), messages.len());
        Some(Next {
            command: format!("UID FETCH {set} (UID {})", section.asked()),
            messages,
            again,
        })
    }

    /// How many messages the next command asks for.
    fn next_count(&self) -> usize {
        let mut bytes = 0u64;
        let by_size = self
            .fresh
            .iter()
            .take_while(|(_, announced)| {
                let fits = bytes == 0 || bytes.saturating_add(*announced) <= BATCH_BYTES;
                bytes = bytes.saturating_add(*announced);
                fits
            })
            .count();
        let most = by_size.min(self.most);
        let (_, count) = set_of(self.fresh.iter().map(|(uid, _)| uid.value()), most);
        count
    }
}

/// A command has ended: what it did not bring is asked for once more, alone, and then given up.
fn settle(
    batch: Batch,
    reply: &Reply,
    agenda: &mut Agenda<'_>,
    refused: &mut Refused,
) -> Result<(), Fault> {
    let is_ok = reply.status == Status::Ok;
    let mut missing = batch
        .messages
        .into_iter()
        .filter(|wanted| !wanted.done)
        .peekable();
    if !is_ok && reply.is_throttling() && missing.peek().is_some() {
        // Asking again at once, a thousand times over, is what the server asks us not to do.
        return Err(reply.refusal("to send messages", Reach::User).into());
    }
    for wanted in missing {
        if !batch.again {
            agenda.again.push_back((wanted.uid, wanted.announced));
            continue;
        }
        let why = wanted.why.unwrap_or_else(|| match is_ok {
            true => "the server did not send it".to_owned(),
            false => format!("the server refused: {}", reply.shown()),
        });
        refused.push((wanted.uid, printable_bytes(why.as_bytes(), WHY_LENGTH)));
    }
    Ok(())
}

/// What a FETCH response had for a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    Nil,
    /// There, and of no bytes; the sink has not been told.
    Empty,
    /// There, and of so many bytes that it is not believed; the sink has not been told.
    Endless(u64),
    /// With the sink, which waits to hear whose it is.
    Streamed,
}

/// Reads one FETCH response.
fn take_message(
    talk: &mut Talk<'_>,
    section: Section,
    flight: &mut VecDeque<Batch>,
    sink: &mut dyn BodySink,
) -> Result<(), Fault> {
    let mut uid = None;
    let mut body = Body::None;
    let nonsense = match read_items(talk, section, flight, sink, &mut uid, &mut body) {
        Ok(()) => None,
        Err(Fault::Nonsense(why)) => Some(why),
        Err(fault) => {
            if body == Body::Streamed {
                sink.abandon();
            }
            return Err(fault);
        }
    };
    let of = match uid {
        Some(uid) => format!("UID {uid}"),
        None => "a message without a UID".to_owned(),
    };
    if let Some(why) = nonsense {
        talk.warnings.add(format!("{of}: {why}"));
    }
    let Some(wanted) = uid.and_then(|uid| find(flight, uid)) else {
        if body == Body::Streamed {
            sink.abandon();
        }
        if body != Body::None {
            talk.warnings
                .add(format!("{of} came unasked and is left out"));
        }
        return talk.reader.unasked();
    };
    match body {
        Body::Streamed => {
            sink.end(wanted.uid)?;
            wanted.done = true;
        }
        Body::Empty if wanted.announced == 0 => {
            sink.begin(Some(0))?;
            sink.end(wanted.uid)?;
            wanted.done = true;
        }
        Body::Empty => wanted.why = Some("the server sent an empty body".to_owned()),
        Body::Endless(length) => {
            let listed = wanted.announced;
            let why = format!("the server lists {listed} octets and wants to send {length}");
            wanted.why = Some(why);
        }
        Body::Nil => wanted.why = Some("the server has no body for it (NIL)".to_owned()),
        Body::None => {
            if let Some(why) = nonsense {
                wanted.why = Some(format!("the server's answer makes no sense: {why}"));
            }
            talk.reader.unasked()?;
        }
    }
    Ok(())
}

/// Reads the items. `body` says at any time whether the sink has a body that it must be told the
/// end of.
fn read_items(
    talk: &mut Talk<'_>,
    section: Section,
    flight: &mut VecDeque<Batch>,
    sink: &mut dyn BodySink,
    uid: &mut Option<u32>,
    body: &mut Body,
) -> Result<(), Fault> {
    items::open(&mut talk.reader)?;
    while let Some(item) = items::next(&mut talk.reader)? {
        let length = match item {
            Item::Uid(said) => {
                if uid.is_some_and(|known| known != said.value()) {
                    // Whose body it is can no longer be told.
                    *uid = None;
                    return Err(Fault::Nonsense("it has two UIDs"));
                }
                *uid = Some(said.value());
                continue;
            }
            Item::Nil(of) if of == section => {
                if *body == Body::None {
                    *body = Body::Nil;
                }
                continue;
            }
            Item::Literal(of, length) if of == section => Some(length),
            Item::Quoted(of) if of == section => None,
            _ => continue,
        };
        let unwanted = uid.is_some_and(|uid| find(flight, uid).is_none());
        if unwanted || *body == Body::Streamed {
            // The reader skips it. An unwanted one counts as a body that came unasked.
            if *body == Body::None {
                *body = Body::Empty;
            }
            continue;
        }
        let length = length.unwrap_or(talk.reader.text().len() as u64);
        if length > most_octets(announced(flight, *uid)) {
            // Skipped by the reader.
            *body = Body::Endless(length);
            continue;
        }
        if length == 0 {
            *body = Body::Empty;
            continue;
        }
        sink.begin(Some(length))?;
        *body = Body::Streamed;
        if let Item::Literal(..) = item {
            talk.reader.literal(|piece| sink.data(piece))?;
            if !talk.reader.list_goes_on()? {
                // What came is not all of it.
                sink.abandon();
                *body = Body::None;
                return Err(Fault::Nonsense(
                    "the message does not end where the server says",
                ));
            }
        } else {
            sink.data(talk.reader.text())?;
        }
    }
    Ok(())
}

/// How many octets the message `uid` is listed with; of one that is not known yet, the most of any.
fn announced(flight: &mut VecDeque<Batch>, uid: Option<u32>) -> u64 {
    match uid {
        Some(uid) => find(flight, uid).map_or(0, |wanted| wanted.announced),
        None => {
            let messages = flight.iter().flat_map(|batch| &batch.messages);
            let sizes = messages.map(|wanted| match wanted.announced {
                // Not known is more than any.
                0 => u64::MAX,
                announced => announced,
            });
            sizes.max().filter(|most| *most < u64::MAX).unwrap_or(0)
        }
    }
}

/// The message `uid`, if it is asked for and has not come yet.
fn find(flight: &mut VecDeque<Batch>, uid: u32) -> Option<&mut Wanted> {
    flight.iter_mut().find_map(|batch| {
        let at = batch
            .messages
            .binary_search_by_key(&uid, |wanted| wanted.uid)
            .ok()?;
        batch.messages.get_mut(at).filter(|wanted| !wanted.done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_name_what_is_wanted_and_nothing_between() {
        for (uids, most, want) in [
            (&[][..], 9, ("", 0)),
            (&[7], 9, ("7", 1)),
            (&[1, 2, 3, 5, 7, 8], 9, ("1:3,5,7:8", 6)),
            (&[1, 2, 3, 5], 2, ("1:2", 2)),
            (&[u32::MAX - 1, u32::MAX], 9, ("4294967294:4294967295", 2)),
        ] {
            let (set, count) = set_of(uids.iter().copied(), most);
            assert_eq!((set.as_str(), count), want);
        }
        let sparse = (0..5000).map(|at| u32::MAX - 15_000 + 3 * at);
        let pairs = sparse.flat_map(|uid| [uid, uid + 1]);
        let (set, count) = set_of(pairs, 5000);
        assert_eq!(count, 700);
        assert!(set.len() < 7_900, "{}", set.len());
    }

    #[test]
    fn commands_are_cut_by_count_and_by_bytes() {
        let wanted = |messages: &[(u32, u64)]| -> Vec<(Uid, u64)> {
            let messages = messages.iter();
            messages
                .map(|(uid, announced)| (Uid::new(*uid).unwrap(), *announced))
                .collect()
        };
        let dense = |count: u32, announced: u64| {
            let messages: Vec<_> = (1..=count).map(|uid| (uid, announced)).collect();
            wanted(&messages)
        };
        for (fresh, want) in [
            (dense(5000, 10), 1000),
            (dense(50, 10), 50),
            (dense(50, 16 << 20), 4),
            (dense(50, 1 << 40), 1),
            (dense(50, u64::MAX), 1),
            (dense(5000, 0), 1000),
            (dense(0, 0), 0),
            (wanted(&[(1, 0), (2, 65 << 20), (3, 1)]), 2),
        ] {
            let agenda = Agenda {
                most: BATCH_COUNT,
                ..Agenda::of(&fresh)
            };
            assert_eq!(agenda.next_count(), want, "{:?}", fresh.first());
        }
    }

    #[test]
    fn more_is_under_way_while_it_is_little() {
        // (commands under way, octets of the answer to each, of each command, one more)
        for (count, bytes, octets, more) in [
            (1, 1 << 40, 8000, true),
            (2, 16 << 20, 30, false),
            (2, 1 << 20, 30, true),
            (7, 1 << 20, 2000, true),
            (8, 1, 30, false),
            (2, 1 << 20, 5000, true),
            (3, 1 << 20, 5000, false),
        ] {
            let batch = |at: usize| Batch {
                tag: format!("x{at}"),
                messages: Vec::new(),
                load: Load::default().with(bytes, octets),
                again: false,
            };
            let flight = (0..count).map(batch).collect();
            let context = format!("{count} {bytes} {octets}");
            assert_eq!(has_room(&flight, octets), more, "{context}");
        }
    }

    #[test]
    fn the_first_commands_are_of_different_lengths() {
        let uids = (1..=7000).filter_map(Uid::new);
        let fresh: Vec<(Uid, u64)> = uids.map(|uid| (uid, 10)).collect();
        let mut agenda = Agenda::of(&fresh);
        let commands = std::iter::from_fn(|| agenda.next(Section::Whole));
        let counts: Vec<usize> = commands.map(|next| next.messages.len()).collect();
        let grown = [125, 250, 375, 500, 625, 750, 875, 1000, 1000, 1000, 500];
        assert_eq!(counts, grown);
    }
}
