//! What a verify found: the table for a person, `verify.csv` and `verified.csv`, the exit status.

mod csv;
mod person;

use serde::{Deserialize, Serialize};

use self::person::Sums;
use super::looks::Statuses;
use super::table::Table;
use super::{Exit, Status, Tally};
use crate::verify::{Finding, Verdict};

pub use self::csv::{VERIFIED_COLUMNS, VERIFY_COLUMNS};

/// What was found of all users so far.
#[derive(Debug)]
pub struct VerifyReport {
    all: bool,
    statuses: Statuses,
    sums: Sums,
    table: Table<6>,
}

/// What is put away of a user.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// Of `verified.csv`.
    verified: Vec<String>,
    /// Of `verify.csv`.
    differences: Vec<[String; 8]>,
    /// Of the table.
    cells: [String; 6],
    /// The lines below these.
    below: Vec<String>,
}

impl VerifyReport {
    /// Nothing found yet. With `all` a person is told the first differences of each user, too.
    pub fn new(all: bool) -> Self {
        Self {
            all,
            statuses: Statuses::default(),
            sums: Sums::default(),
            table: Table::of_none(person::HEAD),
        }
    }

    /// How the process should end.
    pub fn exit(&self) -> Exit {
        self.statuses.exit()
    }
}

impl Tally for VerifyReport {
    type Of = Finding;
    type Row = Row;

    fn take(&mut self, of: Finding) -> (String, Status, Row) {
        let status = Verdict::of(&of).status;
        self.statuses.add(status, of.ended_by.as_ref());
        self.sums.add(&of);
        let row = Row {
            verified: csv::user_row(&of).into(),
            differences: csv::difference_rows(&of),
            cells: person::cells(&of),
            below: person::below(&of, self.all),
        };
        self.table.fit(&row.cells);
        (of.user, status, row)
    }
}

#[cfg(test)]
mod tests;
