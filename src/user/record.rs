//! Keeps the user's record (see [`crate::state`]) while an attempt goes on.

use std::collections::HashMap;

use tracing::Level;

use super::attempt::{Attempt, Shown};
use crate::mail::{FolderPath, Uid, UidSet, Uidl};
use crate::matching::Pairing;
use crate::naming::MaildirFolder;
use crate::plan::folders::Placed;
use crate::plan::pop3_only::Numbered;
use crate::problem::Problem;
use crate::report::Skip;
use crate::sink::tree::Tree;
use crate::sink::{control, target_problem};
use crate::source::{Examined, Maildrop};
use crate::state::{self, Extra, Fault, Folder, Left, POP3_ONLY, Paired, Record, Skipped};

/// The record as it is on disk, and as it is to be.
#[derive(Debug)]
pub(super) struct Book {
    on_disk: Option<Record>,
    record: Record,
}

impl Attempt<'_> {
    /// Reads the record. One that cannot be read is no loss; that of a newer mailseed is left to
    /// it.
    pub(super) fn open_book(&mut self, tree: &Tree) -> Result<(), Problem> {
        self.memory.book = None;
        let file = self.state_file();
        let bytes = control::read(tree.root(), file.as_str())
            .map_err(|error| target_problem(&format!("read {file}"), error))?;
        let on_disk = match bytes.as_deref().map(Record::parse) {
            None => None,
            Some(Ok(record)) => Some(record),
            Some(Err(fault @ Fault::Newer(_))) => {
                let line = format!("{file} is left as it is: {fault}");
                self.log.line(Level::WARN, line);
                return Ok(());
            }
            Some(Err(fault @ Fault::Damaged(_))) => {
                let line = format!("{file} is written anew: {fault}");
                self.log.line(Level::WARN, line);
                None
            }
        };
        let name = &self.user.name;
        let mut record = on_disk.clone().unwrap_or_else(|| Record::new(name));
        record.user.clone_from(name);
        if let Some(imap) = &self.user.imap {
            record.imap = Some(imap.endpoint.to_string());
        }
        if let Some(pop3) = &self.user.pop3 {
            record.pop3 = Some(pop3.endpoint.to_string());
        }
        self.memory.book = Some(Book { on_disk, record });
        Ok(())
    }

    /// Notes what was left out, and puts the record on disk. `result` is that of the attempt, which
    /// a record that cannot be written makes a failure.
    pub(super) fn close_book(
        &mut self,
        tree: &Tree,
        result: Result<(), Problem>,
    ) -> Result<(), Problem> {
        let failure = result.as_ref().err();
        if let Some(book) = &mut self.memory.book {
            for (path, tally) in self.memory.tally.folders() {
                let folder = book.record.folder(path);
                folder.problem = tally.problem.as_ref().map(Problem::to_string);
                let why = tally.why_pending(failure);
                note_left_out(folder, &tally.skips, &tally.pending, why.as_deref());
            }
        }
        let saved = self.save(Some(tree));
        match (result, saved) {
            (Err(problem), Err(second)) => {
                self.log.line(Level::ERROR, second.to_string());
                Err(problem)
            }
            (result, saved) => result.and(saved),
        }
    }

    /// Puts the record on disk, if there is anything new in it.
    pub(super) fn save(&mut self, tree: Option<&Tree>) -> Result<(), Problem> {
        let file = self.state_file();
        let (Some(tree), Some(book)) = (tree, &mut self.memory.book) else {
            return Ok(());
        };
        // Nothing seen is nothing to remember: a login that failed leaves no trace.
        if book.record.folders().is_empty() || book.on_disk.as_ref() == Some(&book.record) {
            return Ok(());
        }
        control::replace_in_root(tree, &file, |out| book.record.write_to(out))?;
        book.on_disk = Some(book.record.clone());
        Ok(())
    }

    fn state_file(&self) -> String {
        state::file_name(self.user.subfolder.as_ref())
    }

    pub(super) fn note_place(&mut self, placed: &Placed) {
        if let Some(folder) = self.noted(&placed.listed.path) {
            folder.wire_name = Some(placed.listed.wire_name.clone());
            let directory = placed.target.as_ref().ok();
            folder.directory = directory.map(MaildirFolder::to_string);
        }
    }

    pub(super) fn note_examined(&mut self, path: &FolderPath, examined: &Examined) {
        if let Some(folder) = self.noted(path) {
            let validity = examined.uid_validity.map(|validity| validity.value());
            folder.examined(validity, examined.uid_next);
        }
    }

    pub(super) fn note_pairing(
        &mut self,
        inbox: &Shown<'_>,
        pairing: &Pairing,
        maildrop: &Maildrop,
    ) {
        let path = &inbox.placed.listed.path;
        self.note_examined(path, &inbox.examined);
        if let Some(folder) = self.noted(path) {
            folder.pair(pairing, extras(pairing, maildrop));
        }
    }

    /// INBOX as POP3 lists it, where that is all there is.
    pub(super) fn note_numbered(&mut self, numbered: &Numbered, target: &MaildirFolder) {
        let Some(folder) = self.noted(&FolderPath::inbox()) else {
            return;
        };
        folder.wire_name = None;
        folder.directory = Some(target.to_string());
        folder.examined(Some(numbered.validity.value()), Some(numbered.uid_next));
        let all = numbered.entries.iter().zip(&numbered.uidls);
        let with: UidSet = all
            .clone()
            .filter_map(|(entry, uidl)| uidl.as_ref().map(|_| entry.uid))
            .collect();
        let missing = all.filter_map(|(entry, uidl)| uidl.is_none().then_some(entry.uid));
        folder.paired = Some(Paired {
            listed: numbered.entries.len() as u64,
            missing: missing.collect(),
            stages: std::iter::once((POP3_ONLY.to_owned(), with)).collect(),
            extra: Vec::new(),
        });
    }

    fn noted(&mut self, path: &FolderPath) -> Option<&mut Folder> {
        let book = self.memory.book.as_mut()?;
        Some(book.record.folder(path))
    }
}

fn note_left_out(folder: &mut Folder, skips: &[Skip], pending: &[Skip], why: Option<&str>) {
    let mut left: Vec<(Uid, u64)> = Vec::new();
    folder.skipped.clear();
    for skip in pending {
        match skip.uid.and_then(Uid::new) {
            Some(uid) => left.push((uid, skip.size.unwrap_or(0))),
            None => folder.skipped.push(skipped(skip, why)),
        }
    }
    let own_reasons = skips.iter().map(|skip| skipped(skip, None));
    folder.skipped.extend(own_reasons);
    left.sort_unstable();
    folder.left = (!left.is_empty()).then(|| Left {
        reason: why.unwrap_or_default().to_owned(),
        uids: left.iter().map(|(uid, _)| *uid).collect(),
        octets: left.into_iter().map(|(_, octets)| octets).collect(),
    });
}

fn skipped(skip: &Skip, why: Option<&str>) -> Skipped {
    Skipped {
        uid: skip.uid,
        uidl: skip.uidl.clone(),
        size: skip.size,
        reason: why.unwrap_or(&skip.reason).to_owned(),
    }
}

/// The UIDLs without a message. One that is none by RFC 1939 is told as the server sent it.
fn extras(pairing: &Pairing, maildrop: &Maildrop) -> Vec<Extra> {
    let faulty = maildrop.faulty.iter();
    let faulty: HashMap<u32, _> = faulty
        .map(|(number, shown, fault)| (*number, (shown, fault)))
        .collect();
    let extras = pairing.extra.iter();
    extras
        .map(|extra| {
            let (uidl, why) = match faulty.get(&extra.number) {
                Some((shown, fault)) => {
                    let why = format!("{}: {fault}", extra.reason);
                    (Some((*shown).clone()), why)
                }
                None => (
                    extra.uidl.as_ref().map(Uidl::to_string),
                    extra.reason.to_string(),
                ),
            };
            Extra {
                number: extra.number,
                uidl,
                size: extra.size,
                why,
            }
        })
        .collect()
}
