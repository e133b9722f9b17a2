//! The main job: what a destination serves of an exported tree is what the source serves.

use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus::{self, PopOrder, Uidls};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::{Layout, compare};

fn source_with(options: corpus::Options, dovecot: DovecotOptions) -> Dovecot {
    let server = Dovecot::start(DovecotOptions {
        layout: options.layout,
        users: vec![("ann".to_owned(), PASSWORD.to_owned())],
        ..dovecot
    });
    corpus::full(&server.mail_dir("ann"), options);
    server
}

/// Every folder, UIDVALIDITY, UIDNEXT, UID, flag, keyword, date, subscription, byte, UIDL and POP3
/// position of a mailbox with one of everything, for both layouts. Nothing is excepted: the corpus
/// for Maildir++ has no names with dots, which that layout cannot hold (see
/// `a_folder_that_cannot_be_held_is_reported`).
#[test]
fn a_full_mailbox_comes_through_whole_in_both_layouts() {
    for (layout, name) in [(Layout::MaildirPlusPlus, "maildir++"), (Layout::Fs, "fs")] {
        let source = source_with(corpus::Options::plain(layout), DovecotOptions::default());
        let before = views(&source, "ann", PASSWORD);
        let target = Target::new();
        target.export_ok(&Source::of(&source), "ann", &["--layout", name]);
        let destination = target.serve(layout);
        let after = views(&destination, "ann", "any");
        compare::assert_none(&compare::imap(&before.0, &after.0));
        compare::assert_none(&compare::pop3(&before.1, &after.1));
        assert_eq!(destination.complaints(), Vec::<String>::new());

        // The source is as it was: \Seen was not set, nothing was deleted.
        let left = views(&source, "ann", PASSWORD);
        compare::assert_none(&compare::imap(&before.0, &left.0));
        compare::assert_none(&compare::pop3(&before.1, &left.1));
    }
}
