//! Strings as what stands around their numbers, and the numbers.

/// What strings that differ in their numbers only have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    /// A number of at least so many digits.
    Decimal(usize),
    /// So many digits, two a byte.
    Hex(usize, Case),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Upper,
    Lower,
}

/// In a shape as bytes: here is a number of at least two digits, without leading zeros.
const NUMBER: u8 = 1;
/// A number of as many digits as the next byte says, the first a zero.
const PADDED: u8 = 2;
/// As many upper case hexadecimal digits as the next byte says, an even number.
const UPPER: u8 = 3;
/// The same in lower case.
const LOWER: u8 = 4;

/// So many bytes of hexadecimal digits are a number that may be near another. More are the digest of
/// something, and are near nothing.
const MOST_BYTES: usize = 8;

/// So many numbers of a string are told from those of another one.
const MOST_NUMBERS: usize = 8;

/// The first numbers of a string, each by its place among them. 0 where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Numbers {
    decimal: [u64; MOST_NUMBERS],
    hex: [u64; MOST_NUMBERS],
}

impl Numbers {
    /// From what the number at this place is told, which is of this kind.
    fn decimal(&self, place: usize) -> u64 {
        self.decimal.get(place).copied().unwrap_or(0)
    }

    fn hex(&self, place: usize) -> u64 {
        self.hex.get(place).copied().unwrap_or(0)
    }

    fn set(numbers: &mut [u64], place: usize, value: u64) {
        if let Some(slot) = numbers.get_mut(place) {
            *slot = value;
        }
    }
}

/// The numbers of a text as they stand in it.
pub(super) struct Split<'t>(Vec<Run<'t>>);

enum Run<'t> {
    Decimal(u64),
    Hex(u64, usize),
    /// Digits of more than [`MOST_BYTES`].
    Long(&'t [u8]),
}

impl Split<'_> {
    /// The first of them.
    pub(super) fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::default();
        let near = self.0.iter().filter(|run| !matches!(run, Run::Long(_)));
        for (place, run) in near.enumerate() {
            match run {
                Run::Decimal(value) => Numbers::set(&mut numbers.decimal, place, *value),
                Run::Hex(value, _) => Numbers::set(&mut numbers.hex, place, *value),
                Run::Long(_) => {}
            }
        }
        numbers
    }

    /// Writes the numbers, told from those of `base`.
    pub(super) fn put(&self, base: &Numbers, out: &mut Vec<u8>) {
        let mut place = 0;
        for run in &self.0 {
            match run {
                Run::Decimal(value) => put(distance(*value, base.decimal(place)), out),
                Run::Hex(value, bytes) => put_bytes(value ^ base.hex(place), *bytes, out),
                Run::Long(digits) => {
                    out.extend(
                        digits
                            .chunks(2)
                            .map(|pair| value(pair, 16).to_le_bytes()[0]),
                    );
                    continue;
                }
            }
            place += 1;
        }
    }
}

/// A text as its shape, in bytes, and its numbers. `None`: it has bytes by which shapes are written.
pub(super) fn split(text: &[u8]) -> Option<(Vec<u8>, Split<'_>)> {
    let mut shape = Vec::with_capacity(64);
    let mut runs = Vec::with_capacity(MOST_NUMBERS);
    let mut rest = text;
    while let Some(first) = rest.first() {
        if (NUMBER..=LOWER).contains(first) {
            return None;
        }
        let (hex, after) = rest.split_at(run(rest, u8::is_ascii_hexdigit));
        if let Some(case) = case_of(hex) {
            let case = match case {
                Case::Upper => UPPER,
                Case::Lower => LOWER,
            };
            shape.extend([case, u8::try_from(hex.len()).ok()?]);
            let bytes = hex.len() / 2;
            if bytes <= MOST_BYTES {
                let value = value(hex, 16);
                runs.push(Run::Hex(value, bytes));
            } else {
                runs.push(Run::Long(hex));
            }
            rest = after;
            continue;
        }
        let (digits, after) = rest.split_at(run(rest, u8::is_ascii_digit));
        match (digits, digits.len()) {
            ([b'0', ..], width @ 2..=18) => shape.extend([PADDED, u8::try_from(width).ok()?]),
            (_, 2..=18) => shape.push(NUMBER),
            (_, length) => {
                let (plain, after) = rest.split_at(length.max(1));
                shape.extend_from_slice(plain);
                rest = after;
                continue;
            }
        }
        runs.push(Run::Decimal(value(digits, 10)));
        rest = after;
    }
    Some((shape, Split(runs)))
}

impl Shape {
    /// The shape that is so as bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let is_text = |byte: &u8| !(NUMBER..=LOWER).contains(byte);
        let mut parts = Vec::new();
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            let width = || after.first().copied().map_or(0, usize::from);
            let (part, taken) = match *first {
                NUMBER => (Part::Decimal(0), 1),
                PADDED => (Part::Decimal(width()), 2),
                UPPER => (Part::Hex(width() / 2, Case::Upper), 2),
                LOWER => (Part::Hex(width() / 2, Case::Lower), 2),
                _ => {
                    let length = run(rest, is_text);
                    (Part::Text(rest[..length].into()), length)
                }
            };
            parts.push(part);
            rest = rest.get(taken..).unwrap_or_default();
        }
        Self(parts)
    }

    /// The numbers of a text of this shape, told from nothing.
    pub(super) fn numbers(&self, mut packed: &[u8]) -> Numbers {
        let mut numbers = Numbers::default();
        let mut place = 0;
        for part in &self.0 {
            match part {
                Part::Text(_) => continue,
                Part::Decimal(_) => {
                    let value = take(&mut packed).map_or(0, |told| told_from(told, 0));
                    Numbers::set(&mut numbers.decimal, place, value);
                }
                Part::Hex(bytes, _) if *bytes <= MOST_BYTES => {
                    let value = take_bytes(&mut packed, *bytes).unwrap_or(0);
                    Numbers::set(&mut numbers.hex, place, value);
                }
                Part::Hex(bytes, _) => {
                    packed = packed.get(*bytes..).unwrap_or_default();
                    continue;
                }
            }
            place += 1;
        }
        numbers
    }

    /// Puts the text behind `text` that has this shape and these numbers.
    pub(super) fn join(&self, mut packed: &[u8], base: &Numbers, text: &mut Vec<u8>) -> Option<()> {
        let mut place = 0;
        for part in &self.0 {
            match part {
                Part::Text(plain) => {
                    text.extend_from_slice(plain);
                    continue;
                }
                Part::Decimal(width) => {
                    let value = told_from(take(&mut packed)?, base.decimal(place));
                    put_decimal(value, *width, text);
                }
                Part::Hex(bytes, case) if *bytes <= MOST_BYTES => {
                    let value = take_bytes(&mut packed, *bytes)? ^ base.hex(place);
                    let all = value.to_be_bytes();
                    put_hex(all.get(MOST_BYTES - bytes..)?, *case, text);
                }
                Part::Hex(bytes, case) => {
                    let (long, after) = packed.split_at_checked(*bytes)?;
                    packed = after;
                    put_hex(long, *case, text);
                    continue;
                }
            }
            place += 1;
        }
        Some(())
    }
}

/// How far a number is from `base`: small where it is near, whichever is larger.
fn distance(number: u64, base: u64) -> u64 {
    let up = number.wrapping_sub(base);
    match up >> 63 {
        0 => up << 1,
        _ => !(up << 1),
    }
}

/// The number that is so far from `base`.
fn told_from(distance: u64, base: u64) -> u64 {
    let up = match distance & 1 {
        0 => distance >> 1,
        _ => !(distance >> 1),
    };
    base.wrapping_add(up)
}

/// Writes the last so many bytes of a number, at most 8: which of them are not 0, and those.
fn put_bytes(number: u64, bytes: usize, out: &mut Vec<u8>) {
    let mark = out.len();
    out.push(0);
    let mut which = 0;
    for (at, byte) in number.to_le_bytes().into_iter().take(bytes).enumerate() {
        if byte != 0 {
            which |= 1 << at;
            out.push(byte);
        }
    }
    out[mark] = which;
}

/// Reads a number that [`put_bytes`] has written.
fn take_bytes(from: &mut &[u8], bytes: usize) -> Option<u64> {
    let (which, mut rest) = from.split_first()?;
    let mut number = [0; MOST_BYTES];
    for (at, slot) in number.iter_mut().take(bytes).enumerate() {
        if which & (1 << at) != 0 {
            let (byte, after) = rest.split_first()?;
            (*slot, rest) = (*byte, after);
        }
    }
    *from = rest;
    Some(u64::from_le_bytes(number))
}

/// Writes a number with at least `width` digits: this is done many times a message.
fn put_decimal(mut number: u64, width: usize, text: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while number > 0 {
        first -= 1;
        digits[first] += (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    let least = digits.len() - width.clamp(1, digits.len());
    text.extend_from_slice(&digits[first.min(least)..]);
}

fn put_hex(bytes: &[u8], case: Case, text: &mut Vec<u8>) {
    let digits: &[u8; 16] = match case {
        Case::Upper => b"0123456789ABCDEF",
        Case::Lower => b"0123456789abcdef",
    };
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    text.extend(halves.map(|half| digits[usize::from(half)]));
}

/// How many bytes of the beginning are of a kind.
fn run(text: &[u8], is_of_kind: impl Fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_of_kind(byte)).count()
}

/// The case of hexadecimal digits that are worth to be kept as bytes.
fn case_of(hex: &[u8]) -> Option<Case> {
    let has = |is_of_case: fn(&u8) -> bool| hex.iter().any(is_of_case);
    let is_long = (8..=64).contains(&hex.len()) && hex.len().is_multiple_of(2);
    match (has(u8::is_ascii_uppercase), has(u8::is_ascii_lowercase)) {
        (true, false) if is_long => Some(Case::Upper),
        (false, true) if is_long => Some(Case::Lower),
        _ => None,
    }
}

/// The number that at most 18 decimal or 16 hexadecimal digits say.
fn value(digits: &[u8], radix: u32) -> u64 {
    let digits = digits
        .iter()
        .filter_map(|digit| char::from(*digit).to_digit(radix));
    digits.fold(0, |value, digit| {
        value * u64::from(radix) + u64::from(digit)
    })
}

/// Writes a number, seven bits a byte.
pub(super) fn put(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Reads a number that [`put`] has written.
#[inline]
pub(super) fn take(from: &mut &[u8]) -> Option<u64> {
    // Most are so small.
    if let Some((byte @ 0..=0x7f, rest)) = from.split_first() {
        *from = rest;
        return Some((*byte).into());
    }
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_numbers_are_told_in_few_bytes() {
        for (number, base, bytes) in [
            (5, 5, 1),
            (1_000_063, 1_000_000, 1),
            (1_000_000, 1_000_063, 1),
            (1_000_100, 1_000_000, 2),
            (0, 999_999_999_999_999_999, 9),
        ] {
            let mut out = Vec::new();
            put(distance(number, base), &mut out);
            assert_eq!(out.len(), bytes, "{number} from {base}");
            let told = take(&mut out.as_slice()).unwrap();
            assert_eq!(told_from(told, base), number);
        }
        for (number, bytes, length) in [(0, 8, 1), (0x1_0000_0000, 8, 2), (0x0102, 2, 3)] {
            let mut out = Vec::new();
            put_bytes(number, bytes, &mut out);
            assert_eq!(out.len(), length);
            assert_eq!(take_bytes(&mut out.as_slice(), bytes), Some(number));
        }
    }
}
