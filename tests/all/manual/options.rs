//! The topic on options is what the command line takes, and each of them is told at more length elsewhere.

use std::path::Path;

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory as _, Parser as _};
use mailseed::cli::Cli;
use mailseed::help::TOPICS;

/// An option as several commands take it.
struct Row {
    /// Under what --help has it.
    heading: String,
    text: String,
    commands: Vec<String>,
}

fn of(arg: &Arg) -> Option<String> {
    let long = arg.get_long()?;
    let short = arg.get_short().map(|short| format!("-{short}, "));
    let takes = arg.get_action().takes_values();
    let may_be_bare = arg
        .get_num_args()
        .is_some_and(|count| count.min_values() == 0);
    let value = match arg.get_value_names() {
        Some(names) if takes && may_be_bare => format!("[={}]", names.join(" ")),
        Some(names) if takes => format!(" {}", names.join(" ")),
        _ => String::new(),
    };
    let help = arg.get_help().map(StyledStr::to_string).unwrap_or_default();
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let possible = match takes && !possible.is_empty() {
        true => format!(": {}", possible.join(", ")),
        false => String::new(),
    };
    let default: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let default = match default.is_empty() || !takes {
        true => String::new(),
        false => format!(" [default: {}]", default.join(",")),
    };
    let short = short.unwrap_or_default();
    Some(format!(
        "- `{short}--{long}{value}`: {help}{possible}{default}"
    ))
}

fn rows(command: &Command) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for of_command in command.get_subcommands() {
        for arg in of_command.get_arguments() {
            let Some(text) = of(arg) else { continue };
            let name = of_command.get_name().to_owned();
            let heading = arg.get_help_heading().unwrap_or("Others").to_owned();
            match rows
                .iter_mut()
                .find(|row| row.text == text && row.heading == heading)
            {
                Some(row) => row.commands.push(name),
                None => rows.push(Row {
                    heading,
                    text,
                    commands: vec![name],
                }),
            }
        }
    }
    rows
}

/// `text` in lines of at most 79 characters, those after the first indented.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("one at least");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > 79 {
            lines.push(format!("  {word}"));
        } else {
            let space = if last.is_empty() { "" } else { " " };
            last.push_str(space);
            last.push_str(word);
        }
    }
    lines.join("\n")
}

/// What the topic has to be.
fn topic() -> String {
    let rows = rows(&Cli::command());
    let mut headings: Vec<&str> = Vec::new();
    for row in &rows {
        if !headings.contains(&row.heading.as_str()) {
            headings.push(&row.heading);
        }
    }
    headings.sort_by_key(|heading| *heading == "Others");
    let mut text = String::from(
        "# All options\n\nIn a few words each; `mailseed COMMAND --help` tells more. In brackets are the\n\
         commands that take it, where they are not check, plan, export and verify. The\n\
         long names without their dashes are the keys of a job file (`mailseed help\n\
         many-users`). Every command has `--help` and, in short, `-h`.\n",
    );
    for heading in headings {
        text.push_str(&format!("\n## {heading}\n\n"));
        for row in rows.iter().filter(|row| row.heading == heading) {
            let of = match row.commands.join(", ").as_str() {
                "check, export, plan, verify" => String::new(),
                commands => format!(" ({commands})"),
            };
            text.push_str(&wrapped(&format!("{}{of}", row.text)));
            text.push('\n');
        }
    }
    text
}

/// With MAILSEED_WRITE_TOPIC=1 in the environment it is written anew first.
#[test]
fn the_topic_on_options_is_what_the_command_line_takes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/help/options.md");
    if std::env::var_os("MAILSEED_WRITE_TOPIC").is_some() {
        std::fs::write(&file, topic()).expect("written");
    }
    let there = std::fs::read_to_string(&file).expect("the topic");
    assert!(
        there == topic(),
        "src/help/options.md is not what --help says: write it anew by\n\
         MAILSEED_WRITE_TOPIC=1 cargo test --test all the_topic_on_options"
    );
}

#[test]
fn every_option_and_command_is_told_in_words_too() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut told = std::fs::read_to_string(readme).expect("the README");
    for topic in TOPICS.iter().filter(|topic| topic.name != "options") {
        told.push_str(topic.text);
    }
    let words: Vec<&str> = told
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    let command = Cli::command();
    let mut missing = Vec::new();
    for of_command in command.get_subcommands() {
        let name = of_command.get_name();
        if !told.contains(&format!("mailseed {name}")) {
            missing.push(format!("mailseed {name}"));
        }
        for long in of_command.get_arguments().filter_map(Arg::get_long) {
            let option = format!("--{long}");
            if !words.contains(&option.as_str()) && !missing.contains(&option) {
                missing.push(option);
            }
        }
    }
    assert!(missing.is_empty(), "told nowhere: {missing:?}");
}

/// The commands below "Examples:" of a help, each on one line.
pub(super) fn examples(help: &str) -> Vec<String> {
    let Some((_, examples)) = help.split_once("Examples:\n") else {
        return Vec::new();
    };
    let joined = examples.replace("\\\n", " ");
    let lines = joined.lines().take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_help_ends_with_examples_and_the_short_one_fits_a_screen() {
    let mut all = Cli::command().term_width(80);
    all.build();
    let short = all.render_help().to_string();
    assert!(short.lines().count() <= 24, "{short}");
    for command in all.get_subcommands_mut() {
        let name = command.get_name().to_owned();
        let (short, long) = (command.render_help(), command.render_long_help());
        let long = long.to_string();
        assert!(short.to_string().len() < long.len(), "{name}");
        for help in [short.to_string(), long.clone()] {
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
        let examples = examples(&long);
        assert!((2..=3).contains(&examples.len()), "{name}: {examples:?}");
        for example in examples {
            let words = shlex::split(&example).expect("a shell command");
            assert_eq!(words[..2], ["mailseed", &name], "{example}");
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{example}\n{error}");
            }
        }
    }
}
