//! `logs/USER.log`: what happened for one user, as it happens.

use std::fs::{File, OpenOptions};
use std::io::{self, LineWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::Level;

use crate::logging;
use crate::text::printable;

/// The log of one user. It holds one open file at most, opened with the first line; earlier runs'
/// lines stay before it. Each line goes to the run's log as well, with the user's name.
#[derive(Debug)]
pub struct UserLog {
    user: String,
    file: Mutex<Place>,
}

#[derive(Debug)]
enum Place {
    Nowhere,
    Later(PathBuf),
    Open(LineWriter<File>),
}

impl UserLog {
    /// The log of `user`, in the report directory where there is one.
    pub fn new(report: Option<&Path>, user: &str) -> Self {
        let place = match report {
            Some(dir) => Place::Later(dir.join("logs").join(file_name(user))),
            None => Place::Nowhere,
        };
        Self {
            user: user.to_owned(),
            file: Mutex::new(place),
        }
    }

    /// Tells one line. A log file that cannot be written is told once, and does not stop anything.
    pub fn line(&self, level: Level, text: impl AsRef<str>) {
        let text = printable(text.as_ref());
        let user = printable(&self.user);
        match level {
            Level::ERROR => tracing::error!(user, "{text}"),
            Level::WARN => tracing::warn!(user, "{text}"),
            Level::INFO => tracing::info!(user, "{text}"),
            _ => tracing::debug!(user, "{text}"),
        }
        let mut place = self.place();
        if let Err(error) = write(&mut place, level, &text) {
            *place = Place::Nowhere;
            tracing::warn!(user, "the log of this user cannot be written: {error}");
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(place: &mut Place, level: Level, text: &str) -> io::Result<()> {
    if let Place::Later(path) = place {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        *place = Place::Open(LineWriter::new(file));
    }
    match place {
        Place::Open(file) => writeln!(file, "{} {level:<5} {text}", logging::now()),
        Place::Nowhere | Place::Later(_) => Ok(()),
    }
}

/// Room for a suffix below the 255 bytes that file systems allow.
const LONGEST_NAME: usize = 200;

/// A file name for any user name: two names never share one, and none is hidden or leaves the
/// directory.
pub(super) fn file_name(user: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'@')
        .remove(b'.')
        .remove(b'_')
        .remove(b'-');
    let mut name = utf8_percent_encode(user, KEPT).to_string();
    if name.starts_with('.') {
        name.replace_range(..1, "%2E");
    }
    if name.len() > LONGEST_NAME {
        // All ASCII by now. No other name has a ~ in it.
        name.truncate(LONGEST_NAME);
        name.push('~');
        name.push_str(&blake3::hash(user.as_bytes()).to_hex()[..16]);
    }
    name.push_str(".log");
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn every_name_has_a_file_of_its_own() {
        let long = "é".repeat(90);
        let longer = "é".repeat(91);
        for (user, want) in [
            ("Bob.x_y-z@a.example", "Bob.x_y-z@a.example.log"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd.log"),
            ("../x", "%2E.%2Fx.log"),
            (".", "%2E.log"),
            ("%2E", "%252E.log"),
            ("a b\n~", "a%20b%0A%7E.log"),
            ("é", "%C3%A9.log"),
        ] {
            assert_eq!(file_name(user), want);
        }
        let names: HashSet<_> = [long.as_str(), &longer, "a", "A", "%41"]
            .map(file_name)
            .into();
        assert_eq!(names.len(), 5);
        assert!(names.iter().all(|name| name.len() <= 255));
    }

    #[test]
    fn lines_are_safe_dated_and_appended() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("logs")).expect("a directory");
        let path = dir.path().join("logs/u@d.log");
        UserLog::new(Some(dir.path()), "u@d");
        assert!(!path.exists(), "opened with the first line only");
        for text in ["said: \x1b[2J", "again"] {
            UserLog::new(Some(dir.path()), "u@d").line(Level::INFO, text);
        }
        let text = std::fs::read_to_string(&path).expect("a log");
        let lines: Vec<_> = text.lines().map(|line| &line[20..]).collect();
        assert_eq!(lines, [" INFO  said: \\u{1b}[2J", " INFO  again"]);
        let mode = std::fs::metadata(&path)
            .expect("a log")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        // Neither a lacking directory nor none at all stops anything.
        let lost = UserLog::new(Some(Path::new("/nonexistent")), "u");
        lost.line(Level::WARN, "x");
        assert!(matches!(*lost.place(), Place::Nowhere));
        UserLog::new(None, "u").line(Level::DEBUG, "x");
    }
}
