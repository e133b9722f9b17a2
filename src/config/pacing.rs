//! How much of the servers a run takes: from what was typed to a [`Pacing`].

use super::selection::size;
use crate::cli;
use crate::source::net::{LEAST_RATE, Pacing};
use crate::window::{Window, Windows};

/// What `typed` means; what is wrong with it goes to `refuse`.
pub(super) fn from_cli(typed: &cli::Pacing, refuse: &mut dyn FnMut(String)) -> Pacing {
    if typed.host_jobs == Some(0) {
        refuse("--host-jobs 0 would do nothing: give at least 1".to_owned());
    }
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
        host_jobs: typed.host_jobs,
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
pub(super) fn options(typed: &cli::Pacing) -> Vec<(String, serde_json::Value)> {
    [
        ("jobs", typed.jobs.into()),
        ("host-jobs", typed.host_jobs.into()),
        ("rate", typed.rate.clone().into()),
        ("host-rate", typed.host_rate.clone().into()),
        ("window", typed.window.clone().into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
