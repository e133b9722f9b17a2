//! The IMAP side of a check, folder by folder, and whose UIDL is which.

use std::time::{Duration, Instant};

use super::maildrop::Opened;
use super::{Check, Flaw, Matter, Uidls};
use crate::config::{Account, Config, Selection, Unholdable};
use crate::mail::{FolderPath, UidSet};
use crate::matching::{self, ImapSide, Pairing};
use crate::plan::folders::{Placed, place};
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::Remembered;
use crate::plan::selection::Choice;
use crate::plan::{self, Announcements, FolderPlan, Past, Policy, SourceFolder};
use crate::problem::{Problem, Reach};
use crate::sink::export::now;
use crate::source::{Examined, FolderList, ListedFolder, Maildrop, MessageList, imap};
use crate::text::printable;
use crate::user::{Copies, KnownElsewhere, Search, Sessions};

/// A server that wants a longer pause between two logins is not listed a second time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names that are told of one kind of trouble; the rest is counted.
const TOLD: usize = 20;

/// All that a user has.
#[derive(Debug, Default)]
pub struct Mailbox {
    /// Folders with messages, or that could have some.
    pub folders: u64,
    /// Messages in them.
    pub messages: u64,
    /// Their octets, as the server says.
    pub bytes: u64,
    /// The largest message.
    pub largest: Option<Largest>,
    /// Folders whose names the target cannot hold.
    pub unholdable_folders: u64,
    /// Folders that the server lists and that cannot be asked for.
    pub unusable_folders: u64,
    /// Messages that are not selected; none of the other figures has them.
    pub left_out: u64,
    /// Folders of others, which are not taken.
    pub foreign_folders: u64,
    /// Keywords beyond what the target holds, over all folders.
    pub keywords_lost: u64,
    /// What became of the UIDLs; `None` where they were not looked at.
    pub uidls: Option<Uidls>,
    /// What a person should know though no client will notice.
    pub notes: Vec<String>,
    /// What clients will notice of it, until the check is over: then with the finding's.
    pub flaws: Vec<Flaw>,
}

/// A message that no other is larger than.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest {
    /// Its octets, as the server says.
    pub bytes: u64,
    /// Its folder, printable.
    pub folder: String,
    /// Its UID or POP3 number, as in `UID 17`.
    pub message: String,
}

impl Mailbox {
    /// Counts a message.
    pub(super) fn count(
        &mut self,
        folder: &FolderPath,
        bytes: u64,
        message: impl FnOnce() -> String,
    ) {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.largest.as_ref().is_none_or(|it| it.bytes < bytes) {
            self.largest = Some(Largest {
                bytes,
                folder: printable(&folder.to_string()),
                message: message(),
            });
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        match self.notes.len() {
            TOLD => self.notes.push("there is more of this kind".to_owned()),
            more if more > TOLD => {}
            _ => self.notes.push(note.into()),
        }
    }

    /// Some of what the list of folders says is a flaw, some only to be known.
    fn judge_names(&mut self, list: &FolderList, selection: &Selection) {
        // Where only some folders are wanted, one that cannot even be named is none of them.
        let unusable = match selection.folders.is_empty() {
            true => &list.unusable[..],
            false => &[],
        };
        self.unusable_folders = unusable.len() as u64;
        self.foreign_folders = list.foreign.len() as u64;
        if let Some(first) = unusable.first() {
            let count = self.unusable_folders;
            let what = format!("the names of {count} folders make no sense, the first is {first}");
            self.flaws.push(Flaw::new(Matter::Folders, what));
        }
        if !list.foreign.is_empty() {
            let some: Vec<&str> = list.foreign.iter().take(TOLD).map(String::as_str).collect();
            let count = self.foreign_folders;
            self.note(format!(
                "{count} shared folders or folders of other users are left out: {}",
                some.join(", ")
            ));
        }
    }

    fn judge_places(&mut self, placed: &[Placed]) {
        let refused = placed.iter().filter_map(|it| it.target.as_ref().err());
        let refused: Vec<&Problem> = refused.collect();
        self.unholdable_folders = refused.len() as u64;
        let Some(first) = refused.first() else { return };
        let what = format!(
            "{} folders have no place, the first is {}: {}",
            refused.len(),
            first.folder.as_deref().unwrap_or_default(),
            first.what()
        );
        self.flaws.push(Flaw::new(Matter::Folders, what));
        for problem in refused {
            self.note(problem.to_string());
        }
    }

    /// What the listing of a folder leaves out.
    fn judge_listing(&mut self, path: &FolderPath, examined: &Examined, list: &MessageList) {
        if examined.uid_validity.is_none() {
            let what = format!(
                "the server gives no UIDVALIDITY for folder {}",
                printable(&path.to_string())
            );
            self.flaws.push(Flaw::new(Matter::Folders, what));
        }
        if let Some((_, why)) = list.unreadable.first() {
            let what = format!(
                "folder {}: {} messages cannot be listed: {why}",
                printable(&path.to_string()),
                list.unreadable.len()
            );
            self.flaws.push(Flaw::new(Matter::Messages, what));
        }
    }

    fn judge_keywords(&mut self, path: &FolderPath, homeless: &[String]) {
        if homeless.is_empty() {
            return;
        }
        self.keywords_lost += homeless.len() as u64;
        let what = format!(
            "folder {} has {} keywords more than the 26 that a Maildir holds",
            printable(&path.to_string()),
            homeless.len()
        );
        self.flaws.push(Flaw::new(Matter::Keywords, what));
    }
}

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
        let mut examined = session.examine(&folder.listed)?;
        let mut list = session.list_messages(examined.exists)?;
        let mut paired = None;
        if path.is_inbox()
            && choice.keeps_uidls()
            && self
                .finding
                .maildrop
                .as_ref()
                .is_some_and(|it| it.has_uidls)
        {
            let opened = match maildrop.take() {
                Some(opened) => opened,
                // An earlier attempt has used it.
                None => self.open_again()?,
            };
            let mut inbox = Inbox {
                folder,
                examined,
                list,
            };
            match self.pair(session, &mut inbox, searchable, opened) {
                Ok(pairing) => paired = Some(pairing),
                Err(problem) if problem.retry => return Err(problem),
                Err(problem) => {
                    let what = format!("the UIDLs could not be paired: {problem}");
                    let flaw = Flaw::new(Matter::Reading, what);
                    self.finding.mailbox.flaws.push(flaw);
                }
            }
            (examined, list) = (inbox.examined, inbox.list);
        }
        if path.is_inbox() && !folder.destination.is_inbox() {
            self.judge_lost_uidls(&folder.destination);
        }
        let keys = choice.search_keys();
        let found = keys.map(|keys| session.search(keys, &list.entries));
        let found = found.transpose()?;
        let selected = choice.messages(&list.entries, found.as_ref(), now());
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
                let mut select = |session: &mut imap::Session, list: &MessageList| {
                    let found = keys.map(|keys| session.search(keys, &list.entries));
                    let found = found.transpose()?;
                    Ok(choice.messages(&list.entries, found.as_ref(), now()))
                };
                let stop = self.context.stop;
                Some(Copies::list(
                    session,
                    searchable,
                    pairing,
                    stop,
                    &mut select,
                )?)
            }
            _ => None,
        };
        self.judge_plan(folder, &examined, (list, selected), paired, copies)
    }

    /// INBOX has become `destination`, which POP3 does not show.
    fn judge_lost_uidls(&mut self, destination: &FolderPath) {
        let maildrop = self.finding.maildrop.as_ref();
        let uidls = maildrop.map_or(0, |maildrop| maildrop.sound_uidls());
        if uidls > 0 {
            let name = printable(&destination.to_string());
            let what = format!("INBOX becomes {name}, where POP3 shows none of its {uidls} UIDLs");
            let flaw = Flaw::new(Matter::Uidls, what);
            self.finding.mailbox.flaws.push(flaw);
        }
    }

    /// What an export into an empty target would do with a folder.
    fn judge_plan(
        &mut self,
        folder: &Placed,
        examined: &Examined,
        (mut list, mut selected): (MessageList, Option<UidSet>),
        paired: Option<(Pairing, Maildrop)>,
        copies: Option<Copies>,
    ) -> Result<(), Problem> {
        let config = self.context.config;
        let policy = Policy {
            servers: config.target.servers,
            listed: config.target.servers,
            uidls: config.uidls,
            rerun: config.rerun,
        };
        let mut announced = paired.as_ref().map(|(pairing, listing)| {
            Announcements::of_pairs(&list.entries, pairing, &listing.entries)
        });
        let mut collected = None;
        if let (Some(copies), Some(validity), Some(announced)) =
            (copies, examined.uid_validity, &mut announced)
        {
            let count = copies.refused.len();
            if count > 0 {
                let what = format!(
                    "{count} messages that POP3 shows are in folders that did not show them"
                );
                self.finding
                    .mailbox
                    .flaws
                    .push(Flaw::new(Matter::Uidls, what));
            }
            let marks = (validity, examined.uid_next);
            let target = (&OnDisk::default(), &Remembered::default());
            let joined = copies.join(&mut list, &mut selected, announced, marks, target)?;
            collected = Some(joined.digests);
        }
        let path = &folder.listed.path;
        let plan = match examined.uid_validity {
            Some(validity) => {
                let source = SourceFolder {
                    owner: &self.user.name,
                    path,
                    validity,
                    uid_next: examined.uid_next.unwrap_or(1),
                    in_root: folder.destination.is_inbox(),
                    entries: &list.entries,
                    selected: selected.as_ref(),
                    keywords: &list.keywords,
                    uidls: announced.as_ref(),
                    digests: None,
                    collected: collected.as_deref(),
                    is_whole: true,
                };
                Some(foretold(&source, policy)?)
            }
            None => None,
        };
        let mailbox = &mut self.finding.mailbox;
        if let Some(plan) = plan.as_ref().filter(|_| policy.servers.dovecot) {
            mailbox.judge_keywords(path, &plan.homeless_keywords);
        }
        let Some((pairing, listing)) = paired else {
            return Ok(());
        };
        let mut uidls = Uidls::of(&pairing, &listing);
        mailbox.flaws.extend(uidls.flaws(&pairing, &policy.uidls));
        if let Some(plan) = plan {
            uidls.kept = plan.uidls;
            if policy.servers.qmail {
                uidls.max_date_shift = Some(plan.max_date_shift);
            }
            if plan.order_breaks > 0 {
                let count = plan.order_breaks;
                let what = format!("the dates do not keep the POP3 order in {count} places");
                let accepted = policy.uidls.unholdable == Unholdable::Report;
                let flaw = Flaw::new(Matter::Order, what).accepted_if(accepted);
                mailbox.flaws.push(flaw);
            }
            if plan.name_breaks > 0 {
                let count = plan.name_breaks;
                let what = format!(
                    "Courier lists by name, which does not keep the POP3 order in {count} places"
                );
                let accepted = policy.uidls.unholdable == Unholdable::Report;
                let flaw = Flaw::new(Matter::Order, what).accepted_if(accepted);
                mailbox.flaws.push(flaw);
            }
        }
        mailbox.uidls = Some(uidls);
        Ok(())
    }

    /// Pairs INBOX with the maildrop. When something is left over, both are listed once more: mail
    /// may have come or gone in between.
    fn pair(
        &mut self,
        session: &mut imap::Session,
        inbox: &mut Inbox<'_>,
        searchable: &[ListedFolder],
        mut opened: Opened,
    ) -> Result<(Pairing, Maildrop), Problem> {
        let policy = self.context.config.uidls.pairing;
        let mut listed_again = false;
        loop {
            let side = ImapSide {
                uid_validity: inbox.examined.uid_validity,
                entries: &inbox.list.entries,
            };
            let mut sessions = Sessions {
                imap: session,
                imap_breaks: self.imap_breaks.entry(FolderPath::inbox()).or_default(),
                pop3: &mut opened.session,
                pop3_breaks: &mut self.pop3_breaks,
                ahead: None,
                imap_ahead: None,
                bodies: None,
            };
            let mut pairing = matching::pair(policy, &side, &opened.listing, [], &mut sessions)?;
            let search = Search {
                imap: session,
                pop3: &mut opened.session,
                imap_breaks: &mut self.imap_breaks,
                pop3_breaks: &mut self.pop3_breaks,
                ahead: None,
                folders: searchable,
                known: &KnownElsewhere::new(),
                bodies: None,
                stop: self.context.stop,
            };
            let told = search.run(policy, &opened.listing, &inbox.examined, &mut pairing)?;
            for note in told {
                self.finding.mailbox.note(note);
            }
            opened.session.quit();
            let is_whole = pairing.missing.is_empty() && pairing.extra.is_empty();
            if is_whole || listed_again {
                return Ok((pairing, opened.listing));
            }
            listed_again = true;
            if self.pop3_delay.pause(Instant::now()) > PATIENCE {
                let note = "the POP3 server wants a long pause between two logins, so it was \
                            listed once: mail that came or went meanwhile is not told apart";
                self.finding.mailbox.note(note);
                return Ok((pairing, opened.listing));
            }
            let fresh = match self.open_again() {
                Ok(fresh) => fresh,
                Err(problem) if problem.reach == Reach::Run => return Err(problem),
                // Some servers want a pause between two sessions and do not say so.
                Err(_) => return Ok((pairing, opened.listing)),
            };
            let examined = session.examine(&inbox.folder.listed)?;
            let list = session.list_messages(examined.exists)?;
            if fresh.listing == opened.listing && list.entries == inbox.list.entries {
                fresh.session.quit();
                return Ok((pairing, opened.listing));
            }
            (inbox.examined, inbox.list) = (examined, list);
            opened = fresh;
        }
    }
}

/// INBOX as it is listed at the moment.
struct Inbox<'f> {
    folder: &'f Placed,
    examined: Examined,
    list: MessageList,
}

/// The plan of an export into an empty target, which lets pass what the target cannot hold: that
/// has been looked at before.
fn foretold(source: &SourceFolder<'_>, policy: Policy) -> Result<FolderPlan, Problem> {
    let mut policy = policy;
    policy.uidls.unholdable = Unholdable::Report;
    plan::plan(source, &Past::default(), &OnDisk::default(), &policy, now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FolderEncoding, Layout, User};
    use crate::mail::UidValidity;
    use crate::source::ListedFolder;

    fn path(name: &str) -> FolderPath {
        FolderPath::new(vec![name.to_owned()])
    }

    #[test]
    fn each_thing_that_does_not_come_is_a_flaw_with_its_count() {
        let mut mailbox = Mailbox::default();
        let names = FolderList {
            unusable: vec!["a//b".to_owned(), "c".to_owned()],
            foreign: vec!["shared/x".to_owned()],
            ..FolderList::default()
        };
        let (selection, user) = (Selection::default(), User::of_no_server("ann"));
        mailbox.judge_names(&names, &selection);
        let folders = ["fine", "v1.0", "v2.0"].map(|name| ListedFolder {
            wire_name: name.to_owned(),
            path: path(name),
            selectable: true,
            special_use: None,
            repaired: false,
            marks: None,
        });
        let plus = Layout::MaildirPlusPlus;
        let choice = Choice::of(&selection, &user, &names);
        mailbox.judge_places(&place(&folders, &choice, plus, FolderEncoding::Mutf7));
        let examined = |validity| Examined {
            uid_validity: UidValidity::new(validity),
            uid_next: None,
            exists: 3,
            ..Examined::default()
        };
        let list = MessageList {
            unreadable: vec![(None, "left out".to_owned())],
            ..MessageList::default()
        };
        mailbox.judge_listing(&path("A\x1b"), &examined(0), &list);
        mailbox.judge_listing(&path("B"), &examined(7), &MessageList::default());
        mailbox.judge_keywords(&path("A"), &["k27".to_owned(), "k28".to_owned()]);
        mailbox.judge_keywords(&path("B"), &[]);
        let told: Vec<_> = mailbox
            .flaws
            .iter()
            .map(|flaw| (flaw.matter, flaw.what.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    Matter::Folders,
                    "the names of 2 folders make no sense, the first is a//b"
                ),
                (
                    Matter::Folders,
                    "2 folders have no place, the first is v1.0: the target cannot hold this folder: \
                     Maildir++ cannot hold a dot inside a folder name"
                ),
                (
                    Matter::Folders,
                    "the server gives no UIDVALIDITY for folder A\\u{1b}"
                ),
                (
                    Matter::Messages,
                    "folder A\\u{1b}: 1 messages cannot be listed: left out"
                ),
                (
                    Matter::Keywords,
                    "folder A has 2 keywords more than the 26 that a Maildir holds"
                ),
            ]
        );
        assert_eq!((mailbox.keywords_lost, mailbox.foreign_folders), (2, 1));
        assert_eq!(
            mailbox.notes.len(),
            3,
            "the foreign one, and two that have no place"
        );
    }

    #[test]
    fn the_first_of_the_largest_is_told_and_notes_have_an_end() {
        let mut mailbox = Mailbox::default();
        for (bytes, message) in [(0, "a"), (u64::MAX, "b"), (u64::MAX, "c")] {
            mailbox.count(&path("A"), bytes, || message.to_owned());
            mailbox.note(message);
        }
        assert_eq!((mailbox.messages, mailbox.bytes), (3, u64::MAX));
        assert_eq!(mailbox.largest.map(|it| it.message).as_deref(), Some("b"));
        let mut mailbox = Mailbox::default();
        for _ in 0..100 {
            mailbox.note("again");
        }
        assert_eq!(mailbox.notes.len(), TOLD + 1);
    }
}
