//! What is told on standard error while it runs: only our own words, never those of the libraries
//! (the imap crate would echo the login).

use std::fmt;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::progress::Progress;
use crate::terminal;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a line, for programs
    Json,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// `-q`: errors.
    Quiet,
    /// Warnings, and the few lines of [`SUMMARY`].
    #[default]
    Normal,
    /// `-v`: what is done.
    Verbose,
    /// `-vv`: every step.
    Debug,
}

/// The target of info lines that are told without `-v`: `tracing::info!(target: SUMMARY, ..)`.
pub const SUMMARY: &str = "mailseed::summary";

/// The target of info lines that are told whatever the verbosity, since someone has asked for them.
pub const ASKED: &str = "mailseed::asked";

/// Sends all events of mailseed to standard error from now on, past the bar of `progress`. The
/// first call in a process decides.
pub fn start(verbosity: Verbosity, format: Format, progress: &Progress) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(PastTheBar {
            progress: progress.clone(),
            folds: format == Format::Text,
        })
        .with_target(false)
        .with_timer(Seconds);
    let filter = filter(verbosity);
    // On a terminal, unless NO_COLOR or the like says otherwise.
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    // An error means that a subscriber is set already.
    let _ = match format {
        Format::Text => tracing::subscriber::set_global_default(
            tracing_subscriber::registry()
                .with(filter)
                .with(lines.event_format(ForPeople).with_ansi(colours)),
        ),
        Format::Json => tracing::subscriber::set_global_default(
            tracing_subscriber::registry()
                .with(filter)
                .with(lines.json().flatten_event(true).with_current_span(false)),
        ),
    };
}

fn filter(verbosity: Verbosity) -> Targets {
    let (all, summary) = match verbosity {
        Verbosity::Quiet => (LevelFilter::ERROR, LevelFilter::ERROR),
        Verbosity::Normal => (LevelFilter::WARN, LevelFilter::INFO),
        Verbosity::Verbose => (LevelFilter::INFO, LevelFilter::INFO),
        Verbosity::Debug => (LevelFilter::DEBUG, LevelFilter::DEBUG),
    };
    Targets::new()
        .with_target("mailseed", all)
        .with_target(SUMMARY, summary)
        .with_target(ASKED, LevelFilter::INFO)
}

/// Time, level, message, fields. Only weight tells the levels apart, and red the errors: yellow is not to be
/// read on a light ground, nor blue on a dark one.
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let style = match level {
            _ if !line.has_ansi_escapes() => Style::new(),
            Level::ERROR => AnsiColor::Red.on_default().bold(),
            Level::WARN => Style::new().bold(),
            _ => Style::new(),
        };
        write!(line, "{} {style}{level:>5}{style:#} ", now())?;
        context.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}

struct Seconds;

impl FormatTime for Seconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", now())
    }
}

/// The time as reports and logs write it: RFC 3339, whole seconds, UTC.
pub fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

struct PastTheBar {
    progress: Progress,
    /// Lines for people are folded on a terminal; those for programs stay whole there, too.
    folds: bool,
}

impl<'w> MakeWriter<'w> for PastTheBar {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line(self)
    }
}

/// The layer hands over each event as one write.
struct Line<'w>(&'w PastTheBar);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = match self.0.folds {
            true => terminal::fitted(&text, std::io::stderr()).into(),
            false => text,
        };
        self.0
            .progress
            .suspend(|| std::io::stderr().write_all(text.as_bytes()))
            .map(|()| line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_words_at_the_level_asked_for() {
        let told =
            |verbosity, target: &str, level: Level| filter(verbosity).would_enable(target, &level);
        for (verbosity, target, level, want) in [
            (Verbosity::Quiet, "mailseed::run", Level::ERROR, true),
            (Verbosity::Quiet, "mailseed::run", Level::WARN, false),
            (Verbosity::Quiet, SUMMARY, Level::INFO, false),
            (Verbosity::Quiet, ASKED, Level::INFO, true),
            (Verbosity::Normal, "mailseed", Level::WARN, true),
            (Verbosity::Normal, "mailseed", Level::INFO, false),
            (Verbosity::Normal, SUMMARY, Level::INFO, true),
            (Verbosity::Verbose, "mailseed", Level::INFO, true),
            (Verbosity::Verbose, "mailseed", Level::DEBUG, false),
            (Verbosity::Debug, "mailseed", Level::DEBUG, true),
            (Verbosity::Debug, "mailseed", Level::TRACE, false),
            (Verbosity::Debug, "imap", Level::ERROR, false),
            (Verbosity::Debug, "log", Level::ERROR, false),
        ] {
            assert_eq!(
                told(verbosity, target, level),
                want,
                "{verbosity:?} {target} {level}"
            );
        }
    }

    #[test]
    fn times_are_whole_seconds_in_utc() {
        let time = now().to_string();
        assert_eq!((time.len(), time.ends_with('Z')), (20, true), "{time}");
    }
}
