//! POP3 without I/O: what the lines of a server mean. Lenient where that costs nothing.

use crate::mail::PopNumber;
use crate::problem::Kind;
use crate::source::rest::{self, Rest};

/// A status line (RFC 1939 section 3), without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status<'l> {
    /// `+OK` and its text.
    Ok(&'l [u8]),
    /// `-ERR` and its text.
    Err(&'l [u8]),
    /// `+ ` and a SASL challenge in base64 (RFC 5034).
    Challenge(&'l [u8]),
}

/// The meaning of a status line; `None` for any other line.
pub fn status(line: &[u8]) -> Option<Status<'_>> {
    let after = |word: &[u8]| {
        let head = line.get(..word.len())?;
        head.eq_ignore_ascii_case(word)
            .then(|| line[word.len()..].trim_ascii())
    };
    after(b"+OK")
        .map(Status::Ok)
        .or_else(|| after(b"-ERR").map(Status::Err))
        .or_else(|| after(b"+ ").map(Status::Challenge))
        .or_else(|| (line == b"+").then_some(Status::Challenge(b"")))
}

/// Whether the text of a -ERR starts with the response code `known`, as `[IN-USE] locked` does
/// (RFC 2449 section 8). Codes are hierarchical: `[SYS/TEMP/X]` is a `[SYS/TEMP]`.
fn has_code(text: &str, known: &str) -> bool {
    let code = code(text).map(str::to_ascii_uppercase);
    code.as_deref()
        .and_then(|code| code.strip_prefix(known))
        .is_some_and(|more| more.is_empty() || more.starts_with('/'))
}

fn code(text: &str) -> Option<&str> {
    let inside = text.trim_start().strip_prefix('[')?.split_once(']');
    inside.map(|(code, _)| code.trim())
}

/// The rest that the text of a -ERR asks for.
pub fn rest(text: &str) -> Option<Rest> {
    rest::wanted(code(text), text)
}

/// What kind of refusal the text of a -ERR is. During a login one without a code is taken as a
/// wrong password, unless it says that another session has the maildrop: old servers have no
/// codes, and a lock goes away by itself.
pub fn refusal(text: &str, during_login: bool) -> Kind {
    if shuts_out(text) || has_code(text, "SYS/TEMP") {
        return Kind::Busy;
    }
    if has_code(text, "AUTH") {
        return Kind::Auth;
    }
    if has_code(text, "SYS/PERM") || !during_login {
        return Kind::Refused;
    }
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["maildrop", "mailbox"]) && says(&["lock", "in use", "busy"]) {
        Kind::Busy
    } else {
        Kind::Auth
    }
}

/// Whether the text of a -ERR turns the whole session away and not one command.
pub fn shuts_out(text: &str) -> bool {
    has_code(text, "IN-USE") || wants_delay(text) || rest(text).is_some()
}

/// Whether the text of a -ERR says that the user was here too recently.
pub fn wants_delay(text: &str) -> bool {
    has_code(text, "LOGIN-DELAY")
}

/// The timestamp of a greeting, brackets included, that APOP digests (RFC 1939 section 7).
pub fn apop_stamp(greeting: &[u8]) -> Option<&str> {
    let greeting = std::str::from_utf8(greeting).ok()?;
    let (start, _) = greeting.match_indices('<').next_back()?;
    let (inside, _) = greeting.get(start + 1..)?.split_once('>')?;
    // A true msg-id: anything else may be a chosen prefix for collisions (CVE-2007-1558).
    let is_msg_id = inside.contains('@') && inside.bytes().all(|byte| byte.is_ascii_graphic());
    is_msg_id
        .then(|| greeting.get(start..start + inside.len() + 2))
        .flatten()
}

/// The words of a greeting, without its +OK and its timestamp, which is another one each time.
pub fn greeting_words(greeting: &str) -> &str {
    let words = match greeting.get(..3) {
        Some(ok) if ok.eq_ignore_ascii_case("+OK") => &greeting[3..],
        _ => greeting,
    };
    match apop_stamp(words.as_bytes()).and_then(|stamp| words.split_once(stamp)) {
        Some((before, after)) if before.trim().is_empty() => after.trim(),
        Some((before, _)) => before.trim(),
        None => words.trim(),
    }
}

/// What CAPA says (RFC 2449). The default is that of a server without CAPA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The server knows CAPA: what it does not list, it does not have.
    pub answered: bool,
    /// USER and PASS.
    pub user: bool,
    /// TOP.
    pub top: bool,
    /// UIDL.
    pub uidl: bool,
    /// UTF8 (RFC 6856).
    pub utf8: bool,
    /// Commands may be sent ahead of replies.
    pub pipelining: bool,
    /// STLS: the server can do TLS, and has not begun it.
    pub stls: bool,
    /// EXPIRE 0: messages once retrieved may be deleted at QUIT.
    pub expires_at_quit: bool,
    /// LOGIN-DELAY: seconds between two logins of a user. Before the login it may be that of no user
    /// in particular.
    pub login_delay: Option<u32>,
    /// SASL mechanisms, upper case.
    pub sasl: Vec<String>,
    /// IMPLEMENTATION: which software it is, as the server writes it. Not made printable.
    pub implementation: Option<String>,
}

impl Capabilities {
    /// Adds a line of the CAPA reply.
    pub fn add(&mut self, line: &[u8]) {
        let raw = String::from_utf8_lossy(line);
        let line = raw.to_ascii_uppercase();
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("USER") => self.user = true,
            Some("TOP") => self.top = true,
            Some("UIDL") => self.uidl = true,
            Some("UTF8") => self.utf8 = true,
            Some("PIPELINING") => self.pipelining = true,
            Some("STLS") => self.stls = true,
            Some("EXPIRE") => self.expires_at_quit = words.next() == Some("0"),
            Some("LOGIN-DELAY") => {
                self.login_delay = words.next().and_then(|seconds| seconds.parse().ok());
            }
            Some("IMPLEMENTATION") => {
                self.implementation = raw
                    .trim()
                    .split_once(|c: char| c.is_ascii_whitespace())
                    .map(|(_, software)| software.trim().to_owned());
            }
            Some("SASL") => self.sasl.extend(words.map(str::to_owned)),
            _ => {}
        }
    }
}

/// The number of messages in the text of STAT's +OK.
pub fn stat_count(text: &[u8]) -> Option<u32> {
    let (count, _) = leading_number(text)?;
    u32::try_from(count).ok()
}

/// A line of the UIDL listing: the number, and all that follows the space as it stands, less
/// spaces at its end. Whether that is a UIDL is for [`crate::mail::Uidl::parse`] to say.
pub fn uidl_line(line: &[u8]) -> Option<(PopNumber, &[u8])> {
    numbered(line)
}

/// A line of the LIST listing: the number and the size in octets. More may follow.
pub fn list_line(line: &[u8]) -> Option<(PopNumber, u64)> {
    let (number, rest) = numbered(line)?;
    let (size, _) = leading_number(rest)?;
    Some((number, size))
}

fn numbered(line: &[u8]) -> Option<(PopNumber, &[u8])> {
    let (number, rest) = leading_number(line)?;
    let number = u32::try_from(number).ok().filter(|number| *number > 0)?;
    let is_apart = rest.first().is_none_or(|byte| b" \t\r".contains(byte));
    is_apart.then(|| (number, rest.trim_ascii()))
}

/// The decimal number that `text` starts with, and what follows it.
fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_told_from_other_lines() {
        for (line, want) in [
            (&b"+OK"[..], Some(Status::Ok(b""))),
            (b"+ok  hello ", Some(Status::Ok(b"hello"))),
            (b"-err [AUTH] no", Some(Status::Err(b"[AUTH] no"))),
            (b"+", Some(Status::Challenge(b""))),
            (b"+ ", Some(Status::Challenge(b""))),
            (b"+ PDE+", Some(Status::Challenge(b"PDE+"))),
            (b"", None),
            (b"+O", None),
            (b"-ER", None),
            (b" +OK", None),
            (b"* OK IMAP4rev1", None),
            (b"220 ESMTP", None),
        ] {
            assert_eq!(status(line), want, "{line:?}");
        }
    }

    #[test]
    fn refusals_are_sorted_by_code_then_by_words() {
        for (text, at_login, elsewhere) in [
            ("[IN-USE] locked", Kind::Busy, Kind::Busy),
            ("[in-use]", Kind::Busy, Kind::Busy),
            ("[LOGIN-DELAY] wait", Kind::Busy, Kind::Busy),
            ("[SYS/TEMP] disk", Kind::Busy, Kind::Busy),
            ("[SYS/TEMP/DISK] x", Kind::Busy, Kind::Busy),
            ("[SYS/TEMPO] x", Kind::Auth, Kind::Refused),
            ("[SYS/PERM] gone", Kind::Refused, Kind::Refused),
            ("[AUTH] no", Kind::Auth, Kind::Auth),
            ("authorization failed", Kind::Auth, Kind::Refused),
            ("[AUTH no end", Kind::Auth, Kind::Refused),
            ("", Kind::Auth, Kind::Refused),
            ("maildrop already locked", Kind::Busy, Kind::Refused),
            ("Can't get lock.  Mailbox in use", Kind::Busy, Kind::Refused),
            // A lockout is no lock.
            ("account locked", Kind::Auth, Kind::Refused),
            // The code has the last word.
            ("[AUTH] mailbox locked out", Kind::Auth, Kind::Auth),
        ] {
            assert_eq!(refusal(text, true), at_login, "{text}");
            assert_eq!(refusal(text, false), elsewhere, "{text}");
        }
    }

    #[test]
    fn stamps_are_message_ids() {
        for (greeting, want) in [
            (
                &b"+OK POP3 <1896.697170952@dbc.mtview.ca.us>"[..],
                Some("<1896.697170952@dbc.mtview.ca.us>"),
            ),
            (b"+OK <a> b <c@d> ready", Some("<c@d>")),
            (b"+OK no stamp", None),
            (b"+OK <1.2.3>", None),
            (b"+OK <a b@c>", None),
            (b"+OK <a@b", None),
            (b"+OK <\xc3\xa9@b>", None),
            (b"+OK \xff <a@b>", None),
            (b"+OK >a@b<", None),
        ] {
            assert_eq!(apop_stamp(greeting), want, "{greeting:?}");
        }
    }

    #[test]
    fn capabilities_are_gathered_in_any_case() {
        let mut capabilities = Capabilities::default();
        for line in [
            &b"CAPA"[..],
            b"top",
            b"Uidl",
            b"PIPELINING ",
            b"UTF8 USER",
            b"stls",
            b"sasl plain  Login",
            b"SASL CRAM-MD5",
            b"EXPIRE 0 USER",
            b"",
            b"login-delay 900 USER",
            b"X-\xff",
        ] {
            capabilities.add(line);
        }
        let want = Capabilities {
            answered: false,
            user: false,
            top: true,
            uidl: true,
            utf8: true,
            pipelining: true,
            stls: true,
            expires_at_quit: true,
            login_delay: Some(900),
            sasl: ["PLAIN", "LOGIN", "CRAM-MD5"].map(str::to_owned).to_vec(),
            implementation: None,
        };
        assert_eq!(capabilities, want);
        capabilities.add(b"Implementation  Cyrus POP3 v2.5 ");
        assert_eq!(
            capabilities.implementation.as_deref(),
            Some("Cyrus POP3 v2.5")
        );
        for (line, want) in [
            (&b"LOGIN-DELAY 0"[..], Some(0)),
            (b"LOGIN-DELAY 99999999999", None),
            (b"LOGIN-DELAY soon", None),
            (b"LOGIN-DELAY", None),
        ] {
            capabilities.add(line);
            assert_eq!(capabilities.login_delay, want);
        }
        capabilities.add(b"EXPIRE NEVER");
        assert!(!capabilities.expires_at_quit);
    }

    #[test]
    fn a_greeting_has_words_beside_its_timestamp() {
        for (greeting, want) in [
            ("+OK Dovecot ready. <1a.2.5f@host>", "Dovecot ready."),
            (
                "+ok <1.2@host> Qpopper (version 4.0) at host",
                "Qpopper (version 4.0) at host",
            ),
            ("Hello there.", "Hello there."),
            ("+OK", ""),
            ("é", "é"),
        ] {
            assert_eq!(greeting_words(greeting), want, "{greeting}");
        }
    }

    #[test]
    fn listing_lines_give_numbers_and_bytes() {
        type Row<'r> = (&'r [u8], Option<(u32, &'r [u8])>);
        let uidls: &[Row] = &[
            (
                b"1 whqtswO00WBw418f9t5JxYwZ",
                Some((1, b"whqtswO00WBw418f9t5JxYwZ")),
            ),
            (b"2  x y \r", Some((2, b"x y"))),
            (b"3", Some((3, b""))),
            (b"3 ", Some((3, b""))),
            (b"4 \xff\x01", Some((4, b"\xff\x01"))),
            (b"0 x", None),
            (b"-1 x", None),
            (b"5x y", None),
            (b"4294967295 x", Some((u32::MAX, b"x"))),
            (b"4294967296 x", None),
            (b"99999999999999999999999 x", None),
            (b"x 1", None),
            (b"", None),
        ];
        for (line, want) in uidls {
            assert_eq!(uidl_line(line), *want, "{line:?}");
        }
        for (line, want) in [
            (&b"1 120"[..], Some((1, 120))),
            (b"1 120 octets", Some((1, 120))),
            (b"1\t5", Some((1, 5))),
            (b"1 18446744073709551615", Some((1, u64::MAX))),
            (b"1 18446744073709551616", None),
            (b"1 -5", None),
            (b"1", None),
            (b"1 x", None),
        ] {
            assert_eq!(list_line(line), want, "{line:?}");
        }
        assert_eq!(stat_count(b"2 320"), Some(2));
        assert_eq!(stat_count(b"mailbox ready"), None);
    }
}
