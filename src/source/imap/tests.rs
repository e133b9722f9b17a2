//! Whole sessions against transcripts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::script::{Keep, Script, anna, endpoint, folder, logged_in};
use super::*;
use crate::mail::{Flags, UidValidity};
use crate::source::SpecialUse;
use crate::source::login::{Login, Mechanism, Secret};
use crate::source::net::Security;

const WHOLE: &[u8] = include_bytes!("../../../fixtures/imap/session.txt");

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

fn wanted(uids: &[(u32, u64)]) -> Vec<(Uid, u64)> {
    uids.iter()
        .map(|(value, size)| (uid(*value), *size))
        .collect()
}

/// The server of a transcript that begins after the login.
fn server(transcript: &[u8], chunk: usize) -> Script {
    let login = logged_in("NAMESPACE");
    Script::new(&[login.as_bytes(), transcript].concat(), chunk)
}

/// Plays `transcript` after a login, in whole lines and byte by byte, and checks that `act` does
/// what it says.
fn play(transcript: &[u8], act: impl Fn(&mut Session)) {
    for chunk in [usize::MAX, 1] {
        let script = server(transcript, chunk);
        let mut session = script.open().unwrap();
        act(&mut session);
        script.finish();
    }
}

/// After the login `ID` is among what the server can do.
#[test]
fn a_server_says_what_it_is_or_its_greeting_does() {
    for (answer, want) in [
        (
            "S: * ID (\"name\" \"Dovecot\" \"version\" NIL)\nS: x1 OK\n",
            "Dovecot",
        ),
        (
            "S: * ID (\"version\" \"3.8\" \"vendor\" \"x\" \"NAME\" {5}\nS: Cy\x1bus)\nS: x1 OK\n",
            "Cy\\u{1b}us 3.8",
        ),
        ("S: * ID NIL\nS: x1 OK\n", "Mail store ready"),
        ("S: * ID (\"name\" NIL)\nS: x1 OK\n", "Mail store ready"),
        ("S: * ID (\"name\" (\"a\"))\nS: x1 OK\n", "Mail store ready"),
        ("S: x1 BAD what?\n", "Mail store ready"),
    ] {
        let transcript = format!(
            "S: * OK [CAPABILITY IMAP4rev1] Mail store ready\n\
             C: a1 LOGIN \"anna\" \"s3cret-word\"\nS: a1 OK\n\
             C: a2 CAPABILITY\nS: * CAPABILITY IMAP4rev1 ID\nS: a2 OK\nC: x1 ID NIL\n{answer}"
        );
        let script = Script::new(transcript.as_bytes(), 3);
        let mut session = script.open().unwrap();
        assert_eq!(session.software().unwrap(), want, "{answer}");
        script.finish();
    }
    // Without ID nothing is asked.
    play(b"", |session| {
        assert_eq!(session.software().unwrap(), "hello");
    });
}

/// All that a session can be asked, in the order of `WHOLE`.
fn whole_session(script: &Script, sink: &mut Keep) -> Result<(), Problem> {
    let mut session = script.open()?;
    let folders = session.list_folders(true)?;
    let sent = folders
        .folders
        .iter()
        .find(|folder| folder.path.parts() == ["Gesendete Objekte"])
        .cloned()
        .unwrap_or_else(|| folder("INBOX.Gesendete Objekte"));
    let examined = session.examine(&sent)?;
    let list = session.list_messages(examined.exists)?;
    let sizes: Vec<_> = list
        .entries
        .iter()
        .map(|entry| (entry.uid, entry.size))
        .collect();
    session.fetch_bodies(&sizes, sink)?;
    session.fetch_headers(&[uid(7), uid(11)], sink)?;
    session.fetch_attributes(Attribute::XGuid, &[uid(7), uid(8), uid(11)])?;
    session.logout();
    Ok(())
}

const HOSTILE_BODY: &[u8] = b"x6 OK Fetch completed.\r\n* BYE not really\r\na){3}\r\n";

fn expected_messages() -> Vec<(u32, Vec<u8>)> {
    vec![
        (7, b"A: b\r\n\r\nx".to_vec()),
        (8, HOSTILE_BODY.to_vec()),
        (11, b"C:\r\n".to_vec()),
        (7, b"A: b\r\n\r\n".to_vec()),
        (11, b"C:\r\n".to_vec()),
    ]
}

#[test]
fn a_whole_session_sends_what_it_should_and_nothing_else() {
    for chunk in [usize::MAX, 1] {
        let script = Script::new(WHOLE, chunk);
        let mut sink = Keep::default();
        whole_session(&script, &mut sink).unwrap();
        script.finish();
        assert_eq!(sink.messages, expected_messages());
        assert_eq!(sink.abandoned, 0);
    }
    // The transcript is what was sent; it must not hold what changes a mailbox.
    for line in WHOLE.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line).to_ascii_uppercase();
        if let Some(command) = line.strip_prefix("C: ") {
            for word in [
                "SELECT", "STORE", "BODY[", "RFC822 ", "EXPUNGE", "CLOSE", "APPEND",
            ] {
                assert!(!command.contains(word), "{command}");
            }
        }
    }
}

#[test]
fn a_whole_session_gives_what_the_server_holds() {
    let script = Script::new(WHOLE, usize::MAX);
    let mut session = script.open().unwrap();
    let folders = session.list_folders(true).unwrap();
    let named: Vec<_> = folders
        .folders
        .iter()
        .map(|folder| (folder.path.to_string(), folder.selectable))
        .collect();
    assert_eq!(
        named,
        [
            ("INBOX".to_owned(), true),
            ("Gesendete Objekte".to_owned(), true),
            ("Archiv".to_owned(), false),
            ("Archiv/Été".to_owned(), true),
        ]
    );
    assert_eq!(folders.foreign, ["shared.team"]);
    let subscribed: Vec<_> = folders
        .subscribed
        .iter()
        .map(|path| path.to_string())
        .collect();
    assert_eq!(subscribed, ["Archiv/Été", "gone"]);
    let examined = session.examine(&folders.folders[1]).unwrap();
    assert_eq!(
        examined,
        Examined {
            uid_validity: UidValidity::new(1_294_690_616),
            uid_next: Some(12),
            exists: 3,
            highest_modseq: Some(5),
            mailbox_id: None,
        }
    );
    let list = session.list_messages(3).unwrap();
    let rows: Vec<_> = list
        .entries
        .iter()
        .map(|entry| {
            let letters: String = entry.flags.maildir_letters().collect();
            (entry.uid.value(), letters, entry.date(), entry.size)
        })
        .collect();
    assert_eq!(
        rows,
        [
            (7, "S".to_owned(), Some(5), 9),
            (8, String::new(), Some(6), 49),
            (11, "RT".to_owned(), Some(7), 4),
        ]
    );
    assert_eq!(list.keywords.names(), ["$Forwarded"]);
    assert_eq!(list.keywords.members(list.entries[0].keywords), [0]);
    assert!(list.unreadable.is_empty());
    let mut sink = Keep::default();
    let sizes = wanted(&[(7, 9), (8, 49), (11, 4)]);
    assert!(session.fetch_bodies(&sizes, &mut sink).unwrap().is_empty());
    session
        .fetch_headers(&[uid(11), uid(7)], &mut sink)
        .unwrap();
    assert_eq!(sink.messages, expected_messages());
    let guids = session
        .fetch_attributes(Attribute::XGuid, &[uid(7), uid(8), uid(11)])
        .unwrap();
    assert_eq!(
        guids,
        [(uid(7), "0a1b".to_owned()), (uid(8), "abc".to_owned())]
    );
}

#[test]
fn the_server_may_hang_up_after_any_byte() {
    let bytes = Script::server_bytes(WHOLE);
    for cut in 0..bytes.len() {
        let mut sink = Keep::default();
        let outcome = whole_session(&Script::deaf(&bytes[..cut]), &mut sink);
        let expected = expected_messages();
        assert_eq!(
            sink.messages,
            expected[..sink.messages.len()],
            "cut at {cut}"
        );
        if let Err(problem) = outcome {
            assert_eq!(problem.kind, Kind::Network, "cut at {cut}: {problem}");
            assert!(problem.retry);
        } else {
            assert!(cut > bytes.len() - 25, "cut at {cut}");
        }
    }
}

#[test]
fn bytes_gone_wrong_never_panic_nor_hang() {
    let bytes = Script::server_bytes(WHOLE);
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut ended_well = 0;
    for _ in 0..3000 {
        let mut mutated = bytes.clone();
        for _ in 0..=next() % 4 {
            let at = next() as usize % mutated.len();
            match next() % 5 {
                0 => mutated[at] = next() as u8,
                1 => drop(mutated.remove(at)),
                2 => mutated.insert(at, b"(){}\"\\\r\n* x09[]~+\0\xff"[next() as usize % 19]),
                3 => mutated.truncate(at + 1),
                _ => {
                    let end = mutated.len().min(at + next() as usize % 40);
                    let piece = mutated[at..end].to_vec();
                    let to = next() as usize % mutated.len();
                    mutated.splice(to..to, piece);
                }
            }
        }
        if whole_session(&Script::deaf(&mutated), &mut Keep::default()).is_ok() {
            ended_well += 1;
        }
    }
    // Most damage is survived or noticed; if nothing ended well, the test would test nothing.
    assert!((100..2900).contains(&ended_well), "{ended_well}");
}

#[test]
fn logins_that_are_refused() {
    const CAPABLE: &str = "S: * OK hi\nC: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a1 OK\n";
    const TRY: &str = "C: a2 LOGIN \"anna\" \"s3cret-word\"\n";
    for (transcript, kind, text) in [
        (
            format!(
                "{CAPABLE}{TRY}S: a2 NO [AUTHENTICATIONFAILED] wrong: LOGIN anna s3cret-word\n"
            ),
            Kind::Auth,
            "wrong: LOGIN anna [secret]",
        ),
        (
            format!("{CAPABLE}{TRY}S: a2 NO ung\u{fc}ltig\n"),
            Kind::Auth,
            "ungültig",
        ),
        (
            format!("{CAPABLE}{TRY}S: a2 NO\n"),
            Kind::Auth,
            "without a reason",
        ),
        (
            format!("{CAPABLE}{TRY}S: a2 BAD s3cret-word?\n"),
            Kind::Auth,
            "[secret]?",
        ),
        (
            format!("{CAPABLE}{TRY}S: a2 NO [UNAVAILABLE] try later\n"),
            Kind::Busy,
            "try later",
        ),
        (
            format!("{CAPABLE}{TRY}S: * BYE too many s3cret-word\n"),
            Kind::Busy,
            "too many [secret]",
        ),
        (format!("{CAPABLE}{TRY}E:\n"), Kind::Network, "closed"),
        (
            format!("{CAPABLE}{TRY}S: a9 OK\n"),
            Kind::Protocol,
            "TagMismatch",
        ),
        ("S: * BYE go away\n".to_owned(), Kind::Busy, "go away"),
        (
            "S: * PREAUTH welcome\n".to_owned(),
            Kind::Protocol,
            "PREAUTH",
        ),
        (
            "S: * NO closed on sundays\n".to_owned(),
            Kind::Refused,
            "sundays",
        ),
        (
            "S: +OK POP3 ready\n".to_owned(),
            Kind::Protocol,
            "no IMAP greeting",
        ),
        (
            "S: 220 smtp\n".to_owned(),
            Kind::Protocol,
            "no IMAP greeting",
        ),
        ("E:\n".to_owned(), Kind::Network, "closed"),
        (
            "S: * OK\nC: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 LOGINDISABLED\nS: a1 OK\n"
                .to_owned(),
            Kind::Auth,
            "no way to log in",
        ),
        (
            "S: * OK\nC: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 LOGINDISABLED \
                 AUTH=CRAM-MD5\nS: a1 OK\nC: a2 AUTHENTICATE CRAM-MD5\nS: + PDEuMkBoPg==\n\
                 C: YW5uYSA1M2Y5OTBlMDAxODc1NGM5Mjg2NjIzZDllYjExOWVmMg==\nS: a2 NO YW5uYSA1M2Y5OTBlMDAxODc1NGM5Mjg2NjIzZDllYjExOWVmMg==\n"
                .to_owned(),
            Kind::Auth,
            "the IMAP server refused the login of anna by AUTHENTICATE CRAM-MD5: [secret] (hint: if the password is \
             right, --auth login",
        ),
    ] {
        for chunk in [usize::MAX, 1] {
            let script = Script::new(transcript.as_bytes(), chunk);
            let problem = script.open()
                .map(drop)
                .unwrap_err();
            let shown = problem.to_string();
            assert_eq!(problem.kind, kind, "{transcript}: {shown}");
            assert!(shown.contains(text), "{transcript}: {shown}");
            assert!(!shown.contains("s3cret"), "{shown}");
            assert_eq!(problem.reach, Reach::User);
            if transcript != "E:\n" && !transcript.ends_with("E:\n") {
                script.finish();
            }
        }
    }
}

/// A password may be a part of what the server has to say, and is told to nobody all the same.
#[test]
fn the_password_is_hidden_from_people_and_from_nothing_else() {
    let login = |secret: &str| Login {
        secret: Secret::new(secret.to_owned()),
        ..anna()
    };
    let transcript = logged_in("").replace("s3cret-word", "1294")
        + "C: x1 EXAMINE \"a\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 1294690616] 1294\n\
           S: * OK [UIDNEXT 51294]\nS: * NO 1294 is no good password\nS: x1 OK\n\
           C: x2 EXAMINE \"b\"\nS: x2 NO [INUSE] by 1294\n";
    let script = Script::new(transcript.as_bytes(), 7);
    let endpoint = endpoint(Security::Tls);
    let mut session = Session::open(script.connection(None), &login("1294"), &endpoint).unwrap();
    let examined = session.examine(&folder("a")).unwrap();
    assert_eq!(examined.uid_validity, UidValidity::new(1_294_690_616));
    assert_eq!(examined.uid_next, Some(51_294));
    assert_eq!(
        session.take_warnings(),
        ["[secret] is no good password".to_owned()]
    );
    let busy = session.examine(&folder("b")).unwrap_err();
    assert_eq!(busy.kind, Kind::Busy);
    assert!(busy.to_string().ends_with("by [secret]"), "{busy}");
    script.finish();
    // As it goes over the line, whole and cut.
    const HELLO: &str = "S: * OK [CAPABILITY IMAP4rev1] hi\n\
                         C: a1 LOGIN \"anna\" \"open\\\"sesame\\\\42\"\n";
    let open = |answer: &str| {
        let script = Script::new(format!("{HELLO}S: {answer}\n").as_bytes(), 7);
        let login = login("open\"sesame\\42");
        Session::open(script.connection(None), &login, &endpoint)
    };
    for echo in [
        "\"open\\\"sesame\\\\42\"",
        "open\\\"sesame\\\\",
        "open\"sesame\\42",
    ] {
        let problem = open(&format!("a1 BAD LOGIN anna {echo}")).unwrap_err();
        let text = problem.to_string();
        assert_eq!(problem.kind, Kind::Auth, "{text}");
        assert!(text.contains("LOGIN anna"), "{text}");
        assert!(!text.contains("open") && !text.contains("sesame"), "{text}");
    }
    // Where a warning is cut the secret has gone already.
    let long = "-".repeat(292);
    let answer =
        format!("* NO {long} \"open\\\"sesame\\\\42\"\nS: a1 OK [CAPABILITY IMAP4rev1] in");
    let warnings = open(&answer).unwrap().take_warnings().concat();
    assert!(warnings.starts_with(&long), "{warnings}");
    assert!(!warnings.contains("open"), "{warnings}");
}

#[test]
fn ways_to_log_in() {
    let named = |mechanism, secret: &str, authzid: Option<&str>| Login {
        mechanism,
        secret: Secret::new(secret.to_owned()),
        authzid: authzid.map(str::to_owned),
        of_master: false,
        ..anna()
    };
    const HELLO: &str = "S: * OK hi\nC: a1 CAPABILITY\n";
    const DONE: &str = "C: a3 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a3 OK\n";
    for (name, transcript, login) in [
        (
            "quoted",
            "S: * CAPABILITY IMAP4 LOGIN\nS: a1 OK\nC: a2 LOGIN \"anna\" \"a\\\"b\\\\c d\"\nS: a2 OK\n",
            named(None, "a\"b\\c d", None),
        ),
        (
            "no capabilities at all",
            "S: a1 BAD what?\nC: a2 LOGIN \"anna\" \"x\"\nS: a2 OK\n",
            named(None, "x", None),
        ),
        (
            "8-bit goes by SASL",
            "S: * CAPABILITY IMAP4rev1 AUTH=LOGIN\nS: a1 OK\nC: a2 AUTHENTICATE LOGIN\n\
             S: + VXNlcm5hbWU6\nC: YW5uYQ==\nS: + Password:\nC: w6k=\nS: a2 OK\n",
            named(Some(Mechanism::Login), "é", None),
        ),
        (
            "authzid, and words for a challenge",
            "S: * capability imap4rev1 auth=plain\nS: a1 OK\nC: a2 AUTHENTICATE PLAIN\n\
             S: + go ahead, caf\u{e9}\nC: Ym9iAGFubmEAeA==\nS: * OK still here\nS: a2 OK\n",
            named(None, "x", Some("bob")),
        ),
        (
            "odd noise around",
            "S: * OK [ALERT] hé\nS: * NO caution\nS: * XFOO {3}\nS: a1)\nS~ * CAPABILITY IMAP4rev1+ AUTH= \u{e9}\n\
             S:\nS: * BAD hm\nS~ a1 OK caf\u{e9}\nC: a2 LOGIN \"anna\" \"x\"\nS: * 5 EXISTS\nS: a2 OK [CAPABILITY] \u{fc}\n",
            named(None, "x", None),
        ),
    ] {
        for chunk in [usize::MAX, 1] {
            let whole = format!("{HELLO}{transcript}{DONE}");
            let script = Script::new(whole.as_bytes(), chunk);
            let outcome = Session::open(script.connection(None), &login, &endpoint(Security::Tls));
            assert!(outcome.is_ok(), "{name}: {outcome:?}");
            script.finish();
        }
    }
    for (name, greeting, transcript, login, security) in [
        (
            "all in one round trip",
            "[CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN]",
            "C: a1 AUTHENTICATE PLAIN AGFubmEAeA==\nS: a1 OK [CAPABILITY IMAP4rev1] in\n",
            named(None, "x", None),
            Security::Tls,
        ),
        (
            "a CAPABILITY response by the way",
            "[capability imap4rev1 auth=cram-md5] hi",
            "C: a1 AUTHENTICATE CRAM-MD5\nS: + PDE+\nC: YW5uYSA4ZGJkZDEzOWFmNmUwN2YwZGIyZDI1NmRiMDA2MDkzNw==\n\
             S: * CAPABILITY IMAP4rev1 ID\nS: a1 OK\n",
            named(None, "x", None),
            Security::Plain,
        ),
        (
            "a token that is too long for a command",
            "[CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi",
            &format!(
                "C: a1 AUTHENTICATE PLAIN\nS: +\nC: {}\nS: a1 OK [CAPABILITY IMAP4rev1] in\n",
                STANDARD.encode(format!("\0anna\0{}", "x".repeat(1500)))
            ),
            named(None, &"x".repeat(1500), None),
            Security::Tls,
        ),
        (
            "a greeting that knows no way to hide the password is asked again",
            "[CAPABILITY IMAP4rev1] hi",
            "C: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 AUTH=PLAIN\nS: a1 OK\n\
             C: a2 AUTHENTICATE PLAIN\nS: +\nC: AGFubmEAeA==\nS: a2 OK [CAPABILITY IMAP4rev1] in\n",
            named(None, "x", None),
            Security::Plain,
        ),
        (
            "a code that is cut short",
            "[CAPABILITY IMAP4rev1 AUTH=CRAM-MD5",
            "C: a1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a1 OK\n\
             C: a2 LOGIN \"anna\" \"x\"\nS: a2 OK [CAPABILITY IMAP4rev1] in\n",
            named(None, "x", None),
            Security::Tls,
        ),
    ] {
        for chunk in [usize::MAX, 1] {
            let whole = format!("S: * OK {greeting}\n{transcript}");
            let script = Script::new(whole.as_bytes(), chunk);
            let outcome = Session::open(script.connection(None), &login, &endpoint(security));
            assert!(outcome.is_ok(), "{name}: {outcome:?}");
            script.finish();
        }
    }
    let oauth = named(Some(Mechanism::Xoauth2), "token-token", None);
    let script = Script::new(
        b"C: a1 CAPABILITY\nS: * CAPABILITY AUTH=XOAUTH2\nS: a1 OK\nC: a2 AUTHENTICATE XOAUTH2\nS: +\n\
          C: dXNlcj1hbm5hAWF1dGg9QmVhcmVyIHRva2VuLXRva2VuAQE=\n\
          S: + eyJzdGF0dXMiOiI0MDEifQ==\nC: \nS: a2 NO SASL failed\n",
        usize::MAX,
    );
    let problem = Session::open(
        script.connection(Some("* OK [CAPABILITY AUTH=PLAIN] before TLS")),
        &oauth,
        &endpoint(Security::StartTls),
    )
    .map(drop)
    .unwrap_err();
    script.finish();
    assert_eq!(problem.kind, Kind::Auth);
    assert!(
        problem
            .to_string()
            .contains("SASL failed ({\"status\":\"401\"})"),
        "{problem}"
    );
}

#[test]
fn examine_on_odd_servers() {
    for (name, lines, want) in [
        (
            "warnings, 8-bit flags, unknown data, bare LF",
            "S: * NO [ALERT] over quota\nS: * FLAGS (caf\u{e9} \\*)\nS~ * 4 EXISTS\nS: * XFOO ((\nS:\n\
             S: * OK [UIDVALIDITY 17] g\u{fc}ltig\nS: * 1 FETCH (FLAGS NIL INTERNALDATE NIL)\n\
             S: * LIST () \"/\" {3}\nS: x1 \nS: garbage\nS: x1 OK [READ-ONLY] caf\u{e9}\n",
            (Some(17), None, 4),
        ),
        (
            "late and in lower case",
            "S: * 4 exists\nS: * ok [uidnext 9]\nS: x1 ok [uidvalidity 5] done\n",
            (Some(5), Some(9), 4),
        ),
        (
            "no UIDVALIDITY",
            "S: * 0 EXISTS\nS: x1 OK\n",
            (None, None, 0),
        ),
        (
            "UIDVALIDITY 0",
            "S: * 0 EXISTS\nS: * OK [UIDVALIDITY 0]\nS: * OK [UIDNEXT 99999999999]\nS: x1 OK\n",
            (None, None, 0),
        ),
    ] {
        let transcript = format!("C: x1 EXAMINE \"a\\\"b\\\\c\"\n{lines}");
        play(transcript.as_bytes(), |session| {
            let examined = session.examine(&folder("a\"b\\c")).unwrap();
            let got = (
                examined.uid_validity.map(UidValidity::value),
                examined.uid_next,
                examined.exists,
            );
            assert_eq!(got, want, "{name}");
        });
    }
}

#[test]
fn a_refused_folder_leaves_the_session_alive() {
    play(
        b"C: x1 EXAMINE \"x\"\nS: x1 NO no such mailb\xf6x\nC: x2 EXAMINE \"y\"\nS: x2 NO [INUSE] l\n\
          C: x3 EXAMINE \"z\"\nS: * 1 EXISTS\nS: x3 OK\nC: x4 EXAMINE \"q\"\nS: * FLAGS ()\nS: x4 OK\n\
          C: x5 EXAMINE \"w\"\nS: * BYE shutting down\n",
        |session| {
            let refused = session.examine(&folder("x")).unwrap_err();
            assert_eq!((refused.kind, refused.reach), (Kind::Refused, Reach::Folder));
            assert_eq!(refused.folder.as_deref(), Some("x"));
            assert_eq!(session.examine(&folder("y")).unwrap_err().kind, Kind::Busy);
            assert!(session.examine(&folder("z")).is_ok());
            // Without a number of messages it might seem to be empty.
            let unclear = session.examine(&folder("q")).unwrap_err();
            assert_eq!((unclear.kind, unclear.reach), (Kind::Protocol, Reach::Folder));
            let unsayable = session.examine(&folder("a\r\nb")).unwrap_err();
            assert_eq!((unsayable.kind, unsayable.reach), (Kind::Refused, Reach::Folder));
            let gone = session.examine(&folder("w")).unwrap_err();
            assert_eq!((gone.kind, gone.reach), (Kind::Network, Reach::User));
            assert!(gone.to_string().contains("shutting down"), "{gone}");
            let dead = session.list_messages(4).unwrap_err();
            assert!(dead.to_string().contains("had ended"), "{dead}");
            assert!(session.list_folders(true).is_err());
            assert!(session.examine(&folder("z")).is_err());
        },
    );
}

#[test]
fn folders_of_odd_servers() {
    let transcript: &[u8] = include_bytes!("../../../fixtures/imap/odd-folders.txt");
    play(transcript, |session| {
        let list = session.list_folders(true).unwrap();
        let rows: Vec<String> = list
            .folders
            .iter()
            .map(|folder| {
                let parts = folder.path.parts().join("|");
                let repaired = if folder.repaired { " repaired" } else { "" };
                let closed = if folder.selectable { "" } else { " closed" };
                format!("{} = {parts}{closed}{repaired}", folder.wire_name)
            })
            .collect();
        assert_eq!(
            rows,
            [
                "INBOX = INBOX",
                "a\"b\\c = a\"b\\c",
                "Sent Items = Sent Items",
                "100% (x) = 100% (x)",
                "lit = lit",
                "Tom & J/x = Tom & J|x repaired",
                "Entwürfe = Entwürfe repaired",
                "flat/name = flat/name",
                "gone = gone closed",
                "inbox/Sub = INBOX|Sub",
                "trail/ = trail closed",
                "NIL = NIL",
                "cafe&AwE- = café",
            ]
        );
        assert_eq!(
            list.unusable,
            [
                "a//b",
                "caf\u{fffd}",
                "* LIST () \"/\" \"no end",
                "* LIST nonsense"
            ]
        );
        assert!(list.subscribed.is_empty());
        let warnings = session.take_warnings();
        assert!(
            warnings.iter().any(|text| text.contains("refused LSUB")),
            "{warnings:?}"
        );
        assert!(session.take_warnings().is_empty());
    });
    play(
        b"C: x1 LIST \"\" \"*\"\nC: x2 LSUB \"\" \"*\"\nC: x3 NAMESPACE\nS: x1 NO not today\nS: x2 OK\nS: x3 OK\n",
        |session| {
            let problem = session.list_folders(true).unwrap_err();
            assert_eq!(problem.kind, Kind::Refused);
            assert!(session.alive().is_ok());
        },
    );
}

#[test]
fn listings_of_odd_servers() {
    let transcript: &[u8] = include_bytes!("../../../fixtures/imap/odd-listing.txt");
    play(transcript, |session| {
        let list = session.list_messages(14).unwrap();
        let rows: Vec<String> = list
            .entries
            .iter()
            .map(|entry| {
                let letters: String = entry.flags.maildir_letters().collect();
                let keywords: Vec<_> = list
                    .keywords
                    .members(entry.keywords)
                    .iter()
                    .map(|index| list.keywords.names()[usize::from(*index)].as_str())
                    .collect();
                let (uid, size) = (entry.uid, entry.size);
                format!("{uid} {letters} {keywords:?} {:?} {size}", entry.date())
            })
            .collect();
        assert_eq!(
            rows,
            [
                "2 S [] Some(5) 10",
                "3 FS [\"café\", \"$b\"] None 9876543210",
                "4  [] None 0",
                "5 S [\"x\"] Some(1) 3",
                "6  [] Some(1) 3",
                "20 D [] Some(1) 3",
            ]
        );
        let odd: Vec<String> = list
            .unreadable
            .iter()
            .map(|(uid, why)| format!("{} {why}", uid.map_or(0, Uid::value)))
            .collect();
        assert_eq!(
            odd,
            [
                "0 the server listed it without a UID",
                "9 the server's line about it makes no sense: a value has no end",
                "0 the server's line about it makes no sense: a UID is no number of 1 to 4294967295",
                "0 the server left 4 of 14 messages out of its listing",
            ]
        );
        assert_eq!(session.list_messages(0).unwrap().entries, []);
    });
}

#[test]
fn a_listing_that_is_refused() {
    const ASK: &str = "C: x1 UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)\n";
    const ONE: &str = "S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE NIL RFC822.SIZE 1)\n";
    let refused = format!("{ASK}S: x1 NO [SERVERBUG] no\n");
    play(refused.as_bytes(), |session| {
        let problem = session.list_messages(2).unwrap_err();
        assert_eq!((problem.kind, problem.reach), (Kind::Busy, Reach::Folder));
        assert!(session.alive().is_ok());
    });
    let partly = format!("{ASK}{ONE}S: x1 NO [SERVERBUG] some messages are gone\n");
    play(partly.as_bytes(), |session| {
        let list = session.list_messages(2).unwrap();
        assert_eq!(list.entries.len(), 1);
        assert_eq!(
            list.unreadable,
            [(
                None,
                "the server left 1 of 2 messages out of its listing: [SERVERBUG] some messages are gone"
                    .to_owned()
            )]
        );
    });
    let foreign_tag = format!("{ASK}S: zz OK\n");
    play(foreign_tag.as_bytes(), |session| {
        assert_eq!(session.list_messages(2).unwrap_err().kind, Kind::Protocol);
        assert!(session.alive().is_err());
    });
}

#[test]
fn bodies_of_odd_servers() {
    let transcript: &[u8] = include_bytes!("../../../fixtures/imap/odd-bodies.txt");
    play(transcript, |session| {
        let mut sink = Keep::default();
        let uids = wanted(&[
            (1, 3),
            (2, 9),
            (3, 9),
            (4, 9),
            (5, 9),
            (6, 0),
            (7, 9),
            (8, 9),
            (9, 9),
        ]);
        let refused = session.fetch_bodies(&uids, &mut sink).unwrap();
        let messages: Vec<_> = sink
            .messages
            .iter()
            .map(|(uid, body)| (*uid, str::from_utf8(body).unwrap()))
            .collect();
        assert_eq!(
            messages,
            [
                (1, "abc"),
                (2, "q\"\\"),
                (6, ""),
                (7, "late uid"),
                (4, "second"),
                (9, "nine"),
            ]
        );
        assert_eq!(
            refused,
            [
                (3, "the server has no body for it (NIL)".to_owned()),
                (5, "the server sent an empty body".to_owned()),
                (8, "the server refused: [EXPUNGEISSUED] gone".to_owned()),
            ]
        );
        assert_eq!(sink.abandoned, 3);
        assert!(session.alive().is_ok());
    });
}

/// By a server that miscounts, so that the rest of the message stands where its list goes on.
#[test]
fn a_message_that_goes_on_beyond_its_literal_is_not_taken_for_whole() {
    for rest in ["lo)", "", "\nS: lo)"] {
        let said = |tag: &str| {
            format!(
                "S: * 1 FETCH (UID 1 BODY[] {{3}}\nS: hel{rest}\nS: * 2 FETCH (UID 2 BODY[] {{1}}\n\
                 S: b FLAGS ())\nS: {tag} OK\n"
            )
        };
        let transcript = "C: x1 UID FETCH 1:2 (UID BODY.PEEK[])\n".to_owned()
            + &said("x1")
            + "C: x2 UID FETCH 1 (UID BODY.PEEK[])\n"
            + &said("x2");
        play(transcript.as_bytes(), |session| {
            let mut sink = Keep::default();
            let refused = session
                .fetch_bodies(&wanted(&[(1, 5), (2, 1)]), &mut sink)
                .unwrap();
            assert_eq!(sink.messages, [(2, b"b".to_vec())], "{rest:?}");
            let why = "the server's answer makes no sense: the message does not end where the server says";
            assert_eq!(refused, [(1, why.to_owned())], "{rest:?}");
            assert_eq!(sink.abandoned, 2);
        });
    }
    // What stands between is no more than a line end.
    let transcript = b"C: x1 UID FETCH 1 (UID BODY.PEEK[])\nS: * 1 FETCH (UID 1 BODY[] {3}\nS: hel\nS: )\nS: x1 OK\n";
    play(transcript, |session| {
        let mut sink = Keep::default();
        session.fetch_bodies(&wanted(&[(1, 3)]), &mut sink).unwrap();
        assert_eq!(sink.messages, [(1, b"hel".to_vec())]);
        assert_eq!(session.take_warnings(), [""; 0]);
    });
}

#[test]
fn a_refused_range_is_asked_for_one_by_one() {
    play(
        b"C: x1 UID FETCH 1:2,4 (UID BODY.PEEK[])\nS: * 1 FETCH (UID 1 BODY[] {1}\nS: a)\nS: x1 NO [SERVERBUG] one is broken\n\
          C: x2 UID FETCH 2 (UID BODY.PEEK[])\nC: x3 UID FETCH 4 (UID BODY.PEEK[])\n\
          S: x2 NO [SERVERBUG] that one\nS: * 4 FETCH (UID 4 BODY[] {1}\nS: d)\nS: x3 OK\n",
        |session| {
            let mut sink = Keep::default();
            let uids = wanted(&[(4, 1), (1, 1), (2, 1), (2, 1)]);
            let refused = session.fetch_bodies(&uids, &mut sink).unwrap();
            assert_eq!(sink.messages, [(1, b"a".to_vec()), (4, b"d".to_vec())]);
            assert_eq!(refused, [(2, "the server refused: [SERVERBUG] that one".to_owned())]);
        },
    );
}

#[test]
fn what_ends_a_fetch() {
    const ASK: &str = "C: x1 UID FETCH 1 (UID BODY.PEEK[])\n";
    let begun = "S: * 1 FETCH (UID 1 BODY[] {9}\nS: abc\n";
    for (lines, room, kind, text, abandoned) in [
        (format!("{begun}E:\n"), None, Kind::Network, "closed", 1),
        (
            format!("{begun}S: def)\n"),
            Some(2),
            Kind::Target,
            "disk full",
            1,
        ),
        (
            "S: * BYE idle too long\n".to_owned(),
            None,
            Kind::Network,
            "idle too long",
            0,
        ),
        (
            "S: x1 NO [THROTTLED] slow down\n".to_owned(),
            None,
            Kind::Busy,
            "slow down",
            0,
        ),
        (
            "S: x1 NO Request is throttled. Suggested Backoff Time: 5000 ms\n".to_owned(),
            None,
            Kind::Busy,
            "5000 ms",
            0,
        ),
        (
            "S: a1 OK\n".to_owned(),
            None,
            Kind::Protocol,
            "never sent",
            0,
        ),
        (
            "S: * 1 FETCH (UID 1 BODY[] {18446744073709551616}\n".to_owned(),
            None,
            Kind::Protocol,
            "impossible literal",
            0,
        ),
        (
            "S: * 1 FETCH (UID 1 BODY[] {1099511627777}\n".to_owned(),
            None,
            Kind::Protocol,
            "impossible literal",
            0,
        ),
        (
            "S: * 1 FETCH (UID 1 BODY[] {-1}\n".to_owned(),
            None,
            Kind::Protocol,
            "impossible literal",
            0,
        ),
        (
            format!("S: * 1 FETCH (UID 1 X {}\n", "y".repeat(1 << 20)),
            None,
            Kind::Protocol,
            "without end",
            0,
        ),
    ] {
        let script = server(format!("{ASK}{lines}").as_bytes(), usize::MAX);
        let mut session = script.open().unwrap();
        let mut sink = Keep {
            room,
            ..Keep::default()
        };
        let problem = session
            .fetch_bodies(&wanted(&[(1, 9)]), &mut sink)
            .unwrap_err();
        let shown = problem.to_string();
        assert_eq!(problem.kind, kind, "{shown}");
        assert!(shown.contains(text), "{shown}");
        assert!(sink.messages.is_empty());
        assert_eq!(sink.abandoned, abandoned, "{shown}");
        let dead = session.fetch_headers(&[uid(1)], &mut sink).unwrap_err();
        assert_eq!(dead.kind, Kind::Network);
        session.logout();
    }
}

/// A folder of a million messages, and a server that has much to say beside them.
#[test]
fn what_is_of_no_use_is_counted_for_each_command() {
    let noise = "S: * 1 EXISTS\n".repeat(reader::UNASKED_LIMIT as usize - 10);
    let transcript = format!(
        "C: x1 UID FETCH 1 (UID BODY.PEEK[])\n{noise}S: x1 OK\n\
         C: x2 UID FETCH 1 (UID BODY.PEEK[])\n{noise}S: * 1 FETCH (UID 1 BODY[] {{1}}\nS: a)\nS: x2 OK\n"
    );
    let script = server(transcript.as_bytes(), usize::MAX);
    let mut sink = Keep::default();
    let mut session = script.open().unwrap();
    session.fetch_bodies(&wanted(&[(1, 1)]), &mut sink).unwrap();
    assert_eq!(sink.messages.len(), 1);
}

#[test]
fn floods_end() {
    const ASK: &str = "C: x1 UID FETCH 1 (UID BODY.PEEK[])\n";
    for line in [
        "S: * 1 EXISTS\n",
        "S:\n",
        "S: * 9 FETCH (FLAGS ())\n",
        "S: * NO no\n",
        "S: rubbish\n",
    ] {
        let flood = line.repeat(reader::UNASKED_LIMIT as usize + 1);
        let script = server(format!("{ASK}{flood}").as_bytes(), usize::MAX);
        let mut session = script.open().unwrap();
        let problem = session
            .fetch_bodies(&wanted(&[(1, 9)]), &mut Keep::default())
            .unwrap_err();
        assert!(problem.to_string().contains("endless"), "{line}: {problem}");
        assert!(session.take_warnings().len() <= 101);
    }
    for line in ["S: + \n", "S: * 1 EXISTS\n", "S: * OK [UIDNEXT 5]\n"] {
        let flood = line.repeat(400_000);
        let transcript = format!("S: * OK\nC: a1 CAPABILITY\n{flood}");
        let script = Script::new(transcript.as_bytes(), usize::MAX);
        let problem = script.open().map(drop).unwrap_err();
        assert!(problem.to_string().contains("end"), "{line}: {problem}");
    }
}

#[test]
fn attributes_are_not_asked_on_of_who_does_not_know_them() {
    let odd: Vec<Uid> = (0..400).map(|n| uid(n * 2 + 1)).collect();
    let set: Vec<String> = odd.iter().take(350).map(ToString::to_string).collect();
    let transcript = format!(
        "C: x1 UID FETCH {} (UID X-GUID)\nS: x1 BAD Unknown attribute X-GUID\n\
         C: x2 UID FETCH 1:2 (UID BODY.PEEK[HEADER.FIELDS (X-UIDL)])\n\
         S: * 1 FETCH (UID 1)\nS: * 2 FETCH (BODY[HEADER.FIELDS (X-UIDL)] {{2}}\nS: \nS:  UID 2)\n\
         S: x2 OK\nC: x3 EXAMINE \"y\"\nS: * 0 EXISTS\nS: x3 OK\n",
        set.join(",")
    );
    play(transcript.as_bytes(), |session| {
        for (attribute, uids) in [
            (Attribute::XGuid, odd.as_slice()),
            (Attribute::XGuid, &[]),
            (Attribute::XUidl, &[uid(2), uid(1)]),
            // Not announced: not asked for.
            (Attribute::GmailId, &[uid(1)]),
            (Attribute::EmailId, &[uid(1)]),
        ] {
            assert_eq!(session.fetch_attributes(attribute, uids).unwrap(), []);
        }
        assert!(session.examine(&folder("y")).is_ok());
    });
}

#[test]
fn what_is_announced_is_asked_for() {
    let transcript = logged_in("X-GM-EXT-1 OBJECTID")
        + "C: x1 UID FETCH 1:2 (UID X-GM-MSGID)\n\
           S: * 2 FETCH (X-GM-MSGID 1278455344230334865 UID 2)\n\
           S: * 1 FETCH (X-GM-MSGID 7 UID 3)\nS: x1 OK\n\
           C: x2 UID FETCH 1 (UID EMAILID)\nS: * 1 FETCH (UID 1 EMAILID (M-1))\nS: x2 OK\n\
           C: x3 UID FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])\n\
           S: * 1 FETCH (UID 1 BODY[HEADER.FIELDS (MESSAGE-ID)] {21}\nS: Message-ID: <a@b>\n\
           S: \nS: )\nS: x3 OK\n";
    let script = Script::new(transcript.as_bytes(), usize::MAX);
    let mut session = script.open().unwrap();
    let mut ask = |attribute, uids: &[Uid]| {
        let values = session.fetch_attributes(attribute, uids).unwrap();
        let plain = values.into_iter().map(|(uid, text)| (uid.value(), text));
        plain.collect::<Vec<_>>()
    };
    assert_eq!(
        ask(Attribute::GmailId, &[uid(1), uid(2)]),
        [(2, "1278455344230334865".to_owned())]
    );
    assert_eq!(ask(Attribute::EmailId, &[uid(1)]), [(1, "M-1".to_owned())]);
    assert_eq!(
        ask(Attribute::MessageId, &[uid(1)]),
        [(1, "<a@b>".to_owned())]
    );
    script.finish();
}

#[test]
fn flags_are_kept_apart_from_keywords() {
    play(
        b"C: x1 UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)\n\
          S: * 1 FETCH (UID 1 FLAGS (\\Recent \\Draft Seen) INTERNALDATE NIL RFC822.SIZE 1)\nS: x1 OK\n",
        |session| {
            let list = session.list_messages(1).unwrap();
            assert_eq!(list.entries[0].flags, Flags::DRAFT);
            assert_eq!(list.keywords.names(), ["Seen"]);
        },
    );
}

/// Cyrus tells special uses only when asked; where they cannot be asked for they may come anyway.
#[test]
fn special_uses_are_asked_for_where_they_can_be() {
    const ASK: &str = "LIST \"\" \"*\" RETURN (SPECIAL-USE)";
    const PLAIN: &str = "LIST \"\" \"*\"";
    const LSUB: &str = "LSUB \"\" \"*\"";
    let refused = format!("C: x1 {ASK}\nC: x2 {LSUB}\nS: x1 BAD what?\nS: x2 OK\n");
    for (capabilities, before, list, (one, two)) in [
        ("SPECIAL-USE LIST-EXTENDED", "", ASK, ("x1", "x2")),
        ("SPECIAL-USE X-GM-EXT-1", "", PLAIN, ("x1", "x2")),
        ("SPECIAL-USE LIST-EXTENDED", &refused, PLAIN, ("x3", "x4")),
    ] {
        let login = logged_in(capabilities);
        let transcript = format!(
            "{login}{before}C: {one} {list}\n\
             C: {two} {LSUB}\n\
             S: * LIST (\\HasNoChildren \\sent) \"/\" Gesendet\n\
             S: * LIST (\\All \\Archive) \"/\" All\nS: * LIST (\\Noselect) \"/\" Other\n\
             S: {one} OK\nS: {two} OK\n"
        );
        let script = Script::new(transcript.as_bytes(), 7);
        let mut session = script.open().unwrap();
        let list = session.list_folders(true).unwrap();
        script.finish();
        let uses = list.folders.iter().map(|folder| folder.special_use);
        let want = [None, Some(SpecialUse::Sent), Some(SpecialUse::All), None];
        assert_eq!(uses.collect::<Vec<_>>(), want);
        assert_eq!(list.has_labels, capabilities.contains("X-GM-EXT-1"));
        assert_eq!(
            session.take_warnings().len(),
            usize::from(!before.is_empty())
        );
    }
}

#[test]
fn messages_are_identified_by_what_the_server_has() {
    for (extensions, want) in [
        ("UIDPLUS", None),
        ("OBJECTID", Some(Attribute::EmailId)),
        ("X-GM-EXT-1 OBJECTID", Some(Attribute::GmailId)),
    ] {
        let transcript = format!(
            "S: * OK [CAPABILITY IMAP4rev1] hello\n\
             C: a1 LOGIN \"anna\" \"s3cret-word\"\n\
             S: a1 OK [CAPABILITY IMAP4rev1 {extensions}] in\n"
        );
        let script = Script::new(transcript.as_bytes(), usize::MAX);
        let session = script.open().unwrap();
        assert_eq!(session.identifies_by(), want, "{extensions}");
        script.finish();
    }
}
