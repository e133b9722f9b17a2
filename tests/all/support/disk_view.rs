//! What lies in a Maildir++ that Dovecot serves, read from the files by a reader of the tests' own,
//! which changes nothing: a look through IMAP would give UIDs to what has arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// All that lies in a Maildir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskView {
    /// By name, `/` between levels, encoded as on disk.
    pub folders: BTreeMap<String, DiskFolder>,
    /// The subscribed names.
    pub subscribed: BTreeSet<String>,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskFolder {
    /// UIDVALIDITY; `None` without a list.
    pub uid_validity: Option<u32>,
    /// UIDNEXT; 0 without a list.
    pub uid_next: u32,
    /// In no particular order.
    pub messages: Vec<DiskMessage>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskMessage {
    /// Its UID, where the list has one.
    pub uid: Option<u32>,
    /// Flags and keywords as IMAP calls them, sorted.
    pub flags: Vec<String>,
    /// The file's date in seconds since 1970.
    pub date: i64,
    /// Hash of its bytes with CRLF line ends, as IMAP sends them.
    pub hash: blake3::Hash,
}

impl DiskView {
    /// A Maildir in which nothing is.
    pub fn nothing() -> Self {
        Self {
            folders: BTreeMap::new(),
            subscribed: BTreeSet::new(),
        }
    }

    /// Reads `maildir`.
    pub fn read(maildir: &Path) -> Self {
        let mut folders = BTreeMap::from([("INBOX".to_owned(), folder(maildir))]);
        for entry in fs::read_dir(maildir).expect("the Maildir is there") {
            let entry = entry.expect("it stands still");
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_prefix('.')
                && entry.path().join("cur").is_dir()
            {
                folders.insert(name.replace('.', "/"), folder(&entry.path()));
            }
        }
        let subscribed = fs::read_to_string(maildir.join("subscriptions")).unwrap_or_default();
        let subscribed = subscribed
            .lines()
            .skip_while(|line| line.starts_with("V\t") || line.is_empty())
            .map(|line| line.replace('\t', "/"))
            .collect();
        Self {
            folders,
            subscribed,
        }
    }
}

fn folder(directory: &Path) -> DiskFolder {
    let mut folder = DiskFolder::default();
    let mut uids: HashMap<String, u32> = HashMap::new();
    let list = fs::read_to_string(directory.join("dovecot-uidlist")).unwrap_or_default();
    for (number, line) in list.lines().enumerate() {
        if number == 0 {
            let header = line.strip_prefix("3 ").expect("lists are of version 3");
            for field in header.split(' ') {
                let number = field.get(1..).and_then(|digits| digits.parse().ok());
                match field.chars().next() {
                    Some('V') => folder.uid_validity = number,
                    Some('N') => folder.uid_next = number.unwrap_or(0),
                    _ => (),
                }
            }
        } else if let Some((fields, name)) = line.split_once(" :") {
            let uid: u32 = fields
                .split(' ')
                .next()
                .and_then(|digits| digits.parse().ok())
                .unwrap_or_else(|| panic!("{}: {line}", directory.display()));
            folder.uid_next = folder.uid_next.max(uid + 1);
            uids.insert(before_colon(name).to_owned(), uid);
        }
    }
    let keywords = fs::read_to_string(directory.join("dovecot-keywords")).unwrap_or_default();
    let keywords: HashMap<char, &str> = keywords
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(number, name)| {
            let letter = b'a' + number.parse::<u8>().ok()?;
            Some((char::from(letter), name))
        })
        .collect();
    for part in ["new", "cur"] {
        for entry in fs::read_dir(directory.join(part)).expect("a folder has new/ and cur/") {
            let entry = entry.expect("it stands still");
            let name = entry.file_name().to_string_lossy().into_owned();
            let letters = name.split_once(":2,").map_or("", |(_, letters)| letters);
            let mut flags: Vec<String> = letters
                .chars()
                .filter_map(|letter| {
                    let flag = match letter {
                        'D' => "\\Draft",
                        'F' => "\\Flagged",
                        'R' => "\\Answered",
                        'S' => "\\Seen",
                        'T' => "\\Deleted",
                        other => keywords.get(&other).copied()?,
                    };
                    Some(flag.to_owned())
                })
                .collect();
            flags.sort();
            let content = fs::read_to_string(entry.path()).expect("messages here are ASCII");
            folder.messages.push(DiskMessage {
                uid: uids.get(before_colon(&name)).copied(),
                flags,
                date: entry.metadata().expect("just seen").mtime(),
                hash: blake3::hash(content.replace('\n', "\r\n").as_bytes()),
            });
        }
    }
    folder
}

fn before_colon(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}
