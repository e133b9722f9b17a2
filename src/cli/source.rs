//! Whose mail, on which servers, and how to log in there.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the doc comments are help texts, which write [:PORT] as manuals do"
)]

use std::path::PathBuf;

use clap::Args;

use super::{LOGIN, SOURCE, USERS};
use crate::source::login::Mechanism;
use crate::source::net::Fingerprint;

/// Whose mail, on which servers, and how to log in there.
#[derive(Debug, Args)]
pub struct Accounts {
    /// The servers.
    #[command(flatten)]
    pub source: Source,
    /// How to log in.
    #[command(flatten)]
    pub login: Login,
    /// Whose mail.
    #[command(flatten)]
    pub users: Users,
}

/// The servers.
#[derive(Debug, Args)]
#[command(next_help_heading = SOURCE)]
pub struct Source {
    /// IMAP server: imaps://HOST[:PORT]
    ///
    /// imaps://HOST is TLS, imap://HOST is STARTTLS, required, imap+plain://HOST is no TLS; each with :PORT
    /// where it is not the usual one (993, 143)
    #[arg(long, value_name = "URL")]
    pub imap: Option<String>,

    /// POP3 server, whose UIDLs and order are kept: pop3s://HOST[:PORT]
    ///
    /// pop3s://HOST is TLS, pop3://HOST is STLS, required, pop3+plain://HOST is no TLS; each with :PORT
    /// where it is not the usual one (995, 110)
    #[arg(long, value_name = "URL")]
    pub pop3: Option<String>,

    /// Trust these authorities (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// Accept the certificate of this SHA-256 fingerprint, and no other
    ///
    /// As `openssl x509 -fingerprint -sha256` prints it; whatever else is in the certificate does not
    /// matter. May be repeated
    #[arg(long, value_name = "HEX")]
    pub tls_fingerprint: Vec<Fingerprint>,

    /// Accept any certificate and any host name
    ///
    /// So anybody between you and the server can read the passwords: --tls-fingerprint and --tls-ca are the
    /// better ways
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
    /// Log in for every user as this master user
    ///
    /// With the master's password: as USER*NAME, or with --auth plain as NAME on behalf of USER
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

    /// The password is the first line of this file
    ///
    /// Nobody else may be able to read it: chmod 600
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// The password is the first line that this command prints
    ///
    /// A shell command, in which {user} is filled in, quoted for the shell. Asked again for each login,
    /// since a token may have expired
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
    /// User list, - for standard input: CSV with a header row
    ///
    /// Columns: user, password, imap_user, imap_password, pop3_user, pop3_password, imap, pop3, maildir,
    /// owner, subfolder. Only user is required
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,

    /// One user, without a list
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Only this user of the list (may be repeated)
    #[arg(long, value_name = "USER")]
    pub only: Vec<String>,

    /// Only those who failed in this report of an earlier run
    ///
    /// The users that failed or are partial in its summary.csv, check.csv or verified.csv; in what report
    /// --csv has written also those of whom a verify has found differences
    #[arg(long, value_name = "REPORT.csv")]
    pub only_failed: Option<PathBuf>,

    /// Only part K of N of the list, K from 1
    ///
    /// Users whose place, by a hash of the name, is K. auto: as the job array says that this is a task of
    /// (Slurm, Grid Engine, LSF, AWS Batch); auto/N where that does not tell N (Kubernetes, GNU parallel,
    /// PBS)
    #[arg(long, value_name = "K/N")]
    pub shard: Option<String>,
}
