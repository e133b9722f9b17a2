//! Whether what is to be written has room: what users at work will still write is set aside on each file
//! system, so that a folder that cannot fit is not begun, and the others go on. What a plan would write is
//! summed up instead. Quotas and compression are not seen here.

mod room;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{BinaryBytes, HumanCount};

use crate::problem::{Kind, Problem, Reach};
pub use room::{Need, Room, need};

/// How much stays free where nobody says: so much of a hundred, up to so many bytes.
const KEPT_PERCENT: u64 = 1;
const KEPT_MOST: u64 = 1 << 30;

/// The file systems of the targets.
#[derive(Debug)]
pub struct Space {
    /// What is to stay free, where it was said.
    min_free: Option<u64>,
    look: Look,
    by_device: Mutex<BTreeMap<u64, FileSystem>>,
}

/// Finds the file system of a path: its device, and how it stands.
type Look = fn(&Path) -> io::Result<(u64, Room)>;

/// What is known of one file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// A directory on it.
    pub place: PathBuf,
    /// How it stood when somebody last looked.
    pub room: Room,
    /// What is to be written still: by users at work, or by all that were planned.
    pub need: Need,
}

/// What is set aside for one folder, until it is dropped.
#[derive(Debug)]
pub struct Reserved<'s> {
    space: &'s Space,
    device: u64,
    block: u64,
    left: Mutex<Need>,
}

impl Space {
    /// For targets on which `min_free` bytes are to stay free; 0: nothing is looked at.
    pub fn new(min_free: Option<u64>) -> Self {
        Self::looking(min_free, room::look)
    }

    fn looking(min_free: Option<u64>, look: Look) -> Self {
        Self {
            min_free,
            look,
            by_device: Mutex::default(),
        }
    }

    /// Sets aside what messages of `sizes` take in `maildir`. `None`: nothing is to be looked at.
    ///
    /// # Errors
    /// They do not fit (reach User, kind Space).
    pub fn reserve(
        &self,
        maildir: &Path,
        sizes: impl Iterator<Item = u64>,
    ) -> Result<Option<Reserved<'_>>, Problem> {
        if self.min_free == Some(0) {
            return Ok(None);
        }
        // What cannot be looked at shows itself when it is written.
        let Ok((device, room)) = (self.look)(maildir) else {
            return Ok(None);
        };
        let need = need(sizes, room.block);
        let mut all = self.lock();
        let known = FileSystem::seen(&mut all, (device, maildir), room);
        let kept = self.min_free.unwrap_or_else(|| kept_by_default(room));
        room.fits(known.need, need, kept).map_err(|lack| {
            let what = format!("{}: no room: {lack}", maildir.display());
            Problem::new(Kind::Space, Reach::User, what).with_hint(
                "make room and run it again; --min-free says how much stays free, and 0 that nothing is looked at",
            )
        })?;
        known.need = known.need.plus(need);
        Ok(Some(Reserved {
            space: self,
            device,
            block: room.block,
            left: Mutex::new(need),
        }))
    }

    /// Notes that messages of `sizes` would be written in `maildir`.
    pub fn expect(&self, maildir: &Path, sizes: impl Iterator<Item = u64>) {
        let Ok((device, room)) = (self.look)(maildir) else {
            return;
        };
        let need = need(sizes, room.block);
        let mut all = self.lock();
        let known = FileSystem::seen(&mut all, (device, maildir), room);
        known.need = known.need.plus(need);
    }

    /// The file systems on which something is to be written, and whether what was noted fits, in words.
    pub fn told(&self) -> Vec<String> {
        let all = self.lock();
        let line = |known: &FileSystem| {
            let (need, room) = (known.need, known.room);
            let kept = self.min_free.unwrap_or_else(|| kept_by_default(room));
            let verdict = match room.fits(Need::default(), need, kept) {
                Ok(()) => "it fits".to_owned(),
                Err(lack) => format!("IT DOES NOT FIT: {lack}"),
            };
            let inodes = room.inodes_free.map_or("any number of".to_owned(), |free| {
                HumanCount(free).to_string()
            });
            format!(
                "{}: {} and {} inodes needed, {} and {inodes} inodes free: {verdict}",
                crate::text::printable(&known.place.display().to_string()),
                BinaryBytes(need.bytes),
                HumanCount(need.inodes),
                BinaryBytes(room.bytes_free),
            )
        };
        let is_to_write = |known: &&FileSystem| known.need != Need::default();
        all.values().filter(is_to_write).map(line).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, FileSystem>> {
        self.by_device
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileSystem {
    /// That of `maildir`, which lies on `device` and stands like `room` now.
    fn seen<'a>(
        all: &'a mut BTreeMap<u64, Self>,
        (device, maildir): (u64, &Path),
        room: Room,
    ) -> &'a mut Self {
        let known = all.entry(device).or_insert_with(|| Self {
            place: room::nearest(maildir).to_owned(),
            room,
            need: Need::default(),
        });
        known.room = room;
        known
    }
}

impl Reserved<'_> {
    /// A message of `bytes` has been written: the file system itself counts it now.
    pub fn written(&self, bytes: u64) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = Need {
            bytes: room::allocated(bytes, self.block),
            inodes: 1,
        };
        let gone = left.at_most(of_it);
        *left = left.minus(gone);
        self.give_back(gone);
    }

    fn give_back(&self, need: Need) {
        if let Some(known) = self.space.lock().get_mut(&self.device) {
            known.need = known.need.minus(need);
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let left = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.give_back(left);
    }
}

fn kept_by_default(room: Room) -> u64 {
    (room.bytes_all / 100 * KEPT_PERCENT).min(KEPT_MOST)
}
