//! What has come over connections, and how long answers took: counted where it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Sums that connections share.
#[derive(Debug, Default)]
pub struct Meter {
    received: AtomicU64,
    answers: AtomicU64,
    /// Microseconds.
    waited: AtomicU64,
}

/// The sums at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Bytes that have come over the wire.
    pub(super) received: u64,
    /// Commands, or as many of them as were sent together, that an answer has come to.
    pub(super) answers: u64,
    /// The time until the first byte of each.
    pub(super) waited: Duration,
}

impl Meter {
    /// Bytes that have come over the wire.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn read(&self) -> Reading {
        Reading {
            received: self.received(),
            answers: self.answers.load(Ordering::Relaxed),
            waited: Duration::from_micros(self.waited.load(Ordering::Relaxed)),
        }
    }
}

/// Counts what comes over one connection.
#[derive(Debug, Default)]
pub(super) struct Counter {
    meters: Vec<Arc<Meter>>,
    /// When something was sent that no answer has come to.
    asked: Option<Instant>,
}

impl Counter {
    /// Counts for all of `meters`.
    pub(super) fn new(meters: Vec<Arc<Meter>>) -> Self {
        Self {
            meters,
            asked: None,
        }
    }

    /// Something was sent.
    pub(super) fn asked(&mut self) {
        self.asked.get_or_insert_with(Instant::now);
    }

    /// So many bytes have come.
    pub(super) fn received(&mut self, bytes: usize) {
        let asked = self.asked.take();
        for meter in &self.meters {
            meter.received.fetch_add(bytes as u64, Ordering::Relaxed);
            if let Some(asked) = asked {
                let waited = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                meter.answers.fetch_add(1, Ordering::Relaxed);
                meter.waited.fetch_add(waited, Ordering::Relaxed);
            }
        }
    }
}
