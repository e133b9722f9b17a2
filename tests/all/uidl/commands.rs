//! The command line of `mailseed uidl`, and what is no Maildir.

use std::fs;
use std::os::unix::fs::symlink;

use super::files;
use super::uidl;
use crate::support::program::mailseed;
use crate::support::tree::TempTree;

/// A Maildir with two messages, one of which no list knows.
fn maildir() -> TempTree {
    let tree = TempTree::new();
    files::make(tree.path());
    fs::write(tree.path().join("cur/5.b,S=4:2,S"), "a\nb\n").expect("it is ours");
    fs::write(tree.path().join("new/7.c"), "a\n").expect("it is ours");
    let list = "3 V7 N9 G0123456789abcdef0123456789abcdef\n3 Pold/1 :5.b,S=4\n";
    fs::write(tree.path().join("dovecot-uidlist"), list).expect("it is ours");
    tree
}

#[test]
fn each_target_and_format_has_its_lines() {
    let tree = maildir();
    let list = "/3 8 99\n5.b,S=4:2,S 6 4:5:0\n";
    fs::write(tree.path().join("courierpop3dsizelist"), list).expect("it is ours");
    for (date, name) in [(50, "new/7.c"), (90, "cur/5.b,S=4:2,S")] {
        let date = filetime::FileTime::from_unix_time(date, 0);
        filetime::set_file_mtime(tree.path().join(name), date).expect("it is ours");
    }
    let before = tree.listing();
    for (more, want) in [
        (&[][..], "1 old/1 6\n2 0000000900000007 3\n"),
        (
            &["--target", "dovecot"],
            "1 old/1 6\n2 0000000900000007 3\n",
        ),
        (&["--pop3-uidl-format", "%v.%u"], "1 old/1 6\n2 7.9 3\n"),
        (
            &["--pop3-uidl-format", "%{uid | hex(4)}-%{guid}"],
            "1 old/1 6\n2 0009-7.c 3\n",
        ),
        (&["--target", "qmail"], "1 7.c 2\n2 5.b,S=4 4\n"),
        (&["--target", "courier"], "1 UID4-5 6\n2 UID8-99 3\n"),
    ] {
        let output = uidl(tree.path(), more);
        assert_eq!(output.stdout, want, "{more:?}");
        assert_eq!(output.code, Some(0), "{more:?}: {}", output.stderr);
    }
    assert_eq!(tree.listing(), before, "nothing is changed");
}

#[test]
fn what_is_no_maildir_is_refused() {
    let tree = maildir();
    let path = |name: &str| tree.path().join(name);
    fs::create_dir_all(path("home/Maildir")).expect("it is ours");
    files::make(&path("home/Maildir"));
    symlink(path("home/Maildir"), path("link")).expect("it is ours");
    for (name, words) in [
        ("nowhere", "there is no such directory"),
        ("cur", "No such file"),
        ("dovecot-uidlist", "Not a directory"),
        ("home", "a Maildir in it has"),
        ("link", "follows no symbolic links"),
    ] {
        let output = uidl(&path(name), &[]);
        assert_eq!(output.code, Some(3), "{name}: {}", output.stderr);
        assert!(output.stderr.contains(words), "{name}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{name}");
    }
    for more in [
        &["--target", "qmail,dovecot"][..],
        &["--target", "qmail", "--pop3-uidl-format", "%u"],
        &["--pop3-uidl-format", "%q"],
        &["--pop3-uidl-format", "always the same"],
    ] {
        let output = uidl(tree.path(), more);
        assert_eq!(output.code, Some(2), "{more:?}: {}", output.stderr);
    }
    let output = mailseed(["uidl", "--", "-no-such"]);
    assert_eq!(output.code, Some(3), "{}", output.stderr);
}

/// A message is read through no link: what lies behind it is nobody's mail.
#[test]
fn links_and_directories_are_no_messages() {
    let tree = maildir();
    symlink("/etc/passwd", tree.path().join("cur/1.link:2,S")).expect("it is ours");
    fs::create_dir(tree.path().join("cur/2.dir")).expect("it is ours");
    let output = uidl(tree.path(), &[]);
    assert_eq!(output.stdout, "1 old/1 6\n2 0000000900000007 3\n");
    assert!(
        output.stderr.contains("2 things (the first: "),
        "{}",
        output.stderr
    );
    assert_eq!(output.code, Some(1));
}

/// Names are the mail user's; a terminal is the admin's.
#[test]
fn nothing_raw_reaches_the_terminal() {
    let tree = maildir();
    let file = tree.path().join("cur/\u{1b}[2J");
    fs::write(&file, "x\n").expect("it is ours");
    // What is dated now is not shown yet.
    let date = filetime::FileTime::from_unix_time(50, 0);
    filetime::set_file_mtime(&file, date).expect("it is ours");
    let output = uidl(tree.path(), &["--target", "qmail"]);
    assert!(output.stdout.contains("\\u{1b}[2J"), "{}", output.stdout);
    assert!(!(output.stdout + &output.stderr).contains('\u{1b}'));
    assert_eq!(output.code, Some(1));
}
