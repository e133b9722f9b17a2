//! The manual that the binary carries: help topics, manual pages, shell completions. All of it is made
//! from the definitions of the command line and from the Markdown files of `src/help/`, so that there is
//! one text of each.

mod pages;
mod roff;

use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::problem::{Kind, Problem, Reach};
use pages::Page;

/// A subject that is told at length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// What it is called, as in `mailseed help NAME`.
    pub name: &'static str,
    /// The same in a few words.
    pub title: &'static str,
    /// The whole, as Markdown. The first line is a heading.
    pub text: &'static str,
}

macro_rules! topic {
    ($name:literal, $title:literal) => {
        Topic {
            name: $name,
            title: $title,
            text: include_str!(concat!("help/", $name, ".md")),
        }
    };
}

/// All topics, in the order in which someone new needs them.
pub const TOPICS: &[Topic] = &[
    topic!(
        "runbook",
        "A migration from D-60 to D+30, with every command"
    ),
    topic!(
        "sources",
        "Old servers, kind by kind: what to type, and what is special"
    ),
    topic!(
        "targets",
        "New servers: settings, owners, quota, rsync to the final host"
    ),
    topic!(
        "coming-from",
        "From imapsync, dsync, mbsync, imap_to_maildir or pop2imap"
    ),
    topic!(
        "user-list",
        "The user list, passwords, master users, TLS and certificates"
    ),
    topic!(
        "selection",
        "Which folders and messages are taken, and under which names"
    ),
    topic!(
        "what-is-kept",
        "What is kept and what is not, UIDLs, the files that are written"
    ),
    topic!(
        "again",
        "Later runs: merge, mirror, late mail, deleting at the source"
    ),
    topic!(
        "checking",
        "check, verify, uidl, explain: before, at and after the cutover"
    ),
    topic!(
        "many-users",
        "Job file, pace, nights, daily caps, many machines"
    ),
    topic!("reports", "Reports, exit status, progress, Prometheus"),
    topic!("options", "All options, and which command takes which"),
    topic!("errors", "What the messages mean, and what to do"),
    topic!("limits", "What mailseed does not do"),
];

/// The definitions of the command line.
fn command() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Tells `out` about a command or a topic, or, without `about`, what there is.
///
/// # Errors
/// There is nothing of that name (kind Input, with the nearest that there is).
pub fn tell(about: Option<&str>, out: &mut dyn Write) -> Result<(), Problem> {
    let mut command = command();
    let Some(about) = about else {
        // Nobody to tell (a closed pipe) is no failure, here and below.
        let _ = write!(out, "{}", command.render_help().ansi()).and_then(|()| list(out));
        return Ok(());
    };
    if let Some(topic) = TOPICS.iter().find(|topic| topic.name == about) {
        let _ = show(topic.text, out);
        return Ok(());
    }
    if let Some(command) = command.find_subcommand_mut(about) {
        let _ = write!(out, "{}", command.render_long_help().ansi());
        return Ok(());
    }
    Err(unknown(about, &command))
}

/// The manual page of a command or a topic, as man(7) roff; with an empty name that of the program.
///
/// # Errors
/// There is nothing of that name (kind Input, with the nearest that there is).
pub fn page(about: &str) -> Result<Vec<u8>, Problem> {
    let page = pages::all().into_iter().find(|page| page.about == about);
    page.map(|page| page.roff)
        .ok_or_else(|| unknown(about, &command()))
}

/// Writes all manual pages into `dir`, which is made where it is not there. If it is called `man1`, man looks for
/// no pages of another section there: those of section 7 go into `man7` beside it.
///
/// # Errors
/// The directory or a file cannot be written (reach Run, kind Target).
pub fn write_pages(dir: &Path) -> Result<(), Problem> {
    let topics = match dir.file_name().is_some_and(|name| name == "man1") {
        true => dir.with_file_name("man7"),
        false => dir.to_owned(),
    };
    let write = |Page { file, roff, .. }: Page| {
        let dir = if file.ends_with(".7") { &topics } else { dir };
        std::fs::write(dir.join(file), roff)
    };
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::create_dir_all(&topics))
        .and_then(|()| pages::all().into_iter().try_for_each(write))
        .map_err(|error| {
            let what = format!("the manual pages cannot be written to {}", dir.display());
            Problem::new(Kind::Target, Reach::Run, what).caused_by(error)
        })
}

/// Writes the completions of `shell`.
pub fn completions(shell: Shell, out: &mut dyn Write) {
    let command = command();
    let names = names(&command).map(str::to_owned);
    let names = PossibleValuesParser::new(names.collect::<Vec<_>>());
    // A name that is none is answered by `unknown`, so that clap knows of them here alone.
    let about = |of: Command| of.mut_arg("about", |arg| arg.value_parser(names.clone()));
    let command = Cli::command().mut_subcommand("help", about);
    let mut command = command.mut_subcommand("man", about);
    // A closed pipe would be a panic in clap_complete: write what it makes by ourselves.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "mailseed", &mut text);
    let _ = out.write_all(&text);
}

/// All that there is a text about.
fn names(command: &Command) -> impl Iterator<Item = &str> {
    let commands = command.get_subcommands().map(Command::get_name);
    commands.chain(TOPICS.iter().map(|topic| topic.name))
}

/// The problem that `about` is neither a command nor a topic.
fn unknown(about: &str, command: &Command) -> Problem {
    let what = format!("there is no command and no topic {about:?}");
    let problem = Problem::new(Kind::Input, Reach::Run, what);
    let nearest = names(command)
        .map(|name| (strsim::jaro_winkler(about, name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, name)) if likeness > 0.8 => {
            problem.with_hint(format!("do you mean `mailseed help {name}`?"))
        }
        _ => problem.with_hint("`mailseed help` lists them all"),
    }
}

/// The list of topics, as it stands below that of the commands.
fn list(out: &mut dyn Write) -> io::Result<()> {
    let heading = Style::new().bold().underline();
    writeln!(out, "\n{heading}Topics{heading:#} (mailseed help TOPIC):")?;
    for topic in TOPICS {
        writeln!(out, "  {:<13} {}", topic.name, topic.title)?;
    }
    Ok(())
}

/// Markdown as it stands, its headings in bold and its commands in a colour; `out` takes both away where
/// they are not wanted.
fn show(markdown: &str, out: &mut dyn Write) -> io::Result<()> {
    let heading = Style::new().bold();
    let typed = AnsiColor::Magenta.on_default();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            writeln!(out, "    {typed}{line}{typed:#}")?;
        } else if let Some(words) = line.strip_prefix('#') {
            writeln!(
                out,
                "{heading}{}{heading:#}",
                words.trim_start_matches('#').trim_start()
            )?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(about: Option<&str>) -> Result<String, String> {
        let mut out = anstream::StripStream::new(Vec::new());
        let told = tell(about, &mut out);
        let text = String::from_utf8(out.into_inner()).expect("UTF-8");
        told.map(|()| text).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_topic_is_told_and_a_command_too() {
        let overview = told(None).expect("an overview");
        for topic in TOPICS {
            assert!(overview.contains(topic.name), "{}", topic.name);
            let text = told(Some(topic.name)).expect("a topic");
            assert!(!text.contains("```") && !text.starts_with('#'), "{text}");
        }
        assert!(
            told(Some("export"))
                .expect("a command")
                .contains("--max-delete <PERCENT>")
        );
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let rows = [
            ("runbok", "do you mean `mailseed help runbook`?"),
            ("exprot", "do you mean `mailseed help export`?"),
            ("zebra", "`mailseed help` lists them all"),
        ];
        for (typed, hint) in rows {
            assert!(
                told(Some(typed)).expect_err("unknown").contains(hint),
                "{typed}"
            );
        }
    }

    #[test]
    fn topics_fit_a_terminal() {
        for topic in TOPICS {
            // In the list of topics, after its name.
            assert!(topic.title.len() <= 64, "{}", topic.name);
            let mut lines = topic.text.lines();
            assert!(
                lines.next().is_some_and(|line| line.starts_with("# ")),
                "{}",
                topic.name
            );
            let mut fenced = false;
            for line in lines {
                fenced ^= line.starts_with("```");
                // Blocks of commands are indented by four.
                let widest = if fenced { 76 } else { 79 };
                assert!(line.chars().count() <= widest, "{}: {line}", topic.name);
            }
        }
    }
}
