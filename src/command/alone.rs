//! The commands that need no server: about one Maildir, about reports, about mailseed itself.

use std::io::{BufWriter, Write};

use super::{close_files, refused};
use crate::config::Question;
use crate::ending::Ending;
use crate::problem::Kind;
use crate::report::{Exit, sum};
use crate::terminal::{self, Results};
use crate::text::counted;
use crate::{announce, cli, config, explain, help, status};

pub(super) fn explain(typed: &cli::Explain) -> Exit {
    let question = match Question::from_cli(typed) {
        Ok(question) => question,
        Err(problems) => return refused(&problems),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let exit = match explain::explain(&question, &mut out) {
        Ok(true) => Exit::Ok,
        Ok(false) => Exit::Some,
        Err(problem) => {
            terminal::say(&problem.to_string());
            Exit::Target
        }
    };
    // Nobody to tell (a closed pipe) does not change the answer.
    let _ = out.flush();
    exit
}

pub(super) fn uidl(typed: &cli::Uidl) -> Exit {
    let server = match config::pop3_server(typed) {
        Ok(server) => server,
        Err(problem) => return refused(&[problem]),
    };
    let announced = match announce::read(&typed.maildir, &server) {
        Ok(announced) => announced,
        Err(problem) => {
            terminal::say(&problem.to_string());
            return Exit::Target;
        }
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    // Nobody to tell (a closed pipe) does not change the answer.
    let _ = announced.write_to(&mut out).and_then(|()| out.flush());
    for doubt in &announced.doubts {
        let weight = if doubt.is_note() { "note" } else { "warning" };
        terminal::say(&format!("{weight}: {doubt}"));
    }
    match announced.is_certain() {
        true => Exit::Ok,
        false => Exit::Some,
    }
}

pub(super) fn retarget(typed: &cli::Retarget) -> Exit {
    let retarget = match config::retarget(typed) {
        Ok(retarget) => retarget,
        Err(problems) => return refused(&problems),
    };
    close_files();
    let ending = Ending::on_signals();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let outcome = match retarget.run(&ending.stop, &mut out) {
        Ok(outcome) => outcome,
        Err(problem) => {
            let _ = out.flush();
            terminal::say(&problem.to_string());
            return match problem.kind {
                Kind::Unholdable | Kind::Conflict | Kind::Busy => Exit::Some,
                Kind::Interrupted => Exit::Interrupted,
                _ => Exit::Target,
            };
        }
    };
    let (messages, uidls) = (outcome.messages, outcome.uidls);
    // As for the other commands, nobody to tell is no failure.
    let _ = writeln!(
        out,
        "{}, {} kept",
        counted(messages, "message"),
        counted(uidls, "UIDL")
    )
    .and_then(|()| out.flush());
    for lost in &outcome.lost {
        terminal::say(&lost.to_string());
    }
    match outcome.lost.is_empty() {
        true => Exit::Ok,
        false => Exit::Some,
    }
}

pub(super) fn report(typed: &cli::Report) -> Exit {
    let sum = match sum::read(typed) {
        Ok(sum) => sum,
        Err(problems) => return refused(&problems),
    };
    match sum::write(&sum, typed) {
        Ok(()) => Exit::Ok,
        Err(problem) => {
            terminal::say(&problem.to_string());
            Exit::Target
        }
    }
}

pub(super) fn help(typed: &cli::Help) -> Exit {
    let mut out = anstream::stdout().lock();
    match help::tell(typed.about.as_deref(), &mut out) {
        Ok(()) => Exit::Ok,
        Err(problem) => refused(&[problem]),
    }
}

pub(super) fn man(typed: &cli::Man) -> Exit {
    let Some(dir) = &typed.dir else {
        let about = typed.about.as_deref().unwrap_or_default();
        return match help::page(about) {
            Ok(page) => {
                // Nobody to tell (a closed pipe) is no failure.
                let _ = std::io::stdout().lock().write_all(&page);
                Exit::Ok
            }
            Err(problem) => refused(&[problem]),
        };
    };
    match help::write_pages(dir) {
        Ok(()) => Exit::Ok,
        Err(problem) => {
            terminal::say(&problem.to_string());
            Exit::Target
        }
    }
}

/// Tells where runs stand.
pub(super) fn status(typed: &cli::Status) -> Exit {
    match status::tell(&typed.dirs, &mut Results::stdout()) {
        Ok(exit) => exit,
        Err(problems) => refused(&problems),
    }
}

/// Prints the completions for a shell.
pub(super) fn completions(typed: &cli::Completions) -> Exit {
    help::completions(typed.shell, &mut std::io::stdout().lock());
    Exit::Ok
}
