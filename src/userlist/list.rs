//! A user list that stays on disk: it is read through before anything starts, and each row once more when
//! its user's turn comes, so that a million rows, and their passwords, need not be held.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::doubles::{Doubles, Suspects};
use super::records::Records;
use super::{Column, ReadRow, Rows, UserRow, row};
use crate::problem::{Kind, Problem, Reach};

/// What is read for one row, in bytes: hardly one is longer.
const ROW: usize = 512;

/// An open user list.
#[derive(Debug)]
pub struct List {
    file: File,
    /// What it was when it was opened.
    stamp: Stamp,
    is_exposed: bool,
    columns: Vec<Column>,
}

/// What changes when somebody writes into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            length: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

/// What holds for the rows of a list together, of which none that is refused is counted.
#[derive(Debug)]
pub struct Scan {
    /// Good rows.
    pub rows: u64,
    /// A row brings a password.
    pub any_password: bool,
    /// A row has an IMAP server.
    pub any_imap: bool,
    /// A row has a POP3 server.
    pub any_pop3: bool,
    /// A row has a name or a password for IMAP alone.
    pub any_imap_login: bool,
    /// A row has a name or a password for POP3 alone.
    pub any_pop3_login: bool,
    /// A row has a Maildir.
    pub any_maildir: bool,
    /// Rows that have neither a Maildir nor a subfolder.
    pub bare: u64,
    /// Where rows begin that name a user of an earlier row.
    doubled: HashSet<u64>,
}

impl Scan {
    /// Of no row.
    pub fn of_none() -> Self {
        Self {
            rows: 0,
            any_password: false,
            any_imap: false,
            any_pop3: false,
            any_imap_login: false,
            any_pop3_login: false,
            any_maildir: false,
            bare: 0,
            doubled: HashSet::new(),
        }
    }

    /// Counts a good row in.
    pub fn add(&mut self, row: &UserRow) {
        self.rows += 1;
        self.any_password |= row.has_password();
        self.any_imap |= row.imap.is_some();
        self.any_pop3 |= row.pop3.is_some();
        self.any_imap_login |= row.imap_user.is_some() || row.imap_password.is_some();
        self.any_pop3_login |= row.pop3_user.is_some() || row.pop3_password.is_some();
        self.any_maildir |= row.maildir.is_some();
        self.bare += u64::from(row.maildir.is_none() && row.subfolder.is_none());
    }
}

impl List {
    /// Opens a list; `-` is standard input. What is no file is copied into one that has no name.
    ///
    /// # Errors
    /// It cannot be opened or copied.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::copied(&mut io::stdin().lock());
        }
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Self::copied(&mut file);
        }
        let is_exposed = meta.permissions().mode() & 0o077 != 0;
        Ok(Self::of(file, Stamp::of(&meta), is_exposed))
    }

    /// Copies a list to where it can be read more than once. It may hold passwords: the file is for its owner
    /// alone, and gone when it is closed.
    ///
    /// # Errors
    /// It cannot be read, or the copy cannot be written.
    pub fn copied(from: &mut dyn Read) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        io::copy(from, &mut file)?;
        let meta = file.metadata()?;
        Ok(Self::of(file, Stamp::of(&meta), false))
    }

    fn of(file: File, stamp: Stamp, is_exposed: bool) -> Self {
        let mut list = Self {
            file,
            stamp,
            is_exposed,
            columns: Vec::new(),
        };
        // A header that is wrong is told by `scan`.
        let columns = list.rows().map(|rows| rows.columns);
        list.columns = columns.unwrap_or_default();
        list
    }

    /// Whether others may read it.
    pub fn is_exposed(&self) -> bool {
        self.is_exposed
    }

    /// All rows, from the first on.
    ///
    /// # Errors
    /// What is wrong with its header, with the line.
    fn rows(&self) -> Result<Rows<ReadAt<'_>>, (u64, String)> {
        Rows::begin(ReadAt::new(&self.file, 0))
    }

    /// Reads it through: what is wrong goes to `refuse`, with the line, each good row to `see`. A user
    /// that an earlier row has is wrong.
    pub fn scan(&self, refuse: &mut dyn FnMut(u64, String), mut see: impl FnMut(&UserRow)) -> Scan {
        let mut scan = Scan::of_none();
        let rows = match self.rows() {
            Ok(rows) => rows,
            Err((line, fault)) => {
                refuse(line, fault);
                return scan;
            }
        };
        let header_line = rows.header_line;
        let mut users = Doubles::default();
        let mut any = false;
        for ReadRow { row, line, faults } in rows {
            any = true;
            if !row.user.is_empty() {
                users.see(&row.user);
            }
            if faults.is_empty() {
                scan.add(&row);
                see(&row);
            }
            faults.into_iter().for_each(|fault| refuse(line, fault));
        }
        let twice = users.end();
        if !twice.is_empty() {
            scan.doubled = self.doubled(&twice, refuse);
            scan.rows -= scan.doubled.len() as u64;
        }
        if !any {
            refuse(header_line, "the list names no user".to_owned());
        }
        scan
    }

    /// Where good rows begin of users that have an earlier row.
    fn doubled(&self, twice: &Suspects, refuse: &mut dyn FnMut(u64, String)) -> HashSet<u64> {
        let mut lines: HashMap<String, u64> = HashMap::new();
        let mut doubled = HashSet::new();
        for ReadRow { row, line, faults } in self.rows().into_iter().flatten() {
            if row.user.is_empty() || !twice.may_be(&row.user) {
                continue;
            }
            if let Some(first) = lines.get(&row.user) {
                let fault = format!("user {:?} stands on line {first} already", row.user);
                refuse(line, fault);
                if faults.is_empty() {
                    doubled.insert(row.offset);
                }
            } else {
                lines.insert(row.user, line);
            }
        }
        doubled
    }

    /// The rows with which nothing is wrong.
    pub fn good_rows(&self, scan: &Scan, mut see: impl FnMut(UserRow)) {
        for ReadRow { row, faults, .. } in self.rows().into_iter().flatten() {
            if faults.is_empty() && !scan.doubled.contains(&row.offset) {
                see(row);
            }
        }
    }

    /// The good row that begins at `offset`, on `line`.
    ///
    /// # Errors
    /// The list has been changed since it was opened, or cannot be read (reach Run, kind Input).
    pub fn row_at(&self, offset: u64, line: u64) -> Result<UserRow, Problem> {
        let wrong = |what: &str| Problem::new(Kind::Input, Reach::Run, what);
        let mut records = Records::new(ReadAt::new(&self.file, offset), ROW, (offset, line));
        let read = records.next().map(|record| row(record, &self.columns));
        let stamp = self.file.metadata().map(|meta| Stamp::of(&meta));
        match (read, stamp) {
            (_, Err(error)) => Err(wrong("the user list cannot be read").caused_by(error)),
            (Some(read), Ok(stamp)) if stamp == self.stamp && read.faults.is_empty() => {
                Ok(read.row)
            }
            _ => Err(wrong("the user list has been changed since the run began")
                .with_hint("run it again with the list as it is now")),
        }
    }
}

/// Reads a file from a place of its own on.
struct ReadAt<'f> {
    file: &'f File,
    at: u64,
}

impl<'f> ReadAt<'f> {
    fn new(file: &'f File, at: u64) -> Self {
        Self { file, at }
    }
}

impl Read for ReadAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_list_that_changes_is_noticed_and_one_that_is_replaced_is_not_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.csv");
        fs::write(&path, "user\nann\nbob\n").unwrap();
        let aside = dir.path().join("old.csv");
        fs::hard_link(&path, &aside).unwrap();
        let list = List::open(&path).unwrap();
        let other = dir.path().join("new.csv");
        fs::write(&other, "user\neve\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(list.row_at(9, 3).unwrap().user, "bob");
        let mut file = fs::OpenOptions::new().append(true).open(&aside).unwrap();
        file.write_all(b"cy\n").unwrap();
        let told = list.row_at(9, 3).unwrap_err().to_string();
        assert!(told.contains("has been changed"), "{told}");
    }
}
