//! How much of the servers a run takes: from what was typed to a [`Pacing`].

use std::fmt;
use std::str::FromStr;

use super::Users;
use super::options::{Told, told};
use super::selection::size;
use crate::cli;
use crate::source::net::{LEAST_RATE, Pacing};
use crate::window::{Window, Windows};

/// The most users at once at each host where how many are best is found by trying, and in all.
const AUTO_AT_HOST: usize = 32;
const AUTO: usize = 256;

/// Users at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// So many.
    Fixed(usize),
    /// As many at each host as it turns out to serve best.
    Auto,
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(jobs) => Ok(Self::Fixed(jobs)),
            Err(_) if text == "auto" => Ok(Self::Auto),
            Err(_) => Err("it is no number, and not auto".to_owned()),
        }
    }
}

impl fmt::Display for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(jobs) => jobs.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// The most users at once of all hosts.
pub(super) fn jobs(typed: &cli::Pacing, users: &Users) -> usize {
    match typed.jobs {
        Jobs::Fixed(jobs) => jobs,
        Jobs::Auto => {
            let hosts = users.all_hosts();
            let at_host = typed.host_jobs.unwrap_or(AUTO_AT_HOST);
            at_host
                .saturating_mul(hosts.len())
                .clamp(1, AUTO.max(at_host))
        }
    }
}

/// What `typed` means; what is wrong with it goes to `refuse`.
pub(super) fn from_cli(typed: &cli::Pacing, refuse: &mut dyn FnMut(String)) -> Pacing {
    if typed.host_jobs == Some(0) {
        refuse("--host-jobs 0 would do nothing: give at least 1".to_owned());
    }
    let is_auto = typed.jobs == Jobs::Auto;
    let mut rate = |typed: Option<&str>, option: &str| match size(typed?) {
        Ok(rate) if rate >= LEAST_RATE => Some(rate),
        Ok(_) => {
            refuse(format!(
                "{option} takes at least 1K a second: servers give up on who is slower"
            ));
            None
        }
        Err(fault) => {
            refuse(format!("{option}: {fault}"));
            None
        }
    };
    Pacing {
        rate: rate(typed.rate.as_deref(), "--rate"),
        host_rate: rate(typed.host_rate.as_deref(), "--host-rate"),
        host_jobs: typed.host_jobs.or(is_auto.then_some(AUTO_AT_HOST)),
        tuned: is_auto,
    }
}

/// When a run may work; what is wrong with it goes to `refuse`.
pub(super) fn windows(typed: &cli::Pacing, refuse: &mut dyn FnMut(String)) -> Windows {
    let windows = typed.window.iter().map(|text| Window::parse(text));
    let windows = windows.filter_map(|window| {
        window
            .map_err(|fault| refuse(format!("--window: {fault}")))
            .ok()
    });
    Windows(windows.collect())
}

/// What was typed, for `run.json`.
pub(super) fn options(typed: &cli::Pacing) -> Told {
    told([
        (
            "jobs",
            match typed.jobs {
                Jobs::Fixed(jobs) => jobs.into(),
                Jobs::Auto => typed.jobs.to_string().into(),
            },
        ),
        ("host-jobs", typed.host_jobs.into()),
        ("rate", typed.rate.clone().into()),
        ("host-rate", typed.host_rate.clone().into()),
        ("window", typed.window.clone().into()),
    ])
}
