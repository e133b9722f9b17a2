//! Courier's files in a folder: read, and put in place.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::AtFlags;

use super::export::{Job, now};
use super::tree::{FolderDirs, open_dir, remove};
use super::{control, maildir, target_problem};
use crate::mail::UidList;
use crate::mail::courier::{CourierFiles, CourierKeywords, SizeList, keywords, uiddb};
use crate::naming::BaseName;
use crate::plan::courier::{Present, There, wanted};
use crate::problem::Problem;

pub(crate) const UIDDB: &str = "courierimapuiddb";
const SIZES: &str = "courierpop3dsizelist";
const KEYWORDS: &str = "courierimapkeywords";
const KEYWORD_LIST: &str = ":list";

/// What Courier has in a folder, the root's files among them.
pub(crate) const CONTROL: [&str; 5] = [
    UIDDB,
    SIZES,
    KEYWORDS,
    "courierimapkeywords/:list",
    "courierimapsubscribed",
];

/// Reads what Courier has of the folder in `dir`; `in_root`: of INBOX.
///
/// # Errors
/// Those of the file system.
pub(super) fn read(dir: &OwnedFd, in_root: bool) -> io::Result<CourierFiles> {
    let uiddb = control::read(dir, UIDDB)?;
    let sizes = match in_root {
        true => control::read(dir, SIZES)?,
        false => None,
    };
    let lock = rustix::fs::statat(dir, "tmp/courier.lock", AtFlags::SYMLINK_NOFOLLOW);
    Ok(CourierFiles {
        uiddb: uiddb.as_deref().and_then(uiddb::parse),
        sizes: sizes.as_deref().and_then(SizeList::parse),
        keywords: read_keywords(dir)?,
        is_locked: lock.is_ok(),
    })
}

/// Reads the keywords of the folder in `dir`.
///
/// # Errors
/// Those of the file system.
pub(crate) fn read_keywords(dir: &OwnedFd) -> io::Result<CourierKeywords> {
    let dir = match open_dir(dir, KEYWORDS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(CourierKeywords::default());
        }
        other => other?,
    };
    let list = control::read(&dir, KEYWORD_LIST)?;
    let mut updates = Vec::new();
    for name in control::names(&dir)? {
        let Ok(name) = String::from_utf8(name) else {
            continue;
        };
        // A session at work may just have merged it.
        if keywords::update(&name).is_some()
            && let Some(content) = control::read(&dir, &name)?
        {
            updates.push((name, content));
        }
    }
    Ok(CourierKeywords::gather(list.as_deref(), &updates))
}

/// A message that has appeared.
#[derive(Debug)]
pub(super) struct Appeared {
    /// Which entry of the source it is.
    pub index: usize,
    /// Its base name.
    pub base: BaseName,
    /// The rest of its name.
    pub suffix: String,
    /// What Courier will say of its size, where that is known.
    pub octets: Option<u64>,
}

/// Writes the lists of UIDs and UIDLs, where `list` is that for all servers and `delivered` what has
/// appeared.
pub(super) fn write_lists(
    job: &Job<'_>,
    dirs: &FolderDirs,
    list: &UidList,
    delivered: &[Appeared],
) -> Result<(), Problem> {
    let none = CourierFiles::default();
    let files = job.disk.courier.as_ref().unwrap_or(&none);
    let mut present = Present::after(job.plan, job.disk);
    for message in delivered {
        let there = There {
            suffix: message.suffix.as_str().into(),
            in_new: false,
            octets: message.octets,
        };
        present.add(message.base.as_str(), there);
    }
    let in_root = job.target.is_root();
    let mut wanted = wanted(job.plan, files, list, &present, in_root, now());
    if let Some(sizes) = &mut wanted.sizes {
        measure(job, dirs, files, &present, sizes)?;
        control::replace(job.tree, dirs, SIZES, |out| sizes.write_to(out))?;
    }
    control::replace(job.tree, dirs, UIDDB, |out| {
        uiddb::write(&wanted.uiddb, out)
    })
}

/// Counts the sizes that neither Courier nor the delivery has counted: those in names are other
/// servers' ones.
fn measure(
    job: &Job<'_>,
    dirs: &FolderDirs,
    files: &CourierFiles,
    present: &Present,
    sizes: &mut SizeList,
) -> Result<(), Problem> {
    let old = files.sizes.iter().flat_map(|sizes| &sizes.lines);
    let counted: HashSet<&str> = old.map(|line| &*line.name).collect();
    for line in &mut sizes.lines {
        let Some(there) = present.get(&line.name) else {
            continue;
        };
        if there.octets.is_some() || counted.contains(&*line.name) {
            continue;
        }
        let dir = if there.in_new { &dirs.new } else { &dirs.cur };
        match maildir::measure(dir, &format!("{}{}", line.name, there.suffix)) {
            Ok(sizes) => line.size = sizes.for_courier().unwrap_or(line.size),
            // A server has renamed it since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(job.failed("read a message", error)),
        }
    }
    Ok(())
}

/// Writes the keywords of what was there, and of what has been `delivered`.
/// The files with changes have been merged, and go.
pub(super) fn write_keywords(
    job: &Job<'_>,
    dirs: &FolderDirs,
    delivered: &[Appeared],
) -> Result<(), Problem> {
    let mut all = job.plan.courier_keywords.clone().unwrap_or_default();
    let table = job.source.keywords;
    for message in delivered {
        let Some(entry) = job.source.entries.get(message.index) else {
            continue;
        };
        let members = table.members(entry.keywords).iter();
        let names = members.filter_map(|at| table.names().get(usize::from(*at)));
        let names: std::collections::BTreeSet<String> = names.cloned().collect();
        if !names.is_empty() {
            let base = message.base.as_str();
            all.messages.insert(base.into(), names);
        }
    }
    let told = |error| {
        let what = format!("write {KEYWORDS} in {}", job.tree.path().display());
        target_problem(&what, error)
    };
    let dir = job.tree.make_dir(&dirs.dir, KEYWORDS).map_err(told)?;
    let there = job.disk.courier.as_ref().map(|files| &files.keywords);
    replace_keywords(job.tree, dirs, &dir, &all)?;
    for name in there.into_iter().flat_map(|there| &there.updates) {
        remove(&dir, name.as_str()).map_err(told)?;
    }
    Ok(())
}

fn replace_keywords(
    tree: &super::tree::Tree,
    dirs: &FolderDirs,
    dir: &OwnedFd,
    all: &CourierKeywords,
) -> Result<(), Problem> {
    control::replace_by_way_of(tree, &dirs.tmp, dir, KEYWORD_LIST, |out| all.write_to(out))
}

/// Takes the lines of messages that are gone out of the lists.
///
/// # Errors
/// Those of the file system.
pub(super) fn forget(
    tree: &super::tree::Tree,
    dirs: &FolderDirs,
    in_root: bool,
    is_gone: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    let told = |error| target_problem(&format!("read {UIDDB}"), error);
    let files = read(&dirs.dir, in_root).map_err(told)?;
    if let Some(mut list) = files.uiddb {
        let before = list.lines.len();
        list.lines.retain(|line| !is_gone(&line.name));
        if list.lines.len() < before {
            control::replace(tree, dirs, UIDDB, |out| uiddb::write(&list, out))?;
        }
    }
    if let Some(mut sizes) = files.sizes {
        let before = sizes.lines.len();
        sizes.lines.retain(|line| !is_gone(&line.name));
        if sizes.lines.len() < before {
            control::replace(tree, dirs, SIZES, |out| sizes.write_to(out))?;
        }
    }
    // Of keywords without a message Courier itself cleans up.
    Ok(())
}

/// Removes Courier's directory of keywords from a folder in which no message is left.
///
/// # Errors
/// Those of the file system.
pub(super) fn remove_keywords(dir: &OwnedFd) -> io::Result<()> {
    let keywords = match open_dir(dir, KEYWORDS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    // In the layout fs this may be a folder.
    if open_dir(&keywords, "cur").is_ok() {
        return Ok(());
    }
    control::remove_files(&keywords)?;
    match rustix::fs::unlinkat(dir, KEYWORDS, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
