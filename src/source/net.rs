//! Connections: dialling, time limits, TLS in its three forms. The one place for sockets and
//! certificates; both sources sit on what it returns.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::problem::{Kind, Problem, Reach};

mod certificate;
mod endpoint;
mod farewell;
pub mod hosts;
mod line;
mod meter;
mod pace;
mod rate;
mod starttls;
#[cfg(test)]
mod tests;
mod tls;

pub use certificate::Fingerprint;
pub use endpoint::{Endpoint, Protocol, Security};
use farewell::Farewells;
use hosts::{Hosts, Place, Turn};
use line::Gauge;
pub use line::{Compress, Line};
use meter::Counter;
use pace::PacedSocket;
pub use rate::LEAST as LEAST_RATE;
use rate::{Limit, Limits};
use tls::Unsecured;

/// Bytes that are read ahead for each connection.
const BUFFER: usize = 64 * 1024;

/// How certificates are judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// PEM file of CAs to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate and any host name.
    pub insecure: bool,
    /// TLS 1.0 and weak ciphers, for old appliances.
    pub legacy: bool,
    /// Where there are any: accept these certificates, and no others.
    pub fingerprints: Vec<Fingerprint>,
}

/// How much a run takes of the servers at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pacing {
    /// Users at once at each host, with their further connections; `None`: as many as there are.
    pub host_jobs: Option<usize>,
    /// How many are best at each host is found by trying.
    pub tuned: bool,
    /// Bytes a second of all hosts, at least [`LEAST_RATE`].
    pub rate: Option<u64>,
    /// Bytes a second of each host, at least [`LEAST_RATE`].
    pub host_rate: Option<u64>,
}

/// A byte stream to a server, secured or not.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection on which the protocol can begin.
pub struct Connection {
    /// The stream, buffered for reading; written through `get_mut()`.
    pub stream: BufReader<Box<dyn Stream>>,
    /// The greeting line, where it was already read because STARTTLS had to follow it. It came
    /// over plaintext: nothing in it may be believed but the APOP timestamp.
    pub greeting: Option<String>,
    /// The line that it goes over.
    pub line: Arc<Line>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("greeting", &self.greeting)
            .finish_non_exhaustive()
    }
}

/// Opens connections, all under the same certificate policy and time limits.
pub struct Dialer {
    tls: tls::Connector,
    timeout: Duration,
    farewells: Farewells,
    compress: Compress,
    jobs: usize,
    pacing: Pacing,
    hosts: Arc<Hosts>,
    /// For all hosts together.
    limit: Option<Arc<Limit>>,
    /// By host.
    ways: Mutex<HashMap<String, Way>>,
    /// By address what a certificate says that was not accepted: looked at once.
    looks: Mutex<HashMap<String, Arc<OnceLock<Option<String>>>>>,
}

/// What all connections to a host share.
#[derive(Debug, Clone)]
struct Way {
    line: Arc<Line>,
    limits: Limits,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// Reads the CA file and prepares TLS once for the whole run. `timeout`, above zero, limits
    /// each connect and each single wait for the server; a server that only trickles (less than
    /// 256 bytes within four timeouts of waiting for one answer) counts as silent.
    ///
    /// # Errors
    /// The CA file cannot be read or holds no certificate (reach Run, kind Input).
    pub fn new(policy: &TlsPolicy, timeout: Duration) -> Result<Self, Problem> {
        Ok(Self {
            tls: tls::Connector::new(policy)?,
            timeout,
            farewells: Farewells::new(),
            compress: Compress::Never,
            jobs: usize::MAX,
            pacing: Pacing::default(),
            hosts: Arc::new(Hosts::new(usize::MAX, Pacing::default())),
            limit: None,
            ways: Mutex::default(),
            looks: Mutex::default(),
        })
    }

    /// The same, with compression where `when` says.
    #[must_use]
    pub fn compressing(self, when: Compress) -> Self {
        Self {
            compress: when,
            ..self
        }
    }

    /// The same, for so many users at once.
    #[must_use]
    pub fn for_jobs(self, jobs: usize) -> Self {
        Self {
            jobs,
            hosts: Arc::new(Hosts::new(jobs, self.pacing)),
            ..self
        }
    }

    /// The same, taking no more than `pacing` of the servers.
    #[must_use]
    pub fn paced(self, pacing: Pacing) -> Self {
        Self {
            pacing,
            hosts: Arc::new(Hosts::new(self.jobs, pacing)),
            limit: pacing.rate.map(|rate| Arc::new(Limit::new(rate))),
            ..self
        }
    }

    /// How the hosts fare that it leads to.
    pub fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    fn way(&self, host: &str) -> Way {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let own = self.pacing.host_rate.map(|rate| Arc::new(Limit::new(rate)));
            Way {
                line: Arc::new(Line::new(self.compress)),
                limits: Limits::new(self.limit.iter().cloned().chain(own)),
            }
        };
        ways.entry(host.to_owned()).or_insert_with(new).clone()
    }

    /// A place at a host for a connection beside the one of a user's turn, where there is one now.
    pub fn place_beside(&self, host: &str) -> Option<Place> {
        Hosts::place_beside(&self.hosts, host)
    }

    /// Says `goodbye` to a server in a thread of its own, so that nothing waits for the answer; the
    /// dialer does when it is dropped, for some seconds.
    pub fn see_off(&self, goodbye: impl FnOnce() + Send + 'static) {
        self.farewells.say(goodbye);
    }

    /// [`Dialer::see_off`] on the connection of a user's turn, whose place is not free
    /// before that is over, or has taken seconds.
    pub fn see_off_from(&self, host: &str, goodbye: impl FnOnce() + Send + 'static) {
        let place = Hosts::leaving(&self.hosts, host);
        self.farewells.say(move || {
            goodbye();
            drop(place);
        });
    }

    /// Connects to `endpoint`, and brings TLS up where its scheme asks for it: never anything
    /// less. Where a limit passes later on, reads and writes fail with `TimedOut`; where the
    /// server goes away they end, or fail with `UnexpectedEof` if TLS was cut short. Hand either
    /// to [`io_problem`].
    ///
    /// # Errors
    /// Kind Network (retry) where no connection came about, or it broke before all was ready; kind
    /// Busy (retry) where the server sent us away before STARTTLS; kind Tls (no retry) where it
    /// could not be secured as asked; kind Protocol where it speaks something else.
    pub fn connect(&self, endpoint: &Endpoint) -> Result<Connection, Problem> {
        self.connect_counted(endpoint, None, None)
    }

    /// [`Dialer::connect`], and what comes counts for the user whose `turn` it is. A connection beside the
    /// first has a `place` of its own, which is free again when it is closed.
    ///
    /// # Errors
    /// Those of [`Dialer::connect`].
    pub fn connect_for(
        &self,
        turn: &Turn<'_>,
        endpoint: &Endpoint,
        place: Option<Place>,
    ) -> Result<Connection, Problem> {
        self.connect_counted(endpoint, Some(turn), place)
    }

    fn connect_counted(
        &self,
        endpoint: &Endpoint,
        turn: Option<&Turn<'_>>,
        place: Option<Place>,
    ) -> Result<Connection, Problem> {
        let way = self.way(&endpoint.host);
        let meters = [
            Some(self.hosts.meter(&endpoint.host)),
            turn.map(Turn::meter),
        ];
        let counter = Counter::new(meters.into_iter().flatten().collect());
        let socket = self.dial(endpoint, &way)?.counted(counter).in_place(place);
        let (socket, greeting) = begin(endpoint, socket)?;
        let stream: Box<dyn Stream> = match endpoint.security {
            Security::Plain => Box::new(socket),
            Security::Tls | Security::StartTls => self
                .tls
                .secure(endpoint, socket)
                .map_err(|why| self.unsecured(endpoint, why))?,
        };
        Ok(Connection {
            stream: BufReader::with_capacity(BUFFER, stream),
            greeting,
            line: way.line,
        })
    }

    /// The problem that `why` is. Which certificate it was that is not accepted a second connection tells, over
    /// which nothing else is said: the first time that an address has one.
    fn unsecured(&self, endpoint: &Endpoint, why: Unsecured) -> Problem {
        let verdict = match why {
            Unsecured::Otherwise(problem) => return problem,
            Unsecured::Certificate(verdict) => verdict,
        };
        let look = || {
            let socket = self.dial(endpoint, &self.way(&endpoint.host)).ok()?;
            let (socket, _) = begin(endpoint, socket).ok()?;
            self.tls.look(endpoint, socket)
        };
        let known = {
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(looks.entry(endpoint.address()).or_default())
        };
        // Others who find the same wait for what the first one sees.
        let shown = known.get_or_init(look).as_deref();
        self.tls.untrusted(endpoint, &verdict, shown)
    }

    /// The first address of the host that answers, in the resolver's order.
    fn dial(&self, endpoint: &Endpoint, way: &Way) -> Result<PacedSocket, Problem> {
        let to = endpoint.address();
        let problem = |what: String| Problem::new(Kind::Network, Reach::User, what);
        let addresses = (endpoint.host.as_str(), endpoint.port)
            .to_socket_addrs()
            .map_err(|error| {
                problem(format!("{to}: no address found"))
                    .with_hint("is the name of the server right?")
                    .caused_by(error)
            })?;
        let mut failures: Vec<String> = Vec::new();
        for address in addresses {
            let start = Instant::now();
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(tcp) => {
                    self.hosts.took_connection(&endpoint.host);
                    let gauge = Gauge::new(&way.line, start.elapsed());
                    return PacedSocket::new(tcp, self.timeout, gauge)
                        .and_then(|socket| socket.limited(way.limits.clone()))
                        .map_err(|error| io_problem(endpoint, "setting its time limits", error));
                }
                Err(error) => {
                    let why = self.why_not_connected(&error);
                    failures.push(format!("{}: {why}", address.ip()));
                }
            }
        }
        let what = format!("{to}: no connection ({})", failures.join("; "));
        let hint =
            "is that host and port right (an URL may end in :PORT), and no firewall between?";
        Err(problem(what).with_hint(hint).resting(true, 0))
    }

    fn why_not_connected(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::TimedOut => format!("timed out after {}", pace::seconds(self.timeout)),
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            _ => error.to_string(),
        }
    }
}

/// Brings a connection to the point at which TLS begins, where it is to; the greeting, if that came before.
fn begin(
    endpoint: &Endpoint,
    socket: PacedSocket,
) -> Result<(PacedSocket, Option<String>), Problem> {
    if endpoint.security != Security::StartTls {
        return Ok((socket, None));
    }
    let (socket, greeting) = starttls::negotiate(endpoint, socket)?;
    Ok((socket, Some(greeting)))
}

/// What an I/O error on a connection to `endpoint` means: the connection is lost, and a new one may
/// fare better (kind Network, reach User, retry). `doing` says what it interrupted, as in "the
/// server closed the connection while `waiting for the greeting`".
pub fn io_problem(endpoint: &Endpoint, doing: &str, error: io::Error) -> Problem {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock,
    };
    let (what, cause) = match error.kind() {
        // The errors of `PacedSocket` say which limit it was.
        TimedOut if error.get_ref().is_some() => (error.to_string(), None),
        TimedOut | WouldBlock => ("the server was silent for too long".to_owned(), None),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
            ("the server closed the connection".to_owned(), None)
        }
        _ => ("the connection broke".to_owned(), Some(error)),
    };
    let to = endpoint.address();
    let problem = Problem::new(
        Kind::Network,
        Reach::User,
        format!("{to}: {what} while {doing}"),
    );
    match cause {
        Some(cause) => problem.caused_by(cause),
        None => problem,
    }
}
