//! What lies in a Maildir already, read without making, changing or locking anything.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;

use super::maildir::open_message;
use super::tree::open_dir;
use super::{control, courier, target_problem};
use crate::config::Layout;
use crate::mail::courier::CourierFiles;
use crate::mail::uidlist::UidListFault;
use crate::naming::message::size_field;
use crate::naming::{Identity, KeywordLetters, MaildirFolder};
use crate::plan::courier::unite;
use crate::plan::on_disk::{DiskFile, DiskFiles, OnDisk};
use crate::plan::{DOVECOT_LIST, Lists};
use crate::problem::{Kind, Problem, Reach};

/// Deeper than folders lie; a user can make directories in each other without end.
const DEEPEST: usize = 256;

/// The messages of one folder, to be read. Nothing is made, changed or locked.
#[derive(Debug)]
pub struct Messages {
    new: Option<OwnedFd>,
    cur: Option<OwnedFd>,
}

impl Messages {
    /// Opens the folder of the Maildir at `root`; one that does not exist has no messages.
    ///
    /// # Errors
    /// Those of the file system; a link in place of a directory is one.
    pub fn open(root: &Path, folder: &MaildirFolder) -> io::Result<Self> {
        let Some(dir) = open_existing(root, folder)? else {
            return Ok(Self {
                new: None,
                cur: None,
            });
        };
        let part = |name| existing(open_dir(&dir, name));
        Ok(Self {
            new: part("new")?,
            cur: part("cur")?,
        })
    }

    /// Opens a message.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` where it is no longer there.
    pub fn file(&self, file: &DiskFile) -> io::Result<File> {
        let dir = self.dir_of(file).ok_or(io::ErrorKind::NotFound)?;
        open_message(dir, &file.name())
    }

    /// The directory in which a message lies.
    pub(super) fn dir_of(&self, file: &DiskFile) -> Option<&OwnedFd> {
        let dir = if file.in_new { &self.new } else { &self.cur };
        dir.as_ref()
    }
}

/// So often it is looked again where a server renames files at the same time.
const TRIES: usize = 3;

/// Looks once more where a file was gone: a server has renamed it.
///
/// # Errors
/// Those of the last `attempt`.
pub fn settled<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut read = attempt();
    for _ in 1..TRIES {
        if !matches!(&read, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            break;
        }
        read = attempt();
    }
    read
}

/// What a name in `new` or `cur` stands for.
#[derive(Debug)]
pub enum Entry {
    /// A message.
    Message(Stat),
    /// A name with a leading dot: no server shows it.
    Hidden,
    /// A link, a directory or the like.
    Irregular,
}

/// What lies in the directory `new` or `cur`.
///
/// # Errors
/// Those of the file system; `NotFound` where a server has renamed a file meanwhile, which may have been
/// missed under its new name.
pub fn entries(dir: &OwnedFd) -> io::Result<Vec<(Box<[u8]>, Entry)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let what = match name.starts_with(b".") {
            true => Entry::Hidden,
            false => {
                let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => Entry::Message(stat),
                    _ => Entry::Irregular,
                }
            }
        };
        entries.push((name.into(), what));
    }
    Ok(entries)
}

/// The folders of the Maildir at `root`, INBOX first, then by name. Names that are not UTF-8 are
/// left out: mailseed writes none.
///
/// # Errors
/// Those of the file system; that there is no Maildir is one.
pub fn folders(root: &Path, layout: Layout) -> io::Result<Vec<MaildirFolder>> {
    let root = open_dir(rustix::fs::CWD, root)?;
    let mut folders = vec![MaildirFolder::root()];
    add_folders(&root, &[], layout, &mut folders)?;
    Ok(folders)
}

fn add_folders(
    dir: &OwnedFd,
    above: &[String],
    layout: Layout,
    folders: &mut Vec<MaildirFolder>,
) -> io::Result<()> {
    let names = control::names(dir)?.into_iter();
    let mut names: Vec<String> = names
        .filter_map(|name| String::from_utf8(name).ok())
        .filter(|name| match layout {
            Layout::MaildirPlusPlus => name.starts_with('.'),
            Layout::Fs => !matches!(name.as_str(), "cur" | "new" | "tmp"),
        })
        .collect();
    names.sort_unstable();
    for name in names {
        match rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
            Ok(_) | Err(Errno::NOENT) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let mut components = above.to_vec();
        components.push(name);
        let below = match layout {
            Layout::Fs if above.len() < DEEPEST => components
                .last()
                .map(|name| open_dir(dir, name.as_str()))
                .transpose()?,
            _ => None,
        };
        folders.extend(MaildirFolder::found(components.clone()));
        if let Some(below) = below {
            add_folders(&below, &components, layout, folders)?;
        }
    }
    Ok(())
}

/// What the folder of the Maildir at `root` holds. With `dates` the messages' dates are read too.
/// Nothing is made, changed or locked: a dry run uses it as well.
///
/// # Errors
/// Those of the file system (a link in place of a directory is one), control files that make no
/// sense, or files that are not whole.
pub fn scan(
    root: &Path,
    folder: &MaildirFolder,
    lists: Lists,
    dates: bool,
) -> Result<OnDisk, Problem> {
    let disk = scan_as_it_is(root, folder, lists, dates)?;
    match disk.torn.first() {
        Some(torn) => Err(not_whole(folder, torn)),
        None => Ok(disk),
    }
}

/// What a file that is not whole is where nothing is known of its message.
pub fn not_whole(folder: &MaildirFolder, base: &str) -> Problem {
    let what = format!("{folder}: the file {base} has not the size that its name says");
    Problem::new(Kind::Conflict, Reach::User, what).with_hint(
        "the machine stopped before the file was on disk; remove it and run again: its message is \
         then fetched anew",
    )
}

/// [`scan`], also where files are not whole.
///
/// # Errors
/// As of [`scan`].
pub fn scan_as_it_is(
    root: &Path,
    folder: &MaildirFolder,
    lists: Lists,
    dates: bool,
) -> Result<OnDisk, Problem> {
    let told = |error| target_problem(&format!("read {folder} in {}", root.display()), error);
    let Some(dir) = open_existing(root, folder).map_err(told)? else {
        return Ok(OnDisk {
            courier: lists.courier.then(CourierFiles::default),
            ..OnDisk::default()
        });
    };
    let mut disk = OnDisk {
        exists: true,
        is_dated: dates,
        ..OnDisk::default()
    };
    let part = |name| existing(open_dir(&dir, name)).map_err(told);
    let messages = Messages {
        new: part("new")?,
        cur: part("cur")?,
    };
    for (part, in_new) in [(&messages.new, true), (&messages.cur, false)] {
        match part {
            Some(part) => collect(part, in_new, dates, &mut disk.files).map_err(told)?,
            None => disk.exists = false,
        }
    }
    if let Some(name) = lists.own
        && let Some(list) = control::read_list(&dir, name).map_err(told)?
    {
        disk.uidlist = Some(list.map_err(|fault| broken_list(folder, name, fault))?);
    }
    if lists.courier {
        let files = courier::read(&dir, folder.is_root()).map_err(told)?;
        add_courier(&mut disk, files, lists);
    }
    disk.torn = torn(&disk, &messages).map_err(told)?;
    if let Some(bytes) = control::read(&dir, "dovecot-keywords").map_err(told)? {
        disk.keywords = KeywordLetters::parse(&String::from_utf8_lossy(&bytes));
    }
    let is_there = |name: &str| rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    disk.is_locked = is_there("dovecot-uidlist.lock");
    disk.has_indexes = disk.is_locked || is_there("dovecot.index") || is_there("dovecot.index.log");
    Ok(disk)
}

fn broken_list(folder: &MaildirFolder, name: &str, fault: UidListFault) -> Problem {
    let what = format!("{folder}: {name} makes no sense");
    Problem::new(Kind::Conflict, Reach::User, what)
        .caused_by(fault)
        .with_hint(
            "a server would number these messages anew; restore the file, or move the folder away \
             and run again",
        )
}

/// Puts what Courier's files say together with what the other list says, if there is one.
fn add_courier(disk: &mut OnDisk, files: CourierFiles, lists: Lists) {
    let present = disk.files.iter().map(|file| file.base).collect();
    let served = lists.own == Some(DOVECOT_LIST);
    let own = disk.uidlist.take();
    let uiddb = files.uiddb.as_ref();
    let united = unite(own.clone(), uiddb, served, lists.settled, &present);
    disk.lists_differ = united != own;
    disk.uidlist = united;
    disk.courier = Some(files);
}

/// See [`OnDisk::torn`]. What is listed was on disk before.
fn torn(disk: &OnDisk, messages: &Messages) -> io::Result<Vec<Box<str>>> {
    let mut torn = Vec::new();
    for file in disk.unlisted() {
        let ours = Identity::parse(&file.base).and_then(|_| size_field(&file.base, 'S'));
        let Some(said) = ours else {
            continue;
        };
        let Some(dir) = messages.dir_of(&file) else {
            continue;
        };
        match rustix::fs::statat(dir, file.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if u64::try_from(stat.st_size) != Ok(said) => torn.push(file.base),
            // A server has renamed it since.
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(torn)
}

/// Whether any directory lies at the place of a folder.
///
/// # Errors
/// Those of the file system; a link in place of a directory is one.
pub fn is_there(root: &Path, folder: &MaildirFolder) -> Result<bool, Problem> {
    let found = open_existing(root, folder);
    let found = found.map_err(|error| target_problem(&format!("read {folder}"), error))?;
    Ok(found.is_some())
}

/// Whether the folder has a control file of this name.
pub fn holds(root: &Path, folder: &MaildirFolder, name: &str) -> bool {
    let dir = open_existing(root, folder).ok().flatten();
    dir.is_some_and(|dir| rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}

/// Opens a folder that may not exist.
///
/// # Errors
/// Those of the file system; a link in place of a directory is one.
pub fn open_existing(root: &Path, folder: &MaildirFolder) -> io::Result<Option<OwnedFd>> {
    let mut found = existing(open_dir(rustix::fs::CWD, root))?;
    for component in folder.components() {
        let Some(dir) = found else { break };
        found = existing(open_dir(&dir, component.as_str()))?;
    }
    Ok(found)
}

fn existing(opened: io::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    match opened {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The message files of one directory. Servers do not list names with a leading dot; a name that
/// is not UTF-8 is nobody's UIDL and no name of ours, and is left alone.
fn collect(dir: &OwnedFd, in_new: bool, dates: bool, files: &mut DiskFiles) -> io::Result<()> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let mut kind = entry.file_type();
        let is_hidden = name.starts_with('.');
        if is_hidden || !matches!(kind, FileType::RegularFile | FileType::Unknown) {
            continue;
        }
        let mut mtime = None;
        if dates || kind == FileType::Unknown {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            kind = FileType::from_raw_mode(stat.st_mode);
            mtime = dates.then_some(stat.st_mtime);
        }
        if kind == FileType::RegularFile {
            files.push(&DiskFile::named(name, in_new, mtime));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ours_that_is_not_whole_is_named_unless_it_is_listed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["cur", "new", "tmp"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let base = "7.M0000000003.mailseed,S=4,W=5";
        let file = root.path().join("cur").join(format!("{base}:2,S"));
        let scanned = || {
            let lists = Lists {
                own: Some(DOVECOT_LIST),
                courier: false,
                settled: false,
            };
            scan(root.path(), &MaildirFolder::root(), lists, false)
        };
        std::fs::write(&file, b"a\nb\n").unwrap();
        assert_eq!(scanned().unwrap().files.len(), 1);
        std::fs::write(&file, b"").unwrap();
        let problem = scanned().unwrap_err();
        assert_eq!(problem.kind, Kind::Conflict);
        assert!(problem.to_string().contains(base), "{problem}");
        // Somebody's own file may be of any size.
        let own = root.path().join("cur/local,S=9:2,");
        std::fs::write(own, b"").unwrap();
        let list = format!("3 V7 N4\n3 :{base}\n");
        std::fs::write(root.path().join("dovecot-uidlist"), list).unwrap();
        assert_eq!(scanned().unwrap().files.len(), 2);
    }
}
