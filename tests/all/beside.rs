//! A user's two servers asked at once: in whichever order they answer, a login that fails is that
//! user's failure with nothing made, and a mail that comes meanwhile is in IMAP only.

use std::path::Path;
use std::time::Duration;

use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::corpus;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fake_server::{FakeServer, Moment, Step, expect, send};
use crate::support::program::Output;
use crate::support::wiretap::Wiretap;
use crate::support::{Layout, compare};

/// A run against two scripted servers.
struct Run {
    output: Output,
    target: Target,
    /// What each server was told.
    imap: Vec<String>,
    pop3: Vec<String>,
}

impl Run {
    fn of(imap: Vec<Vec<Step>>, pop3: Vec<Vec<Step>>) -> Self {
        Self::with(imap, pop3, &[])
    }

    fn with(imap: Vec<Vec<Step>>, pop3: Vec<Vec<Step>>, more: &[&str]) -> Self {
        let (imap, pop3) = (FakeServer::start(imap), FakeServer::start(pop3));
        let source = Source::both(imap.port(), pop3.port());
        let target = Target::new();
        let arguments = [&["-v", "--retries", "1"], more].concat();
        let output = target.export(&source, "ann", &arguments);
        let told = format!("{}\n{}", output.stdout, output.stderr);
        for server in [&imap, &pop3] {
            assert_eq!(server.complaint(), None, "{told}");
        }
        Self {
            output,
            target,
            imap: imap.commands(),
            pop3: pop3.commands(),
        }
    }

    /// The user could not be logged in: `error` is told, at the first attempt, nothing was made.
    fn fails_by(&self, error: &str) {
        let told = format!("{}\n{}", self.output.stdout, self.output.stderr);
        assert_eq!(self.output.code, Some(1), "{told}");
        assert!(self.output.stdout.contains(error), "no {error} in {told}");
        assert!(!self.output.stderr.contains("trying again"), "{told}");
        assert_eq!(self.target.listing(), Vec::<String>::new(), "{told}");
    }

    /// How often the password was sent to IMAP and to POP3.
    fn tries(&self) -> (usize, usize) {
        let tries = |commands: &[String], verb| {
            let tries = commands.iter().filter(|line| line.contains(verb));
            tries.count()
        };
        (tries(&self.imap, " LOGIN "), tries(&self.pop3, "PASS "))
    }

    /// The messages of INBOX have the UIDLs `uidls`, in the order of their UIDs.
    fn has(&self, uidls: &[&str]) {
        let told = format!("{}\n{}", self.output.stdout, self.output.stderr);
        assert_eq!(self.output.code, Some(0), "{told}");
        let list = self.target.maildir("ann").join("dovecot-uidlist");
        let list = std::fs::read_to_string(list).expect("it has been written");
        let found = list.lines().skip(1).map(|line| {
            let mut fields = line.split(' ');
            fields.find_map(|field| field.strip_prefix('P'))
        });
        let found: Vec<&str> = found.map(Option::unwrap_or_default).collect();
        assert_eq!(found, uidls, "{list}\n{told}");
    }
}

/// IMAP up to the command that logs in, and no further.
fn imap_greeting() -> Vec<Step> {
    vec![
        send("* OK hello\r\n"),
        expect("{tag} CAPABILITY"),
        send("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"),
        expect("{tag} LOGIN"),
    ]
}

/// From there to the list of folders, which are INBOX alone.
fn imap_folders() -> Vec<Step> {
    vec![
        send("{tag} OK\r\n"),
        expect("{tag} CAPABILITY"),
        send("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"),
        expect("{tag} LIST"),
        send("* LIST () \"/\" INBOX\r\n{tag} OK\r\n"),
        expect("{tag} LSUB"),
        send("{tag} OK\r\n"),
    ]
}

const VALIDITY: u32 = 1_318_450_432;

fn body(uid: u32) -> String {
    format!("Message-ID: <{uid}@example.org>\r\nSubject: {uid}\r\n\r\nhello\r\n")
}

fn uidl(uid: u32) -> String {
    format!("{uid:08x}{VALIDITY:08x}")
}

/// INBOX with messages 1 to `count` opened.
fn examine(count: u32) -> Vec<Step> {
    vec![
        expect("{tag} EXAMINE \"INBOX\""),
        send(format!(
            "* {count} EXISTS\r\n* OK [UIDVALIDITY {VALIDITY}] it\r\n* OK [UIDNEXT 9] it\r\n\
             {{tag}} OK [READ-ONLY] open\r\n"
        )),
    ]
}

/// And listed.
fn listed(count: u32) -> Vec<Step> {
    let date = "01-Jan-2018 00:00:00 +0000";
    let lines = (1..=count).map(|uid| {
        let size = body(uid).len();
        format!("* {uid} FETCH (UID {uid} FLAGS () INTERNALDATE \"{date}\" RFC822.SIZE {size})\r\n")
    });
    let lines: String = lines.collect();
    vec![
        expect("{tag} UID FETCH 1:* "),
        send(format!("{lines}{{tag}} OK\r\n")),
    ]
}

/// The evidence for the pairing of messages 1 to `count`: the headers of all `open` ones, where those
/// are more, and the bodies, which are then not fetched once more.
fn paired(count: u32, open: u32) -> Vec<Step> {
    let of_all = |count, section: &str, text: &dyn Fn(u32) -> String| {
        let line = |uid| {
            let text = text(uid);
            let size = text.len();
            format!("* {uid} FETCH (UID {uid} BODY[{section}] {{{size}}}\r\n{text})\r\n")
        };
        (1..=count).map(line).collect::<String>()
    };
    let header = |uid| body(uid).replace("hello\r\n", "");
    let headers = vec![
        expect(&format!("{{tag}} UID FETCH {} (", set(open))),
        send(format!("{}{{tag}} OK\r\n", of_all(open, "HEADER", &header))),
    ];
    let bodies = vec![
        expect(&format!("{{tag}} UID FETCH {} (", set(count))),
        send(format!("{}{{tag}} OK\r\n", of_all(count, "", &body))),
    ];
    match open > count {
        true => [headers, bodies].concat(),
        false => bodies,
    }
}

fn set(count: u32) -> String {
    match count {
        1 => "1".to_owned(),
        count => format!("1:{count}"),
    }
}

/// A message comes by itself.
fn one_more(uid: u32) -> Vec<Step> {
    let body = body(uid);
    let size = body.len();
    vec![
        expect(&format!("{{tag}} UID FETCH {uid} (")),
        send(format!(
            "* {uid} FETCH (UID {uid} BODY[] {{{size}}}\r\n{body})\r\n{{tag}} OK\r\n"
        )),
    ]
}

fn logout() -> Vec<Step> {
    vec![expect("{tag} LOGOUT"), send("* BYE\r\n{tag} OK\r\n")]
}

/// POP3 up to the command that logs in, and no further.
fn pop3_greeting() -> Vec<Step> {
    vec![
        send("+OK hello\r\n"),
        expect("CAPA"),
        send("-ERR what\r\n"),
        expect("USER"),
        send("+OK\r\n"),
        expect("PASS"),
    ]
}

/// From there to the listing of messages 1 to `count`.
fn pop3_listing(count: u32) -> Vec<Step> {
    let lines = |text: &dyn Fn(u32) -> String| {
        let lines = (1..=count).map(|number| format!("{number} {}\r\n", text(number)));
        format!("+OK\r\n{}.\r\n", lines.collect::<String>())
    };
    vec![
        send("+OK\r\n"),
        expect("CAPA"),
        send("+OK\r\nTOP\r\nUIDL\r\n.\r\n"),
        expect("STAT"),
        send(format!("+OK {count} 90\r\n")),
        expect("UIDL"),
        send(lines(&uidl)),
        expect("LIST"),
        send(lines(&|number| body(number).len().to_string())),
    ]
}

/// The evidence, asked for before IMAP has listed anything.
fn pop3_evidence(count: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for number in 1..=count {
        steps.push(expect(&format!("TOP {number} 999999999")));
        steps.push(send(format!("+OK\r\n{}.\r\n", body(number))));
    }
    steps
}

fn quit() -> Vec<Step> {
    vec![expect("QUIT"), send("+OK\r\n")]
}

fn come(moment: &Moment) -> Vec<Step> {
    vec![Step::Come(moment.clone())]
}

fn until(moment: &Moment) -> Vec<Step> {
    vec![Step::Await(moment.clone())]
}

/// A lock-out counts the tries at both servers.
#[test]
fn a_password_that_pop3_refuses_is_not_sent_to_imap() {
    let refused = || vec![send("-ERR [AUTH] no such password\r\n")];
    // IMAP is ready for it before POP3 has answered, and after.
    let ready = Moment::default();
    let [greeting @ .., _] = &imap_greeting()[..] else {
        panic!("a greeting ends with the login");
    };
    let imap = || [greeting, &come(&ready)].concat();
    let pop3 = [pop3_greeting(), until(&ready), refused()].concat();
    let run = Run::of(vec![imap()], vec![pop3]);
    run.fails_by("auth: the POP3 server refused the login of ann by USER and PASS: [AUTH] no such");
    assert_eq!(run.tries(), (0, 1));

    let gone = Moment::default();
    let run = Run::of(
        vec![[&until(&gone), greeting].concat()],
        vec![[pop3_greeting(), refused(), come(&gone)].concat()],
    );
    run.fails_by("auth: the POP3 server refused the login of ann by USER and PASS: [AUTH] no such");
    assert_eq!(run.tries(), (0, 1));
}

/// The password was right, but POP3 then goes away for good.
#[test]
fn a_maildrop_that_cannot_be_opened_fails_the_user_whatever_imap_has_done() {
    let listed = Moment::default();
    // What it is asked is read: else the end would be a reset.
    let asked = vec![send("+OK\r\n"), expect("CAPA")];
    let gone = [asked, vec![Step::Await(listed.clone()), Step::Close]].concat();
    let run = Run::of(
        vec![[imap_greeting(), imap_folders(), come(&listed), logout()].concat()],
        vec![[pop3_greeting(), gone].concat()],
    );
    let told = format!("{}\n{}", run.output.stdout, run.output.stderr);
    assert_eq!(run.output.code, Some(1), "{told}");
    let error = "network: the server closed the connection";
    assert!(run.output.stdout.contains(error), "{told}");
    assert_eq!(run.target.listing(), Vec::<String>::new(), "{told}");
    assert_eq!(run.tries(), (2, 2));
}

#[test]
fn a_login_that_imap_refuses_fails_the_user_and_ends_the_pop3_session() {
    let refused = || vec![send("{tag} NO [AUTHENTICATIONFAILED] not that one\r\n")];
    let told = "[AUTHENTICATIONFAILED] not that one";
    // POP3 goes on to its listing before it hears of it.
    let gone = Moment::default();
    let accepted = vec![send("+OK\r\n"), Step::Await(gone.clone())];
    let pop3 = [&pop3_listing(1)[1..], &pop3_evidence(1), &quit()].concat();
    let run = Run::of(
        vec![[imap_greeting(), refused(), come(&gone)].concat()],
        vec![[pop3_greeting(), accepted, pop3].concat()],
    );
    run.fails_by(told);
    assert_eq!(run.tries(), (1, 1));
    assert_eq!(run.pop3.last().map(String::as_str), Some("QUIT"));

    // POP3 waits with all it has.
    let read = Moment::default();
    let pop3 = [pop3_listing(1), pop3_evidence(1), come(&read), quit()].concat();
    let run = Run::of(
        vec![[imap_greeting(), until(&read), refused()].concat()],
        vec![[pop3_greeting(), pop3].concat()],
    );
    run.fails_by(told);
    assert_eq!(run.tries(), (1, 1));
    assert_eq!(run.pop3.last().map(String::as_str), Some("QUIT"));

    // POP3 goes away meanwhile, which would be tried again.
    let gone = Moment::default();
    let run = Run::of(
        vec![[imap_greeting(), refused(), come(&gone)].concat()],
        vec![
            [
                pop3_greeting(),
                vec![send("+OK\r\n")],
                until(&gone),
                vec![Step::Close],
            ]
            .concat(),
        ],
    );
    run.fails_by(told);
    assert_eq!(run.tries(), (1, 1));
}

/// The maildrop is frozen at its login. Were INBOX opened before that, a mail that comes in between
/// would be in POP3 only, and fail the user.
#[test]
fn inbox_is_opened_when_the_maildrop_is_frozen() {
    let (folders, opened) = (Moment::default(), Moment::default());
    let frozen = vec![
        Step::Await(folders.clone()),
        // Time for a client that does not wait. One that does is not hurried by it.
        Step::Wait(Duration::from_millis(100)),
        Step::NotYet(opened.clone()),
    ];
    let inbox = [come(&opened), listed(3), paired(2, 3), one_more(3)].concat();
    let imap = [imap_folders(), come(&folders), examine(3), inbox, logout()].concat();
    let listing = pop3_listing(2);
    // The password is accepted, and what comes next takes its time.
    let (accepted, listing) = listing.split_at(2);
    let pop3 = [accepted, &frozen, listing, &pop3_evidence(2), &quit()].concat();
    let run = Run::with(
        vec![[imap_greeting(), imap].concat()],
        vec![[pop3_greeting(), pop3].concat()],
        &["--ignore-missing-uidls"],
    );
    run.has(&[&uidl(1), &uidl(2), ""]);
}

/// The listing breaks off: all is done over again, and nothing of it is left.
#[test]
fn a_pop3_connection_that_breaks_beside_imap_is_opened_again() {
    let opened = || [examine(2), listed(2)].concat();
    let cuts = [
        // Not logged in yet: INBOX is not opened.
        (vec![send("+OK\r\n"), expect("CAPA"), Step::Close], logout()),
        ([&pop3_listing(2)[..6], &[Step::Close]].concat(), opened()),
        (
            [
                &pop3_listing(2)[..],
                &[expect("TOP 1 999999999"), Step::Close],
            ]
            .concat(),
            opened(),
        ),
    ];
    for (cut, meanwhile) in cuts {
        let first = [imap_greeting(), imap_folders(), meanwhile].concat();
        let second = [examine(2), listed(2), paired(2, 2), logout()].concat();
        let run = Run::of(
            vec![first, [imap_greeting(), imap_folders(), second].concat()],
            vec![
                [pop3_greeting(), cut].concat(),
                [pop3_greeting(), pop3_listing(2), pop3_evidence(2), quit()].concat(),
            ],
        );
        run.has(&[&uidl(1), &uidl(2)]);
        let stderr = &run.output.stderr;
        assert_eq!(stderr.matches("trying again").count(), 1, "{stderr}");
    }
}

/// INBOX with `count` messages to which the server gives UIDs and UIDLs.
fn own_uidls(maildir: &Path, count: u32) {
    let text = |at: u32| format!("Message-ID: <{at}@x>\nSubject: {at}\n\nhello\n");
    let files: Vec<(String, String)> = (0..count)
        .map(|at| (format!("{}.{at:03}.old:2,S", 1_300_000_000 + at), text(at)))
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    corpus::bare(maildir, &files);
}

/// A new user's evidence is asked for once, whatever the size of the mailbox; where the UIDLs are
/// known already, it is not asked for.
#[test]
fn what_is_read_ahead_of_the_pairing_is_not_read_again() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    // UIDLs of the server's own form, and others, for which all headers are needed.
    for (count, own, tops) in [(20, true, 20), (150, true, 5), (150, false, 150)] {
        let maildir = server.mail_dir("ann");
        std::fs::remove_dir_all(&maildir).ok();
        match own {
            true => own_uidls(&maildir, count),
            false => drop(corpus::simple(&maildir, count, 7)),
        }
        let before = views(&server, "ann", PASSWORD);
        let (imap, pop3) = (
            Wiretap::start(server.imap_port()),
            Wiretap::start(server.pop3_port()),
        );
        let source = Source::both(imap.port(), pop3.port());
        let target = Target::new();
        target.export_ok(&source, "ann", &[]);
        let heard = pop3.take();
        let mut asked: Vec<&str> = heard
            .sent
            .lines()
            .filter(|it| it.starts_with("TOP "))
            .collect();
        assert_eq!(asked.len(), tops, "{}", heard.sent);
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), tops, "{}", heard.sent);
        assert!(heard.sent.ends_with("QUIT\r\n"), "{}", heard.sent);

        target.export_ok(&source, "ann", &[]);
        let heard = pop3.take();
        assert!(!heard.sent.contains("TOP "), "{}", heard.sent);
        assert!(heard.sent.ends_with("QUIT\r\n"), "{}", heard.sent);

        let after = views(&target.serve(Layout::MaildirPlusPlus), "ann", "any");
        compare::assert_none(&compare::imap(&before.0, &after.0));
        compare::assert_none(&compare::pop3(&before.1, &after.1));
    }
}
