//! The ways of spoiling a tree that Courier is to serve.

use std::fs;

use super::tree::{Maildir, Spoiling, write};

const UIDDB: &str = "courierimapuiddb";
const SIZES: &str = "courierpop3dsizelist";
const KEYWORDS: &str = "courierimapkeywords/:list";
const SUBSCRIBED: &str = "courierimapsubscribed";

impl Maildir {
    /// Changes the lines of one of Courier's files, the header being the first.
    fn lines(&self, folder: &str, file: &str, change: impl FnOnce(&mut Vec<String>)) {
        let file = self.folder(folder).join(file);
        let text = fs::read_to_string(&file).expect("Courier's file");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        write(&file, format!("{}\n", lines.join("\n")).as_bytes());
    }

    /// Changes the line of a message of INBOX in one of Courier's files.
    fn line(&self, file: &str, uid: u32, change: impl FnOnce(&str) -> String) {
        let base = self.base(uid);
        self.lines("INBOX", file, |lines| {
            let mut all = lines.iter_mut();
            let line = all.find(|line| line.contains(&*base)).expect("a line");
            *line = change(line);
        });
    }

    /// Takes the line of a message of INBOX away.
    fn without_line(&self, file: &str, uid: u32) {
        let base = self.base(uid);
        self.lines("INBOX", file, |lines| {
            lines.retain(|line| !line.contains(&*base));
        });
    }

    /// The base name of a message of INBOX.
    fn base(&self, uid: u32) -> String {
        let file = self.file("INBOX", uid);
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.and_then(|name| name.split(':').next());
        name.expect("a base").to_owned()
    }

    /// Gives two lines of INBOX in one of Courier's files what the other has: their words of that number.
    fn swap(&self, file: &str, word: usize) {
        let words: Vec<String> = [5, 6]
            .map(|uid| {
                let mut word_of = String::new();
                self.line(file, uid, |line| {
                    word_of = line.split(' ').nth(word).expect("a word").to_owned();
                    line.to_owned()
                });
                word_of
            })
            .into();
        for (uid, other) in [(5, &words[1]), (6, &words[0])] {
            self.line(file, uid, |line| with_word(line, word, other));
        }
    }
}

/// The line with another word at that place.
fn with_word(line: &str, place: usize, word: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    words[place] = word;
    words.join(" ")
}

fn remove(it: &Maildir, folder: &str, file: &str) {
    fs::remove_file(it.folder(folder).join(file)).expect("removed");
}

/// What it takes for every UIDL of INBOX to be another.
const OTHER_UIDLS: &[&str] = &["doubt INBOX -", "uidl INBOX *"];

/// Those of Courier, also where other servers have their own lists, which are right.
pub const COURIER: &[Spoiling] = &[
    (
        "the UID of a line",
        |it| it.line(UIDDB, 29, |line| with_word(line, 0, "30")),
        &["extra INBOX 30", "missing INBOX 29", "uidl INBOX 29"],
    ),
    (
        "two UIDs swapped",
        |it| it.swap(UIDDB, 0),
        &[
            "content INBOX 5",
            "content INBOX 6",
            "date INBOX 5",
            "date INBOX 6",
            "size INBOX *",
            "uidl INBOX 5",
            "uidl INBOX 6",
        ],
    ),
    (
        "two messages of one UID",
        |it| it.line(UIDDB, 6, |line| with_word(line, 0, "5")),
        &[
            "content INBOX 5",
            "date INBOX 5",
            "doubled INBOX 5",
            "missing INBOX 6",
            "uidl INBOX 6",
        ],
    ),
    (
        "a line gone",
        |it| it.without_line(UIDDB, 5),
        &["extra INBOX -", "missing INBOX 5"],
    ),
    (
        "a line twice",
        |it| {
            it.lines("INBOX", UIDDB, |lines| lines.push(lines[3].clone()));
        },
        &["doubt INBOX -"],
    ),
    (
        "a line that is none",
        |it| it.line(UIDDB, 5, |line| line.replacen(' ', "\t", 1)),
        &["doubt INBOX -", "extra INBOX -", "missing INBOX 5"],
    ),
    (
        "UIDVALIDITY",
        |it| {
            it.lines("INBOX", UIDDB, |lines| {
                lines[0] = with_word(&lines[0], 1, "7")
            })
        },
        &["uidvalidity INBOX -"],
    ),
    (
        "UIDNEXT",
        |it| {
            it.lines("INBOX", UIDDB, |lines| {
                lines[0] = with_word(&lines[0], 2, "30")
            })
        },
        &["uidnext INBOX -"],
    ),
    (
        "no courierimapuiddb",
        |it| remove(it, "Sent", UIDDB),
        &["doubt Sent -", "uidvalidity Sent -"],
    ),
    (
        "nonsense for a courierimapuiddb",
        |it| write(&it.folder("Sent").join(UIDDB), b"nonsense\n"),
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
        "a courierimapuiddb without its last line end",
        |it| {
            let file = it.folder("INBOX").join(UIDDB);
            let text = fs::read_to_string(&file).expect("a list");
            write(&file, text.trim_end().as_bytes());
        },
        &["doubt INBOX -", "extra INBOX -", "missing INBOX 29"],
    ),
    (
        "a keyword of a message gone",
        |it| it.without_line(KEYWORDS, 3),
        &["keywords INBOX 3"],
    ),
    (
        "a keyword means another",
        |it| it.lines("INBOX", KEYWORDS, |lines| lines[0] = "Play".to_owned()),
        &["keywords INBOX 3"],
    ),
    (
        "a keyword more",
        |it| {
            let base = it.base(5);
            it.lines("INBOX", KEYWORDS, |lines| lines.push(format!("{base}:0")));
        },
        &["keywords INBOX 5"],
    ),
    (
        "a keyword of a session",
        |it| {
            let directory = it.folder("INBOX").join("courierimapkeywords");
            fs::write(directory.join(it.base(3)), "Other\n").expect("written");
        },
        &["keywords INBOX 3"],
    ),
    (
        "no keywords",
        |it| {
            let directory = it.folder("INBOX").join("courierimapkeywords");
            fs::remove_dir_all(directory).expect("removed");
        },
        &["keywords INBOX 3"],
    ),
    (
        "a subscription gone",
        |it| {
            it.lines("INBOX", SUBSCRIBED, |lines| {
                lines.retain(|line| line != "INBOX.Sent");
            });
        },
        &["subscription Sent -"],
    ),
    (
        "a subscription more",
        |it| {
            it.lines("INBOX", SUBSCRIBED, |lines| {
                lines.push("INBOX.Archive".to_owned());
            });
        },
        &["subscription Archive -"],
    ),
    (
        "no subscriptions",
        |it| remove(it, "INBOX", SUBSCRIBED),
        &["subscription INBOX -", "subscription Sent -"],
    ),
    (
        "two UIDLs swapped",
        |it| it.swap(SIZES, 2),
        &[
            "order INBOX 5",
            "pop3_size INBOX *",
            "uidl INBOX 5",
            "uidl INBOX 6",
        ],
    ),
    (
        "a UIDL changed",
        |it| it.line(SIZES, 5, |line| with_word(line, 2, "900:7:0")),
        &["uidl INBOX 5"],
    ),
    (
        "a UIDL that is the file's name",
        |it| it.line(SIZES, 5, |line| with_word(line, 2, "0:0:0")),
        &["uidl INBOX 5"],
    ),
    (
        "a UIDL twice",
        |it| {
            let mut other = String::new();
            it.line(SIZES, 6, |line| {
                other = line.split(' ').nth(2).expect("a word").to_owned();
                line.to_owned()
            });
            it.line(SIZES, 5, |line| with_word(line, 2, &other));
        },
        &["doubled INBOX 6", "doubt INBOX -", "uidl INBOX *"],
    ),
    (
        "a size in the list",
        |it| it.line(SIZES, 5, |line| with_word(line, 1, "777")),
        &["pop3_size INBOX 5"],
    ),
    (
        "a line of the list gone",
        |it| it.without_line(SIZES, 5),
        &["uidl INBOX 5"],
    ),
    (
        "a line without the suffix of its file",
        |it| it.line(SIZES, 5, |line| line.replace(":2,", "")),
        &["uidl INBOX 5"],
    ),
    (
        "no courierpop3dsizelist",
        |it| remove(it, "INBOX", SIZES),
        OTHER_UIDLS,
    ),
    (
        "nonsense for a courierpop3dsizelist",
        |it| write(&it.folder("INBOX").join(SIZES), b"nonsense\n"),
        OTHER_UIDLS,
    ),
    (
        "a courierpop3dsizelist cut short",
        |it| {
            let file = it.folder("INBOX").join(SIZES);
            let bytes = fs::read(&file).expect("a list");
            write(&file, &bytes[..bytes.len() / 2]);
        },
        OTHER_UIDLS,
    ),
];

/// Those of Courier alone: what they change is other servers' business too.
pub const COURIER_ALONE: &[Spoiling] = &[
    ("a date", |it| it.redate(5, 86_400), &["date INBOX 5"]),
    (
        "back in new",
        |it| {
            let file = it.file("INBOX", 5);
            let name = file.file_name().expect("a name");
            fs::rename(&file, it.folder("INBOX").join("new").join(name)).expect("moved");
        },
        &["extra INBOX -", "missing INBOX 5"],
    ),
    (
        "a name that comes last",
        |it| {
            let (was, is) = (it.base(5), format!("9999999999.{}", it.base(5)));
            let file = it.file("INBOX", 5);
            fs::rename(&file, file.with_file_name(format!("{is}:2,S"))).expect("renamed");
            for list in [UIDDB, SIZES] {
                it.lines("INBOX", list, |lines| {
                    for line in lines {
                        *line = line.replace(&was, &is);
                    }
                });
            }
        },
        &["order INBOX 5"],
    ),
    (
        "a name that no list has",
        |it| {
            let file = it.file("INBOX", 5);
            let is = format!("{}x:2,S", it.base(5));
            fs::rename(&file, file.with_file_name(is)).expect("renamed");
        },
        &[
            "extra INBOX -",
            "missing INBOX 5",
            "uidl INBOX -",
            "uidl INBOX 5",
        ],
    ),
    (
        "a file twice under another name",
        |it| {
            let file = it.file("INBOX", 5);
            fs::copy(&file, it.root.join("cur/1400000000.copy.host:2,S")).expect("copied");
        },
        &["extra INBOX -", "owner INBOX -", "uidl INBOX -"],
    ),
];

/// Those of a maildrop alone.
pub const COURIER_POP3_ONLY: &[Spoiling] = &[
    (
        "a file gone",
        |it| fs::remove_file(it.file("INBOX", 5)).expect("gone"),
        &["uidl INBOX -"],
    ),
    (
        "two UIDLs swapped",
        |it| it.swap(SIZES, 2),
        &["content INBOX -", "order INBOX *"],
    ),
    (
        "a UIDL changed",
        |it| it.line(SIZES, 5, |line| with_word(line, 2, "900:7:0")),
        &["uidl INBOX *"],
    ),
    (
        "no courierpop3dsizelist",
        |it| remove(it, "INBOX", SIZES),
        &["doubt INBOX -", "uidl INBOX *"],
    ),
    (
        "no courierimapuiddb",
        |it| remove(it, "INBOX", UIDDB),
        &["doubt INBOX -"],
    ),
    (
        "two messages of one UID",
        |it| it.line(UIDDB, 6, |line| with_word(line, 0, "5")),
        &["doubled INBOX 5"],
    ),
];

/// Those of Courier that only root can do.
pub const COURIER_OF_ROOT: &[Spoiling] = &[
    (
        "a courierpop3dsizelist owned by another",
        |it| {
            let file = it.folder("INBOX").join(SIZES);
            std::os::unix::fs::chown(file, Some(5001), None).expect("root may");
        },
        &["owner INBOX -"],
    ),
    (
        "keywords owned by another",
        |it| {
            let file = it.folder("INBOX").join(KEYWORDS);
            std::os::unix::fs::chown(file, Some(5001), None).expect("root may");
        },
        &["owner INBOX -"],
    ),
];
