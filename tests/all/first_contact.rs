//! What someone new meets, on a terminal of 80 columns: each message says what, where, and what to type next,
//! and no line is broken within a word.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::program::{self, Output};
use crate::support::small_disk::SmallDisk;
use crate::support::tree::TempTree;

const COLUMNS: usize = 80;

/// A directory with what is typed about: a list, one with a typo, passwords.
struct Desk {
    dir: TempTree,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            dir: TempTree::new(),
        };
        desk.put("users.csv", "user\nann@example.com\n", 0o600);
        desk.put("typo.csv", "usr,password\nann@example.com,x\n", 0o600);
        desk.put("password", "secret\n", 0o600);
        desk.put("wrong.password", "wrong\n", 0o600);
        desk.put("open.password", "secret\n", 0o644);
        desk
    }

    fn put(&self, name: &str, content: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    }

    /// `mailseed ARGUMENTS` on a terminal; what is typed is read by a shell.
    fn on_terminal(&self, arguments: &str, variables: &[(&str, &str)]) -> Output {
        let typed = format!(
            "stty cols {COLUMNS} rows 24; exec {} {arguments}",
            env!("CARGO_BIN_EXE_mailseed")
        );
        let mut command = Command::new("script");
        command
            .args(["--quiet", "--return", "--command", &typed, "/dev/null"])
            .current_dir(self.dir.path())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("SSL_CERT_FILE")
            .envs(variables.iter().copied());
        let mut out = program::run(command, Duration::from_secs(120));
        out.stdout = out.stdout.replace('\r', "");
        out
    }

    /// Whether `arguments` end with `code`, and say all of `words` in lines that fit.
    fn meets(&self, arguments: &str, code: i32, words: &[&str]) {
        let out = self.on_terminal(arguments, &[]);
        let plain = anstream::adapter::strip_str(&out.stdout).to_string();
        assert_eq!(out.code, Some(code), "{arguments}\n{plain}");
        for line in plain.lines() {
            // A fingerprint is one word, and is to be copied as one.
            let is_one_word = !line.trim().contains(' ');
            let fits = line.chars().count() <= COLUMNS || is_one_word;
            assert!(fits, "{arguments}: {line}");
        }
        // As it reads, wherever it was folded.
        let read = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(read.contains(word), "{arguments}: no {word:?} in\n{plain}");
        }
    }
}

/// A server whose certificate, `expired.pem` on the desk, has been no good since 2021.
struct Expired {
    server: Child,
    /// Kept open: openssl ends when nobody takes what it says.
    _said: BufReader<ChildStdout>,
    port: u16,
}

impl Expired {
    fn start(desk: &Desk) -> Self {
        // `req -days` takes no past; `ca` does.
        let make = "
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
                -addext subjectAltName=DNS:localhost -keyout expired.key -out expired.req
            printf '%s\\n' '[ca]' 'default_ca = it' '[it]' 'new_certs_dir = .' 'database = index.txt' \
                'serial = serial' 'default_md = sha256' 'policy = any' 'copy_extensions = copy' '[any]' \
                'commonName = supplied' > ca.cnf
            : > index.txt
            echo 01 > serial
            openssl ca -batch -selfsign -config ca.cnf -keyfile expired.key -in expired.req -notext \
                -startdate 20200101000000Z -enddate 20210101000000Z -out expired.pem";
        let mut shell = Command::new("bash");
        shell.args(["-ec", make]).current_dir(desk.dir.path());
        let made = program::run(shell, Duration::from_secs(60));
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let mut server = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-key", "expired.key", "-cert", "expired.pem"])
            .current_dir(desk.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is there");
        let mut said = BufReader::new(server.stdout.take().expect("a pipe"));
        let port = said.by_ref().lines().find_map(|line| {
            let line = line.expect("openssl says where it listens");
            line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok()
        });
        Self {
            server,
            _said: said,
            port: port.expect("openssl listens"),
        }
    }
}

impl Drop for Expired {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const TO: &str = "--maildir '/tmp/nowhere/{user}'";

#[test]
fn what_is_typed_wrong_is_told_with_what_to_type() {
    let desk = Desk::new();
    let full = |more: &str| format!("export --imap imaps://localhost:1 {TO} {more}");
    let rows: &[(String, &[&str])] = &[
        (
            String::new(),
            &[
                "Usage: mailseed <COMMAND>",
                "check",
                "`mailseed help runbook`",
            ],
        ),
        (
            "exprot".to_owned(),
            &[
                "unrecognized subcommand 'exprot'",
                "'export'",
                "try '--help'",
            ],
        ),
        (
            "export --imapp imaps://x".to_owned(),
            &[
                "unexpected argument '--imapp'",
                "similar argument exists: '--imap'",
            ],
        ),
        (
            "export --target dovecto".to_owned(),
            &["invalid value 'dovecto'", "similar value exists: 'dovecot'"],
        ),
        (
            "help runbok".to_owned(),
            &["\"runbok\"", "`mailseed help runbook`"],
        ),
        (
            "export".to_owned(),
            &[
                "whose mail? Give --users FILE or --user NAME (`mailseed export --help`",
                "no server to read from: give --imap URL, --pop3 URL or both",
                "no password: fill the column password of the user list, or use --password-command",
                "where is the mail to go? Give --maildir TEMPLATE",
            ],
        ),
        (
            "export --imap imaps://localhost:1 --users users.csv --password-file password"
                .to_owned(),
            &["where is the mail to go? Give --maildir TEMPLATE"],
        ),
        (
            full("--password-file password"),
            &["whose mail? Give --users FILE or --user NAME"],
        ),
        (
            full("--users users.csv"),
            &["no password: fill the column password", "MAILSEED_PASSWORD"],
        ),
        (
            full("--users gone.csv --password-file password"),
            &[
                "--users gone.csv: No such file",
                "`mailseed help user-list`",
            ],
        ),
        (
            full("--users users.csv --password-file gone"),
            &[
                "--password-file gone cannot be read: No such file",
                "first line, and mode 0600",
            ],
        ),
        (
            full("--users users.csv --password-file open.password"),
            &["--password-file open.password can be read by others: chmod 600 open.password"],
        ),
        (
            full("--users typo.csv --password-file password"),
            &[
                "typo.csv line 1: unknown column \"usr\": is user meant?; there is no column user: the first row names the columns",
            ],
        ),
        (
            format!("export --imap localhost {TO} --users users.csv --password-file password"),
            &["--imap: it is no URL such as imaps://HOST"],
        ),
        (
            full("--users users.csv --password-file password --owner nobody-of-that-name"),
            &[
                "--owner: there is no user \"nobody-of-that-name\"",
                "useradd",
            ],
        ),
        (
            "export --job gone.toml".to_owned(),
            &[
                "--job gone.toml: No such file",
                "`mailseed help many-users`",
            ],
        ),
        (
            "report gone".to_owned(),
            &[
                "gone: it is no directory",
                "name what was given to --report",
            ],
        ),
    ];
    for (arguments, words) in rows {
        desk.meets(arguments, 2, words);
    }
    desk.meets(
        "explain ann@example.com 1 --maildir '/gone/{user}'",
        3,
        &[
            "cannot read the Maildir /gone/ann@example.com",
            "user and --maildir as they were",
        ],
    );
}

#[test]
fn what_a_server_refuses_is_told_with_what_to_type() {
    let desk = Desk::new();
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann@example.com", "secret")]));
    corpus::simple(&server.mail_dir("ann@example.com"), 3, 1);
    let imaps = format!("imaps://{}:{}", server.host(), server.imaps_port());
    let ca = format!("--tls-ca {}", server.ca_pem().display());
    let expired = Expired::start(&desk);
    let full = SmallDisk::new("16k");
    std::fs::write(full.path().join("other"), [0; 32 << 10]).expect_err("it is full then");
    let on_full = format!("--maildir {}/{{user}}", full.path().display());
    let rows: &[(&str, i32, String, &[&str])] = &[
        (
            "a closed port",
            1,
            "--imap imaps://localhost:1".to_owned(),
            &[
                "network: localhost:1: no connection",
                "connection refused",
                "host and port right",
            ],
        ),
        (
            "an unknown host",
            1,
            "--imap imaps://nosuch.example.invalid".to_owned(),
            &[
                "nosuch.example.invalid:993: no address found",
                "is the name of the server right?",
            ],
        ),
        (
            "a certificate that nobody knows",
            1,
            format!("--imap {imaps}"),
            &[
                "its certificate is not accepted",
                "SHA-256 ",
                "--tls-ca FILE, or if it is your server: --tls-fingerprint",
            ],
        ),
        (
            "a certificate that has expired",
            1,
            format!(
                "--imap imaps://localhost:{} --tls-ca expired.pem",
                expired.port
            ),
            &[
                "its certificate is not accepted: certificate has expired",
                "valid until Jan 1 00:00:00 2021 GMT; SHA-256 ",
                "if it is your server: --tls-fingerprint and that SHA-256",
            ],
        ),
        (
            "the port of the other kind",
            1,
            format!(
                "--imap imaps://{}:{} {ca}",
                server.host(),
                server.imap_port()
            ),
            &["is that the port for TLS? For STARTTLS write imap:// or pop3://"],
        ),
        (
            "a wrong password",
            1,
            format!("--imap {imaps} {ca} --password-file wrong.password"),
            &[
                "auth: the IMAP server refused the login of ann@example.com by ",
                "`mailseed help user-list`",
            ],
        ),
        (
            "no room",
            1,
            format!("--imap {imaps} {ca} --min-free 1000000T"),
            &[
                "space: folder INBOX:",
                "no room",
                "--min-free says how much stays free",
            ],
        ),
        (
            "a full disk",
            3,
            format!("--imap {imaps} {ca} {on_full} --min-free 0"),
            &[
                "No space left on device",
                "make space on the target and run again: it goes on where it stopped",
            ],
        ),
    ];
    for (what, code, options, words) in rows {
        let password = match options.contains("--password-file") {
            true => "",
            false => "--password-file password",
        };
        let mail = match options.contains("--maildir") {
            true => "",
            false => "--maildir \"$PWD/mail/{user}\"",
        };
        // Bars write over themselves.
        let how = "--retries 0 --progress none --users users.csv";
        let arguments = format!("export {options} {password} {mail} {how}");
        eprintln!("{what}");
        desk.meets(&arguments, *code, words);
    }
}

#[test]
fn colours_are_for_terminals_and_read_on_any_ground() {
    let desk = Desk::new();
    let failing = "export --imap imaps://localhost:1 --maildir \"$PWD/{user}\" --user ann \
                   --password-file password --retries 1 --progress none";
    for arguments in [failing, "exprot", "--help", "help sources"] {
        let out = desk.on_terminal(arguments, &[]).stdout;
        assert!(out.contains("\x1b["), "{arguments}: no colour: {out}");
        // Yellow, blue and white, alone, are not read on every ground; nor are cyan and green on white.
        for code in [32, 33, 34, 36, 37] {
            for of in ["", "1;", "0;"] {
                let colour = format!("\x1b[{of}{code}m");
                assert!(!out.contains(&colour), "{arguments}: {colour:?} in {out:?}");
            }
        }
        let out = desk.on_terminal(arguments, &[("NO_COLOR", "1")]).stdout;
        assert!(!out.contains('\x1b'), "{arguments}: NO_COLOR: {out:?}");
        let mut shell = Command::new("bash");
        let piped = format!("{} {arguments}", env!("CARGO_BIN_EXE_mailseed"));
        shell
            .args(["-c", &piped])
            .current_dir(desk.dir.path())
            .env("TERM", "xterm-256color");
        let out = program::run(shell, Duration::from_secs(120));
        let said = out.stdout + &out.stderr;
        assert!(!said.contains('\x1b'), "{arguments}: {said:?}");
    }
}

/// They are for programs, also where someone looks on.
#[test]
fn lines_of_json_are_whole_on_a_terminal() {
    let desk = Desk::new();
    let failing = "export --imap imaps://localhost:1 --maildir \"$PWD/{user}\" --user ann \
                   --password-file password --retries 0 --progress none --log-format json";
    let out = desk.on_terminal(failing, &[]).stdout;
    let lines: Vec<&str> = out.lines().filter(|it| it.starts_with('{')).collect();
    assert!(lines.iter().any(|it| it.len() > COLUMNS), "{out}");
    for line in lines {
        let object = serde_json::from_str::<serde_json::Value>(line);
        assert!(object.is_ok_and(|it| it.is_object()), "{line}");
    }
}
