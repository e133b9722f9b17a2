//! Good-byes that nobody waits for: the server is told that we leave, and hears us out, while the work
//! goes on.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What the end of a run waits for the last servers to answer. One that takes longer sees the
/// connection end without its answer being read, which some of them log.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says good-byes beside the work. When it is dropped it waits for those that are under way.
#[derive(Debug)]
pub(super) struct Farewells {
    /// Each that is under way holds another.
    under_way: Option<Sender<()>>,
    over: Mutex<Receiver<()>>,
}

impl Farewells {
    pub(super) fn new() -> Self {
        let (under_way, over) = channel();
        Self {
            under_way: Some(under_way),
            over: Mutex::new(over),
        }
    }

    /// Says one. Where no thread can be had for it the connection just ends.
    pub(super) fn say(&self, goodbye: impl FnOnce() + Send + 'static) {
        let token = self.under_way.clone();
        let said = thread::Builder::new()
            .name("farewell".to_owned())
            .spawn(move || {
                goodbye();
                drop(token);
            });
        if let Err(error) = said {
            tracing::debug!(%error, "no thread for a good-bye");
        }
    }
}

impl Drop for Farewells {
    fn drop(&mut self) {
        self.under_way = None;
        let over = self.over.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: it ends when the last token is gone.
        let _ = over.recv_timeout(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn who_says_it_goes_on_and_the_end_waits_for_all() {
        let said = Arc::new(AtomicU32::new(0));
        let farewells = Farewells::new();
        let (go_on, wait) = channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..3 {
            let (said, wait) = (Arc::clone(&said), Arc::clone(&wait));
            farewells.say(move || {
                let _ = wait.lock().unwrap().recv();
                said.fetch_add(1, Ordering::SeqCst);
            });
        }
        assert_eq!(said.load(Ordering::SeqCst), 0);
        drop(go_on);
        drop(farewells);
        assert_eq!(said.load(Ordering::SeqCst), 3);
    }
}
