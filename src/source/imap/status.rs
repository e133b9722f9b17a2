//! By what a folder is seen to be unchanged: STATUS, for each folder or with LIST (RFC 5819).

use std::collections::{HashMap, VecDeque};
use std::io::BufRead;

use super::Talk;
use super::examine::quoted;
use super::extensions::Extensions;
use super::reader::{Fault, Reader, Response, Token, number};
use super::reply::Status;
use crate::mail::UidValidity;
use crate::source::{ListedFolder, Marks};

/// Commands under way.
const IN_FLIGHT: usize = 32;

/// The most bytes of names that are kept; of a folder beyond that there are no marks.
const NAMES_LIMIT: usize = 32 << 20;

/// The marks of folders, by their names on the wire.
#[derive(Debug, Default)]
pub struct MarksByName {
    by_name: HashMap<Vec<u8>, Marks>,
    octets: usize,
}

impl MarksByName {
    /// Reads what follows the word STATUS. Nonsense is a warning.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn take(&mut self, talk: &mut Talk<'_>) -> Result<(), Fault> {
        match parse(&mut talk.reader) {
            Ok((name, marks)) => {
                self.octets += name.len();
                if self.octets <= NAMES_LIMIT {
                    self.by_name.insert(folded(&name), marks);
                }
            }
            Err(Fault::Nonsense(why)) => talk.warnings.add(format!("STATUS: {why}")),
            Err(fault) => return Err(fault),
        }
        talk.reader.unasked()
    }

    /// The marks of the folder `name`, once.
    pub fn remove(&mut self, name: &str) -> Option<Marks> {
        self.by_name.remove(&folded(name.as_bytes()))
    }
}

/// INBOX has no case.
fn folded(name: &[u8]) -> Vec<u8> {
    match name.eq_ignore_ascii_case(b"INBOX") {
        true => b"INBOX".to_vec(),
        false => name.to_vec(),
    }
}

/// The LIST command, `with_marks` where those can be told with it. Where one thing is asked for, all have
/// to be: what plain LIST may tell unasked it then does not.
pub fn list_command(extensions: Extensions, with_marks: bool) -> String {
    let mut options = Vec::new();
    if extensions.special_use {
        options.push("SPECIAL-USE".to_owned());
    }
    if extensions.list_status && with_marks {
        options.push(format!("STATUS {}", status_items(extensions)));
    }
    match options.is_empty() {
        true => "LIST \"\" \"*\"".to_owned(),
        false => format!("LIST \"\" \"*\" RETURN ({})", options.join(" ")),
    }
}

/// Takes back the last thing that [`list_command`] asked for, which the server refused. False where it was
/// plain LIST.
pub fn ask_less(extensions: &mut Extensions, with_marks: bool) -> bool {
    let last = match extensions.list_status && with_marks {
        true => &mut extensions.list_status,
        false => &mut extensions.special_use,
    };
    std::mem::take(last)
}

/// The marks of each of `folders`; `None` for one that the server refuses, for all that are left
/// where it does not know the command.
pub fn ask(talk: &mut Talk<'_>, folders: &[&ListedFolder]) -> Result<Vec<Option<Marks>>, Fault> {
    let items = status_items(*talk.extensions);
    let mut marks: Vec<Option<Marks>> = folders.iter().map(|_| None).collect();
    let mut told = MarksByName::default();
    let mut flight: VecDeque<(String, usize)> = VecDeque::new();
    let mut left = folders.iter().enumerate();
    let mut go_on = true;
    loop {
        let (mut commands, mut asked) = (Vec::new(), Vec::new());
        while go_on
            && flight.len() + commands.len() < IN_FLIGHT
            && let Some((at, folder)) = left.next()
        {
            if folder.selectable
                && let Some(name) = quoted(&folder.wire_name)
            {
                commands.push(format!("STATUS {name} {items}"));
                asked.push(at);
            }
        }
        if !commands.is_empty() {
            let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
            let tags = talk.send(&commands)?;
            flight.extend(tags.into_iter().zip(asked));
        }
        if flight.is_empty() {
            return Ok(marks);
        }
        match talk.next()? {
            Response::Tagged(tag, reply) => {
                let open = flight.iter().position(|(sent, _)| *sent == tag);
                let (_, at) = open
                    .and_then(|open| flight.remove(open))
                    .ok_or_else(Fault::never_sent)?;
                if reply.status == Status::Ok {
                    marks[at] = told.remove(&folders[at].wire_name);
                } else {
                    let path = &folders[at].path;
                    talk.warnings
                        .add(format!("STATUS of {path}: {}", reply.shown()));
                    // Of commands that they do not understand servers hear only so many.
                    go_on &= reply.status == Status::No && !reply.is_throttling();
                }
            }
            Response::Data if talk.reader.text().eq_ignore_ascii_case(b"STATUS") => {
                told.take(talk)?;
            }
            _ => talk.reader.unasked()?,
        }
    }
}

/// The list of what to ask for. Not MAILBOXID: where its id should be, Cyrus 3.6.1 sends bytes of freed
/// memory, which may be anything, a line end too. In EXAMINE it is right.
fn status_items(extensions: Extensions) -> String {
    let mut items = "(MESSAGES UIDNEXT UIDVALIDITY".to_owned();
    if extensions.condstore {
        items.push_str(" HIGHESTMODSEQ");
    }
    items.push(')');
    items
}

/// A folder's name and its marks. A value that makes no sense is `None`.
fn parse<R: BufRead>(reader: &mut Reader<R>) -> Result<(Vec<u8>, Marks), Fault> {
    reader.name_before_list()?;
    let name = reader.text().to_vec();
    if reader.token()? != Token::Open {
        return Err(Fault::Nonsense("it has no list of items"));
    }
    let mut marks = Marks::default();
    loop {
        match reader.token()? {
            Token::Close => return Ok((name, marks)),
            Token::Atom | Token::Quoted => {}
            _ => return Err(Fault::Nonsense("its items are no flat list")),
        }
        let item = reader.text().to_ascii_uppercase();
        match item.as_slice() {
            b"MESSAGES" => marks.messages = small(reader)?,
            b"UIDNEXT" => marks.uid_next = small(reader)?,
            b"UIDVALIDITY" => marks.uid_validity = small(reader)?.and_then(UidValidity::new),
            // 0 where the folder has none (RFC 7162 section 3.1.2.2).
            b"HIGHESTMODSEQ" => marks.highest_modseq = value(reader)?.filter(|modseq| *modseq > 0),
            _ => reader.skip_value()?,
        }
    }
}

fn value<R: BufRead>(reader: &mut Reader<R>) -> Result<Option<u64>, Fault> {
    Ok(match reader.nstring()? {
        true => number(reader.text()),
        false => None,
    })
}

fn small<R: BufRead>(reader: &mut Reader<R>) -> Result<Option<u32>, Fault> {
    Ok(value(reader)?.and_then(|value| u32::try_from(value).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_asked_for_what_is_offered_and_then_for_less() {
        let mut extensions = Extensions {
            condstore: true,
            list_status: true,
            special_use: true,
            ..Extensions::default()
        };
        for want in [
            "LIST \"\" \"*\" RETURN (SPECIAL-USE STATUS \
             (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))",
            "LIST \"\" \"*\" RETURN (SPECIAL-USE)",
            "LIST \"\" \"*\"",
        ] {
            assert_eq!(list_command(extensions, true), want);
            assert_eq!(ask_less(&mut extensions, true), want.contains("RETURN"));
        }
        extensions.list_status = true;
        extensions.condstore = false;
        let want = "LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY))";
        assert_eq!(list_command(extensions, true), want);
        assert_eq!(list_command(extensions, false), "LIST \"\" \"*\"");
    }

    #[test]
    fn marks_of_odd_servers() {
        let marks = |validity, next, messages, modseq| Marks {
            uid_validity: UidValidity::new(validity),
            uid_next: next,
            messages,
            highest_modseq: modseq,
        };
        for (line, want) in [
            (
                "STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 UIDVALIDITY 7)",
                Ok(("blurdybloop", marks(7, Some(44292), Some(231), None))),
            ),
            (
                "STATUS \"a (b)\" (highestmodseq 7011231777 messages 0 X-NEW (a (b)))",
                Ok(("a (b)", marks(0, None, Some(0), Some(7_011_231_777)))),
            ),
            (
                "STATUS {5}\r\na (b) (UIDVALIDITY 0 HIGHESTMODSEQ 0)",
                Ok(("a (b)", marks(0, None, None, None))),
            ),
            (
                "STATUS Sent Items (UIDNEXT 4294967296 MESSAGES x UIDVALIDITY NIL)",
                Ok(("Sent Items", marks(0, None, None, None))),
            ),
            (
                "STATUS nil (MAILBOXID (a\x1bb) MESSAGES 1)",
                Ok(("nil", marks(0, None, Some(1), None))),
            ),
            ("STATUS x ()", Ok(("x", Marks::default()))),
            // Which list is which cannot be told.
            ("STATUS Sent (x) (MESSAGES 3)", Err(())),
            ("STATUS x", Err(())),
            ("STATUS \"x\"", Err(())),
            ("STATUS", Err(())),
            ("STATUS (MESSAGES 3)", Err(())),
            ("STATUS x (MESSAGES)", Err(())),
            ("STATUS x (MESSAGES 3", Err(())),
            ("STATUS x (MESSAGES (3))", Err(())),
        ] {
            let wire = format!("* {line}\r\n");
            let mut reader = Reader::new(wire.as_bytes());
            reader.next().unwrap();
            let got = match parse(&mut reader) {
                Ok(told) => Ok(told),
                Err(Fault::Nonsense(_)) => Err(()),
                Err(fault) => panic!("{fault:?}"),
            };
            let want = want.map(|(name, marks)| (name.as_bytes().to_vec(), marks));
            assert_eq!(got, want, "{line}");
        }
    }
}
