//! What a POP3 server shows of a mailbox, read by a client of the tests' own: UIDLs, their
//! order, sizes and, if wanted, bytes.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::read_line;

/// One message of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pop3Entry {
    /// Message number, from 1.
    pub number: u32,
    /// What UIDL says.
    pub uidl: String,
    /// What LIST says.
    pub size: u64,
    /// Hash of what RETR sends, dots unstuffed, CRLF kept; `None` when not asked for.
    pub hash: Option<blake3::Hash>,
}

/// Reads the maildrop of `user` on 127.0.0.1, in the server's order.
///
/// # Panics
/// When the server refuses or breaks the protocol.
pub fn read(port: u16, user: &str, password: &str, with_content: bool) -> Vec<Pop3Entry> {
    read_drop(port, user, password, with_content).expect("POP3 session")
}

fn read_drop(
    port: u16,
    user: &str,
    password: &str,
    with_content: bool,
) -> io::Result<Vec<Pop3Entry>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut session = Session(BufReader::with_capacity(1 << 16, stream));
    session.reply()?;
    let capabilities = session.lines("CAPA")?;
    if capabilities.iter().any(|line| line.starts_with("UTF8")) {
        // Else Courier sends a notice instead of a message with 8-bit headers.
        session.single("UTF8")?;
    }
    session.single(&format!("USER {user}"))?;
    session.single(&format!("PASS {password}"))?;
    let uidls = session.lines("UIDL")?;
    let sizes = session.lines("LIST")?;
    if uidls.len() != sizes.len() {
        return Err(broken("UIDL and LIST differ in length"));
    }
    let mut entries = Vec::with_capacity(uidls.len());
    for (uidl, size) in uidls.iter().zip(&sizes) {
        let (number, uidl) = split(uidl)?;
        let (same_number, size) = split(size)?;
        if number != same_number {
            return Err(broken("UIDL and LIST differ in numbers"));
        }
        entries.push(Pop3Entry {
            number: number.parse().map_err(|_| broken("a message number"))?,
            uidl: uidl.to_owned(),
            size: size.parse().map_err(|_| broken("a size"))?,
            hash: None,
        });
    }
    if with_content {
        for entry in &mut entries {
            entry.hash = Some(session.retrieve(entry.number)?);
        }
    }
    session.single("QUIT")?;
    Ok(entries)
}

struct Session(BufReader<TcpStream>);

impl Session {
    fn reply(&mut self) -> io::Result<()> {
        let line = read_line(&mut self.0)?;
        if line.starts_with(b"+OK") {
            Ok(())
        } else {
            Err(broken(&String::from_utf8_lossy(&line)))
        }
    }

    fn single(&mut self, command: &str) -> io::Result<()> {
        self.0
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// The lines of a multi-line reply.
    fn lines(&mut self, command: &str) -> io::Result<Vec<String>> {
        self.single(command)?;
        let mut lines = Vec::new();
        loop {
            let line = read_line(&mut self.0)?;
            if line == b"." {
                return Ok(lines);
            }
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
    }

    fn retrieve(&mut self, number: u32) -> io::Result<blake3::Hash> {
        self.single(&format!("RETR {number}"))?;
        let mut hasher = blake3::Hasher::new();
        loop {
            let mut line = read_raw_line(&mut self.0)?;
            if line == b".\r\n" {
                return Ok(hasher.finalize());
            }
            if line.first() == Some(&b'.') {
                line.remove(0);
            }
            hasher.update(&line);
        }
    }
}

/// A line with its line end: content is compared to the byte.
fn read_raw_line(stream: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(line)
    } else {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}

fn split(line: &str) -> io::Result<(&str, &str)> {
    line.split_once(' ')
        .ok_or_else(|| broken("a listing line without a space"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
