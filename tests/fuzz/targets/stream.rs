//! A server made of any bytes, and a sink that holds the client to its word.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use mailseed::problem::Problem;
use mailseed::source::BodySink;
use mailseed::source::login::{Login, Secret};
use mailseed::source::net::{Endpoint, Protocol, Security};

/// What the secret is: no command but that of a login may hold it.
pub const SECRET: &str = "s3cr3t-of-the-fuzzer";

/// In the bytes it stands for the tag of the next command that has not been answered; so an answer can
/// be the right one without the fuzzer's knowing the tags.
const TAG: u8 = 0xff;

#[derive(Debug, Default)]
struct Wire {
    bytes: Vec<u8>,
    at: usize,
    /// At most so many bytes a read.
    piece: usize,
    sent: Vec<u8>,
    tags: VecDeque<Vec<u8>>,
    last: Vec<u8>,
}

/// The server: sends its bytes in pieces, hears everything, and then hangs up.
#[derive(Debug, Clone, Default)]
pub struct Stream(Arc<Mutex<Wire>>);

impl Stream {
    /// Sends `first` and then `bytes`, at most `piece` at a time.
    pub fn new(first: &[u8], bytes: &[u8], piece: usize) -> Self {
        Self(Arc::new(Mutex::new(Wire {
            bytes: [first, bytes].concat(),
            piece: piece.max(1),
            ..Wire::default()
        })))
    }

    /// All that the client has sent.
    pub fn heard(&self) -> Vec<u8> {
        self.lock().sent.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.lock();
        let wire = &mut *wire;
        let rest = &wire.bytes[wire.at..];
        if rest.first() == Some(&TAG) {
            wire.at += 1;
            let tag = wire.tags.pop_front().unwrap_or_else(|| wire.last.clone());
            // Never longer than a buffer; nothing would be the end.
            let tag = if tag.is_empty() { b"?" } else { tag.as_slice() };
            buf[..tag.len()].copy_from_slice(tag);
            wire.last = tag.to_vec();
            return Ok(tag.len());
        }
        let until = rest.iter().position(|byte| *byte == TAG);
        let count = until.unwrap_or(rest.len()).min(wire.piece).min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        wire.at += count;
        Ok(count)
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut wire = self.lock();
        let start = wire
            .sent
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        wire.sent.extend_from_slice(buf);
        let lines: Vec<Vec<u8>> = wire.sent[start..]
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .filter_map(|line| line.split(|byte| *byte == b' ').next())
            .map(<[u8]>::to_vec)
            .collect();
        wire.tags.extend(lines);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that panics where a source breaks the promises of [`BodySink`].
#[derive(Debug)]
pub struct Sink {
    asked: Vec<u32>,
    ended: Vec<u32>,
    open: Option<(Option<u64>, u64)>,
}

impl Sink {
    /// For these messages.
    pub fn new(asked: impl IntoIterator<Item = u32>) -> Self {
        Self {
            asked: asked.into_iter().collect(),
            ended: Vec::new(),
            open: None,
        }
    }

    /// To be called at the end: each message has ended, or was refused, or all was given up.
    pub fn close<T>(self, outcome: &Result<Vec<(u32, T)>, Problem>) {
        assert!(self.open.is_none(), "a body was left open");
        if let Ok(refused) = outcome {
            let mut all: Vec<u32> = refused.iter().map(|(key, _)| *key).collect();
            all.extend(&self.ended);
            all.sort_unstable();
            assert_eq!(all, self.asked, "each message in one bucket");
        }
    }
}

impl BodySink for Sink {
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
        assert!(self.open.is_none(), "two bodies at once");
        self.open = Some((announced, 0));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let (announced, came) = self.open.as_mut().expect("data of no body");
        *came += bytes.len() as u64;
        assert!(announced.is_none_or(|announced| *came <= announced));
        Ok(())
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        let (announced, came) = self.open.take().expect("the end of no body");
        assert!(announced.is_none_or(|announced| came == announced));
        assert!(self.asked.contains(&key), "{key} was not asked for");
        assert!(!self.ended.contains(&key), "{key} came twice");
        self.ended.push(key);
        Ok(())
    }

    fn abandon(&mut self) {
        self.open.take().expect("no body to abandon");
    }
}

/// Who logs in.
pub fn login() -> Login {
    Login {
        name: "user".to_owned(),
        authzid: None,
        of_master: false,
        secret: Secret::new(SECRET.to_owned()),
        mechanism: None,
    }
}

/// Where.
pub fn endpoint(protocol: Protocol) -> Endpoint {
    Endpoint {
        protocol,
        security: Security::Tls,
        host: "mail.example.com".to_owned(),
        port: 993,
    }
}

/// What a problem says must be printable, and tell no secret: a server may echo it.
pub fn check(problem: &Problem, heard: &[u8]) {
    let text = problem.to_string();
    // It can know only what it was told.
    let was_told = heard
        .windows(4)
        .any(|word| [&b"PASS"[..], b"AUTH", b"LOGI"].contains(&word));
    // A folder may be called like it.
    let words = problem.what_and_why();
    assert!(!was_told || !words.contains(SECRET), "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
