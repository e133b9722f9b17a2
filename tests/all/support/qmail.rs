//! What qmail-pop3d would list, by its rules: every file of new/ and cur/ without a leading dot
//! whose mtime is in the past, by mtime in whole seconds, the UIDL being the name up to the first
//! colon and the size that of the file.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The UIDLs and sizes that qmail-pop3d would announce for `maildir` now, in its order.
///
/// # Errors
/// When two files have one mtime: their order would be that of a heap, not stable. When a file is
/// not listed for its mtime. When a UIDL is not 1 to 70 bytes of 0x21 to 0x7E (RFC 1939), or comes
/// twice.
pub fn qmail_listing(maildir: &Path) -> Result<Vec<(String, u64)>, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| error.to_string())?
        .as_secs();
    let mut files = Vec::new();
    for part in ["new", "cur"] {
        let directory = maildir.join(part);
        let entries = fs::read_dir(&directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let name = entry.file_name();
            let name = name.as_bytes();
            if name.starts_with(b".") {
                continue;
            }
            let uidl = name.split(|byte| *byte == b':').next().unwrap_or_default();
            let uidl = String::from_utf8_lossy(uidl).into_owned();
            if !(1..=70).contains(&uidl.len()) || !uidl.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return Err(format!("{uidl:?} is no UIDL"));
            }
            let metadata = entry.metadata().map_err(|error| error.to_string())?;
            let mtime = metadata.mtime();
            if mtime >= i64::try_from(now).unwrap_or(i64::MAX) {
                return Err(format!("{uidl} is dated {mtime}, now or later: not listed"));
            }
            files.push((mtime, uidl, metadata.size()));
        }
    }
    files.sort();
    if let Some([earlier, later]) = files
        .array_windows()
        .find(|[earlier, later]| earlier.0 == later.0)
    {
        let (mtime, one, _) = earlier;
        let other = &later.1;
        return Err(format!(
            "{one} and {other} are both dated {mtime}: no stable order"
        ));
    }
    let mut names: Vec<&String> = files.iter().map(|(_, uidl, _)| uidl).collect();
    names.sort();
    if let Some([twice, _]) = names.array_windows().find(|[one, other]| one == other) {
        return Err(format!("{twice} comes twice"));
    }
    Ok(files
        .into_iter()
        .map(|(_, uidl, size)| (uidl, size))
        .collect())
}
