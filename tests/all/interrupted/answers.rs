//! Servers that refuse, contradict themselves or make no sense: each costs what it is about and
//! nothing else.

use std::time::{Duration, Instant};

use super::system_calls::all_have_a_turn;
use super::{skipped, summary};
use crate::migration::{Source, Target};
use crate::support::fake_server::{FakeServer, Step, expect, send};
use crate::support::program::Output;
use crate::support::tree::TempTree;

/// One export from a scripted server, with its reports.
struct Run {
    output: Output,
    target: Target,
    report: TempTree,
    server: FakeServer,
}

impl Run {
    fn imap(connections: Vec<Vec<Step>>) -> Self {
        let server = FakeServer::start(connections);
        let source = Source::both(server.port(), 0).imap_only();
        Self::of(server, &source, &[])
    }

    fn pop3(connections: Vec<Vec<Step>>, more: &[&str]) -> Self {
        let server = FakeServer::start(connections);
        let source = Source::both(0, server.port()).pop3_only();
        Self::of(server, &source, more)
    }

    fn of(server: FakeServer, source: &Source, more: &[&str]) -> Self {
        let target = Target::new();
        let report = TempTree::new();
        let report_dir = report.path().display().to_string();
        let arguments = [&["--report", &report_dir, "-v"], more].concat();
        let output = target.export(source, "ann", &arguments);
        assert_eq!(server.complaint(), None, "{}", output.stderr);
        Self {
            output,
            target,
            report,
            server,
        }
    }

    /// Checks the exit status and the one line of `skipped.csv`.
    fn skips(&self, folder: &str, uid: &str, reason: &str) {
        assert_eq!(self.output.code, Some(1), "{}", self.output.stderr);
        let rows = skipped(self.report.path());
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((rows[0].0.as_str(), rows[0].1.as_str()), (folder, uid));
        assert!(rows[0].3.contains(reason), "{rows:?}");
    }

    fn summary(&self, column: &str) -> String {
        summary(self.report.path())[column].clone()
    }

    /// The contents of the messages in `folder`, sorted.
    fn messages(&self, folder: &str) -> Vec<String> {
        let cur = self.target.maildir("ann").join(folder).join("cur");
        let mut found: Vec<String> = std::fs::read_dir(&cur)
            .map(|entries| {
                entries
                    .map(|entry| entry.expect("the directory stands still").path())
                    .map(|path| std::fs::read_to_string(path).expect("the tests write ASCII"))
                    .collect()
            })
            .unwrap_or_default();
        found.sort();
        found
    }
}

/// From the greeting to the list of `folders`.
fn login(folders: &[&str]) -> Vec<Step> {
    let list: String = folders
        .iter()
        .map(|name| format!("* LIST () \"/\" {name}\r\n"))
        .collect();
    let capabilities = "* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n";
    vec![
        send("* OK hello\r\n"),
        expect("{tag} CAPABILITY"),
        send(capabilities),
        expect("{tag} LOGIN"),
        send("{tag} OK\r\n"),
        expect("{tag} CAPABILITY"),
        send(capabilities),
        expect("{tag} LIST"),
        send(format!("{list}{{tag}} OK\r\n")),
        expect("{tag} LSUB"),
        send("{tag} OK\r\n"),
    ]
}

/// A folder is opened and listed: `count` messages with UIDs from 1, which are those of [`body`].
fn open(name: &str, validity: u32, count: u32) -> Vec<Step> {
    let list: String = (1..=count)
        .map(|uid| {
            let size = body(name, uid).len();
            format!(
                "* {uid} FETCH (UID {uid} FLAGS () INTERNALDATE \"01-Jan-2018 00:00:00 +0000\" \
                 RFC822.SIZE {size})\r\n"
            )
        })
        .collect();
    let next = count + 1;
    vec![
        expect(&format!("{{tag}} EXAMINE \"{name}\"")),
        send(format!(
            "* {count} EXISTS\r\n* OK [UIDVALIDITY {validity}] it\r\n* OK [UIDNEXT {next}] it\r\n\
             {{tag}} OK [READ-ONLY] open\r\n"
        )),
        expect("{tag} UID FETCH 1:* "),
        send(format!("{list}{{tag}} OK listed\r\n")),
    ]
}

/// A folder that has been looked at ahead of its turn is opened for its messages, unless it is the only one.
fn turn(name: &str, validity: u32, count: u32) -> Vec<Step> {
    let mut steps = open(name, validity, count);
    steps.truncate(2);
    steps
}

/// A folder that has been done is opened again, and is asked for the flags of its one message.
fn open_again(name: &str, validity: u32) -> Vec<Step> {
    let mut steps = open(name, validity, 1);
    steps.truncate(2);
    steps.extend([
        expect("{tag} UID FETCH 1:1 (UID FLAGS)"),
        send("* 1 FETCH (UID 1 FLAGS ())\r\n{tag} OK\r\n"),
    ]);
    steps
}

fn body(folder: &str, uid: u32) -> String {
    format!("Subject: {folder} {uid}\r\n\r\nhello\r\n")
}

fn stored(folder: &str, uid: u32) -> String {
    body(folder, uid).replace("\r\n", "\n")
}

fn whole(folder: &str, uid: u32) -> String {
    let body = body(folder, uid);
    format!(
        "* {uid} FETCH (UID {uid} BODY[] {{{}}}\r\n{body})\r\n",
        body.len()
    )
}

fn bye() -> Vec<Step> {
    vec![expect("{tag} LOGOUT"), send("* BYE\r\n{tag} OK\r\n")]
}

/// `set` is asked for and `answer` given.
fn fetch(set: &str, answer: &str) -> Vec<Step> {
    vec![expect(&format!("{{tag}} UID FETCH {set} (")), send(answer)]
}

#[test]
fn a_message_that_the_server_refuses_costs_that_message_only() {
    for (first, second, reason) in [
        // Dovecot on a damaged file, asked for the whole range and for it alone.
        (
            "{tag} NO [SERVERBUG] cannot read it\r\n",
            "{tag} NO [SERVERBUG] cannot read it\r\n",
            "[SERVERBUG] cannot read it",
        ),
        ("{tag} OK\r\n", "{tag} OK\r\n", "did not send it"),
        (
            "* 2 FETCH (UID 2 BODY[] garbage\r\n{tag} OK\r\n",
            "* 2 FETCH (UID 2 BODY[] garbage\r\n{tag} OK\r\n",
            "makes no sense",
        ),
        (
            "* 2 FETCH (UID 2 BODY[] \"\")\r\n{tag} OK\r\n",
            "* 2 FETCH (UID 2 BODY[] NIL)\r\n{tag} OK\r\n",
            "NIL",
        ),
    ] {
        let around = format!("{}{}{first}", whole("INBOX", 1), whole("INBOX", 3));
        let run = Run::imap(vec![
            [
                login(&["INBOX", "Sent"]),
                open("INBOX", 7, 3),
                open("Sent", 8, 1),
                turn("INBOX", 7, 3),
                fetch("1:3", &around),
                // Asked ahead: thrown away, since something of INBOX is asked once more.
                turn("Sent", 8, 1),
                fetch("1", &format!("{}{{tag}} OK\r\n", whole("Sent", 1))),
                turn("INBOX", 7, 3),
                fetch("2", second),
                turn("Sent", 8, 1),
                fetch("1", &format!("{}{{tag}} OK\r\n", whole("Sent", 1))),
                bye(),
            ]
            .concat(),
        ]);
        run.skips("INBOX", "2", reason);
        assert_eq!(run.messages(""), [stored("INBOX", 1), stored("INBOX", 3)]);
        assert_eq!(run.messages(".Sent"), [stored("Sent", 1)]);
        assert_eq!(run.summary("attempts"), "1");
        assert_eq!(run.summary("status"), "partial");
    }
}

/// INBOX is opened and listed: a message of so many octets, and one of [`body`].
fn open_huge(octets: u64) -> Vec<Step> {
    let list: String = [(1, octets), (2, body("INBOX", 2).len() as u64)]
        .map(|(uid, size)| {
            format!("* {uid} FETCH (UID {uid} FLAGS () INTERNALDATE NIL RFC822.SIZE {size})\r\n")
        })
        .concat();
    let mut steps = open("INBOX", 7, 2);
    steps.pop();
    steps.push(send(format!("{list}{{tag}} OK listed\r\n")));
    steps
}

/// More than 2 GiB where all have their turn; not in memory.
#[test]
fn a_huge_message_comes_whole_in_little_memory() {
    let line = format!("{}\r\n", "x".repeat((64 << 10) - 2));
    let lines = if all_have_a_turn() { 33_000 } else { 1100 };
    let octets = lines * line.len() as u64;
    let script = [
        login(&["INBOX"]),
        open_huge(octets),
        // It is more than a command is to bring, and is asked for by itself.
        vec![
            expect("{tag} UID FETCH 1 ("),
            send(format!("* 1 FETCH (BODY[] {{{octets}}}\r\n")),
            Step::Flood(line.into_bytes(), lines),
            send(" UID 1)\r\n{tag} OK done\r\n"),
        ],
        fetch("2", &format!("{}{{tag}} OK\r\n", whole("INBOX", 2))),
        bye(),
    ]
    .concat();
    let server = FakeServer::start(vec![script]);
    let source = Source::both(server.port(), 0).imap_only();
    // The disk may take minutes for it, and the server would not wait.
    let run = Run::of(server, &source, &["--fsync", "never"]);
    assert_eq!(run.output.code, Some(0), "{}", run.output.stderr);
    let cur = run.target.maildir("ann").join("cur");
    let files = std::fs::read_dir(cur).expect("it was made");
    let sizes = files.map(|file| file.and_then(|file| file.metadata()).map(|it| it.len()));
    let mut sizes: Vec<u64> = sizes.map(|size| size.expect("it stands still")).collect();
    sizes.sort_unstable();
    let small = stored("INBOX", 2).len() as u64;
    assert_eq!(sizes, [small, octets - lines], "{}", run.output.stderr);
    let peak = run.output.peak_rss_kib;
    assert!((1000..64 << 10).contains(&peak), "{peak} KiB");
}

/// Announced with 2^32 + 10 octets, and cut after what would be all of it to who counts in 32 bits.
#[test]
fn a_message_of_more_than_four_gigabytes_is_not_taken_for_its_end() {
    const HUGE: u64 = (1 << 32) + 10;
    let begun =
        format!("* 1 FETCH (UID 1 BODY[] {{{HUGE}}}\r\n01234567\r\n)\r\n{{tag}} OK done\r\n");
    let opened = [login(&["INBOX"]), open_huge(HUGE)].concat();
    let breaks = vec![expect("{tag} UID FETCH 1"), send(begun), Step::Close];
    let without = [
        opened.clone(),
        fetch("2", &format!("{}{{tag}} OK\r\n", whole("INBOX", 2))),
        bye(),
    ];
    let server = FakeServer::start(vec![
        [&opened[..], &breaks].concat(),
        [opened, breaks].concat(),
        without.concat(),
    ]);
    let source = Source::both(server.port(), 0).imap_only();
    // There need not be so much room where the test runs.
    let run = Run::of(server, &source, &["--min-free", "0"]);
    run.skips("INBOX", "1", "broke each time");
    assert_eq!(run.messages(""), [stored("INBOX", 2)]);
}

/// A folder that cannot be opened, whether the server calls that a passing state or not.
#[test]
fn a_folder_that_the_server_refuses_costs_that_folder_only() {
    for (refusal, attempts) in [("[NOPERM] not yours", 1), ("[SERVERBUG] broken", 2)] {
        let refused = vec![
            expect("{tag} EXAMINE \"Bad\""),
            send(format!("{{tag}} NO {refusal}\r\n")),
        ];
        // The listing that was asked ahead, of a folder that did not open.
        let not_open = vec![
            expect("{tag} UID FETCH 1:* "),
            send("{tag} BAD nothing is open\r\n"),
        ];
        // A refusal is asked once more in its turn, unless the server is busy.
        let once_more = match attempts {
            1 => [refused.clone(), open("Sent", 8, 1)].concat(),
            _ => Vec::new(),
        };
        let list = || login(&["INBOX", "Bad", "Sent"]);
        let whole = |name| fetch("1", &format!("{}{{tag}} OK\r\n", whole(name, 1)));
        let server = FakeServer::start(vec![
            [
                list(),
                open("INBOX", 7, 1),
                [refused.clone(), not_open, open("Sent", 8, 1)].concat(),
                once_more,
                [turn("INBOX", 7, 1), whole("INBOX")].concat(),
                [turn("Sent", 8, 1), whole("Sent")].concat(),
                bye(),
            ]
            .concat(),
            [
                list(),
                open_again("INBOX", 7),
                refused,
                open_again("Sent", 8),
                bye(),
            ]
            .concat(),
        ]);
        let source = Source::both(server.port(), 0).imap_only();
        let run = Run::of(server, &source, &["--retries", "1"]);
        assert_eq!(run.output.code, Some(1), "{}", run.output.stderr);
        assert_eq!(run.messages(""), [stored("INBOX", 1)]);
        assert_eq!(run.messages(".Sent"), [stored("Sent", 1)]);
        assert_eq!(run.summary("status"), "partial");
        assert_eq!(run.summary("attempts"), attempts.to_string());
        let error = run.summary("error");
        assert!(error.contains("Bad") && error.contains(refusal), "{error}");
    }
}

#[test]
fn a_server_that_hangs_up_at_the_greeting_is_tried_again() {
    let run = Run::imap(vec![
        vec![send("* BYE too many of you\r\n"), Step::Close],
        [
            login(&["INBOX"]),
            open("INBOX", 7, 1),
            fetch("1", &format!("{}{{tag}} OK\r\n", whole("INBOX", 1))),
            bye(),
        ]
        .concat(),
    ]);
    assert_eq!(run.output.code, Some(0), "{}", run.output.stderr);
    assert!(
        run.output.stderr.contains("too many of you"),
        "{}",
        run.output.stderr
    );
    assert_eq!(run.messages(""), [stored("INBOX", 1)]);
    assert_eq!(run.summary("attempts"), "2");
}

/// The UIDs that were half exported name other messages now.
#[test]
fn another_uidvalidity_after_a_break_costs_no_second_fetch() {
    let headers: String = (1..=2)
        .map(|uid| {
            let header = format!("Subject: INBOX {uid}\r\n\r\n");
            let length = header.len();
            format!("* {uid} FETCH (UID {uid} BODY[HEADER] {{{length}}}\r\n{header})\r\n")
        })
        .collect();
    let run = Run::imap(vec![
        [
            login(&["INBOX", "Sent"]),
            open("INBOX", 7, 2),
            open("Sent", 9, 1),
            turn("INBOX", 7, 2),
            fetch("1:2", &whole("INBOX", 1)),
            vec![Step::Close],
        ]
        .concat(),
        [
            login(&["INBOX", "Sent"]),
            open("INBOX", 8, 2),
            vec![
                expect("{tag} UID FETCH 1:2 (UID BODY.PEEK[HEADER])"),
                send(format!("{headers}{{tag}} OK\r\n")),
            ],
            fetch("2", &format!("{}{{tag}} OK\r\n", whole("INBOX", 2))),
            open("Sent", 9, 1),
            fetch("1", &format!("{}{{tag}} OK\r\n", whole("Sent", 1))),
            bye(),
        ]
        .concat(),
    ]);
    assert_eq!(run.output.code, Some(0), "{}", run.output.stderr);
    assert_eq!(run.messages(""), [stored("INBOX", 1), stored("INBOX", 2)]);
    assert_eq!(run.messages(".Sent"), [stored("Sent", 1)]);
    let list = run.target.maildir("ann").join("dovecot-uidlist");
    let list = std::fs::read_to_string(list).expect("it has been written");
    assert!(list.starts_with("3 V8 "), "{list}");
}

fn pop3_login() -> Vec<Step> {
    vec![
        send("+OK hello\r\n"),
        expect("CAPA"),
        send("-ERR what\r\n"),
        expect("USER"),
        send("+OK\r\n"),
        expect("PASS"),
    ]
}

fn pop3_listing(uidls: &str) -> Vec<Step> {
    vec![
        send("+OK\r\n"),
        expect("CAPA"),
        send("-ERR what\r\n"),
        expect("STAT"),
        send("+OK 3 90\r\n"),
        expect("UIDL"),
        send(uidls),
        expect("LIST"),
        send("+OK\r\n1 30\r\n2 30\r\n3 30\r\n.\r\n"),
    ]
}

fn retrieve(number: u32) -> Vec<Step> {
    let body = body("INBOX", number);
    vec![
        expect(&format!("RETR {number}")),
        send(format!("+OK\r\n{body}.\r\n")),
    ]
}

const THREE_UIDLS: &str = "+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n";

fn quit() -> Vec<Step> {
    vec![expect("QUIT"), send("+OK\r\n")]
}

#[test]
fn a_message_that_pop3_refuses_costs_that_message_only() {
    let run = Run::pop3(
        vec![
            [
                pop3_login(),
                pop3_listing(THREE_UIDLS),
                retrieve(1),
                vec![expect("RETR 2"), send("-ERR [SYS/TEMP] damaged\r\n")],
                retrieve(3),
                quit(),
            ]
            .concat(),
        ],
        &[],
    );
    run.skips("INBOX", "", "damaged");
    assert_eq!(skipped(run.report.path())[0].2, "b");
    assert_eq!(run.messages(""), [stored("INBOX", 1), stored("INBOX", 3)]);
}

#[test]
fn a_server_without_uidls_is_no_source_of_its_own() {
    let run = Run::pop3(
        vec![[pop3_login(), pop3_listing("-ERR what\r\n"), quit()].concat()],
        &[],
    );
    assert_eq!(run.output.code, Some(1), "{}", run.output.stderr);
    assert_eq!(run.summary("status"), "failed");
    let error = run.summary("error");
    assert!(error.contains("gives no UIDLs"), "{error}");
    assert!(
        run.output.stdout.contains("--imap"),
        "{}",
        run.output.stdout
    );
}

/// The first login comes too early, the second one's connection breaks, the third comes after
/// the announced pause again.
#[test]
fn the_announced_pause_between_logins_is_kept() {
    let until_password = || {
        vec![
            send("+OK hello\r\n"),
            expect("CAPA"),
            send("+OK\r\nUSER\r\nUIDL\r\nLOGIN-DELAY 2\r\n.\r\n"),
            expect("USER"),
            send("+OK\r\n"),
            expect("PASS"),
        ]
    };
    let too_early = [until_password(), vec![send("-ERR [LOGIN-DELAY] wait\r\n")]].concat();
    let listed = [
        until_password(),
        vec![send("+OK\r\n"), expect("CAPA")],
        vec![send("+OK\r\nUIDL\r\nLOGIN-DELAY 2\r\n.\r\n")],
        vec![expect("STAT"), Step::Close],
    ]
    .concat();
    let good = [
        until_password(),
        pop3_listing(THREE_UIDLS),
        retrieve(1),
        retrieve(2),
        retrieve(3),
        quit(),
    ]
    .concat();
    let started = Instant::now();
    let run = Run::pop3(vec![too_early, listed, good], &[]);
    let took = started.elapsed();
    assert_eq!(run.output.code, Some(0), "{}", run.output.stderr);
    assert_eq!(run.summary("attempts"), "3");
    assert_eq!(run.messages("").len(), 3);
    assert!(took >= Duration::from_secs(4), "{took:?}");
    let told = "the POP3 server wants a pause between two logins of a user";
    let stderr = &run.output.stderr;
    assert_eq!(stderr.matches(told).count(), 2, "{stderr}");
    assert!(
        stderr.contains("[LOGIN-DELAY] wait; trying again"),
        "{stderr}"
    );
}

#[test]
fn a_maildrop_in_use_is_tried_again_and_then_named() {
    let in_use = [
        pop3_login(),
        vec![send("-ERR [IN-USE] locked\r\n"), Step::Close],
    ]
    .concat();
    let free = [
        pop3_login(),
        pop3_listing(THREE_UIDLS),
        retrieve(1),
        retrieve(2),
        retrieve(3),
        quit(),
    ]
    .concat();
    let run = Run::pop3(vec![in_use.clone(), free], &[]);
    assert_eq!(run.output.code, Some(0), "{}", run.output.stderr);
    assert_eq!(run.messages("").len(), 3);
    assert_eq!(run.summary("attempts"), "2");

    let run = Run::pop3(vec![in_use], &["--retries", "2"]);
    assert_eq!(run.output.code, Some(1), "{}", run.output.stderr);
    assert_eq!(run.summary("attempts"), "3");
    let error = run.summary("error");
    assert!(
        error.starts_with("busy: ") && error.contains("locked"),
        "{error}"
    );
    // Never taken for a wrong password, which would not be tried again.
    let tries = run.server.commands();
    let passwords = tries.iter().filter(|line| line.starts_with("PASS"));
    assert_eq!(passwords.count(), 3);
}
