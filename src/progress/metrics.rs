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
    let mut text = String::new();
    for series in [
        users(stand),
        amounts(stand),
        hosts(stand),
        times(stand, earlier),
    ] {
        series.iter().for_each(|series| series.write_to(&mut text));
    }
    text
}

fn users(stand: &Stand) -> Vec<Series<'_>> {
    let users = stand.users;
    let by_status = [
        ("ok", users.ok),
        ("partial", users.partial),
        ("failed", users.failed),
    ];
    let failures = Kind::value_variants().iter().map(|class| {
        let count = stand.failures.get(class).copied().unwrap_or(0);
        (class.word(), count)
    });
    let run = Sample {
        labels: vec![("command", &*stand.command), ("version", &*stand.version)],
        value: "1".to_owned(),
    };
    vec![
        Series {
            name: "mailseed_run_info",
            kind: Type::Gauge,
            help: "Which mailseed runs, and what it does.",
            samples: vec![run],
        },
        counter(
            "mailseed_users_total",
            "Users that are done, by how they came out.",
        )
        .each("status", by_status),
        gauge("mailseed_users_listed", "Users that the run has.").one(users.all),
        gauge("mailseed_users_at_work", "Users whose turn it is now.").one(stand.at_work.len()),
        counter(
            "mailseed_user_failures_total",
            "Users that are not done, by the class of what stopped them.",
        )
        .each("class", failures),
    ]
}

fn amounts(stand: &Stand) -> Vec<Series<'_>> {
    let (messages, bytes) = (stand.messages, stand.bytes);
    vec![
        counter(
            "mailseed_messages_fetched_total",
            "Messages that have been fetched.",
        )
        .one(messages.done),
        counter("mailseed_bytes_fetched_total", "Octets of them.").one(bytes.done),
        gauge(
            "mailseed_messages_expected",
            "Messages to fetch in this run, those of users not yet begun guessed.",
        )
        .one(messages.expected),
        gauge("mailseed_bytes_expected", "Octets of them.").one(bytes.expected),
    ]
}

fn hosts(stand: &Stand) -> Vec<Series<'_>> {
    let hosts = stand.hosts.iter();
    let rests = hosts
        .clone()
        .filter_map(|host| Some((&*host.host, seconds(host.rests_until?))));
    let limits = hosts.filter_map(|host| Some((&*host.host, host.users_at_most?)));
    vec![
        gauge(
            "mailseed_host_rest_end_timestamp_seconds",
            "Until when a host that throttles is left alone.",
        )
        .each("host", rests),
        gauge(
            "mailseed_host_users_limit",
            "The most users at once on a host that wants fewer.",
        )
        .each("host", limits),
    ]
}

fn times(stand: &Stand, earlier: &Earlier) -> Vec<Series<'static>> {
    let last = earlier.with(stand);
    vec![
        gauge(
            "mailseed_run_start_timestamp_seconds",
            "When this run began.",
        )
        .one(seconds(stand.started)),
        gauge("mailseed_run_update_timestamp_seconds", "When this was so.").one(seconds(stand.at)),
        gauge(ENDED, "When the last run that was not cut came to its end.").one_if(last.ended),
        gauge(EXIT, "The exit status of that run.").one_if(last.exit),
        gauge(SECONDS, "How long that run took.").one_if(last.seconds),
        gauge(SUCCEEDED, "When a run last ended with everything done.").one_if(last.succeeded),
    ]
}

/// The time as Prometheus has it.
fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[derive(Debug, Clone, Copy)]
enum Type {
    Counter,
    Gauge,
}

/// A metric with its samples; without any it is not in the file.
#[derive(Debug)]
struct Series<'s> {
    name: &'static str,
    kind: Type,
    help: &'static str,
    samples: Vec<Sample<'s>>,
}

#[derive(Debug)]
struct Sample<'s> {
    labels: Vec<(&'static str, &'s str)>,
    value: String,
}

fn counter<'s>(name: &'static str, help: &'static str) -> Series<'s> {
    Series {
        name,
        kind: Type::Counter,
        help,
        samples: Vec::new(),
    }
}

fn gauge<'s>(name: &'static str, help: &'static str) -> Series<'s> {
    Series {
        kind: Type::Gauge,
        ..counter(name, help)
    }
}

impl<'s> Series<'s> {
    /// With one sample, without labels.
    fn one(self, value: impl Display) -> Self {
        self.one_if(Some(value))
    }

    /// The same where there is a value.
    fn one_if(mut self, value: Option<impl Display>) -> Self {
        self.samples.extend(value.map(|value| Sample {
            labels: Vec::new(),
            value: value.to_string(),
        }));
        self
    }

    /// With a sample for each value of one label.
    fn each<V: Display>(
        mut self,
        label: &'static str,
        values: impl IntoIterator<Item = (&'s str, V)>,
    ) -> Self {
        let samples = values.into_iter().map(|(of, value)| Sample {
            labels: vec![(label, of)],
            value: value.to_string(),
        });
        self.samples.extend(samples);
        self
    }

    fn write_to(&self, text: &mut String) {
        if self.samples.is_empty() {
            return;
        }
        let (name, help) = (self.name, self.help);
        let kind = match self.kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
        };
        // Writing to a text does not fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for Sample { labels, value } in &self.samples {
            let labels = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            let labels = labels.collect::<Vec<_>>().join(",");
            let _ = match labels.is_empty() {
                true => writeln!(text, "{name} {value}"),
                false => writeln!(text, "{name}{{{labels}}} {value}"),
            };
        }
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}
