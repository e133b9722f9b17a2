//! Fetching copies, each from the folder of its message.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::bodies::{Bodies, Keeping};
use super::super::elsewhere::is_the_same;
use super::super::interrupted;
use crate::mail::Uid;
use crate::naming::message::UidlDigest;
use crate::problem::{Problem, Reach};
use crate::source::{BodySink, Examined, ListedFolder, Refused, imap};

/// What a plan needs of the copies, and what fetches them.
#[derive(Debug)]
pub(crate) struct Collected {
    /// What stands for them in file names, in the order of the listing.
    pub(crate) digests: Vec<UidlDigest>,
    pub(super) folders: Vec<(ListedFolder, Examined)>,
    /// By the UID in INBOX the folder, and the UID there.
    pub(super) origins: HashMap<u32, Option<(usize, Uid)>>,
}

impl Collected {
    /// Whether `uid` is that of a copy.
    pub(in crate::user) fn has(&self, uid: u32) -> bool {
        self.origins.contains_key(&uid)
    }

    /// Fetches copies, each from the folder of its message. `wanted` are UIDs in INBOX, with the sizes.
    /// What comes is kept for the folder itself, and what pairing has read of it is not asked for.
    /// Another folder than INBOX is open afterwards.
    pub(in crate::user) fn fetch(
        &self,
        session: &mut imap::Session,
        wanted: &[(u32, u64)],
        bodies: &mut Bodies,
        stop: &AtomicBool,
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        let mut refused = Refused::new();
        let mut by_folder: BTreeMap<usize, Vec<(u32, Uid, u64)>> = BTreeMap::new();
        for (copy, size) in wanted {
            match self.origins.get(copy).copied().flatten() {
                Some((folder, uid)) => {
                    let messages = by_folder.entry(folder).or_default();
                    messages.push((*copy, uid, *size));
                }
                None => refused.push((*copy, "its folder could not be read".to_owned())),
            }
        }
        for (folder, messages) in by_folder {
            let Some((listed, then)) = self.folders.get(folder) else {
                continue;
            };
            if stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let path = &listed.path;
            let copies: HashMap<u32, u32> = messages
                .iter()
                .map(|(copy, uid, _)| (uid.value(), *copy))
                .collect();
            let mut sink = Renaming {
                copies: &copies,
                next: &mut *sink,
            };
            let bodies = bodies.of(path, then.uid_validity);
            let messages: Vec<(u32, u64)> = messages
                .iter()
                .map(|(_, uid, size)| (uid.value(), *size))
                .collect();
            let left: Vec<(Uid, u64)> = bodies
                .deliver(messages, &mut sink)?
                .into_iter()
                .filter_map(|(uid, size)| Some((Uid::new(uid)?, size)))
                .collect();
            if left.is_empty() {
                continue;
            }
            let mut ask = || {
                let now = session.examine(listed)?;
                is_the_same(path, then.uid_validity, now.uid_validity)?;
                session.fetch_bodies(&left, &mut Keeping::new(bodies, &mut sink))
            };
            let copy = |uid: u32| copies.get(&uid).copied();
            match ask() {
                Ok(some) => {
                    let some = some.into_iter();
                    refused.extend(some.filter_map(|(uid, why)| Some((copy(uid)?, why))));
                }
                Err(problem) if problem.retry || problem.reach >= Reach::User => {
                    return Err(problem);
                }
                Err(problem) => {
                    let why = problem.in_folder(path).to_string();
                    let left = left.iter().filter_map(|(uid, _)| copy(uid.value()));
                    refused.extend(left.map(|copy| (copy, why.clone())));
                }
            }
        }
        Ok(refused)
    }
}

/// Hands messages on by what their copies are called.
struct Renaming<'s> {
    /// By the UID in the folder that is open, the UID of the copy.
    copies: &'s HashMap<u32, u32>,
    next: &'s mut dyn BodySink,
}

impl BodySink for Renaming<'_> {
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
        self.next.begin(announced)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.next.data(bytes)
    }

    fn end(&mut self, uid: u32) -> Result<(), Problem> {
        match self.copies.get(&uid) {
            Some(copy) => self.next.end(*copy),
            None => {
                self.next.abandon();
                Ok(())
            }
        }
    }

    fn abandon(&mut self) {
        self.next.abandon();
    }
}
