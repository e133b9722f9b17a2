//! What can be doubtful about Courier.

use std::fmt;

use super::{Sample, counted};
use crate::mail::courier::sizelist::ListFault;

/// One thing about what Courier will announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CourierDoubt {
    /// There is no `courierpop3dsizelist`.
    NoSizeList,
    /// The lines of the list are not read.
    BrokenSizeList(ListFault),
    /// New UIDLs are made of the time of the first login, and told as if that were this.
    NumbersOfTheClock(u64),
    /// So many lines of the list are no line of one, or have no LF.
    BadLines(usize),
    /// The list has more than one line for a name; Courier 1.0 takes the last one.
    SizesForOneName(Sample),
    /// So many messages that no line has get numbers, from the first to the last.
    NewNumbers(usize, u64, u64),
}

/// One line.
impl fmt::Display for CourierDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSizeList => f.write_str(
                "there is no courierpop3dsizelist: Courier gives every message a new UIDL at the next \
                 login",
            ),
            Self::BrokenSizeList(fault) => write!(
                f,
                "courierpop3dsizelist is not read, {fault}: Courier gives every message a new UIDL at \
                 the next login"
            ),
            Self::NumbersOfTheClock(value) => write!(
                f,
                "Courier makes new UIDLs of the time of the next login: they are shown as if that were \
                 now ({value})"
            ),
            Self::BadLines(count) => write!(
                f,
                "{} in courierpop3dsizelist that Courier cannot read",
                counted(*count as u64, "line")
            ),
            Self::SizesForOneName(some) => write!(
                f,
                "{} with more than one line in courierpop3dsizelist: Courier 1.0 takes the last one",
                some.counted("name")
            ),
            Self::NewNumbers(1, first, _) => write!(
                f,
                "1 message without a line in courierpop3dsizelist: Courier gives it number {first} at \
                 the next login"
            ),
            Self::NewNumbers(count, first, last) => write!(
                f,
                "{count} messages without a line in courierpop3dsizelist: Courier gives them numbers \
                 {first} to {last} at the next login"
            ),
        }
    }
}
