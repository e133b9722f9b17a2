//! The making of a plan, step by step.

mod courier;

use std::cell::{LazyCell, OnceCell};
use std::collections::{HashMap, HashSet};

use super::courier::{Present, names::Choice, wanted as wanted_lists};
use super::numbers::{self, Numbers};
use super::on_disk::{DiskFile, OnDisk, Place};
use super::recognise::{Holds, Recognised, Role, recognise};
use super::{
    FolderPlan, Mode, NewName, Past, Policy, Seen, SourceFolder, Step, announced, held, identity,
    marks, order, uidlist,
};
use crate::config::{Pop3Order, Unholdable};
use crate::mail::date::Seconds;
use crate::mail::{Flags, KeywordSet, Uid, Uidl};
use crate::naming::message::size_field;
use crate::naming::uidl::hold;
use crate::naming::{BaseName, Identity, KeywordLetters, Rank};
use crate::problem::{Kind, Problem, Reach};
use courier::change_keywords;

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
        let local = self.local(&found)?;
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
            local,
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

    /// UIDLs that cannot be file names, where they must be.
    fn unholdable(&self) -> Result<Vec<(Uid, Uidl, String)>, Problem> {
        let mut refused = Vec::new();
        for (index, entry) in self.source.entries.iter().enumerate() {
            if self.source.is_selected(entry.uid)
                && let Some(fault) = held(self.source, self.policy, index).and_then(|it| it.fault)
                && let Some(announced) = announced(self.source, index)
            {
                refused.push((entry.uid, announced.uidl, fault.to_string()));
            }
        }
        match refused.first() {
            Some((uid, uidl, why)) if self.policy.uidls.unholdable == Unholdable::Fail => {
                let what = format!(
                    "{} cannot hold {} of the UIDLs; the first is {uidl}: {why}",
                    self.policy.servers.by_name(),
                    refused.len()
                );
                Err(Problem::new(Kind::Unholdable, Reach::User, what)
                    .at_message(format!("UID {uid}"))
                    .with_hint(
                        "--unholdable report exports such messages under other names and lists them; \
                         POP3 clients will download them once more",
                    ))
            }
            _ => Ok(refused),
        }
    }

    fn problem(&self, kind: Kind, what: String) -> Problem {
        let reach = if self.source.in_root {
            Reach::User
        } else {
            Reach::Folder
        };
        Problem::new(kind, reach, what)
    }

    /// How much mail the source never had. To mirror means to remove it, which the admin has to
    /// have said.
    fn local(&self, found: &Recognised) -> Result<u64, Problem> {
        let mut local = found.roles.iter().zip(self.disk.files.iter());
        let first = local.find(|(role, _)| **role == Role::Local);
        let roles = found.roles.iter();
        let count = roles.filter(|role| **role == Role::Local).count() as u64;
        match first {
            Some((_, file)) if self.mode() == Mode::Mirror && !self.policy.rerun.delete_local => {
                let seen = self.past.seen;
                let whence = match seen.is_some_and(|seen| !seen.deleted_at_source.is_empty()) {
                    true => "that the source never had or that --delete-source has deleted there",
                    false => "that the source never had",
                };
                let what = format!(
                    "the target has {count} messages here {whence}; the first is {}",
                    file.base
                );
                Err(self.problem(Kind::Conflict, what).with_hint(
                    "nothing was changed in this folder; --delete-local lets --mirror delete such mail, \
                     without --mirror it is kept",
                ))
            }
            _ => Ok(count),
        }
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

    /// What the source no longer has.
    fn removals(&self, found: &Recognised, letters: &KeywordLetters) -> Vec<(u32, Option<Uid>)> {
        if self.mode() == Mode::AfterCutover || !self.source.is_whole {
            return Vec::new();
        }
        let files = (0..).zip(found.roles.iter().zip(self.disk.files.iter()));
        files
            .filter_map(|(at, (role, file))| match (role, self.mode()) {
                (Role::Gone(uid) | Role::Copy(uid), Mode::Mirror) => {
                    Some((at, self.remembered(*uid)))
                }
                (Role::Ours | Role::Local, Mode::Mirror) => Some((at, None)),
                (Role::Gone(uid), _) if self.may_go(&file, *uid, letters) => {
                    Some((at, self.remembered(*uid)))
                }
                _ => None,
            })
            .collect()
    }

    /// The UID that a message had at the source, where what is remembered goes on to hold: under
    /// another UIDVALIDITY it is another message's.
    fn remembered(&self, uid: Uid) -> Option<Uid> {
        let seen = self.past.seen?;
        (seen.validity == self.source.validity).then_some(uid)
    }

    /// Whether the owner has left the message as it came.
    fn may_go(&self, file: &DiskFile, uid: Uid, letters: &KeywordLetters) -> bool {
        let before = self.past.seen.and_then(|seen| seen.marks(uid));
        let without_flags = self.source.digests.is_some();
        !self.policy.rerun.keep_deleted
            && before.is_some_and(|before| {
                without_flags
                    || !marks::was_touched(file, before, self.keywords(letters, file, uid))
            })
    }

    /// UIDLs that have changed at the source while the target was used: in a merge they stay.
    /// Returned with them is how many have changed, whether they stay or not.
    fn kept_uidls(&self, found: &Recognised) -> (HashMap<usize, Uidl>, u64) {
        let mut kept = HashMap::new();
        let mut changed = 0;
        let (Some(seen), Some(list)) = (self.past.seen, &self.disk.uidlist) else {
            return (kept, changed);
        };
        let Some(uidls) = self.source.uidls else {
            return (kept, changed);
        };
        if seen.validity != self.source.validity {
            return (kept, changed);
        }
        // Hardly ever needed.
        let all = LazyCell::new(|| uidls.finder());
        for (index, file) in found.files.iter().enumerate() {
            let line = file.and_then(|file| *found.lines.get(file.at() as usize)?);
            if uidls.has(index)
                && let Some(line) = line.and_then(|line| list.lines.get(line.at() as usize))
                && let Some(held) = line.field('P')
                && !uidls.is_uidl(index, held)
                && seen.paired.contains(self.source.entries[index].uid)
            {
                changed += 1;
                let stays = self.mode() != Mode::Mirror && !all.has(held);
                if let Some(held) = Uidl::parse(held.as_bytes()).ok().filter(|_| stays) {
                    kept.insert(index, held);
                }
            }
        }
        (kept, changed)
    }

    /// After the cutover mail that is there keeps its UIDL, though the source may have given it to
    /// another message since: one that went and came back.
    fn withheld_uidls(&self, found: &Recognised) -> HashSet<usize> {
        let (Mode::AfterCutover, Some(list)) = (self.mode(), &self.disk.uidlist) else {
            return HashSet::new();
        };
        let held: HashSet<Box<str>> = list
            .lines
            .iter()
            .filter_map(|line| line.field('P').map(Into::into))
            .collect();
        let entries = found.files.iter().enumerate();
        let to_come = entries.filter(|(_, file)| file.is_none());
        to_come
            .filter(|(index, _)| {
                announced(self.source, *index).is_some_and(|it| held.contains(it.uidl.as_str()))
            })
            .map(|(index, _)| index)
            .collect()
    }

    fn add_deliveries(&self, plan: &mut FolderPlan, wanted: &[bool]) {
        let times = self.times(plan);
        // Entries are numbered like UIDs: there are no more than 2^32.
        for (index, (number, entry)) in (0_u32..).zip(self.source.entries).enumerate() {
            if plan.files[index].is_some() {
                continue;
            }
            if wanted[index] {
                let mtime = times
                    .as_ref()
                    .map_or(entry.internal_date, |times| times[index].map(Seconds::from));
                plan.deliveries += 1;
                plan.bytes += entry.size;
                plan.steps.push(Step::Deliver {
                    entry: number,
                    mtime,
                });
            } else if self.was_deleted(entry.uid) {
                plan.left_deleted += 1;
            } else {
                plan.left_out += 1;
                plan.left_out_bytes += entry.size;
            }
        }
        let Some(times) = times.filter(|_| self.mode() != Mode::AfterCutover) else {
            return;
        };
        for (file, time) in plan.files.iter().zip(&times) {
            if let (Some(file), Some(time)) = (file, time)
                && self.disk.files.mtime(file.at()) != Some(*time)
            {
                plan.steps.push(Step::Redate {
                    file: file.at(),
                    mtime: *time,
                });
            }
        }
        // Dates that only the fetched headers tell.
        if plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Deliver { mtime: None, .. }))
        {
            plan.steps.push(Step::Arrange);
        }
    }

    /// qmail's INBOX: the date of each entry that makes the POP3 order. `None` elsewhere.
    fn times(&self, plan: &mut FolderPlan) -> Option<Vec<Option<i64>>> {
        let uidls = self.source.uidls?;
        if !self.policy.servers.qmail || !self.source.in_root {
            return None;
        }
        let entries = self.source.entries.iter().zip(&plan.files).enumerate();
        let dated: Vec<order::Dated> = entries
            .map(|(index, (entry, file))| {
                let on_disk = file.and_then(|file| self.disk.files.mtime(file.at()));
                order::Dated {
                    position: uidls.position(index),
                    // A POP3-only source has no dates; those of the files are from the headers.
                    date: entry.date().or(on_disk),
                    on_disk,
                }
            })
            .collect();
        if self.mode() == Mode::AfterCutover {
            let dates = self.disk.files.iter().filter_map(|file| file.mtime);
            return Some(order::append(&dated, dates.max(), self.now));
        }
        if self.policy.uidls.pop3_order == Pop3Order::Date {
            plan.order_breaks = order::breaks(&dated);
            return Some(dated.iter().map(|dated| dated.date).collect());
        }
        let times = order::arrange(&dated, self.now);
        plan.max_date_shift = order::max_shift(&dated, &times);
        Some(times)
    }

    /// Files that are to have their UIDL, another identity or other flags in their name.
    fn add_renames(&self, plan: &mut FolderPlan, names: &HashMap<usize, Choice>) {
        let mut for_courier = self.courier().map(|files| files.keywords.clone());
        if self.mode() == Mode::AfterCutover {
            plan.courier_keywords = for_courier;
            return;
        }
        let mut as_listed: HashMap<(Flags, KeywordSet), String> = HashMap::new();
        for (index, entry) in self.source.entries.iter().enumerate() {
            let held = plan.files[index].map(Place::at);
            let held = held.and_then(|at| Some((at, self.disk.files.get(at)?)));
            let Some((at, file)) = held else {
                continue;
            };
            let base = self.base_for_courier(index, &file, names.get(&index));
            let base = base.unwrap_or_else(|| self.new_base(plan, index, &file));
            let listed = as_listed
                .entry((entry.flags, entry.keywords))
                .or_insert_with(|| {
                    plan.letters
                        .suffix(entry.flags, self.source.keywords, entry.keywords)
                });
            // What is alike on both sides stays, whatever was before.
            let renewed = if *file.suffix == **listed && for_courier.is_none() {
                marks::Renewed::default()
            } else {
                let before = self.past.seen.and_then(|seen| {
                    let uid = self.uid_before(entry.uid, &file);
                    seen.marks(uid?)
                });
                let keywords = self.keywords(&plan.letters, &file, entry.uid);
                marks::renewed(self.source, index, &file, before, keywords, self.mode())
            };
            let mut keywords_change = false;
            if let Some(all) = &mut for_courier {
                keywords_change = renewed.keywords.is_some() && self.is_known(&file, entry.uid);
                let new = renewed.keywords.map(|words| self.spelled(all, words));
                change_keywords(all, &file, base.as_deref(), new);
            }
            let suffix = renewed.suffix;
            if suffix.is_some() || keywords_change {
                plan.changed += 1;
            }
            if base.is_some() || suffix.is_some() {
                let suffix = suffix.map(String::into_boxed_str);
                plan.steps.push(Step::Rename {
                    file: at,
                    to: Box::new(NewName { base, suffix }),
                });
            }
        }
        plan.courier_keywords = for_courier;
    }

    /// The UID under which the last run has seen the message in `file`.
    fn uid_before(&self, uid: Uid, file: &DiskFile) -> Option<Uid> {
        let seen = self.past.seen?;
        if seen.validity == self.source.validity {
            return Some(uid);
        }
        match Identity::parse(&file.base)? {
            Identity::Imap(validity, uid) if validity == seen.validity => Some(uid),
            _ => None,
        }
    }

    /// The name that a message must have, since it is its UIDL.
    fn fixed_name(&self, plan: &FolderPlan, index: usize) -> Option<BaseName> {
        let held = match plan.kept_uidls.get(&index) {
            Some(uidl) => hold(uidl, self.policy.servers),
            None => held(self.source, self.policy, index)?,
        };
        held.name
    }

    /// The base name that the file of a message is to have instead of its own. It must not be that of
    /// a file that holds no message of the source: a server takes two for one.
    fn new_base(&self, plan: &FolderPlan, index: usize, file: &DiskFile) -> Option<Box<str>> {
        if let Some(name) = self.fixed_name(plan, index) {
            return (*file.base != *name.as_str()).then(|| name.as_str().into());
        }
        let own = identity(self.source, index);
        let other = Identity::parse(&file.base).filter(|identity| *identity != own)?;
        // What POP3 alone has staged is known by its UIDL, which goes on to hold.
        if matches!(other, Identity::Pop3(..)) && self.source.digests.is_some() {
            return None;
        }
        let name = sized_name(own, file)?;
        let rank = Rank::split(&file.base).map(|(rank, _)| rank);
        let name = rank.map_or(name.clone(), |rank| name.ranked(&rank));
        let others = (self.other_names).get_or_init(|| self.other_names(&plan.files));
        (!others.contains(name.as_str())).then(|| name.as_str().into())
    }

    fn other_names(&self, files: &[Option<Place>]) -> HashSet<Box<str>> {
        let held: HashSet<u32> = files.iter().flatten().map(|file| file.at()).collect();
        let files = (0..).zip(self.disk.files.iter());
        let others = files.filter(|(at, _)| !held.contains(at));
        others.map(|(_, file)| file.base).collect()
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

    fn count_uidls(&self, plan: &FolderPlan, wanted: &[bool]) -> u64 {
        let is_announced = |index| self.source.uidls.is_some_and(|uidls| uidls.has(index));
        let wanted = wanted.iter().enumerate();
        let held = wanted
            .filter(|(index, wanted)| **wanted && is_announced(*index))
            .count() as u64;
        let lost = if self.policy.servers.dovecot {
            0
        } else {
            plan.unholdable.len() as u64
        };
        held.saturating_sub(lost)
    }
}

/// An identity as the name of `file`, whose sizes it keeps; `None` where its name tells none.
fn sized_name(identity: Identity, file: &DiskFile) -> Option<BaseName> {
    let size = size_field(&file.base, 'S')?;
    let virtual_size = size_field(&file.base, 'W')?;
    Some(identity.base_name(size, virtual_size))
}
