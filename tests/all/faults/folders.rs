//! What may lie in the way on disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::interrupted::system_calls::{all_have_a_turn, copy};
use crate::interrupted::{State, mailbox};
use crate::migration::{PASSWORD, Source, Target};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::mail_user::Client;
use crate::support::program;
use crate::support::report::summary;
use crate::support::tree::{TempTree, assert_untouched, stamps};
use crate::support::{corpus, give_to_mail_owner, mail_owner};

/// What lies where something of ann's Maildir has been or is to come.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    /// Symbolic links to a Maildir, to a file, and to what is not there.
    LinkToDirectory,
    LinkToFile,
    LinkToNothing,
    /// One more name of a file outside.
    SecondName,
    Fifo,
    File,
    Directory,
    /// What was there, with this mode.
    Mode(u32),
    /// What was there, as root's, who lets all read.
    Roots,
}

use Obstacle::{
    Directory, Fifo, File, LinkToDirectory, LinkToFile, LinkToNothing, Mode, Roots, SecondName,
};

/// The obstacle, where, and a part of what is said of it; nothing where it is none.
const IN_THE_WAY: [(Obstacle, &str, &str); 30] = [
    (LinkToDirectory, "", "no symbolic links"),
    (LinkToDirectory, "cur", "no symbolic links"),
    (LinkToDirectory, "new", "no symbolic links"),
    (LinkToDirectory, "tmp", "no symbolic links"),
    (LinkToDirectory, ".Sent", "no symbolic links"),
    (LinkToDirectory, ".Sent/cur", "no symbolic links"),
    (LinkToDirectory, "tmp/mailseed-cur", ""),
    (LinkToFile, "cur/0", ""),
    (LinkToFile, "dovecot-uidlist", "no symbolic links"),
    (LinkToFile, ".Sent/dovecot-keywords", "no symbolic links"),
    (LinkToFile, "mailseed.state", "no symbolic links"),
    (LinkToFile, "mailseed.lock", "no symbolic links"),
    (LinkToFile, "tmp/mailseed.0", ""),
    (LinkToFile, "tmp/mailseed.control", ""),
    (LinkToFile, "maildirsize", ""),
    (LinkToNothing, "subscriptions", "no symbolic links"),
    (LinkToNothing, "mailseed.lock", "no symbolic links"),
    (LinkToNothing, "dovecot-uidlist", "no symbolic links"),
    (SecondName, "mailseed.lock", ""),
    (SecondName, ".Sent/maildirfolder", ""),
    (Fifo, "cur/pipe", ""),
    (Fifo, "dovecot-uidlist", "is no file"),
    (Fifo, "mailseed.lock", "no regular file"),
    (Fifo, "mailseed.state", "is no file"),
    (File, "cur", "Not a directory"),
    (File, ".Sent", "Not a directory"),
    (Directory, "dovecot-uidlist", "is no file"),
    (Directory, "tmp/mailseed.0", "Is a directory"),
    (Directory, "cur/directory", ""),
    (Directory, "mailseed.lock", "Is a directory"),
];

/// What only stops an ordinary user.
const CLOSED: [(Obstacle, &str, &str); 6] = [
    (Mode(0o500), "cur", "Permission denied"),
    (Mode(0o000), ".Sent", "Permission denied"),
    (Mode(0o000), "dovecot-uidlist", "Permission denied"),
    (Roots, "", "Permission denied"),
    (Roots, "cur", "Permission denied"),
    (Roots, "mailseed.lock", "Permission denied"),
];

/// Ann's Maildir with something in the way, beside bob's, and what lies outside of both.
struct Ground {
    tree: TempTree,
    source: Source,
    ordinary: bool,
}

impl Ground {
    fn outside(&self) -> PathBuf {
        self.tree.path().join("outside")
    }

    fn path(&self, place: &str) -> PathBuf {
        let maildir = self.target().maildir("ann");
        if place.is_empty() {
            return maildir;
        }
        if place == "cur/0" {
            let mut names: Vec<PathBuf> = fs::read_dir(maildir.join("cur"))
                .expect("it has been exported")
                .map(|entry| entry.expect("it stands still").path())
                .collect();
            names.sort();
            return names.swap_remove(0);
        }
        maildir.join(place)
    }

    fn target(&self) -> Target {
        Target::within(self.tree.path(), "")
    }

    /// Exports both users. The trace has what was opened and changed.
    fn run(&self) -> (program::Output, String) {
        let log = self.tree.path().join("log");
        fs::write(&log, "").expect("scratch directories are writable");
        own(&log);
        let mut command = Command::new("strace");
        let calls = "openat,openat2,linkat,renameat,renameat2,unlinkat,mkdirat,fchown,fchownat,\
                     chown,lchown,fchmod,fchmodat,utimensat,write";
        command
            .args(["-f", "-y", "-e", &format!("trace={calls}"), "-o"])
            .arg(&log)
            .arg(self.tree.path().join("mailseed"))
            .arg("export")
            .args(self.source.arguments())
            .args(["--maildir", &self.target().template(), "-j1", "--users"])
            .arg(self.tree.path().join("users.csv"))
            .env("MAILSEED_PASSWORD", PASSWORD);
        match mail_owner() {
            Some((uid, gid)) if self.ordinary => {
                command.uid(uid).gid(gid);
            }
            Some((uid, gid)) => {
                command.args(["--owner", &format!("{uid}:{gid}")]);
            }
            None => {}
        }
        let output = program::run(command, Duration::from_secs(60));
        let trace = fs::read_to_string(log).expect("strace has written it");
        (output, trace)
    }
}

/// Puts something in the way and what was there aside.
fn plant(ground: &Ground, obstacle: Obstacle, path: &Path, aside: &Path) {
    match obstacle {
        Mode(mode) => return chmod(path, mode),
        Roots => {
            lchown(path, Some(0), Some(0)).expect("root may chown");
            return chmod(path, if path.is_dir() { 0o755 } else { 0o644 });
        }
        _ => {}
    }
    if path.symlink_metadata().is_ok() {
        fs::rename(path, aside).expect("it is ours");
    }
    let outside = ground.outside();
    let done = match obstacle {
        LinkToDirectory => symlink(outside.join("Maildir"), path),
        LinkToFile => symlink(outside.join("file"), path),
        LinkToNothing => symlink(outside.join("Maildir/not-there"), path),
        SecondName => fs::hard_link(outside.join("file"), path),
        File => fs::write(path, "a file"),
        Directory => fs::create_dir(path),
        Fifo => {
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.expect("mkfifo is there").success());
            Ok(())
        }
        Mode(_) | Roots => Ok(()),
    };
    done.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if !matches!(obstacle, SecondName) {
        own(path);
    }
}

fn clear(obstacle: Obstacle, path: &Path, aside: &Path) {
    if matches!(obstacle, Roots) {
        own(path);
    }
    match obstacle {
        Mode(_) | Roots if path.is_dir() => return chmod(path, 0o700),
        Mode(_) | Roots => return chmod(path, 0o600),
        Directory => drop(fs::remove_dir(path)),
        _ => drop(fs::remove_file(path)),
    }
    if aside.symlink_metadata().is_ok() && path.symlink_metadata().is_err() {
        fs::rename(aside, path).expect("it is ours");
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn own(path: &Path) {
    if let Some((uid, gid)) = mail_owner() {
        lchown(path, Some(uid), Some(gid)).expect("root may chown");
    }
}

/// The tree of one user may be anything: it costs that user only, says what is in the way, and nothing
/// that lies elsewhere is opened, changed or given away; when it is out of the way the next run goes on.
#[test]
fn nothing_outside_the_maildir_is_touched_whatever_lies_in_it() {
    let server = Dovecot::start(DovecotOptions::with_users(&[
        ("ann", PASSWORD),
        ("bob", PASSWORD),
    ]));
    for user in ["ann", "bob"] {
        mailbox(&server.mail_dir(user), 2);
        server.doveadm(&["mailbox", "status", "-u", user, "messages", "*"]);
    }
    let source = Source::of(&server).imap_only();
    let before = Target::new();
    for user in ["ann", "bob"] {
        before.export_ok(&source, user, &[]);
    }
    for user in ["ann", "bob"] {
        let mut client = Client::login(server.imap_port(), user, PASSWORD);
        for folder in ["INBOX", "Sent"] {
            client.append(folder, &["new"], 1_600_000_000, "Subject: new\n\nnew\n");
        }
    }
    let whole = Target::new();
    copy(Some(&before), &whole);
    whole.export_ok(&source, "ann", &[]);
    let whole = State::of(&whole.maildir("ann"));
    // An ordinary user may not get at the program where it was built.
    let built = TempTree::new();
    let built = built.path().join("mailseed");
    fs::copy(env!("CARGO_BIN_EXE_mailseed"), &built).expect("it was built");
    let is_root = mail_owner().is_some();
    for ordinary in [false, true] {
        if !ordinary && !is_root {
            continue;
        }
        let closed = if ordinary { &CLOSED[..] } else { &[] };
        for (obstacle, place, says) in IN_THE_WAY.iter().chain(closed) {
            let ground = ground(&source, &before, &built, ordinary);
            one(&ground, (*obstacle, place, says), &whole);
        }
    }
}

fn ground(source: &Source, before: &Target, built: &Path, ordinary: bool) -> Ground {
    let tree = TempTree::new();
    let ground = Ground {
        tree,
        source: source.clone(),
        ordinary,
    };
    let root = ground.tree.path();
    fs::hard_link(built, root.join("mailseed"))
        .or_else(|_| fs::copy(built, root.join("mailseed")).map(drop))
        .expect("scratch directories are writable");
    fs::write(root.join("users.csv"), "user\nann\nbob\n")
        .expect("scratch directories are writable");
    for user in ["ann", "bob"] {
        let home = before.maildir(user);
        let copied = Command::new("cp")
            .arg("-a")
            .arg(home.parent().expect("a Maildir lies in a home"))
            .arg(root)
            .status();
        assert!(copied.expect("cp is there").success());
    }
    let outside = ground.outside();
    for part in ["Maildir/cur", "Maildir/new", "Maildir/tmp"] {
        fs::create_dir_all(outside.join(part)).expect("scratch directories are writable");
    }
    for file in ["file", "Maildir/cur/1.secret:2,", "Maildir/dovecot-uidlist"] {
        fs::write(outside.join(file), "secret\n").expect("scratch directories are writable");
        chmod(&outside.join(file), 0o600);
    }
    if ordinary {
        give_to_mail_owner(&outside);
    }
    ground
}

fn one(ground: &Ground, (obstacle, place, says): (Obstacle, &str, &str), whole: &State) {
    let who = if ground.ordinary { "its owner" } else { "root" };
    let context = format!("{obstacle:?} at {place:?}, run by {who}");
    let (path, aside) = (ground.path(place), ground.tree.path().join("aside"));
    plant(ground, obstacle, &path, &aside);
    let outside = stamps(&ground.outside());
    let (output, trace) = ground.run();
    let told = format!("{context}\n{}\n{}", output.stdout, output.stderr);
    let code = if says.is_empty() { 0 } else { 1 };
    assert_eq!(output.code, Some(code), "{told}");
    assert!(output.stdout.contains(says), "{told}");
    if !says.is_empty() {
        assert!(output.stdout.contains("ann/Maildir"), "{told}");
    }
    assert_untouched(&outside, &ground.outside());
    let reached = ground.outside().display().to_string();
    let reached = trace
        .lines()
        .find(|line| line.contains(&reached) && !line.contains(" = -1 "));
    assert_eq!(reached, None, "{told}");
    // The other user has everything.
    let bob = State::of(&ground.target().maildir("bob"));
    assert_eq!(bob.messages(), whole.messages(), "{told}");

    clear(obstacle, &path, &aside);
    let (output, _) = ground.run();
    assert_eq!(output.code, Some(0), "{told}\nand then {}", output.stdout);
    let state = State::of(&ground.target().maildir("ann"));
    assert_eq!(state.messages(), whole.messages(), "{told}");
    if !says.is_empty() {
        state.assert_is(whole, &told);
    }
}

/// 10,000 where all have their turn. Half of them lie below names that are no folders.
#[test]
fn a_user_may_have_thousands_of_folders() {
    let count = if all_have_a_turn() { 10_000 } else { 300 };
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let maildir = server.mail_dir("ann");
    let make = |name: &str, text: &str| {
        corpus::bare(&maildir.join(name), &[("1.one:2,S", text.as_bytes())]);
    };
    make("", "Subject: INBOX\n\nhello\n");
    for number in 1..count {
        let name = match number % 2 {
            0 => format!(".Projects {}.F{number}", number % 40),
            _ => format!(".F{number}"),
        };
        make(&name, &format!("Subject: {number}\n\nhello\n"));
    }
    give_to_mail_owner(&maildir);
    let source = Source::of(&server);
    let target = Target::new();
    let report = TempTree::new();
    let run = |name: &str| {
        let report = report.path().join(name);
        let mut command = target.command("export", &source, &["--user", "ann"]);
        command.arg("--report").arg(&report);
        let output = program::run(command, Duration::from_secs(1200));
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
        let row = summary(&report).remove(0);
        assert_eq!(row.number("messages"), count);
        assert!(row.number("folders") >= count, "{row:?}");
        // 10,000 folders are not to need a tenth of a megabyte each.
        let peak = output.peak_rss_kib / 1024;
        assert!((1..100).contains(&peak), "{peak} MiB");
        (row.number("added"), target.listing())
    };
    let (added, first) = run("first");
    assert_eq!(added, count);
    let (added, second) = run("second");
    assert!(added == 0 && first == second, "{added} added");
}

/// Deeper than a path may be long, and far deeper than anybody needs.
#[test]
fn folders_lie_as_deep_as_a_server_has_them() {
    use mailseed::config::{FolderEncoding, Fsync, Layout};
    use mailseed::mail::FolderPath;
    use mailseed::naming::MaildirFolder;
    use mailseed::sink::{on_disk, sync::Syncer, tree::Tree};

    let root = TempTree::new();
    let maildir = root.path().join("Maildir");
    let syncer = std::sync::Arc::new(Syncer::default());
    let tree = Tree::create(&maildir, None, Fsync::Never, syncer).expect("it is ours");
    let parts = |count: usize| vec!["a part of a name".to_owned(); count];
    for (count, is_found) in [(200, true), (400, false)] {
        let path = FolderPath::new(parts(count));
        let folder = MaildirFolder::of(&path, Layout::Fs, FolderEncoding::Mutf7);
        let folder = folder.expect("each part is a name");
        tree.open_folder(&folder, false).expect("it is ours");
        let folders = on_disk::folders(&maildir, Layout::Fs).expect("it can be read");
        assert_eq!(folders.contains(&folder), is_found, "{count}");
    }
    let flat = FolderPath::new(parts(200));
    MaildirFolder::of(&flat, Layout::MaildirPlusPlus, FolderEncoding::Mutf7)
        .expect_err("one name is not so long");
}

/// As if the clock had been set since the last run, back or forth: what that has written bears another time.
#[test]
fn a_clock_that_was_set_changes_nothing() {
    let server = crate::interrupted::source(4);
    let source = Source::of(&server);
    let targets = ["dovecot", "qmail,dovecot", "courier"];
    let more = |targets| ["--target", targets, "--unholdable", "report"];
    let before = targets.map(|targets| {
        let target = Target::new();
        target.export_ok(&source, "ann", &more(targets));
        target
    });
    let mut client = Client::login(server.imap_port(), "ann", PASSWORD);
    client.append("INBOX", &[], 1_600_000_000, "Subject: new\n\nnew\n");
    client.expunge("INBOX", 2);
    let year = Duration::from_secs(366 * 86_400);
    let now = SystemTime::now();
    for (before, targets) in before.iter().zip(targets) {
        let mut states = Vec::new();
        for time in [now, now + year, now - year] {
            let target = Target::new();
            copy(Some(before), &target);
            for entry in walkdir::WalkDir::new(target.maildir("ann")) {
                let path = entry.expect("it stands still").into_path();
                let parent = path.parent().and_then(Path::file_name);
                // A message bears its own.
                if parent.is_some_and(|name| name == "cur" || name == "new") {
                    continue;
                }
                let file = fs::File::open(&path).expect("it is ours");
                file.set_modified(time).expect("it is ours");
            }
            let more = [&more(targets)[..], &["--max-delete", "100"]].concat();
            target.export_ok(&source, "ann", &more);
            target.export_ok(&source, "ann", &more);
            states.push(State::of(&target.maildir("ann")));
        }
        states[1].assert_is(&states[0], &format!("{targets}, set back"));
        states[2].assert_is(&states[0], &format!("{targets}, set forth"));
    }
}

#[test]
fn modes_are_the_same_under_any_umask() {
    let server = crate::interrupted::source(2);
    let source = Source::of(&server).imap_only();
    let whole = Target::new();
    whole.export_ok(&source, "ann", &[]);
    let whole = State::of(&whole.maildir("ann"));
    for umask in ["000", "077"] {
        let target = Target::new();
        let mailseed = target.command("export", &source, &["--user", "ann"]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
            .arg(mailseed.get_program())
            .args(mailseed.get_args())
            .env("MAILSEED_PASSWORD", PASSWORD);
        let output = program::run(command, Duration::from_secs(60));
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        State::of(&target.maildir("ann")).assert_is(&whole, umask);
    }
}
