//! Mail that the source no longer has is taken away, when all folders of a user have been seen.
//!
//! A file goes before its line: a line without a file does no harm, a file without a line would get
//! a new UID. What a server has renamed in the meantime has been touched by its owner, and stays
//! until the next run has looked at it.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::AtomicBool;

use rustix::fs::AtFlags;

use super::export::{Change, count_quota};
use super::list_lock::ListLock;
use super::maildir;
use super::target_problem;
use super::tree::{Tree, open_dir};
use super::{control, courier};
use crate::config::{Fsync, Layout};
use crate::naming::MaildirFolder;
use crate::plan::Lists;
use crate::plan::on_disk::DiskFile;
use crate::problem::Problem;

/// Removes `files` from a folder, and their lines from its list. Returns those that were there.
///
/// # Errors
/// Those of the file system, and of the lock on the list.
pub fn remove_messages<'f>(
    tree: &Tree,
    folder: &MaildirFolder,
    layout: Layout,
    lists: Lists,
    files: &'f [DiskFile],
    stop: &AtomicBool,
) -> Result<Vec<&'f DiskFile>, Problem> {
    let dirs = tree.open_folder(folder, layout == Layout::MaildirPlusPlus)?;
    let told = |error| {
        let what = format!("remove messages from {folder} in {}", tree.path().display());
        target_problem(&what, error)
    };
    let lock = ListLock::take(tree, &dirs, lists, stop)?;
    let mut removed = Vec::with_capacity(files.len());
    let mut bytes = 0;
    for file in files {
        if let Some(size) = maildir::remove_message(&dirs, file).map_err(told)? {
            removed.push(file);
            bytes += size;
        }
    }
    if !removed.is_empty() && tree.fsync() != Fsync::Never {
        // A file that comes back after a loss of power would be a new message without its line.
        for dir in [&dirs.cur, &dirs.new] {
            rustix::fs::fsync(dir).map_err(|errno| told(errno.into()))?;
        }
    }
    // Where Courier is a target the count is kept up instead of removed.
    if lists.courier && !removed.is_empty() {
        let count = removed.len() as u64;
        count_quota(tree, bytes, count, Change::Less)?;
    }
    let gone: HashSet<&str> = removed.iter().map(|file| file.base.as_ref()).collect();
    if lists.courier {
        courier::forget(tree, &dirs, folder.is_root(), |base| gone.contains(base))?;
    }
    if let Some(name) = lists.own
        && let Some(Ok(mut list)) = control::read_list(&dirs.dir, name).map_err(told)?
    {
        let before = list.lines.len();
        list.lines.retain(|line| !gone.contains(&*line.name));
        if list.lines.len() < before {
            control::replace(tree, &dirs, name, |out| list.write_to(out))?;
        }
    }
    drop(lock);
    Ok(removed)
}

/// Removes `files` that are in no list from a folder.
///
/// # Errors
/// Those of the file system.
pub fn remove_unlisted(
    tree: &Tree,
    folder: &MaildirFolder,
    layout: Layout,
    files: &[DiskFile],
) -> Result<(), Problem> {
    let dirs = tree.open_folder(folder, layout == Layout::MaildirPlusPlus)?;
    for file in files {
        maildir::remove_message(&dirs, file).map_err(|error| {
            let what = format!("remove messages from {folder} in {}", tree.path().display());
            target_problem(&what, error)
        })?;
    }
    Ok(())
}

/// Removes a folder in which no message is left, with its control files. Folders below it stay.
/// Returns whether it went: mail that came in the meantime keeps it.
///
/// # Errors
/// Those of the file system.
pub fn remove_folder(tree: &Tree, folder: &MaildirFolder) -> Result<bool, Problem> {
    let told = |error| {
        let what = format!("remove the folder {folder} in {}", tree.path().display());
        target_problem(&what, error)
    };
    let attempt = || -> io::Result<bool> {
        let Some((name, above)) = folder.components().split_last() else {
            return Ok(false);
        };
        let mut parent = tree.root().try_clone()?;
        for component in above {
            parent = open_dir(&parent, component.as_str())?;
        }
        let dir = match open_dir(&parent, name.as_str()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other?,
        };
        control::remove_all(tree.root(), "dovecot.list.index")?;
        for part in ["new", "cur"] {
            match rustix::fs::unlinkat(&dir, part, AtFlags::REMOVEDIR) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => {
                    // Servers deliver to what they find.
                    tree.make_dir(&dir, "new")?;
                    return Ok(false);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        if let Ok(tmp) = open_dir(&dir, "tmp") {
            control::remove_all(&tmp, "")?;
            rustix::fs::unlinkat(&dir, "tmp", AtFlags::REMOVEDIR)?;
        }
        courier::remove_keywords(&dir)?;
        control::remove_files(&dir)?;
        match rustix::fs::unlinkat(&parent, name.as_str(), AtFlags::REMOVEDIR) {
            // Folders lie below it.
            Ok(()) | Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(true)
    };
    attempt().map_err(told)
}

/// Gives a folder, with everything in it, another place.
///
/// # Errors
/// Those of the file system.
pub fn move_folder(tree: &Tree, from: &MaildirFolder, to: &MaildirFolder) -> Result<(), Problem> {
    let told = |error| {
        let what = format!(
            "rename the folder {from} to {to} in {}",
            tree.path().display()
        );
        target_problem(&what, error)
    };
    let (Some((old, old_above)), Some((new, new_above))) =
        (from.components().split_last(), to.components().split_last())
    else {
        return Ok(());
    };
    let attempt = || -> io::Result<()> {
        let mut old_parent = tree.root().try_clone()?;
        for component in old_above {
            old_parent = open_dir(&old_parent, component.as_str())?;
        }
        let mut new_parent = tree.root().try_clone()?;
        for component in new_above {
            new_parent = tree.make_dir(&new_parent, component)?;
        }
        // A run that is cut between the two does both again.
        control::remove_all(tree.root(), "dovecot.list.index")?;
        maildir::move_directory(&old_parent, old, &new_parent, new)?;
        if tree.fsync() != Fsync::Never {
            // The record is about to say that it lies there.
            rustix::fs::fsync(&new_parent)?;
            rustix::fs::fsync(&old_parent)?;
        }
        Ok(())
    };
    attempt().map_err(told)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sink::sync::Syncer;

    #[test]
    fn a_folder_to_which_mail_has_come_stays_whole() {
        let root = tempfile::tempdir().unwrap();
        let syncer = Arc::new(Syncer::default());
        let tree = Tree::create(root.path(), None, Fsync::Never, syncer).unwrap();
        let folder = MaildirFolder::found(vec![".A".to_owned()]).unwrap();
        let there = root.path().join(".A");
        for place in ["cur", "new"] {
            tree.open_folder(&folder, true).unwrap();
            let mail = there.join(place).join("late");
            std::fs::write(&mail, "x").unwrap();
            assert!(!remove_folder(&tree, &folder).unwrap(), "{place}");
            for part in ["cur", "new", "tmp", "maildirfolder"] {
                assert!(there.join(part).exists(), "{place}: {part}");
            }
            std::fs::remove_file(mail).unwrap();
        }
        assert!(remove_folder(&tree, &folder).unwrap());
        assert!(!there.exists());
    }
}
