//! What happens in doubt about UIDLs.

use clap::{Args, ValueEnum};

use super::UIDLS;
use crate::config::{Pop3Order, Unholdable};

/// Where messages go that POP3 shows and INBOX has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pop3Collect {
    /// INBOX, besides their own folders
    Inbox,
}

/// What happens in doubt about UIDLs.
#[derive(Debug, Args)]
#[command(next_help_heading = UIDLS)]
pub struct Uidls {
    /// Go on although INBOX has messages without a UIDL
    ///
    /// A POP3 client downloads those once more, if it ever had them
    #[arg(long)]
    pub ignore_missing_uidls: bool,

    /// Go on although there are UIDLs without a message
    ///
    /// A POP3 client no longer finds those messages
    #[arg(long)]
    pub ignore_extra_uidls: bool,

    /// Look for UIDLs in all folders, not in INBOX alone
    ///
    /// For POP3 servers that show more than INBOX; what is found there is reported, for the new POP3 server
    /// will not show it
    #[arg(long)]
    pub pop3_all_mailboxes: bool,

    /// Copy messages of other folders that POP3 shows into INBOX
    ///
    /// As --pop3-all-mailboxes, and copies of the messages that it finds in other folders are put into
    /// INBOX, with their UIDLs and in their order, so that the new POP3 server shows what the old one does
    #[arg(long, value_name = "WHERE", value_enum)]
    pub pop3_collect: Option<Pop3Collect>,

    /// Take no message sizes as evidence: LIST lies
    ///
    /// Of POP3, when UIDLs are matched
    #[arg(long)]
    pub skip_size_check: bool,

    /// How the old server makes UIDLs, such as %08Xu%08Xv
    ///
    /// Instead of finding it out for each user: a name such as u8v8 or v.u, or a format of Dovecot's kind
    #[arg(long, value_name = "TEMPLATE")]
    pub uidl_template: Option<String>,

    /// What to do with a UIDL or an order that the target cannot hold
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub unholdable: Unholdable,

    /// qmail: which wins where one mtime cannot show both
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub pop3_order: Pop3Order,
}
