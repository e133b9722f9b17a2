//! The thin part: one folder of a Maildir read through no link, and nothing locked or changed.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Stat};
use rustix::io::Errno;

use crate::mail::courier::CourierKeywords;
use crate::naming::MaildirFolder;
use crate::plan::Lists;
use crate::sink::on_disk::{Entry, entries, open_existing, settled};
use crate::sink::tree::open_dir;
use crate::sink::{control, courier};

/// What lies in one folder.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The message files of `new` and `cur`.
    pub files: Vec<File>,
    /// Names with a leading dot, and what is no regular file, with the reason why no server shows it; a `tmp`
    /// that is missing.
    pub odd: Vec<(String, &'static str)>,
    /// The list of UIDs that Dovecot or mailseed has, where the folder is to have one and has it.
    pub uid_list: Option<Vec<u8>>,
    /// `dovecot-keywords`.
    pub keywords: Option<Vec<u8>>,
    /// `courierimapuiddb`, where Courier is to serve the folder and has it.
    pub uiddb: Option<Vec<u8>>,
    /// `courierimapkeywords`, where Courier is to serve the folder.
    pub courier_keywords: CourierKeywords,
    /// The directories and control files.
    pub surroundings: Vec<(&'static str, Access)>,
}

/// A message file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its whole name; what is not UTF-8 in it is replaced, and then nothing fits it.
    pub name: Box<str>,
    /// Whether it lies in `new`.
    pub in_new: bool,
    /// Its bytes.
    pub size: u64,
    /// Its date, in seconds since 1970.
    pub mtime: i64,
    /// Who may do what.
    pub access: Access,
}

impl File {
    /// Its name up to the colon.
    pub fn base(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }
}

/// Owner, group and mode of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl Access {
    fn of(stat: &Stat) -> Self {
        Self {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
        }
    }
}

/// Who owns the Maildir at `root`.
///
/// # Errors
/// Those of the file system; that there is none is one.
pub fn owner(root: &Path) -> io::Result<Access> {
    let dir = open_dir(rustix::fs::CWD, root)?;
    Ok(Access::of(&rustix::fs::fstat(&dir)?))
}

/// Reads `folder` of the Maildir at `root`, with these lists. `None`: it is not there, or has no `cur` or
/// no `new`.
///
/// # Errors
/// Those of the file system.
pub fn read(root: &Path, folder: &MaildirFolder, lists: Lists) -> io::Result<Option<Disk>> {
    settled(|| attempt(root, folder, lists))
}

fn attempt(root: &Path, folder: &MaildirFolder, lists: Lists) -> io::Result<Option<Disk>> {
    let Some(dir) = open_existing(root, folder)? else {
        return Ok(None);
    };
    let mut disk = Disk::default();
    disk.surroundings
        .push(("the folder", Access::of(&rustix::fs::fstat(&dir)?)));
    for (name, in_new) in [("new", true), ("cur", false)] {
        let part = match open_dir(&dir, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        disk.surroundings
            .push((name, Access::of(&rustix::fs::fstat(&part)?)));
        disk.messages(&part, in_new)?;
    }
    match rustix::fs::statat(&dir, "tmp", AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => disk.surroundings.push(("tmp", Access::of(&stat))),
        Err(Errno::NOENT) => {
            let why = "it is not there, and without it nothing can be delivered";
            disk.odd.push(("tmp".to_owned(), why));
        }
        Err(error) => return Err(error.into()),
    }
    let own = lists.own.into_iter().chain(["dovecot-keywords"]);
    let of_courier = courier::CONTROL.into_iter().filter(|_| lists.courier);
    for name in own.chain(of_courier).chain(["subscriptions"]) {
        if let Ok(stat) = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            disk.surroundings.push((name, Access::of(&stat)));
        }
    }
    if let Some(name) = lists.own {
        disk.uid_list = control::read(&dir, name)?;
    }
    disk.keywords = control::read(&dir, "dovecot-keywords")?;
    if lists.courier {
        disk.uiddb = control::read(&dir, courier::UIDDB)?;
        disk.courier_keywords = courier::read_keywords(&dir)?;
    }
    Ok(Some(disk))
}

impl Disk {
    fn messages(&mut self, dir: &OwnedFd, in_new: bool) -> io::Result<()> {
        for (name, what) in entries(dir)? {
            let name = String::from_utf8_lossy(&name).into_owned();
            match what {
                Entry::Hidden => {
                    let why = "no server shows a name with a leading dot";
                    self.odd.push((name, why));
                }
                Entry::Irregular => self.odd.push((name, "it is no regular file")),
                Entry::Message(stat) => self.files.push(File {
                    name: name.into(),
                    in_new,
                    size: u64::try_from(stat.st_size).unwrap_or(0),
                    mtime: stat.st_mtime,
                    access: Access::of(&stat),
                }),
            }
        }
        Ok(())
    }
}
