//! What a user no longer has at the source, taken from the target when all folders have been seen:
//! only then is it known how much of the user's mail that is.

use std::collections::HashSet;

use tracing::Level;

use super::attempt::Attempt;
use super::folder::Folder;
use crate::mail::{FolderPath, KeywordTable, Uid, UidValidity};
use crate::naming::MaildirFolder;
use crate::plan::on_disk::{DiskFile, OnDisk};
use crate::plan::selection::Choice;
use crate::plan::{self, FolderPlan, Mode, Past, SourceFolder};
use crate::problem::{Kind, Problem, Reach};
use crate::sink::tree::Tree;
use crate::sink::{export, on_disk, removal, target_problem};
use crate::text::{counted, printable};

/// What is to be taken away.
#[derive(Debug, Default)]
pub(super) struct Removals {
    folders: Vec<FolderRemoval>,
    /// Messages that lay on the target before.
    on_target: u64,
}

#[derive(Debug)]
struct FolderRemoval {
    path: FolderPath,
    target: MaildirFolder,
    files: Vec<DiskFile>,
    /// The UID of each at the source, where that is known.
    uids: Vec<Option<Uid>>,
    /// The folder itself goes too.
    whole: bool,
}

impl Removals {
    /// Notes what the plan of a folder wants to be taken away.
    pub(super) fn add(&mut self, folder: &Folder<'_>, disk: &OnDisk, plan: &FolderPlan) {
        self.on_target += disk.files.len() as u64;
        self.put(folder.source.path, folder.target, disk, plan, false);
    }

    /// As [`Removals::add`], for a folder that has been planned once more.
    pub(super) fn replace(&mut self, folder: &Folder<'_>, disk: &OnDisk, plan: &FolderPlan) {
        self.folders
            .retain(|removal| removal.path != *folder.source.path);
        self.put(folder.source.path, folder.target, disk, plan, false);
    }

    /// Counts a folder in which nothing is to be done.
    pub(super) fn count_in(&mut self, disk: &OnDisk) {
        self.on_target += disk.files.len() as u64;
    }

    fn put(
        &mut self,
        path: &FolderPath,
        target: &MaildirFolder,
        disk: &OnDisk,
        plan: &FolderPlan,
        whole: bool,
    ) {
        if plan.removals.is_empty() && !whole {
            return;
        }
        let removals = plan.removals.iter();
        let (files, uids) = removals
            .filter_map(|(file, uid)| Some((disk.files.get(*file)?, *uid)))
            .unzip();
        self.folders.push(FolderRemoval {
            path: path.clone(),
            target: target.clone(),
            files,
            uids,
            whole,
        });
    }

    fn count(&self) -> u64 {
        let folders = self.folders.iter();
        folders.map(|folder| folder.files.len() as u64).sum()
    }

    /// Why nothing is taken away: it would be too much of the user's mail.
    fn refusal(&self, max_percent: u8) -> Option<Problem> {
        let count = self.count();
        let most = u128::from(self.on_target) * u128::from(max_percent);
        (u128::from(count) * 100 > most).then(|| {
            let what = format!(
                "{count} of {} messages on the target are no longer at the source, more than {max_percent} percent; \
                 nothing was deleted, everything else was done",
                self.on_target
            );
            Problem::new(Kind::Conflict, Reach::User, what).with_hint(
                "if the old server is right, --max-delete PERCENT lets it happen; otherwise see what \
                 is wrong there",
            )
        })
    }
}

impl Attempt<'_> {
    /// Plans the end of folders that the source no longer has. `used` are the places of the target
    /// that belong to those that it has. What `choice` does not take is left alone.
    pub(super) fn plan_vanished(
        &mut self,
        used: &HashSet<MaildirFolder>,
        choice: &Choice<'_>,
    ) -> Result<(), Problem> {
        let mode = self.context.config.rerun.mode;
        if mode == Mode::AfterCutover {
            return Ok(());
        }
        let mut vanished: Vec<(FolderPath, MaildirFolder)> = Vec::new();
        let mut without_place = Vec::new();
        let mut not_taken = HashSet::new();
        for folder in self.memory.book.record.folders() {
            let path = folder.path();
            if !choice.takes(&path) {
                not_taken.extend(folder.directory.clone());
                continue;
            }
            if self.memory.listed.contains(&path) || folder.wire_name.is_none() || path.is_inbox() {
                continue;
            }
            let target = folder.directory.as_deref().and_then(|directory| {
                let components = directory.split('/').map(str::to_owned).collect();
                MaildirFolder::found(components)
            });
            match target.filter(|target| !target.is_root() && !used.contains(target)) {
                Some(target) => vanished.push((path, target)),
                None => without_place.push(path),
            }
        }
        for path in without_place {
            self.memory.book.forget(&path);
        }
        if mode == Mode::Mirror {
            let target = self.context.config.target;
            let told = |error| target_problem("list the folders of the Maildir", error);
            let folders = match on_disk::folders(&self.user.maildir, target.layout) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                other => other.map_err(told)?,
            };
            let known: HashSet<MaildirFolder> =
                vanished.iter().map(|(_, target)| target.clone()).collect();
            for folder in folders {
                let path = folder.path(target.layout, target.encoding);
                let is_known = used.contains(&folder)
                    || known.contains(&folder)
                    || not_taken.contains(&folder.to_string());
                if !folder.is_root() && !is_known && choice.reaches(&path) {
                    vanished.push((path, folder));
                }
            }
        }
        for (path, target) in vanished {
            let result = self.plan_one_vanished(&path, &target);
            if let Err(problem) = result {
                let problem = problem.in_folder(&path);
                self.log.line(Level::ERROR, problem.to_string());
                self.memory.tally.problems.push(problem);
            }
        }
        Ok(())
    }

    fn plan_one_vanished(
        &mut self,
        path: &FolderPath,
        target: &MaildirFolder,
    ) -> Result<(), Problem> {
        let disk = self.scan(target, false)?;
        let seen = self.past(path);
        let listed_validity = disk.uidlist.as_ref().map(|list| list.validity);
        let seen_validity = seen.as_ref().map(|seen| seen.validity);
        if !disk.exists && disk.files.is_empty() && disk.uidlist.is_none() {
            self.memory.book.forget(path);
            return Ok(());
        }
        let Some(validity) = seen_validity.or(listed_validity).or(UidValidity::new(1)) else {
            return Ok(());
        };
        let keywords = KeywordTable::default();
        let source = SourceFolder {
            owner: &self.user.name,
            path,
            validity,
            uid_next: 1,
            in_root: false,
            entries: &[],
            selected: None,
            keywords: &keywords,
            uidls: None,
            digests: None,
            collected: None,
            is_whole: true,
        };
        let past = Past {
            seen: seen.as_ref(),
            rematched: None,
        };
        let policy = self.policy();
        let plan = plan::plan(&source, &past, &disk, &policy, export::now())?;
        let whole = plan.removals.len() == disk.files.len();
        self.memory.removals.on_target += disk.files.len() as u64;
        self.memory.removals.put(path, target, &disk, &plan, whole);
        if whole {
            self.log.line(
                Level::INFO,
                format!("folder {path}: the old server no longer has it"),
            );
        } else if plan.removals.is_empty() {
            // What is left has become the target's own.
            self.memory.book.forget(path);
        }
        Ok(())
    }

    /// Takes away what has been planned, if it is not too much.
    pub(super) fn carry_out_removals(&mut self, tree: Option<&Tree>) -> Result<(), Problem> {
        let removals = std::mem::take(&mut self.memory.removals);
        if removals.folders.is_empty() {
            return Ok(());
        }
        let refusal = removals.refusal(self.context.config.rerun.max_delete);
        let Some(tree) = tree else {
            self.tell_removals(&removals, refusal);
            return Ok(());
        };
        if let Some(problem) = refusal {
            self.log.line(Level::ERROR, problem.to_string());
            self.memory.tally.problems.push(problem);
            return Ok(());
        }
        if removals.count() > 0 && self.quota_is_recounted() {
            export::forget_quota(tree)?;
        }
        for folder in removals.folders {
            self.remove(tree, &folder)?;
        }
        Ok(())
    }

    fn tell_removals(&mut self, removals: &Removals, refusal: Option<Problem>) {
        for folder in removals.folders.iter().filter(|folder| folder.whole) {
            let count = counted(folder.files.len() as u64, "message");
            let line = format!("  {}: remove the folder ({count})", folder.path);
            self.memory.plan.push(printable(&line));
        }
        // Another attempt would tell the same once more.
        self.memory.tally.deleted = match refusal {
            Some(_) => 0,
            None => removals.count(),
        };
        self.memory.tally.problems.extend(refusal);
    }

    fn remove(&mut self, tree: &Tree, folder: &FolderRemoval) -> Result<(), Problem> {
        let layout = self.context.config.target.layout;
        let lists = self.policy().lists(folder.target.is_root());
        let path = &folder.path;
        let removed = removal::remove_messages(
            tree,
            &folder.target,
            layout,
            lists,
            &folder.files,
            self.context.stop,
        )?;
        let count = removed.len() as u64;
        self.memory.tally.deleted += count;
        let gone: HashSet<&str> = removed.iter().map(|file| file.base.as_ref()).collect();
        let went_whole = folder.whole && removal::remove_folder(tree, &folder.target)?;
        if went_whole {
            self.memory.book.forget(path);
        } else {
            let files = folder.files.iter().zip(&folder.uids);
            let uids = files.filter(|(file, _)| gone.contains(file.base.as_ref()));
            let uids: Vec<Uid> = uids.filter_map(|(_, uid)| *uid).collect();
            self.note_removed(path, &uids);
        }
        self.save(Some(tree))?;
        let what = if went_whole { ", and the folder" } else { "" };
        self.log.line(
            Level::INFO,
            format!("folder {path}: {} removed{what}", counted(count, "message")),
        );
        Ok(())
    }
}
