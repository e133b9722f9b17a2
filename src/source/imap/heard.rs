//! What a server says of the folder that is open, in answer to whatever command.

use super::Talk;
use super::gather::{Gathered, most};
use super::reader::{Fault, Response};
use super::sets::{self, Collected};
use crate::mail::UidSet;

/// What was said since the folder was opened.
#[derive(Debug)]
pub struct Heard<'k> {
    /// How many messages there are, as far as told.
    pub exists: Option<u32>,
    /// What FETCH responses say.
    pub gathered: Gathered,
    found: Collected,
    known: &'k UidSet,
    /// Of the known messages.
    vanished: Collected,
}

impl<'k> Heard<'k> {
    /// Nothing yet, of a folder of which `known` is known.
    pub fn new(known: &'k UidSet) -> Self {
        Self {
            exists: None,
            gathered: Gathered::default(),
            found: Collected::default(),
            known,
            vanished: Collected::default(),
        }
    }

    /// Forgets all: what was said was about another folder.
    pub fn forget(&mut self) {
        *self = Self::new(self.known);
    }

    /// Takes in a response that is no status.
    ///
    /// # Errors
    /// `Broken` for a flood; those of the reader.
    pub fn take(&mut self, talk: &mut Talk<'_>, response: Response) -> Result<(), Fault> {
        match response {
            Response::Fetch => {
                let messages = self.known.len().max(self.exists.unwrap_or(0).into());
                return self.gathered.take(talk, most(messages));
            }
            Response::Exists(count) => self.exists = Some(count),
            Response::Expunge => self.gone(1),
            Response::Data => {
                let word = talk.reader.text().to_ascii_uppercase();
                let outcome = match word.as_slice() {
                    b"VANISHED" => self.take_vanished(talk),
                    b"SEARCH" => sets::search(&mut talk.reader).and_then(|uids| self.find(&uids)),
                    // Of several commands under way one is SEARCH.
                    b"ESEARCH" => sets::esearch(&mut talk.reader, |_| true)
                        .and_then(|uids| self.find(&uids.unwrap_or_default())),
                    _ => Ok(()),
                };
                match outcome {
                    Err(Fault::Nonsense(why)) => talk.warnings.add(why),
                    outcome => outcome?,
                }
            }
            _ => {}
        }
        talk.reader.unasked()
    }

    /// The known messages that the server says are gone.
    pub fn vanished(&self) -> UidSet {
        self.vanished.set()
    }

    /// The known messages that SEARCH found.
    pub fn found(&self) -> UidSet {
        self.found.set()
    }

    fn take_vanished(&mut self, talk: &mut Talk<'_>) -> Result<(), Fault> {
        let line = sets::vanished(&mut talk.reader)?;
        if !line.earlier {
            self.gone(line.uids.len());
        }
        // A server may have forgotten which they are, and then names all UIDs that are not there.
        let uids = line.uids.intersection(self.known);
        self.vanished.add(&uids, most(self.known.len()))
    }

    fn find(&mut self, uids: &UidSet) -> Result<(), Fault> {
        let uids = uids.intersection(self.known);
        self.found.add(&uids, most(self.known.len()))
    }

    fn gone(&mut self, count: u64) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.exists = self.exists.map(|exists| exists.saturating_sub(count));
    }
}
