//! What is to come, and the dates by which qmail lists it.

use super::Planner;
use crate::config::Pop3Order;
use crate::mail::date::Seconds;
use crate::plan::{FolderPlan, Mode, Step, order};

impl Planner<'_> {
    pub(super) fn add_deliveries(&self, plan: &mut FolderPlan, wanted: &[bool]) {
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
                plan.bytes = plan.bytes.saturating_add(entry.size);
                plan.steps.push(Step::Deliver {
                    entry: number,
                    mtime,
                });
            } else if self.was_deleted(entry.uid) {
                plan.left_deleted += 1;
            } else {
                plan.left_out += 1;
                plan.left_out_bytes = plan.left_out_bytes.saturating_add(entry.size);
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
    pub(super) fn times(&self, plan: &mut FolderPlan) -> Option<Vec<Option<i64>>> {
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
}
