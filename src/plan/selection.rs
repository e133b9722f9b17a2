//! What a [`Selection`] means for the folders of one user: which are taken, where each goes, which
//! of its messages may be delivered. Pure.
//!
//! A selection narrows what is brought, and never looks like a deletion: a folder that is not taken
//! is not looked at, and the messages of one that is taken are always listed all.

use std::collections::HashSet;

use crate::config::selection::AllMail;
use crate::config::{Selection, User};
use crate::mail::{Entry, FolderPath, UidSet};
use crate::source::{FolderList, ListedFolder, SpecialUse};
use crate::text::counted_with;

/// The usual names of folders with a special use, as Dovecot's example configuration has them.
const USUAL_NAMES: [(SpecialUse, &str); 5] = [
    (SpecialUse::Sent, "Sent"),
    (SpecialUse::Drafts, "Drafts"),
    (SpecialUse::Trash, "Trash"),
    (SpecialUse::Junk, "Junk"),
    (SpecialUse::Archive, "Archive"),
];

/// A selection applied to what a server lists of a user.
#[derive(Debug)]
pub struct Choice<'a> {
    selection: &'a Selection,
    subfolder: Option<&'a FolderPath>,
    reserved: &'a [FolderPath],
    subscribed: HashSet<&'a FolderPath>,
    left_out: HashSet<&'a FolderPath>,
    /// Folders with a special use and the names that they get for it.
    special: Vec<(&'a FolderPath, FolderPath)>,
    /// Where folders would go that are not taken.
    places_not_taken: HashSet<FolderPath>,
    notes: Vec<String>,
}

impl<'a> Choice<'a> {
    /// What `selection` means for `user`, of whom the server lists `list`.
    pub fn of(selection: &'a Selection, user: &'a User, list: &'a FolderList) -> Self {
        let mut choice = Self {
            selection,
            subfolder: user.subfolder.as_ref(),
            reserved: &user.reserved,
            subscribed: list.subscribed.iter().collect(),
            left_out: HashSet::new(),
            special: Vec::new(),
            places_not_taken: HashSet::new(),
            notes: Vec::new(),
        };
        choice.leave_virtual_folders_out(list);
        if selection.special_use {
            choice.name_special_folders(list);
        }
        choice.note_what_is_not_taken(list);
        let paths = list.folders.iter().map(|it| &it.path);
        let not_taken = paths.filter(|path| !choice.takes(path));
        choice.places_not_taken = not_taken.map(|path| choice.destination(path)).collect();
        choice
    }

    /// Whether the folder is taken; also of one that the source no longer has.
    pub fn takes(&self, listed: &FolderPath) -> bool {
        let Selection {
            folders, exclude, ..
        } = self.selection;
        let named = folders.is_empty() || folders.iter().any(|glob| glob.matches(listed));
        let subscribed =
            !self.selection.subscribed || listed.is_inbox() || self.subscribed.contains(listed);
        named
            && subscribed
            && !exclude.iter().any(|glob| glob.matches(listed))
            && !self.left_out.contains(listed)
    }

    /// Whether messages of the folder are to be links to files of other folders.
    pub fn links(&self, folder: &ListedFolder) -> bool {
        self.selection.all_mail == Some(AllMail::Link)
            && !folder.path.is_inbox()
            && folder.special_use.is_some_and(SpecialUse::is_virtual)
    }

    /// Where the folder goes. The name is what was asked for; whether the target can hold it is for
    /// [`crate::naming`].
    pub fn destination(&self, listed: &FolderPath) -> FolderPath {
        let named = match (self.mapped(listed), self.special(listed)) {
            (Some(fixed), _) => fixed.clone(),
            (None, Some(usual)) => self.mapped(&usual).cloned().unwrap_or(usual),
            (None, None) => self.renamed(listed),
        };
        let Some(subfolder) = self.subfolder else {
            return named;
        };
        let below = if named.is_inbox() { &[] } else { named.parts() };
        FolderPath::new([subfolder.parts(), below].concat())
    }

    /// What the server is to be asked for in each folder, see [`Choice::messages`].
    pub fn search_keys(&self) -> Option<&str> {
        self.selection.search.as_deref()
    }

    /// Which of `entries`, all messages of a folder, may be delivered; `None`: all. `searched` are
    /// those that the server has found; a message without a date is of no age. `now` is in seconds
    /// since 1970.
    pub fn messages(
        &self,
        entries: &[Entry],
        searched: Option<&UidSet>,
        now: i64,
    ) -> Option<UidSet> {
        let selection = self.selection;
        if !selection.narrows_messages() {
            return None;
        }
        let since = selection.since.unwrap_or(i64::MIN);
        let oldest = selection
            .max_age
            .map_or(i64::MIN, |age| now.saturating_sub(age));
        let earliest = since.max(oldest);
        let taken = entries.iter().filter(|entry| {
            entry.date().is_none_or(|date| date >= earliest)
                && selection.max_size.is_none_or(|most| entry.size <= most)
                && searched.is_none_or(|found| found.contains(entry.uid))
        });
        Some(taken.map(|entry| entry.uid).collect())
    }

    /// Whether INBOX is taken and becomes the target's INBOX: only that is shown by POP3, so only it
    /// can have UIDLs.
    pub fn keeps_uidls(&self) -> bool {
        let inbox = FolderPath::inbox();
        self.takes(&inbox) && self.destination(&inbox).is_inbox()
    }

    /// The folder of another user in the same Maildir in which `destination` would lie.
    pub fn reserved_for_another(&self, destination: &FolderPath) -> Option<&FolderPath> {
        let mut reserved = self.reserved.iter();
        reserved.find(|theirs| destination.is_within(theirs))
    }

    /// Whether all folders are taken, and the whole Maildir is for them.
    pub fn is_everything(&self) -> bool {
        let Selection {
            folders,
            exclude,
            subscribed,
            ..
        } = self.selection;
        let all = folders.is_empty() && exclude.is_empty() && !subscribed;
        all && self.left_out.is_empty() && self.subfolder.is_none() && self.reserved.is_empty()
    }

    /// Whether a folder of the target, of which it is not known where it came from, is one that this
    /// choice could have brought: it lies in the user's part of the Maildir, and no folder that is not
    /// taken goes there.
    pub fn reaches(&self, destination: &FolderPath) -> bool {
        let below = match self.subfolder {
            Some(subfolder) if !destination.is_within(subfolder) => return false,
            Some(subfolder) => {
                let parts = &destination.parts()[subfolder.parts().len()..];
                match parts.is_empty() {
                    true => FolderPath::inbox(),
                    false => FolderPath::new(parts.to_vec()),
                }
            }
            None => destination.clone(),
        };
        let mut reserved = self.reserved.iter();
        let is_others =
            |theirs: &FolderPath| destination.is_within(theirs) || theirs.is_within(destination);
        self.takes(&below)
            && !self.places_not_taken.contains(destination)
            && !reserved.any(is_others)
    }

    /// What a person should know of the choice.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn mapped(&self, path: &FolderPath) -> Option<&FolderPath> {
        let shown = path.to_string();
        let mut maps = self.selection.maps.iter();
        maps.find(|(from, _)| *from == shown).map(|(_, to)| to)
    }

    fn special(&self, listed: &FolderPath) -> Option<FolderPath> {
        let mut special = self.special.iter();
        let (from, to) = special.find(|(from, _)| listed.is_within(from))?;
        let below = &listed.parts()[from.parts().len()..];
        Some(FolderPath::new([to.parts(), below].concat()))
    }

    fn renamed(&self, listed: &FolderPath) -> FolderPath {
        let shown = listed.to_string();
        let mut name = shown.clone();
        for rename in &self.selection.renames {
            name = rename.apply(&name).into_owned();
        }
        // A part may hold a slash itself where the separator is another character.
        match name == shown {
            true => listed.clone(),
            false => FolderPath::from_display(&name),
        }
    }

    fn leave_virtual_folders_out(&mut self, list: &'a FolderList) {
        let leaves_out = match self.selection.all_mail {
            None => {
                list.has_labels
                    && list
                        .folders
                        .iter()
                        .any(|it| it.special_use == Some(SpecialUse::All))
            }
            Some(all_mail) => all_mail == AllMail::Skip,
        };
        if !leaves_out {
            return;
        }
        let shows_others = |it: &&ListedFolder| it.special_use.is_some_and(SpecialUse::is_virtual);
        let folders = list.folders.iter().filter(shows_others);
        let folders: Vec<&FolderPath> = folders
            .map(|it| &it.path)
            .filter(|path| self.takes(path))
            .collect();
        if folders.is_empty() {
            return;
        }
        let mut note = format!(
            "folders that show messages of others once more are left out: {}",
            shown(folders.iter().copied())
        );
        if list.has_labels {
            note.push_str("; mail without a label lies there alone, --all-mail link brings it");
        }
        self.notes.push(note);
        self.left_out = folders.into_iter().collect();
    }

    fn name_special_folders(&mut self, list: &'a FolderList) {
        let is_candidate =
            |it: &&ListedFolder| it.selectable && !it.path.is_inbox() && self.takes(&it.path);
        let folders: Vec<&ListedFolder> = list.folders.iter().filter(is_candidate).collect();
        for (special_use, name) in USUAL_NAMES {
            let name = FolderPath::new(vec![name.to_owned()]);
            let marked = folders
                .iter()
                .filter(|it| it.special_use == Some(special_use));
            let marked: Vec<&FolderPath> = marked.map(|it| &it.path).collect();
            let by_name = folders.iter().any(|it| it.path == name);
            let fitting = marked.iter().find(|path| !by_name || ***path == name);
            if let Some(first) = fitting {
                self.special.push((first, name.clone()));
            }
            let others = marked.iter().copied().filter(|path| Some(path) != fitting);
            let others: Vec<&FolderPath> = others.collect();
            if !others.is_empty() {
                let note = format!(
                    "there is one folder {name} at most: {} keeps its name (--map gives it another)",
                    shown(others.into_iter())
                );
                self.notes.push(note);
            }
        }
    }

    fn note_what_is_not_taken(&mut self, list: &FolderList) {
        for glob in &self.selection.folders {
            if !list.folders.iter().any(|it| glob.matches(&it.path)) {
                let note = format!("--folder {}: the user has no such folder", glob.text());
                self.notes.push(note);
            }
        }
        let selectable = list.folders.iter().filter(|it| it.selectable);
        let (all, taken) = selectable.fold((0, 0), |(all, taken), it| {
            (all + 1, taken + u64::from(self.takes(&it.path)))
        });
        if taken < all {
            let note = format!(
                "{} of {} not selected",
                all - taken,
                counted_with(all, "folder", ("is", "are"))
            );
            self.notes.push(note);
        }
    }
}

fn shown<'p>(paths: impl Iterator<Item = &'p FolderPath>) -> String {
    let names: Vec<String> = paths.map(FolderPath::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
