//! Whose UIDL is which: INBOX is paired with the maildrop.

use std::time::{Duration, Instant};

use super::Check;
use super::maildrop::Opened;
use crate::mail::FolderPath;
use crate::matching::{self, ImapSide, Pairing};
use crate::plan::folders::Placed;
use crate::problem::{Problem, Reach};
use crate::source::{Examined, ListedFolder, Maildrop, MessageList, imap};
use crate::user::{KnownElsewhere, Search, Sessions};

/// A server that wants a longer pause between two logins is not listed a second time.
const PATIENCE: Duration = Duration::from_secs(60);

/// INBOX as it is listed at the moment.
pub(super) struct Inbox<'f> {
    pub folder: &'f Placed,
    pub examined: Examined,
    pub list: MessageList,
}

impl Check<'_> {
    /// Pairs INBOX with the maildrop. When something is left over, both are listed once more: mail
    /// may have come or gone in between.
    pub(super) fn pair(
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
                stop: self.context.stop,
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
            let Opened {
                session: maildrop,
                listing,
            } = opened;
            maildrop.quit();
            let is_whole = pairing.missing.is_empty() && pairing.extra.is_empty();
            let again = match is_whole || listed_again {
                true => None,
                false => self.listed_again(session, inbox, &listing)?,
            };
            let Some(again) = again else {
                told.into_iter()
                    .for_each(|note| self.finding.mailbox.note(note));
                return Ok((pairing, listing));
            };
            listed_again = true;
            opened = again;
        }
    }

    /// The maildrop once more and a listing of `inbox` that goes with it, if one of them is another now, and
    /// can be had.
    fn listed_again(
        &mut self,
        session: &mut imap::Session,
        inbox: &mut Inbox<'_>,
        listing: &Maildrop,
    ) -> Result<Option<Opened>, Problem> {
        if self.pop3_delay.pause(Instant::now()) > PATIENCE {
            let note = "the POP3 server wants a long pause between two logins, so it was \
                        listed once: mail that came or went meanwhile is not told apart";
            self.finding.mailbox.note(note);
            return Ok(None);
        }
        let fresh = match self.open_again() {
            Ok(fresh) => fresh,
            Err(problem) if problem.reach == Reach::Run => return Err(problem),
            // Some servers want a pause between two sessions and do not say so.
            Err(_) => return Ok(None),
        };
        let examined = session.examine(&inbox.folder.listed)?;
        let list = session.list_messages(examined.exists)?;
        if fresh.listing == *listing && list.entries == inbox.list.entries {
            fresh.session.quit();
            return Ok(None);
        }
        (inbox.examined, inbox.list) = (examined, list);
        Ok(Some(fresh))
    }
}
