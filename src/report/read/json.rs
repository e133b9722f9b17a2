//! `run.json`, read back.

use serde::Deserialize;

use crate::problem::{Kind, Problem, Reach};
use crate::report::{RunReport, Skip, Status, Totals, UserReport};

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

#[derive(Deserialize)]
struct Run {
    started: String,
    finished: String,
    options: serde_json::Value,
    totals: Totals,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
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
    problems: Vec<Told>,
    skips: Vec<Skip>,
    notes: Vec<String>,
    #[serde(default)]
    added_bytes: u64,
}

#[derive(Deserialize)]
struct Told {
    kind: Kind,
    reach: Reach,
    retry: bool,
    folder: Option<String>,
    message: Option<String>,
    what: String,
    hint: Option<String>,
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
    let run: Run = serde_json::from_slice(bytes).map_err(no_report)?;
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

fn user(read: User) -> Result<UserReport, Fault> {
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
