//! One folder of a user with IMAP: what the source has of it, which UIDL is whose, and the plan for it.

use tracing::Level;

use super::allowance::{self, Allowance, Fetched};
use super::attempt::Attempt;
use super::bodies::{Bodies, FolderBodies};
use super::collect::Collected;
use super::connections::{Connections, Way};
use super::folder::{Folder, Skipping};
use super::inbox::KnownPairs;
use super::links::Found;
use super::listing::Stamp;
use super::maildrop::Beside;
use super::rematch::Rematched;
use super::tally::Added;
use crate::config::User;
use crate::mail::{Entry, FolderPath, Uid, UidSet, UidValidity, octets};
use crate::naming::MaildirFolder;
use crate::naming::message::UidlDigest;
use crate::plan::folders::Placed;
use crate::plan::on_disk::OnDisk;
use crate::plan::selection::Choice;
use crate::plan::{Announcements, Past, SourceFolder};
use crate::problem::{Kind, Problem, Reach};
use crate::sink::arrivals::Arrivals;
use crate::sink::export;
use crate::sink::tree::Tree;
use crate::source::{Examined, MessageList, imap};
use crate::text::counted;

/// A folder as IMAP shows it.
pub(super) struct Shown<'p> {
    pub(super) placed: &'p Placed,
    /// The folders whose turn comes after it.
    pub(super) rest: &'p [Placed],
    pub(super) choice: &'p Choice<'p>,
    pub(super) examined: Examined,
    pub(super) list: MessageList,
    /// What the server has found by the search keys; `None`: it was not asked.
    pub(super) found: Option<UidSet>,
    /// The messages that may be delivered; `None`: all.
    pub(super) selected: Option<UidSet>,
}

impl Shown<'_> {
    /// The folder as a plan wants it.
    fn source<'s>(
        &'s self,
        user: &'s User,
        target: &MaildirFolder,
        validity: UidValidity,
        uidls: Option<&'s Announcements>,
        collected: Option<&'s [UidlDigest]>,
    ) -> SourceFolder<'s> {
        SourceFolder {
            owner: &user.name,
            path: &self.placed.listed.path,
            validity,
            uid_next: self.examined.uid_next.unwrap_or(1),
            in_root: target.is_root(),
            entries: &self.list.entries,
            selected: self.selected.as_ref(),
            keywords: &self.list.keywords,
            uidls,
            digests: None,
            collected,
            is_whole: self.list.unreadable.is_empty(),
        }
    }
}

/// What is still to come of a folder, by UID or POP3 number, with its octets. `None`: all of it.
pub(super) type Left = Option<Vec<(u32, u64)>>;

impl Attempt<'_> {
    /// Brings one folder of the source up to date on the target; the turn of `rest` comes after it.
    pub(super) fn imap_folder(
        &mut self,
        session: &mut imap::Session,
        choice: &Choice<'_>,
        (placed, rest): (&Placed, &[Placed]),
        mut maildrop: Option<&mut Beside<'_>>,
        tree: Option<&Tree>,
    ) -> Result<(), Problem> {
        let path = &placed.listed.path;
        self.note_place(placed);
        if self.is_still(placed, maildrop.as_deref_mut())? {
            if let Some(session) = maildrop.and_then(|it| it.rest(&mut self.memory.pop3)) {
                self.context.dialer.see_off(|| session.quit());
            }
            return Ok(());
        }
        let (examined, mut list) = self.look(session, &placed.listed, maildrop.is_some())?;
        self.note_examined(path, &examined);
        self.settle_leaving(path, examined.uid_validity, &mut list);
        let found = self.search(session, choice, &list)?;
        let selected = choice.messages(&list.entries, found.as_ref(), export::now());
        if self.is_skipped_as_empty(placed, &list, selected.as_ref())? {
            let line = format!("folder {path} is empty, and is not made");
            self.log.line(Level::INFO, line);
            return Ok(());
        }
        self.count(path, &list, selected.as_ref());
        let mut shown = Shown {
            placed,
            rest,
            choice,
            examined,
            list,
            found,
            selected,
        };
        let mut left = None;
        let result = self.shown_folder(session, &mut shown, maildrop, tree, &mut left);
        if result.is_err() {
            let left = match left {
                Some(left) => left,
                None => {
                    self.count(path, &shown.list, shown.selected.as_ref());
                    // What an earlier attempt wrote is not part of this folder as it is now.
                    self.memory.tally.folder(path).added = Added::default();
                    selected_of(&shown.list, shown.selected.as_ref())
                        .map(|entry| (entry.uid.value(), entry.size))
                        .collect()
                }
            };
            let skipping = Skipping::pending(path);
            let tally = self.memory.tally.folder(path);
            tally.pending = left
                .into_iter()
                .map(|(uid, size)| skipping.row(Some(uid), None, Some(size)))
                .collect();
        }
        result
    }

    /// Which messages of the folder that is open the server finds, where it is to be asked.
    pub(super) fn search(
        &self,
        session: &mut imap::Session,
        choice: &Choice<'_>,
        list: &MessageList,
    ) -> Result<Option<UidSet>, Problem> {
        let keys = choice.search_keys();
        keys.map(|keys| session.search(keys, &list.entries))
            .transpose()
    }

    /// Finds out which messages may be delivered, and counts them anew.
    pub(super) fn select(&mut self, shown: &mut Shown<'_>) {
        let entries = &shown.list.entries;
        let found = shown.found.as_ref();
        shown.selected = shown.choice.messages(entries, found, export::now());
        let path = &shown.placed.listed.path;
        self.count(path, &shown.list, shown.selected.as_ref());
    }

    /// Whether the folder has nothing for the target, does not exist there and need not.
    fn is_skipped_as_empty(
        &self,
        placed: &Placed,
        list: &MessageList,
        selected: Option<&UidSet>,
    ) -> Result<bool, Problem> {
        let is_empty = list.unreadable.is_empty() && selected_of(list, selected).next().is_none();
        let target = placed.target.as_ref().ok();
        match target.filter(|it| is_empty && !it.is_root()) {
            Some(target) if self.context.config.selection.skip_empty => {
                Ok(!self.scan(target, false)?.exists)
            }
            _ => Ok(false),
        }
    }

    /// Begins the buckets of a folder that has been listed. Until then those of the attempt before
    /// stand. What is not selected is not counted unless it is found on disk.
    pub(super) fn count(
        &mut self,
        path: &FolderPath,
        list: &MessageList,
        selected: Option<&UidSet>,
    ) {
        let folder = self.memory.tally.begin_folder(path);
        let count = selected_of(list, selected).count();
        folder.messages = (count + list.unreadable.len()) as u64;
        folder.bytes = octets(selected_of(list, selected).map(|entry| entry.size));
        folder.left_out = (list.entries.len() - count) as u64;
        for (uid, why) in &list.unreadable {
            let uid = uid.map(Uid::value);
            let row = Skipping::new(path, why).row(uid, None, None);
            folder.skips.push(row);
        }
    }

    /// Brings a folder up to date that has been listed. `left` gets what is still to come of it, where that
    /// is known when this fails.
    fn shown_folder(
        &mut self,
        session: &mut imap::Session,
        shown: &mut Shown<'_>,
        maildrop: Option<&mut Beside<'_>>,
        tree: Option<&Tree>,
        left: &mut Left,
    ) -> Result<(), Problem> {
        let target = match &shown.placed.target {
            Ok(target) => target,
            Err(problem) => return Err(problem.restated()),
        };
        let is_new = self.past(&shown.placed.listed.path).is_none();
        let former = self.follow_rename(shown, tree)?;
        let target = former.as_ref().unwrap_or(target);
        let ordered_by_date = self.context.config.target.servers.qmail && target.is_root();
        let dated = is_new || (ordered_by_date && maildrop.is_some());
        let mut disk = self.scan_as_it_is(target, dated)?;
        let uid_validity = shown.examined.uid_validity;
        self.complete(session, &mut shown.list, uid_validity, &disk)?;
        // Only now all dates and sizes are known that it goes by.
        self.select(shown);
        let validity = uid_validity.ok_or_else(without_validity)?;
        let seen = self.past(&shown.placed.listed.path);
        let past = Past {
            seen: seen.as_ref(),
            rematched: None,
        };
        let source = shown.source(self.user, target, validity, None, None);
        let Rematched { uids, is_sure } = self.rematch(session, &source, target, &past, &disk)?;
        let rematched = uids;
        let paired = match maildrop {
            Some(maildrop) => {
                let maildrop = maildrop.take(&mut self.memory.pop3)?;
                let known = KnownPairs {
                    list: disk.uidlist.as_ref(),
                    validity,
                    seen: seen.as_ref(),
                    rematched: &rematched,
                };
                Some(self.pair_inbox(session, shown, maildrop, &known, (&disk, tree))?)
            }
            None => None,
        };
        let uidls = paired.as_ref().map(|it| &it.uidls);
        let collected = paired.as_ref().and_then(|it| it.collected.as_ref());
        let digests = collected.map(|it| &it.digests[..]);
        let entries = &shown.list.entries;
        let folder = Folder {
            source: SourceFolder {
                is_whole: is_sure && shown.list.unreadable.is_empty(),
                ..shown.source(self.user, target, validity, uidls, digests)
            },
            destination: &shown.placed.destination,
            target,
            seen,
            rematched,
            stamp: Stamp {
                highest_modseq: shown.examined.highest_modseq,
                maildrop: paired.as_ref().map(|it| it.maildrop.clone()),
            },
            key: &|index| entries[index].uid.value(),
            called: "UID",
        };
        self.mend(&folder, &mut disk, tree)?;
        self.bring(session, shown, &folder, collected, (disk, tree), left)
    }

    /// Brings a folder up to date of which all is known.
    fn bring(
        &mut self,
        session: &mut imap::Session,
        shown: &Shown<'_>,
        folder: &Folder<'_>,
        collected: Option<&Collected>,
        (disk, tree): (OnDisk, Option<&Tree>),
        left: &mut Left,
    ) -> Result<(), Problem> {
        let (path, validity) = (folder.source.path, folder.source.validity);
        let links = self.find_links(session, shown, folder, &disk)?;
        let bodies = self.memory.bodies.take(path, validity);
        let mut fetching = Fetching {
            session,
            way: Way {
                user: self.user,
                logins: self.logins,
                context: self.context,
                log: self.log,
                folder: &shown.placed.listed,
                validity,
            },
            tree,
            links,
            linked: 0,
            bodies,
            collected,
            of_others: std::mem::take(&mut self.memory.bodies),
            connections: std::mem::take(&mut self.memory.connections),
            allowance: self.memory.allowance.take(),
        };
        let mut fetch =
            |wanted: Vec<(u32, u64)>, arrivals: &mut Arrivals<'_>| fetching.fetch(wanted, arrivals);
        let result = self.bring_up_to_date(folder, disk, tree, &mut fetch, left);
        self.memory.bodies = fetching.of_others;
        self.memory.connections = fetching.connections;
        self.memory.allowance = fetching.allowance;
        if fetching.linked > 0 {
            let linked = counted(fetching.linked, "message");
            let line = format!("folder {path}: {linked} linked to files of other folders");
            self.log.line(Level::INFO, line);
        }
        if result.is_err() {
            self.memory.bodies.put_back(path, fetching.bodies);
        }
        result
    }
}

/// What brings the messages of a folder over IMAP, each on the shortest way.
struct Fetching<'f> {
    session: &'f mut imap::Session,
    way: Way<'f>,
    tree: Option<&'f Tree>,
    /// Messages that other folders have on disk.
    links: Found,
    /// How many of those have been linked to.
    linked: u64,
    /// What pairing has read of the folder.
    bodies: FolderBodies,
    /// The messages that are copies of those in other folders.
    collected: Option<&'f Collected>,
    /// What pairing has read of the other folders.
    of_others: Bodies,
    connections: Connections,
    allowance: Option<Allowance>,
}

impl Fetching<'_> {
    fn fetch(
        &mut self,
        wanted: Vec<(u32, u64)>,
        arrivals: &mut Arrivals<'_>,
    ) -> Result<Fetched, Problem> {
        let count = wanted.len();
        let mut own = self
            .links
            .deliver(&self.way.user.maildir, wanted, arrivals)?;
        self.linked = (count - own.len()) as u64;
        let mut copies = Vec::new();
        if let Some(collected) = self.collected {
            (copies, own) = own.into_iter().partition(|(uid, _)| collected.has(*uid));
        }
        let own = self.bodies.deliver(own, arrivals)?.into_iter();
        // In the room of what it is made from: it may be a million messages.
        let own: Vec<(Uid, u64)> = own
            .filter_map(|(uid, size)| Some((Uid::new(uid)?, size)))
            .collect();
        let within = (self.way.context.turn, self.tree);
        let (session, connections) = (&mut *self.session, &mut self.connections);
        let mut fetched = allowance::fetch(&mut self.allowance, &own, within, &mut |piece| {
            connections.fetch(session, &self.way, piece, arrivals)
        })?;
        if let Some(collected) = self.collected {
            let (bodies, stop) = (&mut self.of_others, self.way.context.stop);
            let more = allowance::fetch(&mut self.allowance, &copies, within, &mut |piece| {
                collected.fetch(session, piece, bodies, stop, arrivals)
            })?;
            fetched.refused.extend(more.refused);
            fetched.postponed.extend(more.postponed);
            fetched.postponed.sort_unstable();
        }
        Ok(fetched)
    }
}

fn without_validity() -> Problem {
    Problem::new(
        Kind::Protocol,
        Reach::Folder,
        "the server gives no UIDVALIDITY, so nothing tells its messages apart from one run to the next",
    )
}

/// The messages of `list` that may be delivered.
pub(super) fn selected_of<'l>(
    list: &'l MessageList,
    selected: Option<&'l UidSet>,
) -> impl Iterator<Item = &'l Entry> {
    let is_selected = move |entry: &&Entry| selected.is_none_or(|set| set.contains(entry.uid));
    list.entries.iter().filter(is_selected)
}
