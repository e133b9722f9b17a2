//! One attempt to bring a user's Maildir up to date: the sessions, and which folders there are.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use tracing::Level;

use super::removal::Removals;
use super::{Context, Logins, Memory, interrupted};
use crate::config::User;
use crate::mail::FolderPath;
use crate::naming::MaildirFolder;
use crate::plan::Policy;
use crate::plan::folders::place;
use crate::plan::on_disk::OnDisk;
use crate::plan::selection::Choice;
use crate::problem::{Kind, Problem, Reach};
use crate::report::UserLog;
use crate::sink::export;
use crate::sink::on_disk::scan;
use crate::sink::tree::Tree;
use crate::source::{FolderList, Maildrop, imap, pop3};

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
            && self.quota_is_recounted()
        {
            export::forget_quota(tree)?;
        }
        Ok(())
    }

    /// See [`export::quota_is_recounted`].
    pub(super) fn quota_is_recounted(&self) -> bool {
        let policy = self.policy();
        export::quota_is_recounted(policy.rerun.mode, policy.servers)
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            servers: self.context.config.target.servers,
            listed: self.context.config.target.servers,
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

    /// What a folder holds. `dated`: the dates of its files are read too.
    pub(super) fn scan(&self, target: &MaildirFolder, dated: bool) -> Result<OnDisk, Problem> {
        let lists = self.policy().lists(target.is_root());
        scan(&self.user.maildir, target, lists, dated)
    }
}
