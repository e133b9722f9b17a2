//! The main job: what a destination serves of an exported tree is what the source serves.

use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus::{self, PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::{self, Pop3Entry};
use crate::support::qmail::qmail_listing;
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

fn plain_source() -> Dovecot {
    source_with(
        corpus::Options::plain(Layout::MaildirPlusPlus),
        DovecotOptions::default(),
    )
}

/// A second export finds nothing to do: it plans nothing, fetches nothing and writes nothing.
pub fn assert_nothing_left(target: &Target, source: &Source, user: &str, more: &[&str]) {
    let before = target.listing();
    let output = target.export_ok(source, user, &[more, &["-v"]].concat());
    assert!(
        !output.stderr.contains("UIDLs paired") || output.stderr.contains("by known"),
        "UIDLs were paired anew:\n{}",
        output.stderr
    );
    let after = target.listing();
    let written: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(after == before, "written:\n{written:#?}");
    let mut plan = target.command("plan", source, more);
    plan.args(["--user", user]);
    let plan = crate::support::program::run(plan, std::time::Duration::from_secs(60));
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    for line in plan.stdout.lines().filter(|line| line.starts_with("  ")) {
        assert!(
            line.contains("nothing to do") || line.contains("kept, with their order"),
            "{line}"
        );
    }
    assert!(
        plan.stdout.contains("INBOX: nothing to do"),
        "{}",
        plan.stdout
    );
}

/// Every folder, UIDVALIDITY, UIDNEXT, UID, flag, keyword, date, subscription, byte, UIDL and POP3
/// position of a mailbox with one of everything, for both layouts. Nothing is excepted: the corpus
/// for Maildir++ has no names with dots, which that layout cannot hold; see
/// `a_name_that_the_layout_cannot_hold_is_reported_and_the_rest_comes`.
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

        // Dovecot has moved in: its indexes and its own changes to our files disturb nothing.
        drop(destination);
        assert_nothing_left(&target, &Source::of(&source), "ann", &["--layout", name]);
    }
}

/// The separator and the prefix of the source are not on disk.
#[test]
fn a_prefix_and_another_separator_at_the_source_are_translated() {
    let source = source_with(
        corpus::Options::plain(Layout::MaildirPlusPlus),
        DovecotOptions {
            separator: '.',
            prefix: "INBOX.".to_owned(),
            ..DovecotOptions::default()
        },
    );
    let before = ImapView::read(source.imap_port(), "ann", PASSWORD).without_prefix("INBOX.");
    let target = Target::new();
    let only_imap = Source::of(&source).imap_only();
    target.export_ok(&only_imap, "ann", &["--folder-encoding", "utf8"]);
    let destination = Dovecot::start(DovecotOptions {
        utf8: true,
        ..target.options(Layout::MaildirPlusPlus)
    });
    let after = ImapView::read(destination.imap_port(), "ann", "any");
    compare::assert_none(&compare::imap(&before, &after));
    assert_nothing_left(&target, &only_imap, "ann", &["--folder-encoding", "utf8"]);
}

/// Dots are separators in Maildir++: such folders are named with their way out, their messages are
/// in `skipped.csv`, and everything else is exported.
#[test]
fn a_name_that_the_layout_cannot_hold_is_reported_and_the_rest_comes() {
    let source = source_with(
        corpus::Options::plain(Layout::Fs),
        DovecotOptions::default(),
    );
    let before = views(&source, "ann", PASSWORD);
    let target = Target::new();
    let report = crate::support::tree::TempTree::new();
    let report_dir = report.path().display().to_string();
    let output = target.export(&Source::of(&source), "ann", &["--report", &report_dir]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stdout.contains("--layout fs"), "{}", output.stdout);
    let destination = target.serve(Layout::MaildirPlusPlus);
    let after = views(&destination, "ann", "any");
    let dotted = ["v1.2", "example.org/a.b.c", "trailing."];
    let differences: Vec<_> = compare::imap(&before.0, &after.0)
        .into_iter()
        .filter(|one| !dotted.iter().any(|name| one.folder.starts_with(name)))
        // The parent of a dotted folder has no messages and so no place of its own.
        .filter(|one| one.folder != "example.org")
        .collect();
    compare::assert_none(&differences);
    compare::assert_none(&compare::pop3(&before.1, &after.1));
    for name in dotted {
        assert!(!after.0.folders.contains_key(name), "{name}");
    }
    let mut skipped = csv::Reader::from_path(report.path().join("skipped.csv")).expect("written");
    let rows: Vec<csv::StringRecord> = skipped.records().map(|row| row.expect("CSV")).collect();
    assert_eq!(rows.len(), 20 + 20 + 5);
    assert!(rows.iter().all(|row| dotted.contains(&&row[1])));
}

/// Opaque UIDLs, in an order that is not that of the UIDs: nothing computes them, and nothing but
/// the POP3 listing gives the order.
#[test]
fn opaque_uidls_in_another_order_are_kept() {
    let source = source_with(
        corpus::Options {
            layout: Layout::MaildirPlusPlus,
            pop_order: PopOrder::Shuffled,
            uidls: Uidls::Opaque,
        },
        DovecotOptions::default(),
    );
    let before = views(&source, "ann", PASSWORD);
    let target = Target::new();
    target.export_ok(&Source::of(&source), "ann", &[]);
    let destination = target.serve(Layout::MaildirPlusPlus);
    let after = views(&destination, "ann", "any");
    compare::assert_none(&compare::imap(&before.0, &after.0));
    compare::assert_none(&compare::pop3(&before.1, &after.1));
    assert_nothing_left(&target, &Source::of(&source), "ann", &[]);
    let left = views(&source, "ann", PASSWORD);
    compare::assert_none(&compare::imap(&before.0, &left.0));
}

/// The destination runs with a format of its own, so that each UIDL must come from the tree.
#[test]
fn every_format_of_uidl_is_kept() {
    for format in ["%08Xu%08Xv", "%v.%u", "%08Xv%08Xu", "%u", "%f"] {
        let source = Dovecot::start(DovecotOptions {
            uidl_format: format.to_owned(),
            ..DovecotOptions::with_users(&[("ann", PASSWORD)])
        });
        corpus::full(
            &source.mail_dir("ann"),
            corpus::Options::plain(Layout::MaildirPlusPlus),
        );
        let before = pop3_view::read(source.pop3_port(), "ann", PASSWORD, true);
        let target = Target::new();
        let output = target.export_ok(&Source::of(&source), "ann", &["-v"]);
        let destination = Dovecot::start(DovecotOptions {
            uidl_format: "new-%v-%u".to_owned(),
            ..target.options(Layout::MaildirPlusPlus)
        });
        let after = pop3_view::read(destination.pop3_port(), "ann", "any", true);
        compare::assert_none(&compare::pop3(&before, &after));
        let stage = if format == "%f" { "x-guid" } else { "template" };
        assert!(
            output.stderr.contains(stage),
            "{format}:\n{}",
            output.stderr
        );
    }
}

/// Courier's UIDLs have nothing to do with its UIDs, and its POP3 order is that of file names.
#[test]
fn a_courier_source_keeps_uidls_and_order() {
    let courier = Courier::start(&[("ann", PASSWORD)]);
    corpus::full(
        &courier.mail_dir("ann"),
        corpus::Options::plain(Layout::MaildirPlusPlus),
    );
    ImapView::select_each_folder(courier.imap_port(), "ann", PASSWORD);
    let source = Source::both(courier.imap_port(), courier.pop3_port());
    let before = (
        ImapView::read(courier.imap_port(), "ann", PASSWORD).without_prefix("INBOX."),
        pop3_view::read(courier.pop3_port(), "ann", PASSWORD, false),
    );
    let target = Target::new();
    target.export_ok(&source, "ann", &[]);
    let destination = target.serve(Layout::MaildirPlusPlus);
    let after = views(&destination, "ann", "any");
    // Courier does not tell UIDNEXT on EXAMINE; then it is one above the last UID.
    let differences: Vec<_> = compare::imap(&before.0, &after.0)
        .into_iter()
        .filter(|one| one.what != "uidnext")
        .collect();
    compare::assert_none(&differences);
    for folder in after.0.folders.values().filter(|folder| folder.selectable) {
        let last = folder.messages.last().map_or(0, |message| message.uid);
        assert_eq!(folder.uid_next, last + 1);
    }
    assert_eq!(uidls(&before.1), uidls(&after.1));
    assert_nothing_left(&target, &source, "ann", &[]);
}

fn uidls(listing: &[Pop3Entry]) -> Vec<&str> {
    listing.iter().map(|entry| entry.uidl.as_str()).collect()
}

/// qmail serves names by mtime; and one tree for qmail and Dovecot gives the same list in both.
#[test]
fn qmail_serves_the_same_uidls_in_the_same_order() {
    for targets in ["qmail", "qmail,dovecot"] {
        let source = source_with(
            corpus::Options {
                layout: Layout::MaildirPlusPlus,
                pop_order: PopOrder::Shuffled,
                uidls: Uidls::OpaqueQmailSafe,
            },
            DovecotOptions::default(),
        );
        let before = views(&source, "ann", PASSWORD);
        let target = Target::new();
        target.export_ok(&Source::of(&source), "ann", &["--target", targets]);
        let served = qmail_listing(&target.maildir("ann")).expect("the order is certain");
        let served: Vec<&str> = served.iter().map(|(uidl, _)| uidl.as_str()).collect();
        assert_eq!(served, uidls(&before.1), "{targets}");
        assert_nothing_left(&target, &Source::of(&source), "ann", &["--target", targets]);
        if targets == "qmail" {
            continue;
        }
        let destination = target.serve(Layout::MaildirPlusPlus);
        let after = views(&destination, "ann", "any");
        compare::assert_none(&compare::pop3(&before.1, &after.1));
        // The order of qmail is in the dates of INBOX, which are IMAP's INTERNALDATE.
        let differences: Vec<_> = compare::imap(&before.0, &after.0)
            .into_iter()
            .filter(|one| !(one.folder == "INBOX" && one.what == "date"))
            .collect();
        compare::assert_none(&differences);
        drop(destination);
        assert_nothing_left(&target, &Source::of(&source), "ann", &["--target", targets]);
    }
}

/// With `--pop3-order date` the dates stay exact.
#[test]
fn the_dates_of_qmail_can_be_kept_instead_of_the_order() {
    let source = source_with(
        corpus::Options {
            layout: Layout::MaildirPlusPlus,
            pop_order: PopOrder::Shuffled,
            uidls: Uidls::OpaqueQmailSafe,
        },
        DovecotOptions::default(),
    );
    let before = views(&source, "ann", PASSWORD);
    let target = Target::new();
    let more = ["--target", "qmail,dovecot", "--pop3-order", "date"];
    let output = target.export_ok(&Source::of(&source), "ann", &more);
    assert!(
        output.stderr.contains("do not keep the POP3 order"),
        "{}",
        output.stderr
    );
    let destination = target.serve(Layout::MaildirPlusPlus);
    let after = views(&destination, "ann", "any");
    compare::assert_none(&compare::imap(&before.0, &after.0));
    compare::assert_none(&compare::pop3(&before.1, &after.1));
}

/// UIDLs with `/`, `:` or a leading dot are no names: found before anything is written.
#[test]
fn uidls_that_qmail_cannot_hold_stop_the_user_or_are_reported() {
    let source = source_with(
        corpus::Options {
            layout: Layout::MaildirPlusPlus,
            pop_order: PopOrder::Same,
            uidls: Uidls::Opaque,
        },
        DovecotOptions::default(),
    );
    let before = views(&source, "ann", PASSWORD);
    let holdable: Vec<&str> = uidls(&before.1)
        .into_iter()
        .filter(|uidl| !uidl.contains(['/', ':']) && !uidl.starts_with('.'))
        .collect();
    assert!(!holdable.is_empty() && holdable.len() < before.1.len());

    let target = Target::new();
    let output = target.export(&Source::of(&source), "ann", &["--target", "qmail"]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(
        output.stdout.contains("--unholdable report"),
        "{}",
        output.stdout
    );
    let inbox = target.maildir("ann").join("cur");
    assert!(!inbox.exists(), "INBOX was published");

    target.export_ok(
        &Source::of(&source),
        "ann",
        &["--target", "qmail", "--unholdable", "report"],
    );
    let served = qmail_listing(&target.maildir("ann")).expect("the order is certain");
    assert_eq!(served.len(), before.1.len());
    let served: Vec<&str> = served
        .iter()
        .map(|(uidl, _)| uidl.as_str())
        .filter(|uidl| holdable.contains(uidl))
        .collect();
    assert_eq!(served, holdable);
}

/// Without IMAP: UIDs 1..n in POP3 order, dates from the headers, UIDLs and order kept.
#[test]
fn a_pop3_only_source_is_a_full_citizen() {
    let source = source_with(
        corpus::Options {
            layout: Layout::MaildirPlusPlus,
            pop_order: PopOrder::Shuffled,
            uidls: Uidls::OpaqueQmailSafe,
        },
        DovecotOptions::default(),
    );
    let before = pop3_view::read(source.pop3_port(), "ann", PASSWORD, true);
    let only_pop3 = Source::of(&source).pop3_only();
    for targets in ["dovecot", "qmail", "qmail,dovecot"] {
        let target = Target::new();
        target.export_ok(&only_pop3, "ann", &["--target", targets]);
        if targets.contains("qmail") {
            let served = qmail_listing(&target.maildir("ann")).expect("the order is certain");
            let served: Vec<&str> = served.iter().map(|(uidl, _)| uidl.as_str()).collect();
            assert_eq!(served, uidls(&before), "{targets}");
        }
        if targets.contains("dovecot") {
            let destination = target.serve(Layout::MaildirPlusPlus);
            let after = views(&destination, "ann", "any");
            // RETR ends with CRLF where the message had none, so LIST may say two octets more.
            assert_eq!(uidls(&after.1), uidls(&before), "{targets}");
            let hashes =
                |view: &[Pop3Entry]| -> Vec<_> { view.iter().map(|one| one.hash).collect() };
            assert_eq!(hashes(&after.1), hashes(&before), "{targets}");
            let uids: Vec<u32> = after.0.folders["INBOX"]
                .messages
                .iter()
                .map(|message| message.uid)
                .collect();
            assert_eq!(uids, (1..=before.len() as u32).collect::<Vec<_>>());
        }
        assert_nothing_left(&target, &only_pop3, "ann", &["--target", targets]);
    }
}

/// Without POP3: everything but UIDLs.
#[test]
fn an_imap_only_source_needs_no_pop3() {
    let source = plain_source();
    let before = ImapView::read(source.imap_port(), "ann", PASSWORD);
    let target = Target::new();
    let only_imap = Source::of(&source).imap_only();
    target.export_ok(&only_imap, "ann", &["--fsync", "always"]);
    let destination = target.serve(Layout::MaildirPlusPlus);
    let after = ImapView::read(destination.imap_port(), "ann", "any");
    compare::assert_none(&compare::imap(&before, &after));
    drop(destination);
    assert_nothing_left(&target, &only_imap, "ann", &[]);

    // POP3 added later: the mail stays, the UIDLs come.
    let listing = pop3_view::read(source.pop3_port(), "ann", PASSWORD, true);
    let output = target.export_ok(&Source::of(&source), "ann", &["-v"]);
    assert!(!output.stderr.contains("fetch"), "{}", output.stderr);
    let destination = target.serve(Layout::MaildirPlusPlus);
    let after = views(&destination, "ann", "any");
    compare::assert_none(&compare::imap(&before, &after.0));
    compare::assert_none(&compare::pop3(&listing, &after.1));
}
