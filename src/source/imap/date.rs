//! INTERNALDATE (RFC 3501 section 9, date-time), with the care that servers make necessary.

use jiff::civil;

/// Seconds since 1970 UTC for `17-Jul-1996 02:44:25 -0700`, the day padded with a space, a zero or
/// not at all. `None` for whatever is not a moment of the years 1 to 9999: `00-Jan-0000`, a
/// two-digit year, a missing or impossible zone.
pub fn parse(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?.trim();
    let mut words = text.split_ascii_whitespace();
    let (date, time, zone) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let mut parts = date.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let day = number(day, 1..=2)?;
    let month = month_number(month)?;
    let year = number(year, 4..=4).filter(|year| *year > 0)?;
    let mut parts = time.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let hour = number(hour, 1..=2)?;
    let minute = number(minute, 2..=2)?;
    // A leap second has no number of its own in Unix time.
    let second = match number(second, 2..=2)? {
        60 => 59,
        second => second,
    };
    let moment = civil::DateTime::new(
        year,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        0,
    )
    .ok()?;
    // Not by way of a timestamp: jiff's end a day before the year 9999 does.
    let since = moment.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0));
    Some(since.as_secs() - zone_seconds(zone)?)
}

/// `digits`, if there are as many as `count` allows and nothing else.
fn number(digits: &str, count: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    (plain && count.contains(&digits.len())).then(|| digits.parse().ok())?
}

fn month_number(name: &str) -> Option<usize> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(name))?;
    Some(at + 1)
}

/// `+hhmm` or `-hhmm` in seconds east of Greenwich.
fn zone_seconds(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let hhmm = i64::from(number(digits, 4..=4)?);
    let (hours, minutes) = (hhmm / 100, hhmm % 100);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_in_all_odd_forms() {
        for (text, want) in [
            ("17-Jul-1996 02:44:25 -0700", Some(837_596_665)),
            ("01-Jan-1970 00:00:00 +0000", Some(0)),
            (" 1-Jan-1970 01:00:00 +0100", Some(0)),
            ("1-Jan-1970 01:00:00 +0100", Some(0)),
            ("1-jan-1970 1:00:00 +0100", Some(0)),
            ("01-JAN-1970 00:00:00 +0530", Some(-19_800)),
            ("31-Dec-1969 20:30:00 -0330", Some(0)),
            ("31-Dec-1899 00:00:00 +0000", Some(-2_209_075_200)),
            ("19-Jan-2038 03:14:08 +0000", Some(2_147_483_648)),
            ("31-Dec-9999 23:59:59 +0000", Some(253_402_300_799)),
            ("31-Dec-9999 23:59:59 -1200", Some(253_402_343_999)),
            ("01-Jan-0001 00:00:00 +0000", Some(-62_135_596_800)),
            ("29-Feb-2024 00:00:00 +0000", Some(1_709_164_800)),
            ("30-Jun-2015 23:59:60 +0000", Some(1_435_708_799)),
            ("29-Feb-2023 00:00:00 +0000", None),
            ("00-Jan-0000 00:00:00 +0000", None),
            ("01-Jan-0000 00:00:00 +0000", None),
            ("31-Apr-2020 00:00:00 +0000", None),
            ("01-Jan-99 00:00:00 +0000", None),
            ("01-Jan-10000 00:00:00 +0000", None),
            ("01-Foo-2020 00:00:00 +0000", None),
            ("01-Jan-2020 24:00:00 +0000", None),
            ("01-Jan-2020 00:00:61 +0000", None),
            ("01-Jan-2020 00:00:00", None),
            ("01-Jan-2020 00:00:00 +9900", None),
            ("01-Jan-2020 00:00:00 +0060", None),
            ("01-Jan-2020 00:00:00 0000", None),
            ("01-Jan-2020 00:00:00 é000", None),
            ("01-Jan-2020 00:00:00 ++100", None),
            ("01-Jan-2020 00:00:00 +0000 x", None),
            ("+1-Jan-2020 00:00:00 +0000", None),
            ("NIL", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text:?}");
        }
        assert_eq!(parse(b"01-Jan-2020 00:00:00 \xff0000"), None);
    }
}
