//! `mailseed retarget`: a tree for one server made over for another.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{assert_alike, courier_views, dovecot_source, target_of, uidls};
use crate::export::assert_nothing_left;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus::{PopOrder, Uidls};
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::Pop3Entry;
use crate::support::program::{self, Output};
use crate::support::qmail::qmail_listing;
use crate::support::{Layout, compare, mail_owner};

fn retarget(maildir: &Path, from: &str, to: &str, more: &[&str]) -> Output {
    let mut command = program::mailseed_command();
    command.arg("retarget").arg(maildir);
    command.args(["--from", from, "--to", to]).args(more);
    if let Some((uid, gid)) = mail_owner() {
        command.args(["--owner", &format!("{uid}:{gid}")]);
    }
    program::run(command, Duration::from_secs(60))
}

/// What the servers `to` show of the tree; `None`: qmail, which shows no IMAP.
fn shown(courier: &Courier, target: &Target, to: &str) -> (Option<ImapView>, Vec<String>) {
    let owned = |listing: &[Pop3Entry]| uidls(listing).into_iter().map(str::to_owned).collect();
    match to {
        "courier" => {
            let (imap, pop3) = courier_views(courier, "ann");
            (Some(imap), owned(&pop3))
        }
        "dovecot" => {
            let dovecot = Dovecot::start(target.options(Layout::MaildirPlusPlus));
            let (imap, pop3) = views(&dovecot, "ann", "any");
            assert_eq!(dovecot.complaints(), Vec::<String>::new());
            (Some(imap), owned(&pop3))
        }
        _ => {
            let listing = qmail_listing(&target.maildir("ann")).expect("the order is certain");
            (None, listing.into_iter().map(|(uidl, _)| uidl).collect())
        }
    }
}

/// From each of the three to each other: what the new server shows is what the source shows.
#[test]
fn each_server_s_tree_becomes_each_other_s() {
    let old = dovecot_source("%u", PopOrder::Same, Uidls::Format);
    let source = Source::of(&old);
    let before = views(&old, "ann", PASSWORD);
    let pairs = [
        ("dovecot", "courier"),
        ("courier", "dovecot"),
        ("dovecot", "qmail"),
        ("qmail", "dovecot"),
        ("courier", "qmail"),
        ("qmail", "courier"),
    ];
    for (from, to) in pairs {
        let courier = Courier::start_open(&[("ann", PASSWORD)]);
        let target = target_of(&courier);
        target.export_ok(&source, "ann", &["--target", from]);
        let maildir = target.maildir("ann");
        let untouched = target.listing();
        let dry = retarget(&maildir, from, to, &["--dry-run"]);
        assert_eq!(dry.code, Some(0), "{from} {to}: {}", dry.stderr);
        assert_eq!(target.listing(), untouched, "{from} {to}");
        let done = retarget(&maildir, from, to, &[]);
        assert_eq!(
            done.code,
            Some(0),
            "{from} {to}: {}\n{}",
            done.stdout,
            done.stderr
        );
        assert_eq!(done.stdout, dry.stdout, "{from} {to}");

        // Again there is nothing to do.
        let after = target.listing();
        let again = retarget(&maildir, from, to, &[]);
        assert_eq!(again.code, Some(0), "{from} {to}: {}", again.stderr);
        assert_eq!(target.listing(), after, "{from} {to}: {}", again.stdout);

        let (imap, listing) = shown(&courier, &target, to);
        assert_eq!(listing, uidls(&before.1), "{from} {to}");
        if let Some(imap) = imap {
            let by_dates = |one: &compare::Difference| {
                from == "qmail" && one.folder == "INBOX" && one.what == "date"
            };
            // qmail has no keywords, no IMAP that would have subscriptions, and no list of a folder.
            let lost = |one: &compare::Difference| {
                let is_empty = one.folder == "Empty" && one.what == "uidvalidity";
                from == "qmail" && (matches!(one.what, "flags" | "subscription") || is_empty)
            };
            let differences: Vec<_> = compare::imap(&before.0, &imap)
                .into_iter()
                .filter(|one| one.what != "uidnext" && !by_dates(one) && !lost(one))
                .collect();
            compare::assert_none(&differences);
        }
        // And the next export goes on from there.
        target.export_ok(&source, "ann", &["--target", to]);
        assert_nothing_left(&target, &source, "ann", &["--target", to]);
    }
}

/// One tree for two servers, from that of one, with a live server's own mail in it.
#[test]
fn a_tree_of_dovecot_becomes_one_for_both() {
    let old = dovecot_source("UID%u-%v", PopOrder::Shuffled, Uidls::Format);
    let source = Source::of(&old);
    let courier = Courier::start_open(&[("ann", PASSWORD)]);
    let target = target_of(&courier);
    target.export_ok(&source, "ann", &["--folder-encoding", "utf8"]);
    let dovecot = Dovecot::start(DovecotOptions {
        utf8: true,
        uidl_format: "%u.x".to_owned(),
        ..target.options(Layout::MaildirPlusPlus)
    });
    let maildir = target.maildir("ann");
    crate::support::delivery::deliver(&maildir, "INBOX", 1_700_000_000, &super::message("late"));
    ImapView::select_each_folder(dovecot.imap_port(), "ann", "any");
    let before = views(&dovecot, "ann", "any");
    let more = [
        "--from-folder-encoding",
        "utf8",
        "--pop3-uidl-format",
        "%u.x",
    ];
    let done = retarget(&maildir, "dovecot", "dovecot,courier", &more);
    assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
    let by_dovecot = views(&dovecot, "ann", "any");
    let by_courier = courier_views(&courier, "ann");
    compare::assert_none(&compare::pop3(&before.1, &by_dovecot.1));
    compare::assert_none(&compare::imap(&before.0, &by_dovecot.0));
    assert_alike(&by_dovecot.0, &by_courier.0);
    // `751.x` is a name, and all others, which are numbers in Courier's list, come before it.
    assert_eq!(uidls(&by_courier.1), uidls(&before.1));
    assert!(
        uidls(&before.1)
            .last()
            .is_some_and(|uidl| uidl.ends_with(".x"))
    );
}

/// Killed at each file that gets another name or goes, control files and messages alike, and run again: no
/// UID and no UIDL is lost, though some lists no longer say what the files are called, and others do not
/// yet.
#[test]
fn a_run_killed_at_each_rename_is_ended_by_the_next() {
    for (from, to, format, last) in [
        ("dovecot", "qmail,courier", "%u", "cur/4:2,S"),
        ("courier", "qmail", "UID%u-7", "cur/UID4-7:2,S"),
    ] {
        let old = Dovecot::start(DovecotOptions {
            uidl_format: format.to_owned(),
            ..DovecotOptions::with_users(&[("ann", PASSWORD)])
        });
        let messages = ["a", "b", "c", "d"].map(super::message);
        let files: Vec<(String, &String)> = (1..)
            .zip(&messages)
            .map(|(number, text)| (format!("{number}.x:2,S"), text))
            .collect();
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes()))
            .collect();
        crate::support::corpus::bare(&old.mail_dir("ann"), &files);
        let source = Source::of(&old);
        let before = Target::new();
        before.export_ok(&source, "ann", &["--target", from]);
        let whole = Target::new();
        copy(&before, &whole);
        let done = retarget(&whole.maildir("ann"), from, to, &[]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let want = made(&whole.maildir("ann"));
        assert!(want.contains_key(last), "{want:?}");
        let kills = kill_at_each_change(&before, from, to, &want);
        // The journal, the files, the lists.
        assert!(kills >= 6, "{from}: {kills}");
    }
}

/// Kills a run at the first, second and so on change of a directory until one comes to its end, and says
/// how many were killed. What the next run makes of each is to be `want`.
fn kill_at_each_change(
    before: &Target,
    from: &str,
    to: &str,
    want: &BTreeMap<String, String>,
) -> u32 {
    const CALLS: &str = "renameat,renameat2,unlinkat";
    let trace = format!("trace={CALLS}");
    for number in 1..100 {
        let target = Target::new();
        copy(before, &target);
        let maildir = target.maildir("ann");
        let mut command = std::process::Command::new("strace");
        let kill = format!("inject={CALLS}:signal=KILL:when={number}");
        command.args(["-f", "-o", "/dev/null", "-e", &trace, "-e", &kill]);
        command.arg(program::mailseed_command().get_program());
        command.arg("retarget").arg(&maildir);
        command.args(["--from", from, "--to", to]);
        let output = program::run(command, Duration::from_secs(60));
        if output.code == Some(0) {
            return number - 1;
        }
        let again = retarget(&maildir, from, to, &[]);
        assert_eq!(again.code, Some(0), "{from}, {number}: {}", again.stderr);
        assert_eq!(&made(&maildir), want, "{from}, kill {number}");
    }
    panic!("it is killed again and again");
}

/// Folders below folders, one of them in a directory that is none itself. A run that was cut between two
/// of them is ended by the next.
#[test]
fn folders_below_others_are_encoded_anew_in_the_layout_fs() {
    let tree = crate::support::tree::TempTree::new();
    let root = tree.path();
    let utf8 = ["Été/B/é", "Tom & é", "Tom & é/é", "plain/é"];
    let mutf7 = [
        "&AMk-t&AOk-/B/&AOk-",
        "Tom &- &AOk-",
        "Tom &- &AOk-/&AOk-",
        "plain/&AOk-",
    ];
    for folder in ["."].iter().chain(&utf8) {
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(root.join(folder).join(part)).expect("it can be written");
        }
        let name = root.join(folder).join("cur/1.a:2,S");
        fs::write(name, format!("Subject: {folder}\n\n")).expect("it can be written");
        let list = format!("3 V7 N9 G{:032x}\n5 :1.a\n", folder.len());
        fs::write(root.join(folder).join("dovecot-uidlist"), list).expect("it can be written");
    }
    let record = |directory: &str| {
        let head = r#"{"head":{"version":2,"user":"ann"}}"#;
        let path = r#""path":["Été","B","é"]"#;
        format!("{head}\n{{\"folder\":{{{path},\"directory\":\"{directory}\"}}}}\n")
    };
    let state = root.join("mailseed.state");
    let encode = |from, to| {
        let more = [
            "--layout",
            "fs",
            "--from-folder-encoding",
            from,
            "--folder-encoding",
            to,
        ];
        let done = retarget(root, "dovecot", "dovecot", &more);
        assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
    };
    let folders = || -> Vec<String> {
        let all = walkdir::WalkDir::new(root).into_iter();
        let all = all.map(|entry| entry.expect("the tree stands still").into_path());
        let lists = all.filter(|path| path.ends_with("cur") && path.parent() != Some(root));
        let paths = lists.map(|path| {
            let folder = path.parent().expect("cur lies in it");
            let list = fs::read_to_string(folder.join("dovecot-uidlist"));
            assert!(
                list.is_ok_and(|list| list.ends_with("\n5 :1.a\n")),
                "{folder:?}"
            );
            folder
                .strip_prefix(root)
                .expect("below")
                .display()
                .to_string()
        });
        let mut paths: Vec<String> = paths.collect();
        paths.sort_unstable();
        paths
    };
    let sorted = |names: [&str; 4]| {
        let mut names = names.map(str::to_owned);
        names.sort_unstable();
        names
    };
    for (now, before) in [
        ("cur", "cur"),
        ("&AMk-t&AOk-/B/&AOk-", "&AMk-t&AOk-/B/é"),
        ("Tom &- &AOk-/&AOk-", "Tom &- &AOk-/é"),
        // All have been moved, and the record does not know it.
        ("cur", "cur"),
    ] {
        fs::rename(root.join(now), root.join(before)).expect("it can be renamed");
        fs::write(&state, record(utf8[0])).expect("it can be written");
        encode("utf8", "mutf7");
        assert_eq!(folders(), sorted(mutf7), "{before}");
        let noted = fs::read_to_string(&state).expect("it is there");
        assert_eq!(noted, record(mutf7[0]), "{before}");
    }
    encode("mutf7", "utf8");
    assert_eq!(folders(), sorted(utf8));
    let noted = fs::read_to_string(&state).expect("it is there");
    assert_eq!(noted, record(utf8[0]));
}

fn copy(from: &Target, to: &Target) {
    let home = |target: &Target| {
        let maildir = target.maildir("ann");
        maildir
            .parent()
            .expect("a Maildir lies in a home")
            .to_owned()
    };
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([home(from), home(to)])
        .status();
    assert!(copied.expect("cp is there").success());
}

/// The files of a tree, control files with their text. The head of Courier's list has a time in it.
fn made(maildir: &Path) -> BTreeMap<String, String> {
    let files = walkdir::WalkDir::new(maildir).into_iter();
    let files = files.map(|file| file.expect("the tree stands still"));
    files
        .filter(|file| file.file_type().is_file())
        .map(|file| {
            let path = file.path().strip_prefix(maildir).expect("it is below");
            let text = fs::read_to_string(file.path()).expect("it is text");
            let text = match path.ends_with("courierpop3dsizelist") {
                true => text.lines().skip(1).collect::<Vec<_>>().join("\n"),
                false => text,
            };
            (path.display().to_string(), text)
        })
        .collect()
}

/// What is wrong is said before anything is done.
#[test]
fn what_cannot_be_is_refused() {
    let tree = crate::support::tree::TempTree::new();
    for (arguments, code, why) in [
        (
            &["--from", "dovecot", "--to", "courier"][..],
            3,
            "cannot read",
        ),
        (
            &["--from", "dovecot", "--to", "courier", "--layout", "fs"],
            2,
            "leave courier out of --to",
        ),
        (&["--from", "dovecot"], 2, "--to"),
        (
            &[
                "--from",
                "qmail",
                "--to",
                "courier",
                "--pop3-uidl-format",
                "%u",
            ],
            2,
            "setting of Dovecot's",
        ),
    ] {
        let mut command = program::mailseed_command();
        command.arg("retarget").arg(tree.path()).args(arguments);
        let output = program::run(command, Duration::from_secs(10));
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        assert!(output.stderr.contains(why), "{}", output.stderr);
    }
    assert_eq!(tree.listing(), Vec::<String>::new());
}
