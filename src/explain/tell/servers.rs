//! What the servers of the Maildir announce of a message.

use std::convert::Infallible;

use crate::announce::{self, Maildrop, Server, UidlFormat, qmail};
use crate::explain::View;
use crate::mail::UidLine;
use crate::naming::message::size_field;
use crate::plan::on_disk::DiskFile;
use crate::sink::export::now;
use crate::sink::line_ends::LineEnds;
use crate::text::printable_raw;

/// What was read of a file.
pub(super) struct Measured {
    pub line_ends: LineEnds,
    /// In seconds since 1970.
    pub mtime: i64,
}

/// A message that is there, with all by which servers show it.
pub(super) struct Shown<'s> {
    pub view: &'s View<'s>,
    /// Its line of `dovecot-uidlist`.
    pub line: Option<&'s UidLine>,
    pub file: &'s DiskFile,
    pub measured: Measured,
    /// What POP3 shows; `None` outside INBOX.
    pub maildrop: Option<Maildrop>,
}

/// What is said of a UIDL that is not that of the old server.
const NOT_KEPT: &str = " (not the UIDL of the old server)";

impl Shown<'_> {
    /// What Dovecot announces.
    pub fn by_dovecot(&self) -> String {
        let Some(line) = self.line.filter(|_| self.view.dovecot_reads_list) else {
            return "not in dovecot-uidlist: it gets the next free UID when Dovecot first looks, \
                    and a UIDL of the server's own format"
                .to_owned();
        };
        let size = self.measured.line_ends.size;
        if let Some(said) = size_field(&self.file.name(), 'S').filter(|said| *said != size) {
            return format!("not to be read: the name says {said} bytes, the file has {size}");
        }
        let imap = format!("IMAP UID {}", line.uid);
        self.beside(
            imap,
            &Server::Dovecot(UidlFormat::default()),
            |uidl| match line.field('P') {
                Some(_) => format!("UIDL {}", printable_raw(uidl)),
                None => "a UIDL of the server's own format".to_owned(),
            },
        )
    }

    /// What Courier announces.
    pub fn by_courier(&self) -> String {
        let files = self.view.disk.courier.as_ref();
        let uiddb = files.and_then(|files| files.uiddb.as_ref());
        let mut lines = uiddb.into_iter().flat_map(|list| list.lines.iter());
        let imap = match lines.find(|line| line.name == self.file.base) {
            Some(line) => format!("IMAP UID {}", line.uid),
            None => "not in courierimapuiddb: it gets the next free UID when Courier first looks"
                .to_owned(),
        };
        let wanted = self.uidl();
        self.beside(imap, &Server::Courier, |uidl| {
            let is_kept = wanted.is_empty() || wanted.as_bytes() == uidl;
            let not_kept = if is_kept { "" } else { NOT_KEPT };
            format!("UIDL {}{not_kept}", printable_raw(uidl))
        })
    }

    /// What qmail announces.
    pub fn by_qmail(&self) -> String {
        let Some(maildrop) = &self.maildrop else {
            return "not shown: qmail-pop3d serves INBOX only".to_owned();
        };
        let number = match qmail::place(&maildrop.files, self.measured.mtime, now()) {
            qmail::Place::Number(number) => format!("number {number}"),
            qmail::Place::Between(first, last) => {
                format!("number undefined ({first} to {last} have one date)")
            }
            qmail::Place::Hidden => return "not shown yet: its date is now or later".to_owned(),
        };
        let wanted = self.uidl();
        let is_kept = wanted.is_empty() || wanted == &*self.file.base;
        let not_kept = if is_kept { "" } else { NOT_KEPT };
        let size = self.measured.line_ends.size;
        format!("{number}, UIDL {}{not_kept}, {size} octets", self.file.base)
    }

    /// The UIDL of the old server; empty where none is recorded.
    fn uidl(&self) -> &str {
        let uidl = self.line.and_then(|line| line.field('P'));
        uidl.unwrap_or_default()
    }

    /// What POP3 announces by `server`, before what IMAP does; `told` puts the UIDL in words.
    fn beside(&self, imap: String, server: &Server, told: impl Fn(&[u8]) -> String) -> String {
        let Some(maildrop) = &self.maildrop else {
            return imap;
        };
        let entries = announce::list(maildrop, server, now()).entries;
        let mut numbered = (1_usize..).zip(&entries);
        let found = numbered.find(|(_, entry)| {
            let announced = maildrop.files.get(entry.file);
            announced.is_some_and(|announced| announced.base() == self.file.base.as_bytes())
        });
        let Some((number, entry)) = found else {
            return format!("renamed by a server while it was looked at; {imap}");
        };
        let counted: Result<u64, Infallible> = entry.octets.resolve(|| Ok(self.measured.line_ends));
        let Ok(octets) = counted;
        let uidl = told(&entry.uidl);
        format!("POP3 number {number}, {uidl}, {octets} octets; {imap}")
    }
}
