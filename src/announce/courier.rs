//! Courier's courierpop3d: UIDLs and sizes by its `courierpop3dsizelist`, the order by file names
//! (`imap/pop3dserver`).

use std::collections::HashMap;

use super::doubt::{Doubt, Sample};
use super::maildrop::{Maildrop, base};
use super::{Expected, Listing, Octets};
use crate::mail::courier::order::NameKey;
use crate::mail::courier::sizelist::{AsRead, LineAsRead, Numbers};

/// What Courier lists when somebody logs in at `now`.
pub(super) fn list(maildrop: &Maildrop, now: i64) -> Listing {
    let mut listing = Listing::default();
    let bytes = maildrop.controls.courier_size_list.as_deref();
    let sizes = bytes.map(AsRead::of).unwrap_or_default();
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
    let mut lines: HashMap<NameKey<'_>, &LineAsRead<'_>> =
        HashMap::with_capacity(sizes.lines.len());
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
                (line.uidl.of_file(key.base), Octets::Known(line.size))
            }
            None => {
                let number = next;
                next = next.wrapping_add(1);
                let uidl = Numbers {
                    n: number,
                    v: validity,
                };
                (uidl.of_file(key.base), Octets::EachLf)
            }
        };
        listing.entries.push(Expected {
            file: *index,
            uidl: uidl.into_bytes().into(),
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
