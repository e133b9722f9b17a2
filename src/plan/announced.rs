//! What the source's POP3 server announces, of all messages of a folder, in little room.

use crate::mail::{Entry, Places, PopEntries, Strings, Uidl};
use crate::matching::Pairing;

/// What the source's POP3 server announces for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Its place in the POP3 order, from 1.
    pub position: u32,
    /// Its UIDL.
    pub uidl: Uidl,
}

/// For each message of a folder what POP3 announces for it; nothing, where it does not show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcements {
    positions: Vec<u32>,
    /// An empty text where nothing is announced.
    uidls: Strings,
}

impl Announcements {
    /// For `entries`, as `pairing` has found them in `listing`.
    pub fn of_pairs(entries: &[Entry], pairing: &Pairing, listing: &PopEntries) -> Self {
        let by_uid = pairing.by_uid();
        let pairs = entries.iter().map(|entry| by_uid.get(entry.uid));
        let announced = pairs.map(|pair| {
            let pair = pair?;
            Some(Announced {
                position: pair.position(),
                uidl: listing.uidl(pair.place.index())?,
            })
        });
        announced.collect()
    }

    /// Adds what is announced for a message behind the others.
    pub fn push(&mut self, announced: Option<&Announced>) {
        self.positions
            .push(announced.map_or(0, |announced| announced.position));
        self.uidls
            .push(announced.map_or("", |announced| announced.uidl.as_str()));
    }

    /// How many messages there are, also those of which nothing is announced.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// What is announced for the message at `index`.
    pub fn get(&self, index: usize) -> Option<Announced> {
        Some(Announced {
            position: self.position(index)?,
            uidl: Uidl::parse(self.uidls.get(index)?.as_bytes()).ok()?,
        })
    }

    /// Whether anything is announced for the message at `index`.
    pub fn has(&self, index: usize) -> bool {
        !self.uidls.is_empty_at(index)
    }

    /// Where POP3 lists the message at `index`.
    pub fn position(&self, index: usize) -> Option<u32> {
        let position = self.positions.get(index).copied();
        position.filter(|_| self.has(index))
    }

    /// Whether `uidl` is that of the message at `index`.
    pub fn is_uidl(&self, index: usize, uidl: &str) -> bool {
        !uidl.is_empty() && self.uidls.is_at(index, uidl)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Option<Announced>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// What tells whether a UIDL is announced for any message.
    pub fn finder(&self) -> Finder<'_> {
        Finder {
            announced: self,
            places: Places::of_all(self.uidls.reader()),
        }
    }
}

impl FromIterator<Option<Announced>> for Announcements {
    fn from_iter<I: IntoIterator<Item = Option<Announced>>>(announced: I) -> Self {
        let mut all = Self::default();
        for announced in announced {
            all.push(announced.as_ref());
        }
        all
    }
}

/// Finds what is announced by its UIDL.
#[derive(Debug)]
pub struct Finder<'a> {
    announced: &'a Announcements,
    places: Places,
}

impl Finder<'_> {
    /// Whether `uidl` is announced.
    pub fn has(&self, uidl: &str) -> bool {
        let mut places = self.places.candidates(uidl);
        places.any(|place| self.announced.is_uidl(place as usize, uidl))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_and_is_found() {
        let announced = |position, text: &str| Announced {
            position,
            uidl: Uidl::parse(text.as_bytes()).unwrap(),
        };
        let rows = [
            Some(announced(3, "a")),
            None,
            Some(announced(1, "1294690616.429")),
            None,
        ];
        let all: Announcements = rows.iter().cloned().collect();
        assert!(all.iter().eq(rows.iter().cloned()));
        assert_eq!((all.get(1), all.get(4)), (None, None));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|index| all.has(index)),
            [true, false, true, false, false]
        );
        assert!(all.is_uidl(0, "a") && !all.is_uidl(1, "") && !all.is_uidl(2, "a"));
        let finder = all.finder();
        let found = ["a", "1294690616.429", "", "b"].map(|uidl| finder.has(uidl));
        assert_eq!(found, [true, true, false, false]);
    }
}
