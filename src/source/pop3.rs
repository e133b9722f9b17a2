//! A blocking POP3 session over any stream (RFC 1939, 2449, 5034, 6856). Dialling and TLS are
//! [`super::net`]'s.
//!
//! It sends no command that changes the maildrop but in [`Session::delete`], and none that it was not
//! told to; what it sends
//! is asserted by its tests. After an error of [`Session::listing`] or of a transfer the session
//! is over: only [`Session::quit`] may follow, which then closes without a word.

mod auth;
mod delete;
mod listing;
pub mod proto;
mod transfer;
pub mod unstuff;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{BufReader, Read, Write};
use std::time::Duration;

use self::proto::Capabilities;
use self::wire::{Reply, Wire};
use super::login::Login;
use super::net::{Connection, Endpoint, Stream};
use crate::problem::{Kind, Problem, Reach};
use crate::text::printable_bytes;

/// Most characters kept of what the server says that it is.
const SOFTWARE: usize = 120;

const CAPA: &[u8] = b"CAPA\r\n";

/// Most lines of a CAPA reply.
const CAPABILITIES: usize = 500;

/// A session in TRANSACTION state: logged in, the maildrop frozen as it was then.
pub struct Session<S = Box<dyn Stream>> {
    wire: Wire<S>,
    capabilities: Capabilities,
    pipelining: bool,
    /// The commands of the listing have been sent, their replies not been read.
    listing_is_asked: bool,
    top: Top,
    /// The largest size of the listing; 0: there is one that is not known, or no listing.
    largest: u64,
    software: String,
    login_delay: Option<u32>,
}

/// Whether commands are sent ahead of replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipelining {
    /// Where the server says that it takes them.
    WhereAnnounced,
    /// Never: for a new session after one that fell out of step.
    Never,
}

/// What is known of the server's TOP command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Top {
    Works,
    Unknown,
    Missing,
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("capabilities", &self.capabilities)
            .field("pipelining", &self.pipelining)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in on a fresh connection to `endpoint`, and calls `accepted` as soon as name and password
    /// have been: the maildrop may take longer. Where commands may be sent ahead, those of
    /// [`Session::listing`] are, with the last one of the login.
    ///
    /// # Errors
    /// All of reach User. Kind Auth: the login was refused; it is tried once only. Kind Busy: the
    /// server or the maildrop is taken, come back later. Kind Input: the login holds what cannot
    /// be sent. Kind Network, Refused, Protocol.
    pub fn open(
        connection: Connection,
        login: &Login,
        endpoint: &Endpoint,
        pipelining: Pipelining,
        accepted: impl FnOnce(),
    ) -> Result<Self, Problem> {
        Session::start(
            connection.stream,
            connection.greeting.as_deref(),
            login,
            endpoint,
            pipelining,
            accepted,
        )
    }
}

impl<S: Read + Write> Session<S> {
    /// [`Session::open`] on any stream. `greeting` is the greeting line, where it has been read.
    ///
    /// # Errors
    /// Those of [`Session::open`].
    pub fn start(
        stream: BufReader<S>,
        greeting: Option<&str>,
        login: &Login,
        endpoint: &Endpoint,
        pipelining: Pipelining,
        accepted: impl FnOnce(),
    ) -> Result<Self, Problem> {
        let may_pipeline = pipelining == Pipelining::WhereAnnounced;
        let mut wire = Wire::new(stream);
        let greeting = match greeting {
            Some(line) => line.to_owned(),
            None => read_greeting(&mut wire)?,
        };
        wire.send(CAPA)?;
        let before = read_capabilities(&mut wire)?;
        // RFC 2449 section 6.6: what is announced of this before the login holds after it.
        let ahead = may_pipeline && before.pipelining;
        if before.utf8 {
            // Courier otherwise sends a notice in place of a message with 8-bit headers. A refusal
            // costs no more than that.
            wire.send(b"UTF8\r\n")?;
            match ahead {
                true => wire.pass_over(),
                false => drop(wire.answer()?),
            }
        }
        let stamp = proto::apop_stamp(greeting.as_bytes());
        auth::log_in(&mut wire, &before, stamp, login, endpoint).map_err(|problem| {
            // A password is sent once: what was no reply to it may have been a refusal.
            let retry = problem.retry && problem.kind != Kind::Protocol;
            let problem = problem.worth_retry(retry);
            match before.login_delay {
                Some(seconds) if problem.pause().is_some() && !problem.of_host => {
                    problem.after(seconds)
                }
                _ => problem,
            }
        })?;
        accepted();
        // It may say more, or less, now that it knows who asks (RFC 2449 section 5).
        match ahead {
            true => wire.send(&[CAPA, listing::COMMANDS.concat().as_bytes()].concat())?,
            false => wire.send(CAPA)?,
        }
        let capabilities = read_capabilities(&mut wire)?;
        let named = capabilities.implementation.as_ref();
        let software = named.or(before.implementation.as_ref()).map_or_else(
            || proto::greeting_words(&greeting).to_owned(),
            String::clone,
        );
        Ok(Self {
            software: wire.without_hidden(printable_bytes(software.as_bytes(), SOFTWARE)),
            wire,
            login_delay: capabilities.login_delay.or(before.login_delay),
            pipelining: may_pipeline && capabilities.pipelining,
            listing_is_asked: ahead,
            top: if capabilities.top {
                Top::Works
            } else {
                Top::Unknown
            },
            largest: 0,
            capabilities,
        })
    }

    /// Which software the server says that it is: IMPLEMENTATION of CAPA, else the words of its
    /// greeting. Printable, not long, perhaps empty.
    pub fn software(&self) -> &str {
        &self.software
    }

    /// How long after this login the server wants no other one of this user (LOGIN-DELAY).
    pub fn login_delay(&self) -> Option<Duration> {
        self.login_delay
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Ends the session. Where the server announces EXPIRE 0 it hangs up instead: QUIT would
    /// allow it to delete what was retrieved (RFC 2449 section 6.7).
    pub fn quit(mut self) {
        if self.listing_is_asked {
            // Its replies are on their way: left unread they would be taken for that to QUIT.
            let _ = self.listing();
        }
        if !self.wire.is_broken() && !self.capabilities.expires_at_quit {
            // Nothing depends on the answer.
            let _ = self.wire.ask("QUIT");
        }
    }
}

fn read_greeting<S: Read + Write>(wire: &mut Wire<S>) -> Result<String, Problem> {
    match wire.reply().map_err(|problem| match problem.kind {
        Kind::Protocol => problem
            .worth_retry(false)
            .with_hint("is this the port of a POP3 server?"),
        _ => problem,
    })? {
        Reply::Ok(text) => Ok(text),
        Reply::Err(text) => {
            // Refused before it knows who asks: too many connections, or a pause.
            let kind = match proto::refusal(&text, true) {
                Kind::Auth => Kind::Busy,
                kind => kind,
            };
            let words = wire.words(&text);
            let what = format!("the server turned the connection away: {words}");
            let problem = delayed(Problem::new(kind, Reach::User, what), &text);
            // It does not know yet who asks.
            let is_of_host = kind == Kind::Busy && !proto::wants_delay(&text);
            let seconds = proto::rest(&text).map_or(0, |rest| rest.seconds);
            Err(match is_of_host {
                true => problem.resting(true, seconds),
                false => problem,
            })
        }
        Reply::Challenge(_) => Err(Problem::new(
            Kind::Protocol,
            Reach::User,
            "the greeting is a login challenge",
        )),
    }
}

/// Where a -ERR says that the user was here too recently, and nothing how long that is.
const UNSAID_DELAY: u32 = 60;

/// `problem`, which the -ERR of `text` is, with the pause that it asks for.
fn delayed(problem: Problem, text: &str) -> Problem {
    match (proto::wants_delay(text), proto::rest(text)) {
        (true, _) => problem.after(UNSAID_DELAY),
        (false, Some(rest)) => problem.resting(rest.of_host, rest.seconds),
        (false, None) => problem,
    }
}

/// The reply to CAPA; an old server has none.
fn read_capabilities<S: Read + Write>(wire: &mut Wire<S>) -> Result<Capabilities, Problem> {
    let mut capabilities = Capabilities::default();
    if wire.answer()?.is_ok() {
        capabilities.answered = true;
        wire.lines(CAPABILITIES, |line| capabilities.add(line))?;
    }
    Ok(capabilities)
}
