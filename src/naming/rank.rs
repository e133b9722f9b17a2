//! Ranks: what stands before a name of ours where Courier's POP3 order, which is that of the names (see
//! [`crate::mail::courier::order`]), is not the order of the UIDs: `<number>.R<10 digits>-`, with zeros
//! before the number or `~` after it where the name must go between two that are given.

use std::fmt;

/// What stands before a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rank {
    /// The number by which Courier goes, as it stands in the name.
    pub number: Box<str>,
    /// What stands between: `.` or `~`.
    pub separator: char,
    /// The place among those of one number.
    pub place: u32,
}

impl Rank {
    /// A base name without its rank; `None` where it has none.
    pub fn split(base_name: &str) -> Option<(Self, &str)> {
        let end = base_name.find(['.', '~'])?;
        let (number, rest) = base_name.split_at(end);
        let separator = rest.chars().next()?;
        let (place, name) = rest[1..].strip_prefix('R')?.split_once('-')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if !is_number(number) || number.len() > 20 || !is_number(place) || place.len() != 10 {
            return None;
        }
        let rank = Self {
            number: number.into(),
            separator,
            place: place.parse().ok()?,
        };
        Some((rank, name))
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            separator,
            place,
        } = self;
        write!(f, "{number}{separator}R{place:010}-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_told_and_read_back() {
        for (name, want) in [
            ("12.R0000000003-x", Some("x")),
            ("012~R4294967295-7.M1", Some("7.M1")),
            ("0.R0000000001-", Some("")),
            ("12.R3-x", None),
            ("12.R4294967296-x", None),
            ("a.R0000000003-x", None),
            (".R0000000003-x", None),
            ("12.0000000003-x", None),
            ("1294690616.M0000000429.mailseed", None),
            ("12", None),
        ] {
            let split = Rank::split(name);
            assert_eq!(split.as_ref().map(|(_, rest)| *rest), want, "{name}");
            if let Some((rank, rest)) = split {
                assert_eq!(format!("{rank}{rest}"), name);
            }
        }
    }
}
