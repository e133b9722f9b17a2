//! `run.json`, written and read back.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Deserialize, Serialize, Serializer};

use super::{ExportReport, Gathered, RunReport, Skip, Status, Totals, UserReport};
use crate::problem::{Kind, Problem, Reach};

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Fault {
    /// This version of mailseed has written it.
    Newer(String),
    /// It is something else, or not whole.
    NoReport(String),
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Serialize)]
struct Written<'r> {
    version: &'static str,
    started: String,
    finished: String,
    exit: u8,
    options: &'r serde_json::Value,
    totals: Totals,
    users: Each<'r>,
}

#[derive(Deserialize)]
struct Run {
    started: String,
    finished: String,
    options: serde_json::Value,
    totals: Totals,
    users: Vec<User>,
}

/// One of its users.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct User {
    user: String,
    status: Status,
    folders: u64,
    messages: u64,
    bytes: u64,
    added: u64,
    kept: u64,
    changed: u64,
    deleted: u64,
    skipped: u64,
    uidls: u64,
    uidls_missing: u64,
    uidls_extra: u64,
    uidls_elsewhere: u64,
    left_deleted: u64,
    source_deleted: u64,
    max_date_shift_s: u64,
    seconds: f64,
    attempts: u32,
    error: String,
    problems: Vec<Told>,
    skips: Vec<Skip>,
    notes: Vec<String>,
    #[serde(default)]
    added_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    kind: Kind,
    reach: Reach,
    retry: bool,
    folder: Option<String>,
    message: Option<String>,
    what: String,
    hint: Option<String>,
    text: String,
}

/// The users of a run, read back one by one.
struct Each<'r>(&'r Gathered<ExportReport>);

impl Serialize for Each<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut users = serializer.serialize_seq(None)?;
        for row in self.0.rows() {
            users.serialize_element(&row.map_err(S::Error::custom)?.report)?;
        }
        users.end()
    }
}

/// Writes `run`.
pub(super) fn write(run: &Gathered<ExportReport>, out: &mut dyn Write) -> io::Result<()> {
    let of = &run.tally;
    let whole = Written {
        version: env!("CARGO_PKG_VERSION"),
        started: of.started.to_string(),
        finished: of.finished.to_string(),
        exit: of.exit() as u8,
        options: &of.options,
        totals: of.totals,
        users: Each(run),
    };
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    out.write_all(b"\n")
}

impl From<&UserReport> for User {
    fn from(user: &UserReport) -> Self {
        Self {
            status: user.status(),
            folders: user.folders,
            messages: user.messages,
            bytes: user.bytes,
            added: user.added,
            kept: user.kept,
            changed: user.changed,
            deleted: user.deleted,
            skipped: user.skipped,
            uidls: user.uidls,
            uidls_missing: user.uidls_missing,
            uidls_extra: user.uidls_extra,
            uidls_elsewhere: user.uidls_elsewhere,
            left_deleted: user.left_deleted,
            source_deleted: user.source_deleted,
            max_date_shift_s: user.max_date_shift_s,
            seconds: (user.seconds * 1000.0).round() / 1000.0,
            attempts: user.attempts,
            error: user.error(),
            problems: user.problems.iter().map(Told::from).collect(),
            added_bytes: user.added_bytes,
            user: user.user.clone(),
            skips: user.skips.clone(),
            notes: user.notes.clone(),
        }
    }
}

impl From<&Problem> for Told {
    fn from(problem: &Problem) -> Self {
        Self {
            kind: problem.kind,
            reach: problem.reach,
            retry: problem.retry,
            folder: problem.folder.as_deref().map(str::to_owned),
            message: problem.message.as_deref().map(str::to_owned),
            what: problem.what_and_why(),
            hint: problem.hint().map(str::to_owned),
            text: problem.to_string(),
        }
    }
}

/// Reads what has the version of the mailseed that wrote it in it.
pub(super) fn with_version<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let no_report = |error: serde_json::Error| Fault::NoReport(error.to_string());
    let Version { version } = serde_json::from_slice(bytes).map_err(no_report)?;
    match interface(&version) {
        None => return Err(Fault::NoReport(format!("version {version:?}"))),
        theirs if theirs > interface(env!("CARGO_PKG_VERSION")) => {
            return Err(Fault::Newer(version));
        }
        Some(_) => {}
    }
    serde_json::from_slice(bytes).map_err(no_report)
}

/// Reads a `run.json`.
pub(super) fn parse(bytes: &[u8]) -> Result<RunReport, Fault> {
    let run: Run = with_version(bytes)?;
    let time = |text: &str| {
        let parsed = text.parse::<jiff::Timestamp>();
        parsed.map_err(|error| Fault::NoReport(error.to_string()))
    };
    let report = RunReport {
        started: time(&run.started)?,
        finished: time(&run.finished)?,
        dry_run: run.options["dry-run"] == true,
        options: run.options,
        users: run.users.into_iter().map(user).collect::<Result<_, _>>()?,
    };
    if report.totals() != run.totals {
        return Err(Fault::NoReport(
            "its totals are not the sums of its users".to_owned(),
        ));
    }
    Ok(report)
}

/// What of a version says whether a report can be read: major and minor.
fn interface(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

/// What was written of a user.
pub(super) fn user(read: User) -> Result<UserReport, Fault> {
    let status = read.status;
    let user = UserReport {
        user: read.user,
        folders: read.folders,
        messages: read.messages,
        bytes: read.bytes,
        added: read.added,
        added_bytes: read.added_bytes,
        kept: read.kept,
        changed: read.changed,
        deleted: read.deleted,
        left_deleted: read.left_deleted,
        source_deleted: read.source_deleted,
        skipped: read.skipped,
        uidls: read.uidls,
        uidls_missing: read.uidls_missing,
        uidls_extra: read.uidls_extra,
        uidls_elsewhere: read.uidls_elsewhere,
        max_date_shift_s: read.max_date_shift_s,
        seconds: read.seconds,
        attempts: read.attempts,
        skips: read.skips,
        problems: read.problems.into_iter().map(problem).collect(),
        notes: read.notes,
    };
    if user.status() != status {
        let name = &user.user;
        return Err(Fault::NoReport(format!(
            "the status of user {name:?} is not what its problems make it"
        )));
    }
    Ok(user)
}

fn problem(told: Told) -> Problem {
    let mut problem = Problem::new(told.kind, told.reach, told.what).worth_retry(told.retry);
    if let Some(folder) = told.folder {
        problem = problem.in_folder(folder);
    }
    if let Some(message) = told.message {
        problem = problem.at_message(message);
    }
    if let Some(hint) = told.hint {
        problem = problem.with_hint(hint);
    }
    problem
}
