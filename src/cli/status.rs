//! What `status` takes.

use std::path::PathBuf;

use clap::Args;

pub(super) const AFTER_STATUS: &str = "\
A run that is at work also tells where it stands, on its standard error, when it is sent the signal USR1.

Exit status:
    0  It is at work, or has ended with everything done
    1  It has ended with users not done, or was cut
    2  The command line is wrong, or a DIR holds no run

Examples:
  mailseed status reports/night1/
  mailseed status reports/*/";

/// Everything that `status` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Status {
    /// Report directories: what was given to --report. Those of several shards are summed
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,
}
