//! An exported Maildir, and the ways of spoiling it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// An exported Maildir, to be spoilt.
#[derive(Debug)]
pub struct Maildir {
    pub root: PathBuf,
}

impl Maildir {
    /// A copy of `from` at `root`, dates and owners with it.
    pub fn copied(from: &Path, root: PathBuf) -> Self {
        let home = root.parent().expect("a Maildir lies in a home");
        fs::create_dir_all(home).expect("scratch directories are writable");
        let copied = Command::new("cp").arg("-a").arg(from).arg(&root).status();
        assert!(copied.expect("there is cp").success());
        Self { root }
    }

    /// The directory of a folder.
    pub fn folder(&self, folder: &str) -> PathBuf {
        match folder {
            "INBOX" => self.root.clone(),
            name => self.root.join(format!(".{name}")),
        }
    }

    /// The list of UIDs of a folder.
    fn list_file(&self, folder: &str) -> PathBuf {
        let directory = self.folder(folder);
        let names = ["dovecot-uidlist", "mailseed.uidlist"];
        let mut places = names.iter().map(|name| directory.join(name));
        places.find(|it| it.exists()).expect("there is a list")
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let text = fs::read_to_string(self.list_file(folder)).expect("there is a list");
        text.lines().map(str::to_owned).collect()
    }

    /// Changes the lines of a list, the header being the first.
    pub fn relist(&self, folder: &str, change: impl FnOnce(&mut Vec<String>)) {
        let file = self.list_file(folder);
        let mut lines = self.list(folder);
        change(&mut lines);
        write(&file, format!("{}\n", lines.join("\n")).as_bytes());
    }

    /// Changes the line of a message.
    pub fn reline(&self, uid: u32, change: impl Fn(&str) -> String) {
        let place = place(uid, &self.list("INBOX"));
        self.relist("INBOX", |lines| lines[place] = change(&lines[place]));
    }

    /// The file of a message.
    pub fn file(&self, folder: &str, uid: u32) -> PathBuf {
        let lines = self.list(folder);
        let (_, base) = lines[place(uid, &lines)].split_once(" :").expect("a line");
        for part in ["cur", "new"] {
            for entry in fs::read_dir(self.folder(folder).join(part)).expect("a folder") {
                let entry = entry.expect("a file");
                let name = entry.file_name().into_string().expect("ASCII");
                if name.split(':').next() == Some(base) {
                    return entry.path();
                }
            }
        }
        panic!("no file of {folder} {uid}");
    }

    /// Gives the file of a message another name, and its line with it where its base changes.
    pub fn rename(&self, uid: u32, change: impl Fn(&str) -> String) {
        let file = self.file("INBOX", uid);
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("ASCII");
        let new = change(name);
        fs::rename(&file, file.with_file_name(&new)).expect("renamed");
        let base = |name: &str| name.split(':').next().expect("a base").to_owned();
        let (was, is) = (base(name), base(&new));
        self.reline(uid, |line| {
            line.replace(&format!(":{was}"), &format!(":{is}"))
        });
    }

    /// Changes what a message holds; its date and owner stay.
    pub fn rewrite(&self, folder: &str, uid: u32, change: impl FnOnce(&mut Vec<u8>)) {
        let file = self.file(folder, uid);
        let mut bytes = fs::read(&file).expect("a message");
        change(&mut bytes);
        write(&file, &bytes);
    }

    /// Dates a message so many seconds later.
    pub fn redate(&self, uid: u32, by: i64) {
        let date = self.date(uid) + by;
        let date = Duration::from_secs(date.try_into().expect("after 1970"));
        let file = fs::File::options()
            .append(true)
            .open(self.file("INBOX", uid));
        let file = file.expect("a message");
        file.set_modified(SystemTime::UNIX_EPOCH + date)
            .expect("dated");
    }

    /// The date of the file of a message.
    pub fn date(&self, uid: u32) -> i64 {
        let metadata = fs::metadata(self.file("INBOX", uid)).expect("a message");
        std::os::unix::fs::MetadataExt::mtime(&metadata)
    }
}

/// The place of a message's line.
fn place(uid: u32, lines: &[String]) -> usize {
    let start = format!("{uid} ");
    let place = lines
        .iter()
        .skip(1)
        .position(|line| line.starts_with(&start));
    place.unwrap_or_else(|| panic!("UID {uid} is not listed: {lines:#?}")) + 1
}

/// Writes into a file that is there, so that it keeps owner and mode; and its date.
pub fn write(file: &Path, bytes: &[u8]) {
    let date = fs::metadata(file)
        .and_then(|it| it.modified())
        .expect("a file");
    fs::write(file, bytes).expect("written");
    let file = fs::File::options().append(true).open(file).expect("a file");
    file.set_modified(date).expect("dated");
}

/// Copies a file with all that it has.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.expect("there is cp").success());
}

/// The value of a field of a line.
fn field(line: &str, key: char) -> String {
    let mut words = line.split(' ');
    let word = words.find(|word| word.starts_with(key)).expect("a field");
    word.to_owned()
}

fn without(line: &str, key: char) -> String {
    line.replace(&format!(" {}", field(line, key)), "")
}

/// Puts a second file of the same name into the other directory.
fn double(it: &Maildir) {
    let file = it.file("INBOX", 5);
    let name = file.file_name().and_then(|name| name.to_str());
    let base = name.and_then(|name| name.split(':').next());
    let base = base.expect("a base");
    let place = match file.starts_with(it.root.join("cur")) {
        true => "new",
        false => "cur",
    };
    copy(&file, &it.root.join(place).join(format!("{base}:2,S")));
}

/// One way of spoiling a tree: its name, what does it, and what is to be found: `what folder uid`
/// each, `-` where there is none.
pub type Spoiling = (&'static str, fn(&Maildir), &'static [&'static str]);

/// Those of any target.
pub const ANY: &[Spoiling] = &[
    (
        "one byte of a message",
        |it| {
            it.rewrite("INBOX", 5, |bytes| {
                let last = bytes.len() - 3;
                bytes[last] ^= 1;
            })
        },
        &["content INBOX 5"],
    ),
    (
        "a file gone",
        |it| fs::remove_file(it.file("INBOX", 5)).expect("gone"),
        &["missing INBOX 5", "uidl INBOX 5"],
    ),
    (
        "a flag added",
        |it| it.rename(5, |name| name.replace(":2,S", ":2,RS")),
        &["flags INBOX 5"],
    ),
    (
        "a flag removed",
        |it| it.rename(5, |name| name.replace(":2,S", ":2,")),
        &["flags INBOX 5"],
    ),
    (
        "a message cut short",
        |it| it.rewrite("INBOX", 5, |bytes| bytes.truncate(20)),
        &["content INBOX 5", "size INBOX 5"],
    ),
    (
        "an empty message",
        |it| it.rewrite("INBOX", 5, Vec::clear),
        &["content INBOX 5", "size INBOX 5"],
    ),
    (
        "one more header",
        |it| {
            it.rewrite("INBOX", 5, |bytes| {
                bytes.splice(0..0, *b"X-New: 1\n");
            })
        },
        &["content INBOX 5", "size INBOX 5"],
    ),
    (
        "readable by others",
        |it| {
            let mode = fs::Permissions::from_mode(0o644);
            fs::set_permissions(it.file("INBOX", 5), mode).expect("changed");
        },
        &["owner INBOX 5"],
    ),
    (
        "not readable by its owner",
        |it| {
            let mode = fs::Permissions::from_mode(0o000);
            fs::set_permissions(it.file("INBOX", 5), mode).expect("changed");
        },
        &["owner INBOX 5"],
    ),
    (
        "moved to tmp",
        |it| {
            let file = it.file("INBOX", 5);
            let name = file.file_name().expect("a name");
            fs::rename(&file, it.root.join("tmp").join(name)).expect("moved");
        },
        &["missing INBOX 5", "uidl INBOX 5"],
    ),
    (
        "hidden by a dot",
        |it| {
            let file = it.file("INBOX", 5);
            let name = file
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a name");
            fs::rename(&file, file.with_file_name(format!(".{name}"))).expect("hidden");
        },
        &["doubt INBOX -", "missing INBOX 5", "uidl INBOX 5"],
    ),
    (
        "a link in place of a message",
        |it| {
            let file = it.file("INBOX", 5);
            let away = it.root.join("tmp").join("away");
            fs::rename(&file, &away).expect("moved");
            symlink(&away, &file).expect("linked");
        },
        &["doubt INBOX -", "missing INBOX 5", "uidl INBOX 5"],
    ),
    (
        "a folder gone",
        |it| {
            fs::remove_dir_all(it.folder("Archive")).expect("removed");
        },
        &["folder Archive -"],
    ),
    (
        "a folder without cur",
        |it| {
            fs::remove_dir_all(it.folder("Archive").join("cur")).expect("removed");
        },
        &["folder Archive -"],
    ),
    (
        "a folder without tmp",
        |it| {
            fs::remove_dir_all(it.folder("Archive").join("tmp")).expect("removed");
        },
        &["doubt Archive -"],
    ),
    (
        "a folder more",
        |it| {
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(it.folder("More").join(part)).expect("made");
            }
        },
        &["folder More -"],
    ),
];

/// Those that only root can do.
pub const OF_ROOT: &[Spoiling] = &[
    (
        "owned by another",
        |it| {
            std::os::unix::fs::chown(it.file("INBOX", 5), Some(5001), None).expect("root may");
        },
        &["owner INBOX 5"],
    ),
    (
        "a place for deliveries owned by another",
        |it| {
            std::os::unix::fs::chown(it.root.join("tmp"), Some(5001), None).expect("root may");
        },
        &["owner INBOX -"],
    ),
    (
        "a list owned by another",
        |it| {
            std::os::unix::fs::chown(it.list_file("INBOX"), None, Some(5001)).expect("root may");
        },
        &["owner INBOX -"],
    ),
];

/// Those of Dovecot alone.
pub const DOVECOT: &[Spoiling] = &[
    ("one file twice, in new too", double, &["doubled INBOX 5"]),
    (
        "a message twice under another name",
        |it| {
            copy(
                &it.file("INBOX", 5),
                &it.root.join("cur/1400000000.copy.host:2,S"),
            );
        },
        &["extra INBOX -", "uidl INBOX -"],
    ),
    (
        "two UIDLs swapped",
        |it| {
            let lines = it.list("INBOX");
            let (one, other) = (&lines[place(5, &lines)], &lines[place(6, &lines)]);
            let (one, other) = (field(one, 'P'), field(other, 'P'));
            it.reline(5, |line| line.replace(&one, &other));
            it.reline(6, |line| line.replace(&other, &one));
        },
        &[
            "order INBOX 5",
            "pop3_size INBOX *",
            "uidl INBOX 5",
            "uidl INBOX 6",
        ],
    ),
    (
        "two UIDLs swapped, and their places",
        |it| {
            let lines = it.list("INBOX");
            let (one, other) = (&lines[place(5, &lines)], &lines[place(6, &lines)]);
            let fields = |line: &str| format!("{} {}", field(line, 'P'), field(line, 'O'));
            let (one, other) = (fields(one), fields(other));
            it.reline(5, |line| line.replace(&one, &other));
            it.reline(6, |line| line.replace(&other, &one));
        },
        &["pop3_size INBOX *", "uidl INBOX 5", "uidl INBOX 6"],
    ),
    (
        "a UIDL changed",
        |it| {
            it.reline(5, |line| line.replace(&field(line, 'P'), "Pother"));
        },
        &["uidl INBOX 5"],
    ),
    (
        "a UIDL gone",
        |it| it.reline(5, |line| without(line, 'P')),
        &["uidl INBOX 5"],
    ),
    (
        "a place in the order changed",
        |it| {
            it.reline(5, |line| line.replace(&field(line, 'O'), "O999"));
        },
        &["order INBOX 5"],
    ),
    (
        "a place in the order gone",
        |it| it.reline(5, |line| without(line, 'O')),
        &["order INBOX 5"],
    ),
    ("a date", |it| it.redate(5, 86_400), &["date INBOX 5"]),
    (
        "a keyword means another",
        |it| {
            let file = it.root.join("dovecot-keywords");
            let text = fs::read_to_string(&file).expect("keywords");
            write(&file, text.replace("Work", "Play").as_bytes());
        },
        &["keywords INBOX 3"],
    ),
    (
        "a keyword more in a name",
        |it| it.rename(5, |name| format!("{name}a")),
        &["keywords INBOX 5"],
    ),
    (
        "a keyword less in a name",
        |it| {
            it.rename(3, |name| {
                name.trim_end_matches(|it: char| it.is_ascii_lowercase())
                    .to_owned()
            });
        },
        &["keywords INBOX 3"],
    ),
    (
        "a keyword that no list has",
        |it| it.rename(5, |name| format!("{name}z")),
        &["keywords INBOX 5"],
    ),
    (
        "UIDVALIDITY",
        |it| {
            it.relist("INBOX", |lines| {
                lines[0] = lines[0].replace("V1400000000", "V1400000001")
            });
        },
        &["uidvalidity INBOX -"],
    ),
    (
        "the UID of a line",
        |it| {
            it.reline(29, |line| line.replacen("29 ", "30 ", 1));
        },
        &["extra INBOX 30", "missing INBOX 29", "uidl INBOX 29"],
    ),
    (
        "UIDNEXT",
        |it| {
            it.relist("INBOX", |lines| lines[0] = lines[0].replace("N31", "N30"));
        },
        &["uidnext INBOX -"],
    ),
    (
        "a line gone",
        |it| {
            let place = place(5, &it.list("INBOX"));
            it.relist("INBOX", |lines| drop(lines.remove(place)));
        },
        &[
            "extra INBOX -",
            "missing INBOX 5",
            "uidl INBOX -",
            "uidl INBOX 5",
        ],
    ),
    (
        "a line twice",
        |it| {
            let place = place(29, &it.list("INBOX"));
            it.relist("INBOX", |lines| lines.push(lines[place].clone()));
        },
        &["doubt INBOX -"],
    ),
    (
        "two lines of one name",
        |it| {
            let place = place(29, &it.list("INBOX"));
            it.relist("INBOX", |lines| {
                lines.push(lines[place].replacen("29 ", "30 ", 1))
            });
        },
        &[
            "doubt INBOX -",
            "extra INBOX 30",
            "missing INBOX 29",
            "uidl INBOX 29",
        ],
    ),
    (
        "a wrong S=",
        |it| it.rename(5, |name| name.replace(",S=", ",S=1")),
        &["size INBOX 5"],
    ),
    (
        "a wrong W=",
        |it| it.rename(5, |name| name.replace(",W=", ",W=1")),
        &["pop3_size INBOX 5", "size INBOX 5"],
    ),
    (
        "moved to another folder",
        |it| {
            let file = it.file("INBOX", 5);
            let name = file.file_name().expect("a name");
            fs::rename(&file, it.folder("Sent").join("cur").join(name)).expect("moved");
        },
        &["extra Sent -", "missing INBOX 5", "uidl INBOX 5"],
    ),
    (
        "one byte of a message in a folder",
        |it| {
            it.rewrite("Sent", 2, |bytes| {
                let last = bytes.len() - 3;
                bytes[last] ^= 1;
            })
        },
        &["content Sent 2"],
    ),
    (
        "a subscription gone",
        |it| {
            let file = it.root.join("subscriptions");
            let text = fs::read_to_string(&file).expect("subscriptions");
            write(&file, text.replace("Sent\n", "").as_bytes());
        },
        &["subscription Sent -"],
    ),
    (
        "a subscription more",
        |it| {
            let file = it.root.join("subscriptions");
            let text = fs::read_to_string(&file).expect("subscriptions");
            write(&file, format!("{text}Archive\n").as_bytes());
        },
        &["subscription Archive -"],
    ),
    (
        "no subscriptions",
        |it| {
            fs::remove_file(it.root.join("subscriptions")).expect("removed");
        },
        &["subscription INBOX -", "subscription Sent -"],
    ),
    (
        "no list",
        |it| {
            fs::remove_file(it.list_file("Sent")).expect("removed");
        },
        &["doubt Sent -", "uidvalidity Sent -"],
    ),
    (
        "nonsense for a list",
        |it| write(&it.list_file("Sent"), b"nonsense\n"),
        &[
            "doubt Sent -",
            "extra Sent -",
            "missing Sent 1",
            "missing Sent 2",
            "missing Sent 3",
            "uidvalidity Sent -",
        ],
    ),
    (
        "a list of version 1",
        |it| {
            it.relist("INBOX", |lines| {
                lines[0] = "1 1400000000 31".to_owned();
                for line in lines.iter_mut().skip(1) {
                    let (uid, _) = line.split_once(' ').expect("a UID");
                    let (_, name) = line.split_once(" :").expect("a name");
                    *line = format!("{uid} {name}");
                }
            })
        },
        &["uidl INBOX *"],
    ),
    (
        "a list without its last line end",
        |it| {
            let file = it.list_file("INBOX");
            let text = fs::read_to_string(&file).expect("a list");
            write(&file, text.trim_end().as_bytes());
        },
        &[
            "doubt INBOX -",
            "extra INBOX -",
            "missing INBOX 29",
            "uidl INBOX -",
            "uidl INBOX 29",
        ],
    ),
];

/// Those of INBOX where its dates are the order and its names the UIDLs.
pub const QMAIL: &[Spoiling] = &[
    (
        "one file twice, in new too",
        double,
        &["date INBOX 5", "doubled INBOX 5", "doubt INBOX -"],
    ),
    (
        "two equal dates",
        |it| {
            let by = it.date(6) - it.date(5);
            it.redate(5, by);
        },
        &["date INBOX *", "doubt INBOX -"],
    ),
    (
        "two dates swapped",
        |it| {
            let by = it.date(6) - it.date(5);
            it.redate(5, by);
            it.redate(6, -by);
        },
        &["date INBOX *", "order INBOX 5"],
    ),
    (
        "a date far off",
        |it| it.redate(1, 7_200),
        &["date INBOX 1"],
    ),
    (
        "a date in the future",
        |it| it.redate(1, 2_000_000_000),
        &["date INBOX 1", "doubt INBOX -", "uidl INBOX 1"],
    ),
];

/// Those of a maildrop alone: what is read has no UID there, and is named by its UIDL.
pub const POP3_ONLY: &[Spoiling] = &[
    (
        "one byte of a message",
        |it| {
            it.rewrite("INBOX", 5, |bytes| {
                let last = bytes.len() - 3;
                bytes[last] ^= 1;
            })
        },
        &["content INBOX -"],
    ),
    (
        "a file gone",
        |it| fs::remove_file(it.file("INBOX", 5)).expect("gone"),
        &["uidl INBOX -"],
    ),
    (
        "a UIDL changed",
        |it| {
            it.reline(5, |line| line.replace(&field(line, 'P'), "Pother"));
        },
        &["uidl INBOX *"],
    ),
    (
        "a place in the order changed",
        |it| {
            it.reline(5, |line| line.replace(&field(line, 'O'), "O999"));
        },
        &["order INBOX *"],
    ),
    (
        "a wrong S=",
        |it| it.rename(5, |name| name.replace(",S=", ",S=1")),
        &["size INBOX 5"],
    ),
    ("one file twice, in new too", double, &["doubled INBOX 5"]),
];
