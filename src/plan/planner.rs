//! The making of a plan, step by step.

mod courier;
mod deliveries;
mod removals;
mod renames;
mod uidls;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::courier::{Present, wanted as wanted_lists};
use super::numbers::{self, Numbers};
use super::on_disk::{OnDisk, Place};
use super::recognise::{Holds, Recognised, recognise};
use super::{FolderPlan, Mode, Past, Policy, Seen, SourceFolder, Step, uidlist};
use crate::mail::Uid;
use crate::naming::KeywordLetters;
use crate::problem::{Kind, Problem, Reach};

pub(super) struct Planner<'a> {
    pub source: &'a SourceFolder<'a>,
    pub past: &'a Past<'a>,
    pub disk: &'a OnDisk,
    pub policy: &'a Policy,
    pub now: i64,
    /// The base names that Courier has listed.
    pub known_to_courier: HashSet<Box<str>>,
    /// The base names of files that hold no message of the source, once they are asked for.
    pub other_names: OnceCell<HashSet<Box<str>>>,
}

impl Planner<'_> {
    pub fn run(&self) -> Result<FolderPlan, Problem> {
        let unholdable = self.unholdable()?;
        let mut found = recognise(self.source, self.disk, self.past);
        self.allow_local(&found)?;
        let wanted = self.wanted(&found);
        let mut numbers = self.numbers(&found, &wanted)?;
        let (letters, homeless_keywords) = self.letters(&wanted);
        let (kept_uidls, changed_uidls) = self.kept_uidls(&found);
        let withheld_uidls = self.withheld_uidls(&found);
        let mut plan = FolderPlan {
            mode: self.mode(),
            steps: Vec::new(),
            removals: self.removals(&found, &letters),
            kept: found.files.iter().flatten().count() as u64,
            changed: 0,
            left_deleted: 0,
            deliveries: 0,
            bytes: 0,
            left_out: 0,
            left_out_bytes: 0,
            letters,
            homeless_keywords,
            unholdable,
            kept_uidls,
            changed_uidls,
            withheld_uidls,
            max_date_shift: 0,
            order_breaks: 0,
            name_breaks: 0,
            ranks: HashMap::new(),
            courier_keywords: None,
            uidls: 0,
            files: std::mem::take(&mut found.files),
            uids: std::mem::take(&mut numbers.entries),
            renumbered: std::mem::take(&mut numbers.renumbered),
            foreign: std::mem::take(&mut numbers.foreign),
            moved: numbers.moved.len() as u64,
            copies: found.copies(self.source, self.disk, self.past, self.mode()),
            kept_copies: found.kept_copies(),
            list: None,
        };
        // A run that was cut before its list may have been cut before the folder: it is not to be taken for
        // one that its owner has deleted, which stays deleted.
        let was_cut = |seen: &Seen| seen.writing.is_some();
        let is_new = self.past.seen.is_none_or(was_cut);
        let has_work = wanted.iter().any(|wanted| *wanted) || is_new;
        if !self.disk.exists && (has_work || self.policy.rerun.mode == Mode::Mirror) {
            plan.steps.push(Step::CreateFolder);
        }
        let exists = self.disk.exists || !plan.steps.is_empty();
        let servers = self.policy.listed;
        let is_listed = servers.dovecot || servers.courier || self.source.in_root;
        if is_listed
            && self.source.digests.is_some()
            && self.disk.uidlist.is_none()
            && !self.source.entries.is_empty()
        {
            plan.steps.push(Step::ReserveValidity);
        }
        if exists && servers.dovecot && plan.letters != self.disk.keywords {
            plan.steps.push(Step::WriteKeywords);
        }
        self.add_deliveries(&mut plan, &wanted);
        let names = self.names_for_courier(&mut plan, &wanted)?;
        self.add_renames(&mut plan, &names);
        if exists && is_listed {
            // What else is known of each file is of no use any more; with a million it takes 8 MB.
            let holders = found.holders(self.disk);
            let lines = std::mem::take(&mut found.lines);
            drop(found);
            self.add_uidlist(&mut plan, (&lines, &holders), &numbers);
        }
        plan.uidls = self.count_uidls(&plan, &wanted);
        Ok(plan)
    }

    fn mode(&self) -> Mode {
        self.policy.rerun.mode
    }

    fn problem(&self, kind: Kind, what: String) -> Problem {
        let reach = if self.source.in_root {
            Reach::User
        } else {
            Reach::Folder
        };
        Problem::new(kind, reach, what)
    }

    /// Which entries are on disk, or are to be.
    fn wanted(&self, found: &Recognised) -> Vec<bool> {
        let entries = self.source.entries.iter().zip(&found.files);
        entries
            .map(|(entry, file)| file.is_some() || self.is_to_come(entry.uid))
            .collect()
    }

    /// Whether a message that is not on disk is to be delivered.
    fn is_to_come(&self, uid: Uid) -> bool {
        self.source.is_selected(uid) && (self.mode() == Mode::Mirror || !self.was_deleted(uid))
    }

    /// Whether a message that is not on disk has been there.
    fn was_deleted(&self, uid: Uid) -> bool {
        let seen = self.past.seen;
        let seen = seen.filter(|seen| seen.validity == self.source.validity);
        seen.is_some_and(|seen| seen.exported(uid))
    }

    fn numbers(&self, found: &Recognised, wanted: &[bool]) -> Result<Numbers, Problem> {
        let assigned = numbers::assign(
            self.source,
            self.disk,
            self.past,
            self.mode(),
            found,
            wanted,
        );
        assigned.ok_or_else(|| {
            let what = "the UIDs of the folder are used up".to_owned();
            self.problem(Kind::Unholdable, what)
        })
    }

    fn letters(&self, wanted: &[bool]) -> (KeywordLetters, Vec<String>) {
        let sets = || {
            let entries = self.source.entries.iter().zip(wanted);
            entries
                .filter(|(_, wanted)| **wanted)
                .map(|(entry, _)| entry.keywords)
        };
        let mut letters = self.disk.keywords.clone();
        if self.policy.listed.courier && !self.policy.listed.dovecot {
            return (KeywordLetters::default(), Vec::new());
        }
        if !self.policy.listed.dovecot {
            let mut table = KeywordLetters::default();
            let mut all = table.admit(self.source.keywords, sets());
            let names = self.source.keywords.names().iter();
            all.extend(names.filter(|name| table.letter(name).is_some()).cloned());
            return (KeywordLetters::default(), all);
        }
        let homeless = letters.admit(self.source.keywords, sets());
        (letters, homeless)
    }

    fn add_uidlist(
        &self,
        plan: &mut FolderPlan,
        lines: (&[Option<Place>], &[Option<Holds>]),
        numbers: &Numbers,
    ) {
        let list = uidlist::desired(self.source, self.past, self.disk, plan, lines, numbers);
        if self.disk.has_indexes && numbers.below_known && self.mode() != Mode::AfterCutover {
            plan.steps.push(Step::RemoveIndexes);
        }
        let lists = self.policy.lists(self.source.in_root);
        let differs = self.disk.lists_differ || self.disk.uidlist.as_ref() != Some(&list);
        let mut is_wanted = plan.deliveries > 0 || (lists.own.is_some() && differs);
        if let Some(files) = self.courier() {
            let present = Present::after(plan, self.disk);
            let in_root = self.source.in_root;
            let wanted = wanted_lists(plan, files, &list, &present, in_root, self.now);
            is_wanted |= !wanted.is_there(files);
            self.add_courier_keywords(plan, files);
        }
        if is_wanted {
            plan.steps.push(Step::WriteUidList);
        }
        plan.list = Some(list);
    }
}
