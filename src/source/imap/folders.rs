//! NAMESPACE, LIST and LSUB, and from the server's names to paths.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;

use super::ahead::Question;
use super::reader::{Fault, Response, Token};
use super::reply::{Reply, Status};
use super::status::{self, MarksByName};
use super::{Reader, Talk};
use crate::mail::FolderPath;
use crate::mutf7;
use crate::problem::{Problem, Reach};
use crate::source::{FolderList, ListedFolder, SpecialUse};
use crate::text::printable_bytes;

/// The most folders that are believed of one user.
const FOLDER_LIMIT: usize = 100_000;
/// The most bytes that the names of all of them may take.
const NAMES_LIMIT: usize = 32 << 20;
/// The most characters of a name in a report.
const SHOWN_LENGTH: usize = 300;

/// A line of LIST or LSUB.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    name: Vec<u8>,
    delimiter: Option<u8>,
    selectable: bool,
    /// It says \Noselect, in so many words.
    noselect: bool,
    special_use: Option<SpecialUse>,
}

/// The prefixes of NAMESPACE (RFC 2342).
#[derive(Debug, Default, PartialEq, Eq)]
struct Namespaces {
    personal: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
}

/// What the server has told.
#[derive(Debug, Default)]
struct Told {
    listed: Vec<Listed>,
    subscribed: Vec<Listed>,
    /// Lines that make no sense, printable.
    unreadable: Vec<String>,
    /// Of all names.
    octets: usize,
    namespaces: Namespaces,
    marks: MarksByName,
}

/// Asks for everything in one write, and sorts the answers. The inner error is the refusal of
/// LIST; that of NAMESPACE or LSUB is a warning. `then` is what is going to be asked next, and is asked
/// ahead.
pub fn list(
    talk: &mut Talk<'_>,
    has_namespaces: bool,
    with_marks: bool,
    then: Vec<Question>,
) -> Result<Result<FolderList, Problem>, Fault> {
    let list_command = status::list_command(*talk.extensions, with_marks);
    let mut commands = vec![list_command.as_str(), "LSUB \"\" \"*\""];
    if has_namespaces {
        commands.push("NAMESPACE");
    }
    if !then.is_empty() {
        let own = commands.iter().map(|it| Question::short((*it).to_owned()));
        talk.ahead.expect(own.chain(then).collect());
    }
    let (told, replies) = ask(talk, &commands)?;
    let mut subscriptions_refused = false;
    for (command, reply) in commands.iter().zip(&replies) {
        if reply.status == Status::Ok {
            continue;
        }
        let problem = reply.refusal(command, Reach::User);
        if command.starts_with("LIST") {
            // Perhaps for the sake of one folder, perhaps it never works.
            if status::ask_less(talk.extensions, with_marks) {
                talk.warnings.add(problem.to_string());
                return list(talk, has_namespaces, with_marks, Vec::new());
            }
            return Ok(Err(problem));
        }
        subscriptions_refused |= command.starts_with("LSUB");
        talk.warnings.add(problem.to_string());
    }
    let Told {
        listed,
        subscribed,
        mut unreadable,
        namespaces,
        mut marks,
        ..
    } = told;
    let mut list = sort(listed, subscribed, &namespaces);
    list.subscriptions_refused = subscriptions_refused;
    list.unusable.append(&mut unreadable);
    for folder in list.folders.iter_mut().filter(|folder| folder.selectable) {
        folder.marks = marks.remove(&folder.wire_name);
    }
    Ok(Ok(list))
}

/// Sends `commands` and reads all that the server tells, and its reply to each of them.
fn ask(talk: &mut Talk<'_>, commands: &[&str]) -> Result<(Told, Vec<Reply>), Fault> {
    let tags = talk.send(commands)?;
    let mut told = Told::default();
    // A server may work on what was asked ahead before it has listed all: its answers are not told
    // apart from those to LIST, and it is asked again.
    let mut are_mixed = false;
    let mut replies: Vec<Option<Reply>> = commands.iter().map(|_| None).collect();
    while replies.iter().any(Option::is_none) {
        let is_of_folders = match talk.hear()? {
            // Words for people.
            Response::Status(reply) if reply.code().is_none() => true,
            Response::Tagged(tag, reply) => {
                let slot = tags.iter().position(|sent| *sent == tag);
                match slot.and_then(|at| replies.get_mut(at)) {
                    Some(open @ None) => *open = Some(reply),
                    None if talk.ahead.has_overtaken(&tag) => are_mixed = true,
                    _ => return Err(Fault::never_sent()),
                }
                continue;
            }
            Response::Data => match talk.reader.text().to_ascii_uppercase().as_slice() {
                word @ (b"LIST" | b"LSUB") => {
                    told.take_line(talk, word == b"LSUB")?;
                    continue;
                }
                b"STATUS" => {
                    told.marks.take(talk)?;
                    continue;
                }
                b"NAMESPACE" => {
                    told.take_namespaces(talk)?;
                    true
                }
                _ => false,
            },
            _ => false,
        };
        are_mixed |= !is_of_folders && talk.ahead.is_under_way();
        talk.reader.unasked()?;
    }
    if are_mixed {
        talk.ahead.stumbled();
        talk.give_up_asked()?;
    }
    Ok((told, replies.into_iter().flatten().collect()))
}

impl Told {
    /// Reads what follows the word LIST, or LSUB where it `is_subscription`.
    fn take_line(&mut self, talk: &mut Talk<'_>, is_subscription: bool) -> Result<(), Fault> {
        let lines = match is_subscription {
            true => &mut self.subscribed,
            false => &mut self.listed,
        };
        if lines.len() >= FOLDER_LIMIT {
            return Err(Fault::Broken(
                "the server lists more folders than anyone has",
            ));
        }
        let line = parse_listed(&mut talk.reader);
        self.octets += line.as_ref().map_or(0, |line| line.name.len());
        if self.octets > NAMES_LIMIT {
            return Err(Fault::Broken(
                "the server lists longer names of folders than anyone has",
            ));
        }
        match line {
            // A parent of subscribed folders, not subscribed itself (RFC 3501 section 6.3.9): Courier
            // shows such for LSUB "" "*" too.
            Ok(line) if line.noselect && is_subscription => talk.reader.unasked()?,
            Ok(line) => lines.push(line),
            Err(Fault::Nonsense(why)) => {
                talk.reader.unasked()?;
                talk.warnings.add(format!("a folder's line: {why}"));
                let shown = printable_bytes(talk.reader.line(), SHOWN_LENGTH);
                self.unreadable.push(shown);
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Reads what follows the word NAMESPACE. Nonsense is a warning.
    fn take_namespaces(&mut self, talk: &mut Talk<'_>) -> Result<(), Fault> {
        match parse_namespaces(&mut talk.reader) {
            Ok(namespaces) => self.namespaces = namespaces,
            Err(Fault::Nonsense(why)) => talk.warnings.add(format!("NAMESPACE: {why}")),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }
}

fn parse_listed<R: std::io::BufRead>(reader: &mut Reader<R>) -> Result<Listed, Fault> {
    let (mut noselect, mut nonexistent, mut special_use) = (false, false, None);
    match reader.token()? {
        Token::Open => loop {
            match reader.token()? {
                Token::Close => break,
                Token::Atom | Token::Quoted => {
                    let name = reader.text();
                    let name = name.strip_prefix(b"\\").unwrap_or(name);
                    noselect |= name.eq_ignore_ascii_case(b"Noselect");
                    nonexistent |= name.eq_ignore_ascii_case(b"NonExistent");
                    special_use = special_use.or_else(|| SpecialUse::parse(name));
                }
                Token::Literal(_) => reader.short_literal()?,
                Token::Open | Token::End => {
                    return Err(Fault::Nonsense("its attributes are no flat list"));
                }
            }
        },
        Token::Atom if reader.text().eq_ignore_ascii_case(b"NIL") => {}
        _ => return Err(Fault::Nonsense("it has no attributes")),
    }
    let delimiter = match reader.nstring()? {
        true => reader.text().first().copied(),
        false => None,
    };
    reader.folder_name()?;
    Ok(Listed {
        name: reader.text().to_vec(),
        delimiter,
        selectable: !noselect && !nonexistent,
        noselect,
        special_use,
    })
}

fn parse_namespaces<R: std::io::BufRead>(reader: &mut Reader<R>) -> Result<Namespaces, Fault> {
    let mut namespaces = Namespaces::default();
    for class in 0..3 {
        match reader.token()? {
            Token::Open => {}
            Token::Atom if reader.text().eq_ignore_ascii_case(b"NIL") => continue,
            _ => return Err(Fault::Nonsense("a class of namespaces is no list")),
        }
        loop {
            match reader.token()? {
                Token::Close => break,
                Token::Open => {}
                _ => return Err(Fault::Nonsense("a namespace is no list")),
            }
            let prefix = match reader.nstring()? {
                true => reader.text().to_vec(),
                false => Vec::new(),
            };
            if class == 0 {
                namespaces.personal.push(prefix);
            } else {
                namespaces.others.push(prefix);
            }
            // The delimiter, which each LIST line tells again, and extensions in pairs.
            let mut depth = 1u32;
            while depth > 0 {
                match reader.token()? {
                    Token::Open => depth += 1,
                    Token::Close => depth -= 1,
                    Token::End => return Err(Fault::Nonsense("a namespace has no end")),
                    Token::Atom | Token::Quoted | Token::Literal(_) => {}
                }
            }
        }
    }
    Ok(namespaces)
}

fn sort(listed: Vec<Listed>, subscribed: Vec<Listed>, namespaces: &Namespaces) -> FolderList {
    let mut list = FolderList::default();
    let mut seen = HashSet::new();
    for line in listed {
        let shown = || printable_bytes(&line.name, SHOWN_LENGTH);
        match locate(&line.name, line.delimiter, namespaces) {
            Place::Here(mut folder) => {
                let is_inbox = folder.path.is_inbox();
                // Whatever the server says of it: INBOX can be opened (RFC 3501 section 5.1).
                folder.selectable = is_inbox || line.selectable;
                folder.special_use = line.special_use;
                let key = if is_inbox {
                    "INBOX"
                } else {
                    folder.wire_name.as_str()
                };
                if seen.insert(key.to_owned()) {
                    list.folders.push(folder);
                }
            }
            Place::Root if line.selectable => list.unusable.push(shown()),
            Place::Root => {}
            Place::Elsewhere => list.foreign.push(shown()),
            Place::Nowhere => list.unusable.push(shown()),
        }
    }
    if !seen.contains("INBOX") {
        let inbox = ListedFolder {
            wire_name: "INBOX".to_owned(),
            path: FolderPath::inbox(),
            selectable: true,
            special_use: None,
            repaired: false,
            marks: None,
        };
        list.folders.insert(0, inbox);
    }
    let mut seen = HashSet::new();
    for line in subscribed {
        if let Place::Here(folder) = locate(&line.name, line.delimiter, namespaces)
            && seen.insert(folder.path.clone())
        {
            list.subscribed.push(folder.path);
        }
    }
    list
}

/// Where a name belongs.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In the personal namespace.
    Here(ListedFolder),
    /// It is the personal namespace's root itself.
    Root,
    /// In another namespace.
    Elsewhere,
    /// It cannot be asked for, or is no path.
    Nowhere,
}

/// The place of `name`, by the longest prefix that it has. Only the first personal prefix is taken
/// off: with two of them, `a` of one and `a` of the other are different folders.
fn locate(name: &[u8], delimiter: Option<u8>, namespaces: &Namespaces) -> Place {
    let Ok(text) = str::from_utf8(name) else {
        return Place::Nowhere;
    };
    if text.is_empty() || text.contains(['\0', '\r', '\n']) {
        return Place::Nowhere;
    }
    let listed = |path, repaired| {
        Place::Here(ListedFolder {
            wire_name: text.to_owned(),
            path,
            selectable: true,
            special_use: None,
            repaired,
            marks: None,
        })
    };
    if text.eq_ignore_ascii_case("INBOX") {
        return listed(FolderPath::inbox(), false);
    }
    let longest = |prefixes: &[Vec<u8>]| {
        prefixes
            .iter()
            .filter_map(|prefix| after_prefix(name, prefix, delimiter).map(|_| prefix.len()))
            .max()
    };
    if longest(&namespaces.others) > longest(&namespaces.personal) {
        return Place::Elsewhere;
    }
    let mut rest = namespaces
        .personal
        .first()
        .and_then(|prefix| after_prefix(name, prefix, delimiter))
        .unwrap_or(name);
    if rest.is_empty() {
        return Place::Root;
    }
    if rest.eq_ignore_ascii_case(b"INBOX") {
        // INBOX.INBOX is a folder beside INBOX, not INBOX.
        rest = name;
    }
    let parts: Vec<&[u8]> = match delimiter {
        Some(delimiter) => rest
            .strip_suffix(&[delimiter])
            .unwrap_or(rest)
            .split(|byte| *byte == delimiter)
            .collect(),
        None => vec![rest],
    };
    let mut repaired = false;
    let mut path = Vec::with_capacity(parts.len());
    for part in parts {
        if part.is_empty() {
            return Place::Nowhere;
        }
        let decoded = mutf7::decode(part).or_else(|_| {
            repaired = true;
            str::from_utf8(part).map(str::to_owned)
        });
        match decoded {
            // NUL can hide in the encoding.
            Ok(part) if !part.contains('\0') => path.push(part.nfc().collect()),
            _ => return Place::Nowhere,
        }
    }
    listed(FolderPath::new(path), repaired)
}

/// What follows `prefix` in `name`; empty where `name` is the prefix, with or without the
/// delimiter at its end.
fn after_prefix<'n>(name: &'n [u8], prefix: &[u8], delimiter: Option<u8>) -> Option<&'n [u8]> {
    let bare = match delimiter {
        Some(delimiter) => prefix.strip_suffix(&[delimiter]).unwrap_or(prefix),
        None => prefix,
    };
    let (start, rest) = name.split_at_checked(bare.len())?;
    // INBOX has no case, as a prefix neither.
    let inbox = bare.len().min(5);
    let same = start == bare
        || (bare[..inbox].eq_ignore_ascii_case(b"INBOX")
            && start[..inbox].eq_ignore_ascii_case(b"INBOX")
            && start[inbox..] == bare[inbox..]);
    if !same {
        return None;
    }
    match (rest.split_first(), delimiter) {
        (None, _) => Some(rest),
        _ if bare.is_empty() && bare.len() == prefix.len() => Some(rest),
        (Some((first, rest)), Some(delimiter)) if *first == delimiter => Some(rest),
        (Some(_), None) => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_place() {
        let spaces = |wire: &str| {
            let wire = format!("* NAMESPACE {wire}\r\n");
            let mut reader = Reader::new(wire.as_bytes());
            reader.next().unwrap();
            parse_namespaces(&mut reader).unwrap()
        };
        let flat = "NIL NIL NIL";
        let plain = r#"(("" "/")) NIL NIL"#;
        let courier = r##"(("INBOX." ".")) NIL (("#shared." "."))"##;
        let cyrus = r#"(("INBOX." ".")) (("user." ".")) (("" "."))"#;
        let dovecot = r#"(("" "/" "X-PARAM" ("a" "b"))("Old/" "/")) (("Users/" "/")) (({7}
Shared/ "/"))"#
            .replace('\n', "\r\n");
        let mail = r#"(("Mail/" "/")) NIL NIL"#;
        for (namespaces, name, delimiter, want) in [
            (flat, &b"INBOX.a"[..], Some(b'.'), "INBOX|a"),
            (flat, b"inBox", None, "INBOX"),
            (flat, b"a.b/c", None, "a.b/c"),
            (flat, b"&AOk-/e&AwE-", Some(b'/'), "é|é"),
            (flat, b"&AOk-/A&AwE-", Some(b'/'), "é|Á"),
            (flat, b"Tom & J/&AOk-", Some(b'/'), "Tom & J|é !"),
            (flat, b"&AGE-", Some(b'/'), "&AGE- !"),
            (flat, b"a\\b", Some(b'\\'), "a|b"),
            (flat, b"../x", Some(b'/'), "..|x"),
            (flat, b"a/", Some(b'/'), "a"),
            (flat, b"/a", Some(b'/'), "nowhere"),
            (flat, b"a//b", Some(b'/'), "nowhere"),
            (flat, b"/", Some(b'/'), "nowhere"),
            (flat, b"", Some(b'/'), "nowhere"),
            (flat, b"a\0b", None, "nowhere"),
            (flat, b"a\r\nb", None, "nowhere"),
            (flat, b"&AAA-", None, "nowhere"),
            (flat, b"caf\xe9", None, "nowhere"),
            (plain, b"INBOX/a", Some(b'/'), "INBOX|a"),
            (courier, b"INBOX", Some(b'.'), "INBOX"),
            (courier, b"INBOX.", Some(b'.'), "root"),
            (courier, b"inbox.Sent", Some(b'.'), "Sent"),
            (courier, b"INBOX.INBOX", Some(b'.'), "INBOX|INBOX"),
            (courier, b"INBOX.INBOX.a", Some(b'.'), "INBOX|a"),
            (courier, b"INBOXES", Some(b'.'), "INBOXES"),
            (courier, b"#shared.x", Some(b'.'), "elsewhere"),
            (courier, b"#shared", Some(b'.'), "elsewhere"),
            (courier, b"#sharedx", Some(b'.'), "#sharedx"),
            (cyrus, b"INBOX.a", Some(b'.'), "a"),
            (cyrus, b"user.bob", Some(b'.'), "elsewhere"),
            (cyrus, b"public", Some(b'.'), "elsewhere"),
            (&dovecot, b"Shared/x", Some(b'/'), "elsewhere"),
            (&dovecot, b"Users", Some(b'/'), "elsewhere"),
            (&dovecot, b"Old/x", Some(b'/'), "Old|x"),
            (&dovecot, b"x", Some(b'/'), "x"),
            (mail, b"Mail/x/y", Some(b'/'), "x|y"),
            (mail, b"Mail", Some(b'/'), "root"),
            (mail, b"mail/x", Some(b'/'), "mail|x"),
            (mail, b"Mailbox", Some(b'/'), "Mailbox"),
        ] {
            let got = match locate(name, delimiter, &spaces(namespaces)) {
                Place::Here(folder) => {
                    assert_eq!(folder.wire_name.as_bytes(), name);
                    let repaired = if folder.repaired { " !" } else { "" };
                    folder.path.parts().join("|") + repaired
                }
                Place::Root => "root".to_owned(),
                Place::Elsewhere => "elsewhere".to_owned(),
                Place::Nowhere => "nowhere".to_owned(),
            };
            let shown = String::from_utf8_lossy(name);
            assert_eq!(got, want, "{shown} in {namespaces}");
        }
    }
}
