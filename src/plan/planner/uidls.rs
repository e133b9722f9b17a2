//! Which UIDLs the messages of a folder get.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use super::Planner;
use crate::config::Unholdable;
use crate::mail::{Uid, Uidl};
use crate::plan::recognise::Recognised;
use crate::plan::{FolderPlan, Mode, announced, held};
use crate::problem::{Kind, Problem, Reach};

impl Planner<'_> {
    /// UIDLs that cannot be file names, where they must be.
    pub(super) fn unholdable(&self) -> Result<Vec<(Uid, Uidl, String)>, Problem> {
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

    /// UIDLs that have changed at the source while the target was used: in a merge they stay.
    /// Returned with them is how many have changed, whether they stay or not.
    pub(super) fn kept_uidls(&self, found: &Recognised) -> (HashMap<usize, Uidl>, u64) {
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
    pub(super) fn withheld_uidls(&self, found: &Recognised) -> HashSet<usize> {
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

    pub(super) fn count_uidls(&self, plan: &FolderPlan, wanted: &[bool]) -> u64 {
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
