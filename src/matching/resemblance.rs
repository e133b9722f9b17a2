//! Pairs by what messages look like: header, identity, body. What is left after it is reported.

use std::collections::HashSet;

use crate::mail::Place;
use crate::problem::Problem;

use super::claims::Hint;
use super::work::{Hit, Work};
use super::{Digest, HeaderDigest, Stage, Why};

/// A server re-encodes bodies if at least so many messages have another body, and none the same.
const ENOUGH_REENCODED: usize = 8;

/// Indices on both sides that have something in common, ascending.
#[derive(Default)]
struct Group {
    pops: Vec<usize>,
    imaps: Vec<usize>,
}

impl Group {
    fn is_on_both_sides(&self) -> bool {
        !self.pops.is_empty() && !self.imaps.is_empty()
    }
}

/// Messages by what they have in common; each group is made when it is looked at, since mostly there
/// are as many as messages.
struct Groups(Vec<(Digest, Side, Place)>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Pop,
    Imap,
}

impl Groups {
    fn iter(&self) -> impl Iterator<Item = Group> {
        let alike = self.0.chunk_by(|one, other| one.0 == other.0);
        alike.map(|members| {
            let mut group = Group::default();
            for (_, side, place) in members {
                match side {
                    Side::Pop => group.pops.push(place.index()),
                    Side::Imap => group.imaps.push(place.index()),
                }
            }
            group
        })
    }
}

/// Pairs what is open. `hint` only chooses among copies of one message.
pub(super) fn pair_alike(work: &mut Work<'_>, hint: Option<&Hint>) -> Result<(), Problem> {
    if !work.is_unfinished() {
        return Ok(());
    }
    work.read_headers(&work.open_pops(), &work.open_imaps())?;
    by_header(work, hint)?;
    if work.is_unfinished() {
        by_identity(work, hint)?;
    }
    Ok(())
}

fn by_header(work: &mut Work<'_>, hint: Option<&Hint>) -> Result<(), Problem> {
    let found = Found::of(work);
    let needs_body = found.need_bodies(work);
    let cheap = work.is_cheap(&found.lone);
    let checked = found.lone.iter().zip(&needs_body);
    let checked = checked.filter(|(_, needs)| **needs || cheap);
    let checked = checked.map(|(hit, _)| (hit.pop(), hit.imap()));
    let (mut pops, mut imaps): (Vec<usize>, Vec<usize>) = checked.unzip();
    for crowd in &found.crowds {
        pops.extend(&crowd.pops);
        imaps.extend(&crowd.imaps);
    }
    work.read_contents(&pops, &imaps)?;

    for (hit, needs_body) in found.lone.into_iter().zip(needs_body) {
        let (pop, imap) = (hit.pop(), hit.imap());
        match work.same_content(pop, imap) {
            Some(false) => work.doubt(pop, Why::OtherBody),
            _ if !work.is_unmistakable(pop, imap) => work.doubt(pop, Why::Ambiguous),
            None if needs_body => work.doubt(pop, Why::Unread),
            Some(true) | None => {
                let equal = strict(work.pop_header(pop)) == strict(work.imap_header(imap));
                let stage = if equal {
                    Stage::Header
                } else {
                    Stage::HeaderLoose
                };
                work.join(pop, imap, stage);
            }
        }
    }
    for crowd in found.crowds {
        doubt_all(work, &crowd);
        for copies in by_body(work, &crowd).iter() {
            if copies.is_on_both_sides() {
                pair_copies(work, &copies, hint);
            }
        }
    }
    Ok(())
}

/// What is open, by headers.
struct Found {
    /// Headers that are the only ones of their kind on both sides.
    lone: Vec<Hit>,
    /// Messages of one header, which both sides have, and one of them more than once.
    crowds: Vec<Group>,
    /// How many messages of POP3 find none of IMAP.
    pops_left: usize,
    /// How many messages of IMAP find none of POP3.
    imaps_left: usize,
}

impl Found {
    fn of(work: &Work<'_>) -> Self {
        let (pops_left, imaps_left) = unread(work);
        let mut found = Self {
            lone: Vec::new(),
            crowds: Vec::new(),
            pops_left,
            imaps_left,
        };
        let groups = group(
            work,
            |work, pop| loose(work.pop_header(pop)),
            |work, imap| loose(work.imap_header(imap)),
        );
        for group in groups.iter() {
            found.pops_left += group.pops.len().saturating_sub(group.imaps.len());
            found.imaps_left += group.imaps.len().saturating_sub(group.pops.len());
            match (group.pops.as_slice(), group.imaps.as_slice()) {
                ([], _) | (_, []) => (),
                ([pop], [imap]) => found.lone.extend(Hit::new(*pop, *imap)),
                _ => found.crowds.push(group),
            }
        }
        found
    }

    /// For each of the lone ones whether its header is no proof without the bodies.
    fn need_bodies(&self, work: &Work<'_>) -> Vec<bool> {
        let relation = work.size_relation(&self.lone);
        let lone = self.lone.iter().map(|hit| {
            let header = work.pop_header(hit.pop());
            let identified = header.is_some_and(|h| h.identity.is_some());
            self.pops_left > 0 && self.imaps_left > 0
                || work.is_suspect(hit.pop())
                || !identified
                || !relation.fits(work.sizes(*hit))
        });
        lone.collect()
    }
}

/// For servers that write headers anew. What they keep is Message-ID, Date, From and Subject; a
/// pair needs an equal body as well, and no other copy (sent directly and by a list, say) that
/// only the lost fields would tell from it.
fn by_identity(work: &mut Work<'_>, hint: Option<&Hint>) -> Result<(), Problem> {
    let groups = group(
        work,
        |work, pop| identity(work.pop_header(pop)),
        |work, imap| identity(work.imap_header(imap)),
    );
    let (open_pops, open_imaps) = (work.open_pops().len(), work.open_imaps().len());
    let groups = || groups.iter().filter(Group::is_on_both_sides);
    let pops: Vec<usize> = groups().flat_map(|group| group.pops).collect();
    let imaps: Vec<usize> = groups().flat_map(|group| group.imaps).collect();
    work.read_contents(&pops, &imaps)?;

    let count = groups().count();
    let nothing_else = count == open_pops && count == open_imaps;
    let mut bodies_survive = false;
    let mut reencoded = Vec::new();
    for group in groups() {
        doubt_all(work, &group);
        let readable = group.pops.iter().all(|at| work.pop_content(*at).is_some())
            && group
                .imaps
                .iter()
                .all(|at| work.imap_content(*at).is_some());
        if !readable {
            continue;
        }
        let by_body = by_body(work, &group);
        for copies in by_body.iter().filter(Group::is_on_both_sides) {
            bodies_survive = true;
            let pops = || copies.pops.iter().map(|at| loose(work.pop_header(*at)));
            let imaps = || copies.imaps.iter().map(|at| loose(work.imap_header(*at)));
            if let ([pop], [imap]) = (copies.pops.as_slice(), copies.imaps.as_slice()) {
                work.join(*pop, *imap, Stage::Identity);
            } else if is_uniform(pops()) && is_uniform(imaps()) {
                join_in_order(work, &copies, hint);
            } else {
                let pops = copies.pops.iter();
                pops.for_each(|pop| work.doubt(*pop, Why::Ambiguous));
            }
        }
        if let ([pop], [imap]) = (group.pops.as_slice(), group.imaps.as_slice())
            && work.partner_of_pop(*pop).is_none()
        {
            // A header that was kept as it is shows that this server rebuilds nothing.
            bodies_survive |= loose(work.pop_header(*pop)) == loose(work.imap_header(*imap));
            reencoded.extend(Hit::new(*pop, *imap));
        }
    }
    // Another body under one identity is another message, unless this server re-encodes every
    // body, and every message on either side has found its like.
    // The sizes must speak for it, then: where they are not to be believed nothing does.
    let systematic = !bodies_survive
        && nothing_else
        && reencoded.len() >= ENOUGH_REENCODED
        && !work.policy.skip_sizes;
    if systematic {
        for hit in reencoded {
            let (a, b) = work.sizes(hit);
            if a.abs_diff(b) <= a.max(b) / 10 {
                work.join(hit.pop(), hit.imap(), Stage::Identity);
            }
        }
    }
    Ok(())
}

/// Says of every entry of a group why it is open, should it stay so.
fn doubt_all(work: &mut Work<'_>, group: &Group) {
    let all_seen = group
        .imaps
        .iter()
        .all(|at| work.imap_content(*at).is_some());
    for pop in &group.pops {
        let seen = all_seen && work.pop_content(*pop).is_some();
        work.doubt(*pop, if seen { Why::OtherBody } else { Why::Unread });
    }
}

/// Pairs copies of one message (of equal loose header and body).
///
/// Copies of equal strict header first. The rest in order, if whatever tells them apart is
/// a server's doing: that is so if those of one side are all alike, or differ only in
/// fields that servers add, and the loose form hides nothing else (a raw 8-bit subject, say).
fn pair_copies(work: &mut Work<'_>, copies: &Group, hint: Option<&Hint>) {
    if let ([pop], [imap]) = (copies.pops.as_slice(), copies.imaps.as_slice()) {
        if work.is_unmistakable(*pop, *imap) {
            work.join(*pop, *imap, Stage::Content);
        } else {
            work.doubt(*pop, Why::Ambiguous);
        }
        return;
    }
    let alike = split(
        copies,
        |pop| strict(work.pop_header(pop)),
        |imap| strict(work.imap_header(imap)),
    );
    for group in alike.iter() {
        join_in_order(work, &group, hint);
    }
    let rest = Group {
        pops: still_open(&copies.pops, |at| work.partner_of_pop(at).is_none()),
        imaps: still_open(&copies.imaps, |at| work.partner_of_imap(at).is_none()),
    };
    if rest.pops.is_empty() || rest.imaps.is_empty() {
        rest.pops
            .iter()
            .for_each(|pop| work.doubt(*pop, Why::NoMessage));
        return;
    }
    let pops = || rest.pops.iter().map(|at| work.pop_header(*at));
    let imaps = || rest.imaps.iter().map(|at| work.imap_header(*at));
    let plain = |header: Option<HeaderDigest>| header.is_some_and(|h| !h.rough);
    let pops_same = is_uniform(pops().map(strict)) || pops().all(plain);
    let imaps_same = is_uniform(imaps().map(strict)) || imaps().all(plain);
    let vouched = is_uniform(pops().chain(imaps()).map(identity));
    let hides_nothing = pops().chain(imaps()).all(plain);
    let why = if pops_same && imaps_same && (vouched || hides_nothing) {
        join_in_order(work, &rest, hint);
        Why::NoMessage
    } else {
        Why::Ambiguous
    };
    for pop in rest.pops {
        work.doubt(pop, why);
    }
}

/// POP3 order with UID order, after what the hint says.
fn join_in_order(work: &mut Work<'_>, group: &Group, hint: Option<&Hint>) {
    if let Some(hint) = hint {
        let imaps: HashSet<usize> = group.imaps.iter().copied().collect();
        for pop in &group.pops {
            if let Some(imap) = hint.imap_of(*pop).filter(|imap| imaps.contains(imap)) {
                work.join(*pop, imap, Stage::Identical);
            }
        }
    }
    let pops = still_open(&group.pops, |at| work.partner_of_pop(at).is_none());
    let imaps = still_open(&group.imaps, |at| work.partner_of_imap(at).is_none());
    for (pop, imap) in pops.into_iter().zip(imaps) {
        work.join(pop, imap, Stage::Identical);
    }
}

fn still_open(indices: &[usize], is_open: impl Fn(usize) -> bool) -> Vec<usize> {
    let all = indices.iter().copied();
    all.filter(|at| is_open(*at)).collect()
}

fn strict(header: Option<HeaderDigest>) -> Option<Digest> {
    header.map(|header| header.strict)
}

fn loose(header: Option<HeaderDigest>) -> Option<Digest> {
    header.map(|header| header.loose)
}

fn identity(header: Option<HeaderDigest>) -> Option<Digest> {
    header.and_then(|header| header.identity)
}

/// Whether all are known and the same.
fn is_uniform(mut digests: impl Iterator<Item = Option<Digest>>) -> bool {
    let first = digests.next().flatten();
    first.is_some() && digests.all(|digest| digest == first)
}

fn by_body(work: &Work<'_>, group: &Group) -> Groups {
    split(
        group,
        |pop| work.pop_content(pop).map(|content| content.body),
        |imap| work.imap_content(imap).map(|content| content.body),
    )
}

/// How many open messages have no header, on each side: they may be anything.
fn unread(work: &Work<'_>) -> (usize, usize) {
    let pops = work.open_pops();
    let imaps = work.open_imaps();
    (
        pops.iter()
            .filter(|at| work.pop_header(**at).is_none())
            .count(),
        imaps
            .iter()
            .filter(|at| work.imap_header(**at).is_none())
            .count(),
    )
}

/// All open messages by a key, those without one left out.
fn group(
    work: &Work<'_>,
    pop_key: impl Fn(&Work<'_>, usize) -> Option<Digest>,
    imap_key: impl Fn(&Work<'_>, usize) -> Option<Digest>,
) -> Groups {
    let open = Group {
        pops: work.open_pops(),
        imaps: work.open_imaps(),
    };
    split(&open, |at| pop_key(work, at), |at| imap_key(work, at))
}

fn split(
    whole: &Group,
    pop_key: impl Fn(usize) -> Option<Digest>,
    imap_key: impl Fn(usize) -> Option<Digest>,
) -> Groups {
    let mut members = Vec::with_capacity(whole.pops.len() + whole.imaps.len());
    let pops = whole.pops.iter();
    members.extend(pops.filter_map(|at| Some((pop_key(*at)?, Side::Pop, Place::of(*at)?))));
    let imaps = whole.imaps.iter();
    members.extend(imaps.filter_map(|at| Some((imap_key(*at)?, Side::Imap, Place::of(*at)?))));
    members.sort_unstable();
    Groups(members)
}
