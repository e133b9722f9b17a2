//! What the Maildirs are to be like: who will serve them, and how folders lie in them.

use crate::cli::Server;

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
