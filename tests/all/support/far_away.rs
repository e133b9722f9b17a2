//! A server made to be far away: a loopback proxy that delays what it passes on, as a long line
//! does, and if asked lets through so many bytes a second. The tests use it, and the benchmark
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

/// What the line is like.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// How long a question and its answer take at least; half of it in each direction.
    pub round_trip: Duration,
    /// Bytes a second in each direction of each connection; `None` is as fast as loopback.
    pub rate: Option<u64>,
}

/// The most that is read at once. With a rate it is also the unit that is delayed, so smaller.
const PIECE: usize = 64 << 10;
const RATED_PIECE: usize = 4 << 10;

/// A piece of the stream and when it arrives.
type Piece = (Instant, Vec<u8>);

/// Listens on a free port of 127.0.0.1 for clients of the server at `host` and `port`, for as long
/// as the program runs, and returns the port.
///
/// # Errors
/// No port is to be had.
pub fn start(host: &str, port: u16, line: Line) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let listens_on = listener.local_addr()?.port();
    let host: Arc<str> = host.into();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let host = Arc::clone(&host);
            thread::spawn(move || {
                // A handshake over the line: the client would wait a round trip for it, and the
                // server hears of the client half a round trip after that. Loopback's took no time.
                thread::sleep(line.round_trip + line.round_trip / 2);
                // Either side may hang up as it likes.
                let _ = TcpStream::connect((&*host, port))
                    .and_then(|server| join(&client, &server, line));
            });
        }
    });
    Ok(listens_on)
}

/// Passes on both ways, in threads of its own.
fn join(client: &TcpStream, server: &TcpStream, line: Line) -> io::Result<()> {
    for (from, to) in [(client, server), (server, client)] {
        to.set_nodelay(true)?;
        let (sender, receiver) = mpsc::channel();
        let (reads, ends) = (from.try_clone()?, from.try_clone()?);
        let writes = to.try_clone()?;
        thread::spawn(move || put_in(reads, &sender, line));
        thread::spawn(move || {
            let _ = take_out(&writes, &receiver);
            // What the one side no longer takes, the other need not send.
            let _ = writes.shutdown(Shutdown::Write);
            let _ = ends.shutdown(Shutdown::Read);
        });
    }
    Ok(())
}

/// Reads as much as there is, until the end.
fn put_in(mut from: TcpStream, sender: &Sender<Piece>, line: Line) {
    let mut buffer = vec![0; line.rate.map_or(PIECE, |_| RATED_PIECE)];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut sent = Instant::now();
        if let Some(rate) = line.rate {
            // The sender's end of the line is busy with this piece: it takes nothing else.
            thread::sleep(Duration::from_nanos(length as u64 * 1_000_000_000 / rate));
            sent = Instant::now();
        }
        let arrives = sent + line.round_trip / 2;
        if sender.send((arrives, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
    // The end of the stream takes as long to arrive.
    let _ = sender.send((Instant::now() + line.round_trip / 2, Vec::new()));
}

/// Writes each piece when it arrives.
fn take_out(mut to: &TcpStream, receiver: &Receiver<Piece>) -> io::Result<()> {
    for (arrives, piece) in receiver {
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        to.write_all(&piece)?;
    }
    Ok(())
}
