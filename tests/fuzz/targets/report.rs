//! A report directory: refused or read, and what was read is written as it was; what is told of it, as
//! text, as CSV and as a page, holds nothing that a terminal or a browser would act on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::Timestamp;
use mailseed::report::{
    ExportReport, Gathered, Journal, ReportDir, RunReport, html, journal, read, sum,
};
use mailseed::user::Outcome;

const FILES: [&str; 7] = [
    "run.json",
    "summary.csv",
    "skipped.csv",
    "check.csv",
    "verified.csv",
    "verify.csv",
    "journal.jsonl",
];

/// The files, in this order, each up to a byte 1; an empty one is not there.
pub fn run(data: &[u8]) {
    let dir = directory();
    let mut parts = data.split(|byte| *byte == 1);
    for name in FILES {
        let path = dir.join(name);
        match parts.next() {
            Some(text) if !text.is_empty() => fs::write(path, text).expect("a file"),
            _ => drop(fs::remove_file(path)),
        }
    }
    let found = match read::read(dir) {
        Ok(found) => found,
        Err(problem) => return safe(&problem.to_string()),
    };
    if let Some(run) = &found.run {
        let copy = dir.join("copy");
        let out = ReportDir::prepare(&copy).expect("a directory");
        let same = read::read(dir).expect("it was read").run.expect("a run");
        out.write(&gathered(same)).expect("a report");
        let again = read::read(&copy).expect("what is written can be read").run;
        let again = again.expect("a run");
        assert_eq!(again.totals(), run.totals());
        assert_eq!((again.started, again.finished), (run.started, run.finished));
        assert_eq!(again.users.len(), run.users.len());
        for (new, old) in again.users.iter().zip(&run.users) {
            assert_eq!((&new.user, new.error()), (&old.user, old.error()));
            assert_eq!((&new.skips, &new.notes), (&old.skips, &old.notes));
        }
    }
    if let Some(cut) = &found.cut {
        let users = cut.run.as_ref().map_or(0, |run| run.users.len());
        assert!(users <= cut.head.users);
    }
    let Ok(sum) = sum::Sum::of(vec![found]) else {
        return;
    };
    let mut out = Vec::new();
    sum::person::tell(&sum, &mut out).expect("memory takes it");
    safe(&String::from_utf8(out).expect("text"));
    let mut out = Vec::new();
    sum::csv::write(&sum, &mut out).expect("memory takes it");
    for record in csv::Reader::from_reader(out.as_slice()).records() {
        let record = record.expect("a whole CSV file");
        // The first is the name in the user list, where --only-failed looks it up.
        for field in record.iter().skip(1) {
            assert!(
                !field.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{field}"
            );
        }
    }
    let mut out = Vec::new();
    html::write(&sum, Timestamp::UNIX_EPOCH, &mut out).expect("memory takes it");
    let page = String::from_utf8(out).expect("text");
    assert_eq!(
        page.matches("<script").count(),
        page.matches("</script").count()
    );
    assert!(!page.contains("<x>"));
}

/// What the run was before it was read.
fn gathered(run: RunReport) -> Gathered<ExportReport> {
    let mut report = ExportReport::begin(run.started, run.options.clone(), run.dry_run, false);
    report.finished = run.finished;
    let head = journal::Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "export".to_owned(),
        started: run.started,
        users: run.users.len(),
        shard: None,
        options: run.options,
    };
    let journal = Journal::begin(None, &head).expect("a temporary file");
    let mut gathered = Gathered::new(report, journal);
    for (at, user) in run.users.into_iter().enumerate() {
        gathered.add(at, Outcome::without_plan(user)).expect("room");
    }
    gathered
}

fn safe(told: &str) {
    let odd = |it: char| it.is_control() && it != '\n';
    assert!(!told.contains(odd), "{told:?}");
}

/// One for the process.
fn directory() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() {
            shared.to_owned()
        } else {
            std::env::temp_dir()
        };
        let dir = parent.join(format!("mailseed-fuzz-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        dir
    })
}
