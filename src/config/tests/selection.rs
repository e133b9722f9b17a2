//! What is taken, and where it goes: as it is typed and listed.

use super::users;
use super::{resolve, with};
use crate::mail::FolderPath;

const IMAP: [&str; 2] = ["--imap", "imaps://i.example"];
const POP3: [&str; 2] = ["--pop3", "pop3s://p.example"];
const PLAIN: &str = "user,password\na@d,p\n";

#[test]
fn all_that_cannot_be_meant_is_refused_at_once() {
    let line = [
        &IMAP[..],
        &["--folder", "", "--folder", "fine", "--exclude", "x\\"],
        &["--rename", "s/a/b/", "--rename", "s/(/b/", "--rename", "a"],
        &[
            "--map", "A=B", "--map", "A=C", "--map", "x", "--map", "x=a.b", "--map", "=x",
        ],
        &[
            "--subfolder",
            "a//b",
            "--since",
            "yesterday",
            "--max-age",
            "0",
        ],
        &["--max-size", "1X", "--search", "ALL\r\nx LOGOUT"],
    ]
    .concat();
    let faults = resolve(PLAIN, None, &with(&line))
        .map(|_| ())
        .expect_err("refused");
    let want = [
        "--folder \"\": the pattern is empty",
        "--exclude \"x\\\\\": it ends in a lone backslash",
        "--rename \"s/(/b/\": unclosed group",
        "--rename \"a\": it has not the form",
        "--map gives folder A two names",
        "--map \"x\": \"x\" has not the form A=B",
        "--map \"x=a.b\": the target cannot hold a.b: Maildir++ cannot hold a dot",
        "--map \"=x\": a folder has no name",
        "--subfolder: a part of the name \"a//b\" is empty",
        "--since: \"yesterday\" is no date",
        "--max-age: 0 would take no message",
        "--max-size: \"1X\" is no size",
        "--search: there is a control character",
    ];
    assert_eq!(faults.len(), want.len(), "{faults:?}");
    for (fault, want) in faults.iter().zip(want) {
        assert!(fault.starts_with(want), "{fault}, not {want}");
    }
}

#[test]
fn a_subfolder_of_the_list_goes_before_that_of_all() {
    let list = "user,password,subfolder\na@d,p,\nb@d,p,Alt/Été\n";
    let line = [&IMAP[..], &["--subfolder", "Old"]].concat();
    let config = resolve(list, None, &with(&line)).expect("all is well");
    let subfolders: Vec<_> = users(&config)
        .iter()
        .map(|user| user.subfolder.clone())
        .collect();
    let want = ["Old", "Alt/Été"].map(|name| Some(FolderPath::from_display(name)));
    assert_eq!(subfolders, want);
}

#[test]
fn rows_of_one_maildir_need_parts_of_their_own() {
    let line = [&["--users", "LIST", "--maildir", "/v/x"][..], &IMAP].concat();
    let list = "user,password,subfolder\na,p,\nb,p,B\nc,p,C/D\n";
    let config = resolve(list, None, &line).expect("all is well");
    let reserved = ["B", "C/D"].map(FolderPath::from_display);
    assert_eq!(users(&config)[0].reserved, reserved);
    assert_eq!(users(&config)[1].reserved, []);
    // Also where the others are not worked on now.
    let only = [&line[..], &["--only", "a"]].concat();
    let config = resolve(list, None, &only).expect("all is well");
    assert_eq!(users(&config)[0].reserved, reserved);

    for (list, want) in [
        (
            "user,password,subfolder\na,p,B\nb,p,B\n",
            &["LIST line 3: user \"b\" has the same Maildir as line 2: /v/x; its subfolder B"][..],
        ),
        (
            "user,password,subfolder\na,p,\nb,p,B\nc,p,B/C\nd,p,inbox\ne,p,x.y\nf,p,\n",
            &[
                "--maildir gives all users the same directory",
                "LIST line 4: user \"c\" has the same Maildir as line 3: /v/x; its subfolder B/C",
                "LIST line 5: subfolder: INBOX is no subfolder",
                "LIST line 6: subfolder: the target cannot hold x.y",
            ],
        ),
        (
            "user,password,subfolder,owner\na,p,A,1:1\nb,p,B,2:2\n",
            &[
                "LIST line 3: user \"b\" has the same Maildir as line 2: /v/x; both need the same owner",
            ],
        ),
        (
            "user,password,maildir\na,p,/v/a\nb,p,/v/a\n",
            &["LIST line 3: user \"b\" has the same Maildir as line 2: /v/a; in one Maildir"],
        ),
    ] {
        let faults = resolve(list, None, &line).map(|_| ()).expect_err(list);
        assert_eq!(faults.len(), want.len(), "{faults:?}");
        for (fault, want) in faults.iter().zip(want) {
            assert!(fault.starts_with(want), "{fault}, not {want}");
        }
    }
}

#[test]
fn what_pop3_cannot_tell_is_refused_where_there_is_no_imap() {
    let options = [
        "--since",
        "2025-01-01",
        "--folder",
        "x",
        "--map",
        "INBOX=x",
        "--max-size",
        "1M",
    ];
    let told = "--folder, --since need IMAP";
    let line = with(&[&POP3[..], &options].concat());
    let faults = resolve(PLAIN, None, &line)
        .map(|_| ())
        .expect_err("refused");
    assert!(
        matches!(&faults[..], [fault] if fault.starts_with(told)),
        "{faults:?}"
    );
    // A row here and there.
    let list = "user,password,imap\na@d,p,\nb@d,p,imaps://i.example\n";
    let faults = resolve(list, None, &line).map(|_| ()).expect_err("refused");
    let want = "LIST line 2: user \"a@d\" has no IMAP server, which --folder, --since need";
    assert_eq!(faults, [want]);
    // What it can tell.
    let line = with(&[&POP3[..], &options[4..]].concat());
    assert!(resolve(PLAIN, None, &line).is_ok());
    let line = with(&[&POP3[..], &IMAP, &options].concat());
    assert!(resolve(PLAIN, None, &line).is_ok());
}
