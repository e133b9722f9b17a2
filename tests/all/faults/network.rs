//! What servers and networks do that they should not, as tables: each row is a user whose server is sound
//! but for one twist, all users of a table are exported in one run, and between them stand users of
//! sound servers, who must be done.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::fake_server::{Step, send};
use crate::support::mail_owner;
use crate::support::odd_server::{OddServer, Speaks, Twist, mailbox};
use crate::support::program::{self, Output};
use crate::support::report::{Row, summary};
use crate::support::tree::TempTree;

use Speaks::{Imap, Pop3};

/// A sound server answers in that time, on a busy machine too; a silent one says nothing for twice as long.
const TIMEOUT: [&str; 2] = ["--timeout", "6"];
const SILENCE: Duration = Duration::from_secs(12);

/// One user of a table.
struct Case {
    name: &'static str,
    speaks: Speaks,
    twist: Twist,
    /// The status, and words of the error or of a skipped message.
    status: &'static str,
    words: &'static str,
    /// How many of the three messages are there afterwards.
    messages: usize,
}

fn case(
    name: &'static str,
    speaks: Speaks,
    (at, steps): (&'static str, Vec<Step>),
    (status, messages, words): (&'static str, usize, &'static str),
) -> Case {
    Case {
        name,
        speaks,
        twist: Twist {
            at,
            steps,
            times: 0,
        },
        status,
        words,
        messages,
    }
}

/// The same, but the server is sound from the second time on.
fn once(case: Case) -> Case {
    Case {
        twist: Twist {
            times: 1,
            ..case.twist
        },
        ..case
    }
}

/// What a table left.
struct Ran {
    output: Output,
    tree: TempTree,
    _servers: Vec<OddServer>,
}

impl Ran {
    fn row(&self, user: &str) -> Row {
        let rows = summary(&self.tree.path().join("report"));
        let row = rows.into_iter().find(|row| row.text("user") == user);
        row.unwrap_or_else(|| panic!("no row for {user}:\n{}", self.output.stderr))
    }

    fn maildir(&self, user: &str) -> std::path::PathBuf {
        self.tree.path().join("mail").join(user)
    }
}

/// Exports all users of `cases` and the sound ones; asserts what is true of every run.
fn run(cases: &[Case], more: &[&str]) -> Ran {
    let tree = TempTree::new();
    let sound = [Imap, Pop3].map(|speaks| OddServer::start(speaks, mailbox(3), None));
    let mut list = "user,imap,pop3\n".to_owned();
    let mut row = |user: &str, speaks: Speaks, url: &str| {
        list.push_str(&match speaks {
            Imap => format!("{user},{url},\n"),
            Pop3 => format!("{user},,{url}\n"),
        });
    };
    let mut servers = Vec::new();
    let mut sound_users = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let server = OddServer::start(case.speaks, mailbox(3), Some(case.twist.clone()));
        row(case.name, case.speaks, &server.url());
        servers.push(server);
        if at % 4 == 3 || at + 1 == cases.len() {
            let user = format!("sound-{at}");
            let which = usize::from(at % 8 < 4);
            row(&user, [Imap, Pop3][which], &sound[which].url());
            sound_users.push(user);
        }
    }
    let users = tree.path().join("users.csv");
    fs::write(&users, list).expect("scratch directories are writable");
    let mut command = program::mailseed_command();
    // What servers say of sizes here is not to be weighed against this machine's disk.
    command.args(["export", "--jobs", "12", "--min-free", "0"]);
    if !more.contains(&"--timeout") {
        command.args(TIMEOUT).args(["--retries", "1"]);
    }
    command.arg("--users").arg(&users);
    command
        .arg("--maildir")
        .arg(tree.path().join("mail/{user}"));
    command.arg("--report").arg(tree.path().join("report"));
    if let Some((uid, gid)) = mail_owner() {
        command.args(["--owner", &format!("{uid}:{gid}")]);
    }
    command.args(more).env("MAILSEED_PASSWORD", "secret-word");
    let start = Instant::now();
    let output = program::run(command, Duration::from_secs(100));
    eprintln!(
        "{} users in {:?}, {} KiB at most",
        cases.len(),
        start.elapsed(),
        output.peak_rss_kib
    );
    let ran = Ran {
        output,
        tree,
        _servers: servers,
    };
    for user in &sound_users {
        let row = ran.row(user);
        assert_eq!(
            (row.text("status"), row.number("messages")),
            ("ok", 3),
            "{row:?}"
        );
    }
    assert_clean(&ran);
    ran
}

/// Nothing half-written can be seen, nothing is left in tmp/, and no control character of a server
/// reaches a terminal or a file for people.
fn assert_clean(ran: &Ran) {
    let is_odd = |text: &str| {
        text.chars()
            .find(|c| c.is_control() && *c != '\n')
            .or_else(|| {
                text.chars()
                    .find(|c| "\u{202e}\u{2066}\u{200b}".contains(*c))
            })
    };
    for entry in walkdir::WalkDir::new(ran.tree.path()) {
        let entry = entry.expect("it stands still");
        let path = entry.path().display().to_string();
        assert!(
            !path.contains("/tmp/") || !entry.file_type().is_file() || is_tree_tmp(&path),
            "{path}"
        );
        if path.contains("/cur/") || path.contains("/new/") {
            let size = entry.metadata().expect("it stands still").len();
            assert!(size > 0, "{path} is empty");
        }
        if path.contains("/report/") && entry.file_type().is_file() {
            let text = fs::read_to_string(&path).expect("reports are UTF-8");
            assert_eq!(is_odd(&text), None, "{path}:\n{text}");
        }
    }
    for text in [&ran.output.stdout, &ran.output.stderr] {
        assert_eq!(is_odd(text), None, "{text}");
    }
}

/// The scratch tree itself may lie in a directory of that name.
fn is_tree_tmp(path: &str) -> bool {
    !path.contains("/mail/")
        || !path
            .rsplit("/mail/")
            .next()
            .unwrap_or_default()
            .contains("/tmp/")
}

fn mails(maildir: &Path) -> usize {
    let files = |name: &str| fs::read_dir(maildir.join(name)).map_or(0, Iterator::count);
    files("cur") + files("new")
}

/// Holds each user of `cases` against what is wanted.
fn check(ran: &Ran, cases: &[Case]) {
    let skipped =
        fs::read_to_string(ran.tree.path().join("report/skipped.csv")).unwrap_or_default();
    let mut wrong = Vec::new();
    for case in cases {
        let row = ran.row(case.name);
        let (status, error) = (row.text("status"), row.text("error"));
        let skips: Vec<&str> = skipped
            .lines()
            .filter(|line| line.starts_with(&format!("{},", case.name)))
            .collect();
        let told = format!("{error} {}", skips.join(" "));
        let found = mails(&ran.maildir(case.name));
        if status != case.status || found != case.messages || !told.contains(case.words) {
            wrong.push(format!("{}: {status} {found} {told}", case.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{}",
        wrong.join("\n"),
        ran.output.stderr
    );
    let all_ok = cases.iter().all(|case| case.status == "ok");
    assert_eq!(ran.output.code, Some(i32::from(!all_ok)));
}

fn flood(bytes: impl AsRef<[u8]>) -> Step {
    // Far more than any limit, if nobody hangs up.
    Step::Flood(bytes.as_ref().to_vec(), 1 << 40)
}

fn body(uid: &str, rest: &str) -> Step {
    send(format!("* 1 FETCH (UID {uid} BODY[] {rest}"))
}

const DONE: &str = "{tag} OK done\r\n";
const BODY: &str = "UID FETCH 1:3 (UID BODY.PEEK[])";
const LIST: &str = "UID FETCH 1:* (UID FLAGS";

#[test]
#[rustfmt::skip] // a table
fn what_an_imap_server_says_costs_no_more_than_it_is_about() {
    let ok = || send(DONE);
    let cases = [
        case("bye-greeting", Imap, ("", vec![send("* BYE go away\r\n"), Step::Close]), ("failed", 0, "go away")),
        case("preauth", Imap, ("", vec![send("* PREAUTH hi\r\n")]), ("failed", 0, "PREAUTH")),
        case("no-imap", Imap, ("", vec![send("+OK POP3\r\n")]), ("failed", 0, "no IMAP greeting")),
        case("smtp", Imap, ("", vec![send("220 smtp ESMTP\r\n")]), ("failed", 0, "no IMAP greeting")),
        case("bye-login", Imap, ("LOGIN", vec![send("* BYE shutting down\r\n"), Step::Close]), ("failed", 0, "shutting down")),
        case("bye-list", Imap, ("LIST", vec![send("* BYE at LIST\r\n"), Step::Close]), ("failed", 0, "at LIST")),
        case("bye-examine", Imap, ("EXAMINE", vec![send("* BYE at EXAMINE\r\n"), Step::Close]), ("failed", 0, "at EXAMINE")),
        once(case("bye-fetch-once", Imap, (BODY, vec![send("* BYE at FETCH\r\n"), Step::Close]), ("ok", 3, ""))),
        once(case("cut-in-literal", Imap, (BODY, vec![body("1", "{500}\r\nhalf of it"), Step::Close]), ("ok", 3, ""))),
        case("silent", Imap, ("EXAMINE", vec![Step::Wait(SILENCE), Step::Close]), ("failed", 0, "silent")),
        case("literal-2^64-1", Imap, ("LIST", vec![send("* LIST () \"/\" {18446744073709551615}\r\nx"), ok()]), ("failed", 0, "literal")),
        case("literal-2^70", Imap, (LIST, vec![send("* 1 FETCH (UID 1 X {1180591620717411303424}\r\nx)\r\n"), ok()]), ("failed", 0, "")),
        case("literal-negative", Imap, ("LIST", vec![send("* LIST () \"/\" {-1}\r\n* LIST () \"/\" INBOX\r\n"), ok()]), ("failed", 0, "impossible literal")),
        case("nested", Imap, (LIST, vec![send(format!("* 1 FETCH (UID 1 X-A {}{})\r\n", "(".repeat(10_000), ")".repeat(10_000))), ok()]), ("partial", 1, "left 2 of 3")),
        case("other-tag", Imap, ("EXAMINE", vec![send("zz9 OK not yours\r\n")]), ("failed", 0, "never sent")),
        case("unasked-fetch", Imap, (BODY, vec![send("* 9 FETCH (UID 99 BODY[] {5}\r\nstray)\r\n* 1 FETCH (UID 1 BODY[] {6}\r\nA: b\r\n)\r\n"), ok()]), ("ok", 3, "")),
        case("no-and-bad", Imap, ("EXAMINE", vec![send("* NO [ALERT] over quota\r\n* BAD what\r\n* X-FOO 1\r\n\r\n* OK [UIDVALIDITY 7] v\r\n* 3 EXISTS\r\n* OK [UIDNEXT 4] n\r\n"), ok()]), ("ok", 3, "")),
        case("bare-lf", Imap, ("LIST", vec![send("* list () \"/\"  inbox\n{tag} ok\n")]), ("ok", 3, "")),
        case("body-nil", Imap, ("UID FETCH", vec![send("* 1 FETCH (UID 1 BODY[] NIL FLAGS () INTERNALDATE NIL RFC822.SIZE 9)\r\n* 2 FETCH (UID 2 FLAGS () RFC822.SIZE 9 INTERNALDATE NIL BODY[] \"a \\\"q\\\" b\")\r\n* 3 FETCH (UID 3 FLAGS () RFC822.SIZE NIL INTERNALDATE NIL BODY[] {3}\r\nx\r\n)\r\n"), ok()]), ("partial", 2, "NIL")),
        case("nonsense-line", Imap, ("UID FETCH", vec![send("* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 3 INTERNALDATE \"32-Foo-99\" BODY[] {3}\r\na\r\n)\r\n* 2 FETCH (UID 2 FLAGS (\r\n* 3 FETCH (UID 3 FLAGS () RFC822.SIZE 3 INTERNALDATE NIL BODY[] {3}\r\nb\r\n)\r\n"), ok()]), ("partial", 2, "makes no sense")),
        case("size-lies", Imap, (LIST, vec![send("* 1 FETCH (UID 1 FLAGS () INTERNALDATE NIL RFC822.SIZE 4000000000)\r\n* 2 FETCH (UID 2 FLAGS () INTERNALDATE NIL RFC822.SIZE 0)\r\n* 3 FETCH (UID 3 FLAGS () INTERNALDATE NIL RFC822.SIZE 1)\r\n"), ok()]), ("ok", 3, "")),
        case("endless-literal", Imap, (BODY, vec![body("1", "{900000000}\r\n"), flood(vec![b'x'; 1 << 16])]), ("failed", 0, "line without end")),
        // As much as it says, and much more than it listed.
        case("large-literal", Imap, ("UID FETCH 1", vec![send("* 1 FETCH (UID 1 FLAGS () INTERNALDATE NIL RFC822.SIZE 9 BODY[] {72089600}\r\n"), Step::Flood(vec![b'x'; 1 << 16], 1100), send(")\r\n"), ok()]), ("partial", 0, "wants to send 72089600")),
        case("refused-range", Imap, ("UID FETCH", vec![send("{tag} NO [SERVERBUG] not today\r\n")]), ("partial", 0, "not today")),
    ];
    let ran = run(&cases, &[]);
    check(&ran, &cases);
}

#[test]
#[rustfmt::skip] // a table
fn what_a_pop3_server_says_costs_no_more_than_it_is_about() {
    let cases = [
        case("err-greeting", Pop3, ("", vec![send("-ERR go away\r\n"), Step::Close]), ("failed", 0, "go away")),
        case("no-pop3", Pop3, ("", vec![send("* OK IMAP4rev1\r\n")]), ("failed", 0, "not a POP3 reply")),
        case("in-use", Pop3, ("PASS", vec![send("-ERR [IN-USE] locked\r\n")]), ("failed", 0, "locked")),
        once(case("in-use-once", Pop3, ("PASS", vec![send("-ERR [IN-USE] locked\r\n"), Step::Close]), ("ok", 3, ""))),
        case("silent", Pop3, ("UIDL", vec![Step::Wait(SILENCE), Step::Close]), ("failed", 0, "silent")),
        once(case("cut-in-body", Pop3, ("RETR 2", vec![send("+OK\r\nhalf"), Step::Close]), ("ok", 3, ""))),
        case("never-whole", Pop3, ("RETR 2", vec![send("+OK\r\nhalf"), Step::Close]), ("partial", 2, "")),
        case("no-dot", Pop3, ("RETR 2", vec![send("+OK\r\nall but the dot\r\n"), Step::Wait(SILENCE), Step::Close]), ("partial", 2, "")),
        case("one-refused", Pop3, ("RETR 2", vec![send("-ERR cannot read it\r\n")]), ("partial", 2, "cannot read it")),
        case("out-of-step", Pop3, ("RETR 2", vec![send("what?\r\n")]), ("partial", 2, "")),
        case("dots", Pop3, ("RETR", vec![send("+OK\r\n..first\r\n\r\nlone \r cr\nbare lf\r\n..\r\nno end\r\n.\r\n")]), ("ok", 3, "")),
        case("counts-differ", Pop3, ("STAT", vec![send("+OK 9 999\r\n")]), ("failed", 0, "STAT counts 9")),
        once(case("counts-differ-once", Pop3, ("STAT", vec![send("+OK 9 999\r\n")]), ("ok", 3, ""))),
        case("gaps", Pop3, ("UIDL", vec![send("+OK\r\n1 a\r\n3 b\r\n7 c\r\n.\r\n")]), ("failed", 0, "where LIST has")),
        case("nonsense", Pop3, ("LIST", vec![send("+OK\r\none 5\r\n.\r\n")]), ("failed", 0, "LIST line")),
        case("too-many-uidls", Pop3, ("UIDL", vec![send("+OK\r\n"), flood("1 a\r\n")]), ("failed", 0, "lines")),
        case("endless-line", Pop3, ("UIDL", vec![send("+OK\r\n1 "), flood("abcdefgh")]), ("failed", 0, "line of more than")),
        case("endless-body", Pop3, ("RETR 2", vec![send("+OK\r\n"), flood(format!("{}\r\n", "y".repeat(1 << 16)))]), ("partial", 2, "broke each time")),
        once(case("one-refused-once", Pop3, ("RETR 2", vec![send("-ERR [SYS/TEMP] try again\r\n")]), ("partial", 2, "try again"))),
        case("challenges", Pop3, ("PASS", vec![send("+ abc\r\n")]), ("failed", 0, "challenge")),
        case("huge-numbers", Pop3, ("LIST", vec![send("+OK\r\n1 99999999999999999999999\r\n2 18446744073709551615\r\n4294967296 5\r\n.\r\n")]), ("failed", 0, "LIST line")),
    ];
    let ran = run(&cases, &[&TIMEOUT[..], &["--retries", "2"]].concat());
    check(&ran, &cases);
}

/// Three messages, the answer to BODY, with what stands before it.
fn three(before: &str) -> Vec<Step> {
    let one = |uid| format!("* {uid} FETCH (UID {uid} BODY[] {{11}}\r\nA: b\r\n\r\nx\r\n)\r\n");
    let all: String = (1..=3).map(one).collect();
    vec![send(format!("{before}{all}{DONE}"))]
}

/// What stricter clients give up at (measured: see the package `imap`, 86 cases) is no fault at all here.
#[test]
#[rustfmt::skip] // a table
fn odd_servers_are_understood() {
    let listing = |items: &str| {
        let one = |uid| format!("* {uid} FETCH (UID {uid} {items})\r\n");
        let all: String = (1..=3).map(one).collect();
        vec![send(format!("{all}{DONE}"))]
    };
    let answer = |text: &str| vec![send(format!("{text}{DONE}"))];
    let cases = [
        case("utf8-login", Imap, ("LOGIN", vec![send("{tag} OK Anmeldung erfolgreich, Gr\u{fc}\u{df}e\r\n")]), ("ok", 3, "")),
        case("latin1-login", Imap, ("LOGIN", vec![send(b"{tag} OK Gr\xfc\xdfe\r\n")]), ("ok", 3, "")),
        case("old-imap4", Imap, ("CAPABILITY", answer("* CAPABILITY IMAP4 \r\n")), ("ok", 3, "")),
        case("no-capability", Imap, ("CAPABILITY", vec![send("{tag} BAD unknown\r\n")]), ("ok", 3, "")),
        case("lower-case", Imap, ("EXAMINE", vec![send("*  3  exists\n* ok  [uidvalidity 7] v\n{tag}  ok  \n")]), ("ok", 3, "")),
        case("other-data", Imap, ("EXAMINE", answer("* XFOO 1\r\n* ESEARCH (TAG \"z\")\r\n* NAMESPACE NIL NIL NIL\r\n* QUOTA x (STORAGE 1 2)\r\n* ENABLED X\r\n* 3 EXISTS\r\n* 1 RECENT\r\n* OK [UIDVALIDITY 7] v\r\n* OK [X-NEW (a b] c)] d\r\n")), ("ok", 3, "")),
        case("list-words", Imap, ("LIST", answer("* XLIST (\\Inbox) \"/\" Posteingang\r\n* LIST (\\Marked HasNoChildren) \"/\" \"INBOX\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n")), ("ok", 3, "")),
        case("items", Imap, (LIST, listing("EMAILID (M1) THREADID NIL SAVEDATE NIL X-GM-LABELS (\"\\\\Inbox\" {3}\r\na b) MODSEQ (5) BINARY.SIZE[1] 5 X ~{2}\r\nzz FLAGS (\\Seen NonJunk a%b*) RFC822.SIZE 9876543210 INTERNALDATE \"00-Jan-0000 00:00:00 +0000\"")), ("ok", 3, "")),
        case("flags-nil", Imap, (LIST, listing("FLAGS NIL RFC822.SIZE 11 INTERNALDATE \"1-Jan-24 10:00:00 +0100\"")), ("ok", 3, "")),
        case("updates", Imap, (BODY, three("* OK still here\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* 2 FETCH ()\r\n* 4 EXISTS\r\n* NO low on disk\r\n* BAD thing\r\n* 1 FETCH (UID 1)\r\n")), ("ok", 3, "")),
        case("tag-in-literal", Imap, (BODY, vec![send(format!("* 1 FETCH (BODY[] {{22}}\r\nx1 OK done\r\nx2 OK done UID 1)\r\n* 2 FETCH (UID 2 BODY[] \"a \\\\ \\\"b\\\"\")\r\n* 3 FETCH (BODY[] ~{{3}}\r\nabc UID 3 FLAGS ())\r\n{DONE}"))]), ("ok", 3, "")),
        case("then-no", Imap, (BODY, vec![send("* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n{tag} NO [SERVERBUG] some messages could not be read\r\n")]), ("ok", 3, "")),
        case("pop3-words", Pop3, ("LIST", vec![send("+ok  3 messages\n1 89 x y\n2  89 \n3 89\r\n.\n")]), ("ok", 3, "")),
        case("pop3-capa", Pop3, ("CAPA", vec![send("+OK \u{fc}ber\r\nuser\r\nuidl \r\nX-ODD a b\r\nsasl\r\n.\r\n")]), ("ok", 3, "")),
        case("pop3-latin1", Pop3, ("PASS", vec![send(b"+OK Gr\xfc\xdfe\r\n")]), ("ok", 3, "")),
    ];
    let ran = run(&cases, &[]);
    check(&ran, &cases);
}

/// What has no end ends at a limit, and memory stays where it was.
#[test]
#[rustfmt::skip] // a table
fn floods_end_and_memory_stays_flat() {
    let long = "z".repeat(1 << 20);
    let ok = || send(DONE);
    let cases = [
        case("greeting", Imap, ("", vec![flood("* OK a greeting without an end ")]), ("failed", 0, "line without end")),
        case("untagged", Imap, ("EXAMINE", vec![flood("* OK still here\r\n")]), ("failed", 0, "endless")),
        case("blank-lines", Imap, ("EXAMINE", vec![flood("\r\n\r\n\r\n\r\n")]), ("failed", 0, "endless")),
        case("line", Imap, ("LIST", vec![send("* LIST () \"/\" \""), flood(&long)]), ("failed", 0, "line without end")),
        case("long-names", Imap, ("LIST", vec![flood(format!("* LIST () \"/\" \"{}\"\r\n", &long[..1 << 19]))]), ("failed", 0, "longer names")),
        case("folders", Imap, ("LIST", vec![flood("* LIST () \"/\" \"a\"\r\n* LIST () \"/\" \"b/c\"\r\n")]), ("failed", 0, "more folders")),
        case("namespaces", Imap, ("LSUB", vec![flood("* NAMESPACE NIL NIL NIL\r\n* LSUB (\\Noselect) NIL x\r\n")]), ("failed", 0, "endless")),
        case("listing", Imap, (LIST, vec![flood("* 1 FETCH (UID 1 FLAGS () INTERNALDATE NIL RFC822.SIZE 1)\r\n")]), ("failed", 0, "more messages than there are")),
        case("keywords", Imap, (LIST, vec![send(format!("* 1 FETCH (UID 1 RFC822.SIZE 9 INTERNALDATE NIL FLAGS ({}))\r\n", "k0 k1 ".repeat(100_000))), ok()]), ("partial", 1, "left 2 of 3")),
        case("skipped-literals", Imap, ("EXAMINE", vec![send("* X {1099511627776}\r\n"), flood(&long)]), ("failed", 0, "endless")),
        case("uids-twice", Imap, (BODY, vec![flood("* 1 FETCH (UID 1 BODY[] {6}\r\nA: b\r\n)\r\n")]), ("ok", 3, "")),
        case("banner", Pop3, ("", vec![flood("+OK hi ")]), ("failed", 0, "line of more than")),
        case("sizes", Pop3, ("LIST", vec![send("+OK\r\n"), flood("1 5\r\n2 5\r\n3 5\r\n")]), ("failed", 0, "lines")),
        case("capa", Pop3, ("CAPA", vec![send("+OK\r\n"), flood("X-A\r\n")]), ("failed", 0, "lines")),
    ];
    let ran = run(&cases, &[]);
    check(&ran, &cases);
    // Debug builds too. Twelve users at once with a line of 1 MiB each, and what they have read.
    let peak = ran.output.peak_rss_kib / 1024;
    assert!(peak < 200, "{peak} MiB");
}

/// Slower than 256 bytes in four time limits is no server at work.
#[test]
fn a_trickle_ends() {
    let drop_by_drop = || {
        let drops = [send("* "), Step::Wait(Duration::from_millis(250))];
        drops.iter().cycle().take(240).cloned().collect::<Vec<_>>()
    };
    let cases = [
        case(
            "imap",
            Imap,
            ("EXAMINE", drop_by_drop()),
            ("failed", 0, "256 bytes"),
        ),
        case(
            "pop3",
            Pop3,
            ("UIDL", drop_by_drop()),
            ("failed", 0, "256 bytes"),
        ),
    ];
    let ran = run(&cases, &["--timeout", "3", "--retries", "0"]);
    check(&ran, &cases);
}

/// Whatever a folder is called, it is one directory below the Maildir or none at all.
#[test]
fn names_of_folders_lead_nowhere_and_are_told_safely() {
    let long = "n".repeat(300);
    let names: Vec<Vec<u8>> = vec![
        b"\"..\"".to_vec(),
        b"\"../../etc\"".to_vec(),
        b"\"/etc/cron.d/x\"".to_vec(),
        b"\"a/../../b\"".to_vec(),
        b"{5}\r\na\0b\0c".to_vec(),
        b"{5}\r\na\r\nb;".to_vec(),
        b"{3}\r\na\nb".to_vec(),
        b"\"esc\x1b[2J\"".to_vec(),
        "\"bidi\u{202e}gpj\"".as_bytes().to_vec(),
        b"\"&IC4-bidi\"".to_vec(),
        b"\"&AAA-nul\"".to_vec(),
        b"\"&AAo-lf\"".to_vec(),
        b"\"caf\xe9\"".to_vec(),
        b"\"cur\"".to_vec(),
        b"\"tmp/new\"".to_vec(),
        b"\"dovecot-uidlist\"".to_vec(),
        format!("\"{long}\"").into_bytes(),
        format!("\"{}\"", "d/".repeat(200) + "d").into_bytes(),
    ];
    let mut steps: Vec<Step> = names
        .iter()
        .map(|name| send([b"* LIST () \"/\" ", name.as_slice(), b"\r\n"].concat()))
        .collect();
    steps.push(send("* LIST () \"/\" INBOX\r\n{tag} OK done\r\n"));
    let cases = [case("odd", Imap, ("LIST", steps), ("partial", 3, ""))];
    let ran = run(&cases, &[]);
    check(&ran, &cases);
    // Beside the homes and the report there is nothing.
    let tops: Vec<String> = fs::read_dir(ran.tree.path().join("mail/odd"))
        .expect("it was made")
        .map(|entry| {
            entry
                .expect("it stands still")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(tops.iter().any(|name| name == "cur"), "{tops:?}");
    for entry in walkdir::WalkDir::new(ran.tree.path()).follow_links(false) {
        let entry = entry.expect("it stands still");
        let path = entry.path().to_string_lossy().into_owned();
        assert!(
            !path.chars().any(char::is_control) && !entry.path_is_symlink(),
            "{path:?}"
        );
    }
    assert!(!Path::new("/etc/cron.d/x").exists());
}

/// A UIDL is kept as it is, or it is told that it cannot be.
#[test]
fn uidls_that_are_none_are_told() {
    let long = "u".repeat(71);
    let table: Vec<(&'static str, String)> = vec![
        ("empty", String::new()),
        ("space", "a b".to_owned()),
        ("control", "a\x1b[2Jb".to_owned()),
        ("eight-bit", "caf\u{e9}".to_owned()),
        ("long", long),
        ("bidi", "a\u{202e}b".to_owned()),
    ];
    let listed = |uidl: &str| {
        vec![send(format!(
            "+OK\r\n1 one\r\n2 {uidl}\r\n3 three\r\n.\r\n"
        ))]
    };
    let cases = |status, messages, words| -> Vec<Case> {
        let rows = table.iter();
        rows.map(|(name, uidl)| {
            case(
                name,
                Pop3,
                ("UIDL", listed(uidl)),
                (status, messages, words),
            )
        })
        .collect()
    };
    let refused = cases("failed", 0, "RFC 1939");
    check(&run(&refused, &[]), &refused);
    let passed_over = cases("ok", 3, "");
    let ran = run(&passed_over, &["--ignore-missing-uidls"]);
    check(&ran, &passed_over);
    for (name, _) in &table {
        assert_eq!(ran.row(name).number("uidls_missing"), 1, "{name}");
    }
    let kept = [
        ("slash", "a/b"),
        ("dots", "../../x"),
        ("colon", "a:2,S"),
        ("dot", ".hidden"),
    ];
    let cases: Vec<Case> = kept
        .iter()
        .map(|(name, uidl)| case(name, Pop3, ("UIDL", listed(uidl)), ("ok", 3, "")))
        .collect();
    let ran = run(&cases, &[]);
    check(&ran, &cases);
    for (name, uidl) in kept {
        let list =
            fs::read_to_string(ran.maildir(name).join("dovecot-uidlist")).expect("it was written");
        assert!(list.contains(&format!(" P{uidl} ")), "{list}");
    }
}
