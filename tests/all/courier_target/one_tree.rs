//! One tree for several servers at once.

use super::{assert_alike, courier_views, dovecot_source, target_of, uidls};
use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, views};
use crate::support::corpus::{PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::program::mailseed;
use crate::support::qmail::qmail_listing;
use crate::support::{Layout, compare};
use crate::verify::assert_transparent;

/// UIDLs that all three can have, in an order that all three keep.
#[test]
fn dovecot_courier_and_qmail_show_the_same_of_one_tree() {
    let old = dovecot_source("%u", PopOrder::Same, Uidls::Format);
    let before = views(&old, "ann", PASSWORD);
    let courier = Courier::start_open(&[("ann", PASSWORD)]);
    let target = target_of(&courier);
    let source = Source::of(&old);
    let targets = ["--target", "qmail,dovecot,courier"];
    target.export_ok(&source, "ann", &targets);
    assert_transparent(&target, &source, "ann", &targets);
    let dovecot = Dovecot::start(DovecotOptions {
        utf8: true,
        ..target.options(Layout::MaildirPlusPlus)
    });
    // Courier last, since its RETR marks as seen.
    let by_dovecot = views(&dovecot, "ann", "any");
    let by_courier = courier_views(&courier, "ann");
    let by_qmail = qmail_listing(&target.maildir("ann")).expect("the order is certain");
    let by_qmail: Vec<&str> = by_qmail.iter().map(|(uidl, _)| uidl.as_str()).collect();
    assert_eq!(uidls(&by_courier.1), uidls(&before.1));
    assert_eq!(uidls(&by_dovecot.1), uidls(&before.1));
    assert_eq!(by_qmail, uidls(&before.1));
    // UIDs, UIDVALIDITY, flags, keywords, subscriptions and bytes are the same in both indexes.
    assert_alike(&by_dovecot.0, &by_courier.0);
    compare::assert_none(&compare::pop3(&by_dovecot.1, &by_courier.1));
    // The order of qmail is in the dates of INBOX, which are INTERNALDATE.
    let differences: Vec<_> = compare::imap(&before.0, &by_dovecot.0)
        .into_iter()
        .filter(|one| !(one.folder == "INBOX" && one.what == "date"))
        .collect();
    compare::assert_none(&differences);
    assert_eq!(dovecot.complaints(), Vec::<String>::new());
    drop(dovecot);
    // What each of them announces of the first message.
    let template = target.template();
    let asked = ["explain", "ann", "INBOX:10", "--maildir", &template];
    let told = mailseed(asked.iter().chain(&targets)).stdout;
    let first = &by_courier.1[0];
    let wanted = format!(
        "POP3 number 1, UIDL {}, {} octets; IMAP UID 10",
        first.uidl, first.size
    );
    for server in ["Courier", "Dovecot"] {
        let line = told
            .lines()
            .find(|line| line.trim_start().starts_with(server));
        assert!(line.is_some_and(|line| line.ends_with(&wanted)), "{told}");
    }
    assert_nothing_left(&target, &source, "ann", &targets);
}
