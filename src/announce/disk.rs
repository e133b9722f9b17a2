//! The thin part: an INBOX read from disk, message by message, through no symbolic link.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags};

use super::dovecot::hex;
use super::{Announcement, Controls, MailFile, Maildrop, Server, list};
use crate::naming::MaildirFolder;
use crate::problem::Problem;
use crate::sink::export::now;
use crate::sink::line_ends::LineEnds;
use crate::sink::on_disk::{Entry, entries, open_existing, settled};
use crate::sink::tree::open_dir;
use crate::sink::{control, target_problem};

/// What `server` will announce of the INBOX of `maildir` if somebody logs in now. Messages are read
/// only where the server would read them for their size.
///
/// # Errors
/// The directory is no Maildir or cannot be read; the message says which.
pub fn read(maildir: &Path, server: &Server) -> Result<Announcement, Problem> {
    let attempt = || {
        let root = open_root(maildir)?;
        let dirs = [open_dir(&root, "new")?, open_dir(&root, "cur")?];
        let maildrop = load_from(&root, &dirs)?;
        list(&maildrop, server, now()).measured(&maildrop, |file| {
            let dir = &dirs[usize::from(!file.in_new)];
            LineEnds::count(&mut open_message(dir, &file.name)?)
        })
    };
    settled(attempt).map_err(|error| no_maildir(maildir, error))
}

/// What lies in the INBOX of `maildir`.
///
/// # Errors
/// The directory is no Maildir or cannot be read; the message says which.
pub fn load(maildir: &Path) -> Result<Maildrop, Problem> {
    let attempt = || {
        let root = open_root(maildir)?;
        let dirs = [open_dir(&root, "new")?, open_dir(&root, "cur")?];
        load_from(&root, &dirs)
    };
    settled(attempt).map_err(|error| no_maildir(maildir, error))
}

fn no_maildir(maildir: &Path, error: io::Error) -> Problem {
    let problem = target_problem(&format!("read the Maildir {}", maildir.display()), error);
    let is_above = maildir.join("Maildir").join("cur").is_dir();
    match (maildir.join("cur").is_dir(), is_above) {
        (true, _) => problem,
        (false, true) => problem.with_hint("it has no cur, but a Maildir in it has: name that"),
        (false, false) => problem.with_hint("name the directory that has cur, new and tmp"),
    }
}

fn open_root(maildir: &Path) -> io::Result<OwnedFd> {
    let root = open_existing(maildir, &MaildirFolder::root())?;
    let gone = || io::Error::new(io::ErrorKind::NotFound, "there is no such directory");
    root.ok_or_else(gone)
}

/// Reads the directories `new` and `cur`, given in this order.
fn load_from(root: &OwnedFd, dirs: &[OwnedFd; 2]) -> io::Result<Maildrop> {
    let mut maildrop = Maildrop {
        controls: controls(root)?,
        ..Maildrop::default()
    };
    for (dir, in_new) in dirs.iter().zip([true, false]) {
        for (name, what) in entries(dir)? {
            match what {
                Entry::Hidden => maildrop.hidden.push(name),
                Entry::Irregular => maildrop.irregular.push(name),
                Entry::Message(stat) => maildrop.files.push(MailFile {
                    name,
                    in_new,
                    size: u64::try_from(stat.st_size).unwrap_or(0),
                    mtime: stat.st_mtime,
                }),
            }
        }
    }
    Ok(maildrop)
}

fn controls(root: &OwnedFd) -> io::Result<Controls> {
    let mut controls = Controls {
        dovecot_uidlist: control::read(root, "dovecot-uidlist")?,
        dovecot_uidvalidity: control::read(root, "dovecot-uidvalidity")?,
        courier_size_list: control::read(root, "courierpop3dsizelist")?,
        ..Controls::default()
    };
    for entry in Dir::read_from(root)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let number = name.strip_prefix(b"dovecot-uidvalidity.").and_then(hex);
        controls.dovecot_uidvalidities.extend(number);
        controls.has_dovecot_index |= matches!(name, b"dovecot.index" | b"dovecot.index.log");
    }
    Ok(controls)
}

fn open_message(dir: &OwnedFd, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    Ok(File::from(file))
}
