//! `mailseed retarget`: the control files and names of other servers, made from a tree that has been
//! exported, without a network.
//!
//! What the old servers know of a folder takes the place of a source (`known`); the plan that makes
//! the tree like it is that of an export to the new servers, and is carried out as such: files get their
//! names before any list mentions them, each list is replaced as a whole, and a run that was cut is
//! ended by the next. Nothing of the old servers is removed.

mod announced;
pub mod journal;
mod known;
mod notes;
mod places;

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::announce;
use crate::config::{FolderEncoding, Fsync, Layout, Mode, Owner, Rerun, Servers, UidlPolicy};
use crate::mail::FolderPath;
use crate::naming::MaildirFolder;
use crate::plan::{self, FolderPlan, Lists, Past, Policy, SourceFolder, describe};
use crate::problem::{Kind, Problem, Reach};
use crate::sink::export::{self, Job, Watch};
use crate::sink::list_lock::ListLock;
use crate::sink::on_disk::{self, scan};
use crate::sink::sync::Syncer;
use crate::sink::target_problem;
use crate::sink::tree::Tree;
use crate::text::printable;
use journal::Journal;
use known::Known;
use places::Moved;

/// A tree and what is to become of it.
#[derive(Debug)]
pub struct Retarget {
    /// The tree.
    pub maildir: PathBuf,
    /// The servers whose files are true.
    pub from: Servers,
    /// The one of them whose UIDLs are.
    pub announcer: announce::Server,
    /// The servers that are to serve it.
    pub to: Servers,
    /// How folders lie on disk.
    pub layout: Layout,
    /// How their names are encoded now.
    pub from_encoding: FolderEncoding,
    /// How they are to be.
    pub to_encoding: FolderEncoding,
    /// What happens in doubt about UIDLs.
    pub uidls: UidlPolicy,
    /// Who is to own the files.
    pub owner: Option<Owner>,
    /// When data is forced to disk.
    pub fsync: Fsync,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Messages in all folders.
    pub messages: u64,
    /// Messages of INBOX that the new POP3 servers announce as the old one does.
    pub uidls: u64,
    /// What the new servers cannot hold, in words.
    pub lost: Vec<String>,
}

/// One folder that has been looked at.
struct Folder {
    place: MaildirFolder,
    /// Its name.
    path: FolderPath,
    /// Where it is to lie.
    destination: MaildirFolder,
}

impl Retarget {
    /// Does it, and tells on `out` what was done.
    ///
    /// # Errors
    /// The tree cannot be read or written, or holds what the new servers cannot: then nothing has been
    /// changed.
    pub fn run(&self, stop: &AtomicBool, out: &mut impl Write) -> Result<Outcome, Problem> {
        let told = |error| target_problem(&format!("read {}", self.maildir.display()), error);
        if !self.maildir.join("cur").is_dir() {
            let gone = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no Maildir");
            return Err(told(gone).with_hint("name the directory that has cur, new and tmp"));
        }
        let mut outcome = Outcome::default();
        let folders = on_disk::folders(&self.maildir, self.layout).map_err(told)?;
        let moved = Moved::read(&self.maildir)?;
        let folders = self.placed(folders, &moved, &mut outcome)?;
        // All is foreseen before anything is done.
        for folder in &folders {
            self.look_at(folder, &mut outcome, out)?;
        }
        if self.dry_run {
            places::subscribe(self, None)?;
            return Ok(outcome);
        }
        let syncer = Arc::new(Syncer::default());
        let tree = Tree::create(&self.maildir, self.owner, self.fsync, syncer)?;
        for folder in &folders {
            self.carry_out(folder, &tree, stop)?;
        }
        moved.carry_out(self, &tree, &folders)?;
        places::subscribe(self, Some(&tree))?;
        Ok(outcome)
    }

    /// Where each folder lies and is to lie.
    fn placed(
        &self,
        folders: Vec<MaildirFolder>,
        moved: &Moved,
        outcome: &mut Outcome,
    ) -> Result<Vec<Folder>, Problem> {
        let mut placed = Vec::with_capacity(folders.len());
        let mut taken: HashSet<MaildirFolder> = HashSet::new();
        for place in folders {
            let is_there = moved.has(&place, self.to_encoding);
            let path = self.path_of(&place, moved);
            let destination = match place.is_root() || is_there || self.is_encoded_so() {
                true => Ok(place.clone()),
                false => MaildirFolder::of(&path, self.layout, self.to_encoding),
            };
            let destination = match destination {
                Ok(destination) => destination,
                Err(fault) => {
                    let what = format!("folder {path} stays as it is: {fault}");
                    outcome.lost.push(printable(&what));
                    continue;
                }
            };
            if !taken.insert(destination.clone()) {
                let what = format!("two folders are to lie in {destination}");
                return Err(Problem::new(Kind::Conflict, Reach::User, what).with_hint(
                    "if one of them is what an earlier run has made, remove the one that is empty",
                ));
            }
            placed.push(Folder {
                place,
                path,
                destination,
            });
        }
        Ok(placed)
    }

    /// The name of a folder. An earlier run that was cut may have moved the directories above it, and not
    /// the folder itself.
    fn path_of(&self, place: &MaildirFolder, moved: &Moved) -> FolderPath {
        let decoded = |place: &MaildirFolder| {
            let encoding = match moved.has(place, self.to_encoding) {
                true => self.to_encoding,
                false => self.from_encoding,
            };
            place.path(self.layout, encoding)
        };
        if place.components().len() < 2 {
            return decoded(place);
        }
        let to_each = (1..=place.components().len()).map(|depth| &place.components()[..depth]);
        let parts = to_each.filter_map(|to| {
            let path = decoded(&MaildirFolder::found(to.to_vec())?);
            path.parts().last().cloned()
        });
        FolderPath::new(parts.collect())
    }

    /// Plans a folder as it is now, and tells what is to be done.
    fn look_at(
        &self,
        folder: &Folder,
        outcome: &mut Outcome,
        out: &mut impl Write,
    ) -> Result<(), Problem> {
        let journal = Journal::read(&self.maildir, &folder.place)?;
        let Some(seen) = self.known(folder, &journal)? else {
            return Ok(());
        };
        let owner = self.owner_name();
        let source = seen.as_source(&owner, &folder.path, folder.place.is_root());
        let policy = self.policy();
        let disk = self.scan(folder, policy.lists(folder.place.is_root()))?;
        let plan = self.plan(&source, &seen, &disk)?;
        outcome.messages += source.entries.len() as u64;
        outcome.uidls += plan.uidls;
        let lost = notes::lost(&folder.path, self.to, &seen, &plan);
        outcome.lost.extend(lost);
        let names = (&folder.path, &folder.destination);
        let mut lines = describe::lines(&source, names, &disk, &plan, &policy);
        if folder.place != folder.destination {
            lines.push(format!(
                "    rename {} to {}",
                printable(&folder.place.to_string()),
                printable(&folder.destination.to_string())
            ));
        }
        // Nobody to tell is no failure.
        let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
        Ok(())
    }

    /// Does what is to be done in a folder, by what it is like with all lists locked.
    fn carry_out(&self, folder: &Folder, tree: &Tree, stop: &AtomicBool) -> Result<(), Problem> {
        // In the layout fs it may be there for the folders below it alone.
        if !on_disk::holds(&self.maildir, &folder.place, "cur") {
            return Ok(());
        }
        let is_root = folder.place.is_root();
        let marker = self.layout == Layout::MaildirPlusPlus;
        let dirs = tree.open_folder(&folder.place, marker)?;
        let _lock = ListLock::take(tree, &dirs, self.policy().lists(is_root), stop)?;
        let journal = Journal::read(&self.maildir, &folder.place)?;
        let Some(seen) = self.known(folder, &journal)? else {
            return Ok(());
        };
        let owner = self.owner_name();
        let source = seen.as_source(&owner, &folder.path, is_root);
        let policy = self.policy();
        let disk = self.scan(folder, policy.lists(is_root))?;
        let plan = self.plan(&source, &seen, &disk)?;
        let job = Job {
            tree,
            target: &folder.place,
            layout: self.layout,
            source: &source,
            disk: &disk,
            policy: &policy,
            plan: &plan,
        };
        let watch = Watch {
            stop,
            delivered: &|_| {},
            digested: None,
        };
        let renamed = journal.with(self.announcer_word(), &plan, &disk);
        if renamed != journal && !renamed.former.is_empty() {
            renamed.write(tree, &dirs)?;
        }
        let no_key = |_| 0;
        export::carry_out(&job, watch, &no_key, &mut |_| Ok(()))?;
        // Lists that say the new names need no others; names that are announced do.
        let is_by_names = is_root && !matches!(self.announcer, announce::Server::Dovecot(_));
        match is_by_names && !renamed.former.is_empty() {
            true => Ok(()),
            false => journal::forget(&dirs),
        }
    }

    /// The word for the old POP3 server.
    fn announcer_word(&self) -> &'static str {
        match self.announcer {
            announce::Server::Dovecot(_) => "dovecot",
            announce::Server::Qmail => "qmail",
            announce::Server::Courier => "courier",
        }
    }

    /// What the old servers know of a folder. `None`: it has no messages, and no list.
    fn known(&self, folder: &Folder, journal: &Journal) -> Result<Option<Known>, Problem> {
        let in_root = folder.place.is_root();
        let policy = Policy {
            servers: self.from,
            listed: self.from,
            ..self.policy()
        };
        let mut disk = self.scan(folder, policy.lists(in_root))?;
        if !disk.exists {
            return Ok(None);
        }
        if disk.uidlist.is_none() {
            // Where the old server has no UIDs, an earlier run may have given some.
            let lists = self.policy().lists(in_root);
            disk.uidlist = self.scan(folder, lists)?.uidlist;
        }
        let announced = match in_root {
            true => Some(self.announced(journal)?),
            false => None,
        };
        let announced = announced.as_deref();
        let known = Known::of(&disk, &journal.former, self.from, announced, export::now());
        known.map_err(|fault| {
            let hint = match &fault {
                known::Fault::SameName(_) => "give one of them another name, or remove it if both are one message",
                known::Fault::NoUidsLeft => "let the old server give the folder a new UIDVALIDITY: move its list of UIDs away",
            };
            Problem::new(Kind::Conflict, Reach::User, fault.to_string())
                .in_folder(&folder.path)
                .with_hint(hint)
        })
    }

    /// What the old POP3 server announces, or did before files were renamed.
    fn announced(&self, journal: &Journal) -> Result<Vec<known::Listed>, Problem> {
        let maildrop = announce::load(&self.maildir)?;
        let none = journal::Former::new();
        // Another server announces by the names that it finds.
        let former = match journal.is_of(self.announcer_word()) {
            true => &journal.former,
            false => &none,
        };
        Ok(announced::announced(
            &maildrop,
            &self.announcer,
            former,
            export::now(),
        ))
    }

    fn scan(&self, folder: &Folder, lists: Lists) -> Result<plan::on_disk::OnDisk, Problem> {
        scan(&self.maildir, &folder.place, lists, true)
    }

    fn plan(
        &self,
        source: &SourceFolder<'_>,
        seen: &Known,
        disk: &plan::on_disk::OnDisk,
    ) -> Result<FolderPlan, Problem> {
        let past = Past {
            seen: None,
            rematched: Some(&seen.uids),
        };
        let plan = plan::plan(source, &past, disk, &self.policy(), export::now())?;
        if !plan.removals.is_empty() || plan.deliveries > 0 {
            let what = "a plan for a tree as it is would deliver or remove messages";
            return Err(Problem::new(Kind::Internal, Reach::User, what).in_folder(source.path));
        }
        Ok(plan)
    }

    /// The tree is to become what the old servers say.
    fn policy(&self) -> Policy {
        Policy {
            servers: self.to,
            // A second run asks those of the old servers again.
            listed: self.to.with(self.from),
            uidls: self.uidls,
            rerun: Rerun {
                mode: Mode::Mirror,
                ..Rerun::default()
            },
        }
    }

    /// Whether folder names stay as they are.
    fn is_encoded_so(&self) -> bool {
        self.from_encoding.word() == self.to_encoding.word()
    }

    /// Makes the mailbox GUIDs of one tree differ from those of another.
    fn owner_name(&self) -> String {
        self.maildir.display().to_string()
    }
}
