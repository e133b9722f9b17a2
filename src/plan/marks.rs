//! Flags and keywords of a message on disk, and what they are to become.

use super::on_disk::DiskFile;
use super::seen::Marked;
use super::{Mode, SourceFolder};
use crate::mail::Flags;
use crate::mail::courier::CourierKeywords;
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

/// What the servers of the target have of keywords.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keywords<'a> {
    /// The letters of the folder when its keywords have been written.
    pub letters: &'a KeywordLetters,
    /// Those that are on disk: of a keyword without a letter Dovecot can say nothing.
    pub known: &'a KeywordLetters,
    /// Courier's, where it is a target.
    pub courier: Option<&'a CourierKeywords>,
    /// Whether Courier knows the message: else it has said nothing of it yet.
    pub courier_has_a_say: bool,
}

impl Marks {
    /// By the name of the file, and by Courier's keywords. Where the two differ, the one counts that is
    /// not as `before`: that is where the owner has changed it. What no server has had a say in is as
    /// it is `listed`.
    fn united(
        file: &DiskFile,
        keywords: Keywords<'_>,
        before: Option<&Marks>,
        listed: Option<&Marks>,
    ) -> Self {
        let mut marks = Self::on_disk(file, keywords.letters);
        let Some(courier) = keywords.courier else {
            return marks;
        };
        let theirs = match keywords.courier_has_a_say {
            true => in_lower_case(courier.of(&file.base)),
            false => listed
                .map(|listed| listed.keywords.clone())
                .unwrap_or_default(),
        };
        let by_name = std::mem::take(&mut marks.keywords);
        for keyword in by_name.iter().chain(&theirs) {
            let named = by_name.contains(keyword);
            let is_theirs = theirs.contains(keyword);
            let was_there = before.is_some_and(|before| before.keywords.contains(keyword));
            let dovecot_has_a_say = keywords.known.letter(keyword).is_some();
            let counts = match (dovecot_has_a_say, keywords.courier_has_a_say) {
                (true, true) => named && is_theirs || named != is_theirs && !was_there,
                (true, false) => named,
                (false, _) => is_theirs,
            };
            if counts {
                marks.keywords.push(keyword.clone());
            }
        }
        marks.sorted()
    }

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

/// What the file of entry `index` is to have of flags and keywords.
#[derive(Debug, Default)]
pub(super) struct Renewed {
    /// Its suffix, if another than it has.
    pub suffix: Option<String>,
    /// Its keywords for Courier in lower case, if others than it has.
    pub keywords: Option<Vec<String>>,
}

/// What the file of entry `index` is to have, where that is not what it has. `before` is what the last
/// run has seen of the message.
pub(super) fn renewed(
    source: &SourceFolder<'_>,
    index: usize,
    file: &DiskFile,
    before: Option<&Marked>,
    keywords: Keywords<'_>,
    mode: Mode,
) -> Renewed {
    // POP3 has no flags: those on disk are the user's.
    if source.digests.is_some() || mode == Mode::AfterCutover {
        return Renewed::default();
    }
    let letters = keywords.letters;
    let before = before.map(Marks::seen);
    let now = Marks::listed(source, index);
    let mut new = Marks::united(file, keywords, before.as_ref(), Some(&now));
    match (mode, before) {
        (Mode::AfterCutover, _) | (Mode::Merge, None) => {}
        (Mode::Mirror, _) => {
            let other = std::mem::take(&mut new.other);
            new = Marks { other, ..now };
        }
        (Mode::Merge, Some(before)) => new.follow(&before, &now),
    }
    let theirs = keywords
        .courier
        .map(|all| in_lower_case(all.of(&file.base)));
    let for_courier = theirs.filter(|theirs| *theirs != new.keywords);
    let for_courier = for_courier.map(|_| new.keywords.clone());
    let old = Marks::on_disk(file, letters);
    // What has no letter cannot differ on disk.
    new.keywords
        .retain(|keyword| letters.letter(keyword).is_some());
    Renewed {
        suffix: (new != old).then(|| new.suffix(letters) + beyond_flags(file)),
        keywords: for_courier,
    }
}

/// Whether the owner has changed the flags or keywords of `file` on the target since `before`.
pub(super) fn was_touched(file: &DiskFile, before: &Marked, keywords: Keywords<'_>) -> bool {
    let mut before = Marks::seen(before);
    let now = Marks::united(file, keywords, Some(&before), None);
    if keywords.courier.is_none() || !keywords.courier_has_a_say {
        before
            .keywords
            .retain(|keyword| keywords.letters.letter(keyword).is_some());
    }
    (now.flags, now.keywords) != (before.flags, before.keywords)
}

/// What the suffix of a file says behind its flags, comma and all; servers leave it as it is.
fn beyond_flags(file: &DiskFile) -> &str {
    let info = file.suffix.rsplit_once(":2,").map_or("", |(_, info)| info);
    info.find(',').map_or("", |at| &info[at..])
}

fn in_lower_case<'k>(keywords: impl Iterator<Item = &'k str>) -> Vec<String> {
    let mut lower: Vec<String> = keywords.map(str::to_ascii_lowercase).collect();
    lower.sort_unstable();
    lower
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
            let keywords = Keywords {
                letters: &letters,
                known: &letters,
                courier: None,
                courier_has_a_say: false,
            };
            assert_eq!(
                was_touched(&file(suffix), &before, keywords),
                want,
                "{suffix}"
            );
        }
    }

    #[test]
    fn a_keyword_counts_as_the_server_has_it_where_the_owner_has_changed_it() {
        let letters = KeywordLetters::parse("0 k\n");
        let none = KeywordLetters::default();
        let before = |had: bool| marks(if had { " k" } else { "" });
        // In the name; Courier's, unless it does not know the message; seen before; whether Dovecot has
        // had a letter for it; united. The source has it.
        for (name, courier, had, has_letter, want) in [
            (":2,a", Some("k"), true, true, true),
            (":2,a", Some(""), true, true, false),
            (":2,", Some("K"), true, true, false),
            (":2,a", Some(""), false, true, true),
            (":2,", Some("k"), false, true, true),
            (":2,", Some("k"), true, false, true),
            (":2,", Some(""), true, false, false),
            (":2,a", None, true, true, true),
            (":2,", None, true, true, false),
            (":2,", None, true, false, true),
        ] {
            let file = DiskFile {
                base: "x".into(),
                suffix: name.into(),
                in_new: false,
                mtime: None,
            };
            let update = courier.map(|it| ("x".to_owned(), it.as_bytes().to_vec()));
            let gathered = CourierKeywords::gather(None, update.as_slice());
            let letters = if has_letter { &letters } else { &none };
            let keywords = Keywords {
                letters,
                known: letters,
                courier: Some(&gathered),
                courier_has_a_say: courier.is_some(),
            };
            let listed = before(true);
            let united = Marks::united(&file, keywords, Some(&before(had)), Some(&listed));
            let got = united.keywords.contains(&"k".to_owned());
            assert_eq!(got, want, "{name} {courier:?} {had} {has_letter}");
        }
    }
}
