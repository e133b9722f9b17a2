//! INBOX of a user with both protocols: which UIDL is whose.

use std::collections::HashMap;

use tracing::Level;

use super::attempt::Attempt;
use super::collect::Collected;
use super::elsewhere::{self, KnownElsewhere, Search, is_the_same};
use super::evidence::{ReadAhead, Sessions};
use super::imap_folder::Shown;
use super::listing::digest;
use super::maildrop::Maildropped;
use crate::mail::{FolderPath, Uid, UidList, UidValidity, Uidl};
use crate::matching::{self, ImapSide, Known, Pairing, Why};
use crate::plan::Announcements;
use crate::plan::on_disk::OnDisk;
use crate::plan::seen::Seen;
use crate::plan::verdict::{Leftovers, judge};
use crate::problem::Problem;
use crate::sink::tree::Tree;
use crate::source::{Examined, ListedFolder, Maildrop, MessageList, imap};

impl Attempt<'_> {
    /// Notes which folders UIDLs are to be looked for in.
    pub(super) fn note_searchable(&mut self, folders: &[ListedFolder]) {
        self.memory.searchable = match self.context.config.uidls.all_mailboxes {
            true => folders.iter().filter(|it| it.selectable).cloned().collect(),
            false => Vec::new(),
        };
    }

    /// Pairs INBOX with the maildrop, and adds the copies that it is to get of messages in other folders.
    pub(super) fn pair_inbox(
        &mut self,
        session: &mut imap::Session,
        inbox: &mut Shown<'_>,
        maildrop: Maildropped,
        known: &KnownPairs<'_>,
        (disk, tree): (&OnDisk, Option<&Tree>),
    ) -> Result<PairedInbox, Problem> {
        let (pairing, listing) = self.pair(session, inbox, maildrop, known)?;
        let maildrop = digest(&listing);
        let listing = listing.entries;
        // Before any file bears a UIDL: the next run would know that it does, not why.
        self.save(tree)?;
        self.foresee_paired(session, inbox)?;
        self.tell_of_pairs(&pairing);
        let mut uidls = Announcements::of_pairs(&inbox.list.entries, &pairing, &listing);
        let mut collected = None;
        if self.context.config.uidls.collect {
            let pairs = (&pairing, &listing);
            let past = (disk, known.seen);
            let copies = self.collect(session, inbox, pairs, known.validity, past, &mut uidls)?;
            collected = Some(copies);
        }
        Ok(PairedInbox {
            uidls,
            maildrop,
            collected,
        })
    }

    /// Pairs INBOX with the maildrop. When something is left over that must not be, both are listed
    /// once more: mail may have come or gone in between.
    fn pair(
        &mut self,
        session: &mut imap::Session,
        inbox: &mut Shown<'_>,
        mut maildrop: Maildropped,
        known: &KnownPairs<'_>,
    ) -> Result<(Pairing, Maildrop), Problem> {
        let mut listed_again = false;
        loop {
            let pairing = match self.pair_as_listed(session, inbox, &mut maildrop, known) {
                Ok(pairing) => pairing,
                Err(problem) => {
                    maildrop.session.quit();
                    return Err(problem);
                }
            };
            self.note_pairing(inbox, &pairing, &maildrop.listing);
            let left = leftovers(&pairing, &maildrop.listing);
            let Err(problem) = judge(&left, &self.context.config.uidls) else {
                self.context.dialer.see_off(|| maildrop.session.quit());
                return Ok((pairing, maildrop.listing));
            };
            maildrop.session.quit();
            let opener = self.opener().filter(|_| !listed_again);
            let Some(opener) = opener else {
                return Err(problem);
            };
            listed_again = true;
            let fresh = opener.open(&mut self.memory.pop3)?;
            let (examined, list) = match self.list_inbox_again(session, inbox) {
                Ok(listed) => listed,
                Err(problem) => {
                    fresh.session.quit();
                    return Err(problem);
                }
            };
            if fresh.listing == maildrop.listing && list.entries == inbox.list.entries {
                fresh.session.quit();
                return Err(problem);
            }
            self.log.line(
                Level::INFO,
                "mail came or went while INBOX was read; both sides were listed again",
            );
            inbox.found = self.search(session, inbox.choice, &list)?;
            (inbox.examined, inbox.list) = (examined, list);
            self.select(inbox);
            maildrop = fresh;
        }
    }

    /// Lists INBOX once more, which must be the one that it was.
    fn list_inbox_again(
        &mut self,
        session: &mut imap::Session,
        inbox: &Shown<'_>,
    ) -> Result<(Examined, MessageList), Problem> {
        let path = &inbox.placed.listed.path;
        let examined = session.examine(&inbox.placed.listed)?;
        is_the_same(path, inbox.examined.uid_validity, examined.uid_validity)?;
        let mut list = session.list_messages(examined.exists)?;
        self.settle_leaving(path, examined.uid_validity, &mut list);
        Ok((examined, list))
    }

    /// Pairs the two listings, and looks elsewhere for what they leave open.
    fn pair_as_listed(
        &mut self,
        session: &mut imap::Session,
        inbox: &Shown<'_>,
        maildrop: &mut Maildropped,
        known: &KnownPairs<'_>,
    ) -> Result<Pairing, Problem> {
        let side = ImapSide {
            uid_validity: inbox.examined.uid_validity,
            entries: &inbox.list.entries,
        };
        let whole = self.read_whole(
            (inbox.choice, inbox.placed),
            (&inbox.examined, &inbox.list),
            maildrop,
        );
        let memory = &mut *self.memory;
        let keeps_bodies = !self.context.config.dry_run;
        let path = &inbox.placed.listed.path;
        let breaks = memory.breaks.entry(path.clone()).or_default();
        let mut imap_ahead = ReadAhead::default();
        if let Some(whole) = whole {
            let uids: Vec<Uid> = whole.iter().map(|(uid, _)| *uid).collect();
            let bodies = memory.bodies.of(path, inbox.examined.uid_validity);
            imap_ahead.read_inbox(session, self.context.stop, (breaks, bodies), &uids)?;
        }
        let mut sessions = Sessions {
            imap: session,
            imap_breaks: breaks,
            pop3: &mut maildrop.session,
            pop3_breaks: &mut memory.pop3.breaks,
            ahead: Some(&maildrop.ahead),
            imap_ahead: Some(&imap_ahead),
            bodies: keeps_bodies.then(|| memory.bodies.of(path, inbox.examined.uid_validity)),
            stop: self.context.stop,
        };
        let policy = self.context.config.uidls.pairing;
        let listing = &maildrop.listing;
        let mut pairing = matching::pair(policy, &side, listing, known.iter(), &mut sessions)?;
        self.look_elsewhere(session, inbox, maildrop, &mut pairing)?;
        Ok(pairing)
    }

    /// Looks in the other folders for what INBOX leaves open, where that is wanted.
    fn look_elsewhere(
        &mut self,
        session: &mut imap::Session,
        inbox: &Shown<'_>,
        maildrop: &mut Maildropped,
        pairing: &mut Pairing,
    ) -> Result<(), Problem> {
        let known = self.known_elsewhere();
        let memory = &mut *self.memory;
        let search = Search {
            imap: session,
            pop3: &mut maildrop.session,
            imap_breaks: &mut memory.breaks,
            pop3_breaks: &mut memory.pop3.breaks,
            ahead: Some(&maildrop.ahead),
            folders: &memory.searchable,
            known: &known,
            bodies: (!self.context.config.dry_run).then_some(&mut memory.bodies),
            stop: self.context.stop,
        };
        let policy = self.context.config.uidls.pairing;
        for line in search.run(policy, &maildrop.listing, &inbox.examined, pairing)? {
            self.log.line(Level::WARN, &line);
            let notes = &mut self.memory.tally.notes;
            if !notes.contains(&line) {
                notes.push(line);
            }
        }
        Ok(())
    }

    /// What the record has of UIDLs in other folders.
    fn known_elsewhere(&self) -> KnownElsewhere {
        let inbox = FolderPath::inbox();
        let folder = self.memory.book.record.known(&inbox);
        let paired = folder.and_then(|folder| folder.paired.as_ref());
        let found = paired.map_or(&[][..], |paired| &paired.elsewhere);
        found
            .iter()
            .filter_map(|found| {
                let validity = UidValidity::new(found.uid_validity?)?;
                let messages = found.messages.iter();
                let known = messages.filter_map(|message| {
                    let uidl = Uidl::parse(message.uidl.as_bytes()).ok()?;
                    let uid = Uid::new(message.uid)?;
                    Some(Known {
                        uid,
                        uidl,
                        position: None,
                    })
                });
                Some((found.path(), (validity, known.collect())))
            })
            .collect()
    }

    /// Says how the UIDLs were paired, and what is left over.
    pub(super) fn tell_of_pairs(&mut self, pairing: &Pairing) {
        let tally = &mut self.memory.tally;
        tally.uidls_missing = pairing.missing.len() as u64;
        tally.uidls_extra = pairing.extra.len() as u64;
        tally.uidls_elsewhere = pairing.elsewhere.len() as u64;
        let stages: Vec<String> = pairing
            .counts()
            .iter()
            .map(|(stage, count)| format!("{count} by {stage}"))
            .collect();
        if !stages.is_empty() {
            self.log
                .line(Level::INFO, format!("UIDLs paired: {}", stages.join(", ")));
        }
        let is_lost = !self.context.config.uidls.collect;
        if let Some(note) = elsewhere::note(pairing).filter(|_| is_lost) {
            self.log.line(Level::WARN, &note);
            self.memory.tally.notes.push(note);
        }
        for found in &pairing.elsewhere {
            let line = format!(
                "UIDL {} (POP3 message {}): in folder {}, UID {}, by {}",
                found.uidl, found.number, found.folder, found.uid, found.stage
            );
            self.log.line(Level::INFO, line);
        }
        for template in &pairing.rejected {
            let line = format!("messages contradict the UIDL template {template}: not relied upon");
            self.log.line(Level::WARN, line);
        }
        for extra in &pairing.extra {
            let uidl = extra.uidl.as_ref().map_or("", Uidl::as_str);
            self.log.line(
                Level::WARN,
                format!(
                    "UIDL {uidl} (POP3 message {}): {}",
                    extra.number, extra.reason
                ),
            );
        }
        for uid in &pairing.missing {
            self.log.line(
                Level::WARN,
                format!("INBOX UID {uid} has no UIDL; POP3 clients will download it once more"),
            );
        }
    }
}

/// INBOX as it is paired with the maildrop.
pub(super) struct PairedInbox {
    /// For each of its messages what POP3 announces.
    pub(super) uidls: Announcements,
    /// [`digest`] of the listing that was paired.
    pub(super) maildrop: String,
    /// The copies of messages in other folders, the last of its messages, where they are collected.
    pub(super) collected: Option<Collected>,
}

/// What an earlier run has written into the list file, by the UIDs that the source has now.
pub(super) struct KnownPairs<'k> {
    pub(super) list: Option<&'k UidList>,
    /// UIDVALIDITY of the source.
    pub(super) validity: UidValidity,
    pub(super) seen: Option<&'k Seen>,
    pub(super) rematched: &'k HashMap<Box<str>, Uid>,
}

impl KnownPairs<'_> {
    fn iter(&self) -> impl Iterator<Item = Known> {
        let seen = self.seen.filter(|seen| seen.validity == self.validity);
        let list = self.list.into_iter();
        list.flat_map(move |list| {
            let same_uids = list.validity == self.validity;
            list.lines.iter().filter_map(move |line| {
                let uid = match same_uids {
                    true => seen.map_or(Some(line.uid), |seen| seen.source_uid(line.uid)),
                    false => self.rematched.get(&line.name).copied(),
                };
                Some(Known {
                    uidl: Uidl::parse(line.field('P')?.as_bytes()).ok()?,
                    uid: uid?,
                    position: line.field('O').and_then(|position| position.parse().ok()),
                })
            })
        })
    }
}

pub(super) fn leftovers(pairing: &Pairing, maildrop: &Maildrop) -> Leftovers {
    let shown = |number: u32| {
        let faulty = &maildrop.faulty;
        let at = faulty.binary_search_by_key(&number, |(faulty, ..)| *faulty);
        let (_, text, fault) = faulty.get(at.ok()?)?;
        Some(format!("POP3 message {number}, UIDL \"{text}\": {fault}"))
    };
    let mut reasons = pairing.extra.iter().map(|extra| extra.reason);
    Leftovers {
        may_be_elsewhere: reasons.any(|why| why == Why::NoMessage),
        missing: pairing
            .missing
            .iter()
            .map(|uid| format!("UID {uid}"))
            .collect(),
        extra: pairing
            .extra
            .iter()
            .map(|extra| {
                shown(extra.number).unwrap_or_else(|| match &extra.uidl {
                    Some(uidl) => format!("{uidl}: {}", extra.reason),
                    None => format!("POP3 message {}: {}", extra.number, extra.reason),
                })
            })
            .collect(),
    }
}
