//! What is typed and listed: everything wrong is told at once, and then nothing is started; what a
//! dry run says and leaves alone; what the reports hold.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::migration::{PASSWORD, Source, Target};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::program::{self, Output};
use crate::support::tree::{TempTree, listing};
use crate::support::{corpus, mail_owner, report};

/// A place where nothing may happen: a server that nobody may connect to and a directory that
/// nobody may write.
struct Untouched {
    scratch: TempTree,
    listener: TcpListener,
}

impl Untouched {
    fn new() -> Self {
        Self {
            scratch: TempTree::new(),
            listener: TcpListener::bind("127.0.0.1:0").expect("loopback has free ports"),
        }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.scratch.path().join(name);
        fs::write(&path, content).expect("scratch directories are writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path.display().to_string()
    }

    fn source(&self) -> Source {
        let port = self.listener.local_addr().expect("it is bound").port();
        Source::both(port, port)
    }

    fn template(&self) -> String {
        format!("{}/target/{{user}}", self.scratch.path().display())
    }

    /// `mailseed export` with `arguments` and nothing else; it must be refused, and leave the
    /// server and the directory alone. Returns what it says on standard error.
    fn refused(&self, arguments: &[&str], input: &str) -> String {
        let before = self.scratch.listing();
        let mut command = program::mailseed_command();
        command.arg("export").args(arguments);
        let output = with_input(command, input);
        let told = output.stderr;
        assert_eq!(output.code, Some(2), "{arguments:?}: {told}");
        assert_eq!(output.stdout, "", "{arguments:?}");
        assert_eq!(self.scratch.listing(), before, "{arguments:?}");
        self.listener.set_nonblocking(true).expect("it is a socket");
        let came = self
            .listener
            .accept()
            .map(drop)
            .map_err(|error| error.kind());
        assert_eq!(came, Err(std::io::ErrorKind::WouldBlock), "{arguments:?}");
        told
    }
}

/// Runs `command` with `input` on its standard input.
fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mailseed is built");
    // It may end without having read it.
    let _ = child
        .stdin
        .take()
        .map(|mut pipe| pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the child is ours");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("mailseed writes UTF-8");
    Output {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        peak_rss_kib: 0,
    }
}

/// Each list with the lines that are wrong and what is said of each.
#[test]
fn a_bad_user_list_starts_nothing_and_each_line_is_named() {
    type Wrong<'w> = &'w [(u32, &'w str)];
    let cases: &[(&[u8], Wrong)] = &[
        (
            b"user,pasword\na,hunter2\n",
            &[(1, "unknown column \"pasword\": is password meant?")],
        ),
        (
            b"user,password,user\na,hunter2,b\n",
            &[(1, "user is there twice")],
        ),
        (
            b"user,password\na,hunter2\nb\n",
            &[(3, "1 fields where the header has 2")],
        ),
        (
            b"user,password\na,hunter2,x\n",
            &[(2, "3 fields where the header has 2")],
        ),
        (
            b"user,password,maildir\na,hunter2,/m/x\nb,hunter2,\nc,hunter2,/m//x/\n",
            &[(4, "same Maildir as line 2")],
        ),
        (
            b"user,password\r\na,hunter2\r\nb,hunter2\r\na,hunter2\r\n",
            &[(4, "line 2 already")],
        ),
        (
            b"user,password\na,hunter2\nf\xfcr,hunter2\n",
            &[(3, "not UTF-8")],
        ),
        (
            b"user,password\na,hunter2\nb,\"hunter2\nc,hunter2\n",
            &[(3, "the quote that opens on line 3 is never closed")],
        ),
        (
            b"user,password\n../a,hunter2\n",
            &[(2, "another directory")],
        ),
        (
            b"user,password,imap\na,hunter2,imaps://a:hunter2@x\n",
            &[(2, "must not hold a user name")],
        ),
        (
            b"user,password,owner\na,hunter2,nobody-of-that-name:0\n",
            &[(2, "there is no user")],
        ),
        (b"", &[(1, "the list is empty")]),
        (
            b"\xef\xbb\xbfuser,password,maildir\n\
              # one thing after the other\n\
              \n\
              ok,hunter2,\n\
              ,hunter2,\n\
              short,hunter2\n\
              \"two\",\"hunter2\n\",\n\
              ok,hunter2,\n\
              f\xfcr,hunter2,\n\
              fine,hunter2,/m/{home}\n\
              open,\"hunter2,\n",
            &[
                (5, "user: it is empty"),
                (6, "2 fields where the header has 3"),
                (7, "a password cannot hold a line end"),
                (9, "line 4 already"),
                (10, "not UTF-8"),
                (11, "unknown placeholder {home}"),
                (12, "never closed"),
            ],
        ),
    ];
    let place = Untouched::new();
    let template = place.template();
    let source = place.source().arguments();
    let source: Vec<&str> = source.iter().map(String::as_str).collect();
    for (list, wrong) in cases {
        let shown = list.escape_ascii().to_string();
        let file = place.file("users.csv", list);
        let report = format!("{}/report", place.scratch.path().display());
        let all = [
            "--users",
            &file,
            "--maildir",
            &template,
            "--report",
            &report,
        ];
        let told = place.refused(&[&source[..], &all].concat(), "");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), wrong.len(), "{shown}\n{told}");
        for (line, (number, words)) in lines.iter().zip(*wrong) {
            let start = format!("mailseed: {file} line {number}: ");
            assert!(
                line.starts_with(&start) && line.contains(words),
                "{shown}\n{line}"
            );
        }
        assert!(!told.contains("hunter2"), "{shown}\n{told}");

        // The same from standard input, where it can be a pipe's text.
        if let Ok(text) = std::str::from_utf8(list) {
            let all = ["--users", "-", "--maildir", &template];
            let told = place.refused(&[&source[..], &all].concat(), text);
            let from = told.replace("standard input line", &format!("{file} line"));
            assert_eq!(from.lines().collect::<Vec<_>>(), lines);
        }
    }
}

/// One clear line for each fault, with the way on.
#[test]
fn a_wrong_command_line_starts_nothing() {
    let place = Untouched::new();
    let template = place.template();
    let source = place.source();
    let (imap, pop3) = (
        source.imap.unwrap_or_default(),
        source.pop3.unwrap_or_default(),
    );
    let users = place.file("users.csv", "user,password\nann,p\nbob,q\n");
    let secret = place.file("secret", "p\n");
    let gone = format!("{}/gone", place.scratch.path().display());
    let (one, two) = (
        ["--user", "ann", "--password-file", &secret],
        ["--users", &users],
    );
    let (from, to) = (["--imap", &imap], ["--maildir", &template]);
    let whole = [&one[..], &from, &to].concat();
    let listed = [&two[..], &from, &to].concat();
    type Case<'c> = (&'c [&'c [&'c str]], &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (&[&one, &to], &["give --imap URL, --pop3 URL or both"]),
        (&[&one, &from], &["Give --maildir TEMPLATE"]),
        (
            &[&from, &to],
            &["Give --users FILE or --user NAME", "use --password-command"],
        ),
        (
            &[],
            &[
                "Give --users FILE",
                "give --imap URL",
                "use --password-command",
                "Give --maildir",
            ],
        ),
        (
            &[&["--user", "ann"], &from, &to],
            &["use --password-command, --password-file or"],
        ),
        (&[&whole, &two], &["use --only NAME"]),
        (&[&whole, &["--only", "ann"]], &["use --users with them"]),
        (
            &[&listed, &["--only", "anne"]],
            &["--only \"anne\" is not in the user list: is \"ann\" meant?"],
        ),
        (
            &[&listed, &["--only-failed", &users]],
            &["give the summary.csv of an earlier"],
        ),
        (
            &[&listed, &["--only-failed", &gone]],
            &["it cannot be read"],
        ),
        (&[&from, &to, &["--users", &gone]], &["No such file"]),
        (
            &[&two, &from, &["--maildir", &gone]],
            &["put {user}, or {local} and {domain}, in it"],
        ),
        (
            &[&one, &from, &["--maildir", "/m/{name}"]],
            &["unknown placeholder {name}"],
        ),
        (
            &[&whole, &["--tls-insecure", "--tls-ca", &secret]],
            &["leave one out"],
        ),
        (&[&whole, &["--tls-ca", &gone]], &["CA file"]),
        (
            &[&whole, &["--tls-ca", &secret]],
            &["no PEM certificate in it"],
        ),
        (&[&whole, &["-j", "0"]], &["give at least 1"]),
        (
            &[&whole, &["--timeout", "0"]],
            &["takes 1 to 86400 seconds"],
        ),
        (
            &[&whole, &["--target", "qmail", "--layout", "fs"]],
            &["leave qmail out of --target"],
        ),
        (
            &[&whole, &["--target", "qmail", "--folder-encoding", "utf8"]],
            &["add one of them to --target"],
        ),
        (
            &[&whole, &["--owner", "nobody-of-that-name"]],
            &["there is no user"],
        ),
        (&[&whole, &["--auth", "apop"]], &["use --auth cram-md5"]),
        (
            &[&listed, &["--master-user", "m"]],
            &["--master-user needs the master's password: use"],
        ),
        (
            &[&whole, &["--password-command", " "]],
            &["--password-command is empty"],
        ),
        (
            &[&one, &to, &["--imap", &pop3]],
            &["POP3, but IMAP is meant here"],
        ),
        (
            &[&one, &to, &["--pop3", "https://x"]],
            &["unknown scheme (hint: "],
        ),
        (
            &[&one, &to, &["--imap", "mail.example.com"]],
            &["no URL such as imaps://HOST"],
        ),
        (
            &[&one, &to, &["--imap", "imaps://ann:hunter2@x"]],
            &["belong in the user list"],
        ),
        (&[&whole, &["--report", &secret]], &["cannot be written"]),
        // Two faults are told together.
        (
            &[&one, &to, &["-j", "0", "--imap", "x"]],
            &["give at least 1", "no URL"],
        ),
    ];
    for (arguments, wanted) in cases {
        let arguments = arguments.concat();
        let told = place.refused(&arguments, "");
        // Root's mail is a word of its own.
        let lines = told
            .lines()
            .filter(|line| !line.contains("WARN without --owner"));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), wanted.len(), "{arguments:?}\n{told}");
        for (line, words) in lines.iter().zip(*wanted) {
            let clear = line.starts_with("mailseed: ") && line.contains(words);
            assert!(clear, "{arguments:?}: no {words} in {line}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
    // What clap finds by itself.
    for (arguments, words) in [
        (
            &["-q", "-v"][..],
            "'--quiet' cannot be used with '--verbose",
        ),
        (&["--usr", "ann"], "a similar argument exists: '--user'"),
        (
            &["--auth", "magic"],
            "[possible values: login, plain, cram-md5,",
        ),
        (&["--jobs", "many"], "invalid value 'many' for '--jobs <N>'"),
        (&["--imap"], "a value is required for '--imap <URL>'"),
        (&["ann"], "unexpected argument 'ann'"),
        (
            &["--password", "hunter2"],
            "unexpected argument '--password'",
        ),
    ] {
        let told = place.refused(&[&whole, arguments].concat(), "");
        assert!(
            told.starts_with("error: ") && told.contains(words),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
}

/// What a job file may hold is a table beside its reader (`src/jobfile`); here that nothing is started.
#[test]
fn a_wrong_job_file_starts_nothing_and_each_line_is_named() {
    let place = Untouched::new();
    let source = place.source();
    let imap = source.imap.unwrap_or_default();
    let template = place.template();
    let job = place.file(
        "job.toml",
        format!("imap = \"{imap}\"\nusrs = \"hunter2\"\npassword = \"hunter2\"\njobs = \"x\"\n"),
    );
    let told = place.refused(&["--job", &job, "--maildir", &template], "");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    for (line, (number, words)) in lines.iter().zip([
        (2, "unknown key \"usrs\": is users meant?"),
        (3, "passwords do not belong here"),
        (4, "jobs: \"x\" cannot be used"),
    ]) {
        let start = format!("mailseed: {job} line {number}: ");
        assert!(line.starts_with(&start) && line.contains(words), "{line}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    // What cannot stand together is said by clap, which does not know where it comes from.
    let job = place.file("job.toml", "quiet = true\njobs = 3\n");
    let told = place.refused(&["-v", "--job", &job], "");
    assert!(
        told.starts_with("error: ") && told.contains("cannot be used with"),
        "{told}"
    );
    let from = format!("mailseed: {job} line 1: --quiet\n");
    assert!(told.contains(&from), "{told}");
}

/// The names that others script against.
#[test]
fn help_tells_every_option() {
    const OPTIONS: [&str; 74] = [
        "--tls-fingerprint <",
        "--host-jobs <N>",
        "--rate <SIZE>",
        "--host-rate <SIZE>",
        "--window <HH:MM-HH:MM>",
        "--daily-cap <SIZE>",
        "--min-free <SIZE>",
        "--history <DIR>",
        "--job <FILE>",
        "--metrics <FILE>",
        "--imap <URL>",
        "--pop3 <URL>",
        "--tls-ca <FILE>",
        "--tls-insecure",
        "--tls-legacy",
        "--master-user <NAME>",
        "--master-separator <TEXT>",
        "--password-file <FILE>",
        "--password-command <CMD>",
        "--auth <MECHANISM>",
        "--users <FILE>",
        "--user <NAME>",
        "--only <USER>",
        "--only-failed <REPORT.csv>",
        "--shard <K/N>",
        "--maildir <TEMPLATE>",
        "--target <SERVER,...>",
        "--layout <LAYOUT>",
        "--folder-encoding <ENCODING>",
        "--owner <UID:GID>",
        "--fsync <WHEN>",
        "--folder <GLOB>",
        "--exclude <GLOB>",
        "--subscribed",
        "--skip-empty",
        "--all-mail <WHAT>",
        "--special-use",
        "--rename <s/REGEX/REPLACEMENT/>",
        "--map <A=B>",
        "--subfolder <NAME>",
        "--since <DATE>",
        "--max-age <DAYS>",
        "--max-size <SIZE>",
        "--search <KEYS>",
        "--mirror",
        "--after-cutover",
        "--max-delete <PERCENT>",
        "--keep-deleted",
        "--delete-source[=<WHAT>]",
        "--expunge-marked",
        "--delete-local",
        "--ignore-missing-uidls",
        "--ignore-extra-uidls",
        "--pop3-all-mailboxes",
        "--pop3-collect <WHERE>",
        "--unholdable <WHAT>",
        "--pop3-order <WHICH>",
        "--skip-size-check",
        "--uidl-template <TEMPLATE>",
        "-j, --jobs <N>",
        "--connections <N>",
        "--compress <WHEN>",
        "--timeout <SECONDS>",
        "--retries <N>",
        "--progress <HOW>",
        "-q, --quiet",
        "-v, --verbose",
        "--log-format <FORMAT>",
        "--report <DIR>",
        "-h, --help",
        "-V, --version",
        "MAILSEED_PASSWORD",
        "130  Interrupted",
        "--dry-run",
    ];
    for command in ["export", "plan"] {
        let help = program::mailseed([command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
        for option in OPTIONS {
            let there = help
                .stdout
                .lines()
                .any(|line| line.trim_start().starts_with(option));
            assert_eq!(
                there,
                command == "export" || option != "--dry-run",
                "{command} {option}"
            );
        }
        // Texts, values and examples stand further in, or are no options of the list.
        let (of_options, _) = help.stdout.split_once("Examples:").expect("examples");
        let is_option = |line: &&str| line.starts_with("  -") || line.starts_with("      --");
        assert_eq!(
            of_options.lines().filter(is_option).count(),
            // Each has one of its own: --dry-run, --offline.
            OPTIONS.len() - 2,
            "{}",
            help.stdout
        );
    }
    assert_eq!(program::mailseed(["--version"]).stdout, "mailseed 0.1.0\n");
    let nothing: [&str; 0] = [];
    assert_eq!(program::mailseed(nothing).code, Some(2));
}

fn two_users() -> Dovecot {
    let server = Dovecot::start(DovecotOptions::with_users(&[
        ("ann", PASSWORD),
        ("bob", PASSWORD),
    ]));
    corpus::simple(&server.mail_dir("ann"), 20, 1);
    corpus::simple(&server.mail_dir("bob"), 30, 2);
    server
}

/// The lines of a plan or a result, without the time it took and what is free.
fn timeless(output: &Output) -> Vec<String> {
    let lines = output.stdout.lines();
    let is_of_now = |line: &&str| line.starts_with("to fetch: ") || line.contains(" inodes free: ");
    lines
        .filter(|line| !is_of_now(line))
        .map(|line| {
            line.rsplit_once("; took ")
                .map_or(line, |(before, _)| before)
                .to_owned()
        })
        .collect()
}

/// `plan` and `export --dry-run` are one, and touch nothing: neither a target that is not there nor
/// one that is.
#[test]
fn a_dry_run_says_what_would_be_done_and_touches_nothing() {
    let server = two_users();
    let source = Source::of(&server);
    let target = Target::new();
    let scratch = TempTree::new();
    let list = scratch.path().join("users.csv");
    fs::write(&list, "user\nann\nbob\n").expect("scratch directories are writable");
    let run = |command: &str, more: &[&str]| {
        let mut command = target.command(command, &source, more);
        command.arg("--users").arg(&list);
        program::run(command, std::time::Duration::from_secs(60))
    };
    let mut told = Vec::new();
    for stage in ["nothing is there", "ann is done", "all is done"] {
        let before = target.listing();
        let plan = run("plan", &[]);
        let dry = run("export", &["--dry-run"]);
        for output in [&plan, &dry] {
            assert_eq!(
                (output.code, output.stderr.as_str()),
                (Some(0), ""),
                "{stage}"
            );
        }
        assert_eq!(timeless(&plan), timeless(&dry), "{stage}");
        // The list from a job file, and one user of it typed.
        let job = format!("users = {list:?}\nfsync = \"never\"\nonly = [\"ann\", \"bob\"]\n");
        fs::write(scratch.path().join("job.toml"), job).expect("scratch directories are writable");
        let job = scratch.path().join("job.toml");
        let mut of_job = target.command("plan", &source, &["--only", "bob"]);
        of_job.arg("--job").arg(&job);
        let of_job = program::run(of_job, std::time::Duration::from_secs(60));
        assert_eq!(
            (of_job.code, of_job.stderr.as_str()),
            (Some(0), ""),
            "{stage}"
        );
        let of_whom = (
            of_job.stdout.contains("ann\n"),
            of_job.stdout.contains("bob\n"),
        );
        assert_eq!(of_whom, (false, true), "{stage}: {}", of_job.stdout);
        assert_eq!(target.listing(), before, "{stage}");
        let before = (stage == "nothing is there").then_some(before);
        assert!(before.is_none_or(|listing| listing.is_empty()));
        told.push(plan.stdout);
        if stage == "nothing is there" {
            target.export_ok(&source, "ann", &[]);
        } else if stage == "ann is done" {
            target.export_ok(&source, "bob", &[]);
        }
    }
    // The plan is of what there is.
    for (text, ann, bob) in [
        (&told[0], false, false),
        (&told[1], true, false),
        (&told[2], true, true),
    ] {
        for (user, done) in [("ann", ann), ("bob", bob)] {
            let mut lines = text.lines().skip_while(|line| *line != user);
            let inbox = lines.nth(1).unwrap_or_default();
            assert_eq!(
                inbox.contains("nothing to do"),
                done,
                "{user}: {inbox}\n{text}"
            );
        }
    }
    // A user who cannot be planned is no success.
    fs::write(&list, "user\nann\nnobody\n").expect("scratch directories are writable");
    let plan = run("plan", &[]);
    assert_eq!(plan.code, Some(1), "{}", plan.stdout);
    assert!(!target.maildir("nobody").exists());
}

/// A user list from standard input, and what `--report` leaves.
#[test]
fn a_list_from_standard_input_and_the_files_of_a_report() {
    let server = two_users();
    let source = Source::of(&server);
    let target = Target::new();
    let scratch = TempTree::new();
    let report_dir: PathBuf = scratch.path().join("a/report");
    let mut command = target.command("export", &source, &["--users", "-"]);
    command.arg("--report").arg(&report_dir);
    let list = "user,imap_user,pop3_user\nann,,\n# not carl\ne@x,bob,bob\nnobody,,\n";
    let output = with_input(command, list);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(
        !output.stderr.contains("can be read by others"),
        "{}",
        output.stderr
    );

    let modes: Vec<String> = listing(&report_dir)
        .iter()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let want = [
        "logs/ 0700",
        "logs/ann.log 0600",
        "logs/e@x.log 0600",
        "logs/nobody.log 0600",
        "run.json 0600",
        "skipped.csv 0600",
        "status.json 0600",
        "summary.csv 0600",
    ];
    assert_eq!(modes, want);

    let summary = fs::read_to_string(report_dir.join("summary.csv")).expect("written");
    let columns = "user,status,folders,messages,bytes,added,kept,changed,deleted,skipped,uidls,\
                   uidls_missing,uidls_extra,max_date_shift_s,seconds,attempts,error,uidls_elsewhere,left_deleted,source_deleted,added_bytes\n";
    assert!(summary.starts_with(columns), "{summary}");
    let rows = report::summary(&report_dir);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.text("user"), row.text("status")))
        .collect();
    assert_eq!(told, [("ann", "ok"), ("e@x", "ok"), ("nobody", "failed")]);
    assert_eq!(
        (rows[0].number("messages"), rows[1].number("messages")),
        (24, 36)
    );
    assert_eq!((rows[0].number("uidls"), rows[1].number("uidls")), (20, 30));
    let bytes = |row: usize| (rows[row].number("added_bytes"), rows[row].number("bytes"));
    assert_eq!(bytes(0).0, bytes(0).1, "all of it has been added");
    assert!(bytes(0).0 > 1000 && bytes(2) == (0, 0));
    let skipped = fs::read_to_string(report_dir.join("skipped.csv")).expect("written");
    assert_eq!(skipped, "user,folder,uid,uidl,size,reason\n");

    let run = report::run_json(&report_dir);
    assert_eq!(
        (&run["exit"], &run["version"]),
        (&1.into(), &"0.1.0".into())
    );
    assert_eq!(run["options"]["users"], "-");
    assert_eq!(run["options"]["imap"], source.imap.unwrap_or_default());
    assert_eq!(run["users"][2]["problems"][0]["kind"], "auth");
    let owner = mail_owner().map(|(uid, gid)| format!("{uid}:{gid}").into());
    assert_eq!(
        run["options"]["owner"],
        owner.unwrap_or(serde_json::Value::Null)
    );

    let log = |user: &str| log_of(&report_dir, user);
    assert!(log("ann").ends_with(" INFO  done\n"), "{}", log("ann"));
    let last = log("nobody")
        .lines()
        .last()
        .map(str::to_owned)
        .unwrap_or_default();
    assert!(last.contains(" ERROR auth: "), "{last}");
}

fn log_of(report: &Path, user: &str) -> String {
    fs::read_to_string(report.join("logs").join(format!("{user}.log"))).expect("written")
}
