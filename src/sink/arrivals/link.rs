//! Messages that need not be fetched, since their files lie in another folder.

use super::Arrivals;
use crate::plan::on_disk::DiskFile;
use crate::problem::Problem;
use crate::sink::maildir::{Alike, Link};
use crate::sink::on_disk::Messages;

impl Arrivals<'_> {
    /// Lets the message `key` appear, which `file` of `messages` is said to hold, as one more link to
    /// that. False where it has to be fetched: its size or date is another, or it cannot be linked.
    ///
    /// # Errors
    /// Those of the file system; the run is to stop.
    pub fn link(
        &mut self,
        key: u32,
        messages: &Messages,
        file: &DiskFile,
    ) -> Result<bool, Problem> {
        self.may_go_on()?;
        let Some((entry, Some(mtime))) = self.wanted(key) else {
            return Ok(false);
        };
        let alike = Alike {
            virtual_size: self.job.source.entries[entry as usize].size,
            mtime,
        };
        let link = Link::make(messages, file, alike, self.dirs, self.drafts)
            .map_err(|error| self.job.failed("link a message", error))?;
        self.drafts += 1;
        let Some(Link { finished, sizes }) = link else {
            return Ok(false);
        };
        let names = self.names(entry as usize, sizes);
        self.hand_on(finished, (entry, names), (Some(mtime), None), sizes, None)?;
        self.wanted.has_come(key);
        Ok(true)
    }
}
