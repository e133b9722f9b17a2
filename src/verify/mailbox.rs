//! All folders of a user with IMAP, one by one.

use std::collections::{BTreeMap, HashSet};

use super::content::{self, Compared};
use super::difference::{Difference, What};
use super::disk::{self, File};
use super::folder::{Rules, View, compare, shown_date};
use super::inbox::{Shown, announces_live};
use super::live::New;
use super::sample::chosen;
use super::tree::{Fault, Numbering, Tree, judge_virtual_size};
use super::{Logins, Opened, Verify, dates};
use crate::config::{Content, Owner, Pop3Order};
use crate::mail::subscriptions::Subscriptions;
use crate::mail::{Entry, FolderPath, KeywordTable, Uid, UidSet, UidValidity};
use crate::naming::folder::subscription_line;
use crate::naming::message::size_in_name;
use crate::naming::{Identity, MaildirFolder};
use crate::plan::folders::{Placed, place};
use crate::plan::order::Dated;
use crate::plan::selection::Choice;
use crate::problem::{Problem, Reach};
use crate::sink::export::now;
use crate::sink::line_ends::LineEnds;
use crate::sink::on_disk::{Messages, folders};
use crate::sink::{control, target_problem};
use crate::source::{FolderList, imap};

/// Where sizes differ and contents do not, so often: the old server does not tell the truth about
/// sizes, and they are no reason to read more.
const LIES: usize = 20;

/// A folder of the old server, as far as it is part of the job.
pub(super) struct Old<'f> {
    pub(super) path: &'f FolderPath,
    pub(super) validity: Option<UidValidity>,
    pub(super) uid_next: Option<u32>,
    /// Its messages, ascending by UID.
    pub(super) entries: Vec<Entry>,
    pub(super) keywords: KeywordTable,
    /// Messages that are not part of the job, on neither side.
    pub(super) left_out: UidSet,
}

impl Old<'_> {
    pub(super) fn view(&self) -> View<'_> {
        View {
            validity: self.validity,
            uid_next: self.uid_next,
            entries: &self.entries,
            keywords: &self.keywords,
        }
    }

    pub(super) fn entry(&self, uid: Uid) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid);
        self.entries.get(at.ok()?)
    }

    /// UIDs and announced sizes of `uids`, to be asked for.
    pub(super) fn wanted(&self, uids: &UidSet) -> Vec<(u32, u64)> {
        let entries = self.entries.iter().filter(|it| uids.contains(it.uid));
        entries.map(|it| (it.uid.value(), it.size)).collect()
    }

    /// Of the messages that `new` has as well: those to be read, and those whose sizes differ.
    pub(super) fn to_read(
        &self,
        content: Content,
        user: &str,
        new: &[Entry],
    ) -> (UidSet, Vec<Uid>) {
        let both = new.iter().filter(|it| self.entry(it.uid).is_some());
        let both: UidSet = both.map(|it| it.uid).collect();
        let chosen = chosen(content, user, self.path, &both);
        if content == Content::None {
            return (chosen, Vec::new());
        }
        let differs = |it: &&Entry| self.entry(it.uid).is_some_and(|was| was.size != it.size);
        let suspects = new.iter().filter(differs).map(|it| it.uid);
        let suspects = suspects.filter(|uid| !chosen.contains(*uid)).collect();
        (chosen, suspects)
    }
}

/// Leaves out what is said of the sizes of messages that are the same.
pub(super) fn without_lies(found: Vec<Difference>, compared: &Compared) -> Vec<Difference> {
    let is_lie = |it: &Difference| {
        it.what == What::Size && it.uid.is_some_and(|uid| compared.equal.contains(uid))
    };
    found.into_iter().filter(|it| !is_lie(it)).collect()
}

/// The sessions with the two servers.
struct Sessions {
    old: imap::Session,
    new: Option<New>,
}

impl Verify<'_> {
    /// All that a user with IMAP has.
    ///
    /// # Errors
    /// A server or the Maildir cannot be read, or the run is to stop.
    pub(super) fn by_imap(&mut self, logins: &Logins<'_>) -> Result<(), Problem> {
        let selection = &self.context.config.selection;
        let nothing = FolderList::default();
        let keeps_uidls = Choice::of(selection, self.user, &nothing).keeps_uidls();
        // POP3 first, as an export does: mail that comes in between is in IMAP only.
        let (mut maildrop, mut new_maildrop) = (None, None);
        if keeps_uidls && !self.done.contains(&FolderPath::inbox()) {
            maildrop = self.open_pop3(logins.pop3.as_ref(), false)?;
            new_maildrop = self.open_pop3(logins.new_pop3.as_ref(), true)?;
        }
        let Some(mut old) = self.open_imap(logins.imap.as_ref())? else {
            return Ok(());
        };
        let list = old.list_folders(false)?;
        let new = match self.open_imap(logins.new_imap.as_ref())? {
            Some(mut session) => {
                let list = session.list_folders(false)?;
                Some(New { session, list })
            }
            None => None,
        };
        let mut sessions = Sessions { old, new };
        let choice = Choice::of(selection, self.user, &list);
        let target = self.context.config.target;
        let placed = place(&list.folders, &choice, target.layout, target.encoding);
        for folder in &placed {
            self.go_on()?;
            let path = &folder.listed.path;
            if self.done.contains(path) {
                continue;
            }
            let drops = match path.is_inbox() {
                true => (maildrop.take(), new_maildrop.take()),
                false => (None, None),
            };
            match self.imap_folder(&mut sessions, &choice, folder, drops) {
                Err(problem) if problem.retry || problem.reach >= Reach::User => {
                    return Err(problem);
                }
                Err(problem) => {
                    let unseen = Difference::new(Some(path), What::Doubt, "", problem.to_string());
                    self.finding.take(vec![unseen]);
                }
                Ok(found) => self.finding.take(found),
            }
            self.done.insert(path.clone());
            self.finding.folders += 1;
        }
        let mut found = self.names(&list);
        found.extend(self.more_folders(&placed, &choice, sessions.new.as_ref())?);
        found.extend(self.subscriptions(&list, &choice, sessions.new.as_ref())?);
        self.finding.take(found);
        sessions.old.logout();
        if let Some(new) = sessions.new {
            new.session.logout();
        }
        Ok(())
    }

    /// Folders that the old server lists and that cannot be asked for.
    fn names(&self, list: &FolderList) -> Vec<Difference> {
        // Where only some folders are wanted, one that cannot even be named is none of them.
        let are_wanted = self.context.config.selection.folders.is_empty();
        let names = list.unusable.iter().filter(|_| are_wanted);
        let told = |name: &String| {
            let why = "the name makes no sense, and the folder cannot be asked for";
            Difference::new(None, What::Folder, name, why)
        };
        names.map(told).collect()
    }

    fn imap_folder(
        &mut self,
        sessions: &mut Sessions,
        choice: &Choice<'_>,
        folder: &Placed,
        (mut maildrop, new_maildrop): (Option<Opened>, Option<Opened>),
    ) -> Result<Vec<Difference>, Problem> {
        let (old, shown, mut found) =
            self.old_folder(&mut sessions.old, choice, folder, maildrop.as_mut())?;
        if let Some(opened) = maildrop {
            opened.session.quit();
        }
        let messages = old.entries.len() as u64;
        let mut checked = UidSet::default();
        if self.has_tree() {
            let (more, read) =
                self.against_tree(&mut sessions.old, &old, folder, shown.as_ref())?;
            found.extend(more);
            checked.extend(read.iter());
        }
        if let Some(new) = &mut sessions.new {
            let (more, read) = self.against_new(&mut sessions.old, new, &old, folder)?;
            add_new(&mut found, more);
            checked.extend(read.iter());
        }
        if let (Some(opened), Some(shown)) = (new_maildrop, &shown) {
            let (more, risk) = shown.compare(&announces_live(&opened.listing), true);
            self.note_risk(risk);
            add_new(&mut found, more);
            opened.session.quit();
        }
        self.finding.messages += messages;
        self.finding.content_checked += checked.len();
        Ok(found)
    }

    /// What the old server has in a folder, and what it shows of it over POP3.
    fn old_folder<'f>(
        &mut self,
        session: &mut imap::Session,
        choice: &Choice<'_>,
        folder: &'f Placed,
        maildrop: Option<&mut Opened>,
    ) -> Result<(Old<'f>, Option<Shown>, Vec<Difference>), Problem> {
        let path = &folder.listed.path;
        let examined = session.examine(&folder.listed)?;
        let list = session.list_messages(examined.exists)?;
        let keys = choice.search_keys();
        let found = keys.map(|keys| session.search(keys, &list.entries));
        let found = found.transpose()?;
        let selected = choice.messages(&list.entries, found.as_ref(), now());
        let is_selected = |uid| selected.as_ref().is_none_or(|set| set.contains(uid));
        let uids = list.entries.iter().map(|it| it.uid);
        let mut left_out: UidSet = uids.filter(|uid| !is_selected(*uid)).collect();
        let mut differences = Vec::new();
        let shown = match maildrop {
            Some(opened) if opened.listing.has_uidls => {
                let pairing = self.pair(session, opened, &examined, &list)?;
                let listing = &opened.listing;
                Some(Shown::paired(listing, &pairing, &list.entries, &left_out))
            }
            Some(_) => {
                let why = "the old POP3 server gives no UIDLs: there are none to compare";
                differences.push(Difference::new(Some(path), What::Doubt, why, ""));
                None
            }
            None => None,
        };
        for (uid, why) in &list.unreadable {
            left_out.extend(*uid);
            let told = format!("the old server does not list it: {why}");
            differences.push(Difference::new(Some(path), What::Doubt, told, "").at(*uid));
        }
        let entries = list.entries.into_iter();
        let old = Old {
            path,
            validity: examined.uid_validity,
            uid_next: examined.uid_next,
            entries: entries.filter(|it| is_selected(it.uid)).collect(),
            keywords: list.keywords,
            left_out,
        };
        Ok((old, shown, differences))
    }

    /// A folder of the old server against its directory; and the messages that were read.
    fn against_tree(
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
        let list_file = self.policy().list_file(target);
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
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
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

    /// Folders of the new side that the old one does not have.
    fn more_folders(
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
            for folder in folders(root, target.layout).map_err(told)? {
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
    fn subscriptions(
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
        if self.has_tree() && target.servers.dovecot {
            let told = |error| target_problem("read the subscriptions", error);
            let root = crate::sink::tree::open_dir(rustix::fs::CWD, &self.user.maildir);
            let bytes = control::read(&root.map_err(told)?, "subscriptions").map_err(told)?;
            let file = Subscriptions::parse(bytes.as_deref(), target.layout);
            let is: HashSet<String> = file.names().collect();
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

/// Reads what is chosen and the first of the suspects; the other suspects only where one of those was
/// rightly suspected.
pub(super) fn in_two_goes(
    chosen: UidSet,
    suspects: Vec<Uid>,
    mut read: impl FnMut(&UidSet) -> Result<Compared, Problem>,
) -> Result<Compared, Problem> {
    let (first, rest) = suspects.split_at(suspects.len().min(LIES));
    let mut wanted = chosen;
    wanted.extend(first.iter().copied());
    let mut compared = read(&wanted)?;
    let rest: UidSet = rest.iter().copied().collect();
    if rest.is_empty() {
        return Ok(compared);
    }
    if first.iter().all(|uid| compared.equal.contains(*uid)) {
        compared.equal.extend(rest.iter());
        return Ok(compared);
    }
    let more = read(&rest)?;
    compared.checked.extend(more.checked.iter());
    compared.equal.extend(more.equal.iter());
    compared.differences.extend(more.differences);
    Ok(compared)
}

/// The dates in which nothing can be seen but a change.
fn dates_of(old: &Old<'_>, tree: &Tree, shown: &Shown) -> Vec<Difference> {
    let dated: Vec<Dated> = tree
        .entries
        .iter()
        .map(|entry| Dated {
            position: shown.positions.get(&entry.uid).copied(),
            date: old.entry(entry.uid).and_then(|was| was.internal_date),
            on_disk: entry.internal_date,
        })
        .collect();
    let wrong = dates::unexplained(&dated, now());
    let wrong = tree.entries.iter().zip(&dated).zip(wrong);
    let wrong = wrong.filter(|(_, is_wrong)| *is_wrong);
    let told = wrong.map(|((entry, dated), _)| {
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

/// Adds what the new server shows and the Maildir does not show already.
fn add_new(found: &mut Vec<Difference>, new: Vec<Difference>) {
    let known: HashSet<&Difference> = found.iter().collect();
    let fresh = new.into_iter().filter(|it| !known.contains(it));
    let fresh: Vec<Difference> = fresh.collect();
    found.extend(fresh);
}
