//! The sums of each domain.

use std::collections::HashMap;

use super::{Class, Sum};
use crate::report::Totals;

/// One domain.
#[derive(Debug)]
pub struct Domain {
    /// What stands after the last `@` of its users; empty for users without one.
    pub name: String,
    /// The sums over its users.
    pub totals: Totals,
    /// How many of its users are of each class, in the order of [`Class::ALL`].
    pub classes: [u64; Class::ALL.len()],
}

impl Sum {
    /// The domains, the one with most users first, those with as many by name.
    pub fn domains(&self) -> Vec<Domain> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut domains: Vec<Domain> = Vec::new();
        for user in &self.users {
            let name = domain(&user.report.user);
            let place = *places.entry(name.clone()).or_insert(domains.len());
            if place == domains.len() {
                domains.push(Domain {
                    name,
                    totals: Totals::default(),
                    classes: [0; Class::ALL.len()],
                });
            }
            let domain = &mut domains[place];
            domain.totals.add(&user.report);
            domain.classes[self.verdict(user).class as usize] += 1;
        }
        domains.sort_by(|a, b| {
            let by_users = b.totals.users.cmp(&a.totals.users);
            by_users.then_with(|| a.name.cmp(&b.name))
        });
        domains
    }
}

/// The domain of a user, in lower case: domains are the same in any.
pub(in crate::report) fn domain(user: &str) -> String {
    let domain = user.rsplit_once('@').map_or("", |(_, domain)| domain);
    domain.to_lowercase()
}
