//! `pop3_uidl_format`.

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// How Dovecot makes a UIDL for a message that has none of its own: text with `%u` for the UID, `%v`
/// for the UIDVALIDITY, `%f` for the base name, `%g` for the GUID, `%%`; numbers as `%08Xu` in
/// hexadecimal. Both the names of Dovecot 2.3 and those of 2.4, as in `%{uid | hex(8)}`, are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidlFormat {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(char),
    Number {
        which: Which,
        hex: bool,
        /// Filled up with zeros to so many digits.
        width: usize,
    },
    FileName,
    Guid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Uid,
    Validity,
}

/// Dovecot's own default, `%08Xu%08Xv`.
impl Default for UidlFormat {
    fn default() -> Self {
        let hex = |which| Piece::Number {
            which,
            hex: true,
            width: 8,
        };
        Self {
            text: "%08Xu%08Xv".to_owned(),
            pieces: vec![hex(Which::Uid), hex(Which::Validity)],
        }
    }
}

const KNOWN: &str = "a format has %u, %v, %f or %g in it, numbers also as %08Xu in hexadecimal, %% for \
                     a percent sign; or, as in Dovecot 2.4, %{uid}, %{uidvalidity}, %{filename} or \
                     %{guid}, numbers also as %{uid | hex(8)}";

impl FromStr for UidlFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            pieces.push(if c != '%' {
                Piece::Text(c)
            } else if let Some(after) = rest.strip_prefix('%') {
                rest = after;
                Piece::Text('%')
            } else if let Some(after) = rest.strip_prefix('{') {
                let (inner, after) = after.split_once('}').ok_or(KNOWN)?;
                rest = after;
                Piece::named(inner).ok_or(KNOWN)?
            } else {
                let end = rest.find(|c: char| !(c.is_ascii_digit() || c == 'X'));
                let (modifiers, after) = rest.split_at(end.unwrap_or(rest.len()));
                let letter = after.chars().next().ok_or(KNOWN)?;
                rest = &after[letter.len_utf8()..];
                Piece::short(modifiers, letter).ok_or(KNOWN)?
            });
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            return Err("with that all UIDLs would be the same".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }
}

impl fmt::Display for UidlFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Piece {
    /// As in 2.3: `08X`, `u`.
    fn short(modifiers: &str, letter: char) -> Option<Self> {
        let which = match letter {
            'u' => Which::Uid,
            'v' => Which::Validity,
            'f' if modifiers.is_empty() => return Some(Piece::FileName),
            'g' if modifiers.is_empty() => return Some(Piece::Guid),
            _ => return None,
        };
        let (digits, hex) = match modifiers.strip_suffix('X') {
            Some(digits) => (digits, true),
            None => (modifiers, false),
        };
        // A width without a 0 cuts the number off.
        let width = match digits.strip_prefix('0') {
            Some(width) => width.parse().ok()?,
            None if digits.is_empty() => 0,
            None => return None,
        };
        Self::number(which, hex, width)
    }

    /// As in 2.4: `uid | hex(8)`.
    fn named(inner: &str) -> Option<Self> {
        let (name, filter) = match inner.split_once('|') {
            Some((name, filter)) => (name.trim(), Some(filter.trim())),
            None => (inner.trim(), None),
        };
        let which = match name {
            "uid" => Which::Uid,
            "uidvalidity" => Which::Validity,
            "filename" if filter.is_none() => return Some(Piece::FileName),
            "guid" if filter.is_none() => return Some(Piece::Guid),
            _ => return None,
        };
        let Some(filter) = filter else {
            return Self::number(which, false, 0);
        };
        let width = filter.strip_prefix("hex")?;
        let width = match width.strip_prefix('(') {
            Some(width) => width.strip_suffix(')')?.trim().parse().ok()?,
            None if width.is_empty() => 0,
            None => return None,
        };
        Self::number(which, true, width)
    }

    fn number(which: Which, hex: bool, width: usize) -> Option<Self> {
        (width <= 70).then_some(Piece::Number { which, hex, width })
    }
}

impl UidlFormat {
    /// The UIDL of a message.
    pub fn uidl(&self, uid: u32, validity: u32, base_name: &[u8], guid: &[u8]) -> Box<[u8]> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            let mut text = String::new();
            match piece {
                Piece::Text(c) => text.push(*c),
                Piece::FileName => out.extend_from_slice(base_name),
                Piece::Guid => out.extend_from_slice(guid),
                Piece::Number { which, hex, width } => {
                    let value = match which {
                        Which::Uid => uid,
                        Which::Validity => validity,
                    };
                    // Writing to a string cannot fail.
                    let _ = match hex {
                        true => write!(text, "{value:0width$x}"),
                        false => write!(text, "{value:0width$}"),
                    };
                }
            }
            out.extend_from_slice(text.as_bytes());
        }
        out.into()
    }
}
