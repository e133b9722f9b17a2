//! What can be doubtful about qmail-pop3d.

use std::fmt;

use super::Sample;

/// One thing about what qmail-pop3d will announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmailDoubt {
    /// Messages that share a date with another, so that their order is that of a heap.
    SameDate(Sample),
    /// Dated now or later, and so not shown yet.
    NotYet(Sample),
}

/// One line.
impl fmt::Display for QmailDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameDate(some) => write!(
                f,
                "{} with the date of another: qmail's order among them is undefined",
                some.files()
            ),
            Self::NotYet(some) => write!(
                f,
                "{} not shown before its date, which is now or later",
                some.files()
            ),
        }
    }
}
