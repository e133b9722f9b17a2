//! What a target folder holds already.

use crate::config::Servers;
use crate::mail::UidList;
use crate::mail::courier::CourierFiles;
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
    /// What the lists say, see [`super::Policy::lists`]: where there are several, put together by
    /// [`super::courier::unite`].
    pub uidlist: Option<UidList>,
    /// Whether the list file that is not Courier's says otherwise than `uidlist`.
    pub lists_differ: bool,
    /// What Courier's files say, where they are of interest.
    pub courier: Option<CourierFiles>,
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

impl OnDisk {
    /// Whether a server may be using the folder, and so may give UIDs.
    pub fn is_in_use(&self, servers: Servers) -> bool {
        let courier = self.courier.as_ref();
        let has_opened = courier.is_some_and(|files| files.uiddb.is_some() || files.is_locked);
        servers.dovecot && self.has_indexes || servers.courier && has_opened
    }

    /// Whether a list is locked: by a server at work, or by a run that was cut.
    pub fn has_lock(&self) -> bool {
        self.is_locked || self.courier.as_ref().is_some_and(|files| files.is_locked)
    }
}

impl DiskFile {
    /// Its whole name.
    pub fn name(&self) -> String {
        format!("{}{}", self.base, self.suffix)
    }
}
