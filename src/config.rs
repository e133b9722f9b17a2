//! What a run works with: defaults filled in, conflicts refused. Only this module reads
//! [`crate::cli`]; past it nothing is optional unless absence means something.

mod account;
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
mod target;
mod targets;
mod template;
#[cfg(test)]
mod tests;
mod uidls;
mod users;
mod verification;

use std::path::PathBuf;
use std::time::Duration;

use crate::cli;
use crate::logging::{Format, Verbosity};
use crate::problem::Problem;
use crate::progress;
use crate::secret_command;
use crate::source::net::{Compress, Pacing, TlsPolicy};
use crate::window::Windows;

pub use account::{Account, Credential, SecretSource, User};
pub use owner::Owner;
pub use pacing::Jobs;
pub use pop3_server::pop3_server;
pub use question::Question;
pub use rerun::{Mode, Rerun, SourceDeletion};
pub use retarget::retarget;
pub use roster::{Counts, Users};
pub use selection::Selection;
pub use target::{FolderEncoding, Fsync, Layout, Servers, TargetPolicy};
pub use uidls::{Pop3Order, UidlPolicy, Unholdable};
pub use verification::{Content, NewHost, Verification};

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
