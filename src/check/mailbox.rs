//! What a check finds in a mailbox: the figures, and the judgement of what lists say.

use super::{Flaw, Matter, Uidls};
use crate::config::Selection;
use crate::mail::FolderPath;
use crate::plan::folders::Placed;
use crate::problem::Problem;
use crate::source::{Examined, FolderList, MessageList};
use crate::text::{counted, printable};

/// Names that are told of one kind of trouble; the rest is counted.
const TOLD: usize = 20;

/// All that a user has.
#[derive(Debug, Default)]
pub struct Mailbox {
    /// Folders with messages, or that could have some.
    pub folders: u64,
    /// Messages in them.
    pub messages: u64,
    /// Their octets, as the server says.
    pub bytes: u64,
    /// The largest message.
    pub largest: Option<Largest>,
    /// Folders whose names the target cannot hold.
    pub unholdable_folders: u64,
    /// Folders that the server lists and that cannot be asked for.
    pub unusable_folders: u64,
    /// Messages that are not selected; none of the other figures has them.
    pub left_out: u64,
    /// Folders of others, which are not taken.
    pub foreign_folders: u64,
    /// Keywords beyond what the target holds, over all folders.
    pub keywords_lost: u64,
    /// What became of the UIDLs; `None` where they were not looked at.
    pub uidls: Option<Uidls>,
    /// What a person should know though no client will notice.
    pub notes: Vec<String>,
    /// What clients will notice of it, until the check is over: then with the finding's.
    pub flaws: Vec<Flaw>,
}

/// A message that no other is larger than.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest {
    /// Its octets, as the server says.
    pub bytes: u64,
    /// Its folder, printable.
    pub folder: String,
    /// Its UID or POP3 number, as in `UID 17`.
    pub message: String,
}

impl Mailbox {
    /// Counts a message.
    pub(super) fn count(
        &mut self,
        folder: &FolderPath,
        bytes: u64,
        message: impl FnOnce() -> String,
    ) {
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.largest.as_ref().is_none_or(|it| it.bytes < bytes) {
            self.largest = Some(Largest {
                bytes,
                folder: printable(&folder.to_string()),
                message: message(),
            });
        }
    }

    /// Adds something to be known, up to [`TOLD`].
    pub(super) fn note(&mut self, note: impl Into<String>) {
        match self.notes.len() {
            TOLD => self.notes.push("there is more of this kind".to_owned()),
            more if more > TOLD => {}
            _ => self.notes.push(note.into()),
        }
    }

    /// Some of what the list of folders says is a flaw, some only to be known.
    pub(super) fn judge_names(&mut self, list: &FolderList, selection: &Selection) {
        // Where only some folders are wanted, one that cannot even be named is none of them.
        let unusable = match selection.folders.is_empty() {
            true => &list.unusable[..],
            false => &[],
        };
        self.unusable_folders = unusable.len() as u64;
        self.foreign_folders = list.foreign.len() as u64;
        if let Some(first) = unusable.first() {
            let count = self.unusable_folders;
            let what = format!("the names of {count} folders make no sense, the first is {first}");
            self.flaws.push(Flaw::new(Matter::Folders, what));
        }
        if !list.foreign.is_empty() {
            let some: Vec<&str> = list.foreign.iter().take(TOLD).map(String::as_str).collect();
            let count = self.foreign_folders;
            self.note(format!(
                "{count} shared folders or folders of other users are left out: {}",
                some.join(", ")
            ));
        }
    }

    /// Folders for which the target has no place.
    pub(super) fn judge_places(&mut self, placed: &[Placed]) {
        let refused = placed.iter().filter_map(|it| it.target.as_ref().err());
        let refused: Vec<&Problem> = refused.collect();
        self.unholdable_folders = refused.len() as u64;
        let Some(first) = refused.first() else { return };
        let what = format!(
            "{} folders have no place, the first is {}: {}",
            refused.len(),
            first.folder.as_deref().unwrap_or_default(),
            first.what()
        );
        self.flaws.push(Flaw::new(Matter::Folders, what));
        for problem in refused {
            self.note(problem.to_string());
        }
    }

    /// What the listing of a folder leaves out.
    pub(super) fn judge_listing(
        &mut self,
        path: &FolderPath,
        examined: &Examined,
        list: &MessageList,
    ) {
        if examined.uid_validity.is_none() {
            let what = format!(
                "the server gives no UIDVALIDITY for folder {}",
                printable(&path.to_string())
            );
            self.flaws.push(Flaw::new(Matter::Folders, what));
        }
        if let Some((_, why)) = list.unreadable.first() {
            let what = format!(
                "folder {}: {} cannot be listed: {why}",
                printable(&path.to_string()),
                counted(list.unreadable.len() as u64, "message")
            );
            self.flaws.push(Flaw::new(Matter::Messages, what));
        }
    }

    /// Keywords for which a folder of the target has no letter.
    pub(super) fn judge_keywords(&mut self, path: &FolderPath, homeless: &[String]) {
        if homeless.is_empty() {
            return;
        }
        self.keywords_lost += homeless.len() as u64;
        let what = format!(
            "folder {} has {} more than the 26 that a Maildir holds",
            printable(&path.to_string()),
            counted(homeless.len() as u64, "keyword")
        );
        self.flaws.push(Flaw::new(Matter::Keywords, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FolderEncoding, Layout, User};
    use crate::mail::UidValidity;
    use crate::plan::folders::place;
    use crate::plan::selection::Choice;
    use crate::source::ListedFolder;

    fn path(name: &str) -> FolderPath {
        FolderPath::new(vec![name.to_owned()])
    }

    #[test]
    fn each_thing_that_does_not_come_is_a_flaw_with_its_count() {
        let mut mailbox = Mailbox::default();
        let names = FolderList {
            unusable: vec!["a//b".to_owned(), "c".to_owned()],
            foreign: vec!["shared/x".to_owned()],
            ..FolderList::default()
        };
        let (selection, user) = (Selection::default(), User::of_no_server("ann"));
        mailbox.judge_names(&names, &selection);
        let folders = ["fine", "v1.0", "v2.0"].map(|name| ListedFolder {
            wire_name: name.to_owned(),
            path: path(name),
            selectable: true,
            special_use: None,
            repaired: false,
            marks: None,
        });
        let plus = Layout::MaildirPlusPlus;
        let choice = Choice::of(&selection, &user, &names);
        mailbox.judge_places(&place(&folders, &choice, plus, FolderEncoding::Mutf7));
        let examined = |validity| Examined {
            uid_validity: UidValidity::new(validity),
            uid_next: None,
            exists: 3,
            ..Examined::default()
        };
        let list = MessageList {
            unreadable: vec![(None, "left out".to_owned())],
            ..MessageList::default()
        };
        mailbox.judge_listing(&path("A\x1b"), &examined(0), &list);
        mailbox.judge_listing(&path("B"), &examined(7), &MessageList::default());
        mailbox.judge_keywords(&path("A"), &["k27".to_owned(), "k28".to_owned()]);
        mailbox.judge_keywords(&path("B"), &[]);
        let told: Vec<_> = mailbox
            .flaws
            .iter()
            .map(|flaw| (flaw.matter, flaw.what.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    Matter::Folders,
                    "the names of 2 folders make no sense, the first is a//b"
                ),
                (
                    Matter::Folders,
                    "2 folders have no place, the first is v1.0: the target cannot hold this folder: \
                     Maildir++ cannot hold a dot inside a folder name"
                ),
                (
                    Matter::Folders,
                    "the server gives no UIDVALIDITY for folder A\\u{1b}"
                ),
                (
                    Matter::Messages,
                    "folder A\\u{1b}: 1 message cannot be listed: left out"
                ),
                (
                    Matter::Keywords,
                    "folder A has 2 keywords more than the 26 that a Maildir holds"
                ),
            ]
        );
        assert_eq!((mailbox.keywords_lost, mailbox.foreign_folders), (2, 1));
        assert_eq!(
            mailbox.notes.len(),
            3,
            "the foreign one, and two that have no place"
        );
    }

    #[test]
    fn the_first_of_the_largest_is_told_and_notes_have_an_end() {
        let mut mailbox = Mailbox::default();
        for (bytes, message) in [(0, "a"), (u64::MAX, "b"), (u64::MAX, "c")] {
            mailbox.count(&path("A"), bytes, || message.to_owned());
            mailbox.note(message);
        }
        assert_eq!((mailbox.messages, mailbox.bytes), (3, u64::MAX));
        assert_eq!(mailbox.largest.map(|it| it.message).as_deref(), Some("b"));
        let mut mailbox = Mailbox::default();
        for _ in 0..100 {
            mailbox.note("again");
        }
        assert_eq!(mailbox.notes.len(), TOLD + 1);
    }
}
