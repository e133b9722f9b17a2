//! The users of a run: checked, all of them, before anything starts, then made from their rows as their
//! turns come. Of each only a few dozen bytes are kept.

mod census;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::User;
use super::rows::Rows;
use super::targets::Targets;
use super::users::{Everyone, Look, Owners};
use crate::problem::{Kind, Problem, Reach};
use crate::userlist::{self, UserRow};

/// The users of a run, in the order of the user list.
#[derive(Debug)]
pub struct Users {
    rows: Rows,
    everyone: Everyone,
    kept: Vec<Place>,
    /// The sets of hosts that users have.
    hosts: Vec<Vec<String>>,
    /// The Maildirs that several users have.
    shared: Targets,
    /// The users of this run that have one of these, by the place of the first.
    groups: HashMap<usize, Vec<usize>>,
    counts: Counts,
    needs_privilege: bool,
    stays_with_root: bool,
}

/// How many users the whole list has.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// All of them.
    pub users: u64,
    /// By the hosts that they are on.
    pub by_hosts: BTreeMap<Vec<String>, u64>,
    /// In each shard, where there are any.
    pub by_shard: Vec<u64>,
}

/// Where the row of a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    offset: u64,
    line: u32,
    /// In [`Users::hosts`].
    hosts: u32,
}

impl Users {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether some of the list's files are to have another owner, for which this process is not privileged.
    pub(super) fn needs_privilege(&self) -> bool {
        self.needs_privilege
    }

    /// Whether some of the list's files are to belong to root, since nobody says whose they are to be.
    pub fn stays_with_root(&self) -> bool {
        self.stays_with_root
    }

    /// How many the whole list has.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The user at place `at`.
    ///
    /// # Errors
    /// The list has been changed since it was checked, or cannot be read (reach Run, kind Input).
    pub fn get(&self, at: usize) -> Result<User, Problem> {
        let row = self.row(at)?;
        let mut faults = Vec::new();
        let mut wrong = |fault| faults.push(fault);
        let mut owners = Owners::default();
        let user = self
            .everyone
            .user(&row, &Look::default(), &mut owners, &mut wrong);
        let Some(mut user) = user.filter(|_| faults.is_empty()) else {
            let what = format!("user {:?}: {}", row.user, faults.join("; "));
            return Err(Problem::new(Kind::Input, Reach::User, what));
        };
        if user.subfolder.is_none() {
            user.reserved = self.shared.subfolders(&user.maildir);
        }
        Ok(user)
    }

    /// What to call the user at place `at` whose name cannot be read.
    pub fn line(&self, at: usize) -> String {
        let line = self.kept.get(at).map_or(0, |place| place.line);
        userlist::nameless(line)
    }

    /// The name of the user at place `at`.
    ///
    /// # Errors
    /// As for [`Users::get`].
    pub fn name(&self, at: usize) -> Result<String, Problem> {
        self.row(at).map(|row| row.user)
    }

    fn row(&self, at: usize) -> Result<UserRow, Problem> {
        let nobody = || Problem::new(Kind::Internal, Reach::User, "no such user");
        let place = self.kept.get(at).ok_or_else(nobody)?;
        let row = self.rows.at(place.offset, place.line.into())?;
        row.ok_or_else(nobody)
    }

    /// The hosts of the user at place `at`, each once.
    pub fn hosts(&self, at: usize) -> &[String] {
        let hosts = self.kept.get(at).and_then(|place| {
            let number = usize::try_from(place.hosts).ok()?;
            self.hosts.get(number)
        });
        hosts.map_or(&[], Vec::as_slice)
    }

    /// The hosts of all of them, each once.
    pub(super) fn all_hosts(&self) -> HashSet<&str> {
        let sets: HashSet<u32> = self.kept.iter().map(|place| place.hosts).collect();
        let sets = sets.into_iter().filter_map(|set| usize::try_from(set).ok());
        let sets = sets.filter_map(|set| self.hosts.get(set));
        sets.flatten().map(String::as_str).collect()
    }

    /// All of them, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = Result<User, Problem>> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = Result<String, Problem>> {
        (0..self.len()).map(|at| self.name(at))
    }

    /// The places of those who have to come one after the other, by the place of the first, which is one of
    /// them: they have one Maildir.
    pub fn groups(&self) -> &HashMap<usize, Vec<usize>> {
        &self.groups
    }
}
