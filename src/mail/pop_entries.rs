//! The messages of a maildrop, in little room: of 100,000 UIDLs each as a string of its own would
//! take 10 MB, and there may be a million.

use std::collections::{BTreeMap, HashMap};

use super::strings::Reader;
use super::{Places, PopEntry, PopNumber, Strings, Uidl};

/// The messages of a maildrop in its order, ascending by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PopEntries {
    numbers: Numbers,
    sizes: Sizes,
    /// An empty text is no UIDL.
    uidls: Strings,
}

impl PopEntries {
    /// Adds a message behind the others.
    pub fn push(&mut self, entry: &PopEntry) {
        self.numbers.push(entry.number);
        self.sizes.push(entry.size);
        self.uidls
            .push(entry.uidl.as_ref().map_or("", Uidl::as_str));
    }

    /// Messages of these numbers, sizes and UIDLs, of each as many. `None`: they are not as many.
    pub(crate) fn of(numbers: Numbers, sizes: Sizes, uidls: Strings) -> Option<Self> {
        let counts = [sizes.small.len(), uidls.len()];
        (counts == [numbers.len(); 2]).then_some(Self {
            numbers,
            sizes,
            uidls,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sizes.small.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message at `place`, from 0.
    pub fn get(&self, place: usize) -> Option<PopEntry> {
        Some(PopEntry {
            number: self.number(place)?,
            size: self.size(place)?,
            uidl: self.uidl(place),
        })
    }

    /// The number of the message at `place`.
    pub fn number(&self, place: usize) -> Option<PopNumber> {
        self.numbers.get(place)
    }

    /// The size of the message at `place`, in octets, as LIST gave it.
    pub fn size(&self, place: usize) -> Option<u64> {
        self.sizes.get(place)
    }

    /// The UIDL of the message at `place`, where it has one.
    pub fn uidl(&self, place: usize) -> Option<Uidl> {
        Uidl::parse(self.uidls.get(place)?.as_bytes()).ok()
    }

    /// Whether the message at `place` has a UIDL.
    pub fn has_uidl(&self, place: usize) -> bool {
        !self.uidls.is_empty_at(place)
    }

    /// Whether the UIDL of the message at `place` is `text`.
    pub fn is_uidl(&self, place: usize, text: &str) -> bool {
        !text.is_empty() && self.uidls.is_at(place, text)
    }

    /// What finds messages by their UIDLs.
    pub fn by_uidl(&self) -> ByUidl<'_> {
        ByUidl {
            entries: self,
            places: Places::of_all(self.uidls()),
        }
    }

    /// Whether each number is above those before it: no message is listed twice.
    pub fn is_ascending(&self) -> bool {
        self.numbers.order().is_none()
    }

    /// The place of the message of this number.
    pub fn place_of(&self, number: PopNumber) -> Option<usize> {
        self.numbers.find(number)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = PopEntry> {
        let rest = self.numbers.iter().zip(self.sizes.iter());
        let all = rest.zip(self.uidls.iter());
        all.map(|((number, size), uidl)| PopEntry {
            number,
            size,
            uidl: Uidl::parse(uidl.as_bytes()).ok(),
        })
    }

    /// All numbers.
    pub fn numbers(&self) -> impl Iterator<Item = PopNumber> {
        self.numbers.iter()
    }

    /// All sizes, in octets.
    pub fn sizes(&self) -> impl Iterator<Item = u64> {
        self.sizes.iter()
    }

    /// The texts of all UIDLs, one after the other; an empty one is none.
    pub fn uidls(&self) -> Reader<'_> {
        self.uidls.reader()
    }
}

/// Finds messages by their UIDLs.
#[derive(Debug)]
pub struct ByUidl<'e> {
    entries: &'e PopEntries,
    places: Places,
}

impl ByUidl<'_> {
    /// The places of the messages with this UIDL, ascending.
    pub fn get(&self, uidl: &str) -> impl Iterator<Item = usize> {
        let places = self.places.candidates(uidl).map(|place| place as usize);
        places.filter(move |place| self.entries.is_uidl(*place, uidl))
    }

    /// Each message whose UIDL an earlier one has: the place of the first of them, and its own.
    pub fn repeated(&self) -> Vec<(usize, usize)> {
        let mut repeated = Vec::new();
        for alike in self.places.alike() {
            let mut first_of: HashMap<String, usize> = HashMap::new();
            for place in alike.map(|place| place as usize) {
                if let Some(uidl) = self.entries.uidl(place) {
                    let first = *first_of.entry(uidl.to_string()).or_insert(place);
                    repeated.extend((first != place).then_some((first, place)));
                }
            }
        }
        repeated
    }
}

impl FromIterator<PopEntry> for PopEntries {
    fn from_iter<I: IntoIterator<Item = PopEntry>>(entries: I) -> Self {
        let mut all = Self::default();
        for entry in entries {
            all.push(&entry);
        }
        all
    }
}

/// A listing of these UIDLs, for tests; an empty text is none.
#[cfg(test)]
pub(crate) fn listing_of(uidls: &[&str]) -> PopEntries {
    let entries = (1..).zip(uidls).map(|(number, uidl)| PopEntry {
        number,
        size: 1,
        uidl: Uidl::parse(uidl.as_bytes()).ok(),
    });
    entries.collect()
}

/// Numbers of messages, which nearly always count from 1: those take no room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Numbers {
    /// So many count from 1.
    counted: u32,
    /// What comes after them.
    others: Vec<PopNumber>,
}

impl Numbers {
    pub(crate) fn push(&mut self, number: PopNumber) {
        match self.others.is_empty() && self.counted.checked_add(1) == Some(number) {
            true => self.counted = number,
            false => self.others.push(number),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.counted as usize + self.others.len()
    }

    pub(crate) fn get(&self, place: usize) -> Option<PopNumber> {
        match u32::try_from(place).ok().filter(|at| *at < self.counted) {
            Some(at) => Some(at + 1),
            None => self.others.get(place - self.counted as usize).copied(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PopNumber> {
        (1..=self.counted).chain(self.others.iter().copied())
    }

    /// The places in the order of their numbers; `None`: they are in it.
    pub(crate) fn order(&self) -> Option<Vec<u32>> {
        let highest = self.counted;
        let is_ascending = self.others.is_sorted_by(|a, b| a < b)
            && self.others.first().is_none_or(|first| *first > highest);
        if is_ascending {
            return None;
        }
        let mut places: Vec<(PopNumber, u32)> = self.iter().zip(0..).collect();
        places.sort_unstable();
        Some(places.into_iter().map(|(_, place)| place).collect())
    }

    /// Where `number` is, in ascending numbers.
    fn find(&self, number: PopNumber) -> Option<usize> {
        if (1..=self.counted).contains(&number) {
            return Some(number as usize - 1);
        }
        let at = self.others.binary_search(&number).ok()?;
        Some(self.counted as usize + at)
    }
}

impl FromIterator<PopNumber> for Numbers {
    fn from_iter<I: IntoIterator<Item = PopNumber>>(numbers: I) -> Self {
        let mut all = Self::default();
        numbers.into_iter().for_each(|number| all.push(number));
        all
    }
}

/// Sizes of messages, of which hardly any has 4 GB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sizes {
    /// [`u32::MAX`]: it is in `large`.
    small: Vec<u32>,
    large: BTreeMap<usize, u64>,
}

impl Sizes {
    pub(crate) fn push(&mut self, size: u64) {
        let small = u32::try_from(size).unwrap_or(u32::MAX);
        if small == u32::MAX {
            self.large.insert(self.small.len(), size);
        }
        self.small.push(small);
    }

    pub(crate) fn get(&self, place: usize) -> Option<u64> {
        match *self.small.get(place)? {
            u32::MAX => self.large.get(&place).copied(),
            size => Some(size.into()),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        (0..self.small.len()).filter_map(|place| self.get(place))
    }
}

impl FromIterator<u64> for Sizes {
    fn from_iter<I: IntoIterator<Item = u64>>(sizes: I) -> Self {
        let mut all = Self::default();
        sizes.into_iter().for_each(|size| all.push(size));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let uidl = |text: &str| Uidl::parse(text.as_bytes()).ok();
        let most = u64::from(u32::MAX);
        let rows = [
            (1, 0, "a"),
            (2, most - 1, ""),
            (3, most, "0000000165f3a2b1"),
            (7, u64::MAX, "a"),
            (8, 5, "b"),
            (u32::MAX, 6, "c"),
        ];
        for count in 0..=rows.len() {
            let rows = rows[..count].iter();
            let entries: Vec<PopEntry> = rows
                .map(|(number, size, text)| PopEntry {
                    number: *number,
                    size: *size,
                    uidl: uidl(text),
                })
                .collect();
            let packed: PopEntries = entries.iter().cloned().collect();
            assert_eq!(packed.len(), count);
            assert_eq!(packed.iter().collect::<Vec<_>>(), entries);
            for (place, entry) in entries.iter().enumerate() {
                assert_eq!(packed.get(place).as_ref(), Some(entry));
                assert_eq!(packed.place_of(entry.number), Some(place));
            }
            assert_eq!(packed.get(count), None);
            assert_eq!([0, 4, 9].map(|number| packed.place_of(number)), [None; 3]);
        }
    }

    #[test]
    fn messages_are_found_by_their_uidls() {
        let entries = listing_of(&["a", "b", "", "a", "c", "", "a"]);
        let by_uidl = entries.by_uidl();
        for (uidl, want) in [("a", &[0, 3, 6][..]), ("b", &[1]), ("", &[]), ("d", &[])] {
            assert_eq!(by_uidl.get(uidl).collect::<Vec<_>>(), want, "{uidl}");
        }
        assert_eq!(by_uidl.repeated(), [(0, 3), (0, 6)]);
    }

    #[test]
    fn numbers_out_of_order_are_put_into_it() {
        for (numbers, want) in [
            (&[][..], None),
            (&[1, 2, 3], None),
            (&[2, 3, 9], None),
            (&[1, 2, 2], Some(&[0, 1, 2][..])),
            (&[1, 2, 1], Some(&[0, 2, 1])),
            (&[3, 1, 2], Some(&[1, 2, 0])),
            (&[1, 0], Some(&[1, 0])),
        ] {
            let packed: Numbers = numbers.iter().copied().collect();
            assert!(packed.iter().eq(numbers.iter().copied()));
            assert_eq!(packed.len(), numbers.len());
            assert_eq!(packed.order().as_deref(), want, "{numbers:?}");
        }
    }
}
