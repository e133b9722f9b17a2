//! What `explain` takes.

use std::path::PathBuf;

use clap::Args;

use super::{Form, TARGET, USERS};

/// What follows the options in its help.
pub(super) const AFTER_EXPLAIN: &str = "\
Exit status:
    0  The message is known
    1  Nothing of that name was found
    2  The command line or the user list is wrong
    3  The Maildir cannot be read

Examples:
  mailseed explain ann@example.com 1 --job mailseed.toml
  mailseed explain ann@example.com Sent:1 \\
    --maildir '/var/vmail/{domain}/{local}/Maildir'";

/// Everything that `explain` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Explain {
    /// Whose message, as in the user list
    #[arg(value_name = "USER")]
    pub user: String,

    /// Which: its UID in INBOX, FOLDER:UID, its UIDL, the name of its file, or its Message-ID
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true)]
    pub message: String,

    /// Look in this folder only
    // The --folder of an export is another option: a job file does not give this one.
    #[arg(id = "only_folder", long = "folder", value_name = "FOLDER")]
    pub folder: Option<String>,

    /// The user list, for users whose row has a Maildir of its own
    #[arg(long, value_name = "FILE", help_heading = USERS)]
    pub users: Option<PathBuf>,

    /// The Maildir, with the same template as for export
    #[arg(long, value_name = "TEMPLATE", help_heading = TARGET)]
    pub maildir: Option<String>,

    /// How it lies, and the servers of which to tell what they announce.
    #[command(flatten)]
    pub form: Form,

    /// Take these from the job file of an export
    ///
    /// The long options without their dashes are its keys
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,
}
