//! What an IMAP server shows of a mailbox, read by a client of the tests' own: the folders, numbers,
//! flags, dates and bytes that a migration must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::read_line;

/// All that a user sees over IMAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapView {
    /// Folders by name as the server sends it (modified UTF-7, its separator).
    pub folders: BTreeMap<String, FolderView>,
    /// Subscribed names, present or not.
    pub subscribed: BTreeSet<String>,
    /// The hierarchy separator.
    pub separator: char,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderView {
    /// Not \Noselect; the rest is empty otherwise.
    pub selectable: bool,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
    /// In UID order.
    pub messages: Vec<MessageView>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// UID.
    pub uid: u32,
    /// Flags and keywords, sorted, without \Recent.
    pub flags: Vec<String>,
    /// INTERNALDATE in seconds since 1970.
    pub internal_date: i64,
    /// RFC822.SIZE.
    pub size: u64,
    /// Length of BODY[].
    pub length: u64,
    /// Hash of BODY[].
    pub hash: blake3::Hash,
}

impl ImapView {
    /// Reads everything on 127.0.0.1 without changing it.
    ///
    /// # Panics
    /// When the server refuses or breaks the protocol.
    pub fn read(port: u16, user: &str, password: &str) -> Self {
        let mut session = Session::login(port, user, password).expect("IMAP login");
        session.view().expect("IMAP session")
    }

    /// Selects every folder once, as a mail client would: moves `new/` to `cur/`, and gives a
    /// folder of Courier's a UIDVALIDITY that lasts.
    ///
    /// # Panics
    /// When the server refuses or breaks the protocol.
    pub fn select_each_folder(port: u16, user: &str, password: &str) {
        let mut session = Session::login(port, user, password).expect("IMAP login");
        let (folders, _) = session.list("LIST").expect("LIST");
        for (name, attributes) in folders {
            if selectable(&attributes) {
                session
                    .command(&format!("SELECT {}", quoted(&name)))
                    .expect("SELECT");
            }
        }
    }

    /// The view without the namespace `prefix` and with `/` for the separator, to compare servers
    /// that differ in these. A name outside of the prefix stays. `INBOX.INBOX`, which is only there
    /// as the parent of `INBOX.INBOX.Below`, goes: without a prefix INBOX is that parent.
    pub fn without_prefix(self, prefix: &str) -> Self {
        let separator = self.separator;
        let rename = |name: String| {
            let name = match name.strip_prefix(prefix) {
                Some(rest) if !rest.is_empty() => rest.to_owned(),
                _ => name,
            };
            name.replace(separator, "/")
        };
        Self {
            folders: self
                .folders
                .into_iter()
                .filter(|(name, folder)| folder.selectable || *name != format!("{prefix}INBOX"))
                .map(|(name, folder)| (rename(name), folder))
                .collect(),
            subscribed: self.subscribed.into_iter().map(rename).collect(),
            separator: '/',
        }
    }

    /// Number of messages in all folders.
    pub fn message_count(&self) -> usize {
        self.folders
            .values()
            .map(|folder| folder.messages.len())
            .sum()
    }
}

/// A connection after login.
#[derive(Debug)]
pub(super) struct Session {
    stream: BufReader<TcpStream>,
    tag: u32,
}

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Atom(String),
    /// Quoted string, or a literal that came in a response other than FETCH.
    Text(Vec<u8>),
    /// A literal: only what is compared is kept, a folder can be larger than memory.
    Content(u64, blake3::Hash, Vec<u8>),
    List(Vec<Value>),
}

/// Literals up to this length are kept, for names can be literals.
const KEPT_LITERAL: usize = 1024;

impl Session {
    pub(super) fn login(port: u16, user: &str, password: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut session = Self {
            stream: BufReader::with_capacity(1 << 16, stream),
            tag: 0,
        };
        read_line(&mut session.stream)?;
        session.command(&format!("LOGIN {} {}", quoted(user), quoted(password)))?;
        Ok(session)
    }

    fn view(&mut self) -> io::Result<ImapView> {
        let (listed, separator) = self.list("LIST")?;
        let (subscribed, _) = self.list("LSUB")?;
        let mut folders = BTreeMap::new();
        for (name, attributes) in listed {
            let folder = if selectable(&attributes) {
                self.folder(&name)?
            } else {
                FolderView::default()
            };
            folders.insert(name, folder);
        }
        let subscribed = subscribed
            .into_iter()
            // A parent that is not subscribed itself is shown with \Noselect (RFC 3501, LSUB).
            .filter(|(_, attributes)| selectable(attributes))
            .map(|(name, _)| name)
            .collect();
        Ok(ImapView {
            folders,
            subscribed,
            separator,
        })
    }

    /// Names with their attributes, and the separator.
    pub(super) fn list(
        &mut self,
        command: &str,
    ) -> io::Result<(BTreeMap<String, Vec<Value>>, char)> {
        let mut names = BTreeMap::new();
        let mut separator = '/';
        for response in self.command(&format!("{command} \"\" \"*\""))? {
            let [
                Value::Atom(kind),
                Value::List(attributes),
                between,
                name @ ..,
            ] = response.as_slice()
            else {
                continue;
            };
            if kind != command {
                continue;
            }
            if let Value::Text(text) = between {
                separator = text.first().map_or('/', |byte| char::from(*byte));
            }
            let [name] = name else {
                return Err(broken("LIST without a name"));
            };
            names.insert(text_of(name)?, attributes.clone());
        }
        Ok((names, separator))
    }

    fn folder(&mut self, name: &str) -> io::Result<FolderView> {
        let mut folder = FolderView {
            selectable: true,
            ..FolderView::default()
        };
        for response in self.command(&format!("EXAMINE {}", quoted(name)))? {
            // OK [UIDVALIDITY 1] text
            if let [_, Value::Atom(code), Value::Atom(number), ..] = response.as_slice() {
                let number = number.trim_end_matches(']');
                match code.as_str() {
                    "[UIDVALIDITY" => folder.uid_validity = parse(number)?,
                    "[UIDNEXT" => folder.uid_next = parse(number)?,
                    _ => (),
                }
            }
        }
        let mut messages = Vec::new();
        self.command_with(
            "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])",
            |response| {
                if let [_, Value::Atom(kind), Value::List(items)] = response.as_slice()
                    && kind == "FETCH"
                {
                    messages.extend(message(items)?);
                }
                Ok(())
            },
        )?;
        messages.sort_by_key(|message: &MessageView| message.uid);
        folder.messages = messages;
        Ok(folder)
    }

    /// The responses to a command without their `*` and tags, the tagged one last.
    pub(super) fn command(&mut self, command: &str) -> io::Result<Vec<Vec<Value>>> {
        let mut responses = Vec::new();
        let tagged = self.command_with(command, |response| {
            responses.push(response);
            Ok(())
        })?;
        responses.push(tagged);
        Ok(responses)
    }

    fn command_with(
        &mut self,
        command: &str,
        mut each: impl FnMut(Vec<Value>) -> io::Result<()>,
    ) -> io::Result<Vec<Value>> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        let line = format!("{tag} {command}\r\n");
        self.stream.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut response = self.response()?;
            let first = match response.first() {
                Some(Value::Atom(first)) => first.clone(),
                _ => return Err(broken("a response starts with an atom")),
            };
            response.remove(0);
            if first == tag {
                return match response.first() {
                    Some(Value::Atom(status)) if status == "OK" => Ok(response),
                    _ => Err(broken(&format!("{command}: {response:?}"))),
                };
            }
            each(response)?;
        }
    }

    /// One response with its literals, as a list of values.
    fn response(&mut self) -> io::Result<Vec<Value>> {
        let mut stack = vec![Vec::new()];
        loop {
            let line = read_line(&mut self.stream)?;
            let literal = literal_length(&line);
            let text = match literal {
                Some((start, _)) => &line[..start],
                None => &line[..],
            };
            scan(text, &mut stack)?;
            let Some((_, length)) = literal else {
                break;
            };
            let literal = self.literal(length)?;
            push(&mut stack, literal)?;
        }
        match <[_; 1]>::try_from(stack) {
            Ok([values]) => Ok(values),
            Err(_) => Err(broken("unbalanced parentheses")),
        }
    }

    fn literal(&mut self, length: u64) -> io::Result<Value> {
        let mut hasher = blake3::Hasher::new();
        let mut kept = Vec::new();
        let mut left = length;
        while left > 0 {
            let buffer = io::BufRead::fill_buf(&mut self.stream)?;
            if buffer.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let some = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            hasher.update(&buffer[..some]);
            kept.extend(buffer[..some].iter().take(KEPT_LITERAL - kept.len()));
            io::BufRead::consume(&mut self.stream, some);
            left -= some as u64;
        }
        Ok(Value::Content(length, hasher.finalize(), kept))
    }
}

/// Start of `{n}` at the end of a line, and n.
fn literal_length(line: &[u8]) -> Option<(usize, u64)> {
    let inside = line.strip_suffix(b"}")?;
    let start = inside.iter().rposition(|byte| *byte == b'{')?;
    let digits = std::str::from_utf8(&inside[start + 1..]).ok()?;
    Some((start, digits.parse().ok()?))
}

/// Adds the values of a line's text to the innermost open list.
fn scan(text: &[u8], stack: &mut Vec<Vec<Value>>) -> io::Result<()> {
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b' ' => rest = after,
            b'(' => {
                stack.push(Vec::new());
                rest = after;
            }
            b')' if stack.len() > 1 => {
                let list = stack.pop().unwrap_or_default();
                push(stack, Value::List(list))?;
                rest = after;
            }
            b'"' => {
                let mut value = Vec::new();
                let mut bytes = after.iter().enumerate();
                let end = loop {
                    match bytes.next() {
                        Some((at, b'"')) => break at,
                        Some((_, b'\\')) => value.extend(bytes.next().map(|(_, byte)| *byte)),
                        Some((_, byte)) => value.push(*byte),
                        None => return Err(broken("a quoted string does not end")),
                    }
                };
                push(stack, Value::Text(value))?;
                rest = &after[end + 1..];
            }
            _ => {
                // The human text of OK has lone parentheses and quotes: an atom ends at a space,
                // and at a parenthesis only inside a list.
                let in_list = stack.len() > 1;
                let end = rest
                    .iter()
                    .position(|byte| *byte == b' ' || in_list && matches!(byte, b'(' | b')'))
                    .unwrap_or(rest.len())
                    .max(1);
                let atom = String::from_utf8_lossy(&rest[..end]).into_owned();
                push(stack, Value::Atom(atom))?;
                rest = &rest[end..];
            }
        }
    }
    Ok(())
}

fn push(stack: &mut [Vec<Value>], value: Value) -> io::Result<()> {
    stack
        .last_mut()
        .ok_or_else(|| broken("unbalanced parentheses"))?
        .push(value);
    Ok(())
}

/// The message of a FETCH response; `None` when it is an unasked flag update without a body.
fn message(items: &[Value]) -> io::Result<Option<MessageView>> {
    let mut message = MessageView {
        uid: 0,
        flags: Vec::new(),
        internal_date: 0,
        size: 0,
        length: 0,
        hash: blake3::hash(b""),
    };
    let mut has_body = false;
    for pair in items.chunks(2) {
        match pair {
            [Value::Atom(item), Value::Atom(number)] if item == "UID" => {
                message.uid = parse(number)?;
            }
            [Value::Atom(item), Value::Atom(number)] if item == "RFC822.SIZE" => {
                message.size = parse(number)?;
            }
            [Value::Atom(item), Value::List(flags)] if item == "FLAGS" => {
                message.flags = flags
                    .iter()
                    .map(text_of)
                    .filter(|flag| flag.as_ref().map_or(true, |flag| flag != "\\Recent"))
                    .collect::<io::Result<_>>()?;
                message.flags.sort();
            }
            [Value::Atom(item), Value::Text(date)] if item == "INTERNALDATE" => {
                message.internal_date = seconds_of(&String::from_utf8_lossy(date))?;
            }
            [Value::Atom(item), body] if item == "BODY[]" => {
                has_body = true;
                (message.length, message.hash) = match body {
                    Value::Content(length, hash, _) => (*length, *hash),
                    Value::Text(text) => (text.len() as u64, blake3::hash(text)),
                    other => return Err(broken(&format!("BODY[] is {other:?}"))),
                };
            }
            other => return Err(broken(&format!("FETCH item {other:?}"))),
        }
    }
    Ok(has_body.then_some(message))
}

/// ` 1-Jan-2018 00:00:00 +0100` as seconds since 1970.
fn seconds_of(date: &str) -> io::Result<i64> {
    let parsed = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", date.trim_start())
        .and_then(|time| time.to_timestamp());
    match parsed {
        Ok(timestamp) => Ok(timestamp.as_second()),
        Err(error) => Err(broken(&format!("INTERNALDATE {date}: {error}"))),
    }
}

pub(super) fn selectable(attributes: &[Value]) -> bool {
    !attributes.iter().any(|attribute| {
        matches!(attribute, Value::Atom(name)
            if name.eq_ignore_ascii_case("\\Noselect") || name.eq_ignore_ascii_case("\\NonExistent"))
    })
}

fn text_of(value: &Value) -> io::Result<String> {
    match value {
        Value::Atom(text) => Ok(text.clone()),
        Value::Text(bytes) | Value::Content(_, _, bytes) => {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
        Value::List(_) => Err(broken("a list where a name belongs")),
    }
}

pub(super) fn parse<N: std::str::FromStr>(digits: &str) -> io::Result<N> {
    digits
        .parse()
        .map_err(|_| broken(&format!("{digits} is no number")))
}

/// A quoted string (RFC 3501 section 4.3).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
