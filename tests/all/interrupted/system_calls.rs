//! Runs of which single system calls are made to fail, or to be the last, by `strace`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::migration::{Source, Target};
use crate::support::program;
use crate::support::tree::TempTree;

/// Where this is set, every change of the disk and every byte of a conversation has its turn, not only
/// some of them.
pub(super) const ALL: &str = "MAILSEED_EVERY_CUT";

/// System calls that change a disk.
const CHANGES: [&str; 23] = [
    "openat",
    "write",
    "pwrite64",
    "writev",
    "ftruncate",
    "utimensat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "unlink",
    "rmdir",
    "unlinkat",
    "fsync",
    "fdatasync",
    "syncfs",
    "fchown",
    "fchmod",
    "fchmodat",
];

/// The `number`th `call` of a thread, as strace counts them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Change {
    pub(super) call: &'static str,
    number: usize,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.number)
    }
}

/// Whether everything is to have its turn.
pub(crate) fn all_have_a_turn() -> bool {
    std::env::var_os(ALL).is_some()
}

/// About `count` of `changes`, the first and the last of each call among them; all where [`ALL`] is set.
pub(super) fn some_of(changes: Vec<Change>, count: usize) -> Vec<Change> {
    if all_have_a_turn() || changes.len() <= count {
        return changes;
    }
    let ends = |calls: &mut dyn Iterator<Item = &Change>| {
        let mut seen = HashSet::new();
        let firsts = calls.filter(|change| seen.insert(change.call));
        firsts.cloned().collect::<HashSet<Change>>()
    };
    let mut some = ends(&mut changes.iter());
    some.extend(ends(&mut changes.iter().rev()));
    let room = count.saturating_sub(some.len()).max(1);
    some.extend(
        changes
            .iter()
            .step_by(changes.len().div_ceil(room))
            .cloned(),
    );
    changes
        .into_iter()
        .filter(|change| some.contains(change))
        .collect()
}

/// `count` of `changes`, or a tenth of them where that is more, evenly.
pub(super) fn evenly(changes: &[Change], count: usize) -> Vec<Change> {
    let count = count.max(changes.len() / 10).max(1);
    let step = changes.len().div_ceil(count).max(1);
    changes.iter().step_by(step).cloned().collect()
}

/// Runs into `target` what nothing disturbs, and returns the changes of the disk that it makes.
pub(super) fn changes(target: &Target, source: &Source, more: &[&str]) -> Vec<Change> {
    let trace = trace(target, source, more);
    let changes = changes_of(&trace);
    assert!(changes.len() >= 10, "{changes:?}");
    changes
}

/// What strace writes of a run that nothing disturbs: all its changes of the disk, descriptors with
/// their paths.
pub(super) fn trace(target: &Target, source: &Source, more: &[&str]) -> String {
    let directory = TempTree::new();
    let trace = directory.path().join("trace");
    let file = trace.display().to_string();
    let calls = format!("trace={}", CHANGES.join(","));
    let output = traced(target, source, more, &["-y", "-o", &file, "-e", &calls]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    std::fs::read_to_string(trace).expect("strace has written it")
}

/// A run at one call of which `what` is done, as `error=EIO` or `signal=KILL`.
pub(super) fn injected(
    target: &Target,
    source: &Source,
    more: &[&str],
    change: &Change,
    what: &str,
) -> program::Output {
    let Change { call, number } = change;
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:{what}:when={number}");
    let arguments = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
    traced(target, source, more, &arguments)
}

/// A run at each `call` of which `what` is done. Where that is no signal, no other call takes longer.
pub(super) fn with(
    target: &Target,
    source: &Source,
    more: &[&str],
    (call, what): (&str, &str),
) -> program::Output {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:{what}");
    let mut arguments = vec!["-o", "/dev/null", "-e", &trace, "-e", &inject];
    if !what.starts_with("signal=") {
        arguments.push("--seccomp-bpf");
    }
    traced(target, source, more, &arguments)
}

fn traced(target: &Target, source: &Source, more: &[&str], strace: &[&str]) -> program::Output {
    let mailseed = target.command("export", source, more);
    let mut command = Command::new("strace");
    command.arg("-f").args(strace).arg(mailseed.get_program());
    command
        .args(mailseed.get_args())
        .args(["--user", "ann", "-j1"]);
    for (name, value) in mailseed.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    program::run(command, Duration::from_secs(60))
}

/// Puts a copy of ann's home in `before` into `target`.
pub(crate) fn copy(before: Option<&Target>, target: &Target) {
    let Some(before) = before else { return };
    let home = |target: &Target| {
        let maildir = target.maildir("ann");
        maildir
            .parent()
            .map(Path::to_owned)
            .expect("a Maildir lies in a home")
    };
    let copied = Command::new("cp")
        .arg("-a")
        .args([home(before), home(target)])
        .status();
    assert!(copied.expect("cp is there").success());
}

/// The calls of a trace, each in one line, with the thread that has made it: a call during which
/// another thread was heard is told in two parts.
pub(super) fn calls_of(trace: &str) -> Vec<(&str, String)> {
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').expect("strace -f writes thread ids");
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, begun);
            continue;
        }
        let call = match rest.split_once(" resumed>") {
            Some((_, end)) => [unfinished.remove(thread).unwrap_or_default(), end].concat(),
            None => rest.to_owned(),
        };
        calls.push((thread, call));
    }
    calls
}

/// The calls in a trace that changed a disk, as strace counts them: each thread has a count of its
/// own. Left out are those that the main thread makes as often, before the others have begun; they
/// are the loader's and change nothing.
fn changes_of(trace: &str) -> Vec<Change> {
    let mut main = None;
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    let mut changes = Vec::new();
    for (thread, call) in calls_of(trace) {
        let Some((call, rest)) = call.split_once('(') else {
            continue;
        };
        let Some(call) = CHANGES.into_iter().find(|known| *known == call) else {
            continue;
        };
        let main = *main.get_or_insert(thread);
        let count = counts.entry((thread, call)).or_default();
        *count += 1;
        let number = *count;
        let failed = rest.contains(" = -1 ");
        let only_reads =
            call == "openat" && !rest.contains("O_CREAT") && !rest.contains("O_TMPFILE");
        if thread == main || failed || only_reads {
            continue;
        }
        let by_main = counts.get(&(main, call)).copied().unwrap_or_default();
        if number > by_main {
            changes.push(Change { call, number });
        }
    }
    changes
}
