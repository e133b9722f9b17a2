//! `--delete-source`: what has been brought is deleted at the source.
//!
//! When all folders are done and synced to disk, each message that may go is compared: what the
//! source sends (in this run, or once more) with what is read back from its file. Of those that are
//! the same it is then noted that they are the target's own, and only after that the source is told
//! to delete them. A run may be cut between any two of these steps:
//!
//! | cut | state | the next run |
//! | --- | --- | --- |
//! | before the note | message at the source and on the target | is as if nothing had been |
//! | after the note | noted, at the source without `\Deleted` | takes the note back |
//! | after STORE | noted, at the source with `\Deleted` | takes the flag for ours, completes it if it deletes |
//! | after EXPUNGE, or QUIT | noted, gone | knows that it was not the user who deleted it |

mod compare;

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use tracing::Level;

use super::attempt::Attempt;
use super::folder::{Digests, Folder};
use super::interrupted;
use super::on_target::on_target;
use crate::config::SourceDeletion;
use crate::mail::{Entry, Flags, FolderPath, Uid, UidSet, UidValidity, octets};
use crate::naming::MaildirFolder;
use crate::plan::FolderPlan;
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::Numbered;
use crate::plan::seen::Gathered;
use crate::problem::{Kind, Problem, Reach};
use crate::sink::tree::Tree;
use crate::source::imap::Expunge;
use crate::source::{ListedFolder, MessageList, imap, pop3};
use crate::text::{counted, printable};

/// A folder with what may be deleted of it at the source.
#[derive(Debug)]
pub(super) struct Deletable {
    path: FolderPath,
    target: MaildirFolder,
    validity: UidValidity,
    /// What a message is called in messages to people.
    called: &'static str,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    uid: Uid,
    /// What it is asked for: its UID, or its POP3 number.
    key: u32,
    /// As the source announces it.
    size: u64,
    /// The base name of its file, where that does not tell which message it is.
    name: Option<Box<str>>,
    /// Of what the source has sent, if that was in this run.
    sent: Option<blake3::Hash>,
}

impl Attempt<'_> {
    /// Whether what comes is to be compared.
    pub(super) fn wants_digests(&self) -> bool {
        self.context.config.rerun.deletes_at_source()
    }

    /// Notes what of a folder may be deleted at the source: what is selected and on disk, in a dry run
    /// what would be. `missing` are the entries that did not come.
    pub(super) fn note_deletable(
        &mut self,
        folder: &Folder<'_>,
        disk: &OnDisk,
        plan: &FolderPlan,
        digests: &Digests,
        missing: &dyn Fn(usize) -> bool,
    ) {
        if !self.wants_digests() {
            return;
        }
        let source = &folder.source;
        let on_target = on_target(source, disk, plan, &self.policy(), missing);
        let messages = on_target.into_iter().filter_map(|(index, name)| {
            let entry = source.entries.get(index)?;
            self.is_selected(folder, entry).then(|| Message {
                uid: entry.uid,
                key: (folder.key)(index),
                size: entry.size,
                name,
                sent: digests.get(&index).copied(),
            })
        });
        let messages: Vec<Message> = messages.collect();
        if messages.is_empty() {
            return;
        }
        self.memory.deletable.push(Deletable {
            path: source.path.clone(),
            target: folder.target.clone(),
            validity: source.validity,
            called: folder.called,
            messages,
        });
    }

    /// Whether the selection takes a message for sure. To bring one, doubt is enough: a message
    /// without a date is of no age.
    fn is_selected(&self, folder: &Folder<'_>, entry: &Entry) -> bool {
        let selection = &self.context.config.selection;
        let by_date = selection.since.is_some() || selection.max_age.is_some();
        folder.source.is_selected(entry.uid)
            && (entry.internal_date.is_some() || !by_date)
            && selection.max_size.is_none_or(|most| entry.size <= most)
    }

    /// Takes in what has become of messages that were to be deleted at the source, before the
    /// listing is used: where `\Deleted` stands at one, that is our own mark.
    pub(super) fn settle_leaving(
        &mut self,
        path: &FolderPath,
        validity: Option<UidValidity>,
        list: &mut MessageList,
    ) {
        let validity = validity.map(UidValidity::value);
        let known = self.memory.book.record.known(path);
        let Some(known) = known.filter(|it| validity.is_some() && it.seen_validity == validity)
        else {
            return;
        };
        if known.deleted_at_source.is_empty() {
            return;
        }
        let mut unmarked = Gathered::default();
        for entry in &mut list.entries {
            if !known.deleted_at_source.contains(entry.uid) {
                continue;
            }
            match entry.flags.contains(Flags::DELETED) {
                true => entry.flags = entry.flags.without(Flags::DELETED),
                false => unmarked.add(entry.uid, entry.flags, entry.keywords),
            }
        }
        let unmarked = unmarked.into_sets(&list.keywords);
        self.noted(path).takes_back(unmarked);
        self.count_gone(path, &list.entries);
    }

    /// As [`Attempt::settle_leaving`], over POP3 alone, where nothing is marked beyond a session.
    pub(super) fn settle_numbered(&mut self, numbered: &Numbered) {
        let path = FolderPath::inbox();
        let known = self.memory.book.record.known(&path);
        let validity = Some(numbered.validity.value());
        let Some(known) = known.filter(|known| known.seen_validity == validity) else {
            return;
        };
        let mut unmarked = Gathered::default();
        for entry in &numbered.entries {
            if known.deleted_at_source.contains(entry.uid) {
                unmarked.add(entry.uid, entry.flags, entry.keywords);
            }
        }
        let unmarked = unmarked.into_sets(&numbered.keywords);
        if !unmarked.is_empty() {
            self.noted(&path).takes_back(unmarked);
        }
        self.count_gone(&path, &numbered.entries);
    }

    /// Counts what an attempt before this one has deleted without hearing of it.
    fn count_gone(&mut self, path: &FolderPath, entries: &[Entry]) {
        let tally = self.memory.tally.folder(path);
        if tally.leaving.is_empty() {
            return;
        }
        let listed: UidSet = entries.iter().map(|entry| entry.uid).collect();
        tally.source_deleted += tally.leaving.difference(&listed).len();
        tally.leaving = UidSet::default();
    }

    /// Deletes at the source what may go, over IMAP; in a dry run says what that is.
    pub(super) fn delete_at_source(
        &mut self,
        session: &mut imap::Session,
        listed: &[ListedFolder],
        tree: Option<&Tree>,
    ) -> Result<(), Problem> {
        let folders = std::mem::take(&mut self.memory.deletable);
        if folders.is_empty() {
            return Ok(());
        }
        let how = match self.context.config.rerun.delete_source {
            _ if session.expunges_by_uid() => Expunge::ByUid,
            SourceDeletion::WithMarked => Expunge::AllMarked,
            _ => {
                self.note_problem(without_uidplus());
                return Ok(());
            }
        };
        let Some(tree) = tree else {
            folders.iter().for_each(|folder| self.tell(folder));
            return Ok(());
        };
        tree.sync_all()?;
        for folder in &folders {
            let Some(listed) = listed.iter().find(|listed| listed.path == folder.path) else {
                continue;
            };
            let result = self.delete_in_folder(session, listed, folder, tree, how);
            self.tell_warnings(session);
            self.go_on_after(&folder.path, result)?;
        }
        Ok(())
    }

    fn delete_in_folder(
        &mut self,
        session: &mut imap::Session,
        listed: &ListedFolder,
        folder: &Deletable,
        tree: &Tree,
        how: Expunge,
    ) -> Result<(), Problem> {
        let examined = session.examine(listed)?;
        if examined.uid_validity != Some(folder.validity) {
            return Err(imap::changed());
        }
        let sent = self.sent_again(folder, |wanted, sink| {
            let wanted: Vec<(Uid, u64)> = wanted
                .iter()
                .filter_map(|(uid, size)| Some((Uid::new(*uid)?, *size)))
                .collect();
            session.fetch_bodies(&wanted, sink)
        })?;
        let proven = self.proven(folder, &sent)?;
        if !self.let_go(folder, &proven, tree)? {
            return Ok(());
        }
        let uids: UidSet = proven.iter().map(|message| message.uid).collect();
        let path = &folder.path;
        let tally = self.memory.tally.folder(path);
        let stop = self.context.stop;
        let mut gone = UidSet::default();
        let result = session.delete(listed, folder.validity, &uids, how, &mut |piece| {
            gone = gone.union(piece);
            tally.leaving = tally.leaving.difference(piece);
            tally.source_deleted += piece.len();
            match stop.load(Ordering::Relaxed) {
                true => Err(interrupted()),
                false => Ok(()),
            }
        });
        self.tell_gone(folder, &gone);
        let problem = result?;
        // What is left is not on its way any more.
        self.memory.tally.folder(path).leaving = UidSet::default();
        problem.map_or(Ok(()), Err)
    }

    /// Deletes from the maildrop what may go, and ends the session; in a dry run says what that is.
    pub(super) fn delete_from_maildrop(
        &mut self,
        mut session: pop3::Session,
        tree: Option<&Tree>,
    ) -> Result<(), Problem> {
        let folders = std::mem::take(&mut self.memory.deletable);
        let Some(folder) = folders.first() else {
            session.quit();
            return Ok(());
        };
        if session.deletes_what_was_retrieved() {
            session.quit();
            self.note_problem(expires());
            return Ok(());
        }
        let Some(tree) = tree else {
            session.quit();
            self.tell(folder);
            return Ok(());
        };
        let proven = tree.sync_all().and_then(|()| {
            let sent = self.sent_again(folder, |wanted, sink| {
                let numbers: Vec<u32> = wanted.iter().map(|(number, _)| *number).collect();
                session.whole(&numbers, sink)
            })?;
            let proven = self.proven(folder, &sent)?;
            Ok(self.let_go(folder, &proven, tree)?.then_some(proven))
        });
        let proven = match proven {
            Ok(Some(proven)) => proven,
            other => {
                session.quit();
                return other.map(drop);
            }
        };
        let numbers: Vec<u32> = proven.iter().map(|message| message.key).collect();
        let refused: Vec<(u32, String)> = session.delete(&numbers)?;
        let refused: HashMap<u32, String> = refused.into_iter().collect();
        session.commit()?;
        for (number, why) in &refused {
            let what = format!("the server refused to delete it: {why}");
            let problem = Problem::new(Kind::Refused, Reach::Message, what)
                .at_message(format!("{} {number}", folder.called))
                .in_folder(&folder.path);
            self.note_problem(problem);
        }
        let gone = proven.iter().filter(|it| !refused.contains_key(&it.key));
        let gone: UidSet = gone.map(|message| message.uid).collect();
        let tally = self.memory.tally.folder(&folder.path);
        tally.leaving = UidSet::default();
        tally.source_deleted += gone.len();
        self.tell_gone(folder, &gone);
        Ok(())
    }

    /// Notes that messages are the target's own from now on. Whether there are any.
    fn let_go(
        &mut self,
        folder: &Deletable,
        proven: &[&Message],
        tree: &Tree,
    ) -> Result<bool, Problem> {
        let uids: UidSet = proven.iter().map(|message| message.uid).collect();
        if uids.is_empty() {
            return Ok(false);
        }
        self.noted(&folder.path).lets_go(&uids);
        self.save(Some(tree))?;
        tree.sync_all()?;
        self.memory.tally.folder(&folder.path).leaving = uids;
        Ok(true)
    }

    fn tell(&mut self, folder: &Deletable) {
        let octets = octets(folder.messages.iter().map(|message| message.size));
        let count = folder.messages.len() as u64;
        let line = format!(
            "  {}: delete at the source: {}, {octets} bytes",
            folder.path,
            counted(count, "message")
        );
        self.memory.plan.push(printable(&line));
        for message in &folder.messages {
            let line = format!(
                "folder {}: would be deleted at the source: {} {}, {} bytes",
                folder.path, folder.called, message.key, message.size
            );
            self.log.line(Level::INFO, line);
        }
        self.memory.tally.folder(&folder.path).source_deleted = count;
    }

    fn tell_gone(&mut self, folder: &Deletable, gone: &UidSet) {
        let path = &folder.path;
        for message in folder.messages.iter().filter(|it| gone.contains(it.uid)) {
            let (called, key) = (folder.called, message.key);
            let line = format!("folder {path}: deleted at the source: {called} {key}");
            self.log.line(Level::INFO, line);
        }
    }

    fn note_message(&mut self, folder: &Deletable, message: &Message, problem: Problem) {
        let called = format!("{} {}", folder.called, message.key);
        self.note_problem(problem.at_message(called).in_folder(&folder.path));
    }

    fn note_problem(&mut self, problem: Problem) {
        self.log.line(Level::ERROR, problem.to_string());
        self.memory.tally.problems.push(problem);
    }
}

fn without_uidplus() -> Problem {
    let what = "the IMAP server cannot remove messages by their UIDs (it has no UIDPLUS); nothing was deleted there";
    Problem::new(Kind::Refused, Reach::Folder, what).with_hint(
        "--expunge-marked lets everything be removed that is marked as deleted in the folders concerned",
    )
}

fn expires() -> Problem {
    let what = "the POP3 server deletes at the end of a session whatever was retrieved (EXPIRE 0); \
                the session was ended without that, and nothing was deleted there";
    Problem::new(Kind::Refused, Reach::Folder, what)
}
