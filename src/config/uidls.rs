//! What happens in doubt about UIDLs.

use super::faults::Faults;
use crate::cli::{self, Pop3Collect};
use crate::matching::{self, Policy};

/// How doubtful UIDLs are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UidlPolicy {
    /// INBOX messages without a UIDL do not fail the user.
    pub ignore_missing: bool,
    /// UIDLs without a message do not fail the user.
    pub ignore_extra: bool,
    /// UIDLs without a message in INBOX are looked for in all folders.
    pub all_mailboxes: bool,
    /// INBOX gets copies of those that have their messages in other folders.
    pub collect: bool,
    /// What to do with what the target cannot hold.
    pub unholdable: Unholdable,
    /// qmail: order or date.
    pub pop3_order: Pop3Order,
    /// What is decided about the pairing beforehand.
    pub pairing: Policy,
}

impl UidlPolicy {
    /// As it was typed.
    pub(super) fn from_cli(typed: &cli::Uidls, faults: &mut Faults) -> Self {
        let template = typed.uidl_template.as_deref().and_then(|template| {
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
        Self {
            ignore_missing: typed.ignore_missing_uidls,
            ignore_extra: typed.ignore_extra_uidls,
            all_mailboxes: typed.pop3_all_mailboxes || typed.pop3_collect.is_some(),
            collect: typed.pop3_collect == Some(Pop3Collect::Inbox),
            unholdable: typed.unholdable,
            pop3_order: typed.pop3_order,
            pairing: Policy {
                skip_sizes: typed.skip_size_check,
                template,
            },
        }
    }
}

/// The options that do nothing without POP3, as far as they are used.
pub(super) fn uidl_options(typed: &cli::Uidls) -> Vec<&'static str> {
    [
        (typed.ignore_missing_uidls, "--ignore-missing-uidls"),
        (typed.ignore_extra_uidls, "--ignore-extra-uidls"),
        (typed.pop3_all_mailboxes, "--pop3-all-mailboxes"),
        (typed.pop3_collect.is_some(), "--pop3-collect"),
        (typed.skip_size_check, "--skip-size-check"),
        (typed.uidl_template.is_some(), "--uidl-template"),
    ]
    .into_iter()
    .filter_map(|(used, option)| used.then_some(option))
    .collect()
}

/// What to do with a UIDL or an order that the target cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Unholdable {
    /// The user fails before INBOX is published
    #[default]
    Fail,
    /// Go on, and list each such message in the report
    Report,
}

/// qmail keeps order and date in one number, the mtime: which of the two wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Pop3Order {
    /// The POP3 order is exact; dates move as far as they must
    #[default]
    Order,
    /// The dates are exact; the order is kept where the dates allow
    Date,
}
