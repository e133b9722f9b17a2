//! What a folder's files were called before they got other names: as long as the lists of the old servers
//! say the old ones, nothing else tells which message a file is. Written before the first file is
//! renamed, removed when the lists are in place.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::Path;

use crate::naming::MaildirFolder;
use crate::plan::on_disk::OnDisk;
use crate::plan::{FolderPlan, Step};
use crate::problem::Problem;
use crate::sink::tree::{FolderDirs, Tree, remove};
use crate::sink::{control, on_disk, target_problem};

const FILE: &str = "mailseed.retarget";

/// By the base name that a file has, the one that it had.
pub(super) type Former = HashMap<Box<str>, Box<str>>;

/// Reads what a run that was cut has left in a folder.
///
/// # Errors
/// Those of the file system.
pub(super) fn read(root: &Path, folder: &MaildirFolder) -> Result<Former, Problem> {
    let attempt = || -> io::Result<Former> {
        let Some(dir) = on_disk::open_existing(root, folder)? else {
            return Ok(Former::new());
        };
        let bytes = control::read(&dir, FILE)?.unwrap_or_default();
        Ok(parse(&String::from_utf8_lossy(&bytes)))
    };
    attempt().map_err(|error| target_problem(&format!("read {FILE}"), error))
}

/// Writes what the files are called that `plan` renames, and those that a run has renamed before it was
/// cut.
///
/// # Errors
/// Those of the file system.
pub(super) fn write(
    tree: &Tree,
    dirs: &FolderDirs,
    plan: &FolderPlan,
    disk: &OnDisk,
    former: &Former,
) -> Result<(), Problem> {
    let renames = plan.steps.iter().filter_map(|step| match step {
        Step::Rename { file, to } => Some((to.base.as_ref()?, disk.files.get(*file)?.base)),
        _ => None,
    });
    let mut all = former.clone();
    for (new, now) in renames {
        // Its first name is the one that the lists say.
        let first = former.get(&now).cloned().unwrap_or(now);
        all.insert(new.clone(), first);
    }
    if all.is_empty() {
        return Ok(());
    }
    control::replace(tree, dirs, FILE, |out| out.write_all(text(&all).as_bytes()))
}

/// Forgets it all.
///
/// # Errors
/// Those of the file system.
pub(super) fn forget(dirs: &FolderDirs) -> Result<(), Problem> {
    remove(&dirs.dir, FILE).map_err(|error| target_problem(&format!("remove {FILE}"), error))
}

/// The names as text: no name holds a NUL.
pub(super) fn text(former: &Former) -> String {
    let mut lines: Vec<String> = former
        .iter()
        .map(|(new, old)| format!("{new}\0{old}\0\n"))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// The names that such a text tells.
pub(super) fn parse(text: &str) -> Former {
    let pairs = text.split("\0\n").filter_map(|line| line.split_once('\0'));
    pairs.map(|(new, old)| (new.into(), old.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let former: Former = [("a b\nc", "x,S=1"), ("é", "a b")]
            .map(|(new, old)| (new.into(), old.into()))
            .into();
        assert_eq!(parse(&text(&former)), former);
        assert_eq!(parse(""), Former::new());
    }
}
