//! UIDLs that say themselves whose they are: written by a template, or made of something that
//! IMAP shows of a message as well.
//!
//! # How far such a claim is believed
//! The text has 32 bits or more that only the right server knows, so chance is no danger. But
//! a server may have counted by itself (Courier), or have kept the UIDLs of an older one. So the
//! claims of one kind stand or fall together, and one message that contradicts its claim brings
//! all of them down; `proof.rs` says which messages are looked at. Only a template that the admin
//! has named stands although a message contradicts it: then all are looked at, and those that
//! contradict are left to their headers.

use std::collections::HashSet;
use std::fmt::Write;

use md5::{Digest as _, Md5};

use crate::mail::Uid;
use crate::problem::Problem;

use super::proof::{self, Care, Left};
use super::template::{Form, Piece, Which};
use super::work::{Hit, SMALL, Work};
use super::{Attribute, Stage, Template, deduce};

/// A UIDVALIDITY below this may be a counter, and a text with it anything; as a time it would
/// be a day of 1970.
const LEAST_TELLING_VALIDITY: u32 = 1 << 16;
/// An attribute shorter than this may be a counter too.
const LEAST_TELLING_TEXT: usize = 12;
/// Messages of a large mailbox of which an attribute is asked first.
const SAMPLE: usize = 5;
/// A template that is deduced has to explain at least so many UIDLs: of a few, any digit may be
/// the UID.
const ENOUGH_DEDUCED: usize = 8;

/// What the server itself has given each message, the most telling first.
pub(super) const IDS: &[Attribute] = &[Attribute::XGuid, Attribute::GmailId, Attribute::EmailId];
/// What stands in the message, where anybody can have put it.
pub(super) const FIELDS: &[Attribute] = &[Attribute::XUidl, Attribute::MessageId];

/// What one rule says.
struct Claims {
    stage: Stage,
    /// That of a template.
    form: Option<Form>,
    hits: Vec<Hit>,
    /// The rule disagrees with a pair that is sure.
    contradicted: bool,
}

/// A template that proves nothing by itself: what it says of each POP3 entry.
pub(super) struct Hint {
    template: Template,
    /// In POP3 order.
    hits: Vec<Hit>,
}

impl Hint {
    /// The message that has the UIDL of the POP3 entry, if the template is right.
    pub(super) fn imap_of(&self, pop: usize) -> Option<usize> {
        let at = self.hits.binary_search_by_key(&pop, |hit| hit.pop()).ok()?;
        Some(self.hits.get(at)?.imap())
    }
}

/// Pairs by templates that have a telling UIDVALIDITY; there may be several, each for its part.
/// Or by the one that the admin has named, whatever it is.
pub(super) fn by_template(work: &mut Work<'_>) -> Result<(), Problem> {
    if let Some(template) = work.policy.template {
        let claims = claims_of(work, template);
        return settle(work, claims.into_iter().collect());
    }
    if !validity_tells(work) {
        return Ok(());
    }
    let open = work.open_owners().count();
    let mut all = Vec::new();
    for template in Template::usual().filter(|t| t.has_validity()) {
        let Some(claims) = claims_of(work, template) else {
            continue;
        };
        let explains_all = !claims.contradicted && claims.hits.len() == open;
        if explains_all {
            all.clear();
        }
        all.push(claims);
        if explains_all {
            break;
        }
    }
    if all.iter().all(|claims| claims.hits.is_empty()) {
        all.extend(deduced(work, true));
    }
    settle(work, all)
}

/// Pairs by what IMAP shows of each message, where templates have left UIDLs.
pub(super) fn by_attribute(work: &mut Work<'_>, attributes: &[Attribute]) -> Result<(), Problem> {
    for attribute in attributes.iter().copied() {
        if !work.is_unfinished() {
            break;
        }
        let open = work.open_imaps();
        let sample: HashSet<usize> = match open.len() {
            0..=SMALL => open.iter().copied().collect(),
            many => (0..SAMPLE)
                .filter_map(|n| open.get((many - 1) * n / (SAMPLE - 1)).copied())
                .collect(),
        };
        let (first, rest): (Vec<usize>, Vec<usize>) =
            open.into_iter().partition(|imap| sample.contains(imap));
        let mut rules = Vec::new();
        for messages in [first, rest].iter().filter(|part| !part.is_empty()) {
            for (imap, value) in work.read_attributes(attribute, messages)? {
                note_forms(work, &mut rules, attribute, &value, imap);
            }
            if rules.iter().all(|rule: &Claims| rule.hits.is_empty()) {
                break;
            }
        }
        settle(work, rules)?;
    }
    Ok(())
}

/// Notes each UIDL that a server could have made of the value.
fn note_forms(
    work: &Work<'_>,
    rules: &mut Vec<Claims>,
    attribute: Attribute,
    value: &str,
    imap: usize,
) {
    let bare = value.strip_prefix('<').and_then(|v| v.strip_suffix('>'));
    let bare = bare.unwrap_or(value);
    if bare.len() < LEAST_TELLING_TEXT {
        return;
    }
    let forms = match attribute {
        Attribute::XGuid => vec![
            (Stage::XGuid, value.to_owned()),
            (Stage::Md5Guid, md5_hex(value)),
        ],
        // As Dovecot's code for moving from Gmail says.
        Attribute::GmailId => match value.parse::<u64>() {
            Ok(id) => vec![(Stage::GmailId, format!("GmailId{id:x}"))],
            Err(_) => return,
        },
        Attribute::EmailId => vec![(Stage::EmailId, value.to_owned())],
        Attribute::XUidl => vec![(Stage::XUidl, value.to_owned())],
        // vm-pop3d; OpenWave takes the MD5 where the Message-ID itself is no UIDL.
        Attribute::MessageId => vec![
            (Stage::MessageId, bare.to_owned()),
            (Stage::MessageId, value.to_owned()),
            (Stage::Md5MessageId, md5_hex(bare)),
            (Stage::Md5MessageId, md5_hex(value)),
        ],
    };
    for (at, (stage, text)) in forms.into_iter().enumerate() {
        if rules.len() == at {
            rules.push(Claims::new(stage));
        }
        if let Some(rule) = rules.get_mut(at) {
            rule.note(work, &text, imap);
        }
    }
}

fn md5_hex(text: &str) -> String {
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// A template without a telling UIDVALIDITY that explains nearly all open UIDLs.
pub(super) fn counter_hint(work: &Work<'_>) -> Option<Hint> {
    if work.policy.template.is_some() {
        return None;
    }
    let open = work.open_owners().count();
    let tells = validity_tells(work);
    let counters = Template::usual().filter(|template| !(tells && template.has_validity()));
    counters
        .filter_map(|template| claims_of(work, template))
        .find(|claims| {
            !claims.contradicted && !claims.hits.is_empty() && nearly_all(claims.hits.len(), open)
        })
        .or_else(|| deduced(work, false))
        .and_then(|claims| match claims.stage {
            Stage::Template(template) => Some(Hint {
                template,
                hits: claims.hits,
            }),
            _ => None,
        })
}

/// A template beside the usual ones that explains nearly all open UIDLs, with or without a telling
/// UIDVALIDITY. It is read off one of them.
fn deduced(work: &Work<'_>, telling: bool) -> Option<Claims> {
    let open = work.open_owners().count();
    if open < ENOUGH_DEDUCED {
        return None;
    }
    let mut owners = work.open_owners();
    let ends = [owners.next()?, owners.next_back()?].into_iter();
    let formats = ends.flat_map(|pop| {
        let is_uid = |uid| Uid::new(uid).is_some_and(|uid| work.imap_of(uid).is_some());
        let uidl = work.uidl(pop);
        uidl.map_or_else(Vec::new, |uidl| {
            deduce::formats(uidl.as_str(), work.validity, is_uid)
        })
    });
    formats
        .filter(|pieces| pieces.iter().any(|piece| piece.is(Which::Validity)) == telling)
        .filter_map(|pieces: Vec<Piece>| {
            let mut claims = Claims::new(Stage::Template(Template::U));
            claims.note_all(work, Form::of(&pieces, work.validity)?);
            let fits = !claims.contradicted
                && claims.hits.len() >= ENOUGH_DEDUCED
                && nearly_all(claims.hits.len(), open);
            fits.then(|| {
                claims.stage = Stage::Template(Template::of(&pieces));
                claims
            })
        })
        .next()
}

/// Gives the pairs the name of the template that foretold them, if all of them agree with it.
pub(super) fn name_counter(work: &mut Work<'_>, hint: &Hint) {
    let found = || {
        let hits = hint.hits.iter();
        hits.filter_map(|hit| Some((hit, work.partner_of_pop(hit.pop())?.0)))
    };
    let count = found().count();
    if !found().all(|(hit, imap)| hit.imap() == imap) {
        work.rejected.push(hint.template);
    } else if nearly_all(count, hint.hits.len()) {
        for hit in &hint.hits {
            work.rename(hit.pop(), Stage::Template(hint.template));
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
            form: None,
            hits: Vec::new(),
            contradicted: false,
        }
    }

    /// Notes that the message `imap` would have the UIDL `text`.
    fn note(&mut self, work: &Work<'_>, text: &str, imap: usize) {
        if let Some(pop) = work.owner(text) {
            self.note_hit(work, pop, imap);
        }
    }

    fn note_hit(&mut self, work: &Work<'_>, pop: usize, imap: usize) {
        match (work.partner_of_pop(pop), work.partner_of_imap(imap)) {
            (None, None) => self.hits.extend(Hit::new(pop, imap)),
            (Some((paired, _)), _) if paired == imap => (),
            _ => self.contradicted = true,
        }
    }

    /// Notes the messages that have the UIDs by which UIDLs were written in this form.
    fn note_all(&mut self, work: &Work<'_>, form: Form) {
        work.each_owner(|pop, uidl| {
            let uid = form.uid_of(uidl);
            if let Some(imap) = uid.and_then(|uid| work.imap_of(uid)) {
                self.note_hit(work, pop, imap);
            }
        });
        self.form = Some(form);
    }

    /// Whether its text is one that anybody can copy into another message.
    fn is_copied(&self) -> bool {
        use Stage::{Md5MessageId, MessageId, XUidl};
        matches!(self.stage, XUidl | MessageId | Md5MessageId)
    }
}

/// `None` where the template needs a UIDVALIDITY and there is none.
fn claims_of(work: &Work<'_>, template: Template) -> Option<Claims> {
    let mut claims = Claims::new(Stage::Template(template));
    claims.note_all(work, template.form(work.validity)?);
    Some(claims)
}

/// Judges each rule, the one with the most claims first, and joins what holds.
fn settle(work: &mut Work<'_>, mut all: Vec<Claims>) -> Result<(), Problem> {
    drop_contested(work, &mut all);
    all.retain(|claims| !claims.hits.is_empty());
    all.sort_by_key(|claims| std::cmp::Reverse(claims.hits.len()));
    let mut explained = vec![false; work.pops.len()];
    let mut claimed = vec![false; work.imaps.len()];
    for hit in all.iter().flat_map(|claims| &claims.hits) {
        set(&mut explained, hit.pop());
        set(&mut claimed, hit.imap());
    }
    let mut left = Left {
        pops: work.open_pops(),
        imaps: work.open_imaps(),
    };
    left.pops.retain(|pop| !is_set(&explained, *pop));
    left.imaps.retain(|imap| !is_set(&claimed, *imap));
    let odd = is_odd(work, &all, &explained);
    drop((explained, claimed));
    // A rule that differs from a rejected one in letter case only claims some of the same pairs.
    let mut disproved: HashSet<Hit> = HashSet::new();
    for claims in all {
        let is_copied = claims.is_copied();
        let mut hits = claims.hits;
        hits.retain(|hit| work.is_open(*hit) && !disproved.contains(hit));
        if hits.is_empty() {
            continue;
        }
        hits.sort_unstable();
        let template = match claims.stage {
            Stage::Template(template) => Some(template),
            _ => None,
        };
        let care = Care {
            wary: odd || is_copied || template == Some(Template::UID_U_DASH_V),
            left: &left,
            named: template.is_some() && template == work.policy.template,
            contradicted: claims.contradicted,
        };
        let proof = proof::prove(work, &hits, care)?;
        if !proof.is_clean {
            disproved.extend(&hits);
            work.rejected.extend(template);
        }
        for hit in hits.into_iter().filter(|hit| proof.holds(hit)) {
            work.join(hit.pop(), hit.imap(), claims.stage);
        }
    }
    Ok(())
}

fn set(marks: &mut [bool], at: usize) {
    if let Some(mark) = marks.get_mut(at) {
        *mark = true;
    }
}

fn is_set(marks: &[bool], at: usize) -> bool {
    marks.get(at).copied().unwrap_or(false)
}

/// Whether the UIDLs that the rules leave unexplained cast doubt on the rules: if they look like
/// those that a template writes and no message has such a UID (a server that counts by itself),
/// or if they are the most. Others may be there as well: a server that was itself migrated has
/// kept those of an older one.
fn is_odd(work: &Work<'_>, all: &[Claims], explained: &[bool]) -> bool {
    let count = explained.iter().filter(|explained| **explained).count();
    let (mut others, mut alike) = (0, 0);
    for pop in work.open_owners().filter(|pop| !is_set(explained, *pop)) {
        let Some(uidl) = work.uidl(pop) else { continue };
        others += 1;
        let mut forms = all.iter().map(|claims| claims.form.as_ref());
        let fits = |form: Option<&Form>| form.is_none_or(|form| form.fits(uidl.as_str()));
        alike += usize::from(forms.any(fits));
    }
    !nearly_all(count, count + alike) || others > count
}

/// Where two UIDLs claim one message, or one UIDL two messages, neither is believed.
fn drop_contested(work: &Work<'_>, all: &mut [Claims]) {
    let mut distinct: Vec<Hit> = Vec::new();
    for claims in all.iter() {
        distinct.extend(&claims.hits);
    }
    distinct.sort_unstable();
    distinct.dedup();
    let mut pops = vec![Claimed::No; work.pops.len()];
    let mut imaps = vec![Claimed::No; work.imaps.len()];
    for hit in distinct {
        claim(&mut pops, hit.pop());
        claim(&mut imaps, hit.imap());
    }
    let once = |marks: &[Claimed], at: usize| marks.get(at) == Some(&Claimed::Once);
    for claims in all {
        let hits = &mut claims.hits;
        hits.retain(|hit| once(&pops, hit.pop()) && once(&imaps, hit.imap()));
    }
}

/// How often a message is claimed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claimed {
    No,
    Once,
    Often,
}

fn claim(marks: &mut [Claimed], at: usize) {
    if let Some(mark) = marks.get_mut(at) {
        *mark = match mark {
            Claimed::No => Claimed::Once,
            Claimed::Once | Claimed::Often => Claimed::Often,
        };
    }
}
