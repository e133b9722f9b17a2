//! Where the rows of the users come from: a list, or `--user`.

use super::faults::Faults;
use crate::cli;
use crate::problem::Problem;
use crate::userlist::{self, List, Scan, UserRow};

/// Where the rows are.
#[derive(Debug)]
pub(super) enum Rows {
    List(List),
    /// Of `--user`.
    One(Box<UserRow>),
    /// It could not be read.
    Nowhere,
}

impl Rows {
    /// The rows to work on; that of `--user` where there is no list.
    pub fn of(typed: &cli::Users, faults: &mut Faults) -> Self {
        match (&typed.users, &typed.user) {
            (Some(path), _) => match List::open(path) {
                Ok(list) => return Self::List(list),
                Err(error) => faults.refuse(format!(
                    "--users {}: {error} (hint: it is a CSV file with the column user: `mailseed help user-list`)",
                    path.display()
                )),
            },
            (None, Some(user)) => match userlist::sound_name(user) {
                Ok(()) => {
                    return Self::One(Box::new(UserRow {
                        user: user.clone(),
                        ..UserRow::default()
                    }));
                }
                Err(fault) => faults.refuse(format!("--user: {fault}")),
            },
            (None, None) => {}
        }
        Self::Nowhere
    }

    /// Reads it through: what is wrong goes to `faults`, each good row to `see`.
    pub fn scan(&self, faults: &mut Faults, mut see: impl FnMut(&UserRow)) -> Scan {
        match self {
            Self::List(list) => list.scan(&mut |line, fault| faults.row(Some(line), fault), see),
            Self::One(row) => {
                let mut scan = Scan::of_none();
                scan.add(row);
                see(row);
                scan
            }
            Self::Nowhere => Scan::of_none(),
        }
    }

    /// Gives each row of which `scan` says that it is good to `see`.
    pub fn good_rows(&self, scan: &Scan, mut see: impl FnMut(UserRow)) {
        match self {
            Self::List(list) => list.good_rows(scan, see),
            Self::One(row) => see(UserRow::clone(row)),
            Self::Nowhere => {}
        }
    }

    /// The row at `offset` of the list, on line `line`; `None`: there is no row at all.
    ///
    /// # Errors
    /// The list has been changed since, or cannot be read (reach Run, kind Input).
    pub fn at(&self, offset: u64, line: u64) -> Result<Option<UserRow>, Problem> {
        match self {
            Self::List(list) => list.row_at(offset, line).map(Some),
            Self::One(row) => Ok(Some(UserRow::clone(row))),
            Self::Nowhere => Ok(None),
        }
    }
}
