//! A user of a run: its accounts, and how they are logged in to.

use std::path::PathBuf;
use std::time::Duration;

use super::Owner;
use crate::mail::FolderPath;
use crate::problem::Problem;
use crate::secret_command;
use crate::source::login::{Login, Mechanism, Secret};
use crate::source::net::Endpoint;

/// One user of the run.
#[derive(Debug, Clone)]
pub struct User {
    /// The name in the user list.
    pub name: String,
    /// The IMAP account, where IMAP is a source.
    pub imap: Option<Account>,
    /// The POP3 account, where POP3 is a source.
    pub pop3: Option<Account>,
    /// The Maildir to write; empty where a check was not told, which does not look at it.
    pub maildir: PathBuf,
    /// Who is to own it; `None`: whoever runs mailseed.
    pub owner: Option<Owner>,
    /// The folder below which the mail goes, where it is not to fill the whole Maildir.
    pub subfolder: Option<FolderPath>,
    /// The folders of this Maildir that are for the mail of other users.
    pub reserved: Vec<FolderPath>,
}

impl User {
    /// The hosts that it is served by, each once.
    pub fn hosts(&self) -> Vec<String> {
        let accounts = [&self.imap, &self.pop3].into_iter().flatten();
        let mut hosts: Vec<String> = accounts
            .map(|account| account.endpoint.host.clone())
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

#[cfg(test)]
impl User {
    /// A user without any server, for tests of what is pure.
    pub fn of_no_server(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            imap: None,
            pop3: None,
            maildir: PathBuf::new(),
            owner: None,
            subfolder: None,
            reserved: Vec::new(),
        }
    }
}

/// A mailbox on one server.
#[derive(Debug, Clone)]
pub struct Account {
    /// The server.
    pub endpoint: Endpoint,
    /// How to log in.
    pub credential: Credential,
}

/// A login whose secret may have to be asked for first.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The name that the secret belongs to.
    pub name: String,
    /// Whose mailbox it is, where that differs from `name`.
    pub authzid: Option<String>,
    /// The secret is a master user's.
    pub of_master: bool,
    /// Where the secret comes from.
    pub secret: SecretSource,
    /// `None`: the best on offer.
    pub mechanism: Option<Mechanism>,
}

/// Where a secret comes from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// It is known already.
    Known(Secret),
    /// The first line that this shell command prints, run when the user's turn comes. `{user}`
    /// has been filled in, safe for the shell. There may be a password in it.
    Command(Secret),
}

impl Credential {
    /// The login, with the secret asked for where it has to be; a command gets `limit` for it.
    ///
    /// # Errors
    /// The command failed, took too long or printed nothing (reach User, kind Auth). Its output is
    /// not repeated.
    pub fn resolve(&self, limit: Duration) -> Result<Login, Problem> {
        let secret = match &self.secret {
            SecretSource::Known(secret) => secret.clone(),
            SecretSource::Command(command) => secret_command::first_line(command.expose(), limit)?,
        };
        Ok(Login {
            name: self.name.clone(),
            authzid: self.authzid.clone(),
            of_master: self.of_master,
            secret,
            mechanism: self.mechanism,
        })
    }
}
