//! A real Cyrus (imapd and pop3d), run by `scripts/server-cyrus`, and a client that fills it: its mail
//! store is no Maildir that one could write.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::corpus::{self, Corpus, Folder, Message};
use super::imap_client::{ImapClient, quoted};
use super::{Layout, port, script, script_at_end, text};

const ADMIN_PASSWORD: &str = "admin";

/// The user that may log in as any other (SASL PLAIN with an authzid), and its password.
pub const PROXY: (&str, &str) = ("proxy", "all of \"them\"");

/// Which names the folders have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Beside INBOX, `/` between levels: the default since Cyrus 3.0.
    Modern,
    /// Below `INBOX.`, a dot between levels.
    Old,
}

/// A running Cyrus; stopped and its directory removed when dropped.
#[derive(Debug)]
pub struct Cyrus {
    directory: PathBuf,
    names: Names,
}

/// What Cyrus would not take of a corpus.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Names of folders.
    pub folders: BTreeSet<String>,
    /// How many messages, by what Cyrus said.
    pub messages: BTreeMap<String, usize>,
}

impl Cyrus {
    /// Starts a server with an empty mailbox for each of `users` (name without `:`, password) and
    /// returns when it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(users: &[(&str, &str)], uidl_format: &str, names: Names) -> Self {
        let server = Self {
            directory: PathBuf::from(script("server-cyrus", &["new"]).trim_end()),
            names,
        };
        let admin = ("cyrus", ADMIN_PASSWORD);
        let lines: String = users
            .iter()
            .chain(&[admin, PROXY])
            .map(|(user, password)| format!("{user}:{password}\n"))
            .collect();
        fs::write(server.directory.join("users"), lines).expect("the directory is ours");
        server.run(uidl_format);
        let mut client = ImapClient::login(server.imap_port(), admin).expect("the admin's login");
        for (user, _) in users {
            let name = match names {
                Names::Modern => format!("user/{user}"),
                Names::Old => format!("user.{user}"),
            };
            let reply = client.command(&format!("CREATE {}", quoted(&name)));
            reply
                .expect("CREATE")
                .expect("the admin may create mailboxes");
        }
        server
    }

    /// Stops it and starts it with another `uidl_format`, which changes the UIDLs of all mail.
    pub fn restart(&self, uidl_format: &str) {
        script("server-cyrus", &["stop", text(&self.directory)]);
        self.run(uidl_format);
    }

    fn run(&self, uidl_format: &str) {
        let process = std::process::id().to_string();
        let mut arguments = vec!["start", text(&self.directory), "--watch", &process];
        arguments.extend(["--uidl-format", uidl_format]);
        if self.names == Names::Old {
            arguments.push("--old-names");
        }
        script("server-cyrus", &arguments);
    }

    /// Port of IMAP, without TLS.
    pub fn imap_port(&self) -> u16 {
        port(&self.directory, "IMAP_PORT")
    }

    /// Port of POP3, without TLS.
    pub fn pop3_port(&self) -> u16 {
        port(&self.directory, "POP3_PORT")
    }

    /// Gives `user` the folders, subscriptions and messages of `corpus`, which was written to
    /// `maildir` in `layout`, with their flags and dates. UIDs have gaps, and UIDNEXT is beyond
    /// the last one.
    ///
    /// # Panics
    /// When the server breaks the protocol.
    pub fn fill(
        &self,
        user: (&str, &str),
        corpus: &Corpus,
        maildir: &Path,
        layout: Layout,
    ) -> Refused {
        let mut client = ImapClient::login(self.imap_port(), user).expect("login");
        let mut refused = Refused::default();
        for folder in &corpus.folders {
            let name = self.name(&folder.name);
            if folder.name != "INBOX" {
                let reply = client.command(&format!("CREATE {}", quoted(&name)));
                // A parent that has been made for its child is there already.
                if let Err(reason) = reply.expect("CREATE")
                    && !reason.contains("already exists")
                {
                    refused.folders.insert(folder.name.clone());
                    continue;
                }
            }
            let directory = corpus::directory(maildir, layout, &folder.name);
            let messages = append_all(&mut client, &name, folder, &directory);
            for reason in messages.expect("APPEND") {
                *refused.messages.entry(reason).or_default() += 1;
            }
        }
        for name in &corpus.subscriptions {
            let reply = client.command(&format!("SUBSCRIBE {}", quoted(&self.name(name))));
            // One that is not there: Cyrus knows none such.
            let _ = reply.expect("SUBSCRIBE");
        }
        refused
    }

    /// Adds one message to the INBOX of `user`.
    ///
    /// # Panics
    /// When Cyrus does not take it.
    pub fn append(&self, user: (&str, &str), content: &[u8]) {
        let mut client = ImapClient::login(self.imap_port(), user).expect("login");
        let reply = client.append("INBOX", "() ", content);
        reply.expect("APPEND").expect("it takes the message");
    }

    /// As the server has a name of the corpus.
    fn name(&self, folder: &str) -> String {
        let name = corpus::modified_utf7(folder);
        match self.names {
            _ if name == "INBOX" => name,
            Names::Modern => name,
            Names::Old => format!("INBOX.{}", name.replace('/', ".")),
        }
    }
}

impl Drop for Cyrus {
    fn drop(&mut self) {
        script_at_end("server-cyrus", &["remove", text(&self.directory)]);
    }
}

/// Why messages were refused.
fn append_all(
    client: &mut ImapClient,
    name: &str,
    folder: &Folder,
    directory: &Path,
) -> io::Result<Vec<String>> {
    let mut refused = Vec::new();
    let mut fillers = Vec::new();
    for (at, message) in folder.messages.iter().enumerate() {
        let file = format!("{}:2,{}", message.base_name, message.letters);
        let content = with_crlf(&fs::read(directory.join("cur").join(file))?);
        if let Err(reason) = client.append(name, &flags_and_date(folder, message), &content)? {
            refused.push(reason);
        }
        if at % 4 == 3 || at + 1 == folder.messages.len() {
            let filler = client.append(name, "", b"Subject: to be deleted\r\n\r\n")?;
            fillers.extend(filler.map(|uid| uid.to_string()));
        }
    }
    if !fillers.is_empty() {
        let set = fillers.join(",");
        for command in [
            format!("SELECT {}", quoted(name)),
            format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"),
            format!("UID EXPUNGE {set}"),
            "UNSELECT".to_owned(),
        ] {
            client.command(&command)?.map_err(io::Error::other)?;
        }
    }
    Ok(refused)
}

/// `(\Seen todo) "01-Jan-2018 00:00:00 +0000" `.
fn flags_and_date(folder: &Folder, message: &Message) -> String {
    let date = jiff::Timestamp::from_second(message.date).expect("the corpus has usual dates");
    let date = date.strftime("%d-%b-%Y %H:%M:%S +0000");
    let flags = message.flags(&folder.keywords).join(" ");
    format!("({flags}) \"{date}\" ")
}

/// As IMAP has it: every LF after a CR.
fn with_crlf(stored: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(stored.len() + stored.len() / 40);
    for byte in stored {
        if *byte == b'\n' && sent.last() != Some(&b'\r') {
            sent.push(b'\r');
        }
        sent.push(*byte);
    }
    sent
}
