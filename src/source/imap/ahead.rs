//! Commands that are sent before their turn, so that no round trip passes between one and the next.
//!
//! What is asked ahead is a guess, and nothing but time depends on it. [`Talk::send`] takes up an answer
//! that was asked for ahead only where it would send that very command now, while the same folder is
//! open. All else that was asked ahead is read and thrown away; where a folder was opened by it the one
//! that should be open is opened again, and has to be the same still.
//!
//! No command is asked ahead whose meaning depends on the answer to another (RFC 3501 section 5.5), other
//! than by the folder that is open: a server works on what follows EXAMINE when that is done. Where
//! EXAMINE fails it has no folder open, and refuses what follows.

use std::collections::VecDeque;

use super::Talk;
use super::examine::take_code;
use super::gather::MESSAGE_LIMIT;
use super::reader::{Fault, Response};
use super::reply::Status;
use crate::mail::UidValidity;
use crate::problem::{Kind, Problem, Reach};
use crate::source::Examined;

/// The most octets of messages that are asked for ahead: more than a fast line holds in one round trip
/// (1 Gbit/s, 260 ms), also where all that is under way has half come. What was guessed wrongly costs no
/// more.
pub const BYTES: u64 = 32 << 20;
/// What the answer to a listing counts for.
const LISTING: u64 = 1 << 20;
/// The most octets of commands that the server has not come to. While it waits for us to read it need
/// not read, and may not: they have to fit the line, lest both wait for ever.
pub const COMMANDS: usize = 4000;

/// A command that may be asked ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    command: String,
    /// About how long the answer is.
    bytes: u64,
}

impl Question {
    /// A command with a short answer.
    pub fn short(command: String) -> Self {
        Self { command, bytes: 0 }
    }

    /// A command that lists messages.
    pub fn listing(command: String) -> Self {
        Self {
            command,
            bytes: LISTING,
        }
    }

    /// A command that fetches messages of so many octets in all.
    pub fn fetch(command: String, bytes: u64) -> Self {
        Self { command, bytes }
    }
}

/// A command that has been asked ahead.
#[derive(Debug)]
struct Asked {
    question: Question,
    tag: String,
}

/// What commands take that the server has not answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Octets of the answers, about.
    pub bytes: u64,
    /// Octets of the commands.
    pub commands: usize,
}

impl Load {
    /// With one more command.
    #[must_use]
    pub fn with(self, bytes: u64, command: usize) -> Self {
        Self {
            bytes: self.bytes.saturating_add(bytes),
            commands: self.commands.saturating_add(command),
        }
    }
}

/// The folder that whoever asks has opened.
#[derive(Debug, Clone)]
struct Open {
    name: String,
    validity: Option<UidValidity>,
}

/// What has been and will be asked ahead.
#[derive(Debug, Default)]
pub struct Ahead {
    /// To be sent, in this order.
    guessed: VecDeque<Question>,
    /// Sent, and not taken up yet.
    asked: VecDeque<Asked>,
    /// What the commands take that are under way in turn.
    pub under_way: Load,
    open: Option<Open>,
    /// The server has another folder open than `open`, or none.
    displaced: bool,
    /// Whoever asks has turned out to ask something else of the folder that is open: until it turns to
    /// the next nothing is asked ahead.
    off_course: bool,
    /// The server cannot do with commands ahead of their turn.
    stumbled: bool,
    was_used: bool,
}

/// What becomes of what was asked ahead when a command's turn comes.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// So many answers are thrown away; the next are those to the command.
    TakeUp(usize),
    /// All answers are thrown away, and the command is sent.
    Send,
}

/// Whether a command opens a folder.
fn opens(command: &str) -> bool {
    command.starts_with("EXAMINE ") || command.starts_with("SELECT ")
}

/// How the tags of what was asked ahead begin, by which they are known.
const PREFIX: char = 'y';

impl Ahead {
    /// Whether `tag` is that of a command that was asked ahead.
    pub fn is_of(tag: &str) -> bool {
        tag.starts_with(PREFIX)
    }

    /// Whether anything was asked ahead whose answer has not been read.
    pub fn is_under_way(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether anything was ever asked ahead.
    pub fn was_used(&self) -> bool {
        self.was_used
    }

    /// From now on `questions` are what is expected to be asked; with those of them begins what has been
    /// asked ahead already.
    pub fn expect(&mut self, questions: Vec<Question>) {
        let asked = self.asked.iter().map(|asked| &asked.question.command);
        let is_asked = self.asked.len() <= questions.len()
            && asked
                .zip(&questions)
                .all(|(asked, it)| *asked == it.command);
        let already = if is_asked { self.asked.len() } else { 0 };
        self.guessed = match self.stumbled {
            true => VecDeque::new(),
            false => questions.into_iter().skip(already).collect(),
        };
        self.off_course = false;
    }

    /// The answer to a command that was asked ahead has ended before that to one sent before it. Whether
    /// `tag` is that of such a command.
    pub fn has_overtaken(&mut self, tag: &str) -> bool {
        let at = self.asked.iter().position(|asked| asked.tag == tag);
        let asked = at.and_then(|at| self.asked.remove(at));
        self.displaced |= asked.as_ref().is_some_and(|it| opens(&it.question.command));
        asked.is_some()
    }

    /// The server refused what it then did when asked in turn.
    pub fn stumbled(&mut self) {
        self.stumbled = true;
        self.guessed.clear();
    }

    /// A folder was opened; `None`: it could not be, and none is open.
    pub fn opened(&mut self, folder: Option<(&str, Option<UidValidity>)>) {
        self.open = folder.map(|(name, validity)| Open {
            name: name.to_owned(),
            validity,
        });
    }

    /// Whether the folder of that name, as it stands in commands, is the one that was opened last.
    pub fn has_open(&self, name: &str) -> bool {
        self.open.as_ref().is_some_and(|open| open.name == name)
    }

    /// Whether `command` can be sent while others are under way that have been taken up or sent in
    /// turn: not if anything has to be thrown away first.
    pub fn is_next(&self, command: &str) -> bool {
        let next = self.asked.front();
        next.is_none_or(|next| next.question.command == command && !self.displaced)
    }

    /// Whether `command` is the next of those that have been asked ahead.
    pub fn has_asked(&self, command: &str) -> bool {
        !self.asked.is_empty() && self.is_next(command)
    }

    /// Decides what becomes of what was asked ahead now that it is the turn of `commands`, and corrects
    /// the course.
    fn turn(&mut self, commands: &[&str]) -> Turn {
        let turns_to_folder = commands.iter().any(|command| opens(command));
        let is_it = |at: usize| {
            let asked = self.asked.iter().skip(at).map(|it| &it.question.command);
            self.asked.len() - at >= commands.len() && asked.zip(commands).all(|(a, b)| a == b)
        };
        // Of a folder that is not open, nothing; and what is to be thrown away first may bring along what
        // is not.
        let reach = match turns_to_folder {
            true => self.asked.len(),
            false => usize::from(!self.displaced),
        };
        if let Some(at) = (0..reach).find(|at| is_it(*at)) {
            self.off_course &= !turns_to_folder;
            return Turn::TakeUp(at);
        }
        let expected = |at: usize| {
            let guessed = self.guessed.iter().skip(at).map(|it| &it.command);
            self.guessed.len() - at >= commands.len() && guessed.zip(commands).all(|(a, b)| a == b)
        };
        let first = match turns_to_folder {
            true => (0..self.guessed.len()).find(|at| expected(*at)),
            false => expected(0).then_some(0),
        };
        let in_course = self.asked.is_empty() && !self.off_course;
        match first {
            Some(first) if turns_to_folder || in_course => {
                self.guessed.drain(..first + commands.len());
                self.off_course = false;
            }
            _ => {
                let mut guessed = self.guessed.iter();
                let next_folder = guessed.position(|it| opens(&it.command));
                let gone = next_folder.unwrap_or(self.guessed.len());
                self.guessed.drain(..gone);
                self.off_course = true;
            }
        }
        Turn::Send
    }

    /// The next question to be asked ahead, if there is room for it.
    fn next(&mut self) -> Option<Question> {
        if self.off_course || self.displaced {
            return None;
        }
        let mut load = self.under_way;
        for Asked { question, .. } in &self.asked {
            load = load.with(question.bytes, question.command.len());
        }
        let next = self.guessed.front()?;
        let has_room = load.bytes < BYTES && load.commands + next.command.len() <= COMMANDS;
        match has_room || load == Load::default() {
            true => self.guessed.pop_front(),
            false => None,
        }
    }
}

impl Talk<'_> {
    /// Sends commands in one write, or takes up the answers to them where they have been asked ahead;
    /// returns their tags. What else was asked ahead is thrown away: see [`Ahead::is_next`].
    pub(super) fn send(&mut self, commands: &[&str]) -> Result<Vec<String>, Fault> {
        let turns_to_folder = commands.iter().any(|command| opens(command));
        match self.ahead.turn(commands) {
            Turn::TakeUp(gone) => {
                self.throw_away(gone)?;
                self.ahead.displaced &= !turns_to_folder;
                let taken = self.ahead.asked.drain(..commands.len());
                let tags = taken.map(|asked| asked.tag).collect();
                self.ask_ahead()?;
                Ok(tags)
            }
            Turn::Send => {
                self.throw_away(self.ahead.asked.len())?;
                if turns_to_folder {
                    self.ahead.displaced = false;
                } else if commands.iter().any(|command| command.starts_with("UID ")) {
                    self.open_again()?;
                }
                let tags = self.write(commands)?;
                self.ask_ahead()?;
                Ok(tags)
            }
        }
    }

    /// Asks ahead what is expected next, as far as there is room.
    pub(super) fn ask_ahead(&mut self) -> Result<(), Fault> {
        if self.should_compress() {
            // It begins when nothing is under way any more.
            return Ok(());
        }
        let mut lines = String::new();
        while let Some(question) = self.ahead.next() {
            let tag = self.add_command(&mut lines, PREFIX, &question.command);
            self.ahead.asked.push_back(Asked { question, tag });
            self.ahead.was_used = true;
        }
        match lines.is_empty() {
            true => Ok(()),
            false => self.write_lines(&lines),
        }
    }

    /// Reads all answers to what was asked ahead, and asks no more.
    pub(super) fn give_up_asked(&mut self) -> Result<(), Fault> {
        self.ahead.guessed.clear();
        self.throw_away(self.ahead.asked.len())
    }

    /// Reads the answers to the first `count` commands that were asked ahead, in whatever order those of
    /// one folder come.
    fn throw_away(&mut self, count: usize) -> Result<(), Fault> {
        let mut gone: Vec<Asked> = self.ahead.asked.drain(..count).collect();
        // Each FETCH response may be of use to nobody; as many as a folder has are no flood.
        let mut unasked = 0;
        while !gone.is_empty() {
            let Response::Tagged(tag, _) = self.warnings.cover_reply(self.reader.next())? else {
                unasked += 1;
                if unasked > MESSAGE_LIMIT {
                    return Err(Fault::Broken("the server sends endless unasked responses"));
                }
                continue;
            };
            let at = gone.iter().position(|asked| asked.tag == tag);
            let asked = gone.remove(at.ok_or_else(Fault::never_sent)?);
            self.ahead.displaced |= opens(&asked.question.command);
            unasked = 0;
        }
        Ok(())
    }

    /// Opens the folder again that should be open, where another has been opened ahead.
    fn open_again(&mut self) -> Result<(), Fault> {
        if !std::mem::take(&mut self.ahead.displaced) {
            return Ok(());
        }
        let Some(open) = self.ahead.open.clone() else {
            return Ok(());
        };
        let tags = self.write(&[&format!("EXAMINE {}", open.name)])?;
        let mut again = Examined::default();
        loop {
            match self.hear()? {
                Response::Tagged(tag, reply) if tags.contains(&tag) => {
                    take_code(&mut again, &reply);
                    let is_same = again.uid_validity == open.validity;
                    let is_same = is_same && reply.status == Status::Ok;
                    return if is_same {
                        Ok(())
                    } else {
                        Err(replaced().into())
                    };
                }
                Response::Tagged(..) => return Err(Fault::never_sent()),
                Response::Status(reply) => take_code(&mut again, &reply),
                _ => {}
            }
            self.reader.unasked()?;
        }
    }
}

/// UIDs that were listed of one folder name other messages in another.
fn replaced() -> Problem {
    let what = "the folder was replaced by another while it was worked on";
    Problem::new(Kind::Protocol, Reach::User, what).worth_retry(true)
}
