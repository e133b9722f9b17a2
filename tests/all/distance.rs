//! A server that is far away: how often mailseed waits for it. Turns are counted, not time.

use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus;
use crate::support::courier::Courier;
use crate::support::cyrus::{Cyrus, Names};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_client::ImapClient;
use crate::support::imap_view::ImapView;
use crate::support::wiretap::{Heard, Wiretap};
use crate::support::{Layout, compare};

const ANN: (&str, &str) = ("ann", PASSWORD);
const FOLDERS: usize = 16;
const MESSAGES: usize = 12;

/// Gives ann INBOX and 15 folders more, with 12 messages in all but one of them.
fn fill(port: u16, prefix: &str) {
    let mut client = ImapClient::login(port, ANN).expect("login");
    for folder in 0..FOLDERS {
        let name = match folder {
            0 => "INBOX".to_owned(),
            _ => format!("{prefix}Folder {folder}"),
        };
        if folder > 0 {
            client
                .run(&[&format!("CREATE \"{name}\"")])
                .expect("CREATE");
        }
        let messages = if folder == 7 { 0 } else { MESSAGES };
        for message in 0..messages {
            let flags = ["()", "(\\Seen)", "(\\Answered \\Flagged)"][message % 3];
            let date = format!("{flags} \"01-Jan-2018 00:00:{message:02} +0000\" ");
            let content = format!("Subject: {folder} {message}\r\n\r\nfolder {folder}\r\n");
            let uid = client.append(&name, &date, content.as_bytes());
            uid.expect("APPEND").expect("it takes the message");
        }
    }
}

/// Exports ann through a tap; returns what went through.
fn export(port: u16, target: &Target, more: &[&str]) -> Heard {
    let tap = Wiretap::start(port);
    let source = Source::both(tap.port(), tap.port()).imap_only();
    target.export_ok(&source, "ann", more);
    tap.take()
}

/// A first run of 16 folders waits for the server as often as one of a single folder does, changes
/// nothing there, and brings all.
fn is_near(port: u16, prefix: &str, most: usize) -> Target {
    fill(port, prefix);
    let before = ImapView::read(port, "ann", PASSWORD);
    let target = Target::new();
    let heard = export(port, &target, &[]);
    assert!(
        heard.turns <= most,
        "{} turns, not {most}:\n{}",
        heard.turns,
        heard.sent
    );
    let commands: Vec<&str> = heard.sent.lines().collect();
    let count = |word: &str| commands.iter().filter(|line| line.contains(word)).count();
    assert_eq!((count("SELECT"), count("BODY[")), (0, 0), "{}", heard.sent);
    // Each is opened to be listed, and all but the empty one to be read.
    assert_eq!(count("EXAMINE"), 2 * FOLDERS - 1, "{}", heard.sent);
    assert_eq!(count("BODY.PEEK[]"), FOLDERS - 1, "{}", heard.sent);
    assert!(commands.last().is_some_and(|last| last.ends_with("LOGOUT")));

    let after = target.serve(Layout::MaildirPlusPlus);
    let after = ImapView::read(after.imap_port(), "ann", "any");
    let prefix_or_none = prefix.trim_end_matches('.');
    let before = match prefix_or_none.is_empty() {
        true => before,
        false => before.without_prefix(prefix),
    };
    assert_eq!(after.message_count(), (FOLDERS - 1) * MESSAGES);
    // Courier does not tell UIDNEXT on EXAMINE.
    let differences: Vec<_> = compare::imap(&before, &after)
        .into_iter()
        .filter(|one| prefix.is_empty() || one.what != "uidnext")
        .collect();
    compare::assert_none(&differences);

    let again = export(port, &target, &[]);
    assert!(!again.sent.contains("BODY"), "{}", again.sent);
    target
}

/// A later run, when one message has come into each folder, waits no more often than the first.
fn stays_near(port: u16, target: &Target, most: usize) {
    let mut client = ImapClient::login(port, ANN).expect("login");
    for folder in 0..FOLDERS {
        let name = match folder {
            0 => "INBOX".to_owned(),
            _ => format!("Folder {folder}"),
        };
        let content = format!("Subject: late {folder}\r\n\r\nfolder {folder}\r\n");
        let date = "() \"02-Jan-2018 00:00:00 +0000\" ";
        let uid = client.append(&name, date, content.as_bytes());
        uid.expect("APPEND").expect("it takes the message");
    }
    drop(client);
    let heard = export(port, target, &[]);
    assert!(
        heard.turns <= most,
        "{} turns, not {most}:\n{}",
        heard.turns,
        heard.sent
    );
    let commands = heard.sent.lines();
    let fetches = commands.filter(|line| line.contains("BODY.PEEK[]")).count();
    assert_eq!(fetches, FOLDERS, "{}", heard.sent);
    let after = target.serve(Layout::MaildirPlusPlus);
    let after = ImapView::read(after.imap_port(), "ann", "any");
    compare::assert_none(&compare::imap(
        &ImapView::read(port, "ann", PASSWORD),
        &after,
    ));
}

#[test]
fn a_dovecot_is_waited_for_a_few_times_whatever_the_number_of_folders() {
    let server = Dovecot::start(DovecotOptions::with_users(&[ANN]));
    server.mail_dir("ann");
    let target = is_near(server.imap_port(), "", 8);
    stays_near(server.imap_port(), &target, 8);
    assert_eq!(server.complaints(), Vec::<String>::new());
}

/// With the UIDLs of POP3 to be paired, each of the two is waited for no more often, and no body comes
/// twice.
#[test]
fn pairing_waits_no_more_often() {
    let server = Dovecot::start(DovecotOptions::with_users(&[ANN]));
    server.mail_dir("ann");
    fill(server.imap_port(), "");
    let (imap, pop3) = (
        Wiretap::start(server.imap_port()),
        Wiretap::start(server.pop3_port()),
    );
    let target = Target::new();
    target.export_ok(&Source::both(imap.port(), pop3.port()), "ann", &[]);
    let heard = [imap.take(), pop3.take()];
    for (heard, most) in heard.iter().zip([8, 7]) {
        let said = &heard.sent;
        assert!(
            heard.turns <= most,
            "{} turns, not {most}:\n{said}",
            heard.turns
        );
    }
    let fetches = heard[0].sent.matches("BODY.PEEK[]").count();
    // One folder is empty.
    assert_eq!(fetches, FOLDERS - 1, "{}", heard[0].sent);
    let before = views(&server, "ann", PASSWORD);
    let after = views(&target.serve(Layout::MaildirPlusPlus), "ann", "any");
    compare::assert_none(&compare::imap(&before.0, &after.0));
    compare::assert_none(&compare::pop3(&before.1, &after.1));
}

#[test]
fn a_cyrus_is_waited_for_a_few_times_whatever_the_number_of_folders() {
    let server = Cyrus::start(&[ANN], "cyrus", Names::Modern);
    let target = is_near(server.imap_port(), "", 8);
    stays_near(server.imap_port(), &target, 8);
}

#[test]
fn a_courier_is_waited_for_a_few_times_whatever_the_number_of_folders() {
    let server = Courier::start(&[ANN]);
    corpus::bare(&server.mail_dir("ann"), &[]);
    is_near(server.imap_port(), "INBOX.", 9);
}
