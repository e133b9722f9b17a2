//! Keywords as the letters `a` to `z` of a file name, by the folder's `dovecot-keywords`.

use crate::mail::{Flags, KeywordSet, KeywordTable};

/// How many keywords a Maildir can hold.
pub const MOST: usize = 26;

/// Which keyword each letter stands for; index 0 is `a`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeywordLetters {
    names: [Option<String>; MOST],
}

impl KeywordLetters {
    /// Reads `dovecot-keywords`: lines of `<index> SP <keyword>`. Other lines are passed over, as
    /// Dovecot does.
    pub fn parse(text: &str) -> Self {
        let mut letters = Self::default();
        for line in text.lines() {
            if let Some((index, name)) = line.split_once(' ')
                && let Ok(index) = index.parse::<usize>()
                && let Some(slot) = letters.names.get_mut(index)
                && !name.is_empty()
            {
                *slot = Some(name.to_owned());
            }
        }
        letters
    }

    /// The text of `dovecot-keywords`.
    pub fn to_text(&self) -> String {
        let lines = self
            .names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| name.as_ref().map(|name| format!("{index} {name}\n")));
        lines.collect()
    }

    /// Gives letters to the keywords of `table` that have none yet, the most used first (then by
    /// name, so that two runs agree); letters given before stay. Returns the keywords for which
    /// no letter was left.
    pub fn admit(
        &mut self,
        table: &KeywordTable,
        sets: impl Iterator<Item = KeywordSet>,
    ) -> Vec<String> {
        let mut uses = vec![0_u64; table.names().len()];
        for set in sets {
            for keyword in table.members(set) {
                uses[usize::from(*keyword)] += 1;
            }
        }
        let mut wanted: Vec<(u64, &String)> = uses
            .into_iter()
            .zip(table.names())
            .filter(|(uses, name)| *uses > 0 && self.letter(name).is_none())
            .collect();
        wanted.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let mut homeless = Vec::new();
        for (_, name) in wanted {
            match self.names.iter_mut().find(|slot| slot.is_none()) {
                Some(slot) => *slot = Some(name.clone()),
                None => homeless.push(name.clone()),
            }
        }
        homeless
    }

    /// The letter of a keyword; names are compared without case, as Dovecot does.
    pub fn letter(&self, keyword: &str) -> Option<char> {
        let known = |name: &Option<String>| {
            name.as_ref()
                .is_some_and(|name| name.eq_ignore_ascii_case(keyword))
        };
        let index = self.names.iter().position(known)?;
        char::from_digit(u32::try_from(index).ok()? + 10, 36)
    }

    /// What a letter stands for.
    pub fn keyword(&self, letter: char) -> Option<&str> {
        let index = u32::from(letter).checked_sub(u32::from('a'))?;
        self.names.get(index as usize)?.as_deref()
    }

    /// The suffix of a file name: `:2,` and the letters of flags and keywords in ASCII order.
    pub fn suffix(&self, flags: Flags, table: &KeywordTable, set: KeywordSet) -> String {
        let mut suffix = String::from(":2,");
        suffix.extend(flags.maildir_letters());
        let mut letters: Vec<char> = table
            .members(set)
            .iter()
            .filter_map(|keyword| self.letter(table.names().get(usize::from(*keyword))?))
            .collect();
        letters.sort_unstable();
        suffix.extend(letters);
        suffix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stay_and_new_keywords_follow_by_use() {
        let mut table = KeywordTable::default();
        let both = table.intern(["$Forwarded", "NonJunk"]).unwrap();
        let one = table.intern(["zeta"]).unwrap();
        let unused = table.intern(["unused"]).unwrap();
        let mut letters = KeywordLetters::parse("0 \n1 nonjunk\nrubbish\n99 far\n");
        let homeless = letters.admit(&table, [both, one, one].into_iter());
        assert!(homeless.is_empty());
        assert_eq!(letters.to_text(), "0 zeta\n1 nonjunk\n2 $Forwarded\n");
        assert_eq!(letters.suffix(Flags::SEEN, &table, both), ":2,Sbc");
        let keywords = ['a', 'b', 'd', 'z', '{', 'S'].map(|letter| letters.keyword(letter));
        assert_eq!(
            keywords,
            [Some("zeta"), Some("nonjunk"), None, None, None, None]
        );
        assert_eq!(letters.suffix(Flags::empty(), &table, unused), ":2,");
    }

    #[test]
    fn the_26_most_used_are_kept() {
        let mut table = KeywordTable::default();
        let names: Vec<String> = (0..30).map(|n| format!("k{n:02}")).collect();
        let all = table.intern(names.iter().map(String::as_str)).unwrap();
        let last = table.intern(["k29"]).unwrap();
        let mut letters = KeywordLetters::default();
        let homeless = letters.admit(&table, [all, last].into_iter());
        assert_eq!(homeless, ["k25", "k26", "k27", "k28"]);
        assert_eq!(letters.letter("K29"), Some('a'));
        assert_eq!(letters.suffix(Flags::empty(), &table, all).len(), 3 + 26);
        assert_eq!(KeywordLetters::parse(&letters.to_text()), letters);
    }
}
