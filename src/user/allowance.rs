//! What may be fetched for a user on one day (`--daily-cap`): messages are asked for in pieces that fit into
//! what is left of it, and the rest waits for the next day.
//!
//! What counts is what comes over the wire on all of the user's connections, listings included. A piece is
//! counted before it is asked for and set right when it has come: a run that is killed in between has counted
//! too much, and never too little. At midnight a new day begins for a run that is at work.

use jiff::civil::Date;

use super::attempt::Attempt;
use crate::problem::{Kind, Problem, Reach};
use crate::sink::control;
use crate::sink::tree::Tree;
use crate::source::Refused;
use crate::source::net::hosts::Turn;
use crate::state::daily::{self, Daily};

/// A piece is such a part of the cap, but no more than so many bytes.
const PIECES: u64 = 16;
const LARGEST_PIECE: u64 = 64 << 20;
/// What a message takes on the wire besides its octets: its answer, and such a part of it for TLS.
const ANSWER: u64 = 128;
const TLS_PART: u64 = 32;
/// A message that is larger than the cap is fetched on a day on which messages have used no more than such a
/// part: otherwise it never could be.
const SMALL_PART: u64 = 10;

/// What is left of a user's day.
#[derive(Debug)]
pub(super) struct Allowance {
    cap: u64,
    file: String,
    /// What was fetched on this day when the user's meter stood at `mark`.
    known: Daily,
    mark: u64,
}

/// Fetches messages, by UID or POP3 number with their octets.
type Bring<'b, K> = dyn FnMut(&[(K, u64)]) -> Result<Refused, Problem> + 'b;

/// What came of asking for messages within an allowance.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) refused: Refused,
    /// What was not asked for, by UID or POP3 number, ascending.
    pub(super) postponed: Vec<u32>,
}

/// How many of the first messages of `wanted`, by their octets, may be asked for in one go where so much of
/// the `cap` has been fetched.
fn fitting<K>(wanted: &[(K, u64)], used: &Daily, cap: u64) -> usize {
    let left = cap.saturating_sub(used.bytes);
    let piece = left.min((cap / PIECES).clamp(1, LARGEST_PIECE));
    let mut sum = 0u64;
    let fits = |(_, octets): &&(K, u64)| {
        let before = sum;
        sum = sum.saturating_add(on_the_wire(*octets));
        // The first may be larger than a piece.
        sum <= if before == 0 { left } else { piece }
    };
    match wanted.iter().take_while(fits).count() {
        0 => {
            let is_huge = wanted
                .first()
                .is_some_and(|(_, octets)| on_the_wire(*octets) > cap);
            usize::from(is_huge && used.octets <= cap / SMALL_PART)
        }
        count => count,
    }
}

fn on_the_wire(octets: u64) -> u64 {
    octets
        .saturating_add(octets / TLS_PART)
        .saturating_add(ANSWER)
}

impl Allowance {
    fn used(&self, turn: &Turn<'_>) -> Daily {
        let new = turn.received().saturating_sub(self.mark);
        Daily {
            bytes: self.known.bytes.saturating_add(new),
            ..self.known
        }
    }

    fn begin_day(&mut self, today: Date, turn: &Turn<'_>) {
        if self.known.day != today {
            self.known = Daily::begin(today);
            self.mark = turn.received();
        }
    }

    /// Has `bring` fetch as much of `wanted` as fits into the day.
    fn fetch<K: Copy + Into<u32>>(
        &mut self,
        wanted: &[(K, u64)],
        (turn, tree): (&Turn<'_>, &Tree),
        bring: &mut Bring<'_, K>,
    ) -> Result<Fetched, Problem> {
        let mut fetched = Fetched::default();
        let mut rest = wanted;
        while !rest.is_empty() {
            self.begin_day(today(), turn);
            let used = self.used(turn);
            let (piece, more) = rest.split_at(fitting(rest, &used, self.cap));
            if piece.is_empty() {
                fetched.postponed = rest.iter().map(|(key, _)| (*key).into()).collect();
                fetched.postponed.sort_unstable();
                break;
            }
            let sizes = piece.iter().map(|(_, octets)| *octets);
            let octets = sizes.clone().fold(used.octets, u64::saturating_add);
            self.known.octets = octets;
            let bytes = sizes.map(on_the_wire);
            let bytes = bytes.fold(used.bytes, u64::saturating_add);
            self.save(
                tree,
                Daily {
                    bytes,
                    ..self.known
                },
            )?;
            let came = bring(piece);
            self.save(tree, self.used(turn))?;
            fetched.refused.extend(came?);
            rest = more;
        }
        Ok(fetched)
    }

    fn save(&self, tree: &Tree, day: Daily) -> Result<(), Problem> {
        control::replace_in_root(tree, &self.file, |out| {
            std::io::Write::write_all(out, day.to_text().as_bytes())
        })
    }

    /// The problem of a folder in which so many messages of so many octets have to wait.
    pub(super) fn reached(cap: u64, messages: usize, octets: u64) -> Problem {
        let cap = indicatif::BinaryBytes(cap);
        let what = format!(
            "daily cap of {cap} reached: {octets} bytes in {messages} messages are left for the next days"
        );
        Problem::new(Kind::Capped, Reach::Folder, what).with_hint("run it again tomorrow")
    }
}

fn today() -> Date {
    jiff::Zoned::now().date()
}

/// Has `bring` fetch `wanted`, or as much of it as fits where there is an allowance.
pub(super) fn fetch<K: Copy + Into<u32>>(
    allowance: &mut Option<Allowance>,
    wanted: &[(K, u64)],
    (turn, tree): (&Turn<'_>, Option<&Tree>),
    bring: &mut Bring<'_, K>,
) -> Result<Fetched, Problem> {
    match (allowance, tree) {
        (Some(allowance), Some(tree)) => allowance.fetch(wanted, (turn, tree), bring),
        _ => Ok(Fetched {
            refused: bring(wanted)?,
            postponed: Vec::new(),
        }),
    }
}

impl Attempt<'_> {
    /// Finds out what has been fetched today before this run, where that matters.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn open_allowance(&mut self, tree: &Tree) -> Result<(), Problem> {
        let Some(cap) = self.context.config.daily_cap else {
            return Ok(());
        };
        if self.memory.allowance.is_some() {
            return Ok(());
        }
        let file = daily::file_name(self.user.subfolder.as_ref());
        let bytes = control::read(tree.root(), &file).map_err(|error| {
            let what = format!("read {file} in {}", self.user.maildir.display());
            crate::sink::target_problem(&what, error)
        })?;
        let today = today();
        let known = match bytes.as_deref().map(Daily::parse) {
            Some(Some(known)) if known.day == today => known,
            Some(None) => {
                let line = format!("{file} is damaged: what was fetched today is not known");
                self.log.line(tracing::Level::WARN, line);
                Daily::begin(today)
            }
            _ => Daily::begin(today),
        };
        self.memory.allowance = Some(Allowance {
            cap,
            file,
            known,
            mark: 0,
        });
        Ok(())
    }

    /// Notes what this attempt has fetched.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn close_allowance(&mut self, tree: &Tree) -> Result<(), Problem> {
        let turn = self.context.turn;
        match &mut self.memory.allowance {
            Some(allowance) => {
                allowance.begin_day(today(), turn);
                allowance.save(tree, allowance.used(turn))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fit_into_what_is_left() {
        const CAP: u64 = 16_000_000;
        let of =
            |octets: &[u64]| -> Vec<(u32, u64)> { (1..).zip(octets.iter().copied()).collect() };
        let small = [100_000; 1000];
        let used = |bytes, octets| Daily {
            bytes,
            octets,
            ..Daily::begin(jiff::civil::date(2026, 11, 25))
        };
        // (octets of what is wanted, used, how many)
        let table: [(&[u64], u64, usize); 10] = [
            (&[], 0, 0),
            // A sixteenth of the cap in one go, TLS counted in.
            (&small, 0, 9),
            (&small, 15_000_000, 9),
            (&small, 15_500_000, 4),
            (&small, 15_950_000, 0),
            (&small, 20_000_000, 0),
            // Larger than a piece, and than what is left.
            (&[8_000_000, 1], 0, 1),
            (&[8_000_000, 1], 9_000_000, 0),
            // Larger than any day: when messages have used little.
            (&[17_000_000, 1], 1_500_000, 1),
            (&[17_000_000, 1], 1_700_000, 0),
        ];
        for (octets, bytes, want) in table {
            let count = fitting(&of(octets), &used(bytes, bytes), CAP);
            assert_eq!(count, want, "{:?} {bytes}", octets.first());
        }
        let listed = used(9_000_000, 0);
        assert_eq!(fitting(&of(&[17_000_000]), &listed, CAP), 1);
        let none = used(0, 0);
        assert_eq!(fitting(&of(&[1, 1]), &none, 1), 1, "nothing fits into it");
        assert_eq!(fitting(&of(&[u64::MAX; 2]), &none, u64::MAX), 1);
    }
}
