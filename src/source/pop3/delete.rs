//! Deleting from the maildrop: DELE, which counts for nothing until QUIT (RFC 1939 section 6).

use std::io::{Read, Write};

use super::Session;
use crate::mail::PopNumber;
use crate::problem::{Kind, Problem, Reach};
use crate::source::Refused;

/// Most commands sent ahead: a reply may have 512 octets, and all of them fit any socket buffer.
const AHEAD: usize = 16;

impl<S: Read + Write> Session<S> {
    /// Whether the server deletes at QUIT whatever was retrieved (EXPIRE 0), so that nothing can be
    /// left there by choice.
    pub fn deletes_what_was_retrieved(&self) -> bool {
        self.capabilities.expires_at_quit
    }

    /// Marks messages to be deleted when [`Session::commit`] ends the session, and only then. Returned
    /// are those that the server refuses to mark.
    ///
    /// # Errors
    /// Network or Protocol of reach User: nothing is deleted then.
    pub fn delete(&mut self, numbers: &[PopNumber]) -> Result<Refused, Problem> {
        let ahead = if self.pipelining { AHEAD } else { 1 };
        let mut refused = Refused::new();
        for numbers in numbers.chunks(ahead) {
            let commands = numbers.iter().map(|number| format!("DELE {number}\r\n"));
            self.wire.send(commands.collect::<String>().as_bytes())?;
            for number in numbers {
                if let Err(text) = self.wire.answer()? {
                    refused.push((*number, self.wire.words(&text)));
                }
            }
        }
        Ok(refused)
    }

    /// Ends the session by QUIT, at which the server removes what was marked.
    ///
    /// # Errors
    /// Refused of reach Folder where it says that not all of it is removed; Network or Protocol of reach
    /// User where it does not say.
    pub fn commit(mut self) -> Result<(), Problem> {
        match self.wire.ask("QUIT")? {
            Ok(_) => Ok(()),
            Err(text) => {
                let what = format!(
                    "the server did not remove all messages that it was told to: {}",
                    self.wire.words(&text)
                );
                Err(Problem::new(Kind::Refused, Reach::Folder, what))
            }
        }
    }
}
