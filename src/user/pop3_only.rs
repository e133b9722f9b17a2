//! A user without IMAP: INBOX is what POP3 lists.

use std::collections::HashMap;

use super::allowance;
use super::attempt::Attempt;
use super::folder::{Folder, Skipping};
use super::imap_folder::Left;
use super::listing::Stamp;
use super::maildrop::Maildropped;
use crate::mail::{FolderPath, octets};
use crate::naming::MaildirFolder;
use crate::plan::SourceFolder;
use crate::plan::folders::place;
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::{self, Numbered};
use crate::plan::selection::Choice;
use crate::plan::verdict::{Leftovers, judge};
use crate::problem::{Kind, Problem, Reach};
use crate::sink::arrivals::Arrivals;
use crate::sink::export;
use crate::sink::tree::Tree;
use crate::source::{FolderList, ListedFolder, Maildrop, pop3};
use crate::state;

impl Attempt<'_> {
    pub(super) fn export_pop3(
        &mut self,
        tree: Option<&Tree>,
        mut maildrop: Maildropped,
    ) -> Result<(), Problem> {
        let path = FolderPath::inbox();
        self.memory.tally.begin_folder(&path);
        let place = match self.only_place() {
            Ok(place) => place,
            Err(problem) => {
                maildrop.session.quit();
                return self.go_on_after(&path, Err(problem));
            }
        };
        let dated = self.context.config.target.servers.qmail && place.1.is_root();
        let disk = self.scan_as_it_is(&place.1, dated)?;
        let max_size = self.context.config.selection.max_size;
        let known = self.memory.book.record.known(&path);
        let remembered = known.map(state::Folder::remembered).unwrap_or_default();
        let listing = &maildrop.listing;
        let numbered = pop3_only::number(listing, &disk, &remembered, max_size, export::now())?;
        drop(remembered);
        self.note_numbered(&numbered, &place.1);
        self.settle_numbered(&numbered);
        let folder = self.memory.tally.folder(&path);
        folder.left_out = numbered.left_out;
        folder.messages = numbered.entries.len() as u64;
        folder.bytes = octets(numbered.entries.iter().map(|entry| entry.size));
        let mut left = None;
        let session = &mut maildrop.session;
        let result = self.numbered_inbox(tree, &place, &numbered, disk, session, &mut left);
        if result.is_err() {
            let all = || {
                let entries = numbered.entries.iter().zip(&numbered.numbers);
                entries
                    .map(|(entry, number)| (*number, entry.size))
                    .collect()
            };
            let left: Vec<(u32, u64)> = left.unwrap_or_else(all);
            let skipping = Skipping::pending(&path);
            self.memory.tally.folder(&path).pending = left
                .into_iter()
                .map(|(number, size)| {
                    let uidl = uidl_of(&maildrop.listing, number);
                    skipping.row(None, uidl, Some(size))
                })
                .collect();
        }
        if let Err(problem) = result {
            maildrop.session.quit();
            return self.go_on_after(&path, Err(problem));
        }
        let deleted = self.delete_from_maildrop(maildrop.session, tree);
        self.go_on_after(&path, deleted)?;
        self.carry_out_removals(tree)
    }

    /// Where INBOX goes, the only folder that there is.
    fn only_place(&self) -> Result<(FolderPath, MaildirFolder), Problem> {
        let list = FolderList {
            folders: vec![ListedFolder {
                wire_name: "INBOX".to_owned(),
                path: FolderPath::inbox(),
                selectable: true,
                special_use: None,
                repaired: false,
                marks: None,
            }],
            ..FolderList::default()
        };
        let target = self.context.config.target;
        let choice = Choice::of(&self.context.config.selection, self.user, &list);
        let placed = place(&list.folders, &choice, target.layout, target.encoding);
        let inbox = placed
            .into_iter()
            .next()
            .ok_or_else(|| Problem::new(Kind::Internal, Reach::User, "INBOX is not selected"))?;
        Ok((inbox.destination, inbox.target?))
    }

    fn numbered_inbox(
        &mut self,
        tree: Option<&Tree>,
        (destination, target): &(FolderPath, MaildirFolder),
        numbered: &Numbered,
        mut disk: OnDisk,
        session: &mut pop3::Session,
        left: &mut Left,
    ) -> Result<(), Problem> {
        let path = FolderPath::inbox();
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
                // Elsewhere POP3 does not show them.
                uidls: target.is_root().then_some(&numbered.uidls),
                digests: Some(&numbered.digests),
                collected: None,
                is_whole: true,
            },
            destination,
            target,
            seen: self.past(&path),
            rematched: HashMap::new(),
            stamp: Stamp::default(),
            key: &key,
            called: "POP3 message",
        };
        self.mend(&folder, &mut disk, tree)?;
        let mut allowance = self.memory.allowance.take();
        let within = (self.context.turn, tree);
        let mut fetch = |wanted: Vec<(u32, u64)>, arrivals: &mut Arrivals<'_>| {
            allowance::fetch(&mut allowance, &wanted, within, &mut |piece| {
                let numbers: Vec<u32> = piece.iter().map(|(number, _)| *number).collect();
                session.retrieve(&numbers, arrivals)
            })
        };
        let result = self.bring_up_to_date(&folder, disk, tree, &mut fetch, left);
        self.memory.allowance = allowance;
        result
    }
}

fn uidl_of(maildrop: &Maildrop, number: u32) -> Option<String> {
    let entries = &maildrop.entries;
    let uidl = entries.uidl(entries.place_of(number)?)?;
    Some(uidl.to_string())
}
