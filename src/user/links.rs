//! `--all-mail link`: folders that show the messages of others once more. What they show is linked to
//! the files of those other folders where the server tells that it is the same message; only the rest
//! is fetched.
//!
//! Which message is which is asked when such a folder, which is worked on after all others, has
//! something to deliver, and once for each of the others. Kept are a few tens of bytes a message.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::Ordering;

use tracing::Level;

use super::attempt::Attempt;
use super::elsewhere::is_the_same;
use super::folder::Folder;
use super::imap_folder::Shown;
use super::interrupted;
use super::on_target::{Files, on_target};
use crate::mail::{FolderPath, Uid, UidValidity};
use crate::naming::{Identity, MaildirFolder};
use crate::plan::folders::Placed;
use crate::plan::on_disk::OnDisk;
use crate::plan::selection::Choice;
use crate::plan::{self, FolderPlan, Lists, Past, SourceFolder, Step};
use crate::problem::{Problem, Reach};
use crate::sink::arrivals::Arrivals;
use crate::sink::export;
use crate::sink::on_disk::{Messages, scan};
use crate::sink::target_problem;
use crate::source::ListedFolder;
use crate::source::imap::{Attribute, Session};

/// So many messages are asked for at once: their answers are long, what is kept of them is short.
const ASKED: usize = 10_000;

/// A digest of what the server calls a message in all folders: the names are of any length.
type Id = [u8; 16];

/// What can be linked to.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// What tells which message is which; `None`: nothing is linked.
    attribute: Option<Attribute>,
    /// The folders that have not been worked on yet.
    to_come: HashMap<FolderPath, ListedFolder>,
    /// Those whose messages are on the target.
    done: Vec<Done>,
    /// How many of them have been asked.
    asked: usize,
    known: Known,
}

/// A folder whose messages are on the target.
#[derive(Debug)]
struct Done {
    listed: ListedFolder,
    target: MaildirFolder,
    lists: Lists,
    validity: UidValidity,
    /// By UID, ascending; the names are those of [`on_target`].
    messages: Vec<(Uid, Option<Box<str>>)>,
}

/// Messages by their IDs.
#[derive(Debug, Default)]
struct Known {
    /// ID, folder, place in it.
    messages: Vec<(Id, u32, u32)>,
    /// Whether any has come since they were brought into ascending order: there may be many folders.
    has_more: bool,
}

impl Known {
    /// Adds messages of a folder, by their places in it.
    fn add(&mut self, folder: u32, messages: impl Iterator<Item = (Id, u32)>) {
        let messages = messages.map(|(id, place)| (id, folder, place));
        self.messages.extend(messages);
        self.has_more = true;
    }

    /// For each folder those of `wanted` that lie there too, with their places.
    fn find(&mut self, wanted: &[(Id, Uid)]) -> BTreeMap<u32, Vec<(Uid, u32)>> {
        if std::mem::take(&mut self.has_more) {
            self.messages.sort_unstable();
        }
        let mut found: BTreeMap<u32, Vec<(Uid, u32)>> = BTreeMap::new();
        for (id, uid) in wanted {
            let first = self.messages.partition_point(|(of, ..)| of < id);
            let same = self.messages[first..].iter();
            for (_, folder, place) in same.take_while(|(of, ..)| of == id) {
                found.entry(*folder).or_default().push((*uid, *place));
            }
        }
        found
    }
}

/// What may be linked in one folder.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<Linkable>);

/// What of it lies in one other folder.
#[derive(Debug)]
struct Linkable {
    target: MaildirFolder,
    lists: Lists,
    validity: UidValidity,
    /// The UID here, the UID there, and the name there.
    messages: Vec<(Uid, Uid, Option<Box<str>>)>,
}

impl Found {
    /// Lets appear what can be linked. Returns the others of `wanted`.
    pub(super) fn deliver(
        &self,
        root: &Path,
        mut wanted: Vec<(u32, u64)>,
        arrivals: &mut Arrivals<'_>,
    ) -> Result<Vec<(u32, u64)>, Problem> {
        let mut linked = HashSet::new();
        for there in &self.0 {
            let disk = scan(root, &there.target, there.lists, false)?;
            let files = Files::of(&disk, there.validity);
            let messages = Messages::open(root, &there.target)
                .map_err(|error| target_problem("read messages", error))?;
            for (here, uid, name) in &there.messages {
                let found = files.of_message(*uid, name.as_deref());
                // Of two files that may be it nobody knows which is.
                let [file] = found.as_slice() else {
                    continue;
                };
                let key = here.value();
                if !linked.contains(&key) && arrivals.link(key, &messages, file)? {
                    linked.insert(key);
                }
            }
        }
        wanted.retain(|(key, _)| !linked.contains(key));
        Ok(wanted)
    }
}

impl Attempt<'_> {
    /// Begins anew, with nothing to link to.
    pub(super) fn begin_links(
        &mut self,
        session: &Session,
        placed: &[Placed],
        choice: &Choice<'_>,
    ) {
        self.memory.links = Links::default();
        let linked = placed.iter().filter(|it| choice.links(&it.listed));
        let linked: Vec<String> = linked.map(|it| it.listed.path.to_string()).collect();
        if linked.is_empty() {
            return;
        }
        let attribute = session.identifies_by();
        if attribute.is_none() {
            let note = format!(
                "nothing is linked, all of it is fetched: the server does not tell which messages \
                 of {} are those of other folders (it has neither X-GM-EXT-1 nor OBJECTID)",
                linked.join(", ")
            );
            self.note_choice(&[note]);
        }
        if attribute.is_none() || self.context.config.dry_run {
            return;
        }
        let listed = placed.iter().map(|it| &it.listed);
        self.memory.links = Links {
            attribute,
            to_come: listed.map(|it| (it.path.clone(), it.clone())).collect(),
            ..Links::default()
        };
    }

    /// Notes which messages of a folder can be linked to, now that its plan has been carried out;
    /// `missing` are the entries that did not come.
    pub(super) fn note_linkable(
        &mut self,
        source: &SourceFolder<'_>,
        target: &MaildirFolder,
        disk: &OnDisk,
        plan: &FolderPlan,
        missing: &dyn Fn(usize) -> bool,
    ) {
        let Some(listed) = self.memory.links.to_come.remove(source.path) else {
            return;
        };
        if self.has_dates_of_its_own(target) {
            return;
        }
        let policy = self.policy();
        let messages = on_target(source, disk, plan, &policy, missing).into_iter();
        let messages = messages.filter_map(|(index, name)| {
            // The server knows nothing of copies that are our own.
            match plan::identity(source, index) {
                Identity::Imap(_, uid) => Some((uid, name)),
                Identity::Pop3(..) => None,
            }
        });
        self.memory.links.done.push(Done {
            listed,
            target: target.clone(),
            lists: policy.lists(target.is_root()),
            validity: source.validity,
            messages: messages.collect(),
        });
    }

    /// Finds out which of the messages that are to be delivered to a folder lie in others, if it is
    /// one whose messages are to be links. It is open, and is again in the end.
    pub(super) fn find_links(
        &mut self,
        session: &mut Session,
        shown: &Shown<'_>,
        folder: &Folder<'_>,
        disk: &OnDisk,
    ) -> Result<Found, Problem> {
        let listed = &shown.placed.listed;
        let (Some(attribute), true) = (self.memory.links.attribute, shown.choice.links(listed))
        else {
            return Ok(Found::default());
        };
        if self.has_dates_of_its_own(folder.target) {
            return Ok(Found::default());
        }
        let past = Past {
            seen: folder.seen.as_ref(),
            rematched: Some(&folder.rematched),
        };
        let source = &folder.source;
        let plan = plan::plan(source, &past, disk, &self.policy(), export::now())?;
        let wanted = plan.steps.iter().filter_map(|step| match step {
            Step::Deliver {
                entry,
                mtime: Some(_),
            } => Some(source.entries.get(*entry as usize)?.uid),
            _ => None,
        });
        let wanted: Vec<Uid> = wanted.collect();
        let wanted = self.ids(session, attribute, &wanted)?;
        if wanted.is_empty() {
            return Ok(Found::default());
        }
        if self.ask_others(session, attribute)? {
            let again = session.examine(listed)?;
            let then = shown.examined.uid_validity;
            is_the_same(&listed.path, then, again.uid_validity)?;
        }
        let links = &mut self.memory.links;
        let found = links.known.find(&wanted).into_iter();
        let found = found.filter_map(|(at, messages)| {
            let there = links.done.get(at as usize)?;
            let messages = messages.into_iter().filter_map(|(here, place)| {
                let (uid, name) = there.messages.get(place as usize)?;
                Some((here, *uid, name.clone()))
            });
            Some(Linkable {
                target: there.target.clone(),
                lists: there.lists,
                validity: there.validity,
                messages: messages.collect(),
            })
        });
        Ok(Found(found.collect()))
    }

    /// Asks the folders that are done and have not been asked. Whether there were any.
    fn ask_others(&mut self, session: &mut Session, attribute: Attribute) -> Result<bool, Problem> {
        let first = self.memory.links.asked;
        for at in first..self.memory.links.done.len() {
            let there = &self.memory.links.done[at];
            let path = &there.listed.path;
            let uids: Vec<Uid> = there.messages.iter().map(|(uid, _)| *uid).collect();
            let ids = match session.examine(&there.listed) {
                Ok(examined) if examined.uid_validity == Some(there.validity) => {
                    self.ids(session, attribute, &uids)?
                }
                Ok(_) => {
                    let line = format!("folder {path}: another by now, nothing is linked to it");
                    self.log.line(Level::WARN, line);
                    Vec::new()
                }
                Err(problem) if problem.retry || problem.reach >= Reach::User => {
                    return Err(problem);
                }
                Err(problem) => {
                    let line = format!("folder {path}: nothing is linked to it: {problem}");
                    self.log.line(Level::WARN, line);
                    Vec::new()
                }
            };
            let places = ids.iter().filter_map(|(id, uid)| {
                let place = uids.binary_search(uid).ok()?;
                Some((*id, u32::try_from(place).ok()?))
            });
            let links = &mut self.memory.links;
            if let Ok(folder) = u32::try_from(at) {
                links.known.add(folder, places);
            }
            links.asked = at + 1;
        }
        Ok(first < self.memory.links.done.len())
    }

    /// The IDs of messages of the folder that is open.
    fn ids(
        &self,
        session: &mut Session,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Id, Uid)>, Problem> {
        let mut ids = Vec::new();
        for uids in uids.chunks(ASKED) {
            if self.context.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let values = session.fetch_attributes(attribute, uids)?;
            ids.extend(values.into_iter().map(|(uid, value)| (id(&value), uid)));
        }
        Ok(ids)
    }

    /// Whether the dates of a folder's files are not those of its messages: a link shares them.
    fn has_dates_of_its_own(&self, target: &MaildirFolder) -> bool {
        self.context.config.target.servers.qmail && target.is_root()
    }
}

fn id(value: &str) -> Id {
    let mut id = Id::default();
    id.copy_from_slice(&blake3::hash(value.as_bytes()).as_bytes()[..16]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_every_folder_that_has_them() {
        let mut known = Known::default();
        known.add(
            0,
            [("m1", 0), ("m2", 1), ("m2", 4)]
                .map(|(it, at)| (id(it), at))
                .into_iter(),
        );
        known.add(
            2,
            [("m9", 0), ("m2", 3)]
                .map(|(it, at)| (id(it), at))
                .into_iter(),
        );
        for (wanted, want) in [
            (&[][..], ""),
            (&["m3"], ""),
            (&["m1"], "0: 1=0;"),
            (&["m3", "m9", "m2"], "0: 3=1 3=4; 2: 2=0 3=3;"),
            (&["m2", "m2"], "0: 1=1 1=4 2=1 2=4; 2: 1=3 2=3;"),
        ] {
            let uids = (1..).filter_map(Uid::new);
            let wanted: Vec<(Id, Uid)> = wanted.iter().map(|it| id(it)).zip(uids).collect();
            let found = known.find(&wanted).into_iter().map(|(folder, messages)| {
                let messages = messages
                    .iter()
                    .map(|(uid, place)| format!(" {uid}={place}"));
                format!("{folder}:{};", messages.collect::<String>())
            });
            assert_eq!(found.collect::<Vec<_>>().join(" "), want);
        }
    }
}
