//! Bars on a terminal: one for all, and below it one for each user at work, as many as fit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::stand::{Amount, Stand};
use crate::text::printable;

/// Lines of a terminal that does not say.
const ROWS: u16 = 24;

/// What is on the terminal.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    /// By the name of the user, the longest at work first.
    users: Mutex<Vec<(String, ProgressBar)>>,
    rows: fn() -> u16,
}

impl Bars {
    pub(super) fn on_stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr(), rows_of_stderr)
    }

    pub(super) fn on(target: ProgressDrawTarget, rows: fn() -> u16) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let total = all.add(bar());
        Self {
            all,
            total,
            users: Mutex::default(),
            rows,
        }
    }

    /// Shows where the run stands now.
    pub(super) fn show(&self, stand: &Stand) {
        set(&self.total, stand.bytes, stand.line());
        let mut users = self.users();
        users.retain(|(name, bar)| {
            let stays = stand.at_work.iter().any(|user| user.user == *name);
            if !stays {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            stays
        });
        // The cursor's line stays free.
        let room = usize::from((self.rows)().saturating_sub(2));
        for user in &stand.at_work {
            let known = users.iter().position(|(name, _)| *name == user.user);
            let at = match known {
                Some(at) => at,
                None if users.len() < room => {
                    users.push((user.user.clone(), self.all.add(bar())));
                    users.len() - 1
                }
                None => continue,
            };
            let bytes = user.bytes;
            let told = format!(
                "{}  {} of {}",
                printable(&user.user),
                BinaryBytes(bytes.done),
                BinaryBytes(bytes.expected.max(bytes.done))
            );
            set(&users[at].1, bytes, told);
        }
    }

    pub(super) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.all.suspend(write)
    }

    pub(super) fn clear(&self) {
        for (_, bar) in self.users().drain(..) {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
        // Where the terminal is gone nothing is on it.
        let _ = self.all.clear();
    }

    fn users(&self) -> MutexGuard<'_, Vec<(String, ProgressBar)>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:25} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
}

/// Draws nothing where nothing has changed.
fn set(bar: &ProgressBar, bytes: Amount, told: String) {
    // A bar of no length would be a full one.
    let length = bytes.expected.max(bytes.done).max(1);
    if bar.length() != Some(length) {
        bar.set_length(length);
    }
    if bar.position() != bytes.done {
        bar.set_position(bytes.done);
    }
    if bar.message() != told {
        bar.set_message(told);
    }
}

fn rows_of_stderr() -> u16 {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.ok()
        .map(|size| size.ws_row)
        .filter(|rows| *rows > 0)
        .unwrap_or(ROWS)
}
