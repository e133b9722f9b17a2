//! All folders of a user with IMAP, one by one.

use super::difference::{Difference, What, add_live};
use super::folder::View;
use super::inbox::{Shown, announces_live};
use super::live::New;
use super::sample::chosen;
use super::{Logins, Opened, Verify};
use crate::config::Content;
use crate::mail::{Entry, FolderPath, KeywordTable, Uid, UidSet, UidValidity};
use crate::plan::folders::{Placed, place};
use crate::plan::selection::Choice;
use crate::problem::{Problem, Reach};
use crate::sink::export::now;
use crate::source::{FolderList, imap};

/// A folder of the old server, as far as it is part of the job.
pub(super) struct Old<'f> {
    pub(super) path: &'f FolderPath,
    pub(super) validity: Option<UidValidity>,
    pub(super) uid_next: Option<u32>,
    /// Its messages, ascending by UID.
    pub(super) entries: Vec<Entry>,
    pub(super) keywords: KeywordTable,
    /// Messages that are not part of the job, on neither side.
    pub(super) left_out: UidSet,
}

impl Old<'_> {
    pub(super) fn view(&self) -> View<'_> {
        View {
            validity: self.validity,
            uid_next: self.uid_next,
            entries: &self.entries,
            keywords: &self.keywords,
        }
    }

    pub(super) fn entry(&self, uid: Uid) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid);
        self.entries.get(at.ok()?)
    }

    /// UIDs and announced sizes of `uids`, to be asked for.
    pub(super) fn wanted(&self, uids: &UidSet) -> Vec<(u32, u64)> {
        let entries = self.entries.iter().filter(|it| uids.contains(it.uid));
        entries.map(|it| (it.uid.value(), it.size)).collect()
    }

    /// Of the messages that `new` has as well: those to be read, and those whose sizes differ.
    pub(super) fn to_read(
        &self,
        content: Content,
        user: &str,
        new: &[Entry],
    ) -> (UidSet, Vec<Uid>) {
        let both = new.iter().filter(|it| self.entry(it.uid).is_some());
        let both: UidSet = both.map(|it| it.uid).collect();
        let chosen = chosen(content, user, self.path, &both);
        if content == Content::None {
            return (chosen, Vec::new());
        }
        let differs = |it: &&Entry| self.entry(it.uid).is_some_and(|was| was.size != it.size);
        let suspects = new.iter().filter(differs).map(|it| it.uid);
        let suspects = suspects.filter(|uid| !chosen.contains(*uid)).collect();
        (chosen, suspects)
    }
}

/// The sessions with the two servers.
struct Sessions {
    old: imap::Session,
    new: Option<New>,
}

impl Verify<'_> {
    /// All that a user with IMAP has.
    ///
    /// # Errors
    /// A server or the Maildir cannot be read, or the run is to stop.
    pub(super) fn by_imap(&mut self, logins: &Logins<'_>) -> Result<(), Problem> {
        let selection = &self.context.config.selection;
        let nothing = FolderList::default();
        let keeps_uidls = Choice::of(selection, self.user, &nothing).keeps_uidls();
        // POP3 first, as an export does: mail that comes in between is in IMAP only.
        let (mut maildrop, mut new_maildrop) = (None, None);
        if keeps_uidls && !self.done.contains(&FolderPath::inbox()) {
            maildrop = self.open_pop3(logins.pop3.as_ref(), false)?;
            new_maildrop = self.open_pop3(logins.new_pop3.as_ref(), true)?;
        }
        let Some(mut old) = self.open_imap(logins.imap.as_ref())? else {
            return Ok(());
        };
        let list = old.list_folders(false)?;
        let new = match self.open_imap(logins.new_imap.as_ref())? {
            Some(mut session) => {
                let list = session.list_folders(false)?;
                Some(New { session, list })
            }
            None => None,
        };
        let mut sessions = Sessions { old, new };
        let choice = Choice::of(selection, self.user, &list);
        let target = self.context.config.target;
        let placed = place(&list.folders, &choice, target.layout, target.encoding);
        for folder in &placed {
            self.go_on()?;
            let path = &folder.listed.path;
            if self.done.contains(path) {
                continue;
            }
            let drops = match path.is_inbox() {
                true => (maildrop.take(), new_maildrop.take()),
                false => (None, None),
            };
            match self.imap_folder(&mut sessions, &choice, folder, drops) {
                Err(problem) if problem.retry || problem.reach >= Reach::User => {
                    return Err(problem);
                }
                Err(problem) => {
                    let unseen = Difference::new(Some(path), What::Doubt, "", problem.to_string());
                    self.finding.take(vec![unseen]);
                }
                Ok(found) => self.finding.take(found),
            }
            self.done.insert(path.clone());
            self.finding.folders += 1;
        }
        let mut found = self.names(&list);
        found.extend(self.more_folders(&placed, &choice, sessions.new.as_ref())?);
        found.extend(self.subscriptions(&list, &choice, sessions.new.as_ref())?);
        self.finding.take(found);
        sessions.old.logout();
        if let Some(new) = sessions.new {
            new.session.logout();
        }
        Ok(())
    }

    fn imap_folder(
        &mut self,
        sessions: &mut Sessions,
        choice: &Choice<'_>,
        folder: &Placed,
        (mut maildrop, new_maildrop): (Option<Opened>, Option<Opened>),
    ) -> Result<Vec<Difference>, Problem> {
        let (old, shown, mut found) =
            self.old_folder(&mut sessions.old, choice, folder, maildrop.as_mut())?;
        if let Some(opened) = maildrop {
            opened.session.quit();
        }
        found.extend(self.moved_inbox(&old, folder));
        let messages = old.entries.len() as u64;
        let mut checked = UidSet::default();
        if self.has_tree() {
            let (more, read) =
                self.against_tree(&mut sessions.old, &old, folder, shown.as_ref())?;
            found.extend(more);
            checked.extend(read.iter());
        }
        if let Some(new) = &mut sessions.new {
            let (more, read) = self.against_new(&mut sessions.old, new, &old, folder)?;
            add_live(&mut found, more);
            checked.extend(read.iter());
        }
        if let (Some(opened), Some(shown)) = (new_maildrop, &shown) {
            let (more, risk) = shown.compare(&announces_live(&opened.listing), true);
            self.note_risk(risk);
            add_live(&mut found, more);
            opened.session.quit();
        }
        self.pass_over_unfixed_validity(&mut sessions.old, &old, folder, &mut found)?;
        self.finding.messages += messages;
        self.finding.content_checked += checked.len();
        Ok(found)
    }

    /// That INBOX of a user with POP3 becomes another folder, and clients will find nothing.
    fn moved_inbox(&self, old: &Old<'_>, folder: &Placed) -> Option<Difference> {
        let place = &folder.destination;
        let is_moved = old.path.is_inbox() && !place.is_inbox();
        let is_noticed = self.user.pop3.is_some() && !old.entries.is_empty();
        (is_moved && is_noticed).then(|| {
            let why = format!("it becomes {place}, where POP3 shows nothing");
            Difference::new(Some(old.path), What::Doubt, "", why)
        })
    }

    /// What the old server has in a folder, and what it shows of it over POP3.
    fn old_folder<'f>(
        &mut self,
        session: &mut imap::Session,
        choice: &Choice<'_>,
        folder: &'f Placed,
        maildrop: Option<&mut Opened>,
    ) -> Result<(Old<'f>, Option<Shown>, Vec<Difference>), Problem> {
        let path = &folder.listed.path;
        let examined = session.examine(&folder.listed)?;
        let list = session.list_messages(examined.exists)?;
        let keys = choice.search_keys();
        let found = keys.map(|keys| session.search(keys, &list.entries));
        let found = found.transpose()?;
        let selected = choice.messages(&list.entries, found.as_ref(), now());
        let is_selected = |uid| selected.as_ref().is_none_or(|set| set.contains(uid));
        let uids = list.entries.iter().map(|it| it.uid);
        let mut left_out: UidSet = uids.filter(|uid| !is_selected(*uid)).collect();
        let mut differences = Vec::new();
        let shown = match maildrop {
            Some(opened) if opened.listing.has_uidls => {
                let pairing = self.pair(session, opened, &examined, &list)?;
                let listing = &opened.listing;
                Some(Shown::paired(listing, &pairing, &list.entries, &left_out))
            }
            Some(_) => {
                let why = "the old POP3 server gives no UIDLs: there are none to compare";
                differences.push(Difference::new(Some(path), What::Doubt, why, ""));
                None
            }
            None => None,
        };
        for (uid, why) in &list.unreadable {
            left_out.extend(*uid);
            let told = format!("the old server does not list it: {why}");
            differences.push(Difference::new(Some(path), What::Doubt, told, "").at(*uid));
        }
        let entries = list.entries.into_iter();
        let old = Old {
            path,
            validity: examined.uid_validity,
            uid_next: examined.uid_next,
            entries: entries.filter(|it| is_selected(it.uid)).collect(),
            keywords: list.keywords,
            left_out,
        };
        Ok((old, shown, differences))
    }
}
