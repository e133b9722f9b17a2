//! `mailseed explain`: the life of one message, from the record and the Maildir alone. Nothing is
//! changed, locked or asked of a server.
//!
//! What it is called may be the name of its file, a UIDL, a UID or a Message-ID: a text is tried as
//! everything that it may be, and all that it finds is told. Message-IDs come last, since for them
//! the headers of all messages are read.

mod find;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::config::Question;
use crate::mail::header;
use crate::naming::MaildirFolder;
use crate::plan::on_disk::OnDisk;
use crate::plan::{DOVECOT_LIST, Lists, OWN_LIST};
use crate::problem::{Kind, Problem, Reach};
use crate::sink::on_disk::{self, Messages};
use crate::sink::{control, target_problem};
use crate::state::{self, Fault, Folder, Parsed, Record};
use crate::text::printable;

use find::{Hit, Key};

/// So many messages are told at most.
const MOST_TOLD: usize = 20;

/// One folder, as far as it is known.
#[derive(Debug)]
struct View<'a> {
    /// Its name, for people and as they type it.
    name: String,
    /// Where it lies; `None`: it is not on disk.
    folder: Option<MaildirFolder>,
    /// What was recorded of it.
    record: Option<&'a Folder>,
    /// Whether a UID without a folder is one of this folder.
    takes_plain_uids: bool,
    /// What lies there; the list is Dovecot's own, or that of mailseed.
    disk: OnDisk,
    /// Whether the list is one that Dovecot reads.
    dovecot_reads_list: bool,
}

impl View<'_> {
    /// Whether it is the target's INBOX, or would be if it were there.
    fn is_inbox(&self) -> bool {
        match &self.folder {
            Some(folder) => folder.is_root(),
            None => self.name == "INBOX",
        }
    }

    /// Whether a person means this folder by `name`: as it is told, as the old server or as the
    /// disk has it.
    fn is_called(&self, name: &str) -> bool {
        let wire_name = self.record.and_then(|folder| folder.wire_name.as_deref());
        let directory = self.folder.as_ref().map(MaildirFolder::to_string);
        name == self.name
            || self.is_inbox() && name.eq_ignore_ascii_case("INBOX")
            || wire_name == Some(name)
            || directory.as_deref() == Some(name)
    }
}

/// Answers `question` on `out`, and says whether there was an answer. That `out` takes no more is
/// no failure.
///
/// # Errors
/// The Maildir, or the record in it, cannot be read.
pub fn explain(question: &Question, out: &mut impl Write) -> Result<bool, Problem> {
    let cannot = |error: io::Error| {
        let is_there = error.kind() != io::ErrorKind::NotFound;
        let what = format!("read the Maildir {}", question.maildir.display());
        let problem = target_problem(&what, error);
        match is_there {
            true => problem,
            false => problem.with_hint("give user and --maildir as they were for the export"),
        }
    };
    let mut on_disk = on_disk::folders(&question.maildir, question.layout).map_err(cannot)?;
    let (record, damage) = read_record(question, &mut on_disk)?;
    let mut search = Search {
        question,
        record: record.as_ref(),
        told: 0,
        untold: 0,
        out,
    };
    let places = search.places(on_disk);
    let key = Key::new(&question.message);
    for place in &places {
        let view = search.view(place)?;
        let hits = find::hits(&key, &view);
        search.tell(&view, &hits)?;
    }
    let looks_at_headers = search.told == 0 && key.message_id.is_some();
    if looks_at_headers {
        for place in &places {
            search.headers_of(place, &key)?;
        }
    }
    search.end(&places, looks_at_headers, damage);
    Ok(search.told > 0)
}

/// The record; where it is damaged, a word on that instead. Folders that records of others in the
/// same Maildir know are taken out of `on_disk`.
fn read_record(
    question: &Question,
    on_disk: &mut Vec<MaildirFolder>,
) -> Result<(Option<Record>, Option<String>), Problem> {
    let told = |error| target_problem(&format!("read {}", state::FILE), error);
    let root = on_disk::open_existing(&question.maildir, &MaildirFolder::root()).map_err(told)?;
    let Some(root) = root else {
        return Ok((None, Some(format!("{} is not there", state::FILE))));
    };
    let mut ours = None;
    for name in other_records(&question.maildir).map_err(told)? {
        let bytes = control::read(&root, name.as_str()).map_err(told)?;
        match bytes.as_deref().map(Record::parse) {
            Some(Ok(Parsed { record, .. })) if record.head.user == question.user => {
                ours = Some(record);
            }
            Some(Ok(parsed)) => leave_to(&parsed.record, on_disk),
            // The user whose it is will be told.
            Some(Err(_)) | None => {}
        }
    }
    let bytes = control::read(&root, state::FILE).map_err(told)?;
    if ours.is_some() {
        if let Some(Ok(parsed)) = bytes.as_deref().map(Record::parse) {
            leave_to(&parsed.record, on_disk);
        }
        return Ok((ours, None));
    }
    match bytes.as_deref().map(Record::parse) {
        None => Ok((None, Some(format!("{} is not there", state::FILE)))),
        Some(Ok(parsed)) => Ok((Some(parsed.record), None)),
        Some(Err(fault @ (Fault::Damaged(..) | Fault::Headless))) => {
            Ok((None, Some(format!("{}: {fault}", state::FILE))))
        }
        Some(Err(fault @ Fault::Newer(_))) => {
            let what = format!("cannot read {}", state::FILE);
            Err(Problem::new(Kind::Target, Reach::Run, what)
                .caused_by(fault)
                .with_hint("use the newer mailseed that has written it"))
        }
    }
}

/// Takes the folders of another user's record out of `on_disk`.
fn leave_to(other: &Record, on_disk: &mut Vec<MaildirFolder>) {
    let recorded = other.folders().iter();
    let theirs: HashSet<&str> = recorded
        .filter_map(|folder| folder.directory.as_deref())
        .collect();
    on_disk.retain(|folder| !theirs.contains(folder.to_string().as_str()));
}

/// The names of records of users whose mail goes below a subfolder.
pub(crate) fn other_records(maildir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(maildir)? {
        let name = entry?.file_name().into_string();
        names.extend(name.ok().filter(|name| {
            let rest = name.strip_prefix(state::FILE);
            rest.is_some_and(|rest| rest.starts_with('.'))
        }));
    }
    names.sort_unstable();
    Ok(names)
}

/// A folder to look in.
struct Place<'a> {
    name: String,
    folder: Option<MaildirFolder>,
    record: Option<&'a Folder>,
}

struct Search<'a, W> {
    question: &'a Question,
    record: Option<&'a Record>,
    told: usize,
    untold: usize,
    out: &'a mut W,
}

impl<'a, W: Write> Search<'a, W> {
    /// The folders to look in: those on disk, then those that are only recorded.
    fn places(&self, on_disk: Vec<MaildirFolder>) -> Vec<Place<'a>> {
        let recorded: &[Folder] = self.record.map_or(&[], Record::folders);
        let mut taken = vec![false; recorded.len()];
        let mut places: Vec<Place<'a>> = on_disk
            .into_iter()
            .map(|folder| {
                let directory = folder.to_string();
                let at = recorded
                    .iter()
                    .position(|one| one.directory.as_deref() == Some(&directory));
                let record = at.and_then(|at| {
                    *taken.get_mut(at)? = true;
                    recorded.get(at)
                });
                let (layout, encoding) = (self.question.layout, self.question.encoding);
                let path = record.map_or_else(|| folder.path(layout, encoding), Folder::path);
                Place {
                    name: path.to_string(),
                    folder: Some(folder),
                    record,
                }
            })
            .collect();
        let rest = recorded.iter().zip(taken).filter(|(_, taken)| !taken);
        places.extend(rest.map(|(record, _)| Place {
            name: record.path().to_string(),
            folder: None,
            record: Some(record),
        }));
        let only = self.question.folder.as_deref();
        places.retain(|place| only.is_none_or(|only| place.bare_view().is_called(only)));
        places
    }

    /// Reads what lies in a folder.
    fn view(&self, place: &Place<'a>) -> Result<View<'a>, Problem> {
        let mut view = place.bare_view();
        view.takes_plain_uids |= self.question.folder.is_some();
        let Some(folder) = &place.folder else {
            return Ok(view);
        };
        let root = &self.question.maildir;
        let scan = |own| {
            let lists = Lists {
                own: Some(own),
                courier: self.question.servers.courier,
                // What each server says is wanted, not what an export would make of it.
                settled: true,
            };
            on_disk::scan(root, folder, lists, false)
        };
        let is_missing = |name| !on_disk::holds(root, folder, name);
        view.dovecot_reads_list = !is_missing(DOVECOT_LIST) || is_missing(OWN_LIST);
        view.disk = match view.dovecot_reads_list {
            true => scan(DOVECOT_LIST)?,
            false => scan(OWN_LIST)?,
        };
        Ok(view)
    }

    /// Looks for the Message-ID in the headers of one folder's messages.
    fn headers_of(&mut self, place: &Place<'a>, key: &Key<'_>) -> Result<(), Problem> {
        let (Some(folder), Some(wanted)) = (&place.folder, key.message_id) else {
            return Ok(());
        };
        let view = self.view(place)?;
        let cannot = |error| target_problem(&format!("read the folder {}", place.name), error);
        let messages = Messages::open(&self.question.maildir, folder).map_err(cannot)?;
        let mut header = Vec::new();
        let mut hits = Vec::new();
        for (index, file) in (0..).zip(view.disk.files.iter()) {
            let read = messages
                .file(&file)
                .and_then(|mut message| header::read(&mut message, &mut header));
            match read {
                Ok(()) if header::message_id(&header).as_deref() == Some(wanted) => {
                    hits.push(Hit::of_file(&view, index));
                }
                Ok(()) => {}
                // A server has renamed it this very moment.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(cannot(error)),
            }
        }
        self.tell(&view, &hits)
    }

    fn tell(&mut self, view: &View<'_>, hits: &[Hit]) -> Result<(), Problem> {
        for hit in hits {
            if self.told == MOST_TOLD {
                self.untold += 1;
                continue;
            }
            let lines = tell::lines(self.question, self.record, view, hit)?;
            if self.told > 0 {
                self.say("");
            }
            self.told += 1;
            for line in lines {
                self.say(&line);
            }
        }
        Ok(())
    }

    fn end(&mut self, places: &[Place<'_>], looked_at_headers: bool, damage: Option<String>) {
        let shown = &self.question.message;
        if self.untold > 0 {
            let line = format!("... and {} more; --folder narrows the search", self.untold);
            self.say(&line);
        }
        if self.told == 0 {
            let maildir = self.question.maildir.display();
            let folders = match places {
                [] => "no folder of that name".to_owned(),
                [one] => format!("folder {}", one.name),
                many => format!("{} folders", many.len()),
            };
            let headers = if looked_at_headers {
                ", Message-ID"
            } else {
                ""
            };
            self.say(&format!(
                "nothing is called {shown}: looked for a file name, UIDL, UID{headers} in {folders} of {maildir}"
            ));
        }
        if let Some(damage) = damage {
            let line = format!(
                "({damage}: how UIDLs were paired and what was skipped is not known; the next export writes it anew)"
            );
            self.say(&line);
        }
    }

    /// Nobody to tell (a closed pipe) is no failure.
    fn say(&mut self, line: &str) {
        let _ = writeln!(self.out, "{}", printable(line));
    }
}

impl<'a> Place<'a> {
    /// The folder without what lies in it.
    fn bare_view(&self) -> View<'a> {
        View {
            name: self.name.clone(),
            folder: self.folder.clone(),
            record: self.record,
            takes_plain_uids: self.name == "INBOX",
            disk: OnDisk::default(),
            dovecot_reads_list: true,
        }
    }
}
