//! What was seen and done for a user, over all attempts: every message of the source is in
//! exactly one bucket.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::mail::{FolderPath, UidSet};
use crate::problem::{Problem, Reach};
use crate::report::{Skip, UserReport};
use crate::text::counted_with;

/// Messages that this run has written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Added {
    /// How many.
    pub messages: u64,
    /// Their octets, as the source says.
    pub bytes: u64,
}

impl Added {
    /// Counts `other` in.
    pub(super) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The buckets of one folder.
#[derive(Debug, Default)]
pub(super) struct FolderTally {
    /// Messages that the source lists.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
    /// Written by this run, in whatever attempt.
    pub added: Added,
    /// On disk before this run.
    pub kept: u64,
    /// Neither selected nor on disk: not part of the job, in no bucket.
    pub left_out: u64,
    /// Of those, the ones whose flags were changed.
    pub changed: u64,
    /// Deleted on the target by their owner.
    pub left_deleted: u64,
    /// Deleted at the source by this run, in whatever attempt; each is added or kept, too.
    pub source_deleted: u64,
    /// What an attempt was about to delete at the source, until it is known what became of it.
    pub leaving: UidSet,
    /// Not exported, each with its reason.
    pub skips: Vec<Skip>,
    /// Still to come when the last attempt broke: by UID, the octets.
    pub pending: Vec<Skip>,
    /// Why the folder is not done.
    pub problem: Option<Problem>,
}

impl FolderTally {
    /// Why what is pending was not reached, where `failure` has ended the attempt.
    pub(super) fn why_pending(&self, failure: Option<&Problem>) -> Option<String> {
        let problem = self.problem.as_ref().or(failure)?;
        Some(format!("not reached: {}", problem.what()))
    }
}

/// The buckets of a user.
#[derive(Debug, Default)]
pub(super) struct Tally {
    folders: BTreeMap<FolderPath, FolderTally>,
    pub uidls: u64,
    pub uidls_missing: u64,
    pub uidls_extra: u64,
    pub uidls_elsewhere: u64,
    pub uidls_unholdable: u64,
    pub order_breaks: u64,
    pub max_date_shift: u64,
    /// Messages taken away from the target.
    pub deleted: u64,
    pub notes: Vec<String>,
    /// Problems of reach Folder or Message that belong to no listed folder.
    pub problems: Vec<Problem>,
}

impl Tally {
    /// A new attempt sees everything again; only what was written stays counted.
    pub(super) fn begin_attempt(&mut self) {
        self.notes.clear();
        self.problems.clear();
        (self.uidls, self.uidls_missing) = (0, 0);
        (self.uidls_extra, self.uidls_elsewhere) = (0, 0);
        (self.uidls_unholdable, self.order_breaks) = (0, 0);
        self.max_date_shift = 0;
    }

    /// The buckets of `path`, emptied but for what this run has written, and deleted at the source.
    pub(super) fn begin_folder(&mut self, path: &FolderPath) -> &mut FolderTally {
        let folder = self.folders.entry(path.clone()).or_default();
        *folder = FolderTally {
            added: folder.added,
            source_deleted: folder.source_deleted,
            leaving: std::mem::take(&mut folder.leaving),
            ..FolderTally::default()
        };
        folder
    }

    /// The buckets of `path`.
    pub(super) fn folder(&mut self, path: &FolderPath) -> &mut FolderTally {
        self.folders.entry(path.clone()).or_default()
    }

    /// All folders seen so far.
    pub(super) fn folders(&self) -> impl Iterator<Item = (&FolderPath, &FolderTally)> {
        self.folders.iter()
    }

    /// Messages written so far.
    pub(super) fn added(&self) -> u64 {
        let folders = self.folders.values();
        folders.map(|folder| folder.added.messages).sum()
    }

    /// The report. `failure` is what ended the user; what was still to come then is skipped for
    /// that reason.
    pub(super) fn into_report(self, user: &str, failure: Option<Problem>) -> UserReport {
        let mut report = UserReport::new(user);
        report.uidls = self.uidls;
        report.uidls_missing = self.uidls_missing;
        report.uidls_extra = self.uidls_extra;
        report.uidls_elsewhere = self.uidls_elsewhere;
        report.uidls_unholdable = self.uidls_unholdable;
        report.order_breaks = self.order_breaks;
        report.max_date_shift_s = self.max_date_shift;
        report.deleted = self.deleted;
        report.notes = self.notes;
        report.problems = self.problems;
        let left_out: u64 = self.folders.values().map(|folder| folder.left_out).sum();
        if left_out > 0 {
            let left_out = counted_with(left_out, "message", ("is", "are"));
            let note = format!("{left_out} not selected and not on the target");
            report.notes.push(note);
        }
        for (_, folder) in self.folders {
            report.folders += 1;
            report.messages += folder.messages;
            report.bytes = report.bytes.saturating_add(folder.bytes);
            report.added += folder.added.messages;
            report.added_bytes = report.added_bytes.saturating_add(folder.added.bytes);
            report.kept += folder.kept;
            report.changed += folder.changed;
            report.left_deleted += folder.left_deleted;
            report.source_deleted += folder.source_deleted;
            let why: Option<Arc<str>> = folder.why_pending(failure.as_ref()).map(Arc::from);
            let (mut skips, mut pending) = (folder.skips, folder.pending);
            if let Some(why) = why {
                for skip in &mut pending {
                    skip.reason.clone_from(&why);
                }
            }
            // Moved where that is possible: of one folder there may be a million.
            if skips.is_empty() {
                skips = pending;
            } else {
                skips.append(&mut pending);
            }
            if report.skips.is_empty() {
                report.skips = skips;
            } else {
                report.skips.append(&mut skips);
            }
            report.problems.extend(folder.problem);
        }
        // What ended the user is the first thing to be told.
        if let Some(failure) = failure {
            report.problems.insert(0, failure);
        }
        report
            .problems
            .sort_by_key(|problem| std::cmp::Reverse(problem.reach.max(Reach::Folder)));
        report
    }
}
