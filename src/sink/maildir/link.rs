//! A message that lies in another folder of the Maildir already, as one more link to its file. No
//! server changes a file in a Maildir, so nothing that is done in one folder shows in the other.
//!
//! The link is made in `tmp` and looked at there, where nobody renames it; from there it goes the
//! way of every message.

use std::io;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::super::line_ends;
use super::{Finished, Messages, Sizes, TEMPORARY, open_message, size_field};
use crate::naming::Identity;
use crate::plan::on_disk::DiskFile;
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

impl Messages {
    /// Links the message `file` into the `tmp` of `dirs`; `number` as for [`super::Draft::begin`]. `None`:
    /// it is not as `alike` says, or cannot be linked.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn link(
        &self,
        file: &DiskFile,
        alike: Alike,
        dirs: &FolderDirs,
        number: u64,
    ) -> io::Result<Option<Link>> {
        let from = if file.in_new { &self.new } else { &self.cur };
        let Some(from) = from else {
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
        },
        _ => line_ends::measure(&mut opened)?,
    };
    let finished = Finished {
        file: None,
        name,
        is_link: true,
    };
    let link = Link { finished, sizes };
    Ok((sizes.virtual_size == alike.virtual_size).then_some(link))
}
