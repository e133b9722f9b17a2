//! One message onto the disk, and what becomes of its file later.
//!
//! # The states of a message
//! A run may be cut between any two lines of this table; the next run finds one of these states.
//!
//! | on disk | meaning | the next run |
//! | --- | --- | --- |
//! | a folder without `cur` | not begun; what it has may not be handed to its owner | completes it |
//! | nothing | not begun | fetches it |
//! | a file `tmp/mailseed.*` | not complete, or complete without its name | removes it and fetches again |
//! | a file without any name | the same | finds nothing (it has gone with the run) and fetches again |
//! | a file in `cur`, no line in `dovecot-uidlist` | complete; its name says which message it is | keeps it, writes the line |
//! | a file in `cur`, a line in `dovecot-uidlist` | done | keeps it |
//! | a line without a file | deleted here, not yet there, or a server is renaming it | fetches it unless the file is back or its owner has deleted it |
//! | a file in `cur` without all its bytes | the machine lost power (`--fsync batch`) | removes it and fetches again, if no line mentions it and the record says that it was to come |

mod link;
mod nameless;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use filetime::FileTime;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};

use super::line_ends::Stored;
use super::tree::{FILE_MODE, FolderDirs, Tree, give_to, remove};
use super::{control, target_problem};
use crate::config::Fsync;
use crate::plan::on_disk::DiskFile;
use crate::problem::Problem;

pub use link::{Alike, Link};
pub use nameless::Way;

/// Every temporary file of ours begins so. The lock on the Maildir means that such a file found
/// at the start was left by a run that was cut.
pub(super) const TEMPORARY: &str = "mailseed.";
/// Bytes collected before a write.
const BUFFER: usize = 128 << 10;

/// A message on its way: a file, owned and closed to others from its first moment.
#[derive(Debug)]
pub struct Draft {
    file: File,
    place: Place,
    stored: Stored,
    buffer: Vec<u8>,
}

/// Where a message is until it appears.
#[derive(Debug)]
pub enum Place {
    /// In `tmp`, under this name.
    Tmp(String),
    /// Nowhere: its file gets its first name when it appears.
    Nowhere(Way),
}

/// What became of the bytes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes as they came from the server.
    pub received: u64,
    /// Bytes of the file (`S`).
    pub size: u64,
    /// Bytes with every line end as CRLF (`W`).
    pub virtual_size: u64,
    /// LFs in the file, where they have been counted.
    pub lf: Option<u64>,
}

impl Sizes {
    /// Bytes that Courier counts, and sends: with a CR before each LF, also where there is one.
    pub fn for_courier(self) -> Option<u64> {
        Some(self.size + self.lf?)
    }
}

impl Draft {
    /// Begins a message of a folder, with a buffer to use again. `number` tells drafts of one folder
    /// apart. `held_back`: it will be some time until it appears.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin(
        tree: &Tree,
        dirs: &FolderDirs,
        number: u64,
        keep_double_cr: bool,
        held_back: bool,
        mut buffer: Vec<u8>,
    ) -> io::Result<Self> {
        let (file, place) = match begin_nameless(tree, dirs, held_back) {
            Some((file, way)) => (file, Place::Nowhere(way)),
            None => {
                let name = format!("{TEMPORARY}{number}");
                let flags = OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::WRONLY
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&dirs.tmp, name.as_str(), flags, FILE_MODE)?;
                (File::from(file), Place::Tmp(name))
            }
        };
        give_to(&file, tree.owner())?;
        buffer.clear();
        Ok(Self {
            file,
            place,
            stored: Stored::new(keep_double_cr),
            buffer,
        })
    }

    /// Takes the next bytes as the server sent them.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(BUFFER) {
            self.stored.push(piece, &mut self.buffer);
            if self.buffer.len() >= BUFFER {
                self.file.write_all(&self.buffer)?;
                self.buffer.clear();
            }
        }
        Ok(())
    }

    /// Writes what is left, and says how long the message is.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn finish(&mut self) -> io::Result<Sizes> {
        self.stored.finish(&mut self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(self.stored.sizes())
    }

    /// Ends the writing. Returns the buffer too. One that is held back is closed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn close(self, tree: &Tree, held_back: bool) -> io::Result<(Finished, Vec<u8>)> {
        let finished = match self.place {
            Place::Tmp(name) if held_back => {
                if tree.fsync() == Fsync::Always {
                    self.file.sync_all()?;
                }
                Finished::Closed(name)
            }
            place => Finished::Open(self.file, place),
        };
        Ok((finished, self.buffer))
    }

    /// Throws the message away. Returns the buffer.
    pub fn discard(self, dirs: &FolderDirs) -> Vec<u8> {
        self.place.clear(dirs);
        self.buffer
    }
}

/// A file without a name, where one can be had and nothing speaks against it: one that is held back
/// is closed meanwhile, and would be gone; and that such a file survives a loss of power once it has
/// been synced, like one that was moved, is not known of every file system.
fn begin_nameless(tree: &Tree, dirs: &FolderDirs, held_back: bool) -> Option<(File, Way)> {
    if held_back || tree.fsync() == Fsync::Always {
        return None;
    }
    let way = tree.way(&dirs.tmp)?;
    Some((nameless::begin(&dirs.tmp).ok()?, way))
}

impl Place {
    /// Removes what is there.
    fn clear(&self, dirs: &FolderDirs) {
        if let Self::Tmp(name) = self {
            // One that cannot be removed now is removed by the next run.
            let _ = remove(&dirs.tmp, name.as_str());
        }
    }
}

/// A message that is whole, without its final name.
#[derive(Debug)]
pub enum Finished {
    /// It is to appear at once.
    Open(File, Place),
    /// Its file, of this name in `tmp`, has been closed.
    Closed(String),
    /// The file of another folder too, and so dated, as this name in `tmp`.
    Link(String),
}

impl Finished {
    /// Dates the message and lets it appear in `cur` under `name`, replacing nothing. With
    /// `--fsync always` date and name are on disk when this returns.
    ///
    /// # Errors
    /// Those of the file system; `AlreadyExists` where the name is taken.
    pub fn publish(self, tree: &Tree, dirs: &FolderDirs, name: &str, mtime: i64) -> io::Result<()> {
        let is_link = matches!(self, Self::Link(_));
        let (file, place) = match self {
            Self::Open(file, place) => (file, place),
            Self::Closed(draft) | Self::Link(draft) => {
                (open_message(&dirs.tmp, &draft)?, Place::Tmp(draft))
            }
        };
        if !is_link {
            set_date(&file, mtime)?;
        }
        let always = tree.fsync() == Fsync::Always;
        if always {
            file.sync_all()?;
        }
        match place {
            Place::Nowhere(way) => way.name(&file, &dirs.cur, name)?,
            Place::Tmp(draft) => move_in(&dirs.tmp, &draft, &dirs.cur, name)?,
        }
        if always {
            rustix::fs::fsync(&dirs.cur)?;
        }
        Ok(())
    }

    /// Throws the message away.
    pub fn discard(self, dirs: &FolderDirs) {
        match self {
            Self::Open(_, place) => place.clear(dirs),
            Self::Closed(draft) | Self::Link(draft) => Place::Tmp(draft).clear(dirs),
        }
    }
}

/// Moves a file without replacing anything, also where the file system knows no such rename.
pub(super) fn move_in(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> io::Result<()> {
    use rustix::io::Errno;
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(from, old, to, new, AtFlags::empty())?;
            remove(from, old)
        }
        other => Ok(other?),
    }
}

/// [`move_in`] for a directory, of which there can be no second link. Nothing that is in use is
/// replaced: where the file system knows no rename that replaces nothing, an empty directory may be.
pub(super) fn move_directory(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> io::Result<()> {
    use rustix::io::Errno;
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            Ok(rustix::fs::renameat(from, old, to, new)?)
        }
        other => Ok(other?),
    }
}

/// Gives a message another name, replacing nothing: another base name, or another suffix, which
/// takes it to `cur`. A server may have renamed it since it was seen: then its flags have just been
/// changed by its owner, and stay.
///
/// # Errors
/// Those of the file system.
pub fn rename(
    dirs: &FolderDirs,
    file: &DiskFile,
    base: Option<&str>,
    suffix: Option<&str>,
) -> io::Result<()> {
    let moved = |file: &DiskFile, suffix: Option<&str>| {
        let from = if file.in_new { &dirs.new } else { &dirs.cur };
        let to = if suffix.is_some() { &dirs.cur } else { from };
        let base = base.unwrap_or(&file.base);
        let new = format!("{base}{}", suffix.unwrap_or(&file.suffix));
        match move_in(from, &file.name(), to, &new) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    };
    if moved(file, suffix)? || base.is_none() {
        return Ok(());
    }
    for _ in 0..3 {
        match find(dirs, &file.base)? {
            Some(found) if moved(&found, None)? => return Ok(()),
            Some(_) => {}
            None => return Ok(()),
        }
    }
    Err(io::Error::other(format!(
        "a server renames {} again and again",
        file.base
    )))
}

/// The file with this base name, wherever a server has put it.
fn find(dirs: &FolderDirs, base: &str) -> io::Result<Option<DiskFile>> {
    for (dir, in_new) in [(&dirs.cur, false), (&dirs.new, true)] {
        for entry in rustix::fs::Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_str().ok();
            let suffix = name.and_then(|name| name.strip_prefix(base));
            if let Some(suffix) = suffix.filter(|it| it.is_empty() || it.starts_with(':')) {
                return Ok(Some(DiskFile {
                    base: base.into(),
                    suffix: suffix.into(),
                    in_new,
                    mtime: None,
                }));
            }
        }
    }
    Ok(None)
}

/// Removes a message, if it is still there under its name. Returns its bytes if it was.
///
/// # Errors
/// Those of the file system.
pub fn remove_message(dirs: &FolderDirs, file: &DiskFile) -> io::Result<Option<u64>> {
    let dir = if file.in_new { &dirs.new } else { &dirs.cur };
    let attempt = || {
        let stat = rustix::fs::statat(dir, file.name(), AtFlags::SYMLINK_NOFOLLOW)?;
        rustix::fs::unlinkat(dir, file.name(), AtFlags::empty())?;
        Ok(u64::try_from(stat.st_size).unwrap_or_default())
    };
    match attempt() {
        Ok(size) => Ok(Some(size)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives a message another date, in seconds since 1970.
///
/// # Errors
/// Those of the file system.
pub fn redate(dir: &OwnedFd, name: &str, mtime: i64) -> io::Result<()> {
    set_date(&open_message(dir, name)?, mtime)
}

fn set_date(file: &File, mtime: i64) -> io::Result<()> {
    filetime::set_file_handle_times(file, None, Some(FileTime::from_unix_time(mtime, 0)))
}

/// The sizes of a message that an earlier run has stored.
///
/// # Errors
/// Those of the file system.
pub fn measure(dir: &OwnedFd, name: &str) -> io::Result<Sizes> {
    super::line_ends::measure(&mut open_message(dir, name)?)
}

pub(super) fn open_message(dir: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(
        dir,
        name,
        flags,
        Mode::empty(),
    )?))
}

/// Removes what a run that was cut left in `tmp`.
///
/// # Errors
/// Those of the file system.
pub fn sweep(tree: &Tree, dirs: &FolderDirs) -> Result<(), Problem> {
    control::remove_all(&dirs.tmp, TEMPORARY)
        .map(drop)
        .map_err(|error| target_problem(&format!("clean tmp in {}", tree.path().display()), error))
}
