//! What is fuzzed: each target takes any bytes, and panics where the program does not keep a promise.
//! They are run by the fuzzer (`scripts/fuzz`) and, over seeds and a fixed number of mutations, by
//! `cargo test` (`tests/all/fuzz.rs`).

mod courier;
mod imap;
mod journal;
mod mutf7;
mod pairing;
mod pop3;
mod report;
mod state;
mod stream;
mod uidlist;
mod userlist;

/// A function that any bytes may be given to.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 10] = [
    ("imap", imap::run),
    ("pop3", pop3::run),
    ("uidlist", uidlist::run),
    ("state", state::run),
    ("mutf7", mutf7::run),
    ("userlist", userlist::run),
    ("pairing", pairing::run),
    ("courier", courier::run),
    ("journal", journal::run),
    ("report", report::run),
];
