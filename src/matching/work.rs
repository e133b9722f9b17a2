//! The state of a pairing: who is paired, and what has been read so far.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::mail::{Entry, PopEntry, PopNumber, Uid, UidValidity, Uidl};
use crate::problem::{Kind, Problem, Reach};

use super::sizes::SizeRelation;
use super::{
    Attribute, ContentDigest, Evidence, HeaderDigest, ImapSide, Known, Policy, Stage, Template, Why,
};

/// Up to so many messages are looked at one by one, since it costs little.
pub(super) const SMALL: usize = 100;
/// Up to so many bytes of bodies are read over POP3 where no doubt demands it.
pub const CHEAP_BYTES: u64 = 4 << 20;

/// Both listings, by index: a `pop` is an index into `pops`, an `imap` one into `imaps`.
pub(super) struct Work<'a> {
    pub(super) policy: Policy,
    pub(super) pops: &'a [PopEntry],
    pub(super) imaps: &'a [Entry],
    pub(super) validity: Option<UidValidity>,
    /// Templates that were contradicted.
    pub(super) rejected: Vec<Template>,
    /// Entries for which a header is no proof, whatever else it may be.
    pub(super) suspects: HashSet<PopNumber>,
    /// The entry of each UIDL; `None` for one that is listed twice.
    owners: HashMap<&'a str, Option<usize>>,
    pop_side: Side<PopNumber>,
    imap_side: Side<Uid>,
    stages: Vec<Option<Stage>>,
    doubts: Vec<Option<Why>>,
    evidence: &'a mut dyn Evidence,
}

/// One side's messages by what they are asked by.
struct Side<K> {
    keys: Vec<K>,
    index: HashMap<K, usize>,
    partners: Vec<Option<usize>>,
    headers: Vec<Seen<HeaderDigest>>,
    contents: Vec<Seen<ContentDigest>>,
}

/// What is known of one piece of evidence.
#[derive(Clone, Copy)]
enum Seen<D> {
    Unasked,
    Absent,
    Here(D),
}

impl<D: Copy> Seen<D> {
    fn value(self) -> Option<D> {
        match self {
            Seen::Here(digest) => Some(digest),
            Seen::Unasked | Seen::Absent => None,
        }
    }
}

impl<K: Copy + Eq + Hash> Side<K> {
    fn new(keys: Vec<K>, name: &str) -> Result<Self, Problem> {
        let index: HashMap<K, usize> = keys.iter().enumerate().map(|(at, k)| (*k, at)).collect();
        if index.len() != keys.len() {
            let what = format!("{name} lists a message twice");
            return Err(Problem::new(Kind::Protocol, Reach::User, what));
        }
        Ok(Self {
            index,
            partners: vec![None; keys.len()],
            headers: vec![Seen::Unasked; keys.len()],
            contents: vec![Seen::Unasked; keys.len()],
            keys,
        })
    }

    fn header(&self, at: usize) -> Option<HeaderDigest> {
        self.headers.get(at).and_then(|seen| seen.value())
    }

    fn content(&self, at: usize) -> Option<ContentDigest> {
        self.contents.get(at).and_then(|seen| seen.value())
    }

    fn open(&self) -> impl Iterator<Item = usize> {
        let partners = self.partners.iter().enumerate();
        partners.filter_map(|(at, partner)| partner.is_none().then_some(at))
    }

    /// Reads the headers of `wanted` that were not asked for yet; where one is not to be had
    /// (a POP3 server without TOP), the whole message is read for it.
    fn read_headers(
        &mut self,
        wanted: &[usize],
        ask: impl FnOnce(&[K]) -> Result<Vec<(K, HeaderDigest)>, Problem>,
        ask_contents: impl FnOnce(&[K]) -> Result<Vec<(K, ContentDigest)>, Problem>,
    ) -> Result<(), Problem> {
        ask_for(&self.keys, &self.index, wanted, &mut self.headers, ask)?;
        let absent = |at: &usize| self.header(*at).is_none();
        let without: Vec<usize> = wanted.iter().copied().filter(absent).collect();
        self.read_contents(&without, ask_contents)
    }

    fn read_contents(
        &mut self,
        wanted: &[usize],
        ask: impl FnOnce(&[K]) -> Result<Vec<(K, ContentDigest)>, Problem>,
    ) -> Result<(), Problem> {
        ask_for(&self.keys, &self.index, wanted, &mut self.contents, ask)?;
        for (header, content) in self.headers.iter_mut().zip(&self.contents) {
            if let (None, Seen::Here(content)) = (header.value(), content) {
                *header = Seen::Here(content.header);
            }
        }
        Ok(())
    }
}

fn ask_for<K: Copy + Eq + Hash, D>(
    keys: &[K],
    index: &HashMap<K, usize>,
    wanted: &[usize],
    seen: &mut [Seen<D>],
    ask: impl FnOnce(&[K]) -> Result<Vec<(K, D)>, Problem>,
) -> Result<(), Problem> {
    let mut asked = Vec::new();
    for at in wanted {
        if let (Some(slot @ Seen::Unasked), Some(key)) = (seen.get_mut(*at), keys.get(*at)) {
            *slot = Seen::Absent;
            asked.push(*key);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    for (key, digest) in ask(&asked)? {
        // What was not asked for, or comes a second time, is not believed.
        if let Some(slot @ Seen::Absent) = index.get(&key).and_then(|at| seen.get_mut(*at)) {
            *slot = Seen::Here(digest);
        }
    }
    Ok(())
}

impl<'a> Work<'a> {
    pub(super) fn new(
        policy: Policy,
        imap: &ImapSide<'a>,
        pops: &'a [PopEntry],
        evidence: &'a mut dyn Evidence,
    ) -> Result<Self, Problem> {
        let mut owners = HashMap::with_capacity(pops.len());
        for (at, entry) in pops.iter().enumerate() {
            if let Some(uidl) = &entry.uidl {
                owners
                    .entry(uidl.as_str())
                    .and_modify(|owner| *owner = None)
                    .or_insert(Some(at));
            }
        }
        Ok(Self {
            policy,
            pops,
            imaps: imap.entries,
            validity: imap.uid_validity,
            rejected: Vec::new(),
            suspects: HashSet::new(),
            owners,
            pop_side: Side::new(pops.iter().map(|entry| entry.number).collect(), "POP3")?,
            imap_side: Side::new(imap.entries.iter().map(|entry| entry.uid).collect(), "IMAP")?,
            stages: vec![None; pops.len()],
            doubts: vec![None; pops.len()],
            evidence,
        })
    }

    /// Joins what earlier runs have found and the listings do not contradict.
    pub(super) fn join_known(&mut self, known: &[Known]) {
        let mut uids: HashMap<Uid, usize> = HashMap::new();
        let mut uidls: HashMap<&Uidl, usize> = HashMap::new();
        for Known { uid, uidl, .. } in known {
            *uids.entry(*uid).or_default() += 1;
            *uidls.entry(uidl).or_default() += 1;
        }
        let mut pairs = Vec::with_capacity(known.len());
        for Known {
            uid,
            uidl,
            position,
        } in known
        {
            let once = uids.get(uid) == Some(&1) && uidls.get(uidl) == Some(&1);
            let imap = self.imap_side.index.get(uid).copied();
            if let (true, Some(pop), Some(imap)) = (once, self.owner(uidl.as_str()), imap) {
                pairs.push((pop, imap, *position));
            }
        }
        // A UIDL that has gone over to another message shows by its size, where most sizes agree, and by
        // its place among the others.
        let agrees = |(pop, imap, _): &(usize, usize, Option<u32>)| {
            let sizes = (self.pops.get(*pop), self.imaps.get(*imap));
            matches!(sizes, (Some(pop), Some(imap)) if pop.size == imap.size)
        };
        let agreeing = pairs.iter().filter(|pair| agrees(pair)).count();
        if !self.policy.skip_sizes && agreeing * 2 > pairs.len() {
            pairs.retain(agrees);
        }
        pairs.sort_unstable_by_key(|(pop, ..)| *pop);
        let positions: Vec<Option<u32>> = pairs.iter().map(|(.., position)| *position).collect();
        let in_order = in_order(&positions);
        for ((pop, imap, _), in_order) in pairs.into_iter().zip(in_order) {
            if in_order {
                self.join(pop, imap, Stage::Known);
            }
        }
    }

    /// The entry that alone has this UIDL.
    pub(super) fn owner(&self, uidl: &str) -> Option<usize> {
        self.owners.get(uidl).copied().flatten()
    }

    pub(super) fn partner_of_pop(&self, pop: usize) -> Option<(usize, Stage)> {
        let partner = self.pop_side.partners.get(pop).copied().flatten()?;
        Some((partner, self.stages.get(pop).copied().flatten()?))
    }

    pub(super) fn partner_of_imap(&self, imap: usize) -> Option<usize> {
        self.imap_side.partners.get(imap).copied().flatten()
    }

    /// Pairs the two, if both are free.
    pub(super) fn join(&mut self, pop: usize, imap: usize, stage: Stage) {
        if let (Some(to_imap @ None), Some(to_pop @ None), Some(found_by)) = (
            self.pop_side.partners.get_mut(pop),
            self.imap_side.partners.get_mut(imap),
            self.stages.get_mut(pop),
        ) {
            *to_imap = Some(imap);
            *to_pop = Some(pop);
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
    pub(super) fn open_uidls(&self) -> impl DoubleEndedIterator<Item = (usize, &'a str)> {
        let entries = self.pops.iter().enumerate();
        entries.filter_map(|(pop, entry)| {
            let uidl = entry.uidl.as_ref()?.as_str();
            let open = self.owner(uidl).is_some() && self.partner_of_pop(pop).is_none();
            open.then_some((pop, uidl))
        })
    }

    /// Whether INBOX has a message of this UID.
    pub(super) fn has_uid(&self, uid: u32) -> bool {
        Uid::new(uid).is_some_and(|uid| self.imap_side.index.contains_key(&uid))
    }

    /// Whether a message is left that could get a UIDL, and a UIDL for it.
    pub(super) fn is_unfinished(&self) -> bool {
        let has_uidl = |pop: usize| self.pops.get(pop).is_some_and(|e| e.uidl.is_some());
        self.imap_side.open().next().is_some() && self.pop_side.open().any(has_uidl)
    }

    /// Whether only the body of an entry can tell whose it is.
    pub(super) fn is_suspect(&self, pop: usize) -> bool {
        let entry = self.pops.get(pop);
        entry.is_some_and(|entry| self.suspects.contains(&entry.number))
    }

    /// Sizes as (POP3, IMAP).
    pub(super) fn sizes(&self, pop: usize, imap: usize) -> (u64, u64) {
        let pop = self.pops.get(pop).map_or(0, |entry| entry.size);
        let imap = self.imaps.get(imap).map_or(0, |entry| entry.size);
        (pop, imap)
    }

    /// How the sizes of these pairs, which are sure or nearly so, relate.
    pub(super) fn size_relation(&self, pairs: &[(usize, usize)]) -> SizeRelation {
        if self.policy.skip_sizes {
            return SizeRelation::Ignored;
        }
        SizeRelation::learn(pairs.iter().map(|(pop, imap)| self.sizes(*pop, *imap)))
    }

    /// Whether the bodies of these pairs can be read at little cost. Of two sizes the smaller one
    /// is believed: a server that lies makes messages larger than it would carry.
    pub(super) fn is_cheap(&self, pairs: &[(usize, usize)]) -> bool {
        let sizes = pairs.iter().map(|(pop, imap)| self.sizes(*pop, *imap));
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
        let keys = &self.imap_side.keys;
        let uids: Vec<Uid> = imaps
            .iter()
            .filter_map(|at| keys.get(*at).copied())
            .collect();
        let answer = self.evidence.imap_attributes(attribute, &uids)?;
        let index = &self.imap_side.index;
        Ok(answer
            .into_iter()
            .filter_map(|(uid, text)| Some((*index.get(&uid)?, text)))
            .collect())
    }

    /// Notes why an entry stays open, if it does.
    pub(super) fn doubt(&mut self, pop: usize, why: Why) {
        if let Some(doubt) = self.doubts.get_mut(pop) {
            *doubt = Some(why);
        }
    }

    /// Why an open entry is open.
    pub(super) fn why_open(&self, pop: usize) -> Why {
        let header = self.pop_side.headers.get(pop);
        match self.doubts.get(pop).copied().flatten() {
            Some(why) => why,
            None if matches!(header, Some(Seen::Absent)) => Why::Unread,
            None => Why::NoMessage,
        }
    }
}

/// For each of `positions` whether it is above all known ones before it and below all after it; one
/// that is not known is in order.
fn in_order(positions: &[Option<u32>]) -> Vec<bool> {
    let mut highest = 0;
    let mut fits: Vec<bool> = positions
        .iter()
        .map(|position| {
            let fits = position.is_none_or(|position| position > highest);
            highest = highest.max(position.unwrap_or(0));
            fits
        })
        .collect();
    let mut lowest = u32::MAX;
    for (fits, position) in fits.iter_mut().zip(positions).rev() {
        *fits &= position.is_none_or(|position| position < lowest);
        lowest = lowest.min(position.unwrap_or(u32::MAX));
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn what_was_exchanged_is_out_of_order_and_the_rest_is_not() {
        let order = |positions: &[u32]| {
            let positions: Vec<Option<u32>> = positions
                .iter()
                .map(|position| Some(*position).filter(|position| *position > 0))
                .collect();
            let fits = in_order(&positions).into_iter();
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
