//! One folder of a Maildir as a server that is to serve it will show it over IMAP. Pure.

mod uids;

use std::collections::HashMap;

use super::difference::What;
use super::disk::{Access, Disk, File};
use super::folder::View;
use crate::config::Owner;
use crate::mail::courier::CourierKeywords;
use crate::mail::{Entry, Flags, KeywordSet, KeywordTable, Uid, UidValidity};
use crate::naming::message::size_in_name;
use crate::naming::{Identity, KeywordLetters};

/// The servers of a Maildir by name, as in the reports.
pub const DOVECOT: &str = "dovecot";
/// qmail-pop3d and vpopmail.
pub const QMAIL: &str = "qmail";
/// Courier.
pub const COURIER: &str = "courier";

/// A folder as its files and lists have it.
#[derive(Debug, Default)]
pub struct Tree {
    /// UIDVALIDITY; `None`: the server makes a new one.
    pub validity: Option<UidValidity>,
    /// UIDNEXT, where there is a list.
    pub uid_next: Option<u32>,
    /// The messages that have a UID, ascending; two files of one name are two messages of one UID. The
    /// size is that of the file until it is measured.
    pub entries: Vec<Entry>,
    /// For each of the entries its file.
    pub files: Vec<File>,
    /// The keywords of the entries.
    pub keywords: KeywordTable,
    /// Files that the list does not have.
    pub unlisted: Vec<File>,
    /// What is wrong with it by itself.
    pub faults: Vec<Fault>,
}

/// Something that is wrong with a folder, whatever the old server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The message, where it is about one.
    pub uid: Option<Uid>,
    /// The kind.
    pub what: What,
    /// How it should be.
    pub should: String,
    /// How it is.
    pub is: String,
}

/// How a folder gets its UIDs and keywords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// By the list of this name, in Dovecot's form, and by the letters in names.
    List(&'static str),
    /// As Courier does, by `courierimapuiddb` and `courierimapkeywords`.
    Courier,
    /// By the names of its files: no server has UIDs for it.
    Names,
}

/// Where keywords are.
enum Names<'n> {
    /// In the names, by letters.
    Letters(&'n KeywordLetters),
    /// In Courier's files.
    Courier(&'n CourierKeywords),
}

/// The keyword that a letter means; as Dovecot calls it where its list does not know it.
fn keyword(letters: &KeywordLetters, letter: char) -> String {
    let number = u32::from(letter) - u32::from('a');
    let known = letters.keyword(letter).map(str::to_owned);
    known.unwrap_or_else(|| format!("unknown-{number}"))
}

impl Tree {
    /// What `disk` will be taken for.
    pub fn of(disk: Disk, numbering: Numbering) -> Self {
        let mut tree = Self::default();
        for (name, why) in &disk.odd {
            tree.fault(None, What::Doubt, "", format!("{name}: {why}"));
        }
        let uids = tree.uids(numbering, &disk);
        let text = disk.keywords.as_deref().map(String::from_utf8_lossy);
        let letters = KeywordLetters::parse(text.as_deref().unwrap_or_default());
        let names = match numbering {
            Numbering::Courier => Names::Courier(&disk.courier_keywords),
            Numbering::List(_) | Numbering::Names => Names::Letters(&letters),
        };
        let mut numbered: Vec<(Uid, File)> = Vec::with_capacity(disk.files.len());
        for file in disk.files {
            // Courier's IMAP server numbers anew what it finds in `new`, listed or not.
            let is_new = numbering == Numbering::Courier && file.in_new;
            match uids.get(file.base()) {
                Some(uid) if !is_new => numbered.push((*uid, file)),
                _ => tree.unlisted.push(file),
            }
        }
        numbered.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
        tree.unlisted
            .sort_by(|one, other| one.name.cmp(&other.name));
        for (uid, file) in numbered {
            let (flags, keywords) = tree.marks(&file, &names);
            tree.entries.push(Entry {
                uid,
                flags,
                keywords,
                internal_date: Some(file.mtime.into()),
                size: file.size,
            });
            tree.files.push(file);
        }
        tree
    }

    /// The folder as it is compared.
    pub fn view(&self) -> View<'_> {
        View {
            validity: self.validity,
            uid_next: self.uid_next,
            entries: &self.entries,
            keywords: &self.keywords,
        }
    }

    /// The UIDs of the messages by the base names of their files.
    pub fn uids_by_name(&self) -> HashMap<&str, Uid> {
        let files = self.files.iter().zip(&self.entries);
        files
            .map(|(file, entry)| (file.base(), entry.uid))
            .collect()
    }

    /// Forgets messages that are not part of the job.
    pub fn leave_out(&mut self, is_left_out: impl Fn(Uid, &File) -> bool) {
        let messages = self.entries.drain(..).zip(self.files.drain(..));
        let kept = messages.filter(|(entry, file)| !is_left_out(entry.uid, file));
        (self.entries, self.files) = kept.collect::<Vec<_>>().into_iter().unzip();
    }

    /// What the letters behind the colon say, and the keywords.
    fn marks(&mut self, file: &File, names: &Names<'_>) -> (Flags, KeywordSet) {
        let suffix = file.name.split_once(":2,").map_or("", |(_, suffix)| suffix);
        let flags = suffix.chars().filter_map(Flags::from_maildir);
        let flags = flags.fold(Flags::empty(), Flags::with);
        let set = match names {
            Names::Courier(keywords) => self.keywords.intern(keywords.of(file.base())),
            Names::Letters(letters) => {
                let all = suffix.chars().filter(char::is_ascii_lowercase);
                let named: Vec<String> = all.map(|letter| keyword(letters, letter)).collect();
                self.keywords.intern(named.iter().map(String::as_str))
            }
        };
        (flags, set.unwrap_or_default())
    }

    /// The messages that are worth reading although nothing differs: their names, if mailseed made them,
    /// say other UIDs of this UIDVALIDITY.
    pub fn misnamed(&self) -> Vec<Uid> {
        let files = self.entries.iter().zip(&self.files);
        let misnamed = files.filter(|(entry, file)| match Identity::parse(file.base()) {
            Some(Identity::Imap(validity, uid) | Identity::Pop3(validity, uid, _)) => {
                Some(validity) == self.validity && uid != entry.uid
            }
            None => false,
        });
        misnamed.map(|(entry, _)| entry.uid).collect()
    }

    /// The messages that are other files here than in `other`, where both have them.
    pub fn other_files(&self, other: &Self) -> Vec<Uid> {
        let files = |tree: &Self| -> HashMap<Uid, Box<str>> {
            let all = tree.entries.iter().zip(&tree.files);
            all.map(|(entry, file)| (entry.uid, file.name.clone()))
                .collect()
        };
        let theirs = files(other);
        let ours = self.entries.iter().zip(&self.files);
        let differ = ours.filter(|(entry, file)| {
            let their = theirs.get(&entry.uid);
            their.is_some_and(|name| *name != file.name)
        });
        differ.map(|(entry, _)| entry.uid).collect()
    }

    fn fault(&mut self, uid: Option<Uid>, what: What, should: impl Into<String>, is: String) {
        self.faults.push(Fault {
            uid,
            what,
            should: should.into(),
            is,
        });
    }

    /// Files whose sizes are not those that their names say. A wrong `W=` is found where the file
    /// has been read, see [`judge_virtual_size`].
    pub fn judge_sizes(&mut self) {
        let files = self.entries.iter().zip(&self.files);
        let wrong: Vec<Fault> = files
            .filter_map(|(entry, file)| {
                let said = size_in_name(file.name.as_bytes(), b'S')?;
                (said != file.size).then(|| Fault {
                    uid: Some(entry.uid),
                    what: What::Size,
                    should: said.to_string(),
                    is: format!("{} bytes in a file whose name says S={said}", file.size),
                })
            })
            .collect();
        self.faults.extend(wrong);
    }

    /// Messages whose UID another has too, for users whose old server has no UIDs to compare.
    pub fn judge_doubles(&mut self) {
        let pairs = self.entries.windows(2).zip(self.files.iter().skip(1));
        let doubled = pairs.filter(|(pair, _)| pair[0].uid == pair[1].uid);
        let faults: Vec<Fault> = doubled
            .map(|(pair, file)| Fault {
                uid: Some(pair[1].uid),
                what: What::Doubled,
                should: String::new(),
                is: file.name.to_string(),
            })
            .collect();
        self.faults.extend(faults);
    }

    /// What does not belong to `owner`, or is not for its owner alone.
    pub fn judge_access(&mut self, surroundings: &[(&'static str, Access)], owner: Owner) {
        let mut found = Vec::new();
        let mut judge =
            |uid: Option<Uid>, what: &str, access: Access, (needed, open): (u32, u32)| {
                if (access.uid, access.gid) != (owner.uid, owner.gid) {
                    found.push(Fault {
                        uid,
                        what: What::Owner,
                        should: format!("{}:{}", owner.uid, owner.gid),
                        is: format!("{}:{} owns {what}", access.uid, access.gid),
                    });
                }
                if access.mode & open != 0 || access.mode & needed != needed {
                    found.push(Fault {
                        uid,
                        what: What::Owner,
                        should: format!("mode {needed:04o}"),
                        is: format!("mode {:04o} of {what}", access.mode),
                    });
                }
            };
        let file_mode = (0o600, 0o077);
        for (name, access) in surroundings {
            // Directories may be another's work, and with it what they let others do; Courier's files
            // may be Courier's.
            let mode = match *name {
                "the folder" | "new" | "cur" | "tmp" | "courierimapkeywords" => (0o700, 0),
                name if name.starts_with("courier") => (0o600, 0),
                _ => file_mode,
            };
            judge(None, name, *access, mode);
        }
        for (entry, file) in self.entries.iter().zip(&self.files) {
            judge(Some(entry.uid), &file.name, file.access, file_mode);
        }
        for file in &self.unlisted {
            judge(None, &file.name, file.access, file_mode);
        }
        self.faults.extend(found);
    }
}

/// What is wrong with the `W=` of a file, of which `virtual_size` is the size with CRLF line ends.
pub fn judge_virtual_size(uid: Uid, file: &File, virtual_size: u64) -> Option<Fault> {
    let said = size_in_name(file.name.as_bytes(), b'W')?;
    (said != virtual_size).then(|| Fault {
        uid: Some(uid),
        what: What::Size,
        should: virtual_size.to_string(),
        is: format!("the name says W={said}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Access = Access {
        uid: 5,
        gid: 6,
        mode: 0o600,
    };

    fn file(name: &str, size: u64) -> File {
        File {
            name: name.into(),
            in_new: false,
            size,
            mtime: 1_000,
            access: OWN,
        }
    }

    fn tree(list: Option<&str>, names: &[&str]) -> Tree {
        let disk = Disk {
            files: names.iter().map(|name| file(name, 10)).collect(),
            uid_list: list.map(|text| text.as_bytes().to_vec()),
            keywords: Some(b"0 Work\n".to_vec()),
            ..Disk::default()
        };
        Tree::of(disk, Numbering::List("dovecot-uidlist"))
    }

    /// `UID:flags:keywords` of each message, and what has no UID.
    fn told(tree: &Tree) -> String {
        let entries = tree.entries.iter().map(|entry| {
            let flags: String = entry.flags.maildir_letters().collect();
            let members = tree.keywords.members(entry.keywords).iter();
            let names = members.map(|at| tree.keywords.names()[usize::from(*at)].as_str());
            format!(
                "{}:{flags}:{}",
                entry.uid,
                names.collect::<Vec<_>>().join("+")
            )
        });
        let unlisted = tree.unlisted.iter().map(|file| format!("({})", file.name));
        entries.chain(unlisted).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn files_get_the_uids_of_their_lines_and_the_marks_of_their_names() {
        let a_b = "3 V7 N9\n3 :a\n4 :b\n";
        for (list, names, want, validity, faults) in [
            (Some(a_b), &["b:2,FS", "a:2,"][..], "3:: 4:FS:", 7, ""),
            (Some(a_b), &["a:2,ab", "b"], "3::Work+unknown-1 4::", 7, ""),
            // A line without a file is a message that is not there.
            (Some(a_b), &["b:2,"], "4::", 7, ""),
            (
                Some(a_b),
                &["a:2,", "a:2,S", "b", "c:2,"],
                "3:: 3:S: 4:: (c:2,)",
                7,
                "",
            ),
            (
                Some("3 V7 N9\n3 :a\n3 :b\n"),
                &["a", "b"],
                "3:: (b)",
                7,
                "doubt",
            ),
            (Some("3 V7 N9\n3 :a\n4 :a\n"), &["a"], "4::", 7, "doubt"),
            (
                Some("3 V7 N9\n3 :a\n4 :b"),
                &["a", "b"],
                "3:: (b)",
                7,
                "doubt",
            ),
            (Some("nonsense\n"), &["a"], "(a)", 0, "doubt"),
            (
                None,
                &["7.M0000000003.mailseed,S=10,W=11:2,S", "b"],
                "3:S: (b)",
                0,
                "doubt",
            ),
            (None, &[], "", 0, ""),
        ] {
            let tree = tree(list, names);
            assert_eq!(told(&tree), want, "{list:?}");
            assert_eq!(tree.validity, UidValidity::new(validity), "{list:?}");
            let whats: Vec<&str> = tree.faults.iter().map(|it| it.what.word()).collect();
            assert_eq!(whats.join(" "), faults, "{list:?}");
        }
    }

    #[test]
    fn courier_goes_by_its_own_files() {
        let courier = |uiddb: Option<&str>, names: &[&str]| {
            let list = b"a\nb\n\nx:0 1\ny,S=10:1\n";
            let disk = Disk {
                files: names
                    .iter()
                    .map(|name| File {
                        in_new: name.starts_with("new"),
                        ..file(name, 10)
                    })
                    .collect(),
                // What Dovecot has is of no account.
                uid_list: Some(b"3 V7 N9\n3 :x\n".to_vec()),
                keywords: Some(b"0 Work\n".to_vec()),
                uiddb: uiddb.map(|text| text.as_bytes().to_vec()),
                courier_keywords: CourierKeywords::gather(Some(list), &[]),
                ..Disk::default()
            };
            Tree::of(disk, Numbering::Courier)
        };
        for (uiddb, names, want, validity, faults) in [
            (
                Some("1 8 9\n5 x\n4 y,S=10\n"),
                &["x:2,FS", "y,S=10:2,a"][..],
                "4::b 5:FS:b+a",
                8,
                "",
            ),
            (
                Some("1 8 9\n5 x\n5 z\n6 new\n"),
                &["x", "z:2,", "new", "w"],
                "5::a+b 5:: (new) (w)",
                8,
                "",
            ),
            (Some("1 8 9\n5 x\n6 x\n"), &["x"], "5::a+b", 8, "doubt"),
            (Some("1 8 9\n5 x\nz\n6 y"), &["x"], "5::a+b", 8, "doubt"),
            (Some("nonsense\n"), &["x"], "(x)", 0, "doubt"),
            (None, &["x"], "(x)", 0, "doubt"),
            (None, &[], "", 0, ""),
        ] {
            let tree = courier(uiddb, names);
            assert_eq!(told(&tree), want, "{uiddb:?}");
            assert_eq!(tree.validity, UidValidity::new(validity), "{uiddb:?}");
            let whats: Vec<&str> = tree.faults.iter().map(|it| it.what.word()).collect();
            assert_eq!(whats.join(" "), faults, "{uiddb:?}");
        }
    }

    #[test]
    fn what_may_be_another_message_is_worth_reading() {
        let [one, two] = [3, 4].map(|uid| format!("7.M000000000{uid}.mailseed,S=10,W=11"));
        let list = |uids: [u32; 2]| format!("3 V7 N9\n{} :{one}\n{} :{two}\n", uids[0], uids[1]);
        let swapped = format!("3 V7 N9\n3 :{two}\n4 :{one}\n");
        let names = [&*one, &*two];
        let right = tree(Some(&list([3, 4])), &names);
        let wrong = tree(Some(&swapped), &names);
        let uids = |all: Vec<Uid>| all.into_iter().map(Uid::value).collect::<Vec<u32>>();
        let none: Vec<u32> = Vec::new();
        assert_eq!(uids(right.misnamed()), none);
        assert_eq!(uids(wrong.misnamed()), [3, 4]);
        assert_eq!(uids(right.other_files(&right)), none);
        assert_eq!(uids(wrong.other_files(&right)), [3, 4]);
        // Another UIDVALIDITY: these numbers mean nothing.
        let other = tree(Some(&swapped.replace("V7", "V8")), &names);
        assert_eq!(uids(other.misnamed()), none);
        // Only one of them has it.
        let part = tree(Some(&list([3, 5])), &names);
        assert_eq!(uids(part.other_files(&right)), none);
    }

    #[test]
    fn without_any_list_names_tell_the_uids() {
        let disk = Disk {
            files: vec![file("7.M0000000003.mailseed,S=10,W=11:2,S", 10)],
            odd: vec![(".hidden".to_owned(), "why")],
            ..Disk::default()
        };
        let tree = Tree::of(disk, Numbering::Names);
        assert_eq!(told(&tree), "3:S:");
        assert_eq!(tree.validity, UidValidity::new(7));
        assert_eq!(tree.faults.len(), 1);
        assert_eq!(tree.faults[0].is, ".hidden: why");
    }

    #[test]
    fn sizes_in_names_must_be_true() {
        let uid = Uid::new(3).unwrap();
        for (name, size_fault, virtual_fault) in [
            ("a,S=10,W=12:2,", None, None),
            ("a:2,", None, None),
            ("a,S=9,W=13:2,", Some("9"), Some("12")),
        ] {
            let list = format!("3 V7 N9\n3 :{}\n", name.trim_end_matches(":2,"));
            let mut tree = tree(Some(&list), &[name]);
            tree.judge_sizes();
            let should = tree.faults.first().map(|it| it.should.as_str());
            assert_eq!(should, size_fault, "{name}");
            let fault = judge_virtual_size(uid, &file(name, 10), 12);
            assert_eq!(fault.as_ref().map(|it| it.should.as_str()), virtual_fault);
        }
    }

    #[test]
    fn owners_and_modes_are_judged() {
        let directory = Access { mode: 0o700, ..OWN };
        for (surroundings, access, want) in [
            (("cur", directory), OWN, ""),
            // Who else may look into a directory is its maker's business.
            (("cur", Access { mode: 0o755, ..OWN }), OWN, ""),
            (
                ("cur", Access { mode: 0o500, ..OWN }),
                OWN,
                "mode 0500 of cur",
            ),
            (
                ("dovecot-uidlist", Access { mode: 0o640, ..OWN }),
                OWN,
                "mode 0640 of dovecot-uidlist",
            ),
            (("new", directory), Access { uid: 0, ..OWN }, "0:6 owns a"),
            (
                (
                    "new",
                    Access {
                        gid: 0,
                        ..directory
                    },
                ),
                OWN,
                "5:0 owns new",
            ),
            (
                ("new", directory),
                Access { mode: 0o604, ..OWN },
                "mode 0604 of a",
            ),
            (
                ("new", directory),
                Access { mode: 0o400, ..OWN },
                "mode 0400 of a",
            ),
        ] {
            let mut tree = tree(Some("3 V7 N9\n3 :a\n"), &["a"]);
            tree.files[0].access = access;
            tree.judge_access(&[surroundings], Owner { uid: 5, gid: 6 });
            let told: Vec<&str> = tree.faults.iter().map(|it| it.is.as_str()).collect();
            assert_eq!(told.join("; "), want);
        }
    }
}
