//! Many strings in little room. File names, the lines of a list of UIDs and UIDLs are alike but for
//! the numbers in them: of each string its numbers are kept, and of all of them the few shapes that
//! they have. Neighbours have nearly the same numbers: of 16 each the first is kept with its numbers, of the
//! others is kept how far theirs are from those. A name of 45 bytes takes 8.

mod shape;

use std::collections::HashMap;

use shape::{Numbers, Shape, put, split, take};

/// Strings by their place, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strings {
    /// The numbers of each string: their length, the shape, and then they themselves.
    packed: Vec<u8>,
    /// Where in `packed` each block of [`BLOCK`] strings begins.
    blocks: Vec<usize>,
    count: usize,
    /// What stands around the numbers; [`AS_IT_IS`] has none.
    shapes: Vec<Shape>,
    by_shape: HashMap<Box<[u8]>, u64>,
    /// Those of the first string of the last block.
    base: Numbers,
}

/// So many strings are gone through to find one.
const BLOCK: usize = 16;
/// More kinds of strings than this are no kinds; the rest is kept as it is.
const MOST_SHAPES: usize = 1000;
/// The shape of a string that is kept as it is; the others count from 1.
const AS_IT_IS: u64 = 0;
/// The entry of the empty string, which is kept as it is.
const EMPTY: [u8; 1] = [0];

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
        let is_first = self.count.is_multiple_of(BLOCK);
        if is_first {
            self.blocks.push(self.packed.len());
            self.base = Numbers::default();
        }
        self.count += 1;
        let mut entry = Vec::with_capacity(64);
        let split = split(text.as_bytes()).filter(|_| !text.is_empty());
        match split.and_then(|(shape, numbers)| Some((self.shape(shape)?, numbers))) {
            Some((shape, numbers)) => {
                put(shape, &mut entry);
                numbers.put(&self.base, &mut entry);
                if is_first {
                    self.base = numbers.numbers();
                }
            }
            None => {
                put(AS_IT_IS, &mut entry);
                entry.extend_from_slice(text.as_bytes());
            }
        }
        put(entry.len() as u64, &mut self.packed);
        self.packed.extend_from_slice(&entry);
    }

    /// The same in no more room than that takes: more are not to come.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.packed.shrink_to_fit();
        self.blocks.shrink_to_fit();
        self.by_shape = HashMap::new();
        self
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
        let (first, entry) = self.entry(place)?;
        let base = match place % BLOCK {
            0 => Numbers::default(),
            _ => self.numbers(first),
        };
        self.unpack(entry, &base, &mut found)?;
        Some(look(std::str::from_utf8(&found).ok()?))
    }

    /// Whether the string at `place` is empty; also where there is none.
    pub fn is_empty_at(&self, place: usize) -> bool {
        self.entry(place).is_none_or(|(_, entry)| *entry == EMPTY)
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
            place: 0,
            base: Numbers::default(),
            text: Vec::with_capacity(96),
        }
    }

    /// The first entry of the block in which that of `place` is, and that.
    fn entry(&self, place: usize) -> Option<(&[u8], &[u8])> {
        if place >= self.count {
            return None;
        }
        let mut rest = self.packed.get(*self.blocks.get(place / BLOCK)?..)?;
        let first = take_entry(&mut rest)?;
        let mut entry = first;
        for _ in 0..place % BLOCK {
            entry = take_entry(&mut rest)?;
        }
        Some((first, entry))
    }

    /// The numbers of the first entry of a block.
    fn numbers(&self, mut first: &[u8]) -> Numbers {
        let shape = take(&mut first).and_then(|number| self.shape_of(number));
        shape.map_or_else(Numbers::default, |shape| shape.numbers(first))
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
        self.shapes.push(Shape::of(&shape));
        let number = self.shapes.len() as u64;
        self.by_shape.insert(shape, number);
        Some(number)
    }

    /// The shape of this number; `None`: [`AS_IT_IS`].
    fn shape_of(&self, number: u64) -> Option<&Shape> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.shapes.get(at)
    }

    /// Puts the string of an entry behind `text`; `base` are the numbers from which its own are told.
    fn unpack(&self, mut entry: &[u8], base: &Numbers, text: &mut Vec<u8>) -> Option<()> {
        match take(&mut entry)? {
            AS_IT_IS => text.extend_from_slice(entry),
            shape => self.shape_of(shape)?.join(entry, base, text)?,
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
    place: usize,
    base: Numbers,
    text: Vec<u8>,
}

impl Reader<'_> {
    /// The next one.
    pub fn read(&mut self) -> Option<&str> {
        self.text.clear();
        let entry = take_entry(&mut self.rest)?;
        let is_first = self.place.is_multiple_of(BLOCK);
        if is_first {
            self.base = Numbers::default();
        }
        self.place += 1;
        self.strings.unpack(entry, &self.base, &mut self.text)?;
        if is_first {
            self.base = self.strings.numbers(entry);
        }
        std::str::from_utf8(&self.text).ok()
    }

    /// How many there are in all.
    pub fn count(&self) -> usize {
        self.strings.len()
    }
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
        fn any_strings_come_back(texts in proptest::collection::vec("[0-9a-fA-F.,é\u{1}\u{2} ]{0,40}|[0-9]{1,20}|[0-9a-f]{6,20}", 0..60)) {
            let strings: Strings = texts.iter().collect();
            prop_assert_eq!(strings.len(), texts.len());
            prop_assert_eq!(&strings.iter().collect::<Vec<_>>(), &texts);
            for (place, text) in texts.iter().enumerate() {
                prop_assert_eq!(strings.get(place), Some(text.clone()));
            }
        }
    }

    #[test]
    fn names_uidls_and_lines_take_little_room() {
        let room = |text: fn(u32) -> String| {
            let strings: Strings = (1..=10_000).map(|n| text(1_000_000 + n)).collect();
            strings.packed.len() / strings.len()
        };
        assert!(room(|n| format!("1294690616.M{n:010}.mailseed,S={n},W={n}:2,S")) <= 8);
        assert!(room(|n| format!("{n:08X}65F3A2B1")) <= 5);
        assert!(
            room(|n| format!("P{n:08X}65F3A2B1 O{n} :1294690616.M{n:010}.mailseed,S=300,W=310"))
                <= 12
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
