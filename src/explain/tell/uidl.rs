//! Which UIDL a message has, and how it was found.

use super::Story;
use crate::mail::{Uid, UidLine};
use crate::state::{POP3_ONLY, Paired};

/// What becomes of the UIDL of a message outside INBOX.
pub(super) const ELSEWHERE: &str = "the new POP3 server will not show it: it shows INBOX only";

impl Story<'_> {
    /// What INBOX has a copy of in this line.
    pub fn original(&self, line: &UidLine) -> Option<String> {
        let record = self.view.record?;
        let uidl = line.field('P')?;
        record.copy_of(uidl)?;
        let original = record
            .paired
            .as_ref()
            .and_then(|paired| paired.elsewhere(uidl));
        Some(match original {
            Some((folder, shown)) => format!(
                "the message in folder {}, UID {}, found by {}; for POP3, which shows INBOX only",
                folder.path(),
                shown.uid,
                shown.stage
            ),
            None => "a message that the last run did not find in any folder".to_owned(),
        })
    }

    /// The copy in INBOX by which POP3 goes on to show a message of another folder.
    pub fn copy(&self, uidl: &str) -> Option<String> {
        let mut folders = self.record?.folders().iter();
        let uid = folders.find_map(|folder| folder.copy_of(uidl))?;
        Some(format!(
            "the new POP3 server shows its copy in INBOX, UID {uid}"
        ))
    }

    /// The UIDL of a message outside INBOX, where POP3 showed it.
    pub fn uidl_elsewhere(&self, uid: Uid) -> Option<String> {
        let folders = self.record?.folders().iter();
        let uid = self.view.source_uid(uid)?;
        let mut found = folders
            .filter_map(|folder| folder.paired.as_ref())
            .flat_map(|paired| &paired.elsewhere)
            .filter(|folder| folder.path().to_string() == self.view.name)
            .flat_map(|folder| &folder.messages);
        let shown = found.find(|shown| shown.uid == uid.value())?;
        let copy = self.copy(&shown.uidl);
        let noticed = copy.as_deref().unwrap_or(ELSEWHERE);
        Some(format!(
            "{}, found by {}; {noticed}",
            shown.uidl, shown.stage
        ))
    }

    /// The UIDL of a message of INBOX, and how it was found.
    pub fn uidl(&self, uid: Option<Uid>, line: Option<&UidLine>) -> String {
        let paired = self.view.record.and_then(|folder| folder.paired.as_ref());
        let there = uid.and_then(|uid| self.view.source_uid(uid));
        let stage = there.and_then(|uid| paired?.stage_of(uid));
        let how = match stage {
            Some(POP3_ONLY) => ", the message's own: POP3 was the only source".to_owned(),
            Some("known") => ", found in the Maildir; how it was paired is not recorded".to_owned(),
            Some(stage) => format!(", paired by {stage}"),
            None => String::new(),
        };
        let Some(uidl) = line.and_then(|line| line.field('P')) else {
            let is_missing =
                there.is_some_and(|uid| paired.is_some_and(|paired| paired.missing.contains(uid)));
            return match stage {
                Some(_) => format!("not in the Maildir{how}"),
                None if is_missing => {
                    "none: no POP3 message could be paired with it; clients will download it once more"
                        .to_owned()
                }
                None => "none is recorded".to_owned(),
            };
        };
        let position = line
            .and_then(|line| line.field('O'))
            .map(|position| match paired {
                Some(Paired { listed, .. }) => format!(", position {position} of {listed}"),
                None => format!(", position {position}"),
            });
        format!("{uidl}{}{how}", position.unwrap_or_default())
    }
}
