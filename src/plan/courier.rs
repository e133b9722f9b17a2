//! Courier's side of a plan: its lists beside the one that Dovecot or mailseed has, the names that make
//! its POP3 order.

pub(super) mod names;
mod unite;

use std::collections::{HashMap, HashSet};

use super::on_disk::OnDisk;
use super::{FolderPlan, Mode, NewName, Step};
use crate::mail::courier::{CourierFiles, SizeLine, SizeList, uiddb};
use crate::mail::{UidLine, UidList};
use crate::naming::message::size_field;
use crate::naming::uidl::courier_numbers;

pub use unite::unite;

/// Courier's lists as they are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `courierimapuiddb`.
    pub uiddb: UidList,
    /// `courierpop3dsizelist`, in INBOX.
    pub sizes: Option<SizeList>,
}

/// Which files are there once a plan has been carried out, as far as Courier's lists go by it.
#[derive(Debug, Default)]
pub struct Present {
    /// By base name.
    names: HashMap<Box<str>, There>,
}

/// A file.
#[derive(Debug, Clone)]
pub struct There {
    /// What follows the base name.
    pub suffix: Box<str>,
    /// Whether it lies in `new`.
    pub in_new: bool,
    /// What Courier will say of its size, in octets, where it has just been counted.
    pub octets: Option<u64>,
}

impl Present {
    /// The files on disk under the names that `plan` gives them.
    pub fn after(plan: &FolderPlan, disk: &OnDisk) -> Self {
        let renames = plan.steps.iter().filter_map(|step| match step {
            Step::Rename { file, to } => Some((*file, &**to)),
            _ => None,
        });
        let renames: HashMap<u32, &NewName> = renames.collect();
        let files = (0_u32..).zip(disk.files.iter()).map(|(at, file)| {
            let new = renames.get(&at);
            let suffix = new.and_then(|new| new.suffix.clone());
            let there = There {
                // With a suffix it lies in `cur`.
                in_new: file.in_new && suffix.is_none(),
                suffix: suffix.unwrap_or(file.suffix),
                octets: None,
            };
            let base = new.and_then(|new| new.base.clone());
            (base.unwrap_or(file.base), there)
        });
        Self {
            names: files.collect(),
        }
    }

    /// A message that has been delivered.
    pub fn add(&mut self, base: &str, there: There) {
        self.names.insert(base.into(), there);
    }

    /// The file of this base name.
    pub fn get(&self, base: &str) -> Option<&There> {
        self.names.get(base)
    }
}

/// Courier's lists, where the list for all servers is to be `list`. Lines of files that are gone are
/// left out, as Courier does itself.
pub fn wanted(
    plan: &FolderPlan,
    files: &CourierFiles,
    list: &UidList,
    present: &Present,
    in_root: bool,
    now: i64,
) -> Wanted {
    let kept = files
        .uiddb
        .as_ref()
        .filter(|_| plan.mode == Mode::AfterCutover);
    Wanted {
        uiddb: match kept {
            Some(old) => added_to(old, list, present),
            None => only_present(list, present),
        },
        sizes: in_root.then(|| sizes(plan.mode, files.sizes.as_ref(), list, present, now)),
    }
}

impl Wanted {
    /// Whether the files say so already.
    pub fn is_there(&self, files: &CourierFiles) -> bool {
        let uids = files.uiddb.as_ref();
        let sizes = match (&self.sizes, &files.sizes) {
            (Some(wanted), Some(there)) => wanted.is_same(there),
            // There is nothing to say that Courier would not say by itself.
            (Some(wanted), None) => wanted.lines.is_empty(),
            (None, _) => true,
        };
        sizes && uids.is_some_and(|there| uiddb::is_same(&self.uiddb, there))
    }
}

fn only_present(list: &UidList, present: &Present) -> UidList {
    let mut uiddb = list.clone_head();
    let lines = list.lines.iter();
    uiddb.lines = lines
        .filter(|line| present.names.contains_key(&*line.name))
        .map(bare)
        .collect();
    uiddb
}

fn bare(line: UidLine) -> UidLine {
    UidLine {
        fields: Box::default(),
        ..line
    }
}

/// After the cutover what Courier has said stays, and what is new is added.
fn added_to(old: &UidList, list: &UidList, present: &Present) -> UidList {
    let mut uiddb = old.clone();
    if old.validity != list.validity {
        return uiddb;
    }
    let known: HashSet<Box<str>> = old.lines.iter().map(|line| line.name).collect();
    let new = list.lines.iter().filter(|line| {
        let is_new = line.uid.value() >= old.next_uid && !known.contains(&line.name);
        is_new && present.names.contains_key(&*line.name)
    });
    let new = new.map(bare).collect();
    uiddb.lines = old.with(&new).lines().collect();
    uiddb.next_uid = uiddb.next_uid.max(list.next_uid);
    uiddb
}

/// The UIDLs of the list where Courier can say them; mail without one keeps what Courier has given it.
fn sizes(
    mode: Mode,
    old: Option<&SizeList>,
    list: &UidList,
    present: &Present,
    now: i64,
) -> SizeList {
    let old_lines = old.map_or(&[][..], |old| &old.lines);
    let old_by_name: HashMap<&str, &SizeLine> =
        old_lines.iter().map(|line| (&*line.name, line)).collect();
    let after_cutover = mode == Mode::AfterCutover;
    let mut lines = Vec::new();
    let mut said = HashSet::new();
    let mut given = HashSet::new();
    for line in list.lines.iter() {
        let Some(there) = present.names.get(&*line.name) else {
            continue;
        };
        let old = old_by_name.get(&*line.name).copied();
        if after_cutover && old.is_some() {
            continue;
        }
        let uidl = line.field('P').filter(|uidl| !uidl.is_empty());
        let numbers = uidl.and_then(|uidl| courier_numbers(uidl, &line.name));
        let size = there
            .octets
            .or_else(|| Some(old?.size))
            .or_else(|| size_field(&line.name, 'W'))
            .or_else(|| line.field('W')?.parse().ok());
        if let (Some(uidl), Some(numbers), Some(size)) = (uidl, numbers, size) {
            said.insert(line.name.clone());
            given.insert(uidl.to_owned());
            lines.push(SizeLine {
                name: line.name.clone(),
                has_suffix: has_suffix(there),
                size,
                uidl: numbers,
                utf8: old.is_some_and(|old| old.utf8),
            });
        }
    }
    for line in old_lines {
        let there = present.names.get(&*line.name);
        let is_taken = given.contains(line.uidl.of_file(line.name.as_bytes()).as_str());
        if said.contains(&*line.name) || !after_cutover && (there.is_none() || is_taken) {
            continue;
        }
        lines.push(SizeLine {
            has_suffix: there.map_or(line.has_suffix, has_suffix),
            ..line.clone()
        });
    }
    let uidv = old.map_or_else(|| fresh(&lines, now), |old| old.uidv);
    let used = lines.iter().filter(|line| line.uidl.v == uidv);
    let above = used.map(|line| line.uidl.n.saturating_add(1)).max();
    SizeList {
        next: old.map_or(1, |old| old.next).max(above.unwrap_or(1)),
        uidv,
        lines,
    }
}

/// What lies in `new` is moved by the server, and gets a suffix.
fn has_suffix(there: &There) -> bool {
    there.in_new || !there.suffix.is_empty()
}

/// A number for new UIDLs with which there is none yet.
fn fresh(lines: &[SizeLine], now: i64) -> u64 {
    let used: HashSet<u64> = lines.iter().map(|line| line.uidl.v).collect();
    let mut number = u64::try_from(now).unwrap_or(1).max(1);
    while used.contains(&number) {
        number += 1;
    }
    number
}
