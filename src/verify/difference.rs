//! In what two servers, or a server and a tree, differ for a user's clients.

use std::fmt;

use crate::mail::{FolderPath, Uid};
use crate::text::printable;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A folder is on one side only.
    Folder,
    /// UIDVALIDITY: IMAP clients fetch the whole folder again.
    UidValidity,
    /// UIDNEXT of the new side is not beyond a UID that the old side has given.
    UidNext,
    /// A message of the old side is not on the new one.
    Missing,
    /// A message of the new side is not on the old one.
    Extra,
    /// A message is on the new side twice.
    Doubled,
    /// System flags.
    Flags,
    /// Keywords.
    Keywords,
    /// INTERNALDATE.
    Date,
    /// Octets.
    Size,
    /// The bytes of a message.
    Content,
    /// A UIDL: a POP3 client downloads that message again.
    Uidl,
    /// The place in the POP3 order.
    Order,
    /// The octets that POP3 announces.
    PopSize,
    /// A folder is subscribed on one side only.
    Subscription,
    /// A file belongs to another user, or others may read it.
    Owner,
    /// A name or a list says what is not so, or a server may do one thing or another.
    Doubt,
}

impl What {
    /// The word for it in `verify.csv`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::UidValidity => "uidvalidity",
            Self::UidNext => "uidnext",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Doubled => "doubled",
            Self::Flags => "flags",
            Self::Keywords => "keywords",
            Self::Date => "date",
            Self::Size => "size",
            Self::Content => "content",
            Self::Uidl => "uidl",
            Self::Order => "order",
            Self::PopSize => "pop3_size",
            Self::Subscription => "subscription",
            Self::Owner => "owner",
            Self::Doubt => "doubt",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Difference {
    /// The folder; `None` for what is about the user.
    pub folder: Option<FolderPath>,
    /// The message, where it is about one that IMAP knows.
    pub uid: Option<Uid>,
    /// The message, where it is about one that POP3 knows; printable.
    pub uidl: Option<String>,
    /// What differs.
    pub what: What,
    /// As it is on the old side; empty where it is not there.
    pub old: String,
    /// As it is on the new side.
    pub new: String,
}

impl Difference {
    /// A difference in `folder`, or in what is about the user.
    pub fn new(
        folder: Option<&FolderPath>,
        what: What,
        old: impl Into<String>,
        new: impl Into<String>,
    ) -> Self {
        Self {
            folder: folder.cloned(),
            uid: None,
            uidl: None,
            what,
            old: old.into(),
            new: new.into(),
        }
    }

    /// The same, of the message with this UID.
    #[must_use]
    pub fn at(mut self, uid: Option<Uid>) -> Self {
        self.uid = uid;
        self
    }
}

/// One line for people, printable.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place: Vec<String> = Vec::new();
        place.extend(self.folder.iter().map(|it| format!("folder {it}")));
        place.extend(self.uid.iter().map(|it| format!("UID {it}")));
        place.extend(self.uidl.iter().map(|it| format!("UIDL {it}")));
        let side = |text: &str| match text {
            "" => "-".to_owned(),
            text => text.to_owned(),
        };
        let (what, old, new) = (self.what, side(&self.old), side(&self.new));
        let line = format!("{}: {what}: {old} -> {new}", place.join(", "));
        f.write_str(&printable(line.trim_start_matches(": ")))
    }
}
