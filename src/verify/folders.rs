//! Which folders there are, and which are subscribed.

use std::collections::HashSet;
use std::io::ErrorKind;

use super::Verify;
use super::difference::{Difference, What};
use super::disk;
use super::live::New;
use super::mailbox::add_new;
use crate::mail::FolderPath;
use crate::mail::subscriptions::{Form, Subscriptions};
use crate::naming::MaildirFolder;
use crate::naming::folder::subscription_line;
use crate::plan::folders::Placed;
use crate::plan::selection::Choice;
use crate::problem::Problem;
use crate::sink::on_disk::{folders, open_existing};
use crate::sink::{control, target_problem};
use crate::source::FolderList;

impl Verify<'_> {
    /// Folders that the old server lists and that cannot be asked for.
    pub(super) fn names(&self, list: &FolderList) -> Vec<Difference> {
        // Where only some folders are wanted, one that cannot even be named is none of them.
        let are_wanted = self.context.config.selection.folders.is_empty();
        let names = list.unusable.iter().filter(|_| are_wanted);
        let told = |name: &String| {
            let why = "the name makes no sense, and the folder cannot be asked for";
            Difference::new(None, What::Folder, name, why)
        };
        names.map(told).collect()
    }

    /// Folders of the new side that the old one does not have.
    pub(super) fn more_folders(
        &self,
        placed: &[Placed],
        choice: &Choice<'_>,
        new: Option<&New>,
    ) -> Result<Vec<Difference>, Problem> {
        let target = self.context.config.target;
        let mut found = Vec::new();
        if self.has_tree() {
            let root = &self.user.maildir;
            let told = |error| target_problem("list the folders of the Maildir", error);
            let used = placed.iter().filter_map(|it| it.target.as_ref().ok());
            let used: HashSet<&MaildirFolder> = used.collect();
            let there = match folders(root, target.layout) {
                // Nothing of the user is there, which each folder has told.
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                there => there.map_err(told)?,
            };
            for folder in there {
                let path = folder.path(target.layout, target.encoding);
                if folder.is_root() || used.contains(&folder) || !choice.reaches(&path) {
                    continue;
                }
                let disk = disk::read(root, &folder, None).map_err(told)?;
                found.extend(disk.map(|disk| {
                    let is = format!("{} messages", disk.files.len());
                    Difference::new(Some(&path), What::Folder, "", is)
                }));
            }
        }
        if let Some(new) = new {
            let used: HashSet<&FolderPath> = placed.iter().map(|it| &it.destination).collect();
            let more = new.list.folders.iter().filter(|it| it.selectable);
            let more = more.map(|it| &it.path);
            let more = more.filter(|path| !used.contains(path) && choice.reaches(path));
            let more = more.map(|path| Difference::new(Some(path), What::Folder, "", "there"));
            // INBOX is always there.
            add_new(&mut found, more.filter(|it| !is_inbox(it)).collect());
        }
        Ok(found)
    }

    /// Subscriptions that one side lacks.
    pub(super) fn subscriptions(
        &self,
        list: &FolderList,
        choice: &Choice<'_>,
        new: Option<&New>,
    ) -> Result<Vec<Difference>, Problem> {
        if list.subscriptions_refused {
            return Ok(Vec::new());
        }
        let target = self.context.config.target;
        let taken = list.subscribed.iter().filter(|path| choice.takes(path));
        let wanted: Vec<FolderPath> = taken.map(|path| choice.destination(path)).collect();
        let mut found = Vec::new();
        let dovecot = target
            .servers
            .dovecot
            .then_some(Form::Dovecot(target.layout));
        let courier = target.servers.courier.then_some(Form::Courier);
        for form in dovecot.into_iter().chain(courier) {
            if !self.has_tree() {
                break;
            }
            let told = |error| target_problem("read the subscriptions", error);
            let root = open_existing(&self.user.maildir, &MaildirFolder::root()).map_err(told)?;
            let bytes = match root {
                Some(root) => control::read(&root, form.name()).map_err(told)?,
                None => None,
            };
            let file = Subscriptions::parse(bytes.as_deref(), form);
            let is: HashSet<String> = file.names().into_iter().collect();
            let mut known = HashSet::new();
            for path in &wanted {
                // What the layout cannot hold has been told as a folder, where there is one.
                let line = subscription_line(path, target.layout, target.encoding);
                if !line.as_ref().is_ok_and(|line| is.contains(line)) {
                    found.push(Difference::new(
                        Some(path),
                        What::Subscription,
                        "subscribed",
                        "",
                    ));
                }
                known.extend(line);
            }
            let more = is.difference(&known).filter(|_| choice.is_everything());
            let mut more: Vec<&String> = more.collect();
            more.sort();
            found.extend(more.into_iter().map(|line| {
                let path = FolderPath::new(line.split('\t').map(str::to_owned).collect());
                Difference::new(Some(&path), What::Subscription, "", "subscribed")
            }));
        }
        if let Some(new) = new.filter(|new| !new.list.subscriptions_refused) {
            let was: HashSet<&FolderPath> = wanted.iter().collect();
            let is: HashSet<&FolderPath> = new.list.subscribed.iter().collect();
            let gone = was.difference(&is).map(|path| (*path, "subscribed", ""));
            let more = is.difference(&was).filter(|_| choice.is_everything());
            let more = more.map(|path| (*path, "", "subscribed"));
            let mut all: Vec<_> = gone.chain(more).collect();
            all.sort();
            let told = all
                .into_iter()
                .map(|(path, old, new)| Difference::new(Some(path), What::Subscription, old, new));
            add_new(&mut found, told.collect());
        }
        Ok(found)
    }
}

fn is_inbox(difference: &Difference) -> bool {
    difference.folder.as_ref().is_some_and(FolderPath::is_inbox)
}
