//! A user without IMAP: INBOX is what POP3 lists.

use std::collections::HashMap;

use super::attempt::{Attempt, Left, Maildropped};
use super::folder::{Folder, skip};
use super::listing::Stamp;
use crate::mail::{FolderPath, Uidl};
use crate::naming::MaildirFolder;
use crate::plan::SourceFolder;
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::{self, Numbered};
use crate::plan::verdict::{Leftovers, judge};
use crate::problem::Problem;
use crate::sink::arrivals::Arrivals;
use crate::sink::export;
use crate::sink::tree::Tree;
use crate::source::{Maildrop, pop3};

impl Attempt<'_> {
    pub(super) fn export_pop3(
        &mut self,
        tree: Option<&Tree>,
        mut maildrop: Maildropped,
    ) -> Result<(), Problem> {
        let path = FolderPath::inbox();
        let target = MaildirFolder::root();
        self.memory.tally.begin_folder(&path);
        let disk = self.scan(&target, self.context.config.target.servers.qmail)?;
        let numbered = pop3_only::number(&maildrop.listing, &disk, export::now())?;
        self.note_numbered(&numbered);
        let folder = self.memory.tally.folder(&path);
        folder.messages = numbered.entries.len() as u64;
        folder.bytes = numbered.entries.iter().map(|entry| entry.size).sum();
        let mut left = None;
        let result = self.numbered_inbox(tree, &numbered, disk, &mut maildrop.session, &mut left);
        if result.is_err() {
            let all = || {
                let entries = numbered.entries.iter().zip(&numbered.numbers);
                entries
                    .map(|(entry, number)| (*number, entry.size))
                    .collect()
            };
            let left: Vec<(u32, u64)> = left.unwrap_or_else(all);
            self.memory.tally.folder(&path).pending = left
                .into_iter()
                .map(|(number, size)| {
                    let uidl = uidl_of(&maildrop.listing, number);
                    skip(&path, None, uidl, Some(size), "")
                })
                .collect();
        }
        maildrop.session.quit();
        let is_done = result.is_ok();
        self.go_on_after(&path, result)?;
        if is_done {
            self.carry_out_removals(tree)?;
        }
        Ok(())
    }

    fn numbered_inbox(
        &mut self,
        tree: Option<&Tree>,
        numbered: &Numbered,
        disk: OnDisk,
        session: &mut pop3::Session,
        left: &mut Left,
    ) -> Result<(), Problem> {
        let path = FolderPath::inbox();
        let target = MaildirFolder::root();
        let leftovers = Leftovers {
            missing: numbered
                .without_uidl
                .iter()
                .map(|(uid, why)| format!("number {uid}: {why}"))
                .collect(),
            extra: Vec::new(),
            may_be_elsewhere: false,
        };
        self.memory.tally.uidls_missing = leftovers.missing.len() as u64;
        judge(&leftovers, &self.context.config.uidls)?;
        let key = |index: usize| numbered.numbers[index];
        let folder = Folder {
            source: SourceFolder {
                owner: &self.user.name,
                path: &path,
                validity: numbered.validity,
                uid_next: numbered.uid_next,
                in_root: target.is_root(),
                entries: &numbered.entries,
                selected: None,
                keywords: &numbered.keywords,
                uidls: Some(&numbered.uidls),
                digests: Some(&numbered.digests),
            },
            target: &target,
            disk,
            seen: self.past(&path),
            rematched: HashMap::new(),
            stamp: Stamp::default(),
            key: &key,
            called: "POP3 message",
        };
        let mut fetch = |wanted: &[(u32, u64)], arrivals: &mut Arrivals<'_>| {
            let numbers: Vec<u32> = wanted.iter().map(|(number, _)| *number).collect();
            session.retrieve(&numbers, arrivals)
        };
        self.bring_up_to_date(&folder, tree, &mut fetch, left)
    }
}

fn uidl_of(maildrop: &Maildrop, number: u32) -> Option<String> {
    let mut entries = maildrop.entries.iter();
    let entry = entries.find(|entry| entry.number == number)?;
    entry.uidl.as_ref().map(Uidl::to_string)
}
