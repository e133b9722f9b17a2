//! One folder: planned, and unless this is a dry run brought up to date.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use tracing::Level;

use super::Breaks;
use super::allowance::{Allowance, Fetched};
use super::attempt::Attempt;
use super::imap_folder::Left;
use super::listing::Stamp;
use super::tally::Added;
use crate::config::{Fsync, Layout};
use crate::mail::{FolderPath, Uid};
use crate::naming::MaildirFolder;
use crate::plan::on_disk::OnDisk;
use crate::plan::seen::Seen;
use crate::plan::{self, FolderPlan, Past, Policy, SourceFolder, Step, describe};
use crate::problem::Problem;
use crate::progress::UserProgress;
use crate::report::Skip;
use crate::sink::arrivals::Arrivals;
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

/// Messages that were asked for in vain, by UID or POP3 number, with the reason.
type NotCome = HashMap<u32, String>;

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

type Fetch<'f> = dyn FnMut(Vec<(u32, u64)>, &mut Arrivals<'_>) -> Result<Fetched, Problem> + 'f;

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
        let past = Past {
            seen: folder.seen.as_ref(),
            rematched: Some(&folder.rematched),
        };
        let plan = plan::plan(&folder.source, &past, &disk, &policy, export::now())?;
        self.note(folder, &plan);
        if tree.is_some() {
            self.context.progress.expect(plan.deliveries, plan.bytes);
        }
        let path = folder.source.path;
        self.memory.removals.add(folder, &disk, &plan);
        let tally = self.memory.tally.folder(path);
        let deleted = tree.map_or(0, |_| tally.source_deleted);
        tally.kept = (plan.kept + deleted).saturating_sub(tally.added.messages);
        // Now it is known which of those that are not selected are on disk.
        let sizes = folder.source.entries.iter().map(|entry| entry.size);
        tally.bytes = sizes.sum::<u64>() - plan.left_out_bytes;
        tally.messages = folder.source.entries.len() as u64 - plan.left_out;
        tally.messages += tally.skips.len() as u64 + deleted;
        if folder.source.selected.is_some() {
            tally.left_out = plan.left_out;
        }
        (tally.changed, tally.left_deleted) = (plan.changed, plan.left_deleted);
        let Some(tree) = tree else {
            tally.kept = plan.kept;
            tally.added = Added {
                messages: plan.deliveries,
                bytes: plan.bytes,
            };
            self.context
                .space
                .expect(&self.user.maildir, to_bring(folder, &plan));
            self.note_deletable(folder, &disk, &plan, &Digests::new(), &|_| false);
            let names = (folder.destination, folder.target);
            let lines = describe::lines(&folder.source, names, &disk, &plan, &policy);
            self.memory.plan.extend(lines);
            return Ok(());
        };
        let reserved = match plan.deliveries {
            0 => None,
            _ => {
                let sizes = to_bring(folder, &plan);
                self.context.space.reserve(&self.user.maildir, sizes)?
            }
        };
        if plan.deliveries > 0 || plan.steps.contains(&Step::WriteUidList) {
            self.note_pending(&folder.source, &plan);
            self.save(Some(tree))?;
        }
        let room = reserved.as_ref();
        let in_use = disk.is_in_use(policy.servers);
        // A lock that was left behind is taken over, and so removed.
        let has_work = !plan.steps.is_empty() || disk.has_lock();
        let has_uids = disk.gives_on(policy.servers) && plan.deliveries > 0;
        let done = match (in_use && has_work) || has_uids {
            false => self.carry_out(folder, tree, disk, plan, fetch, (left, room))?,
            true => self.carry_out_in_use(folder, tree, disk, plan, fetch, (left, room))?,
        };
        let Done {
            plan,
            disk,
            not_come,
            postponed,
            added,
            digests,
        } = done;
        // What a run that was cut had let appear may not be on disk yet; once it is remembered as
        // exported, a loss of it would be taken for a deletion.
        let was_cut = folder.seen.as_ref();
        let was_cut = was_cut.is_some_and(|seen| !seen.pending.is_empty());
        if was_cut && tree.fsync() != Fsync::Never {
            tree.sync_all()?;
        }
        self.skip(folder, &not_come);
        self.postpone(folder, &postponed);
        let missing = |index| {
            let key = (folder.key)(index);
            not_come.contains_key(&key) || postponed.binary_search(&key).is_ok()
        };
        self.note_done(&folder.source, &plan, &folder.stamp, &missing);
        self.save(Some(tree))?;
        self.note_deletable(folder, &disk, &plan, &digests, &missing);
        self.note_linkable(&folder.source, folder.target, &disk, &plan, &missing);
        self.log.line(
            Level::INFO,
            format!(
                "folder {path}: {} added, {} were there, {} changed",
                added.messages, plan.kept, plan.changed
            ),
        );
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
        let past = Past {
            seen: folder.seen.as_ref(),
            rematched: Some(&folder.rematched),
        };
        let now = plan::plan(&folder.source, &past, &disk, &policy, export::now())?;
        if now.deliveries > 0 {
            self.note_pending(&folder.source, &now);
            self.save(Some(tree))?;
        }
        let job = folder.job(tree, layout, &policy, &disk, &now);
        let result = export::publish(&job, watch, folder.key, received);
        let tally = self.memory.tally.folder(path);
        (tally.changed, tally.left_deleted) = (now.changed, now.left_deleted);
        tally.kept = (now.kept + tally.source_deleted).saturating_sub(tally.added.messages);
        tally.added.add(added.get());
        result?;
        if fetched.is_ok() {
            // What was there when the folder was planned and has been taken away since.
            for (index, file) in now.files.iter().enumerate() {
                let key = (folder.key)(index);
                if file.is_none() && now.uids[index].is_some() && were_there[index].is_some() {
                    let why = "it vanished from the target while the folder was worked on";
                    not_come.insert(key, why.to_owned());
                }
            }
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

    /// Puts what has to wait for another day into its bucket.
    fn postpone(&mut self, folder: &Folder<'_>, postponed: &[u32]) {
        let (Some(cap), false) = (self.context.config.daily_cap, postponed.is_empty()) else {
            return;
        };
        let path = folder.source.path;
        let mut pending = Vec::with_capacity(postponed.len());
        for (index, entry) in folder.source.entries.iter().enumerate() {
            let key = (folder.key)(index);
            if postponed.binary_search(&key).is_err() {
                continue;
            }
            let uid = folder.source.digests.is_none().then_some(key);
            let announced = folder.source.uidls.and_then(|uidls| uidls.get(index));
            let uidl = announced.map(|announced| announced.uidl.to_string());
            pending.push(skip(path, uid, uidl, Some(entry.size), ""));
        }
        let octets = pending.iter().filter_map(|skip| skip.size).sum();
        let problem = Allowance::reached(cap, pending.len(), octets).in_folder(path);
        self.log.line(Level::WARN, problem.to_string());
        let tally = self.memory.tally.folder(path);
        (tally.pending, tally.problem) = (pending, Some(problem));
    }

    /// Puts what the source did not give into its bucket.
    fn skip(&mut self, folder: &Folder<'_>, not_come: &NotCome) {
        if not_come.is_empty() {
            return;
        }
        let path = folder.source.path;
        for (index, entry) in folder.source.entries.iter().enumerate() {
            let key = (folder.key)(index);
            let Some(why) = not_come.get(&key) else {
                continue;
            };
            self.log.line(
                Level::WARN,
                format!("folder {path}: {} {key}: {why}", folder.called),
            );
            let uid = folder.source.digests.is_none().then_some(key);
            let announced = folder.source.uidls.and_then(|uidls| uidls.get(index));
            let uidl = announced.map(|announced| announced.uidl.to_string());
            let row = skip(path, uid, uidl, Some(entry.size), why);
            self.memory.tally.folder(path).skips.push(row);
        }
    }

    fn note(&mut self, folder: &Folder<'_>, plan: &FolderPlan) {
        let path = folder.source.path;
        let mut notes = Vec::new();
        if !plan.homeless_keywords.is_empty() {
            let servers = self.context.config.target.servers;
            let why = if servers.dovecot {
                "a Maildir holds 26 keywords; these are left out"
            } else {
                "qmail holds no keywords; these are left out"
            };
            notes.push(format!(
                "folder {path}: {why}: {}",
                plan.homeless_keywords.join(", ")
            ));
        }
        if plan.order_breaks > 0 {
            notes.push(format!(
                "folder {path}: the dates do not keep the POP3 order in {} places",
                plan.order_breaks
            ));
        }
        if plan.changed_uidls > 0 {
            notes.push(format!(
                "folder {path}: the old server has given {} messages another UIDL since the last run; \
                 {} keep the one that they have here (--mirror follows the old server)",
                plan.changed_uidls,
                plan.kept_uidls.len()
            ));
        }
        if plan.kept_copies > 0 {
            notes.push(format!(
                "folder {path}: {} messages are copies that --pop3-collect has put there; without it \
                 they stay and are not kept up to date",
                plan.kept_copies
            ));
        }
        if plan.name_breaks > 0 {
            notes.push(format!(
                "folder {path}: Courier lists by name, which does not keep the POP3 order in {} places",
                plan.name_breaks
            ));
        }
        let who = self.context.config.target.servers.by_name();
        for (uid, uidl, why) in &plan.unholdable {
            self.log.line(
                Level::WARN,
                format!("folder {path}: UID {uid}: {who} cannot hold the UIDL {uidl}: {why}"),
            );
        }
        if !plan.unholdable.is_empty() {
            notes.push(format!(
                "folder {path}: {who} cannot hold {} UIDLs; POP3 clients will download those messages once more",
                plan.unholdable.len()
            ));
        }
        for note in notes {
            self.log.line(Level::WARN, &note);
            self.memory.tally.notes.push(note);
        }
        let tally = &mut self.memory.tally;
        tally.uidls += plan.uidls;
        tally.max_date_shift = tally.max_date_shift.max(plan.max_date_shift);
    }
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

/// Asks for all that is missing but for messages at which the connection broke too often.
fn ask(
    arrivals: &mut Arrivals<'_>,
    fetch: &mut Fetch<'_>,
    breaks: &mut Breaks,
    left: &mut Left,
) -> Result<(NotCome, Vec<u32>), Problem> {
    let mut wanted = arrivals.missing();
    let mut hopeless = HashSet::new();
    wanted.retain(|(key, _)| !breaks.gave_up(*key) || !hopeless.insert(*key));
    let result = fetch(wanted, arrivals);
    let missing = arrivals.missing();
    let Fetched { refused, postponed } = match result {
        Ok(fetched) => fetched,
        Err(problem) => {
            let mut waited_for = missing.iter().filter(|(key, _)| !hopeless.contains(key));
            if problem.retry
                && let Some((first, _)) = waited_for.next()
            {
                breaks.blame(*first);
            }
            *left = Some(missing);
            return Err(problem);
        }
    };
    let mut refused: HashMap<u32, String> = refused.into_iter().collect();
    let mut why = |key| {
        refused.remove(&key).unwrap_or_else(|| {
            if hopeless.contains(&key) {
                "the connection broke each time this message was asked for".to_owned()
            } else {
                "the server did not send it".to_owned()
            }
        })
    };
    let keys = missing.into_iter().map(|(key, _)| key);
    let keys = keys.filter(|key| postponed.binary_search(key).is_err());
    let not_come = keys.map(|key| (key, why(key))).collect();
    Ok((not_come, postponed))
}

pub(super) fn skip(
    path: &FolderPath,
    uid: Option<u32>,
    uidl: Option<String>,
    size: Option<u64>,
    reason: &str,
) -> Skip {
    Skip {
        folder: path.to_string(),
        uid,
        uidl,
        size,
        reason: reason.to_owned().into(),
    }
}
