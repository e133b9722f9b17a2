//! The servers' files of subscribed folders as a plain value: Dovecot's `subscriptions` and Courier's
//! `courierimapsubscribed`.

use std::collections::HashSet;

use crate::config::Layout;

const VERSION_2: &str = "V\t2\n\n";

/// Which file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `subscriptions`, of a Dovecot with this layout.
    Dovecot(Layout),
    /// `courierimapsubscribed`: whole names, `INBOX.A.B`.
    Courier,
}

impl Form {
    /// The name of the file, in the root of the Maildir.
    pub fn name(self) -> &'static str {
        match self {
            Form::Dovecot(_) => "subscriptions",
            Form::Courier => "courierimapsubscribed",
        }
    }
}

/// The subscribed folders, a line each. A file of version 1 stays one, as Dovecot keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions {
    /// What stands between the parts of a name: TAB in version 2, the layout's separator in
    /// version 1.
    separator: char,
    /// What stands before all names but INBOX itself.
    prefix: &'static str,
    /// As bytes: what is not UTF-8 is none of ours, and stays as it is.
    lines: Vec<Vec<u8>>,
}

impl Subscriptions {
    /// Reads the file; a missing or empty one becomes an empty list of version 2.
    pub fn parse(bytes: Option<&[u8]>, form: Form) -> Self {
        let bytes = bytes.unwrap_or_default();
        let (separator, body) = match (form, bytes.strip_prefix(VERSION_2.as_bytes())) {
            (Form::Courier, _) => ('.', bytes),
            (_, Some(body)) => ('\t', body),
            (_, None) if bytes.is_empty() => ('\t', bytes),
            (Form::Dovecot(Layout::MaildirPlusPlus), None) => ('.', bytes),
            (Form::Dovecot(Layout::Fs), None) => ('/', bytes),
        };
        let lines = body.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        Self {
            separator,
            prefix: match form {
                Form::Dovecot(_) => "",
                Form::Courier => "INBOX.",
            },
            lines: lines
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
        }
    }

    /// Takes over what has changed at the source: names (parts with TAB between them) that are no
    /// longer subscribed there, and new ones. Says how many lines came or went.
    pub fn change(&mut self, ended: &[String], new: &[String]) -> usize {
        let stays: HashSet<&String> = new.iter().collect();
        let ended: HashSet<Vec<u8>> = ended
            .iter()
            .filter(|name| !stays.contains(name))
            .filter_map(|name| self.line(name))
            .collect();
        let count = self.lines.len();
        self.lines.retain(|line| !ended.contains(line));
        let removed = count - self.lines.len();
        removed + self.add(new)
    }

    /// Makes the list what `names` say. Says how many lines came or went.
    pub fn become_like(&mut self, names: &[String]) -> usize {
        let wanted: HashSet<Vec<u8>> = names.iter().filter_map(|name| self.line(name)).collect();
        let count = self.lines.len();
        self.lines.retain(|line| wanted.contains(line));
        let removed = count - self.lines.len();
        removed + self.add(names)
    }

    /// Adds `names` that are missing; says how many those were.
    fn add(&mut self, names: &[String]) -> usize {
        let mut known: HashSet<Vec<u8>> = self.lines.iter().cloned().collect();
        let before = self.lines.len();
        let lines: Vec<Vec<u8>> = names.iter().filter_map(|name| self.line(name)).collect();
        for line in lines {
            if known.insert(line.clone()) {
                self.lines.push(line);
            }
        }
        self.lines.len() - before
    }

    /// `name` as the file has it; `None` where its version cannot say it.
    fn line(&self, name: &str) -> Option<Vec<u8>> {
        let ambiguous = self.separator != '\t' && name.contains(self.separator);
        let prefix = match name {
            "INBOX" => "",
            _ => self.prefix,
        };
        let parts = name.replace('\t', &self.separator.to_string());
        (!ambiguous).then(|| format!("{prefix}{parts}").into_bytes())
    }

    /// The names in the file, the parts of each with TAB between them.
    pub fn names(&self) -> Vec<String> {
        let names = self.lines.iter().filter_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let name = match line {
                "INBOX" => line,
                _ => line.strip_prefix(self.prefix)?,
            };
            Some(name.replace(self.separator, "\t"))
        });
        names.collect()
    }

    /// The text of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = if self.separator == '\t' {
            VERSION_2
        } else {
            ""
        };
        let lines = self.lines.iter().flat_map(|line| [line.as_slice(), b"\n"]);
        let all = std::iter::once(head.as_bytes()).chain(lines);
        all.flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOVECOT: Form = Form::Dovecot(Layout::MaildirPlusPlus);

    #[test]
    fn courier_has_whole_names_and_no_head() {
        let names = ["INBOX", "A\tÉté", "INBOX\tSub", "v1.0"].map(str::to_owned);
        let old = "INBOX.mine\nINBOX.A.Été\n";
        let mut subscriptions = Subscriptions::parse(Some(old.as_bytes()), Form::Courier);
        assert_eq!(subscriptions.change(&[], &names), 2);
        let text = String::from_utf8(subscriptions.to_bytes()).unwrap();
        assert_eq!(text, format!("{old}INBOX\nINBOX.INBOX.Sub\n"));
        let told = ["mine", "A\tÉté", "INBOX", "INBOX\tSub"];
        assert_eq!(subscriptions.names(), told);
        let mut new = Subscriptions::parse(None, Form::Courier);
        assert_eq!(new.become_like(&names[..1]), 1);
        assert_eq!(new.to_bytes(), b"INBOX\n");
    }

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
            let mut subscriptions = Subscriptions::parse(old.map(str::as_bytes), DOVECOT);
            assert_eq!(subscriptions.change(&[], &names), count);
            assert_eq!(String::from_utf8(subscriptions.to_bytes()).unwrap(), want);
            assert_eq!(subscriptions.change(&names, &names), 0);
        }
    }

    #[test]
    fn what_is_not_utf_8_stays_as_it_is() {
        let old = b"INBOX.caf\xe9\n\nINBOX.A";
        let mut subscriptions = Subscriptions::parse(Some(old), Form::Courier);
        assert_eq!(subscriptions.names(), ["A"]);
        let names = ["A", "B"].map(str::to_owned);
        assert_eq!(subscriptions.change(&[], &names), 1);
        assert_eq!(
            subscriptions.to_bytes(),
            b"INBOX.caf\xe9\nINBOX.A\nINBOX.B\n"
        );
    }

    #[test]
    fn changes_of_both_sides_are_kept_or_the_source_is_followed() {
        let names = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let on_disk = "V\t2\n\nINBOX\nA\nmine\n";
        let parsed = || Subscriptions::parse(Some(on_disk.as_bytes()), DOVECOT);
        // B was unsubscribed on the target, A at the source, C is new there.
        let mut merged = parsed();
        assert_eq!(merged.change(&names("A"), &names("C")), 2);
        let text = String::from_utf8(merged.to_bytes()).unwrap();
        assert_eq!(text, "V\t2\n\nINBOX\nmine\nC\n");
        let mut mirrored = parsed();
        let now = names("INBOX B C");
        assert_eq!(mirrored.become_like(&now), 4);
        let text = String::from_utf8(mirrored.to_bytes()).unwrap();
        assert_eq!(text, "V\t2\n\nINBOX\nB\nC\n");
        assert_eq!(mirrored.become_like(&now), 0);
    }
}
