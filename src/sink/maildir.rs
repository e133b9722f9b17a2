//! One message onto the disk, and what lies there already.
//!
//! # The states of a message
//! A run may be cut between any two lines of this table; the next run finds one of these states.
//!
//! | on disk | meaning | the next run |
//! | --- | --- | --- |
//! | a folder without `cur` | not begun; what it has may not be handed to its owner | completes it |
//! | nothing | not begun | fetches it |
//! | a file `tmp/mailseed.*` | not complete, or complete without its name | removes it and fetches again |
//! | a file in `cur`, no line in `dovecot-uidlist` | complete; its name says which message it is | keeps it, writes the line |
//! | a file in `cur`, a line in `dovecot-uidlist` | done | keeps it |
//! | a line without a file | deleted here, or a server is renaming it | fetches it unless the file is back |

mod link;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use filetime::FileTime;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use walkdir::WalkDir;

use super::line_ends::Stored;
use super::tree::{FILE_MODE, FolderDirs, Tree, give_to, open_dir, remove};
use super::{control, target_problem};
use crate::config::{Fsync, Layout};
use crate::mail::UidList;
use crate::naming::message::size_field;
use crate::naming::{Identity, KeywordLetters, MaildirFolder};
use crate::plan::on_disk::{DiskFile, OnDisk};
use crate::problem::{Kind, Problem, Reach};

pub use link::{Alike, Link};

/// Every temporary file of ours begins so. The lock on the Maildir means that such a file found
/// at the start was left by a run that was cut.
const TEMPORARY: &str = "mailseed.";
/// Bytes collected before a write.
const BUFFER: usize = 128 << 10;

/// A message on its way: a file in `tmp`, owned and closed to others from its first moment.
#[derive(Debug)]
pub struct Draft {
    file: File,
    name: String,
    stored: Stored,
    buffer: Vec<u8>,
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
}

impl Draft {
    /// Begins a message in the folder's `tmp`, with a buffer to use again. `number` tells drafts
    /// of one folder apart.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin(
        tree: &Tree,
        dirs: &FolderDirs,
        number: u64,
        keep_double_cr: bool,
        mut buffer: Vec<u8>,
    ) -> io::Result<Self> {
        let name = format!("{TEMPORARY}{number}");
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(
            &dirs.tmp,
            name.as_str(),
            flags,
            FILE_MODE,
        )?);
        give_to(&file, tree.owner())?;
        buffer.clear();
        Ok(Self {
            file,
            name,
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

    /// Ends the writing. Returns the buffer too. `held_back`: it will be some time until the message
    /// appears, so its file is closed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn close(self, tree: &Tree, held_back: bool) -> io::Result<(Finished, Vec<u8>)> {
        if held_back && tree.fsync() == Fsync::Always {
            self.file.sync_all()?;
        }
        let finished = Finished {
            file: (!held_back).then_some(self.file),
            name: self.name,
            is_link: false,
        };
        Ok((finished, self.buffer))
    }

    /// Throws the message away. Returns the buffer.
    pub fn discard(self, dirs: &FolderDirs) -> Vec<u8> {
        // A draft that cannot be removed now is removed by the next run.
        let _ = remove(&dirs.tmp, self.name.as_str());
        self.buffer
    }
}

/// A message that is whole, in `tmp`, without its final name.
#[derive(Debug)]
pub struct Finished {
    /// Open where it appears at once.
    file: Option<File>,
    name: String,
    /// Whether it is the file of another folder too, and so has its date.
    is_link: bool,
}

impl Finished {
    /// Dates the message and lets it appear in `cur` under `name`, replacing nothing. With
    /// `--fsync always` date and name are on disk when this returns.
    ///
    /// # Errors
    /// Those of the file system; `AlreadyExists` where the name is taken.
    pub fn publish(self, tree: &Tree, dirs: &FolderDirs, name: &str, mtime: i64) -> io::Result<()> {
        let file = match self.file {
            Some(file) => file,
            None => open_message(&dirs.tmp, &self.name)?,
        };
        if !self.is_link {
            set_date(&file, mtime)?;
        }
        if tree.fsync() == Fsync::Always {
            file.sync_all()?;
        }
        drop(file);
        move_in(&dirs.tmp, &self.name, &dirs.cur, name)?;
        if tree.fsync() == Fsync::Always {
            rustix::fs::fsync(&dirs.cur)?;
        }
        Ok(())
    }

    /// Throws the message away.
    pub fn discard(self, dirs: &FolderDirs) {
        // One that cannot be removed now is removed by the next run.
        let _ = remove(&dirs.tmp, self.name.as_str());
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

/// Removes a message, if it is still there under its name. Returns whether it was.
///
/// # Errors
/// Those of the file system.
pub fn remove_message(dirs: &FolderDirs, file: &DiskFile) -> io::Result<bool> {
    let dir = if file.in_new { &dirs.new } else { &dirs.cur };
    match rustix::fs::unlinkat(dir, file.name(), AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::NOENT) => Ok(false),
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

fn open_message(dir: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(
        dir,
        name,
        flags,
        Mode::empty(),
    )?))
}

/// The messages of one folder, to be read. Nothing is made, changed or locked.
#[derive(Debug)]
pub struct Messages {
    new: Option<OwnedFd>,
    cur: Option<OwnedFd>,
}

impl Messages {
    /// Opens the folder of the Maildir at `root`; one that does not exist has no messages.
    ///
    /// # Errors
    /// Those of the file system; a link in place of a directory is one.
    pub fn open(root: &Path, folder: &MaildirFolder) -> io::Result<Self> {
        let Some(dir) = open_existing(root, folder)? else {
            return Ok(Self {
                new: None,
                cur: None,
            });
        };
        let part = |name| existing(open_dir(&dir, name));
        Ok(Self {
            new: part("new")?,
            cur: part("cur")?,
        })
    }

    /// Opens a message.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where it is no longer there.
    pub fn file(&self, file: &DiskFile) -> io::Result<File> {
        let dir = if file.in_new { &self.new } else { &self.cur };
        let dir = dir.as_ref().ok_or(io::ErrorKind::NotFound)?;
        open_message(dir, &file.name())
    }
}

/// The folders of the Maildir at `root`, INBOX first, then by name. Names that are not UTF-8 are
/// left out: mailseed writes none.
///
/// # Errors
/// Those of the file system; that there is no Maildir is one.
pub fn folders(root: &Path, layout: Layout) -> io::Result<Vec<MaildirFolder>> {
    open_dir(rustix::fs::CWD, root)?;
    let depth = match layout {
        Layout::MaildirPlusPlus => 1,
        Layout::Fs => usize::MAX,
    };
    let is_folder = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().as_encoded_bytes();
        entry.file_type().is_dir()
            && match layout {
                Layout::MaildirPlusPlus => name.starts_with(b"."),
                Layout::Fs => !matches!(name, b"cur" | b"new" | b"tmp"),
            }
    };
    let entries = WalkDir::new(root)
        .min_depth(1)
        .max_depth(depth)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(is_folder);
    let mut folders = vec![MaildirFolder::root()];
    for entry in entries {
        let entry = entry.map_err(io::Error::from)?;
        let below = entry.path().strip_prefix(root).ok();
        let components = below.and_then(|path| {
            let names = path.components().map(|part| part.as_os_str().to_str());
            names.map(|name| name.map(str::to_owned)).collect()
        });
        folders.extend(components.and_then(MaildirFolder::found));
    }
    Ok(folders)
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

/// What the folder of the Maildir at `root` holds. With `dates` the messages' dates are read too.
/// Nothing is made, changed or locked: a dry run uses it as well.
///
/// # Errors
/// Those of the file system (a link in place of a directory is one), or control files that make
/// no sense.
pub fn scan(
    root: &Path,
    folder: &MaildirFolder,
    list_file: Option<&str>,
    dates: bool,
) -> Result<OnDisk, Problem> {
    let told = |error| target_problem(&format!("read {folder} in {}", root.display()), error);
    let Some(dir) = open_existing(root, folder).map_err(told)? else {
        return Ok(OnDisk::default());
    };
    let mut disk = OnDisk {
        exists: true,
        is_dated: dates,
        ..OnDisk::default()
    };
    let mut path = root.to_owned();
    path.extend(folder.components());
    for (name, in_new) in [("new", true), ("cur", false)] {
        match open_dir(&dir, name) {
            Ok(_) => collect(&path.join(name), in_new, dates, &mut disk.files).map_err(told)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.exists = false,
            Err(error) => return Err(told(error)),
        }
    }
    if let Some(name) = list_file
        && let Some(bytes) = control::read(&dir, name).map_err(told)?
    {
        let list = UidList::parse(&bytes).map_err(|fault| {
            let what = format!("{folder}: {name} makes no sense");
            Problem::new(Kind::Conflict, Reach::User, what)
                .caused_by(fault)
                .with_hint(
                    "a server would number these messages anew; restore the file, or move the \
                     folder away and run again",
                )
        })?;
        disk.uidlist = Some(list);
    }
    if let Some(torn) = torn(&disk, &path).map_err(told)? {
        let what = format!("{folder}: the file {torn} has not the size that its name says");
        return Err(Problem::new(Kind::Conflict, Reach::User, what).with_hint(
            "the machine stopped before the file was on disk; remove it and run again: its \
             message is then fetched anew",
        ));
    }
    if let Some(bytes) = control::read(&dir, "dovecot-keywords").map_err(told)? {
        disk.keywords = KeywordLetters::parse(&String::from_utf8_lossy(&bytes));
    }
    let is_there = |name: &str| rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    disk.is_locked = is_there("dovecot-uidlist.lock");
    disk.has_indexes = disk.is_locked || is_there("dovecot.index") || is_there("dovecot.index.log");
    Ok(disk)
}

/// A message of ours that no list mentions yet and that is not whole: under `--fsync batch` a loss
/// of power can leave the name without the bytes. What is listed was on disk before.
fn torn<'d>(disk: &'d OnDisk, path: &Path) -> io::Result<Option<&'d str>> {
    let lines = disk.uidlist.as_ref().map_or(&[][..], |list| &list.lines);
    let listed: HashSet<&str> = lines.iter().map(|line| line.name.as_ref()).collect();
    for file in &disk.files {
        let ours = Identity::parse(&file.base).and_then(|_| size_field(&file.base, 'S'));
        let Some(said) = ours.filter(|_| !listed.contains(file.base.as_ref())) else {
            continue;
        };
        let place = if file.in_new { "new" } else { "cur" };
        match path.join(place).join(file.name()).symlink_metadata() {
            Ok(metadata) if metadata.len() != said => return Ok(Some(&file.base)),
            // A server has renamed it since.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

/// Opens a folder that may not exist.
///
/// # Errors
/// Those of the file system; a link in place of a directory is one.
pub fn open_existing(root: &Path, folder: &MaildirFolder) -> io::Result<Option<OwnedFd>> {
    let mut found = existing(open_dir(rustix::fs::CWD, root))?;
    for component in folder.components() {
        let Some(dir) = found else { break };
        found = existing(open_dir(&dir, component.as_str()))?;
    }
    Ok(found)
}

fn existing(opened: io::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    match opened {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The message files of one directory. Servers do not list names with a leading dot; a name that
/// is not UTF-8 is nobody's UIDL and no name of ours, and is left alone.
fn collect(path: &Path, in_new: bool, dates: bool, files: &mut Vec<DiskFile>) -> io::Result<()> {
    let entries = WalkDir::new(path)
        .min_depth(1)
        .max_depth(1)
        .follow_root_links(false);
    for entry in entries {
        let entry = entry.map_err(io::Error::from)?;
        if !entry.file_type().is_file() {
            continue;
        }
        let mtime = if dates {
            let metadata = entry.metadata().map_err(io::Error::from)?;
            Some(FileTime::from_last_modification_time(&metadata).unix_seconds())
        } else {
            None
        };
        if let Some(name) = entry.file_name().to_str()
            && !name.starts_with('.')
        {
            let (base, suffix) = name.split_at(name.find(':').unwrap_or(name.len()));
            files.push(DiskFile {
                base: base.into(),
                suffix: suffix.into(),
                in_new,
                mtime,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ours_that_is_not_whole_is_named_unless_it_is_listed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["cur", "new", "tmp"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let base = "7.M0000000003.mailseed,S=4,W=5";
        let file = root.path().join("cur").join(format!("{base}:2,S"));
        let scanned = || {
            let list = Some("dovecot-uidlist");
            scan(root.path(), &MaildirFolder::root(), list, false)
        };
        std::fs::write(&file, b"a\nb\n").unwrap();
        assert_eq!(scanned().unwrap().files.len(), 1);
        std::fs::write(&file, b"").unwrap();
        let problem = scanned().unwrap_err();
        assert_eq!(problem.kind, Kind::Conflict);
        assert!(problem.to_string().contains(base), "{problem}");
        // Somebody's own file may be of any size.
        let own = root.path().join("cur/local,S=9:2,");
        std::fs::write(own, b"").unwrap();
        let list = format!("3 V7 N4\n3 :{base}\n");
        std::fs::write(root.path().join("dovecot-uidlist"), list).unwrap();
        assert_eq!(scanned().unwrap().files.len(), 2);
    }
}
