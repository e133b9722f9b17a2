//! Carries out the plan of one folder.

use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use super::arrivals::{Arrivals, Held};
use super::courier::Appeared;
use super::maildir;
use super::on_disk;
use super::tree::{FolderDirs, Tree};
use super::{control, courier, target_problem};
use crate::config::{Layout, Servers};
use crate::mail::subscriptions::{Form, Subscriptions};
use crate::mail::{Extended, UidLines};
use crate::naming::MaildirFolder;
use crate::plan::on_disk::OnDisk;
use crate::plan::{FolderPlan, Mode, Policy, SourceFolder, Step};
use crate::problem::{Kind, Problem, Reach};

/// A folder with everything that its plan was made from.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The Maildir.
    pub tree: &'a Tree,
    /// Where the folder lies in it.
    pub target: &'a MaildirFolder,
    /// How folders lie.
    pub layout: Layout,
    /// The folder as the source has it.
    pub source: &'a SourceFolder<'a>,
    /// The folder as it was found on disk.
    pub disk: &'a OnDisk,
    /// The rules.
    pub policy: &'a Policy,
    /// What is to be done.
    pub plan: &'a FolderPlan,
}

/// What is told while messages arrive.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Set when the run is to stop: the message at hand is thrown away, nothing else is lost.
    pub stop: &'a AtomicBool,
    /// Called with the octets of each message that has appeared.
    pub delivered: &'a dyn Fn(u64),
    /// Where it is to be known what the source has sent: called with the entry of each message that
    /// has appeared and its digest, see [`super::digest`].
    pub digested: Option<&'a dyn Fn(usize, blake3::Hash)>,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Carries out `job.plan`, step by step. `key` says by what a message of the source is asked for
/// (UID or POP3 number), `fetch` brings the messages that the sink still lacks.
///
/// # Errors
/// Those of `fetch`, which may be called again in another attempt: what has appeared stays; and
/// those of the file system.
pub fn carry_out(
    job: &Job<'_>,
    watch: Watch<'_>,
    key: &dyn Fn(usize) -> u32,
    fetch: &mut dyn FnMut(&mut Arrivals<'_>) -> Result<(), Problem>,
) -> Result<u64, Problem> {
    if job.plan.steps.is_empty() {
        return Ok(0);
    }
    let dirs = job.open()?;
    maildir::sweep(job.tree, &dirs)?;
    let mut arrivals = Arrivals::new(job, &dirs, watch, key);
    let result = job.run(&dirs, &mut arrivals, Coming::Asked(fetch));
    if result.is_err() {
        clear(&dirs);
    }
    result?;
    Ok(arrivals.count())
}

/// Removes what is left in `tmp` of what did not come to its end. What cannot be removed now is
/// removed by the next run.
fn clear(dirs: &FolderDirs) {
    let _ = control::remove_all(&dirs.tmp, maildir::TEMPORARY);
}

/// How messages come.
enum Coming<'f> {
    /// They are asked for when the plan wants them.
    Asked(&'f mut dyn FnMut(&mut Arrivals<'_>) -> Result<(), Problem>),
    /// They have come, and only have to appear.
    Held(Held),
}

/// Messages that have been fetched for a folder that has its numbers, and have not appeared yet.
#[derive(Debug)]
pub struct Received {
    dirs: FolderDirs,
    held: Held,
}

impl Drop for Received {
    fn drop(&mut self) {
        clear(&self.dirs);
    }
}

impl Received {
    /// The folder's directories.
    pub fn dirs(&self) -> &FolderDirs {
        &self.dirs
    }
}

/// The first half of [`carry_out`] where messages have UIDs already, which a server may be about to
/// give on: all that is to be delivered is fetched and held back. The second result is that of `fetch`.
///
/// # Errors
/// Those of the file system.
pub fn receive(
    job: &Job<'_>,
    watch: Watch<'_>,
    key: &dyn Fn(usize) -> u32,
    fetch: &mut dyn FnMut(&mut Arrivals<'_>) -> Result<(), Problem>,
) -> Result<(Received, Result<(), Problem>), Problem> {
    let dirs = job.open()?;
    maildir::sweep(job.tree, &dirs)?;
    let mut arrivals = Arrivals::new(job, &dirs, watch, key);
    arrivals.hold_back();
    let fetched = arrivals.bring(fetch);
    let held = arrivals.into_held();
    Ok((Received { dirs, held }, fetched))
}

/// The second half of [`carry_out`] where messages have UIDs already, by a plan that was made from
/// the folder as it is now that the caller has its lock. The lists come first here: a server that
/// opens the folder after a cut would give a file that no list mentions the next UID, which at the
/// source is perhaps that of another message. From a line without a file it makes nothing.
///
/// # Errors
/// Those of the file system.
pub fn publish(
    job: &Job<'_>,
    watch: Watch<'_>,
    key: &dyn Fn(usize) -> u32,
    mut received: Received,
) -> Result<u64, Problem> {
    let held = std::mem::take(&mut received.held);
    let dirs = received.dirs();
    let mut arrivals = Arrivals::new(job, dirs, watch, key);
    job.run(dirs, &mut arrivals, Coming::Held(held))?;
    Ok(arrivals.count())
}

/// Whether the quota count is thrown away when something changes, for each server to count anew. Not
/// on a target in use, and not where Courier is to find it: its first line holds the limits.
pub fn quota_is_recounted(mode: Mode, servers: Servers) -> bool {
    mode != Mode::AfterCutover && !servers.courier
}

/// Removes the quota count, which no longer holds; each server counts anew with its own rules.
///
/// # Errors
/// Those of the file system.
pub fn forget_quota(tree: &Tree) -> Result<(), Problem> {
    super::tree::remove(tree.root(), "maildirsize")
        .map_err(|error| target_problem("remove maildirsize", error))
}

/// Whether mail has come or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has come.
    More,
    /// It has gone.
    Less,
}

/// Adds what has come to the quota count, or takes from it what has gone, as servers do (Maildir++,
/// `maildirsize`): on a target in use it is not ours to remove.
///
/// # Errors
/// Those of the file system.
pub fn count_quota(tree: &Tree, bytes: u64, messages: u64, change: Change) -> Result<(), Problem> {
    let line = match change {
        Change::More => format!("{bytes} {messages}\n"),
        Change::Less => format!("-{bytes} -{messages}\n"),
    };
    const FILE: &str = "maildirsize";
    let told = |error| {
        let what = format!("write maildirsize in {}", tree.path().display());
        target_problem(&what, error)
    };
    if control::append_if_there(tree.root(), FILE, &line).map_err(told)? {
        return Ok(());
    }
    let mut text = control::read(tree.root(), FILE)
        .map_err(told)?
        .unwrap_or_default();
    text.extend_from_slice(line.as_bytes());
    control::replace_in_root(tree, FILE, |out| std::io::Write::write_all(out, &text))
}

/// Changes `file` as `change` does, which says how many lines that were, and is told whether there
/// was no such file; in a dry run, for which there is no `tree`, only that is found out.
///
/// # Errors
/// Those of the file system.
pub fn subscribe(
    root: &std::path::Path,
    tree: Option<&Tree>,
    file: Form,
    change: impl FnOnce(&mut Subscriptions, bool) -> usize,
) -> Result<usize, Problem> {
    let name = file.name();
    let told = |error| target_problem(&format!("read {name} in {}", root.display()), error);
    let dir = on_disk::open_existing(root, &MaildirFolder::root()).map_err(told)?;
    let old = match &dir {
        Some(dir) => control::read(dir, name).map_err(told)?,
        None => None,
    };
    let mut subscriptions = Subscriptions::parse(old.as_deref(), file);
    let changed = change(&mut subscriptions, old.is_none());
    if let Some(tree) = tree.filter(|_| changed > 0) {
        let dirs = tree.open_folder(&MaildirFolder::root(), false)?;
        let text = subscriptions.to_bytes();
        control::replace(tree, &dirs, name, |out| {
            std::io::Write::write_all(out, &text)
        })?;
    }
    Ok(changed)
}

impl Job<'_> {
    fn open(&self) -> Result<FolderDirs, Problem> {
        let marker = self.layout == Layout::MaildirPlusPlus;
        self.tree.open_folder(self.target, marker)
    }

    fn run(
        &self,
        dirs: &FolderDirs,
        arrivals: &mut Arrivals<'_>,
        mut coming: Coming<'_>,
    ) -> Result<(), Problem> {
        let adds_only = self.plan.mode == Mode::AfterCutover;
        if adds_only && !self.plan.steps.iter().all(Step::only_adds) {
            return Err(self.forbidden());
        }
        if let Coming::Held(held) = &coming {
            arrivals.foresee(held);
        }
        for step in &self.plan.steps {
            self.take(step, dirs, arrivals, &mut coming)?;
        }
        if let Coming::Held(held) = coming {
            arrivals.release(held)?;
            if self.plan.steps.contains(&Step::Arrange) {
                arrivals.arrange()?;
            }
        }
        arrivals.settle()?;
        let is_counted = !quota_is_recounted(self.plan.mode, self.policy.servers);
        if is_counted && arrivals.count() > 0 {
            let (bytes, messages) = (arrivals.stored(), arrivals.count());
            count_quota(self.tree, bytes, messages, Change::More)?;
        }
        Ok(())
    }

    fn take(
        &self,
        step: &Step,
        dirs: &FolderDirs,
        arrivals: &mut Arrivals<'_>,
        coming: &mut Coming<'_>,
    ) -> Result<(), Problem> {
        match step {
            // It was opened, and so made.
            Step::CreateFolder => Ok(()),
            Step::ReserveValidity => self.reserve_validity(dirs),
            Step::WriteKeywords => {
                let text = self.plan.letters.to_text();
                control::replace(self.tree, dirs, "dovecot-keywords", |out| {
                    std::io::Write::write_all(out, text.as_bytes())
                })
            }
            Step::Rename { file, to } => {
                let Some(file) = self.disk.files.get(*file) else {
                    return Ok(());
                };
                maildir::rename(dirs, &file, to.base.as_deref(), to.suffix.as_deref())
                    .map_err(|error| self.failed("rename a message", error))?;
                arrivals.have_changed();
                Ok(())
            }
            Step::Deliver { .. } => match coming {
                Coming::Asked(fetch) => arrivals.bring(fetch),
                Coming::Held(_) => Ok(()),
            },
            Step::Redate { file, mtime } => {
                self.redate(dirs, *file, *mtime)?;
                arrivals.have_changed();
                Ok(())
            }
            Step::Arrange => match coming {
                Coming::Asked(_) => arrivals.arrange(),
                Coming::Held(_) => Ok(()),
            },
            Step::RemoveIndexes => self.remove_indexes(dirs),
            Step::WriteCourierKeywords => {
                arrivals.settle()?;
                courier::write_keywords(self, dirs, &arrivals.for_courier())
            }
            Step::WriteUidList => {
                arrivals.settle()?;
                let delivered = arrivals.for_courier();
                self.write_list(dirs, &arrivals.take_lines()?, &delivered)
            }
        }
    }

    fn remove_indexes(&self, dirs: &FolderDirs) -> Result<(), Problem> {
        control::remove_all(self.tree.root(), "dovecot.list.index")
            .and_then(|_| control::remove_indexes(&dirs.dir))
            .map_err(|error| self.failed("remove dovecot.index", error))
    }

    /// A plan for a target in use that would do more than add is a mistake of ours.
    fn forbidden(&self) -> Problem {
        let what = "after the cutover mail is only added, and this plan would change something";
        Problem::new(Kind::Internal, Reach::User, what).in_folder(self.source.path)
    }

    pub(super) fn failed(&self, doing: &str, error: std::io::Error) -> Problem {
        target_problem(&format!("{doing} in {}", self.tree.path().display()), error)
            .in_folder(self.source.path)
    }

    pub(super) fn redate(&self, dirs: &FolderDirs, file: u32, mtime: i64) -> Result<(), Problem> {
        let Some(file) = self.disk.files.get(file) else {
            return Ok(());
        };
        let dir = if file.in_new { &dirs.new } else { &dirs.cur };
        maildir::redate(dir, &file.name(), mtime).map_err(|error| self.failed("set a date", error))
    }

    /// Writes a list without lines, in which no UID is spent: those that a run has given and not
    /// listed before it was cut are given again by the next, to the same messages.
    fn reserve_validity(&self, dirs: &FolderDirs) -> Result<(), Problem> {
        let Some(list) = &self.plan.list else {
            return Ok(());
        };
        let mut list = list.clone_head();
        list.next_uid = 1;
        self.replace_list(dirs, &list.with(&UidLines::default()), &[])
    }

    fn write_list(
        &self,
        dirs: &FolderDirs,
        new: &UidLines,
        delivered: &[Appeared],
    ) -> Result<(), Problem> {
        match self.plan.list_with(new) {
            Some(list) => self.replace_list(dirs, &list, delivered),
            None => Ok(()),
        }
    }

    /// Replaces the lists. `delivered`: what has appeared, see [`courier::write_lists`].
    fn replace_list(
        &self,
        dirs: &FolderDirs,
        list: &Extended<'_>,
        delivered: &[Appeared],
    ) -> Result<(), Problem> {
        let lists = self.policy.lists(self.target.is_root());
        let old = self.disk.uidlist.as_ref();
        if self.plan.mode == Mode::AfterCutover && old.is_some_and(|old| !old.is_extended_by(list))
        {
            return Err(self.forbidden());
        }
        if lists.courier {
            courier::write_lists(self, dirs, &list.whole(), delivered)?;
        }
        match lists.own {
            Some(name) => control::replace(self.tree, dirs, name, |out| list.write_to(out)),
            None => Ok(()),
        }
    }
}

/// The time, in seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}
