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
pub type Former = HashMap<Box<str>, Box<str>>;

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
pub fn text(former: &Former) -> String {
    let mut lines: Vec<String> = former
        .iter()
        .map(|(new, old)| format!("{new}\0{old}\0\n"))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// The names that such a text tells; a pair at its end that was cut tells nothing.
pub fn parse(text: &str) -> Former {
    let mut former = Former::new();
    let mut parts = text.split('\0');
    let mut new = parts.next();
    while let (Some(name), Some(old), Some(end)) = (new, parts.next(), parts.next()) {
        let Some(next) = end.strip_prefix('\n') else {
            break;
        };
        former.insert(name.into(), old.into());
        new = Some(next);
    }
    former
}

#[cfg(test)]
mod tests {
    use super::*;

    fn former<const N: usize>(pairs: [(&str, &str); N]) -> Former {
        pairs.map(|(new, old)| (new.into(), old.into())).into()
    }

    #[test]
    fn names_come_back() {
        let all = former([
            ("a b\nc", "x,S=1"),
            ("é", "a b"),
            ("\nn", "\no\n"),
            ("z", ""),
        ]);
        assert_eq!(parse(&text(&all)), all);
        assert_eq!(parse(""), Former::new());
    }

    #[test]
    fn half_a_pair_tells_nothing() {
        for cut in ["b", "b\0", "b\0old", "b\0old\0", "b\0old\0x"] {
            let text = format!("a\0first\0\n{cut}");
            assert_eq!(parse(&text), former([("a", "first")]), "{cut:?}");
        }
    }
}
