//! `dovecot-uidlist` as a plain value: read, change, write (Dovecot 2.3 and 2.4,
//! `maildir-uidlist.c`; version 3, and version 1 on reading).

mod as_read;

use std::io::{self, Write};

use super::{Uid, UidValidity};

pub use as_read::{AsRead, Head, LineAsRead};

/// The whole list of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidList {
    /// `V`.
    pub validity: UidValidity,
    /// `N`: the UID that the next new message gets.
    pub next_uid: u32,
    /// `G`: the mailbox GUID, 32 hex digits.
    pub guid: Option<String>,
    /// Header fields that we do not know, kept as they were.
    pub other: Vec<String>,
    /// A line a message, ascending by UID.
    pub lines: Vec<UidLine>,
}

/// One message of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidLine {
    /// Its UID.
    pub uid: Uid,
    /// Its fields as they stand, `P.. O.. W..`, separated by single spaces; may be empty. Fields
    /// that we do not know are kept with the others.
    pub fields: Box<str>,
    /// Its base name, as on disk up to the `:`.
    pub name: Box<str>,
}

/// Why a file is no usable list: what is wrong, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct UidListFault {
    line: usize,
    what: &'static str,
}

impl UidLine {
    /// The value of field `key`.
    pub fn field(&self, key: char) -> Option<&str> {
        self.fields
            .split(' ')
            .find_map(|field| field.strip_prefix(key))
    }

    /// Sets field `key`, or takes it away; the others stay as they are.
    pub fn set_field(&mut self, key: char, value: Option<&str>) {
        let kept = self
            .fields
            .split(' ')
            .filter(|field| !field.is_empty() && !field.starts_with(key))
            .map(str::to_owned);
        let fields: Vec<String> = value
            .map(|value| format!("{key}{value}"))
            .into_iter()
            .chain(kept)
            .collect();
        self.fields = fields.join(" ").into();
    }
}

impl UidList {
    /// An empty list.
    pub fn new(validity: UidValidity, next_uid: u32, guid: String) -> Self {
        Self {
            validity,
            next_uid,
            guid: Some(guid),
            other: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The same header, without lines.
    #[must_use]
    pub fn clone_head(&self) -> Self {
        Self {
            validity: self.validity,
            next_uid: self.next_uid,
            guid: self.guid.clone(),
            other: self.other.clone(),
            lines: Vec::new(),
        }
    }

    /// Whether `other` is this list with more in it: nothing is lost or changed.
    pub fn is_extended_by(&self, other: &Self) -> bool {
        let mut lines = other.lines.iter();
        let all_there = self
            .lines
            .iter()
            .all(|line| lines.any(|other| other == line));
        self.validity == other.validity && self.next_uid <= other.next_uid && all_there
    }

    /// Reads a list as Dovecot does ([`AsRead`]): a last line without its LF does not count, of two
    /// lines with one name the last wins.
    ///
    /// # Errors
    /// Where Dovecot would give up and number messages anew: a broken header, UIDs that do not
    /// ascend, a name with `/`. Bytes that are not UTF-8 are a fault too: no name or UIDL of ours
    /// holds them.
    pub fn parse(bytes: &[u8]) -> Result<Self, UidListFault> {
        let read = AsRead::of(bytes);
        if let Some(fault) = read.fault {
            return Err(fault);
        }
        let fault = |line| UidListFault {
            line,
            what: "it is not UTF-8",
        };
        let text = |bytes, line| std::str::from_utf8(bytes).map_err(|_| fault(line));
        let head = read.head.ok_or(fault(1))?;
        let mut list = Self {
            validity: head.validity,
            next_uid: head.next_uid,
            guid: match head.guid {
                Some(guid) => Some(text(guid, 1)?.to_owned()),
                None => None,
            },
            other: Vec::with_capacity(head.other.len()),
            lines: Vec::with_capacity(read.lines.len()),
        };
        for field in head.other {
            list.other.push(text(field, 1)?.to_owned());
        }
        for (number, line) in (2..).zip(&read.lines) {
            if line.name.is_empty() {
                return Err(UidListFault {
                    line: number,
                    what: "its name is no file name",
                });
            }
            list.lines.push(UidLine {
                uid: Uid::new(line.uid).ok_or(fault(number))?,
                fields: text(line.fields, number)?.trim_end_matches(' ').into(),
                name: text(line.name, number)?.into(),
            });
        }
        Ok(list)
    }

    /// Writes the list as version 3.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "3 V{} N{}", self.validity, self.next_uid)?;
        if let Some(guid) = &self.guid {
            write!(out, " G{guid}")?;
        }
        for field in &self.other {
            write!(out, " {field}")?;
        }
        out.write_all(b"\n")?;
        for line in &self.lines {
            let gap = if line.fields.is_empty() { "" } else { " " };
            writeln!(out, "{} {}{gap}:{}", line.uid, line.fields, line.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(list: &UidList) -> String {
        let mut out = Vec::new();
        list.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_dovecot_wrote_comes_back_unchanged() {
        let text = "3 V1294690616 N500 G0123456789abcdef0123456789abcdef Xkept\n\
                    429 P1294690616.429 O1 :1500000001.M1P1.src,S=30,W=34\n\
                    430 P O2 W34 Zmore :1294690616.M2.src\n\
                    431 :plain\n";
        let list = UidList::parse(text.as_bytes()).unwrap();
        assert_eq!(written(&list), text);
        assert_eq!(list.lines[0].field('P'), Some("1294690616.429"));
        assert_eq!(list.lines[1].field('P'), Some(""));
        assert_eq!(list.lines[2].field('P'), None);
    }

    #[test]
    fn a_changed_field_leaves_the_others() {
        let mut line = UidList::parse(b"3 V1 N9\n4 Pold W34 Zmore :x\n")
            .unwrap()
            .lines
            .remove(0);
        line.set_field('P', Some("new:1"));
        line.set_field('O', Some("7"));
        assert_eq!(&*line.fields, "O7 Pnew:1 W34 Zmore");
        line.set_field('W', None);
        assert_eq!(&*line.fields, "O7 Pnew:1 Zmore");
    }

    #[test]
    fn odd_lists_are_read_as_dovecot_reads_them() {
        let ok = |text: &str| UidList::parse(text.as_bytes()).map(|list| written(&list));
        let broken = |line, what| Err(UidListFault { line, what });
        for (text, want) in [
            // A last line without LF is not there.
            ("3 V1 N5\n1 :a\n2 :b", Ok("3 V1 N5\n1 :a\n")),
            // N is raised above the last UID.
            ("3 N2 V1\n7 :a\n", Ok("3 V1 N8\n7 :a\n")),
            // Flags in a name do not count; the last of two lines with one name wins.
            ("3 V1 N5\n1 :a:2,S\n2 P9 :a\n", Ok("3 V1 N5\n2 P9 :a\n")),
            // Version 1, as Courier and old Dovecot write it.
            ("1 77 12\n3 name,S=3\n", Ok("3 V77 N12\n3 :name,S=3\n")),
            (
                "3 V1 N5\n2 :a\n2 :b\n",
                broken(3, "its UID is not above the one before"),
            ),
            ("3 V1 N5\n2 :../a\n", broken(2, "its name is no file name")),
            ("3 V1 N5\nx\n", broken(2, "it is no uid, fields and name")),
            ("3 V0 N5\n", broken(1, "the header makes no sense")),
            ("3 V1\n", broken(1, "the header makes no sense")),
            ("2 V1 N5\n", broken(1, "the header makes no sense")),
            ("", broken(1, "the header is missing")),
        ] {
            assert_eq!(ok(text), want.map(str::to_owned), "{text:?}");
        }
        assert!(UidList::parse(b"3 V1 N5\n2 :\xff\n").is_err());
    }
}
