//! Made-up message files, odd in every way in which names can be.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::support::corpus::Random;

/// One message file.
#[derive(Debug, Clone)]
pub struct Message {
    pub base: Vec<u8>,
    pub suffix: Vec<u8>,
    pub in_new: bool,
    pub content: Vec<u8>,
}

impl Message {
    pub fn name(&self) -> Vec<u8> {
        [self.base.as_slice(), self.suffix.as_slice()].concat()
    }

    /// Bytes with CRLF line ends, a CRLF counting as one already.
    pub fn virtual_size(&self) -> usize {
        let ends = self.content.iter().enumerate();
        let bare = ends
            .filter(|(at, byte)| **byte == b'\n' && (*at == 0 || self.content[at - 1] != b'\r'));
        self.content.len() + bare.count()
    }
}

/// Makes an empty Maildir.
pub fn make(maildir: &Path) {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part)).expect("scratch directories are writable");
    }
}

/// Writes the files.
pub fn write(maildir: &Path, messages: &[Message]) {
    make(maildir);
    for message in messages {
        let part = maildir.join(if message.in_new { "new" } else { "cur" });
        let path = part.join(OsStr::from_bytes(&message.name()));
        fs::write(&path, &message.content)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Up to 12 messages, no two of one base name.
pub fn messages(random: &mut Random) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let second = 1_500_000_000 + random.below(1000);
    for _ in 0..random.below(13) {
        let content = content(random);
        let base = base(random, second, content.len());
        if messages.iter().any(|other| other.base == base) {
            continue;
        }
        let in_new = random.below(4) == 0;
        let suffix = match (in_new, random.below(24)) {
            (true, 1..) | (false, 0) => &b""[..],
            (_, 1) => b":1,S",
            (_, 2) => b":2",
            (_, 3) => b":2,S:2,F",
            (_, 4) => b":2,S,W=5",
            (_, 5) => b":",
            (_, 6) => b"::2,S",
            (_, 7..12) => b":2,",
            (_, 12..16) => b":2,FRSab",
            _ => b":2,S",
        };
        messages.push(Message {
            base,
            suffix: suffix.to_vec(),
            in_new,
            content,
        });
    }
    messages
}

fn content(random: &mut Random) -> Vec<u8> {
    let mut content = b"From: a@example.org\nSubject: x\n\n".to_vec();
    for _ in 0..random.below(20) {
        const LINES: [&[u8]; 7] = [
            b"text\n",
            b"\n",
            b".\n",
            b"crlf\r\n",
            b"a\rb\n",
            b"\xff\0\n",
            b"\r\r\n",
        ];
        content.extend(*random.pick(&LINES));
    }
    if random.below(4) == 0 {
        const ENDS: [&[u8]; 5] = [b"no end", b"a CR\r", b"CRs\r\r\r", b"\r", b"."];
        content.extend(*random.pick(&ENDS));
    }
    if random.below(20) == 0 {
        content.truncate(usize::try_from(random.below(3)).expect("small"));
    }
    content
}

/// A base name. Many are of one `second`, so that the rest has to decide.
fn base(random: &mut Random, second: u64, size: usize) -> Vec<u8> {
    const ODD: [&[u8]; 30] = [
        b"1294690616.429",
        b"plain-name",
        b"-5.minus",
        b"+7.plus",
        b" 6.blank",
        b"010.a",
        b"9.z",
        b"10.z",
        b"9",
        b"caf\xc3\xa9.x",
        b"\xff\xfe.raw",
        b"name with blanks",
        b"!\"#$%&'()*+,-;<=>?@[]^_`{|}~",
        b"20190101123456789.x",
        b"4294967301.M5.h",
        b"5.M5.h",
        b"3000000000.M1.h",
        b"99999999999999999999.y",
        b"x,S=",
        b"x,W=",
        b"y,W=7",
        b"y,W=,a",
        b"y,W=x,W=9",
        b"z,S=x",
        b"z,W=18446744073709551617",
        b"1500000000.Mfoo.h",
        b"1500000000.M12345678901.h",
        b"UID5-77",
        b"it's",
        b"q+p",
    ];
    let n = random.below(10_000);
    match random.below(10) {
        0..2 => random.pick(&ODD).to_vec(),
        2 => "x"
            .repeat(60 + usize::try_from(n % 60).expect("small"))
            .into_bytes(),
        3 => format!("{}.{n}.host,S={size}", second + n % 3).into_bytes(),
        4 => format!("{second}.{n}.host").into_bytes(),
        5 => format!("{second}.P{n}M{}.host", n % 50).into_bytes(),
        6 => format!("{}.host{n}", 1_400_000_000 + n * 10_000).into_bytes(),
        _ => format!("{}.M{n}P9.host", second + n % 3).into_bytes(),
    }
}
