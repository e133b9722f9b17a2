//! A real Courier against what was foretold of it.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use mailseed::announce::Server;

use super::files::{self, Message};
use super::pop3::announced;
use super::{Told, lines, now, uidl};
use crate::support::corpus::Random;
use crate::support::courier::Courier;
use crate::support::{give_to_mail_owner, on_two_cores};

/// Maildirs with a `courierpop3dsizelist` that may be missing, broken or odd.
const MAILDIRS: u64 = 520;
const PHRASES: &[&str] = &[
    "there is no courierpop3dsizelist",
    "courierpop3dsizelist is not read",
    "make no sense and are not read",
    "with more than one line in courierpop3dsizelist",
    "without a line in courierpop3dsizelist",
    "have no file",
    "announced more than once",
    "not as RFC 1939 wants it",
    "a name with a leading dot",
];

#[test]
fn courier_announces_what_was_foretold() {
    let users: Vec<String> = (0..MAILDIRS).map(|seed| format!("u{seed}")).collect();
    let users: Vec<(&str, &str)> = users.iter().map(|user| (user.as_str(), "pw")).collect();
    let server = Courier::start(&users);
    let told = Mutex::new(Told::default());
    let failed = Mutex::new(Vec::new());
    on_two_cores(0..MAILDIRS, |seed| {
        let maildir = server.mail_dir(&format!("u{seed}"));
        let made = make(seed, &maildir);
        give_to_mail_owner(&maildir);
        if let Err(why) = check(&server, seed, &maildir, &told) {
            let mut failed = failed.lock().expect("no test thread panics with it");
            failed.push(format!("seed {seed}: {why}\n{made}"));
        }
    });
    let failed = failed.into_inner().expect("no test thread panics with it");
    let some: Vec<&str> = failed.iter().take(4).map(String::as_str).collect();
    assert!(
        failed.is_empty(),
        "{} failed: {}",
        failed.len(),
        some.join("\n\n")
    );
    told.into_inner()
        .expect("no test thread panics with it")
        .expect_each(3);
}

/// Foretells, asks, compares; then once more, when nothing can be open any longer.
fn check(server: &Courier, seed: u64, maildir: &Path, told: &Mutex<Told>) -> Result<(), String> {
    let more = ["--target", "courier"];
    let before = now();
    let foretold = uidl(maildir, &more);
    let served = announced(server.pop3_port(), &format!("u{seed}"), "pw")?;
    let mut told = told.lock().expect("no test thread panics with it");
    told.count(PHRASES, &foretold.stderr);
    drop(told);
    let said = lines(&served).join("\n");
    let mut stdout = foretold.stdout.trim_end().to_owned();
    if foretold.stderr.contains("as if that were now") {
        // Made of the time of the login, which is a little later than that of foretelling.
        let list = fs::read(maildir.join("courierpop3dsizelist"));
        let list = list.map_err(|error| error.to_string());
        let real = match &list {
            // Without messages none is written.
            Err(_) if served.is_empty() => before,
            _ => validity(&list?)?,
        };
        if real < before || real > now() {
            return Err(format!("the number {real} is not of the clock"));
        }
        for shown in before..=real {
            stdout = stdout.replace(&format!("-{shown} "), &format!("-{real} "));
        }
    }
    if stdout != said {
        return Err(format!(
            "foretold:\n{stdout}\nserved:\n{said}\ntold: {}",
            foretold.stderr
        ));
    }
    let expected = Some(i32::from(foretold.stderr.contains("warning: ")));
    if foretold.code != expected {
        return Err(format!(
            "exit status {:?}: {}",
            foretold.code, foretold.stderr
        ));
    }
    let (after, _) = super::foretold(maildir, &Server::Courier);
    match after.trim_end() == said {
        true => Ok(()),
        false => Err(format!("afterwards:\n{after}\nserved:\n{said}")),
    }
}

/// The second number of UIDLs to come, of a list that Courier has written.
fn validity(list: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(list).into_owned();
    let header = text.lines().next().unwrap_or_default();
    let word = header
        .split(' ')
        .nth(2)
        .ok_or("no third word in the list")?;
    word.parse().map_err(|_| format!("a header {header}"))
}

/// Makes a Maildir; returns what it is, for people.
fn make(seed: u64, maildir: &Path) -> String {
    let mut random = Random::new(seed ^ 0xC0);
    let messages = files::messages(&mut random);
    files::write(maildir, &messages);
    if random.below(6) == 0 {
        fs::write(maildir.join("new/.hidden"), "x\n").expect("it is ours");
    }
    let list = list(&mut random, &messages);
    if let Some(list) = &list {
        fs::write(maildir.join("courierpop3dsizelist"), list).expect("it is ours");
    }
    let names: Vec<String> = messages
        .iter()
        .map(|message| {
            let place = if message.in_new { "new" } else { "cur" };
            format!(
                "  {place}/{} {}",
                message.name().escape_ascii(),
                message.content.escape_ascii()
            )
        })
        .collect();
    let list = list.map_or("no list".to_owned(), |list| list.escape_ascii().to_string());
    format!("{}\n{}", names.join("\n"), list.replace("\\n", "\n"))
}

/// A list for `messages`, or none.
fn list(random: &mut Random, messages: &[Message]) -> Option<Vec<u8>> {
    let next = random.below(200);
    let validity = random.below(2_000_000_000);
    let header = match random.below(40) {
        0 => return None,
        1 => String::new(),
        2 => "nonsense\n".to_owned(),
        3 => "/3\n".to_owned(),
        4 => format!("/4 {next} {validity}\n"),
        5 => format!("/1 {next} {validity}\n"),
        6 => format!("/3 {next}\n"),
        7 => format!("/3  +{next}  {validity} more\n"),
        8 => format!("/3 {next} {validity}"),
        9 => format!("/3 {next} 0\n"),
        10..14 => format!("/2 {next} {validity}\n"),
        _ => format!("/3 {next} {validity}\n"),
    };
    let is_old = header.starts_with("/2");
    let keep_all = random.below(3) == 0;
    let mut names: Vec<Vec<u8>> = Vec::new();
    for message in messages {
        if !keep_all && random.below(4) == 0 {
            continue;
        }
        let mut name = message.base.clone();
        match random.below(16) {
            0 => {}
            1 => name.extend(b":"),
            2 => name.extend(b",S=5:2,"),
            _ if message.suffix.is_empty() && !message.in_new => {}
            _ => name.extend(b":2,S"),
        }
        names.push(name);
    }
    for n in 0..random.below(3) {
        names.push(format!("1.gone{n}:2,").into_bytes());
    }
    random.shuffle(&mut names);
    if random.below(10) == 0
        && let Some(twice) = names.first().cloned()
    {
        names.push(twice);
    }
    let mut list = header.into_bytes();
    for name in names {
        list.extend_from_slice(&name);
        list.extend(numbers(random, is_old).bytes());
        list.push(b'\n');
    }
    if random.below(12) == 0 {
        list.pop();
    }
    Some(list)
}

/// Size and UIDL of a line.
fn numbers(random: &mut Random, is_old: bool) -> String {
    let (size, n, v) = (random.below(9999), random.below(50), random.below(99));
    let end = if is_old { "" } else { ":0" };
    match random.below(24) {
        0..6 => format!(" {size} 0:0{end}"),
        6..8 => format!(" {size} {}:0{end}", n % 3),
        8 => format!(" {size} {n}"),
        9 => " ".to_owned(),
        10 => format!(" x {n}:{v}{end}"),
        11 => format!(" {size}"),
        12 => format!(" {size} +{n}:{v}{end}"),
        13 => format!(" {size} {n}:{v}:1"),
        14 => format!("  {size} {n}:{v}{end}"),
        15 => format!(" {size} 0:{v}{end}"),
        _ => format!(" {size} {n}:{v}{end}"),
    }
}
