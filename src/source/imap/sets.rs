//! UIDs by the thousand in one line: VANISHED (RFC 7162 section 3.2.10), SEARCH, and ESEARCH (RFC
//! 4731), its short form.

use std::io::BufRead;

use super::reader::{Fault, Reader, Token, number};
use crate::mail::UidSet;

/// What VANISHED says.
#[derive(Debug, PartialEq, Eq)]
pub struct Vanished {
    /// The answer to QRESYNC: gone before the folder was opened, so that EXISTS does not count them.
    pub earlier: bool,
    /// The UIDs.
    pub uids: UidSet,
}

/// Reads what follows the word VANISHED.
///
/// # Errors
/// `Nonsense` where it is no set of UIDs; those of the reader.
pub fn vanished<R: BufRead>(reader: &mut Reader<R>) -> Result<Vanished, Fault> {
    let mut earlier = false;
    let mut token = reader.token()?;
    if token == Token::Open {
        loop {
            match reader.token()? {
                Token::Close => break,
                Token::Atom => earlier |= reader.text().eq_ignore_ascii_case(b"EARLIER"),
                _ => return Err(Fault::Nonsense("VANISHED has a tag that is none")),
            }
        }
        token = reader.token()?;
    }
    let uids = match token {
        Token::Atom => sequence_set(reader.text()),
        _ => None,
    };
    let uids = uids.ok_or(Fault::Nonsense("VANISHED has no set of UIDs"))?;
    Ok(Vanished { earlier, uids })
}

/// Reads what follows the word SEARCH.
///
/// # Errors
/// `Nonsense` where it is no list of UIDs; those of the reader.
pub fn search<R: BufRead>(reader: &mut Reader<R>) -> Result<UidSet, Fault> {
    let mut uids = Vec::new();
    loop {
        match reader.token()? {
            Token::Atom => {
                let uid = uid(reader.text()).ok_or(Fault::Nonsense("SEARCH lists no UIDs"))?;
                uids.push((uid, uid));
            }
            // `(MODSEQ 5)` is the last (RFC 7162 section 3.1.5).
            Token::Open | Token::End => return Ok(UidSet::from_ranges(uids)),
            _ => return Err(Fault::Nonsense("SEARCH lists no UIDs")),
        }
    }
}

/// Reads what follows the word ESEARCH: the UIDs of its ALL, which is left out where there are none.
/// `None` where it says that it answers a command whose tag `is_ours` does not know.
///
/// # Errors
/// `Nonsense` where it has no UIDs; those of the reader.
pub fn esearch<R: BufRead>(
    reader: &mut Reader<R>,
    is_ours: impl Fn(&[u8]) -> bool,
) -> Result<Option<UidSet>, Fault> {
    let mut token = reader.token()?;
    if token == Token::Open {
        let mut ours = false;
        loop {
            match reader.token()? {
                Token::Close => break,
                Token::Atom | Token::Quoted => ours |= is_ours(reader.text()),
                _ => return Err(Fault::Nonsense("ESEARCH has a tag that is none")),
            }
        }
        if !ours {
            return Ok(None);
        }
        token = reader.token()?;
    }
    let mut by_uid = false;
    let mut uids = UidSet::default();
    loop {
        match token {
            Token::Atom if reader.text().eq_ignore_ascii_case(b"UID") => by_uid = true,
            Token::Atom if reader.text().eq_ignore_ascii_case(b"ALL") => {
                uids = match reader.token()? {
                    Token::Atom => sequence_set(reader.text()),
                    _ => None,
                }
                .ok_or(Fault::Nonsense("ESEARCH has no set of UIDs"))?;
            }
            Token::Atom => reader.skip_value()?,
            // Without the word they are sequence numbers (RFC 4731 section 3.1).
            Token::End if by_uid || uids.is_empty() => return Ok(Some(uids)),
            _ => return Err(Fault::Nonsense("ESEARCH has no UIDs")),
        }
        token = reader.token()?;
    }
}

/// UIDs of many lines.
#[derive(Debug, Default)]
pub struct Collected(Vec<(u32, u32)>);

impl Collected {
    /// Adds `uids`.
    ///
    /// # Errors
    /// `Broken` where that makes more than `most` ranges: it has no end.
    pub fn add(&mut self, uids: &UidSet, most: usize) -> Result<(), Fault> {
        if self.0.len().saturating_add(uids.ranges().len()) > most {
            return Err(Fault::Broken("the server lists UIDs without end"));
        }
        self.0.extend_from_slice(uids.ranges());
        Ok(())
    }

    /// All so far.
    pub fn set(&self) -> UidSet {
        UidSet::from_ranges(self.0.iter().copied())
    }
}

/// `1:3,7`. A `*` is for commands only.
fn sequence_set(text: &[u8]) -> Option<UidSet> {
    let ranges: Option<Vec<(u32, u32)>> = text
        .split(|byte| *byte == b',')
        .map(|range| match memchr::memchr(b':', range) {
            Some(colon) => Some((uid(&range[..colon])?, uid(&range[colon + 1..])?)),
            None => uid(range).map(|uid| (uid, uid)),
        })
        .collect();
    Some(UidSet::from_ranges(ranges?))
}

fn uid(digits: &[u8]) -> Option<u32> {
    let uid = u32::try_from(number(digits)?).ok()?;
    (uid > 0).then_some(uid)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// What `parse` makes of a line after its first word; `!` before why it makes nothing of it.
    fn parsed<T>(
        line: &str,
        parse: impl Fn(&mut Reader<Box<dyn BufRead>>) -> Result<T, Fault>,
        show: impl Fn(T) -> String,
    ) -> String {
        let wire: Box<dyn BufRead> = Box::new(Cursor::new(format!("* {line}\r\n")));
        let mut reader = Reader::new(wire);
        reader.next().unwrap();
        match parse(&mut reader) {
            Ok(value) => show(value),
            Err(Fault::Nonsense(_)) => "!".to_owned(),
            Err(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn lines_of_uids() {
        for (line, want) in [
            ("VANISHED 1", "1"),
            ("VANISHED (EARLIER) 41,43:116,118", "earlier 41,43:116,118"),
            ("vanished (earlier)(x) 3", "!"),
            ("VANISHED (earlier x) 3,1:2", "earlier 1:3"),
            ("VANISHED 1:4294967295", "1:4294967295"),
            ("VANISHED 9:7", "7:9"),
            ("VANISHED", "!"),
            ("VANISHED (EARLIER)", "!"),
            ("VANISHED (EARLIER", "!"),
            ("VANISHED 1:*", "!"),
            ("VANISHED 0", "!"),
            ("VANISHED 1,,2", "!"),
            ("VANISHED 1:4294967296", "!"),
            ("VANISHED \"1\"", "!"),
        ] {
            let show = |gone: Vanished| {
                let earlier = if gone.earlier { "earlier " } else { "" };
                format!("{earlier}{}", gone.uids)
            };
            assert_eq!(parsed(line, vanished, show), want, "{line}");
        }
        for (line, want) in [
            ("SEARCH", ""),
            ("SEARCH ", ""),
            ("SEARCH 2 3 9 5", "2:3,5,9"),
            ("SEARCH 2 5 (MODSEQ 917162500)", "2,5"),
            ("SEARCH x", "!"),
            ("SEARCH 0", "!"),
            ("SEARCH 1:3", "!"),
            ("SEARCH 1)", "!"),
        ] {
            let show = |uids: UidSet| uids.to_string();
            assert_eq!(parsed(line, search, show), want, "{line}");
        }
        for (line, want) in [
            ("ESEARCH (TAG \"x2\") UID ALL 4:19,21,28", "4:19,21,28"),
            ("ESEARCH (TAG x2) UID", ""),
            ("ESEARCH UID ALL 4", "4"),
            ("ESEARCH (TAG \"x3\") UID ALL 4", "not ours"),
            ("ESEARCH (TAG \"x2\"", "!"),
            ("ESEARCH UID (1)", "!"),
            ("ESEARCH UID ALL 1:", "!"),
            ("ESEARCH (TAG \"x2\")", ""),
            ("esearch uid count 3 all 1:3 modseq 9 X (a (b))", "1:3"),
            ("ESEARCH UID MIN 1 ALL 1:2", "1:2"),
            // Sequence numbers.
            ("ESEARCH (TAG \"x2\") ALL 4:19", "!"),
            ("ESEARCH UID ALL", "!"),
            ("ESEARCH UID ALL *", "!"),
            ("ESEARCH UID COUNT", "!"),
        ] {
            let show =
                |uids: Option<UidSet>| uids.map_or("not ours".to_owned(), |it| it.to_string());
            let got = parsed(line, |reader| esearch(reader, |tag| tag == b"x2"), show);
            assert_eq!(got, want, "{line}");
        }
    }
}
