//! A user's Maildir as a tree of directories, opened from its root downwards.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid as OwnerUid};

use super::maildir::Way;
use super::sync::Syncer;
use super::target_problem;
use crate::config::{Fsync, Owner};
use crate::naming::MaildirFolder;
use crate::problem::{Kind, Problem, Reach};

/// Mode of every directory that is made.
const DIRECTORY_MODE: Mode = Mode::RWXU;
/// Mode of every file that is made.
pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// Holds the per-user lock. No leading dot: Dovecot would list it as a mailbox.
const LOCK_FILE: &str = "mailseed.lock";
/// A `cur` that is not complete, in `tmp`. Not named as messages there are, which are swept.
const CUR_DRAFT: &str = "mailseed-cur";

/// The root of a Maildir, locked against other runs for as long as this value lives (the kernel
/// frees the lock when the process dies).
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    path: PathBuf,
    owner: Option<Owner>,
    fsync: Fsync,
    syncer: Arc<Syncer>,
    /// How files without a name get one here, once that has been tried.
    way: OnceLock<Option<Way>>,
    _lock: File,
}

/// One folder's directories, open.
#[derive(Debug)]
pub struct FolderDirs {
    /// The folder itself, where the control files lie.
    pub dir: OwnedFd,
    /// Its `cur`.
    pub cur: OwnedFd,
    /// Its `new`.
    pub new: OwnedFd,
    /// Its `tmp`.
    pub tmp: OwnedFd,
}

impl Tree {
    /// Opens the Maildir at `path`, making it and the directories above it where they are missing,
    /// and takes its lock.
    ///
    /// # Errors
    /// Another run holds the lock, or the file system refuses.
    pub fn create(
        path: &Path,
        owner: Option<Owner>,
        fsync: Fsync,
        syncer: Arc<Syncer>,
    ) -> Result<Self, Problem> {
        let told = |error| target_problem(&format!("make the Maildir {}", path.display()), error);
        make_all(path, owner, fsync).map_err(told)?;
        let root = open_dir(rustix::fs::CWD, path).map_err(told)?;
        syncer.watch(&root).map_err(told)?;
        let lock = lock(&root, owner).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                let what = format!("another run is working on {}", path.display());
                Problem::new(Kind::Busy, Reach::User, what)
                    .worth_retry(false)
                    .with_hint("wait until it has ended and run again for this user")
            } else {
                told(error)
            }
        })?;
        Ok(Self {
            root,
            path: path.to_owned(),
            owner,
            fsync,
            syncer,
            way: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Where it is, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root directory itself.
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Who is to own what is made.
    pub fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// When data is forced to disk.
    pub fn fsync(&self) -> Fsync {
        self.fsync
    }

    /// How files without a name get one in this Maildir, by trying it in the directory `tmp`; `None`:
    /// they do not.
    pub(super) fn way(&self, tmp: &OwnedFd) -> Option<Way> {
        *self.way.get_or_init(|| Way::find(tmp))
    }

    /// Opens a folder, making what is missing of it. In Maildir++ a subfolder gets the empty
    /// marker file `maildirfolder`.
    ///
    /// # Errors
    /// Those of the file system; a symbolic link in place of a directory is one.
    pub fn open_folder(&self, folder: &MaildirFolder, marker: bool) -> Result<FolderDirs, Problem> {
        let told = |error| {
            target_problem(
                &format!("make the folder {folder} in {}", self.path.display()),
                error,
            )
        };
        let open = || -> io::Result<FolderDirs> {
            let mut dir = self.root.try_clone()?;
            for component in folder.components() {
                dir = self.make_dir(&dir, component)?;
            }
            let tmp = self.make_dir(&dir, "tmp")?;
            let new = self.make_dir(&dir, "new")?;
            if marker && !folder.is_root() {
                self.make_marker(&dir)?;
            }
            // Last, and complete when it appears: a folder that has it is not looked at again
            // unless there is something to do in it.
            let cur = self.make_cur(&dir, &tmp)?;
            Ok(FolderDirs { dir, cur, new, tmp })
        };
        open().map_err(told)
    }

    /// Waits until everything written so far to this file system is on disk.
    ///
    /// # Errors
    /// Those of the file system, also of what others have written to it in this run.
    pub fn sync_all(&self) -> Result<(), Problem> {
        self.syncer
            .sync(&self.root)
            .map_err(|error| target_problem(&format!("sync {}", self.path.display()), error))
    }

    pub(super) fn make_dir(&self, parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
        match open_dir(parent, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match rustix::fs::mkdirat(parent, name, DIRECTORY_MODE) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                let dir = open_dir(parent, name)?;
                give_to(&dir, self.owner)?;
                self.sync_name(parent)?;
                Ok(dir)
            }
            Ok(dir) => {
                self.give_what_was_left(&dir)?;
                Ok(dir)
            }
            other => other,
        }
    }

    fn make_cur(&self, parent: &OwnedFd, tmp: &OwnedFd) -> io::Result<OwnedFd> {
        match open_dir(parent, "cur") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_dir(tmp, CUR_DRAFT)?;
                match rustix::fs::renameat(tmp, CUR_DRAFT, parent, "cur") {
                    // A server has made it, and it is in use.
                    Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => {
                        rustix::fs::unlinkat(tmp, CUR_DRAFT, AtFlags::REMOVEDIR)?;
                    }
                    other => other?,
                }
                self.sync_name(parent)?;
                open_dir(parent, "cur")
            }
            other => other,
        }
    }

    /// A message that is on disk is of no use in a directory that is not.
    fn sync_name(&self, parent: &OwnedFd) -> io::Result<()> {
        match self.fsync {
            Fsync::Always => Ok(rustix::fs::fsync(parent)?),
            Fsync::Batch | Fsync::Never => Ok(()),
        }
    }

    /// Hands over what a run made that was killed before it could: it is ours and closed to all
    /// others, though `--owner` says that it is to be another's. A file with a second name may be
    /// anything of ours, linked here by the Maildir's owner.
    fn give_what_was_left(&self, file: impl AsFd) -> io::Result<()> {
        let us = rustix::process::geteuid();
        let Some(owner) = self.owner.filter(|owner| owner.uid != us.as_raw()) else {
            return Ok(());
        };
        let stat = rustix::fs::fstat(&file)?;
        let is_left =
            stat.st_uid == us.as_raw() && stat.st_mode & 0o077 == 0 && has_no_other_name(&stat);
        if is_left {
            give_to(file, Some(owner))?;
        }
        Ok(())
    }

    fn make_marker(&self, dir: &OwnedFd) -> io::Result<()> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, "maildirfolder", flags, FILE_MODE) {
            Ok(marker) => give_to(&marker, self.owner),
            Err(rustix::io::Errno::EXIST) if self.owner.is_some() => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let marker = rustix::fs::openat(dir, "maildirfolder", flags, Mode::empty())?;
                self.give_what_was_left(&marker)
            }
            Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Opens a directory, which must not be a symbolic link below the root.
pub(crate) fn open_dir(parent: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Whether a directory, or a file that has one name only.
fn has_no_other_name(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory || stat.st_nlink <= 1
}

/// Hands a file just made to its owner, before anything is in it.
pub(super) fn give_to(file: impl AsFd, owner: Option<Owner>) -> io::Result<()> {
    if let Some(owner) = owner {
        let uid = OwnerUid::from_raw(owner.uid);
        let gid = Gid::from_raw(owner.gid);
        rustix::fs::fchown(file, Some(uid), Some(gid))?;
    }
    Ok(())
}

/// Makes `path` and what is missing above it; what was there keeps its owner and mode. Above the
/// root the admin's links are followed: the path is theirs.
fn make_all(path: &Path, owner: Option<Owner>, fsync: Fsync) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_all(parent, owner, fsync)?;
    }
    let draft = match owner {
        Some(_) => draft_of(path),
        None => path.to_owned(),
    };
    match make_one(&draft, path, owner, fsync) {
        // Another user's task made the directory above both.
        Err(_) if path.is_dir() => {
            if draft != path {
                let _ = rustix::fs::rmdir(&draft);
            }
            Ok(())
        }
        other => other,
    }
}

/// Makes `path` under the name `draft` first: it is complete when it appears, for a run that finds
/// it leaves it as it is. A draft that a killed run left is used.
fn make_one(draft: &Path, path: &Path, owner: Option<Owner>, fsync: Fsync) -> io::Result<()> {
    match rustix::fs::mkdir(draft, DIRECTORY_MODE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) if draft != path => {}
        Err(errno) => return Err(errno.into()),
    }
    if draft != path {
        give_to(open_dir(rustix::fs::CWD, draft)?, owner)?;
        rustix::fs::rename(draft, path)?;
    }
    if fsync == Fsync::Always
        && let Some(parent) = path.parent()
    {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// A name beside `path` for its draft, of a length that every file system takes.
fn draft_of(path: &Path) -> PathBuf {
    let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    path.with_file_name(format!(".mailseed-{}", &hash[..16]))
}

fn lock(root: &OwnedFd, owner: Option<Owner>) -> io::Result<File> {
    let flags =
        OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, LOCK_FILE, flags, FILE_MODE)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let what = format!("{LOCK_FILE} is no regular file");
        return Err(io::Error::other(what));
    }
    // A run with nothing to do changes nothing.
    let is_anothers =
        owner.is_some_and(|owner| (owner.uid, owner.gid) != (stat.st_uid, stat.st_gid));
    if is_anothers && has_no_other_name(&stat) {
        give_to(&file, owner)?;
    }
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(File::from(file))
}

/// Removes `name` from a directory; that it is not there is fine.
pub(crate) fn remove(dir: &OwnedFd, name: impl rustix::path::Arg) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
