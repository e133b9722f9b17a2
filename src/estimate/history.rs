//! What earlier exports have left in their report directories, of each only its sums: a report of a million
//! users is read row by row.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use crate::problem::{Kind, Problem, Reach};
use crate::report::Status;

/// One export that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Octets of all that it added.
    pub added_bytes: u64,
    /// Users of which something was there already.
    pub again_users: u64,
    /// Octets of what it added to these.
    pub again_bytes: u64,
}

impl Past {
    pub(super) fn seconds(&self) -> f64 {
        super::seconds(self.started, self.finished)
    }
}

/// What of `run.json` is needed; the rest of it is not kept while it is read.
#[derive(Deserialize)]
struct Run {
    started: Timestamp,
    finished: Timestamp,
    options: Options,
}

#[derive(Deserialize)]
struct Options {
    #[serde(rename = "dry-run")]
    dry_run: bool,
}

/// What of `summary.csv` is needed.
#[derive(Deserialize)]
struct Row {
    status: Status,
    kept: u64,
    added_bytes: u64,
}

/// Reads the report directories `dirs`; dry runs are left out.
///
/// # Errors
/// Each that holds no export that came to its end (reach Run, kind Input).
pub fn read(dirs: &[PathBuf]) -> Result<Vec<Past>, Vec<Problem>> {
    let mut runs = Vec::new();
    let mut problems = Vec::new();
    for dir in dirs {
        match of(dir) {
            Ok(run) => runs.extend(run),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(runs),
        false => Err(problems),
    }
}

fn of(dir: &Path) -> Result<Option<Past>, Problem> {
    let wrong = |path: &Path, why: String| {
        let what = format!("--history: {}: {why}", path.display());
        Problem::new(Kind::Input, Reach::Run, what)
            .with_hint("name what --report of an export was given that came to its end")
    };
    let path = dir.join("run.json");
    let file = File::open(&path).map_err(|error| wrong(&path, error.to_string()))?;
    let run: Run = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| wrong(&path, error.to_string()))?;
    if run.options.dry_run {
        return Ok(None);
    }
    let mut past = Past {
        started: run.started,
        finished: run.finished,
        added_bytes: 0,
        again_users: 0,
        again_bytes: 0,
    };
    let path = dir.join("summary.csv");
    let mut rows =
        csv::Reader::from_path(&path).map_err(|error| wrong(&path, error.to_string()))?;
    for row in rows.deserialize() {
        let row: Row = row.map_err(|error| wrong(&path, error.to_string()))?;
        past.added_bytes = past.added_bytes.saturating_add(row.added_bytes);
        if row.kept > 0 && row.status != Status::Failed {
            past.again_users += 1;
            past.again_bytes = past.again_bytes.saturating_add(row.added_bytes);
        }
    }
    Ok(Some(past))
}
