//! Copies of messages in other folders (see [`crate::plan::collect`]), and messages that were such.

use std::collections::HashMap;

use super::super::on_disk::{DiskFile, OnDisk};
use super::super::{Mode, Past, SourceFolder, announced};
use super::{Recognised, Recogniser, Role};
use crate::mail::{Uid, UidLine, UidSet, Uidl};
use crate::naming::Identity;
use crate::naming::message::UidlDigest;

impl Recogniser<'_> {
    /// A message that the last run has seen under `uid`, and that the listing has no longer.
    pub(super) fn gone(&self, uid: Uid) -> Role {
        let seen = self.past.seen;
        let was_copy = seen.is_some_and(|seen| seen.collected.contains(uid));
        match was_copy && self.source.collected.is_none() {
            true => Role::Copy(uid),
            false => Role::Gone(uid),
        }
    }

    /// Copies are known by their UIDL. So a message that is moved at the source from INBOX to another
    /// folder, or back, is the one that lies here already.
    pub(super) fn by_uidl(&mut self) {
        let source = self.source;
        let seen = self.past.seen;
        let had_copies = seen.is_some_and(|seen| !seen.collected.is_empty());
        let has_copies = source.collected.is_some_and(|copies| !copies.is_empty());
        if source.digests.is_some() || !(had_copies || has_copies) {
            return;
        }
        let uidls = (0..source.entries.len()).filter_map(|index| {
            let announced = announced(source, index)?;
            Some((index, announced.uidl))
        });
        let by_digest: HashMap<UidlDigest, usize> = uidls
            .clone()
            .map(|(index, uidl)| (UidlDigest::of(&uidl), index))
            .collect();
        let copies: HashMap<Uidl, usize> = uidls
            .filter(|(index, _)| *index >= source.own())
            .map(|(index, uidl)| (uidl, index))
            .collect();
        let disk = self.disk;
        // Names first: the file that bears a UIDL in its name holds that message, whatever another
        // file's line says.
        for (at, file) in (0..).zip(disk.files.iter()) {
            if let Some(Identity::Pop3(_, _, digest)) = Identity::parse(&file.base)
                && let Some(index) = by_digest.get(&digest)
            {
                self.is_entry(at, *index);
            }
        }
        for (at, file) in (0..).zip(disk.files.iter()) {
            let listed = self.line_of(at).and_then(|line| {
                let uidl = Uidl::parse(line.field('P')?.as_bytes()).ok()?;
                Some((copies.get(&uidl)?, line))
            });
            if let Some((index, line)) = listed
                && !self.is_own(&file, &line)
            {
                self.is_entry(at, *index);
            }
        }
    }

    fn line_of(&self, file: u32) -> Option<UidLine> {
        let line = (*self.found.lines.get(file as usize)?)?;
        self.disk.uidlist.as_ref()?.lines.get(line.at() as usize)
    }

    /// Whether a file holds a message that the folder has at the source itself.
    fn is_own(&self, file: &DiskFile, line: &UidLine) -> bool {
        let uid = match Identity::parse(&file.base) {
            Some(Identity::Imap(validity, uid)) if validity == self.source.validity => Some(uid),
            Some(_) => None,
            None => (self.past.seen).map_or(Some(line.uid), |seen| seen.source_uid(line.uid)),
        };
        let index = uid.and_then(|uid| self.entry_of(uid));
        index.is_some_and(|index| index < self.source.own())
    }
}

impl Recognised {
    /// The UIDs of copies that nobody collects any more, and that are not to go. Those that are
    /// messages of INBOX now are none.
    pub(in crate::plan) fn copies(
        &self,
        source: &SourceFolder<'_>,
        disk: &OnDisk,
        past: &Past<'_>,
        mode: Mode,
    ) -> UidSet {
        let seen = past.seen.filter(|seen| seen.validity == source.validity);
        let (Some(seen), None, false) = (seen, source.collected, mode == Mode::Mirror) else {
            return UidSet::default();
        };
        let list = disk.uidlist.as_ref();
        let files = self.roles.iter().zip(disk.files.iter()).zip(&self.lines);
        let own = files.filter_map(|((role, file), line)| match Identity::parse(&file.base) {
            _ if !matches!(role, Role::Entry(_)) => None,
            Some(Identity::Pop3(_, uid, _)) => Some(uid),
            Some(Identity::Imap(..)) => None,
            None => seen.source_uid(*list?.lines.uids().get((*line)?.at() as usize)?),
        });
        seen.collected.difference(&own.collect())
    }

    /// How many copies are on disk that nobody collects any more.
    pub(in crate::plan) fn kept_copies(&self) -> u64 {
        let copies = self.roles.iter();
        copies.filter(|role| matches!(role, Role::Copy(_))).count() as u64
    }
}
