//! What is typed for `mailseed help`, `mailseed man` and `mailseed completions`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

pub(super) const AFTER_HELP: &str = "\
Examples:
  mailseed help
  mailseed help runbook
  mailseed help export";

pub(super) const AFTER_MAN: &str = "\
Examples:
  mailseed man export
  mailseed man --dir /usr/local/share/man/man1";

pub(super) const AFTER_COMPLETIONS: &str = "\
Examples:
  mailseed completions bash
  mailseed completions zsh";

/// Everything that `help` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Help {
    /// A command or a topic [default: the commands, and then the topics]
    #[arg(value_name = "COMMAND|TOPIC")]
    pub about: Option<String>,
}

/// Everything that `man` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Man {
    /// A command or a topic [default: the page of mailseed itself]
    #[arg(value_name = "COMMAND|TOPIC", conflicts_with = "dir")]
    pub about: Option<String>,

    /// Write all pages into this directory
    ///
    /// As mailseed.1, mailseed-export.1, mailseed-runbook.7 ...; where DIR is called man1, the topics (section
    /// 7) go into man7 beside it, where man looks for them
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Everything that `completions` takes.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Completions {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}
