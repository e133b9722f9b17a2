//! What was typed: clap structs, nothing resolved. Only [`crate::config`] reads them. The doc
//! comments here are the help texts, and those are the reference of the options.

mod check;
mod explain;
mod export;
mod manual;
mod pacing;
mod pairing;
mod report;
mod rerun;
mod retarget;
mod running;
mod selection;
mod source;
mod status;
mod target;
mod uidl;
mod verify;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{Parser, Subcommand};

pub use check::Check;
pub use explain::Explain;
pub use export::{Delivery, Export};
pub use manual::{Completions, Help, Man};
pub use pacing::Pacing;
pub use pairing::{Pop3Collect, Uidls};
pub use report::Report;
pub use rerun::{DeleteSource, Rerun};
pub use retarget::Retarget;
pub use running::Running;
pub use selection::Selection;
pub use source::{Accounts, Login, Source, Users};
pub use status::Status;
pub use target::{Form, Server, Target};
pub use uidl::{Pop3Server, Uidl};
pub use verify::{Verify, Verifying};

const SOURCE: &str = "Source";
const LOGIN: &str = "Login";
const USERS: &str = "Users";
const TARGET: &str = "Target";
const RERUNS: &str = "Running it again";
const UIDLS: &str = "UIDLs";
const RUNNING: &str = "Running";

/// To be read on light and on dark ground: weight, and red.
const STYLES: Styles = Styles::styled()
    .error(AnsiColor::Red.on_default().bold())
    .valid(Style::new().bold())
    .invalid(Style::new().bold());

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

/// How `export` ends, and with it `mailseed` as a whole.
macro_rules! exit_status {
    () => {
        "\
Exit status:
    0  Everything is done
    1  Some users or messages are not done: the result and --report say which
    2  The command line or the user list is wrong: nothing was started
    3  The target is not usable (disk full, no permission): stopped
  130  Interrupted: run it again to go on
"
    };
}
use exit_status;

const AFTER_ALL: &str = "\
Begin with `mailseed help runbook`; `mailseed help` lists the other topics.";

const AFTER_ALL_LONG: &str = concat!(
    environment!(),
    "\n",
    exit_status!(),
    "
Examples:
  mailseed help runbook
  mailseed check --job mailseed.toml -j auto --report reports/check/
  mailseed export --job mailseed.toml -j auto --report reports/night1/
  mailseed verify --job mailseed.toml -j auto --report reports/proof/

`mailseed COMMAND --help` tells all of a command, `-h` the same in short."
);

/// Moves mail from IMAP and POP3 servers into Maildirs, every UID and UIDL kept
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = AFTER_ALL,
    after_long_help = AFTER_ALL_LONG,
    disable_help_subcommand = true,
    styles = STYLES
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
    #[command(after_long_help = check::AFTER_CHECK)]
    Check(Box<Check>),
    /// Bring each user's Maildir up to date with the source
    ///
    /// Reads the source without changing it. Messages that are in the Maildir already are kept;
    /// run it again after a stop, and again for the mail that has come since.
    #[command(after_long_help = export::AFTER_EXPORT)]
    Export {
        /// The options that it shares with `plan`.
        #[command(flatten)]
        options: Box<Export>,
        /// Show what would be done, touch nothing (the same as `mailseed plan`)
        #[arg(long, help_heading = RUNNING)]
        dry_run: bool,
    },
    /// Show what export would do now, and touch nothing
    #[command(after_long_help = export::AFTER_PLAN)]
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
    #[command(after_long_help = explain::AFTER_EXPLAIN)]
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::config::Jobs;
    use crate::source::login::Mechanism;

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
        assert_eq!(options.accounts.login.auth, Some(Mechanism::CramMd5));
        assert_eq!(
            (options.running.pacing.jobs, options.running.verbose),
            (Jobs::Fixed(8), 2)
        );
        assert_eq!(options.accounts.users.only, ["a", "b"]);
        assert_eq!(options.accounts.login.master_separator, "-");
        assert!(Cli::try_parse_from(["mailseed", "export", "-q", "-v"]).is_err());
    }
}
