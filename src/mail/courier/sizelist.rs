//! `courierpop3dsizelist` (courier-imap, `pop3dserver.c`): the POP3 sizes and UIDLs of INBOX.
//!
//! ```text
//! /3 <next> <uidv>
//! <file name> <size> <n>:<v>:<utf8>
//! ```
//!
//! The UIDL of a line is `UID<n>-<v>`, without `-<v>` where v is 0; where n is 0, it is the file name
//! up to its `:`. A file without a line gets `<next>` and `<uidv>`.

mod as_read;

use std::io::{self, Write};

use crate::mail::Uidl;

pub use as_read::{AsRead, LineAsRead, ListFault};

/// The whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeList {
    /// The n that the next new message gets.
    pub next: u64,
    /// The v that new messages get.
    pub uidv: u64,
    /// A line a message.
    pub lines: Vec<SizeLine>,
}

/// One message of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeLine {
    /// Its base name.
    pub name: Box<str>,
    /// Whether the name goes on with `:2,` on disk: Courier compares so far.
    pub has_suffix: bool,
    /// What LIST says, in octets: it is believed.
    pub size: u64,
    /// Its UIDL.
    pub uidl: Numbers,
    /// Whether its headers hold bytes that are not ASCII. Courier sends a substitute for such a message
    /// to clients that do not speak RFC 6856; with `false` it sends the message as it is.
    pub utf8: bool,
}

/// How a line says its UIDL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Numbers {
    /// 0: the UIDL is the file name.
    pub n: u64,
    /// 0: the UIDL has no second number.
    pub v: u64,
}

/// The UIDL is the file name.
pub const BY_NAME: Numbers = Numbers { n: 0, v: 0 };

impl Numbers {
    /// The numbers that say `uidl`, if it is of this form.
    pub fn of(uidl: &str) -> Option<Self> {
        let digits = uidl.strip_prefix("UID")?;
        let (n, v) = match digits.split_once('-') {
            Some((n, v)) => (n, Some(v)),
            None => (digits, None),
        };
        let numbers = Self {
            n: canonical(n)?,
            v: v.map_or(Some(0), canonical)?,
        };
        (v.is_none() || numbers.v > 0).then_some(numbers)
    }

    /// The UIDL of the message in a file of this base name (`print_uidl`).
    pub fn of_file(self, name: &[u8]) -> String {
        match self {
            Self { n: 0, .. } => escaped(name),
            Self { n, v: 0 } => format!("UID{n}"),
            Self { n, v } => format!("UID{n}-{v}"),
        }
    }
}

/// A positive number as `printf` writes it.
fn canonical(digits: &str) -> Option<u64> {
    let value: u64 = digits.parse().ok().filter(|value| *value > 0)?;
    (value.to_string() == digits).then_some(value)
}

/// A name as UIDL: what is not RFC 1939's, and `'`, `"` and `+`, as `+` and two hex digits.
fn escaped(name: &[u8]) -> String {
    let mut uidl = String::with_capacity(name.len());
    for byte in name.iter().copied() {
        match byte {
            b'\'' | b'"' | b'+' => uidl.push_str(&format!("+{byte:02X}")),
            0x21..=0x7e => uidl.push(char::from(byte)),
            _ => uidl.push_str(&format!("+{byte:02X}")),
        }
    }
    uidl
}

impl SizeList {
    /// Reads the list as Courier does ([`AsRead`]), but for names that are not UTF-8 and cannot be kept.
    /// `None` where the first line makes no sense: Courier begins anew then.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let read = AsRead::of(bytes);
        let uidv = read.validity.filter(|_| read.fault.is_none())?;
        let lines = read.lines.iter().filter_map(|line| {
            let name = std::str::from_utf8(line.name).ok()?;
            let base = name.split(':').next().filter(|base| !base.is_empty())?;
            Some(SizeLine {
                name: base.into(),
                has_suffix: base.len() < name.len(),
                size: line.size,
                uidl: line.uidl,
                utf8: line.utf8,
            })
        });
        Some(Self {
            next: read.next,
            uidv,
            lines: lines.collect(),
        })
    }

    /// Writes the list as version 3.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "/3 {} {}", self.next, self.uidv)?;
        for line in &self.lines {
            let suffix = if line.has_suffix { ":2," } else { "" };
            let Numbers { n, v } = line.uidl;
            let utf8 = u8::from(line.utf8);
            let (name, size) = (&line.name, line.size);
            writeln!(out, "{name}{suffix} {size} {n}:{v}:{utf8}")?;
        }
        Ok(())
    }

    /// Whether two lists say the same of each message, in whatever order.
    pub fn is_same(&self, other: &Self) -> bool {
        let sorted = |list: &Self| {
            let mut lines: Vec<(Box<str>, bool, u64, u64, u64)> = list
                .lines
                .iter()
                .map(|line| {
                    let Numbers { n, v } = line.uidl;
                    (line.name.clone(), line.has_suffix, line.size, n, v)
                })
                .collect();
            lines.sort_unstable();
            lines
        };
        (self.next, self.uidv) == (other.next, other.uidv)
            && self.lines.len() == other.lines.len()
            && sorted(self) == sorted(other)
    }
}

/// The base name of the file that Courier announces as `uidl`: what it would escape is unescaped.
/// `None` where no name is announced so. Whether a file may have the name is another question.
pub fn name_of(uidl: &Uidl) -> Option<String> {
    let mut name = String::new();
    let mut rest = uidl.as_str();
    while let Some(at) = rest.find(['+', '\'', '"']) {
        name.push_str(&rest[..at]);
        let code = rest.get(at..at + 3)?.strip_prefix('+')?;
        let byte = match code {
            "20" | "22" | "27" | "2B" => u8::from_str_radix(code, 16).ok()?,
            // No name of ours has control characters, or bytes outside ASCII.
            _ => return None,
        };
        name.push(char::from(byte));
        rest = &rest[at + 3..];
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_courier_reads_it_and_written_as_version_3() {
        let text = |file: &str| {
            SizeList::parse(file.as_bytes()).map(|list| {
                let mut out = Vec::new();
                list.write_to(&mut out).unwrap();
                String::from_utf8(out).unwrap()
            })
        };
        for (file, want) in [
            (
                "/3 7 123\na:2, 10 1:5:0\nb 3 0:0:1\n",
                Some("/3 7 123\na:2, 10 1:5:0\nb 3 0:0:1\n"),
            ),
            // Flags do not count; names may hold spaces; the last line was being written.
            (
                "/3 7 123\na b:2,FS 10 1:5:0\nc:2, 3 0:0:1",
                Some("/3 7 123\na b:2, 10 1:5:0\n"),
            ),
            ("/2 7 123\na:2, 10 1:5\n", Some("/3 7 123\na:2, 10 1:5:0\n")),
            (
                "/3 7 123\nx\na 1\nb 1 2\nc 1 2:3\n 1 2:3:0\n",
                Some("/3 7 123\nc 1 2:3:0\n"),
            ),
            ("/1 7 123\n", None),
            ("/3 7\n", None),
            ("3 7 1\n", None),
            ("", None),
        ] {
            assert_eq!(text(file).as_deref(), want, "{file:?}");
        }
    }

    #[test]
    fn uidls_are_numbers_or_names() {
        for (uidl, want) in [
            ("UID5-7", Some((5, 7))),
            ("UID5", Some((5, 0))),
            ("UID18446744073709551615-1", Some((u64::MAX, 1))),
            ("UID18446744073709551616-1", None),
            ("UID5-", None),
            ("UID5-0", None),
            ("UID0-7", None),
            ("UID05-7", None),
            ("UID+5-7", None),
            ("UID5-7-1", None),
            ("uid5-7", None),
        ] {
            let got = Numbers::of(uidl);
            assert_eq!(got.map(|it| (it.n, it.v)), want, "{uidl}");
            if let Some(numbers) = got {
                assert_eq!(numbers.of_file(b"x"), uidl);
            }
        }
        assert_eq!(BY_NAME.of_file(b"abc!\"+' x"), "abc!+22+2B+27+20x");
        for (uidl, want) in [
            ("1294690616.429", Some("1294690616.429")),
            ("abc!+22+2B+27+20x", Some("abc!\"+' x")),
            ("a+b", None),
            ("a+2b", None),
            ("a+41", None),
            ("a+0A", None),
            ("a+", None),
            ("a+é", None),
            ("a'b", None),
            ("a\"b", None),
        ] {
            let Ok(parsed) = Uidl::parse(uidl.as_bytes()) else {
                assert_eq!(want, None, "{uidl}");
                continue;
            };
            let name = name_of(&parsed);
            assert_eq!(name.as_deref(), want, "{uidl}");
            if let Some(name) = name {
                assert_eq!(BY_NAME.of_file(name.as_bytes()), uidl);
            }
        }
    }

    #[test]
    fn lists_are_the_same_in_any_order() {
        let list = |text: &str| SizeList::parse(text.as_bytes()).unwrap();
        let one = list("/3 7 1\na:2, 1 1:1:0\nb:2, 2 2:1:0\n");
        for (other, want) in [
            ("/3 7 1\nb:2,S 2 2:1:1\na:2, 1 1:1:0\n", true),
            ("/3 8 1\na:2, 1 1:1:0\nb:2, 2 2:1:0\n", false),
            ("/3 7 1\na:2, 1 1:1:0\n", false),
            ("/3 7 1\na:2, 1 1:1:0\nb 2 2:1:0\n", false),
            ("/3 7 1\na:2, 1 1:1:0\nb:2, 3 2:1:0\n", false),
        ] {
            assert_eq!(one.is_same(&list(other)), want, "{other}");
        }
    }
}
