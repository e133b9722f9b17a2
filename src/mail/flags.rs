//! System flags, and keywords without a string for each message.

use std::collections::HashMap;

/// The five system flags that a Maildir can hold (RFC 3501 section 2.3.2; \Recent is not stored).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(u8);

impl Flags {
    /// \Draft, Maildir letter `D`.
    pub const DRAFT: Flags = Flags(1);
    /// \Flagged, Maildir letter `F`.
    pub const FLAGGED: Flags = Flags(2);
    /// \Answered, Maildir letter `R`.
    pub const ANSWERED: Flags = Flags(4);
    /// \Seen, Maildir letter `S`.
    pub const SEEN: Flags = Flags(8);
    /// \Deleted, Maildir letter `T`.
    pub const DELETED: Flags = Flags(16);

    /// No flag at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds the flags of `other`.
    pub fn insert(&mut self, other: Flags) {
        self.0 |= other.0;
    }

    /// Whether all flags of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub fn with(self, other: Flags) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags that are not in `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flag that a Maildir writes as `letter`.
    pub fn from_maildir(letter: char) -> Option<Self> {
        let (flag, _) = MAILDIR_LETTERS.iter().find(|(_, known)| *known == letter)?;
        Some(*flag)
    }

    /// The flag that an IMAP server writes as `name` (with its backslash, any case).
    pub fn from_imap(name: &str) -> Option<Self> {
        const NAMES: [(&str, Flags); 5] = [
            ("\\Draft", Flags::DRAFT),
            ("\\Flagged", Flags::FLAGGED),
            ("\\Answered", Flags::ANSWERED),
            ("\\Seen", Flags::SEEN),
            ("\\Deleted", Flags::DELETED),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, flag)| *flag)
    }

    /// The Maildir letters, in ASCII order as Dovecot wants them.
    pub fn maildir_letters(self) -> impl Iterator<Item = char> {
        MAILDIR_LETTERS
            .into_iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, letter)| letter)
    }
}

const MAILDIR_LETTERS: [(Flags, char); 5] = [
    (Flags::DRAFT, 'D'),
    (Flags::FLAGGED, 'F'),
    (Flags::ANSWERED, 'R'),
    (Flags::SEEN, 'S'),
    (Flags::DELETED, 'T'),
];

/// A set of keywords, as a number in its folder's [`KeywordTable`]. The default is the empty set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeywordSet([u8; 3]);

impl KeywordSet {
    fn new(number: usize) -> Option<Self> {
        let [low, middle, high, 0] = u32::try_from(number).ok()?.to_le_bytes() else {
            return None;
        };
        Some(Self([low, middle, high]))
    }

    fn number(self) -> usize {
        let [low, middle, high] = self.0;
        u32::from_le_bytes([low, middle, high, 0]) as usize
    }
}

/// The keywords of one folder, each distinct set stored once: a folder of a million messages has
/// a handful of them.
#[derive(Debug, Clone)]
pub struct KeywordTable {
    names: Vec<String>,
    by_folded_name: HashMap<String, u16>,
    sets: Vec<Box<[u16]>>,
    by_set: HashMap<Box<[u16]>, KeywordSet>,
    /// Bytes of the names, and members of the sets.
    size: usize,
}

/// The most bytes of names, and the most members of sets, together.
const TABLE_LIMIT: usize = 32 << 20;

impl Default for KeywordTable {
    fn default() -> Self {
        let empty: Box<[u16]> = Box::default();
        Self {
            names: Vec::new(),
            by_folded_name: HashMap::new(),
            sets: vec![empty.clone()],
            by_set: HashMap::from([(empty, KeywordSet::default())]),
            size: 0,
        }
    }
}

impl KeywordTable {
    /// The set made of `keywords`. Keywords are compared without case (RFC 3501 section 9,
    /// flag-keyword); the first spelling seen is the one kept. `None` when the folder has more
    /// than 65,535 distinct keywords, 16 million sets of them, or 32 MiB of both.
    pub fn intern<'k>(
        &mut self,
        keywords: impl IntoIterator<Item = &'k str>,
    ) -> Option<KeywordSet> {
        let mut set = Vec::new();
        for keyword in keywords {
            let folded = keyword.to_ascii_lowercase();
            let index = match self.by_folded_name.get(&folded) {
                Some(index) => *index,
                None => {
                    let index = u16::try_from(self.names.len()).ok()?;
                    self.take_room(keyword.len())?;
                    self.names.push(keyword.to_owned());
                    self.by_folded_name.insert(folded, index);
                    index
                }
            };
            set.push(index);
        }
        set.sort_unstable();
        set.dedup();
        let set = set.into_boxed_slice();
        if let Some(known) = self.by_set.get(&set) {
            return Some(*known);
        }
        let id = KeywordSet::new(self.sets.len())?;
        self.take_room(set.len())?;
        self.sets.push(set.clone());
        self.by_set.insert(set, id);
        Some(id)
    }

    fn take_room(&mut self, size: usize) -> Option<()> {
        let grown = self.size.saturating_add(size);
        (grown <= TABLE_LIMIT).then(|| self.size = grown)
    }

    /// Every keyword of the folder, in the order first seen; its position is the index that
    /// [`KeywordTable::members`] gives.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The keywords of a set, as indices into [`KeywordTable::names`], ascending.
    pub fn members(&self, set: KeywordSet) -> &[u16] {
        self.sets
            .get(set.number())
            .map_or(&[], |members| members.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyword_sets_are_shared_and_fold_case() {
        let mut table = KeywordTable::default();
        let a = table.intern(["$Label1", "NonJunk"]).unwrap();
        let b = table.intern(["nonjunk", "$label1", "$Label1"]).unwrap();
        assert_eq!(a, b);
        assert_eq!(table.names(), ["$Label1", "NonJunk"]);
        assert_eq!(table.members(a), [0, 1]);
        assert_eq!(table.intern([]).unwrap(), KeywordSet::default());
        assert!(table.members(KeywordSet::default()).is_empty());
    }

    #[test]
    fn letters_come_in_ascii_order() {
        let mut flags = Flags::empty();
        for name in ["\\seen", "\\Deleted", "\\ANSWERED", "\\Draft", "\\Flagged"] {
            flags.insert(Flags::from_imap(name).unwrap());
        }
        assert_eq!(flags.maildir_letters().collect::<String>(), "DFRST");
        assert_eq!(Flags::from_imap("\\Recent"), None);
    }
}
