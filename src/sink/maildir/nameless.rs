//! Files that have no name until they are whole (`O_TMPFILE`): one change of a directory less for
//! each message than a file in `tmp` that is moved, and nothing to sweep after a run that was cut.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, OFlags};

use super::TEMPORARY;
use crate::sink::tree::{FILE_MODE, remove};

/// How a file without a name gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By its descriptor, for which Linux wants `CAP_DAC_READ_SEARCH`.
    Descriptor,
    /// By its entry in `/proc/self/fd`.
    Proc,
}

impl Way {
    /// Tries which way there is in the directory `tmp`. `None`: the file system or the kernel has
    /// none.
    pub fn find(tmp: &OwnedFd) -> Option<Self> {
        let file = begin(tmp).ok()?;
        let name = format!("{TEMPORARY}way");
        let mut ways = [Self::Descriptor, Self::Proc].into_iter();
        let way = ways.find(|way| way.name(&file, tmp, &name).is_ok())?;
        remove(tmp, name.as_str()).ok()?;
        Some(way)
    }

    /// Lets `file` appear as `name` in `dir`, replacing nothing.
    ///
    /// # Errors
    /// Those of the file system; `AlreadyExists` where the name is taken.
    pub fn name(self, file: &File, dir: &OwnedFd, name: &str) -> io::Result<()> {
        match self {
            Self::Descriptor => rustix::fs::linkat(file, "", dir, name, AtFlags::EMPTY_PATH)?,
            Self::Proc => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                rustix::fs::linkat(CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)?;
            }
        }
        Ok(())
    }
}

/// Begins a file on the file system of the directory `tmp`.
///
/// # Errors
/// Those of the file system, which may not know such files.
pub fn begin(tmp: &OwnedFd) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(tmp, ".", flags, FILE_MODE)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tree::open_dir;

    #[test]
    fn each_way_names_a_file_once_and_replaces_nothing() {
        let dir = tempfile::tempdir().expect("directory");
        let opened = open_dir(CWD, dir.path()).expect("open");
        let found = Way::find(&opened);
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 0);
        // Every file system that tests run on knows such files; the second way needs no right.
        assert!(found.is_some(), "O_TMPFILE does not work here");
        for way in [found, Some(Way::Proc)].into_iter().flatten() {
            let name = format!("{way:?}");
            let file = begin(&opened).expect("begin");
            way.name(&file, &opened, &name).expect("name");
            let other = begin(&opened).expect("begin");
            let error = way.name(&other, &opened, &name).expect_err("taken");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            std::fs::remove_file(dir.path().join(name)).expect("it is there");
        }
    }
}
