//! Reads the command line, does what it says, exits.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use mailseed::cli::Cli;
use mailseed::command::{self, refused};
use mailseed::jobfile;
use mailseed::report::Exit;
use mailseed::terminal;

fn main() -> ExitCode {
    forbid_core_dumps();
    match told() {
        Ok(cli) => command::run(cli.command).into(),
        Err(exit) => exit,
    }
}

/// What the command line and the job file say, or the end of the program: a refusal, a help.
fn told() -> Result<Cli, ExitCode> {
    let arguments = jobfile::arguments(std::env::args_os().collect(), Cli::command())
        .map_err(|problems| ExitCode::from(refused(&problems)))?;
    Cli::try_parse_from(arguments.all).map_err(|error| {
        // Nobody to tell is no failure, as for the rest.
        let _ = error.print();
        let together = [
            ErrorKind::ArgumentConflict,
            ErrorKind::MissingRequiredArgument,
        ];
        if together.contains(&error.kind()) {
            for line in arguments.of_file {
                terminal::say(&line.to_string());
            }
        }
        match error.use_stderr() {
            true => Exit::Usage.into(),
            false => ExitCode::SUCCESS,
        }
    })
}

/// A core dump would hold passwords; what is started from here inherits it.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Only ever lowered, which nobody is refused.
    let _ = setrlimit(Resource::Core, none);
}
