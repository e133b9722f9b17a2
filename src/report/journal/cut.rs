//! The journal of a run that has not come to its end, read from outside.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::{Head, NAME, Read};
use crate::problem::{Kind, Problem, Reach};
use crate::report::{RunReport, UserReport, json};

#[derive(Deserialize)]
struct OfExport {
    report: json::User,
}

/// A run that has not come to its end: it was killed, or is still at work.
#[derive(Debug)]
pub struct Cut {
    /// What its first line tells.
    pub head: Head,
    /// Users of whom it has a result.
    pub done: usize,
    /// For an export: the users; those without a result are not done, and say so.
    pub run: Option<RunReport>,
}

/// Reads the journal in `dir`; `None` where there is none, or nothing has been begun in it.
///
/// # Errors
/// It is no journal of mailseed, or not to be read.
pub(in crate::report) fn read(dir: &Path) -> Result<Option<Cut>, json::Fault> {
    let path = dir.join(NAME);
    let no_report = |error: io::Error| json::Fault::NoReport(error.to_string());
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(no_report(error)),
    };
    let finished = file.metadata().and_then(|it| it.modified());
    let finished = finished.map_err(no_report)?;
    let finished = jiff::Timestamp::try_from(finished)
        .map_err(|error| json::Fault::NoReport(error.to_string()))?;
    let mut lines = Lines {
        file: io::BufReader::new(file),
        line: Vec::new(),
    };
    let Some(head) = lines.next().map_err(no_report)? else {
        return Ok(None);
    };
    let head: Head = json::with_version(head)?;
    // By place: a line may name any.
    let mut users: BTreeMap<usize, UserReport> = BTreeMap::new();
    let mut done = 0;
    let is_run = matches!(head.command.as_str(), "export" | "plan");
    while let Some(line) = lines.next().map_err(no_report)? {
        let torn = |error: serde_json::Error| json::Fault::NoReport(error.to_string());
        if !is_run {
            let read: Read<serde::de::IgnoredAny> = serde_json::from_slice(line).map_err(torn)?;
            done += usize::from(read.of.is_some());
            continue;
        }
        let read: Read<OfExport> = serde_json::from_slice(line).map_err(torn)?;
        let report = match read.of {
            None => left(read.user),
            Some(of) => {
                done += 1;
                json::user(of.report)?
            }
        };
        if read.at < head.users {
            users.insert(read.at, report);
        }
    }
    let run = is_run.then(|| RunReport {
        users: users.into_values().collect(),
        started: head.started,
        finished: finished.max(head.started),
        dry_run: head.options["dry-run"] == true,
        options: head.options.clone(),
    });
    Ok(Some(Cut { head, done, run }))
}

/// A user of whom there is no result.
fn left(user: String) -> UserReport {
    let mut report = UserReport::new(user);
    let what = "left: the run did not come to its end, and has no result of this user";
    let problem = Problem::new(Kind::Stopped, Reach::User, what);
    report
        .problems
        .push(problem.with_hint("run it again to go on"));
    report
}

/// The whole lines of a file: what a kill has torn off is left out.
struct Lines {
    file: io::BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        io::BufRead::read_until(&mut self.file, b'\n', &mut self.line)?;
        Ok(self.line.strip_suffix(b"\n"))
    }
}
