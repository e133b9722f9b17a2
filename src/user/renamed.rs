//! A folder that the source calls by another name now: its directory is renamed, and nothing of it
//! is fetched again.

use tracing::Level;

use super::attempt::Attempt;
use super::imap_folder::Shown;
use crate::mail::{FolderPath, UidValidity};
use crate::naming::message::size_field;
use crate::naming::{Identity, MaildirFolder};
use crate::plan::Mode;
use crate::plan::on_disk::OnDisk;
use crate::problem::Problem;
use crate::sink::tree::Tree;
use crate::sink::{on_disk, removal};
use crate::source::Examined;
use crate::state;

impl Attempt<'_> {
    /// Looks whether a folder that the last run had not seen is one that it has seen under another
    /// name, and if so takes it over. Returns where its messages lie in a dry run, in which nothing
    /// is renamed.
    pub(super) fn follow_rename(
        &mut self,
        shown: &Shown<'_>,
        tree: Option<&Tree>,
    ) -> Result<Option<MaildirFolder>, Problem> {
        let path = &shown.placed.listed.path;
        let Ok(target) = &shown.placed.target else {
            return Ok(None);
        };
        let is_new = self.past(path).is_none() && !target.is_root();
        if !is_new || self.context.config.rerun.mode == Mode::AfterCutover {
            return Ok(None);
        }
        let Some((old_path, old)) = self.former(shown) else {
            return Ok(None);
        };
        let new_is_there = self.scan(target, false)?.exists;
        // In the layout fs folders lie within each other: a directory cannot move into itself, nor to
        // where one is that holds others.
        let is_nested = is_within(target, &old) || is_within(&old, target);
        if !new_is_there && (is_nested || on_disk::is_there(&self.user.maildir, target)?) {
            return Ok(None);
        }
        let place = if new_is_there { target } else { &old };
        if !holds(&self.scan(place, true)?, shown) {
            return Ok(None);
        }
        let line = format!("folder {path}: the old server has renamed it, it was {old_path}");
        self.log.line(Level::INFO, line);
        // Before it is noted: a folder that is said to lie where it does not would have been emptied.
        if let Some(tree) = tree.filter(|_| !new_is_there) {
            removal::move_folder(tree, &old, target)?;
        }
        self.memory.book.rename(&old_path, path);
        self.note_place(shown.placed);
        self.note_examined(path, &shown.examined);
        match tree {
            Some(tree) if !new_is_there => {
                self.save(Some(tree))?;
                Ok(None)
            }
            Some(_) => Ok(None),
            None => {
                let line = format!("  {path}: rename from {old_path}");
                self.memory.plan.push(crate::text::printable(&line));
                Ok((!new_is_there).then_some(old))
            }
        }
    }

    /// The folders that the source no longer has and that one of which it says this may have been.
    pub(super) fn former_of(&self, examined: &Examined) -> impl Iterator<Item = &state::Folder> {
        let validity = examined.uid_validity.map(UidValidity::value);
        let may_be = move |folder: &&state::Folder| {
            let (now, then) = (&examined.mailbox_id, &folder.mailbox_id);
            let is_other = now.is_some() && then.is_some() && then != now;
            !is_other
                && validity.is_some()
                && folder.seen_validity == validity
                && !folder.seen.is_empty()
                && folder.uid_next <= examined.uid_next
                && !self.memory.listed.contains(&folder.path())
        };
        self.memory.book.record.folders().iter().filter(may_be)
    }

    /// The one folder that the source no longer has and that this one may have been.
    fn former(&self, shown: &Shown<'_>) -> Option<(FolderPath, MaildirFolder)> {
        let mut candidates = self.former_of(&shown.examined);
        let (Some(folder), None) = (candidates.next(), candidates.next()) else {
            return None;
        };
        let components = folder.directory.as_deref()?.split('/');
        let place = MaildirFolder::found(components.map(str::to_owned).collect())?;
        (!place.is_root()).then(|| (folder.path(), place))
    }
}

fn is_within(folder: &MaildirFolder, other: &MaildirFolder) -> bool {
    folder.components().starts_with(other.components())
}

/// Whether the messages on disk are those that the source lists under their UIDs, as far as sizes and
/// dates tell. One must be there, and none may differ: servers give folders of one second the same
/// UIDVALIDITY.
fn holds(disk: &OnDisk, shown: &Shown<'_>) -> bool {
    let entries = &shown.list.entries;
    let mut alike = 0;
    for file in disk.files.iter() {
        let Some(Identity::Imap(validity, uid)) = Identity::parse(&file.base) else {
            continue;
        };
        let at = entries.binary_search_by_key(&uid, |entry| entry.uid);
        let (Ok(at), true) = (at, Some(validity) == shown.examined.uid_validity) else {
            continue;
        };
        let size = size_field(&file.base, 'W');
        if size != Some(entries[at].size) || file.mtime != entries[at].date() {
            return false;
        }
        alike += 1;
    }
    alike > 0
}
