//! Which UIDL is whose, on real servers: the cases in which a guess by size, by position or by header
//! gives a message the UIDL of another. Dovecot's own migration (`doveadm backup -R` with the
//! pop3-migration plugin) does the same job beside mailseed; where it goes wrong, and is known
//! to, the test asserts that too: so the case is a real one. The table of both:
//! `cargo test --test all pairing:: -- --nocapture | grep '^|'`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::pop3_view;
use crate::support::program::{self, Output};
use crate::support::tree::TempTree;
use crate::support::{compare, give_to_mail_owner, mail_owner};

const PASSWORD: &str = "any";

/// A message of a source's INBOX.
#[derive(Debug, Clone, Default)]
struct Mail {
    /// Header and body, lines ending in LF.
    content: String,
    /// Stored UIDL; the server's format makes it where there is none.
    uidl: Option<String>,
    /// Stored place in the POP3 listing.
    order: Option<usize>,
    /// LIST tells the size as stored, IMAP with CRLF.
    stored_size: bool,
}

/// A message with a stored UIDL.
fn mail(uidl: &str, subject: &str, body: &str) -> Mail {
    Mail {
        content: format!(
            "From: a@example.org\nMessage-ID: <{subject}@example.org>\n\
             Date: Mon, 5 Jan 2015 10:00:00 +0000\nSubject: {subject}\n\n{body}\n"
        ),
        uidl: Some(uidl.to_owned()),
        ..Mail::default()
    }
}

/// Stores that POP3 lists the messages so: numbers are places in `mails`.
fn listed_as(mut mails: Vec<Mail>, order: &[usize]) -> Vec<Mail> {
    for (place, at) in order.iter().enumerate() {
        mails[*at].order = Some(place + 1);
    }
    mails
}

/// The two servers that all tests here share, each with users of its own. They outlive the
/// tests; their watchers end them.
struct Servers {
    source: Dovecot,
    destination: Dovecot,
}

fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| Servers {
        source: Dovecot::start(DovecotOptions {
            any_password: true,
            stored_sizes: true,
            ..DovecotOptions::default()
        }),
        // A format of its own: each UIDL must come from what was written.
        destination: Dovecot::start(DovecotOptions {
            any_password: true,
            uidl_format: "new-%v-%u".to_owned(),
            ..DovecotOptions::default()
        }),
    })
}

const VALIDITY: u32 = 1_318_450_432;

/// The INBOX of `user` at the source.
fn write_inbox(user: &str, mails: &[Mail]) {
    let maildir = servers().source.mail_dir(user);
    let names: Vec<String> = (1..)
        .zip(mails)
        .map(|(uid, mail)| {
            let stored = mail.content.len();
            let sent = stored + mail.content.matches('\n').count();
            if mail.stored_size {
                format!("{uid}.old,S={stored}")
            } else {
                format!("{uid}.old,S={stored},W={sent}")
            }
        })
        .collect();
    let with_flags: Vec<String> = names.iter().map(|name| format!("{name}:2,S")).collect();
    let files: Vec<(&str, &[u8])> = with_flags
        .iter()
        .zip(mails)
        .map(|(name, mail)| (name.as_str(), mail.content.as_bytes()))
        .collect();
    corpus::bare(&maildir, &files);
    let mut list = format!(
        "3 V{VALIDITY} N{} G{:032x}\n",
        mails.len() + 5,
        mails.len() + 1
    );
    for ((uid, name), mail) in (1..).zip(&names).zip(mails) {
        list.push_str(&format!("{uid}"));
        if let Some(uidl) = &mail.uidl {
            list.push_str(&format!(" P{uidl}"));
        }
        if let Some(order) = mail.order {
            list.push_str(&format!(" O{order}"));
        }
        list.push_str(&format!(" :{name}\n"));
    }
    fs::write(maildir.join("dovecot-uidlist"), list).expect("it is ours");
    give_to_mail_owner(&maildir);
}

/// A new mail for `user` of the source.
fn deliver(user: &str) {
    let path = servers().source.mail_dir(user).join("new/1700000000.new");
    fs::write(&path, "Subject: new\n\nnew\n").expect("it is ours");
    give_to_mail_owner(&path);
}

/// A user to migrate: who it is over POP3 and over IMAP. Two users of the source make one whose
/// listings differ, as on servers where POP3 is a separate thing.
#[derive(Clone, Copy)]
struct User<'a> {
    /// At the destination; the one migrated by doveadm has `-doveadm` after it.
    name: &'a str,
    pop3: &'a str,
    imap: &'a str,
}

impl<'a> User<'a> {
    /// One mailbox shown by both protocols.
    fn with(name: &'a str, mails: &[Mail]) -> Self {
        write_inbox(name, mails);
        Self {
            name,
            pop3: name,
            imap: name,
        }
    }

    /// POP3 and IMAP show these.
    fn with_both(name: &'a str, imap: &'a str, pop3_mails: &[Mail], imap_mails: &[Mail]) -> Self {
        write_inbox(name, pop3_mails);
        write_inbox(imap, imap_mails);
        Self {
            name,
            pop3: name,
            imap,
        }
    }

    /// `mailseed COMMAND` for it.
    fn mailseed(self, command: &str, more: &[&str]) -> Output {
        let source = &servers().source;
        let ports = (source.imap_port(), source.pop3_port());
        self.mailseed_by(ports, command, more)
    }

    fn mailseed_by(
        self,
        (imap_port, pop3_port): (u16, u16),
        command: &str,
        more: &[&str],
    ) -> Output {
        let list = TempTree::new();
        let users = list.path().join("users.csv");
        let row = format!(
            "user,imap_user,pop3_user\n{},{},{}\n",
            self.name, self.imap, self.pop3
        );
        fs::write(&users, row).expect("scratch directories are writable");
        let mut mailseed = program::mailseed_command();
        mailseed
            .arg(command)
            .arg("--users")
            .arg(&users)
            .arg("--imap")
            .arg(format!("imap+plain://127.0.0.1:{imap_port}"))
            .arg("--pop3")
            .arg(format!("pop3+plain://127.0.0.1:{pop3_port}"))
            .arg("--maildir")
            .arg(servers().destination.mail_dir(self.name))
            .args(more);
        if let Some((uid, gid)) = mail_owner() {
            mailseed.args(["--owner", &format!("{uid}:{gid}")]);
        }
        mailseed.env("MAILSEED_PASSWORD", PASSWORD);
        program::run(mailseed, Duration::from_secs(60))
    }

    /// What mailseed makes of it.
    fn by_mailseed(self, more: &[&str]) -> (Verdict, Output) {
        let output = self.mailseed("export", &[&["-v"], more].concat());
        let verdict = match output.code {
            Some(0) => self.judge(self.name),
            code => Verdict::Stopped(code),
        };
        (verdict, output)
    }

    /// What doveadm makes of it. `state` keeps its imapc indexes from one run to the next.
    fn by_doveadm(self, state: &Path) -> Verdict {
        let user = format!("{}-doveadm", self.name);
        let maildir = servers().destination.mail_dir(&user);
        let config = state.join("dovecot.conf");
        let settings = format!(
            "base_dir = {base}\nstate_dir = {state}\nlog_path = {state}/log\nssl = no\n\
             stats_writer_socket_path =\n\
             first_valid_uid = 1\nfirst_valid_gid = 1\n\
             mail_location = maildir:{maildir}\nmail_fsync = never\n\
             namespace inbox {{\n  inbox = yes\n  separator = /\n}}\n\
             namespace pop3 {{\n  prefix = POP3/\n  separator = /\n  location = pop3c:\n\
             \x20 inbox = no\n  list = no\n  hidden = yes\n}}\n\
             mail_plugins = pop3_migration\n\
             plugin {{\n  pop3_migration_mailbox = POP3/INBOX\n}}\n\
             imapc_host = 127.0.0.1\nimapc_port = {imap_port}\nimapc_user = {imap}\n\
             imapc_password = {PASSWORD}\nimapc_features = rfc822.size fetch-headers\n\
             pop3c_host = 127.0.0.1\npop3c_port = {pop3_port}\npop3c_user = {pop3}\n\
             pop3c_password = {PASSWORD}\nmail_prefetch_count = 20\n",
            state = state.display(),
            maildir = maildir.display(),
            base = servers().destination.base_dir().display(),
            imap_port = servers().source.imap_port(),
            pop3_port = servers().source.pop3_port(),
            imap = self.imap,
            pop3 = self.pop3,
        );
        fs::write(&config, settings).expect("scratch directories are writable");
        give_to_mail_owner(state);
        let output = Command::new("doveadm")
            .arg("-c")
            .arg(&config)
            .args(["backup", "-R", "-u", &user])
            .arg(format!("imapc:{}/imapc", state.display()))
            .output()
            .expect("doveadm comes with Dovecot: run scripts/install-deps");
        if output.status.success() {
            self.judge(&user)
        } else {
            let log = fs::read_to_string(state.join("log")).unwrap_or_default();
            say(&format!("{}{log}", String::from_utf8_lossy(&output.stderr)));
            Verdict::Stopped(output.status.code())
        }
    }

    /// Whether each UIDL that the source lists is, for `user` of the destination, at the message
    /// that has it: that of IMAP's user with the same one stored.
    fn judge(self, user: &str) -> Verdict {
        let of = |port, user| -> BTreeMap<String, Option<blake3::Hash>> {
            let listing = pop3_view::read(port, user, PASSWORD, true);
            let entries = listing.into_iter();
            entries.map(|entry| (entry.uidl, entry.hash)).collect()
        };
        let source_port = servers().source.pop3_port();
        let right = of(source_port, self.imap);
        let found = of(servers().destination.pop3_port(), user);
        let (mut wrong, mut without) = (0, 0);
        for uidl in of(source_port, self.pop3).keys() {
            match found.get(uidl) {
                None => without += 1,
                at if at == right.get(uidl) => (),
                _ => wrong += 1,
            }
        }
        match (wrong, without) {
            (0, 0) => Verdict::Right,
            (0, _) => Verdict::GaveUp(without),
            _ => Verdict::Wrong(wrong),
        }
    }
}

/// How a migration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Every UIDL is at its message.
    Right,
    /// It is not for so many, which nobody has; the others are right.
    GaveUp(usize),
    /// Nothing was said, but so many UIDLs are at another message.
    Wrong(usize),
    /// With this exit code.
    Stopped(Option<i32>),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::GaveUp(count) => write!(f, "right, {count} given up"),
            Self::Wrong(count) => write!(f, "WRONG: {count} at another message"),
            Self::Stopped(Some(code)) => write!(f, "stops, exit code {code}"),
            Self::Stopped(None) => f.write_str("killed"),
        }
    }
}

/// A row of the table.
fn print_row(case: &str, mailseed: &Verdict, doveadm: &Verdict) {
    say(&format!("| {case} | {mailseed} | {doveadm} |"));
}

#[allow(clippy::print_stdout, reason = "the harness shows it when asked to")]
fn say(text: &str) {
    println!("{text}");
}

/// The migration by both; mailseed's must be right and in the old order.
fn migrate(case: &str, user: User<'_>) -> (Output, Verdict) {
    let (ours, output) = user.by_mailseed(&[]);
    let state = TempTree::new();
    let theirs = user.by_doveadm(state.path());
    print_row(case, &ours, &theirs);
    assert_eq!(ours, Verdict::Right, "{}\n{}", output.stdout, output.stderr);
    let listing = |port| pop3_view::read(port, user.name, PASSWORD, true);
    compare::assert_none(&compare::pop3(
        &listing(servers().source.pop3_port()),
        &listing(servers().destination.pop3_port()),
    ));
    (output, theirs)
}

/// All sizes fit by position, and no two neighbours are of one size.
#[test]
fn equal_sizes_around_another_in_reverse_order() {
    let mails = vec![
        mail("ua", "A", "first"),
        mail("ub", "B", "the one between"),
        mail("uc", "C", "third"),
    ];
    let user = User::with("sandwich", &listed_as(mails, &[2, 1, 0]));
    let (_, doveadm) = migrate("A and C of one size around B, POP3 order C, B, A", user);
    assert_eq!(doveadm, Verdict::Wrong(2));
}

/// A header is no proof: these have one Message-ID, one size and different bodies.
#[test]
fn one_header_with_several_bodies() {
    let mails = vec![
        mail("ua", "same", "body 1"),
        mail("ub", "same", "body 2"),
        mail("uc", "same", "body 3"),
        mail("ud", "same", "body 4"),
    ];
    let user = User::with("twins", &listed_as(mails, &[3, 2, 1, 0]));
    let (output, doveadm) = migrate("one header, bodies of one size, other order", user);
    assert!(output.stderr.contains("4 by content"), "{}", output.stderr);
    assert!(matches!(doveadm, Verdict::Wrong(2..)), "{doveadm:?}");
}

/// Here doveadm does not trust the sizes, and is right.
#[test]
fn two_of_one_size_in_reverse_order() {
    let mails = vec![mail("ua", "A", "first"), mail("ub", "B", "again")];
    let user = User::with("swapped", &listed_as(mails, &[1, 0]));
    migrate("two of one size, swapped", user);
}

/// Any pairing among copies is right; the others must not be drawn into it.
#[test]
fn identical_copies_among_others() {
    let mails = vec![
        mail("u1", "copy", "the same"),
        mail("u2", "other", "unlike"),
        mail("u3", "copy", "the same"),
        mail("u4", "third", "no copy"),
        mail("u5", "copy", "the same"),
    ];
    let user = User::with("copies", &listed_as(mails, &[4, 1, 3, 0, 2]));
    let (output, _) = migrate("identical copies, other order", user);
    let expected = "2 by header, 3 by identical";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
}

/// LIST counts each line end once, as qmail-pop3d does (that one needs no IMAP server beside it, so
/// a Dovecot that lists stored sizes stands in).
#[test]
fn listed_sizes_that_are_not_those_of_imap() {
    let stored = |uidl, subject, body| Mail {
        stored_size: true,
        ..mail(uidl, subject, body)
    };
    let mails = vec![
        stored("ua", "A", "first"),
        stored("ub", "B", "some\nlines\nmore"),
        stored("uc", "C", "third"),
    ];
    let user = User::with("stored", &listed_as(mails, &[2, 1, 0]));
    let port = servers().source.pop3_port();
    let listed: u64 = pop3_view::read(port, "stored", PASSWORD, false)
        .iter()
        .map(|entry| entry.size)
        .sum();
    let on_disk = 3 * mail("", "A", "first").content.len() + "some\nlines\nmore".len() - 5;
    assert_eq!(listed, on_disk as u64, "the case is what it claims to be");
    // Not by doveadm: it asks IMAP first, and Dovecot then lists the size that it has worked out.
    let (ours, output) = user.by_mailseed(&[]);
    assert_eq!(ours, Verdict::Right, "{}", output.stderr);
}

/// Deleted over IMAP while POP3 still lists it.
#[test]
fn one_that_imap_no_longer_has() {
    let all = [
        mail("ua", "A", "first"),
        mail("ub", "B", "the second"),
        mail("uc", "C", "a third one"),
        mail("ud", "D", "the fourth of them"),
    ];
    let imap = [all[0].clone(), all[2].clone(), all[3].clone()];
    let user = User::with_both("gone", "gone-imap", &all, &imap);
    let (ours, output) = user.by_mailseed(&[]);
    let state = TempTree::new();
    let theirs = user.by_doveadm(state.path());
    print_row("one in POP3 only", &ours, &theirs);
    assert_eq!(ours, Verdict::Stopped(Some(1)), "{}", output.stderr);
    assert!(
        output.stdout.contains("ub: no such message in INBOX"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("--ignore-extra-uidls"),
        "{}",
        output.stdout
    );
    assert!(!servers().destination.mail_dir("gone").join("cur").exists());

    let (ours, output) = user.by_mailseed(&["--ignore-extra-uidls"]);
    print_row("the same, told to go on", &ours, &theirs);
    assert_eq!(ours, Verdict::GaveUp(1), "{}", output.stderr);
}

/// POP3 lists a part only, as Gmail may: doveadm is content, and tells nobody which are without.
#[test]
fn one_that_pop3_does_not_list() {
    let all = [
        mail("ua", "A", "first"),
        mail("ub", "B", "the second"),
        mail("uc", "C", "a third one"),
        mail("ud", "D", "the fourth of them"),
    ];
    let part = [all[0].clone(), all[2].clone(), all[3].clone()];
    let user = User::with_both("part", "part-imap", &part, &all);
    let (ours, output) = user.by_mailseed(&[]);
    let state = TempTree::new();
    let theirs = user.by_doveadm(state.path());
    print_row("one in IMAP only", &ours, &theirs);
    assert_eq!(ours, Verdict::Stopped(Some(1)), "{}", output.stderr);
    assert!(output.stdout.contains("UID 2"), "{}", output.stdout);
    assert!(
        output.stdout.contains("--ignore-missing-uidls"),
        "{}",
        output.stdout
    );

    let (ours, output) = user.by_mailseed(&["--ignore-missing-uidls"]);
    print_row("the same, told to go on", &ours, &theirs);
    assert_eq!(ours, Verdict::Right, "{}", output.stderr);
    let listing = pop3_view::read(servers().destination.pop3_port(), "part", PASSWORD, false);
    let uidls: Vec<&str> = listing.iter().map(|entry| entry.uidl.as_str()).collect();
    // Those without come last, under the new server's own UIDLs.
    assert_eq!(uidls[..3], ["ua", "uc", "ud"]);
    assert!(uidls[3].starts_with("new-"), "{uidls:?}");
}

/// Two were deleted and two of the same sizes came in their places: the counts and all sizes fit.
#[test]
fn other_messages_of_the_same_sizes() {
    let pop3 = [
        mail("ua", "A", "first"),
        mail("ub", "B", "the second"),
        mail("uc", "C", "a third one"),
    ];
    let imap = [
        mail("ua", "A", "first"),
        mail("ux", "X", "not second"),
        mail("uy", "Y", "other third"),
    ];
    let user = User::with_both("replaced", "replaced-imap", &pop3, &imap);
    let (ours, output) = user.by_mailseed(&[]);
    let state = TempTree::new();
    let theirs = user.by_doveadm(state.path());
    print_row("others of the same sizes in their places", &ours, &theirs);
    assert_eq!(ours, Verdict::Stopped(Some(1)), "{}", output.stderr);
    assert_eq!(theirs, Verdict::Wrong(2));

    let flags = ["--ignore-extra-uidls", "--ignore-missing-uidls"];
    let (ours, output) = user.by_mailseed(&flags);
    print_row("the same, told to go on", &ours, &theirs);
    assert_eq!(ours, Verdict::GaveUp(2), "{}", output.stderr);
}

/// Exchange and others write IMAP's headers anew.
#[test]
fn headers_that_imap_rebuilds() {
    let pop3: Vec<Mail> = (0..12)
        .map(|n| mail(&format!("u{n}"), &format!("N{n}"), &"text\n".repeat(n % 5)))
        .collect();
    let rebuilt: Vec<Mail> = pop3
        .iter()
        .rev()
        .map(|mail| {
            let (header, body) = mail.content.split_once("\n\n").expect("it has both");
            let lines: Vec<&str> = header.lines().rev().collect();
            let content = format!("X-Rebuilt: yes\n{}\n\n{body}", lines.join("\n"));
            Mail {
                content,
                ..mail.clone()
            }
        })
        .collect();
    let user = User::with_both("rebuilt", "rebuilt-imap", &pop3, &rebuilt);
    let (ours, output) = user.by_mailseed(&[]);
    let state = TempTree::new();
    let theirs = user.by_doveadm(state.path());
    print_row("headers rebuilt by IMAP, other order", &ours, &theirs);
    assert!(
        output.stderr.contains("12 by identity"),
        "{}",
        output.stderr
    );
    assert_eq!(ours, Verdict::Right, "{}", output.stdout);
}

/// One mail has come. doveadm's cache of UIDLs is joined wrongly when POP3 has another order than
/// IMAP: each later run that has something to do fails.
#[test]
fn a_second_run_in_another_order() {
    let mails = (0..5)
        .map(|n| mail(&format!("u{n}"), &format!("N{n}"), &"text\n".repeat(n)))
        .collect();
    let user = User::with("again", &listed_as(mails, &[4, 3, 2, 1, 0]));
    let state = TempTree::new();
    let (ours, _) = user.by_mailseed(&[]);
    let theirs = user.by_doveadm(state.path());
    print_row("POP3 order reversed", &ours, &theirs);
    deliver("again");
    let (ours_again, output) = user.by_mailseed(&[]);
    let theirs_again = user.by_doveadm(state.path());
    print_row(
        "the same, second run after a new mail",
        &ours_again,
        &theirs_again,
    );
    assert_eq!((ours, ours_again), (Verdict::Right, Verdict::Right));
    assert!(
        output
            .stderr
            .contains("UIDLs paired: 5 by known, 1 by template(u8v8) "),
        "{}",
        output.stderr
    );
    let plan = user.mailseed("plan", &[]);
    assert!(
        plan.stdout.contains("INBOX: nothing to do"),
        "{}",
        plan.stdout
    );
    assert_eq!(
        (theirs, theirs_again),
        (Verdict::Right, Verdict::Stopped(Some(75)))
    );
}

/// A Dovecot that was itself migrated: stored UIDLs on the old mail, its own on the newer.
#[test]
fn stored_uidls_beside_those_of_the_format() {
    let mails: Vec<Mail> = (1..=140)
        .map(|n: usize| {
            // Nothing in it follows from the UID.
            let uidl = format!("{}/x", &blake3::hash(&n.to_le_bytes()).to_hex()[..20]);
            let mut mail = mail(&uidl, &format!("N{n}"), &"x".repeat(n % 9));
            if n > 90 {
                mail.uidl = None;
            }
            mail
        })
        .collect();
    let user = User::with("mixed", &mails);
    let (output, _) = migrate("stored UIDLs and those of the format", user);
    let expected = "UIDLs paired: 50 by template(u8v8), 90 by header ";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
}

/// Stored UIDLs that read as if the format had made them, but for the message before: the old server
/// counted otherwise. All messages are of one size.
#[test]
fn uidls_that_look_like_the_format_and_are_off_by_one() {
    let mails: Vec<Mail> = (1..=150)
        .map(|uid| {
            mail(
                &format!("{:08x}{VALIDITY:08x}", uid + 1),
                &format!("N{uid:03}"),
                "x",
            )
        })
        .collect();
    let user = User::with("shifted", &mails);
    let (output, _) = migrate("UIDLs of the format, each for another message", user);
    let expected = "UIDLs paired: 150 by header ";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
}

/// RFC 1939 allows copies to share a UIDL, and Dovecot sends stored ones as they are. No new server
/// could tell them apart, so it stops; told to go on it gives the UIDL to one.
#[test]
fn a_uidl_that_is_listed_twice() {
    let mails = [
        mail("ua", "A", "first"),
        mail("twice", "copy", "the same"),
        mail("twice", "copy", "the same"),
    ];
    let user = User::with("doubled", &mails);
    let (ours, output) = user.by_mailseed(&[]);
    let state = TempTree::new();
    let theirs = user.by_doveadm(state.path());
    print_row("one UIDL on two copies", &ours, &theirs);
    assert_eq!(ours, Verdict::Stopped(Some(1)), "{}", output.stderr);
    let named = "twice: duplicate UIDL, given to POP3 message 2";
    assert!(output.stdout.contains(named), "{}", output.stdout);

    let flags = ["--ignore-extra-uidls", "--ignore-missing-uidls"];
    let (ours, output) = user.by_mailseed(&flags);
    print_row("the same, told to go on", &ours, &theirs);
    assert_eq!(ours, Verdict::Right, "{}", output.stderr);
    let listing = pop3_view::read(
        servers().destination.pop3_port(),
        "doubled",
        PASSWORD,
        false,
    );
    let uidls: Vec<&str> = listing.iter().map(|entry| entry.uidl.as_str()).collect();
    assert_eq!(uidls[..2], ["ua", "twice"]);
    assert!(uidls[2].starts_with("new-"), "{uidls:?}");
}

/// Delivered after POP3 was listed and before IMAP was: no failure, both are listed again.
#[test]
fn mail_that_comes_between_the_two_listings() {
    let (user, output, pop3_port) = race("race", |_| {});
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    for line in [
        "POP3 at pop3+plain://127.0.0.1:PORT: 2 messages",
        "mail came or went while INBOX was read",
        "folder INBOX: 3 added",
    ] {
        let line = line.replace("PORT", &pop3_port.to_string());
        assert!(output.stderr.contains(&line), "{line}:\n{}", output.stderr);
    }
    assert_eq!(user.judge("race"), Verdict::Right);
}

/// The same, and INBOX is another one when it is listed again: its UIDs hold for nothing that was
/// found out before, so the user is begun anew.
#[test]
fn an_inbox_that_is_replaced_between_the_two_listings() {
    let other = (VALIDITY + 1).to_string();
    let told = AtomicUsize::new(0);
    let (_, output, _) = race("new-inbox", move |said| {
        let before = format!("[UIDVALIDITY {VALIDITY}]");
        let at = said
            .windows(before.len())
            .position(|it| it == before.as_bytes());
        if let Some(at) = at
            && told.fetch_add(1, Ordering::Relaxed) > 0
        {
            let digits = at + "[UIDVALIDITY ".len();
            said[digits..digits + other.len()].copy_from_slice(other.as_bytes());
        }
    });
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let why = "the folder was replaced by another while it was worked on";
    assert!(output.stderr.contains(why), "{}", output.stderr);
    let maildir = servers().destination.mail_dir("new-inbox");
    let list = fs::read_to_string(maildir.join("dovecot-uidlist")).expect("it is there");
    let head = format!("3 V{} ", VALIDITY + 1);
    assert!(list.starts_with(&head), "{list}");
    assert_eq!(list.lines().count(), 1 + 3, "{list}");
}

/// An export of a user of whom a mail comes after POP3 was listed and before IMAP was; `says` may
/// change what the IMAP server says. With the port of POP3.
fn race<'u>(
    name: &'u str,
    says: impl Fn(&mut [u8]) + Send + Sync + 'static,
) -> (User<'u>, Output, u16) {
    let mails = vec![mail("ua", "A", "first"), mail("ub", "B", "the second")];
    let user = User::with(name, &listed_as(mails, &[1, 0]));
    let source = &servers().source;
    // What POP3 is asked for after its listing, while IMAP is not let through yet.
    let (listed, is_listed) = mpsc::channel();
    let pop3_port = through(
        source.pop3_port(),
        || {},
        move |said| {
            if said.starts_with(b"TOP ") {
                let _ = listed.send(());
            }
        },
        |_| {},
    );
    let to = name.to_owned();
    let mail_comes = move || {
        is_listed.recv().expect("POP3 is not held up by IMAP");
        deliver(&to);
    };
    let says = Arc::new(says);
    let says = move |said: &mut [u8]| says(said);
    let imap_port = through(source.imap_port(), mail_comes, |_| {}, says);
    let output = user.mailseed_by((imap_port, pop3_port), "export", &["-v"]);
    (user, output, pop3_port)
}

/// A port that leads to another one of 127.0.0.1. Before the first connection is let through,
/// `first` happens; `hears` is told what the clients say, `says` what the server does. Both may
/// change it.
fn through(
    port: u16,
    first: impl FnOnce() + Send + 'static,
    hears: impl Fn(&mut [u8]) + Clone + Send + 'static,
    says: impl Fn(&mut [u8]) + Clone + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let own = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        let mut first = Some(first);
        for client in listener.incoming() {
            if let Some(first) = first.take() {
                first();
            }
            let client = client.expect("a client connects");
            let server = TcpStream::connect(("127.0.0.1", port)).expect("the server runs");
            let other = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
            let (from, to) = (other(&client), other(&server));
            let (hears, says) = (hears.clone(), says.clone());
            thread::spawn(move || pass(from, to, hears));
            thread::spawn(move || pass(server, client, says));
        }
    });
    own
}

/// Until one side hangs up.
fn pass(mut from: TcpStream, mut to: TcpStream, hears: impl Fn(&mut [u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        hears(&mut buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// The template is believed after a sample: five headers of 3,000, and no body.
#[test]
fn a_template_costs_five_headers() {
    let mails: Vec<Mail> = (1..=3000)
        .map(|n| Mail {
            uidl: None,
            ..mail("", &format!("N{n}"), &"x".repeat(n % 700))
        })
        .collect();
    let user = User::with("cost", &mails);
    let output = user.mailseed("plan", &["-v"]);
    let expected = "UIDLs paired: 3000 by template(u8v8) ";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    let source = &servers().source;
    let pop3 = &source.sessions("pop3", "cost", 1)[0];
    let imap = &source.sessions("imap", "cost", 1)[0];
    assert_eq!(
        (pop3["top"], pop3["retr"], pop3["del"]),
        (5, 0, 0),
        "{pop3:?}"
    );
    assert_eq!((imap["hdr_count"], imap["body_count"]), (5, 0), "{imap:?}");
}

/// Of a small mailbox all bodies are compared; those that IMAP has sent for it are the ones that are
/// written. With twins in it, which only their bodies tell apart, and an empty one.
#[test]
fn no_body_is_fetched_twice() {
    let mut mails: Vec<Mail> = (0..20)
        .map(|n| {
            mail(
                &format!("u{n}"),
                &format!("N{n}"),
                &"text\n".repeat(n * 500),
            )
        })
        .collect();
    mails.extend([mail("ut", "twin", "one"), mail("uv", "twin", "two")]);
    mails.push(Mail {
        content: "Subject: no body\n\n".to_owned(),
        ..mail("ue", "", "")
    });
    let count = mails.len() as u64;
    let sent: usize = mails
        .iter()
        .map(|mail| mail.content.len() + mail.content.matches('\n').count())
        .sum();
    let order: Vec<usize> = (0..mails.len()).rev().collect();
    let user = User::with("once", &listed_as(mails, &order));
    let (verdict, output) = user.by_mailseed(&[]);
    assert_eq!(verdict, Verdict::Right, "{}", output.stderr);
    assert!(output.stderr.contains("2 by content"), "{}", output.stderr);
    let of = |protocol, sessions| servers().source.sessions(protocol, "once", sessions);
    let imap = &of("imap", 1)[0];
    assert_eq!(imap["body_count"], count, "{imap:?}");
    assert_eq!(imap["body_bytes"], sent as u64, "{imap:?}");
    // Both headers and bodies, and nothing marked as read by RETR. The judge has read them too.
    let pop3 = of("pop3", 3);
    assert!(
        pop3[0]["top"] <= 2 * count && pop3[0]["retr"] == 0,
        "{pop3:?}"
    );
    let listing = |port| pop3_view::read(port, "once", PASSWORD, true);
    compare::assert_none(&compare::pop3(
        &listing(servers().source.pop3_port()),
        &listing(servers().destination.pop3_port()),
    ));
}
