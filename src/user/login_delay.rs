//! The pause that a POP3 server wants between two logins of a user (RFC 2449 sections 6.5 and
//! 8.1.1): announced by `LOGIN-DELAY` in CAPA, demanded by `-ERR [LOGIN-DELAY]`.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tracing::Level;

use super::sleep;
use crate::problem::Problem;
use crate::report::UserLog;
use crate::source::pop3;

/// No server is waited for longer: what it says is no reason to hold up a run for a day.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// When a user may log in again.
#[derive(Debug, Default)]
pub(crate) struct LoginDelay {
    next: Option<Instant>,
}

impl LoginDelay {
    /// Waits until the server lets the user in, and logs in by `open`.
    ///
    /// # Errors
    /// Those of `open`; the run is to stop.
    pub(crate) fn log_in(
        &mut self,
        log: &UserLog,
        stop: &AtomicBool,
        open: impl FnOnce() -> Result<pop3::Session, Problem>,
    ) -> Result<pop3::Session, Problem> {
        let pause = self.pause(Instant::now());
        if !pause.is_zero() {
            let seconds = pause.as_secs_f32().ceil();
            let line = format!(
                "the POP3 server wants a pause between two logins of a user: {seconds} s more"
            );
            log.line(Level::WARN, line);
            sleep(pause, stop)?;
        }
        let outcome = open();
        let wanted = match &outcome {
            Ok(session) => session.login_delay(),
            Err(problem) => problem.pause(),
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted > LONGEST) {
            let (wanted, longest) = (wanted.as_secs(), LONGEST.as_secs());
            let line = format!(
                "the POP3 server wants {wanted} s between two logins; no more than {longest} s are waited"
            );
            log.line(Level::WARN, line);
        }
        self.note(Instant::now(), wanted);
        outcome
    }

    /// How long the next login has to wait.
    pub(crate) fn pause(&self, now: Instant) -> Duration {
        let next = self.next.unwrap_or(now);
        next.saturating_duration_since(now)
    }

    fn note(&mut self, now: Instant, wanted: Option<Duration>) {
        self.next = wanted.map(|wanted| now + wanted.min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_what_is_left_of_what_was_wanted() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        for (wanted, later, left) in [
            (None, 0, 0),
            (Some(10), 0, 10),
            (Some(10), 4, 6),
            (Some(10), 60, 0),
            (Some(u64::MAX), 0, 900),
        ] {
            let mut delay = LoginDelay::default();
            assert_eq!(delay.pause(now), Duration::ZERO);
            delay.note(now, wanted.map(seconds));
            assert_eq!(
                delay.pause(now + seconds(later)),
                seconds(left),
                "{wanted:?}"
            );
            // A server that no longer asks for it.
            delay.note(now, None);
            assert_eq!(delay.pause(now), Duration::ZERO);
        }
    }
}
