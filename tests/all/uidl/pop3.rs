//! A POP3 client that asks for nothing but UIDL and LIST, and keeps every byte.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::read_line;

/// One message as a server has announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub uidl: Vec<u8>,
    pub size: u64,
}

/// What the server on 127.0.0.1 announces to `user`, in its order; or what it says instead.
pub fn announced(port: u16, user: &str, password: &str) -> Result<Vec<Served>, String> {
    let told = |error: io::Error| format!("{user}: {error}");
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(told)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .map_err(told)?;
    let mut session = Session(BufReader::new(stream));
    session.reply().map_err(told)?;
    session.say(&format!("USER {user}\r\n")).map_err(told)?;
    session.reply().map_err(told)?;
    session.say(&format!("PASS {password}\r\n")).map_err(told)?;
    session.reply().map_err(told)?;
    session.say("UIDL\r\nLIST\r\nQUIT\r\n").map_err(told)?;
    let uidls = session.lines().map_err(told)?;
    let sizes = session.lines().map_err(told)?;
    session.reply().map_err(told)?;
    if uidls.len() != sizes.len() {
        return Err(format!("{} UIDLs, {} sizes", uidls.len(), sizes.len()));
    }
    let both = uidls.into_iter().zip(sizes);
    (1..)
        .zip(both)
        .map(|(number, (uidl, size)): (usize, _)| {
            let start = format!("{number} ");
            let uidl = uidl.strip_prefix(start.as_bytes()).ok_or("UIDL numbers")?;
            let size = size.strip_prefix(start.as_bytes()).ok_or("LIST numbers")?;
            let size = String::from_utf8_lossy(size);
            Ok(Served {
                uidl: uidl.to_vec(),
                size: size.parse().map_err(|_| format!("a size of {size}"))?,
            })
        })
        .collect()
}

struct Session(BufReader<TcpStream>);

impl Session {
    fn say(&mut self, commands: &str) -> io::Result<()> {
        self.0.get_mut().write_all(commands.as_bytes())
    }

    fn reply(&mut self) -> io::Result<()> {
        let line = read_line(&mut self.0)?;
        match line.starts_with(b"+OK") {
            true => Ok(()),
            false => Err(io::Error::other(
                String::from_utf8_lossy(&line).into_owned(),
            )),
        }
    }

    fn lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        self.reply()?;
        let mut lines = Vec::new();
        loop {
            let line = read_line(&mut self.0)?;
            if line == b"." {
                return Ok(lines);
            }
            lines.push(line);
        }
    }
}
