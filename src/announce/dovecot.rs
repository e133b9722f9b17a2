//! Dovecot: UIDLs, order and sizes by `dovecot-uidlist`; messages that it does not know get UIDs in
//! the order of their names (`maildir-uidlist.c`, `maildir-mail.c`, `pop3-client.c`).
//!
//! Settings that change what is announced and are not asked for are taken to be the defaults:
//! `pop3_reuse_xuidl`, `pop3_fast_size_lookups`, `pop3_uidl_duplicates`, `pop3_deleted_flag`,
//! `maildir_broken_filename_sizes`, and that control files lie in the Maildir. `pop3_lock_session` and
//! messages marked as deleted make no difference.

mod format;
mod name_order;
mod validity;

use std::collections::{HashMap, HashSet};

use super::doubt::{Doubt, DovecotDoubt, Sample};
use super::maildrop::{MailFile, Maildrop};
use super::{Expected, Listing, Octets};
use crate::mail::uidlist::{AsRead, LineAsRead};
use crate::naming::message::size_in_name;

pub use format::UidlFormat;
pub(super) use validity::hex;

/// What Dovecot lists when somebody logs in at `now`.
pub(super) fn list(maildrop: &Maildrop, format: &UidlFormat, now: i64) -> Listing {
    let mut listing = Listing::default();
    let bytes = maildrop.controls.dovecot_uidlist.as_deref();
    let read = bytes.map(AsRead::of).unwrap_or_default();
    let doubts = &mut listing.doubts;
    let is_empty = maildrop.files.is_empty();
    if bytes.is_none() && !is_empty {
        doubts.push(DovecotDoubt::NoUidList.into());
    }
    doubts.extend(told(read.fault, DovecotDoubt::BrokenUidList));
    if read.is_unfinished {
        doubts.push(DovecotDoubt::UnfinishedUidList.into());
    }
    doubts.extend(told(
        Sample::of(&read.doubled),
        DovecotDoubt::LinesForOneName,
    ));
    let (validity, next_uid) = match &read.head {
        Some(head) => (head.validity.value(), head.next_uid),
        None => {
            let (value, source) = validity::next(&maildrop.controls, now);
            if !is_empty {
                doubts.push(DovecotDoubt::NewValidity(value, source).into());
            }
            (value, 1)
        }
    };

    let files = shown(maildrop, doubts);
    let mut lines: HashMap<&[u8], &LineAsRead<'_>> =
        read.lines.iter().map(|line| (line.name, line)).collect();
    let mut placed = Vec::with_capacity(files.len());
    let mut unlisted = Vec::new();
    for (index, file) in files {
        match lines.remove(file.base()) {
            Some(line) => placed.push(Placed::listed(index, file, line)),
            None => unlisted.push((index, file)),
        }
    }
    if !lines.is_empty() {
        doubts.push(Doubt::LinesWithoutFile(lines.len()));
    }
    placed.extend(number(unlisted, next_uid, doubts));

    let wrong = placed.iter().filter(|placed| placed.has_wrong_size());
    let wrong: Vec<&[u8]> = wrong.map(|placed| &*placed.file.name).collect();
    doubts.extend(told(Sample::of(&wrong), DovecotDoubt::WrongSize));
    placed.sort_by_key(|placed| (placed.order(), placed.uid));
    let entries = placed.iter().map(|placed| Expected {
        file: placed.index,
        uidl: placed.uidl(format, validity),
        octets: placed.octets(),
    });
    listing.entries = entries.collect();
    listing
}

/// What was found, if anything was, as a doubt.
fn told<T>(found: Option<T>, doubt: impl FnOnce(T) -> DovecotDoubt) -> Option<Doubt> {
    Some(doubt(found?).into())
}

/// The files that Dovecot takes for messages, one for each base name.
fn shown<'m>(maildrop: &'m Maildrop, doubts: &mut Vec<Doubt>) -> Vec<(usize, &'m MailFile)> {
    let mut names = HashSet::with_capacity(maildrop.files.len());
    let (mut broken, mut nameless, mut same) = (Vec::new(), Vec::new(), Vec::new());
    let mut shown = Vec::with_capacity(maildrop.files.len());
    for (index, file) in maildrop.files.iter().enumerate() {
        if file.base().is_empty() {
            nameless.push(&*file.name);
        } else if file.name.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            broken.push(&*file.name);
        } else if names.insert(file.base()) {
            shown.push((index, file));
        } else {
            same.push(&*file.name);
        }
    }
    let found = [
        told(Sample::of(&broken), DovecotDoubt::LineBreak),
        told(Sample::of(&nameless), DovecotDoubt::NoBaseName),
        Sample::of(&same).map(Doubt::SameName),
    ];
    doubts.extend(found.into_iter().flatten());
    shown
}

/// Gives UIDs from `next_uid` on, in the order of names.
fn number<'m>(
    unlisted: Vec<(usize, &'m MailFile)>,
    next_uid: u32,
    doubts: &mut Vec<Doubt>,
) -> Vec<Placed<'m>> {
    // The highest number is none that Dovecot gives.
    let left = usize::try_from(u32::MAX - next_uid).unwrap_or(usize::MAX);
    let (mut sorted, unclear) = name_order::sorted(unlisted);
    doubts.extend(told(Sample::of(&unclear), DovecotDoubt::NameOrder));
    let beyond = sorted.split_off(left.min(sorted.len()));
    let beyond: Vec<&[u8]> = beyond.iter().map(|(_, file)| &*file.name).collect();
    doubts.extend(told(Sample::of(&beyond), DovecotDoubt::NoUidsLeft));
    let numbered: Vec<Placed<'m>> = (next_uid..)
        .zip(sorted)
        .map(|(uid, (index, file))| Placed {
            index,
            file,
            uid,
            line: None,
        })
        .collect();
    if let [first, .., last] | [first @ last] = numbered.as_slice() {
        doubts.push(DovecotDoubt::NewUids(numbered.len(), first.uid, last.uid).into());
    }
    numbered
}

/// A message with its UID.
struct Placed<'m> {
    index: usize,
    file: &'m MailFile,
    uid: u32,
    line: Option<LineAsRead<'m>>,
}

impl<'m> Placed<'m> {
    fn listed(index: usize, file: &'m MailFile, line: &LineAsRead<'m>) -> Self {
        Self {
            index,
            file,
            uid: line.uid,
            line: Some(*line),
        }
    }

    fn field(&self, key: u8) -> Option<&'m [u8]> {
        self.line?.field(key)
    }

    fn number(&self, key: u8) -> Option<u64> {
        let digits = self.field(key)?;
        let plain = digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits)
            .ok()
            .filter(|_| plain)?
            .parse()
            .ok()
    }

    /// What messages are ordered by, before their UIDs.
    fn order(&self) -> u64 {
        self.number(b'O').unwrap_or(u64::from(u32::MAX))
    }

    fn uidl(&self, format: &UidlFormat, validity: u32) -> Box<[u8]> {
        let base = self.file.base();
        match self.field(b'P') {
            Some(b"") => base.into(),
            Some(uidl) => uidl.into(),
            None => {
                let guid = self.field(b'G').filter(|guid| !guid.is_empty());
                format.uidl(self.uid, validity, base, guid.unwrap_or(base))
            }
        }
    }

    fn octets(&self) -> Octets {
        let told = size_in_name(&self.file.name, b'W').or_else(|| self.number(b'W'));
        told.map_or(Octets::BareLf, Octets::Known)
    }

    fn has_wrong_size(&self) -> bool {
        let told = size_in_name(&self.file.name, b'S').or_else(|| self.number(b'S'));
        told.is_some_and(|told| told != self.file.size)
    }
}
