//! What `retarget` takes.

use std::path::PathBuf;

use clap::Args;

use super::{RUNNING, Server, TARGET, UIDLS};
use crate::announce::UidlFormat;
use crate::config::{FolderEncoding, Fsync, Layout, Pop3Order, Unholdable};

/// What follows the options in its help.
pub(super) const AFTER_RETARGET: &str = "\
No server may be delivering to the Maildir, or serving it, in the meantime.

Exit status:
    0  Everything is as the old servers have it
    1  The new servers cannot hold something: standard error says what
    2  The command line is wrong: nothing was started
    3  The Maildir cannot be read or written
  130  Interrupted: run it again to go on

Examples:
  mailseed retarget /var/vmail/example.com/ann/Maildir \\
    --from dovecot --to courier --dry-run
  mailseed retarget /var/vmail/example.com/ann/Maildir \\
    --from dovecot --to dovecot,courier";

/// Everything that `retarget` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Retarget {
    /// The Maildir, the directory with new and cur
    #[arg(value_name = "MAILDIR")]
    pub maildir: PathBuf,

    /// The servers that serve it now
    ///
    /// Their control files are true; the UIDLs are those of the first
    #[arg(
        long,
        value_name = "SERVER,...",
        value_enum,
        value_delimiter = ',',
        required = true
    )]
    pub from: Vec<Server>,

    /// The servers that are to serve it
    #[arg(
        long,
        value_name = "SERVER,...",
        value_enum,
        value_delimiter = ',',
        required = true
    )]
    pub to: Vec<Server>,

    /// How folders lie on disk
    #[arg(long, value_enum, default_value_t, help_heading = TARGET)]
    pub layout: Layout,

    /// How folder names are encoded on disk now [default: mutf7; utf8 where Courier serves them]
    #[arg(long, value_name = "ENCODING", value_enum, help_heading = TARGET)]
    pub from_folder_encoding: Option<FolderEncoding>,

    /// How they are to be encoded [default: mutf7; utf8 where Courier is to serve them]
    #[arg(long, value_name = "ENCODING", value_enum, help_heading = TARGET)]
    pub folder_encoding: Option<FolderEncoding>,

    /// Who is to own new files [default: whoever runs mailseed]
    ///
    /// As numbers or names, UID:GID
    #[arg(long, value_name = "UID:GID", help_heading = TARGET)]
    pub owner: Option<String>,

    /// When data is forced to disk
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, help_heading = TARGET)]
    pub fsync: Fsync,

    /// pop3_uidl_format of the Dovecot now [default: %08Xu%08Xv]
    ///
    /// For messages without a UIDL of their own
    #[arg(long, value_name = "FORMAT", help_heading = UIDLS)]
    pub pop3_uidl_format: Option<UidlFormat>,

    /// What to do with a UIDL or an order that the new servers cannot hold
    #[arg(long, value_name = "WHAT", value_enum, default_value_t, help_heading = UIDLS)]
    pub unholdable: Unholdable,

    /// qmail: which wins where one mtime cannot show both
    #[arg(long, value_name = "WHICH", value_enum, default_value_t, help_heading = UIDLS)]
    pub pop3_order: Pop3Order,

    /// Show what would be done, touch nothing
    #[arg(long, help_heading = RUNNING)]
    pub dry_run: bool,
}
