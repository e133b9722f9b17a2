//! What files that are there are to be called.

use std::collections::{HashMap, HashSet};

use super::Planner;
use super::courier::change_keywords;
use crate::mail::{Flags, KeywordSet, Uid};
use crate::naming::message::size_field;
use crate::naming::uidl::hold;
use crate::naming::{BaseName, Identity, Rank};
use crate::plan::courier::names::Choice;
use crate::plan::on_disk::{DiskFile, Place};
use crate::plan::{FolderPlan, Mode, NewName, Step, held, identity, marks};

impl Planner<'_> {
    /// Files that are to have their UIDL, another identity or other flags in their name.
    pub(super) fn add_renames(&self, plan: &mut FolderPlan, names: &HashMap<usize, Choice>) {
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
    pub(super) fn uid_before(&self, uid: Uid, file: &DiskFile) -> Option<Uid> {
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
    pub(super) fn fixed_name(&self, plan: &FolderPlan, index: usize) -> Option<BaseName> {
        let held = match plan.kept_uidls.get(&index) {
            Some(uidl) => hold(uidl, self.policy.servers),
            None => held(self.source, self.policy, index)?,
        };
        held.name
    }

    /// The base name that the file of a message is to have instead of its own. It must not be that of
    /// a file that holds no message of the source: a server takes two for one.
    pub(super) fn new_base(
        &self,
        plan: &FolderPlan,
        index: usize,
        file: &DiskFile,
    ) -> Option<Box<str>> {
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

    pub(super) fn other_names(&self, files: &[Option<Place>]) -> HashSet<Box<str>> {
        let held: HashSet<u32> = files.iter().flatten().map(|file| file.at()).collect();
        let files = (0..).zip(self.disk.files.iter());
        let others = files.filter(|(at, _)| !held.contains(at));
        others.map(|(_, file)| file.base).collect()
    }
}

/// An identity as the name of `file`, whose sizes it keeps; `None` where its name tells none.
pub(super) fn sized_name(identity: Identity, file: &DiskFile) -> Option<BaseName> {
    let size = size_field(&file.base, 'S')?;
    let virtual_size = size_field(&file.base, 'W')?;
    Some(identity.base_name(size, virtual_size))
}
