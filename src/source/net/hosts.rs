//! How much of each host a run takes at once, and whose turn it is.
//!
//! What a server says of the load it is under, or of our share in it, it says to all users: the host is
//! then left alone for as long as it says, and has fewer of them at once afterwards. Where it refuses
//! connections while it holds others, it gets fewer too. Meanwhile the jobs go to users of other hosts:
//! a user who waits for long gives its place to another one. Twenty refused logins in a row close a
//! host: one wrong master password must not lock ten thousand accounts.
//!
//! What a server says of one user (`[IN-USE]`, LOGIN-DELAY) is that user's own wait.
//!
//! A user who has two hosts (IMAP on one, POP3 on the other) works on both at once and needs both; what
//! either says counts for both.
//!
//! With a limit for each host (`--host-jobs`) a user counts as one at each of its hosts, whatever protocols it
//! speaks there, and so does each further connection that it opens to fetch a large folder
//! (`--connections`): such a one is opened only where there is room, and nobody waits for it.

mod host;
mod queue;
mod tuner;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Pacing;
use super::meter::Meter;
use crate::logging::SUMMARY;
use crate::problem::{Kind, Problem, Reach};
use crate::text::counted;
use host::Host;
use host::WRONG_IN_A_ROW;
pub use queue::Queue;

/// A shorter wait is waited in place: what another user would begin takes longer.
const LONG: Duration = Duration::from_secs(5);
/// How often someone who waits looks whether the run is to stop.
const GLANCE: Duration = Duration::from_millis(50);

/// All hosts of a run, and the places for users at work.
#[derive(Debug)]
pub struct Hosts {
    state: Mutex<State>,
    changed: Condvar,
    /// The most users at work at once.
    jobs: usize,
}

#[derive(Debug)]
struct State {
    by_name: HashMap<String, Host>,
    pacing: Pacing,
    /// Users at work.
    at_work: usize,
}

/// A user's place among those at work, and on its hosts. Both are free again when this is dropped.
#[derive(Debug)]
pub struct Turn<'h> {
    hosts: &'h Hosts,
    names: Vec<String>,
    /// What comes for the user.
    meter: Arc<Meter>,
}

/// The place of a connection beside that of a user at work, or of one that says good-bye. It is free again when
/// this is dropped.
#[derive(Debug)]
pub struct Place {
    hosts: Arc<Hosts>,
    host: String,
    is_leaving: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.hosts.lock();
        let host = state.host(&self.host);
        match self.is_leaving {
            true => host.end_leaving(),
            false => host.leave_beside(),
        }
        drop(state);
        self.hosts.changed.notify_all();
    }
}

/// What a host gets less of than could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Its name.
    pub host: String,
    /// How long it is still left alone.
    pub rest: Duration,
    /// The most users at once, where there is a limit.
    pub users_at_most: Option<usize>,
    /// Nobody else is to try to log in.
    pub is_closed: bool,
}

impl Hosts {
    /// The hosts of which there is something to tell, by name.
    pub fn loads(&self) -> Vec<Load> {
        let now = Instant::now();
        let state = self.lock();
        let all = state.by_name.iter().map(|(name, host)| Load {
            host: name.clone(),
            rest: host.rest(now),
            users_at_most: Some(host.share()).filter(|share| *share < usize::MAX),
            is_closed: host.is_closed(),
        });
        let mut loads: Vec<Load> = all
            .filter(|load| load.users_at_most.is_some() || load.is_closed || !load.rest.is_zero())
            .collect();
        loads.sort_by(|one, other| one.host.cmp(&other.host));
        loads
    }

    /// For a run with `jobs` users at once, and as many at each host as `pacing` says.
    pub(super) fn new(jobs: usize, pacing: Pacing) -> Self {
        Self {
            state: Mutex::new(State {
                by_name: HashMap::new(),
                pacing,
                at_work: 0,
            }),
            changed: Condvar::new(),
            jobs,
        }
    }

    /// What comes from `host`.
    pub(super) fn meter(&self, host: &str) -> Arc<Meter> {
        self.lock().host(host).meter()
    }

    /// Tells of the share that each host has been found to serve best, where that was looked for.
    pub fn tell(&self) {
        let state = self.lock();
        let hosts = state.by_name.iter();
        let mut tuned: Vec<(&String, usize)> = hosts
            .filter_map(|(name, host)| Some((name, host.tuned()?)))
            .collect();
        tuned.sort_unstable();
        for (name, share) in tuned {
            tracing::info!(target: SUMMARY, "{name}: {} at once in the end (--jobs auto)", users(share));
        }
    }

    /// A place at `host` for a connection beside that of a user at work, if one is free now.
    pub(super) fn place_beside(hosts: &Arc<Self>, host: &str) -> Option<Place> {
        let mut state = hosts.lock();
        let taken = state.host(host);
        if !taken.is_open(Instant::now()) {
            return None;
        }
        taken.enter_beside();
        drop(state);
        Some(Place {
            hosts: Arc::clone(hosts),
            host: host.to_owned(),
            is_leaving: false,
        })
    }

    /// The place of a connection that outlives its user's turn.
    pub(super) fn leaving(hosts: &Arc<Self>, host: &str) -> Place {
        hosts.lock().host(host).begin_leaving(Instant::now());
        Place {
            hosts: Arc::clone(hosts),
            host: host.to_owned(),
            is_leaving: true,
        }
    }

    /// Notes that `host` has taken a connection.
    pub(super) fn took_connection(&self, host: &str) {
        let mut state = self.lock();
        state.host(host).took_connection(Instant::now());
    }

    /// Waits until someone in `queue` may begin, takes that one out and lets it in. `None`: nobody is left.
    /// Where the run is to stop nothing is waited for.
    pub fn next<T>(&self, queue: &Mutex<Queue<T>>, stop: &AtomicBool) -> Option<(Turn<'_>, T)> {
        loop {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.is_empty() {
                return None;
            }
            let mut state = self.lock();
            let is_over = stop.load(Ordering::Relaxed);
            if is_over || state.at_work < self.jobs {
                let now = Instant::now();
                let first = queue.take(|names| is_over || state.are_open(names, now));
                if let Some((names, first)) = first {
                    // In one go: a host that closes meanwhile would hold up who has been taken out, and
                    // with it the thread that others could have.
                    state.let_in(&names);
                    let turn = Turn::new(self, names);
                    return Some((turn, first));
                }
                if !is_over {
                    state.tune(queue.waited_for(), now);
                }
            }
            drop(queue);
            drop(self.glance(state));
        }
    }

    /// Waits until a user of the hosts `names` may come, and lets it in. Where the run is to stop nothing is
    /// waited for.
    pub fn enter(&self, names: Vec<String>, stop: &AtomicBool) -> Turn<'_> {
        let turn = Turn::new(self, names);
        turn.come(Instant::now(), stop);
        turn
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn glance<'g>(&self, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        let waited = self.changed.wait_timeout(state, GLANCE);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn host(&mut self, name: &str) -> &mut Host {
        let new = || Host::new(self.pacing);
        self.by_name.entry(name.to_owned()).or_insert_with(new)
    }

    fn let_in(&mut self, names: &[String]) {
        self.at_work += 1;
        for name in names {
            self.host(name).enter();
        }
    }

    /// Looks at the hosts `waited_for`, how they do with what they have.
    fn tune<'n>(&mut self, waited_for: impl Iterator<Item = &'n str>, now: Instant) {
        if !self.pacing.tuned {
            return;
        }
        for name in waited_for {
            if let Some(host) = self.by_name.get_mut(name)
                && let Some(share) = host.tune(now)
            {
                tracing::info!("{name}: {} at once now", users(share));
            }
        }
    }

    fn are_open(&self, names: &[String], now: Instant) -> bool {
        let mut known = names.iter().filter_map(|name| self.by_name.get(name));
        known.all(|host| host.is_open(now))
    }
}

impl<'h> Turn<'h> {
    fn new(hosts: &'h Hosts, names: Vec<String>) -> Self {
        Self {
            hosts,
            names,
            meter: Arc::default(),
        }
    }
}

impl Turn<'_> {
    /// Bytes that have come over the wire for the user.
    pub fn received(&self) -> u64 {
        self.meter.received()
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The problem of a user whose host is closed.
    pub fn closed(&self) -> Option<Problem> {
        let mut state = self.hosts.lock();
        let mut names = self.names.iter();
        let name = names.find(|name| state.host(name).is_closed())?;
        let what =
            format!("not begun: at {name} the logins of {WRONG_IN_A_ROW} users in a row failed");
        let hint = "is the master password right? Users whose own passwords are wrong have to leave the list \
                    before it is run again";
        Some(Problem::new(Kind::Stopped, Reach::User, what).with_hint(hint))
    }

    /// Takes in what the user's attempt has failed of: what is the host's concerns all its users.
    pub fn failed(&self, problem: &Problem) {
        if !problem.of_host {
            return;
        }
        let mut state = self.hosts.lock();
        for name in &self.names {
            let host = state.host(name);
            if let Some(rest) = host.turned_away(problem, Instant::now()) {
                let seconds = rest.as_secs_f32().ceil();
                let till = jiff::Zoned::now().saturating_add(rest).strftime("%H:%M:%S");
                let users = users(host.share());
                tracing::warn!(
                    "{name} is left alone for {seconds} s, till {till}, and then has {users} at once at most: {problem}"
                );
            }
        }
    }

    /// Waits for `pause` and then until the hosts let the user come again, and others have its place in
    /// the meantime.
    pub fn pause(&self, pause: Duration, stop: &AtomicBool) {
        let until = Instant::now() + pause;
        if pause >= LONG || !self.may_stay() {
            self.go();
            self.come(until, stop);
            return;
        }
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(GLANCE.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// The user is done: its login worked, or was refused, or it did not come so far.
    pub fn done(&self, login: Option<bool>) {
        let mut state = self.hosts.lock();
        for name in &self.names {
            let host = state.host(name);
            if login == Some(true) {
                host.went_well(Instant::now());
            }
            if login == Some(false) && host.refused_login() {
                tracing::error!(
                    "{name}: the logins of {WRONG_IN_A_ROW} users in a row failed; no other is tried"
                );
            }
        }
    }

    /// Whether the hosts are content with those who are there.
    fn may_stay(&self) -> bool {
        let mut state = self.hosts.lock();
        let mut names = self.names.iter();
        names.all(|name| state.host(name).has_room(Instant::now()))
    }

    fn come(&self, not_before: Instant, stop: &AtomicBool) {
        let mut state = self.hosts.lock();
        loop {
            let now = Instant::now();
            let is_open = now >= not_before
                && state.at_work < self.hosts.jobs
                && state.are_open(&self.names, now);
            if is_open || stop.load(Ordering::Relaxed) {
                break;
            }
            state = self.hosts.glance(state);
        }
        state.let_in(&self.names);
    }

    fn go(&self) {
        let mut state = self.hosts.lock();
        state.at_work = state.at_work.saturating_sub(1);
        for name in &self.names {
            state.host(name).leave();
        }
        drop(state);
        self.hosts.changed.notify_all();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.go();
    }
}

fn users(count: usize) -> String {
    counted(count as u64, "user")
}
