//! What a person is told of the plan for a folder.

use tracing::Level;

use super::Folder;
use crate::plan::{FolderPlan, describe};
use crate::text::{counted, counted_with};
use crate::user::attempt::Attempt;

impl Attempt<'_> {
    /// Tells of what the target cannot hold, and counts what is known by the plan.
    pub(super) fn note(&mut self, folder: &Folder<'_>, plan: &FolderPlan) {
        let path = folder.source.path;
        let mut notes = Vec::new();
        if !plan.homeless_keywords.is_empty() {
            let servers = self.context.config.target.servers;
            let why = if servers.dovecot {
                "a Maildir holds 26 keywords; these are left out"
            } else {
                "qmail holds no keywords; these are left out"
            };
            notes.push(format!(
                "folder {path}: {why}: {}",
                plan.homeless_keywords.join(", ")
            ));
        }
        let breaks = describe::order_breaks(plan).into_iter();
        notes.extend(breaks.map(|told| format!("folder {path}: {told}")));
        if plan.changed_uidls > 0 {
            notes.push(format!(
                "folder {path}: the old server has given {} another UIDL since the last run; of {} the \
                 one that is here stays (--mirror follows the old server)",
                counted(plan.changed_uidls, "message"),
                plan.kept_uidls.len()
            ));
        }
        if plan.kept_copies > 0 {
            let stay = (
                "is a copy that --pop3-collect has put there; without it it stays and is not kept up to date",
                "are copies that --pop3-collect has put there; without it they stay and are not kept up to date",
            );
            let copies = counted_with(plan.kept_copies, "message", stay);
            notes.push(format!("folder {path}: {copies}"));
        }
        let who = self.context.config.target.servers.by_name();
        for (uid, uidl, why) in &plan.unholdable {
            self.log.line(
                Level::WARN,
                format!("folder {path}: UID {uid}: {who} cannot hold the UIDL {uidl}: {why}"),
            );
        }
        if !plan.unholdable.is_empty() {
            notes.push(format!(
                "folder {path}: {who} cannot hold {}; POP3 clients will download their messages once more",
                counted(plan.unholdable.len() as u64, "UIDL")
            ));
        }
        for note in notes {
            self.log.line(Level::WARN, &note);
            self.memory.tally.notes.push(note);
        }
        let tally = &mut self.memory.tally;
        tally.uidls += plan.uidls;
        tally.uidls_unholdable += plan.unholdable.len() as u64;
        tally.order_breaks += plan.order_breaks + plan.name_breaks;
        tally.max_date_shift = tally.max_date_shift.max(plan.max_date_shift);
    }
}
