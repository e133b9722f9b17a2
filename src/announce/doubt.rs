//! What makes an announcement uncertain, or is worth knowing beside it.

use std::fmt;

use crate::mail::courier::sizelist::ListFault;
use crate::mail::uidlist::UidListFault;
use crate::text::printable_raw;

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
}

/// `1 file (NAME)`, `3 files (the first: NAME)`, by a word for one.
struct Counted<'s>(&'s Sample, &'static str);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Sample { count, first }, what) = self;
        let first = printable_raw(first);
        match count {
            1 => write!(f, "1 {what} ({first})"),
            _ => write!(f, "{count} {what}s (the first: {first})"),
        }
    }
}

/// Where a new UIDVALIDITY of Dovecot's comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValiditySource {
    /// The time of the first login; it is told as if that were now.
    Clock,
    /// `dovecot-uidvalidity`.
    File,
    /// Dovecot's index, which is not read here; it is told as if there were none.
    Index,
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

    /// Dovecot: there is no `dovecot-uidlist`.
    NoUidList,
    /// Dovecot: the list is of no use from this line on, and UIDs are given anew.
    BrokenUidList(UidListFault),
    /// Dovecot: the last line of the list has no LF. It is not read, and when Dovecot appends to it,
    /// the list is broken: at the login after the next all UIDLs can be others.
    UnfinishedUidList,
    /// Dovecot: the list has more than one line for a name; the last one counts.
    LinesForOneName(Sample),
    /// Dovecot: this UIDVALIDITY will be made.
    NewValidity(u32, ValiditySource),
    /// Dovecot: so many messages that no line has get UIDs, from the first to the last.
    NewUids(usize, u32, u32),
    /// Dovecot: there are not as many UIDs left as are needed; these files are left out.
    NoUidsLeft(Sample),
    /// Dovecot: the order in which files without a line get UIDs depends on the order of the
    /// directory.
    NameOrder(Sample),
    /// Dovecot: a name without a base, which it makes anew; these files are left out.
    NoBaseName(Sample),
    /// Dovecot: a line break in a name; it does not show these files.
    LineBreak(Sample),
    /// Dovecot: a size in the name, or in the list, that is not the file's: a login can be refused,
    /// or the message sent empty.
    WrongSize(Sample),

    /// qmail: so many messages share a date with another, so that their order is that of a heap.
    SameDate(Sample),
    /// qmail: dated now or later, and so not shown yet.
    NotYet(Sample),

    /// Courier: there is no `courierpop3dsizelist`.
    NoSizeList,
    /// Courier: the lines of the list are not read.
    BrokenSizeList(ListFault),
    /// Courier: new UIDLs are made of the time of the first login, and told as if that were this.
    NumbersOfTheClock(u64),
    /// Courier: lines of the list that are no line of one, or have no LF.
    BadLines(usize),
    /// Courier: the list has more than one line for a name; Courier 1.0 takes the last one.
    SizesForOneName(Sample),
    /// Courier: so many messages that no line has get numbers, from the first to the last.
    NewNumbers(usize, u64, u64),
}

impl Doubt {
    /// Whether the server will announce exactly what is listed all the same, and clients will cope.
    pub fn is_note(&self) -> bool {
        matches!(
            self,
            Doubt::DotNames(_)
                | Doubt::LinesWithoutFile(_)
                | Doubt::NewUids(..)
                | Doubt::NewNumbers(..)
        )
    }
}

/// One line.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |sample| Counted(sample, "file");
        match self {
            Doubt::DotNames(some) => {
                write!(f, "{} not shown: a name with a leading dot", file(some))
            }
            Doubt::NoFiles(some) => write!(
                f,
                "{} left out here: no regular file; the server may list it",
                Counted(some, "thing")
            ),
            Doubt::UidlTwice(some) => write!(
                f,
                "{} announced more than once: clients may not fetch all of these messages",
                Counted(some, "UIDL")
            ),
            Doubt::NoUidl(some) => write!(
                f,
                "{} not as RFC 1939 wants it, 1 to 70 bytes of 0x21 to 0x7e: clients may refuse it",
                Counted(some, "UIDL")
            ),
            Doubt::SameName(some) => write!(
                f,
                "{} with the base name of another: what becomes of it is undefined",
                file(some)
            ),
            Doubt::LinesWithoutFile(count) => write!(
                f,
                "{count} lines of the list have no file: the server forgets them at the next login"
            ),
            Doubt::NoUidList => f.write_str(
                "there is no dovecot-uidlist: Dovecot gives every message a new UID at the next login",
            ),
            Doubt::BrokenUidList(fault) => write!(
                f,
                "dovecot-uidlist is broken, {fault}: from there on Dovecot gives messages new UIDs at \
                 the next login, and their UIDLs are lost"
            ),
            Doubt::UnfinishedUidList => f.write_str(
                "the last line of dovecot-uidlist has no line end: Dovecot does not read it, and can break \
                 the list when it appends to it; then all UIDLs are lost at the login after the next",
            ),
            Doubt::LinesForOneName(some) => write!(
                f,
                "{} with more than one line in dovecot-uidlist: the last one counts",
                Counted(some, "name")
            ),
            Doubt::NewValidity(value, ValiditySource::Clock) => write!(
                f,
                "Dovecot makes a new UIDVALIDITY of the time of the next login: UIDLs are shown as if \
                 that were now ({value})"
            ),
            Doubt::NewValidity(value, ValiditySource::File) => write!(
                f,
                "Dovecot makes a new UIDVALIDITY, {value}, of dovecot-uidvalidity"
            ),
            Doubt::NewValidity(value, ValiditySource::Index) => write!(
                f,
                "Dovecot takes UIDVALIDITY and UIDs from its index, which is not read here: UIDLs are \
                 shown as if there were none (UIDVALIDITY {value})"
            ),
            Doubt::NewUids(1, first, _) => write!(
                f,
                "1 message without a line in dovecot-uidlist: Dovecot gives it UID {first} at the next \
                 login"
            ),
            Doubt::NewUids(count, first, last) => write!(
                f,
                "{count} messages without a line in dovecot-uidlist: Dovecot gives them UIDs {first} to \
                 {last} at the next login"
            ),
            Doubt::NoUidsLeft(some) => write!(
                f,
                "{} without a UID: there is none left to give, and Dovecot fails",
                file(some)
            ),
            Doubt::NameOrder(some) => write!(
                f,
                "{} without a line in dovecot-uidlist whose names have no order among each other: \
                 which gets which UID is undefined",
                file(some)
            ),
            Doubt::NoBaseName(some) => write!(
                f,
                "{} left out here: there is no name before the colon, and Dovecot renames it",
                file(some)
            ),
            Doubt::LineBreak(some) => {
                write!(f, "{} not shown: a line break in the name", file(some))
            }
            Doubt::WrongSize(some) => write!(
                f,
                "{} not as long as its name or dovecot-uidlist says: Dovecot may refuse the login or \
                 send the message empty",
                file(some)
            ),
            Doubt::SameDate(some) => write!(
                f,
                "{} with the date of another: qmail's order among them is undefined",
                file(some)
            ),
            Doubt::NotYet(some) => write!(
                f,
                "{} not shown before its date, which is now or later",
                file(some)
            ),
            Doubt::NoSizeList => f.write_str(
                "there is no courierpop3dsizelist: Courier gives every message a new UIDL at the next \
                 login",
            ),
            Doubt::BrokenSizeList(fault) => write!(
                f,
                "courierpop3dsizelist is not read, {fault}: Courier gives every message a new UIDL at \
                 the next login"
            ),
            Doubt::NumbersOfTheClock(value) => write!(
                f,
                "Courier makes new UIDLs of the time of the next login: they are shown as if that were \
                 now ({value})"
            ),
            Doubt::BadLines(count) => write!(
                f,
                "{count} lines of courierpop3dsizelist make no sense and are not read"
            ),
            Doubt::SizesForOneName(some) => write!(
                f,
                "{} with more than one line in courierpop3dsizelist: Courier 1.0 takes the last one",
                Counted(some, "name")
            ),
            Doubt::NewNumbers(1, first, _) => write!(
                f,
                "1 message without a line in courierpop3dsizelist: Courier gives it number {first} at \
                 the next login"
            ),
            Doubt::NewNumbers(count, first, last) => write!(
                f,
                "{count} messages without a line in courierpop3dsizelist: Courier gives them numbers \
                 {first} to {last} at the next login"
            ),
        }
    }
}
