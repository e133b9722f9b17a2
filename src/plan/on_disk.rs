//! What a target folder holds already.

use crate::config::Servers;
pub use crate::mail::Place;
use crate::mail::courier::CourierFiles;
use crate::mail::{Places, Strings, UidList};
use crate::naming::KeywordLetters;

/// One target folder as found on disk. The default is a folder that does not exist.
#[derive(Debug, Clone, Default)]
pub struct OnDisk {
    /// Whether its directories are there.
    pub exists: bool,
    /// The messages in `new` and `cur`.
    pub files: DiskFiles,
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
    /// Base names of files of ours that no list mentions yet and that have not the size which their
    /// names say: a loss of power can leave the name without the bytes.
    pub torn: Vec<Box<str>>,
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

    /// Whether messages have UIDs of which a server of this kind would give the next if it found a
    /// file that has none.
    pub fn gives_on(&self, servers: Servers) -> bool {
        let list = self.uidlist.as_ref();
        let has_given = list.is_some_and(|list| !list.lines.is_empty() || list.next_uid > 1);
        has_given && (servers.dovecot || servers.courier)
    }

    /// The files that no list mentions.
    pub fn unlisted(&self) -> impl Iterator<Item = DiskFile> {
        let files = self.files.by_base();
        let mut is_listed = vec![false; self.files.len()];
        if let Some(list) = &self.uidlist {
            list.lines.each_name(|name| {
                if let Some(at) = files.get(name) {
                    is_listed[at as usize] = true;
                }
            });
        }
        let files = self.files.iter().zip(is_listed);
        files.filter_map(|(file, is_listed)| (!is_listed).then_some(file))
    }

    /// Whether a list is locked: by a server at work, or by a run that was cut.
    pub fn has_lock(&self) -> bool {
        self.is_locked || self.courier.as_ref().is_some_and(|files| files.is_locked)
    }
}

impl DiskFile {
    /// A file of this name.
    pub fn named(name: &str, in_new: bool, mtime: Option<i64>) -> Self {
        let (base, suffix) = name.split_at(base_length(name));
        Self {
            base: base.into(),
            suffix: suffix.into(),
            in_new,
            mtime,
        }
    }

    /// Its whole name.
    pub fn name(&self) -> String {
        format!("{}{}", self.base, self.suffix)
    }
}

/// How many bytes of a file name are its base name.
fn base_length(name: &str) -> usize {
    name.find(':').unwrap_or(name.len())
}

/// Files by their place, from 0, in little room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskFiles {
    names: Strings,
    in_new: Vec<bool>,
    /// The dates as far as any is known; [`UNDATED`] is none.
    mtimes: Vec<i64>,
}

/// No file has this date.
const UNDATED: i64 = i64::MIN;

impl DiskFiles {
    /// Those that `stays` says.
    #[must_use]
    pub fn only(&self, stays: impl Fn(&DiskFile) -> bool) -> Self {
        let mut files = Self::default();
        let some = self.iter().filter(|file| stays(file));
        some.for_each(|file| files.push(&file));
        files
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Adds a file behind the others.
    pub fn push(&mut self, file: &DiskFile) {
        if let Some(mtime) = file.mtime {
            self.mtimes.resize(self.len(), UNDATED);
            self.mtimes.push(mtime);
        }
        self.names.push(&file.name());
        self.in_new.push(file.in_new);
    }

    /// The file at `place`.
    pub fn get(&self, place: u32) -> Option<DiskFile> {
        let place = place as usize;
        self.named(place, &self.names.get(place)?)
    }

    /// The date of the file at `place`.
    pub fn mtime(&self, place: u32) -> Option<i64> {
        let mtime = self.mtimes.get(place as usize).copied();
        mtime.filter(|mtime| *mtime != UNDATED)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = DiskFile> {
        let names = self.names.iter().enumerate();
        names.filter_map(|(place, name)| self.named(place, &name))
    }

    /// What finds them by their base names.
    pub fn by_base(&self) -> ByBase<'_> {
        ByBase {
            files: self,
            places: Places::of_parts(self.names.reader(), |name| {
                name.split_at(base_length(name)).0
            }),
        }
    }

    fn named(&self, place: usize, name: &str) -> Option<DiskFile> {
        let mtime = self.mtime(u32::try_from(place).ok()?);
        Some(DiskFile::named(name, *self.in_new.get(place)?, mtime))
    }
}

impl FromIterator<DiskFile> for DiskFiles {
    fn from_iter<I: IntoIterator<Item = DiskFile>>(files: I) -> Self {
        let mut all = Self::default();
        for file in files {
            all.push(&file);
        }
        all
    }
}

/// Finds files by their base names.
#[derive(Debug)]
pub struct ByBase<'d> {
    files: &'d DiskFiles,
    places: Places,
}

impl ByBase<'_> {
    /// The place of the file with this base name; of two the later.
    pub fn get(&self, base: &str) -> Option<u32> {
        let is_base = |name: &str| {
            let suffix = name.strip_prefix(base);
            suffix.is_some_and(|suffix| suffix.is_empty() || suffix.starts_with(':'))
        };
        let names = &self.files.names;
        let is_it = |place: &u32| names.look_at(*place as usize, is_base).unwrap_or(false);
        self.places.candidates(base).rev().find(is_it)
    }
}
