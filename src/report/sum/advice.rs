//! What is to be done about what is not done: users of one trouble together, with the way on.

use std::collections::HashMap;

use super::verdict::without_hint;
use super::{Standing, Sum};
use crate::problem::Kind;
use crate::report::Status;
use crate::text::printable;

/// One trouble, and whom it concerns.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What it is, in a few words.
    pub what: String,
    /// The way on.
    pub advice: String,
    /// It as the first of the users has it.
    pub example: String,
    /// The places of the users in [`Sum::users`].
    pub users: Vec<usize>,
}

impl Sum {
    /// The troubles, the one with most users first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut places: HashMap<(String, String), usize> = HashMap::new();
        let mut troubles: Vec<Trouble> = Vec::new();
        for (user, standing) in self.users.iter().enumerate() {
            for (what, advice, example) in of_user(standing) {
                let key = (what.clone(), advice.clone());
                let place = *places.entry(key).or_insert(troubles.len());
                match troubles.get_mut(place) {
                    Some(trouble) if trouble.users.last() == Some(&user) => {}
                    Some(trouble) => trouble.users.push(user),
                    None => troubles.push(Trouble {
                        what,
                        advice,
                        example,
                        users: vec![user],
                    }),
                }
            }
        }
        troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.users.len()));
        troubles
    }
}

/// What, advice and example of each trouble of a user.
fn of_user(user: &Standing) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    if user.run.is_none() && user.look().is_none() {
        let example = user
            .checked
            .as_ref()
            .map_or("no run has begun with this user", |it| &it.verdict);
        let what = "not exported yet".to_owned();
        found.push((what, NOT_EXPORTED.to_owned(), printable(example)));
    } else if user.run.is_some() {
        for problem in &user.report.problems {
            let what = heading(problem.kind).to_owned();
            let advice = problem.hint().unwrap_or_else(|| way_on(problem.kind));
            found.push((what, advice.to_owned(), without_hint(problem)));
        }
    }
    for skip in &user.report.skips {
        // What has kept it from being reached is told already.
        if skip.reason.starts_with("not reached: ") && !user.report.problems.is_empty() {
            continue;
        }
        let what = format!("messages skipped: {}", printable(&skip.reason));
        let mut example = printable(&skip.folder);
        if let Some(uid) = skip.uid {
            example.push_str(&format!(", UID {uid}"));
        }
        if let Some(uidl) = &skip.uidl {
            example.push_str(&format!(", UIDL {}", printable(uidl)));
        }
        found.push((what, SKIPPED.to_owned(), example));
    }
    let Some(look) = user.look() else {
        return found;
    };
    if look.of.status == Status::Failed {
        let what = "verify could not look".to_owned();
        found.push((what, UNSEEN.to_owned(), printable(&look.of.error)));
    }
    if let Some(first) = look.differences.first() {
        let example = [
            &first.folder,
            &first.uid,
            &first.what,
            &first.old,
            &first.new,
        ];
        let example: Vec<String> = example.into_iter().map(|it| printable(it)).collect();
        found.push((
            "verify finds differences".to_owned(),
            DIFFERS.to_owned(),
            example.join(" "),
        ));
    }
    found
}

const NOT_EXPORTED: &str = "Look at what the check says, then export these users.";
const SKIPPED: &str = "skipped.csv lists each message with its reason. Export these users again: what \
                       is there is kept, and the rest is tried once more. If a message still does not \
                       come, look at it on the old server.";
const DIFFERS: &str = "verify.csv lists each difference. Export these users again, then verify them \
                       again.";

const UNSEEN: &str =
    "Mend what the words say, then verify these users again (--only-failed verified.csv).";

/// What a class of problems is called above the advice.
fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Auth => "login refused",
        Kind::Tls => "no secure connection",
        Kind::Network => "connection lost",
        Kind::Busy => "server busy",
        Kind::Refused => "server refused",
        Kind::Protocol => "server out of step",
        Kind::Pairing => "UIDLs in doubt",
        Kind::Unholdable => "target cannot hold it",
        Kind::Conflict => "conflict on the target",
        Kind::Target => "target not usable",
        Kind::Space => "no room on the target",
        Kind::Input => "wrong input",
        Kind::Interrupted => "interrupted",
        Kind::Stopped => "not begun",
        Kind::Capped => "daily cap reached",
        Kind::Internal => "bug of mailseed",
    }
}

/// The way on where a problem has no hint of its own.
fn way_on(kind: Kind) -> &'static str {
    match kind {
        Kind::Auth => {
            "Check login name and password in the user list, then export these users again."
        }
        Kind::Tls => "Check the server's certificate and TLS version: --tls-ca, --tls-legacy.",
        Kind::Network => {
            "See that the server can be reached, then export these users again: it goes on where it stopped."
        }
        Kind::Busy => "Export these users again later, or with a smaller --jobs.",
        Kind::Refused => {
            "The server's words say why; ask its admin. Then export these users again."
        }
        Kind::Protocol => {
            "Export these users again. If it stays so, report it with the user's log."
        }
        Kind::Pairing => "mailseed explain tells of each message. Nothing was published in doubt.",
        Kind::Unholdable => {
            "Choose another name or target for it (--map, --layout, --target), or accept it (--unholdable report)."
        }
        Kind::Conflict => {
            "Look at the Maildir: what lies there is not from this migration, or has been changed."
        }
        Kind::Target => {
            "Make space and see to the permissions of the target, then export these users again."
        }
        Kind::Space => "Make room on the target, then export these users again.",
        Kind::Input => "Correct the user list or the options, then export these users again.",
        Kind::Interrupted | Kind::Stopped => {
            "Export these users again: it goes on where it stopped."
        }
        Kind::Capped => "Export these users again on the next day: it goes on where it stopped.",
        Kind::Internal => "Report it, with the user's log. Other users are not concerned.",
    }
}
