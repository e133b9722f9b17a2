//! What a target folder holds already.

use crate::mail::UidList;
use crate::naming::KeywordLetters;

/// One target folder as found on disk. The default is a folder that does not exist.
#[derive(Debug, Clone, Default)]
pub struct OnDisk {
    /// Whether its directories are there.
    pub exists: bool,
    /// The messages in `new` and `cur`.
    pub files: Vec<DiskFile>,
    /// Whether the files' dates have been read.
    pub is_dated: bool,
    /// The list file, see [`super::Policy::list_file`].
    pub uidlist: Option<UidList>,
    /// `dovecot-keywords`.
    pub keywords: KeywordLetters,
    /// Whether a Dovecot has opened the folder: its indexes lie there, or its lock.
    pub has_indexes: bool,
    /// Whether its list is locked: by a Dovecot at work, or by a run that was cut.
    pub is_locked: bool,
}

/// One message file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFile {
    /// Its base name.
    pub base: Box<str>,
    /// The rest of its name: `:2,` and letters, or nothing.
    pub suffix: Box<str>,
    /// Whether it lies in `new`.
    pub in_new: bool,
    /// Its date in seconds since 1970, where the order hangs on it.
    pub mtime: Option<i64>,
}

impl DiskFile {
    /// Its whole name.
    pub fn name(&self) -> String {
        format!("{}{}", self.base, self.suffix)
    }
}
