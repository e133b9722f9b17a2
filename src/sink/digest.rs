//! Whether a file holds what the source has sent: digests of messages in the form in which they are
//! stored, on the one side from the wire, on the other read back from the disk.

use std::fs::File;
use std::io::{self, Read as _};

use rustix::fs::Advice;

use super::line_ends::Stored;
use super::on_disk::Messages;
use crate::plan::on_disk::DiskFile;

/// Bytes worked on at once.
const PIECE: usize = 64 << 10;

/// The digest of a message as it is stored, made from what comes over the wire. It has a
/// [`Stored`] of its own: what happens to the bytes on their way to the file is to show.
#[derive(Debug)]
pub struct StoredDigest {
    stored: Stored,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl StoredDigest {
    /// The beginning of a message; `keep_double_cr` as for [`Stored::new`].
    pub fn new(keep_double_cr: bool) -> Self {
        Self {
            stored: Stored::new(keep_double_cr),
            hasher: blake3::Hasher::new(),
            buffer: Vec::new(),
        }
    }

    /// Takes the next bytes as the server sent them.
    pub fn update(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            self.buffer.clear();
            self.stored.push(piece, &mut self.buffer);
            self.hasher.update(&self.buffer);
        }
    }

    /// The end of the message.
    pub fn finish(mut self) -> blake3::Hash {
        self.buffer.clear();
        self.stored.finish(&mut self.buffer);
        self.hasher.update(&self.buffer);
        self.hasher.finalize()
    }
}

/// The digest of what a file holds, from the disk where the system allows it and not from what it
/// remembers of what was written. `None`: the file is no longer there.
///
/// # Errors
/// Those of the file system.
pub fn read_back(messages: &Messages, file: &DiskFile) -> io::Result<Option<blake3::Hash>> {
    match messages.file(file) {
        Ok(file) => of_file(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_file(mut file: File) -> io::Result<blake3::Hash> {
    // Where it cannot be done, what is read is still what every server would read.
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::MaildirFolder;

    #[test]
    fn wire_and_file_have_one_digest_if_they_are_one_message() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("cur")).unwrap();
        let file = |name: &str| DiskFile {
            base: name.into(),
            suffix: ":2,S".into(),
            in_new: false,
            mtime: None,
        };
        let long = b"0123456789abcdef\r\n".repeat(20_000);
        let long_stored = b"0123456789abcdef\n".repeat(20_000);
        for (at, (wire, stored, keep, want)) in [
            (&b"a\r\nb\r\n"[..], &b"a\nb\n"[..], true, true),
            (b"a\r\nb\r\n", b"a\nB\n", true, false),
            (b"a\r\nb\r\n", b"a\nb", true, false),
            (b"a\r\r\n", b"a\r\r\n", true, true),
            (b"a\r\r\n", b"a\r\n", false, true),
            (b"lone\r", b"lone\r", false, true),
            (b"", b"", true, true),
            (&long, &long_stored, true, true),
            (&long, &long_stored[1..], true, false),
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("m{at}");
            std::fs::write(root.path().join(format!("cur/{name}:2,S")), stored).unwrap();
            let messages = Messages::open(root.path(), &MaildirFolder::root()).unwrap();
            let on_disk = read_back(&messages, &file(&name)).unwrap();
            for step in [1, 7, usize::MAX] {
                let mut digest = StoredDigest::new(keep);
                wire.chunks(step.min(wire.len().max(1)))
                    .for_each(|piece| digest.update(piece));
                assert_eq!(on_disk == Some(digest.finish()), want, "{at} by {step}");
            }
        }
        let messages = Messages::open(root.path(), &MaildirFolder::root()).unwrap();
        assert_eq!(read_back(&messages, &file("gone")).unwrap(), None);
    }
}
