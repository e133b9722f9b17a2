//! A program that knows nothing of mailseed reads the tree as a Maildir.

use maildir::Maildir;

use crate::migration::{PASSWORD, Source, Target};
use crate::support::corpus::{self, PopOrder, Uidls};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::{Layout, mail_owner};

#[test]
fn the_maildir_package_reads_every_message_and_flag() {
    let source = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let options = corpus::Options {
        layout: Layout::MaildirPlusPlus,
        pop_order: PopOrder::Same,
        uidls: Uidls::OpaqueQmailSafe,
    };
    let written = corpus::full(&source.mail_dir("ann"), options);
    for targets in ["dovecot", "qmail,dovecot"] {
        let target = Target::new();
        target.export_ok(&Source::of(&source), "ann", &["--target", targets]);
        let root = Maildir::from(target.maildir("ann"));
        let mut seen = 0;
        let mut messages = 0;
        let folders: Vec<Maildir> = root
            .list_subdirs()
            .map(|dir| dir.expect("a folder"))
            .collect();
        for folder in folders.iter().chain([&root]) {
            assert_eq!(folder.list_new().count(), 0);
            for entry in folder.list_cur() {
                let entry = entry.expect("a name with flags");
                messages += 1;
                seen += usize::from(entry.is_seen());
            }
        }
        assert_eq!(messages, written.message_count(), "{targets}");
        let letters = written.folders.iter().flat_map(|folder| &folder.messages);
        let wanted = letters
            .filter(|message| message.letters.contains('S'))
            .count();
        assert_eq!(seen, wanted, "{targets}");
    }
}

/// Owner and modes are right for everything that was made, and nothing is left in any `tmp`.
#[test]
fn everything_belongs_to_its_owner_and_to_nobody_else() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let source = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    corpus::simple(&source.mail_dir("ann"), 30, 7);
    let target = Target::new();
    target.export_ok(&Source::of(&source), "ann", &[]);
    let root = target.maildir("ann");
    let mut files = 0;
    for entry in walkdir::WalkDir::new(root.parent().expect("the home")) {
        let entry = entry.expect("the tree is ours");
        let metadata = entry.metadata().expect("the tree is ours");
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{entry:?}");
        if let Some((uid, gid)) = mail_owner() {
            assert_eq!((metadata.uid(), metadata.gid()), (uid, gid), "{entry:?}");
        }
        let parent = entry.path().parent().and_then(|path| path.file_name());
        assert!(parent.is_none_or(|parent| parent != "tmp"), "{entry:?}");
        files += 1;
    }
    assert!(files > 36);
}
