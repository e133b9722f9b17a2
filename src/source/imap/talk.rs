//! Our own side of a connection: commands out, responses in.

use std::io::Write as _;

use super::ahead::Ahead;
use super::extensions::Extensions;
use super::reader::{Fault, Reader, Response};
use super::reply::Status;
use super::stream::{Warnings, Wire};
use crate::source::net::Line;

/// The connection, lent for one or more whole commands, and what is known of it.
pub struct Talk<'s> {
    pub(super) reader: Reader<&'s mut Wire>,
    pub(super) warnings: &'s mut Warnings,
    /// How many tags have been given out.
    pub(super) tags: &'s mut u32,
    pub(super) extensions: &'s mut Extensions,
    pub(super) ahead: &'s mut Ahead,
    pub(super) line: &'s Line,
    /// The server can compress, and neither does nor has refused to.
    pub(super) may_compress: &'s mut bool,
}

impl Talk<'_> {
    /// Sends commands in one write, whatever has been asked ahead; returns their tags. See [`Talk::send`].
    pub(super) fn write(&mut self, commands: &[&str]) -> Result<Vec<String>, Fault> {
        let mut lines = String::new();
        let commands = commands.iter();
        let tags = commands
            .map(|command| self.add_command(&mut lines, 'x', command))
            .collect();
        self.write_lines(&lines)?;
        Ok(tags)
    }

    /// Adds a command to `lines`, under a new tag that begins with `prefix`; returns the tag.
    pub(super) fn add_command(
        &mut self,
        lines: &mut String,
        prefix: char,
        command: &str,
    ) -> String {
        *self.tags += 1;
        let tag = format!("{prefix}{}", self.tags);
        for part in [&tag, " ", command, "\r\n"] {
            lines.push_str(part);
        }
        tag
    }

    /// Sends lines that are whole commands.
    pub(super) fn write_lines(&mut self, lines: &str) -> Result<(), Fault> {
        let stream = self.reader.input().get_mut();
        stream.write_all(lines.as_bytes())?;
        stream.flush()?;
        Ok(())
    }

    /// The next response that is FETCH, EXPUNGE, other data, or the end of a command. Warnings on the
    /// way are kept.
    pub(super) fn next(&mut self) -> Result<Response, Fault> {
        loop {
            match self.hear()? {
                Response::Status(_) | Response::Exists(_) => self.reader.unasked()?,
                response => return Ok(response),
            }
        }
    }

    /// The same, or `* OK`, or EXISTS.
    pub(super) fn hear(&mut self) -> Result<Response, Fault> {
        loop {
            match self.warnings.cover_reply(self.reader.next())? {
                Response::Status(reply) => {
                    self.warnings.note(&reply);
                    if reply.status == Status::Ok {
                        return Ok(Response::Status(reply));
                    }
                }
                Response::Rubbish => {
                    let line = [b"not understood: ", self.reader.text()].concat();
                    self.warnings.add(line);
                }
                Response::Continue => {}
                response => return Ok(response),
            }
            self.reader.unasked()?;
        }
    }
}
