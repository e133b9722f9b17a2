//! What FETCH responses say of flags, dates and sizes, gathered by message.

use super::Talk;
use super::items::{self, FlagList, Item};
use super::reader::Fault;
use crate::mail::date::Seconds;
use crate::mail::{Entry, Flags, KeywordSet, KeywordTable, Uid};
use crate::source::MessageList;

/// The most responses that are believed of one listing, whatever EXISTS said.
pub const MESSAGE_LIMIT: usize = 20_000_000;

/// What was said of a message, in little room: there may be a million.
#[derive(Debug, Clone, Copy, Default)]
pub struct Partial {
    uid: Option<Uid>,
    flags: Flags,
    keywords: KeywordSet,
    has_flags: bool,
    has_date: bool,
    has_size: bool,
    date: Option<Seconds>,
    size: u64,
}

impl Partial {
    fn is_complete(&self) -> bool {
        self.has_flags && self.has_date && self.has_size
    }

    /// Whether it is more than word of flags: an answer to who asked for the details.
    pub fn is_listing(&self) -> bool {
        self.has_size || self.has_date
    }

    /// FLAGS, where they were said.
    pub fn flags(&self) -> Option<(Flags, KeywordSet)> {
        self.has_flags.then_some((self.flags, self.keywords))
    }

    /// The message as listed; `None` without a UID.
    pub fn entry(&self) -> Option<Entry> {
        Some(Entry {
            uid: self.uid?,
            flags: self.flags,
            keywords: self.keywords,
            internal_date: self.date,
            size: self.size,
        })
    }

    /// Takes in what was said later of the same message.
    fn correct(&mut self, later: &Self) {
        if later.has_flags {
            (self.has_flags, self.flags, self.keywords) = (true, later.flags, later.keywords);
        }
        if later.has_date {
            (self.has_date, self.date) = (true, later.date);
        }
        if later.has_size {
            (self.has_size, self.size) = (true, later.size);
        }
    }
}

/// FETCH responses so far.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Each of a UID.
    partials: Vec<Partial>,
    /// The keywords in them.
    pub keywords: KeywordTable,
    unreadable: Vec<(Option<Uid>, String)>,
}

/// How many responses are believed of `messages` messages: twice as many and some more, for
/// updates of flags and new mail may come in between.
pub fn most(messages: u64) -> usize {
    usize::try_from(messages)
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
        .saturating_add(10_000)
        .min(MESSAGE_LIMIT)
}

impl Gathered {
    /// How many messages cannot be told from their responses.
    pub fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// Reads a FETCH response, of which there may be at most `most`.
    ///
    /// # Errors
    /// `Broken` beyond that, or for too many that are of no use; those of the reader but `Nonsense`.
    pub fn take(&mut self, talk: &mut Talk<'_>, most: usize) -> Result<(), Fault> {
        if self.partials.len() + self.unreadable.len() >= most {
            return Err(Fault::Broken(
                "the server lists more messages than there are",
            ));
        }
        let mut partial = Partial::default();
        let outcome = self.read(talk, &mut partial);
        match (outcome, partial.uid) {
            (Ok(()), Some(_)) => {
                self.partials.push(partial);
                return Ok(());
            }
            (Ok(()), None) if partial.is_listing() => {
                let why = "the server listed it without a UID";
                self.unreadable.push((None, why.to_owned()));
            }
            // A change of flags that someone else made.
            (Ok(()), None) => {}
            (Err(Fault::Nonsense(why)), Some(uid)) if partial.is_complete() => {
                talk.warnings.add(format!("UID {uid}: {why}"));
                self.partials.push(partial);
                return Ok(());
            }
            (Err(Fault::Nonsense(why)), uid) => {
                let why = format!("the server's line about it makes no sense: {why}");
                self.unreadable.push((uid, why));
            }
            (Err(fault), _) => return Err(fault),
        }
        // Why a line is of no use takes more room than a message that it could tell of.
        talk.reader.unasked()
    }

    fn read(&mut self, talk: &mut Talk<'_>, partial: &mut Partial) -> Result<(), Fault> {
        items::open(&mut talk.reader)?;
        while let Some(item) = items::next(&mut talk.reader)? {
            match item {
                Item::Uid(uid) => partial.uid = Some(uid),
                Item::Flags(list) => {
                    (partial.flags, partial.keywords) = intern(talk, list, &mut self.keywords);
                    partial.has_flags = true;
                }
                Item::Date(date) => {
                    (partial.has_date, partial.date) = (true, date.map(Seconds::from));
                }
                Item::Size(size) => (partial.has_size, partial.size) = (true, size.unwrap_or(0)),
                Item::Attribute(..)
                | Item::Literal(..)
                | Item::Quoted(_)
                | Item::Nil(_)
                | Item::Other => {}
            }
        }
        Ok(())
    }

    /// All that was said of each UID, ascending, the later word before the earlier.
    pub fn merged(&mut self) -> Vec<Partial> {
        let mut partials = std::mem::take(&mut self.partials);
        // Mostly they ascend, and sorting takes room.
        if !partials.is_sorted_by_key(|partial| partial.uid) {
            partials.sort_by_key(|partial| partial.uid);
        }
        partials.dedup_by(|later, whole| {
            let is_same = later.uid == whole.uid;
            if is_same {
                whole.correct(later);
            }
            is_same
        });
        partials
    }

    /// An entry for each UID that `wanted` lets through, and what cannot be read.
    pub fn into_list(mut self, talk: &mut Talk<'_>, wanted: impl Fn(Uid) -> bool) -> MessageList {
        let partials = self.merged();
        let mut list = MessageList {
            entries: Vec::with_capacity(partials.len()),
            keywords: self.keywords,
            unreadable: self.unreadable,
        };
        for partial in partials {
            let Some(entry) = partial.entry().filter(|entry| wanted(entry.uid)) else {
                continue;
            };
            if !partial.has_flags {
                talk.warnings
                    .add(format!("UID {}: the server listed no flags", entry.uid));
            }
            list.entries.push(entry);
        }
        // A line that made no sense and another for the same message that did.
        list.unreadable.retain(|(uid, _)| {
            uid.is_none_or(|uid| {
                wanted(uid)
                    && list
                        .entries
                        .binary_search_by_key(&uid, |entry| entry.uid)
                        .is_err()
            })
        });
        list
    }
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
