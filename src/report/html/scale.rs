//! Where values lie on an axis, and where it has its ticks.

use jiff::Timestamp;

/// A tick: its value, and what stands beside it.
pub(super) type Tick = (f64, String);

/// Round steps from 0 to `most` or just beyond it, five at most.
pub(super) fn linear(most: f64) -> Vec<f64> {
    if most <= 0.0 {
        return vec![0.0, 1.0];
    }
    let rough = most / 4.0;
    let decade = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * decade);
    let step = steps.into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * decade);
    let mut ticks = vec![0.0];
    while let Some(last) = ticks.last()
        && *last < most * 0.999
    {
        ticks.push(last + step);
    }
    ticks
}

const SECOND: f64 = 1.0;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// Durations in seconds that read well on a logarithmic axis, with their names.
pub(super) fn durations() -> Vec<Tick> {
    let known = [
        (0.01, "10 ms"),
        (0.1, "0.1 s"),
        (SECOND, "1 s"),
        (10.0, "10 s"),
        (MINUTE, "1 min"),
        (10.0 * MINUTE, "10 min"),
        (HOUR, "1 h"),
        (10.0 * HOUR, "10 h"),
        (100.0 * HOUR, "100 h"),
    ];
    known.map(|(value, name)| (value, name.to_owned())).to_vec()
}

/// Sizes in octets that read well on a logarithmic axis, with their names.
pub(super) fn sizes() -> Vec<Tick> {
    let names = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut ticks = Vec::new();
    let mut unit = 1.0;
    for name in names {
        ticks.push((unit, format!("1 {name}")));
        ticks.push((unit * 32.0, format!("32 {name}")));
        unit *= 1024.0;
    }
    ticks
}

/// Those of `ticks` that reach from just below `least` to just above `most`.
pub(super) fn around(ticks: Vec<Tick>, least: f64, most: f64) -> Vec<Tick> {
    let last = ticks.len().saturating_sub(1);
    let from = ticks.iter().rposition(|(value, _)| *value <= least);
    let to = ticks.iter().position(|(value, _)| *value >= most);
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(last));
    // Two ticks make an axis.
    let to = if from == to { (to + 1).min(last) } else { to };
    let from = if from == to {
        from.saturating_sub(1)
    } else {
        from
    };
    ticks.into_iter().take(to + 1).skip(from).collect()
}

/// Up to five moments from `first` to `last`, named by day, or by hour if all is within two days.
pub(super) fn moments(first: Timestamp, last: Timestamp) -> Vec<Tick> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are below 2^52"
    )]
    let [from, to] = [first, last].map(|it| it.as_second() as f64);
    let steps = [
        MINUTE,
        5.0 * MINUTE,
        15.0 * MINUTE,
        HOUR,
        3.0 * HOUR,
        6.0 * HOUR,
        12.0 * HOUR,
        24.0 * HOUR,
        48.0 * HOUR,
        7.0 * 24.0 * HOUR,
        14.0 * 24.0 * HOUR,
        28.0 * 24.0 * HOUR,
        56.0 * 24.0 * HOUR,
        182.0 * 24.0 * HOUR,
        364.0 * 24.0 * HOUR,
        3640.0 * 24.0 * HOUR,
    ];
    let fits = |step: &&f64| (to - from) / **step <= 4.0;
    let step = *steps.iter().find(fits).unwrap_or(&steps[steps.len() - 1]);
    let mut ticks = Vec::new();
    let mut at = (from / step).ceil() * step;
    while at <= to {
        #[expect(clippy::cast_possible_truncation, reason = "it is between two times")]
        let moment = Timestamp::from_second(at as i64).unwrap_or(first);
        let form = if step < 24.0 * HOUR {
            "%d %b %H:%M"
        } else {
            "%d %b"
        };
        ticks.push((at, moment.strftime(form).to_string()));
        at += step;
    }
    if ticks.len() < 2 {
        let exact = |at: f64, time: Timestamp| (at, time.strftime("%H:%M:%S").to_string());
        return vec![exact(from, first), exact(to, last)];
    }
    ticks
}
