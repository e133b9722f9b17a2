//! One folder: planned, and unless this is a dry run brought up to date.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use tracing::Level;

use super::Breaks;
use super::attempt::{Attempt, Left};
use crate::mail::FolderPath;
use crate::naming::MaildirFolder;
use crate::plan::on_disk::OnDisk;
use crate::plan::{self, FolderPlan, SourceFolder, describe};
use crate::problem::Problem;
use crate::report::Skip;
use crate::sink::arrivals::Arrivals;
use crate::sink::export::{self, Job, Watch};
use crate::sink::tree::Tree;
use crate::source::Refused;

/// A folder of the source with where it goes and what fetches it.
pub(super) struct Folder<'f> {
    pub(super) source: SourceFolder<'f>,
    /// Its name on the target.
    pub(super) destination: &'f FolderPath,
    pub(super) target: &'f MaildirFolder,
    pub(super) disk: OnDisk,
    /// By what a message is asked for: its UID, or its POP3 number.
    pub(super) key: &'f dyn Fn(usize) -> u32,
    /// What a message is called in messages to people.
    pub(super) called: &'static str,
}

/// Messages that were asked for in vain, by UID or POP3 number, with the reason.
type NotCome = HashMap<u32, String>;

type Fetch<'f> = dyn FnMut(&[(u32, u64)], &mut Arrivals<'_>) -> Result<Refused, Problem> + 'f;

impl Attempt<'_> {
    /// Plans a folder, and unless this is a dry run carries the plan out.
    pub(super) fn bring_up_to_date(
        &mut self,
        folder: &Folder<'_>,
        tree: Option<&Tree>,
        fetch: &mut Fetch<'_>,
        left: &mut Left,
    ) -> Result<(), Problem> {
        let policy = self.policy();
        let plan = plan::plan(&folder.source, &folder.disk, &policy, export::now())?;
        self.note(folder, &plan);
        self.context.progress.expect_bytes(plan.bytes);
        let path = folder.source.path;
        let tally = self.memory.tally.folder(path);
        tally.kept = plan.kept.saturating_sub(tally.added);
        // Now it is known which of those that are not selected are on disk.
        let sizes = folder.source.entries.iter().map(|entry| entry.size);
        tally.bytes = sizes.sum::<u64>() - plan.left_out_bytes;
        tally.messages = folder.source.entries.len() as u64 - plan.left_out;
        tally.messages += tally.skips.len() as u64;
        if folder.source.selected.is_some() {
            tally.left_out = plan.left_out;
        }
        let Some(tree) = tree else {
            (tally.kept, tally.added) = (plan.kept, plan.deliveries);
            let names = (folder.destination, folder.target);
            let lines = describe::lines(&folder.source, names, &folder.disk, &plan, &policy);
            self.memory.plan.extend(lines);
            return Ok(());
        };
        let added = Cell::new(0);
        let progress = self.context.progress;
        let delivered = |bytes| {
            added.set(added.get() + 1);
            progress.message_done(bytes);
        };
        let watch = Watch {
            stop: self.context.stop,
            delivered: &delivered,
        };
        let job = Job {
            tree,
            target: folder.target,
            layout: self.context.config.target.layout,
            source: &folder.source,
            disk: &folder.disk,
            policy: &policy,
            plan: &plan,
        };
        let mut not_come = NotCome::new();
        let breaks = self.memory.breaks.entry(path.clone()).or_default();
        let result = export::carry_out(&job, watch, folder.key, &mut |arrivals| {
            not_come = ask(arrivals, fetch, breaks, left)?;
            Ok(())
        });
        self.memory.tally.folder(path).added += added.get();
        result?;
        self.skip(folder, not_come);
        self.log.line(
            Level::INFO,
            format!(
                "folder {path}: {} added, {} were there",
                added.get(),
                plan.kept
            ),
        );
        Ok(())
    }

    /// Puts what the source did not give into its bucket.
    fn skip(&mut self, folder: &Folder<'_>, not_come: NotCome) {
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
            let announced = folder.source.uidls.and_then(|uidls| uidls[index].as_ref());
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
        for (uid, uidl, why) in &plan.unholdable {
            self.log.line(
                Level::WARN,
                format!("folder {path}: UID {uid}: qmail cannot hold the UIDL {uidl}: {why}"),
            );
        }
        if !plan.unholdable.is_empty() {
            notes.push(format!(
                "folder {path}: qmail cannot hold {} UIDLs; POP3 clients will download those messages once more",
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

/// Asks for all that is missing but for messages at which the connection broke too often.
fn ask(
    arrivals: &mut Arrivals<'_>,
    fetch: &mut Fetch<'_>,
    breaks: &mut Breaks,
    left: &mut Left,
) -> Result<NotCome, Problem> {
    let (hopeless, wanted): (Vec<_>, Vec<_>) = arrivals
        .missing()
        .into_iter()
        .partition(|(key, _)| breaks.gave_up(*key));
    let hopeless: HashSet<u32> = hopeless.into_iter().map(|(key, _)| key).collect();
    let result = fetch(&wanted, arrivals);
    let missing = arrivals.missing();
    let refused = match result {
        Ok(refused) => refused,
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
    Ok(keys.map(|key| (key, why(key))).collect())
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
