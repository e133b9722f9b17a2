//! What a verify found: the table for a person, `verify.csv` and `verified.csv`, the exit status.

mod csv;
mod person;

use serde::{Deserialize, Serialize};

use self::person::Sums;
use super::looks::{Looks, Told};
use super::{Exit, Status, Tally};
use crate::verify::{Finding, Verdict};

pub use self::csv::{VERIFIED_COLUMNS, VERIFY_COLUMNS};

/// What was found of all users so far.
#[derive(Debug)]
pub struct VerifyReport {
    all: bool,
    looks: Looks<6>,
    sums: Sums,
}

/// What is put away of a user.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// Of `verified.csv`.
    verified: Vec<String>,
    /// Of `verify.csv`.
    differences: Vec<[String; 8]>,
    /// Of the table.
    told: Told,
}

impl VerifyReport {
    /// Nothing found yet. With `all` a person is told the first differences of each user, too.
    pub fn new(all: bool) -> Self {
        Self {
            all,
            looks: Looks::new(person::HEAD),
            sums: Sums::default(),
        }
    }

    /// How the process should end.
    pub fn exit(&self) -> Exit {
        self.looks.exit()
    }
}

impl Tally for VerifyReport {
    type Of = Finding;
    type Row = Row;

    fn take(&mut self, of: Finding) -> (String, Status, Row) {
        let status = Verdict::of(&of).status;
        self.sums.add(&of);
        let told = (person::cells(&of), person::below(&of, self.all));
        let row = Row {
            verified: csv::user_row(&of).into(),
            differences: csv::difference_rows(&of),
            told: self.looks.add(status, of.ended_by.as_ref(), told),
        };
        (of.user, status, row)
    }
}

#[cfg(test)]
mod tests;
