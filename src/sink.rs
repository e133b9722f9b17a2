//! Everything that is written under a user's Maildir goes through here.
//!
//! # What the sink promises
//! A message appears under its final name only when all its bytes, its date, its owner and its
//! mode are right; nothing that exists is ever replaced by it. Control files come when the messages
//! that they mention are whole and, unless `--fsync never`, on disk, each whole or not at all. Nothing
//! is read or written outside the Maildir, whatever lies in it: directories are opened one by one from
//! the root, never through a link, and no file that has a name elsewhere is changed or given away.
//!
//! # What the caller must do
//! Hold the [`tree::Tree`] (and so its lock) for as long as it works on a user.

pub mod arrivals;
pub mod control;
pub(crate) mod courier;
pub mod digest;
pub mod export;
pub mod line_ends;
pub mod list_lock;
pub mod maildir;
pub mod on_disk;
pub mod removal;
pub mod sync;
pub mod tree;

use std::io;

use crate::problem::{Kind, Problem, Reach};

/// An error of the file system as a problem. A full or broken disk ends the run, since every
/// other user would meet it too; anything else is this user's.
pub fn target_problem(doing: &str, error: io::Error) -> Problem {
    use rustix::io::Errno;
    let stops_all = [
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::ROFS,
        Errno::IO,
        Errno::MFILE,
        Errno::NFILE,
    ];
    let errno = Errno::from_io_error(&error);
    let reach = if errno.is_some_and(|errno| stops_all.contains(&errno)) {
        Reach::Run
    } else {
        Reach::User
    };
    let problem = Problem::new(Kind::Target, reach, format!("cannot {doing}"));
    let problem = match errno {
        Some(Errno::NOSPC | Errno::DQUOT) => {
            problem.with_hint("make space on the target and run again: it goes on where it stopped")
        }
        Some(Errno::LOOP | Errno::NOTDIR) => problem.with_hint(
            "inside a Maildir mailseed follows no symbolic links and takes no file for a directory",
        ),
        Some(Errno::PERM | Errno::ACCESS) => {
            problem.with_hint("run as root with --owner, or as the user who owns the Maildir")
        }
        _ => problem,
    };
    problem.caused_by(error)
}
