//! What is recorded of one folder.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::digests::Digests;
use super::{Written, write_line};
use crate::mail::{FolderPath, Uid, UidSet, UidValidity, Uidl};
use crate::matching::{Pairing, Stage};
use crate::naming::message::UidlDigest;
use crate::plan::pop3_only::Remembered;
use crate::plan::seen::{Renumbered, Seen, marked};

/// A folder as it was last seen at the source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Folder {
    pub(super) path: Vec<String>,
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
    #[serde(default, skip_serializing_if = "Digests::is_empty")]
    pub numbered: Digests,
    /// INBOX with copies of messages in other folders: what stands for the UIDL of each, by the UID
    /// that it was given under `seen_validity`.
    #[serde(default, skip_serializing_if = "Digests::is_empty")]
    pub collected: Digests,
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

/// The word in place of a [`Stage`] where POP3 is the only source: the UIDL is the message's own.
pub const POP3_ONLY: &str = "pop3-only";

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

    /// Writes its line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        write_line(&Written::Folder(self), out)
    }

    /// What a plan has to know of it.
    pub fn past(&self) -> Option<Seen> {
        Some(Seen {
            validity: UidValidity::new(self.seen_validity?)?,
            marked: marked(&self.seen),
            pending: self.pending.clone(),
            renumbered: self.renumbered.clone().into(),
            written_next: self.written_next,
            foreign: self.foreign.clone(),
            writing: self.writing.clone(),
            paired: self.paired.as_ref().map(Paired::all).unwrap_or_default(),
            collected: self.collected.uids().collect(),
            deleted_at_source: self.deleted_at_source.clone(),
        })
    }

    /// The UIDs given where POP3 is the only source.
    pub fn remembered(&self) -> Remembered {
        Remembered {
            validity: self.uid_validity.and_then(UidValidity::new),
            uids: self.numbered.as_slice().to_vec(),
            renumbered: match self.seen_validity == self.uid_validity {
                true => self.renumbered.clone().into(),
                false => Renumbered::default(),
            },
        }
    }

    /// The UID on the target of INBOX's copy of the message of another folder that has this UIDL.
    pub fn copy_of(&self, uidl: &str) -> Option<u32> {
        let digest = UidlDigest::of(&Uidl::parse(uidl.as_bytes()).ok()?);
        let uid = self.collected.uid_of(digest)?.value();
        Some(self.renumbered.get(&uid).copied().unwrap_or(uid))
    }

    /// The UIDs given to copies of messages in other folders.
    pub fn copies(&self) -> Remembered {
        Remembered {
            validity: self.seen_validity.and_then(UidValidity::new),
            uids: self.collected.as_slice().to_vec(),
            ..Remembered::default()
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
            // A run was cut before its list was written.
            && self.writing.is_none()
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
