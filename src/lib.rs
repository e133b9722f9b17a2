//! mailseed stages the mail of many users onto a new mail host: it reads each user's mail from
//! the old server over IMAP and POP3 and writes Maildirs straight to disk, so that every UID,
//! UIDVALIDITY, flag, date, POP3 UIDL and POP3 position stays as the clients know it.
//!
//! # Architecture
//!
//! Data goes one way, down this list; the plain values of [`mail`], [`problem`] and [`text`]
//! serve all. What decides is pure and reads nothing; sockets are opened in [`source`] alone, and written is
//! in [`sink`] alone.
//!
//! | step | module | what it makes |
//! | --- | --- | --- |
//! | what was typed | [`jobfile`], [`cli`] | clap structs, nothing resolved |
//! | what is done with it | [`command`] | an exit status |
//! | what is meant | [`config`], [`userlist`], [`secret_command`] | [`config::Config`] with its [`config::User`]s |
//! | whether it is time | [`window`], [`ending`] | a run that stops when its window ends, or by a signal |
//! | users side by side | [`run`] | a rayon pool, one panic guard a user |
//! | whose turn it is | [`source::net::hosts`] | a place for each user, as many on each host as that lets in |
//! | one user | [`user`] | the only module that sees source *and* target |
//! | one user, looked at only | [`check`] | a [`check::Finding`]: logins, counts, whether the move will be noticed |
//! | one user, old side against new | [`verify`] | a [`verify::Finding`]: every difference that a client would notice |
//! | what the source holds | [`source`], [`mutf7`] | folder listings, the POP3 listing, message bytes |
//! | which UIDL is whose | [`matching`] | a [`matching::Pairing`] with the evidence of each pair |
//! | what things are called | [`naming`] | directories, file names, or a refusal |
//! | what is to be done | [`plan`] | ordered steps: pure, printed by a dry run, run by an export |
//! | how long it will take | [`estimate`] | from a plan and the runs before it |
//! | whether it has room | [`space`] | what each file system is to hold, and what is set aside |
//! | doing it | [`sink`] | files under the Maildir, control files after them |
//! | what is remembered | [`state`] | a small record beside the mail, for [`explain`] and re-runs |
//! | other servers for a tree that is there | [`retarget`] | the plan and the sink again, without a source |
//! | what servers will make of it | [`announce`] | a POP3 listing, foretold from the disk alone |
//! | how far it is | [`progress`], [`status`], [`logging`], [`terminal`] | bars, lines, `status.json`, metrics |
//! | the manual | [`help`] | topics, manual pages, completions, from what the binary carries |
//! | what was done | [`report`] | a row a user, a row a skipped message, the exit status |
//!
//! # The way of one message
//!
//! A message of INBOX, which its owner reads by IMAP and by POP3, on its way from the old server:
//!
//! 1. The row of its owner becomes a [`config::User`] (`config/users.rs`), who waits in a
//!    queue (`source/net/hosts/queue.rs`) until the servers have a place; then a thread of [`run`] is the user's.
//! 2. `user/attempt.rs` opens the sessions: [`source::net`] the connections, [`source::imap`] and, beside it,
//!    [`source::pop3`] the logins. What breaks from here on is begun anew by the next attempt, which finds
//!    on disk what this one has done.
//! 3. The folders are listed (`source/imap/folders.rs`); [`plan::selection`] says which are wanted,
//!    [`plan::folders`] where each is to lie.
//! 4. `user/listing.rs` asks what is in its folder, and no more than has changed since the last run: the
//!    message is a [`mail::Entry`] with UID, flags, date and size (`source/imap/items.rs`). In the maildrop it
//!    is a [`mail::PopEntry`] with number, UIDL and size (`source/pop3/listing.rs`).
//! 5. `user/inbox.rs` has [`matching::pair`] say which of the two is which; what that needs to see of messages
//!    is read by `user/evidence.rs`. A doubtful pair is reported, and none is guessed.
//! 6. [`sink::on_disk`] reads what the Maildir has, [`state`] what the last run has seen, and [`plan::plan`]
//!    says what is to be done: for a new message [`plan::Step::Deliver`], for one that is there nothing.
//!    A dry run prints this plan ([`plan::describe`]) and ends here.
//! 7. `user/folder.rs` asks for the message (`source/imap/bodies.rs`), together with others and ahead of their
//!    turn, so that the line to a server far away is not idle (`user/look_ahead.rs`). Its bytes are handed on as
//!    they arrive, to a [`source::BodySink`].
//! 8. That is [`sink::arrivals`]: a temporary file, in which only line ends change
//!    ([`sink::line_ends`]), then its date, then its name, which says its UID ([`naming::message`]), and it appears
//!    ([`sink::maildir`]).
//! 9. When all messages of the folder are there [`sink::export`] puts the lists in place that give them UIDs and
//!    UIDLs: `dovecot-uidlist` ([`plan::uidlist`], [`sink::control`]), Courier's files (`sink/courier.rs`).
//! 10. [`sink::sync`] has all of it on disk before `user/record.rs` notes that it is so, in [`state`].
//!     Only then is anything taken away that the source no longer has (`user/removal.rs`) or deleted there
//!     (`user/delete_source.rs`).
//! 11. `user/tally.rs` has counted the message once; the user's result goes into the [`report::journal`], and at
//!     the end of the run into the reports.
//!
//! Steps 4 to 6 and 9, for one message, and what a second run finds to do:
//!
//! ```
//! use mailseed::config::{Rerun, Servers, UidlPolicy};
//! use mailseed::mail::{
//!     Entry, Flags, FolderPath, KeywordSet, KeywordTable, Uid, UidList, UidValidity, Uidl,
//! };
//! use mailseed::plan::on_disk::{DiskFile, OnDisk};
//! use mailseed::plan::{Announced, Announcements, Past, Policy, SourceFolder, Step, plan};
//!
//! let servers = Servers { dovecot: true, qmail: false, courier: false };
//! let policy = Policy {
//!     servers,
//!     listed: servers,
//!     uidls: UidlPolicy::default(),
//!     rerun: Rerun::default(),
//! };
//! // What IMAP lists, and the UIDL that was paired with it.
//! let entry = Entry {
//!     uid: Uid::new(7).expect("not 0"),
//!     flags: Flags::SEEN,
//!     keywords: KeywordSet::default(),
//!     internal_date: Some(1_000_000_000.into()),
//!     size: 34,
//! };
//! let uidl = Uidl::parse(b"old-7").expect("printable");
//! let announced: Announcements = [Some(Announced { position: 1, uidl })].into_iter().collect();
//! let source = SourceFolder {
//!     owner: "ann@example.com",
//!     path: &FolderPath::inbox(),
//!     validity: UidValidity::new(1_294_690_616).expect("not 0"),
//!     uid_next: 8,
//!     in_root: true,
//!     entries: &[entry],
//!     selected: None,
//!     keywords: &KeywordTable::default(),
//!     uidls: Some(&announced),
//!     digests: None,
//!     collected: None,
//!     is_whole: true,
//! };
//! let now = 2_000_000_000;
//!
//! let empty = OnDisk::default();
//! let first = plan(&source, &Past::default(), &empty, &policy, now).expect("no conflict");
//! let delivery = Step::Deliver { entry: 0, mtime: Some(1_000_000_000.into()) };
//! assert_eq!(first.steps, [Step::CreateFolder, delivery, Step::WriteUidList]);
//!
//! // As the first run leaves it: the file, and its line with UID, UIDL and place in the POP3 order.
//! let name = "1294690616.M0000000007.mailseed,S=30,W=34";
//! let list = first.list.as_ref().expect("Dovecot has a list");
//! let guid = list.guid.as_deref().expect("made anew");
//! let text = format!("3 V1294690616 N8 G{guid}\n7 Pold-7 O1 :{name}\n");
//! let written = OnDisk {
//!     exists: true,
//!     files: [DiskFile::named(&format!("{name}:2,S"), false, None)].into_iter().collect(),
//!     uidlist: UidList::parse(text.as_bytes()).ok(),
//!     ..OnDisk::default()
//! };
//! let second = plan(&source, &Past::default(), &written, &policy, now).expect("no conflict");
//! assert_eq!((second.steps.len(), second.kept), (0, 1));
//! ```

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
pub mod command;
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
pub mod terminal;
pub mod text;
pub mod user;
pub mod userlist;
pub mod verify;
pub mod window;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_module_is_on_the_map() {
        let source = include_str!("lib.rs");
        let map = source.split("# The way of one message").next();
        let map = map.expect("its first part");
        let modules = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        let missing: Vec<&str> = modules
            .filter(|module| !map.contains(&format!("[`{module}`]")))
            .filter(|module| !map.contains(&format!("[`{module}::")))
            .collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn every_file_on_the_map_is_there() {
        let source = include_str!("lib.rs");
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let map = source.lines().filter_map(|line| line.strip_prefix("//! "));
        let words = map.flat_map(|line| line.split('`').skip(1).step_by(2));
        let files: Vec<&str> = words.filter(|word| word.ends_with(".rs")).collect();
        assert!(files.len() > 10, "{files:?}");
        let missing: Vec<&&str> = files.iter().filter(|it| !here.join(it).is_file()).collect();
        assert_eq!(missing, [&""; 0]);
    }
}
