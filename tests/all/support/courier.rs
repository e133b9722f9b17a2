//! A real Courier (imapd and pop3d), run by `scripts/server-courier`.

use std::fs;
use std::path::PathBuf;

use super::tree::TempTree;
use super::{maildir_below, port, script, script_at_end, text};

/// A running Courier; stopped and its directory removed when dropped.
#[derive(Debug)]
pub struct Courier {
    directory: PathBuf,
    /// Where others may read too.
    _open: Option<TempTree>,
}

impl Courier {
    /// Starts a server for `users` (name without `:`, password) and returns when it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(users: &[(&str, &str)]) -> Self {
        Self::start_below(None, users)
    }

    /// The same, where the mail owner can reach the mail from outside: another server reads it too.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_open(users: &[(&str, &str)]) -> Self {
        Self::start_below(Some(TempTree::new()), users)
    }

    fn start_below(open: Option<TempTree>, users: &[(&str, &str)]) -> Self {
        let below = open.as_ref().map(|tree| text(tree.path()).to_owned());
        let arguments: Vec<&str> = ["new"].into_iter().chain(below.as_deref()).collect();
        let server = Self {
            directory: PathBuf::from(script("server-courier", &arguments).trim_end()),
            _open: open,
        };
        let lines: String = users
            .iter()
            .map(|(user, password)| format!("{user}:{password}\n"))
            .collect();
        fs::write(server.directory.join("users"), lines).expect("the directory is ours");
        let process = std::process::id().to_string();
        script(
            "server-courier",
            &["start", text(&server.directory), "--watch", &process],
        );
        server
    }

    /// Port of IMAP, without TLS.
    pub fn imap_port(&self) -> u16 {
        port(&self.directory, "IMAP_PORT")
    }

    /// Port of POP3, without TLS.
    pub fn pop3_port(&self) -> u16 {
        port(&self.directory, "POP3_PORT")
    }

    /// The directory of the users' homes: a target may be there.
    pub fn homes(&self) -> PathBuf {
        self.directory.join("mail")
    }

    /// Where the Maildir of `user` is, or goes; it must exist before a login.
    pub fn mail_dir(&self, user: &str) -> PathBuf {
        maildir_below(&self.homes(), user)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        script_at_end("server-courier", &["remove", text(&self.directory)]);
    }
}
