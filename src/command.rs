//! What is done for each subcommand, from what was typed to the exit status.

mod alone;
mod users;

use crate::cli::Command;
use crate::config::Task;
use crate::problem::Problem;
use crate::report::Exit;
use crate::terminal;

/// Does what was typed, and tells what came of it; how the process should end.
pub fn run(command: Command) -> Exit {
    match command {
        Command::Check(typed) => users::run(&(*typed).into(), Task::Check, None),
        Command::Export {
            options,
            dry_run: false,
        } => users::run(&options, Task::Export, None),
        Command::Plan {
            options,
            offline: true,
        } => users::offline(&options),
        Command::Export { options, .. } | Command::Plan { options, .. } => {
            users::run(&options, Task::Plan, None)
        }
        Command::Verify(typed) => {
            let (options, verifying) = typed.split();
            let live = !verifying.new.is_empty();
            users::run(&options, Task::Verify { live }, Some(&verifying))
        }
        Command::Explain(typed) => alone::explain(&typed),
        Command::Uidl(typed) => alone::uidl(&typed),
        Command::Retarget(typed) => alone::retarget(&typed),
        Command::Report(typed) => alone::report(&typed),
        Command::Status(typed) => alone::status(&typed),
        Command::Help(typed) => alone::help(&typed),
        Command::Man(typed) => alone::man(&typed),
        Command::Completions(typed) => alone::completions(&typed),
    }
}

/// Says what is wrong with the input; nothing was started.
pub fn refused(problems: &[Problem]) -> Exit {
    for problem in problems {
        terminal::say(&problem.to_string());
    }
    Exit::Usage
}

/// Whatever is made from now on is for its owner only, also before its mode is set.
fn close_files() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}
