//! The decision table on one folder: what must be in it after a run, and whether it is.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::renames::Renames;
use super::{Merged, at, messages, three_way};
use crate::support::disk_view::DiskFolder;
use crate::support::imap_view::{FolderView, ImapView, MessageView};

/// One folder on all sides.
pub(super) struct Sides<'a> {
    pub(super) name: &'a str,
    /// S.
    pub(super) now: Option<&'a FolderView>,
    /// L.
    pub(super) last: Option<&'a FolderView>,
    /// D.
    pub(super) disk: Option<&'a DiskFolder>,
    pub(super) renames: &'a Renames,
    pub(super) keep_deleted: bool,
    /// What is known of the destination's UIDs.
    pub(super) past: &'a Merged,
    pub(super) problems: &'a mut Vec<String>,
}

impl UidRule {
    fn holds(self, uid: u32) -> bool {
        match self {
            Self::Exactly(exact) => uid == exact,
            Self::AtLeast(least) => uid >= least,
        }
    }
}

impl Sides<'_> {
    /// The decision table.
    pub(super) fn expected(&self, origin: &HashMap<(String, (u32, u32)), u32>) -> Vec<Expected> {
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

    fn expected_by_uid(&self, origin: &HashMap<(String, (u32, u32)), u32>) -> Vec<Expected> {
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
                .and_then(|(uid, validity)| origin.get(&(self.name.to_owned(), (validity, uid))));
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
                // In a folder that its user has made anew one that comes back may be known again.
                let is_back = !same_numbers && messages(self.now).any(|it| it.hash == message.hash);
                let disputed = new.iter().any(|new| Some(new.uid) == message.uid);
                let uid = match message.uid {
                    Some(_) if disputed => UidRule::AtLeast(both_next),
                    Some(_) => its_uid,
                    None => UidRule::AtLeast(both_next),
                };
                expected.push(Expected {
                    loose: is_back,
                    ..as_it_is(uid)
                });
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
            let keeps = same_numbers && !self.is_spent(validity, message);
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
                uid: match keeps {
                    true => UidRule::Exactly(message.uid),
                    false if same_numbers => UidRule::AtLeast(both_next),
                    false => UidRule::AtLeast(0),
                },
                source_uid: Some(message.uid),
            });
        }
        if self.was_renamed() {
            // Whether what a user had deleted from the folder under its old name comes back under
            // the new one is left open.
            let there: HashSet<blake3::Hash> = expected.iter().map(|one| one.hash).collect();
            let back = messages(self.now).filter(|message| !there.contains(&message.hash));
            expected.extend(back.map(optional));
        }
        expected
    }

    /// Whether the UID of a new message may have meant something else at the destination.
    fn is_spent(&self, validity: Option<u32>, message: &MessageView) -> bool {
        let Some(validity) = validity else {
            return false;
        };
        let folder = (self.name.to_owned(), validity);
        if let Some(disk) = self.disk.filter(|_| !self.past.next.contains_key(&folder)) {
            // A folder of the destination's own until now.
            return message.uid < disk.uid_next;
        }
        let mut given = self.past.given.get(&folder).into_iter().flatten();
        let (name, validity) = folder;
        let shown = self.past.shown.get(&(name, (validity, message.uid)));
        given.any(|given| given.contains(&message.uid))
            || shown.is_some_and(|shown| *shown != message.hash)
    }

    /// Another UIDVALIDITY: the messages are recognised by what is in them.
    fn expected_by_content(&self, origin: &HashMap<(String, (u32, u32)), u32>) -> Vec<Expected> {
        let mut expected = Vec::new();
        let validity = self.disk.and_then(|disk| disk.uid_validity);
        let mut matched: BTreeSet<u32> = BTreeSet::new();
        for message in self.disk.iter().flat_map(|disk| &disk.messages) {
            let known = message
                .uid
                .zip(validity)
                .and_then(|(uid, validity)| origin.get(&(self.name.to_owned(), (validity, uid))));
            let last = known.and_then(|uid| at(self.last, *uid));
            let now = messages(self.now)
                .find(|now| now.hash == message.hash && !matched.contains(&now.uid));
            let copies = self.disk.iter().flat_map(|disk| &disk.messages);
            let copies = copies.filter(|one| one.hash == message.hash).count();
            let as_it_is = Expected {
                hash: message.hash,
                optional: false,
                loose: copies > 1,
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
    pub(super) fn compare(
        &mut self,
        expected: Vec<Expected>,
        after: &ImapView,
        origin: &mut HashMap<(String, (u32, u32)), u32>,
    ) {
        let name = self.name;
        let there = after.folders.get(name).filter(|folder| folder.selectable);
        self.compare_folder(&expected, there);
        let mut left: Vec<&MessageView> = messages(there).collect();
        let validity = there.map_or(0, |folder| folder.uid_validity);
        let mut expected = expected;
        // Those whose UIDs are certain first, so that a twin does not take their place.
        expected.sort_by_key(|one| match one.uid {
            UidRule::Exactly(_) => (0, one.optional),
            UidRule::AtLeast(_) => (1, one.optional),
        });
        for one in expected {
            // Of two copies the one that is as it should be.
            let is_copy = |found: &&MessageView| found.hash == one.hash;
            let is_it = |found: &&MessageView| {
                let (flags, date) = (&found.flags, found.internal_date);
                is_copy(found)
                    && *flags == one.flags
                    && date == one.date
                    && one.uid.holds(found.uid)
            };
            let has_its_uid = |found: &&MessageView| is_copy(found) && one.uid.holds(found.uid);
            let place = left.iter().position(is_it);
            let place = place.or_else(|| left.iter().position(has_its_uid));
            let any = || left.iter().position(is_copy).filter(|_| !one.optional);
            let place = place.or_else(any);
            let Some(place) = place else {
                let elsewhere = one.source_uid.is_none()
                    && self
                        .renames
                        .old_name(name)
                        .is_some_and(|old| holds(after, old, one.hash));
                // Of two copies one may do, where it is loose.
                let a_copy_is_there = one.loose && messages(there).any(|it| it.hash == one.hash);
                if !one.optional && !elsewhere && !a_copy_is_there {
                    self.problem(format!("lost: {one:?}"));
                }
                continue;
            };
            let found = left.remove(place);
            let uid = found.uid;
            if !one.loose {
                if found.flags != one.flags {
                    let (flags, wanted) = (&found.flags, &one.flags);
                    self.problem(format!("UID {uid}: flags {flags:?}, expected {wanted:?}"));
                }
                if found.internal_date != one.date {
                    let (date, wanted) = (found.internal_date, one.date);
                    self.problem(format!("UID {uid}: date {date}, expected {wanted}"));
                }
                if !one.uid.holds(uid) {
                    self.problem(format!("UID {uid}, expected {one:?}"));
                }
            }
            if let Some(source_uid) = one.source_uid {
                origin.insert((name.to_owned(), (validity, found.uid)), source_uid);
            }
        }
        // A local copy may have been taken for the source's, where UIDs told nothing.
        for message in messages(there) {
            let now = at(self.now, message.uid);
            if now.is_some_and(|now| now.hash == message.hash) {
                origin.insert((name.to_owned(), (validity, message.uid)), message.uid);
            }
        }
        for message in left {
            // Mail of a folder that was renamed may have stayed under the old name.
            let stayed = self.renames.has_left(name);
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
                    None if self.was_renamed() && !certain => (),
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
            // One that had vanished, and of which the last mail has gone since, may go in a later run.
            (None, None, Some(_)) if expected.is_empty() && there.is_none() => (),
            (None, _, Some(disk)) => {
                let validity = there.map(|there| there.uid_validity);
                // One that nobody has opened yet has none.
                if !self.was_renamed()
                    && disk.uid_validity.is_some()
                    && validity != disk.uid_validity
                {
                    self.problem(format!(
                        "UIDVALIDITY {validity:?}, was {:?}",
                        disk.uid_validity
                    ));
                }
            }
            (None, _, None) => (),
        }
    }

    fn was_renamed(&self) -> bool {
        self.renames.old_name(self.name).is_some()
    }

    fn problem(&mut self, what: String) {
        self.problems.push(format!("{}: {what}", self.name));
    }
}

/// A message that must, or may, be there after the run.
#[derive(Debug)]
pub(super) struct Expected {
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

fn holds(view: &ImapView, folder: &str, hash: blake3::Hash) -> bool {
    messages(view.folders.get(folder)).any(|message| message.hash == hash)
}
