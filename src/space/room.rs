//! What messages take on disk, and what a file system has.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use indicatif::{BinaryBytes, HumanCount};

/// Lines of lists, of the record and of directories for one message: the old and the new list are there at
/// once, before one replaces the other.
const LISTED: u64 = 512;
/// Directories, lists and the record of a folder: so many inodes, of at least a block each.
const OF_FOLDER: u64 = 10;

/// What something takes on a file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes, whole blocks of them.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

/// How a file system stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The unit in which it gives out room.
    pub block: u64,
    /// What it holds in all.
    pub bytes_all: u64,
    /// What is free for anybody, root's own reserve not counted.
    pub bytes_free: u64,
    /// Files that can still be made; `None`: it has no limit, or does not tell.
    pub inodes_free: Option<u64>,
}

/// Why something does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Of bytes: needed, free for it, and kept free.
    Bytes(u64, u64, u64),
    /// Of inodes: needed, free for it.
    Inodes(u64, u64),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bytes(need, free, kept) => write!(
                f,
                "{} needed, {} free besides what users at work still need and {} that stay free",
                BinaryBytes(need),
                BinaryBytes(free),
                BinaryBytes(kept)
            ),
            Self::Inodes(need, free) => {
                let (need, free) = (HumanCount(need), HumanCount(free));
                write!(
                    f,
                    "{need} inodes needed, {free} free besides what users at work still need"
                )
            }
        }
    }
}

impl Need {
    /// Both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            inodes: self.inodes.saturating_add(other.inodes),
        }
    }

    /// What is left without `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            inodes: self.inodes.saturating_sub(other.inodes),
        }
    }

    /// `other`, but no more than there is here.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            inodes: self.inodes.min(other.inodes),
        }
    }
}

impl Room {
    /// Whether `need` has room where `reserved` is set aside for others and `kept` bytes stay free.
    ///
    /// # Errors
    /// What is lacking.
    pub fn fits(self, reserved: Need, need: Need, kept: u64) -> Result<(), Lack> {
        let taken = reserved.bytes.saturating_add(kept);
        let bytes = self.bytes_free.saturating_sub(taken);
        if need.bytes > bytes {
            return Err(Lack::Bytes(need.bytes, bytes, kept));
        }
        let inodes = self
            .inodes_free
            .map(|free| free.saturating_sub(reserved.inodes));
        match inodes {
            Some(inodes) if need.inodes > inodes => Err(Lack::Inodes(need.inodes, inodes)),
            _ => Ok(()),
        }
    }
}

/// What messages of `sizes` octets take in one folder, rather too much than too little; nothing where there
/// is none.
pub fn need(sizes: impl Iterator<Item = u64>, block: u64) -> Need {
    let messages = sizes.fold(Need::default(), |all, size| {
        all.plus(Need {
            bytes: allocated(size, block),
            inodes: 1,
        })
    });
    match messages.inodes {
        0 => Need::default(),
        count => messages.plus(Need {
            bytes: allocated(count.saturating_mul(LISTED), block)
                .saturating_add(OF_FOLDER.saturating_mul(block)),
            inodes: OF_FOLDER,
        }),
    }
}

/// A file of so many bytes in whole blocks.
pub(super) fn allocated(bytes: u64, block: u64) -> u64 {
    bytes.checked_next_multiple_of(block).unwrap_or(bytes)
}

/// The nearest directory at or above `path` that is there.
pub(super) fn nearest(path: &Path) -> &Path {
    let there = path.ancestors().find(|path| path.is_dir());
    there.unwrap_or(Path::new("/"))
}

/// The file system on which `path` is, or would be: its device, and how it stands.
pub(super) fn look(path: &Path) -> io::Result<(u64, Room)> {
    let place = nearest(path);
    let device = std::fs::metadata(place)?.dev();
    let stat = rustix::fs::statvfs(place)?;
    let block = stat.f_frsize.max(1);
    let room = Room {
        block,
        bytes_all: stat.f_blocks.saturating_mul(block),
        bytes_free: stat.f_bavail.saturating_mul(block),
        // Btrfs and others say that there are none at all.
        inodes_free: (stat.f_files > 0).then_some(stat.f_favail),
    };
    Ok((device, room))
}
