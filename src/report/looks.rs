//! What reports of users who are only looked at have in common: of a check, of a verify.

use std::io::{self, Write};

use indicatif::HumanCount;

use super::{Exit, Status};
use crate::problem::{Kind, Problem};

/// How many users stand how.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    ok: u64,
    partial: u64,
    failed: u64,
    interrupted: bool,
}

impl Statuses {
    /// Counts in a user with its status, and what has ended the look.
    pub fn add(&mut self, status: Status, ended_by: Option<&Problem>) {
        match status {
            Status::Ok => self.ok += 1,
            Status::Partial => self.partial += 1,
            Status::Failed => self.failed += 1,
        }
        self.interrupted |= ended_by.is_some_and(|problem| problem.kind == Kind::Interrupted);
    }

    /// How the process should end.
    pub fn exit(&self) -> Exit {
        match self.partial + self.failed {
            _ if self.interrupted => Exit::Interrupted,
            0 => Exit::Ok,
            _ => Exit::Some,
        }
    }

    /// Writes how many users there are, and how they stand.
    pub fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "users: {}, of these {} transparent, {} not, {} failed",
            HumanCount(self.ok + self.partial + self.failed),
            HumanCount(self.ok),
            HumanCount(self.partial),
            HumanCount(self.failed)
        )
    }
}
