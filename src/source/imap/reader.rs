//! Reads server responses off a stream, byte-wise: lines into tokens, literals straight from the
//! stream's buffer to whoever wants them.
//!
//! Tolerant where servers are odd (bare LF, blank lines, doubled spaces, 8-bit text), strict where
//! staying in step depends on it (literal lengths). A response that makes no sense costs itself:
//! [`Reader::next`] goes on with the next one. Nothing here recurses, and memory is bounded by
//! [`LINE_LIMIT`] and [`Reader::expect_uids`].

mod tokens;

use std::io::{self, BufRead};

pub use self::tokens::Token;
use self::tokens::trailing_marker;
use super::reply::{Reply, Status};
use crate::problem::Problem;

/// The most bytes of one response outside its literals.
pub const LINE_LIMIT: usize = 1 << 20;
/// The longest literal believed, in bytes.
pub const LITERAL_LIMIT: u64 = 1 << 40;
/// The most responses of no use to anyone within one command.
pub const UNASKED_LIMIT: u32 = 100_000;
/// So many bytes of skipped literals count as one of them.
const UNASKED_BYTES: u64 = 64 << 10;

/// Why reading cannot go on. After all but `Nonsense` the connection is of no more use.
#[derive(Debug)]
pub enum Fault {
    /// The connection broke.
    Io(io::Error),
    /// The server said BYE, with this text.
    Bye(Reply),
    /// The server sent what makes it impossible or unwise to go on.
    Broken(&'static str),
    /// This one response makes no sense; the next may.
    Nonsense(&'static str),
    /// Whoever receives the bytes wants no more.
    Sink(Problem),
}

impl Fault {
    /// A tag that is none of ours, or not one that is still open.
    pub fn never_sent() -> Self {
        Fault::Broken("the server answers a command never sent")
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Fault::Sink(problem)
    }
}

/// How a response begins. What follows is for [`Reader::token`].
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// `* OK`, `* NO`, `* BAD`, `* BYE` or `* PREAUTH`; complete.
    Status(Reply),
    /// The end of the command with this tag, which is for the caller to know; complete.
    Tagged(String, Reply),
    /// `* n FETCH`.
    Fetch,
    /// `* n EXISTS`.
    Exists(u32),
    /// `* n EXPUNGE`.
    Expunge,
    /// `* WORD`; the word is [`Reader::text`].
    Data,
    /// `+`; [`Reader::text`] is what follows it.
    Continue,
    /// Nothing that a server should send; [`Reader::text`] is the line.
    Rubbish,
}

/// A reader of responses.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// The line being read, without its end; of a response with literals, the part after the last.
    line: Vec<u8>,
    at: usize,
    spent: usize,
    text: Vec<u8>,
    /// A literal that is announced but not read yet.
    pending: Option<u64>,
    /// Whether the rest of the line may end by announcing a literal.
    has_data: bool,
    unasked: u32,
    line_limit: usize,
}

impl<R: BufRead> Reader<R> {
    /// A reader of what comes next on `input`. It takes nothing beyond the responses asked for.
    pub fn new(input: R) -> Self {
        Self::resume(input, 0)
    }

    /// The same, after `unasked` responses of no use within the same command.
    pub fn resume(input: R, unasked: u32) -> Self {
        Self {
            input,
            line: Vec::new(),
            at: 0,
            spent: 0,
            text: Vec::new(),
            pending: None,
            has_data: false,
            unasked,
            line_limit: LINE_LIMIT,
        }
    }

    /// Lets a line be longer by what `uids` UIDs take, each in a range of its own: servers list them
    /// all in one line (SEARCH, VANISHED). Who holds so many has the room.
    pub fn expect_uids(&mut self, uids: u64) {
        const LONGEST_RANGE: usize = "4294967295:4294967295,".len();
        let uids = usize::try_from(uids).unwrap_or(usize::MAX);
        self.line_limit = LINE_LIMIT.saturating_add(uids.saturating_mul(LONGEST_RANGE));
    }

    /// The stream, for writing the next command.
    pub fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// The bytes of the last atom or quoted string.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Skips what is left of the current response and begins the next.
    ///
    /// # Errors
    /// Any but `Nonsense`; `Bye` when that is what the server says next.
    pub fn next(&mut self) -> Result<Response, Fault> {
        self.finish()?;
        loop {
            self.spent = 0;
            self.read_line()?;
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                break;
            }
            self.unasked()?;
        }
        match self.begin() {
            Response::Status(reply) if reply.status == Status::Bye => Err(Fault::Bye(reply)),
            Response::Tagged(_, reply) if reply.status == Status::Bye => Err(Fault::Bye(reply)),
            response @ Response::Tagged(..) => {
                self.unasked = 0;
                Ok(response)
            }
            response => Ok(response),
        }
    }

    /// How many responses were of no use since a command ended, for [`Reader::resume`].
    pub fn unasked_so_far(&self) -> u32 {
        self.unasked
    }

    /// Counts a response that served nothing.
    ///
    /// # Errors
    /// `Broken` after [`UNASKED_LIMIT`] of them since a command ended: the server would keep us for ever.
    pub fn unasked(&mut self) -> Result<(), Fault> {
        self.unasked += 1;
        if self.unasked > UNASKED_LIMIT {
            return Err(endless());
        }
        Ok(())
    }

    /// Skips what is left of the current response, literals included.
    ///
    /// # Errors
    /// `Io`, or `Broken` for an impossible literal.
    pub fn finish(&mut self) -> Result<(), Fault> {
        while self.has_data {
            let announced = match self.pending {
                Some(length) => Some(length),
                None => trailing_marker(&self.line[self.at..])?,
            };
            match announced {
                Some(length) => {
                    self.pending = Some(length);
                    self.skip_literal()?;
                }
                None => self.has_data = false,
            }
        }
        self.at = self.line.len();
        Ok(())
    }

    /// Hands the bytes of the literal just announced to `take`, as they come.
    ///
    /// # Errors
    /// `Io` when it ends early, `Broken` when the line after it is too long, or what `take` says.
    pub fn literal(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Fault> {
        let mut left = self.pending.take().unwrap_or(0);
        while left > 0 {
            let available = fill(&mut self.input)?;
            if available.is_empty() {
                return Err(ended());
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let piece = &available[..available.len().min(most)];
            let count = piece.len();
            take(piece)?;
            self.input.consume(count);
            left -= count as u64;
        }
        self.read_line()
    }

    /// Reads the literal just announced into [`Reader::text`].
    ///
    /// # Errors
    /// As [`Reader::literal`]; `Nonsense` when it is longer than a line may be: it is skipped then.
    pub fn short_literal(&mut self) -> Result<(), Fault> {
        let length = usize::try_from(self.pending.unwrap_or(0)).unwrap_or(usize::MAX);
        if self.spent.saturating_add(length) > LINE_LIMIT {
            self.skip_literal()?;
            return Err(Fault::Nonsense(
                "a literal is longer than such a value can be",
            ));
        }
        self.spent += length;
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.literal(|piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        self.text = text;
        Ok(())
    }

    /// The current line, as much of it as is at hand.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The rest of the line as it stands, into [`Reader::text`], without spaces around it.
    pub fn rest(&mut self) -> &[u8] {
        self.text.clear();
        self.text
            .extend_from_slice(self.line[self.at..].trim_ascii());
        self.at = self.line.len();
        &self.text
    }

    /// Throws the literal just announced away.
    fn skip_literal(&mut self) -> Result<(), Fault> {
        let weight = self.pending.unwrap_or(0) / UNASKED_BYTES;
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        self.unasked = self.unasked.saturating_add(weight);
        if self.unasked > UNASKED_LIMIT {
            return Err(endless());
        }
        self.literal(|_| Ok(()))
    }

    fn begin(&mut self) -> Response {
        self.has_data = false;
        self.at = 0;
        let (start, end) = self.word();
        match &self.line[start..end] {
            b"*" => self.begin_untagged(),
            b"+" => {
                self.rest();
                Response::Continue
            }
            tag => {
                let tag = str::from_utf8(tag)
                    .ok()
                    .filter(|tag| tag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
                    .map(str::to_owned);
                let (start, end) = self.word();
                match (tag, Status::parse(&self.line[start..end])) {
                    (Some(tag), Some(status)) => {
                        Response::Tagged(tag, Reply::new(status, self.rest()))
                    }
                    _ => self.rubbish(),
                }
            }
        }
    }

    fn begin_untagged(&mut self) -> Response {
        let (start, end) = self.word();
        if let Some(status) = Status::parse(&self.line[start..end]) {
            return Response::Status(Reply::new(status, self.rest()));
        }
        if start == end {
            return self.rubbish();
        }
        if let Some(number) = number(&self.line[start..end]) {
            let (start, end) = self.word();
            let word = &self.line[start..end];
            if word.eq_ignore_ascii_case(b"FETCH") {
                self.has_data = true;
                return Response::Fetch;
            }
            if word.eq_ignore_ascii_case(b"EXISTS") {
                return u32::try_from(number).map_or(Response::Rubbish, Response::Exists);
            }
            if word.eq_ignore_ascii_case(b"EXPUNGE") {
                return Response::Expunge;
            }
        }
        self.has_data = true;
        self.text.clear();
        self.text.extend_from_slice(&self.line[start..end]);
        Response::Data
    }

    fn rubbish(&mut self) -> Response {
        self.at = 0;
        self.rest();
        Response::Rubbish
    }

    /// Where the next word of the line begins and ends: up to a space or an opening parenthesis.
    fn word(&mut self) -> (usize, usize) {
        self.skip_spaces();
        let start = self.at;
        let rest = &self.line[start..];
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'('))
            .unwrap_or(rest.len());
        self.at = start + length;
        (start, self.at)
    }

    fn skip_spaces(&mut self) {
        while matches!(self.line.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads up to the next LF into `line`, without the line end.
    fn read_line(&mut self) -> Result<(), Fault> {
        self.line.clear();
        self.at = 0;
        loop {
            let available = fill(&mut self.input)?;
            if available.is_empty() {
                return Err(ended());
            }
            let newline = memchr::memchr(b'\n', available);
            let count = newline.map_or(available.len(), |at| at + 1);
            self.spent += count;
            if self.spent > self.line_limit {
                return Err(Fault::Broken("the server sends a line without end"));
            }
            self.line.extend_from_slice(&available[..count]);
            self.input.consume(count);
            if newline.is_some() {
                break;
            }
        }
        while matches!(self.line.last(), Some(b'\n' | b'\r')) {
            self.line.pop();
        }
        Ok(())
    }
}

/// `digits` as a number; `None` for anything else, and beyond 64 bits.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// [`BufRead::fill_buf`] that signals do not stop.
fn fill<R: BufRead>(input: &mut R) -> Result<&[u8], Fault> {
    loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Io(error)),
            Ok(_) => break,
        }
    }
    // The buffer is filled: this one does not read again. The borrow checker cannot see that the
    // borrow of the loop ends where nothing is returned.
    Ok(input.fill_buf()?)
}

fn endless() -> Fault {
    Fault::Broken("the server sends endless unasked responses")
}

fn ended() -> Fault {
    Fault::Io(io::ErrorKind::UnexpectedEof.into())
}
