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

pub mod daily;
mod digests;
mod folder;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::mail::FolderPath;

pub use folder::{Elsewhere, Extra, Folder, Left, POP3_ONLY, Paired, Shown, Skipped};

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

/// The version that is written, and the only one that is read.
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

/// One line of the file, as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Head(Head),
    Folder(Box<Folder>),
    /// The folder of this path is no longer at the source, nor on the target.
    Forget(Vec<String>),
}

/// The same, as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'w> {
    Head(&'w Head),
    Folder(&'w Folder),
    Forget(&'w [String]),
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
                Line::Head(new) => {
                    known_version(new.version)?;
                    head = Some(new);
                }
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

    /// Writes the whole file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.head.write_to(out)?;
        let mut folders = self.folders.iter();
        folders.try_for_each(|folder| folder.write_to(out))
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

/// Writes the line that says that a folder is no more.
///
/// # Errors
/// Those of `out`.
pub fn forget(path: &FolderPath, out: &mut impl Write) -> io::Result<()> {
    write_line(&Written::Forget(path.parts()), out)
}

impl Head {
    /// Writes its line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        write_line(&Written::Head(self), out)
    }
}

fn write_line(line: &Written<'_>, out: &mut impl Write) -> io::Result<()> {
    // Strings, numbers and lists of them can always be said in JSON.
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
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
    known_version(first.head.version)
}

fn known_version(version: u32) -> Result<(), Fault> {
    match version {
        VERSION => Ok(()),
        newer if newer > VERSION => Err(Fault::Newer(newer)),
        _ => Err(Fault::Headless),
    }
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
