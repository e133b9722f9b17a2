//! Whether it pays to have what comes over a line compressed: where the line is what is waited for. On
//! a fast one, or where the server is next door and merely busy, it would only cost the server more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A server that takes longer than this to take a connection is no neighbour.
const FAR: Duration = Duration::from_millis(2);
/// Slow is less than 20 Mbit/s on one connection, in bytes per second.
const SLOW: u64 = 20_000_000 / 8;
/// How much has to come, or how long has to be waited, until the speed is judged.
const MUCH: u64 = 4 << 20;
const LONG: Duration = Duration::from_secs(5);
/// Less than this is no transfer whose speed says anything.
const LITTLE: u64 = 256 << 10;

/// When IMAP servers that can compress (RFC 4978) are asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Compress {
    /// Over lines that turn out to be slow: less than 20 Mbit/s a connection, to a server that is not near
    #[default]
    Auto,
    /// From each login on
    Always,
    /// Not at all
    Never,
}

/// What a run knows of the line to one host.
#[derive(Debug)]
pub struct Line {
    when: Compress,
    is_slow: AtomicBool,
}

impl Line {
    pub(super) fn new(when: Compress) -> Self {
        Self {
            when,
            is_slow: AtomicBool::new(when == Compress::Always),
        }
    }

    /// Whether what comes should be compressed.
    pub fn wants_compression(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }
}

/// A line of which nothing is known, and nothing will be.
impl Default for Line {
    fn default() -> Self {
        Self::new(Compress::Never)
    }
}

/// Measures what comes over one connection.
#[derive(Debug)]
pub(super) struct Gauge {
    line: Arc<Line>,
    received: u64,
    waited: Duration,
}

impl Gauge {
    /// For a connection that came about in `connected`; `None` where nothing can be learned from it.
    pub(super) fn new(line: &Arc<Line>, connected: Duration) -> Option<Self> {
        let can_learn = line.when == Compress::Auto && connected >= FAR;
        can_learn.then(|| Self {
            line: Arc::clone(line),
            received: 0,
            waited: Duration::ZERO,
        })
    }

    /// Takes in that so many bytes came after such a wait.
    pub(super) fn count(&mut self, bytes: usize, wait: Duration) {
        self.received += bytes as u64;
        self.waited += wait;
        if self.received < MUCH && self.waited < LONG {
            return;
        }
        let fits = self.waited.as_secs_f64() * SLOW as f64;
        if self.received >= LITTLE && (self.received as f64) < fits {
            self.line.is_slow.store(true, Ordering::Relaxed);
        }
        (self.received, self.waited) = (0, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_slow_line_is_one_that_is_waited_for() {
        let read = 64 << 10;
        // (time to connect, bytes of each read, wait of each, reads, slow)
        let table = [
            (50 * MS, read, 10 * MS, 63, false),
            (50 * MS, read, 30 * MS, 63, false),
            (50 * MS, read, 30 * MS, 64, true),
            (50 * MS, read, 20 * MS, 1000, false),
            // A neighbour that is slow is busy.
            (MS, read, 30 * MS, 1000, false),
            // Much too slow to wait for 4 MB.
            (50 * MS, read, 1000 * MS, 4, false),
            (50 * MS, read, 1000 * MS, 5, true),
            // Round trips, or a server that thinks.
            (50 * MS, 100, 50 * MS, 10_000, false),
        ];
        for (connected, bytes, wait, reads, slow) in table {
            let line = Arc::new(Line::new(Compress::Auto));
            if let Some(mut gauge) = Gauge::new(&line, connected) {
                (0..reads).for_each(|_| gauge.count(bytes, wait));
            }
            let context = format!("{connected:?} {bytes} {wait:?} {reads}");
            assert_eq!(line.wants_compression(), slow, "{context}");
        }
    }

    #[test]
    fn who_has_decided_is_not_measured() {
        for (when, wants) in [(Compress::Always, true), (Compress::Never, false)] {
            let line = Arc::new(Line::new(when));
            assert!(Gauge::new(&line, 50 * MS).is_none());
            assert_eq!(line.wants_compression(), wants);
        }
        assert!(!Line::default().wants_compression());
    }
}
