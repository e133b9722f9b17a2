//! A user without IMAP: INBOX is what POP3 lists, and there is nothing else.

use std::collections::{HashMap, HashSet};
use std::io;

use super::content::{self, Compared};
use super::difference::{Difference, What, add_live, unite};
use super::disk::{self, File};
use super::inbox::{Shown, announces_live, nameless};
use super::maildir::told_of;
use super::maildrop::SHOWN;
use super::sample::chosen;
use super::tree::{Fault, Tree, judge_virtual_size};
use super::{Logins, Opened, Verify};
use crate::announce;
use crate::mail::{FolderPath, PopEntry, Uid, UidSet, Uidl};
use crate::naming::MaildirFolder;
use crate::naming::message::size_in_name;
use crate::plan::selection::Choice;
use crate::problem::Problem;
use crate::sink::digest::read_back;
use crate::sink::line_ends::LineEnds;
use crate::sink::on_disk::Messages;
use crate::sink::target_problem;
use crate::source::{FolderList, Maildrop};
use crate::text::printable_bytes;

impl Verify<'_> {
    /// All that a user without IMAP has.
    ///
    /// # Errors
    /// A server or the Maildir cannot be read, or the run is to stop.
    pub(super) fn by_pop3(&mut self, logins: &Logins<'_>) -> Result<(), Problem> {
        let Some(mut old) = self.open_pop3(logins.pop3.as_ref(), false)? else {
            return Ok(());
        };
        let inbox = FolderPath::inbox();
        let mut found = Vec::new();
        if !old.listing.has_uidls {
            let why =
                "the old POP3 server gives no UIDLs: there is nothing to tell messages apart by";
            found.push(Difference::new(Some(&inbox), What::Doubt, why, ""));
        }
        let max_size = self.context.config.selection.max_size;
        let shown = Shown::of(&old.listing, max_size);
        let nameless = match old.listing.has_uidls {
            true => nameless(&old.listing, max_size),
            // That has been told of all of them.
            false => Vec::new(),
        };
        let messages = shown.len() + nameless.len() as u64;
        found.extend(nameless);
        let mut checked = UidSet::default();
        if let Some(place) = self.elsewhere() {
            let why = format!("it becomes {place}, where POP3 shows nothing: not looked at");
            found.push(Difference::new(Some(&inbox), What::Doubt, "", why));
        } else if self.has_tree() {
            let (more, read) = self.maildrop_against_tree(&mut old, &shown)?;
            found.extend(more);
            checked.extend(read.iter());
        }
        if let Some(mut new) = self.open_pop3(logins.new_pop3.as_ref(), true)? {
            let (more, risk) = shown.compare(&announces_live(&new.listing), false);
            self.note_risk(risk);
            add_live(&mut found, more);
            let (more, read) = self.maildrops(&mut old, &mut new)?;
            add_live(&mut found, more);
            checked.extend(read.iter());
            new.session.quit();
        }
        old.session.quit();
        self.finding.take(found);
        self.finding.folders = 1;
        self.finding.messages = messages;
        self.finding.content_checked = checked.len();
        Ok(())
    }

    /// Where INBOX goes, if it is not to be INBOX.
    fn elsewhere(&self) -> Option<FolderPath> {
        let list = FolderList::default();
        let choice = Choice::of(&self.context.config.selection, self.user, &list);
        let place = choice.destination(&FolderPath::inbox());
        (!place.is_inbox()).then_some(place)
    }

    /// The maildrop against INBOX of the Maildir; and the numbers of the messages that were read.
    fn maildrop_against_tree(
        &mut self,
        old: &mut Opened,
        shown: &Shown,
    ) -> Result<(Vec<Difference>, UidSet), Problem> {
        let inbox = FolderPath::inbox();
        let root = &self.user.maildir;
        let target = MaildirFolder::root();
        let told = |error| target_problem(&format!("read the Maildir {}", root.display()), error);
        let lists = self.policy().lists(true);
        let Some(mut disk) = disk::read(root, &target, lists).map_err(told)? else {
            let was = format!("{} messages", shown.len());
            let gone = Difference::new(Some(&inbox), What::Folder, was, "");
            return Ok((vec![gone], UidSet::default()));
        };
        let owner = self.owner()?;
        let surroundings = std::mem::take(&mut disk.surroundings);
        let messages = Messages::open(root, &target).map_err(told)?;
        let mut trees: Vec<(&'static str, Tree)> = Vec::new();
        for (server, numbering) in self.numberings(&target) {
            let mut tree = Tree::of(disk.clone(), numbering);
            tree.judge_sizes();
            tree.judge_doubles();
            tree.judge_access(&surroundings, owner);
            trees.push((server, tree));
        }
        let faults = |tree: &Tree| tree.faults.iter().map(|it| told_of(&inbox, it)).collect();
        let by_server = trees.iter().map(|(server, tree)| (*server, faults(tree)));
        let mut found = unite(by_server.collect());
        if let Some((_, tree)) = trees.first() {
            let wrong = wrong_virtual_sizes(tree, &messages).map_err(told)?;
            found.extend(wrong.iter().map(|it| told_of(&inbox, it)));
        }
        let views: Vec<_> = trees
            .iter()
            .map(|(server, it)| (*server, it.uids_by_name()))
            .collect();
        found.extend(self.announced(shown, &views)?);
        let files: HashMap<&str, &File> = disk.files.iter().map(|it| (it.base(), it)).collect();
        let (more, read) = self.maildrop_contents(old, &files, &messages)?;
        found.extend(more);
        Ok((found, read))
    }

    /// Reads a sample of the messages on both sides: each by its UIDL, as the first of the new servers
    /// announces it.
    fn maildrop_contents(
        &mut self,
        old: &mut Opened,
        files: &HashMap<&str, &File>,
        messages: &Messages,
    ) -> Result<(Vec<Difference>, UidSet), Problem> {
        let Some((_, server)) = self.servers().into_iter().next() else {
            return Ok((Vec::new(), UidSet::default()));
        };
        let announcement = announce::read(&self.user.maildir, &server)?;
        let entries = announcement.entries.iter();
        let names: HashMap<&[u8], &[u8]> = entries.map(|it| (&*it.uidl, &*it.base_name)).collect();
        let file_of = |entry: &PopEntry| -> Option<&File> {
            let name = names.get(bytes(entry.uidl.as_ref()?))?;
            files.get(std::str::from_utf8(name).ok()?).copied()
        };
        let both: Vec<(u32, &File)> = old
            .listing
            .entries
            .iter()
            .filter_map(|entry| Some((entry.number, file_of(&entry)?)))
            .collect();
        let numbers = both.iter().filter_map(|(number, _)| Uid::new(*number));
        let wanted = self.wanted(&numbers.collect(), &old.listing);
        let was = self.read_pop3(old, &wanted)?;
        let wanted: HashSet<u32> = wanted.iter().map(|(number, _)| *number).collect();
        let mut compared = Compared::default();
        let inbox = FolderPath::inbox();
        for (number, file) in both {
            if !wanted.contains(&number) {
                continue;
            }
            let is = read_back(messages, &content::on_disk(file)).map_err(|error| {
                target_problem(&format!("read {}", file.name), error).in_folder(&inbox)
            })?;
            note(
                &mut compared,
                &old.listing,
                number,
                was.get(&number),
                is.as_ref(),
            );
        }
        Ok((compared.differences, compared.checked))
    }

    /// Reads a sample of the messages from both servers.
    fn maildrops(
        &mut self,
        old: &mut Opened,
        new: &mut Opened,
    ) -> Result<(Vec<Difference>, UidSet), Problem> {
        let entries = new.listing.entries.iter();
        let there: HashMap<Uidl, (u32, u64)> = entries
            .filter_map(|it| Some((it.uidl?, (it.number, it.size))))
            .collect();
        let both: HashMap<u32, (u32, u64)> = old
            .listing
            .entries
            .iter()
            .filter_map(|it| Some((it.number, *there.get(&it.uidl?)?)))
            .collect();
        let numbers = both.keys().filter_map(|number| Uid::new(*number));
        let wanted = self.wanted(&numbers.collect(), &old.listing);
        let of_new = wanted.iter().filter_map(|(number, _)| both.get(number));
        let of_new: Vec<(u32, u64)> = of_new.copied().collect();
        let was = self.read_pop3(old, &wanted)?;
        let is = self.read_pop3(new, &of_new)?;
        let mut compared = Compared::default();
        for (number, _) in wanted {
            let there = both.get(&number).and_then(|(there, _)| is.get(there));
            note(&mut compared, &old.listing, number, was.get(&number), there);
        }
        Ok((compared.differences, compared.checked))
    }

    /// Those of the messages `numbers` that are to be read, with their sizes.
    fn wanted(&self, numbers: &UidSet, listing: &Maildrop) -> Vec<(u32, u64)> {
        let content = self.context.verification.content;
        let chosen = chosen(content, &self.user.name, &FolderPath::inbox(), numbers);
        let entries = listing.entries.iter();
        let chosen = entries.filter(|it| Uid::new(it.number).is_some_and(|it| chosen.contains(it)));
        chosen.map(|it| (it.number, it.size)).collect()
    }
}

/// Reads the files whose names say how many bytes they have with CRLF line ends: nothing else tells it.
fn wrong_virtual_sizes(tree: &Tree, messages: &Messages) -> io::Result<Vec<Fault>> {
    let mut wrong = Vec::new();
    for (entry, file) in tree.entries.iter().zip(&tree.files) {
        if size_in_name(file.name.as_bytes(), b'W').is_some() {
            let mut opened = messages.file(&content::on_disk(file))?;
            let counted = LineEnds::count(&mut opened)?;
            wrong.extend(judge_virtual_size(entry.uid, file, counted.virtual_size()));
        }
    }
    Ok(wrong)
}

fn bytes(uidl: &Uidl) -> &[u8] {
    uidl.as_str().as_bytes()
}

/// Notes what the sides have of the message of that number.
fn note(
    compared: &mut Compared,
    listing: &Maildrop,
    number: u32,
    old: Option<&blake3::Hash>,
    new: Option<&blake3::Hash>,
) {
    let Some(key) = Uid::new(number) else { return };
    let before = compared.differences.len();
    compared.note(&FolderPath::inbox(), key, old, new);
    let entries = &listing.entries;
    let uidl = entries
        .place_of(number)
        .and_then(|place| entries.uidl(place));
    for difference in compared.differences.iter_mut().skip(before) {
        // It has no UID on the old server.
        difference.uid = None;
        difference.uidl = uidl.as_ref().map(|it| printable_bytes(bytes(it), SHOWN));
    }
}
