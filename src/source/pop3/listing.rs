//! The maildrop's listing: STAT, UIDL and LIST brought together, or found not to agree.

use std::io::{Read, Write};

use super::Session;
use super::delayed;
use super::proto::{list_line, refusal, stat_count, uidl_line};
use super::wire::words;
use crate::mail::{PopEntry, PopNumber, Uidl, UidlFault};
use crate::problem::{Kind, Problem, Reach};
use crate::source::Maildrop;
use crate::text::printable_bytes;

/// More messages than any maildrop has; a limit to what a hostile server can make us hold.
const ENTRIES: usize = 5_000_000;

/// What a listing asks for, in this order.
pub(super) const COMMANDS: [&str; 3] = ["STAT\r\n", "UIDL\r\n", "LIST\r\n"];

type FoundUidl = Result<Uidl, (String, UidlFault)>;

/// One reading of the maildrop.
struct Reading {
    count: Option<u32>,
    /// `None`: the server knows no UIDL.
    uidls: Option<Vec<(PopNumber, FoundUidl)>>,
    sizes: Vec<(PopNumber, u64)>,
    /// The first line that made no sense.
    nonsense: Option<String>,
}

impl<S: Read + Write> Session<S> {
    /// Lists the maildrop by STAT, UIDL and LIST, ordered by number. A UIDL outside RFC 1939 does
    /// not fail it, nor does a server without UIDL.
    ///
    /// # Errors
    /// Kind Protocol where two readings in a row do not agree in themselves: no promise can be
    /// made of such a maildrop. Kind Refused for -ERR to STAT or LIST, or to a UIDL that CAPA
    /// lists; Busy, Network.
    pub fn listing(&mut self) -> Result<Maildrop, Problem> {
        let first = self.read_listing()?;
        let maildrop = match combine(first) {
            Ok(maildrop) => maildrop,
            Err(_) => combine(self.read_listing()?).map_err(|fault| {
                let what = format!("unstable POP3 listing, twice: {fault}");
                Problem::new(Kind::Protocol, Reach::User, what)
            })?,
        };
        let entries = maildrop.entries.iter();
        self.sizes = entries.map(|entry| (entry.number, entry.size)).collect();
        Ok(maildrop)
    }

    fn read_listing(&mut self) -> Result<Reading, Problem> {
        let mut is_asked = std::mem::take(&mut self.listing_is_asked);
        if self.pipelining && !is_asked {
            self.wire.send(COMMANDS.concat().as_bytes())?;
            is_asked = true;
        }
        let answer = |session: &mut Self, command: usize| {
            if !is_asked {
                session.wire.send(COMMANDS[command].as_bytes())?;
            }
            session.wire.answer()
        };
        let count = match answer(self, 0)? {
            Ok(text) => stat_count(text.as_bytes()),
            Err(text) => return Err(self.refused("STAT", &text)),
        };
        // Many more lines tell no more than a few that the two do not agree.
        let most = count.map_or(ENTRIES, |count| {
            (count as usize).saturating_mul(2).saturating_add(1000)
        });
        let most = most.min(ENTRIES);
        let mut nonsense = None;
        let mut note = |command: &str, line: &[u8]| {
            nonsense.get_or_insert_with(|| (command.to_owned(), line.to_vec()));
        };
        // Some servers refuse to list what is empty.
        let empty = count == Some(0);
        let uidls = match answer(self, 1)? {
            Ok(_) => {
                let mut uidls = Vec::new();
                self.wire.lines(most, |line| match uidl_line(line) {
                    Some((number, bytes)) => uidls.push((number, parse(bytes))),
                    None => note("UIDL", line),
                })?;
                Some(uidls)
            }
            Err(_) if empty && self.capabilities.uidl => Some(Vec::new()),
            // A passing fault must not be taken for a server without UIDL.
            Err(text) if self.capabilities.uidl || refusal(&text, false) == Kind::Busy => {
                return Err(self.refused("UIDL", &text));
            }
            Err(_) => None,
        };
        let mut sizes = Vec::new();
        match answer(self, 2)? {
            Ok(_) => self.wire.lines(most, |line| match list_line(line) {
                Some(entry) => sizes.push(entry),
                None => note("LIST", line),
            })?,
            Err(_) if empty => {}
            Err(text) => return Err(self.refused("LIST", &text)),
        }
        // A server may echo the login anywhere.
        let nonsense = nonsense.map(|(command, line)| {
            let line = String::from_utf8_lossy(&line).into_owned();
            let line = self.wire.without_hidden(line);
            format!("{command} line {:?}", printable_bytes(line.as_bytes(), 100))
        });
        let uidls = uidls.map(|uidls| {
            let uidls = uidls.into_iter();
            let told = |(text, fault)| (self.wire.without_hidden(text), fault);
            uidls
                .map(|(number, uidl)| (number, uidl.map_err(told)))
                .collect()
        });
        Ok(Reading {
            count,
            uidls,
            sizes,
            nonsense,
        })
    }

    fn refused(&mut self, command: &str, text: &str) -> Problem {
        // With commands sent ahead, their replies are still to come.
        self.wire.give_up();
        let what = format!("the server refused {command}: {}", words(text));
        delayed(Problem::new(refusal(text, false), Reach::User, what), text)
    }
}

fn parse(bytes: &[u8]) -> FoundUidl {
    Uidl::parse(bytes).map_err(|fault| (printable_bytes(bytes, 100), fault))
}

/// The maildrop, or in what the reading contradicts itself.
fn combine(reading: Reading) -> Result<Maildrop, String> {
    if let Some(line) = reading.nonsense {
        return Err(line);
    }
    let mut sizes = reading.sizes;
    sort("LIST", &mut sizes)?;
    if let Some(count) = reading.count
        && count as usize != sizes.len()
    {
        return Err(format!(
            "STAT counts {count} messages, LIST has {}",
            sizes.len()
        ));
    }
    let mut maildrop = Maildrop {
        entries: Vec::with_capacity(sizes.len()),
        faulty: Vec::new(),
        has_uidls: reading.uidls.is_some(),
    };
    let Some(mut uidls) = reading.uidls else {
        maildrop.entries = sizes
            .into_iter()
            .map(|(number, size)| PopEntry {
                number,
                size,
                uidl: None,
            })
            .collect();
        return Ok(maildrop);
    };
    sort("UIDL", &mut uidls)?;
    if uidls.len() != sizes.len() {
        return Err(format!(
            "UIDL lists {} messages, LIST {}",
            uidls.len(),
            sizes.len()
        ));
    }
    for ((number, uidl), (listed, size)) in uidls.into_iter().zip(sizes) {
        if number != listed {
            return Err(format!(
                "UIDL lists message {number} where LIST has {listed}"
            ));
        }
        let uidl = match uidl {
            Ok(uidl) => Some(uidl),
            Err((text, fault)) => {
                maildrop.faulty.push((number, text, fault));
                None
            }
        };
        maildrop.entries.push(PopEntry { number, size, uidl });
    }
    Ok(maildrop)
}

fn sort<T>(command: &str, lines: &mut [(PopNumber, T)]) -> Result<(), String> {
    lines.sort_by_key(|(number, _)| *number);
    match lines.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(format!("{command} lists message {} twice", pair[0].0)),
        None => Ok(()),
    }
}
