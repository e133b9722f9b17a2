//! What `report` takes.

use std::path::PathBuf;

use clap::Args;

pub(super) const AFTER_REPORT: &str = "\
Exit status:
    0  The report is made, whatever it says of the users
    2  The command line is wrong, or a DIR holds no report, a torn one, or one of a newer mailseed
    3  A FILE cannot be written

Examples:
  mailseed report reports/night*/
  mailseed report reports/night*/ --html migration.html --csv left.csv";

/// Everything that `report` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Report {
    /// Report directories: what was given to --report
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,

    /// Write one HTML page, - for standard output
    ///
    /// It needs nothing from the network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Write a row a user as CSV, - for standard output
    ///
    /// The columns of summary.csv and then class, verdict, differences, runs, started, report, verified,
    /// verify_verdict, again_messages, again_bytes. Itself a user list for --only-failed
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}
