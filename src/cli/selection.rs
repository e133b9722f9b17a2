//! The options that say what is taken of a user's mail, and under which names it goes.

use clap::Args;

use crate::config::selection::AllMail;

const SELECTION: &str = "What is taken, and where it goes";

/// What is taken, and where it goes. Folders are written as reports show them: as the old server
/// calls them, without its namespace prefix, `/` between parts, INBOX in any case.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = SELECTION)]
pub struct Selection {
    /// Only folders of this name; * ? % as wildcards (may be repeated)
    ///
    /// As the old server has it, with / between parts: * stands for anything, % for anything but /, ? for
    /// one character, and a backslash takes the next one literally. Folders below are not meant unless the
    /// pattern says so: 'Lists*'
    #[arg(long, value_name = "GLOB")]
    pub folder: Vec<String>,

    /// No folders of this name (may be repeated)
    ///
    /// Whatever else says so; patterns as for --folder
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Only folders that the user has subscribed to, and INBOX
    #[arg(long)]
    pub subscribed: bool,

    /// Make no folder in which no message would lie
    ///
    /// INBOX is always made
    #[arg(long)]
    pub skip_empty: bool,

    /// Folders such as All Mail of Gmail [default: skip on Gmail, keep elsewhere]
    ///
    /// Those that show the messages of others once more: All Mail, Important and Starred
    #[arg(long, value_name = "WHAT", value_enum)]
    pub all_mail: Option<AllMail>,

    /// Name Sent, Drafts, Trash, Junk, Archive so, whatever they are called
    ///
    /// The folders that the old server marks as such, those below with them, and --rename leaves them
    /// alone. With --map Sent=NAME it is another name
    #[arg(long)]
    pub special_use: bool,

    /// Change folder names as sed does: 's,^INBOX/,,' (may be repeated)
    ///
    /// One after the other. Any character may stand for the slash; flags are g (all matches) and i (no
    /// case); & or $0 is the match, \1 or $1 a group of it
    #[arg(long, value_name = "s/REGEX/REPLACEMENT/")]
    pub rename: Vec<String>,

    /// Folder A becomes B (may be repeated)
    ///
    /// That folder alone, not those below it, and no other option changes its name. INBOX may be either:
    /// --map INBOX=INBOX_backup; only what becomes INBOX has UIDLs then. \= is an = in a name
    #[arg(long, value_name = "A=B")]
    pub map: Vec<String>,

    /// Put everything below this folder
    ///
    /// INBOX becomes the folder itself, Sent becomes NAME/Sent. The column subfolder of the user list goes
    /// before
    #[arg(long, value_name = "NAME")]
    pub subfolder: Option<String>,

    /// Only messages that arrived on this day or later: 2025-01-31
    ///
    /// By INTERNALDATE, in UTC
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,

    /// Only messages that arrived at most so many days ago
    #[arg(long, value_name = "DAYS")]
    pub max_age: Option<u32>,

    /// Only messages of at most this size, as in 25M
    ///
    /// In bytes or with K, M, G
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<String>,

    /// Only messages that IMAP SEARCH finds by these keys, such as UNSEEN
    ///
    /// Keys of RFC 3501
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    pub search: Option<String>,
}
