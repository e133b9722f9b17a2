//! What is typed for `mailseed uidl`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::announce::UidlFormat;

pub(super) const AFTER_UIDL: &str = "\
Each line is a message: its number, its UIDL and its octets, as UIDL and LIST will give them. POP3
servers show INBOX only, which is the root of MAILDIR in every layout. Nothing is changed; what
each server itself would write at the next login is told on standard error, with all that makes
the answer doubtful:

  dovecot  dovecot-uidlist missing or broken, messages without a line in it, wrong sizes in names
  qmail    equal dates, whose order is undefined; dates now or later, which are not shown yet
  courier  courierpop3dsizelist missing or not read, messages without a line in it
  all      UIDLs twice or not as RFC 1939 wants them, files of one name, hidden files

Settings of Dovecot's other than --pop3-uidl-format are taken to be the defaults.

Exit status:
    0  The server will announce exactly this
    1  Something is undefined, doubtful or hard on clients: standard error says what (lines that
       begin with \"note:\" alone do not count)
    2  The command line is wrong
    3  The Maildir cannot be read

Examples:
  mailseed uidl /var/vmail/example.com/ann/Maildir
  mailseed uidl /var/vmail/example.com/ann/Maildir --pop3-uidl-format %v.%u";

/// Everything that `uidl` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Uidl {
    /// The Maildir, the directory with new and cur
    #[arg(value_name = "MAILDIR")]
    pub maildir: PathBuf,

    /// The POP3 server that will serve it
    #[arg(long, value_name = "SERVER", value_enum, default_value_t)]
    pub target: Pop3Server,

    /// pop3_uidl_format of the Dovecot [default: %08Xu%08Xv]
    ///
    /// For messages without a UIDL of their own: as in 2.3 (%v.%u) or in 2.4 (%{uidvalidity}.%{uid})
    #[arg(long, value_name = "FORMAT")]
    pub pop3_uidl_format: Option<UidlFormat>,
}

/// A POP3 server whose announcements are foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Pop3Server {
    /// Dovecot: dovecot-uidlist
    #[default]
    Dovecot,
    /// qmail-pop3d and vpopmail: file names and their dates
    Qmail,
    /// Courier: courierpop3dsizelist and file names
    Courier,
}
