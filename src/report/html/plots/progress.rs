//! How the users stood over time.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{Axis, RIGHT, apart, count_ticks, figure, number, place, thousands, x_ticks, y_ticks};
use crate::report::html::scale;
use crate::report::sum::{Point, Run};

/// Class of its colour, name, and how many users it has at a point.
type Layer = (&'static str, &'static str, fn(&Point) -> u64);

/// Layers of users, of which the lowest is what is done.
pub(super) fn plot(points: &[Point], first: &Run) -> Markup {
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
    let layers: [Layer; 4] = [
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
