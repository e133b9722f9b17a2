//! A message that lies in another folder of the Maildir already, as one more link to its file. No
//! server changes a file in a Maildir, so nothing that is done in one folder shows in the other.
//!
//! The link is made in `tmp` and looked at there, where nobody renames it; from there it goes the
//! way of every message.

use std::io;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::super::line_ends;
use super::{Finished, Sizes, TEMPORARY, open_message};
use crate::naming::Identity;
use crate::naming::message::size_field;
use crate::plan::on_disk::DiskFile;
use crate::sink::on_disk::Messages;
use crate::sink::tree::{FolderDirs, remove};

/// What a file has to be like to be linked.
#[derive(Debug, Clone, Copy)]
pub struct Alike {
    /// Its octets with every line end as CRLF.
    pub virtual_size: u64,
    /// Its date, which all links share, in seconds since 1970.
    pub mtime: i64,
}

/// A link in `tmp`, to be published.
#[derive(Debug)]
pub struct Link {
    /// The message.
    pub finished: Finished,
    /// Its sizes.
    pub sizes: Sizes,
}

/// Why a file is fetched rather than linked: a server has renamed it, or the file system has no
/// links, no more of them, or not to this file.
const CANNOT: [Errno; 8] = [
    Errno::NOENT,
    Errno::MLINK,
    Errno::XDEV,
    Errno::PERM,
    Errno::ACCESS,
    Errno::NOSYS,
    Errno::NOTSUP,
    Errno::LOOP,
];

impl Link {
    /// Links the message `file` of `messages` into the `tmp` of `dirs`; `number` as for [`super::Draft::begin`]. `None`:
    /// it is not as `alike` says, or cannot be linked.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn make(
        messages: &Messages,
        file: &DiskFile,
        alike: Alike,
        dirs: &FolderDirs,
        number: u64,
    ) -> io::Result<Option<Self>> {
        let Some(from) = messages.dir_of(file) else {
            return Ok(None);
        };
        let name = format!("{TEMPORARY}{number}");
        // A symbolic link is not followed but linked itself, and then found to be no message.
        match rustix::fs::linkat(from, file.name(), &dirs.tmp, &name, AtFlags::empty()) {
            Ok(()) => {}
            Err(errno) if CANNOT.contains(&errno) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        let linked = look(file, alike, dirs, name.clone());
        if !matches!(linked, Ok(Some(_))) {
            remove(&dirs.tmp, name.as_str())?;
        }
        linked
    }
}

fn look(
    file: &DiskFile,
    alike: Alike,
    dirs: &FolderDirs,
    name: String,
) -> io::Result<Option<Link>> {
    let mut opened = match open_message(&dirs.tmp, &name) {
        Ok(opened) => opened,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&opened)?;
    let is_message = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_message || stat.st_mtime != alike.mtime {
        return Ok(None);
    }
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let said = Identity::parse(&file.base)
        .and_then(|_| Some((size_field(&file.base, 'S')?, size_field(&file.base, 'W')?)));
    let sizes = match said {
        Some((stored, virtual_size)) if stored == size => Sizes {
            received: virtual_size,
            size,
            virtual_size,
            // Only the name has been read.
            lf: None,
        },
        _ => line_ends::measure(&mut opened)?,
    };
    let link = Link {
        finished: Finished::Link(name),
        sizes,
    };
    Ok((sizes.virtual_size == alike.virtual_size).then_some(link))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;
    use crate::naming::MaildirFolder;
    use crate::sink::maildir::redate;
    use crate::sink::tree::open_dir;

    fn dirs(root: &std::path::Path) -> FolderDirs {
        let dir = open_dir(rustix::fs::CWD, root).unwrap();
        let part = |name| {
            std::fs::create_dir(root.join(name)).unwrap();
            open_dir(&dir, name).unwrap()
        };
        let (cur, new, tmp) = (part("cur"), part("new"), part("tmp"));
        FolderDirs { dir, cur, new, tmp }
    }

    #[test]
    fn only_a_message_of_that_size_and_date_is_linked() {
        let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (dirs(there.path()), dirs(here.path()));
        let ours = "7.M0000000003.mailseed,S=4,W=6";
        for name in [ours, "named-otherwise", "7.M0000000004.mailseed,S=5,W=6"] {
            std::fs::write(there.path().join("cur").join(name), b"a\nb\n").unwrap();
            redate(&from.cur, name, 1000).unwrap();
        }
        symlink(ours, there.path().join("cur/link")).unwrap();
        std::fs::create_dir(there.path().join("cur/directory")).unwrap();
        let messages = Messages::open(there.path(), &MaildirFolder::root()).unwrap();
        for (name, virtual_size, mtime, want) in [
            (ours, 6, 1000, true),
            // What the name does not tell for sure is read.
            ("named-otherwise", 6, 1000, true),
            ("7.M0000000004.mailseed,S=5,W=6", 6, 1000, true),
            (ours, 4, 1000, false),
            (ours, 6, 1001, false),
            ("named-otherwise", 7, 1000, false),
            ("gone", 6, 1000, false),
            ("link", 6, 1000, false),
            ("directory", 6, 1000, false),
        ] {
            let file = DiskFile {
                base: name.into(),
                suffix: "".into(),
                in_new: false,
                mtime: None,
            };
            let alike = Alike {
                virtual_size,
                mtime,
            };
            let link = Link::make(&messages, &file, alike, &to, 5).unwrap();
            let told = format!("{name} {virtual_size} {mtime}");
            assert_eq!(link.is_some(), want, "{told}");
            let Some(Link { finished, sizes }) = link else {
                assert_eq!(
                    std::fs::read_dir(here.path().join("tmp")).unwrap().count(),
                    0,
                    "{told}"
                );
                continue;
            };
            assert_eq!((sizes.size, sizes.virtual_size), (4, 6), "{told}");
            let inode = |path: std::path::PathBuf| path.metadata().unwrap().ino();
            let linked = inode(here.path().join("tmp/mailseed.5"));
            assert_eq!(linked, inode(there.path().join("cur").join(name)));
            finished.discard(&to);
        }
    }
}
