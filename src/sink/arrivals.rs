//! The messages of one folder as they come: each is stored, dated, named and let appear. In a folder
//! that has its numbers they are held back first, whole but without their names, and appear together
//! when the list of UIDs is locked and mentions them: otherwise a server would number them.

mod dates;
mod held;
mod link;
mod lists;
mod wanted;

use std::collections::HashSet;
use std::sync::atomic::Ordering;

pub(super) use self::held::Held;
use self::held::HeldBack;
use self::wanted::Wanted;
use super::control;
use super::digest::StoredDigest;
use super::export::{Job, Watch, forget_quota, now, quota_is_recounted};
use super::maildir::{Draft, Finished, Sizes};
use super::tree::{FolderDirs, remove};
use crate::config::Fsync;
use crate::mail::UidLines;
use crate::mail::date::arrival;
use crate::naming::BaseName;
use crate::plan::{self, Step};
use crate::problem::{Kind, Problem, Reach};
use crate::source::BodySink;

/// Bytes of a message that are kept to find its date in, where the source gives none.
const HEADER_KEPT: usize = 64 << 10;

/// What a message is called.
#[derive(Debug)]
struct Names {
    base: BaseName,
    /// The base name with what follows it.
    file: String,
}

/// A message that is coming.
#[derive(Debug, Default)]
pub struct AtHand {
    draft: Option<Draft>,
    /// Where its digest is wanted.
    digest: Option<StoredDigest>,
    announced: Option<u64>,
    header: Vec<u8>,
    /// To be used by the next draft again.
    buffer: Vec<u8>,
}

/// Receives the messages of one folder and lets each appear.
pub struct Arrivals<'a> {
    job: &'a Job<'a>,
    dirs: &'a FolderDirs,
    watch: Watch<'a>,
    /// By what a message is asked for.
    key: &'a dyn Fn(usize) -> u32,
    wanted: Wanted,
    /// Whether all of it has been asked for.
    asked: bool,
    at_hand: AtHand,
    /// Whether the beginnings of messages are kept, to find dates in.
    some_undated: bool,
    drafts: u64,
    /// How many have appeared, and their octets as stored.
    count: u64,
    stored: u64,
    /// Their lines, where the folder has a list.
    lines: UidLines,
    /// Their dates by entry, where files are to be given others: see [`Arrivals::arrange`].
    dates: Vec<(u32, i64, Sizes)>,
    /// Their sizes by entry, where Courier is a target.
    for_courier: Vec<(u32, Sizes)>,
    /// Where messages are held back.
    held: Option<Held>,
    /// Whether the plan arranges files by their dates.
    arranges: bool,
    /// Whether something has appeared or changed that is not known to be on disk.
    unsynced: bool,
}

impl std::fmt::Debug for Arrivals<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrivals")
            .field("wanted", &self.wanted.len())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        dirs: &'a FolderDirs,
        watch: Watch<'a>,
        key: &'a dyn Fn(usize) -> u32,
    ) -> Self {
        let undated = |step: &Step| matches!(step, Step::Deliver { mtime: None, .. });
        Self {
            job,
            dirs,
            watch,
            key,
            wanted: Wanted::of(&job.plan.steps, key),
            asked: false,
            at_hand: AtHand::default(),
            some_undated: job.plan.steps.iter().any(undated),
            drafts: 0,
            count: 0,
            stored: 0,
            lines: UidLines::default(),
            dates: Vec::new(),
            for_courier: Vec::new(),
            held: None,
            arranges: job.plan.steps.contains(&Step::Arrange),
            // Files that a cut run left without a line may not be on disk either.
            unsynced: job.plan.kept > 0 && job.plan.steps.contains(&Step::WriteUidList),
        }
    }

    /// Puts the message at hand aside, into `other`, and takes up the one that was there: several can
    /// be coming at a time, over several connections.
    pub fn exchange(&mut self, other: &mut AtHand) {
        std::mem::swap(&mut self.at_hand, other);
    }

    /// How many messages have appeared.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What is still to come, with its announced size, in the order of the plan.
    pub fn missing(&self) -> Vec<(u32, u64)> {
        let keys = self.wanted.to_come();
        let mut missing = Vec::with_capacity(keys.len());
        missing.extend(keys.into_iter().filter_map(|key| {
            let (entry, _) = self.wanted(key)?;
            Some((key, self.job.source.entries[entry as usize].size))
        }));
        missing
    }

    /// The entry and the date of a message that is still to come.
    fn wanted(&self, key: u32) -> Option<(u32, Option<i64>)> {
        match self.job.plan.steps.get(self.wanted.step(key)?)? {
            Step::Deliver { entry, mtime } => Some((*entry, mtime.map(i64::from))),
            _ => None,
        }
    }

    pub(super) fn bring(
        &mut self,
        fetch: &mut dyn FnMut(&mut Arrivals<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        // The plan has a step for each message; the first brings all that can be had.
        if self.asked || self.wanted.is_empty() {
            return Ok(());
        }
        if quota_is_recounted(self.job.plan.mode, self.job.policy.servers) {
            forget_quota(self.job.tree)?;
        }
        let result = fetch(self);
        self.abandon();
        self.asked = true;
        result
    }

    /// Octets as stored of what has appeared.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Makes sure that what has appeared is on disk, as `--fsync` wants it.
    pub(super) fn settle(&mut self) -> Result<(), Problem> {
        if self.unsynced && self.job.tree.fsync() != Fsync::Never {
            self.job.tree.sync_all().inspect_err(|_| self.take_back())?;
        }
        self.unsynced = false;
        Ok(())
    }

    /// Removes what has appeared and could not be put on disk. The system may show it whole for a
    /// while, and tells the next run nothing of what it has lost. What cannot be removed stays.
    fn take_back(&self) {
        let names: HashSet<Box<str>> = self.lines.iter().map(|line| line.name).collect();
        for name in control::names(&self.dirs.cur).unwrap_or_default() {
            let base = name.split(|byte| *byte == b':').next().unwrap_or_default();
            let is_ours = std::str::from_utf8(base).is_ok_and(|base| names.contains(base));
            if is_ours {
                let _ = remove(&self.dirs.cur, name.as_slice());
            }
        }
    }

    /// Files that were there have got other names or dates: no list may say so before that is on disk.
    pub(super) fn have_changed(&mut self) {
        self.unsynced = true;
    }

    fn base_name(&self, index: usize, sizes: Sizes) -> BaseName {
        let job = self.job;
        let sizes = (sizes.size, sizes.virtual_size);
        plan::base_name(job.source, job.policy, job.plan, index, sizes)
    }

    fn names(&self, index: usize, sizes: Sizes) -> Names {
        let base = self.base_name(index, sizes);
        let file = format!("{base}{}", self.suffix(index));
        Names { base, file }
    }

    fn suffix(&self, index: usize) -> String {
        let job = self.job;
        let entry = &job.source.entries[index];
        let letters = &job.plan.letters;
        letters.suffix(entry.flags, job.source.keywords, entry.keywords)
    }

    /// Completes the message at hand, which is that of `entry`.
    fn appear(&mut self, mut draft: Draft, entry: u32, mtime: Option<i64>) -> Result<(), Problem> {
        let job = self.job;
        let index = entry as usize;
        let told = |error| job.failed("write a message", error);
        let sizes = match draft.finish() {
            Ok(sizes) => sizes,
            Err(error) => {
                self.at_hand.buffer = draft.discard(self.dirs);
                return Err(told(error));
            }
        };
        let names = self.names(index, sizes);
        if let Some(problem) = self.refusal(index, sizes, &names.file) {
            self.at_hand.buffer = draft.discard(self.dirs);
            return Err(problem);
        }
        let dated = match mtime {
            Some(_) => None,
            None => arrival(&self.at_hand.header),
        };
        let (finished, buffer) = draft.close(job.tree, self.held.is_some()).map_err(told)?;
        self.at_hand.buffer = buffer;
        let digest = self.at_hand.digest.take().map(StoredDigest::finish);
        let dates = (mtime, dated);
        self.hand_on(finished, (entry, names), dates, sizes, digest)
    }

    /// Lets a message appear, or holds it back. `dates`: that of the source, and where it gives none
    /// that of the header.
    fn hand_on(
        &mut self,
        finished: Finished,
        (entry, names): (u32, Names),
        (mtime, dated): (Option<i64>, Option<i64>),
        sizes: Sizes,
        digest: Option<blake3::Hash>,
    ) -> Result<(), Problem> {
        let Some(held) = &mut self.held else {
            let mtime = mtime.or(dated);
            self.publish(finished, (entry, &names.file), sizes, mtime, digest)?;
            self.list(entry, sizes, &names.base);
            return Ok(());
        };
        let key = (self.key)(entry as usize);
        let message = HeldBack {
            finished,
            sizes,
            dated,
            digest,
        };
        if let Some(doubled) = held.insert(key, message) {
            doubled.finished.discard(self.dirs);
        }
        Ok(())
    }

    fn publish(
        &mut self,
        finished: Finished,
        (entry, name): (u32, &str),
        sizes: Sizes,
        mtime: Option<i64>,
        digest: Option<blake3::Hash>,
    ) -> Result<(), Problem> {
        let job = self.job;
        let index = entry as usize;
        let mtime = mtime.unwrap_or_else(now);
        finished
            .publish(job.tree, self.dirs, name, mtime)
            .map_err(|error| job.failed("write a message", error))?;
        // With `--fsync always` it is on disk.
        self.unsynced |= job.tree.fsync() == Fsync::Batch;
        (self.count, self.stored) = (self.count + 1, self.stored + sizes.size);
        if self.arranges {
            self.dates.push((entry, mtime, sizes));
        }
        (self.watch.delivered)(job.source.entries[index].size);
        if let (Some(told), Some(digest)) = (self.watch.digested, digest) {
            told(index, digest);
        }
        Ok(())
    }

    fn may_go_on(&self) -> Result<(), Problem> {
        match self.watch.stop.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(
                Problem::new(Kind::Interrupted, Reach::Run, "the run was interrupted")
                    .with_hint("run it again to go on"),
            ),
        }
    }

    /// Why the message must not appear.
    fn refusal(&self, index: usize, sizes: Sizes, name: &str) -> Option<Problem> {
        let job = self.job;
        let problem = if self
            .at_hand
            .announced
            .is_some_and(|announced| announced != sizes.received)
        {
            let what = "the message has another length than the server announced";
            Problem::new(Kind::Protocol, Reach::User, what).worth_retry(true)
        } else if job.policy.servers.dovecot
            && plan::contradicts_size(name, sizes.size, sizes.virtual_size)
        {
            let what = format!(
                "the UIDL, which is to be the file name, announces another size than the message has ({} bytes, {} with CRLF): {name}",
                sizes.size, sizes.virtual_size
            );
            Problem::new(Kind::Unholdable, Reach::User, what)
                .with_hint("Dovecot would not send such a message; use --target qmail or --target dovecot alone")
        } else {
            return None;
        };
        let uid = job.source.entries[index].uid;
        Some(
            problem
                .in_folder(job.source.path)
                .at_message(format!("UID {uid}")),
        )
    }
}

impl BodySink for Arrivals<'_> {
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
        self.abandon();
        self.may_go_on()?;
        let buffer = std::mem::take(&mut self.at_hand.buffer);
        let keep_double_cr = self.job.policy.servers.dovecot;
        let draft = Draft::begin(
            self.job.tree,
            self.dirs,
            self.drafts,
            keep_double_cr,
            self.held.is_some(),
            buffer,
        )
        .map_err(|error| self.job.failed("write a message", error))?;
        self.drafts += 1;
        self.at_hand.draft = Some(draft);
        self.at_hand.digest = self
            .watch
            .digested
            .map(|_| StoredDigest::new(keep_double_cr));
        self.at_hand.announced = announced;
        self.at_hand.header.clear();
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if self.some_undated {
            let room = HEADER_KEPT.saturating_sub(self.at_hand.header.len());
            self.at_hand
                .header
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        if let Some(digest) = &mut self.at_hand.digest {
            digest.update(bytes);
        }
        match &mut self.at_hand.draft {
            Some(draft) => draft
                .write(bytes)
                .map_err(|error| self.job.failed("write a message", error)),
            None => Ok(()),
        }
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        match (self.at_hand.draft.take(), self.wanted(key)) {
            (Some(draft), Some((entry, mtime))) => {
                self.appear(draft, entry, mtime)?;
                self.wanted.has_come(key);
                Ok(())
            }
            (Some(draft), None) => {
                self.at_hand.buffer = draft.discard(self.dirs);
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    fn abandon(&mut self) {
        if let Some(draft) = self.at_hand.draft.take() {
            self.at_hand.buffer = draft.discard(self.dirs);
        }
    }
}
