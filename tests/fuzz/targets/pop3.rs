//! A whole POP3 session with a server that says anything. The first byte chooses how it begins and in
//! what pieces it comes.

use std::io::BufReader;

use mailseed::problem::Problem;
use mailseed::source::login::Mechanism;
use mailseed::source::net::Protocol;
use mailseed::source::pop3::{Pipelining, Session};

use super::stream::{Sink, Stream, check, endpoint, login};

const ALL: &[u8] = b"+OK hi <1.2@h>\r\n+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\nSASL PLAIN LOGIN CRAM-MD5\r\n.\r\n+OK\r\n+OK\r\n\
    +OK\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n";
const OLD: &[u8] = b"+OK hi\r\n-ERR\r\n+OK\r\n+OK\r\n-ERR\r\n";

pub fn run(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else {
        return;
    };
    let piece = [1, 7, 100, 4096][usize::from(how >> 2) % 4];
    let (first, mechanism): (&[u8], _) = match how & 3 {
        0 => (ALL, Some(Mechanism::Login)),
        1 => (OLD, None),
        2 => (b"", Some(Mechanism::CramMd5)),
        _ => (b"", None),
    };
    let stream = Stream::new(first, bytes, piece);
    if let Err(problem) = talk(&stream, mechanism, how >> 4) {
        check(&problem, &stream.heard());
    }
    let heard = stream.heard();
    for line in heard.split_inclusive(|byte| *byte == b'\n') {
        let words = line.strip_suffix(b"\r\n").expect("commands end in CRLF");
        assert!(!words.iter().any(|byte| byte.is_ascii_control()));
        assert!(!words.starts_with(b"DELE"));
    }
}

fn talk(stream: &Stream, mechanism: Option<Mechanism>, what: u8) -> Result<(), Problem> {
    let pipelining = match what & 1 {
        0 => Pipelining::WhereAnnounced,
        _ => Pipelining::Never,
    };
    let login = mailseed::source::login::Login {
        mechanism,
        ..login()
    };
    let endpoint = endpoint(Protocol::Pop3);
    let reader = BufReader::new(stream.clone());
    let mut session = Session::start(reader, None, &login, &endpoint, pipelining, || {})?;
    assert!(!session.software().chars().any(char::is_control));
    let outcome = read(&mut session);
    session.quit();
    outcome
}

fn read(session: &mut Session<Stream>) -> Result<(), Problem> {
    let maildrop = session.listing()?;
    assert!(maildrop.entries.is_ascending());
    for (_, shown, _) in &maildrop.faulty {
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
    let numbers: Vec<u32> = maildrop.entries.numbers().take(4).collect();
    let mut sink = Sink::new(numbers.iter().copied());
    let outcome = session.headers(&numbers, &mut sink);
    sink.close(&outcome);
    outcome?;
    let mut sink = Sink::new(numbers.iter().copied());
    let outcome = session.retrieve(&numbers, &mut sink);
    sink.close(&outcome);
    outcome?;
    let mut sink = Sink::new(numbers.iter().copied());
    let outcome = session.whole(&numbers, &mut sink);
    sink.close(&outcome);
    outcome.map(|_| ())
}
