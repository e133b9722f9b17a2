//! One user, looked at weeks before the move: do the logins work, what is there, and will its
//! clients notice that it moved? Nothing is changed on the source and nothing of the target is read.
//!
//! The answers come from what an export works with, [`crate::matching`] and [`crate::plan`], so
//! that a check cannot promise what an export does not keep. A folder's listing is forgotten
//! before the next one is read; of messages no more is read than the pairing needs.

mod folders;
mod foretold;
mod inbox;
mod mailbox;
mod maildrop;
mod uidls;
mod verdict;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tracing::Level;

use crate::config::{Account, Config, User};
use crate::mail::FolderPath;
use crate::problem::{Kind, Problem, Reach};
use crate::report::UserLog;
use crate::source::login::Login;
use crate::source::net::Dialer;
use crate::source::net::hosts::Turn;
use crate::user::{self, Breaks, Failures, LoginDelay};

pub use mailbox::{Largest, Mailbox};
pub use maildrop::{Maildropped, Top};
pub use uidls::{Scheme, Uidls};
pub use verdict::{Flaw, Matter, Verdict};

/// What all users of a run share.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What was asked for.
    pub config: &'a Config,
    /// Opens connections.
    pub dialer: &'a Dialer,
    /// The user's place among those at work.
    pub turn: &'a Turn<'a>,
    /// Set when the run is to stop.
    pub stop: &'a AtomicBool,
}

/// One server of one user.
#[derive(Debug)]
pub struct Server {
    /// Where it is, as a URL.
    pub endpoint: String,
    /// Whether it lets the user in.
    pub login: Result<(), Problem>,
    /// What it says that it is; printable, empty where it does not say.
    pub software: String,
}

/// What was found of one user.
#[derive(Debug, Default)]
pub struct Finding {
    /// The name in the user list.
    pub user: String,
    /// The IMAP server, where the user has one.
    pub imap: Option<Server>,
    /// The POP3 server, where the user has one.
    pub pop3: Option<Server>,
    /// What the POP3 server lists, where it could be listed.
    pub maildrop: Option<Maildropped>,
    /// All folders; for a user without IMAP the maildrop, as INBOX.
    pub mailbox: Mailbox,
    /// What clients will notice, the weightiest first.
    pub flaws: Vec<Flaw>,
    /// How long it took.
    pub seconds: f64,
    /// How many attempts it took on both protocols together; 0: not begun.
    pub attempts: u32,
    /// What ended the check before its end: interrupted, or a bug of ours.
    pub ended_by: Option<Problem>,
}

impl Finding {
    /// Nothing found yet.
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            ..Self::default()
        }
    }

    /// What went wrong on the way to the verdict, on one line; empty if nothing did. A user who
    /// is only not transparent is no trouble.
    pub fn trouble(&self) -> String {
        let logins = [("IMAP", &self.imap), ("POP3", &self.pop3)];
        let logins = logins.into_iter().filter_map(|(protocol, server)| {
            let problem = server.as_ref()?.login.as_ref().err()?;
            Some(format!("{protocol} {}: {problem}", class(problem.kind)))
        });
        let ended = self.ended_by.iter().map(|problem| {
            let word = problem.kind.word();
            format!("{word}: {problem}")
        });
        let unread = self.flaws.iter().filter_map(|flaw| {
            let told = flaw.matter == Matter::Reading;
            told.then(|| flaw.what.clone())
        });
        let all: Vec<String> = ended.chain(logins).chain(unread).collect();
        all.join("; ")
    }
}

/// What a login failed of, in the word for it in tables.
pub fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Auth => "password",
        kind => kind.word(),
    }
}

/// Looks at `user`. Problems are in the finding, none comes back.
pub fn run(user: &User, context: Context<'_>, log: &UserLog) -> Finding {
    let start = Instant::now();
    let mut check = Check {
        user,
        context,
        log,
        finding: Finding::new(&user.name),
        pop3_delay: LoginDelay::default(),
        pop3_login: None,
        imap_breaks: HashMap::new(),
        pop3_breaks: Breaks::default(),
        one_at_a_time: false,
    };
    if let Err(problem) = check.run() {
        check.finding.ended_by = Some(problem);
    }
    let mut finding = check.finding;
    finding.flaws.append(&mut finding.mailbox.flaws);
    finding
        .flaws
        .sort_by_key(|flaw| (flaw.accepted, flaw.matter));
    finding.seconds = start.elapsed().as_secs_f64();
    for line in details(&finding) {
        log.line(Level::INFO, line);
    }
    finding
}

/// Everything found of a user that the one line of a table has no room for.
pub fn details(finding: &Finding) -> Vec<String> {
    let mut lines = Vec::new();
    for (protocol, server) in [("IMAP", &finding.imap), ("POP3", &finding.pop3)] {
        let Some(server) = server else { continue };
        let outcome = match &server.login {
            Ok(()) if server.software.is_empty() => "the login works".to_owned(),
            Ok(()) => format!("the login works; {}", server.software),
            Err(problem) => format!("{}: {problem}", class(problem.kind)),
        };
        lines.push(format!("{protocol} {}: {outcome}", server.endpoint));
    }
    lines.extend(finding.maildrop.iter().map(Maildropped::line));
    lines.extend(finding.mailbox.uidls.iter().flat_map(Uidls::lines));
    lines.extend(finding.mailbox.notes.iter().cloned());
    lines.extend(finding.flaws.iter().map(|flaw| {
        let accepted = if flaw.accepted { " (accepted)" } else { "" };
        format!("noticed: {}{accepted}", flaw.what)
    }));
    lines.push(Verdict::of(finding).to_string());
    lines
}

/// The check of one user, as far as it is.
struct Check<'a> {
    user: &'a User,
    context: Context<'a>,
    log: &'a UserLog,
    finding: Finding,
    pop3_delay: LoginDelay,
    /// What let us in.
    pop3_login: Option<Login>,
    /// Messages at which the connection broke while they were read for the pairing, by folder.
    imap_breaks: HashMap<FolderPath, Breaks>,
    /// The same of the maildrop.
    pop3_breaks: Breaks,
    /// The POP3 server fell out of step: no commands sent ahead.
    one_at_a_time: bool,
}

impl Check<'_> {
    /// # Errors
    /// The run is to stop.
    fn run(&mut self) -> Result<(), Problem> {
        // POP3 first, as an export does: mail that comes in between is in IMAP only, and harmless.
        let mut maildrop = self.look_at_pop3()?;
        match &self.user.imap {
            Some(account) => self.look_at_imap(account, &mut maildrop)?,
            None => {
                if let Some(maildrop) = &maildrop {
                    self.take_for_inbox(&maildrop.listing);
                }
            }
        }
        if let Some(maildrop) = maildrop {
            maildrop.session.quit();
        }
        Ok(())
    }

    /// Does `work` with the login of `account`.
    ///
    /// # Errors
    /// There is no secret; or those of [`Check::until_done`].
    fn with_login<T>(
        &mut self,
        account: &Account,
        mut work: impl FnMut(&mut Self, &Login) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.go_on()?;
        let login = account.credential.resolve(self.context.config.timeout)?;
        self.until_done(|check| work(check, &login))
    }

    /// The server as it has shown itself, `software` being known once the login works, and what
    /// was read of it; what went wrong is noted.
    ///
    /// # Errors
    /// The run is to stop.
    fn outcome<T>(
        &mut self,
        protocol: &str,
        account: &Account,
        software: Option<String>,
        outcome: Result<T, Problem>,
    ) -> Result<(Server, Option<T>), Problem> {
        let (read, problem) = match outcome {
            Ok(read) => (Some(read), None),
            Err(problem) if problem.reach == Reach::Run => return Err(problem),
            Err(problem) => (None, Some(problem)),
        };
        let (login, flaw) = match (problem, &software) {
            (None, _) => (Ok(()), None),
            (Some(problem), Some(_)) => {
                let what = format!("{protocol} could not be read: {problem}");
                (Ok(()), Some(Flaw::new(Matter::Reading, what)))
            }
            (Some(problem), None) => {
                let class = class(problem.kind);
                let what = format!("the {protocol} login fails ({class})");
                (Err(problem), Some(Flaw::new(Matter::Login, what)))
            }
        };
        self.finding.flaws.extend(flaw);
        let server = Server {
            endpoint: account.endpoint.to_string(),
            login,
            software: software.unwrap_or_default(),
        };
        Ok((server, read))
    }

    /// Does `work`, again where that may help.
    ///
    /// # Errors
    /// The last problem; of kind Interrupted where the run is to stop.
    fn until_done<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut failures = Failures::default();
        loop {
            self.finding.attempts += 1;
            let problem = match work(self) {
                Ok(done) => return Ok(done),
                Err(problem) => problem,
            };
            self.one_at_a_time |= problem.kind == Kind::Protocol && problem.retry;
            let Context {
                config, turn, stop, ..
            } = self.context;
            failures.wait(problem, (config, turn, stop), self.log)?;
        }
    }

    fn go_on(&self) -> Result<(), Problem> {
        match self.context.stop.load(Ordering::Relaxed) {
            true => Err(user::interrupted()),
            false => Ok(()),
        }
    }
}
