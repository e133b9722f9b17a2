//! What a merge must lead to, said from the decision table alone and without a line of the
//! program's. It is asked after each run: of what the source showed at the last run (L) and shows now
//! (S), and what lay at the destination before this run (D), it makes what must be there after it;
//! and it remembers every UID that the destination has ever shown, for none may ever mean two
//! contents under one UIDVALIDITY.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::pair::Pair;
use crate::support::disk_view::{DiskFolder, DiskView};
use crate::support::imap_view::{FolderView, ImapView, MessageView};
use crate::support::pop3_view::Pop3Entry;

/// What is known of a user of a merge after a run.
#[derive(Debug, Default)]
pub struct Merged {
    /// What the source showed (L).
    source: Option<ImapView>,
    /// Which message of the source a message of the destination is: by folder, UIDVALIDITY and UID
    /// there, the UID at the source.
    origin: HashMap<(String, u32, u32), u32>,
    /// What each UID has meant, by folder, UIDVALIDITY and UID.
    shown: HashMap<(String, u32, u32), blake3::Hash>,
    /// What POP3 showed, by folder position: UIDLs by UIDVALIDITY, UID and content.
    uidls: HashMap<(u32, u32, blake3::Hash), String>,
    /// Folders renamed at the source since, oldest first.
    renamed: Vec<(String, String)>,
    /// `--keep-deleted`.
    pub keep_deleted: bool,
}

/// A message that must, or may, be there after the run.
#[derive(Debug)]
struct Expected {
    hash: blake3::Hash,
    /// It may be missing.
    optional: bool,
    /// Only that it is there counts: the table does not say which of two copies is which.
    loose: bool,
    flags: Vec<String>,
    date: i64,
    uid: UidRule,
    /// Its UID at the source.
    source_uid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UidRule {
    Exactly(u32),
    AtLeast(u32),
}

impl Merged {
    /// Notes that the source has renamed a folder, with all below it.
    pub fn renamed(&mut self, from: &str, to: &str) {
        self.renamed.push((from.to_owned(), to.to_owned()));
    }

    /// Notes that the destination has removed or renamed a folder: nothing on its disk tells any
    /// more what its UIDs have meant.
    pub fn forget_folder(&mut self, name: &str) {
        self.shown.retain(|(folder, _, _), _| !is_in(folder, name));
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
        self.remember_shown(before, &after, &mut problems);

        let last = self.source.take().unwrap_or_else(|| ImapView {
            folders: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            separator: '/',
        });
        let (last, disk) = (self.follow(last), self.follow_disk(before));
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
                was_renamed: self.renamed.iter().any(|(_, to)| is_in(name, to)),
                keep_deleted: self.keep_deleted,
                problems: &mut problems,
            };
            let expected = folder.expected(&self.origin);
            folder.compare(expected, &after, &self.renamed, &mut origin);
        }
        subscriptions(&last, &source, before, &after, &mut problems);
        self.pop3(
            (&source, &source_pop3),
            (&after, &after_pop3),
            &origin,
            &mut problems,
        );

        self.source = Some(source);
        self.origin = origin;
        self.renamed.clear();
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
            let key = (name.clone(), validity, uid);
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

    /// The view with the folders under the names that they have got since.
    fn follow(&mut self, mut view: ImapView) -> ImapView {
        for (from, to) in &self.renamed {
            view.folders = moved(view.folders, from, to);
            self.origin = std::mem::take(&mut self.origin)
                .into_iter()
                .map(|((name, validity, uid), source)| {
                    ((new_name(&name, from, to), validity, uid), source)
                })
                .collect();
        }
        view
    }

    fn follow_disk(&self, before: &DiskView) -> DiskView {
        let mut disk = before.clone();
        for (from, to) in &self.renamed {
            disk.folders = moved(disk.folders, from, to);
        }
        disk
    }

    /// INBOX over POP3: the source's listing without what is not there, as it stands; then the
    /// rest. What keeps its UID keeps its UIDL.
    fn pop3(
        &mut self,
        (source, source_pop3): (&ImapView, &[Pop3Entry]),
        (after, after_pop3): (&ImapView, &[Pop3Entry]),
        origin: &HashMap<(String, u32, u32), u32>,
        problems: &mut Vec<String>,
    ) {
        let inbox = &after.folders["INBOX"];
        let validity = inbox.uid_validity;
        let there: HashSet<blake3::Hash> = origin
            .iter()
            .filter(|((name, _, _), _)| name == "INBOX")
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

/// One folder on all sides.
struct Sides<'a> {
    name: &'a str,
    /// S.
    now: Option<&'a FolderView>,
    /// L.
    last: Option<&'a FolderView>,
    /// D.
    disk: Option<&'a DiskFolder>,
    was_renamed: bool,
    keep_deleted: bool,
    problems: &'a mut Vec<String>,
}

impl Sides<'_> {
    /// The decision table.
    fn expected(&self, origin: &HashMap<(String, u32, u32), u32>) -> Vec<Expected> {
        let same_validity = match (self.now, self.last) {
            (Some(now), Some(last)) => now.uid_validity == last.uid_validity,
            _ => true,
        };
        if same_validity {
            self.expected_by_uid(origin)
        } else {
            self.expected_by_content(origin)
        }
    }

    fn expected_by_uid(&self, origin: &HashMap<(String, u32, u32), u32>) -> Vec<Expected> {
        let mut expected = Vec::new();
        let new: Vec<&MessageView> = messages(self.now)
            .filter(|message| at(self.last, message.uid).is_none())
            .collect();
        let validity = self.disk.and_then(|disk| disk.uid_validity);
        let same_numbers = match (self.now, self.disk) {
            (Some(now), Some(_)) => Some(now.uid_validity) == validity,
            _ => true,
        };
        let disk_next = match self.disk {
            Some(disk) if same_numbers => disk.uid_next,
            _ => 0,
        };
        let both_next = self.now.map_or(0, |now| now.uid_next).max(disk_next);
        for message in self.disk.iter().flat_map(|disk| &disk.messages) {
            let known = message
                .uid
                .zip(validity)
                .and_then(|(uid, validity)| origin.get(&(self.name.to_owned(), validity, uid)));
            let as_it_is = |uid| Expected {
                hash: message.hash,
                optional: false,
                loose: false,
                flags: message.flags.clone(),
                date: message.date,
                uid,
                source_uid: None,
            };
            let its_uid = match message.uid {
                Some(uid) if same_numbers => UidRule::Exactly(uid),
                _ => UidRule::AtLeast(0),
            };
            let last = known.and_then(|uid| at(self.last, *uid));
            let (Some(source_uid), Some(last)) = (known, last) else {
                // Local mail.
                let disputed = new.iter().any(|new| Some(new.uid) == message.uid);
                expected.push(as_it_is(match message.uid {
                    Some(_) if disputed => UidRule::AtLeast(both_next),
                    Some(_) => its_uid,
                    None => UidRule::AtLeast(both_next),
                }));
                continue;
            };
            if let Some(now) = at(self.now, *source_uid) {
                expected.push(Expected {
                    flags: three_way(&last.flags, &now.flags, &message.flags),
                    source_uid: Some(*source_uid),
                    ..as_it_is(its_uid)
                });
            } else if self.keep_deleted || last.flags != message.flags {
                expected.push(as_it_is(its_uid));
            }
        }
        for message in new {
            let keeps = same_numbers && message.uid >= disk_next;
            // A folder of one name that both sides have made: one of two copies may do.
            let twin = !same_numbers && expected.iter().any(|one| one.hash == message.hash);
            for one in expected.iter_mut().filter(|one| one.hash == message.hash) {
                one.loose |= twin;
            }
            expected.push(Expected {
                hash: message.hash,
                optional: twin,
                loose: twin,
                flags: message.flags.clone(),
                date: message.internal_date,
                uid: if keeps {
                    UidRule::Exactly(message.uid)
                } else {
                    UidRule::AtLeast(both_next)
                },
                source_uid: Some(message.uid),
            });
        }
        if self.was_renamed {
            // Whether what a user had deleted from the folder under its old name comes back under
            // the new one is left open.
            let there: HashSet<blake3::Hash> = expected.iter().map(|one| one.hash).collect();
            let back = messages(self.now).filter(|message| !there.contains(&message.hash));
            expected.extend(back.map(optional));
        }
        expected
    }

    /// Another UIDVALIDITY: the messages are recognised by what is in them.
    fn expected_by_content(&self, origin: &HashMap<(String, u32, u32), u32>) -> Vec<Expected> {
        let mut expected = Vec::new();
        let validity = self.disk.and_then(|disk| disk.uid_validity);
        let mut matched: BTreeSet<u32> = BTreeSet::new();
        for message in self.disk.iter().flat_map(|disk| &disk.messages) {
            let known = message
                .uid
                .zip(validity)
                .and_then(|(uid, validity)| origin.get(&(self.name.to_owned(), validity, uid)));
            let last = known.and_then(|uid| at(self.last, *uid));
            let now = messages(self.now)
                .find(|now| now.hash == message.hash && !matched.contains(&now.uid));
            let as_it_is = Expected {
                hash: message.hash,
                optional: false,
                loose: false,
                flags: message.flags.clone(),
                date: message.date,
                uid: UidRule::AtLeast(0),
                source_uid: None,
            };
            match (last, now) {
                (Some(last), Some(now)) => {
                    matched.insert(now.uid);
                    expected.push(Expected {
                        flags: three_way(&last.flags, &now.flags, &message.flags),
                        uid: UidRule::Exactly(now.uid),
                        source_uid: Some(now.uid),
                        ..as_it_is
                    });
                }
                // Deleted at the source, at the time when it lost the numbers.
                (Some(_), None) => expected.push(Expected {
                    optional: true,
                    loose: true,
                    ..as_it_is
                }),
                (None, Some(_)) => expected.push(Expected {
                    loose: true,
                    ..as_it_is
                }),
                (None, None) => expected.push(Expected {
                    uid: UidRule::AtLeast(self.now.map_or(0, |now| now.uid_next)),
                    ..as_it_is
                }),
            }
        }
        let there: HashSet<blake3::Hash> = expected.iter().map(|one| one.hash).collect();
        for message in messages(self.now).filter(|now| !matched.contains(&now.uid)) {
            // One that a user had deleted cannot be told from a new one; nor need a local copy.
            let was_there = messages(self.last).any(|last| last.hash == message.hash);
            if was_there || there.contains(&message.hash) {
                expected.push(optional(message));
            } else {
                expected.push(Expected {
                    optional: false,
                    loose: false,
                    ..optional(message)
                });
            }
        }
        expected
    }

    /// Holds what there is after the run against what is expected.
    fn compare(
        &mut self,
        expected: Vec<Expected>,
        after: &ImapView,
        renamed: &[(String, String)],
        origin: &mut HashMap<(String, u32, u32), u32>,
    ) {
        let name = self.name;
        let there = after.folders.get(name).filter(|folder| folder.selectable);
        self.compare_folder(&expected, there);
        let mut left: Vec<&MessageView> = messages(there).collect();
        let validity = there.map_or(0, |folder| folder.uid_validity);
        let (certain, optional): (Vec<_>, Vec<_>) =
            expected.into_iter().partition(|one| !one.optional);
        // The exact ones first, so that a twin does not take their place.
        let (exact, others): (Vec<_>, Vec<_>) = certain
            .into_iter()
            .partition(|one| matches!(one.uid, UidRule::Exactly(_)));
        for one in exact.into_iter().chain(others).chain(optional) {
            let place = left
                .iter()
                .position(|found| found.hash == one.hash && one.uid == UidRule::Exactly(found.uid))
                .or_else(|| left.iter().position(|found| found.hash == one.hash));
            let Some(place) = place else {
                let elsewhere = one.source_uid.is_none()
                    && renamed.iter().any(|(from, to)| {
                        let old = old_name(name, from, to);
                        old.is_some_and(|old| holds(after, &old, one.hash))
                    });
                if !one.optional && !elsewhere {
                    self.problem(format!("lost: {one:?}"));
                }
                continue;
            };
            let found = left.remove(place);
            let uid = found.uid;
            let right = match one.uid {
                UidRule::Exactly(exact) => uid == exact,
                UidRule::AtLeast(least) => uid >= least,
            };
            if !one.loose {
                if found.flags != one.flags {
                    let (flags, wanted) = (&found.flags, &one.flags);
                    self.problem(format!("UID {uid}: flags {flags:?}, expected {wanted:?}"));
                }
                if found.internal_date != one.date {
                    let (date, wanted) = (found.internal_date, one.date);
                    self.problem(format!("UID {uid}: date {date}, expected {wanted}"));
                }
                if !right {
                    self.problem(format!("UID {uid}, expected {one:?}"));
                }
            }
            if let Some(source_uid) = one.source_uid {
                origin.insert((name.to_owned(), validity, found.uid), source_uid);
            }
        }
        for message in left {
            // Mail of a folder that was renamed may have stayed under the old name.
            let stayed = renamed.iter().any(|(from, _)| is_in(name, from));
            if !stayed {
                self.problem(format!("not expected: {message:?}"));
            }
        }
    }

    fn compare_folder(&mut self, expected: &[Expected], there: Option<&FolderView>) {
        let certain = expected.iter().any(|one| !one.optional);
        match (self.now, self.last, self.disk) {
            (Some(now), last, disk) => {
                let user_removed = last.is_some() && disk.is_none();
                match there {
                    None if user_removed && !certain => (),
                    None if self.was_renamed && !certain => (),
                    None => self.problem("the folder is missing".to_owned()),
                    Some(there) if there.uid_validity != now.uid_validity => {
                        self.problem(format!(
                            "UIDVALIDITY {}, expected {}",
                            there.uid_validity, now.uid_validity
                        ));
                    }
                    Some(_) => (),
                }
            }
            (None, Some(_), Some(_)) if !certain => {
                // One that a user has made anew under the name is the user's.
                let made_anew = self.last.map(|last| last.uid_validity)
                    != self.disk.and_then(|disk| disk.uid_validity);
                if there.is_some() && expected.is_empty() && !made_anew {
                    self.problem("the folder is still there".to_owned());
                }
            }
            (None, _, Some(disk)) => {
                let validity = there.map(|there| there.uid_validity);
                if !self.was_renamed && validity != disk.uid_validity {
                    self.problem(format!(
                        "UIDVALIDITY {validity:?}, was {:?}",
                        disk.uid_validity
                    ));
                }
            }
            (None, _, None) => (),
        }
    }

    fn problem(&mut self, what: String) {
        self.problems.push(format!("{}: {what}", self.name));
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

/// A message of the source that may come.
fn optional(message: &MessageView) -> Expected {
    Expected {
        hash: message.hash,
        optional: true,
        loose: true,
        flags: message.flags.clone(),
        date: message.internal_date,
        uid: UidRule::Exactly(message.uid),
        source_uid: Some(message.uid),
    }
}

fn messages<'v>(folder: Option<&'v FolderView>) -> impl Iterator<Item = &'v MessageView> {
    folder.into_iter().flat_map(|folder| &folder.messages)
}

fn at<'v>(folder: Option<&'v FolderView>, uid: u32) -> Option<&'v MessageView> {
    messages(folder).find(|message| message.uid == uid)
}

fn hash_at(folder: &FolderView, uid: u32) -> Option<blake3::Hash> {
    at(Some(folder), uid).map(|message| message.hash)
}

fn holds(view: &ImapView, folder: &str, hash: blake3::Hash) -> bool {
    messages(view.folders.get(folder)).any(|message| message.hash == hash)
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

fn new_name(name: &str, from: &str, to: &str) -> String {
    if is_in(name, from) {
        format!("{to}{}", &name[from.len()..])
    } else {
        name.to_owned()
    }
}

fn old_name(name: &str, from: &str, to: &str) -> Option<String> {
    is_in(name, to).then(|| new_name(name, to, from))
}

fn moved<F>(folders: BTreeMap<String, F>, from: &str, to: &str) -> BTreeMap<String, F> {
    folders
        .into_iter()
        .map(|(name, folder)| (new_name(&name, from, to), folder))
        .collect()
}
