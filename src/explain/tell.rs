//! The lines about one message.

mod file;
mod servers;
mod uidl;

use self::uidl::ELSEWHERE;
use super::View;
use super::find::Hit;
use crate::config::Question;
use crate::mail::{Uid, UidLine};
use crate::naming::Identity;
use crate::plan::on_disk::DiskFile;
use crate::problem::Problem;
use crate::state::{Folder, Record};

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

/// What has been told so far.
struct Story<'s> {
    question: &'s Question,
    record: Option<&'s Record>,
    view: &'s View<'s>,
    lines: Vec<String>,
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

    /// Why the message was not exported.
    fn left_out(&self, uid: Uid) -> Option<String> {
        let folder: &Folder = self.view.record?;
        let uid = self.view.source_uid(uid)?;
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
}

fn sized(reason: &str, octets: Option<u64>) -> String {
    match octets {
        Some(octets) => format!("{reason} ({octets} octets)"),
        None => reason.to_owned(),
    }
}
