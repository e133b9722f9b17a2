//! Folders that the source has renamed since the last run.

use std::collections::{BTreeMap, HashMap};

/// Old names, each with the new one.
#[derive(Debug, Default)]
pub(super) struct Renames(Vec<(String, String)>);

impl Renames {
    /// What has become of the folders `names`, when the source has renamed some, with all below
    /// them, in this order.
    pub(super) fn of<'n>(
        names: impl Iterator<Item = &'n String>,
        events: &[(String, String)],
    ) -> Self {
        let renamed = names.filter_map(|name| {
            let now = events.iter().fold(name.clone(), |name, (from, to)| {
                let below = name.strip_prefix(from.as_str());
                match below.filter(|below| below.is_empty() || below.starts_with('/')) {
                    Some(below) => format!("{to}{below}"),
                    None => name,
                }
            });
            (now != *name).then(|| (name.clone(), now))
        });
        Self(renamed.collect())
    }

    /// Only those that `keep` says are to be followed.
    pub(super) fn retain(&mut self, keep: impl Fn(&str, &str) -> bool) {
        self.0.retain(|(from, to)| keep(from, to));
    }

    /// The name that a folder has now.
    pub(super) fn new_name<'n>(&'n self, name: &'n str) -> &'n str {
        let mut renamed = self.0.iter();
        renamed
            .find(|(from, _)| from == name)
            .map_or(name, |(_, to)| to)
    }

    /// The name that a folder had, if it has another now.
    pub(super) fn old_name(&self, name: &str) -> Option<&str> {
        let mut renamed = self.0.iter();
        renamed
            .find(|(_, to)| to == name)
            .map(|(from, _)| from.as_str())
    }

    /// Whether a folder of this name has got another.
    pub(super) fn has_left(&self, name: &str) -> bool {
        self.new_name(name) != name
    }

    /// The folders under their new names.
    pub(super) fn follow<F>(&self, folders: BTreeMap<String, F>) -> BTreeMap<String, F> {
        folders
            .into_iter()
            .map(|(name, folder)| (self.new_name(&name).to_owned(), folder))
            .collect()
    }

    /// What is known by folder and something else, under the new names.
    pub(super) fn follow_keys<K: Eq + std::hash::Hash, T>(
        &self,
        known: &mut HashMap<(String, K), T>,
    ) {
        *known = std::mem::take(known)
            .into_iter()
            .map(|((name, key), value)| ((self.new_name(&name).to_owned(), key), value))
            .collect();
    }
}
