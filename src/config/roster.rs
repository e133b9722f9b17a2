//! The users of a run: checked, all of them, before anything starts, then made from their rows as their
//! turns come. Of each only a few dozen bytes are kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::resolve::Faults;
use super::shard::{self, Shard};
use super::targets::Targets;
use super::users::{Everyone, Look, Owners};
use super::{Owner, User};
use crate::problem::{Kind, Problem, Reach};
use crate::userlist::{Doubles, List, Scan, UserRow};

/// The users of a run, in the order of the user list.
#[derive(Debug)]
pub struct Users {
    rows: Source,
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

/// Where the rows are.
#[derive(Debug)]
pub(super) enum Source {
    List(List),
    /// Of `--user`.
    One(Box<UserRow>),
    /// It could not be read.
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    offset: u64,
    line: u32,
    /// In [`Users::hosts`].
    hosts: u32,
}

/// Which users of the list are worked on.
#[derive(Debug, Default)]
pub(super) struct Narrowing {
    /// The names that are left; `None`: all.
    pub names: Option<HashSet<String>>,
    /// The part of the list.
    pub shard: Option<Shard>,
}

impl Source {
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

    fn good_rows(&self, scan: &Scan, mut see: impl FnMut(UserRow)) {
        match self {
            Self::List(list) => list.good_rows(scan, see),
            Self::One(row) => see(UserRow::clone(row)),
            Self::Nowhere => {}
        }
    }
}

impl Users {
    /// The users of `rows`, of which `scan` holds, as far as they are right and not narrowed out; what is
    /// wrong with the others goes to `faults`.
    pub(super) fn of(
        (rows, scan): (Source, &Scan),
        everyone: Everyone,
        narrowing: &Narrowing,
        faults: &mut Faults,
    ) -> Self {
        let look = everyone.lacks_of_all(scan, faults);
        let mut users = Self {
            rows,
            everyone,
            kept: Vec::new(),
            hosts: Vec::new(),
            shared: Targets::default(),
            groups: HashMap::new(),
            counts: Counts::default(),
            needs_privilege: false,
        };
        if let Some(shard) = narrowing.shard {
            users.counts.by_shard = vec![0; shard.count() as usize];
        }
        users.judge(scan, &look, narrowing, faults);
        users
    }

    fn judge(&mut self, scan: &Scan, look: &Look, narrowing: &Narrowing, faults: &mut Faults) {
        let mut owners = Owners::default();
        let mut maildirs = Doubles::default();
        let mut known: HashMap<Vec<String>, u32> = HashMap::new();
        let Self {
            rows,
            everyone,
            kept,
            hosts,
            counts,
            needs_privilege,
            ..
        } = self;
        rows.good_rows(scan, |row| {
            let mut wrong = |fault: String| faults.row(row.line, fault);
            let Some(user) = everyone.user(&row, look, &mut owners, &mut wrong) else {
                return;
            };
            if !user.maildir.as_os_str().is_empty() {
                maildirs.see(&user.maildir);
            }
            *needs_privilege |= user.owner.is_some_and(Owner::needs_privilege);
            counts.users += 1;
            if let Some(shard) = narrowing.shard {
                let place = shard::place(&user.name, shard.count());
                if let Some(count) = counts.by_shard.get_mut(place as usize - 1) {
                    *count += 1;
                }
            }
            let of_user = user.hosts();
            let hosts = match known.get(&of_user) {
                Some(hosts) => *hosts,
                None => {
                    let number = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
                    known.insert(of_user.clone(), number);
                    hosts.push(of_user.clone());
                    number
                }
            };
            match counts.by_hosts.get_mut(&of_user) {
                Some(count) => *count += 1,
                None => drop(counts.by_hosts.insert(of_user, 1)),
            }
            if narrowing.has(&user.name, &user.name) {
                kept.push(Place::of(&row, hosts));
            }
        });
        let suspects = maildirs.end();
        if !suspects.is_empty() {
            self.share(scan, look, (&suspects, &mut owners), narrowing, faults);
        }
    }

    /// Looks at the users whose Maildirs others may have, too.
    fn share(
        &mut self,
        scan: &Scan,
        look: &Look,
        (suspects, owners): (&crate::userlist::Suspects, &mut Owners),
        narrowing: &Narrowing,
        faults: &mut Faults,
    ) {
        let mut taken: HashMap<PathBuf, (String, Vec<u64>)> = HashMap::new();
        let mut moved: HashMap<u64, (bool, Place)> = HashMap::new();
        let Self {
            rows,
            everyone,
            shared,
            counts,
            hosts,
            ..
        } = self;
        rows.good_rows(scan, |row| {
            // What is wrong with it has been told.
            let Some(user) = everyone.user(&row, look, owners, &mut |_| {}) else {
                return;
            };
            if user.maildir.as_os_str().is_empty() || !suspects.may_be(&user.maildir) {
                return;
            }
            // A template for all that gives one directory has been told already.
            let is_told = look.one_maildir && row.maildir.is_none() && row.subfolder.is_none();
            let subfolder = user.subfolder.as_ref();
            let place = shared.take(row.line, &user.maildir, subfolder, user.owner);
            if let Err(fault) = place
                && !is_told
            {
                faults.row(row.line, format!("user {:?} {fault}", row.user));
            }
            let of_user = user.hosts();
            let number = hosts.iter().position(|known| *known == of_user);
            let number = number.and_then(|number| u32::try_from(number).ok());
            let first = taken.entry(user.maildir).or_default();
            if first.1.is_empty() {
                first.0.clone_from(&user.name);
            }
            first.1.push(row.offset);
            // Whoever has one Maildir is worked on by one run: of the shard of the first of them.
            if let Some(shard) = narrowing.shard {
                let own = shard::place(&user.name, shard.count());
                let theirs = shard::place(&first.0, shard.count());
                if own != theirs {
                    for (place, is_more) in [(own, false), (theirs, true)] {
                        if let Some(count) = counts.by_shard.get_mut(place as usize - 1) {
                            *count = count.saturating_add_signed(if is_more { 1 } else { -1 });
                        }
                    }
                    let is_kept = narrowing.has(&user.name, &first.0);
                    let place = Place::of(&row, number.unwrap_or_default());
                    moved.insert(row.offset, (is_kept, place));
                }
            }
        });
        self.kept.retain(|place| !moved.contains_key(&place.offset));
        let come = moved.into_values().filter(|(is_kept, _)| *is_kept);
        self.kept.extend(come.map(|(_, place)| place));
        self.kept.sort_unstable();
        for (_, offsets) in taken.into_values() {
            let places = offsets.iter().filter_map(|offset| {
                let by_offset = |place: &Place| place.offset;
                self.kept.binary_search_by_key(offset, by_offset).ok()
            });
            let places: Vec<usize> = places.collect();
            if let [first, _, ..] = places[..] {
                self.groups.insert(first, places);
            }
        }
    }

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
        format!("(line {line} of the user list)")
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
        match &self.rows {
            Source::List(list) => list.row_at(place.offset, place.line.into()),
            Source::One(row) => Ok(UserRow::clone(row)),
            Source::Nowhere => Err(nobody()),
        }
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

impl Narrowing {
    /// Whether `user` is worked on, who goes with `first` where they share a Maildir.
    fn has(&self, user: &str, first: &str) -> bool {
        let named = self.names.as_ref().is_none_or(|names| names.contains(user));
        named && self.shard.is_none_or(|shard| shard.has(first))
    }

    /// Whether it leaves anyone out.
    pub fn narrows(&self) -> bool {
        self.names.is_some() || self.shard.is_some()
    }
}

impl Place {
    fn of(row: &UserRow, hosts: u32) -> Self {
        Self {
            offset: row.offset,
            line: row
                .line
                .map_or(0, |line| u32::try_from(line).unwrap_or(u32::MAX)),
            hosts,
        }
    }
}
