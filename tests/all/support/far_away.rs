//! A server made to be far away: a loopback proxy that delays what it passes on, as a long line
//! does, and if asked lets through so many bytes a second, or breaks. The tests use it, and the benchmark
//! runs it as a program of its own (`tests/bench/tool.rs`).
//!
//! Each direction is a queue of pieces with the time at which each is to arrive. Reading never
//! waits for what is still under way, so any number of bytes is in flight: what a client pays for
//! is its round trips alone.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// What the line is like.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// How long a question and its answer take at least; half of it in each direction.
    pub round_trip: Duration,
    /// Bytes a second in each direction of each connection; `None` is as fast as loopback.
    pub rate: Option<u64>,
}

/// What goes wrong with a connection. Bytes are those that the server has said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens for so long, this client being the last who is let in, and shown out.
    Away(Duration),
    /// It is reset as soon as it is there.
    Refused,
    /// The server is heard no more after so many bytes, as if it had closed the connection.
    Cut(u64),
    /// It is reset after so many bytes.
    Reset(u64),
    /// The server is heard no more after so many bytes, and the connection stays.
    Stall(u64),
    /// After so many bytes each further one takes this long.
    Trickle(u64, Duration),
}

/// What becomes of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    /// The line that it goes over.
    pub line: Line,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// A piece of the stream and when it arrives.
struct Piece {
    arrives: Instant,
    what: What,
}

enum What {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// The most that is read at once. With a rate it is also the unit that is delayed, so smaller.
const PIECE: usize = 64 << 10;
const RATED_PIECE: usize = 4 << 10;

/// Listens on a free port of 127.0.0.1 for clients of the server at `host` and `port`, for as long
/// as the program runs, and returns the port.
///
/// # Errors
/// No port is to be had.
pub fn start(host: &str, port: u16, line: Line) -> io::Result<u16> {
    start_with(host, port, move || Fate { line, fault: None })
}

/// The same with a `fate` for each connection.
///
/// # Errors
/// No port is to be had.
pub fn start_with(
    host: &str,
    port: u16,
    mut fate: impl FnMut() -> Fate + Send + 'static,
) -> io::Result<u16> {
    let mut listener = TcpListener::bind(("127.0.0.1", 0))?;
    let listens_on = listener.local_addr()?.port();
    let host: Arc<str> = host.into();
    thread::spawn(move || {
        loop {
            let Ok((client, _)) = listener.accept() else {
                continue;
            };
            let fate = fate();
            match fate.fault {
                Some(Fault::Away(time)) => {
                    reset(client);
                    drop(listener);
                    thread::sleep(time);
                    listener = listen_again(listens_on);
                }
                Some(Fault::Refused) => reset(client),
                _ => drop(thread::spawn({
                    let host = Arc::clone(&host);
                    move || serve(&client, &host, port, fate)
                })),
            }
        }
    });
    Ok(listens_on)
}

/// The port is free for whoever asks first, but nobody knows of it.
fn listen_again(port: u16) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// What is closed with this said of it is not closed politely.
fn reset(client: TcpStream) {
    let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
}

fn serve(client: &TcpStream, host: &str, port: u16, fate: Fate) {
    // A handshake over the line: the client would wait a round trip for it, and the
    // server hears of the client half a round trip after that. Loopback's took no time.
    thread::sleep(fate.line.round_trip + fate.line.round_trip / 2);
    // Either side may hang up as it likes.
    let _ = TcpStream::connect((host, port)).and_then(|server| join(client, &server, fate));
}

/// Passes on both ways, in threads of its own.
fn join(client: &TcpStream, server: &TcpStream, fate: Fate) -> io::Result<()> {
    let line = fate.line;
    for (from, to, fault) in [(client, server, None), (server, client, fate.fault)] {
        to.set_nodelay(true)?;
        let (sender, receiver) = mpsc::channel();
        let (reads, ends) = (from.try_clone()?, from.try_clone()?);
        let writes = to.try_clone()?;
        thread::spawn(move || {
            let end = put_in(reads, &sender, line, fault);
            // It takes as long to arrive.
            let arrives = Instant::now() + line.round_trip / 2;
            let _ = sender.send(Piece { arrives, what: end });
        });
        thread::spawn(move || {
            if matches!(take_out(&writes, &receiver), Ok(What::Reset)) {
                let _ = SockRef::from(&writes).set_linger(Some(Duration::ZERO));
                // It is reset when the last who has it lets it go.
                let _ = writes.shutdown(Shutdown::Read);
                let _ = ends.shutdown(Shutdown::Both);
                return;
            }
            // What the one side no longer takes, the other need not send.
            let _ = writes.shutdown(Shutdown::Write);
            let _ = ends.shutdown(Shutdown::Read);
        });
    }
    Ok(())
}

/// Reads as much as there is, until the end, or until `fault` lets no more through.
fn put_in(mut from: TcpStream, sender: &Sender<Piece>, line: Line, fault: Option<Fault>) -> What {
    let mut buffer = vec![0; line.rate.map_or(PIECE, |_| RATED_PIECE)];
    let mut before = 0_u64;
    let send = |bytes: &[u8], sent: Instant| {
        let arrives = sent + line.round_trip / 2;
        let what = What::Bytes(bytes.to_vec());
        sender.send(Piece { arrives, what }).is_ok()
    };
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut sent = Instant::now();
        if let Some(rate) = line.rate {
            // The sender's end of the line is busy with this piece: it takes nothing else.
            thread::sleep(Duration::from_nanos(length as u64 * 1_000_000_000 / rate));
            sent = Instant::now();
        }
        let bytes = &buffer[..length];
        let (Some(Fault::Cut(after) | Fault::Reset(after) | Fault::Stall(after))
        | Some(Fault::Trickle(after, _))) = fault
        else {
            if !send(bytes, sent) {
                return What::End;
            }
            continue;
        };
        let room = usize::try_from(after.saturating_sub(before)).unwrap_or(length);
        let (sound, rest) = bytes.split_at(room.min(length));
        before += length as u64;
        if !sound.is_empty() && !send(sound, sent) {
            return What::End;
        }
        if rest.is_empty() {
            continue;
        }
        match fault {
            Some(Fault::Reset(_)) => return What::Reset,
            // Until the client has had enough of it.
            Some(Fault::Stall(_)) => {}
            Some(Fault::Trickle(_, pause)) => {
                for byte in rest.chunks(1) {
                    thread::sleep(pause);
                    if !send(byte, Instant::now()) {
                        return What::End;
                    }
                }
            }
            _ => return What::End,
        }
    }
    What::End
}

/// Writes each piece when it arrives; says how it ended.
fn take_out(mut to: &TcpStream, receiver: &Receiver<Piece>) -> io::Result<What> {
    for Piece { arrives, what } in receiver {
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        match what {
            What::Bytes(bytes) => to.write_all(&bytes)?,
            end => return Ok(end),
        }
    }
    Ok(What::End)
}
