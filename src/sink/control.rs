//! Control files: put in place whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::target_problem;
use super::tree::{FILE_MODE, FolderDirs, Tree, give_to, remove};
use crate::config::Fsync;
use crate::problem::Problem;

/// Where a control file is written before it replaces the old one. In `tmp`, since a file whose
/// name begins with a dot in the root of a Maildir would be a mailbox to Dovecot.
const DRAFT: &str = "mailseed.control";
/// Larger than any control file of a million messages; what is larger is not one.
const MOST: u64 = 1 << 30;

/// Replaces the control file `name` of a folder by what `write` writes. Unless `--fsync never`,
/// it is on disk before it takes its name, and so is its name when this returns.
///
/// # Errors
/// Those of the file system.
pub fn replace(
    tree: &Tree,
    dirs: &FolderDirs,
    name: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Problem> {
    let attempt = || -> io::Result<()> {
        remove(&dirs.tmp, DRAFT)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&dirs.tmp, DRAFT, flags, FILE_MODE)?);
        give_to(&file, tree.owner())?;
        let mut out = BufWriter::with_capacity(64 << 10, file);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        if tree.fsync() != Fsync::Never {
            file.sync_all()?;
        }
        rustix::fs::renameat(&dirs.tmp, DRAFT, &dirs.dir, name)?;
        if tree.fsync() != Fsync::Never {
            rustix::fs::fsync(&dirs.dir)?;
        }
        Ok(())
    };
    attempt().map_err(|error| {
        // Of no use to anyone, and where the disk is full in the way.
        let _ = remove(&dirs.tmp, DRAFT);
        target_problem(&format!("write {name} in {}", tree.path().display()), error)
    })
}

/// The bytes of control file `name` in `dir`; `None` where it does not exist.
///
/// # Errors
/// Those of the file system; a link or anything but a regular file is one.
pub fn read(dir: &OwnedFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(io::Error::other("it is no control file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Removes all files of `dir` whose names begin with `prefix`, and says whether there were any.
///
/// # Errors
/// Those of the file system.
pub fn remove_all(dir: &OwnedFd, prefix: &str) -> io::Result<bool> {
    let mut any = false;
    for name in names(dir)? {
        if name.starts_with(prefix.as_bytes()) {
            remove(dir, name.as_slice())?;
            any = true;
        }
    }
    Ok(any)
}

/// The names in `dir`, without `.` and `..`.
fn names(dir: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}
