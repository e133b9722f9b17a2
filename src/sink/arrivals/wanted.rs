//! What is still to come of a folder, by what it is asked for.

use crate::mail::Place;
use crate::plan::Step;

/// The messages that are to come, ascending by key. There may be a million of them.
#[derive(Debug)]
pub(super) struct Wanted(Vec<Message>);

/// A message that is to come.
#[derive(Debug, Clone, Copy)]
struct Message {
    /// By what it is asked for.
    key: u32,
    /// Which step of the plan it is; `None` once it has come.
    step: Option<Place>,
}

impl Wanted {
    /// What `steps` are to bring; `key` says by what an entry is asked for.
    pub(super) fn of(steps: &[Step], key: &dyn Fn(usize) -> u32) -> Self {
        let deliveries = steps.iter();
        let deliveries = deliveries.filter(|step| matches!(step, Step::Deliver { .. }));
        let mut wanted = Vec::with_capacity(deliveries.count());
        for (step, what) in (0..).zip(steps) {
            if let Step::Deliver { entry, .. } = what {
                wanted.push(Message {
                    key: key(*entry as usize),
                    step: Place::new(step),
                });
            }
        }
        wanted.sort_unstable_by_key(|wanted| wanted.key);
        Self(wanted)
    }

    /// How many there were.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was to come.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys of what is still to come, in the order of the plan.
    pub(super) fn to_come(&self) -> Vec<u32> {
        let wanted = self.0.iter();
        let mut wanted: Vec<(u32, u32)> = wanted
            .filter_map(|it| Some((it.step?.at(), it.key)))
            .collect();
        wanted.sort_unstable();
        wanted.into_iter().map(|(_, key)| key).collect()
    }

    /// Which step of the plan a message is that is still to come.
    pub(super) fn step(&self, key: u32) -> Option<usize> {
        let step = self.0.get(self.place(key)?)?.step?;
        Some(step.index())
    }

    /// A message has come.
    pub(super) fn has_come(&mut self, key: u32) {
        if let Some(place) = self.place(key) {
            self.0[place].step = None;
        }
    }

    fn place(&self, key: u32) -> Option<usize> {
        self.0.binary_search_by_key(&key, |it| it.key).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_is_wanted_no_more_and_the_rest_in_the_order_of_the_plan() {
        let bring = |entry| Step::Deliver { entry, mtime: None };
        let steps = [Step::CreateFolder, bring(2), bring(0), bring(1)];
        let mut wanted = Wanted::of(&steps, &|entry| [30, 10, 20][entry]);
        assert_eq!((wanted.len(), wanted.is_empty()), (3, false));
        assert_eq!(wanted.to_come(), [20, 30, 10]);
        assert_eq!(
            [10, 20, 30, 9].map(|key| wanted.step(key)),
            [Some(3), Some(1), Some(2), None]
        );
        for (key, want) in [
            (20, &[30, 10][..]),
            (9, &[30, 10]),
            (20, &[30, 10]),
            (10, &[30]),
        ] {
            wanted.has_come(key);
            assert_eq!(
                (wanted.to_come().as_slice(), wanted.step(key)),
                (want, None)
            );
        }
        assert!(Wanted::of(&steps[..1], &|_| 1).is_empty());
    }
}
