//! Several connections for what a folder has to send (`--connections`). The messages are shared out
//! in pieces of about the same size; a thread for each connection reads, and the user's own task writes
//! all that comes. So what lies on disk, at the end and at any time before, is as from one connection.
//!
//! The first connection is the user's session. The others help as far as they can: where the server
//! does not let them in, or where they break, the first does what they leave.

mod relay;
mod share;

use std::collections::HashSet;
use std::sync::mpsc::sync_channel;
use std::thread;

use tracing::Level;

use self::relay::{Relay, land};
use self::share::{Share, is_much};
use super::{Context, Logins};
use crate::config::{Config, User};
use crate::mail::{Uid, UidValidity};
use crate::problem::{Kind, Problem, Reach};
use crate::report::UserLog;
use crate::sink::arrivals::Arrivals;
use crate::source::net::Dialer;
use crate::source::net::hosts::Place;
use crate::source::{ListedFolder, Refused, imap};

/// Pieces that may wait to be written, for each connection.
const WAITING: usize = 2;

/// The connections of a user beside the first.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Logged in and without work.
    idle: Vec<imap::Session>,
    /// The most that are worth trying.
    most: usize,
}

/// Where further connections lead.
pub(super) struct Way<'w> {
    pub(super) user: &'w User,
    pub(super) logins: &'w Logins,
    pub(super) context: Context<'w>,
    pub(super) log: &'w UserLog,
    pub(super) folder: &'w ListedFolder,
    /// UIDVALIDITY of the folder: what is asked for are messages of that.
    pub(super) validity: UidValidity,
}

/// What came of a connection beside the first.
struct Help {
    /// `None`: it could not be opened, or it broke.
    session: Option<imap::Session>,
    was_open: bool,
    refused: Refused,
    warnings: Vec<String>,
    problem: Option<Problem>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            idle: Vec::new(),
            most: usize::MAX,
        }
    }
}

impl Connections {
    /// Forgets the sessions of an attempt that is over.
    pub(super) fn forget(&mut self) {
        self.idle.clear();
    }

    /// Says good-bye on all of them.
    pub(super) fn close(&mut self, dialer: &Dialer) {
        for session in self.idle.drain(..) {
            dialer.see_off(|| session.logout());
        }
    }

    /// The most that may be opened beside the first.
    fn extra(&self, config: &Config) -> usize {
        self.most.min(config.connections.saturating_sub(1))
    }

    /// Whether several fetch what is wanted of a folder.
    pub(super) fn share(&self, config: &Config, wanted: &[(Uid, u64)]) -> bool {
        self.extra(config) > 0 && is_much(wanted)
    }

    /// As [`imap::Session::fetch_bodies`] of `session`, with more connections where there is much to
    /// fetch.
    pub(super) fn fetch(
        &mut self,
        session: &mut imap::Session,
        way: &Way<'_>,
        wanted: &[(Uid, u64)],
        arrivals: &mut Arrivals<'_>,
    ) -> Result<Refused, Problem> {
        let extra = self.extra(way.context.config);
        if !self.share(way.context.config, wanted) {
            return session.fetch_bodies(wanted, arrivals);
        }
        let share = Share::new(wanted, extra + 1);
        let (sender, pieces) = sync_channel(WAITING * (extra + 1));
        let idle = &mut self.idle;
        let (landed, first, helps) = thread::scope(|scope| {
            let (share, own) = (&share, &mut *session);
            let mut relay = Relay::new(0, sender.clone());
            let first = scope.spawn(move || work_off(own, share, &mut relay));
            let others: Vec<_> = (1..=extra)
                .map_while(|number| {
                    let begin = match idle.pop() {
                        Some(session) => Begin::Idle(Box::new(session)),
                        None => Begin::In(way.place()?),
                    };
                    let relay = Relay::new(number, sender.clone());
                    Some(scope.spawn(move || help(begin, way, share, relay)))
                })
                .collect();
            drop(sender);
            // Where the messages cannot be written the pieces end here, and with them the threads.
            let landed = land(pieces, extra + 1, arrivals);
            let others = others.into_iter().map(joined).collect::<Vec<Help>>();
            (landed, joined(first), others)
        });
        let (mut refused, first) = first;
        let is_whole = self.settle(way, helps, &mut refused);
        landed?;
        if let Err(problem) = first {
            if !is_whole {
                // At which message which of them broke can no longer be told.
                self.most = 0;
            }
            return Err(problem);
        }
        let left = left_of(wanted, &refused, arrivals);
        if !left.is_empty() {
            refused.extend(session.fetch_bodies(&left, arrivals)?);
        }
        Ok(refused)
    }

    /// Takes in what came of the connections beside the first, and tells of it. Returned is whether
    /// none of them broke.
    fn settle(&mut self, way: &Way<'_>, helps: Vec<Help>, refused: &mut Refused) -> bool {
        let mut is_whole = true;
        let mut extra = helps.len();
        let mut not_opened = None;
        for help in helps {
            for warning in help.warnings {
                let line = format!("the IMAP server says: {warning}");
                way.log.line(Level::WARN, line);
            }
            refused.extend(help.refused);
            self.idle.extend(help.session);
            match help.problem {
                Some(problem) if help.was_open => {
                    is_whole = false;
                    let line = format!(
                        "folder {}: one of several connections ended, the others do its part: {problem}",
                        way.folder.path
                    );
                    way.log.line(Level::WARN, line);
                }
                Some(problem) => {
                    extra -= 1;
                    not_opened = Some(problem);
                }
                None => {}
            }
        }
        if let Some(problem) = not_opened {
            self.most = extra;
            let line = format!(
                "no more than {} of {} connections for this user: {problem}",
                extra + 1,
                way.context.config.connections
            );
            way.log.line(Level::WARN, line);
        }
        is_whole
    }
}

/// What a thread has brought; its panic is the user's, as if there were no thread.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Fetches piece after piece of what is shared out, until there is none left.
fn work_off(
    session: &mut imap::Session,
    share: &Share,
    relay: &mut Relay,
) -> (Refused, Result<(), Problem>) {
    let mut refused = Refused::new();
    while let Some(piece) = share.take() {
        match session.fetch_bodies(&piece, relay) {
            Ok(more) => refused.extend(more),
            Err(problem) => return (refused, Err(problem)),
        }
    }
    (refused, Ok(()))
}

/// With what a connection beside the first begins.
enum Begin {
    /// It is open.
    Idle(Box<imap::Session>),
    /// It is to be opened, and has this place at the host.
    In(Place),
}

/// The same on a connection beside the first, which may still have to be opened.
fn help(begin: Begin, way: &Way<'_>, share: &Share, mut relay: Relay) -> Help {
    let mut help = Help {
        session: None,
        was_open: matches!(begin, Begin::Idle(_)),
        refused: Refused::new(),
        warnings: Vec::new(),
        problem: None,
    };
    // One that has waited for long may have been closed by the server.
    let in_folder = match begin {
        Begin::Idle(session) => way.enter(*session).map_err(|_| way.place()),
        Begin::In(place) => Err(Some(place)),
    };
    let opened = match in_folder {
        Ok(session) => Ok(session),
        Err(Some(place)) if !share.is_empty() => {
            way.open(place).and_then(|session| way.enter(session))
        }
        Err(_) => return help,
    };
    let mut session = match opened {
        Ok(session) => session,
        Err(problem) => {
            help.was_open = false;
            help.problem = Some(problem);
            return help;
        }
    };
    help.was_open = true;
    let (refused, done) = work_off(&mut session, share, &mut relay);
    help.refused = refused;
    help.warnings = session.take_warnings();
    match done {
        Ok(()) => help.session = Some(session),
        Err(problem) => help.problem = Some(problem),
    }
    help
}

impl Way<'_> {
    /// A place for one more connection, where the host has one.
    fn place(&self) -> Option<Place> {
        let host = &self.user.imap.as_ref()?.endpoint.host;
        self.context.dialer.place_beside(host)
    }

    fn open(&self, place: Place) -> Result<imap::Session, Problem> {
        let (Some(account), Some(login)) = (&self.user.imap, &self.logins.imap) else {
            let what = "there is no IMAP to connect to";
            return Err(Problem::new(Kind::Internal, Reach::User, what));
        };
        let Context { dialer, turn, .. } = self.context;
        let connection = dialer.connect_for(turn, &account.endpoint, Some(place))?;
        imap::Session::open(connection, login, &account.endpoint)
    }

    /// Opens the folder, which must be the one that was listed.
    fn enter(&self, mut session: imap::Session) -> Result<imap::Session, Problem> {
        let examined = session.examine(self.folder)?;
        if examined.uid_validity == Some(self.validity) {
            return Ok(session);
        }
        session.logout();
        let what = "another connection shows another UIDVALIDITY";
        Err(Problem::new(Kind::Protocol, Reach::Folder, what))
    }
}

/// What has not come and has not been refused either.
fn left_of(wanted: &[(Uid, u64)], refused: &Refused, arrivals: &Arrivals<'_>) -> Vec<(Uid, u64)> {
    let refused: HashSet<u32> = refused.iter().map(|(uid, _)| *uid).collect();
    let missing = arrivals.missing().into_iter().map(|(uid, _)| uid);
    let missing: HashSet<u32> = missing.filter(|uid| !refused.contains(uid)).collect();
    let wanted = wanted.iter().copied();
    wanted
        .filter(|(uid, _)| missing.contains(&uid.value()))
        .collect()
}
