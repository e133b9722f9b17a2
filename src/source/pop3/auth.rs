//! Logging in: which way, once, and never an echo of the secret in what is told of it.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::delayed;
use super::proto::{Capabilities, refusal};
use super::wire::{Reply, Wire};
use crate::problem::{Kind, Problem, Reach};
use crate::source::login::{Login, Mechanism, REFUSED_HINT};
use crate::source::net::{Endpoint, Security};
use crate::source::sasl::{self, Exchange, Way};

/// RFC 5034 section 4: an AUTH line with its initial response has at most 255 octets, CRLF
/// included.
const AUTH_LINE: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
enum PopWay {
    Apop { stamp: String },
    Other(Way),
}

/// Logs in, in one attempt: a second could lock the account.
///
/// # Errors
/// Kind Auth (wrong password, or no way to log in), Busy (`[IN-USE]` and its like), Input (the
/// login cannot be sent), Network, Protocol.
pub(super) fn log_in<S: Read + Write>(
    wire: &mut Wire<S>,
    capabilities: &Capabilities,
    stamp: Option<&str>,
    login: &Login,
    endpoint: &Endpoint,
) -> Result<(), Problem> {
    let secret = login.secret.expose();
    wire.hide(secret);
    wire.hide(&STANDARD.encode(secret));
    match choose(capabilities, stamp, login, endpoint.security)? {
        PopWay::Apop { stamp } => apop(wire, &stamp, login),
        PopWay::Other(Way::Command) => user_pass(wire, login),
        PopWay::Other(Way::Sasl(mechanism)) => auth(wire, mechanism, login, endpoint),
    }
}

fn choose(
    capabilities: &Capabilities,
    stamp: Option<&str>,
    login: &Login,
    security: Security,
) -> Result<PopWay, Problem> {
    let apop = || {
        stamp.map(|stamp| PopWay::Apop {
            stamp: stamp.to_owned(),
        })
    };
    let offers = |name: &str| capabilities.sasl.iter().any(|offer| offer == name);
    match login.mechanism {
        Some(Mechanism::Apop) => apop().ok_or_else(|| {
            no_way("the server's greeting has no timestamp, so it does not know APOP")
        }),
        Some(Mechanism::Login) => {
            let sasl_only = capabilities.answered && !capabilities.user && offers("LOGIN");
            Ok(PopWay::Other(if sasl_only {
                Way::Sasl(Mechanism::Login)
            } else {
                Way::Command
            }))
        }
        // A server that lists no SASL at all may be older than that list: it is asked.
        Some(mechanism)
            if capabilities.sasl.is_empty() || sasl::sasl_name(mechanism).is_some_and(offers) =>
        {
            Ok(PopWay::Other(Way::Sasl(mechanism)))
        }
        Some(mechanism) => Err(no_way(format!(
            "the server does not offer {}, it offers {}",
            sasl::sasl_name(mechanism).unwrap_or("it"),
            capabilities.sasl.join(" ")
        ))),
        None => automatic(capabilities, login, security, apop),
    }
}

fn automatic(
    capabilities: &Capabilities,
    login: &Login,
    security: Security,
    apop: impl Fn() -> Option<PopWay>,
) -> Result<PopWay, Problem> {
    if login.authzid.is_some() && capabilities.sasl.is_empty() {
        return Ok(PopWay::Other(Way::Sasl(Mechanism::Plain)));
    }
    let encrypted = security != Security::Plain;
    let hide = !encrypted && !login.of_master;
    // RFC 2595 section 4: what may not be used before STLS is not listed. An APOP would be refused
    // too, and leave a digest of the password on the line.
    let nothing_listed = !capabilities.user && capabilities.sasl.is_empty();
    if !encrypted && capabilities.stls && nothing_listed {
        return Err(no_way("the server takes no login without encryption")
            .with_hint("use pop3s:// or pop3://"));
    }
    // CAPA without USER and without SASL is a careless server, not one without a login.
    let command = capabilities.user || capabilities.sasl.is_empty();
    let way = sasl::choose(&capabilities.sasl, command, login, hide).map(PopWay::Other);
    let hidden = way == Some(PopWay::Other(Way::Sasl(Mechanism::CramMd5)));
    let apop = || apop().filter(|_| login.authzid.is_none());
    // qmail-popup prints a timestamp whether or not its checkpassword knows APOP (most do not),
    // and has no CAPA: there it would cost every user the one attempt.
    let chosen = if hide && !hidden && capabilities.answered {
        apop().or(way)
    } else {
        way.or_else(apop)
    };
    chosen.ok_or_else(|| {
        no_way(format!(
            "the server offers no login that fits, it offers {}",
            capabilities.sasl.join(" ")
        ))
        .with_hint("name a mechanism with --auth")
    })
}

fn user_pass<S: Read + Write>(wire: &mut Wire<S>, login: &Login) -> Result<(), Problem> {
    sasl::check(Way::Command, login)?;
    for command in [
        format!("USER {}", login.name),
        format!("PASS {}", login.secret.expose()),
    ] {
        if let Err(text) = wire.ask(&command)? {
            let told = wire.words(&sasl::scrub(&login.secret, &[], &text));
            return Err(refused(login, "USER and PASS", &text, &told));
        }
    }
    Ok(())
}

fn apop<S: Read + Write>(wire: &mut Wire<S>, stamp: &str, login: &Login) -> Result<(), Problem> {
    sasl::check(Way::Command, login)?;
    let digest = Md5::new()
        .chain_update(stamp)
        .chain_update(login.secret.expose())
        .finalize();
    let digest = sasl::hex(&digest);
    wire.hide(&digest);
    match wire.ask(&format!("APOP {} {digest}", login.name))? {
        Ok(_) => Ok(()),
        Err(text) => {
            let told = wire.words(&sasl::scrub(&login.secret, &[digest], &text));
            Err(without_password(
                refused(login, "APOP", &text, &told),
                login,
            ))
        }
    }
}

fn auth<S: Read + Write>(
    wire: &mut Wire<S>,
    mechanism: Mechanism,
    login: &Login,
    endpoint: &Endpoint,
) -> Result<(), Problem> {
    let mut exchange = Exchange::new(mechanism, login, &endpoint.host, endpoint.port)?;
    let name = sasl::sasl_name(mechanism).unwrap_or("LOGIN");
    let mut initial = exchange.initial().map(|bytes| STANDARD.encode(bytes));
    if let Some(response) = &initial {
        wire.hide(response);
    }
    let command = match &initial {
        Some(response) => format!("AUTH {name} {response}\r\n"),
        None => format!("AUTH {name}\r\n"),
    };
    let sent_along = initial.is_some() && command.len() <= AUTH_LINE;
    if sent_along || initial.is_none() {
        wire.send(command.as_bytes())?;
    } else {
        wire.send(format!("AUTH {name}\r\n").as_bytes())?;
    }
    loop {
        let challenge = match wire.reply()? {
            Reply::Ok(_) => return Ok(()),
            Reply::Err(text) => {
                let mut told = exchange.scrub(&text);
                if let Some(failure) = exchange.failure().filter(|failure| !failure.is_empty()) {
                    told = format!("{told} {failure}");
                }
                let told = wire.words(&told);
                let problem = refused(login, &format!("AUTH {name}"), &text, &told);
                return Err(if mechanism == Mechanism::CramMd5 {
                    without_password(problem, login)
                } else {
                    problem
                });
            }
            Reply::Challenge(text) => text,
        };
        let response = match initial.take() {
            // An empty challenge to a response sent along: an RFC 1734 server has passed over it.
            Some(response) if !sent_along || challenge.is_empty() => response,
            _ => STANDARD.encode(exchange.respond(&decoded(mechanism, &challenge)?)?),
        };
        wire.send(format!("{response}\r\n").as_bytes())?;
    }
}

/// The bytes of a challenge. Only CRAM-MD5 needs them; some servers send plain text where they
/// do not matter.
fn decoded(mechanism: Mechanism, challenge: &str) -> Result<Vec<u8>, Problem> {
    match STANDARD.decode(challenge) {
        Ok(bytes) => Ok(bytes),
        Err(error) if mechanism == Mechanism::CramMd5 => Err(Problem::new(
            Kind::Protocol,
            Reach::User,
            "the CRAM-MD5 challenge is not base64",
        )
        .caused_by(error)),
        Err(_) => Ok(challenge.as_bytes().to_vec()),
    }
}

/// `text` is the server's, by which it is understood; `told` is what people may read of it.
fn refused(login: &Login, by: &str, text: &str, told: &str) -> Problem {
    let name = &login.name;
    let what = format!("the POP3 server refused the login of {name} by {by}: {told}");
    let problem = delayed(Problem::new(refusal(text, true), Reach::User, what), text);
    match problem.kind {
        Kind::Auth => problem.with_hint(REFUSED_HINT),
        _ => problem,
    }
}

/// Mechanisms that hide the password need it in clear on the server, which not every server that
/// offers them has.
fn without_password(problem: Problem, login: &Login) -> Problem {
    if problem.kind == Kind::Auth && login.mechanism.is_none() {
        problem.with_hint("if the password is right, --auth login sends it as it is")
    } else {
        problem
    }
}

fn no_way(what: impl AsRef<str>) -> Problem {
    Problem::new(Kind::Auth, Reach::User, what)
}
