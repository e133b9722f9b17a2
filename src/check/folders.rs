//! The IMAP side of a check, folder by folder.

use super::inbox::Inbox;
use super::maildrop::Opened;
use super::{Check, Flaw, Mailbox, Matter};
use crate::config::{Account, Config};
use crate::matching::Pairing;
use crate::plan::folders::{Placed, place};
use crate::plan::selection::Choice;
use crate::problem::{Problem, Reach};
use crate::sink::export::now;
use crate::source::{ListedFolder, Maildrop, MessageList, imap};
use crate::user::Copies;

impl Check<'_> {
    /// All folders, and in INBOX the UIDLs. `maildrop` is taken when INBOX comes.
    ///
    /// # Errors
    /// The run is to stop.
    pub(super) fn look_at_imap(
        &mut self,
        account: &Account,
        maildrop: &mut Option<Opened>,
    ) -> Result<(), Problem> {
        let mut software = None;
        let outcome = self.with_login(account, |check, login| {
            check.finding.mailbox = Mailbox::default();
            let connection = check.context.dialer.connect(&account.endpoint)?;
            let mut session = imap::Session::open(connection, login, &account.endpoint)?;
            software = Some(String::new());
            software = Some(session.software()?);
            check.read_folders(&mut session, maildrop)?;
            let host = &account.endpoint.host;
            check.context.dialer.see_off_from(host, || session.logout());
            Ok(())
        });
        let (server, _) = self.outcome("IMAP", account, software, outcome)?;
        self.finding.imap = Some(server);
        Ok(())
    }

    fn read_folders(
        &mut self,
        session: &mut imap::Session,
        maildrop: &mut Option<Opened>,
    ) -> Result<(), Problem> {
        let list = session.list_folders(false)?;
        let Config {
            target, selection, ..
        } = self.context.config;
        self.finding.mailbox.judge_names(&list, selection);
        let choice = Choice::of(selection, self.user, &list);
        for note in choice.notes() {
            self.finding.mailbox.note(note);
        }
        let searchable: Vec<ListedFolder> = match self.context.config.uidls.all_mailboxes {
            true => list
                .folders
                .iter()
                .filter(|it| it.selectable)
                .cloned()
                .collect(),
            false => Vec::new(),
        };
        let placed = place(&list.folders, &choice, target.layout, target.encoding);
        self.finding.mailbox.folders = placed.len() as u64;
        self.finding.mailbox.judge_places(&placed);
        for folder in &placed {
            self.go_on()?;
            match self.read_folder(session, &choice, folder, &searchable, maildrop) {
                Err(problem) if problem.retry || problem.reach >= Reach::User => {
                    return Err(problem);
                }
                Err(problem) => {
                    let flaw = Flaw::new(Matter::Folders, problem.to_string());
                    self.finding.mailbox.flaws.push(flaw);
                }
                Ok(()) => {}
            }
            for warning in session.take_warnings() {
                self.finding
                    .mailbox
                    .note(format!("the IMAP server says: {warning}"));
            }
        }
        let mailbox = &mut self.finding.mailbox;
        if mailbox.left_out > 0 {
            mailbox.note(format!("{} messages are not selected", mailbox.left_out));
        }
        Ok(())
    }

    fn read_folder(
        &mut self,
        session: &mut imap::Session,
        choice: &Choice<'_>,
        folder: &Placed,
        searchable: &[ListedFolder],
        maildrop: &mut Option<Opened>,
    ) -> Result<(), Problem> {
        let path = &folder.listed.path;
        let examined = session.examine(&folder.listed)?;
        let list = session.list_messages(examined.exists)?;
        let mut inbox = Inbox {
            folder,
            examined,
            list,
        };
        let drop = self.finding.maildrop.as_ref();
        let has_uidls = drop.is_some_and(|it| it.has_uidls);
        let paired = match path.is_inbox() && choice.keeps_uidls() && has_uidls {
            true => self.pair_inbox(session, &mut inbox, searchable, maildrop)?,
            false => None,
        };
        let Inbox { examined, list, .. } = inbox;
        if path.is_inbox() && !folder.destination.is_inbox() {
            self.judge_lost_uidls(&folder.destination);
        }
        let select = |session: &mut imap::Session, list: &MessageList| {
            let keys = choice.search_keys();
            let found = keys.map(|keys| session.search(keys, &list.entries));
            let found = found.transpose()?;
            Ok(choice.messages(&list.entries, found.as_ref(), now()))
        };
        let selected = select(session, &list)?;
        let mailbox = &mut self.finding.mailbox;
        for entry in &list.entries {
            if selected.as_ref().is_none_or(|set| set.contains(entry.uid)) {
                mailbox.count(path, entry.size, || format!("UID {}", entry.uid));
            } else {
                mailbox.left_out += 1;
            }
        }
        mailbox.messages += list.unreadable.len() as u64;
        mailbox.judge_listing(path, &examined, &list);
        let copies = match &paired {
            Some((pairing, _)) if self.context.config.uidls.collect => {
                let stop = self.context.stop;
                let copies = Copies::list(session, searchable, pairing, stop, &mut { select })?;
                Some(copies)
            }
            _ => None,
        };
        self.judge_plan(folder, &examined, (list, selected), paired, copies)
    }

    /// Whose UIDL is which, where that can be read; what went wrong is noted.
    ///
    /// # Errors
    /// Those that another attempt may mend.
    fn pair_inbox(
        &mut self,
        session: &mut imap::Session,
        inbox: &mut Inbox<'_>,
        searchable: &[ListedFolder],
        maildrop: &mut Option<Opened>,
    ) -> Result<Option<(Pairing, Maildrop)>, Problem> {
        let opened = match maildrop.take() {
            Some(opened) => opened,
            // An earlier attempt has used it.
            None => self.open_again()?,
        };
        match self.pair(session, inbox, searchable, opened) {
            Ok(paired) => Ok(Some(paired)),
            Err(problem) if problem.retry => Err(problem),
            Err(problem) => {
                let what = format!("the UIDLs could not be paired: {problem}");
                let flaw = Flaw::new(Matter::Reading, what);
                self.finding.mailbox.flaws.push(flaw);
                Ok(None)
            }
        }
    }
}
