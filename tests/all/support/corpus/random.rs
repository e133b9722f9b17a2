//! Numbers that are the same in every run.

use std::collections::BTreeSet;

use super::Uidls;

/// SplitMix64: a few lines, good enough to vary test data.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for each name.
    pub fn seeded(name: &str) -> Self {
        let hash = blake3::hash(name.as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&hash.as_bytes()[..8]);
        Self(u64::from_le_bytes(seed))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number from 0 up to, not including, `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// One of `choices`.
    pub fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).expect("an index of a slice")]
    }

    /// Puts `items` into another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1);
            items.swap(last, usize::try_from(other).expect("an index of a slice"));
        }
    }

    /// `count` UIDLs, no two alike.
    pub fn uidls(&mut self, kind: Uidls, count: usize) -> Vec<String> {
        let mut taken = BTreeSet::new();
        std::iter::repeat_with(|| self.uidl(kind))
            .filter(|uidl| taken.insert(uidl.clone()))
            .take(count)
            .collect()
    }

    fn uidl(&mut self, kind: Uidls) -> String {
        const ANY: &[u8] = b"abcXYZ0189/:.+=!\"#$%&'()*,-;<>?@[]\\^_`{|}~";
        const SAFE: &[u8] = b"abcdefghXYZ0123456789.+=!-_@,;#%";
        let alphabet = if kind == Uidls::OpaqueQmailSafe {
            SAFE
        } else {
            ANY
        };
        let length = match self.below(20) {
            0 => 70,
            1 => 1,
            2 => 2,
            _ => 20,
        };
        let uidl: String = (0..length)
            .map(|_| char::from(*self.pick(alphabet)))
            .collect();
        if kind == Uidls::OpaqueQmailSafe && uidl.starts_with('.') {
            return uidl.replacen('.', "q", 1);
        }
        uidl
    }
}
