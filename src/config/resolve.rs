//! From what was typed to a [`Config`]: the user list read, each user resolved, all faults
//! gathered. Pure but for the files that the options name.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::roster::{Narrowing, Source, Users};
use super::secrets::Logins;
use super::shard::{self, Shard};
use super::template::Template;
use super::users::Everyone;
use super::{
    Config, FolderEncoding, Jobs, Layout, Owner, Pop3Order, Selection, Servers, TargetPolicy, Task,
    UidlPolicy, Voice, pacing, rerun, selection,
};
use crate::cli::{self, Pop3Collect};
use crate::matching::{self, Policy};
use crate::problem::{Kind, Problem, Reach};
use crate::source::login::Mechanism;
use crate::source::net::{Endpoint, Protocol, TlsPolicy};
use crate::userlist::{self, List, Scan, UserRow};

/// See [`Config::from_cli`]; `password` is what the environment gives.
pub(super) fn resolve(
    typed: &cli::Export,
    task: Task,
    password: Option<OsString>,
) -> Result<Config, Vec<Problem>> {
    let mut faults = Faults::default();
    let mut warnings = Vec::new();

    let dry_run = task == Task::Plan;
    let target = target(&typed.target, &mut faults);
    options_alone(typed, &mut faults);
    for fault in rerun::refusals(typed) {
        faults.refuse(fault);
    }
    if target.servers.dovecot
        && target.servers.courier
        && typed.target.form.folder_encoding.is_none()
    {
        warnings.push(
            "folder names are written in UTF-8, as Courier has them: Dovecot needs \
             mail_location = maildir:~/Maildir:UTF-8 (2.4: mailbox_list_utf8 = yes)"
                .to_owned(),
        );
    }
    if typed.uidls.pop3_order == Pop3Order::Date && !target.servers.qmail {
        warnings.push("--pop3-order matters for --target qmail only".to_owned());
    }
    let form = (target.layout, target.encoding);
    let selection = Selection::from_cli(&typed.selection, form, &mut |fault| faults.refuse(fault));
    let pacing = pacing::from_cli(&typed.running.pacing, &mut |fault| faults.refuse(fault));
    let daily_cap = typed.daily_cap.as_deref().and_then(|cap| {
        faults.take(selection::size(cap).map_err(|fault| format!("--daily-cap: {fault}")))
    });
    let windows = pacing::windows(&typed.running.pacing, &mut |fault| faults.refuse(fault));
    let logins = Logins::read(&typed.login, password, &mut |fault| faults.refuse(fault));
    let all = Everyone {
        listed: typed.users.users.is_some(),
        imap: server(
            typed.source.imap.as_deref(),
            "--imap",
            Protocol::Imap,
            &mut faults,
        ),
        pop3: server(
            typed.source.pop3.as_deref(),
            "--pop3",
            Protocol::Pop3,
            &mut faults,
        ),
        imap_typed: typed.source.imap.is_some(),
        pop3_typed: typed.source.pop3.is_some(),
        maildir: typed.target.maildir.as_deref().and_then(|template| {
            faults.take(Template::parse(template).map_err(|fault| format!("--maildir: {fault}")))
        }),
        maildir_typed: typed.target.maildir.is_some(),
        maildir_needed: !matches!(task, Task::Check | Task::Verify { live: true }),
        owner: typed.target.owner.as_deref().and_then(|owner| {
            faults.take(Owner::parse(owner).map_err(|fault| format!("--owner: {fault}")))
        }),
        form,
        subfolder: selection.subfolder.clone(),
        imap_options: selection::imap_options(&typed.selection),
        apop: typed.login.auth == Some(Mechanism::Apop),
        logins,
    };

    let min_free = typed.min_free.as_deref().and_then(|size| match size {
        "0" => Some(0),
        _ => faults.take(selection::size(size).map_err(|fault| format!("--min-free: {fault}"))),
    });

    let uidl_template = typed.uidls.uidl_template.as_deref().and_then(|template| {
        faults.take(matching::Template::parse(template).map_err(|fault| {
            format!(
                "--uidl-template {template:?}: {fault}; or give one of the names {}",
                matching::Template::usual()
                    .map(matching::Template::name)
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        }))
    });

    let rows = rows(&typed.users, &mut faults);
    let mut wanted = Wanted::read(&typed.users, &mut faults);
    let before = faults.rows();
    let scan = rows.scan(&mut faults, |row| wanted.see(&row.user));
    let list_is_whole = faults.rows() == before && scan.rows > 0;
    if let Source::List(list) = &rows {
        if list.is_exposed() && scan.any_password {
            let path = list_name(&typed.users);
            warnings.push(format!(
                "{path} holds passwords and can be read by others: chmod 600 it"
            ));
        }
        if list_is_whole {
            wanted.missing(list, &scan, &mut faults);
        }
    }
    if typed.login.master_user.is_some() && scan.any_password {
        warnings.push(
            "the passwords in the user list are not used: --master-user logs in for everyone"
                .to_owned(),
        );
    }
    let narrowing = Narrowing {
        names: wanted.names(&mut warnings),
        shard: shard(&typed.users, &mut faults, &mut warnings),
    };
    let users = Users::of((rows, &scan), all, &narrowing, &mut faults);
    if users.needs_privilege() {
        warnings.push(
            "not running as root: the system will hardly let files be given to another owner"
                .to_owned(),
        );
    }
    if narrowing.narrows() && users.is_empty() {
        warnings.push("no user is left to work on".to_owned());
    }
    let report = typed.running.report.as_deref().and_then(|dir| {
        faults.take(std::path::absolute(dir).map_err(|error| format!("--report: {error}")))
    });

    if !faults.is_empty() {
        return Err(faults.into_problems(&list_name(&typed.users)));
    }
    Ok(Config {
        jobs: pacing::jobs(&typed.running.pacing, &users),
        users,
        shard: narrowing.shard.map(|shard| shard.to_string()),
        target,
        selection,
        uidls: UidlPolicy {
            ignore_missing: typed.uidls.ignore_missing_uidls,
            ignore_extra: typed.uidls.ignore_extra_uidls,
            all_mailboxes: typed.uidls.pop3_all_mailboxes || typed.uidls.pop3_collect.is_some(),
            collect: typed.uidls.pop3_collect == Some(Pop3Collect::Inbox),
            unholdable: typed.uidls.unholdable,
            pop3_order: typed.uidls.pop3_order,
            pairing: Policy {
                skip_sizes: typed.uidls.skip_size_check,
                template: uidl_template,
            },
        },
        rerun: rerun::from_cli(&typed.rerun),
        tls: TlsPolicy {
            ca_file: typed.source.tls_ca.clone(),
            insecure: typed.source.tls_insecure,
            legacy: typed.source.tls_legacy,
            fingerprints: typed.source.tls_fingerprint.clone(),
        },
        pacing,
        daily_cap,
        windows,
        connections: typed.connections,
        compress: typed.compress,
        min_free,
        history: typed.history.clone(),
        timeout: Duration::from_secs(typed.running.timeout),
        retries: typed.running.retries,
        dry_run,
        report,
        metrics: typed.running.metrics.clone(),
        voice: Voice::from_cli(&typed.running),
        options: options(typed, narrowing.shard, dry_run),
        warnings,
    })
}

/// So many bad rows are told one by one.
const TOLD: usize = 1000;

/// What is wrong, with the line of the user list where there is one.
#[derive(Debug, Default)]
pub(super) struct Faults {
    told: Vec<(Option<u64>, String)>,
    rows: u64,
}

impl Faults {
    /// Refuses the command line.
    pub fn refuse(&mut self, fault: impl Into<String>) {
        self.told.push((None, fault.into()));
    }

    /// Refuses a row of the user list.
    pub fn row(&mut self, line: Option<u64>, fault: String) {
        self.rows += 1;
        if self.rows <= TOLD as u64 {
            self.told.push((line, fault));
        }
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|fault| self.refuse(fault)).ok()
    }

    /// The command line's first, then the list's by line.
    fn into_problems(mut self, list: &str) -> Vec<Problem> {
        self.told.sort_by_key(|(line, _)| *line);
        let more = self.rows.saturating_sub(TOLD as u64);
        let more = (more > 0).then(|| (None, format!("{list}: {more} more faults, not told")));
        self.told
            .into_iter()
            .chain(more)
            .map(|(line, fault)| {
                let what = match line {
                    Some(line) => format!("{list} line {line}: {fault}"),
                    None => fault,
                };
                Problem::new(Kind::Input, Reach::Run, what)
            })
            .collect()
    }
}

fn list_name(users: &cli::Users) -> String {
    match &users.users {
        Some(path) if path == Path::new("-") => "standard input".to_owned(),
        Some(path) => path.display().to_string(),
        None => "--user".to_owned(),
    }
}

fn target(typed: &cli::Target, faults: &mut Faults) -> TargetPolicy {
    let form = &typed.form;
    let servers: Servers = form.target.iter().copied().collect();
    if let Some(fault) = form_fault(servers, form.layout, Some(form.encoding())) {
        faults.refuse(fault);
    }
    TargetPolicy {
        servers,
        layout: form.layout,
        encoding: form.encoding(),
        fsync: typed.fsync,
    }
}

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
fn options_alone(typed: &cli::Export, faults: &mut Faults) {
    if typed.running.pacing.jobs == Jobs::Fixed(0) {
        faults.refuse("--jobs 0 would do nothing: give at least 1");
    }
    if !(1..=CONNECTIONS_MAX).contains(&typed.connections) {
        faults.refuse("--connections takes 1 to 10: servers let hardly more in for one user");
    }
    if !(1..=86_400).contains(&typed.running.timeout) {
        faults.refuse("--timeout takes 1 to 86400 seconds");
    }
    if !typed.source.tls_fingerprint.is_empty()
        && (typed.source.tls_insecure || typed.source.tls_ca.is_some())
    {
        faults.refuse(
            "--tls-fingerprint says alone which certificates are accepted: leave out --tls-ca and --tls-insecure",
        );
    }
    if typed.source.tls_insecure && typed.source.tls_ca.is_some() {
        faults.refuse(
            "--tls-insecure accepts any certificate, so that --tls-ca has no effect: leave one out",
        );
    }
    match (&typed.users.users, &typed.users.user) {
        (None, None) => faults.refuse("whose mail? Give --users FILE or --user NAME"),
        (Some(_), Some(_)) => faults.refuse(
            "--users and --user exclude each other: use --only NAME to take one user of the list",
        ),
        (None, Some(_)) => {
            if !typed.users.only.is_empty() || typed.users.only_failed.is_some() {
                faults.refuse("--only and --only-failed narrow a list: use --users with them");
            }
        }
        (Some(_), None) => {}
    }
}

fn server(
    url: Option<&str>,
    option: &str,
    protocol: Protocol,
    faults: &mut Faults,
) -> Option<Endpoint> {
    url.and_then(|url| {
        faults.take(userlist::endpoint(url, protocol).map_err(|fault| format!("{option}: {fault}")))
    })
}

/// The rows to work on; that of `--user` where there is no list.
fn rows(typed: &cli::Users, faults: &mut Faults) -> Source {
    match (&typed.users, &typed.user) {
        (Some(path), _) => match List::open(path) {
            Ok(list) => return Source::List(list),
            Err(error) => faults.refuse(format!("--users {}: {error}", path.display())),
        },
        (None, Some(user)) => match userlist::sound_name(user) {
            Ok(()) => {
                return Source::One(Box::new(UserRow {
                    user: user.clone(),
                    ..UserRow::default()
                }));
            }
            Err(fault) => faults.refuse(format!("--user: {fault}")),
        },
        (None, None) => {}
    }
    Source::Nowhere
}

fn shard(typed: &cli::Users, faults: &mut Faults, warnings: &mut Vec<String>) -> Option<Shard> {
    let environment = |name: &str| std::env::var_os(name);
    let Some(text) = &typed.shard else {
        if let Some(engine) = shard::engine(&environment).filter(|_| typed.users.is_some()) {
            warnings.push(format!(
                "this is a task of a job array of {engine}'s, and works on the whole list: --shard auto \
                 takes this task's part of it"
            ));
        }
        return None;
    };
    faults.take(Shard::parse(text, &environment))
}

/// The users that `--only` and `--only-failed` ask for.
struct Wanted<'t> {
    only: Vec<(&'t str, bool)>,
    failed: Option<HashSet<String>>,
    /// Those of `failed` that the list has.
    found: usize,
}

impl<'t> Wanted<'t> {
    fn read(typed: &'t cli::Users, faults: &mut Faults) -> Self {
        let failed = typed.only_failed.as_deref().map(userlist::failed_users);
        let failed = failed.and_then(|read| faults.take(read.map_err(|it| it.to_string())));
        Self {
            only: typed.only.iter().map(|it| (it.as_str(), false)).collect(),
            failed,
            found: 0,
        }
    }

    /// The list has `user`.
    fn see(&mut self, user: &str) {
        for (name, is_there) in &mut self.only {
            *is_there |= *name == user;
        }
        if let Some(failed) = &self.failed {
            self.found += usize::from(failed.contains(user));
        }
    }

    /// Refuses the names that the list lacks.
    fn missing(&self, list: &List, scan: &Scan, faults: &mut Faults) {
        for (name, _) in self.only.iter().filter(|(_, is_there)| !is_there) {
            let mut meant: Option<(f64, String)> = None;
            list.good_rows(scan, |row| {
                let likeness = userlist::likeness(name, &row.user);
                if likeness > meant.as_ref().map_or(userlist::ALIKE, |(best, _)| *best) {
                    meant = Some((likeness, row.user));
                }
            });
            let meant = meant.map_or(String::new(), |(_, known)| format!(": is {known:?} meant?"));
            faults.refuse(format!("--only {name:?} is not in the user list{meant}"));
        }
    }

    /// The names that are left; `None`: all.
    fn names(self, warnings: &mut Vec<String>) -> Option<HashSet<String>> {
        let gone = self.failed.as_ref().map_or(0, HashSet::len) - self.found;
        if gone > 0 {
            warnings.push(format!(
                "{gone} of the users that failed are no longer in the user list"
            ));
        }
        let only: HashSet<String> = self
            .only
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        match (only.is_empty(), self.failed) {
            (true, failed) => failed,
            (false, None) => Some(only),
            (false, Some(failed)) => Some(only.intersection(&failed).cloned().collect()),
        }
    }
}

/// What was typed, for `run.json`: no secret is ever typed but inside a command.
fn options(typed: &cli::Export, shard: Option<Shard>, dry_run: bool) -> serde_json::Value {
    let source = &typed.source;
    let login = &typed.login;
    let target = &typed.target;
    let uidls = &typed.uidls;
    let running = &typed.running;
    let mut options = serde_json::json!({
        "imap": source.imap,
        "pop3": source.pop3,
        "tls-ca": source.tls_ca,
        "tls-insecure": source.tls_insecure,
        "tls-legacy": source.tls_legacy,
        "master-user": login.master_user,
        "master-separator": login.master_separator,
        "password-file": login.password_file,
        "password-command": login.password_command.as_ref().map(|_| "(not shown)"),
        "auth": login.auth.as_ref().map(word),
        "users": typed.users.users,
        "user": typed.users.user,
        "only": typed.users.only,
        "only-failed": typed.users.only_failed,
        "maildir": target.maildir,
        "target": target.form.target.iter().map(word).collect::<Vec<_>>(),
        "layout": word(&target.form.layout),
        "folder-encoding": target.form.encoding().word(),
        "owner": target.owner,
        "fsync": word(&target.fsync),
        "mirror": typed.rerun.mirror,
        "after-cutover": typed.rerun.after_cutover,
        "max-delete": typed.rerun.max_delete,
        "keep-deleted": typed.rerun.keep_deleted,
        "delete-local": typed.rerun.delete_local,
        "delete-source": typed.rerun.delete_source.as_ref().and_then(word),
        "expunge-marked": typed.rerun.expunge_marked,
        "ignore-missing-uidls": uidls.ignore_missing_uidls,
        "ignore-extra-uidls": uidls.ignore_extra_uidls,
        "pop3-all-mailboxes": uidls.pop3_all_mailboxes,
        "pop3-collect": uidls.pop3_collect.as_ref().map(word),
        "skip-size-check": uidls.skip_size_check,
        "uidl-template": uidls.uidl_template,
        "unholdable": word(&uidls.unholdable),
        "pop3-order": word(&uidls.pop3_order),
        "connections": typed.connections,
        "compress": word(&typed.compress),
        "timeout": running.timeout,
        "retries": running.retries,
        "dry-run": dry_run,
    });
    if let Some(options) = options.as_object_mut() {
        options.insert("min-free".to_owned(), serde_json::json!(typed.min_free));
        options.insert("history".to_owned(), serde_json::json!(typed.history));
        options.insert("metrics".to_owned(), serde_json::json!(running.metrics));
        options.insert("job".to_owned(), serde_json::json!(running.job));
        let pins = source.tls_fingerprint.iter().map(ToString::to_string);
        let pins = pins.collect::<Vec<_>>();
        options.insert("tls-fingerprint".to_owned(), serde_json::json!(pins));
        options.insert(
            "shard".to_owned(),
            serde_json::json!(shard.map(|it| it.to_string())),
        );
        options.extend(selection::options(&typed.selection));
        options.extend(pacing::options(&running.pacing));
        options.insert("daily-cap".to_owned(), serde_json::json!(typed.daily_cap));
    }
    options
}

/// An option's value as it is typed.
pub(super) fn word(value: &impl clap::ValueEnum) -> Option<String> {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
}
