//! How many users a list has, for a person.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::figures::count;
use crate::config::Users;
use crate::text::printable;

/// So many hosts are told; a list may have one a user.
const TOLD: usize = 50;

/// Writes how many `users` there are, on which hosts, and in which shards, of which `shard` is this one.
///
/// # Errors
/// Those of `out`.
pub fn tell(users: &Users, shard: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let counts = users.counts();
    writeln!(out, "users in the list: {}", count(counts.users))?;
    if users.len() as u64 != counts.users || shard.is_some() {
        writeln!(out, "users of this run: {}", count(users.len() as u64))?;
    }
    let mut hosts: Vec<_> = counts.by_hosts.iter().collect();
    hosts.sort_by_key(|(_, users)| Reverse(**users));
    for (names, users) in hosts.iter().take(TOLD) {
        let names = printable(&names.join(" and "));
        writeln!(out, "on {names}: {}", count(**users))?;
    }
    if hosts.len() > TOLD {
        writeln!(out, "and on {} more hosts", hosts.len() - TOLD)?;
    }
    let of = counts.by_shard.len();
    for (at, users) in counts.by_shard.iter().enumerate() {
        let name = format!("{}/{of}", at + 1);
        let mark = match shard == Some(name.as_str()) {
            true => " (this one)",
            false => "",
        };
        writeln!(out, "in shard {name}: {}{mark}", count(*users))?;
    }
    Ok(())
}
