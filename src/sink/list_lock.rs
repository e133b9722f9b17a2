//! The servers' own locks on the lists of a folder: who holds them may give UIDs. That of Dovecot is
//! `dovecot-uidlist.lock` (`file-dotlock.c`), that of Courier `tmp/courier.lock` (`maildirlock.c` and
//! `ll_dotlock`, unless it runs with IMAP_USELOCKS=0; its POP3 server knows no lock). Both make the
//! file without replacing one, with `PID:HOST` in it, and take over a lock whose process is dead or that
//! is older than two minutes.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::process::Pid;

use super::target_problem;
use super::tree::{FILE_MODE, FolderDirs, Tree, give_to};
use crate::plan::{DOVECOT_LIST, Lists};
use crate::problem::{Kind, Problem, Reach};

const DOVECOT: &str = "dovecot-uidlist.lock";
const COURIER: &str = "courier.lock";
/// The lock before it is one, in `tmp`.
const DRAFT: &str = "mailseed.lock";
/// A lock older than this has been left behind.
const STALE: Duration = Duration::from_secs(120);
/// So long another's lock is waited for: longer than it takes to become stale.
const PATIENCE: Duration = Duration::from_secs(150);
const PAUSE: Duration = Duration::from_millis(20);

/// The locks, held until this is dropped.
#[derive(Debug)]
pub struct ListLock {
    _held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    dir: OwnedFd,
    name: &'static str,
}

impl ListLock {
    /// Takes the locks of the servers that have `lists` in a folder.
    ///
    /// # Errors
    /// One cannot be made, or another holds it for too long (Busy, worth a retry), or the run is to
    /// stop.
    pub fn take(
        tree: &Tree,
        dirs: &FolderDirs,
        lists: Lists,
        stop: &AtomicBool,
    ) -> Result<Self, Problem> {
        let mut held = Vec::new();
        if lists.own == Some(DOVECOT_LIST) {
            held.push(take(tree, dirs, &dirs.dir, DOVECOT, stop)?);
        }
        if lists.courier {
            held.push(take(tree, dirs, &dirs.tmp, COURIER, stop)?);
        }
        Ok(Self { _held: held })
    }
}

fn take(
    tree: &Tree,
    dirs: &FolderDirs,
    dir: &OwnedFd,
    name: &'static str,
    stop: &AtomicBool,
) -> Result<Held, Problem> {
    let told = |error| target_problem(&format!("lock {name} in {}", tree.path().display()), error);
    let started = Instant::now();
    loop {
        if try_take(tree, dirs, dir, name).map_err(told)? {
            let dir = dir.try_clone().map_err(told)?;
            return Ok(Held { dir, name });
        }
        if is_left_behind(dir, name).map_err(told)? {
            super::tree::remove(dir, name).map_err(told)?;
            continue;
        }
        if stop.load(Ordering::Relaxed) {
            return Err(
                Problem::new(Kind::Interrupted, Reach::Run, "the run was interrupted")
                    .with_hint("run it again to go on"),
            );
        }
        if started.elapsed() > PATIENCE {
            let what = format!("a server holds {name} in {}", tree.path().display());
            return Err(Problem::new(Kind::Busy, Reach::User, what).worth_retry(true));
        }
        std::thread::sleep(PAUSE);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // One that stays is taken over, since its process will be dead.
        let _ = super::tree::remove(&self.dir, self.name);
    }
}

/// The lock is whole when it appears: without a word on whose it is, it could be taken over only
/// when it is stale.
fn try_take(tree: &Tree, dirs: &FolderDirs, dir: &OwnedFd, name: &str) -> io::Result<bool> {
    let taken = make(tree, dirs, dir, name);
    if taken.is_err() {
        // Removed by the next run, if not now.
        let _ = super::tree::remove(&dirs.tmp, DRAFT);
    }
    taken
}

fn make(tree: &Tree, dirs: &FolderDirs, dir: &OwnedFd, name: &str) -> io::Result<bool> {
    super::tree::remove(&dirs.tmp, DRAFT)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&dirs.tmp, DRAFT, flags, FILE_MODE)?;
    give_to(&file, tree.owner())?;
    std::fs::File::from(file).write_all(our_mark().as_bytes())?;
    let moved = super::maildir::move_in(&dirs.tmp, DRAFT, dir, name);
    match moved {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            super::tree::remove(&dirs.tmp, DRAFT)?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// `PID:HOST`, as Dovecot writes it.
fn our_mark() -> String {
    format!("{}:{}", rustix::process::getpid(), host())
}

fn host() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

fn is_left_behind(dir: &OwnedFd, name: &str) -> io::Result<bool> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(errno.into()),
    };
    let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(
        u64::try_from(stat.st_mtime).unwrap_or(0),
    ));
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    Ok(age.is_some_and(|age| age > STALE) || is_of_the_dead(dir, name)?)
}

/// Whether the lock's process was on this host and is no more, or is this one, which could not remove
/// it when it was done. Another run of mailseed is never alive here: it would hold the lock on the whole
/// Maildir.
fn is_of_the_dead(dir: &OwnedFd, name: &str) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(errno.into()),
    };
    let mut text = String::new();
    if file.take(300).read_to_string(&mut text).is_err() {
        return Ok(false);
    }
    if text == our_mark() {
        return Ok(true);
    }
    let Some((pid, at)) = text.split_once(':') else {
        return Ok(false);
    };
    let pid = pid.parse().ok().filter(|pid| *pid > 0);
    let pid = pid.and_then(Pid::from_raw);
    Ok(at == host()
        && pid.is_some_and(|pid| {
            rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        }))
}

#[cfg(test)]
mod tests {
    use super::super::tree::open_dir;
    use super::*;

    #[test]
    fn a_lock_is_left_behind_when_its_process_is_known_to_be_dead() {
        let root = tempfile::tempdir().unwrap();
        let dir = open_dir(rustix::fs::CWD, root.path()).unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let (dead, alive) = (child.id(), 1);
        let here = host();
        for (text, want) in [
            (format!("{dead}:{here}"), true),
            (our_mark(), true),
            (format!("{alive}:{here}"), false),
            (format!("{dead}:another-{here}"), false),
            (format!("{dead}"), false),
            // No process has such a number.
            (format!("-{dead}:{here}"), false),
            (format!("0:{here}"), false),
            (String::new(), false),
        ] {
            std::fs::write(root.path().join(DOVECOT), &text).unwrap();
            assert_eq!(is_left_behind(&dir, DOVECOT).unwrap(), want, "{text}");
        }
        let old = filetime::FileTime::from_unix_time(1_000_000_000, 0);
        filetime::set_file_mtime(root.path().join(DOVECOT), old).unwrap();
        assert!(is_left_behind(&dir, DOVECOT).unwrap(), "it is stale");
        assert!(!is_left_behind(&dir, COURIER).unwrap(), "there is none");
    }
}
