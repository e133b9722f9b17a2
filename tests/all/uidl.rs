//! `mailseed uidl` against the servers whose announcements it foretells: made-up Maildirs with all that
//! can be odd about them, foretold, then served by a real Dovecot and a real Courier and asked over
//! POP3. For qmail-pop3d its rules stand in, written down a second time in the tests' support.

mod commands;
mod courier;
mod courier_uids;
mod dovecot;
mod files;
mod pop3;
mod qmail;
mod trial;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use mailseed::announce::{self, Announcement, Server};

use super::support::program::{Output, mailseed};
use pop3::Served;

/// `mailseed uidl`, offline.
fn uidl(maildir: &Path, more: &[&str]) -> Output {
    let maildir = maildir.to_str().expect("scratch paths are ASCII");
    mailseed([&["uidl", maildir], more].concat())
}

/// The same without a process: what it prints, and what it says beside that.
fn foretold(maildir: &Path, server: &Server) -> (String, Announcement) {
    let announced = announce::read(maildir, server).expect("it is a Maildir");
    let mut out = Vec::new();
    announced.write_to(&mut out).expect("memory takes all");
    (
        String::from_utf8(out).expect("it is fit for a terminal"),
        announced,
    )
}

/// The lines that `mailseed uidl` is to print for what a server has said. A UIDL with anything but
/// printable ASCII and spaces in it is escaped by the program; here it is a pattern of what stands
/// around it.
fn lines(served: &[Served]) -> Vec<String> {
    let numbered = (1..).zip(served);
    numbered
        .map(|(number, one): (usize, _)| {
            let uidl: String = one.uidl.utf8_chunks().map(escaped).collect();
            format!("{number} {uidl} {}", one.size)
        })
        .collect()
}

fn escaped(chunk: std::str::Utf8Chunk<'_>) -> String {
    let mut text: String = chunk
        .valid()
        .chars()
        .map(|c| match c.is_control() {
            true => format!("\\u{{{:x}}}", u32::from(c)),
            false => c.to_string(),
        })
        .collect();
    for byte in chunk.invalid() {
        text.push_str(&format!("\\x{byte:02x}"));
    }
    text
}

/// How often each warning or note was told in all, by its first words.
#[derive(Debug, Default)]
struct Told(BTreeMap<&'static str, usize>);

impl Told {
    /// Counts those of `phrases` that are in `stderr`.
    fn count(&mut self, phrases: &[&'static str], stderr: &str) {
        for phrase in phrases {
            *self.0.entry(phrase).or_default() += usize::from(stderr.contains(phrase));
        }
    }

    /// Fails where one was told less than `least` times: the Maildirs are not as odd as they are to be.
    fn expect_each(&self, least: usize) {
        for (phrase, count) in &self.0 {
            assert!(*count >= least, "{phrase:?} was told {count} times");
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("the clock is sane")
}
