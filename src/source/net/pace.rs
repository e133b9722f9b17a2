//! A TCP socket that does not wait for ever, neither for a silent server nor for one that trickles.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use super::hosts::Place;
use super::line::Gauge;
use super::meter::Counter;
use super::rate::Limits;

/// What must arrive, in bytes, in the time of [`PATIENCE`] timeouts spent waiting for one answer.
/// It is little, since some servers work for minutes and only say `* OK still here` meanwhile.
const LEAST: usize = 256;
const PATIENCE: u32 = 4;

/// A socket with time limits. Where one is exceeded the error is `TimedOut` and says so in words.
#[derive(Debug)]
pub(super) struct PacedSocket {
    tcp: TcpStream,
    timeout: Duration,
    pace: Pace,
    gauge: Option<Gauge>,
    counter: Counter,
    limits: Limits,
    /// The most that one read takes.
    piece: usize,
    /// The server takes no more. See [`PacedSocket::write`].
    is_deaf: bool,
    /// What it takes of the host, until it is closed.
    _place: Option<Place>,
}

impl PacedSocket {
    /// Sets the limits on the socket itself, so that they hold for a TLS handshake too.
    pub(super) fn new(tcp: TcpStream, timeout: Duration, gauge: Option<Gauge>) -> io::Result<Self> {
        tcp.set_read_timeout(Some(timeout))?;
        tcp.set_write_timeout(Some(timeout))?;
        tcp.set_nodelay(true)?;
        // A user's other connection may be busy for long; firewalls forget idle ones.
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));
        SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
        Ok(Self {
            tcp,
            timeout,
            pace: Pace::new(timeout.saturating_mul(PATIENCE)),
            gauge,
            counter: Counter::default(),
            limits: Limits::default(),
            piece: usize::MAX,
            is_deaf: false,
            _place: None,
        })
    }

    /// The same, under `limits`.
    pub(super) fn limited(mut self, limits: Limits) -> io::Result<Self> {
        if let Some(size) = limits.buffer() {
            SockRef::from(&self.tcp).set_recv_buffer_size(size)?;
        }
        self.piece = limits.most().unwrap_or(usize::MAX);
        self.limits = limits;
        Ok(self)
    }

    /// The same, with what comes counted.
    pub(super) fn counted(self, counter: Counter) -> Self {
        Self { counter, ..self }
    }

    /// The same, in a place of its own.
    pub(super) fn in_place(self, place: Option<Place>) -> Self {
        Self {
            _place: place,
            ..self
        }
    }

    fn timed_out(&self, error: io::Error, what: &str) -> io::Error {
        if error.kind() == io::ErrorKind::WouldBlock {
            let text = format!("{what} for {}", seconds(self.timeout));
            io::Error::new(io::ErrorKind::TimedOut, text)
        } else {
            error
        }
    }
}

impl Read for PacedSocket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        // A socket with a timeout is interrupted even by signals that restart other calls.
        let piece = buf.len().min(self.piece);
        let buf = &mut buf[..piece];
        let count = uninterrupted(|| self.tcp.read(buf))
            .map_err(|error| self.timed_out(error, "the server was silent"))?;
        let waited = start.elapsed();
        self.counter.received(count);
        let held_back = self.limits.wait(count);
        if let Some(gauge) = &mut self.gauge {
            // A limit makes a line slow, too.
            gauge.count(count, waited + held_back);
        }
        if !self.pace.keeps_up(waited, count) {
            let text = format!(
                "the server sent less than {LEAST} bytes in {}",
                seconds(self.pace.window)
            );
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        Ok(count)
    }
}

impl Write for PacedSocket {
    /// Where the server has gone, what is written counts as sent: what it said before, which may be
    /// half of what was asked for and the reason why it goes, has come and is still to be read. Reading
    /// then finds the end. (Linux keeps what has come when a reset follows it.)
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // A new command: the server got the last one done, however slowly.
        self.pace = Pace::new(self.pace.window);
        if self.is_deaf {
            return Ok(buf.len());
        }
        self.counter.asked();
        match uninterrupted(|| self.tcp.write(buf)) {
            Err(error) if has_gone(&error) => {
                self.is_deaf = true;
                Ok(buf.len())
            }
            done => done.map_err(|error| self.timed_out(error, "the server took nothing")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// Whether the other side has ended the connection.
fn has_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset
    )
}

/// Counts time spent waiting (not time that we spend on disk) and what it brought.
#[derive(Debug)]
struct Pace {
    window: Duration,
    waited: Duration,
    received: usize,
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self {
            window,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// Whether what arrived is enough, judged once each `window` of waiting.
    fn keeps_up(&mut self, wait: Duration, count: usize) -> bool {
        self.waited += wait;
        self.received = self.received.saturating_add(count);
        if self.waited < self.window {
            return true;
        }
        let enough = self.received >= LEAST;
        *self = Self::new(self.window);
        enough
    }
}

/// A duration in words.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f32())
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn pace_is_judged_by_waiting_and_by_what_it_brought() {
        let second = Duration::from_secs(1);
        // (wait of each read, bytes of each, reads, all of them good)
        let table = [
            (second * 29, 1, 4, true),
            (second * 30, 1, 4, false),
            (second * 60, 1, 2, false),
            // "* OK still here" every ten seconds is a server at work.
            (second * 10, 25, 1000, true),
            // A slow line is slow, not dead.
            (second, 100, 1000, true),
            // No waiting, however little comes at a time.
            (Duration::ZERO, 1, 1000, true),
        ];
        for (wait, count, reads, good) in table {
            let mut pace = Pace::new(second * 120);
            let kept = (0..reads).all(|_| pace.keeps_up(wait, count));
            assert_eq!(kept, good, "{wait:?} {count} {reads}");
        }
    }

    #[test]
    fn plenty_at_first_does_not_excuse_a_later_trickle() {
        let mut pace = Pace::new(Duration::from_secs(120));
        assert!(pace.keeps_up(Duration::from_secs(120), 1_000_000));
        assert!(pace.keeps_up(Duration::from_secs(60), 1));
        assert!(!pace.keeps_up(Duration::from_secs(60), 1));
    }

    #[test]
    fn a_trickle_ends_though_no_single_wait_is_too_long() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let server = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("accept");
            while tcp.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        });
        let tcp = TcpStream::connect(address).expect("connect");
        // Long enough that no wait is too long on a busy machine.
        let mut socket = PacedSocket::new(tcp, Duration::from_secs(30), None).expect("socket");
        socket.pace = Pace::new(Duration::from_secs(2));
        let error = io::copy(&mut socket, &mut io::sink()).expect_err("a trickle");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("256 bytes in 2 s"), "{error}");
        drop(socket);
        server.join().expect("server");
    }

    #[test]
    fn short_answers_however_slow_are_progress_when_each_has_its_command() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let server = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("accept");
            let mut command = [0; 1];
            while tcp.read_exact(&mut command).is_ok() {
                thread::sleep(Duration::from_millis(400));
                tcp.write_all(b"k").expect("answer");
            }
        });
        let tcp = TcpStream::connect(address).expect("connect");
        let mut socket = PacedSocket::new(tcp, Duration::from_secs(30), None).expect("socket");
        socket.pace = Pace::new(Duration::from_millis(3200));
        // Longer in all than what a trickle is given.
        for _ in 0..10 {
            socket.write_all(b"c").expect("command");
            socket.read_exact(&mut [0; 1]).expect("answer");
        }
        drop(socket);
        server.join().expect("server");
    }

    #[test]
    fn what_came_before_the_server_went_is_read_though_no_write_gets_through() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let server = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("accept");
            tcp.read_exact(&mut [0]).expect("a command");
            tcp.write_all(b"half an ans").expect("half an answer");
            // So that a reset is what the client gets.
            SockRef::from(&tcp)
                .set_linger(Some(Duration::ZERO))
                .expect("linger");
        });
        let tcp = TcpStream::connect(address).expect("connect");
        let mut socket = PacedSocket::new(tcp, Duration::from_secs(60), None).expect("socket");
        socket.write_all(b"c").expect("a command");
        server.join().expect("server");
        // The first after the reset fails with ECONNRESET, the next with EPIPE.
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(5));
            socket.write_all(b"commands").expect("counts as sent");
        }
        let mut came = Vec::new();
        let end = socket.read_to_end(&mut came);
        assert_eq!(came, b"half an ans", "{end:?}");
        assert!(socket.is_deaf);
    }

    #[test]
    fn a_server_that_reads_nothing_does_not_hold_a_write_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let tcp = TcpStream::connect(address).expect("connect");
        let _peer = listener.accept().expect("accept");
        let mut socket = PacedSocket::new(tcp, Duration::from_millis(100), None).expect("socket");
        let error = io::copy(&mut io::repeat(b'x'), &mut socket).expect_err("a full pipe");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(
            error.to_string().contains("took nothing for 0.1 s"),
            "{error}"
        );
    }
}
