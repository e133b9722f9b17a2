//! What is there twice among a million, at 8 bytes each.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash, RandomState};

/// Hashes of what was seen. Two that have the same may still differ: who finds one twice looks.
#[derive(Debug, Default)]
pub struct Doubles {
    // Keyed anew in each process: nobody can make a list whose hashes all meet.
    state: RandomState,
    seen: Vec<u64>,
}

impl Doubles {
    /// Notes one more.
    pub fn see(&mut self, one: &(impl Hash + ?Sized)) {
        self.seen.push(self.state.hash_one(one));
    }

    /// Those that may be there twice.
    pub fn end(mut self) -> Suspects {
        self.seen.sort_unstable();
        let mut twice: HashSet<u64> = HashSet::new();
        for pair in self.seen.windows(2) {
            if let [one, other] = pair
                && one == other
            {
                twice.insert(*one);
            }
        }
        Suspects {
            state: self.state,
            twice,
        }
    }
}

/// See [`Doubles::end`].
#[derive(Debug)]
pub struct Suspects {
    state: RandomState,
    twice: HashSet<u64>,
}

impl Suspects {
    /// Whether nothing is there twice.
    pub fn is_empty(&self) -> bool {
        self.twice.is_empty()
    }

    /// Whether `one` may be there twice.
    pub fn may_be(&self, one: &(impl Hash + ?Sized)) -> bool {
        self.twice.contains(&self.state.hash_one(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_is_found() {
        let mut doubles = Doubles::default();
        for name in ["a", "b", "c", "a", "d", "a"] {
            doubles.see(name);
        }
        let twice = doubles.end();
        assert!(twice.may_be("a") && !twice.is_empty());
        assert!(!twice.may_be("b") && !twice.may_be("x"));
        assert!(Doubles::default().end().is_empty());
    }
}
