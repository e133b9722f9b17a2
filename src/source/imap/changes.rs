//! What has become of a folder since it was seen last, with as little talk as the server allows.
//!
//! Three ways, the first that can be trusted:
//!
//! | way | flags | what is gone |
//! | --- | --- | --- |
//! | QRESYNC | with EXAMINE | VANISHED, with EXAMINE |
//! | CONDSTORE | FETCH CHANGEDSINCE | SEARCH, unless EXISTS says that nothing is |
//! | neither | FETCH of all flags | what that does not list |
//!
//! New messages are fetched with all details in each of them. All that has to be asked after
//! EXAMINE goes in one write. In the end the sum has to close against EXISTS; where it does not,
//! nothing is believed.

use super::Talk;
use super::examine::{self, Opened};
use super::extensions::{Extensions, Qresync};
use super::gather::Partial;
use super::heard::Heard;
use super::listing::DETAILS;
use super::reader::{Fault, Response};
use super::reply::Status;
use crate::mail::{Uid, UidSet};
use crate::problem::{Problem, Reach};
use crate::source::{Changes, Examined, Marks, News, Since};

/// How the known messages are asked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Qresync,
    Condstore,
    Plain,
}

/// What is asked after EXAMINE.
#[derive(Debug, PartialEq, Eq)]
struct Questions {
    commands: Vec<String>,
    /// SEARCH is among them.
    searches: bool,
}

/// Opens the folder `name` and asks for the changes. The inner error is a refusal of the folder.
pub fn ask(
    talk: &mut Talk<'_>,
    name: &str,
    since: &Since<'_>,
) -> Result<Result<(Examined, News), Problem>, Fault> {
    talk.reader.expect_uids(since.known.len());
    let mut heard = Heard::new(since.known);
    let opened = match examine::open(talk, name, Some(since), &mut heard)? {
        Ok(opened) => opened,
        Err(problem) => return Ok(Err(problem)),
    };
    let news = match doubt(&opened.examined, since) {
        Some(why) => News::Unsure(why),
        None => match settle(talk, &opened, since, &mut heard)? {
            Ok(news) => news,
            Err(problem) => return Ok(Err(problem)),
        },
    };
    let mut examined = opened.examined;
    examined.exists = heard.exists.unwrap_or(examined.exists);
    Ok(Ok((examined, news)))
}

/// What [`ask`] asks after EXAMINE of a folder that has these marks, to be asked ahead.
pub fn commands(extensions: &Extensions, since: &Since<'_>, marks: &Marks) -> Vec<String> {
    let examined = Examined {
        uid_validity: marks.uid_validity,
        uid_next: marks.uid_next,
        exists: marks.messages.unwrap_or(0),
        highest_modseq: marks.highest_modseq,
        mailbox_id: None,
    };
    if doubt(&examined, since).is_some() {
        return Vec::new();
    }
    let resynced = extensions.qresync != Qresync::Absent && examine::resync(since).is_some();
    let opened = Opened { examined, resynced };
    let way = way(&opened, since, extensions.condstore);
    questions(way, &opened.examined, since, extensions.esearch).commands
}

/// Why the folder is not the one that was seen last.
fn doubt(examined: &Examined, since: &Since<'_>) -> Option<&'static str> {
    if examined.uid_validity.is_none() {
        return Some("the server gives no UIDVALIDITY");
    }
    if examined.uid_validity != Some(since.uid_validity) {
        return Some("the folder has another UIDVALIDITY");
    }
    let went_back = examined.uid_next.is_some_and(|next| next < since.uid_next);
    went_back.then_some("the folder's UIDNEXT has gone back")
}

/// Asks what EXAMINE has left open, and draws the sum. The inner error is a refusal.
fn settle(
    talk: &mut Talk<'_>,
    opened: &Opened,
    since: &Since<'_>,
    heard: &mut Heard<'_>,
) -> Result<Result<News, Problem>, Fault> {
    let examined = &opened.examined;
    let way = way(opened, since, talk.extensions.condstore);
    let Questions { commands, searches } = questions(way, examined, since, talk.extensions.esearch);
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let mut tags = match commands.is_empty() {
        true => Vec::new(),
        false => talk.send(&commands)?,
    };
    let (mut throttled, mut refused) = (None, false);
    while !tags.is_empty() {
        match talk.hear()? {
            Response::Tagged(tag, reply) => {
                let at = tags.iter().position(|sent| *sent == tag);
                tags.remove(at.ok_or_else(Fault::never_sent)?);
                if reply.status != Status::Ok {
                    let problem = reply.refusal("to tell the changes", Reach::Folder);
                    if reply.is_throttling() {
                        throttled = Some(problem);
                    } else {
                        talk.warnings.add(problem.to_string());
                        refused = true;
                    }
                }
            }
            response => heard.take(talk, response)?,
        }
    }
    if let Some(problem) = throttled {
        return Ok(Err(problem));
    }
    if refused {
        return Ok(Ok(News::Unsure("the server refused to tell the changes")));
    }
    let gone = match way {
        // What is not there needs no name.
        _ if examined.exists == 0 => Gone::All,
        Way::Condstore if searches => Gone::NotFound,
        Way::Plain => Gone::NotListed,
        Way::Qresync | Way::Condstore => Gone::Named,
    };
    Ok(Ok(sum(talk, since, heard, gone)))
}

/// The way to trust.
fn way(opened: &Opened, since: &Since<'_>, condstore: bool) -> Way {
    // A count that has gone back is a server restored from a backup: it knows of no changes since.
    let counts = match (opened.examined.highest_modseq, since.highest_modseq) {
        (Some(now), Some(then)) => then > 0 && now >= then,
        _ => false,
    };
    match counts {
        true if opened.resynced => Way::Qresync,
        true if condstore => Way::Condstore,
        _ => Way::Plain,
    }
}

/// From which UID on messages are fresh; `None` where no UID is left for any.
fn fresh_from(since: &Since<'_>) -> Option<u32> {
    let next = match since.known.last() {
        Some(last) => last.value().checked_add(1)?,
        None => 1,
    };
    Some(next.max(since.uid_next))
}

fn questions(way: Way, examined: &Examined, since: &Since<'_>, esearch: bool) -> Questions {
    let (mut commands, mut searches) = (Vec::new(), false);
    if examined.exists == 0 {
        return Questions { commands, searches };
    }
    let fresh = fresh_from(since).filter(|from| examined.uid_next.is_none_or(|next| next > *from));
    let all_there = fresh.is_none() && u64::from(examined.exists) == since.known.len();
    if let (Some(first), Some(last)) = (since.known.first(), since.known.last()) {
        match (way, since.highest_modseq) {
            (Way::Plain, _) => commands.push(format!("UID FETCH {first}:{last} (UID FLAGS)")),
            (Way::Condstore, Some(modseq)) => {
                if examined.highest_modseq != since.highest_modseq {
                    commands.push(format!(
                        "UID FETCH {first}:{last} (UID FLAGS) (CHANGEDSINCE {modseq})"
                    ));
                }
                searches = !all_there;
            }
            (Way::Condstore | Way::Qresync, _) => {}
        }
        if searches {
            let briefly = if esearch { "RETURN (ALL) " } else { "" };
            commands.push(format!("UID SEARCH {briefly}UID {first}:{last}"));
        }
    }
    if let Some(from) = fresh {
        // Where there is none so high, this is the last message (RFC 3501 section 9, seq-range).
        commands.push(format!("UID FETCH {from}:* {DETAILS}"));
    }
    Questions { commands, searches }
}

/// Which of the known messages are gone.
#[derive(Debug, Clone, Copy)]
enum Gone {
    /// Those that VANISHED names.
    Named,
    /// Those that SEARCH did not find.
    NotFound,
    /// Those of which no flags were told.
    NotListed,
    All,
}

/// Makes one of all that was heard, if the numbers agree.
fn sum(talk: &mut Talk<'_>, since: &Since<'_>, heard: &mut Heard<'_>, gone: Gone) -> News {
    let known = since.known;
    let partials = heard.gathered.merged();
    let gone = match gone {
        Gone::Named => UidSet::default(),
        Gone::NotFound => known.difference(&heard.found()),
        Gone::NotListed => {
            let listed = partials.iter().filter_map(Partial::entry);
            let listed = listed.map(|entry| entry.uid).collect();
            known.difference(&listed)
        }
        Gone::All => known.clone(),
    };
    let mut changes = Changes {
        vanished: heard.vanished().union(&gone),
        ..Changes::default()
    };
    let from = fresh_from(since);
    let is_fresh = |uid: Uid, partial: &Partial| {
        partial.is_listing() && from.is_some_and(|from| uid.value() >= from)
    };
    for partial in &partials {
        let Some(entry) = partial.entry() else {
            continue;
        };
        let uid = entry.uid;
        if known.contains(uid) {
            if let Some((flags, keywords)) = partial.flags()
                && !changes.vanished.contains(uid)
            {
                changes.flags.push((uid, flags, keywords));
            }
        } else if is_fresh(uid, partial) {
            if partial.flags().is_none() {
                talk.warnings
                    .add(format!("UID {uid}: the server listed no flags"));
            }
            changes.fresh.entries.push(entry);
        }
    }
    if heard.gathered.unreadable() > 0 {
        return News::Unsure("a line about a message makes no sense");
    }
    let left = known.len() - changes.vanished.len();
    let there = left + changes.fresh.entries.len() as u64;
    if heard.exists.map(u64::from) != Some(there) {
        return News::Unsure("the changes do not add up to the number of messages");
    }
    changes.fresh.keywords = std::mem::take(&mut heard.gathered.keywords);
    News::Changes(Box::new(changes))
}
