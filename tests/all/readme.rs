//! The README is true: it names every option that there is, and none that there is not.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::program::mailseed;

/// Long options in `text`, where they stand as words of their own.
fn options(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .map(str::to_owned)
        .collect()
}

fn readme() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(readme).expect("the README is there")
}

/// The columns are a promise; `check_and_verify_take_what_export_takes_but_for_writing` is about its options.
#[test]
fn the_readme_tells_every_column_of_a_check() {
    let readme = readme();
    let table = readme
        .split("\n## ")
        .find(|section| section.starts_with("Weeks before"))
        .and_then(|section| section.split_once("| --- | --- |"))
        .expect("the section on check, and its table");
    let rows = table.1.lines().filter_map(|row| row.split('|').nth(1));
    let told: Vec<&str> = rows
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(told, mailseed::report::check::CHECK_COLUMNS);
}

#[test]
fn the_readme_names_every_option() {
    let mut there = BTreeSet::new();
    for command in [
        "export", "plan", "check", "verify", "explain", "report", "status", "uidl", "retarget",
        "man",
    ] {
        let help = mailseed([command, "--help"]);
        assert_eq!(help.code, Some(0));
        there.append(&mut options(&help.stdout));
    }
    // Every program has these two.
    there.remove("--help");
    there.remove("--version");
    let readme = readme();
    let table = readme
        .split("\n## ")
        .find(|section| section.starts_with("Flags\n"))
        .expect("the section on flags");
    let mut named = options(table);
    named.remove("--help");
    assert_eq!(named, there);
    // Elsewhere too; cargo and our scripts have options of their own.
    let mut anywhere = options(&readme);
    for of_cargo in ["--path", "--features", "--case", "--static", "--help"] {
        anywhere.remove(of_cargo);
    }
    assert_eq!(anywhere, there);
}
