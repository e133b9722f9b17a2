//! Messages as the source servers list them.

use std::fmt;
use std::num::NonZeroU32;

use super::date::Seconds;
use super::{Flags, KeywordSet, Uidl};

/// An IMAP unique identifier, 1..=4294967295 (RFC 3501 section 2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// `None` for 0, which is no UID.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The number as it stands in the protocol.
    pub fn value(self) -> u32 {
        self.0.get()
    }
}

impl From<Uid> for u32 {
    fn from(uid: Uid) -> Self {
        uid.value()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The UIDVALIDITY of a folder, 1..=4294967295 (RFC 3501 section 2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidValidity(NonZeroU32);

impl UidValidity {
    /// `None` for 0: a server that says so has no stable UIDs.
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// The number as it stands in the protocol.
    pub fn value(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for UidValidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One message of a folder, as IMAP lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its UID.
    pub uid: Uid,
    /// Its system flags.
    pub flags: Flags,
    /// Its keywords, as a set of the folder's [`super::KeywordTable`].
    pub keywords: KeywordSet,
    /// INTERNALDATE in seconds since 1970 UTC; `None` where the server sent none or nonsense.
    pub internal_date: Option<Seconds>,
    /// RFC822.SIZE in octets with CRLF line ends. Servers lie about it: an estimate, never a
    /// proof.
    pub size: u64,
}

impl Entry {
    /// INTERNALDATE in seconds since 1970 UTC.
    pub fn date(&self) -> Option<i64> {
        self.internal_date.map(i64::from)
    }
}

/// The sum of octets as servers announce them: those may be any numbers.
pub fn octets(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// The number of a message in one POP3 session, from 1 (RFC 1939 section 3).
pub type PopNumber = u32;

/// One message of a maildrop, as POP3 lists it. The order of the listing is the POP3 order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PopEntry {
    /// Its number in this session.
    pub number: PopNumber,
    /// What LIST says, in octets: with CRLF line ends, or without (qmail), or invented.
    pub size: u64,
    /// Its UIDL; `None` where the server gave none, or one outside RFC 1939.
    pub uidl: Option<Uidl>,
}
