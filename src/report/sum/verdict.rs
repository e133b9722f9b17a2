//! Whether the clients of a user will notice the move, by all that the reports say of it. The words
//! are those of a check ([`crate::check::Verdict`]).

use super::Standing;
use crate::problem::Problem;
use crate::report::{Status, UserReport};
use crate::text::counted;

/// What a boss wants to know of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// All is done, and no client will notice.
    Transparent,
    /// All is done that was asked for; clients will notice what an option has accepted.
    Accepted,
    /// Messages or folders are not done, or a verify has found differences or could not look.
    NotTransparent,
    /// The user is not done.
    NotDone,
    /// No run has begun with the user.
    NotExported,
}

impl Class {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [
        Self::Transparent,
        Self::Accepted,
        Self::NotTransparent,
        Self::NotDone,
        Self::NotExported,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transparent => "transparent",
            Self::Accepted => "accepted",
            Self::NotTransparent => "not transparent",
            Self::NotDone => "not done",
            Self::NotExported => "not exported",
        }
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Transparent => "moved, and no client will notice",
            Self::Accepted => "moved; clients notice what an option has accepted",
            Self::NotTransparent => "moved in part, or a verify found differences",
            Self::NotDone => "failed: the user is not moved, or not wholly",
            Self::NotExported => "no run has begun with the user",
        }
    }
}

/// Whether the clients of a user will notice the move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its class.
    pub class: Class,
    /// The class, and the weightiest reason with its count.
    pub words: String,
}

impl Verdict {
    /// The verdict on `user`; what POP3 shows of other folders is no loss where its run `collects` it.
    pub(super) fn of(user: &Standing, collects: bool) -> Self {
        let report = &user.report;
        let (class, reasons) = if user.run.is_none() && user.is_verified() {
            (Class::Transparent, Vec::new())
        } else if let (None, Some(differing)) = (user.run, differing(user)) {
            (Class::NotTransparent, vec![differing])
        } else if user.run.is_none() {
            let checked = user.checked.iter();
            let reasons = checked.map(|it| format!("check: {}", it.verdict));
            (Class::NotExported, reasons.collect())
        } else if report.status() == Status::Failed {
            (Class::NotDone, vec![worst(report)])
        } else {
            let mut reasons: Vec<String> = differing(user).into_iter().collect();
            if report.status() == Status::Partial {
                reasons.extend((!report.problems.is_empty()).then(|| worst(report)));
                reasons.extend(
                    (report.skipped() > 0)
                        .then(|| format!("{} messages are skipped", report.skipped())),
                );
            }
            if reasons.is_empty() {
                let accepted = accepted(report, collects);
                let class = match accepted.is_empty() {
                    true => Class::Transparent,
                    false => Class::Accepted,
                };
                (class, accepted)
            } else {
                (Class::NotTransparent, reasons)
            }
        };
        let before = match class {
            Class::Transparent if user.is_verified() => {
                return Self::new(class, "transparent, verified");
            }
            Class::Transparent if report.uidls == 0 => {
                return Self::new(class, "transparent (no UIDLs)");
            }
            Class::Transparent => return Self::new(class, class.word()),
            Class::Accepted => "transparent, but for what is accepted: ",
            Class::NotTransparent => "not transparent: because ",
            Class::NotDone => "not done: because ",
            Class::NotExported if reasons.is_empty() => {
                return Self::new(class, "not exported yet");
            }
            Class::NotExported => "not exported yet; ",
        };
        let more = match reasons.len() {
            0 | 1 => String::new(),
            more => format!(" (and {} more)", more - 1),
        };
        let first = reasons.first().map_or("", String::as_str);
        Self::new(class, format!("{before}{first}{more}"))
    }

    fn new(class: Class, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { class, words }
    }
}

/// The problem that reaches farthest, without its hint.
fn worst(report: &UserReport) -> String {
    let mut worst: Option<&Problem> = None;
    for problem in &report.problems {
        if worst.is_none_or(|worst| problem.reach > worst.reach) {
            worst = Some(problem);
        }
    }
    worst.map_or(String::new(), without_hint)
}

/// A problem with its class and place, without the way on.
pub(in crate::report) fn without_hint(problem: &Problem) -> String {
    let mut text = format!("{}: ", problem.kind.word());
    if let Some(folder) = &problem.folder {
        text.push_str(&format!("folder {folder}: "));
    }
    if let Some(message) = &problem.message {
        text.push_str(&format!("{message}: "));
    }
    text.push_str(&problem.what_and_why());
    text
}

/// What a verify has found, if anything.
fn differing(user: &Standing) -> Option<String> {
    let found = &user.look()?.of;
    let why = found.verdict.strip_prefix("not transparent because ");
    let why = why.unwrap_or(&found.verdict);
    match found.status {
        Status::Ok => None,
        Status::Partial => Some(format!(
            "verify finds {}: {why}",
            counted(found.differences, "difference")
        )),
        Status::Failed => Some(format!("verify: {}", found.error)),
    }
}

/// What is there only since an option lets it, or the user would have failed.
fn accepted(report: &UserReport, collects: bool) -> Vec<String> {
    let elsewhere = if collects { 0 } else { report.uidls_elsewhere };
    let kinds = [
        (report.uidls_missing, "messages of INBOX have no UIDL"),
        (report.uidls_extra, "UIDLs have no message"),
        (
            elsewhere,
            "UIDLs are of messages in other folders, which POP3 will not show",
        ),
        (
            report.uidls_unholdable,
            "UIDLs cannot be held by a server of the target",
        ),
        (
            report.order_breaks,
            "places of the POP3 order cannot be held by a server of the target",
        ),
    ];
    let there = kinds.into_iter().filter(|(count, _)| *count > 0);
    there
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
}
