//! Which folders there are, and which are subscribed.

use std::collections::HashSet;
use std::io::ErrorKind;

use super::Verify;
use super::difference::{Difference, What, add_live, unite};
use super::disk;
use super::live::New;
use super::tree::{COURIER, DOVECOT};
use crate::mail::FolderPath;
use crate::mail::subscriptions::{Form, Subscriptions};
use crate::naming::MaildirFolder;
use crate::naming::folder::subscription_line;
use crate::plan::Lists;
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
                let disk = disk::read(root, &folder, Lists::default()).map_err(told)?;
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
            add_live(&mut found, more.filter(|it| !is_inbox(it)).collect());
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
        let servers = target.servers;
        let dovecot = (DOVECOT, Form::Dovecot(target.layout), servers.dovecot);
        let forms = [dovecot, (COURIER, Form::Courier, servers.courier)];
        let mut by_server = Vec::new();
        for (server, form, _) in forms.into_iter().filter(|(.., is_served)| *is_served) {
            if self.has_tree() {
                by_server.push((server, self.subscribed(form, &wanted, choice)?));
            }
        }
        let mut found = unite(by_server);
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
            add_live(&mut found, told.collect());
        }
        Ok(found)
    }

    /// Subscriptions that the file of a server lacks, or has more than what is `wanted`.
    fn subscribed(
        &self,
        form: Form,
        wanted: &[FolderPath],
        choice: &Choice<'_>,
    ) -> Result<Vec<Difference>, Problem> {
        let target = self.context.config.target;
        let told = |error| target_problem(&format!("read {}", form.name()), error);
        let root = open_existing(&self.user.maildir, &MaildirFolder::root()).map_err(told)?;
        let bytes = match root {
            Some(root) => control::read(&root, form.name()).map_err(told)?,
            None => None,
        };
        let file = Subscriptions::parse(bytes.as_deref(), form);
        let is: HashSet<String> = file.names().into_iter().collect();
        let mut known = HashSet::new();
        let mut found = Vec::new();
        for path in wanted {
            // What the layout cannot hold has been told as a folder, where there is one.
            let line = subscription_line(path, target.layout, target.encoding);
            if !line.as_ref().is_ok_and(|line| is.contains(line)) {
                let gone = Difference::new(Some(path), What::Subscription, "subscribed", "");
                found.push(gone);
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
        Ok(found)
    }
}

fn is_inbox(difference: &Difference) -> bool {
    difference.folder.as_ref().is_some_and(FolderPath::is_inbox)
}
