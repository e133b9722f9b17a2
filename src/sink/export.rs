//! Carries out the plan of one folder.

use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use super::arrivals::Arrivals;
use super::maildir;
use super::tree::{FolderDirs, Tree};
use super::{control, target_problem};
use crate::config::Layout;
use crate::mail::subscriptions::Subscriptions;
use crate::mail::{UidLine, UidList};
use crate::naming::MaildirFolder;
use crate::plan::on_disk::OnDisk;
use crate::plan::{FolderPlan, Policy, SourceFolder, Step};
use crate::problem::Problem;

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
    let marker = job.layout == Layout::MaildirPlusPlus;
    let dirs = job.tree.open_folder(job.target, marker)?;
    maildir::sweep(job.tree, &dirs)?;
    let mut arrivals = Arrivals::new(job, &dirs, watch, key);
    for step in &job.plan.steps {
        match step {
            Step::CreateFolder => {}
            Step::ReserveValidity => job.reserve_validity(&dirs)?,
            Step::WriteKeywords => {
                let text = job.plan.letters.to_text();
                control::replace(job.tree, &dirs, "dovecot-keywords", |out| {
                    std::io::Write::write_all(out, text.as_bytes())
                })?;
            }
            Step::Rename { file, to } => {
                let file = &job.disk.files[*file as usize];
                maildir::rename(&dirs, file, to.as_str())
                    .map_err(|error| job.failed("rename a message", error))?;
            }
            Step::Deliver { .. } => arrivals.bring(fetch)?,
            Step::Redate { file, mtime } => job.redate(&dirs, *file, *mtime)?,
            Step::Arrange => arrivals.arrange()?,
            Step::RemoveIndexes => {
                control::remove_all(&dirs.dir, "dovecot.index")
                    .and_then(|_| control::remove_all(job.tree.root(), "dovecot.list.index"))
                    .map_err(|error| job.failed("remove dovecot.index", error))?;
            }
            Step::WriteUidList => {
                arrivals.settle()?;
                job.write_list(&dirs, arrivals.lines()?)?;
            }
        }
    }
    arrivals.settle()?;
    Ok(arrivals.count())
}

/// Removes the quota count, which no longer holds; each server counts anew with its own rules.
///
/// # Errors
/// Those of the file system.
pub fn forget_quota(tree: &Tree) -> Result<(), Problem> {
    super::tree::remove(tree.root(), "maildirsize")
        .map_err(|error| target_problem("remove maildirsize", error))
}

/// Adds `lines` (version 2, see [`crate::naming::folder::subscription_line`]) to `subscriptions`
/// where they are not in it. Returns how many were new.
///
/// # Errors
/// Those of the file system.
pub fn subscribe(tree: &Tree, layout: Layout, lines: &[String]) -> Result<usize, Problem> {
    let told = |error| target_problem("read subscriptions", error);
    let old = control::read(tree.root(), "subscriptions").map_err(told)?;
    let mut subscriptions = Subscriptions::parse(old.as_deref(), layout);
    let added = subscriptions.add(lines);
    if added > 0 {
        let dirs = tree.open_folder(&MaildirFolder::root(), false)?;
        let text = subscriptions.to_bytes();
        control::replace(tree, &dirs, "subscriptions", |out| {
            std::io::Write::write_all(out, &text)
        })?;
    }
    Ok(added)
}

/// How many of `lines` [`subscribe`] would add to the Maildir at `root`.
///
/// # Errors
/// Those of the file system.
pub fn new_subscriptions(
    root: &std::path::Path,
    layout: Layout,
    lines: &[String],
) -> Result<usize, Problem> {
    let told = |error| target_problem("read subscriptions", error);
    let dir = maildir::open_existing(root, &MaildirFolder::root()).map_err(told)?;
    let old = match &dir {
        Some(dir) => control::read(dir, "subscriptions").map_err(told)?,
        None => None,
    };
    Ok(Subscriptions::parse(old.as_deref(), layout).add(lines))
}

impl Job<'_> {
    pub(super) fn failed(&self, doing: &str, error: std::io::Error) -> Problem {
        target_problem(&format!("{doing} in {}", self.tree.path().display()), error)
            .in_folder(self.source.path)
    }

    pub(super) fn redate(&self, dirs: &FolderDirs, file: u32, mtime: i64) -> Result<(), Problem> {
        let file = &self.disk.files[file as usize];
        let dir = if file.in_new { &dirs.new } else { &dirs.cur };
        maildir::redate(dir, &format!("{}{}", file.base, file.suffix), mtime)
            .map_err(|error| self.failed("set a date", error))
    }

    /// Writes a list without lines, in which no UID is spent: those that a run has given and not
    /// listed before it was cut are given again by the next, to the same messages.
    fn reserve_validity(&self, dirs: &FolderDirs) -> Result<(), Problem> {
        let Some(mut list) = self.plan.list.clone() else {
            return Ok(());
        };
        list.lines.clear();
        list.next_uid = 1;
        self.replace_list(dirs, &list)
    }

    fn write_list(&self, dirs: &FolderDirs, new: Vec<UidLine>) -> Result<(), Problem> {
        match self.plan.list_with(new) {
            Some(list) => self.replace_list(dirs, &list),
            None => Ok(()),
        }
    }

    fn replace_list(&self, dirs: &FolderDirs, list: &UidList) -> Result<(), Problem> {
        let Some(name) = self.policy.list_file(self.target) else {
            return Ok(());
        };
        control::replace(self.tree, dirs, name, |out| list.write_to(out))
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
