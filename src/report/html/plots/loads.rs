//! How long whole mailboxes took, by their size.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{Axis, RIGHT, WIDTH, apart, figure, number, place, x_ticks, y_ticks};
use crate::report::html::scale::{self, Tick};
use crate::report::sum::Load;
use crate::report::sum::person::MIB;
use crate::text::printable;

/// The slowest that are named.
const NAMED_LOADS: usize = 3;

/// How long each mailbox took.
pub(super) fn plot(loads: &[Load]) -> Markup {
    let over = |value: fn(&Load) -> f64| {
        let values = loads.iter().map(value);
        values.fold((f64::MAX, 0.0_f64), |(least, most), it| {
            (least.min(it), most.max(it))
        })
    };
    let (slow, fast) = over(|it| number(it.bytes) / MIB / it.seconds);
    let (least, most) = over(|it| number(it.bytes));
    let sizes = scale::around(scale::sizes(), least, most);
    let (least, most) = over(|it| it.seconds);
    let times = scale::around(scale::durations(), least, most);
    let ends = |ticks: &[Tick]| match ticks {
        [first, .., last] => (first.0, last.0),
        _ => (1.0, 2.0),
    };
    let (from, to) = ends(&sizes);
    let x = Axis::x(from, to, RIGHT).logarithmic();
    let (from, to) = ends(&times);
    let y = Axis::y(from, to).logarithmic();
    // One path for all: thousands of elements would be slow. A line of no length is drawn as a dot.
    let mut dots = String::new();
    for load in loads {
        let (x, y) = (x.at(number(load.bytes)), y.at(load.seconds));
        let _ = write!(dots, "M{} {}h0", place(x), place(y));
    }
    let mut slowest: Vec<&Load> = loads.iter().collect();
    slowest.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let mut labels: Vec<(f64, String)> = Vec::new();
    let mut named: Vec<(f64, f64)> = Vec::new();
    for load in slowest.iter().take(NAMED_LOADS).rev() {
        named.push((x.at(number(load.bytes)), y.at(load.seconds)));
        labels.push((y.at(load.seconds), short(&printable(&load.user))));
    }
    apart(&mut labels);
    let drawing = html! {
        (y_ticks(&y, &times, RIGHT))
        @for speed in [0.01, 0.1, 1.0, 10.0, 100.0] {
            @if speed > slow / 3.0 && speed < fast * 3.0 { (guide(&x, &y, speed)) }
        }
        path class="dots" d=(dots) {}
        @for ((x, y), (at, name)) in named.iter().zip(&labels) {
            path class="ring" d={ "M" (place(*x)) " " (place(*y)) "h0" } {}
            // The slowest lie above the others, and there is room to their left as a rule.
            @let (x, anchor) = if *x > WIDTH / 2.0 { (x - 7.0, "end") } else { (x + 7.0, "start") };
            text class="label halo" x=(place(x)) y=(place(at + 4.0)) text-anchor=(anchor) { (name) }
        }
        (x_ticks(&x, &sizes, "size of the mailbox"))
    };
    let what = "whole mailboxes, a dot a user; the slowest are named";
    figure("Time it took by size", what, &drawing)
}

/// The line on which mailboxes of this many MiB a second lie.
fn guide(x: &Axis, y: &Axis, rate: f64) -> Markup {
    let seconds = |bytes: f64| bytes / (rate * MIB);
    let from = x.from.max(y.from * rate * MIB);
    let to = x.to.min(y.to * rate * MIB);
    // One that only touches a corner says nothing.
    if to < from * 8.0 {
        return html! {};
    }
    let (right, top) = (x.at(to), y.at(seconds(to)));
    // It leaves the drawing to the right, or above.
    let (at, lift, anchor) = if to < x.to {
        (right, -3.0, "middle")
    } else {
        (right + 5.0, 4.0, "start")
    };
    html! {
        line class="guide" x1=(place(x.at(from))) y1=(place(y.at(seconds(from)))) x2=(place(right)) y2=(place(top)) {}
        text class="guide" x=(place(at)) y=(place(top + lift)) text-anchor=(anchor) { (rate) " MiB/s" }
    }
}

/// A name that fits beside a dot.
fn short(name: &str) -> String {
    const LONGEST: usize = 22;
    match name.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &name[..cut]),
        None => name.to_owned(),
    }
}
