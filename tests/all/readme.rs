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

#[test]
fn the_readme_names_every_option() {
    let help = mailseed(["export", "--help"]);
    assert_eq!(help.code, Some(0));
    let mut there = options(&help.stdout);
    // Every program has these two.
    there.remove("--help");
    there.remove("--version");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the README is there");
    let table = readme
        .split("\n## ")
        .find(|section| section.starts_with("Flags\n"))
        .expect("the section on flags");
    let mut named = options(table);
    named.remove("--help");
    assert_eq!(named, there);
    // Elsewhere too; cargo has options of its own.
    let mut anywhere = options(&readme);
    for of_cargo in ["--path", "--features", "--help"] {
        anywhere.remove(of_cargo);
    }
    assert_eq!(anywhere, there);
}
