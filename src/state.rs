//! The record of a user, `mailseed.state` in the root of the Maildir: what the last run saw at the
//! source and where it put it. Pure: the record as a value, and its text.
//!
//! With it a re-run tells what has changed on which side ([`crate::plan::seen`]), and `explain` tells
//! what no other file does: the names of folders at the source, how each UIDL was paired, which
//! UIDLs have no message, which messages were not exported and why. A record that was lost is written
//! anew from what lies in the Maildir: nothing is fetched twice, but what was deleted on the target
//! and is still at the source comes back, and differences of flags stay as they are.
//!
//! # The file
//! A line of JSON for each thing seen, and later lines take the place of earlier ones: `head`, then
//! `folder` or `forget`. A run appends what is new as it goes, so that no folder costs more than its
//! own line, and rewrites the whole file at its end if lines have been replaced. A last line without
//! its line end was being written when the run was cut, and does not count. No time of a run is in
//! it: a run that changes nothing writes nothing. UIDs are ranges: a million messages of few kinds
//! have a few lines.
//!
//! The file lies in the user's own Maildir. Nothing in it is a path to be opened, and no range in it
//! is ever spelled out.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::mail::{FolderPath, Uid, UidSet, UidValidity, Uidl};
use crate::matching::{Pairing, Stage};
use crate::naming::message::UidlDigest;
use crate::plan::pop3_only::Remembered;
use crate::plan::seen::{Seen, marked};

/// The name of the file. No leading dot: Dovecot would list it as a mailbox.
pub const FILE: &str = "mailseed.state";

/// The name of the file for a user whose mail goes below `subfolder`: others have mail in the same
/// Maildir. It begins with [`FILE`], and the rest is a digest, since a folder's name may be as long
/// as a file's.
pub fn file_name(subfolder: Option<&FolderPath>) -> String {
    match subfolder {
        None => FILE.to_owned(),
        Some(path) => {
            let digest = blake3::hash(path.to_string().as_bytes()).to_hex();
            format!("{FILE}.{}", &digest[..16])
        }
    }
}

/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 2;

/// Everything recorded for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What is not about one folder.
    pub head: Head,
    /// The folders, by path.
    folders: Vec<Folder>,
}

/// What is recorded of a user besides folders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    version: u32,
    /// The name in the user list.
    pub user: String,
    /// The URL of the IMAP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imap: Option<String>,
    /// The URL of the POP3 server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop3: Option<String>,
    /// The folders that were subscribed at the source when last seen, each with its line in
    /// `subscriptions`; `None`: never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribed: Option<BTreeMap<String, String>>,
}

/// A folder as it was last seen at the source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Folder {
    path: Vec<String>,
    /// Its name as IMAP says it; `None`: POP3 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_name: Option<String>,
    /// Where it lies below the Maildir, `.` for INBOX; `None`: the target cannot hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// UIDVALIDITY, where the source gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_validity: Option<u32>,
    /// UIDNEXT, where the source gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_next: Option<u32>,
    /// HIGHESTMODSEQ (RFC 7162), where the source gave one and the folder was done under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_modseq: Option<u64>,
    /// MAILBOXID (RFC 8474), where the source gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox_id: Option<String>,
    /// How many messages the source had, and their octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<(u64, u64)>,
    /// UIDVALIDITY under which `seen`, `pending` and `renumbered` were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_validity: Option<u32>,
    /// The source's UIDNEXT when the folder was done: what has come since has a UID from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_next: Option<u32>,
    /// The messages that were exported, or were about to be, by flags and keywords: see
    /// [`crate::plan::seen::Gathered`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seen: BTreeMap<String, UidSet>,
    /// Those of `seen` that may not be on disk, since the run that was about to write them was cut.
    #[serde(default, skip_serializing_if = "UidSet::is_empty")]
    pub pending: UidSet,
    /// UIDs that are others on the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub renumbered: BTreeMap<u32, u32>,
    /// The target's next UID, as last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_next: Option<u32>,
    /// UIDs that a server has given to mail of the target's own.
    #[serde(default, skip_serializing_if = "UidSet::is_empty")]
    pub foreign: UidSet,
    /// Messages that `--delete-source` has deleted at the source, or was about to; none is in
    /// `seen`.
    #[serde(default, skip_serializing_if = "UidSet::is_empty")]
    pub deleted_at_source: UidSet,
    /// `written_next` and `foreign` as the run was about to write them; gone when it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writing: Option<(u32, UidSet)>,
    /// Where POP3 is the only source: what stands for the UIDL of each UID that was given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbered: BTreeMap<u32, String>,
    /// INBOX with copies of messages in other folders: what stands for the UIDL of each, by the UID
    /// that it was given under `seen_validity`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collected: BTreeMap<u32, String>,
    /// INBOX of a user with POP3: a digest of the POP3 listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maildrop: Option<String>,
    /// Why the folder is not done, with the way on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// INBOX of a user with POP3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired: Option<Paired>,
    /// Messages that were still to come when the folder was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
    /// Messages that are not exported for reasons of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// What became of the UIDLs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Paired {
    /// Messages in the POP3 listing.
    pub listed: u64,
    /// By the word for each stage, the messages whose UIDLs it has found.
    pub stages: BTreeMap<String, UidSet>,
    /// Messages without a UIDL.
    #[serde(default, skip_serializing_if = "UidSet::is_empty")]
    pub missing: UidSet,
    /// UIDLs without a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<Extra>,
    /// UIDLs of messages in other folders, which POP3 showed as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
}

/// What POP3 showed of one other folder than INBOX.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    folder: Vec<String>,
    /// Its UIDVALIDITY, where the source gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_validity: Option<u32>,
    /// The messages, in POP3 order.
    pub messages: Vec<Shown>,
}

/// A message of another folder with its UIDL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its UID.
    pub uid: u32,
    /// Its UIDL.
    pub uidl: String,
    /// Its place in the POP3 listing, from 1.
    pub position: u32,
    /// Its size in octets, as LIST gave it.
    pub size: u64,
    /// The word for the stage that has found it.
    pub stage: String,
}

/// A UIDL without a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// The number of the POP3 message.
    pub number: u32,
    /// Its UIDL; where that is none by RFC 1939, as it can be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidl: Option<String>,
    /// Its size in octets, as LIST gave it.
    pub size: u64,
    /// Why it has no message.
    pub why: String,
}

/// Messages that were not reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Why.
    pub reason: String,
    /// Which.
    pub uids: UidSet,
    /// The size in octets of each, by UID.
    pub octets: Vec<u64>,
}

/// A message that is not exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its UID, where IMAP listed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its UIDL, where POP3 listed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidl: Option<String>,
    /// Its size in octets, as the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Why it was not exported.
    pub reason: String,
}

/// Why a file is no record that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A newer mailseed has written it.
    #[error("it is of version {0}, this mailseed knows version {VERSION}")]
    Newer(u32),
    /// A line is not what any mailseed writes.
    #[error("line {0} is damaged")]
    Damaged(usize, #[source] serde_json::Error),
    /// It does not begin as any mailseed begins it.
    #[error("it is damaged")]
    Headless,
}

/// The word in place of a [`Stage`] where POP3 is the only source: the UIDL is the message's own.
pub const POP3_ONLY: &str = "pop3-only";

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Head(Head),
    Folder(Box<Folder>),
    /// The folder of this path is no longer at the source, nor on the target.
    Forget(Vec<String>),
}

/// A record with how it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The record.
    pub record: Record,
    /// It is as short as it can be: no line replaces another, and none was being written.
    pub is_compact: bool,
    /// The last line has its line end: lines may be appended.
    pub is_whole: bool,
}

impl Record {
    /// A record in which nothing has been seen yet.
    pub fn new(user: &str) -> Self {
        Self {
            head: Head {
                version: VERSION,
                user: user.to_owned(),
                ..Head::default()
            },
            folders: Vec::new(),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It is of a newer version, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Parsed, Fault> {
        let end = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        let mut head = None;
        let mut folders: BTreeMap<Vec<String>, Folder> = BTreeMap::new();
        let mut lines = 0;
        for (index, line) in bytes[..end]
            .split_inclusive(|byte| *byte == b'\n')
            .enumerate()
        {
            if index == 0 {
                check_version(line)?;
            }
            let line =
                serde_json::from_slice(line).map_err(|error| Fault::Damaged(index + 1, error))?;
            lines += 1;
            match line {
                Line::Head(new) => head = Some(new),
                Line::Folder(folder) => {
                    folders.insert(folder.path.clone(), *folder);
                }
                Line::Forget(path) => {
                    folders.remove(&path);
                }
            }
        }
        let head: Head = head.ok_or(Fault::Headless)?;
        let is_whole = end == bytes.len();
        Ok(Parsed {
            is_compact: is_whole && lines == folders.len() + 1,
            is_whole,
            record: Self {
                head,
                folders: folders.into_values().collect(),
            },
        })
    }

    /// The whole file.
    pub fn to_text(&self) -> String {
        let folders: String = self.folders.iter().map(Folder::to_line).collect();
        self.head.to_line() + &folders
    }

    /// Its folders, by path.
    pub fn folders(&self) -> &[Folder] {
        &self.folders
    }

    /// The folder of this path, if it has been seen.
    pub fn known(&self, path: &FolderPath) -> Option<&Folder> {
        Some(&self.folders[self.position(path).ok()?])
    }

    /// The folder of this path, put in where it is not there.
    pub fn folder(&mut self, path: &FolderPath) -> &mut Folder {
        let at = self.position(path).unwrap_or_else(|at| {
            let folder = Folder {
                path: path.parts().to_vec(),
                ..Folder::default()
            };
            self.folders.insert(at, folder);
            at
        });
        &mut self.folders[at]
    }

    /// Takes a folder out.
    pub fn forget(&mut self, path: &FolderPath) {
        if let Ok(at) = self.position(path) {
            self.folders.remove(at);
        }
    }

    /// Gives a folder another path, over one that was there.
    pub fn rename(&mut self, from: &FolderPath, to: &FolderPath) {
        if let Ok(at) = self.position(from) {
            let mut folder = self.folders.remove(at);
            folder.path = to.parts().to_vec();
            // Its directory goes with it, to a place that has to be told.
            folder.directory = None;
            *self.folder(to) = folder;
        }
    }

    fn position(&self, path: &FolderPath) -> Result<usize, usize> {
        self.folders
            .binary_search_by(|folder| folder.path.as_slice().cmp(path.parts()))
    }
}

/// The line that says that a folder is no more.
pub fn forget_line(path: &FolderPath) -> String {
    to_line(&Line::Forget(path.parts().to_vec()))
}

impl Head {
    /// Its line.
    pub fn to_line(&self) -> String {
        to_line(&Line::Head(self.clone()))
    }
}

fn to_line(line: &Line) -> String {
    // Strings, numbers and lists of them can always be said in JSON.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}

/// A newer version may have lines that this one does not know.
fn check_version(line: &[u8]) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct First {
        head: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let first: First = serde_json::from_slice(line).map_err(|error| Fault::Damaged(1, error))?;
    match first.head.version {
        VERSION => Ok(()),
        newer if newer > VERSION => Err(Fault::Newer(newer)),
        _ => Err(Fault::Headless),
    }
}

impl Folder {
    /// Notes where it lies, `None`: nowhere. What was seen while it lay elsewhere (under another
    /// `--map`, say) tells nothing of what lies here, and is forgotten.
    pub fn lies_in(&mut self, directory: Option<String>) {
        if let (Some(before), Some(now)) = (&self.directory, &directory)
            && before != now
        {
            *self = Self {
                path: std::mem::take(&mut self.path),
                wire_name: self.wire_name.take(),
                ..Self::default()
            };
        }
        self.directory = directory;
    }

    /// Forgets that these messages were seen at the source.
    pub fn forget_seen(&mut self, uids: &UidSet) {
        for seen in self.seen.values_mut() {
            *seen = seen.difference(uids);
        }
        self.seen.retain(|_, seen| !seen.is_empty());
    }

    /// Notes that these messages are to be deleted at the source. From now on it does not matter
    /// there what becomes of them.
    pub fn lets_go(&mut self, uids: &UidSet) {
        self.forget_seen(uids);
        self.deleted_at_source = self.deleted_at_source.union(uids);
    }

    /// Takes back that messages were to be deleted at the source: there they are, and `seen` are
    /// their sets (see [`crate::plan::seen::Gathered`]).
    pub fn takes_back(&mut self, seen: BTreeMap<String, UidSet>) {
        for (words, uids) in seen {
            self.deleted_at_source = self.deleted_at_source.difference(&uids);
            let known = self.seen.entry(words).or_default();
            *known = known.union(&uids);
        }
    }

    /// Its line.
    pub fn to_line(&self) -> String {
        to_line(&Line::Folder(Box::new(self.clone())))
    }

    /// What a plan has to know of it.
    pub fn past(&self) -> Option<Seen> {
        Some(Seen {
            validity: UidValidity::new(self.seen_validity?)?,
            marked: marked(&self.seen),
            pending: self.pending.clone(),
            renumbered: self.renumbered.clone(),
            written_next: self.written_next,
            foreign: self.foreign.clone(),
            writing: self.writing.clone(),
            paired: self.paired.as_ref().map(Paired::all).unwrap_or_default(),
            collected: self
                .collected
                .keys()
                .filter_map(|uid| Uid::new(*uid))
                .collect(),
            deleted_at_source: self.deleted_at_source.clone(),
        })
    }

    /// The UIDs given where POP3 is the only source.
    pub fn remembered(&self) -> Remembered {
        Remembered {
            validity: self.uid_validity.and_then(UidValidity::new),
            uids: digests(&self.numbered),
        }
    }

    /// The UID on the target of INBOX's copy of the message of another folder that has this UIDL.
    pub fn copy_of(&self, uidl: &str) -> Option<u32> {
        let digest = UidlDigest::of(&Uidl::parse(uidl.as_bytes()).ok()?).to_string();
        let mut copies = self.collected.iter();
        let (uid, _) = copies.find(|(_, copy)| **copy == digest)?;
        Some(*self.renumbered.get(uid).unwrap_or(uid))
    }

    /// The UIDs given to copies of messages in other folders.
    pub fn copies(&self) -> Remembered {
        Remembered {
            validity: self.seen_validity.and_then(UidValidity::new),
            uids: digests(&self.collected),
        }
    }

    /// Whether everything that the source had is on the target as it should be, so that nothing has
    /// to be done as long as the source stays as it is.
    pub fn is_done(&self) -> bool {
        let seen: u64 = self.seen.values().map(UidSet::len).sum();
        self.problem.is_none()
            && self.left.is_none()
            && self.skipped.is_empty()
            && self.pending.is_empty()
            // What they are copies of may have changed.
            && self.collected.is_empty()
            && self.seen_validity == self.uid_validity
            && self.listed.is_some_and(|(listed, _)| listed == seen)
    }

    /// Its name for people.
    pub fn path(&self) -> FolderPath {
        FolderPath::new(self.path.clone())
    }

    /// Notes what the source says of it. Under another UIDVALIDITY nothing that was known of its
    /// UIDs holds.
    pub fn examined(&mut self, uid_validity: Option<u32>, uid_next: Option<u32>) {
        if self.uid_validity != uid_validity {
            (self.paired, self.left) = (None, None);
            self.skipped.clear();
        }
        (self.uid_validity, self.uid_next) = (uid_validity, uid_next);
    }

    /// Notes how its UIDLs were paired. A pair that this run found in the Maildir keeps the stage
    /// by which an earlier one had found it.
    pub fn pair(&mut self, pairing: &Pairing, extra: Vec<Extra>) {
        let old = self.paired.take().unwrap_or_default();
        let mut stages: BTreeMap<String, Vec<Uid>> = BTreeMap::new();
        for pair in &pairing.pairs {
            let earlier = old
                .stage_of(pair.uid)
                .filter(|_| pair.stage == Stage::Known);
            let word = earlier.map_or_else(|| pair.stage.to_string(), str::to_owned);
            stages.entry(word).or_default().push(pair.uid);
        }
        let stages = stages.into_iter();
        self.paired = Some(Paired {
            listed: (pairing.pairs.len() + pairing.extra.len() + pairing.elsewhere.len()) as u64,
            stages: stages
                .map(|(word, uids)| (word, uids.into_iter().collect()))
                .collect(),
            missing: pairing.missing.iter().copied().collect(),
            extra,
            elsewhere: elsewhere(pairing, &old),
        });
    }
}

fn digests(numbered: &BTreeMap<u32, String>) -> Vec<(Uid, UidlDigest)> {
    let numbered = numbered.iter();
    numbered
        .filter_map(|(uid, digest)| Some((Uid::new(*uid)?, UidlDigest::parse(digest)?)))
        .collect()
}

/// The UIDLs of other folders, each folder where POP3 first shows one of its messages.
fn elsewhere(pairing: &Pairing, old: &Paired) -> Vec<Elsewhere> {
    let old = old.elsewhere.iter().flat_map(|folder| &folder.messages);
    let stages: HashMap<&str, &str> = old
        .map(|shown| (shown.uidl.as_str(), shown.stage.as_str()))
        .collect();
    let mut folders: Vec<Elsewhere> = Vec::new();
    for found in &pairing.elsewhere {
        let path = found.folder.parts();
        let earlier = stages
            .get(found.uidl.as_str())
            .filter(|_| found.stage == Stage::Known);
        let shown = Shown {
            uid: found.uid.value(),
            uidl: found.uidl.to_string(),
            position: found.position,
            size: found.size,
            stage: earlier.map_or_else(|| found.stage.to_string(), |it| (*it).to_owned()),
        };
        match folders.iter_mut().find(|folder| folder.folder == path) {
            Some(folder) => folder.messages.push(shown),
            None => folders.push(Elsewhere {
                folder: path.to_vec(),
                uid_validity: found.uid_validity.map(UidValidity::value),
                messages: vec![shown],
            }),
        }
    }
    folders
}

impl Elsewhere {
    /// The folder.
    pub fn path(&self) -> FolderPath {
        FolderPath::new(self.folder.clone())
    }
}

impl Paired {
    /// All messages that have a UIDL.
    pub fn all(&self) -> UidSet {
        let stages = self.stages.values();
        stages.fold(UidSet::default(), |all, uids| all.union(uids))
    }

    /// The message of another folder that has this UIDL.
    pub fn elsewhere(&self, uidl: &str) -> Option<(&Elsewhere, &Shown)> {
        self.elsewhere.iter().find_map(|folder| {
            let mut messages = folder.messages.iter();
            Some((folder, messages.find(|message| message.uidl == uidl)?))
        })
    }

    /// The word for the stage that has found the UIDL of `uid`.
    pub fn stage_of(&self, uid: Uid) -> Option<&str> {
        let mut stages = self.stages.iter();
        let (word, _) = stages.find(|(_, uids)| uids.contains(uid))?;
        Some(word)
    }
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
