//! `mailseed check`: forty users in one run, fine ones and every way of not being fine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fake_server::{FakeServer, expect, send};
use crate::support::program::{self, Output};
use crate::support::tree::{TempTree, listing};
use crate::support::{Layout, give_to_mail_owner};

const VALIDITY: u32 = 1_294_690_616;
const MESSAGES: u32 = 12;

/// The UIDs begin here, so that hexadecimal ones have letters and leading zeros.
const FIRST_UID: u32 = 4_010;

/// A rule for UIDLs: its name in reports, the UIDL of a UID, and what Dovecot calls the rule.
type Rule = (&'static str, fn(u32) -> String, &'static str);

/// Every template, written here a second time on purpose.
const RULES: [Rule; 17] = [
    (
        "u8v8",
        |uid| format!("{uid:08x}{VALIDITY:08x}"),
        "%08Xu%08Xv",
    ),
    ("v.u", |uid| format!("{VALIDITY}.{uid}"), "%v.%u"),
    (
        "v8u8",
        |uid| format!("{VALIDITY:08x}{uid:08x}"),
        "%08Xv%08Xu",
    ),
    ("v-u", |uid| format!("{VALIDITY}-{uid}"), "%v-%u"),
    ("UIDu-v", |uid| format!("UID{uid}-{VALIDITY}"), "UID%u-%v"),
    ("u", |uid| uid.to_string(), "%u"),
    ("UIDu", |uid| format!("UID{uid}"), "UID%u"),
    ("u-v", |uid| format!("{uid}-{VALIDITY}"), "%u-%v"),
    ("u.v", |uid| format!("{uid}.{VALIDITY}"), "%u.%v"),
    ("v/u", |uid| format!("{VALIDITY}/{uid}"), "%v/%u"),
    ("vu", |uid| format!("{VALIDITY}{uid}"), "%v%u"),
    ("U8V8", |uid| format!("{uid:08X}{VALIDITY:08X}"), ""),
    ("V8U8", |uid| format!("{VALIDITY:08X}{uid:08X}"), ""),
    ("uv-hex", |uid| format!("{uid:x}{VALIDITY:x}"), "%Xu%Xv"),
    ("vu-hex", |uid| format!("{VALIDITY:x}{uid:x}"), "%Xv%Xu"),
    ("UV-HEX", |uid| format!("{uid:X}{VALIDITY:X}"), ""),
    ("VU-HEX", |uid| format!("{VALIDITY:X}{uid:X}"), ""),
];

/// INBOX with a message for each of `uidls`, an hour apart, and the place in the POP3 order where
/// that is not its place here.
fn inbox(server: &Dovecot, user: &str, uidls: &[(String, Option<u32>)]) {
    let maildir = server.mail_dir(user);
    let mails: Vec<(String, String)> = (0..uidls.len())
        .map(|index| {
            let name = format!("{}.M{index}P1.{user}", 1_350_000_000 + index);
            let lines = "A line of text.\r\n".repeat(index + 1);
            let mail = format!(
                "From: a@example.com\r\nDate: Fri, 12 Oct 2012 00:00:00 +0000\r\n\
                 Subject: {user} {index}\r\nMessage-ID: <{index}.{user}@example.com>\r\n\r\n{lines}"
            );
            (format!("{name}:2,"), mail)
        })
        .collect();
    let files: Vec<(&str, &[u8])> = mails
        .iter()
        .map(|(name, mail)| (name.as_str(), mail.as_bytes()))
        .collect();
    corpus::bare(&maildir, &files);
    let next = FIRST_UID as usize + uidls.len();
    let mut list = format!("3 V{VALIDITY} N{next} G0123456789abcdef0123456789abcdef\n");
    for ((uid, (uidl, position)), (name, _)) in (FIRST_UID..).zip(uidls).zip(&mails) {
        let position = position.map_or(String::new(), |it| format!(" O{it}"));
        let base = name.trim_end_matches(":2,");
        // X-GUID is the file's name.
        let uidl = uidl.replace("GUID", base);
        writeln!(list, "{uid} P{uidl}{position} :{base}").expect("a string");
    }
    fs::write(maildir.join("dovecot-uidlist"), list).expect("scratch directories are writable");
    give_to_mail_owner(&maildir);
}

fn by_rule(rule: fn(u32) -> String) -> Vec<(String, Option<u32>)> {
    let uids = FIRST_UID..FIRST_UID + MESSAGES;
    uids.map(|uid| (rule(uid), None)).collect()
}

/// What is expected of a user: the row in the list, then status, imap, pop3, scheme, UIDLs kept, and
/// a part of the verdict.
struct Expected {
    user: String,
    password: &'static str,
    imap: String,
    pop3: String,
    want: [String; 6],
}

#[derive(Default)]
struct Users(Vec<Expected>);

impl Users {
    fn add(&mut self, user: &str, urls: [&str; 2], want: [&str; 6]) -> &mut Expected {
        self.0.push(Expected {
            user: user.to_owned(),
            password: "secret",
            imap: urls[0].to_owned(),
            pop3: urls[1].to_owned(),
            want: want.map(str::to_owned),
        });
        self.0.last_mut().expect("just pushed")
    }

    fn write(&self, path: &Path) {
        let mut list = "user,password,imap,pop3\n".to_owned();
        for row in &self.0 {
            let Expected {
                user,
                password,
                imap,
                pop3,
                ..
            } = row;
            writeln!(list, "{user},{password},{imap},{pop3}").expect("a string");
        }
        fs::write(path, list).expect("scratch directories are writable");
    }
}

/// The messages of all users: names (and so flags), sizes, dates and contents.
fn mail(server: &Dovecot) -> Vec<String> {
    let home = server.mail_dir("any");
    let all = home.parent().and_then(Path::parent).expect("below mail/");
    let lines = listing(all).into_iter();
    lines
        .filter(|line| line.contains("/cur/") || line.contains("/new/"))
        .collect()
}

fn check(list: &Path, target: &TempTree, more: &[&str]) -> Output {
    let mut command: Command = program::mailseed_command();
    command
        .args(["check", "--retries", "1", "-j", "12", "--users"])
        .arg(list);
    command.arg("--maildir");
    command.arg(format!("{}/{{user}}/Maildir", target.path().display()));
    command.args(more);
    program::run(command, Duration::from_secs(60))
}

type Rows = BTreeMap<String, BTreeMap<String, String>>;

fn rows(report: &TempTree) -> Rows {
    let mut file = csv::Reader::from_path(report.path().join("check.csv")).expect("written");
    let rows = file.deserialize::<BTreeMap<String, String>>();
    rows.map(|row| row.expect("CSV"))
        .map(|row| (row["user"].clone(), row))
        .collect()
}

#[test]
fn forty_users_with_every_failure_among_them() {
    let names: Vec<String> = (1..=40).map(|number| format!("u{number:02}")).collect();
    let users: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "secret")).collect();
    let old = Dovecot::start(DovecotOptions::with_users(&users[..39]));
    let fs_layout = Dovecot::start(DovecotOptions {
        layout: Layout::Fs,
        ..DovecotOptions::with_users(&[("dots", "secret")])
    });
    let url = |scheme: &str, port: u16| format!("{scheme}+plain://127.0.0.1:{port}");
    let (imap, pop3) = (url("imap", old.imap_port()), url("pop3", old.pop3_port()));
    let both = [imap.as_str(), pop3.as_str()];
    let ok = |scheme: &'static str| ["ok", "ok", "ok", scheme, "12", "transparent"];
    let opaque = |index: u32| format!("opaque-{}", blake3::hash(&index.to_be_bytes()).to_hex());
    let opaques = |count: u32| -> Vec<(String, Option<u32>)> {
        (0..count)
            .map(|index| (opaque(index)[..30].to_owned(), None))
            .collect()
    };

    let mut list = Users::default();
    let mut free = names.iter().map(String::as_str);
    let mut next = || free.next().expect("forty are enough");
    for (name, rule, format) in RULES {
        let user = next();
        inbox(&old, user, &by_rule(rule));
        let mut want = ok(name);
        if format.contains('/') {
            want[0] = "partial";
            want[5] =
                "because qmail cannot hold 12 UIDLs, the first is 1294690616/4010: a file name";
        }
        list.add(user, both, want);
    }
    let guid = next();
    inbox(&old, guid, &vec![("GUID".to_owned(), None); 12]);
    list.add(guid, both, ok("x-guid"));

    let counted = next();
    let uidls: Vec<(String, Option<u32>)> = (0..MESSAGES)
        .map(|index| ((FIRST_UID + index + 500).to_string(), None))
        .collect();
    inbox(&old, counted, &uidls);
    list.add(counted, both, ok("uid+500"));

    let unordered = next();
    let mut uidls = opaques(MESSAGES);
    for ((_, position), at) in uidls.iter_mut().zip((1..=MESSAGES).rev()) {
        *position = Some(at);
    }
    inbox(&old, unordered, &uidls);
    list.add(unordered, both, ok(""));

    let slashed = next();
    let mut uidls = opaques(MESSAGES);
    uidls[4].0 = ".hidden".to_owned();
    uidls[7].0 = "a:b".to_owned();
    inbox(&old, slashed, &uidls);
    let why = "not transparent: because qmail cannot hold 2 UIDLs, the first is .hidden: a file";
    list.add(slashed, both, ["partial", "ok", "ok", "", "12", why]);

    let doubled = next();
    let mut uidls = opaques(MESSAGES);
    uidls[3].0 = uidls[9].0.clone();
    inbox(&old, doubled, &uidls);
    let why = "not transparent: because 1 messages of INBOX have no UIDL, the first is UID 4";
    list.add(doubled, both, ["partial", "ok", "ok", "", "11", why]);

    let wrong = next();
    let why = "not transparent: because the POP3 login fails (password) (and 1 more)";
    list.add(wrong, both, ["failed", "password", "password", "", "", why])
        .password = "guessed";
    let why = "not transparent: because the POP3 login fails (password) (and 1 more)";
    list.add(
        "absent",
        both,
        ["failed", "password", "password", "", "", why],
    );

    let imap_only = next();
    inbox(&old, imap_only, &opaques(3));
    let want = ["ok", "ok", "", "", "", "transparent (IMAP only)"];
    list.add(imap_only, [&imap, ""], want);
    let pop3_only = next();
    inbox(&old, pop3_only, &opaques(3));
    let want = ["ok", "", "ok", "", "3", "transparent (POP3 only)"];
    list.add(pop3_only, ["", &pop3], want);

    // The authority given is that of `old`.
    let trusted = format!("imaps://127.0.0.1:{}", old.imaps_port());
    let strange = format!("imaps://127.0.0.1:{}", fs_layout.imaps_port());
    let tls = next();
    inbox(&old, tls, &opaques(2));
    list.add(
        tls,
        [&trusted, &pop3],
        ["ok", "ok", "ok", "", "2", "transparent"],
    );
    let forged = next();
    inbox(&old, forged, &opaques(2));
    let why = "not transparent: because the IMAP login fails (tls)";
    list.add(
        forged,
        [&strange, &pop3],
        ["failed", "tls", "ok", "", "", why],
    );

    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let refused = next();
    inbox(&old, refused, &opaques(2));
    let why = "not transparent: because the POP3 login fails (network)";
    let want = ["failed", "ok", "network", "", "", why];
    list.add(refused, [&imap, &url("pop3", port)], want);

    let confused = next();
    inbox(&old, confused, &opaques(2));
    let why = "not transparent: because the POP3 login fails (protocol)";
    let want = ["failed", "ok", "protocol", "", "", why];
    list.add(confused, [&imap, &url("pop3", old.imap_port())], want);

    let locked = FakeServer::start(vec![vec![
        send("+OK\r\n"),
        expect("CAPA"),
        send("-ERR\r\n"),
        expect("USER"),
        send("+OK\r\n"),
        expect("PASS"),
        send("-ERR [IN-USE] locked\r\n"),
    ]]);
    let busy = next();
    inbox(&old, busy, &opaques(2));
    let why = "not transparent: because the POP3 login fails (busy)";
    let want = ["failed", "ok", "busy", "", "", why];
    list.add(busy, [&imap, &url("pop3", locked.port())], want);

    let closed = FakeServer::start(vec![vec![
        send("+OK\r\n"),
        expect("CAPA"),
        send("-ERR\r\n"),
        expect("USER"),
        send("+OK\r\n"),
        expect("PASS"),
        send("-ERR [SYS/PERM] this mailbox is closed\r\n"),
    ]]);
    let shut = next();
    inbox(&old, shut, &opaques(2));
    let why = "not transparent: because the POP3 login fails (refused)";
    let want = ["failed", "ok", "refused", "", "", why];
    list.add(shut, [&imap, &url("pop3", closed.port())], want);

    let ancient = FakeServer::start(vec![vec![
        send("+OK =ancient\x1b <1.2@host>\r\n"),
        expect("CAPA"),
        send("-ERR\r\n"),
        expect("USER"),
        send("+OK\r\n"),
        expect("PASS"),
        send("+OK\r\n"),
        expect("CAPA"),
        send("-ERR\r\n"),
        expect("STAT"),
        send("+OK 1 20\r\n"),
        expect("UIDL"),
        send("-ERR unknown\r\n"),
        expect("LIST"),
        send("+OK\r\n1 20\r\n.\r\n"),
        expect("TOP 1 0"),
        send("-ERR unknown\r\n"),
        expect("QUIT"),
        send("+OK\r\n"),
    ]]);
    let why = "not transparent: because the POP3 server gives no UIDLs";
    let want = ["partial", "", "ok", "", "", why];
    list.add("ancient", ["", &url("pop3", ancient.port())], want);

    inbox(&fs_layout, "dots", &opaques(2));
    for part in ["cur", "new", "tmp"] {
        let folder = fs_layout.mail_dir("dots").join("v1.0").join(part);
        fs::create_dir_all(folder).expect("scratch directories are writable");
    }
    give_to_mail_owner(&fs_layout.mail_dir("dots"));
    let why = "not transparent: because 1 folders have no place, the first is v1.0: the target \
               cannot hold this folder: Maildir++ cannot hold a dot inside a folder name";
    let urls = [
        &url("imap", fs_layout.imap_port())[..],
        &url("pop3", fs_layout.pop3_port()),
    ];
    list.add("dots", urls, ["partial", "ok", "ok", "", "2", why]);

    while list.0.len() < 40 {
        let user = next();
        inbox(&old, user, &by_rule(RULES[0].1));
        list.add(user, both, ok(RULES[0].0));
    }

    let scratch = TempTree::new();
    let users = scratch.path().join("users.csv");
    list.write(&users);
    let (target, report) = (TempTree::new(), TempTree::new());
    let ca = old.ca_pem().display().to_string();
    let report_dir = report.path().display().to_string();
    let before = (mail(&old), mail(&fs_layout));
    let common = ["--target", "qmail,dovecot", "--tls-ca", &ca];
    let output = check(
        &users,
        &target,
        &[&common[..], &["--report", &report_dir]].concat(),
    );
    assert_eq!(output.code, Some(1), "{}\n{}", output.stdout, output.stderr);
    assert_eq!((locked.complaint(), ancient.complaint()), (None, None));

    // Nothing was touched.
    assert_eq!(target.listing(), Vec::<String>::new());
    assert_eq!((mail(&old), mail(&fs_layout)), before);

    let rows = rows(&report);
    assert_eq!(rows.len(), 40);
    let columns = ["status", "imap", "pop3", "scheme", "uidls_kept"];
    for Expected { user, want, .. } in &list.0 {
        let row = &rows[user];
        let got = columns.map(|column| row[column].as_str());
        assert_eq!(got.as_slice(), &want[..5], "{user}: {row:?}");
        let verdict = &row["verdict"];
        let is = match want[5].starts_with("transparent") {
            true => *verdict == want[5],
            false => verdict.contains(&want[5]),
        };
        assert!(is, "{user}: {verdict}");
    }
    for ((_, _, format), row) in RULES.iter().zip(&list.0) {
        let row = &rows[&row.user];
        assert_eq!(row["pop3_uidl_format"], *format, "{row:?}");
        assert_eq!(
            (&row["scheme_hits"][..], &row["uid_order"][..]),
            ("12", "yes")
        );
    }
    let cell = |user: &str, column: &str| rows[user][column].clone();
    let cells = |user: &str, columns: &[&str]| -> Vec<String> {
        columns.iter().map(|column| cell(user, column)).collect()
    };
    // The last message comes first, eleven hours too early, and each next one a second later.
    let shift = 11 * 3600 + 11;
    assert_eq!(
        cells(
            unordered,
            &[
                "uid_order",
                "max_date_shift_s",
                "uidls_missing",
                "uidls_extra"
            ]
        ),
        ["no", &shift.to_string(), "0", "0"]
    );
    assert_eq!(
        cells(counted, &["pop3_uidl_format", "scheme_hits", "paired_by"]),
        ["", "12", "header=12"]
    );
    assert_eq!(
        cells(guid, &["pop3_uidl_format", "paired_by"]),
        ["%g", "x-guid=12"]
    );
    assert_eq!(
        cells(
            doubled,
            &["uidls", "uidls_doubled", "uidls_missing", "uidls_extra"]
        ),
        ["11", "1", "1", "1"]
    );
    assert_eq!(cells(slashed, &["uidls_unholdable", "folders"]), ["2", "1"]);
    assert_eq!(
        cells("dots", &["folders_unholdable", "folders"]),
        ["1", "2"]
    );
    assert_eq!(
        cells(
            "ancient",
            &["pop3_software", "top", "uidls", "pop3_messages", "bytes"]
        ),
        ["'=ancient\\u{1b}", "missing", "0", "1", "20"]
    );
    assert_eq!(
        cells("u01", &["imap_software", "top"]),
        ["Dovecot", "there"]
    );
    // One protocol's failure hides nothing of the other.
    assert_eq!(cells(refused, &["messages", "attempts"]), ["2", "3"]);
    assert_eq!(cells(forged, &["uidls", "messages"]), ["2", ""]);
    let said = cell(wrong, "imap_error");
    assert!(
        said.contains("refused the login") && !said.contains("guessed"),
        "{said}"
    );
    let largest = cells("u01", &["largest_folder", "largest_message"]);
    assert_eq!(largest, ["INBOX", "UID 4021"]);
    assert!(report.path().join("logs/u01.log").exists());

    // For a person: a line a user, in the order of the list, and what holds for all.
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines[0].starts_with("user "), "{}", output.stdout);
    for (line, Expected { user, .. }) in lines[1..].iter().zip(&list.0) {
        assert!(line.starts_with(&format!("{user} ")), "{line}");
    }
    for told in [
        "logins that fail: 1 busy, 1 network, 4 password, 1 protocol, 1 refused, 1 tls\n"
            .to_owned(),
        format!("UIDLs of {pop3}: v8u8 (1 user); pop3_uidl_format = %08Xv%08Xu\n"),
        format!("UIDLs of {pop3}: V8U8 (1 user)\n"),
    ] {
        assert!(output.stdout.contains(&told), "{told}{}", output.stdout);
    }

    // What an option accepts is no reason any more; users without one are fine.
    let accept = ["--only", slashed, "--only", tls, "--unholdable", "report"];
    let output = check(&users, &target, &[&common[..], &accept].concat());
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let told = "transparent, but for what is accepted: qmail cannot hold 2 UIDLs";
    assert!(output.stdout.contains(told), "{}", output.stdout);
    let accept = ["--only", doubled, "--ignore-missing-uidls", "-v"];
    let output = check(&users, &target, &[&common[..], &accept].concat());
    assert_eq!(output.code, Some(1), "the UIDL without a message is left");
    let told = "duplicate UIDL, given to POP3 message";
    assert!(output.stdout.contains(told), "{}", output.stdout);
    let dates = ["--only", unordered, "--pop3-order", "date"];
    let output = check(&users, &target, &[&common[..], &dates].concat());
    assert_eq!(output.code, Some(1));
    let told = "the dates do not keep the POP3 order in 11 places";
    assert!(output.stdout.contains(told), "{}", output.stdout);

    // POP3 shows INBOX only, whichever protocols the old server has.
    let moved = ["--only", pop3_only, "--only", tls, "--subfolder", "Old"];
    let output = check(&users, &target, &[&common[..], &moved].concat());
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    for uidls in [3, 2] {
        let told = format!("INBOX becomes Old, where POP3 shows none of its {uidls} UIDLs");
        assert!(output.stdout.contains(&told), "{}", output.stdout);
    }

    // The report names who is to be looked at again; dots are no trouble in the other layout.
    let again = format!("{report_dir}/check.csv");
    let more = ["--only-failed", &again, "--only", "dots", "--layout", "fs"];
    let output = check(&users, &target, &more);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    assert_eq!(check(&users, &target, &["--only", "nobody"]).code, Some(2));
}

/// A pause of minutes that a server demands ends with the order to stop.
#[test]
fn a_check_that_waits_for_a_server_can_be_stopped() {
    let server = FakeServer::start(vec![vec![
        send("+OK\r\n"),
        expect("CAPA"),
        send("+OK\r\nLOGIN-DELAY 7200\r\n.\r\n"),
        expect("USER"),
        send("+OK\r\n"),
        expect("PASS"),
        send("-ERR [LOGIN-DELAY] wait\r\n"),
    ]]);
    let mut command = program::mailseed_command();
    command
        .args(["check", "--user", "ann", "--pop3"])
        .arg(format!("pop3+plain://127.0.0.1:{}", server.port()))
        .env("MAILSEED_PASSWORD", "secret")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("mailseed runs");
    let told = BufReader::new(child.stderr.take().expect("asked for"));
    let mut lines = told.lines().map(|line| line.expect("it is text"));
    let longest = "wants 7200 s between two logins; no more than 900 s are waited";
    assert!(lines.any(|line| line.contains(longest)));
    assert!(lines.any(|line| line.contains("two logins of a user: ")));
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it is ours");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(server.complaint(), None);
}

/// The first signal lets the users at hand come to an end; there is no verdict on them then.
#[test]
fn an_interrupted_check_says_so() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let report = TempTree::new();
    let mut command = program::mailseed_command();
    command
        .args(["check", "--user", "ann", "--retries", "9", "--imap"])
        .arg(format!("imap+plain://127.0.0.1:{port}"))
        .arg("--report")
        .arg(report.path())
        .env("MAILSEED_PASSWORD", "secret")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("mailseed runs");
    let mut told = BufReader::new(child.stderr.take().expect("asked for"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it tells of the failure");
    assert!(line.contains("trying again"), "{line}");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it is ours");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let row = &rows(&report)["ann"];
    assert_eq!((&row["status"][..], &row["imap"][..]), ("failed", ""));
    assert!(row["verdict"].starts_with("not known: "), "{row:?}");
}
