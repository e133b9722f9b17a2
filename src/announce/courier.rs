//! Courier's courierpop3d: UIDLs and sizes by its `courierpop3dsizelist`, the order by file names
//! (`imap/pop3dserver`).

mod size_list;

use std::cmp::Ordering;
use std::collections::HashMap;

use super::doubt::{Doubt, Sample};
use super::maildrop::{Maildrop, base};
use super::{Expected, Listing, Octets};

pub use size_list::{ListFault, SizeLine, SizeList};

/// What Courier orders messages by, and knows them again by: the number at the beginning of the name,
/// then the bytes up to the `:`, whether there is one or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct NameKey<'n> {
    base: &'n [u8],
    /// Whether a `:` follows.
    has_flags: bool,
}

impl<'n> NameKey<'n> {
    fn of(name: &'n [u8]) -> Self {
        let base = base(name);
        Self {
            base,
            has_flags: base.len() < name.len(),
        }
    }

    /// The key of a file in `new`, which is moved to `cur` with flags at login (`maildir_getnew`).
    fn moved(name: &'n [u8]) -> Self {
        Self {
            base: base(name),
            has_flags: true,
        }
    }

    /// The bytes that are compared, the end of the name too, in C's signed characters.
    fn characters(&self) -> impl Iterator<Item = i8> {
        let end = if self.has_flags { b':' } else { 0 };
        let bytes = self.base.iter().copied().chain([end]);
        bytes.map(u8::cast_signed)
    }
}

impl Ord for NameKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = atol(self.base).cmp(&atol(other.base));
        numbers.then_with(|| self.characters().cmp(other.characters()))
    }
}

impl PartialOrd for NameKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// C's `atol`: blanks, a sign and digits; what does not fit is the largest or smallest number.
fn atol(text: &[u8]) -> i64 {
    let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let number = number.saturating_mul(10);
        if negative {
            number.saturating_sub(digit)
        } else {
            number.saturating_add(digit)
        }
    })
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What Courier lists when somebody logs in at `now`.
pub(super) fn list(maildrop: &Maildrop, now: i64) -> Listing {
    let mut listing = Listing::default();
    let bytes = maildrop.controls.courier_size_list.as_deref();
    let sizes = bytes.map(SizeList::parse).unwrap_or_default();
    if bytes.is_none() && !maildrop.files.is_empty() {
        listing.doubts.push(Doubt::NoSizeList);
    }
    listing
        .doubts
        .extend(sizes.fault.map(Doubt::BrokenSizeList));
    let validity = sizes.validity.unwrap_or(now.cast_unsigned());
    if sizes.bad_lines > 0 {
        listing.doubts.push(Doubt::BadLines(sizes.bad_lines));
    }
    let mut lines: HashMap<NameKey<'_>, &SizeLine<'_>> = HashMap::with_capacity(sizes.lines.len());
    let mut doubled = Vec::new();
    for line in &sizes.lines {
        if lines.insert(NameKey::of(line.name), line).is_some() {
            doubled.push(base(line.name));
        }
    }
    listing
        .doubts
        .extend(Sample::of(&doubled).map(Doubt::SizesForOneName));

    let mut files: Vec<(NameKey<'_>, usize)> = maildrop
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| {
            let key = match file.in_new {
                true => NameKey::moved(&file.name),
                false => NameKey::of(&file.name),
            };
            (key, index)
        })
        .collect();
    files.sort();
    let same: Vec<&[u8]> = files
        .array_windows()
        .filter(|[one, other]| one.0 == other.0)
        .map(|[_, other]| other.0.base)
        .collect();
    listing
        .doubts
        .extend(Sample::of(&same).map(Doubt::SameName));

    let mut next = sizes.next;
    let mut listed = 0;
    for (key, index) in &files {
        let (uidl, octets) = match lines.remove(key) {
            Some(line) => {
                listed += 1;
                (
                    uidl(line.number, line.validity, key.base),
                    Octets::Known(line.size),
                )
            }
            None => {
                let number = next;
                next = next.wrapping_add(1);
                (uidl(number, validity, key.base), Octets::EachLf)
            }
        };
        listing.entries.push(Expected {
            file: *index,
            uidl,
            octets,
        });
    }
    let new = files.len() - listed;
    if new > 0 {
        if sizes.validity.is_none() {
            listing.doubts.push(Doubt::NumbersOfTheClock(validity));
        }
        let last = next.wrapping_sub(1);
        listing
            .doubts
            .push(Doubt::NewNumbers(new, sizes.next, last));
    }
    if !lines.is_empty() {
        listing.doubts.push(Doubt::LinesWithoutFile(lines.len()));
    }
    listing
}

/// The UIDL of a message (`print_uidl`): by numbers, or the name with what is doubtful in it escaped.
fn uidl(number: u64, validity: u64, base: &[u8]) -> Box<[u8]> {
    let text = match (number, validity) {
        (0, _) => base.iter().fold(String::new(), |mut text, byte| {
            match byte {
                b'\'' | b'"' | b'+' => text.push_str(&format!("+{byte:02X}")),
                0x21..=0x7e => text.push(char::from(*byte)),
                _ => text.push_str(&format!("+{byte:02X}")),
            }
            text
        }),
        (number, 0) => format!("UID{number}"),
        (number, validity) => format!("UID{number}-{validity}"),
    };
    text.into_bytes().into()
}
