//! From what was typed to a [`Config`]: the user list read, each user resolved, all faults
//! gathered. Pure but for the files that the options name.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::faults::Faults;
use super::narrowing::{Narrowing, Wanted, shard};
use super::options::options;
use super::refusals::{form_fault, options_alone};
use super::roster::Users;
use super::rows::Rows;
use super::secrets::Logins;
use super::template::Template;
use super::uidls::uidl_options;
use super::users::Everyone;
use super::{
    Config, Owner, Pop3Order, Selection, Servers, TargetPolicy, Task, UidlPolicy, pacing, rerun,
    selection,
};
use crate::cli;
use crate::problem::Problem;
use crate::source::login::Mechanism;
use crate::source::net::{Endpoint, Protocol, TlsPolicy};
use crate::userlist;

/// See [`Config::from_cli`]; `password` is what the environment gives.
pub(super) fn resolve(
    typed: &cli::Export,
    task: Task,
    password: Option<OsString>,
) -> Result<Config, Vec<Problem>> {
    let mut faults = Faults::default();
    let target = target(typed, &mut faults);
    options_alone(typed, &mut faults);
    for fault in rerun::refusals(typed) {
        faults.refuse(fault);
    }
    let form = (target.layout, target.encoding);
    let selection = Selection::from_cli(&typed.selection, form, &mut |fault| faults.refuse(fault));
    let pacing = pacing::from_cli(&typed.running.pacing, &mut |fault| faults.refuse(fault));
    let windows = pacing::windows(&typed.running.pacing, &mut |fault| faults.refuse(fault));
    let daily_cap = typed.delivery.daily_cap.as_deref();
    let daily_cap = daily_cap.and_then(|cap| size("--daily-cap", cap, &mut faults));
    let min_free = typed.delivery.min_free.as_deref();
    let min_free = min_free.and_then(|bytes| match bytes {
        "0" => Some(0),
        _ => size("--min-free", bytes, &mut faults),
    });
    let uidls = UidlPolicy::from_cli(&typed.uidls, &mut faults);
    let everyone = everyone(typed, task, (&target, &selection), password, &mut faults);
    let (users, narrowing) = users(typed, everyone, &mut faults);
    let report = typed.running.report.as_deref().and_then(|dir| {
        faults.take(std::path::absolute(dir).map_err(|error| format!("--report: {error}")))
    });

    if !faults.is_empty() {
        return Err(faults.into_problems(&list_name(&typed.accounts.users)));
    }
    let dry_run = task == Task::Plan;
    Ok(Config {
        jobs: pacing::jobs(&typed.running.pacing, &users),
        users,
        shard: narrowing.shard.map(|shard| shard.to_string()),
        target,
        selection,
        uidls,
        rerun: rerun::from_cli(&typed.rerun),
        tls: TlsPolicy {
            ca_file: typed.accounts.source.tls_ca.clone(),
            insecure: typed.accounts.source.tls_insecure,
            legacy: typed.accounts.source.tls_legacy,
            fingerprints: typed.accounts.source.tls_fingerprint.clone(),
        },
        pacing,
        daily_cap,
        windows,
        connections: typed.delivery.connections,
        compress: typed.delivery.compress,
        min_free,
        history: typed.delivery.history.clone(),
        timeout: Duration::from_secs(typed.running.timeout),
        retries: typed.running.retries,
        dry_run,
        report,
        metrics: typed.running.metrics.clone(),
        options: options(typed, narrowing.shard, dry_run),
        warnings: faults.warnings,
    })
}

fn target(typed: &cli::Export, faults: &mut Faults) -> TargetPolicy {
    let form = &typed.target.form;
    let servers: Servers = form.target.iter().copied().collect();
    if let Some(fault) = form_fault(servers, form.layout, Some(form.encoding())) {
        faults.refuse(fault);
    }
    if servers.dovecot && servers.courier && form.folder_encoding.is_none() {
        faults.warn(
            "folder names are written in UTF-8, as Courier has them: Dovecot needs \
             mail_location = maildir:~/Maildir:UTF-8 (2.4: mailbox_list_utf8 = yes)",
        );
    }
    if typed.uidls.pop3_order == Pop3Order::Date && !servers.qmail {
        faults.warn("--pop3-order matters for --target qmail only");
    }
    TargetPolicy {
        servers,
        layout: form.layout,
        encoding: form.encoding(),
        fsync: typed.target.fsync,
    }
}

fn everyone(
    typed: &cli::Export,
    task: Task,
    (target, selection): (&TargetPolicy, &Selection),
    password: Option<OsString>,
    faults: &mut Faults,
) -> Everyone {
    let source = &typed.accounts.source;
    Everyone {
        listed: typed.accounts.users.users.is_some(),
        logins: Logins::read(&typed.accounts.login, password, &mut |fault| {
            faults.refuse(fault)
        }),
        imap: server(source.imap.as_deref(), "--imap", Protocol::Imap, faults),
        pop3: server(source.pop3.as_deref(), "--pop3", Protocol::Pop3, faults),
        imap_typed: source.imap.is_some(),
        pop3_typed: source.pop3.is_some(),
        maildir: typed.target.maildir.as_deref().and_then(|template| {
            faults.take(Template::parse(template).map_err(|fault| format!("--maildir: {fault}")))
        }),
        maildir_typed: typed.target.maildir.is_some(),
        maildir_needed: !matches!(task, Task::Check | Task::Verify { live: true }),
        owner: typed.target.owner.as_deref().and_then(|owner| {
            faults.take(Owner::parse(owner).map_err(|fault| format!("--owner: {fault}")))
        }),
        form: (target.layout, target.encoding),
        subfolder: selection.subfolder.clone(),
        imap_options: selection::imap_options(&typed.selection),
        apop: typed.accounts.login.auth == Some(Mechanism::Apop),
    }
}

/// The users to work on, and what they were narrowed to.
fn users(typed: &cli::Export, everyone: Everyone, faults: &mut Faults) -> (Users, Narrowing) {
    let rows = Rows::of(&typed.accounts.users, faults);
    let mut wanted = Wanted::read(&typed.accounts.users, faults);
    let before = faults.rows();
    let scan = rows.scan(faults, |row| wanted.see(&row.user));
    let list_is_whole = faults.rows() == before && scan.rows > 0;
    if let Rows::List(list) = &rows {
        if list.is_exposed() && scan.any_password {
            let path = list_name(&typed.accounts.users);
            faults.warn(format!(
                "{path} holds passwords and can be read by others: chmod 600 it"
            ));
        }
        if list_is_whole {
            wanted.missing(list, &scan, faults);
        }
    }
    if typed.accounts.login.master_user.is_some() && scan.any_password {
        faults.warn(
            "the passwords in the user list are not used: --master-user logs in for everyone",
        );
    }
    if typed.accounts.login.password_command.is_some()
        && typed.accounts.login.password_file.is_some()
    {
        faults.warn("--password-file is not used: --password-command says what the passwords are");
    }
    for (protocol, logins, server) in [
        (
            "imap",
            scan.any_imap_login,
            typed.accounts.source.imap.is_some() || scan.any_imap,
        ),
        (
            "pop3",
            scan.any_pop3_login,
            typed.accounts.source.pop3.is_some() || scan.any_pop3,
        ),
    ] {
        if logins && !server {
            faults.warn(format!(
                "{protocol}_user and {protocol}_password in the user list are not used: there is no --{protocol} URL"
            ));
        }
    }
    let for_uidls = uidl_options(&typed.uidls);
    if !for_uidls.is_empty() && typed.accounts.source.pop3.is_none() && !scan.any_pop3 {
        faults.warn(format!(
            "{} are for UIDLs: there is no --pop3 URL",
            for_uidls.join(", ")
        ));
    }
    let narrowing = Narrowing {
        names: wanted.names(faults),
        shard: shard(&typed.accounts.users, faults),
    };
    let users = Users::of((rows, &scan), everyone, &narrowing, faults);
    if users.needs_privilege() {
        faults.warn(
            "not running as root: the system will hardly let files be given to another owner",
        );
    }
    if narrowing.narrows() && users.is_empty() {
        faults.warn("no user is left to work on");
    }
    (users, narrowing)
}

fn list_name(users: &cli::Users) -> String {
    match &users.users {
        Some(path) if path == Path::new("-") => "standard input".to_owned(),
        Some(path) => path.display().to_string(),
        None => "--user".to_owned(),
    }
}

fn server(
    url: Option<&str>,
    option: &str,
    protocol: Protocol,
    faults: &mut Faults,
) -> Option<Endpoint> {
    let read = userlist::endpoint(url?, protocol);
    faults.take(read.map_err(|fault| format!("{option}: {fault}")))
}

/// A number of bytes, as `option` takes it.
fn size(option: &str, typed: &str, faults: &mut Faults) -> Option<u64> {
    faults.take(selection::size(typed).map_err(|fault| format!("{option}: {fault}")))
}
