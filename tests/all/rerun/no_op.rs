//! What a run costs that has nothing to do: round trips, and not one byte on disk.

use super::mail::{FIRST_VALIDITY, folder};
use super::pair::Pair;
use crate::support::give_to_mail_owner;
use crate::support::tree::{assert_untouched, stamps};

const FOLDERS: u32 = 30;
const MESSAGES: u32 = 10_000;

/// 10,000 messages in 30 folders: no message is read, there are no more than three round trips a
/// folder and a few for the login, and nothing on disk is written, whatever the mode.
#[test]
fn a_run_with_nothing_to_do_reads_no_message_and_writes_nothing() {
    let pair = Pair::empty();
    let maildir = pair.source_maildir("ann");
    let names: Vec<String> = (0..FOLDERS)
        .map(|number| match number {
            0 => "INBOX".to_owned(),
            _ => format!("Folder/{number}"),
        })
        .collect();
    for (number, name) in (0..).zip(&names) {
        let count = MESSAGES / FOLDERS + u32::from(number < MESSAGES % FOLDERS);
        let letters = ["", "S", "RSa", "FSab"];
        let messages: Vec<_> = (1..=count)
            .map(|uid| {
                (
                    uid * 3,
                    format!("m-{number}-{uid}"),
                    letters[uid as usize % 4],
                )
            })
            .collect();
        folder(
            &maildir,
            name,
            FIRST_VALIDITY + number,
            count * 3 + 9,
            &messages,
        );
    }
    give_to_mail_owner(&maildir);
    let run = pair.export_ok(&["ann"], &["--fsync", "never"]);
    assert_eq!(run.row("ann").number("added"), u64::from(MESSAGES));
    // Clients of the new host have seen it all.
    pair.at_destination("ann").select_each();

    for more in [&[][..], &["--mirror"], &["--after-cutover"]] {
        let before = stamps(&pair.maildir("ann"));
        let run = pair.export_ok(&["ann"], more);
        assert_eq!(run.row("ann").number("kept"), u64::from(MESSAGES));
        assert_eq!(run.row("ann").number("added_bytes"), 0);
        run.assert_no_download();
        let (imap, pop3) = (run.imap, run.pop3);
        assert!(
            imap.turns <= 3 * FOLDERS as usize + 10,
            "{more:?}: {} round trips over IMAP:\n{}",
            imap.turns,
            imap.sent
        );
        assert!(
            pop3.turns <= 10,
            "{more:?}: {} round trips over POP3:\n{}",
            pop3.turns,
            pop3.sent
        );
        // A line for each at most: no headers either.
        let octets = imap.received + pop3.received;
        assert!(octets < u64::from(MESSAGES) * 150, "{octets} octets");
        assert_untouched(&before, &pair.maildir("ann"));
    }
}
