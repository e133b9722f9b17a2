//! Killed by SIGKILL: at growing moments, and at each single change of the disk.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::between::{Between, Who};
use super::system_calls::{changes, copy, evenly, injected, some_of};
use super::{State, golden, mark, source, state_of};
use crate::courier_target::target_of;
use crate::migration::{PASSWORD, Source, Target};
use crate::support::corpus::{self, PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::delivery::deliver;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::mail_user::{Client, Store};
use crate::support::{Layout, give_to_mail_owner, on_two_cores};

/// At how many changes a run of each kind is killed, and how many of the trees a Dovecot serves, unless
/// all have their turn.
const KILLED: usize = 45;
const SERVED: usize = 8;
const DOVECOT: Option<Who> = Some(Who::Dovecot);

/// A large mailbox with one of everything, killed again and again until it is done.
#[test]
fn a_run_killed_at_any_moment_and_run_again_ends_in_the_same_tree() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let options = corpus::Options {
        layout: Layout::MaildirPlusPlus,
        pop_order: PopOrder::Shuffled,
        uidls: Uidls::OpaqueQmailSafe,
    };
    corpus::full(&server.mail_dir("ann"), options);
    for targets in ["dovecot", "qmail,dovecot"] {
        let source = Source::of(&server);
        // INBOX is arranged by dates as soon as they are known: from the start.
        killed_until_done(&source, targets, &[], false);
    }
}

/// The same over three connections at once.
#[test]
fn a_run_over_several_connections_killed_at_any_moment_ends_in_the_same_tree() {
    let server = source(2500);
    let source = Source::of(&server);
    killed_until_done(&source, "dovecot", &["--connections", "3"], false);
}

/// The same without IMAP, where UIDs and dates are made here.
#[test]
fn a_run_from_pop3_alone_killed_at_any_moment_ends_in_the_same_tree() {
    let server = source(400);
    for targets in ["dovecot", "qmail", "qmail,dovecot"] {
        let source = Source::of(&server).pop3_only();
        killed_until_done(&source, targets, &[], targets.contains("qmail"));
    }
}

/// Where the machine was busy while the run without a kill was timed, the steps are too long for a run that
/// has it for itself: then with shorter ones, from the start.
fn killed_until_done(source: &Source, targets: &str, more: &[&str], redated: bool) {
    let alone = ["--target", targets, "--fsync", "never"];
    let more = [&alone[..], more].concat();
    let started = Instant::now();
    let whole = golden(source, &alone);
    let mut step = started.elapsed().mul_f64(0.07);
    for _ in 0..10 {
        let target = Target::new();
        let kills_among_messages = killed_each(step, &target, (source, &whole), &more, redated);
        state_of(&target, source).assert_is(&whole, targets);
        if kills_among_messages > 0 {
            return;
        }
        step /= 2;
    }
    panic!("{targets}: no kill came in time");
}

/// Kills one run after the other, each a `step` later than the one before, until one ends before its kill.
/// Returns how many left some of the messages behind.
fn killed_each(
    step: Duration,
    target: &Target,
    (source, whole): (&Source, &State),
    more: &[&str],
    redated: bool,
) -> usize {
    let mut kills_among_messages = 0;
    for number in 1.. {
        let mut command = target.command("export", source, more);
        command.args(["--user", "ann"]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("mailseed was built");
        // Odd steps, so that no kill falls on the same line of the program as the one before.
        std::thread::sleep(step.mul_f64(f64::from(number) + 0.19 * f64::from(number % 3)));
        let ended = child.try_wait().expect("the child is ours");
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
        if let Some(status) = ended {
            assert!(status.success(), "{more:?}: {status}");
            break;
        }
        if !target.maildir("ann").exists() {
            continue;
        }
        let state = state_of(target, source);
        if let Some(fault) = state.fault(whole, redated) {
            panic!("{more:?}, kill {number}: {fault}");
        }
        kills_among_messages += usize::from((1..whole.messages()).contains(&state.messages()));
    }
    kills_among_messages
}

#[test]
fn a_run_killed_at_each_change_of_the_disk_ends_in_the_same_tree() {
    let server = source(4);
    // Of a folder without a message only the folder itself says that it was to come.
    let maildir = server.mail_dir("ann");
    let empty = corpus::directory(&maildir, Layout::MaildirPlusPlus, "Empty");
    corpus::bare(&empty, &[]);
    at_each_change(
        &Source::of(&server),
        &["--target", "dovecot"],
        None,
        DOVECOT,
    );
}

/// With Courier's lists, alone and beside Dovecot's; both serve.
#[test]
fn a_run_for_courier_killed_at_each_change_ends_in_the_same_tree() {
    let server = source(4);
    for targets in ["courier", "dovecot,courier"] {
        let more = ["--target", targets, "--unholdable", "report"];
        let who = match targets {
            "courier" => Who::Courier,
            _ => Who::Dovecot,
        };
        at_each_change(&Source::of(&server), &more, None, Some(who));
    }
}

#[test]
fn a_run_from_pop3_alone_killed_at_each_change_ends_in_the_same_tree() {
    let server = source(4);
    let source = Source::of(&server).pop3_only();
    let more = ["--target", "qmail,dovecot"];
    at_each_change(&source, &more, None, None);
    // Digests instead of UIDLs in the names.
    let more = ["--target", "dovecot", "--fsync", "always"];
    at_each_change(&source, &more, None, None);
}

/// A POP3 server that shows INBOX and Sent: INBOX gets copies of what is in Sent.
#[test]
fn a_run_that_collects_killed_at_each_change_ends_in_the_same_tree() {
    let server = source(4);
    let shows_all = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let mut files = Vec::new();
    for folder in ["", ".Sent"] {
        let cur = server.mail_dir("ann").join(folder).join("cur");
        for file in fs::read_dir(cur).expect("it was made").flatten() {
            let content = fs::read(file.path()).expect("it is ours");
            files.push((format!("{:03}.all:2,", files.len()), content));
        }
    }
    assert_eq!(files.len(), 6);
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    let maildir = shows_all.mail_dir("ann");
    corpus::bare(&maildir, &files);
    give_to_mail_owner(&maildir);
    let source = Source::both(server.imap_port(), shows_all.pop3_port());
    for target in ["dovecot", "qmail"] {
        let more = ["--target", target, "--pop3-collect", "inbox"];
        at_each_change(&source, &more, None, None);
    }
}

/// Files of a run without POP3 get their UIDLs as names by the next run.
#[test]
fn a_run_that_renames_killed_at_each_change_ends_in_the_same_tree() {
    let server = source(4);
    let more = ["--target", "qmail,dovecot"];
    let before = Target::new();
    let imap_only = Source::of(&server).imap_only();
    before.export_ok(&imap_only, "ann", &more);
    at_each_change(&Source::of(&server), &more, Some(&before), None);
}

/// A run that adds, changes flags, deletes and renames, on a target that nobody has used, and on one
/// that a Dovecot serves and in which its user has read and received mail.
#[test]
fn a_run_that_merges_killed_at_each_change_ends_in_the_same_tree() {
    let server = source(4);
    let source = Source::of(&server);
    let more = ["--max-delete", "100"];
    let [untouched, used] = [Target::new(), Target::new()];
    for before in [&untouched, &used] {
        before.export_ok(&source, "ann", &more);
    }
    {
        let destination = used.serve(Layout::MaildirPlusPlus);
        let mut user = Client::login(destination.imap_port(), "ann", PASSWORD);
        deliver(
            &used.maildir("ann"),
            "INBOX",
            1_600_000_000,
            "Subject: local\n\nhere\n",
        );
        user.select_each();
        user.store("INBOX", 2, Store::Set, &["\\Flagged"]);
    }
    let mut at_source = Client::login(server.imap_port(), "ann", PASSWORD);
    for number in 5..7 {
        let message = format!("Subject: {number}\n\n{}\n", mark(number));
        at_source.append("INBOX", &["$Label1"], 1_600_000_100, &message);
    }
    at_source.store("INBOX", 4, Store::Set, &["\\Answered", "$Label2"]);
    at_source.expunge("INBOX", 1);
    at_source.rename("Sent", "Post");
    at_source.expunge("Post", 1);
    at_each_change(&source, &more, Some(&untouched), DOVECOT);
    at_each_change(&source, &more, Some(&used), DOVECOT);
    let mirror = ["--mirror", "--delete-local", "--max-delete", "100"];
    at_each_change(&source, &mirror, Some(&used), DOVECOT);
}

/// The same where a Courier serves, before and in between.
#[test]
fn a_run_that_merges_for_courier_killed_at_each_change_ends_in_the_same_tree() {
    let server = source(4);
    let source = Source::of(&server);
    let more = [
        "--target",
        "courier",
        "--unholdable",
        "report",
        "--max-delete",
        "100",
    ];
    let destination = Courier::start(&[("ann", PASSWORD)]);
    let used = target_of(&destination);
    used.export_ok(&source, "ann", &more);
    deliver(
        &used.maildir("ann"),
        "INBOX",
        1_600_000_000,
        "Subject: local\n\nhere\n",
    );
    {
        let mut user = Client::login(destination.imap_port(), "ann", PASSWORD);
        user.select_each();
        user.store("INBOX", 2, Store::Set, &["\\Flagged", "Mine"]);
    }
    let mut at_source = Client::login(server.imap_port(), "ann", PASSWORD);
    let message = format!("Subject: 5\n\n{}\n", mark(5));
    at_source.append("INBOX", &["$Label1"], 1_600_000_100, &message);
    at_source.store("INBOX", 4, Store::Set, &["\\Answered", "$Label2"]);
    at_source.expunge("INBOX", 1);
    at_source.expunge("Sent", 1);
    at_each_change(&source, &more, Some(&used), Some(Who::Courier));
}

/// Kills a run at the first change of the disk, another at the second, and so on; each finds a copy of
/// `before`, if there is one, and is followed by a run that nothing disturbs. Some of the trees that
/// were cut are served in between, see [`Between`].
fn at_each_change(source: &Source, more: &[&str], before: Option<&Target>, who: Option<Who>) {
    let redated = source.imap.is_none() && more.concat().contains("qmail");
    let uncut = Target::new();
    copy(before, &uncut);
    let all = changes(&uncut, source, more);
    let counted = all.len();
    let changes = some_of(all, KILLED);
    let whole = state_of(&uncut, source).without_indexes();
    let served = evenly(&changes, SERVED);
    let between = who.map(|who| Between::new((who, served.len()), source, more, before, &uncut));
    let (started, killed) = (Instant::now(), changes.len());
    let (left_in_tmp, left_unlisted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    on_two_cores(changes, |change| {
        let context = format!("{more:?}: killed at {change}");
        let target = Target::new();
        copy(before, &target);
        let output = injected(&target, source, more, &change, "signal=KILL");
        assert_eq!(
            output.code, None,
            "{context}: it was not killed\n{}",
            output.stderr
        );
        if target.maildir("ann").exists() {
            let cut = state_of(&target, source);
            match before {
                None => {
                    if let Some(fault) = cut.fault(&whole, redated) {
                        panic!("{context}: {fault}");
                    }
                }
                Some(_) => assert!(cut.messages() >= whole.messages(), "{context}"),
            }
            left_in_tmp.fetch_add(usize::from(cut.temporary() > 0), Ordering::Relaxed);
            let lines = |state: &State| {
                let lines = state.0.iter().filter(|line| line.contains("uidlist| "));
                lines.cloned().collect::<Vec<_>>()
            };
            let unlisted = cut.messages() > 0 && lines(&cut) != lines(&whole);
            left_unlisted.fetch_add(usize::from(unlisted), Ordering::Relaxed);
            if served.contains(&change)
                && let Some(between) = &between
            {
                between.look_at(&target, &context);
            }
        }
        target.export_ok(source, "ann", more);
        let state = state_of(&target, source).without_indexes();
        state.assert_is(&whole, &context);
    });
    eprintln!(
        "{more:?}: killed at {killed} of {counted} calls, {} of them served by {who:?}, {:.0?}",
        served.len(),
        started.elapsed(),
    );
    // The kills came where they were to come.
    assert!(left_in_tmp.into_inner() > 0 && left_unlisted.into_inner() > 0);
}
