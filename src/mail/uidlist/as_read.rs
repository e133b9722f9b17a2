//! `dovecot-uidlist` as Dovecot reads it, whatever is in it (Dovecot 2.3 and 2.4,
//! `maildir_uidlist_update_read`). What is broken is not read, nor anything behind it.

use std::collections::HashMap;

use super::UidListFault;
use crate::mail::UidValidity;

/// What Dovecot has in memory after it has read a list. Borrows from the bytes of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AsRead<'b> {
    /// The header; `None` where it makes no sense, and then there are no lines.
    pub head: Option<Head<'b>>,
    /// The lines, ascending by UID, each name once.
    pub lines: Vec<LineAsRead<'b>>,
    /// Names that had more than one line, once for each line that does not count.
    pub doubled: Vec<&'b [u8]>,
    /// What it stopped at.
    pub fault: Option<UidListFault>,
    /// Whether there is a last line without its LF. It is not read; and when Dovecot appends to it, the
    /// whole list is lost.
    pub is_unfinished: bool,
}

/// The first line.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'b> {
    /// The form of the lines: 1 or 3.
    pub version: u8,
    /// `V`.
    pub validity: UidValidity,
    /// `N`, raised above every UID that was read.
    pub next_uid: u32,
    /// `G`: the mailbox GUID, 32 hex digits.
    pub guid: Option<&'b [u8]>,
    /// Header fields that are not known.
    pub other: Vec<&'b [u8]>,
}

/// A line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineAsRead<'b> {
    /// Its UID, 1 to 4294967294.
    pub uid: u32,
    /// Its fields as they stand, each with spaces behind it.
    pub fields: &'b [u8],
    /// Its base name. Never empty of bytes but for a colon at its beginning.
    pub name: &'b [u8],
}

impl<'b> LineAsRead<'b> {
    /// The value of field `key`.
    pub fn field(&self, key: u8) -> Option<&'b [u8]> {
        let mut fields = self.fields.split(|byte| *byte == b' ');
        fields.find_map(|field| field.strip_prefix(&[key]))
    }
}

impl<'b> AsRead<'b> {
    /// Reads a list.
    pub fn of(bytes: &'b [u8]) -> Self {
        let (head, mut rows) = match Rows::of(bytes) {
            Ok(read) => read,
            Err(fault) => {
                return Self {
                    fault: Some(fault),
                    ..Self::default()
                };
            }
        };
        let mut list = Self {
            is_unfinished: !bytes.ends_with(b"\n"),
            ..Self::default()
        };
        for line in &mut rows {
            match line {
                Ok(line) => list.lines.push(line),
                Err(fault) => list.fault = Some(fault),
            }
        }
        let next_uid = rows.next_uid();
        list.head = Some(Head { next_uid, ..head });
        list.forget_doubled_names();
        list
    }

    /// Of lines for one name the last one counts.
    fn forget_doubled_names(&mut self) {
        let mut last = HashMap::with_capacity(self.lines.len());
        for line in &self.lines {
            last.insert(line.name, line.uid);
        }
        if last.len() < self.lines.len() {
            let doubled = &mut self.doubled;
            self.lines.retain(|line| {
                let counts = last.get(line.name) == Some(&line.uid);
                if !counts {
                    doubled.push(line.name);
                }
                counts
            });
        }
    }
}

/// The lines of a list one by one, up to the first that is broken. A last line without its LF is not
/// there; a CR before the LF does not count. A name may come twice.
#[derive(Debug)]
pub struct Rows<'b> {
    rest: &'b [u8],
    version: u8,
    /// `N` as the header has it.
    next_uid: u32,
    last_uid: u32,
    /// Of the line read last, the header being the first.
    number: usize,
}

impl<'b> Rows<'b> {
    /// The header of a list, with `N` as it stands there, and the lines behind it.
    ///
    /// # Errors
    /// A header that makes no sense.
    pub fn of(bytes: &'b [u8]) -> Result<(Head<'b>, Self), UidListFault> {
        let broken = |what| UidListFault { line: 1, what };
        let whole = memchr::memrchr(b'\n', bytes).map(|end| &bytes[..=end]);
        let whole = whole.ok_or(broken("the header is missing"))?;
        let (header, rest) = first_row(whole).ok_or(broken("the header is missing"))?;
        let head = Head::of(header).ok_or(broken("the header makes no sense"))?;
        let rows = Self {
            rest,
            version: head.version,
            next_uid: head.next_uid,
            last_uid: 0,
            number: 1,
        };
        Ok((head, rows))
    }

    /// The next UID, above all that were read so far.
    pub fn next_uid(&self) -> u32 {
        self.next_uid.max(self.last_uid.saturating_add(1))
    }
}

impl<'b> Iterator for Rows<'b> {
    type Item = Result<LineAsRead<'b>, UidListFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let (row, rest) = first_row(self.rest)?;
        self.rest = rest;
        self.number += 1;
        let line = LineAsRead::of(row, self.version, &mut self.last_uid, self.next_uid);
        Some(line.map_err(|what| {
            self.rest = &[];
            UidListFault {
                line: self.number,
                what,
            }
        }))
    }
}

/// The first row of whole ones, and those behind it.
fn first_row(rows: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', rows)?;
    Some((row(&rows[..end]), &rows[end + 1..]))
}

/// A row as Dovecot's reader of lines gives it: without CR, up to a NUL.
fn row(row: &[u8]) -> &[u8] {
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    memchr::memchr(0, row).map_or(row, |end| &row[..end])
}

impl<'b> Head<'b> {
    fn of(row: &'b [u8]) -> Option<Self> {
        let (version, mut rest) = row.split_at_checked(2)?;
        let (mut validity, mut next_uid, mut guid) = (None, None, None);
        let mut other = Vec::new();
        if version == b"3 " && rest.first() == Some(&b' ') {
            // Dovecot takes this blank for a key, and the first field for its value.
            let end = memchr::memchr(b' ', &rest[1..]).map_or(rest.len(), |end| end + 1);
            rest = &rest[end..];
        }
        let mut words = rest
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        match version {
            b"1 " => {
                validity = words.next().and_then(number);
                next_uid = words.next().and_then(number);
            }
            b"3 " => {
                for word in words {
                    let (key, value) = word.split_first()?;
                    match key {
                        b'V' => validity = Some(number(value)?),
                        b'N' => next_uid = Some(number(value)?),
                        b'G' => {
                            let is_hex = value.iter().all(u8::is_ascii_hexdigit);
                            guid = Some(value).filter(|_| is_hex && value.len() == 32);
                            guid?;
                        }
                        _ => other.push(word),
                    }
                }
            }
            _ => return None,
        }
        Some(Self {
            version: version[0] - b'0',
            validity: UidValidity::new(validity?)?,
            next_uid: next_uid.filter(|next| *next > 0)?,
            guid,
            other,
        })
    }
}

impl<'b> LineAsRead<'b> {
    /// Reads one line. `last_uid` is the UID before it, and becomes its own as soon as that counts.
    fn of(
        row: &'b [u8],
        version: u8,
        last_uid: &mut u32,
        next_uid: u32,
    ) -> Result<Self, &'static str> {
        let digits = row.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = row.split_at(digits);
        // A number too large for Dovecot's 32 bits comes out as another.
        let uid = digits.iter().fold(0_u32, |uid, digit| {
            uid.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
        });
        if uid == 0 || rest.first() != Some(&b' ') {
            return Err("it is no uid, fields and name");
        }
        if uid <= *last_uid {
            return Err("its UID is not above the one before");
        }
        if uid == u32::MAX {
            return Err("its UID is the highest number, which is none");
        }
        *last_uid = uid;
        if version == 1 && uid >= next_uid {
            return Err("its UID is not below the next UID of the header");
        }
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let rest = &rest[blanks..];
        let (fields, name) = if version == 1 {
            (&b""[..], rest)
        } else {
            let name = match rest {
                [b':', ..] => Some(0),
                _ => memchr::memmem::find(rest, b" :").map(|at| at + 1),
            };
            let at = name.ok_or("it is no uid, fields and name")?;
            (&rest[..at], &rest[at + 1..])
        };
        if version != 1 && name.is_empty() {
            return Err("it is no uid, fields and name");
        }
        if name.contains(&b'/') {
            return Err("its name is no file name");
        }
        // A name may carry flags, which do not count.
        let name = memchr::memchr(b':', name).map_or(name, |end| &name[..end]);
        Ok(Self { uid, fields, name })
    }
}

/// A number of 32 bits, as Dovecot takes it: digits alone.
fn number(digits: &[u8]) -> Option<u32> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}
