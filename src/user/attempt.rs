//! One attempt to bring a user's Maildir up to date, and the folders of a user with IMAP.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use tracing::Level;

use super::folder::{Folder, skip};
use super::inbox::known_pairs;
use super::listing::{Stamp, digest};
use super::removal::Removals;
use super::{Context, Logins, Memory, interrupted};
use crate::config::User;
use crate::mail::{Entry, FolderPath, Uid, UidSet, UidValidity};
use crate::naming::MaildirFolder;
use crate::naming::message::UidlDigest;
use crate::plan::folders::{Placed, place};
use crate::plan::on_disk::OnDisk;
use crate::plan::selection::Choice;
use crate::plan::{Announced, Mode, Past, Policy, SourceFolder};
use crate::problem::{Kind, Problem, Reach};
use crate::report::UserLog;
use crate::sink::arrivals::Arrivals;
use crate::sink::export;
use crate::sink::on_disk::scan;
use crate::sink::tree::Tree;
use crate::source::{Examined, FolderList, Maildrop, MessageList, imap, pop3};

pub(super) struct Attempt<'a> {
    pub(super) user: &'a User,
    pub(super) context: Context<'a>,
    pub(super) log: &'a UserLog,
    pub(super) logins: &'a Logins,
    pub(super) memory: &'a mut Memory,
}

/// The POP3 side of a user who has one.
pub(super) struct Maildropped {
    pub(super) session: pop3::Session,
    pub(super) listing: Maildrop,
}

/// A folder as IMAP shows it.
pub(super) struct Shown<'p> {
    pub(super) placed: &'p Placed,
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
        uidls: Option<&'s [Option<Announced>]>,
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
    pub(super) fn run(mut self) -> Result<(), Problem> {
        self.memory.tally.begin_attempt();
        self.memory.plan.clear();
        // POP3 first: a mail that comes between the two listings is then in IMAP only, and is
        // picked up by the next run.
        let maildrop = match self.wants_uidls() {
            true => self.open_maildrop()?,
            false => None,
        };
        let session = self.open_imap()?;
        // Nothing is made for a user who cannot log in.
        let tree = if self.context.config.dry_run {
            None
        } else {
            Some(Tree::create(
                &self.user.maildir,
                self.user.owner,
                self.context.config.target.fsync,
                self.context.syncer.clone(),
            )?)
        };
        self.open_book()?;
        self.memory.removals = Removals::default();
        self.memory.deletable.clear();
        let result = self.work(tree.as_ref(), session, maildrop);
        match &tree {
            Some(tree) => self.close_book(tree, result),
            None => result,
        }
    }

    fn work(
        &mut self,
        tree: Option<&Tree>,
        session: Option<imap::Session>,
        maildrop: Option<Maildropped>,
    ) -> Result<(), Problem> {
        let written = self.memory.tally.added();
        match (session, maildrop) {
            (Some(session), maildrop) => self.export_imap(tree, session, maildrop)?,
            (None, Some(maildrop)) => self.export_pop3(tree, maildrop)?,
            (None, None) => {}
        }
        if let Some(tree) = tree
            && self.memory.tally.added() > written
            && self.context.config.rerun.mode != Mode::AfterCutover
        {
            export::forget_quota(tree)?;
        }
        Ok(())
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            servers: self.context.config.target.servers,
            uidls: self.context.config.uidls,
            rerun: self.context.config.rerun,
        }
    }

    /// Whether POP3 has anything to tell: the mail itself, or the UIDLs of what becomes INBOX.
    fn wants_uidls(&mut self) -> bool {
        let list = FolderList::default();
        let choice = Choice::of(&self.context.config.selection, self.user, &list);
        let wanted = self.user.imap.is_none() || choice.keeps_uidls();
        if !wanted && self.user.pop3.is_some() {
            let note = "POP3 was not asked: INBOX does not become the target's INBOX, and nothing else has UIDLs";
            self.note_choice(&[note.to_owned()]);
        }
        wanted
    }

    pub(super) fn open_maildrop(&mut self) -> Result<Option<Maildropped>, Problem> {
        let (Some(account), Some(login)) = (&self.user.pop3, &self.logins.pop3) else {
            return Ok(None);
        };
        let Context { dialer, stop, .. } = self.context;
        let mut session = self.memory.pop3_login.log_in(self.log, stop, || {
            let connection = dialer.connect(&account.endpoint)?;
            pop3::Session::open(connection, login, &account.endpoint)
        })?;
        if self.memory.pop3_stumbled {
            session.disable_pipelining();
        }
        let listing = session.listing()?;
        self.log.line(
            Level::INFO,
            format!(
                "POP3 at {}: {} messages",
                account.endpoint,
                listing.entries.len()
            ),
        );
        Ok(Some(Maildropped { session, listing }))
    }

    fn open_imap(&self) -> Result<Option<imap::Session>, Problem> {
        let (Some(account), Some(login)) = (&self.user.imap, &self.logins.imap) else {
            return Ok(None);
        };
        let connection = self.context.dialer.connect(&account.endpoint)?;
        let session = imap::Session::open(connection, login, &account.endpoint)?;
        self.log
            .line(Level::INFO, format!("IMAP at {}", account.endpoint));
        Ok(Some(session))
    }

    fn export_imap(
        &mut self,
        tree: Option<&Tree>,
        mut session: imap::Session,
        mut maildrop: Option<Maildropped>,
    ) -> Result<(), Problem> {
        let list = session.list_folders()?;
        self.log
            .line(Level::INFO, format!("{} folders", list.folders.len()));
        self.tell_of_names(&list);
        if list.subscriptions_refused && self.context.config.selection.subscribed {
            let what = "the server does not tell which folders are subscribed";
            return Err(Problem::new(Kind::Refused, Reach::User, what)
                .with_hint("leave --subscribed out and select folders by name"));
        }
        let choice = Choice::of(&self.context.config.selection, self.user, &list);
        self.note_choice(choice.notes());
        let target = self.context.config.target;
        // Of a folder that cannot be opened any more only the name is left.
        let selectable = list.folders.iter().filter(|folder| folder.selectable);
        self.memory.listed = selectable.map(|folder| folder.path.clone()).collect();
        self.note_searchable(&list.folders);
        let mut placed = place(&list.folders, &choice, target.layout, target.encoding);
        self.begin_links(&session, &placed, &choice);
        self.ask_for_marks(&mut session, &mut placed)?;
        let used: HashSet<MaildirFolder> = placed
            .iter()
            .filter_map(|placed| placed.target.as_ref().ok().cloned())
            .collect();
        let mut postponed = None;
        for placed in placed {
            if self.context.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let is_inbox = placed.listed.path.is_inbox();
            let maildrop = maildrop.take_if(|_| is_inbox);
            let result = self.imap_folder(&mut session, &choice, &placed, maildrop, tree);
            for warning in session.take_warnings() {
                self.log
                    .line(Level::WARN, format!("the IMAP server says: {warning}"));
            }
            let path = &placed.listed.path;
            match result {
                // One folder may be in use; the others must not wait for it.
                Err(problem) if problem.retry && problem.reach < Reach::User => {
                    let problem = problem.in_folder(path);
                    self.log.line(Level::WARN, problem.to_string());
                    if postponed.is_some() {
                        self.memory.tally.folder(path).problem = Some(problem);
                    } else {
                        postponed = Some(problem);
                    }
                }
                result => self.go_on_after(path, result)?,
            }
        }
        self.subscribe(tree, &list, &choice)?;
        self.delete_at_source(&mut session, &list.folders, tree)?;
        session.logout();
        if list.unusable.is_empty() {
            self.plan_vanished(&used, &choice)?;
        } else {
            let line = "folders were listed whose names make no sense: none is taken for deleted";
            self.log.line(Level::WARN, line);
        }
        self.carry_out_removals(tree)?;
        match postponed {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }

    /// Whether the folders that follow can be worked on after `result`.
    pub(super) fn go_on_after(
        &mut self,
        path: &FolderPath,
        result: Result<(), Problem>,
    ) -> Result<(), Problem> {
        let Err(problem) = result else {
            return Ok(());
        };
        let problem = problem.in_folder(path);
        let of_this_folder = problem.reach < Reach::User
            || matches!(
                problem.kind,
                Kind::Pairing | Kind::Unholdable | Kind::Conflict
            );
        if problem.retry || !of_this_folder {
            return Err(problem);
        }
        self.log.line(Level::ERROR, problem.to_string());
        self.memory.tally.folder(path).problem = Some(problem);
        Ok(())
    }

    pub(super) fn note_choice(&mut self, notes: &[String]) {
        for note in notes {
            self.log.line(Level::INFO, note);
        }
        self.memory.tally.notes.extend_from_slice(notes);
    }

    fn tell_of_names(&mut self, list: &FolderList) {
        // Where only some folders are wanted, one that cannot even be named is none of them.
        let all_are_wanted = self.context.config.selection.folders.is_empty();
        for name in list.unusable.iter().filter(|_| all_are_wanted) {
            let what = format!("the name of folder {name} makes no sense; it was not exported");
            let problem = Problem::new(Kind::Unholdable, Reach::Folder, what)
                .with_hint("rename the folder on the old server and run again");
            self.log.line(Level::ERROR, problem.to_string());
            self.memory.tally.problems.push(problem);
        }
        if !list.foreign.is_empty() {
            let note = format!(
                "{} shared folders or folders of other users were left out: {}",
                list.foreign.len(),
                list.foreign.join(", ")
            );
            self.log.line(Level::INFO, &note);
            self.memory.tally.notes.push(note);
        }
        for folder in list.folders.iter().filter(|folder| folder.repaired) {
            let path = &folder.path;
            self.log.line(
                Level::WARN,
                format!(
                    "folder {path}: its name on the server is no valid mUTF-7 and was read as plain text"
                ),
            );
        }
    }

    fn imap_folder(
        &mut self,
        session: &mut imap::Session,
        choice: &Choice<'_>,
        placed: &Placed,
        maildrop: Option<Maildropped>,
        tree: Option<&Tree>,
    ) -> Result<(), Problem> {
        let path = &placed.listed.path;
        self.note_place(placed);
        if self.is_still(placed, maildrop.as_ref())? {
            if let Some(maildrop) = maildrop {
                maildrop.session.quit();
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
                    self.memory.tally.folder(path).added = 0;
                    selected_of(&shown.list, shown.selected.as_ref())
                        .map(|entry| (entry.uid.value(), entry.size))
                        .collect()
                }
            };
            let tally = self.memory.tally.folder(path);
            tally.pending = left
                .into_iter()
                .map(|(uid, size)| skip(path, Some(uid), None, Some(size), ""))
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
            folder.skips.push(skip(path, uid, None, None, why));
        }
    }

    fn shown_folder(
        &mut self,
        session: &mut imap::Session,
        shown: &mut Shown<'_>,
        maildrop: Option<Maildropped>,
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
        let disk = self.scan(target, dated)?;
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
                let known = known_pairs(&disk, validity, seen.as_ref(), &rematched);
                stamp.maildrop = Some(digest(&maildrop.listing));
                let pairing = self.pair(session, shown, maildrop, &known)?;
                // Before any file bears a UIDL: the next run would know that it does, not why.
                self.save(tree)?;
                let mut uidls = self.announced(&shown.list, &pairing);
                if self.context.config.uidls.collect {
                    let past = (&disk, seen.as_ref());
                    collected =
                        Some(self.collect(session, shown, &pairing, validity, past, &mut uidls)?);
                }
                Some(uidls)
            }
            None => None,
        };
        let list = &shown.list;
        let key = |index: usize| list.entries[index].uid.value();
        let digests = collected.as_ref().map(|collected| &collected.digests[..]);
        let source = shown.source(self.user, target, validity, uidls.as_deref(), digests);
        let folder = Folder {
            source,
            destination: &shown.placed.destination,
            target,
            disk,
            seen,
            rematched,
            stamp,
            key: &key,
            called: "UID",
        };
        let path = &shown.placed.listed.path;
        let links = self.find_links(session, shown, &folder)?;
        let mut linked = 0;
        let bodies = self.memory.bodies.take(path, validity);
        let user = self.user;
        let mut of_others = std::mem::take(&mut self.memory.bodies);
        let stop = self.context.stop;
        let mut fetch = |wanted: &[(u32, u64)], arrivals: &mut Arrivals<'_>| {
            let to_fetch = links.deliver(&user.maildir, wanted, arrivals)?;
            linked = wanted.len() - to_fetch.len();
            let (copies, own): (Vec<_>, Vec<_>) = to_fetch.iter().partition(|(uid, _)| {
                let collected = collected.as_ref();
                collected.is_some_and(|collected| collected.has(*uid))
            });
            let own: Vec<_> = bodies
                .deliver(&own, arrivals)?
                .iter()
                .filter_map(|(uid, size)| Some((Uid::new(*uid)?, *size)))
                .collect();
            let mut refused = session.fetch_bodies(&own, arrivals)?;
            if let Some(collected) = &collected {
                refused.extend(collected.fetch(
                    session,
                    &copies,
                    &mut of_others,
                    stop,
                    arrivals,
                )?);
            }
            Ok(refused)
        };
        let result = self.bring_up_to_date(&folder, tree, &mut fetch, left);
        if linked > 0 {
            let line =
                format!("folder {path}: {linked} messages are links to files of other folders");
            self.log.line(Level::INFO, line);
        }
        self.memory.bodies = of_others;
        if result.is_err() {
            self.memory.bodies.put_back(path, bodies);
        }
        result
    }

    /// What a folder holds. `dated`: the dates of its files are read too.
    pub(super) fn scan(&self, target: &MaildirFolder, dated: bool) -> Result<OnDisk, Problem> {
        let list_file = self.policy().list_file(target);
        scan(&self.user.maildir, target, list_file, dated)
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
