//! A server made to be busy: a loopback proxy through which all connections together get no more done than
//! a few, and the less the more there are beyond. The tests use it, and `scripts/auto-jobs` runs it as a program
//! of its own (`tests/bench/tool.rs`). How fast this machine is does not matter, only its clock.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What the server is like.
#[derive(Debug, Clone, Copy)]
pub struct Busy {
    /// Bytes a second that one connection gets alone.
    pub alone: u64,
    /// So many connections get as much each.
    pub knee: usize,
    /// Of all that is got, such a part is lost with each connection beyond, in percent.
    pub fall: u64,
}

impl Busy {
    /// Bytes a second for each of so many connections.
    fn each(&self, connections: usize) -> u64 {
        let connections = connections.max(1);
        let beyond = connections.saturating_sub(self.knee) as u64;
        let percent = 100u64.saturating_sub(self.fall * beyond).max(10);
        let all = self.alone * connections.min(self.knee) as u64 * percent / 100;
        all / connections as u64
    }
}

/// What is sent at once: a tenth of a second's worth or less.
const PIECE: usize = 4 << 10;

/// Listens on a free port of 127.0.0.1 for clients of the server at `host` and `port`, for as long
/// as the program runs, and returns the port.
///
/// # Errors
/// No port is to be had.
pub fn start(host: &str, port: u16, busy: Busy) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let listens_on = listener.local_addr()?.port();
    let host: Arc<str> = host.into();
    let open: Arc<AtomicUsize> = Arc::default();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (host, open) = (Arc::clone(&host), Arc::clone(&open));
            thread::spawn(move || {
                open.fetch_add(1, Ordering::SeqCst);
                // Either side may hang up as it likes.
                let _ = TcpStream::connect((&*host, port))
                    .and_then(|server| join(&client, &server, busy, &open));
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    Ok(listens_on)
}

fn join(client: &TcpStream, server: &TcpStream, busy: Busy, open: &AtomicUsize) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut &from_client, &mut &to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let done = answer(server, client, busy, open);
    for stream in [client, server] {
        let _ = stream.shutdown(Shutdown::Both);
    }
    done
}

fn answer(
    mut server: &TcpStream,
    mut client: &TcpStream,
    busy: Busy,
    open: &AtomicUsize,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut free_at = Instant::now();
    while let length @ 1.. = server.read(&mut buffer)? {
        let rate = busy.each(open.load(Ordering::SeqCst)).max(1);
        let takes = Duration::from_nanos(length as u64 * 1_000_000_000 / rate);
        free_at = free_at.max(Instant::now()) + takes;
        thread::sleep(free_at.saturating_duration_since(Instant::now()));
        client.write_all(&buffer[..length])?;
    }
    Ok(())
}
