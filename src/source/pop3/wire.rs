//! Lines and bytes of a POP3 connection, and what it means when they stop.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};

use super::proto::{Status, status};
use crate::problem::{Kind, Problem, Reach};
use crate::text::printable_bytes;

/// Longest line outside of bodies, in octets. RFC 2449 allows 512.
const LINE_LIMIT: usize = 64 * 1024;

/// How much of a server's words goes into a problem, in characters.
const WORDS: usize = 300;

/// A status line, its text made UTF-8. It goes to people by [`Wire::words`] only: a password may be in it, and
/// may be a word by which the reply is understood.
pub(super) enum Reply {
    Ok(String),
    Err(String),
    Challenge(String),
}

pub(super) struct Wire<S> {
    stream: BufReader<S>,
    line: Vec<u8>,
    broken: bool,
    hidden: Vec<String>,
    /// Replies to come before the next one that matters.
    passed_over: usize,
}

impl<S: Read + Write> Wire<S> {
    pub(super) fn new(stream: BufReader<S>) -> Self {
        Self {
            stream,
            line: Vec::new(),
            broken: false,
            hidden: Vec::new(),
            passed_over: 0,
        }
    }

    /// From now on `text`, which is a secret or tells one, is taken out of the server's words
    /// before they are told to anyone. Short texts are no secrets, and are in many words.
    pub(super) fn hide(&mut self, text: &str) {
        if text.len() > 3 {
            self.hidden.push(text.to_owned());
        }
    }

    /// A server's words as they may be told, cut to a readable length.
    pub(super) fn words(&self, text: &str) -> String {
        let text = self.without_hidden(text.to_owned());
        printable_bytes(text.as_bytes(), WORDS)
    }

    /// `text` as it may be told.
    pub(super) fn without_hidden(&self, text: String) -> String {
        let hidden = self.hidden.iter();
        hidden.fold(text, |text, hidden| text.replace(hidden, "[secret]"))
    }

    /// Nothing more can be said on this connection: who speaks now is not known.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Gives the connection up.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    /// Sends whole command lines, all in one write.
    pub(super) fn send(&mut self, commands: &[u8]) -> Result<(), Problem> {
        let stream = self.stream.get_mut();
        stream
            .write_all(commands)
            .and_then(|()| stream.flush())
            .map_err(|error| self.failed(error))
    }

    /// The next line without its end, LF or CRLF.
    pub(super) fn line(&mut self) -> Result<&[u8], Problem> {
        self.line.clear();
        loop {
            let piece = self.chunk()?;
            let line_feed = memchr::memchr(b'\n', piece);
            let used = line_feed.map_or(piece.len(), |at| at + 1);
            let piece = &self.stream.buffer()[..used];
            self.line.extend_from_slice(piece);
            self.consume(used);
            if self.line.len() > LINE_LIMIT {
                self.broken = true;
                return Err(Problem::new(
                    Kind::Protocol,
                    Reach::User,
                    format!("the server sent a line of more than {LINE_LIMIT} octets"),
                ));
            }
            if line_feed.is_some() {
                let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
                return Ok(line.strip_suffix(b"\r").unwrap_or(line));
            }
        }
    }

    /// The next bytes, at least one, straight from the read buffer.
    pub(super) fn chunk(&mut self) -> Result<&[u8], Problem> {
        loop {
            match self.stream.fill_buf() {
                // A signal on a socket with a time limit is not restarted by the system.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
                Ok([]) => {
                    self.broken = true;
                    return Err(Problem::new(
                        Kind::Network,
                        Reach::User,
                        "the server closed the connection",
                    ));
                }
                Ok(_) => return Ok(self.stream.buffer()),
            }
        }
    }

    /// Marks bytes of [`Wire::chunk`] as used.
    pub(super) fn consume(&mut self, used: usize) {
        self.stream.consume(used);
    }

    /// Whatever the reply to the command just sent will be, nothing depends on it: it is read and
    /// dropped before the next one.
    pub(super) fn pass_over(&mut self) {
        self.passed_over += 1;
    }

    /// Reads a status line. Anything else means that server and client are out of step: worth a
    /// retry, on a new connection and without pipelining.
    pub(super) fn reply(&mut self) -> Result<Reply, Problem> {
        while self.passed_over > 0 {
            self.passed_over -= 1;
            self.status_line()?;
        }
        self.status_line()
    }

    fn status_line(&mut self) -> Result<Reply, Problem> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let line = self.line()?;
        let nonsense = match status(line) {
            Some(Status::Ok(rest)) => return Ok(Reply::Ok(text(rest))),
            Some(Status::Err(rest)) => return Ok(Reply::Err(text(rest))),
            Some(Status::Challenge(rest)) => return Ok(Reply::Challenge(text(rest))),
            None => text(line),
        };
        let words = self.words(&nonsense);
        self.broken = true;
        Err(Problem::new(
            Kind::Protocol,
            Reach::User,
            format!("not a POP3 reply: {words:?}"),
        )
        .worth_retry(true))
    }

    /// Sends one command and reads its reply: the inner `Ok` holds the text of +OK, the inner
    /// `Err` that of -ERR.
    pub(super) fn ask(&mut self, command: &str) -> Result<Result<String, String>, Problem> {
        self.send(format!("{command}\r\n").as_bytes())?;
        self.answer()
    }

    /// The reply to a command that knows no challenges.
    pub(super) fn answer(&mut self) -> Result<Result<String, String>, Problem> {
        match self.reply()? {
            Reply::Ok(text) => Ok(Ok(text)),
            Reply::Err(text) => Ok(Err(text)),
            Reply::Challenge(_) => {
                self.broken = true;
                Err(Problem::new(
                    Kind::Protocol,
                    Reach::User,
                    "the server sent a login challenge out of turn",
                ))
            }
        }
    }

    /// The lines of a multi-line reply up to its end, at most `limit`.
    pub(super) fn lines(
        &mut self,
        limit: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Problem> {
        for _ in 0..=limit {
            match self.line()? {
                b"." => return Ok(()),
                line => each(line),
            }
        }
        self.broken = true;
        Err(Problem::new(
            Kind::Protocol,
            Reach::User,
            format!("the server sent a reply of more than {limit} lines"),
        ))
    }

    fn failed(&mut self, error: io::Error) -> Problem {
        self.broken = true;
        let what = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => "the server was silent for too long",
            _ => "the connection broke",
        };
        Problem::new(Kind::Network, Reach::User, what).caused_by(error)
    }
}
