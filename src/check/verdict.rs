//! What of it all a client will notice.

use std::fmt;

use super::Finding;
use crate::report::Status;

/// What a flaw is about, the weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matter {
    /// A login fails.
    Login,
    /// The login works, but not all could be read.
    Reading,
    /// UIDLs that are not there, or that no message has or gets.
    Uidls,
    /// The POP3 order.
    Order,
    /// Folders that do not come.
    Folders,
    /// Messages that do not come.
    Messages,
    /// Keywords that do not come.
    Keywords,
}

/// Something that a client will notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What it is about.
    pub matter: Matter,
    /// What it is, with its count, for a person.
    pub what: String,
    /// An option says that it may be so.
    pub accepted: bool,
}

impl Flaw {
    /// A flaw that nobody has accepted.
    pub fn new(matter: Matter, what: impl Into<String>) -> Self {
        Self {
            matter,
            what: what.into(),
            accepted: false,
        }
    }

    /// Says whether an option accepts it.
    #[must_use]
    pub fn accepted_if(mut self, accepted: bool) -> Self {
        self.accepted = accepted;
        self
    }
}

/// Whether the move of a user will be noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How the user stands: ok where nothing but what was accepted will be noticed, failed where a
    /// login fails or not all could be read, partial between these.
    pub status: Status,
    words: String,
}

impl Verdict {
    /// The verdict on what was found; the flaws are in their order.
    pub fn of(finding: &Finding) -> Self {
        let open: Vec<&Flaw> = finding.flaws.iter().filter(|it| !it.accepted).collect();
        let failed = |flaw: &&Flaw| flaw.matter <= Matter::Reading;
        let status = if finding.ended_by.is_some() || open.iter().any(failed) {
            Status::Failed
        } else if open.is_empty() {
            Status::Ok
        } else {
            Status::Partial
        };
        let only = match (&finding.imap, &finding.pop3) {
            (Some(_), None) => " (IMAP only)",
            (None, Some(_)) => " (POP3 only)",
            _ => "",
        };
        let words = if let Some(problem) = &finding.ended_by {
            format!("not known: {}", problem.what())
        } else if let Some(first) = open.first() {
            let mut words = format!("not transparent: because {}", first.what);
            if open.len() > 1 {
                words.push_str(&format!(" (and {} more)", open.len() - 1));
            }
            words
        } else if let Some(first) = finding.flaws.first() {
            let mut words = format!(
                "transparent{only}, but for what is accepted: {}",
                first.what
            );
            if finding.flaws.len() > 1 {
                words.push_str(&format!(" (and {} more)", finding.flaws.len() - 1));
            }
            words
        } else {
            format!("transparent{only}")
        };
        Self { status, words }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Server;
    use super::*;
    use crate::problem::{Kind, Problem, Reach};

    fn server() -> Option<Server> {
        Some(Server {
            endpoint: "imaps://h:993".to_owned(),
            login: Ok(()),
            software: String::new(),
        })
    }

    #[test]
    fn the_weightiest_flaw_that_nobody_accepted_is_the_reason() {
        let flaw = |matter, what: &str| Flaw::new(matter, what);
        let accepted = |what: &str| flaw(Matter::Uidls, what).accepted_if(true);
        for (flaws, status, words) in [
            (vec![], Status::Ok, "transparent"),
            (
                vec![flaw(Matter::Login, "a"), flaw(Matter::Uidls, "b")],
                Status::Failed,
                "not transparent: because a (and 1 more)",
            ),
            (
                vec![flaw(Matter::Reading, "a")],
                Status::Failed,
                "not transparent: because a",
            ),
            (
                vec![flaw(Matter::Folders, "a"), accepted("b")],
                Status::Partial,
                "not transparent: because a",
            ),
            (
                vec![accepted("a"), accepted("b")],
                Status::Ok,
                "transparent, but for what is accepted: a (and 1 more)",
            ),
        ] {
            let finding = Finding {
                imap: server(),
                pop3: server(),
                flaws,
                ..Finding::new("u")
            };
            let verdict = Verdict::of(&finding);
            assert_eq!(
                (verdict.status, verdict.to_string().as_str()),
                (status, words)
            );
        }
    }

    #[test]
    fn a_user_of_one_protocol_is_told_so_and_an_interrupted_one_has_no_verdict() {
        let imap = Finding {
            imap: server(),
            ..Finding::new("u")
        };
        assert_eq!(Verdict::of(&imap).to_string(), "transparent (IMAP only)");
        let pop3 = Finding {
            pop3: server(),
            ..Finding::new("u")
        };
        assert_eq!(Verdict::of(&pop3).to_string(), "transparent (POP3 only)");
        let cut = Finding {
            ended_by: Some(Problem::new(Kind::Interrupted, Reach::Run, "stopped")),
            ..pop3
        };
        let verdict = Verdict::of(&cut);
        assert_eq!(verdict.to_string(), "not known: stopped");
        assert_eq!(verdict.status, Status::Failed);
    }
}
