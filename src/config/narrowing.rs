//! Which users of the list are worked on: those named, those that failed, those of a shard.

use std::collections::HashSet;

use super::faults::Faults;
use super::shard::{self, Shard};
use crate::cli;
use crate::userlist::{self, List, Scan};

/// Which users of the list are worked on.
#[derive(Debug, Default)]
pub(super) struct Narrowing {
    /// The names that are left; `None`: all.
    pub names: Option<HashSet<String>>,
    /// The part of the list.
    pub shard: Option<Shard>,
}

impl Narrowing {
    /// Whether `user` is worked on, who goes with `first` where they share a Maildir.
    pub fn has(&self, user: &str, first: &str) -> bool {
        let named = self.names.as_ref().is_none_or(|names| names.contains(user));
        named && self.shard.is_none_or(|shard| shard.has(first))
    }

    /// Whether it leaves anyone out.
    pub fn narrows(&self) -> bool {
        self.names.is_some() || self.shard.is_some()
    }
}

/// The part of the list that `--shard` asks for.
pub(super) fn shard(typed: &cli::Users, faults: &mut Faults) -> Option<Shard> {
    let environment = |name: &str| std::env::var_os(name);
    let Some(text) = &typed.shard else {
        if let Some(engine) = shard::engine(&environment).filter(|_| typed.users.is_some()) {
            faults.warn(format!(
                "this is a task of a job array of {engine}'s, and works on the whole list: --shard auto \
                 takes this task's part of it"
            ));
        }
        return None;
    };
    faults.take(Shard::parse(text, &environment))
}

/// The users that `--only` and `--only-failed` ask for.
pub(super) struct Wanted<'t> {
    only: Vec<(&'t str, bool)>,
    failed: Option<HashSet<String>>,
    /// Those of `failed` that the list has.
    found: usize,
}

impl<'t> Wanted<'t> {
    /// What was typed, with the report that it names read.
    pub fn read(typed: &'t cli::Users, faults: &mut Faults) -> Self {
        let failed = typed.only_failed.as_deref().map(userlist::failed_users);
        let failed = failed.and_then(|read| faults.take(read.map_err(|it| it.to_string())));
        Self {
            only: typed.only.iter().map(|it| (it.as_str(), false)).collect(),
            failed,
            found: 0,
        }
    }

    /// The list has `user`.
    pub fn see(&mut self, user: &str) {
        for (name, is_there) in &mut self.only {
            *is_there |= *name == user;
        }
        if let Some(failed) = &self.failed {
            self.found += usize::from(failed.contains(user));
        }
    }

    /// Refuses the names that the list lacks.
    pub fn missing(&self, list: &List, scan: &Scan, faults: &mut Faults) {
        for (name, _) in self.only.iter().filter(|(_, is_there)| !is_there) {
            let mut meant: Option<(f64, String)> = None;
            list.good_rows(scan, |row| {
                let likeness = userlist::likeness(name, &row.user);
                if likeness > meant.as_ref().map_or(userlist::ALIKE, |(best, _)| *best) {
                    meant = Some((likeness, row.user));
                }
            });
            let meant = meant.map_or(String::new(), |(_, known)| format!(": is {known:?} meant?"));
            faults.refuse(format!("--only {name:?} is not in the user list{meant}"));
        }
    }

    /// The names that are left; `None`: all.
    pub fn names(self, faults: &mut Faults) -> Option<HashSet<String>> {
        let gone = self.failed.as_ref().map_or(0, HashSet::len) - self.found;
        if gone > 0 {
            faults.warn(format!(
                "{gone} of the users that failed are no longer in the user list"
            ));
        }
        let only: HashSet<String> = self
            .only
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        match (only.is_empty(), self.failed) {
            (true, failed) => failed,
            (false, None) => Some(only),
            (false, Some(failed)) => Some(only.intersection(&failed).cloned().collect()),
        }
    }
}
