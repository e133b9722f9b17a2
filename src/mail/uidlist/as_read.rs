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
    /// Its base name. Empty where a colon begins the name, or where version 1 has none.
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
    /// Reads a list. A last line without its LF is not there; a CR before the LF does not count.
    pub fn of(bytes: &'b [u8]) -> Self {
        let mut list = Self {
            is_unfinished: !bytes.ends_with(b"\n"),
            ..Self::default()
        };
        let whole = memchr::memrchr(b'\n', bytes).map(|end| &bytes[..end]);
        let mut rows = whole.map(|whole| whole.split(|byte| *byte == b'\n'));
        let fault = |line, what| UidListFault { line, what };
        let Some(header) = rows.as_mut().and_then(Iterator::next) else {
            list.fault = Some(fault(1, "the header is missing"));
            return list;
        };
        let Some(head) = Head::of(header) else {
            list.fault = Some(fault(1, "the header makes no sense"));
            return list;
        };
        let mut reader = LineReader::behind(&head);
        for (number, row) in (2..).zip(rows.into_iter().flatten()) {
            match reader.read(row) {
                Ok(line) => list.lines.push(line),
                Err(what) => {
                    list.fault = Some(fault(number, what));
                    break;
                }
            }
        }
        let next_uid = reader.next_uid();
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

/// Reads one line after the other behind a header. A name may come twice.
#[derive(Debug)]
pub(super) struct LineReader {
    version: u8,
    /// `N` as the header has it.
    next_uid: u32,
    last_uid: u32,
}

impl LineReader {
    pub fn behind(head: &Head<'_>) -> Self {
        Self {
            version: head.version,
            next_uid: head.next_uid,
            last_uid: 0,
        }
    }

    /// The next UID, above all that were read so far.
    pub fn next_uid(&self) -> u32 {
        self.next_uid.max(self.last_uid.saturating_add(1))
    }

    /// Reads one line, without its LF. What is broken ends the list.
    pub fn read<'b>(&mut self, row: &'b [u8]) -> Result<LineAsRead<'b>, &'static str> {
        let row = without_line_end(row);
        let digits = row.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = row.split_at(digits);
        // A number too large for Dovecot's 32 bits comes out as another.
        let uid = digits.iter().fold(0_u32, |uid, digit| {
            uid.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
        });
        if uid == 0 || rest.first() != Some(&b' ') {
            return Err("it is no uid, fields and name");
        }
        if uid <= self.last_uid {
            return Err("its UID is not above the one before");
        }
        if uid == u32::MAX {
            return Err("its UID is the highest number, which is none");
        }
        self.last_uid = uid;
        if self.version == 1 && uid >= self.next_uid {
            return Err("its UID is not below the next UID of the header");
        }
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let rest = &rest[blanks..];
        let (fields, name) = if self.version == 1 {
            (&b""[..], rest)
        } else {
            let name = match rest {
                [b':', ..] => Some(0),
                _ => memchr::memmem::find(rest, b" :").map(|at| at + 1),
            };
            let at = name.ok_or("it is no uid, fields and name")?;
            (&rest[..at], &rest[at + 1..])
        };
        if self.version != 1 && name.is_empty() {
            return Err("it is no uid, fields and name");
        }
        if name.contains(&b'/') {
            return Err("its name is no file name");
        }
        // A name may carry flags, which do not count.
        let name = memchr::memchr(b':', name).map_or(name, |end| &name[..end]);
        Ok(LineAsRead { uid, fields, name })
    }
}

/// A row as Dovecot's reader of lines gives it: without CR, up to a NUL.
fn without_line_end(row: &[u8]) -> &[u8] {
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    memchr::memchr(0, row).map_or(row, |end| &row[..end])
}

impl<'b> Head<'b> {
    /// Reads the first line, without its LF.
    pub(super) fn of(row: &'b [u8]) -> Option<Self> {
        let row = without_line_end(row);
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

/// A number of 32 bits, as Dovecot takes it: digits alone.
fn number(digits: &[u8]) -> Option<u32> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}
