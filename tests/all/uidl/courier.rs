//! A real Courier against what was foretold of it.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use mailseed::announce::Server;

use super::files::{self, Message};
use super::now;
use super::trial::Trial;
use crate::support::corpus::Random;
use crate::support::courier::Courier;

/// Maildirs with a `courierpop3dsizelist` that may be missing, broken or odd.
const MAILDIRS: u64 = 520;
const PHRASES: &[&str] = &[
    "there is no courierpop3dsizelist",
    "courierpop3dsizelist is not read",
    "in courierpop3dsizelist that Courier cannot read",
    "with more than one line in courierpop3dsizelist",
    "without a line in courierpop3dsizelist",
    "of the list without a file",
    "announced more than once",
    "not as RFC 1939 wants it",
    "a name with a leading dot",
];

#[test]
fn courier_announces_what_was_foretold() {
    let users: Vec<String> = (0..MAILDIRS).map(|seed| format!("u{seed}")).collect();
    let users: Vec<(&str, &str)> = users.iter().map(|user| (user.as_str(), "pw")).collect();
    let server = Courier::start(&users);
    let trial = Trial {
        port: server.pop3_port(),
        password: "pw",
        options: &["--target", "courier"],
        server: Server::Courier,
        phrases: PHRASES,
        told: Mutex::default(),
    };
    let home = |user: &str| server.mail_dir(user);
    trial.run(MAILDIRS, home, make, |seed, maildir| {
        check(&trial, seed, maildir)
    });
    let told = trial.told.into_inner();
    told.expect("no test thread panics with it").expect_each(3);
}

fn check(trial: &Trial<'_>, seed: u64, maildir: &Path) -> Result<(), String> {
    let before = now();
    let asked = trial.ask(seed, maildir)?;
    let mut stdout = asked.foretold.stdout.trim_end().to_owned();
    if asked.foretold.stderr.contains("as if that were now") {
        // Made of the time of the login, which is a little later than that of foretelling.
        let list = fs::read(maildir.join("courierpop3dsizelist"));
        let list = list.map_err(|error| error.to_string());
        let real = match &list {
            // Without messages none is written.
            Err(_) if asked.said.is_empty() => before,
            _ => validity(&list?)?,
        };
        if real < before || real > now() {
            return Err(format!("the number {real} is not of the clock"));
        }
        for shown in before..=real {
            stdout = stdout.replace(&format!("-{shown} "), &format!("-{real} "));
        }
    }
    trial.compare(&asked, &stdout)?;
    trial.once_more(&asked, maildir)
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
