//! COMPRESS=DEFLATE (RFC 4978): both directions of a connection, from the answer to the command on.
//!
//! It begins after the login, so no password is in what an eavesdropper could measure. TLS does not
//! compress as well: OpenSSL's connectors have that off.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Talk;
use super::reader::{Fault, Response};
use super::reply;
use super::stream::Wire;
use crate::source::net::Stream;

/// What a server announces that can do it.
pub const CAPABILITY: &str = "COMPRESS=DEFLATE";

impl Talk<'_> {
    /// Whether compression is to begin as soon as nothing is under way.
    pub(super) fn should_compress(&self) -> bool {
        *self.may_compress && self.line.wants_compression()
    }

    /// The same, where nothing is under way but what the caller has sent.
    pub(super) fn compresses_next(&self) -> bool {
        self.should_compress() && !self.ahead.is_under_way()
    }

    /// Has everything compressed from now on. Nothing may be under way. A server that refuses is not
    /// asked again.
    pub(super) fn compress(&mut self) -> Result<(), Fault> {
        *self.may_compress = false;
        let tags = self.write(&["COMPRESS DEFLATE"])?;
        loop {
            match self.next()? {
                Response::Tagged(tag, reply) if tags.contains(&tag) => {
                    if reply.status == reply::Status::Ok {
                        wrap(self.reader.input());
                        tracing::debug!("what the server sends is compressed from here on");
                    }
                    return Ok(());
                }
                Response::Tagged(..) => return Err(Fault::never_sent()),
                _ => self.reader.unasked()?,
            }
        }
    }
}

/// Puts compression on a connection. What has been read ahead is compressed already.
fn wrap(wire: &mut Wire) {
    let nothing: Box<dyn Stream> = Box::new(io::empty());
    let capacity = wire.capacity();
    let raw = std::mem::replace(wire, BufReader::new(nothing));
    let packed: Box<dyn Stream> = Box::new(Deflated::new(raw));
    *wire = BufReader::with_capacity(capacity, packed);
}

/// A stream of which both directions are compressed.
struct Deflated {
    raw: Wire,
    inflate: Decompress,
    /// The last read filled all the room that it had: there may be more without the server's doing.
    has_more: bool,
    deflate: Compress,
    packed: Vec<u8>,
}

impl Deflated {
    fn new(raw: Wire) -> Self {
        Self {
            raw,
            inflate: Decompress::new(false),
            has_more: false,
            deflate: Compress::new(Compression::fast(), false),
            packed: Vec::new(),
        }
    }
}

impl Read for Deflated {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let has_more = std::mem::take(&mut self.has_more);
            let packed = match has_more {
                true => self.raw.buffer(),
                false => self.raw.fill_buf()?,
            };
            if packed.is_empty() && !has_more {
                return Ok(0);
            }
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(packed, buf, FlushDecompress::None)
                .map_err(|_| nonsense())?;
            let is_stuck = !packed.is_empty() && self.inflate.total_in() == read;
            let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
            self.raw.consume(count(self.inflate.total_in(), read));
            let got = count(self.inflate.total_out(), written);
            self.has_more = got == buf.len();
            match (got, status) {
                (1.., _) => return Ok(got),
                (0, Status::StreamEnd) => return Ok(0),
                (0, _) if is_stuck => return Err(nonsense()),
                (0, _) => {}
            }
        }
    }
}

impl Write for Deflated {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let before = self.deflate.total_in();
        self.packed.clear();
        loop {
            self.packed.reserve(buf.len().max(64));
            let done = usize::try_from(self.deflate.total_in() - before).unwrap_or(usize::MAX);
            let rest = buf.get(done..).unwrap_or_default();
            self.deflate
                .compress_vec(rest, &mut self.packed, FlushCompress::Sync)
                .map_err(io::Error::other)?;
            let is_done = self.deflate.total_in() - before == buf.len() as u64;
            // With room left it is all out.
            if is_done && self.packed.len() < self.packed.capacity() {
                break;
            }
        }
        self.raw.get_mut().write_all(&self.packed)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.raw.get_mut().flush()
    }
}

fn nonsense() -> io::Error {
    let what = "what the server compressed makes no sense (--compress never does without)";
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// What a server sends, so many bytes at a time, and then its end; what it gets is compressed too.
    struct Server {
        sends: Vec<u8>,
        at: std::sync::Arc<AtomicUsize>,
        chunk: usize,
        gets: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    }

    impl Read for Server {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let rest = &self.sends[self.at.load(Ordering::Relaxed)..];
            let count = rest.len().min(buf.len()).min(self.chunk);
            buf[..count].copy_from_slice(&rest[..count]);
            self.at.fetch_add(count, Ordering::Relaxed);
            Ok(count)
        }
    }

    impl Write for Server {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.gets.lock().unwrap().extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn deflated(pieces: &[&[u8]]) -> Vec<u8> {
        let mut compress = Compress::new(Compression::best(), false);
        let mut packed = Vec::with_capacity(1 << 20);
        for piece in pieces {
            compress
                .compress_vec(piece, &mut packed, FlushCompress::Sync)
                .unwrap();
        }
        packed
    }

    /// A wire to a server, and one like it, which knows how much of the first has been read.
    fn served(sends: Vec<u8>, chunk: usize, capacity: usize) -> (Wire, Server) {
        let at = std::sync::Arc::<AtomicUsize>::default();
        let server = || Server {
            sends: sends.clone(),
            at: std::sync::Arc::clone(&at),
            chunk,
            gets: std::sync::Arc::default(),
        };
        let stream: Box<dyn Stream> = Box::new(server());
        (BufReader::with_capacity(capacity, stream), server())
    }

    #[test]
    fn what_is_sent_arrives_however_it_is_cut() {
        let text: Vec<u8> = (0..200_000u32)
            .flat_map(|n| (n % 1000).to_le_bytes())
            .collect();
        let packed = deflated(&[b"* OK first\r\n", &text, b"", b"last"]);
        let want = [b"* OK first\r\n", &text[..], b"last"].concat();
        for chunk in [1, 7, 4096, usize::MAX] {
            for capacity in [1, 100, 64 << 10] {
                let (mut wire, _) = served(packed.clone(), chunk, capacity);
                wrap(&mut wire);
                let mut got = Vec::new();
                wire.read_to_end(&mut got).unwrap();
                assert!(got == want, "{chunk} {capacity}");
            }
        }
    }

    /// The server waits for our next command: what it has sent has to come out without more.
    #[test]
    fn all_that_came_is_told_before_the_server_is_waited_for() {
        struct Silent(Server);
        impl Read for Silent {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buf)? {
                    0 => panic!("waited for a server that has sent all"),
                    count => Ok(count),
                }
            }
        }
        impl Write for Silent {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                Ok(buf.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let text = vec![b'x'; 1000];
        for room in [1, 10, 999, 1000, 1001] {
            let (_, server) = served(deflated(&[&text]), usize::MAX, 1);
            let raw: Box<dyn Stream> = Box::new(Silent(server));
            let mut stream = Deflated::new(BufReader::with_capacity(4096, raw));
            let mut got = 0;
            let mut buf = vec![0; room];
            while got < text.len() {
                got += stream.read(&mut buf).unwrap();
            }
            assert_eq!(got, text.len(), "{room}");
        }
    }

    #[test]
    fn what_had_been_read_with_the_answer_is_compressed_already() {
        let mut sent = b"x1 OK begin\r\n".to_vec();
        sent.extend(deflated(&[b"* 3 EXISTS\r\n"]));
        let (mut wire, _) = served(sent, usize::MAX, 4096);
        let mut line = String::new();
        wire.read_line(&mut line).unwrap();
        assert!(!wire.buffer().is_empty());
        wrap(&mut wire);
        line.clear();
        wire.read_line(&mut line).unwrap();
        assert_eq!(line, "* 3 EXISTS\r\n");
    }

    #[test]
    fn each_command_goes_out_whole() {
        let (_, server) = served(Vec::new(), 1, 1);
        let gets = std::sync::Arc::clone(&server.gets);
        let raw: Box<dyn Stream> = Box::new(server);
        let mut stream = Deflated::new(BufReader::new(raw));
        let mut inflate = Decompress::new(false);
        let long =
            "UID FETCH ".to_owned() + &(0..5000).map(|n| format!("{n},")).collect::<String>();
        for command in ["x1 NOOP\r\n", &long, "x3 LOGOUT\r\n"] {
            stream.write_all(command.as_bytes()).unwrap();
            stream.flush().unwrap();
            let packed = std::mem::take(&mut *gets.lock().unwrap());
            let mut got = Vec::with_capacity(1 << 20);
            inflate
                .decompress_vec(&packed, &mut got, FlushDecompress::Sync)
                .unwrap();
            assert_eq!(got, command.as_bytes());
        }
    }

    /// A thousand times as much as was sent: it comes out as it is asked for, up to the limit of a line.
    #[test]
    fn what_unfolds_without_end_is_read_piece_by_piece() {
        let bomb = deflated(&[b"* OK ", &vec![b'x'; 64 << 20]]);
        assert!(bomb.len() < 100 << 10, "{}", bomb.len());
        let length = bomb.len();
        let (mut wire, server) = served(bomb, usize::MAX, 4096);
        wrap(&mut wire);
        let mut reader = super::super::reader::Reader::new(wire);
        let end = reader.next();
        assert!(
            matches!(
                end,
                Err(Fault::Broken("the server sends a line without end"))
            ),
            "{end:?}"
        );
        // The rest is not even looked at.
        let read = server.at.load(Ordering::Relaxed);
        assert!(read < length / 4, "{read} of {length}");
    }

    #[test]
    fn nonsense_and_an_end_are_no_data() {
        for (sent, kind) in [
            (vec![0xff; 100], Some(io::ErrorKind::InvalidData)),
            (Vec::new(), None),
            (deflated(&[b"cut"])[..3].to_vec(), None),
        ] {
            let (mut wire, _) = served(sent, 10, 10);
            wrap(&mut wire);
            let mut got = Vec::new();
            let end = wire.read_to_end(&mut got);
            assert_eq!(end.err().map(|error| error.kind()), kind);
            assert!(got.len() <= 3);
        }
    }
}
