//! Who waits to begin: in the order of the user list, but for those whose hosts let nobody come.

use std::collections::{HashMap, VecDeque};

/// What waits, by the hosts that it needs.
#[derive(Debug)]
pub struct Queue<T> {
    lanes: Vec<Lane<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    hosts: Vec<String>,
    /// With their places in the order.
    waiting: VecDeque<(usize, T)>,
}

impl<T> Queue<T> {
    /// `all` in order, each with its hosts.
    pub fn new(all: impl IntoIterator<Item = (Vec<String>, T)>) -> Self {
        let mut lanes: Vec<Lane<T>> = Vec::new();
        let mut known: HashMap<Vec<String>, usize> = HashMap::new();
        for (place, (hosts, one)) in all.into_iter().enumerate() {
            let lane = *known.entry(hosts).or_insert_with_key(|hosts| {
                lanes.push(Lane {
                    hosts: hosts.clone(),
                    waiting: VecDeque::new(),
                });
                lanes.len() - 1
            });
            if let Some(lane) = lanes.get_mut(lane) {
                lane.waiting.push_back((place, one));
            }
        }
        Self { lanes }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.waiting.is_empty())
    }

    /// The hosts that someone waits for, each at least once.
    pub fn waited_for(&self) -> impl Iterator<Item = &str> {
        let lanes = self.lanes.iter().filter(|lane| !lane.waiting.is_empty());
        lanes.flat_map(|lane| lane.hosts.iter().map(String::as_str))
    }

    /// Takes out the first one whose hosts `are_open`, with these.
    pub fn take(&mut self, are_open: impl Fn(&[String]) -> bool) -> Option<(Vec<String>, T)> {
        let lanes = self.lanes.iter_mut();
        let first = lanes
            .filter_map(|lane| Some((lane.waiting.front()?.0, lane)))
            .filter(|(_, lane)| are_open(&lane.hosts))
            .min_by_key(|(place, _)| *place);
        let lane = first?.1;
        let (_, one) = lane.waiting.pop_front()?;
        Some((lane.hosts.clone(), one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_taken_whose_hosts_are_open() {
        let hosts = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let users = [("a", 1), ("b", 2), ("a b", 3), ("a", 4), ("b", 5)];
        let mut queue = Queue::new(users.map(|(names, one)| (hosts(names), one)));
        let open = |open: &'static [&str]| {
            move |hosts: &[String]| hosts.iter().all(|host| open.contains(&host.as_str()))
        };
        assert_eq!(queue.take(open(&["b"])).map(|(_, one)| one), Some(2));
        assert_eq!(queue.take(open(&["b"])).map(|(_, one)| one), Some(5));
        assert_eq!(queue.take(open(&["b"])), None);
        assert!(!queue.is_empty());
        assert_eq!(queue.waited_for().collect::<Vec<_>>(), ["a", "a", "b"]);
        assert_eq!(queue.take(open(&["a", "b"])).map(|(_, one)| one), Some(1));
        assert_eq!(queue.take(open(&["a"])).map(|(_, one)| one), Some(4));
        assert_eq!(queue.take(open(&["a"])), None);
        assert_eq!(queue.take(open(&["a", "b"])), Some((hosts("a b"), 3)));
        assert!(queue.is_empty());
        assert_eq!(queue.waited_for().count(), 0);
    }
}
