//! Running again: merge, mirror, and what a live destination keeps. Real servers on both sides; the
//! destination's Dovecot has opened the folders between the runs, so that its indexes are there.
//!
//! - [`pair`]: a source, a target and a destination, shared by all tests; [`mail`]: mail for them;
//! - [`both`]: what happens to one user of a mirror and one of a merge;
//! - [`model`]: what a merge must lead to, said once more and independently of the program.

mod both;
mod cutover;
mod dsync;
mod folders;
mod limit;
mod lost;
mod mail;
mod model;
mod nested;
mod no_op;
mod other_sources;
mod pair;
mod pop3;
mod random;
mod table;
mod validity;
