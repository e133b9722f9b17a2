//! One folder: planned, and unless this is a dry run brought up to date.

mod asking;
mod notes;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use tracing::Level;

use self::asking::{Fetch, NotCome, ask};
use super::attempt::Attempt;
use super::imap_folder::Left;
use super::listing::Stamp;
use super::tally::Added;
use crate::config::{Fsync, Layout};
use crate::mail::{FolderPath, Uid, octets};
use crate::naming::MaildirFolder;
use crate::plan::on_disk::{OnDisk, Place};
use crate::plan::seen::Seen;
use crate::plan::{self, FolderPlan, Past, Policy, SourceFolder, Step, describe};
use crate::problem::Problem;
use crate::progress::UserProgress;
use crate::report::Skip;
use crate::sink::export::{self, Job, Watch};
use crate::sink::list_lock::ListLock;
use crate::sink::tree::Tree;
use crate::space::Reserved;

/// A folder of the source with where it goes and what fetches it.
pub(super) struct Folder<'f> {
    pub(super) source: SourceFolder<'f>,
    /// Its name on the target.
    pub(super) destination: &'f FolderPath,
    pub(super) target: &'f MaildirFolder,
    /// What the last run has seen of it.
    pub(super) seen: Option<Seen>,
    /// Files whose messages have other UIDs now: by their base names, see [`Past::rematched`].
    pub(super) rematched: HashMap<Box<str>, Uid>,
    /// By what the next run knows that nothing has changed at the source.
    pub(super) stamp: Stamp,
    /// By what a message is asked for: its UID, or its POP3 number.
    pub(super) key: &'f dyn Fn(usize) -> u32,
    /// What a message is called in messages to people.
    pub(super) called: &'static str,
}

/// The digests of what has come, by entry, where they are wanted.
pub(super) type Digests = HashMap<usize, blake3::Hash>;

/// What a plan that was carried out has left.
struct Done {
    plan: FolderPlan,
    /// What the plan was made from.
    disk: OnDisk,
    not_come: NotCome,
    /// What waits for another day, by UID or POP3 number, ascending.
    postponed: Vec<u32>,
    added: Added,
    digests: Digests,
}

impl Folder<'_> {
    fn job<'j>(
        &'j self,
        tree: &'j Tree,
        layout: Layout,
        policy: &'j Policy,
        disk: &'j OnDisk,
        plan: &'j FolderPlan,
    ) -> Job<'j> {
        Job {
            tree,
            target: self.target,
            layout,
            source: &self.source,
            disk,
            policy,
            plan,
        }
    }
}

impl Attempt<'_> {
    /// Plans a folder, and unless this is a dry run carries the plan out. `disk` is what was found of
    /// it on the target; it and the plan are given away, so that neither stays in memory beside what is
    /// found and planned once more where a server may be at work.
    pub(super) fn bring_up_to_date(
        &mut self,
        folder: &Folder<'_>,
        disk: OnDisk,
        tree: Option<&Tree>,
        fetch: &mut Fetch<'_>,
        left: &mut Left,
    ) -> Result<(), Problem> {
        let policy = self.policy();
        let plan = self.plan(folder, &disk)?;
        self.note(folder, &plan);
        self.memory.removals.add(folder, &disk, &plan);
        self.count_planned(folder, &plan, tree.is_none());
        let Some(tree) = tree else {
            self.foretell(folder, &disk, &plan);
            return Ok(());
        };
        self.context.progress.expect(plan.deliveries, plan.bytes);
        let reserved = match plan.deliveries {
            0 => None,
            _ => {
                let sizes = to_bring(folder, &plan);
                self.context.space.reserve(&self.user.maildir, sizes)?
            }
        };
        sync_after_a_cut(folder, tree)?;
        self.note_begun(folder, &plan, tree)?;
        let room = reserved.as_ref();
        let in_use = disk.is_in_use(policy.servers);
        // A lock that was left behind is taken over, and so removed.
        let has_work = !plan.steps.is_empty() || disk.has_lock();
        let has_uids = disk.gives_on(policy.servers) && plan.deliveries > 0;
        let done = match (in_use && has_work) || has_uids {
            false => self.carry_out(folder, tree, disk, plan, fetch, (left, room))?,
            true => self.carry_out_in_use(folder, tree, disk, plan, fetch, (left, room))?,
        };
        self.note_carried_out(folder, tree, &done)
    }

    fn plan(&self, folder: &Folder<'_>, disk: &OnDisk) -> Result<FolderPlan, Problem> {
        let past = Past {
            seen: folder.seen.as_ref(),
            rematched: Some(&folder.rematched),
        };
        plan::plan(&folder.source, &past, disk, &self.policy(), export::now())
    }

    /// Fills the buckets of a folder with what its plan makes of the messages.
    fn count_planned(&mut self, folder: &Folder<'_>, plan: &FolderPlan, is_dry_run: bool) {
        let source = &folder.source;
        let tally = self.memory.tally.folder(source.path);
        let deleted = match is_dry_run {
            true => 0,
            false => tally.source_deleted,
        };
        tally.kept = (plan.kept + deleted).saturating_sub(tally.added.messages);
        // Now it is known which of those that are not selected are on disk.
        tally.bytes = octets(source.entries.iter().map(|entry| entry.size));
        tally.bytes = tally.bytes.saturating_sub(plan.left_out_bytes);
        tally.messages = source.entries.len() as u64 - plan.left_out;
        tally.messages += tally.skips.len() as u64 + deleted;
        if source.selected.is_some() {
            tally.left_out = plan.left_out;
        }
        (tally.changed, tally.left_deleted) = (plan.changed, plan.left_deleted);
        if is_dry_run {
            tally.kept = plan.kept;
            tally.added = Added {
                messages: plan.deliveries,
                bytes: plan.bytes,
            };
        }
    }

    /// Says in a dry run what would be done in a folder.
    fn foretell(&mut self, folder: &Folder<'_>, disk: &OnDisk, plan: &FolderPlan) {
        let sizes = to_bring(folder, plan);
        self.context.space.expect(&self.user.maildir, sizes);
        self.note_deletable(folder, disk, plan, &Digests::new(), &|_| false);
        let names = (folder.destination, folder.target);
        let lines = describe::lines(&folder.source, names, disk, plan, &self.policy());
        self.memory.plan.extend(lines);
    }

    /// Has it on disk, before a plan is carried out, what that is about to deliver and which UIDs it gives.
    fn note_begun(
        &mut self,
        folder: &Folder<'_>,
        plan: &FolderPlan,
        tree: &Tree,
    ) -> Result<(), Problem> {
        if plan.deliveries == 0 && !plan.steps.contains(&Step::WriteUidList) {
            return Ok(());
        }
        self.note_pending(&folder.source, plan);
        self.save(Some(tree))
    }

    /// Has it on disk, after a plan was carried out, what the folder is like now; and notes what has not come.
    fn note_carried_out(
        &mut self,
        folder: &Folder<'_>,
        tree: &Tree,
        done: &Done,
    ) -> Result<(), Problem> {
        let Done {
            plan,
            disk,
            not_come,
            postponed,
            added,
            digests,
        } = done;
        let path = folder.source.path;
        self.skip(folder, not_come);
        self.postpone(folder, postponed);
        let missing = |index| {
            let key = (folder.key)(index);
            not_come.contains_key(&key) || postponed.binary_search(&key).is_ok()
        };
        self.note_done(&folder.source, plan, &folder.stamp, &missing);
        self.save(Some(tree))?;
        self.note_deletable(folder, disk, plan, digests, &missing);
        self.note_linkable(&folder.source, folder.target, disk, plan, &missing);
        let (added, kept, changed) = (added.messages, plan.kept, plan.changed);
        let line = format!("folder {path}: {added} added, {kept} were there, {changed} changed");
        self.log.line(Level::INFO, line);
        Ok(())
    }

    /// Carries a plan out in a folder that no server has used, and in which no message has a UID yet
    /// or none is to come: messages appear as they come.
    fn carry_out(
        &mut self,
        folder: &Folder<'_>,
        tree: &Tree,
        disk: OnDisk,
        plan: FolderPlan,
        fetch: &mut Fetch<'_>,
        (left, room): (&mut Left, Option<&Reserved<'_>>),
    ) -> Result<Done, Problem> {
        let added = Cell::default();
        let delivered = delivered(self.context.progress, room, &added);
        let digests = RefCell::default();
        let digested = digested(&digests);
        let watch = Watch {
            stop: self.context.stop,
            delivered: &delivered,
            digested: self.wants_digests().then_some(&digested),
        };
        let policy = self.policy();
        let job = folder.job(
            tree,
            self.context.config.target.layout,
            &policy,
            &disk,
            &plan,
        );
        let mut not_come = NotCome::new();
        let mut postponed = Vec::new();
        let path = folder.source.path;
        let breaks = self.memory.breaks.entry(path.clone()).or_default();
        let result = export::carry_out(&job, watch, folder.key, &mut |arrivals| {
            (not_come, postponed) = ask(arrivals, fetch, breaks, left)?;
            Ok(())
        });
        self.memory.tally.folder(path).added.add(added.get());
        result?;
        Ok(Done {
            plan,
            disk,
            not_come,
            postponed,
            added: added.get(),
            digests: digests.take(),
        })
    }

    /// Carries a plan out in a folder that a server may be using, or may begin to use when this run
    /// is cut. All that is to come is fetched first; then, with the list of UIDs locked, a plan is made
    /// for the folder as it is now, and what has come appears after its line.
    fn carry_out_in_use(
        &mut self,
        folder: &Folder<'_>,
        tree: &Tree,
        disk: OnDisk,
        mut plan: FolderPlan,
        fetch: &mut Fetch<'_>,
        (left, room): (&mut Left, Option<&Reserved<'_>>),
    ) -> Result<Done, Problem> {
        let policy = self.policy();
        let layout = self.context.config.target.layout;
        let path = folder.source.path;
        let added = Cell::default();
        let delivered = delivered(self.context.progress, room, &added);
        let digests = RefCell::default();
        let digested = digested(&digests);
        let watch = Watch {
            stop: self.context.stop,
            delivered: &delivered,
            digested: self.wants_digests().then_some(&digested),
        };
        let mut not_come = NotCome::new();
        let mut postponed = Vec::new();
        let job = folder.job(tree, layout, &policy, &disk, &plan);
        let breaks = self.memory.breaks.entry(path.clone()).or_default();
        let (received, fetched) = export::receive(&job, watch, folder.key, &mut |arrivals| {
            (not_come, postponed) = ask(arrivals, fetch, breaks, left)?;
            Ok(())
        })?;
        let lists = policy.lists(folder.target.is_root());
        let _lock = ListLock::take(tree, received.dirs(), lists, self.context.stop)?;
        // Of what was found and planned first only this is of use any more.
        let (is_dated, were_there) = (disk.is_dated, std::mem::take(&mut plan.files));
        drop((disk, plan));
        let disk = self.scan(folder.target, is_dated)?;
        let now = self.plan(folder, &disk)?;
        self.note_begun(folder, &now, tree)?;
        let job = folder.job(tree, layout, &policy, &disk, &now);
        let result = export::publish(&job, watch, folder.key, received);
        let tally = self.memory.tally.folder(path);
        (tally.changed, tally.left_deleted) = (now.changed, now.left_deleted);
        tally.kept = (now.kept + tally.source_deleted).saturating_sub(tally.added.messages);
        tally.added.add(added.get());
        result?;
        if fetched.is_ok() {
            let why = "it vanished from the target while the folder was worked on";
            let vanished = vanished(&were_there, &now);
            not_come.extend(vanished.map(|index| ((folder.key)(index), why.to_owned())));
        }
        self.memory.removals.replace(folder, &disk, &now);
        fetched?;
        Ok(Done {
            plan: now,
            disk,
            not_come,
            postponed,
            added: added.get(),
            digests: digests.take(),
        })
    }
}

/// What a run that was cut has let appear may not be on disk yet. It has to be before a list mentions it, and
/// before it is remembered as exported: then a loss of it would be taken for a deletion.
fn sync_after_a_cut(folder: &Folder<'_>, tree: &Tree) -> Result<(), Problem> {
    let seen = folder.seen.as_ref();
    let was_cut = seen.is_some_and(|seen| !seen.pending.is_empty());
    match was_cut && tree.fsync() != Fsync::Never {
        true => tree.sync_all(),
        false => Ok(()),
    }
}

/// The entries that were there when a folder was planned first, and have been taken away since; `now` would
/// deliver them.
fn vanished<'p>(
    were_there: &'p [Option<Place>],
    now: &'p FolderPlan,
) -> impl Iterator<Item = usize> + 'p {
    let entries = were_there.iter().zip(&now.files).zip(&now.uids);
    let entries = entries.enumerate();
    entries.filter_map(|(index, ((then, file), uid))| {
        (then.is_some() && file.is_none() && uid.is_some()).then_some(index)
    })
}

/// Counts what appears.
fn delivered<'c>(
    progress: &'c UserProgress,
    room: Option<&'c Reserved<'c>>,
    added: &'c Cell<Added>,
) -> impl Fn(u64) + 'c {
    move |bytes| {
        let mut all = added.get();
        all.add(Added { messages: 1, bytes });
        added.set(all);
        progress.message_done(bytes);
        if let Some(room) = room {
            room.written(bytes);
        }
    }
}

/// The sizes of what `plan` is to bring, as the source tells them.
fn to_bring<'f>(folder: &'f Folder<'_>, plan: &'f FolderPlan) -> impl Iterator<Item = u64> + 'f {
    plan.steps.iter().filter_map(|step| match step {
        Step::Deliver { entry, .. } => {
            let entry = folder.source.entries.get(*entry as usize);
            Some(entry.map_or(0, |entry| entry.size))
        }
        _ => None,
    })
}

/// Keeps the digests of what appears.
fn digested(digests: &RefCell<Digests>) -> impl Fn(usize, blake3::Hash) + '_ {
    |index, digest| {
        digests.borrow_mut().insert(index, digest);
    }
}

/// Rows of messages of one folder that are not exported for one reason, of which they share the text.
pub(super) struct Skipping {
    folder: Arc<str>,
    reason: Arc<str>,
}

impl Skipping {
    pub(super) fn new(path: &FolderPath, reason: &str) -> Self {
        Self {
            folder: path.to_string().into(),
            reason: reason.into(),
        }
    }

    /// Those of messages that are still to come; why they are not there is told at the end.
    pub(super) fn pending(path: &FolderPath) -> Self {
        Self::new(path, "")
    }

    pub(super) fn row(&self, uid: Option<u32>, uidl: Option<String>, size: Option<u64>) -> Skip {
        Skip {
            folder: Arc::clone(&self.folder),
            uid,
            uidl,
            size,
            reason: Arc::clone(&self.reason),
        }
    }
}
