//! What all threads add up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::stand::{Amount, AtWork, Stand, Users, Writer};
use crate::logging;
use crate::problem::Kind;
use crate::report::Status;

/// The whole run.
#[derive(Debug)]
pub(super) struct Counts {
    command: String,
    started: Timestamp,
    writer: Writer,
    users: u64,
    begun: AtomicU64,
    ok: AtomicU64,
    partial: AtomicU64,
    failed: AtomicU64,
    amounts: Amounts,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By the order in which they began.
    at_work: BTreeMap<u64, Arc<UserCounts>>,
    failures: BTreeMap<Kind, u64>,
}

/// What is expected, and what of it is done.
#[derive(Debug, Default)]
struct Amounts {
    messages: AtomicU64,
    messages_expected: AtomicU64,
    bytes: AtomicU64,
    bytes_expected: AtomicU64,
}

/// One user at work.
#[derive(Debug)]
pub(super) struct UserCounts {
    serial: u64,
    name: String,
    since: Timestamp,
    amounts: Amounts,
}

impl Amounts {
    fn messages(&self) -> Amount {
        Amount {
            done: self.messages.load(Relaxed),
            expected: self.messages_expected.load(Relaxed),
        }
    }

    fn bytes(&self) -> Amount {
        Amount {
            done: self.bytes.load(Relaxed),
            expected: self.bytes_expected.load(Relaxed),
        }
    }

    fn expect(&self, messages: u64, bytes: u64) {
        self.messages_expected.fetch_add(messages, Relaxed);
        self.bytes_expected.fetch_add(bytes, Relaxed);
    }

    fn message_done(&self, bytes: u64) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }
}

impl UserCounts {
    pub(super) fn stand(&self) -> AtWork {
        AtWork {
            user: self.name.clone(),
            since: self.since,
            messages: self.amounts.messages(),
            bytes: self.amounts.bytes(),
        }
    }
}

impl Counts {
    pub(super) fn new(command: &str, users: u64) -> Self {
        Self {
            command: command.to_owned(),
            started: logging::now(),
            writer: Writer::this_process(),
            users,
            begun: AtomicU64::new(0),
            ok: AtomicU64::new(0),
            partial: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            amounts: Amounts::default(),
            shared: Mutex::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, name: &str) -> Arc<UserCounts> {
        let user = Arc::new(UserCounts {
            serial: self.begun.fetch_add(1, Relaxed),
            name: name.to_owned(),
            since: logging::now(),
            amounts: Amounts::default(),
        });
        self.shared().at_work.insert(user.serial, Arc::clone(&user));
        user
    }

    pub(super) fn end(&self, user: &UserCounts) {
        self.shared().at_work.remove(&user.serial);
    }

    pub(super) fn count(&self, status: Status, class: Option<Kind>) {
        let count = match status {
            Status::Ok => &self.ok,
            Status::Partial => &self.partial,
            Status::Failed => &self.failed,
        };
        count.fetch_add(1, Relaxed);
        if let Some(class) = class {
            *self.shared().failures.entry(class).or_default() += 1;
        }
    }

    pub(super) fn expect(&self, user: &UserCounts, messages: u64, bytes: u64) {
        user.amounts.expect(messages, bytes);
        self.amounts.expect(messages, bytes);
    }

    pub(super) fn message_done(&self, user: &UserCounts, bytes: u64) {
        user.amounts.message_done(bytes);
        self.amounts.message_done(bytes);
    }

    /// What `user` has not got is expected no longer.
    pub(super) fn forget(&self, user: &UserCounts) {
        let took_back = |amount: Amount, of_user: &AtomicU64, of_all: &AtomicU64| {
            let gone = amount.expected.saturating_sub(amount.done);
            of_user.fetch_sub(gone, Relaxed);
            of_all.fetch_sub(gone, Relaxed);
        };
        let (of_user, of_all) = (&user.amounts, &self.amounts);
        took_back(
            of_user.messages(),
            &of_user.messages_expected,
            &of_all.messages_expected,
        );
        took_back(
            of_user.bytes(),
            &of_user.bytes_expected,
            &of_all.bytes_expected,
        );
    }

    pub(super) fn bytes_done(&self) -> u64 {
        self.amounts.bytes.load(Relaxed)
    }

    /// Where the run stands, but for its hosts and its speed.
    pub(super) fn stand(&self) -> Stand {
        let shared = self.shared();
        let begun = self.begun.load(Relaxed);
        let whole = |amount: Amount| Amount {
            expected: average_for_all(amount.expected.max(amount.done), begun, self.users),
            ..amount
        };
        Stand {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command.clone(),
            writer: self.writer.clone(),
            started: self.started,
            at: logging::now(),
            ended: None,
            exit: None,
            users: Users {
                all: self.users,
                ok: self.ok.load(Relaxed),
                partial: self.partial.load(Relaxed),
                failed: self.failed.load(Relaxed),
            },
            failures: shared.failures.clone(),
            messages: whole(self.amounts.messages()),
            bytes: whole(self.amounts.bytes()),
            bytes_per_second: 0,
            at_work: shared.at_work.values().map(|user| user.stand()).collect(),
            hosts: Vec::new(),
        }
    }
}

/// What all users need: those not yet begun count as average.
fn average_for_all(expected: u64, begun: u64, users: u64) -> u64 {
    let estimate = (u128::from(expected) * u128::from(users.max(begun)))
        .checked_div(u128::from(begun))
        .unwrap_or_default();
    u64::try_from(estimate).unwrap_or(u64::MAX)
}
