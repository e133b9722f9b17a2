//! The POP3 side of a check.

use std::collections::HashSet;

use super::{Check, Context, Flaw, Matter, Uidls};
use crate::config::{Account, Servers, Unholdable};
use crate::mail::{FolderPath, PopEntry, PopNumber};
use crate::naming::uidl::hold;
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::{self, Remembered};
use crate::plan::selection::Choice;
use crate::problem::{Kind, Problem, Reach};
use crate::sink::export::now;
use crate::source::login::Login;
use crate::source::pop3::Pipelining;
use crate::source::{BodySink, FolderList, Maildrop, pop3};

/// What a POP3 server lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maildropped {
    /// Messages.
    pub messages: u64,
    /// False: the server knows no UIDL command.
    pub has_uidls: bool,
    /// UIDLs that break RFC 1939, and the first of them with the reason.
    pub faulty: u64,
    /// The first of the faulty ones.
    pub first_faulty: Option<String>,
    /// UIDLs that an earlier message has.
    pub doubled: u64,
    /// UIDLs that the target cannot hold.
    pub unholdable: u64,
    /// The first of those, with the reason.
    pub first_unholdable: Option<String>,
    /// Whether there is TOP.
    pub top: Top,
}

/// Whether a server has TOP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Top {
    /// It does.
    There,
    /// It does not: to compare messages they are read by RETR, which may mark them as seen.
    Missing,
    /// It does not say, and there is no message to try.
    Unknown,
}

impl Maildropped {
    /// What the listing says, for a target that these servers are to serve.
    pub fn of(listing: &Maildrop, top: Top, servers: Servers) -> Self {
        let repeated = listing.entries.by_uidl().repeated();
        let repeated: HashSet<usize> = repeated.into_iter().map(|(_, place)| place).collect();
        let (mut unholdable, mut first_unholdable) = (0, None);
        for (place, entry) in listing.entries.iter().enumerate() {
            let uidl = entry.uidl.filter(|_| !repeated.contains(&place));
            if let Some(uidl) = uidl
                && let Some(fault) = hold(&uidl, servers).fault
            {
                unholdable += 1;
                first_unholdable.get_or_insert_with(|| format!("{uidl}: {fault}"));
            }
        }
        let first_faulty = listing.faulty.first();
        Self {
            messages: listing.entries.len() as u64,
            has_uidls: listing.has_uidls,
            faulty: listing.faulty.len() as u64,
            first_faulty: first_faulty.map(|(number, shown, fault)| {
                format!("\"{shown}\" of POP3 message {number}: {fault}")
            }),
            doubled: repeated.len() as u64,
            unholdable,
            first_unholdable,
            top,
        }
    }

    /// In words.
    pub fn line(&self) -> String {
        let mut line = format!("POP3 lists {} messages", self.messages);
        if !self.has_uidls {
            line.push_str("; it gives no UIDLs");
        }
        if let Some(first) = &self.first_faulty {
            let faulty = self.faulty;
            line.push_str(&format!(
                "; {faulty} UIDLs break RFC 1939, the first is {first}"
            ));
        }
        if self.doubled > 0 {
            line.push_str(&format!("; {} UIDLs are given twice", self.doubled));
        }
        if self.top == Top::Missing {
            line.push_str("; it has no TOP, so that comparing messages may mark them as seen");
        }
        line
    }

    /// The UIDLs that are there, once each.
    pub fn sound_uidls(&self) -> u64 {
        if self.has_uidls {
            self.messages.saturating_sub(self.faulty + self.doubled)
        } else {
            0
        }
    }
}

/// A POP3 session with what it lists.
pub(super) struct Opened {
    pub session: pop3::Session,
    pub listing: Maildrop,
}

impl Check<'_> {
    /// The maildrop of a user who has one, if it can be listed.
    ///
    /// # Errors
    /// The run is to stop.
    pub(super) fn look_at_pop3(&mut self) -> Result<Option<Opened>, Problem> {
        let Some(account) = &self.user.pop3 else {
            return Ok(None);
        };
        let mut software = None;
        let outcome = self.with_login(account, |check, login| {
            let mut opened = check.open_maildrop(account, login, &mut software)?;
            check.pop3_login.get_or_insert_with(|| login.clone());
            let top = tried_top(&mut opened)?;
            Ok((opened, top))
        });
        let (server, read) = self.outcome("POP3", account, software, outcome)?;
        self.finding.pop3 = Some(server);
        Ok(read.map(|(opened, top)| {
            let servers = self.context.config.target.servers;
            let found = Maildropped::of(&opened.listing, top, servers);
            self.judge_maildrop(&found);
            self.finding.maildrop = Some(found);
            opened
        }))
    }

    /// A new session with its listing; `software` is known as soon as the login works.
    fn open_maildrop(
        &mut self,
        account: &Account,
        login: &Login,
        software: &mut Option<String>,
    ) -> Result<Opened, Problem> {
        let Context { dialer, stop, .. } = self.context;
        let pipelining = match self.one_at_a_time {
            true => Pipelining::Never,
            false => Pipelining::WhereAnnounced,
        };
        let mut session = self.pop3_delay.log_in(self.log, stop, || {
            let connection = dialer.connect(&account.endpoint)?;
            pop3::Session::open(connection, login, &account.endpoint, pipelining, || {})
        })?;
        *software = Some(session.software().to_owned());
        let listing = session.listing()?;
        Ok(Opened { session, listing })
    }

    /// A new session once the login has worked.
    pub(super) fn open_again(&mut self) -> Result<Opened, Problem> {
        match (&self.user.pop3, self.pop3_login.clone()) {
            (Some(account), Some(login)) => self.open_maildrop(account, &login, &mut None),
            _ => Err(Problem::new(
                Kind::Internal,
                Reach::User,
                "a POP3 session was to be opened again that never was open",
            )),
        }
    }

    fn judge_maildrop(&mut self, found: &Maildropped) {
        let policy = self.context.config.uidls;
        if !found.has_uidls {
            let accepted = self.user.imap.is_some() && policy.ignore_missing && policy.ignore_extra;
            let flaw = Flaw::new(Matter::Uidls, "the POP3 server gives no UIDLs");
            self.finding.flaws.push(flaw.accepted_if(accepted));
        }
        if let Some(first) = &found.first_unholdable {
            let count = found.unholdable;
            let who = self.context.config.target.servers.by_name();
            let what = format!("{who} cannot hold {count} UIDLs, the first is {first}");
            let accepted = policy.unholdable == Unholdable::Report;
            let flaw = Flaw::new(Matter::Uidls, what).accepted_if(accepted);
            self.finding.flaws.push(flaw);
        }
    }

    /// Without IMAP the maildrop is INBOX, and there is nothing else.
    pub(super) fn take_for_inbox(&mut self, listing: &Maildrop) {
        let max_size = self.context.config.selection.max_size;
        let mailbox = &mut self.finding.mailbox;
        mailbox.folders = 1;
        let taken = |entry: &PopEntry| max_size.is_none_or(|most| entry.size <= most);
        for entry in listing.entries.iter().filter(taken) {
            let message = || format!("POP3 message {}", entry.number);
            mailbox.count(&FolderPath::inbox(), entry.size, message);
        }
        if !listing.has_uidls {
            return;
        }
        let list = FolderList::default();
        let choice = Choice::of(&self.context.config.selection, self.user, &list);
        let place = choice.destination(&FolderPath::inbox());
        if !place.is_inbox() {
            self.judge_lost_uidls(&place);
            return;
        }
        let numbered = match pop3_only::number(
            listing,
            &OnDisk::default(),
            &Remembered::default(),
            max_size,
            now(),
        ) {
            Ok(numbered) => numbered,
            Err(problem) => {
                let flaw = Flaw::new(Matter::Uidls, problem.to_string());
                self.finding.flaws.push(flaw);
                return;
            }
        };
        let listed = numbered.entries.len() as u64;
        let missing = numbered.without_uidl.len() as u64;
        if let Some((uid, why)) = numbered.without_uidl.first() {
            let what = format!(
                "{missing} messages have no UIDL of their own, the first is number {uid}: {why}"
            );
            let accepted = self.context.config.uidls.ignore_missing;
            let flaw = Flaw::new(Matter::Uidls, what).accepted_if(accepted);
            self.finding.flaws.push(flaw);
        }
        let servers = self.context.config.target.servers;
        let unholdable = match &self.finding.maildrop {
            Some(found) if !servers.dovecot => found.unholdable,
            _ => 0,
        };
        self.finding.mailbox.uidls = Some(Uidls {
            listed,
            kept: (listed - missing).saturating_sub(unholdable),
            missing,
            ..Uidls::default()
        });
    }
}

/// Asks for the header of one message where the server does not say that it has TOP.
fn tried_top(opened: &mut Opened) -> Result<Top, Problem> {
    if opened.session.announces_top() {
        return Ok(Top::There);
    }
    let Some(first) = opened.listing.entries.number(0) else {
        return Ok(Top::Unknown);
    };
    opened.session.headers(&[first], &mut Forget)?;
    Ok(if opened.session.supports_top() {
        Top::There
    } else {
        Top::Missing
    })
}

/// Keeps nothing of a message.
struct Forget;

impl BodySink for Forget {
    fn begin(&mut self, _announced: Option<u64>) -> Result<(), Problem> {
        Ok(())
    }
    fn data(&mut self, _bytes: &[u8]) -> Result<(), Problem> {
        Ok(())
    }
    fn end(&mut self, _number: PopNumber) -> Result<(), Problem> {
        Ok(())
    }
    fn abandon(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Server;
    use crate::mail::{PopEntry, Uidl, UidlFault};

    #[test]
    fn a_listing_is_counted_by_what_is_wrong_with_it() {
        let uidls = [
            Some("a"),
            Some("b/c"),
            None,
            Some("a"),
            Some(".x"),
            Some("b/c"),
        ];
        let listing = Maildrop {
            entries: (1..)
                .zip(uidls)
                .map(|(number, uidl)| PopEntry {
                    number,
                    size: 1,
                    uidl: uidl.map(|text| Uidl::parse(text.as_bytes()).unwrap()),
                })
                .collect(),
            faulty: vec![(3, "a b".to_owned(), UidlFault::BadByte(b' '))],
            has_uidls: true,
        };
        let servers = |words: &[Server]| words.iter().copied().collect::<Servers>();
        let (qmail, dovecot) = (servers(&[Server::Qmail]), servers(&[Server::Dovecot]));
        let found = Maildropped::of(&listing, Top::Missing, qmail);
        assert_eq!((found.messages, found.sound_uidls()), (6, 3));
        assert_eq!((found.faulty, found.doubled, found.unholdable), (1, 2, 2));
        let first = found.first_unholdable.as_deref();
        assert_eq!(first, Some("b/c: a file name cannot hold /"));
        assert_eq!(
            found.line(),
            "POP3 lists 6 messages; 1 UIDLs break RFC 1939, the first is \"a b\" of POP3 message 3: \
             it holds the byte 0x20, RFC 1939 allows 0x21 to 0x7e; 2 UIDLs are given twice; it has \
             no TOP, so that comparing messages may mark them as seen"
        );
        assert_eq!(Maildropped::of(&listing, Top::There, dovecot).unholdable, 0);
    }
}
