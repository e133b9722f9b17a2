//! POP3 unique identifiers.

use std::fmt;

/// A UIDL that a client may have remembered: 1 to 70 bytes of 0x21..=0x7E (RFC 1939 section 7).
/// Opaque and case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uidl(Box<str>);

/// Why bytes are no UIDL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UidlFault {
    /// No byte at all.
    #[error("it is empty")]
    Empty,
    /// More than 70 bytes; the number is the length.
    #[error("it has {0} bytes, RFC 1939 allows 70")]
    TooLong(usize),
    /// A byte outside 0x21..=0x7E.
    #[error("it holds the byte 0x{0:02x}, RFC 1939 allows 0x21 to 0x7e")]
    BadByte(u8),
}

impl Uidl {
    /// The UIDL made of `bytes`.
    ///
    /// # Errors
    /// The first way in which `bytes` break RFC 1939.
    pub fn parse(bytes: &[u8]) -> Result<Self, UidlFault> {
        if bytes.is_empty() {
            return Err(UidlFault::Empty);
        }
        if let Some(bad) = bytes.iter().find(|byte| !(0x21..=0x7e).contains(*byte)) {
            return Err(UidlFault::BadByte(*bad));
        }
        if bytes.len() > 70 {
            return Err(UidlFault::TooLong(bytes.len()));
        }
        Ok(Self(bytes.iter().map(|byte| char::from(*byte)).collect()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uidl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rfc_1939_is_accepted() {
        let long = "x".repeat(71);
        for (bytes, want) in [
            (&b"!~"[..], Ok("!~")),
            (b"", Err(UidlFault::Empty)),
            (b"a b", Err(UidlFault::BadByte(b' '))),
            (b"a\x7f", Err(UidlFault::BadByte(0x7f))),
            (b"caf\xc3\xa9", Err(UidlFault::BadByte(0xc3))),
            (long.as_bytes(), Err(UidlFault::TooLong(71))),
            (&long.as_bytes()[1..], Ok(&long[1..])),
        ] {
            let parsed = Uidl::parse(bytes);
            assert_eq!(
                parsed.as_ref().map(Uidl::as_str).map_err(|fault| *fault),
                want
            );
        }
    }
}
