//! What messages may hold.

use std::fs;

use crate::migration::{PASSWORD, Source, Target};
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::fake_server::Step;
use crate::support::odd_server::{OddServer, Speaks, Twist, mailbox};
use crate::support::{corpus, give_to_mail_owner};

/// RFC 5322 ends at 998 octets; a server sends what it has.
#[test]
fn a_line_of_a_megabyte_comes_whole() {
    let server = Dovecot::start(DovecotOptions::with_users(&[("ann", PASSWORD)]));
    let line = "0123456789abcdef".repeat(1 << 16);
    let content = format!("Subject: {line}\n\n.{line}\nend\n");
    let maildir = server.mail_dir("ann");
    corpus::bare(&maildir, &[("one:2,", content.as_bytes())]);
    give_to_mail_owner(&maildir);
    for source in [
        Source::of(&server).imap_only(),
        Source::of(&server).pop3_only(),
    ] {
        let target = Target::new();
        target.export_ok(&source, "ann", &[]);
        let cur = fs::read_dir(target.maildir("ann").join("cur")).expect("it was made");
        let files: Vec<_> = cur
            .map(|file| file.expect("it stands still").path())
            .collect();
        assert_eq!(files.len(), 1);
        let stored = fs::read(&files[0]).expect("it is ours");
        assert!(stored == content.as_bytes(), "{} octets", stored.len());
    }
}

/// The server has given its messages other UIDs, and cannot show one of them any more: by its header it is
/// known by its content, and without either nothing is taken for gone.
#[test]
fn what_cannot_be_compared_after_new_uids_is_not_taken_for_gone() {
    const COUNT: u32 = 20;
    let twist = |at, answer: String| Twist {
        at,
        steps: vec![Step::Send(
            format!("{answer}{{tag}} OK done\r\n").into_bytes(),
        )],
        times: 0,
    };
    let headers = |uids: std::ops::RangeInclusive<u32>| -> String {
        let all = mailbox(COUNT);
        let one = |uid: u32| {
            let text = std::str::from_utf8(&all[&uid]).expect("it is ASCII");
            let (header, _) = text.split_once("\r\n\r\n").expect("it has a body");
            let size = header.len() + 4;
            format!("* {uid} FETCH (UID {uid} BODY[HEADER] {{{size}}}\r\n{header}\r\n\r\n)\r\n")
        };
        uids.map(one).collect()
    };
    let examined = "* 20 EXISTS\r\n* OK [UIDVALIDITY 5] v\r\n* OK [UIDNEXT 21] n\r\n";
    let before = [twist("EXAMINE", examined.to_owned())];
    let no_header = [
        twist("UID FETCH 1:20 (UID BODY.PEEK[HEADER]", headers(1..=19)),
        twist("UID FETCH 20 (UID BODY.PEEK[HEADER]", String::new()),
    ];
    let no_body = twist("UID FETCH 20 (UID BODY.PEEK[]", String::new());
    let nothing = [&no_header[..], &[no_body]].concat();
    // (twists once it has other UIDs, exit status, what is said; what the run after it says; files then)
    for (twists, exit, said, later, files) in [
        (
            &no_header[..],
            0,
            "20 of 20 are there already",
            "20 were there",
            20,
        ),
        // Of what could not be compared it is not known that it is the same.
        (
            &nothing,
            1,
            "nothing is deleted in this folder",
            "1 added, 19 were there",
            21,
        ),
    ] {
        let target = Target::new();
        let runs = [
            (&before[..], 0, "20 added", 20),
            (twists, exit, said, 20),
            (&[], 0, later, files),
        ];
        for (twists, exit, said, files) in runs {
            let server = OddServer::start_twisted(Speaks::Imap, mailbox(COUNT), twists.to_vec());
            let source = Source {
                imap: Some(server.url()),
                pop3: None,
            };
            let output = target.export(&source, "ann", &["-v"]);
            assert_eq!(
                output.code,
                Some(exit),
                "{}\n{}",
                output.stdout,
                output.stderr
            );
            assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
            let cur = fs::read_dir(target.maildir("ann").join("cur")).expect("it was made");
            assert_eq!(cur.count(), files, "{said}");
        }
    }
}
