//! What makes an announcement uncertain, or is worth knowing beside it.

mod courier;
mod dovecot;
mod qmail;

use std::fmt;

use crate::text::{counted, printable_raw};

pub use courier::CourierDoubt;
pub use dovecot::{DovecotDoubt, ValiditySource};
pub use qmail::QmailDoubt;

/// Some of a kind: how many, and one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Box<[u8]>,
}

impl Sample {
    /// `None` where there are none.
    pub fn of(all: &[impl AsRef<[u8]>]) -> Option<Self> {
        let first = all.first()?.as_ref().into();
        Some(Self {
            count: all.len(),
            first,
        })
    }

    /// `1 file (NAME)`, `3 files (the first: NAME)`, by the word `one`.
    fn counted(&self, one: &str) -> String {
        let first = printable_raw(&self.first);
        let which = if self.count == 1 { "" } else { "the first: " };
        format!("{} ({which}{first})", counted(self.count as u64, one))
    }

    fn files(&self) -> String {
        self.counted("file")
    }
}

/// One thing about an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Names with a leading dot: no server shows these messages.
    DotNames(Sample),
    /// Links or directories where messages belong: they are left out here.
    NoFiles(Sample),
    /// UIDLs that come more than once.
    UidlTwice(Sample),
    /// UIDLs that RFC 1939 does not allow.
    NoUidl(Sample),
    /// Files of one base name: the server renames one of them, or they cover each other.
    SameName(Sample),
    /// Lines of the server's list whose file is not there: forgotten at the next login.
    LinesWithoutFile(usize),
    /// Of what Dovecot does.
    Dovecot(DovecotDoubt),
    /// Of what qmail-pop3d does.
    Qmail(QmailDoubt),
    /// Of what Courier does.
    Courier(CourierDoubt),
}

impl Doubt {
    /// Whether the server will announce exactly what is listed all the same, and clients will cope.
    pub fn is_note(&self) -> bool {
        matches!(
            self,
            Doubt::DotNames(_)
                | Doubt::LinesWithoutFile(_)
                | Doubt::Dovecot(DovecotDoubt::NewUids(..))
                | Doubt::Courier(CourierDoubt::NewNumbers(..))
        )
    }
}

impl From<DovecotDoubt> for Doubt {
    fn from(doubt: DovecotDoubt) -> Self {
        Self::Dovecot(doubt)
    }
}

impl From<QmailDoubt> for Doubt {
    fn from(doubt: QmailDoubt) -> Self {
        Self::Qmail(doubt)
    }
}

impl From<CourierDoubt> for Doubt {
    fn from(doubt: CourierDoubt) -> Self {
        Self::Courier(doubt)
    }
}

/// One line.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::DotNames(some) => {
                write!(f, "{} not shown: a name with a leading dot", some.files())
            }
            Doubt::NoFiles(some) => write!(
                f,
                "{} left out here: no regular file; the server may list it",
                some.counted("thing")
            ),
            Doubt::UidlTwice(some) => write!(
                f,
                "{} announced more than once: clients may not fetch all of these messages",
                some.counted("UIDL")
            ),
            Doubt::NoUidl(some) => write!(
                f,
                "{} not as RFC 1939 wants it, 1 to 70 bytes of 0x21 to 0x7e: clients may refuse it",
                some.counted("UIDL")
            ),
            Doubt::SameName(some) => write!(
                f,
                "{} with the base name of another: what becomes of it is undefined",
                some.files()
            ),
            Doubt::LinesWithoutFile(count) => write!(
                f,
                "{} of the list without a file: forgotten by the server at the next login",
                counted(*count as u64, "line")
            ),
            Doubt::Dovecot(doubt) => doubt.fmt(f),
            Doubt::Qmail(doubt) => doubt.fmt(f),
            Doubt::Courier(doubt) => doubt.fmt(f),
        }
    }
}
