//! Who logs in, and with what secret.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A way to log in, as `--auth` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum Mechanism {
    /// IMAP LOGIN, POP3 USER and PASS; where the server wants SASL only, AUTH LOGIN
    Login,
    /// SASL PLAIN; with --master-user, the user as authorization identity
    Plain,
    /// SASL CRAM-MD5
    CramMd5,
    /// OAuth 2.0 token, as Google and Microsoft take it
    Xoauth2,
    /// OAuth 2.0 token, RFC 7628
    Oauthbearer,
    /// POP3 APOP (IMAP: CRAM-MD5)
    Apop,
}

/// A password or token. It does not print.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the secret over.
    pub fn new(secret: String) -> Self {
        Self(SecretString::from(secret))
    }

    /// The secret itself, for the line that goes to the server and for nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// `text` without the secret in it, plain or as base64: some servers echo a refused command.
    pub fn scrub(&self, text: &str) -> String {
        use base64::Engine as _;
        let secret = self.expose();
        if secret.is_empty() {
            return text.to_owned();
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        text.replace(secret, "[secret]")
            .replace(&encoded, "[secret]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The way on when a login is refused and the server's words say nothing else.
pub const REFUSED_HINT: &str =
    "are user and password right? `mailseed help user-list` says where they come from";

/// Everything that a login needs.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name that the secret belongs to (authcid): the user, `user*master`, or the master.
    pub name: String,
    /// Whose mailbox it is, where that differs from `name` (SASL authorization identity).
    pub authzid: Option<String>,
    /// The secret is a master user's. Servers do not take it by challenge and response (Dovecot:
    /// the user has no such password to compute with), so that is never chosen by itself.
    pub of_master: bool,
    /// The password or token.
    pub secret: Secret,
    /// `None`: the best that the server offers and that the secret serves.
    pub mechanism: Option<Mechanism>,
}
