//! UIDLs that say themselves whose they are: written by a template, or taken from the X-GUID.
//!
//! # How far such a claim is believed
//! The text has 32 bits or more that only the right server knows, so chance is no danger. But
//! a server may have counted by itself (Courier), or have kept the UIDLs of an older one. So the
//! claims of one kind stand or fall together, and one message that contradicts its claim brings
//! all of them down. Checked by header are, in a mailbox of up to [`SMALL`] messages, all; in a
//! larger one five spread over it, those whose sizes fall out of the rule, all if the
//! sizes have no firm rule, and, where anything is unusual (POP3 order against UID order, a
//! template that does not explain nearly all UIDLs, Courier's form), all whose size is not the
//! only one of its kind, since for those the agreement of sizes means nothing. The bodies are
//! compared too where the header does not tell, and where a mailbox is small in bytes.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::hash::Hash;

use md5::{Digest as _, Md5};

use crate::problem::Problem;

use super::sizes::SizeRelation;
use super::work::{SMALL, Work};
use super::{HeaderDigest, Stage, Template};

/// A UIDVALIDITY below this may be a counter, and a text with it anything; as a time it would
/// be a day of 1970.
const LEAST_TELLING_VALIDITY: u32 = 1 << 16;
/// A GUID shorter than this may be a counter too.
const LEAST_TELLING_GUID: usize = 12;
/// Headers read of a large mailbox in which nothing is unusual.
const SAMPLE: usize = 5;

/// What one rule says: (POP3 index, IMAP index).
struct Claims {
    stage: Stage,
    hits: Vec<(usize, usize)>,
    /// The rule disagrees with a pair that is sure.
    contradicted: bool,
}

/// A template that proves nothing by itself: what it says of each POP3 entry.
pub(super) struct Hint {
    template: Template,
    imap_of: HashMap<usize, usize>,
}

impl Hint {
    /// The message that has the UIDL of the POP3 entry, if the template is right.
    pub(super) fn imap_of(&self, pop: usize) -> Option<usize> {
        self.imap_of.get(&pop).copied()
    }
}

/// Pairs by templates that have a telling UIDVALIDITY; there may be several, each for its part.
pub(super) fn by_template(work: &mut Work<'_>) -> Result<(), Problem> {
    if !validity_tells(work) {
        return Ok(());
    }
    let open = work.open_uidls();
    let mut all = Vec::new();
    for template in Template::ALL.into_iter().filter(|t| t.has_validity()) {
        let claims = claims_of(work, template);
        let explains_all = !claims.contradicted && claims.hits.len() == open;
        if explains_all {
            all.clear();
        }
        all.push(claims);
        if explains_all {
            break;
        }
    }
    settle(work, all)
}

/// Pairs by X-GUID and its MD5, where templates have left UIDLs.
pub(super) fn by_guid(work: &mut Work<'_>) -> Result<(), Problem> {
    if !work.is_unfinished() {
        return Ok(());
    }
    let mut plain = Claims::new(Stage::XGuid);
    let mut hashed = Claims::new(Stage::Md5Guid);
    let mut text = String::new();
    for (imap, guid) in work.read_guids()? {
        if guid.len() < LEAST_TELLING_GUID {
            continue;
        }
        plain.note(work, &guid, imap);
        text.clear();
        for byte in Md5::digest(guid.as_bytes()) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        hashed.note(work, &text, imap);
    }
    settle(work, vec![plain, hashed])
}

/// A template without a telling UIDVALIDITY that explains nearly all open UIDLs.
pub(super) fn counter_hint(work: &Work<'_>) -> Option<Hint> {
    let open = work.open_uidls();
    let tells = validity_tells(work);
    let candidates = Template::ALL.into_iter();
    let counters = candidates.filter(|template| !(tells && template.has_validity()));
    counters
        .map(|template| (template, claims_of(work, template)))
        .find(|(_, claims)| {
            !claims.contradicted && !claims.hits.is_empty() && nearly_all(claims.hits.len(), open)
        })
        .map(|(template, claims)| Hint {
            template,
            imap_of: claims.hits.into_iter().collect(),
        })
}

/// Gives the pairs the name of the template that foretold them, if all of them agree with it.
pub(super) fn name_counter(work: &mut Work<'_>, hint: &Hint) {
    let hinted = hint.imap_of.keys().copied();
    let found: Vec<(usize, usize)> = hinted
        .filter_map(|pop| Some((pop, work.partner_of_pop(pop)?.0)))
        .collect();
    if !found
        .iter()
        .all(|(pop, imap)| hint.imap_of(*pop) == Some(*imap))
    {
        work.rejected.push(hint.template);
    } else if nearly_all(found.len(), hint.imap_of.len()) {
        for (pop, _) in found {
            work.rename(pop, Stage::Template(hint.template));
        }
    }
}

fn validity_tells(work: &Work<'_>) -> bool {
    work.validity
        .is_some_and(|v| v.value() >= LEAST_TELLING_VALIDITY)
}

/// 95 %.
fn nearly_all(part: usize, whole: usize) -> bool {
    part * 20 >= whole * 19
}

impl Claims {
    fn new(stage: Stage) -> Self {
        Self {
            stage,
            hits: Vec::new(),
            contradicted: false,
        }
    }

    /// Notes that the message `imap` would have the UIDL `text`.
    fn note(&mut self, work: &Work<'_>, text: &str, imap: usize) {
        let Some(pop) = work.owner(text) else {
            return;
        };
        match (work.partner_of_pop(pop), work.partner_of_imap(imap)) {
            (None, None) => self.hits.push((pop, imap)),
            (Some((paired, _)), _) if paired == imap => (),
            _ => self.contradicted = true,
        }
    }
}

fn claims_of(work: &Work<'_>, template: Template) -> Claims {
    let mut claims = Claims::new(Stage::Template(template));
    let mut text = String::new();
    for (imap, entry) in work.imaps.iter().enumerate() {
        if !template.write(&mut text, work.validity, entry.uid) {
            break;
        }
        claims.note(work, &text, imap);
    }
    claims
}

/// Judges each rule, the one with the most claims first, and joins what holds.
fn settle(work: &mut Work<'_>, mut all: Vec<Claims>) -> Result<(), Problem> {
    drop_contested(&mut all);
    all.sort_by_key(|claims| std::cmp::Reverse(claims.hits.len()));
    let explained: HashSet<usize> = all
        .iter()
        .flat_map(|claims| claims.hits.iter().map(|hit| hit.0))
        .collect();
    let left = work.open_pops().len() > explained.len();
    let left_in_inbox = work.open_imaps().len() > explained.len();
    let partly = !nearly_all(explained.len(), work.open_uidls());
    // A rule that differs from a rejected one in letter case only claims some of the same pairs.
    let mut disproved: HashSet<(usize, usize)> = HashSet::new();
    for claims in all {
        let is_open = |&(pop, imap): &(usize, usize)| {
            work.partner_of_pop(pop).is_none() && work.partner_of_imap(imap).is_none()
        };
        let mut hits: Vec<(usize, usize)> = claims
            .hits
            .into_iter()
            .filter(|hit| is_open(hit) && !disproved.contains(hit))
            .collect();
        if hits.is_empty() {
            continue;
        }
        hits.sort_unstable();
        let wary = partly || claims.stage == Stage::Template(Template::UidUDashV);
        let proved = if claims.contradicted {
            None
        } else {
            prove(work, &hits, wary, left && left_in_inbox)?
        };
        match proved {
            Some(proved) => {
                for (pop, imap) in proved {
                    work.join(pop, imap, claims.stage);
                }
            }
            None => {
                disproved.extend(hits);
                if let Stage::Template(template) = claims.stage {
                    work.rejected.push(template);
                }
            }
        }
    }
    Ok(())
}

/// Where two UIDLs claim one message, or one UIDL two messages, neither is believed.
fn drop_contested(all: &mut [Claims]) {
    let distinct: HashSet<(usize, usize)> =
        all.iter().flat_map(|c| c.hits.iter().copied()).collect();
    let mut pops: HashMap<usize, usize> = HashMap::new();
    let mut imaps: HashMap<usize, usize> = HashMap::new();
    for (pop, imap) in distinct {
        *pops.entry(pop).or_default() += 1;
        *imaps.entry(imap).or_default() += 1;
    }
    for claims in all {
        claims
            .hits
            .retain(|(pop, imap)| pops.get(pop) == Some(&1) && imaps.get(imap) == Some(&1));
    }
}

/// The claims that may be joined; `None` if a message contradicts its claim, or if too few could
/// be looked at. `hits` are in POP3 order.
fn prove(
    work: &mut Work<'_>,
    hits: &[(usize, usize)],
    wary: bool,
    left_on_both_sides: bool,
) -> Result<Option<Vec<(usize, usize)>>, Problem> {
    let sizes = |&(pop, imap): &(usize, usize)| work.sizes(pop, imap);
    let relation = SizeRelation::learn(hits.iter().map(sizes));
    let fits: Vec<bool> = hits.iter().map(|hit| relation.fits(sizes(hit))).collect();
    let small = hits.len() <= SMALL;
    let wary = wary || !hits.is_sorted_by_key(|hit| hit.1);
    let looked_at = choose(work, hits, &fits, relation, wary);

    let (mut pops, mut imaps): (Vec<usize>, Vec<usize>) = looked_at.iter().copied().unzip();
    let (open_pops, open_imaps) = (work.open_pops(), work.open_imaps());
    if small && open_pops.len().max(open_imaps.len()) <= SMALL {
        // All of them: a header that is not the only one of its kind is then seen to be none.
        (pops, imaps) = (open_pops, open_imaps);
    }
    work.read_headers(&pops, &imaps)?;
    let loose = |header: HeaderDigest| header.loose;
    let pop_kinds = kinds(pops.iter().filter_map(|at| work.pop_header(*at)).map(loose));
    let imap_kinds = kinds(
        imaps
            .iter()
            .filter_map(|at| work.imap_header(*at))
            .map(loose),
    );
    let is_twin = |header: &HeaderDigest| {
        [&pop_kinds, &imap_kinds]
            .iter()
            .any(|kinds| kinds.get(&header.loose).is_some_and(|many| *many > 1))
    };

    let thorough = work.is_cheap(hits) || small && left_on_both_sides;
    let mut confirmed = 0;
    let mut doubts: HashMap<(usize, usize), Doubt> = HashMap::new();
    let fitting: HashMap<(usize, usize), bool> = hits.iter().copied().zip(fits).collect();
    for hit in &looked_at {
        let fits = fitting.get(hit) == Some(&true);
        let doubt = match (work.pop_header(hit.0), work.imap_header(hit.1)) {
            (Some(pop), Some(imap)) if pop.strict == imap.strict || pop.loose == imap.loose => {
                let deviates = !fits && relation != SizeRelation::None;
                if is_twin(&pop)
                    || is_twin(&imap)
                    || !work.is_unmistakable(hit.0, hit.1)
                    || deviates && (small || imap.identity.is_none())
                {
                    Some(Doubt::Grave)
                } else {
                    confirmed += 1;
                    thorough.then_some(Doubt::Slight)
                }
            }
            (Some(pop), Some(imap)) => {
                if pop.identity.is_none() || pop.identity != imap.identity {
                    return Ok(None);
                }
                Some(Doubt::Grave)
            }
            _ if fits => Some(Doubt::Unseen),
            _ => Some(Doubt::Grave),
        };
        doubts.extend(doubt.map(|doubt| (*hit, doubt)));
    }

    let (pops, imaps): (Vec<usize>, Vec<usize>) = doubts.keys().copied().unzip();
    work.read_contents(&pops, &imaps)?;
    let mut fallen: HashSet<(usize, usize)> = HashSet::new();
    for (hit, doubt) in doubts {
        match (work.same_content(hit.0, hit.1), doubt) {
            (Some(false), _) => return Ok(None),
            (Some(true), Doubt::Grave | Doubt::Unseen) => confirmed += 1,
            (None, Doubt::Grave) => {
                fallen.insert(hit);
            }
            (Some(true), Doubt::Slight) | (None, Doubt::Slight | Doubt::Unseen) => (),
        }
    }
    if confirmed == 0 || confirmed * 2 < looked_at.len() {
        return Ok(None);
    }
    let stay = hits.iter().copied().filter(|hit| !fallen.contains(hit));
    Ok(Some(stay.collect()))
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

/// The claims to look at more closely; see the module.
fn choose(
    work: &Work<'_>,
    hits: &[(usize, usize)],
    fits: &[bool],
    relation: SizeRelation,
    wary: bool,
) -> Vec<(usize, usize)> {
    if hits.len() <= SMALL || relation != SizeRelation::Equal {
        return hits.to_vec();
    }
    let mut chosen = vec![false; hits.len()];
    for n in 0..SAMPLE {
        if let Some(slot) = chosen.get_mut((hits.len() - 1) * n / (SAMPLE - 1)) {
            *slot = true;
        }
    }
    let pop_sizes = kinds(work.pops.iter().map(|entry| entry.size));
    let imap_sizes = kinds(work.imaps.iter().map(|entry| entry.size));
    for ((slot, fits), hit) in chosen.iter_mut().zip(fits).zip(hits) {
        let size = work.sizes(hit.0, hit.1).0;
        let telling = pop_sizes.get(&size) == Some(&1) && imap_sizes.get(&size) == Some(&1);
        *slot |= !fits || wary && !telling;
    }
    let both = hits.iter().zip(chosen);
    both.filter_map(|(hit, chosen)| chosen.then_some(*hit))
        .collect()
}

/// How often each value occurs.
fn kinds<T: Eq + Hash>(values: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut kinds = HashMap::new();
    for value in values {
        *kinds.entry(value).or_insert(0) += 1;
    }
    kinds
}
