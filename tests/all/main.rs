//! All integration tests in one program, a module for each subject: one link step, one set of
//! helpers.

mod export;
mod migration;
mod servers;
mod support;
