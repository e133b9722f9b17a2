//! What reports of users who are only looked at have in common: of a check, of a verify.

use std::io::{self, Write};

use indicatif::HumanCount;

use super::{Exit, Status};
use crate::problem::{Kind, Problem};

/// How the process should end: for each user the status, and what has ended the look.
pub(super) fn exit<'u>(users: impl IntoIterator<Item = (Status, Option<&'u Problem>)>) -> Exit {
    let mut exit = Exit::Ok;
    for (status, ended_by) in users {
        if ended_by.is_some_and(|problem| problem.kind == Kind::Interrupted) {
            return Exit::Interrupted;
        }
        if status != Status::Ok {
            exit = Exit::Some;
        }
    }
    exit
}

/// Writes how many users there are, and how they stand.
pub(super) fn tell_users(statuses: &[Status], out: &mut dyn Write) -> io::Result<()> {
    let with = |status| {
        let these = statuses.iter().filter(|it| **it == status);
        HumanCount(these.count() as u64)
    };
    writeln!(
        out,
        "users: {}, of these {} transparent, {} not, {} failed",
        HumanCount(statuses.len() as u64),
        with(Status::Ok),
        with(Status::Partial),
        with(Status::Failed)
    )
}
