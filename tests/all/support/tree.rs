//! Scratch directories, and trees as lines that can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A scratch directory that the mail owner may enter, removed when dropped.
#[derive(Debug)]
pub struct TempTree(tempfile::TempDir);

impl TempTree {
    /// A fresh, empty directory with mode 0755.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("one may change the mode of one's own directory");
        Self(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// [`listing`] of the whole directory.
    pub fn listing(&self) -> Vec<String> {
        listing(self.path())
    }
}

/// Everything below `root`, sorted by path, a line each: path, mode, size, mtime in seconds and
/// content hash. Directories have neither size nor mtime here: they change with what is beside.
pub fn listing(root: &Path) -> Vec<String> {
    walkdir::WalkDir::new(root)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| {
            let entry = entry.expect("the tree stands still while it is listed");
            let path = entry
                .path()
                .strip_prefix(root)
                .expect("walkdir stays below its root")
                .display()
                .to_string();
            let metadata = entry.metadata().expect("the entry was just seen");
            let mode = metadata.mode() & 0o7777;
            if metadata.is_dir() {
                format!("{path}/ {mode:04o}")
            } else if metadata.is_symlink() {
                let to = fs::read_link(entry.path()).expect("the entry was just seen");
                format!("{path} -> {}", to.display())
            } else {
                let hash = hash_of_file(entry.path());
                let (size, mtime) = (metadata.size(), metadata.mtime());
                format!("{path} {mode:04o} {size} {mtime} {hash}")
            }
        })
        .collect()
}

/// The lines of one listing that the other has not, marked `-` for the first and `+` for the second.
pub fn changes(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line));
    let come = after.iter().filter(|line| !before.contains(line));
    gone.map(|line| format!("- {line}"))
        .chain(come.map(|line| format!("+ {line}")))
        .collect()
}

/// What changes when a file or directory is written, renamed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its inode.
    pub inode: u64,
    /// Its mtime in nanoseconds.
    pub written: i64,
    /// Its ctime in nanoseconds.
    pub changed: i64,
}

/// The stamps of everything in a tree, its root included.
pub fn stamps(root: &Path) -> BTreeMap<PathBuf, Stamp> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| {
            let entry = entry.expect("it stands still");
            let metadata = entry.metadata().expect("just seen");
            let stamp = Stamp {
                inode: metadata.ino(),
                written: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
                changed: metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec(),
            };
            (entry.into_path(), stamp)
        })
        .collect()
}

/// Panics when anything below `root` is not as it was when `before` was taken.
pub fn assert_untouched(before: &BTreeMap<PathBuf, Stamp>, root: &Path) {
    let after = stamps(root);
    let paths: std::collections::BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let (was, is) = (before.get(path), after.get(path));
        assert_eq!(was, is, "{}", path.display());
    }
}

/// Hash of a file's bytes, read in pieces.
pub fn hash_of_file(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hasher
        .update_reader(file)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hasher.finalize()
}
