//! A blocking IMAP session: the `imap` crate for login and logout, our own streaming reader for
//! everything that opens, lists or fetches.
//!
//! Both work on one connection, through `imap/stream.rs`. The crate's commands have tags in `a`, ours in `x`,
//! and in `y` those that are sent before their turn (`imap/ahead.rs`).
//! Folders are opened by EXAMINE and messages fetched by BODY.PEEK: nothing changes on the server, but
//! for what [`Session::delete`] is told to delete.

mod ahead;
#[cfg(test)]
mod ahead_tests;
mod attributes;
mod bodies;
mod changes;
#[cfg(test)]
mod changes_tests;
mod date;
mod deflate;
mod examine;
mod expunge;
mod extensions;
mod folders;
mod gather;
mod heard;
mod identity;
mod items;
mod listing;
mod login;
mod reader;
mod reply;
#[cfg(test)]
mod script;
mod search;
mod sets;
mod status;
mod stream;
mod talk;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use self::ahead::{Ahead, Question};
pub use self::attributes::Attribute;
pub use self::expunge::{Expunge, changed};
use self::extensions::Extensions;
use self::heard::Heard;
use self::items::Section;
use self::login::Abilities;
use self::reader::{Fault, Reader};
use self::reply::connection_problem;
use self::stream::{Inner, Shared};
use self::talk::Talk;
use super::login::Login;
use super::net::{Connection, Endpoint, Line};
use super::{
    BodySink, Examined, FolderList, ListedFolder, Marks, MessageList, News, Refused, Since,
};
use crate::mail::{Entry, Uid, UidSet, UidValidity};
use crate::problem::{Kind, Problem, Reach};
use crate::text::printable_bytes;

/// The most characters kept of a greeting.
const GREETING_LENGTH: usize = 120;

type CrateSession = imap::Session<Shared>;

/// A session that is logged in. After a problem that leaves the connection out of step it is dead:
/// each further call is a Network problem, and a new session is needed.
pub struct Session {
    client: CrateSession,
    shared: Shared,
    abilities: Abilities,
    extensions: Extensions,
    greeting: String,
    tags: u32,
    ahead: Ahead,
    line: Arc<Line>,
    /// The server can compress, and neither does nor has refused to.
    may_compress: bool,
    dead: Option<String>,
}

/// A folder that is going to be opened, and what is then going to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Foreseen<'f> {
    /// The folder.
    pub folder: &'f ListedFolder,
    /// What is asked when it is open.
    pub then: Then<'f>,
}

/// What is going to be asked of a folder that is open.
#[derive(Debug, Clone, Copy)]
pub enum Then<'f> {
    /// Nothing that can be told.
    Nothing,
    /// [`Session::list_messages`].
    List,
    /// [`Session::changes`], which opens the folder itself. What is asked after that goes by the folder's
    /// marks.
    Changes(&'f Since<'f>),
    /// [`Session::fetch_bodies`] of these.
    Fetch(&'f [(Uid, u64)]),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in on a connection where the protocol can begin. `endpoint` is where it leads: SASL
    /// names it to the server, and its security decides whether a password may go in the clear.
    ///
    /// # Errors
    /// Kind Auth where the login is refused, never worth a retry; Busy where the server asks to
    /// come back later; Input where the login cannot be said in IMAP; Network; Protocol for what
    /// is no IMAP, and for PREAUTH: it could be anyone's mail. All of reach User.
    pub fn open(
        connection: Connection,
        login: &Login,
        endpoint: &Endpoint,
    ) -> Result<Self, Problem> {
        Self::open_when(connection, login, endpoint, || Ok(()))
    }

    /// [`Session::open`] that asks `may_log_in` before it sends name and password, with all else done
    /// that can be done before.
    ///
    /// # Errors
    /// Those of [`Session::open`] and of `may_log_in`.
    pub fn open_when(
        connection: Connection,
        login: &Login,
        endpoint: &Endpoint,
        may_log_in: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<Self, Problem> {
        let greeting_due = connection.greeting.is_none();
        let shared = Shared::new(connection.stream, greeting_due);
        let (client, abilities, greeting) =
            login::log_in(&shared, greeting_due, login, endpoint, may_log_in)?;
        let mut session = Self {
            client,
            shared,
            extensions: Extensions::of(&abilities),
            line: connection.line,
            may_compress: abilities.has(deflate::CAPABILITY),
            abilities,
            greeting: greeting.or(connection.greeting).unwrap_or_default(),
            tags: 0,
            ahead: Ahead::default(),
            dead: None,
        };
        session.converse(|talk| match talk.should_compress() {
            true => talk.compress(),
            false => Ok(()),
        })?;
        Ok(session)
    }

    /// Says what the next calls are going to be, in this order, so that their commands are sent before
    /// their turn, as far as there is room. Nothing depends on it but time: calls that come otherwise
    /// are asked anew. What was foreseen before is forgotten. `here` are the messages that
    /// [`Session::fetch_bodies`] fetches of the folder that is open before all else.
    ///
    /// # Errors
    /// Network of reach User.
    pub fn foresee(
        &mut self,
        here: &[(Uid, u64)],
        foreseen: &[Foreseen<'_>],
    ) -> Result<(), Problem> {
        let mut questions = bodies::questions(Section::Whole, here);
        let extensions = &self.extensions;
        for Foreseen { folder, then } in foreseen {
            let since = match then {
                Then::Changes(since) => Some(*since),
                _ => None,
            };
            let is_first = questions.is_empty();
            let opening = examine::commands(extensions, &folder.wire_name, since, is_first);
            questions.extend(opening.into_iter().flatten().map(Question::short));
            match then {
                Then::Nothing => {}
                Then::Changes(since) => {
                    let marks = folder.marks.unwrap_or_default();
                    let commands = changes::commands(extensions, since, &marks);
                    questions.extend(commands.into_iter().map(Question::listing));
                }
                Then::List => questions.push(Question::listing(listing::COMMAND.to_owned())),
                Then::Fetch(wanted) => questions.extend(bodies::questions(Section::Whole, wanted)),
            }
        }
        self.converse(|talk| {
            talk.ahead.expect(questions);
            talk.ask_ahead()
        })
    }

    /// Whether the folder is the one that was opened last.
    pub fn has_open(&self, folder: &ListedFolder) -> bool {
        examine::quoted(&folder.wire_name).is_some_and(|name| self.ahead.has_open(&name))
    }

    /// Which software the server says that it is: by ID (RFC 2971) where it has that, else the words
    /// of its greeting. Printable, not long, perhaps empty.
    ///
    /// # Errors
    /// Network or Protocol of reach User.
    pub fn software(&mut self) -> Result<String, Problem> {
        let told = match self.abilities.has("ID") {
            true => self.converse(identity::ask)?,
            false => None,
        };
        Ok(told.unwrap_or_else(|| {
            let line = self.greeting.trim_start_matches("* ");
            let words = line.strip_prefix("OK").unwrap_or(line).trim_start();
            let code = words
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'));
            let words = code.map_or(words, |(_, words)| words);
            printable_bytes(words.trim().as_bytes(), GREETING_LENGTH)
        }))
    }

    /// The folders, by NAMESPACE (where the server has it), LIST and LSUB, `with_marks` where LIST can
    /// tell them. INBOX is always one of them.
    ///
    /// # Errors
    /// Kind Refused or Busy where LIST is refused; Network; Protocol. All of reach User.
    pub fn list_folders(&mut self, with_marks: bool) -> Result<FolderList, Problem> {
        self.list_folders_and_then(with_marks, Vec::new())
    }

    /// As [`Session::list_folders`] without marks, where [`Session::examine`] and
    /// [`Session::list_messages`] of INBOX, which every user has, are going to be the next calls: what
    /// they ask is sent in the same breath. As with [`Session::foresee`] nothing depends on it but time.
    ///
    /// # Errors
    /// As [`Session::list_folders`].
    pub fn list_folders_before_inbox(&mut self) -> Result<FolderList, Problem> {
        let opening = examine::commands(&self.extensions, "INBOX", None, true);
        let opening = opening.into_iter().flatten().map(Question::short);
        let listing = Question::listing(listing::COMMAND.to_owned());
        self.list_folders_and_then(false, opening.chain([listing]).collect())
    }

    fn list_folders_and_then(
        &mut self,
        with_marks: bool,
        then: Vec<Question>,
    ) -> Result<FolderList, Problem> {
        let has_namespaces = self.abilities.has("NAMESPACE");
        let list =
            self.converse(|talk| folders::list(talk, has_namespaces, with_marks, then))??;
        Ok(FolderList {
            has_labels: self.abilities.has("X-GM-EXT-1"),
            ..list
        })
    }

    /// The marks of folders by STATUS, many at once, for servers where LIST does not tell them. `None`
    /// for a folder of which the server does not say; it may be opened all the same. To be called
    /// before a folder is opened: of that one servers may tell old numbers (RFC 3501 section 6.3.10).
    ///
    /// # Errors
    /// Network or Protocol of reach User.
    pub fn status(&mut self, folders: &[&ListedFolder]) -> Result<Vec<Option<Marks>>, Problem> {
        self.converse(|talk| status::ask(talk, folders))
    }

    /// Opens a folder read-only (EXAMINE). The calls below are about the folder opened last.
    ///
    /// # Errors
    /// Kind Refused or Busy of reach Folder where the server refuses, Protocol of reach Folder where it
    /// does not say how many messages there are; Network or Protocol of reach User.
    pub fn examine(&mut self, folder: &ListedFolder) -> Result<Examined, Problem> {
        let nothing = UidSet::default();
        let opened = self.converse(|talk| {
            examine::open(talk, &folder.wire_name, None, &mut Heard::new(&nothing))
        });
        opened
            .and_then(|opened| opened)
            .map(|opened| opened.examined)
            .map_err(|problem| problem.in_folder(&folder.path))
    }

    /// Opens a folder as [`Session::examine`] does, and asks what has become of it since it was seen
    /// last: by QRESYNC or CONDSTORE where the server has them, else by a listing of flags alone.
    /// What is told is as of [`Examined::highest_modseq`] or later, so that nothing is missed next time;
    /// [`Examined::exists`] is as of the end.
    ///
    /// # Errors
    /// As [`Session::examine`]; Busy of reach Folder where the server wants fewer commands.
    pub fn changes(
        &mut self,
        folder: &ListedFolder,
        since: &Since<'_>,
    ) -> Result<(Examined, News), Problem> {
        self.converse(|talk| changes::ask(talk, &folder.wire_name, since))
            .and_then(|told| told)
            .map_err(|problem| problem.in_folder(&folder.path))
    }

    /// UID, flags, date and size of every message of the folder, which has `exists` messages. What
    /// the server leaves out is told in [`MessageList::unreadable`].
    ///
    /// # Errors
    /// Kind Refused or Busy of reach Folder where the server refuses; Network or Protocol of reach
    /// User.
    pub fn list_messages(&mut self, exists: u32) -> Result<MessageList, Problem> {
        self.converse(|talk| listing::list(talk, exists))?
    }

    /// Which of the folder's messages, all of which are in `entries`, the server finds by `keys`
    /// (see [`crate::config::Selection::search`]).
    ///
    /// # Errors
    /// Kind Refused or Busy of reach Folder where the server refuses; Network or Protocol of reach
    /// User.
    pub fn search(&mut self, keys: &str, entries: &[Entry]) -> Result<UidSet, Problem> {
        self.converse(|talk| search::search(talk, keys, entries))?
    }

    /// The same of some messages: those of `uids` that there are. What the server does not list is not
    /// there, or in [`MessageList::unreadable`].
    ///
    /// # Errors
    /// As [`Session::list_messages`].
    pub fn list_some(&mut self, uids: &UidSet) -> Result<MessageList, Problem> {
        self.converse(|talk| listing::list_some(talk, uids))?
    }

    /// Streams whole messages to `sink`, in the server's order. Each of `wanted` is a UID and its
    /// announced size (0: not known), by which the commands are cut. Returned are those that the
    /// server would not give even when asked for one by one.
    ///
    /// # Errors
    /// What `sink` says, unchanged; Network, Busy or Protocol of reach User. What `sink` has seen
    /// end until then is good.
    pub fn fetch_bodies(
        &mut self,
        wanted: &[(Uid, u64)],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        self.converse(|talk| bodies::fetch(talk, Section::Whole, wanted, sink))
    }

    /// As [`Session::fetch_bodies`], for the header of each message, the empty line after it
    /// included.
    ///
    /// # Errors
    /// As [`Session::fetch_bodies`].
    pub fn fetch_headers(
        &mut self,
        uids: &[Uid],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        // A header of no bytes is a server's slip: counted as announced, it is asked for again.
        let wanted: Vec<(Uid, u64)> = uids.iter().map(|uid| (*uid, 1)).collect();
        self.converse(|talk| bodies::fetch(talk, Section::Header, &wanted, sink))
    }

    /// An attribute of messages, for those that have it. Empty where the server does not know
    /// such an attribute; what has to be announced and is not is not asked for.
    ///
    /// # Errors
    /// Network or Protocol of reach User.
    pub fn fetch_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem> {
        let needed = attribute.capability();
        if needed.is_some_and(|word| !self.abilities.has(word)) {
            return Ok(Vec::new());
        }
        self.converse(|talk| attributes::fetch(talk, attribute, uids))
    }

    /// The attribute by which the server tells that messages of several folders are one and the same;
    /// `None` where it has none.
    pub fn identifies_by(&self) -> Option<Attribute> {
        let mut attributes = [Attribute::GmailId, Attribute::EmailId].into_iter();
        attributes.find(|it| it.capability().is_some_and(|word| self.abilities.has(word)))
    }

    /// Whether the server can remove messages by their UIDs, and no others (UIDPLUS, RFC 4315).
    pub fn expunges_by_uid(&self) -> bool {
        self.abilities.has("UIDPLUS") || self.abilities.has("IMAP4REV2")
    }

    /// Deletes the messages `uids` of a folder, which must still have `validity`: opens it by SELECT,
    /// marks them as deleted and removes what is marked, piece by piece, and looks what is left. What has
    /// gone when something goes wrong is gone; what is marked and not removed stays marked.
    ///
    /// `gone` is told of what is known to have gone, as soon as it is, and may stop it. Returned is why
    /// the server has not deleted all, of reach Folder.
    ///
    /// # Errors
    /// What `gone` says; Network or Protocol of reach User.
    pub fn delete(
        &mut self,
        folder: &ListedFolder,
        validity: UidValidity,
        uids: &UidSet,
        how: Expunge,
        gone: &mut dyn FnMut(&UidSet) -> Result<(), Problem>,
    ) -> Result<Option<Problem>, Problem> {
        let opened = self.converse(|talk| expunge::select(talk, &folder.wire_name, validity))?;
        if let Err(problem) = opened {
            return Ok(Some(problem.in_folder(&folder.path)));
        }
        for piece in expunge::pieces(uids) {
            let (went, problem) = self.converse(|talk| expunge::piece(talk, &piece, how))?;
            gone(&went)?;
            if let Some(problem) = problem {
                return Ok(Some(problem.in_folder(&folder.path)));
            }
        }
        Ok(None)
    }

    /// What went wrong without stopping anything since this was called last: the server's
    /// warnings and what of its answers was passed over. Printable.
    pub fn take_warnings(&mut self) -> Vec<String> {
        self.shared.lock().warnings.take()
    }

    /// Says good-bye. What the server answers no longer matters.
    pub fn logout(mut self) {
        if self.ahead.is_under_way()
            && let Err(problem) = self.converse(|talk| talk.give_up_asked())
        {
            tracing::debug!(%problem, "before logout");
        }
        if self.dead.is_none()
            && let Err(error) = self.client.logout()
        {
            tracing::debug!(%error, "logout");
        }
    }

    fn alive(&self) -> Result<(), Problem> {
        match &self.dead {
            None => Ok(()),
            Some(why) => Err(Problem::new(
                Kind::Network,
                Reach::User,
                format!("the session had ended: {why}"),
            )),
        }
    }

    /// Lends the connection to our own reader for one or more whole commands.
    fn converse<T>(
        &mut self,
        work: impl FnOnce(&mut Talk<'_>) -> Result<T, Fault>,
    ) -> Result<T, Problem> {
        self.alive()?;
        let mut inner = self.shared.lock();
        let Inner { wire, warnings, .. } = &mut *inner;
        let mut talk = Talk {
            reader: Reader::new(wire),
            warnings,
            tags: &mut self.tags,
            extensions: &mut self.extensions,
            ahead: &mut self.ahead,
            line: &self.line,
            may_compress: &mut self.may_compress,
        };
        work(&mut talk).map_err(|fault| {
            let mut problem = Problem::from(fault);
            // A server that cannot do with commands ahead of their turn may serve who asks none.
            problem.retry |= problem.kind == Kind::Protocol && self.ahead.was_used();
            self.dead = Some(problem.to_string());
            problem
        })
    }
}

/// The problem behind an error of the crate, which often does not know it itself.
fn crate_problem(shared: &Shared, error: imap::Error) -> Problem {
    if let Some(fault) = shared.lock().fault.take() {
        return fault.into();
    }
    match error {
        imap::Error::Io(error) => connection_problem(error),
        imap::Error::ConnectionLost => connection_problem(std::io::ErrorKind::UnexpectedEof.into()),
        error => Problem::new(
            Kind::Protocol,
            Reach::User,
            "the server's answer is not what IMAP allows",
        )
        .caused_by(error),
    }
}
