//! The files that Courier (courier-imap, courier-pop) keeps in a Maildir, as plain values. Its POP3
//! and its IMAP server count on their own: nothing of `courierimapuiddb` enters a UIDL.

pub mod keywords;
pub mod order;
pub mod sizelist;
pub mod uiddb;

pub use keywords::CourierKeywords;
pub use sizelist::{SizeLine, SizeList};

/// What Courier's files say of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CourierFiles {
    /// `courierimapuiddb`; `None`: it is not there, or makes no sense, and Courier would begin anew.
    pub uiddb: Option<super::UidList>,
    /// `courierpop3dsizelist`, in INBOX only; `None`: as above.
    pub sizes: Option<SizeList>,
    /// `courierimapkeywords`.
    pub keywords: CourierKeywords,
    /// Whether a session is at work, or was cut: `tmp/courier.lock` is there.
    pub is_locked: bool,
}
