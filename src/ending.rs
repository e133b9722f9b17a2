//! What ends a run from outside: a signal, or the end of its window. Either asks it to stop after the messages
//! at hand.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Zoned;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::report::Exit;
use crate::window::{Moment, Windows, told};

/// How often the clock is looked at: it may be set, and a machine may sleep.
const GLANCE: Duration = Duration::from_secs(1);

/// Whether a run is to stop, and whether that was said from outside.
#[derive(Debug)]
pub struct Ending {
    /// Set when the run is to stop; a run sets it too.
    pub stop: Arc<AtomicBool>,
    from_outside: Arc<AtomicBool>,
}

impl Ending {
    /// The first signal asks the run to stop; the second ends it at once.
    pub fn on_signals() -> Self {
        let ending = Self {
            stop: Arc::default(),
            from_outside: Arc::default(),
        };
        let signalled: Arc<AtomicBool> = Arc::default();
        for signal in [SIGINT, SIGTERM] {
            let again = signal_hook::flag::register_conditional_default(signal, signalled.clone());
            let first = [&signalled, &ending.stop, &ending.from_outside]
                .into_iter()
                .try_for_each(|flag| signal_hook::flag::register(signal, flag.clone()).map(drop));
            if again.is_err() || first.is_err() {
                tracing::warn!("signals cannot be caught; an interrupted run will stop at once");
            }
        }
        // Without that word it stops as well.
        let _ = answer_signals();
        ending
    }

    /// The same, and the run stops when the window ends in which it is now.
    #[must_use]
    pub fn within(self, windows: &Windows) -> Self {
        let Moment::Open(Some(end)) = windows.at(&Zoned::now()) else {
            return self;
        };
        let (stop, from_outside) = (Arc::clone(&self.stop), Arc::clone(&self.from_outside));
        let windows = windows.clone();
        let watch = move || {
            while let Ok(left) = Duration::try_from(end.duration_since(&Zoned::now()))
                && !left.is_zero()
            {
                thread::sleep(left.min(GLANCE));
            }
            let again = match windows.after(&end) {
                Some(again) => format!("; run it again at {} to go on", told(&again)),
                None => String::new(),
            };
            tracing::warn!("the window {windows} is over: the run stops{again}");
            from_outside.store(true, Ordering::Relaxed);
            stop.store(true, Ordering::Relaxed);
        };
        let watching = thread::Builder::new()
            .name("window".to_owned())
            .spawn(watch);
        if let Err(error) = watching {
            // Beyond its window it must not work.
            tracing::error!("no thread can be had that watches the clock: {error}");
            self.from_outside.store(true, Ordering::Relaxed);
            self.stop.store(true, Ordering::Relaxed);
        }
        self
    }

    /// How the process ends where the run would end with `exit`: interrupted, if something `is_left` because
    /// it was stopped from outside.
    pub fn exit(&self, exit: Exit, is_left: bool) -> Exit {
        let is_cut = is_left && self.from_outside.load(Ordering::Relaxed);
        match exit {
            Exit::Some if is_cut => Exit::Interrupted,
            exit => exit,
        }
    }
}

/// Says at the first signal that it has been heard: what is at hand may take a while.
fn answer_signals() -> io::Result<()> {
    let (mut heard, raised) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, raised.try_clone()?)?;
    }
    let answer = move || {
        if heard.read_exact(&mut [0]).is_ok() {
            tracing::warn!(
                "asked to stop: it ends after the messages at hand; asked once more it ends at once, and a later \
                 run goes on from there, too"
            );
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned());
    thread.spawn(answer).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_from_outside_is_interrupted() {
        // (exit of the report, something is left, cut from outside, exit)
        let table = [
            (Exit::Ok, false, true, Exit::Ok),
            (Exit::Some, true, true, Exit::Interrupted),
            (Exit::Some, false, true, Exit::Some),
            (Exit::Some, true, false, Exit::Some),
            (Exit::Target, true, true, Exit::Target),
        ];
        for (exit, is_left, from_outside, want) in table {
            let ending = Ending {
                stop: Arc::default(),
                from_outside: Arc::new(AtomicBool::new(from_outside)),
            };
            assert_eq!(
                ending.exit(exit, is_left),
                want,
                "{exit:?} {is_left} {from_outside}"
            );
        }
    }
}
