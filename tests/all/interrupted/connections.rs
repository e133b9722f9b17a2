//! Connections that break: once at any byte, always at the same message, or that only trickle.

use std::time::Duration;

use super::system_calls::all_have_a_turn;
use super::{State, golden, mark, source, state_of};
use crate::migration::{PASSWORD, Source, Target};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::proxy::{Fault, Proxy};
use crate::support::tree::TempTree;
use crate::support::{corpus, give_to_mail_owner, on_two_cores};

/// Where the cuts fall: spread over the conversation, the last of them at its last bytes.
const IMAP_CUTS: u64 = 40;
const POP3_CUTS: u64 = 25;
const LARGE_CUTS: u64 = 6;

/// Few where each byte has its turn.
fn cut_messages() -> usize {
    if all_have_a_turn() { 2 } else { 8 }
}

#[test]
fn an_imap_connection_cut_at_any_byte_costs_nothing() {
    let server = source(cut_messages());
    let direct = Source::of(&server);
    let through = |proxy: &Proxy| Source::both(proxy.port(), server.pop3_port());
    cut_everywhere(server.imap_port(), (IMAP_CUTS, 1), &direct, &through);
}

#[test]
fn a_pop3_connection_cut_at_any_byte_costs_nothing() {
    let server = source(cut_messages());
    let direct = Source::of(&server).pop3_only();
    let through = |proxy: &Proxy| Source::both(0, proxy.port()).pop3_only();
    cut_everywhere(server.pop3_port(), (POP3_CUTS, 1), &direct, &through);
}

/// Megabytes, so that most cuts fall into messages.
#[test]
fn a_large_conversation_cut_at_any_place_costs_nothing() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let messages: Vec<(String, String)> = (1..=8)
        .map(|number| {
            let head = format!("Date: Mon, 1 Jan 2018 00:00:0{number} +0000\nSubject: {number}\n");
            let line = format!("{number} words of no meaning, many times\n");
            let content = format!("{head}\n{}", line.repeat(4000 + number));
            (format!("message-{number}:2,S"), content)
        })
        .collect();
    let messages: Vec<(&str, &[u8])> = messages
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_bytes()))
        .collect();
    corpus::bare(&server.mail_dir("ann"), &messages);
    give_to_mail_owner(&server.mail_dir("ann"));
    let direct = Source::of(&server).imap_only();
    let through = |proxy: &Proxy| Source::both(proxy.port(), 0).imap_only();
    cut_everywhere(server.imap_port(), (LARGE_CUTS, 4096), &direct, &through);
    let direct = Source::of(&server).pop3_only();
    let through = |proxy: &Proxy| Source::both(0, proxy.port()).pop3_only();
    cut_everywhere(server.pop3_port(), (LARGE_CUTS, 4096), &direct, &through);
}

/// Cuts a conversation at so many places, or where all have their turn after each piece of so many bytes.
fn cut_everywhere(
    port: u16,
    (cuts, piece): (u64, u64),
    direct: &Source,
    through: &(dyn Fn(&Proxy) -> Source + Sync),
) {
    let whole = golden(direct, &[]);
    let uncut = Proxy::start(port, Fault::None);
    Target::new().export_ok(&through(&uncut), "ann", &[]);
    let length = uncut.passed()[0];
    assert!(length > 5 * cuts, "{length}");
    let cuts = if all_have_a_turn() {
        length / piece
    } else {
        cuts
    };
    eprintln!("{cuts} cuts of a conversation of {length} bytes");
    on_two_cores(0..=cuts, |cut| {
        let after = length * cut / cuts;
        let proxy = Proxy::start(
            port,
            Fault::Cut {
                connection: 0,
                after,
            },
        );
        let source = through(&proxy);
        let target = Target::new();
        let output = target.export_ok(&source, "ann", &[]);
        // The last bytes are the answer to the farewell, for which nobody waits.
        assert!(
            proxy.passed().len() > 1 || length - after < 100,
            "not cut after {after} of {length}: {:?}\n{}",
            proxy.passed(),
            output.stderr
        );
        let context = format!("cut after {after} of {length} bytes\n{}", output.stderr);
        state_of(&target, &source).assert_is(&whole, &context);
    });
}

#[test]
fn a_server_that_sends_single_bytes_or_odd_pieces_is_understood() {
    let server = source(8);
    let both = Source::of(&server);
    let pop3 = Source::of(&server).pop3_only();
    let whole = [golden(&both, &[]), golden(&pop3, &[])];
    for piece in [1, 7, 1021] {
        let imap = Proxy::start(server.imap_port(), Fault::Slow(piece, Duration::ZERO));
        let pop3 = Proxy::start(server.pop3_port(), Fault::Slow(piece, Duration::ZERO));
        let slow = Source::both(imap.port(), pop3.port());
        for (slow, whole) in [slow.clone(), slow.pop3_only()].iter().zip(&whole) {
            let target = Target::new();
            target.export_ok(slow, "ann", &[]);
            let context = format!("in pieces of {piece}");
            state_of(&target, slow).assert_is(whole, &context);
        }
    }
}

/// Two tries, then the message is left out by name, the rest comes, and when the server has been
/// mended the next run puts it where it belongs.
#[test]
fn a_message_at_which_the_connection_always_breaks_costs_that_message_only() {
    let server = source(9);
    let by_imap = |proxy: &Proxy| Source::both(proxy.port(), server.pop3_port());
    let by_pop3 = |proxy: &Proxy| Source::both(0, proxy.port()).pop3_only();
    stubborn(&server, server.imap_port(), &by_imap, &Source::of(&server));
    stubborn(
        &server,
        server.pop3_port(),
        &by_pop3,
        &Source::of(&server).pop3_only(),
    );
}

fn stubborn(server: &Dovecot, port: u16, through: &dyn Fn(&Proxy) -> Source, direct: &Source) {
    let whole = golden(direct, &[]);
    // INBOX has nine of them, `Sent` four.
    let proxy = Proxy::start(port, Fault::CutAt(mark(5).into_bytes()));
    let source = through(&proxy);
    let target = Target::new();
    let report = TempTree::new();
    let report_dir = report.path().display().to_string();
    let output = target.export(&source, "ann", &["--report", &report_dir, "-v"]);
    assert_eq!(output.code, Some(1), "{}\n{}", output.stdout, output.stderr);
    assert_eq!(
        proxy.passed().len(),
        3,
        "two tries and one without it\n{}",
        output.stderr
    );
    let rows = super::skipped(report.path());
    assert_eq!(rows.len(), 1, "{rows:?}");
    let (folder, uid, uidl, reason) = &rows[0];
    assert_eq!(folder, "INBOX");
    match &source.imap {
        Some(_) => assert_eq!(uid, "5"),
        None => assert!(uidl.starts_with("00000005"), "{uidl}"),
    }
    assert!(
        reason.contains("the connection broke each time"),
        "{reason}"
    );
    let state = state_of(&target, &source);
    assert_eq!(state.messages() + 1, whole.messages());
    assert_eq!(state.temporary(), 0);
    assert_eq!(server.complaints(), Vec::<String>::new());

    target.export_ok(direct, "ann", &[]);
    let repaired = state_of(&target, direct);
    if direct.imap.is_some() {
        repaired.assert_is(&whole, "after the next run");
    } else {
        // Its UID is a new one: the UIDs above it may have been seen. The place in the POP3
        // order is kept by the list.
        let order = |state: &State| {
            let mut order: Vec<(u32, String)> = state
                .0
                .iter()
                .filter_map(|line| line.strip_prefix("dovecot-uidlist| "))
                .filter_map(|line| {
                    let field = |key| line.split(' ').find_map(|field| field.strip_prefix(key));
                    Some((field('O')?.parse().ok()?, field('P')?.to_owned()))
                })
                .collect();
            order.sort();
            order
        };
        assert_eq!(order(&repaired).len(), 9);
        assert_eq!(order(&repaired), order(&whole));
        assert_eq!(repaired.messages(), whole.messages());
    }
}
