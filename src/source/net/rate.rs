//! Limits on bytes a second (`--rate`, `--host-rate`), shared by all connections that they hold for. What
//! counts is what comes over the wire: with TLS and COMPRESS as they make it, without the headers of TCP.
//!
//! Who has read so many bytes waits until their time has passed before it reads on: a reader is in debt, and
//! never ahead. So no connection is starved, whatever the others do, and a pause saves nothing up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least that can be asked for, in bytes a second: with less, servers would give up on us.
pub const LEAST: u64 = 1024;
/// One read takes what comes in such a part of a second at most, but no fewer bytes than [`SMALLEST_READ`].
const READS_A_SECOND: u64 = 16;
const SMALLEST_READ: u64 = 256;
/// The kernel takes in what comes in half a second at most: what it holds has been on the wire. It doubles
/// what it is told, and takes no less than it likes.
const BUFFERS_A_SECOND: u64 = 4;
const SMALLEST_BUFFER: u64 = 8 << 10;
/// A buffer as large as this is left to the kernel, which fits it to the line.
const LARGE_BUFFER: u64 = 4 << 20;

/// When what has been read will have had its time. No clock here.
#[derive(Debug)]
struct Bucket {
    /// Bytes a second.
    rate: u64,
    free_at: Instant,
}

impl Bucket {
    fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate: rate.max(1),
            free_at: now,
        }
    }

    /// Takes in that so many bytes have been read. How long the reader now has to wait.
    fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(now) + cost;
        self.free_at.saturating_duration_since(now)
    }
}

/// A limit that connections share.
#[derive(Debug)]
pub(super) struct Limit {
    rate: u64,
    bucket: Mutex<Bucket>,
}

impl Limit {
    /// Of so many bytes a second.
    pub(super) fn new(rate: u64) -> Self {
        Self {
            rate,
            bucket: Mutex::new(Bucket::new(rate, Instant::now())),
        }
    }

    fn take(&self, bytes: u64) -> Duration {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(bytes, Instant::now())
    }
}

/// All limits that hold for a connection; mostly none.
#[derive(Debug, Clone, Default)]
pub(super) struct Limits(Vec<Arc<Limit>>);

impl Limits {
    pub(super) fn new(limits: impl IntoIterator<Item = Arc<Limit>>) -> Self {
        Self(limits.into_iter().collect())
    }

    /// The most bytes that are to be read at once; `None`: any number.
    pub(super) fn most(&self) -> Option<usize> {
        let part = self.lowest()? / READS_A_SECOND;
        usize::try_from(part.max(SMALLEST_READ)).ok()
    }

    /// How large the kernel's buffer is to be; `None`: as it likes.
    pub(super) fn buffer(&self) -> Option<usize> {
        let buffer = self.lowest()? / BUFFERS_A_SECOND;
        let is_small = buffer < LARGE_BUFFER;
        let buffer = is_small.then(|| buffer.max(SMALLEST_BUFFER))?;
        usize::try_from(buffer).ok()
    }

    /// Takes in that so many bytes have come, and waits until more may. How long it has waited.
    pub(super) fn wait(&self, bytes: usize) -> Duration {
        let waits = self.0.iter().map(|limit| limit.take(bytes as u64));
        let wait = waits.max().unwrap_or_default();
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        wait
    }

    fn lowest(&self) -> Option<u64> {
        self.0.iter().map(|limit| limit.rate).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn readers_share_a_rate_and_save_nothing_up() {
        let start = Instant::now();
        // (rate, readers, bytes of each read, seconds, an hour's pause before)
        let table = [
            (100 << 10, 1, 6400, 10, false),
            (100 << 10, 8, 6400, 10, false),
            (100 << 10, 8, 6400, 10, true),
            (40 << 20, 32, 64 << 10, 3, false),
            (1024, 32, 256, 60, false),
        ];
        for (rate, readers, read, seconds, paused) in table {
            let mut bucket = Bucket::new(rate, start);
            let start = if paused { start + 3600 * SECOND } else { start };
            let end = start + seconds * SECOND;
            let mut readers = vec![(start, 0u64); readers];
            let mut all = 0;
            // Each reads whenever it may: the one that may first goes on.
            while let Some(reader) = readers.iter_mut().min_by_key(|(at, _)| *at)
                && reader.0 < end
            {
                let (now, wait) = (reader.0, bucket.take(read, reader.0));
                *reader = (now + wait, reader.1 + read);
                all += read;
            }
            let context = format!("{rate} {read} {seconds} {paused}");
            let most = rate * u64::from(seconds) + read * readers.len() as u64;
            assert!(
                all <= most && all >= rate * u64::from(seconds),
                "{all} {context}"
            );
            let (least, most) = (
                readers.iter().map(|it| it.1).min(),
                readers.iter().map(|it| it.1).max(),
            );
            let (Some(least), Some(most)) = (least, most) else {
                panic!("readers")
            };
            assert!(most - least <= read, "{least} {most} {context}");
        }
    }

    #[test]
    fn reads_and_buffers_fit_the_lowest_limit() {
        // (limits, bytes of one read, the kernel's buffer)
        let table: [(&[u64], Option<usize>, Option<usize>); 5] = [
            (&[], None, None),
            (&[LEAST], Some(256), Some(8 << 10)),
            (&[100 << 10], Some(6400), Some(25_600)),
            (&[40 << 20, 1 << 20], Some(64 << 10), Some(256 << 10)),
            (&[40 << 20], Some(2_621_440), None),
        ];
        for (rates, read, buffer) in table {
            let limits = Limits::new(rates.iter().map(|rate| Arc::new(Limit::new(*rate))));
            assert_eq!(
                (limits.most(), limits.buffer()),
                (read, buffer),
                "{rates:?}"
            );
        }
        assert_eq!(Limits::default().wait(1 << 30), Duration::ZERO);
    }
}
