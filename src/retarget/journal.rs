//! What a folder's files were called before they got other names. As long as the lists of the old servers
//! say the old ones, nothing else tells which message a file is; and qmail and Courier announce by names,
//! so that INBOX keeps them for a second run. Written before the first file is renamed.

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

/// The names of a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Journal {
    /// The word for the POP3 server that announced by the former names.
    announcer: String,
    /// The names.
    pub former: Former,
}

impl Journal {
    /// Reads what an earlier run has left in a folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(root: &Path, folder: &MaildirFolder) -> Result<Self, Problem> {
        let attempt = || -> io::Result<Self> {
            let Some(dir) = on_disk::open_existing(root, folder)? else {
                return Ok(Self::default());
            };
            let bytes = control::read(&dir, FILE)?.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let (announcer, names) = text.split_once('\n').unwrap_or_default();
            Ok(Self {
                announcer: announcer.to_owned(),
                former: parse(names),
            })
        };
        attempt().map_err(|error| target_problem(&format!("read {FILE}"), error))
    }

    /// Whether the POP3 server of this word announced by the former names.
    pub fn is_of(&self, announcer: &str) -> bool {
        self.announcer == announcer
    }

    /// This journal with what `plan` is to rename in it, for the POP3 server of this word; without what
    /// is no longer there.
    pub fn with(&self, announcer: &str, plan: &FolderPlan, disk: &OnDisk) -> Self {
        let files = disk.files.by_base();
        let mut former = Former::new();
        if self.is_of(announcer) {
            let there = self.former.iter();
            let there = there.filter(|(new, _)| files.get(new).is_some());
            former.extend(there.map(|(new, old)| (new.clone(), old.clone())));
        }
        for step in &plan.steps {
            if let Step::Rename { file, to } = step
                && let Some(new) = &to.base
                && let Some(now) = disk.files.get(*file)
            {
                // Its first name is the one by which it is announced.
                let first = former.remove(&now.base).unwrap_or(now.base);
                former.insert(new.clone(), first);
            }
        }
        Self {
            announcer: announcer.to_owned(),
            former,
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, tree: &Tree, dirs: &FolderDirs) -> Result<(), Problem> {
        let text = format!("{}\n{}", self.announcer, text(&self.former));
        control::replace(tree, dirs, FILE, |out| out.write_all(text.as_bytes()))
    }
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
