//! Messages from the threads that read them to the task that writes them: small ones whole, large ones
//! in pieces, those of all connections mixed.

use std::sync::mpsc::{Receiver, SyncSender};

use crate::problem::{Kind, Problem, Reach};
use crate::sink::arrivals::{Arrivals, AtHand};
use crate::source::BodySink;

/// Bytes of a message that are handed over at once.
const PIECE: usize = 64 << 10;

/// Some of a message, or all of it.
pub(super) struct Piece {
    connection: usize,
    /// Where it is the first of its message: the length that the server announced.
    begins: Option<Option<u64>>,
    bytes: Vec<u8>,
    /// Where it is the last.
    ends: Option<End>,
}

enum End {
    /// Whole; of the message with this UID.
    Whole(u32),
    Abandoned,
}

/// Hands on what comes over one connection.
pub(super) struct Relay {
    connection: usize,
    sender: SyncSender<Piece>,
    begins: Option<Option<u64>>,
    bytes: Vec<u8>,
}

impl Relay {
    pub(super) fn new(connection: usize, sender: SyncSender<Piece>) -> Self {
        Self {
            connection,
            sender,
            begins: None,
            bytes: Vec::new(),
        }
    }

    fn send(&mut self, ends: Option<End>) -> Result<(), Problem> {
        let piece = Piece {
            connection: self.connection,
            begins: self.begins.take(),
            bytes: std::mem::take(&mut self.bytes),
            ends,
        };
        // Why nobody takes it any more is told by who took it.
        self.sender.send(piece).map_err(|_| {
            let what = "what is received is no longer written";
            Problem::new(Kind::Interrupted, Reach::User, what)
        })
    }
}

impl BodySink for Relay {
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
        self.begins = Some(announced);
        self.bytes.clear();
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.bytes.extend_from_slice(bytes);
        match self.bytes.len() < PIECE {
            true => Ok(()),
            false => self.send(None),
        }
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        self.send(Some(End::Whole(key)))
    }

    fn abandon(&mut self) {
        self.bytes.clear();
        // Of one that was not handed on yet nobody knows.
        if self.begins.take().is_none() {
            let _ = self.send(Some(End::Abandoned));
        }
    }
}

/// Lets what so many connections bring arrive, until all of them have ended.
///
/// # Errors
/// Those of `arrivals`, after which nothing more is taken.
pub(super) fn land(
    pieces: Receiver<Piece>,
    connections: usize,
    arrivals: &mut Arrivals<'_>,
) -> Result<(), Problem> {
    // By connection; of that whose message is at hand an empty one.
    let mut aside: Vec<AtHand> = (0..connections).map(|_| AtHand::default()).collect();
    let mut at = 0;
    let landed = pieces.iter().try_for_each(|piece| {
        if piece.connection != at {
            arrivals.exchange(&mut aside[at]);
            at = piece.connection;
            arrivals.exchange(&mut aside[at]);
        }
        if let Some(announced) = piece.begins {
            arrivals.begin(announced)?;
        }
        arrivals.data(&piece.bytes)?;
        match piece.ends {
            Some(End::Whole(uid)) => arrivals.end(uid),
            Some(End::Abandoned) => {
                arrivals.abandon();
                Ok(())
            }
            None => Ok(()),
        }
    });
    for mut unfinished in aside {
        arrivals.exchange(&mut unfinished);
        arrivals.abandon();
        arrivals.exchange(&mut unfinished);
    }
    arrivals.abandon();
    landed
}
