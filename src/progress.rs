//! How far the run is, in bytes: a bar on a terminal, plain lines elsewhere. Threads add up what
//! they have done; nothing here waits for anything.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::logging::SUMMARY;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    /// A bar on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// A bar, where there is a terminal for it
    Bar,
    /// A line every 10 seconds when something has changed
    Plain,
    /// Nothing
    None,
}

const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// How far the run is. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Progress {
    counts: Arc<Counts>,
    bar: ProgressBar,
    plain: Arc<Mutex<Option<Plain>>>,
}

#[derive(Debug)]
struct Plain {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    users_total: u64,
    users_done: AtomicU64,
    users_begun: AtomicU64,
    bytes_listed: AtomicU64,
    bytes_done: AtomicU64,
    messages_done: AtomicU64,
}

impl Progress {
    /// Begins to show the progress of `users_total` users on standard error.
    pub fn start(mode: Mode, users_total: usize) -> Self {
        let counts = Arc::new(Counts {
            users_total: users_total as u64,
            ..Counts::default()
        });
        let terminal = std::io::stderr().is_terminal();
        let bar = match mode {
            Mode::Auto | Mode::Bar if terminal => shown_bar(&counts),
            _ => ProgressBar::hidden(),
        };
        let plain = match mode {
            Mode::Auto if !terminal => Some(shown_lines(&counts)),
            Mode::Plain => Some(shown_lines(&counts)),
            _ => None,
        };
        Self {
            counts,
            bar,
            plain: Arc::new(Mutex::new(plain)),
        }
    }

    /// A user's turn has come.
    pub fn user_begun(&self) {
        self.counts.users_begun.fetch_add(1, Relaxed);
    }

    /// A folder has been listed: `bytes` are to be transferred for it. What users not yet
    /// begun will need is guessed from the others.
    pub fn expect_bytes(&self, bytes: u64) {
        self.counts.bytes_listed.fetch_add(bytes, Relaxed);
        self.bar.set_length(self.counts.expected_bytes());
    }

    /// A message of `bytes` has been transferred (or given up).
    pub fn message_done(&self, bytes: u64) {
        self.counts.messages_done.fetch_add(1, Relaxed);
        self.counts.bytes_done.fetch_add(bytes, Relaxed);
        self.bar.inc(bytes);
    }

    /// A user is done, well or not.
    pub fn user_done(&self) {
        self.counts.users_done.fetch_add(1, Relaxed);
        self.bar.tick();
    }

    /// Takes the bar away while `write` writes to the terminal.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }

    /// Takes the bar away and ends the plain lines.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
        let plain = self
            .plain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Plain { stop, thread }) = plain {
            drop(stop);
            // It panics only if standard error does, and then there is no one to tell.
            let _ = thread.join();
        }
    }
}

impl Counts {
    /// What all users need, as far as it can be known: those not yet begun count as average.
    fn expected_bytes(&self) -> u64 {
        let listed = self.users_begun.load(Relaxed);
        let bytes = u128::from(self.bytes_listed.load(Relaxed));
        let users = u128::from(self.users_total.max(listed));
        let estimate = (bytes * users)
            .checked_div(u128::from(listed))
            .unwrap_or_default();
        u64::try_from(estimate).unwrap_or(u64::MAX)
    }

    fn users(&self) -> String {
        format!(
            "{} of {} users",
            self.users_done.load(Relaxed),
            self.users_total
        )
    }

    /// One line on how far it is after `elapsed`.
    fn line(&self, elapsed: Duration) -> String {
        let done = self.bytes_done.load(Relaxed);
        let expected = self.expected_bytes().max(done);
        let about = if self.users_done.load(Relaxed) < self.users_total {
            "about "
        } else {
            ""
        };
        let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a quotient of two positive numbers, and for the eye"
        )]
        let whole_rate = rate as u64;
        let mut line = format!(
            "{}, {} messages, {} of {about}{}, {}/s",
            self.users(),
            self.messages_done.load(Relaxed),
            BinaryBytes(done),
            BinaryBytes(expected),
            BinaryBytes(whole_rate),
        );
        if done > 0
            && let Ok(left) = Duration::try_from_secs_f64((expected - done) as f64 / rate)
        {
            line.push_str(&format!(", {} left", HumanDuration(left)));
        }
        line
    }
}

fn shown_bar(counts: &Arc<Counts>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let shown = Arc::clone(counts);
    let style = ProgressStyle::with_template(
        "{bar:25} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left  {users}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
    .with_key(
        "users",
        move |_: &indicatif::ProgressState, text: &mut dyn std::fmt::Write| {
            // Writing into the bar's own buffer does not fail.
            let _ = text.write_str(&shown.users());
        },
    );
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn shown_lines(counts: &Arc<Counts>) -> Plain {
    let counts = Arc::clone(counts);
    let (stop, stopped) = channel();
    let thread = std::thread::spawn(move || {
        let begun = Instant::now();
        let mut last = None;
        while stopped.recv_timeout(PLAIN_EVERY) == Err(RecvTimeoutError::Timeout) {
            let now = (
                counts.users_done.load(Relaxed),
                counts.messages_done.load(Relaxed),
                counts.bytes_listed.load(Relaxed),
            );
            if last != Some(now) {
                last = Some(now);
                tracing::info!(target: SUMMARY, "{}", counts.line(begun.elapsed()));
            }
        }
    });
    Plain { stop, thread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_not_yet_begun_count_as_average() {
        let progress = Progress::start(Mode::None, 4);
        assert_eq!(progress.counts.expected_bytes(), 0);
        progress.user_begun();
        progress.expect_bytes(2 << 20);
        progress.expect_bytes(1 << 20);
        assert_eq!(progress.counts.expected_bytes(), 12 << 20);
        progress.user_begun();
        progress.expect_bytes(1 << 20);
        assert_eq!(progress.counts.expected_bytes(), 8 << 20);
        progress.message_done(2 << 20);
        progress.user_done();
        assert_eq!(
            progress.counts.line(Duration::from_secs(2)),
            "1 of 4 users, 1 messages, 2.00 MiB of about 8.00 MiB, 1.00 MiB/s, 6 seconds left"
        );
        progress.expect_bytes(u64::MAX / 2);
        assert_eq!(progress.counts.expected_bytes(), u64::MAX);
        progress.finish();
    }

    #[test]
    fn a_line_never_divides_by_nothing() {
        let progress = Progress::start(Mode::None, 0);
        assert_eq!(
            progress.counts.line(Duration::ZERO),
            "0 of 0 users, 0 messages, 0 B of 0 B, 0 B/s"
        );
    }

    #[test]
    fn all_threads_count_together_and_finish_ends_the_lines() {
        let progress = Progress::start(Mode::Plain, 8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let progress = progress.clone();
                scope.spawn(move || {
                    for _ in 0..100 {
                        progress.message_done(1);
                    }
                    progress.user_done();
                });
            }
        });
        assert_eq!(progress.counts.messages_done.load(Relaxed), 800);
        assert_eq!(progress.counts.bytes_done.load(Relaxed), 800);
        let begun = Instant::now();
        progress.finish();
        progress.clone().finish();
        assert!(begun.elapsed() < PLAIN_EVERY);
        assert!(progress.plain.lock().is_ok_and(|plain| plain.is_none()));
    }
}
