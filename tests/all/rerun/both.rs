//! One story, both modes: what happens to one user of a mirror happens to one of a merge.

use std::path::Path;

use super::mail::{first_mail, lose_validity};
use super::model::Merged;
use super::pair::{Pair, Run};
use crate::support::disk_view::DiskView;
use crate::support::imap_view::ImapView;
use crate::support::mail_user::Client;
use crate::support::pop3_view::Pop3Entry;

/// A user of a mirror and one of a merge to whom the same happens; both have been exported once, and
/// the new host's server has opened their folders.
#[derive(Debug)]
pub struct Both {
    /// The hosts.
    pub pair: Pair,
    model: Merged,
}

impl Both {
    /// With the [`first_mail`].
    pub fn after_first_run() -> Self {
        Self::with(first_mail)
    }

    /// With other mail.
    pub fn with(mail: impl Fn(&Path)) -> Self {
        let pair = Pair::empty();
        for user in ["mirror", "merge"] {
            mail(&pair.source_maildir(user));
        }
        pair.export_ok(&["mirror", "merge"], &[]);
        pair.assert_equal("mirror");
        let mut model = Merged::default();
        model.assert(&pair, "merge", &DiskView::nothing());
        for user in ["mirror", "merge"] {
            pair.at_destination(user).select_each();
        }
        Self { pair, model }
    }

    /// Does something at the old host for both users.
    pub fn at_source(&self, act: impl Fn(&mut Client)) {
        for user in ["mirror", "merge"] {
            act(&mut self.pair.at_source(user));
        }
    }

    /// Does something at the new host for both users.
    pub fn at_destination(&self, act: impl Fn(&mut Client)) {
        for user in ["mirror", "merge"] {
            act(&mut self.pair.at_destination(user));
        }
    }

    /// Both users get a mail at the new host.
    pub fn deliver(&self, folder: &str, token: &str) {
        for user in ["mirror", "merge"] {
            self.pair.deliver(user, folder, token);
        }
    }

    /// The old host loses the UIDs of a folder of both users.
    pub fn lose_validity(&self, folder: &str) {
        for user in ["mirror", "merge"] {
            lose_validity(&self.pair.source_maildir(user), folder);
        }
    }

    /// Says that the old host has renamed a folder.
    pub fn renamed(&mut self, from: &str, to: &str) {
        self.model.renamed(from, to);
    }

    /// Runs both modes with all consent given, and holds what there is against the source and the
    /// model. The runs are returned, the mirror's first; and what the merge's user sees.
    pub fn run(&mut self) -> (Run, Run, (ImapView, Vec<Pop3Entry>)) {
        let more = ["--mirror", "--delete-local", "--max-delete", "100"];
        let mirror = self.pair.export_ok(&["mirror"], &more);
        self.pair.assert_equal("mirror");
        let before = self.pair.on_disk("merge");
        let merge = self.pair.export_ok(&["merge"], &["--max-delete", "100"]);
        self.model.assert(&self.pair, "merge", &before);
        let view = self.pair.destination_views("merge");
        (mirror, merge, view)
    }
}
