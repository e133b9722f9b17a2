//! Asking for what is to come of a folder, and what becomes of that which does not.

use std::collections::{HashMap, HashSet};

use tracing::Level;

use super::{Folder, Skipping};
use crate::mail::octets;
use crate::problem::Problem;
use crate::sink::arrivals::Arrivals;
use crate::user::Breaks;
use crate::user::allowance::{Allowance, Fetched};
use crate::user::attempt::Attempt;
use crate::user::imap_folder::Left;

/// Messages that were asked for in vain, by UID or POP3 number, with the reason.
pub(super) type NotCome = HashMap<u32, String>;

/// Fetches messages, by UID or POP3 number with their octets.
pub(in crate::user) type Fetch<'f> =
    dyn FnMut(Vec<(u32, u64)>, &mut Arrivals<'_>) -> Result<Fetched, Problem> + 'f;

/// Asks for all that is missing but for messages at which the connection broke too often.
pub(super) fn ask(
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

impl Attempt<'_> {
    /// Puts what has to wait for another day into its bucket.
    pub(super) fn postpone(&mut self, folder: &Folder<'_>, postponed: &[u32]) {
        let (Some(cap), false) = (self.context.config.daily_cap, postponed.is_empty()) else {
            return;
        };
        let path = folder.source.path;
        let skipping = Skipping::pending(path);
        let mut pending = Vec::with_capacity(postponed.len());
        for (index, entry) in folder.source.entries.iter().enumerate() {
            let key = (folder.key)(index);
            if postponed.binary_search(&key).is_err() {
                continue;
            }
            let uid = folder.source.digests.is_none().then_some(key);
            let announced = folder.source.uidls.and_then(|uidls| uidls.get(index));
            let uidl = announced.map(|announced| announced.uidl.to_string());
            pending.push(skipping.row(uid, uidl, Some(entry.size)));
        }
        let octets = octets(pending.iter().filter_map(|skip| skip.size));
        let problem = Allowance::reached(cap, pending.len(), octets).in_folder(path);
        self.log.line(Level::WARN, problem.to_string());
        let tally = self.memory.tally.folder(path);
        (tally.pending, tally.problem) = (pending, Some(problem));
    }

    /// Puts what the source did not give into its bucket.
    pub(super) fn skip(&mut self, folder: &Folder<'_>, not_come: &NotCome) {
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
            let row = Skipping::new(path, why).row(uid, uidl, Some(entry.size));
            self.memory.tally.folder(path).skips.push(row);
        }
    }
}
