//! What happens to what is there already, on the target and at the source: from the options typed.

use super::Fsync;
use crate::cli::{self, DeleteSource};

/// What an export makes of a Maildir in which something is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// What changes at the source changes on the target; what its users did there stays.
    #[default]
    Merge,
    /// The target becomes what the source is.
    Mirror,
    /// The target's users have moved: new mail is added, and nothing else is touched.
    AfterCutover,
}

/// Whether what has been brought is deleted at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceDeletion {
    /// The source stays as it is.
    #[default]
    None,
    /// Exactly what has been brought, or nothing where the server cannot do that.
    Exact,
    /// Where an IMAP server cannot do that, everything that is marked as deleted goes too.
    WithMarked,
}

/// How a Maildir is treated in which something is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rerun {
    /// What it is to become.
    pub mode: Mode,
    /// Merge: mail that the source has deleted stays on the target.
    pub keep_deleted: bool,
    /// Mirror: mail that the source never had is deleted.
    pub delete_local: bool,
    /// How much of a user's mail may be deleted in one run, in percent.
    pub max_delete: u8,
    /// What happens to mail at the source that has been brought.
    pub delete_source: SourceDeletion,
}

impl Rerun {
    /// Whether the source may be changed.
    pub fn deletes_at_source(&self) -> bool {
        self.delete_source != SourceDeletion::None
    }
}

impl Default for Rerun {
    fn default() -> Self {
        Self {
            mode: Mode::Merge,
            keep_deleted: false,
            delete_local: false,
            max_delete: 10,
            delete_source: SourceDeletion::None,
        }
    }
}

/// What was typed, with defaults.
pub(super) fn from_cli(typed: &cli::Rerun) -> Rerun {
    let usual = Rerun::default();
    Rerun {
        mode: match (typed.mirror, typed.after_cutover) {
            (true, _) => Mode::Mirror,
            (false, true) => Mode::AfterCutover,
            (false, false) => Mode::Merge,
        },
        keep_deleted: typed.keep_deleted,
        delete_local: typed.delete_local,
        max_delete: typed.max_delete.unwrap_or(usual.max_delete),
        delete_source: match (typed.delete_source, typed.expunge_marked) {
            (None, _) => SourceDeletion::None,
            (Some(_), false) => SourceDeletion::Exact,
            (Some(_), true) => SourceDeletion::WithMarked,
        },
    }
}

/// Why nothing may be deleted at the source: whoever asks for it has to have said of what, and what
/// is not synced is not safe.
pub(super) fn refusals(typed: &cli::Export) -> Vec<&'static str> {
    let Some(what) = typed.rerun.delete_source else {
        return Vec::new();
    };
    let is_said = !typed.selection.folder.is_empty() || typed.selection.max_age.is_some();
    let unsaid = (what == DeleteSource::Selected && !is_said).then_some(
        "--delete-source of what? Give --folder or --max-age with it, or --delete-source=all",
    );
    let unsynced = (typed.target.fsync == Fsync::Never).then_some(
        "--delete-source deletes what is synced to disk, and --fsync never syncs nothing: leave one out",
    );
    // What POP3 no longer shows would take its copy with it.
    let collected = typed.uidls.pop3_collect.is_some().then_some(
        "--delete-source takes from the POP3 server what --pop3-collect follows: leave one out",
    );
    let refusals = [unsaid, unsynced, collected];
    refusals.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn typed(line: &[&str]) -> Option<cli::Export> {
        let line = ["mailseed", "export"].iter().chain(line);
        match Cli::try_parse_from(line).ok()?.command {
            Command::Export { options, .. } => Some(*options),
            _ => None,
        }
    }

    #[test]
    fn deleting_at_the_source_has_to_be_said_of_what() {
        const UNSAID: &str = "of what?";
        const UNSYNCED: &str = "--fsync never";
        for (line, want) in [
            (&["--fsync", "never"][..], &[][..]),
            (&["--delete-source"], &[UNSAID]),
            (&["--delete-source=selected"], &[UNSAID]),
            (
                &["--delete-source", "--exclude", "A", "--search", "SEEN"],
                &[UNSAID],
            ),
            (&["--delete-source", "--since", "2025-01-01"], &[UNSAID]),
            (&["--delete-source", "--folder", "INBOX"], &[]),
            (
                &["--delete-source=all", "--pop3-collect", "inbox"],
                &["--pop3-collect"],
            ),
            (&["--delete-source", "--max-age", "1"], &[]),
            (
                &["--delete-source", "--max-age", "1", "--after-cutover"],
                &[],
            ),
            (&["--delete-source=all"], &[]),
            (&["--delete-source=all", "--fsync", "always"], &[]),
            (&["--delete-source=all", "--fsync", "never"], &[UNSYNCED]),
            (
                &["--delete-source", "--fsync", "never"],
                &[UNSAID, UNSYNCED],
            ),
        ] {
            let told = refusals(&typed(line).expect("it can be typed"));
            assert_eq!(told.len(), want.len(), "{line:?}: {told:?}");
            for (told, want) in told.iter().zip(want) {
                assert!(told.contains(want), "{line:?}: {told}");
            }
        }
        // The next word is not its value.
        for line in [
            &["--delete-source", "all"][..],
            &["--delete-source=all", "--mirror"],
            &["--delete-source=none"],
            &["--expunge-marked"],
        ] {
            assert!(typed(line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn what_is_typed_is_what_is_meant() {
        for (line, want) in [
            (&[][..], SourceDeletion::None),
            (&["--delete-source"], SourceDeletion::Exact),
            (&["--delete-source=all"], SourceDeletion::Exact),
            (
                &["--delete-source", "--expunge-marked"],
                SourceDeletion::WithMarked,
            ),
        ] {
            let rerun = from_cli(&typed(line).expect("it can be typed").rerun);
            assert_eq!(rerun.delete_source, want, "{line:?}");
            assert_eq!(rerun.deletes_at_source(), want != SourceDeletion::None);
        }
    }
}
