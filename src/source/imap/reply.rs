//! What a server says of a command: OK, NO, BAD or BYE, and what that means for us.

use std::io;

use super::reader::Fault;
use crate::problem::{Kind, Problem, Reach};
use crate::source::rest::{self, Rest};

/// The most bytes of a server's text that are kept.
const TEXT_LIMIT: usize = 1000;

/// The condition of a status response (RFC 3501 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Refused.
    No,
    /// Not understood.
    Bad,
    /// The server hangs up.
    Bye,
    /// Logged in without a login (greeting only).
    Preauth,
}

impl Status {
    /// The status that `word` is, in any case.
    pub fn parse(word: &[u8]) -> Option<Self> {
        const WORDS: [(&[u8], Status); 5] = [
            (b"OK", Status::Ok),
            (b"NO", Status::No),
            (b"BAD", Status::Bad),
            (b"BYE", Status::Bye),
            (b"PREAUTH", Status::Preauth),
        ];
        WORDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word))
            .map(|(_, status)| *status)
    }
}

/// A status response. What it means is taken from the words as the server sent them, and not from
/// `text`: there a password may be covered that stands in a UIDVALIDITY, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its condition.
    pub status: Status,
    /// What follows, response code included. Not made printable.
    pub text: String,
    code: Option<(String, String)>,
    rest: Option<Rest>,
    is_busy: bool,
}

impl Reply {
    /// The reply of `status` with `text`, of which the beginning is kept.
    pub fn new(status: Status, text: &[u8]) -> Self {
        const BUSY: [&str; 3] = ["INUSE", "SERVERBUG", "CONTACTADMIN"];
        let text = &text[..text.len().min(TEXT_LIMIT)];
        let text = String::from_utf8_lossy(text).into_owned();
        let code = code(&text);
        let name = code.map(|(name, _)| name);
        let rest = rest::wanted(name, &text);
        let by_code =
            name.is_some_and(|name| BUSY.iter().any(|busy| busy.eq_ignore_ascii_case(name)));
        Self {
            status,
            rest,
            is_busy: by_code || rest.is_some() || text.to_ascii_lowercase().contains("temporar"),
            code: code.map(|(name, value)| (name.to_owned(), value.to_owned())),
            text,
        }
    }

    /// The same, told in the words that `cover` makes of its text.
    #[must_use]
    pub fn covered(self, cover: impl Fn(&str) -> String) -> Self {
        Self {
            text: cover(&self.text),
            ..self
        }
    }

    /// The response code (`[UIDVALIDITY 17]`): its name, and what follows that.
    pub fn code(&self) -> Option<(&str, &str)> {
        let (name, value) = self.code.as_ref()?;
        Some((name, value))
    }

    /// Whether the server asks to come back later: by a code of RFC 5530, or by the words of
    /// servers that know none (Exchange, Gmail, Courier, older Dovecot).
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// `problem`, which this reply is the reason of, with the rest that it asks for.
    pub fn with_rest(&self, problem: Problem) -> Problem {
        match self.rest {
            Some(rest) => problem.resting(rest.of_host, rest.seconds),
            None => problem,
        }
    }

    /// Whether the server wants fewer commands for now. Narrower than [`Reply::is_busy`]: of a
    /// FETCH, Dovecot says `[SERVERBUG]` where one message is damaged, and will say so for ever.
    pub fn is_throttling(&self) -> bool {
        self.rest.is_some()
    }

    /// The problem that a refusal of `command` is.
    pub fn refusal(&self, command: &str, reach: Reach) -> Problem {
        let kind = if self.is_busy() {
            Kind::Busy
        } else {
            Kind::Refused
        };
        let text = self.shown();
        let what = format!("the server refused {command}: {text}");
        self.with_rest(Problem::new(kind, reach, what))
    }

    /// Its text, or a word where the server gave none.
    pub fn shown(&self) -> &str {
        match (self.text.is_empty(), self.status) {
            (false, _) => &self.text,
            (true, Status::Bad) => "BAD, without a reason",
            (true, _) => "NO, without a reason",
        }
    }
}

/// The response code that `text` begins with.
fn code(text: &str) -> Option<(&str, &str)> {
    let (inside, _) = text.strip_prefix('[')?.split_once(']')?;
    Some(inside.split_once(' ').unwrap_or((inside, "")))
}

/// The problem that an end of the connection is.
pub fn connection_problem(error: io::Error) -> Problem {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed the connection",
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "the server was silent for too long",
        _ => "the connection broke",
    };
    Problem::new(Kind::Network, Reach::User, what).caused_by(error)
}

/// The problem that a server's BYE is.
fn bye_problem(reply: &Reply) -> Problem {
    let kind = if reply.is_busy() {
        Kind::Busy
    } else {
        Kind::Network
    };
    let what = format!("the server hung up: {}", reply.text);
    reply.with_rest(Problem::new(kind, Reach::User, what))
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(error) => connection_problem(error),
            Fault::Bye(reply) => bye_problem(&reply),
            Fault::Broken(what) | Fault::Nonsense(what) => {
                Problem::new(Kind::Protocol, Reach::User, what)
            }
            Fault::Sink(problem) => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_that_ask_for_patience() {
        for (text, code, busy) in [
            (
                "[UNAVAILABLE] Temporary failure",
                Some(("UNAVAILABLE", "")),
                true,
            ),
            ("[inuse] locked", Some(("inuse", "")), true),
            ("[UIDVALIDITY 17] valid", Some(("UIDVALIDITY", "17")), false),
            (
                "[AUTHENTICATIONFAILED] no",
                Some(("AUTHENTICATIONFAILED", "")),
                false,
            ),
            (
                "Request is throttled. Suggested Backoff Time: 5 ms",
                None,
                true,
            ),
            ("Maximum number of connections exceeded", None, true),
            ("[LIMIT unclosed", None, false),
            ("", None, false),
        ] {
            let reply = Reply::new(Status::No, text.as_bytes());
            assert_eq!(reply.code(), code, "{text}");
            assert_eq!(reply.is_busy(), busy, "{text}");
        }
    }
}
