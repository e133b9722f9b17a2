//! Runs again from servers that tell less: Courier, without CONDSTORE and UIDNEXT; POP3 alone.

use super::mail::{LATER, count, message, the_one, uidl_of};
use super::pair::Pair;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::courier::Courier;
use crate::support::delivery::deliver;
use crate::support::dovecot::DovecotOptions;
use crate::support::imap_view::ImapView;
use crate::support::mail_user::{Client, Store};
use crate::support::report::summary;
use crate::support::tree::TempTree;
use crate::support::{Layout, compare, corpus, pop3_view};

/// Courier: new mail, flags and deletions come through in both modes, and cost no download of what
/// is there.
#[test]
fn a_courier_source_is_followed_too() {
    let courier = Courier::start(&[("mirror", PASSWORD), ("merge", PASSWORD)]);
    let login = |user: &str| Client::login(courier.imap_port(), user, PASSWORD);
    let from = Source::both(courier.imap_port(), courier.pop3_port());
    let target = Target::new();
    let destination = crate::support::dovecot::Dovecot::start(DovecotOptions {
        uidl_format: "new-%v-%u".to_owned(),
        ..target.options(Layout::MaildirPlusPlus)
    });
    for (user, more) in [("mirror", &["--mirror"][..]), ("merge", &[])] {
        let maildir = courier.mail_dir(user);
        let contents: Vec<(String, String)> = (1..=6)
            .map(|number| {
                let letters = ["", "S"][number % 2];
                (
                    format!("16000000{number:02}.M1P1_{number}.old:2,{letters}"),
                    message(&format!("inbox-{number}")),
                )
            })
            .collect();
        let files: Vec<(&str, &[u8])> = contents
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_bytes()))
            .collect();
        corpus::bare(&maildir, &files);
        {
            let mut client = login(user);
            client.create("INBOX.Work");
            client.select("INBOX.Work");
        }
        deliver(&maildir, "Work", LATER, &message("work-1"));
        ImapView::select_each_folder(courier.imap_port(), user, PASSWORD);
        target.export_ok(&from, user, &[]);
        {
            let mut client = Client::login(destination.imap_port(), user, "any");
            client.select_each();
            client.expunge("INBOX", 2);
            client.store("INBOX", 3, Store::Set, &["\\Flagged"]);
        }
        deliver(&maildir, "INBOX", LATER, &message("new-1"));
        {
            let mut client = login(user);
            client.store("INBOX", 4, Store::Set, &["\\Answered", "\\Seen"]);
            client.store("INBOX", 5, Store::Clear, &["\\Seen"]);
            client.expunge_marked("INBOX", 6);
        }
        let report = TempTree::new();
        let report_dir = report.path().display().to_string();
        let more = [more, &["--max-delete", "100", "--report", &report_dir]].concat();
        target.export_ok(&from, user, &more);
        let row = &summary(report.path())[0];
        let expected = if user == "mirror" { (2, 4) } else { (1, 3) };
        let counts = (
            row.number("added"),
            row.number("changed") + row.number("deleted"),
        );
        assert_eq!(counts, expected, "{user}");
        let source = (
            ImapView::read(courier.imap_port(), user, PASSWORD).without_prefix("INBOX."),
            pop3_view::read(courier.pop3_port(), user, PASSWORD, true),
        );
        let after = views(&destination, user, "any");
        // Courier does not tell UIDNEXT on EXAMINE.
        let differences: Vec<_> = compare::imap(&source.0, &after.0)
            .into_iter()
            .filter(|one| one.what != "uidnext")
            .collect();
        let mut uidls: Vec<&String> = source.1.iter().map(|entry| &entry.uidl).collect();
        let there: Vec<&String> = after.1.iter().map(|entry| &entry.uidl).collect();
        if user == "mirror" {
            compare::assert_none(&differences);
            assert_eq!(there, uidls);
        } else {
            assert_eq!(count(&after.0, "INBOX", "inbox-2"), 0);
            assert_eq!(count(&after.0, "INBOX", "inbox-6"), 0);
            assert_eq!(
                the_one(&after.0, "INBOX", "inbox-3").flags,
                ["\\Flagged", "\\Seen"]
            );
            assert_eq!(
                the_one(&after.0, "INBOX", "inbox-4").flags,
                ["\\Answered", "\\Seen"]
            );
            assert!(the_one(&after.0, "INBOX", "inbox-5").flags.is_empty());
            let deleted = uidl_of(&source.1, "inbox-2");
            uidls.retain(|uidl| **uidl != deleted);
            assert_eq!(there, uidls);
        }
    }
}

/// POP3 alone: what the source lists no more goes, what its user has deleted stays away, and what was
/// delivered stays, listed last.
#[test]
fn a_pop3_only_source_is_followed_too() {
    let users = ["mirror", "merge"];
    let pair = Pair::new(&users);
    for (user, more) in [
        ("mirror", &["--mirror", "--delete-local"][..]),
        ("merge", &[]),
    ] {
        pair.export_over_pop3(&[user], &[]);
        {
            let mut client = pair.at_destination(user);
            let uids = client.uids("INBOX");
            assert_eq!(uids, [1, 2, 3, 4, 5, 6]);
            // inbox-9: POP3 lists in reverse.
            client.expunge("INBOX", 2);
        }
        pair.deliver(user, "INBOX", "local-1");
        pair.at_destination(user).select_each();
        {
            let mut client = pair.at_source(user);
            client.expunge("INBOX", 6);
            client.append("INBOX", &[], LATER, &message("new-1"));
            client.append("INBOX", &[], LATER, &message("new-2"));
        }
        let more = [more, &["--max-delete", "100"]].concat();
        let run = pair.export_over_pop3(&[user], &more);
        assert_eq!(run.output.code, Some(0), "{}", run.output.stdout);
        let (_, source) = pair.source_views(user);
        let after = pair.destination_views(user);
        let mut expected: Vec<String> = source.iter().map(|entry| entry.uidl.clone()).collect();
        let found: Vec<String> = after.1.iter().map(|entry| entry.uidl.clone()).collect();
        if user == "merge" {
            expected.retain(|uidl| uidl != "old-inbox-9");
            let local = the_one(&after.0, "INBOX", "local-1");
            assert_eq!(
                after.1.last().map(|entry| entry.hash),
                Some(Some(local.hash))
            );
            expected.extend(found.last().cloned());
        }
        assert_eq!(found, expected, "{user}");
        for token in [
            "inbox-12", "inbox-8", "inbox-5", "inbox-3", "new-1", "new-2",
        ] {
            the_one(&after.0, "INBOX", token);
        }
        assert_eq!(count(&after.0, "INBOX", "inbox-6"), 0);
        // Nothing is left to do.
        let before = pair.listing(user);
        let run = pair.export_over_pop3(&[user], &more);
        assert_eq!(run.output.code, Some(0), "{}", run.output.stdout);
        assert_eq!(pair.listing(user), before);
    }
}
