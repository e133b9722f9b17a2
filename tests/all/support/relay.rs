//! A listener on an address of one's own choice that hands its connections on, and counts them.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A running relay; it ends with the test program.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    taken: Arc<AtomicUsize>,
}

impl Relay {
    /// Listens on `address` and connects each client to port `to_port` of `to_host`.
    pub fn start(address: &str, to_host: &str, to_port: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("all of 127.0.0.0/8 is ours");
        let port = listener
            .local_addr()
            .expect("a bound listener has an address")
            .port();
        let taken = Arc::new(AtomicUsize::new(0));
        let (count, to_host) = (Arc::clone(&taken), to_host.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect((to_host.as_str(), to_port));
                if let (Ok(client), Ok(server)) = (client, server) {
                    both_ways(client, server);
                }
            }
        });
        Self { port, taken }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there were.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

fn both_ways(client: TcpStream, server: TcpStream) {
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    for (mut from, mut to) in [(from_client, server), (from_server, client)] {
        thread::spawn(move || {
            // Either side may hang up as it likes.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
