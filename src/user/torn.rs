//! Files that a loss of power has left with their names and without their bytes: they are taken away
//! and fetched anew. Only what a run was about to write counts, and only as long as no list mentions
//! it (a list is written when what it mentions is on disk) and the source still has it.

use std::collections::HashMap;
use std::io::ErrorKind;

use tracing::Level;

use super::attempt::Attempt;
use super::folder::Folder;
use crate::naming::message::uidl_name;
use crate::naming::uidl::courier_name;
use crate::naming::{BaseName, Identity, Rank};
use crate::plan::on_disk::{DiskFile, OnDisk};
use crate::plan::seen::Seen;
use crate::problem::Problem;
use crate::sink::on_disk::{Messages, not_whole};
use crate::sink::tree::Tree;
use crate::sink::{line_ends, removal, target_problem};

impl Attempt<'_> {
    /// Takes away what is not whole, in a dry run only from what is known of the folder.
    ///
    /// # Errors
    /// Those of the file system, or a file that is not whole and whose message is not known.
    pub(super) fn mend(
        &mut self,
        folder: &Folder<'_>,
        disk: &mut OnDisk,
        tree: Option<&Tree>,
    ) -> Result<(), Problem> {
        let torn = self.torn(folder, disk)?;
        let is_torn = |base: &str| torn.iter().any(|file| *file.base == *base);
        if let Some(other) = disk.torn.iter().find(|base| !is_torn(base)) {
            return Err(not_whole(folder.target, other));
        }
        if torn.is_empty() {
            return Ok(());
        }
        let line = format!(
            "folder {}: {} messages were not wholly on disk when a run was cut: they are fetched anew",
            folder.source.path,
            torn.len()
        );
        self.log.line(Level::WARN, line);
        disk.files = disk.files.only(|file| !is_torn(&file.base));
        disk.torn.clear();
        match tree {
            Some(tree) => {
                let layout = self.context.config.target.layout;
                removal::remove_unlisted(tree, folder.target, layout, &torn)
            }
            None => Ok(()),
        }
    }

    fn torn(&self, folder: &Folder<'_>, disk: &OnDisk) -> Result<Vec<DiskFile>, Problem> {
        let source = &folder.source;
        let seen = folder.seen.as_ref();
        let Some(seen) = seen.filter(|it| it.validity == source.validity) else {
            return Ok(Vec::new());
        };
        if seen.pending.is_empty() {
            return Ok(Vec::new());
        }
        let told = |error| target_problem("read messages", error).in_folder(source.path);
        let messages = Messages::open(&self.user.maildir, folder.target).map_err(told)?;
        let by_name = by_name(folder, seen);
        let mut torn = Vec::new();
        for file in disk.unlisted() {
            let is_torn = match Identity::parse(&file.base) {
                Some(Identity::Imap(validity, uid) | Identity::Pop3(validity, uid, _)) => {
                    validity == source.validity
                        && disk.torn.contains(&file.base)
                        && seen.pending.contains(uid)
                        && source.has(uid)
                }
                None => match by_name.get(without_rank(&file.base)) {
                    Some(announced) => match messages.file(&file) {
                        Ok(mut opened) => {
                            let sizes = line_ends::measure(&mut opened).map_err(told)?;
                            sizes.virtual_size < *announced
                        }
                        // A server has just given it other flags: it is no longer of this name.
                        Err(error) if error.kind() == ErrorKind::NotFound => false,
                        Err(error) => return Err(told(error)),
                    },
                    None => false,
                },
            };
            if is_torn {
                torn.push(file);
            }
        }
        Ok(torn)
    }
}

/// The announced sizes of messages that were about to be written, by the names that their UIDLs give.
fn by_name(folder: &Folder<'_>, seen: &Seen) -> HashMap<String, u64> {
    let source = &folder.source;
    let mut names = HashMap::new();
    for (index, entry) in source.entries.iter().enumerate() {
        if !seen.pending.contains(entry.uid) {
            continue;
        }
        if let Some(announced) = source.uidls.and_then(|uidls| uidls.get(index)) {
            let uidl = &announced.uidl;
            let both = [uidl_name(uidl).ok(), courier_name(uidl).ok().flatten()];
            let both = both.iter().flatten().map(BaseName::as_str);
            names.extend(both.map(|name| (name.to_owned(), entry.size)));
        }
    }
    names
}

fn without_rank(base: &str) -> &str {
    Rank::split(base).map_or(base, |(_, rest)| rest)
}
