//! Two hosts: an old one that serves its users' mail, and a new one that serves what mailseed has
//! put there.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::mail::{LATER, first_mail, message};
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::compare;
use crate::support::delivery::deliver;
use crate::support::disk_view::DiskView;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::mail_user::Client;
use crate::support::pop3_view::Pop3Entry;
use crate::support::program::{self, Output};
use crate::support::report::{self, Row};
use crate::support::tree::{TempTree, listing};
use crate::support::wiretap::{Heard, Wiretap};

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
        command.args(["-j", "4", "--progress", "none", "-v"]);
        self.imap.take();
        self.pop3.take();
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

    /// What the new host shows. Where nothing but UIDNEXT has changed in a folder, Dovecot reads its
    /// list only before it gives the next UID, and shows what it remembers until then: what the list
    /// says is taken.
    pub fn destination_views(&self, user: &str) -> (ImapView, Vec<Pop3Entry>) {
        let (mut imap, pop3) = views(self.destination, &format!("{user}{}", self.domain), "any");
        let disk = self.on_disk(user);
        for (name, folder) in &mut imap.folders {
            if let Some(listed) = disk.folders.get(name)
                && listed.uid_validity == Some(folder.uid_validity)
            {
                folder.uid_next = folder.uid_next.max(listed.uid_next);
            }
        }
        (imap, pop3)
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
            "messages were asked for:\n{}\n{}",
            asked.join("\n"),
            self.output.stderr
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
