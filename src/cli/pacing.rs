//! How much of the servers a run takes.

use clap::Args;

use crate::config::Jobs;

/// How much of the servers a run takes.
#[derive(Debug, Args)]
#[command(next_help_heading = super::RUNNING)]
pub struct Pacing {
    /// Users at once, or auto
    ///
    /// auto: as many at each host as it turns out to serve best, up to --host-jobs (32 where that is not
    /// given)
    #[arg(short, long, value_name = "N", default_value = "4")]
    pub jobs: Jobs,

    /// The most users at once at any one host
    ///
    /// With the further connections of --connections; a user who has IMAP and POP3 there counts once
    #[arg(long, value_name = "N")]
    pub host_jobs: Option<usize>,

    /// The most bytes a second from all hosts together, as in 40M
    ///
    /// What comes over the wire, TLS included
    #[arg(long, value_name = "SIZE")]
    pub rate: Option<String>,

    /// The most bytes a second from each host
    #[arg(long, value_name = "SIZE")]
    pub host_rate: Option<String>,

    /// Only between these times of day, as in 22:00-06:00
    ///
    /// By local time: outside nothing begins, and at the end the run stops cleanly, as interrupted. May be
    /// repeated
    #[arg(long, value_name = "HH:MM-HH:MM", value_delimiter = ',')]
    pub window: Vec<String>,
}
