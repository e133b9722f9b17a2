//! `courierimapuiddb` (courier-imap, `imapscanclient.c`): `1 UIDVALIDITY UIDNEXT`, then a line of UID
//! and base name for each message, in any order.

use std::collections::HashSet;
use std::io::{self, Write};

use crate::mail::{Uid, UidLine, UidLines, UidList, UidValidity};

/// What Courier has in memory after it has read the file. Borrows from its bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AsRead<'b> {
    /// UIDVALIDITY and UIDNEXT as they stand; `None`: the first line makes no sense, and Courier begins
    /// anew, under another UIDVALIDITY.
    pub head: Option<(UidValidity, u32)>,
    /// UIDs and base names, in the order of the file, each name once.
    pub lines: Vec<(Uid, &'b str)>,
    /// Names that had more than one line, once for each line that does not count.
    pub doubled: Vec<&'b str>,
    /// Lines that make no sense, or have no LF, and are passed over.
    pub bad_lines: usize,
}

impl<'b> AsRead<'b> {
    /// Reads the file: a line that makes no sense is passed over, a last line without its LF is not
    /// there. Which of two lines for one name Courier finds hangs on the number of lines: here it is the
    /// first. Held against a real Courier in `tests/all/uidl/courier_uids.rs`.
    pub fn of(bytes: &'b [u8]) -> Self {
        let mut read = Self::default();
        let whole = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        read.bad_lines += usize::from(whole < bytes.len());
        // Names that are not UTF-8 are not ours; as they cannot be kept, their messages get new UIDs.
        let mut rows = bytes[..whole.saturating_sub(1)].split(|byte| *byte == b'\n');
        read.head = rows.next().and_then(head);
        if read.head.is_none() {
            return read;
        }
        let mut known = HashSet::new();
        for row in rows {
            match line(row) {
                None => read.bad_lines += 1,
                Some((_, name)) if !known.insert(name) => read.doubled.push(name),
                Some(line) => read.lines.push(line),
            }
        }
        read
    }
}

fn head(row: &[u8]) -> Option<(UidValidity, u32)> {
    let mut numbers = std::str::from_utf8(row).ok()?.split_ascii_whitespace();
    if numbers.next()? != "1" {
        return None;
    }
    let validity = UidValidity::new(numbers.next()?.parse().ok()?)?;
    let next_uid = numbers.next()?.parse().ok().filter(|next| *next > 0)?;
    Some((validity, next_uid))
}

fn line(row: &[u8]) -> Option<(Uid, &str)> {
    let (uid, name) = std::str::from_utf8(row).ok()?.split_once(' ')?;
    let name = name.split(':').next().filter(|name| !name.is_empty())?;
    Some((Uid::new(uid.parse().ok()?)?, name))
}

/// Reads the file as Courier does ([`AsRead`]), as a list that can be written again: UIDs ascend, each is
/// there once, and UIDNEXT is above them. `None` where the first line makes no sense.
pub fn parse(bytes: &[u8]) -> Option<UidList> {
    let read = AsRead::of(bytes);
    let (validity, next_uid) = read.head?;
    let mut lines = read.lines;
    let last = lines.iter().map(|(uid, _)| uid.value()).max();
    lines.sort_unstable();
    lines.dedup_by_key(|(uid, _)| *uid);
    let lines = lines.into_iter().map(|(uid, name)| UidLine {
        uid,
        fields: Box::default(),
        name: name.into(),
    });
    Some(UidList {
        validity,
        next_uid: next_uid.max(last.unwrap_or(0).saturating_add(1)),
        guid: None,
        other: Vec::new(),
        lines: UidLines::from_iter(lines),
    })
}

/// Writes UIDVALIDITY, UIDNEXT and the UIDs of `list`.
///
/// # Errors
/// Those of `out`.
pub fn write(list: &UidList, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "1 {} {}", list.validity, list.next_uid)?;
    for line in list.lines.iter() {
        writeln!(out, "{} {}", line.uid, line.name)?;
    }
    Ok(())
}

/// Whether two lists say the same to Courier.
pub fn is_same(one: &UidList, other: &UidList) -> bool {
    let lines = |list: &UidList| list.lines.len();
    let mut pairs = one.lines.iter().zip(other.lines.iter());
    one.validity == other.validity
        && one.next_uid == other.next_uid
        && lines(one) == lines(other)
        && pairs.all(|(one, other)| one.uid == other.uid && one.name == other.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_courier_reads_it() {
        let text = |bytes: &[u8]| {
            parse(bytes).map(|list| {
                let mut out = Vec::new();
                write(&list, &mut out).unwrap();
                String::from_utf8(out).unwrap()
            })
        };
        for (file, want) in [
            (
                "1 795327086 500\n1 a\n2 b,S=3\n",
                Some("1 795327086 500\n1 a\n2 b,S=3\n"),
            ),
            // In any order; UIDNEXT is never below a UID; flags do not count.
            ("1 7 2\n9 b:2,S\n3 a\n", Some("1 7 10\n3 a\n9 b\n")),
            // Lines without sense, and a last one that was being written.
            ("1 7 9\nx\n4\n0 a\n5 \n3 a b\n4 c", Some("1 7 9\n3 a b\n")),
            // Two messages cannot have one UID; of two lines with one name the first counts.
            ("1 7 9\n3 b\n3 a\n4 c\n5 c\n", Some("1 7 9\n3 a\n4 c\n")),
            ("2 7 9\n3 a\n", None),
            ("1 0 9\n", None),
            ("1 7\n", None),
            ("", None),
        ] {
            assert_eq!(text(file.as_bytes()).as_deref(), want, "{file:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_it_is_told() {
        for (file, head, lines, doubled, bad_lines) in [
            ("1 7 9\n3 a\n3 b\n", true, 2, 0, 0),
            ("1 7 9\n3 a\n4 a\nx\n5 c", true, 1, 1, 2),
            ("1 7 9", false, 0, 0, 1),
            ("2 7 9\n3 a\n", false, 0, 0, 0),
            ("", false, 0, 0, 0),
        ] {
            let read = AsRead::of(file.as_bytes());
            let is = (read.head.is_some(), read.lines.len(), read.doubled.len());
            assert_eq!(is, (head, lines, doubled), "{file:?}");
            assert_eq!(read.bad_lines, bad_lines, "{file:?}");
        }
    }
}
