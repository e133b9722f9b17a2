//! What a verify found: the table for a person, `verify.csv` and `verified.csv`, the exit status.

mod csv;
mod person;

use super::{Exit, Status};
use crate::problem::Kind;
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
        let interrupted = |user: &Finding| {
            let ended_by = user.ended_by.as_ref();
            ended_by.is_some_and(|problem| problem.kind == Kind::Interrupted)
        };
        let fine = |user: &Finding| Verdict::of(user).status == Status::Ok;
        if self.users.iter().any(interrupted) {
            Exit::Interrupted
        } else if self.users.iter().all(fine) {
            Exit::Ok
        } else {
            Exit::Some
        }
    }
}

#[cfg(test)]
mod tests;
