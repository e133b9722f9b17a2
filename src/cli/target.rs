//! Where mail goes, and who will read it there.

use clap::{Args, ValueEnum};

use super::TARGET;
use crate::config::{FolderEncoding, Fsync, Layout};

/// Where it goes.
#[derive(Debug, Args)]
#[command(next_help_heading = TARGET)]
pub struct Target {
    /// Where mail goes, such as /var/vmail/{domain}/{local}/Maildir
    ///
    /// The Maildir of each user: {user} is the whole name, {local} and {domain} what stands before and
    /// after its last @
    #[arg(long, value_name = "TEMPLATE")]
    pub maildir: Option<String>,

    /// What it must hold.
    #[command(flatten)]
    pub form: Form,

    /// Who is to own the files [default: whoever runs mailseed]
    ///
    /// As numbers or names, UID:GID. It takes root to give files away
    #[arg(long, value_name = "UID:GID")]
    pub owner: Option<String>,

    /// When mail is forced to disk
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub fsync: Fsync,
}

/// Who will read the Maildir, and so what it can hold.
#[derive(Debug, Args)]
#[command(next_help_heading = TARGET)]
pub struct Form {
    /// The servers that will serve the Maildir
    ///
    /// Several, as in qmail,dovecot, when one tree must do for all of them
    #[arg(
        long,
        value_name = "SERVER,...",
        value_enum,
        value_delimiter = ',',
        default_value = "dovecot"
    )]
    pub target: Vec<Server>,

    /// How folders lie on disk
    #[arg(long, value_enum, default_value_t)]
    pub layout: Layout,

    /// How folder names are encoded on disk [default: mutf7; utf8 where Courier is a target]
    #[arg(long, value_name = "ENCODING", value_enum)]
    pub folder_encoding: Option<FolderEncoding>,
}

impl Form {
    /// How folder names are encoded on disk: as said, or as the servers have them by default.
    pub fn encoding(&self) -> FolderEncoding {
        FolderEncoding::of(self.folder_encoding, self.target.iter().copied().collect())
    }
}

/// A server that will serve the Maildir.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// Dovecot, through its dovecot-uidlist
    Dovecot,
    /// qmail-pop3d and vpopmail: the UIDL is the file name, the order is that of mtime
    Qmail,
    /// Courier: UIDs and UIDLs in its own lists, but a UIDL that is not of its form is the file name;
    /// the POP3 order is that of file names
    Courier,
}
