//! What was typed, as `run.json` tells it.

use serde_json::{Map, Value, json};

use super::shard::Shard;
use super::{pacing, selection};
use crate::cli;

/// Options by their long names, with what was typed for them.
pub(super) type Told = Vec<(String, Value)>;

/// What was typed, for `run.json`: no secret is ever typed but inside a command.
pub(super) fn options(typed: &cli::Export, shard: Option<Shard>, dry_run: bool) -> Value {
    let of_run = told([
        ("dry-run", json!(dry_run)),
        ("shard", json!(shard.map(|it| it.to_string()))),
    ]);
    let all = [
        source(&typed.accounts.source),
        login(&typed.accounts.login),
        users(&typed.accounts.users),
        target(&typed.target),
        selection::options(&typed.selection),
        rerun(&typed.rerun),
        uidls(&typed.uidls),
        running(&typed.running),
        pacing::options(&typed.running.pacing),
        delivery(&typed.delivery),
        of_run,
    ];
    Map::from_iter(all.concat()).into()
}

/// Names and values as they are put together.
pub(super) fn told<const N: usize>(pairs: [(&str, Value); N]) -> Told {
    pairs
        .map(|(option, value)| (option.to_owned(), value))
        .into()
}

/// An option's value as it is typed.
pub(super) fn word(value: &impl clap::ValueEnum) -> Option<String> {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
}

fn source(typed: &cli::Source) -> Told {
    let pins = typed.tls_fingerprint.iter().map(ToString::to_string);
    told([
        ("imap", json!(typed.imap)),
        ("pop3", json!(typed.pop3)),
        ("tls-ca", json!(typed.tls_ca)),
        ("tls-fingerprint", json!(pins.collect::<Vec<_>>())),
        ("tls-insecure", json!(typed.tls_insecure)),
        ("tls-legacy", json!(typed.tls_legacy)),
    ])
}

fn login(typed: &cli::Login) -> Told {
    // It may have a password in it.
    let command = typed.password_command.as_ref().map(|_| "(not shown)");
    told([
        ("master-user", json!(typed.master_user)),
        ("master-separator", json!(typed.master_separator)),
        ("password-file", json!(typed.password_file)),
        ("password-command", json!(command)),
        ("auth", json!(typed.auth.as_ref().map(word))),
    ])
}

/// Without `--shard`: which one it is may have been found out.
fn users(typed: &cli::Users) -> Told {
    told([
        ("users", json!(typed.users)),
        ("user", json!(typed.user)),
        ("only", json!(typed.only)),
        ("only-failed", json!(typed.only_failed)),
    ])
}

fn target(typed: &cli::Target) -> Told {
    let form = &typed.form;
    let servers: Vec<_> = form.target.iter().map(word).collect();
    told([
        ("maildir", json!(typed.maildir)),
        ("target", json!(servers)),
        ("layout", json!(word(&form.layout))),
        ("folder-encoding", json!(form.encoding().word())),
        ("owner", json!(typed.owner)),
        ("fsync", json!(word(&typed.fsync))),
    ])
}

fn rerun(typed: &cli::Rerun) -> Told {
    let delete_source = typed.delete_source.as_ref().and_then(word);
    told([
        ("mirror", json!(typed.mirror)),
        ("after-cutover", json!(typed.after_cutover)),
        ("max-delete", json!(typed.max_delete)),
        ("keep-deleted", json!(typed.keep_deleted)),
        ("delete-local", json!(typed.delete_local)),
        ("delete-source", json!(delete_source)),
        ("expunge-marked", json!(typed.expunge_marked)),
    ])
}

fn uidls(typed: &cli::Uidls) -> Told {
    told([
        ("ignore-missing-uidls", json!(typed.ignore_missing_uidls)),
        ("ignore-extra-uidls", json!(typed.ignore_extra_uidls)),
        ("pop3-all-mailboxes", json!(typed.pop3_all_mailboxes)),
        ("pop3-collect", json!(typed.pop3_collect.as_ref().map(word))),
        ("skip-size-check", json!(typed.skip_size_check)),
        ("uidl-template", json!(typed.uidl_template)),
        ("unholdable", json!(word(&typed.unholdable))),
        ("pop3-order", json!(word(&typed.pop3_order))),
    ])
}

fn running(typed: &cli::Running) -> Told {
    told([
        ("job", json!(typed.job)),
        ("timeout", json!(typed.timeout)),
        ("retries", json!(typed.retries)),
        ("metrics", json!(typed.metrics)),
    ])
}

fn delivery(typed: &cli::Delivery) -> Told {
    told([
        ("connections", json!(typed.connections)),
        ("compress", json!(word(&typed.compress))),
        ("daily-cap", json!(typed.daily_cap)),
        ("min-free", json!(typed.min_free)),
        ("history", json!(typed.history)),
    ])
}
