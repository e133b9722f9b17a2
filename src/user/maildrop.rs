//! The POP3 side of a user. Where there is an IMAP side as well it is opened beside that: each server
//! takes its time over a login, and neither has to wait for the other.

use std::panic::resume_unwind;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use tracing::Level;

use super::evidence::ReadAhead;
use super::login_delay::LoginDelay;
use super::{Breaks, Context};
use crate::config::Account;
use crate::problem::{Kind, Problem, Reach};
use crate::report::UserLog;
use crate::source::login::Login;
use crate::source::pop3::Pipelining;
use crate::source::{Maildrop, pop3};

/// What is remembered of POP3 from one attempt to the next.
#[derive(Debug, Default)]
pub(super) struct Pop3Memory {
    pub(super) login: LoginDelay,
    /// Breaks while the pairing read messages, by number.
    pub(super) breaks: Breaks,
    /// The server fell out of step: one command at a time.
    pub(super) stumbled: bool,
}

/// A session with what it lists.
#[derive(Debug)]
pub(super) struct Maildropped {
    pub(super) session: pop3::Session,
    pub(super) listing: Maildrop,
    pub(super) ahead: ReadAhead,
}

/// What a maildrop is opened with.
#[derive(Clone, Copy)]
pub(super) struct Opener<'a> {
    pub(super) account: &'a Account,
    pub(super) login: &'a Login,
    pub(super) context: Context<'a>,
    pub(super) log: &'a UserLog,
}

impl Opener<'_> {
    /// Logs in and lists.
    pub(super) fn open(self, memory: &mut Pop3Memory) -> Result<Maildropped, Problem> {
        self.open_and_tell(memory, &|_| {})
    }

    fn open_and_tell(
        self,
        memory: &mut Pop3Memory,
        tell: &dyn Fn(Stage),
    ) -> Result<Maildropped, Problem> {
        let Context {
            dialer, turn, stop, ..
        } = self.context;
        let endpoint = &self.account.endpoint;
        let pipelining = match memory.stumbled {
            true => Pipelining::Never,
            false => Pipelining::WhereAnnounced,
        };
        let mut session = memory.login.log_in(self.log, stop, || {
            let connection = dialer.connect_for(turn, endpoint, None)?;
            let accepted = || tell(Stage::Accepted);
            pop3::Session::open(connection, self.login, endpoint, pipelining, accepted)
        })?;
        tell(Stage::LoggedIn);
        let listing = session.listing()?;
        let count = listing.entries.len();
        let line = format!("POP3 at {endpoint}: {count} messages");
        self.log.line(Level::INFO, line);
        Ok(Maildropped {
            session,
            listing,
            ahead: ReadAhead::default(),
        })
    }

    /// Opens the maildrop on a thread of its own. `read_ahead`: reads what the pairing is going to
    /// ask of every mailbox of which no run has paired anything yet.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(super) fn open_beside<'s>(
        self,
        scope: &'s Scope<'s, '_>,
        memory: &mut Pop3Memory,
        read_ahead: bool,
    ) -> Result<Beside<'s>, Problem>
    where
        Self: 's,
    {
        let (sender, stages) = channel();
        let mut own = std::mem::take(memory);
        let work = move || {
            let opened = self.open_and_tell(&mut own, &|stage| {
                // Nobody waits any more where the IMAP side has panicked.
                let _ = sender.send(stage);
            });
            let opened = opened.and_then(|mut maildrop| {
                if read_ahead {
                    maildrop.read_ahead(self.context.stop, &mut own.breaks)?;
                }
                Ok(maildrop)
            });
            (own, opened)
        };
        let thread = Builder::new().name("pop3".to_owned());
        let thread = thread.spawn_scoped(scope, work).map_err(|error| {
            Problem::new(Kind::Busy, Reach::User, "cannot start a thread for POP3")
                .with_hint("give a smaller --jobs")
                .caused_by(error)
        })?;
        Ok(Beside(State::Coming { stages, thread }))
    }
}

impl Maildropped {
    /// Reads what the pairing is going to ask.
    fn read_ahead(&mut self, stop: &AtomicBool, breaks: &mut Breaks) -> Result<(), Problem> {
        self.ahead
            .read(&mut self.session, stop, breaks, &self.listing.entries)
    }
}

/// How far a login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Name and password have been accepted.
    Accepted,
    /// The maildrop is frozen as it is now (RFC 1939 section 5).
    LoggedIn,
}

/// A maildrop that is opened, or has been, while something else was done.
pub(super) struct Beside<'s>(State<'s>);

enum State<'s> {
    Coming {
        stages: Receiver<Stage>,
        thread: ScopedJoinHandle<'s, (Pop3Memory, Result<Maildropped, Problem>)>,
    },
    Here(Box<Maildropped>),
    Failed(Problem),
    /// Taken out, or its problem has been told.
    Gone,
}

impl Beside<'_> {
    /// Waits until the login is so far. False: it has failed before, [`Beside::get`] says why.
    pub(super) fn wait_for(&self, wanted: Stage) -> bool {
        match &self.0 {
            State::Coming { stages, .. } => stages.iter().any(|stage| stage >= wanted),
            State::Here(_) => true,
            State::Failed(_) | State::Gone => false,
        }
    }

    /// Waits until all is read. A panic of the thread goes on here.
    fn wait(&mut self, memory: &mut Pop3Memory) {
        let state = std::mem::replace(&mut self.0, State::Gone);
        self.0 = match state {
            State::Coming { thread, .. } => {
                let (own, opened) = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                *memory = own;
                match opened {
                    Ok(maildrop) => State::Here(Box::new(maildrop)),
                    Err(problem) => State::Failed(problem),
                }
            }
            state => state,
        };
    }

    /// The maildrop when all is read; `None`: see [`Beside::get`].
    pub(super) fn look(&mut self, memory: &mut Pop3Memory) -> Option<&Maildropped> {
        self.wait(memory);
        match &self.0 {
            State::Here(maildrop) => Some(maildrop),
            _ => None,
        }
    }

    /// The maildrop when all is read.
    ///
    /// # Errors
    /// Those of the login and of the listing, once.
    pub(super) fn get(&mut self, memory: &mut Pop3Memory) -> Result<&mut Maildropped, Problem> {
        self.wait(memory);
        if let State::Failed(_) = &self.0
            && let State::Failed(problem) = std::mem::replace(&mut self.0, State::Gone)
        {
            return Err(problem);
        }
        match &mut self.0 {
            State::Here(maildrop) => Ok(maildrop),
            _ => Err(gone()),
        }
    }

    /// [`Beside::get`], to keep.
    pub(super) fn take(&mut self, memory: &mut Pop3Memory) -> Result<Maildropped, Problem> {
        self.get(memory)?;
        match std::mem::replace(&mut self.0, State::Gone) {
            State::Here(maildrop) => Ok(*maildrop),
            _ => Err(gone()),
        }
    }

    /// Takes the session out to end it, if nobody has taken it. What went wrong with it does not
    /// matter any more.
    pub(super) fn rest(&mut self, memory: &mut Pop3Memory) -> Option<pop3::Session> {
        match self.0 {
            State::Gone => None,
            _ => self.take(memory).ok().map(|maildrop| maildrop.session),
        }
    }
}

fn gone() -> Problem {
    let what = "the maildrop was asked for once too often";
    Problem::new(Kind::Internal, Reach::User, what)
}
