//! What a run has to know of what comes out for one user, of whatever command.

use crate::check;
use crate::problem::{Kind, Problem, Reach};
use crate::report::{Status, UserReport};
use crate::user::Outcome;
use crate::verify;

/// What comes out for one user.
pub(super) trait PerUser: Send {
    /// What comes out when `problem` has ended a user's task (0 `attempts`: before it began).
    fn ended(user: &str, attempts: u32, problem: Problem) -> Self;

    /// What went wrong with the whole of it.
    fn problems(&self) -> &[Problem];

    /// What went wrong, on one line; empty if nothing did.
    fn error(&self) -> String;

    /// Whether the user could log in; `None` where it did not come so far.
    fn login(&self) -> Option<bool>;

    /// How the user came out.
    fn status(&self) -> Status;

    /// Whether every other user would meet the same.
    fn stops_the_run(&self) -> bool {
        let mut problems = self.problems().iter();
        problems.any(|problem| problem.reach == Reach::Run)
    }
}

impl PerUser for Outcome {
    fn ended(user: &str, attempts: u32, problem: Problem) -> Self {
        Self::without_plan(UserReport {
            attempts,
            problems: vec![problem],
            ..UserReport::new(user)
        })
    }

    fn problems(&self) -> &[Problem] {
        &self.report.problems
    }

    fn error(&self) -> String {
        self.report.error()
    }

    fn status(&self) -> Status {
        self.report.status()
    }

    fn login(&self) -> Option<bool> {
        let is_refused = |problem: &Problem| problem.kind == Kind::Auth;
        let refused = self.problems().iter().any(is_refused);
        let worked = self.problems().is_empty() || self.report.folders > 0;
        (refused || worked).then_some(!refused)
    }
}

impl PerUser for check::Finding {
    fn ended(user: &str, attempts: u32, problem: Problem) -> Self {
        Self {
            attempts,
            ended_by: Some(problem),
            ..Self::new(user)
        }
    }

    fn problems(&self) -> &[Problem] {
        self.ended_by.as_slice()
    }

    fn error(&self) -> String {
        self.trouble()
    }

    fn status(&self) -> Status {
        check::Verdict::of(self).status
    }

    fn login(&self) -> Option<bool> {
        let servers = [&self.imap, &self.pop3].into_iter().flatten();
        let mut problems = servers
            .filter_map(|server| server.login.as_ref().err())
            .peekable();
        let worked = self.ended_by.is_none() && problems.peek().is_none();
        let refused = problems.any(|problem| problem.kind == Kind::Auth);
        (refused || worked).then_some(!refused)
    }
}

impl PerUser for verify::Finding {
    fn ended(user: &str, attempts: u32, problem: Problem) -> Self {
        Self {
            attempts,
            ended_by: Some(problem),
            ..Self::new(user)
        }
    }

    fn problems(&self) -> &[Problem] {
        self.ended_by.as_slice()
    }

    fn error(&self) -> String {
        self.trouble()
    }

    fn status(&self) -> Status {
        verify::Verdict::of(self).status
    }

    fn login(&self) -> Option<bool> {
        match &self.ended_by {
            None => Some(true),
            Some(problem) => (problem.kind == Kind::Auth).then_some(false),
        }
    }
}
