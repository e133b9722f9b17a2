//! What the pairing asks for, read from the open sessions and hashed on the way.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::bodies::{FolderBodies, Keeping};
use super::{Breaks, interrupted};
use crate::mail::{Entry, PopEntries, PopNumber, Uid, octets};
use crate::matching::{
    self, Attribute, ContentDigest, ContentHasher, Evidence, Foreseen, HeaderDigest, HeaderHasher,
};
use crate::problem::Problem;
use crate::source::{BodySink, Refused, imap, pop3};

/// The two sessions of one user, and the messages at which each has broken before: those are not
/// asked for again and again, the pairing does without them.
#[derive(Debug)]
pub(crate) struct Sessions<'s> {
    pub(crate) imap: &'s mut imap::Session,
    pub(crate) imap_breaks: &'s mut Breaks,
    pub(crate) pop3: &'s mut pop3::Session,
    pub(crate) pop3_breaks: &'s mut Breaks,
    /// What has been read of the maildrop already.
    pub(crate) ahead: Option<&'s ReadAhead>,
    /// What has been read of IMAP already.
    pub(crate) imap_ahead: Option<&'s ReadAhead>,
    /// Where bodies that IMAP sends are kept, and what is there already.
    pub(crate) bodies: Option<&'s mut FolderBodies>,
    /// Set when the run is to stop: no further message is read then.
    pub(crate) stop: &'s AtomicBool,
}

impl Evidence for Sessions<'_> {
    fn pop_headers(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem> {
        let known = self.ahead.map(|ahead| &ahead.headers);
        but_known(known, numbers, |numbers| {
            read::<HeaderHasher>(self.stop, self.pop3_breaks, numbers, |numbers, sink| {
                self.pop3.headers(numbers, sink)
            })
        })
    }

    fn imap_headers(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
        let known = self.imap_ahead.map(|ahead| &ahead.headers);
        let found = but_known(known, &numbers(uids), |uids| {
            headers(self.imap, self.stop, self.imap_breaks, uids)
        });
        Ok(by_uid(found?))
    }

    fn pop_contents(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem> {
        let known = self.ahead.map(|ahead| &ahead.contents);
        but_known(known, numbers, |numbers| {
            read::<ContentHasher>(self.stop, self.pop3_breaks, numbers, |numbers, sink| {
                self.pop3.whole(numbers, sink)
            })
        })
    }

    fn imap_contents(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
        let known = self.imap_ahead.map(|ahead| &ahead.contents);
        let found = but_known(known, &numbers(uids), |uids| {
            let bodies = self.bodies.as_deref_mut();
            whole::<ContentHasher>(self.imap, self.stop, (self.imap_breaks, bodies), uids)
        });
        Ok(by_uid(found?))
    }

    fn imap_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem> {
        self.imap.fetch_attributes(attribute, uids)
    }
}

/// What a server answers to questions that the pairing is going to ask, read before it does. `None`: the
/// server did not give it.
#[derive(Debug, Default)]
pub(crate) struct ReadAhead {
    headers: Answers<HeaderDigest>,
    contents: Answers<ContentDigest>,
}

type Answers<D> = HashMap<PopNumber, Option<D>>;

impl ReadAhead {
    /// Reads what the pairing of such a listing begins with, whatever INBOX holds.
    ///
    /// # Errors
    /// Those of the session; the run is to `stop`.
    pub(super) fn read(
        &mut self,
        session: &mut pop3::Session,
        stop: &AtomicBool,
        breaks: &mut Breaks,
        listing: &PopEntries,
    ) -> Result<(), Problem> {
        let Foreseen { headers, whole } = matching::foreseen(listing);
        // By RETR some servers mark messages as seen: only what proves to be needed is read so.
        if whole && session.supports_top() {
            let both = read::<BothHashers>(stop, breaks, &headers, |numbers, sink| {
                session.whole(numbers, sink)
            })?;
            self.note_whole(&headers, &both);
            return Ok(());
        }
        let digests = read::<HeaderHasher>(stop, breaks, &headers, |numbers, sink| {
            session.headers(numbers, sink)
        })?;
        note(&mut self.headers, &headers, digests);
        Ok(())
    }

    /// Reads all of INBOX, which is open.
    ///
    /// # Errors
    /// Those of the session; the run is to `stop`.
    pub(super) fn read_inbox(
        &mut self,
        session: &mut imap::Session,
        stop: &AtomicBool,
        (breaks, bodies): (&mut Breaks, &mut FolderBodies),
        uids: &[Uid],
    ) -> Result<(), Problem> {
        let asked = numbers(uids);
        let both = whole::<BothHashers>(session, stop, (breaks, Some(bodies)), &asked)?;
        self.note_whole(&asked, &both);
        Ok(())
    }

    fn note_whole(&mut self, asked: &[u32], both: &[(u32, (HeaderDigest, ContentDigest))]) {
        let headers = both.iter().map(|(number, (header, _))| (*number, *header));
        note(&mut self.headers, asked, headers.collect());
        let contents = both
            .iter()
            .map(|(number, (_, content))| (*number, *content));
        note(&mut self.contents, asked, contents.collect());
    }

    /// Whether the maildrop was read whole, so that the pairing is going to ask for all of an INBOX of
    /// these messages too, of which there is no more.
    pub(super) fn has_whole(&self, inbox: &[Entry]) -> bool {
        !self.contents.is_empty()
            && inbox.len() <= self.contents.len()
            && octets(inbox.iter().map(|entry| entry.size)) <= matching::CHEAP_BYTES
    }
}

fn note<D>(answers: &mut Answers<D>, asked: &[PopNumber], came: Vec<(PopNumber, D)>) {
    answers.extend(asked.iter().map(|number| (*number, None)));
    let came = came.into_iter();
    answers.extend(came.map(|(number, digest)| (number, Some(digest))));
}

/// The answers about `numbers`, of which `ask` is asked about those that are not `known`.
fn but_known<D: Copy>(
    known: Option<&Answers<D>>,
    numbers: &[PopNumber],
    ask: impl FnOnce(&[PopNumber]) -> Result<Vec<(PopNumber, D)>, Problem>,
) -> Result<Vec<(PopNumber, D)>, Problem> {
    let mut others = Vec::new();
    let mut answers = Vec::new();
    for number in numbers {
        match known.and_then(|known| known.get(number)) {
            Some(answer) => answers.extend(answer.map(|digest| (*number, digest))),
            None => others.push(*number),
        }
    }
    if !others.is_empty() {
        answers.extend(ask(&others)?);
    }
    Ok(answers)
}

/// The headers of messages of the folder that is open.
///
/// # Errors
/// Those of the session; the run is to `stop`.
pub(super) fn imap_headers(
    session: &mut imap::Session,
    stop: &AtomicBool,
    breaks: &mut Breaks,
    uids: &[Uid],
) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
    Ok(by_uid(headers(session, stop, breaks, &numbers(uids))?))
}

/// Whole messages of the folder that is open; those in `bodies` are not asked for, and what comes is
/// kept there.
///
/// # Errors
/// Those of the session; the run is to `stop`.
pub(super) fn imap_contents(
    session: &mut imap::Session,
    stop: &AtomicBool,
    (breaks, bodies): (&mut Breaks, Option<&mut FolderBodies>),
    uids: &[Uid],
) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
    let found = whole::<ContentHasher>(session, stop, (breaks, bodies), &numbers(uids))?;
    Ok(by_uid(found))
}

fn headers(
    session: &mut imap::Session,
    stop: &AtomicBool,
    breaks: &mut Breaks,
    wanted: &[u32],
) -> Result<Vec<(u32, HeaderDigest)>, Problem> {
    read::<HeaderHasher>(stop, breaks, wanted, |wanted, sink| {
        let uids: Vec<Uid> = wanted.iter().filter_map(|uid| Uid::new(*uid)).collect();
        session.fetch_headers(&uids, sink)
    })
}

fn whole<H: Hasher>(
    session: &mut imap::Session,
    stop: &AtomicBool,
    (breaks, bodies): (&mut Breaks, Option<&mut FolderBodies>),
    wanted: &[u32],
) -> Result<Vec<(u32, H::Digest)>, Problem> {
    read::<H>(stop, breaks, wanted, |wanted, sink| {
        let wanted = wanted.iter().map(|uid| (*uid, UNKNOWN_SIZE));
        let wanted: Vec<(u32, u64)> = wanted.collect();
        let Some(bodies) = bodies else {
            return session.fetch_bodies(&by_uid(wanted), sink);
        };
        let others = bodies.deliver(wanted, sink)?;
        session.fetch_bodies(&by_uid(others), &mut Keeping::new(bodies, sink))
    })
}

/// Hashes what `fetch` brings of the messages `wanted`. Where the connection breaks, the first that
/// has not come is the one at which it broke.
fn read<H: Hasher>(
    stop: &AtomicBool,
    breaks: &mut Breaks,
    wanted: &[u32],
    fetch: impl FnOnce(&[u32], &mut Hashing<'_, H>) -> Result<Refused, Problem>,
) -> Result<Vec<(u32, H::Digest)>, Problem> {
    let wanted: Vec<u32> = wanted
        .iter()
        .copied()
        .filter(|number| !breaks.gave_up(*number))
        .collect();
    let mut sink = Hashing::<H>::new(stop);
    if let Err(problem) = fetch(&wanted, &mut sink) {
        let came: HashSet<u32> = sink.done.iter().map(|(number, _)| *number).collect();
        let first = wanted.iter().find(|number| !came.contains(number));
        if let Some(first) = first.filter(|_| problem.retry) {
            breaks.blame(*first);
        }
        return Err(problem);
    }
    Ok(sink.done)
}

/// In the order in which IMAP sends them.
fn numbers(uids: &[Uid]) -> Vec<u32> {
    let mut numbers: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
    numbers.sort_unstable();
    numbers
}

/// Says that the size is not known: a body may then be empty.
const UNKNOWN_SIZE: u64 = 0;

fn by_uid<D>(digests: Vec<(u32, D)>) -> Vec<(Uid, D)> {
    digests
        .into_iter()
        .filter_map(|(uid, digest)| Some((Uid::new(uid)?, digest)))
        .collect()
}

/// A hasher of messages.
trait Hasher: Default {
    type Digest;
    fn update(&mut self, bytes: &[u8]);
    fn finish(self) -> Self::Digest;
}

impl Hasher for HeaderHasher {
    type Digest = HeaderDigest;
    fn update(&mut self, bytes: &[u8]) {
        HeaderHasher::update(self, bytes);
    }
    fn finish(self) -> HeaderDigest {
        HeaderHasher::finish(self)
    }
}

impl Hasher for ContentHasher {
    type Digest = ContentDigest;
    fn update(&mut self, bytes: &[u8]) {
        ContentHasher::update(self, bytes);
    }
    fn finish(self) -> ContentDigest {
        ContentHasher::finish(self)
    }
}

/// Hashes header and message at once.
#[derive(Default)]
struct BothHashers(HeaderHasher, ContentHasher);

impl Hasher for BothHashers {
    type Digest = (HeaderDigest, ContentDigest);
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
        self.1.update(bytes);
    }
    fn finish(self) -> Self::Digest {
        (self.0.finish(), self.1.finish())
    }
}

/// Keeps of each message its digest only.
struct Hashing<'s, H: Hasher> {
    stop: &'s AtomicBool,
    at_hand: H,
    done: Vec<(u32, H::Digest)>,
}

impl<'s, H: Hasher> Hashing<'s, H> {
    fn new(stop: &'s AtomicBool) -> Self {
        Self {
            stop,
            at_hand: H::default(),
            done: Vec::new(),
        }
    }
}

impl<H: Hasher> BodySink for Hashing<'_, H> {
    fn begin(&mut self, _announced: Option<u64>) -> Result<(), Problem> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        self.at_hand = H::default();
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.at_hand.update(bytes);
        Ok(())
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        let hasher = std::mem::take(&mut self.at_hand);
        self.done.push((key, hasher.finish()));
        Ok(())
    }

    fn abandon(&mut self) {
        self.at_hand = H::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    #[test]
    fn only_what_is_not_known_is_asked_and_a_refusal_counts_as_known() {
        let mut known = Answers::<u8>::new();
        note(&mut known, &[1, 2, 3], vec![(1, 10), (3, 30)]);
        let mut asked = Vec::new();
        let answers = but_known(Some(&known), &[4, 3, 2, 1, 5], |numbers| {
            asked = numbers.to_vec();
            Ok(vec![(5, 50)])
        });
        assert_eq!(answers.unwrap(), [(3, 30), (1, 10), (5, 50)]);
        assert_eq!(asked, [4, 5]);
        let answers = but_known(Some(&known), &[2, 3], |_| unreachable!());
        assert_eq!(answers.unwrap(), [(3, 30)]);
        let answers = but_known(None, &[1], |numbers| Ok(vec![(numbers[0], 7)]));
        assert_eq!(answers.unwrap(), [(1, 7)]);
    }

    #[test]
    fn an_order_to_stop_is_heeded_before_the_next_message_not_after_all_that_was_asked_for() {
        let (stop, mut breaks) = (AtomicBool::new(false), Breaks::default());
        let mut came = 0;
        let read = read::<HeaderHasher>(&stop, &mut breaks, &[1, 2, 3], |wanted, sink| {
            for number in wanted {
                sink.begin(None)?;
                sink.end(*number)?;
                came += 1;
                stop.store(true, Ordering::Relaxed);
            }
            Ok(Refused::default())
        });
        let problem = read.map(|done| done.len()).unwrap_err();
        assert_eq!((came, problem.kind), (1, Kind::Interrupted));
        assert!(!breaks.gave_up(2));
    }
}
