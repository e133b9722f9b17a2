//! Messages from server to sink: commands sent ahead of replies where the server allows it.

use std::io::{Read, Write};

use super::proto::shuts_out;
use super::unstuff::Unstuffer;
use super::{Session, Top, delayed};
use crate::mail::PopNumber;
use crate::problem::{Kind, Problem, Reach};
use crate::source::{BodySink, Refused, most_octets};

/// Most commands sent ahead. With mails of 10 KB that is what a line of 800 Mbit/s holds over 50 ms.
const WINDOW: usize = 512;

/// The part of the window that must be free before it is filled up: what is free on average is lost on a
/// distant server, and a packet should carry more than one command.
const REFILL: usize = 8;

/// Most octets of commands without a reply. Any system's send buffer takes as much, whether the server
/// reads on or not, so that client and server can never both wait for the other to read (RFC 2449
/// section 6.6).
const AHEAD: usize = 4096;

/// More lines than a message can have, and a number that every server can parse.
const ALL_LINES: u32 = 999_999_999;

#[derive(Debug, Clone, Copy)]
enum Command {
    Retr,
    Top { lines: u32 },
}

impl Command {
    fn line(self, number: PopNumber) -> String {
        match self {
            Command::Retr => format!("RETR {number}\r\n"),
            Command::Top { lines } => format!("TOP {number} {lines}\r\n"),
        }
    }
}

impl<S: Read + Write> Session<S> {
    /// Messages by RETR, in the order of `numbers`. On some servers this marks them as seen:
    /// [`Session::whole`] does not where it can be helped.
    ///
    /// # Errors
    /// Kind Network (the connection broke, a body begun was abandoned), Busy (`[IN-USE]`,
    /// `[LOGIN-DELAY]`), Protocol (out of step; worth a retry on a new session with
    /// [`super::Pipelining::Never`]), and the sink's own errors. The session is over then.
    pub fn retrieve(
        &mut self,
        numbers: &[PopNumber],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        self.transfer(Command::Retr, numbers, sink)
    }

    /// The headers of messages, with the empty line that ends them, by TOP. See
    /// [`Session::supports_top`]; without TOP all are refused.
    ///
    /// # Errors
    /// Those of [`Session::retrieve`].
    pub fn headers(
        &mut self,
        numbers: &[PopNumber],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        self.top(0, numbers, sink)
    }

    /// Whole messages by TOP, which marks nothing as seen; by RETR what TOP does not give (so
    /// these come last).
    ///
    /// # Errors
    /// Those of [`Session::retrieve`].
    pub fn whole(
        &mut self,
        numbers: &[PopNumber],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        let refused = self.top(ALL_LINES, numbers, sink)?;
        let numbers: Vec<PopNumber> = refused.iter().map(|(number, _)| *number).collect();
        self.transfer(Command::Retr, &numbers, sink)
    }

    /// Whether TOP may work: `false` once a server that does not list it has refused it.
    pub fn supports_top(&self) -> bool {
        self.top != Top::Missing
    }

    /// Whether the server says that it has TOP.
    pub fn announces_top(&self) -> bool {
        self.capabilities.top
    }

    fn top(
        &mut self,
        lines: u32,
        numbers: &[PopNumber],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        let command = Command::Top { lines };
        let mut refused = Refused::new();
        let mut rest = numbers;
        // One message tells whether there is a TOP at all.
        if self.top == Top::Unknown
            && let Some((first, others)) = numbers.split_first()
        {
            refused = self.transfer(command, &[*first], sink)?;
            self.top = if refused.is_empty() {
                Top::Works
            } else {
                Top::Missing
            };
            rest = others;
        }
        if self.top == Top::Missing {
            let missing = |number: &PopNumber| (*number, "the server has no TOP".to_owned());
            refused.extend(rest.iter().map(missing));
        } else {
            refused.extend(self.transfer(command, rest, sink)?);
        }
        Ok(refused)
    }

    fn transfer(
        &mut self,
        command: Command,
        numbers: &[PopNumber],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        let result = self.pipeline(command, numbers, sink);
        if result.is_err() {
            // Replies to commands sent ahead may still come.
            self.wire.give_up();
        }
        result
    }

    fn pipeline(
        &mut self,
        command: Command,
        numbers: &[PopNumber],
        sink: &mut dyn BodySink,
    ) -> Result<Refused, Problem> {
        let longest = numbers
            .iter()
            .max()
            .map_or(1, |most| command.line(*most).len());
        let window = if self.pipelining {
            (AHEAD / longest).clamp(1, WINDOW)
        } else {
            1
        };
        let refill = (window / REFILL).max(1);
        let mut refused = Refused::new();
        let mut unsent = numbers.iter();
        let mut ahead = 0;
        for number in numbers {
            if ahead + refill <= window {
                let batch: String = unsent
                    .by_ref()
                    .take(window - ahead)
                    .map(|number| command.line(*number))
                    .inspect(|_| ahead += 1)
                    .collect();
                if !batch.is_empty() {
                    self.wire.send(batch.as_bytes())?;
                }
            }
            match self.wire.answer().map_err(|problem| at(problem, *number))? {
                Ok(_) => self.body(*number, sink)?,
                // [SYS/TEMP] is not among these: a server that cannot read one file says so of that
                // message every time, and the others must go on.
                Err(text) if shuts_out(&text) => {
                    let what = format!(
                        "the server stopped giving messages: {}",
                        self.wire.words(&text)
                    );
                    let problem = delayed(Problem::new(Kind::Busy, Reach::User, what), &text);
                    return Err(at(problem, *number));
                }
                Err(text) => refused.push((*number, self.wire.words(&text))),
            }
            ahead -= 1;
        }
        Ok(refused)
    }

    fn body(&mut self, number: PopNumber, sink: &mut dyn BodySink) -> Result<(), Problem> {
        sink.begin(None)?;
        match self.stream_body(number, sink) {
            Ok(()) => sink.end(number),
            Err(problem) => {
                sink.abandon();
                Err(problem)
            }
        }
    }

    fn stream_body(&mut self, number: PopNumber, sink: &mut dyn BodySink) -> Result<(), Problem> {
        let mut unstuffer = Unstuffer::default();
        let largest = self.largest;
        let mut left = most_octets(largest);
        loop {
            let chunk = self.wire.chunk().map_err(|problem| at(problem, number))?;
            let length = chunk.len();
            left = left
                .checked_sub(length as u64)
                .ok_or_else(|| at(endless(largest), number))?;
            match unstuffer.push(chunk, |bytes| sink.data(bytes))? {
                Some(used) => {
                    self.wire.consume(used);
                    return Ok(());
                }
                None => self.wire.consume(length),
            }
        }
    }
}

/// The problem of a message that goes on and on, where the largest is listed with so many octets.
fn endless(largest: u64) -> Problem {
    let what = format!(
        "the server lists no message of more than {largest} octets and sends this one without \
         end"
    );
    // Without this message the others may come.
    Problem::new(Kind::Protocol, Reach::User, what).worth_retry(true)
}

fn at(problem: Problem, number: PopNumber) -> Problem {
    problem.at_message(format!("POP3 message {number}"))
}
