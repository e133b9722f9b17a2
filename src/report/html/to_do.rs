//! What to do, and for whom.

use indicatif::HumanCount;
use maud::{Markup, html};

use crate::report::sum::Sum;
use crate::report::sum::advice::Trouble;
use crate::text::printable;

/// Troubles told, and users named for one.
const TROUBLES: usize = 20;
const NAMED: usize = 5;

pub(super) fn section(sum: &Sum, troubles: &[Trouble]) -> Markup {
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
                    p { "And " (HumanCount((troubles.len() - TROUBLES) as u64)) " more; the users' rows tell of them." }
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
            h3 { (trouble.what) " " span.count { (HumanCount(users as u64)) @if users == 1 { " user" } @else { " users" } } }
            p.advice { (trouble.advice) }
            p.example { "For example: " (trouble.example) }
            p.who {
                (named.join(", "))
                @if users > NAMED { " and " (HumanCount((users - NAMED) as u64)) " more" }
                " " button.link type="button" data-trouble=(place) hidden { "Show in the table" }
            }
        }
    }
}
