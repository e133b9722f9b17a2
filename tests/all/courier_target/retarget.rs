//! `mailseed retarget`: a tree for one server made over for another.

use std::path::Path;
use std::time::Duration;

use super::{assert_alike, courier_views, dovecot_source, target_of, uidls};
use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus::{PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::Pop3Entry;
use crate::support::program::{self, Output};
use crate::support::qmail::qmail_listing;
use crate::support::{Layout, compare, mail_owner};

fn retarget(maildir: &Path, from: &str, to: &str, more: &[&str]) -> Output {
    let mut command = program::mailseed_command();
    command.arg("retarget").arg(maildir);
    command.args(["--from", from, "--to", to]).args(more);
    if let Some((uid, gid)) = mail_owner() {
        command.args(["--owner", &format!("{uid}:{gid}")]);
    }
    program::run(command, Duration::from_secs(60))
}

/// What the servers `to` show of the tree; `None`: qmail, which shows no IMAP.
fn shown(courier: &Courier, target: &Target, to: &str) -> (Option<ImapView>, Vec<String>) {
    let owned = |listing: &[Pop3Entry]| uidls(listing).into_iter().map(str::to_owned).collect();
    match to {
        "courier" => {
            let (imap, pop3) = courier_views(courier, "ann");
            (Some(imap), owned(&pop3))
        }
        "dovecot" => {
            let dovecot = Dovecot::start(target.options(Layout::MaildirPlusPlus));
            let (imap, pop3) = views(&dovecot, "ann", "any");
            assert_eq!(dovecot.complaints(), Vec::<String>::new());
            (Some(imap), owned(&pop3))
        }
        _ => {
            let listing = qmail_listing(&target.maildir("ann")).expect("the order is certain");
            (None, listing.into_iter().map(|(uidl, _)| uidl).collect())
        }
    }
}

/// From each of the three to each other: what the new server shows is what the source shows.
#[test]
fn each_server_s_tree_becomes_each_other_s() {
    let old = dovecot_source("%u", PopOrder::Same, Uidls::Format);
    let source = Source::of(&old);
    let before = views(&old, "ann", PASSWORD);
    let pairs = [
        ("dovecot", "courier"),
        ("courier", "dovecot"),
        ("dovecot", "qmail"),
        ("qmail", "dovecot"),
        ("courier", "qmail"),
        ("qmail", "courier"),
    ];
    for (from, to) in pairs {
        let courier = Courier::start_open(&[("ann", PASSWORD)]);
        let target = target_of(&courier);
        target.export_ok(&source, "ann", &["--target", from]);
        let maildir = target.maildir("ann");
        let untouched = target.listing();
        let dry = retarget(&maildir, from, to, &["--dry-run"]);
        assert_eq!(dry.code, Some(0), "{from} {to}: {}", dry.stderr);
        assert_eq!(target.listing(), untouched, "{from} {to}");
        let done = retarget(&maildir, from, to, &[]);
        assert_eq!(
            done.code,
            Some(0),
            "{from} {to}: {}\n{}",
            done.stdout,
            done.stderr
        );
        assert_eq!(done.stdout, dry.stdout, "{from} {to}");

        // Again there is nothing to do.
        let after = target.listing();
        let again = retarget(&maildir, from, to, &[]);
        assert_eq!(again.code, Some(0), "{from} {to}: {}", again.stderr);
        assert_eq!(target.listing(), after, "{from} {to}: {}", again.stdout);

        let (imap, listing) = shown(&courier, &target, to);
        assert_eq!(listing, uidls(&before.1), "{from} {to}");
        if let Some(imap) = imap {
            let by_dates = |one: &compare::Difference| {
                from == "qmail" && one.folder == "INBOX" && one.what == "date"
            };
            // qmail has no keywords, no IMAP that would have subscriptions, and no list of a folder.
            let lost = |one: &compare::Difference| {
                let is_empty = one.folder == "Empty" && one.what == "uidvalidity";
                from == "qmail" && (matches!(one.what, "flags" | "subscription") || is_empty)
            };
            let differences: Vec<_> = compare::imap(&before.0, &imap)
                .into_iter()
                .filter(|one| one.what != "uidnext" && !by_dates(one) && !lost(one))
                .collect();
            compare::assert_none(&differences);
        }
        // And the next export goes on from there.
        target.export_ok(&source, "ann", &["--target", to]);
        assert_nothing_left(&target, &source, "ann", &["--target", to]);
    }
}

/// One tree for two servers, from that of one, with a live server's own mail in it.
#[test]
fn a_tree_of_dovecot_becomes_one_for_both() {
    let old = dovecot_source("UID%u-%v", PopOrder::Shuffled, Uidls::Format);
    let source = Source::of(&old);
    let courier = Courier::start_open(&[("ann", PASSWORD)]);
    let target = target_of(&courier);
    target.export_ok(&source, "ann", &["--folder-encoding", "utf8"]);
    let dovecot = Dovecot::start(DovecotOptions {
        utf8: true,
        uidl_format: "%u.x".to_owned(),
        ..target.options(Layout::MaildirPlusPlus)
    });
    let maildir = target.maildir("ann");
    crate::support::delivery::deliver(&maildir, "INBOX", 1_700_000_000, &super::message("late"));
    ImapView::select_each_folder(dovecot.imap_port(), "ann", "any");
    let before = views(&dovecot, "ann", "any");
    let more = [
        "--from-folder-encoding",
        "utf8",
        "--pop3-uidl-format",
        "%u.x",
    ];
    let done = retarget(&maildir, "dovecot", "dovecot,courier", &more);
    assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
    let by_dovecot = views(&dovecot, "ann", "any");
    let by_courier = courier_views(&courier, "ann");
    compare::assert_none(&compare::pop3(&before.1, &by_dovecot.1));
    compare::assert_none(&compare::imap(&before.0, &by_dovecot.0));
    assert_alike(&by_dovecot.0, &by_courier.0);
    // `751.x` is a name, and all others, which are numbers in Courier's list, come before it.
    assert_eq!(uidls(&by_courier.1), uidls(&before.1));
    assert!(
        uidls(&before.1)
            .last()
            .is_some_and(|uidl| uidl.ends_with(".x"))
    );
}

/// What is wrong is said before anything is done.
#[test]
fn what_cannot_be_is_refused() {
    let tree = crate::support::tree::TempTree::new();
    for (arguments, code, why) in [
        (
            &["--from", "dovecot", "--to", "courier"][..],
            3,
            "cannot read",
        ),
        (
            &["--from", "dovecot", "--to", "courier", "--layout", "fs"],
            2,
            "leave courier out of --to",
        ),
        (&["--from", "dovecot"], 2, "--to"),
        (
            &[
                "--from",
                "qmail",
                "--to",
                "courier",
                "--pop3-uidl-format",
                "%u",
            ],
            2,
            "setting of Dovecot's",
        ),
    ] {
        let mut command = program::mailseed_command();
        command.arg("retarget").arg(tree.path()).args(arguments);
        let output = program::run(command, Duration::from_secs(10));
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        assert!(output.stderr.contains(why), "{}", output.stderr);
    }
    assert_eq!(tree.listing(), Vec::<String>::new());
}
