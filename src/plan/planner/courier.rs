//! What is planned for Courier alone: names for its POP3 order, its keywords.

use std::collections::HashMap;

use super::super::courier::names::{self, Choice, Shown};
use super::super::on_disk::DiskFile;
use super::super::{FolderPlan, Mode, Step, identity, marks};
use super::Planner;
use super::renames::sized_name;
use crate::config::Unholdable;
use crate::mail::Uid;
use crate::mail::courier::{CourierFiles, CourierKeywords};
use crate::naming::KeywordLetters;
use crate::problem::{Kind, Problem, Reach};

impl Planner<'_> {
    /// Courier's files, where Courier has opened the folder or an earlier run has written them.
    pub(super) fn courier(&self) -> Option<&CourierFiles> {
        let files = self.disk.courier.as_ref();
        files.filter(|_| self.policy.listed.courier)
    }

    pub(super) fn keywords<'k>(
        &'k self,
        letters: &'k KeywordLetters,
        file: &DiskFile,
        uid: Uid,
    ) -> marks::Keywords<'k> {
        marks::Keywords {
            letters,
            known: &self.disk.keywords,
            courier: self.courier().map(|files| &files.keywords),
            courier_has_a_say: self.is_known(file, uid),
        }
    }

    /// Whether Courier knows a message under its keywords: they are written before its line.
    pub(super) fn is_known(&self, file: &DiskFile, uid: Uid) -> bool {
        let seen = self.past.seen;
        let is_pending = seen.is_some_and(|seen| seen.pending.contains(uid));
        !is_pending && self.known_to_courier.contains(&*file.base)
    }

    /// Courier's INBOX: for each entry what its name is to be for the POP3 order.
    pub(super) fn names_for_courier(
        &self,
        plan: &mut FolderPlan,
        wanted: &[bool],
    ) -> Result<HashMap<usize, Choice>, Problem> {
        if !self.policy.servers.courier || !self.source.in_root || self.source.uidls.is_none() {
            return Ok(HashMap::new());
        }
        let mut places: Vec<(u32, usize)> = (0..self.source.entries.len())
            .filter(|index| wanted.get(*index).copied().unwrap_or(false))
            .filter_map(|index| Some((self.source.uidls?.position(index)?, index)))
            .collect();
        places.sort_unstable();
        let shown: Vec<Shown> = places
            .iter()
            .map(|(_, index)| self.shown(plan, *index))
            .collect();
        let (choices, breaks) = names::arrange(&shown, self.now);
        plan.name_breaks = breaks;
        if breaks > 0 && self.policy.uidls.unholdable == Unholdable::Fail {
            let what = format!(
                "Courier cannot keep the POP3 order: it goes by the names of the files, which are \
                 UIDLs here, and those do not keep it in {breaks} places"
            );
            return Err(Problem::new(Kind::Unholdable, Reach::User, what).with_hint(
                "--unholdable report exports the user all the same, in the order of the names",
            ));
        }
        let choices = places.into_iter().zip(choices);
        let choices = choices.map(|((_, index), choice)| (index, choice));
        let (there, new): (Vec<_>, Vec<_>) =
            choices.partition(|(index, _)| plan.files.get(*index).copied().flatten().is_some());
        let ranked = new.into_iter().filter_map(|(index, choice)| match choice {
            Choice::Ranked(rank) => Some((index, rank)),
            _ => None,
        });
        plan.ranks.extend(ranked);
        Ok(there.into_iter().collect())
    }

    /// A message that POP3 shows, as far as its name is concerned.
    fn shown(&self, plan: &FolderPlan, index: usize) -> Shown {
        let own = identity(self.source, index).bare_name().to_string();
        let file = plan.files.get(index).copied().flatten();
        let file = file.and_then(|file| self.disk.files.get(file.at()));
        let fixed = self.fixed_name(plan, index).map(|name| name.to_string());
        let given = match (self.mode(), &file) {
            (Mode::AfterCutover, Some(file)) => Some(file.base.to_string()),
            _ => fixed,
        };
        let current = file.map(|file| {
            let new = self.new_base(plan, index, &file);
            new.unwrap_or_else(|| file.base.clone()).to_string()
        });
        Shown {
            given,
            current,
            own,
        }
    }

    /// The new base name that a file is to have for Courier's order; `None`: the order asks for nothing.
    pub(super) fn base_for_courier(
        &self,
        index: usize,
        file: &DiskFile,
        choice: Option<&Choice>,
    ) -> Option<Option<Box<str>>> {
        let own = identity(self.source, index);
        let own = sized_name(own, file).unwrap_or_else(|| own.bare_name());
        let name = match choice? {
            Choice::Stays => return None,
            Choice::Own => own,
            Choice::Ranked(rank) => own.ranked(rank),
        };
        Some((*file.base != *name.as_str()).then(|| name.as_str().into()))
    }

    /// The keywords of an entry, as the source spells them.
    fn listed_keywords(&self, index: usize) -> Vec<String> {
        let keywords = self.source.keywords;
        let members = keywords.members(self.source.entries[index].keywords).iter();
        let names = members.filter_map(|at| keywords.names().get(usize::from(*at)));
        names.cloned().collect()
    }

    /// Keywords in lower case as they are spelled on the target, or at the source.
    pub(super) fn spelled(&self, on_target: &CourierKeywords, words: Vec<String>) -> Vec<String> {
        let spelled = words.into_iter().map(|word| {
            let known = on_target.messages.values().flatten();
            let mut known = known.chain(self.source.keywords.names());
            let spelled = known.find(|name| name.eq_ignore_ascii_case(&word));
            spelled.cloned().unwrap_or(word)
        });
        spelled.collect()
    }

    pub(super) fn add_courier_keywords(&self, plan: &mut FolderPlan, files: &CourierFiles) {
        let mut delivered = plan.steps.iter().filter_map(|step| match step {
            Step::Deliver { entry, .. } => Some(*entry as usize),
            _ => None,
        });
        let some_come = delivered.any(|index| !self.listed_keywords(index).is_empty());
        let wanted = plan.courier_keywords.as_ref();
        let differs = wanted.is_some_and(|wanted| wanted.messages != files.keywords.messages);
        if some_come || differs {
            plan.steps.push(Step::WriteCourierKeywords);
        }
    }
}

/// Gives a file's keywords to its new base name, or new ones to it.
pub(super) fn change_keywords(
    all: &mut CourierKeywords,
    file: &DiskFile,
    base: Option<&str>,
    new: Option<Vec<String>>,
) {
    let old = match base {
        Some(_) => all.messages.remove(&file.base),
        None => None,
    };
    let words = new.map_or(old, |words| Some(words.into_iter().collect()));
    let base = base.unwrap_or(&file.base);
    match words {
        Some(words) if words.is_empty() => {
            all.messages.remove(base);
        }
        Some(words) => {
            all.messages.insert(base.into(), words);
        }
        None => {}
    }
}
