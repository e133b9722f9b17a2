//! INBOX as POP3 clients see it: the old maildrop against what the new servers show, or will.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::difference::{Difference, What, unite};
use super::maildrop::{Announced, Risk, compare};
use super::tree::{COURIER, DOVECOT, QMAIL};
use super::{Opened, Verify};
use crate::announce::{self, Announcement, Doubt, DovecotDoubt, Server};
use crate::mail::{Entry, FolderPath, Uid, UidSet};
use crate::matching::{self, ImapSide, Pairing};
use crate::problem::Problem;
use crate::source::{Examined, Maildrop, MessageList, imap};
use crate::text::printable_bytes;
use crate::user::Sessions;

/// The old maildrop, as far as it is part of the job.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// UIDLs and octets in the order of POP3.
    entries: Vec<(Box<[u8]>, u64)>,
    /// Whose UIDL is which, where that is known.
    uids: HashMap<Box<[u8]>, Uid>,
    /// The places in the order of POP3, from 1.
    pub(super) positions: HashMap<Uid, u32>,
    /// UIDLs of messages that are not part of the job.
    left_out: HashSet<Box<[u8]>>,
    /// Whether LIST tells the octets that IMAP tells.
    is_honest: bool,
}

/// A message as the new side announces it.
#[derive(Debug, Clone)]
pub(super) struct Announces<'a> {
    pub(super) uidl: Cow<'a, [u8]>,
    pub(super) octets: u64,
    /// Its UID there, where it is known.
    pub(super) uid: Option<Uid>,
}

impl Shown {
    /// What `maildrop` shows but for messages of more than `max_size` octets.
    pub(super) fn of(maildrop: &Maildrop, max_size: Option<u64>) -> Self {
        let mut shown = Self::default();
        for entry in maildrop.entries.iter() {
            let Some(uidl) = &entry.uidl else { continue };
            let uidl: Box<[u8]> = uidl.as_str().as_bytes().into();
            if max_size.is_some_and(|most| entry.size > most) {
                shown.left_out.insert(uidl);
            } else {
                shown.entries.push((uidl, entry.size));
            }
        }
        shown
    }

    /// The same for a user with IMAP, whose INBOX has `entries`, without the messages `left_out`.
    pub(super) fn paired(
        maildrop: &Maildrop,
        pairing: &Pairing,
        entries: &[Entry],
        left_out: &UidSet,
    ) -> Self {
        let mut shown = Self::default();
        for pair in &pairing.pairs {
            let uidl = maildrop.entries.uidl(pair.place.index());
            let Some(uidl) = uidl else { continue };
            let uidl: Box<[u8]> = uidl.as_str().as_bytes().into();
            if left_out.contains(pair.uid) {
                shown.left_out.insert(uidl);
            } else {
                shown.uids.insert(uidl, pair.uid);
                shown.positions.insert(pair.uid, pair.position());
            }
        }
        let all = maildrop.entries.iter();
        let all = all.filter_map(|it| Some((it.uidl?.as_str().as_bytes().into(), it.size)));
        let kept = all.filter(|(uidl, _)| !shown.left_out.contains(uidl));
        shown.entries = kept.collect();
        let sizes: HashMap<Uid, u64> = entries.iter().map(|it| (it.uid, it.size)).collect();
        let mut paired = shown
            .entries
            .iter()
            .filter_map(|(uidl, octets)| Some((shown.uids.get(uidl)?, octets)));
        shown.is_honest = !shown.uids.is_empty()
            && paired.all(|(uid, octets)| sizes.get(uid).is_none_or(|size| size == octets));
        shown
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The differences between what was shown and `new`. `sizes`: the new side counts octets as IMAP
    /// does.
    pub(super) fn compare(&self, new: &[Announces<'_>], sizes: bool) -> (Vec<Difference>, Risk) {
        let inbox = FolderPath::inbox();
        let old: Vec<Announced<'_>> = self
            .entries
            .iter()
            .map(|(uidl, octets)| Announced {
                uidl,
                octets: *octets,
            })
            .collect();
        let new: Vec<&Announces<'_>> = new
            .iter()
            .filter(|it| !self.left_out.contains(&*it.uidl))
            .collect();
        let announced: Vec<Announced<'_>> = new
            .iter()
            .map(|it| Announced {
                uidl: &it.uidl,
                octets: it.octets,
            })
            .collect();
        let (mut found, risk) = compare(&old, &announced, sizes && self.is_honest);
        let shown = |uidl: &[u8]| printable_bytes(uidl, super::maildrop::SHOWN);
        let was = self.uids.iter().map(|(uidl, uid)| (shown(uidl), *uid));
        let was: HashMap<String, Uid> = was.collect();
        let is: HashMap<String, Uid> = new
            .iter()
            .filter_map(|it| Some((shown(&it.uidl), it.uid?)))
            .collect();
        for difference in &mut found {
            let uidl = difference.uidl.as_deref().unwrap_or_default();
            let is_fresh = difference.what == What::Uidl && difference.old.is_empty();
            difference.uid = match is_fresh {
                true => is.get(uidl).copied(),
                false => was.get(uidl).or(is.get(uidl)).copied(),
            };
        }
        // Both sides know the UIDL, and mean different messages by it.
        for it in &new {
            if let (Some(uid), Some(was)) = (it.uid, self.uids.get(&*it.uidl))
                && uid != *was
            {
                let difference = Difference::new(
                    Some(&inbox),
                    What::Uidl,
                    format!("of UID {was}"),
                    format!("of UID {uid}"),
                );
                found.push(Difference {
                    uidl: Some(shown(&it.uidl)),
                    ..difference.at(Some(*was))
                });
            }
        }
        (found, risk)
    }

    /// Whether a file is the copy of a message in another folder, put here for POP3's sake: by the
    /// UIDL that it has on the new side.
    pub(super) fn has_copy(&self, uidl: &[u8]) -> bool {
        let mut entries = self.entries.iter();
        !self.uids.contains_key(uidl) && entries.any(|(listed, _)| **listed == *uidl)
    }
}

/// The messages without a UIDL that could be compared, of those of at most `max_size` octets: nothing tells
/// whether they have come.
pub(super) fn nameless(maildrop: &Maildrop, max_size: Option<u64>) -> Vec<Difference> {
    let mut told = Vec::new();
    for entry in maildrop.entries.iter() {
        if entry.uidl.is_some() || max_size.is_some_and(|most| entry.size > most) {
            continue;
        }
        let number = entry.number;
        let faulty = &maildrop.faulty;
        let at = faulty.binary_search_by_key(&number, |(number, ..)| *number);
        let what = match at.ok().and_then(|at| faulty.get(at)) {
            Some((_, text, fault)) => format!("POP3 message {number}, UIDL \"{text}\": {fault}"),
            None => format!("POP3 message {number} has no UIDL"),
        };
        let why = "there is nothing to find it by: not looked at";
        told.push(Difference::new(
            Some(&FolderPath::inbox()),
            What::Doubt,
            what,
            why,
        ));
    }
    told
}

impl Verify<'_> {
    /// The servers that will announce the UIDLs of a Maildir, by name.
    pub(super) fn servers(&self) -> Vec<(&'static str, Server)> {
        let target = self.context.config.target.servers;
        let format = &self.context.verification.uidl_format;
        let mut servers = Vec::new();
        if target.dovecot {
            let format = format.clone().unwrap_or_default();
            servers.push((DOVECOT, Server::Dovecot(format)));
        }
        if target.qmail {
            servers.push((QMAIL, Server::Qmail));
        }
        if target.courier {
            servers.push((COURIER, Server::Courier));
        }
        servers
    }

    /// Which UIDL is whose, as an export finds it out.
    pub(super) fn pair(
        &mut self,
        session: &mut imap::Session,
        opened: &mut Opened,
        examined: &Examined,
        list: &MessageList,
    ) -> Result<Pairing, Problem> {
        let side = ImapSide {
            uid_validity: examined.uid_validity,
            entries: &list.entries,
        };
        let inbox = FolderPath::inbox();
        let mut breaks = self.breaks.remove(&inbox).unwrap_or_default();
        let mut sessions = Sessions {
            imap: session,
            imap_breaks: &mut breaks,
            pop3: &mut opened.session,
            pop3_breaks: &mut self.pop3_breaks,
            ahead: None,
            imap_ahead: None,
            bodies: None,
            stop: self.context.stop,
        };
        let policy = self.context.config.uidls.pairing;
        let paired = matching::pair(policy, &side, &opened.listing, [], &mut sessions);
        self.breaks.insert(inbox, breaks);
        paired
    }

    /// What each server that is to serve the Maildir will announce, against what was shown. `views` are the
    /// UIDs of its files by base name, as each server has them, the first for those that have none.
    pub(super) fn announced(
        &mut self,
        shown: &Shown,
        views: &[(&'static str, HashMap<&str, Uid>)],
    ) -> Result<Vec<Difference>, Problem> {
        let mut all = Vec::new();
        let inbox = FolderPath::inbox();
        for (name, server) in self.servers() {
            let announcement = announce::read(&self.user.maildir, &server)?;
            let view = views.iter().find(|(of, _)| *of == name).or(views.first());
            let new = announces(&announcement, view.map(|(_, uids)| uids));
            // qmail's LIST counts bytes as they are stored.
            let sizes = server != Server::Qmail;
            let (mut found, risk) = shown.compare(&new, sizes);
            self.note_risk(risk);
            let doubts = announcement.doubts.iter().filter(|it| is_news(it));
            found
                .extend(doubts.map(|doubt| {
                    Difference::new(Some(&inbox), What::Doubt, "", doubt.to_string())
                }));
            all.push((name, found));
        }
        Ok(unite(all))
    }

    pub(super) fn note_risk(&mut self, risk: Risk) {
        if risk.messages > self.finding.risk.messages {
            self.finding.risk = risk;
        }
    }
}

fn announces<'a>(
    announcement: &'a Announcement,
    uids: Option<&HashMap<&str, Uid>>,
) -> Vec<Announces<'a>> {
    let entries = announcement.entries.iter();
    let announces = entries.map(|it| {
        let name = std::str::from_utf8(&it.base_name).ok();
        Announces {
            uidl: Cow::Borrowed(&it.uidl),
            octets: it.octets,
            uid: name.and_then(|name| uids?.get(name).copied()),
        }
    });
    announces.collect()
}

/// Whether a doubt says what the comparison of folders does not say itself.
fn is_news(doubt: &Doubt) -> bool {
    let is_told = matches!(
        doubt,
        Doubt::NoFiles(_)
            | Doubt::SameName(_)
            | Doubt::Dovecot(
                DovecotDoubt::WrongSize(_)
                    | DovecotDoubt::NoUidList
                    | DovecotDoubt::BrokenUidList(_)
                    | DovecotDoubt::UnfinishedUidList
                    | DovecotDoubt::LinesForOneName(_)
                    | DovecotDoubt::NewValidity(..)
            )
    );
    !is_told && !doubt.is_note()
}

/// What a live maildrop announces.
pub(super) fn announces_live(maildrop: &Maildrop) -> Vec<Announces<'_>> {
    let entries = maildrop.entries.iter();
    let announced = entries.map(|it| Announces {
        uidl: it.uidl.map_or_else(Cow::default, |it| {
            Cow::Owned(it.as_str().as_bytes().to_vec())
        }),
        octets: it.size,
        uid: None,
    });
    announced.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{PopEntry, Uidl, UidlFault};

    /// `UIDL=octets` words, in POP3 order; UIDs from 1.
    fn shown(text: &str, left_out: &[&str], is_honest: bool) -> Shown {
        let words: Vec<&str> = text.split_whitespace().collect();
        let uids = words.iter().zip(1..);
        Shown {
            entries: words.iter().map(|it| (it.as_bytes().into(), 10)).collect(),
            uids: uids
                .filter_map(|(it, uid)| Some((it.as_bytes().into(), Uid::new(uid)?)))
                .collect(),
            left_out: left_out.iter().map(|it| it.as_bytes().into()).collect(),
            is_honest,
            ..Shown::default()
        }
    }

    fn told(old: &Shown, new: &[(&str, u32, u64)]) -> String {
        let new: Vec<Announces<'_>> = new
            .iter()
            .map(|(uidl, uid, octets)| Announces {
                uidl: Cow::Borrowed(uidl.as_bytes()),
                octets: *octets,
                uid: Uid::new(*uid),
            })
            .collect();
        let (found, _) = old.compare(&new, true);
        let told = found.iter().map(|it| {
            let uid = it.uid.map_or(0, Uid::value);
            let uidl = it.uidl.as_deref().unwrap_or_default();
            format!("{} {uid} {uidl}: {} -> {}", it.what, it.old, it.new)
        });
        told.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn uidls_are_compared_with_whose_they_are() {
        let old = shown("a b", &[], true);
        for (new, want) in [
            (&[("a", 1, 10), ("b", 2, 10)][..], ""),
            // Where a live server is asked, only UIDLs are known.
            (&[("a", 0, 10), ("b", 0, 10)], ""),
            (
                &[("a", 2, 10), ("b", 1, 10)],
                "uidl 1 a: of UID 1 -> of UID 2; uidl 2 b: of UID 2 -> of UID 1",
            ),
            (
                &[("a", 1, 10), ("c", 2, 10)],
                "uidl 2 c:  -> number 2; uidl 2 b: number 2 -> ",
            ),
            (&[("a", 1, 10), ("b", 2, 11)], "pop3_size 2 b: 10 -> 11"),
        ] {
            assert_eq!(told(&old, new), want);
        }
        // A message that the old server did not name: whether it has come cannot be seen.
        let listing = Maildrop {
            entries: [(1, Some("a")), (2, None), (3, None), (4, None)]
                .map(|(number, uidl)| PopEntry {
                    number,
                    size: u64::from(number),
                    uidl: uidl.map(|it| Uidl::parse(it.as_bytes()).expect("a UIDL")),
                })
                .into_iter()
                .collect(),
            faulty: vec![(3, "x y".to_owned(), UidlFault::BadByte(b' '))],
            has_uidls: true,
        };
        let olds: Vec<String> = nameless(&listing, Some(3))
            .into_iter()
            .map(|it| it.old)
            .collect();
        assert_eq!(olds[0], "POP3 message 2 has no UIDL");
        assert!(olds[1].starts_with("POP3 message 3, UIDL \"x y\": it holds the byte 0x20"));
        assert_eq!(olds.len(), 2);
        let lying = shown("a b", &[], false);
        assert_eq!(told(&lying, &[("a", 1, 10), ("b", 2, 11)]), "");
        let partly = shown("a", &["b"], true);
        assert_eq!(told(&partly, &[("a", 1, 10), ("b", 2, 10)]), "");
    }
}
