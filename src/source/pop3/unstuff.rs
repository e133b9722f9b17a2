//! Bodies out of multi-line replies: dot-stuffing undone, the end found (RFC 1939 section 3).

use memchr::memmem;

/// Undoes dot-stuffing on a stream, whatever the pieces in which it comes.
///
/// A line that starts with a dot loses that dot; a line of one dot ends the body, and the line end
/// before it belongs to the body. Lines end in LF, with or without CR: a bare LF is what some
/// servers send. All other bytes stay as they are.
#[derive(Debug)]
pub struct Unstuffer {
    state: State,
    line_with_dot: memmem::Finder<'static>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    LineStart,
    WithinLine,
    /// A dot at the start of a line, held back.
    Dot,
    /// That dot and a CR, held back.
    DotCr,
}

impl Default for Unstuffer {
    fn default() -> Self {
        Self {
            state: State::LineStart,
            line_with_dot: memmem::Finder::new(b"\n."),
        }
    }
}

impl Unstuffer {
    /// Takes the next bytes and hands the body's bytes among them to `emit`, in as few slices as
    /// there can be. `Some(n)`: the body ended with the first `n` of `input`, and the rest belongs
    /// to the next reply. `None`: all of `input` is used up, more must follow.
    ///
    /// # Errors
    /// The first error of `emit`; the body is lost then.
    pub fn push<E>(
        &mut self,
        input: &[u8],
        mut emit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let mut rest = input;
        while let Some((&first, after_first)) = rest.split_first() {
            match (self.state, first) {
                (State::LineStart, b'.') => {
                    self.state = State::Dot;
                    rest = after_first;
                }
                (State::LineStart | State::WithinLine, _) => {
                    let (text, next) = match self.line_with_dot.find(rest) {
                        Some(line_feed) => rest.split_at(line_feed + 1),
                        None => (rest, &[][..]),
                    };
                    self.state = if text.ends_with(b"\n") {
                        State::LineStart
                    } else {
                        State::WithinLine
                    };
                    emit(text)?;
                    rest = next;
                }
                (State::Dot | State::DotCr, b'\n') => {
                    return Ok(Some(input.len() - after_first.len()));
                }
                (State::Dot, b'\r') => {
                    self.state = State::DotCr;
                    rest = after_first;
                }
                (State::Dot, _) => self.state = State::WithinLine,
                (State::DotCr, _) => {
                    emit(b"\r")?;
                    self.state = State::WithinLine;
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// The body and the bytes after its end, the input given in pieces of `sizes` (repeated).
    fn unstuff(wire: &[u8], sizes: &[usize]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut unstuffer = Unstuffer::default();
        let mut body = Vec::new();
        let mut rest = wire;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                return None;
            }
            let (piece, later) = rest.split_at((*size).min(rest.len()));
            let emit = |bytes: &[u8]| {
                body.extend_from_slice(bytes);
                Ok::<_, Infallible>(())
            };
            let Ok(end) = unstuffer.push(piece, emit);
            if let Some(used) = end {
                return Some((body, [&piece[used..], later].concat()));
            }
            rest = later;
        }
        None
    }

    #[test]
    fn awkward_bodies_come_out_exact_at_every_cut() {
        let cases: &[(&[u8], &[u8], &[u8])] = &[
            (b".\r\n", b"", b""),
            (b".\n", b"", b""),
            (b".\r\n+OK\r\n", b"", b"+OK\r\n"),
            (b"\r\n.\r\n", b"\r\n", b""),
            (b"a\r\n.\r\n.\r\n", b"a\r\n", b".\r\n"),
            (b"a\n.\n-ERR", b"a\n", b"-ERR"),
            (b"a\n.\r\n", b"a\n", b""),
            (b"..\r\n.\r\n", b".\r\n", b""),
            (b"...\r\n....\r\n.\r\n", b"..\r\n...\r\n", b""),
            (b".x\r\n.\r\n", b"x\r\n", b""),
            (b"a.\r\nb.\n.\r\n", b"a.\r\nb.\n", b""),
            // A lone CR starts no line.
            (b"a\r.\r\n.\r\n", b"a\r.\r\n", b""),
            (b"\r.\r.\r\n\r\n.\r\n", b"\r.\r.\r\n\r\n", b""),
            // A held-back CR that turns out to be text.
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", b""),
            (b".\r\r\n.\r\n", b"\r\r\n", b""),
            (b".\r.\r\n.\r\n", b"\r.\r\n", b""),
            // The sender had no line end: the server's is all there is.
            (b"no end\r\n.\r\n", b"no end\r\n", b""),
            (b"\0\xff\r\n\0.\r\n.\r\n", b"\0\xff\r\n\0.\r\n", b""),
        ];
        for (wire, body, after) in cases {
            for size in 1..=wire.len() {
                let (got, rest) = unstuff(wire, &[size]).expect("it ends");
                assert_eq!((&got[..], &rest[..]), (*body, *after), "{wire:?} by {size}");
            }
        }
        for unfinished in [
            &b""[..],
            b".",
            b".\r",
            b"a\r\n..\r\n",
            b"a.\r\n",
            b"a\r.\r\n",
        ] {
            assert_eq!(unstuff(unfinished, &[1]), None, "{unfinished:?}");
        }
    }

    /// What a correct server does.
    fn stuff(body: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }

    proptest! {
        #[test]
        fn stuffed_bodies_come_back(
            lines in prop::collection::vec("[.\r ax]{0,5}\r?\n", 0..40),
            after in "[.\r\n+]{0,8}",
            sizes in prop::collection::vec(1usize..9, 1..9),
        ) {
            let body = lines.concat().into_bytes();
            let wire = [stuff(&body), after.clone().into_bytes()].concat();
            let (got, rest) = unstuff(&wire, &sizes).expect("it ends");
            prop_assert_eq!(got, body);
            prop_assert_eq!(rest, after.into_bytes());
        }
    }
}
