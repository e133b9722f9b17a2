//! All integration tests in one program, a module for each subject: one link step, one set of
//! helpers.

mod bulk;
mod export;
mod input;
mod migration;
mod readme;
mod secrets;
mod servers;
mod stranger;
mod support;
mod transport;
