//! Which messages of a folder a person means by a text. Pure.

use super::View;
use crate::mail::header::bare_message_id;
use crate::mail::{Uid, UidLine};
use crate::naming::Identity;
use crate::plan::on_disk::DiskFile;

/// Everything that the text may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key<'k> {
    /// As it is: a UIDL.
    pub text: &'k str,
    /// Without directories and flags: the name of a file.
    pub base: &'k str,
    /// `FOLDER:UID`, or a UID alone.
    pub uid: Option<(Option<&'k str>, Uid)>,
    /// Without `<` and `>`.
    pub message_id: Option<&'k str>,
}

impl<'k> Key<'k> {
    pub fn new(text: &'k str) -> Self {
        let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
        let (folder, number) = match text.rsplit_once(':') {
            Some((folder, number)) => (Some(folder), number),
            None => (None, text),
        };
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let uid = number.parse().ok().filter(|_| is_number).and_then(Uid::new);
        let is_message_id = text.starts_with('<') || text.contains('@');
        Self {
            text,
            base: name.split(':').next().unwrap_or(name),
            uid: uid.map(|uid| (folder, uid)),
            message_id: is_message_id.then(|| bare_message_id(text)),
        }
    }
}

/// Something that was found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hit {
    /// A message: its UID, and the index of its file.
    Message(Option<Uid>, Option<u32>),
    /// A message without a UID that was not exported: which of the recorded ones.
    Skipped(usize),
    /// A UIDL without a message: which of the recorded ones.
    Extra(usize),
    /// A UIDL of a message in another folder.
    Elsewhere(String),
}

impl Hit {
    /// The message in file `index`.
    pub fn of_file(view: &View<'_>, index: u32) -> Self {
        let file = view.disk.files.get(index);
        let uid = file.and_then(|file| view.uid_of(&file));
        Self::Message(uid, Some(index))
    }

    fn of_uid(view: &View<'_>, uid: Uid) -> Self {
        Self::Message(Some(uid), view.file_of(uid))
    }
}

impl View<'_> {
    /// The line of the list for a UID.
    pub fn line_of(&self, uid: Uid) -> Option<UidLine> {
        let lines = &self.disk.uidlist.as_ref()?.lines;
        let at = lines.uids().binary_search(&uid).ok()?;
        lines.get(at)
    }

    /// The UID of a file: by the list, else by its name.
    fn uid_of(&self, file: &DiskFile) -> Option<Uid> {
        let lines = self.disk.uidlist.iter().flat_map(|list| list.lines.iter());
        let mut listed = lines.filter(|line| line.name == file.base);
        let listed = listed.next().map(|line| line.uid);
        listed.or_else(|| self.uid_in_name(file))
    }

    /// The index of the file of a UID: by the list, else by its name.
    fn file_of(&self, uid: Uid) -> Option<u32> {
        let line = self.line_of(uid);
        let is_it = |file: &DiskFile| match &line {
            Some(line) => file.base == line.name,
            None => self.uid_in_name(file) == Some(uid),
        };
        let mut files = (0..).zip(self.disk.files.iter());
        files.find_map(|(at, file)| is_it(&file).then_some(at))
    }

    /// The UID that a name carries, under the folder's UIDVALIDITY.
    fn uid_in_name(&self, file: &DiskFile) -> Option<Uid> {
        let (Identity::Imap(validity, uid) | Identity::Pop3(validity, uid, _)) =
            Identity::parse(&file.base)?;
        let list = self.disk.uidlist.as_ref();
        let current = list
            .map(|list| list.validity.value())
            .or_else(|| self.record.and_then(|folder| folder.uid_validity));
        current
            .is_none_or(|current| current == validity.value())
            .then_some(uid)
    }

    /// The old server's UID of the message that has `uid` on the target, if it is one of the old server's: the
    /// record's UIDs are those of the old server. What has no UID here keeps its own.
    pub fn source_uid(&self, uid: Uid) -> Option<Uid> {
        let Some(folder) = self.record else {
            return Some(uid);
        };
        let renumbered = folder.renumbered.iter();
        let was = |(_, here): &(&u32, &u32)| **here == uid.value();
        if let Some((there, _)) = renumbered.clone().find(was) {
            return Uid::new(*there);
        }
        let is_anothers = folder.foreign.contains(uid) && self.line_of(uid).is_some();
        (!is_anothers).then_some(uid)
    }

    /// Whether the record knows of the message with this UID.
    pub fn has_recorded(&self, uid: Uid) -> bool {
        let Some(uid) = self.source_uid(uid) else {
            return false;
        };
        self.record.is_some_and(|folder| {
            let paired = folder.paired.as_ref();
            let mut skipped = folder.skipped.iter();
            skipped.any(|one| one.uid == Some(uid.value()))
                || folder
                    .left
                    .as_ref()
                    .is_some_and(|left| left.uids.contains(uid))
                || paired.is_some_and(|paired| {
                    paired.missing.contains(uid) || paired.stage_of(uid).is_some()
                })
        })
    }
}

/// Everything in the folder that `key` may mean, but for Message-IDs: each message once.
pub(super) fn hits(key: &Key<'_>, view: &View<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut add = |hit: Hit| {
        if !hits.contains(&hit) {
            hits.push(hit);
        }
    };
    if let Some((folder, uid)) = key.uid {
        let here = folder.map_or(view.takes_plain_uids, |folder| view.is_called(folder));
        let hit = Hit::of_uid(view, uid);
        let is_there = view.line_of(uid).is_some() || view.has_recorded(uid);
        if here && (is_there || matches!(hit, Hit::Message(_, Some(_)))) {
            add(hit);
        }
    }
    for (index, file) in (0..).zip(view.disk.files.iter()) {
        if *file.base == *key.base || *file.base == *key.text {
            add(Hit::of_file(view, index));
        }
    }
    let mut has_uidl = false;
    let lines = view.disk.uidlist.iter();
    for line in lines.flat_map(|list| list.lines.iter()) {
        // A lone P says that the name is the UIDL.
        let uidl = match line.field('P') {
            Some("") => Some(&*line.name),
            uidl => uidl,
        };
        if uidl == Some(key.text) || *line.name == *key.base {
            has_uidl |= uidl == Some(key.text);
            add(Hit::of_uid(view, line.uid));
        }
    }
    let Some(record) = view.record else {
        return hits;
    };
    for (index, skipped) in record.skipped.iter().enumerate() {
        if skipped.uidl.as_deref() == Some(key.text) {
            add(match skipped.uid.and_then(Uid::new) {
                Some(uid) => Hit::of_uid(view, uid),
                None => Hit::Skipped(index),
            });
        }
    }
    let extras = record.paired.iter().flat_map(|paired| &paired.extra);
    for (index, extra) in extras.enumerate() {
        if extra.uidl.as_deref() == Some(key.text) {
            add(Hit::Extra(index));
        }
    }
    let paired = record.paired.as_ref();
    // The story of a copy says what it is a copy of.
    if !has_uidl && paired.is_some_and(|paired| paired.elsewhere(key.text).is_some()) {
        add(Hit::Elsewhere(key.text.to_owned()));
    }
    hits
}
