//! Dovecot's `subscriptions` file as a plain value.

use std::collections::HashSet;

use crate::config::Layout;

const VERSION_2: &str = "V\t2\n\n";

/// The subscribed folders, a line each. A file of version 1 stays one, as Dovecot keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions {
    /// What stands between the parts of a name: TAB in version 2, the layout's separator in
    /// version 1.
    separator: char,
    lines: Vec<String>,
}

impl Subscriptions {
    /// Reads the file; a missing or empty one becomes an empty list of version 2. Lines that are
    /// not UTF-8 are kept as well as they can be shown.
    pub fn parse(bytes: Option<&[u8]>, layout: Layout) -> Self {
        let text = String::from_utf8_lossy(bytes.unwrap_or_default());
        let (separator, body) = match text.strip_prefix(VERSION_2) {
            Some(body) => ('\t', body),
            None if text.is_empty() => ('\t', ""),
            None => match layout {
                Layout::MaildirPlusPlus => ('.', text.as_ref()),
                Layout::Fs => ('/', text.as_ref()),
            },
        };
        Self {
            separator,
            lines: body.lines().map(str::to_owned).collect(),
        }
    }

    /// Adds `names` (parts with TAB between them) that are missing; says how many those were.
    pub fn add(&mut self, names: &[String]) -> usize {
        let mut known: HashSet<String> = self.lines.iter().cloned().collect();
        let before = self.lines.len();
        for name in names {
            let ambiguous = self.separator != '\t' && name.contains(self.separator);
            let line = name.replace('\t', &self.separator.to_string());
            if !ambiguous && known.insert(line.clone()) {
                self.lines.push(line);
            }
        }
        self.lines.len() - before
    }

    /// The text of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = if self.separator == '\t' {
            VERSION_2
        } else {
            ""
        };
        let lines = self.lines.iter().flat_map(|line| [line.as_str(), "\n"]);
        std::iter::once(head)
            .chain(lines)
            .collect::<String>()
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_added_in_the_version_of_the_file() {
        let names = ["INBOX".to_owned(), "A\tB".to_owned(), "v1.0".to_owned()];
        for (old, want, count) in [
            (None, "V\t2\n\nINBOX\nA\tB\nv1.0\n", 3),
            (
                Some("V\t2\n\nA\tB\nmine\n"),
                "V\t2\n\nA\tB\nmine\nINBOX\nv1.0\n",
                2,
            ),
            // In version 1 of Maildir++ a dot would be a separator.
            (Some("A.B\nmine\n"), "A.B\nmine\nINBOX\n", 1),
        ] {
            let mut subscriptions =
                Subscriptions::parse(old.map(str::as_bytes), Layout::MaildirPlusPlus);
            assert_eq!(subscriptions.add(&names), count);
            assert_eq!(String::from_utf8(subscriptions.to_bytes()).unwrap(), want);
            assert_eq!(subscriptions.add(&names), 0);
        }
    }
}
