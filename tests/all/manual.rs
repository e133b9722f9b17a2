//! The manual that the binary carries is true: its commands are such as mailseed takes, its error texts
//! are those that the program has, its pages are such as man reads.

mod commands;
mod options;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser as _;
use mailseed::cli::Cli;
use mailseed::help::TOPICS;

use crate::support::program::mailseed;

/// The fenced blocks of `text`: what they are marked as, and what is in them.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut parts = text.split("\n```");
    parts.next();
    // Every second part is what stands between two blocks.
    parts
        .step_by(2)
        .map(|block| block.split_once('\n').unwrap_or((block, "")))
}

/// The commands of a block, each on one line.
fn joined(block: &str) -> Vec<String> {
    block
        .replace("\\\n", " ")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_of_the_manual_is_one_that_mailseed_takes() {
    let mut count = 0;
    for topic in TOPICS {
        let shell = blocks(topic.text).filter(|(kind, _)| *kind == "sh");
        for command in shell.flat_map(|(_, block)| joined(block)) {
            let words = shlex::split(&command).expect("a shell command");
            assert_eq!(words[0], "mailseed", "{}: {command}", topic.name);
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{}: {command}\n{error}", topic.name);
            }
            count += 1;
        }
    }
    assert!(count >= 20, "only {count} commands were found");
}

/// All of the program's source, for texts that are in it.
fn source(dir: &Path, into: &mut String) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            source(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).expect("source");
            // A text that goes on on the next line is one text.
            for line in text.lines() {
                into.push_str(line.trim());
                into.push(if line.ends_with('\\') { ' ' } else { '\n' });
            }
        }
    }
}

#[test]
fn every_error_text_of_the_manual_is_one_of_the_program() {
    let mut program = String::new();
    source(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut program,
    );
    let program = program.replace("\\ ", "");
    let errors = TOPICS.iter().find(|topic| topic.name == "errors");
    let text = errors.expect("the topic").text.replace('\n', " ");
    let told: Vec<&str> = text
        .split("**`")
        .skip(1)
        .filter_map(|rest| rest.split("`**").next())
        .collect();
    assert!(told.len() >= 15, "only {} texts were found", told.len());
    for words in told {
        assert!(
            program.contains(words),
            "no such text in the program: {words}"
        );
    }
}

#[test]
fn the_pages_are_such_as_man_reads() {
    let dir = tempfile::tempdir().expect("a directory");
    let pages = dir.path().join("man");
    let out = mailseed(["man", "--dir", pages.to_str().expect("a plain path")]);
    assert_eq!((out.code, out.stderr.as_str()), (Some(0), ""));
    let mut names: Vec<String> = std::fs::read_dir(&pages)
        .expect("the pages")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .collect();
    names.sort();
    assert!(
        names.contains(&"mailseed.1".to_owned())
            && names.contains(&"mailseed-runbook.7".to_owned())
    );
    for name in &names {
        // All warnings of the formatter that man uses; there are to be none.
        let groff = Command::new("groff")
            .args(["-man", "-Kutf8", "-Tutf8", "-ww", "-z", "-rLL=78n"])
            .arg(pages.join(name))
            .output()
            .expect("groff is there (scripts/install-deps)");
        let said = String::from_utf8_lossy(&groff.stderr);
        assert!(groff.status.success() && said.is_empty(), "{name}: {said}");
    }
    // Where man looks for them.
    let man1 = dir.path().join("share/man/man1");
    let out = mailseed(["man", "--dir", man1.to_str().expect("a plain path")]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    for page in ["man1/mailseed-export.1", "man7/mailseed-runbook.7"] {
        assert!(man1.with_file_name(page).is_file(), "{page}");
    }
    let one = mailseed(["man", "export"]);
    assert_eq!(one.code, Some(0));
    let same = std::fs::read_to_string(pages.join("mailseed-export.1")).expect("a page");
    assert_eq!(one.stdout, same);
    assert_eq!(mailseed(["man", "exprot"]).code, Some(2));
}

#[test]
fn completions_are_such_as_their_shells_read() {
    for shell in ["bash", "zsh", "fish"] {
        let out = mailseed(["completions", shell]);
        assert_eq!((out.code, out.stderr.as_str()), (Some(0), ""), "{shell}");
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("completions");
        std::fs::write(&file, &out.stdout).expect("written");
        let check = Command::new(shell).arg("-n").arg(&file).output();
        let check = check.unwrap_or_else(|_| panic!("{shell} is there (scripts/install-deps)"));
        let said = String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success() && said.is_empty(), "{shell}: {said}");
    }
    // And what is more than well-formed: bash completes an option of a command, and a topic.
    for (command, begun, whole) in [
        ("export", "--after", "--after-cutover"),
        ("help", "run", "runbook"),
        ("man", "expo", "export"),
    ] {
        let script = "source <(\"$1\" completions bash); COMP_WORDS=(mailseed \"$2\" \"$3\"); COMP_CWORD=2; \
                      _mailseed mailseed \"$3\" \"$2\"; echo \"${COMPREPLY[*]}\"";
        let program = env!("CARGO_BIN_EXE_mailseed");
        let bash = Command::new("bash")
            .args(["-c", script, "bash", program, command, begun])
            .output()
            .expect("bash");
        assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), whole);
    }
}

#[test]
fn help_takes_a_command_a_topic_or_nothing() {
    let overview = mailseed(["help"]);
    assert_eq!(overview.code, Some(0));
    assert!(overview.stdout.contains("export") && overview.stdout.contains("runbook"));
    assert!(
        !overview.stdout.contains('\x1b'),
        "colours where there is no terminal"
    );
    let topic = mailseed(["help", "runbook"]);
    assert!(
        topic
            .stdout
            .starts_with("A migration from beginning to end\n"),
        "{}",
        topic.stdout
    );
    assert_eq!(
        mailseed(["help", "export"]).stdout,
        mailseed(["export", "--help"]).stdout
    );
    let typo = mailseed(["help", "runbok"]);
    assert_eq!(typo.code, Some(2));
    assert!(
        typo.stderr.contains("mailseed help runbook"),
        "{}",
        typo.stderr
    );
}
