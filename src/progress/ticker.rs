//! The thread that tells how far it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use signal_hook::consts::SIGUSR1;

use super::bars::Bars;
use super::counts::Counts;
use super::metrics::{self, Earlier};
use super::pace::Pace;
use super::put::put;
use super::stand::{Amount, HostStand, Stand};
use crate::logging::{self, ASKED, SUMMARY};

const TICK: Duration = Duration::from_millis(250);
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often `status.json` and the metrics are written.
const KEEP_EVERY: Duration = Duration::from_secs(2);
const PLAIN_EVERY: Duration = Duration::from_secs(10);

type AskHosts = Box<dyn Fn() -> Vec<HostStand> + Send + Sync>;

/// All that is told, and to whom.
#[derive(Clone)]
pub(super) struct Tickers(Arc<Inner>);

struct Inner {
    counts: Arc<Counts>,
    bars: Option<Arc<Bars>>,
    plain: bool,
    asked: Arc<AtomicBool>,
    pace: Mutex<Pace>,
    kept: Mutex<Kept>,
    hosts: Mutex<Option<AskHosts>>,
}

#[derive(Default)]
struct Kept {
    status: Option<PathBuf>,
    metrics: Option<(PathBuf, Earlier)>,
    /// It has been told that one of them cannot be written.
    is_told: bool,
    ended: Option<(Timestamp, u8)>,
}

/// The thread.
#[derive(Debug)]
pub(super) struct Ticker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    pub(super) fn stop(self) {
        drop(self.stop);
        // It panics only if standard error does, and then there is no one to tell.
        let _ = self.thread.join();
    }
}

impl fmt::Debug for Tickers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickers").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tickers {
    pub(super) fn new(counts: Arc<Counts>, bars: Option<Arc<Bars>>, plain: bool) -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        // Where it cannot be caught it ends the process, as ever.
        let _ = signal_hook::flag::register(SIGUSR1, Arc::clone(&asked));
        Self(Arc::new(Inner {
            counts,
            bars,
            plain,
            asked,
            pace: Mutex::new(Pace::new(Instant::now())),
            kept: Mutex::default(),
            hosts: Mutex::default(),
        }))
    }

    /// Writes both at once, and every few seconds from now on.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub(super) fn keep(&self, status: Option<&Path>, metrics: Option<&Path>) -> io::Result<()> {
        let mut kept = lock(&self.0.kept);
        kept.status = status.map(Path::to_owned);
        kept.metrics = metrics.map(|path| (path.to_owned(), Earlier::read(path)));
        let stand = self.stand();
        kept.write(&stand)
    }

    pub(super) fn ask_hosts(&self, hosts: AskHosts) {
        *lock(&self.0.hosts) = Some(hosts);
    }

    pub(super) fn stand(&self) -> Stand {
        let mut stand = self.0.counts.stand();
        stand.bytes_per_second = lock(&self.0.pace).per_second();
        if let Some(hosts) = &*lock(&self.0.hosts) {
            stand.hosts = hosts();
        }
        stand
    }

    /// Writes what is kept a last time.
    pub(super) fn ended(&self, exit: u8) {
        let stand = self.stand();
        let mut kept = lock(&self.0.kept);
        kept.ended = Some((logging::now(), exit));
        kept.write_or_tell(stand);
    }

    pub(super) fn start(&self) -> Ticker {
        let tickers = self.clone();
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut clock = Clock::default();
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                tickers.tick(&mut clock);
            }
        });
        Ticker { stop, thread }
    }

    fn tick(&self, clock: &mut Clock) {
        let Inner {
            counts,
            bars,
            plain,
            asked,
            pace,
            kept,
            ..
        } = &*self.0;
        let now = Instant::now();
        if due(&mut clock.sampled, now, SAMPLE_EVERY) {
            lock(pace).sample(now, counts.bytes_done());
        }
        if let Some(bars) = bars {
            bars.show(&self.stand());
        }
        if asked.swap(false, Relaxed) {
            let stand = self.stand();
            let lines = stand.lines().into_iter().map(|line| format!("\n  {line}"));
            let lines: String = lines.collect();
            tracing::info!(target: ASKED, "{}, begun {}{lines}", stand.command, stand.started);
        }
        if *plain && due(&mut clock.told, now, PLAIN_EVERY) {
            let stand = self.stand();
            let moved = (stand.users.done(), stand.messages, stand.bytes);
            if clock.last != Some(moved) {
                clock.last = Some(moved);
                tracing::info!(target: SUMMARY, "{}", stand.line());
            }
        }
        if due(&mut clock.kept, now, KEEP_EVERY) {
            let stand = self.stand();
            lock(kept).write_or_tell(stand);
        }
    }
}

#[derive(Default)]
struct Clock {
    sampled: Option<Instant>,
    told: Option<Instant>,
    kept: Option<Instant>,
    last: Option<(u64, Amount, Amount)>,
}

/// Whether `every` has passed since the time before, or since the first question.
fn due(last: &mut Option<Instant>, now: Instant, every: Duration) -> bool {
    let then = *last.get_or_insert(now);
    let is_due = now.saturating_duration_since(then) >= every;
    if is_due {
        *last = Some(now);
    }
    is_due
}

impl Kept {
    fn write(&self, stand: &Stand) -> io::Result<()> {
        let of = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        if let Some(path) = &self.status {
            let mut json = serde_json::to_vec_pretty(stand)?;
            json.push(b'\n');
            put(path, 0o600, &json).map_err(|error| of(path, error))?;
        }
        if let Some((path, earlier)) = &self.metrics {
            let text = metrics::text(stand, earlier);
            put(path, 0o644, text.as_bytes()).map_err(|error| of(path, error))?;
        }
        Ok(())
    }

    fn write_or_tell(&mut self, mut stand: Stand) {
        if let Some((ended, exit)) = self.ended {
            stand.ended = Some(ended);
            stand.exit = Some(exit);
        }
        match self.write(&stand) {
            Ok(()) => self.is_told = false,
            Err(error) if !self.is_told => {
                self.is_told = true;
                tracing::warn!("{error}: where the run stands is not written there");
            }
            Err(_) => {}
        }
    }
}
