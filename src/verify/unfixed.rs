//! Folders whose UIDVALIDITY nobody can know. Courier fixes it when a client selects the folder for the first
//! time; until then it makes up another, of the clock, each time the folder is examined. So it is with INBOX of
//! those who have only ever used POP3.

use std::thread::sleep;
use std::time::Duration;

use tracing::Level;

use super::Verify;
use super::difference::{Difference, What};
use super::mailbox::Old;
use crate::plan::folders::Placed;
use crate::problem::Problem;
use crate::source::imap;

/// After this long it is another: it counts seconds.
const ANOTHER: Duration = Duration::from_millis(1100);

impl Verify<'_> {
    /// Takes the difference in UIDVALIDITY out of `found` where the old server has none to keep.
    pub(super) fn pass_over_unfixed_validity(
        &mut self,
        session: &mut imap::Session,
        old: &Old<'_>,
        folder: &Placed,
        found: &mut Vec<Difference>,
    ) -> Result<(), Problem> {
        let is_of_validity = |it: &Difference| it.what == What::UidValidity;
        if self.fixes_validity || !found.iter().any(is_of_validity) {
            return Ok(());
        }
        let mut before = old.validity;
        // Twice: a client that selects the folder meanwhile fixes it, which is a change too.
        for _ in 0..2 {
            self.go_on()?;
            sleep(ANOTHER);
            let now = session.examine(&folder.listed)?.uid_validity;
            if now == before {
                self.fixes_validity = true;
                return Ok(());
            }
            before = now;
        }
        found.retain(|it| !is_of_validity(it));
        let line = format!(
            "folder {}: no client has selected it yet: the old server gives it another UIDVALIDITY each time",
            old.path
        );
        self.log.line(Level::INFO, line);
        Ok(())
    }
}
