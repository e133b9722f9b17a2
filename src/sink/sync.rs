//! One `syncfs` for many: users that finish a folder at the same time wait for the same sync.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

/// Shares syncs of whole file systems among threads. A caller's data is on disk when a sync has
/// ended well that began after the call; callers that arrive while one runs share the next.
///
/// Linux tells of data that could not be written back once to each descriptor that was open by then
/// (`errseq_t`), and the data is gone. So all syncs of a file system are those of one descriptor
/// that is opened before anything is written, and after an error no further one ends well.
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
    /// Why no sync ends well any more.
    failed: Option<Errno>,
    /// What is synced by, since before anything was written.
    watched: Option<Arc<OwnedFd>>,
}

impl Syncer {
    /// From now on it is noticed if something cannot be written to the file system of `dir`.
    ///
    /// # Errors
    /// Those of the file system; no descriptors are left.
    pub fn watch(&self, dir: impl AsFd) -> io::Result<()> {
        self.watched(dir).map(drop)
    }

    fn watched(&self, dir: impl AsFd) -> io::Result<(u64, Arc<OwnedFd>)> {
        let dir = dir.as_fd();
        let device = rustix::fs::fstat(dir)?.st_dev;
        let mut states = self.lock();
        let state = states.entry(device).or_default();
        let watched = match &state.watched {
            Some(watched) => watched.clone(),
            None => state
                .watched
                .insert(Arc::new(dir.try_clone_to_owned()?))
                .clone(),
        };
        Ok((device, watched))
    }

    /// Returns when all that was written to `file`'s file system before the call is on disk.
    ///
    /// # Errors
    /// Those of `syncfs`, now or earlier.
    pub fn sync(&self, file: impl AsFd) -> io::Result<()> {
        let (device, watched) = self.watched(file)?;
        let mut states = self.lock();
        let mine = states.entry(device).or_default().begun + 1;
        loop {
            let state = states.entry(device).or_default();
            if state.ended_well >= mine {
                return Ok(());
            }
            if let Some(errno) = state.failed {
                return Err(errno.into());
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
        let result = rustix::fs::syncfs(watched);
        let mut states = self.lock();
        let state = states.entry(device).or_default();
        state.running = false;
        match result {
            Ok(()) => state.ended_well = number,
            Err(errno) => state.failed = Some(errno),
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
    fn after_an_error_no_sync_ends_well() {
        let syncer = Syncer::default();
        let file = File::open(".").unwrap();
        syncer.sync(&file).unwrap();
        for state in syncer.lock().values_mut() {
            state.failed = Some(Errno::IO);
        }
        for _ in 0..2 {
            let error = syncer.sync(&file).unwrap_err();
            assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
        }
    }

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
