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

    /// The set of all UIDs in `ranges` (first and last, either way round), which may meet and
    /// overlap.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges
            .into_iter()
            .map(|(one, other)| (one.min(other).value(), one.max(other).value()))
            .collect();
        sorted.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match ranges.last_mut() {
                Some((_, end)) if end.saturating_add(1) >= first => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        Self { ranges }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(size).sum()
    }
}

fn size((first, last): &(u32, u32)) -> u64 {
    u64::from(last - first) + 1
}

/// In any order; doubled ones count once.
impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut uids: Vec<u32> = uids.into_iter().map(Uid::value).collect();
        uids.sort_unstable();
        uids.dedup();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for uid in uids {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
                _ => ranges.push((uid, uid)),
            }
        }
        Self { ranges }
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

    #[test]
    fn ranges_are_joined() {
        let max = u32::MAX;
        for (ranges, text) in [
            (&[][..], ""),
            (&[(5, 7), (1, 2)], "1:2,5:7"),
            (&[(7, 5), (3, 4)], "3:7"),
            (&[(1, 9), (2, 3), (10, 10)], "1:10"),
            (&[(1, max), (max, max)], "1:4294967295"),
        ] {
            let ranges = ranges.iter().map(|(one, other)| (uid(*one), uid(*other)));
            assert_eq!(UidSet::from_ranges(ranges).to_string(), text);
        }
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
