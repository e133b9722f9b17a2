//! Many UIDs in little room: as ranges, written as IMAP writes them (RFC 3501, sequence-set).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Uid;

/// A set of UIDs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UidSet {
    /// First and last of each range, ascending, with a gap between any two.
    ranges: Vec<(u32, u32)>,
}

/// Text that is no set of UIDs in ascending ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no ascending UIDs")]
pub struct NoUidSet;

impl UidSet {
    /// Whether there is none in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `uid` is in it.
    pub fn contains(&self, uid: Uid) -> bool {
        self.range_of(uid).is_some()
    }

    /// How many UIDs of the set are below `uid`, if that is one of them.
    pub fn rank(&self, uid: Uid) -> Option<u64> {
        let (at, first) = self.range_of(uid)?;
        let before = self.ranges.iter().take(at).map(size).sum::<u64>();
        Some(before + u64::from(uid.value() - first))
    }

    /// Which range holds `uid`, and where that begins.
    fn range_of(&self, uid: Uid) -> Option<(usize, u32)> {
        let uid = uid.value();
        let at = self.ranges.partition_point(|(_, last)| *last < uid);
        let (first, _) = self.ranges.get(at).filter(|(first, _)| *first <= uid)?;
        Some((at, *first))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(size).sum()
    }

    /// The lowest of them.
    pub fn first(&self) -> Option<Uid> {
        self.ranges.first().and_then(|(first, _)| Uid::new(*first))
    }

    /// The highest of them.
    pub fn last(&self) -> Option<Uid> {
        self.ranges.last().and_then(|(_, last)| Uid::new(*last))
    }

    /// First and last of each range, ascending, with a gap between any two.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Each of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Uid> {
        let each = self.ranges.iter().flat_map(|(first, last)| *first..=*last);
        each.filter_map(Uid::new)
    }

    /// Adds `uid`; true if it is new. One above the last costs nothing, one further below moves the
    /// ranges after it: many at once are for [`Extend`].
    pub fn insert(&mut self, uid: Uid) -> bool {
        let uid = uid.value();
        let at = self.ranges.partition_point(|(_, last)| *last < uid);
        if self.ranges.get(at).is_some_and(|(first, _)| *first <= uid) {
            return false;
        }
        let touches_next = self
            .ranges
            .get(at)
            .is_some_and(|(first, _)| first.checked_sub(1) == Some(uid));
        let touches_last = at > 0 && self.ranges[at - 1].1.checked_add(1) == Some(uid);
        match (touches_last, touches_next) {
            (true, true) => {
                let (_, last) = self.ranges.remove(at);
                self.ranges[at - 1].1 = last;
            }
            (true, false) => self.ranges[at - 1].1 = uid,
            (false, true) => self.ranges[at].0 = uid,
            (false, false) => self.ranges.insert(at, (uid, uid)),
        }
        true
    }

    /// Those of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let both = self.ranges.iter().chain(&other.ranges).copied();
        Self::from_ranges(both)
    }

    /// Those of this set that are in `other` too.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let (mut ours, mut theirs) = (self.ranges.iter(), other.ranges.iter());
        let (mut one, mut two) = (ours.next(), theirs.next());
        while let (Some(a), Some(b)) = (one, two) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                ranges.push((first, last));
            }
            if a.1 <= b.1 {
                one = ours.next();
            } else {
                two = theirs.next();
            }
        }
        Self { ranges }
    }

    /// Those of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let mut holes = other.ranges.iter().peekable();
        'ranges: for (first, last) in &self.ranges {
            let mut first = *first;
            while let Some((hole, hole_end)) = holes.peek() {
                if hole > last {
                    break;
                }
                if *hole > first {
                    ranges.push((first, hole - 1));
                }
                if hole_end >= last {
                    // It may reach into the next range too.
                    continue 'ranges;
                }
                first = first.max(hole_end + 1);
                holes.next();
            }
            ranges.push((first, *last));
        }
        Self { ranges }
    }

    /// The UIDs of `ranges` (first and last of each), which may come in any order, overlap, and be
    /// written the wrong way round, as a sequence-set allows. 0 is no UID and is left out.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges
            .into_iter()
            .map(|(one, other)| (one.min(other).max(1), one.max(other)))
            .filter(|(_, last)| *last > 0)
            .collect();
        // Stable: what is sorted already, or two halves of which each is, takes linear time.
        sorted.sort();
        sorted.dedup_by(|(first, last), (_, end)| {
            let goes_on = *first <= end.saturating_add(1);
            if goes_on {
                *end = (*last).max(*end);
            }
            goes_on
        });
        Self { ranges: sorted }
    }
}

fn size((first, last): &(u32, u32)) -> u64 {
    u64::from(last - first) + 1
}

/// In any order; doubled ones count once.
impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        // Mostly they ascend, and a million of them are one range.
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for uid in uids.into_iter().map(Uid::value) {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
                _ => ranges.push((uid, uid)),
            }
        }
        Self::from_ranges(ranges)
    }
}

/// In any order; doubled ones count once.
impl Extend<Uid> for UidSet {
    fn extend<I: IntoIterator<Item = Uid>>(&mut self, uids: I) {
        let more: Self = uids.into_iter().collect();
        if !more.is_empty() {
            *self = self.union(&more);
        }
    }
}

/// `1:5000,5003`.
impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}:{last}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for UidSet {
    type Err = NoUidSet;

    fn from_str(text: &str) -> Result<Self, NoUidSet> {
        let mut ranges = Vec::new();
        let mut least = 1;
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            let number = |digits: &str| digits.parse::<u32>().map_err(|_| NoUidSet);
            let (first, last) = (number(first)?, number(last)?);
            if u64::from(first) < least || last < first {
                return Err(NoUidSet);
            }
            ranges.push((first, last));
            // A gap, or it would be one range.
            least = u64::from(last) + 2;
        }
        Ok(Self { ranges })
    }
}

impl Serialize for UidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UidSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    #[test]
    fn uids_become_ranges_and_back() {
        let max = u32::MAX;
        for (uids, text) in [
            (&[][..], ""),
            (&[7], "7"),
            (&[3, 1, 2, 2], "1:3"),
            (&[1, 3, 4, 9], "1,3:4,9"),
            (&[max, max - 1, 1], "1,4294967294:4294967295"),
        ] {
            let set: UidSet = uids.iter().map(|value| uid(*value)).collect();
            assert_eq!(set.to_string(), text);
            assert_eq!(text.parse(), Ok(set.clone()));
            for value in uids {
                assert!(set.contains(uid(*value)), "{value} in {text}");
            }
            for value in [5, 10, max - 2] {
                assert!(!set.contains(uid(value)), "{value} not in {text}");
            }
            let distinct: std::collections::BTreeSet<_> = uids.iter().collect();
            assert_eq!(set.len(), distinct.len() as u64);
            let ranks: Vec<_> = distinct
                .iter()
                .map(|value| set.rank(uid(**value)))
                .collect();
            let counted: Vec<_> = (0..distinct.len() as u64).map(Some).collect();
            assert_eq!(ranks, counted);
        }
    }

    fn set(text: &str) -> UidSet {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_in_any_order_become_a_set() {
        for (ranges, want) in [
            (&[][..], ""),
            (&[(0, 0)], ""),
            (&[(0, 3)], "1:3"),
            (&[(9, 7), (1, 2), (3, 3)], "1:3,7:9"),
            (&[(1, 10), (2, 3), (11, 11)], "1:11"),
            (&[(u32::MAX, u32::MAX), (1, u32::MAX)], "1:4294967295"),
            (&[(5, u32::MAX), (u32::MAX, 7)], "5:4294967295"),
        ] {
            let made = UidSet::from_ranges(ranges.iter().copied());
            assert_eq!(made.to_string(), want, "{ranges:?}");
        }
    }

    #[test]
    fn sets_against_sets() {
        for (one, other, both, common, rest) in [
            ("", "", "", "", ""),
            ("1:3", "", "1:3", "", "1:3"),
            ("", "1:3", "1:3", "", ""),
            ("1:10", "3:4,6", "1:10", "3:4,6", "1:2,5,7:10"),
            ("1:10", "1,10", "1:10", "1,10", "2:9"),
            ("5:6", "1:10", "1:10", "5:6", ""),
            ("1:3,5:7,9", "2:9", "1:9", "2:3,5:7,9", "1"),
            ("1:3,5:7,9", "4,8", "1:9", "", "1:3,5:7,9"),
            (
                "1:5,10:20",
                "4:12,14",
                "1:20",
                "4:5,10:12,14",
                "1:3,13,15:20",
            ),
            ("7", "1:4294967295", "1:4294967295", "7", ""),
            (
                "1:4294967295",
                "1,4294967295",
                "1:4294967295",
                "1,4294967295",
                "2:4294967294",
            ),
        ] {
            let (one, other) = (set(one), set(other));
            assert_eq!(one.union(&other), set(both), "{one} and {other}");
            assert_eq!(one.intersection(&other), set(common), "{one} and {other}");
            assert_eq!(one.difference(&other), set(rest), "{one} and {other}");
        }
    }

    #[test]
    fn one_by_one_as_in_a_plain_set() {
        let mut random = 0x2545_f491_4f6c_dd1du64;
        let mut plain = std::collections::BTreeSet::new();
        let mut ranges = UidSet::default();
        for _ in 0..5000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let number = match random % 40 {
                0 => u32::MAX,
                low => low as u32,
            };
            let uid = uid(number);
            if random >> 40 & 1 == 0 {
                assert_eq!(ranges.insert(uid), plain.insert(uid));
            } else {
                ranges = ranges.difference(&UidSet::from_iter([uid]));
                plain.remove(&uid);
            }
            // The text is refused unless the ranges are in order, with gaps between them.
            assert_eq!(ranges.to_string().parse(), Ok(ranges.clone()));
            assert!(ranges.iter().eq(plain.iter().copied()));
            assert_eq!(ranges.first(), plain.first().copied());
            assert_eq!(ranges.last(), plain.last().copied());
        }
    }

    #[test]
    fn a_million_take_little_time() {
        let odd: UidSet = (0..500_000).map(|at| uid(2 * at + 1)).collect();
        let mut grown = UidSet::default();
        for at in 0..500_000 {
            assert!(grown.insert(uid(2 * at + 1)));
        }
        assert_eq!(grown, odd);
        grown.extend((1..=500_000).rev().map(|at| uid(2 * at)));
        assert_eq!(grown.ranges(), [(1, 1_000_000)]);
        let even = grown.difference(&odd);
        assert_eq!(even.len(), 500_000);
        assert!(even.intersection(&odd).is_empty());
        assert_eq!(even.union(&odd), grown);
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "0",
            "x",
            ",",
            "1,",
            "1:",
            "2:1",
            "1,1",
            "1:3,2",
            "3,1",
            "1:2,3",
            "1:4294967296",
            "-1",
            "*",
            "1:*",
        ] {
            assert_eq!(text.parse::<UidSet>(), Err(NoUidSet), "{text}");
        }
    }
}
