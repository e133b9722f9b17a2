//! What the source has of a folder, asked for no more than has changed since the last run.

use std::collections::HashMap;

use tracing::Level;

use super::attempt::Attempt;
use super::maildrop::Beside;
use crate::mail::{Uid, UidSet, UidValidity, Uidl};
use crate::naming::message::size_field;
use crate::naming::{Identity, MaildirFolder};
use crate::plan::folders::Placed;
use crate::plan::on_disk::OnDisk;
use crate::plan::seen::{Marked, Seen};
use crate::plan::{self, Announced, Announcements, FolderPlan, Mode, Past, SourceFolder};
use crate::problem::Problem;
use crate::report::UserLog;
use crate::sink::export;
use crate::source::combine::combine;
use crate::source::imap::Session;
use crate::source::{Changes, Examined, ListedFolder, Maildrop, Marks, MessageList, News, Since};
use crate::state;

/// What tells that nothing has changed at the source since a folder was done.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamp {
    /// HIGHESTMODSEQ.
    pub(super) highest_modseq: Option<u64>,
    /// A digest of the POP3 listing, of a user with POP3.
    pub(super) maildrop: Option<String>,
}

/// A digest of a POP3 listing.
pub(super) fn digest(maildrop: &Maildrop) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut uidls = maildrop.entries.uidls();
    for size in maildrop.entries.sizes() {
        hasher.update(uidls.read().unwrap_or_default().as_bytes());
        hasher.update(b"\0");
        hasher.update(&size.to_be_bytes());
    }
    for (number, text, _) in &maildrop.faulty {
        hasher.update(&number.to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

impl Attempt<'_> {
    /// Asks for the marks of all folders at once, where they did not come with the list and a run
    /// before this one may have done a folder.
    pub(super) fn ask_for_marks(
        &self,
        session: &mut Session,
        folders: &mut [Placed],
    ) -> Result<(), Problem> {
        let record = &self.memory.book.record;
        // Without HIGHESTMODSEQ a mark says nothing of flags.
        let is_marked = |known: &state::Folder| may_rest(known) && known.highest_modseq.is_some();
        let may_rest = |folder: &ListedFolder| {
            folder.selectable
                && folder.marks.is_none()
                && record.known(&folder.path).is_some_and(is_marked)
        };
        let open: Vec<usize> = (0..folders.len())
            .filter(|at| may_rest(&folders[*at].listed))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let asked: Vec<&ListedFolder> = open.iter().map(|at| &folders[*at].listed).collect();
        let marks = session.status(&asked)?;
        for (at, marks) in open.into_iter().zip(marks) {
            folders[at].listed.marks = marks;
        }
        Ok(())
    }

    /// Whether a folder is at the source as it was when it was done, and on the target as it is to
    /// be: then nothing is asked, and its buckets are those of before.
    pub(super) fn is_still(
        &mut self,
        placed: &Placed,
        maildrop: Option<&mut Beside<'_>>,
    ) -> Result<bool, Problem> {
        let Placed {
            listed,
            destination,
            target: Ok(target),
        } = placed
        else {
            return Ok(false);
        };
        let has_pop3 = maildrop.is_some();
        let Some(known) = self.unchanged(listed, target, maildrop)? else {
            return Ok(false);
        };
        let Unchanged { seen, list, .. } = &known;
        let disk = self.scan(target, false)?;
        let uidls = has_pop3.then(|| announced(list, &disk, seen));
        let source = SourceFolder {
            owner: &self.user.name,
            path: &listed.path,
            validity: seen.validity,
            uid_next: known.uid_next,
            in_root: target.is_root(),
            entries: &list.entries,
            selected: None,
            keywords: &list.keywords,
            uidls: uidls.as_ref(),
            digests: None,
            collected: None,
            is_whole: true,
        };
        let past = Past {
            seen: Some(seen),
            rematched: None,
        };
        let policy = self.policy();
        let Ok(plan) = plan::plan(&source, &past, &disk, &policy, export::now()) else {
            return Ok(false);
        };
        let is_as_planned = plan.steps.is_empty() && plan.removals.is_empty() && !disk.has_lock();
        if !is_as_planned
            || uidls
                .as_ref()
                .is_some_and(|uidls| has_lost_uidls(list, uidls, &plan, &disk, seen))
        {
            return Ok(false);
        }
        self.memory.removals.count_in(&disk);
        self.note_linkable(&source, target, &disk, &plan, &|_| false);
        let tally = &mut self.memory.tally;
        tally.uidls += plan.uidls;
        let folder = tally.begin_folder(&listed.path);
        (folder.messages, folder.bytes) = (known.messages, known.bytes);
        folder.kept = plan.kept.saturating_sub(folder.added.messages);
        folder.left_deleted = plan.left_deleted;
        if self.context.config.dry_run {
            let names = (destination, target);
            let lines = plan::describe::lines(&source, names, &disk, &plan, &policy);
            self.memory.plan.extend(lines);
        }
        Ok(true)
    }

    /// What the source has of a folder, where it is there as it was when it was done, and nothing has to
    /// be judged anew.
    fn unchanged(
        &mut self,
        listed: &ListedFolder,
        target: &MaildirFolder,
        maildrop: Option<&mut Beside<'_>>,
    ) -> Result<Option<Unchanged>, Problem> {
        let config = self.context.config;
        let dated_by_order = config.target.servers.qmail && target.is_root();
        // Whether there is something to delete is not among what is remembered.
        if dated_by_order || config.rerun.deletes_at_source() || !self.has_not_changed(listed) {
            return Ok(None);
        }
        let Some(known) = self.memory.book.record.known(&listed.path) else {
            return Ok(None);
        };
        if known.maildrop.is_some() != maildrop.is_some() {
            return Ok(None);
        }
        if let Some(maildrop) = maildrop {
            // The first that needs the listing, which may still be on its way.
            let maildrop = maildrop.get(&mut self.memory.pop3)?;
            // What was left over is judged anew by each run.
            let is_whole = |paired: &state::Paired| {
                paired.missing.is_empty() && paired.extra.is_empty() && paired.elsewhere.is_empty()
            };
            if known.maildrop != Some(digest(&maildrop.listing))
                || !known.paired.as_ref().is_some_and(is_whole)
            {
                return Ok(None);
            }
        }
        let marks = listed.marks.as_ref();
        let unchanged = || {
            let (messages, bytes) = known.listed?;
            let seen = known.past()?;
            Some(Unchanged {
                list: combined(&seen.marked, Changes::default()),
                seen,
                uid_next: marks?.uid_next.unwrap_or(1),
                messages,
                bytes,
            })
        };
        Ok(unchanged())
    }

    /// Opens a folder and lists its messages: all of them, though of those that the last run has
    /// seen date and size may be left out where nothing needs them.
    pub(super) fn look(
        &mut self,
        session: &mut Session,
        listed: &ListedFolder,
        has_pop3: bool,
    ) -> Result<(Examined, MessageList), Problem> {
        match self.looked_at(session, listed)? {
            Some(looked_at) => Ok(looked_at),
            None => {
                let last_seen = self.last_seen(listed, has_pop3);
                look(session, listed, last_seen.as_ref(), self.log)
            }
        }
    }

    /// A folder as the last run has left it, of which the changes alone will do.
    pub(super) fn last_seen(&self, listed: &ListedFolder, has_pop3: bool) -> Option<LastSeen> {
        // Pairing goes by sizes, and what is to be deleted at the source by dates.
        let needs_all = has_pop3 || self.context.config.rerun.deletes_at_source();
        let known = self.memory.book.record.known(&listed.path)?;
        let known = (!needs_all && may_rest(known)).then_some(known)?;
        let seen = known.past()?;
        Some(LastSeen {
            uids: seen.uids(),
            seen,
            highest_modseq: known.highest_modseq,
            uid_next: known.seen_next?,
        })
    }

    /// Whether the source says of a folder what it said when it was done.
    pub(super) fn has_not_changed(&self, listed: &ListedFolder) -> bool {
        let known = self.memory.book.record.known(&listed.path);
        let known = known.zip(listed.marks.as_ref());
        known.is_some_and(|(known, marks)| is_unchanged(known, marks))
    }

    /// Finds out date and size of messages that are not on disk and may have to be fetched.
    pub(super) fn complete(
        &self,
        session: &mut Session,
        list: &mut MessageList,
        validity: Option<UidValidity>,
        disk: &OnDisk,
    ) -> Result<(), Problem> {
        let entries = &mut list.entries;
        let unlisted = entries.iter();
        let mut unlisted: Vec<bool> = unlisted
            .map(|entry| entry.size == 0 && entry.internal_date.is_none())
            .collect();
        if !unlisted.contains(&true) {
            return Ok(());
        }
        for file in disk.files.iter() {
            // A server may have moved a file here from another folder.
            if let Some(Identity::Imap(of, uid)) = Identity::parse(&file.base)
                && Some(of) == validity
                && let Ok(at) = entries.binary_search_by_key(&uid, |entry| entry.uid)
                && std::mem::take(&mut unlisted[at])
            {
                entries[at].size = size_field(&file.base, 'W').unwrap_or(0);
            }
        }
        let unknown = entries.iter().zip(unlisted);
        let unknown: UidSet = unknown
            .filter_map(|(entry, unknown)| unknown.then_some(entry.uid))
            .collect();
        if unknown.is_empty() || self.context.config.rerun.mode != Mode::Mirror {
            return Ok(());
        }
        let details = session.list_some(&unknown)?;
        let details: HashMap<Uid, _> = details
            .entries
            .iter()
            .map(|entry| (entry.uid, (entry.internal_date, entry.size)))
            .collect();
        for entry in &mut list.entries {
            if let Some((date, size)) = details.get(&entry.uid) {
                (entry.internal_date, entry.size) = (*date, *size);
            }
        }
        Ok(())
    }
}

/// A folder that is at the source as it was when it was done.
struct Unchanged {
    seen: Seen,
    list: MessageList,
    uid_next: u32,
    /// How many messages it has, and their octets.
    messages: u64,
    bytes: u64,
}

/// A folder as the last run has left it.
pub(super) struct LastSeen {
    pub(super) uids: UidSet,
    seen: Seen,
    highest_modseq: Option<u64>,
    uid_next: u32,
}

impl LastSeen {
    /// By what its changes are asked for.
    pub(super) fn since(&self) -> Since<'_> {
        Since {
            uid_validity: self.seen.validity,
            highest_modseq: self.highest_modseq,
            known: &self.uids,
            uid_next: self.uid_next,
        }
    }
}

/// Opens a folder and lists its messages, as far as is needed where it was seen before.
pub(super) fn look(
    session: &mut Session,
    listed: &ListedFolder,
    last_seen: Option<&LastSeen>,
    log: &UserLog,
) -> Result<(Examined, MessageList), Problem> {
    let Some(last_seen) = last_seen else {
        let examined = session.examine(listed)?;
        let list = session.list_messages(examined.exists)?;
        return Ok((examined, list));
    };
    let (examined, news) = session.changes(listed, &last_seen.since())?;
    let list = match news {
        News::Unsure(why) => {
            let line = format!("folder {}: listed once more in full: {why}", listed.path);
            log.line(Level::INFO, line);
            session.list_messages(examined.exists)?
        }
        News::Changes(changes) => combined(&last_seen.seen.marked, *changes),
    };
    Ok((examined, list))
}

/// Whether all that the source had was on the target when a folder was done.
pub(super) fn may_rest(folder: &state::Folder) -> bool {
    folder.is_done()
}

/// Whether the source says of a folder what it said when it was done.
fn is_unchanged(known: &state::Folder, marks: &Marks) -> bool {
    let modseq = known.highest_modseq;
    let validity = marks.uid_validity.map(|validity| validity.value());
    let messages = known.listed.map(|(messages, _)| messages);
    may_rest(known)
        && known.seen_validity == validity
        && known.seen_next.is_some()
        && known.seen_next == marks.uid_next
        && messages == marks.messages.map(u64::from)
        && modseq.is_some()
        && modseq == marks.highest_modseq
}

/// The listing of a folder that was `seen` so, after `changes`.
fn combined(seen: &[Marked], changes: Changes) -> MessageList {
    let sets = seen.iter().map(|marked| {
        let keywords = marked.keywords.iter().map(String::as_str).collect();
        (&marked.uids, marked.flags, keywords)
    });
    combine(sets, changes)
}

/// Whether a message that had a UIDL has none in the list on disk: a server has made the list anew.
fn has_lost_uidls(
    list: &MessageList,
    uidls: &Announcements,
    plan: &FolderPlan,
    disk: &OnDisk,
    seen: &Seen,
) -> bool {
    let entries = list.entries.iter().zip(&plan.files).enumerate();
    let mut paired = entries.filter(|(_, (entry, _))| seen.paired.contains(entry.uid));
    // `uidls` are those of the list; if its line were not that of the file, there would be a plan.
    if paired.all(|(index, (_, file))| file.is_none() || uidls.has(index)) {
        return false;
    }
    let files = disk.files.by_base();
    let mut has_uidl = vec![false; disk.files.len()];
    let lines = disk.uidlist.iter().flat_map(|list| list.lines.iter());
    for line in lines.filter(|line| line.field('P').is_some()) {
        if let Some(at) = files.get(&line.name) {
            has_uidl[at as usize] = true;
        }
    }
    let mut entries = list.entries.iter().zip(&plan.files);
    entries.any(|(entry, file)| {
        seen.paired.contains(entry.uid) && file.is_some_and(|file| !has_uidl[file.at() as usize])
    })
}

/// What POP3 announces, by the list on disk: the POP3 listing is that by which it was written.
fn announced(list: &MessageList, disk: &OnDisk, seen: &Seen) -> Announcements {
    let lines = disk.uidlist.as_ref().map(|list| &list.lines);
    let uids = lines.map_or(&[][..], |lines| lines.uids());
    let mut by_source_uid: Vec<(Uid, u32)> = (0..)
        .zip(uids)
        .filter_map(|(place, uid)| Some((seen.source_uid(*uid)?, place)))
        .collect();
    by_source_uid.sort_unstable();
    let entries = list.entries.iter();
    entries
        .map(|entry| {
            let at = by_source_uid
                .binary_search_by_key(&entry.uid, |(uid, _)| *uid)
                .ok()?;
            let line = lines?.get(by_source_uid.get(at)?.1 as usize)?;
            Some(Announced {
                position: line.field('O')?.parse().ok()?,
                uidl: Uidl::parse(line.field('P')?.as_bytes()).ok()?,
            })
        })
        .collect()
}
