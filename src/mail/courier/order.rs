//! In which order Courier's POP3 server lists the files of INBOX (courier-imap, `pop3dserver.c`,
//! `cmpmsgs`): by the number with which the name begins, then by bytes up to the `:`.

use std::cmp::Ordering;

/// What Courier orders messages by, and knows them again by: the number at the beginning of the name,
/// then the bytes up to the `:`, whether there is one or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameKey<'n> {
    /// The name up to its `:`.
    pub base: &'n [u8],
    /// Whether a `:` follows.
    has_flags: bool,
}

impl<'n> NameKey<'n> {
    /// The key of a name as it stands in a list, or of a file in `cur`.
    pub fn of(name: &'n [u8]) -> Self {
        let base = memchr::memchr(b':', name).map_or(name, |end| &name[..end]);
        Self {
            base,
            has_flags: base.len() < name.len(),
        }
    }

    /// The key of a file in `new`, which is moved to `cur` with flags at login (`maildir_getnew`).
    pub fn moved(name: &'n [u8]) -> Self {
        Self {
            has_flags: true,
            ..Self::of(name)
        }
    }

    /// The bytes that are compared, the end of the name too, in C's signed characters.
    fn characters(&self) -> impl Iterator<Item = i8> {
        let end = if self.has_flags { b':' } else { 0 };
        let bytes = self.base.iter().copied().chain([end]);
        bytes.map(u8::cast_signed)
    }
}

impl Ord for NameKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = atol(self.base).cmp(&atol(other.base));
        numbers.then_with(|| self.characters().cmp(other.characters()))
    }
}

impl PartialOrd for NameKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The number with which a name begins, 0 where there is none. C's `atol`: blanks, a sign and digits; what does not fit is the largest or smallest number.
pub(super) fn atol(text: &[u8]) -> i64 {
    let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let number = number.saturating_mul(10);
        if negative {
            number.saturating_sub(digit)
        } else {
            number.saturating_add(digit)
        }
    })
}

/// C's `isspace`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Compares two base names, both with a `:` behind them on disk: `1.10` comes before `1.1`.
pub fn compare(one: &str, other: &str) -> Ordering {
    NameKey::moved(one.as_bytes()).cmp(&NameKey::moved(other.as_bytes()))
}

/// The number with which a name begins, 0 where there is none.
pub fn number(name: &str) -> i64 {
    atol(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_numbers_then_of_their_bytes() {
        let ascending = [
            "-5.a",
            "0000000a4d2b6938",
            "UID10-7",
            "UID9-7",
            "abc",
            "9.z",
            "010.a",
            "10.z",
            "000000014d2b6938",
            "1294690616.10",
            "1294690616.1",
            "1294690616.2",
            "1294690616.M0000000001.x",
            "99999999999999999999",
        ];
        assert!(ascending.is_sorted_by(|a, b| compare(a, b) == Ordering::Less));
        for (name, want) in [
            ("12a3", 12),
            ("x12", 0),
            ("", 0),
            ("+7", 7),
            (" 8", 8),
            ("-99999999999999999999", i64::MIN),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(number(name), want, "{name:?}");
        }
    }
}
