//! Whether two copies of a message, one read over IMAP and one over POP3, are one message.
//!
//! # Why header and body apart
//! The two protocols of one server may differ in the header (an mbox server adds Status and X-UID,
//! see [`HeaderDigest`]), and at the end (POP3 cannot send a message without a last line end,
//! qmail-pop3d adds an empty line). The body is otherwise the same bytes. So a message is the
//! same if its body is, and its header under *some* tolerance: two messages of equal body and
//! equal loose header differ in nothing that a person sees, and either may have the UIDL of the
//! other. Equal bodies alone say nothing: think of empty ones, or of a nightly job's "ok".

use super::header::{Digest, HeaderDigest, HeaderHasher, shorten};

/// The digests of one whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest {
    /// Of its header.
    pub header: HeaderDigest,
    /// Of what follows the empty line, line ends as LF, without empty lines at the end. NUL counts
    /// as 0x80, since that is what an IMAP server must make of it (RFC 3501 section 4.3).
    pub body: Digest,
}

/// Makes a [`ContentDigest`] from a message in pieces of any size, dot-stuffing undone, line ends
/// CRLF or LF.
#[derive(Debug, Default)]
pub struct ContentHasher {
    header: HeaderHasher,
    body: blake3::Hasher,
    /// CRs that are part of a line end if an LF follows.
    crs: u64,
    /// Line ends that count if anything follows.
    line_ends: u64,
}

impl ContentHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if !self.header.has_ended() {
            let taken = self.header.take(rest);
            rest = rest.get(taken..).unwrap_or_default();
        }
        while let Some(byte) = rest.first() {
            let taken = match byte {
                b'\n' => {
                    self.crs = 0;
                    self.line_ends += 1;
                    1
                }
                b'\r' => {
                    self.crs += 1;
                    1
                }
                0 => {
                    self.text(&[0x80]);
                    1
                }
                _ => {
                    let end = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                    self.text(rest.get(..end).unwrap_or_default());
                    end
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// The digests.
    pub fn finish(self) -> ContentDigest {
        ContentDigest {
            header: self.header.finish(),
            body: shorten(&self.body),
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.repeat(b'\n', self.line_ends);
        self.repeat(b'\r', self.crs);
        self.line_ends = 0;
        self.crs = 0;
        self.body.update(text);
    }

    fn repeat(&mut self, byte: u8, mut times: u64) {
        let block = [byte; 256];
        while times > 0 {
            let some = usize::try_from(times).map_or(block.len(), |t| t.min(block.len()));
            self.body.update(block.get(..some).unwrap_or_default());
            times -= some as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(message: &[u8]) -> ContentDigest {
        let mut hasher = ContentHasher::new();
        hasher.update(message);
        hasher.finish()
    }

    #[test]
    fn the_ends_of_lines_and_of_the_message_do_not_matter_and_all_else_does() {
        for (a, b, same) in [
            (&b"A: 1\r\n\r\nx\r\ny\r\n"[..], &b"A: 1\n\nx\ny"[..], true),
            (b"A: 1\r\n\r\nx", b"A: 1\r\n\r\nx\r\n\r\n\r\n", true),
            (b"A: 1\r\n\r\n", b"A: 1\r\n\r\n\r\n", true),
            (b"A: 1\r\n\r\n", b"A: 1\r\n", true),
            (b"A: 1\r\n\r\n\r\nx", b"A: 1\r\n\r\nx", false),
            (b"A: 1\r\n\r\nx\r\n\r\ny", b"A: 1\r\n\r\nx\r\ny", false),
            (b"A: 1\r\n\r\nx\ry", b"A: 1\r\n\r\nxy", false),
            (b"A: 1\r\n\r\nx\r", b"A: 1\r\n\r\nx\r\r\n", true),
            (b"A: 1\r\n\r\nx \r\n", b"A: 1\r\n\r\nx\r\n", false),
            (b"A: 1\r\n\r\nx\0y", b"A: 1\r\n\r\nx\x80y", true),
            (b"A: 1\r\n\r\n\xff", b"A: 1\r\n\r\n\xfe", false),
        ] {
            assert_eq!(digest(a) == digest(b), same, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_status_field_changes_the_header_only() {
        let plain = digest(b"A: 1\r\n\r\nx\r\n");
        let marked = digest(b"A: 1\r\nStatus: RO\r\n\r\nx\r\n");
        assert_ne!(plain.header.strict, marked.header.strict);
        assert_eq!(plain.header.loose, marked.header.loose);
        assert_eq!(plain.body, marked.body);
    }

    proptest::proptest! {
        #[test]
        fn pieces_do_not_matter(
            message in proptest::collection::vec(
                proptest::sample::select(b"A:x\r\n\n\r\x00\x80".to_vec()), 0..300),
            cut in 1usize..7,
        ) {
            let mut hasher = ContentHasher::new();
            message.chunks(cut).for_each(|piece| hasher.update(piece));
            proptest::prop_assert_eq!(hasher.finish(), digest(&message));
        }
    }
}
