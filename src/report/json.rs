//! `run.json`, written and read back.

use std::fmt;
use std::io::{self, Write};

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    /// Of a folder of a million messages that fails there are as many.
    #[serde(deserialize_with = "skips")]
    skips: Vec<Skip>,
    notes: Vec<String>,
    #[serde(default)]
    added_bytes: u64,
    #[serde(default)]
    uidls_unholdable: u64,
    #[serde(default)]
    order_breaks: u64,
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

/// Reads skips, the folder and the reason of each shared with the one before it where they are the same.
fn skips<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Skip>, D::Error> {
    struct Sharing;

    impl<'de> Visitor<'de> for Sharing {
        type Value = Vec<Skip>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("messages that were skipped")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Skip>, A::Error> {
            let mut skips: Vec<Skip> = Vec::new();
            while let Some(mut skip) = seq.next_element::<Skip>()? {
                if let Some(last) = skips.last() {
                    for (text, before) in [
                        (&mut skip.folder, &last.folder),
                        (&mut skip.reason, &last.reason),
                    ] {
                        if text == before {
                            text.clone_from(before);
                        }
                    }
                }
                skips.push(skip);
            }
            Ok(skips)
        }
    }
    deserializer.deserialize_seq(Sharing)
}

impl User {
    /// The name in the user list.
    pub(super) fn name(&self) -> &str {
        &self.user
    }

    /// How the user came out.
    pub(super) fn status(&self) -> Status {
        self.status
    }
}

/// What is written of a user. Nothing is copied: there may be millions of skips.
impl From<UserReport> for User {
    fn from(user: UserReport) -> Self {
        Self {
            status: user.status(),
            error: user.error(),
            problems: user.problems.iter().map(Told::from).collect(),
            skipped: user.skipped(),
            user: user.user,
            folders: user.folders,
            messages: user.messages,
            bytes: user.bytes,
            added: user.added,
            kept: user.kept,
            changed: user.changed,
            deleted: user.deleted,
            uidls: user.uidls,
            uidls_missing: user.uidls_missing,
            uidls_extra: user.uidls_extra,
            uidls_elsewhere: user.uidls_elsewhere,
            left_deleted: user.left_deleted,
            source_deleted: user.source_deleted,
            max_date_shift_s: user.max_date_shift_s,
            seconds: (user.seconds * 1000.0).round() / 1000.0,
            attempts: user.attempts,
            skips: user.skips,
            notes: user.notes,
            added_bytes: user.added_bytes,
            uidls_unholdable: user.uidls_unholdable,
            order_breaks: user.order_breaks,
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
    let (status, skipped) = (read.status, read.skipped);
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
        uidls: read.uidls,
        uidls_missing: read.uidls_missing,
        uidls_extra: read.uidls_extra,
        uidls_elsewhere: read.uidls_elsewhere,
        uidls_unholdable: read.uidls_unholdable,
        order_breaks: read.order_breaks,
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
    if user.skipped() != skipped {
        let name = &user.user;
        return Err(Fault::NoReport(format!(
            "not all that was skipped of user {name:?} is listed"
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn skips_that_are_alike_share_their_texts_when_they_are_read_back() {
        let skip = |folder: &str, uid| Skip {
            folder: folder.into(),
            uid: Some(uid),
            uidl: None,
            size: Some(10),
            reason: "no room".into(),
        };
        let written = [skip("A", 1), skip("A", 2), skip("B", 3)];
        let text = serde_json::to_string(&written).unwrap();
        let read = skips(&mut serde_json::Deserializer::from_str(&text)).unwrap();
        assert_eq!(read, written);
        let share = |of: fn(&Skip) -> &Arc<str>| {
            let pairs = read.windows(2);
            pairs
                .map(|pair| Arc::ptr_eq(of(&pair[0]), of(&pair[1])))
                .collect::<Vec<_>>()
        };
        assert_eq!(share(|skip| &skip.folder), [true, false]);
        assert_eq!(share(|skip| &skip.reason), [true, true]);
    }
}
