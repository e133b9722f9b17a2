//! Many strings in little room. File names, the lines of a list of UIDs and UIDLs are alike but for
//! the numbers in them: of each string its numbers are kept, and of all of them the few shapes that
//! they have. A name of 45 bytes takes 13.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Strings by their place, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strings {
    /// The numbers of each string: their length, the shape, and then they themselves.
    packed: Vec<u8>,
    /// Where in `packed` each block of [`BLOCK`] strings begins.
    blocks: Vec<usize>,
    count: usize,
    /// What stands around the numbers; [`AS_IT_IS`] has none.
    shapes: Vec<Box<[u8]>>,
    by_shape: HashMap<Box<[u8]>, u64>,
}

/// So many strings are gone through to find one.
const BLOCK: usize = 16;
/// More kinds of strings than this are no kinds; the rest is kept as it is.
const MOST_SHAPES: usize = 1000;
/// The shape of a string that is kept as it is; the others count from 1.
const AS_IT_IS: u64 = 0;
/// The entry of the empty string, which is kept as it is.
const EMPTY: [u8; 1] = [0];

/// In a shape: here is a number of at least two digits, without leading zeros.
const NUMBER: u8 = 1;
/// A number of as many digits as the next byte says, the first a zero.
const PADDED: u8 = 2;
/// As many upper case hexadecimal digits as the next byte says, an even number.
const UPPER: u8 = 3;
/// The same in lower case.
const LOWER: u8 = 4;

impl Strings {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds `text` behind the others.
    pub fn push(&mut self, text: &str) {
        if self.count.is_multiple_of(BLOCK) {
            self.blocks.push(self.packed.len());
        }
        self.count += 1;
        let mut entry = Vec::with_capacity(64);
        let split = split(text.as_bytes()).filter(|_| !text.is_empty());
        match split.and_then(|(shape, numbers)| Some((self.shape(shape)?, numbers))) {
            Some((shape, numbers)) => {
                put(shape, &mut entry);
                entry.extend_from_slice(&numbers);
            }
            None => {
                put(AS_IT_IS, &mut entry);
                entry.extend_from_slice(text.as_bytes());
            }
        }
        put(entry.len() as u64, &mut self.packed);
        self.packed.extend_from_slice(&entry);
    }

    /// The string at `place`.
    pub fn get(&self, place: usize) -> Option<String> {
        self.look_at(place, str::to_owned)
    }

    /// Whether the string at `place` is `text`.
    pub fn is_at(&self, place: usize, text: &str) -> bool {
        self.look_at(place, |found| found == text).unwrap_or(false)
    }

    /// What `look` makes of the string at `place`.
    pub fn look_at<T>(&self, place: usize, look: impl FnOnce(&str) -> T) -> Option<T> {
        let mut found = Vec::with_capacity(96);
        self.unpack(self.entry(place)?, &mut found)?;
        Some(look(std::str::from_utf8(&found).ok()?))
    }

    /// Whether the string at `place` is empty; also where there is none.
    pub fn is_empty_at(&self, place: usize) -> bool {
        self.entry(place).is_none_or(|entry| *entry == EMPTY)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        let mut reader = self.reader();
        std::iter::from_fn(move || reader.read().map(str::to_owned))
    }

    /// What reads all of them one after the other, with no new string for each.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            strings: self,
            rest: &self.packed,
            text: Vec::with_capacity(96),
        }
    }

    fn entry(&self, place: usize) -> Option<&[u8]> {
        if place >= self.count {
            return None;
        }
        let mut rest = self.packed.get(*self.blocks.get(place / BLOCK)?..)?;
        for _ in 0..place % BLOCK {
            take_entry(&mut rest)?;
        }
        take_entry(&mut rest)
    }

    /// The number of a shape; `None`: it is not to be one.
    fn shape(&mut self, shape: Vec<u8>) -> Option<u64> {
        if let Some(known) = self.by_shape.get(shape.as_slice()) {
            return Some(*known);
        }
        if self.shapes.len() >= MOST_SHAPES {
            return None;
        }
        let shape = shape.into_boxed_slice();
        self.shapes.push(shape.clone());
        let number = self.shapes.len() as u64;
        self.by_shape.insert(shape, number);
        Some(number)
    }

    /// Puts the string of an entry behind `text`.
    fn unpack(&self, mut entry: &[u8], text: &mut Vec<u8>) -> Option<()> {
        let number = usize::try_from(take(&mut entry)?).ok()?;
        match number.checked_sub(1) {
            None => text.extend_from_slice(entry),
            Some(at) => join(self.shapes.get(at)?, entry, text)?,
        }
        Some(())
    }
}

impl<S: AsRef<str>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let mut strings = Self::default();
        for text in texts {
            strings.push(text.as_ref());
        }
        strings
    }
}

/// Reads strings one after the other.
#[derive(Debug)]
pub struct Reader<'s> {
    strings: &'s Strings,
    rest: &'s [u8],
    text: Vec<u8>,
}

impl Reader<'_> {
    /// The next one.
    pub fn read(&mut self) -> Option<&str> {
        self.text.clear();
        let entry = take_entry(&mut self.rest)?;
        self.strings.unpack(entry, &mut self.text)?;
        std::str::from_utf8(&self.text).ok()
    }
}

/// Finds strings among many that are not kept as such, at 9 bytes each.
#[derive(Debug, Default)]
pub struct Places {
    /// Nobody can foretell which strings have one hash.
    hasher: RandomState,
    /// A hash of each string, and its place; ascending.
    hashes: Vec<(u32, u32)>,
    /// Where in `hashes` those begin that begin with each of so many bits, and at last their end.
    begins: Vec<u32>,
    bits: u32,
}

/// So many hashes that begin alike are gone through to find one.
const BEGIN_ALIKE: usize = 8;

impl Places {
    /// Where each of `texts` is.
    pub fn of(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut places = Self::default();
        for (place, text) in (0..).zip(texts) {
            places.note(text.as_ref(), place);
        }
        places.sort();
        places
    }

    /// Where each string of `reader` is.
    pub fn of_all(mut reader: Reader<'_>) -> Self {
        let mut places = Self::default();
        places.hashes.reserve_exact(reader.strings.len());
        let mut place = 0;
        while let Some(text) = reader.read() {
            places.note(text, place);
            place += 1;
        }
        places.sort();
        places
    }

    fn note(&mut self, text: &str, place: u32) {
        let hash = self.hash(text);
        self.hashes.push((hash, place));
    }

    fn sort(&mut self) {
        self.hashes.sort_unstable();
        let count = self.hashes.len() / BEGIN_ALIKE;
        self.bits = count.checked_ilog2().unwrap_or(0);
        let mut begins = Vec::with_capacity((1 << self.bits) + 1);
        for (at, (hash, _)) in (0..).zip(&self.hashes) {
            while begins.len() <= self.beginning(*hash) {
                begins.push(at);
            }
        }
        let end = u32::try_from(self.hashes.len()).unwrap_or(u32::MAX);
        begins.resize((1 << self.bits) + 1, end);
        self.begins = begins;
    }

    /// The first bits of a hash.
    fn beginning(&self, hash: u32) -> usize {
        hash.checked_shr(32 - self.bits).unwrap_or(0) as usize
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "half of a hash is a hash as well"
    )]
    fn hash(&self, text: &str) -> u32 {
        self.hasher.hash_one(text) as u32
    }

    /// The places at which `text` may be, ascending: whether it is has to be seen there.
    pub fn candidates(&self, text: &str) -> impl DoubleEndedIterator<Item = u32> {
        let wanted = self.hash(text);
        let beginning = self.beginning(wanted);
        let begins = self.begins.get(beginning..beginning + 2);
        let alike = begins.and_then(|it| self.hashes.get(it[0] as usize..it[1] as usize));
        let alike = alike.unwrap_or_default().iter();
        let found = alike.filter(move |(hash, _)| *hash == wanted);
        found.map(|(_, place)| *place)
    }

    /// The places of strings that may be the same, ascending.
    pub fn alike(&self) -> impl Iterator<Item = impl Iterator<Item = u32>> {
        let alike = self.hashes.chunk_by(|one, other| one.0 == other.0);
        let several = alike.filter(|alike| alike.len() > 1);
        several.map(|alike| alike.iter().map(|(_, place)| *place))
    }
}

/// A text as its shape and its numbers. `None`: it has bytes by which shapes are written.
fn split(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut shape, mut numbers) = (Vec::with_capacity(64), Vec::with_capacity(64));
    let mut rest = text;
    while let Some(first) = rest.first() {
        if (NUMBER..=LOWER).contains(first) {
            return None;
        }
        let (hex, after) = rest.split_at(run(rest, u8::is_ascii_hexdigit));
        if let Some(case) = case_of(hex) {
            shape.extend([case, u8::try_from(hex.len()).ok()?]);
            numbers.extend(hex.chunks(2).map(|pair| value(pair, 16).to_le_bytes()[0]));
            rest = after;
            continue;
        }
        let (digits, after) = rest.split_at(run(rest, u8::is_ascii_digit));
        match (digits, digits.len()) {
            ([b'0', ..], width @ 2..=18) => {
                shape.extend([PADDED, u8::try_from(width).ok()?]);
                put(value(digits, 10), &mut numbers);
                rest = after;
            }
            (_, 2..=18) => {
                shape.push(NUMBER);
                put(value(digits, 10), &mut numbers);
                rest = after;
            }
            (_, length) => {
                let (plain, after) = rest.split_at(length.max(1));
                shape.extend_from_slice(plain);
                rest = after;
            }
        }
    }
    Some((shape, numbers))
}

/// Puts the text that [`split`] has split behind `text`.
fn join(shape: &[u8], mut numbers: &[u8], text: &mut Vec<u8>) -> Option<()> {
    const UPPER_DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    const LOWER_DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut rest = shape.iter();
    while let Some(byte) = rest.next() {
        match *byte {
            NUMBER => put_decimal(take(&mut numbers)?, 0, text),
            PADDED => {
                let width = usize::from(*rest.next()?);
                put_decimal(take(&mut numbers)?, width, text);
            }
            case @ (UPPER | LOWER) => {
                let (bytes, after) = numbers.split_at_checked(usize::from(*rest.next()?) / 2)?;
                numbers = after;
                let digits = if case == UPPER {
                    UPPER_DIGITS
                } else {
                    LOWER_DIGITS
                };
                let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                text.extend(halves.map(|half| digits[usize::from(half)]));
            }
            plain => text.push(plain),
        }
    }
    Some(())
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

/// How many bytes of the beginning are of a kind.
fn run(text: &[u8], is_of_kind: fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_of_kind(byte)).count()
}

/// The case of hexadecimal digits that are worth to be kept as bytes.
fn case_of(hex: &[u8]) -> Option<u8> {
    let has = |is_of_case: fn(&u8) -> bool| hex.iter().any(is_of_case);
    let is_long = (8..=64).contains(&hex.len()) && hex.len().is_multiple_of(2);
    match (has(u8::is_ascii_uppercase), has(u8::is_ascii_lowercase)) {
        (true, false) if is_long => Some(UPPER),
        (false, true) if is_long => Some(LOWER),
        _ => None,
    }
}

/// The number that at most 18 digits say.
fn value(digits: &[u8], radix: u32) -> u64 {
    let digits = digits
        .iter()
        .filter_map(|digit| char::from(*digit).to_digit(radix));
    digits.fold(0, |value, digit| {
        value * u64::from(radix) + u64::from(digit)
    })
}

/// Writes a number, seven bits a byte.
fn put(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Reads a number that [`put`] has written.
fn take(from: &mut &[u8]) -> Option<u64> {
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

fn take_entry<'e>(from: &mut &'e [u8]) -> Option<&'e [u8]> {
    let length = usize::try_from(take(from)?).ok()?;
    let (entry, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let texts = [
            "",
            "0",
            "00",
            "007",
            "1294690616.M0000000429.mailseed,S=30,W=34",
            "1294690616.M0000000429_0123456789abcdef.mailseed,S=0,W=18446744073709551615",
            "P0000000165F3A2B1 O12 :1294690616.M4294967295.mailseed,S=30,W=34",
            "1379790535.M813973P12875V04F0697EI019E250D_0.mx005,S=2024:2,FS",
            "DEADBEEFdeadbeef",
            "deadbeef",
            "DEADBEE",
            "100000000000000000000000000000000000",
            "000000000000000000000000000000000000",
            "café 12\u{1}",
            "\u{2}\u{3}\u{4}",
        ];
        let strings: Strings = texts.iter().collect();
        assert!(strings.iter().eq(texts));
        for (place, text) in texts.iter().enumerate() {
            assert_eq!(strings.get(place).as_deref(), Some(*text));
            assert_eq!(strings.is_empty_at(place), text.is_empty(), "{text:?}");
            assert_eq!(
                texts.map(|it| strings.is_at(place, it)),
                texts.map(|it| it == *text)
            );
        }
        assert_eq!(strings.get(texts.len()), None);
        assert!(strings.is_empty_at(texts.len()));
    }

    proptest! {
        #[test]
        fn any_strings_come_back(texts in proptest::collection::vec("[0-9a-fA-F.,é\u{1}\u{2} ]{0,40}", 0..60)) {
            let strings: Strings = texts.iter().collect();
            prop_assert_eq!(strings.len(), texts.len());
            prop_assert_eq!(&strings.iter().collect::<Vec<_>>(), &texts);
            let places = Places::of_all(strings.reader());
            for (place, text) in (0_u32..).zip(&texts) {
                prop_assert_eq!(strings.get(place as usize), Some(text.clone()));
                prop_assert!(places.candidates(text).any(|at| at == place));
            }
        }
    }

    #[test]
    fn names_uidls_and_lines_take_little_room() {
        let room = |text: fn(u32) -> String| {
            let strings: Strings = (1..=10_000).map(|n| text(1_000_000 + n)).collect();
            strings.packed.len() / strings.len()
        };
        assert!(room(|n| format!("1294690616.M{n:010}.mailseed,S={n},W={n}:2,S")) <= 16);
        assert!(room(|n| format!("{n:08X}65F3A2B1")) <= 11);
        assert!(
            room(|n| format!("P{n:08X}65F3A2B1 O{n} :1294690616.M{n:010}.mailseed,S=300,W=310"))
                <= 25
        );
    }

    #[test]
    fn too_many_shapes_are_no_shapes() {
        let texts: Vec<String> = (0..3 * MOST_SHAPES).map(|n| "x".repeat(n % 1500)).collect();
        let strings: Strings = texts.iter().collect();
        assert_eq!(strings.shapes.len(), MOST_SHAPES);
        assert!(strings.iter().eq(texts));
    }
}
