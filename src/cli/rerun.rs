//! What happens to a Maildir in which something is already, as typed.

use clap::Args;

use super::RERUNS;

/// What happens to what is there already.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = RERUNS)]
pub struct Rerun {
    /// Make the Maildir what the source is: flags as there, mail that was deleted here back, mail and
    /// folders that the source no longer has deleted [default: merge the changes of both sides]
    #[arg(long)]
    pub mirror: bool,
    /// The users have moved, and what comes is late mail: only add it, and change, renumber or
    /// delete nothing
    #[arg(long, conflicts_with = "mirror")]
    pub after_cutover: bool,
    /// Delete nothing of a user of whose mail more than this has gone from the source [default: 10]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub max_delete: Option<u8>,
    /// Keep mail that has been deleted at the source
    #[arg(long, conflicts_with_all = ["mirror", "after_cutover"])]
    pub keep_deleted: bool,
    /// With --mirror: delete mail that the source never had, such as mail delivered to the Maildir
    #[arg(long, requires = "mirror")]
    pub delete_local: bool,
}
