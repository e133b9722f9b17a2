//! Which file a message is in, and what is to be seen of that.

use std::io;

use super::Story;
use super::servers::{Measured, Shown};
use crate::announce;
use crate::mail::UidLine;
use crate::plan::on_disk::DiskFile;
use crate::problem::Problem;
use crate::sink::line_ends::LineEnds;
use crate::sink::on_disk::Messages;
use crate::sink::target_problem;

impl Story<'_> {
    /// The file, and what each server that is asked for makes of it.
    pub fn file(&mut self, line: Option<&UidLine>, file: &DiskFile) -> Result<(), Problem> {
        let Some(folder) = &self.view.folder else {
            return Ok(());
        };
        let mut path = self.question.maildir.clone();
        path.extend(folder.components());
        path.push(if file.in_new { "new" } else { "cur" });
        path.push(format!("{}{}", file.base, file.suffix));
        self.add("file", path.display().to_string());
        let read = || -> io::Result<Measured> {
            let mut message = Messages::open(&self.question.maildir, folder)?.file(file)?;
            let metadata = message.metadata()?;
            Ok(Measured {
                mtime: filetime::FileTime::from_last_modification_time(&metadata).unix_seconds(),
                line_ends: LineEnds::count(&mut message)?,
            })
        };
        let measured = match read() {
            Ok(measured) => measured,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.add(
                    "on disk",
                    "gone, or renamed by a server, while it was looked at",
                );
                return Ok(());
            }
            Err(error) => {
                let what = format!("read {}", path.display());
                return Err(target_problem(&what, error));
            }
        };
        let (size, virtual_size) = (measured.line_ends.size, measured.line_ends.virtual_size());
        let dated = jiff::Timestamp::from_second(measured.mtime)
            .map_or_else(|_| measured.mtime.to_string(), |date| date.to_string());
        let marks = self.marks(file);
        self.add(
            "on disk",
            format!("{size} bytes ({virtual_size} with CRLF), dated {dated}, {marks}"),
        );
        // POP3 shows INBOX only.
        let maildrop = match self.view.is_inbox() {
            true => Some(announce::load(&self.question.maildir)?),
            false => None,
        };
        let shown = Shown {
            view: self.view,
            line,
            file,
            measured,
            maildrop,
        };
        let servers = self.question.servers;
        if servers.dovecot {
            self.add("Dovecot", shown.by_dovecot());
        }
        if servers.courier {
            self.add("Courier", shown.by_courier());
        }
        if servers.qmail {
            self.add("qmail", shown.by_qmail());
        }
        Ok(())
    }

    /// Its flags and keywords, in words.
    fn marks(&self, file: &DiskFile) -> String {
        let letters = file
            .suffix
            .rsplit_once(":2,")
            .map_or("", |(_, letters)| letters);
        let letters = letters.split(',').next().unwrap_or_default();
        let mut flags = Vec::new();
        let mut keywords = Vec::new();
        for letter in letters.chars() {
            match letter {
                'D' => flags.push("Draft"),
                'F' => flags.push("Flagged"),
                'R' => flags.push("Answered"),
                'S' => flags.push("Seen"),
                'T' => flags.push("Deleted"),
                'a'..='z' => {
                    let keyword = self.view.disk.keywords.keyword(letter);
                    keywords.push(keyword.map_or_else(|| format!("({letter})"), str::to_owned));
                }
                _ => {}
            }
        }
        let flags = match flags.as_slice() {
            [] => "no flags".to_owned(),
            some => format!("flags {}", some.join(" ")),
        };
        match keywords.as_slice() {
            [] => flags,
            some => format!("{flags}, keywords {}", some.join(" ")),
        }
    }
}
