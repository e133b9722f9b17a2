//! What is to be said of a user in one line.

use std::fmt;

use super::Finding;
use crate::problem::Kind;
use crate::report::Status;

/// The verdict on one user.
#[derive(Debug)]
pub struct Verdict<'f> {
    /// Ok: nothing differs. Partial: something does. Failed: it could not be looked at.
    pub status: Status,
    finding: &'f Finding,
}

impl<'f> Verdict<'f> {
    /// The verdict on what was found.
    pub fn of(finding: &'f Finding) -> Self {
        let status = match (&finding.ended_by, finding.count()) {
            (Some(_), _) => Status::Failed,
            (None, 0) => Status::Ok,
            (None, _) => Status::Partial,
        };
        Self { status, finding }
    }
}

/// `transparent`, or `not transparent because 1 UIDL, flags of 3 messages`.
impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.status == Status::Ok {
            return f.write_str("transparent");
        }
        f.write_str("not transparent because ")?;
        let mut parts = Vec::new();
        if let Some(problem) = &self.finding.ended_by {
            parts.push(match problem.kind {
                Kind::Auth => "the login fails".to_owned(),
                kind => format!("it could not be looked at ({})", kind.word()),
            });
        }
        let counts = self.finding.counts.iter();
        parts.extend(counts.map(|(what, count)| what.counted(*count)));
        f.write_str(&parts.join(", "))
    }
}
