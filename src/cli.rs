//! What was typed: clap structs, nothing resolved. Only [`crate::config`] reads them. The doc
//! comments here are the help texts, and those are the reference of the options.

mod manual;
mod pacing;
mod report;
mod rerun;
mod retarget;
mod selection;
mod status;
mod uidl;
mod verify;

use std::path::PathBuf;

pub use selection::Selection;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::{FolderEncoding, Fsync, Layout, Pop3Order, Unholdable};
use crate::logging::Format;
use crate::progress::Mode;
use crate::source::login::Mechanism;
use crate::source::net::{Compress, Fingerprint};

pub use manual::{Completions, Help, Man};
pub use pacing::Pacing;
pub use report::Report;
pub use rerun::{DeleteSource, Rerun};
pub use retarget::Retarget;
pub use status::Status;
pub use uidl::{Pop3Server, Uidl};
pub use verify::{Verify, Verifying};

const SOURCE: &str = "Source";
const LOGIN: &str = "Login";
const USERS: &str = "Users";
const TARGET: &str = "Target";
const RERUNS: &str = "Running it again";
const UIDLS: &str = "UIDLs";
const RUNNING: &str = "Running";

/// The only variable that is read for a login, as the helps of all commands that log in tell it.
macro_rules! environment {
    () => {
        "\
Environment:
  MAILSEED_PASSWORD  The password, where no user list, --password-command or
                     --password-file gives one
"
    };
}
use environment;

const AFTER_ALL: &str = "\
Begin with `mailseed help runbook`; `mailseed help` lists the other topics.";

const AFTER_ALL_LONG: &str = concat!(
    environment!(),
    "
Exit status:
    0  Everything is done
    1  Some users or messages are not done: the result and --report say which
    2  The command line or the user list is wrong: nothing was started
    3  The target is not usable (disk full, no permission): stopped
  130  Interrupted: run it again to go on

Examples:
  mailseed help runbook
  mailseed check --job mailseed.toml -j auto --report reports/check/
  mailseed export --job mailseed.toml -j auto --report reports/night1/
  mailseed verify --job mailseed.toml -j auto --report reports/proof/

`mailseed COMMAND --help` tells all of a command, `-h` the same in short."
);

const AFTER_EXPORT: &str = concat!(
    environment!(),
    "
Exit status:
    0  Everything is done
    1  Some users or messages are not done: the result and --report say which
    2  The command line or the user list is wrong: nothing was started
    3  The target is not usable (disk full, no permission): stopped
  130  Interrupted: run it again to go on

Examples:
  mailseed export --imap imaps://old.example.com \\
    --pop3 pop3s://old.example.com --user ann@example.com \\
    --password-file ann.password --owner vmail:vmail \\
    --maildir '/var/vmail/{domain}/{local}/Maildir'
  mailseed export --job mailseed.toml -j auto --report reports/night1/
  mailseed export --job mailseed.toml --after-cutover --folder INBOX"
);

const AFTER_PLAN: &str = concat!(
    environment!(),
    "
Exit status:
    0  export would do everything
    1  Some users or messages would not be done: the result and --report say which
    2  The command line or the user list is wrong: nothing was started
    3  The target is not usable (no permission): stopped
  130  Interrupted

Examples:
  mailseed plan --job mailseed.toml --offline
  mailseed plan --job mailseed.toml --only ann@example.com -v
  mailseed plan --job mailseed.toml -j auto --report reports/plan/"
);

const AFTER_CHECK: &str = concat!(
    environment!(),
    "
Exit status:
    0  Every user logs in, and no client will notice the move
    1  Some do not, or will: the result and --report say which and why
    2  The command line or the user list is wrong: nothing was started
  130  Interrupted

Examples:
  mailseed check --imap imaps://old.example.com \\
    --pop3 pop3s://old.example.com --users passwords.csv
  mailseed check --job mailseed.toml -j auto --report reports/check/
  mailseed check --job mailseed.toml --only ann@example.com -v"
);

const AFTER_EXPLAIN: &str = "\
Exit status:
    0  The message is known
    1  Nothing of that name was found
    2  The command line or the user list is wrong
    3  The Maildir cannot be read

Examples:
  mailseed explain ann@example.com 1 --job mailseed.toml
  mailseed explain ann@example.com Sent:1 \\
    --maildir '/var/vmail/{domain}/{local}/Maildir'";

/// Moves mail from IMAP and POP3 servers into Maildirs, every UID and UIDL kept
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = AFTER_ALL,
    after_long_help = AFTER_ALL_LONG,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whose move will go unnoticed; touch nothing
    ///
    /// Logs in for every user on each protocol, counts folders, messages and UIDLs, pairs the UIDLs
    /// with the messages and says whether the target can hold them and their order. Reads no more
    /// of the messages than the pairing needs, and nothing of the target.
    #[command(after_long_help = AFTER_CHECK)]
    Check(Box<Check>),
    /// Bring each user's Maildir up to date with the source
    ///
    /// Reads the source without changing it. Messages that are in the Maildir already are kept;
    /// run it again after a stop, and again for the mail that has come since.
    #[command(after_long_help = AFTER_EXPORT)]
    Export {
        /// The options that it shares with `plan`.
        #[command(flatten)]
        options: Box<Export>,
        /// Show what would be done, touch nothing (the same as `mailseed plan`)
        #[arg(long, help_heading = RUNNING)]
        dry_run: bool,
    },
    /// Show what export would do now, and touch nothing
    #[command(after_long_help = AFTER_PLAN)]
    Plan {
        /// What to do.
        #[command(flatten)]
        options: Box<Export>,
        /// Only check the job and every row of the user list
        ///
        /// And say how many users there are, by host and by shard; without the network, and without a look at
        /// the target
        #[arg(long, help_heading = RUNNING)]
        offline: bool,
    },
    /// Compare the new side with the old; touch nothing
    ///
    /// Lists the old servers once more and holds every folder, UID, flag, date, size, UIDL and place
    /// in the POP3 order against the Maildir, as its servers will show it, and with --new against the
    /// new servers themselves. A sample of the messages is compared byte by byte.
    #[command(after_long_help = verify::AFTER_VERIFY)]
    Verify(Box<Verify>),
    /// Tell the life of one message: from where, how paired, which file
    ///
    /// Reads the Maildir and the record that export keeps in it (mailseed.state); needs no network
    /// and changes nothing.
    #[command(after_long_help = AFTER_EXPLAIN)]
    Explain(Box<Explain>),
    /// Say what the new POP3 server will announce of a Maildir
    ///
    /// Number, UIDL and octets of each message. Works offline, by the rules of the server and from the Maildir alone.
    #[command(after_long_help = uidl::AFTER_UIDL)]
    Uidl(Uidl),
    /// Make a Maildir that has been exported ready for another server
    ///
    /// Makes the control files and names. Works offline: UIDs, UIDVALIDITY, UIDLs, their order, flags, keywords and subscriptions become
    /// what the servers of --from have, in the files of those of --to. The files of the old servers
    /// stay. Run it again after a stop; a second run finds nothing to do.
    #[command(
        override_usage = "mailseed retarget [OPTIONS] --from <SERVER> --to <SERVER> <MAILDIR>",
        after_long_help = retarget::AFTER_RETARGET
    )]
    Retarget(Box<Retarget>),
    /// Sum the reports of several runs or shards: as text, HTML or CSV
    ///
    /// Reads the directories that export has filled with --report DIR, and check.csv and verify.csv
    /// where they are; touches nothing. Give each run a directory of its own, for a run replaces the
    /// report of an earlier one.
    ///
    /// Runs are ordered by the time at which they began, not by the order of the DIRs. Of each user
    /// the latest run counts, so shards add up, and a run for a part of the users replaces just their
    /// rows; the plots of progress are of all runs. Dry runs are left out. check.csv counts for users that no
    /// run has; of verify.csv what is newer than the user's latest run (by the date of the file).
    #[command(after_long_help = report::AFTER_REPORT)]
    Report(Report),
    /// Tell where a run stands, or where it stood when it was cut
    ///
    /// By the directory that it was given with --report.
    #[command(after_long_help = status::AFTER_STATUS)]
    Status(Status),
    /// Tell of a command or a topic: runbook, sources, errors ...
    #[command(after_long_help = manual::AFTER_HELP)]
    Help(Help),
    /// Print a manual page, or write all of them into a directory
    ///
    /// `mailseed man export | man -l -` shows one.
    #[command(after_long_help = manual::AFTER_MAN)]
    Man(Man),
    /// Print the completions of the command line for a shell
    ///
    /// For bash: `mailseed completions bash > /usr/share/bash-completion/completions/mailseed`; for zsh
    /// `_mailseed` in a directory of $fpath; for fish `~/.config/fish/completions/mailseed.fish`.
    #[command(after_long_help = manual::AFTER_COMPLETIONS)]
    Completions(Completions),
}

/// Everything that `explain` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Explain {
    /// Whose message, as in the user list
    #[arg(value_name = "USER")]
    pub user: String,

    /// Which: its UID in INBOX, FOLDER:UID, its UIDL, the name of its file, or its Message-ID
    #[arg(value_name = "MESSAGE", allow_hyphen_values = true)]
    pub message: String,

    /// Look in this folder only
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<String>,

    /// The user list, for users whose row has a Maildir of its own
    #[arg(long, value_name = "FILE", help_heading = USERS)]
    pub users: Option<PathBuf>,

    /// The Maildir, with the same template as for export
    #[arg(long, value_name = "TEMPLATE", help_heading = TARGET)]
    pub maildir: Option<String>,

    /// How it lies, and the servers of which to tell what they announce.
    #[command(flatten)]
    pub form: Form,

    /// Take these from the job file of an export
    ///
    /// The long options without their dashes are its keys
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,
}

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

    /// IMAP connections of one user with much to fetch
    ///
    /// For servers that are slow or throttle each connection
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = RUNNING)]
    pub connections: usize,

    /// The most that is fetched for each user on one day, as in 2400M
    ///
    /// By local time, over all runs of that day: what fits is committed, the rest comes on the next days
    #[arg(long, value_name = "SIZE", help_heading = RUNNING)]
    pub daily_cap: Option<String>,

    /// When IMAP servers that can compress are asked to
    ///
    /// By COMPRESS=DEFLATE
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, help_heading = RUNNING)]
    pub compress: Compress,

    /// Keep this much of the file system free [default: a hundredth, at most 1G]
    ///
    /// Begin no folder that would leave less than this free on its file system, in bytes or with K, M, G,
    /// T; its user fails (space), and the others go on. 0: never mind
    #[arg(long, value_name = "SIZE", help_heading = TARGET)]
    pub min_free: Option<String>,

    /// For plan: what --report was of an earlier export (may be repeated)
    ///
    /// By it plan says how long this export and the last one will take
    #[arg(long, value_name = "DIR", help_heading = RUNNING)]
    pub history: Vec<PathBuf>,
}

/// Everything that `check` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Check {
    /// The servers.
    #[command(flatten)]
    pub source: Source,
    /// How to log in.
    #[command(flatten)]
    pub login: Login,
    /// Whose mail.
    #[command(flatten)]
    pub users: Users,

    /// The Maildir of each user, as for export
    ///
    /// Not looked at, but two users with one Maildir are refused
    #[arg(long, value_name = "TEMPLATE", help_heading = TARGET)]
    pub maildir: Option<String>,

    /// What it must hold.
    #[command(flatten)]
    pub form: Form,
    /// What is taken, and where it goes.
    #[command(flatten)]
    pub selection: Selection,
    /// What happens in doubt about UIDLs.
    #[command(flatten)]
    pub uidls: Uidls,
    /// How it runs and what it tells.
    #[command(flatten)]
    pub running: Running,
}

/// The export that a check foretells.
impl From<Check> for Export {
    fn from(check: Check) -> Self {
        Self {
            source: check.source,
            login: check.login,
            users: check.users,
            target: Target {
                maildir: check.maildir,
                form: check.form,
                owner: None,
                fsync: Fsync::default(),
            },
            selection: check.selection,
            rerun: Rerun::default(),
            uidls: check.uidls,
            running: check.running,
            connections: 1,
            daily_cap: None,
            compress: Compress::default(),
            min_free: None,
            history: Vec::new(),
        }
    }
}

/// The servers.
#[derive(Debug, Args)]
#[command(next_help_heading = SOURCE)]
pub struct Source {
    /// IMAP server: imaps://HOST[:PORT]
    ///
    /// imaps://HOST is TLS, imap://HOST is STARTTLS, required, imap+plain://HOST is no TLS; each with :PORT
    /// where it is not the usual one (993, 143)
    #[arg(long, value_name = "URL")]
    pub imap: Option<String>,

    /// POP3 server, whose UIDLs and order are kept: pop3s://HOST[:PORT]
    ///
    /// pop3s://HOST is TLS, pop3://HOST is STLS, required, pop3+plain://HOST is no TLS; each with :PORT
    /// where it is not the usual one (995, 110)
    #[arg(long, value_name = "URL")]
    pub pop3: Option<String>,

    /// Trust these authorities (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// Accept the certificate of this SHA-256 fingerprint, and no other
    ///
    /// As `openssl x509 -fingerprint -sha256` prints it; whatever else is in the certificate does not
    /// matter. May be repeated
    #[arg(long, value_name = "HEX")]
    pub tls_fingerprint: Vec<Fingerprint>,

    /// Accept any certificate and any host name
    ///
    /// So anybody between you and the server can read the passwords: --tls-fingerprint and --tls-ca are the
    /// better ways
    #[arg(long)]
    pub tls_insecure: bool,

    /// Allow TLS 1.0 and weak ciphers, for old appliances
    #[arg(long)]
    pub tls_legacy: bool,
}

/// How to log in.
#[derive(Debug, Args)]
#[command(next_help_heading = LOGIN)]
pub struct Login {
    /// Log in for every user as this master user
    ///
    /// With the master's password: as USER*NAME, or with --auth plain as NAME on behalf of USER
    #[arg(long, value_name = "NAME")]
    pub master_user: Option<String>,

    /// What stands between user and master user in the login name
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "*",
        allow_hyphen_values = true
    )]
    pub master_separator: String,

    /// The password is the first line of this file
    ///
    /// Nobody else may be able to read it: chmod 600
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// The password is the first line that this command prints
    ///
    /// A shell command, in which {user} is filled in, quoted for the shell. Asked again for each login,
    /// since a token may have expired
    #[arg(long, value_name = "CMD")]
    pub password_command: Option<String>,

    /// How to log in [default: the best that the server offers]
    #[arg(long, value_name = "MECHANISM", value_enum)]
    pub auth: Option<Mechanism>,
}

/// Whose mail.
#[derive(Debug, Args)]
#[command(next_help_heading = USERS)]
pub struct Users {
    /// User list, - for standard input: CSV with a header row
    ///
    /// Columns: user, password, imap_user, imap_password, pop3_user, pop3_password, imap, pop3, maildir,
    /// owner, subfolder. Only user is required
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,

    /// One user, without a list
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Only this user of the list (may be repeated)
    #[arg(long, value_name = "USER")]
    pub only: Vec<String>,

    /// Only those who failed in this report of an earlier run
    ///
    /// The users that failed or are partial in its summary.csv, check.csv or verified.csv
    #[arg(long, value_name = "REPORT.csv")]
    pub only_failed: Option<PathBuf>,

    /// Only part K of N of the list, K from 1
    ///
    /// Users whose place, by a hash of the name, is K. auto: as the job array says that this is a task of
    /// (Slurm, Grid Engine, LSF, AWS Batch); auto/N where that does not tell N (Kubernetes, GNU parallel,
    /// PBS)
    #[arg(long, value_name = "K/N")]
    pub shard: Option<String>,
}

/// Where it goes.
#[derive(Debug, Args)]
#[command(next_help_heading = TARGET)]
pub struct Target {
    /// Where mail goes, such as /var/vmail/{domain}/{local}/Maildir
    ///
    /// The Maildir of each user: {user} is the whole name, {local} and {domain} what stands before and
    /// after its last @
    #[arg(long, value_name = "TEMPLATE")]
    pub maildir: Option<String>,

    /// What it must hold.
    #[command(flatten)]
    pub form: Form,

    /// Who is to own the files [default: whoever runs mailseed]
    ///
    /// As numbers or names, UID:GID. It takes root to give files away
    #[arg(long, value_name = "UID:GID")]
    pub owner: Option<String>,

    /// When mail is forced to disk
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub fsync: Fsync,
}

/// Who will read the Maildir, and so what it can hold.
#[derive(Debug, Args)]
#[command(next_help_heading = TARGET)]
pub struct Form {
    /// The servers that will serve the Maildir
    ///
    /// Several, as in qmail,dovecot, when one tree must do for all of them
    #[arg(
        long,
        value_name = "SERVER,...",
        value_enum,
        value_delimiter = ',',
        default_value = "dovecot"
    )]
    pub target: Vec<Server>,

    /// How folders lie on disk
    #[arg(long, value_enum, default_value_t)]
    pub layout: Layout,

    /// How folder names are encoded on disk [default: mutf7; utf8 where Courier is a target]
    #[arg(long, value_name = "ENCODING", value_enum)]
    pub folder_encoding: Option<FolderEncoding>,
}

impl Form {
    /// How folder names are encoded on disk: as said, or as the servers have them by default.
    pub fn encoding(&self) -> FolderEncoding {
        FolderEncoding::of(self.folder_encoding, self.target.iter().copied().collect())
    }
}

/// A server that will serve the Maildir.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// Dovecot, through its dovecot-uidlist
    Dovecot,
    /// qmail-pop3d and vpopmail: the UIDL is the file name, the order is that of mtime
    Qmail,
    /// Courier: UIDs and UIDLs in its own lists, but a UIDL that is not of its form is the file name;
    /// the POP3 order is that of file names
    Courier,
}

/// Where messages go that POP3 shows and INBOX has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pop3Collect {
    /// INBOX, besides their own folders
    Inbox,
}

/// What happens in doubt about UIDLs.
#[derive(Debug, Args)]
#[command(next_help_heading = UIDLS)]
pub struct Uidls {
    /// Go on although INBOX has messages without a UIDL
    ///
    /// A POP3 client downloads those once more, if it ever had them
    #[arg(long)]
    pub ignore_missing_uidls: bool,

    /// Go on although there are UIDLs without a message
    ///
    /// A POP3 client no longer finds those messages
    #[arg(long)]
    pub ignore_extra_uidls: bool,

    /// Look for UIDLs in all folders, not in INBOX alone
    ///
    /// For POP3 servers that show more than INBOX; what is found there is reported, for the new POP3 server
    /// will not show it
    #[arg(long)]
    pub pop3_all_mailboxes: bool,

    /// Copy messages of other folders that POP3 shows into INBOX
    ///
    /// As --pop3-all-mailboxes, and copies of the messages that it finds in other folders are put into
    /// INBOX, with their UIDLs and in their order, so that the new POP3 server shows what the old one does
    #[arg(long, value_name = "WHERE", value_enum)]
    pub pop3_collect: Option<Pop3Collect>,

    /// Take no message sizes as evidence: LIST lies
    ///
    /// Of POP3, when UIDLs are matched
    #[arg(long)]
    pub skip_size_check: bool,

    /// How the old server makes UIDLs, such as %08Xu%08Xv
    ///
    /// Instead of finding it out for each user: a name such as u8v8 or v.u, or a format of Dovecot's kind
    #[arg(long, value_name = "TEMPLATE")]
    pub uidl_template: Option<String>,

    /// What to do with a UIDL or an order that the target cannot hold
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub unholdable: Unholdable,

    /// qmail: which wins where one mtime cannot show both
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub pop3_order: Pop3Order,
}

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::config::Jobs;

    #[test]
    fn clap_finds_no_fault() {
        Cli::command().debug_assert();
    }

    #[test]
    fn plan_takes_what_export_takes_but_for_dry_run_and_offline() {
        let command = Cli::command();
        let options = |name: &str| -> Vec<String> {
            command
                .find_subcommand(name)
                .expect("a subcommand")
                .get_arguments()
                .map(|arg| arg.get_id().to_string())
                .collect()
        };
        let mut export = options("export");
        export.retain(|id| id != "dry_run");
        let mut plan = options("plan");
        plan.retain(|id| id != "offline");
        assert_eq!(export, plan);
        assert!(Cli::try_parse_from(["mailseed", "plan", "--dry-run"]).is_err());
    }

    #[test]
    fn check_and_verify_take_what_export_takes_but_for_writing() {
        let command = Cli::command();
        let options = |name: &str| -> Vec<(String, Option<String>)> {
            command
                .find_subcommand(name)
                .expect("a subcommand")
                .get_arguments()
                .map(|arg| {
                    let heading = arg.get_help_heading().map(str::to_owned);
                    (arg.get_id().to_string(), heading)
                })
                .collect()
        };
        let mut export = options("export");
        let reruns = [
            "mirror",
            "after_cutover",
            "max_delete",
            "keep_deleted",
            "delete_local",
            "delete_source",
            "expunge_marked",
        ];
        export.retain(|(id, _)| {
            let of_delivery = [
                "dry_run",
                "fsync",
                "connections",
                "daily_cap",
                "compress",
                "min_free",
                "history",
            ];
            !of_delivery.contains(&id.as_str()) && !reruns.contains(&id.as_str())
        });
        let mut verify = options("verify");
        let of_verify = ["content", "pop3_uidl_format"];
        verify.retain(|(id, _)| !of_verify.contains(&id.as_str()) && !id.starts_with("new"));
        assert_eq!(
            BTreeSet::from_iter(&export),
            BTreeSet::from_iter(&verify),
            "for verify"
        );
        export.retain(|(id, _)| id != "owner");
        assert_eq!(export, options("check"));
    }

    #[test]
    fn no_password_can_be_typed_and_none_is_shown() {
        let mut command = Cli::command();
        for subcommand in command.get_subcommands_mut() {
            let help = subcommand.render_long_help().to_string();
            let name = subcommand.get_name();
            let logs_in = ["check", "export", "plan", "verify"].contains(&name);
            assert_eq!(help.contains("MAILSEED_PASSWORD"), logs_in, "{name}");
            assert!(
                subcommand
                    .get_arguments()
                    .all(|arg| arg.get_long() != Some("password") && arg.get_env().is_none())
            );
        }
    }

    #[test]
    fn values_are_read_as_the_promise_spells_them() {
        let cli = Cli::try_parse_from([
            "mailseed",
            "export",
            "--dry-run",
            "--target",
            "qmail,dovecot",
            "--layout",
            "maildir++",
            "--folder-encoding",
            "mutf7",
            "--fsync",
            "batch",
            "--auth",
            "cram-md5",
            "-j8",
            "-vv",
            "--only",
            "a",
            "--only",
            "b",
            "--master-separator",
            "-",
            "--log-format",
            "json",
        ])
        .expect("all of it is known");
        let Command::Export { options, dry_run } = cli.command else {
            panic!("not export");
        };
        assert!(dry_run);
        assert_eq!(options.target.form.target, [Server::Qmail, Server::Dovecot]);
        assert_eq!(options.login.auth, Some(Mechanism::CramMd5));
        assert_eq!(
            (options.running.pacing.jobs, options.running.verbose),
            (Jobs::Fixed(8), 2)
        );
        assert_eq!(options.users.only, ["a", "b"]);
        assert_eq!(options.login.master_separator, "-");
        assert!(Cli::try_parse_from(["mailseed", "export", "-q", "-v"]).is_err());
    }
}
