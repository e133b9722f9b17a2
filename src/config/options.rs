//! What was typed, as `run.json` tells it.

use serde_json::{Map, Value, json};

use super::shard::Shard;
use super::{pacing, selection};
use crate::cli;

/// What was typed, for `run.json`: no secret is ever typed but inside a command.
pub(super) fn options(typed: &cli::Export, shard: Option<Shard>, dry_run: bool) -> Value {
    let source = &typed.source;
    let login = &typed.login;
    let target = &typed.target;
    let uidls = &typed.uidls;
    let delivery = &typed.delivery;
    let running = &typed.running;
    let pins = source.tls_fingerprint.iter().map(ToString::to_string);
    let pairs = [
        ("imap", json!(source.imap)),
        ("pop3", json!(source.pop3)),
        ("tls-ca", json!(source.tls_ca)),
        ("tls-insecure", json!(source.tls_insecure)),
        ("tls-legacy", json!(source.tls_legacy)),
        ("master-user", json!(login.master_user)),
        ("master-separator", json!(login.master_separator)),
        ("password-file", json!(login.password_file)),
        (
            "password-command",
            json!(login.password_command.as_ref().map(|_| "(not shown)")),
        ),
        ("auth", json!(login.auth.as_ref().map(word))),
        ("users", json!(typed.users.users)),
        ("user", json!(typed.users.user)),
        ("only", json!(typed.users.only)),
        ("only-failed", json!(typed.users.only_failed)),
        ("maildir", json!(target.maildir)),
        (
            "target",
            json!(target.form.target.iter().map(word).collect::<Vec<_>>()),
        ),
        ("layout", json!(word(&target.form.layout))),
        ("folder-encoding", json!(target.form.encoding().word())),
        ("owner", json!(target.owner)),
        ("fsync", json!(word(&target.fsync))),
        ("mirror", json!(typed.rerun.mirror)),
        ("after-cutover", json!(typed.rerun.after_cutover)),
        ("max-delete", json!(typed.rerun.max_delete)),
        ("keep-deleted", json!(typed.rerun.keep_deleted)),
        ("delete-local", json!(typed.rerun.delete_local)),
        (
            "delete-source",
            json!(typed.rerun.delete_source.as_ref().and_then(word)),
        ),
        ("expunge-marked", json!(typed.rerun.expunge_marked)),
        ("ignore-missing-uidls", json!(uidls.ignore_missing_uidls)),
        ("ignore-extra-uidls", json!(uidls.ignore_extra_uidls)),
        ("pop3-all-mailboxes", json!(uidls.pop3_all_mailboxes)),
        ("pop3-collect", json!(uidls.pop3_collect.as_ref().map(word))),
        ("skip-size-check", json!(uidls.skip_size_check)),
        ("uidl-template", json!(uidls.uidl_template)),
        ("unholdable", json!(word(&uidls.unholdable))),
        ("pop3-order", json!(word(&uidls.pop3_order))),
        ("connections", json!(delivery.connections)),
        ("compress", json!(word(&delivery.compress))),
        ("timeout", json!(running.timeout)),
        ("retries", json!(running.retries)),
        ("dry-run", json!(dry_run)),
        ("min-free", json!(delivery.min_free)),
        ("history", json!(delivery.history)),
        ("daily-cap", json!(delivery.daily_cap)),
        ("metrics", json!(running.metrics)),
        ("job", json!(running.job)),
        ("tls-fingerprint", json!(pins.collect::<Vec<_>>())),
        ("shard", json!(shard.map(|it| it.to_string()))),
    ];
    let pairs = pairs.map(|(option, value)| (option.to_owned(), value));
    let mut options = Map::from_iter(pairs);
    options.extend(selection::options(&typed.selection));
    options.extend(pacing::options(&running.pacing));
    options.into()
}

/// An option's value as it is typed.
pub(super) fn word(value: &impl clap::ValueEnum) -> Option<String> {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
}
