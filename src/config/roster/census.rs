//! The users of a list are looked at, all of them, before anything starts: what is wrong with them, how many
//! there are, who is worked on, and who shares a Maildir.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Counts, Place, Users};
use crate::config::faults::Faults;
use crate::config::narrowing::Narrowing;
use crate::config::rows::Rows;
use crate::config::shard;
use crate::config::targets::Targets;
use crate::config::users::{Everyone, Look, Owners};
use crate::config::{Owner, User};
use crate::userlist::{Doubles, Scan, Suspects, UserRow};

impl Users {
    /// The users of `rows`, of which `scan` holds, as far as they are right and not narrowed out; what is
    /// wrong with the others goes to `faults`.
    pub(in crate::config) fn of(
        (rows, scan): (Rows, &Scan),
        everyone: Everyone,
        narrowing: &Narrowing,
        faults: &mut Faults,
    ) -> Self {
        let look = everyone.lacks_of_all(scan, faults);
        let shards = narrowing.shard.map_or(0, |shard| shard.count() as usize);
        let mut census = Census {
            rows: &rows,
            everyone: &everyone,
            scan,
            look,
            narrowing,
            owners: Owners::default(),
            hosts: HostSets::default(),
            kept: Vec::new(),
            counts: Counts {
                by_shard: vec![0; shards],
                ..Counts::default()
            },
            needs_privilege: false,
            stays_with_root: false,
        };
        let suspects = census.judge(faults);
        let (shared, groups) = match suspects.is_empty() {
            true => (Targets::default(), HashMap::new()),
            false => census.share(&suspects, faults),
        };
        Self {
            hosts: census.hosts.sets,
            kept: census.kept,
            counts: census.counts,
            needs_privilege: census.needs_privilege,
            stays_with_root: census.stays_with_root,
            shared,
            groups,
            rows,
            everyone,
        }
    }
}

struct Census<'a> {
    rows: &'a Rows,
    everyone: &'a Everyone,
    scan: &'a Scan,
    look: Look,
    narrowing: &'a Narrowing,
    owners: Owners,
    hosts: HostSets,
    kept: Vec<Place>,
    counts: Counts,
    needs_privilege: bool,
    stays_with_root: bool,
}

impl Census<'_> {
    /// Looks at each user by itself; comes back with the Maildirs that several may have.
    fn judge(&mut self, faults: &mut Faults) -> Suspects {
        let mut maildirs = Doubles::default();
        self.rows.good_rows(self.scan, |row| {
            let mut wrong = |fault: String| faults.row(row.line, fault);
            let user = self
                .everyone
                .user(&row, &self.look, &mut self.owners, &mut wrong);
            let Some(user) = user else {
                return;
            };
            if !user.maildir.as_os_str().is_empty() {
                maildirs.see(&user.maildir);
            }
            let hosts = user.hosts();
            let number = self.hosts.number(&hosts);
            self.needs_privilege |= user.owner.is_some_and(Owner::needs_privilege);
            self.stays_with_root |= user.owner.is_none() && Owner::is_root_by_itself();
            self.counts.users += 1;
            match self.counts.by_hosts.get_mut(&hosts) {
                Some(count) => *count += 1,
                None => drop(self.counts.by_hosts.insert(hosts, 1)),
            }
            if let Some(shard) = self.narrowing.shard {
                self.count_in(shard::place(&user.name, shard.count()), 1);
            }
            if self.narrowing.has(&user.name, &user.name) {
                self.kept.push(Place::of(&row, number));
            }
        });
        maildirs.end()
    }

    /// Looks at the users whose Maildirs others may have, too. What is said of such a Maildir, and who has to
    /// come one after the other (see [`Users::groups`]).
    fn share(
        &mut self,
        suspects: &Suspects,
        faults: &mut Faults,
    ) -> (Targets, HashMap<usize, Vec<usize>>) {
        let mut shared = Targets::default();
        let mut taken: HashMap<PathBuf, Sharers> = HashMap::new();
        let mut moved: HashMap<u64, (bool, Place)> = HashMap::new();
        self.rows.good_rows(self.scan, |row| {
            // What is wrong with it has been told.
            let user = self
                .everyone
                .user(&row, &self.look, &mut self.owners, &mut |_| {});
            let suspect = |user: &User| {
                !user.maildir.as_os_str().is_empty() && suspects.may_be(&user.maildir)
            };
            let Some(user) = user.filter(suspect) else {
                return;
            };
            // A template for all that gives one directory has been told already.
            let is_told = self.look.one_maildir && row.maildir.is_none() && row.subfolder.is_none();
            let subfolder = user.subfolder.as_ref();
            let place = shared.take(row.line, &user.maildir, subfolder, user.owner);
            if let Err(fault) = place
                && !is_told
            {
                faults.row(row.line, format!("user {:?} {fault}", row.user));
            }
            let hosts = user.hosts();
            let sharers = taken.entry(user.maildir).or_insert_with(|| Sharers {
                first: user.name.clone(),
                offsets: Vec::new(),
            });
            sharers.offsets.push(row.offset);
            if self.moves(&user.name, &sharers.first) {
                let place = Place::of(&row, self.hosts.number(&hosts));
                let is_kept = self.narrowing.has(&user.name, &sharers.first);
                moved.insert(row.offset, (is_kept, place));
            }
        });
        self.kept.retain(|place| !moved.contains_key(&place.offset));
        let come = moved.into_values().filter(|(is_kept, _)| *is_kept);
        self.kept.extend(come.map(|(_, place)| place));
        self.kept.sort_unstable();
        let groups = taken.into_values().filter_map(|it| self.group(&it));
        (shared, groups.collect())
    }

    /// Whether `user` goes to another shard than its own, and is counted there: whoever has one Maildir is
    /// worked on by one run, that of the shard of the `first` of them.
    fn moves(&mut self, user: &str, first: &str) -> bool {
        let Some(shard) = self.narrowing.shard else {
            return false;
        };
        let own = shard::place(user, shard.count());
        let theirs = shard::place(first, shard.count());
        if own != theirs {
            self.count_in(own, -1);
            self.count_in(theirs, 1);
        }
        own != theirs
    }

    /// Counts users in at place `shard`, from 1, or out.
    fn count_in(&mut self, shard: u32, users: i64) {
        if let Some(count) = self.counts.by_shard.get_mut(shard as usize - 1) {
            *count = count.saturating_add_signed(users);
        }
    }

    /// The places of those of one Maildir who are worked on, by that of the first, where they are several.
    fn group(&self, sharers: &Sharers) -> Option<(usize, Vec<usize>)> {
        let places = sharers.offsets.iter().filter_map(|offset| {
            let by_offset = |place: &Place| place.offset;
            self.kept.binary_search_by_key(offset, by_offset).ok()
        });
        let places: Vec<usize> = places.collect();
        match places[..] {
            [first, _, ..] => Some((first, places)),
            _ => None,
        }
    }
}

/// The users of one Maildir.
struct Sharers {
    /// The name of the first of them.
    first: String,
    /// Where their rows are.
    offsets: Vec<u64>,
}

/// The sets of hosts that users have, each once.
#[derive(Default)]
struct HostSets {
    sets: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, u32>,
}

impl HostSets {
    /// The number of a set, its place in `sets`.
    fn number(&mut self, hosts: &[String]) -> u32 {
        if let Some(number) = self.numbers.get(hosts) {
            return *number;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(hosts.to_vec());
        self.numbers.insert(hosts.to_vec(), number);
        number
    }
}

impl Place {
    fn of(row: &UserRow, hosts: u32) -> Self {
        let line = row.line.map(|line| u32::try_from(line).unwrap_or(u32::MAX));
        Self {
            offset: row.offset,
            line: line.unwrap_or_default(),
            hosts,
        }
    }
}
