//! What `scripts/fleet` has for many machines: really run where an engine can be had here, checked by a
//! validator where not. And the shards of a list, and a list of fifty thousand.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::migration::{PASSWORD, Source, Target};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::program::{self, Output};
use crate::support::tree::{TempTree, changes};
use crate::support::{corpus, mail_owner};

const USERS: usize = 24;
const SHARDS: usize = 7;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name)
}

/// A source with a few users, one of which has another password than the list says, and the list.
struct Fleet {
    scratch: TempTree,
    server: Dovecot,
}

impl Fleet {
    fn new() -> Self {
        let scratch = TempTree::new();
        let names: Vec<String> = (0..USERS).map(|n| format!("user{n}@example.org")).collect();
        let users: Vec<(&str, &str)> = names.iter().map(|name| (&**name, PASSWORD)).collect();
        let server = Dovecot::start(DovecotOptions::with_users(&users));
        let mut list = "user,password\n".to_owned();
        let quoted = PASSWORD.replace('"', "\"\"");
        for (seed, name) in (0..).zip(&names) {
            corpus::simple(&server.mail_dir(name), 5, seed);
            let password = if seed == 3 { "wrong" } else { &quoted };
            writeln!(list, "{name},\"{password}\"").expect("a string takes it");
        }
        let path = scratch.path().join("users.csv");
        fs::write(&path, list).expect("scratch is writable");
        let closed = fs::Permissions::from_mode(0o600);
        fs::set_permissions(path, closed).expect("scratch is writable");
        Self { scratch, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A job file for a target of that name, and the target.
    fn job(&self, name: &str) -> (PathBuf, Target) {
        let root = self.path(name);
        fs::create_dir(&root).expect("scratch is writable");
        let target = Target::within(&root, "");
        let source = Source::of(&self.server);
        let mut job = format!("users = {:?}\njobs = 4\n", self.path("users.csv"));
        let maildir = target.template();
        writeln!(
            job,
            "maildir = {maildir:?}\ntarget = [\"qmail\", \"dovecot\"]"
        )
        .expect("a string");
        for pair in source.arguments().chunks(2) {
            let [option, url] = pair else {
                unreachable!("options have values")
            };
            writeln!(job, "{} = {url:?}", option.trim_start_matches('-')).expect("a string");
        }
        if let Some((uid, gid)) = mail_owner() {
            writeln!(job, "owner = \"{uid}:{gid}\"").expect("a string");
        }
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, job).expect("scratch is writable");
        (path, target)
    }

    /// The sum of the reports below `reports` as rows, without what tells how long it took, and where.
    fn sum(&self, reports: &Path) -> Vec<Vec<String>> {
        let mut dirs: Vec<PathBuf> = fs::read_dir(reports)
            .expect("reports were written")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_dir())
            .collect();
        dirs.sort();
        let mut report = program::mailseed_command();
        report.arg("report").args(dirs).args(["--csv", "-"]);
        let output = program::run(report, Duration::from_secs(30));
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let mut reader = csv::Reader::from_reader(output.stdout.as_bytes());
        let (head, rows) = (
            reader.headers().cloned().expect("a header"),
            reader.records(),
        );
        let is_of_run = |at: usize| ["seconds", "runs", "started", "report"].contains(&&head[at]);
        let mut rows: Vec<Vec<String>> = rows
            .map(|row| {
                let row = row.expect("a row");
                let fields = row.iter().enumerate().filter(|(at, _)| !is_of_run(*at));
                fields.map(|(_, field)| field.to_owned()).collect()
            })
            .collect();
        rows.sort();
        rows
    }
}

/// The tree without the times of what is no mail.
fn tree(target: &Target) -> Vec<String> {
    let lines = target.listing().into_iter();
    let undated = lines.map(|line| {
        let fields: Vec<&str> = line.rsplitn(4, ' ').collect();
        match fields[..] {
            [hash, _, size, path] if !path.contains("/cur/") => format!("{path} {size} {hash}"),
            _ => line,
        }
    });
    undated.collect()
}

fn assert_same_tree(target: &Target, whole: &Target, told: &str) {
    let changes = changes(&tree(whole), &tree(target));
    assert!(changes.is_empty(), "{changes:#?}\n{told}");
}

fn bash(limit: u64, line: &[&str], variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new("bash");
    command.args(line);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SLURM") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied());
    command.env("MAILSEED", env!("CARGO_BIN_EXE_mailseed"));
    program::run(command, Duration::from_secs(limit))
}

/// Shards by a Slurm array, with the retry that depends on it, and by GNU parallel make the tree of one run,
/// byte for byte, and their reports sum to its report.
#[test]
fn shards_by_slurm_and_by_gnu_parallel_are_one_run() {
    let fleet = Fleet::new();
    let (job, whole) = fleet.job("whole");
    let mut one = program::mailseed_command();
    one.arg("export").arg("--job").arg(job);
    one.arg("--report").arg(fleet.path("whole-reports/all"));
    let output = program::run(one, Duration::from_secs(100));
    assert_eq!(output.code, Some(1), "one cannot log in: {}", output.stderr);
    let sum = fleet.sum(&fleet.path("whole-reports"));
    assert_eq!(sum.len(), USERS);

    let (job, by_slurm) = fleet.job("slurm");
    let reports = fleet.path("slurm-reports");
    fs::create_dir(&reports).expect("scratch is writable");
    let array = r#"cd "$MAILSEED_REPORTS"/..
        first=$(sbatch --parsable --array=1-7 --output=task-%a.out "$SCRIPT")
        sbatch --wait --dependency=afterany:"$first" --array=1-7 --output=again-%a.out "$SCRIPT" retry
        cat task-*.out again-*.out >&2"#;
    let server = script("server-slurm").display().to_string();
    let slurm = fleet.path("slurmd").display().to_string();
    let output = bash(
        110,
        &[&server, &slurm, "bash", "-c", array],
        &[
            ("MAILSEED_JOB", &job),
            ("MAILSEED_REPORTS", &reports),
            ("SCRIPT", &script("fleet/slurm.sh")),
        ],
    );
    assert_same_tree(&by_slurm, &whole, &output.stderr);
    assert_eq!(fleet.sum(&reports), sum, "{}", output.stderr);
    let dirs = fs::read_dir(&reports).expect("written").count();
    assert_eq!(dirs, 2 * SHARDS, "{}", output.stderr);

    let (job, by_parallel) = fleet.job("parallel");
    let reports = fleet.path("parallel-reports");
    let parallel = script("fleet/parallel.sh").display().to_string();
    let (job, dir) = (job.display().to_string(), reports.display().to_string());
    let output = bash(110, &[&parallel, &job, &dir, "7"], &[]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_same_tree(&by_parallel, &whole, &output.stderr);
    assert_eq!(fleet.sum(&reports), sum, "{}", output.stderr);
}

/// What a validator says of a manifest.
fn validated(manifest: &Path) -> Output {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let cache = std::env::var_os("MAILSEED_CACHE");
    let cache = cache.map_or_else(
        || Path::new(&home).join(".cache/mailseed-tests"),
        Into::into,
    );
    let mut validate = Command::new("/usr/bin/python3");
    validate
        .args(["-m", "kubernetes_validate", "--strict"])
        .arg(manifest);
    validate.env("PYTHONPATH", cache.join("kubernetes-validate"));
    program::run(validate, Duration::from_secs(60))
}

#[test]
fn the_manifest_and_the_units_are_what_their_readers_take() {
    let manifest = script("fleet/kubernetes.yaml");
    let output = validated(&manifest);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    let text = fs::read_to_string(&manifest).expect("it is there");
    assert!(text.contains("completions: 7") && text.contains("--shard=auto/7"));
    let scratch = TempTree::new();
    let wrong = scratch.path().join("wrong.yaml");
    fs::write(&wrong, text.replace("completions:", "completion:")).expect("scratch is writable");
    assert_eq!(validated(&wrong).code, Some(1), "it takes anything");

    let units = ["mailseed.service", "mailseed.timer"].map(|name| script("fleet").join(name));
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(&units);
    let output = program::run(verify, Duration::from_secs(60));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}

/// The options that scripts/fleet gives are there.
#[test]
fn a_task_of_a_job_array_takes_its_part_and_says_so() {
    let scratch = TempTree::new();
    let list = scratch.path().join("users.csv");
    let rows: String = (0..50).map(|n| format!("u{n}@example.org\n")).collect();
    fs::write(&list, format!("user\n{rows}")).expect("scratch is writable");
    let offline = |shard: &[&str], variables: &[(&str, &str)]| {
        let mut plan = program::mailseed_command();
        plan.args([
            "plan",
            "--offline",
            "--imap",
            "imaps://old.invalid",
            "--users",
        ]);
        plan.arg(&list)
            .args(["--maildir", "/nowhere/{user}"])
            .args(shard);
        plan.env("MAILSEED_PASSWORD", PASSWORD)
            .envs(variables.iter().copied());
        program::run(plan, Duration::from_secs(20))
    };
    let of_k8s = offline(&["--shard", "auto/3"], &[("JOB_COMPLETION_INDEX", "2")]);
    assert_eq!((of_k8s.code, of_k8s.stderr.as_str()), (Some(0), ""));
    assert_eq!(of_k8s.stdout, offline(&["--shard", "3/3"], &[]).stdout);
    let mine = of_k8s
        .stdout
        .lines()
        .find(|line| line.ends_with("(this one)"));
    assert!(
        mine.is_some_and(|line| line.starts_with("in shard 3/3: ")),
        "{}",
        of_k8s.stdout
    );
    // Whoever does not ask works on the whole list, and is told.
    let whole = offline(&[], &[("SLURM_ARRAY_TASK_ID", "3")]);
    assert_eq!(whole.stdout, "users in the list: 50\non old.invalid: 50\n");
    assert!(whole.stderr.contains("--shard auto"), "{}", whole.stderr);
}

/// Memory does not grow with the rows but for a few dozen bytes each.
#[test]
fn a_list_of_fifty_thousand_users_is_checked_in_little_memory() {
    let scratch = TempTree::new();
    let list = |name: &str, rows: std::ops::Range<u32>, more: &str| {
        let path = scratch.path().join(name);
        let padding = "x".repeat(100);
        let rows = rows.map(|n| format!("user{n}@d{}.example,{padding}{n}\n", n % 900));
        let text: String = rows.collect();
        fs::write(&path, format!("user,password\n{text}{more}")).expect("scratch is writable");
        path
    };
    let offline = |list: &Path| {
        let mut plan = program::mailseed_command();
        plan.args([
            "plan",
            "--offline",
            "--imap",
            "imaps://old.invalid",
            "--users",
        ])
        .arg(list);
        plan.args(["--maildir", "/nowhere/{domain}/{local}", "--shard", "1/5"]);
        program::run(plan, Duration::from_secs(60))
    };
    let many = offline(&list("many.csv", 0..50_000, ""));
    assert!(
        many.stdout.starts_with("users in the list: 50,000\n"),
        "{}",
        many.stdout
    );
    // 25 MiB in a debug build, of which 24 are there with a single row. Not compared with such a run: it is
    // over before a sample of it is taken.
    assert!(
        (1 << 10..32 << 10).contains(&many.peak_rss_kib),
        "{} KiB",
        many.peak_rss_kib
    );
    // The last row of so many has the first one's user.
    let double = offline(&list("double.csv", 0..50_000, "user7@d7.example,x\n"));
    assert_eq!((double.code, double.stdout.as_str()), (Some(2), ""));
    let told = "line 50002: user \"user7@d7.example\" stands on line 9 already\n";
    assert!(double.stderr.ends_with(told), "{}", double.stderr);
}

/// A run that is killed leaves who is done and who is left; the next one finishes it.
#[test]
fn a_kill_in_the_middle_leaves_a_report_and_a_second_run_finishes() {
    let fleet = Fleet::new();
    let (job, target) = fleet.job("killed");
    let report = fleet.path("killed-reports/all");
    let export = || {
        let mut export = program::mailseed_command();
        export
            .arg("export")
            .arg("--job")
            .arg(&job)
            .args(["--jobs", "1"]);
        export.arg("--report").arg(&report);
        export
    };
    let mut first = export();
    first
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = first.spawn().expect("mailseed was built");
    let journal = report.join("journal.jsonl");
    wait_for_results(&journal, 4, &mut child);
    // While it lives no other may write there. It is held, or it might end before the other looks.
    kill_process(Pid::from_child(&child), Signal::STOP).expect("the child is ours");
    let second = program::run(export(), Duration::from_secs(60));
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    assert!(second.stderr.contains("another run"), "{}", second.stderr);
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");

    let rows = fleet.sum(&fleet.path("killed-reports"));
    assert_eq!(rows.len(), USERS, "who is left is named, too");
    let left = rows
        .iter()
        .filter(|row| row.iter().any(|field| field.contains("left:")));
    let left = left.count();
    assert!((1..USERS - 3).contains(&left), "{left} are left");
    let mut told = program::mailseed_command();
    told.arg("report").arg(&report);
    let told = program::run(told, Duration::from_secs(30));
    assert!(
        told.stdout.contains("did not come to its end"),
        "{}",
        told.stdout
    );

    let output = program::run(export(), Duration::from_secs(100));
    assert_eq!(output.code, Some(1), "one cannot log in: {}", output.stderr);
    assert!(!journal.exists() && report.join("run.json").exists());
    let (job, whole) = fleet.job("whole");
    let mut one = program::mailseed_command();
    one.arg("export").arg("--job").arg(job);
    assert_eq!(program::run(one, Duration::from_secs(100)).code, Some(1));
    assert_same_tree(&target, &whole, "");
}

/// Waits until the journal has so many results.
fn wait_for_results(journal: &Path, results: usize, run: &mut Child) {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(journal).unwrap_or_default();
        if text.matches("\"of\":").count() >= results {
            return;
        }
        assert!(
            run.try_wait().expect("the child is ours").is_none(),
            "it ended too soon"
        );
        assert!(begun.elapsed() < Duration::from_secs(60), "{text}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
