//! Flags and keywords of a message on disk, and what they are to become.

use super::on_disk::DiskFile;
use super::seen::Marked;
use super::{Mode, SourceFolder};
use crate::mail::Flags;
use crate::naming::KeywordLetters;

/// What a file's name says of its message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Marks {
    flags: Flags,
    /// In lower case, ascending.
    keywords: Vec<String>,
    /// Letters without a meaning of ours, which stay.
    other: String,
}

impl Marks {
    fn on_disk(file: &DiskFile, letters: &KeywordLetters) -> Self {
        let mut marks = Self::default();
        let info = file.suffix.rsplit_once(":2,").map_or("", |(_, info)| info);
        for letter in info.split(',').next().unwrap_or_default().chars() {
            if let Some(flag) = Flags::from_maildir(letter) {
                marks.flags.insert(flag);
            } else if let Some(keyword) = letters.keyword(letter) {
                marks.keywords.push(keyword.to_ascii_lowercase());
            } else {
                marks.other.push(letter);
            }
        }
        marks.sorted()
    }

    fn seen(marked: &Marked) -> Self {
        let keywords = marked.keywords.iter();
        Self {
            flags: marked.flags,
            keywords: keywords
                .map(|keyword| keyword.to_ascii_lowercase())
                .collect(),
            other: String::new(),
        }
        .sorted()
    }

    fn listed(source: &SourceFolder<'_>, index: usize) -> Self {
        let entry = &source.entries[index];
        let members = source.keywords.members(entry.keywords).iter();
        let names = members.filter_map(|index| source.keywords.names().get(usize::from(*index)));
        Self {
            flags: entry.flags,
            keywords: names.map(|name| name.to_ascii_lowercase()).collect(),
            other: String::new(),
        }
        .sorted()
    }

    fn sorted(mut self) -> Self {
        self.keywords.sort_unstable();
        self.keywords.dedup();
        self
    }

    /// Takes over what has changed from `before` to `now`.
    fn follow(&mut self, before: &Marks, now: &Marks) {
        let set = now.flags.without(before.flags);
        let cleared = before.flags.without(now.flags);
        self.flags = self.flags.with(set).without(cleared);
        let is_new = |keyword: &&String| !before.keywords.contains(keyword);
        let has_gone =
            |keyword: &String| before.keywords.contains(keyword) && !now.keywords.contains(keyword);
        self.keywords.retain(|keyword| !has_gone(keyword));
        let new = now.keywords.iter().filter(is_new).cloned();
        self.keywords.extend(new.collect::<Vec<_>>());
        self.keywords.sort_unstable();
        self.keywords.dedup();
    }

    fn suffix(&self, letters: &KeywordLetters) -> String {
        let mut all: Vec<char> = self.flags.maildir_letters().collect();
        let known = self.keywords.iter();
        all.extend(known.filter_map(|keyword| letters.letter(keyword)));
        all.extend(self.other.chars());
        all.sort_unstable();
        all.dedup();
        format!(":2,{}", all.into_iter().collect::<String>())
    }
}

/// The suffix that the file of entry `index` is to have, if another than it has. `before` is what
/// the last run has seen of the message, `letters` those of the folder when its keywords have been
/// written.
pub(super) fn new_suffix(
    source: &SourceFolder<'_>,
    index: usize,
    file: &DiskFile,
    before: Option<&Marked>,
    letters: &KeywordLetters,
    mode: Mode,
) -> Option<String> {
    // POP3 has no flags: those on disk are the user's.
    if source.digests.is_some() {
        return None;
    }
    let old = Marks::on_disk(file, letters);
    let now = Marks::listed(source, index);
    let mut new = old.clone();
    match (mode, before) {
        (Mode::AfterCutover, _) | (Mode::Merge, None) => {}
        (Mode::Mirror, _) => {
            let other = std::mem::take(&mut new.other);
            new = Marks { other, ..now };
        }
        (Mode::Merge, Some(before)) => new.follow(&Marks::seen(before), &now),
    }
    // What has no letter cannot differ on disk.
    new.keywords
        .retain(|keyword| letters.letter(keyword).is_some());
    (new != old).then(|| new.suffix(letters))
}

/// Whether the owner has changed the flags or keywords of `file` on the target since `before`.
pub(super) fn was_touched(file: &DiskFile, before: &Marked, letters: &KeywordLetters) -> bool {
    let now = Marks::on_disk(file, letters);
    let mut before = Marks::seen(before);
    before
        .keywords
        .retain(|keyword| letters.letter(keyword).is_some());
    (now.flags, now.keywords) != (before.flags, before.keywords)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::UidSet;

    fn marks(text: &str) -> Marks {
        let mut words = text.split(' ');
        let mut flags = Flags::empty();
        for letter in words.next().unwrap_or_default().chars() {
            flags.insert(Flags::from_maildir(letter).unwrap());
        }
        Marks {
            flags,
            keywords: words.map(str::to_owned).collect(),
            other: String::new(),
        }
        .sorted()
    }

    #[test]
    fn changes_of_the_source_are_taken_and_those_of_the_target_stay() {
        for (disk, before, now, want) in [
            ("", "", "S", "S"),
            ("S", "", "", "S"),
            ("S", "S", "", ""),
            ("FS", "S", "S", "FS"),
            ("FS", "S", "R", "FR"),
            ("", "S", "S", ""),
            ("", "S", "FS", "F"),
            ("S a", "S a", "S b", "S b"),
            ("S mine", "S a", "S b", "S b mine"),
            ("S", "S a", "S a c", "S c"),
            ("S a", "S", "S a", "S a"),
        ] {
            let mut got = marks(disk);
            got.follow(&marks(before), &marks(now));
            assert_eq!(got, marks(want), "{disk:?} {before:?} {now:?}");
        }
    }

    #[test]
    fn a_touched_file_is_known_by_what_a_name_can_hold() {
        let letters = KeywordLetters::parse("0 $Label1\n");
        let file = |suffix: &str| DiskFile {
            base: "x".into(),
            suffix: suffix.into(),
            in_new: false,
            mtime: None,
        };
        let before = Marked {
            uids: UidSet::default(),
            flags: Flags::SEEN,
            keywords: vec!["$label1".to_owned(), "homeless".to_owned()],
        };
        for (suffix, want) in [
            (":2,Sa", false),
            (":2,PSa", false),
            (":2,aS,more", false),
            (":2,S", true),
            (":2,FSa", true),
            ("", true),
        ] {
            assert_eq!(
                was_touched(&file(suffix), &before, &letters),
                want,
                "{suffix}"
            );
        }
    }
}
