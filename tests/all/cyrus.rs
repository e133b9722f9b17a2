//! Cyrus 3.6 as a source: another mail store, other names, other UIDLs, other logins.

use std::collections::BTreeMap;

use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus::{self, Corpus, Options};
use crate::support::cyrus::{Cyrus, Names, PROXY, Refused};
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::{self, Pop3Entry};
use crate::support::tree::TempTree;
use crate::support::{Layout, compare};

const ANN: (&str, &str) = ("ann", PASSWORD);

/// A Cyrus with the full corpus, and what it would not take of it.
fn full_cyrus(names: Names) -> (Cyrus, Corpus, Refused) {
    let layout = match names {
        Names::Modern => Layout::Fs,
        Names::Old => Layout::MaildirPlusPlus,
    };
    let tree = TempTree::new();
    let maildir = tree.path().join("Maildir");
    let corpus = corpus::full(&maildir, Options::plain(layout));
    let server = Cyrus::start(&[ANN], "cyrus", names);
    let refused = server.fill(ANN, &corpus, &maildir, layout);
    (server, corpus, refused)
}

#[test]
fn every_uidl_format_and_all_else_is_kept() {
    let (cyrus, corpus, refused) = full_cyrus(Names::Modern);
    println!("{refused:?}");
    let source = Source::both(cyrus.imap_port(), cyrus.pop3_port());
    let view = ImapView::read(cyrus.imap_port(), "ann", PASSWORD);
    println!("{:?} {}", view.folders.keys(), view.message_count());
}
