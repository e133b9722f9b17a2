//! What users of other tools have met, and what a hostile server, a bad disk or a tired admin can do,
//! as one list: `fixtures/faults/GROUP.csv` has a row for each fault with the tests that show what
//! becomes of it, or the reason why it cannot occur. Tests that are there for such a row alone are in
//! the module of its group here; the others stand where their subject is.
//!
//! The rule for all of them: one message, folder or user never stops the rest; nothing half-written
//! is ever visible in `new/` or `cur/`; what is left out is a row of `skipped.csv` with its reason; the
//! next run repairs.

mod auth;
mod content;
mod folders;
mod input;
mod network;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The groups: each is a file of the fixture.
const GROUPS: [&str; 7] = [
    "auth", "content", "folders", "input", "naming", "network", "state",
];

#[derive(Debug, Deserialize)]
struct Fault {
    fault: String,
    /// Tests by the end of their path, as `killed::a_run_ends`, with spaces between.
    shown_by: String,
    /// Why there is none.
    cannot_occur: String,
}

/// So that the list cannot rot.
#[test]
fn every_fault_is_shown_by_tests_that_exist_or_cannot_occur() {
    let tests = tests_in_the_sources();
    let mut wrong = Vec::new();
    let mut faults = HashSet::new();
    for group in GROUPS {
        let mut named = HashSet::new();
        for fault in faults_of(group) {
            let place = format!("{group}.csv: {}", fault.fault);
            if fault.shown_by.is_empty() == fault.cannot_occur.is_empty() {
                wrong.push(format!("{place}: neither tests nor a reason, or both"));
            }
            for name in fault.shown_by.split(' ').filter(|name| !name.is_empty()) {
                let end = format!("::{name}");
                let found: Vec<&String> = tests.iter().filter(|it| it.ends_with(&end)).collect();
                match found[..] {
                    [one] => named.extend([one.clone()]),
                    [] => wrong.push(format!("{place}: no test has the name {name}")),
                    _ => wrong.push(format!("{place}: {name} may be any of {found:?}")),
                }
            }
            if !faults.insert(fault.fault) {
                wrong.push(format!("{place}: twice"));
            }
        }
        let own = format!("::faults::{group}::");
        let unnamed = tests.iter().filter(|test| test.starts_with(&own));
        let unnamed = unnamed.filter(|test| !named.contains(*test));
        wrong.extend(unnamed.map(|test| format!("{group}.csv: no row for {test}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn faults_of(group: &str) -> Vec<Fault> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/faults/{group}.csv"));
    let rows = csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("{group}: {error}"));
    let rows = rows.into_deserialize();
    let faults: Vec<Fault> = rows
        .map(|row| row.unwrap_or_else(|error| panic!("{group}: {error}")))
        .collect();
    assert!(!faults.is_empty(), "{group}");
    faults
}

/// The path of every test of the package with `::` before it.
fn tests_in_the_sources() -> Vec<String> {
    let mut tests = Vec::new();
    for root in ["src", "tests/all"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        for file in walkdir::WalkDir::new(&root) {
            let file = file.expect("the sources stand still").into_path();
            if file.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("sources are text");
            let module = module_of(file.strip_prefix(&root).expect("it is below"));
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                if line.starts_with("#[test]") {
                    is_test = true;
                } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
                    let name = rest.split(['(', '<']).next().unwrap_or_default();
                    tests.push(format!("{module}::{name}"));
                    is_test = false;
                }
            }
        }
    }
    tests
}

fn module_of(file: &Path) -> String {
    let stem = file.with_extension("");
    let parts = stem.iter().map(|part| part.to_string_lossy());
    parts.map(|part| format!("::{part}")).collect()
}
