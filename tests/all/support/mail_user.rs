//! A mail client that does things over IMAP: appends, marks, deletes and moves mail, makes and
//! removes folders. Where it is refused, the test has failed.

use super::imap_view::{Session, Value, parse, quoted, selectable};

/// A session of a user; it logs out when dropped.
#[derive(Debug)]
pub struct Client {
    session: Session,
    selected: Option<String>,
}

/// What STORE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// `+FLAGS`.
    Set,
    /// `-FLAGS`.
    Clear,
}

impl Client {
    /// Logs in on 127.0.0.1.
    pub fn login(port: u16, user: &str, password: &str) -> Self {
        let session = Session::login(port, user, password)
            .unwrap_or_else(|error| panic!("IMAP login of {user}: {error}"));
        Self {
            session,
            selected: None,
        }
    }

    /// Puts `message`, with LF line ends, into `folder`; `date` is in seconds since 1970.
    pub fn append(&mut self, folder: &str, flags: &[&str], date: i64, message: &str) {
        let content = message.replace('\n', "\r\n");
        let date = jiff::Timestamp::from_second(date)
            .expect("a date of our own")
            .strftime("%d-%b-%Y %H:%M:%S +0000");
        let (folder, flags) = (quoted(folder), flags.join(" "));
        let length = content.len();
        self.run(&format!(
            "APPEND {folder} ({flags}) \"{date}\" {{{length}+}}\r\n{content}"
        ));
    }

    /// Opens `folder`: what lies in `new/` moves to `cur/`.
    pub fn select(&mut self, folder: &str) {
        if self.selected.as_deref() != Some(folder) {
            self.run(&format!("SELECT {}", quoted(folder)));
            self.selected = Some(folder.to_owned());
        }
    }

    /// Opens every folder.
    pub fn select_each(&mut self) {
        for folder in self.folders() {
            self.select(&folder);
        }
    }

    /// The UIDs in `folder`, ascending.
    pub fn uids(&mut self, folder: &str) -> Vec<u32> {
        self.select(folder);
        let responses = self.run("UID SEARCH ALL");
        let mut uids: Vec<u32> = responses
            .iter()
            .filter(
                |response| matches!(response.first(), Some(Value::Atom(kind)) if kind == "SEARCH"),
            )
            .flat_map(|response| &response[1..])
            .map(|value| match value {
                Value::Atom(number) => parse(number).expect("SEARCH gives numbers"),
                other => panic!("SEARCH gives {other:?}"),
            })
            .collect();
        uids.sort_unstable();
        uids
    }

    /// Sets or clears flags and keywords.
    pub fn store(&mut self, folder: &str, uid: u32, what: Store, flags: &[&str]) {
        self.select(folder);
        let sign = match what {
            Store::Set => '+',
            Store::Clear => '-',
        };
        self.run(&format!(
            "UID STORE {uid} {sign}FLAGS ({})",
            flags.join(" ")
        ));
    }

    /// Deletes a message for good.
    pub fn expunge(&mut self, folder: &str, uid: u32) {
        self.store(folder, uid, Store::Set, &["\\Deleted"]);
        self.run(&format!("UID EXPUNGE {uid}"));
    }

    /// Deletes a message and all others that are marked so, for servers without UIDPLUS.
    pub fn expunge_marked(&mut self, folder: &str, uid: u32) {
        self.store(folder, uid, Store::Set, &["\\Deleted"]);
        self.run("EXPUNGE");
    }

    /// Moves a message.
    pub fn move_to(&mut self, folder: &str, uid: u32, to: &str) {
        self.select(folder);
        self.run(&format!("UID MOVE {uid} {}", quoted(to)));
    }

    /// Copies a message.
    pub fn copy_to(&mut self, folder: &str, uid: u32, to: &str) {
        self.select(folder);
        self.run(&format!("UID COPY {uid} {}", quoted(to)));
    }

    /// Makes a folder.
    pub fn create(&mut self, folder: &str) {
        self.run(&format!("CREATE {}", quoted(folder)));
    }

    /// Removes a folder with all its mail.
    pub fn delete(&mut self, folder: &str) {
        self.leave();
        self.run(&format!("DELETE {}", quoted(folder)));
    }

    /// Gives a folder, and those below it, another name.
    pub fn rename(&mut self, folder: &str, to: &str) {
        self.leave();
        self.run(&format!("RENAME {} {}", quoted(folder), quoted(to)));
    }

    /// Subscribes to a folder.
    pub fn subscribe(&mut self, folder: &str) {
        self.run(&format!("SUBSCRIBE {}", quoted(folder)));
    }

    /// Ends the subscription to a folder.
    pub fn unsubscribe(&mut self, folder: &str) {
        self.run(&format!("UNSUBSCRIBE {}", quoted(folder)));
    }

    /// The names of all folders that can be selected.
    pub fn folders(&mut self) -> Vec<String> {
        let (listed, _) = self.session.list("LIST").expect("LIST");
        listed
            .into_iter()
            .filter(|(_, attributes)| selectable(attributes))
            .map(|(name, _)| name)
            .collect()
    }

    /// A folder that is open can be neither removed nor renamed.
    fn leave(&mut self) {
        self.select("INBOX");
    }

    fn run(&mut self, command: &str) -> Vec<Vec<Value>> {
        self.session
            .command(command)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The server may have hung up already.
        let _ = self.session.command("LOGOUT");
    }
}
