//! The one place where bytes of a message change: line ends, from CRLF on the wire to LF on disk.
//! qmail-pop3d and Courier put a CR before every LF they send, so a CRLF on disk would go out as
//! CR CR LF.

use std::io::{self, Read};

use super::maildir::Sizes;

/// Turns what a server sends into what is stored, piece by piece.
///
/// A lone CR and a lone LF stay as they are. CR CR LF is the one sequence that the target servers
/// send differently: Dovecot sends a stored CR LF as it is, so that only CR CR LF on disk comes out
/// as CR CR LF; qmail-pop3d adds a CR to any LF, so that CR LF on disk does. With
/// `keep_double_cr` it is stored for Dovecot.
#[derive(Debug, Clone)]
pub struct Stored {
    keep_double_cr: bool,
    /// A CR has been read and not written: what follows it decides.
    held: bool,
    /// The byte before the held CR is a CR.
    double: bool,
    sizes: Sizes,
}

impl Stored {
    /// The beginning of a message.
    pub fn new(keep_double_cr: bool) -> Self {
        Self {
            keep_double_cr,
            held: false,
            double: false,
            sizes: Sizes {
                received: 0,
                size: 0,
                virtual_size: 0,
                lf: Some(0),
            },
        }
    }

    /// Takes the next bytes from the wire and puts those for the disk at the end of `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        self.sizes.received += bytes.len() as u64;
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.text(&rest[..end], out);
            self.line_end(out);
            rest = &rest[end + 1..];
        }
        self.text(rest, out);
        self.count(out.len() - before);
    }

    /// The end of the message.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.held) {
            out.push(b'\r');
            self.count(1);
        }
    }

    /// The sizes so far.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Bytes without LF; a CR at their end is held.
    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let Some((last, body)) = text.split_last() else {
            return;
        };
        let was_held = self.held;
        if was_held {
            out.push(b'\r');
        }
        self.held = *last == b'\r';
        if self.held {
            out.extend_from_slice(body);
            self.double = body.last().map_or(was_held, |byte| *byte == b'\r');
        } else {
            out.extend_from_slice(text);
        }
    }

    fn line_end(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        if held && self.double {
            if self.keep_double_cr {
                out.push(b'\r');
            }
        } else {
            // Dovecot counts a CR for each LF that has none before it.
            self.sizes.virtual_size += 1;
        }
        if let Some(lf) = &mut self.sizes.lf {
            *lf += 1;
        }
        out.push(b'\n');
    }

    fn count(&mut self, written: usize) {
        self.sizes.size += written as u64;
        self.sizes.virtual_size += written as u64;
    }
}

/// The line ends of a stored message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineEnds {
    /// Its bytes.
    pub size: u64,
    /// LFs.
    pub lf: u64,
    /// LFs without a CR before them.
    pub bare_lf: u64,
    /// Whether its last byte is a CR.
    pub ends_in_cr: bool,
}

impl LineEnds {
    /// Counts those of `file`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn count(file: &mut impl Read) -> io::Result<Self> {
        let mut buffer = vec![0; 64 << 10];
        let mut counted = Self::default();
        let mut last = 0_u8;
        loop {
            let count = file.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(counted);
            };
            counted.size += count as u64;
            for at in memchr::memchr_iter(b'\n', bytes) {
                let before = if at == 0 { last } else { bytes[at - 1] };
                counted.lf += 1;
                counted.bare_lf += u64::from(before != b'\r');
            }
            last = bytes[count - 1];
            counted.ends_in_cr = last == b'\r';
        }
    }

    /// The bytes with a CR for each LF that has none, as Dovecot counts them.
    pub fn virtual_size(self) -> u64 {
        self.size + self.bare_lf
    }

    /// The bytes with one more CR for each LF, as Courier counts them; a CR at the very end does not
    /// count.
    pub fn each_lf_as_crlf(self) -> u64 {
        self.size - u64::from(self.ends_in_cr) + self.lf
    }
}

/// The sizes of a stored message: its bytes, and its bytes with a CR for each LF that has none.
///
/// # Errors
/// Those of reading.
pub fn measure(file: &mut impl Read) -> io::Result<Sizes> {
    let counted = LineEnds::count(file)?;
    Ok(Sizes {
        received: counted.size,
        size: counted.size,
        virtual_size: counted.virtual_size(),
        lf: Some(counted.lf),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn store(pieces: &[&[u8]], keep_double_cr: bool) -> (Vec<u8>, Sizes) {
        let mut stored = Stored::new(keep_double_cr);
        let mut out = Vec::new();
        for piece in pieces {
            stored.push(piece, &mut out);
        }
        stored.finish(&mut out);
        (out, stored.sizes())
    }

    /// What Dovecot sends of a stored message: a CR before each LF that has none.
    fn dovecot_sends(stored: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        for byte in stored {
            if *byte == b'\n' && sent.last() != Some(&b'\r') {
                sent.push(b'\r');
            }
            sent.push(*byte);
        }
        sent
    }

    #[test]
    fn only_line_ends_change() {
        for (wire, for_dovecot, for_qmail) in [
            (&b""[..], &b""[..], &b""[..]),
            (b"a\r\nb\r\n", b"a\nb\n", b"a\nb\n"),
            (b"no end", b"no end", b"no end"),
            (b"lone\rcr\r", b"lone\rcr\r", b"lone\rcr\r"),
            (b"\r\n\r\n", b"\n\n", b"\n\n"),
            (b"bare\nlf", b"bare\nlf", b"bare\nlf"),
            (b"a\r\r\nb", b"a\r\r\nb", b"a\r\nb"),
            (b"\r\r\r\n", b"\r\r\r\n", b"\r\r\n"),
            (b"nul\0\xff\r\n", b"nul\0\xff\n", b"nul\0\xff\n"),
        ] {
            assert_eq!(store(&[wire], true).0, for_dovecot, "{wire:?}");
            assert_eq!(store(&[wire], false).0, for_qmail, "{wire:?}");
        }
    }

    proptest! {
        #[test]
        fn dovecot_sends_what_came_however_it_came_in_pieces(
            lines in proptest::collection::vec("[ab\r.]{0,4}", 0..8),
            cuts in proptest::collection::vec(0_usize..40, 0..6),
            open_end in any::<bool>(),
        ) {
            let mut wire = lines.join("\r\n").into_bytes();
            if !open_end { wire.extend_from_slice(b"\r\n"); }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
            cuts.push(wire.len());
            cuts.sort_unstable();
            let mut start = 0;
            let pieces: Vec<&[u8]> = cuts.iter().map(|cut| { let piece = &wire[start..*cut]; start = *cut; piece }).collect();
            let (stored, sizes) = store(&pieces, true);
            prop_assert_eq!(&dovecot_sends(&stored), &wire);
            prop_assert_eq!(sizes.received, wire.len() as u64);
            prop_assert_eq!(sizes.virtual_size, wire.len() as u64);
            let measured = measure(&mut stored.as_slice()).unwrap();
            prop_assert_eq!((sizes.size, sizes.virtual_size), (measured.size, measured.virtual_size));
        }
    }
}
