//! Whose mail, on which servers, and how to log in there.

use std::path::PathBuf;

use clap::Args;

use super::{LOGIN, SOURCE, USERS};
use crate::source::login::Mechanism;
use crate::source::net::Fingerprint;

/// The servers.
#[derive(Debug, Args)]
#[command(next_help_heading = SOURCE)]
pub struct Source {
    /// IMAP server: imaps://HOST (TLS), imap://HOST (STARTTLS, required) or imap+plain://HOST (no
    /// TLS), each with :PORT where it is not the usual one
    #[arg(long, value_name = "URL")]
    pub imap: Option<String>,

    /// POP3 server, whose UIDLs and order are kept: pop3s://HOST (TLS), pop3://HOST (STLS,
    /// required) or pop3+plain://HOST (no TLS)
    #[arg(long, value_name = "URL")]
    pub pop3: Option<String>,

    /// Trust the certificate authorities of this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// Accept a certificate of this SHA-256 fingerprint (as `openssl x509 -fingerprint -sha256` prints it), whatever
    /// else is in it, and no other; may be repeated
    #[arg(long, value_name = "HEX")]
    pub tls_fingerprint: Vec<Fingerprint>,

    /// Accept any certificate and any host name
    #[arg(long)]
    pub tls_insecure: bool,

    /// Allow TLS 1.0 and weak ciphers, for old appliances
    #[arg(long)]
    pub tls_legacy: bool,
}

/// How to log in.
#[derive(Debug, Args)]
#[command(next_help_heading = LOGIN)]
pub struct Login {
    /// Log in for every user as this master user, with the master's password: as USER*NAME, or
    /// with --auth plain as NAME on behalf of USER
    #[arg(long, value_name = "NAME")]
    pub master_user: Option<String>,

    /// What stands between user and master user in the login name
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "*",
        allow_hyphen_values = true
    )]
    pub master_separator: String,

    /// The password is the first line of this file, which nobody else may read
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// The password is the first line that this shell command prints; {user} is filled in, quoted
    /// for the shell
    #[arg(long, value_name = "CMD")]
    pub password_command: Option<String>,

    /// How to log in [default: the best that the server offers]
    #[arg(long, value_name = "MECHANISM", value_enum)]
    pub auth: Option<Mechanism>,
}

/// Whose mail.
#[derive(Debug, Args)]
#[command(next_help_heading = USERS)]
pub struct Users {
    /// User list, - for standard input: CSV with a header row; columns: user, password, imap_user,
    /// imap_password, pop3_user, pop3_password, imap, pop3, maildir, owner, subfolder. Only user is
    /// required
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,

    /// One user, without a list
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Only this user of the list (may be repeated)
    #[arg(long, value_name = "USER")]
    pub only: Vec<String>,

    /// Only the users that failed or are partial in the summary.csv, check.csv or verified.csv of an
    /// earlier run
    #[arg(long, value_name = "REPORT.csv")]
    pub only_failed: Option<PathBuf>,

    /// Only part K of N of the list, K from 1: users whose place, by a hash of the name, is K. auto: as the
    /// job array says that this is a task of (Slurm, Grid Engine, LSF, AWS Batch); auto/N where that does not
    /// tell N (Kubernetes, GNU parallel, PBS)
    #[arg(long, value_name = "K/N")]
    pub shard: Option<String>,
}
