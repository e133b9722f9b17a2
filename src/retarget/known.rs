//! What the old servers know of a folder, in the place of a source. Pure.

use std::collections::{HashMap, HashSet};

use crate::config::Servers;
use crate::mail::courier::order::compare;
use crate::mail::date::Seconds;
use crate::mail::{Entry, Flags, FolderPath, KeywordTable, Uid, UidValidity, Uidl, UidlFault};
use crate::naming::Identity;
use crate::naming::message::size_field;
use crate::plan::on_disk::{DiskFile, OnDisk};
use crate::plan::{Announced, Announcements, SourceFolder};

use super::journal::Former;

/// A message as the old POP3 server announces it: the base name that its file has, its UIDL.
pub(super) type Listed = (Box<str>, Box<[u8]>);

/// A folder as its servers have it.
#[derive(Debug)]
pub(super) struct Known {
    validity: UidValidity,
    uid_next: u32,
    entries: Vec<Entry>,
    keywords: KeywordTable,
    /// In INBOX.
    uidls: Option<Announcements>,
    /// By base name the UID of each file.
    pub uids: HashMap<Box<str>, Uid>,
    /// Messages that no list and no name has a UID for.
    pub without_uid: u64,
    /// UIDLs that are announced and cannot be kept, with their messages.
    pub lost_uidls: Vec<(Uid, Box<[u8]>, NotKept)>,
}

/// Why a folder cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// Servers take the two for one message, and rename one of them.
    #[error("two files have the base name {0}")]
    SameName(Box<str>),
    /// The highest number is none that a server gives.
    #[error("there are no UIDs left for mail that has none")]
    NoUidsLeft,
}

/// Why a UIDL is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotKept {
    /// It is none.
    #[error(transparent)]
    Invalid(#[from] UidlFault),
    /// A message before it in the listing has it.
    #[error("another message is announced by it too")]
    Twice,
}

impl Known {
    /// By what lies on disk, read for the servers `from`, and by what their POP3 server announces, in its
    /// order. Lists may know files that have been renamed by their `former` names. `None` where there is
    /// nothing to know: the new server begins it.
    ///
    /// # Errors
    /// Two files have one name, or there are no UIDs left.
    pub fn of(
        disk: &OnDisk,
        former: &Former,
        from: Servers,
        announced: Option<&[Listed]>,
        now: i64,
    ) -> Result<Option<Self>, Fault> {
        let Some(validity) = validity(disk, former, now) else {
            return Ok(None);
        };
        let given = Given::of(disk, former, validity)?;
        let mut known = Self {
            validity,
            uid_next: given.next,
            entries: Vec::with_capacity(disk.files.len()),
            keywords: KeywordTable::default(),
            uidls: None,
            uids: given.uids,
            without_uid: given.new,
            lost_uidls: Vec::new(),
        };
        known.add_entries(disk, former, from);
        if let Some(announced) = announced {
            known.add_uidls(announced);
        }
        Ok(Some(known))
    }

    fn add_entries(&mut self, disk: &OnDisk, former: &Former, from: Servers) {
        let lines = disk.uidlist.iter().flat_map(|list| list.lines.iter());
        let sizes: HashMap<Box<str>, u64> = lines
            .filter_map(|line| Some((line.name.clone(), line.field('W')?.parse().ok()?)))
            .collect();
        let courier = disk.courier.as_ref().filter(|_| from.courier);
        for file in disk.files.iter() {
            let Some(uid) = self.uids.get(&file.base) else {
                continue;
            };
            let name = former_name(former, &file);
            let letters = file.suffix.rsplit_once(":2,").map_or("", |(_, it)| it);
            let letters = letters.split(',').next().unwrap_or_default();
            let mut flags = Flags::empty();
            let mut keywords: Vec<&str> = Vec::new();
            for letter in letters.chars() {
                if let Some(flag) = Flags::from_maildir(letter) {
                    flags.insert(flag);
                } else if from.dovecot
                    && let Some(keyword) = disk.keywords.keyword(letter)
                {
                    keywords.push(keyword);
                }
            }
            if let Some(files) = courier {
                // An earlier run may have written them under the new name.
                keywords.extend(files.keywords.of(name));
                if name != &*file.base {
                    keywords.extend(files.keywords.of(&file.base));
                }
            }
            let listed = || sizes.get(name).or_else(|| sizes.get(&file.base)).copied();
            let size = size_field(&file.base, 'W').or_else(listed);
            self.entries.push(Entry {
                uid: *uid,
                flags,
                keywords: self.keywords.intern(keywords).unwrap_or_default(),
                internal_date: file.mtime.map(Seconds::from),
                size: size.unwrap_or(0),
            });
        }
        self.entries.sort_by_key(|entry| entry.uid);
        self.entries.dedup_by_key(|entry| entry.uid);
    }

    fn add_uidls(&mut self, announced: &[Listed]) {
        let places: HashMap<Uid, usize> = self
            .entries
            .iter()
            .enumerate()
            .map(|(at, entry)| (entry.uid, at))
            .collect();
        let mut uidls: Vec<Option<Announced>> = vec![None; self.entries.len()];
        let mut given = HashSet::new();
        for (position, (base, uidl)) in (1..).zip(announced) {
            let place = self.uids.get(base).and_then(|uid| places.get(uid));
            let Some((slot, entry)) =
                place.and_then(|at| uidls.get_mut(*at).zip(self.entries.get(*at)))
            else {
                continue;
            };
            let kept = match Uidl::parse(uidl) {
                Ok(uidl) if given.insert(uidl.clone()) => Ok(uidl),
                Ok(_) => Err(NotKept::Twice),
                Err(fault) => Err(NotKept::Invalid(fault)),
            };
            match kept {
                Ok(uidl) => *slot = Some(Announced { position, uidl }),
                Err(why) => self.lost_uidls.push((entry.uid, uidl.clone(), why)),
            }
        }
        self.uidls = Some(uidls.into_iter().collect());
    }

    /// The folder as a plan wants it.
    pub fn as_source<'a>(
        &'a self,
        owner: &'a str,
        path: &'a FolderPath,
        in_root: bool,
    ) -> SourceFolder<'a> {
        SourceFolder {
            owner,
            path,
            validity: self.validity,
            uid_next: self.uid_next,
            in_root,
            entries: &self.entries,
            selected: None,
            keywords: &self.keywords,
            uidls: self.uidls.as_ref(),
            digests: None,
            collected: None,
            is_whole: true,
        }
    }
}

/// Which UIDs the files have.
struct Given {
    /// By base name.
    uids: HashMap<Box<str>, Uid>,
    /// The UID that the next message gets.
    next: u32,
    /// How many have got a new one.
    new: u64,
}

impl Given {
    /// Those that the list says, else those that the names say, else new ones.
    fn of(disk: &OnDisk, former: &Former, validity: UidValidity) -> Result<Self, Fault> {
        let list = disk.uidlist.as_ref();
        let lines = list.iter().flat_map(|list| list.lines.iter());
        let listed: HashMap<Box<str>, Uid> = lines.map(|line| (line.name, line.uid)).collect();
        let said = |file: &DiskFile| match list {
            // A run may have been cut behind this list, which then says the name of now.
            Some(_) => {
                let old = listed.get(former_name(former, file));
                old.or_else(|| listed.get(&file.base)).copied()
            }
            None => {
                let (of, uid) = said_by_name(former, file)?;
                (of == validity).then_some(uid)
            }
        };
        let mut uids: HashMap<Box<str>, Uid> = HashMap::with_capacity(disk.files.len());
        let mut taken = HashSet::new();
        let mut rest: Vec<Box<str>> = Vec::new();
        for file in disk.files.iter() {
            match said(&file).filter(|uid| taken.insert(*uid)) {
                Some(uid) => {
                    if uids.insert(file.base.clone(), uid).is_some() {
                        return Err(Fault::SameName(file.base));
                    }
                }
                None => rest.push(file.base),
            }
        }
        // As servers do with mail that they have not seen yet.
        rest.sort_by(|a, b| compare(a, b));
        let above = taken.iter().map(|uid| uid.value().saturating_add(1)).max();
        let mut next = list.map_or(1, |list| list.next_uid).max(above.unwrap_or(1));
        let new = rest.len() as u64;
        for base in rest {
            let uid = Uid::new(next).filter(|uid| uid.value() < u32::MAX);
            let uid = uid.ok_or(Fault::NoUidsLeft)?;
            next += 1;
            if uids.insert(base.clone(), uid).is_some() {
                return Err(Fault::SameName(base));
            }
        }
        Ok(Self { uids, next, new })
    }
}

/// The UIDVALIDITY of the list, else that in a name, else a new one. `None`: there is no list, and no
/// message.
fn validity(disk: &OnDisk, former: &Former, now: i64) -> Option<UidValidity> {
    if let Some(list) = &disk.uidlist {
        return Some(list.validity);
    }
    let mut files = disk.files.iter().peekable();
    files.peek()?;
    let named = files.find_map(|file| said_by_name(former, &file));
    let clock = UidValidity::new(u32::try_from(now).unwrap_or(u32::MAX));
    named.map(|(validity, _)| validity).or(clock)
}

/// UIDVALIDITY and UID of the message in a file that mailseed has named.
fn said_by_name(former: &Former, file: &DiskFile) -> Option<(UidValidity, Uid)> {
    match Identity::parse(former_name(former, file))? {
        Identity::Imap(validity, uid) | Identity::Pop3(validity, uid, _) => Some((validity, uid)),
    }
}

/// The base name that a file had before it was renamed.
fn former_name<'n>(former: &'n Former, file: &'n DiskFile) -> &'n str {
    former.get(&file.base).unwrap_or(&file.base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::UidList;
    use crate::mail::courier::{CourierFiles, CourierKeywords};
    use crate::naming::KeywordLetters;

    const ALL: Servers = Servers {
        qmail: true,
        dovecot: true,
        courier: true,
    };

    fn disk(names: &[&str], list: &str) -> OnDisk {
        let files = names.iter().map(|name| {
            let (base, suffix) = name.split_at(name.find(':').unwrap_or(name.len()));
            DiskFile {
                base: base.into(),
                suffix: suffix.into(),
                in_new: false,
                mtime: Some(7),
            }
        });
        OnDisk {
            exists: true,
            files: files.collect(),
            uidlist: UidList::parse(list.as_bytes()).ok(),
            keywords: KeywordLetters::parse("0 $Label1\n"),
            ..OnDisk::default()
        }
    }

    #[test]
    fn uids_are_those_of_the_list_then_of_the_names_then_new_ones() {
        for (names, list, want, new) in [
            (&["b", "a"][..], "3 V9 N7\n2 :b\n5 :a\n", "9 7 b=2 a=5", 0),
            // New mail, in the order of names.
            (
                &["b", "20.x", "3.x"],
                "3 V9 N7\n2 :b\n",
                "9 9 b=2 3.x=7 20.x=8",
                2,
            ),
            (
                &["9.M0000000004.mailseed,S=1,W=1", "x"],
                "",
                "9 6 9.M0000000004.mailseed,S=1,W=1=4 x=5",
                1,
            ),
            (&["x"], "", "1000 2 x=1", 1),
            (&[], "", "none", 0),
        ] {
            let known = Known::of(&disk(names, list), &Former::new(), ALL, None, 1000).unwrap();
            let got = known.map_or(("none".to_owned(), 0), |known| {
                let mut uids: Vec<_> = known.uids.iter().collect();
                uids.sort_by_key(|(_, uid)| **uid);
                let uids = uids.iter().map(|(base, uid)| format!(" {base}={uid}"));
                let head = format!("{} {}", known.validity, known.uid_next);
                (head + &uids.collect::<String>(), known.without_uid)
            });
            assert_eq!(got, (want.to_owned(), new), "{names:?}");
        }
    }

    #[test]
    fn what_servers_would_not_agree_on_is_refused() {
        let same = |name: &str| Fault::SameName(name.into());
        for (names, list, fault) in [
            (&["x"][..], "3 V9 N4294967295\n", Fault::NoUidsLeft),
            (&["b:2,", "b:2,S"], "3 V9 N7\n2 :b\n", same("b")),
            (&["x:2,S", "b", "x"], "3 V9 N7\n2 :b\n", same("x")),
        ] {
            let known = Known::of(&disk(names, list), &Former::new(), ALL, None, 1000);
            assert_eq!(known.err(), Some(fault), "{names:?}");
        }
    }

    #[test]
    fn uidls_order_flags_and_keywords_are_those_that_are_served() {
        // The second has been renamed by a run that was cut.
        let former: Former = [("new-b".into(), "b".into())].into();
        for listed_as in ["b", "new-b"] {
            let list = format!("3 V9 N7\n1 :a\n2 :{listed_as}\n3 :c\n");
            let disk = disk(&["a:2,Sa", "new-b:2,F", "c"], &list);
            let known = Known::of(&disk, &former, ALL, None, 1000).unwrap().unwrap();
            assert_eq!(known.uids["new-b"].value(), 2, "{listed_as}");
        }
        let mut disk = disk(&["a:2,Sa", "new-b:2,F", "c"], "3 V9 N7\n1 :a\n2 :b\n3 :c\n");
        let update = ("b".to_owned(), b"NonJunk\n".to_vec());
        disk.courier = Some(CourierFiles {
            keywords: CourierKeywords::gather(None, &[update]),
            ..CourierFiles::default()
        });
        let listed = |uidl: &str, base: &str| -> Listed { (base.into(), uidl.as_bytes().into()) };
        // One that is no UIDL, and one that comes twice.
        let announced = [
            listed("two", "new-b"),
            listed("x y", "c"),
            listed("two", "a"),
        ];
        for (from, want) in [
            (ALL, "1 S $Label1 -; 2 F NonJunk two@1; 3   -; "),
            (
                Servers {
                    courier: false,
                    ..ALL
                },
                "1 S $Label1 -; 2 F  two@1; 3   -; ",
            ),
            (
                Servers {
                    dovecot: false,
                    ..ALL
                },
                "1 S  -; 2 F NonJunk two@1; 3   -; ",
            ),
        ] {
            let known = Known::of(&disk, &former, from, Some(&announced), 1000);
            let known = known.unwrap().unwrap();
            let lost = known.lost_uidls.iter();
            let lost = lost.map(|(uid, uidl, why)| (uid.value(), &**uidl, *why));
            let no_uidl = NotKept::Invalid(UidlFault::BadByte(b' '));
            assert_eq!(
                lost.collect::<Vec<_>>(),
                [(3, &b"x y"[..], no_uidl), (1, b"two", NotKept::Twice)]
            );
            let path = FolderPath::inbox();
            let source = known.as_source("x", &path, true);
            let mut got = String::new();
            for (entry, uidl) in source.entries.iter().zip(source.uidls.unwrap().iter()) {
                let flags: String = entry.flags.maildir_letters().collect();
                let members = source.keywords.members(entry.keywords).iter();
                let names = members.map(|at| source.keywords.names()[usize::from(*at)].as_str());
                let names: Vec<&str> = names.collect();
                let uidl = uidl.map(|it| format!("{}@{}", it.uidl, it.position));
                let uidl = uidl.unwrap_or("-".to_owned());
                got += &format!("{} {flags} {} {uidl}; ", entry.uid, names.join(" "));
            }
            assert_eq!(got, want, "{from:?}");
        }
    }
}
