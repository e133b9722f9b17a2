//! What a verify found: the table for a person, `verify.csv` and `verified.csv`, the exit status.

mod csv;
mod person;

use super::{Exit, looks};
use crate::problem::Problem;
use crate::verify::{Finding, Verdict};

pub use self::csv::{VERIFIED_COLUMNS, VERIFY_COLUMNS};

/// What was found of all users.
#[derive(Debug)]
pub struct VerifyReport {
    /// The users, in the order of the input.
    pub users: Vec<Finding>,
}

impl VerifyReport {
    /// How the process should end.
    pub fn exit(&self) -> Exit {
        let users = self.users.iter();
        looks::exit(users.map(|user| (Verdict::of(user).status, user.ended_by.as_ref())))
    }

    /// Whether users were not looked at because the run was stopped.
    pub fn is_left(&self) -> bool {
        let mut ends = self.users.iter().filter_map(|user| user.ended_by.as_ref());
        ends.any(Problem::is_of_a_stopped_run)
    }
}

#[cfg(test)]
mod tests;
