//! What `mailseed retarget` is to do.

use super::refusals::form_fault;
use super::{FolderEncoding, Owner, Servers, UidlPolicy};
use crate::announce;
use crate::cli::{self, Server};
use crate::problem::{Kind, Problem, Reach};
use crate::retarget::Retarget;

/// What `typed` means.
///
/// # Errors
/// Everything that is wrong (reach Run, kind Input).
pub fn retarget(typed: &cli::Retarget) -> Result<Retarget, Vec<Problem>> {
    let mut faults: Vec<String> = Vec::new();
    let from: Servers = typed.from.iter().copied().collect();
    let to: Servers = typed.to.iter().copied().collect();
    let from_encoding = FolderEncoding::of(typed.from_folder_encoding, from);
    // qmail serves INBOX only: the folders stay as they are.
    let to_encoding = match typed.folder_encoding {
        None if !to.dovecot && !to.courier => from_encoding,
        typed => FolderEncoding::of(typed, to),
    };
    for (servers, option) in [(from, "--from"), (to, "--to")] {
        if let Some(fault) = form_fault(servers, typed.layout, None) {
            faults.push(fault.replace("--target", option));
        }
    }
    let announcer = match typed.from.first() {
        Some(Server::Qmail) => announce::Server::Qmail,
        Some(Server::Courier) => announce::Server::Courier,
        Some(Server::Dovecot) | None => {
            announce::Server::Dovecot(typed.pop3_uidl_format.clone().unwrap_or_default())
        }
    };
    if typed.pop3_uidl_format.is_some() && !matches!(announcer, announce::Server::Dovecot(_)) {
        faults.push(
            "--pop3-uidl-format is a setting of Dovecot's: leave it out, or name dovecot first in \
             --from"
                .to_owned(),
        );
    }
    let owner = typed.owner.as_deref().map(Owner::parse).transpose();
    let owner = owner.unwrap_or_else(|fault| {
        faults.push(format!("--owner: {fault}"));
        None
    });
    if !faults.is_empty() {
        let problem = |fault| Problem::new(Kind::Input, Reach::Run, fault);
        return Err(faults.into_iter().map(problem).collect());
    }
    Ok(Retarget {
        maildir: typed.maildir.clone(),
        from,
        announcer,
        to,
        layout: typed.layout,
        from_encoding,
        to_encoding,
        uidls: UidlPolicy {
            unholdable: typed.unholdable,
            pop3_order: typed.pop3_order,
            ..UidlPolicy::default()
        },
        owner,
        fsync: typed.fsync,
        dry_run: typed.dry_run,
    })
}
