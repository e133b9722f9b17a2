//! Which UID each message has on the target. It is that of the source wherever that can be; where a
//! server has given it to other mail in the meantime, a new one, so that no UID ever has two
//! contents under one UIDVALIDITY (RFC 3501 section 2.3.1.1).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::on_disk::{OnDisk, Place};
use super::recognise::{Holds, Recognised};
use super::seen::Renumbered;
use super::{Mode, Past, SourceFolder};
use crate::mail::{Uid, UidList, UidSet, UidValidity};

/// Left free above the source's UIDNEXT when a UID has to be given that the source did not give:
/// the mail that the source gets next then keeps its UIDs.
const GAP: u32 = 100_000;
/// Above this no gap is left.
const CROWDED: u32 = 1 << 31;

/// The UIDs of a folder on the target.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// For each entry that is on disk or is to be delivered.
    pub entries: Vec<Option<Uid>>,
    /// For lines of other mail, by their place in the list on disk: their new UID where it changes.
    pub moved: HashMap<u32, Uid>,
    /// UIDVALIDITY of the target.
    pub validity: Option<UidValidity>,
    /// No UID from here on has been given.
    pub next: u32,
    /// A server that has read the folder would not see some message under its UID.
    pub below_known: bool,
    /// What the target calls otherwise than the source.
    pub renumbered: BTreeMap<u32, u32>,
    /// UIDs that a server has given to other mail.
    pub foreign: UidSet,
}

/// Gives UIDs. `wanted` tells of each entry whether it is, or will be, on disk. `None`: the UIDs are
/// used up.
pub(super) fn assign(
    source: &SourceFolder<'_>,
    disk: &OnDisk,
    past: &Past<'_>,
    mode: Mode,
    found: &Recognised,
    wanted: &[bool],
) -> Option<Numbers> {
    let list = disk.uidlist.as_ref();
    let list = list.filter(|list| mode == Mode::AfterCutover || list.validity == source.validity);
    let mut giver = Giver {
        source,
        disk,
        past,
        mode,
        found,
        list,
        taken: UidSet::default(),
        numbers: Numbers {
            entries: vec![None; source.entries.len()],
            validity: Some(list.map_or(source.validity, |list| list.validity)),
            ..Numbers::default()
        },
    };
    match (mode, list) {
        (_, None) => giver.afresh(wanted)?,
        (Mode::AfterCutover, Some(list)) => giver.append(list, wanted)?,
        (Mode::Merge | Mode::Mirror, Some(list)) => giver.beside(list, wanted)?,
    }
    Some(giver.finish())
}

struct Giver<'a> {
    source: &'a SourceFolder<'a>,
    disk: &'a OnDisk,
    past: &'a Past<'a>,
    mode: Mode,
    found: &'a Recognised,
    /// The list on disk, where its UIDs go on to hold.
    list: Option<&'a UidList>,
    /// UIDs given to entries that the source has given to others.
    taken: UidSet,
    numbers: Numbers,
}

impl Giver<'_> {
    /// The line of the file that holds entry `index`.
    fn line_of(&self, index: usize) -> Option<u32> {
        let file = (*self.found.files.get(index)?)?;
        (*self.found.lines.get(file.at() as usize)?).map(Place::at)
    }

    fn uid_of_line(&self, line: u32) -> Option<Uid> {
        let list = self.disk.uidlist.as_ref()?;
        list.lines.uids().get(line as usize).copied()
    }

    /// The first UID that neither side has given or will give soon.
    fn first_free(&self, leave_gap: bool) -> u32 {
        let above = |uid: Option<Uid>| uid.map_or(1, |uid| uid.value().saturating_add(1));
        let lines = self.list.map_or(&[][..], |list| list.lines.uids());
        let mut free = self
            .list
            .map_or(1, |list| list.next_uid)
            .max(self.source.uid_next)
            .max(above(lines.last().copied()))
            .max(above(self.source.entries.last().map(|entry| entry.uid)));
        let renumbered = self.past.seen.map(|seen| &seen.renumbered);
        if let Some(last) = renumbered.and_then(Renumbered::last_target) {
            free = free.max(last.saturating_add(1));
        }
        if leave_gap && free < CROWDED {
            // What was given before lies above such a gap already.
            let source = self.source.uid_next.saturating_add(GAP);
            free = free.max(source);
        }
        free
    }

    /// Every message of the source has its UID; other mail goes above.
    fn afresh(&mut self, wanted: &[bool]) -> Option<()> {
        self.as_at_source(wanted);
        self.numbers.next = self.first_free(false);
        let others: Vec<u32> = self.others().collect();
        if !others.is_empty() {
            self.numbers.next = self.first_free(true);
        }
        for line in others {
            let uid = self.give()?;
            self.numbers.moved.insert(line, uid);
        }
        self.numbers.below_known = self.disk.uidlist.is_some();
        Some(())
    }

    /// Lines whose files are no messages that the source has.
    fn others(&self) -> impl Iterator<Item = u32> {
        let holders = (0..).zip(self.found.holders(self.disk));
        holders.filter_map(|(line, holds)| (holds == Some(Holds::Other)).then_some(line))
    }

    fn as_at_source(&mut self, wanted: &[bool]) {
        let entries = self.source.entries.iter().zip(wanted);
        for (slot, (entry, wanted)) in self.numbers.entries.iter_mut().zip(entries) {
            *slot = wanted.then_some(entry.uid);
        }
    }

    fn give(&mut self) -> Option<Uid> {
        let uid = Uid::new(self.numbers.next).filter(|uid| uid.value() < u32::MAX)?;
        self.numbers.next += 1;
        Some(uid)
    }

    /// What is listed stays; what comes goes above all that was ever given.
    fn append(&mut self, list: &UidList, wanted: &[bool]) -> Option<()> {
        self.numbers.next = list.next_uid;
        let same = list.validity == self.source.validity;
        for (index, entry) in self.source.entries.iter().enumerate() {
            if !wanted.get(index).copied().unwrap_or(false) {
                continue;
            }
            let listed = self.line_of(index).and_then(|line| self.uid_of_line(line));
            let uid = match listed {
                Some(uid) => uid,
                None if same && entry.uid.value() >= self.numbers.next => {
                    self.numbers.next = entry.uid.value();
                    self.give()?
                }
                None => self.give()?,
            };
            if let Some(slot) = self.numbers.entries.get_mut(index) {
                *slot = Some(uid);
            }
        }
        Some(())
    }

    /// Beside a list of the same UIDVALIDITY, in which a server may have given UIDs too.
    fn beside(&mut self, list: &UidList, wanted: &[bool]) -> Option<()> {
        let holders = self.found.holders(self.disk);
        if self.mode == Mode::Mirror {
            self.as_at_source(wanted);
        } else {
            for (index, entry) in self.source.entries.iter().enumerate() {
                if !wanted.get(index).copied().unwrap_or(false) {
                    continue;
                }
                let listed = self.line_of(index).and_then(|line| self.uid_of_line(line));
                let uid = match listed.filter(|uid| !self.was_copy(index, *uid)) {
                    Some(uid) => Some(uid),
                    None => self.earlier(entry.uid).filter(|uid| {
                        !self.is_held(list, &holders, *uid) && !self.is_spent(list, *uid)
                    }),
                };
                if let Some(slot) = self.numbers.entries.get_mut(index) {
                    *slot = uid;
                }
            }
        }
        self.taken = self.numbers.entries.iter().flatten().copied().collect();
        self.numbers.next = self.first_free(false);
        let homeless: Vec<usize> = (0..self.source.entries.len())
            .filter(|index| {
                wanted.get(*index).copied().unwrap_or(false)
                    && self
                        .numbers
                        .entries
                        .get(*index)
                        .copied()
                        .flatten()
                        .is_none()
            })
            .collect();
        let disputed: Vec<u32> = self.disputed(list, &holders, &homeless).collect();
        if !homeless.is_empty() || !disputed.is_empty() {
            self.numbers.next = self.first_free(true);
        }
        for index in homeless {
            let uid = self.give()?;
            if let Some(slot) = self.numbers.entries.get_mut(index) {
                *slot = Some(uid);
            }
        }
        for line in disputed {
            let uid = self.give()?;
            self.numbers.moved.insert(line, uid);
        }
        self.numbers.below_known = self.some_below(list);
        Some(())
    }

    /// The UID that the target has for the source's `uid`, as far as earlier runs know.
    fn earlier(&self, uid: Uid) -> Option<Uid> {
        let seen = self.past.seen;
        let renumbered = seen.and_then(|seen| seen.renumbered.target(uid.value()));
        renumbered.map_or(Some(uid), Uid::new)
    }

    /// Whether a message of the folder's own lies there as the copy that it was while it was in
    /// another folder: now the source has given it a UID.
    fn was_copy(&self, index: usize, uid: Uid) -> bool {
        let seen = self.past.seen.filter(|_| self.goes_on());
        let copy = seen.and_then(|seen| {
            let uid = seen.source_uid(uid)?;
            Some(seen.collected.contains(uid))
        });
        index < self.source.own() && copy.unwrap_or(false)
    }

    /// Whether other mail is listed under `uid`.
    fn is_held(&self, list: &UidList, holders: &[Option<Holds>], uid: Uid) -> bool {
        let line = list.lines.uids().binary_search(&uid);
        line.is_ok_and(|line| holders.get(line).copied().flatten().is_some())
    }

    /// Whether a server may have given `uid` to other mail, which may have been deleted since.
    fn is_spent(&self, list: &UidList, uid: Uid) -> bool {
        let Some(seen) = self.past.seen.filter(|_| self.goes_on()) else {
            return self.disk.has_indexes && uid.value() < list.next_uid;
        };
        let (written, foreign) = seen.given(list.next_uid);
        let since = written.is_some_and(|written| uid.value() >= written);
        let source_uid = seen.source_uid(uid);
        let is_known = source_uid.is_some_and(|uid| seen.marks(uid).is_some());
        !is_known && (foreign.contains(uid) || since && uid.value() < list.next_uid)
    }

    /// Whether what the last run has seen is of the UIDVALIDITY that holds.
    fn goes_on(&self) -> bool {
        let seen = self.past.seen;
        seen.is_some_and(|seen| seen.validity == self.source.validity)
    }

    /// The UIDs that a server has given, by what the last run has written and what is there now.
    fn foreign(&self) -> UidSet {
        let Some(list) = self
            .list
            .filter(|list| list.validity == self.source.validity)
        else {
            return UidSet::default();
        };
        let last = list.next_uid.saturating_sub(1);
        let seen = self.past.seen.filter(|_| self.goes_on());
        let (known, from) = match seen {
            Some(seen) => {
                let (written, foreign) = seen.given(list.next_uid);
                (foreign.clone(), written)
            }
            None => (UidSet::default(), self.disk.has_indexes.then_some(1)),
        };
        let new = from.filter(|from| *from > 0 && *from <= last);
        let new = UidSet::from_ranges(new.map(|from| (from, last)));
        let ours: UidSet = self.numbers.entries.iter().flatten().copied().collect();
        known.union(&new).difference(&ours)
    }

    /// Lines of mail whose UID the source has given to another message: it must not stay theirs.
    fn disputed(
        &self,
        list: &UidList,
        holders: &[Option<Holds>],
        homeless: &[usize],
    ) -> impl Iterator<Item = u32> {
        // A run that was cut may have noted the other number of a message, and not yet given it.
        let numbers = self.numbers.entries.iter().enumerate();
        let renumbered = numbers.filter_map(|(index, uid)| {
            let is_to_come = self.found.files.get(index).is_some_and(Option::is_none);
            let uid = uid.filter(|_| is_to_come)?;
            (self.source.entries.get(index)?.uid != uid).then_some(index)
        });
        let contested: HashSet<Uid> = renumbered
            .chain(homeless.iter().copied())
            .filter_map(|index| Some(self.source.entries.get(index)?.uid))
            .collect();
        let lines = (0..).zip(list.lines.uids().iter().zip(holders));
        let disputed = lines.filter_map(|(number, (uid, holds))| {
            let is_other = *holds == Some(Holds::Other);
            let is_disputed = contested.contains(uid) || self.taken.contains(*uid);
            (is_other && is_disputed).then_some(number)
        });
        disputed.collect::<Vec<u32>>().into_iter()
    }

    /// Whether a message gets a UID below those that a server has seen, and not the one it had.
    fn some_below(&self, list: &UidList) -> bool {
        let entries = self.numbers.entries.iter().enumerate();
        let below = |(index, uid): (usize, &Option<Uid>)| {
            let Some(uid) = uid.filter(|uid| uid.value() < list.next_uid) else {
                return false;
            };
            let listed = self.line_of(index).and_then(|line| self.uid_of_line(line));
            listed != Some(uid)
        };
        entries.into_iter().any(below)
    }

    fn finish(mut self) -> Numbers {
        let last = self.numbers.entries.iter().flatten().max();
        if let Some(last) = last {
            self.numbers.next = self.numbers.next.max(last.value().saturating_add(1));
        }
        self.numbers.foreign = self.foreign();
        let entries = self.source.entries.iter().zip(&self.numbers.entries);
        self.numbers.renumbered = entries
            .filter_map(|(entry, uid)| {
                let uid = uid.filter(|uid| *uid != entry.uid)?;
                Some((entry.uid.value(), uid.value()))
            })
            .collect();
        self.numbers
    }
}
