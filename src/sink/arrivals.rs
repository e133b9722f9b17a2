//! The messages of one folder as they come: each is stored, dated, named and let appear. In a folder
//! that has its numbers they are held back first, whole but without their names, and appear together
//! when the list of UIDs is locked and mentions them: otherwise a server would number them.

mod link;

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::control;
use super::courier::Appeared;
use super::digest::StoredDigest;
use super::export::{Job, Watch, forget_quota, now, quota_is_recounted};
use super::maildir::{self, Draft, Finished, Sizes};
use super::tree::{FolderDirs, remove};
use crate::config::Fsync;
use crate::mail::date::arrival;
use crate::mail::{Place, UidLines};
use crate::naming::BaseName;
use crate::plan::order::{self, Dated};
use crate::plan::uidlist::new_line;
use crate::plan::{self, Step};
use crate::problem::{Kind, Problem, Reach};
use crate::source::BodySink;

/// Bytes of a message that are kept to find its date in, where the source gives none.
const HEADER_KEPT: usize = 64 << 10;

/// A message that is to come.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// By what it is asked for.
    key: u32,
    /// Which step of the plan it is; `None` once it has come. There may be a million of them.
    step: Option<Place>,
}

/// Messages that are whole and have not appeared yet, by what they were asked for.
pub(super) type Held = HashMap<u32, HeldBack>;

/// A message that is whole and has not appeared yet.
#[derive(Debug)]
pub(super) struct HeldBack {
    finished: Finished,
    sizes: Sizes,
    /// The date that its header tells, where the source gives none.
    dated: Option<i64>,
    digest: Option<blake3::Hash>,
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
    /// What is to come, ascending by key.
    wanted: Vec<Wanted>,
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
        let mut some_undated = false;
        let deliveries = usize::try_from(job.plan.deliveries);
        let mut wanted = Vec::with_capacity(deliveries.unwrap_or_default());
        for (step, what) in (0..).zip(&job.plan.steps) {
            if let Step::Deliver { entry, mtime } = what {
                some_undated |= mtime.is_none();
                wanted.push(Wanted {
                    key: key(*entry as usize),
                    step: Place::new(step),
                });
            }
        }
        wanted.sort_unstable_by_key(|wanted| wanted.key);
        Self {
            job,
            dirs,
            watch,
            key,
            wanted,
            asked: false,
            at_hand: AtHand::default(),
            some_undated,
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

    /// Holds messages back from now on.
    pub(super) fn hold_back(&mut self) {
        self.held = Some(Held::new());
    }

    /// What has been held back.
    pub(super) fn into_held(self) -> Held {
        self.held.unwrap_or_default()
    }

    /// Takes what was held back into the lists, as far as the plan still wants it: see
    /// [`super::export::publish`].
    pub(super) fn foresee(&mut self, held: &Held) {
        for key in self.to_come() {
            let wanted = self.wanted(key);
            if let (Some((entry, _)), Some(message)) = (wanted, held.get(&key)) {
                self.list(entry, message.sizes);
                self.unsynced |= self.job.tree.fsync() == Fsync::Batch;
            }
        }
    }

    /// Lets what was held back appear, as far as the plan still wants it. What it no longer wants is
    /// thrown away.
    pub(super) fn release(&mut self, mut held: Held) -> Result<(), Problem> {
        for key in self.to_come() {
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
            self.publish(finished, entry, sizes, mtime.or(dated), digest)?;
            self.has_come(key);
        }
        for message in held.into_values() {
            message.finished.discard(self.dirs);
        }
        Ok(())
    }

    /// How many messages have appeared.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What is still to come, with its announced size, in the order of the plan.
    pub fn missing(&self) -> Vec<(u32, u64)> {
        let keys = self.to_come();
        let mut missing = Vec::with_capacity(keys.len());
        missing.extend(keys.into_iter().filter_map(|key| {
            let (entry, _) = self.wanted(key)?;
            Some((key, self.job.source.entries[entry as usize].size))
        }));
        missing
    }

    /// The keys of what is still to come, in the order of the plan.
    fn to_come(&self) -> Vec<u32> {
        let wanted = self.wanted.iter();
        let mut wanted: Vec<(u32, u32)> = wanted
            .filter_map(|it| Some((it.step?.at(), it.key)))
            .collect();
        wanted.sort_unstable();
        wanted.into_iter().map(|(_, key)| key).collect()
    }

    fn place(&self, key: u32) -> Option<usize> {
        self.wanted.binary_search_by_key(&key, |it| it.key).ok()
    }

    /// The entry and the date of a message that is still to come.
    fn wanted(&self, key: u32) -> Option<(u32, Option<i64>)> {
        let step = self.wanted.get(self.place(key)?)?.step?;
        match self.job.plan.steps.get(step.index())? {
            Step::Deliver { entry, mtime } => Some((*entry, mtime.map(i64::from))),
            _ => None,
        }
    }

    fn has_come(&mut self, key: u32) {
        if let Some(place) = self.place(key) {
            self.wanted[place].step = None;
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

    /// Gives the files of qmail's INBOX dates in POP3 order, now that all dates are known.
    pub(super) fn arrange(&mut self) -> Result<(), Problem> {
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
                maildir::redate(&self.dirs.cur, &self.file_name(index, *sizes), time)
                    .map_err(|error| job.failed("set a date", error))?;
            }
            self.unsynced = true;
        }
        Ok(())
    }

    /// The lines of `dovecot-uidlist` for what has appeared, and the sizes of files that an
    /// earlier run left without a line.
    pub(super) fn take_lines(&mut self) -> Result<UidLines, Problem> {
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
    pub(super) fn for_courier(&self) -> Vec<Appeared> {
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

    fn base_name(&self, index: usize, sizes: Sizes) -> BaseName {
        let job = self.job;
        let sizes = (sizes.size, sizes.virtual_size);
        plan::base_name(job.source, job.policy, job.plan, index, sizes)
    }

    fn file_name(&self, index: usize, sizes: Sizes) -> String {
        format!("{}{}", self.base_name(index, sizes), self.suffix(index))
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
        let name = self.file_name(index, sizes);
        if let Some(problem) = self.refusal(index, sizes, &name) {
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
        self.hand_on(finished, entry, dates, sizes, digest)
    }

    /// Lets a message appear, or holds it back. `dates`: that of the source, and where it gives none
    /// that of the header.
    fn hand_on(
        &mut self,
        finished: Finished,
        entry: u32,
        (mtime, dated): (Option<i64>, Option<i64>),
        sizes: Sizes,
        digest: Option<blake3::Hash>,
    ) -> Result<(), Problem> {
        let Some(held) = &mut self.held else {
            self.publish(finished, entry, sizes, mtime.or(dated), digest)?;
            self.list(entry, sizes);
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
        entry: u32,
        sizes: Sizes,
        mtime: Option<i64>,
        digest: Option<blake3::Hash>,
    ) -> Result<(), Problem> {
        let job = self.job;
        let index = entry as usize;
        let name = self.file_name(index, sizes);
        let mtime = mtime.unwrap_or_else(now);
        finished
            .publish(job.tree, self.dirs, &name, mtime)
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

    /// Takes a message into the lists.
    fn list(&mut self, entry: u32, sizes: Sizes) {
        let job = self.job;
        let index = entry as usize;
        if job.policy.listed.courier {
            self.for_courier.push((entry, sizes));
        }
        if job.plan.list.is_some() {
            let base = self.base_name(index, sizes);
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
                self.has_come(key);
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
