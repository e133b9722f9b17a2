//! `courierimapuiddb` (courier-imap, `imapscanclient.c`): `1 UIDVALIDITY UIDNEXT`, then a line of UID
//! and base name for each message, in any order.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::mail::{Uid, UidLine, UidLines, UidList, UidValidity};

/// Reads the file as Courier does: a line that makes no sense is passed over, a last line without its
/// LF is not there. `None` where the first line makes no sense: Courier begins anew then, under
/// another UIDVALIDITY.
pub fn parse(bytes: &[u8]) -> Option<UidList> {
    let end = memchr::memrchr(b'\n', bytes)?;
    // Names that are not UTF-8 are not ours; as they cannot be kept, their messages get new UIDs.
    let mut rows = bytes[..end].split(|byte| *byte == b'\n');
    let header = std::str::from_utf8(rows.next()?).ok()?;
    let mut numbers = header.split_ascii_whitespace();
    if numbers.next()? != "1" {
        return None;
    }
    let validity = UidValidity::new(numbers.next()?.parse().ok()?)?;
    let next_uid: u32 = numbers.next()?.parse().ok().filter(|next| *next > 0)?;
    let mut by_name: HashMap<&str, Uid> = HashMap::new();
    let mut last = 0;
    for row in rows {
        let parsed = std::str::from_utf8(row).ok().and_then(|row| {
            let (uid, name) = row.split_once(' ')?;
            let name = name.split(':').next().filter(|name| !name.is_empty())?;
            Some((Uid::new(uid.parse().ok()?)?, name))
        });
        let Some((uid, name)) = parsed else { continue };
        last = last.max(uid.value());
        by_name.insert(name, uid);
    }
    let mut lines: Vec<UidLine> = by_name
        .into_iter()
        .map(|(name, uid)| UidLine {
            uid,
            fields: Box::default(),
            name: name.into(),
        })
        .collect();
    lines.sort_by(|a, b| (a.uid, &a.name).cmp(&(b.uid, &b.name)));
    lines.dedup_by_key(|line| line.uid);
    Some(UidList {
        validity,
        next_uid: next_uid.max(last.saturating_add(1)),
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
            // Two messages cannot have one UID; of two lines with one name the last counts.
            ("1 7 9\n3 b\n3 a\n4 c\n5 c\n", Some("1 7 9\n3 a\n5 c\n")),
            ("2 7 9\n3 a\n", None),
            ("1 0 9\n", None),
            ("1 7\n", None),
            ("", None),
        ] {
            assert_eq!(text(file.as_bytes()).as_deref(), want, "{file:?}");
        }
    }
}
