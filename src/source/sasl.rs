//! SASL for both protocols: which mechanism, and the bytes of its rounds (RFC 4422). Framing
//! (base64, `+ `, tags) stays with the protocols.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;

use super::login::{Login, Mechanism, Secret};
use crate::problem::{Kind, Problem, Reach};

/// How to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The protocol's own clear-text command: IMAP LOGIN, POP3 USER and PASS.
    Command,
    /// A SASL mechanism; [`Mechanism::Login`] is AUTH LOGIN here.
    Sasl(Mechanism),
}

/// The best way when the user named none. `offered` are the server's SASL mechanisms in upper
/// case, `command` says whether its clear-text command may be used. With `hide` CRAM-MD5 goes before
/// all that send the password: for a line without encryption. OAuth mechanisms are never chosen: a
/// password does not serve them. `None`: nothing on offer can carry this login.
pub fn choose(offered: &[String], command: bool, login: &Login, hide: bool) -> Option<Way> {
    let sasl = |mechanism| {
        sasl_name(mechanism)
            .filter(|name| offered.iter().any(|offer| offer == name))
            .map(|_| Way::Sasl(mechanism))
    };
    if login.authzid.is_some() {
        return sasl(Mechanism::Plain);
    }
    let hidden = || sasl(Mechanism::CramMd5);
    let clear = || {
        sasl(Mechanism::Plain)
            .or_else(|| command.then_some(Way::Command))
            .or_else(|| sasl(Mechanism::Login))
    };
    if hide {
        hidden().or_else(clear)
    } else {
        clear().or_else(hidden)
    }
}

/// The registered name of a mechanism; `None` for APOP, which is none of SASL's.
pub fn sasl_name(mechanism: Mechanism) -> Option<&'static str> {
    match mechanism {
        Mechanism::Login => Some("LOGIN"),
        Mechanism::Plain => Some("PLAIN"),
        Mechanism::CramMd5 => Some("CRAM-MD5"),
        Mechanism::Xoauth2 => Some("XOAUTH2"),
        Mechanism::Oauthbearer => Some("OAUTHBEARER"),
        Mechanism::Apop => None,
    }
}

/// Refuses a login that would break its line or its fields: NUL, SOH, CR or LF in it, or an
/// authorization identity that `way` cannot carry.
///
/// # Errors
/// Kind Input. The secret is not repeated.
pub fn check(way: Way, login: &Login) -> Result<(), Problem> {
    let fields = [
        ("user name", login.name.as_str()),
        ("user name", login.authzid.as_deref().unwrap_or_default()),
        ("password or token", login.secret.expose()),
    ];
    for (what, field) in fields {
        if field.contains(['\0', '\x01', '\r', '\n']) {
            return Err(Problem::new(
                Kind::Input,
                Reach::User,
                format!("the {what} holds a control character that no login can carry"),
            ));
        }
    }
    let carries_authzid = matches!(
        way,
        Way::Sasl(Mechanism::Plain | Mechanism::Xoauth2 | Mechanism::Oauthbearer)
    );
    if login.authzid.is_some() && !carries_authzid {
        return Err(Problem::new(
            Kind::Input,
            Reach::User,
            "logging in as another user needs SASL PLAIN or OAUTHBEARER",
        ));
    }
    Ok(())
}

/// What the client says first, not yet base64; `None` where the server begins (LOGIN, CRAM-MD5)
/// and for APOP.
pub fn initial_response(
    mechanism: Mechanism,
    login: &Login,
    host: &str,
    port: u16,
) -> Option<Vec<u8>> {
    let secret = login.secret.expose();
    let mailbox = login.authzid.as_deref().unwrap_or(&login.name);
    match mechanism {
        // RFC 4616.
        Mechanism::Plain => {
            let authzid = login.authzid.as_deref().unwrap_or_default();
            Some(format!("{authzid}\0{}\0{secret}", login.name).into_bytes())
        }
        Mechanism::Xoauth2 => {
            Some(format!("user={mailbox}\x01auth=Bearer {secret}\x01\x01").into_bytes())
        }
        // RFC 7628 section 3.1; the name is escaped as RFC 5801 section 4 has it.
        Mechanism::Oauthbearer => {
            let name = mailbox.replace('=', "=3D").replace(',', "=2C");
            let text = format!(
                "n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {secret}\x01\x01"
            );
            Some(text.into_bytes())
        }
        Mechanism::Login | Mechanism::CramMd5 | Mechanism::Apop => None,
    }
}

/// One run of a mechanism: challenges in, responses out.
pub struct Exchange {
    mechanism: Mechanism,
    login: Login,
    initial: Option<Vec<u8>>,
    round: u32,
    failure: Option<Vec<u8>>,
    sent: Vec<String>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("mechanism", &self.mechanism)
            .field("round", &self.round)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// The beginning of a login by `mechanism` at `host` and `port`.
    ///
    /// # Errors
    /// Those of [`check`].
    pub fn new(
        mechanism: Mechanism,
        login: &Login,
        host: &str,
        port: u16,
    ) -> Result<Self, Problem> {
        check(Way::Sasl(mechanism), login)?;
        Ok(Self {
            mechanism,
            login: login.clone(),
            initial: initial_response(mechanism, login, host, port),
            round: 0,
            failure: None,
            sent: Vec::new(),
        })
    }

    /// The initial response, to be sent along with the mechanism's name; `None` where the server
    /// begins. Who cannot send it there leaves it: it is then the answer to the first challenge.
    pub fn initial(&mut self) -> Option<Vec<u8>> {
        let response = self.initial.take()?;
        self.remember(&response);
        Some(response)
    }

    /// The answer to a challenge (both without base64).
    ///
    /// # Errors
    /// Kind Protocol when the server asks for more rounds than the mechanism has.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Problem> {
        self.round += 1;
        let response = match (self.mechanism, self.initial.take(), self.round) {
            (_, Some(initial), _) => initial,
            (Mechanism::Login, _, 1) => self.login.name.clone().into_bytes(),
            (Mechanism::Login, _, 2) => self.login.secret.expose().as_bytes().to_vec(),
            (Mechanism::CramMd5, _, 1) => self.cram_md5(challenge)?,
            // The server has refused and tells why; it says so for good once it has an answer.
            (Mechanism::Xoauth2, ..) if self.failure.is_none() => {
                self.failure = Some(challenge.to_vec());
                Vec::new()
            }
            (Mechanism::Oauthbearer, ..) if self.failure.is_none() => {
                self.failure = Some(challenge.to_vec());
                b"\x01".to_vec()
            }
            _ => {
                return Err(Problem::new(
                    Kind::Protocol,
                    Reach::User,
                    "the server asks for more than the login mechanism has to say",
                ));
            }
        };
        self.remember(&response);
        Ok(response)
    }

    /// The challenge in which an OAuth server told why it refuses (JSON), where it did; scrubbed.
    pub fn failure(&self) -> Option<String> {
        let failure = self.failure.as_deref()?;
        Some(self.scrub(&String::from_utf8_lossy(failure)))
    }

    /// [`scrub`] with all that this exchange has sent.
    pub fn scrub(&self, text: &str) -> String {
        scrub(&self.login.secret, &self.sent, text)
    }

    fn remember(&mut self, response: &[u8]) {
        // A short one (an empty line, a \x01) is no secret, and would be replaced everywhere.
        if response.len() > 3 && response != self.login.name.as_bytes() {
            self.sent.push(STANDARD.encode(response));
        }
    }

    /// RFC 2195: the name and the keyed digest of the challenge in lower-case hex.
    fn cram_md5(&self, challenge: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut mac = Hmac::<Md5>::new_from_slice(self.login.secret.expose().as_bytes()).map_err(
            |error| Problem::new(Kind::Internal, Reach::User, "HMAC key").caused_by(error),
        )?;
        mac.update(challenge);
        let digest = hex(&mac.finalize().into_bytes());
        Ok(format!("{} {digest}", self.login.name).into_bytes())
    }
}

/// `text` of the server without the secret, without the strings of `sent` (responses as they went
/// over the wire), and without words that are a part of either: refused commands are echoed, and
/// cut short, by some servers.
pub fn scrub(secret: &Secret, sent: &[String], text: &str) -> String {
    let mut clean = secret.scrub(text);
    for response in sent {
        clean = clean.replace(response, "[secret]");
    }
    let is_part = |word: &str| {
        word.len() >= 8
            && (secret.expose().contains(word) || sent.iter().any(|all| all.contains(word)))
    };
    clean
        .split(' ')
        .map(|word| {
            let bare = word.trim_matches(|c: char| !(c.is_alphanumeric() || "+/=".contains(c)));
            if is_part(bare) {
                word.replace(bare, "[secret]")
            } else {
                word.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Lower-case hex, as CRAM-MD5 and APOP (RFC 1939 section 7) write their digests.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(name: &str, authzid: Option<&str>, secret: &str) -> Login {
        Login {
            name: name.to_owned(),
            authzid: authzid.map(str::to_owned),
            of_master: false,
            secret: Secret::new(secret.to_owned()),
            mechanism: None,
        }
    }

    fn exchange(mechanism: Mechanism, login: &Login) -> Exchange {
        Exchange::new(mechanism, login, "server.example.com", 143).unwrap()
    }

    #[test]
    fn initial_responses_are_those_of_the_rfcs() {
        // RFC 4616 section 4.
        let tim = login("tim", None, "tanstaaftanstaaf");
        assert_eq!(
            initial_response(Mechanism::Plain, &tim, "h", 1).unwrap(),
            b"\0tim\0tanstaaftanstaaf"
        );
        let kurt = login("Kurt", Some("Ursel"), "xipj3plmq");
        assert_eq!(
            initial_response(Mechanism::Plain, &kurt, "h", 1).unwrap(),
            b"Ursel\0Kurt\0xipj3plmq"
        );
        // RFC 7628 section 4.1.
        let token = login(
            "user@example.com",
            None,
            "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        );
        let response =
            initial_response(Mechanism::Oauthbearer, &token, "server.example.com", 143).unwrap();
        assert_eq!(
            STANDARD.encode(response),
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI\
             HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        );
        let odd = login("x", Some("a=b,c"), "t");
        assert!(
            initial_response(Mechanism::Oauthbearer, &odd, "h", 1)
                .unwrap()
                .starts_with(b"n,a=a=3Db=2Cc,\x01")
        );
        // The example of Google's XOAUTH2 description.
        let token = login(
            "someuser@example.com",
            None,
            "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
        );
        assert_eq!(
            STANDARD.encode(initial_response(Mechanism::Xoauth2, &token, "h", 1).unwrap()),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhk\
             SFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
        for server_first in [Mechanism::Login, Mechanism::CramMd5, Mechanism::Apop] {
            assert_eq!(initial_response(server_first, &tim, "h", 1), None);
        }
    }

    #[test]
    fn each_mechanism_has_its_rounds_and_no_more() {
        let tim = login("tim", None, "tanstaaftanstaaf");
        // RFC 2195 section 2.
        let mut cram = exchange(Mechanism::CramMd5, &tim);
        assert_eq!(
            cram.respond(b"<1896.697170952@postoffice.reston.mci.net>")
                .unwrap(),
            b"tim b913a602c7eda7a495b4e6e7334d3890"
        );
        assert_eq!(cram.respond(b"").unwrap_err().kind, Kind::Protocol);

        let mut two = exchange(Mechanism::Login, &tim);
        assert_eq!(two.initial(), None);
        assert_eq!(two.respond(b"Username:").unwrap(), b"tim");
        assert_eq!(two.respond(b"Password:").unwrap(), b"tanstaaftanstaaf");
        assert!(two.respond(b"Realm:").is_err());

        let mut late = exchange(Mechanism::Plain, &tim);
        assert_eq!(late.respond(b"").unwrap(), b"\0tim\0tanstaaftanstaaf");
        assert!(late.respond(b"").is_err());
        let mut early = exchange(Mechanism::Plain, &tim);
        assert!(early.initial().is_some());
        assert!(early.respond(b"").is_err());

        for (mechanism, answer) in [
            (Mechanism::Xoauth2, &b""[..]),
            (Mechanism::Oauthbearer, b"\x01"),
        ] {
            let mut oauth = exchange(mechanism, &tim);
            assert!(oauth.initial().is_some());
            assert_eq!(oauth.failure(), None);
            let reason = br#"{"status":"401","echo":"tanstaaftanstaaf"}"#;
            assert_eq!(oauth.respond(reason).unwrap(), answer);
            assert_eq!(
                oauth.failure().unwrap(),
                r#"{"status":"401","echo":"[secret]"}"#
            );
            assert!(oauth.respond(b"again").is_err());
        }
    }

    #[test]
    fn fields_that_would_break_out_are_refused() {
        let command = Way::Command;
        for bad in ["qq\rx", "qq\nx", "qq\0x", "qq\x01x"] {
            for login in [
                login(bad, None, "p"),
                login("n", Some(bad), "p"),
                login("n", None, bad),
            ] {
                for way in [command, Way::Sasl(Mechanism::Plain)] {
                    let problem = check(way, &login).unwrap_err();
                    assert_eq!(problem.kind, Kind::Input);
                    assert!(!problem.to_string().contains("qq"), "{problem}");
                }
            }
        }
        let master = login("m", Some("u"), "p");
        assert!(check(command, &master).is_err());
        assert!(Exchange::new(Mechanism::CramMd5, &master, "h", 1).is_err());
        assert!(Exchange::new(Mechanism::Plain, &master, "h", 1).is_ok());
    }

    #[test]
    fn the_choice_hides_the_password_only_where_the_line_does_not() {
        let user = login("u", None, "p");
        let master = login("m", Some("u"), "p");
        let sasl = |mechanism| Some(Way::Sasl(mechanism));
        for (offered, command, who, encrypted, want) in [
            (
                "PLAIN LOGIN CRAM-MD5",
                true,
                &user,
                true,
                sasl(Mechanism::Plain),
            ),
            (
                "PLAIN LOGIN CRAM-MD5",
                true,
                &user,
                false,
                sasl(Mechanism::CramMd5),
            ),
            ("LOGIN CRAM-MD5", true, &user, true, Some(Way::Command)),
            ("LOGIN CRAM-MD5", false, &user, true, sasl(Mechanism::Login)),
            (
                "CRAM-MD5 XOAUTH2",
                false,
                &user,
                true,
                sasl(Mechanism::CramMd5),
            ),
            ("XOAUTH2 GSSAPI", false, &user, true, None),
            ("", true, &user, false, Some(Way::Command)),
            (
                "CRAM-MD5 PLAIN",
                true,
                &master,
                false,
                sasl(Mechanism::Plain),
            ),
            ("CRAM-MD5 LOGIN", true, &master, true, None),
        ] {
            let offered: Vec<String> = offered.split_whitespace().map(str::to_owned).collect();
            assert_eq!(
                choose(&offered, command, who, !encrypted),
                want,
                "{offered:?}"
            );
        }
    }

    #[test]
    fn echoes_whole_or_cut_are_scrubbed() {
        let user = login("tim@example.com", None, "opensesame-42");
        let mut plain = exchange(Mechanism::Plain, &user);
        let sent = STANDARD.encode(plain.initial().unwrap());
        for echo in [
            format!("bad command \"AUTH PLAIN {sent}\""),
            format!("bad command <{}> here", &sent[..16]),
            "PASS opensesame-42?".to_owned(),
            "PASS opensesame".to_owned(),
        ] {
            let clean = plain.scrub(&echo);
            assert!(clean.contains("[secret]"), "{clean}");
            assert!(
                !clean.contains("opensesam") && !clean.contains(&sent[..16]),
                "{clean}"
            );
        }
        assert_eq!(
            plain.scrub("no user  tim@example.com"),
            "no user  tim@example.com"
        );
        assert!(!format!("{plain:?}").contains("opensesame"));
    }
}
