//! The heart: what has to be done so that a folder's Maildir holds what the source holds. Pure:
//! source listing, pairing, what the last run has seen, and destination listing in; steps out. A dry
//! run prints the plan that an export carries out, and for a folder that is up to date the plan has
//! no steps.
//!
//! # What becomes of a message
//! By whether the source has it (S), the last run has seen it there (L), and the target has it (D):
//!
//! | S | L | D | merge | mirror |
//! | --- | --- | --- | --- | --- |
//! | yes | no | no | delivered | delivered |
//! | yes | yes | yes | flags that have changed at the source since are changed | flags as at the source |
//! | yes | yes | no | stays deleted | delivered again |
//! | no | yes | yes | removed, unless its flags were changed on the target | removed |
//! | no | no | yes | stays | removed, if the admin has said so |
//!
//! After the cutover the first row holds, and everything else stays. Removals are planned here and
//! carried out when all folders of a user have been seen, so that there can be a limit for them.

pub mod announced;
pub mod collect;
pub mod courier;
pub mod describe;
pub mod folders;
mod marks;
mod numbers;
pub mod on_disk;
pub mod order;
mod planner;
pub mod pop3_only;
mod recognise;
pub mod seen;
pub mod selection;
#[cfg(test)]
mod tests;
pub mod uidlist;
pub mod verdict;

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};

pub use crate::config::Mode;
use crate::config::{Rerun, Servers, UidlPolicy};
use crate::mail::courier::CourierKeywords;
use crate::mail::date::Seconds;
use crate::mail::{Entry, FolderPath, KeywordTable, Uid, UidList, UidSet, UidValidity, Uidl};
use crate::naming::message::{UidlDigest, size_field};
use crate::naming::uidl::{Held, hold};
use crate::naming::{BaseName, Identity, KeywordLetters, Rank};
use crate::problem::Problem;
pub use announced::{Announced, Announcements};
use on_disk::{OnDisk, Place};
use seen::Seen;

/// One folder of the source, as it is to be on the target.
#[derive(Debug, Clone, Copy)]
pub struct SourceFolder<'a> {
    /// The user whose folder it is, as the user list names it.
    pub owner: &'a str,
    /// Its name.
    pub path: &'a FolderPath,
    /// Its UIDVALIDITY.
    pub validity: UidValidity,
    /// Its UIDNEXT: no message that comes later has a UID below.
    pub uid_next: u32,
    /// Whether it is the target's INBOX: it lies in the Maildir itself.
    pub in_root: bool,
    /// Its messages, ascending by UID: always all of them.
    pub entries: &'a [Entry],
    /// The messages that may be delivered; `None`: all. One that is not selected is treated like any
    /// other once it is on disk, so that no selection looks like a deletion; before that it is not
    /// part of the job.
    pub selected: Option<&'a UidSet>,
    /// The keywords of `entries`.
    pub keywords: &'a KeywordTable,
    /// INBOX of a user with POP3: for each entry what POP3 announces for it.
    pub uidls: Option<&'a Announcements>,
    /// For a POP3-only source: for each entry the digest that stands for it in file names.
    pub digests: Option<&'a [UidlDigest]>,
    /// INBOX that gets copies of messages in other folders (see [`collect`]): the last so many of
    /// `entries` are such copies, each with the digest of its UIDL, which stands for it in file names.
    /// `None`: nothing is collected.
    pub collected: Option<&'a [UidlDigest]>,
    /// Whether `entries` are all messages that the source has, and it is known which files hold them.
    /// Where it listed some in words that make no sense, one that is missing may still be there.
    pub is_whole: bool,
}

impl SourceFolder<'_> {
    /// How many of the entries are the folder's own: the copies come after them.
    fn own(&self) -> usize {
        let copies = self.collected.map_or(0, <[UidlDigest]>::len);
        self.entries.len().saturating_sub(copies)
    }

    /// The copies, where they are collected: their UIDs, and what stands for their UIDLs.
    pub fn copies(&self) -> Option<impl Iterator<Item = (Uid, UidlDigest)>> {
        let entries = self.entries.iter().skip(self.own());
        let copies = entries.zip(self.collected?);
        Some(copies.map(|(entry, digest)| (entry.uid, *digest)))
    }

    /// What stands for entry `index` in file names besides its UID.
    fn digest(&self, index: usize) -> Option<UidlDigest> {
        if let Some(digests) = self.digests {
            return digests.get(index).copied();
        }
        let copy = index.checked_sub(self.own())?;
        self.collected?.get(copy).copied()
    }

    /// Whether the source has a message of this UID.
    pub fn has(&self, uid: Uid) -> bool {
        let entries = self.entries;
        entries
            .binary_search_by_key(&uid, |entry| entry.uid)
            .is_ok()
    }

    /// Whether the message may be delivered.
    pub fn is_selected(&self, uid: Uid) -> bool {
        self.selected.is_none_or(|selected| selected.contains(uid))
    }
}

/// What the target is to be, and how doubt is treated.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The servers that will serve the tree: what it can hold goes by them.
    pub servers: Servers,
    /// The servers whose lists and keywords are kept up: these, and where a tree is made over for others,
    /// those that have served it.
    pub listed: Servers,
    /// The rules for UIDLs and their order.
    pub uidls: UidlPolicy,
    /// What happens to what is there already.
    pub rerun: Rerun,
}

impl Policy {
    /// The lists of a folder; `in_root`: of INBOX.
    pub fn lists(&self, in_root: bool) -> Lists {
        let own = match (self.listed.dovecot, in_root) {
            (true, _) => Some(DOVECOT_LIST),
            (false, true) => Some(OWN_LIST),
            (false, false) => None,
        };
        Lists {
            own,
            courier: self.listed.courier,
            settled: self.rerun.mode == Mode::AfterCutover,
        }
    }
}

/// Dovecot's own list of UIDs and UIDLs.
pub const DOVECOT_LIST: &str = "dovecot-uidlist";
/// One in the same form that only mailseed reads, for INBOX where Dovecot is no target: the next run
/// knows by it which message has which UIDL without asking.
pub const OWN_LIST: &str = "mailseed.uidlist";

/// The files that hold the UIDs and UIDLs of a folder. Without any the file names tell all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lists {
    /// [`DOVECOT_LIST`] or [`OWN_LIST`].
    pub own: Option<&'static str>,
    /// Courier's own too.
    pub courier: bool,
    /// What the lists say stays, also where they differ.
    pub settled: bool,
}

/// What earlier runs have left, besides the files themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Past<'a> {
    /// What the last one has seen at the source; `None`: nothing is known.
    pub seen: Option<&'a Seen>,
    /// By the base name of a file, the UID that its message has at the source now: found by content
    /// where the source has given other UIDs.
    pub rematched: Option<&'a HashMap<Box<str>, Uid>>,
}

/// One thing to do. Steps are carried out in their order; a run may be cut between any two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the folder's directories.
    CreateFolder,
    /// Put a list file without messages in place, so that UIDVALIDITY is settled before
    /// the first message lies there (POP3-only sources, which have none of their own).
    ReserveValidity,
    /// Replace `dovecot-keywords`. Before the messages: a file must not carry a letter that has
    /// no meaning yet.
    WriteKeywords,
    /// Fetch a message and let it appear.
    Deliver {
        /// Which of the source's entries.
        entry: u32,
        /// The file's date; `None`: from its headers.
        mtime: Option<Seconds>,
    },
    /// Give a file on disk another name: its message has got a UIDL that is to be its name, another
    /// UID, or other flags. After all steps that call it by the old one.
    Rename {
        /// Which of the files on disk.
        file: u32,
        /// The name.
        to: Box<NewName>,
    },
    /// Give a file on disk another date, for the POP3 order of qmail.
    Redate {
        /// Which of the files on disk.
        file: u32,
        /// Its new date, in seconds since 1970.
        mtime: i64,
    },
    /// Bring the dates of INBOX into POP3 order once all are known (POP3-only sources on qmail).
    Arrange,
    /// Remove `dovecot.index*`: messages appear below the UIDNEXT that Dovecot has seen, and its
    /// index would take them for strangers.
    RemoveIndexes,
    /// Replace what Courier has of keywords. After the messages: it forgets those of a file that is not
    /// there.
    WriteCourierKeywords,
    /// Replace the lists, see [`Policy::lists`].
    WriteUidList,
}

/// What changes in the name of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewName {
    /// Its new base name, where that changes.
    pub base: Option<Box<str>>,
    /// Its new suffix, where that changes.
    pub suffix: Option<Box<str>>,
}

impl Step {
    /// Whether the step takes nothing away and changes nothing that is there.
    pub fn only_adds(&self) -> bool {
        matches!(
            self,
            Step::CreateFolder
                | Step::ReserveValidity
                | Step::WriteKeywords
                | Step::Deliver { .. }
                | Step::WriteCourierKeywords
                | Step::WriteUidList
        )
    }
}

/// The plan for one folder.
#[derive(Debug, Clone)]
pub struct FolderPlan {
    /// What the target is to become.
    pub mode: Mode,
    /// What to do, in order. Empty: the folder is as it should be, but for `removals`.
    pub steps: Vec<Step>,
    /// Files whose messages are to be removed, with the UIDs that they had at the source when last
    /// seen; `None` where that is not known.
    pub removals: Vec<(u32, Option<Uid>)>,
    /// Messages that are on disk already.
    pub kept: u64,
    /// Of those, the ones whose flags change.
    pub changed: u64,
    /// Messages that were deleted on the target, and stay so.
    pub left_deleted: u64,
    /// Entries to fetch.
    pub deliveries: u64,
    /// Octets to fetch, as the source announces them.
    pub bytes: u64,
    /// Entries that are not part of the job: neither selected nor on disk.
    pub left_out: u64,
    /// Their octets.
    pub left_out_bytes: u64,
    /// The letters of the folder's keywords.
    pub letters: KeywordLetters,
    /// Keywords that found no letter; their messages come without them.
    pub homeless_keywords: Vec<String>,
    /// UIDLs that the target cannot hold, with the reason; those messages get ordinary names.
    pub unholdable: Vec<(Uid, Uidl, String)>,
    /// Messages that keep the UIDL they had, though the source now says another; by entry.
    pub kept_uidls: HashMap<usize, Uidl>,
    /// Messages for which the source now says another UIDL than before, whether they get it or not.
    pub changed_uidls: u64,
    /// Messages to be delivered without their UIDL, since other mail has it that keeps what it has;
    /// by entry.
    pub withheld_uidls: HashSet<usize>,
    /// qmail: the largest distance of a file's date from its INTERNALDATE, in seconds.
    pub max_date_shift: u64,
    /// qmail: pairs of neighbours in POP3 order whose dates do not keep it.
    pub order_breaks: u64,
    /// Courier: pairs of neighbours in POP3 order whose names, which are their UIDLs, do not keep it.
    pub name_breaks: u64,
    /// Courier: by entry, what stands before its name for the order.
    pub ranks: HashMap<usize, Rank>,
    /// Courier: the keywords as they are to be, without those of messages still to be delivered.
    pub courier_keywords: Option<CourierKeywords>,
    /// Messages with a UIDL of their own on the target.
    pub uidls: u64,
    /// For each entry the file that holds it, among the files on disk.
    pub files: Vec<Option<Place>>,
    /// For each entry that is on disk or is to be, its UID on the target.
    pub uids: Vec<Option<Uid>>,
    /// The UIDs that differ from the source's: that of the source, that of the target.
    pub renumbered: BTreeMap<u32, u32>,
    /// UIDs of the target that a server has given to other mail.
    pub foreign: UidSet,
    /// Lines of other mail that get a new UID: a server has given theirs while the source gave it to
    /// another message.
    pub moved: u64,
    /// Copies of messages in other folders that an earlier run has collected, where nothing is
    /// collected now: by the UIDs that they were given, also those that were deleted on the target.
    pub copies: UidSet,
    /// How many of `copies` are on disk. They stay as they are.
    pub kept_copies: u64,
    /// The list as it is to be, without the messages still to be delivered, where there is one.
    pub list: Option<UidList>,
}

/// Plans one folder. `now` is the current time in seconds since 1970.
///
/// # Errors
/// The target holds what is not ours to remove (Conflict), or cannot hold what the source has
/// (Unholdable). Reach is the folder, for INBOX the user.
pub fn plan(
    source: &SourceFolder<'_>,
    past: &Past<'_>,
    disk: &OnDisk,
    policy: &Policy,
    now: i64,
) -> Result<FolderPlan, Problem> {
    let courier = disk.courier.as_ref().filter(|_| policy.listed.courier);
    let listed = courier.and_then(|files| files.uiddb.as_ref());
    let listed = listed.into_iter().flat_map(|list| list.lines.iter());
    let planner = planner::Planner {
        source,
        past,
        disk,
        policy,
        now,
        known_to_courier: listed.map(|line| line.name).collect(),
        other_names: OnceCell::new(),
    };
    planner
        .run()
        .map_err(|problem| problem.in_folder(source.path))
}

/// Files that came from the source under UIDs that no longer hold, and entries of the source that no
/// file is known to hold, each by its place: they may be the same messages, see
/// [`Past::rematched`].
pub fn estranged(
    source: &SourceFolder<'_>,
    past: &Past<'_>,
    disk: &OnDisk,
) -> (Vec<u32>, Vec<usize>) {
    recognise::estranged(source, disk, past)
}

/// The identity of entry `index`, as file names carry it.
pub fn identity(source: &SourceFolder<'_>, index: usize) -> Identity {
    let uid = source.entries[index].uid;
    match source.digest(index) {
        Some(digest) => Identity::Pop3(source.validity, uid, digest),
        None => Identity::Imap(source.validity, uid),
    }
}

/// The base name of entry `index` when it is delivered, stored with `size` bytes (`virtual_size` with
/// CRLF line ends).
pub fn base_name(
    source: &SourceFolder<'_>,
    policy: &Policy,
    plan: &FolderPlan,
    index: usize,
    (size, virtual_size): (u64, u64),
) -> BaseName {
    if let Some(name) = held(source, policy, index).and_then(|held| held.name) {
        return name;
    }
    let own = identity(source, index).base_name(size, virtual_size);
    match plan.ranks.get(&index) {
        Some(rank) => own.ranked(rank),
        None => own,
    }
}

/// Whether a preserved name announces sizes that are not those of the file: Dovecot believes them
/// and then fails to send the message.
pub fn contradicts_size(name: &str, size: u64, virtual_size: u64) -> bool {
    let differs = |key, real| size_field(name, key).is_some_and(|said| said != real);
    differs('S', size) || differs('W', virtual_size)
}

/// How the target holds the UIDL of entry `index`, where not in Dovecot's list alone, which holds all
/// of them and asks for no name.
fn held(source: &SourceFolder<'_>, policy: &Policy, index: usize) -> Option<Held> {
    let servers = policy.servers;
    if !servers.qmail && !servers.courier {
        return None;
    }
    Some(hold(&announced(source, index)?.uidl, servers))
}

fn announced(source: &SourceFolder<'_>, index: usize) -> Option<Announced> {
    source.uidls?.get(index)
}
