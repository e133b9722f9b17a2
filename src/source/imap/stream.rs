//! One connection for two readers: the `imap` crate and ours.
//!
//! The crate gets one response per read, so it never holds bytes that are ours, and it gets a
//! plain rendering made here, never what the server wrote: the few responses that a login and a
//! logout need, in the form that the crate's parser knows. It panics on some of what servers send
//! and gets out of step on more (8-bit text, `* NO`, unknown data); none of that reaches it. The
//! text of the server's replies is kept here for our own messages.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::reader::{Fault, Reader, Response};
use super::reply::{Reply, Status};
use crate::source::net::Stream;
use crate::text::printable_bytes;

/// The most warnings kept of one session, and the most characters of each.
const WARNING_LIMIT: usize = 100;
const WARNING_LENGTH: usize = 300;

/// The most challenges of one login; the longest mechanism of ours has two.
const CHALLENGE_LIMIT: u32 = 16;

/// The connection, as our reader uses it.
pub type Wire = BufReader<Box<dyn Stream>>;

/// Takes out of a text what must not be told.
type Cover = dyn Fn(&str) -> String + Send;

/// What went wrong without stopping anything, printable; and what of a server's words is never to
/// be repeated.
#[derive(Default)]
pub struct Warnings {
    texts: Vec<String>,
    omitted: u64,
    cover: Option<Box<Cover>>,
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warnings")
            .field("texts", &self.texts)
            .field("omitted", &self.omitted)
            .finish_non_exhaustive()
    }
}

impl Warnings {
    /// Adds one; beyond a hundred they are only counted.
    pub fn add(&mut self, text: impl AsRef<[u8]>) {
        if self.texts.len() < WARNING_LIMIT {
            // Of a secret that was cut in two no half would be known.
            let text = self.covered(&String::from_utf8_lossy(text.as_ref()));
            let text = printable_bytes(text.as_bytes(), WARNING_LENGTH);
            self.texts.push(text);
        } else {
            self.omitted += 1;
        }
    }

    /// Keeps what a status response by the way warns of: any but OK, and that where it is an alert.
    pub fn note(&mut self, reply: &Reply) {
        let is_alert = |(code, _): (&str, &str)| code.eq_ignore_ascii_case("ALERT");
        if reply.status != Status::Ok || reply.code().is_some_and(is_alert) {
            self.add(&reply.text);
        }
    }

    /// From now on everything is told in the words that `cover` makes of it, and so is what has
    /// been kept: a server may echo the login, at once or in any later reply.
    pub fn cover_by(&mut self, cover: impl Fn(&str) -> String + Send + 'static) {
        for text in &mut self.texts {
            *text = cover(text);
        }
        self.cover = Some(Box::new(cover));
    }

    /// `text` as it may be told.
    pub fn covered(&self, text: &str) -> String {
        match &self.cover {
            Some(cover) => cover(text),
            None => text.to_owned(),
        }
    }

    /// A response, or what came in place of one, with words that may be told.
    pub fn cover_reply(&self, came: Result<Response, Fault>) -> Result<Response, Fault> {
        let covered = |reply: Reply| reply.covered(|text| self.covered(text));
        match came {
            Ok(Response::Tagged(tag, reply)) => Ok(Response::Tagged(tag, covered(reply))),
            Ok(Response::Status(reply)) => Ok(Response::Status(covered(reply))),
            Err(Fault::Bye(reply)) => Err(Fault::Bye(covered(reply))),
            other => other,
        }
    }

    /// All so far; from here on the list is empty.
    pub fn take(&mut self) -> Vec<String> {
        let mut texts = std::mem::take(&mut self.texts);
        match std::mem::take(&mut self.omitted) {
            0 => {}
            omitted => texts.push(format!("and {omitted} more warnings")),
        }
        texts
    }
}

/// What the two readers share.
pub struct Inner {
    /// The connection.
    pub wire: Wire,
    /// What went wrong by the way.
    pub warnings: Warnings,
    /// The greeting or the last tagged reply that the crate was told of.
    pub reply: Option<Reply>,
    /// The words of the last CAPABILITY response or response code, in upper case. The crate is not
    /// shown them: it gets out of step where IMAP4rev1 is not among them.
    pub capabilities: Vec<String>,
    /// Why the crate's reading ended, in our words; the crate has only an error without them.
    pub fault: Option<Fault>,
    rendered: Vec<u8>,
    greeting_due: bool,
    /// Since the last write.
    unasked: u32,
    challenges: u32,
}

/// A handle on the connection; the crate holds one, the session the other.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Inner>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// A connection on which the greeting is, or is not, still to come.
    pub fn new(wire: Wire, greeting_due: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            wire,
            warnings: Warnings::default(),
            reply: None,
            capabilities: Vec::new(),
            fault: None,
            rendered: Vec::new(),
            greeting_due,
            unasked: 0,
            challenges: 0,
        })))
    }

    /// The connection itself, for our own reader. A panic elsewhere leaves bytes unread at worst;
    /// that is noticed as a protocol error.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Shared {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let inner = &mut *self.lock();
        while inner.rendered.is_empty() {
            if let Err(fault) = inner.render_next() {
                inner.fault = Some(fault);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        let count = buf.len().min(inner.rendered.len());
        buf[..count].copy_from_slice(&inner.rendered[..count]);
        inner.rendered.drain(..count);
        Ok(count)
    }
}

impl Write for Shared {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let inner = &mut *self.lock();
        inner.unasked = 0;
        inner.wire.get_mut().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().wire.get_mut().flush()
    }
}

impl Inner {
    /// Reads one response and renders what the crate is to see of it, if anything.
    fn render_next(&mut self) -> Result<(), Fault> {
        let mut reader = Reader::resume(&mut self.wire, self.unasked);
        let response = self.warnings.cover_reply(reader.next())?;
        if let Response::Status(reply) | Response::Tagged(_, reply) = &response
            && reply.status == Status::Ok
            && let Some(words) = capability_code(reader.text())
        {
            self.capabilities = words_of(words);
        }
        if std::mem::take(&mut self.greeting_due) {
            match response {
                Response::Status(reply) => {
                    self.rendered = b"* OK greeting\r\n".to_vec();
                    self.reply = Some(reply);
                    return Ok(());
                }
                _ => {
                    return Err(Fault::Broken(
                        "what the server sends first is no IMAP greeting",
                    ));
                }
            }
        }
        match response {
            Response::Tagged(tag, reply) => {
                let (word, rest) = match reply.status {
                    Status::Ok => ("OK", "done"),
                    Status::No => ("NO", "refused"),
                    _ => ("BAD", "refused"),
                };
                self.rendered = format!("{tag} {word} {rest}\r\n").into_bytes();
                self.reply = Some(reply);
                return Ok(());
            }
            Response::Continue => {
                self.challenges += 1;
                if self.challenges > CHALLENGE_LIMIT {
                    return Err(Fault::Broken("the server's challenges have no end"));
                }
                let challenge = reader.text();
                self.rendered = if is_base64(challenge) {
                    [b"+ ", challenge, b"\r\n"].concat()
                } else {
                    // Words where SASL has a challenge: as good as an empty one.
                    b"+\r\n".to_vec()
                };
                return Ok(());
            }
            Response::Status(reply) => self.warnings.note(&reply),
            Response::Data if reader.text().eq_ignore_ascii_case(b"CAPABILITY") => {
                self.capabilities = words_of(reader.rest());
            }
            Response::Rubbish => self.warnings.add(reader.text()),
            Response::Exists(_) | Response::Fetch | Response::Expunge | Response::Data => {}
        }
        reader.finish()?;
        reader.unasked()?;
        self.unasked = reader.unasked_so_far();
        Ok(())
    }
}

fn words_of(capabilities: &[u8]) -> Vec<String> {
    let words = String::from_utf8_lossy(capabilities);
    let words = words.split_ascii_whitespace();
    words.map(str::to_ascii_uppercase).collect()
}

/// What the response code CAPABILITY (RFC 3501 section 7.1) lists, if `text` begins with one that is
/// whole.
fn capability_code(text: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"[CAPABILITY ";
    let (name, rest) = text.split_at_checked(NAME.len())?;
    let end = memchr::memchr(b']', rest)?;
    name.eq_ignore_ascii_case(NAME).then_some(&rest[..end])
}

fn is_base64(challenge: &[u8]) -> bool {
    use base64::Engine as _;
    !challenge.is_empty()
        && base64::engine::general_purpose::STANDARD
            .decode(challenge)
            .is_ok()
}
