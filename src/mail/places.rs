//! Finding a string among many.

use std::hash::{BuildHasher, RandomState};

use super::strings::Reader;

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
    pub fn of_all(reader: Reader<'_>) -> Self {
        Self::of_parts(reader, |text| text)
    }

    /// Where each string of `reader` is, by a part of it.
    pub fn of_parts(mut reader: Reader<'_>, part: impl Fn(&str) -> &str) -> Self {
        let mut places = Self::default();
        places.hashes.reserve_exact(reader.count());
        let mut place = 0;
        while let Some(text) = reader.read() {
            places.note(part(text), place);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::Strings;

    proptest! {
        #[test]
        fn each_string_is_found(texts in proptest::collection::vec("[ab1]{0,4}", 0..60)) {
            let strings: Strings = texts.iter().collect();
            for places in [Places::of_all(strings.reader()), Places::of(&texts)] {
                for (place, text) in (0_u32..).zip(&texts) {
                    prop_assert!(places.candidates(text).any(|at| at == place));
                }
            }
        }
    }
}
