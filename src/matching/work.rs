//! The state of a pairing: who is paired, and what has been read so far.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::mail::{Entry, Place, PopEntries, PopNumber, Uid, UidValidity, Uidl};
use crate::problem::Problem;

use super::owners::Owners;
use super::side::Side;
use super::sizes::SizeRelation;
use super::{
    Attribute, ContentDigest, Evidence, HeaderDigest, ImapSide, Known, Policy, Stage, Template, Why,
};

/// Up to so many messages are looked at one by one, since it costs little.
pub(super) const SMALL: usize = 100;
/// Up to so many bytes of bodies are read over POP3 where no doubt demands it.
pub const CHEAP_BYTES: u64 = 4 << 20;

/// A POP3 message and an INBOX message that may be one, by index. There may be a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hit {
    pop: Place,
    imap: Place,
}

impl Hit {
    /// `None`: there are not so many messages.
    pub(super) fn new(pop: usize, imap: usize) -> Option<Self> {
        Some(Self {
            pop: Place::of(pop)?,
            imap: Place::of(imap)?,
        })
    }

    pub(super) fn pop(self) -> usize {
        self.pop.index()
    }

    pub(super) fn imap(self) -> usize {
        self.imap.index()
    }
}

/// Both listings, by index: a `pop` is an index into `pops`, an `imap` one into `imaps`.
pub(super) struct Work<'a> {
    pub(super) policy: Policy,
    pub(super) pops: &'a PopEntries,
    pub(super) imaps: &'a [Entry],
    pub(super) validity: Option<UidValidity>,
    /// Templates that were contradicted.
    pub(super) rejected: Vec<Template>,
    /// Entries for which a header is no proof, whatever else it may be.
    pub(super) suspects: HashSet<PopNumber>,
    owners: Owners<'a>,
    pop_side: Side<&'a PopEntries>,
    imap_side: Side<&'a [Entry]>,
    stages: Vec<Option<Stage>>,
    doubts: HashMap<usize, Why>,
    evidence: &'a mut dyn Evidence,
}

/// What has come of a pairing.
pub(super) struct Done {
    /// By entry, whether it has a UIDL that no other entry has.
    pub(super) alone: Vec<bool>,
    /// By entry, its message.
    pub(super) partners: Vec<Option<Place>>,
    /// By entry, how it was found.
    pub(super) stages: Vec<Option<Stage>>,
    /// Why entries are open, where it is not that nothing is like them.
    pub(super) doubts: HashMap<usize, Why>,
    /// Templates that were contradicted.
    pub(super) rejected: Vec<Template>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        policy: Policy,
        imap: &ImapSide<'a>,
        pops: &'a PopEntries,
        evidence: &'a mut dyn Evidence,
    ) -> Result<Self, Problem> {
        Ok(Self {
            policy,
            pops,
            imaps: imap.entries,
            validity: imap.uid_validity,
            rejected: Vec::new(),
            suspects: HashSet::new(),
            pop_side: Side::new(pops, "POP3")?,
            imap_side: Side::new(imap.entries, "IMAP")?,
            owners: Owners::of(pops),
            stages: vec![None; pops.len()],
            doubts: HashMap::new(),
            evidence,
        })
    }

    /// Joins what earlier runs have found and the listings do not contradict.
    pub(super) fn join_known(&mut self, known: impl Iterator<Item = Known>) {
        let mut uids: Vec<Uid> = Vec::new();
        let mut found: Vec<(Place, Uid, Option<Place>)> = Vec::new();
        for Known {
            uid,
            uidl,
            position,
        } in known
        {
            uids.push(uid);
            let pop = self.owner(uidl.as_str()).and_then(Place::of);
            let position = position.and_then(Place::new);
            found.extend(pop.map(|pop| (pop, uid, position)));
        }
        // A message that had two UIDLs, or a UIDL that two messages had, tells nothing.
        uids.sort_unstable();
        let several = uids.chunk_by(|one, other| one == other);
        let several = several.filter(|alike| alike.len() > 1);
        let several: HashSet<Uid> = several.flatten().copied().collect();
        drop(uids);
        found.sort_unstable();
        let once = found.chunk_by(|one, other| one.0 == other.0);
        let once = once.filter(|alike| alike.len() == 1).flatten();
        let mut pairs: Vec<(Hit, Option<Place>)> = Vec::with_capacity(found.len());
        pairs.extend(once.filter_map(|(pop, uid, position)| {
            let imap = self.imap_of(*uid).filter(|_| !several.contains(uid))?;
            Some((Hit::new(pop.index(), imap)?, *position))
        }));
        drop(found);
        // A UIDL that has gone over to another message shows by its size, where most sizes agree, and by
        // its place among the others.
        let agrees = |(hit, _): &(Hit, Option<Place>)| {
            let sizes = (self.pops.size(hit.pop()), self.imaps.get(hit.imap()));
            matches!(sizes, (Some(pop), Some(imap)) if pop == imap.size)
        };
        let agreeing = pairs.iter().filter(|pair| agrees(pair)).count();
        if !self.policy.skip_sizes && agreeing * 2 > pairs.len() {
            pairs.retain(agrees);
        }
        let positions = pairs.iter().map(|(_, position)| *position);
        let in_order = in_order(positions);
        for ((hit, _), in_order) in pairs.into_iter().zip(in_order) {
            if in_order {
                self.join(hit.pop(), hit.imap(), Stage::Known);
            }
        }
    }

    /// The entry that alone has this UIDL.
    pub(super) fn owner(&self, uidl: &str) -> Option<usize> {
        self.owners.owner(uidl)
    }

    pub(super) fn partner_of_pop(&self, pop: usize) -> Option<(usize, Stage)> {
        let partner = self.pop_side.partner(pop)?;
        Some((partner, self.stages.get(pop).copied().flatten()?))
    }

    pub(super) fn partner_of_imap(&self, imap: usize) -> Option<usize> {
        self.imap_side.partner(imap)
    }

    /// Whether neither of the two has a partner.
    pub(super) fn is_open(&self, hit: Hit) -> bool {
        self.pop_side.is_open(hit.pop()) && self.imap_side.is_open(hit.imap())
    }

    /// Pairs the two, if both are free.
    pub(super) fn join(&mut self, pop: usize, imap: usize, stage: Stage) {
        if self.pop_side.is_open(pop)
            && self.imap_side.is_open(imap)
            && let Some(found_by) = self.stages.get_mut(pop)
        {
            self.pop_side.set_partner(pop, imap);
            self.imap_side.set_partner(imap, pop);
            *found_by = Some(stage);
        }
    }

    /// Says another way in which a pair was found.
    pub(super) fn rename(&mut self, pop: usize, stage: Stage) {
        if let Some(found_by @ Some(_)) = self.stages.get_mut(pop) {
            *found_by = Some(stage);
        }
    }

    pub(super) fn open_pops(&self) -> Vec<usize> {
        self.pop_side.open().collect()
    }

    pub(super) fn open_imaps(&self) -> Vec<usize> {
        self.imap_side.open().collect()
    }

    /// The open entries with a UIDL that no other entry has, in POP3 order.
    pub(super) fn open_owners(&self) -> impl DoubleEndedIterator<Item = usize> {
        let entries = 0..self.pops.len();
        entries.filter(|pop| self.owners.is_alone(*pop) && self.pop_side.is_open(*pop))
    }

    /// Tells each UIDL that no other entry has, in POP3 order, with its entry.
    pub(super) fn each_owner(&self, mut tell: impl FnMut(usize, &str)) {
        let mut uidls = self.pops.uidls();
        let mut pop = 0;
        while let Some(uidl) = uidls.read() {
            if self.owners.is_alone(pop) {
                tell(pop, uidl);
            }
            pop += 1;
        }
    }

    /// The UIDL of an entry.
    pub(super) fn uidl(&self, pop: usize) -> Option<Uidl> {
        self.pops.uidl(pop)
    }

    /// The message of INBOX of this UID.
    pub(super) fn imap_of(&self, uid: Uid) -> Option<usize> {
        self.imap_side.find(uid)
    }

    /// Whether a message is left that could get a UIDL, and a UIDL for it.
    pub(super) fn is_unfinished(&self) -> bool {
        let has_uidl = |pop: usize| self.pops.has_uidl(pop);
        self.imap_side.open().next().is_some() && self.pop_side.open().any(has_uidl)
    }

    /// Whether only the body of an entry can tell whose it is.
    pub(super) fn is_suspect(&self, pop: usize) -> bool {
        let number = self.pops.number(pop);
        number.is_some_and(|number| self.suspects.contains(&number))
    }

    /// Sizes as (POP3, IMAP).
    pub(super) fn sizes(&self, hit: Hit) -> (u64, u64) {
        let pop = self.pops.size(hit.pop()).unwrap_or(0);
        let imap = self.imaps.get(hit.imap()).map_or(0, |entry| entry.size);
        (pop, imap)
    }

    /// How the sizes of these pairs, which are sure or nearly so, relate.
    pub(super) fn size_relation(&self, pairs: &[Hit]) -> SizeRelation {
        if self.policy.skip_sizes {
            return SizeRelation::Ignored;
        }
        SizeRelation::learn(pairs.iter().map(|hit| self.sizes(*hit)))
    }

    /// Whether the bodies of these pairs can be read at little cost. Of two sizes the smaller one
    /// is believed: a server that lies makes messages larger than it would carry.
    pub(super) fn is_cheap(&self, pairs: &[Hit]) -> bool {
        let sizes = pairs.iter().map(|hit| self.sizes(*hit));
        let bytes = sizes.fold(0, |sum: u64, (pop, imap)| sum.saturating_add(pop.min(imap)));
        pairs.len() <= SMALL && bytes <= CHEAP_BYTES
    }

    pub(super) fn pop_header(&self, pop: usize) -> Option<HeaderDigest> {
        self.pop_side.header(pop)
    }

    pub(super) fn imap_header(&self, imap: usize) -> Option<HeaderDigest> {
        self.imap_side.header(imap)
    }

    pub(super) fn pop_content(&self, pop: usize) -> Option<ContentDigest> {
        self.pop_side.content(pop)
    }

    pub(super) fn imap_content(&self, imap: usize) -> Option<ContentDigest> {
        self.imap_side.content(imap)
    }

    /// Whether the two are one message, body and header: a header that is equal loosely, or at
    /// least in what identifies it. `None` where a content is not known.
    pub(super) fn same_content(&self, pop: usize, imap: usize) -> Option<bool> {
        let (pop, imap) = (self.pop_content(pop)?, self.imap_content(imap)?);
        let (a, b) = (pop.header, imap.header);
        let same_header = a.strict == b.strict
            || a.loose == b.loose
            || a.identity.is_some() && a.identity == b.identity;
        Some(same_header && pop.body == imap.body)
    }

    /// Whether the headers, known to be loosely equal, cannot be those of two messages: they are
    /// equal strictly, or the loose form hides nothing but servers' own fields, or a Message-ID
    /// vouches for what it hides. Or the whole messages are equal strictly, whatever was given as
    /// their headers: Courier ends a header stored with CRLF in another place for each protocol.
    pub(super) fn is_unmistakable(&self, pop: usize, imap: usize) -> bool {
        if let (Some(a), Some(b)) = (self.pop_content(pop), self.imap_content(imap))
            && a.header.strict == b.header.strict
            && a.body == b.body
        {
            return true;
        }
        let (Some(a), Some(b)) = (self.pop_header(pop), self.imap_header(imap)) else {
            return false;
        };
        let vouched = a.identity.is_some() && a.identity == b.identity;
        a.strict == b.strict || !a.rough && !b.rough || vouched
    }

    /// Makes headers known, as far as the servers give them.
    pub(super) fn read_headers(&mut self, pops: &[usize], imaps: &[usize]) -> Result<(), Problem> {
        // The two questions are asked one after the other, never at once.
        let evidence = RefCell::new(&mut *self.evidence);
        self.pop_side.read_headers(
            pops,
            |keys| evidence.borrow_mut().pop_headers(keys),
            |keys| evidence.borrow_mut().pop_contents(keys),
        )?;
        self.imap_side.read_headers(
            imaps,
            |keys| evidence.borrow_mut().imap_headers(keys),
            |keys| evidence.borrow_mut().imap_contents(keys),
        )
    }

    /// Makes contents known, as far as the servers give them.
    pub(super) fn read_contents(&mut self, pops: &[usize], imaps: &[usize]) -> Result<(), Problem> {
        let evidence = &mut *self.evidence;
        self.pop_side
            .read_contents(pops, |keys| evidence.pop_contents(keys))?;
        self.imap_side
            .read_contents(imaps, |keys| evidence.imap_contents(keys))
    }

    /// An attribute of messages, by index.
    pub(super) fn read_attributes(
        &mut self,
        attribute: Attribute,
        imaps: &[usize],
    ) -> Result<Vec<(usize, String)>, Problem> {
        let uids = imaps.iter().filter_map(|at| self.imap_side.key(*at));
        let uids: Vec<Uid> = uids.collect();
        let answer = self.evidence.imap_attributes(attribute, &uids)?;
        let answer = answer.into_iter();
        Ok(answer
            .filter_map(|(uid, text)| Some((self.imap_of(uid)?, text)))
            .collect())
    }

    /// Notes why an entry stays open, if it does.
    pub(super) fn doubt(&mut self, pop: usize, why: Why) {
        self.doubts.insert(pop, why);
    }

    /// What has come of it. What the servers have shown is not needed any more.
    pub(super) fn finish(self) -> Done {
        let mut doubts = self.doubts;
        for pop in self.pop_side.without_header() {
            doubts.entry(pop).or_insert(Why::Unread);
        }
        Done {
            alone: self.owners.into_alone(),
            partners: self.pop_side.into_partners(),
            stages: self.stages,
            rejected: self.rejected,
            doubts,
        }
    }
}

/// For each of `positions` whether it is above all known ones before it and below all after it; one
/// that is not known is in order.
fn in_order(positions: impl DoubleEndedIterator<Item = Option<Place>> + Clone) -> Vec<bool> {
    let mut highest = Place::new(0);
    let above = positions.clone().map(|position| {
        let fits = position.is_none() || position > highest;
        highest = highest.max(position);
        fits
    });
    let mut fits: Vec<bool> = above.collect();
    let mut lowest: Option<Place> = None;
    for (fits, position) in fits.iter_mut().rev().zip(positions.rev()) {
        if let Some(position) = position {
            *fits &= lowest.is_none_or(|lowest| position < lowest);
            lowest = Some(lowest.map_or(position, |lowest| lowest.min(position)));
        }
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::{Place, in_order};

    #[test]
    fn what_was_exchanged_is_out_of_order_and_the_rest_is_not() {
        let order = |positions: &[u32]| {
            let positions = positions.iter();
            let positions =
                positions.map(|position| Place::new(*position).filter(|_| *position > 0));
            let fits = in_order(positions).into_iter();
            fits.map(|fits| if fits { '.' } else { 'x' })
                .collect::<String>()
        };
        for (positions, want) in [
            (&[][..], ""),
            (&[1, 2, 5, 9], "...."),
            (&[1, 3, 2, 4], ".xx."),
            (&[2, 3, 4, 1], "xxxx"),
            (&[1, 0, 2, 0], "...."),
            (&[1, 1], "xx"),
        ] {
            assert_eq!(order(positions), want, "{positions:?}");
        }
    }
}
