//! One file put in place whole, for others to read at any time.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Replaces `path` by `content` in one rename. Not synced to disk: what it tells is soon old.
///
/// # Errors
/// The directory or the file cannot be written.
pub fn put(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // A name that no reader of metrics takes for a file of its own.
    let mut file = tempfile::Builder::new()
        .prefix(".mailseed.")
        .suffix(".tmp")
        .tempfile_in(dir)?;
    file.write_all(content)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
