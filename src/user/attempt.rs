//! One attempt to bring a user's Maildir up to date: the sessions, and which folders there are.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::thread::Scope;
use std::time::Instant;

use tracing::Level;

use super::look_ahead::Survey;
use super::maildrop::{Beside, Opener, Stage};
use super::removal::Removals;
use super::{Context, Logins, Memory, interrupted};
use crate::config::User;
use crate::mail::FolderPath;
use crate::naming::MaildirFolder;
use crate::plan::Policy;
use crate::plan::folders::{Placed, place};
use crate::plan::on_disk::OnDisk;
use crate::plan::selection::Choice;
use crate::problem::{Kind, Problem, Reach};
use crate::report::UserLog;
use crate::sink::export;
use crate::sink::on_disk::{scan, scan_as_it_is};
use crate::sink::tree::Tree;
use crate::source::{FolderList, imap};
use crate::state;
use crate::text::counted;

pub(super) struct Attempt<'a> {
    pub(super) user: &'a User,
    pub(super) context: Context<'a>,
    pub(super) log: &'a UserLog,
    pub(super) logins: &'a Logins,
    pub(super) memory: &'a mut Memory,
}

impl<'a> Attempt<'a> {
    pub(super) fn run(mut self) -> Result<(), Problem> {
        self.memory.tally.begin_attempt();
        self.memory.plan.clear();
        self.memory.asked_ahead = false;
        let opener = match self.wants_uidls() {
            true => self.opener(),
            false => None,
        };
        if self.user.imap.is_some() {
            std::thread::scope(|scope| self.run_imap(scope, opener))
        } else {
            self.run_pop3(opener)
        }
    }

    /// A user with IMAP, and POP3 beside it if there is an `opener`.
    fn run_imap<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        opener: Option<Opener<'s>>,
    ) -> Result<(), Problem> {
        let read_ahead = !self.has_paired();
        let memory = &mut self.memory.pop3;
        let must_pause = !memory.login.pause(Instant::now()).is_zero();
        let mut maildrop = opener
            .map(|opener| opener.open_beside(scope, memory, read_ahead))
            .transpose()?;
        let opened = self.open_imap(maildrop.as_ref(), must_pause);
        let opened = match &mut maildrop {
            Some(maildrop) => self.with_pop3(opened, maildrop),
            None => opened,
        };
        let result = opened.and_then(|(session, list)| {
            self.on_tree(|attempt, tree| attempt.export_imap(tree, session, &list, &mut maildrop))
        });
        let rest = maildrop.and_then(|mut maildrop| maildrop.rest(&mut self.memory.pop3));
        if let Some(session) = rest {
            session.quit();
        }
        result
    }

    fn run_pop3(&mut self, opener: Option<Opener<'_>>) -> Result<(), Problem> {
        let Some(opener) = opener else {
            return Ok(());
        };
        let maildrop = opener.open(&mut self.memory.pop3)?;
        self.on_tree(|attempt, tree| attempt.export_pop3(tree, maildrop))
    }

    /// What became of the login to IMAP, once that to POP3 has worked; what became of that if it has
    /// not.
    fn with_pop3(
        &mut self,
        opened: Result<(imap::Session, FolderList), Problem>,
        maildrop: &mut Beside<'_>,
    ) -> Result<(imap::Session, FolderList), Problem> {
        // The maildrop is frozen before IMAP opens INBOX: a mail that comes in between is then in IMAP
        // only, and is picked up by the next run.
        if maildrop.wait_for(Stage::LoggedIn) {
            return opened;
        }
        let Err(of_pop3) = maildrop.get(&mut self.memory.pop3) else {
            return opened;
        };
        match opened {
            // A password that IMAP refused is not tried again because POP3 then went away.
            Err(of_imap) if of_pop3.retry && !of_imap.retry => Err(of_imap),
            Err(_) => Err(of_pop3),
            Ok((session, _)) => {
                session.logout();
                Err(of_pop3)
            }
        }
    }

    /// Does `work` on the user's Maildir. Only now is anything made: the user could log in.
    fn on_tree(
        &mut self,
        work: impl FnOnce(&mut Self, Option<&Tree>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
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
        if let Some(tree) = &tree {
            self.open_allowance(tree)?;
        }
        self.memory.removals = Removals::default();
        self.memory.deletable.clear();
        let written = self.memory.tally.added();
        let result = work(self, tree.as_ref()).and_then(|()| match &tree {
            Some(tree) if self.memory.tally.added() > written && self.quota_is_recounted() => {
                export::forget_quota(tree)
            }
            _ => Ok(()),
        });
        let Some(tree) = &tree else {
            return result;
        };
        let counted = self.close_allowance(tree);
        self.close_book(tree, result.and(counted))
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

    /// With what the maildrop of a user who has one is opened.
    pub(super) fn opener(&self) -> Option<Opener<'a>> {
        Some(Opener {
            account: self.user.pop3.as_ref()?,
            login: self.logins.pop3.as_ref()?,
            context: self.context,
            log: self.log,
        })
    }

    /// Whether a run before this one may have found whose the UIDLs are.
    fn has_paired(&self) -> bool {
        let list = self.policy().lists(true).own;
        list.is_some_and(|name| self.user.maildir.join(name).exists())
    }

    /// Logs in to IMAP, and lists the folders. With a `maildrop`, only when POP3 has accepted the
    /// password: a wrong one is not tried twice, for a lock-out counts both. `must_pause`: POP3 has to
    /// wait first, for longer than an IMAP server may.
    fn open_imap(
        &mut self,
        maildrop: Option<&Beside<'_>>,
        must_pause: bool,
    ) -> Result<(imap::Session, FolderList), Problem> {
        let may_log_in = || match maildrop.is_none_or(|it| it.wait_for(Stage::Accepted)) {
            true => Ok(()),
            // POP3's own problem is what is told.
            false => Err(Problem::new(Kind::Network, Reach::User, "POP3 failed")),
        };
        let (Some(account), Some(login)) = (&self.user.imap, &self.logins.imap) else {
            let what = "a user without IMAP was to be logged in to it";
            return Err(Problem::new(Kind::Internal, Reach::User, what));
        };
        if must_pause {
            may_log_in()?;
        }
        let endpoint = &account.endpoint;
        let Context { dialer, turn, .. } = self.context;
        let connection = dialer.connect_for(turn, endpoint, None)?;
        let may_log_in = || if must_pause { Ok(()) } else { may_log_in() };
        let mut session = imap::Session::open_when(connection, login, endpoint, may_log_in)?;
        self.log
            .line(Level::INFO, format!("IMAP at {}", account.endpoint));
        // Marks cost the server about as much as opening the folder, and tell only what has changed.
        let record = state::file_name(self.user.subfolder.as_ref());
        let has_past = self.user.maildir.join(record).exists();
        // With a maildrop INBOX is opened when that is frozen.
        let list = match maildrop.is_none() && !has_past && self.inbox_comes_first() {
            true => {
                self.memory.asked_ahead = true;
                session.list_folders_before_inbox()?
            }
            false => session.list_folders(has_past)?,
        };
        Ok((session, list))
    }

    /// Brings over all that IMAP shows, and INBOX's UIDLs from the `maildrop` beside it.
    fn export_imap(
        &mut self,
        tree: Option<&Tree>,
        mut session: imap::Session,
        list: &FolderList,
        maildrop: &mut Option<Beside<'_>>,
    ) -> Result<(), Problem> {
        self.memory.survey = Survey::default();
        let folders = counted(list.folders.len() as u64, "folder");
        self.log.line(Level::INFO, folders);
        self.tell_of_names(list);
        if list.subscriptions_refused && self.context.config.selection.subscribed {
            let what = "the server does not tell which folders are subscribed";
            return Err(Problem::new(Kind::Refused, Reach::User, what)
                .with_hint("leave --subscribed out and select folders by name"));
        }
        let choice = Choice::of(&self.context.config.selection, self.user, list);
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
        let postponed = self.imap_folders(&mut session, &choice, &placed, maildrop, tree)?;
        self.subscribe(tree, list, &choice)?;
        self.delete_at_source(&mut session, &list.folders, tree)?;
        if let Some(imap) = &self.user.imap {
            let host = &imap.endpoint.host;
            self.context.dialer.see_off_from(host, || session.logout());
        }
        self.memory.connections.close(self.context.dialer);
        if list.unusable.is_empty() {
            self.plan_vanished(&used, &choice)?;
        } else {
            let line = "folders were listed whose names make no sense: none is taken for deleted";
            self.log.line(Level::WARN, line);
        }
        self.carry_out_removals(tree)?;
        postponed.map_or(Ok(()), Err)
    }

    /// Brings one folder after the other up to date. Returned is why one of them has to be tried again.
    fn imap_folders(
        &mut self,
        session: &mut imap::Session,
        choice: &Choice<'_>,
        placed: &[Placed],
        maildrop: &mut Option<Beside<'_>>,
        tree: Option<&Tree>,
    ) -> Result<Option<Problem>, Problem> {
        let mut postponed = None;
        for (at, folder) in placed.iter().enumerate() {
            if self.context.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let path = &folder.listed.path;
            let mut beside = maildrop.as_mut().filter(|_| path.is_inbox());
            self.look_ahead(session, choice, &placed[at..], beside.as_deref_mut())?;
            let turn = (folder, &placed[at + 1..]);
            let result = self.imap_folder(session, choice, turn, beside, tree);
            self.tell_warnings(session);
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
        Ok(postponed)
    }

    /// Logs what people should know of what the session has read.
    pub(super) fn tell_warnings(&self, session: &mut imap::Session) {
        for warning in session.take_warnings() {
            let line = format!("the IMAP server says: {warning}");
            self.log.line(Level::WARN, line);
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

    /// [`Attempt::scan`] for a folder that is then mended.
    pub(super) fn scan_as_it_is(
        &self,
        target: &MaildirFolder,
        dated: bool,
    ) -> Result<OnDisk, Problem> {
        let lists = self.policy().lists(target.is_root());
        scan_as_it_is(&self.user.maildir, target, lists, dated)
    }
}
