//! How a command over many users runs and what it tells.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::{Pacing, RUNNING};
use crate::logging::Format;
use crate::progress::Mode;

/// How it runs and what it tells.
#[derive(Debug, Args)]
#[command(next_help_heading = RUNNING)]
pub struct Running {
    /// Take options from this TOML file
    ///
    /// The long options without their dashes are its keys, as in jobs = 16, mirror = true, exclude =
    /// ["Trash*", "Spam"]. What is typed goes before. Keys of other subcommands may be in it, unknown ones
    /// may not, and passwords never are
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,

    /// How much of the servers it takes.
    #[command(flatten)]
    pub pacing: Pacing,

    /// Longest wait for a server or for --password-command
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,

    /// How often a user is tried again after a broken connection
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub retries: u32,

    /// How progress is shown on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub progress: Mode,

    /// Tell only errors, show no progress
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Tell more: what is done (-v), every step (-vv)
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// How messages on standard error are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: Format,

    /// Write summary.csv, logs and other reports into this directory
    ///
    /// A log for each user, and summary.csv, skipped.csv and run.json, or check.csv for a check, or
    /// verify.csv and verified.csv for a verify. Give each run a directory of its own
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,

    /// Keep this file up to date with how far it is, for Prometheus
    ///
    /// It is written anew every few seconds, for the textfile collector of its node exporter (a name that
    /// ends in .prom)
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}
