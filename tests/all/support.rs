//! What the tests share: real servers on loopback, scratch trees, corpora, readers that know
//! nothing of mailseed's own code, and a scripted server for faults.

pub mod browser;
pub mod busy;
pub mod compare;
pub mod corpus;
pub mod courier;
pub mod course;
pub mod cyrus;
pub mod delivery;
pub mod disk_view;
pub mod dovecot;
pub mod fake_server;
pub mod far_away;
pub mod imap_client;
pub mod imap_view;
pub mod mail_user;
pub mod odd_server;
pub mod pop3_view;
pub mod program;
pub mod proxy;
pub mod qmail;
pub mod relay;
pub mod report;
pub mod small_disk;
pub mod tree;
pub mod weather;
pub mod wiretap;

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a Maildir's folders lie on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `.A.B`, Dovecot's default.
    #[default]
    MaildirPlusPlus,
    /// `A/B`, Dovecot's `LAYOUT=fs`.
    Fs,
}

/// Owner (uid, gid) of all mail when the tests run as root, for Dovecot refuses to serve root's
/// mail. `None` when they run as an ordinary user: then that user owns it.
pub fn mail_owner() -> Option<(u32, u32)> {
    rustix::process::geteuid().is_root().then_some((5000, 5000))
}

/// Gives everything below and including `path` to the mail owner.
pub fn give_to_mail_owner(path: &Path) {
    let Some((uid, gid)) = mail_owner() else {
        return;
    };
    for entry in walkdir::WalkDir::new(path) {
        let entry = entry.expect("the tree was just written");
        std::os::unix::fs::lchown(entry.path(), Some(uid), Some(gid)).expect("root may chown");
    }
}

/// Runs `work` on each item, on both cores that a test machine has at least.
pub fn on_two_cores<T: Send>(items: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let mut front: Vec<T> = items.into_iter().collect();
    let back = front.split_off(front.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| front.into_iter().for_each(&work));
        back.into_iter().for_each(&work);
    });
}

/// Runs one of `scripts/` to its end and returns its standard output.
///
/// # Panics
/// When it fails, with what it said: a server that cannot start is a failed test, never a skip.
fn script(name: &str, arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name);
    let output = Command::new(&path)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        output.status.success(),
        "scripts/{name} {} failed; is everything installed? Run scripts/install-deps.\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8(output.stdout).expect("the scripts print ASCII")
}

/// Runs a script in a `Drop`, where a second panic would end the whole test program.
fn script_at_end(name: &str, arguments: &[&str]) {
    if std::thread::panicking() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("scripts")
            .join(name);
        let _ = Command::new(path).args(arguments).status();
    } else {
        script(name, arguments);
    }
}

/// The number of `name` in the `ports` file of a server's directory.
fn port(directory: &Path, name: &str) -> u16 {
    port_file_value(directory, name)
        .parse()
        .unwrap_or_else(|error| panic!("{name} in the ports file: {error}"))
}

fn port_file_value(directory: &Path, name: &str) -> String {
    let file = std::fs::read_to_string(directory.join("ports")).expect("a server writes its ports");
    file.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("no {name} in the ports file:\n{file}"))
        .to_owned()
}

/// A line without its CRLF; an error when the connection ends first.
pub fn read_line(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server hung up",
        ));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// `path` as text; scratch paths are ASCII.
fn text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are ASCII")
}

/// The Maildir of `user` below `mail`, its home made and given to the mail owner.
fn maildir_below(mail: &Path, user: &str) -> PathBuf {
    let home = mail.join(user);
    if !home.exists() {
        std::fs::create_dir_all(&home).expect("scratch directories are writable");
        give_to_mail_owner(&home);
    }
    home.join("Maildir")
}
