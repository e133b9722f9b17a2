//! One user, from login to report: the only module that sees source and target.
//!
//! A user is worked on in attempts. An attempt opens new sessions, compares each folder with what
//! is on disk and does what is missing; when a connection breaks, the next attempt finds what this
//! one has done on disk and goes on from there.

mod allowance;
mod attempt;
mod bodies;
mod collect;
mod connections;
mod delete_source;
mod digesting;
mod elsewhere;
mod evidence;
mod folder;
mod imap_folder;
mod inbox;
mod links;
mod listing;
mod login_delay;
mod look_ahead;
mod maildrop;
mod on_target;
mod pop3_only;
mod record;
mod rematch;
mod removal;
mod renamed;
mod subscriptions;
mod tally;
mod torn;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::Level;

use crate::config::{Config, User};
use crate::mail::FolderPath;
use crate::problem::{Kind, Problem, Reach};
use crate::progress::UserProgress;
use crate::report::{UserLog, UserReport};
use crate::sink::sync::Syncer;
use crate::source::ListedFolder;
use crate::source::login::Login;
use crate::source::net::Dialer;
use crate::source::net::hosts::Turn;
use crate::space::Space;
use allowance::Allowance;
use attempt::Attempt;
use bodies::Bodies;
pub(crate) use collect::Copies;
use connections::Connections;
use delete_source::Deletable;
pub(crate) use digesting::{Digested, digests};
pub(crate) use elsewhere::{KnownElsewhere, Search, note as note_elsewhere};
pub(crate) use evidence::Sessions;
use links::Links;
pub(crate) use login_delay::LoginDelay;
use look_ahead::Survey;
use maildrop::Pop3Memory;
use record::Book;
use removal::Removals;
use tally::Tally;

/// The wait before the second attempt: a connection that broke once mostly works at once. Each
/// further wait is so many times longer, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Where the server asks to come back later: a client that has the maildrop needs its time.
const FIRST_PAUSE_BUSY: Duration = Duration::from_secs(1);
const PAUSE_GROWTH: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What all users of a run share.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What was asked for.
    pub config: &'a Config,
    /// Opens connections.
    pub dialer: &'a Dialer,
    /// The user's place among those at work.
    pub turn: &'a Turn<'a>,
    /// Shares syncs.
    pub syncer: &'a Arc<Syncer>,
    /// Knows what has room.
    pub space: &'a Space,
    /// Is told how far it is.
    pub progress: &'a UserProgress,
    /// Set when the run is to stop.
    pub stop: &'a AtomicBool,
}

/// What became of one user, and the lines of the plan if it was a dry run.
#[derive(Debug)]
pub struct Outcome {
    /// For the reports.
    pub report: UserReport,
    /// The plan, for people.
    pub plan: Vec<String>,
}

impl Outcome {
    /// What became of a user for whom nothing is planned.
    pub fn without_plan(report: UserReport) -> Self {
        Self {
            report,
            plan: Vec::new(),
        }
    }
}

/// What is remembered from one attempt to the next.
#[derive(Debug, Default)]
struct Memory {
    tally: Tally,
    /// By folder, by what its messages are asked for: their UIDs, or their POP3 numbers where there
    /// is no IMAP.
    breaks: HashMap<FolderPath, Breaks>,
    /// The attempt at hand has asked the IMAP server for something ahead of its turn.
    asked_ahead: bool,
    /// An attempt that did has failed: it may be that the server cannot do with that.
    imap_stumbled: bool,
    survey: Survey,
    pop3: Pop3Memory,
    /// All folders that can be opened, where UIDLs are looked for in all of them.
    searchable: Vec<ListedFolder>,
    /// What pairing has read of INBOX and the export has not delivered yet.
    bodies: Bodies,
    plan: Vec<String>,
    book: Book,
    /// The folders that the source has.
    listed: HashSet<FolderPath>,
    /// What is to be taken away when all folders have been seen.
    removals: Removals,
    /// What messages of virtual folders can be linked to.
    links: Links,
    /// What may still be fetched today, where there is a limit.
    allowance: Option<Allowance>,
    /// Those beside the one that each attempt opens.
    connections: Connections,
    /// What may be deleted at the source when all folders are done.
    deletable: Vec<Deletable>,
}

/// So often may the connection break at one message before that message is given up.
const PATIENCE: u32 = 2;

/// How often the connection broke while a message was on its way.
#[derive(Debug, Default)]
pub(crate) struct Breaks(HashMap<u32, u32>);

impl Breaks {
    fn blame(&mut self, message: u32) {
        *self.0.entry(message).or_insert(0) += 1;
    }

    fn gave_up(&self, message: u32) -> bool {
        self.0.get(&message).is_some_and(|times| *times >= PATIENCE)
    }
}

/// The logins of a user, with their secrets.
#[derive(Debug)]
struct Logins {
    imap: Option<Login>,
    pop3: Option<Login>,
}

/// Does all that is to be done for `user`. Problems are in the report, none comes back.
pub fn run(user: &User, context: Context<'_>, log: &UserLog) -> Outcome {
    let start = Instant::now();
    let mut memory = Memory::default();
    let mut attempts = 0;
    let result = attempt_until_done(user, context, log, &mut memory, &mut attempts);
    let mut report = memory.tally.into_report(&user.name, result.err());
    debug_assert!(report.closes(), "{report:?}");
    report.seconds = start.elapsed().as_secs_f64();
    report.attempts = attempts;
    Outcome {
        report,
        plan: memory.plan,
    }
}

fn attempt_until_done(
    user: &User,
    context: Context<'_>,
    log: &UserLog,
    memory: &mut Memory,
    attempts: &mut u32,
) -> Result<(), Problem> {
    let mut failures = 0;
    loop {
        // Anew each time: a token may have expired since.
        let logins = Logins {
            imap: resolve(user.imap.as_ref(), context)?,
            pop3: resolve(user.pop3.as_ref(), context)?,
        };
        *attempts += 1;
        context.progress.attempt();
        let before = memory.tally.added();
        let attempt = Attempt {
            user,
            context,
            log,
            logins: &logins,
            memory,
        };
        let problem = match attempt.run() {
            Ok(()) => return Ok(()),
            Err(problem) => problem,
        };
        memory.imap_stumbled |= memory.asked_ahead;
        if memory.tally.added() > before {
            failures = 0;
        }
        failures += 1;
        // They have places that others wait for.
        memory.connections.forget();
        context.turn.failed(&problem);
        let give_up = failures > context.config.retries || context.stop.load(Ordering::Relaxed);
        if !problem.retry || give_up {
            return Err(problem);
        }
        if problem.kind == Kind::Protocol {
            memory.pop3.stumbled = true;
        }
        let way = (context.config, context.turn, context.stop);
        wait(&problem, failures, way, log)?;
    }
}

/// How often something has failed that is tried again where that may help.
#[derive(Debug, Default)]
pub(crate) struct Failures(u32);

impl Failures {
    /// After a failure: waits until it is time to try again.
    ///
    /// # Errors
    /// `problem`, where that cannot help or has been tried often enough; the run is to stop.
    pub(crate) fn wait(
        &mut self,
        problem: Problem,
        way: (&Config, &Turn<'_>, &AtomicBool),
        log: &UserLog,
    ) -> Result<(), Problem> {
        let (config, turn, _) = way;
        self.0 += 1;
        turn.failed(&problem);
        if !problem.retry || self.0 > config.retries {
            return Err(problem);
        }
        wait(&problem, self.0, way, log)
    }
}

/// Tells of the `failures`th failure in a row and waits before the next attempt.
///
/// # Errors
/// The run is to stop.
fn wait(
    problem: &Problem,
    failures: u32,
    (config, turn, stop): (&Config, &Turn<'_>, &AtomicBool),
    log: &UserLog,
) -> Result<(), Problem> {
    let pause = pause(problem.kind, failures);
    log.line(
        Level::WARN,
        format!(
            "{problem}; trying again in {} s ({failures} of {})",
            pause.as_secs_f32(),
            config.retries
        ),
    );
    turn.pause(pause, stop);
    match stop.load(Ordering::Relaxed) {
        true => Err(interrupted()),
        false => Ok(()),
    }
}

/// How long to wait after so many failures in a row, at least one.
fn pause(kind: Kind, failures: u32) -> Duration {
    let first = match kind {
        Kind::Busy => FIRST_PAUSE_BUSY,
        _ => FIRST_PAUSE,
    };
    let times = PAUSE_GROWTH.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(times).min(LONGEST_PAUSE)
}

fn resolve(
    account: Option<&crate::config::Account>,
    context: Context<'_>,
) -> Result<Option<Login>, Problem> {
    account
        .map(|account| account.credential.resolve(context.config.timeout))
        .transpose()
}

/// Waits, but not beyond the order to stop.
fn sleep(pause: Duration, stop: &AtomicBool) -> Result<(), Problem> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What the run's being stopped is for the user at hand.
pub(crate) fn interrupted() -> Problem {
    Problem::new(Kind::Interrupted, Reach::Run, "the run was interrupted")
        .with_hint("run it again to go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest() {
        let seconds =
            |kind| [1, 2, 3, 4, 5, 40].map(|failures| pause(kind, failures).as_secs_f32());
        assert_eq!(seconds(Kind::Network), [0.2, 1.0, 5.0, 25.0, 30.0, 30.0]);
        assert_eq!(seconds(Kind::Busy), [1.0, 5.0, 25.0, 30.0, 30.0, 30.0]);
    }
}
