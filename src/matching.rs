//! Which POP3 entry is which IMAP message: pure, all reading is done through [`Evidence`].
//!
//! A wrong UIDL is worse than a missing one: without one, a client downloads a message once more;
//! with a wrong one it never downloads a message that it does not have. So a pair needs proof,
//! each pair says how it was found, and what stays doubtful is reported, never guessed.
//!
//! # What counts as proof
//! | stage | a pair is found by | and is accepted when |
//! | --- | --- | --- |
//! | known | an earlier run | the UID is there, the UIDL is listed once, in the order of then, and the sizes agree where most do |
//! | template | a UIDL written from UIDVALIDITY and UID | a sample of headers agrees, and every message that the listing throws doubt on |
//! | x-guid, md5-guid, gmail-id, email-id | a UIDL made of an id that IMAP shows as well | as for a template |
//! | x-uidl, message-id, md5-message-id | a UIDL made of a header field | as for a template; since anyone can copy a field, also with the header of each message whose size is not the only one of its kind |
//! | header | a header that is the only one of its kind on both sides | the listed sizes agree, or else the bodies |
//! | identity | Message-ID, Date, From and Subject, where a server rebuilds headers | the bodies agree |
//! | content, identical | header and body | always; copies of one message are interchangeable and are paired in order |
//!
//! A header alone is no proof. Say that of two messages of one header POP3 shows only the first
//! and IMAP only the second: each header is unique on its side, and the pair is wrong. Nothing
//! but the bodies can tell. They cost a download over POP3, so they are read where there is
//! reason for doubt (messages left over on *both* sides, no Message-ID, sizes that disagree,
//! several messages of one header), and always where a mailbox is small enough for it to cost
//! little. A template without UIDVALIDITY, or with one as small as a counter, proves nothing: its
//! pairs are found by header and content like any others, and then bear its name if all agree.
//! UIDLs of the form "UID plus a constant" are opaque here: nothing but every header could prove
//! the constant, and the headers find the pairs without it; [`offset`] names the rule afterwards.
//!
//! Some POP3 servers show more than INBOX. What INBOX leaves open is then found in the other folders
//! by the same proof ([`elsewhere`]); it is no pair, since the new POP3 server shows INBOX only.
//!
//! # What it cannot see
//! Up to 100 messages of together 4 MiB, all bodies are compared. Beyond that, a pair can be wrong
//! where no server shows a difference without a download of every message:
//! - opaque UIDLs: POP3 shows only the one and IMAP only the other of two messages that have
//!   header, Message-ID and size in common (where LIST counts line ends as one byte: a size that
//!   may be the same), and messages are not left over on both sides;
//! - a rule of UIDLs (template, attribute) that is wrong for a few messages in spite of UID order,
//!   equal sizes and a sample that agrees (`proof.rs`); the size has to be the only one of its kind
//!   where the UIDL is made of a header field.
//!
//! With `--skip-size-check` the sizes need not agree for that, and with `--uidl-template` the rule
//! may be a counter: the admin vouches for what they spare.

use std::collections::HashMap;
use std::fmt;

use crate::mail::{Entry, FolderPath, Place, PopNumber, Uid, UidValidity, Uidl};
use crate::problem::{Kind, Problem, Reach};
use crate::source::Maildrop;
pub use crate::source::imap::Attribute;

mod claims;
pub mod content;
mod deduce;
pub mod elsewhere;
pub mod header;
pub mod offset;
mod owners;
mod proof;
pub mod rematch;
mod resemblance;
mod side;
mod sizes;
pub mod template;
mod work;

#[cfg(test)]
mod tests;

pub use content::{ContentDigest, ContentHasher};
pub use header::{Digest, HeaderDigest, HeaderHasher};
pub use template::Template;

pub use proof::{Foreseen, foreseen};
pub use work::CHEAP_BYTES;

use work::Work;

/// INBOX as IMAP lists it.
#[derive(Debug, Clone, Copy)]
pub struct ImapSide<'a> {
    /// Its UIDVALIDITY, where there is a usable one.
    pub uid_validity: Option<UidValidity>,
    /// Its messages, ascending by UID.
    pub entries: &'a [Entry],
}

/// A pair that an earlier run has found under the same UIDVALIDITY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The message.
    pub uid: Uid,
    /// Its UIDL.
    pub uidl: Uidl,
    /// Its place in the POP3 listing then, where that is known.
    pub position: Option<u32>,
}

/// What the admin has decided, for servers that are known to be odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Sizes are no evidence: the server's LIST lies. Where they would have agreed or disagreed,
    /// headers decide alone.
    pub skip_sizes: bool,
    /// The only template that is tried, and is believed even if it explains few UIDLs or could be
    /// a counter. A message whose header contradicts it does not get its UIDL by it.
    pub template: Option<Template>,
}

/// What the pairing may ask for, many at a time. An answer may lack messages that have vanished
/// or that the server refused, and may be empty where the server cannot do it at all (no TOP, no
/// attribute of that kind). An error ends the pairing and comes back unchanged.
pub trait Evidence {
    /// The headers of POP3 messages (TOP n 0).
    fn pop_headers(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem>;
    /// The headers of INBOX messages.
    fn imap_headers(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem>;
    /// Whole POP3 messages (RETR).
    fn pop_contents(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem>;
    /// Whole INBOX messages.
    fn imap_contents(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem>;
    /// An attribute of INBOX messages. Asked for only if templates leave UIDLs, of few messages
    /// first.
    fn imap_attributes(
        &mut self,
        attribute: Attribute,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, String)>, Problem>;
}

/// How a pair was found; see the module for what each proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// By an earlier run.
    Known,
    /// By a template.
    Template(Template),
    /// The UIDL is the X-GUID.
    XGuid,
    /// The UIDL is the MD5 of the X-GUID, in hex.
    Md5Guid,
    /// The UIDL is `GmailId` and the X-GM-MSGID in hex.
    GmailId,
    /// The UIDL is the EMAILID.
    EmailId,
    /// The UIDL is the value of X-UIDL.
    XUidl,
    /// The UIDL is the Message-ID, with or without its angle brackets.
    MessageId,
    /// The UIDL is the MD5 of the Message-ID, in hex.
    Md5MessageId,
    /// By a header equal up to white space.
    Header,
    /// By a header equal up to what servers change.
    HeaderLoose,
    /// By Message-ID, Date, From and Subject, and the body.
    Identity,
    /// By the body, among messages of one header.
    Content,
    /// One of several copies of a message.
    Identical,
}

/// The word for it in reports.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Known => "known",
            Stage::Template(template) => return write!(f, "template({template})"),
            Stage::XGuid => "x-guid",
            Stage::Md5Guid => "md5-guid",
            Stage::GmailId => "gmail-id",
            Stage::EmailId => "email-id",
            Stage::XUidl => "x-uidl",
            Stage::MessageId => "message-id",
            Stage::Md5MessageId => "md5-message-id",
            Stage::Header => "header",
            Stage::HeaderLoose => "header-loose",
            Stage::Identity => "identity",
            Stage::Content => "content",
            Stage::Identical => "identical",
        })
    }
}

/// A message and its entry in the POP3 listing, which has the UIDL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The message in INBOX.
    pub uid: Uid,
    /// Its place in the POP3 listing.
    pub place: Place,
    /// How it was found.
    pub stage: Stage,
}

impl Pair {
    /// Its place in the POP3 listing, from 1.
    pub fn position(&self) -> u32 {
        self.place.at() + 1
    }
}

/// A POP3 message without a partner in INBOX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Its number in the POP3 session.
    pub number: PopNumber,
    /// Its place in the POP3 listing.
    pub place: Place,
    /// Its UIDL, where it has one.
    pub uidl: Option<Uidl>,
    /// Its size as LIST gave it.
    pub size: u64,
    /// Why it has no partner.
    pub reason: Why,
}

/// A POP3 message that is a message of another folder than INBOX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its number in the POP3 session.
    pub number: PopNumber,
    /// Its place in the POP3 listing, from 1.
    pub position: u32,
    /// Its UIDL.
    pub uidl: Uidl,
    /// Its size as LIST gave it.
    pub size: u64,
    /// The folder.
    pub folder: FolderPath,
    /// The folder's UIDVALIDITY, where there is a usable one.
    pub uid_validity: Option<UidValidity>,
    /// The message in it.
    pub uid: Uid,
    /// How it was found.
    pub stage: Stage,
}

/// Why a POP3 message has no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// RFC 1939 has no such UIDL; the message would not be found again by it.
    #[error("no valid UIDL")]
    NoUidl,
    /// The listing gives its UIDL twice; the other message, of this number, has got it.
    #[error("duplicate UIDL, given to POP3 message {0}")]
    DuplicateUidl(PopNumber),
    /// Nothing in INBOX is like it.
    #[error("no such message in INBOX")]
    NoMessage,
    /// Nothing in any folder is like it.
    #[error("no such message in any folder")]
    Nowhere,
    /// What is like it by its header has another body.
    #[error("the messages with its header have another body")]
    OtherBody,
    /// More than one message could be it, and nothing tells which.
    #[error("several messages could be it and nothing tells which")]
    Ambiguous,
    /// What had to be read to be sure was not to be had, from POP3 or from IMAP.
    #[error("it could not be compared: a server did not give what was asked for")]
    Unread,
}

/// Which UIDL belongs to which message, and what was left.
#[derive(Debug, Clone, Default)]
pub struct Pairing {
    /// The pairs, in POP3 order; no UID, number or UIDL is in two of them.
    pub pairs: Vec<Pair>,
    /// INBOX messages without a UIDL, ascending: a client will download them once more.
    pub missing: Vec<Uid>,
    /// POP3 messages that no pair has, in POP3 order.
    pub extra: Vec<Extra>,
    /// POP3 messages of other folders, in POP3 order; empty where nobody has looked there.
    pub elsewhere: Vec<Elsewhere>,
    /// The template that has found most pairs: what the old server effectively used.
    pub template: Option<Template>,
    /// Templates that seemed to fit this user until a message contradicted them, or that could
    /// not be checked because no message could be read. A template that the admin has named is
    /// here if any message contradicted it; it may have found the others all the same.
    pub rejected: Vec<Template>,
}

impl Pairing {
    /// The pairs by their UIDs.
    pub fn by_uid(&self) -> ByUid<'_> {
        let places = match self.is_in_uid_order() {
            true => None,
            false => {
                let mut places: Vec<(Uid, u32)> =
                    self.pairs.iter().map(|pair| pair.uid).zip(0..).collect();
                places.sort_unstable();
                Some(places)
            }
        };
        ByUid {
            pairs: &self.pairs,
            places,
        }
    }

    /// How many pairs each stage has found, the surest first; stages without pairs are absent.
    pub fn counts(&self) -> Vec<(Stage, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        for pair in &self.pairs {
            *counts.entry(pair.stage).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// The template that has found most pairs; of several the first by their formats.
    fn most_used_template(&self) -> Option<Template> {
        let mut most = None;
        for (stage, count) in self.counts() {
            if let Stage::Template(template) = stage
                && most.is_none_or(|(_, highest)| count > highest)
            {
                most = Some((template, count));
            }
        }
        most.map(|(template, _)| template)
    }

    /// How many messages of each other folder POP3 shows, the folders in the order in which POP3
    /// first shows one.
    pub fn folders_elsewhere(&self) -> Vec<(&FolderPath, u64)> {
        let mut folders: Vec<(&FolderPath, u64)> = Vec::new();
        for found in &self.elsewhere {
            match folders.iter_mut().find(|(path, _)| *path == &found.folder) {
                Some((_, count)) => *count += 1,
                None => folders.push((&found.folder, 1)),
            }
        }
        folders
    }

    /// Whether the POP3 listing has the paired messages in the order of their UIDs.
    pub fn is_in_uid_order(&self) -> bool {
        self.pairs.is_sorted_by_key(|pair| pair.uid)
    }
}

/// Finds pairs by their UIDs.
#[derive(Debug)]
pub struct ByUid<'p> {
    pairs: &'p [Pair],
    /// Where the pair of each UID is, ascending; `None`: the pairs themselves are in that order.
    places: Option<Vec<(Uid, u32)>>,
}

impl ByUid<'_> {
    /// The pair of a message of INBOX.
    pub fn get(&self, uid: Uid) -> Option<Pair> {
        let at = match &self.places {
            None => self
                .pairs
                .binary_search_by_key(&uid, |pair| pair.uid)
                .ok()?,
            Some(places) => {
                let at = places.binary_search_by_key(&uid, |(uid, _)| *uid).ok()?;
                places.get(at)?.1 as usize
            }
        };
        self.pairs.get(at).copied()
    }
}

/// Pairs the maildrop with INBOX.
///
/// # Errors
/// What `evidence` returns; a listing that names a message twice (kind Protocol, reach User).
pub fn pair(
    policy: Policy,
    imap: &ImapSide<'_>,
    maildrop: &Maildrop,
    known: impl IntoIterator<Item = Known>,
    evidence: &mut dyn Evidence,
) -> Result<Pairing, Problem> {
    let mut work = Work::new(policy, imap, &maildrop.entries, evidence)?;
    work.join_known(known.into_iter());
    claims::by_template(&mut work)?;
    claims::by_attribute(&mut work, claims::IDS)?;
    claims::by_attribute(&mut work, claims::FIELDS)?;
    let hint = claims::counter_hint(&work);
    resemblance::pair_alike(&mut work, hint.as_ref())?;
    if let Some(hint) = hint {
        claims::name_counter(&mut work, &hint);
    }
    outcome(work)
}

fn outcome(work: Work<'_>) -> Result<Pairing, Problem> {
    let (pops, imaps) = (work.pops, work.imaps);
    let done = work.finish();
    let mut pairing = Pairing::default();
    pairing
        .pairs
        .reserve_exact(done.partners.iter().flatten().count());
    let mut has_uidl = vec![false; imaps.len()];
    // Who has got a UIDL that others have as well.
    let mut holders: HashMap<Uidl, PopNumber> = HashMap::new();
    let mut unpaired: Vec<(Place, PopNumber)> = Vec::new();
    let found = done.partners.iter().zip(&done.stages).zip(&done.alone);
    for (at, ((partner, stage), is_alone)) in found.enumerate() {
        let (Some(place), Some(number)) = (Place::of(at), pops.number(at)) else {
            return Err(bug());
        };
        let (Some(imap), Some(stage), true) = (partner, stage, pops.has_uidl(at)) else {
            unpaired.push((place, number));
            continue;
        };
        if !is_alone && let Some(uidl) = pops.uidl(at) {
            if holders.contains_key(&uidl) {
                unpaired.push((place, number));
                continue;
            }
            holders.insert(uidl, number);
        }
        let entry = imaps.get(imap.index());
        let (Some(entry), Some(has @ false)) = (entry, has_uidl.get_mut(imap.index())) else {
            return Err(bug());
        };
        *has = true;
        pairing.pairs.push(Pair {
            uid: entry.uid,
            place,
            stage: *stage,
        });
    }
    let extra = unpaired.into_iter().map(|(place, number)| {
        let uidl = pops.uidl(place.index());
        let holder = uidl.as_ref().and_then(|uidl| holders.get(uidl));
        let doubt = done.doubts.get(&place.index()).copied();
        Extra {
            number,
            place,
            size: pops.size(place.index()).unwrap_or(0),
            reason: match (&uidl, holder) {
                (None, _) => Why::NoUidl,
                (Some(_), Some(holder)) => Why::DuplicateUidl(*holder),
                (Some(_), None) => doubt.unwrap_or(Why::NoMessage),
            },
            uidl,
        }
    });
    pairing.extra = extra.collect();
    let without = imaps.iter().zip(has_uidl);
    let without = without.filter(|(_, has_uidl)| !has_uidl);
    pairing.missing = without.map(|(entry, _)| entry.uid).collect();
    pairing.template = pairing.most_used_template();
    pairing.rejected = done.rejected;
    Ok(pairing)
}

fn bug() -> Problem {
    Problem::new(
        Kind::Internal,
        Reach::User,
        "a message was paired twice while UIDLs were matched",
    )
}
