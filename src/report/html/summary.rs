//! The sums: verdicts as one bar, and the numbers.

use indicatif::BinaryBytes;
use maud::{Markup, html};

use crate::report::Totals;
use crate::report::figures::{count, duration, things};
use crate::report::sum::{Class, Sum, per_second, rate};

pub(super) fn section(sum: &Sum) -> Markup {
    let totals = sum.totals();
    let users = totals.users;
    html! {
        section aria-labelledby="sum" {
            h2 #sum { "In sum" }
            (bar(sum))
            dl.tiles {
                (tiles(&totals, sum))
                @if let Some(looks) = sum.looks() {
                    (tile("Verified", &count(looks.transparent), &format!("transparent; {}", looks.rest())))
                    (tile("Downloaded again", &count(looks.again_messages), &format!(
                        "messages ({}), by POP3 clients that leave mail on the server, as far as verified",
                        BinaryBytes(looks.again_bytes)
                    )))
                }
            }
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
    let of_runs = |of: fn(&Totals) -> u64| sum.runs.iter().map(|run| of(&run.totals)).sum::<u64>();
    let (added, bytes) = (of_runs(|it| it.added), of_runs(|it| it.added_bytes));
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
            "in {}", things(totals.folders, "folder")
        )))
        (tile("POP3 UIDLs", &count(totals.uidls), &format!(
            "{} messages without one, {} without a message",
            count(totals.uidls_missing), count(totals.uidls_extra)
        )))
        (tile("Time at work", &duration(sum.seconds()), &format!(
            "{} messages ({}) written{}", count(added), BinaryBytes(bytes),
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
