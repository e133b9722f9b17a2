//! Where a run stands, asked from outside: by what it keeps in its report directory, whether it is at work
//! still, has ended, or was cut.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::logging;
use crate::problem::{Kind, Problem, Reach};
use crate::progress::stand::{self, STATUS_FILE, Stand, Writer};
use crate::report::Exit;

/// A run on another machine that has written nothing for so long is taken to be gone.
const SILENCE: Duration = Duration::from_secs(60);

/// What has become of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    AtWork,
    Ended,
    /// Its process is gone, and it has not come to an end.
    Cut,
    /// It is on another machine, and has not been heard of.
    Silent,
}

/// Tells where the runs stand that write into `dirs`.
///
/// # Errors
/// Nothing is told: directories that hold no run, each by itself (reach Run, kind Input).
pub fn tell(dirs: &[PathBuf], out: &mut dyn Write) -> Result<Exit, Vec<Problem>> {
    let mut stands = Vec::new();
    let mut problems = Vec::new();
    for dir in dirs {
        match read(dir) {
            Ok(stand) => stands.push((dir, stand)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let now = logging::now();
    let here = stand::machine();
    let mut exit = Exit::Ok;
    let mut told = Vec::new();
    for (dir, stand) in &stands {
        let life = life(stand, &here, now, stand::ticks);
        told.extend(words(dir, stand, life, now));
        told.push(String::new());
        if !is_well(stand, life) {
            exit = Exit::Some;
        }
    }
    if stands.len() > 1 {
        told.extend(sum(stands.iter().map(|(_, stand)| stand)));
    } else {
        told.pop();
    }
    // Nobody to tell (a closed pipe) does not change the answer.
    let _ = write_all(&told, out);
    Ok(exit)
}

fn write_all(lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn read(dir: &Path) -> Result<Stand, Problem> {
    let path = dir.join(STATUS_FILE);
    let refused = |why: String| {
        Problem::new(
            Kind::Input,
            Reach::Run,
            format!("{}: {why}", path.display()),
        )
        .with_hint("give the directory that --report was given")
    };
    let bytes = std::fs::read(&path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))
}

/// What has become of the run of `stand`; `ticks` tells when a process of this machine began.
fn life(stand: &Stand, here: &str, now: Timestamp, ticks: impl Fn(u32) -> Option<u64>) -> Life {
    let Writer {
        machine,
        pid,
        ticks: began,
    } = &stand.writer;
    if stand.ended.is_some() {
        return Life::Ended;
    }
    let age = Duration::try_from(now.duration_since(stand.at)).unwrap_or_default();
    match machine == here {
        true if ticks(*pid) == Some(*began) => Life::AtWork,
        true => Life::Cut,
        false if age < SILENCE => Life::AtWork,
        false => Life::Silent,
    }
}

fn is_well(stand: &Stand, life: Life) -> bool {
    match life {
        Life::AtWork => true,
        Life::Ended => stand.exit == Some(0),
        Life::Cut | Life::Silent => false,
    }
}

fn words(dir: &Path, stand: &Stand, life: Life, now: Timestamp) -> Vec<String> {
    let Writer { machine, pid, .. } = &stand.writer;
    let command = &stand.command;
    let age = Duration::try_from(now.duration_since(stand.at)).unwrap_or_default();
    let ago = indicatif::HumanDuration(age);
    let how = match (life, stand.ended) {
        (Life::Ended, Some(ended)) => {
            let exit = stand.exit.unwrap_or_default();
            format!("ended {ended}, exit status {exit}")
        }
        (Life::Cut, _) => format!("cut: process {pid} is gone; what it told last, {ago} ago:"),
        (Life::Silent, _) => {
            format!("not heard of for {ago}: process {pid} on {machine} is to be looked for there")
        }
        _ => format!("at work as process {pid} on {machine}, {ago} ago:"),
    };
    let shown = crate::text::printable(&dir.display().to_string());
    let mut lines = vec![format!(
        "{shown}: {command}, begun {}, {how}",
        stand.started
    )];
    lines.extend(stand.lines().into_iter().map(|line| format!("  {line}")));
    lines.extend(again(stand, life, dir).map(|again| format!("  again     {again}")));
    lines
}

/// How to do what is not done.
fn again(stand: &Stand, life: Life, dir: &Path) -> Option<String> {
    let file = match &*stand.command {
        "check" => "check.csv",
        "verify" => "verified.csv",
        _ => "summary.csv",
    };
    let file = crate::text::printable(&dir.join(file).display().to_string());
    let users = stand.users;
    match life {
        Life::Cut | Life::Silent => Some(
            "the same command once more: what is done is kept, and it goes on from there"
                .to_owned(),
        ),
        _ if users.partial + users.failed == 0 => None,
        Life::AtWork => Some(format!(
            "when it has ended, with --only-failed {file} and another --report"
        )),
        Life::Ended => Some(format!(
            "the same command with --only-failed {file} and another --report"
        )),
    }
}

/// One line for all.
fn sum<'s>(stands: impl Iterator<Item = &'s Stand>) -> Vec<String> {
    let mut all: Option<Stand> = None;
    for stand in stands {
        all = Some(match all {
            None => stand.clone(),
            Some(all) => all.and(stand),
        });
    }
    let Some(all) = all else {
        return Vec::new();
    };
    let lines = all
        .lines()
        .into_iter()
        .filter(|line| !line.starts_with("at work"));
    std::iter::once("all together".to_owned())
        .chain(lines.map(|line| format!("  {line}")))
        .collect()
}

#[cfg(test)]
mod tests;
