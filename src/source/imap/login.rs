//! From the greeting to a session that is logged in, in as few round trips as the server allows.
//!
//! What a server can do it mostly tells by itself, in its greeting and in its answer to the login. The
//! greeting is believed only where nothing is trusted less than what follows it: it comes over TLS, or
//! the admin has asked for a line without. What was said before STARTTLS may be anyone's word and is
//! never looked at (RFC 3501 section 6.2.1).

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imap::types::Capabilities;
use imap::{Authenticator, Client};

use super::examine::quoted;
use super::reader::Fault;
use super::reply::{Reply, Status};
use super::stream::Shared;
use super::{CrateSession, crate_problem};
use crate::problem::{Kind, Problem, Reach};
use crate::source::login::{Login, Mechanism, REFUSED_HINT};
use crate::source::net::{Endpoint, Security};
use crate::source::sasl::{self, Exchange, Way};

/// What a server says that it can do, in upper case.
#[derive(Debug, Default)]
pub struct Abilities(Vec<String>);

impl Abilities {
    /// Whether `word` (upper case) is among them.
    pub fn has(&self, word: &str) -> bool {
        self.0.iter().any(|known| known == word)
    }

    /// Whether a greeting that says so much spares the question. One without mechanisms may be cut
    /// short, and would have us send a password in the clear, or not know how to.
    fn serve(&self, login: &Login, endpoint: &Endpoint) -> bool {
        let any_will_do = endpoint.security == Security::Tls && login.authzid.is_none();
        any_will_do || !self.mechanisms().is_empty()
    }

    fn mechanisms(&self) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|word| word.strip_prefix("AUTH="))
            .map(str::to_owned)
            .collect()
    }
}

/// Reads the greeting if it is still to come, and logs in, once, when `may_log_in` says so. Returned is
/// the text of the greeting too, if it was read here.
///
/// # Errors
/// Kind Auth where the server refuses the login; Busy where it asks to come back later; Protocol
/// where what it says is not IMAP, or it claims that we are logged in already. That of `may_log_in`.
pub fn log_in(
    shared: &Shared,
    greeting_due: bool,
    login: &Login,
    endpoint: &Endpoint,
    may_log_in: impl FnOnce() -> Result<(), Problem>,
) -> Result<(CrateSession, Abilities, Option<String>), Problem> {
    let mut client = Client::new(shared.clone());
    let (mut words, mut before) = (None, None);
    if greeting_due {
        client
            .read_greeting()
            .map_err(|error| arrival_problem(shared, error))?;
        let greeting = shared.lock().reply.take();
        words = Some(check_greeting(greeting)?);
        if endpoint.security != Security::StartTls {
            before = told(shared).filter(|told| told.serve(login, endpoint));
        }
    }
    let before = match before {
        Some(before) => before,
        None => abilities(shared, || client.capabilities())?.unwrap_or_default(),
    };
    let way = choose_way(&before, login, endpoint)?;
    sasl::check(way, login)?;
    may_log_in()?;
    shared.lock().capabilities.clear();
    let mut session = match way {
        Way::Command => {
            // Before it is sent: nothing that the server says from now on may repeat it.
            let secret = login.secret.clone();
            let sent: Vec<String> = quoted(secret.expose()).into_iter().collect();
            let cover = move |text: &str| sasl::scrub(&secret, &sent, text);
            shared.lock().warnings.cover_by(cover);
            client
                .login(&login.name, login.secret.expose())
                .map_err(|(error, _)| {
                    refusal(shared, error, (login, "LOGIN"), None, str::to_owned)
                })?
        }
        Way::Sasl(mechanism) => {
            let at_once = before.has("SASL-IR");
            authenticate(client, shared, mechanism, at_once, login, endpoint)?
        }
    };
    let after = match told(shared) {
        Some(after) => Some(after),
        None => abilities(shared, || session.capabilities())?,
    };
    Ok((session, after.unwrap_or(before), words))
}

/// The words of a greeting that lets us in.
fn check_greeting(greeting: Option<Reply>) -> Result<String, Problem> {
    let what = match greeting {
        Some(reply) if reply.status == Status::Ok => return Ok(reply.text),
        // We cannot tell whose mail this would be.
        Some(reply) if reply.status == Status::Preauth => {
            "the server says that the connection is logged in already (PREAUTH)".to_owned()
        }
        Some(reply) => return Err(reply.refusal("the connection", Reach::User)),
        None => "the server sent no greeting".to_owned(),
    };
    Err(Problem::new(Kind::Protocol, Reach::User, what))
}

/// What the server can do, asked by `ask` and by nothing else: what it said before is forgotten.
/// `None` where it refuses to say.
fn abilities(
    shared: &Shared,
    ask: impl FnOnce() -> imap::Result<Capabilities>,
) -> Result<Option<Abilities>, Problem> {
    shared.lock().capabilities.clear();
    match ask() {
        Ok(_) => Ok(Some(Abilities(std::mem::take(
            &mut shared.lock().capabilities,
        )))),
        Err(imap::Error::No(_) | imap::Error::Bad(_)) => Ok(None),
        Err(error) => Err(arrival_problem(shared, error)),
    }
}

/// What the server said unasked that it can do, once.
fn told(shared: &Shared) -> Option<Abilities> {
    let words = std::mem::take(&mut shared.lock().capabilities);
    (!words.is_empty()).then_some(Abilities(words))
}

fn choose_way(abilities: &Abilities, login: &Login, endpoint: &Endpoint) -> Result<Way, Problem> {
    let command = !abilities.has("LOGINDISABLED");
    let offered = abilities.mechanisms();
    // LOGIN has no clean way to carry a name or password beyond ASCII (RFC 3501 section 9,
    // quoted); servers without SASL, Courier for one, take the raw bytes.
    let raw = (command && login.authzid.is_none()).then_some(Way::Command);
    let ascii = login.name.is_ascii() && login.secret.expose().is_ascii();
    let way = match login.mechanism {
        None => {
            let hide = endpoint.security == Security::Plain && !login.of_master;
            sasl::choose(&offered, command && ascii, login, hide).or(raw)
        }
        Some(Mechanism::Login) if command && ascii => Some(Way::Command),
        Some(Mechanism::Login) => offered
            .iter()
            .any(|name| name == "LOGIN")
            .then_some(Way::Sasl(Mechanism::Login))
            .or(raw),
        Some(Mechanism::Apop) => Some(Way::Sasl(Mechanism::CramMd5)),
        // Named by the admin: tried even where the server does not announce it.
        Some(mechanism) => Some(Way::Sasl(mechanism)),
    };
    way.ok_or_else(|| {
        let problem = Problem::new(
            Kind::Auth,
            Reach::User,
            "the server offers no way to log in that this user's name and secret can take",
        );
        if !command && endpoint.security == Security::Plain {
            return problem.with_hint("the server wants encryption: use imaps:// or imap://");
        }
        let offered = if offered.is_empty() {
            "no SASL mechanism".to_owned()
        } else {
            offered.join(", ")
        };
        problem.with_hint(format!("it offers {offered}; choose with --auth"))
    })
}

/// Gives the crate one [`Exchange`].
struct Rounds {
    exchange: RefCell<Exchange>,
    problem: RefCell<Option<Problem>>,
}

impl Authenticator for &Rounds {
    type Response = Vec<u8>;

    fn process(&self, challenge: &[u8]) -> Vec<u8> {
        // The crate knows no way to stop here: after one problem each round is answered by an
        // empty line, which no server takes for a login.
        if self.problem.borrow().is_some() {
            return Vec::new();
        }
        match self.exchange.borrow_mut().respond(challenge) {
            Ok(response) => response,
            Err(problem) => {
                *self.problem.borrow_mut() = Some(problem);
                Vec::new()
            }
        }
    }
}

/// Whether the initial response is as short as a command may be: servers that take longer ones in
/// answer to a challenge do not all do so here (Dovecot's login process has room for 4,096 octets).
fn fits_a_command(mechanism: Mechanism, login: &Login, endpoint: &Endpoint) -> bool {
    const MOST: usize = 1500;
    let (host, port) = (&endpoint.host, endpoint.port);
    let initial = sasl::initial_response(mechanism, login, host, port);
    initial.is_none_or(|initial| initial.len() <= MOST)
}

fn authenticate(
    client: Client<Shared>,
    shared: &Shared,
    mechanism: Mechanism,
    at_once: bool,
    login: &Login,
    endpoint: &Endpoint,
) -> Result<CrateSession, Problem> {
    let name = sasl::sasl_name(mechanism)
        .ok_or_else(|| Problem::new(Kind::Input, Reach::User, "IMAP has no such way to log in"))?;
    let mut exchange = Exchange::new(mechanism, login, &endpoint.host, endpoint.port)?;
    let initial = match at_once && fits_a_command(mechanism, login, endpoint) {
        true => exchange.initial(),
        false => None,
    };
    let rounds = Rounds {
        exchange: RefCell::new(exchange),
        problem: RefCell::new(None),
    };
    // The crate knows no initial response (RFC 4959), and sends what it is given for a name as it is.
    let command = match initial {
        Some(initial) => format!("{name} {}", STANDARD.encode(initial)),
        None => name.to_owned(),
    };
    let outcome = client.authenticate(command, &&rounds);
    if let Some(problem) = rounds.problem.into_inner() {
        return Err(problem);
    }
    let exchange = rounds.exchange.into_inner();
    let failure = exchange.failure();
    let cover = move |text: &str| exchange.scrub(text);
    shared.lock().warnings.cover_by(cover);
    outcome.map_err(|(error, _)| {
        let by = format!("AUTHENTICATE {name}");
        let problem = refusal(shared, error, (login, &by), failure, |text| {
            shared.lock().warnings.covered(text)
        });
        // It needs the password in clear on the server, which not every server that offers it
        // has; Dovecot takes no master user by it.
        let chosen_by_us = mechanism == Mechanism::CramMd5 && login.mechanism.is_none();
        if chosen_by_us && problem.kind == Kind::Auth {
            problem.with_hint("if the password is right, --auth login sends it as it is")
        } else {
            problem
        }
    })
}

/// The problem that a failed login `by` some command is. `scrub` takes the secret out of the server's words.
fn refusal(
    shared: &Shared,
    error: imap::Error,
    (login, by): (&Login, &str),
    reason: Option<String>,
    scrub: impl Fn(&str) -> String,
) -> Problem {
    // Not under one lock: `scrub` may take it as well.
    let fault = shared.lock().fault.take();
    let fault = fault.map(|fault| match fault {
        Fault::Bye(reply) => Fault::Bye(reply.covered(&scrub)),
        fault => fault,
    });
    shared.lock().fault = fault;
    let reply = shared.lock().reply.take();
    match (error, reply) {
        (imap::Error::No(_) | imap::Error::Bad(_), Some(reply)) => {
            let busy = reply.is_busy();
            let kind = if busy { Kind::Busy } else { Kind::Auth };
            let mut what = format!(
                "the IMAP server refused the login of {} by {by}: {}",
                login.name,
                scrub(reply.shown())
            );
            if let Some(reason) = reason {
                what.push_str(" (");
                what.push_str(&reason);
                what.push(')');
            }
            let problem = reply.with_rest(Problem::new(kind, Reach::User, what));
            match kind {
                Kind::Auth => problem.with_hint(REFUSED_HINT),
                _ => problem,
            }
        }
        (imap::Error::Validate(_), _) => Problem::new(
            Kind::Input,
            Reach::User,
            "the user name or password holds a character that LOGIN cannot carry",
        ),
        (error, _) => arrival_problem(shared, error),
    }
}

/// As [`crate_problem`], before we are logged in: a server that hangs up then has enough clients.
fn arrival_problem(shared: &Shared, error: imap::Error) -> Problem {
    let hung_up = matches!(shared.lock().fault, Some(Fault::Bye(_)));
    let mut problem = crate_problem(shared, error);
    if hung_up {
        problem.kind = Kind::Busy;
        let seconds = problem.pause().map_or(0, |pause| pause.as_secs());
        problem = problem.resting(true, u32::try_from(seconds).unwrap_or(u32::MAX));
    }
    problem
}
