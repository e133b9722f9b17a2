//! Courier as the new server, alone and beside Dovecot and qmail in one tree; trees made for one
//! server and made over for another.

mod live;
mod one_tree;
mod retarget;

use std::fs;
use std::path::Path;

use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus::{self, PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::delivery::deliver;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::mail_user::{Client, Store};
use crate::support::pop3_view::{self, Pop3Entry};
use crate::support::{Layout, compare, give_to_mail_owner};
use crate::verify::assert_transparent;

/// What a user sees of a Courier, named as at a Dovecot.
pub fn courier_views(server: &Courier, user: &str) -> (ImapView, Vec<Pop3Entry>) {
    let view = ImapView::read(server.imap_port(), user, PASSWORD).without_prefix("INBOX.");
    // After that, since RETR marks as seen.
    let listing = pop3_view::read(server.pop3_port(), user, PASSWORD, true);
    (view, listing)
}

/// Courier does not tell UIDNEXT on EXAMINE.
pub fn assert_alike(before: &ImapView, after: &ImapView) {
    let differences: Vec<_> = compare::imap(before, after)
        .into_iter()
        .filter(|one| one.what != "uidnext")
        .collect();
    compare::assert_none(&differences);
}

pub fn uidls(listing: &[Pop3Entry]) -> Vec<&str> {
    listing.iter().map(|entry| entry.uidl.as_str()).collect()
}

/// A Dovecot with the full corpus, whose INBOX has UIDLs of this format.
pub fn dovecot_source(format: &str, pop_order: PopOrder, uidls: Uidls) -> Dovecot {
    let server = Dovecot::start(DovecotOptions {
        uidl_format: format.to_owned(),
        ..DovecotOptions::with_users(&[("ann", PASSWORD)])
    });
    let options = corpus::Options {
        layout: Layout::MaildirPlusPlus,
        pop_order,
        uidls,
    };
    let maildir = server.mail_dir("ann");
    corpus::full(&maildir, options);
    // Courier cannot have this one, see `a_name_at_which_courier_breaks_is_refused`.
    let emoji = corpus::directory(&maildir, Layout::MaildirPlusPlus, EMOJI);
    fs::remove_dir_all(emoji).expect("it is ours");
    // Nor can a file that Dovecot sends with CR CR LF be sent so by Courier too.
    for entry in walkdir::WalkDir::new(&maildir) {
        let path = entry.expect("it is ours").into_path();
        let is_message = path.parent().is_some_and(|dir| dir.ends_with("cur"));
        if is_message
            && fs::read(&path).is_ok_and(|bytes| memchr::memmem::find(&bytes, b"\r\r\n").is_some())
        {
            fs::remove_file(&path).expect("it is ours");
        }
    }
    let subscriptions = maildir.join("subscriptions");
    let text = fs::read_to_string(&subscriptions).expect("it is ours");
    let kept: String = text
        .lines()
        .filter(|line| *line != corpus::modified_utf7(EMOJI))
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(&subscriptions, kept).expect("it is ours");
    server
}

const EMOJI: &str = "Émoji 📫 post";

/// A target that this Courier serves.
pub fn target_of(server: &Courier) -> Target {
    Target::within(&server.homes(), "")
}

/// A message with a few lines.
fn message(subject: &str) -> String {
    format!("From: a@example.org\nSubject: {subject}\n\nline\n.\nlast of {subject}\n")
}

/// UIDLs of all three kinds in an order that is not that of the UIDs, keywords, subscriptions, raw UTF-8
/// folder names: all as it was, on the same kind of server.
#[test]
fn a_courier_comes_to_a_courier_whole() {
    let old = Courier::start(&[("ann", PASSWORD), ("bob", PASSWORD)]);
    corpus::full(
        &old.mail_dir("ann"),
        corpus::Options::plain(Layout::MaildirPlusPlus),
    );
    let bob = old.mail_dir("bob");
    mixed_inbox(&bob);
    ImapView::select_each_folder(old.imap_port(), "bob", PASSWORD);
    {
        let mut client = Client::login(old.imap_port(), "bob", PASSWORD);
        for folder in ["INBOX.Work", "INBOX.Work.&AMk-t&AOk-", "INBOX.x &- y"] {
            client.create(folder);
            client.subscribe(folder);
        }
        for (number, subject) in [(1, "w"), (2, "v")] {
            deliver(&bob, "Work", 1_400_000_000 + number, &message(subject));
        }
        client.select("INBOX.Work");
        client.store("INBOX.Work", 1, Store::Set, &["\\Seen", "Later", "$Label1"]);
        client.store("INBOX.Work", 2, Store::Set, &["later"]);
        client.select("INBOX");
        client.store("INBOX", 2, Store::Set, &["NonJunk", "\\Flagged"]);
    }
    for user in ["ann", "bob"] {
        ImapView::select_each_folder(old.imap_port(), user, PASSWORD);
    }
    let source = Source::both(old.imap_port(), old.pop3_port());
    let before = ["ann", "bob"].map(|user| {
        let (_, listing) = courier_views(&old, user);
        (courier_views(&old, user).0, listing)
    });
    assert_eq!(
        uidls(&before[1].1),
        [
            "UID40-7",
            "9.fixed",
            "UID2",
            "11+20abc!+22+2B+27+20x",
            "UID3-7",
            "UID41-7"
        ]
        .as_slice()
    );

    let new = Courier::start(&[("ann", PASSWORD), ("bob", PASSWORD)]);
    let target = target_of(&new);
    for (user, before) in ["ann", "bob"].iter().zip(&before) {
        target.export_ok(&source, user, &["--target", "courier"]);
        assert_transparent(&target, &source, user, &["--target", "courier"]);
        let after = courier_views(&new, user);
        assert_alike(&before.0, &after.0);
        compare::assert_none(&compare::pop3(&before.1, &after.1));
        // The sizes that the old Courier told are not those of the files (CR CR LF): they go out of the
        // record once. Courier has opened the tree, and has rewritten its files.
        target.export_ok(&source, user, &["--target", "courier"]);
        assert_nothing_left(&target, &source, user, &["--target", "courier"]);
    }
}

/// LIST of Courier ends the session at a name with a character beyond U+FFFF: no folder could be opened
/// any more. Such a folder gets another name, or is left out.
#[test]
fn a_name_at_which_courier_breaks_is_refused() {
    let old = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    corpus::bare(&old.mail_dir("ann"), &[("1.a:2,", message("a").as_bytes())]);
    let name = corpus::modified_utf7(EMOJI);
    Client::login(old.imap_port(), "ann", PASSWORD).create(&name);
    deliver(&old.mail_dir("ann"), EMOJI, 1_400_000_000, &message("b"));
    let source = Source::of(&old).imap_only();
    let new = Courier::start(&[("ann", PASSWORD)]);
    let target = target_of(&new);
    let refused = target.export(&source, "ann", &["--target", "courier"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(
        refused.stdout.contains("Courier cannot list"),
        "{}",
        refused.stdout
    );
    let renamed = format!("{EMOJI}=Post");
    target.export_ok(&source, "ann", &["--target", "courier", "--map", &renamed]);
    let view = courier_views(&new, "ann").0;
    let folders: Vec<(&str, usize)> = view
        .folders
        .iter()
        .map(|(name, folder)| (name.as_str(), folder.messages.len()))
        .collect();
    assert_eq!(folders, [("INBOX", 1), ("Post", 1)]);
}

/// Names whose order is not that of UIDs, and a list with numbers and names.
fn mixed_inbox(maildir: &Path) {
    let files = [
        ("8.c", "UID40-7"),
        ("9.fixed", ""),
        ("10.b", "UID2"),
        ("11 abc!\"+' x", ""),
        ("12.d", "UID3-7"),
        ("13.a", "UID41-7"),
    ];
    let contents: Vec<(String, String)> = files
        .iter()
        .map(|(name, _)| (format!("{name}:2,S"), message(name)))
        .collect();
    let bare: Vec<(&str, &[u8])> = contents
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_bytes()))
        .collect();
    corpus::bare(maildir, &bare);
    let mut list = "/3 90 7\n".to_owned();
    for ((name, uidl), (_, content)) in files.iter().zip(&contents) {
        let size = content.len() + content.matches('\n').count();
        let numbers = uidl.strip_prefix("UID").unwrap_or("0-0");
        let (n, v) = numbers.split_once('-').unwrap_or((numbers, "0"));
        list.push_str(&format!("{name}:2, {size} {n}:{v}:0\n"));
    }
    fs::write(maildir.join("courierpop3dsizelist"), list).expect("it is ours");
    // UIDs against the order of names.
    let mut uids = "1 77 60\n".to_owned();
    for (uid, (name, _)) in [6, 2, 5, 50, 3, 4].iter().zip(files) {
        uids.push_str(&format!("{uid} {name}\n"));
    }
    fs::write(maildir.join("courierimapuiddb"), uids).expect("it is ours");
    give_to_mail_owner(maildir);
}

/// Numbers that Courier's list can say, in an order that the names have to make.
#[test]
fn a_dovecot_with_uidls_of_courier_s_form_comes_to_a_courier() {
    let old = dovecot_source("UID%u-%v", PopOrder::Shuffled, Uidls::Format);
    let before = views(&old, "ann", PASSWORD);
    let new = Courier::start(&[("ann", PASSWORD)]);
    let target = target_of(&new);
    let source = Source::of(&old);
    target.export_ok(&source, "ann", &["--target", "courier"]);
    let imap = format!("imap+plain://127.0.0.1:{}", new.imap_port());
    let pop3 = format!("pop3+plain://127.0.0.1:{}", new.pop3_port());
    for more in [&[][..], &["--new", &imap, &pop3]] {
        assert_transparent(
            &target,
            &source,
            "ann",
            &[&["--target", "courier"], more].concat(),
        );
    }
    let after = courier_views(&new, "ann");
    assert_alike(&before.0, &after.0);
    compare::assert_none(&compare::pop3(&before.1, &after.1));
    assert_nothing_left(&target, &source, "ann", &["--target", "courier"]);
    assert_eq!(uidls(&courier_views(&new, "ann").1), uidls(&before.1));
}

/// What Courier cannot hold is refused with the reason, and reported where the admin goes on.
#[test]
fn what_courier_cannot_hold_is_refused_or_reported() {
    for (format, kind, why) in [
        // `000000014d2b..` begins with the number 14, and `0000000a4d2b..` with 0.
        ("%08Xu%08Xv", Uidls::Format, "cannot keep the POP3 order"),
        ("%u", Uidls::Opaque, "Courier cannot hold"),
    ] {
        let old = dovecot_source(format, PopOrder::Same, kind);
        let source = Source::of(&old);
        let before = views(&old, "ann", PASSWORD);
        let new = Courier::start(&[("ann", PASSWORD)]);
        let target = target_of(&new);
        let checked = target.check(&source, "ann", &["--target", "courier"]);
        assert_eq!(checked.code, Some(1), "{}", checked.stderr);
        let flaw = match kind {
            Uidls::Format => "Courier lists by name",
            _ => "Courier cannot hold",
        };
        assert!(checked.stdout.contains(flaw), "{}", checked.stdout);
        let refused = target.export(&source, "ann", &["--target", "courier"]);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stdout.contains(why), "{}", refused.stdout);
        assert!(
            refused.stdout.contains("--unholdable report"),
            "{}",
            refused.stdout
        );

        let go_on = ["--target", "courier", "--unholdable", "report"];
        target.export_ok(&source, "ann", &go_on);
        let after = courier_views(&new, "ann");
        assert_alike(&before.0, &after.0);
        let held: Vec<&str> = uidls(&after.1)
            .into_iter()
            .filter(|uidl| uidls(&before.1).contains(uidl))
            .collect();
        let holdable = uidls(&before.1)
            .into_iter()
            .filter(|uidl| !uidl.contains(['/', ':', '\'', '"', '+']) && !uidl.starts_with('.'));
        assert_eq!(held.len(), holdable.count());
        assert_nothing_left(&target, &source, "ann", &go_on);
    }
}
