//! `run.json`, written and read back.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{RunReport, Skip, Status, Totals, UserReport};
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
struct Head {
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Run<'r> {
    version: Cow<'r, str>,
    started: String,
    finished: String,
    exit: u8,
    options: Cow<'r, serde_json::Value>,
    totals: Totals,
    users: Vec<User<'r>>,
}

#[derive(Serialize, Deserialize)]
struct User<'r> {
    user: Cow<'r, str>,
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
    problems: Vec<Told<'r>>,
    skips: Cow<'r, [Skip]>,
    notes: Cow<'r, [String]>,
    #[serde(default)]
    added_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Told<'r> {
    kind: Kind,
    reach: Reach,
    retry: bool,
    folder: Option<Cow<'r, str>>,
    message: Option<Cow<'r, str>>,
    what: String,
    hint: Option<Cow<'r, str>>,
    text: String,
}

/// Writes `run`.
pub(super) fn write(run: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let whole = Run {
        version: env!("CARGO_PKG_VERSION").into(),
        started: run.started.to_string(),
        finished: run.finished.to_string(),
        exit: run.exit() as u8,
        options: Cow::Borrowed(&run.options),
        totals: run.totals(),
        users: run.users.iter().map(User::from).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    out.write_all(b"\n")
}

impl<'r> From<&'r UserReport> for User<'r> {
    fn from(user: &'r UserReport) -> Self {
        Self {
            user: Cow::Borrowed(&user.user),
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
            skips: Cow::Borrowed(&user.skips),
            notes: Cow::Borrowed(&user.notes),
            added_bytes: user.added_bytes,
        }
    }
}

impl<'r> From<&'r Problem> for Told<'r> {
    fn from(problem: &'r Problem) -> Self {
        Self {
            kind: problem.kind,
            reach: problem.reach,
            retry: problem.retry,
            folder: problem.folder.as_deref().map(Cow::Borrowed),
            message: problem.message.as_deref().map(Cow::Borrowed),
            what: problem.what_and_why(),
            hint: problem.hint().map(Cow::Borrowed),
            text: problem.to_string(),
        }
    }
}

/// Reads a `run.json`.
pub(super) fn parse(bytes: &[u8]) -> Result<RunReport, Fault> {
    let no_report = |error: serde_json::Error| Fault::NoReport(error.to_string());
    let head: Head = serde_json::from_slice(bytes).map_err(no_report)?;
    match interface(&head.version) {
        None => return Err(Fault::NoReport(format!("version {:?}", head.version))),
        theirs if theirs > interface(env!("CARGO_PKG_VERSION")) => {
            return Err(Fault::Newer(head.version));
        }
        Some(_) => {}
    }
    let run: Run<'_> = serde_json::from_slice(bytes).map_err(no_report)?;
    let time = |text: &str| {
        let parsed = text.parse::<jiff::Timestamp>();
        parsed.map_err(|error| Fault::NoReport(error.to_string()))
    };
    let report = RunReport {
        started: time(&run.started)?,
        finished: time(&run.finished)?,
        dry_run: run.options["dry-run"] == true,
        options: run.options.into_owned(),
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

fn user(read: User<'_>) -> Result<UserReport, Fault> {
    let status = read.status;
    let user = UserReport {
        user: read.user.into_owned(),
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
        skips: read.skips.into_owned(),
        problems: read.problems.into_iter().map(problem).collect(),
        notes: read.notes.into_owned(),
    };
    if user.status() != status {
        let name = &user.user;
        return Err(Fault::NoReport(format!(
            "the status of user {name:?} is not what its problems make it"
        )));
    }
    Ok(user)
}

fn problem(told: Told<'_>) -> Problem {
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
