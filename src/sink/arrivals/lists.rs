//! What the lists of a folder are to say of what has come.

use std::cell::LazyCell;

use super::Arrivals;
use crate::mail::UidLines;
use crate::naming::BaseName;
use crate::plan::uidlist::new_line;
use crate::problem::Problem;
use crate::sink::courier::Appeared;
use crate::sink::maildir::{self, Sizes};

impl Arrivals<'_> {
    /// The lines of `dovecot-uidlist` for what has appeared, and the sizes of files that an
    /// earlier run left without a line.
    pub(in crate::sink) fn take_lines(&mut self) -> Result<UidLines, Problem> {
        let job = self.job;
        let mut lines = std::mem::take(&mut self.lines);
        let suffixes = LazyCell::new(|| job.plan.new_suffixes());
        for (index, name, file) in job.plan.unmeasured(job.disk) {
            // It may have got another suffix just now.
            let at = job.plan.files.get(index).copied().flatten();
            let suffix = at.and_then(|at| suffixes.get(&at.at()).copied());
            let dir = if file.in_new && suffix.is_none() {
                &self.dirs.new
            } else {
                &self.dirs.cur
            };
            let suffix = suffix.unwrap_or(&file.suffix);
            let sizes = maildir::measure(dir, &format!("{name}{suffix}"))
                .map_err(|error| job.failed("read a message", error))?;
            lines.push(&new_line(
                job.source,
                job.plan,
                index,
                &name,
                sizes.size,
                sizes.virtual_size,
            ));
        }
        Ok(lines)
    }

    /// What has appeared, as far as Courier's lists go by it.
    pub(in crate::sink) fn for_courier(&self) -> Vec<Appeared> {
        let appeared = self.for_courier.iter().map(|(entry, sizes)| {
            let index = *entry as usize;
            Appeared {
                index,
                base: self.base_name(index, *sizes),
                suffix: self.suffix(index),
                octets: sizes.for_courier(),
            }
        });
        appeared.collect()
    }

    /// Takes a message into the lists.
    pub(super) fn list(&mut self, entry: u32, sizes: Sizes, base: &BaseName) {
        let job = self.job;
        let index = entry as usize;
        if job.policy.listed.courier {
            self.for_courier.push((entry, sizes));
        }
        if job.plan.list.is_some() {
            let (size, virtual_size) = (sizes.size, sizes.virtual_size);
            let line = new_line(
                job.source,
                job.plan,
                index,
                base.as_str(),
                size,
                virtual_size,
            );
            self.lines.push(&line);
        }
    }
}
