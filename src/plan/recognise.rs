//! Which file on disk is which message of the source.

mod copies;

use super::on_disk::{DiskFile, OnDisk, Place};
use super::{Past, SourceFolder, announced};
use crate::mail::{Uid, UidLine, UidValidity};
use crate::naming::message::{size_field, uidl_name};
use crate::naming::uidl::courier_name;
use crate::naming::{BaseName, Identity};

/// What a file on disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A message that the source has, by its place in the listing.
    Entry(u32),
    /// A message that the source had under this UID when it was last seen, and has no longer.
    Gone(Uid),
    /// A copy of a message in another folder, with the UID that it was given: an earlier run has
    /// collected it, and this one collects nothing.
    Copy(Uid),
    /// A message of the source by its name, of which nothing more is known.
    Ours,
    /// A message that the source never had, or that was deleted there because it is here.
    Local,
}

/// What a file in a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A message that the source has.
    Entry,
    /// Any other.
    Other,
}

/// The files on disk and the messages of the source, held against each other.
#[derive(Debug)]
pub(super) struct Recognised {
    /// For each entry of the source the file that holds it.
    pub files: Vec<Option<Place>>,
    /// For each file what it is.
    pub roles: Vec<Role>,
    /// For each file its line in the list on disk.
    pub lines: Vec<Option<Place>>,
}

impl Recognised {
    /// For each line of the list on disk whose message its file holds; `None` where that is gone.
    pub fn holders(&self, disk: &OnDisk) -> Vec<Option<Holds>> {
        let count = disk.uidlist.as_ref().map_or(0, |list| list.lines.len());
        let mut holders = vec![None; count];
        for (line, role) in self.lines.iter().zip(&self.roles) {
            if let Some(slot) = line.and_then(|line| holders.get_mut(line.at() as usize)) {
                *slot = Some(match role {
                    Role::Entry(_) => Holds::Entry,
                    _ => Holds::Other,
                });
            }
        }
        holders
    }
}

/// Recognises files by their UIDL as their name, by the UIDL of a copy, by what an earlier comparison
/// of contents has found, by the identity in their name, and by the list.
pub(super) fn recognise(source: &SourceFolder<'_>, disk: &OnDisk, past: &Past<'_>) -> Recognised {
    let mut recogniser = Recogniser {
        source,
        disk,
        past,
        found: Recognised {
            files: vec![None; source.entries.len()],
            roles: vec![Role::Local; disk.files.len()],
            lines: vec![None; disk.files.len()],
        },
    };
    if !disk.files.is_empty() {
        recogniser.run();
    }
    recogniser.found
}

struct Recogniser<'a> {
    source: &'a SourceFolder<'a>,
    disk: &'a OnDisk,
    past: &'a Past<'a>,
    found: Recognised,
}

impl<'a> Recogniser<'a> {
    fn run(&mut self) {
        let disk = self.disk;
        let by_name = disk.files.by_base();
        for index in 0..self.source.entries.len() {
            let Some(announced) = announced(self.source, index) else {
                continue;
            };
            let uidl = &announced.uidl;
            let own = uidl_name(uidl).ok();
            let of_courier = courier_name(uidl).ok().flatten();
            // Mostly they are the same.
            let of_courier = of_courier.filter(|name| own.as_ref() != Some(name));
            let names = [own, of_courier];
            let is_rematched = |name: &str| {
                let rematched = self.past.rematched;
                rematched.is_some_and(|found| found.contains_key(name))
            };
            let names = names.iter().flatten().map(BaseName::as_str);
            let mut files = names
                .filter(|name| !is_rematched(name))
                .filter_map(|name| by_name.get(name));
            if let Some(file) = files.next() {
                self.is_entry(file, index);
            }
        }
        let mut listed: Vec<Option<Place>> = Vec::new();
        if let Some(list) = &disk.uidlist {
            listed.reserve_exact(list.lines.len());
            list.lines.each_name(|name| {
                let file = by_name.get(name);
                let slot = file.and_then(|file| self.found.lines.get_mut(file as usize));
                if let Some(slot) = slot {
                    *slot = Place::of(listed.len());
                }
                listed.push(file.and_then(Place::new));
            });
        }
        drop(by_name);
        self.by_uidl();
        let mut contradicted = Vec::new();
        let mut some_agree = false;
        for (at, file) in (0..).zip(disk.files.iter()) {
            let rematched = self.past.rematched;
            if let Some(uid) = rematched.and_then(|found| found.get(&file.base)) {
                match self.entry_of(*uid) {
                    Some(index) => self.is_entry(at, index),
                    None => self.set(at, Role::Ours),
                }
                continue;
            }
            let Some(identity) = Identity::parse(&file.base) else {
                continue;
            };
            match self.is_listed_as_named(at, identity) {
                Some(false) => contradicted.push((at, file, identity)),
                agrees => {
                    some_agree |= agrees.is_some();
                    self.by_identity(at, identity);
                }
            }
        }
        for (at, file, identity) in contradicted {
            if self.is_name_to_be_trusted(&file, identity, some_agree) {
                self.by_identity(at, identity);
            }
        }
        let lines = disk.uidlist.as_ref().map(|list| &list.lines);
        for (number, file) in listed.into_iter().enumerate() {
            let open = file.filter(|file| self.role(file.at()) == Role::Local);
            if let Some(file) = open
                && let Some(line) = lines.and_then(|lines| lines.get(number))
            {
                self.by_line(file.at(), &line);
            }
        }
    }

    /// Whether the UID in the name is that of the line; `None` where one of them says nothing.
    fn is_listed_as_named(&self, at: u32, identity: Identity) -> Option<bool> {
        let Identity::Imap(validity, uid) = identity else {
            return None;
        };
        let list = self.disk.uidlist.as_ref();
        let list = list.filter(|list| list.validity == validity)?;
        let line = (*self.found.lines.get(at as usize)?)?;
        let listed = *list.lines.uids().get(line.at() as usize)?;
        let seen = self.past.seen.filter(|seen| seen.validity == validity);
        let listed = seen.map_or(Some(listed), |seen| seen.source_uid(listed));
        Some(listed == Some(uid))
    }

    /// Whether a name is right although the list says another UID. A Dovecot moves a file between
    /// folders under the name that it has, and many servers give several folders one UIDVALIDITY: then
    /// the name tells of a message of the other folder. But a list that was lost has been made anew
    /// with UIDs of the server's own for all files, above those that the last run has written.
    fn is_name_to_be_trusted(&self, file: &DiskFile, identity: Identity, some_agree: bool) -> bool {
        let Identity::Imap(_, uid) = identity else {
            return false;
        };
        if let Some(seen) = self.past.seen {
            let written = seen.written_next.unwrap_or(1);
            let lines = self.disk.uidlist.iter();
            let mut uids = lines.flat_map(|list| list.lines.uids());
            let made_anew = uids.all(|uid| uid.value() >= written);
            // What a run that was cut had not listed yet may have been numbered too.
            return (made_anew && !some_agree) || seen.pending.contains(uid);
        }
        self.entry_of(uid).is_some_and(|index| {
            let entry = &self.source.entries[index];
            size_field(&file.base, 'W') == Some(entry.size)
                && file.mtime.is_none_or(|date| entry.date() == Some(date))
        })
    }

    fn role(&self, file: u32) -> Role {
        let roles = &self.found.roles;
        roles.get(file as usize).copied().unwrap_or(Role::Local)
    }

    fn set(&mut self, file: u32, role: Role) {
        if let Some(slot) = self.found.roles.get_mut(file as usize)
            && *slot == Role::Local
        {
            *slot = role;
        }
    }

    /// Of two files that could be one message the first found is; the other stays what it is.
    fn is_entry(&mut self, file: u32, index: usize) {
        if self.role(file) != Role::Local {
            return;
        }
        let number = u32::try_from(index).ok();
        if let (Some(slot @ None), Some(number)) = (self.found.files.get_mut(index), number) {
            *slot = Place::new(file);
            self.set(file, Role::Entry(number));
        }
    }

    fn entry_of(&self, uid: Uid) -> Option<usize> {
        let entries = self.source.entries;
        entries.binary_search_by_key(&uid, |entry| entry.uid).ok()
    }

    /// A file whose name says which message it is. The name that a message has in one folder says
    /// nothing in another: a server may have moved it.
    fn by_identity(&mut self, at: u32, identity: Identity) {
        let (validity, uid, index) = match identity {
            Identity::Imap(validity, uid) => {
                if !self.is_of_this_folder(validity) {
                    return;
                }
                let here = validity == self.source.validity;
                let index = self.entry_of(uid).filter(|_| here);
                let index = index.filter(|index| self.source.digest(*index).is_none());
                (validity, uid, index)
            }
            // A copy that the owner has moved out of INBOX.
            Identity::Pop3(validity, ..)
                if !self.source.in_root && !self.is_of_this_folder(validity) =>
            {
                return;
            }
            Identity::Pop3(validity, uid, digest) => {
                let index = self.entry_of(uid);
                let index = index.filter(|index| self.source.digest(*index) == Some(digest));
                (validity, uid, index)
            }
        };
        match index {
            Some(index) => self.is_entry(at, index),
            None => {
                self.set(at, self.role_of_gone(validity, uid));
            }
        }
    }

    /// Whether the folder has, or had, this UIDVALIDITY.
    fn is_of_this_folder(&self, validity: UidValidity) -> bool {
        let list = self.disk.uidlist.as_ref();
        validity == self.source.validity
            || self.past.seen.is_some_and(|seen| seen.validity == validity)
            || list.is_some_and(|list| list.validity == validity)
    }

    /// What a file is that has our name, while the source does not have `uid`: by what the last run
    /// has seen under the UIDVALIDITY that the name carries.
    fn role_of_gone(&self, validity: UidValidity, uid: Uid) -> Role {
        match self.past.seen.filter(|it| it.validity == validity) {
            Some(seen) if seen.deleted_at_source.contains(uid) => Role::Local,
            Some(seen) if seen.marks(uid).is_some() => self.gone(uid),
            _ => Role::Ours,
        }
    }

    /// A file whose name says nothing, in a line that may.
    fn by_line(&mut self, file: u32, line: &UidLine) {
        let list_validity = self.disk.uidlist.as_ref().map(|list| list.validity);
        if self.role(file) != Role::Local {
            return;
        }
        let seen = self
            .past
            .seen
            .filter(|seen| Some(seen.validity) == list_validity);
        let Some(uid) = seen.map_or(Some(line.uid), |seen| seen.source_uid(line.uid)) else {
            return;
        };
        let same_uids = list_validity == Some(self.source.validity);
        let index = self.entry_of(uid).filter(|_| same_uids);
        let was_exported = seen.map(|seen| seen.exported(uid));
        let is_only_copy = seen.is_some_and(|seen| seen.deleted_at_source.contains(uid));
        match (index, was_exported) {
            (None, _) if is_only_copy => {}
            (Some(index), Some(true)) => self.is_entry(file, index),
            (Some(index), _) if self.is_same(index, line, file, was_exported.is_none()) => {
                self.is_entry(file, index);
            }
            (None, Some(true)) => self.set(file, self.gone(uid)),
            _ => {}
        }
    }

    /// A file under a name that is not ours, listed with the UID of a message of the source: the
    /// same message if another tool staged it, another one if it was delivered here. Its UIDL
    /// tells, or where nothing is known of the folder its size and date.
    fn is_same(&self, index: usize, line: &UidLine, file: u32, nothing_known: bool) -> bool {
        let entry = &self.source.entries[index];
        let uidls = self.source.uidls.zip(line.field('P'));
        let uidl_matches = uidls.is_some_and(|(uidls, listed)| uidls.is_uidl(index, listed));
        if uidl_matches || !nothing_known {
            return uidl_matches;
        }
        let size = size_field(&line.name, 'W')
            .or_else(|| line.field('W').and_then(|size| size.parse().ok()));
        let date = self.disk.files.mtime(file);
        size == Some(entry.size) && date.is_none_or(|date| entry.date() == Some(date))
    }
}

/// Files that came from the source under UIDs that no longer hold, and entries of the source that no
/// file is known to hold, each by its place: they may be the same messages.
pub(super) fn estranged(
    source: &SourceFolder<'_>,
    disk: &OnDisk,
    past: &Past<'_>,
) -> (Vec<u32>, Vec<usize>) {
    let found = recognise(source, disk, past);
    let seen_under_other = past
        .seen
        .is_some_and(|seen| seen.validity != source.validity);
    let files = (0..).zip(found.roles.iter().zip(disk.files.iter()));
    let strangers = files.filter_map(|(at, (role, file))| {
        let other = match Identity::parse(&file.base) {
            Some(Identity::Imap(validity, _)) => validity != source.validity,
            Some(Identity::Pop3(..)) => source.digests.is_none(),
            None => seen_under_other,
        };
        (other && matches!(role, Role::Gone(_) | Role::Ours)).then_some(at)
    });
    let strangers: Vec<u32> = strangers.collect();
    let open = found.files.iter().enumerate();
    let open = open.filter_map(|(index, file)| file.is_none().then_some(index));
    (strangers, open.collect())
}
