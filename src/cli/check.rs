//! What `check` takes.

use clap::Args;

use super::{Accounts, Delivery, Export, Form, Rerun, Running, Selection, TARGET, Target, Uidls};
use crate::config::Fsync;

/// What follows the options in its help.
pub(super) const AFTER_CHECK: &str = concat!(
    super::environment!(),
    "
Exit status:
    0  Every user logs in, and no client will notice the move
    1  Some do not, or will: the result and --report say which and why
    2  The command line or the user list is wrong: nothing was started
  130  Interrupted

Examples:
  mailseed check --imap imaps://old.example.com \\
    --pop3 pop3s://old.example.com --users passwords.csv
  mailseed check --job mailseed.toml -j auto --report reports/check/
  mailseed check --job mailseed.toml --only ann@example.com -v"
);

/// Everything that `check` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Check {
    /// Whose mail, on which servers, and how to log in there.
    #[command(flatten)]
    pub accounts: Accounts,

    /// The Maildir of each user, as for export
    ///
    /// Not looked at, but two users with one Maildir are refused
    #[arg(long, value_name = "TEMPLATE", help_heading = TARGET)]
    pub maildir: Option<String>,

    /// What it must hold.
    #[command(flatten)]
    pub form: Form,
    /// What is taken, and where it goes.
    #[command(flatten)]
    pub selection: Selection,
    /// What happens in doubt about UIDLs.
    #[command(flatten)]
    pub uidls: Uidls,
    /// How it runs and what it tells.
    #[command(flatten)]
    pub running: Running,
}

/// The export that a check foretells.
impl From<Check> for Export {
    fn from(check: Check) -> Self {
        Self {
            accounts: check.accounts,
            target: Target {
                maildir: check.maildir,
                form: check.form,
                owner: None,
                fsync: Fsync::default(),
            },
            selection: check.selection,
            rerun: Rerun::default(),
            uidls: check.uidls,
            running: check.running,
            delivery: Delivery::default(),
        }
    }
}
