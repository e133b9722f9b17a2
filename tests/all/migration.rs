//! A migration in a few lines: a source with users, mailseed, and a destination that reads what it
//! has written.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::{self, Pop3Entry};
use crate::support::program::{self, Output};
use crate::support::tree::{TempTree, listing};
use crate::support::{Layout, mail_owner};

/// The password of every user here.
pub const PASSWORD: &str = "Pa\"ss w\\örd*1";

/// Where mailseed reads.
#[derive(Debug, Clone)]
pub struct Source {
    /// `--imap`, where IMAP is a source.
    pub imap: Option<String>,
    /// `--pop3`, where POP3 is a source.
    pub pop3: Option<String>,
}

impl Source {
    /// Both protocols of a server on plain loopback ports.
    pub fn both(imap_port: u16, pop3_port: u16) -> Self {
        Self {
            imap: Some(format!("imap+plain://127.0.0.1:{imap_port}")),
            pop3: Some(format!("pop3+plain://127.0.0.1:{pop3_port}")),
        }
    }

    /// Both protocols of a Dovecot.
    pub fn of(server: &Dovecot) -> Self {
        Self::both(server.imap_port(), server.pop3_port())
    }

    /// The same without POP3.
    pub fn imap_only(self) -> Self {
        Self { pop3: None, ..self }
    }

    /// The same without IMAP.
    pub fn pop3_only(self) -> Self {
        Self { imap: None, ..self }
    }

    /// The arguments that name it.
    pub fn arguments(&self) -> Vec<String> {
        let named = |option: &str, url: &Option<String>| {
            url.iter()
                .flat_map(|url| [option.to_owned(), url.clone()])
                .collect::<Vec<_>>()
        };
        [named("--imap", &self.imap), named("--pop3", &self.pop3)].concat()
    }
}

/// A directory into which users are exported.
#[derive(Debug)]
pub struct Target {
    root: PathBuf,
    /// What follows the user's name in the name of the home.
    suffix: String,
    /// Removed with the target, where it has the directory for itself.
    _tree: Option<TempTree>,
}

impl Target {
    /// An empty one.
    pub fn new() -> Self {
        let tree = TempTree::new();
        Self {
            root: tree.path().to_owned(),
            suffix: String::new(),
            _tree: Some(tree),
        }
    }

    /// The homes `ROOT/USERsuffix`: several targets may share a directory.
    pub fn within(root: &Path, suffix: &str) -> Self {
        Self {
            root: root.to_owned(),
            suffix: suffix.to_owned(),
            _tree: None,
        }
    }

    /// `--maildir`.
    pub fn template(&self) -> String {
        format!("{}/{{user}}{}/Maildir", self.root.display(), self.suffix)
    }

    /// The Maildir of one user.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.root
            .join(format!("{user}{}", self.suffix))
            .join("Maildir")
    }

    /// Everything in it, a line each.
    pub fn listing(&self) -> Vec<String> {
        listing(&self.root)
    }

    /// The command `mailseed COMMAND` from `source` into this target, not yet run. The password
    /// comes by the environment.
    pub fn command(&self, command: &str, source: &Source, more: &[&str]) -> Command {
        let mut mailseed = program::mailseed_command();
        mailseed.arg(command).args(source.arguments());
        mailseed.args(["--maildir", &self.template()]).args(more);
        if let Some((uid, gid)) = mail_owner() {
            mailseed.args(["--owner", &format!("{uid}:{gid}")]);
        }
        mailseed.env("MAILSEED_PASSWORD", PASSWORD);
        mailseed
    }

    /// `mailseed export --user USER`.
    pub fn export(&self, source: &Source, user: &str, more: &[&str]) -> Output {
        let mut command = self.command("export", source, more);
        command.args(["--user", user]);
        program::run(command, Duration::from_secs(120))
    }

    /// `mailseed check --user USER`.
    pub fn check(&self, source: &Source, user: &str, more: &[&str]) -> Output {
        let mut check = program::mailseed_command();
        check.arg("check").args(source.arguments()).args(more);
        check.args(["--user", user]);
        check.env("MAILSEED_PASSWORD", PASSWORD);
        program::run(check, Duration::from_secs(120))
    }

    /// [`Target::export`] that must succeed.
    pub fn export_ok(&self, source: &Source, user: &str, more: &[&str]) -> Output {
        let output = self.export(source, user, more);
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
        output
    }

    /// A Dovecot that serves what has been written.
    pub fn serve(&self, layout: Layout) -> Dovecot {
        Dovecot::start(self.options(layout))
    }

    /// How [`Target::serve`] is set up.
    pub fn options(&self, layout: Layout) -> DovecotOptions {
        DovecotOptions {
            layout,
            ..DovecotOptions::reading(&format!("{}/%u", self.root.display()))
        }
    }
}

/// What a user sees over IMAP and POP3.
pub fn views(server: &Dovecot, user: &str, password: &str) -> (ImapView, Vec<Pop3Entry>) {
    (
        ImapView::read(server.imap_port(), user, password),
        pop3_view::read(server.pop3_port(), user, password, true),
    )
}
