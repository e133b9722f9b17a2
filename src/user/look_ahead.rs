//! Folders are looked at and their messages asked for before their turn, so that a server that is far
//! away is not waited for between one folder and the next. For folders of which it is known what is
//! going to be asked: no run has done anything of them yet, or one has done them whole and their marks
//! tell what has changed. INBOX of a user of whom nothing is known is looked at while the folders are
//! still being listed.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::attempt::Attempt;
use super::imap_folder::{Shown, selected_of};
use super::interrupted;
use super::listing::{LastSeen, look, may_rest};
use super::maildrop::{Beside, Maildropped};
use crate::mail::{FolderPath, Uid};
use crate::plan::folders::Placed;
use crate::plan::selection::Choice;
use crate::problem::{Problem, Reach};
use crate::sink::export;
use crate::source::imap::{Foreseen, Session, Then};
use crate::source::{Examined, FolderList, ListedFolder, MessageList, Since};

/// The most folders that are looked at in one go, and the most messages whose lines are kept, but for
/// those of the folder that is next.
const FOLDERS: usize = 64;
const KEPT: usize = 50_000;

/// A folder as it was when it was looked at, or why it could not be.
type Looked = Result<(Examined, MessageList), Problem>;

/// The folders that have been looked at and whose turn has not come.
#[derive(Debug, Default)]
pub(super) struct Survey {
    folders: HashMap<FolderPath, Looked>,
    /// So many of them, the next in turn, have been foreseen to the end.
    foreseen: usize,
    /// The next in turn was the last to be looked at: it is open, and is not opened again.
    stays_open: bool,
}

/// A folder that is going to be opened.
struct Next<'p> {
    listed: &'p ListedFolder,
    /// What is going to be fetched of it; `None`: that cannot be told.
    wanted: Option<Vec<(Uid, u64)>>,
}

impl Attempt<'_> {
    /// Looks at the first of `folders`, whose turn it is, and at as many of those after it as can be
    /// kept, if that has not been done; and has what comes next asked ahead. `maildrop`: where the first
    /// is paired with one.
    ///
    /// # Errors
    /// Of reach User: those of the session; the run is to stop.
    pub(super) fn look_ahead(
        &mut self,
        session: &mut Session,
        choice: &Choice<'_>,
        folders: &[Placed],
        maildrop: Option<&mut Beside<'_>>,
    ) -> Result<(), Problem> {
        let Some(first) = folders.first().map(|placed| &placed.listed) else {
            return Ok(());
        };
        if self.has_not_changed(first) || !self.is_foreseeable(choice, &folders[0]) {
            return Ok(());
        }
        let is_known = self.memory.survey.folders.contains_key(&first.path);
        if is_known && self.memory.survey.foreseen > 0 {
            return Ok(());
        }
        let folders = self.foreseeable(choice, folders);
        if !is_known {
            self.look_at(session, &folders)?;
        }
        let stays_open = self.memory.survey.stays_open && session.has_open(first);
        if stays_open && !self.is_paired(first) {
            let here = self.wanted_of_open(choice, folders[0]);
            return self.foresee(session, choice, &here, &[]);
        }
        let here = self.read_by_pairing(choice, &folders, maildrop);
        if self.is_paired(first) && here.is_empty() {
            return Ok(());
        }
        let rest = match (
            self.is_paired(first),
            self.context.config.uidls.all_mailboxes,
        ) {
            (false, _) => &folders[..],
            (true, false) => &folders[1..],
            // The pairing may read messages of the others.
            (true, true) => &[],
        };
        self.foresee(session, choice, &here, rest)
    }

    /// What is going to be fetched of the folder that is open, as far as that can be told.
    fn wanted_of_open(&self, choice: &Choice<'_>, placed: &Placed) -> Vec<(Uid, u64)> {
        let looked = self.memory.survey.folders.get(&placed.listed.path);
        let wanted = looked
            .and_then(|looked| looked.as_ref().ok())
            .and_then(|(examined, list)| self.wanted(choice, placed, examined, list));
        let wanted = wanted.unwrap_or_default();
        // Of a folder that is shared out among several connections nobody knows which fetches what.
        match self.memory.connections.share(self.context.config, &wanted) {
            true => Vec::new(),
            false => wanted,
        }
    }

    /// What the pairing of the folder that is open, the first of `folders`, reads whole.
    fn read_by_pairing(
        &mut self,
        choice: &Choice<'_>,
        folders: &[&Placed],
        maildrop: Option<&mut Beside<'_>>,
    ) -> Vec<(Uid, u64)> {
        let memory = &mut self.memory.pop3;
        let maildrop = maildrop.and_then(|maildrop| maildrop.look(memory));
        let looked = folders.first().and_then(|placed| {
            let looked = self.memory.survey.folders.get(&placed.listed.path)?;
            Some((*placed, looked.as_ref().ok()?))
        });
        let whole = maildrop
            .zip(looked)
            .and_then(|(maildrop, (placed, looked))| {
                self.read_whole((choice, placed), (&looked.0, &looked.1), maildrop)
            });
        whole.unwrap_or_default()
    }

    /// All of a small INBOX, where its maildrop has been read whole and none of it is here: what the
    /// pairing asks for is fetched in any case then, so all is, before anything is asked.
    pub(super) fn read_whole(
        &self,
        (choice, placed): (&Choice<'_>, &Placed),
        (examined, list): (&Examined, &MessageList),
        maildrop: &Maildropped,
    ) -> Option<Vec<(Uid, u64)>> {
        if self.context.config.dry_run || !maildrop.ahead.has_whole(&list.entries) {
            return None;
        }
        let wanted = self.wanted(choice, placed, examined, list)?;
        (wanted.len() == list.entries.len()).then_some(wanted)
    }

    /// As many of `folders` as can be looked at in one go.
    fn foreseeable<'p>(&self, choice: &Choice<'_>, folders: &'p [Placed]) -> Vec<&'p Placed> {
        let folders = folders.iter();
        folders
            // Nothing is asked of those.
            .filter(|placed| !self.has_not_changed(&placed.listed))
            .take_while(|placed| self.is_foreseeable(choice, placed))
            .take(FOLDERS)
            .collect()
    }

    /// Has the bodies of a folder asked ahead that is paired now, and what comes after it.
    ///
    /// # Errors
    /// Of reach User: those of the session.
    pub(super) fn foresee_paired(
        &mut self,
        session: &mut Session,
        shown: &Shown<'_>,
    ) -> Result<(), Problem> {
        let Shown { placed, choice, .. } = shown;
        if self.memory.survey.foreseen > 0 {
            return Ok(());
        }
        if self.context.config.uidls.collect || !self.is_foreseeable(choice, placed) {
            return Ok(());
        }
        let here = self.wanted(choice, placed, &shown.examined, &shown.list);
        let here = here.filter(|uids| !self.memory.connections.share(self.context.config, uids));
        match here {
            Some(here) => {
                let folders = self.foreseeable(choice, shown.rest);
                self.foresee(session, choice, &here, &folders)
            }
            None => Ok(()),
        }
    }

    fn look_at(&mut self, session: &mut Session, folders: &[&Placed]) -> Result<(), Problem> {
        self.memory.asked_ahead = true;
        let mut folders = folders.to_vec();
        // The next in turn comes last where more is asked of it than can be told: it is open then.
        let next = self
            .is_paired(&folders[0].listed)
            .then(|| folders.remove(0));
        folders.extend(next);
        self.memory.survey.stays_open = next.is_some() || folders.len() == 1;
        let last_seen: Vec<Option<LastSeen>> = folders
            .iter()
            .map(|placed| self.last_seen(&placed.listed, self.is_paired(&placed.listed)))
            .collect();
        let since: Vec<Option<Since<'_>>> = last_seen
            .iter()
            .map(|seen| seen.as_ref().map(LastSeen::since))
            .collect();
        let looks = folders.iter().zip(&since);
        let looks: Vec<Foreseen<'_>> = looks
            .map(|(placed, since)| Foreseen {
                folder: &placed.listed,
                then: since.as_ref().map_or(Then::List, Then::Changes),
            })
            .collect();
        session.foresee(&[], &looks)?;
        let mut kept = 0;
        for (at, (placed, last_seen)) in folders.iter().zip(&last_seen).enumerate() {
            if self.context.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let is_next = match next {
                Some(_) => at + 1 == folders.len(),
                None => at == 0,
            };
            // Looked at again when its turn has come.
            if kept > KEPT && !is_next {
                continue;
            }
            let looked = look(session, &placed.listed, last_seen.as_ref(), self.log);
            if let Err(problem) = &looked
                && problem.reach >= Reach::User
            {
                return looked.map(drop);
            }
            if !is_next {
                kept += looked.as_ref().map_or(0, |(_, list)| list.entries.len());
                if kept > KEPT {
                    continue;
                }
            }
            let path = placed.listed.path.clone();
            self.memory.survey.folders.insert(path, looked);
        }
        Ok(())
    }

    /// The folder as it was looked at ahead of its turn, if it was and has not changed since; it is open
    /// then, unless it has no messages.
    ///
    /// # Errors
    /// Those of the session, also those of when it was looked at.
    pub(super) fn looked_at(
        &mut self,
        session: &mut Session,
        listed: &ListedFolder,
    ) -> Result<Option<(Examined, MessageList)>, Problem> {
        let Some(looked) = self.memory.survey.folders.remove(&listed.path) else {
            return Ok(None);
        };
        let is_paired = self.is_paired(listed);
        if !is_paired {
            self.memory.survey.foreseen = self.memory.survey.foreseen.saturating_sub(1);
        }
        let (then, list) = looked?;
        let stays_open = std::mem::take(&mut self.memory.survey.stays_open);
        if is_blank(&then, &list) || (stays_open && session.has_open(listed)) {
            return Ok(Some((then, list)));
        }
        let now = session.examine(listed)?;
        let is_same = now.uid_validity == then.uid_validity
            && now.uid_next == then.uid_next
            && now.exists == then.exists;
        if is_same {
            // What was said of changes holds for the time of the listing.
            return Ok(Some((then, list)));
        }
        let list = session.list_messages(now.exists)?;
        Ok(Some((now, list)))
    }

    /// Whether INBOX is going to be opened and listed first of all, for a user of whom nothing is known:
    /// as far as that can be told before the folders are listed.
    pub(super) fn inbox_comes_first(&self) -> bool {
        let none = FolderList::default();
        let choice = Choice::of(&self.context.config.selection, self.user, &none);
        self.may_ask_ahead(&choice) && choice.takes(&FolderPath::inbox())
    }

    /// Whether anything may be asked ahead of its turn.
    fn may_ask_ahead(&self, choice: &Choice<'_>) -> bool {
        !self.memory.imap_stumbled
            // What is asked ahead comes, whatever it takes of the day.
            && self.context.config.daily_cap.is_none()
            && choice.search_keys().is_none()
            && !self.context.config.rerun.deletes_at_source()
    }

    /// Whether it is known what is going to be asked of a folder.
    fn is_foreseeable(&self, choice: &Choice<'_>, placed: &Placed) -> bool {
        let listed = &placed.listed;
        let known = self.memory.book.record.known(&listed.path);
        self.may_ask_ahead(choice)
            && placed.target.is_ok()
            && !choice.links(listed)
            && known.is_none_or(|known| may_rest(known) && listed.marks.is_some())
    }

    /// Whether a folder is paired with the maildrop: what that asks for cannot be told.
    fn is_paired(&self, listed: &ListedFolder) -> bool {
        listed.path.is_inbox() && self.user.pop3.is_some()
    }

    /// Foresees what is fetched: of the folder that is open `here`, and of `folders` that have been looked
    /// at, as far as that can be told.
    fn foresee(
        &mut self,
        session: &mut Session,
        choice: &Choice<'_>,
        here: &[(Uid, u64)],
        folders: &[&Placed],
    ) -> Result<(), Problem> {
        let mut next: Vec<Next<'_>> = Vec::new();
        let mut foreseen = 0;
        for placed in folders {
            let Some(looked) = self.memory.survey.folders.get(&placed.listed.path) else {
                break;
            };
            let Some((examined, list)) = looked.as_ref().ok().filter(|it| !is_blank(&it.0, &it.1))
            else {
                foreseen += 1;
                continue;
            };
            let wanted = self.wanted(choice, placed, examined, list);
            let uids = wanted.as_deref().unwrap_or_default();
            // Of a folder that is shared out among several connections nobody knows which fetches what.
            if self.memory.connections.share(self.context.config, uids) {
                break;
            }
            foreseen += 1;
            let is_last = wanted.is_none();
            next.push(Next {
                listed: &placed.listed,
                wanted,
            });
            // What is asked of it would come too late for what is asked ahead of the next.
            if is_last {
                break;
            }
        }
        self.memory.survey.foreseen = foreseen;
        let foreseen: Vec<Foreseen<'_>> = next
            .iter()
            .map(|next| Foreseen {
                folder: next.listed,
                then: match &next.wanted {
                    Some(wanted) if !wanted.is_empty() => Then::Fetch(wanted),
                    _ => Then::Nothing,
                },
            })
            .collect();
        session.foresee(here, &foreseen)
    }

    /// What is going to be fetched of a folder; `None` where that depends on what of it is on the
    /// target.
    fn wanted(
        &self,
        choice: &Choice<'_>,
        placed: &Placed,
        examined: &Examined,
        list: &MessageList,
    ) -> Option<Vec<(Uid, u64)>> {
        if self.context.config.dry_run {
            return Some(Vec::new());
        }
        let last_seen = self.last_seen(&placed.listed, false);
        if last_seen.is_none() {
            // Of one that was renamed nothing is fetched.
            self.former_of(examined).next().is_none().then_some(())?;
            // What cannot be read is told when it is the folder's turn.
            let disk = self.scan(placed.target.as_ref().ok()?, false).ok()?;
            disk.files.is_empty().then_some(())?;
        }
        let is_new = |uid: Uid| {
            let last_seen = last_seen.as_ref();
            last_seen.is_none_or(|last_seen| !last_seen.uids.contains(uid))
        };
        let selected = choice.messages(&list.entries, None, export::now());
        let selected = selected_of(list, selected.as_ref());
        let (bodies, path) = (&self.memory.bodies, &placed.listed.path);
        // What the pairing of INBOX has fetched is not fetched again.
        let is_here = |uid: Uid| bodies.has(path, examined.uid_validity, uid);
        let new = selected.filter(|entry| is_new(entry.uid) && !is_here(entry.uid));
        Some(new.map(|entry| (entry.uid, entry.size)).collect())
    }
}

/// Whether there is nothing that anything could be asked about.
fn is_blank(examined: &Examined, list: &MessageList) -> bool {
    examined.exists == 0 && list.entries.is_empty() && list.unreadable.is_empty()
}
