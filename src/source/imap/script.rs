//! For tests: a server that plays a transcript, and a sink that remembers.
//!
//! A transcript has a line for each step. `C: ` is a line that the client has to send, `S: ` one
//! that the server sends; `S~ ` is sent with a bare LF and `S- ` with no line end at all. `E:`
//! hangs up. `#` begins a comment. The order holds for the server only: what the client sends
//! ahead waits for its step.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::sync::{Arc, Mutex};

use super::Session;
use crate::mail::FolderPath;
use crate::problem::{Kind, Problem, Reach};
use crate::source::login::{Login, Secret};
use crate::source::net::{Connection, Endpoint, Protocol, Security};
use crate::source::{BodySink, ListedFolder};

#[derive(Debug)]
enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    HangUp,
}

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    received: Vec<u8>,
    commands: VecDeque<Vec<u8>>,
    chunk: usize,
    complaint: Option<String>,
    /// Where set, the bytes sent whatever the client says.
    deaf: bool,
}

/// The server's end.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<State>>);

impl Script {
    /// Plays `transcript`, handing out at most `chunk` bytes at a time.
    pub fn new(transcript: &[u8], chunk: usize) -> Self {
        let mut steps = VecDeque::new();
        for line in transcript.split(|byte| *byte == b'\n') {
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let (mark, text) = line.split_at(line.len().min(2));
            let text = text.strip_prefix(b" ").unwrap_or(text);
            steps.push_back(match mark {
                b"C:" => Step::Client(text.to_vec()),
                b"S:" => Step::Server([text, b"\r\n"].concat()),
                b"S~" => Step::Server([text, b"\n"].concat()),
                b"S-" => Step::Server(text.to_vec()),
                b"E:" => Step::HangUp,
                _ => panic!("no step: {:?}", String::from_utf8_lossy(line)),
            });
        }
        Self(Arc::new(Mutex::new(State {
            steps,
            chunk,
            ..State::default()
        })))
    }

    /// Sends `bytes` and hangs up, whatever the client says.
    pub fn deaf(bytes: &[u8]) -> Self {
        let script = Self::new(b"", 4096);
        script.0.lock().unwrap().deaf = true;
        script
            .0
            .lock()
            .unwrap()
            .steps
            .push_back(Step::Server(bytes.to_vec()));
        script
    }

    /// The connection to it. `greeting`: as after STARTTLS.
    pub fn connection(&self, greeting: Option<&str>) -> Connection {
        Connection {
            stream: BufReader::new(Box::new(self.clone())),
            greeting: greeting.map(str::to_owned),
            line: Default::default(),
        }
    }

    /// The session of `anna` with it, over TLS.
    pub fn open(&self) -> Result<Session, Problem> {
        Session::open(self.connection(None), &anna(), &endpoint(Security::Tls))
    }

    /// All that the server's side of `transcript` would send.
    pub fn server_bytes(transcript: &[u8]) -> Vec<u8> {
        let script = Self::new(transcript, 1);
        let state = script.0.lock().unwrap();
        let server = state.steps.iter().filter_map(|step| match step {
            Step::Server(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        server.collect::<Vec<_>>().concat()
    }

    /// Fails unless the transcript was played to its end and nothing else was sent.
    pub fn finish(&self) {
        let state = self.0.lock().unwrap();
        assert_eq!(state.complaint, None);
        let heard: Vec<_> = state
            .commands
            .iter()
            .map(|line| String::from_utf8_lossy(line))
            .collect();
        assert!(heard.is_empty(), "sent beyond the transcript: {heard:?}");
        assert!(state.steps.is_empty(), "not played: {:?}", state.steps);
    }
}

impl State {
    fn complain(&mut self, what: String) -> io::Error {
        self.complaint.get_or_insert(what);
        io::ErrorKind::TimedOut.into()
    }
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.0.lock().unwrap();
        loop {
            match state.steps.front_mut() {
                None if state.deaf => return Ok(0),
                None => {
                    let heard = state.commands.clone();
                    return Err(state.complain(format!("read past the end; heard {heard:?}")));
                }
                Some(Step::HangUp) => return Ok(0),
                Some(Step::Server(bytes)) => {
                    let count = bytes.len().min(buf.len()).min(state.chunk);
                    buf[..count].copy_from_slice(&bytes[..count]);
                    bytes.drain(..count);
                    if bytes.is_empty() {
                        state.steps.pop_front();
                    }
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Some(Step::Client(expected)) => {
                    let expected = String::from_utf8_lossy(expected).into_owned();
                    let Some(heard) = state.commands.pop_front() else {
                        return Err(state.complain(format!("waits, not having sent {expected:?}")));
                    };
                    let heard = String::from_utf8_lossy(&heard).into_owned();
                    if heard != expected {
                        let what = format!("sent {heard:?} instead of {expected:?}");
                        return Err(state.complain(what));
                    }
                    state.steps.pop_front();
                }
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let state = &mut *self.0.lock().unwrap();
        state.received.extend_from_slice(buf);
        while let Some(end) = state.received.windows(2).position(|two| two == b"\r\n") {
            let line: Vec<u8> = state.received.drain(..end + 2).collect();
            if !state.deaf {
                state.commands.push_back(line[..end].to_vec());
            }
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The transcript of a login as `anna` to a server that has `extensions`.
pub fn logged_in(extensions: &str) -> String {
    format!(
        "S: * OK hello\nC: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a1 OK\n\
         C: a2 LOGIN \"anna\" \"s3cret-word\"\nS: a2 OK in\nC: a3 CAPABILITY\n\
         S: * CAPABILITY IMAP4rev1 {extensions}\nS: a3 OK\n"
    )
}

/// A folder that is called so everywhere.
pub fn folder(name: &str) -> ListedFolder {
    ListedFolder {
        wire_name: name.to_owned(),
        path: FolderPath::new(vec![name.to_owned()]),
        selectable: true,
        special_use: None,
        repaired: false,
        marks: None,
    }
}

/// A login as `anna`.
pub fn anna() -> Login {
    Login {
        name: "anna".to_owned(),
        authzid: None,
        of_master: false,
        secret: Secret::new("s3cret-word".to_owned()),
        mechanism: None,
    }
}

/// Where `anna` logs in.
pub fn endpoint(security: Security) -> Endpoint {
    Endpoint {
        protocol: Protocol::Imap,
        security,
        host: "mail.example.com".to_owned(),
        port: 993,
    }
}

/// Keeps what it is given.
#[derive(Debug, Default)]
pub struct Keep {
    /// What has ended.
    pub messages: Vec<(u32, Vec<u8>)>,
    /// How many were abandoned.
    pub abandoned: u32,
    /// After so many bytes the sink is full.
    pub room: Option<usize>,
    pub open: Option<Vec<u8>>,
    pub announced: Option<u64>,
}

impl BodySink for Keep {
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
        assert!(self.open.is_none(), "begun twice");
        self.open = Some(Vec::new());
        self.announced = announced;
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let open = self.open.as_mut().expect("data without begin");
        open.extend_from_slice(bytes);
        if self.room.is_some_and(|room| open.len() > room) {
            return Err(Problem::new(Kind::Target, Reach::Run, "disk full"));
        }
        Ok(())
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        let body = self.open.take().expect("end without begin");
        assert_eq!(self.announced, Some(body.len() as u64));
        self.messages.push((key, body));
        Ok(())
    }

    fn abandon(&mut self) {
        assert!(self.open.take().is_some(), "abandon without begin");
        self.abandoned += 1;
    }
}
