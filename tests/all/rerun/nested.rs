//! Renames where folders lie within each other on the target's disk (`--layout fs`).

use crate::migration::{PASSWORD, Source, Target};
use crate::support::Layout;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::mail_user::Client;

/// A name that on the target's disk is a directory already, since folders lie below it, cannot be
/// taken by another directory: the folder comes anew, and its former place goes.
#[test]
fn a_folder_renamed_to_where_others_lie_below_comes_whole() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let source = Source::of(&server).imap_only();
    let mut client = Client::login(server.imap_port(), "ann", PASSWORD);
    for folder in ["Lists/b", "Work"] {
        client.create(folder);
        let message = format!("Subject: {folder}\n\nof {folder}\n");
        client.append(folder, &[], 1_600_000_000, &message);
    }
    let target = Target::new();
    let more = ["--layout", "fs", "--max-delete", "100"];
    target.export_ok(&source, "ann", &more);
    client.rename("Work", "Lists");
    for _ in 0..2 {
        target.export_ok(&source, "ann", &more);
        let destination = target.serve(Layout::Fs);
        let view = ImapView::read(destination.imap_port(), "ann", PASSWORD);
        for folder in ["Lists", "Lists/b"] {
            assert_eq!(view.folders[folder].messages.len(), 1, "{folder}");
        }
        assert!(!view.folders.contains_key("Work"));
    }
}
