//! A loopback proxy before a real server that cuts, slows or changes what the server says.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What the proxy does to the server's side of each conversation.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: it only counts.
    None,
    /// Ends one connection after so many bytes from the server.
    Cut {
        /// Which one, the first being 0.
        connection: usize,
        /// After how many bytes.
        after: u64,
    },
    /// Ends each connection as soon as the server has said this.
    CutAt(Vec<u8>),
    /// Lets words be read with an X in place of their first letter: so CAPABILITY does not offer them.
    Hide(&'static [&'static str]),
    /// Lets through so many bytes at a time, with a pause after each piece.
    Slow(usize, Duration),
}

/// A running proxy; it ends when dropped, and so do its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: u16,
    fault: Fault,
    in_step: (usize, u64),
    stopped: AtomicBool,
    /// For each connection the bytes that the client got.
    passed: Mutex<Vec<u64>>,
    /// Those that have come to their end.
    ended: Mutex<HashSet<usize>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy before the server on port `server` of 127.0.0.1.
    pub fn start(server: u16, fault: Fault) -> Self {
        Self::in_step(server, fault, (0, 0))
    }

    /// The same, but of the first `count` connections none gets more than `share` bytes before each has got as
    /// many or has ended: however late one of them is, there is something left for it.
    pub fn in_step(server: u16, fault: Fault, (count, share): (usize, u64)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let port = listener
            .local_addr()
            .expect("a bound listener has an address")
            .port();
        let shared = Arc::new(Shared {
            server,
            fault,
            in_step: (count, share),
            stopped: AtomicBool::new(false),
            passed: Mutex::default(),
            ended: Mutex::default(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let listener = thread::spawn(move || {
            for (connection, client) in listener.incoming().enumerate() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { return };
                accepting.serve(connection, client);
            }
        });
        Self {
            port,
            shared,
            listener: Some(listener),
        }
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For each connection so far the bytes that came through from the server.
    pub fn passed(&self) -> Vec<u64> {
        lock(&self.shared.passed).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        for stream in lock(&self.shared.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, connection: usize, client: TcpStream) {
        lock(&self.passed).push(0);
        let server = TcpStream::connect(("127.0.0.1", self.server)).expect("the server runs");
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            lock(&self.open).extend(stream.try_clone());
        }
        let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        thread::spawn(move || {
            let _ = std::io::copy(&mut &from_client, &mut &to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let shared = Arc::clone(self);
        thread::spawn(move || {
            shared.pass(connection, &server, &client);
            lock(&shared.ended).insert(connection);
            for stream in [client, server] {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }

    fn keep_step(&self, connection: usize) {
        let (count, share) = self.in_step;
        let is_behind = |passed: &[u64], number: usize| {
            let passed = passed.get(number).copied().unwrap_or(0);
            passed < share && !lock(&self.ended).contains(&number)
        };
        let is_ahead = || {
            let passed = lock(&self.passed).clone();
            passed[connection] >= share && (0..count).any(|number| is_behind(&passed, number))
        };
        while connection < count && !self.stopped.load(Ordering::SeqCst) && is_ahead() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// From the server to the client until one of them, or the fault, ends it.
    fn pass(&self, connection: usize, mut server: &TcpStream, mut client: &TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        let mut before = 0_u64;
        // The end of what has passed, where the text to cut at may have begun.
        let mut tail: Vec<u8> = Vec::new();
        loop {
            let Ok(length @ 1..) = server.read(&mut buffer) else {
                return;
            };
            if let Fault::Hide(words) = self.fault {
                hide(words, &mut buffer[..length]);
            }
            let got = &buffer[..length];
            let mut allowed = length;
            match &self.fault {
                Fault::Cut {
                    connection: cut,
                    after,
                } if *cut == connection => {
                    let room = after.saturating_sub(before);
                    allowed = usize::try_from(room).unwrap_or(length).min(length);
                }
                Fault::CutAt(text) => {
                    let whole = [tail.as_slice(), got].concat();
                    if let Some(at) = whole.windows(text.len()).position(|some| some == text) {
                        allowed = at + text.len() - tail.len();
                    }
                    tail = whole[whole.len().saturating_sub(text.len() - 1)..].to_vec();
                }
                _ => {}
            }
            let (piece, pause) = match self.fault {
                Fault::Slow(piece, pause) => (piece, pause),
                _ => (length, Duration::ZERO),
            };
            for piece in got[..allowed].chunks(piece) {
                self.keep_step(connection);
                if client.write_all(piece).is_err() {
                    return;
                }
                if let Some(passed) = lock(&self.passed).get_mut(connection) {
                    *passed += piece.len() as u64;
                }
                if !pause.is_zero() {
                    thread::sleep(pause);
                }
            }
            before += allowed as u64;
            if allowed < length
                || matches!(&self.fault, Fault::Cut { connection: cut, after } if *cut == connection && before >= *after)
            {
                return;
            }
        }
    }
}

/// A word that is cut in two by the network stays; the tests would notice that it was offered.
fn hide(words: &[&str], bytes: &mut [u8]) {
    for word in words {
        for at in 0..(bytes.len() + 1).saturating_sub(word.len()) {
            if bytes[at..].starts_with(word.as_bytes()) {
                bytes[at] = b'X';
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
