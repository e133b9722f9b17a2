//! A real Dovecot, run by `scripts/server-dovecot`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tree::TempTree;
use super::{Layout, maildir_below, port, port_file_value, script, script_at_end, text};

/// How a Dovecot is to be set up. The default: no users, `maildir:~/Maildir` below the server's own
/// `mail/USER`, separator `/`, no prefix, Dovecot's usual UIDLs.
#[derive(Debug, Clone)]
pub struct DovecotOptions {
    /// User names and passwords. With them go CRAM-MD5 and APOP.
    pub users: Vec<(String, String)>,
    /// Every user exists and every password is right.
    pub any_password: bool,
    /// Everyone is this user, who may have so many connections.
    pub one_mailbox: Option<(String, usize)>,
    /// Master user and its password.
    pub master: Option<(String, String)>,
    /// Home directories, `%u` being the user; `None` for the server's own `mail/%u`.
    pub home: Option<String>,
    /// Where the mail is, without layout; `~` is the home.
    pub mail_location: String,
    /// Folder layout on disk.
    pub layout: Layout,
    /// Folder names on disk are UTF-8 instead of modified UTF-7.
    pub utf8: bool,
    /// IMAP hierarchy separator.
    pub separator: char,
    /// Namespace prefix, for example `INBOX.`.
    pub prefix: String,
    /// Mailboxes with a special use, as in `Gesendet=Sent`.
    pub special_uses: Vec<String>,
    /// Load the plugin that escapes `.` and `/` in folder names.
    pub listescape: bool,
    /// `pop3_uidl_format`.
    pub uidl_format: String,
    /// Ignore `,S=` in file names.
    pub ignore_name_sizes: bool,
    /// LIST has the size as stored, line ends counted once, unless a file name has `,W=`.
    pub stored_sizes: bool,
    /// IMAP offers COMPRESS=DEFLATE.
    pub compress: bool,
    /// No login before TLS. The server then listens on [`Dovecot::host`], not on 127.0.0.1.
    pub require_tls: bool,
}

impl Default for DovecotOptions {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            any_password: false,
            one_mailbox: None,
            master: None,
            home: None,
            mail_location: "maildir:~/Maildir".to_owned(),
            layout: Layout::MaildirPlusPlus,
            utf8: false,
            separator: '/',
            prefix: String::new(),
            special_uses: Vec::new(),
            listescape: false,
            uidl_format: "%08Xu%08Xv".to_owned(),
            ignore_name_sizes: false,
            stored_sizes: false,
            compress: false,
            require_tls: false,
        }
    }
}

impl DovecotOptions {
    /// The default with `users` (name, password).
    pub fn with_users(users: &[(&str, &str)]) -> Self {
        let users = users
            .iter()
            .map(|(user, password)| ((*user).to_owned(), (*password).to_owned()))
            .collect();
        Self {
            users,
            ..Self::default()
        }
    }

    /// A destination: any password opens the Maildir `home`/Maildir, `%u` in `home` being the user.
    pub fn reading(home: &str) -> Self {
        Self {
            any_password: true,
            home: Some(home.to_owned()),
            ..Self::default()
        }
    }
}

/// A running Dovecot; stopped and its directory removed when dropped.
#[derive(Debug)]
pub struct Dovecot {
    directory: TempTree,
}

impl Dovecot {
    /// Starts a server and returns when it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(options: DovecotOptions) -> Self {
        let directory = TempTree::new();
        let path = text(directory.path());
        if !options.users.is_empty() {
            // Base64, for a colon in a password would end the field.
            let lines: String = options
                .users
                .iter()
                .map(|(user, password)| {
                    format!("{user}:{{PLAIN.B64}}{}\n", STANDARD.encode(password))
                })
                .collect();
            fs::write(directory.path().join("passwd"), lines).expect("the directory is ours");
        }
        let process = std::process::id().to_string();
        let separator = options.separator.to_string();
        let one_mailbox = options.one_mailbox.as_ref();
        let one_mailbox = one_mailbox.map(|(user, most)| format!("{user}:{most}"));
        let mut arguments = vec!["start", path, "--watch", &process];
        arguments.extend(["--mail-location", &options.mail_location]);
        arguments.extend(["--uidl-format", &options.uidl_format]);
        arguments.extend(["--separator", &separator, "--prefix", &options.prefix]);
        if options.layout == Layout::Fs {
            arguments.extend(["--layout", "fs"]);
        }
        for mailbox in &options.special_uses {
            arguments.extend(["--special-use", mailbox]);
        }
        if let Some(one_mailbox) = &one_mailbox {
            arguments.extend(["--one-mailbox", one_mailbox]);
        }
        if let Some(home) = &options.home {
            arguments.extend(["--home", home]);
        }
        if options.compress {
            arguments.push("--compress");
        }
        let master = options
            .master
            .map(|(user, password)| format!("{user}:{password}"));
        if let Some(master) = &master {
            arguments.extend(["--master", master]);
        }
        for (wanted, flag) in [
            (options.any_password, "--any-password"),
            (options.utf8, "--utf8"),
            (options.listescape, "--listescape"),
            (options.ignore_name_sizes, "--ignore-name-sizes"),
            (options.stored_sizes, "--stored-sizes"),
            (options.require_tls, "--require-tls"),
        ] {
            if wanted {
                arguments.push(flag);
            }
        }
        script("server-dovecot", &arguments);
        Self { directory }
    }

    /// The address it listens on.
    pub fn host(&self) -> String {
        port_file_value(self.directory.path(), "HOST")
    }

    /// Port of IMAP with STARTTLS.
    pub fn imap_port(&self) -> u16 {
        port(self.directory.path(), "IMAP_PORT")
    }

    /// Port of IMAP inside TLS.
    pub fn imaps_port(&self) -> u16 {
        port(self.directory.path(), "IMAPS_PORT")
    }

    /// Port of POP3 with STLS.
    pub fn pop3_port(&self) -> u16 {
        port(self.directory.path(), "POP3_PORT")
    }

    /// Port of POP3 inside TLS.
    pub fn pop3s_port(&self) -> u16 {
        port(self.directory.path(), "POP3S_PORT")
    }

    /// Certificate of the authority that signed the server's, which is for `localhost`, 127.0.0.1,
    /// 127.0.0.2 and ::1.
    pub fn ca_pem(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Where the Maildir of `user` is, or goes, unless [`DovecotOptions::home`] says otherwise.
    pub fn mail_dir(&self, user: &str) -> PathBuf {
        maildir_below(&self.directory.path().join("mail"), user)
    }

    /// `base_dir`: where another Dovecot program finds this server's sockets.
    pub fn base_dir(&self) -> PathBuf {
        self.path().join("run")
    }

    /// An OAuth token that XOAUTH2 and OAUTHBEARER take for `user`, good for a day.
    pub fn token(&self, user: &str) -> String {
        let token = script("server-dovecot", &["token", text(self.path()), user]);
        token.trim_end().to_owned()
    }

    /// What `doveadm` prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn doveadm(&self, arguments: &[&str]) -> String {
        let output = Command::new("doveadm")
            .arg("-c")
            .arg(self.path().join("dovecot.conf"))
            .args(arguments)
            .output()
            .expect("doveadm comes with Dovecot: run scripts/install-deps");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "doveadm {}: {stderr}",
            arguments.join(" ")
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the server complained of so far: the warnings, errors and worse in its log.
    pub fn complaints(&self) -> Vec<String> {
        let log = fs::read(self.path().join("log")).expect("a running server has a log");
        String::from_utf8_lossy(&log)
            .lines()
            .filter(|line| {
                ["Warning: ", "Error: ", "Fatal: ", "Panic: "]
                    .iter()
                    .any(|level| line.contains(level))
            })
            // About the test machine, not about the mail.
            .filter(|line| !line.contains("fd limit (ulimit -n)"))
            .map(str::to_owned)
            .collect()
    }

    /// What the server's log says of the sessions of `protocol` and `user`, `count` of which have
    /// ended or are about to: the numbers of the last line of each by name, as in `top=5/1234`.
    ///
    /// # Panics
    /// When there are more or, after a minute, fewer.
    pub fn sessions(&self, protocol: &str, user: &str, count: usize) -> Vec<BTreeMap<String, u64>> {
        let from = format!("{protocol}({user})<");
        for _ in 0..600 {
            let log = fs::read(self.path().join("log")).expect("a running server has a log");
            let log = String::from_utf8_lossy(&log);
            let ended: Vec<_> = log
                .lines()
                .filter(|line| line.contains(&from) && line.contains("Disconnected: "))
                .map(numbers)
                .collect();
            assert!(ended.len() <= count, "{ended:?}");
            if ended.len() == count {
                return ended;
            }
            // It writes the line after the client has gone.
            thread::sleep(Duration::from_millis(100));
        }
        panic!("fewer than {count} sessions of {protocol} and {user} have ended");
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Each `name=number` of a log line, without what follows a slash.
fn numbers(line: &str) -> BTreeMap<String, u64> {
    line.split([' ', ','])
        .filter_map(|word| word.split_once('='))
        .filter_map(|(name, value)| {
            let count = value.split('/').next()?;
            Some((name.to_owned(), count.parse().ok()?))
        })
        .collect()
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        script_at_end("server-dovecot", &["stop", text(self.path())]);
    }
}
