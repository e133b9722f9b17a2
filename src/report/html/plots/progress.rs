//! How the users stood over time.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{Axis, RIGHT, apart, count_ticks, figure, number, place, thousands, x_ticks, y_ticks};
use crate::report::html::scale;
use crate::report::sum::{Point, Run};

/// Users who stand alike.
struct Layer {
    /// The class of its colour.
    class: &'static str,
    name: &'static str,
    users: fn(&Point) -> u64,
}

/// From the lowest up, which is what is done.
const LAYERS: [Layer; 4] = [
    Layer {
        class: "c0",
        name: "ok",
        users: |it| it.ok,
    },
    Layer {
        class: "c2",
        name: "partial",
        users: |it| it.partial,
    },
    Layer {
        class: "c3",
        name: "failed",
        users: |it| it.failed,
    },
    Layer {
        class: "c4",
        name: "to come",
        users: |it| it.to_come,
    },
];

/// The layers, one on the other.
pub(super) fn plot(points: &[Point], first: &Run) -> Markup {
    let Some(last) = points.last() else {
        return html! {};
    };
    let begin = first.started;
    let users = last.ok + last.partial + last.failed + last.to_come;
    // The last run's outcome gets some room.
    let end = seconds(last.at) + (seconds(last.at) - seconds(begin)) * 0.06;
    let x = Axis::x(seconds(begin), end, RIGHT);
    let mut ticks = count_ticks(number(users));
    // Half a user is none.
    ticks.retain(|(value, _)| value.fract() == 0.0);
    let y = Axis::y(0.0, ticks.last().map_or(1.0, |(value, _)| *value));
    let start = Point {
        at: begin,
        ok: 0,
        partial: 0,
        failed: 0,
        to_come: users,
    };
    let points: Vec<Point> = std::iter::once(start)
        .chain(points.iter().copied())
        .collect();
    let times: Vec<f64> = points.iter().map(|it| x.at(seconds(it.at))).collect();
    let mut below = vec![0; points.len()];
    let mut shapes = Vec::new();
    let mut labels: Vec<(f64, String)> = Vec::new();
    for layer in &LAYERS {
        let above: Vec<u64> = below
            .iter()
            .zip(&points)
            .map(|(below, point)| below + (layer.users)(point))
            .collect();
        shapes.push((layer.class, outline((&times, x.end), (&below, &above), &y)));
        let count = (layer.users)(last);
        if let (Some(top), Some(bottom), true) = (above.last(), below.last(), count > 0) {
            let middle = y.at(f64::midpoint(number(*top), number(*bottom)));
            labels.push((
                middle,
                format!("{} {}", thousands(number(count)), layer.name),
            ));
        }
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

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since 1970 are below 2^52"
)]
fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_second() as f64
}

/// The path around a layer: there along its upper edge, back along the lower one. What a run did is known at its
/// end, so that each number holds up to the next of the `times`, and the last one up to `end`.
fn outline((times, end): (&[f64], f64), (below, above): (&[u64], &[u64]), y: &Axis) -> String {
    let mut corners: Vec<(f64, u64)> = Vec::new();
    let until = |step: usize| times.get(step + 1).copied().unwrap_or(end);
    for (step, (time, count)) in times.iter().zip(above).enumerate() {
        corners.extend([(*time, *count), (until(step), *count)]);
    }
    for (step, (time, count)) in times.iter().zip(below).enumerate().rev() {
        corners.extend([(until(step), *count), (*time, *count)]);
    }
    let mut path = String::new();
    for (at, (x, count)) in corners.into_iter().enumerate() {
        let verb = if at == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{verb}{} {}", place(x), place(y.at(number(count))));
    }
    path.push('Z');
    path
}
