//! Digests of messages as they come over the wire, nothing else of them being kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Breaks, interrupted};
use crate::problem::Problem;
use crate::sink::digest::StoredDigest;
use crate::source::{BodySink, Refused};

/// The digests of messages by what they are asked for.
pub(crate) type Digested = HashMap<u32, blake3::Hash>;

/// The digests of `wanted` (UIDs or POP3 numbers, and announced sizes) as their files are to have
/// them, asked for by `fetch`. What the server does not give, and messages at which the connection
/// broke too often, are not among them. `keep_double_cr` as for [`StoredDigest::new`].
///
/// # Errors
/// Those of `fetch`; the run is to stop.
pub(crate) fn digests(
    wanted: &[(u32, u64)],
    breaks: &mut Breaks,
    keep_double_cr: bool,
    stop: &AtomicBool,
    fetch: impl FnOnce(&[(u32, u64)], &mut dyn BodySink) -> Result<Refused, Problem>,
) -> Result<Digested, Problem> {
    let hopeful = wanted.iter().filter(|(key, _)| !breaks.gave_up(*key));
    let wanted: Vec<(u32, u64)> = hopeful.copied().collect();
    let mut sink = Digesting {
        stop,
        keep_double_cr,
        at_hand: None,
        done: HashMap::new(),
    };
    if wanted.is_empty() {
        return Ok(sink.done);
    }
    match fetch(&wanted, &mut sink) {
        Ok(_) => Ok(sink.done),
        Err(problem) => {
            // The first that had not come.
            let mut missing = wanted
                .iter()
                .filter(|(key, _)| !sink.done.contains_key(key));
            if let Some((first, _)) = missing.next().filter(|_| problem.retry) {
                breaks.blame(*first);
            }
            Err(problem)
        }
    }
}

struct Digesting<'s> {
    stop: &'s AtomicBool,
    keep_double_cr: bool,
    at_hand: Option<StoredDigest>,
    done: Digested,
}

impl BodySink for Digesting<'_> {
    fn begin(&mut self, _announced: Option<u64>) -> Result<(), Problem> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        self.at_hand = Some(StoredDigest::new(self.keep_double_cr));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if let Some(digest) = &mut self.at_hand {
            digest.update(bytes);
        }
        Ok(())
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        if let Some(digest) = self.at_hand.take() {
            self.done.insert(key, digest.finish());
        }
        Ok(())
    }

    fn abandon(&mut self) {
        self.at_hand = None;
    }
}
