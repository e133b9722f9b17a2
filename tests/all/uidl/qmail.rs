//! qmail-pop3d's rules, as the tests know them, against what is foretold.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use filetime::FileTime;
use mailseed::announce::{Doubt, Server};

use super::files;
use super::now;
use crate::support::corpus::Random;
use crate::support::on_two_cores;
use crate::support::qmail::qmail_listing;
use crate::support::tree::TempTree;

const MAILDIRS: u64 = 500;

/// Where the checker finds no fault, its listing is the one foretold, and that is certain; where it
/// finds one, that is told.
#[test]
fn qmail_announces_what_was_foretold() {
    let faults = std::sync::Mutex::new([0; 5]);
    on_two_cores(0..MAILDIRS, |seed| {
        let tree = TempTree::new();
        let mut random = Random::new(seed ^ 0x9A);
        let messages = files::messages(&mut random);
        files::write(tree.path(), &messages);
        // Dates in a range of their own in each Maildir, so that they are equal here and there.
        let range = 1 + random.below(200);
        let start = i64::try_from(random.below(3_000_000_000)).expect("small") - 1_500_000_000;
        for message in &messages {
            let date = match random.below(60) {
                0 => now() + 1000,
                _ => start + i64::try_from(random.below(range)).expect("small"),
            };
            let part = tree.path().join(if message.in_new { "new" } else { "cur" });
            let path = part.join(OsStr::from_bytes(&message.name()));
            filetime::set_file_mtime(path, FileTime::from_unix_time(date, 5)).expect("it is ours");
        }
        if random.below(4) == 0 {
            fs::write(tree.path().join("cur/.hidden"), "x\n").expect("it is ours");
        }
        let (stdout, announced) = super::foretold(tree.path(), &Server::Qmail);
        let doubts: Vec<String> = announced.doubts.iter().map(Doubt::to_string).collect();
        let doubts = doubts.join("\n");
        let at = match qmail_listing(tree.path()) {
            Ok(listing) => {
                let want: String = (1..)
                    .zip(&listing)
                    .map(|(number, (uidl, size)): (usize, _)| format!("{number} {uidl} {size}\n"))
                    .collect();
                assert_eq!(stdout, want, "seed {seed}");
                assert!(announced.is_certain(), "seed {seed}: {doubts}");
                0
            }
            Err(why) => {
                let fault = [
                    ("no stable order", "qmail's order among them is undefined"),
                    ("not listed", "not shown before its date"),
                    ("is no UIDL", "not as RFC 1939 wants it"),
                    ("comes twice", "announced more than once"),
                ];
                let at = fault.iter().position(|(ours, _)| why.contains(ours));
                let at = at.unwrap_or_else(|| panic!("seed {seed}: {why}"));
                // What is not shown yet has no UIDL yet either.
                let words = [fault[at].1, "not shown before its date"];
                let told = words.iter().any(|words| doubts.contains(words));
                assert!(told, "seed {seed}, {why}: {doubts}");
                assert!(!announced.is_certain(), "seed {seed}: {doubts}");
                at + 1
            }
        };
        faults.lock().expect("no test thread panics with it")[at] += 1;
    });
    let [certain, order, hidden, no_uidl, _] = faults.into_inner().expect("no panics");
    assert!(
        certain > 50 && order > 20 && hidden > 5 && no_uidl > 20,
        "{certain} {order} {hidden} {no_uidl}"
    );
}
