//! mailseed stages the mail of many users onto a new mail host: it reads each user's mail from
//! the old server over IMAP and POP3 and writes Maildirs straight to disk, so that every UID,
//! UIDVALIDITY, flag, date, POP3 UIDL and POP3 position stays as the clients know it.
//!
//! # The flow
//!
//! Data goes one way, down this list; the plain values of [`mail`], [`problem`] and [`text`]
//! serve all.
//!
//! | step | module | what it makes |
//! | --- | --- | --- |
//! | what was typed | [`jobfile`], [`cli`] | clap structs, nothing resolved |
//! | what is meant | [`config`], [`userlist`] | [`config::Config`] with its [`config::User`]s |
//! | whether it is time | [`window`], [`ending`] | a run that stops when its window ends, or by a signal |
//! | users side by side | [`run`] | a rayon pool, one panic guard a user |
//! | whose turn it is | [`source::net::hosts`] | a place for each user, as many on each host as that lets in |
//! | one user | [`user`] | the only module that sees source *and* target |
//! | one user, looked at only | [`check`] | a [`check::Finding`]: logins, counts, whether the move will be noticed |
//! | one user, old side against new | [`verify`] | a [`verify::Finding`]: every difference that a client would notice |
//! | what the source holds | [`source`] | folder listings, the POP3 listing, message bytes |
//! | which UIDL is whose | [`matching`] | a [`matching::Pairing`] with the evidence of each pair |
//! | what things are called | [`naming`] | directories, file names, or a refusal |
//! | what is to be done | [`plan`] | ordered steps: pure, printed by a dry run, run by an export |
//! | how long it will take | [`estimate`] | from a plan and the runs before it |
//! | whether it has room | [`space`] | what each file system is to hold, and what is set aside |
//! | doing it | [`sink`] | files under the Maildir, control files after them |
//! | what is remembered | [`state`] | a small record beside the mail, for [`explain`] and re-runs |
//! | other servers for a tree that is there | [`retarget`] | the plan and the sink again, without a source |
//! | what servers will make of it | [`announce`] | a POP3 listing, foretold from the disk alone |
//! | how far it is | [`progress`], [`status`] | bars, lines, `status.json`, metrics |
//! | the manual | [`help`] | topics, manual pages, completions, from what the binary carries |
//! | what was done | [`report`] | a row a user, a row a skipped message, the exit status |

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        reason = "the numbers are small ones of the tests' own"
    )
)]

pub mod announce;
pub mod check;
pub mod cli;
pub mod config;
pub mod ending;
pub mod estimate;
pub mod explain;
pub mod help;
pub mod jobfile;
pub mod logging;
pub mod mail;
pub mod matching;
pub mod mutf7;
pub mod naming;
pub mod plan;
pub mod problem;
pub mod progress;
pub mod report;
pub mod retarget;
pub mod run;
pub mod secret_command;
pub mod sink;
pub mod source;
pub mod space;
pub mod state;
pub mod status;
pub mod text;
pub mod user;
pub mod userlist;
pub mod verify;
pub mod window;
