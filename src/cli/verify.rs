//! What only `verify` takes.

use std::path::PathBuf;

use clap::Args;

use super::{Accounts, Delivery, Export, Form, Rerun, Running, Selection, TARGET, Target, Uidls};
use crate::announce::UidlFormat;
use crate::config::{Content, Fsync};

/// What `mailseed verify --help` ends with.
pub(super) const AFTER_VERIFY: &str = concat!(
    super::environment!(),
    "
Exit status:
    0  Nothing differs
    1  Some users differ or could not be looked at: the result and --report say
       which and why
    2  The command line or the user list is wrong: nothing was started
  130  Interrupted

Examples:
  mailseed verify --job mailseed.toml -j auto --report reports/proof/
  mailseed verify --job mailseed.toml --content all --only ann@example.com -v"
);

/// Everything that `verify` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Verify {
    /// Whose mail, on which old servers, and how to log in there.
    #[command(flatten)]
    pub accounts: Accounts,

    /// The Maildir of each user, as for export
    ///
    /// It may be left out where --new is given
    #[arg(long, value_name = "TEMPLATE", help_heading = TARGET)]
    pub maildir: Option<String>,

    /// Who will read it.
    #[command(flatten)]
    pub form: Form,

    /// Who must own the files, as numbers or names [default: whoever owns the Maildir]
    #[arg(long, value_name = "UID:GID", help_heading = TARGET)]
    pub owner: Option<String>,

    /// What was taken, and where it went.
    #[command(flatten)]
    pub selection: Selection,
    /// What happened in doubt about UIDLs.
    #[command(flatten)]
    pub uidls: Uidls,
    /// What is looked at.
    #[command(flatten)]
    pub verifying: Verifying,
    /// How it runs and what it tells.
    #[command(flatten)]
    pub running: Running,
}

/// What a verify looks at.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is looked at")]
pub struct Verifying {
    /// Which messages are compared byte by byte
    ///
    /// They are read on both sides
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub content: Content,

    /// The new servers, where they run already: URLs
    ///
    /// IMAP, POP3 or both, each a URL as for --imap and --pop3. Users log in there as on the old ones
    #[arg(long, value_name = "URL", num_args = 1..=2)]
    pub new: Vec<String>,

    /// Log in at the new servers as this master user
    ///
    /// With --master-separator
    #[arg(long, value_name = "NAME")]
    pub new_master_user: Option<String>,

    /// The password for the new servers
    ///
    /// It is the first line of this file, which nobody else may read
    #[arg(long, value_name = "FILE")]
    pub new_password_file: Option<PathBuf>,

    /// pop3_uidl_format of the new Dovecot [default: %08Xu%08Xv]
    ///
    /// For messages without a UIDL of their own: as in 2.3 (%v.%u) or in 2.4 (%{uidvalidity}.%{uid})
    #[arg(long, value_name = "FORMAT")]
    pub pop3_uidl_format: Option<UidlFormat>,
}

impl Verify {
    /// The export that is verified, and what is looked at.
    pub fn split(self) -> (Export, Verifying) {
        let export = Export {
            accounts: self.accounts,
            target: Target {
                maildir: self.maildir,
                form: self.form,
                owner: self.owner,
                fsync: Fsync::default(),
            },
            selection: self.selection,
            rerun: Rerun::default(),
            uidls: self.uidls,
            running: self.running,
            delivery: Delivery::default(),
        };
        (export, self.verifying)
    }
}
