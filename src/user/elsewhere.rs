//! POP3 servers that show more than INBOX: the other folders of a user, for
//! [`crate::matching::elsewhere`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bodies::Bodies;
use super::evidence::{ReadAhead, Sessions};
use super::{Breaks, interrupted};
use crate::mail::{FolderPath, PopNumber, Uid, UidValidity};
use crate::matching::elsewhere::{Folders, Listed, find};
use crate::matching::{Attribute, ContentDigest, Evidence, HeaderDigest, Known, Pairing, Policy};
use crate::problem::{Kind, Problem, Reach};
use crate::source::{Examined, ListedFolder, Maildrop, imap, pop3};
use crate::text::{counted, counted_with};

/// So many folders are named in one line.
const NAMED: usize = 5;

/// What earlier runs have found, by folder, each under its UIDVALIDITY.
pub(crate) type KnownElsewhere = HashMap<FolderPath, (UidValidity, Vec<Known>)>;

/// A user's two sessions and all folders that can be opened. INBOX is open and has been paired.
#[derive(Debug)]
pub(crate) struct Search<'s> {
    pub(crate) imap: &'s mut imap::Session,
    pub(crate) pop3: &'s mut pop3::Session,
    /// By folder, as the export knows them.
    pub(crate) imap_breaks: &'s mut HashMap<FolderPath, Breaks>,
    pub(crate) pop3_breaks: &'s mut Breaks,
    pub(crate) ahead: Option<&'s ReadAhead>,
    pub(crate) folders: &'s [ListedFolder],
    pub(crate) known: &'s KnownElsewhere,
    /// Where bodies that IMAP sends are kept.
    pub(crate) bodies: Option<&'s mut Bodies>,
    pub(crate) stop: &'s AtomicBool,
}

impl Search<'_> {
    /// Looks in all other folders for what INBOX has left open, and opens INBOX again, which is to
    /// be that of before. Returns what a person should know.
    ///
    /// # Errors
    /// Those of the sessions; the run is to stop.
    pub(crate) fn run(
        self,
        policy: Policy,
        maildrop: &Maildrop,
        inbox: &Examined,
        pairing: &mut Pairing,
    ) -> Result<Vec<String>, Problem> {
        let is_inbox = |folder: &&ListedFolder| folder.path.is_inbox();
        let others = self.folders.iter().filter(|folder| !is_inbox(folder));
        let mut others = Others {
            others: others.map(|folder| (folder, None)).collect(),
            opened: None,
            told: Vec::new(),
            search: self,
        };
        find(policy, maildrop, pairing, &mut others)?;
        let Others {
            opened,
            told,
            search,
            ..
        } = others;
        if opened.is_some()
            && let Some(listed) = search.folders.iter().find(is_inbox)
        {
            let again = search.imap.examine(listed)?;
            is_the_same(&listed.path, inbox.uid_validity, again.uid_validity)?;
        }
        Ok(told)
    }
}

/// The folders beside INBOX.
struct Others<'s> {
    search: Search<'s>,
    /// With what EXAMINE said when they were listed.
    others: Vec<(&'s ListedFolder, Option<Examined>)>,
    /// The one that was opened last.
    opened: Option<usize>,
    told: Vec<String>,
}

impl Others<'_> {
    /// The sessions, to be asked about the folder that is open.
    fn sessions(&mut self) -> Sessions<'_> {
        let opened = self.opened.and_then(|folder| self.others.get(folder));
        let path = opened.map_or_else(FolderPath::inbox, |(folder, _)| folder.path.clone());
        let examined = opened.and_then(|(_, examined)| examined.as_ref());
        let validity = examined.and_then(|examined| examined.uid_validity);
        let Search {
            imap,
            pop3,
            imap_breaks,
            pop3_breaks,
            ahead,
            bodies,
            stop,
            ..
        } = &mut self.search;
        Sessions {
            imap,
            imap_breaks: imap_breaks.entry(path.clone()).or_default(),
            pop3,
            pop3_breaks,
            ahead: *ahead,
            imap_ahead: None,
            bodies: bodies.as_mut().map(|bodies| bodies.of(&path, validity)),
            stop,
        }
    }

    fn examine(&mut self, folder: usize) -> Result<Examined, Problem> {
        if self.search.stop.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        let (listed, _) = self.others.get(folder).ok_or_else(no_such_folder)?;
        self.opened = Some(folder);
        self.search.imap.examine(listed)
    }
}

impl Folders for Others<'_> {
    fn count(&self) -> usize {
        self.others.len()
    }

    fn list(&mut self, folder: usize) -> Result<Option<Listed>, Problem> {
        let listing = self.examine(folder).and_then(|examined| {
            let list = self.search.imap.list_messages(examined.exists)?;
            Ok((examined, list))
        });
        let (listed, seen) = self.others.get_mut(folder).ok_or_else(no_such_folder)?;
        let (examined, list) = match listing {
            Ok(listing) => listing,
            // In use for a moment: the next attempt may find in it what this one cannot.
            Err(problem) if problem.retry || problem.reach >= Reach::User => return Err(problem),
            Err(problem) => {
                let problem = problem.in_folder(&listed.path);
                self.told.push(format!(
                    "not searched for UIDLs without a message: {problem}"
                ));
                return Ok(None);
            }
        };
        let uid_validity = examined.uid_validity;
        *seen = Some(examined);
        let known = self.search.known.get(&listed.path);
        let known = known.filter(|(validity, _)| uid_validity == Some(*validity));
        Ok(Some(Listed {
            path: listed.path.clone(),
            uid_validity,
            entries: list.entries,
            known: known.map_or_else(Vec::new, |(_, known)| known.clone()),
        }))
    }

    fn open(&mut self, folder: usize) -> Result<(), Problem> {
        let again = self.examine(folder)?;
        match self.others.get(folder) {
            Some((listed, Some(seen))) => {
                is_the_same(&listed.path, seen.uid_validity, again.uid_validity)
            }
            _ => Err(no_such_folder()),
        }
    }
}

impl Evidence for Others<'_> {
    fn pop_headers(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem> {
        self.sessions().pop_headers(numbers)
    }

    fn imap_headers(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
        self.sessions().imap_headers(uids)
    }

    fn pop_contents(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem> {
        self.sessions().pop_contents(numbers)
    }

    fn imap_contents(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
        self.sessions().imap_contents(uids)
    }

    fn imap_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem> {
        self.sessions().imap_attributes(attribute, uids)
    }
}

/// UIDs that were listed under another UIDVALIDITY name other messages now.
pub(super) fn is_the_same(
    folder: &FolderPath,
    then: Option<UidValidity>,
    now: Option<UidValidity>,
) -> Result<(), Problem> {
    if then == now {
        return Ok(());
    }
    let what = "the folder was replaced by another while it was worked on";
    Err(Problem::new(Kind::Protocol, Reach::User, what)
        .worth_retry(true)
        .in_folder(folder))
}

fn no_such_folder() -> Problem {
    let what = "a folder was to be opened that was not listed";
    Problem::new(Kind::Internal, Reach::User, what)
}

/// How many messages of which folders POP3 shows, in words: `Sent 3, Archive 2`.
pub(crate) fn folders_in_words(folders: &[(&FolderPath, u64)]) -> String {
    let named = folders.iter().take(NAMED);
    let mut words: Vec<String> = named
        .map(|(path, count)| format!("{path} {count}"))
        .collect();
    if folders.len() > NAMED {
        let more = (folders.len() - NAMED) as u64;
        words.push(format!("and {}", counted(more, "more folder")));
    }
    words.join(", ")
}

/// What the new POP3 server will not show, for a person; `None` where that is nothing.
pub(crate) fn note(pairing: &Pairing) -> Option<String> {
    let count = pairing.elsewhere.len() as u64;
    let folders = folders_in_words(&pairing.folders_elsewhere());
    (count > 0).then(|| {
        let uidls = counted_with(count, "UIDL", ("is", "are"));
        format!(
            "{uidls} of messages in other folders than INBOX ({folders}); the new POP3 \
             server will not show them"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_folders_are_named() {
        let paths: Vec<FolderPath> = (0..7)
            .map(|n| FolderPath::new(vec!["A".to_owned(), n.to_string()]))
            .collect();
        let counted: Vec<(&FolderPath, u64)> = paths.iter().zip(1..).collect();
        assert_eq!(folders_in_words(&counted[..2]), "A/0 1, A/1 2");
        let all = folders_in_words(&counted);
        assert!(all.ends_with("A/4 5, and 2 more folders"), "{all}");
        assert_eq!(note(&Pairing::default()), None);
    }
}
