//! Messages that are held back, whole but without their names, until the list of UIDs is locked.

use std::collections::HashMap;

use super::Arrivals;
use crate::config::Fsync;
use crate::problem::Problem;
use crate::sink::maildir::{Finished, Sizes};

/// Messages that are whole and have not appeared yet, by what they were asked for.
pub(in crate::sink) type Held = HashMap<u32, HeldBack>;

/// A message that is whole and has not appeared yet.
#[derive(Debug)]
pub(in crate::sink) struct HeldBack {
    pub(super) finished: Finished,
    pub(super) sizes: Sizes,
    /// The date that its header tells, where the source gives none.
    pub(super) dated: Option<i64>,
    pub(super) digest: Option<blake3::Hash>,
}

impl Arrivals<'_> {
    /// Holds messages back from now on.
    pub(in crate::sink) fn hold_back(&mut self) {
        self.held = Some(Held::new());
    }

    /// What has been held back.
    pub(in crate::sink) fn into_held(self) -> Held {
        self.held.unwrap_or_default()
    }

    /// Takes what was held back into the lists, as far as the plan still wants it: see
    /// [`crate::sink::export::publish`].
    pub(in crate::sink) fn foresee(&mut self, held: &Held) {
        for key in self.wanted.to_come() {
            let wanted = self.wanted(key);
            if let (Some((entry, _)), Some(message)) = (wanted, held.get(&key)) {
                let base = self.base_name(entry as usize, message.sizes);
                self.list(entry, message.sizes, &base);
                self.unsynced |= self.job.tree.fsync() == Fsync::Batch;
            }
        }
    }

    /// Lets what was held back appear, as far as the plan still wants it. What it no longer wants is
    /// thrown away.
    pub(in crate::sink) fn release(&mut self, mut held: Held) -> Result<(), Problem> {
        for key in self.wanted.to_come() {
            let wanted = self.wanted(key);
            let (Some((entry, mtime)), Some(message)) = (wanted, held.remove(&key)) else {
                continue;
            };
            let HeldBack {
                finished,
                sizes,
                dated,
                digest,
            } = message;
            let names = self.names(entry as usize, sizes);
            let mtime = mtime.or(dated);
            self.publish(finished, (entry, &names.file), sizes, mtime, digest)?;
            self.wanted.has_come(key);
        }
        for message in held.into_values() {
            message.finished.discard(self.dirs);
        }
        Ok(())
    }
}
