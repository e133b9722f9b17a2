//! Courier's courierpop3d: UIDLs and sizes by its `courierpop3dsizelist`, the order by file names
//! (`imap/pop3dserver`).

use std::collections::HashMap;

use super::doubt::{CourierDoubt, Doubt, Sample};
use super::maildrop::{Maildrop, base};
use super::{Expected, Listing, Octets};
use crate::mail::courier::order::NameKey;
use crate::mail::courier::sizelist::{AsRead, LineAsRead, Numbers};

/// What Courier lists when somebody logs in at `now`.
pub(super) fn list(maildrop: &Maildrop, now: i64) -> Listing {
    let bytes = maildrop.controls.courier_size_list.as_deref();
    let sizes = bytes.map(AsRead::of).unwrap_or_default();
    let is_missed = bytes.is_none() && !maildrop.files.is_empty();
    let mut doubts: Vec<Doubt> = Vec::new();
    doubts.extend(is_missed.then_some(CourierDoubt::NoSizeList.into()));
    let fault = sizes.fault.map(CourierDoubt::BrokenSizeList);
    doubts.extend(fault.map(Doubt::Courier));
    if sizes.bad_lines > 0 {
        doubts.push(CourierDoubt::BadLines(sizes.bad_lines).into());
    }
    let lines = by_name(&sizes, &mut doubts);
    let files = in_order(maildrop, &mut doubts);
    let entries = entries(&files, lines, &sizes, now, &mut doubts);
    Listing { entries, doubts }
}

/// The lines of a list by what Courier knows their files again by. Of several for one the last counts.
fn by_name<'s>(
    sizes: &'s AsRead<'_>,
    doubts: &mut Vec<Doubt>,
) -> HashMap<NameKey<'s>, &'s LineAsRead<'s>> {
    let mut lines = HashMap::with_capacity(sizes.lines.len());
    let mut doubled = Vec::new();
    for line in &sizes.lines {
        if lines.insert(NameKey::of(line.name), line).is_some() {
            doubled.push(base(line.name));
        }
    }
    let doubled = Sample::of(&doubled).map(CourierDoubt::SizesForOneName);
    doubts.extend(doubled.map(Doubt::Courier));
    lines
}

/// The files in Courier's order, each with its index.
fn in_order<'m>(maildrop: &'m Maildrop, doubts: &mut Vec<Doubt>) -> Vec<(NameKey<'m>, usize)> {
    let files = maildrop.files.iter().zip(0..);
    let mut files: Vec<(NameKey<'_>, usize)> = files
        .map(|(file, index)| match file.in_new {
            true => (NameKey::moved(&file.name), index),
            false => (NameKey::of(&file.name), index),
        })
        .collect();
    files.sort();
    let same: Vec<&[u8]> = files
        .array_windows()
        .filter(|[one, other]| one.0 == other.0)
        .map(|[_, other]| other.0.base)
        .collect();
    doubts.extend(Sample::of(&same).map(Doubt::SameName));
    files
}

/// What is listed: a file has the UIDL and the size of its line, or gets the next number and is read.
fn entries<'n>(
    files: &[(NameKey<'n>, usize)],
    mut lines: HashMap<NameKey<'n>, &LineAsRead<'_>>,
    sizes: &AsRead<'_>,
    now: i64,
    doubts: &mut Vec<Doubt>,
) -> Vec<Expected> {
    let validity = sizes.validity.unwrap_or(now.cast_unsigned());
    let mut next = sizes.next;
    let mut new = 0;
    let mut entries = Vec::with_capacity(files.len());
    for (key, index) in files {
        let (numbers, octets) = match lines.remove(key) {
            Some(line) => (line.uidl, Octets::Known(line.size)),
            None => {
                let numbers = Numbers {
                    n: next,
                    v: validity,
                };
                next = next.wrapping_add(1);
                new += 1;
                (numbers, Octets::EachLf)
            }
        };
        entries.push(Expected {
            file: *index,
            uidl: numbers.of_file(key.base).into_bytes().into(),
            octets,
        });
    }
    if new > 0 {
        if sizes.validity.is_none() {
            doubts.push(CourierDoubt::NumbersOfTheClock(validity).into());
        }
        let last = next.wrapping_sub(1);
        doubts.push(CourierDoubt::NewNumbers(new, sizes.next, last).into());
    }
    if !lines.is_empty() {
        doubts.push(Doubt::LinesWithoutFile(lines.len()));
    }
    entries
}
