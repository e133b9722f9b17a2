//! The commands over many users: `check`, `plan`, `export`, `verify`.

use std::io::{self, BufWriter, Write};

use super::{close_files, refused};
use crate::cli;
use crate::config::{Config, Task, Verification, Voice};
use crate::ending::Ending;
use crate::estimate::{self, history};
use crate::logging::{self, Verbosity};
use crate::problem::{Kind, Problem};
use crate::progress::Progress;
use crate::report::{
    CheckReport, Exit, ExportReport, Gathered, Journal, ReportDir, VerifyReport, counts, journal,
    person,
};
use crate::run;
use crate::space::Space;
use crate::terminal::{self, Results};
use crate::text::printable;
use crate::window::{self, Moment};

/// Does `task` for all users that `typed` has.
pub(super) fn run(typed: &cli::Export, task: Task, verifying: Option<&cli::Verifying>) -> Exit {
    close_files();
    match begin(typed, task, verifying) {
        Ok(job) => job.run(task, Voice::from_cli(&typed.running)),
        Err(problems) => refused(&problems),
    }
}

/// What is to be done, found to be in order.
struct Job {
    config: Config,
    verification: Option<Verification>,
    /// For a plan, of earlier runs.
    history: Vec<estimate::Past>,
}

fn begin(
    typed: &cli::Export,
    task: Task,
    verifying: Option<&cli::Verifying>,
) -> Result<Job, Vec<Problem>> {
    let config = Config::from_cli(typed, task)?;
    let verification = verifying.map(|verifying| {
        let verification = Verification::from_cli(verifying, &typed.accounts.login)?;
        verification.fits(&config).map(|()| verification)
    });
    let history = match task {
        Task::Plan => history::read(&config.history)?,
        _ => Vec::new(),
    };
    Ok(Job {
        verification: verification.transpose()?,
        history,
        config,
    })
}

impl Job {
    fn run(&self, task: Task, voice: Voice) -> Exit {
        let config = &self.config;
        if let Moment::Closed(until) = config.windows.at(&jiff::Zoned::now()) {
            let (windows, until) = (&config.windows, window::told(&until));
            terminal::say(&format!(
                "outside the window {windows}: nothing was begun; it opens at {until}"
            ));
            return Exit::Interrupted;
        }
        let progress = Progress::start(voice.progress, task.command(), config.users.len());
        logging::start(voice.verbosity, voice.format, &progress);
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if matches!(task, Task::Export | Task::Plan) && config.users.stays_with_root() {
            tracing::warn!(
                "without --owner the mail belongs to root, and hardly a mail server serves such: name whose it is to be"
            );
        }
        let exit = match (task, &self.verification) {
            (Task::Check, _) => check(config, voice, &progress),
            (_, Some(verification)) => verify(config, verification, voice, &progress),
            _ => export(config, &self.history, voice, &progress),
        };
        progress.finish();
        let exit = exit.unwrap_or_else(|problem| {
            terminal::say(&problem.to_string());
            match problem.kind {
                Kind::Target => Exit::Target,
                _ => Exit::Usage,
            }
        });
        progress.ended(exit as u8);
        exit
    }
}

/// Says that the user list is in order, and how many there are.
pub(super) fn offline(typed: &cli::Export) -> Exit {
    let config = match Config::from_cli(typed, Task::Plan) {
        Ok(config) => config,
        Err(problems) => return refused(&problems),
    };
    for warning in &config.warnings {
        terminal::say(&format!("warning: {warning}"));
    }
    let mut out = BufWriter::new(Results::stdout());
    // Nobody to tell (a closed pipe) does not change the answer.
    let _ = counts::tell(&config.users, config.shard.as_deref(), &mut out);
    let _ = out.flush();
    Exit::Ok
}

fn check(config: &Config, voice: Voice, progress: &Progress) -> Result<Exit, Problem> {
    let all = voice.verbosity >= Verbosity::Verbose;
    let (report_dir, journal) = results(config, Task::Check, progress, jiff::Timestamp::now())?;
    let mut gathered = Gathered::new(CheckReport::new(all), journal);
    let ending = Ending::on_signals().within(&config.windows);
    let is_left = run::check(config, &mut gathered, progress, &ending.stop)?;
    progress.finish();
    if let Some(dir) = &report_dir {
        dir.write_check(&gathered)?;
    }
    let mut out = Results::stdout();
    let exit = ending.exit(gathered.tally.exit(), is_left);
    // As for an export, nobody to tell is no failure.
    let _ = gathered
        .tell(&mut out)
        .and_then(|()| tell_on("check", (report_dir.as_ref(), "check.csv"), exit, &mut out));
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
    let _ = gathered.tell(dir, &mut Results::stdout());
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
    if let Some(dir) = &report_dir {
        dir.write(&gathered)?;
    }
    let mut out = Results::stdout();
    let exit = ending.exit(gathered.tally.exit(), is_left);
    let estimates = match task {
        Task::Plan => estimates(&gathered.tally, &space, config, history),
        _ => Vec::new(),
    };
    // Nobody to tell (a closed pipe) is no failure of the run: the exit status says how it went.
    let _ = person::tell(&gathered, &mut out).and_then(|()| {
        estimates
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))?;
        let dir = report_dir.as_ref().filter(|_| task == Task::Export);
        tell_on("run", (dir, "summary.csv"), exit, &mut out)
    });
    gathered.end();
    Ok(exit)
}

/// Where it is told what is not done, and how it is done once that is mended.
fn tell_on(
    again: &str,
    (dir, file): (Option<&ReportDir>, &str),
    exit: Exit,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(dir) = dir.filter(|_| exit != Exit::Ok) else {
        return Ok(());
    };
    let file = dir.path().join(file);
    let file = printable(&file.to_string_lossy());
    if exit == Exit::Interrupted {
        return writeln!(
            out,
            "the same command goes on from there, with another --report"
        );
    }
    writeln!(
        out,
        "{file} tells what is not done, and why; once it is mended, {again} again with --only-failed {file} and \
         another --report"
    )
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
