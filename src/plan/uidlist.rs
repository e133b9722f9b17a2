//! The `dovecot-uidlist` that a folder is to have.

use std::collections::{HashMap, HashSet};

use super::on_disk::{DiskFile, OnDisk};
use super::{FolderPlan, SourceFolder, Step, announced};
use crate::mail::{Uid, UidLine, UidList};
use crate::naming::message::size_field;

/// The list without the messages still to be delivered: the old lines, foreign ones too, and a
/// line for each message of the source that is on disk. A line whose file is gone stays: a server
/// may be renaming it this very moment, and a line without a file does no harm.
pub(super) fn desired(
    source: &SourceFolder<'_>,
    disk: &OnDisk,
    plan: &FolderPlan,
    old: Option<&UidList>,
) -> UidList {
    let mut list = old
        .cloned()
        .unwrap_or_else(|| UidList::new(source.validity, source.uid_next, guid(source)));
    list.guid.get_or_insert_with(|| guid(source));
    let renamed: HashMap<u32, &str> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Rename { file, to } => Some((*file, to.as_str())),
            _ => None,
        })
        .collect();
    let mut lines = std::mem::take(&mut list.lines).into_iter().peekable();
    for (index, file) in plan.files.iter().enumerate() {
        let uid = source.entries[index].uid;
        while let Some(line) = lines.next_if(|line| line.uid < uid) {
            list.lines.push(line);
        }
        let old_line = lines.next_if(|line| line.uid == uid);
        let Some(file) = *file else {
            // To be delivered: its line is written with the file's new name.
            if !source.is_selected(uid) {
                list.lines.extend(old_line);
            }
            continue;
        };
        let name = renamed
            .get(&file)
            .copied()
            .unwrap_or(&disk.files[file as usize].base);
        let mut line = old_line.unwrap_or_else(|| UidLine {
            uid,
            fields: Box::default(),
            name: name.into(),
        });
        if *line.name != *name {
            line.name = name.into();
        }
        announce(&mut line, source, index);
        list.lines.push(line);
    }
    list.lines.extend(lines);
    let above_last = list
        .lines
        .last()
        .map_or(1, |line| line.uid.value().saturating_add(1));
    let above_source = source
        .entries
        .last()
        .map_or(1, |entry| entry.uid.value().saturating_add(1));
    list.next_uid = list
        .next_uid
        .max(source.uid_next)
        .max(above_last)
        .max(above_source);
    list
}

/// Puts the UIDL and the POP3 position of entry `index` into its line.
pub(super) fn announce(line: &mut UidLine, source: &SourceFolder<'_>, index: usize) {
    if let Some(announced) = announced(source, index) {
        let position = announced.position.to_string();
        if line.field('O') != Some(&position) {
            line.set_field('O', Some(&position));
        }
        if line.field('P') != Some(announced.uidl.as_str()) {
            line.set_field('P', Some(announced.uidl.as_str()));
        }
    }
}

impl FolderPlan {
    /// The whole list with `new` lines in it; a new line replaces the one with its UID. `None`
    /// where the folder has no list file.
    pub fn list_with(&self, new: Vec<UidLine>) -> Option<UidList> {
        let mut list = self.list.clone()?;
        let replaced: HashSet<Uid> = new.iter().map(|line| line.uid).collect();
        list.lines.retain(|line| !replaced.contains(&line.uid));
        list.lines.extend(new);
        list.lines.sort_by_key(|line| line.uid);
        Some(list)
    }

    /// Files of which neither the name nor the line tells the size (an earlier run was cut before
    /// it wrote the line), with the entries that they hold.
    pub fn unmeasured<'d>(
        &'d self,
        source: &'d SourceFolder<'_>,
        disk: &'d OnDisk,
    ) -> impl Iterator<Item = (usize, String, &'d DiskFile)> {
        let lines = self.list.as_ref().map_or(&[][..], |list| &list.lines);
        lines.iter().filter_map(move |line| {
            let told = size_field(&line.name, 'W').is_some() || line.field('W').is_some();
            let index = source
                .entries
                .binary_search_by_key(&line.uid, |entry| entry.uid)
                .ok()
                .filter(|_| !told)?;
            let file = &disk.files[self.files[index]? as usize];
            Some((index, line.name.to_string(), file))
        })
    }
}

/// A line for a file just written. Sizes go into the line where the name does not carry them.
pub fn new_line(
    source: &SourceFolder<'_>,
    index: usize,
    name: &str,
    size: u64,
    virtual_size: u64,
) -> UidLine {
    let uid: Uid = source.entries[index].uid;
    let mut line = UidLine {
        uid,
        fields: Box::default(),
        name: name.into(),
    };
    for (key, value) in [('W', virtual_size), ('S', size)] {
        if size_field(name, key).is_none() {
            line.set_field(key, Some(&value.to_string()));
        }
    }
    announce(&mut line, source, index);
    line
}

/// The mailbox GUID: the same in every run, so that a run that was cut ends in the same tree.
fn guid(source: &SourceFolder<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"mailseed mailbox guid\0");
    hasher.update(source.owner.as_bytes());
    for part in source.path.parts() {
        hasher.update(b"\0");
        hasher.update(part.as_bytes());
    }
    hasher.update(&source.validity.value().to_be_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
