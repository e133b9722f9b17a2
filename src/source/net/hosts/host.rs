//! What a run knows of one host, and what follows from it. No clock and no waiting here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Pacing;
use super::super::meter::Meter;
use super::tuner::Tuner;
use crate::problem::{Kind, Problem};

/// So many refused logins in a row are no slips any more: it is the master password, or the server.
pub const WRONG_IN_A_ROW: u32 = 20;
/// The first rest of a host that does not say how long; each further one is so many times longer.
const FIRST_REST: Duration = Duration::from_secs(1);
const REST_GROWTH: u32 = 5;
const LONGEST_REST: Duration = Duration::from_secs(30);
/// The longest rest that a server's words can make us take.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// Who says good-bye takes a place for so long at most: some servers never answer that.
const LEAVING: Duration = Duration::from_secs(5);
/// A host that has taken a connection so recently is up: if it refuses others, it has enough of us. After
/// so long without a refusal one more is tried.
const RECENT: Duration = Duration::from_secs(60);

/// One host.
#[derive(Debug)]
pub struct Host {
    /// Users that are at work on it.
    users: usize,
    /// Connections that they have beside their first.
    beside: usize,
    /// Those that say good-bye, each with the time from which on it does not count.
    leaving: VecDeque<Instant>,
    /// The most of all of them that the admin lets it have.
    most: usize,
    /// The most that the server lets us have.
    share: usize,
    /// Where the share is found by trying.
    tuner: Option<Tuner>,
    meter: Arc<Meter>,
    /// When the share was changed last.
    changed: Option<Instant>,
    /// When it took a connection last.
    connected: Option<Instant>,
    /// Until when it is left alone.
    rests_until: Option<Instant>,
    /// Rests since a user's work went well.
    rests: u32,
    /// Users whose login was refused since one's was not.
    wrong: u32,
}

impl Host {
    /// A host of which nothing is known yet.
    pub fn new(pacing: Pacing) -> Self {
        let most = pacing.host_jobs.unwrap_or(usize::MAX).max(1);
        let tuner = pacing.tuned.then(|| Tuner::new(most));
        Self {
            users: 0,
            beside: 0,
            leaving: VecDeque::new(),
            most,
            share: tuner.as_ref().map_or(usize::MAX, Tuner::share),
            tuner,
            meter: Arc::default(),
            changed: None,
            connected: None,
            rests_until: None,
            rests: 0,
            wrong: 0,
        }
    }

    /// Whether one more may come.
    pub fn is_open(&self, now: Instant) -> bool {
        self.taken(now) < self.share.min(self.most) && self.rest(now).is_zero()
    }

    /// Whether all may stay who are there, and go on.
    pub fn has_room(&self, now: Instant) -> bool {
        self.taken(now) <= self.share && self.rest(now).is_zero()
    }

    /// How long it is still to be left alone.
    pub fn rest(&self, now: Instant) -> Duration {
        let until = self.rests_until.unwrap_or(now);
        until.saturating_duration_since(now)
    }

    /// A user comes.
    pub fn enter(&mut self) {
        self.users += 1;
    }

    /// A user goes.
    pub fn leave(&mut self) {
        self.users = self.users.saturating_sub(1);
        if let Some(tuner) = &mut self.tuner {
            tuner.left();
        }
    }

    /// A user who is here opens a further connection.
    pub fn enter_beside(&mut self) {
        self.beside += 1;
    }

    /// A further connection is closed.
    pub fn leave_beside(&mut self) {
        self.beside = self.beside.saturating_sub(1);
    }

    /// A connection begins to say good-bye.
    pub fn begin_leaving(&mut self, now: Instant) {
        self.leaving.push_back(now + LEAVING);
    }

    /// One has said it.
    pub fn end_leaving(&mut self) {
        self.leaving.pop_front();
    }

    fn taken(&self, now: Instant) -> usize {
        let leaving = self.leaving.iter().filter(|until| **until > now).count();
        self.users + self.beside + leaving
    }

    /// It has taken a connection.
    pub fn took_connection(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// Takes in that a user who is here failed of `problem`, which is the host's and not the user's.
    /// How long it is now left alone, where that is longer than before.
    pub fn turned_away(&mut self, problem: &Problem, now: Instant) -> Option<Duration> {
        let is_up = self
            .connected
            .is_some_and(|then| now.saturating_duration_since(then) < RECENT);
        if is_up || problem.kind == Kind::Busy {
            let taken = self.taken(now);
            self.share = match &mut self.tuner {
                Some(tuner) => {
                    tuner.refused(taken, now);
                    tuner.share()
                }
                None => taken.saturating_sub(1).max(1),
            };
            self.changed = Some(now);
        }
        // Who is not there at all wants no rest.
        if problem.kind != Kind::Busy {
            return None;
        }
        let rest = match problem.pause() {
            Some(asked) => asked.min(LONGEST_ASKED),
            // Others have just been told the same.
            None if !self.rest(now).is_zero() => return None,
            None => {
                let times = REST_GROWTH.saturating_pow(self.rests);
                FIRST_REST.saturating_mul(times).min(LONGEST_REST)
            }
        };
        let until = now + rest;
        if self.rests_until.is_some_and(|known| known >= until) {
            return None;
        }
        self.rests_until = Some(until);
        self.rests = self.rests.saturating_add(1);
        Some(rest)
    }

    /// The most users at once from now on.
    pub fn share(&self) -> usize {
        self.share.min(self.most)
    }

    /// What comes from it.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The share, where it is found by trying.
    pub fn tuned(&self) -> Option<usize> {
        self.tuner.as_ref().map(Tuner::share)
    }

    /// Someone waits for it: looks, where it is full, whether its share is the best one. The new one, where
    /// that has changed.
    pub fn tune(&mut self, now: Instant) -> Option<usize> {
        let taken = self.taken(now);
        if taken < self.share || !self.rest(now).is_zero() {
            return None;
        }
        let tuner = self.tuner.as_mut()?;
        if !tuner.look(self.meter.read(), taken, now) {
            return None;
        }
        self.share = tuner.share();
        Some(self.share)
    }

    /// A user's work went well.
    pub fn went_well(&mut self, now: Instant) {
        self.wrong = 0;
        self.rests = 0;
        let is_calm = self
            .changed
            .is_some_and(|then| now.saturating_duration_since(then) >= RECENT);
        if is_calm && self.tuner.is_none() {
            self.share = self.share.saturating_add(1);
            self.changed = Some(now);
        }
    }

    /// A user's login was refused. True: it was one too many, just now.
    pub fn refused_login(&mut self) -> bool {
        self.wrong = self.wrong.saturating_add(1);
        self.wrong == WRONG_IN_A_ROW
    }

    /// Whether nobody else is to try to log in.
    pub fn is_closed(&self) -> bool {
        self.wrong >= WRONG_IN_A_ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Reach;

    fn busy(seconds: u32) -> Problem {
        Problem::new(Kind::Busy, Reach::User, "later").after(seconds)
    }

    fn limited(most: usize) -> Host {
        Host::new(Pacing {
            host_jobs: Some(most),
            ..Pacing::default()
        })
    }

    fn full(users: usize, now: Instant) -> Host {
        let mut host = Host::new(Pacing::default());
        host.took_connection(now);
        (0..users).for_each(|_| host.enter());
        host
    }

    #[test]
    fn each_user_who_is_turned_away_makes_room_and_calm_gives_it_back() {
        let now = Instant::now();
        let mut host = full(8, now);
        for left in (2..8).rev() {
            let _ = host.turned_away(&busy(0), now);
            host.leave();
            assert_eq!((host.users, host.share), (left, left));
        }
        let later = now + Duration::from_secs(2);
        assert!(!host.is_open(later), "two are there");
        host.leave();
        assert!(host.is_open(later));
        host.went_well(later);
        assert_eq!(host.share, 2, "too early for more");
        host.went_well(now + RECENT);
        host.went_well(now + RECENT);
        assert_eq!(host.share, 3);
        let _ = host.turned_away(&busy(0), now + RECENT);
        assert_eq!(host.share, 1);
    }

    #[test]
    fn further_connections_take_places_and_the_limit_of_the_admin_stands() {
        let now = Instant::now();
        let mut host = limited(4);
        (0..2).for_each(|_| host.enter());
        host.enter_beside();
        assert!(host.is_open(now));
        host.enter_beside();
        assert!(!host.is_open(now) && host.has_room(now));
        host.leave();
        assert!(host.is_open(now));
        let _ = host.turned_away(&busy(1), now);
        assert_eq!(host.share, 2, "one less than the three that were there");
        host.leave_beside();
        let calm = now + RECENT;
        for times in 1..10 {
            host.went_well(calm + RECENT * times);
        }
        assert!(host.share > 4);
        (0..2).for_each(|_| host.enter());
        assert!(!host.is_open(calm + RECENT * 10), "four are there");
        let later = calm + RECENT * 10;
        host.leave();
        host.begin_leaving(later);
        assert!(!host.is_open(later) && host.is_open(later + LEAVING));
        host.end_leaving();
        assert!(host.is_open(later));
        assert!(limited(0).is_open(now), "nobody is shut out for good");
    }

    #[test]
    fn a_host_that_is_down_has_no_share_to_lower() {
        let now = Instant::now();
        let refused = Problem::new(Kind::Network, Reach::User, "connection refused");
        let mut down = Host::new(Pacing::default());
        (0..8).for_each(|_| down.enter());
        assert_eq!(down.turned_away(&refused, now), None);
        assert_eq!((down.share, down.rest(now)), (usize::MAX, Duration::ZERO));
        let mut up = full(8, now);
        assert_eq!(up.turned_away(&refused, now), None);
        assert_eq!((up.share, up.rest(now)), (7, Duration::ZERO));
        let mut gone = full(8, now);
        assert_eq!(gone.turned_away(&refused, now + RECENT), None);
        assert_eq!(gone.share, usize::MAX);
    }

    #[test]
    fn a_rest_is_as_long_as_asked_or_grows() {
        let now = Instant::now();
        let seconds = |host: &Host, now| host.rest(now).as_secs();
        let mut host = full(3, now);
        assert!(host.turned_away(&busy(300), now).is_some());
        assert_eq!(seconds(&host, now), 300);
        assert!(!host.is_open(now + Duration::from_secs(299)));
        assert!(host.turned_away(&busy(300), now).is_none(), "said once");
        assert!(host.turned_away(&busy(0), now).is_none());
        assert_eq!(seconds(&host, now), 300, "nobody makes it shorter");
        assert!(host.turned_away(&busy(60_000), now).is_some());
        assert_eq!(seconds(&host, now), 3600);

        let (mut host, mut now) = (full(3, now), now);
        for want in [1, 5, 25, 30, 30] {
            assert!(host.turned_away(&busy(0), now).is_some());
            assert_eq!(seconds(&host, now), want);
            now += host.rest(now);
        }
        host.went_well(now);
        assert!(host.turned_away(&busy(0), now).is_some());
        assert_eq!(seconds(&host, now), 1);
    }

    #[test]
    fn twenty_wrong_passwords_in_a_row_close_it() {
        let mut host = Host::new(Pacing::default());
        for _ in 0..WRONG_IN_A_ROW - 1 {
            assert!(!host.refused_login());
        }
        host.went_well(Instant::now());
        for _ in 0..WRONG_IN_A_ROW - 1 {
            assert!(!host.refused_login());
        }
        assert!(!host.is_closed());
        assert!(host.refused_login() && host.is_closed());
        assert!(!host.refused_login(), "it is told once");
    }
}
