//! The dates of what has come, where the POP3 order goes by them.

use std::collections::HashMap;

use super::{Arrivals, now};
use crate::plan::order::{self, Dated};
use crate::problem::Problem;
use crate::sink::maildir;

impl Arrivals<'_> {
    /// Gives the files of qmail's INBOX dates in POP3 order, now that all dates are known.
    pub(in crate::sink) fn arrange(&mut self) -> Result<(), Problem> {
        let job = self.job;
        let mut dated: Vec<Dated> = Vec::with_capacity(job.source.entries.len());
        for (index, file) in job.plan.files.iter().enumerate() {
            let on_disk = file.and_then(|file| job.disk.files.mtime(file.at()));
            let uidls = job.source.uidls;
            dated.push(Dated {
                position: uidls.and_then(|uidls| uidls.position(index)),
                date: on_disk,
                on_disk,
            });
        }
        let mut new_files = HashMap::with_capacity(self.dates.len());
        for (entry, mtime, sizes) in &self.dates {
            let index = *entry as usize;
            new_files.insert(index, *sizes);
            (dated[index].date, dated[index].on_disk) = (Some(*mtime), Some(*mtime));
        }
        let times = order::arrange(&dated, now());
        for (index, (dated, time)) in dated.iter().zip(times).enumerate() {
            let Some(time) = time.filter(|time| dated.on_disk != Some(*time)) else {
                continue;
            };
            if let Some(file) = job.plan.files[index] {
                job.redate(self.dirs, file.at(), time)?;
            } else if let Some(sizes) = new_files.get(&index) {
                let name = self.names(index, *sizes).file;
                maildir::redate(&self.dirs.cur, &name, time)
                    .map_err(|error| job.failed("set a date", error))?;
            }
            self.unsynced = true;
        }
        Ok(())
    }
}
