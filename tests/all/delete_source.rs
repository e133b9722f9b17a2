//! `--delete-source` on real servers: what is deleted there is on the target, byte for byte, and stays
//! there; and whatever happens in between, no message is on neither side.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::migration::{PASSWORD, Source, Target};
use crate::support::corpus;
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::{FolderView, ImapView};
use crate::support::mail_user::{Client, Store};
use crate::support::program::{self, Output};
use crate::support::proxy::{Fault, Proxy};
use crate::support::tree::TempTree;
use crate::support::wiretap::Wiretap;
use crate::support::{Layout, compare, pop3_view, report};

/// A Dovecot with the old mail of `ann`.
fn server(count: u32) -> Dovecot {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    corpus::simple(&server.mail_dir("ann"), count, 1);
    server
}

fn client(server: &Dovecot) -> Client {
    Client::login(server.imap_port(), "ann", PASSWORD)
}

fn append(server: &Dovecot, folder: &str, words: &[&str]) {
    let now = jiff::Timestamp::now().as_second() - 60;
    // Not two of one second, which the POP3 order of qmail would move apart.
    for (word, date) in words.iter().zip(now..) {
        let message = format!("Subject: {word}\nMessage-ID: <{word}@new>\n\nIt is {word}.\n");
        client(server).append(folder, &[], date, &message);
    }
}

fn view(server: &Dovecot) -> ImapView {
    ImapView::read(server.imap_port(), "ann", PASSWORD)
}

/// What a Dovecot shows of `target`; it may not complain of anything.
fn read_back(target: &Target) -> ImapView {
    let destination = target.serve(Layout::MaildirPlusPlus);
    let view = ImapView::read(destination.imap_port(), "ann", "any");
    assert_eq!(destination.complaints(), Vec::<String>::new());
    view
}

fn uids(folder: &FolderView) -> Vec<u32> {
    folder.messages.iter().map(|message| message.uid).collect()
}

fn inbox(view: &ImapView) -> Vec<u32> {
    uids(&view.folders["INBOX"])
}

/// The file of an INBOX message, by a word that only it has.
fn file_of(target: &Target, word: &str) -> PathBuf {
    let cur = target.maildir("ann").join("cur");
    let files = fs::read_dir(cur).expect("a Maildir");
    let mut files = files.map(|file| file.expect("an entry").path());
    files
        .find(|path| {
            let content = fs::read(path).expect("a file of ours");
            String::from_utf8_lossy(&content).contains(word)
        })
        .unwrap_or_else(|| panic!("no file has {word}"))
}

fn assert_all_of(before: &ImapView, target: &Target) {
    compare::assert_none(&compare::imap(before, &read_back(target)));
}

/// The words that only a command that changes something begins with.
fn changing(sent: &str) -> Vec<String> {
    let commands = sent.lines().filter_map(|line| {
        let command = line.split_once(' ').map_or(line, |(_, command)| command);
        let changes = ["SELECT ", "UID STORE", "UID EXPUNGE", "EXPUNGE", "CLOSE"];
        let changes = changes.iter().any(|word| command.starts_with(word));
        (changes || line.starts_with("DELE")).then(|| command.to_owned())
    });
    commands.collect()
}

/// The second method for ISPs: all is staged, the MX record has changed, and what still comes in at
/// the old host is taken from there day by day.
#[test]
fn late_mail_is_moved_and_old_mail_stays_where_it_is() {
    for (targets, mode) in [
        ("dovecot", &[][..]),
        ("dovecot", &["--after-cutover"]),
        ("qmail,dovecot", &[]),
    ] {
        let server = server(20);
        let tap = Wiretap::start(server.imap_port());
        let source = Source::both(tap.port(), server.pop3_port());
        let target = Target::new();
        let as_before = ["--target", targets];
        target.export_ok(&source, "ann", &as_before);
        assert_eq!(changing(&tap.take().sent), Vec::<String>::new());

        append(&server, "INBOX", &["late-1", "late-2", "late-3"]);
        append(&server, "Sent", &["sent-1"]);
        let before = view(&server);
        let report_dir = TempTree::new();
        let dir = report_dir.path().display().to_string();
        let late = [
            &as_before[..],
            mode,
            &["--folder", "INBOX", "--skip-empty", "--max-age", "1"],
            &["--delete-source", "--report", &dir],
        ]
        .concat();
        let output = target.export_ok(&source, "ann", &late);
        assert!(
            output.stdout.contains("deleted at the source: 3"),
            "{}",
            output.stdout
        );
        let after = view(&server);
        assert_eq!(inbox(&after), (1..=20).collect::<Vec<_>>());
        assert_eq!(after.folders["Sent"], before.folders["Sent"]);
        let commands = changing(&tap.take().sent);
        let want = [
            "SELECT \"INBOX\"",
            "UID STORE 21:23 +FLAGS.SILENT (\\Deleted)",
            "UID EXPUNGE 21:23",
        ];
        assert_eq!(commands, want);
        let row = &report::summary(report_dir.path())[0];
        let numbers = ["messages", "added", "kept", "skipped", "source_deleted"];
        assert_eq!(
            numbers.map(|it| row.number(it)),
            [23, 3, 20, 0, 3],
            "{targets}"
        );
        let json = report::run_json(report_dir.path());
        assert_eq!(json["totals"]["source_deleted"], 3);
        assert_eq!(json["users"][0]["source_deleted"], 3);
        let log = fs::read_to_string(report_dir.path().join("logs/ann.log")).expect("a log");
        for uid in 21..=23 {
            assert!(
                log.contains(&format!("deleted at the source: UID {uid}\n")),
                "{log}"
            );
        }

        // Nobody has deleted it: it stays, in every mode but the one that says otherwise.
        let shown = read_back(&target);
        assert_eq!(
            shown.folders["INBOX"].messages,
            before.folders["INBOX"].messages
        );
        for more in [
            &late[..],
            &as_before,
            &[&as_before[..], &["--after-cutover"]].concat(),
        ] {
            target.export_ok(&source, "ann", more);
        }
        assert_all_of(&before, &target);
        let mirror = [&as_before[..], &["--mirror", "--max-delete", "100"]].concat();
        let output = target.export(&source, "ann", &mirror);
        assert_eq!(output.code, Some(1));
        assert!(
            output.stdout.contains("--delete-source has deleted there"),
            "{}",
            output.stdout
        );
        assert_all_of(&before, &target);
        assert_eq!(changing(&tap.take().sent), Vec::<String>::new());
    }
}

#[test]
fn a_dry_run_lists_what_would_go_and_nothing_does() {
    let server = server(10);
    let source = Source::of(&server);
    let target = Target::new();
    target.export_ok(&source, "ann", &["--exclude", "Sent"]);
    append(&server, "INBOX", &["late-1"]);
    let before = (view(&server), target.listing());
    let plan = |more: &[&str]| {
        let mut command = target.command("plan", &source, more);
        command.args(["--user", "ann"]);
        program::run(command, Duration::from_secs(60))
    };
    let output = plan(&["--delete-source=all", "-v"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for line in [
        "  INBOX: delete at the source: 11 messages, ",
        "  Archive: delete at the source: 1 message, ",
        "  Sent: delete at the source: 1 message, ",
    ] {
        assert!(output.stdout.contains(line), "{line}\n{}", output.stdout);
    }
    for line in [
        "INBOX: would be deleted at the source: UID 11, ",
        "Sent: would be deleted",
    ] {
        assert!(output.stderr.contains(line), "{line}\n{}", output.stderr);
    }
    let output = plan(&["--delete-source", "--max-age", "1", "--folder", "*"]);
    assert!(
        output
            .stdout
            .contains("INBOX: delete at the source: 1 message,")
    );
    assert_eq!(
        output.stdout.matches("delete at the source").count(),
        2,
        "and in the totals"
    );
    assert_eq!((view(&server), target.listing()), before);
}

/// Only what has come is deleted, however the day's cap falls.
#[test]
fn what_a_daily_cap_has_left_stays_at_the_source() {
    let server = server(20);
    let source = Source::of(&server).imap_only();
    let before = view(&server);
    let target = Target::new();
    let all: BTreeSet<u32> = inbox(&before).into_iter().collect();
    let mut stages = BTreeSet::new();
    for round in 0.. {
        assert!(round < 20, "it never ends: {stages:?}");
        // What a listing takes, and a few messages.
        let cap = (report::fetched_today(&target.maildir("ann")) + 7_000).to_string();
        let more = ["--delete-source=all", "--daily-cap", &cap];
        let output = target.export(&source, "ann", &more);
        let left: BTreeSet<u32> = inbox(&view(&server)).into_iter().collect();
        let come: BTreeSet<u32> = match target.maildir("ann").join("cur").exists() {
            true => inbox(&read_back(&target)).into_iter().collect(),
            false => BTreeSet::new(),
        };
        assert_eq!(
            left.union(&come).copied().collect::<BTreeSet<_>>(),
            all,
            "{}",
            output.stdout
        );

        stages.insert(left.len());
        if output.code == Some(0) {
            assert_eq!(left, BTreeSet::new());
            break;
        }
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stdout.contains("daily cap of "), "{}", output.stdout);
    }
    assert!(stages.len() >= 3, "{stages:?}");
    assert_all_of(&before, &target);
}

/// A bit that has changed on the disk is no reason to delete the good copy.
#[test]
fn what_is_damaged_on_disk_stays_at_the_source() {
    let server = server(10);
    let source = Source::of(&server);
    let before = view(&server);
    for (twice, targets) in [(false, "dovecot"), (true, "qmail")] {
        let target = Target::new();
        let more = ["--target", targets];
        append(&server, "INBOX", &["precious"]);
        let with_new = view(&server);
        let precious = *inbox(&with_new).last().expect("some");
        target.export_ok(&source, "ann", &more);
        let file = file_of(&target, "It is precious");
        let mut content = fs::read(&file).expect("a file of ours");
        let date = fs::metadata(&file)
            .and_then(|it| it.modified())
            .expect("a date");
        let last = content.len() - 3;
        content[last] ^= 1;
        fs::write(&file, &content).expect("written");
        let open = fs::File::options().write(true).open(&file).expect("ours");
        open.set_modified(date).expect("dated");
        let delete = [
            &more[..],
            &["--folder", "INBOX", "--max-age", "1", "--delete-source"],
        ]
        .concat();
        for _ in 0..=usize::from(twice) {
            let output = target.export(&source, "ann", &delete);
            assert_eq!(output.code, Some(1), "{}", output.stderr);
            let told = format!("folder INBOX: UID {precious}: its file");
            assert!(output.stdout.contains(&told), "{}", output.stdout);
            assert_eq!(inbox(&view(&server)), inbox(&with_new));
        }
        // What it says to do does it.
        fs::remove_file(&file).expect("ours");
        target.export_ok(&source, "ann", &delete);
        assert_eq!(inbox(&view(&server)), inbox(&before));
        file_of(&target, "It is precious");
    }
}

#[test]
fn without_uidplus_nothing_goes_unless_that_is_said() {
    let server = server(10);
    let proxy = Proxy::start(server.imap_port(), Fault::Hide(&["UIDPLUS"]));
    let source = Source::both(proxy.port(), server.pop3_port());
    let target = Target::new();
    append(&server, "INBOX", &["late-1"]);
    client(&server).store("INBOX", 5, Store::Set, &["\\Deleted"]);
    let before = view(&server);
    let late = ["--folder", "INBOX", "--max-age", "1", "--delete-source"];
    let output = target.export(&source, "ann", &late);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stdout.contains("--expunge-marked"),
        "{}",
        output.stdout
    );
    compare::assert_none(&compare::imap(&before, &view(&server)));
    let output = target.export_ok(&source, "ann", &[&late[..], &["--expunge-marked"]].concat());
    assert!(
        output.stdout.contains("deleted at the source: 1 "),
        "{}",
        output.stdout
    );
    // The user had marked it, and this is what was said.
    assert_eq!(inbox(&view(&server)), [1, 2, 3, 4, 6, 7, 8, 9, 10]);
}

/// The connection ends between the mark and the removal: the mark is not taken for the user's, the
/// next run completes it, and if another client removes what is marked, that is not the user's doing.
#[test]
fn a_run_cut_after_its_marks_is_completed_or_forgotten() {
    for complete in [true, false] {
        let server = server(10);
        append(&server, "INBOX", &["late-1", "late-2"]);
        let before = view(&server);
        let direct = Source::of(&server);
        let target = Target::new();
        target.export_ok(&direct, "ann", &[]);
        let proxy = Proxy::start(
            server.imap_port(),
            Fault::CutAt(b"OK Store completed".to_vec()),
        );
        let through = Source::both(proxy.port(), server.pop3_port());
        let late = ["--folder", "INBOX", "--max-age", "1", "--delete-source"];
        let output = target.export(&through, "ann", &[&late[..], &["--retries", "0"]].concat());
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        let marked = view(&server);
        let is_marked = |uid: u32| {
            let messages = &marked.folders["INBOX"].messages;
            let message = messages.iter().find(|message| message.uid == uid);
            message.is_some_and(|it| it.flags.contains(&"\\Deleted".to_owned()))
        };
        assert!(
            is_marked(11) && is_marked(12) && !is_marked(10),
            "{marked:?}"
        );

        target.export_ok(&direct, "ann", &[]);
        assert_all_of(&before, &target);
        if complete {
            let output = target.export_ok(&direct, "ann", &late);
            assert!(
                output.stdout.contains("deleted at the source: 2 "),
                "{}",
                output.stdout
            );
        } else {
            client(&server).expunge_marked("INBOX", 11);
            client(&server).expunge_marked("INBOX", 12);
        }
        assert_eq!(inbox(&view(&server)), (1..=10).collect::<Vec<_>>());
        target.export_ok(&direct, "ann", &[]);
        target.export_ok(&direct, "ann", &[]);
        assert_all_of(&before, &target);
    }
}

/// Marked by a run that was cut, and then the user takes the mark away: it is the source's again.
#[test]
fn what_is_unmarked_is_followed_again() {
    let server = server(10);
    append(&server, "INBOX", &["late-1"]);
    let direct = Source::of(&server);
    let target = Target::new();
    target.export_ok(&direct, "ann", &[]);
    let proxy = Proxy::start(
        server.imap_port(),
        Fault::CutAt(b"OK Store completed".to_vec()),
    );
    let through = Source::both(proxy.port(), server.pop3_port());
    let late = [
        "--folder",
        "INBOX",
        "--max-age",
        "1",
        "--delete-source",
        "--retries",
        "0",
    ];
    assert_eq!(target.export(&through, "ann", &late).code, Some(1));
    client(&server).store("INBOX", 11, Store::Clear, &["\\Deleted"]);
    target.export_ok(&direct, "ann", &[]);
    client(&server).store("INBOX", 11, Store::Set, &["\\Flagged"]);
    target.export_ok(&direct, "ann", &[]);
    let flagged = read_back(&target);
    let last = flagged.folders["INBOX"].messages.last().expect("some");
    assert_eq!(
        (last.uid, last.flags.as_slice()),
        (11, &["\\Flagged".to_owned()][..])
    );
    client(&server).expunge("INBOX", 11);
    target.export_ok(&direct, "ann", &[]);
    assert_eq!(inbox(&read_back(&target)).len(), 10);
}

/// Kills runs at growing moments: there is no moment at which a message is nowhere. Where all was over before
/// a kill fell among the messages, once more with shorter steps.
#[test]
fn a_run_killed_at_any_moment_loses_nothing() {
    for pop3_alone in [false, true] {
        let steps = [7000, 2000, 600].map(Duration::from_micros);
        let fell = steps.iter().any(|step| killed_each(*step, pop3_alone) > 0);
        assert!(fell, "no kill fell among the messages");
    }
}

/// Kills one run after the other, each a `step` later than the one before, until one ends before its kill.
/// Returns how many left something on the target.
fn killed_each(step: Duration, pop3_alone: bool) -> usize {
    let server = server(150);
    let both = Source::of(&server);
    let source = match pop3_alone {
        true => both.pop3_only(),
        false => both.imap_only(),
    };
    let all = hashes(&view(&server));
    let target = Target::new();
    let more = ["--folder", "INBOX", "--delete-source", "--user", "ann"];
    let more = match pop3_alone {
        true => &["--delete-source=all", "--user", "ann"][..],
        false => &more,
    };
    let mut between = 0;
    for number in 1.. {
        let command = target.command("export", &source, more);
        let ended = program::killed_after(command, step * number);
        let left = hashes(&view(&server));
        let there = on_disk(&target);
        let some: BTreeSet<String> = left.union(&there).cloned().collect();
        assert_eq!(some, all, "kill {number}");
        if let Some(status) = ended {
            assert!(status.success(), "{status}");
            break;
        }
        between += usize::from(!there.is_empty());
    }
    assert_eq!(hashes(&view(&server)), BTreeSet::new());
    let plain = ["--folder", "INBOX"];
    target.export_ok(&source, "ann", if pop3_alone { &[] } else { &plain });
    assert_eq!(on_disk(&target), all);
    between
}

/// The messages of INBOX.
fn hashes(view: &ImapView) -> BTreeSet<String> {
    let messages = view.folders["INBOX"].messages.iter();
    messages.map(|message| message.hash.to_string()).collect()
}

/// The same, of what lies in the Maildir.
fn on_disk(target: &Target) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(target.maildir("ann").join("cur")) else {
        return BTreeSet::new();
    };
    let content = files.map(|file| fs::read(file.expect("an entry").path()).expect("ours"));
    content
        .map(|content| {
            let wire = String::from_utf8_lossy(&content).replace('\n', "\r\n");
            blake3::hash(wire.as_bytes()).to_string()
        })
        .collect()
}

/// Cuts a run with `--delete-source=all` at any byte: the run goes on by itself, its sums close, the
/// source is empty in the end and everything is on the target.
fn cut_anywhere(cuts: u32, source: impl Fn(u16) -> Source, port: impl Fn(&Dovecot) -> u16) {
    let names: Vec<String> = (0..=cuts).map(|number| format!("u{number}")).collect();
    let users: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), PASSWORD)).collect();
    let server = Dovecot::start(DovecotOptions::with_users(&users));
    let all = ["--delete-source=all", "--target", "dovecot"];
    let mut length = None;
    for (cut, user) in (0..).zip(&names) {
        corpus::simple(&server.mail_dir(user), 10, 7);
        let before = ImapView::read(server.imap_port(), user, PASSWORD);
        let after = length.map(|length: u64| length * (u64::from(cuts) - cut) / u64::from(cuts));
        let fault = after.map_or(Fault::None, |after| Fault::Cut {
            connection: 0,
            after,
        });
        let proxy = Proxy::start(port(&server), fault);
        let target = Target::new();
        let output = target.export_ok(&source(proxy.port()), user, &all);
        length.get_or_insert_with(|| proxy.passed()[0]);
        let context = format!("cut after {after:?}\n{}\n{}", output.stdout, output.stderr);
        let left = ImapView::read(server.imap_port(), user, PASSWORD);
        let gone = before.message_count() - left.message_count();
        assert!(left.folders["INBOX"].messages.is_empty(), "{context}");
        let told = format!("deleted at the source: {gone} ");
        assert!(output.stdout.contains(&told), "{context}");
        let destination = target.serve(Layout::MaildirPlusPlus);
        let shown = ImapView::read(destination.imap_port(), user, "any");
        assert_eq!(hashes(&shown), hashes(&before), "{context}");
    }
}

#[test]
fn an_imap_connection_cut_at_any_byte_costs_nothing() {
    cut_anywhere(
        30,
        |port| Source::both(port, 0).imap_only(),
        Dovecot::imap_port,
    );
}

#[test]
fn a_pop3_connection_cut_at_any_byte_costs_nothing() {
    cut_anywhere(
        20,
        |port| Source::both(0, port).pop3_only(),
        Dovecot::pop3_port,
    );
}

#[test]
fn over_pop3_alone_what_is_large_stays_and_what_has_gone_is_kept() {
    for targets in ["dovecot", "qmail"] {
        let server = server(10);
        let large = format!("Subject: large\n\n{}", "x".repeat(70).repeat(500) + "\n");
        let now = jiff::Timestamp::now().as_second();
        client(&server).append("INBOX", &[], now, &large);
        let source = Source::of(&server).pop3_only();
        let target = Target::new();
        let more = ["--target", targets];
        target.export_ok(&source, "ann", &more);
        let listing = || pop3_view::read(server.pop3_port(), "ann", PASSWORD, false);
        assert_eq!(listing().len(), 11);
        let some = [&more[..], &["--delete-source=all", "--max-size", "20K"]].concat();
        let output = target.export_ok(&source, "ann", &some);
        assert!(
            output.stdout.contains("deleted at the source: 10 "),
            "{}",
            output.stdout
        );
        assert_eq!(listing().len(), 1);
        // A new one gets a UID that none has had.
        append(&server, "INBOX", &["late-1"]);
        for _ in 0..2 {
            target.export_ok(&source, "ann", &more);
            let files = fs::read_dir(target.maildir("ann").join("cur")).expect("a Maildir");
            assert_eq!(files.count(), 12, "{targets}");
        }
        target.export_ok(
            &source,
            "ann",
            &[&more[..], &["--delete-source=all"]].concat(),
        );
        assert_eq!(listing().len(), 0);
        target.export_ok(&source, "ann", &more);
        if targets == "dovecot" {
            let destination = target.serve(Layout::MaildirPlusPlus);
            let listing = pop3_view::read(destination.pop3_port(), "ann", "any", false);
            let uidls: BTreeSet<String> = listing.into_iter().map(|entry| entry.uidl).collect();
            assert_eq!(uidls.len(), 12);
            assert_eq!(inbox(&read_back(&target)), (1..=12).collect::<Vec<_>>());
        }
    }
}

/// Mail that its owner has deleted here is not what was brought, whoever asks.
#[test]
fn what_was_deleted_here_stays_at_the_source() {
    let server = server(10);
    let source = Source::of(&server);
    let target = Target::new();
    target.export_ok(&source, "ann", &[]);
    let destination = target.serve(Layout::MaildirPlusPlus);
    Client::login(destination.imap_port(), "ann", "any").expunge("INBOX", 4);
    drop(destination);
    target.export_ok(&source, "ann", &["--folder", "INBOX", "--delete-source"]);
    assert_eq!(inbox(&view(&server)), [4]);
    assert_eq!(inbox(&read_back(&target)), [1, 2, 3, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn a_courier_is_emptied_too() {
    let server = Courier::start(&[("ann", PASSWORD)]);
    corpus::bare(
        &server.mail_dir("ann"),
        &[("1.a", b"A: 1\n\none\n"), ("2.b", b"B: 2\n\ntwo\n")],
    );
    // Where nobody has opened it to write, each EXAMINE makes up a UIDVALIDITY by the clock.
    Client::login(server.imap_port(), "ann", PASSWORD).uids("INBOX");
    let source = Source::both(server.imap_port(), server.pop3_port()).imap_only();
    let target = Target::new();
    let output = target.export_ok(&source, "ann", &["--folder", "INBOX", "--delete-source"]);
    assert!(
        output.stdout.contains("deleted at the source: 2 "),
        "{}",
        output.stdout
    );
    let left = ImapView::read(server.imap_port(), "ann", PASSWORD);
    assert_eq!(left.folders["INBOX"].messages, []);
    target.export_ok(&source, "ann", &[]);
    assert_eq!(inbox(&read_back(&target)).len(), 2);
}

#[test]
fn what_is_not_safe_is_refused_before_anything_starts() {
    let source = Source::both(1, 1);
    let refused = |more: &[&str]| -> Output {
        let output = Target::new().export(&source, "ann", more);
        assert_eq!(output.code, Some(2), "{more:?}: {}", output.stderr);
        output
    };
    for (more, want) in [
        (&["--delete-source"][..], "Give --folder or --max-age"),
        (
            &["--delete-source", "--exclude", "A"],
            "Give --folder or --max-age",
        ),
        (
            &["--delete-source=all", "--fsync", "never"],
            "--fsync never",
        ),
        (&["--delete-source=all", "--mirror"], "cannot be used with"),
        (&["--delete-source=some"], "invalid value"),
        (&["--expunge-marked"], "--delete-source"),
    ] {
        let output = refused(more);
        assert!(output.stderr.contains(want), "{more:?}: {}", output.stderr);
    }
}
