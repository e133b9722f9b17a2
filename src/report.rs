//! What was done: a [`UserReport`] a user, made by its task, counted in ([`ExportReport`]) and put away
//! ([`journal`]) when the user is done. At the end come from these, in the order of the input, the words
//! for a person ([`person`]), the files for `--report` ([`files`]) and the exit status. A check has a
//! report of its own ([`check`]), and so has a verify ([`verify`]). Reports of many runs are read back
//! ([`read`]) and summed ([`sum`]) for a person, as text, CSV or a page ([`html`]).

pub mod check;
pub mod counts;
mod export;
mod figures;
pub mod files;
mod gathered;
pub mod html;
pub mod journal;
mod json;
mod looks;
pub mod person;
pub mod read;
pub mod sizes;
pub mod sum;
mod table;
pub mod user_log;
pub mod verify;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Reach};

pub use check::CheckReport;
pub use export::ExportReport;
pub use files::ReportDir;
pub use gathered::{Gathered, Tally};
pub use journal::Journal;
pub use user_log::UserLog;
pub use verify::VerifyReport;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is done.
    Ok = 0,
    /// Some users or messages are not done.
    Some = 1,
    /// The command line or the user list is wrong; nothing was started.
    Usage = 2,
    /// The target is not usable; stopped.
    Target = 3,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// How a user came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every message is where it should be.
    Ok,
    /// Messages or folders are not done.
    Partial,
    /// The user is not done.
    Failed,
}

impl Status {
    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Partial => "partial",
            Status::Failed => "failed",
        }
    }
}

/// A message that was not exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Its folder, as a person calls it: one text for all of a folder that fails.
    pub folder: Arc<str>,
    /// Its UID, where IMAP listed it.
    pub uid: Option<u32>,
    /// Its UIDL, where POP3 listed it.
    pub uidl: Option<String>,
    /// Its size in octets as the source says.
    pub size: Option<u64>,
    /// Why it was not exported; shared like the folder.
    pub reason: Arc<str>,
}

/// What became of one user. Every message of the source is in one bucket: added, kept, skipped, or
/// deleted on the target by its owner.
#[derive(Debug, Default)]
pub struct UserReport {
    /// The name in the user list.
    pub user: String,
    /// Folders at the source.
    pub folders: u64,
    /// Messages at the source.
    pub messages: u64,
    /// Their octets, as the source says.
    pub bytes: u64,
    /// Messages written in this run.
    pub added: u64,
    /// Their octets, as the source says.
    pub added_bytes: u64,
    /// Messages that were in the Maildir already.
    pub kept: u64,
    /// Of those kept, the ones whose flags changed.
    pub changed: u64,
    /// Messages removed from the Maildir.
    pub deleted: u64,
    /// Messages of the source that were deleted on the target, and stay so.
    pub left_deleted: u64,
    /// Messages deleted at the source since they are in the Maildir; each is added or kept, too.
    pub source_deleted: u64,
    /// UIDLs that the POP3 source listed.
    pub uidls: u64,
    /// INBOX messages without a UIDL.
    pub uidls_missing: u64,
    /// UIDLs without a message.
    pub uidls_extra: u64,
    /// UIDLs of messages in other folders than INBOX.
    pub uidls_elsewhere: u64,
    /// UIDLs that a server of the target cannot hold, and need not.
    pub uidls_unholdable: u64,
    /// Places at which a server of the target lists INBOX in another order, and may.
    pub order_breaks: u64,
    /// The farthest that a date had to move for qmail's order, in seconds.
    pub max_date_shift_s: u64,
    /// How long it took.
    pub seconds: f64,
    /// How many sessions it took, at least 1 once begun.
    pub attempts: u32,
    /// The messages not exported.
    pub skips: Vec<Skip>,
    /// What went wrong.
    pub problems: Vec<Problem>,
    /// What a person should know though nothing went wrong.
    pub notes: Vec<String>,
}

impl UserReport {
    /// A report in which nothing has happened yet.
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            ..Self::default()
        }
    }

    /// How many messages were not exported.
    pub fn skipped(&self) -> u64 {
        self.skips.len() as u64
    }

    /// How the user came out.
    pub fn status(&self) -> Status {
        if self.problems.iter().any(|it| it.reach >= Reach::User) {
            Status::Failed
        } else if !self.skips.is_empty() || !self.problems.is_empty() {
            Status::Partial
        } else {
            Status::Ok
        }
    }

    /// The problem that reaches farthest (the first of those), on one line; empty without any.
    pub fn error(&self) -> String {
        let farthest = self.problems.iter().map(|it| it.reach).max();
        let Some(worst) = self.problems.iter().find(|it| Some(it.reach) == farthest) else {
            return String::new();
        };
        match self.problems.len() - 1 {
            0 => format!("{}: {worst}", worst.kind.word()),
            more => format!("{}: {worst} (and {more} more)", worst.kind.word()),
        }
    }

    /// Whether the sums close: each message of the source is in one bucket.
    pub fn closes(&self) -> bool {
        self.messages == self.added + self.kept + self.skipped() + self.left_deleted
    }
}

/// What became of all users, as it was read back.
#[derive(Debug)]
pub struct RunReport {
    /// The users, in the order of the input.
    pub users: Vec<UserReport>,
    /// When it began.
    pub started: jiff::Timestamp,
    /// When it ended.
    pub finished: jiff::Timestamp,
    /// What was typed, without secrets: [`crate::config::Config::options`].
    pub options: serde_json::Value,
    /// Nothing was written: what is counted as added would be.
    pub dry_run: bool,
}

/// The sums over all users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is the sum of the field of that name in UserReport"
)]
pub struct Totals {
    pub users: u64,
    pub ok: u64,
    pub partial: u64,
    pub failed: u64,
    pub folders: u64,
    pub messages: u64,
    pub bytes: u64,
    pub added: u64,
    pub kept: u64,
    pub changed: u64,
    pub deleted: u64,
    pub skipped: u64,
    pub uidls: u64,
    pub uidls_missing: u64,
    pub uidls_extra: u64,
    pub uidls_elsewhere: u64,
    pub left_deleted: u64,
    pub source_deleted: u64,
    #[serde(default)]
    pub added_bytes: u64,
}

impl Totals {
    /// Counts one more user in.
    pub fn add(&mut self, user: &UserReport) {
        self.users += 1;
        match user.status() {
            Status::Ok => self.ok += 1,
            Status::Partial => self.partial += 1,
            Status::Failed => self.failed += 1,
        }
        self.folders += user.folders;
        self.messages += user.messages;
        self.bytes += user.bytes;
        self.added += user.added;
        self.kept += user.kept;
        self.changed += user.changed;
        self.deleted += user.deleted;
        self.skipped += user.skipped();
        self.uidls += user.uidls;
        self.uidls_missing += user.uidls_missing;
        self.uidls_extra += user.uidls_extra;
        self.uidls_elsewhere += user.uidls_elsewhere;
        self.left_deleted += user.left_deleted;
        self.source_deleted += user.source_deleted;
        self.added_bytes += user.added_bytes;
    }
}

impl RunReport {
    /// The sums over all users.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for user in &self.users {
            totals.add(user);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;
    use crate::user::Outcome;

    fn exit(users: impl IntoIterator<Item = UserReport>) -> Exit {
        let mut report = ExportReport::of_nobody();
        for user in users {
            report.take(Outcome::without_plan(user));
        }
        report.exit()
    }

    fn skip() -> Skip {
        Skip {
            folder: "INBOX".into(),
            uid: Some(1),
            uidl: None,
            size: None,
            reason: "gone".into(),
        }
    }

    fn problem(kind: Kind, reach: Reach) -> Problem {
        Problem::new(kind, reach, format!("{reach:?}"))
    }

    #[test]
    fn status_error_and_exit_follow_from_what_happened() {
        let cases: Vec<(usize, Vec<Problem>, Status, &str, Exit)> = vec![
            (0, vec![], Status::Ok, "", Exit::Ok),
            (1, vec![], Status::Partial, "", Exit::Some),
            (
                0,
                vec![problem(Kind::Refused, Reach::Folder)],
                Status::Partial,
                "refused: Folder",
                Exit::Some,
            ),
            (
                0,
                vec![
                    problem(Kind::Protocol, Reach::Message),
                    problem(Kind::Auth, Reach::User),
                    problem(Kind::Tls, Reach::User),
                ],
                Status::Failed,
                "auth: User (and 2 more)",
                Exit::Some,
            ),
            (
                0,
                vec![problem(Kind::Target, Reach::User)],
                Status::Failed,
                "target: User",
                Exit::Some,
            ),
            (
                0,
                vec![problem(Kind::Target, Reach::Run)],
                Status::Failed,
                "target: Run",
                Exit::Target,
            ),
            (
                0,
                vec![
                    problem(Kind::Target, Reach::Run),
                    problem(Kind::Interrupted, Reach::Run),
                ],
                Status::Failed,
                "target: Run (and 1 more)",
                Exit::Interrupted,
            ),
        ];
        for (skipped, problems, status, error, exit) in cases {
            let user = UserReport {
                skips: vec![skip(); skipped],
                problems,
                ..UserReport::new("u")
            };
            assert_eq!(user.status(), status, "{error}");
            assert_eq!(user.error(), error);
            let ended = self::exit([UserReport::new("fine"), user]);
            assert_eq!(ended, exit, "{error}");
        }
        assert_eq!(Exit::Interrupted as u8, 130);
        let unwritable = UserReport {
            problems: vec![problem(Kind::Target, Reach::User)],
            ..UserReport::new("u")
        };
        assert_eq!(exit([unwritable]), Exit::Target);
        assert_eq!(exit([]), Exit::Ok);
    }

    #[test]
    fn sums_close_or_it_shows() {
        let mut user = UserReport {
            messages: 6,
            added: 2,
            kept: 3,
            ..UserReport::new("u")
        };
        assert!(!user.closes());
        user.skips.push(skip());
        assert!(user.closes());
        user.skips.push(skip());
        assert!(!user.closes(), "a message in two buckets");
    }
}
