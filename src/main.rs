//! Reads the command line, runs, reports, exits.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use mailseed::announce;
use mailseed::cli::{self, Cli, Command};
use mailseed::config::{self, Config, Question, Task, Verification, Voice};
use mailseed::ending::Ending;
use mailseed::estimate::{self, history};
use mailseed::explain;
use mailseed::help;
use mailseed::jobfile;
use mailseed::logging::{self, Verbosity};
use mailseed::problem::{Kind, Problem};
use mailseed::progress::Progress;
use mailseed::report::{
    CheckReport, Exit, ExportReport, Gathered, Journal, ReportDir, VerifyReport, counts, journal,
    person, sum,
};
use mailseed::run;
use mailseed::space::Space;
use mailseed::status;
use mailseed::window::{self, Moment};

fn main() -> ExitCode {
    forbid_core_dumps();
    let mut verifying = None;
    let mut is_offline = false;
    let command = match told() {
        Ok(cli) => cli.command,
        Err(exit) => return exit,
    };
    let (options, task) = match command {
        Command::Check(check) => (Box::new((*check).into()), Task::Check),
        Command::Export {
            options,
            dry_run: false,
        } => (options, Task::Export),
        Command::Export { options, .. } => (options, Task::Plan),
        Command::Plan { options, offline } => {
            is_offline = offline;
            (options, Task::Plan)
        }
        Command::Verify(verify) => {
            let (export, typed) = verify.split();
            let live = !typed.new.is_empty();
            verifying = Some(typed);
            (Box::new(export), Task::Verify { live })
        }
        Command::Explain(typed) => return explain(&typed),
        Command::Uidl(typed) => return uidl(&typed),
        Command::Retarget(typed) => return retarget(&typed),
        Command::Report(typed) => return report(&typed),
        Command::Status(typed) => {
            return match status::tell(&typed.dirs, &mut std::io::stdout().lock()) {
                Ok(exit) => exit.into(),
                Err(problems) => refused(&problems),
            };
        }
        Command::Help(typed) => return help(&typed),
        Command::Man(typed) => return man(&typed),
        Command::Completions(typed) => {
            help::completions(typed.shell, &mut std::io::stdout().lock());
            return Exit::Ok.into();
        }
    };
    let voice = Voice::from_cli(&options.running);
    // Whatever is made is for its owner only, also before its mode is set.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let config = match Config::from_cli(&options, task) {
        Ok(config) => config,
        Err(problems) => return refused(&problems),
    };
    let verification = verifying.map(|typed| {
        let verification = Verification::from_cli(&typed, &options.login)?;
        verification.fits(&config).map(|()| verification)
    });
    let verification = match verification.transpose() {
        Ok(verification) => verification,
        Err(problems) => return refused(&problems),
    };
    if is_offline {
        return offline(&config);
    }
    let history = match task {
        Task::Plan => history::read(&config.history),
        _ => Ok(Vec::new()),
    };
    let history = match history {
        Ok(history) => history,
        Err(problems) => return refused(&problems),
    };
    if let Moment::Closed(until) = config.windows.at(&jiff::Zoned::now()) {
        let (windows, until) = (&config.windows, window::told(&until));
        eprintln!("mailseed: outside the window {windows}: nothing was begun; it opens at {until}");
        return Exit::Interrupted.into();
    }
    let progress = Progress::start(voice.progress, task.command(), config.users.len());
    logging::start(voice.verbosity, voice.format, &progress);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let exit = match (task, &verification) {
        (Task::Check, _) => check(&config, voice, &progress),
        (_, Some(verification)) => verify(&config, verification, voice, &progress),
        _ => export(&config, &history, voice, &progress),
    };
    progress.finish();
    let exit = exit.unwrap_or_else(|problem| {
        eprintln!("mailseed: {problem}");
        match problem.kind {
            Kind::Target => Exit::Target,
            _ => Exit::Usage,
        }
    });
    progress.ended(exit as u8);
    exit.into()
}

/// What the command line and the job file say, or the end of the program: a refusal, a help.
fn told() -> Result<Cli, ExitCode> {
    let arguments = jobfile::arguments(std::env::args_os().collect(), Cli::command())
        .map_err(|problems| refused(&problems))?;
    Cli::try_parse_from(arguments.all).map_err(|error| {
        // Nobody to tell is no failure, as for the rest.
        let _ = error.print();
        let together = [
            ErrorKind::ArgumentConflict,
            ErrorKind::MissingRequiredArgument,
        ];
        if together.contains(&error.kind()) {
            for line in arguments.of_file {
                eprintln!("mailseed: {line}");
            }
        }
        match error.use_stderr() {
            true => Exit::Usage.into(),
            false => ExitCode::SUCCESS,
        }
    })
}

/// The user list is in order; how many there are.
fn offline(config: &Config) -> ExitCode {
    for warning in &config.warnings {
        eprintln!("mailseed: warning: {warning}");
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    // Nobody to tell (a closed pipe) does not change the answer.
    let _ = counts::tell(&config.users, config.shard.as_deref(), &mut out);
    let _ = out.flush();
    Exit::Ok.into()
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

fn explain(typed: &cli::Explain) -> ExitCode {
    let question = match Question::from_cli(typed) {
        Ok(question) => question,
        Err(problems) => return refused(&problems),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let exit = match explain::explain(&question, &mut out) {
        Ok(true) => Exit::Ok,
        Ok(false) => Exit::Some,
        Err(problem) => {
            eprintln!("mailseed: {problem}");
            Exit::Target
        }
    };
    // Nobody to tell (a closed pipe) does not change the answer.
    let _ = out.flush();
    exit.into()
}

fn uidl(typed: &cli::Uidl) -> ExitCode {
    let server = match config::pop3_server(typed) {
        Ok(server) => server,
        Err(problem) => return refused(&[problem]),
    };
    let announced = match announce::read(&typed.maildir, &server) {
        Ok(announced) => announced,
        Err(problem) => {
            eprintln!("mailseed: {problem}");
            return Exit::Target.into();
        }
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    // Nobody to tell (a closed pipe) does not change the answer.
    let _ = announced.write_to(&mut out).and_then(|()| out.flush());
    for doubt in &announced.doubts {
        let weight = if doubt.is_note() { "note" } else { "warning" };
        eprintln!("mailseed: {weight}: {doubt}");
    }
    let exit = match announced.is_certain() {
        true => Exit::Ok,
        false => Exit::Some,
    };
    exit.into()
}

fn retarget(typed: &cli::Retarget) -> ExitCode {
    let retarget = match config::retarget(typed) {
        Ok(retarget) => retarget,
        Err(problems) => return refused(&problems),
    };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let ending = Ending::on_signals();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let outcome = match retarget.run(&ending.stop, &mut out) {
        Ok(outcome) => outcome,
        Err(problem) => {
            let _ = out.flush();
            eprintln!("mailseed: {problem}");
            let exit = match problem.kind {
                Kind::Unholdable | Kind::Conflict | Kind::Busy => Exit::Some,
                Kind::Interrupted => Exit::Interrupted,
                _ => Exit::Target,
            };
            return exit.into();
        }
    };
    let (messages, uidls) = (outcome.messages, outcome.uidls);
    // As for the other commands, nobody to tell is no failure.
    let _ = writeln!(out, "{messages} messages, {uidls} UIDLs kept").and_then(|()| out.flush());
    for lost in &outcome.lost {
        eprintln!("mailseed: {lost}");
    }
    let exit = match outcome.lost.is_empty() {
        true => Exit::Ok,
        false => Exit::Some,
    };
    exit.into()
}

fn report(typed: &cli::Report) -> ExitCode {
    let sum = match sum::read(typed) {
        Ok(sum) => sum,
        Err(problems) => return refused(&problems),
    };
    match sum::write(&sum, typed) {
        Ok(()) => Exit::Ok.into(),
        Err(problem) => {
            eprintln!("mailseed: {problem}");
            Exit::Target.into()
        }
    }
}

fn help(typed: &cli::Help) -> ExitCode {
    let mut out = anstream::stdout().lock();
    match help::tell(typed.about.as_deref(), &mut out) {
        Ok(()) => Exit::Ok.into(),
        Err(problem) => refused(&[problem]),
    }
}

fn man(typed: &cli::Man) -> ExitCode {
    let Some(dir) = &typed.dir else {
        let about = typed.about.as_deref().unwrap_or_default();
        return match help::page(about) {
            Ok(page) => {
                // Nobody to tell (a closed pipe) is no failure.
                let _ = std::io::stdout().lock().write_all(&page);
                Exit::Ok.into()
            }
            Err(problem) => refused(&[problem]),
        };
    };
    match help::write_pages(dir) {
        Ok(()) => Exit::Ok.into(),
        Err(problem) => {
            eprintln!("mailseed: {problem}");
            Exit::Target.into()
        }
    }
}

fn check(config: &Config, voice: Voice, progress: &Progress) -> Result<Exit, Problem> {
    let all = voice.verbosity >= Verbosity::Verbose;
    let (report_dir, journal) = results(config, Task::Check, progress, jiff::Timestamp::now())?;
    let mut gathered = Gathered::new(CheckReport::new(all), journal);
    let ending = Ending::on_signals().within(&config.windows);
    let is_left = run::check(config, &mut gathered, progress, &ending.stop)?;
    progress.finish();
    if let Some(dir) = report_dir {
        dir.write_check(&gathered)?;
    }
    // As for an export, nobody to tell is no failure.
    let _ = gathered.tell(&mut std::io::stdout().lock());
    let exit = ending.exit(gathered.tally.exit(), is_left);
    gathered.end();
    Ok(exit)
}

fn verify(
    config: &Config,
    verification: &Verification,
    voice: Voice,
    progress: &Progress,
) -> Result<Exit, Problem> {
    let all = voice.verbosity >= Verbosity::Verbose;
    let task = Task::Verify { live: false };
    let (report_dir, journal) = results(config, task, progress, jiff::Timestamp::now())?;
    let mut gathered = Gathered::new(VerifyReport::new(all), journal);
    let ending = Ending::on_signals().within(&config.windows);
    let is_left = run::verify(config, verification, &mut gathered, progress, &ending.stop)?;
    progress.finish();
    if let Some(dir) = &report_dir {
        dir.write_verify(&gathered)?;
    }
    let dir = report_dir.as_ref().map(ReportDir::path);
    // As for an export, nobody to tell is no failure.
    let _ = gathered.tell(dir, &mut std::io::stdout().lock());
    let exit = ending.exit(gathered.tally.exit(), is_left);
    gathered.end();
    Ok(exit)
}

/// Where the reports go, and the results until then.
fn results(
    config: &Config,
    task: Task,
    progress: &Progress,
    started: jiff::Timestamp,
) -> Result<(Option<ReportDir>, Journal), Problem> {
    let metrics = config.metrics.as_deref();
    // What is wrong with it is said before the journal of an earlier run gives way to that of this one.
    progress.keep(None, metrics)?;
    let dir = config.report.as_deref();
    let dir = dir.map(ReportDir::prepare).transpose()?;
    let head = journal::Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: task.command().to_owned(),
        started,
        users: config.users.len(),
        shard: config.shard.clone(),
        options: config.options.clone(),
    };
    let mut journal = Journal::begin(dir.as_ref(), &head)?;
    progress.keep(config.report.as_deref(), metrics)?;
    journal.name(config.users.names())?;
    Ok((dir, journal))
}

fn export(
    config: &Config,
    history: &[estimate::Past],
    voice: Voice,
    progress: &Progress,
) -> Result<Exit, Problem> {
    let all = voice.verbosity >= Verbosity::Verbose;
    let task = match config.dry_run {
        true => Task::Plan,
        false => Task::Export,
    };
    let started = jiff::Timestamp::now();
    let (report_dir, journal) = results(config, task, progress, started)?;
    let report = ExportReport::begin(started, config.options.clone(), config.dry_run, all);
    let mut gathered = Gathered::new(report, journal);
    let space = Space::new(config.min_free);
    let ending = Ending::on_signals().within(&config.windows);
    let is_left = run::run((config, &space), &mut gathered, progress, &ending.stop)?;
    progress.finish();
    gathered.tally.finished = jiff::Timestamp::now();
    if let Some(dir) = report_dir {
        dir.write(&gathered)?;
    }
    let mut out = std::io::stdout().lock();
    let estimates = match task {
        Task::Plan => estimates(&gathered.tally, &space, config, history),
        _ => Vec::new(),
    };
    // Nobody to tell (a closed pipe) is no failure of the run: the exit status says how it went.
    let _ = person::tell(&gathered, &mut out).and_then(|()| {
        estimates
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))
    });
    let exit = ending.exit(gathered.tally.exit(), is_left);
    gathered.end();
    Ok(exit)
}

/// What a plan says besides of time and room.
fn estimates(
    report: &ExportReport,
    space: &Space,
    config: &Config,
    history: &[estimate::Past],
) -> Vec<String> {
    let totals = &report.totals;
    let looked = report.finished.duration_since(report.started);
    let job = estimate::Job {
        users: totals.users - totals.failed,
        messages: totals.added,
        bytes: totals.added_bytes,
        looked: looked.try_into().unwrap_or_default(),
        jobs: config.jobs,
    };
    let mut lines = estimate::lines(&job, history);
    lines.extend(space.told());
    lines
}

/// Says what is wrong with the input; nothing was started.
fn refused(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("mailseed: {problem}");
    }
    Exit::Usage.into()
}
