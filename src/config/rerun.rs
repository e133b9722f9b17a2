//! What happens to what is there already, on the target and at the source: from the options typed.

use super::{Fsync, Mode, Rerun, SourceDeletion};
use crate::cli::{self, DeleteSource};

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
    unsaid.into_iter().chain(unsynced).collect()
}
