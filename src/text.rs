//! Words for people: strangers' text made safe for a terminal, a log or a report, and numbers of things.

/// `text` on one line, without control characters (they could drive a terminal) and without the
/// characters that reorder text (they could disguise a name). Each is shown as `\u{..}`; a
/// backslash stays as it is, since this is for reading, not for parsing back.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let reorders = matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || reorders {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// [`printable`] for bytes: what is not UTF-8 is shown as the replacement character, and at most
/// `limit` characters are kept.
pub fn printable_bytes(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let trimmed = text.trim_end();
    match trimmed.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}...", printable(&trimmed[..cut])),
        None => printable(trimmed),
    }
}

/// [`printable`] for bytes of which all is to be seen: what is not UTF-8 is shown as `\xNN`.
pub fn printable_raw(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// `1 message`, `2 messages`: a number of what is called `one` where it is alone.
pub fn counted(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {one}{s}")
}

/// [`counted`] with its verb, in the form for one and in that for more: `1 message is`, `2 messages are`.
pub fn counted_with(number: u64, one: &str, (singular, plural): (&str, &str)) -> String {
    let verb = if number == 1 { singular } else { plural };
    format!("{} {verb}", counted(number, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_agrees_with_its_number() {
        let told = [0, 1, 2].map(|number| counted_with(number, "UIDL", ("has", "have")));
        assert_eq!(told, ["0 UIDLs have", "1 UIDL has", "2 UIDLs have"]);
    }

    #[test]
    fn control_and_bidi_characters_are_shown_not_sent() {
        assert_eq!(printable("a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(printable("gpj\u{202e}exe"), "gpj\\u{202e}exe");
        assert_eq!(printable("a\u{61c}1"), "a\\u{61c}1");
        assert_eq!(printable("Été \\ 日本"), "Été \\ 日本");
        assert_eq!(
            printable_raw(b"a\x1b\xff\xfe \xc3\xa9"),
            "a\\u{1b}\\xff\\xfe \u{e9}"
        );
        assert_eq!(printable_bytes(b"-ERR no\xff way\r\n", 7), "-ERR no...");
    }
}
