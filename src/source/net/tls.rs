//! TLS over a socket: whom we trust, and what a failed handshake means to an admin.
//!
//! native-tls serves every current server. What it cannot set (the security level, connecting
//! without RFC 5746) old appliances need, and what it cannot tell (which certificate that was) fingerprints
//! do; for both there is the OpenSSL that native-tls itself stands on, and both fail with the same errors.

use std::error::Error;
use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::OnceLock;

use native_tls::TlsConnector;
use openssl::error::ErrorStack;
use openssl::ssl::{
    HandshakeError, SslConnector, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;

use super::certificate::{Fingerprint, described};
use super::pace::PacedSocket;
use super::{BUFFER, Endpoint, Security, Stream, TlsPolicy, io_problem};
use crate::problem::{Kind, Problem, Reach};

/// `SSL_OP_LEGACY_SERVER_CONNECT`, which the openssl crate does not name: talk to servers without
/// RFC 5746.
const LEGACY_SERVER_CONNECT: SslOptions = SslOptions::from_bits_retain(0x4);

/// What secures connections, any number of them.
pub(super) struct Connector {
    /// Whom to trust instead of the system's CAs.
    roots: Option<Vec<X509>>,
    insecure: bool,
    legacy: bool,
    /// Where there are any, a certificate is right if it is one of these, whatever else is in it.
    fingerprints: Vec<Fingerprint>,
    /// Set up for the first connection that needs it: to read the system's CAs takes longer than
    /// many a run without TLS. A failure is kept as its text.
    engine: OnceLock<Result<Engine, String>>,
}

enum Engine {
    /// What current servers need.
    NativeTls(TlsConnector),
    /// For old ones, and where the certificate itself is to be seen.
    OpenSsl(SslConnector),
}

/// Why there is no TLS.
#[derive(Debug)]
pub(super) enum Unsecured {
    /// The certificate is not accepted, in OpenSSL's words.
    Certificate(String),
    /// Anything else.
    Otherwise(Problem),
}

impl From<Problem> for Unsecured {
    fn from(problem: Problem) -> Self {
        Self::Otherwise(problem)
    }
}

impl Connector {
    /// Reads the CA file.
    pub(super) fn new(policy: &TlsPolicy) -> Result<Self, Problem> {
        Ok(Self {
            roots: policy.ca_file.as_deref().map(read_roots).transpose()?,
            insecure: policy.insecure,
            legacy: policy.legacy,
            fingerprints: policy.fingerprints.clone(),
            engine: OnceLock::new(),
        })
    }

    fn engine(&self) -> Result<&Engine, Problem> {
        let set_up = || {
            let roots = self.roots.as_deref();
            let compares = !self.fingerprints.is_empty();
            let engine = match self.legacy || compares {
                true => {
                    open_ssl(roots, self.insecure || compares, self.legacy).map(Engine::OpenSsl)
                }
                false => native_tls(roots, self.insecure).map(Engine::NativeTls),
            };
            engine.map_err(|error| error.to_string())
        };
        self.engine.get_or_init(set_up).as_ref().map_err(|why| {
            let what = format!("TLS cannot be set up: {why}");
            Problem::new(Kind::Tls, Reach::Run, what)
        })
    }

    /// The handshake with `endpoint`, whose name the certificate must bear.
    ///
    /// # Errors
    /// Kind Network where the connection broke or fell silent, kind Tls for all else but the certificate; of
    /// reach Run where OpenSSL itself will not do.
    pub(super) fn secure(
        &self,
        endpoint: &Endpoint,
        socket: PacedSocket,
    ) -> Result<Box<dyn Stream>, Unsecured> {
        match self.engine()? {
            Engine::NativeTls(connector) => {
                match connector.connect(name_of(endpoint), BelowTls::new(socket)) {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(native_tls::HandshakeError::Failure(error)) => {
                        // native-tls tells the verdict on the certificate only in the text.
                        let text = error.to_string();
                        let verdict = text
                            .strip_suffix(')')
                            .and_then(|text| text.rsplit_once(" ("))
                            .map_or("", |(_, verdict)| verdict);
                        Err(self.failure(endpoint, &error, verdict))
                    }
                    Err(native_tls::HandshakeError::WouldBlock(_)) => Err(silent(endpoint).into()),
                }
            }
            Engine::OpenSsl(connector) => {
                let compares = !self.fingerprints.is_empty();
                let checks_name = !self.insecure && !compares;
                let stream = self.shake(connector, endpoint, socket, checks_name)?;
                // Nothing has been said yet: the other side has only shown that it has the key.
                if compares {
                    self.compare(endpoint, stream.ssl().peer_certificate().as_ref())?;
                }
                Ok(Box::new(stream))
            }
        }
    }

    fn shake(
        &self,
        connector: &SslConnector,
        endpoint: &Endpoint,
        socket: PacedSocket,
        checks_name: bool,
    ) -> Result<SslStream<BelowTls<PacedSocket>>, Unsecured> {
        let connected = connector
            .configure()
            .map_err(HandshakeError::from)
            .and_then(|ssl| {
                ssl.verify_hostname(checks_name)
                    .connect(name_of(endpoint), BelowTls::new(socket))
            });
        connected.map_err(|error| match error {
            HandshakeError::Failure(middle) => {
                let verdict = middle.ssl().verify_result().error_string();
                self.failure(endpoint, middle.error(), verdict)
            }
            HandshakeError::SetupFailure(error) => self.failure(endpoint, &error, ""),
            HandshakeError::WouldBlock(_) => silent(endpoint).into(),
        })
    }

    fn compare(&self, endpoint: &Endpoint, shown: Option<&X509>) -> Result<(), Problem> {
        let fingerprint = shown.and_then(Fingerprint::of);
        if fingerprint.is_some_and(|it| self.fingerprints.contains(&it)) {
            return Ok(());
        }
        let address = endpoint.address();
        let shown = shown.map_or("there is none".to_owned(), described);
        let what = format!("{address}: its certificate is not one of --tls-fingerprint: {shown}");
        let problem = Problem::new(Kind::Tls, Reach::User, what);
        Err(problem.with_hint("ask who runs the server whether it has a new one"))
    }

    /// What the certificate of `endpoint` says, whoever has made it; over `socket` nothing is sent but the
    /// handshake. `None` where that fails.
    pub(super) fn look(&self, endpoint: &Endpoint, socket: PacedSocket) -> Option<String> {
        let connector = open_ssl(None, true, true).ok()?;
        let stream = self.shake(&connector, endpoint, socket, false).ok()?;
        stream.ssl().peer_certificate().as_ref().map(described)
    }

    /// The problem that a certificate is that is not accepted, `shown` being what it says.
    pub(super) fn untrusted(
        &self,
        endpoint: &Endpoint,
        verdict: &str,
        shown: Option<&str>,
    ) -> Problem {
        let address = endpoint.address();
        let shown = shown.map_or(String::new(), |shown| format!(" ({shown})"));
        let what = format!("{address}: its certificate is not accepted: {verdict}{shown}");
        let problem = Problem::new(Kind::Tls, Reach::User, what);
        problem.with_hint(self.certificate_hint(verdict))
    }

    fn failure(
        &self,
        endpoint: &Endpoint,
        error: &(dyn Error + 'static),
        verdict: &str,
    ) -> Unsecured {
        let cause = error.source();
        if let Some(broken) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
            let broken = io::Error::new(broken.kind(), broken.to_string());
            let timed_out = broken.kind() == io::ErrorKind::TimedOut;
            let problem = io_problem(endpoint, "setting up TLS", broken);
            // Some appliances hang up at the sight of a TLS version that they do not know.
            return match !self.legacy && !timed_out {
                true => problem.with_hint("if it is an old server: --tls-legacy"),
                false => problem,
            }
            .into();
        }
        let reasons = cause
            .and_then(|cause| cause.downcast_ref::<ErrorStack>())
            .map(reasons)
            .unwrap_or_default();
        let address = endpoint.address();
        let tls = |what: String| Problem::new(Kind::Tls, Reach::User, format!("{address}: {what}"));
        if reasons.contains("certificate verify failed") {
            return Unsecured::Certificate(verdict.to_owned());
        }
        if reasons.is_empty() {
            return tls(format!("no TLS connection: {error}")).into();
        }
        let problem = tls(format!("no TLS connection: {reasons}"));
        // OpenSSL's word for an answer that is no TLS at all.
        let is_none = reasons.contains("wrong version number");
        let hint = match (is_none, endpoint.security) {
            (true, Security::Tls) => {
                Some("is that the port for TLS? For STARTTLS write imap:// or pop3://")
            }
            (false, _) if !self.legacy => Some("if it is an old server: --tls-legacy"),
            _ => None,
        };
        match hint {
            Some(hint) => problem.with_hint(hint).into(),
            None => problem.into(),
        }
    }

    fn certificate_hint(&self, verdict: &str) -> &'static str {
        if verdict.contains("mismatch") {
            "name the server as its certificate does, or add --tls-fingerprint and that SHA-256 if it is yours"
        } else if verdict.contains("expired") || verdict.contains("not yet valid") {
            "if it is your server: --tls-fingerprint and that SHA-256"
        } else if verdict.contains("weak") && !self.legacy {
            "if it is an old server: --tls-legacy"
        } else {
            "--tls-ca FILE, or if it is your server: --tls-fingerprint and that SHA-256"
        }
    }
}

/// Certificates do not know the dot that makes a name absolute to the resolver.
fn name_of(endpoint: &Endpoint) -> &str {
    endpoint.host.strip_suffix('.').unwrap_or(&endpoint.host)
}

type Cause = Box<dyn Error + Send + Sync>;

fn native_tls(roots: Option<&[X509]>, insecure: bool) -> Result<TlsConnector, Cause> {
    let mut builder = TlsConnector::builder();
    builder
        .min_protocol_version(Some(native_tls::Protocol::Tlsv12))
        .danger_accept_invalid_certs(insecure)
        .danger_accept_invalid_hostnames(insecure);
    if let Some(roots) = roots {
        builder.disable_built_in_roots(true);
        for root in roots {
            builder.add_root_certificate(native_tls::Certificate::from_der(&root.to_der()?)?);
        }
    }
    Ok(builder.build()?)
}

/// `legacy`: from TLS 1.0, with weak keys and ciphers.
fn open_ssl(roots: Option<&[X509]>, insecure: bool, legacy: bool) -> Result<SslConnector, Cause> {
    let mut builder = SslConnector::builder(SslMethod::tls())?;
    if legacy {
        builder.set_cipher_list("DEFAULT:@SECLEVEL=0")?;
        builder.set_min_proto_version(Some(SslVersion::TLS1))?;
        builder.set_options(LEGACY_SERVER_CONNECT);
    } else {
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    }
    if let Some(roots) = roots {
        let mut store = X509StoreBuilder::new()?;
        for root in roots {
            store.add_cert(root.clone())?;
        }
        builder.set_cert_store(store.build());
    } else {
        // An OpenSSL of our own build does not know where the system keeps its CAs. As with
        // native-tls, a store that cannot be read shows in the certificates that it misses.
        let system = openssl_probe::probe();
        if let Some(file) = &system.cert_file {
            let _ = builder.load_verify_locations(Some(file), None);
        }
        for dir in &system.cert_dir {
            let _ = builder.load_verify_locations(None, Some(dir));
        }
    }
    if insecure {
        builder.set_verify(SslVerifyMode::NONE);
    }
    Ok(builder.build())
}

fn read_roots(path: &Path) -> Result<Vec<X509>, Problem> {
    let refuse = |what: &str| {
        let path = path.display();
        Problem::new(Kind::Input, Reach::Run, format!("CA file {path}: {what}"))
    };
    let pem = fs::read(path).map_err(|error| refuse("cannot be read").caused_by(error))?;
    let roots = X509::stack_from_pem(&pem)
        .map_err(|error| refuse(&format!("not PEM certificates: {}", reasons(&error))))?;
    if roots.is_empty() {
        return Err(refuse("no PEM certificate in it"));
    }
    Ok(roots)
}

fn silent(endpoint: &Endpoint) -> Problem {
    let error = io::Error::from(io::ErrorKind::TimedOut);
    io_problem(endpoint, "setting up TLS", error)
}

/// What OpenSSL has to say, without its source lines and error numbers.
fn reasons(stack: &ErrorStack) -> String {
    let reasons: Vec<&str> = stack
        .errors()
        .iter()
        .filter_map(|error| error.reason())
        .collect();
    reasons.join(", ")
}

/// The socket below TLS. OpenSSL asks for each record twice, for its head and for its body, and
/// some servers (Dovecot) send records of 4 KB: here they are read many at once.
///
/// The end of the TCP stream is never the end of the data: that one TLS announces (close_notify).
/// OpenSSL's own error for it would say nothing to those above.
#[derive(Debug)]
struct BelowTls<S>(BufReader<S>);

impl<S: Read> BelowTls<S> {
    fn new(socket: S) -> Self {
        Self(BufReader::with_capacity(BUFFER, socket))
    }
}

impl<S: Read> Read for BelowTls<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 if !buf.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

impl<S: Write> Write for BelowTls<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}
