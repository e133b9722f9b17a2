//! Message contents: ordinary ones, and each awkward kind that real mailboxes hold.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::random::Random;

/// What a message file holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// These bytes.
    Text(Vec<u8>),
    /// A header and patterned lines, this many bytes together, never in memory as a whole.
    Patterned(u64),
}

impl Content {
    /// Length as stored, and with every line end counted as CRLF.
    pub fn sizes(&self) -> (u64, u64) {
        match self {
            Content::Text(bytes) => {
                let bare = (0..bytes.len())
                    .filter(|at| bytes[*at] == b'\n' && (*at == 0 || bytes[at - 1] != b'\r'))
                    .count();
                (bytes.len() as u64, (bytes.len() + bare) as u64)
            }
            Content::Patterned(length) => {
                let body = length - patterned_head(*length).len() as u64;
                let lines = body / PATTERN.len() as u64;
                let head_lines = patterned_head(*length).matches('\n').count() as u64;
                (*length, length + lines + head_lines)
            }
        }
    }

    /// Writes it to a new file.
    pub fn write(&self, path: &Path) {
        match self {
            Content::Text(bytes) => fs::write(path, bytes),
            Content::Patterned(length) => write_patterned(path, *length),
        }
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// About as long as the lines of base64.
const PATTERN: &[u8; 76] =
    b"TWFpbHNlZWQgc3RhZ2VzIG1haWwgb250byBhIG5ldyBob3N0LCBldmVyeSBVSURMIGtlcHQuAAA\n";

fn patterned_head(length: u64) -> String {
    format!(
        "From: big@example.org\nMessage-ID: <patterned-{length}@example.org>\nSubject: {length} bytes\n\n"
    )
}

fn write_patterned(path: &Path, length: u64) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 18, fs::File::create(path)?);
    let head = patterned_head(length);
    file.write_all(head.as_bytes())?;
    let block = PATTERN.repeat(1000);
    let mut left = length - head.len() as u64;
    while left > 0 {
        let some = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(&block[..some])?;
        left -= some as u64;
    }
    file.flush()
}

/// An ordinary message of a few hundred bytes, unlike any other.
pub fn plain(random: &mut Random, folder: &str, number: u32) -> Vec<u8> {
    let mut text = header(random, folder, number);
    for _ in 0..1 + random.below(8) {
        text.push_str(&format!("{:016x} words of no meaning\n", random.next()));
    }
    text.into_bytes()
}

/// `count` messages: the awkward kinds first, as far as they go, then ordinary ones, with some
/// runs of equal size and some identical copies.
pub fn assorted(random: &mut Random, folder: &str, count: u32) -> Vec<Content> {
    let mut contents: Vec<Vec<u8>> = awkward(random, folder);
    if folder != "INBOX" && contents.len() > count as usize / 2 {
        // A different half of the awkward kinds for each smaller folder.
        random.shuffle(&mut contents);
        contents.truncate(count as usize / 2);
    }
    while contents.len() < count as usize {
        let number = u32::try_from(contents.len()).expect("a few messages");
        match number % 10 {
            // Neighbours of one size and different content.
            4..=6 => {
                let mut text = header(random, folder, number);
                let width = 300_usize.saturating_sub(text.len());
                text.push_str(&format!("{number:0>width$}\n"));
                contents.push(text.into_bytes());
            }
            // An identical copy of the one before, and one of an older one.
            7 => contents.push(contents[contents.len() - 1].clone()),
            8 => contents.push(contents[contents.len() / 2].clone()),
            _ => contents.push(plain(random, folder, number)),
        }
    }
    contents.into_iter().map(Content::Text).collect()
}

fn header(random: &mut Random, folder: &str, number: u32) -> String {
    let id = random.next();
    let folder: String = folder.chars().filter(char::is_ascii_alphanumeric).collect();
    format!(
        "Return-Path: <someone@example.org>\n\
         Received: from a.example.org by b.example.org\n\twith SMTP id {number}\n\
         From: Some One <someone@example.org>\n\
         To: me@example.net\n\
         Subject: {folder} {number}\n\
         Message-ID: <{id:016x}@example.org>\n\
         \n"
    )
}

/// One of each kind that a careless program changes or drops.
fn awkward(random: &mut Random, folder: &str) -> Vec<Vec<u8>> {
    let mut made = Vec::new();
    let mut with_body = |body: &[u8]| {
        let number = u32::try_from(made.len()).expect("a few messages");
        let mut message = header(random, folder, number).into_bytes();
        message.extend_from_slice(body);
        made.push(message);
    };
    with_body(b"");
    with_body(b"no newline at the end");
    with_body(b".\n..\n...\n.leading dot\n.\n");
    with_body(b"From here on it is no mbox\nFrom someone Sat Jan  1 00:00:00 2000\n");
    with_body(b"a lone \r carriage return\nand\rmore\r\r of them\n");
    with_body(b"carriage return twice\r\r\nonce\nthrice\r\r\r\n\r\r\n");
    with_body(b"\n\n\nempty lines around\n\n\n");
    with_body(b"8 bits: \xE9\xE8\xFF\x80 and UTF-8: \xC3\xA9\xF0\x9F\x93\xAB\n");
    with_body(b"control characters \x01\x07\x0B\x0C\x1B[31m\x7F\n");
    with_body(b" \t \ntrailing blanks   \t\n");
    with_body(format!("{}\n", "long line ".repeat(10_000)).as_bytes());
    with_body(b")\nA1 OK FETCH done\n* BYE\n{10}\n");
    with_body(b"--b\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner\n--b--\n");

    // Not even a proper header.
    for whole in [
        &b"Subject: header only, with the empty line\n\n"[..],
        b"Subject: header only, without the empty line\n",
        b"Subject: header only, without even a newline",
        b"\nThere is no header, the empty line comes first.\n",
        b"there is no header and no empty line",
        b"\n",
        b"x",
        b"From: no-message-id@example.org\nSubject: no Message-ID\n\nbody\n",
        b"Subject: na\xEFve 8-bit header\nFrom: \xC3\x89ric <e@example.org>\n\nbody\n",
        b"Subject: folded\n header\n\tof three lines\nX-Empty:\nNo colon here\n\nbody\n",
        b"X-UIDL: 0123456789abcdef\nX-IMAP: 1 2\nStatus: RO\nX-Status: A\n\nold mbox fields\n",
        b"From someone Sat Jan  1 00:00:00 2000\nSubject: mbox line before the header\n\nbody\n",
        // As a server on another system wrote it.
        b"Subject: stored with CRLF\r\n\r\nevery line\r\nof it\r\n",
        b"Subject: mixed line ends\r\n\nfirst\r\nsecond\nthird\r\n",
    ] {
        made.push(whole.to_vec());
    }
    made
}
