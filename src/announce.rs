//! What a POP3 server will announce of a Maildir: UIDLs, their order and octets, foretold from the
//! disk alone.
//!
//! [`list`] is pure: file names, sizes and dates, and the bytes of the servers' own files, become a
//! [`Listing`]. Where a server reads a message to know its size, the listing leaves that open, and
//! [`Listing::measured`] fills it in. [`read`] does all of it for a directory; nothing is changed or
//! locked.
//!
//! Held against real servers in `tests/all/uidl.rs`: Dovecot 2.3.19, Courier 1.0.16.

pub mod courier;
mod disk;
mod doubt;
pub mod dovecot;
mod maildrop;
pub mod qmail;

use std::collections::HashSet;
use std::io::{self, Write};

use crate::sink::line_ends::LineEnds;
use crate::text::printable_raw;

pub use disk::{load, read};
pub use doubt::{CourierDoubt, Doubt, DovecotDoubt, QmailDoubt, Sample, ValiditySource};
pub use dovecot::UidlFormat;
pub use maildrop::{Controls, MailFile, Maildrop};

/// A POP3 server, as far as it decides what it announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// Dovecot, with its `pop3_uidl_format`.
    Dovecot(UidlFormat),
    /// qmail-pop3d and vpopmail.
    Qmail,
    /// Courier.
    Courier,
}

/// What a server will announce, but for sizes that it has to read messages for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the server's order; the POP3 number is the index and one.
    pub entries: Vec<Expected>,
    /// What makes it uncertain, or is worth knowing.
    pub doubts: Vec<Doubt>,
}

/// One message of a [`Listing`].
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    /// Which of [`Maildrop::files`].
    pub file: usize,
    /// What UIDL will say, raw: some servers check nothing.
    pub uidl: Box<[u8]>,
    /// What LIST will say.
    pub octets: Octets,
}

/// The size of a message in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Octets {
    /// The server has it from a name, a list or the file system.
    Known(u64),
    /// The server reads the message and counts a CR for each LF that has none (Dovecot).
    BareLf,
    /// The server reads the message and counts a CR for each LF (Courier).
    EachLf,
}

/// What a server will announce.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// In the server's order; the POP3 number is the index and one.
    pub entries: Vec<Listed>,
    /// What makes it uncertain, or is worth knowing.
    pub doubts: Vec<Doubt>,
}

/// One message as a server will announce it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What UIDL will say, raw: some servers check nothing.
    pub uidl: Box<[u8]>,
    /// What LIST will say.
    pub octets: u64,
    /// The name of its file up to the `:`.
    pub base_name: Box<[u8]>,
}

/// What `server` will announce of `maildrop` when it is asked at `now` (seconds since 1970).
pub fn list(maildrop: &Maildrop, server: &Server, now: i64) -> Listing {
    let mut listing = match server {
        Server::Dovecot(format) => dovecot::list(maildrop, format, now),
        Server::Qmail => qmail::list(maildrop, now),
        Server::Courier => courier::list(maildrop, now),
    };
    let hidden = Sample::of(&maildrop.hidden);
    listing.doubts.extend(hidden.map(Doubt::DotNames));
    let irregular = Sample::of(&maildrop.irregular);
    listing.doubts.extend(irregular.map(Doubt::NoFiles));
    listing.judge_uidls();
    listing
}

impl Octets {
    /// The number of octets, where the message has to be read by `line_ends`.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn resolve<E>(self, line_ends: impl FnOnce() -> Result<LineEnds, E>) -> Result<u64, E> {
        Ok(match self {
            Octets::Known(octets) => octets,
            Octets::BareLf => line_ends()?.virtual_size(),
            Octets::EachLf => line_ends()?.each_lf_as_crlf(),
        })
    }
}

impl Listing {
    /// UIDLs that clients may stumble over, although the server sends them as they are.
    fn judge_uidls(&mut self) {
        let mut seen = HashSet::with_capacity(self.entries.len());
        let (mut twice, mut invalid) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            let uidl = &*entry.uidl;
            if !seen.insert(uidl) {
                twice.push(uidl);
            }
            let graphic = uidl.iter().all(u8::is_ascii_graphic);
            if !graphic || !(1..=70).contains(&uidl.len()) {
                invalid.push(uidl);
            }
        }
        let doubts = [
            Sample::of(&twice).map(Doubt::UidlTwice),
            Sample::of(&invalid).map(Doubt::NoUidl),
        ];
        self.doubts.extend(doubts.into_iter().flatten());
    }

    /// The announcement, each message whose size the server counts being read by `line_ends`.
    ///
    /// # Errors
    /// The first that `line_ends` gives.
    pub fn measured<E>(
        self,
        maildrop: &Maildrop,
        mut line_ends: impl FnMut(&MailFile) -> Result<LineEnds, E>,
    ) -> Result<Announcement, E> {
        let entries = self.entries.into_iter().filter_map(|entry| {
            let file = maildrop.files.get(entry.file)?;
            let octets = entry.octets.resolve(|| line_ends(file));
            Some(octets.map(|octets| Listed {
                uidl: entry.uidl,
                octets,
                base_name: file.base().into(),
            }))
        });
        Ok(Announcement {
            entries: entries.collect::<Result<_, E>>()?,
            doubts: self.doubts,
        })
    }
}

impl Announcement {
    /// Whether the server will announce exactly this, and no client has reason to stumble.
    pub fn is_certain(&self) -> bool {
        self.doubts.iter().all(Doubt::is_note)
    }

    /// Writes a line a message: its number, UIDL and octets, separated by spaces. What is not to be
    /// sent to a terminal is escaped.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        for (number, entry) in (1..).zip(&self.entries) {
            let number: usize = number;
            let uidl = printable_raw(&entry.uidl);
            writeln!(out, "{number} {uidl} {}", entry.octets)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
