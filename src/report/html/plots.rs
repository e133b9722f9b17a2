//! The plots, as SVG: how the users stood over time, how fast each run was, and how long mailboxes
//! took. Colours are those of the page's style sheet, by class.

mod bars;
mod loads;
mod progress;

use maud::{Markup, html};

use super::scale::{self, Tick};
use crate::report::sum::Sum;

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
            (progress::plot(&sum.progress, first))
        }
        @if sum.runs.len() > 1 {
            (bars::durations(&sum.runs))
            (bars::throughput(&sum.runs))
            (bars::speeds(&sum.runs))
        }
        @if sum.loads.len() > 1 { (loads::plot(&sum.loads)) }
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
    /// From left to right, with so much room to the right.
    fn x(from: f64, to: f64, right: f64) -> Self {
        Self::linear((from, to), (LEFT, WIDTH - right))
    }

    /// From the bottom up.
    fn y(from: f64, to: f64) -> Self {
        Self::linear((from, to), (HEIGHT - BOTTOM, TOP))
    }

    fn linear((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
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
