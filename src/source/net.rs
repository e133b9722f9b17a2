//! Connections: dialling, time limits, TLS in its three forms. The one place for sockets and
//! certificates; both sources sit on what it returns.

use std::fmt;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::problem::Problem;

/// The protocol spoken at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// IMAP4rev1 (RFC 3501).
    Imap,
    /// POP3 (RFC 1939).
    Pop3,
}

/// How an endpoint is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS or STLS, required (RFC 2595).
    StartTls,
    /// None: the scheme says so in so many words.
    Plain,
}

/// Where a server listens, from a URL such as `imaps://mail.example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// What it speaks.
    pub protocol: Protocol,
    /// How it is secured.
    pub security: Security,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

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
    _todo: (),
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

impl Dialer {
    /// Reads the CA file and prepares TLS once for the whole run. `timeout` limits each connect
    /// and each single wait for the server.
    ///
    /// # Errors
    /// The CA file cannot be read or holds no certificate (reach Run, kind Input).
    pub fn new(_policy: &TlsPolicy, _timeout: Duration) -> Result<Self, Problem> {
        unimplemented!("net helper")
    }

    /// Connects to `endpoint`, and brings TLS up where its scheme asks for it.
    ///
    /// # Errors
    /// Kind Network (retry) where no connection came about; kind Tls (no retry) where it could
    /// not be secured as asked.
    pub fn connect(&self, _endpoint: &Endpoint) -> Result<Connection, Problem> {
        unimplemented!("net helper")
    }
}
