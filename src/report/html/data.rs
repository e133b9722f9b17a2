//! The data of the page's tables, as JSON in a form that `page.js` knows: rows are arrays, for the names
//! of their fields would be most of the page.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::figures::{downloaded_again, things};
use crate::report::sum::advice::Trouble;
use crate::report::sum::domains;
use crate::report::sum::person::moment;
use crate::report::sum::verdict::without_hint;
use crate::report::sum::{Class, Standing, Sum};
use crate::report::user_log;
use crate::report::{Skip, Status};
use crate::text::printable;

/// Skips, notes and differences told of one user; the CSV files hold all.
const TOLD: usize = 20;

#[derive(Serialize)]
struct Data {
    classes: [&'static str; Class::ALL.len()],
    domains: Vec<Domain>,
    users: Vec<User>,
}

/// Name, users, of each class, messages, octets, skipped.
#[derive(Serialize)]
struct Domain(String, u64, [u64; Class::ALL.len()], u64, u64, u64);

/// Name, class, verdict, messages, octets, on the target, skipped, seconds, the rest.
#[derive(Serialize)]
struct User(String, u8, String, u64, u64, u64, u64, f64, Rest);

/// What is shown of a user when it is opened.
#[derive(Serialize)]
struct Rest {
    /// The troubles, by their places.
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    troubles: Vec<usize>,
    /// Names and values of the numbers.
    #[serde(rename = "n", skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<(&'static str, u64)>,
    /// What happened, and the way on.
    #[serde(rename = "p", skip_serializing_if = "Vec::is_empty")]
    problems: Vec<(String, String)>,
    /// Lines.
    #[serde(rename = "l", skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
    /// How many runs have the user.
    #[serde(rename = "r")]
    runs: u32,
    /// The status, as in `summary.csv`.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// The log of the user.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

/// The data as JSON that holds no `<`, so that it can stand in a `script` element.
pub(super) fn json(
    sum: &Sum,
    domains: &[domains::Domain],
    troubles: &[Trouble],
) -> serde_json::Result<String> {
    let mut of_user = vec![Vec::new(); sum.users.len()];
    for (place, trouble) in troubles.iter().enumerate() {
        for user in &trouble.users {
            of_user[*user].push(place);
        }
    }
    let domains = domains.iter().map(|it| {
        let totals = it.totals;
        let name = printable(&it.name);
        Domain(
            name,
            totals.users,
            it.classes,
            totals.messages,
            totals.bytes,
            totals.skipped,
        )
    });
    let users = sum.users.iter().zip(of_user);
    let data = Data {
        classes: Class::ALL.map(Class::word),
        domains: domains.collect(),
        users: users
            .map(|(user, troubles)| row(sum, user, troubles))
            .collect(),
    };
    // Only a string can hold one.
    Ok(serde_json::to_string(&data)?.replace('<', "\\u003c"))
}

fn row(sum: &Sum, user: &Standing, troubles: Vec<usize>) -> User {
    let report = &user.report;
    let verdict = sum.verdict(user);
    let run = user.run.and_then(|run| sum.runs.get(run));
    let numbers = [
        ("folders", report.folders),
        ("added", report.added),
        ("kept", report.kept),
        ("flags changed", report.changed),
        ("deleted from the target", report.deleted),
        ("deleted on the target by their owner", report.left_deleted),
        ("deleted at the source", report.source_deleted),
        ("UIDLs", report.uidls),
        ("messages without a UIDL", report.uidls_missing),
        ("UIDLs without a message", report.uidls_extra),
        ("UIDLs of other folders", report.uidls_elsewhere),
        ("UIDLs that the target cannot hold", report.uidls_unholdable),
        ("places in another POP3 order", report.order_breaks),
        ("farthest move of a date, s", report.max_date_shift_s),
        ("sessions", u64::from(report.attempts)),
    ];
    let numbers = numbers.into_iter().filter(|(_, number)| *number > 0);
    let problems = report.problems.iter().take(TOLD);
    let problems = problems.map(|it| (without_hint(it), it.hint().unwrap_or_default().to_owned()));
    User(
        printable(&report.user),
        verdict.class as u8,
        printable(&verdict.words),
        report.messages,
        report.bytes,
        report.added + report.kept,
        report.skipped(),
        report.seconds,
        Rest {
            troubles,
            numbers: numbers.collect(),
            problems: if run.is_some() {
                problems.collect()
            } else {
                Vec::new()
            },
            lines: lines(user),
            runs: user.runs,
            status: run.map(|_| report.status()),
            log: run
                .filter(|_| verdict.class != Class::Transparent)
                .map(|run| {
                    let log = run.dir.join("logs").join(user_log::file_name(&report.user));
                    printable(&log.to_string_lossy())
                }),
        },
    )
}

fn lines(user: &Standing) -> Vec<String> {
    let report = &user.report;
    let mut lines = skipped(&report.skips);
    if let Some(look) = &user.verified {
        let when = moment(look.at);
        lines.push(match look.is_outdated {
            true => format!("verified {when} UTC, before the latest run: verify again"),
            false => format!("verified {when} UTC: {}", look.of.verdict),
        });
    }
    if let Some(look) = user.look() {
        if look.of.again_messages > 0 {
            lines.push(downloaded_again(
                look.of.again_messages,
                look.of.again_bytes,
            ));
        }
        let differences = look.differences.iter().take(TOLD);
        lines.extend(differences.map(|it| {
            let servers = match it.servers.as_str() {
                "" => String::new(),
                servers => format!(" ({servers})"),
            };
            format!(
                "verify: {} {} {}: {}{servers}: {} became {}",
                it.folder, it.uid, it.uidl, it.what, it.old, it.new
            )
        }));
        let all = usize::try_from(look.of.differences).unwrap_or(usize::MAX);
        more(&mut lines, all, "differences in verify.csv");
    }
    lines.extend(report.notes.iter().take(TOLD).cloned());
    more(&mut lines, report.notes.len(), "notes in run.json");
    lines.iter().map(|line| printable(line)).collect()
}

fn more(lines: &mut Vec<String>, all: usize, of_what: &str) {
    if all > TOLD {
        lines.push(format!("and {} more {of_what}", all - TOLD));
    }
}

/// Messages that are skipped, those of one folder and one reason together.
fn skipped(skips: &[Skip]) -> Vec<String> {
    let mut groups: BTreeMap<(&str, &str), (u64, &Skip)> = BTreeMap::new();
    for skip in skips {
        let key = (&*skip.folder, &*skip.reason);
        groups.entry(key).or_insert((0, skip)).0 += 1;
    }
    let mut lines = Vec::new();
    for ((folder, reason), (count, first)) in groups.iter().take(TOLD) {
        let which = match (count, first.uid, &first.uidl) {
            (1, Some(uid), _) => format!("UID {uid}"),
            (1, None, Some(uidl)) => format!("UIDL {uidl}"),
            (count, ..) => things(*count, "message"),
        };
        lines.push(format!("skipped: {folder}: {which}: {reason}"));
    }
    more(
        &mut lines,
        groups.len(),
        "folders and reasons in skipped.csv",
    );
    lines
}
