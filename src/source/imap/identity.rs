//! Which software a server says that it is: ID (RFC 2971).

use std::io::BufRead;

use super::Talk;
use super::reader::{Fault, Reader, Response, Token};
use crate::text::printable_bytes;

/// The most fields that are looked at; RFC 2971 section 3.3 allows 30.
const FIELDS: usize = 30;
/// The most characters kept of each value.
const LENGTH: usize = 80;

/// Name and version, as far as the server tells; `None` where it tells neither. We tell nothing of
/// ourselves (`NIL`).
pub fn ask(talk: &mut Talk<'_>) -> Result<Option<String>, Fault> {
    let tags = talk.send(&["ID NIL"])?;
    let mut told = None;
    loop {
        match talk.next()? {
            Response::Tagged(tag, _) if tags.contains(&tag) => return Ok(told),
            Response::Tagged(..) => {
                return Err(Fault::never_sent());
            }
            Response::Data if talk.reader.text().eq_ignore_ascii_case(b"ID") => {
                match parse(&mut talk.reader) {
                    Ok(software) => told = software,
                    Err(Fault::Nonsense(why)) => talk.warnings.add(format!("ID: {why}")),
                    Err(fault) => return Err(fault),
                }
            }
            _ => talk.reader.unasked()?,
        }
    }
}

fn parse<R: BufRead>(reader: &mut Reader<R>) -> Result<Option<String>, Fault> {
    if reader.token()? != Token::Open {
        // NIL: it does not say.
        return Ok(None);
    }
    let (mut name, mut version) = (None, None);
    for _ in 0..FIELDS {
        match reader.token()? {
            Token::Atom | Token::Quoted => {}
            Token::Literal(_) => reader.short_literal()?,
            Token::Open | Token::Close | Token::End => break,
        }
        let field = reader.text().to_ascii_lowercase();
        let value = reader
            .nstring()?
            .then(|| printable_bytes(reader.text(), LENGTH))
            .filter(|value| !value.is_empty());
        match field.as_slice() {
            b"name" => name = value,
            b"version" => version = value,
            _ => {}
        }
    }
    Ok(match (name, version) {
        (Some(name), Some(version)) => Some(format!("{name} {version}")),
        (name, version) => name.or(version),
    })
}
