//! `courierpop3dsizelist` as Courier reads it (`readpop3dlist`), version 3, and version 2.

use std::fmt;

use super::{atol, is_space};

/// What Courier knows of a maildrop.
#[derive(Debug, PartialEq, Eq)]
pub struct SizeList<'b> {
    /// The number that the next message gets.
    pub next: u64,
    /// The second number of UIDLs of messages to come; a list may leave it open, and then it is the
    /// time of the login.
    pub validity: u64,
    /// The lines, in the order of the file.
    pub lines: Vec<SizeLine<'b>>,
    /// Lines that were not read.
    pub bad_lines: usize,
    has_validity: bool,
}

/// One message of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeLine<'b> {
    /// The name of its file, flags and all.
    pub name: &'b [u8],
    /// What LIST says, right or wrong.
    pub size: u64,
    /// The first number of its UIDL; 0: the UIDL is the name.
    pub number: u64,
    /// The second number of its UIDL; 0: it has none.
    pub validity: u64,
}

/// Why Courier does not read a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFault {
    /// The first line is none.
    NoHeader,
    /// A version that it does not know.
    Version,
}

impl fmt::Display for ListFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ListFault::NoHeader => "its first line makes no sense",
            ListFault::Version => "it is of neither version 2 nor 3",
        })
    }
}

/// So many bytes of a line are looked at.
const LINE_LIMIT: usize = 2048 - 20;

impl<'b> SizeList<'b> {
    /// What Courier takes where there is no list.
    pub(super) fn fresh(now: i64) -> Self {
        Self {
            next: 1,
            validity: now.cast_unsigned(),
            lines: Vec::new(),
            bad_lines: 0,
            has_validity: true,
        }
    }

    /// With the time of the login where the header leaves the validity open.
    pub(super) fn dated(mut self, now: i64) -> Self {
        if !self.has_validity {
            self.validity = now.cast_unsigned();
        }
        self
    }

    /// Reads a list. A last line without its LF is not there.
    ///
    /// # Errors
    /// Where Courier begins anew, as if there were none.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, ListFault> {
        let (header, rest) = match memchr::memchr(b'\n', bytes) {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (bytes, &b""[..]),
        };
        let mut numbers = Scan(header.strip_prefix(b"/").ok_or(ListFault::NoHeader)?);
        let version = numbers.number().ok_or(ListFault::NoHeader)?;
        let next = numbers.number().ok_or(ListFault::NoHeader)?;
        let validity = numbers.number();
        if !(2..=3).contains(&version) {
            return Err(ListFault::Version);
        }
        let mut list = Self {
            next,
            validity: validity.unwrap_or(0),
            lines: Vec::new(),
            bad_lines: 0,
            has_validity: validity.is_some(),
        };
        let whole = memchr::memrchr(b'\n', rest).map_or(&b""[..], |end| &rest[..end]);
        for row in whole
            .split(|byte| *byte == b'\n')
            .filter(|row| !row.is_empty())
        {
            match SizeLine::parse(&row[..row.len().min(LINE_LIMIT)]) {
                Some(line) => list.lines.push(line),
                None => list.bad_lines += 1,
            }
        }
        Ok(list)
    }
}

impl<'b> SizeLine<'b> {
    fn parse(row: &'b [u8]) -> Option<Self> {
        let last = memchr::memrchr(b' ', row)?;
        let before = memchr::memrchr(b' ', &row[..last])?;
        let name = &row[..before];
        // Courier appends ":0" to every line, so that a line of version 2 is whole.
        let numbers = [&row[before + 1..], b":0"].concat();
        let mut numbers = Scan(&numbers);
        let size = numbers.number()?;
        let number = numbers.number()?;
        let validity = numbers.after(b':')?.number()?;
        numbers.after(b':')?.number()?;
        let name = memchr::memrchr(b'/', name).map_or(name, |at| &name[at + 1..]);
        (!row[..before].is_empty()).then_some(Self {
            name,
            size,
            number,
            validity,
        })
    }
}

/// What `sscanf` has not read yet.
struct Scan<'t>(&'t [u8]);

impl Scan<'_> {
    /// `%lu`: blanks, a sign, digits.
    fn number(&mut self) -> Option<u64> {
        let blanks = self.0.iter().take_while(|byte| is_space(**byte)).count();
        let text = &self.0[blanks..];
        let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
        let digits = text[sign..].iter().take_while(|byte| byte.is_ascii_digit());
        let end = sign + digits.count();
        if end == sign {
            return None;
        }
        let (number, rest) = text.split_at(end);
        self.0 = rest;
        let digits = std::str::from_utf8(&number[sign..]).ok()?;
        Some(match number[0] {
            b'-' => atol(number).cast_unsigned(),
            _ => digits.parse().unwrap_or(u64::MAX),
        })
    }

    /// A character of the format.
    fn after(&mut self, byte: u8) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(self)
    }
}
