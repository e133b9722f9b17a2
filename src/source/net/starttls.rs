//! The plaintext words before TLS (RFC 2595): greeting, STARTTLS or STLS, and a yes. Anything else
//! ends the connection; there is no way from here back to plaintext.

use std::io::{self, BufRead as _, BufReader, Read, Write};

use super::{Endpoint, Protocol, io_problem};
use crate::problem::{Kind, Problem, Reach};
use crate::source::rest;
use crate::text::printable_bytes;

/// Bytes of one line, its end included.
const LINE_MAX: u64 = 8 * 1024;
/// Lines before the answer to STARTTLS.
const LINES_MAX: usize = 64;
/// Characters of a server's line that are worth telling.
const TOLD_MAX: usize = 200;
const TAG: &str = "S0";

/// Brings the server to the point where the TLS handshake is next. Gives back the stream, with
/// nothing of it read ahead, and the greeting without its line end.
///
/// # Errors
/// Kind Tls: the server will not do TLS, or data came before its handshake. Kind Busy: it sent us
/// away. Kind Protocol: it speaks something else. Kind Network: the connection broke.
pub(super) fn negotiate<S: Read + Write>(
    endpoint: &Endpoint,
    stream: S,
) -> Result<(S, String), Problem> {
    let mut talk = Talk {
        endpoint,
        reader: BufReader::new(stream),
    };
    let greeting = match endpoint.protocol {
        Protocol::Imap => talk.imap()?,
        Protocol::Pop3 => talk.pop3()?,
    };
    // What is here already would be taken for an answer that came through TLS (CVE-2011-0411).
    if !talk.reader.buffer().is_empty() {
        return Err(talk.problem(
            Kind::Tls,
            "the server (or someone between) sent data before the TLS handshake",
        ));
    }
    Ok((talk.reader.into_inner(), greeting))
}

struct Talk<'a, S> {
    endpoint: &'a Endpoint,
    reader: BufReader<S>,
}

impl<S: Read + Write> Talk<'_, S> {
    fn imap(&mut self) -> Result<String, Problem> {
        let greeting = self.line("waiting for the greeting")?;
        match status(&greeting) {
            ("*", "OK") => {}
            ("*", "PREAUTH") => {
                return Err(self
                    .problem(
                        Kind::Tls,
                        "the server logs us in before TLS (PREAUTH): this cannot be secured",
                    )
                    .with_hint("use imaps:// or, knowingly, imap+plain://"));
            }
            ("*", "BYE") => return Err(self.sent_away(&greeting)),
            _ => return Err(self.not_understood(&greeting)),
        }
        self.say(&format!("{TAG} STARTTLS\r\n"))?;
        for _ in 0..LINES_MAX {
            let line = self.line("waiting for the answer to STARTTLS")?;
            match status(&line) {
                (TAG, "OK") => return Ok(greeting),
                (TAG, "NO" | "BAD") => {
                    return Err(self.not_offered("STARTTLS", &line, "imaps://", "imap+plain://"));
                }
                ("*", "BYE") => return Err(self.sent_away(&line)),
                ("*", _) => {}
                _ => return Err(self.not_understood(&line)),
            }
        }
        Err(self.problem(
            Kind::Protocol,
            &format!("no answer to STARTTLS within {LINES_MAX} lines"),
        ))
    }

    fn pop3(&mut self) -> Result<String, Problem> {
        let greeting = self.line("waiting for the greeting")?;
        match status(&greeting).0 {
            "+OK" => {}
            "-ERR" => return Err(self.sent_away(&greeting)),
            _ => return Err(self.not_understood(&greeting)),
        }
        self.say("STLS\r\n")?;
        let line = self.line("waiting for the answer to STLS")?;
        match status(&line).0 {
            "+OK" => Ok(greeting),
            "-ERR" => Err(self.not_offered("STLS", &line, "pop3s://", "pop3+plain://")),
            _ => Err(self.not_understood(&line)),
        }
    }

    fn say(&mut self, command: &str) -> Result<(), Problem> {
        let stream = self.reader.get_mut();
        stream
            .write_all(command.as_bytes())
            .and_then(|()| stream.flush())
            .map_err(|error| io_problem(self.endpoint, "asking for TLS", error))
    }

    /// The next line, without its end.
    fn line(&mut self, doing: &str) -> Result<String, Problem> {
        let mut line = Vec::new();
        self.reader
            .by_ref()
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)
            .map_err(|error| io_problem(self.endpoint, doing, error))?;
        match line.strip_suffix(b"\n") {
            Some(text) => {
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                Ok(String::from_utf8_lossy(text).into_owned())
            }
            None if line.len() as u64 == LINE_MAX => {
                Err(self.problem(Kind::Protocol, &format!("endless line while {doing}")))
            }
            None => {
                let closed = io::Error::from(io::ErrorKind::UnexpectedEof);
                Err(io_problem(self.endpoint, doing, closed))
            }
        }
    }

    fn not_offered(&self, command: &str, line: &str, tls: &str, plain: &str) -> Problem {
        let line = told(line);
        self.problem(
            Kind::Tls,
            &format!("the server does not offer {command}: {line}"),
        )
        .with_hint(format!("use {tls} or, knowingly, {plain}"))
    }

    fn sent_away(&self, line: &str) -> Problem {
        let line = told(line);
        let what = format!("the server sent us away: {line}");
        let seconds = rest::wanted(None, &line).map_or(0, |rest| rest.seconds);
        // It does not know yet who asks.
        self.problem(Kind::Busy, &what).resting(true, seconds)
    }

    fn not_understood(&self, line: &str) -> Problem {
        let line = told(line);
        let protocol = self.endpoint.protocol.name();
        self.problem(
            Kind::Protocol,
            &format!("not what an {protocol} server says: {line}"),
        )
    }

    fn problem(&self, kind: Kind, what: &str) -> Problem {
        let address = self.endpoint.address();
        Problem::new(kind, Reach::User, format!("{address}: {what}"))
    }
}

/// The first two words of a line; the second (or for POP3 the first) is a status in any case.
fn status(line: &str) -> (&str, &str) {
    let mut words = line.split(' ');
    let known = |word: &'static str, found: &str| found.eq_ignore_ascii_case(word).then_some(word);
    let first = words.next().unwrap_or_default();
    let first = ["+OK", "-ERR"]
        .into_iter()
        .find_map(|word| known(word, first))
        .unwrap_or(first);
    let second = words.next().unwrap_or_default();
    let second = ["OK", "NO", "BAD", "BYE", "PREAUTH"]
        .into_iter()
        .find_map(|word| known(word, second))
        .unwrap_or(second);
    (first, second)
}

fn told(line: &str) -> String {
    printable_bytes(line.as_bytes(), TOLD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::net::Security;

    /// A server whose every word is known beforehand: one entry for each read.
    struct Script {
        reads: std::vec::IntoIter<Vec<u8>>,
        written: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let bytes = self.reads.next().unwrap_or_default();
            assert!(bytes.len() <= buf.len(), "the script's reads are small");
            buf[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    impl Write for Script {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.written.extend_from_slice(buf);
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn play(protocol: Protocol, reads: &[&str]) -> Result<(Script, String), Problem> {
        let endpoint = Endpoint {
            protocol,
            security: Security::StartTls,
            host: "h.example".to_owned(),
            port: 143,
        };
        let reads: Vec<Vec<u8>> = reads.iter().map(|read| read.as_bytes().to_vec()).collect();
        let script = Script {
            reads: reads.into_iter(),
            written: Vec::new(),
        };
        negotiate(&endpoint, script)
    }

    #[test]
    fn a_yes_gives_the_greeting_and_a_stream_that_nothing_was_read_of() {
        let imap = Protocol::Imap;
        let pop3 = Protocol::Pop3;
        let table: [(Protocol, &[&str], &str, &str); 6] = [
            (
                imap,
                &["* OK hi\r\n", "S0 OK\r\n"],
                "* OK hi",
                "S0 STARTTLS\r\n",
            ),
            (imap, &["* ok\n", "S0 ok go\n"], "* ok", "S0 STARTTLS\r\n"),
            (
                imap,
                &[
                    "* O",
                    "K x\r",
                    "\n",
                    "* CAPABILITY IMAP4\r\n* OK S0 OK\r\nS0 ",
                    "OK go\r\n",
                ],
                "* OK x",
                "S0 STARTTLS\r\n",
            ),
            (
                pop3,
                &["+OK POP3 <1.2@h>\r\n", "+OK\r\n"],
                "+OK POP3 <1.2@h>",
                "STLS\r\n",
            ),
            (pop3, &["+ok\r\n", "+ok Begin\r\n"], "+ok", "STLS\r\n"),
            // What comes in a later read is the handshake's business.
            (
                pop3,
                &["+OK\r\n", "+OK\r\n", "handshake"],
                "+OK",
                "STLS\r\n",
            ),
        ];
        for (protocol, reads, greeting, written) in table {
            let (script, heard) = play(protocol, reads).expect("a yes");
            assert_eq!(heard, greeting);
            assert_eq!(script.written, written.as_bytes());
            let handshake_is_left = reads.contains(&"handshake");
            assert_eq!(script.reads.len() == 1, handshake_is_left, "{reads:?}");
        }
    }

    #[test]
    fn everything_but_a_clean_yes_ends_it() {
        let endless = "x".repeat(8192);
        let flood: Vec<&str> = std::iter::once("* OK\r\n")
            .chain(std::iter::repeat_n("* OK still here\r\n", 64))
            .chain(["S0 OK\r\n"])
            .collect();
        let imap = Protocol::Imap;
        let pop3 = Protocol::Pop3;
        let table: [(Protocol, &[&str], Kind, &str); 21] = [
            (
                imap,
                &["* OK\r\n", "S0 OK\r\nS1 OK injected\r\n"],
                Kind::Tls,
                "before the TLS",
            ),
            (
                imap,
                &["* OK\r\n", "S0 OK\r\n\n"],
                Kind::Tls,
                "before the TLS",
            ),
            (
                pop3,
                &["+OK\r\n", "+OK\r\n+OK injected\r\n"],
                Kind::Tls,
                "before the TLS",
            ),
            // An answer that came before the question is followed by the true one.
            (
                pop3,
                &["+OK\r\n+OK\r\n+OK\r\n"],
                Kind::Tls,
                "before the TLS",
            ),
            (imap, &["* PREAUTH hi\r\n"], Kind::Tls, "cannot be secured"),
            (
                imap,
                &["* OK\r\n", "S0 NO no\r\n"],
                Kind::Tls,
                "use imaps:// or, knowingly, imap+plain://",
            ),
            (
                imap,
                &["* OK\r\n", "S0 BAD what\r\n"],
                Kind::Tls,
                "does not offer STARTTLS: S0 BAD what",
            ),
            (
                pop3,
                &["+OK\r\n", "-ERR\r\n"],
                Kind::Tls,
                "use pop3s:// or, knowingly, pop3+plain://",
            ),
            (
                imap,
                &["* BYE too many\x1b[2J\r\n"],
                Kind::Busy,
                "too many\\u{1b}[2J",
            ),
            (imap, &["* OK\r\n", "* BYE down\r\n"], Kind::Busy, "down"),
            (pop3, &["-ERR [SYS/TEMP] later\r\n"], Kind::Busy, "later"),
            (imap, &["+OK POP3\r\n"], Kind::Protocol, "IMAP server"),
            (pop3, &["* OK IMAP\r\n"], Kind::Protocol, "POP3 server"),
            (imap, &["* OK\r\n", "S1 OK\r\n"], Kind::Protocol, "S1 OK"),
            (imap, &["* OK\r\n", "s0 OK\r\n"], Kind::Protocol, "s0 OK"),
            (imap, &["* OK\r\n", "S0\r\n"], Kind::Protocol, "not what"),
            (pop3, &["+OK\r\n", "\r\n"], Kind::Protocol, "not what"),
            (imap, &[&endless], Kind::Protocol, "endless line"),
            (imap, &flood, Kind::Protocol, "64 lines"),
            (
                imap,
                &["* OK hi"],
                Kind::Network,
                "closed the connection while waiting for the greeting",
            ),
            (
                imap,
                &["* OK\r\n"],
                Kind::Network,
                "closed the connection while waiting for the answer",
            ),
        ];
        for (protocol, reads, kind, words) in table {
            let problem = play(protocol, reads).err().expect("a refusal");
            let text = problem.to_string();
            assert_eq!((problem.kind, problem.reach), (kind, Reach::User), "{text}");
            assert_eq!(problem.retry, matches!(kind, Kind::Network | Kind::Busy));
            assert!(text.contains(words), "{text}");
            assert!(text.starts_with("h.example:143: "), "{text}");
        }
    }
}
