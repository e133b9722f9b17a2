//! Whether claims of one kind may be believed: the messages that are looked at, and the verdict.
//!
//! Checked by header are, in a mailbox of up to [`SMALL`] messages, all; in a larger one five
//! spread over it, those whose sizes fall out of the rule, all if the sizes have no firm rule,
//! and, where anything is unusual (POP3 order against UID order, UIDLs that the rule should
//! explain and does not, Courier's form, a text that anyone can copy), all whose size is not the
//! only one of its kind, since for those the agreement of sizes means nothing. The bodies are
//! compared too where the header does not tell, and where a mailbox is small in bytes.
//!
//! # What this cannot see
//! In a mailbox of more than [`SMALL`] messages: a server that writes UIDLs of the form of a
//! template with a telling UIDVALIDITY, in UID order, yet not of the UIDs, if every message and
//! the one whose UIDL it bears have the same size, and those of the sample are right. Only
//! reading every header would show it, which is what a template is to save.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use crate::mail::{PopEntries, PopNumber};
use crate::problem::Problem;

use super::sizes::SizeRelation;
use super::work::{CHEAP_BYTES, Hit, SMALL, Work};
use super::{Digest, HeaderDigest};

/// Headers read of a large mailbox in which nothing is unusual.
const SAMPLE: usize = 5;

/// What a pairing asks of POP3 in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// Messages of which it asks the header.
    pub headers: Vec<PopNumber>,
    /// Whether it asks for all those messages whole.
    pub whole: bool,
}

/// What the pairing of a maildrop of which no pair is known yet begins with, as far as its listing tells
/// that: the sample if one rule explains all UIDLs, and if none does, so that all headers are read, a
/// part of it. Nothing is lost but time where INBOX makes it ask for less, or for more.
pub fn foreseen(listing: &PopEntries) -> Foreseen {
    let mut foreseen = Foreseen::default();
    if (0..listing.len()).all(|at| !listing.has_uidl(at)) {
        return foreseen;
    }
    if listing.len() > SMALL {
        let sample = sample(listing.len()).filter_map(|at| listing.number(at));
        foreseen.headers = sample.collect();
        return foreseen;
    }
    foreseen.headers = listing.numbers().collect();
    foreseen.whole = listing.sizes().fold(0, u64::saturating_add) <= CHEAP_BYTES;
    foreseen
}

/// Places spread over so many, which are at least [`SAMPLE`].
fn sample(count: usize) -> impl Iterator<Item = usize> {
    (0..SAMPLE).map(move |n| (count - 1) * n / (SAMPLE - 1))
}

/// What is known of a rule beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Care<'l> {
    /// Something is unusual.
    pub(super) wary: bool,
    /// What no rule explains.
    pub(super) left: &'l Left,
    /// The admin has named the rule: it holds for every message that does not contradict it.
    pub(super) named: bool,
    /// A sure pair contradicts it.
    pub(super) contradicted: bool,
}

/// Open messages that no rule of a kind explains.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) pops: Vec<usize>,
    pub(super) imaps: Vec<usize>,
}

impl Left {
    fn on_both_sides(&self) -> bool {
        !self.pops.is_empty() && !self.imaps.is_empty()
    }

    /// Whether their headers cost little: they are few, or will be asked for in any case.
    fn is_cheap(&self) -> bool {
        self.on_both_sides() || self.pops.len().max(self.imaps.len()) <= SMALL
    }
}

/// The verdict.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// No message contradicts its claim, and enough could be looked at.
    pub(super) is_clean: bool,
    /// What was seen; `None`: nothing may be joined.
    seen: Option<Seen>,
}

impl Proof {
    /// Whether a claim may be joined.
    pub(super) fn holds(&self, hit: &Hit) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|seen| !seen.fallen.contains(hit) && !seen.contradicted.contains(hit))
    }
}

/// What a look at some claims has shown.
#[derive(Debug, Default)]
struct Seen {
    confirmed: usize,
    contradicted: HashSet<Hit>,
    /// Neither; too doubtful to be joined.
    fallen: HashSet<Hit>,
}

/// Judges the claims `hits`, which are in POP3 order.
///
/// # Errors
/// Those of the evidence.
pub(super) fn prove(work: &mut Work<'_>, hits: &[Hit], care: Care<'_>) -> Result<Proof, Problem> {
    if care.contradicted && !care.named {
        return Ok(Proof::default());
    }
    let relation = work.size_relation(hits);
    let looked_at = if care.contradicted {
        hits.to_vec()
    } else {
        choose(work, hits, relation, care.wary)
    };
    let mut seen = look(work, hits, &looked_at, relation, care)?;
    let mut is_clean = seen.contradicted.is_empty() && !care.contradicted;
    if !care.named {
        is_clean &= seen.confirmed > 0 && seen.confirmed * 2 >= looked_at.len();
        if !is_clean {
            return Ok(Proof::default());
        }
    } else if !is_clean && looked_at.len() < hits.len() {
        seen = look(work, hits, hits, relation, care)?;
    }
    let seen = Some(seen);
    Ok(Proof { is_clean, seen })
}

/// Reads what is needed to judge `looked_at`, a part of `hits`. Ends at the first contradiction,
/// unless the rule may stand in spite of it.
fn look(
    work: &mut Work<'_>,
    hits: &[Hit],
    looked_at: &[Hit],
    relation: SizeRelation,
    care: Care<'_>,
) -> Result<Seen, Problem> {
    let twins = read_headers(work, hits, looked_at, care)?;
    let is_small = hits.len() <= SMALL && care.left.on_both_sides();
    let thorough = is_small || work.is_cheap(hits);
    let mut seen = Seen::default();
    let mut doubts: HashMap<Hit, Doubt> = HashMap::new();
    for hit in looked_at {
        match by_header(work, *hit, relation, &twins) {
            Verdict::Confirmed => {
                seen.confirmed += 1;
                doubts.extend(thorough.then_some((*hit, Doubt::Slight)));
            }
            Verdict::Contradicted => {
                seen.contradicted.insert(*hit);
                if !care.named {
                    return Ok(seen);
                }
            }
            Verdict::Doubtful(doubt) => {
                doubts.insert(*hit, doubt);
            }
        }
    }
    compare_bodies(work, doubts, &mut seen)?;
    Ok(seen)
}

/// Reads the headers of `looked_at`, a part of `hits`, and of what may be a twin of one of them.
fn read_headers(
    work: &mut Work<'_>,
    hits: &[Hit],
    looked_at: &[Hit],
    care: Care<'_>,
) -> Result<Twins, Problem> {
    let (mut pops, mut imaps) = sides(looked_at.iter());
    let (open_pops, open_imaps) = (work.open_pops(), work.open_imaps());
    if hits.len() <= SMALL && open_pops.len().max(open_imaps.len()) <= SMALL {
        // All of them: a header that is not the only one of its kind is then seen to be none.
        (pops, imaps) = (open_pops, open_imaps);
    } else if looked_at.len() > SAMPLE && care.left.is_cheap() {
        // A claim may be for the twin of one of these.
        pops.extend(&care.left.pops);
        imaps.extend(&care.left.imaps);
    }
    work.read_headers(&pops, &imaps)?;
    let loose = |header: HeaderDigest| header.loose;
    let pops = pops.iter().filter_map(|at| work.pop_header(*at));
    let imaps = imaps.iter().filter_map(|at| work.imap_header(*at));
    Ok(Twins([
        Kinds::of(pops.map(loose).collect()),
        Kinds::of(imaps.map(loose).collect()),
    ]))
}

/// The headers that have been read, on either side.
struct Twins([Kinds<Digest>; 2]);

impl Twins {
    /// Whether a header is not the only one of its kind on its side.
    fn has_one_of(&self, header: &HeaderDigest) -> bool {
        let mut sides = self.0.iter();
        sides.any(|kinds| kinds.has_several(&header.loose))
    }
}

/// What a header says of a claim.
enum Verdict {
    Confirmed,
    Contradicted,
    /// The bodies are to be compared.
    Doubtful(Doubt),
}

/// Why the bodies of a claim are compared. If they differ the claim is wrong in any case.
#[derive(Clone, Copy)]
enum Doubt {
    /// Without the bodies it is dropped.
    Grave,
    /// Its header could not be read; the claims that could be read answer for it.
    Unseen,
    /// The header is proof enough, but it costs little to be quite sure.
    Slight,
}

fn by_header(work: &Work<'_>, hit: Hit, relation: SizeRelation, twins: &Twins) -> Verdict {
    let fits = relation.fits(work.sizes(hit));
    match (work.pop_header(hit.pop()), work.imap_header(hit.imap())) {
        (Some(pop), Some(imap)) if pop.strict == imap.strict || pop.loose == imap.loose => {
            let deviates = !fits && relation != SizeRelation::None;
            let is_sure = !deviates
                && !twins.has_one_of(&pop)
                && !twins.has_one_of(&imap)
                && work.is_unmistakable(hit.pop(), hit.imap())
                && !work.is_suspect(hit.pop());
            match is_sure {
                true => Verdict::Confirmed,
                false => Verdict::Doubtful(Doubt::Grave),
            }
        }
        (Some(pop), Some(imap)) if pop.identity.is_none() || pop.identity != imap.identity => {
            Verdict::Contradicted
        }
        (Some(_), Some(_)) => Verdict::Doubtful(Doubt::Grave),
        _ if fits => Verdict::Doubtful(Doubt::Unseen),
        _ => Verdict::Doubtful(Doubt::Grave),
    }
}

fn compare_bodies(
    work: &mut Work<'_>,
    doubts: HashMap<Hit, Doubt>,
    seen: &mut Seen,
) -> Result<(), Problem> {
    let (pops, imaps) = sides(doubts.keys());
    work.read_contents(&pops, &imaps)?;
    for (hit, doubt) in doubts {
        match (work.same_content(hit.pop(), hit.imap()), doubt) {
            (Some(false), _) => {
                seen.contradicted.insert(hit);
            }
            (Some(true), Doubt::Grave | Doubt::Unseen) => seen.confirmed += 1,
            (None, Doubt::Grave) => {
                seen.fallen.insert(hit);
            }
            (Some(true), Doubt::Slight) | (None, Doubt::Slight | Doubt::Unseen) => (),
        }
    }
    Ok(())
}

fn sides<'h>(hits: impl Iterator<Item = &'h Hit>) -> (Vec<usize>, Vec<usize>) {
    hits.map(|hit| (hit.pop(), hit.imap())).unzip()
}

/// The claims to look at more closely; see the module.
fn choose(work: &Work<'_>, hits: &[Hit], relation: SizeRelation, wary: bool) -> Vec<Hit> {
    if hits.len() <= SMALL || relation != SizeRelation::Equal {
        return hits.to_vec();
    }
    let wary = wary || !hits.is_sorted_by_key(|hit| hit.imap());
    let mut chosen = vec![false; hits.len()];
    for at in sample(hits.len()) {
        if let Some(slot) = chosen.get_mut(at) {
            *slot = true;
        }
    }
    // Hardly ever needed.
    let kinds: LazyCell<[Kinds<u64>; 2], _> = LazyCell::new(|| {
        let imaps = work.imaps.iter().map(|entry| entry.size);
        [
            Kinds::of(work.pops.sizes().collect()),
            Kinds::of(imaps.collect()),
        ]
    });
    for (slot, hit) in chosen.iter_mut().zip(hits) {
        let sizes = work.sizes(*hit);
        let telling = || kinds.iter().all(|it| it.has_one(&sizes.0));
        *slot |= !relation.fits(sizes) || work.is_suspect(hit.pop()) || wary && !telling();
    }
    let both = hits.iter().zip(chosen);
    both.filter_map(|(hit, chosen)| chosen.then_some(*hit))
        .collect()
}

/// How often values occur.
struct Kinds<T>(Vec<T>);

impl<T: Ord> Kinds<T> {
    fn of(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        Self(values)
    }

    fn has_one(&self, value: &T) -> bool {
        self.like(value).is_some() && !self.has_several(value)
    }

    fn has_several(&self, value: &T) -> bool {
        let second = self.like(value).and_then(|first| self.0.get(first + 1));
        second == Some(value)
    }

    /// The place of the first like it.
    fn like(&self, value: &T) -> Option<usize> {
        let first = self.0.partition_point(|known| known < value);
        (self.0.get(first) == Some(value)).then_some(first)
    }
}
