//! Folders and messages as they are listed, options as they are typed, and what comes of both.

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};
use crate::config::{Config, Task};
use crate::config::{FolderEncoding, Layout};
use crate::mail::{Flags, KeywordSet, Uid};
use crate::plan::folders::place;

/// What `options` mean for a user.
fn selection(options: &[&str]) -> Selection {
    let line = [
        "mailseed",
        "plan",
        "--imap",
        "imaps://h",
        "--user",
        "ann",
        "--maildir",
        "/m",
    ];
    let password = ["--password-command", "true"];
    let line = [&line[..], &password, options].concat();
    let Command::Plan { options: typed, .. } = Cli::try_parse_from(line).unwrap().command else {
        panic!("no plan");
    };
    Config::from_cli(&typed, Task::Plan).unwrap().selection
}

fn folder(name: &str, special_use: Option<SpecialUse>) -> ListedFolder {
    ListedFolder {
        wire_name: name.to_owned(),
        path: FolderPath::from_display(name),
        selectable: true,
        special_use,
        repaired: false,
        marks: None,
    }
}

/// A server's list: `Name` or `Name \Use`.
fn listed(folders: &[&str], subscribed: &[&str]) -> FolderList {
    let folders = folders.iter().map(|line| {
        let (name, special_use) = line.split_once(" \\").unwrap_or((line, ""));
        folder(name, SpecialUse::parse(special_use.as_bytes()))
    });
    FolderList {
        folders: folders.collect(),
        subscribed: subscribed
            .iter()
            .map(|name| FolderPath::from_display(name))
            .collect(),
        ..FolderList::default()
    }
}

fn user(subfolder: Option<&str>) -> User {
    User {
        subfolder: subfolder.map(FolderPath::from_display),
        ..User::of_no_server("ann")
    }
}

/// Which of the list's folders are taken.
fn taken(list: &FolderList, options: &[&str]) -> Vec<String> {
    let (selection, user) = (selection(options), user(None));
    let choice = Choice::of(&selection, &user, list);
    let paths = list.folders.iter().map(|it| &it.path);
    paths
        .filter(|path| choice.takes(path))
        .map(FolderPath::to_string)
        .collect()
}

#[test]
fn folders_are_taken_by_name_and_subscription() {
    let list = listed(
        &["INBOX", "Sent", "Lists/rust", "Lists"],
        &["Lists/rust", "gone"],
    );
    for (options, want) in [
        (&[][..], "INBOX Sent Lists/rust Lists"),
        (&["--folder", "inbox", "--folder", "Sent"], "INBOX Sent"),
        (&["--folder", "Lists*"], "Lists/rust Lists"),
        (&["--folder", "%"], "INBOX Sent Lists"),
        (&["--exclude", "Lists/*"], "INBOX Sent Lists"),
        (
            &["--folder", "*", "--exclude", "INBOX"],
            "Sent Lists/rust Lists",
        ),
        (&["--subscribed"], "INBOX Lists/rust"),
        (&["--subscribed", "--folder", "Sent"], ""),
        (&["--subscribed", "--exclude", "INBOX"], "Lists/rust"),
        (&["--folder", "Nowhere"], ""),
    ] {
        assert_eq!(taken(&list, options).join(" "), want, "{options:?}");
    }
    // Of a folder that the source no longer has, the same can be asked.
    let (selection, user) = (selection(&["--subscribed", "--exclude", "x*"]), user(None));
    let choice = Choice::of(&selection, &user, &list);
    for (name, want) in [("gone", true), ("Sent", false), ("other", false)] {
        assert_eq!(
            choice.takes(&FolderPath::from_display(name)),
            want,
            "{name}"
        );
    }
}

#[test]
fn a_pattern_for_nothing_and_folders_left_out_are_told() {
    let list = listed(&["INBOX", "Sent"], &[]);
    let (selection, user) = (
        selection(&["--folder", "Snet", "--folder", "IN*"]),
        user(None),
    );
    let choice = Choice::of(&selection, &user, &list);
    assert_eq!(
        choice.notes(),
        [
            "--folder Snet: the user has no such folder",
            "1 of 2 folders are not selected"
        ]
    );
}

#[test]
fn virtual_folders_are_left_out_where_folders_are_labels() {
    let gmail = [
        "INBOX",
        "Work",
        "[Gmail]/All Mail \\All",
        "[Gmail]/Starred \\Flagged",
        "[Gmail]/Important \\Important",
        "[Gmail]/Sent Mail \\Sent",
    ];
    let plain = listed(&gmail, &[]);
    let labels = FolderList {
        has_labels: true,
        ..plain.clone()
    };
    let all = gmail.len();
    for (list, options, want) in [
        (&plain, &[][..], all),
        (&labels, &[], 3),
        (&labels, &["--all-mail", "keep"], all),
        (&labels, &["--all-mail", "link"], all),
        (&labels, &["--all-mail", "skip"], 3),
        (&plain, &["--all-mail", "skip"], 3),
        (&labels, &["--folder", "[Gmail]/All Mail"], 0),
    ] {
        assert_eq!(taken(list, options).len(), want, "{options:?}");
    }
    let (selection, user) = (selection(&[]), user(None));
    let notes = Choice::of(&selection, &user, &labels).notes().join("\n");
    assert!(
        notes.contains("[Gmail]/All Mail, [Gmail]/Starred, [Gmail]/Important"),
        "{notes}"
    );
    assert!(notes.contains("--all-mail link brings it"), "{notes}");
}

/// `FROM -> TO` for each folder, or why it has no place.
fn places(list: &FolderList, subfolder: Option<&str>, options: &[&str]) -> Vec<String> {
    let (selection, user) = (selection(options), user(subfolder));
    let choice = Choice::of(&selection, &user, list);
    let placed = place(
        &list.folders,
        &choice,
        Layout::MaildirPlusPlus,
        FolderEncoding::Mutf7,
    );
    let told = placed.iter().map(|it| match &it.target {
        Ok(target) => format!("{} -> {target}", it.listed.path),
        Err(problem) => format!("{}: {}", it.listed.path, problem.what()),
    });
    told.collect()
}

#[test]
fn folders_go_where_they_are_told() {
    let list = listed(&["Sent", "INBOX", "INBOX/Sub", "A/B", "A"], &[]);
    for (subfolder, options, want) in [
        (
            None,
            &[][..],
            "INBOX -> ., Sent -> .Sent, INBOX/Sub -> .INBOX.Sub, A/B -> .A.B, A -> .A",
        ),
        (
            Some("Old/Mail"),
            &[],
            "INBOX -> .Old.Mail, Sent -> .Old.Mail.Sent, INBOX/Sub -> .Old.Mail.INBOX.Sub, \
             A/B -> .Old.Mail.A.B, A -> .Old.Mail.A",
        ),
        (
            None,
            &["--map", "inbox=INBOX_backup"],
            "INBOX -> .INBOX_backup, Sent -> .Sent, INBOX/Sub -> .INBOX.Sub, A/B -> .A.B, A -> .A",
        ),
        (
            None,
            &["--map", "A=INBOX", "--map", "INBOX=A"],
            "INBOX -> .A, Sent -> .Sent, INBOX/Sub -> .INBOX.Sub, A/B -> .A.B, A -> .",
        ),
        (
            Some("Old"),
            &["--map", "A=INBOX", "--map", "INBOX=A"],
            "INBOX -> .Old.A, Sent -> .Old.Sent, INBOX/Sub -> .Old.INBOX.Sub, A/B -> .Old.A.B, \
             A -> .Old",
        ),
        (
            None,
            &[
                "--rename",
                "s,^INBOX/,,",
                "--rename",
                "s/^A/C/",
                "--rename",
                "s/C/D/",
                "--map",
                "A=E/F",
            ],
            "INBOX -> ., Sent -> .Sent, INBOX/Sub -> .Sub, A/B -> .D.B, A -> .E.F",
        ),
        (
            None,
            &[
                "--rename",
                "s/Sent/inbox/",
                "--exclude",
                "INBOX*",
                "--exclude",
                "A*",
            ],
            "Sent -> .",
        ),
    ] {
        assert_eq!(
            places(&list, subfolder, options).join(", "),
            want,
            "{options:?}"
        );
    }
}

#[test]
fn names_that_are_none_and_names_that_meet_are_that_folder_s_trouble() {
    let list = listed(&["Sent", "INBOX", "A", "a", "A/B"], &[]);
    let one = "share one directory";
    for (options, want) in [
        (
            &["--rename", "s/^a$//"][..],
            [("a", "a part of the name is empty")].as_slice(),
        ),
        (&["--rename", "s,^a$,/b,"], &[("a", "is empty")]),
        (&["--rename", "s,^a$,../../x,"], &[("a", "a dot")]),
        (&["--rename", "s,^a$,x\ty,"], &[("a", "control character")]),
        (&["--rename", "s,^a$,~root,"], &[("a", "begins with ~")]),
        (&["--map", "A=a"], &[("A", one), ("a", one)]),
        (&["--map", "A=X", "--map", "a=X"], &[("A", one), ("a", one)]),
        (
            &["--rename", "s,/,,g", "--map", "Sent=AB"],
            &[("Sent", one), ("A/B", one)],
        ),
        // INBOX stays where it is; but where it has gone, its place is like any other.
        (&["--map", "A=INBOX"], &[("A", one)]),
        (
            &["--map", "A=INBOX", "--map", "a=INBOX"],
            &[("A", one), ("a", one)],
        ),
        (
            &["--map", "A=INBOX", "--map", "a=INBOX", "--map", "INBOX=old"],
            &[("A", one), ("a", one)],
        ),
    ] {
        let told = places(&list, None, options);
        let trouble: Vec<&String> = told.iter().filter(|line| !line.contains(" -> ")).collect();
        assert_eq!(trouble.len(), want.len(), "{options:?}: {told:?}");
        for (line, (name, why)) in trouble.iter().zip(want) {
            assert!(
                line.starts_with(&format!("{name}: ")),
                "{options:?}: {line}"
            );
            assert!(line.contains(why), "{options:?}: {line}");
        }
    }
}

#[test]
fn the_folder_of_another_user_is_not_entered() {
    let list = listed(&["INBOX", "Old", "Old/A", "Older", "A"], &[]);
    let user = User {
        reserved: vec![FolderPath::from_display("Old")],
        ..user(None)
    };
    let selection = selection(&["--map", "A=Old/B"]);
    let choice = Choice::of(&selection, &user, &list);
    let plus = Layout::MaildirPlusPlus;
    let placed = place(&list.folders, &choice, plus, FolderEncoding::Mutf7);
    let refused = placed.iter().filter(|it| it.target.is_err());
    let refused: Vec<String> = refused.map(|it| it.listed.path.to_string()).collect();
    assert_eq!(refused, ["Old", "Old/A", "A"]);
}

#[test]
fn special_folders_get_the_usual_names() {
    let german = listed(
        &[
            "INBOX",
            "Gesendet \\Sent",
            "Gesendet/2019",
            "Müll \\Trash",
            "Spam \\Junk",
            "Alles \\All",
        ],
        &[],
    );
    let options = ["--special-use"];
    assert_eq!(
        places(&german, None, &[]).join(", "),
        "INBOX -> ., Gesendet -> .Gesendet, Gesendet/2019 -> .Gesendet.2019, \
         Müll -> .M&APw-ll, Spam -> .Spam, Alles -> .Alles"
    );
    assert_eq!(
        places(&german, None, &options).join(", "),
        "INBOX -> ., Gesendet -> .Sent, Gesendet/2019 -> .Sent.2019, Müll -> .Trash, \
         Spam -> .Junk, Alles -> .Alles"
    );
    // --map is stronger, by either name; --rename leaves them alone.
    let more = [
        "--special-use",
        "--map",
        "Sent=Sent Items",
        "--map",
        "Spam=Spam",
        "--rename",
        "s/^/X/",
        "--exclude",
        "INBOX",
        "--exclude",
        "Alles",
    ];
    assert_eq!(
        places(&german, None, &more).join(", "),
        "Gesendet -> .Sent Items, Gesendet/2019 -> .Sent.2019, Müll -> .Trash, Spam -> .Spam"
    );
    // Nothing is refused for the sake of a name that nobody typed.
    let twice = listed(
        &[
            "INBOX",
            "Sent",
            "Gesendet \\Sent",
            "Trash \\Trash",
            "Müll \\Trash",
            "E1 \\Drafts",
            "E2 \\Drafts",
        ],
        &[],
    );
    assert_eq!(
        places(&twice, None, &options).join(", "),
        "INBOX -> ., Sent -> .Sent, Gesendet -> .Gesendet, Trash -> .Trash, Müll -> .M&APw-ll, \
         E1 -> .Drafts, E2 -> .E2"
    );
    let (selection, user) = (selection(&options), user(None));
    let notes = Choice::of(&selection, &user, &twice).notes().join("\n");
    for name in ["Gesendet", "Müll", "E2"] {
        assert!(notes.contains(&format!("{name} keeps its name")), "{notes}");
    }
}

#[test]
fn a_part_with_a_slash_in_it_stays_whole_unless_it_is_renamed() {
    let odd = ListedFolder {
        path: FolderPath::new(vec!["a/b".to_owned()]),
        ..folder("a/b", None)
    };
    let list = FolderList {
        folders: vec![odd],
        ..FolderList::default()
    };
    assert!(places(&list, None, &["--rename", "s/x/y/"])[0].contains("cannot hold a slash"));
    assert_eq!(
        places(&list, None, &["--rename", "s,/,-,"]),
        ["a/b -> .a-b"]
    );
}

#[test]
fn messages_are_taken_by_age_size_and_what_the_server_finds() {
    const DAY: i64 = 86_400;
    let now = 20_000 * DAY;
    let entry = |uid, date: Option<i64>, size| Entry {
        uid: Uid::new(uid).unwrap(),
        flags: Flags::empty(),
        keywords: KeywordSet::default(),
        internal_date: date.map(Into::into),
        size,
    };
    let entries = [
        entry(1, Some(now - 40 * DAY), 10),
        entry(2, Some(now - 2 * DAY), 25 << 20),
        entry(3, Some(now - 2 * DAY - 1), (25 << 20) + 1),
        entry(4, None, 10),
        // The clock of the source is fast.
        entry(5, Some(now + DAY), 10),
    ];
    // 19,998 days after 1970.
    let since = "2024-10-02";
    let found: UidSet = [1, 2, 9].into_iter().filter_map(Uid::new).collect();
    for (options, searched, want) in [
        (&[][..], None, None),
        (&["--folder", "x"], None, None),
        (&["--max-age", "2"], None, Some("2,4:5")),
        (&["--since", since], None, Some("2,4:5")),
        (
            &["--since", "1970-01-01", "--max-age", "2"],
            None,
            Some("2,4:5"),
        ),
        (
            &["--since", since, "--max-age", "10000"],
            None,
            Some("2,4:5"),
        ),
        (&["--max-size", "25M"], None, Some("1:2,4:5")),
        (&["--search", "UNSEEN"], Some(&found), Some("1:2")),
        (
            &["--search", "UNSEEN", "--max-age", "2"],
            Some(&found),
            Some("2"),
        ),
        (
            &["--search", "UNSEEN", "--max-size", "1"],
            Some(&found),
            Some(""),
        ),
    ] {
        let (selection, user, list) = (selection(options), user(None), FolderList::default());
        let choice = Choice::of(&selection, &user, &list);
        let set = choice.messages(&entries, searched, now);
        assert_eq!(
            set.map(|set| set.to_string()).as_deref(),
            want,
            "{options:?}"
        );
    }
}

#[test]
fn uidls_are_kept_where_inbox_stays_inbox() {
    for (subfolder, options, want) in [
        (None, &[][..], true),
        (None, &["--subscribed", "--special-use"], true),
        (None, &["--rename", "s/Sent/x/"], true),
        (Some("Old"), &[], false),
        (None, &["--map", "INBOX=INBOX_backup"], false),
        (None, &["--map", "INBOX_backup=INBOX"], true),
        (None, &["--rename", "s/^/x/"], false),
        (None, &["--folder", "Sent"], false),
        (None, &["--exclude", "*"], false),
    ] {
        let (selection, user, list) = (selection(options), user(subfolder), FolderList::default());
        let choice = Choice::of(&selection, &user, &list);
        assert_eq!(choice.keeps_uidls(), want, "{options:?}");
    }
}

#[test]
fn only_what_could_have_been_brought_is_within_reach() {
    let list = listed(&["INBOX", "Sent", "A", "B"], &[]);
    let reserved = User {
        reserved: vec![FolderPath::from_display("Old/Bob")],
        ..user(None)
    };
    for (user, options, name, want) in [
        (user(None), &[][..], "gone", true),
        (user(None), &["--exclude", "gone"], "gone", false),
        (user(None), &["--folder", "Sent"], "gone", false),
        (user(None), &["--subscribed"], "gone", false),
        // What is there under B came from A, which is not asked for now.
        (user(None), &["--exclude", "A", "--map", "A=C"], "C", false),
        (user(None), &["--exclude", "A", "--map", "A=C"], "D", true),
        (user(Some("Old")), &[], "gone", false),
        (user(Some("Old")), &[], "Older", false),
        (user(Some("Old")), &[], "Old/gone", true),
        (user(Some("Old")), &["--exclude", "gone"], "Old/gone", false),
        (user(Some("Old")), &[], "Old", true),
        (reserved.clone(), &[], "Old/Bob/x", false),
        (reserved.clone(), &[], "Old/Bob", false),
        (reserved.clone(), &[], "Old", false),
        (reserved, &[], "Older", true),
    ] {
        let selection = selection(options);
        let choice = Choice::of(&selection, &user, &list);
        let got = choice.reaches(&FolderPath::from_display(name));
        assert_eq!(got, want, "{name} {options:?} {:?}", user.subfolder);
    }
}
