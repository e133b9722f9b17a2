//! A real Dovecot against what was foretold of it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mailseed::announce::Server;

use super::files::{self, Message};
use super::pop3::announced;
use super::trial::Trial;
use super::{lines, now, uidl};
use crate::support::corpus::Random;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::give_to_mail_owner;

/// Maildirs with a `dovecot-uidlist` that may be missing, broken or odd, and what is told of them
/// at least so often.
const MAILDIRS: u64 = 520;
const PHRASES: &[&str] = &[
    "there is no dovecot-uidlist",
    "dovecot-uidlist is broken",
    "dovecot-uidlist has no line end",
    "with more than one line in dovecot-uidlist",
    "a new UIDVALIDITY of the time",
    "a new UIDVALIDITY, ",
    "without a line in dovecot-uidlist: Dovecot gives",
    "of the list without a file",
    "announced more than once",
    "not as RFC 1939 wants it",
    "a name with a leading dot",
];

#[test]
fn dovecot_announces_what_was_foretold() {
    for (format, count) in [("%08Xu%08Xv", MAILDIRS - 60), ("%v.%u-%g%%%f", 60)] {
        let server = Dovecot::start(DovecotOptions {
            any_password: true,
            uidl_format: format.to_owned(),
            ..DovecotOptions::default()
        });
        let trial = Trial {
            port: server.pop3_port(),
            password: "any",
            options: &["--pop3-uidl-format", format],
            server: Server::Dovecot(format.parse().expect("a format of our own")),
            phrases: PHRASES,
            told: Mutex::default(),
        };
        let home = |user: &str| server.mail_dir(user);
        trial.run(count, home, make, |seed, maildir| {
            check(&trial, seed, maildir)
        });
        if count > 100 {
            let told = trial.told.into_inner();
            told.expect("no test thread panics with it").expect_each(3);
        }
    }
}

fn check(trial: &Trial<'_>, seed: u64, maildir: &Path) -> Result<(), String> {
    let before = now();
    let asked = trial.ask(seed, maildir)?;
    let stderr = &asked.foretold.stderr;
    let mut stdout = asked.foretold.stdout.trim_end().to_owned();
    if let Some(shown) = clock(stderr) {
        // Made of the time of the login, which is a little later than that of foretelling.
        let real = validity(&maildir.join("dovecot-uidlist"))?;
        if i64::from(real) < before || i64::from(real) > now() {
            return Err(format!("the UIDVALIDITY {real} is not of the clock"));
        }
        let hex = |value: u32| format!("{value:08x} ");
        stdout = stdout.replace(&hex(shown), &hex(real));
        stdout = stdout.replace(&format!(" {shown}."), &format!(" {real}."));
    }
    if stderr.contains("which gets which UID is undefined") {
        let said = &asked.said;
        return match sorted(&stdout) == sorted(said) {
            true => Ok(()),
            false => Err(format!("not even the same messages:\n{stdout}\n{said}")),
        };
    }
    trial.compare(&asked, &stdout)?;
    // Dovecot may remove a list that is broken, or break one that is unfinished.
    let mut broken = ["is broken", "has no line end"].iter();
    match broken.any(|words| stderr.contains(words)) {
        true => Ok(()),
        false => trial.once_more(&asked, maildir),
    }
}

/// The UIDLs, and the octets, without what belongs together.
fn sorted(listing: &str) -> [Vec<&str>; 2] {
    let lines = listing.lines().filter_map(|line| line.split_once(' '));
    let (mut uidls, mut octets): (Vec<&str>, Vec<&str>) =
        lines.filter_map(|(_, rest)| rest.rsplit_once(' ')).unzip();
    uidls.sort_unstable();
    octets.sort_unstable();
    [uidls, octets]
}

/// The UIDVALIDITY that is told as if the login were now.
fn clock(stderr: &str) -> Option<u32> {
    let told = stderr.split("as if that were now (").nth(1)?;
    told.split(')').next()?.parse().ok()
}

/// `V` of a list that Dovecot has written.
fn validity(list: &Path) -> Result<u32, String> {
    let text = fs::read(list).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let word = text.split(' ').find_map(|word| word.strip_prefix('V'));
    let word = word.ok_or("no V in the list")?;
    word.parse().map_err(|_| format!("V{word}"))
}

/// Makes a Maildir; returns what it is, for people.
fn make(seed: u64, maildir: &Path) -> String {
    let mut random = Random::new(seed);
    let mut messages = files::messages(&mut random);
    for message in &mut messages {
        // A wrong S is tested by itself: Dovecot may refuse the login for it.
        let size = message.content.len();
        let virtual_size = message.virtual_size();
        match random.below(8) {
            0 if !message.base.contains(&b'=') => {
                message.base.extend(format!(",W={virtual_size}").bytes());
            }
            1 if !message.base.contains(&b'=') => {
                message
                    .base
                    .extend(format!(",S={size},W={}", random.below(900)).bytes());
            }
            _ => {}
        }
    }
    messages.retain(|message| !says_wrong_size(message));
    files::write(maildir, &messages);
    if random.below(6) == 0 {
        fs::write(maildir.join("cur/.hidden:2,S"), "x\n").expect("it is ours");
    }
    let list = list(&mut random, &messages);
    if let Some(list) = &list {
        fs::write(maildir.join("dovecot-uidlist"), list).expect("it is ours");
    }
    if random.below(6) == 0 {
        uidvalidity_files(&mut random, maildir);
    }
    let names: Vec<String> = messages
        .iter()
        .map(|message| {
            let place = if message.in_new { "new" } else { "cur" };
            format!("  {place}/{}", message.name().escape_ascii())
        })
        .collect();
    let list = list.map_or("no list".to_owned(), |list| list.escape_ascii().to_string());
    format!("{}\n{}", names.join("\n"), list.replace("\\n", "\n"))
}

/// Whether Dovecot finds in the name a size that is not that of the file.
fn says_wrong_size(message: &Message) -> bool {
    let name = String::from_utf8_lossy(&message.name()).into_owned();
    let Some((_, rest)) = name.split_once(",S=") else {
        return false;
    };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits != message.content.len().to_string() && !rest.is_empty()
}

fn uidvalidity_files(random: &mut Random, maildir: &Path) {
    let value = 1_234_567 + u32::try_from(random.below(100)).expect("small");
    let path = |value: u32| -> PathBuf { maildir.join(format!("dovecot-uidvalidity.{value:08x}")) };
    let main = maildir.join("dovecot-uidvalidity");
    let text = match random.below(5) {
        0 => "nonsense".to_owned(),
        1 => "00000000".to_owned(),
        2 => format!("{:08x}", value - 3),
        3 => format!("{:08x}", value - 30),
        _ => format!("{value:08x}"),
    };
    if random.below(5) > 0 {
        fs::write(main, text).expect("it is ours");
    }
    if random.below(5) > 0 {
        fs::write(path(value), "").expect("it is ours");
    }
    if random.below(5) == 0 {
        fs::write(path(value - 2), "").expect("it is ours");
    }
}

/// A list for `messages`, or none.
fn list(random: &mut Random, messages: &[Message]) -> Option<Vec<u8>> {
    let validity = 1 + random.below(4_000_000_000);
    let next = 1 + random.below(200);
    let header = match random.below(40) {
        0 => return None,
        1 => String::new(),
        2 => "nonsense\n".to_owned(),
        3 => format!("3 V{validity}\n"),
        4 => format!("3 V0 N{next}\n"),
        5 => format!("2 V{validity} N{next}\n"),
        6 => format!("3 V{validity} N{next} Gxyz\n"),
        7 => format!("3 V{validity} N+{next}\n"),
        8..10 => return Some(old_list(random, messages, validity)),
        10 => format!("3  N{next}  V{validity} Xmore G0123456789abcdef0123456789abcdef\n"),
        11 => format!("3 V{validity} N{next}"),
        12..20 => format!("3 V{validity} N{next}\n"),
        _ => format!("3 V{validity} N{next} G0123456789abcdef0123456789abcdef\n"),
    };
    let mut list = header.into_bytes();
    let lines = lines_of(random, messages);
    let breaks = random.below(5) == 0;
    let mut uid = 0;
    let mut uidls = HashMap::new();
    for (at, name) in lines.iter().enumerate() {
        uid += 1 + random.below(30);
        let fields = fields(random, &mut uidls);
        let mut row = format!("{uid} {fields}:").into_bytes();
        row.extend_from_slice(name);
        if breaks && at == lines.len() / 2 {
            row = broken(random, uid, name);
        }
        list.extend(row);
        list.extend(
            random
                .pick(&[
                    &b"\n"[..],
                    b"\n",
                    b"\n",
                    b"\n",
                    b"\n",
                    b"\n",
                    b"\n",
                    b"\r\n",
                ])
                .iter(),
        );
    }
    if random.below(12) == 0 && !lines.is_empty() {
        list.pop();
    }
    Some(list)
}

/// The names in the list, in its order.
fn lines_of(random: &mut Random, messages: &[Message]) -> Vec<Vec<u8>> {
    let keeps_all = random.below(3) == 0;
    let mut names: Vec<Vec<u8>> = messages
        .iter()
        .filter(|_| keeps_all || random.below(4) > 0)
        .map(|message| message.base.clone())
        .collect();
    for name in &mut names {
        match random.below(12) {
            0 => name.extend(b":2,S"),
            1 => name.extend(b",S=5"),
            _ => {}
        }
    }
    for n in 0..random.below(3) {
        names.push(format!("1.gone{n}").into_bytes());
    }
    random.shuffle(&mut names);
    if random.below(10) == 0
        && let Some(twice) = names.first().cloned()
    {
        names.push(twice);
    }
    names
}

fn fields(random: &mut Random, uidls: &mut HashMap<u64, String>) -> String {
    let mut fields = Vec::new();
    let n = random.below(40);
    match random.below(12) {
        0..3 => {}
        3 => fields.push("P".to_owned()),
        4 => fields.push("P:colon/and/slash".to_owned()),
        5 => fields.push(format!(
            "P{}",
            "l".repeat(60 + usize::try_from(n).expect("small"))
        )),
        6 => fields.push("Pcaf\u{e9}".to_owned()),
        _ => fields.push(
            uidls
                .entry(n)
                .or_insert(format!("P{n}!\"<>{{}}[]|\\~%"))
                .clone(),
        ),
    }
    match random.below(12) {
        0..4 => {}
        4 => fields.push("O07".to_owned()),
        5 => fields.push("Oabc".to_owned()),
        6 => fields.push("O".to_owned()),
        7 => fields.push("O+3".to_owned()),
        8 => fields.push(
            random
                .pick(&[
                    "O4294967295",
                    "O4294967296",
                    "O99999999999999999999",
                    "O4294967294",
                ])
                .to_string(),
        ),
        _ => fields.push(format!("O{}", random.below(20))),
    }
    match random.below(20) {
        0 => fields.push(format!("W{}", random.below(999))),
        1 => fields.push("Wx".to_owned()),
        2 => fields.push("Gdeadbeef".to_owned()),
        3 => fields.push("Zmore".to_owned()),
        4 => fields.push("lower".to_owned()),
        5 => fields.push("P".to_owned()),
        6 => fields.push("G".to_owned()),
        _ => {}
    }
    if random.below(3) == 0 {
        random.shuffle(&mut fields);
    }
    let gap = if random.below(10) == 0 { "  " } else { " " };
    fields.iter().map(|field| format!("{field}{gap}")).collect()
}

fn broken(random: &mut Random, uid: u64, name: &[u8]) -> Vec<u8> {
    let text = match random.below(10) {
        0 => "1 :".to_owned(),
        1 => "x".to_owned(),
        2 => String::new(),
        3 => format!("{uid}:"),
        4 => format!("{uid} :a/"),
        5 => format!("{uid} Pno-name"),
        6 => format!("{uid} :"),
        7 => format!("{} :", u32::MAX),
        8 => format!("{} :", (1_u64 << 32) + 1),
        _ => "0 :".to_owned(),
    };
    let mut row = text.into_bytes();
    if row.ends_with(b":") && row.len() > 3 {
        row.extend_from_slice(name);
    }
    row
}

/// Version 1, as Courier and old Dovecots write it.
fn old_list(random: &mut Random, messages: &[Message], validity: u64) -> Vec<u8> {
    let mut rows = Vec::new();
    let mut uid = 0;
    for message in messages {
        uid += 1 + random.below(3);
        if random.below(5) > 0 {
            rows.extend(format!("{uid} ").bytes());
            rows.extend_from_slice(&message.base);
            rows.push(b'\n');
        }
    }
    let next = match random.below(4) {
        0 => 1 + uid / 2,
        _ => uid + 1,
    };
    [format!("1 {validity} {next}\n").into_bytes(), rows].concat()
}

/// What is told as doubtful really goes wrong with Dovecot, one Maildir for each.
#[test]
fn what_is_doubtful_goes_wrong() {
    let server = Dovecot::start(DovecotOptions {
        any_password: true,
        ..DovecotOptions::default()
    });
    let asked = |user: &str, files: &[(&str, &str)], list: &str| {
        let maildir = server.mail_dir(user);
        files::make(&maildir);
        for (name, content) in files {
            fs::write(maildir.join(name), content).expect("it is ours");
        }
        fs::write(maildir.join("dovecot-uidlist"), list).expect("it is ours");
        give_to_mail_owner(&maildir);
        let foretold = uidl(&maildir, &[]);
        assert_eq!(foretold.code, Some(1), "{user}: {}", foretold.stderr);
        let served = announced(server.pop3_port(), user, "any");
        (foretold, served)
    };
    let text = "Subject: x\n\nbody\n";

    // The name says more than there is, and Dovecot has to read the message for its size.
    let (foretold, served) = asked(
        "long",
        &[("cur/5.a,S=900:2,", text)],
        "3 V7 N9\n3 Pu :5.a,S=900\n",
    );
    assert!(foretold.stderr.contains("not as long as its name"));
    let refused = served.unwrap_err();
    assert!(refused.contains("-ERR [SYS/TEMP]"), "{refused}");

    // The same where the size is known: it is listed.
    let (foretold, served) = asked(
        "known",
        &[("cur/5.a,S=900,W=21:2,", text)],
        "3 V7 N9\n3 Pu :5.a,S=900,W=21\n",
    );
    assert_eq!(
        lines(&served.unwrap()).join("\n"),
        foretold.stdout.trim_end()
    );

    // Two files of one name: one of them is shown; it is renamed, and then both are.
    let (foretold, served) = asked(
        "twins",
        &[
            ("cur/5.a:2,", text),
            ("cur/5.a:2,S", "Subject: other\n\nx\n"),
        ],
        "3 V7 N9\n3 Pu :5.a\n",
    );
    assert!(foretold.stderr.contains("with the base name of another"));
    assert_eq!(lines(&served.unwrap()), ["1 u 21"]);
    assert_eq!(foretold.stdout, "1 u 21\n");
    let again = announced(server.pop3_port(), "twins", "any").unwrap();
    let want = ["1 u 21", "2 0000000900000007 20"];
    assert_eq!(lines(&again), want);
    let after = uidl(&server.mail_dir("twins"), &[]);
    assert_eq!(after.stdout, want.join("\n") + "\n");
    assert_eq!(after.code, Some(0), "{}", after.stderr);

    // A name without a base is renamed, and shown from the next login on.
    let (foretold, served) = asked("nameless", &[("cur/:2,S", text)], "3 V7 N9\n");
    assert_eq!(served.unwrap(), []);
    assert_eq!(foretold.stdout, "");

    // No UIDs are left: Dovecot fails.
    let files = [("cur/1.a:2,", text), ("cur/2.b:2,", text)];
    let (foretold, served) = asked("full", &files, "3 V7 N4294967294\n");
    assert!(foretold.stderr.contains("there is none left to give"));
    served.unwrap_err();

    // The last line has no LF: Dovecot adds its own to it, and the next login shows other UIDLs.
    let files = [
        ("cur/5.a:2,", text),
        ("cur/6.b:2,", text),
        ("cur/7.c:2,", text),
    ];
    let list = "3 V7 N9 G0123456789abcdef0123456789abcdef\n3 Pu :5.a\n40 Pv :6.b";
    let (foretold, served) = asked("unfinished", &files, list);
    let said = lines(&served.unwrap());
    assert_eq!(said.join("\n"), foretold.stdout.trim_end());
    assert!(said.contains(&"1 u 20".to_owned()), "{said:?}");
    let again = lines(&announced(server.pop3_port(), "unfinished", "any").unwrap());
    assert!(!again.contains(&"1 u 20".to_owned()), "{again:?}");
}
