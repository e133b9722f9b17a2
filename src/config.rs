//! What a run works with: defaults filled in, conflicts refused. Only this module reads
//! [`crate::cli`]; past it nothing is optional unless absence means something.

mod faults;
mod narrowing;
mod options;
mod owner;
mod pacing;
mod pop3_server;
mod question;
mod refusals;
mod rerun;
mod resolve;
mod retarget;
mod roster;
mod rows;
mod secrets;
pub mod selection;
mod shard;
mod targets;
mod template;
#[cfg(test)]
mod tests;
mod users;
mod verification;

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{self, Server};
use crate::logging::{Format, Verbosity};
use crate::mail::FolderPath;
use crate::matching::Policy;
use crate::problem::Problem;
use crate::progress;
use crate::secret_command;
use crate::source::login::{Login, Mechanism, Secret};
use crate::source::net::{Compress, Endpoint, Pacing, TlsPolicy};
use crate::window::Windows;

/// A whole run.
#[derive(Debug)]
pub struct Config {
    /// The users, in the order of the user list.
    pub users: Users,
    /// Which part of the list these are, as `K/N`; `None`: all of it.
    pub shard: Option<String>,
    /// What the Maildirs are to be like.
    pub target: TargetPolicy,
    /// What is taken of each user's mail, and where it goes.
    pub selection: Selection,
    /// How doubtful UIDLs are treated.
    pub uidls: UidlPolicy,
    /// What happens to what is there already.
    pub rerun: Rerun,
    /// How certificates are judged.
    pub tls: TlsPolicy,
    /// Users at once, at least 1.
    pub jobs: usize,
    /// How much is taken of the servers.
    pub pacing: Pacing,
    /// The most bytes that are fetched for each user on one day.
    pub daily_cap: Option<u64>,
    /// When it may work.
    pub windows: Windows,
    /// IMAP connections of one user for a large folder, at least 1.
    pub connections: usize,
    /// When servers are asked to compress.
    pub compress: Compress,
    /// What is to stay free on the file systems of the targets, in bytes, where it was said; 0: nothing is
    /// looked at.
    pub min_free: Option<u64>,
    /// The reports of earlier runs, for estimates.
    pub history: Vec<PathBuf>,
    /// The limit for each connect and each wait for a server.
    pub timeout: Duration,
    /// How often a failed connection is tried again for one user.
    pub retries: u32,
    /// Print the plan, touch nothing.
    pub dry_run: bool,
    /// Where the reports go.
    pub report: Option<PathBuf>,
    /// The file that metrics go to.
    pub metrics: Option<PathBuf>,
    /// How it speaks while it runs.
    pub voice: Voice,
    /// What was typed, without secrets, for `run.json`.
    pub options: serde_json::Value,
    /// What the admin should know before it starts, but what does not stop it.
    pub warnings: Vec<String>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Say what an export would meet; there may be no Maildirs.
    Check,
    /// Say whether the new side is what the old one is.
    Verify {
        /// Whether new servers are asked: there may then be no Maildirs.
        live: bool,
    },
    /// Show what an export would do now.
    Plan,
    /// Bring the Maildirs up to date.
    Export,
}

impl Task {
    /// The subcommand.
    pub fn command(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Verify { .. } => "verify",
            Self::Plan => "plan",
            Self::Export => "export",
        }
    }
}

impl Config {
    /// What `typed` means for `task`, with the user list and the password file read, and the environment.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first of it (reach Run, kind Input).
    pub fn from_cli(typed: &cli::Export, task: Task) -> Result<Self, Vec<Problem>> {
        let password = std::env::var_os(secret_command::PASSWORD_VARIABLE);
        resolve::resolve(typed, task, password)
    }
}

/// How it speaks while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Voice {
    /// How much it tells.
    pub verbosity: Verbosity,
    /// How it writes that.
    pub format: Format,
    /// How it shows progress.
    pub progress: progress::Mode,
}

impl Voice {
    /// The voice asked for; to be had even where [`Config::from_cli`] refuses, to say so.
    pub fn from_cli(running: &cli::Running) -> Self {
        Self {
            verbosity: match (running.quiet, running.verbose) {
                (true, _) => Verbosity::Quiet,
                (false, 0) => Verbosity::Normal,
                (false, 1) => Verbosity::Verbose,
                (false, _) => Verbosity::Debug,
            },
            format: running.log_format,
            progress: if running.quiet {
                progress::Mode::None
            } else {
                running.progress
            },
        }
    }
}

pub use pacing::Jobs;
pub use pop3_server::pop3_server;
pub use question::Question;
pub use retarget::retarget;
pub use roster::{Counts, Users};
pub use selection::Selection;
pub use verification::{NewHost, Verification};

/// One user of the run.
#[derive(Debug, Clone)]
pub struct User {
    /// The name in the user list.
    pub name: String,
    /// The line of the user list that it stands on, for messages.
    pub line: Option<u64>,
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
            line: None,
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
    /// has been filled in, safe for the shell.
    Command(String),
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
            SecretSource::Command(command) => secret_command::first_line(command, limit)?,
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

/// Who is to own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

/// The servers that must serve the Maildir; at least one is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Servers {
    /// qmail-pop3d and vpopmail: UIDL = file name, order = mtime.
    pub qmail: bool,
    /// Dovecot: `dovecot-uidlist` and its companions.
    pub dovecot: bool,
    /// Courier: UIDs in `courierimapuiddb`, UIDLs in `courierpop3dsizelist` or as file names, POP3 order
    /// by name.
    pub courier: bool,
}

impl Servers {
    /// The servers that go by the names of files, in words.
    pub fn by_name(self) -> &'static str {
        match (self.qmail, self.courier) {
            (true, true) => "qmail or Courier",
            (false, true) => "Courier",
            _ => "qmail",
        }
    }

    /// All of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            qmail: self.qmail || other.qmail,
            dovecot: self.dovecot || other.dovecot,
            courier: self.courier || other.courier,
        }
    }
}

impl FolderEncoding {
    /// As typed, or as `servers` have it by default, with what they cannot read left out.
    pub fn of(typed: Option<Self>, servers: Servers) -> Self {
        match typed {
            None if !servers.courier => Self::Mutf7,
            Some(Self::Mutf7) => Self::Mutf7,
            _ if servers.courier => Self::Utf8OfCourier,
            _ => Self::Utf8,
        }
    }

    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mutf7 => "mutf7",
            Self::Utf8 | Self::Utf8OfCourier => "utf8",
        }
    }
}

impl FromIterator<Server> for Servers {
    fn from_iter<I: IntoIterator<Item = Server>>(servers: I) -> Self {
        let mut all = Self {
            qmail: false,
            dovecot: false,
            courier: false,
        };
        for server in servers {
            match server {
                Server::Qmail => all.qmail = true,
                Server::Dovecot => all.dovecot = true,
                Server::Courier => all.courier = true,
            }
        }
        all
    }
}

/// How folders lie on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Layout {
    /// `.A.B` beside INBOX: the default of Dovecot, the only one of Courier and qmail
    #[default]
    #[value(name = "maildir++")]
    MaildirPlusPlus,
    /// `A/B` below INBOX: Dovecot's LAYOUT=fs
    #[value(name = "fs")]
    Fs,
}

/// How folder names are encoded on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum FolderEncoding {
    /// Modified UTF-7: Dovecot's default
    #[default]
    Mutf7,
    /// UTF-8: Courier since 5.0 (2018), Dovecot with the UTF-8 option
    Utf8,
    /// UTF-8 that Courier can list: no character beyond U+FFFF
    #[value(skip)]
    Utf8OfCourier,
}

/// When data is forced to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Fsync {
    /// Never: the operating system writes when it likes
    Never,
    /// Before a folder's control files are written, all its messages at once
    #[default]
    Batch,
    /// Each message by itself, before it appears
    Always,
}

/// Which messages a verify reads and compares byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Content {
    /// Every one
    All,
    /// Some of each folder, at least 20 and one in 100, the same each time; and those whose sizes
    /// differ, or whose files are named for other UIDs
    #[default]
    Sample,
    /// None
    None,
}

/// What to do with a UIDL or an order that the target cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Unholdable {
    /// The user fails before INBOX is published
    #[default]
    Fail,
    /// Go on, and list each such message in the report
    Report,
}

/// qmail keeps order and date in one number, the mtime: which of the two wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Pop3Order {
    /// The POP3 order is exact; dates move as far as they must
    #[default]
    Order,
    /// The dates are exact; the order is kept where the dates allow
    Date,
}

/// What the Maildirs are to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetPolicy {
    /// The servers that will serve them.
    pub servers: Servers,
    /// How folders lie on disk.
    pub layout: Layout,
    /// How folder names are encoded on disk.
    pub encoding: FolderEncoding,
    /// When data is forced to disk.
    pub fsync: Fsync,
}

/// What an export makes of a Maildir in which something is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// What changes at the source changes on the target; what its users did there stays.
    #[default]
    Merge,
    /// The target becomes what the source is.
    Mirror,
    /// The target's users have moved: new mail is added, and nothing else is touched.
    AfterCutover,
}

/// Whether what has been brought is deleted at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceDeletion {
    /// The source stays as it is.
    #[default]
    None,
    /// Exactly what has been brought, or nothing where the server cannot do that.
    Exact,
    /// Where an IMAP server cannot do that, everything that is marked as deleted goes too.
    WithMarked,
}

/// How a Maildir is treated in which something is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rerun {
    /// What it is to become.
    pub mode: Mode,
    /// Merge: mail that the source has deleted stays on the target.
    pub keep_deleted: bool,
    /// Mirror: mail that the source never had is deleted.
    pub delete_local: bool,
    /// How much of a user's mail may be deleted in one run, in percent.
    pub max_delete: u8,
    /// What happens to mail at the source that has been brought.
    pub delete_source: SourceDeletion,
}

impl Rerun {
    /// Whether the source may be changed.
    pub fn deletes_at_source(&self) -> bool {
        self.delete_source != SourceDeletion::None
    }
}

impl Default for Rerun {
    fn default() -> Self {
        Self {
            mode: Mode::Merge,
            keep_deleted: false,
            delete_local: false,
            max_delete: 10,
            delete_source: SourceDeletion::None,
        }
    }
}

/// How doubtful UIDLs are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UidlPolicy {
    /// INBOX messages without a UIDL do not fail the user.
    pub ignore_missing: bool,
    /// UIDLs without a message do not fail the user.
    pub ignore_extra: bool,
    /// UIDLs without a message in INBOX are looked for in all folders.
    pub all_mailboxes: bool,
    /// INBOX gets copies of those that have their messages in other folders.
    pub collect: bool,
    /// What to do with what the target cannot hold.
    pub unholdable: Unholdable,
    /// qmail: order or date.
    pub pop3_order: Pop3Order,
    /// What is decided about the pairing beforehand.
    pub pairing: Policy,
}
