//! A folder of the old server against its directory in the Maildir.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;

use super::content::{self, Compared, in_two_goes, without_lies};
use super::difference::{Difference, What, unite};
use super::disk::{self, Access, Disk, File};
use super::folder::{Rules, compare, shown_date};
use super::inbox::Shown;
use super::mailbox::Old;
use super::tree::{COURIER, DOVECOT, Fault, Numbering, QMAIL, Tree, judge_virtual_size};
use super::{Verify, dates};
use crate::config::{Content, Owner, Pop3Order};
use crate::mail::{FolderPath, Uid, UidSet};
use crate::naming::message::size_in_name;
use crate::naming::{Identity, MaildirFolder};
use crate::plan::folders::Placed;
use crate::plan::order::Dated;
use crate::problem::{Problem, Reach};
use crate::sink::export::now;
use crate::sink::line_ends::LineEnds;
use crate::sink::on_disk::Messages;
use crate::sink::target_problem;
use crate::source::imap;

impl Verify<'_> {
    /// A folder of the old server against its directory; and the messages that were read.
    pub(super) fn against_tree(
        &mut self,
        session: &mut imap::Session,
        old: &Old<'_>,
        folder: &Placed,
        shown: Option<&Shown>,
    ) -> Result<(Vec<Difference>, UidSet), Problem> {
        let path = old.path;
        let gone = |new: &str| {
            let was = format!("{} messages", old.entries.len());
            vec![Difference::new(Some(path), What::Folder, was, new)]
        };
        let target = match &folder.target {
            Ok(target) => target,
            Err(problem) => return Ok((gone(problem.what()), UidSet::default())),
        };
        let Some((disk, surroundings)) = self.on_disk(path, target, shown.is_some())? else {
            return Ok((gone(""), UidSet::default()));
        };
        let mut counted = HashMap::new();
        let mut trees: Vec<(&'static str, Tree)> = Vec::new();
        let mut by_server = Vec::new();
        let mut checked = UidSet::default();
        for (server, numbering) in self.numberings(target) {
            let mut tree = Tree::of(disk.clone(), numbering);
            tree.leave_out(|uid, file| {
                let is_copy = || shown.is_some_and(|shown| self.is_copy(old, shown, uid, file));
                old.left_out.contains(uid) || is_copy()
            });
            self.measure(
                &surroundings.messages,
                old,
                &mut tree,
                numbering,
                &mut counted,
            )?;
            let first = trees.first().map(|(_, first)| first);
            let compared = self.contents(session, old, (&tree, first), &surroundings.messages)?;
            checked.extend(compared.checked.iter());
            let found = self.shown_over_imap(old, shown, &mut tree, &surroundings, compared);
            by_server.push((server, found));
            trees.push((server, tree));
        }
        let mut found = unite(by_server);
        if let Some(shown) = shown.filter(|_| target.is_root()) {
            let views: Vec<_> = trees
                .iter()
                .map(|(server, it)| (*server, it.uids_by_name()))
                .collect();
            found.extend(self.announced(shown, &views)?);
        }
        Ok((found, checked))
    }

    /// What lies in a folder of the Maildir, and what is around that; `None`: the folder is not there. Whether
    /// the folder `is_shown` by POP3.
    fn on_disk(
        &self,
        path: &FolderPath,
        target: &MaildirFolder,
        is_shown: bool,
    ) -> Result<Option<(Disk, Surroundings)>, Problem> {
        let root = &self.user.maildir;
        let told = |error| {
            let mut place = root.clone();
            place.extend(target.components());
            let mut problem = target_problem(&format!("read {}", place.display()), error);
            // The other folders can be looked at.
            problem.reach = match problem.reach {
                Reach::User => Reach::Folder,
                other => other,
            };
            problem.in_folder(path)
        };
        let lists = self.policy().lists(target.is_root());
        let Some(mut disk) = disk::read(root, target, lists).map_err(told)? else {
            return Ok(None);
        };
        let surroundings = Surroundings {
            access: std::mem::take(&mut disk.surroundings),
            owner: self.owner()?,
            messages: Messages::open(root, target).map_err(told)?,
            orders_dates: target.is_root() && is_shown && self.orders_dates(),
        };
        Ok(Some((disk, surroundings)))
    }

    /// What one server shows of a folder over IMAP.
    fn shown_over_imap(
        &self,
        old: &Old<'_>,
        shown: Option<&Shown>,
        tree: &mut Tree,
        surroundings: &Surroundings,
        compared: Compared,
    ) -> Vec<Difference> {
        let path = old.path;
        tree.judge_sizes();
        tree.judge_access(&surroundings.access, surroundings.owner);
        let servers = self.context.config.target.servers;
        let rules = Rules {
            keywords: servers.dovecot || servers.courier,
            date_tolerance: (!surroundings.orders_dates).then_some(0),
            sizes: true,
        };
        let mut found = without_lies(compare(path, &old.view(), &tree.view(), rules), &compared);
        found.extend(tree.faults.iter().map(|fault| told_of(path, fault)));
        found.extend(tree.unlisted.iter().map(|file| {
            let is = format!(
                "{}: no UID is known for it, and it gets a new one",
                file.name
            );
            Difference::new(Some(path), What::Extra, "", is)
        }));
        if let Some(shown) = shown.filter(|_| surroundings.orders_dates) {
            found.extend(dates_of(old, tree, shown));
        }
        found.extend(compared.differences);
        found
    }

    /// Whether the dates of INBOX carry the POP3 order.
    pub(super) fn orders_dates(&self) -> bool {
        let config = self.context.config;
        config.target.servers.qmail && config.uidls.pop3_order == Pop3Order::Order
    }

    /// How each IMAP server of the Maildir gives UIDs to a folder. Where there is none, qmail's: who reads
    /// mail there reads files.
    pub(super) fn numberings(&self, target: &MaildirFolder) -> Vec<(&'static str, Numbering)> {
        let lists = self.policy().lists(target.is_root());
        let own = lists.own.map_or(Numbering::Names, Numbering::List);
        let servers = self.context.config.target.servers;
        let dovecot = (DOVECOT, own, servers.dovecot);
        let courier = (COURIER, Numbering::Courier, servers.courier);
        let qmail = (QMAIL, own, !servers.dovecot && !servers.courier);
        let all = [dovecot, courier, qmail].into_iter();
        all.filter(|(.., is_served)| *is_served)
            .map(|(server, numbering, _)| (server, numbering))
            .collect()
    }

    /// Who is to own everything: who was to own it, or else whoever owns the Maildir.
    pub(super) fn owner(&self) -> Result<Owner, Problem> {
        if let Some(owner) = self.user.owner {
            return Ok(owner);
        }
        let root = &self.user.maildir;
        let told = |error| target_problem(&format!("read the Maildir {}", root.display()), error);
        let access = disk::owner(root).map_err(told)?;
        Ok(Owner {
            uid: access.uid,
            gid: access.gid,
        })
    }

    /// Whether a file is a copy of a message in another folder that --pop3-collect has put here.
    fn is_copy(&self, old: &Old<'_>, shown: &Shown, uid: Uid, file: &File) -> bool {
        self.context.config.uidls.collect
            && old.entry(uid).is_none()
            && match Identity::parse(file.base()) {
                Some(Identity::Pop3(..)) => true,
                Some(Identity::Imap(..)) => false,
                None => shown.has_copy(file.base().as_bytes()),
            }
    }

    /// Finds out the sizes with CRLF line ends: by the name of the file where that says the same as the
    /// old server, else by reading it. What has been `counted` is not counted again.
    fn measure(
        &self,
        messages: &Messages,
        old: &Old<'_>,
        tree: &mut Tree,
        numbering: Numbering,
        counted: &mut HashMap<Box<str>, LineEnds>,
    ) -> Result<(), Problem> {
        for (entry, file) in tree.entries.iter_mut().zip(&tree.files) {
            let Some(was) = old.entry(entry.uid) else {
                continue;
            };
            let name = file.name.as_bytes();
            let is_whole = size_in_name(name, b'S') == Some(file.size);
            if is_whole && size_in_name(name, b'W') == Some(was.size) {
                entry.size = was.size;
                continue;
            }
            let line_ends = match counted.get(&file.name) {
                Some(line_ends) => *line_ends,
                None => {
                    let line_ends = messages
                        .file(&content::on_disk(file))
                        .and_then(|mut opened| LineEnds::count(&mut opened));
                    match line_ends {
                        Ok(line_ends) => line_ends,
                        // A server has renamed it since.
                        Err(error) if error.kind() == ErrorKind::NotFound => continue,
                        Err(error) => {
                            let doing = format!("read {}", file.name);
                            return Err(target_problem(&doing, error).in_folder(old.path));
                        }
                    }
                }
            };
            counted.insert(file.name.clone(), line_ends);
            entry.size = match numbering {
                Numbering::Courier => line_ends.each_lf_as_crlf(),
                Numbering::List(_) | Numbering::Names => line_ends.virtual_size(),
            };
            let fault = judge_virtual_size(entry.uid, file, line_ends.virtual_size());
            tree.faults.extend(fault);
        }
        Ok(())
    }

    /// Reads a sample of the messages on both sides, those whose files have other names than they should, and
    /// those whose sizes differ; of a tree of which `first` has been looked at, those that are other files
    /// there.
    fn contents(
        &mut self,
        session: &mut imap::Session,
        old: &Old<'_>,
        (tree, first): (&Tree, Option<&Tree>),
        messages: &Messages,
    ) -> Result<Compared, Problem> {
        let content = self.context.verification.content;
        let (sample, more) = match first {
            None => {
                let sample = old.to_read(content, &self.user.name, &tree.entries);
                (sample, tree.misnamed())
            }
            Some(first) => (Default::default(), tree.other_files(first)),
        };
        let more = more.into_iter().filter(|uid| old.entry(*uid).is_some());
        let (chosen, suspects) = match content {
            Content::None => sample,
            Content::All | Content::Sample => content::with_certain(sample, more),
        };
        let mut files: BTreeMap<Uid, Vec<&File>> = BTreeMap::new();
        for (entry, file) in tree.entries.iter().zip(&tree.files) {
            files.entry(entry.uid).or_default().push(file);
        }
        in_two_goes(chosen, suspects, |wanted| {
            let was = self.read_imap(session, old.path, &old.wanted(wanted))?;
            content::with_files(old.path, messages, &files, wanted, &was)
        })
    }
}

/// What is around the messages of a folder.
struct Surroundings {
    access: Vec<(&'static str, Access)>,
    owner: Owner,
    messages: Messages,
    /// Whether the dates carry the POP3 order.
    orders_dates: bool,
}

/// The dates in which nothing can be seen but a change.
fn dates_of(old: &Old<'_>, tree: &Tree, shown: &Shown) -> Vec<Difference> {
    let dated: Vec<(Uid, Dated)> = tree
        .entries
        .iter()
        .map(|entry| {
            let dated = Dated {
                position: shown.positions.get(&entry.uid).copied(),
                date: old
                    .entry(entry.uid)
                    .and_then(|was| was.internal_date)
                    .map(i64::from),
                on_disk: entry.internal_date.map(i64::from),
            };
            (entry.uid, dated)
        })
        .collect();
    let wrong = dates::unexplained(&dated, now());
    let wrong = tree.entries.iter().zip(&dated).zip(wrong);
    let wrong = wrong.filter(|(_, is_wrong)| *is_wrong);
    let told = wrong.map(|((entry, (_, dated)), _)| {
        let shown = |date: Option<i64>| date.map(shown_date).unwrap_or_default();
        let (was, is) = (shown(dated.date), shown(dated.on_disk));
        Difference::new(Some(old.path), What::Date, was, is).at(Some(entry.uid))
    });
    told.collect()
}

/// What is wrong with a folder by itself.
pub(super) fn told_of(path: &FolderPath, fault: &Fault) -> Difference {
    Difference::new(Some(path), fault.what, &*fault.should, &*fault.is).at(fault.uid)
}
