//! The record of a user, `mailseed.state` in the root of the Maildir: what the last runs saw at the
//! source and where they put it. Pure: the record as a value, and its text.
//!
//! The export does not need it: what lies in the Maildir tells what is there, and a record that was
//! lost is written anew. It holds what no other file tells: the names of folders at the source, how
//! each UIDL was paired, which UIDLs have no message, which messages were not exported and why. No
//! time of a run is in it, so that a run that changes nothing writes nothing. UIDs are ranges: a
//! record of a million messages has a few lines.
//!
//! The file lies in the user's own Maildir. Nothing in it is a path to be opened.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::mail::{FolderPath, Uid, UidSet};
use crate::matching::{Pairing, Stage};

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
pub const VERSION: u32 = 1;

/// Everything recorded for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The name in the user list.
    pub user: String,
    /// The URL of the IMAP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imap: Option<String>,
    /// The URL of the POP3 server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop3: Option<String>,
    /// The folders, also those that the source no longer has, by path.
    #[serde(default)]
    folders: Vec<Folder>,
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
    /// It is not what any mailseed writes.
    #[error("it is damaged")]
    Damaged(#[source] serde_json::Error),
}

/// The word in place of a [`Stage`] where POP3 is the only source: the UIDL is the message's own.
pub const POP3_ONLY: &str = "pop3-only";

impl Record {
    /// A record in which nothing has been seen yet.
    pub fn new(user: &str) -> Self {
        Self {
            version: VERSION,
            user: user.to_owned(),
            imap: None,
            pop3: None,
            folders: Vec::new(),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It is of a newer version, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(Fault::Damaged)?;
        if head.version > VERSION {
            return Err(Fault::Newer(head.version));
        }
        let mut record: Record = serde_json::from_slice(bytes).map_err(Fault::Damaged)?;
        record.folders.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(record)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.write_all(b"\n")
    }

    /// Its folders, by path.
    pub fn folders(&self) -> &[Folder] {
        &self.folders
    }

    /// The folder of this path, put in where it is not there.
    pub fn folder(&mut self, path: &FolderPath) -> &mut Folder {
        let found = self
            .folders
            .binary_search_by(|folder| folder.path.as_slice().cmp(path.parts()));
        let at = found.unwrap_or_else(|at| {
            let folder = Folder {
                path: path.parts().to_vec(),
                ..Folder::default()
            };
            self.folders.insert(at, folder);
            at
        });
        &mut self.folders[at]
    }
}

impl Folder {
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
            listed: (pairing.pairs.len() + pairing.extra.len()) as u64,
            stages: stages
                .map(|(word, uids)| (word, uids.into_iter().collect()))
                .collect(),
            missing: pairing.missing.iter().copied().collect(),
            extra,
        });
    }
}

impl Paired {
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
