//! A folder of the old server against its directory in the Maildir.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use super::content::{self, Compared, in_two_goes, without_lies};
use super::difference::{Difference, What};
use super::disk::{self, File};
use super::folder::{Rules, compare, shown_date};
use super::inbox::Shown;
use super::mailbox::Old;
use super::tree::{Fault, Numbering, Tree, judge_virtual_size};
use super::{Verify, dates};
use crate::config::{Owner, Pop3Order};
use crate::mail::{FolderPath, Uid, UidSet};
use crate::naming::message::size_in_name;
use crate::naming::{Identity, MaildirFolder};
use crate::plan::folders::Placed;
use crate::plan::order::Dated;
use crate::problem::Problem;
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
        let root = &self.user.maildir;
        let told = |error| {
            let doing = format!("read {target} in {}", root.display());
            target_problem(&doing, error).in_folder(path)
        };
        let (numbering, list_file) = self.numbering(target);
        let Some(mut disk) = disk::read(root, target, list_file).map_err(told)? else {
            return Ok((gone(""), UidSet::default()));
        };
        let owner = self.owner()?;
        let surroundings = std::mem::take(&mut disk.surroundings);
        let mut tree = Tree::of(disk, numbering);
        let messages = Messages::open(root, target).map_err(told)?;
        tree.leave_out(|uid, file| {
            let is_copy = || shown.is_some_and(|shown| self.is_copy(old, shown, uid, file));
            old.left_out.contains(uid) || is_copy()
        });
        tree.judge_sizes();
        tree.judge_access(&surroundings, owner);
        self.measure(&messages, old, &mut tree)?;
        let servers = self.context.config.target.servers;
        let orders_dates = target.is_root() && shown.is_some() && self.orders_dates();
        let rules = Rules {
            keywords: servers.dovecot,
            date_tolerance: (!orders_dates).then_some(0),
            sizes: true,
        };
        let compared = self.contents(session, old, &tree, &messages)?;
        let mut found = without_lies(compare(path, &old.view(), &tree.view(), rules), &compared);
        found.extend(tree.faults.iter().map(|fault| told_of(path, fault)));
        found.extend(tree.unlisted.iter().map(|file| {
            let is = format!(
                "{}: no UID is known for it, and it gets a new one",
                file.name
            );
            Difference::new(Some(path), What::Extra, "", is)
        }));
        if let Some(shown) = shown.filter(|_| orders_dates) {
            found.extend(dates_of(old, &tree, shown));
        }
        if let Some(shown) = shown.filter(|_| target.is_root()) {
            let files = tree.entries.iter().zip(&tree.files);
            let uids = files
                .map(|(entry, file)| (file.base(), entry.uid))
                .collect();
            found.extend(self.announced(shown, &uids)?);
        }
        found.extend(compared.differences);
        Ok((found, compared.checked))
    }

    /// Whether the dates of INBOX carry the POP3 order.
    pub(super) fn orders_dates(&self) -> bool {
        let config = self.context.config;
        config.target.servers.qmail && config.uidls.pop3_order == Pop3Order::Order
    }

    /// How a folder gets its UIDs, and the name of its list.
    pub(super) fn numbering(&self, target: &MaildirFolder) -> (Numbering, Option<&'static str>) {
        let list_file = self.policy().lists(target.is_root()).own;
        let numbering = list_file.map_or(Numbering::Names, Numbering::List);
        (numbering, list_file)
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
    /// old server, else by reading it.
    fn measure(&self, messages: &Messages, old: &Old<'_>, tree: &mut Tree) -> Result<(), Problem> {
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
            let counted = messages
                .file(&content::on_disk(file))
                .and_then(|mut opened| LineEnds::count(&mut opened));
            let counted = match counted {
                Ok(counted) => counted,
                // A server has renamed it since.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    let doing = format!("read {}", file.name);
                    return Err(target_problem(&doing, error).in_folder(old.path));
                }
            };
            entry.size = counted.virtual_size();
            tree.faults
                .extend(judge_virtual_size(entry.uid, file, entry.size));
        }
        Ok(())
    }

    /// Reads a sample of the messages on both sides, and those whose sizes differ.
    fn contents(
        &mut self,
        session: &mut imap::Session,
        old: &Old<'_>,
        tree: &Tree,
        messages: &Messages,
    ) -> Result<Compared, Problem> {
        let content = self.context.verification.content;
        let mut files: BTreeMap<Uid, Vec<&File>> = BTreeMap::new();
        for (entry, file) in tree.entries.iter().zip(&tree.files) {
            files.entry(entry.uid).or_default().push(file);
        }
        let (chosen, suspects) = old.to_read(content, &self.user.name, &tree.entries);
        in_two_goes(chosen, suspects, |wanted| {
            let was = self.read_imap(session, old.path, &old.wanted(wanted))?;
            content::with_files(old.path, messages, &files, wanted, &was)
        })
    }
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
