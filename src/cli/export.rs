//! What `export` and `plan` take.

use std::path::PathBuf;

use clap::Args;

use super::{Login, RUNNING, Rerun, Running, Selection, Source, TARGET, Target, Uidls, Users};
use crate::source::net::Compress;

/// Everything that `export` and `plan` take, `--dry-run` aside.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Export {
    /// The servers.
    #[command(flatten)]
    pub source: Source,
    /// How to log in.
    #[command(flatten)]
    pub login: Login,
    /// Whose mail.
    #[command(flatten)]
    pub users: Users,
    /// Where it goes.
    #[command(flatten)]
    pub target: Target,
    /// What is taken, and where it goes.
    #[command(flatten)]
    pub selection: Selection,
    /// What happens to what is there already.
    #[command(flatten)]
    pub rerun: Rerun,
    /// What happens in doubt about UIDLs.
    #[command(flatten)]
    pub uidls: Uidls,
    /// How it runs and what it tells.
    #[command(flatten)]
    pub running: Running,

    /// How mail is fetched and written.
    #[command(flatten)]
    pub delivery: Delivery,
}

/// How mail is fetched and written: what those commands have no use for that only look.
#[derive(Debug, Args)]
#[command(next_help_heading = RUNNING)]
pub struct Delivery {
    /// IMAP connections of one user where a folder has much to fetch: for servers that are slow or
    /// throttle each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub connections: usize,

    /// The most that is fetched for each user on one day (local time), over all runs of that day, as in 2500M:
    /// what fits is committed, the rest comes on the next days
    #[arg(long, value_name = "SIZE")]
    pub daily_cap: Option<String>,

    /// When IMAP servers that can compress (COMPRESS=DEFLATE) are asked to
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub compress: Compress,

    /// Begin no folder that would leave less than this free on its file system, in bytes or with K, M, G,
    /// T; its user fails (space), and the others go on. 0: never mind [default: a hundredth of it, at most
    /// 1G]
    #[arg(long, value_name = "SIZE", help_heading = TARGET)]
    pub min_free: Option<String>,

    /// For plan: the --report directory of an earlier export, by which it says how long this one and the
    /// last one will take (may be repeated)
    #[arg(long, value_name = "DIR")]
    pub history: Vec<PathBuf>,
}

/// For commands that only look.
impl Default for Delivery {
    fn default() -> Self {
        Self {
            connections: 1,
            daily_cap: None,
            compress: Compress::default(),
            min_free: None,
            history: Vec::new(),
        }
    }
}
