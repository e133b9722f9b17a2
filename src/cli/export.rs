//! What `export` and `plan` take.

use std::path::PathBuf;

use clap::Args;

use super::{Accounts, RUNNING, Rerun, Running, Selection, TARGET, Target, Uidls};
use crate::source::net::Compress;

/// What follows the options in its help.
pub(super) const AFTER_EXPORT: &str = concat!(
    super::environment!(),
    "\n",
    super::exit_status!(),
    "
Examples:
  mailseed export --imap imaps://old.example.com \\
    --pop3 pop3s://old.example.com --user ann@example.com \\
    --password-file ann.password --owner vmail:vmail \\
    --maildir '/var/vmail/{domain}/{local}/Maildir'
  mailseed export --job mailseed.toml -j auto --report reports/night1/
  mailseed export --job mailseed.toml --after-cutover --folder INBOX"
);

/// What follows the options in its help.
pub(super) const AFTER_PLAN: &str = concat!(
    super::environment!(),
    "
Exit status:
    0  export would do everything
    1  Some users or messages would not be done: the result and --report say which
    2  The command line or the user list is wrong: nothing was started
    3  The target is not usable (no permission): stopped
  130  Interrupted

Examples:
  mailseed plan --job mailseed.toml --offline
  mailseed plan --job mailseed.toml --only ann@example.com -v
  mailseed plan --job mailseed.toml -j auto --report reports/plan/"
);

/// Everything that `export` and `plan` take, `--dry-run` aside.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Export {
    /// Whose mail, on which servers, and how to log in there.
    #[command(flatten)]
    pub accounts: Accounts,
    /// Where it goes.
    #[command(flatten)]
    pub target: Target,
    /// What is taken, and where it goes.
    #[command(flatten)]
    pub selection: Selection,
    /// What happens to what is there already.
    #[command(flatten)]
    pub rerun: Rerun,
    /// What happens in doubt about UIDLs.
    #[command(flatten)]
    pub uidls: Uidls,
    /// How it runs and what it tells.
    #[command(flatten)]
    pub running: Running,

    /// How mail is fetched and written.
    #[command(flatten)]
    pub delivery: Delivery,
}

/// How mail is fetched and written: what those commands have no use for that only look.
#[derive(Debug, Args)]
#[command(next_help_heading = RUNNING)]
pub struct Delivery {
    /// IMAP connections of one user with much to fetch
    ///
    /// For servers that are slow or throttle each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub connections: usize,

    /// The most that is fetched for each user on one day, as in 2400M
    ///
    /// By local time, over all runs of that day: what fits is committed, the rest comes on the next days
    #[arg(long, value_name = "SIZE")]
    pub daily_cap: Option<String>,

    /// When IMAP servers that can compress are asked to
    ///
    /// By COMPRESS=DEFLATE
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub compress: Compress,

    /// Keep this much of the file system free [default: a hundredth, at most 1G]
    ///
    /// Begin no folder that would leave less than this free on its file system, in bytes or with K, M, G,
    /// T; its user fails (space), and the others go on. 0: never mind
    #[arg(long, value_name = "SIZE", help_heading = TARGET)]
    pub min_free: Option<String>,

    /// For plan: what --report was of an earlier export (may be repeated)
    ///
    /// By it plan says how long this export and the last one will take
    #[arg(long, value_name = "DIR")]
    pub history: Vec<PathBuf>,
}

/// For commands that only look.
impl Default for Delivery {
    fn default() -> Self {
        Self {
            connections: 1,
            daily_cap: None,
            compress: Compress::default(),
            min_free: None,
            history: Vec::new(),
        }
    }
}
