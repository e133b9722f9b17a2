//! `--folder` and `--exclude`: patterns for folder names, with the wildcards of IMAP LIST.

use regex::Regex;
use unicode_normalization::UnicodeNormalization as _;

use crate::mail::FolderPath;

/// A pattern: `*` stands for anything, `%` for anything within one part, `?` for one character,
/// a backslash takes the next character literally. INBOX has no case (RFC 3501 section 5.1).
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    regex: Regex,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is empty, ends in a lone backslash or is too long; told in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        let pattern: String = text.nfc().collect();
        let (inbox, rest) = split_inbox(&pattern);
        let mut regex = format!(r"(?s)\A{inbox}");
        let mut rest = rest.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' => regex.push_str(".*"),
                '%' => regex.push_str("[^/]*"),
                '?' => regex.push('.'),
                '\\' => match rest.next() {
                    Some(c) => push_literal(&mut regex, c),
                    None => return Err("it ends in a lone backslash".to_owned()),
                },
                c => push_literal(&mut regex, c),
            }
        }
        regex.push_str(r"\z");
        match Regex::new(&regex) {
            Ok(regex) => Ok(Self {
                text: text.to_owned(),
                regex,
            }),
            Err(_) => Err("the pattern is too long".to_owned()),
        }
    }

    /// Whether it stands for `path`.
    pub fn matches(&self, path: &FolderPath) -> bool {
        self.regex.is_match(&path.to_string())
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// INBOX as [`FolderPath`] writes it, and what follows it, if that is the first part of `pattern`.
fn split_inbox(pattern: &str) -> (&'static str, &str) {
    match pattern.split_at_checked(5) {
        Some((first, rest))
            if first.eq_ignore_ascii_case("INBOX")
                && (rest.is_empty() || rest.starts_with(['/', '*', '%'])) =>
        {
            ("INBOX", rest)
        }
        _ => ("", pattern),
    }
}

fn push_literal(regex: &mut String, c: char) {
    regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_those_of_imap() {
        for (glob, name, want) in [
            ("Sent", "Sent", true),
            ("Sent", "sent", false),
            ("Sent", "Sent/2019", false),
            ("Sent", "Unsent", false),
            ("Sent*", "Sent/2019", true),
            ("Sent*", "Sent Items", true),
            ("Sent/*", "Sent", false),
            ("Sent%", "Sent/2019", false),
            ("%", "Sent", true),
            ("%/%", "A/B", true),
            ("%/%", "A/B/C", false),
            ("*", "A/B/C", true),
            ("*/C", "A/B/C", true),
            ("?", "é", true),
            ("?", "e", true),
            ("?", "ee", false),
            ("a.c", "abc", false),
            ("(x|y)[z]+$", "(x|y)[z]+$", true),
            ("100\\% \\*done\\*", "100% *done*", true),
            ("100\\%", "100 and more", false),
            ("back\\\\slash", "back\\slash", true),
            ("a*", "a\nb", true),
            ("inbox", "INBOX", true),
            ("Inbox/%", "INBOX/Sub", true),
            ("inbox*", "INBOX/Sub", true),
            ("INBOX", "INBOX/Sub", false),
            ("inboxes", "inboxes", true),
            ("INBOX", "INBOX_backup", false),
            ("E\u{301}", "É", true),
        ] {
            let path = FolderPath::new(name.split('/').map(str::to_owned).collect());
            let got = Glob::parse(glob).map(|glob| glob.matches(&path));
            assert_eq!(got, Ok(want), "{glob} {name}");
        }
        for (glob, why) in [("", "empty"), ("a\\", "backslash")] {
            let fault = Glob::parse(glob).expect_err(glob);
            assert!(fault.contains(why), "{fault}");
        }
    }
}
