//! One side of a pairing: whose partner is whose, and what its server has shown of its messages. Of
//! what was not asked for nothing is kept.

use crate::mail::{Entry, Place, PopEntries, PopNumber, Uid};
use crate::problem::{Kind, Problem, Reach};

use super::{ContentDigest, HeaderDigest};

/// The messages of a side, ascending by what they are asked by.
pub(super) trait Listing {
    type Key: Copy;

    fn count(&self) -> usize;
    fn key(&self, at: usize) -> Option<Self::Key>;
    fn find(&self, key: Self::Key) -> Option<usize>;
    fn is_ascending(&self) -> bool;
}

impl Listing for &PopEntries {
    type Key = PopNumber;

    fn count(&self) -> usize {
        self.len()
    }

    fn key(&self, at: usize) -> Option<PopNumber> {
        self.number(at)
    }

    fn find(&self, key: PopNumber) -> Option<usize> {
        self.place_of(key)
    }

    fn is_ascending(&self) -> bool {
        PopEntries::is_ascending(self)
    }
}

impl Listing for &[Entry] {
    type Key = Uid;

    fn count(&self) -> usize {
        self.len()
    }

    fn key(&self, at: usize) -> Option<Uid> {
        self.get(at).map(|entry| entry.uid)
    }

    fn find(&self, key: Uid) -> Option<usize> {
        self.binary_search_by_key(&key, |entry| entry.uid).ok()
    }

    fn is_ascending(&self) -> bool {
        self.is_sorted_by(|one, next| one.uid < next.uid)
    }
}

/// One side's messages, by index.
pub(super) struct Side<L> {
    listing: L,
    partners: Vec<Option<Place>>,
    headers: Answers<HeaderDigest>,
    contents: Answers<ContentDigest>,
}

impl<L: Listing> Side<L> {
    pub(super) fn new(listing: L, name: &str) -> Result<Self, Problem> {
        if !listing.is_ascending() {
            let what = format!("{name} lists a message twice");
            return Err(Problem::new(Kind::Protocol, Reach::User, what));
        }
        Ok(Self {
            partners: vec![None; listing.count()],
            headers: Answers::default(),
            contents: Answers::default(),
            listing,
        })
    }

    pub(super) fn key(&self, at: usize) -> Option<L::Key> {
        self.listing.key(at)
    }

    pub(super) fn find(&self, key: L::Key) -> Option<usize> {
        self.listing.find(key)
    }

    pub(super) fn partner(&self, at: usize) -> Option<usize> {
        let partner = self.partners.get(at).copied().flatten();
        partner.map(Place::index)
    }

    /// Whether there is such a message, and it has no partner.
    pub(super) fn is_open(&self, at: usize) -> bool {
        self.partners.get(at).is_some_and(Option::is_none)
    }

    pub(super) fn set_partner(&mut self, at: usize, partner: usize) {
        if let Some(slot) = self.partners.get_mut(at) {
            *slot = Place::of(partner);
        }
    }

    pub(super) fn into_partners(self) -> Vec<Option<Place>> {
        self.partners
    }

    pub(super) fn header(&self, at: usize) -> Option<HeaderDigest> {
        self.headers.get(at)
    }

    pub(super) fn content(&self, at: usize) -> Option<ContentDigest> {
        self.contents.get(at)
    }

    /// Messages whose header was asked for in vain.
    pub(super) fn without_header(&self) -> impl Iterator<Item = usize> {
        self.headers.refused()
    }

    pub(super) fn open(&self) -> impl Iterator<Item = usize> {
        let partners = self.partners.iter().enumerate();
        partners.filter_map(|(at, partner)| partner.is_none().then_some(at))
    }

    /// Reads the headers of `wanted` that were not asked for yet; where one is not to be had
    /// (a POP3 server without TOP), the whole message is read for it.
    pub(super) fn read_headers(
        &mut self,
        wanted: &[usize],
        ask: impl FnOnce(&[L::Key]) -> Result<Vec<(L::Key, HeaderDigest)>, Problem>,
        ask_contents: impl FnOnce(&[L::Key]) -> Result<Vec<(L::Key, ContentDigest)>, Problem>,
    ) -> Result<(), Problem> {
        let new = self.headers.ask(&self.listing, wanted, ask)?;
        self.headers.add(new);
        let absent = |at: &usize| self.header(*at).is_none();
        let without: Vec<usize> = wanted.iter().copied().filter(absent).collect();
        self.read_contents(&without, ask_contents)
    }

    pub(super) fn read_contents(
        &mut self,
        wanted: &[usize],
        ask: impl FnOnce(&[L::Key]) -> Result<Vec<(L::Key, ContentDigest)>, Problem>,
    ) -> Result<(), Problem> {
        let new = self.contents.ask(&self.listing, wanted, ask)?;
        let headers = new.iter();
        let headers = headers.filter_map(|(at, content)| Some((*at, Some((*content)?.header))));
        self.headers.add(headers.collect());
        self.contents.add(new);
        Ok(())
    }
}

/// What is known of one kind of evidence.
struct Answers<D> {
    /// By index, ascending; `None`: it was asked for in vain.
    known: Vec<Answer<D>>,
}

type Answer<D> = (u32, Option<D>);

impl<D> Default for Answers<D> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<D: Copy> Answers<D> {
    fn find(known: &[Answer<D>], at: usize) -> Option<usize> {
        let at = u32::try_from(at).ok()?;
        known.binary_search_by_key(&at, |(at, _)| *at).ok()
    }

    fn get(&self, at: usize) -> Option<D> {
        self.known.get(Self::find(&self.known, at)?)?.1
    }

    fn refused(&self) -> impl Iterator<Item = usize> {
        let refused = self.known.iter().filter(|(_, answer)| answer.is_none());
        refused.map(|(at, _)| *at as usize)
    }

    /// What the server says of those of `wanted` of which it was not asked.
    fn ask<L: Listing>(
        &self,
        listing: &L,
        wanted: &[usize],
        ask: impl FnOnce(&[L::Key]) -> Result<Vec<(L::Key, D)>, Problem>,
    ) -> Result<Vec<Answer<D>>, Problem> {
        let unasked = wanted
            .iter()
            .filter(|at| Self::find(&self.known, **at).is_none());
        let unasked = unasked.filter_map(|at| u32::try_from(*at).ok());
        let mut new: Vec<Answer<D>> = unasked.map(|at| (at, None)).collect();
        new.sort_unstable_by_key(|(at, _)| *at);
        new.dedup_by_key(|(at, _)| *at);
        let keys = new.iter().filter_map(|(at, _)| listing.key(*at as usize));
        let keys: Vec<L::Key> = keys.collect();
        if keys.is_empty() {
            return Ok(new);
        }
        for (key, digest) in ask(&keys)? {
            // What was not asked for, or comes a second time, is not believed.
            let slot = listing.find(key).and_then(|at| Self::find(&new, at));
            if let Some((_, slot @ None)) = slot.and_then(|slot| new.get_mut(slot)) {
                *slot = Some(digest);
            }
        }
        Ok(new)
    }

    /// Adds answers to what is known. What is known already stays; in place of a refusal an answer counts.
    fn add(&mut self, new: Vec<Answer<D>>) {
        if self.known.is_empty() {
            self.known = new;
            return;
        }
        let old = self.known.len();
        for (at, answer) in new {
            let slot = Self::find(&self.known[..old], at as usize);
            match slot.and_then(|slot| self.known.get_mut(slot)) {
                Some((_, slot)) => *slot = slot.or(answer),
                None => self.known.push((at, answer)),
            }
        }
        self.known.sort_unstable_by_key(|(at, _)| *at);
    }
}
