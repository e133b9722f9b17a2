//! One `syncfs` for many: users that finish a folder at the same time wait for the same sync.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Shares syncs of whole file systems among threads. A caller's data is on disk when a sync has
/// ended well that began after the call; callers that arrive while one runs share the next.
#[derive(Debug, Default)]
pub struct Syncer {
    by_device: Mutex<HashMap<u64, State>>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Syncs begun so far.
    begun: u64,
    /// The latest sync that ended well.
    ended_well: u64,
    running: bool,
}

impl Syncer {
    /// Returns when all that was written to `file`'s file system before the call is on disk.
    ///
    /// # Errors
    /// Those of `syncfs`.
    pub fn sync(&self, file: impl AsFd) -> io::Result<()> {
        let device = rustix::fs::fstat(&file)?.st_dev;
        let mut states = self.lock();
        let mine = states.entry(device).or_default().begun + 1;
        loop {
            let state = states.entry(device).or_default();
            if state.ended_well >= mine {
                return Ok(());
            }
            if !state.running {
                break;
            }
            states = self
                .ended
                .wait(states)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let state = states.entry(device).or_default();
        state.begun += 1;
        state.running = true;
        let number = state.begun;
        drop(states);
        let result = rustix::fs::syncfs(file);
        let mut states = self.lock();
        let state = states.entry(device).or_default();
        state.running = false;
        if result.is_ok() {
            state.ended_well = number;
        }
        self.ended.notify_all();
        Ok(result?)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, State>> {
        self.by_device
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn everyone_returns_and_syncs_are_shared() {
        let syncer = Syncer::default();
        let file = File::open(".").unwrap();
        let callers = 40;
        std::thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| syncer.sync(&file).unwrap());
            }
        });
        let states = syncer.lock();
        let state = states.values().next().unwrap();
        assert!(state.begun >= 1 && state.begun <= callers);
        assert_eq!(state.ended_well, state.begun);
        assert!(!state.running);
    }
}
