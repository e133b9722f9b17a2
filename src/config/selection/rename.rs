//! `--rename`: a substitution as sed and Perl write it, done by the regex crate.

use std::borrow::Cow;

use regex::{Captures, Regex, RegexBuilder};
use unicode_normalization::UnicodeNormalization as _;

/// `s/REGEX/REPLACEMENT/FLAGS`.
#[derive(Debug, Clone)]
pub struct Rename {
    regex: Regex,
    replacement: Vec<Piece>,
    all: bool,
}

/// A piece of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What a group has matched; 0: the whole.
    Group(usize),
}

impl Rename {
    /// Reads a substitution. Any character may stand for the slash; it is taken literally after a
    /// backslash. In the replacement `&` and `$0` are the whole match, `\1` and `$1` the first group.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "it has not the form s/REGEX/REPLACEMENT/";
        let mut rest = text.strip_prefix('s').ok_or(form)?.chars();
        let delimiter = rest.next().ok_or(form)?;
        if delimiter == '\\' || delimiter.is_control() {
            return Err(form.to_owned());
        }
        let mut rest = rest.as_str();
        let mut field = || {
            let (field, after) = split_field(rest, delimiter)?;
            rest = after;
            Some(field)
        };
        let (Some(pattern), Some(replacement)) = (field(), field()) else {
            return Err(format!("{form}: there are not three {delimiter} in it"));
        };
        let (mut all, mut ignore_case) = (false, false);
        for flag in rest.chars() {
            match flag {
                'g' => all = true,
                'i' => ignore_case = true,
                _ => return Err(format!("unknown flag {flag:?}: there are g and i")),
            }
        }
        if pattern.is_empty() {
            return Err("the regular expression is empty".to_owned());
        }
        // In a regex an escaped delimiter is that character, not what it might mean there.
        let literal = regex::escape(delimiter.encode_utf8(&mut [0; 4]));
        let pattern: String = unescaped(pattern, delimiter, &literal).nfc().collect();
        let regex = RegexBuilder::new(&pattern)
            .case_insensitive(ignore_case)
            .build()
            .map_err(|error| one_line(&error))?;
        let replacement: String = unescaped(replacement, delimiter, &protected(delimiter))
            .nfc()
            .collect();
        Ok(Self {
            replacement: pieces(&replacement, regex.captures_len())?,
            regex,
            all,
        })
    }

    /// `name` with the substitution done; borrowed where nothing matches.
    pub fn apply<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let limit = usize::from(!self.all);
        self.regex
            .replacen(name, limit, |found: &Captures<'_>| self.expand(found))
    }

    fn expand(&self, found: &Captures<'_>) -> String {
        let pieces = self.replacement.iter();
        pieces
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Group(number) => found.get(*number).map_or("", |group| group.as_str()),
            })
            .collect()
    }
}

/// What stands before the next delimiter that has no backslash before it, and what after it.
fn split_field(text: &str, delimiter: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == delimiter => return Some((&text[..at], &text[at + c.len_utf8()..])),
            _ => {}
        }
    }
    None
}

/// `field` with `literal` in place of each delimiter that has a backslash before it.
fn unescaped(field: &str, delimiter: char, literal: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (c, false) => out.push(c),
            (_, true) => match chars.next() {
                Some(next) if next == delimiter => out.push_str(literal),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
        }
    }
    out
}

/// The delimiter as a replacement holds it literally.
fn protected(delimiter: char) -> String {
    match delimiter {
        '&' | '$' => format!("\\{delimiter}"),
        plain => plain.to_string(),
    }
}

/// A replacement for a regex with so many groups, the whole match among them.
fn pieces(text: &str, groups: usize) -> Result<Vec<Piece>, String> {
    let group = |number: u32| match usize::try_from(number) {
        Ok(number) if number < groups => Ok(Piece::Group(number)),
        _ => Err(format!("the regular expression has no group {number}")),
    };
    let mut pieces: Vec<Piece> = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let piece = match c {
            '&' => Piece::Group(0),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    group(digit.to_digit(10).unwrap_or_default())?
                }
                Some(next) => {
                    plain.push(next);
                    continue;
                }
                None => return Err("the replacement ends in a lone backslash".to_owned()),
            },
            '$' => match braced(chars.as_str()) {
                Some((number, rest)) => {
                    chars = rest.chars();
                    group(number)?
                }
                None => {
                    plain.push('$');
                    continue;
                }
            },
            c => {
                plain.push(c);
                continue;
            }
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece);
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// The number that follows a `$`, bare or in braces, and what comes after it.
fn braced(text: &str) -> Option<(u32, &str)> {
    if let Some(inside) = text.strip_prefix('{') {
        let (number, rest) = inside.split_once('}')?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        return digits.then(|| (number.parse().unwrap_or(u32::MAX), rest));
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (end > 0).then(|| (number.parse().unwrap_or(u32::MAX), rest))
}

/// The last line of a regex error says what is wrong; those before draw it.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rewritten_as_sed_would() {
        for (typed, name, want) in [
            ("s/a/b/", "aa", "ba"),
            ("s/a/b/g", "aa", "bb"),
            ("s/A/b/i", "xa", "xb"),
            ("s/A/b/gi", "aAa", "bbb"),
            ("s,^INBOX/,,", "INBOX/Sent", "Sent"),
            ("s,^INBOX/,,", "Sent", "Sent"),
            ("s/^INBOX\\//Mail\\//", "INBOX/Sent", "Mail/Sent"),
            ("s#^(.*)#Old/$1#", "A/B", "Old/A/B"),
            ("s#^(.*)#Old/\\1#", "A/B", "Old/A/B"),
            ("s#.*#Old/&#", "A", "Old/A"),
            ("s#.*#Old/$0#", "A", "Old/A"),
            ("s/(a)(b)?/${2}x$1/", "a", "xa"),
            ("s/a/\\&\\$1$/", "a", "&$1$"),
            ("s/a/$x/", "a", "$x"),
            ("s|a\\|b|c|", "a|b", "c"),
            ("s.a\\.b.c.", "axb a.b", "axb c"),
            ("s&a&\\&&", "a", "&"),
            ("s$a$\\$1$", "a", "$1"),
            ("séaébég", "aa", "bb"),
            ("s/\\./-/g", "v1.0.1", "v1-0-1"),
            ("s/ $//", "Sent ", "Sent"),
            ("s/.*//", "Sent", ""),
            ("s/e\u{301}/e/", "été", "eté"),
        ] {
            let rename = Rename::parse(typed);
            assert_eq!(
                rename.map(|it| it.apply(name).into_owned()),
                Ok(want.to_owned()),
                "{typed}"
            );
        }
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        for (typed, why) in [
            ("", "the form"),
            ("s", "the form"),
            ("y/a/b/", "the form"),
            ("s\\a\\b\\", "the form"),
            ("s/a/b", "not three /"),
            ("s/a", "not three /"),
            ("s/a\\/b/", "not three /"),
            ("s//b/", "empty"),
            ("s/a/b/x", "unknown flag 'x'"),
            ("s/a/b/g/", "unknown flag '/'"),
            ("s/(a/b/", "unclosed group"),
            ("s/a/$1/", "no group 1"),
            ("s/(a)/\\2/", "no group 2"),
            ("s/(a)/$99999999999/", "no group 4294967295"),
            ("s/x{1000}{1000}{1000}/b/", "size limit"),
        ] {
            let fault = Rename::parse(typed).expect_err(typed);
            assert!(fault.contains(why), "{typed}: {fault}");
        }
    }
}
