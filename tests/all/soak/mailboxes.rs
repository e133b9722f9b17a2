//! Many small mailboxes on the disk of a real server, and what happens to them meanwhile: everything
//! that they have ever held is known.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::corpus::Random;
use crate::support::delivery::deliver;
use crate::support::dovecot::Dovecot;
use crate::support::{Layout, corpus, give_to_mail_owner};

const FOLDERS: [&str; 4] = ["Sent", "Trash", "Work", "Work/2024"];

/// All users' mail at the source.
pub(super) struct Mailboxes {
    users: Vec<User>,
    random: Random,
    messages: u64,
}

struct User {
    name: String,
    maildir: PathBuf,
    folders: Vec<&'static str>,
    /// What was ever there.
    known: HashSet<blake3::Hash>,
}

/// How often something has happened.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Changes {
    pub(super) new: u64,
    pub(super) marked: u64,
    pub(super) deleted: u64,
}

impl Mailboxes {
    /// Gives each of `names` a mailbox on `server`.
    pub(super) fn make(server: &Dovecot, names: &[String], seed: u64) -> Self {
        let mut all = Self {
            users: Vec::new(),
            random: Random::new(seed),
            messages: 0,
        };
        for name in names {
            let count = all.random.below(FOLDERS.len() as u64 + 1) as usize;
            let mut user = User {
                name: name.clone(),
                maildir: server.mail_dir(name),
                folders: FOLDERS[..count].to_vec(),
                known: HashSet::new(),
            };
            corpus::bare(&user.maildir, &[]);
            for folder in &user.folders {
                corpus::bare(
                    &corpus::directory(&user.maildir, Layout::MaildirPlusPlus, folder),
                    &[],
                );
            }
            give_to_mail_owner(&user.maildir);
            for _ in 0..all.random.below(13) {
                all.deliver(&mut user);
            }
            all.users.push(user);
        }
        all
    }

    /// How many messages there were in all.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Lets something happen to `count` users.
    pub(super) fn change(&mut self, count: usize) -> Changes {
        let mut changes = Changes::default();
        for _ in 0..count {
            let index = self.random.below(self.users.len() as u64) as usize;
            let mut user = self.users.swap_remove(index);
            match self.random.below(4) {
                0 | 1 => {
                    self.deliver(&mut user);
                    changes.new += 1;
                }
                2 => changes.marked += self.mark(&user),
                _ => changes.deleted += self.delete(&user),
            }
            self.users.push(user);
        }
        changes
    }

    fn deliver(&mut self, user: &mut User) {
        let random = &mut self.random;
        let folder = match random.below(user.folders.len() as u64 + 2) {
            index @ 2.. => user.folders[index as usize - 2],
            _ => "INBOX",
        };
        let lines = match random.below(40) {
            0 => 2_000 + random.below(6_000),
            _ => random.below(150),
        };
        self.messages += 1;
        let (name, number) = (&user.name, self.messages);
        let filler = "words of no meaning, and more of them\n".repeat(lines as usize);
        let message = format!("From: {name}\nSubject: {number}\n\n{filler}\nThis is {number}.\n");
        user.known.insert(blake3::hash(message.as_bytes()));
        let date = 1_500_000_000 + random.below(100_000_000).cast_signed();
        deliver(&user.maildir, folder, date, &message);
    }

    /// One of the user's messages, and the folder in which it lies.
    fn one_of(&mut self, user: &User) -> Option<(PathBuf, PathBuf)> {
        let mut files: Vec<PathBuf> = messages(&user.maildir)
            .filter(|path| path.parent().is_some_and(|dir| !dir.ends_with("tmp")))
            .collect();
        files.sort();
        let index = self.random.below(files.len().max(1) as u64) as usize;
        let path = files.into_iter().nth(index)?;
        let folder = path.parent()?.parent()?.to_owned();
        Some((path, folder))
    }

    /// As a server does when a client marks it; the real one may rename it first.
    fn mark(&mut self, user: &User) -> u64 {
        let Some((path, folder)) = self.one_of(user) else {
            return 0;
        };
        let name = path.file_name().unwrap_or_default().display().to_string();
        let base = name.split(":2,").next().unwrap_or_default();
        let letters = self.random.pick(&["", "S", "F", "RS", "FS"]);
        let marked = folder.join("cur").join(format!("{base}:2,{letters}"));
        u64::from(fs::rename(&path, marked).is_ok())
    }

    fn delete(&mut self, user: &User) -> u64 {
        let gone = self.one_of(user).map(|(path, _)| fs::remove_file(path));
        u64::from(matches!(gone, Some(Ok(()))))
    }

    /// What is wrong with the Maildirs that `target` names: messages that no source ever had, or another
    /// user's, or twice; anything in a `tmp`.
    pub(super) fn wrong(&self, target: impl Fn(&str) -> PathBuf) -> Vec<String> {
        let mut wrong = Vec::new();
        for user in &self.users {
            let maildir = target(&user.name);
            let mut seen: HashMap<blake3::Hash, PathBuf> = HashMap::new();
            for path in messages(&maildir) {
                let content = fs::read(&path).expect("nobody else is at work");
                let hash = blake3::hash(&content);
                let told = path.display();
                if path.parent().is_some_and(|dir| dir.ends_with("tmp")) {
                    wrong.push(format!("{told} was left"));
                } else if !user.known.contains(&hash) {
                    wrong.push(format!("{told} is no message of the source"));
                } else if let Some(other) = seen.insert(hash, path.clone()) {
                    wrong.push(format!("{told} is {} once more", other.display()));
                }
            }
        }
        wrong
    }
}

/// All files below the `cur`, `new` and `tmp` of a Maildir.
fn messages(maildir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = walkdir::WalkDir::new(maildir).into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(walkdir::DirEntry::into_path).filter(|path| {
        let dir = path.parent().and_then(Path::file_name);
        dir.is_some_and(|name| ["cur", "new", "tmp"].iter().any(|it| name == *it))
    })
}
