//! In what two servers, or a server and a tree, differ for a user's clients.

use std::collections::HashMap;
use std::fmt;

use crate::mail::{FolderPath, Uid};
use crate::text::printable;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A folder is on one side only.
    Folder,
    /// UIDVALIDITY: IMAP clients fetch the whole folder again.
    UidValidity,
    /// UIDNEXT of the new side is not beyond a UID that the old side has given.
    UidNext,
    /// A message of the old side is not on the new one.
    Missing,
    /// A message of the new side is not on the old one.
    Extra,
    /// A message is on the new side twice.
    Doubled,
    /// System flags.
    Flags,
    /// Keywords.
    Keywords,
    /// INTERNALDATE.
    Date,
    /// Octets.
    Size,
    /// The bytes of a message.
    Content,
    /// A UIDL: a POP3 client downloads that message again.
    Uidl,
    /// The place in the POP3 order.
    Order,
    /// The octets that POP3 announces.
    PopSize,
    /// A folder is subscribed on one side only.
    Subscription,
    /// A file belongs to another user, or others may read it.
    Owner,
    /// A name or a list says what is not so, or a server may do one thing or another.
    Doubt,
}

impl What {
    /// The word for it in `verify.csv`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::UidValidity => "uidvalidity",
            Self::UidNext => "uidnext",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Doubled => "doubled",
            Self::Flags => "flags",
            Self::Keywords => "keywords",
            Self::Date => "date",
            Self::Size => "size",
            Self::Content => "content",
            Self::Uidl => "uidl",
            Self::Order => "order",
            Self::PopSize => "pop3_size",
            Self::Subscription => "subscription",
            Self::Owner => "owner",
            Self::Doubt => "doubt",
        }
    }
}

impl What {
    /// So many of them, in words: `flags of 1 message`, `3 UIDLs`.
    pub fn counted(self, count: u64) -> String {
        let plural = if count == 1 { "" } else { "s" };
        match self {
            Self::Folder => format!("{count} folder{plural}"),
            Self::UidValidity => format!("UIDVALIDITY of {count} folder{plural}"),
            Self::UidNext => format!("UIDNEXT of {count} folder{plural}"),
            Self::Missing => format!("{count} message{plural} missing"),
            Self::Extra => format!("{count} message{plural} too many"),
            Self::Doubled => format!("{count} message{plural} doubled"),
            Self::Flags => format!("flags of {count} message{plural}"),
            Self::Keywords => format!("keywords of {count} message{plural}"),
            Self::Date => format!("date of {count} message{plural}"),
            Self::Size => format!("size of {count} message{plural}"),
            Self::Content => format!("content of {count} message{plural}"),
            Self::Uidl => format!("{count} UIDL{plural}"),
            Self::Order => format!("POP3 order of {count} message{plural}"),
            Self::PopSize => format!("POP3 size of {count} message{plural}"),
            Self::Subscription => format!("{count} subscription{plural}"),
            Self::Owner => format!("owner or mode of {count} file{plural}"),
            Self::Doubt => format!("{count} doubt{plural}"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Difference {
    /// The folder; `None` for what is about the user.
    pub folder: Option<FolderPath>,
    /// The message, where it is about one that IMAP knows.
    pub uid: Option<Uid>,
    /// The message, where it is about one that POP3 knows; printable.
    pub uidl: Option<String>,
    /// What differs.
    pub what: What,
    /// As it is on the old side; empty where it is not there.
    pub old: String,
    /// As it is on the new side.
    pub new: String,
    /// Which servers of the new side show it, where not all do: names in the order of `--target`'s
    /// help, or [`LIVE`].
    pub servers: Vec<&'static str>,
}

/// What the live new server is called among the servers of the new side.
pub const LIVE: &str = "new";

impl Difference {
    /// A difference in `folder`, or in what is about the user.
    pub fn new(
        folder: Option<&FolderPath>,
        what: What,
        old: impl Into<String>,
        new: impl Into<String>,
    ) -> Self {
        Self {
            folder: folder.cloned(),
            uid: None,
            uidl: None,
            what,
            old: old.into(),
            new: new.into(),
            servers: Vec::new(),
        }
    }

    /// The same, of the message with this UID.
    #[must_use]
    pub fn at(mut self, uid: Option<Uid>) -> Self {
        self.uid = uid;
        self
    }
}

/// One line for people, printable.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place: Vec<String> = Vec::new();
        place.extend(self.folder.iter().map(|it| format!("folder {it}")));
        place.extend(self.uid.iter().map(|it| format!("UID {it}")));
        place.extend(self.uidl.iter().map(|it| format!("UIDL {it}")));
        if !self.servers.is_empty() {
            place.push(format!("shown by {}", self.servers.join(", ")));
        }
        let side = |text: &str| match text {
            "" => "-".to_owned(),
            text => text.to_owned(),
        };
        let (what, old, new) = (self.what, side(&self.old), side(&self.new));
        let line = format!("{}: {what}: {old} -> {new}", place.join(", "));
        f.write_str(&printable(line.trim_start_matches(": ")))
    }
}

/// Puts together what each of some servers shows of one tree: what all of them show is told once,
/// anything else with the names of those that do.
pub fn unite(shown: Vec<(&'static str, Vec<Difference>)>) -> Vec<Difference> {
    let all = shown.len();
    let mut united: Vec<Difference> = Vec::new();
    let mut places: HashMap<Difference, usize> = HashMap::new();
    for (server, found) in shown {
        for difference in found {
            let place = match places.get(&difference) {
                Some(place) => *place,
                None => {
                    places.insert(difference.clone(), united.len());
                    united.push(difference);
                    united.len() - 1
                }
            };
            let servers = &mut united[place].servers;
            if servers.last() != Some(&server) {
                servers.push(server);
            }
        }
    }
    for difference in &mut united {
        if difference.servers.len() == all {
            difference.servers.clear();
        }
    }
    united
}

/// Adds what the live new server shows and the tree does not show already.
pub fn add_live(found: &mut Vec<Difference>, live: Vec<Difference>) {
    let nameless = |it: &Difference| Difference {
        servers: Vec::new(),
        ..it.clone()
    };
    let known: std::collections::HashSet<Difference> = found.iter().map(nameless).collect();
    let fresh = live.into_iter().filter(|it| !known.contains(it));
    found.extend(fresh.map(|it| Difference {
        servers: vec![LIVE],
        ..it
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(what: What, new: &str) -> Difference {
        Difference::new(None, what, "", new)
    }

    fn told(found: &[Difference]) -> String {
        let lines = found
            .iter()
            .map(|it| format!("{} {} [{}]", it.what, it.new, it.servers.join("+")));
        lines.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_all_servers_show_is_told_once_and_what_some_do_with_their_names() {
        let (date, flags, size) = (
            difference(What::Date, "1"),
            difference(What::Flags, "S"),
            difference(What::Size, "7"),
        );
        for (dovecot, courier, want) in [
            (vec![&date], vec![&date], "date 1 []"),
            (vec![&date], vec![], "date 1 [dovecot]"),
            (
                vec![&flags, &date],
                vec![&date, &size],
                "flags S [dovecot]; date 1 []; size 7 [courier]",
            ),
            // Twice on one server is not once on each of two.
            (vec![&date, &date], vec![], "date 1 [dovecot]"),
        ] {
            let cloned = |all: Vec<&Difference>| all.into_iter().cloned().collect();
            let found = unite(vec![
                ("dovecot", cloned(dovecot)),
                ("courier", cloned(courier)),
            ]);
            assert_eq!(told(&found), want);
        }
        let mut alone = unite(vec![("courier", vec![date.clone()])]);
        assert_eq!(told(&alone), "date 1 []");
        add_live(&mut alone, vec![date, flags]);
        assert_eq!(told(&alone), "date 1 []; flags S [new]");
    }
}
