//! What can be said of each run, as bars side by side.

use maud::{Markup, html};

use super::{Axis, count_ticks, figure, number, place, x_ticks, y_ticks};
use crate::report::figures::duration;
use crate::report::html::scale::Tick;
use crate::report::sum::person::MIB;
use crate::report::sum::{Run, rate};

/// Bars above which their value is written.
const NAMED_BARS: usize = 12;

/// How long each run took: what the last run before the switch will take, too.
pub(super) fn durations(runs: &[Run]) -> Markup {
    let longest = runs.iter().map(Run::seconds).fold(0.0, f64::max);
    let (unit, seconds) = match longest {
        _ if longest < 300.0 => ("seconds", 1.0),
        _ if longest < 4.0 * 3600.0 => ("minutes", 60.0),
        _ => ("hours", 3600.0),
    };
    let values: Vec<f64> = runs.iter().map(|run| run.seconds() / seconds).collect();
    let names: Vec<String> = runs.iter().map(|run| duration(run.seconds())).collect();
    bars("Time that each run took", unit, &values, &names)
}

/// How many octets each run wrote.
pub(super) fn throughput(runs: &[Run]) -> Markup {
    let speeds = runs.iter().map(|run| run.bytes_a_second());
    speed(
        "Throughput of each run",
        "MiB written a second",
        speeds.map(|it| it.map(|it| it / MIB)),
    )
}

/// How many messages each run wrote.
pub(super) fn speeds(runs: &[Run]) -> Markup {
    let speeds = runs.iter().map(Run::messages_a_second);
    speed("Speed of each run", "messages written a second", speeds)
}

/// A bar for each speed that is known.
fn speed(title: &str, unit: &str, speeds: impl Iterator<Item = Option<f64>>) -> Markup {
    let speeds: Vec<Option<f64>> = speeds.collect();
    let names = speeds.iter().map(|it| it.map_or("–".to_owned(), rate));
    let names: Vec<String> = names.collect();
    let values: Vec<f64> = speeds.iter().map(|it| it.unwrap_or(0.0)).collect();
    bars(title, unit, &values, &names)
}

/// A bar for each run, with its value by name.
fn bars(title: &str, unit: &str, values: &[f64], names: &[String]) -> Markup {
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
        @for (run, (value, name)) in values.iter().zip(names).enumerate() {
            @let middle = x.at(number(run as u64 + 1));
            @let top = y.at(*value);
            rect class="bar" x=(place(middle - bar / 2.0)) width=(place(bar))
                y=(place(top)) height=(place(y.start - top)) {}
            @if values.len() <= NAMED_BARS {
                text class="label" x=(place(middle)) y=(place(top - 4.0)) text-anchor="middle" {
                    (name)
                }
            }
        }
        (x_ticks(&x, &numbers, "number of the run, as in Runs"))
    };
    figure(title, unit, &drawing)
}
