//! Numbers for the eye.

use indicatif::{BinaryBytes, HumanCount};

/// A number as `1,208`.
pub(super) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 message`, `1,208 messages`: so many of what is called `one` where it is alone.
pub(super) fn things(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(number))
}

/// What a verify has found that POP3 clients would do.
pub(super) fn downloaded_again(messages: u64, octets: u64) -> String {
    format!(
        "POP3 clients that leave mail on the server would download {} ({}) again",
        things(messages, "message"),
        BinaryBytes(octets)
    )
}

/// A duration with as much detail as it deserves.
pub(super) fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and is for the eye"
    )]
    let whole = seconds.round() as u64;
    if seconds < 59.95 {
        format!("{seconds:.1}s")
    } else if whole < 3600 {
        format!("{}m{:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h{:02}m", whole / 3600, whole % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_one_or_many() {
        let told = [0, 1, 1208].map(|number| things(number, "message"));
        assert_eq!(told, ["0 messages", "1 message", "1,208 messages"]);
    }

    #[test]
    fn durations() {
        for (seconds, want) in [
            (0.0, "0.0s"),
            (59.94, "59.9s"),
            (59.96, "1m00s"),
            (3599.4, "59m59s"),
            (3599.6, "1h00m"),
            (360_000.0, "100h00m"),
        ] {
            assert_eq!(duration(seconds), want);
        }
    }
}
