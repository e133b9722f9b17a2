//! Who fetches what: ranges of UIDs, each of about the same size, taken one by one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mail::{Uid, octets};

/// From so many octets, or so many messages, on a login more is worth its time.
const MUCH: u64 = 32 << 20;
const MANY: usize = 2000;

/// What a message costs beside its octets, in octets.
const OVERHEAD: u64 = 4096;

/// Pieces for each connection: with fewer a slow one would be waited for, with more there are more
/// pauses between them.
const PIECES: u64 = 4;
/// The least of a piece, in octets, unless it is the last.
const LEAST: u64 = 4 << 20;

/// Messages to fetch, by UID and announced size.
type Piece = Vec<(Uid, u64)>;

/// Whether `wanted` is worth more than one connection.
pub(super) fn is_much(wanted: &[(Uid, u64)]) -> bool {
    wanted.len() >= MANY || octets(wanted.iter().map(|(_, size)| *size)) >= MUCH
}

/// The messages that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Share(Mutex<VecDeque<Piece>>);

impl Share {
    /// Cuts what is wanted for so many connections.
    pub(super) fn new(wanted: &[(Uid, u64)], connections: usize) -> Self {
        Self(Mutex::new(cut(wanted, connections)))
    }

    /// The next piece.
    pub(super) fn take(&self) -> Option<Piece> {
        self.pieces().pop_front()
    }

    /// Whether nothing is left to take.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces().is_empty()
    }

    fn pieces(&self) -> MutexGuard<'_, VecDeque<Piece>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(wanted: &[(Uid, u64)], connections: usize) -> VecDeque<Piece> {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable_by_key(|(uid, _)| *uid);
    let weight = |(_, size): &(Uid, u64)| size.saturating_add(OVERHEAD);
    let all = octets(wanted.iter().map(weight));
    let pieces = PIECES.saturating_mul(connections as u64).max(1);
    let enough = (all / pieces).max(LEAST);
    let mut cut = VecDeque::new();
    let mut piece = Piece::new();
    let mut weighs = 0u64;
    for message in wanted {
        weighs = weighs.saturating_add(weight(&message));
        piece.push(message);
        if weighs >= enough {
            cut.push_back(std::mem::take(&mut piece));
            weighs = 0;
        }
    }
    if !piece.is_empty() {
        cut.push_back(piece);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(sizes: &[u64]) -> Vec<(Uid, u64)> {
        (1..)
            .filter_map(Uid::new)
            .zip(sizes.iter().copied())
            .collect()
    }

    #[test]
    fn much_is_by_octets_or_by_number() {
        for (sizes, much) in [
            (vec![], false),
            (vec![(32 << 20) - 1], false),
            (vec![16 << 20, 16 << 20], true),
            (vec![1; 1999], false),
            (vec![1; 2000], true),
            (vec![u64::MAX, u64::MAX], true),
        ] {
            assert_eq!(is_much(&messages(&sizes)), much, "{}", sizes.len());
        }
    }

    #[test]
    fn pieces_are_ranges_of_about_the_same_size_and_hold_each_message_once() {
        // (sizes, connections, messages of each piece)
        let table = [
            (vec![], 2, vec![]),
            (vec![1], 2, vec![1]),
            (vec![8 << 20; 16], 2, vec![2; 8]),
            (vec![1 << 20; 40], 3, vec![4; 10]),
            (vec![100 << 20, 1, 1, 1], 2, vec![1, 3]),
            (vec![0; 3000], 4, vec![1024, 1024, 952]),
            (vec![u64::MAX, 1, u64::MAX], 2, vec![1, 2]),
        ];
        for (sizes, connections, want) in table {
            let mut wanted = messages(&sizes);
            wanted.reverse();
            let pieces = cut(&wanted, connections);
            let lengths: Vec<usize> = pieces.iter().map(Vec::len).collect();
            assert_eq!(lengths, want, "{} messages", sizes.len());
            let all: Vec<_> = pieces.into_iter().flatten().collect();
            assert_eq!(all, messages(&sizes));
        }
    }
}
