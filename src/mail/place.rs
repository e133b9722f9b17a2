//! Places in long lists.

use std::num::NonZeroU32;

/// A place in a list, of which an `Option` takes 4 bytes: there are a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(NonZeroU32);

impl Place {
    /// The place `at`, from 0. `None`: there are not so many.
    pub fn new(at: u32) -> Option<Self> {
        Some(Self(NonZeroU32::new(at.checked_add(1)?)?))
    }

    /// The place at this index.
    pub fn of(index: usize) -> Option<Self> {
        Self::new(u32::try_from(index).ok()?)
    }

    /// Its number, from 0.
    pub fn at(self) -> u32 {
        self.0.get() - 1
    }

    /// Its number as an index.
    pub fn index(self) -> usize {
        self.at() as usize
    }
}
