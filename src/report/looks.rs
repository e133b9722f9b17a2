//! What reports of users who are only looked at have in common: of a check, of a verify.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::figures::count;
use super::table::Table;
use super::{Exit, Status};
use crate::problem::{Kind, Problem};

/// The table of those looked at: a line each, with what there is to be told below.
#[derive(Debug)]
pub(super) struct Looks<const N: usize> {
    statuses: Statuses,
    table: Table<N>,
}

/// What is told of one user.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    cells: Vec<String>,
    below: Vec<String>,
}

impl<const N: usize> Looks<N> {
    /// Nobody yet.
    pub fn new(head: [&'static str; N]) -> Self {
        Self {
            statuses: Statuses::default(),
            table: Table::of_none(head),
        }
    }

    /// Takes in a user: how it stands, what has ended the look, its line, what is told below.
    pub fn add(
        &mut self,
        status: Status,
        ended_by: Option<&Problem>,
        (cells, below): ([String; N], Vec<String>),
    ) -> Told {
        self.statuses.add(status, ended_by);
        self.table.fit(&cells);
        Told {
            cells: cells.into(),
            below,
        }
    }

    /// How the process should end.
    pub fn exit(&self) -> Exit {
        self.statuses.exit()
    }

    /// How many could not be looked at.
    pub fn failed(&self) -> u64 {
        self.statuses.failed
    }

    /// Writes the line of each user, then how many there are and how they stand.
    pub fn tell(
        &self,
        users: impl Iterator<Item = io::Result<Told>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.table.head(out)?;
        for told in users {
            let Told { cells, below } = told?;
            self.table.row(out, &cells)?;
            for line in below {
                writeln!(out, "    {line}")?;
            }
        }
        writeln!(out)?;
        self.statuses.tell(out)
    }
}

/// How many users stand how.
#[derive(Debug, Default)]
struct Statuses {
    ok: u64,
    partial: u64,
    failed: u64,
    interrupted: bool,
}

impl Statuses {
    fn add(&mut self, status: Status, ended_by: Option<&Problem>) {
        match status {
            Status::Ok => self.ok += 1,
            Status::Partial => self.partial += 1,
            Status::Failed => self.failed += 1,
        }
        self.interrupted |= ended_by.is_some_and(|problem| problem.kind == Kind::Interrupted);
    }

    fn exit(&self) -> Exit {
        match self.partial + self.failed {
            _ if self.interrupted => Exit::Interrupted,
            0 => Exit::Ok,
            _ => Exit::Some,
        }
    }

    fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "users: {}, of these {} transparent, {} not, {} failed",
            count(self.ok + self.partial + self.failed),
            count(self.ok),
            count(self.partial),
            count(self.failed)
        )
    }
}
