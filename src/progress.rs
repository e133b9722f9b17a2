//! How far the run is, in bytes. Threads add up what they have done (`counts`); one thread of its own
//! tells it (`ticker`): as bars on a terminal (`bars`), plain lines elsewhere, in full at SIGUSR1, in
//! `status.json` of the report directory and in a file of metrics ([`metrics`]). Nobody who works waits
//! for that.

mod bars;
mod counts;
pub mod metrics;
mod pace;
pub mod put;
pub mod stand;
#[cfg(test)]
mod tests;
mod ticker;

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::problem::{Kind, Problem, Reach};
use crate::report::Status;
use bars::Bars;
use counts::{Counts, UserCounts};
use stand::{HostStand, STATUS_FILE, Stand};
use ticker::{Ticker, Tickers};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    /// Bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// Bars, where there is a terminal for them: one for all, one for each user at work
    Bar,
    /// A line every 10 seconds when something has changed
    Plain,
    /// Nothing
    None,
}

/// How far the run is. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Progress {
    counts: Arc<Counts>,
    bars: Option<Arc<Bars>>,
    tickers: Tickers,
    ticker: Arc<Mutex<Option<Ticker>>>,
}

impl Progress {
    /// Begins to show on standard error how far `command` is with `users` users.
    pub fn start(mode: Mode, command: &str, users: usize) -> Self {
        let counts = Arc::new(Counts::new(command, users as u64));
        let terminal = std::io::stderr().is_terminal();
        let bars = match mode {
            Mode::Auto | Mode::Bar if terminal => Some(Arc::new(Bars::on_stderr())),
            _ => None,
        };
        let plain = mode == Mode::Plain || (mode == Mode::Auto && !terminal);
        let tickers = Tickers::new(Arc::clone(&counts), bars.clone(), plain);
        let ticker = tickers.start();
        Self {
            counts,
            bars,
            tickers,
            ticker: Arc::new(Mutex::new(Some(ticker))),
        }
    }

    /// From now on also keeps `status.json` in the directory `report`, and the file `metrics`.
    ///
    /// # Errors
    /// One of them cannot be written (reach Run, kind Input).
    pub fn keep(&self, report: Option<&Path>, metrics: Option<&Path>) -> Result<(), Problem> {
        let status = report.map(|dir| dir.join(STATUS_FILE));
        self.tickers
            .keep(status.as_deref(), metrics)
            .map_err(|error| {
                let what = format!("{error}: it cannot be written");
                Problem::new(Kind::Input, Reach::Run, what)
            })
    }

    /// From now on `hosts` says which hosts are left alone.
    pub fn ask_hosts(&self, hosts: impl Fn() -> Vec<HostStand> + Send + Sync + 'static) {
        self.tickers.ask_hosts(Box::new(hosts));
    }

    /// A user's turn has come.
    pub fn user_begun(&self, name: &str) -> UserProgress {
        let user = self.counts.begin(name);
        UserProgress {
            all: Arc::clone(&self.counts),
            user,
        }
    }

    /// A user is done, well or not: `class` says why not. Also one whose turn never came.
    pub fn user_done(&self, status: Status, class: Option<Kind>) {
        self.counts.count(status, class);
    }

    /// Where the run stands.
    pub fn stand(&self) -> Stand {
        self.tickers.stand()
    }

    /// Takes the bars away while `write` writes to the terminal.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Takes the bars away and ends the plain lines.
    pub fn finish(&self) {
        let mut ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticker) = ticker.take() {
            ticker.stop();
        }
        if let Some(bars) = &self.bars {
            bars.clear();
        }
    }

    /// The run is over, with this exit status: so it says in what is kept from now on.
    pub fn ended(&self, exit: u8) {
        self.finish();
        self.tickers.ended(exit);
    }
}

/// How far one user is. When it is dropped the user is no longer at work.
#[derive(Debug)]
pub struct UserProgress {
    all: Arc<Counts>,
    user: Arc<UserCounts>,
}

impl UserProgress {
    /// An attempt begins: what an earlier one expected and did not get is expected no longer.
    pub fn attempt(&self) {
        self.all.forget(&self.user);
    }

    /// A folder has been listed: so much is to be transferred for it. What users not yet begun
    /// will need is guessed from the others.
    pub fn expect(&self, messages: u64, bytes: u64) {
        self.all.expect(&self.user, messages, bytes);
    }

    /// A message of `bytes` has been transferred (or given up).
    pub fn message_done(&self, bytes: u64) {
        self.all.message_done(&self.user, bytes);
    }
}

impl Drop for UserProgress {
    fn drop(&mut self) {
        self.all.end(&self.user);
    }
}
