//! Where a server is and how it is secured, as a URL says it. No I/O.

use std::fmt;

use url::{Host, ParseError, Url};

use crate::problem::{Kind, Problem, Reach};

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

struct Scheme {
    name: &'static str,
    protocol: Protocol,
    security: Security,
    port: u16,
}

const SCHEMES: [Scheme; 6] = [
    scheme("imaps", Protocol::Imap, Security::Tls, 993),
    scheme("imap", Protocol::Imap, Security::StartTls, 143),
    scheme("imap+plain", Protocol::Imap, Security::Plain, 143),
    scheme("pop3s", Protocol::Pop3, Security::Tls, 995),
    scheme("pop3", Protocol::Pop3, Security::StartTls, 110),
    scheme("pop3+plain", Protocol::Pop3, Security::Plain, 110),
];

const fn scheme(name: &'static str, protocol: Protocol, security: Security, port: u16) -> Scheme {
    Scheme {
        name,
        protocol,
        security,
        port,
    }
}

impl Endpoint {
    /// Reads the URL of a server that is to speak `expected`: scheme, host and perhaps a port. An
    /// international host name is turned into its ASCII form (RFC 5890).
    ///
    /// # Errors
    /// Kind Input, reach Run: not such a URL, or anything in it that we would ignore (user name,
    /// path, query, fragment). What may be a password is not repeated.
    pub fn parse(url: &str, expected: Protocol) -> Result<Self, Problem> {
        if url.contains('@') {
            return Err(
                refusal("the server URL must not hold a user name or password")
                    .with_hint("names and passwords belong in the user list"),
            );
        }
        let refuse = |why: &str| refusal(&format!("server URL {url}: {why}"));
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(refuse("a space or control character in it"));
        }
        let parsed = Url::parse(url).map_err(|error| match error {
            // What stands in the port's place may be the password of a URL that was cut short.
            ParseError::InvalidPort => refusal("server URL: the port is no number up to 65535"),
            ParseError::RelativeUrlWithoutBase => refuse("no scheme").with_hint(schemes(expected)),
            other => refuse(&other.to_string()),
        })?;
        let scheme = SCHEMES
            .iter()
            .find(|scheme| scheme.name == parsed.scheme())
            .ok_or_else(|| refuse("unknown scheme").with_hint(schemes(expected)))?;
        if scheme.protocol != expected {
            let (found, wanted) = (scheme.protocol.name(), expected.name());
            return Err(refuse(&format!("{found}, but {wanted} is meant here"))
                .with_hint(schemes(expected)));
        }
        if !matches!(parsed.path(), "" | "/")
            || parsed.query().is_some()
            || parsed.fragment().is_some()
        {
            return Err(refuse("only a scheme, a host and a port may stand in it"));
        }
        let host = match parsed.host_str() {
            None | Some("") => return Err(refuse("no host")),
            Some(host) => Host::parse(host).map_err(|error| refuse(&error.to_string()))?,
        };
        let port = match parsed.port() {
            Some(0) => return Err(refuse("port 0")),
            Some(port) => port,
            None => scheme.port,
        };
        Ok(Self {
            protocol: scheme.protocol,
            security: scheme.security,
            host: match host {
                Host::Domain(name) => name,
                Host::Ipv4(address) => address.to_string(),
                Host::Ipv6(address) => address.to_string(),
            },
            port,
        })
    }

    /// `host:port`, an IPv6 address in brackets: how messages name the server.
    pub fn address(&self) -> String {
        format!("{}:{}", self.bracketed_host(), self.port)
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

/// The URL; the port only where it is not the scheme's own.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES
            .iter()
            .find(|scheme| scheme.protocol == self.protocol && scheme.security == self.security);
        if let Some(scheme) = scheme {
            write!(f, "{}://", scheme.name)?;
        }
        f.write_str(&self.bracketed_host())?;
        if scheme.is_none_or(|scheme| scheme.port != self.port) {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl Protocol {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Imap => "IMAP",
            Protocol::Pop3 => "POP3",
        }
    }
}

fn refusal(what: &str) -> Problem {
    Problem::new(Kind::Input, Reach::Run, what)
}

fn schemes(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => {
            "write imaps://HOST (TLS), imap://HOST (STARTTLS, required) or imap+plain://HOST (no TLS)"
        }
        Protocol::Pop3 => {
            "write pop3s://HOST (TLS), pop3://HOST (STLS, required) or pop3+plain://HOST (no TLS)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_protocol_security_host_and_port_and_back() {
        use Protocol::{Imap, Pop3};
        use Security::{Plain, StartTls, Tls};
        let table = [
            ("imaps://h.example", Imap, Tls, "h.example", 993, None),
            (
                "imap://h.example/",
                Imap,
                StartTls,
                "h.example",
                143,
                Some("imap://h.example"),
            ),
            (
                "imap+plain://10.0.0.1:1143",
                Imap,
                Plain,
                "10.0.0.1",
                1143,
                None,
            ),
            ("pop3s://[::1]", Pop3, Tls, "::1", 995, None),
            (
                "pop3://[2001:DB8::0:7]:65535",
                Pop3,
                StartTls,
                "2001:db8::7",
                65535,
                Some("pop3://[2001:db8::7]:65535"),
            ),
            (
                "pop3+plain://localhost",
                Pop3,
                Plain,
                "localhost",
                110,
                None,
            ),
            (
                "IMAPS://Mail.Example.COM:993",
                Imap,
                Tls,
                "mail.example.com",
                993,
                Some("imaps://mail.example.com"),
            ),
            (
                "imaps://Bücher.example",
                Imap,
                Tls,
                "xn--bcher-kva.example",
                993,
                Some("imaps://xn--bcher-kva.example"),
            ),
            (
                "imaps://h.example:",
                Imap,
                Tls,
                "h.example",
                993,
                Some("imaps://h.example"),
            ),
            (
                "imaps://old_mail:993",
                Imap,
                Tls,
                "old_mail",
                993,
                Some("imaps://old_mail"),
            ),
            // A port that belongs to another scheme changes nothing about the security.
            (
                "imap://h.example:993",
                Imap,
                StartTls,
                "h.example",
                993,
                None,
            ),
        ];
        for (url, protocol, security, host, port, back) in table {
            let endpoint = Endpoint::parse(url, protocol).expect(url);
            let expected = Endpoint {
                protocol,
                security,
                host: host.to_owned(),
                port,
            };
            assert_eq!(endpoint, expected, "{url}");
            assert_eq!(endpoint.to_string(), back.unwrap_or(url));
            let again = Endpoint::parse(&endpoint.to_string(), protocol).expect("its own URL");
            assert_eq!(again, expected, "{url}");
        }
    }

    #[test]
    fn whatever_we_would_ignore_or_guess_is_refused() {
        let table = [
            ("imaps://joe:hunter2@h.example", "user name"),
            ("imaps://joe@h.example", "user name"),
            ("imaps://@h.example", "user name"),
            ("imaps://joe:hun/ter2@h.example", "user name"),
            ("joe:hunter2@h.example", "user name"),
            ("imaps://joe:hunter2", "the port"),
            ("imaps://h.example:65536", "the port"),
            ("imaps://h.example:0", "port 0"),
            ("imaps://h.example/INBOX", "only a scheme"),
            ("imaps://h.example//", "only a scheme"),
            ("imaps://h.example?tls=no", "only a scheme"),
            ("imaps://h.example/#x", "only a scheme"),
            ("imaps://", "no host"),
            ("imaps:///", "no host"),
            ("imaps:h.example", "only a scheme"),
            ("imaps:", "no host"),
            ("imaps://:993", "host"),
            ("imaps://[::1", "IPv6"),
            ("imaps://[::g]", "IPv6"),
            ("imaps://256.1.1.1", "IPv4"),
            ("imaps://a b", "a space"),
            ("imaps://h.example\n", "a space"),
            ("imaps://h%00.example", "server URL"),
            ("h.example", "imaps://HOST (TLS), imap://HOST"),
            ("h.example:993", "imaps://HOST (TLS), imap://HOST"),
            ("", "no scheme"),
            ("https://h.example", "unknown scheme"),
            ("imap+tls://h.example", "unknown scheme"),
            ("pop3s://h.example", "POP3, but IMAP is meant"),
        ];
        for (url, words) in table {
            let problem = Endpoint::parse(url, Protocol::Imap).expect_err(url);
            assert_eq!((problem.kind, problem.reach), (Kind::Input, Reach::Run));
            let text = problem.to_string();
            assert!(text.contains(words), "{url}: {text}");
            assert!(!text.contains("hun"), "{url}: {text}");
        }
        let problem = Endpoint::parse("imap://h", Protocol::Pop3).expect_err("IMAP");
        assert!(problem.to_string().contains("IMAP, but POP3"), "{problem}");
    }
}
