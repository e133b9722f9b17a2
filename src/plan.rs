//! The heart: what has to be done so that a folder's Maildir holds what the source holds. Pure:
//! source listing, pairing and destination listing in, steps out. A dry run prints the plan that
//! an export carries out, and for a folder that is up to date the plan has no steps.
//!
//! Nothing that only the target has is touched: files that are not ours stay, and so do their
//! lines in `dovecot-uidlist`.

pub mod describe;
pub mod folders;
pub mod on_disk;
pub mod order;
pub mod pop3_only;
pub mod selection;
#[cfg(test)]
mod tests;
pub mod uidlist;
pub mod verdict;

use std::collections::{HashMap, HashSet};

use crate::config::{Pop3Order, Servers, UidlPolicy, Unholdable};
use crate::mail::{Entry, FolderPath, KeywordTable, Uid, UidList, UidSet, UidValidity, Uidl};
use crate::naming::message::{UidlDigest, size_field, uidl_name};
use crate::naming::{BaseName, Identity, KeywordLetters, MaildirFolder, UidlNameFault};
use crate::problem::{Kind, Problem, Reach};
use on_disk::OnDisk;

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
    pub uidls: Option<&'a [Option<Announced>]>,
    /// For a POP3-only source: for each entry the digest that stands for it in file names.
    pub digests: Option<&'a [UidlDigest]>,
}

impl SourceFolder<'_> {
    /// Whether the message may be delivered.
    pub fn is_selected(&self, uid: Uid) -> bool {
        self.selected.is_none_or(|selected| selected.contains(uid))
    }
}

/// What the source's POP3 server announces for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Its place in the POP3 order, from 1.
    pub position: u32,
    /// Its UIDL.
    pub uidl: Uidl,
}

/// What the target is to be, and how doubt is treated.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The servers that will serve the tree.
    pub servers: Servers,
    /// The rules for UIDLs and their order.
    pub uidls: UidlPolicy,
}

impl Policy {
    /// The file that holds the UIDs and UIDLs of a folder: Dovecot's own, or for qmail alone one
    /// in the same form that only mailseed reads, so that the next run knows which message has
    /// which UIDL without asking. `None`: the file names tell all.
    pub fn list_file(&self, folder: &MaildirFolder) -> Option<&'static str> {
        match (self.servers.dovecot, folder.is_root()) {
            (true, _) => Some("dovecot-uidlist"),
            (false, true) => Some("mailseed.uidlist"),
            (false, false) => None,
        }
    }
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
        /// The file's date, in seconds since 1970; `None`: from its headers.
        mtime: Option<i64>,
    },
    /// Give a file on disk its UIDL as its name. After all steps that call it by the old one.
    Rename {
        /// Which of the files on disk.
        file: u32,
        /// Its new base name.
        to: BaseName,
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
    /// Replace the list file, see [`Policy::list_file`].
    WriteUidList,
}

/// The plan for one folder.
#[derive(Debug, Clone)]
pub struct FolderPlan {
    /// What to do, in order. Empty: the folder is as it should be.
    pub steps: Vec<Step>,
    /// Messages that are on disk already.
    pub kept: u64,
    /// Entries to fetch, and their octets as the source announces them.
    pub deliveries: u64,
    /// Octets to fetch.
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
    /// qmail: the largest distance of a file's date from its INTERNALDATE, in seconds.
    pub max_date_shift: u64,
    /// qmail: pairs of neighbours in POP3 order whose dates do not keep it.
    pub order_breaks: u64,
    /// Messages with a UIDL of their own on the target.
    pub uidls: u64,
    /// For each entry the file that holds it, as an index into the files on disk.
    pub files: Vec<Option<u32>>,
    /// The list as it is to be, without the messages still to be delivered, where there is one.
    pub list: Option<UidList>,
}

/// Plans one folder. `now` is the current time in seconds since 1970.
///
/// # Errors
/// The target holds what is not ours to change (Conflict), or cannot hold what the source has
/// (Unholdable). Reach is the folder, for INBOX the user.
pub fn plan(
    source: &SourceFolder<'_>,
    disk: &OnDisk,
    policy: &Policy,
    now: i64,
) -> Result<FolderPlan, Problem> {
    let planner = Planner {
        source,
        disk,
        policy,
        now,
    };
    planner
        .run()
        .map_err(|problem| problem.in_folder(source.path))
}

/// The identity of entry `index`, as file names carry it.
pub fn identity(source: &SourceFolder<'_>, index: usize) -> Identity {
    let uid = source.entries[index].uid;
    match source.digests.and_then(|digests| digests.get(index)) {
        Some(digest) => Identity::Pop3(source.validity, uid, *digest),
        None => Identity::Imap(source.validity, uid),
    }
}

/// The base name of entry `index`, stored with `size` bytes (`virtual_size` with CRLF line ends).
pub fn base_name(
    source: &SourceFolder<'_>,
    policy: &Policy,
    index: usize,
    size: u64,
    virtual_size: u64,
) -> BaseName {
    uidl_as_name(source, policy, index)
        .and_then(Result::ok)
        .unwrap_or_else(|| identity(source, index).base_name(size, virtual_size))
}

/// Whether a preserved name announces sizes that are not those of the file: Dovecot believes them
/// and then fails to send the message.
pub fn contradicts_size(name: &str, size: u64, virtual_size: u64) -> bool {
    let differs = |key, real| size_field(name, key).is_some_and(|said| said != real);
    differs('S', size) || differs('W', virtual_size)
}

/// The UIDL of entry `index` as a name, where names are UIDLs (qmail's INBOX).
fn uidl_as_name(
    source: &SourceFolder<'_>,
    policy: &Policy,
    index: usize,
) -> Option<Result<BaseName, UidlNameFault>> {
    let announced = announced(source, index).filter(|_| policy.servers.qmail)?;
    Some(uidl_name(&announced.uidl))
}

fn announced<'a>(source: &SourceFolder<'a>, index: usize) -> Option<&'a Announced> {
    source.uidls?.get(index)?.as_ref()
}

struct Planner<'a> {
    source: &'a SourceFolder<'a>,
    disk: &'a OnDisk,
    policy: &'a Policy,
    now: i64,
}

impl Planner<'_> {
    fn run(&self) -> Result<FolderPlan, Problem> {
        let unholdable = self.unholdable()?;
        let old_list = self.usable_list()?;
        let files = self.recognise(old_list)?;
        let (letters, homeless_keywords) = self.letters(&files);
        let mut plan = FolderPlan {
            steps: Vec::new(),
            kept: files.iter().flatten().count() as u64,
            deliveries: 0,
            bytes: 0,
            left_out: 0,
            left_out_bytes: 0,
            letters,
            homeless_keywords,
            unholdable,
            max_date_shift: 0,
            order_breaks: 0,
            uidls: 0,
            files,
            list: None,
        };
        if !self.disk.exists {
            plan.steps.push(Step::CreateFolder);
        }
        let is_listed = self.policy.servers.dovecot || self.source.in_root;
        if is_listed
            && self.source.digests.is_some()
            && self.disk.uidlist.is_none()
            && !self.source.entries.is_empty()
        {
            plan.steps.push(Step::ReserveValidity);
        }
        if self.policy.servers.dovecot && plan.letters != self.disk.keywords {
            plan.steps.push(Step::WriteKeywords);
        }
        self.add_deliveries(&mut plan);
        self.add_renames(&mut plan);
        if is_listed {
            self.add_uidlist(&mut plan, old_list);
        }
        let announced = self.source.uidls.unwrap_or_default().iter().enumerate();
        plan.uidls = announced
            .filter(|(index, uidl)| uidl.is_some() && self.is_part(&plan.files, *index))
            .count() as u64
            - if self.policy.servers.dovecot {
                0
            } else {
                plan.unholdable.len() as u64
            };
        Ok(plan)
    }

    /// UIDLs that cannot be file names, where they must be.
    fn unholdable(&self) -> Result<Vec<(Uid, Uidl, String)>, Problem> {
        let mut refused = Vec::new();
        for (index, entry) in self.source.entries.iter().enumerate() {
            if self.source.is_selected(entry.uid)
                && let Some(Err(fault)) = uidl_as_name(self.source, self.policy, index)
                && let Some(announced) = announced(self.source, index)
            {
                refused.push((entry.uid, announced.uidl.clone(), fault.to_string()));
            }
        }
        match refused.first() {
            Some((uid, uidl, why)) if self.policy.uidls.unholdable == Unholdable::Fail => {
                let what = format!(
                    "qmail cannot hold {} of the UIDLs; the first is {uidl}: {why}",
                    refused.len()
                );
                Err(Problem::new(Kind::Unholdable, Reach::User, what)
                    .at_message(format!("UID {uid}"))
                    .with_hint(
                        "--unholdable report exports such messages under other names and lists them; \
                         POP3 clients will download them once more",
                    ))
            }
            _ => Ok(refused),
        }
    }

    /// The list on disk, if it speaks of the same UIDs as the source.
    fn usable_list(&self) -> Result<Option<&UidList>, Problem> {
        match &self.disk.uidlist {
            Some(list) if list.validity == self.source.validity => Ok(Some(list)),
            // A server made the list: for a folder in which nothing lies yet, or for what a run
            // left that was cut before it wrote its own.
            Some(_) if self.all_files_are_ours() => Ok(None),
            Some(list) => Err(self
                .conflict(format!(
                    "the target has UIDVALIDITY {}, the source {}: their UIDs name different messages",
                    list.validity, self.source.validity
                ))
                .with_hint(
                    "if the target folder was staged from another state of the source, move it away \
                     and run again",
                )),
            None => Ok(None),
        }
    }

    fn all_files_are_ours(&self) -> bool {
        let uidl_names: HashSet<BaseName> = (0..self.source.entries.len())
            .filter_map(|index| self.name_if_for_qmail(index))
            .collect();
        let uidl_names: HashSet<&str> = uidl_names.iter().map(BaseName::as_str).collect();
        self.disk.files.iter().all(|file| {
            let ours = match Identity::parse(&file.base) {
                Some(Identity::Imap(validity, _)) => validity == self.source.validity,
                Some(Identity::Pop3(..)) => self.source.digests.is_some(),
                None => false,
            };
            ours || uidl_names.contains(file.base.as_ref())
        })
    }

    fn conflict(&self, what: String) -> Problem {
        let reach = if self.source.in_root {
            Reach::User
        } else {
            Reach::Folder
        };
        Problem::new(Kind::Conflict, reach, what)
    }

    /// For each entry the file on disk that holds it: by the list, by the identity in its name, or
    /// by its UIDL as its name.
    fn recognise(&self, old_list: Option<&UidList>) -> Result<Vec<Option<u32>>, Problem> {
        let mut files = vec![None; self.source.entries.len()];
        if self.disk.files.is_empty() {
            return Ok(files);
        }
        let by_name: HashMap<&str, u32> = (0..)
            .zip(&self.disk.files)
            .map(|(index, file)| (file.base.as_ref(), index))
            .collect();
        for (index, file) in files.iter_mut().enumerate() {
            if let Some(name) = self.name_if_for_qmail(index) {
                *file = by_name.get(name.as_str()).copied();
            }
        }
        for (at, file) in (0_u32..).zip(&self.disk.files) {
            let found = match Identity::parse(&file.base) {
                Some(Identity::Imap(validity, uid)) if self.source.digests.is_none() => {
                    if validity != self.source.validity && old_list.is_none() {
                        return Err(self.conflict(format!(
                            "the target holds messages of UIDVALIDITY {validity}, the source has {}",
                            self.source.validity
                        ))
                        .with_hint("move the target folder away and run again"));
                    }
                    (validity == self.source.validity)
                        .then(|| self.entry_of(uid))
                        .flatten()
                }
                Some(Identity::Pop3(_, uid, digest)) => self.entry_of(uid).filter(|index| {
                    self.source.digests.and_then(|digests| digests.get(*index)) == Some(&digest)
                }),
                _ => None,
            };
            if let Some(index) = found {
                files[index].get_or_insert(at);
            }
        }
        for line in old_list.map_or(&[][..], |list| &list.lines) {
            if let Some(index) = self.entry_of(line.uid)
                && files[index].is_none()
                && let Some(at) = by_name.get(line.name.as_ref())
            {
                self.same_message(index, line)?;
                files[index] = Some(*at);
            }
        }
        Ok(files)
    }

    /// The name that entry `index` has where qmail is served, or was when an earlier run wrote it.
    fn name_if_for_qmail(&self, index: usize) -> Option<BaseName> {
        uidl_name(&announced(self.source, index)?.uidl).ok()
    }

    fn entry_of(&self, uid: Uid) -> Option<usize> {
        self.source
            .entries
            .binary_search_by_key(&uid, |entry| entry.uid)
            .ok()
    }

    /// A file under a name that is not ours, but listed with the UID of a message of the source
    /// under the same UIDVALIDITY: the same message if another tool staged it, another one if it
    /// was delivered here. The size tells.
    fn same_message(&self, index: usize, line: &crate::mail::UidLine) -> Result<(), Problem> {
        let entry = &self.source.entries[index];
        let uidl_matches = announced(self.source, index)
            .is_some_and(|announced| line.field('P') == Some(announced.uidl.as_str()));
        let size = size_field(&line.name, 'W')
            .or_else(|| line.field('W').and_then(|size| size.parse().ok()));
        if uidl_matches || size == Some(entry.size) {
            return Ok(());
        }
        Err(self
            .conflict(format!(
                "on the target this UID is another message, the file {}",
                line.name
            ))
            .at_message(format!("UID {}", entry.uid))
            .with_hint(
                "mail was delivered to the target; stage into a Maildir that nobody uses yet",
            ))
    }

    /// Whether entry `index` is on the target, or is to be.
    fn is_part(&self, files: &[Option<u32>], index: usize) -> bool {
        files[index].is_some() || self.source.is_selected(self.source.entries[index].uid)
    }

    fn letters(&self, files: &[Option<u32>]) -> (KeywordLetters, Vec<String>) {
        let mut letters = self.disk.keywords.clone();
        if !self.policy.servers.dovecot {
            let mut table = KeywordLetters::default();
            let mut all = table.admit(self.source.keywords, self.keyword_sets(files));
            all.extend(
                self.source
                    .keywords
                    .names()
                    .iter()
                    .filter(|name| table.letter(name).is_some())
                    .cloned(),
            );
            return (KeywordLetters::default(), all);
        }
        let homeless = letters.admit(self.source.keywords, self.keyword_sets(files));
        (letters, homeless)
    }

    fn keyword_sets(&self, files: &[Option<u32>]) -> impl Iterator<Item = crate::mail::KeywordSet> {
        let entries = self.source.entries.iter().enumerate();
        entries
            .filter(|(index, _)| self.is_part(files, *index))
            .map(|(_, entry)| entry.keywords)
    }

    /// Files that lie under an ordinary name from a run without POP3.
    fn add_renames(&self, plan: &mut FolderPlan) {
        for (index, file) in plan.files.iter().enumerate() {
            if let (Some(file), Some(Ok(name))) =
                (file, uidl_as_name(self.source, self.policy, index))
                && *self.disk.files[*file as usize].base != *name.as_str()
            {
                plan.steps.push(Step::Rename {
                    file: *file,
                    to: name,
                });
            }
        }
    }

    fn add_deliveries(&self, plan: &mut FolderPlan) {
        let times = self.times(plan);
        // Entries are numbered like UIDs: there are no more than 2^32.
        for (index, (number, entry)) in (0_u32..).zip(self.source.entries).enumerate() {
            if plan.files[index].is_some() {
                continue;
            }
            if self.source.is_selected(entry.uid) {
                let mtime = times
                    .as_ref()
                    .map_or(entry.internal_date, |times| times[index]);
                plan.deliveries += 1;
                plan.bytes += entry.size;
                plan.steps.push(Step::Deliver {
                    entry: number,
                    mtime,
                });
            } else {
                plan.left_out += 1;
                plan.left_out_bytes += entry.size;
            }
        }
        if let Some(times) = &times {
            for (file, time) in plan.files.iter().zip(times) {
                if let (Some(file), Some(time)) = (file, time)
                    && self.disk.files[*file as usize].mtime != Some(*time)
                {
                    plan.steps.push(Step::Redate {
                        file: *file,
                        mtime: *time,
                    });
                }
            }
            // Dates that only the fetched headers tell.
            if plan
                .steps
                .iter()
                .any(|step| matches!(step, Step::Deliver { mtime: None, .. }))
            {
                plan.steps.push(Step::Arrange);
            }
        }
    }

    /// qmail's INBOX: the date of each entry that makes the POP3 order. `None` elsewhere.
    fn times(&self, plan: &mut FolderPlan) -> Option<Vec<Option<i64>>> {
        let uidls = self.source.uidls?;
        if !self.policy.servers.qmail || !self.source.in_root {
            return None;
        }
        let dated: Vec<order::Dated> = self
            .source
            .entries
            .iter()
            .zip(uidls)
            .zip(&plan.files)
            .map(|((entry, announced), file)| {
                let on_disk = file.and_then(|file| self.disk.files[file as usize].mtime);
                order::Dated {
                    position: announced.as_ref().map(|announced| announced.position),
                    // A POP3-only source has no dates; those of the files are from the headers.
                    date: entry.internal_date.or(on_disk),
                    on_disk,
                }
            })
            .collect();
        if self.policy.uidls.pop3_order == Pop3Order::Date {
            plan.order_breaks = order::breaks(&dated);
            return Some(dated.iter().map(|dated| dated.date).collect());
        }
        let times = order::arrange(&dated, self.now);
        plan.max_date_shift = order::max_shift(&dated, &times);
        Some(times)
    }

    fn add_uidlist(&self, plan: &mut FolderPlan, old_list: Option<&UidList>) {
        let list = uidlist::desired(self.source, self.disk, plan, old_list);
        let below_seen = |uid: Uid| old_list.is_some_and(|old| uid.value() < old.next_uid);
        let inserts_below = plan.steps.iter().any(|step| match step {
            Step::Deliver { entry, .. } => below_seen(self.source.entries[*entry as usize].uid),
            _ => false,
        });
        let replaced = self.disk.uidlist.is_some() && old_list.is_none();
        if self.disk.has_indexes && (inserts_below || replaced) {
            plan.steps.push(Step::RemoveIndexes);
        }
        if plan.deliveries > 0 || self.disk.uidlist.as_ref() != Some(&list) {
            plan.steps.push(Step::WriteUidList);
        }
        plan.list = Some(list);
    }
}
