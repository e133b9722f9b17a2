//! What messages may hold.

use std::fs;

use crate::migration::{PASSWORD, Source, Target};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::{corpus, give_to_mail_owner};

/// RFC 5322 ends at 998 octets; a server sends what it has.
#[test]
fn a_line_of_a_megabyte_comes_whole() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let line = "0123456789abcdef".repeat(1 << 16);
    let content = format!("Subject: {line}\n\n.{line}\nend\n");
    let maildir = server.mail_dir("ann");
    corpus::bare(&maildir, &[("one:2,", content.as_bytes())]);
    give_to_mail_owner(&maildir);
    for source in [
        Source::of(&server).imap_only(),
        Source::of(&server).pop3_only(),
    ] {
        let target = Target::new();
        target.export_ok(&source, "ann", &[]);
        let cur = fs::read_dir(target.maildir("ann").join("cur")).expect("it was made");
        let files: Vec<_> = cur
            .map(|file| file.expect("it stands still").path())
            .collect();
        assert_eq!(files.len(), 1);
        let stored = fs::read(&files[0]).expect("it is ours");
        assert!(stored == content.as_bytes(), "{} octets", stored.len());
    }
}
