//! The order of names in which Dovecot gives UIDs to files without a line
//! (`maildir_filename_sort_cmp`).

use crate::announce::maildrop::{MailFile, base};

/// A file, by what its name is ordered.
struct Named<'m> {
    /// The leading number, of which Dovecot compares 32 bits.
    seconds: u32,
    /// The number after the `M` in the second dot-part, where there is an `M`; 32 bits.
    micros: Option<u32>,
    /// The rest of the base name behind the leading number, and what ends it, as C's signed characters.
    rest: Vec<i8>,
    index: usize,
    file: &'m MailFile,
}

impl<'m> Named<'m> {
    fn of(index: usize, file: &'m MailFile) -> Self {
        let name = &*file.name;
        let (seconds, digits) = number(name);
        let rest = &name[digits..];
        let base = base(rest);
        let end = rest.get(base.len()).copied().unwrap_or(0);
        let signed = base.iter().copied().chain([end]).map(u8::cast_signed);
        Self {
            seconds,
            micros: micros(base),
            rest: signed.collect(),
            index,
            file,
        }
    }

    fn bare_rest(&self) -> &[i8] {
        self.rest.split_last().map_or(&[], |(_, rest)| rest)
    }
}

/// The number at the beginning of `text` in 32 bits, and how many digits it has.
fn number(text: &[u8]) -> (u32, usize) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..count].iter().fold(0_u32, |value, digit| {
        value.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
    });
    (value, count)
}

fn micros(rest: &[u8]) -> Option<u32> {
    let part = rest.strip_prefix(b".")?;
    let part = part.split(|byte| *byte == b'.').next()?;
    let at = memchr::memchr(b'M', part)?;
    Some(number(&part[at + 1..]).0)
}

/// The files in the order in which they get UIDs: by the leading number, by the number after `M` where
/// both have one, by the rest. Dovecot compares numbers by the sign of their difference in 32 bits,
/// and names with an `M` to others as text: there are sets of names in which that is no order. The
/// files of such sets come second, and are sorted somehow.
pub(super) fn sorted<'m>(
    files: Vec<(usize, &'m MailFile)>,
) -> (Vec<(usize, &'m MailFile)>, Vec<&'m [u8]>) {
    let mut named: Vec<Named<'m>> = files
        .into_iter()
        .map(|(index, file)| Named::of(index, file))
        .collect();
    let mut unclear = Vec::new();
    let seconds = named.iter().map(|named| named.seconds).collect();
    let first = lowest(seconds).unwrap_or_else(|| {
        unclear.extend(named.iter().map(|named| &*named.file.name));
        0
    });
    named.sort_by_key(|named| named.seconds.wrapping_sub(first));
    for second in named.chunk_by_mut(|one, other| one.seconds == other.seconds) {
        if !sort_second(second) && unclear.is_empty() {
            unclear.extend(second.iter().map(|named| &*named.file.name));
        }
    }
    let sorted = named.iter().map(|named| (named.index, named.file));
    (sorted.collect(), unclear)
}

/// Sorts files of one leading number; whether they have an order.
fn sort_second(files: &mut [Named<'_>]) -> bool {
    files.sort_by(|one, other| one.rest.cmp(&other.rest));
    let micros = files.iter().filter_map(|named| named.micros).collect();
    let first = lowest(micros);
    let place = |micros: u32| micros.wrapping_sub(first.unwrap_or(0));
    let mut is_order = first.is_some();
    // Between names without an M, which are compared as text, those with one may change places.
    let mut highest = 0;
    for run in files.chunk_by_mut(|one, other| one.micros.is_some() == other.micros.is_some()) {
        run.sort_by_key(|named| named.micros.map(place));
        let mut places = run.iter().filter_map(|named| named.micros).map(place);
        if let Some(lowest) = places.next() {
            is_order &= highest <= lowest;
            highest = places.next_back().unwrap_or(lowest);
        }
    }
    is_order
        && files
            .array_windows()
            .all(|[one, other]| one.micros != other.micros || one.bare_rest() != other.bare_rest())
}

/// The number at which to begin so that each number is less than half of all numbers above it: then
/// comparing by the sign of the difference is an order. `None` where there is none; 0 without numbers.
fn lowest(mut numbers: Vec<u32>) -> Option<u32> {
    const HALF: u32 = 1 << 31;
    numbers.sort_unstable();
    numbers.dedup();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return Some(0);
    };
    if last - first < HALF {
        return Some(*first);
    }
    let mut gaps = numbers.array_windows();
    gaps.find(|[below, above]| above - below > HALF)
        .map(|[_, above]| *above)
}
