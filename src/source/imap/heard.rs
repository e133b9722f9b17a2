//! What a server says of the folder that is open, in answer to whatever command.

use super::Talk;
use super::gather::{Gathered, most};
use super::reader::{Fault, Response};
use super::sets;
use crate::mail::UidSet;

/// What was said since the folder was opened.
#[derive(Debug)]
pub struct Heard<'k> {
    /// How many messages there are, as far as told.
    pub exists: Option<u32>,
    /// What FETCH responses say.
    pub gathered: Gathered,
    found: Vec<(u32, u32)>,
    known: &'k UidSet,
    /// Of the known messages.
    vanished: Vec<(u32, u32)>,
}

impl<'k> Heard<'k> {
    /// Nothing yet, of a folder of which `known` is known.
    pub fn new(known: &'k UidSet) -> Self {
        Self {
            exists: None,
            gathered: Gathered::default(),
            found: Vec::new(),
            known,
            vanished: Vec::new(),
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
                    b"VANISHED" => sets::vanished(&mut talk.reader).and_then(|line| {
                        if !line.earlier {
                            self.gone(line.uids.len());
                        }
                        // A server may have forgotten which, and then names all that are not there.
                        keep(&mut self.vanished, &line.uids, self.known)
                    }),
                    b"SEARCH" => sets::search(&mut talk.reader)
                        .and_then(|uids| keep(&mut self.found, &uids, self.known)),
                    b"ESEARCH" => sets::esearch(&mut talk.reader)
                        .and_then(|uids| keep(&mut self.found, &uids, self.known)),
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
        UidSet::from_ranges(self.vanished.iter().copied())
    }

    /// The known messages that SEARCH found.
    pub fn found(&self) -> UidSet {
        UidSet::from_ranges(self.found.iter().copied())
    }

    fn gone(&mut self, count: u64) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.exists = self.exists.map(|exists| exists.saturating_sub(count));
    }
}

/// Adds those of `uids` that are known.
fn keep(kept: &mut Vec<(u32, u32)>, uids: &UidSet, known: &UidSet) -> Result<(), Fault> {
    let uids = uids.intersection(known);
    if kept.len() + uids.ranges().len() > most(known.len()) {
        return Err(Fault::Broken(
            "the server lists the same UIDs over and over",
        ));
    }
    kept.extend_from_slice(uids.ranges());
    Ok(())
}
