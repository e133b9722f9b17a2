//! Whose announcements `mailseed uidl` is to foretell.

use crate::announce::Server;
use crate::cli::{Pop3Server, Uidl};
use crate::problem::{Kind, Problem, Reach};

/// The server that `typed` means.
///
/// # Errors
/// A format for UIDLs with a server that has none.
pub fn pop3_server(typed: &Uidl) -> Result<Server, Problem> {
    let server = match typed.target {
        Pop3Server::Dovecot => {
            let format = typed.pop3_uidl_format.clone();
            return Ok(Server::Dovecot(format.unwrap_or_default()));
        }
        Pop3Server::Qmail => Server::Qmail,
        Pop3Server::Courier => Server::Courier,
    };
    match typed.pop3_uidl_format {
        None => Ok(server),
        Some(_) => {
            let what = "--pop3-uidl-format is a setting of Dovecot's: leave it out, or say --target \
                        dovecot";
            Err(Problem::new(Kind::Input, Reach::Run, what))
        }
    }
}
