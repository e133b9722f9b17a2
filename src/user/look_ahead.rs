//! Folders are looked at and their messages asked for before their turn, so that a server that is far
//! away is not waited for between one folder and the next. For folders of which no run has done
//! anything yet: there it is known what is going to be asked.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::attempt::Attempt;
use super::imap_folder::selected_of;
use super::interrupted;
use crate::mail::{FolderPath, Uid};
use crate::plan::folders::Placed;
use crate::plan::selection::Choice;
use crate::problem::{Problem, Reach};
use crate::sink::export;
use crate::source::imap::{Foreseen, Session, Then};
use crate::source::{Examined, ListedFolder, MessageList};

/// The most messages whose lines are kept, but for those of the folder that is next.
const KEPT: usize = 50_000;

/// A folder as it was when it was looked at, or why it could not be.
type Looked = Result<(Examined, MessageList), Problem>;

/// The folders that have been looked at and whose turn has not come.
#[derive(Debug, Default)]
pub(super) struct Survey {
    looked: HashMap<FolderPath, Looked>,
    /// What is going to be asked is known up to a folder that is shared out among connections.
    is_halted: bool,
}

impl Attempt<'_> {
    /// Looks at the first of `folders`, whose turn it is, and at as many of those after it as can be
    /// kept, if that has not been done; and has what comes next asked ahead.
    ///
    /// # Errors
    /// Of reach User: those of the session; the run is to stop.
    pub(super) fn look_ahead(
        &mut self,
        session: &mut Session,
        choice: &Choice<'_>,
        folders: &[Placed],
    ) -> Result<(), Problem> {
        let survey = &self.memory.survey;
        if folders
            .first()
            .is_some_and(|it| survey.looked.contains_key(&it.listed.path))
        {
            if survey.is_halted {
                let folders: Vec<&Placed> = folders.iter().collect();
                self.foresee_fetches(session, choice, &folders)?;
            }
            return Ok(());
        }
        let is_foreseeable = |placed: &&Placed| self.is_foreseeable(choice, placed);
        let folders: Vec<&Placed> = folders.iter().take_while(is_foreseeable).collect();
        if folders.is_empty() {
            return Ok(());
        }
        self.memory.asked_ahead = true;
        let looks: Vec<Foreseen<'_>> = folders
            .iter()
            .map(|placed| Foreseen {
                folder: &placed.listed,
                then: Then::List,
            })
            .collect();
        session.foresee(&looks)?;
        let mut kept = 0;
        for (at, placed) in folders.iter().enumerate() {
            if self.context.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let looked = look(session, &placed.listed);
            if let Err(problem) = &looked
                && problem.reach >= Reach::User
            {
                return looked.map(drop);
            }
            let count = looked.as_ref().map_or(0, |(_, list)| list.entries.len());
            if at > 0 {
                kept += count;
            }
            // Looked at again when its turn has come.
            if kept > KEPT {
                break;
            }
            self.memory
                .survey
                .looked
                .insert(placed.listed.path.clone(), looked);
        }
        self.foresee_fetches(session, choice, &folders)
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
        let Some(looked) = self.memory.survey.looked.remove(&listed.path) else {
            return Ok(None);
        };
        let (then, list) = looked?;
        if is_blank(&then, &list) {
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

    /// Whether it is known what is going to be asked of a folder.
    fn is_foreseeable(&self, choice: &Choice<'_>, placed: &Placed) -> bool {
        let listed = &placed.listed;
        // The listing of INBOX has to be younger than that of POP3, and its pairing asks for more.
        let is_paired = listed.path.is_inbox() && self.user.pop3.is_some();
        !self.memory.imap_stumbled
            && placed.target.is_ok()
            && !is_paired
            && !choice.links(listed)
            && choice.search_keys().is_none()
            && !self.context.config.rerun.deletes_at_source()
            && self.memory.book.record.known(&listed.path).is_none()
    }

    /// Foresees that of each folder that has been looked at all is fetched that is selected and has not
    /// been for the pairing of INBOX, unless something of it may be on the target. Of a folder that is
    /// shared out among several connections nobody knows which fetches what.
    fn foresee_fetches(
        &mut self,
        session: &mut Session,
        choice: &Choice<'_>,
        folders: &[&Placed],
    ) -> Result<(), Problem> {
        let mut wanted: Vec<(&ListedFolder, Vec<(Uid, u64)>)> = Vec::new();
        self.memory.survey.is_halted = false;
        for Placed { listed, target, .. } in folders {
            let Some(Ok((examined, list))) = self.memory.survey.looked.get(&listed.path) else {
                continue;
            };
            if is_blank(examined, list) {
                continue;
            }
            let is_new = match target {
                // What cannot be read is told when it is the folder's turn.
                Ok(target) => self
                    .scan(target, false)
                    .is_ok_and(|disk| disk.files.is_empty()),
                Err(_) => false,
            };
            let mut uids = Vec::new();
            if is_new && !self.context.config.dry_run {
                let selected = choice.messages(&list.entries, None, export::now());
                let validity = examined.uid_validity;
                let bodies = &self.memory.bodies;
                let selected = selected_of(list, selected.as_ref())
                    .filter(|entry| !bodies.has(&listed.path, validity, entry.uid));
                uids = selected.map(|entry| (entry.uid, entry.size)).collect();
            }
            if self.memory.connections.share(self.context.config, &uids) {
                self.memory.survey.is_halted = true;
                break;
            }
            wanted.push((listed, uids));
        }
        let foreseen: Vec<Foreseen<'_>> = wanted
            .iter()
            .map(|(folder, uids)| Foreseen {
                folder,
                then: match uids.is_empty() {
                    true => Then::Nothing,
                    false => Then::Fetch(uids),
                },
            })
            .collect();
        session.foresee(&foreseen)
    }
}

fn look(session: &mut Session, listed: &ListedFolder) -> Looked {
    let examined = session.examine(listed)?;
    let list = session.list_messages(examined.exists)?;
    Ok((examined, list))
}

/// Whether there is nothing that anything could be asked about.
fn is_blank(examined: &Examined, list: &MessageList) -> bool {
    examined.exists == 0 && list.entries.is_empty() && list.unreadable.is_empty()
}
