//! Two hosts: an old one that serves its users' mail, and a new one that serves what mailseed has
//! put there. Every message has a word of its own in it, its token, so that what is lost and what is
//! doubled is found by content.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::model::Merged;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::delivery::deliver;
use crate::support::disk_view::DiskView;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_client::Client;
use crate::support::imap_view::{FolderView, ImapView, MessageView};
use crate::support::pop3_view::Pop3Entry;
use crate::support::program::{self, Output};
use crate::support::report::{self, Row};
use crate::support::tree::{TempTree, listing};
use crate::support::wiretap::{Heard, Wiretap};
use crate::support::{Layout, compare, corpus, give_to_mail_owner};

/// UIDVALIDITY of INBOX of the first mail; each further folder has one more.
pub const FIRST_VALIDITY: u32 = 1_300_000_000;
/// UIDs of the first mail of INBOX, with gaps as years leave them.
pub const FIRST_UIDS: [u32; 6] = [3, 5, 6, 8, 9, 12];
/// UIDNEXT of INBOX of the first mail.
pub const FIRST_UID_NEXT: u32 = 20;
/// The date of mail that comes later, in seconds since 1970.
pub const LATER: i64 = 1_600_000_000;

/// The two servers, for all tests: to stop one takes Dovecot a second. They end with the program.
static SERVERS: LazyLock<(Dovecot, Dovecot)> = LazyLock::new(|| {
    let server = |uidl_format: &str| {
        Dovecot::start(DovecotOptions {
            any_password: true,
            uidl_format: uidl_format.to_owned(),
            ..DovecotOptions::default()
        })
    };
    (server("%g"), server("new-%v-%u"))
});

/// Two hosts and what lies between. Each pair has users of its own on the servers, `USER@domain`.
#[derive(Debug)]
pub struct Pair {
    /// The old host. Its UIDLs have nothing to do with UIDs.
    source: &'static Dovecot,
    /// What follows the users' names there.
    source_domain: String,
    /// The new host. A UIDL that it makes itself begins with `new-`.
    destination: &'static Dovecot,
    /// What follows the users' names there.
    domain: String,
    /// What mailseed writes.
    target: Target,
    imap: Wiretap,
    pop3: Wiretap,
    scratch: TempTree,
}

/// A finished run for several users.
#[derive(Debug)]
pub struct Run {
    /// What the program said.
    pub output: Output,
    /// What it asked over IMAP.
    pub imap: Heard,
    /// What it asked over POP3.
    pub pop3: Heard,
    rows: HashMap<String, Row>,
}

impl Pair {
    /// Both hosts; `users` have the [`first_mail`] on the old one.
    pub fn new<U: AsRef<str>>(users: &[U]) -> Self {
        let pair = Self::empty();
        for user in users {
            first_mail(&pair.source_maildir(user.as_ref()));
        }
        pair
    }

    /// Both hosts, without mail.
    pub fn empty() -> Self {
        let (source, destination) = &*SERVERS;
        let domain = new_domain();
        Self {
            imap: Wiretap::start(source.imap_port()),
            pop3: Wiretap::start(source.pop3_port()),
            source,
            source_domain: domain.clone(),
            destination,
            target: target_in(destination, &domain),
            domain,
            scratch: TempTree::new(),
        }
    }

    /// The same old host, and another new one to which nothing has been exported yet.
    pub fn into_another(self) -> Self {
        let domain = new_domain();
        Self {
            target: target_in(self.destination, &domain),
            domain,
            ..self
        }
    }

    /// The Maildir of a user of the old host, its home made.
    pub fn source_maildir(&self, user: &str) -> PathBuf {
        self.source
            .mail_dir(&format!("{user}{}", self.source_domain))
    }

    /// The Maildir that mailseed writes for a user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.target.maildir(user)
    }

    /// [`listing`] of it.
    pub fn listing(&self, user: &str) -> Vec<String> {
        listing(&self.maildir(user))
    }

    /// `mailseed export` of `users`, four at a time, whatever comes of it.
    pub fn export<U: AsRef<str>>(&self, users: &[U], more: &[&str]) -> Run {
        let source = Source::both(self.imap.port(), self.pop3.port());
        self.export_from(&source, users, more)
    }

    /// The same over POP3 alone.
    pub fn export_over_pop3<U: AsRef<str>>(&self, users: &[U], more: &[&str]) -> Run {
        let source = Source::both(self.imap.port(), self.pop3.port()).pop3_only();
        self.export_from(&source, users, more)
    }

    fn export_from<U: AsRef<str>>(&self, source: &Source, users: &[U], more: &[&str]) -> Run {
        let directory = tempfile::tempdir_in(self.scratch.path()).expect("scratch is writable");
        let list = directory.path().join("users.csv");
        let rows: String = users
            .iter()
            .map(|user| {
                let (user, domain) = (user.as_ref(), &self.source_domain);
                format!("{user},{user}{domain},{user}{domain}\n")
            })
            .collect();
        fs::write(&list, format!("user,imap_user,pop3_user\n{rows}")).expect("scratch is writable");
        let mut command = self.target.command("export", source, more);
        let report = directory.path().join("report");
        command
            .arg("--users")
            .arg(&list)
            .arg("--report")
            .arg(&report);
        command.args(["-j", "4", "--progress", "none"]);
        (self.imap.take(), self.pop3.take());
        let output = program::run(command, Duration::from_secs(120));
        assert!(
            matches!(output.code, Some(0 | 1)),
            "{}\n{}",
            output.stdout,
            output.stderr
        );
        let rows = report::summary(&report)
            .into_iter()
            .map(|row| (row.text("user").to_owned(), row))
            .collect();
        Run {
            output,
            imap: self.imap.take(),
            pop3: self.pop3.take(),
            rows,
        }
    }

    /// [`Pair::export`] that must succeed.
    pub fn export_ok<U: AsRef<str>>(&self, users: &[U], more: &[&str]) -> Run {
        let run = self.export(users, more);
        let Output { stdout, stderr, .. } = &run.output;
        assert_eq!(run.output.code, Some(0), "{stdout}\n{stderr}");
        run
    }

    /// A client of the old host.
    pub fn at_source(&self, user: &str) -> Client {
        let login = format!("{user}{}", self.source_domain);
        Client::login(self.source.imap_port(), &login, PASSWORD)
    }

    /// A client of the new host.
    pub fn at_destination(&self, user: &str) -> Client {
        let login = format!("{user}{}", self.domain);
        Client::login(self.destination.imap_port(), &login, "any")
    }

    /// The new host gets a mail that the old one has not, not yet seen by any server.
    pub fn deliver(&self, user: &str, folder: &str, token: &str) {
        let maildir = self.target.maildir(user);
        deliver(&maildir, folder, LATER + 77, &message(token));
    }

    /// What the old host shows.
    pub fn source_views(&self, user: &str) -> (ImapView, Vec<Pop3Entry>) {
        views(
            self.source,
            &format!("{user}{}", self.source_domain),
            PASSWORD,
        )
    }

    /// What the new host shows.
    pub fn destination_views(&self, user: &str) -> (ImapView, Vec<Pop3Entry>) {
        views(self.destination, &format!("{user}{}", self.domain), "any")
    }

    /// What lies on the new host's disk.
    pub fn on_disk(&self, user: &str) -> DiskView {
        DiskView::read(&self.target.maildir(user))
    }

    /// All that the new host shows is what the old one shows, see [`mirror_differences`].
    pub fn assert_equal(&self, user: &str) {
        let source = self.source_views(user);
        let destination = self.destination_views(user);
        let mut differences = mirror_differences(&source.0, &destination.0);
        differences.extend(compare::pop3(&source.1, &destination.1));
        if !differences.is_empty() {
            panic!("{user} differs:\n{}", lines(&differences));
        }
    }
}

fn new_domain() -> String {
    static PAIRS: AtomicU32 = AtomicU32::new(1);
    format!("@p{}", PAIRS.fetch_add(1, Ordering::SeqCst))
}

/// The homes of `domain` on `server`.
fn target_in(server: &Dovecot, domain: &str) -> Target {
    let home = server.mail_dir("nobody");
    let mail = home.ancestors().nth(2).expect("mail/nobody/Maildir");
    Target::within(mail, domain)
}

/// A user of a mirror and one of a merge to whom the same happens; both have been exported once, and
/// the new host's server has opened their folders.
#[derive(Debug)]
pub struct Both {
    /// The hosts.
    pub pair: Pair,
    model: Merged,
}

impl Both {
    /// With the [`first_mail`].
    pub fn after_first_run() -> Self {
        Self::with(first_mail)
    }

    /// With other mail.
    pub fn with(mail: impl Fn(&Path)) -> Self {
        let pair = Pair::empty();
        for user in ["mirror", "merge"] {
            mail(&pair.source_maildir(user));
        }
        pair.export_ok(&["mirror", "merge"], &[]);
        pair.assert_equal("mirror");
        let mut model = Merged::default();
        model.assert(&pair, "merge", &DiskView::nothing());
        for user in ["mirror", "merge"] {
            pair.at_destination(user).select_each();
        }
        Self { pair, model }
    }

    /// Does something at the old host for both users.
    pub fn at_source(&self, act: impl Fn(&mut Client)) {
        for user in ["mirror", "merge"] {
            act(&mut self.pair.at_source(user));
        }
    }

    /// Does something at the new host for both users.
    pub fn at_destination(&self, act: impl Fn(&mut Client)) {
        for user in ["mirror", "merge"] {
            act(&mut self.pair.at_destination(user));
        }
    }

    /// Both users get a mail at the new host.
    pub fn deliver(&self, folder: &str, token: &str) {
        for user in ["mirror", "merge"] {
            self.pair.deliver(user, folder, token);
        }
    }

    /// The old host loses the UIDs of a folder of both users.
    pub fn lose_validity(&self, folder: &str) {
        for user in ["mirror", "merge"] {
            lose_validity(&self.pair.source_maildir(user), folder);
        }
    }

    /// Says that the old host has renamed a folder.
    pub fn renamed(&mut self, from: &str, to: &str) {
        self.model.renamed(from, to);
    }

    /// Runs both modes with all consent given, and holds what there is against the source and the
    /// model. The runs are returned, the mirror's first; and what the merge's user sees.
    pub fn run(&mut self) -> (Run, Run, (ImapView, Vec<Pop3Entry>)) {
        let more = ["--mirror", "--delete-local", "--max-delete", "100"];
        let mirror = self.pair.export_ok(&["mirror"], &more);
        self.pair.assert_equal("mirror");
        let before = self.pair.on_disk("merge");
        let merge = self.pair.export_ok(&["merge"], &["--max-delete", "100"]);
        self.model.assert(&self.pair, "merge", &before);
        let view = self.pair.destination_views("merge");
        (mirror, merge, view)
    }
}

impl Run {
    /// No message was read from the source, headers aside.
    pub fn assert_no_download(&self) {
        let sent = format!("{}{}", self.imap.sent, self.pop3.sent);
        let asks = |line: &&str| {
            let line = line.to_ascii_uppercase();
            [
                "BODY[]",
                "BODY.PEEK[]",
                "BODY.PEEK[TEXT]",
                "RFC822)",
                "RETR ",
            ]
            .iter()
            .any(|what| line.contains(what))
        };
        let asked: Vec<&str> = sent.lines().filter(asks).collect();
        assert!(
            asked.is_empty(),
            "messages were asked for:\n{}",
            asked.join("\n")
        );
    }

    /// The run as a whole went wrong for someone, and says which flag lets it on.
    pub fn assert_not_done(&self, user: &str, flag: &str) {
        let row = self.row(user);
        assert_eq!(self.output.code, Some(1), "{}", self.output.stderr);
        assert_ne!(row.text("status"), "ok");
        assert!(row.text("error").contains(flag), "{}", row.text("error"));
    }

    /// What the report says of a user.
    pub fn row(&self, user: &str) -> &Row {
        self.rows
            .get(user)
            .unwrap_or_else(|| panic!("{user} is not in the report:\n{}", self.output.stderr))
    }
}

/// Where a mirror is not its source. UIDNEXT may be higher: it is never lowered.
pub fn mirror_differences(source: &ImapView, destination: &ImapView) -> Vec<compare::Difference> {
    compare::imap(source, destination)
        .into_iter()
        .filter(|one| {
            let next = |view: &ImapView| view.folders[&one.folder].uid_next;
            one.what != "uidnext" || next(destination) < next(source)
        })
        .collect()
}

/// Each a line.
pub fn lines(differences: &[compare::Difference]) -> String {
    differences.iter().map(|one| format!("  {one}\n")).collect()
}

/// A message with a token, LF line ends.
pub fn message(token: &str) -> String {
    // Lengths differ too, for what pairs by size.
    let filler = "words of no meaning\n".repeat(1 + token.len() % 7);
    format!(
        "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\n\
         Date: Mon, 1 Jan 2018 00:00:00 +0000\nMessage-ID: <{token}@example.org>\n\
         Subject: About {token}\n\nThe token is {token}.\n{filler}"
    )
}

/// The hash of a token's message as IMAP and POP3 send it.
pub fn hash(token: &str) -> blake3::Hash {
    blake3::hash(message(token).replace('\n', "\r\n").as_bytes())
}

/// The messages of a folder that hold a token.
pub fn with_token<'v>(folder: &'v FolderView, token: &str) -> Vec<&'v MessageView> {
    let hash = hash(token);
    let messages = folder.messages.iter();
    messages.filter(|message| message.hash == hash).collect()
}

/// The one message of a folder that holds a token.
pub fn the_one<'v>(view: &'v ImapView, folder: &str, token: &str) -> &'v MessageView {
    let there = view
        .folders
        .get(folder)
        .unwrap_or_else(|| panic!("there is no {folder}"));
    match with_token(there, token).as_slice() {
        [one] => one,
        several => panic!("{folder} holds {token} {} times", several.len()),
    }
}

/// How often a token is in a folder.
pub fn count(view: &ImapView, folder: &str, token: &str) -> usize {
    let folder = view.folders.get(folder);
    folder.map_or(0, |folder| with_token(folder, token).len())
}

/// The UIDL of a token's message.
pub fn uidl_of(listing: &[Pop3Entry], token: &str) -> String {
    let hash = hash(token);
    let mut found = listing.iter().filter(|entry| entry.hash == Some(hash));
    match (found.next(), found.next()) {
        (Some(one), None) => one.uidl.clone(),
        (None, _) => panic!("POP3 does not list {token}"),
        _ => panic!("POP3 lists {token} more than once"),
    }
}

/// Mail as years have left it: INBOX with six messages (`inbox-3` to `inbox-12`, by their UIDs) in
/// a POP3 order of its own and with stored UIDLs, `Work` with three (`work-1` to `work-3`), `Keep`
/// with two, `Empty` with none.
pub fn first_mail(maildir: &Path) {
    let inbox: Vec<(u32, String, &str)> = FIRST_UIDS
        .iter()
        .zip(["S", "", "FSa", "RS", "b", "S"])
        .map(|(uid, letters)| (*uid, format!("inbox-{uid}"), letters))
        .collect();
    folder(maildir, "INBOX", FIRST_VALIDITY, FIRST_UID_NEXT, &inbox);
    let numbered = |name: &str, count: u32| -> Vec<(u32, String, &str)> {
        (1..=count)
            .map(|uid| {
                (
                    uid,
                    format!("{name}-{uid}"),
                    if uid == 2 { "Sa" } else { "" },
                )
            })
            .collect()
    };
    let (work, keep) = (numbered("work", 3), numbered("keep", 2));
    folder(maildir, "Work", FIRST_VALIDITY + 1, 4, &work);
    folder(maildir, "Keep", FIRST_VALIDITY + 2, 3, &keep);
    folder(maildir, "Empty", FIRST_VALIDITY + 3, 1, &[]);
    fs::write(maildir.join("subscriptions"), "V\t2\n\nINBOX\nWork\nGone\n")
        .expect("scratch directories are writable");
    give_to_mail_owner(maildir);
}

/// A folder with messages of these UIDs, tokens and letters, as Dovecot keeps it. Those of INBOX
/// have UIDLs and are listed in reverse.
pub fn folder(
    maildir: &Path,
    name: &str,
    uid_validity: u32,
    uid_next: u32,
    messages: &[(u32, String, &str)],
) -> PathBuf {
    let directory = corpus::directory(maildir, Layout::MaildirPlusPlus, name);
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(directory.join(part)).expect("scratch directories are writable");
    }
    let mut list = format!("3 V{uid_validity} N{uid_next}\n");
    for (position, (uid, token, letters)) in messages.iter().enumerate() {
        let date = 1_400_000_000 + i64::from(*uid) * 3601;
        let base_name = format!("{date}.M{uid}P1.{token}");
        let path = directory
            .join("cur")
            .join(format!("{base_name}:2,{letters}"));
        fs::write(&path, message(token)).expect("scratch directories are writable");
        let time = filetime::FileTime::from_unix_time(date, 0);
        filetime::set_file_mtime(&path, time).expect("the file was just written");
        let stored = if name == "INBOX" {
            let order = messages.len() - position;
            format!(" Pold-{token} O{order}")
        } else {
            String::new()
        };
        list.push_str(&format!("{uid}{stored} :{base_name}\n"));
    }
    fs::write(directory.join("dovecot-uidlist"), list).expect("scratch directories are writable");
    fs::write(directory.join("dovecot-keywords"), "0 todo\n1 $Forwarded\n")
        .expect("scratch directories are writable");
    directory
}

/// Gives a folder of the old host another UIDVALIDITY and its messages other UIDs, as a server does
/// that has lost its list. UIDLs stay. A folder that was never opened has no numbers yet.
pub fn lose_validity(maildir: &Path, name: &str) {
    let directory = corpus::directory(maildir, Layout::MaildirPlusPlus, name);
    let path = directory.join("dovecot-uidlist");
    let Ok(list) = fs::read_to_string(&path) else {
        return;
    };
    let (header, lines) = list.split_once('\n').expect("a list has a header");
    let mut messages = String::new();
    let mut next = 1;
    for line in lines.lines() {
        let (_, rest) = line.split_once(' ').expect("a line has a UID and a name");
        messages.push_str(&format!("{next} {rest}\n"));
        next += 1;
    }
    let fields: Vec<String> = header
        .split(' ')
        .map(|field| match field.split_at(1) {
            ("V", validity) => {
                let validity: u32 = validity.parse().expect("a number");
                format!("V{}", validity + 1000)
            }
            ("N", _) => format!("N{next}"),
            _ => field.to_owned(),
        })
        .collect();
    let changed = format!("{}\n{messages}", fields.join(" "));
    fs::write(&path, changed).expect("the list is ours");
    give_to_mail_owner(&path);
    remove_indexes(maildir, &directory);
}

/// Removes what Dovecot remembers of a folder, and of all folders.
fn remove_indexes(maildir: &Path, folder: &Path) {
    for (directory, prefix) in [(folder, "dovecot.index"), (maildir, "dovecot.list.index")] {
        for entry in fs::read_dir(directory).expect("it is there") {
            let entry = entry.expect("it stands still");
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                fs::remove_file(entry.path()).expect("the index is ours");
            }
        }
    }
}

/// Puts a message with an old UID back into INBOX of the old host, as a restored backup does.
pub fn restore(maildir: &Path, uid: u32, token: &str) {
    let path = maildir.join("dovecot-uidlist");
    let list = fs::read_to_string(&path).expect("Dovecot has a list");
    let name = format!("1400000000.M{uid}P2.{token}");
    let file = maildir.join("cur").join(format!("{name}:2,"));
    fs::write(&file, message(token)).expect("scratch directories are writable");
    let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
    let place = lines
        .iter()
        .skip(1)
        .position(|line| line.split(' ').next().and_then(|uid| uid.parse().ok()) > Some(uid))
        .map_or(lines.len(), |place| place + 1);
    lines.insert(place, format!("{uid} Pold-{token} :{name}"));
    fs::write(&path, format!("{}\n", lines.join("\n"))).expect("the list is ours");
    remove_indexes(maildir, maildir);
    give_to_mail_owner(maildir);
}

/// What changes when a file or directory is written, renamed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its inode.
    pub inode: u64,
    /// Its mtime in nanoseconds.
    pub written: i64,
    /// Its ctime in nanoseconds.
    pub changed: i64,
}

/// The stamps of everything in a tree, its root included.
pub fn stamps(root: &Path) -> BTreeMap<PathBuf, Stamp> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(|entry| {
            let entry = entry.expect("it stands still");
            let metadata = entry.metadata().expect("just seen");
            let stamp = Stamp {
                inode: metadata.ino(),
                written: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
                changed: metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec(),
            };
            (entry.into_path(), stamp)
        })
        .collect()
}
