//! Keeps the user's record (see [`crate::state`]) while an attempt goes on.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufWriter, Write};

use tracing::Level;

use super::attempt::Attempt;
use super::imap_folder::Shown;
use super::listing::Stamp;
use crate::mail::{Entry, FolderPath, Uid, UidSet, Uidl, octets};
use crate::matching::Pairing;
use crate::naming::MaildirFolder;
use crate::plan::folders::Placed;
use crate::plan::pop3_only::Numbered;
use crate::plan::seen::{self, Seen};
use crate::plan::{FolderPlan, SourceFolder};
use crate::problem::{Kind, Problem, Reach};
use crate::report::Skip;
use crate::sink::tree::Tree;
use crate::sink::{control, on_disk, target_problem};
use crate::source::{Examined, Maildrop};
use crate::state::{
    self, Extra, Fault, Folder, Head, Left, POP3_ONLY, Paired, Parsed, Record, Skipped,
};

/// The record as it is to be, with what of it is on disk.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) record: Record,
    /// Digests of the lines on disk, by path; the head has none.
    saved: HashMap<Vec<String>, blake3::Hash>,
    /// The head on disk; `None`: there is no file that can be appended to.
    saved_head: Option<Head>,
    /// Folders that may differ from their lines.
    touched: BTreeSet<FolderPath>,
    /// Whether lines on disk have been replaced by others.
    has_old_lines: bool,
}

impl Default for Book {
    fn default() -> Self {
        Self::new(None, "")
    }
}

impl Book {
    fn new(parsed: Option<Parsed>, user: &str) -> Self {
        let Some(parsed) = parsed else {
            return Self {
                record: Record::new(user),
                saved: HashMap::new(),
                saved_head: None,
                touched: BTreeSet::new(),
                has_old_lines: false,
            };
        };
        let folders = parsed.record.folders().iter();
        Self {
            saved: folders
                .map(|folder| (folder.path().parts().to_vec(), digest(folder)))
                .collect(),
            saved_head: parsed.is_whole.then(|| parsed.record.head.clone()),
            touched: BTreeSet::new(),
            has_old_lines: !parsed.is_compact,
            record: parsed.record,
        }
    }

    /// A folder, to be changed.
    fn folder(&mut self, path: &FolderPath) -> &mut Folder {
        self.touched.insert(path.clone());
        self.record.folder(path)
    }

    /// Forgets a folder.
    pub(super) fn forget(&mut self, path: &FolderPath) {
        self.touched.insert(path.clone());
        self.record.forget(path);
    }

    /// Gives a folder another path.
    pub(super) fn rename(&mut self, from: &FolderPath, to: &FolderPath) {
        self.touched.extend([from.clone(), to.clone()]);
        self.record.rename(from, to);
    }

    /// What is not on disk yet.
    fn news(&mut self) -> News {
        let mut news = News::default();
        if self.saved_head.as_ref() != Some(&self.record.head) {
            news.has_head = true;
            self.has_old_lines |= self.saved_head.is_some();
        }
        for path in std::mem::take(&mut self.touched) {
            let key = path.parts().to_vec();
            let known = match self.record.known(&path) {
                Some(folder) => digest(folder),
                None if self.saved.contains_key(&key) => blake3::hash(b"forgotten"),
                None => continue,
            };
            let before = self.saved.insert(key, known);
            if before == Some(known) {
                continue;
            }
            self.has_old_lines |= before.is_some();
            news.folders.push(path);
        }
        news
    }

    fn write_news(&self, news: &News, out: &mut impl Write) -> io::Result<()> {
        if news.has_head {
            self.record.head.write_to(out)?;
        }
        for path in &news.folders {
            match self.record.known(path) {
                Some(folder) => folder.write_to(out)?,
                None => state::forget(path, out)?,
            }
        }
        Ok(())
    }
}

/// Lines that are not on disk yet.
#[derive(Debug, Default)]
struct News {
    has_head: bool,
    /// Those that are known; the others are no more.
    folders: Vec<FolderPath>,
}

/// Of the line of a folder.
fn digest(folder: &Folder) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut out = BufWriter::new(&mut hasher);
    // There is nothing that could fail.
    let _ = folder.write_to(&mut out).and_then(|()| out.flush());
    drop(out);
    hasher.finalize()
}

impl Attempt<'_> {
    /// Reads the record. One that cannot be read is as good as lost.
    ///
    /// # Errors
    /// It is that of a newer mailseed: what it knows must not be forgotten.
    pub(super) fn open_book(&mut self) -> Result<(), Problem> {
        let file = self.state_file();
        let told = |error| {
            let what = format!("read {file} in {}", self.user.maildir.display());
            target_problem(&what, error)
        };
        let root = on_disk::open_existing(&self.user.maildir, &MaildirFolder::root());
        let bytes = match root.map_err(told)? {
            Some(root) => control::read(&root, file.as_str()).map_err(told)?,
            None => None,
        };
        let parsed = match bytes.as_deref().map(Record::parse) {
            None => None,
            Some(Ok(parsed)) => Some(parsed),
            Some(Err(fault @ Fault::Newer(_))) => {
                let what = format!("cannot go on from {file}");
                return Err(Problem::new(Kind::Conflict, Reach::User, what)
                    .caused_by(fault)
                    .with_hint("use the newer mailseed that has written it"));
            }
            Some(Err(fault @ (Fault::Damaged(..) | Fault::Headless))) => {
                let line = format!("{file} is written anew: {fault}");
                self.log.line(Level::WARN, line);
                None
            }
        };
        let name = &self.user.name;
        let mut book = Book::new(parsed, name);
        let head = &mut book.record.head;
        head.user.clone_from(name);
        if let Some(imap) = &self.user.imap {
            head.imap = Some(imap.endpoint.to_string());
        }
        if let Some(pop3) = &self.user.pop3 {
            head.pop3 = Some(pop3.endpoint.to_string());
        }
        self.memory.book = book;
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
        let book = &mut self.memory.book;
        for (path, tally) in self.memory.tally.folders() {
            let folder = book.folder(path);
            folder.problem = tally.problem.as_ref().map(Problem::to_string);
            let why = tally.why_pending(failure);
            note_left_out(folder, &tally.skips, &tally.pending, why.as_deref());
        }
        let saved = self.save(Some(tree)).and_then(|()| self.tidy(tree));
        match (result, saved) {
            (Err(problem), Err(second)) => {
                self.log.line(Level::ERROR, second.to_string());
                Err(problem)
            }
            (result, saved) => result.and(saved),
        }
    }

    /// Puts on disk what is new in the record.
    pub(super) fn save(&mut self, tree: Option<&Tree>) -> Result<(), Problem> {
        let file = self.state_file();
        let book = &mut self.memory.book;
        let Some(tree) = tree else {
            return Ok(());
        };
        // Nothing seen is nothing to remember: a login that failed leaves no trace.
        if book.record.folders().is_empty() && book.saved.is_empty() {
            return Ok(());
        }
        let news = book.news();
        if !news.has_head && news.folders.is_empty() {
            return Ok(());
        }
        if book.saved_head.is_some() {
            // Half a line may be there: the next to write puts the whole file in its place.
            book.saved_head = None;
            if control::append_in_root(tree, &file, |out| book.write_news(&news, out))? {
                book.saved_head = Some(book.record.head.clone());
                return Ok(());
            }
        }
        self.rewrite(tree)
    }

    /// Makes the file as short as it can be.
    fn tidy(&mut self, tree: &Tree) -> Result<(), Problem> {
        if self.memory.book.has_old_lines {
            self.rewrite(tree)?;
        }
        Ok(())
    }

    fn rewrite(&mut self, tree: &Tree) -> Result<(), Problem> {
        let file = self.state_file();
        let book = &mut self.memory.book;
        control::replace_in_root(tree, &file, |out| book.record.write_to(out))?;
        book.saved_head = Some(book.record.head.clone());
        book.has_old_lines = false;
        book.touched.clear();
        Ok(())
    }

    fn state_file(&self) -> String {
        state::file_name(self.user.subfolder.as_ref())
    }

    /// What the last run has seen of a folder.
    pub(super) fn past(&self, path: &FolderPath) -> Option<Seen> {
        self.memory.book.record.known(path)?.past()
    }

    /// Notes, before anything of it appears, what a plan is about to deliver and which UIDs it gives.
    pub(super) fn note_pending(&mut self, source: &SourceFolder<'_>, plan: &FolderPlan) {
        let before = self.past(source.path);
        let sets = seen::meanwhile(source, before.as_ref(), plan);
        let entries = source.entries.iter().enumerate();
        let coming = entries
            .filter(|(index, _)| plan.files[*index].is_none() && plan.uids[*index].is_some());
        let folder = self.noted(source.path);
        folder.pending = coming.map(|(_, entry)| entry.uid).collect();
        let list = plan.list.as_ref();
        folder.writing = list.map(|list| (list.next_uid, plan.foreign.clone()));
        folder.seen = sets;
        let validity = Some(source.validity.value());
        if folder.seen_validity != validity {
            folder.seen_validity = validity;
            folder.collected.clear();
            folder.seen_next = None;
            folder.written_next = None;
            folder.foreign = UidSet::default();
            folder.deleted_at_source = UidSet::default();
        }
        // A list that is about to be written may mention messages whose files are to come.
        folder.renumbered.clone_from(&plan.renumbered);
        note_copies(folder, source, plan);
    }

    /// Notes what a plan that has been carried out has left; `missing` are the entries that did not
    /// come.
    pub(super) fn note_done(
        &mut self,
        source: &SourceFolder<'_>,
        plan: &FolderPlan,
        stamp: &Stamp,
        missing: &dyn Fn(usize) -> bool,
    ) {
        let before = self.past(source.path);
        let sets = seen::after(source, before.as_ref(), plan, missing);
        let bytes = octets(source.entries.iter().map(|entry| entry.size));
        let folder = self.noted(source.path);
        if folder.seen_validity != Some(source.validity.value()) {
            folder.deleted_at_source = UidSet::default();
        }
        folder.seen = sets;
        folder.pending = UidSet::default();
        if folder.seen_validity.replace(source.validity.value()) != Some(source.validity.value()) {
            folder.collected.clear();
        }
        note_copies(folder, source, plan);
        folder.writing = None;
        folder.renumbered.clone_from(&plan.renumbered);
        folder.foreign.clone_from(&plan.foreign);
        folder.written_next = plan.list.as_ref().map(|list| list.next_uid);
        folder.seen_next = Some(source.uid_next);
        folder.highest_modseq = stamp.highest_modseq;
        folder.maildrop.clone_from(&stamp.maildrop);
        folder.listed = Some((source.entries.len() as u64, bytes));
    }

    /// Notes that messages which the source no longer has are gone from the target too.
    pub(super) fn note_removed(&mut self, path: &FolderPath, uids: &[Uid]) {
        let gone: UidSet = uids.iter().copied().collect();
        self.noted(path).forget_seen(&gone);
    }

    pub(super) fn note_place(&mut self, placed: &Placed) {
        let folder = self.noted(&placed.listed.path);
        folder.wire_name = Some(placed.listed.wire_name.clone());
        let directory = placed.target.as_ref().ok();
        folder.lies_in(directory.map(MaildirFolder::to_string));
    }

    pub(super) fn note_examined(&mut self, path: &FolderPath, examined: &Examined) {
        let validity = examined.uid_validity.map(|validity| validity.value());
        let folder = self.noted(path);
        folder.examined(validity, examined.uid_next);
        folder.mailbox_id.clone_from(&examined.mailbox_id);
    }

    pub(super) fn note_pairing(
        &mut self,
        inbox: &Shown<'_>,
        pairing: &Pairing,
        maildrop: &Maildrop,
    ) {
        let path = &inbox.placed.listed.path;
        self.note_examined(path, &inbox.examined);
        self.noted(path).pair(pairing, extras(pairing, maildrop));
    }

    /// INBOX as POP3 lists it, where that is all there is.
    pub(super) fn note_numbered(&mut self, numbered: &Numbered, target: &MaildirFolder) {
        let folder = self.noted(&FolderPath::inbox());
        folder.wire_name = None;
        folder.lies_in(Some(target.to_string()));
        folder.examined(Some(numbered.validity.value()), Some(numbered.uid_next));
        let digests = numbered.entries.iter().zip(&numbered.digests);
        folder.numbered = digests
            .map(|(entry, digest)| (entry.uid, *digest))
            .collect();
        let has_uidl = |(index, _): &(usize, &Entry)| numbered.uidls.has(*index);
        let all = numbered.entries.iter().enumerate();
        let with = all.clone().filter(has_uidl);
        let with: UidSet = with.map(|(_, entry)| entry.uid).collect();
        let missing = all.filter(|entry| !has_uidl(entry));
        let missing = missing.map(|(_, entry)| entry.uid);
        folder.paired = Some(Paired {
            listed: numbered.entries.len() as u64,
            missing: missing.collect(),
            stages: std::iter::once((POP3_ONLY.to_owned(), with)).collect(),
            extra: Vec::new(),
            elsewhere: Vec::new(),
        });
    }

    pub(super) fn noted(&mut self, path: &FolderPath) -> &mut Folder {
        self.memory.book.folder(path)
    }
}

/// Notes which UIDs are those of copies of messages in other folders. Where nothing is collected, those
/// that an earlier run has put there stay.
fn note_copies(folder: &mut Folder, source: &SourceFolder<'_>, plan: &FolderPlan) {
    match source.copies() {
        Some(copies) => {
            folder.collected = copies.collect();
        }
        None => folder.collected.retain(|uid| plan.copies.contains(uid)),
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
