//! Long random sequences of what old and new users do, with runs in between: a mirror is its source
//! after each, and a merge is what the [model](super::model) says.
//!
//! A sequence has 200 operations a user; three users are worked on at once. More of them:
//! `MAILSEED_RERUN_SEEDS=20 MAILSEED_RERUN_OPERATIONS=1000 cargo test --release --test all rerun::random`.
//! What fails names its seed; `MAILSEED_RERUN_FIRST_SEED` begins there.

use std::collections::BTreeSet;

use super::mail::{LATER, hash, lose_validity, message};
use super::model::Merged;
use super::pair::{Pair, lines, mirror_differences};
use crate::support::compare;
use crate::support::corpus::Random;
use crate::support::disk_view::DiskView;
use crate::support::mail_user::{Client, Store};
use crate::support::on_two_cores;

/// Users that go through a sequence side by side.
const USERS: usize = 3;
/// Names that both sides give to new folders.
const NAMES: [&str; 7] = [
    "Work", "Work/Sub", "Lists", "Lists/a", "Lists/b", "Old", "Sent",
];
const FLAGS: [&str; 8] = [
    "\\Seen",
    "\\Flagged",
    "\\Answered",
    "\\Draft",
    "\\Deleted",
    "todo",
    "$Forwarded",
    "Junk",
];

/// After each run the new host shows what the old one shows, whatever either's users have done.
#[test]
fn a_mirror_is_its_source_after_any_sequence() {
    for seed in seeds() {
        let mut sequence = Sequence::start(seed, false);
        while sequence.go_on() {
            let more = ["--mirror", "--delete-local", "--max-delete", "100"];
            sequence.pair.export_ok(&sequence.users(), &more);
            sequence.look(|pair, user, _| {
                let (source, source_pop3) = pair.source_views(user);
                let (there, pop3) = pair.destination_views(user);
                let mut differences = mirror_differences(&source, &there);
                differences.extend(compare::pop3(&source_pop3, &pop3));
                if differences.is_empty() {
                    Ok(())
                } else {
                    Err(lines(&differences))
                }
            });
        }
    }
}

/// After each run the new host shows what the model of a merge says; nothing of either side is
/// lost, nothing is doubled, no UID gets a second meaning.
#[test]
fn a_merge_is_what_its_model_says_after_any_sequence() {
    for seed in seeds() {
        let mut sequence = Sequence::start(seed, true);
        while sequence.go_on() {
            let before: Vec<DiskView> = sequence
                .users()
                .iter()
                .map(|user| sequence.pair.on_disk(user))
                .collect();
            for (player, before) in sequence.players.iter_mut().zip(before) {
                player.before = Some(before);
            }
            sequence
                .pair
                .export_ok(&sequence.users(), &["--max-delete", "100"]);
            sequence.look(|pair, user, player| {
                let before = player.before.take().expect("just put there");
                player
                    .model
                    .check(pair, user, &before)
                    .map_err(|problems| problems.join("\n"))
            });
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    let first = number("MAILSEED_RERUN_FIRST_SEED", 1);
    first..first + number("MAILSEED_RERUN_SEEDS", 1)
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|error| panic!("{variable}: {error}")),
        Err(_) => default,
    }
}

/// Users of one seed, with what they have done.
struct Sequence {
    seed: u64,
    pair: Pair,
    players: Vec<Player>,
    round: usize,
}

/// A user on both hosts.
struct Player {
    user: String,
    random: Random,
    /// How many operations are still to come.
    left: u64,
    tokens: u32,
    /// What was done in this round, for who reads of a failure.
    done: Vec<String>,
    model: Merged,
    is_merge: bool,
    before: Option<DiskView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

impl Sequence {
    /// Both hosts with the first mail, exported once.
    fn start(seed: u64, is_merge: bool) -> Self {
        let users: Vec<String> = (1..=USERS).map(|number| format!("user{number}")).collect();
        let pair = Pair::new(&users);
        let mut players: Vec<Player> = users
            .iter()
            .zip(1..)
            .map(|(user, number)| Player {
                user: user.clone(),
                random: Random::new(seed << 8 | number),
                left: self::number("MAILSEED_RERUN_OPERATIONS", 200),
                tokens: 0,
                done: Vec::new(),
                model: Merged::default(),
                is_merge,
                before: None,
            })
            .collect();
        pair.export_ok(&users, &[]);
        let nothing = DiskView::nothing();
        for player in &mut players {
            player.model.assert(&pair, &player.user, &nothing);
        }
        Self {
            seed,
            pair,
            players,
            round: 0,
        }
    }

    fn users(&self) -> Vec<String> {
        self.players
            .iter()
            .map(|player| player.user.clone())
            .collect()
    }

    /// Does what comes before the next run; false when all has been done.
    fn go_on(&mut self) -> bool {
        self.round += 1;
        if self.players.iter().all(|player| player.left == 0) {
            return false;
        }
        let pair = &self.pair;
        on_two_cores(&mut self.players, |player| player.round(pair));
        true
    }

    /// Looks at each user after a run.
    fn look(&mut self, look: impl Fn(&Pair, &str, &mut Player) -> Result<(), String> + Sync) {
        let Self {
            seed, pair, round, ..
        } = self;
        on_two_cores(&mut self.players, |player| {
            let user = player.user.clone();
            if let Err(problem) = look(pair, &user, player) {
                panic!(
                    "seed {seed}, round {round}, {user}:\n{problem}\nafter:\n{}",
                    player.done.join("\n")
                );
            }
        });
    }
}

impl Player {
    fn round(&mut self, pair: &Pair) {
        self.done.clear();
        let count = (3 + self.random.below(12)).min(self.left);
        self.left -= count;
        let mut source = pair.at_source(&self.user);
        let mut destination = pair.at_destination(&self.user);
        for _ in 0..count {
            if self.random.below(2) == 0 {
                self.operation(pair, Side::Source, &mut source);
            } else {
                self.operation(pair, Side::Destination, &mut destination);
            }
        }
        drop((source, destination));
        if self.random.below(8) == 0 {
            self.lose_validity(pair);
        }
    }

    /// One thing that a user, or the host, does.
    fn operation(&mut self, pair: &Pair, side: Side, client: &mut Client) {
        let folders = client.folders();
        let folder = self.random.pick(&folders).clone();
        let what = match self.random.below(100) {
            0..22 => self.arrival(pair, side, client, &folder),
            22..50 => self.mark(client, &folder),
            50..60 => self.expunge(client, &folder),
            60..76 => self.transfer(pair, side, client, &folder),
            76..82 => self.create(client, &folders),
            82..86 => self.delete(side, client, &folder),
            86..89 => self.rename(side, client, &folder),
            89..96 => self.subscribe(client, &folder),
            _ => {
                client.select_each();
                Some("opened every folder".to_owned())
            }
        };
        if let Some(what) = what {
            self.done.push(format!("  {side:?}: {what}"));
        }
    }

    fn arrival(
        &mut self,
        pair: &Pair,
        side: Side,
        client: &mut Client,
        folder: &str,
    ) -> Option<String> {
        self.tokens += 1;
        let token = format!("{side:?}-{}", self.tokens).to_lowercase();
        if side == Side::Destination && self.random.below(3) > 0 {
            pair.deliver(&self.user, folder, &token);
            return Some(format!(
                "{token} was delivered to {folder}: {}",
                hash(&token)
            ));
        }
        let flags = self.flags();
        let date = LATER + i64::from(self.tokens) * 61;
        client.append(folder, &flags, date, &message(&token));
        Some(format!(
            "appended {token} {flags:?} to {folder}: {}",
            hash(&token)
        ))
    }

    fn mark(&mut self, client: &mut Client, folder: &str) -> Option<String> {
        let uid = self.uid(client, folder)?;
        let flags = self.flags();
        let what = *self.random.pick(&[Store::Set, Store::Clear]);
        client.store(folder, uid, what, &flags);
        Some(format!("{what:?} {flags:?} of {folder} UID {uid}"))
    }

    fn expunge(&mut self, client: &mut Client, folder: &str) -> Option<String> {
        let uid = self.uid(client, folder)?;
        client.expunge(folder, uid);
        Some(format!("deleted {folder} UID {uid}"))
    }

    /// A move or a copy, but never so that one folder holds a message twice; in a merge not on both sides
    /// together either, for nothing would tell the one from the other.
    fn transfer(
        &mut self,
        pair: &Pair,
        side: Side,
        client: &mut Client,
        folder: &str,
    ) -> Option<String> {
        let uid = self.uid(client, folder)?;
        let folders = client.folders();
        let to = self.random.pick(&folders).clone();
        let disk = match side {
            Side::Source => DiskView::read(&pair.source_maildir(&self.user)),
            Side::Destination => pair.on_disk(&self.user),
        };
        let message = disk.folders[folder]
            .messages
            .iter()
            .find(|message| message.uid == Some(uid))
            .expect("it was just seen");
        let other_side = match side {
            Side::Source => pair.on_disk(&self.user),
            Side::Destination => DiskView::read(&pair.source_maildir(&self.user)),
        };
        let holds = |disk: &DiskView| {
            let mut there = disk.folders.get(&to).into_iter();
            there.any(|folder| folder.messages.iter().any(|it| it.hash == message.hash))
        };
        if holds(&disk) || (self.is_merge && holds(&other_side)) {
            return None;
        }
        if self.random.below(3) == 0 {
            client.copy_to(folder, uid, &to);
            Some(format!("copied {folder} UID {uid} to {to}"))
        } else {
            client.move_to(folder, uid, &to);
            Some(format!("moved {folder} UID {uid} to {to}"))
        }
    }

    fn create(&mut self, client: &mut Client, folders: &[String]) -> Option<String> {
        let name = *self.random.pick(&NAMES);
        if folders.iter().any(|folder| folder == name) {
            return None;
        }
        client.create(name);
        Some(format!("made {name}"))
    }

    /// Not one with folders below: Dovecot then goes on to list it as one that can be opened.
    fn delete(&mut self, side: Side, client: &mut Client, folder: &str) -> Option<String> {
        let below = format!("{folder}/");
        let mut folders = client.folders().into_iter();
        if folder == "INBOX" || folders.any(|name| name.starts_with(&below)) {
            return None;
        }
        client.delete(folder);
        if side == Side::Destination {
            self.model.forget_folder(folder);
        }
        Some(format!("removed {folder}"))
    }

    fn rename(&mut self, side: Side, client: &mut Client, folder: &str) -> Option<String> {
        if folder == "INBOX" {
            return None;
        }
        self.tokens += 1;
        let to = format!("{side:?}-folder-{}", self.tokens);
        client.rename(folder, &to);
        match side {
            Side::Source => self.model.renamed(folder, &to),
            Side::Destination => self.model.forget_folder(folder),
        }
        Some(format!("renamed {folder} to {to}"))
    }

    fn subscribe(&mut self, client: &mut Client, folder: &str) -> Option<String> {
        if self.random.below(2) == 0 {
            client.subscribe(folder);
            Some(format!("subscribed to {folder}"))
        } else {
            client.unsubscribe(folder);
            Some(format!("unsubscribed from {folder}"))
        }
    }

    /// The old host loses the UIDs of a folder.
    fn lose_validity(&mut self, pair: &Pair) {
        let folders = pair.at_source(&self.user).folders();
        let folder = self.random.pick(&folders).clone();
        lose_validity(&pair.source_maildir(&self.user), &folder);
        self.done
            .push(format!("  Source: new UIDVALIDITY of {folder}"));
    }

    fn uid(&mut self, client: &mut Client, folder: &str) -> Option<u32> {
        let uids = client.uids(folder);
        (!uids.is_empty()).then(|| *self.random.pick(&uids))
    }

    fn flags(&mut self) -> Vec<&'static str> {
        let count = 1 + self.random.below(3);
        let flags: BTreeSet<&str> = (0..count).map(|_| *self.random.pick(&FLAGS)).collect();
        flags.into_iter().collect()
    }
}
