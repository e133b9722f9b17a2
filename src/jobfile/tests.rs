use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::cli::{self, Cli, Server};

/// The arguments of `mailseed` with `typed`, where `job.toml` holds `text`; or what is wrong.
fn all(text: &str, typed: &[&str]) -> Result<Vec<String>, Vec<String>> {
    let dir = tempfile::tempdir().expect("a place for a file");
    let path = dir.path().join("job.toml");
    std::fs::write(&path, text).expect("it can be written");
    let path = path.display().to_string();
    let typed = ["mailseed"]
        .iter()
        .chain(typed)
        .map(|word| word.replace("FILE", &path).into());
    let arguments = arguments(typed.collect(), Cli::command());
    let short = |text: String| text.replace(&path, "FILE");
    match arguments {
        Ok(arguments) => Ok(arguments
            .all
            .into_iter()
            .map(|word| short(word.into_string().expect("UTF-8")))
            .collect()),
        Err(problems) => Err(problems
            .iter()
            .map(|problem| short(problem.to_string()))
            .collect()),
    }
}

#[test]
fn keys_become_arguments_before_the_typed_ones() {
    let job = r#"
        imap = "imaps://old.example.com"
        jobs = 1_6
        exclude = ["Trash*", "Spam"]
        target = ["qmail", "dovecot"]
        mirror = true
        subscribed = false
        since = 2015-01-31
        max-size = 26214400
        verbose = 2
        delete-local = true
    "#;
    let before = [
        "--imap=imaps://old.example.com",
        "--jobs=16",
        "--exclude=Trash*",
        "--exclude=Spam",
        "--target=qmail",
        "--target=dovecot",
        "--mirror",
        "--since=2015-01-31",
        "--max-size=26214400",
        "--verbose",
        "--verbose",
        "--delete-local",
    ];
    // What is typed, and which of the file's goes for it.
    let cases: [(&[&str], &[&str]); 6] = [
        (&["export", "--job", "FILE"], &[]),
        (&["plan", "--job=FILE", "-j", "2"], &["--jobs=16"]),
        (
            &["plan", "--exclude", "Junk", "--job", "FILE"],
            &["--exclude=Trash*", "--exclude=Spam"],
        ),
        (
            &["plan", "-v", "--target=courier", "--job", "FILE"],
            &[
                "--target=qmail",
                "--target=dovecot",
                "--verbose",
                "--verbose",
            ],
        ),
        // Those of an export only.
        (&["check", "--job", "FILE"], &["--mirror", "--delete-local"]),
        // What is wrong with the command line is not said here.
        (
            &["export", "--expunge-marked", "--job", "FILE", "--no-such"],
            &[],
        ),
    ];
    for (typed, gone) in cases {
        let want: Vec<&str> = ["mailseed", typed[0]]
            .into_iter()
            .chain(before.into_iter().filter(|word| !gone.contains(word)))
            .chain(typed[1..].iter().copied())
            .collect();
        assert_eq!(
            all(job, typed).as_deref(),
            Ok(&*want.map_strings()),
            "{typed:?}"
        );
    }
    let explained = all(
        "maildir = \"/m/{user}\"\njobs = 3\ntarget = \"qmail,dovecot\"\nfolder = [\"INBOX\", \"Lists*\"]",
        &["explain", "ann", "--job", "--job=FILE"],
    );
    let words = ["mailseed", "explain", "ann", "--job", "--job=FILE"];
    assert_eq!(
        explained,
        Ok(words.to_vec().map_strings()),
        "a message of that name"
    );
    for untouched in [&["export"][..], &["--help"], &["report", "--job", "x"], &[]] {
        let words: Vec<&str> = ["mailseed"].iter().chain(untouched).copied().collect();
        assert_eq!(all("", untouched), Ok(words.map_strings()));
    }
}

trait MapStrings {
    fn map_strings(self) -> Vec<String>;
}

impl MapStrings for Vec<&str> {
    fn map_strings(self) -> Vec<String> {
        self.into_iter().map(str::to_owned).collect()
    }
}

#[test]
fn delete_source_may_stand_alone_or_say_what() {
    for (value, want) in [
        ("true", Some("--delete-source")),
        ("false", None),
        ("\"all\"", Some("--delete-source=all")),
    ] {
        let words = all(
            &format!("delete-source = {value}"),
            &["export", "--job=FILE"],
        );
        let words = words.expect("it is sound");
        assert_eq!(
            words
                .get(2)
                .map(String::as_str)
                .filter(|word| *word != "--job=FILE"),
            want
        );
    }
}

/// The whole of what is wrong is said, by line, and no value of an unknown key.
#[test]
fn everything_wrong_is_told_at_once_by_line() {
    let job = r#"# one thing after the other
imapp = "hunter2"
jobs = "many"
fsync = "sometimes"

subscribed = "yes"
since = true
imap = ["a", "b"]
exclude = ["a", ["b"]]
password = "hunter2"
host_jbos = 3
verbose = 10
max-delete = 101
help = true
job = "other.toml"
zebra = 1
only = []
[target]
dovecot = true
"#;
    let want = [
        "line 2: unknown key \"imapp\": is imap meant?",
        "line 3: jobs: \"many\" cannot be used: it is no number, and not auto",
        "line 4: fsync: \"sometimes\" is none of never, batch, always",
        "line 6: subscribed takes true or false",
        "line 7: since takes a value, not true or false",
        "line 8: imap takes one value, not a list",
        "line 9: exclude takes texts or numbers in its list",
        "line 10: password: passwords do not belong here: password-file and password-command say where they are",
        "line 11: unknown key \"host_jbos\": is host-jobs meant?",
        "line 12: verbose takes a number up to 9",
        "line 13: max-delete: \"101\" cannot be used: 101 is not in 0..=100",
        "line 14: unknown key \"help\"",
        "line 15: job: a job file names no other",
        "line 16: unknown key \"zebra\"",
        "line 18: target takes no table: the file has no sections",
    ];
    let want: Vec<String> = want.iter().map(|told| format!("FILE {told}")).collect();
    // Also a value that is for another subcommand.
    for subcommand in ["check", "export"] {
        assert_eq!(all(job, &[subcommand, "--job", "FILE"]), Err(want.clone()));
    }
    let torn = "jobs = 4\npassword = \"hunter2\nimap = \"imaps://x\"\njobs = 5\n";
    let told = all(torn, &["plan", "--job", "FILE"]).expect_err("it is torn");
    assert!(told[0].starts_with("FILE line 2: "), "{told:?}");
    assert!(
        told.iter()
            .any(|told| told.contains("line 4: duplicate key")),
        "{told:?}"
    );
    assert!(
        told.iter().all(|told| !told.contains("hunter2")),
        "{told:?}"
    );
    let gone = all("", &["plan", "--job", "/no/such/file"]).expect_err("it is not there");
    assert_eq!(
        gone,
        [
            "--job /no/such/file: No such file or directory (os error 2) (hint: `mailseed help many-users` \
          shows such a file)"
        ]
    );
}

#[test]
fn the_example_is_sound_for_all_that_take_it() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/job/mailseed.toml");
    for subcommand in ["check", "plan", "export", "verify"] {
        let typed = ["mailseed", subcommand, "--job"].map(OsString::from);
        let typed = typed.into_iter().chain([example.clone().into()]).collect();
        let arguments = arguments(typed, Cli::command()).expect("it is sound");
        let told = Cli::try_parse_from(arguments.all).expect("clap takes it");
        let (users, form, running) = match told.command {
            cli::Command::Check(typed) => (typed.accounts.users, typed.form, typed.running),
            cli::Command::Verify(typed) => (typed.accounts.users, typed.form, typed.running),
            cli::Command::Plan { options: typed, .. }
            | cli::Command::Export { options: typed, .. } => {
                (typed.accounts.users, typed.target.form, typed.running)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(users.users, Some(PathBuf::from("/etc/mailseed/users.csv")));
        assert_eq!(form.target, [Server::Dovecot, Server::Qmail]);
        assert_eq!(
            (running.pacing.jobs, running.job),
            (crate::config::Jobs::Fixed(16), Some(example.clone()))
        );
    }
}
