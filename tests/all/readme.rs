//! The README is true: it names every option that there is, and none that there is not.

use std::collections::BTreeSet;
use std::path::Path;

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

/// A topic of the manual.
fn topic(name: &str) -> &'static str {
    let mut topics = mailseed::help::TOPICS.iter();
    topics.find(|topic| topic.name == name).expect(name).text
}

/// The columns are a promise; `check_and_verify_take_what_export_takes_but_for_writing` is about its options.
#[test]
fn the_manual_tells_every_column_of_a_check() {
    let table = topic("checking")
        .split("### The columns of check.csv\n")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the section on the columns");
    // Of each item what stands before its colon; other texts have no code in them.
    let (_, items) = table.split_once("\n- ").expect("a list");
    let told: Vec<&str> = items.split('`').skip(1).step_by(2).collect();
    assert_eq!(told, mailseed::report::check::CHECK_COLUMNS);
}

#[test]
fn the_readme_links_every_topic_and_says_what_are_the_columns_of_the_list() {
    let readme = readme();
    for topic in mailseed::help::TOPICS {
        let link = format!("[{0}](src/help/{0}.md)", topic.name);
        assert!(readme.contains(&link), "{link}");
    }
    for column in mailseed::userlist::column_names() {
        let column = format!("`{column}`");
        assert!(readme.contains(&column), "README: {column}");
        assert!(topic("user-list").contains(&column), "user-list: {column}");
    }
}

/// What is read at night has to be short: ten minutes are about 2,500 words of prose and some tables.
#[test]
fn the_readme_is_read_in_ten_minutes() {
    let readme = readme();
    let words = readme.split_whitespace().count();
    assert!(words <= 2_500, "{words} words");
    assert!(
        readme.lines().count() <= 310,
        "{} lines",
        readme.lines().count()
    );
}

/// Nothing in the README is a name that is not there.
#[test]
fn the_readme_names_options_that_are_there() {
    let mut there = options(topic("options"));
    for of_others in [
        "--help",
        "--version",
        "--path",
        "--locked",
        "--yes",
        "--static",
        "--features",
    ] {
        there.insert(of_others.to_owned());
    }
    let named = options(&readme());
    let unknown: Vec<_> = named.difference(&there).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
