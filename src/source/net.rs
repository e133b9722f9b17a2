//! Connections: dialling, time limits, TLS in its three forms. The one place for sockets and
//! certificates; both sources sit on what it returns.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::problem::{Kind, Problem, Reach};

mod endpoint;
mod farewell;
pub mod hosts;
mod line;
mod pace;
mod starttls;
#[cfg(test)]
mod tests;
mod tls;

pub use endpoint::{Endpoint, Protocol, Security};
use farewell::Farewells;
use hosts::Hosts;
use line::Gauge;
pub use line::{Compress, Line};
use pace::PacedSocket;

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
    hosts: Arc<Hosts>,
    /// By host.
    lines: Mutex<HashMap<String, Arc<Line>>>,
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
            hosts: Arc::new(Hosts::new(usize::MAX)),
            lines: Mutex::default(),
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
            hosts: Arc::new(Hosts::new(jobs)),
            ..self
        }
    }

    /// How the hosts fare that it leads to.
    pub fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    fn line(&self, host: &str) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Line::new(self.compress));
        Arc::clone(lines.entry(host.to_owned()).or_insert_with(new))
    }

    /// Says `goodbye` to a server in a thread of its own, so that nothing waits for the answer; the
    /// dialer does when it is dropped, for some seconds.
    pub fn see_off(&self, goodbye: impl FnOnce() + Send + 'static) {
        self.farewells.say(goodbye);
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
        let line = self.line(&endpoint.host);
        let socket = self.dial(endpoint, &line)?;
        let (stream, greeting): (Box<dyn Stream>, _) = match endpoint.security {
            Security::Tls => (self.tls.secure(endpoint, socket)?, None),
            Security::StartTls => {
                let (socket, greeting) = starttls::negotiate(endpoint, socket)?;
                (self.tls.secure(endpoint, socket)?, Some(greeting))
            }
            Security::Plain => (Box::new(socket), None),
        };
        Ok(Connection {
            stream: BufReader::with_capacity(BUFFER, stream),
            greeting,
            line,
        })
    }

    /// The first address of the host that answers, in the resolver's order.
    fn dial(&self, endpoint: &Endpoint, line: &Arc<Line>) -> Result<PacedSocket, Problem> {
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
                    let gauge = Gauge::new(line, start.elapsed());
                    return PacedSocket::new(tcp, self.timeout, gauge)
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
