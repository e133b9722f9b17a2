//! All integration tests in one program, a module for each subject: one link step, one set of
//! helpers.

#![allow(clippy::panic, reason = "that is how a test says what is wrong")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "the numbers are small ones of the tests' own"
)]

mod benchmark;
mod beside;
mod bulk;
mod check;
mod collect;
mod compressed;
mod courier_target;
mod cyrus;
mod delete_source;
mod distance;
mod elsewhere;
mod explain;
mod export;
mod faults;
mod first_contact;
mod fleet;
mod fuzz;
mod input;
mod interrupted;
mod links;
mod manual;
mod many;
mod marks;
mod migration;
mod pacing;
mod packaged;
mod pairing;
mod readme;
mod report;
mod rerun;
mod secrets;
mod selection;
mod servers;
mod soak;
mod stranger;
mod support;
mod throttling;
mod transport;
mod uidl;
mod verify;
mod watching;
