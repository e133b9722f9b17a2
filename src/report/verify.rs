//! What a verify found: the table for a person, `verify.csv` and `verified.csv`, the exit status.

mod csv;
mod person;

use super::{Exit, looks};
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
}

#[cfg(test)]
mod tests;
