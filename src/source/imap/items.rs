//! The items of a FETCH response, one after the other, in whatever order the server has them.

use std::io::BufRead;

use super::attributes::Attribute;
use super::date;
use super::reader::{Fault, Reader, Token, number};
use crate::mail::{Flags, Uid};

/// The part of a message that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `BODY.PEEK[]`
    Whole,
    /// `BODY.PEEK[HEADER]`
    Header,
}

impl Section {
    /// The item to ask for. PEEK leaves \Seen alone.
    pub fn asked(self) -> &'static str {
        match self {
            Section::Whole => "BODY.PEEK[]",
            Section::Header => "BODY.PEEK[HEADER]",
        }
    }
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// UID.
    Uid(Uid),
    /// FLAGS.
    Flags(FlagList),
    /// INTERNALDATE in seconds since 1970 UTC; `None` where it makes no sense.
    Date(Option<i64>),
    /// RFC822.SIZE; `None` where it is no number.
    Size(Option<u64>),
    /// One of the attributes: an id, or the header field as it stands.
    Attribute(Attribute, Vec<u8>),
    /// A body is there, as a literal of so many bytes for [`Reader::literal`].
    Literal(Section, u64),
    /// A body is there, as a quoted string in [`Reader::text`].
    Quoted(Section),
    /// A body was asked for and is NIL.
    Nil(Section),
    /// Any other, skipped.
    Other,
}

/// What FLAGS lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlagList {
    /// The system flags.
    pub flags: Flags,
    /// The keywords.
    pub keywords: Vec<String>,
    /// How many keywords were no text and are lost.
    pub undecodable: u32,
}

/// Reads the opening parenthesis of a FETCH response.
///
/// # Errors
/// `Nonsense` where there is none.
pub fn open<R: BufRead>(reader: &mut Reader<R>) -> Result<(), Fault> {
    match reader.token()? {
        Token::Open => Ok(()),
        _ => Err(Fault::Nonsense("a FETCH response has no items")),
    }
}

/// The next item; `None` after the last.
///
/// # Errors
/// `Nonsense` where an item has no value or one of the wrong shape; those of the reader.
pub fn next<R: BufRead>(reader: &mut Reader<R>) -> Result<Option<Item>, Fault> {
    if !reader.item_name()? {
        return Ok(None);
    }
    let name = reader.text();
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let item = if is("UID") {
        Item::Uid(uid(reader)?)
    } else if is("FLAGS") {
        Item::Flags(flag_list(reader)?)
    } else if is("INTERNALDATE") {
        Item::Date(simple(reader)?.and_then(date::parse))
    } else if is("RFC822.SIZE") {
        Item::Size(simple(reader)?.and_then(number))
    } else if is("X-GUID") {
        attribute(reader, Attribute::XGuid)?
    } else if is("X-GM-MSGID") {
        attribute(reader, Attribute::GmailId)?
    } else if is("EMAILID") {
        object_id(reader)?
    } else if is_field(name, b"X-UIDL") {
        attribute(reader, Attribute::XUidl)?
    } else if is_field(name, b"MESSAGE-ID") {
        attribute(reader, Attribute::MessageId)?
    } else if is("BODY[]") {
        body(reader, Section::Whole)?
    } else if is("BODY[HEADER]") {
        body(reader, Section::Header)?
    } else {
        reader.skip_value()?;
        Item::Other
    };
    Ok(Some(item))
}

fn attribute<R: BufRead>(reader: &mut Reader<R>, attribute: Attribute) -> Result<Item, Fault> {
    Ok(match simple(reader)? {
        Some(text) => Item::Attribute(attribute, text.to_vec()),
        None => Item::Other,
    })
}

/// `(M123)`, the only value that is a list (RFC 8474 section 5.1).
fn object_id<R: BufRead>(reader: &mut Reader<R>) -> Result<Item, Fault> {
    match reader.token()? {
        Token::Open => {}
        Token::Atom if reader.text().eq_ignore_ascii_case(b"NIL") => return Ok(Item::Other),
        _ => return Err(Fault::Nonsense("EMAILID is no list")),
    }
    match reader.token()? {
        Token::Atom | Token::Quoted => {}
        _ => return Err(Fault::Nonsense("EMAILID is no list of one atom")),
    }
    let id = reader.text().to_vec();
    match reader.token()? {
        Token::Close => Ok(Item::Attribute(Attribute::EmailId, id)),
        _ => Err(Fault::Nonsense("EMAILID is no list of one atom")),
    }
}

/// Whether this is the name of `BODY[HEADER.FIELDS (field)]`; servers write it with quotes, and
/// in the letters of the header.
fn is_field(name: &[u8], field: &[u8]) -> bool {
    let upper = name.to_ascii_uppercase();
    let inside = upper.strip_prefix(b"BODY[HEADER.FIELDS");
    let inside = inside.and_then(|rest| rest.trim_ascii().strip_prefix(b"("));
    let inside = inside.and_then(|rest| rest.strip_suffix(b")]"));
    inside.is_some_and(|inside| {
        let bare: Vec<u8> = inside
            .iter()
            .copied()
            .filter(|b| !b" \"".contains(b))
            .collect();
        bare == field
    })
}

fn uid<R: BufRead>(reader: &mut Reader<R>) -> Result<Uid, Fault> {
    simple(reader)?
        .and_then(number)
        .and_then(|uid| u32::try_from(uid).ok())
        .and_then(Uid::new)
        .ok_or(Fault::Nonsense("a UID is no number of 1 to 4294967295"))
}

/// The text of a value that is no list; `None` for NIL.
fn simple<R: BufRead>(reader: &mut Reader<R>) -> Result<Option<&[u8]>, Fault> {
    Ok(reader.nstring()?.then(|| reader.text()))
}

fn flag_list<R: BufRead>(reader: &mut Reader<R>) -> Result<FlagList, Fault> {
    let mut list = FlagList::default();
    match reader.token()? {
        Token::Open => {}
        Token::Atom if reader.text().eq_ignore_ascii_case(b"NIL") => return Ok(list),
        _ => return Err(Fault::Nonsense("FLAGS is no list")),
    }
    loop {
        match reader.token()? {
            Token::Close => return Ok(list),
            Token::Atom | Token::Quoted => {}
            Token::Literal(_) => reader.short_literal()?,
            Token::Open | Token::End => return Err(Fault::Nonsense("FLAGS is no flat list")),
        }
        match str::from_utf8(reader.text()) {
            Ok(name) => list.add(name),
            Err(_) => list.undecodable += 1,
        }
    }
}

impl FlagList {
    fn add(&mut self, name: &str) {
        if let Some(flag) = Flags::from_imap(name) {
            self.flags.insert(flag);
        } else if !name.is_empty() && !name.starts_with('\\') {
            // What else has a backslash (\Recent, \*) is the server's own and not kept.
            self.keywords.push(name.to_owned());
        }
    }
}

fn body<R: BufRead>(reader: &mut Reader<R>, section: Section) -> Result<Item, Fault> {
    match reader.token()? {
        Token::Literal(length) => Ok(Item::Literal(section, length)),
        Token::Quoted => Ok(Item::Quoted(section)),
        Token::Atom if reader.text().eq_ignore_ascii_case(b"NIL") => Ok(Item::Nil(section)),
        _ => Err(Fault::Nonsense("a body is neither a string nor NIL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(wire: &[u8]) -> Vec<Result<Item, &'static str>> {
        let mut reader = Reader::new(wire);
        reader.next().unwrap();
        let mut seen = Vec::new();
        if let Err(Fault::Nonsense(why)) = open(&mut reader) {
            return vec![Err(why)];
        }
        loop {
            match next(&mut reader) {
                Ok(Some(Item::Quoted(section))) => {
                    let text = String::from_utf8(reader.text().to_vec()).unwrap();
                    seen.push(Ok(Item::Quoted(section)));
                    seen.push(Ok(Item::Attribute(Attribute::XGuid, text.into_bytes())));
                }
                Ok(Some(Item::Other)) => {}
                Ok(Some(item)) => seen.push(Ok(item)),
                Ok(None) => return seen,
                Err(Fault::Nonsense(why)) => {
                    seen.push(Err(why));
                    return seen;
                }
                Err(fault) => panic!("{fault:?}"),
            }
        }
    }

    fn uid(value: u32) -> Result<Item, &'static str> {
        Ok(Item::Uid(Uid::new(value).unwrap()))
    }

    fn attribute(attribute: Attribute, text: &[u8]) -> Result<Item, &'static str> {
        Ok(Item::Attribute(attribute, text.to_vec()))
    }

    #[test]
    fn odd_servers_items() {
        let whole = Section::Whole;
        for (wire, want) in [
            (&b"* 1 FETCH ()\r\n"[..], vec![]),
            (b"*  1  fetch (uid  7)\n", vec![uid(7)]),
            (b"* 1 FETCH(UID 7)\r\n", vec![uid(7)]),
            (b"* 1 FETCH (UID \"7\")\r\n", vec![uid(7)]),
            (b"* 1 FETCH (UID 4294967295)\r\n", vec![uid(u32::MAX)]),
            (
                b"* 1 FETCH (RFC822.SIZE 9876543210 UID 1)\r\n",
                vec![Ok(Item::Size(Some(9_876_543_210))), uid(1)],
            ),
            (
                b"* 1 FETCH (RFC822.SIZE NIL INTERNALDATE NIL FLAGS NIL)\r\n",
                vec![
                    Ok(Item::Size(None)),
                    Ok(Item::Date(None)),
                    Ok(Item::Flags(FlagList::default())),
                ],
            ),
            (
                b"* 1 FETCH (INTERNALDATE {26}\r\n 1-Jan-1970 00:00:05 +0000 UID 2)\r\n",
                vec![Ok(Item::Date(Some(5))), uid(2)],
            ),
            (
                b"* 1 FETCH (THREADID NIL SAVEDATE \"x) y\" X-A ((a \"(\" {3}\r\n)(\" b) ()) \
                  MODSEQ (12) BODY[HEADER.FIELDS (DATE)] {2}\r\nx) BODY[]<0> \"ab\" UID 3)\r\n",
                vec![uid(3)],
            ),
            (
                b"* 1 FETCH (BODY[] \"a\\\"b\\\\c\" UID 4)\r\n",
                vec![
                    Ok(Item::Quoted(whole)),
                    attribute(Attribute::XGuid, b"a\"b\\c"),
                    uid(4),
                ],
            ),
            (
                b"* 1 FETCH (EMAILID (M1) X-GM-MSGID 1278455344230334865 X-GUID {2}\r\nab)\r\n",
                vec![
                    attribute(Attribute::EmailId, b"M1"),
                    attribute(Attribute::GmailId, b"1278455344230334865"),
                    attribute(Attribute::XGuid, b"ab"),
                ],
            ),
            (
                b"* 1 FETCH (body[Header.Fields (\"x-uidl\")] \"X-UIDL: a\" \
                  BODY[HEADER.FIELDS (Message-Id)] {7}\r\nA: 1\r\n\n EMAILID NIL X-GUID nil)\r\n",
                vec![
                    attribute(Attribute::XUidl, b"X-UIDL: a"),
                    attribute(Attribute::MessageId, b"A: 1\r\n\n"),
                ],
            ),
            (
                b"* 1 FETCH (EMAILID M1)\r\n",
                vec![Err("EMAILID is no list")],
            ),
            (
                b"* 1 FETCH (EMAILID (M1 M2))\r\n",
                vec![Err("EMAILID is no list of one atom")],
            ),
            (
                b"* 1 FETCH (UID 5 body[] nil)\r\n",
                vec![uid(5), Ok(Item::Nil(whole))],
            ),
            (
                b"* 1 FETCH (BODY[] {3+}\r\nabc UID 6)\r\n",
                vec![Ok(Item::Literal(whole, 3)), uid(6)],
            ),
            (
                b"* 1 FETCH (BODY[HEADER]~{3}\r\nabc UID 6)\r\n",
                vec![Ok(Item::Literal(Section::Header, 3)), uid(6)],
            ),
            (
                b"* 1 FETCH (BODY[] {0}\r\n UID 6)\r\n",
                vec![Ok(Item::Literal(whole, 0)), uid(6)],
            ),
            (
                b"* 1 FETCH (UID 0)\r\n",
                vec![Err("a UID is no number of 1 to 4294967295")],
            ),
            (
                b"* 1 FETCH (UID 4294967296)\r\n",
                vec![Err("a UID is no number of 1 to 4294967295")],
            ),
            (b"* 1 FETCH\r\n", vec![Err("a FETCH response has no items")]),
            (
                b"* 1 FETCH (UID 7\r\n",
                vec![uid(7), Err("the FETCH response has no end")],
            ),
            (
                b"* 1 FETCH (UID)\r\n",
                vec![Err("neither a string nor NIL")],
            ),
            (b"* 1 FETCH (X-FOO)\r\n", vec![Err("a value is missing")]),
            (b"* 1 FETCH (X-FOO (a\r\n", vec![Err("a value has no end")]),
            (
                b"* 1 FETCH (\"UID\" 7)\r\n",
                vec![Err("a FETCH item has no name")],
            ),
            (
                b"* 1 FETCH (BODY[ {3}\r\nabc)\r\n",
                vec![Err("the section of a FETCH item has no end")],
            ),
            (
                b"* 1 FETCH (BODY[] (a))\r\n",
                vec![Err("a body is neither a string nor NIL")],
            ),
            (
                b"* 1 FETCH (INTERNALDATE \"x)\r\n",
                vec![Err("a quoted string has no end")],
            ),
        ] {
            let shown = String::from_utf8_lossy(wire);
            assert_eq!(items(wire), want, "{shown}");
        }
    }

    #[test]
    fn keywords_of_any_kind_are_kept_or_counted() {
        let wire = b"* 1 FETCH (FLAGS (\\SEEN \\Recent \\* $Fwd {% a* caf\xc3\xa9 caf\xe9 {2}\r\nx] \"q q\" \\X))\r\n";
        let list = FlagList {
            flags: Flags::SEEN,
            keywords: ["$Fwd", "{%", "a*", "café", "x]", "q q"]
                .map(str::to_owned)
                .to_vec(),
            undecodable: 1,
        };
        assert_eq!(items(wire), [Ok(Item::Flags(list))]);
    }

    #[test]
    fn nesting_ten_thousand_deep_is_only_skipped() {
        let deep = format!(
            "* 1 FETCH (X {}{} UID 9)\r\n",
            "(".repeat(10_000),
            ")".repeat(10_000)
        );
        assert_eq!(items(deep.as_bytes()), [uid(9)]);
    }
}
