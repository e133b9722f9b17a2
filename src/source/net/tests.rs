//! The dialer against servers in this process, on loopback.

use std::io::BufRead as _;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use native_tls::{Identity, TlsAcceptor};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod, SslVersion};
use openssl::x509::{X509, X509NameBuilder};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A CA, and a server's certificate by it.
struct Pki {
    ca_file: tempfile::NamedTempFile,
    certificate: String,
    key: String,
}

impl Pki {
    fn new(names: &[&str]) -> Self {
        Self::until(names, 4096)
    }

    /// Whose certificate is good until the beginning of that year.
    fn until(names: &[&str], year: i32) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("CA parameters");
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "a CA of this test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("CA key"))
            .expect("CA certificate");
        let key = KeyPair::generate().expect("key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &ca).expect("certificate");
        let mut ca_file = tempfile::NamedTempFile::new().expect("file");
        ca_file.write_all(ca.pem().as_bytes()).expect("CA file");
        Self {
            ca_file,
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let identity = Identity::from_pkcs8(self.certificate.as_bytes(), self.key.as_bytes());
        TlsAcceptor::new(identity.expect("identity")).expect("acceptor")
    }

    /// A certificate as old appliances have it, signed by itself with a key of 1024 bits.
    fn weak(name: &str) -> Self {
        let rsa = Rsa::generate(1024).expect("RSA");
        let key = PKey::from_rsa(rsa).expect("key");
        let mut subject = X509NameBuilder::new().expect("name");
        subject.append_entry_by_text("CN", name).expect("CN");
        let subject = subject.build();
        let mut builder = X509::builder().expect("builder");
        builder.set_version(2).expect("version");
        builder.set_subject_name(&subject).expect("subject");
        builder.set_issuer_name(&subject).expect("issuer");
        builder.set_pubkey(&key).expect("key");
        let day = |days| Asn1Time::days_from_now(days).expect("time");
        builder.set_not_before(&day(0)).expect("time");
        builder.set_not_after(&day(1)).expect("time");
        builder
            .sign(&key, MessageDigest::sha1())
            .expect("signature");
        let pem = |bytes: Vec<u8>| String::from_utf8(bytes).expect("PEM");
        let certificate = pem(builder.build().to_pem().expect("PEM"));
        let mut ca_file = tempfile::NamedTempFile::new().expect("file");
        ca_file.write_all(certificate.as_bytes()).expect("CA file");
        Self {
            ca_file,
            certificate,
            key: pem(key.private_key_to_pem_pkcs8().expect("PEM")),
        }
    }

    /// A server that takes what nobody should offer, and knows nothing newer than `newest`.
    fn old_acceptor(&self, newest: SslVersion) -> SslAcceptor {
        let mut builder = SslAcceptor::mozilla_intermediate(SslMethod::tls()).expect("builder");
        builder.set_cipher_list("ALL:@SECLEVEL=0").expect("ciphers");
        builder
            .set_min_proto_version(Some(SslVersion::TLS1))
            .expect("version");
        builder
            .set_max_proto_version(Some(newest))
            .expect("version");
        let key = PKey::private_key_from_pem(self.key.as_bytes()).expect("key");
        let certificate = X509::from_pem(self.certificate.as_bytes()).expect("certificate");
        builder.set_private_key(&key).expect("key");
        builder.set_certificate(&certificate).expect("certificate");
        builder.build()
    }

    fn fingerprint(&self) -> Fingerprint {
        let certificate = X509::from_pem(self.certificate.as_bytes()).expect("certificate");
        Fingerprint::of(&certificate).expect("digest")
    }

    fn trusted(&self) -> TlsPolicy {
        TlsPolicy {
            ca_file: Some(self.ca_file.path().to_owned()),
            ..TlsPolicy::default()
        }
    }
}

/// A server of one connection.
fn serve<T: Send + 'static>(
    ip: &str,
    session: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (u16, JoinHandle<T>) {
    let listener = TcpListener::bind((ip, 0)).expect("bind");
    let port = listener.local_addr().expect("address").port();
    let server = thread::spawn(move || session(listener.accept().expect("accept").0));
    (port, server)
}

/// Greets through TLS and echoes one line; false where the handshake failed.
fn greet_and_echo(acceptor: TlsAcceptor) -> impl FnOnce(TcpStream) -> bool + Send + 'static {
    move |tcp| match acceptor.accept(tcp) {
        Ok(stream) => {
            let mut stream = BufReader::new(stream);
            stream.get_mut().write_all(b"* OK hello\r\n").expect("send");
            let mut line = String::new();
            stream.read_line(&mut line).expect("line");
            stream.get_mut().write_all(line.as_bytes()).expect("send");
            stream.get_mut().shutdown().expect("shutdown");
            true
        }
        Err(_) => false,
    }
}

fn endpoint(security: Security, host: &str, port: u16) -> Endpoint {
    Endpoint {
        protocol: Protocol::Imap,
        security,
        host: host.to_owned(),
        port,
    }
}

fn connect(policy: &TlsPolicy, endpoint: &Endpoint) -> Result<Connection, Problem> {
    Dialer::new(policy, TIMEOUT)?.connect(endpoint)
}

fn line(connection: &mut Connection) -> String {
    let mut line = String::new();
    connection.stream.read_line(&mut line).expect("a line");
    line
}

#[test]
fn tls_from_the_first_byte_under_our_own_ca() {
    let pki = Pki::new(&["localhost", "127.0.0.1", "::1"]);
    for (ip, host) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("::1", "::1"),
    ] {
        for legacy in [false, true] {
            let (port, server) = serve(ip, greet_and_echo(pki.acceptor()));
            let policy = TlsPolicy {
                legacy,
                ..pki.trusted()
            };
            let endpoint = endpoint(Security::Tls, host, port);
            let mut connection = connect(&policy, &endpoint).expect(host);
            assert_eq!(connection.greeting, None);
            assert_eq!(line(&mut connection), "* OK hello\r\n");
            connection
                .stream
                .get_mut()
                .write_all(b"echo\r\n")
                .expect("write");
            assert_eq!(line(&mut connection), "echo\r\n");
            assert_eq!(line(&mut connection), "", "an orderly end");
            assert!(server.join().expect("server"));
        }
    }
}

#[test]
fn certificates_are_refused_unless_told_otherwise() {
    let pki = Pki::new(&["localhost"]);
    let other = Pki::new(&["localhost"]);
    let expired = Pki::until(&["localhost"], 2001);
    let insecure = TlsPolicy {
        insecure: true,
        ..TlsPolicy::default()
    };
    let table = [
        (
            &expired,
            "localhost",
            expired.trusted(),
            Some("has expired"),
        ),
        (
            &pki,
            "localhost",
            other.trusted(),
            Some("--tls-ca FILE, or if it is your server: --tls-fingerprint"),
        ),
        (
            &pki,
            "localhost",
            TlsPolicy::default(),
            Some("--tls-ca FILE, or if it is your server: --tls-fingerprint"),
        ),
        (
            &pki,
            "127.0.0.1",
            pki.trusted(),
            Some("name the server as its certificate does"),
        ),
        (&pki, "127.0.0.1", insecure, None),
    ];
    for (pki, host, policy, refused) in table {
        for legacy in [false, true] {
            let policy = TlsPolicy {
                legacy,
                ..policy.clone()
            };
            let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
            let port = listener.local_addr().expect("address").port();
            let (acceptor, looks) = (pki.acceptor(), refused.is_some());
            let server = thread::spawn(move || {
                let next = || listener.accept().expect("accept").0;
                let heard = greet_and_echo(acceptor.clone())(next());
                if looks {
                    // Not a word over the second connection.
                    let mut stream = acceptor.accept(next()).expect("TLS");
                    assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0);
                }
                heard
            });
            let endpoint = endpoint(Security::Tls, host, port);
            let result = connect(&policy, &endpoint);
            match refused {
                Some(hint) => {
                    let problem = result.expect_err("refused");
                    let text = problem.to_string();
                    assert_eq!((problem.kind, problem.retry), (Kind::Tls, false), "{text}");
                    assert!(text.contains(hint), "{text}");
                    let shown = format!("SHA-256 {}", pki.fingerprint());
                    assert!(text.contains(&shown), "{text}");
                    assert!(text.contains("; valid until "), "{text}");
                    assert!(
                        text.starts_with(&format!("{host}:{port}: its certif")),
                        "{text}"
                    );
                    assert!(!server.join().expect("server"), "the server must notice");
                }
                None => {
                    let mut connection = result.expect("accepted");
                    assert_eq!(line(&mut connection), "* OK hello\r\n");
                    connection
                        .stream
                        .get_mut()
                        .write_all(b"\r\n")
                        .expect("write");
                    assert!(server.join().expect("server"));
                }
            }
        }
    }
}

#[test]
fn old_appliances_need_the_legacy_switch_which_still_checks_the_name() {
    let good = Pki::new(&["localhost"]);
    let weak = Pki::weak("localhost");
    let old = SslVersion::TLS1;
    let table = [
        (&good, old, false, "localhost", Some("--tls-legacy")),
        (&good, old, true, "127.0.0.1", Some("name the server as")),
        (&good, old, true, "localhost", None),
        (&weak, SslVersion::TLS1_2, false, "localhost", Some("weak")),
        (
            &weak,
            SslVersion::TLS1_2,
            false,
            "localhost",
            Some("--tls-legacy"),
        ),
        (&weak, old, true, "127.0.0.1", Some("name the server as")),
        (&weak, old, true, "localhost", None),
    ];
    for (pki, newest, legacy, host, refused) in table {
        let acceptor = pki.old_acceptor(newest);
        let (port, server) = serve("127.0.0.1", move |tcp| {
            let mut stream = acceptor.accept(tcp).ok()?;
            stream.write_all(b"+OK old\r\n").ok()?;
            Some(stream.ssl().version_str())
        });
        let policy = TlsPolicy {
            legacy,
            ..pki.trusted()
        };
        let result = connect(&policy, &endpoint(Security::Tls, host, port));
        match refused {
            Some(words) => {
                let problem = result.expect_err("refused");
                let text = problem.to_string();
                assert_eq!((problem.kind, problem.retry), (Kind::Tls, false), "{text}");
                assert!(text.contains(words), "{text}");
                server.join().expect("server");
            }
            None => {
                assert_eq!(line(&mut result.expect("accepted")), "+OK old\r\n");
                assert_eq!(server.join().expect("server"), Some("TLSv1"));
            }
        }
    }
}

/// Of any name, maker and age, and no other, though an authority vouches for it.
#[test]
fn a_certificate_of_that_fingerprint_is_accepted_and_no_other() {
    let (good, weak) = (Pki::new(&["elsewhere"]), Pki::weak("elsewhere"));
    let expired = Pki::until(&["elsewhere"], 2001);
    let table = [
        (&expired, vec![expired.fingerprint()], false, true),
        (&good, vec![good.fingerprint()], false, true),
        (
            &good,
            vec![weak.fingerprint(), good.fingerprint()],
            false,
            true,
        ),
        (&good, vec![weak.fingerprint()], false, false),
        (&weak, vec![weak.fingerprint()], true, true),
        (&weak, vec![good.fingerprint()], true, false),
    ];
    for (pki, fingerprints, legacy, accepted) in table {
        let acceptor = pki.old_acceptor(SslVersion::TLS1_2);
        let (port, server) = serve("127.0.0.1", move |tcp| {
            let mut stream = acceptor.accept(tcp).ok()?;
            stream.write_all(b"+OK old\r\n").ok()?;
            // What the client says, which is nothing.
            Some(stream.read(&mut [0]).unwrap_or_default())
        });
        let policy = TlsPolicy {
            legacy,
            fingerprints,
            ..TlsPolicy::default()
        };
        let result = connect(&policy, &endpoint(Security::Tls, "localhost", port));
        match result {
            Ok(mut connection) => {
                assert!(accepted);
                assert_eq!(line(&mut connection), "+OK old\r\n");
            }
            Err(problem) => {
                let text = problem.to_string();
                assert!(!accepted, "{text}");
                assert_eq!((problem.kind, problem.retry), (Kind::Tls, false), "{text}");
                let shown = format!("SHA-256 {}", pki.fingerprint());
                assert!(text.contains("not one of --tls-fingerprint"), "{text}");
                assert!(text.contains(&shown), "{text}");
            }
        }
        assert_eq!(server.join().expect("server"), Some(0));
    }
}

#[test]
fn the_dot_of_an_absolute_host_name_is_not_in_its_certificate() {
    let pki = Pki::new(&["localhost"]);
    let (port, server) = serve("127.0.0.1", greet_and_echo(pki.acceptor()));
    // Not through the dialer: the resolver does not find "localhost." in /etc/hosts.
    let tcp = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    let socket = PacedSocket::new(tcp, TIMEOUT, None).expect("socket");
    let connector = tls::Connector::new(&pki.trusted()).expect("connector");
    let mut stream = connector
        .secure(&endpoint(Security::Tls, "localhost.", port), socket)
        .expect("TLS");
    stream.write_all(b"\r\n").expect("write");
    assert!(server.join().expect("server"));
}

#[test]
fn starttls_is_asked_for_in_plaintext_and_all_else_goes_through_tls() {
    let pki = Pki::new(&["localhost"]);
    let acceptor = pki.acceptor();
    let (port, server) = serve("127.0.0.1", move |mut tcp| {
        tcp.write_all(b"+OK <17@h>\r\n").expect("greeting");
        let mut asked = [0; 6];
        tcp.read_exact(&mut asked).expect("STLS");
        assert_eq!(&asked, b"STLS\r\n");
        tcp.write_all(b"+OK go\r\n").expect("answer");
        greet_and_echo(acceptor)(tcp)
    });
    let endpoint = Endpoint {
        protocol: Protocol::Pop3,
        ..endpoint(Security::StartTls, "localhost", port)
    };
    let mut connection = connect(&pki.trusted(), &endpoint).expect("STLS");
    assert_eq!(connection.greeting.as_deref(), Some("+OK <17@h>"));
    assert_eq!(line(&mut connection), "* OK hello\r\n");
    connection
        .stream
        .get_mut()
        .write_all(b"x\r\n")
        .expect("write");
    assert_eq!(line(&mut connection), "x\r\n");
    assert!(server.join().expect("server"));
}

#[test]
fn after_starttls_nothing_is_ever_said_in_plaintext() {
    let table: [(&[u8], Kind); 4] = [
        (b"S0 NO not here\r\n", Kind::Tls),
        (b"S0 OK go\r\n* CAPABILITY AUTH=PLAIN\r\n", Kind::Tls),
        (b"S0 OK go\r\n", Kind::Network),
        (b"", Kind::Network),
    ];
    for (answer, kind) in table {
        let (port, server) = serve("127.0.0.1", move |mut tcp| {
            tcp.write_all(b"* OK\r\n").expect("greeting");
            let mut asked = [0; 13];
            tcp.read_exact(&mut asked).expect("STARTTLS");
            tcp.write_all(answer).expect("answer");
            tcp.shutdown(std::net::Shutdown::Write).expect("shutdown");
            let mut rest = Vec::new();
            tcp.read_to_end(&mut rest).expect("the rest");
            rest
        });
        let endpoint = endpoint(Security::StartTls, "localhost", port);
        let problem = connect(&TlsPolicy::default(), &endpoint).expect_err("no TLS");
        assert_eq!(
            (problem.kind, problem.reach),
            (kind, Reach::User),
            "{problem}"
        );
        let rest = server.join().expect("server");
        // A handshake record, or nothing.
        assert!(rest.is_empty() || rest.starts_with(&[22, 3, 1]), "{rest:?}");
    }
}

#[test]
fn plaintext_on_the_tls_port_is_told_from_a_broken_line() {
    let (port, server) = serve("127.0.0.1", |mut tcp| {
        tcp.write_all(b"* OK no TLS here, I am on port 143\r\n")?;
        // Left unread, the handshake would turn our end into a reset.
        tcp.read(&mut [0; 4096])
    });
    let endpoint = endpoint(Security::Tls, "localhost", port);
    let problem = connect(&TlsPolicy::default(), &endpoint).expect_err("no TLS");
    assert_eq!(problem.kind, Kind::Tls, "{problem}");
    assert!(
        problem.to_string().contains("For STARTTLS write"),
        "{problem}"
    );
    server.join().expect("server").expect("greeting");
}

#[test]
fn silence_ends_within_the_timeout_at_every_stage() {
    let timeout = Duration::from_millis(300);
    let dialer = Dialer::new(&TlsPolicy::default(), timeout).expect("dialer");
    for security in [Security::Tls, Security::StartTls, Security::Plain] {
        // Nobody accepts: the kernel answers for the server, which then says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let endpoint = endpoint(security, "localhost", port);
        let start = Instant::now();
        let problem = match dialer.connect(&endpoint) {
            Err(problem) => problem,
            Ok(mut connection) => {
                let error = connection.stream.fill_buf().expect_err("silence");
                io_problem(&endpoint, "waiting for the greeting", error)
            }
        };
        let text = problem.to_string();
        assert_eq!(
            (problem.kind, problem.retry),
            (Kind::Network, true),
            "{text}"
        );
        assert!(
            text.contains("the server was silent for 0.3 s while "),
            "{text}"
        );
        // Once, and not for each of many reads; a busy machine has other things to do.
        assert!(start.elapsed() < timeout * 100, "{:?}", start.elapsed());
    }
}

#[test]
fn no_connection_is_a_network_problem_that_names_the_server() {
    let free = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.local_addr().expect("address").port()
    };
    let refused = endpoint(Security::Tls, "127.0.0.1", free);
    // Too long a label: no resolver asks anyone for it.
    let host = format!("{}.invalid", "a".repeat(64));
    let unknown = endpoint(Security::Plain, &host, 143);
    for (endpoint, words) in [
        (&refused, "connection refused".to_owned()),
        (&unknown, format!("{host}:143: no address found")),
    ] {
        let problem = connect(&TlsPolicy::default(), endpoint).expect_err("no connection");
        let text = problem.to_string();
        assert_eq!((problem.kind, problem.reach), (Kind::Network, Reach::User));
        assert!(problem.retry, "{text}");
        assert!(text.contains(&words), "{text}");
        assert!(text.contains(&endpoint.address()), "{text}");
    }
}

#[test]
fn all_addresses_of_a_host_are_tried() {
    let both: Vec<_> = ("localhost", 1)
        .to_socket_addrs()
        .expect("localhost")
        .collect();
    // Each address family in turn is the only one with a server behind it.
    for address in both {
        let (port, server) = serve(&address.ip().to_string(), |mut tcp| {
            tcp.write_all(b"* OK\r\n").expect("greeting");
        });
        let endpoint = endpoint(Security::Plain, "localhost", port);
        let mut connection = connect(&TlsPolicy::default(), &endpoint).expect("one of them");
        assert_eq!(line(&mut connection), "* OK\r\n");
        server.join().expect("server");
    }
}

#[test]
fn tls_that_is_cut_short_is_an_unexpected_end() {
    let pki = Pki::new(&["localhost"]);
    for legacy in [false, true] {
        let acceptor = pki.acceptor();
        let (port, server) = serve("127.0.0.1", move |tcp| {
            let mut stream = acceptor.accept(tcp).expect("handshake");
            stream.write_all(b"half a li").expect("send");
            // Dropped without close_notify.
        });
        let policy = TlsPolicy {
            legacy,
            ..pki.trusted()
        };
        let endpoint = endpoint(Security::Tls, "localhost", port);
        let mut connection = connect(&policy, &endpoint).expect("TLS");
        server.join().expect("server");
        let mut heard = Vec::new();
        let error = connection
            .stream
            .read_until(b'\n', &mut heard)
            .expect_err("cut");
        assert_eq!(heard, b"half a li");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let problem = io_problem(&endpoint, "reading", error);
        assert!(
            problem
                .to_string()
                .contains("closed the connection while reading"),
            "{problem}"
        );
    }
}

#[test]
fn a_server_that_hangs_up_in_the_handshake_may_be_tried_again() {
    let (port, server) = serve("127.0.0.1", |mut tcp| {
        let mut hello = [0; 5];
        tcp.read_exact(&mut hello).expect("hello");
    });
    let endpoint = endpoint(Security::Tls, "127.0.0.1", port);
    let problem = connect(&TlsPolicy::default(), &endpoint).expect_err("gone");
    assert_eq!(
        (problem.kind, problem.retry),
        (Kind::Network, true),
        "{problem}"
    );
    assert_eq!(
        problem.to_string(),
        format!(
            "127.0.0.1:{port}: the server closed the connection while setting up TLS \
             (hint: if it is an old server: --tls-legacy)"
        )
    );
    server.join().expect("server");
}

#[test]
fn a_ca_file_without_certificates_stops_the_run() {
    let dir = tempfile::tempdir().expect("dir");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let table = [
        ("missing.pem", None, "cannot be read: No such file"),
        ("empty.pem", Some(""), "no PEM certificate in it"),
        ("text.pem", Some("hello\n"), "no PEM certificate in it"),
        ("bad.pem", Some(pem), "not PEM certificates"),
    ];
    for (name, content, words) in table {
        let path = dir.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).expect("write");
        }
        for legacy in [false, true] {
            let policy = TlsPolicy {
                ca_file: Some(path.clone()),
                legacy,
                ..TlsPolicy::default()
            };
            let problem = Dialer::new(&policy, TIMEOUT).expect_err(name);
            let text = problem.to_string();
            assert_eq!(
                (problem.kind, problem.reach),
                (Kind::Input, Reach::Run),
                "{text}"
            );
            assert!(text.contains(name) && text.contains(words), "{text}");
        }
    }
}
