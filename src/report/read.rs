//! What lies in a report directory, read back: `run.json`, which is the inverse of what
//! [`super::files`] writes, with `summary.csv` and `skipped.csv` held against it; `check.csv`,
//! `verified.csv` and `verify.csv`, where they are.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::journal::{self, Cut};
use super::{RunReport, Status, json};
use crate::problem::{Kind, Problem, Reach};

/// What one report directory holds: at least one of these.
#[derive(Debug)]
pub struct Found {
    /// The directory, as it was named.
    pub dir: PathBuf,
    /// What an export or a plan has left.
    pub run: Option<RunReport>,
    /// What a run has left that did not come to its end.
    pub cut: Option<Cut>,
    /// What a check has left.
    pub check: Option<Rows<Checked>>,
    /// What a verify has left.
    pub verify: Option<Verified>,
}

/// The rows of a file.
#[derive(Debug)]
pub struct Rows<T> {
    /// When the file was written, by its mtime.
    pub written: Timestamp,
    /// Its rows.
    pub rows: Vec<T>,
}

/// What of a row of `check.csv` is needed here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Checked {
    /// The name in the user list.
    pub user: String,
    /// How the user stands.
    pub status: Status,
    /// Whether a move will be noticed, in words.
    pub verdict: String,
}

/// What a verify has left.
#[derive(Debug)]
pub struct Verified {
    /// When it was written, by its mtime.
    pub written: Timestamp,
    /// The users, each with its rows of `verify.csv`.
    pub users: Vec<(VerifiedUser, Vec<Difference>)>,
}

/// What of a row of `verified.csv` is needed here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VerifiedUser {
    /// The name in the user list.
    pub user: String,
    /// Ok: nothing differs. Partial: something does. Failed: it could not be looked at.
    pub status: Status,
    /// `transparent`, or why not, in words.
    pub verdict: String,
    /// Folders that were looked at.
    pub folders: u64,
    /// Messages in them.
    pub messages: u64,
    /// How many differences there are.
    pub differences: u64,
    /// Messages that a POP3 client would download again.
    pub again_messages: u64,
    /// Octets of these.
    pub again_bytes: u64,
    /// Why it could not be looked at.
    pub error: String,
}

/// A row of `verify.csv`: something in which the Maildir is not what the source is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Difference {
    /// The name in the user list.
    pub user: String,
    /// The folder, where it is about one.
    pub folder: String,
    /// The UID, where it is about one message.
    pub uid: String,
    /// The UIDL, where there is one.
    pub uidl: String,
    /// What differs, in a word.
    pub what: String,
    /// What the source has.
    pub old: String,
    /// What the target has.
    pub new: String,
    /// Which servers of the target show it so; empty: all.
    #[serde(default)]
    pub servers: String,
}

/// Reads what `dir` holds.
///
/// # Errors
/// It is no report directory, or what is in it is torn, contradicts itself or was written by a newer
/// mailseed (reach Run, kind Input).
pub fn read(dir: &Path) -> Result<Found, Problem> {
    let run = run(dir)?;
    let cut = journal::read(dir).map_err(|fault| unread(&dir.join(journal::NAME), fault))?;
    // A run whose report is there has come to its end, even if its journal has outlived that.
    let is_over = |cut: &Cut| {
        run.as_ref()
            .is_some_and(|run| run.started == cut.head.started)
    };
    let found = Found {
        dir: dir.to_owned(),
        cut: cut.filter(|cut| !is_over(cut)),
        run,
        check: rows(&dir.join("check.csv"))?,
        verify: verified(dir)?,
    };
    let is_empty = found.run.is_none() && found.cut.is_none();
    if is_empty && found.check.is_none() && found.verify.is_none() {
        let what = if dir.join("summary.csv").exists() {
            "it has a summary.csv, but no run.json"
        } else if dir.is_dir() {
            "it is no report: there is no run.json, check.csv or verified.csv in it"
        } else {
            "it is no directory"
        };
        return Err(wrong(dir, what).with_hint("name what was given to --report"));
    }
    Ok(found)
}

fn wrong(path: &Path, what: impl AsRef<str>) -> Problem {
    let what = format!("{}: {}", path.display(), what.as_ref());
    Problem::new(Kind::Input, Reach::Run, what)
}

/// The content of a file; nothing where there is none.
fn content(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(wrong(path, "it cannot be read").caused_by(error)),
    }
}

fn verified(dir: &Path) -> Result<Option<Verified>, Problem> {
    let users: Option<Rows<VerifiedUser>> = rows(&dir.join("verified.csv"))?;
    let differences: Option<Rows<Difference>> = rows(&dir.join("verify.csv"))?;
    let (users, differences) = match (users, differences) {
        (None, None) => return Ok(None),
        (Some(users), Some(differences)) => (users, differences),
        (None, Some(_)) => return Err(wrong(dir, "it has a verify.csv, but no verified.csv")),
        (Some(_), None) => return Err(wrong(dir, "it has a verified.csv, but no verify.csv")),
    };
    let mut by_user: HashMap<String, Vec<Difference>> = HashMap::new();
    for row in differences.rows {
        by_user.entry(row.user.clone()).or_default().push(row);
    }
    let all = users.rows.into_iter().map(|user| {
        let rows = by_user.remove(&user.user).unwrap_or_default();
        (user, rows)
    });
    let all: Vec<_> = all.collect();
    // The two are put in place one after the other: a stop in between leaves two verifies.
    let agrees = |(user, rows): &(VerifiedUser, Vec<Difference>)| {
        (user.differences == 0) == rows.is_empty() && rows.len() as u64 <= user.differences
    };
    if !by_user.is_empty() || !all.iter().all(agrees) {
        let what = "verify.csv and verified.csv do not agree: they are not of one verify";
        return Err(wrong(dir, what));
    }
    Ok(Some(Verified {
        written: users.written,
        users: all,
    }))
}

fn unread(path: &Path, fault: json::Fault) -> Problem {
    match fault {
        json::Fault::Newer(version) => {
            let what =
                format!("it was written by mailseed {version}, which is newer than this one");
            wrong(path, what).with_hint("use that version")
        }
        json::Fault::NoReport(why) => wrong(path, format!("it is no report of mailseed: {why}")),
    }
}

fn run(dir: &Path) -> Result<Option<RunReport>, Problem> {
    let path = dir.join("run.json");
    let Some(bytes) = content(&path)? else {
        return Ok(None);
    };
    let run = json::parse(&bytes).map_err(|fault| unread(&path, fault))?;
    // The three files are put in place one after the other: a stop in between leaves two runs.
    let summary = records(&dir.join("summary.csv"), &["user", "status", "messages"])?;
    let ours = run.users.iter().map(|user| {
        let messages = user.messages.to_string();
        vec![user.user.clone(), user.status().word().to_owned(), messages]
    });
    let skipped = records(&dir.join("skipped.csv"), &["user"])?;
    let skips = run.users.iter().map(|user| user.skips.len()).sum::<usize>();
    for (name, agrees) in [
        ("summary.csv", summary.is_none_or(|rows| ours.eq(rows))),
        (
            "skipped.csv",
            skipped.is_none_or(|rows| rows.len() == skips),
        ),
    ] {
        if !agrees {
            let what = format!("{name} and run.json do not agree: they are not of one run");
            return Err(wrong(dir, what));
        }
    }
    Ok(Some(run))
}

/// These columns of a CSV file of which every row must be whole; nothing where there is no file.
fn records(path: &Path, columns: &[&str]) -> Result<Option<Vec<Vec<String>>>, Problem> {
    let Some(bytes) = content(path)? else {
        return Ok(None);
    };
    let torn = |error: csv::Error| wrong(path, "it is no whole CSV file").caused_by(error);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().map_err(torn)?.clone();
    let place = |name: &&str| {
        let place = header.iter().position(|column| column == *name);
        place.ok_or_else(|| wrong(path, format!("it has no column {name}")))
    };
    let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let row = |record: csv::StringRecord| {
        let fields = places.iter().map(|place| record.get(*place));
        fields.map(|it| it.unwrap_or_default().to_owned()).collect()
    };
    let rows = reader.records().map(|record| record.map(row));
    rows.collect::<Result<_, _>>().map(Some).map_err(torn)
}

/// The rows of a CSV file by the names of its columns; nothing where there is no file.
fn rows<T: DeserializeOwned>(path: &Path) -> Result<Option<Rows<T>>, Problem> {
    let Some(bytes) = content(path)? else {
        return Ok(None);
    };
    let written = fs::metadata(path)
        .and_then(|it| it.modified())
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok())
        .ok_or_else(|| wrong(path, "its date cannot be read"))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let rows = reader.deserialize().collect::<Result<_, _>>();
    let rows = rows.map_err(|error| {
        wrong(path, "it is no report of mailseed, or not whole").caused_by(error)
    })?;
    Ok(Some(Rows { written, rows }))
}

#[cfg(test)]
mod tests;
