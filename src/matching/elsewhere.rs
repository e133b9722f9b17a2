//! UIDLs that INBOX leaves open, looked for in the user's other folders: for POP3 servers that
//! show more than INBOX. Pure, as all of [`super`].
//!
//! INBOX comes first and keeps what it has got: of two copies of a message the one in INBOX has the
//! UIDL. Then each folder is asked by itself for what an earlier run has found there, for UIDLs
//! written from its UIDVALIDITY, and for those made of an id that the server has given (on Gmail a
//! message with two labels is in two folders under one id, and either will do); that costs a
//! listing and a few headers, and ends when no UIDL is open any more. All folders together are then
//! one large mailbox, in which the rest is found by header fields, header and content: a header that
//! is the only one of its kind in one folder may have a twin in the next, so that a folder by itself
//! would prove nothing. What INBOX has left in doubt (twins, say) needs an equal body.

use std::collections::{HashMap, HashSet};

use super::work::Work;
use super::{
    Attribute, ContentDigest, Elsewhere, Evidence, HeaderDigest, ImapSide, Known, Pair, Pairing,
    Policy, Why, claims, outcome, resemblance,
};
use crate::mail::{Entry, FolderPath, Place, PopEntries, PopNumber, Uid, UidValidity, Uidl};
use crate::problem::Problem;
use crate::source::Maildrop;

/// The folders beside INBOX, by their place from 0, and what the pairing may ask about them. The
/// IMAP side of the evidence is that of the folder listed or opened last.
pub trait Folders: Evidence {
    /// How many there are.
    fn count(&self) -> usize;
    /// Opens a folder and lists it. `None` where the server refuses: it is left out.
    fn list(&mut self, folder: usize) -> Result<Option<Listed>, Problem>;
    /// Opens a folder that has been listed again.
    fn open(&mut self, folder: usize) -> Result<(), Problem>;
}

/// A folder as it was listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The folder.
    pub path: FolderPath,
    /// Its UIDVALIDITY, where there is a usable one.
    pub uid_validity: Option<UidValidity>,
    /// Its messages, ascending by UID.
    pub entries: Vec<Entry>,
    /// What earlier runs have found in it under this UIDVALIDITY.
    pub known: Vec<Known>,
}

/// Looks for what `pairing`, that of INBOX with `maildrop`, has left open, and moves what it finds
/// from [`Pairing::extra`] to [`Pairing::elsewhere`]. Nothing is asked where nothing is open.
///
/// # Errors
/// What `folders` returns; a listing that names a message twice.
pub fn find(
    policy: Policy,
    maildrop: &Maildrop,
    pairing: &mut Pairing,
    folders: &mut dyn Folders,
) -> Result<(), Problem> {
    let has_uidl = pairing.extra.iter().any(is_open);
    if !has_uidl || folders.count() == 0 {
        return Ok(());
    }
    let mut search = Search::new(policy, maildrop, pairing, folders);
    search.by_rule()?;
    let reasons = search.by_likeness()?;
    let found = search.found;
    let is_found: HashSet<PopNumber> = found.iter().map(|found| found.number).collect();
    pairing
        .extra
        .retain(|extra| !is_found.contains(&extra.number));
    let holders = found.iter().map(|found| (&found.uidl, found.number));
    let holders: HashMap<&Uidl, PopNumber> = holders.collect();
    for extra in &mut pairing.extra {
        let holder = extra.uidl.as_ref().and_then(|uidl| holders.get(uidl));
        extra.reason = match (extra.reason, reasons.get(&extra.number), holder) {
            (_, _, Some(holder)) => Why::DuplicateUidl(*holder),
            (Why::NoMessage, None | Some(Why::NoMessage), None) => Why::Nowhere,
            (Why::NoMessage, Some(why), None) => *why,
            (why, _, None) => why,
        };
    }
    pairing.elsewhere = found;
    pairing.elsewhere.sort_by_key(|found| found.position);
    Ok(())
}

/// Whether a UIDL waits for its message. One that is not valid can be kept nowhere, and of one
/// that is there twice INBOX has one message already.
fn is_open(extra: &super::Extra) -> bool {
    !matches!(extra.reason, Why::NoUidl | Why::DuplicateUidl(_))
}

struct Search<'s> {
    /// As for INBOX, but for a template that has no UIDVALIDITY: in another folder its UIDs are
    /// those of other messages.
    policy: Policy,
    /// No template fits any folder.
    no_template: bool,
    /// All that INBOX has left, also what can have no UIDL: its messages are in the way of others.
    open: PopEntries,
    maildrop: &'s Maildrop,
    suspects: HashSet<PopNumber>,
    /// UIDLs that messages of INBOX have got, of those that are open, and those that were found.
    taken: HashSet<Uidl>,
    /// The folders that could be listed, by their place.
    listed: Vec<(usize, Listed)>,
    /// Messages that have got a UIDL, by the index of their folder in `listed`.
    given: HashSet<(usize, Uid)>,
    found: Vec<Elsewhere>,
    witness: Witness<'s>,
}

impl<'s> Search<'s> {
    fn new(
        policy: Policy,
        maildrop: &'s Maildrop,
        pairing: &Pairing,
        folders: &'s mut dyn Folders,
    ) -> Self {
        let all = &maildrop.entries;
        let left = pairing.extra.iter();
        let suspects = left.clone().filter(|extra| extra.reason != Why::NoMessage);
        let uidls: HashSet<&Uidl> = left
            .clone()
            .filter_map(|extra| extra.uidl.as_ref())
            .collect();
        let pairs = pairing.pairs.iter();
        let held = pairs.filter_map(|pair| all.uidl(pair.place.index()));
        Self {
            policy,
            no_template: policy.template.is_some_and(|named| !named.has_validity()),
            open: left
                .filter_map(|extra| all.get(extra.place.index()))
                .collect(),
            maildrop,
            suspects: suspects.map(|extra| extra.number).collect(),
            taken: held.filter(|uidl| uidls.contains(uidl)).collect(),
            listed: Vec::new(),
            given: HashSet::new(),
            found: Vec::new(),
            witness: Witness {
                folders,
                opened: None,
                places: Vec::new(),
                pop_headers: HashMap::new(),
                pop_contents: HashMap::new(),
            },
        }
    }

    fn is_done(&self) -> bool {
        let mut uidls = self.open.iter().filter_map(|entry| entry.uidl);
        uidls.all(|uidl| self.taken.contains(&uidl))
    }

    /// Each folder by itself. Ends with the first that leaves nothing open.
    fn by_rule(&mut self) -> Result<(), Problem> {
        for place in 0..self.witness.folders.count() {
            if self.is_done() {
                return Ok(());
            }
            // What is refused may have closed what was open.
            self.witness.opened = None;
            let Some(listed) = self.witness.folders.list(place)? else {
                continue;
            };
            self.witness.opened = Some(place);
            let uids = listed.entries.iter().map(|entry| entry.uid);
            self.witness.places = uids.map(|uid| (place, uid, uid)).collect();
            let side = ImapSide {
                uid_validity: listed.uid_validity,
                entries: &listed.entries,
            };
            let mut work = Work::new(self.policy, &side, &self.open, &mut self.witness)?;
            work.suspects.clone_from(&self.suspects);
            work.join_known(listed.known.iter().cloned());
            if !self.no_template {
                claims::by_template(&mut work)?;
            }
            claims::by_attribute(&mut work, claims::IDS)?;
            let pairing = outcome(work)?;
            let at = self.listed.len();
            self.listed.push((place, listed));
            self.keep(pairing.pairs.into_iter().map(|pair| (at, pair.uid, pair)));
        }
        Ok(())
    }

    /// All folders as one. Returns why each entry that stays open does.
    fn by_likeness(&mut self) -> Result<HashMap<PopNumber, Why>, Problem> {
        if self.is_done() {
            return Ok(HashMap::new());
        }
        let mut entries = Vec::new();
        let mut origins = Vec::new();
        let mut places = Vec::new();
        for (at, (place, listed)) in self.listed.iter().enumerate() {
            for entry in &listed.entries {
                // No source has 2^32 messages.
                let next = u32::try_from(entries.len() + 1).ok().and_then(Uid::new);
                if let (Some(uid), false) = (next, self.given.contains(&(at, entry.uid))) {
                    entries.push(Entry { uid, ..*entry });
                    places.push((*place, entry.uid, uid));
                    origins.push((at, entry.uid));
                }
            }
        }
        self.witness.places = places;
        let side = ImapSide {
            uid_validity: None,
            entries: &entries,
        };
        let policy = Policy {
            template: None,
            ..self.policy
        };
        let mut work = Work::new(policy, &side, &self.open, &mut self.witness)?;
        work.suspects.clone_from(&self.suspects);
        claims::by_attribute(&mut work, claims::FIELDS)?;
        resemblance::pair_alike(&mut work, None)?;
        let pairing = outcome(work)?;
        self.keep(pairing.pairs.into_iter().filter_map(|pair| {
            let index = usize::try_from(pair.uid.value()).ok()?.checked_sub(1)?;
            let (at, uid) = *origins.get(index)?;
            Some((at, uid, pair))
        }));
        let left = pairing.extra.iter();
        Ok(left.map(|extra| (extra.number, extra.reason)).collect())
    }

    /// Notes messages of folders, by the index in `listed` and the UID there, with their UIDLs.
    fn keep(&mut self, pairs: impl Iterator<Item = (usize, Uid, Pair)>) {
        let all = &self.maildrop.entries;
        let mut given = Vec::new();
        for (at, uid, pair) in pairs {
            let entry = self.open.get(pair.place.index());
            let Some((entry, (_, listed))) = entry.zip(self.listed.get(at)) else {
                continue;
            };
            let place = all.place_of(entry.number).and_then(Place::of);
            let (Some(place), Some(uidl)) = (place, entry.uidl) else {
                continue;
            };
            // A UIDL that is there twice: the other message has got it.
            if !self.taken.insert(uidl.clone()) {
                continue;
            }
            self.found.push(Elsewhere {
                number: entry.number,
                position: place.at() + 1,
                uidl,
                size: entry.size,
                folder: listed.path.clone(),
                uid_validity: listed.uid_validity,
                uid,
                stage: pair.stage,
            });
            given.push((at, uid));
        }
        self.given.extend(given);
        let found: HashSet<PopNumber> = self.found.iter().map(|found| found.number).collect();
        let open = self.open.iter();
        self.open = open
            .filter(|entry| !found.contains(&entry.number))
            .collect();
    }
}

/// The evidence of several folders: what POP3 has shown is not asked for again for the next
/// folder, and what is asked of IMAP is asked of the right one.
struct Witness<'f> {
    folders: &'f mut dyn Folders,
    /// The folder that is open.
    opened: Option<usize>,
    /// What the pairing asks by: the folder, the UID there, and the UID that the pairing knows.
    /// Ascending by folder and UID, and so by the last as well.
    places: Vec<(usize, Uid, Uid)>,
    /// `None`: it was asked for in vain.
    pop_headers: HashMap<PopNumber, Option<HeaderDigest>>,
    pop_contents: HashMap<PopNumber, Option<ContentDigest>>,
}

impl Witness<'_> {
    /// Asks each folder for its part of `uids`.
    fn ask<T>(
        &mut self,
        uids: &[Uid],
        ask: impl Fn(&mut dyn Folders, &[Uid]) -> Result<Vec<(Uid, T)>, Problem>,
    ) -> Result<Vec<(Uid, T)>, Problem> {
        let known = uids.iter().filter_map(|uid| {
            let at = self
                .places
                .binary_search_by_key(uid, |(_, _, known)| *known);
            self.places.get(at.ok()?).copied()
        });
        let mut wanted: Vec<(usize, Uid, Uid)> = known.collect();
        wanted.sort_unstable();
        let mut answers = Vec::with_capacity(wanted.len());
        for part in wanted.chunk_by(|a, b| a.0 == b.0) {
            let Some((folder, _, _)) = part.first().copied() else {
                continue;
            };
            if self.opened != Some(folder) {
                self.opened = None;
                self.folders.open(folder)?;
                self.opened = Some(folder);
            }
            let there: Vec<Uid> = part.iter().map(|(_, uid, _)| *uid).collect();
            for (uid, answer) in ask(self.folders, &there)? {
                if let Ok(at) = part.binary_search_by_key(&uid, |(_, there, _)| *there)
                    && let Some((_, _, known)) = part.get(at)
                {
                    answers.push((*known, answer));
                }
            }
        }
        Ok(answers)
    }
}

/// What is remembered of `wanted`, after the rest has been asked for.
fn remembered<T: Copy>(
    memory: &mut HashMap<PopNumber, Option<T>>,
    wanted: &[PopNumber],
    ask: impl FnOnce(&[PopNumber]) -> Result<Vec<(PopNumber, T)>, Problem>,
) -> Result<Vec<(PopNumber, T)>, Problem> {
    let unknown = wanted.iter().filter(|number| !memory.contains_key(*number));
    let unknown: Vec<PopNumber> = unknown.copied().collect();
    if !unknown.is_empty() {
        let answers = ask(&unknown)?;
        memory.extend(unknown.into_iter().map(|number| (number, None)));
        let answers = answers.into_iter();
        memory.extend(answers.map(|(number, digest)| (number, Some(digest))));
    }
    let digest = |number: &PopNumber| Some((*number, (*memory.get(number)?)?));
    Ok(wanted.iter().filter_map(digest).collect())
}

impl Evidence for Witness<'_> {
    fn pop_headers(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem> {
        remembered(&mut self.pop_headers, numbers, |numbers| {
            self.folders.pop_headers(numbers)
        })
    }

    fn imap_headers(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
        self.ask(uids, |folders, uids| folders.imap_headers(uids))
    }

    fn pop_contents(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem> {
        remembered(&mut self.pop_contents, numbers, |numbers| {
            self.folders.pop_contents(numbers)
        })
    }

    fn imap_contents(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
        self.ask(uids, |folders, uids| folders.imap_contents(uids))
    }

    fn imap_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem> {
        self.ask(uids, |folders, uids| {
            folders.imap_attributes(attribute, uids)
        })
    }
}
