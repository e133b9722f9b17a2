//! The results of users, taken as they come and given back in list order; of each only its rows stay,
//! on disk.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Journal, Status};
use crate::problem::Problem;

/// What a report is made of: sums, and rows.
pub trait Tally: Send {
    /// What became of one user.
    type Of;
    /// What the report needs of that at the end.
    type Row: Serialize + DeserializeOwned;

    /// Counts one user in; how the user stands, and what is to be put away.
    fn take(&mut self, of: Self::Of) -> (String, Status, Self::Row);
}

/// The results of the users that are done so far.
#[derive(Debug)]
pub struct Gathered<T> {
    /// The sums.
    pub tally: T,
    journal: Journal,
}

impl<T: Tally> Gathered<T> {
    /// Nothing yet.
    pub fn new(tally: T, journal: Journal) -> Self {
        Self { tally, journal }
    }

    /// Takes what became of the user at place `at` of the list.
    ///
    /// # Errors
    /// It cannot be put away (reach Run, kind Target).
    pub fn add(&mut self, at: usize, of: T::Of) -> Result<(), Problem> {
        let (user, status, row) = self.tally.take(of);
        self.journal.add(at, (&user, status), &row)
    }

    /// The rows, in list order.
    pub fn rows(&self) -> impl Iterator<Item = io::Result<T::Row>> {
        self.journal.rows()
    }

    /// The reports are written.
    pub fn end(self) {
        self.journal.end();
    }
}

#[cfg(test)]
impl<T: Tally> Gathered<T> {
    /// Of users that are done already.
    pub fn of(tally: T, all: impl IntoIterator<Item = T::Of>) -> Self {
        let all: Vec<_> = all.into_iter().collect();
        let head = super::journal::Head {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: "export".to_owned(),
            started: jiff::Timestamp::UNIX_EPOCH,
            users: all.len(),
            shard: None,
            options: serde_json::Value::Null,
        };
        let journal = Journal::begin(None, &head).expect("a temporary file");
        let mut gathered = Self::new(tally, journal);
        // The order in which they come is not that in which they stand.
        for (at, one) in all.into_iter().enumerate().rev() {
            gathered.add(at, one).expect("room");
        }
        gathered
    }
}
