//! The job file of `--job FILE`: a TOML file whose keys are the long options without their dashes.
//! It is turned into arguments that stand before the typed ones, so that clap's definitions are the
//! only list of options. Knows nothing of what the options mean.

mod words;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Kind, Problem, Reach};
use crate::userlist::closest;

/// What `mailseed` was told, by its command line and by the job file that it names.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// All of it, as if it had been typed.
    pub all: Vec<OsString>,
    /// Of the job file: which line gives what, as in `job.toml line 3: --quiet`.
    pub of_file: Vec<String>,
}

/// `typed` (with the name of the program at its head), and what the job file says that it names.
/// What is typed stands instead of the file's, also where an option may be repeated. Keys that
/// only other subcommands take are left out.
///
/// # Errors
/// The file cannot be read; or everything that is wrong with it, by line (reach Run, kind Input).
pub fn arguments(typed: Vec<OsString>, cli: Command) -> Result<Arguments, Vec<Problem>> {
    let refused = |what: String| Problem::new(Kind::Input, Reach::Run, what);
    let alone = |typed| {
        Ok(Arguments {
            all: typed,
            of_file: Vec::new(),
        })
    };
    // What is wrong with the command line is said once all of it is known.
    let lenient = cli.clone().ignore_errors(true);
    let Ok(matches) = lenient.try_get_matches_from(&typed) else {
        return alone(typed);
    };
    let Some((name, matches)) = matches.subcommand() else {
        return alone(typed);
    };
    let path = matches.try_get_one::<std::path::PathBuf>(JOB);
    let Some(path) = path.ok().flatten() else {
        return alone(typed);
    };
    let file = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let problem = refused(format!("--job {file}: {error}"));
        vec![problem.with_hint("`mailseed help many-users` shows such a file")]
    })?;
    let job = Job {
        cli: built(cli),
        name,
    };
    let given = job.read(&text, &said(matches)).map_err(|faults| {
        let told = |(line, fault)| refused(format!("{file} line {line}: {fault}"));
        faults.into_iter().map(told).collect::<Vec<_>>()
    })?;
    let mut all = typed;
    // Behind the subcommand; the first word is the name of the program, whatever that is.
    let name_at = all.iter().skip(1).position(|word| word == name);
    let after = name_at.map_or(1, |at| at + 2);
    let words = given.iter().flat_map(|(_, words)| words);
    all.splice(after..after, words.map(OsString::from));
    let lines = given.iter().flat_map(|(line, words)| {
        let file = &file;
        words
            .iter()
            .map(move |word| format!("{file} line {line}: {word}"))
    });
    Ok(Arguments {
        of_file: lines.collect(),
        all,
    })
}

/// The option that names the file.
const JOB: &str = "job";

/// Keys that others give passwords by; here they are told where those go.
const PASSWORDS: [&str; 4] = [
    "password",
    "imap-password",
    "pop3-password",
    "master-password",
];

/// What is wrong, by line.
type Faults = Vec<(usize, String)>;

/// A key that is none, and what is near it.
fn unknown(key: &str, known: &[&str]) -> String {
    if key == JOB {
        return format!("{key}: a job file names no other");
    }
    if PASSWORDS.contains(&key.replace('_', "-").as_str()) {
        return format!(
            "{key}: passwords do not belong here: password-file and password-command say where they are"
        );
    }
    let meant = closest(key, known.iter().copied())
        .map_or(String::new(), |known| format!(": is {known} meant?"));
    format!("unknown key {key:?}{meant}")
}

/// The subcommand that is to run, among all.
struct Job<'c> {
    cli: Command,
    name: &'c str,
}

impl Job<'_> {
    /// The lines of `text` in their order, and the arguments of each that are not `said` already.
    fn read(
        &self,
        text: &str,
        said: &HashSet<String>,
    ) -> Result<Vec<(usize, Vec<String>)>, Faults> {
        let line = |at: usize| {
            1 + text
                .as_bytes()
                .iter()
                .take(at)
                .filter(|b| **b == b'\n')
                .count()
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut faults: Faults = errors
            .iter()
            // Not as it displays itself: that shows the line, and a password may be on it.
            .map(|error| {
                let at = error.span().map_or(0, |span| span.start);
                (line(at), error.message().to_owned())
            })
            .collect();
        let mut given = Vec::new();
        for (key, value) in table.get_ref() {
            let at = line(key.span().start);
            match self.words(key.get_ref(), value) {
                Ok(Some(words)) if !said.contains(&**key.get_ref()) => given.push((at, words)),
                Ok(_) => {}
                Err(fault) => faults.push((at, fault)),
            }
        }
        faults.sort();
        given.sort();
        match faults.is_empty() {
            true => Ok(given),
            false => Err(faults),
        }
    }

    /// The arguments that `key` stands for; `None` where they are for other subcommands.
    fn words(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Option<Vec<String>>, String> {
        let takes = |command: &&Command| option(command, JOB).is_some();
        let all = || self.cli.get_subcommands().filter(takes);
        let (ours, others): (Vec<_>, Vec<_>) =
            all().partition(|command| command.get_name() == self.name);
        let found = ours
            .iter()
            .chain(&others)
            .find_map(|command| Some((command, option(command, key)?)));
        let Some((command, arg)) = found.filter(|_| key != JOB) else {
            let known: Vec<&str> = all()
                .flat_map(Command::get_arguments)
                .filter_map(Arg::get_long)
                .filter(|long| ![JOB, "help", "version"].contains(long))
                .collect();
            return Err(unknown(key, &known));
        };
        let words = words::of(arg, value.get_ref()).map_err(|fault| format!("{key} {fault}"))?;
        words::sound(command, &words).map_err(|fault| format!("{key}: {fault}"))?;
        Ok((command.get_name() == self.name).then_some(words))
    }
}

/// The option of that long name; `--help` and `--version` are none. One whose id is another has that name in
/// common with an option of other commands, and means something else: no key stands for it.
fn option<'c>(command: &'c Command, long: &str) -> Option<&'c Arg> {
    command
        .get_arguments()
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        .filter(|arg| arg.get_id().as_str().replace('_', "-") == long)
        .find(|arg| arg.get_long() == Some(long))
}

fn built(mut cli: Command) -> Command {
    cli.build();
    cli
}

/// The long names of the options that were typed, or set by the environment.
fn said(matches: &ArgMatches) -> HashSet<String> {
    matches
        .ids()
        .map(|id| id.as_str())
        .filter(|id| {
            let source = matches.value_source(id);
            source.is_some_and(|source| source != ValueSource::DefaultValue)
        })
        .map(|id| id.replace('_', "-"))
        .collect()
}
