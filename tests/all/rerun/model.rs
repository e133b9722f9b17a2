//! What a merge must lead to, said from the decision table alone and without a line of the
//! program's. It is asked after each run: of what the source showed at the last run (L) and shows now
//! (S), and what lay at the destination before this run (D), it makes what must be there after it;
//! and it remembers every UID that the destination has ever shown, for none may ever mean two
//! contents under one UIDVALIDITY.

mod folder;
mod renames;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use self::folder::Sides;
use self::renames::Renames;
use super::pair::Pair;
use crate::support::disk_view::DiskView;
use crate::support::imap_view::{FolderView, ImapView, MessageView};
use crate::support::pop3_view::Pop3Entry;

/// What is known of a user of a merge after a run.
#[derive(Debug, Default)]
pub struct Merged {
    /// What the source showed (L).
    source: Option<ImapView>,
    /// Which message of the source a message of the destination is: by folder, UIDVALIDITY and UID
    /// there, the UID at the source.
    origin: HashMap<(String, (u32, u32)), u32>,
    /// What each UID has meant, by folder, UIDVALIDITY and UID.
    shown: HashMap<(String, (u32, u32)), blake3::Hash>,
    /// UIDNEXT as it was when the last run had been looked at, by folder and UIDVALIDITY.
    next: HashMap<(String, u32), u32>,
    /// UIDs from one up to another that the destination's own server may have given, by folder and
    /// UIDVALIDITY: those from UIDNEXT after a run up to UIDNEXT before the one after it.
    given: HashMap<(String, u32), Vec<Range<u32>>>,
    /// What POP3 showed, by folder position: UIDLs by UIDVALIDITY, UID and content.
    uidls: HashMap<(u32, u32, blake3::Hash), String>,
    /// Folders renamed at the source since, oldest first.
    renamed: Vec<(String, String)>,
    /// `--keep-deleted`.
    pub keep_deleted: bool,
}

impl Merged {
    /// Notes that the source has renamed a folder, with all below it.
    pub fn renamed(&mut self, from: &str, to: &str) {
        self.renamed.push((from.to_owned(), to.to_owned()));
    }

    /// Notes that the destination has removed or renamed a folder: nothing on its disk tells any
    /// more what its UIDs have meant.
    pub fn forget_folder(&mut self, name: &str) {
        self.shown.retain(|(folder, _), _| !is_in(folder, name));
        self.next.retain(|(folder, _), _| !is_in(folder, name));
        self.given.retain(|(folder, _), _| !is_in(folder, name));
    }

    /// Looks at what a run has made of `user`, `before` being what lay on its target's disk, and
    /// learns it.
    ///
    /// # Errors
    /// Everything that is not as it must be, a line each.
    pub fn check(&mut self, pair: &Pair, user: &str, before: &DiskView) -> Result<(), Vec<String>> {
        let (source, source_pop3) = pair.source_views(user);
        let (after, after_pop3) = pair.destination_views(user);
        let mut problems = Vec::new();
        self.remember_given(before);

        let last = self.source.take().unwrap_or_else(|| ImapView {
            folders: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            separator: '/',
        });
        let events = std::mem::take(&mut self.renamed);
        let mut renames = Renames::of(last.folders.keys(), &events);
        renames.retain(|from, to| self.was_followed((from, to), before, &source, &after));
        let last = ImapView {
            folders: renames.follow(last.folders),
            ..last
        };
        let disk = DiskView {
            folders: renames.follow(before.folders.clone()),
            subscribed: before.subscribed.clone(),
        };
        // A folder of the old name may be made anew.
        self.shown.retain(|(name, _), _| !renames.has_left(name));
        renames.follow_keys(&mut self.origin);
        renames.follow_keys(&mut self.given);
        renames.follow_keys(&mut self.next);
        self.remember_shown(&disk, &after, &mut problems);
        let names: BTreeSet<&String> = selectable(&source)
            .chain(selectable(&after))
            .chain(disk.folders.keys())
            .collect();
        let mut origin = HashMap::new();
        for name in names {
            let mut folder = Sides {
                name,
                now: source.folders.get(name).filter(|folder| folder.selectable),
                last: last.folders.get(name).filter(|folder| folder.selectable),
                disk: disk.folders.get(name),
                renames: &renames,
                keep_deleted: self.keep_deleted,
                past: self,
                problems: &mut problems,
            };
            let expected = folder.expected(&self.origin);
            folder.compare(expected, &after, &mut origin);
        }
        subscriptions(&last, &source, before, &after, &mut problems);
        self.pop3(
            (&source, &source_pop3),
            (&after, &after_pop3),
            &origin,
            &mut problems,
        );

        // A folder that is made anew some day may get the same UIDVALIDITY: it is a second's number.
        self.shown
            .retain(|(name, _), _| after.folders.contains_key(name));
        self.given
            .retain(|(name, _), _| after.folders.contains_key(name));
        self.next = after
            .folders
            .iter()
            .map(|(name, folder)| ((name.clone(), folder.uid_validity), folder.uid_next))
            .collect();
        self.source = Some(source);
        self.origin = origin;
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Panics with everything that is not as it must be.
    pub fn assert(&mut self, pair: &Pair, user: &str, before: &DiskView) {
        if let Err(problems) = self.check(pair, user, before) {
            panic!("{user}:\n  {}", problems.join("\n  "));
        }
    }

    /// What a server may have given to mail that is gone again.
    fn remember_given(&mut self, before: &DiskView) {
        for (name, folder) in &before.folders {
            let Some(validity) = folder.uid_validity else {
                continue;
            };
            let key = (name.clone(), validity);
            if let Some(next) = self.next.get(&key)
                && *next < folder.uid_next
            {
                let range = *next..folder.uid_next;
                self.given.entry(key).or_default().push(range);
            }
        }
    }

    /// No UID means two things under one UIDVALIDITY, and UIDNEXT is never lowered.
    fn remember_shown(&mut self, before: &DiskView, after: &ImapView, problems: &mut Vec<String>) {
        let listed = before.folders.iter().flat_map(|(name, folder)| {
            let messages = folder.messages.iter();
            messages.filter_map(move |message| {
                Some(((name, folder.uid_validity?, message.uid?), message.hash))
            })
        });
        let showing = after.folders.iter().flat_map(|(name, folder)| {
            let messages = folder.messages.iter();
            messages.map(move |message| ((name, folder.uid_validity, message.uid), message.hash))
        });
        for ((name, validity, uid), hash) in listed.chain(showing) {
            let key = (name.clone(), (validity, uid));
            if *self.shown.entry(key).or_insert(hash) != hash {
                problems.push(format!("{name}: UID {uid} has got another content"));
            }
        }
        for (name, folder) in &before.folders {
            if let Some(now) = after.folders.get(name)
                && Some(now.uid_validity) == folder.uid_validity
                && now.uid_next < folder.uid_next
            {
                problems.push(format!(
                    "{name}: UIDNEXT was lowered from {} to {}",
                    folder.uid_next, now.uid_next
                ));
            }
        }
    }

    /// Whether a folder that the source has renamed is renamed at the destination too. If it is not,
    /// one name is a folder that has vanished, and the other a new one: so it must be where the two have
    /// no message in common that would prove the rename, or the source has made a folder of the old
    /// name since.
    fn was_followed(
        &self,
        (from, to): (&str, &str),
        before: &DiskView,
        source: &ImapView,
        after: &ImapView,
    ) -> bool {
        let Some(disk) = before.folders.get(from) else {
            // Only what is remembered of it can be taken over.
            return true;
        };
        let validity = disk.uid_validity.unwrap_or(0);
        let common = disk.messages.iter().any(|message| {
            let place = message.uid.map(|uid| (from.to_owned(), (validity, uid)));
            let uid = place.and_then(|place| self.origin.get(&place));
            let now = uid.and_then(|uid| at(source.folders.get(to), *uid));
            now.is_some_and(|now| now.hash == message.hash)
        });
        let is_there = |view: &ImapView| view.folders.get(from).is_some_and(|it| it.selectable);
        let still = after.folders.get(from).filter(|folder| folder.selectable);
        common && !is_there(source) && still.is_none_or(|still| still.uid_validity != validity)
    }

    /// INBOX over POP3: the source's listing without what is not there, as it stands; then the
    /// rest. What keeps its UID keeps its UIDL.
    fn pop3(
        &mut self,
        (source, source_pop3): (&ImapView, &[Pop3Entry]),
        (after, after_pop3): (&ImapView, &[Pop3Entry]),
        origin: &HashMap<(String, (u32, u32)), u32>,
        problems: &mut Vec<String>,
    ) {
        let inbox = &after.folders["INBOX"];
        let validity = inbox.uid_validity;
        let there: HashSet<blake3::Hash> = origin
            .iter()
            .filter(|((name, _), _)| name == "INBOX")
            .filter_map(|(_, uid)| hash_at(&source.folders["INBOX"], *uid))
            .collect();
        let head: Vec<(&String, Option<blake3::Hash>)> = source_pop3
            .iter()
            .filter(|entry| entry.hash.is_some_and(|hash| there.contains(&hash)))
            .map(|entry| (&entry.uidl, entry.hash))
            .collect();
        let listed: Vec<(&String, Option<blake3::Hash>)> = after_pop3
            .iter()
            .map(|entry| (&entry.uidl, entry.hash))
            .collect();
        if !listed.starts_with(&head) {
            let uidls = |list: &[(&String, _)]| -> Vec<String> {
                list.iter().map(|(uidl, _)| (*uidl).clone()).collect()
            };
            problems.push(format!(
                "POP3: expected first {:?}, found {:?}",
                uidls(&head),
                uidls(&listed)
            ));
        }
        if listed.len() != inbox.messages.len() {
            problems.push(format!(
                "POP3 lists {} messages, IMAP {}",
                listed.len(),
                inbox.messages.len()
            ));
        }
        let different: BTreeSet<&String> = listed.iter().map(|(uidl, _)| *uidl).collect();
        if different.len() != listed.len() {
            problems.push("POP3: a UIDL comes twice".to_owned());
        }
        let mut uidls = HashMap::new();
        for (uidl, hash) in listed {
            let twins: Vec<&MessageView> = inbox
                .messages
                .iter()
                .filter(|message| Some(message.hash) == hash)
                .collect();
            let [message] = twins[..] else { continue };
            let key = (validity, message.uid, message.hash);
            if let Some(old) = self.uidls.get(&key)
                && old != uidl
            {
                let uid = message.uid;
                problems.push(format!("POP3: UID {uid} had UIDL {old}, now {uidl}"));
            }
            uidls.insert(key, uidl.clone());
        }
        self.uidls = uidls;
    }
}

/// Each flag: what the source has changed, and else what the destination has.
pub fn three_way(last: &[String], now: &[String], there: &[String]) -> Vec<String> {
    let mut flags: Vec<String> = there
        .iter()
        .filter(|flag| now.contains(flag) || !last.contains(flag))
        .chain(now.iter().filter(|flag| !last.contains(flag)))
        .cloned()
        .collect();
    flags.sort();
    flags.dedup();
    flags
}

fn subscriptions(
    last: &ImapView,
    source: &ImapView,
    before: &DiskView,
    after: &ImapView,
    problems: &mut Vec<String>,
) {
    let list = |names: &BTreeSet<String>| -> Vec<String> { names.iter().cloned().collect() };
    let expected = three_way(
        &list(&last.subscribed),
        &list(&source.subscribed),
        &list(&before.subscribed),
    );
    if expected != list(&after.subscribed) {
        problems.push(format!(
            "subscriptions {:?}, expected {expected:?}",
            after.subscribed
        ));
    }
}

fn messages(folder: Option<&FolderView>) -> impl Iterator<Item = &MessageView> {
    folder.into_iter().flat_map(|folder| &folder.messages)
}

fn at(folder: Option<&FolderView>, uid: u32) -> Option<&MessageView> {
    messages(folder).find(|message| message.uid == uid)
}

fn hash_at(folder: &FolderView, uid: u32) -> Option<blake3::Hash> {
    at(Some(folder), uid).map(|message| message.hash)
}

fn selectable(view: &ImapView) -> impl Iterator<Item = &String> {
    let folders = view.folders.iter();
    folders
        .filter(|(_, folder)| folder.selectable)
        .map(|(name, _)| name)
}

/// Whether `name` is `folder` or lies below it.
fn is_in(name: &str, folder: &str) -> bool {
    let rest = name.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
