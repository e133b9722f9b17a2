//! Several connections for one folder (`--connections`): what comes of them is what comes of one,
//! whatever happens to some of them.

use std::time::Duration;

use super::system_calls::with;
use super::{State, golden, mark, source, state_of};
use crate::migration::{Source, Target};
use crate::support::dovecot::Dovecot;
use crate::support::fake_server::{FakeServer, Moment, Step, expect, send};
use crate::support::proxy::{Fault, Proxy};
use crate::support::tree::TempTree;

/// More than what one connection is left alone with.
const MANY: usize = 2100;

/// What each of three connections gets before any of them gets more: the listing, which comes over the first,
/// and a good many messages. A connection that is late would else find nothing left to do.
const IN_STEP: (usize, u64) = (3, 400_000);

const THREE: [&str; 2] = ["--connections", "3"];

fn through(proxy: &Proxy, server: &Dovecot) -> Source {
    Source::both(proxy.port(), server.pop3_port())
}

#[test]
fn three_connections_bring_what_one_brings() {
    let server = source(MANY);
    let slow = Fault::Slow(4000, Duration::ZERO);
    for (targets, fault) in [("dovecot", Fault::None), ("qmail,dovecot", slow)] {
        let target_is = ["--target", targets];
        let more = [&target_is[..], &THREE].concat();
        let whole = golden(&Source::of(&server), &target_is);
        let proxy = Proxy::in_step(server.imap_port(), fault, IN_STEP);
        let source = through(&proxy, &server);
        let target = Target::new();
        target.export_ok(&source, "ann", &more);
        // INBOX is large; Sent is not, and comes over the first alone.
        assert_eq!(proxy.passed().len(), 3);
        let passed = proxy.passed();
        assert!(passed.iter().all(|bytes| *bytes > 10_000), "{passed:?}");
        state_of(&target, &source).assert_is(&whole, targets);
        target.export_ok(&source, "ann", &more);
        assert_eq!(proxy.passed().len(), 4, "nothing to fetch: one connection");
    }
}

#[test]
fn what_is_small_comes_over_one_connection() {
    let server = source(30);
    let proxy = Proxy::start(server.imap_port(), Fault::None);
    Target::new().export_ok(&through(&proxy, &server), "ann", &THREE);
    assert_eq!(proxy.passed().len(), 1);
}

#[test]
fn a_connection_that_breaks_leaves_its_part_to_the_others() {
    let server = source(MANY);
    let whole = golden(&Source::of(&server), &[]);
    for (connection, after) in [(1, 1), (1, 20_000), (2, 200_001), (0, 600_000)] {
        let fault = Fault::Cut { connection, after };
        let proxy = Proxy::in_step(server.imap_port(), fault, IN_STEP);
        let source = through(&proxy, &server);
        let target = Target::new();
        let more = [&THREE[..], &["-v"]].concat();
        let output = target.export_ok(&source, "ann", &more);
        let context = format!("{connection} after {after}\n{}", output.stderr);
        state_of(&target, &source).assert_is(&whole, &context);
        // Only the first is worth another attempt.
        let attempts = output.stderr.matches("IMAP at").count();
        let passed = proxy.passed();
        assert_eq!(passed[connection], after, "not cut: {context}");
        assert_eq!(attempts, 1 + usize::from(connection == 0), "{context}");
    }
}

#[test]
fn a_message_at_which_each_connection_breaks_costs_that_message_only() {
    let server = source(MANY);
    let whole = golden(&Source::of(&server), &[]);
    for number in [3, MANY] {
        let proxy = Proxy::start(server.imap_port(), Fault::CutAt(mark(number).into_bytes()));
        // Of POP3 only the listing is read, for which the proxy is not asked.
        let source = through(&proxy, &server);
        let target = Target::new();
        let report = TempTree::new();
        let report_dir = report.path().display().to_string();
        let more = [&THREE[..], &["--folder", "INBOX", "--report", &report_dir]].concat();
        // A client that is late finds that it can write no more before it has read where it broke.
        let output = with(&target, &source, &more, ("sendto", "delay_enter=20000"));
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        let rows = super::skipped(report.path());
        let uids: Vec<&str> = rows.iter().map(|(_, uid, ..)| uid.as_str()).collect();
        assert_eq!(uids, [number.to_string()], "{}", output.stderr);
        target.export_ok(&Source::of(&server), "ann", &[]);
        state_of(&target, &Source::of(&server)).assert_is(&whole, "after the next run");
    }
}

const CAPABILITIES: &str = "* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n";

/// From the greeting to LOGIN.
fn greeted() -> Vec<Step> {
    vec![
        send("* OK hello\r\n"),
        expect("{tag} CAPABILITY"),
        send(CAPABILITIES),
        expect("{tag} LOGIN"),
    ]
}

fn logged_in() -> Vec<Step> {
    let rest = [
        send("{tag} OK\r\n"),
        expect("{tag} CAPABILITY"),
        send(CAPABILITIES),
    ];
    [greeted(), rest.to_vec()].concat()
}

fn examined(validity: u32) -> Vec<Step> {
    let opened = format!(
        "* 3 EXISTS\r\n* OK [UIDVALIDITY {validity}] ok\r\n* OK [UIDNEXT 4] ok\r\n{{tag}} OK\r\n"
    );
    vec![expect("{tag} EXAMINE"), send(opened)]
}

fn farewell() -> Vec<Step> {
    vec![expect("{tag} LOGOUT"), send("* BYE\r\n{tag} OK\r\n")]
}

/// The first of two connections: three messages that are said to be large, each asked for by itself. Before
/// that is done the second must have been `seen`.
fn first(seen: &Moment) -> Vec<Step> {
    let list: String = (1..=3)
        .map(|uid| {
            format!(
                "* {uid} FETCH (UID {uid} FLAGS () INTERNALDATE \"01-Jan-2018 00:00:00 +0000\" \
                 RFC822.SIZE 20000000)\r\n"
            )
        })
        .collect();
    let mut steps = logged_in();
    steps.extend([
        expect("{tag} LIST"),
        send("* LIST () \"/\" INBOX\r\n{tag} OK\r\n"),
        expect("{tag} LSUB"),
        send("{tag} OK\r\n"),
    ]);
    steps.extend(examined(7));
    steps.extend([
        expect("{tag} UID FETCH"),
        send(format!("{list}{{tag}} OK\r\n")),
    ]);
    for uid in 1..=3 {
        let text = format!("Subject: {uid}\r\n\r\nof the first\r\n");
        let length = text.len();
        steps.extend([
            expect(&format!("{{tag}} UID FETCH {uid} ")),
            Step::Await(seen.clone()),
            send(format!(
                "* {uid} FETCH (UID {uid} BODY[] {{{length}}}\r\n{text})\r\n{{tag}} OK\r\n"
            )),
        ]);
    }
    [steps, farewell()].concat()
}

/// The server lets no second connection in, or what that shows is not the folder that was listed.
#[test]
fn a_connection_that_is_of_no_use_is_told_of_and_costs_nothing() {
    let limit = "{tag} NO [LIMIT] Maximum number of connections exceeded\r\n";
    let another = [logged_in(), examined(8), farewell()].concat();
    for (second, told) in [
        (
            [greeted(), vec![send(limit), Step::Close]].concat(),
            "[LIMIT]",
        ),
        (vec![send("* BYE too many\r\n"), Step::Close], "too many"),
        (vec![Step::Close], "closed the connection"),
        (another, "another UIDVALIDITY"),
    ] {
        let seen = Moment::default();
        let second = [vec![Step::Come(seen.clone())], second].concat();
        let server = FakeServer::start(vec![first(&seen), second]);
        let source = Source::both(server.port(), 0).imap_only();
        let target = Target::new();
        let output = target.export(&source, "ann", &["--connections", "2"]);
        assert_eq!(server.complaint(), None, "{}", output.stderr);
        let line = output.stderr.lines().find(|line| line.contains(told));
        assert!(
            line.is_some_and(|line| line.contains("no more than 1 of 2 connections")),
            "{told}\n{}",
            output.stderr
        );
        assert_eq!(State::of(&target.maildir("ann")).messages(), 3);
    }
}
