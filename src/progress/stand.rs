//! Where a run stands: a plain value, kept as `status.json` beside the report, and told to people.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount, HumanDuration};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::problem::Kind;
use crate::text::printable;

/// The name of the file in the directory of `--report`.
pub const STATUS_FILE: &str = "status.json";

/// More users at work than fit a screen are only counted.
const USERS_TOLD: usize = 40;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// The version of mailseed.
    pub version: String,
    /// The subcommand.
    pub command: String,
    /// The process that runs.
    pub writer: Writer,
    /// When it began.
    pub started: Timestamp,
    /// When this was so.
    pub at: Timestamp,
    /// When it came to its orderly end.
    pub ended: Option<Timestamp>,
    /// The exit status with which it ended.
    pub exit: Option<u8>,
    /// The users.
    pub users: Users,
    /// Users that are not done, by the class of what stopped them.
    pub failures: BTreeMap<Kind, u64>,
    /// Messages to transfer.
    pub messages: Amount,
    /// Octets to transfer.
    pub bytes: Amount,
    /// Octets a second over the last minute.
    pub bytes_per_second: u64,
    /// The users at work, the longest first.
    pub at_work: Vec<AtWork>,
    /// Hosts that are left alone, or have fewer users than could be.
    pub hosts: Vec<HostStand>,
}

/// A process, so that another one of its number is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The name of the machine.
    pub machine: String,
    /// Its number there.
    pub pid: u32,
    /// When it began, in the kernel's ticks since boot; 0: not known.
    pub ticks: u64,
}

/// How many users are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// All that the run has.
    pub all: u64,
    /// Done.
    pub ok: u64,
    /// Done but for some messages or folders.
    pub partial: u64,
    /// Not done.
    pub failed: u64,
}

/// So much of so much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Done.
    pub done: u64,
    /// Expected in all: what users need that have not begun is guessed.
    pub expected: u64,
}

/// A user at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtWork {
    /// Its name.
    pub user: String,
    /// When its turn came.
    pub since: Timestamp,
    /// Messages of the folders looked at so far.
    pub messages: Amount,
    /// Octets of them.
    pub bytes: Amount,
}

/// A host that gets less than could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStand {
    /// Its name.
    pub host: String,
    /// Until when it is left alone, if it is.
    pub rests_until: Option<Timestamp>,
    /// The most users at once, where there is a limit.
    pub users_at_most: Option<u64>,
    /// No login is tried there any more.
    pub closed: bool,
}

impl Writer {
    /// The one that asks.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            machine: machine(),
            pid,
            ticks: ticks(pid).unwrap_or(0),
        }
    }
}

/// The name of this machine.
pub fn machine() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// When the process `pid` of this machine began (proc_pid_stat(5), field 22); `None`: there is none.
pub fn ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(22 - 3)?.parse().ok()
}

impl Users {
    /// Those that are done, well or not.
    pub fn done(self) -> u64 {
        self.ok + self.partial + self.failed
    }
}

impl Stand {
    /// Both together, as for the shards of one run: not ended before both are.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let sum = |one: Amount, other: Amount| Amount {
            done: one.done.saturating_add(other.done),
            expected: one.expected.saturating_add(other.expected),
        };
        self.started = self.started.min(other.started);
        self.at = self.at.max(other.at);
        self.ended = self
            .ended
            .zip(other.ended)
            .map(|(one, other)| one.max(other));
        self.exit = self.exit.zip(other.exit).map(|(one, other)| one.max(other));
        self.users = Users {
            all: self.users.all + other.users.all,
            ok: self.users.ok + other.users.ok,
            partial: self.users.partial + other.users.partial,
            failed: self.users.failed + other.users.failed,
        };
        for (class, count) in &other.failures {
            *self.failures.entry(*class).or_default() += count;
        }
        self.messages = sum(self.messages, other.messages);
        self.bytes = sum(self.bytes, other.bytes);
        self.bytes_per_second = self.bytes_per_second.saturating_add(other.bytes_per_second);
        self.at_work.extend(other.at_work.iter().cloned());
        self.hosts.extend(other.hosts.iter().cloned());
        self
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        between(self.started, self.ended.unwrap_or(self.at))
    }

    /// About how long it will still take, by bytes at its present speed and by users at the mean of
    /// all of them, whichever is longer. `None`: nothing to go by.
    pub fn left(&self) -> Option<Duration> {
        let seconds = self.elapsed().as_secs_f64();
        let users_left = self.users.all.saturating_sub(self.users.done());
        if users_left == 0 {
            return None;
        }
        let mean = self.bytes.done as f64 / seconds;
        let speed = match self.bytes_per_second {
            0 => mean,
            now => now as f64,
        };
        let bytes_left = self.bytes.expected.saturating_sub(self.bytes.done) as f64;
        let by_bytes = (bytes_left > 0.0).then(|| bytes_left / speed);
        let done = self.users.done();
        let by_users = (done > 0).then(|| seconds / done as f64 * users_left as f64);
        let longest = by_bytes.into_iter().chain(by_users).fold(0.0, f64::max);
        // Not at all where the speed is 0.
        let left = Duration::try_from_secs_f64(longest).ok()?;
        (!left.is_zero()).then_some(left)
    }

    /// One line on how far it is.
    pub fn line(&self) -> String {
        let users = format!("{} of {} users", self.users.done(), self.users.all);
        let about = match self.users.done() < self.users.all {
            true => "about ",
            false => "",
        };
        let bytes = self.bytes;
        let mut line = format!(
            "{users}, {} messages, {} of {about}{}, {}/s",
            self.messages.done,
            BinaryBytes(bytes.done),
            BinaryBytes(bytes.expected.max(bytes.done)),
            BinaryBytes(self.bytes_per_second),
        );
        if let Some(left) = self.left() {
            line.push_str(&format!(", {} left", HumanDuration(left)));
        }
        line
    }

    /// All of it, for a person.
    pub fn lines(&self) -> Vec<String> {
        let users = self.users;
        let at_work = self.at_work.len() as u64;
        let mut lines = vec![
            format!(
                "users     {} of {} done ({} ok, {} partial, {} failed), {at_work} at work, {} to come",
                HumanCount(users.done()),
                HumanCount(users.all),
                HumanCount(users.ok),
                HumanCount(users.partial),
                HumanCount(users.failed),
                HumanCount(users.all.saturating_sub(users.done() + at_work)),
            ),
            format!(
                "messages  {}",
                of(self.messages, self.is_guess(), |count| HumanCount(count)
                    .to_string())
            ),
            format!(
                "bytes     {}, {}/s",
                of(self.bytes, self.is_guess(), |bytes| BinaryBytes(bytes)
                    .to_string()),
                BinaryBytes(self.bytes_per_second)
            ),
        ];
        if let Some(left) = self.left().filter(|_| self.ended.is_none()) {
            let till = self.at.saturating_add(whole(left));
            let till = till.map_or(String::new(), |till| format!(", till {till}"));
            lines.push(format!("left      about {}{till}", HumanDuration(left)));
        }
        let classes = self.failures.iter();
        let classes: Vec<String> = classes
            .map(|(class, count)| format!("{} {}", HumanCount(*count), class.word()))
            .collect();
        if !classes.is_empty() {
            lines.push(format!("not done  {}", classes.join(", ")));
        }
        lines.extend(
            self.hosts
                .iter()
                .map(|host| format!("host      {}", host.line(self.at))),
        );
        lines.extend(
            self.at_work
                .iter()
                .take(USERS_TOLD)
                .map(|user| user.line(self.at)),
        );
        if let Some(more @ 1..) = self.at_work.len().checked_sub(USERS_TOLD) {
            lines.push(format!("at work   {more} more"));
        }
        lines
    }

    fn is_guess(&self) -> bool {
        self.users.done() < self.users.all
    }
}

impl AtWork {
    fn line(&self, at: Timestamp) -> String {
        format!(
            "at work   {} for {}: {} messages, {}",
            printable(&self.user),
            HumanDuration(between(self.since, at)),
            of(self.messages, false, |count| HumanCount(count).to_string()),
            of(self.bytes, false, |bytes| BinaryBytes(bytes).to_string()),
        )
    }
}

impl HostStand {
    fn line(&self, at: Timestamp) -> String {
        let mut told = Vec::new();
        if self.closed {
            told.push("no login is tried there any more".to_owned());
        }
        if let Some(until) = self.rests_until.filter(|until| *until > at) {
            let rest = between(at, until).as_secs();
            told.push(format!("left alone till {until} ({rest} s)"));
        }
        if let Some(users) = self.users_at_most {
            told.push(format!("{users} users at once at most"));
        }
        format!("{}: {}", printable(&self.host), told.join(", "))
    }
}

fn of(amount: Amount, is_guess: bool, word: impl Fn(u64) -> String) -> String {
    let about = if is_guess { "about " } else { "" };
    let expected = amount.expected.max(amount.done);
    format!("{} of {about}{}", word(amount.done), word(expected))
}

fn between(first: Timestamp, last: Timestamp) -> Duration {
    Duration::try_from(last.duration_since(first)).unwrap_or_default()
}

fn whole(time: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
