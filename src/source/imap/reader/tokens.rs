//! The pieces of a response (RFC 3501 section 4): atoms, strings, lists, and where a literal is
//! announced.

use std::io::BufRead;

use super::{Fault, LITERAL_LIMIT, Reader, fill, number};

/// A piece of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// `(`
    Open,
    /// `)`
    Close,
    /// Bytes up to a space or parenthesis, now in [`Reader::text`].
    Atom,
    /// The inside of a quoted string, unescaped, now in [`Reader::text`].
    Quoted,
    /// A literal of so many bytes follows, for [`Reader::literal`].
    Literal(u64),
    /// The response is over.
    End,
}

impl<R: BufRead> Reader<R> {
    /// The next piece of the response. A literal that was announced and not read is skipped.
    ///
    /// # Errors
    /// `Nonsense` for a quoted string without end; `Io` or `Broken`.
    pub fn token(&mut self) -> Result<Token, Fault> {
        if self.pending.is_some() {
            self.skip_literal()?;
        }
        self.skip_spaces();
        let rest = &self.line[self.at..];
        let Some(first) = rest.first() else {
            return Ok(Token::End);
        };
        match first {
            b'(' => {
                self.at += 1;
                Ok(Token::Open)
            }
            b')' => {
                self.at += 1;
                Ok(Token::Close)
            }
            b'"' => self.quoted(),
            b'{' | b'~' => match marker(rest)? {
                Some(length) => {
                    self.at = self.line.len();
                    self.pending = Some(length);
                    Ok(Token::Literal(length))
                }
                None => Ok(self.atom()),
            },
            _ => Ok(self.atom()),
        }
    }

    /// The name of a FETCH item, into [`Reader::text`]: an atom of which the part in brackets may
    /// hold spaces and parentheses (`BODY[HEADER.FIELDS (DATE)]`). False at the closing
    /// parenthesis.
    ///
    /// # Errors
    /// `Nonsense` where no name stands; `Io` or `Broken`.
    pub fn item_name(&mut self) -> Result<bool, Fault> {
        match self.token()? {
            Token::Close => return Ok(false),
            Token::Atom => {}
            Token::End => return Err(Fault::Nonsense("the FETCH response has no end")),
            _ => return Err(Fault::Nonsense("a FETCH item has no name")),
        }
        let Some(open) = memchr::memchr(b'[', &self.text) else {
            return Ok(true);
        };
        let start = self.at - self.text.len();
        let close = memchr::memchr(b']', &self.line[start + open..])
            .ok_or(Fault::Nonsense("the section of a FETCH item has no end"))?;
        let mut end = start + open + close + 1;
        if self.line.get(end) == Some(&b'<') {
            let partial = memchr::memchr(b'>', &self.line[end..])
                .ok_or(Fault::Nonsense("the offset of a FETCH item has no end"))?;
            end += partial + 1;
        }
        self.text.clear();
        self.text.extend_from_slice(&self.line[start..end]);
        self.at = end;
        Ok(true)
    }

    /// Whether the list that was being read goes on here, with a space before what comes next, or ends.
    /// Where it does neither, the literal before was longer than announced. A line end that a server has put
    /// between it and the closing parenthesis is passed over.
    ///
    /// # Errors
    /// `Io` or `Broken`.
    pub fn list_goes_on(&mut self) -> Result<bool, Fault> {
        if self.at == self.line.len() && fill(&mut self.input)?.first() == Some(&b')') {
            self.read_line()?;
        }
        let next = self.line.get(self.at);
        Ok(matches!(next, Some(b' ' | b'\t' | b')')))
    }

    /// Skips one value of any shape: an atom, a string, or a list however deep.
    ///
    /// # Errors
    /// `Nonsense` where there is none or it has no end; `Io` or `Broken`.
    pub fn skip_value(&mut self) -> Result<(), Fault> {
        let mut depth = 0u32;
        loop {
            match self.token()? {
                Token::Open => depth += 1,
                Token::Close if depth == 0 => return Err(Fault::Nonsense("a value is missing")),
                Token::Close => depth -= 1,
                Token::End => return Err(Fault::Nonsense("a value has no end")),
                Token::Literal(_) => self.skip_literal()?,
                Token::Atom | Token::Quoted => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Reads a string or NIL: true for a string, which is then in [`Reader::text`].
    ///
    /// # Errors
    /// `Nonsense` for anything else; `Io` or `Broken`.
    pub fn nstring(&mut self) -> Result<bool, Fault> {
        match self.token()? {
            Token::Atom if self.text.eq_ignore_ascii_case(b"NIL") => return Ok(false),
            Token::Atom | Token::Quoted => {}
            Token::Literal(_) => self.short_literal()?,
            Token::Open | Token::Close | Token::End => {
                return Err(Fault::Nonsense("neither a string nor NIL"));
            }
        }
        Ok(true)
    }

    /// Reads a folder's name into [`Reader::text`]: a string, or else all up to the end of the
    /// line or to extended data (RFC 5258), since some servers do not quote names with spaces.
    ///
    /// # Errors
    /// `Nonsense` where there is none; `Io` or `Broken`.
    pub fn folder_name(&mut self) -> Result<(), Fault> {
        self.skip_spaces();
        let rest = &self.line[self.at..];
        let is_string = rest.starts_with(b"\"") || marker(rest)?.is_some();
        if rest.is_empty() {
            return Err(Fault::Nonsense("a folder has no name"));
        }
        if is_string {
            return self.nstring().map(|_| ());
        }
        self.rest();
        if let Some(extended) = memchr::memmem::find(&self.text, b" (\"") {
            self.text.truncate(extended);
        }
        Ok(())
    }

    /// Reads a folder's name that a list follows into [`Reader::text`]: a string, or else all up to
    /// a space and an opening parenthesis, since some servers do not quote names with spaces.
    ///
    /// # Errors
    /// `Nonsense` where there is none; `Io` or `Broken`.
    pub fn name_before_list(&mut self) -> Result<(), Fault> {
        self.skip_spaces();
        let rest = &self.line[self.at..];
        if rest.starts_with(b"\"") || marker(rest)?.is_some() {
            return self.nstring().map(|_| ());
        }
        let name = match memchr::memmem::find(rest, b" (") {
            Some(open) => rest[..open].trim_ascii_end(),
            None => b"",
        };
        if name.is_empty() {
            return Err(Fault::Nonsense("a folder has no name before a list"));
        }
        self.text.clear();
        self.text.extend_from_slice(name);
        self.at += name.len();
        Ok(())
    }

    fn atom(&mut self) -> Token {
        let rest = &self.line[self.at..];
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'(' | b')'))
            .unwrap_or(rest.len());
        self.text.clear();
        self.text.extend_from_slice(&rest[..length]);
        self.at += length;
        Token::Atom
    }

    fn quoted(&mut self) -> Result<Token, Fault> {
        self.text.clear();
        let mut bytes = self.line[self.at + 1..].iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => {
                    let end = self.line.len() - bytes.len();
                    if !matches!(self.line.get(end), None | Some(b' ' | b'\t' | b'(' | b')')) {
                        break;
                    }
                    self.at = end;
                    return Ok(Token::Quoted);
                }
                // Only these two are escaped (RFC 3501 section 9); before anything else it is a
                // backslash that the server forgot to escape.
                b'\\' if matches!(bytes.as_slice().first(), Some(b'"' | b'\\')) => {
                    self.text.extend(bytes.next());
                }
                _ => self.text.push(*byte),
            }
        }
        Err(Fault::Nonsense("a quoted string has no end"))
    }
}

/// The length that `rest` announces, if it is nothing but a literal's marker: `{n}`, `{n+}` (RFC
/// 7888) or `~{n}` (RFC 3516).
fn marker(rest: &[u8]) -> Result<Option<u64>, Fault> {
    let rest = rest.trim_ascii_end();
    let rest = rest.strip_prefix(b"~").unwrap_or(rest);
    let Some(inside) = rest
        .strip_prefix(b"{")
        .and_then(|rest| rest.strip_suffix(b"}"))
    else {
        return Ok(None);
    };
    let inside = inside.strip_suffix(b"+").unwrap_or(inside);
    let digits = inside.strip_prefix(b"-").unwrap_or(inside);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    number(inside)
        .filter(|length| *length <= LITERAL_LIMIT)
        .map(Some)
        .ok_or(Fault::Broken("the server announces an impossible literal"))
}

/// As [`marker`], for one at the end of `rest`.
pub(super) fn trailing_marker(rest: &[u8]) -> Result<Option<u64>, Fault> {
    match memchr::memrchr(b'{', rest) {
        Some(at) => marker(&rest[at..]),
        None => Ok(None),
    }
}
