//! Each change of the disk fails once, in each way in which disks fail: the run says so, leaves nothing
//! that is not whole, and the next run goes on.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::system_calls::{Change, all_have_a_turn, changes, copy, injected, some_of, with};
use super::{golden, is_temporary, mark, source, state_of};
use crate::migration::{PASSWORD, Source, Target};
use crate::support::mail_user::{Client, Store};
use crate::support::on_two_cores;

/// What a system call fails with: its name for strace, and what is said of it.
const ERRORS: [(&str, &str); 5] = [
    ("ENOSPC", "No space left on device"),
    ("EDQUOT", "quota exceeded"),
    ("EIO", "Input/output error"),
    ("EMFILE", "Too many open files"),
    ("EACCES", "Permission denied"),
];

/// At how many changes of a run, unless all have their turn.
const FAILURES: usize = 40;

#[test]
fn a_first_run_at_each_change_of_which_the_disk_fails_is_ended_by_the_next() {
    let server = source(4);
    for more in [
        &["--target", "dovecot"][..],
        &["--target", "dovecot", "--fsync", "always"],
        &[
            "--target",
            "qmail,dovecot,courier",
            "--unholdable",
            "report",
        ],
    ] {
        at_each_change(&Source::of(&server), more, None);
    }
}

#[test]
fn a_merge_at_each_change_of_which_the_disk_fails_is_ended_by_the_next() {
    let server = source(4);
    let source = Source::of(&server);
    let more = ["--max-delete", "100"];
    let before = Target::new();
    before.export_ok(&source, "ann", &more);
    let mut at_source = Client::login(server.imap_port(), "ann", PASSWORD);
    let message = format!("Subject: 5\n\n{}\n", mark(5));
    at_source.append("INBOX", &["$Label1"], 1_600_000_100, &message);
    at_source.store("INBOX", 4, Store::Set, &["\\Answered"]);
    at_source.expunge("INBOX", 1);
    at_source.rename("Sent", "Post");
    at_each_change(&source, &more, Some(&before));
}

/// What a server of files, or an old kernel, may not know.
#[test]
fn a_file_system_that_lacks_something_holds_the_same_tree() {
    let server = source(4);
    let source = Source::of(&server);
    let more = ["--max-delete", "100"];
    let [first, before] = [Target::new(), Target::new()];
    first.export_ok(&source, "ann", &more);
    before.export_ok(&source, "ann", &more);
    let first = state_of(&first, &source);
    let mut at_source = Client::login(server.imap_port(), "ann", PASSWORD);
    let no_renameat2 = ("renameat2", "error=EINVAL");
    for lacks in [no_renameat2, ("linkat", "error=EPERM")] {
        let target = Target::new();
        let output = with(&target, &source, &more, lacks);
        assert_eq!(output.code, Some(0), "{lacks:?}\n{}", output.stdout);
        state_of(&target, &source).assert_is(&first, lacks.0);
    }
    at_source.rename("Sent", "Post");
    at_source.store("INBOX", 4, Store::Set, &["\\Answered"]);
    let message = format!("Subject: 5\n\n{}\n", mark(5));
    at_source.append("INBOX", &[], 1_600_000_100, &message);
    let whole = Target::new();
    copy(Some(&before), &whole);
    whole.export_ok(&source, "ann", &more);
    let whole = state_of(&whole, &source);
    let target = Target::new();
    copy(Some(&before), &target);
    let output = with(&target, &source, &more, no_renameat2);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    state_of(&target, &source).assert_is(&whole, "without renameat2");
}

/// As where names are folded and another one is the same. What is there stays, and it is said what is not.
#[test]
fn a_name_that_is_taken_is_never_written_over() {
    let server = source(4);
    let source = Source::of(&server);
    let whole = golden(&source, &[]);
    let target = Target::new();
    // The first is a trial.
    let taken = ("linkat", "error=EEXIST:when=2");
    let output = with(&target, &source, &[], taken);
    assert_eq!(output.code, Some(3), "{}", output.stdout);
    for words in ["File exists", "ann/Maildir"] {
        assert!(output.stdout.contains(words), "{words}: {}", output.stdout);
    }
    let state = state_of(&target, &source);
    assert_eq!(state.temporary(), 0);
    if let Some(fault) = state.fault(&whole, false) {
        panic!("{fault}");
    }
    target.export_ok(&source, "ann", &[]);
    state_of(&target, &source).assert_is(&whole, "after the next run");
}

fn removes(change: &Change) -> bool {
    change.call.starts_with("unlink")
}

fn at_each_change(source: &Source, more: &[&str], before: Option<&Target>) {
    let uncut = Target::new();
    copy(before, &uncut);
    let changes = some_of(changes(&uncut, source, more), FAILURES);
    let whole = state_of(&uncut, source);
    if before.is_none() {
        assert_eq!(whole, golden(source, more));
    }
    let cuts = cuts(changes);
    let (count, failed) = (cuts.len(), AtomicUsize::new(0));
    on_two_cores(cuts, |(change, (name, said))| {
        let context = format!("{more:?}: {name} at {change}");
        let target = Target::new();
        copy(before, &target);
        let output = injected(&target, source, more, &change, &format!("error={name}"));
        let told = format!("{context}\n{}\n{}", output.stdout, output.stderr);
        // What can be done otherwise has been, as where there are no files without names; what is
        // left in a `tmp` does no harm. With one user, that it could not be written is that none was.
        if output.code != Some(0) {
            failed.fetch_add(1, Ordering::Relaxed);
            assert_eq!(output.code, Some(3), "{told}");
            assert!(told.contains(said), "{told}");
            let places = ["ann/Maildir", "the temporary file of the results"];
            assert!(places.iter().any(|it| told.contains(it)), "{told}");
        }
        if target.maildir("ann").exists() {
            let state = state_of(&target, source);
            if !removes(&change) {
                assert_eq!(state.temporary(), 0, "{told}\n{state:?}");
            }
            if before.is_none()
                && let Some(fault) = state.fault(&whole, false)
            {
                panic!("{told}: {fault}");
            }
        }
        target.export_ok(source, "ann", more);
        let mut state = state_of(&target, source);
        if removes(&change) {
            // A folder in which nothing is to be done is not swept.
            let is_dir = |line: &String| line.contains("/ ");
            state.0.retain(|line| is_dir(line) || !is_temporary(line));
        }
        state.assert_is(&whole, &context);
    });
    let failed = failed.into_inner();
    eprintln!("{more:?}: {count} calls failed, and with {failed} of them the run");
    assert!(failed > count / 2, "{failed} of {count}");
}

/// Each change with an error, with one after the other; where all have their turn, with each of them.
fn cuts(changes: Vec<Change>) -> Vec<(Change, (&'static str, &'static str))> {
    if all_have_a_turn() {
        let each = |change: Change| ERRORS.map(|error| (change.clone(), error));
        return changes.into_iter().flat_map(each).collect();
    }
    changes
        .into_iter()
        .zip(ERRORS.into_iter().cycle())
        .collect()
}
