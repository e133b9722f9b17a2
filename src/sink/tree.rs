//! A user's Maildir as a tree of directories, opened from its root downwards.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid as OwnerUid};

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

/// The root of a Maildir, locked against other runs for as long as this value lives (the kernel
/// frees the lock when the process dies).
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    path: PathBuf,
    owner: Option<Owner>,
    fsync: Fsync,
    syncer: Arc<Syncer>,
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
        make_all(path, owner).map_err(told)?;
        let root = open_dir(rustix::fs::CWD, path).map_err(told)?;
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
            let dirs = FolderDirs {
                tmp: self.make_dir(&dir, "tmp")?,
                new: self.make_dir(&dir, "new")?,
                cur: self.make_dir(&dir, "cur")?,
                dir,
            };
            if marker && !folder.is_root() {
                self.make_marker(&dirs.dir)?;
            }
            Ok(dirs)
        };
        open().map_err(told)
    }

    /// Waits until everything written so far to this file system is on disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync_all(&self) -> Result<(), Problem> {
        self.syncer
            .sync(&self.root)
            .map_err(|error| target_problem(&format!("sync {}", self.path.display()), error))
    }

    fn make_dir(&self, parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
        match open_dir(parent, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match rustix::fs::mkdirat(parent, name, DIRECTORY_MODE) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                let dir = open_dir(parent, name)?;
                give_to(&dir, self.owner)?;
                Ok(dir)
            }
            other => other,
        }
    }

    fn make_marker(&self, dir: &OwnedFd) -> io::Result<()> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(dir, "maildirfolder", flags, FILE_MODE) {
            Ok(marker) => give_to(&marker, self.owner),
            Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Opens a directory, which must not be a symbolic link below the root.
pub(super) fn open_dir(parent: impl AsFd, name: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
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
fn make_all(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_all(parent, owner)?;
    }
    match rustix::fs::mkdir(path, DIRECTORY_MODE) {
        Ok(()) => give_to(open_dir(rustix::fs::CWD, path)?, owner),
        // Another user's task made the directory above both.
        Err(rustix::io::Errno::EXIST) if path.is_dir() => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn lock(root: &OwnedFd, owner: Option<Owner>) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(root, LOCK_FILE, flags, FILE_MODE)?;
    give_to(&file, owner)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(File::from(file))
}

/// Removes `name` from a directory; that it is not there is fine.
pub(super) fn remove(dir: &OwnedFd, name: impl rustix::path::Arg) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
