//! What the old servers hold, and the way their messages come to us.
//!
//! # What a source promises
//! It leaves the server as it found it: IMAP folders are opened with EXAMINE and bodies read with
//! BODY.PEEK; only [`imap::Session::delete`] and [`pop3::Session::delete`] change anything there. It
//! hands bytes on as they arrive, so its memory does not depend on the size of a message. A message that the server will not give costs that
//! message alone; a broken connection is an error of reach [`crate::problem::Reach::User`] that is
//! worth a retry, and the caller opens a new session for what is still missing.
//!
//! # What the caller must do
//! Give a [`BodySink`] that can stop (its errors end the transfer), and after a reconnect check
//! that UIDVALIDITY is the same before it goes on.

pub mod combine;
pub mod imap;
pub mod login;
pub mod net;
pub mod pop3;
mod rest;
pub mod sasl;

use crate::mail::{
    Entry, Flags, FolderPath, KeywordSet, KeywordTable, PopEntries, PopNumber, Uid, UidSet,
    UidValidity, UidlFault,
};
use crate::problem::Problem;

/// A folder as IMAP LIST gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFolder {
    /// The name to say to the server, exactly as it said it (mUTF-7 on the wire, or raw UTF-8).
    pub wire_name: String,
    /// What a person calls it, relative to the personal namespace.
    pub path: FolderPath,
    /// False for \Noselect and \NonExistent: it has no messages, only a place in the tree.
    pub selectable: bool,
    /// What it is for, where the server says so (RFC 6154).
    pub special_use: Option<SpecialUse>,
    /// Said so in the log: the name was not valid mUTF-7 and has been read as plain text.
    pub repaired: bool,
    /// What LIST told of its contents, where the server can do that (LIST-STATUS).
    pub marks: Option<Marks>,
}

/// By what a folder is seen to be unchanged, without opening it (STATUS). What the server does not
/// tell is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// UIDVALIDITY; 0 counts as none.
    pub uid_validity: Option<UidValidity>,
    /// UIDNEXT.
    pub uid_next: Option<u32>,
    /// Number of messages.
    pub messages: Option<u32>,
    /// HIGHESTMODSEQ (CONDSTORE); 0 counts as none.
    pub highest_modseq: Option<u64>,
}

/// What a folder is for (RFC 6154, RFC 8457).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// It shows all messages of the user once more.
    All,
    /// It shows all flagged messages once more.
    Flagged,
    /// It shows all messages once more that the server takes to be important.
    Important,
    /// Archived mail.
    Archive,
    /// Drafts.
    Drafts,
    /// Spam.
    Junk,
    /// Mail that was sent.
    Sent,
    /// Mail that was deleted.
    Trash,
}

impl SpecialUse {
    /// The use that an attribute of LIST names, its backslash left out.
    pub fn parse(attribute: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], SpecialUse); 8] = [
            (b"All", SpecialUse::All),
            (b"Flagged", SpecialUse::Flagged),
            (b"Important", SpecialUse::Important),
            (b"Archive", SpecialUse::Archive),
            (b"Drafts", SpecialUse::Drafts),
            (b"Junk", SpecialUse::Junk),
            (b"Sent", SpecialUse::Sent),
            (b"Trash", SpecialUse::Trash),
        ];
        let mut names = NAMES.iter();
        names
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute))
            .map(|(_, special_use)| *special_use)
    }

    /// Whether such a folder shows messages that lie in others.
    pub fn is_virtual(self) -> bool {
        matches!(self, Self::All | Self::Flagged | Self::Important)
    }
}

/// All folders of a user, in the server's order, and what LSUB says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderList {
    /// The folders of the personal namespace.
    pub folders: Vec<ListedFolder>,
    /// Subscribed names, existing or not.
    pub subscribed: Vec<FolderPath>,
    /// The server refused to tell the subscriptions.
    pub subscriptions_refused: bool,
    /// Names that cannot be asked for (not UTF-8 on the wire, empty parts), made printable.
    pub unusable: Vec<String>,
    /// Names outside the personal namespace (shared and other users' folders), made printable.
    pub foreign: Vec<String>,
    /// The server is Gmail or like it: folders are labels of messages (X-GM-EXT-1).
    pub has_labels: bool,
}

/// What EXAMINE says of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// UIDVALIDITY; `None` where the server gives none (or 0): its UIDs cannot be kept.
    pub uid_validity: Option<UidValidity>,
    /// UIDNEXT where given.
    pub uid_next: Option<u32>,
    /// Number of messages.
    pub exists: u32,
    /// HIGHESTMODSEQ (CONDSTORE) as of when the folder was opened; `None` where the server gives none
    /// (or 0, or NOMODSEQ): nothing can then be asked by it later.
    pub highest_modseq: Option<u64>,
    /// MAILBOXID (OBJECTID): stays through renames.
    pub mailbox_id: Option<String>,
}

/// A folder as it was seen last.
#[derive(Debug, Clone, Copy)]
pub struct Since<'k> {
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Its HIGHESTMODSEQ, where it had one: [`Examined::highest_modseq`] of that time.
    pub highest_modseq: Option<u64>,
    /// The messages that it had, all of them.
    pub known: &'k UidSet,
    /// Its UIDNEXT: from there on nothing was seen.
    pub uid_next: u32,
}

/// What has become of a folder since it was seen last.
#[derive(Debug)]
pub enum News {
    /// The changes, all of them: what was known, less what vanished, and what is fresh are as many
    /// messages as the server says that there are.
    Changes(Box<Changes>),
    /// That cannot be told, for this reason; the folder is open to be listed whole.
    Unsure(&'static str),
}

/// The changes in a folder since it was seen last.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The known messages that are gone.
    pub vanished: UidSet,
    /// The flags of known messages, ascending by UID: at least of those of which they have changed. The
    /// keywords are those of `fresh`.
    pub flags: Vec<(Uid, Flags, KeywordSet)>,
    /// The messages that have come.
    pub fresh: MessageList,
}

/// All messages of one IMAP folder, ascending by UID.
#[derive(Debug, Clone, Default)]
pub struct MessageList {
    /// The messages.
    pub entries: Vec<Entry>,
    /// The keywords that the entries' sets refer to.
    pub keywords: KeywordTable,
    /// Messages of which the server's listing line made no sense, with the reason. They may still
    /// have a UID; `None` where not even that could be read.
    pub unreadable: Vec<(Option<Uid>, String)>,
}

/// The maildrop as POP3 lists it (UIDL and LIST of one session), in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maildrop {
    /// The messages.
    pub entries: PopEntries,
    /// UIDLs that are none (RFC 1939), printable, with the reason; ascending by number.
    pub faulty: Vec<(PopNumber, String, UidlFault)>,
    /// False where the server knows no UIDL command.
    pub has_uidls: bool,
}

/// Receives messages as a server sends them: for each, `begin`, any number of `data`, and then
/// `end` when the whole body has come, or `abandon` when it has not.
///
/// `key` is what the message was asked by: a UID or a POP3 number. An error stops the transfer
/// and comes back to its caller unchanged; the connection is not usable afterwards.
pub trait BodySink {
    /// A body begins. `announced` is the length of the literal that follows, where there is one
    /// (IMAP); a POP3 reply does not say.
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem>;
    /// The next bytes of the body, dot-stuffing undone, line ends as the server sent them.
    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem>;
    /// The body is complete and is that of message `key` (IMAP may say which only now).
    fn end(&mut self, key: u32) -> Result<(), Problem>;
    /// The body just begun will not be completed; what came of it is to be thrown away.
    fn abandon(&mut self);
}

/// The most octets that are believed of a message listed with so many (0: not known). Sizes lie: some
/// servers estimate, some count line ends as they like; but what goes on beyond this has no end.
fn most_octets(listed: u64) -> u64 {
    const UNKNOWN: u64 = 4 << 30;
    const SLACK: u64 = 64 << 20;
    match listed {
        0 => UNKNOWN,
        listed => listed.saturating_mul(4).saturating_add(SLACK),
    }
}

/// Messages that were asked for and that the server did not give, with its reason.
pub type Refused = Vec<(u32, String)>;
