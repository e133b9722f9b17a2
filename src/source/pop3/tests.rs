//! The session against scripted servers (`fixtures/pop3/*.txt`), whole and in small pieces.
//!
//! `C:` is a line that the client must send, `S:` one that the server sends, `S~` server bytes
//! with escapes and without a line end. At the end of a script the server hangs up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::mail::{Uidl, UidlFault};
use crate::source::login::{Mechanism, Secret};
use crate::source::net::{Protocol, Security};
use crate::source::{BodySink, Maildrop};

#[derive(Debug)]
enum Step {
    Client(String),
    Server(Vec<u8>),
}

#[derive(Debug, Default)]
struct Server {
    steps: VecDeque<Step>,
    received: Vec<u8>,
    outgoing: VecDeque<u8>,
    /// Most bytes that one read gives.
    piece: usize,
    /// After so many bytes more it hangs up.
    most: usize,
    /// What each write held.
    writes: Vec<String>,
}

impl Server {
    fn parse(text: &str, piece: usize) -> Self {
        let mut steps = VecDeque::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (mark, rest) = line.split_at(2);
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            match mark {
                "C:" => steps.push_back(Step::Client(rest.to_owned())),
                "S:" => steps.push_back(Step::Server(format!("{rest}\r\n").into_bytes())),
                "S~" => steps.push_back(Step::Server(unescape(rest))),
                _ => assert!(line.starts_with('#'), "what is {line:?}?"),
            }
        }
        Self {
            steps,
            piece,
            most: usize::MAX,
            ..Self::default()
        }
    }

    /// Plays on as far as the commands received allow.
    fn advance(&mut self) {
        while let Some(step) = self.steps.front() {
            match step {
                Step::Server(bytes) => self.outgoing.extend(bytes),
                Step::Client(want) => {
                    let Some(end) = self.received.iter().position(|byte| *byte == b'\n') else {
                        return;
                    };
                    let got: Vec<u8> = self.received.drain(..=end).collect();
                    assert_eq!(String::from_utf8_lossy(&got), format!("{want}\r\n"));
                }
            }
            self.steps.pop_front();
        }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        match rest[0] {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b'x' => {
                let hex = std::str::from_utf8(&rest[1..3]).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &rest[2..];
            }
            other => panic!("unknown escape {other}"),
        }
        rest = &rest[1..];
    }
    bytes
}

/// One end of the connection; the other is kept by the test.
#[derive(Debug, Clone)]
struct Pipe(Rc<RefCell<Server>>);

impl Pipe {
    fn open(text: &str, piece: usize) -> Self {
        Self(Rc::new(RefCell::new(Server::parse(text, piece))))
    }

    /// The script has been played to its end and nothing more was sent.
    fn assert_done(&self) {
        let mut server = self.0.borrow_mut();
        server.advance();
        assert!(server.steps.is_empty(), "not reached: {:?}", server.steps);
        assert_eq!(
            String::from_utf8_lossy(&server.received),
            "",
            "sent beyond the script"
        );
    }

    fn writes(&self) -> Vec<String> {
        self.0.borrow().writes.clone()
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut server = self.0.borrow_mut();
        server.advance();
        if server.outgoing.is_empty()
            && server.most > 0
            && let Some(step) = server.steps.front()
        {
            panic!("the client waits, the script has {step:?}");
        }
        let length = server.piece.min(buffer.len()).min(server.outgoing.len());
        let length = length.min(server.most);
        server.most -= length;
        for (place, byte) in buffer.iter_mut().zip(server.outgoing.drain(..length)) {
            *place = byte;
        }
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let is_dele = |step: &Step| matches!(step, Step::Client(line) if line.starts_with("DELE "));
        let may_delete = self.0.borrow().steps.iter().any(is_dele);
        for line in text.lines().filter(|_| !may_delete) {
            let verb = line
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            assert!(
                verb != "DELE" && verb != "RSET",
                "the source was to be left alone"
            );
        }
        let mut server = self.0.borrow_mut();
        server.received.extend_from_slice(bytes);
        server.writes.push(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps all bodies; fails once it was given `room` bytes.
#[derive(Debug, Default)]
struct Bodies {
    room: Option<usize>,
    open: Option<Vec<u8>>,
    whole: Vec<(u32, String)>,
    abandoned: Vec<String>,
}

impl BodySink for Bodies {
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
        assert_eq!(announced, None);
        assert!(self.open.replace(Vec::new()).is_none());
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let open = self.open.as_mut().expect("begun");
        open.extend_from_slice(bytes);
        if self.room.is_some_and(|room| open.len() > room) {
            return Err(Problem::new(Kind::Target, Reach::Run, "disk full"));
        }
        Ok(())
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        let body = self.open.take().expect("begun");
        self.whole
            .push((key, String::from_utf8_lossy(&body).into_owned()));
        Ok(())
    }

    fn abandon(&mut self) {
        let body = self.open.take().expect("begun");
        self.abandoned
            .push(String::from_utf8_lossy(&body).into_owned());
    }
}

fn user(mechanism: Option<Mechanism>) -> Login {
    login("u@example.com", "opensesame", mechanism)
}

fn login(name: &str, secret: &str, mechanism: Option<Mechanism>) -> Login {
    Login {
        name: name.to_owned(),
        authzid: None,
        of_master: false,
        secret: Secret::new(secret.to_owned()),
        mechanism,
    }
}

fn endpoint(security: Security) -> Endpoint {
    Endpoint {
        protocol: Protocol::Pop3,
        security,
        host: "pop.example.com".to_owned(),
        port: 110,
    }
}

/// Logs in over TLS.
fn start(stream: BufReader<Pipe>, login: &Login) -> Result<Session<Pipe>, Problem> {
    let endpoint = endpoint(Security::Tls);
    let pipelining = Pipelining::WhereAnnounced;
    Session::start(stream, None, login, &endpoint, pipelining, || {})
}

fn fixture(name: &str) -> String {
    let path = format!("{}/fixtures/pop3/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Plays a fixture with the server's bytes in pieces of several sizes.
fn play(
    name: &str,
    login: &Login,
    security: Security,
    greeting: Option<&str>,
    check: impl Fn(Result<Session<Pipe>, Problem>, &Pipe),
) {
    let start = |stream| {
        let endpoint = endpoint(security);
        let pipelining = Pipelining::WhereAnnounced;
        Session::start(stream, greeting, login, &endpoint, pipelining, || {})
    };
    play_by(name, start, check);
}

fn play_by(
    name: &str,
    start: impl Fn(BufReader<Pipe>) -> Result<Session<Pipe>, Problem>,
    check: impl Fn(Result<Session<Pipe>, Problem>, &Pipe),
) {
    for piece in [1, 3, 1 << 20] {
        let pipe = Pipe::open(&fixture(name), piece);
        let stream = BufReader::with_capacity(1 << 16, pipe.clone());
        check(start(stream), &pipe);
        pipe.assert_done();
    }
}

/// Plays a fixture whose login works, over TLS.
fn play_session(name: &str, check: impl Fn(Session<Pipe>, &Pipe)) {
    play(name, &user(None), Security::Tls, None, |session, pipe| {
        check(session.expect("the login works"), pipe);
    });
}

/// The problem of a fixture whose login fails; it never tells the secret.
fn refused(name: &str, mechanism: Option<Mechanism>, want: Kind) -> String {
    let text = RefCell::new(String::new());
    play(
        name,
        &user(mechanism),
        Security::Plain,
        None,
        |session, _| {
            let problem = session.expect_err("the login fails");
            assert_eq!(
                (problem.kind, problem.reach),
                (want, Reach::User),
                "{problem}"
            );
            assert_eq!(
                problem.retry,
                matches!(want, Kind::Busy | Kind::Network),
                "{problem}"
            );
            assert!(!problem.to_string().contains("opensesame"), "{problem}");
            *text.borrow_mut() = problem.to_string();
        },
    );
    text.into_inner()
}

#[test]
fn a_whole_session_pipelined_with_utf8_and_top() {
    play_session("full", |mut session, pipe| {
        let maildrop = session.listing().unwrap();
        assert!(
            pipe.writes()
                .contains(&"CAPA\r\nSTAT\r\nUIDL\r\nLIST\r\n".to_owned())
        );
        assert!(maildrop.has_uidls);
        let rows: Vec<_> = maildrop
            .entries
            .iter()
            .map(|entry| (entry.number, entry.size, entry.uidl))
            .collect();
        let uidl = |text: &str| Uidl::parse(text.as_bytes()).ok();
        assert_eq!(
            rows,
            [
                (1, 20, uidl("000001ad4d2b6938")),
                (2, u64::MAX, None),
                (3, 0, uidl("!~"))
            ]
        );
        assert_eq!(
            maildrop.faulty,
            [(2, "a b".to_owned(), UidlFault::BadByte(b' '))]
        );

        let mut bodies = Bodies::default();
        let gone = session.headers(&[1, 3], &mut bodies).unwrap();
        assert_eq!(gone, [(3, "gone".to_owned())]);
        assert_eq!(bodies.whole, [(1, "A: 1\r\n\r\n".to_owned())]);

        let mut bodies = Bodies::default();
        assert_eq!(session.whole(&[3, 1, 2], &mut bodies).unwrap(), []);
        assert_eq!(
            bodies.whole,
            [
                (1, "A: 1\r\n\r\n.\r\n.x\r\n".to_owned()),
                (2, String::new()),
                (3, "late\n".to_owned())
            ]
        );
        session.quit();
    });
}

#[test]
fn qmail_is_asked_one_command_at_a_time_and_never_by_apop() {
    play(
        "qmail",
        &user(None),
        Security::Plain,
        None,
        |session, pipe| {
            let mut session = session.unwrap();
            assert_eq!(session.listing().unwrap().entries.len(), 2);
            let mut bodies = Bodies::default();
            let refused = session.whole(&[2, 1], &mut bodies).unwrap();
            assert_eq!(refused, [(1, "unable to open that message".to_owned())]);
            assert_eq!(bodies.whole, [(2, "B: 2\r\n\r\nx\r\n\r\n".to_owned())]);
            assert!(session.supports_top());
            session.quit();
            assert!(
                pipe.writes()
                    .iter()
                    .all(|write| write.matches('\n').count() == 1)
            );
        },
    );
}

#[test]
fn what_is_deleted_goes_with_quit() {
    let plain = Security::Plain;
    play("delete", &user(None), plain, None, |session, pipe| {
        let mut session = session.unwrap();
        let refused = session.delete(&[2, 1, 7]).unwrap();
        assert_eq!(refused, [(1, "message 1 is in use".to_owned())]);
        assert!(!session.deletes_what_was_retrieved());
        session.commit().unwrap();
        let writes = pipe.writes();
        assert!(writes.contains(&"DELE 2\r\nDELE 1\r\nDELE 7\r\n".to_owned()));
    });
    play("delete-refused", &user(None), plain, None, |session, _| {
        let mut session = session.unwrap();
        assert_eq!(session.delete(&[1, 2]).unwrap(), []);
        let problem = session.commit().unwrap_err();
        assert_eq!(
            (problem.kind, problem.reach),
            (Kind::Refused, Reach::Folder)
        );
        assert!(
            problem
                .to_string()
                .ends_with("some deleted messages not removed")
        );
    });
    play("delete-cut", &user(None), plain, None, |session, _| {
        let mut session = session.unwrap();
        assert_eq!(session.delete(&[1]).unwrap(), []);
        let problem = session.commit().unwrap_err();
        assert_eq!((problem.kind, problem.retry), (Kind::Network, true));
    });
}

#[test]
fn each_mechanism_logs_in() {
    let mrose = login("mrose", "tanstaaf", Some(Mechanism::Apop));
    let stamp = Some("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>");
    let tim = login("tim", "tanstaaftanstaaf", None);
    let mut master = login("master", "opensesame", None);
    master.authzid = Some("u".to_owned());
    let token = login("u@example.com", &"t".repeat(300), Some(Mechanism::Xoauth2));
    for (name, login, security, greeting) in [
        ("apop", &mrose, Security::StartTls, stamp),
        ("cram-md5", &tim, Security::Plain, None),
        ("auth-login", &user(None), Security::Tls, None),
        (
            "auth-login",
            &user(Some(Mechanism::Login)),
            Security::Tls,
            None,
        ),
        ("plain-master", &master, Security::Tls, None),
        ("xoauth2", &token, Security::Tls, None),
    ] {
        play(name, login, security, greeting, |session, _| {
            session.unwrap().quit()
        });
    }
}

/// RFC 2449 sections 6.5 and 8.1.1.
#[test]
fn the_pause_between_two_logins_is_told() {
    let plain = Security::Plain;
    for (name, seconds) in [
        ("login-delay", Some(120)),
        ("login-delay-unsaid", Some(60)),
        ("in-use", None),
    ] {
        play(name, &user(None), plain, None, |session, _| {
            let problem = session.expect_err("it is too early");
            assert_eq!((problem.kind, problem.retry), (Kind::Busy, true));
            assert_eq!(problem.pause(), seconds.map(Duration::from_secs), "{name}");
        });
    }
    play(
        "login-delay-user",
        &user(None),
        plain,
        None,
        |session, _| {
            let session = session.expect("the login works");
            assert_eq!(session.login_delay(), Some(Duration::from_secs(5)));
            session.quit();
        },
    );
}

#[test]
fn a_refused_login_is_tried_once_and_its_words_are_scrubbed() {
    let text = refused("wrong-password", None, Kind::Auth);
    assert_eq!(
        text,
        "the POP3 server refused the login of u@example.com by USER and PASS: \
         wrong: PASS [secret] / '[secret]' \\u{1b}[2J (hint: are user and password right? \
         `mailseed help user-list` says where they come from)"
    );
    assert!(refused("in-use", None, Kind::Busy).contains("another POP session"));
    let text = refused("xoauth2-refused", Some(Mechanism::Xoauth2), Kind::Auth);
    assert!(
        text.contains(r#"no for [secret] {"status":"400","schemes":"Bearer"} (hint: are user"#),
        "{text}"
    );
    let text = refused("oauthbearer", Some(Mechanism::Oauthbearer), Kind::Auth);
    assert!(text.contains("invalid_token"), "{text}");
    refused("endless-challenges", Some(Mechanism::Plain), Kind::Protocol);
    play(
        "apop-automatic",
        &login("mrose", "tanstaaf", None),
        Security::Plain,
        None,
        |session, _| {
            let text = session.unwrap_err().to_string();
            assert!(
                text.contains("APOP for [secret]") && text.contains("--auth login"),
                "{text}"
            );
        },
    );
}

/// It is hidden from people, and the reply is understood all the same.
#[test]
fn a_password_may_be_a_word_of_the_server() {
    let script = "S: +OK\nC: CAPA\nS: -ERR\nC: USER u\nS: +OK\nC: PASS mailbox\n\
                  S: -ERR mailbox in use\n";
    let pipe = Pipe::open(script, 9);
    let stream = BufReader::new(pipe.clone());
    let problem = start(stream, &login("u", "mailbox", None)).unwrap_err();
    assert_eq!((problem.kind, problem.retry), (Kind::Busy, true));
    assert!(
        problem.to_string().ends_with("[secret] in use"),
        "{problem}"
    );
    pipe.assert_done();
}

#[test]
fn what_cannot_work_is_not_tried() {
    let text = refused("not-offered", Some(Mechanism::CramMd5), Kind::Auth);
    assert!(
        text.contains("CRAM-MD5") && text.contains("PLAIN LOGIN"),
        "{text}"
    );
    let text = refused("not-offered", Some(Mechanism::Apop), Kind::Auth);
    assert!(text.contains("APOP"), "{text}");
    let text = refused("wants-tls", None, Kind::Auth);
    assert!(text.contains("use pop3s:// or pop3://"), "{text}");
    assert!(refused("turned-away", None, Kind::Busy).contains("too many connections"));
    let text = refused("imap-port", None, Kind::Protocol);
    assert!(
        text.contains("IMAP4rev1") && text.contains("hint"),
        "{text}"
    );

    let script = "S: +OK\nC: CAPA\nS: -ERR\n";
    for (name, secret) in [("u\r\nDELE 1", "p"), ("u", "p\nDELE 1"), ("u\0", "p")] {
        for mechanism in [Mechanism::Login, Mechanism::Plain] {
            let pipe = Pipe::open(script, 9);
            let stream = BufReader::new(pipe.clone());
            let login = login(name, secret, Some(mechanism));
            let problem = start(stream, &login).unwrap_err();
            assert_eq!(problem.kind, Kind::Input);
            pipe.assert_done();
        }
    }
}

#[test]
fn a_listing_agrees_or_is_read_again_once() {
    let listing = |name: &str, check: &dyn Fn(Result<Maildrop, Problem>)| {
        play_session(name, |mut session, _| {
            check(session.listing());
            drop(session);
        });
    };
    listing("no-uidl", &|maildrop| {
        let maildrop = maildrop.unwrap();
        assert!(!maildrop.has_uidls);
        assert_eq!(
            (maildrop.entries.number(0), maildrop.entries.len()),
            (Some(7), 1)
        );
    });
    listing("empty-refused", &|maildrop| {
        let maildrop = maildrop.unwrap();
        assert!(maildrop.has_uidls && maildrop.entries.is_empty());
    });
    listing("unstable-once", &|maildrop| {
        let rows: Vec<_> = maildrop
            .unwrap()
            .entries
            .iter()
            .map(|entry| (entry.number, entry.size, entry.uidl.unwrap().to_string()))
            .collect();
        assert_eq!(rows, [(1, 10, "a".to_owned()), (2, 11, "b".to_owned())]);
    });
    for (name, why) in [
        ("stat", "STAT counts 3 messages, LIST has 2"),
        ("fewer", "UIDL lists 1 messages, LIST 2"),
        ("numbers", "UIDL lists message 3 where LIST has 2"),
        ("twice", "UIDL lists message 1 twice"),
        ("nonsense", "LIST line \"two 5\""),
    ] {
        listing(&format!("unstable-{name}"), &|maildrop| {
            let problem = maildrop.unwrap_err();
            assert_eq!((problem.kind, problem.retry), (Kind::Protocol, false));
            assert!(problem.to_string().ends_with(why), "{problem}");
        });
    }
    listing("uidl-fails", &|maildrop| {
        assert_eq!(maildrop.unwrap_err().kind, Kind::Busy);
    });
    listing("uidl-announced-fails", &|maildrop| {
        assert_eq!(maildrop.unwrap_err().kind, Kind::Refused);
    });
}

#[test]
fn one_refused_message_costs_that_message_alone() {
    play_session("one-refused", |mut session, _| {
        let mut bodies = Bodies::default();
        let refused = session.retrieve(&[1, 2, 9], &mut bodies).unwrap();
        assert_eq!(refused, [(2, "[SYS/TEMP] cannot read \\u{7}".to_owned())]);
        let nine = ".nine\n\0\u{fffd}.\r.\r\n".to_owned();
        assert_eq!(bodies.whole, [(1, "one\r\n".to_owned()), (9, nine)]);
        // The server hangs up on QUIT, which is nobody's problem.
        session.quit();
    });
}

#[test]
fn without_top_headers_are_refused_and_bodies_come_by_retr() {
    play_session("top-missing", |mut session, _| {
        assert!(session.supports_top());
        let mut bodies = Bodies::default();
        let refused = session.headers(&[1, 2], &mut bodies).unwrap();
        assert_eq!(
            refused
                .iter()
                .map(|(number, _)| *number)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert!(!session.supports_top());
        assert_eq!(session.whole(&[1, 2], &mut bodies).unwrap(), []);
        assert_eq!(
            bodies.whole,
            [(1, "one\r\n".to_owned()), (2, "two\r\n".to_owned())]
        );
    });
}

#[test]
fn a_broken_transfer_abandons_its_body_and_ends_the_session() {
    for (name, kind, whole, abandoned) in [
        ("cut-in-body", Kind::Network, 1, &["half\r\n"][..]),
        ("locked-out", Kind::Busy, 0, &[]),
        ("out-of-step", Kind::Protocol, 1, &[]),
    ] {
        let start = |stream| {
            let (login, endpoint) = (user(None), endpoint(Security::Tls));
            Session::start(stream, None, &login, &endpoint, Pipelining::Never, || {})
        };
        play_by(name, start, |session, _| {
            let mut session = session.unwrap();
            let mut bodies = Bodies::default();
            let numbers: &[u32] = if name == "locked-out" { &[1] } else { &[1, 2] };
            let problem = session.retrieve(numbers, &mut bodies).unwrap_err();
            assert_eq!((problem.kind, problem.retry), (kind, true), "{problem}");
            assert!(problem.message.is_some());
            assert_eq!(bodies.whole.len(), whole);
            assert_eq!(bodies.abandoned, abandoned);
            // It says nothing more: assert_done finds no QUIT.
            session.quit();
        });
    }
}

#[test]
fn an_error_of_the_sink_comes_back_unchanged() {
    play_session("expire-0", |mut session, _| {
        assert_eq!(session.retrieve(&[1], &mut Bodies::default()).unwrap(), []);
        session.quit();
    });
    let script = format!("{}C: RETR 1\nS: +OK\nS: long\n", login_script("PIPELINING"));
    let (mut session, _) = started(&script);
    let mut full = Bodies {
        room: Some(2),
        ..Bodies::default()
    };
    let problem = session.retrieve(&[1], &mut full).unwrap_err();
    assert_eq!(problem.to_string(), "disk full");
    assert_eq!((problem.kind, problem.reach), (Kind::Target, Reach::Run));
    assert_eq!(full.abandoned.len(), 1);
    session.quit();
}

/// A script up to the end of the login, on a server with `capability`.
fn login_script(capability: &str) -> String {
    format!(
        "S: +OK\nC: CAPA\nS: -ERR\nC: USER u@example.com\nS: +OK\nC: PASS opensesame\nS: +OK\n\
         C: CAPA\nS: +OK\nS: {capability}\nS: .\n"
    )
}

fn started(script: &str) -> (Session<Pipe>, Pipe) {
    let pipe = Pipe::open(script, 1 << 20);
    let stream = BufReader::new(pipe.clone());
    let session = start(stream, &user(None));
    (session.unwrap(), pipe)
}

#[test]
fn the_window_is_refilled_by_eighths_and_stays_below_four_kilobytes() {
    for (capability, numbers, sizes) in [
        // 10 octets a command at most: 409 of them.
        (
            "PIPELINING",
            1..=800_u32,
            vec![409, 51, 51, 51, 51, 51, 51, 51, 34],
        ),
        // 17 octets a command: 240 of them.
        (
            "PIPELINING",
            4_294_966_896..=4_294_967_295,
            vec![240, 30, 30, 30, 30, 30, 10],
        ),
        ("X-NONE", 1..=5, vec![1; 5]),
    ] {
        let numbers: Vec<u32> = numbers.collect();
        let mut script = login_script(capability);
        for number in &numbers {
            script += &format!("C: RETR {number}\nS: +OK\nS: body {number}\nS: .\n");
        }
        let (mut session, pipe) = started(&script);
        let mut bodies = Bodies::default();
        assert_eq!(session.retrieve(&numbers, &mut bodies).unwrap(), []);
        let writes: Vec<String> = pipe
            .writes()
            .into_iter()
            .filter(|write| write.starts_with("RETR"))
            .collect();
        assert!(writes.iter().all(|write| write.len() <= 4096));
        let counts: Vec<usize> = writes
            .iter()
            .map(|write| write.matches('\n').count())
            .collect();
        assert_eq!(counts, sizes);
        assert_eq!(bodies.whole.len(), numbers.len());
        assert!(
            bodies
                .whole
                .iter()
                .zip(&numbers)
                .all(|((key, body), number)| key == number && *body == format!("body {number}\r\n"))
        );
        pipe.assert_done();
    }
}

#[test]
fn without_pipelining_each_command_waits_for_the_reply_before_it() {
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: PIPELINING\nS: UTF8\nS: .\nC: UTF8\nS: -ERR\n\
        C: USER u@example.com\nS: +OK\nC: PASS opensesame\nS: +OK\nC: CAPA\nS: +OK\n\
        S: PIPELINING\nS: .\nC: STAT\nS: +OK 1 5\nC: UIDL\nS: +OK\nS: 1 a\nS: .\nC: LIST\nS: +OK\n\
        S: 1 5\nS: .\nC: QUIT\nS: +OK\n";
    let pipe = Pipe::open(script, 1 << 20);
    let (login, endpoint) = (user(None), endpoint(Security::Tls));
    let stream = BufReader::new(pipe.clone());
    let session = Session::start(stream, None, &login, &endpoint, Pipelining::Never, || {});
    let mut session = session.unwrap();
    assert_eq!(session.listing().unwrap().entries.len(), 1);
    session.quit();
    let writes = pipe.writes();
    assert!(
        writes.iter().all(|write| write.matches('\n').count() == 1),
        "{writes:?}"
    );
    pipe.assert_done();
}

#[test]
fn every_reply_before_that_to_quit_is_read() {
    let login = "S: +OK\nC: CAPA\nS: +OK\nS: PIPELINING\nS: .\nC: USER u@example.com\nS: +OK\n\
        C: PASS opensesame\nS: +OK\n";
    let listing = "S: .\nC: STAT\nC: UIDL\nC: LIST\nS: +OK 1 5\nS: +OK\nS: 1 a\nS: .\nS: +OK\n\
        S: 1 5\nS: .\n";
    for (capabilities, last) in [
        ("C: CAPA\nS: +OK\n", "C: QUIT\nS: +OK\n"),
        // It would delete at QUIT.
        ("C: CAPA\nS: +OK\nS: EXPIRE 0\n", ""),
    ] {
        for listed in [true, false] {
            let (mut session, pipe) = started(&[login, capabilities, listing, last].concat());
            if listed {
                assert_eq!(session.listing().unwrap().entries.len(), 1);
            }
            session.quit();
            assert!(pipe.0.borrow().outgoing.is_empty());
            pipe.assert_done();
        }
    }
}

/// Before the second CAPA, at which a server may be busy with the maildrop.
#[test]
fn that_the_login_was_accepted_is_told_at_once_and_only_then() {
    for (name, want) in [("full", Some("AUTH PLAIN")), ("wrong-password", None)] {
        let pipe = Pipe::open(&fixture(name), 1 << 20);
        let (login, endpoint) = (user(None), endpoint(Security::Tls));
        let said_last = RefCell::new(None);
        let accepted = || *said_last.borrow_mut() = pipe.writes().pop();
        let stream = BufReader::new(pipe.clone());
        let pipelining = Pipelining::WhereAnnounced;
        let session = Session::start(stream, None, &login, &endpoint, pipelining, accepted);
        assert_eq!(session.is_ok(), want.is_some());
        let said_last = said_last.into_inner();
        assert_eq!(said_last.is_some(), want.is_some());
        assert!(
            said_last
                .unwrap_or_default()
                .starts_with(want.unwrap_or_default())
        );
    }
}

#[test]
fn endless_lines_and_endless_lists_are_cut_off() {
    let endless_line = format!("S: +OK {}\n", "x".repeat(64 * 1024));
    let endless_list = format!("S: +OK\nC: CAPA\nS: +OK\n{}", "S: X\n".repeat(501));
    for script in [endless_line, endless_list] {
        let pipe = Pipe::open(&script, 1 << 20);
        let stream = BufReader::new(pipe);
        let problem = start(stream, &user(None)).unwrap_err();
        assert_eq!(problem.kind, Kind::Protocol);
        assert!(problem.to_string().contains("more than"), "{problem}");
    }
}

#[test]
fn a_server_that_hangs_up_after_any_byte_is_a_network_problem() {
    let full = fixture("full");
    let until = |most: usize| {
        let pipe = Pipe::open(&full, 7);
        pipe.0.borrow_mut().most = most;
        let mut bodies = Bodies::default();
        let end = start(BufReader::new(pipe.clone()), &user(None)).and_then(|mut session| {
            session.listing()?;
            session.headers(&[1, 3], &mut bodies)?;
            session.whole(&[3, 1, 2], &mut bodies)
        });
        assert_eq!(bodies.open, None, "after {most} bytes");
        let sent = most - pipe.0.borrow().most;
        (end, bodies.whole, sent)
    };
    let (_, whole, length) = until(usize::MAX);
    assert!(whole.len() == 4 && length > 300, "{length}");
    for most in 0..=length {
        let (end, some, _) = until(most);
        assert_eq!(some, whole[..some.len()], "after {most} bytes");
        match end {
            Err(problem) => {
                let told = (problem.kind, problem.retry);
                assert_eq!(told, (Kind::Network, true), "{most}: {problem}");
            }
            Ok(_) => assert_eq!(most, length),
        }
    }
}
