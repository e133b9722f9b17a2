//! What `--report` has written, read by a CSV reader.

use std::collections::HashMap;
use std::path::Path;

/// One row of `summary.csv`.
#[derive(Debug)]
pub struct Row(HashMap<String, String>);

impl Row {
    /// A column as it is written.
    pub fn text(&self, column: &str) -> &str {
        self.0
            .get(column)
            .unwrap_or_else(|| panic!("there is no column {column}"))
    }

    /// A column of whole numbers.
    pub fn number(&self, column: &str) -> u64 {
        let text = self.text(column);
        text.parse()
            .unwrap_or_else(|error| panic!("{column} is {text:?}: {error}"))
    }
}

/// The rows of `summary.csv` in the report directory `dir`.
pub fn summary(dir: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(dir.join("summary.csv")).expect("a report was written");
    reader
        .deserialize()
        .map(|row| Row(row.expect("each row is whole")))
        .collect()
}

/// `run.json` in the report directory `dir`.
pub fn run_json(dir: &Path) -> serde_json::Value {
    let text = std::fs::read(dir.join("run.json")).expect("a report was written");
    serde_json::from_slice(&text).expect("run.json is JSON")
}

/// What `--daily-cap` has counted today for the user of `maildir`.
pub fn fetched_today(maildir: &Path) -> u64 {
    let Ok(text) = std::fs::read(maildir.join("mailseed.daily")) else {
        return 0;
    };
    let line: serde_json::Value = serde_json::from_slice(&text).expect("a line of JSON");
    line["bytes"].as_u64().expect("a number")
}
