//! What can be doubtful about Dovecot.

use std::fmt;

use super::Sample;
use crate::mail::uidlist::UidListFault;

/// Where a new UIDVALIDITY comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValiditySource {
    /// The time of the first login; it is told as if that were now.
    Clock,
    /// `dovecot-uidvalidity`.
    File,
    /// Dovecot's index, which is not read here; it is told as if there were none.
    Index,
}

/// One thing about what Dovecot will announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DovecotDoubt {
    /// There is no `dovecot-uidlist`.
    NoUidList,
    /// The list is of no use from this line on, and UIDs are given anew.
    BrokenUidList(UidListFault),
    /// The last line of the list has no LF. It is not read, and when Dovecot appends to it, the list is
    /// broken: at the login after the next all UIDLs can be others.
    UnfinishedUidList,
    /// The list has more than one line for a name; the last one counts.
    LinesForOneName(Sample),
    /// This UIDVALIDITY will be made.
    NewValidity(u32, ValiditySource),
    /// So many messages that no line has get UIDs, from the first to the last.
    NewUids(usize, u32, u32),
    /// There are not as many UIDs left as are needed; these files are left out.
    NoUidsLeft(Sample),
    /// The order in which files without a line get UIDs depends on the order of the directory.
    NameOrder(Sample),
    /// A name without a base, which it makes anew; these files are left out.
    NoBaseName(Sample),
    /// A line break in a name; it does not show these files.
    LineBreak(Sample),
    /// A size in the name, or in the list, that is not the file's: a login can be refused, or the
    /// message sent empty.
    WrongSize(Sample),
}

/// One line.
impl fmt::Display for DovecotDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUidList => f.write_str(
                "there is no dovecot-uidlist: Dovecot gives every message a new UID at the next login",
            ),
            Self::BrokenUidList(fault) => write!(
                f,
                "dovecot-uidlist is broken, {fault}: from there on Dovecot gives messages new UIDs at \
                 the next login, and their UIDLs are lost"
            ),
            Self::UnfinishedUidList => f.write_str(
                "the last line of dovecot-uidlist has no line end: Dovecot does not read it, and can break \
                 the list when it appends to it; then all UIDLs are lost at the login after the next",
            ),
            Self::LinesForOneName(some) => write!(
                f,
                "{} with more than one line in dovecot-uidlist: the last one counts",
                some.counted("name")
            ),
            Self::NewValidity(value, source) => tell_of_validity(*value, *source, f),
            Self::NewUids(1, first, _) => write!(
                f,
                "1 message without a line in dovecot-uidlist: Dovecot gives it UID {first} at the next \
                 login"
            ),
            Self::NewUids(count, first, last) => write!(
                f,
                "{count} messages without a line in dovecot-uidlist: Dovecot gives them UIDs {first} to \
                 {last} at the next login"
            ),
            Self::NoUidsLeft(some) => write!(
                f,
                "{} without a UID: there is none left to give, and Dovecot fails",
                some.files()
            ),
            Self::NameOrder(some) => write!(
                f,
                "{} without a line in dovecot-uidlist whose names have no order among each other: \
                 which gets which UID is undefined",
                some.files()
            ),
            Self::NoBaseName(some) => write!(
                f,
                "{} left out here: there is no name before the colon, and Dovecot renames it",
                some.files()
            ),
            Self::LineBreak(some) => {
                write!(f, "{} not shown: a line break in the name", some.files())
            }
            Self::WrongSize(some) => write!(
                f,
                "{} not as long as its name or dovecot-uidlist says: Dovecot may refuse the login or \
                 send the message empty",
                some.files()
            ),
        }
    }
}

fn tell_of_validity(value: u32, source: ValiditySource, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match source {
        ValiditySource::Clock => write!(
            f,
            "Dovecot makes a new UIDVALIDITY of the time of the next login: UIDLs are shown as if \
             that were now ({value})"
        ),
        ValiditySource::File => write!(
            f,
            "Dovecot makes a new UIDVALIDITY, {value}, of dovecot-uidvalidity"
        ),
        ValiditySource::Index => write!(
            f,
            "Dovecot takes UIDVALIDITY and UIDs from its index, which is not read here: UIDLs are \
             shown as if there were none (UIDVALIDITY {value})"
        ),
    }
}
