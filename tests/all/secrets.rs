//! No password and no token is anywhere but on the line to the server: neither in what mailseed
//! prints, logs and reports nor in what other processes can see, whether all goes well or not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::migration::Target;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fake_server::{FakeServer, Step, expect, send};
use crate::support::program::{self, Output};
use crate::support::tree::TempTree;
use crate::support::{corpus, mail_owner};

/// Of letters and digits: no way of quoting changes it.
const SECRET: &str = "Xq7vLm2pTz9wKd4RbN";
const OTHER: &str = "hJ3sWc8yGf5kQa6ZtV";

/// Where `text` holds `secret`: as it is, or inside anything that was turned into base64, such as
/// `\0user\0password`.
fn leak(text: &[u8], secret: &str) -> Option<String> {
    let mut forms = vec![secret.to_owned()];
    for before in 0..3 {
        let encoded = STANDARD.encode([&vec![0; before], secret.as_bytes()].concat());
        // The characters at the ends depend on what stands beside.
        let start = [0, 2, 3][before];
        let end = encoded.trim_end_matches('=').len() - 1;
        forms.push(encoded[start..end].to_owned());
    }
    let text = String::from_utf8_lossy(text);
    let form = forms
        .into_iter()
        .find(|form| text.contains(form.as_str()))?;
    let at = text.find(&form).unwrap_or(0);
    let from = (0..=at.saturating_sub(60))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    Some(text[from.unwrap_or(0)..].chars().take(200).collect())
}

#[test]
fn the_search_finds_what_it_is_to_find() {
    for before in [
        "",
        "u",
        "us",
        "use",
        "user\0",
        "\0user\0",
        "n,a=user,\x01auth=Bearer ",
    ] {
        for after in ["", "\x01\x01", "x"] {
            let encoded = STANDARD.encode(format!("{before}{SECRET}{after}"));
            let line = format!("AUTH PLAIN {encoded} was wrong");
            assert!(leak(line.as_bytes(), SECRET).is_some(), "{line}");
            assert!(leak(line.as_bytes(), OTHER).is_none(), "{line}");
        }
    }
    assert!(leak(SECRET.as_bytes(), SECRET).is_some());
}

/// Runs of mailseed whose every trace is searched.
struct Watched {
    target: Target,
    scratch: TempTree,
    runs: u32,
}

impl Watched {
    fn new() -> Self {
        Self {
            target: Target::new(),
            scratch: TempTree::new(),
            runs: 0,
        }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.scratch.path().join(name);
        fs::write(&path, content).expect("scratch directories are writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path.display().to_string()
    }

    /// Runs `mailseed export -vv` in both log formats; `set` adds to the command. It must end with
    /// `code`, and leave no trace of any of `secrets`. Returns what it told on standard error.
    fn run(
        &mut self,
        code: i32,
        arguments: &[&str],
        secrets: &[&str],
        set: impl Fn(&mut Command),
    ) -> String {
        let mut stderr = String::new();
        for format in ["text", "json"] {
            self.runs += 1;
            let report = self.scratch.path().join(format!("report-{}", self.runs));
            let maildir = self.target.maildir(&format!("{}-{{user}}", self.runs));
            let mut command = program::mailseed_command();
            command.args(["export", "-vv", "--log-format", format, "--retries", "1"]);
            command
                .arg("--report")
                .arg(&report)
                .arg("--maildir")
                .arg(&maildir);
            if let Some((uid, gid)) = mail_owner() {
                command.args(["--owner", &format!("{uid}:{gid}")]);
            }
            command.args(arguments);
            set(&mut command);
            let output = program::run(command, Duration::from_secs(60));
            let told = format!("{arguments:?}\n{}\n{}", output.stdout, output.stderr);
            assert_eq!(output.code, Some(code), "{told}");
            for secret in secrets {
                let files = self.search(&output, &report, secret, &told);
                assert!(files >= 4, "there were reports and a log: {told}");
            }
            stderr.push_str(&output.stderr);
        }
        stderr
    }

    /// Returned is how many files were searched.
    fn search(&self, output: &Output, report: &Path, secret: &str, told: &str) -> usize {
        for (what, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            assert_eq!(leak(text.as_bytes(), secret), None, "{what} of {told}");
        }
        let mut files = 0;
        for root in [report, self.target.maildir("").as_path()] {
            let root = if root.exists() { root } else { continue };
            for entry in walkdir::WalkDir::new(root) {
                let entry = entry.expect("it stands still");
                let name = entry.path().display().to_string();
                assert_eq!(leak(name.as_bytes(), secret), None);
                if entry.file_type().is_file() {
                    let bytes = fs::read(entry.path()).expect("it stands still");
                    assert_eq!(leak(&bytes, secret), None, "{name} of {told}");
                    files += 1;
                }
            }
        }
        files
    }
}

/// Every way to give a password and every mechanism, right and wrong, against a real server.
#[test]
fn no_run_leaves_a_secret_anywhere() {
    let server = Dovecot::start(DovecotOptions {
        master: Some(("root".to_owned(), SECRET.to_owned())),
        ..DovecotOptions::with_users(&[("ann", SECRET)])
    });
    corpus::simple(&server.mail_dir("ann"), 10, 3);
    let imap = format!("imap+plain://127.0.0.1:{}", server.imap_port());
    let pop3 = format!("pop3+plain://127.0.0.1:{}", server.pop3_port());
    let both = ["--imap", &imap, "--pop3", &pop3];
    let ann = ["--user", "ann"];
    let mut watched = Watched::new();
    let env = |secret: &'static str| {
        move |command: &mut Command| {
            command.env("MAILSEED_PASSWORD", secret);
        }
    };
    let none = |_: &mut Command| ();

    for auth in ["login", "plain", "cram-md5", "apop"] {
        let arguments = [&both[..], &ann, &["--auth", auth]].concat();
        watched.run(0, &arguments, &[SECRET], env(SECRET));
        watched.run(1, &arguments, &[OTHER], env(OTHER));
        let only_imap = [&both[..2], &ann, &["--auth", auth]].concat();
        if auth != "apop" {
            watched.run(1, &only_imap, &[OTHER], env(OTHER));
        }
    }
    let list = watched.file(
        "list",
        &format!("user,imap_password,pop3_password\nann,{SECRET},{SECRET}\n"),
    );
    watched.run(
        0,
        &[&both[..], &["--users", &list]].concat(),
        &[SECRET],
        none,
    );
    let list = watched.file(
        "list",
        &format!("user,imap_password,pop3_password\nann,{OTHER},{SECRET}\n"),
    );
    watched.run(
        1,
        &[&both[..], &["--users", &list]].concat(),
        &[SECRET, OTHER],
        none,
    );
    let file = watched.file("secret", SECRET);
    let master = [
        "--master-user",
        "root",
        "--password-file",
        &file,
        "--auth",
        "plain",
    ];
    watched.run(0, &[&both[..], &ann, &master].concat(), &[SECRET], none);

    let token = server.token("ann");
    let file = watched.file("token", &token);
    let command = format!("cat {file}");
    for auth in ["xoauth2", "oauthbearer"] {
        let arguments = ["--auth", auth, "--password-command", &command];
        let arguments = [&both[..], &ann, &arguments].concat();
        watched.file("token", &token);
        watched.run(0, &arguments, &[&token], none);
        let wrong = token.replace('.', ".x");
        watched.file("token", &wrong);
        watched.run(1, &arguments, &[&wrong, &wrong[..40]], none);
    }

    // A secret inside the command is in its arguments, by the admin's own hand; nowhere else.
    for (code, end) in [(0, "true"), (1, "false"), (1, "echo >&2 $x; false")] {
        let command = format!("x={SECRET}; echo $x; {end}");
        let arguments = [&both[..], &ann, &["--password-command", &command]].concat();
        watched.run(code, &arguments, &[SECRET], none);
    }
}

/// What only looks logs in as well.
#[test]
fn what_checks_plans_and_verifies_leaves_no_secret_either() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", SECRET)]));
    corpus::simple(&server.mail_dir("ann"), 10, 3);
    let watched = Watched::new();
    for task in ["check", "plan", "verify"] {
        for (secret, is_right) in [(SECRET, true), (OTHER, false)] {
            let report = watched.scratch.path().join(format!("{task}-{is_right}"));
            let mut command = program::mailseed_command();
            command
                .args([task, "-vv", "--user", "ann", "--report"])
                .arg(&report);
            let [imap, pop3] = [server.imap_port(), server.pop3_port()];
            command.args(["--imap", &format!("imap+plain://127.0.0.1:{imap}")]);
            command.args(["--pop3", &format!("pop3+plain://127.0.0.1:{pop3}")]);
            if task != "check" {
                let maildir = watched.target.maildir("{user}");
                command.arg("--maildir").arg(maildir);
            }
            command.env("MAILSEED_PASSWORD", secret);
            let output = program::run(command, Duration::from_secs(60));
            let told = format!("{task}\n{}\n{}", output.stdout, output.stderr);
            // There is nothing yet that could be verified.
            let is_well = is_right && task != "verify";
            assert_eq!(output.code, Some(i32::from(!is_well)), "{told}");
            assert!(
                watched.search(&output, &report, secret, &told) >= 1,
                "{told}"
            );
        }
    }
}

/// What a server makes of the login that it refuses is not repeated, be it whole or in base64, in
/// the refusal, before it or after it.
#[test]
fn a_server_that_echoes_the_login_is_not_quoted() {
    const HELLO: &str = "* OK hi\r\n";
    let plain = STANDARD.encode(format!("\0ann\0{SECRET}"));
    let capable = |able: &str| {
        vec![
            send(HELLO),
            expect("{tag} CAPABILITY"),
            send(format!("* CAPABILITY IMAP4rev1 {able}\r\n{{tag}} OK\r\n")),
        ]
    };
    let with = |mut steps: Vec<Step>, more: Vec<Step>| {
        steps.extend(more);
        steps
    };
    let login = expect("{tag} LOGIN");
    let imap = [
        (
            "no",
            format!("{{tag}} NO [AUTHENTICATIONFAILED] \"LOGIN ann {SECRET}\"\r\n"),
        ),
        (
            "bad",
            format!("{{tag}} BAD what is LOGIN \"ann\" \"{SECRET}\"?\r\n"),
        ),
        ("bye", format!("* BYE {SECRET} is no password\r\n")),
        (
            "warned",
            format!("* NO [ALERT] LOGIN ann {SECRET}\r\n{{tag}} NO no\r\n"),
        ),
        (
            "untagged",
            format!("* BAD LOGIN ann {SECRET}\r\n* OK {SECRET}\r\n{{tag}} NO no\r\n"),
        ),
        (
            "busy",
            format!("{{tag}} NO [UNAVAILABLE] later, LOGIN ann {SECRET}\r\n"),
        ),
        ("tag", format!("x LOGIN ann {SECRET}\r\n")),
        ("nonsense", format!("LOGIN ann {SECRET}\r\n")),
        ("code", format!("{{tag}} NO [{SECRET}] no\r\n")),
    ];
    let mut scripts: Vec<(String, &str, &str, Vec<Step>)> = imap
        .into_iter()
        .map(|(name, reply)| {
            let steps = with(capable(""), vec![login.clone(), send(reply), Step::Close]);
            (format!("login {name}"), "imap", "login", steps)
        })
        .collect();
    // An alert to a login that works: it is told when a folder has been read.
    let inside = [
        login.clone(),
        send(format!(
            "* NO [ALERT] was LOGIN ann {SECRET}\r\n{{tag}} OK LOGIN ann {SECRET}\r\n"
        )),
        expect("{tag} CAPABILITY"),
        send("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"),
        expect("{tag} LIST"),
        send("* LIST () \"/\" INBOX\r\n{tag} OK\r\n"),
        expect("{tag} LSUB"),
        send("{tag} OK\r\n"),
        expect("{tag} EXAMINE"),
        send(format!("{{tag}} NO it is shut to LOGIN ann {SECRET}\r\n")),
        Step::Close,
    ];
    scripts.push((
        "inside".to_owned(),
        "imap",
        "login",
        with(capable(""), inside.to_vec()),
    ));
    let authenticate = [
        expect("{tag} AUTHENTICATE PLAIN"),
        send("+ \r\n"),
        expect(""),
        send(format!("{{tag}} NO {plain} ({SECRET})\r\n")),
    ];
    let steps = with(capable("AUTH=PLAIN"), authenticate.to_vec());
    scripts.push(("authenticate".to_owned(), "imap", "plain", steps));

    let hello = [send("+OK hi\r\n"), expect("CAPA"), send("-ERR\r\n")];
    let asked = [
        &hello[..],
        &[expect("USER ann"), send("+OK\r\n"), expect("PASS")],
    ]
    .concat();
    for (name, reply) in [
        ("err", format!("-ERR PASS {SECRET}\r\n")),
        ("busy", format!("-ERR [IN-USE] PASS {SECRET}\r\n")),
        ("nonsense", format!("PASS {SECRET}\r\n")),
    ] {
        let steps = with(asked.clone(), vec![send(reply), Step::Close]);
        scripts.push((format!("pass {name}"), "pop3", "login", steps));
    }
    // After a login that works.
    let inside = vec![
        send("+OK\r\n"),
        expect("CAPA"),
        send("-ERR\r\n"),
        expect("STAT"),
        send(format!("-ERR PASS {SECRET}?\r\n")),
        Step::Close,
    ];
    scripts.push((
        "pass inside".to_owned(),
        "pop3",
        "login",
        with(asked.clone(), inside),
    ));
    let auth = [
        &hello[..],
        &[
            expect(&format!("AUTH PLAIN {plain}")),
            send(format!("-ERR AUTH PLAIN {plain} {SECRET}\r\n")),
        ],
    ];
    scripts.push(("auth".to_owned(), "pop3", "plain", auth.concat()));

    // Of these nothing is told at all: the words beside the refusal, and what is no answer.
    let unquoted = [
        "login warned",
        "login untagged",
        "login tag",
        "login nonsense",
    ];
    let mut watched = Watched::new();
    for (name, scheme, auth, steps) in scripts {
        let server = FakeServer::start(vec![steps]);
        let url = format!("{scheme}+plain://127.0.0.1:{}", server.port());
        let option = format!("--{scheme}");
        let arguments = [
            &option,
            &url,
            "--user",
            "ann",
            "--auth",
            auth,
            "--timeout",
            "20",
        ];
        let told = watched.run(1, &arguments, &[SECRET], |command| {
            command.env("MAILSEED_PASSWORD", SECRET);
        });
        if !unquoted.contains(&name.as_str()) {
            assert!(told.contains("[secret]"), "{name}: {told}");
        }
        assert_eq!(server.complaint(), None, "{name}");
        let sent = server.commands().join("\n");
        assert!(
            leak(sent.as_bytes(), SECRET).is_some(),
            "{name}: it was never sent\n{sent}"
        );
    }
}

/// What `ps` shows of mailseed and of the commands that it starts, and what these inherit.
#[test]
fn other_processes_see_no_secret() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", SECRET)]));
    corpus::simple(&server.mail_dir("ann"), 10, 3);
    let mut watched = Watched::new();
    let file = watched.file("secret", SECRET);
    let seen = watched.file("seen", "");
    let imap = format!("imap+plain://127.0.0.1:{}", server.imap_port());
    let command = format!(
        "for it in /proc/$PPID/cmdline /proc/self/cmdline /proc/self/environ /proc/$$/environ; do \
         tr '\\0' '\\n' <$it; done >{seen}; grep core /proc/$PPID/limits >>{seen}; cat {file}"
    );
    let arguments = [
        "--imap",
        &imap,
        "--user",
        "ann",
        "--password-command",
        &command,
    ];
    watched.run(0, &arguments, &[SECRET, OTHER], |command| {
        command
            .env("MAILSEED_PASSWORD", OTHER)
            .env("UNRELATED", "is kept");
    });
    let seen = fs::read_to_string(seen).expect("it was written");
    assert!(
        seen.contains("mailseed\nexport\n") && seen.contains("UNRELATED=is kept"),
        "{seen}"
    );
    let core: Vec<&str> = seen
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(core[..2], ["0", "0"], "a core dump would hold it");
    assert_eq!(leak(seen.as_bytes(), SECRET), None);
    assert_eq!(leak(seen.as_bytes(), OTHER), None);
    assert!(!seen.contains("MAILSEED_PASSWORD"), "{seen}");
}

/// Secrets in files that others can read: the one made for the purpose is refused, a list is used
/// but not without a word.
#[test]
fn files_that_others_can_read_are_told() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", SECRET)]));
    corpus::simple(&server.mail_dir("ann"), 10, 3);
    let watched = Watched::new();
    let imap = format!("imap+plain://127.0.0.1:{}", server.imap_port());
    let run = |arguments: &[&str]| {
        let mut command = program::mailseed_command();
        command.args(["export", "--imap", &imap]).args(arguments);
        command
            .arg("--maildir")
            .arg(watched.target.maildir("{user}"));
        if let Some((uid, gid)) = mail_owner() {
            command.args(["--owner", &format!("{uid}:{gid}")]);
        }
        program::run(command, Duration::from_secs(60))
    };
    let file = watched.file("secret", SECRET);
    let list = watched.file("list", &format!("user,password\nann,{SECRET}\n"));
    let names = watched.file("names", "user\nann\n");
    for mode in [0o640, 0o604, 0o660, 0o644] {
        for path in [&file, &list, &names] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("they are ours");
        }
        let output = run(&["--user", "ann", "--password-file", &file]);
        let refusal = format!("--password-file {file} can be read by others: chmod 600 {file}");
        assert_eq!(output.stderr, format!("mailseed: {refusal}\n"), "{mode:o}");
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
        if mode == 0o640 {
            assert_eq!(watched.target.listing(), Vec::<String>::new());
        }

        let output = run(&["--users", &list]);
        let warning = format!("{list} holds passwords and can be read by others: chmod 600 it");
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(
            output.stderr.contains(&warning),
            "{mode:o}: {}",
            output.stderr
        );
    }
    for path in [&file, &list] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("they are ours");
    }
    // Neither a closed list nor one without passwords is anybody's business.
    for arguments in [
        &["--users", &list][..],
        &["--users", &names, "--password-file", &file],
        &["--user", "ann", "--password-file", &file],
    ] {
        let output = run(arguments);
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
