//! The header of a message, read as far as its fields are wanted: no parser of whole messages.

use std::io::{self, Read};

/// What is read of a header that does not end.
const MOST: usize = 1 << 20;
/// Bytes asked for at once: most headers are shorter.
const PIECE: usize = 8 << 10;

/// The beginning of a message up to the empty line after its header, and perhaps some of its body;
/// at most 1 MiB. It is put into `header`, in place of what was there.
///
/// # Errors
/// Those of reading.
pub fn read(message: &mut impl Read, header: &mut Vec<u8>) -> io::Result<()> {
    header.clear();
    while header.len() < MOST {
        let seen = header.len();
        message.by_ref().take(PIECE as u64).read_to_end(header)?;
        let fresh = header.get(seen.saturating_sub(2)..).unwrap_or_default();
        let ends = |end: &[u8]| memchr::memmem::find(fresh, end).is_some();
        if header.len() == seen || ends(b"\n\n") || ends(b"\n\r\n") {
            break;
        }
    }
    Ok(())
}

/// The unfolded value of the first field called `name` (in lower case). `header` is the beginning
/// of a message, with CRLF or LF line ends; what follows the header is not looked at.
pub fn field(header: &[u8], name: &str) -> Option<String> {
    let mut lines = header
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty());
    let mut value = lines.by_ref().find_map(|line| {
        // A field may go on with what looks like another one: DKIM-Signature names them.
        let at = memchr::memchr(b':', line).filter(|_| !is_folded(line))?;
        let is_wanted = line[..at]
            .trim_ascii_end()
            .eq_ignore_ascii_case(name.as_bytes());
        is_wanted.then(|| line[at + 1..].to_vec())
    })?;
    for folded in lines.take_while(|line| is_folded(line)) {
        value.extend_from_slice(folded);
    }
    Some(String::from_utf8_lossy(&value).into_owned())
}

/// Whether a line goes on with the field before it.
fn is_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// The Message-ID (RFC 5322 section 3.6.4) as it stands between `<` and `>`, or the whole value
/// where those are missing.
pub fn message_id(header: &[u8]) -> Option<String> {
    let value = field(header, "message-id")?;
    let bare = bare_message_id(&value);
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// A Message-ID without what may stand around it.
pub fn bare_message_id(value: &str) -> &str {
    let inner = value
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or(value, |(id, _)| id);
    inner.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, as a slow file system may.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            (&self.0[..self.0.len().min(count)])
                .read(buffer)
                .inspect(|count| self.0 = &self.0[*count..])
        }
    }

    #[test]
    fn a_message_id_is_found_wherever_it_is_in_the_header() {
        let far = format!(
            "Received: {}\nMessage-ID: <far@x>\n\nbody\n",
            "y".repeat(40_000)
        );
        let split = format!(
            "A: {}\n\nMessage-ID: <body@x>\n",
            "y".repeat(PIECE - "A: ".len() - 1)
        );
        let endless = format!("A: {}\nMessage-ID: <beyond@x>\n\n", "y".repeat(3 * MOST));
        for (message, want) in [
            ("message-id:<a@b>\r\n\r\n", Some("a@b")),
            ("Message-Id:\r\n <a@b> (comment)\r\n\r\n", Some("a@b")),
            ("MESSAGE-ID: bare@x \n\n", Some("bare@x")),
            ("Message-ID: <open@x\n\n", Some("<open@x")),
            ("Message-ID:\n\n", None),
            ("Message-ID: <1@x>\nMessage-ID: <2@x>\n\n", Some("1@x")),
            (
                "DKIM-Signature: h=From:\r\n\tMessage-ID:Date;\r\nMessage-ID: <a@b>\r\n\r\n",
                Some("a@b"),
            ),
            (" Message-ID: <folded@x>\n\n", None),
            ("Subject: x\n\nMessage-ID: <body@x>\n", None),
            ("\nMessage-ID: <body@x>\n", None),
            ("", None),
            (far.as_str(), Some("far@x")),
            (split.as_str(), None),
            (endless.as_str(), None),
        ] {
            for piece in [7, PIECE] {
                let mut header = Vec::new();
                read(&mut Drip(message.as_bytes(), piece), &mut header).unwrap();
                let shown = &message[..message.len().min(60)];
                assert_eq!(message_id(&header).as_deref(), want, "{shown}");
                assert!(header.len() <= MOST + PIECE);
            }
        }
    }
}
