//! Power that is lost cannot be tried here. What can be shown is the order of calls on which a file
//! system that keeps its promises goes by: nothing is said of a message before it is on disk.

use std::collections::HashMap;
use std::fs;

use super::system_calls::{calls_of, copy, trace, with};
use super::{golden, mark, source, state_of};
use crate::migration::{PASSWORD, Source, Target};
use crate::support::mail_user::{Client, Store};

/// A call that matters here.
#[derive(Debug, PartialEq)]
enum Call {
    /// A file of this path has been written, or got another date.
    Changed(String),
    /// A file has got this path, by a name or another name; and where it was, if it had one.
    Named(Option<String>, String),
    /// A directory was made.
    Made(String),
    /// A name was removed.
    Removed(String),
    /// `fsync` of a file or directory.
    Synced(String),
    SyncedAll,
}

/// The calls of one trace that went well, but for those about locks, which are of no use after a loss
/// of power.
fn calls(trace: &str) -> Vec<Call> {
    let calls = calls_of(trace);
    let calls = calls.iter().filter_map(|(_, call)| parse(call));
    let is_lock = |call: &Call| match call {
        Call::Changed(path) | Call::Named(_, path) | Call::Removed(path) => path.ends_with(".lock"),
        _ => false,
    };
    calls.filter(|call| !is_lock(call)).collect()
}

fn parse(call: &str) -> Option<Call> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    if result.starts_with('-') {
        return None;
    }
    // Descriptors with their paths, and strings, in order.
    let mut descriptors = Vec::new();
    let mut strings = Vec::new();
    for argument in arguments.split(", ").map(str::trim) {
        if let Some((_, path)) = argument.split_once('<')
            && let Some((path, _)) = path.rsplit_once('>')
        {
            descriptors.push(path.to_owned());
        } else if let Some(text) = argument.strip_prefix('"') {
            strings.push(
                text.trim_end_matches("...")
                    .trim_end_matches('"')
                    .to_owned(),
            );
        }
    }
    let at = |directory: usize, name: usize| {
        let (directory, name) = (descriptors.get(directory)?, strings.get(name)?);
        match name.starts_with('/') {
            true => Some(name.clone()),
            false => Some(format!("{directory}/{name}")),
        }
    };
    let first = || descriptors.first().cloned();
    Some(match name {
        "write" | "pwrite64" | "writev" | "ftruncate" => Call::Changed(first()?),
        "utimensat" => Call::Changed(first()?),
        "fsync" | "fdatasync" => Call::Synced(first()?),
        "syncfs" => Call::SyncedAll,
        "renameat" | "renameat2" => Call::Named(at(0, 0), at(1, 1)?),
        "rename" => Call::Named(strings.first().cloned(), strings.get(1)?.clone()),
        // A file without a name: by its descriptor.
        "linkat" if strings.first().is_some_and(String::is_empty) => Call::Named(None, at(1, 1)?),
        "linkat" => Call::Named(None, at(descriptors.len() - 1, 1)?),
        "mkdirat" => Call::Made(at(0, 0)?),
        "mkdir" => Call::Made(strings.first()?.clone()),
        "unlinkat" => Call::Removed(at(0, 0)?),
        _ => return None,
    })
}

fn is_in(path: &str, directory: &str) -> bool {
    path.rsplit_once('/')
        .is_some_and(|(dir, _)| dir.ends_with(directory))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Checks the calls of a run, and returns how many messages got names and how many lists were written.
fn check(calls: &[Call], always: bool) -> Result<(usize, usize), String> {
    let (mut messages, mut lists) = (0, 0);
    // What has changed and is not on disk: files by their paths, directories by theirs.
    let mut unsynced: HashMap<String, &Call> = HashMap::new();
    for call in calls {
        match call {
            Call::SyncedAll => unsynced.clear(),
            Call::Synced(path) => {
                unsynced.remove(path);
            }
            Call::Changed(path) => {
                unsynced.insert(path.clone(), call);
            }
            Call::Made(path) | Call::Removed(path) => {
                unsynced.remove(path);
                unsynced.insert(parent(path).to_owned(), call);
            }
            Call::Named(from, to) => {
                let is_control = from
                    .as_ref()
                    .is_some_and(|from| from.ends_with("mailseed.control"));
                let content = from.as_ref().and_then(|from| unsynced.remove(from));
                if let (Some(content), true) = (content, is_control || always) {
                    return Err(format!("{to} appeared before {content:?} was on disk"));
                }
                if is_in(to, "/cur") && !is_control {
                    messages += 1;
                }
                let is_list = [
                    "dovecot-uidlist",
                    "courierimapuiddb",
                    "courierpop3dsizelist",
                ]
                .iter()
                .any(|list| to.ends_with(list));
                if is_control && is_list {
                    lists += 1;
                    let folder = parent(to);
                    let of_messages = |path: &&String| {
                        let dir = if path.ends_with("/cur") || path.ends_with("/new") {
                            Some(path.as_str())
                        } else {
                            Some(parent(path)).filter(|dir| !dir.ends_with(".lock"))
                        };
                        dir.is_some_and(|dir| {
                            ["cur", "new"]
                                .iter()
                                .any(|part| dir == format!("{folder}/{part}"))
                        })
                    };
                    if let Some(path) = unsynced.keys().find(of_messages) {
                        let call = &unsynced[path];
                        return Err(format!("{to} was written before {call:?} was on disk"));
                    }
                }
                unsynced.insert(parent(to).to_owned(), call);
                if let Some(content) = content {
                    unsynced.insert(to.clone(), content);
                }
            }
        }
    }
    // The record of what has been done is worth nothing without what it tells of, and may be lost.
    let rest = unsynced.iter().filter(|(path, _)| {
        !path.ends_with("mailseed.state") && !path.ends_with("/tmp") && path.contains("/ann/")
    });
    match rest.map(|(_, call)| call).next() {
        Some(call) => Err(format!("{call:?} was never put on disk")),
        None => Ok((messages, lists)),
    }
}

#[test]
fn nothing_is_told_of_before_it_is_on_disk() {
    let server = source(4);
    let source = Source::of(&server);
    let before = Target::new();
    before.export_ok(
        &source,
        "ann",
        &["--target", "dovecot,courier", "--unholdable", "report"],
    );
    let mut at_source = Client::login(server.imap_port(), "ann", PASSWORD);
    let message = format!("Subject: 5\n\n{}\n", mark(5));
    at_source.append("INBOX", &["$Label1"], 1_600_000_100, &message);
    at_source.store("INBOX", 4, Store::Set, &["\\Answered"]);
    at_source.expunge("INBOX", 1);
    at_source.rename("Sent", "Post");
    for (fsync, target, before) in [
        ("always", "dovecot", None),
        ("batch", "dovecot", None),
        ("batch", "qmail,dovecot", None),
        ("always", "dovecot,courier", Some(&before)),
        ("batch", "dovecot,courier", Some(&before)),
    ] {
        let more = [
            "--fsync",
            fsync,
            "--target",
            target,
            "--unholdable",
            "report",
            "--max-delete",
            "100",
        ];
        let into = Target::new();
        copy(before, &into);
        let trace = trace(&into, &source, &more);
        let calls = calls(&trace);
        match check(&calls, fsync == "always") {
            Ok((messages, lists)) => {
                assert!(
                    messages >= if before.is_some() { 2 } else { 6 },
                    "{messages}"
                );
                assert!(lists >= 2, "{lists}");
            }
            Err(wrong) => panic!("--fsync {fsync} --target {target}: {wrong}\n{calls:#?}"),
        }
    }
    // The check sees what is missing.
    let trace = trace(
        &Target::new(),
        &source,
        &["--fsync", "never", "--target", "dovecot"],
    );
    let calls = calls(&trace);
    assert!(
        !calls
            .iter()
            .any(|call| matches!(call, Call::Synced(_) | Call::SyncedAll))
    );
    check(&calls, false).expect_err("nothing was synced");
}

/// With `--fsync batch` names may be on disk without what they name, and the record with them.
#[test]
fn what_power_has_left_half_is_fetched_anew() {
    let server = source(4);
    let source = Source::of(&server);
    for targets in ["dovecot", "qmail,dovecot"] {
        let more = ["--target", targets];
        let whole = golden(&source, &more);
        let mut torn = 0;
        // As each folder is about to be synced.
        for number in 1..=2 {
            let target = Target::new();
            let kill = format!("signal=KILL:when={number}");
            let output = with(&target, &source, &more, ("syncfs", &kill));
            assert_eq!(output.code, None, "{}", output.stdout);
            for folder in ["", ".Sent"] {
                let folder = target.maildir("ann").join(folder);
                if folder.join("dovecot-uidlist").exists() {
                    continue;
                }
                let Ok(files) = fs::read_dir(folder.join("cur")) else {
                    continue;
                };
                for (at, file) in (0_u64..).zip(files) {
                    let path = file.expect("it stands still").path();
                    let file = fs::OpenOptions::new().write(true).open(&path);
                    let file = file.expect("it is ours");
                    let length = file.metadata().expect("it is ours").len();
                    file.set_len(at % 3 * length / 3).expect("it is ours");
                    torn += 1;
                }
            }
            let plan = target.export(&source, "ann", &[&more[..], &["--dry-run"]].concat());
            assert_eq!(plan.code, Some(0), "{}", plan.stdout);
            target.export_ok(&source, "ann", &more);
            state_of(&target, &source).assert_is(&whole, targets);
        }
        assert_eq!(torn, 6, "{targets}");
    }
}

/// What a killed run has let appear is on disk before the next run writes a list that mentions it, or a
/// record by which it has been there: power that is lost then must not make it a message that its owner has
/// deleted.
#[test]
fn what_a_killed_run_has_left_is_synced_first() {
    let server = source(4);
    let source = Source::of(&server);
    let more = ["--target", "dovecot"];
    let target = Target::new();
    // As INBOX is about to be synced.
    let output = with(&target, &source, &more, ("syncfs", "signal=KILL:when=1"));
    assert_eq!(output.code, None, "{}", output.stdout);
    let calls = calls(&trace(&target, &source, &more));
    let first = |is_it: &dyn Fn(&Call) -> bool| calls.iter().position(is_it);
    let synced = first(&|call| *call == Call::SyncedAll).expect("there is something to sync");
    for file in ["mailseed.state", "dovecot-uidlist"] {
        let written = first(&|call| match call {
            Call::Changed(path) | Call::Named(_, path) => path.ends_with(file),
            _ => false,
        });
        assert!(
            written.is_some_and(|written| written > synced),
            "{file}: {calls:#?}"
        );
    }
}
