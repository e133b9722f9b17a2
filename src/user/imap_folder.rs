//! One folder of a user with IMAP: what the source has of it, which UIDL is whose, and the plan for it.

use tracing::Level;

use super::allowance::{self, Fetched};
use super::attempt::Attempt;
use super::connections::Way;
use super::folder::{Folder, Skipping};
use super::inbox::KnownPairs;
use super::listing::{Stamp, digest};
use super::maildrop::Beside;
use super::tally::Added;
use crate::config::User;
use crate::mail::{Entry, FolderPath, Uid, UidSet, UidValidity};
use crate::naming::MaildirFolder;
use crate::naming::message::UidlDigest;
use crate::plan::folders::Placed;
use crate::plan::selection::Choice;
use crate::plan::{Announcements, Past, SourceFolder};
use crate::problem::{Kind, Problem, Reach};
use crate::sink::arrivals::Arrivals;
use crate::sink::export;
use crate::sink::tree::Tree;
use crate::source::{Examined, MessageList, imap};

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
        folder.bytes = selected_of(list, selected).map(|entry| entry.size).sum();
        folder.left_out = (list.entries.len() - count) as u64;
        for (uid, why) in &list.unreadable {
            let uid = uid.map(Uid::value);
            let row = Skipping::new(path, why).row(uid, None, None);
            folder.skips.push(row);
        }
    }

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
        self.complete(session, &mut shown.list, shown.examined.uid_validity, &disk)?;
        // Only now all dates and sizes are known that it goes by.
        self.select(shown);
        let Some(validity) = shown.examined.uid_validity else {
            return Err(Problem::new(
                Kind::Protocol,
                Reach::Folder,
                "the server gives no UIDVALIDITY, so nothing tells its messages apart from one run to the next",
            ));
        };
        let seen = self.past(&shown.placed.listed.path);
        let past = Past {
            seen: seen.as_ref(),
            rematched: None,
        };
        let rematched = {
            let source = shown.source(self.user, target, validity, None, None);
            self.rematch(session, &source, target, &past, &disk)?
        };
        let mut stamp = Stamp {
            highest_modseq: shown.examined.highest_modseq,
            maildrop: None,
        };
        let mut collected = None;
        let uidls = match maildrop {
            Some(maildrop) => {
                let maildrop = maildrop.take(&mut self.memory.pop3)?;
                let known = KnownPairs {
                    list: disk.uidlist.as_ref(),
                    validity,
                    seen: seen.as_ref(),
                    rematched: &rematched,
                };
                stamp.maildrop = Some(digest(&maildrop.listing));
                let (pairing, listing) = self.pair(session, shown, maildrop, &known)?;
                let listing = listing.entries;
                // Before any file bears a UIDL: the next run would know that it does, not why.
                self.save(tree)?;
                self.foresee_paired(session, shown)?;
                self.tell_of_pairs(&pairing);
                let mut uidls = Announcements::of_pairs(&shown.list.entries, &pairing, &listing);
                if self.context.config.uidls.collect {
                    let past = (&disk, seen.as_ref());
                    let pairs = (&pairing, &listing);
                    collected =
                        Some(self.collect(session, shown, pairs, validity, past, &mut uidls)?);
                }
                Some(uidls)
            }
            None => None,
        };
        let list = &shown.list;
        let key = |index: usize| list.entries[index].uid.value();
        let digests = collected.as_ref().map(|collected| &collected.digests[..]);
        let source = shown.source(self.user, target, validity, uidls.as_ref(), digests);
        let folder = Folder {
            source,
            destination: &shown.placed.destination,
            target,
            seen,
            rematched,
            stamp,
            key: &key,
            called: "UID",
        };
        self.mend(&folder, &mut disk, tree)?;
        let path = &shown.placed.listed.path;
        let links = self.find_links(session, shown, &folder, &disk)?;
        let mut linked = 0;
        let bodies = self.memory.bodies.take(path, validity);
        let user = self.user;
        let mut of_others = std::mem::take(&mut self.memory.bodies);
        let stop = self.context.stop;
        let mut connections = std::mem::take(&mut self.memory.connections);
        let mut allowance = self.memory.allowance.take();
        let within = (self.context.turn, tree);
        let way = Way {
            user,
            logins: self.logins,
            context: self.context,
            log: self.log,
            folder: &shown.placed.listed,
            validity,
        };
        let mut fetch = |wanted: Vec<(u32, u64)>, arrivals: &mut Arrivals<'_>| {
            let count = wanted.len();
            let mut own = links.deliver(&user.maildir, wanted, arrivals)?;
            linked = count - own.len();
            let mut copies = Vec::new();
            if let Some(collected) = &collected {
                (copies, own) = own.into_iter().partition(|(uid, _)| collected.has(*uid));
            }
            let own = bodies.deliver(own, arrivals)?.into_iter();
            // In the room of what it is made from: it may be a million messages.
            let own: Vec<(Uid, u64)> = own
                .filter_map(|(uid, size)| Some((Uid::new(uid)?, size)))
                .collect();
            let Fetched {
                mut refused,
                mut postponed,
            } = allowance::fetch(&mut allowance, &own, within, &mut |piece| {
                connections.fetch(session, &way, piece, arrivals)
            })?;
            if let Some(collected) = &collected {
                let more = allowance::fetch(&mut allowance, &copies, within, &mut |piece| {
                    collected.fetch(session, piece, &mut of_others, stop, arrivals)
                })?;
                refused.extend(more.refused);
                postponed.extend(more.postponed);
                postponed.sort_unstable();
            }
            Ok(Fetched { refused, postponed })
        };
        let result = self.bring_up_to_date(&folder, disk, tree, &mut fetch, left);
        if linked > 0 {
            let line =
                format!("folder {path}: {linked} messages are links to files of other folders");
            self.log.line(Level::INFO, line);
        }
        self.memory.bodies = of_others;
        self.memory.connections = connections;
        self.memory.allowance = allowance;
        if result.is_err() {
            self.memory.bodies.put_back(path, bodies);
        }
        result
    }
}

/// The messages of `list` that may be delivered.
pub(super) fn selected_of<'l>(
    list: &'l MessageList,
    selected: Option<&'l UidSet>,
) -> impl Iterator<Item = &'l Entry> {
    let is_selected = move |entry: &&Entry| selected.is_none_or(|set| set.contains(entry.uid));
    list.entries.iter().filter(is_selected)
}
