//! Source mailboxes, written straight to disk as a Dovecot of years would have left them. The same
//! options give the same bytes.
//!
//! [`full`] has one of everything that a migration can get wrong; [`simple`] is quick to make for
//! many users; [`large`] has a few big messages.

mod dovecot_files;
mod messages;
mod random;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub use self::dovecot_files::{directory, modified_utf7};
use self::messages::Content;
pub use self::random::Random;
use super::{Layout, give_to_mail_owner};

/// What a corpus holds: what was written, to check what servers say of it.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// In no particular order.
    pub folders: Vec<Folder>,
    /// Subscribed names, `/` between levels.
    pub subscriptions: BTreeSet<String>,
}

impl Corpus {
    /// Number of messages in all folders.
    pub fn message_count(&self) -> usize {
        self.folders
            .iter()
            .map(|folder| folder.messages.len())
            .sum()
    }
}

/// One folder.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Name in UTF-8, `/` between levels.
    pub name: String,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT, beyond the last UID plus one.
    pub uid_next: u32,
    /// At most 26: Dovecot's Maildir has no more letters.
    pub keywords: Vec<&'static str>,
    /// In UID order.
    pub messages: Vec<Message>,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// UID.
    pub uid: u32,
    /// File name without flags.
    pub base_name: String,
    /// Flags and keywords as Maildir letters, sorted.
    pub letters: String,
    /// INTERNALDATE in seconds since 1970.
    pub date: i64,
    /// Stored POP3 UIDL.
    pub uidl: Option<String>,
    /// Stored POP3 position, from 1.
    pub pop_order: Option<usize>,
    /// Length of the stored file in bytes.
    pub length: u64,
}

impl Message {
    /// What IMAP calls its letters in a folder of these keywords, sorted.
    pub fn flags(&self, keywords: &[&str]) -> Vec<String> {
        let mut flags: Vec<String> = self
            .letters
            .bytes()
            .map(|letter| match letter {
                b'D' => "\\Draft".to_owned(),
                b'F' => "\\Flagged".to_owned(),
                b'R' => "\\Answered".to_owned(),
                b'S' => "\\Seen".to_owned(),
                b'T' => "\\Deleted".to_owned(),
                keyword => keywords[usize::from(keyword - b'a')].to_owned(),
            })
            .collect();
        flags.sort();
        flags
    }
}

/// The order in which POP3 lists INBOX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PopOrder {
    /// UID order, none stored.
    Same,
    /// Another one, stored for every message.
    Shuffled,
}

/// The POP3 UIDLs of INBOX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uidls {
    /// None stored: the server makes them by its format.
    Format,
    /// Random text with all that RFC 1939 allows stored for every message: `/`, `:`, leading dots,
    /// lengths from 1 to 70.
    Opaque,
    /// The same without `/`, `:` and leading dots, which no file name can carry.
    OpaqueQmailSafe,
}

/// How [`full`] writes INBOX and where folders go.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Folder layout; the fs layout has names with dots too.
    pub layout: Layout,
    /// POP3 order.
    pub pop_order: PopOrder,
    /// POP3 UIDLs.
    pub uidls: Uidls,
}

impl Options {
    /// Nothing stored for POP3.
    pub fn plain(layout: Layout) -> Self {
        Self {
            layout,
            pop_order: PopOrder::Same,
            uidls: Uidls::Format,
        }
    }
}

/// Name, number of messages and number of keywords of the folders in both layouts. `Archive` has
/// no mail of its own and is not selectable.
const FOLDERS: [(&str, u32, usize); 19] = [
    ("INBOX", 250, 12),
    ("Sent", 60, 3),
    ("Drafts", 20, 0),
    ("Trash", 20, 0),
    ("Archive/2019", 40, 26),
    ("Archive/2020/Q1 & Q2", 30, 2),
    ("Été", 20, 1),
    ("日本語", 20, 0),
    ("日本語/メール", 20, 2),
    ("Émoji 📫 post", 20, 0),
    ("Say \"cheese\"", 20, 0),
    ("Tom & Jerry", 20, 4),
    ("&", 5, 0),
    ("back\\slash", 10, 0),
    ("100% *done*", 10, 0),
    ("Deep/er/and/deep/er still", 15, 0),
    ("INBOX/Below", 20, 15),
    ("Big", 3, 0),
    ("Empty", 0, 0),
];
/// Only where a dot is no separator.
const DOTTED_FOLDERS: [(&str, u32, usize); 3] = [
    ("v1.2", 20, 1),
    ("example.org/a.b.c", 20, 0),
    ("trailing.", 5, 0),
];
/// In place of them, where it is one.
const UNDOTTED_FOLDERS: [(&str, u32, usize); 3] = [
    ("Lists/rust", 20, 1),
    ("Lists/rust/announce", 20, 0),
    ("semi;colon, comma", 5, 0),
];

/// Size of the one message in `Big` that is big.
pub const BIG_MESSAGE: u64 = 25 * 1024 * 1024;

/// A mailbox of 22 folders and over 600 messages with every kind of name, flag, date and content
/// that a migration must keep, into `maildir`, which must not exist.
pub fn full(maildir: &Path, options: Options) -> Corpus {
    let special = match options.layout {
        Layout::MaildirPlusPlus => UNDOTTED_FOLDERS,
        Layout::Fs => DOTTED_FOLDERS,
    };
    let mut folders = Vec::new();
    for (index, (name, count, keywords)) in FOLDERS.into_iter().chain(special).enumerate() {
        let random = Random::seeded(name);
        let plan = FolderPlan {
            name,
            index: u32::try_from(index).expect("a few folders"),
            count,
            keywords,
        };
        folders.push(write_folder(maildir, options, plan, random));
    }
    let mut subscriptions: BTreeSet<String> = folders
        .iter()
        .step_by(2)
        .map(|folder| folder.name.clone())
        .collect();
    subscriptions.insert("Gone/With \"the\" wïnd".to_owned());
    finish(maildir, folders, subscriptions)
}

/// INBOX with `count` small messages, `Sent` and `Archive` with a tenth of them each, all different
/// for each `seed`, into `maildir`, which must not exist. Opaque UIDLs.
pub fn simple(maildir: &Path, count: u32, seed: u64) -> Corpus {
    let mut random = Random::new(seed);
    let mut folders = Vec::new();
    for (index, (name, count)) in [
        ("INBOX", count),
        ("Sent", count / 10),
        ("Archive", count / 10),
    ]
    .into_iter()
    .enumerate()
    {
        let directory = make_folder(maildir, Layout::MaildirPlusPlus, name);
        let mut uidls = stored_uidls(&mut random, name, Uidls::OpaqueQmailSafe, count);
        let mut messages = Vec::new();
        for uid in 1..=count {
            let content = Content::Text(messages::plain(&mut random, name, uid));
            let uidl = uidls.next();
            let date = 1_300_000_000 + i64::from(uid) * 3600;
            messages.push(write_message(&directory, uid, date, "S", uidl, &content));
        }
        folders.push(Folder {
            name: name.to_owned(),
            uid_validity: 1_400_000_000 + u32::try_from(index).expect("a few folders"),
            uid_next: count + 1,
            keywords: Vec::new(),
            messages,
        });
        dovecot_files::write(&directory, folders.last().expect("just pushed"));
    }
    finish(maildir, folders, BTreeSet::from(["INBOX".to_owned()]))
}

/// INBOX with `count` messages of `smallest` to `largest` bytes of patterned text, into `maildir`,
/// which must not exist. Opaque UIDLs.
pub fn large(maildir: &Path, count: u32, smallest: u64, largest: u64) -> Corpus {
    let mut random = Random::new(u64::from(count));
    let directory = make_folder(maildir, Layout::MaildirPlusPlus, "INBOX");
    let mut uidls = stored_uidls(&mut random, "INBOX", Uidls::OpaqueQmailSafe, count);
    let messages = (1..=count)
        .map(|uid| {
            let length = smallest + random.below(largest - smallest + 1);
            let uidl = uidls.next();
            let date = 1_500_000_000 + i64::from(uid) * 60;
            write_message(
                &directory,
                uid,
                date,
                "S",
                uidl,
                &Content::Patterned(length),
            )
        })
        .collect();
    let inbox = Folder {
        name: "INBOX".to_owned(),
        uid_validity: 1_600_000_000,
        uid_next: count + 1,
        keywords: Vec::new(),
        messages,
    };
    dovecot_files::write(&directory, &inbox);
    finish(maildir, vec![inbox], BTreeSet::new())
}

/// The INBOX of `maildir` with hand-made messages `(file name, content)` in cur/, without any
/// server's own files: what Courier and qmail start from. Dated an hour apart.
pub fn bare(maildir: &Path, files: &[(&str, &[u8])]) {
    let directory = make_folder(maildir, Layout::MaildirPlusPlus, "INBOX");
    for (index, (name, content)) in files.iter().enumerate() {
        let path = directory.join("cur").join(name);
        fs::write(&path, content).expect("scratch directories are writable");
        let hours = i64::try_from(index).expect("a few files");
        set_date(&path, 1_350_000_000 + hours * 3600);
    }
    give_to_mail_owner(maildir);
}

struct FolderPlan {
    name: &'static str,
    index: u32,
    count: u32,
    keywords: usize,
}

fn write_folder(maildir: &Path, options: Options, plan: FolderPlan, mut random: Random) -> Folder {
    let directory = make_folder(maildir, options.layout, plan.name);
    let keywords = &dovecot_files::KEYWORDS[..plan.keywords];
    let contents = if plan.name == "Big" {
        vec![
            Content::Text(messages::plain(&mut random, plan.name, 1)),
            Content::Patterned(BIG_MESSAGE),
            Content::Text(messages::plain(&mut random, plan.name, 3)),
        ]
    } else {
        messages::assorted(&mut random, plan.name, plan.count)
    };

    let mut uidls = stored_uidls(&mut random, plan.name, options.uidls, plan.count);
    // Every fourth folder counts from beyond 2^31, where a signed number would break.
    let mut uid = if plan.index % 4 == 3 {
        2_147_483_600
    } else {
        7
    };
    let mut messages = Vec::new();
    for (position, content) in (0_u32..).zip(&contents) {
        uid += 1 + u32::try_from(random.below(5)).expect("below 5");
        let uidl = uidls.next();
        // Fifteen years, mostly but not always ascending with the UID, seconds shared by some.
        let year = 31_557_600;
        let span = 15 * year / i64::from(plan.count.max(1));
        let mut date = 1_230_768_000 + i64::from(position / 2 * 2) * span;
        if position % 11 == 10 {
            date -= year;
        }
        let letters = letters(position, keywords.len());
        messages.push(write_message(
            &directory, uid, date, &letters, uidl, content,
        ));
    }
    if plan.name == "INBOX" && options.pop_order == PopOrder::Shuffled {
        let mut order: Vec<usize> = (1..=messages.len()).collect();
        random.shuffle(&mut order);
        for (message, position) in messages.iter_mut().zip(order) {
            message.pop_order = Some(position);
        }
    }
    let folder = Folder {
        name: plan.name.to_owned(),
        // One beyond 2^31 too.
        uid_validity: if plan.index == 4 {
            3_000_000_001
        } else {
            1_200_000_000 + plan.index * 1_000_003
        },
        uid_next: uid + 17,
        keywords: keywords.to_vec(),
        messages,
    };
    dovecot_files::write(&directory, &folder);
    folder
}

/// The UIDLs to store with the messages of a folder: only INBOX has any.
fn stored_uidls(
    random: &mut Random,
    folder: &str,
    kind: Uidls,
    count: u32,
) -> std::vec::IntoIter<String> {
    if folder == "INBOX" && kind != Uidls::Format {
        random.uidls(kind, count as usize).into_iter()
    } else {
        Vec::new().into_iter()
    }
}

/// All 32 combinations of the five flags in turn, and keywords on two of three messages.
fn letters(position: u32, keywords: usize) -> String {
    let mut letters: String = ['D', 'F', 'R', 'S', 'T']
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| position >> bit & 1 == 1)
        .map(|(_, letter)| letter)
        .collect();
    if keywords > 0 {
        let mut chosen = BTreeSet::new();
        for step in 0..position % 3 {
            let index = (position + step * 5) as usize % keywords;
            chosen.insert(b"abcdefghijklmnopqrstuvwxyz"[index]);
        }
        letters.extend(chosen.into_iter().map(char::from));
    }
    letters
}

fn make_folder(maildir: &Path, layout: Layout, name: &str) -> PathBuf {
    let directory = dovecot_files::directory(maildir, layout, name);
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(directory.join(part)).expect("scratch directories are writable");
    }
    if layout == Layout::MaildirPlusPlus && name != "INBOX" {
        let marker = directory.join("maildirfolder");
        fs::write(&marker, "").expect("scratch directories are writable");
        set_date(&marker, 1_700_000_000);
    }
    directory
}

fn write_message(
    directory: &Path,
    uid: u32,
    date: i64,
    letters: &str,
    uidl: Option<String>,
    content: &Content,
) -> Message {
    // Names of several servers and ages; a true size in some.
    let (length, size_as_crlf) = content.sizes();
    let base_name = match uid % 4 {
        0 => format!("{date}.M{uid}P9.old,S={length},W={size_as_crlf}"),
        1 => format!("{date}.{uid}_0.mx,S={length}"),
        2 => format!("{date}.H{uid}P77.host"),
        _ => format!("plain-name-{uid}"),
    };
    let path = directory
        .join("cur")
        .join(format!("{base_name}:2,{letters}"));
    content.write(&path);
    set_date(&path, date);
    Message {
        uid,
        base_name,
        letters: letters.to_owned(),
        date,
        uidl,
        pop_order: None,
        length,
    }
}

fn set_date(path: &Path, seconds: i64) {
    let time = filetime::FileTime::from_unix_time(seconds, 0);
    filetime::set_file_mtime(path, time).expect("the file was just written");
}

fn finish(maildir: &Path, folders: Vec<Folder>, subscriptions: BTreeSet<String>) -> Corpus {
    dovecot_files::write_subscriptions(maildir, &subscriptions);
    give_to_mail_owner(maildir);
    Corpus {
        folders,
        subscriptions,
    }
}
