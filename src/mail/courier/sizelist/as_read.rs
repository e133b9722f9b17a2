//! `courierpop3dsizelist` as Courier reads it (`readpop3dlist`), version 3, and version 2. Held against
//! a real one in `tests/all/uidl/courier.rs`.

use std::fmt;

use super::Numbers;
use crate::mail::courier::order::{atol, is_space};

/// What Courier knows of a maildrop.
#[derive(Debug, PartialEq, Eq)]
pub struct AsRead<'b> {
    /// The number that the next message gets.
    pub next: u64,
    /// The second number of UIDLs of messages to come; `None`: it is the time of the login.
    pub validity: Option<u64>,
    /// The lines, in the order of the file.
    pub lines: Vec<LineAsRead<'b>>,
    /// Lines that are none, or not whole.
    pub bad_lines: usize,
    /// Why there are no lines, where there should be.
    pub fault: Option<ListFault>,
}

/// One message of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineAsRead<'b> {
    /// The name of its file, flags and all.
    pub name: &'b [u8],
    /// What LIST says, right or wrong.
    pub size: u64,
    /// Its UIDL.
    pub uidl: Numbers,
    /// As in [`super::SizeLine::utf8`].
    pub utf8: bool,
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

impl Default for AsRead<'_> {
    /// What Courier takes where there is no list.
    fn default() -> Self {
        Self {
            next: 1,
            validity: None,
            lines: Vec::new(),
            bad_lines: 0,
            fault: None,
        }
    }
}

impl<'b> AsRead<'b> {
    /// Reads a list. Of one that is no list, or of a version that is not known, as many numbers of
    /// the header count as can be read.
    pub fn of(bytes: &'b [u8]) -> Self {
        let mut list = Self::default();
        let (header, rest) = match memchr::memchr(b'\n', bytes) {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (bytes, &b""[..]),
        };
        let Some(version) = list.read_header(header) else {
            list.fault = Some(ListFault::NoHeader);
            return list;
        };
        if !(2..=3).contains(&version) {
            list.fault = Some(ListFault::Version);
            return list;
        }
        let whole = memchr::memrchr(b'\n', rest).map_or(0, |end| end + 1);
        list.bad_lines += usize::from(whole < rest.len());
        let rows = rest[..whole].split(|byte| *byte == b'\n');
        for row in rows.filter(|row| !row.is_empty()) {
            match LineAsRead::parse(&row[..row.len().min(LINE_LIMIT)]) {
                Some(line) => list.lines.push(line),
                None => list.bad_lines += 1,
            }
        }
        list
    }

    /// The version, if the next number is there too.
    fn read_header(&mut self, header: &[u8]) -> Option<u64> {
        let mut numbers = Scan(header.strip_prefix(b"/")?);
        let version = numbers.number()?;
        self.next = numbers.number()?;
        self.validity = numbers.number();
        Some(version)
    }
}

impl<'b> LineAsRead<'b> {
    fn parse(row: &'b [u8]) -> Option<Self> {
        let last = memchr::memrchr(b' ', row)?;
        let before = memchr::memrchr(b' ', &row[..last])?;
        let name = &row[..before];
        // Courier appends ":0" to every line, so that a line of version 2 is whole.
        let numbers = [&row[before + 1..], b":0"].concat();
        let mut numbers = Scan(&numbers);
        let size = numbers.number()?;
        let n = numbers.number()?;
        let v = numbers.after(b':')?.number()?;
        let utf8 = numbers.after(b':')?.number()? != 0;
        let name = memchr::memrchr(b'/', name).map_or(name, |at| &name[at + 1..]);
        (!row[..before].is_empty()).then_some(Self {
            name,
            size,
            uidl: Numbers { n, v },
            utf8,
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
