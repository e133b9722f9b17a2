//! What interrupts a run, and that it costs no more than it must: a run that was cut and run again
//! ends in the same tree as one that was not.

mod answers;
mod between;
mod connections;
mod failing;
mod killed;
mod power;
mod several;
mod stopped;
pub(crate) mod system_calls;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::migration::{PASSWORD, Source, Target};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::tree::hash_of_file;
use crate::support::{corpus, give_to_mail_owner};

/// Where mailseed remembers what it has seen.
const RECORD: &str = "mailseed.state";

/// A Dovecot with the user ann and [`mailbox`].
pub(crate) fn source(messages: usize) -> Dovecot {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    mailbox(&server.mail_dir("ann"), messages);
    // Gives UIDs and UIDVALIDITYs.
    server.doveadm(&["mailbox", "status", "-u", "ann", "messages", "*"]);
    server
}

/// INBOX with `messages` messages, numbered from 1 and marked by [`mark`], dated by their headers
/// in an order that is not theirs; some in `Sent`; flags, keywords and subscriptions.
pub(crate) fn mailbox(maildir: &Path, messages: usize) {
    for (name, count) in [("", messages), (".Sent", messages / 2)] {
        let files: Vec<(String, String)> = (1..=count)
            .map(|number| {
                let letters = ["", "S", "RSa", "FSab"][number % 4];
                let lines = "words of no meaning\n".repeat(1 + number % 7 * 20);
                let content = format!(
                    "Date: Mon, 1 Jan 2018 00:00:{:02} +0000\nSubject: {name} {number}\n\n{}\n{lines}",
                    number * 7 % 60,
                    mark(number),
                );
                (format!("message-{number:04}:2,{letters}"), content)
            })
            .collect();
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_bytes()))
            .collect();
        let folder = maildir.join(name);
        corpus::bare(&folder, &files);
        fs::write(folder.join("dovecot-keywords"), "0 todo\n1 $Forwarded\n")
            .expect("scratch directories are writable");
    }
    fs::write(maildir.join("subscriptions"), "V\t2\n\nSent\nGone\n")
        .expect("scratch directories are writable");
    give_to_mail_owner(maildir);
}

/// What only message `number` of each folder says.
fn mark(number: usize) -> String {
    format!("This is number {number}.")
}

/// All that a Maildir holds and that must not depend on how it came about, as lines: of each
/// directory and file its owner and mode, of each message its size, date and hash, of each control
/// file its text instead. When a control file was written may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State(Vec<String>);

impl State {
    pub(crate) fn of(maildir: &Path) -> Self {
        let mut lines = Vec::new();
        // The home above it is made with it.
        let home = maildir.parent().expect("a Maildir lies in a home");
        for entry in fs::read_dir(home).expect("it was made") {
            let name = entry.expect("it stands still").file_name();
            lines.push(format!("../{}", name.display()));
        }
        let metadata = fs::metadata(home).expect("it was made");
        let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        lines.push(format!("../ {uid}:{gid} {mode:04o}"));
        for entry in walkdir::WalkDir::new(maildir).sort_by_file_name() {
            let entry = entry.expect("the tree stands still while it is read");
            let metadata = entry.metadata().expect("the entry was just seen");
            let path = entry
                .path()
                .strip_prefix(maildir)
                .expect("walkdir stays below its root")
                .display()
                .to_string();
            let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
            if metadata.is_dir() {
                lines.push(format!("{path}/ {uid}:{gid} {mode:04o}"));
            } else if is_message(&path) {
                let (size, mtime) = (metadata.size(), metadata.mtime());
                let hash = hash_of_file(entry.path());
                lines.push(format!(
                    "{path} {uid}:{gid} {mode:04o} {size} {hash} {mtime}"
                ));
            } else {
                lines.push(format!("{path} {uid}:{gid} {mode:04o}"));
                let text = fs::read(entry.path()).expect("the file was just seen");
                let text = String::from_utf8_lossy(&text).into_owned();
                // The record names the server, which is a proxy here and there.
                let is_url = |line: &str| path == RECORD && line.contains("+plain://");
                // New UIDLs of Courier's have the time of the first run in them.
                let is_time = |line: &str| path == "courierpop3dsizelist" && line.starts_with('/');
                let text = text.lines().filter(|line| !is_url(line) && !is_time(line));
                lines.extend(text.map(|line| format!("{path}| {line}")));
            }
        }
        Self(lines)
    }

    /// The same with a word in place of the UIDVALIDITY of INBOX and of what is made from it: where
    /// POP3 is the only source, it is the time of the first run.
    fn without_validity(self) -> Self {
        let header = self.0.iter().find_map(|line| {
            line.strip_prefix("dovecot-uidlist| 3 V")
                .or_else(|| line.strip_prefix("mailseed.uidlist| 3 V"))
        });
        let Some(header) = header else { return self };
        let validity = header.split(' ').next().unwrap_or_default().to_owned();
        let guid = header.split(" G").nth(1).unwrap_or("no GUID").to_owned();
        let lines = self.0.iter();
        let mut lines: Vec<String> = lines
            .map(|line| line.replace(&validity, "VALIDITY").replace(&guid, "GUID"))
            .collect();
        lines.sort();
        Self(lines)
    }

    /// What is wrong with this state of a run that was cut, if `whole` is what it was to become:
    /// a message or a line that is not as it will be, or a line without its file. `None` where
    /// nothing is. With `redated` the dates of messages may still change.
    fn fault(&self, whole: &State, redated: bool) -> Option<String> {
        let undated = |line: &str| line.rsplit_once(' ').map(|it| it.0.to_owned());
        let others: HashSet<&String> = whole.0.iter().collect();
        let known = |line: &String| {
            others.contains(line)
                || redated && whole.0.iter().any(|one| undated(one) == undated(line))
        };
        for line in &self.0 {
            let path = line.split(['|', ' ']).next().unwrap_or_default();
            if is_message(path) && !known(line) {
                return Some(format!("not as it will be: {line}"));
            }
            let Some((file, text)) = line.split_once("| ") else {
                continue;
            };
            // The header of a list changes with what is in it.
            let is_list = file.ends_with("uidlist");
            if (is_list && text.starts_with("3 V")) || is_temporary(file) {
                continue;
            }
            // It tells of what was cut.
            if file == RECORD {
                continue;
            }
            if !known(line) {
                return Some(format!("not as it will be: {line}"));
            }
            if let Some((_, base)) = text.split_once(':').filter(|_| is_list) {
                let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                let path = Path::new(folder).join("cur").join(base);
                let begin = path.display().to_string();
                if !self.0.iter().any(|line| line.starts_with(&begin)) {
                    return Some(format!("a line without its file: {line}"));
                }
            }
        }
        None
    }

    pub(crate) fn assert_is(&self, whole: &State, context: &str) {
        let [own, others] = [self, whole].map(|state| state.0.iter().collect::<HashSet<_>>());
        let missing = whole.0.iter().filter(|line| !own.contains(line));
        let excess = self.0.iter().filter(|line| !others.contains(line));
        let mut differences: Vec<String> = missing.map(|line| format!("- {line}")).collect();
        differences.extend(excess.map(|line| format!("+ {line}")));
        differences.truncate(30);
        assert!(
            differences.is_empty(),
            "{context}\n{}",
            differences.join("\n")
        );
        assert_eq!(self.0.len(), whole.0.len(), "{context}");
    }

    /// The same without Dovecot's indexes, which are removed rather than believed where a run was cut.
    fn without_indexes(mut self) -> Self {
        self.0.retain(|line| !line.contains("dovecot.index"));
        self
    }

    pub(crate) fn messages(&self) -> usize {
        self.0
            .iter()
            .filter(|line| is_message(line.split(' ').next().unwrap_or_default()))
            .count()
    }

    fn temporary(&self) -> usize {
        self.0
            .iter()
            .filter(|line| !line.contains("/ ") && !line.contains("| ") && is_temporary(line))
            .count()
    }
}

fn is_message(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let is_file = parts.next().is_some_and(|name| !name.is_empty());
    is_file && matches!(parts.next(), Some("cur" | "new"))
}

fn is_temporary(path: &str) -> bool {
    path.starts_with("tmp/") || path.contains("/tmp/") || path == "mailseed.control"
}

/// What a run that nothing disturbs makes.
fn golden(source: &Source, more: &[&str]) -> State {
    let target = Target::new();
    target.export_ok(source, "ann", more);
    let state = State::of(&target.maildir("ann"));
    assert!(state.messages() > 0);
    if source.imap.is_none() {
        state.without_validity()
    } else {
        state
    }
}

fn state_of(target: &Target, source: &Source) -> State {
    let state = State::of(&target.maildir("ann"));
    if source.imap.is_none() {
        state.without_validity()
    } else {
        state
    }
}

/// The rows of `skipped.csv`: folder, UID, UIDL and reason.
fn skipped(report: &Path) -> Vec<(String, String, String, String)> {
    let rows = csv::Reader::from_path(report.join("skipped.csv")).expect("it was written");
    rows.into_records()
        .map(|row| {
            let row = row.expect("it is CSV");
            let cell = |at: usize| row[at].to_owned();
            (cell(1), cell(2), cell(3), cell(5))
        })
        .collect()
}

/// The row of the only user in `summary.csv`, by column.
fn summary(report: &Path) -> std::collections::HashMap<String, String> {
    let mut rows = csv::Reader::from_path(report.join("summary.csv")).expect("it was written");
    let row = rows.deserialize().next().expect("one user");
    row.expect("it is CSV")
}
