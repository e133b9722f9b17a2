//! A loopback proxy that writes down what the client says, and counts how often it waits for the
//! server: round trips are what a distant server costs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running tap; it ends with the test program.
#[derive(Debug)]
pub struct Wiretap {
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

/// What went through since the tap was last emptied.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// How often a client spoke after the server had, on all connections.
    pub turns: usize,
    /// Bytes from the server.
    pub received: u64,
    /// What the clients sent, connection after connection as it came.
    pub sent: String,
}

impl Wiretap {
    /// A tap before the server on port `server` of 127.0.0.1.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let port = listener
            .local_addr()
            .expect("a bound listener has an address")
            .port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(("127.0.0.1", server));
                if let (Ok(client), Ok(server)) = (client, server) {
                    tap(&client, &server, &shared);
                }
            }
        });
        Self { port, heard }
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What went through so far, and forgets it.
    pub fn take(&self) -> Heard {
        std::mem::take(&mut lock(&self.heard))
    }
}

fn tap(client: &TcpStream, server: &TcpStream, heard: &Arc<Mutex<Heard>>) {
    let server_spoke = Arc::new(Mutex::new(false));
    for (from, to, is_client) in [(client, server, true), (server, client, false)] {
        let _ = from.set_nodelay(true);
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let (heard, server_spoke) = (Arc::clone(heard), Arc::clone(&server_spoke));
        thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                let got = &buffer[..length];
                let spoke_before = std::mem::replace(&mut *lock(&server_spoke), !is_client);
                {
                    let mut heard = lock(&heard);
                    if is_client {
                        heard.turns += usize::from(spoke_before);
                        heard.sent.push_str(&String::from_utf8_lossy(got));
                    } else {
                        heard.received += length as u64;
                    }
                }
                if to.write_all(got).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
