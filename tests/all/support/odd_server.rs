//! A small mail server, IMAP or POP3, that is sound but for its twists: where a command begins as said, the
//! steps of a twist are played instead of the answer. It has an address of its own below 127.0.0.0/8,
//! so that each is a host of its own.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::fake_server::{Step, with_tag};
use super::read_line;

/// What it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// IMAP4rev1, without extensions.
    Imap,
    /// POP3 with UIDL and TOP, without CAPA.
    Pop3,
}

/// What it does that no server should.
#[derive(Debug, Clone, Default)]
pub struct Twist {
    /// The beginning of the command that it answers so, tag not counted; empty: the connection.
    pub at: &'static str,
    /// What is played instead. An answer follows only where it is among the steps; where the last step is
    /// [`Step::Close`] the connection ends.
    pub steps: Vec<Step>,
    /// How often, over all connections; 0: always.
    pub times: usize,
}

/// The messages of INBOX, by UID.
pub type Mailbox = BTreeMap<u32, Vec<u8>>;

/// `count` small messages.
pub fn mailbox(count: u32) -> Mailbox {
    let message = |uid: u32| {
        format!(
            "Message-ID: <{uid}@odd.example>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nSubject: {uid}\r\n\r\n\
             body {uid}\r\n"
        )
    };
    (1..=count)
        .map(|uid| (uid, message(uid).into_bytes()))
        .collect()
}

#[derive(Debug)]
struct Shared {
    speaks: Speaks,
    /// Each with how often it has been played.
    twists: Vec<(Twist, AtomicUsize)>,
    mailbox: Mailbox,
    stopped: AtomicBool,
    heard: Mutex<Vec<(Instant, String)>>,
    /// Connections at once, now and at most.
    open: Mutex<(usize, usize)>,
    /// More than so many are turned away with a word; 0: none is.
    most: usize,
    /// `None`: the usual one.
    greeting: Option<&'static str>,
}

/// A running one; it ends when dropped.
#[derive(Debug)]
pub struct OddServer {
    host: String,
    port: u16,
    shared: Arc<Shared>,
    listener: Option<thread::JoinHandle<()>>,
}

impl OddServer {
    /// Starts one.
    pub fn start(speaks: Speaks, mailbox: Mailbox, twist: Option<Twist>) -> Self {
        Self::start_with(speaks, mailbox, twist, 0, None)
    }

    /// Starts one with several twists.
    pub fn start_twisted(speaks: Speaks, mailbox: Mailbox, twists: Vec<Twist>) -> Self {
        Self::start_with(speaks, mailbox, twists, 0, None)
    }

    /// Starts one with a greeting of its own.
    pub fn start_greeting(
        speaks: Speaks,
        mailbox: Mailbox,
        twist: Twist,
        greeting: &'static str,
    ) -> Self {
        Self::start_with(speaks, mailbox, Some(twist), 0, Some(greeting))
    }

    /// Starts one that takes `most` connections at once and sends the others away.
    pub fn narrow(speaks: Speaks, mailbox: Mailbox, most: usize) -> Self {
        Self::start_with(speaks, mailbox, None, most, None)
    }

    fn start_with(
        speaks: Speaks,
        mailbox: Mailbox,
        twists: impl IntoIterator<Item = Twist>,
        most: usize,
        greeting: Option<&'static str>,
    ) -> Self {
        static HOSTS: AtomicU8 = AtomicU8::new(1);
        let number = HOSTS.fetch_add(1, Ordering::Relaxed);
        let host = format!("127.7.{}.{}", std::process::id() % 200 + 1, number.max(1));
        let listener = TcpListener::bind((host.as_str(), 0)).expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            speaks,
            twists: twists
                .into_iter()
                .map(|it| (it, AtomicUsize::new(0)))
                .collect(),
            mailbox,
            stopped: AtomicBool::new(false),
            heard: Mutex::default(),
            open: Mutex::default(),
            most,
            greeting,
        });
        let all = Arc::clone(&shared);
        let listener = thread::spawn(move || {
            for stream in listener.incoming() {
                if all.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let shared = Arc::clone(&all);
                thread::spawn(move || shared.serve(stream));
            }
        });
        Self {
            host,
            port,
            shared,
            listener: Some(listener),
        }
    }

    /// Its URL, without encryption.
    pub fn url(&self) -> String {
        let scheme = match self.shared.speaks {
            Speaks::Imap => "imap+plain",
            Speaks::Pop3 => "pop3+plain",
        };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// Its address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The commands so far, without tags, and when they came.
    pub fn heard(&self) -> Vec<(Instant, String)> {
        lock(&self.shared.heard).clone()
    }

    /// The most connections at once that were served.
    pub fn most_at_once(&self) -> usize {
        lock(&self.shared.open).1
    }
}

impl Drop for OddServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((self.host.as_str(), self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// Whether the connection goes on.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Goes,
    Ends,
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
        let _ = stream.set_write_timeout(Some(Duration::from_secs(60)));
        let mut stream = BufReader::new(stream);
        let is_full = {
            let mut open = lock(&self.open);
            let is_full = self.most > 0 && open.0 >= self.most;
            if !is_full {
                open.0 += 1;
                open.1 = open.1.max(open.0);
            }
            is_full
        };
        if is_full {
            let words: &[u8] = match self.speaks {
                Speaks::Imap => b"* BYE Too many connections from your address\r\n",
                Speaks::Pop3 => b"-ERR Too many connections from your address\r\n",
            };
            let _ = stream.get_mut().write_all(words);
            return;
        }
        self.converse(&mut stream);
        lock(&self.open).0 -= 1;
    }

    fn converse(&self, stream: &mut BufReader<TcpStream>) {
        let greeting = self.greeting.unwrap_or(match self.speaks {
            Speaks::Imap => "* OK hello\r\n",
            Speaks::Pop3 => "+OK hello\r\n",
        });
        match self.twisted("", "", stream) {
            Some(Then::Ends) => return,
            Some(Then::Goes) => {}
            None if stream.get_mut().write_all(greeting.as_bytes()).is_err() => return,
            None => {}
        }
        let mut last = String::new();
        while let Ok(line) = read_line(stream) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let (tag, command) = match self.speaks {
                // A line of a login has no tag of its own.
                Speaks::Imap => line.split_once(' ').unwrap_or((&last, &line)),
                Speaks::Pop3 => ("", line.as_str()),
            };
            let tag = tag.to_owned();
            last.clone_from(&tag);
            lock(&self.heard).push((Instant::now(), command.to_owned()));
            match self.twisted(command, &tag, stream) {
                Some(Then::Ends) => return,
                Some(Then::Goes) => continue,
                None => {}
            }
            let answer = match self.speaks {
                Speaks::Imap => self.imap(&tag, command),
                Speaks::Pop3 => self.pop3(command),
            };
            let is_over = ["LOGOUT", "QUIT"]
                .iter()
                .any(|last| command.eq_ignore_ascii_case(last));
            if stream.get_mut().write_all(&answer).is_err() || is_over {
                return;
            }
        }
    }

    /// Plays the twist, if it is due.
    fn twisted(&self, command: &str, tag: &str, stream: &mut BufReader<TcpStream>) -> Option<Then> {
        let begins = |twist: &Twist| match twist.at {
            "" => command.is_empty() && tag.is_empty(),
            at => command
                .get(..at.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(at)),
        };
        let (twist, played) = self.twists.iter().find(|(twist, _)| begins(twist))?;
        let before = played.fetch_add(1, Ordering::SeqCst);
        if twist.times > 0 && before >= twist.times {
            return None;
        }
        for step in &twist.steps {
            let done = match step {
                Step::Send(bytes) => stream.get_mut().write_all(&with_tag(bytes, tag)),
                Step::Flood(bytes, times) => {
                    let bytes = with_tag(bytes, tag);
                    (0..*times).try_for_each(|_| stream.get_mut().write_all(&bytes))
                }
                Step::Wait(time) => {
                    thread::sleep(*time);
                    Ok(())
                }
                Step::Close => return Some(Then::Ends),
                other => panic!("a twist has no {other:?}"),
            };
            if done.is_err() {
                return Some(Then::Ends);
            }
        }
        Some(Then::Goes)
    }

    fn imap(&self, tag: &str, command: &str) -> Vec<u8> {
        let upper = command.to_ascii_uppercase();
        let count = self.mailbox.len();
        let next = self.mailbox.keys().max().map_or(1, |last| last + 1);
        let mut out = match upper.split(' ').next().unwrap_or_default() {
            "CAPABILITY" => b"* CAPABILITY IMAP4rev1\r\n".to_vec(),
            "LIST" => b"* LIST () \"/\" INBOX\r\n".to_vec(),
            "EXAMINE" | "SELECT" => {
                format!("* {count} EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT {next}] n\r\n")
                    .into_bytes()
            }
            "UID" => self.fetched(&upper),
            "LOGOUT" => b"* BYE bye\r\n".to_vec(),
            _ => Vec::new(),
        };
        out.extend(format!("{tag} OK done\r\n").bytes());
        out
    }

    /// `UID FETCH 1:3,7 (UID BODY.PEEK[])` and the like.
    fn fetched(&self, upper: &str) -> Vec<u8> {
        let set = upper.split(' ').nth(2).unwrap_or_default();
        let mut out = Vec::new();
        for (place, (uid, text)) in self.mailbox.iter().enumerate() {
            let is_asked = set.split(',').any(|range| {
                let mut ends = range.split(':').map(|end| end.parse().unwrap_or(u32::MAX));
                let first = ends.next().unwrap_or(0);
                (first..=ends.next().unwrap_or(first)).contains(uid)
            });
            if !is_asked {
                continue;
            }
            let number = place + 1;
            let (size, body) = match upper.contains("BODY.PEEK[HEADER]") {
                true => (header_of(text).len(), header_of(text)),
                false => (text.len(), text.as_slice()),
            };
            if upper.contains("BODY.PEEK[") {
                let section = if upper.contains("[HEADER]") {
                    "HEADER"
                } else {
                    ""
                };
                out.extend(
                    format!("* {number} FETCH (UID {uid} BODY[{section}] {{{size}}}\r\n").bytes(),
                );
                out.extend_from_slice(body);
                out.extend(b")\r\n");
            } else {
                out.extend(
                    format!(
                        "* {number} FETCH (UID {uid} FLAGS (\\Seen) INTERNALDATE \
                         \" 1-Jan-2024 10:00:00 +0000\" RFC822.SIZE {size})\r\n"
                    )
                    .bytes(),
                );
            }
        }
        out
    }

    fn pop3(&self, command: &str) -> Vec<u8> {
        let mut words = command.split(' ');
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let number: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let message = self.mailbox.values().nth(number.wrapping_sub(1));
        let lines = |line: &dyn Fn(usize, u32, usize) -> String| {
            let all = self.mailbox.iter().enumerate();
            let lines: String = all
                .map(|(at, (uid, text))| line(at + 1, *uid, text.len()))
                .collect();
            format!("+OK\r\n{lines}.\r\n").into_bytes()
        };
        match (verb.as_str(), message) {
            ("CAPA" | "UTF8", _) => b"-ERR\r\n".to_vec(),
            ("STAT", _) => {
                let octets: usize = self.mailbox.values().map(Vec::len).sum();
                format!("+OK {} {octets}\r\n", self.mailbox.len()).into_bytes()
            }
            ("LIST", _) => lines(&|number, _, size| format!("{number} {size}\r\n")),
            ("UIDL", _) => lines(&|number, uid, _| format!("{number} uidl-{uid}\r\n")),
            ("RETR", Some(text)) => [b"+OK\r\n", text.as_slice(), b".\r\n"].concat(),
            ("TOP", Some(text)) => [b"+OK\r\n", header_of(text), b".\r\n"].concat(),
            ("RETR" | "TOP", None) => b"-ERR no such message\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        }
    }
}

/// Up to and with the empty line.
fn header_of(text: &[u8]) -> &[u8] {
    let end = text.windows(4).position(|four| four == b"\r\n\r\n");
    &text[..end.map_or(text.len(), |at| at + 4)]
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
