//! Control files: put in place whole or not at all.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::target_problem;
use super::tree::{FILE_MODE, FolderDirs, Tree, give_to, remove};
use crate::config::Fsync;
use crate::mail::UidList;
use crate::mail::uidlist::UidListFault;
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
    replace_by_way_of(tree, &dirs.tmp, &dirs.dir, name, write)
}

/// [`replace`] for a file of mailseed's own in the root, where there may be no `tmp` yet: the draft
/// lies beside it, where no server minds a name that begins with `mailseed.`.
///
/// # Errors
/// Those of the file system.
pub fn replace_in_root(
    tree: &Tree,
    name: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Problem> {
    replace_by_way_of(tree, tree.root(), tree.root(), name, write)
}

/// [`replace`] for a file in any directory `dir` of the Maildir, by way of `tmp`.
///
/// # Errors
/// Those of the file system.
pub(super) fn replace_by_way_of(
    tree: &Tree,
    tmp: &OwnedFd,
    dir: &OwnedFd,
    name: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Problem> {
    let attempt = || -> io::Result<()> {
        remove(tmp, DRAFT)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(tmp, DRAFT, flags, FILE_MODE)?);
        give_to(&file, tree.owner())?;
        let mut out = BufWriter::with_capacity(64 << 10, file);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        if tree.fsync() != Fsync::Never {
            file.sync_all()?;
        }
        rustix::fs::renameat(tmp, DRAFT, dir, name)?;
        if tree.fsync() != Fsync::Never {
            rustix::fs::fsync(dir)?;
        }
        Ok(())
    };
    attempt().map_err(|error| {
        // Of no use to anyone, and where the disk is full in the way.
        let _ = remove(tmp, DRAFT);
        target_problem(&format!("write {name} in {}", tree.path().display()), error)
    })
}

/// Appends what `write` writes to the file `name` of the root, making it where it is not there, owned
/// like everything else. A few lines are one write. Nothing is forced to disk: what is appended is of
/// no use without what has been written before it, and harmless to lose. False: nothing was written,
/// since the file has other names (in a backup of links, or somewhere where nothing of ours is to be
/// written).
///
/// # Errors
/// Those of the file system; a link or anything but a regular file is one.
pub fn append_in_root(
    tree: &Tree,
    name: &str,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<bool, Problem> {
    let attempt = || -> io::Result<bool> {
        let flags = OFlags::CREATE
            | OFlags::APPEND
            | OFlags::WRONLY
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let file = rustix::fs::openat(tree.root(), name, flags, FILE_MODE)?;
        let file = File::from(file);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        if metadata.nlink() > 1 {
            return Ok(false);
        }
        if metadata.len() == 0 {
            give_to(&file, tree.owner())?;
        }
        let mut out = BufWriter::with_capacity(64 << 10, &file);
        write(&mut out)?;
        out.flush()?;
        Ok(true)
    };
    attempt().map_err(|error| {
        target_problem(&format!("write {name} in {}", tree.path().display()), error)
    })
}

/// Appends `text` to a file that a server keeps, if it is there. False: nothing was written, since the
/// file has other names, as for [`append_in_root`].
///
/// # Errors
/// Those of the file system; a link or anything but a regular file is one.
pub fn append_if_there(dir: &OwnedFd, name: &str, text: &str) -> io::Result<bool> {
    let flags =
        OFlags::APPEND | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(true),
        Err(errno) => return Err(errno.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if metadata.nlink() > 1 {
        return Ok(false);
    }
    file.write_all(text.as_bytes())?;
    Ok(true)
}

/// The bytes of control file `name` in `dir`; `None` where it does not exist.
///
/// # Errors
/// Those of the file system; a link or anything but a regular file is one.
pub fn read(dir: &OwnedFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(dir, name)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The list of UIDs `name` in `dir`; `None` where it does not exist. The inner error is that of the
/// list.
///
/// # Errors
/// As of [`read`].
pub fn read_list(dir: &OwnedFd, name: &str) -> io::Result<Option<Result<UidList, UidListFault>>> {
    let Some(file) = open(dir, name)? else {
        return Ok(None);
    };
    let mut file = BufReader::with_capacity(64 << 10, file.take(MOST));
    UidList::read(&mut file).map(Some)
}

/// Opens control file `name` in `dir`; `None` where it does not exist.
fn open(dir: &OwnedFd, name: &str) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(io::Error::other(format!(
            "{name} is no file, or far too large"
        )));
    }
    Ok(Some(file))
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

/// Removes Dovecot's indexes of a folder, the one last by which [`super::on_disk::scan`] knows that
/// there are any: a run that is cut before that removes the rest.
///
/// # Errors
/// Those of the file system.
pub fn remove_indexes(dir: &OwnedFd) -> io::Result<()> {
    const LAST: &str = "dovecot.index.log";
    for name in names(dir)? {
        if name.starts_with(b"dovecot.index") && name != LAST.as_bytes() {
            remove(dir, name.as_slice())?;
        }
    }
    remove(dir, LAST)
}

/// Removes all plain files of `dir`: what is left of a folder without mail.
///
/// # Errors
/// Those of the file system.
pub fn remove_files(dir: &OwnedFd) -> io::Result<()> {
    for name in names(dir)? {
        let stat = rustix::fs::statat(dir, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile {
            remove(dir, name.as_slice())?;
        }
    }
    Ok(())
}

/// The names in `dir`, without `.` and `..`.
pub(super) fn names(dir: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}
