//! What of a folder is to go, and what of it was never the source's.

use super::Planner;
use crate::mail::Uid;
use crate::naming::KeywordLetters;
use crate::plan::Mode;
use crate::plan::marks;
use crate::plan::on_disk::DiskFile;
use crate::plan::recognise::{Recognised, Role};
use crate::problem::{Kind, Problem};
use crate::text::counted;

impl Planner<'_> {
    /// To mirror means to remove mail that the source never had, which the admin has to have said.
    pub(super) fn allow_local(&self, found: &Recognised) -> Result<(), Problem> {
        if self.mode() != Mode::Mirror || self.policy.rerun.delete_local {
            return Ok(());
        }
        let locals = (0..).zip(&found.roles);
        let mut locals = locals.filter(|(_, role)| **role == Role::Local);
        let first = locals.next().and_then(|(at, _)| self.disk.files.get(at));
        let Some(first) = first else {
            return Ok(());
        };
        let count = counted(1 + locals.count() as u64, "message");
        let seen = self.past.seen;
        let whence = match seen.is_some_and(|seen| !seen.deleted_at_source.is_empty()) {
            true => "that the source never had or that --delete-source has deleted there",
            false => "that the source never had",
        };
        let what = format!(
            "the target has {count} here {whence}; the first is {}",
            first.base
        );
        Err(self.problem(Kind::Conflict, what).with_hint(
            "nothing was changed in this folder; --delete-local lets --mirror delete such mail, \
             without --mirror it is kept",
        ))
    }

    /// What the source no longer has.
    pub(super) fn removals(
        &self,
        found: &Recognised,
        letters: &KeywordLetters,
    ) -> Vec<(u32, Option<Uid>)> {
        if self.mode() == Mode::AfterCutover || !self.source.is_whole {
            return Vec::new();
        }
        let files = (0..).zip(&found.roles);
        files
            .filter_map(|(at, role)| match (role, self.mode()) {
                (Role::Gone(uid) | Role::Copy(uid), Mode::Mirror) => {
                    Some((at, self.remembered(*uid)))
                }
                (Role::Ours | Role::Local, Mode::Mirror) => Some((at, None)),
                (Role::Gone(uid), _) => {
                    let file = self.disk.files.get(at)?;
                    let may_go = self.may_go(&file, *uid, letters);
                    may_go.then(|| (at, self.remembered(*uid)))
                }
                _ => None,
            })
            .collect()
    }

    /// The UID that a message had at the source, where what is remembered goes on to hold: under
    /// another UIDVALIDITY it is another message's.
    pub(super) fn remembered(&self, uid: Uid) -> Option<Uid> {
        let seen = self.past.seen?;
        (seen.validity == self.source.validity).then_some(uid)
    }

    /// Whether the owner has left the message as it came.
    pub(super) fn may_go(&self, file: &DiskFile, uid: Uid, letters: &KeywordLetters) -> bool {
        let before = self.past.seen.and_then(|seen| seen.marks(uid));
        let without_flags = self.source.digests.is_some();
        !self.policy.rerun.keep_deleted
            && before.is_some_and(|before| {
                without_flags
                    || !marks::was_touched(file, before, self.keywords(letters, file, uid))
            })
    }
}
