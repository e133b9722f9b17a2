//! The old server against the new one, where that runs already.

use super::Verify;
use super::content::{Compared, in_two_goes, without_lies};
use super::difference::{Difference, What};
use super::folder::{Rules, View, compare};
use super::mailbox::Old;
use crate::mail::{Entry, UidSet};
use crate::plan::folders::Placed;
use crate::problem::Problem;
use crate::source::{FolderList, imap};

/// The new server.
pub(super) struct New {
    pub(super) session: imap::Session,
    pub(super) list: FolderList,
}

impl Verify<'_> {
    /// A folder of the old server against the new server's; and the messages that were read.
    pub(super) fn against_new(
        &mut self,
        session: &mut imap::Session,
        new: &mut New,
        old: &Old<'_>,
        folder: &Placed,
    ) -> Result<(Vec<Difference>, UidSet), Problem> {
        let path = old.path;
        let mut listed = new.list.folders.iter();
        let listed = listed.find(|it| it.selectable && it.path == folder.destination);
        let Some(listed) = listed else {
            let was = format!("{} messages", old.entries.len());
            let gone = Difference::new(Some(path), What::Folder, was, "");
            return Ok((vec![gone], UidSet::default()));
        };
        let session_of_new = &mut new.session;
        let examined = session_of_new.examine(listed)?;
        let list = session_of_new.list_messages(examined.exists)?;
        let entries = list.entries.iter().copied();
        let entries: Vec<Entry> = entries
            .filter(|it| !old.left_out.contains(it.uid))
            .collect();
        let view = View {
            validity: examined.uid_validity,
            uid_next: examined.uid_next,
            entries: &entries,
            keywords: &list.keywords,
        };
        let is_shifted = folder.destination.is_inbox() && self.orders_dates();
        let rules = Rules {
            keywords: true,
            date_tolerance: (!is_shifted).then_some(0),
            sizes: true,
        };
        let found = compare(path, &old.view(), &view, rules);
        let content = self.context.verification.content;
        let (chosen, suspects) = old.to_read(content, &self.user.name, &entries);
        let compared = in_two_goes(chosen, suspects, |wanted| {
            let asked = old.wanted(wanted);
            let was = self.read_imap(session, path, &asked)?;
            let is = self.read_imap(session_of_new, path, &asked)?;
            let mut compared = Compared::default();
            for uid in wanted.iter() {
                let key = uid.value();
                compared.note(path, uid, was.get(&key), is.get(&key));
            }
            Ok(compared)
        })?;
        let mut found = without_lies(found, &compared);
        found.extend(list.unreadable.iter().map(|(uid, why)| {
            let told = format!("the new server does not list it: {why}");
            Difference::new(Some(path), What::Doubt, "", told).at(*uid)
        }));
        found.extend(compared.differences);
        Ok((found, compared.checked))
    }
}
