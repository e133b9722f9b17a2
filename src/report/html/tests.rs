use jiff::Timestamp;

use super::scale;
use crate::problem::{Kind, Problem, Reach};
use crate::report::read::Found;
use crate::report::sum::Sum;
use crate::report::{RunReport, Skip, UserReport};

const SCRIPT: &str = "<script>alert(1)</script>";

fn page(users: Vec<UserReport>) -> String {
    let run = |users, started| Found {
        dir: format!("dir{SCRIPT}{started}").into(),
        cut: None,
        run: Some(RunReport {
            users,
            started: Timestamp::from_second(started).unwrap(),
            finished: Timestamp::from_second(started + 60).unwrap(),
            options: serde_json::Value::Null,
            dry_run: false,
        }),
        check: None,
        verify: None,
    };
    let before = users.iter().map(|user| UserReport::new(user.user.as_str()));
    let sum = Sum::of(vec![run(before.collect(), 0), run(users, 86_400)]).unwrap();
    let mut out = Vec::new();
    super::write(&sum, Timestamp::UNIX_EPOCH, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn strangers_text_is_text_wherever_it_stands() {
    let mut user = UserReport {
        messages: 1,
        notes: vec![SCRIPT.to_owned()],
        ..UserReport::new(format!("{SCRIPT}@{SCRIPT}"))
    };
    user.skips.push(Skip {
        folder: SCRIPT.into(),
        uid: None,
        uidl: Some(SCRIPT.to_owned()),
        size: None,
        reason: SCRIPT.into(),
    });
    let problem = Problem::new(Kind::Refused, Reach::Folder, SCRIPT).in_folder(SCRIPT);
    user.problems.push(problem.with_hint(SCRIPT));
    let loads = ["a", "b"].map(|name| UserReport {
        messages: 1,
        added: 1,
        bytes: 1 << 20,
        seconds: 9.0,
        ..UserReport::new(format!("{name}{SCRIPT}"))
    });
    let page = page(std::iter::once(user).chain(loads).collect());
    // The data and the script of the page.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    for place in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "\\u003cscript>alert(1)\\u003c/script>",
    ] {
        assert!(page.matches(place).count() > 4, "{place}");
    }
}

#[test]
fn the_policy_names_what_the_page_holds() {
    let page = page(vec![UserReport::new("a")]);
    let between = |before: &str, after: &str| {
        let (_, rest) = page.split_once(before).unwrap();
        rest.split_once(after).unwrap().0.to_owned()
    };
    let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    for (kind, text) in [
        ("style-src", between("<style>", "</style>")),
        ("script-src", between("<script>", "</script>")),
    ] {
        use base64::Engine as _;
        let hash = openssl::sha::sha256(text.as_bytes());
        let hash = base64::prelude::BASE64_STANDARD.encode(hash);
        assert!(
            policy.contains(&format!("{kind} 'sha256-{hash}'")),
            "{policy}"
        );
    }
    assert!(policy.starts_with("default-src 'none'; "));
    // Neither would be let through.
    assert!(!page.contains(" style=") && !page.contains(" onclick="));
}

#[test]
fn axes_have_round_ticks() {
    for (most, want) in [
        (0.0, vec![0.0, 1.0]),
        (1.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
        (7.0, vec![0.0, 2.0, 4.0, 6.0, 8.0]),
        (110.2, vec![0.0, 50.0, 100.0, 150.0]),
        (2000.0, vec![0.0, 500.0, 1000.0, 1500.0, 2000.0]),
    ] {
        assert_eq!(scale::linear(most), want);
    }
    let names = |ticks: Vec<scale::Tick>| ticks.into_iter().map(|it| it.1).collect::<Vec<_>>();
    let sizes = |least, most| names(scale::around(scale::sizes(), least, most));
    assert_eq!(sizes(2e6, 3e6), ["1 MiB", "32 MiB"]);
    assert_eq!(sizes(1_048_576.0, 1_048_576.0), ["1 MiB", "32 MiB"]);
    assert_eq!(
        sizes(5e5, 2e9),
        ["32 KiB", "1 MiB", "32 MiB", "1 GiB", "32 GiB"]
    );
    let times = |least, most| names(scale::around(scale::durations(), least, most));
    assert_eq!(
        times(0.5, 700.0),
        ["0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h"]
    );
    assert_eq!(times(1e9, 2e9), ["10 h", "100 h"]);
    let moments = |from: i64, to: i64| {
        let [from, to] = [from, to].map(|it| Timestamp::from_second(it).unwrap());
        names(scale::moments(from, to))
    };
    assert_eq!(
        moments(0, 7200),
        ["01 Jan 00:00", "01 Jan 01:00", "01 Jan 02:00"]
    );
    assert_eq!(
        moments(3600, 4 * 86_400),
        ["02 Jan", "03 Jan", "04 Jan", "05 Jan"]
    );
    assert_eq!(moments(1, 3), ["00:00:01", "00:00:03"]);
}
