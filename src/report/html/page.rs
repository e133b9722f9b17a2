//! The page around the data.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indicatif::{BinaryBytes, HumanCount};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{data, plots};
use crate::report::Totals;
use crate::report::person::duration;
use crate::report::sum::advice::Trouble;
use crate::report::sum::person::{MIB, moment};
use crate::report::sum::{Class, Run, Sum, per_second, rate};
use crate::text::printable;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Troubles told, and users named for one.
const TROUBLES: usize = 20;
const NAMED: usize = 5;

/// Writes `sum` as a page made at `now`.
///
/// # Errors
/// Those of `out`.
pub fn write(sum: &Sum, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let troubles = sum.troubles();
    let domains = sum.domains();
    let data = data::json(sum, &domains, &troubles)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "mailseed " (env!("CARGO_PKG_VERSION")) };
                title { "Mail migration: " (HumanCount(sum.users.len() as u64)) " users" }
                // Else browsers ask for /favicon.ico.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(sum, domains.len() > 1, now))
                main {
                    (summary(sum))
                    (to_do(sum, &troubles))
                    (over_time(sum))
                    (tables())
                    (runs(&sum.runs))
                }
                (foot())
                script type="application/json" id="data" { (PreEscaped(data)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())
}

/// Nothing may be fetched, and nothing may run or be styled but what we have put here.
fn policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(openssl::sha::sha256(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `part` of `all` in percent, never rounded up to all or down to nothing.
fn percent(part: u64, all: u64) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    match u128::from(part) * 1000 / u128::from(all) {
        0 if part > 0 => "<\u{a0}0.1\u{a0}%".to_owned(),
        thousandths => format!("{}.{}\u{a0}%", thousandths / 10, thousandths % 10),
    }
}

fn head(sum: &Sum, many_domains: bool, now: Timestamp) -> Markup {
    html! {
        header {
            h1 { "Mail migration" }
            p {
                @if let (Some(first), Some(last)) = (sum.runs.first(), sum.progress.last()) {
                    @match sum.runs.len() {
                        1 => "One run",
                        many => { (count(many as u64)) " runs" }
                    }
                    ", " (moment(first.started)) " to " (moment(last.at)) " UTC. "
                } @else { "No export yet. " }
                "Page of " (moment(now)) " UTC."
            }
            nav aria-label="Parts of this page" {
                a href="#todo" { "What to do" }
                @if many_domains { a href="#domains" { "Domains" } }
                a href="#users" { "Users" }
                a href="#runs" { "Runs" }
            }
            @for note in &sum.notes { p.note { (printable(note)) } }
        }
    }
}

fn summary(sum: &Sum) -> Markup {
    let totals = sum.totals();
    let users = totals.users;
    html! {
        section aria-labelledby="sum" {
            h2 #sum { "In sum" }
            (bar(sum))
            dl.tiles { (tiles(&totals, sum)) }
            @if users > 0 && totals.users == sum.classes()[0] {
                p.good { "All " (count(users)) " users are moved, and no client will notice." }
            }
        }
    }
}

/// All users as one bar, and the legend with the numbers.
fn bar(sum: &Sum) -> Markup {
    let all = sum.users.len() as u64;
    let classes = sum.classes();
    let part = |count: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a width is for the eye")]
        let part = count as f64 * 1000.0 / all.max(1) as f64;
        part
    };
    let mut from = 0.0;
    let parts: Vec<(usize, f64, f64)> = classes
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| {
            let wide = part(*count);
            from += wide;
            (class, from - wide, wide)
        })
        .collect();
    html! {
        svg.whole viewBox="0 0 1000 40" preserveAspectRatio="none" aria-hidden="true" {
            @for (class, x, wide) in &parts {
                rect class={ "c" (class) } x={ (format!("{x:.1}")) } y="0" height="40"
                    width={ (format!("{wide:.1}")) } {}
            }
        }
        ul.legend {
            @for (class, count_of) in Class::ALL.iter().zip(classes) {
                @if count_of > 0 {
                    li {
                        span class={ "key c" (*class as usize) } aria-hidden="true" {}
                        b { (count(count_of)) " " (class.word()) }
                        " " span.share { (percent(count_of, all)) }
                        small { (class.meaning()) }
                    }
                }
            }
        }
    }
}

fn tiles(totals: &Totals, sum: &Sum) -> Markup {
    let there = totals.added + totals.kept;
    let added: u64 = sum.runs.iter().map(|run| run.totals.added).sum();
    let left = totals.left_deleted;
    html! {
        (tile("Users", &count(totals.users), &format!(
            "{} ok, {} partial, {} failed",
            count(totals.ok), count(totals.partial), count(totals.failed)
        )))
        (tile("Messages on the target", &count(there), &format!(
            "of {} at the source ({}){}",
            count(totals.messages), percent(there, totals.messages),
            if left > 0 { format!("; {} deleted by their owners", count(left)) } else { String::new() }
        )))
        (tile("Messages skipped", &count(totals.skipped), "each with its reason in skipped.csv"))
        (tile("Mail at the source", &BinaryBytes(totals.bytes).to_string(), &format!(
            "in {} folders", count(totals.folders)
        )))
        (tile("POP3 UIDLs", &count(totals.uidls), &format!(
            "{} messages without one, {} without a message",
            count(totals.uidls_missing), count(totals.uidls_extra)
        )))
        (tile("Time at work", &duration(sum.seconds()), &format!(
            "{} messages written{}", count(added),
            match per_second(added, sum.seconds()) {
                Some(speed) => format!(", {} a second", rate(speed)),
                None => String::new(),
            }
        )))
    }
}

fn tile(name: &str, value: &str, more: &str) -> Markup {
    html! { div { dt { (name) } dd { b { (value) } small { (more) } } } }
}

fn to_do(sum: &Sum, troubles: &[Trouble]) -> Markup {
    html! {
        section aria-labelledby="todo" {
            h2 #todo { "What to do" }
            @if troubles.is_empty() {
                p.good { "Nothing: no user has a problem." }
            } @else {
                p {
                    "The most frequent trouble comes first; a user may have several. For another run with the users \
                     that are not done: "
                    code { "mailseed report DIR... --csv users.csv" }
                    ", then "
                    code { "mailseed export ... --only-failed users.csv" } "."
                }
                ol.troubles {
                    @for (place, trouble) in troubles.iter().take(TROUBLES).enumerate() {
                        (told(sum, place, trouble))
                    }
                }
                @if troubles.len() > TROUBLES {
                    p { "And " (count((troubles.len() - TROUBLES) as u64)) " more; the users' rows tell of them." }
                }
            }
        }
    }
}

fn told(sum: &Sum, place: usize, trouble: &Trouble) -> Markup {
    let users = trouble.users.len();
    let named = trouble.users.iter().take(NAMED);
    let named: Vec<String> = named
        .filter_map(|user| sum.users.get(*user))
        .map(|user| printable(&user.report.user))
        .collect();
    html! {
        li {
            h3 { (trouble.what) " " span.count { (count(users as u64)) @if users == 1 { " user" } @else { " users" } } }
            p.advice { (trouble.advice) }
            p.example { (trouble.example) }
            p.who {
                (named.join(", "))
                @if users > NAMED { " and " (count((users - NAMED) as u64)) " more" }
                " " button.link type="button" data-trouble=(place) hidden { "Show in the table" }
            }
        }
    }
}

fn over_time(sum: &Sum) -> Markup {
    let plots = plots::all(sum);
    html! {
        @if !plots.0.is_empty() {
            section aria-labelledby="time" {
                h2 #time { "Over time" }
                div.plots { (plots) }
            }
        }
    }
}

/// The places of the tables that the script makes.
fn tables() -> Markup {
    html! {
        noscript { p.note { "The tables of domains and users need JavaScript; mailseed report --csv has the same." } }
        section #domains aria-labelledby="domains-head" hidden {
            h2 #domains-head { "Domains" }
            div.tools {
                label { "Filter " input #domains-filter type="search" autocomplete="off" placeholder="part of a name"; }
                p #domains-shown role="status" {}
            }
            div.scroll role="region" aria-labelledby="domains-head" tabindex="0" { table #domains-table {} }
            p.pager #domains-more {}
        }
        section #users aria-labelledby="users-head" hidden {
            h2 #users-head { "Users" }
            div.tools {
                label { "Filter " input #users-filter type="search" autocomplete="off" placeholder="name or verdict"; }
                label { "Verdict " select #users-class {} }
                p #users-shown role="status" {}
                button.link #users-trouble type="button" hidden {}
            }
            div.scroll role="region" aria-labelledby="users-head" tabindex="0" { table #users-table {} }
            p.pager #users-more {}
        }
    }
}

fn runs(runs: &[Run]) -> Markup {
    let speed = |speed: Option<f64>| speed.map_or("–".to_owned(), rate);
    html! {
        section aria-labelledby="runs" {
            h2 #runs { "Runs" }
            div.scroll role="region" aria-labelledby="runs" tabindex="0" {
                table {
                    thead { tr {
                        th.n scope="col" { "No." }
                        th scope="col" { "Report" }
                        th scope="col" { "Began (UTC)" }
                        @for name in ["Took", "Users", "ok", "partial", "failed", "Written", "Messages/s", "MiB/s"] {
                            th.n scope="col" { (name) }
                        }
                    } }
                    tbody {
                        @for (place, run) in runs.iter().enumerate() {
                            tr {
                                td.n { (place + 1) }
                                th scope="row" { (printable(&run.dir.to_string_lossy())) }
                                td.nowrap { (moment(run.started)) }
                                td.n { (duration(run.seconds())) }
                                @for number in [run.totals.users, run.totals.ok, run.totals.partial, run.totals.failed, run.totals.added] {
                                    td.n { (count(number)) }
                                }
                                td.n { (speed(run.messages_a_second())) }
                                td.n { (speed(run.bytes_a_second().map(|it| it / MIB))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn foot() -> Markup {
    html! {
        footer {
            p {
                "Of each user the latest run counts; the plots and the runs are of all. Every message of the source that \
                 was to be taken is in one of: on the target (added or kept), skipped, or deleted on the target by its \
                 owner. 1 MiB is 1,048,576 octets, as the source tells sizes. MiB/s is told for runs in which every \
                 mailbox was new or got nothing. Times are UTC. Made by mailseed " (env!("CARGO_PKG_VERSION")) "."
            }
        }
    }
}
