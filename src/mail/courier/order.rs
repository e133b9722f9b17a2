//! In which order Courier's POP3 server lists the files of INBOX (courier-imap, `pop3dserver.c`,
//! `cmpmsgs`): by the number with which the name begins, then by bytes up to the `:`.

use std::cmp::Ordering;

/// Compares two base names. The `:` that follows each on disk takes part: `1.10` comes before `1.1`.
pub fn compare(one: &str, other: &str) -> Ordering {
    let ended = |name: &str| -> Vec<u8> { name.bytes().chain([b':']).collect() };
    number(one)
        .cmp(&number(other))
        .then_with(|| ended(one).cmp(&ended(other)))
}

/// The number with which a name begins, 0 where there is none (C, `atol`).
pub fn number(name: &str) -> i64 {
    let text = name.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0, |number: i64, digit| {
        number
            .saturating_mul(10)
            .saturating_add(sign * i64::from(digit - b'0'))
    })
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
