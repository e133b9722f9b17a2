//! How mailseed reaches a server and logs in: TLS in its three forms, certificates, and every
//! mechanism, each shown by mail that has come through whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::migration::{PASSWORD, Target, views};
use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fake_server::{FakeServer, expect, send};
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::Pop3Entry;
use crate::support::program::{self, Output};
use crate::support::relay::Relay;
use crate::support::report;
use crate::support::tree::TempTree;
use crate::support::{Layout, compare, mail_owner};

/// The mailbox of every user here. The same for all: then it is known what each is to get.
fn mail(server: &Dovecot, users: &[&str]) {
    for user in users {
        corpus::simple(&server.mail_dir(user), 20, 7);
    }
}

/// Exports into Maildirs of one target, each by its own name, and checks all of them at the end.
struct Exports {
    target: Target,
    scratch: TempTree,
    done: Vec<String>,
}

impl Exports {
    fn new() -> Self {
        Self {
            target: Target::new(),
            scratch: TempTree::new(),
            done: Vec::new(),
        }
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = program::mailseed_command();
        command.arg("export").args(arguments);
        command.args(["--progress", "none"]);
        command.arg("--report").arg(self.report(name));
        if !arguments.contains(&"--maildir") {
            command.arg("--maildir").arg(self.target.maildir(name));
        }
        if let Some((uid, gid)) = mail_owner() {
            command.args(["--owner", &format!("{uid}:{gid}")]);
        }
        command.env("MAILSEED_PASSWORD", PASSWORD);
        command
    }

    fn report(&self, name: &str) -> PathBuf {
        self.scratch.path().join(format!("report-{name}"))
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        program::run(self.command(name, arguments), Duration::from_secs(60))
    }

    /// Must succeed; [`Exports::assert_whole`] will look at what has come.
    fn ok(&mut self, name: &str, arguments: &[&str]) {
        let output = self.run(name, arguments);
        let told = format!("{name}: {}\n{}", output.stdout, output.stderr);
        assert_eq!(output.code, Some(0), "{told}");
        self.done.push(name.to_owned());
    }

    /// Must fail with a problem of class `kind` at the first attempt, leave no mail, and say
    /// `hint`.
    fn refused(&self, name: &str, arguments: &[&str], kind: &str, hint: &str) {
        let output = self.run(name, arguments);
        let told = format!("{name}: {}\n{}", output.stdout, output.stderr);
        assert_eq!(output.code, Some(1), "{told}");
        assert!(output.stdout.contains(&format!("{kind}: ")), "{told}");
        assert!(output.stdout.contains(hint), "no {hint} in {told}");
        let rows = report::summary(&self.report(name));
        assert_eq!(rows[0].text("status"), "failed", "{told}");
        assert!(
            rows[0].text("error").starts_with(&format!("{kind}: ")),
            "{told}"
        );
        assert_eq!(rows[0].number("attempts"), 1, "{told}");
        let maildir = self.target.maildir(name);
        assert_eq!(mail_files(&maildir), Vec::<String>::new(), "{told}");
    }

    /// Each export that succeeded holds all that `source` shows of ann's mailbox.
    fn assert_whole(self, before: &(ImapView, Vec<Pop3Entry>)) {
        let destination = self.target.serve(Layout::MaildirPlusPlus);
        assert!(!before.1.is_empty() && before.0.message_count() > before.1.len());
        for name in &self.done {
            let after = views(&destination, name, "any");
            compare::assert_none(&compare::imap(&before.0, &after.0));
            compare::assert_none(&compare::pop3(&before.1, &after.1));
        }
    }
}

/// All that is in a Maildir; nothing is made for a user who cannot log in.
fn mail_files(maildir: &Path) -> Vec<String> {
    if maildir.exists() {
        crate::support::tree::listing(maildir)
    } else {
        Vec::new()
    }
}

fn url(scheme: &str, host: &str, port: u16) -> String {
    format!("{scheme}://{host}:{port}")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are ASCII")
}

/// What `server`, under whatever policy, has logged of logins: lines that hold `words`.
fn log_lines(server: &Dovecot, words: &str) -> Vec<String> {
    let log = fs::read_to_string(server.ca_pem().with_file_name("log")).expect("a running server");
    log.lines()
        .filter(|line| line.contains(words))
        .map(str::to_owned)
        .collect()
}

/// A CA that has nothing to do with any server here.
fn other_ca(directory: &Path) -> PathBuf {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("CA parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("CA key");
    let certificate = params.self_signed(&key).expect("CA certificate");
    let path = directory.join("other-ca.pem");
    fs::write(&path, certificate.pem()).expect("scratch directories are writable");
    path
}

/// TLS from the first byte, and STARTTLS and STLS at a server that takes no login without.
#[test]
fn tls_in_its_three_forms_brings_everything() {
    let open = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    mail(&open, &["ann"]);
    let closed = Dovecot::start(DovecotOptions {
        require_tls: true,
        ..DovecotOptions::with_users(&[("ann", PASSWORD)])
    });
    mail(&closed, &["ann"]);
    let before = views(&open, "ann", PASSWORD);
    let (host, ca) = (closed.host(), closed.ca_pem());
    let tls = ["--tls-ca", text(&ca), "--user", "ann"];

    let mut exports = Exports::new();
    let imaps = url("imaps", &host, closed.imaps_port());
    let pop3s = url("pop3s", &host, closed.pop3s_port());
    let both = [&["--imap", &imaps, "--pop3", &pop3s], &tls[..]].concat();
    exports.ok("tls", &both);
    let imap = url("imap", &host, closed.imap_port());
    let pop3 = url("pop3", &host, closed.pop3_port());
    let both = [&["--imap", &imap, "--pop3", &pop3], &tls[..]].concat();
    exports.ok("starttls", &both);
    let encrypted = log_lines(&closed, "-login: Info: Login: user=<ann>");
    assert_eq!(encrypted.len(), 4, "{encrypted:#?}");
    for line in &encrypted {
        assert!(line.contains(", TLS, "), "{line}");
    }

    // The plain scheme is none of these: this server does not take it, another one does.
    let plain = url("imap+plain", &host, closed.imap_port());
    let only_imap = ["--imap", &plain, "--user", "ann"];
    exports.refused("plain-imap", &only_imap, "auth", "use imaps:// or imap://");
    let plain = url("pop3+plain", &host, closed.pop3_port());
    let only_pop3 = ["--pop3", &plain, "--user", "ann"];
    exports.refused("plain-pop3", &only_pop3, "auth", "use pop3s:// or pop3://");
    assert_eq!(log_lines(&closed, "auth failed"), Vec::<String>::new());
    let imap = url("imap+plain", &open.host(), open.imap_port());
    let pop3 = url("pop3+plain", &open.host(), open.pop3_port());
    let both = ["--imap", &imap, "--pop3", &pop3, "--user", "ann"];
    exports.ok("plain", &both);

    // IPv6, which a test machine without it would have to have turned off.
    let ca = open.ca_pem();
    let imap = url("imap", "[::1]", open.imap_port());
    let pop3 = url("pop3s", "[::1]", open.pop3s_port());
    let both = ["--imap", &imap, "--pop3", &pop3, "--user", "ann"];
    exports.ok("ipv6", &[&both, &["--tls-ca", text(&ca)][..]].concat());
    let v6 = log_lines(&open, "lip=::1, ");
    assert_eq!(
        v6.iter().filter(|line| line.contains(" Login: ")).count(),
        2
    );
    exports.assert_whole(&before);
}

/// A certificate by another CA, for another host, or by nobody known: refused at once and for good,
/// in each of the four places where TLS begins, unless the admin says otherwise.
#[test]
fn certificates_that_are_not_right_are_refused() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    mail(&server, &["ann"]);
    let before = views(&server, "ann", PASSWORD);
    let mut exports = Exports::new();
    let ca = server.ca_pem();
    let other = other_ca(exports.scratch.path());
    let user = ["--user", "ann"];
    let forms = [
        ("--imap", "imaps", server.imaps_port()),
        ("--imap", "imap", server.imap_port()),
        ("--pop3", "pop3s", server.pop3s_port()),
        ("--pop3", "pop3", server.pop3_port()),
    ];
    for (option, scheme, port) in forms {
        // Right address, wrong CA or none.
        for trust in [&["--tls-ca", text(&other)][..], &[]] {
            let relay = Relay::start("127.0.0.1", "127.0.0.1", port);
            let source = url(scheme, "127.0.0.1", relay.port());
            let arguments = [&user, &[option, &source], trust].concat();
            let name = format!("{scheme}-ca-{}", trust.len());
            exports.refused(&name, &arguments, "tls", "hint: --tls-ca FILE");
            // The second one looks at the certificate.
            assert_eq!(relay.taken(), 2, "{name}: tried again");
        }
        // Right CA, an address that the certificate does not name.
        let relay = Relay::start("127.0.0.3", "127.0.0.1", port);
        let source = url(scheme, "127.0.0.3", relay.port());
        let trust = ["--tls-ca", text(&ca)];
        let arguments = [&user, &[option, &source], &trust[..]].concat();
        let hint = "name the server as its certificate does";
        exports.refused(&format!("{scheme}-host"), &arguments, "tls", hint);
        assert_eq!(relay.taken(), 2, "{scheme}: tried again");
    }
    assert_eq!(log_lines(&server, "auth failed"), Vec::<String>::new());

    // Neither the CA nor the name is right.
    for (name, imap, pop3) in [("tls", "imaps", "pop3s"), ("starttls", "imap", "pop3")] {
        let port_of = |wanted: &str| {
            let mut forms = forms.iter();
            forms
                .find(|(_, scheme, _)| *scheme == wanted)
                .expect("it is there")
                .2
        };
        let relays =
            [port_of(imap), port_of(pop3)].map(|port| Relay::start("127.0.0.3", "127.0.0.1", port));
        let imap = url(imap, "127.0.0.3", relays[0].port());
        let pop3 = url(pop3, "127.0.0.3", relays[1].port());
        let source = ["--imap", &imap, "--pop3", &pop3, "--tls-insecure"];
        exports.ok(name, &[&source[..], &user].concat());
    }
    exports.assert_whole(&before);
}

/// A server without STARTTLS (or someone between who takes it away) gets no login.
#[test]
fn nothing_is_sent_where_starttls_is_refused() {
    for (option, scheme, greeting, asked, answer) in [
        (
            "--imap",
            "imap",
            "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n",
            "{tag} STARTTLS",
            "{tag} BAD unknown command\r\n",
        ),
        (
            "--pop3",
            "pop3",
            "+OK <1.2@here>\r\n",
            "STLS",
            "-ERR what?\r\n",
        ),
    ] {
        let server = FakeServer::start(vec![vec![send(greeting), expect(asked), send(answer)]]);
        let exports = Exports::new();
        let source = url(scheme, "127.0.0.1", server.port());
        let arguments = [option, &source, "--user", "ann"];
        let hint = format!("knowingly, {scheme}+plain://");
        exports.refused(scheme, &arguments, "tls", &hint);
        assert_eq!(server.complaint(), None);
        let heard = server.commands();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(
            heard[0].ends_with(asked.trim_start_matches("{tag} ")),
            "{heard:?}"
        );
    }
}

/// Each mechanism that Dovecot offers, in both protocols at once; the server tells which it was.
#[test]
fn every_mechanism_logs_in_to_both_protocols() {
    const ASCII: &str = "a \\ \"b\" c";
    let server = Dovecot::start(DovecotOptions::with_users(&[
        ("ann", PASSWORD),
        ("bob", ASCII),
    ]));
    mail(&server, &["ann", "bob"]);
    let before = views(&server, "ann", PASSWORD);
    let mut exports = Exports::new();
    let ascii = exports.scratch.path().join("ascii");
    fs::write(&ascii, ASCII).expect("scratch directories are writable");
    fs::set_permissions(&ascii, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let token = exports.scratch.path().join("ann.token");
    fs::write(&token, server.token("ann")).expect("scratch directories are writable");
    let by_token = format!("cat {}/{{user}}.token", text(exports.scratch.path()));
    let by_token = ["--password-command", by_token.as_str()];

    let imap = url("imap+plain", "127.0.0.1", server.imap_port());
    let pop3 = url("pop3+plain", "127.0.0.1", server.pop3_port());
    let plain = ["--imap", &imap, "--pop3", &pop3, "--user", "ann"];
    let imaps = url("imaps", "127.0.0.1", server.imaps_port());
    let pop3s = url("pop3s", "127.0.0.1", server.pop3s_port());
    let ca = server.ca_pem();
    let trust = ["--tls-ca", text(&ca)];
    let tls = [
        &["--imap", &imaps, "--pop3", &pop3s, "--user", "ann"],
        &trust[..],
    ]
    .concat();
    for (name, source, more, imap_method, pop3_method) in [
        // Dovecot's word for IMAP LOGIN, and for USER and PASS, is PLAIN too.
        (
            "login",
            &[&plain[..4], &["--user", "bob"]].concat()[..],
            &["--auth", "login", "--password-file", text(&ascii)][..],
            "PLAIN",
            "PLAIN",
        ),
        // What LOGIN cannot carry goes by AUTHENTICATE LOGIN.
        ("login-8bit", &plain, &["--auth", "login"], "LOGIN", "PLAIN"),
        ("plain", &plain, &["--auth", "plain"], "PLAIN", "PLAIN"),
        (
            "cram",
            &plain,
            &["--auth", "cram-md5"],
            "CRAM-MD5",
            "CRAM-MD5",
        ),
        ("apop", &plain, &["--auth", "apop"], "CRAM-MD5", "APOP"),
        (
            "xoauth2",
            &plain,
            &[&["--auth", "xoauth2"], &by_token[..]].concat(),
            "XOAUTH2",
            "XOAUTH2",
        ),
        (
            "oauthbearer",
            &tls,
            &[&["--auth", "oauthbearer"], &by_token[..]].concat(),
            "OAUTHBEARER",
            "OAUTHBEARER",
        ),
        // Left to itself it hides the password, unless the line does.
        ("auto-plain", &plain, &[], "CRAM-MD5", "CRAM-MD5"),
        ("auto-tls", &tls, &[], "PLAIN", "PLAIN"),
    ] {
        let seen = log_lines(&server, " Login: ").len();
        exports.ok(name, &[source, more].concat());
        let logins = log_lines(&server, " Login: ").split_off(seen);
        for (protocol, method) in [("imap", imap_method), ("pop3", pop3_method)] {
            let by = |login: &&String| {
                login.contains(&format!("{protocol}-login: "))
                    && login.contains(&format!("method={method},"))
            };
            let count = logins.iter().filter(by).count();
            assert_eq!(count, 1, "{name}: {protocol} {method} {logins:#?}");
        }
        assert_eq!(logins.len(), 2, "{name}: {logins:#?}");
    }
    assert_eq!(log_lines(&server, "auth failed"), Vec::<String>::new());
    exports.assert_whole(&before);
}

/// The master's password opens every mailbox, in both of the ways that servers know.
#[test]
fn a_master_user_logs_in_to_both_protocols() {
    let server = Dovecot::start(DovecotOptions {
        master: Some(("root-of".to_owned(), "master pass".to_owned())),
        ..DovecotOptions::with_users(&[("ann", PASSWORD), ("bob", "another")])
    });
    mail(&server, &["ann", "bob"]);
    let before = views(&server, "ann", PASSWORD);
    let mut exports = Exports::new();
    let secret = exports.scratch.path().join("master");
    fs::write(&secret, "master pass\n").expect("scratch directories are writable");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let imap = url("imap+plain", "127.0.0.1", server.imap_port());
    let pop3 = url("pop3+plain", "127.0.0.1", server.pop3_port());
    let plain = ["--imap", &imap, "--pop3", &pop3];
    let imaps = url("imaps", "127.0.0.1", server.imaps_port());
    let pop3s = url("pop3s", "127.0.0.1", server.pop3s_port());
    let ca = server.ca_pem();
    let tls = [
        &["--imap", &imaps, "--pop3", &pop3s],
        &["--tls-ca", text(&ca)][..],
    ]
    .concat();
    let master = ["--master-user", "root-of", "--password-file", text(&secret)];
    // The passwords of the list are not the master's and are not used.
    let list = exports.scratch.path().join("users.csv");
    fs::write(&list, "user,password\nann,not this\nbob,nor this\n").expect("written");
    let list = ["--users", text(&list)];
    for (way, source, more) in [
        ("name", &plain[..], &["--auth", "login"][..]),
        // This separator would make a name that nobody has.
        (
            "authzid",
            &plain,
            &["--auth", "plain", "--master-separator", "%"],
        ),
        ("automatic", &tls, &[]),
        // Dovecot takes no master user by CRAM-MD5, which is chosen for others on an open line.
        ("automatic-open", &plain, &[]),
    ] {
        let seen = log_lines(&server, " Login: ").len();
        let template =
            text(&exports.target.maildir(&format!("{way}-USER"))).replace("USER", "{user}");
        let target = ["--maildir", &template];
        let output = exports.run(way, &[source, &list, &master, &target, more].concat());
        let told = format!("{way}: {}\n{}", output.stdout, output.stderr);
        assert_eq!(output.code, Some(0), "{told}");
        assert!(
            told.contains("passwords in the user list are not used"),
            "{told}"
        );
        let logins = log_lines(&server, " Login: ").split_off(seen);
        for user in ["ann", "bob"] {
            for protocol in ["imap", "pop3"] {
                let line = format!("{protocol}-login: Info: Login: user=<{user}>, method=PLAIN,");
                let of = |login: &&String| login.contains(&line);
                assert_eq!(logins.iter().filter(of).count(), 1, "{line} {logins:#?}");
            }
            exports.done.push(format!("{way}-{user}"));
        }
    }
    exports.assert_whole(&before);
}

/// Passwords by row, by protocol, by file and by command, each for the right account.
#[test]
fn each_account_gets_its_own_name_and_password() {
    let users = [
        ("ann", "a,\"quoted\" one"),
        ("bob", "B\u{f6}b"),
        ("carl-imap", "over imap"),
        ("carl-pop3", "over pop3"),
        ("dora", "d"),
        ("-eve@example.org", "e e"),
    ];
    let server = Dovecot::start(DovecotOptions::with_users(&users));
    mail(&server, &users.map(|(user, _)| user));
    let before = views(&server, "dora", "d");
    let mut exports = Exports::new();
    let imap = url("imap+plain", "127.0.0.1", server.imap_port());
    let pop3 = url("pop3+plain", "127.0.0.1", server.pop3_port());
    let scratch = exports.scratch.path().to_owned();
    let write = |name: &str, content: &str| {
        let path = scratch.join(name);
        fs::write(&path, content).expect("scratch directories are writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path
    };
    let template = exports.target.template();
    let everyone = ["--imap", &imap, "--pop3", &pop3, "--maildir", &template];

    let list = write(
        "rows.csv",
        "user,password,imap_user,imap_password,pop3_user,pop3_password\n\
         ann,\"a,\"\"quoted\"\" one\",,,,\n\
         bob,B\u{f6}b,,,,\n\
         carl,,carl-imap,over imap,carl-pop3,over pop3\n",
    );
    let output = exports.run("rows", &[&everyone, &["--users", text(&list)][..]].concat());
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    for login in [
        "imap-login: Info: Login: user=<carl-imap>",
        "pop3-login: Info: Login: user=<carl-pop3>",
    ] {
        assert_eq!(log_lines(&server, login).len(), 1, "{login}");
    }

    let file = write("dora", "d\nsecond line\n");
    let by_file = ["--user", "dora", "--password-file", text(&file)];
    let output = exports.run("file", &[&everyone, &by_file[..]].concat());
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);

    // A name that cat would take for an option comes after the directory.
    write("-eve@example.org.pw", "e e\n");
    write("ann.pw", "a,\"quoted\" one\n");
    let list = write("names.csv", "user\n-eve@example.org\nann\n");
    let command = format!("cat {}/{{user}}.pw", text(&scratch));
    let by_command = ["--users", text(&list), "--password-command", &command];
    let output = exports.run("command", &[&everyone, &by_command[..]].concat());
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);

    assert_eq!(log_lines(&server, "auth failed"), Vec::<String>::new());
    exports.done = ["ann", "bob", "carl", "dora", "-eve@example.org"]
        .map(str::to_owned)
        .into();
    exports.assert_whole(&before);
}

/// A wrong password is tried once: neither again, nor at the other protocol, nor by another
/// mechanism, for a lock-out counts them all.
#[test]
fn a_wrong_password_is_tried_once() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", "right")]));
    mail(&server, &["ann"]);
    let exports = Exports::new();
    let imap = url("imap+plain", "127.0.0.1", server.imap_port());
    let pop3 = url("pop3+plain", "127.0.0.1", server.pop3_port());
    let imap = ["--user", "ann", "--retries", "5", "--imap", &imap];
    let pop3 = ["--user", "ann", "--retries", "5", "--pop3", &pop3];
    for (name, source) in [
        ("imap", imap.to_vec()),
        ("pop3", pop3.to_vec()),
        ("both", [&imap[..], &pop3[4..]].concat()),
    ] {
        for auth in ["", "login", "plain", "cram-md5"] {
            let seen = log_lines(&server, "auth failed").len();
            let chosen: &[&str] = if auth.is_empty() {
                &[]
            } else {
                &["--auth", auth]
            };
            let name = format!("{name}-{auth}");
            exports.refused(
                &name,
                &[&source, chosen].concat(),
                "auth",
                "refused the login",
            );
            let failures = log_lines(&server, "auth failed").split_off(seen);
            assert_eq!(failures.len(), 1, "{name}: {failures:#?}");
            assert!(failures[0].contains("1 attempts"), "{name}: {failures:#?}");
        }
    }
    assert_eq!(log_lines(&server, " Login: "), Vec::<String>::new());
}
