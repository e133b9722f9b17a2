//! `courierimapkeywords` (Courier, `maildirkeywords2.c`): the file `:list` with the keywords of a folder
//! and which message has which, and a file for each message that has changed since: `<base name>`,
//! or `.<N>.<base name>` where a session has merged it at time N (in units of 300 s).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};

/// The keywords of each message that has any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CourierKeywords {
    /// By base name.
    pub messages: BTreeMap<Box<str>, BTreeSet<String>>,
    /// The names of the files with changes; they are in `messages` already.
    pub updates: Vec<String>,
    /// Whether there is a `:list`.
    pub has_list: bool,
}

impl CourierKeywords {
    /// Puts together what `:list` says and what the files with changes say: name and content. The
    /// newest of a message's files counts, and one without a time is newer than any.
    pub fn gather(list: Option<&[u8]>, updates: &[(String, Vec<u8>)]) -> Self {
        let mut messages = list.map(parse).unwrap_or_default();
        let mut newest: HashMap<&str, (u64, &[u8])> = HashMap::new();
        for (name, content) in updates {
            let Some((time, base)) = update(name) else {
                continue;
            };
            let slot = newest.entry(base).or_insert((time, content));
            if time >= slot.0 {
                *slot = (time, content);
            }
        }
        for (base, (_, content)) in newest {
            let text = String::from_utf8_lossy(content);
            let words = text.lines().take_while(|line| !line.is_empty());
            let keywords: BTreeSet<String> = words.map(str::to_owned).collect();
            if keywords.is_empty() {
                messages.remove(base);
            } else {
                messages.insert(base.into(), keywords);
            }
        }
        let names = updates.iter().map(|(name, _)| name);
        Self {
            messages,
            updates: names
                .filter(|name| update(name).is_some())
                .cloned()
                .collect(),
            has_list: list.is_some(),
        }
    }

    /// Writes `:list`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let all: BTreeSet<&String> = self.messages.values().flatten().collect();
        let mut places = HashMap::new();
        for (place, keyword) in all.iter().enumerate() {
            writeln!(out, "{keyword}")?;
            places.insert(keyword.as_str(), place);
        }
        writeln!(out)?;
        for (base, keywords) in &self.messages {
            let places = keywords.iter().filter_map(|it| places.get(it.as_str()));
            let places: Vec<String> = places.map(usize::to_string).collect();
            writeln!(out, "{base}:{}", places.join(" "))?;
        }
        Ok(())
    }

    /// The keywords of a message.
    pub fn of(&self, base: &str) -> impl Iterator<Item = &str> {
        let keywords = self.messages.get(base).into_iter().flatten();
        keywords.map(String::as_str)
    }
}

/// Whether a file of the directory tells a message's keywords: since when, and which message's.
pub fn update(name: &str) -> Option<(u64, &str)> {
    if name.starts_with(':') {
        return None;
    }
    let Some(rest) = name.strip_prefix('.') else {
        return is_base_name(name).then_some((u64::MAX, name));
    };
    // A time that is none, as in `.tmp.`, makes it a draft.
    let (time, base) = rest.split_once('.')?;
    let time = time.parse().ok().filter(|time| *time > 0)?;
    is_base_name(base).then_some((time, base))
}

/// Whether a message can have it: a line of `:list` could not tell another one.
fn is_base_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([':', '\n'])
}

fn parse(bytes: &[u8]) -> BTreeMap<Box<str>, BTreeSet<String>> {
    let text = String::from_utf8_lossy(bytes);
    let mut rows = text.lines();
    let names: Vec<&str> = rows.by_ref().take_while(|row| !row.is_empty()).collect();
    let mut messages: BTreeMap<Box<str>, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let Some((base, places)) = row.split_once(':') else {
            continue;
        };
        let places = places.split(' ').filter_map(|it| it.parse::<usize>().ok());
        let keywords: BTreeSet<String> = places
            .filter_map(|place| names.get(place))
            .map(|name| (*name).to_owned())
            .collect();
        // Of several lines for one message the last counts, whatever it says.
        messages.insert(base.into(), keywords);
    }
    messages.retain(|_, keywords| !keywords.is_empty());
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(keywords: &CourierKeywords) -> String {
        let mut out = Vec::new();
        keywords.write_to(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_list_and_what_has_changed_since_are_put_together() {
        let list = "NonJunk\n$Label1\n\na,S=3:0 1\nb:1\nc:0\nc:\nrubbish\nd:9 x 0\n";
        let plain = CourierKeywords::gather(Some(list.as_bytes()), &[]);
        let want = "$Label1\nNonJunk\n\na,S=3:0 1\nb:0\nd:1\n";
        assert_eq!(text(&plain), want);
        let again = CourierKeywords::gather(Some(want.as_bytes()), &[]);
        assert_eq!(again, plain);
        let updates = [
            ("b", "new\nNonJunk\n"),
            (".9.b", "old\n"),
            (".10.d", ""),
            (".9.d", "old\n"),
            (".7.e.f", "late\n"),
            (".tmp.99.x", "draft\n"),
            (":other", "x\n"),
            (".9.g:2,S", "x\n"),
            ("h\ni", "x\n"),
        ];
        let updates = updates.map(|(name, content)| (name.to_owned(), content.into()));
        let merged = CourierKeywords::gather(Some(list.as_bytes()), &updates);
        assert_eq!(
            text(&merged),
            "$Label1\nNonJunk\nlate\nnew\n\na,S=3:0 1\nb:1 3\ne.f:2\n"
        );
        assert_eq!(merged.updates, ["b", ".9.b", ".10.d", ".9.d", ".7.e.f"]);
        assert_eq!(merged.of("b").collect::<Vec<_>>(), ["NonJunk", "new"]);
    }
}
