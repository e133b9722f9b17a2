//! What a folder holds: `UID FETCH 1:*` of flags, dates and sizes.

use super::Talk;
use super::items::{self, FlagList, Item};
use super::reader::{Fault, Response};
use super::reply::Status;
use crate::mail::{Entry, Flags, KeywordSet, KeywordTable, Uid};
use crate::problem::{Problem, Reach};
use crate::source::MessageList;

/// The most responses that are believed of one listing, whatever EXISTS said.
const MESSAGE_LIMIT: usize = 20_000_000;

/// What one response says of a message; what it does not say is `None`.
#[derive(Debug, Clone, Copy, Default)]
struct Partial {
    uid: Option<Uid>,
    flags: Option<(Flags, KeywordSet)>,
    date: Option<Option<i64>>,
    size: Option<Option<u64>>,
}

/// Lists the folder. The inner error is a refusal of the whole.
pub fn list(talk: &mut Talk<'_>, exists: u32) -> Result<Result<MessageList, Problem>, Fault> {
    let mut list = MessageList::default();
    if exists == 0 {
        return Ok(Ok(list));
    }
    // Twice over and some more: flag updates and new mail may come in between.
    let most = (exists as usize)
        .saturating_mul(2)
        .saturating_add(10_000)
        .min(MESSAGE_LIMIT);
    let command = "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)";
    let tags = talk.send(&[command])?;
    let mut partials: Vec<(Uid, Partial)> = Vec::with_capacity(exists.min(1 << 16) as usize);
    let mut expunged = 0u64;
    let reply = loop {
        match talk.next()? {
            Response::Tagged(tag, reply) if tags.contains(&tag) => break reply,
            Response::Tagged(..) => {
                return Err(Fault::Broken("the server answers a command never sent"));
            }
            Response::Fetch => {}
            Response::Expunge => {
                expunged += 1;
                continue;
            }
            _ => {
                talk.reader.unasked()?;
                continue;
            }
        }
        if partials.len() + list.unreadable.len() >= most {
            return Err(Fault::Broken(
                "the server lists more messages than there are",
            ));
        }
        let mut partial = Partial::default();
        let outcome = read_line(talk, &mut partial, &mut list.keywords);
        let is_listing = partial.size.is_some() || partial.date.is_some();
        match (outcome, partial.uid) {
            (Ok(()), Some(uid)) => partials.push((uid, partial)),
            (Ok(()), None) if is_listing => {
                let why = "the server listed it without a UID";
                list.unreadable.push((None, why.to_owned()));
            }
            // A change of flags that someone else made.
            (Ok(()), None) => talk.reader.unasked()?,
            (Err(Fault::Nonsense(why)), Some(uid)) if partial.is_complete() => {
                talk.warnings.add(format!("UID {uid}: {why}"));
                partials.push((uid, partial));
            }
            (Err(Fault::Nonsense(why)), uid) => {
                let why = format!("the server's line about it makes no sense: {why}");
                list.unreadable.push((uid, why));
            }
            (Err(fault), _) => return Err(fault),
        }
    };
    merge(talk, partials, &mut list);
    let told = list.entries.len() as u64 + list.unreadable.len() as u64;
    let missing = u64::from(exists).saturating_sub(told + expunged);
    if reply.status != Status::Ok {
        let problem = reply.refusal("to list the folder's messages", Reach::Folder);
        if list.entries.is_empty() || reply.is_throttling() {
            return Ok(Err(problem));
        }
        talk.warnings.add(problem.to_string());
    }
    if missing > 0 {
        let why = format!(
            "the server left {missing} of {exists} messages out of its listing{}",
            {
                match reply.status {
                    Status::Ok => String::new(),
                    _ => format!(": {}", reply.shown()),
                }
            }
        );
        list.unreadable.push((None, why));
    }
    Ok(Ok(list))
}

impl Partial {
    fn is_complete(&self) -> bool {
        self.flags.is_some() && self.date.is_some() && self.size.is_some()
    }
}

fn read_line(
    talk: &mut Talk<'_>,
    partial: &mut Partial,
    keywords: &mut KeywordTable,
) -> Result<(), Fault> {
    items::open(&mut talk.reader)?;
    while let Some(item) = items::next(&mut talk.reader)? {
        match item {
            Item::Uid(uid) => partial.uid = Some(uid),
            Item::Flags(list) => partial.flags = Some(intern(talk, list, keywords)),
            Item::Date(date) => partial.date = Some(date),
            Item::Size(size) => partial.size = Some(size),
            Item::Attribute(..)
            | Item::Literal(..)
            | Item::Quoted(_)
            | Item::Nil(_)
            | Item::Other => {}
        }
    }
    Ok(())
}

fn intern(talk: &mut Talk<'_>, list: FlagList, keywords: &mut KeywordTable) -> (Flags, KeywordSet) {
    if list.undecodable > 0 {
        let count = list.undecodable;
        talk.warnings.add(format!(
            "{count} keywords of a message are not UTF-8 and are lost"
        ));
    }
    let set = keywords
        .intern(list.keywords.iter().map(String::as_str))
        .unwrap_or_else(|| {
            talk.warnings
                .add("the folder has more keywords than can be kept; a message lost its own");
            KeywordSet::default()
        });
    (list.flags, set)
}

/// Makes one entry of all that was said of each UID, the later word before the earlier.
fn merge(talk: &mut Talk<'_>, mut partials: Vec<(Uid, Partial)>, list: &mut MessageList) {
    partials.sort_by_key(|(uid, _)| *uid);
    for same in partials.chunk_by(|(one, _), (other, _)| one == other) {
        let mut whole = Partial::default();
        for (_, partial) in same {
            whole = Partial {
                uid: partial.uid,
                flags: partial.flags.or(whole.flags),
                date: partial.date.or(whole.date),
                size: partial.size.or(whole.size),
            };
        }
        let Some(uid) = whole.uid else { continue };
        if whole.flags.is_none() {
            talk.warnings
                .add(format!("UID {uid}: the server listed no flags"));
        }
        let (flags, keywords) = whole.flags.unwrap_or_default();
        list.entries.push(Entry {
            uid,
            flags,
            keywords,
            internal_date: whole.date.flatten(),
            size: whole.size.flatten().unwrap_or(0),
        });
    }
    // A line that made no sense and another for the same message that did.
    list.unreadable.retain(|(uid, _)| {
        uid.is_none_or(|uid| {
            list.entries
                .binary_search_by_key(&uid, |entry| entry.uid)
                .is_err()
        })
    });
}
