//! The values of options that select: sizes, dates, IMAP SEARCH keys and folder names.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use unicode_normalization::UnicodeNormalization as _;

use crate::mail::FolderPath;

/// `25M` in bytes; K, M, G and T are powers of 1024.
///
/// # Errors
/// It is no such size, or 0; told in words.
pub(in crate::config) fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (&text[..at], Some(unit)),
        _ => (text, None),
    };
    let shift = match unit.map(|unit| unit.to_ascii_uppercase()) {
        None => Some(0),
        Some('K') => Some(10),
        Some('M') => Some(20),
        Some('G') => Some(30),
        Some('T') => Some(40),
        Some(_) => None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (Some(shift), true) = (shift, is_number) else {
        return Err(format!(
            "{text:?} is no size: give bytes, or a number with K, M, G or T as in 25M"
        ));
    };
    match digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift))
    {
        Some(0) => Err("0 would take no message".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err(format!("{text:?} is larger than any message")),
    }
}

/// The beginning of a day, in seconds since 1970 UTC.
///
/// # Errors
/// It is no date as ISO 8601 writes it; told in words.
pub(super) fn date(text: &str) -> Result<i64, String> {
    let form = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let date: Option<Date> = match text.len() {
        10 if form => text.parse().ok(),
        _ => None,
    };
    date.and_then(|date| date.to_zoned(TimeZone::UTC).ok())
        .map(|time| time.timestamp().as_second())
        .ok_or_else(|| format!("{text:?} is no date such as 2025-01-31"))
}

/// So many days in seconds.
///
/// # Errors
/// None would be taken; told in words.
pub(super) fn days(days: u32) -> Result<i64, String> {
    match days {
        0 => Err("0 would take no message: give at least 1".to_owned()),
        days => Ok(i64::from(days) * 86_400),
    }
}

/// IMAP SEARCH keys that can be sent as they are, and cannot be more than that.
///
/// # Errors
/// They would not end with the line, or begin another command; told in words.
pub(super) fn search_keys(text: &str) -> Result<String, String> {
    let keys = text.trim();
    if keys.is_empty() {
        return Err("there are no search keys".to_owned());
    }
    if keys.contains(char::is_control) {
        return Err("there is a control character (such as a line end) in it".to_owned());
    }
    let first = keys.split(' ').next().unwrap_or_default();
    if ["CHARSET", "RETURN"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(first))
    {
        return Err(format!(
            "leave {first} out: mailseed says it itself where it is needed"
        ));
    }
    let (mut quoted, mut depth) = (false, 0_u32);
    let mut chars = keys.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => {
                chars.next();
            }
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth = depth.checked_sub(1).ok_or("a ) has no ( before it")?;
            }
            '{' if !quoted => {
                return Err("a literal ({n}) cannot be given: use a quoted string".to_owned());
            }
            _ => {}
        }
    }
    match (quoted, depth) {
        (true, _) => Err("a quoted string has no end".to_owned()),
        (_, 1..) => Err("a ( has no ) after it".to_owned()),
        _ => Ok(keys.to_owned()),
    }
}

/// A folder as a person writes it, its parts separated by `/`.
///
/// # Errors
/// A part of it is empty; told in words.
pub(super) fn folder(text: &str) -> Result<FolderPath, String> {
    let text: String = text.nfc().collect();
    let path = FolderPath::from_display(&text);
    match path.parts().iter().any(String::is_empty) {
        true if text.is_empty() => Err("a folder has no name".to_owned()),
        true => Err(format!("a part of the name {text:?} is empty")),
        false => Ok(path),
    }
}

/// The two sides of `A=B`, split at the first `=` that has no backslash before it.
///
/// # Errors
/// There is none; told in words.
pub(super) fn sides(text: &str) -> Result<(String, String), String> {
    let split = text
        .match_indices('=')
        .find(|(at, _)| !text[..*at].ends_with('\\'));
    let (at, _) = split.ok_or_else(|| format!("{text:?} has not the form A=B"))?;
    let plain = |side: &str| side.replace("\\=", "=");
    Ok((plain(&text[..at]), plain(&text[at + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, want) in [
            ("1", Ok(1)),
            ("100k", Ok(102_400)),
            ("25M", Ok(25 << 20)),
            ("1G", Ok(1 << 30)),
            ("2T", Ok(2 << 40)),
            ("0", Err("no message")),
            ("0M", Err("no message")),
            ("", Err("no size")),
            ("M", Err("no size")),
            ("25MB", Err("no size")),
            ("1.5M", Err("no size")),
            ("-1", Err("no size")),
            ("1é", Err("no size")),
            ("99999999999999999999", Err("larger")),
            ("99999999T", Err("larger")),
        ] {
            match (size(text), want) {
                (Err(fault), Err(why)) => assert!(fault.contains(why), "{text}: {fault}"),
                (got, want) => assert_eq!(got, want.map_err(str::to_owned), "{text}"),
            }
        }
    }

    #[test]
    fn dates_are_days_in_utc() {
        for (text, want) in [
            ("1970-01-01", Some(0)),
            ("2018-01-01", Some(1_514_764_800)),
            ("2024-02-29", Some(1_709_164_800)),
            ("2023-02-29", None),
            ("2018-1-1", None),
            ("01.01.2018", None),
            ("2018-01-01T00:00", None),
            ("20180101", None),
            ("", None),
            ("2018-01-0é", None),
        ] {
            assert_eq!(date(text).ok(), want, "{text}");
        }
        assert_eq!(days(7), Ok(604_800));
        assert!(days(0).is_err());
    }

    #[test]
    fn search_keys_end_with_their_line() {
        for (text, want) in [
            ("UNSEEN", Ok("UNSEEN")),
            (" NOT (OR FROM a FROM b) ", Ok("NOT (OR FROM a FROM b)")),
            ("FROM \"a) \\\" {3}\"", Ok("FROM \"a) \\\" {3}\"")),
            ("SUBJECT \"Été\"", Ok("SUBJECT \"Été\"")),
            ("", Err("no search keys")),
            (" ", Err("no search keys")),
            ("ALL\r\nx DELETE INBOX", Err("control character")),
            ("ALL\n", Ok("ALL")),
            ("ALL\0", Err("control character")),
            ("FROM {5}", Err("literal")),
            ("FROM {5+}", Err("literal")),
            ("FROM \"a", Err("no end")),
            ("FROM \"a\\\"", Err("no end")),
            ("(UNSEEN", Err("no ) after")),
            ("UNSEEN)", Err("no ( before")),
            ("charset UTF-8 ALL", Err("leave charset out")),
            ("RETURN (COUNT) ALL", Err("leave RETURN out")),
        ] {
            match (search_keys(text), want) {
                (Err(fault), Err(why)) => assert!(fault.contains(why), "{text}: {fault}"),
                (got, want) => assert_eq!(
                    got,
                    want.map(str::to_owned).map_err(str::to_owned),
                    "{text}"
                ),
            }
        }
    }

    #[test]
    fn maps_are_split_at_the_first_plain_equals_sign() {
        for (text, want) in [
            ("A=B", Some(("A", "B"))),
            ("A/b c=B=C", Some(("A/b c", "B=C"))),
            ("a\\=b=c\\=d", Some(("a=b", "c=d"))),
            ("=B", Some(("", "B"))),
            ("A", None),
            ("A\\=B", None),
        ] {
            let got = sides(text).ok();
            let got = got.as_ref().map(|(a, b)| (a.as_str(), b.as_str()));
            assert_eq!(got, want, "{text}");
        }
        assert_eq!(folder("inbox"), Ok(FolderPath::inbox()));
        for text in ["", "/", "A/", "/A", "A//B"] {
            assert!(folder(text).is_err(), "{text}");
        }
    }
}
