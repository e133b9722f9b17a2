//! The lines of a list, in little room.

use std::sync::Arc;

use super::{Uid, UidLine};
use crate::mail::Strings;

/// Lines of a list. They lie in pieces, which lists that are alike can share: that on disk, and that which
/// is to be. There may be a million lines, of which hardly any changes from one run to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UidLines {
    uids: Vec<Uid>,
    pieces: Vec<Piece>,
    /// Of the lines behind the last piece, what follows the UID and a space.
    last: Strings,
}

/// Lines that follow each other: of each what follows the UID and a space.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// The place of its first line.
    first: usize,
    rests: Arc<Strings>,
}

/// Whether a piece ends behind the line of this UID. About one in 1024 does, and in each list the same:
/// a line that comes or goes changes the piece in which it lies, and none after it.
fn ends_a_piece(uid: Uid) -> bool {
    // Multiplied by the golden ratio numbers spread evenly, whatever the gaps between them.
    uid.value().wrapping_mul(0x9E37_79B1) >> 22 == 0
}

impl UidLines {
    /// `lines`, with the pieces of `other` where both have the same.
    pub fn sharing(lines: impl IntoIterator<Item = UidLine>, other: &Self) -> Self {
        let mut all = Self::default();
        all.uids.reserve_exact(other.len());
        let mut theirs = other.pieces.iter().peekable();
        for line in lines {
            all.push(&line);
            let Some(piece) = all.pieces.last_mut().filter(|_| all.last.is_empty()) else {
                continue;
            };
            while theirs
                .next_if(|it| other.ends_below(it, line.uid))
                .is_some()
            {}
            if let Some(same) = theirs.next_if(|it| it.rests == piece.rests) {
                piece.rests = Arc::clone(&same.rests);
            }
        }
        all
    }

    fn ends_below(&self, piece: &Piece, uid: Uid) -> bool {
        let last = piece.first + piece.rests.len() - 1;
        self.uids.get(last).is_some_and(|last| *last < uid)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// Adds a line behind the others.
    pub fn push(&mut self, line: &UidLine) {
        let gap = if line.fields.is_empty() { "" } else { " " };
        self.uids.push(line.uid);
        self.last
            .push(&format!("{}{gap}:{}", line.fields, line.name));
        if ends_a_piece(line.uid) {
            let rests = Arc::new(std::mem::take(&mut self.last).sealed());
            let first = self.uids.len() - rests.len();
            self.pieces.push(Piece { first, rests });
        }
    }

    /// The line at `place`.
    pub fn get(&self, place: usize) -> Option<UidLine> {
        let uid = *self.uids.get(place)?;
        let rest = match place.checked_sub(self.uids.len() - self.last.len()) {
            Some(place) => self.last.get(place),
            None => {
                let after = self.pieces.partition_point(|piece| piece.first <= place);
                let piece = self.pieces.get(after.checked_sub(1)?)?;
                piece.rests.get(place - piece.first)
            }
        };
        line_of(uid, &rest?)
    }

    /// The UID of each line.
    pub fn uids(&self) -> &[Uid] {
        &self.uids
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = UidLine> {
        let pieces = self.pieces.iter().flat_map(|piece| piece.rests.iter());
        let lines = self.uids.iter().zip(pieces.chain(self.last.iter()));
        lines.filter_map(|(uid, rest)| line_of(*uid, &rest))
    }

    /// Hands the name in each line to `look`: there may be a million, of which nothing else is wanted.
    pub fn each_name(&self, mut look: impl FnMut(&str)) {
        let pieces = self.pieces.iter().map(|piece| &*piece.rests);
        for rests in pieces.chain([&self.last]) {
            let mut rests = rests.reader();
            while let Some(rest) = rests.read() {
                if let Some((_, name)) = split(rest) {
                    look(name);
                }
            }
        }
    }

    /// Takes away those that are not to stay.
    pub fn retain(&mut self, stays: impl Fn(&UidLine) -> bool) {
        *self = Self::sharing(self.iter().filter(stays), self);
    }
}

impl FromIterator<UidLine> for UidLines {
    fn from_iter<I: IntoIterator<Item = UidLine>>(lines: I) -> Self {
        let mut all = Self::default();
        for line in lines {
            all.push(&line);
        }
        all
    }
}

/// The line of `uid` that goes on so.
fn line_of(uid: Uid, rest: &str) -> Option<UidLine> {
    let (fields, name) = split(rest)?;
    Some(UidLine {
        uid,
        fields: fields.into(),
        name: name.into(),
    })
}

/// The fields and the name in what follows a UID and a space.
fn split(rest: &str) -> Option<(&str, &str)> {
    match rest.strip_prefix(':') {
        Some(name) => Some(("", name)),
        None => rest.split_once(" :"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 10_000;

    fn line(uid: u32, fields: &str) -> UidLine {
        UidLine {
            uid: Uid::new(uid).unwrap(),
            fields: fields.into(),
            name: format!("1294690616.M{uid:010}.mailseed,S=30,W=34").into(),
        }
    }

    fn shared(one: &UidLines, other: &UidLines) -> usize {
        let is_theirs = |piece: &&Piece| {
            let mut theirs = other.pieces.iter();
            theirs.any(|other| Arc::ptr_eq(&other.rests, &piece.rests))
        };
        one.pieces.iter().filter(is_theirs).count()
    }

    #[test]
    fn what_is_put_in_comes_out_whatever_the_gaps() {
        for gap in [1, 7, 1024, 65_536] {
            let lines: Vec<UidLine> = (1..=3000).map(|at| line(at * gap, "P1 O2")).collect();
            let all: UidLines = lines.iter().cloned().collect();
            assert!(all.iter().eq(lines.iter().cloned()));
            let mut names = lines.iter().map(|line| &*line.name);
            all.each_name(|name| assert_eq!(Some(name), names.next()));
            assert_eq!(names.next(), None);
            assert!((0..lines.len()).all(|at| all.get(at).as_ref() == lines.get(at)));
            assert_eq!((all.len(), all.get(3000)), (3000, None));
            assert!((1..=12).contains(&all.pieces.len()), "{}", all.pieces.len());
        }
    }

    #[test]
    fn lists_share_all_pieces_but_those_that_differ() {
        let old: UidLines = (1..=COUNT).map(|uid| line(uid, "P1")).collect();
        let pieces = old.pieces.len();
        assert!((8..=12).contains(&pieces), "{pieces}");
        let change = |uid: u32| match uid {
            1 => None,
            5000 => Some(line(uid, "P2")),
            _ => Some(line(uid, "P1")),
        };
        let new = (1..=COUNT + 1).filter_map(change);
        let new = UidLines::sharing(new, &old);
        assert!(new.iter().eq((1..=COUNT + 1).filter_map(change)));
        assert_eq!(shared(&new, &old), pieces - 2);
        let same = UidLines::sharing(old.iter(), &old);
        assert_eq!((shared(&same, &old), &same), (pieces, &old));
        let mut fewer = old.clone();
        fewer.retain(|line| line.uid.value() != 3000);
        assert_eq!(
            (fewer.len(), shared(&fewer, &old)),
            (old.len() - 1, pieces - 1)
        );
        assert_ne!(fewer, old);
    }
}
