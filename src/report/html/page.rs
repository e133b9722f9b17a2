//! The page around the data.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indicatif::HumanCount;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{data, plots, summary, to_do};
use crate::report::figures::duration;
use crate::report::sum::person::{MIB, moment};
use crate::report::sum::{Run, Sum, rate};
use crate::text::printable;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

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
                    (summary::section(sum))
                    (to_do::section(sum, &troubles))
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

fn head(sum: &Sum, many_domains: bool, now: Timestamp) -> Markup {
    html! {
        header {
            h1 { "Mail migration" }
            p {
                @if let (Some(first), Some(last)) = (sum.runs.first(), sum.progress.last()) {
                    @match sum.runs.len() {
                        1 => "One run",
                        many => { (HumanCount(many as u64)) " runs" }
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
                                    td.n { (HumanCount(number)) }
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
                 owner. 1 MiB is 1,048,576 octets, as the source tells sizes. Times are UTC. Made by mailseed " (env!("CARGO_PKG_VERSION")) "."
            }
        }
    }
}
