//! What LIST and RFC822.SIZE have to do with each other on one server.

/// How the sizes that POP3 lists relate to those of IMAP, learned from pairs that are sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SizeRelation {
    /// They are the same.
    Equal,
    /// POP3 counts line ends as one byte (qmail, Dovecot with fast size lookups).
    Smaller,
    /// None that one could rely on.
    None,
    /// Nobody asks: the admin says that LIST lies.
    Ignored,
}

impl SizeRelation {
    /// The relation that 19 of 20 pairs of (POP3 size, IMAP size) have.
    pub(super) fn learn(pairs: impl Iterator<Item = (u64, u64)>) -> Self {
        let (mut all, mut equal, mut smaller) = (0u64, 0u64, 0u64);
        for pair in pairs {
            all += 1;
            equal += u64::from(Self::Equal.fits(pair));
            smaller += u64::from(Self::Smaller.fits(pair));
        }
        if all > 0 && equal * 20 >= all * 19 {
            Self::Equal
        } else if all > 0 && smaller * 20 >= all * 19 {
            Self::Smaller
        } else {
            Self::None
        }
    }

    /// Whether (POP3 size, IMAP size) may be those of one message. Without a relation none are; where
    /// sizes are ignored all may be.
    pub(super) fn fits(self, (pop, imap): (u64, u64)) -> bool {
        match self {
            Self::Equal => pop == imap,
            // Lines of mail have more than five bytes on average.
            Self::Smaller => pop <= imap && pop >= imap - imap / 5,
            Self::None => false,
            Self::Ignored => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SizeRelation::{self, Equal, None, Smaller};

    #[test]
    fn a_relation_is_what_nearly_all_pairs_have() {
        let many = |n: usize, pair| std::iter::repeat_n(pair, n);
        assert_eq!(SizeRelation::learn(many(0, (1, 1))), None);
        assert_eq!(SizeRelation::learn(many(1, (1, 1))), Equal);
        assert_eq!(SizeRelation::learn(many(1, (97, 100))), Smaller);
        assert_eq!(SizeRelation::learn(many(1, (79, 100))), None);
        assert_eq!(SizeRelation::learn(many(1, (101, 100))), None);
        let mostly = |n, odd| SizeRelation::learn(many(n, (100, 100)).chain(many(1, odd)));
        assert_eq!(mostly(19, (1, 2)), Equal);
        assert_eq!(mostly(18, (1, 2)), None);
        assert_eq!(mostly(18, (90, 100)), Smaller);
        assert!(Smaller.fits((0, 0)) && !Smaller.fits((u64::MAX, 1)) && !None.fits((1, 1)));
    }
}
