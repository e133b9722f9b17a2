//! The maildrop's listing: STAT, UIDL and LIST brought together, or found not to agree.

use std::io::{Read, Write};

use super::Session;
use super::delayed;
use super::proto::{list_line, refusal, stat_count, uidl_line};
use crate::mail::pop_entries::{Numbers, Sizes};
use crate::mail::{PopEntries, PopNumber, Strings, Uidl, UidlFault};
use crate::problem::{Kind, Problem, Reach};
use crate::source::Maildrop;
use crate::text::printable_bytes;

/// More messages than any maildrop has; a limit to what a hostile server can make us hold.
const ENTRIES: usize = 5_000_000;

/// The most characters of a line, or of what is no UIDL, in a report.
const LINE_SHOWN: usize = 100;

/// What a listing asks for, in this order.
pub(super) const COMMANDS: [&str; 3] = ["STAT\r\n", "UIDL\r\n", "LIST\r\n"];

/// One reading of the maildrop.
struct Reading {
    count: Option<u32>,
    /// `None`: the server knows no UIDL.
    uidls: Option<Uidls>,
    sizes: Octets,
}

/// What UIDL lists.
#[derive(Default)]
struct Uidls {
    numbers: Numbers,
    /// An empty text is no UIDL.
    texts: Strings,
    faulty: Vec<(PopNumber, String, UidlFault)>,
    /// The first line that made no sense.
    nonsense: Option<String>,
}

/// What LIST lists.
#[derive(Default)]
struct Octets {
    numbers: Numbers,
    sizes: Sizes,
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
        let sizes = maildrop.entries.sizes();
        // 0 is not known, and as much as any.
        let largest = sizes.max_by_key(|size| size.checked_sub(1).unwrap_or(u64::MAX));
        self.largest = largest.unwrap_or(0);
        Ok(maildrop)
    }

    fn read_listing(&mut self) -> Result<Reading, Problem> {
        let mut is_asked = std::mem::take(&mut self.listing_is_asked);
        if self.pipelining && !is_asked {
            self.wire.send(COMMANDS.concat().as_bytes())?;
            is_asked = true;
        }
        let count = match self.answer(0, is_asked)? {
            Ok(text) => stat_count(text.as_bytes()),
            Err(text) => return Err(self.refused("STAT", &text)),
        };
        // Many more lines tell no more than a few that the two do not agree.
        let most = count.map_or(ENTRIES, |count| {
            (count as usize).saturating_mul(2).saturating_add(1000)
        });
        let most = most.min(ENTRIES);
        // Some servers refuse to list what is empty.
        let is_empty = count == Some(0);
        let uidls = match self.answer(1, is_asked)? {
            Ok(_) => Some(self.read_uidls(most)?),
            Err(_) if is_empty && self.capabilities.uidl => Some(Uidls::default()),
            // A passing fault must not be taken for a server without UIDL.
            Err(text) if self.capabilities.uidl || refusal(&text, false) == Kind::Busy => {
                return Err(self.refused("UIDL", &text));
            }
            Err(_) => None,
        };
        let sizes = match self.answer(2, is_asked)? {
            Ok(_) => self.read_sizes(most)?,
            Err(_) if is_empty => Octets::default(),
            Err(text) => return Err(self.refused("LIST", &text)),
        };
        Ok(Reading {
            count,
            uidls,
            sizes,
        })
    }

    /// The answer to the command of that place in [`COMMANDS`], which is sent first unless it has been.
    fn answer(
        &mut self,
        command: usize,
        is_asked: bool,
    ) -> Result<Result<String, String>, Problem> {
        if !is_asked {
            self.wire.send(COMMANDS[command].as_bytes())?;
        }
        self.wire.answer()
    }

    /// The lines of the UIDL listing, at most so many.
    fn read_uidls(&mut self, most: usize) -> Result<Uidls, Problem> {
        let mut uidls = Uidls::default();
        let mut nonsense = None;
        self.wire.lines(most, |line| match uidl_line(line) {
            Some((number, bytes)) => uidls.push(number, bytes),
            None => _ = nonsense.get_or_insert_with(|| line.to_vec()),
        })?;
        // A server may echo the login anywhere.
        for (_, text, _) in &mut uidls.faulty {
            *text = self.wire.without_hidden(std::mem::take(text));
        }
        uidls.nonsense = nonsense.map(|line| self.shown(&line));
        Ok(uidls)
    }

    /// The lines of the LIST listing, at most so many.
    fn read_sizes(&mut self, most: usize) -> Result<Octets, Problem> {
        let mut octets = Octets::default();
        let mut nonsense = None;
        self.wire.lines(most, |line| match list_line(line) {
            Some((number, size)) => {
                octets.numbers.push(number);
                octets.sizes.push(size);
            }
            None => _ = nonsense.get_or_insert_with(|| line.to_vec()),
        })?;
        octets.nonsense = nonsense.map(|line| self.shown(&line));
        Ok(octets)
    }

    /// A line that makes no sense, as it may be told.
    fn shown(&self, line: &[u8]) -> String {
        let line = String::from_utf8_lossy(line).into_owned();
        let line = self.wire.without_hidden(line);
        printable_bytes(line.as_bytes(), LINE_SHOWN)
    }

    fn refused(&mut self, command: &str, text: &str) -> Problem {
        // With commands sent ahead, their replies are still to come.
        self.wire.give_up();
        let what = format!("the server refused {command}: {}", self.wire.words(text));
        delayed(Problem::new(refusal(text, false), Reach::User, what), text)
    }
}

impl Uidls {
    fn push(&mut self, number: PopNumber, bytes: &[u8]) {
        self.numbers.push(number);
        match Uidl::parse(bytes) {
            Ok(uidl) => self.texts.push(uidl.as_str()),
            Err(fault) => {
                self.texts.push("");
                let shown = printable_bytes(bytes, LINE_SHOWN);
                self.faulty.push((number, shown, fault));
            }
        }
    }
}

/// The maildrop, or in what the reading contradicts itself.
fn combine(reading: Reading) -> Result<Maildrop, String> {
    let of_uidl = reading.uidls.as_ref().and_then(|it| it.nonsense.as_ref());
    let of_list = reading.sizes.nonsense.as_ref();
    for (command, nonsense) in [("UIDL", of_uidl), ("LIST", of_list)] {
        if let Some(line) = nonsense {
            return Err(format!("{command} line \"{line}\""));
        }
    }
    let Octets { numbers, sizes, .. } = reading.sizes;
    let (numbers, sizes) = match sorted("LIST", &numbers)? {
        None => (numbers, sizes),
        Some((numbers, order)) => {
            let places = order.iter().map(|place| *place as usize);
            (numbers, places.filter_map(|at| sizes.get(at)).collect())
        }
    };
    if let Some(count) = reading.count
        && count as usize != numbers.len()
    {
        return Err(format!(
            "STAT counts {count} messages, LIST has {}",
            numbers.len()
        ));
    }
    let has_uidls = reading.uidls.is_some();
    let (texts, faulty) = match reading.uidls {
        Some(uidls) => texts_for(&numbers, uidls)?,
        None => (numbers.iter().map(|_| "").collect(), Vec::new()),
    };
    let entries = PopEntries::of(numbers, sizes, texts);
    Ok(Maildrop {
        entries: entries.ok_or("LIST has messages without a size")?,
        faulty,
        has_uidls,
    })
}

type Texts = (Strings, Vec<(PopNumber, String, UidlFault)>);

/// The UIDLs of the messages `listed`, in that order.
fn texts_for(listed: &Numbers, uidls: Uidls) -> Result<Texts, String> {
    let Uidls {
        numbers,
        texts,
        mut faulty,
        ..
    } = uidls;
    let (numbers, texts) = match sorted("UIDL", &numbers)? {
        None => (numbers, texts),
        Some((numbers, order)) => {
            let places = order.iter().map(|place| *place as usize);
            (numbers, places.filter_map(|at| texts.get(at)).collect())
        }
    };
    if numbers.len() != listed.len() {
        return Err(format!(
            "UIDL lists {} messages, LIST {}",
            numbers.len(),
            listed.len()
        ));
    }
    let mut both = numbers.iter().zip(listed.iter());
    if let Some((number, listed)) = both.find(|(number, listed)| number != listed) {
        return Err(format!(
            "UIDL lists message {number} where LIST has {listed}"
        ));
    }
    faulty.sort_by_key(|(number, ..)| *number);
    Ok((texts, faulty))
}

/// `numbers` in ascending order, and what was where; `None`: they are in it.
fn sorted(command: &str, numbers: &Numbers) -> Result<Option<(Numbers, Vec<u32>)>, String> {
    let Some(order) = numbers.order() else {
        return Ok(None);
    };
    let places = order.iter().map(|place| *place as usize);
    let sorted: Vec<PopNumber> = places.filter_map(|at| numbers.get(at)).collect();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{command} lists message {} twice", pair[0])),
        None => Ok(Some((sorted.into_iter().collect(), order))),
    }
}
