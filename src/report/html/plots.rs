//! The plots, as SVG: how the users stood over time, how fast each run was, and how long mailboxes
//! took. Colours are those of the page's style sheet, by class.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::scale::{self, Tick};
use crate::report::sum::person::MIB;
use crate::report::sum::{Load, Point, Run, Sum, rate};
use crate::text::printable;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Room to the right, where lines are named.
const RIGHT: f64 = 96.0;
/// Height of a line of text.
const LINE: f64 = 15.0;

/// All plots for which there is something to show.
pub(super) fn all(sum: &Sum) -> Markup {
    html! {
        @if let (true, Some(first)) = (sum.progress.len() > 1, sum.runs.first()) {
            (progress(&sum.progress, first))
        }
        @if sum.runs.len() > 1 {
            (durations(&sum.runs))
            (speeds(&sum.runs))
        }
        @if sum.loads.len() > 1 { (loads(&sum.loads)) }
    }
}

/// An axis: values to places along the drawing.
struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Axis {
    fn x(from: f64, to: f64, right: f64) -> Self {
        let (start, end) = (LEFT, WIDTH - right);
        Self {
            from,
            to,
            start,
            end,
            logarithmic: false,
        }
    }

    fn y(from: f64, to: f64) -> Self {
        let (start, end) = (HEIGHT - BOTTOM, TOP);
        Self {
            from,
            to,
            start,
            end,
            logarithmic: false,
        }
    }

    fn logarithmic(self) -> Self {
        Self {
            logarithmic: true,
            ..self
        }
    }

    fn at(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.logarithmic { value.ln() } else { value };
        let (from, to) = (scaled(self.from), scaled(self.to));
        let part = if to > from {
            (scaled(value) - from) / (to - from)
        } else {
            0.0
        };
        self.start + part.clamp(0.0, 1.0) * (self.end - self.start)
    }
}

/// A coordinate, to a tenth.
fn place(value: f64) -> String {
    format!("{value:.1}")
}

fn figure(title: &str, what: &str, drawing: &Markup) -> Markup {
    html! {
        figure {
            figcaption { b { (title) } span { (what) } }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (title) ". " (what) } {
                (drawing)
            }
        }
    }
}

fn y_ticks(axis: &Axis, ticks: &[Tick], right: f64) -> Markup {
    html! {
        @for (value, name) in ticks {
            @let y = axis.at(*value);
            line class="grid" x1=(place(LEFT)) x2=(place(WIDTH - right)) y1=(place(y)) y2=(place(y)) {}
            text x=(place(LEFT - 7.0)) y=(place(y + 4.0)) text-anchor="end" { (name) }
        }
    }
}

fn x_ticks(axis: &Axis, ticks: &[Tick], title: &str) -> Markup {
    let base = HEIGHT - BOTTOM;
    html! {
        line class="axis" x1=(place(axis.start)) x2=(place(axis.end)) y1=(place(base)) y2=(place(base)) {}
        @for (value, name) in ticks {
            @let x = axis.at(*value);
            line class="axis" x1=(place(x)) x2=(place(x)) y1=(place(base)) y2=(place(base + 4.0)) {}
            text x=(place(x)) y=(place(base + 17.0)) text-anchor="middle" { (name) }
        }
        text class="title" x=(place(f64::midpoint(axis.start, axis.end))) y=(place(HEIGHT - 6.0))
            text-anchor="middle" { (title) }
    }
}

/// A number for the eye.
#[expect(
    clippy::cast_precision_loss,
    reason = "a place in a plot is for the eye"
)]
fn number(count: u64) -> f64 {
    count as f64
}

fn count_ticks(most: f64) -> Vec<Tick> {
    let named = |value: f64| match value {
        _ if value.fract() != 0.0 => (
            value,
            format!("{value:.2}").trim_end_matches('0').to_owned(),
        ),
        _ => (value, thousands(value)),
    };
    scale::linear(most).into_iter().map(named).collect()
}

fn thousands(value: f64) -> String {
    indicatif::HumanFloatCount(value).to_string()
}

/// How the users stood over time: layers, of which the lowest is what is done.
fn progress(points: &[Point], first: &Run) -> Markup {
    let users = points
        .first()
        .map_or(0, |it| it.ok + it.partial + it.failed + it.to_come);
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are below 2^52"
    )]
    let seconds = |at: jiff::Timestamp| at.as_second() as f64;
    let (Some(last), begin) = (points.last(), first.started) else {
        return html! {};
    };
    // The last run's outcome gets some room.
    let end = seconds(last.at) + (seconds(last.at) - seconds(begin)) * 0.06;
    let x = Axis::x(seconds(begin), end, RIGHT);
    let mut ticks = count_ticks(number(users));
    // Half a user is none.
    ticks.retain(|(value, _)| value.fract() == 0.0);
    let y = Axis::y(0.0, ticks.last().map_or(1.0, |(value, _)| *value));
    let layers: [(&str, &str, fn(&Point) -> u64); 4] = [
        ("c0", "ok", |it| it.ok),
        ("c2", "partial", |it| it.partial),
        ("c3", "failed", |it| it.failed),
        ("c4", "to come", |it| it.to_come),
    ];
    let start = Point {
        at: begin,
        ok: 0,
        partial: 0,
        failed: 0,
        to_come: users,
    };
    let mut below = vec![0; points.len() + 1];
    let mut shapes = Vec::new();
    let mut labels: Vec<(f64, String)> = Vec::new();
    for (class, name, value) in layers {
        let values: Vec<u64> = std::iter::once(&start).chain(points).map(value).collect();
        let above: Vec<u64> = below
            .iter()
            .zip(&values)
            .map(|(below, it)| below + it)
            .collect();
        let times = std::iter::once(&start).chain(points);
        let times: Vec<f64> = times.map(|it| x.at(seconds(it.at))).collect();
        let mut path = String::new();
        let mut draw = |verb: char, x: f64, count: u64| {
            let _ = write!(path, "{verb}{} {}", place(x), place(y.at(number(count))));
        };
        // There along the upper edge, back along the lower one; what a run did is known at its end.
        draw('M', times[0], above[0]);
        for step in 1..times.len() {
            draw('L', times[step], above[step - 1]);
            draw('L', times[step], above[step]);
        }
        draw('L', x.end, above[points.len()]);
        draw('L', x.end, below[points.len()]);
        for step in (1..times.len()).rev() {
            draw('L', times[step], below[step]);
            draw('L', times[step], below[step - 1]);
        }
        draw('L', times[0], below[0]);
        path.push('Z');
        if let (Some(top), Some(bottom), Some(count)) = (above.last(), below.last(), values.last())
            && *count > 0
        {
            let middle = y.at(f64::midpoint(number(*top), number(*bottom)));
            labels.push((middle, format!("{} {name}", thousands(number(*count)))));
        }
        shapes.push((class, path));
        below = above;
    }
    apart(&mut labels);
    let drawing = html! {
        (y_ticks(&y, &ticks, RIGHT))
        @for (class, path) in &shapes { path class={ "area " (class) } d=(path) {} }
        @for (at, text) in &labels {
            text class="label" x=(place(x.end + 6.0)) y=(place(at + 4.0)) { (text) }
        }
        (x_ticks(&x, &scale::moments(begin, last.at), "time (UTC)"))
    };
    figure("Users by status", "after each run", &drawing)
}

/// Moves labels, which come from the lowest to the highest, so far up that none lies on another.
fn apart(labels: &mut [(f64, String)]) {
    let mut free = HEIGHT - BOTTOM;
    for (at, _) in labels.iter_mut() {
        *at = at.min(free);
        free = *at - LINE;
    }
    // The topmost may now be above the drawing: all come down as far as they must.
    let mut least = TOP;
    for (at, _) in labels.iter_mut().rev() {
        *at = at.max(least);
        least = *at + LINE;
    }
}

/// Bars above which their value is written.
const NAMED_BARS: usize = 12;

/// How long each run took: what the last run before the switch will take, too.
fn durations(runs: &[Run]) -> Markup {
    let longest = runs.iter().map(Run::seconds).fold(0.0, f64::max);
    let (unit, seconds) = match longest {
        _ if longest < 300.0 => ("seconds", 1.0),
        _ if longest < 4.0 * 3600.0 => ("minutes", 60.0),
        _ => ("hours", 3600.0),
    };
    let values: Vec<f64> = runs.iter().map(|run| run.seconds() / seconds).collect();
    bars("Time that each run took", unit, &values)
}

/// How fast each run was.
fn speeds(runs: &[Run]) -> Markup {
    let speeds = runs.iter().map(Run::messages_a_second);
    let speeds: Vec<f64> = speeds.map(|it| it.unwrap_or(0.0)).collect();
    bars("Speed of each run", "messages written a second", &speeds)
}

/// A bar for each run.
fn bars(title: &str, unit: &str, values: &[f64]) -> Markup {
    const NARROW: f64 = 16.0;
    let ticks = count_ticks(values.iter().copied().fold(0.0, f64::max));
    let y = Axis::y(0.0, ticks.last().map_or(1.0, |(value, _)| *value));
    let count = number(values.len() as u64);
    let x = Axis::x(0.5, count + 0.5, NARROW);
    let wide = (x.end - x.start) / count;
    let bar = (wide * 0.7).min(48.0);
    let every = values.len().div_ceil(12);
    let numbers = (1..=values.len()).step_by(every);
    let numbers: Vec<Tick> = numbers
        .map(|it| (number(it as u64), it.to_string()))
        .collect();
    let drawing = html! {
        (y_ticks(&y, &ticks, NARROW))
        @for (run, value) in values.iter().enumerate() {
            @let middle = x.at(number(run as u64 + 1));
            @let top = y.at(*value);
            rect class="bar" x=(place(middle - bar / 2.0)) width=(place(bar))
                y=(place(top)) height=(place(y.start - top)) {}
            @if values.len() <= NAMED_BARS {
                text class="label" x=(place(middle)) y=(place(top - 4.0)) text-anchor="middle" {
                    (rate(*value))
                }
            }
        }
        (x_ticks(&x, &numbers, "number of the run, as in Runs"))
    };
    figure(title, unit, &drawing)
}

/// The slowest that are named.
const NAMED_LOADS: usize = 3;

/// How long each mailbox took.
fn loads(loads: &[Load]) -> Markup {
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
