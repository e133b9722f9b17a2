//! COMPRESS=DEFLATE (RFC 4978): fewer bytes on the wire, the same tree.

use std::time::Duration;

use crate::migration::{PASSWORD, Source, Target};
use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::give_to_mail_owner;
use crate::support::proxy::{Fault, Proxy};
use crate::support::tree::hash_of_file;

/// A Dovecot that can compress, with folders of messages that can be.
fn server() -> Dovecot {
    let server = Dovecot::start(DovecotOptions {
        compress: true,
        ..DovecotOptions::with_users(&[("ann", PASSWORD)])
    });
    let maildir = server.mail_dir("ann");
    for folder in ["", ".Sent", ".Archive"] {
        let files: Vec<(String, String)> = (1..=300)
            .map(|number| {
                let lines = "words that come again and again\n".repeat(number % 40 * 10);
                let content = format!("Subject: {folder} {number}\n\n{lines}");
                (format!("message-{number:04}:2,S"), content)
            })
            .collect();
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_bytes()))
            .collect();
        corpus::bare(&maildir.join(folder), &files);
    }
    give_to_mail_owner(&maildir);
    server
}

/// Each message by its path, with its hash.
fn messages(target: &Target) -> Vec<(String, String)> {
    let maildir = target.maildir("ann");
    let entries = walkdir::WalkDir::new(&maildir).sort_by_file_name();
    entries
        .into_iter()
        .map(|entry| entry.expect("the tree stands still").into_path())
        .filter(|path| path.is_file() && path.parent().is_some_and(|dir| dir.ends_with("cur")))
        .map(|path| (path.display().to_string(), hash_of_file(&path).to_string()))
        .map(|(path, hash)| {
            let below = path.trim_start_matches(&maildir.display().to_string());
            (below.to_owned(), hash)
        })
        .collect()
}

fn export(server: &Dovecot, fault: Fault, more: &[&str]) -> (Vec<(String, String)>, Vec<u64>) {
    let proxy = Proxy::start(server.imap_port(), fault);
    let target = Target::new();
    let source = Source::both(proxy.port(), 0).imap_only();
    target.export_ok(&source, "ann", more);
    (messages(&target), proxy.passed())
}

#[test]
fn what_is_compressed_is_the_same_in_fewer_bytes() {
    let server = server();
    let (plain, passed) = export(&server, Fault::None, &["--compress", "never"]);
    assert_eq!(plain.len(), 900);
    let plain_bytes: u64 = passed.iter().sum();
    // A neighbour is not asked to compress.
    let (near, passed) = export(&server, Fault::None, &[]);
    assert!(near == plain);
    assert!(passed.iter().sum::<u64>() > plain_bytes * 9 / 10);
    let slow = Fault::Slow(1000, Duration::ZERO);
    for (fault, more) in [
        (Fault::None, &["--compress", "always"][..]),
        (slow, &["--compress", "always"]),
        (
            Fault::Slow(1, Duration::ZERO),
            &["--compress", "always", "--folder", "Sent"],
        ),
    ] {
        let (packed, passed) = export(&server, fault.clone(), more);
        let bytes: u64 = passed.iter().sum();
        assert!(bytes * 8 < plain_bytes, "{bytes} of {plain_bytes}");
        let want = plain.iter();
        let want = want.filter(|(path, _)| more.len() == 2 || path.starts_with("/.Sent"));
        assert!(packed.iter().eq(want), "{fault:?}");
    }
}

#[test]
fn a_server_that_cannot_compress_is_not_asked() {
    let server = server();
    let (plain, _) = export(&server, Fault::None, &[]);
    let hidden = Fault::Hide(&["COMPRESS=DEFLATE"]);
    let (same, _) = export(&server, hidden, &["--compress", "always"]);
    assert!(same == plain);
}

/// After a cut the next attempt compresses from a new beginning.
#[test]
fn a_compressed_connection_that_is_cut_costs_nothing() {
    let server = server();
    let more = ["--compress", "always"];
    let (whole, passed) = export(&server, Fault::None, &more);
    for tenths in 1..10 {
        let cut = Fault::Cut {
            connection: 0,
            after: passed[0] * tenths / 10,
        };
        let (same, passed) = export(&server, cut, &more);
        assert!(same == whole && passed.len() == 2, "{tenths}");
    }
}
