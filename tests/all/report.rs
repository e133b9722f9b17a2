//! `mailseed report`: what it makes of report directories, as text, CSV, and a page in a browser.

mod made;
mod page;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::program::{Output, mailseed};
use crate::support::tree::TempTree;

fn reported(dirs: &[PathBuf], more: &[&str]) -> Output {
    let dirs = dirs.iter().map(|dir| dir.display().to_string());
    let arguments = std::iter::once("report".to_owned()).chain(dirs);
    mailseed(arguments.chain(more.iter().map(|it| (*it).to_owned())))
}

/// `mailseed report`, which must succeed. Returns what it prints.
fn report(dirs: &[PathBuf], more: &[&str]) -> String {
    let output = reported(dirs, more);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    output.stdout
}

/// Everything in the CSV but which run it is from.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows = reader.records().map(|row| {
        let row = row.expect("each row is whole");
        row.iter().take(24).map(str::to_owned).collect()
    });
    rows.collect()
}

#[test]
fn shards_sum_to_the_figures_of_one_run() {
    let scratch = TempTree::new();
    let users = |from: usize, to: usize| (from..to).map(|n| made::user(n, 0)).collect();
    let whole = [made::write(scratch.path(), "whole", 0, 3600, users(0, 200))];
    let shards = [(3, 130, 200), (1, 0, 40), (2, 40, 130)];
    let shards = shards.map(|(shard, from, to)| {
        made::write(
            scratch.path(),
            &format!("shard{shard}"),
            0,
            3000 + shard,
            users(from, to),
        )
    });
    let [mut one, mut three] =
        [&whole[..], &shards].map(|dirs| rows(&report(dirs, &["--csv", "-"])));
    one.sort();
    three.sort();
    assert_eq!(one, three);
    assert_eq!(one.len(), 200);

    // The sums are those of the rows.
    let text = report(&shards, &[]);
    let of = |column: usize| -> u64 {
        let numbers = one.iter().map(|row| row[column].parse::<u64>());
        numbers.map(|it| it.expect("a number")).sum()
    };
    let (messages, added, kept, skipped) = (of(3), of(5), of(6), of(9));
    assert_eq!(messages, added + kept + skipped);
    let comma = |number: u64| indicatif::HumanCount(number).to_string();
    let want = format!(
        "messages: {} ({}), of these {} added, {} kept, {} skipped; took 50m03s\n",
        comma(messages),
        indicatif::BinaryBytes(of(4)),
        comma(added),
        comma(kept),
        comma(skipped)
    );
    assert!(text.ends_with(&want), "{text}{want}");
    // As many are told of as are not ok.
    let not_ok = one.iter().filter(|row| row[1] != "ok").count();
    assert!(
        text.contains(&format!("users: 200, of these {} ok, ", 200 - not_ok)),
        "{text}"
    );
}

#[test]
fn what_cannot_be_read_or_written_is_told_and_nothing_is_left() {
    let scratch = TempTree::new();
    let place = |name: &str| scratch.path().join(name);
    let good = made::write(scratch.path(), "good", 0, 60, vec![made::user(1, 0)]);
    let torn = made::write(scratch.path(), "torn", 1, 60, vec![made::user(1, 0)]);
    let summary = fs::read_to_string(torn.join("summary.csv")).expect("a report was written");
    let cut = summary.trim_end().rsplit_once(',').expect("columns").0;
    fs::write(torn.join("summary.csv"), cut).expect("scratch directories are writable");
    let page = place("page.html").display().to_string();
    let output = reported(&[good.clone(), torn, place("none")], &["--html", &page]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    // Both faults at once.
    let told: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("/torn/summary.csv: it is no whole CSV file"),
        "{}",
        told[0]
    );
    assert!(told[1].contains("/none: it is no directory"), "{}", told[1]);
    assert!(!Path::new(&page).exists());

    let twice = reported(&[good.clone(), good.clone()], &[]);
    assert_eq!(twice.code, Some(2));
    assert!(twice.stderr.contains("are of one run"), "{}", twice.stderr);
    let both = reported(std::slice::from_ref(&good), &["--html", "-", "--csv", "-"]);
    assert_eq!((both.code, both.stdout.as_str()), (Some(2), ""));
    let lost = place("no/page.html").display().to_string();
    let lost = reported(std::slice::from_ref(&good), &["--html", &lost]);
    assert_eq!(lost.code, Some(3), "{}", lost.stderr);
    assert_eq!(reported(&[], &[]).code, Some(2));

    // What is made to be shown can be read as the umask has it.
    assert_eq!(report(&[good], &["--html", &page]), "");
    let mode = fs::metadata(&page)
        .expect("it was written")
        .permissions()
        .mode();
    assert_ne!(mode & 0o044, 0);
    assert_eq!(
        scratch
            .listing()
            .iter()
            .filter(|it| it.contains("tmp"))
            .count(),
        0
    );
}
