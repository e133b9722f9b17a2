//! `dovecot-uidlist` as a plain value: read, change, write (Dovecot 2.3 and 2.4,
//! `maildir-uidlist.c`; version 3, and version 1 on reading).

mod as_read;
mod lines;
mod merged;

use std::collections::HashSet;
use std::io::{self, BufRead, Write};

use super::{Places, Uid, UidSet, UidValidity};

use as_read::{Head, LineReader};

pub use as_read::{AsRead, LineAsRead};
pub use lines::UidLines;
pub use merged::{Origin, merged};

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
    pub lines: UidLines,
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
    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let gap = if self.fields.is_empty() { "" } else { " " };
        writeln!(out, "{} {}{gap}:{}", self.uid, self.fields, self.name)
    }

    /// The value of field `key`.
    pub fn field(&self, key: char) -> Option<&str> {
        self.fields
            .split(' ')
            .find_map(|field| field.strip_prefix(key))
    }

    /// Sets field `key`, or takes it away; the others stay as they are.
    pub fn set_field(&mut self, key: char, value: Option<&str>) {
        let room = value.map_or(0, str::len) + self.fields.len() + 2;
        let mut fields = String::with_capacity(room);
        if let Some(value) = value {
            fields.push(key);
            fields.push_str(value);
        }
        let kept = self.fields.split(' ');
        for field in kept.filter(|field| !field.is_empty() && !field.starts_with(key)) {
            if !fields.is_empty() {
                fields.push(' ');
            }
            fields.push_str(field);
        }
        self.fields = fields.into();
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
            lines: UidLines::default(),
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
            lines: UidLines::default(),
        }
    }

    /// This list with `new` lines in it. Of two lines with one UID the new one stays, of two new ones
    /// the first.
    pub fn with<'l>(&'l self, new: &'l UidLines) -> Extended<'l> {
        Extended { list: self, new }
    }

    /// Whether `other` is this list with more in it: nothing is lost or changed.
    pub fn is_extended_by(&self, other: &Extended<'_>) -> bool {
        let mut lines = other.lines();
        let all_there = self
            .lines
            .iter()
            .all(|line| lines.any(|other| other == line));
        let head = other.list;
        self.validity == head.validity && self.next_uid <= head.next_uid && all_there
    }

    /// Reads a list as Dovecot does ([`AsRead`]): a last line without its LF does not count, of two
    /// lines with one name the last wins. It is read line by line: of a million messages it has 50 MB.
    ///
    /// # Errors
    /// Those of `from`. The inner error: Dovecot would give up and number messages anew, for a broken
    /// header, UIDs that do not ascend, or a name with `/`. Bytes that are not UTF-8 are a fault too: no
    /// name or UIDL of ours holds them.
    pub fn read(from: &mut impl BufRead) -> io::Result<Result<Self, UidListFault>> {
        let mut row = Vec::new();
        let mut begun: Option<(Self, LineReader)> = None;
        for number in 1.. {
            row.clear();
            from.read_until(b'\n', &mut row)?;
            let Some((b'\n', row)) = row.split_last() else {
                break;
            };
            let taken = match &mut begun {
                Some((list, reader)) => reader.read(row).and_then(|line| list.take_line(line)),
                None => Self::begin(row).map(|list| begun = Some(list)),
            };
            if let Err(what) = taken {
                return Ok(Err(UidListFault { line: number, what }));
            }
        }
        let Some((mut list, reader)) = begun else {
            let (line, what) = (1, "the header is missing");
            return Ok(Err(UidListFault { line, what }));
        };
        list.next_uid = reader.next_uid();
        list.forget_doubled_names();
        Ok(Ok(list))
    }

    /// [`UidList::read`] of bytes in memory.
    ///
    /// # Errors
    /// Those of the list.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, UidListFault> {
        Self::read(&mut bytes).unwrap_or_else(|_| {
            let (line, what) = (0, "it cannot be read");
            Err(UidListFault { line, what })
        })
    }

    fn begin(header: &[u8]) -> Result<(Self, LineReader), &'static str> {
        let head = Head::of(header).ok_or("the header makes no sense")?;
        let reader = LineReader::behind(&head);
        let other = head.other.into_iter();
        let list = Self {
            validity: head.validity,
            next_uid: head.next_uid,
            guid: head.guid.map(text).transpose()?.map(str::to_owned),
            other: other
                .map(|field| text(field).map(str::to_owned))
                .collect::<Result<_, _>>()?,
            lines: UidLines::default(),
        };
        Ok((list, reader))
    }

    fn take_line(&mut self, line: LineAsRead<'_>) -> Result<(), &'static str> {
        let uid = Uid::new(line.uid).filter(|_| !line.name.is_empty());
        self.lines.push(&UidLine {
            uid: uid.ok_or("its name is no file name")?,
            fields: text(line.fields)?.trim_end_matches(' ').into(),
            name: text(line.name)?.into(),
        });
        Ok(())
    }

    fn forget_doubled_names(&mut self) {
        let names = Places::of(self.lines.iter().map(|line| line.name));
        let mut doubtful: Vec<u32> = names.alike().flatten().collect();
        doubtful.sort_unstable();
        let lines = doubtful.into_iter().rev();
        let mut later = HashSet::new();
        let doubled: UidSet = lines
            .filter_map(|place| self.lines.get(place as usize))
            .filter_map(|line| (!later.insert(line.name)).then_some(line.uid))
            .collect();
        if !doubled.is_empty() {
            self.lines.retain(|line| !doubled.contains(line.uid));
        }
    }

    /// Writes the list as version 3.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_head(out)?;
        self.lines.iter().try_for_each(|line| line.write_to(out))
    }

    fn write_head(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "3 V{} N{}", self.validity, self.next_uid)?;
        if let Some(guid) = &self.guid {
            write!(out, " G{guid}")?;
        }
        for field in &self.other {
            write!(out, " {field}")?;
        }
        out.write_all(b"\n")
    }
}

/// A list with new lines in it, see [`UidList::with`].
#[derive(Debug)]
pub struct Extended<'l> {
    list: &'l UidList,
    new: &'l UidLines,
}

impl Extended<'_> {
    /// The lines, ascending by UID.
    pub fn lines(&self) -> impl Iterator<Item = UidLine> {
        let [new, old] = [self.new, &self.list.lines].map(|lines| lines.uids().iter().copied());
        merged(new.zip(0..), old.zip(0..)).filter_map(|(_, origin)| match origin {
            Origin::First(at) => self.new.get(at as usize),
            Origin::Second(at) => self.list.lines.get(at as usize),
        })
    }

    /// All of it as one list.
    pub fn whole(&self) -> UidList {
        let mut whole = self.list.clone_head();
        whole.lines = self.lines().collect();
        whole
    }

    /// Writes the list as version 3.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.list.write_head(out)?;
        self.lines().try_for_each(|line| line.write_to(out))
    }
}

fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")
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
        assert_eq!(
            list.lines.get(0).unwrap().field('P'),
            Some("1294690616.429")
        );
        assert_eq!(list.lines.get(1).unwrap().field('P'), Some(""));
        assert_eq!(list.lines.get(2).unwrap().field('P'), None);
    }

    #[test]
    fn a_changed_field_leaves_the_others() {
        let mut line = UidList::parse(b"3 V1 N9\n4 Pold W34 Zmore :x\n")
            .unwrap()
            .lines
            .get(0)
            .unwrap();
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
