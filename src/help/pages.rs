//! The manual pages: one for the program, one for each command (section 1), one for each topic (section 7).

use std::io;

use clap::Command;
use clap_mangen::Man;

use super::{TOPICS, Topic, command, roff};

/// A manual page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The command or the topic; empty for the page of the program itself.
    pub(super) about: String,
    /// What its file is called, such as `mailseed-export.1`.
    pub(super) file: String,
    /// The page, as man(7) roff.
    pub(super) roff: Vec<u8>,
}

/// All pages.
pub(super) fn all() -> Vec<Page> {
    let command = command();
    let commands = command.get_subcommands().map(of_command);
    let mut pages = vec![of_program(&command)];
    pages.extend(commands);
    pages.extend(TOPICS.iter().map(of_topic));
    pages
}

fn of_program(command: &Command) -> Page {
    let topics = TOPICS
        .iter()
        .map(|topic| format!("mailseed-{}(7)", topic.name));
    let also: Vec<String> = topics.collect();
    page(
        command.clone(),
        String::new(),
        "mailseed.1".to_owned(),
        &also.join(", "),
    )
}

fn of_command(command: &Command) -> Page {
    let name = command.get_name().to_owned();
    let file = format!("mailseed-{name}.1");
    // Its own name is that of its page: mailseed-export.
    let command = command.clone().bin_name(format!("mailseed {name}"));
    page(command, name, file, "mailseed(1), mailseed-runbook(7)")
}

fn page(mut command: Command, about: String, file: String, also: &str) -> Page {
    let title = file.trim_end_matches(".1").to_uppercase();
    let version = concat!("mailseed ", env!("CARGO_PKG_VERSION"));
    // Not clap_mangen's, which would be all options in one paragraph.
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage:").unwrap_or(&usage).trim();
    let has_commands = command.get_subcommands().next().is_some();
    // Nor its section EXTRA for whatever follows.
    let after = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(ToString::to_string);
    let (more, sections) = roff::after_options(&after.unwrap_or_default());
    let man = Man::new(command).title(title).section("1");
    let man = man.source(version).manual("mailseed");
    let mut page = Vec::new();
    let mut render = || {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        page.extend_from_slice(roff::section("SYNOPSIS", usage).as_bytes());
        man.render_description_section(&mut page)?;
        page.extend_from_slice(more.as_bytes());
        man.render_options_section(&mut page)?;
        if has_commands {
            man.render_subcommands_section(&mut page)?;
        }
        page.extend_from_slice(sections.as_bytes());
        io::Result::Ok(())
    };
    render().expect("a Vec takes all that is written to it");
    page.extend_from_slice(roff::section("SEE ALSO", also).as_bytes());
    Page {
        about,
        file,
        roff: page,
    }
}

fn of_topic(topic: &Topic) -> Page {
    let mut roff = Vec::new();
    roff::page(topic, &mut roff).expect("a Vec takes all that is written to it");
    Page {
        about: topic.name.to_owned(),
        file: format!("mailseed-{}.7", topic.name),
        roff,
    }
}
