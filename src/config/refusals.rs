//! What is refused before the user list is read: options that are wrong by themselves or with each other.

use super::faults::Faults;
use super::{FolderEncoding, Jobs, Layout, Servers};
use crate::cli;

/// What some of the servers cannot read; `encoding` where it is known.
pub(super) fn form_fault(
    servers: Servers,
    layout: Layout,
    encoding: Option<FolderEncoding>,
) -> Option<&'static str> {
    match layout {
        Layout::Fs if servers.qmail => {
            Some("--layout fs is Dovecot's alone: leave it out, or leave qmail out of --target")
        }
        Layout::Fs if servers.courier => {
            Some("--layout fs is Dovecot's alone: leave it out, or leave courier out of --target")
        }
        _ if !servers.dovecot && encoding == Some(FolderEncoding::Utf8) => Some(
            "--folder-encoding utf8 is for Dovecot and Courier: leave it out, or add one of \
                 them to --target",
        ),
        _ => None,
    }
}

/// Dovecot's own limit (mail_max_userip_connections).
const CONNECTIONS_MAX: usize = 10;

/// Options that are wrong by themselves or with each other.
pub(super) fn options_alone(typed: &cli::Export, faults: &mut Faults) {
    if typed.running.pacing.jobs == Jobs::Fixed(0) {
        faults.refuse("--jobs 0 would do nothing: give at least 1");
    }
    if !(1..=CONNECTIONS_MAX).contains(&typed.delivery.connections) {
        faults.refuse("--connections takes 1 to 10: servers let hardly more in for one user");
    }
    if !(1..=86_400).contains(&typed.running.timeout) {
        faults.refuse("--timeout takes 1 to 86400 seconds");
    }
    if !typed.accounts.source.tls_fingerprint.is_empty()
        && (typed.accounts.source.tls_insecure || typed.accounts.source.tls_ca.is_some())
    {
        faults.refuse(
            "--tls-fingerprint says alone which certificates are accepted: leave out --tls-ca and --tls-insecure",
        );
    }
    if typed.accounts.source.tls_insecure && typed.accounts.source.tls_ca.is_some() {
        faults.refuse(
            "--tls-insecure accepts any certificate, so that --tls-ca has no effect: leave one out",
        );
    }
    match (&typed.accounts.users.users, &typed.accounts.users.user) {
        (None, None) => faults.refuse(
            "whose mail? Give --users FILE or --user NAME (`mailseed export --help` ends with examples)",
        ),
        (Some(_), Some(_)) => faults.refuse(
            "--users and --user exclude each other: use --only NAME to take one user of the list",
        ),
        (None, Some(_)) => {
            if !typed.accounts.users.only.is_empty() || typed.accounts.users.only_failed.is_some() {
                faults.refuse("--only and --only-failed narrow a list: use --users with them");
            }
        }
        (Some(_), None) => {}
    }
}
