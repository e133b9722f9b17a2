//! From a command line and a user list to a [`Config`], as an admin would type them.

mod selection;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};

fn typed(line: &[&str]) -> (cli::Export, Task) {
    let command: &[&str] = match line.first() {
        Some(&("check" | "verify")) => &["mailseed"],
        _ => &["mailseed", "export"],
    };
    let line = command.iter().chain(line);
    match Cli::try_parse_from(line).expect("a command line").command {
        Command::Export {
            options,
            dry_run: false,
        } => (*options, Task::Export),
        Command::Export { options, .. } | Command::Plan { options, .. } => (*options, Task::Plan),
        Command::Check(options) => ((*options).into(), Task::Check),
        Command::Verify(verify) => {
            let (export, typed) = verify.split();
            let live = !typed.new.is_empty();
            (export, Task::Verify { live })
        }
        other => panic!("{other:?} needs no Config"),
    }
}

/// Resolves `line`, with LIST in it standing for a file that holds `list`.
fn resolve(list: &str, env: Option<&str>, line: &[&str]) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("users.csv");
    std::fs::write(&file, list).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("closed");
    let file = file.to_str().expect("a plain path");
    let line: Vec<_> = line
        .iter()
        .map(|word| if *word == "LIST" { file } else { word })
        .collect();
    let (options, task) = typed(&line);
    resolve::resolve(&options, task, env.map(OsString::from)).map_err(|problems| {
        problems
            .iter()
            .inspect(|problem| {
                assert_eq!(
                    (problem.kind, problem.reach),
                    (crate::problem::Kind::Input, crate::problem::Reach::Run)
                )
            })
            .map(|problem| problem.to_string().replace(file, "LIST"))
            .collect()
    })
}

fn users(config: &Config) -> Vec<User> {
    let users: Result<_, _> = config.users.iter().collect();
    users.expect("users that have been checked")
}

const LISTED: [&str; 4] = ["--users", "LIST", "--maildir", "/v/{domain}/{local}"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    LISTED.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_list_becomes_users_in_its_order() {
    let list = "user,password,imap_user,pop3,maildir,owner\n\
                b@d,pb,,,,\n\
                a@d,pa,ia,pop3s://p.example,/elsewhere/{local},5:6\n";
    let config = resolve(
        list,
        Some("unused"),
        &with(&["--imap", "imaps://i.example", "--owner", "root"]),
    )
    .expect("all is well");
    let [b, a] = &users(&config)[..] else {
        panic!("two users");
    };
    assert_eq!(b.name, "b@d");
    assert_eq!(
        (b.maildir.as_path(), a.maildir.as_path()),
        (Path::new("/v/d/b"), Path::new("/elsewhere/a"))
    );
    assert_eq!(
        (b.owner, a.owner),
        (
            Some(Owner { uid: 0, gid: 0 }),
            Some(Owner { uid: 5, gid: 6 })
        )
    );
    assert!(b.pop3.is_none());
    let (imap, pop3) = (
        a.imap.as_ref().expect("IMAP"),
        a.pop3.as_ref().expect("POP3"),
    );
    assert_eq!(
        (imap.credential.name.as_str(), pop3.credential.name.as_str()),
        ("ia", "a@d")
    );
    assert_eq!(
        (imap.endpoint.host.as_str(), pop3.endpoint.port),
        ("i.example", 995)
    );
    let login = pop3
        .credential
        .resolve(Duration::from_secs(1))
        .expect("known");
    assert_eq!(login.secret.expose(), "pa");
    assert_eq!(
        (config.jobs, config.retries, config.timeout),
        (4, 3, Duration::from_secs(60))
    );
    assert_eq!(
        config.target.servers,
        Servers {
            qmail: false,
            dovecot: true,
            courier: false,
        }
    );
}

#[test]
fn no_secret_prints() {
    let list = "user,password,imap_password,pop3_password\na@d,hunter2,hunter2,hunter2\n";
    let line = with(&["--imap", "imaps://i.example", "--pop3", "pop3s://p.example"]);
    for env in [None, Some("hunter2")] {
        let config = resolve(list, env, &line).expect("all is well");
        assert!(!format!("{config:?} {:?}", users(&config)).contains("hunter2"));
        assert!(!config.options.to_string().contains("hunter2"));
    }
    let command = ["--password-command", "echo hunter2"];
    let config = resolve("user\na@d\n", None, &[&line[..], &command].concat()).expect("well");
    assert!(!config.options.to_string().contains("hunter2"));
    assert!(!format!("{config:?} {:?}", users(&config)).contains("hunter2"));
}

/// The list, MAILSEED_PASSWORD, the command line, how the refusals read.
type Case<'c> = (&'c str, Option<&'c str>, Vec<&'c str>, &'c [&'c str]);

#[test]
fn each_conflict_is_refused_with_the_way_on() {
    let plain = "user,password\na@d,p\n";
    let imap = ["--imap", "imaps://i.example"];
    let alone = ["--user", "a@d", "--maildir", "/v/x"];
    const PIN: &str = "abababababababababababababababababababababababababababababababab";
    let cases: &[Case] = &[
        (
            "",
            Some("p"),
            [&["--maildir", "/v/{user}"][..], &imap].concat(),
            &["--users FILE or --user NAME"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--user", "a"]].concat()),
            &["exclude each other"],
        ),
        (plain, None, with(&[]), &["no server to read from"]),
        (
            "",
            Some("p"),
            [&alone[..], &["--only", "a"], &imap].concat(),
            &["narrow a list"],
        ),
        ("", None, [&alone[..], &imap].concat(), &["no password: "]),
        ("user\na@d\nb@d\n", None, with(&imap), &["no password: "]),
        (
            "user,password\na@d,p\nb@d,\n",
            None,
            with(&imap),
            &["LIST line 3: user \"b@d\": there is no password for IMAP"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--master-user", "m"]].concat()),
            &["--master-user needs"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--target", "qmail,dovecot", "--layout", "fs"]].concat()),
            &["--layout fs"],
        ),
        (
            plain,
            None,
            with(
                &[
                    &imap[..],
                    &["--target", "qmail", "--folder-encoding", "utf8"],
                ]
                .concat(),
            ),
            &["utf8 is for Dovecot and Courier"],
        ),
        (
            plain,
            None,
            [&["--users", "LIST"][..], &imap].concat(),
            &["Give --maildir"],
        ),
        (
            "user,password,maildir\na,p,/v/a\nb,p,\n",
            None,
            [&["--users", "LIST"][..], &imap].concat(),
            &["LIST line 3: no Maildir"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--auth", "apop"]].concat()),
            &["--auth apop is POP3's"],
        ),
        (
            "user,password,pop3\na@d,p,pop3s://p\nb@d,p,\n",
            None,
            with(&[&imap[..], &["--auth", "apop"]].concat()),
            &["LIST line 3: no POP3"],
        ),
        (
            plain,
            None,
            with(
                &[
                    &imap[..],
                    &["-j", "0", "--connections", "11", "--timeout", "0"],
                ]
                .concat(),
            ),
            &["--jobs 0", "--connections", "--timeout"],
        ),
        (
            plain,
            None,
            with(
                &[
                    &imap[..],
                    &["--host-jobs", "0", "--rate", "1000", "--host-rate", "1Q"],
                    &["--window", "22:00-06:00,22-06"],
                ]
                .concat(),
            ),
            &[
                "--host-jobs 0",
                "--rate takes",
                "--host-rate: \"1Q\"",
                "--window: \"22-06\"",
            ],
        ),
        (
            "user,password\na,p\nb,p\nc,p\n",
            None,
            [&["--users", "LIST", "--maildir", "/v/x"][..], &imap].concat(),
            &["put {user}"],
        ),
        (
            plain,
            None,
            with(&["--imap", "pop3s://i.example"]),
            &["--imap: "],
        ),
        (
            plain,
            None,
            with(&["--imap", "imaps://u:hunter2@i.example"]),
            &["--imap: the server URL must not hold"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--owner", "no-such-user"]].concat()),
            &["--owner: there is no user"],
        ),
        (
            plain,
            None,
            [&["--users", "LIST", "--maildir", "/v/{x}"][..], &imap].concat(),
            &["unknown placeholder {x}"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--only", "b@d"]].concat()),
            &["--only \"b@d\" is not in the user list"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--only-failed", "/nonexistent"]].concat()),
            &["--only-failed /nonexistent: it cannot be read"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--tls-ca", "x", "--tls-insecure"]].concat()),
            &["leave one out"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--tls-fingerprint", PIN, "--tls-insecure"]].concat()),
            &["leave out --tls-ca and --tls-insecure"],
        ),
        (
            "user,password\na@d,p\nc,p\nb/@d,p\n..@d,p\na@/,p\n",
            None,
            with(&imap),
            &["LIST line 3", "LIST line 4", "LIST line 5", "LIST line 6"],
        ),
        (
            "user,password,maildir\na@d,p,\nb@d,p,/v/./d//a/\nc@d,p,../x\n",
            None,
            with(&imap),
            &[
                "LIST line 3: user \"b@d\" has the same Maildir as line 2: /v/d/a",
                "LIST line 4",
            ],
        ),
        (
            "user,password,owner\na@d,p,:\nb@d,p,0:0\nc@d,p,:\n",
            None,
            with(&imap),
            &["LIST line 2: owner", "LIST line 4: owner"],
        ),
        (
            "user
a'b@d
",
            None,
            with(&[&imap[..], &["--password-command", "x '{user}'"]].concat()),
            &["LIST line 2: user \"a'b@d\": the name holds"],
        ),
        (
            plain,
            None,
            with(&[&imap[..], &["--uidl-template", "none"]].concat()),
            &[
                "--uidl-template \"none\": a format needs %u, the UID, or all UIDLs would be the same; \
               or give one of the names u8v8 v.u ",
            ],
        ),
    ];
    for (list, env, line, want) in cases {
        let faults = resolve(list, *env, line).map(|_| ()).expect_err(want[0]);
        assert_eq!(faults.len(), want.len(), "{want:?}: {faults:?}");
        for (fault, want) in faults.iter().zip(*want) {
            assert!(fault.contains(want), "{fault}, not {want}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }
}

#[test]
fn bad_rows_of_all_kinds_come_at_once_in_the_order_of_lines() {
    let list = "user,password,imap,owner\n\
                ,p,,\n\
                a@d,p,,no-such-user\n\
                b@d,,,\n\
                c,p,,\n\
                d@d,p,gopher://x,\n\
                a@d,p,,\n\
                e@d,\"p\n";
    let faults = resolve(
        list,
        None,
        &with(&["--imap", "imaps://i.example", "-j", "0"]),
    )
    .expect_err("much is wrong");
    let begins = [
        "--jobs",
        "LIST line 2: ",
        "LIST line 3: ",
        "LIST line 4: ",
        "LIST line 5: ",
        "LIST line 6: ",
        "LIST line 7: ",
        "LIST line 8: ",
    ];
    assert_eq!(faults.len(), begins.len(), "{faults:?}");
    for (fault, begin) in faults.iter().zip(begins) {
        assert!(fault.starts_with(begin), "{fault}, not {begin}");
    }
}

#[test]
fn a_narrowed_list_keeps_its_order_and_says_what_it_cannot_find() {
    let list = "user,password\na@d,p\nb@d,p\nc@d,p\n";
    let imap = ["--imap", "imaps://i.example"];
    let names =
        |config: &Config| -> Vec<String> { config.users.names().map(Result::unwrap).collect() };
    let config = resolve(
        list,
        None,
        &with(&[&imap[..], &["--only", "c@d", "--only", "a@d"]].concat()),
    )
    .expect("both are there");
    assert_eq!(names(&config), ["a@d", "c@d"]);

    let dir = tempfile::tempdir().expect("a directory");
    let summary = dir.path().join("summary.csv");
    std::fs::write(
        &summary,
        "user,status\na@d,ok\nb@d,partial\nc@d,failed\ngone@d,failed\n",
    )
    .expect("written");
    let failed = ["--only-failed", summary.to_str().expect("a plain path")];
    let config = resolve(list, None, &with(&[&imap[..], &failed].concat())).expect("a report");
    assert_eq!(names(&config), ["b@d", "c@d"]);
    assert_eq!(
        config.warnings,
        ["1 of the users that failed are no longer in the user list"]
    );
    let both = [&imap[..], &failed, &["--only", "b@d", "--only", "a@d"]].concat();
    assert_eq!(
        names(&resolve(list, None, &with(&both)).expect("a report")),
        ["b@d"]
    );
    let config = resolve(
        "user,password\na@d,p\n",
        None,
        &with(&[&imap[..], &failed].concat()),
    )
    .expect("nothing to do is no fault");
    assert!(config.users.is_empty());
    assert!(
        config
            .warnings
            .contains(&"no user is left to work on".to_owned())
    );
}

#[test]
fn what_does_not_stop_it_is_a_warning() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("users.csv");
    std::fs::write(&file, "user,password,pop3_user\na,p,a2\n").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("opened");
    let (options, _) = typed(&[
        "--users",
        file.to_str().expect("a plain path"),
        "--maildir",
        "/v/{user}",
        "--imap",
        "imaps://i.example",
        "--master-user",
        "m",
        "--password-command",
        "x",
        "--password-file",
        "y",
        "--pop3-order",
        "date",
        "--ignore-extra-uidls",
        "--pop3-collect",
        "inbox",
        "-q",
        "--progress",
        "plain",
    ]);
    let config = resolve::resolve(&options, Task::Export, Some("p".into())).expect("only warnings");
    let wanted = [
        "--pop3-order",
        "chmod 600",
        "the passwords in the user list are not used",
        "--password-file is not used",
        "pop3_user and pop3_password in the user list are not used: there is no --pop3 URL",
        "--ignore-extra-uidls, --pop3-collect are for UIDLs: there is no --pop3 URL",
    ];
    for (warning, want) in config.warnings.iter().zip(wanted) {
        assert!(warning.contains(want), "{warning}, not {want}");
    }
    assert_eq!(config.warnings.len(), wanted.len());
    let voice = Voice::from_cli(&options.running);
    assert_eq!(voice.progress, crate::progress::Mode::None);
    assert_eq!(voice.verbosity, Verbosity::Quiet);
}

#[test]
fn what_is_decided_about_uidls_is_kept_and_told() {
    let line = ["--imap", "imaps://i.example", "--skip-size-check"];
    for (template, name) in [("v.u", "v.u"), ("%v.%u", "v.u"), ("%v:%u", "%v:%u")] {
        let line = [&line[..], &["--uidl-template", template]].concat();
        let config = resolve("user,password\na@d,p\n", None, &with(&line)).expect("sound");
        assert!(config.uidls.pairing.skip_sizes);
        let kept = config.uidls.pairing.template.expect("a template");
        assert_eq!(kept.name(), name);
        assert_eq!(config.options["uidl-template"], template);
        assert_eq!(config.options["skip-size-check"], true);
    }
    let plain = resolve("user,password\na@d,p\n", None, &with(&line[..2])).expect("sound");
    assert_eq!(plain.uidls.pairing, crate::matching::Policy::default());
}

#[test]
fn a_check_needs_no_maildir_but_looks_at_the_one_it_is_given() {
    let list = "user,password\na,x\nb,y\n";
    let line = ["check", "--users", "LIST", "--imap", "imaps://i.example"];
    let config = resolve(list, None, &line).expect("all is well");
    assert_eq!(config.users.len(), 2);
    assert!(users(&config).iter().all(|it| it.maildir == Path::new("")));
    assert!(!config.dry_run);
    let one = [&line[..], &["--maildir", "/v/all"]].concat();
    let faults = resolve(list, None, &one).expect_err("one Maildir for two");
    assert!(faults[0].contains("same directory"), "{faults:?}");
    let doubled = "user,password,maildir\na,x,/v/1\nb,y,/v/1\nc,z,\n";
    let faults = resolve(doubled, None, &line).expect_err("one Maildir for two");
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn a_verify_needs_a_maildir_unless_it_asks_the_new_servers() {
    let list = "user,password\na,x\nb,y\n";
    let line = ["verify", "--users", "LIST", "--imap", "imaps://i.example"];
    let faults = resolve(list, None, &line).expect_err("nothing to compare");
    assert!(faults[0].contains("--maildir"), "{faults:?}");
    let live = [&line[..], &["--new", "imaps://n.example"]].concat();
    let config = resolve(list, None, &live).expect("all is well");
    assert!(users(&config).iter().all(|it| it.maildir == Path::new("")));
    assert!(!config.dry_run);
}

#[test]
fn what_a_verify_asks_is_refused_where_it_makes_no_sense() {
    let faults = |more: &[&str]| -> Vec<String> {
        let line = [&["mailseed", "verify"], more].concat();
        let Command::Verify(verify) = Cli::try_parse_from(line).expect("a line").command else {
            panic!("not a verify");
        };
        let (export, typed) = verify.split();
        match Verification::from_cli(&typed, &export.accounts.login) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    };
    let both = ["--new", "imaps://n.example", "pop3s://n.example"];
    assert_eq!(faults(&both), Vec::<String>::new());
    for (line, want) in [
        (
            &["--new", "imaps://n.example", "imaps://m.example"][..],
            "there is one of this kind already",
        ),
        (&["--new", "n.example"], "--new: it is no URL"),
        (&["--new-master-user", "m"], "are for --new"),
        (
            &["--new", "imaps://n.example", "--new-master-user", "m"],
            "use --new-password-file",
        ),
        (
            &["--new", "imaps://n.example", "--new-password-file", "/gone"],
            "--new-password-file /gone cannot be read",
        ),
    ] {
        let faults = faults(line);
        assert!(
            faults.iter().any(|it| it.contains(want)),
            "{line:?}: {faults:?}"
        );
    }
}

#[test]
fn a_verify_that_would_look_at_nothing_is_refused() {
    let faults = |more: &[&str]| -> Vec<String> {
        let line = [&["verify", "--users", "LIST"], more].concat();
        let config = resolve("user,password\na,x\nb,y\n", None, &line).expect("all is well");
        let line = [&["mailseed"], &line[..]].concat();
        let Command::Verify(verify) = Cli::try_parse_from(line).expect("a line").command else {
            panic!("not a verify");
        };
        let (export, typed) = verify.split();
        let verification = Verification::from_cli(&typed, &export.accounts.login).expect("sound");
        match verification.fits(&config) {
            Ok(()) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    };
    let both = ["--imap", "imaps://o.example", "--pop3", "pop3s://o.example"];
    let imap_only = &both[..2];
    let tree = ["--maildir", "/v/{user}"];
    let new_imap = ["--new", "imaps://n.example"];
    let new_pop3 = ["--new", "pop3s://n.example"];
    for (line, want) in [
        ([&both[..], &tree[..]], ""),
        ([&both, &tree[..]], ""),
        ([imap_only, &new_imap], ""),
        (
            [imap_only, &new_pop3],
            "--new pop3s://n.example has nothing to be compared with",
        ),
        (
            [&both, &new_imap],
            "user a (and 1 more): nothing to compare --pop3 with",
        ),
        (
            [&both, &new_pop3],
            "user a (and 1 more): nothing to compare --imap with",
        ),
    ] {
        let faults = faults(&line.concat());
        assert_eq!(faults.is_empty(), want.is_empty(), "{line:?}: {faults:?}");
        assert!(
            want.is_empty() || faults.iter().any(|it| it.contains(want)),
            "{line:?}: {faults:?}"
        );
    }
    let partly = [&both[..], &tree, &new_pop3].concat();
    assert_eq!(faults(&partly), Vec::<String>::new());
    let format = ["--pop3-uidl-format", "%u", "--target"];
    let with = |target| faults(&[&both[..], &tree, &format, &[target]].concat());
    assert_eq!(with("courier,dovecot"), Vec::<String>::new());
    assert!(with("courier")[0].starts_with("--pop3-uidl-format is a setting of Dovecot's"));
}

#[test]
fn shards_are_parts_of_the_list_and_who_shares_a_maildir_goes_together() {
    let list: String = (0..40)
        .map(|n| match n {
            // Five accounts of one Maildir.
            7.. if n % 7 == 0 => format!("u{n}@d,p,/v/shared,Old{n}\n"),
            _ => format!("u{n}@d,p,,\n"),
        })
        .collect();
    let list = format!("user,password,maildir,subfolder\n{list}");
    let of = |more: &[&str]| {
        let config = resolve(
            &list,
            None,
            &with(&[&["--imap", "imaps://i"], more].concat()),
        );
        let config = config.expect("all is well");
        let names: Vec<String> = config.users.names().map(Result::unwrap).collect();
        let groups: Vec<usize> = config.users.groups().values().map(Vec::len).collect();
        (config, names, groups)
    };
    let (whole, all, groups) = of(&[]);
    assert_eq!((all.len(), groups), (40, vec![5]));
    assert_eq!(whole.shard, None);
    let mut parts = Vec::new();
    let mut together = 0;
    for part in ["1/3", "2/3", "3/3"] {
        let (config, names, groups) = of(&["--shard", part]);
        let places = names
            .iter()
            .map(|name| all.iter().position(|it| it == name));
        assert!(places.is_sorted(), "list order: {names:?}");
        let counts = config.users.counts();
        assert_eq!(
            (counts.users, counts.by_shard.iter().sum::<u64>()),
            (40, 40)
        );
        let number: usize = part[..1].parse().unwrap();
        assert_eq!(counts.by_shard[number - 1], names.len() as u64);
        assert_eq!(config.options["shard"], part);
        let shared = names.iter().filter(|name| {
            let n: u32 = name[1..name.len() - 2].parse().unwrap();
            n >= 7 && n.is_multiple_of(7)
        });
        let shared = shared.count();
        assert!(shared == 0 || shared == 5, "{names:?}");
        assert_eq!(groups, if shared == 5 { vec![5] } else { vec![] });
        together += shared / 5;
        parts.extend(names);
    }
    assert_eq!(together, 1);
    let mut sorted = all.clone();
    sorted.sort();
    parts.sort();
    assert_eq!(parts, sorted);
    let (_, one, _) = of(&["--only", "u14@d", "--shard", "1/1"]);
    assert_eq!(one, ["u14@d"]);
    for (shard, want) in [("4/3", "part K of N"), ("x", "part K of N")] {
        let line = with(&["--imap", "imaps://i", "--shard", shard]);
        let told = resolve(&list, None, &line).unwrap_err();
        assert!(told.len() == 1 && told[0].contains(want), "{told:?}");
    }
}

#[test]
fn a_thousand_bad_rows_are_told_and_the_rest_is_counted() {
    let list = format!("user,password\n{}", ",p\n".repeat(1500));
    let told = resolve(&list, None, &with(&["--imap", "imaps://i"])).unwrap_err();
    assert_eq!(told.len(), 1001);
    assert!(
        told[999].contains("line 1001: user: it is empty"),
        "{}",
        told[999]
    );
    assert!(told[1000].contains("500 more"), "{}", told[1000]);
}
