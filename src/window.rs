//! The times of day in which a run may work (`--window 22:00-06:00`): whether it is time, and until when.
//! Local time, as the system or `TZ` has it. Where a clock change leaves a time out, what is said of it
//! holds an hour later; where it comes twice, the first counts. No clock in here.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

/// From one time of day to another, the next day's where that is no later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: Time,
    to: Time,
}

/// Some of them; none: always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows(pub Vec<Window>);

/// What a moment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// Within a window; it ends then, or does not (`None`).
    Open(Option<Zoned>),
    /// Outside all of them, until then.
    Closed(Zoned),
}

impl Window {
    /// `22:00-06:00`; 24:00 is the end of the day.
    ///
    /// # Errors
    /// It is no such window; told in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no_window =
            || format!("{text:?} is no window: give two times of day, as in 22:00-06:00");
        let (from, to) = text.split_once('-').ok_or_else(no_window)?;
        let to = if to == "24:00" { "00:00" } else { to };
        let (Some(from), Some(to)) = (time(from), time(to)) else {
            return Err(no_window());
        };
        match from == to {
            true => Err(format!("{text:?} would be the whole day: leave it out")),
            false => Ok(Self { from, to }),
        }
    }

    /// The one that begins on `day`.
    fn on(self, day: Date, zone: &TimeZone) -> Option<(Zoned, Zoned)> {
        let last = match self.to > self.from {
            true => day,
            false => day.checked_add(1.day()).ok()?,
        };
        let at = |day: Date, time| zone.to_ambiguous_zoned(day.to_datetime(time)).compatible();
        Some((at(day, self.from).ok()?, at(last, self.to).ok()?))
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| -> Option<i8> {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

impl Windows {
    /// What `now` is.
    pub fn at(&self, now: &Zoned) -> Moment {
        if self.0.is_empty() {
            return Moment::Open(None);
        }
        let days = (-2..=3).filter_map(|days| now.date().checked_add(days.days()).ok());
        let mut spans: Vec<(Zoned, Zoned)> = days
            .flat_map(|day| {
                let zone = now.time_zone();
                self.0.iter().filter_map(move |it| it.on(day, zone))
            })
            .collect();
        spans.sort();
        let mut end: Option<Zoned> = None;
        for (from, to) in &spans {
            // Where one begins when another ends there is no gap.
            let reached = end.as_ref().unwrap_or(now);
            if from > reached {
                break;
            }
            if to > reached {
                end = Some(to.clone());
            }
        }
        match end {
            // Together they leave nothing out.
            Some(end) if spans.iter().all(|(_, to)| *to <= end) => Moment::Open(None),
            Some(end) => Moment::Open(Some(end)),
            None => {
                let mut next = spans.into_iter().map(|(from, _)| from);
                next.find(|from| from > now)
                    .map_or(Moment::Open(None), Moment::Closed)
            }
        }
    }

    /// When it may begin again after `end`.
    pub fn after(&self, end: &Zoned) -> Option<Zoned> {
        match self.at(end) {
            Moment::Closed(until) => Some(until),
            Moment::Open(_) => None,
        }
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Window { from, to }) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let (from, to) = (from.strftime("%H:%M"), to.strftime("%H:%M"));
            write!(f, "{comma}{from}-{to}")?;
        }
        Ok(())
    }
}

/// A moment for people.
pub fn told(moment: &Zoned) -> String {
    moment.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(text: &str) -> Windows {
        let windows = text.split(',').map(Window::parse);
        Windows(windows.collect::<Result<_, _>>().expect("windows"))
    }

    #[test]
    fn two_times_of_day_are_a_window() {
        for text in ["22:00-06:00", "00:00-23:59", "09:30-24:00"] {
            assert!(Window::parse(text).is_ok(), "{text}");
        }
        for text in [
            "22-06",
            "22:00",
            "22:00-",
            "22:00-06:00-07:00",
            "25:00-06:00",
            "22:60-06:00",
            "+2:00-06:00",
            "2:00-06:00",
            "22:00–06:00",
            "24:00-06:00",
            "06:00-06:00",
            "00:00-24:00",
            "",
        ] {
            let fault = Window::parse(text).expect_err(text);
            assert!(fault.contains(&format!("{text:?}")), "{fault}");
        }
        assert_eq!(
            windows("22:00-06:00,12:00-13:00").to_string(),
            "22:00-06:00,12:00-13:00"
        );
    }

    /// Berlin: on 2026-03-29 02:00 is 03:00, on 2026-10-25 03:00 is 02:00 once more.
    #[test]
    fn it_is_time_or_not_and_until_when() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a time zone");
        let table = [
            ("", "2026-11-25T12:00", "open"),
            (
                "22:00-06:00",
                "2026-11-25T21:59",
                "closed till 2026-11-25T22:00+01:00",
            ),
            (
                "22:00-06:00",
                "2026-11-25T22:00",
                "open till 2026-11-26T06:00+01:00",
            ),
            (
                "22:00-06:00",
                "2026-11-26T00:00",
                "open till 2026-11-26T06:00+01:00",
            ),
            (
                "22:00-06:00",
                "2026-11-26T05:59",
                "open till 2026-11-26T06:00+01:00",
            ),
            (
                "22:00-06:00",
                "2026-11-26T06:00",
                "closed till 2026-11-26T22:00+01:00",
            ),
            (
                "08:00-17:00",
                "2026-12-31T18:00",
                "closed till 2027-01-01T08:00+01:00",
            ),
            (
                "08:00-17:00",
                "2026-12-31T16:59",
                "open till 2026-12-31T17:00+01:00",
            ),
            // Several: the next of them, and those without a gap are one.
            (
                "22:00-06:00,12:00-13:00",
                "2026-11-26T07:00",
                "closed till 2026-11-26T12:00+01:00",
            ),
            (
                "22:00-24:00,00:00-06:00",
                "2026-11-25T23:00",
                "open till 2026-11-26T06:00+01:00",
            ),
            (
                "12:00-18:00,06:00-13:00",
                "2026-11-25T07:00",
                "open till 2026-11-25T18:00+01:00",
            ),
            ("06:00-18:00,18:00-06:00", "2026-11-25T07:00", "open"),
            // The night that has an hour less, and the one that has one more.
            (
                "22:00-06:00",
                "2026-03-28T23:00",
                "open till 2026-03-29T06:00+02:00",
            ),
            (
                "22:00-02:30",
                "2026-03-28T23:00",
                "open till 2026-03-29T03:30+02:00",
            ),
            (
                "02:30-06:00",
                "2026-03-29T01:59",
                "closed till 2026-03-29T03:30+02:00",
            ),
            (
                "02:10-02:40",
                "2026-03-29T03:09",
                "closed till 2026-03-29T03:10+02:00",
            ),
            (
                "02:10-02:40",
                "2026-03-29T03:10",
                "open till 2026-03-29T03:40+02:00",
            ),
            (
                "22:00-06:00",
                "2026-10-24T23:00",
                "open till 2026-10-25T06:00+01:00",
            ),
            (
                "22:00-02:30",
                "2026-10-24T23:00",
                "open till 2026-10-25T02:30+02:00",
            ),
            (
                "02:30-06:00",
                "2026-10-25T02:29",
                "closed till 2026-10-25T02:30+02:00",
            ),
        ];
        for (text, now, want) in table {
            let windows = match text {
                "" => Windows::default(),
                text => windows(text),
            };
            let now: jiff::civil::DateTime = now.parse().expect("a time");
            let now = zone.to_ambiguous_zoned(now).compatible().expect("a time");
            let form = |zoned: &Zoned| zoned.strftime("%Y-%m-%dT%H:%M%:z").to_string();
            let is = match windows.at(&now) {
                Moment::Open(None) => "open".to_owned(),
                Moment::Open(Some(until)) => format!("open till {}", form(&until)),
                Moment::Closed(until) => format!("closed till {}", form(&until)),
            };
            assert_eq!(is, want, "{text} at {now}");
        }
        // The second 02:29 of that night.
        let now = "2026-10-25T02:29:00+01:00[Europe/Berlin]";
        let second: jiff::Timestamp = now[..25].parse().expect("a time");
        let second = second.to_zoned(zone);
        assert!(matches!(
            windows("22:00-02:30").at(&second),
            Moment::Closed(_)
        ));
        assert!(matches!(
            windows("02:30-06:00").at(&second),
            Moment::Open(Some(_))
        ));
    }
}
