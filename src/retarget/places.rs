//! Where folders lie, and what names them: directories, subscriptions, the records of exports.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::Path;

use super::journal::{self, Former};
use super::{Folder, Retarget};
use crate::config::{FolderEncoding, Servers};
use crate::explain::other_records;
use crate::mail::FolderPath;
use crate::mail::subscriptions::{Form, Subscriptions};
use crate::mutf7;
use crate::naming::MaildirFolder;
use crate::naming::folder::subscription_line;
use crate::problem::Problem;
use crate::sink::tree::Tree;
use crate::sink::{control, export, on_disk, removal, target_problem};
use crate::state::{self, Record};

/// In the root: how folder names have been encoded by an earlier run, and which folders have so got
/// another place. Without it nobody could tell `.&AOk-` in UTF-8 from `.é` in modified UTF-7, and a
/// second run would encode it once more.
const FILE: &str = "mailseed.folders";

/// What an earlier run has moved: by the new place the old one.
#[derive(Debug, Default)]
pub(super) struct Moved {
    encoding: String,
    places: Former,
}

impl Moved {
    /// Reads what an earlier run has moved.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(root: &Path) -> Result<Self, Problem> {
        let attempt = || -> io::Result<Self> {
            let Some(dir) = on_disk::open_existing(root, &MaildirFolder::root())? else {
                return Ok(Self::default());
            };
            let bytes = control::read(&dir, FILE)?.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let (encoding, places) = text.split_once('\n').unwrap_or_default();
            Ok(Self {
                encoding: encoding.to_owned(),
                places: journal::parse(places),
            })
        };
        attempt().map_err(|error| target_problem(&format!("read {FILE}"), error))
    }

    /// Whether a folder has its place already.
    pub fn has(&self, place: &MaildirFolder, encoding: FolderEncoding) -> bool {
        self.encoding == encoding.word() && self.places.contains_key(place.to_string().as_str())
    }

    /// Gives each of `folders` its new place. Which these are is written first.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn carry_out(
        mut self,
        retarget: &Retarget,
        tree: &Tree,
        folders: &[Folder],
    ) -> Result<(), Problem> {
        let moves: Vec<&Folder> = folders
            .iter()
            .filter(|folder| folder.place != folder.destination)
            .collect();
        let word = retarget.to_encoding.word();
        if self.encoding != word {
            if moves.is_empty() {
                return Ok(());
            }
            self = Self {
                encoding: word.to_owned(),
                places: Former::new(),
            };
        }
        for folder in &moves {
            let (new, old) = (folder.destination.to_string(), folder.place.to_string());
            // Where a run was cut between those above it and this one, its first place counts.
            self.places.entry(new.into()).or_insert(old.into());
        }
        if !moves.is_empty() {
            let text = format!("{word}\n{}", journal::text(&self.places));
            control::replace_in_root(tree, FILE, |out| out.write_all(text.as_bytes()))?;
        }
        // Those above come first.
        for folder in moves {
            let Some(place) = after_those_above(folder) else {
                continue;
            };
            if place != folder.destination {
                removal::move_folder(tree, &place, &folder.destination)?;
            }
        }
        // An earlier run may have been cut before it came to this.
        self.note_in_records(retarget, tree)
    }

    /// Lets the records of exports know where folders lie now, so that the next export goes on there.
    fn note_in_records(&self, retarget: &Retarget, tree: &Tree) -> Result<(), Problem> {
        let moved: HashMap<&str, &str> = self
            .places
            .iter()
            .map(|(new, old)| (&**old, &**new))
            .collect();
        let told = |error| target_problem("read the record", error);
        let mut names = other_records(&retarget.maildir).map_err(told)?;
        names.push(state::FILE.to_owned());
        for name in names {
            let bytes = control::read(tree.root(), &name).map_err(told)?;
            // A record that cannot be read is as good as lost, to the next export too.
            let Some(Ok(parsed)) = bytes.as_deref().map(Record::parse) else {
                continue;
            };
            let mut record = parsed.record;
            let paths: Vec<FolderPath> = record.folders().iter().map(state::Folder::path).collect();
            let mut changed = false;
            for path in paths {
                let folder = record.folder(&path);
                let new = folder.directory.as_deref().and_then(|old| moved.get(old));
                if let Some(new) = new {
                    folder.directory = Some((*new).to_owned());
                    changed = true;
                }
            }
            if changed {
                control::replace_in_root(tree, &name, |out| record.write_to(out))?;
            }
        }
        Ok(())
    }
}

/// Where a folder lies when the directories above it have been moved.
fn after_those_above(folder: &Folder) -> Option<MaildirFolder> {
    let (last, _) = folder.place.components().split_last()?;
    let (_, above) = folder.destination.components().split_last()?;
    MaildirFolder::found([above, std::slice::from_ref(last)].concat())
}

/// Takes over which folders are subscribed; without `tree` nothing is written.
pub(super) fn subscribe(retarget: &Retarget, tree: Option<&Tree>) -> Result<(), Problem> {
    let forms = |servers: Servers| {
        let dovecot = servers.dovecot.then_some(Form::Dovecot(retarget.layout));
        dovecot
            .into_iter()
            .chain(servers.courier.then_some(Form::Courier))
    };
    let Some(from) = forms(retarget.from).next() else {
        return Ok(());
    };
    let told = |error| target_problem(&format!("read {}", from.name()), error);
    let root = on_disk::open_existing(&retarget.maildir, &MaildirFolder::root()).map_err(told)?;
    let Some(root) = root else { return Ok(()) };
    let Some(bytes) = control::read(&root, from.name()).map_err(told)? else {
        return Ok(());
    };
    let names = Subscriptions::parse(Some(&bytes), from).names();
    let lines: Vec<String> = names
        .iter()
        .filter_map(|name| line_in(retarget, name))
        .collect();
    for form in forms(retarget.to).filter(|form| *form != from) {
        let change = |list: &mut Subscriptions, _| list.become_like(&lines);
        export::subscribe(&retarget.maildir, tree, form, change)?;
    }
    // The file of a server that stays, where the names of its folders change.
    if !retarget.is_encoded_so() && forms(retarget.to).any(|it| it == from) {
        let change = |list: &mut Subscriptions, _| list.become_like(&lines);
        export::subscribe(&retarget.maildir, tree, from, change)?;
    }
    Ok(())
}

/// A line of `subscriptions` in the new encoding.
fn line_in(retarget: &Retarget, line: &str) -> Option<String> {
    if retarget.is_encoded_so() {
        return Some(line.to_owned());
    }
    let parts = line.split('\t').map(|part| match retarget.from_encoding {
        FolderEncoding::Mutf7 => mutf7::decode(part).unwrap_or_else(|_| part.to_owned()),
        FolderEncoding::Utf8 | FolderEncoding::Utf8OfCourier => part.to_owned(),
    });
    let path = FolderPath::new(parts.collect());
    subscription_line(&path, retarget.layout, retarget.to_encoding).ok()
}
