//! One attempt to bring a user's Maildir up to date.

use std::cell::Cell;

use super::evidence::Sessions;
use super::{Context, Logins, Memory, interrupted};
use crate::config::{Account, Servers, User};
use tracing::Level;

use crate::mail::{FolderPath, Uidl};
use crate::matching::{self, ImapSide, Known, Pairing};
use crate::naming::MaildirFolder;
use crate::naming::folder::subscription_line;
use crate::plan::folders::{Placed, place};
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::{self, Numbered};
use crate::plan::verdict::{Leftovers, judge};
use crate::plan::{self, Announced, FolderPlan, Policy, SourceFolder, describe};
use crate::problem::{Kind, Problem, Reach};
use crate::report::{Skip, UserLog};
use crate::sink::export::{self, Arrivals, Job, Watch};
use crate::sink::maildir::scan;
use crate::sink::tree::Tree;
use crate::source::login::Login;
use crate::source::{Examined, FolderList, Maildrop, MessageList, Refused, imap, pop3};

/// So often may the connection break at one message before that message is given up.
const PATIENCE: u32 = 2;

pub(super) struct Attempt<'a> {
    pub(super) user: &'a User,
    pub(super) context: Context<'a>,
    pub(super) log: &'a UserLog,
    pub(super) logins: &'a Logins,
    pub(super) memory: &'a mut Memory,
}

/// The POP3 side of a user who has one.
struct Maildropped {
    session: pop3::Session,
    listing: Maildrop,
}

/// A folder of the source with where it goes and what fetches it.
struct Folder<'f> {
    source: SourceFolder<'f>,
    target: &'f MaildirFolder,
    disk: OnDisk,
    /// By what a message is asked for: its UID, or its POP3 number.
    key: &'f dyn Fn(usize) -> u32,
    /// What a message is called in messages to people.
    called: &'static str,
}

type Fetch<'f> = dyn FnMut(&[(u32, u64)], &mut Arrivals<'_>) -> Result<Refused, Problem> + 'f;

impl Attempt<'_> {
    pub(super) fn run(mut self) -> Result<(), Problem> {
        self.memory.tally.begin_attempt();
        self.memory.plan.clear();
        let tree = if self.context.config.dry_run {
            None
        } else {
            Some(Tree::create(
                &self.user.maildir,
                self.user.owner,
                self.context.config.target.fsync,
                self.context.syncer.clone(),
            )?)
        };
        // POP3 first: a mail that comes between the two listings is then in IMAP only, and is
        // picked up by the next run.
        let maildrop = self.open_maildrop()?;
        let written = self.memory.tally.added();
        if self.user.imap.is_some() {
            self.from_imap(tree.as_ref(), maildrop)?;
        } else if let Some(maildrop) = maildrop {
            self.from_pop3(tree.as_ref(), maildrop)?;
        }
        if let Some(tree) = &tree
            && self.memory.tally.added() > written
        {
            export::forget_quota(tree)?;
        }
        Ok(())
    }

    fn policy(&self) -> Policy {
        Policy {
            servers: self.context.config.target.servers,
            uidls: self.context.config.uidls,
        }
    }

    fn open_maildrop(&self) -> Result<Option<Maildropped>, Problem> {
        let (Some(account), Some(login)) = (&self.user.pop3, &self.logins.pop3) else {
            return Ok(None);
        };
        let connection = self.context.dialer.connect(&account.endpoint)?;
        let mut session = pop3::Session::open(connection, login, &account.endpoint)?;
        if self.memory.pop3_stumbled {
            session.disable_pipelining();
        }
        let listing = session.listing()?;
        self.log.line(
            Level::INFO,
            &format!(
                "POP3 at {}: {} messages",
                account.endpoint,
                listing.entries.len()
            ),
        );
        Ok(Some(Maildropped { session, listing }))
    }

    fn open_imap(&self, account: &Account, login: &Login) -> Result<imap::Session, Problem> {
        let connection = self.context.dialer.connect(&account.endpoint)?;
        imap::Session::open(connection, login, &account.endpoint)
    }

    fn from_imap(
        &mut self,
        tree: Option<&Tree>,
        mut maildrop: Option<Maildropped>,
    ) -> Result<(), Problem> {
        let (Some(account), Some(login)) = (&self.user.imap, &self.logins.imap) else {
            return Ok(());
        };
        let mut session = self.open_imap(account, login)?;
        let mut list = session.list_folders()?;
        self.log.line(
            Level::INFO,
            &format!(
                "IMAP at {}: {} folders",
                account.endpoint,
                list.folders.len()
            ),
        );
        self.tell_of_names(&list);
        let target = self.context.config.target;
        let folders = std::mem::take(&mut list.folders);
        for placed in place(folders, target.layout, target.encoding) {
            if self.stopped() {
                return Err(interrupted());
            }
            let maildrop = if placed.listed.path.is_inbox() {
                maildrop.take()
            } else {
                None
            };
            let result = self.imap_folder(&mut session, &placed, maildrop, tree);
            for warning in session.take_warnings() {
                self.log
                    .line(Level::WARN, &format!("the IMAP server says: {warning}"));
            }
            self.go_on_after(&placed.listed.path, result)?;
        }
        self.subscribe(tree, &list)?;
        session.logout();
        Ok(())
    }

    /// Whether the folders that follow can be worked on after `result`.
    fn go_on_after(
        &mut self,
        path: &FolderPath,
        result: Result<(), Problem>,
    ) -> Result<(), Problem> {
        match result {
            Ok(()) => Ok(()),
            Err(problem) => {
                let problem = problem.in_folder(path);
                let of_this_folder = problem.reach < Reach::User
                    || matches!(
                        problem.kind,
                        Kind::Pairing | Kind::Unholdable | Kind::Conflict
                    );
                if problem.retry || !of_this_folder {
                    return Err(problem);
                }
                self.log.line(Level::ERROR, &problem.to_string());
                self.memory.tally.folder(path).problem = Some(problem);
                Ok(())
            }
        }
    }

    fn tell_of_names(&mut self, list: &FolderList) {
        for name in &list.unusable {
            let what = format!("the name of folder {name} makes no sense; it was not exported");
            let problem = Problem::new(Kind::Unholdable, Reach::Folder, what)
                .with_hint("rename the folder on the old server and run again");
            self.log.line(Level::ERROR, &problem.to_string());
            self.memory.tally.problems.push(problem);
        }
        if !list.foreign.is_empty() {
            let note = format!(
                "{} shared folders or folders of other users were left out: {}",
                list.foreign.len(),
                list.foreign.join(", ")
            );
            self.log.line(Level::INFO, &note);
            self.memory.tally.notes.push(note);
        }
        for folder in list.folders.iter().filter(|folder| folder.repaired) {
            let path = &folder.path;
            self.log.line(Level::WARN, &format!(
                "folder {path}: its name on the server is no valid mUTF-7 and was read as plain text"
            ));
        }
    }

    fn imap_folder(
        &mut self,
        session: &mut imap::Session,
        placed: &Placed,
        maildrop: Option<Maildropped>,
        tree: Option<&Tree>,
    ) -> Result<(), Problem> {
        let path = &placed.listed.path;
        self.memory.tally.begin_folder(path);
        let examined = session.examine(&placed.listed)?;
        let mut list = session.list_messages(examined.exists)?;
        self.count(path, &list);
        let mut left = None;
        let result = self.listed_folder(
            session, placed, examined, &mut list, maildrop, tree, &mut left,
        );
        if result.is_err() {
            let left = left.unwrap_or_else(|| {
                let entries = list.entries.iter();
                entries
                    .map(|entry| (entry.uid.value(), entry.size))
                    .collect()
            });
            self.memory.tally.folder(path).pending = left
                .into_iter()
                .map(|(uid, size)| skip(path, Some(uid), None, Some(size), ""))
                .collect();
        }
        result
    }

    fn count(&mut self, path: &FolderPath, list: &MessageList) {
        let folder = self.memory.tally.folder(path);
        folder.messages = (list.entries.len() + list.unreadable.len()) as u64;
        folder.bytes = list.entries.iter().map(|entry| entry.size).sum();
        for (uid, why) in &list.unreadable {
            let uid = uid.map(crate::mail::Uid::value);
            folder.skips.push(skip(path, uid, None, None, why));
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn listed_folder(
        &mut self,
        session: &mut imap::Session,
        placed: &Placed,
        mut examined: Examined,
        list: &mut MessageList,
        maildrop: Option<Maildropped>,
        tree: Option<&Tree>,
        left: &mut Option<Vec<(u32, u64)>>,
    ) -> Result<(), Problem> {
        let path = &placed.listed.path;
        let target = match &placed.target {
            Ok(target) => target,
            Err(problem) => return Err(restated(problem)),
        };
        let Some(validity) = examined.uid_validity else {
            return Err(Problem::new(
                Kind::Protocol,
                Reach::Folder,
                "the server gives no UIDVALIDITY, so nothing tells its messages apart from one run to the next",
            ));
        };
        let disk = self.scan(target, maildrop.is_some())?;
        let uidls = match maildrop {
            Some(maildrop) => {
                let known = known_pairs(&disk, validity);
                let pairing = self.pair(session, placed, &mut examined, list, maildrop, &known)?;
                Some(self.announced(list, &pairing))
            }
            None => None,
        };
        let uid_next = examined.uid_next.unwrap_or(1);
        let key = |index: usize| list.entries[index].uid.value();
        let folder = Folder {
            source: SourceFolder {
                owner: &self.user.name,
                path,
                validity,
                uid_next,
                entries: &list.entries,
                keywords: &list.keywords,
                uidls: uidls.as_deref(),
                digests: None,
            },
            target,
            disk,
            key: &key,
            called: "UID",
        };
        let mut fetch = |wanted: &[(u32, u64)], arrivals: &mut Arrivals<'_>| {
            let wanted: Vec<_> = wanted
                .iter()
                .filter_map(|(uid, size)| Some((crate::mail::Uid::new(*uid)?, *size)))
                .collect();
            session.fetch_bodies(&wanted, arrivals)
        };
        self.bring_up_to_date(&folder, tree, &mut fetch, left)
    }

    fn scan(&self, target: &MaildirFolder, has_pop3: bool) -> Result<OnDisk, Problem> {
        let policy = self.policy();
        let ordered_by_date = policy.servers.qmail && target.is_root() && has_pop3;
        scan(
            &self.user.maildir,
            target,
            policy.list_file(target),
            ordered_by_date,
        )
    }

    /// Pairs INBOX with the maildrop. When something is left over, both are listed once more: mail
    /// may have come or gone in between.
    fn pair(
        &mut self,
        session: &mut imap::Session,
        inbox: &Placed,
        examined: &mut Examined,
        list: &mut MessageList,
        mut maildrop: Maildropped,
        known: &[Known],
    ) -> Result<Pairing, Problem> {
        if !maildrop.listing.has_uidls {
            self.log
                .line(Level::WARN, &"the POP3 server gives no UIDLs");
        }
        let mut again = true;
        loop {
            let side = ImapSide {
                uid_validity: examined.uid_validity,
                entries: &list.entries,
            };
            let mut sessions = Sessions {
                imap: session,
                pop3: &mut maildrop.session,
            };
            let pairing = matching::pair(&side, &maildrop.listing, known, &mut sessions)?;
            let verdict = judge(
                &leftovers(&pairing, &maildrop.listing),
                &self.context.config.uidls,
            );
            let Err(problem) = verdict else {
                maildrop.session.quit();
                return Ok(pairing);
            };
            maildrop.session.quit();
            if !std::mem::take(&mut again) {
                return Err(problem);
            }
            let Some(fresh) = self.open_maildrop()? else {
                return Err(problem);
            };
            *examined = session.examine(&inbox.listed)?;
            let fresh_list = session.list_messages(examined.exists)?;
            let same_maildrop = same_uidls(&fresh.listing, &maildrop.listing);
            if same_maildrop && fresh_list.entries == list.entries {
                fresh.session.quit();
                return Err(problem);
            }
            self.log.line(
                Level::INFO,
                &"mail came or went while INBOX was read; both sides were listed again",
            );
            *list = fresh_list;
            self.count_again(&inbox.listed.path, list);
            maildrop = fresh;
        }
    }

    fn count_again(&mut self, path: &FolderPath, list: &MessageList) {
        self.memory.tally.begin_folder(path);
        self.count(path, list);
    }

    fn announced(&mut self, list: &MessageList, pairing: &Pairing) -> Vec<Option<Announced>> {
        let tally = &mut self.memory.tally;
        tally.uidls_missing = pairing.missing.len() as u64;
        tally.uidls_extra = pairing.extra.len() as u64;
        let stages: Vec<String> = pairing
            .counts()
            .iter()
            .map(|(stage, count)| format!("{count} by {stage}"))
            .collect();
        if !stages.is_empty() {
            self.log
                .line(Level::INFO, &format!("UIDLs paired: {}", stages.join(", ")));
        }
        for extra in &pairing.extra {
            let uidl = extra.uidl.as_ref().map_or("", Uidl::as_str);
            self.log.line(
                Level::WARN,
                &format!(
                    "UIDL {uidl} (POP3 message {}): {}",
                    extra.number, extra.reason
                ),
            );
        }
        for uid in &pairing.missing {
            self.log.line(
                Level::WARN,
                &format!("INBOX UID {uid} has no UIDL; POP3 clients will download it once more"),
            );
        }
        let entries = list.entries.iter();
        entries
            .map(|entry| {
                let (position, uidl) = pairing.of(entry.uid)?;
                Some(Announced {
                    position,
                    uidl: uidl.clone(),
                })
            })
            .collect()
    }

    fn from_pop3(&mut self, tree: Option<&Tree>, mut maildrop: Maildropped) -> Result<(), Problem> {
        let path = FolderPath::inbox();
        let target = MaildirFolder::root();
        self.memory.tally.begin_folder(&path);
        let disk = self.scan(&target, true)?;
        let numbered = pop3_only::number(&maildrop.listing, &disk, export::now())?;
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
        self.go_on_after(&path, result)
    }

    fn numbered_inbox(
        &mut self,
        tree: Option<&Tree>,
        numbered: &Numbered,
        disk: OnDisk,
        session: &mut pop3::Session,
        left: &mut Option<Vec<(u32, u64)>>,
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
                entries: &numbered.entries,
                keywords: &numbered.keywords,
                uidls: Some(&numbered.uidls),
                digests: Some(&numbered.digests),
            },
            target: &target,
            disk,
            key: &key,
            called: "POP3 message",
        };
        let mut fetch = |wanted: &[(u32, u64)], arrivals: &mut Arrivals<'_>| {
            let numbers: Vec<u32> = wanted.iter().map(|(number, _)| *number).collect();
            session.retrieve(&numbers, arrivals)
        };
        self.bring_up_to_date(&folder, tree, &mut fetch, left)
    }

    /// Plans a folder, and unless this is a dry run carries the plan out.
    fn bring_up_to_date(
        &mut self,
        folder: &Folder<'_>,
        tree: Option<&Tree>,
        fetch: &mut Fetch<'_>,
        left: &mut Option<Vec<(u32, u64)>>,
    ) -> Result<(), Problem> {
        let policy = self.policy();
        let plan = plan::plan(&folder.source, &folder.disk, &policy, export::now())?;
        self.note(folder, &plan);
        self.context.progress.expect_bytes(plan.bytes);
        let path = folder.source.path;
        let tally = self.memory.tally.folder(path);
        tally.kept = plan.kept.saturating_sub(tally.added);
        let Some(tree) = tree else {
            (tally.kept, tally.added) = (plan.kept, plan.deliveries);
            let lines =
                describe::lines(&folder.source, folder.target, &folder.disk, &plan, &policy);
            self.memory.plan.extend(lines);
            return Ok(());
        };
        let added = Cell::new(0);
        let progress = self.context.progress;
        let delivered = |bytes| {
            added.set(added.get() + 1);
            progress.message_done(bytes);
        };
        let watch = Watch {
            stop: self.context.stop,
            delivered: &delivered,
        };
        let job = Job {
            tree,
            target: folder.target,
            layout: self.context.config.target.layout,
            source: &folder.source,
            disk: &folder.disk,
            policy: &policy,
            plan: &plan,
        };
        let mut skips = Vec::new();
        let memory = &mut *self.memory;
        let result = export::carry_out(&job, watch, folder.key, &mut |arrivals| {
            let (wanted, hopeless) = sort_out(arrivals.missing(), path, memory);
            let result = fetch(&wanted, arrivals);
            let missing = arrivals.missing();
            let refused = match result {
                Ok(refused) => refused,
                Err(problem) => {
                    if problem.retry
                        && let Some((first, _)) =
                            missing.iter().find(|(key, _)| !hopeless.contains(key))
                    {
                        *memory.broke_at.entry((path.clone(), *first)).or_insert(0) += 1;
                    }
                    *left = Some(missing);
                    return Err(problem);
                }
            };
            for (key, size) in missing {
                let why = refused.iter().find(|(refused, _)| *refused == key).map_or(
                    if hopeless.contains(&key) {
                        "the connection broke each time this message was asked for"
                    } else {
                        "the server did not send it"
                    },
                    |(_, why)| why.as_str(),
                );
                skips.push((key, size, why.to_owned()));
            }
            Ok(())
        });
        let tally = self.memory.tally.folder(path);
        tally.added += added.get();
        if result.is_ok() {
            for (key, size, why) in skips {
                self.log.line(
                    Level::WARN,
                    &format!("folder {path}: {} {key}: {why}", folder.called),
                );
                let of_imap = folder.source.digests.is_none();
                let uid = of_imap.then_some(key);
                let uidl = self.uidl_by_key(folder, key);
                let row = skip(path, uid, uidl, Some(size), &why);
                self.memory.tally.folder(path).skips.push(row);
            }
            self.log.line(
                Level::INFO,
                &format!(
                    "folder {path}: {} added, {} were there",
                    added.get(),
                    plan.kept
                ),
            );
        }
        result.map(drop)
    }

    fn uidl_by_key(&self, folder: &Folder<'_>, key: u32) -> Option<String> {
        let uidls = folder.source.uidls?;
        let index = (0..uidls.len()).find(|index| (folder.key)(*index) == key)?;
        Some(uidls[index].as_ref()?.uidl.to_string())
    }

    fn note(&mut self, folder: &Folder<'_>, plan: &FolderPlan) {
        let path = folder.source.path;
        let mut notes = Vec::new();
        if !plan.homeless_keywords.is_empty() {
            let servers = self.context.config.target.servers;
            let why = if matches!(servers, Servers { dovecot: true, .. }) {
                "a Maildir holds 26 keywords; these are left out"
            } else {
                "qmail holds no keywords; these are left out"
            };
            notes.push(format!(
                "folder {path}: {why}: {}",
                plan.homeless_keywords.join(", ")
            ));
        }
        if plan.order_breaks > 0 {
            notes.push(format!(
                "folder {path}: the dates do not keep the POP3 order in {} places",
                plan.order_breaks
            ));
        }
        for (uid, uidl, why) in &plan.unholdable {
            self.log.line(
                Level::WARN,
                &format!("folder {path}: UID {uid}: qmail cannot hold the UIDL {uidl}: {why}"),
            );
        }
        if !plan.unholdable.is_empty() {
            notes.push(format!(
                "folder {path}: qmail cannot hold {} UIDLs; POP3 clients will download those messages once more",
                plan.unholdable.len()
            ));
        }
        for note in notes {
            self.log.line(Level::WARN, &note);
            self.memory.tally.notes.push(note);
        }
        let tally = &mut self.memory.tally;
        tally.uidls += plan.uidls;
        tally.max_date_shift = tally.max_date_shift.max(plan.max_date_shift);
    }

    fn subscribe(&mut self, tree: Option<&Tree>, list: &FolderList) -> Result<(), Problem> {
        let target = self.context.config.target;
        if !target.servers.dovecot {
            return Ok(());
        }
        let mut lines = Vec::new();
        for path in &list.subscribed {
            match subscription_line(path, target.layout, target.encoding) {
                Ok(line) => lines.push(line),
                Err(fault) => self.log.line(
                    Level::WARN,
                    &format!("the subscription of {path} cannot be kept: {fault}"),
                ),
            }
        }
        match tree {
            Some(tree) => {
                let added = export::subscribe(tree, target.layout, &lines)?;
                if added > 0 {
                    self.log
                        .line(Level::INFO, &format!("{added} subscriptions added"));
                }
            }
            None => {
                let new = export::new_subscriptions(&self.user.maildir, target.layout, &lines)?;
                if new > 0 {
                    self.memory.plan.push(format!("  subscriptions: add {new}"));
                }
            }
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.context.stop.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Splits what is missing into what is asked for and what has been given up.
fn sort_out(
    missing: Vec<(u32, u64)>,
    path: &FolderPath,
    memory: &Memory,
) -> (Vec<(u32, u64)>, Vec<u32>) {
    let given_up = |key: u32| {
        memory
            .broke_at
            .get(&(path.clone(), key))
            .is_some_and(|times| *times >= PATIENCE)
    };
    let hopeless: Vec<u32> = missing
        .iter()
        .map(|(key, _)| *key)
        .filter(|key| given_up(*key))
        .collect();
    let wanted = missing
        .into_iter()
        .filter(|(key, _)| !hopeless.contains(key))
        .collect();
    (wanted, hopeless)
}

/// What an earlier run has written into the list file.
fn known_pairs(disk: &OnDisk, validity: crate::mail::UidValidity) -> Vec<Known> {
    let Some(list) = disk
        .uidlist
        .as_ref()
        .filter(|list| list.validity == validity)
    else {
        return Vec::new();
    };
    let lines = list.lines.iter();
    lines
        .filter_map(|line| {
            let uidl = Uidl::parse(line.field('P')?.as_bytes()).ok()?;
            Some(Known {
                uid: line.uid,
                uidl,
            })
        })
        .collect()
}

fn leftovers(pairing: &Pairing, maildrop: &Maildrop) -> Leftovers {
    let shown = |number: u32| {
        let mut faulty = maildrop.faulty.iter();
        faulty
            .find(|(faulty, _, _)| *faulty == number)
            .map(|(_, text, fault)| format!("POP3 message {number}, UIDL \"{text}\": {fault}"))
    };
    Leftovers {
        missing: pairing
            .missing
            .iter()
            .map(|uid| format!("UID {uid}"))
            .collect(),
        extra: pairing
            .extra
            .iter()
            .map(|extra| {
                shown(extra.number).unwrap_or_else(|| match &extra.uidl {
                    Some(uidl) => format!("{uidl}: {}", extra.reason),
                    None => format!("POP3 message {}: {}", extra.number, extra.reason),
                })
            })
            .collect(),
    }
}

fn same_uidls(a: &Maildrop, b: &Maildrop) -> bool {
    a.entries == b.entries
}

fn uidl_of(maildrop: &Maildrop, number: u32) -> Option<String> {
    let mut entries = maildrop.entries.iter();
    let entry = entries.find(|entry| entry.number == number)?;
    entry.uidl.as_ref().map(Uidl::to_string)
}

fn skip(
    path: &FolderPath,
    uid: Option<u32>,
    uidl: Option<String>,
    size: Option<u64>,
    reason: &str,
) -> Skip {
    Skip {
        folder: path.to_string(),
        uid,
        uidl,
        size,
        reason: reason.to_owned().into(),
    }
}

/// The same problem once more: it is kept in the plan of the folders.
fn restated(problem: &Problem) -> Problem {
    let again = Problem::new(problem.kind, problem.reach, problem.what());
    match problem.hint() {
        Some(hint) => again.with_hint(hint),
        None => again,
    }
}
