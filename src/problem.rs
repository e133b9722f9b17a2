//! What went wrong: where, how far it reaches, and whether trying again can help.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::text::printable;

/// The class of a problem; an admin sorts failed users by it.
// ValueEnum for its list of all of them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The server refused the login: wrong password, no such user. Tried once only.
    Auth,
    /// No secure connection: certificate, host name, protocol version, STARTTLS not offered.
    Tls,
    /// No connection, or it broke, or it was silent for too long.
    Network,
    /// The server asked to come back later (`[IN-USE]`, `[UNAVAILABLE]`, `[SYS/TEMP]`, `[LIMIT]`).
    Busy,
    /// The server answered NO or -ERR to what it should be able to do.
    Refused,
    /// The server sent what the protocol does not allow.
    Protocol,
    /// UIDLs and messages could not be paired without doubt.
    Pairing,
    /// The target cannot hold it: a folder name, a UIDL, an order.
    Unholdable,
    /// The target holds something that is not ours to change.
    Conflict,
    /// Writing or reading the target failed: disk full, permission, read-only.
    Target,
    /// It would not fit on the target, so it was not begun.
    Space,
    /// The configuration or the user list is wrong.
    Input,
    /// The run was interrupted.
    Interrupted,
    /// Not begun, since the run was stopped before.
    Stopped,
    /// The user's limit for the day is reached.
    Capped,
    /// A bug of ours (a caught panic).
    Internal,
}

impl Kind {
    /// The word for it in reports and logs.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Auth => "auth",
            Kind::Tls => "tls",
            Kind::Network => "network",
            Kind::Busy => "busy",
            Kind::Refused => "refused",
            Kind::Protocol => "protocol",
            Kind::Pairing => "pairing",
            Kind::Unholdable => "unholdable",
            Kind::Conflict => "conflict",
            Kind::Target => "target",
            Kind::Space => "space",
            Kind::Input => "input",
            Kind::Interrupted => "interrupted",
            Kind::Stopped => "stopped",
            Kind::Capped => "capped",
            Kind::Internal => "internal",
        }
    }
}

/// How far a problem reaches: all that lies beyond it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// One message is not done.
    Message,
    /// One folder is not done.
    Folder,
    /// The user is not done.
    User,
    /// The whole run stops.
    Run,
}

/// One problem, told to a person: what happened, where, and the way on.
#[derive(Debug)]
pub struct Problem {
    /// Its class.
    pub kind: Kind,
    /// How far it reaches.
    pub reach: Reach,
    /// Whether the same thing may work when tried again.
    pub retry: bool,
    /// The folder, where there is one.
    pub folder: Option<String>,
    /// The message, as `UID 17` or `POP3 message 3`, where there is one.
    pub message: Option<String>,
    /// It is what the server says to all users, of its load or of our share in it.
    pub of_host: bool,
    /// Seconds; 0: nothing was said. Small, since a problem is the error of nearly every function.
    pause: u16,
    what: String,
    hint: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    /// A problem of `kind` that reaches as far as `reach`. `what` may hold a server's words: it is
    /// made printable here. Network and busy problems are worth a retry, others not.
    pub fn new(kind: Kind, reach: Reach, what: impl AsRef<str>) -> Self {
        Self {
            kind,
            reach,
            retry: matches!(kind, Kind::Network | Kind::Busy),
            of_host: false,
            pause: 0,
            folder: None,
            message: None,
            what: printable(what.as_ref()),
            hint: None,
            cause: None,
        }
    }

    /// Names the folder, unless a deeper place has named one.
    #[must_use]
    pub fn in_folder(mut self, folder: impl fmt::Display) -> Self {
        if self.folder.is_none() {
            self.folder = Some(printable(&folder.to_string()));
        }
        self
    }

    /// Names the message, unless a deeper place has named one.
    #[must_use]
    pub fn at_message(mut self, message: impl fmt::Display) -> Self {
        if self.message.is_none() {
            self.message = Some(printable(&message.to_string()));
        }
        self
    }

    /// Names the server, where there is more than one of a kind.
    #[must_use]
    pub fn at_server(mut self, server: impl fmt::Display) -> Self {
        self.what = format!("{}: {}", printable(&server.to_string()), self.what);
        self
    }

    /// The way on: what to do, which flag to use.
    #[must_use]
    pub fn with_hint(mut self, hint: impl AsRef<str>) -> Self {
        self.hint = Some(printable(hint.as_ref()));
        self
    }

    /// The error behind it, kept reachable through [`Error::source`] and told at the end.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says that trying again may (or will not) help, against the default of its kind.
    #[must_use]
    pub fn worth_retry(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    /// Says how many seconds the server wants to be left alone before the next try.
    #[must_use]
    pub fn after(mut self, seconds: u32) -> Self {
        self.pause = u16::try_from(seconds).unwrap_or(u16::MAX);
        self
    }

    /// Says that the server wants rest: from all who come from us, or from this user; for so many
    /// seconds, where it says (0: it does not).
    #[must_use]
    pub fn resting(self, of_host: bool, seconds: u32) -> Self {
        let problem = match seconds {
            0 => self,
            seconds => self.after(seconds),
        };
        Self { of_host, ..problem }
    }

    /// The same problem once more, without its cause: for each user of what it makes impossible.
    #[must_use]
    pub fn restated(&self) -> Self {
        Self {
            folder: self.folder.clone(),
            message: self.message.clone(),
            what: self.what.clone(),
            hint: self.hint.clone(),
            cause: None,
            ..*self
        }
    }

    /// How long the server wants to be left alone first, where it says so.
    pub fn pause(&self) -> Option<Duration> {
        (self.pause > 0).then(|| Duration::from_secs(self.pause.into()))
    }

    /// What happened, without place and hint.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What happened and what is behind it, without place and hint.
    pub fn what_and_why(&self) -> String {
        let mut text = self.what.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&printable(&error.to_string()));
            cause = error.source();
        }
        text
    }

    /// The way on, where one is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// One line: place, what, cause, hint.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(folder) = &self.folder {
            write!(f, "folder {folder}: ")?;
        }
        if let Some(message) = &self.message {
            write!(f, "{message}: ")?;
        }
        f.write_str(&self.what_and_why())?;
        if let Some(hint) = &self.hint {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_line_with_place_cause_and_way_on() {
        let problem = Problem::new(Kind::Refused, Reach::Folder, "server said: NO\x1b[m")
            .caused_by(std::io::Error::other("beneath"))
            .with_hint("ask again")
            .at_message("UID 7")
            .in_folder("A/B")
            .in_folder("outer place does not win");
        assert_eq!(
            problem.to_string(),
            "folder A/B: UID 7: server said: NO\\u{1b}[m: beneath (hint: ask again)"
        );
        assert!(!problem.retry);
        assert_eq!(problem.pause(), None);
        let pause = problem.after(70_000).pause();
        assert_eq!(pause, Some(Duration::from_secs(65_535)));
        assert!(Problem::new(Kind::Busy, Reach::User, "later").retry);
    }
}
