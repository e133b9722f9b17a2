//! One user, after an export and before the cutover: is what the new host has, or will show, what the
//! old one shows? Nothing is changed or locked, on neither side.
//!
//! The old server is listed once more and held against
//!
//! * the Maildir, as each server that is to serve it will show it: its files and lists for IMAP
//!   (`tree`), what [`crate::announce`] foretells for POP3;
//! * the new server itself, where it runs already (`--new`), by the same comparisons
//!   ([`folder`], [`maildrop`]).
//!
//! Folders are looked at one by one, so that memory is bounded by the largest of them. What is compared
//! is what clients see; an export is not planned anew: a Maildir with no difference has nothing that
//! an export would have to mend.

mod content;
mod dates;
pub mod difference;
mod disk;
pub mod folder;
mod folders;
mod inbox;
mod live;
mod mailbox;
mod maildir;
pub mod maildrop;
mod pop3_only;
mod sample;
mod tree;
mod unfixed;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tracing::Level;

use crate::config::{Account, Config, User, Verification};
use crate::mail::FolderPath;
use crate::plan::Policy;
use crate::problem::{Kind, Problem, Reach};
use crate::report::UserLog;
use crate::source::login::Login;
use crate::source::net::Dialer;
use crate::source::net::hosts::Turn;
use crate::source::pop3::Pipelining;
use crate::source::{Maildrop, imap, pop3};
use crate::user::{self, Breaks, Failures, LoginDelay};

pub use difference::{Difference, What};
pub use maildrop::Risk;
pub use verdict::Verdict;

/// So many differences of a user are told one by one; the rest is counted.
const TOLD: usize = 10_000;

/// What all users of a run share.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What was asked for.
    pub config: &'a Config,
    /// What to look at.
    pub verification: &'a Verification,
    /// Opens connections.
    pub dialer: &'a Dialer,
    /// The user's place among those at work.
    pub turn: &'a Turn<'a>,
    /// Set when the run is to stop.
    pub stop: &'a AtomicBool,
}

/// What was found of one user.
#[derive(Debug, Default)]
pub struct Finding {
    /// The name in the user list.
    pub user: String,
    /// Folders of the old server that were looked at.
    pub folders: u64,
    /// Messages in them.
    pub messages: u64,
    /// Messages of which every byte was compared.
    pub content_checked: u64,
    /// The differences, the first so many.
    pub differences: Vec<Difference>,
    /// How many differences there are of each kind.
    pub counts: std::collections::BTreeMap<What, u64>,
    /// What a POP3 client would download again.
    pub risk: Risk,
    /// How long it took.
    pub seconds: f64,
    /// How many attempts it took; 0: not begun.
    pub attempts: u32,
    /// What ended it before its end.
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

    /// How many differences there are.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// What went wrong on the way to the verdict, on one line; empty if nothing did.
    pub fn trouble(&self) -> String {
        let told = |problem: &Problem| format!("{}: {problem}", problem.kind.word());
        self.ended_by.as_ref().map_or(String::new(), told)
    }

    fn take(&mut self, found: Vec<Difference>) {
        for difference in found {
            *self.counts.entry(difference.what).or_default() += 1;
            if self.differences.len() < TOLD {
                self.differences.push(difference);
            }
        }
    }
}

/// Looks at `user`. Problems are in the finding, none comes back.
pub fn run(user: &User, context: Context<'_>, log: &UserLog) -> Finding {
    let start = Instant::now();
    let mut verify = Verify {
        user,
        context,
        log,
        finding: Finding::new(&user.name),
        done: HashSet::new(),
        old_delay: LoginDelay::default(),
        new_delay: LoginDelay::default(),
        breaks: HashMap::new(),
        pop3_breaks: Breaks::default(),
        one_at_a_time: false,
        fixes_validity: false,
    };
    let ended_by = verify.until_done().err();
    let mut finding = verify.finding;
    finding.ended_by = ended_by;
    finding.seconds = start.elapsed().as_secs_f64();
    for difference in &finding.differences {
        log.line(Level::INFO, difference.to_string());
    }
    log.line(Level::INFO, Verdict::of(&finding).to_string());
    finding
}

/// The look at one user, as far as it is.
struct Verify<'a> {
    user: &'a User,
    context: Context<'a>,
    log: &'a UserLog,
    finding: Finding,
    /// The folders that need not be looked at once more when the connection has broken.
    done: HashSet<FolderPath>,
    old_delay: LoginDelay,
    new_delay: LoginDelay,
    /// Messages at which a connection broke while they were read, by folder.
    breaks: HashMap<FolderPath, Breaks>,
    /// The same of the maildrop.
    pop3_breaks: Breaks,
    /// A POP3 server fell out of step: no commands sent ahead.
    one_at_a_time: bool,
    /// The old server has told a UIDVALIDITY twice that differs from ours: it is no use to ask of other folders.
    fixes_validity: bool,
}

/// The accounts of a user that are looked at, and what lets us in.
struct Logins<'a> {
    imap: Option<(&'a Account, Login)>,
    pop3: Option<(&'a Account, Login)>,
    new_imap: Option<(&'a Account, Login)>,
    new_pop3: Option<(&'a Account, Login)>,
}

/// A POP3 session with what it lists.
struct Opened {
    session: pop3::Session,
    listing: Maildrop,
}

impl Verify<'_> {
    fn until_done(&mut self) -> Result<(), Problem> {
        let Context {
            config,
            verification,
            turn,
            stop,
            ..
        } = self.context;
        let new = verification.new.as_ref();
        let [new_imap, new_pop3] = new.map(|new| new.accounts(self.user)).unwrap_or_default();
        let mut failures = Failures::default();
        loop {
            // Anew each time: a token may have expired since.
            let logins = Logins {
                imap: resolved(self.user.imap.as_ref(), config)?,
                pop3: resolved(self.user.pop3.as_ref(), config)?,
                new_imap: resolved(new_imap.as_ref(), config)?,
                new_pop3: resolved(new_pop3.as_ref(), config)?,
            };
            self.find_tree()?;
            self.go_on()?;
            self.finding.attempts += 1;
            let result = match &logins.imap {
                Some(_) => self.by_imap(&logins),
                None => self.by_pop3(&logins),
            };
            let Err(problem) = result else {
                return Ok(());
            };
            self.one_at_a_time |= problem.kind == Kind::Protocol && problem.retry;
            failures.wait(problem, (config, turn, stop), self.log)?;
        }
    }

    fn go_on(&self) -> Result<(), Problem> {
        match self.context.stop.load(Ordering::Relaxed) {
            true => Err(user::interrupted()),
            false => Ok(()),
        }
    }

    /// That a Maildir which is to be looked at is there: without, all would be told as missing.
    fn find_tree(&self) -> Result<(), Problem> {
        let root = &self.user.maildir;
        match disk::owner(root) {
            Err(error) if self.has_tree() && error.kind() == ErrorKind::NotFound => {
                let what = format!("there is no Maildir {}", root.display());
                let hint = "export this user first; or see what --maildir, or the user list, says";
                Err(Problem::new(Kind::Target, Reach::User, what).with_hint(hint))
            }
            // Anything else that is wrong with it shows in INBOX.
            _ => Ok(()),
        }
    }

    /// Whether there is a Maildir to look at.
    fn has_tree(&self) -> bool {
        !self.user.maildir.as_os_str().is_empty()
    }

    fn policy(&self) -> Policy {
        let config = self.context.config;
        Policy {
            servers: config.target.servers,
            listed: config.target.servers,
            uidls: config.uidls,
            rerun: config.rerun,
        }
    }

    fn open_imap(
        &self,
        account: Option<&(&Account, Login)>,
    ) -> Result<Option<imap::Session>, Problem> {
        let Some((account, login)) = account else {
            return Ok(None);
        };
        let connection = self.context.dialer.connect(&account.endpoint)?;
        let session = imap::Session::open(connection, login, &account.endpoint);
        session
            .map(Some)
            .map_err(|problem| problem.at_server(&account.endpoint))
    }

    /// `is_new`: of the new server.
    fn open_pop3(
        &mut self,
        account: Option<&(&Account, Login)>,
        is_new: bool,
    ) -> Result<Option<Opened>, Problem> {
        let Some((account, login)) = account else {
            return Ok(None);
        };
        let Context { dialer, stop, .. } = self.context;
        let delay = match is_new {
            true => &mut self.new_delay,
            false => &mut self.old_delay,
        };
        let pipelining = match self.one_at_a_time {
            true => Pipelining::Never,
            false => Pipelining::WhereAnnounced,
        };
        let mut session = delay
            .log_in(self.log, stop, || {
                let connection = dialer.connect(&account.endpoint)?;
                pop3::Session::open(connection, login, &account.endpoint, pipelining, || {})
            })
            .map_err(|problem| problem.at_server(&account.endpoint))?;
        let listing = session.listing()?;
        Ok(Some(Opened { session, listing }))
    }
}

fn resolved<'a>(
    account: Option<&'a Account>,
    config: &Config,
) -> Result<Option<(&'a Account, Login)>, Problem> {
    let Some(account) = account else {
        return Ok(None);
    };
    let login = account.credential.resolve(config.timeout)?;
    Ok(Some((account, login)))
}
