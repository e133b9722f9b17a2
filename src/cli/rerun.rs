//! What happens to a Maildir in which something is already, as typed.

use clap::Args;

use super::RERUNS;

/// What `--delete-source` was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DeleteSource {
    /// What --folder or --max-age takes
    Selected,
    /// All that is taken, though neither says what
    All,
}

/// What happens to what is there already.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = RERUNS)]
pub struct Rerun {
    /// Make the Maildir what the source is, deletions included
    ///
    /// Flags as there, mail that was deleted here back, mail and folders that the source no longer has
    /// deleted. By default the changes of both sides are merged
    #[arg(long)]
    pub mirror: bool,
    /// Only add late mail; change, renumber, delete nothing
    ///
    /// For users who have moved
    #[arg(long, conflicts_with = "mirror")]
    pub after_cutover: bool,
    /// Delete nothing where more than this is gone from the source [default: 10]
    ///
    /// Of a user's mail; all else is done, and the user fails
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub max_delete: Option<u8>,
    /// Keep mail that has been deleted at the source
    #[arg(long, conflicts_with_all = ["mirror", "after_cutover"])]
    pub keep_deleted: bool,
    /// Delete from the source what is safe on the target
    ///
    /// What has been written, synced to disk, read back and found to be what the source has: of what
    /// --folder, --max-age and the like take. One of these two has to say what, or =all: whatever is taken.
    /// IMAP needs UIDPLUS for it; over POP3 alone nothing is gone before the whole INBOX is done
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "selected",
        conflicts_with = "mirror"
    )]
    pub delete_source: Option<DeleteSource>,
    /// With --delete-source: EXPUNGE, where there is no UIDPLUS
    ///
    /// It removes everything in the folder that anybody has marked as deleted
    #[arg(long, requires = "delete_source")]
    pub expunge_marked: bool,
    /// With --mirror: delete mail that the source never had
    ///
    /// Such as mail delivered to the Maildir
    #[arg(long, requires = "mirror")]
    pub delete_local: bool,
}
