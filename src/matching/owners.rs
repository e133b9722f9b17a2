//! Whose UIDL is whose in the POP3 listing.

use crate::mail::PopEntries;
use crate::mail::pop_entries::ByUidl;

/// Finds entries by their UIDLs.
pub(super) struct Owners<'a> {
    by_uidl: ByUidl<'a>,
    /// By entry, whether it has a UIDL that no other entry has.
    alone: Vec<bool>,
}

impl<'a> Owners<'a> {
    pub(super) fn of(pops: &'a PopEntries) -> Self {
        let by_uidl = pops.by_uidl();
        let mut alone = Vec::with_capacity(pops.len());
        let mut uidls = pops.uidls();
        while let Some(uidl) = uidls.read() {
            alone.push(!uidl.is_empty());
        }
        for (first, later) in by_uidl.repeated() {
            (alone[first], alone[later]) = (false, false);
        }
        Self { by_uidl, alone }
    }

    /// Whether the entry has a UIDL that no other one has.
    pub(super) fn is_alone(&self, pop: usize) -> bool {
        self.alone.get(pop).copied().unwrap_or(false)
    }

    /// [`Owners::is_alone`] by entry.
    pub(super) fn into_alone(self) -> Vec<bool> {
        self.alone
    }

    /// The entry that alone has this UIDL.
    pub(super) fn owner(&self, uidl: &str) -> Option<usize> {
        let mut places = self.by_uidl.get(uidl);
        places.find(|place| self.is_alone(*place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::pop_entries::listing_of;

    #[test]
    fn a_uidl_that_is_there_twice_has_no_owner() {
        let pops = listing_of(&["a", "b", "", "a", "c", "", "a"]);
        let owners = Owners::of(&pops);
        let owner = |uidl| owners.owner(uidl);
        assert_eq!(
            ["a", "b", "c", "", "d"].map(owner),
            [None, Some(1), Some(4), None, None]
        );
        let alone: Vec<bool> = (0..8).map(|pop| owners.is_alone(pop)).collect();
        assert_eq!(
            alone,
            [false, true, false, false, true, false, false, false]
        );
    }
}
