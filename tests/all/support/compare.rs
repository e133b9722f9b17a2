//! Two views of what should be one mailbox, and where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::imap_view::{FolderView, ImapView, MessageView};
use super::pop3_view::Pop3Entry;

/// One thing that is not the same. A test that expects some filters by these fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Folder, or for POP3 `POP3`.
    pub folder: String,
    /// UID (POP3: message number), when it is about one message.
    pub message: Option<u32>,
    /// What differs: `folder`, `selectable`, `uidvalidity`, `uidnext`, `subscription`, `message`,
    /// `flags`, `date`, `size`, `content`, `uidl` or `count`.
    pub what: &'static str,
    /// The two values.
    pub values: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            folder,
            message,
            what,
            values,
        } = self;
        match message {
            Some(message) => write!(out, "{folder} message {message}: {what}: {values}"),
            None => write!(out, "{folder}: {what}: {values}"),
        }
    }
}

/// Panics, with all differences by line, unless there are none.
pub fn assert_none(differences: &[Difference]) {
    let lines: Vec<String> = differences
        .iter()
        .take(50)
        .map(Difference::to_string)
        .collect();
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        lines.join("\n")
    );
}

/// Every difference between what IMAP shows of the source and of the destination: folders, their
/// numbers, subscriptions, UIDs, flags, keywords, dates to the second, sizes, bytes.
pub fn imap(source: &ImapView, destination: &ImapView) -> Vec<Difference> {
    let mut found = Vec::new();
    let names: BTreeSet<&String> = source
        .folders
        .keys()
        .chain(destination.folders.keys())
        .collect();
    for name in names {
        match (source.folders.get(name), destination.folders.get(name)) {
            (Some(from), Some(to)) => folder(name, from, to, &mut found),
            (from, _) => found.push(difference(name, None, "folder", only_in(from.is_some()))),
        }
    }
    for name in source
        .subscribed
        .symmetric_difference(&destination.subscribed)
    {
        let place = only_in(source.subscribed.contains(name));
        found.push(difference(name, None, "subscription", place));
    }
    found
}

fn folder(name: &str, from: &FolderView, to: &FolderView, found: &mut Vec<Difference>) {
    let mut check = |what, from: String, to: String| {
        if from != to {
            found.push(difference(name, None, what, format!("{from} became {to}")));
        }
    };
    check(
        "selectable",
        from.selectable.to_string(),
        to.selectable.to_string(),
    );
    check(
        "uidvalidity",
        from.uid_validity.to_string(),
        to.uid_validity.to_string(),
    );
    check(
        "uidnext",
        from.uid_next.to_string(),
        to.uid_next.to_string(),
    );
    let from_messages = by_uid(from);
    let to_messages = by_uid(to);
    let uids: BTreeSet<u32> = from_messages
        .keys()
        .chain(to_messages.keys())
        .copied()
        .collect();
    for uid in uids {
        match (from_messages.get(&uid), to_messages.get(&uid)) {
            (Some(from), Some(to)) => message(name, from, to, found),
            (from, _) => {
                let place = only_in(from.is_some());
                found.push(difference(name, Some(uid), "message", place));
            }
        }
    }
}

fn by_uid(folder: &FolderView) -> BTreeMap<u32, &MessageView> {
    folder
        .messages
        .iter()
        .map(|message| (message.uid, message))
        .collect()
}

fn message(name: &str, from: &MessageView, to: &MessageView, found: &mut Vec<Difference>) {
    let uid = Some(from.uid);
    let mut check = |what, from: String, to: String| {
        if from != to {
            found.push(difference(name, uid, what, format!("{from} became {to}")));
        }
    };
    check("flags", from.flags.join(" "), to.flags.join(" "));
    check(
        "date",
        from.internal_date.to_string(),
        to.internal_date.to_string(),
    );
    check("size", from.size.to_string(), to.size.to_string());
    check(
        "content",
        format!("{} bytes {}", from.length, from.hash),
        format!("{} bytes {}", to.length, to.hash),
    );
}

/// Every difference between two POP3 listings, position by position: UIDL, size and, where both
/// were read, bytes.
pub fn pop3(source: &[Pop3Entry], destination: &[Pop3Entry]) -> Vec<Difference> {
    let mut found = Vec::new();
    if source.len() != destination.len() {
        let values = format!("{} became {}", source.len(), destination.len());
        found.push(difference("POP3", None, "count", values));
    }
    for (from, to) in source.iter().zip(destination) {
        let mut check = |what, from_value: String, to_value: String| {
            if from_value != to_value {
                let values = format!("{from_value} became {to_value}");
                found.push(difference("POP3", Some(from.number), what, values));
            }
        };
        check("uidl", from.uidl.clone(), to.uidl.clone());
        check("size", from.size.to_string(), to.size.to_string());
        if let (Some(from), Some(to)) = (from.hash, to.hash) {
            check("content", from.to_string(), to.to_string());
        }
    }
    found
}

fn only_in(source: bool) -> String {
    format!(
        "only in the {}",
        if source { "source" } else { "destination" }
    )
}

fn difference(
    folder: &str,
    message: Option<u32>,
    what: &'static str,
    values: impl Into<String>,
) -> Difference {
    Difference {
        folder: folder.to_owned(),
        message,
        what,
        values: values.into(),
    }
}
