//! The `dovecot-uidlist` that a folder is to have.

use std::cell::LazyCell;
use std::collections::HashMap;

use super::announced::Finder;
use super::numbers::Numbers;
use super::on_disk::{DiskFile, OnDisk, Place};
use super::recognise::Holds;
use super::{Announcements, FolderPlan, Mode, Past, SourceFolder, Step};
use crate::mail::uidlist::{Origin, merged};
use crate::mail::{Extended, Uid, UidLine, UidLines, UidList, UidSet, UidValidity};
use crate::naming::message::size_field;

/// The list without the messages still to be delivered: a line for each message of the source that
/// is on disk, and the lines of other mail. A line whose file is gone stays unless its UID is needed
/// or the target is to be like the source: a server may be renaming the file this very moment, and a
/// line without a file does no harm. Of each file `lines` says its line on disk, and `holders` of each
/// line there what its file holds.
pub(super) fn desired(
    source: &SourceFolder<'_>,
    past: &Past<'_>,
    disk: &OnDisk,
    plan: &FolderPlan,
    (lines, holders): (&[Option<Place>], &[Option<Holds>]),
    numbers: &Numbers,
) -> UidList {
    let mode = plan.mode;
    let validity = numbers.validity.unwrap_or(source.validity);
    let old = disk.uidlist.as_ref();
    let goes_on = old.filter(|old| old.validity == validity);
    let mut list = goes_on.map_or_else(
        || UidList::new(validity, source.uid_next, guid(source, validity)),
        UidList::clone_head,
    );
    list.guid.get_or_insert_with(|| guid(source, validity));
    let maker = Maker {
        source,
        disk,
        plan,
        lines,
        numbers,
        new_names: new_names(plan),
        announced: LazyCell::new(|| source.uidls.map(Announcements::finder)),
    };
    // What is still to be delivered gets its line with its file.
    let entries = (0..).zip(plan.files.iter().zip(&plan.uids));
    let entries = entries.filter_map(|(index, (file, uid))| {
        file.as_ref()?;
        Some(((*uid)?, index))
    });
    let given: UidSet = plan.uids.iter().flatten().copied().collect();
    let stays = |uid: Uid, holds: Option<Holds>| match holds {
        Some(Holds::Entry) => false,
        Some(Holds::Other) => true,
        None => {
            let goes = given.contains(uid) || (mode == Mode::Merge && has_ended(source, past, uid));
            mode != Mode::Mirror && goes_on.is_some() && !goes
        }
    };
    let uids = old.map_or(&[][..], |old| old.lines.uids());
    let lines = (0_u32..).zip(uids.iter().zip(holders));
    let lines = lines.filter_map(|(number, (uid, holds))| {
        let now = numbers.moved.get(&number).unwrap_or(uid);
        stays(*uid, *holds).then_some((*now, number))
    });
    // Two lines of one UID would be no list; the first, which is the source's, counts.
    let lines = merged(entries, lines).filter_map(|(uid, origin)| match origin {
        Origin::First(index) => maker.line_of_entry(index as usize, uid),
        Origin::Second(number) => maker.line_that_stays(number),
    });
    list.lines = match old {
        Some(old) => UidLines::sharing(lines, &old.lines),
        None => lines.collect(),
    };
    let last = list.lines.uids().last();
    let above_last = last.map_or(1, |uid| uid.value().saturating_add(1));
    let above_source = match mode {
        Mode::AfterCutover if goes_on.is_some() => 1,
        _ => source.uid_next,
    };
    let next = list.next_uid.max(numbers.next);
    list.next_uid = next.max(above_source).max(above_last);
    list
}

/// Makes the lines of a list.
struct Maker<'a, F> {
    source: &'a SourceFolder<'a>,
    disk: &'a OnDisk,
    plan: &'a FolderPlan,
    /// Of each file its line on disk.
    lines: &'a [Option<Place>],
    numbers: &'a Numbers,
    /// By file the base name that it is to have, where that changes.
    new_names: HashMap<u32, &'a str>,
    /// What POP3 announces.
    announced: LazyCell<Option<Finder<'a>>, F>,
}

impl<'a, F: FnOnce() -> Option<Finder<'a>>> Maker<'a, F> {
    /// The line of an entry that is on disk.
    fn line_of_entry(&self, index: usize, uid: Uid) -> Option<UidLine> {
        let file = (*self.plan.files.get(index)?)?.at();
        let old_line = line_of(self.disk, self.lines, file);
        let is_new = old_line.is_none();
        let mut line = old_line.unwrap_or_else(|| UidLine {
            uid,
            fields: Box::default(),
            name: Box::default(),
        });
        line.uid = uid;
        if let Some(name) = self.new_names.get(&file) {
            line.name = (*name).into();
        } else if is_new && let Some(file) = self.disk.files.get(file) {
            line.name = file.base;
        }
        if self.plan.mode != Mode::AfterCutover || is_new {
            announce(&mut line, self.source, self.plan, index);
        }
        Some(line)
    }

    /// A line on disk that is no entry's, as it is to be.
    fn line_that_stays(&self, number: u32) -> Option<UidLine> {
        let mut line = self.disk.uidlist.as_ref()?.lines.get(number as usize)?;
        if let Some(uid) = self.numbers.moved.get(&number) {
            line.uid = *uid;
        }
        if self.plan.mode == Mode::AfterCutover {
            return Some(line);
        }
        // The positions are those of the source's listing, in which it no longer is.
        if self.source.uidls.is_some() && line.field('O').is_some() {
            line.set_field('O', None);
        }
        // A message that went and came back at the source has its UIDL there.
        let is_announced = |uidl| {
            let announced = self.announced.as_ref();
            announced.is_some_and(|finder| finder.has(uidl))
        };
        if line.field('P').is_some_and(is_announced) {
            line.set_field('P', None);
        }
        Some(line)
    }
}

/// Whether the message that the target has as `uid` is gone at the source, so that a line without a file is
/// that of a message which a run that was cut has removed.
fn has_ended(source: &SourceFolder<'_>, past: &Past<'_>, uid: Uid) -> bool {
    let seen = past.seen.filter(|seen| seen.validity == source.validity);
    let known = seen.and_then(|seen| {
        let uid = seen.source_uid(uid)?;
        let is_known = seen.marks(uid).is_some();
        let is_copy = source.collected.is_none() && seen.collected.contains(uid);
        (is_known && !is_copy).then_some(uid)
    });
    known.is_some_and(|uid| !source.has(uid))
}

fn new_names(plan: &FolderPlan) -> HashMap<u32, &str> {
    let renamed = plan.steps.iter().filter_map(|step| match step {
        Step::Rename { file, to } => Some((*file, to.base.as_deref()?)),
        _ => None,
    });
    renamed.collect()
}

fn line_of(disk: &OnDisk, lines: &[Option<Place>], file: u32) -> Option<UidLine> {
    let line = (*lines.get(file as usize)?)?;
    disk.uidlist.as_ref()?.lines.get(line.at() as usize)
}

/// Puts the UIDL and the POP3 position of entry `index` into its line. Mail that comes after the
/// cutover has no position: it is listed last, below what clients have seen.
pub(super) fn announce(
    line: &mut UidLine,
    source: &SourceFolder<'_>,
    plan: &FolderPlan,
    index: usize,
) {
    let Some(announced) = super::announced(source, index) else {
        return;
    };
    let position = announced.position.to_string();
    if plan.mode != Mode::AfterCutover && line.field('O') != Some(&position) {
        line.set_field('O', Some(&position));
    }
    if plan.withheld_uidls.contains(&index) {
        return;
    }
    let uidl = plan.kept_uidls.get(&index).unwrap_or(&announced.uidl);
    if line.field('P') != Some(uidl.as_str()) {
        line.set_field('P', Some(uidl.as_str()));
    }
}

impl FolderPlan {
    /// The whole list with `new` lines in it; a new line replaces the one with its UID. `None`
    /// where the folder has no list file.
    pub fn list_with<'l>(&'l self, new: &'l UidLines) -> Option<Extended<'l>> {
        self.list.as_ref().map(|list| list.with(new))
    }

    /// The suffixes that files on disk get, where they get others.
    pub fn new_suffixes(&self) -> HashMap<u32, &str> {
        let renamed = self.steps.iter().filter_map(|step| match step {
            Step::Rename { file, to } => Some((*file, to.suffix.as_deref()?)),
            _ => None,
        });
        renamed.collect()
    }

    /// Files of which neither the name nor the line tells the size (an earlier run was cut before
    /// it wrote the line), with the entries that they hold.
    pub fn unmeasured<'d>(
        &'d self,
        disk: &'d OnDisk,
    ) -> impl Iterator<Item = (usize, Box<str>, DiskFile)> {
        let lines = self.list.iter().flat_map(|list| list.lines.iter());
        let untold =
            |line: &UidLine| size_field(&line.name, 'W').is_none() && line.field('W').is_none();
        let by_uid: HashMap<Uid, Box<str>> = lines
            .filter(untold)
            .map(|line| (line.uid, line.name))
            .collect();
        let entries = self.uids.iter().enumerate();
        entries.filter_map(move |(index, uid)| {
            let name = by_uid.get(&(*uid)?)?;
            let file = disk.files.get((*self.files.get(index)?)?.at())?;
            Some((index, name.clone(), file))
        })
    }
}

/// A line for the file of entry `index`, just written. Sizes go into the line where the name does
/// not carry them.
pub fn new_line(
    source: &SourceFolder<'_>,
    plan: &FolderPlan,
    index: usize,
    name: &str,
    size: u64,
    virtual_size: u64,
) -> UidLine {
    let uid = plan.uids.get(index).copied().flatten();
    let mut line = UidLine {
        uid: uid.unwrap_or(source.entries[index].uid),
        fields: Box::default(),
        name: name.into(),
    };
    for (key, value) in [('W', virtual_size), ('S', size)] {
        if size_field(name, key).is_none() {
            line.set_field(key, Some(&value.to_string()));
        }
    }
    announce(&mut line, source, plan, index);
    line
}

/// The mailbox GUID: the same in every run, so that a run that was cut ends in the same tree.
fn guid(source: &SourceFolder<'_>, validity: UidValidity) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mailseed mailbox guid\0");
    hasher.update(source.owner.as_bytes());
    for part in source.path.parts() {
        hasher.update(b"\0");
        hasher.update(part.as_bytes());
    }
    hasher.update(&validity.value().to_be_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
