//! Where a run stands, for Prometheus: the text format, as the textfile collector of its node exporter
//! reads it. No names of users: the number of series does not grow with them.

use std::fmt::{Display, Write as _};
use std::path::Path;

use clap::ValueEnum as _;

use super::stand::Stand;
use crate::problem::Kind;

/// What the file of the run before says of the last run that ended; it stays until this one does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Earlier {
    ended: Option<f64>,
    succeeded: Option<f64>,
    exit: Option<f64>,
    seconds: Option<f64>,
}

const ENDED: &str = "mailseed_last_run_end_timestamp_seconds";
const SUCCEEDED: &str = "mailseed_last_success_timestamp_seconds";
const EXIT: &str = "mailseed_last_run_exit_status";
const SECONDS: &str = "mailseed_last_run_duration_seconds";

impl Earlier {
    /// What stands in the file; nothing where there is none, or another one.
    pub fn read(path: &Path) -> Self {
        Self::of(&std::fs::read_to_string(path).unwrap_or_default())
    }

    fn of(text: &str) -> Self {
        let value = |name: &str| {
            let values = text.lines().filter_map(|line| line.strip_prefix(name));
            values.filter_map(|value| value.trim().parse().ok()).next()
        };
        Self {
            ended: value(ENDED),
            succeeded: value(SUCCEEDED),
            exit: value(EXIT),
            seconds: value(SECONDS),
        }
    }

    /// The same, or what `stand` makes of it where that is an end.
    fn with(self, stand: &Stand) -> Self {
        let (Some(ended), Some(exit)) = (stand.ended, stand.exit) else {
            return self;
        };
        let ended = seconds(ended);
        Self {
            ended: Some(ended),
            succeeded: if exit == 0 {
                Some(ended)
            } else {
                self.succeeded
            },
            exit: Some(f64::from(exit)),
            seconds: Some(stand.elapsed().as_secs_f64()),
        }
    }
}

/// The whole file.
pub fn text(stand: &Stand, earlier: &Earlier) -> String {
    let mut text = Text(String::new());
    let users = stand.users;
    text.head(
        "mailseed_run_info",
        "gauge",
        "Which mailseed runs, and what it does.",
    );
    let labels = [("command", &*stand.command), ("version", &*stand.version)];
    text.sample("mailseed_run_info", &labels, 1);

    text.head(
        "mailseed_users_total",
        "counter",
        "Users that are done, by how they came out.",
    );
    for (status, count) in [
        ("ok", users.ok),
        ("partial", users.partial),
        ("failed", users.failed),
    ] {
        text.sample("mailseed_users_total", &[("status", status)], count);
    }
    text.one(
        "mailseed_users_listed",
        "gauge",
        "Users that the run has.",
        users.all,
    );
    let at_work = stand.at_work.len();
    text.one(
        "mailseed_users_at_work",
        "gauge",
        "Users whose turn it is now.",
        at_work,
    );

    let failures = "mailseed_user_failures_total";
    text.head(
        failures,
        "counter",
        "Users that are not done, by the class of what stopped them.",
    );
    for class in Kind::value_variants() {
        let count = stand.failures.get(class).copied().unwrap_or(0);
        text.sample(failures, &[("class", class.word())], count);
    }

    let (messages, bytes) = (stand.messages, stand.bytes);
    let of_messages = "Messages that have been fetched.";
    text.one(
        "mailseed_messages_fetched_total",
        "counter",
        of_messages,
        messages.done,
    );
    text.one(
        "mailseed_bytes_fetched_total",
        "counter",
        "Octets of them.",
        bytes.done,
    );
    let expected = "Messages to fetch in this run, those of users not yet begun guessed.";
    text.one(
        "mailseed_messages_expected",
        "gauge",
        expected,
        messages.expected,
    );
    text.one(
        "mailseed_bytes_expected",
        "gauge",
        "Octets of them.",
        bytes.expected,
    );

    let resting = "mailseed_host_rest_end_timestamp_seconds";
    let limited = "mailseed_host_users_limit";
    let rests = || {
        stand
            .hosts
            .iter()
            .filter_map(|host| Some((host, host.rests_until?)))
    };
    if rests().next().is_some() {
        text.head(
            resting,
            "gauge",
            "Until when a host that throttles is left alone.",
        );
        for (host, until) in rests() {
            text.sample(resting, &[("host", &*host.host)], seconds(until));
        }
    }
    let limits = || {
        stand
            .hosts
            .iter()
            .filter_map(|host| Some((host, host.users_at_most?)))
    };
    if limits().next().is_some() {
        text.head(
            limited,
            "gauge",
            "The most users at once on a host that wants fewer.",
        );
        for (host, users) in limits() {
            text.sample(limited, &[("host", &*host.host)], users);
        }
    }

    let started = seconds(stand.started);
    text.one(
        "mailseed_run_start_timestamp_seconds",
        "gauge",
        "When this run began.",
        started,
    );
    let at = seconds(stand.at);
    text.one(
        "mailseed_run_update_timestamp_seconds",
        "gauge",
        "When this was so.",
        at,
    );
    let last = earlier.with(stand);
    for (name, value, help) in [
        (
            ENDED,
            last.ended,
            "When the last run that was not cut came to its end.",
        ),
        (EXIT, last.exit, "The exit status of that run."),
        (SECONDS, last.seconds, "How long that run took."),
        (
            SUCCEEDED,
            last.succeeded,
            "When a run last ended with everything done.",
        ),
    ] {
        if let Some(value) = value {
            text.one(name, "gauge", help, value);
        }
    }
    text.0
}

/// The time as Prometheus has it.
fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

struct Text(String);

impl Text {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        let _ = match labels.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}
