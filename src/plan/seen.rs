//! What the last run has seen of a folder at the source. With it a difference between source and
//! target tells on which side something has changed: a message that the source has and the target
//! has not is new, or was deleted on the target by its owner.

use std::collections::{BTreeMap, HashMap};

use super::{FolderPlan, SourceFolder};
use crate::mail::{Flags, KeywordSet, KeywordTable, Uid, UidSet, UidValidity};

/// A folder as the last run has seen it and left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// UIDVALIDITY.
    pub validity: UidValidity,
    /// The messages that were exported, or were about to be, by their flags and keywords.
    pub marked: Vec<Marked>,
    /// Those that were about to be: the run may have been cut before they were on disk.
    pub pending: UidSet,
    /// UIDs that the target has given another number, since they were not free there.
    pub renumbered: Renumbered,
    /// The next UID of the target as the last run has written it. What a list has above has been
    /// given by a server.
    pub written_next: Option<u32>,
    /// UIDs of the target that a server has given to other mail: they are spent for good.
    pub foreign: UidSet,
    /// The same two as the last run was about to write them: if it was cut, the list on disk tells
    /// whether it has.
    pub writing: Option<(u32, UidSet)>,
    /// The messages that had a UIDL.
    pub paired: UidSet,
    /// The copies of messages in other folders, see [`super::collect`].
    pub collected: UidSet,
    /// The messages that `--delete-source` has deleted at the source, or was about to: since then
    /// they are the target's own. None of them is among `marked`.
    pub deleted_at_source: UidSet,
}

/// UIDs of the source and the other UIDs that the target has for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renumbered {
    by_source: BTreeMap<u32, u32>,
    by_target: BTreeMap<u32, u32>,
}

impl From<BTreeMap<u32, u32>> for Renumbered {
    fn from(by_source: BTreeMap<u32, u32>) -> Self {
        let by_target = by_source.iter().map(|(source, target)| (*target, *source));
        Self {
            by_target: by_target.collect(),
            by_source,
        }
    }
}

impl Renumbered {
    /// The UID on the target of the source's `uid`, if it is another.
    pub fn target(&self, uid: u32) -> Option<u32> {
        self.by_source.get(&uid).copied()
    }

    /// The UID at the source of what the target has as `uid`. `None`: the source's message of that
    /// UID has another on the target.
    pub fn source_uid(&self, uid: Uid) -> Option<Uid> {
        match self.by_target.get(&uid.value()) {
            Some(source) => Uid::new(*source),
            None => Some(uid).filter(|uid| self.target(uid.value()).is_none()),
        }
    }

    /// The highest UID given so.
    pub fn last_target(&self) -> Option<u32> {
        self.by_target.keys().next_back().copied()
    }
}

/// Messages of one folder with the same flags and keywords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// Which.
    pub uids: UidSet,
    /// Their system flags.
    pub flags: Flags,
    /// Their keywords.
    pub keywords: Vec<String>,
}

impl Seen {
    /// The flags and keywords of a message when it was last seen.
    pub fn marks(&self, uid: Uid) -> Option<&Marked> {
        self.marked.iter().find(|marked| marked.uids.contains(uid))
    }

    /// Whether the message has been on the target for sure.
    pub fn exported(&self, uid: Uid) -> bool {
        let was_seen = self.marks(uid).is_some() && !self.pending.contains(uid);
        was_seen || self.deleted_at_source.contains(uid)
    }

    /// [`Renumbered::source_uid`].
    pub fn source_uid(&self, uid: Uid) -> Option<Uid> {
        self.renumbered.source_uid(uid)
    }

    /// All messages that were exported, or were about to be.
    pub fn uids(&self) -> UidSet {
        let sets = self.marked.iter();
        sets.fold(UidSet::default(), |all, marked| all.union(&marked.uids))
    }

    /// The next UID as last written, and the UIDs that a server has given, where the list on disk
    /// says `next_uid`.
    pub fn given(&self, next_uid: u32) -> (Option<u32>, &UidSet) {
        match &self.writing {
            Some((writing, foreign)) if next_uid >= *writing => (Some(*writing), foreign),
            _ => (self.written_next, &self.foreign),
        }
    }
}

/// Gathers messages by their flags and keywords, each combination as words: the Maildir letters of
/// the flags, then the keywords in an order of their own.
#[derive(Debug, Default)]
pub struct Gathered {
    listed: HashMap<(Flags, KeywordSet), Vec<Uid>>,
    remembered: BTreeMap<String, Vec<Uid>>,
}

impl Gathered {
    /// Adds a message as the source lists it.
    pub fn add(&mut self, uid: Uid, flags: Flags, keywords: KeywordSet) {
        self.listed.entry((flags, keywords)).or_default().push(uid);
    }

    /// Adds a message with the marks that it had.
    pub fn add_marked(&mut self, uid: Uid, marked: &Marked) {
        let keywords = marked.keywords.iter().map(String::as_str);
        let words = words(marked.flags, keywords);
        self.remembered.entry(words).or_default().push(uid);
    }

    /// The sets, by their words; `table` has the keywords of the listing.
    pub fn into_sets(self, table: &KeywordTable) -> BTreeMap<String, UidSet> {
        let mut sets = self.remembered;
        for ((flags, keywords), mut uids) in self.listed {
            let names = table.members(keywords).iter();
            let names = names.filter_map(|index| table.names().get(usize::from(*index)));
            let words = words(flags, names.map(String::as_str));
            sets.entry(words).or_default().append(&mut uids);
        }
        let sets = sets.into_iter();
        sets.map(|(words, uids)| (words, uids.into_iter().collect()))
            .collect()
    }
}

fn words<'k>(flags: Flags, keywords: impl Iterator<Item = &'k str>) -> String {
    let mut words: String = flags.maildir_letters().collect();
    let mut keywords: Vec<&str> = keywords.collect();
    keywords.sort_unstable_by_key(|keyword| keyword.to_ascii_lowercase());
    for keyword in keywords {
        words.push(' ');
        words.push_str(keyword);
    }
    words
}

/// What is to be remembered of a folder once its plan has been carried out, but for the messages of
/// `missing`, by entry: those were asked for in vain. What is to be removed is remembered until it
/// is. What is to vanish from the source at our own word is not: it is the target's own.
pub fn after(
    source: &SourceFolder<'_>,
    before: Option<&Seen>,
    plan: &FolderPlan,
    missing: &dyn Fn(usize) -> bool,
) -> BTreeMap<String, UidSet> {
    sets(source, before, plan, &|index| !missing(index), true)
}

/// What is to be remembered while a plan is carried out: what is about to come, and the rest as it was.
/// Of a run that is cut nobody knows which flags it has changed.
pub fn meanwhile(
    source: &SourceFolder<'_>,
    before: Option<&Seen>,
    plan: &FolderPlan,
) -> BTreeMap<String, UidSet> {
    sets(source, before, plan, &|_| true, false)
}

fn sets(
    source: &SourceFolder<'_>,
    before: Option<&Seen>,
    plan: &FolderPlan,
    comes: &dyn Fn(usize) -> bool,
    is_done: bool,
) -> BTreeMap<String, UidSet> {
    let mut gathered = Gathered::default();
    let before = before.filter(|before| before.validity == source.validity);
    let leaves = |uid| before.is_some_and(|before| before.deleted_at_source.contains(uid));
    for (index, entry) in source.entries.iter().enumerate() {
        if leaves(entry.uid) {
            continue;
        }
        let is_there = plan.files.get(index).is_some_and(Option::is_some);
        let is_to_come = plan.uids.get(index).is_some_and(Option::is_some);
        let was_deleted = || before.is_some_and(|before| before.exported(entry.uid));
        if is_there && !is_done {
            if let Some(marked) = before.and_then(|before| before.marks(entry.uid)) {
                gathered.add_marked(entry.uid, marked);
            }
        } else if is_there || (is_to_come && comes(index)) || (!is_to_come && was_deleted()) {
            gathered.add(entry.uid, entry.flags, entry.keywords);
        }
    }
    for uid in plan.removals.iter().filter_map(|(_, uid)| *uid) {
        if let Some(marked) = before.and_then(|before| before.marks(uid)) {
            gathered.add_marked(uid, marked);
        }
    }
    // Copies that stay though nothing is collected now may be collected again.
    for uid in plan.copies.iter() {
        if let Some(marked) = before.and_then(|before| before.marks(uid)) {
            gathered.add_marked(uid, marked);
        }
    }
    let mut sets = gathered.into_sets(source.keywords);
    if let Some(before) = before.filter(|_| !source.is_whole) {
        let listed: UidSet = source.entries.iter().map(|entry| entry.uid).collect();
        for marked in &before.marked {
            let unlisted = marked.uids.difference(&listed);
            if !unlisted.is_empty() {
                let keywords = marked.keywords.iter().map(String::as_str);
                let set = sets.entry(words(marked.flags, keywords)).or_default();
                *set = set.union(&unlisted);
            }
        }
    }
    sets
}

/// The sets that [`Gathered`] has made, read back.
pub fn marked(sets: &BTreeMap<String, UidSet>) -> Vec<Marked> {
    let sets = sets.iter();
    sets.map(|(words, uids)| {
        let mut words = words.split(' ');
        let letters = words.next().unwrap_or_default().chars();
        let mut flags = Flags::empty();
        letters
            .filter_map(Flags::from_maildir)
            .for_each(|flag| flags.insert(flag));
        Marked {
            uids: uids.clone(),
            flags,
            keywords: words.map(str::to_owned).collect(),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    #[test]
    fn marks_are_gathered_and_read_back() {
        let mut table = KeywordTable::default();
        let labels = table.intern(["$Label1", "alpha"]).unwrap();
        let none = KeywordSet::default();
        let mut gathered = Gathered::default();
        gathered.add(uid(3), Flags::SEEN.with(Flags::FLAGGED), labels);
        gathered.add(uid(1), Flags::SEEN, none);
        gathered.add(uid(2), Flags::SEEN, none);
        gathered.add(uid(9), Flags::empty(), none);
        gathered.add(uid(7), Flags::empty(), labels);
        let sets = gathered.into_sets(&table);
        let told: Vec<String> = sets
            .iter()
            .map(|(words, uids)| format!("{words}={uids}"))
            .collect();
        assert_eq!(
            told,
            ["=9", " $Label1 alpha=7", "FS $Label1 alpha=3", "S=1:2"]
        );
        let seen = Seen {
            validity: UidValidity::new(7).unwrap(),
            marked: marked(&sets),
            pending: [uid(9)].into_iter().collect(),
            renumbered: BTreeMap::from([(3, 100)]).into(),
            written_next: None,
            foreign: UidSet::default(),
            writing: Some((120, [uid(110)].into_iter().collect())),
            paired: UidSet::default(),
            collected: UidSet::default(),
            deleted_at_source: [uid(11)].into_iter().collect(),
        };
        assert_eq!(seen.given(119), (None, &UidSet::default()));
        let (next, foreign) = seen.given(120);
        assert_eq!((next, foreign.to_string().as_str()), (Some(120), "110"));
        let three = seen.marks(uid(3)).unwrap();
        assert_eq!(three.flags, Flags::SEEN.with(Flags::FLAGGED));
        assert_eq!(three.keywords, ["$Label1", "alpha"]);
        assert_eq!(seen.marks(uid(7)).unwrap().flags, Flags::empty());
        assert!(seen.marks(uid(4)).is_none());
        assert!(seen.exported(uid(3)) && !seen.exported(uid(9)) && !seen.exported(uid(4)));
        assert!(seen.exported(uid(11)) && seen.marks(uid(11)).is_none());
        assert_eq!(seen.source_uid(uid(100)), Some(uid(3)));
        assert_eq!(seen.source_uid(uid(2)), Some(uid(2)));
        assert_eq!(seen.source_uid(uid(3)), None);
        assert_eq!(seen.uids().to_string(), "1:3,7,9");
        let mut again = Gathered::default();
        again.add_marked(uid(3), three);
        assert_eq!(
            again.into_sets(&table).keys().next().unwrap(),
            "FS $Label1 alpha"
        );
    }
}
