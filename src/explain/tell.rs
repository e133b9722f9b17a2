//! The lines about one message.

use std::convert::Infallible;
use std::io;

use super::View;
use super::find::Hit;
use crate::announce::{self, Maildrop, UidlFormat, qmail};
use crate::config::Question;
use crate::mail::{Uid, UidLine};
use crate::naming::Identity;
use crate::naming::message::size_field;
use crate::plan::on_disk::DiskFile;
use crate::problem::Problem;
use crate::sink::export::now;
use crate::sink::line_ends::LineEnds;
use crate::sink::on_disk::Messages;
use crate::sink::target_problem;
use crate::state::{Folder, POP3_ONLY, Paired, Record};
use crate::text::printable_raw;

/// What is known of `hit`. Not yet fit for a terminal: names are as they are.
pub(super) fn lines(
    question: &Question,
    record: Option<&Record>,
    view: &View<'_>,
    hit: &Hit,
) -> Result<Vec<String>, Problem> {
    let mut story = Story {
        question,
        record,
        view,
        lines: Vec::new(),
    };
    match hit {
        Hit::Message(uid, file) => {
            let file = file.and_then(|index| view.disk.files.get(index));
            story.message(*uid, file.as_ref())?;
        }
        Hit::Skipped(index) => story.skipped(*index),
        Hit::Extra(index) => story.extra(*index),
        Hit::Elsewhere(uidl) => story.elsewhere(uidl),
    }
    Ok(story.lines)
}

/// What becomes of the UIDL of a message outside INBOX.
const ELSEWHERE: &str = "the new POP3 server will not show it: it shows INBOX only";

struct Story<'s> {
    question: &'s Question,
    record: Option<&'s Record>,
    view: &'s View<'s>,
    lines: Vec<String>,
}

/// A file that could be read.
struct Measured {
    line_ends: LineEnds,
    mtime: i64,
}

impl Story<'_> {
    fn head(&mut self, what: &str) {
        let (user, folder) = (&self.question.user, &self.view.name);
        self.lines.push(format!("{user}, folder {folder}, {what}"));
    }

    fn add(&mut self, label: &str, text: impl AsRef<str>) {
        self.lines.push(format!("  {label:<9} {}", text.as_ref()));
    }

    fn message(&mut self, uid: Option<Uid>, file: Option<&DiskFile>) -> Result<(), Problem> {
        match uid {
            Some(uid) => self.head(&format!("UID {uid}")),
            None => self.head("a file that no list has"),
        }
        let line = uid.and_then(|uid| self.view.line_of(uid));
        let line = line.as_ref();
        let origin = self.origin(uid, line, file);
        self.add("from", origin);
        if self.view.is_inbox() {
            let uidl = self.uidl(uid, line);
            self.add("UIDL", uidl);
            if let Some(original) = line.and_then(|line| self.original(line)) {
                self.add("copy of", original);
            }
        } else if let Some(uidl) = uid.and_then(|uid| self.uidl_elsewhere(uid)) {
            self.add("UIDL", uidl);
        }
        let left_out = uid.and_then(|uid| self.left_out(uid));
        match file {
            Some(file) => self.file(line, file)?,
            None => {
                let why = match (line, &left_out) {
                    (_, Some(_)) => "none: it was not exported".to_owned(),
                    (Some(line), None) => format!(
                        "none: {} was written and is gone; only --mirror brings back what was deleted here",
                        line.name
                    ),
                    (None, None) => "none: it has not been written yet".to_owned(),
                };
                self.add("file", why);
            }
        }
        if let Some(why) = left_out {
            self.add("skipped", why);
        }
        Ok(())
    }

    /// A message that IMAP did not list and that was not exported.
    fn skipped(&mut self, index: usize) {
        let record = self.view.record;
        let Some(skipped) = record.and_then(|folder| folder.skipped.get(index)) else {
            return;
        };
        let uidl = skipped.uidl.as_deref().unwrap_or_default();
        self.head(&format!("UIDL {uidl}"));
        self.server();
        self.add("file", "none: it was not exported");
        self.add("skipped", sized(&skipped.reason, skipped.size));
    }

    /// A UIDL that no message has got.
    fn extra(&mut self, index: usize) {
        let paired = self.view.record.and_then(|folder| folder.paired.as_ref());
        let Some(extra) = paired.and_then(|paired| paired.extra.get(index)) else {
            return;
        };
        let uidl = extra.uidl.as_deref().unwrap_or_default();
        self.head(&format!("UIDL {uidl}, POP3 message {}", extra.number));
        self.server();
        self.add(
            "message",
            format!("none: {}", sized(&extra.why, Some(extra.size))),
        );
    }

    /// A UIDL of a message in another folder than INBOX.
    fn elsewhere(&mut self, uidl: &str) {
        let paired = self.view.record.and_then(|folder| folder.paired.as_ref());
        let Some((paired, (folder, shown))) =
            paired.and_then(|paired| Some((paired, paired.elsewhere(uidl)?)))
        else {
            return;
        };
        let (position, listed) = (shown.position, paired.listed);
        self.head(&format!(
            "UIDL {uidl}, POP3 position {position} of {listed}"
        ));
        self.server();
        let (path, uid, stage) = (folder.path(), shown.uid, &shown.stage);
        self.add(
            "message",
            format!(
                "in folder {path}, UID {uid}, found by {stage} ({} octets)",
                shown.size
            ),
        );
        let noticed = self.copy(uidl).unwrap_or_else(|| ELSEWHERE.to_owned());
        self.add("noticed", noticed);
    }

    /// What INBOX has a copy of in this line.
    fn original(&self, line: &UidLine) -> Option<String> {
        let record = self.view.record?;
        let uidl = line.field('P')?;
        record.copy_of(uidl)?;
        let original = record
            .paired
            .as_ref()
            .and_then(|paired| paired.elsewhere(uidl));
        Some(match original {
            Some((folder, shown)) => format!(
                "the message in folder {}, UID {}, found by {}; for POP3, which shows INBOX only",
                folder.path(),
                shown.uid,
                shown.stage
            ),
            None => "a message that the last run did not find in any folder".to_owned(),
        })
    }

    /// The copy in INBOX by which POP3 goes on to show a message of another folder.
    fn copy(&self, uidl: &str) -> Option<String> {
        let mut folders = self.record?.folders().iter();
        let uid = folders.find_map(|folder| folder.copy_of(uidl))?;
        Some(format!(
            "the new POP3 server shows its copy in INBOX, UID {uid}"
        ))
    }

    /// The UIDL of a message outside INBOX, where POP3 showed it.
    fn uidl_elsewhere(&self, uid: Uid) -> Option<String> {
        let folders = self.record?.folders().iter();
        let mut found = folders
            .filter_map(|folder| folder.paired.as_ref())
            .flat_map(|paired| &paired.elsewhere)
            .filter(|folder| folder.path().to_string() == self.view.name)
            .flat_map(|folder| &folder.messages);
        let shown = found.find(|shown| shown.uid == uid.value())?;
        let copy = self.copy(&shown.uidl);
        let noticed = copy.as_deref().unwrap_or(ELSEWHERE);
        Some(format!(
            "{}, found by {}; {noticed}",
            shown.uidl, shown.stage
        ))
    }

    fn server(&mut self) {
        if let Some(url) = self.record.and_then(|record| record.head.pop3.clone()) {
            self.add("from", url);
        }
    }

    /// Where the message is from.
    fn origin(&self, uid: Option<Uid>, line: Option<&UidLine>, file: Option<&DiskFile>) -> String {
        let identity = file.and_then(|file| Identity::parse(&file.base));
        let has_uidl = line.is_some_and(|line| line.field('P').is_some());
        let was_seen = uid.is_some_and(|uid| self.view.has_recorded(uid));
        if identity.is_none() && !has_uidl && !was_seen {
            return "not from the old server, as far as its name and the record tell: delivered \
                    here, or staged by another tool"
                .to_owned();
        }
        let folder = self.view.record;
        let url = self.record.and_then(|record| match folder?.wire_name {
            Some(_) => record.head.imap.as_deref(),
            None => record.head.pop3.as_deref(),
        });
        let mut words = vec![url.unwrap_or("the old server").to_owned()];
        if let Some(wire_name) = folder.and_then(|folder| folder.wire_name.as_deref())
            && wire_name != self.view.name
        {
            words.push(format!("folder {wire_name} there"));
        }
        let in_name = identity.map(|identity| match identity {
            Identity::Imap(validity, _) | Identity::Pop3(validity, ..) => validity.value(),
        });
        let recorded = folder.and_then(|folder| folder.uid_validity);
        if let Some(validity) = in_name.or(recorded) {
            words.push(format!("UIDVALIDITY {validity}"));
        }
        words.join(", ")
    }

    fn uidl(&self, uid: Option<Uid>, line: Option<&UidLine>) -> String {
        let paired = self.view.record.and_then(|folder| folder.paired.as_ref());
        let stage = uid.and_then(|uid| paired?.stage_of(uid));
        let how = match stage {
            Some(POP3_ONLY) => ", the message's own: POP3 was the only source".to_owned(),
            Some("known") => ", found in the Maildir; how it was paired is not recorded".to_owned(),
            Some(stage) => format!(", paired by {stage}"),
            None => String::new(),
        };
        let Some(uidl) = line.and_then(|line| line.field('P')) else {
            let is_missing =
                uid.is_some_and(|uid| paired.is_some_and(|paired| paired.missing.contains(uid)));
            return match stage {
                Some(_) => format!("not in the Maildir{how}"),
                None if is_missing => {
                    "none: no POP3 message could be paired with it; clients will download it once more"
                        .to_owned()
                }
                None => "none is recorded".to_owned(),
            };
        };
        let position = line
            .and_then(|line| line.field('O'))
            .map(|position| match paired {
                Some(Paired { listed, .. }) => format!(", position {position} of {listed}"),
                None => format!(", position {position}"),
            });
        format!("{uidl}{}{how}", position.unwrap_or_default())
    }

    /// Why the message was not exported.
    fn left_out(&self, uid: Uid) -> Option<String> {
        let folder: &Folder = self.view.record?;
        let mut skipped = folder.skipped.iter();
        if let Some(skipped) = skipped.find(|one| one.uid == Some(uid.value())) {
            let uidl = skipped.uidl.as_ref();
            let uidl = uidl.map_or(String::new(), |uidl| format!(" (UIDL {uidl})"));
            return Some(format!("{}{uidl}", sized(&skipped.reason, skipped.size)));
        }
        let left = folder.left.as_ref()?;
        let rank = left.uids.rank(uid)?;
        let octets = usize::try_from(rank)
            .ok()
            .and_then(|at| left.octets.get(at));
        let reason = folder.problem.as_ref().unwrap_or(&left.reason);
        Some(sized(reason, octets.copied()))
    }

    fn file(&mut self, line: Option<&UidLine>, file: &DiskFile) -> Result<(), Problem> {
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
        let pop3 = match self.view.is_inbox() {
            true => Some(announce::load(&self.question.maildir)?),
            false => None,
        };
        if self.question.servers.dovecot {
            let dovecot = self.dovecot(line, file, &measured, pop3.as_ref());
            self.add("Dovecot", dovecot);
        }
        if self.question.servers.courier {
            let courier = self.courier(line, file, &measured, pop3.as_ref());
            self.add("Courier", courier);
        }
        if self.question.servers.qmail {
            let qmail = self.qmail(line, file, &measured, pop3.as_ref());
            self.add("qmail", qmail);
        }
        Ok(())
    }

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

    fn dovecot(
        &self,
        line: Option<&UidLine>,
        file: &DiskFile,
        measured: &Measured,
        pop3: Option<&Maildrop>,
    ) -> String {
        let Some(line) = line.filter(|_| self.view.dovecot_reads_list) else {
            return "not in dovecot-uidlist: it gets the next free UID when Dovecot first looks, \
                    and a UIDL of the server's own format"
                .to_owned();
        };
        let size = measured.line_ends.size;
        if let Some(said) = size_field(&file.name(), 'S').filter(|said| *said != size) {
            return format!("not to be read: the name says {said} bytes, the file has {size}");
        }
        let imap = format!("IMAP UID {}", line.uid);
        let Some(maildrop) = pop3 else {
            return imap;
        };
        let server = announce::Server::Dovecot(UidlFormat::default());
        let entries = announce::list(maildrop, &server, now()).entries;
        let mut numbered = (1_usize..).zip(&entries);
        let found = numbered.find(|(_, entry)| {
            let announced = maildrop.files.get(entry.file);
            announced.is_some_and(|announced| announced.base() == file.base.as_bytes())
        });
        let Some((number, entry)) = found else {
            return format!("renamed by a server while it was looked at; {imap}");
        };
        let uidl = match line.field('P') {
            Some(_) => format!("UIDL {}", printable_raw(&entry.uidl)),
            None => "a UIDL of the server's own format".to_owned(),
        };
        let counted: Result<u64, Infallible> = entry.octets.resolve(|| Ok(measured.line_ends));
        let Ok(octets) = counted;
        format!("POP3 number {number}, {uidl}, {octets} octets; {imap}")
    }

    fn courier(
        &self,
        line: Option<&UidLine>,
        file: &DiskFile,
        measured: &Measured,
        pop3: Option<&Maildrop>,
    ) -> String {
        let files = self.view.disk.courier.as_ref();
        let uiddb = files.and_then(|files| files.uiddb.as_ref());
        let mut lines = uiddb.into_iter().flat_map(|list| list.lines.iter());
        let imap = match lines.find(|line| line.name == file.base) {
            Some(line) => format!("IMAP UID {}", line.uid),
            None => "not in courierimapuiddb: it gets the next free UID when Courier first looks"
                .to_owned(),
        };
        let Some(maildrop) = pop3 else {
            return imap;
        };
        let entries = announce::list(maildrop, &announce::Server::Courier, now()).entries;
        let mut numbered = (1_usize..).zip(&entries);
        let found = numbered.find(|(_, entry)| {
            let announced = maildrop.files.get(entry.file);
            announced.is_some_and(|announced| announced.base() == file.base.as_bytes())
        });
        let Some((number, entry)) = found else {
            return format!("renamed by a server while it was looked at; {imap}");
        };
        let wanted = line.and_then(|line| line.field('P')).unwrap_or_default();
        let not_kept = match wanted.is_empty() || wanted.as_bytes() == &*entry.uidl {
            true => "",
            false => " (not the UIDL of the old server)",
        };
        let uidl = printable_raw(&entry.uidl);
        let counted: Result<u64, Infallible> = entry.octets.resolve(|| Ok(measured.line_ends));
        let Ok(octets) = counted;
        format!("POP3 number {number}, UIDL {uidl}{not_kept}, {octets} octets; {imap}")
    }

    fn qmail(
        &self,
        line: Option<&UidLine>,
        file: &DiskFile,
        measured: &Measured,
        pop3: Option<&Maildrop>,
    ) -> String {
        let Some(maildrop) = pop3 else {
            return "not shown: qmail-pop3d serves INBOX only".to_owned();
        };
        let number = match qmail::place(&maildrop.files, measured.mtime, now()) {
            qmail::Place::Number(number) => format!("number {number}"),
            qmail::Place::Between(first, last) => {
                format!("number undefined ({first} to {last} have one date)")
            }
            qmail::Place::Hidden => return "not shown yet: its date is now or later".to_owned(),
        };
        let uidl = line.and_then(|line| line.field('P'));
        let not_kept = match uidl {
            Some(uidl) if !uidl.is_empty() && uidl != &*file.base => {
                " (not the UIDL of the old server)"
            }
            _ => "",
        };
        let size = measured.line_ends.size;
        format!("{number}, UIDL {}{not_kept}, {size} octets", file.base)
    }
}

fn sized(reason: &str, octets: Option<u64>) -> String {
    match octets {
        Some(octets) => format!("{reason} ({octets} octets)"),
        None => reason.to_owned(),
    }
}
