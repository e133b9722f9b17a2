//! When a message arrived, from its headers: for sources that give no INTERNALDATE.

use std::num::NonZeroI64;

use jiff::fmt::rfc2822::DateTimeParser;

use super::header::field;

/// A time in seconds since 1970, of which an `Option` takes 8 bytes. The earliest second that there
/// is stands for the one before it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seconds(NonZeroI64);

impl From<i64> for Seconds {
    fn from(seconds: i64) -> Self {
        const EARLIEST: NonZeroI64 = NonZeroI64::new(1).expect("1 is not 0");
        Self(NonZeroI64::new(seconds ^ i64::MIN).unwrap_or(EARLIEST))
    }
}

impl From<Seconds> for i64 {
    fn from(seconds: Seconds) -> Self {
        seconds.0.get() ^ i64::MIN
    }
}

/// The time of the topmost `Received` header, else of `Date`, in seconds since 1970. `header` is
/// the beginning of a message, with CRLF or LF line ends; what follows the header is not looked at.
pub fn arrival(header: &[u8]) -> Option<i64> {
    let received = field(header, "received")
        .and_then(|value| seconds(value.rsplit_once(';').map(|(_, date)| date.to_owned())?));
    received.or_else(|| field(header, "date").and_then(seconds))
}

fn seconds(date: String) -> Option<i64> {
    static PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let timestamp = PARSER.parse_timestamp(date.trim()).ok()?;
    Some(timestamp.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_back_as_they_were() {
        for seconds in [0, 1, -1, 1_790_000_000, i64::MAX, i64::MIN + 1] {
            assert_eq!(i64::from(Seconds::from(seconds)), seconds);
        }
        assert_eq!(i64::from(Seconds::from(i64::MIN)), i64::MIN + 1);
    }

    #[test]
    fn the_top_received_header_wins_then_date() {
        for (header, want) in [
            (
                "Received: from a by b; Tue, 1 Jan 2019 00:00:00 +0100\r\nReceived: x; Mon, 1 Jan 2018 00:00:00 +0000\r\nDate: Wed, 01 Jan 2020 00:00:00 +0000\r\n\r\n",
                Some(1_546_297_200),
            ),
            (
                "Received: from a (b; c)\r\n\tby d;\r\n\tTue, 1 Jan 2019 00:00:00 -0500 (EST)\r\n\r\n",
                Some(1_546_318_800),
            ),
            (
                "Received: no date here\nDATE : Wed, 01 Jan 2020 00:00:00 GMT\n\n",
                Some(1_577_836_800),
            ),
            (
                "Date: Mon, 01 Jan 2020 00:00:00 +0000\n\n",
                Some(1_577_836_800),
            ),
            (
                "DKIM-Signature: h=From:\n\tReceived:\n\tDate:To;\nDate: 1 Jan 20 00:00 EST\n\n",
                Some(1_577_854_800),
            ),
            (
                "Subject: x\n\nDate: Wed, 01 Jan 2020 00:00:00 +0000\n",
                None,
            ),
            ("Date: yesterday\n\n", None),
            ("", None),
        ] {
            assert_eq!(arrival(header.as_bytes()), want, "{header:?}");
        }
    }
}
