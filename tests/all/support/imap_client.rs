//! A client that changes a mailbox over IMAP, as a user would.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::read_line;

/// A connection after login.
#[derive(Debug)]
pub struct ImapClient(BufReader<TcpStream>);

impl ImapClient {
    /// Logs in on 127.0.0.1, without TLS.
    pub fn login(port: u16, (user, password): (&str, &str)) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let mut client = Self(BufReader::new(stream));
        read_line(&mut client.0)?;
        // A literal: a quoted string holds no 8-bit bytes.
        let login = format!("LOGIN {} {{{}}}", quoted(user), password.len());
        match client.send(&[login.as_bytes(), password.as_bytes()])? {
            Ok(_) => Ok(client),
            Err(reason) => Err(io::Error::other(reason)),
        }
    }

    /// The text after OK, or that after NO and BAD.
    pub fn command(&mut self, command: &str) -> io::Result<Result<String, String>> {
        self.send(&[command.as_bytes()])
    }

    /// Each of `commands` has to succeed.
    pub fn run(&mut self, commands: &[&str]) -> io::Result<()> {
        for command in commands {
            let refused = |reason| io::Error::other(format!("{command}: {reason}"));
            self.command(command)?.map_err(refused)?;
        }
        Ok(())
    }

    /// The UID that the message has got, or why it was refused.
    pub fn append(
        &mut self,
        folder: &str,
        flags_and_date: &str,
        content: &[u8],
    ) -> io::Result<Result<u32, String>> {
        let length = content.len();
        let start = format!("APPEND {} {flags_and_date}{{{length}}}", quoted(folder));
        let reply = self.send(&[start.as_bytes(), content])?;
        // OK [APPENDUID 1795343800 1] Completed
        Ok(reply.map(|text| {
            let uid = text.split([' ', ']']).nth(2).map(str::parse);
            uid.and_then(Result::ok).expect("the servers have UIDPLUS")
        }))
    }

    /// A command in parts, of which each but the last announces that a literal follows.
    fn send(&mut self, parts: &[&[u8]]) -> io::Result<Result<String, String>> {
        self.0.get_mut().write_all(b"a ")?;
        let mut parts = parts.iter();
        let mut go_on = true;
        loop {
            if go_on && let Some(part) = parts.next() {
                let line = [part, b"\r\n".as_slice()].concat();
                self.0.get_mut().write_all(&line)?;
            }
            let line = read_line(&mut self.0)?;
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(reply) = line.strip_prefix("a ") {
                return Ok(match reply.strip_prefix("OK ") {
                    Some(text) => Ok(text.to_owned()),
                    None => Err(reply.to_owned()),
                });
            }
            go_on = line.starts_with('+');
        }
    }
}

/// A quoted string (RFC 3501 section 4.3).
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
