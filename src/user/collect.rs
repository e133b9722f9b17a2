//! `--pop3-collect inbox`: copies of messages in other folders for INBOX, for POP3 servers that show
//! more than INBOX. What they are called is in [`crate::plan::collect`].

mod fetch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Level;

use super::attempt::Attempt;
use super::elsewhere::{folders_in_words, is_the_same};
use super::imap_folder::Shown;
use super::interrupted;
use crate::mail::{
    Entry, FolderPath, KeywordTable, PopEntries, PopNumber, Uid, UidSet, UidValidity,
};
use crate::matching::{Elsewhere, Pairing, Why};
use crate::naming::message::UidlDigest;
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::Remembered;
use crate::plan::seen::Seen;
use crate::plan::{self, Announced, Announcements};
use crate::problem::{Problem, Reach};
use crate::sink::export;
use crate::source::{Examined, ListedFolder, MessageList, imap};
use crate::state;
use crate::text::counted_with;
pub(crate) use fetch::Collected;

/// The copies that INBOX is to get.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    copies: Vec<Copy>,
    /// Where they come from, with what EXAMINE said.
    folders: Vec<(ListedFolder, Examined)>,
    /// Keywords of `copies`.
    keywords: KeywordTable,
    /// POP3 messages that get no copy, with the reason.
    pub(crate) refused: Vec<(PopNumber, String)>,
}

/// Says which messages of the folder that is open may be delivered; `None`: all.
pub(crate) type Select<'s> =
    dyn FnMut(&mut imap::Session, &MessageList) -> Result<Option<UidSet>, Problem> + 's;

#[derive(Debug)]
struct Copy {
    digest: UidlDigest,
    /// `None`: POP3 no longer shows it.
    announced: Option<Announced>,
    /// What the message is in its own folder; the UID is that of there.
    entry: Entry,
    is_selected: bool,
    /// By its place in `folders`; `None`: it can be kept, not fetched.
    folder: Option<usize>,
}

impl Copies {
    /// Lists what the pairing has found in other folders. INBOX is not open any more afterwards.
    ///
    /// # Errors
    /// Those of the session; the run is to stop.
    pub(crate) fn list(
        session: &mut imap::Session,
        folders: &[ListedFolder],
        pairing: &Pairing,
        stop: &AtomicBool,
        select: &mut Select<'_>,
    ) -> Result<Self, Problem> {
        let mut copies = Self::default();
        for (path, _) in pairing.folders_elsewhere() {
            if stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let found = pairing.elsewhere.iter();
            let found: Vec<&Elsewhere> = found.filter(|found| &found.folder == path).collect();
            let Some(folder) = folders.iter().find(|folder| &folder.path == path) else {
                continue;
            };
            match copies.list_folder(session, folder, &found, select) {
                Err(problem) if problem.retry || problem.reach >= Reach::User => {
                    return Err(problem.in_folder(path));
                }
                Err(problem) => {
                    let why = problem.in_folder(path).to_string();
                    let refused = found.iter().map(|found| (found.number, why.clone()));
                    copies.refused.extend(refused);
                }
                Ok(()) => {}
            }
        }
        Ok(copies)
    }

    fn list_folder(
        &mut self,
        session: &mut imap::Session,
        folder: &ListedFolder,
        found: &[&Elsewhere],
        select: &mut Select<'_>,
    ) -> Result<(), Problem> {
        let examined = session.examine(folder)?;
        if let Some(first) = found.first() {
            is_the_same(&folder.path, first.uid_validity, examined.uid_validity)?;
        }
        let uids = found.iter().map(|found| found.uid).collect();
        let list = session.list_some(&uids)?;
        let selected = select(session, &list)?;
        let entries: HashMap<Uid, &Entry> = list
            .entries
            .iter()
            .map(|entry| (entry.uid, entry))
            .collect();
        let at = self.folders.len();
        for found in found {
            let Some(entry) = entries.get(&found.uid) else {
                let why = format!("folder {} no longer has it", folder.path);
                self.refused.push((found.number, why));
                continue;
            };
            let members = list.keywords.members(entry.keywords).iter();
            let names = members.filter_map(|at| list.keywords.names().get(usize::from(*at)));
            let keywords = self.keywords.intern(names.map(String::as_str));
            self.copies.push(Copy {
                digest: UidlDigest::of(&found.uidl),
                announced: Some(Announced {
                    position: found.position,
                    uidl: found.uidl.clone(),
                }),
                entry: Entry {
                    keywords: keywords.unwrap_or_default(),
                    ..**entry
                },
                is_selected: selected.as_ref().is_none_or(|it| it.contains(found.uid)),
                folder: Some(at),
            });
        }
        self.folders.push((folder.clone(), examined));
        Ok(())
    }

    /// Adds copies that earlier runs have made and of which POP3 still shows the UIDLs, though their
    /// messages cannot be found or listed now: that is no reason to take them away. With `all` also
    /// those that POP3 no longer shows.
    fn add_remembered(
        &mut self,
        (pairing, listing): (&Pairing, &PopEntries),
        remembered: &Remembered,
        seen: &Seen,
        all: bool,
    ) {
        let uids = remembered.uids.iter();
        let mut uids: HashMap<UidlDigest, Uid> =
            uids.map(|(uid, digest)| (*digest, *uid)).collect();
        for copy in &self.copies {
            uids.remove(&copy.digest);
        }
        for (number, announced, size) in unlisted(pairing, &self.refused) {
            let digest = UidlDigest::of(&announced.uidl);
            if let Some(uid) = uids.remove(&digest)
                && self.keep(digest, Some(announced), uid, size, seen)
            {
                self.refused.retain(|(refused, _)| *refused != number);
            }
        }
        // INBOX has those itself.
        if !uids.is_empty() {
            let places = pairing.pairs.iter().map(|pair| pair.place.index());
            for uidl in places.filter_map(|place| listing.uidl(place)) {
                uids.remove(&UidlDigest::of(&uidl));
            }
        }
        for (digest, uid) in uids.into_iter().filter(|_| all) {
            self.keep(digest, None, uid, 0, seen);
        }
    }

    /// Adds a copy that is as it was.
    fn keep(
        &mut self,
        digest: UidlDigest,
        announced: Option<Announced>,
        uid: Uid,
        size: u64,
        seen: &Seen,
    ) -> bool {
        let Some(marked) = seen.marks(uid) else {
            return false;
        };
        let keywords = marked.keywords.iter().map(String::as_str);
        self.copies.push(Copy {
            digest,
            announced,
            entry: Entry {
                uid,
                flags: marked.flags,
                keywords: self.keywords.intern(keywords).unwrap_or_default(),
                internal_date: None,
                size,
            },
            is_selected: true,
            folder: None,
        });
        true
    }

    /// Puts the copies at the end of INBOX's listing, each under a UID of its own.
    ///
    /// # Errors
    /// There are no UIDs left.
    pub(crate) fn join(
        mut self,
        list: &mut MessageList,
        selected: &mut Option<UidSet>,
        announced: &mut Announcements,
        (validity, uid_next): (UidValidity, Option<u32>),
        (disk, remembered): (&OnDisk, &Remembered),
    ) -> Result<Collected, Problem> {
        self.copies.sort_by_key(|copy| {
            let announced = copy.announced.as_ref();
            let position = announced.map_or(u32::MAX, |announced| announced.position);
            (position, copy.entry.uid)
        });
        let copies = self.copies.iter();
        let uidls: Vec<UidlDigest> = copies.map(|copy| copy.digest).collect();
        let last = list.entries.last();
        let above_last = last.map_or(1, |entry| entry.uid.value().saturating_add(1));
        let next = uid_next.unwrap_or(1).max(above_last);
        let uids = plan::collect::number(validity, next, &uidls, disk, remembered)?;
        let numbered: BTreeMap<Uid, Copy> = uids.into_iter().zip(self.copies).collect();
        let mut collected = Collected {
            digests: Vec::with_capacity(numbered.len()),
            folders: self.folders,
            origins: HashMap::with_capacity(numbered.len()),
        };
        for (uid, copy) in numbered {
            let Copy {
                digest,
                announced: it,
                entry,
                is_selected,
                folder,
            } = copy;
            let members = self.keywords.members(entry.keywords).iter();
            let names = members.filter_map(|at| self.keywords.names().get(usize::from(*at)));
            let keywords = list.keywords.intern(names.map(String::as_str));
            list.entries.push(Entry {
                uid,
                keywords: keywords.unwrap_or_default(),
                ..entry
            });
            if let Some(selected) = selected.as_mut().filter(|_| is_selected) {
                selected.insert(uid);
            }
            collected.digests.push(digest);
            let origin = folder.map(|folder| (folder, entry.uid));
            collected.origins.insert(uid.value(), origin);
            announced.push(it.as_ref());
        }
        Ok(collected)
    }
}

/// POP3 messages with a UIDL that is neither INBOX's nor that of a message that could be listed, each
/// with its size.
fn unlisted(
    pairing: &Pairing,
    refused: &[(PopNumber, String)],
) -> Vec<(PopNumber, Announced, u64)> {
    let refused: HashSet<PopNumber> = refused.iter().map(|(number, _)| *number).collect();
    let mut unlisted = Vec::new();
    for extra in &pairing.extra {
        let position = extra.place.at() + 1;
        let is_doubled = matches!(extra.reason, Why::DuplicateUidl(_));
        if let Some(uidl) = extra.uidl.clone().filter(|_| !is_doubled) {
            let announced = Announced { position, uidl };
            unlisted.push((extra.number, announced, extra.size));
        }
    }
    for found in &pairing.elsewhere {
        if refused.contains(&found.number) {
            let announced = Announced {
                position: found.position,
                uidl: found.uidl.clone(),
            };
            unlisted.push((found.number, announced, found.size));
        }
    }
    unlisted
}

impl Attempt<'_> {
    /// Adds copies of messages in other folders to what INBOX shows, and to what POP3 announces of it.
    pub(super) fn collect(
        &mut self,
        session: &mut imap::Session,
        inbox: &mut Shown<'_>,
        (pairing, listing): (&Pairing, &PopEntries),
        validity: UidValidity,
        (disk, seen): (&OnDisk, Option<&Seen>),
        uidls: &mut Announcements,
    ) -> Result<Collected, Problem> {
        let path = &inbox.placed.listed.path;
        let choice = inbox.choice;
        let mut select = |session: &mut imap::Session, list: &MessageList| {
            let found = self.search(session, choice, list)?;
            Ok(choice.messages(&list.entries, found.as_ref(), export::now()))
        };
        let folders = &self.memory.searchable;
        let mut copies = Copies::list(session, folders, pairing, self.context.stop, &mut select)?;
        if !pairing.elsewhere.is_empty() {
            let again = session.examine(&inbox.placed.listed)?;
            is_the_same(path, inbox.examined.uid_validity, again.uid_validity)?;
        }
        let known = self.memory.book.record.known(path);
        let remembered = known.map(state::Folder::copies).unwrap_or_default();
        if let Some(seen) = seen {
            // What we have deleted at the source ourselves POP3 does not show any more.
            let mut folders = self.memory.book.record.folders().iter();
            let all = folders.any(|folder| !folder.deleted_at_source.is_empty());
            copies.add_remembered((pairing, listing), &remembered, seen, all);
        }
        self.tell_of_copies(&copies);
        let marks = (validity, inbox.examined.uid_next);
        let (list, selected) = (&mut inbox.list, &mut inbox.selected);
        copies.join(list, selected, uidls, marks, (disk, &remembered))
    }

    fn tell_of_copies(&mut self, copies: &Copies) {
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        for copy in &copies.copies {
            if let Some(folder) = copy.folder {
                *counts.entry(folder).or_default() += 1;
            }
        }
        let counted: Vec<(&FolderPath, u64)> = counts
            .iter()
            .filter_map(|(at, count)| Some((&copies.folders.get(*at)?.0.path, *count)))
            .collect();
        let count: u64 = counts.values().sum();
        let kept = copies.copies.len() as u64 - count;
        let mut notes = Vec::new();
        if count > 0 {
            let verb = ("that POP3 shows is", "that POP3 shows are");
            notes.push(format!(
                "{} in other folders ({}); INBOX has copies of them",
                counted_with(count, "message", verb),
                folders_in_words(&counted)
            ));
        }
        if kept > 0 {
            let stay = (
                "that an earlier run has copied into INBOX was not found in its folder; the copy stays",
                "that earlier runs have copied into INBOX were not found in their folders; the copies stay",
            );
            notes.push(counted_with(kept, "message", stay));
        }
        for note in notes {
            self.log.line(Level::INFO, &note);
            self.memory.tally.notes.push(note);
        }
        for (number, why) in &copies.refused {
            let line = format!("POP3 message {number} is not copied into INBOX: {why}");
            self.log.line(Level::WARN, &line);
        }
        if !copies.refused.is_empty() {
            let count = copies.refused.len() as u64;
            let missed = (
                "that POP3 shows was not copied into INBOX: its folder did not show it",
                "that POP3 shows were not copied into INBOX: their folders did not show them",
            );
            self.memory
                .tally
                .notes
                .push(counted_with(count, "message", missed));
        }
    }
}

#[cfg(test)]
mod tests;
